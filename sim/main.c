// SPDX-License-Identifier: GPL-2.0-only
/* The command line. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "xesim.h"

#define VERSION "0.1"

static int bad(const char *option, const char *value, const char *text)
{
	fprintf(stderr, "xesim: --%s %s: %s\n", option, value, text);
	return -1;
}

static int opt_socket(struct options *o, const char *value)
{
	struct sockaddr_un addr;

	if (!*value)
		return bad("socket", "''", "is empty; give a path");
	if (strlen(value) >= sizeof(addr.sun_path))
		return bad("socket", value,
			   "is too long; give a path of at most 107 bytes");
	o->socket = value;
	return 0;
}

static int opt_profile(struct options *o, const char *value)
{
	o->profile = profile_find(value);
	return o->profile ? 0
			  : bad("profile", value,
				"no such GPU; give one that --help lists");
}

static int opt_vram(struct options *o, const char *value)
{
	if (parse_size(value, &o->vram))
		return bad("vram", value,
			   "not a size; give a whole number with M or G, as "
			   "in 1G");
	if (o->vram < MIB(256) || o->vram > GIB(64) || o->vram % MIB(256))
		return bad("vram", value,
			   "not possible; give a multiple of 256M, from 256M "
			   "to 64G");
	return 0;
}

static int opt_tlb(struct options *o, const char *value)
{
	o->tlb_strict = !strcmp(value, "strict");
	if (!o->tlb_strict && strcmp(value, "normal"))
		return bad("tlb", value, "unknown; give normal or strict");
	return 0;
}

static int opt_inject(struct options *o, const char *value)
{
	o->inject_file = value;
	return 0;
}

static int opt_chaos(struct options *o, const char *value)
{
	o->chaos = value;
	return 0;
}

static int opt_peers(struct options *o, const char *value)
{
	o->peers_dir = value;
	return 0;
}

static bool seed_given;

static int opt_seed(struct options *o, const char *value)
{
	seed_given = true;
	return parse_number(value, &o->seed)
		       ? bad("seed", value,
			     "not a number; give one from 0 to 2^64 - 1")
		       : 0;
}

static int opt_trace(struct options *o, const char *value)
{
	o->trace_file = value;
	return 0;
}

static int opt_stats(struct options *o, const char *value)
{
	o->stats_file = value;
	return 0;
}

static const struct latency_name {
	const char *name;
	size_t offset;
	bool size; /* bytes a second, not a time */
} latency_names[] = {
	{ "flush", offsetof(struct options, latency.flush_ns), false },
	{ "flush1", offsetof(struct options, latency.flush1_ns), false },
	{ "fault", offsetof(struct options, latency.fault_ns), false },
	{ "job", offsetof(struct options, latency.job_ns), false },
	{ "irq", offsetof(struct options, latency.irq_ns), false },
	{ "copy", offsetof(struct options, latency.copy_bps), true },
	{ "stale", offsetof(struct options, stale_ns), false },
};

static int latency_value(const struct latency_name *n, const char *text,
			 uint64_t *value)
{
	if (n->size) {
		if (!parse_size(text, value))
			return 0;
		fprintf(stderr,
			"xesim: --latency copy=%s: not a rate; give bytes a "
			"second, as in 8G, or 0 for no limit\n",
			text);
		return -1;
	}
	if (!parse_time(text, value))
		return 0;
	fprintf(stderr,
		"xesim: --latency %s=%s: not a time; give a whole number with "
		"ns, us, ms or s (at most 3600s), as in 200us\n",
		n->name, text);
	return -1;
}

/* "NAME=VALUE" */
static int latency_one(struct options *o, char *text)
{
	char *value = strchr(text, '=');
	unsigned int i;

	if (value)
		*value++ = '\0';
	for (i = 0; value && i < ARRAY_SIZE(latency_names); i++) {
		const struct latency_name *n = &latency_names[i];

		if (!strcmp(text, n->name))
			return latency_value(
				n, value, (uint64_t *)((char *)o + n->offset));
	}
	return bad("latency", text,
		   value ? "unknown; give flush=, flush1=, fault=, job=, irq=, "
			   "stale= or copy="
			 : "has no value; give NAME=VALUE, as in flush=200us");
}

static int opt_latency(struct options *o, const char *value)
{
	char *list = strdup(value), *save, *p;
	int ret = 0;

	if (!list)
		abort();
	p = strtok_r(list, ",", &save);
	if (!p)
		ret = bad("latency", "''",
			  "is empty; give NAME=VALUE, as in flush=200us");
	for (; p && !ret; p = strtok_r(NULL, ",", &save))
		ret = latency_one(o, p);
	free(list);
	return ret;
}

