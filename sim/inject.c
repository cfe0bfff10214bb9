// SPDX-License-Identifier: GPL-2.0-only
/*
 * Faults on purpose.  A file has one on each line, and comments:
 *
 *	NAME[=EVENT] [after=N] [every=N] [count=N] [prob=P] [time=T]	# ...
 *
 * NAME happens to events (only those called EVENT): not to the first "after", from
 * there on to the first of each "every", with a probability of "prob", and no more
 * than "count" times.  Where it is a delay it takes "time".
 *
 * Chaos is a set of such rules, with delays that are random.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "xesim.h"

#define MAX_RULES 256
#define MAX_EVENT 64
#define BLANK " \t\r\n"
#define BAD_TIME                                                               \
	"not a time; give a whole number from 1 on with ns, us, ms or s (at "  \
	"most 3600s), as in 200us"
#define TIME_NS 10000000 /* where a rule does not say it */
#define CHAOS_TIME_NS 2000000

struct rule {
	enum injection what;
	char event[MAX_EVENT]; /* "": any */
	uint64_t after, every, count;
	double prob;
	uint64_t time_ns;
	bool random_time; /* up to that */
	uint64_t seen, done;
};

static const struct kind {
	const char *name;
	bool takes_time;
} kinds[NR_INJECTIONS] = {
	[INJECT_FLUSH_SKIP] = { "flush-skip", false },
	[INJECT_FLUSH_LOST] = { "flush-lost", false },
	[INJECT_FLUSH_LATE] = { "flush-late", true },
	[INJECT_FLUSH_SLOW] = { "flush-slow", true },
	[INJECT_G2H_DROP] = { "g2h-drop", false },
	[INJECT_G2H_DELAY] = { "g2h-delay", true },
	[INJECT_IRQ_DROP] = { "irq-drop", false },
	[INJECT_IRQ_DELAY] = { "irq-delay", true },
	[INJECT_COPY_CORRUPT] = { "copy-corrupt", false },
	[INJECT_COPY_CUT] = { "copy-cut", false },
	[INJECT_VRAM_POISON] = { "vram-poison", false },
	[INJECT_STORE_DROP] = { "store-drop", false },
	[INJECT_ENGINE_HANG] = { "engine-hang", false },
	[INJECT_GT_RESET] = { "gt-reset", false },
	[INJECT_FAULT_DROP] = { "fault-drop", false },
	[INJECT_FAULT_TWICE] = { "fault-twice", false },
	[INJECT_FAULT_SPURIOUS] = { "fault-spurious", false },
	[INJECT_CAT_ERROR] = { "cat-error", false },
	[INJECT_ATOMIC_TWICE] = { "atomic-twice", false },
	[INJECT_PREEMPT] = { "preempt", false },
	[INJECT_TLB_EVICT] = { "tlb-evict", false },
	[INJECT_ACCESS_COUNTER] = { "access-counter", false },
};

/* What chaos does.  Only those messages are late whose overtaking by others means nothing: an
 * error of a context must come before the end of that.
 */
static const struct {
	enum injection what;
	const char *event;
} chaos[] = {
	{ INJECT_G2H_DELAY, "TLB_INVALIDATION_DONE" },
	{ INJECT_G2H_DELAY, "SCHED_CONTEXT_MODE_DONE" },
	{ INJECT_G2H_DELAY, "DEREGISTER_CONTEXT_DONE" },
	{ INJECT_G2H_DELAY, "REPORT_PAGE_FAULT_REQ_DESC" },
	{ INJECT_FLUSH_SLOW, "" },
	{ INJECT_IRQ_DELAY, "" },
	{ INJECT_COPY_CUT, "" },
	{ INJECT_FAULT_TWICE, "" },
	{ INJECT_PREEMPT, "" },
	{ INJECT_TLB_EVICT, "" },
};

static struct rule rules[MAX_RULES + ARRAY_SIZE(chaos)];
static unsigned int nr_rules;
static bool wanted[NR_INJECTIONS]; /* there is a rule */
static uint64_t random_state;

/* xorshift64*: uniform in [0, 1) */
static double random_unit(void)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return (random_state * 0x2545f4914f6cdd1dull >> 11) * 0x1p-53;
}

/* splitmix64: seeds that differ by a bit give states that differ by many, none is 0 */
static void random_seed(uint64_t seed)
{
	uint64_t z = seed + 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	random_state = (z ^ z >> 31) ?: 1;
}

/* Counts the event; whether it is to be hit */
static bool rule_fires(struct rule *r)
{
	uint64_t n = r->seen++;

	if (n < r->after || (n - r->after) % r->every || r->done >= r->count)
		return false;
	if (r->prob < 1 && random_unit() >= r->prob)
		return false;
	r->done++;
	return true;
}

static uint64_t rule_time(const struct rule *r)
{
	if (r->random_time)
		return 1 + random_unit() * (r->time_ns - 1);
	return r->time_ns;
}

/* fires(): whether one of the rules hits this event, and the longest time of those that do */
static bool fires(enum injection what, const char *name, uint64_t *time_ns)
{
	bool fire = false;
	struct rule *r;
	uint64_t ns;

	*time_ns = 0;
	for (r = rules; wanted[what] && r < rules + nr_rules; r++) {
		if (r->what != what)
			continue;
		if (*r->event && (!name || strcmp(r->event, name)))
			continue;
		if (!rule_fires(r))
			continue;
		fire = true;
		ns = rule_time(r);
		if (ns > *time_ns)
			*time_ns = ns;
	}
	if (!fire)
		return false;
	stats.injected++;
	stats_count("injected", kinds[what].name);
	trace(NULL, "inject %s event=%s ns=%llu", kinds[what].name,
	      name ? name : "-", (unsigned long long)*time_ns);
	return true;
}

bool inject(enum injection what, const char *name)
{
	uint64_t ns;

	return fires(what, name, &ns);
}

uint64_t inject_time(enum injection what, const char *name)
{
	uint64_t ns;

	fires(what, name, &ns);
	return ns;
}

static void add_rule(const struct rule *r)
{
	rules[nr_rules++] = *r;
	wanted[r->what] = true;
}

/* --- The file ------------------------------------------------------------ */

/* Where in which file */
struct place {
	const char *path;
	unsigned int line;
};

static int bad(const struct place *at, const char *word, const char *text)
{
	fprintf(stderr, "xesim: %s:%u: %s: %s\n", at->path, at->line, word,
		text);
	return -1;
}

static int bad_name(const struct place *at, const char *word)
{
	unsigned int i;

	fprintf(stderr, "xesim: %s:%u: %s: no such fault; give", at->path,
		at->line, word);
	for (i = 0; i < NR_INJECTIONS; i++)
		fprintf(stderr, "%s %s", i ? "," : "", kinds[i].name);
	fputc('\n', stderr);
	return -1;
}

static int parse_name(const struct place *at, char *word, struct rule *r)
{
	char *event = strchr(word, '=');
	unsigned int i;

	if (event)
		*event++ = '\0';
	for (i = 0; i < NR_INJECTIONS; i++)
		if (!strcmp(word, kinds[i].name))
			break;
	if (i == NR_INJECTIONS)
		return bad_name(at, word);
	r->what = i;
	r->time_ns = kinds[i].takes_time ? TIME_NS : 0;
	if (!event)
		return 0;
	if (!*event || strlen(event) >= MAX_EVENT)
		return bad(at, word,
			   "the event's name is empty or too long; give one "
			   "of 1 to 63 bytes, or leave out the =");
	strcpy(r->event, event);
	return 0;
}

static int parse_prob(const char *text, double *value)
{
	char *end;

	if (!isdigit((unsigned char)*text) && *text != '.')
		return -1;
	*value = strtod(text, &end);
	return *end || !(*value >= 0 && *value <= 1) ? -1 : 0;
}