static const struct option_desc {
	const char *name;
	const char *arg; /* NULL: it takes none */
	int (*fn)(struct options *o, const char *value);
	const char *help;
} descs[] = {
	{ "socket", "PATH", opt_socket, "where QEMU connects; required" },
	{ "profile", "NAME", opt_profile, "the GPU to be, of the list below" },
	{ "vram", "SIZE", opt_vram, "memory of each tile, as in 1G" },
	{ "tlb", "MODE", opt_tlb,
	  "normal, or strict: keep every translation until it is flushed" },
	{ "latency", "LIST", opt_latency,
	  "what takes time: flush=200us,fault=,job=,irq=,copy=8G" },
	{ "peers", "DIR", opt_peers,
	  "a folder shared with the guest's other GPUs, to reach their VRAM" },
	{ "inject", "FILE", opt_inject, "faults to make on purpose" },
	{ "chaos", "RATE", opt_chaos,
	  "at random, what no driver may mind: 0.001[,time=2ms]" },
	{ "seed", "N", opt_seed, "of what is random" },
	{ "trace", "FILE", opt_trace, "write down what happens" },
	{ "stats", "FILE", opt_stats, "write counters at exit and on SIGUSR1" },
	{ "help", NULL, NULL, "this text" },
	{ "version", NULL, NULL, "the version" },
};

static int help(void)
{
	const struct option_desc *d;
	char text[32];

	printf("usage: xesim --socket PATH [OPTION]...\n"
	       "Simulates an Intel Xe GPU that QEMU attaches as "
	       "vfio-user-pci.\n\n");
	for (d = descs; d < descs + ARRAY_SIZE(descs); d++) {
		snprintf(text, sizeof(text), "%s %s", d->name,
			 d->arg ? d->arg : "");
		printf("  --%-15s %s\n", text, d->help);
	}
	printf("\nGPUs:\n");
	profile_list(stdout);
	printf("\nThe manual page, xesim(1), has it all.\n");
	return 0;
}

static int usage_error(const char *option, const char *text)
{
	fprintf(stderr, "xesim: %s: %s\n", option, text);
	return 2;
}

/* Returns the exit status, or -1 to go on */
static int parse_one(struct options *o, int c, int index, char **argv)
{
	const char *name;

	if (c == '?')
		return usage_error(argv[optind - 1],
				   "unknown or wrong option; see --help");
	if (c == ':')
		return usage_error(argv[optind - 1],
				   "needs a value; see --help");
	name = descs[index].name;
	if (descs[index].fn)
		return descs[index].fn(o, optarg) ? 2 : -1;
	if (!strcmp(name, "help"))
		return help();
	puts("xesim " VERSION);
	return 0;
}

static int parse_options(struct options *o, int argc, char **argv)
{
	struct option longopts[ARRAY_SIZE(descs) + 1] = {};
	int index, c, ret;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(descs); i++) {
		longopts[i].name = descs[i].name;
		longopts[i].has_arg =
			descs[i].arg ? required_argument : no_argument;
	}
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":", longopts, &index)) != -1) {
		ret = parse_one(o, c, index, argv);
		if (ret >= 0)
			return ret;
	}
	if (optind < argc)
		return usage_error(argv[optind],
				   "unexpected argument; see --help");
	if (!o->socket)
		return usage_error("--socket is missing",
				   "give the path where QEMU connects");
	return -1;
}

/* Drivers zap entries first, and ask for the flush when they have done so: 5 s */
#define STALE_NS 5000000000ull

/* What the command line left open */
static void set_defaults(struct options *o)
{
	if (!o->vram)
		o->vram = o->profile->vram_default;
	if (!seed_given)
		o->seed = now_ns() ^ (uint64_t)time(NULL) << 20 ^ getpid();
}

static int bad_file(const char *option, const char *path)
{
	fprintf(stderr, "xesim: --%s %s: %s; give a file that can be written\n",
		option, path, strerror(errno));
	return -1;
}

static int open_files(const struct options *o)
{
	FILE *f;

	inject_init(o->seed);
	if (o->inject_file && inject_load(o->inject_file))
		return -1;
	if (o->chaos && inject_chaos(o->chaos))
		return -1;
	if ((o->inject_file || o->chaos) && !seed_given)
		fprintf(stderr, "xesim: --seed %" PRIu64 " repeats this run\n",
			o->seed);
	if (o->trace_file && trace_open(o->trace_file))
		return bad_file("trace", o->trace_file);
	if (!o->stats_file)
		return 0;
	/* Found out now, not after hours */
	f = fopen(o->stats_file, "ae");
	if (!f)
		return bad_file("stats", o->stats_file);
	fclose(f);
	return 0;
}

static int serve(struct sim *sim)
{
	const struct options *o = &sim->opt;
	int status;

	if (vfu_listen(sim, o->socket))
		return 1;
	printf("xesim: %s (8086:%04x), %" PRIu64 " MiB VRAM, listening on %s\n",
	       o->profile->name, o->profile->device,
	       o->vram * sim->nr_tiles / MIB(1), o->socket);
	fflush(stdout);
	status = vfu_run(sim);
	if (o->stats_file)
		stats_write(o->stats_file, o);
	return status;
}

int main(int argc, char **argv)
{
	static struct sim sim;
	int status;

	sim.opt.profile = profile_find("bmg");
	sim.opt.stale_ns = STALE_NS;
	status = parse_options(&sim.opt, argc, argv);
	if (status >= 0)
		return status;
	set_defaults(&sim.opt);
	if (open_files(&sim.opt))
		return 2;
	if (sim_init(&sim))
		return 1;
	if (sim.opt.peers_dir && peers_join(&sim.mem, sim.opt.peers_dir))
		return 2;
	status = serve(&sim);
	sim_free(&sim);
	trace_close();
	return status;
}