static int parse_delay(const struct place *at, const char *word, struct rule *r)
{
	if (!kinds[r->what].takes_time)
		return bad(at, word, "this fault takes no time; leave it out");
	if (parse_time(word + 5, &r->time_ns) || !r->time_ns)
		return bad(at, word, BAD_TIME);
	return 0;
}

static int parse_option(const struct place *at, const char *word,
			struct rule *r)
{
	const struct {
		const char *name;
		uint64_t *value;
		uint64_t min;
	} counts[] = {
		{ "after=", &r->after, 0 },
		{ "every=", &r->every, 1 },
		{ "count=", &r->count, 1 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(counts); i++) {
		size_t len = strlen(counts[i].name);

		if (strncmp(word, counts[i].name, len))
			continue;
		if (!parse_number(word + len, counts[i].value) &&
		    *counts[i].value >= counts[i].min)
			return 0;
		return bad(at, word,
			   counts[i].min ? "give a whole number from 1 on"
					 : "give a whole number from 0 on");
	}
	if (!strncmp(word, "time=", 5))
		return parse_delay(at, word, r);
	if (strncmp(word, "prob=", 5))
		return bad(at, word,
			   "unknown; give after=N, every=N, count=N, prob=P "
			   "or time=T");
	if (parse_prob(word + 5, &r->prob))
		return bad(at, word, "give a number from 0 to 1, as in 0.01");
	return 0;
}

/* Lines of nothing but blanks and comments are fine */
static int parse_line(const struct place *at, char *line)
{
	struct rule r = { .every = 1, .count = UINT64_MAX, .prob = 1 };
	char *save, *word;

	line[strcspn(line, "#")] = '\0';
	word = strtok_r(line, BLANK, &save);
	if (!word)
		return 0;
	if (nr_rules == MAX_RULES)
		return bad(at, word, "too many faults; give at most 256");
	if (parse_name(at, word, &r))
		return -1;
	while ((word = strtok_r(NULL, BLANK, &save)))
		if (parse_option(at, word, &r))
			return -1;
	add_rule(&r);
	return 0;
}

void inject_init(uint64_t seed)
{
	nr_rules = 0;
	memset(wanted, 0, sizeof(wanted));
	random_seed(seed);
}

int inject_load(const char *path)
{
	struct place at = { .path = path };
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t size = 0;
	int ret = 0;

	while (f && !ret && getline(&line, &size, f) >= 0) {
		at.line++;
		ret = parse_line(&at, line);
	}
	if (!f || (!ret && ferror(f))) {
		fprintf(stderr,
			"xesim: --inject %s: %s; give a file that can be "
			"read\n",
			path, strerror(errno));
		ret = -1;
	}
	free(line);
	if (f)
		fclose(f);
	return ret;
}

/* --- Chaos ---------------------------------------------------------------- */

static int bad_chaos(const char *text, const char *why)
{
	fprintf(stderr, "xesim: --chaos %s: %s\n", text, why);
	return -1;
}

/* "RATE[,time=TIME]" */
int inject_chaos(const char *text)
{
	struct rule r = { .every = 1, .count = UINT64_MAX };
	size_t len = strcspn(text, ",");
	uint64_t ns = CHAOS_TIME_NS;
	char rate[32];
	unsigned int i;

	snprintf(rate, sizeof(rate), "%.*s", (int)len, text);
	if (len >= sizeof(rate) || parse_prob(rate, &r.prob))
		return bad_chaos(text, "not a rate; give a number from 0 to 1, "
				       "as in 0.001");
	if (text[len] && strncmp(text + len, ",time=", 6))
		return bad_chaos(text, "unknown option; give RATE,time=TIME, "
				       "as in 0.001,time=2ms");
	if (text[len] && (parse_time(text + len + 6, &ns) || !ns))
		return bad_chaos(text, BAD_TIME);
	for (i = 0; i < ARRAY_SIZE(chaos); i++) {
		r.what = chaos[i].what;
		strcpy(r.event, chaos[i].event);
		r.random_time = kinds[r.what].takes_time;
		r.time_ns = r.random_time ? ns : 0;
		add_rule(&r);
	}
	return 0;
}
