// SPDX-License-Identifier: GPL-2.0-only
/*
 * Faults on purpose.  A file has one on each line, and comments:
 *
 *	NAME[=EVENT] [after=N] [every=N] [count=N] [prob=P]	# ...
 *
 * NAME happens to events (only those called EVENT): not to the first "after", from
 * there on to the first of each "every", with a probability of "prob", and no more
 * than "count" times.
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

struct rule {
	enum injection what;
	char event[MAX_EVENT]; /* "": any */
	uint64_t after, every, count;
	double prob;
	uint64_t seen, done;
};

static const char *const names[NR_INJECTIONS] = {
	[INJECT_FLUSH_SKIP] = "flush-skip",
	[INJECT_FLUSH_LOST] = "flush-lost",
	[INJECT_G2H_DROP] = "g2h-drop",
	[INJECT_IRQ_DROP] = "irq-drop",
	[INJECT_COPY_CORRUPT] = "copy-corrupt",
	[INJECT_STORE_DROP] = "store-drop",
	[INJECT_ENGINE_HANG] = "engine-hang",
	[INJECT_FAULT_DROP] = "fault-drop",
	[INJECT_CAT_ERROR] = "cat-error",
	[INJECT_ATOMIC_TWICE] = "atomic-twice",
	[INJECT_ACCESS_COUNTER] = "access-counter",
};

static struct rule rules[MAX_RULES];
static unsigned int nr_rules;
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

bool inject(enum injection what, const char *name)
{
	bool fire = false;
	struct rule *r;

	for (r = rules; r < rules + nr_rules; r++) {
		if (r->what != what)
			continue;
		if (*r->event && (!name || strcmp(r->event, name)))
			continue;
		fire |= rule_fires(r);
	}
	if (!fire)
		return false;
	stats.injected++;
	stats_count("injected", names[what]);
	trace(NULL, "inject %s event=%s", names[what], name ? name : "-");
	return true;
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
		fprintf(stderr, "%s %s", i ? "," : "", names[i]);
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
		if (!strcmp(word, names[i]))
			break;
	if (i == NR_INJECTIONS)
		return bad_name(at, word);
	r->what = i;
	if (!event)
		return 0;
	if (!*event || strlen(event) >= MAX_EVENT)
		return bad(at, word,
			   "the event's name is empty or too long; give one "
			   "of 1 to 63 bytes, or leave out the =");
	strcpy(r->event, event);
	return 0;
}

static int parse_count(const char *text, uint64_t min, uint64_t *value)
{
	char *end;

	if (!isdigit((unsigned char)*text))
		return -1;
	errno = 0;
	*value = strtoull(text, &end, 10);
	return errno || *end || *value < min ? -1 : 0;
}

static int parse_prob(const char *text, double *value)
{
	char *end;

	if (!isdigit((unsigned char)*text) && *text != '.')
		return -1;
	*value = strtod(text, &end);
	return *end || !(*value >= 0 && *value <= 1) ? -1 : 0;
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
		if (!parse_count(word + len, counts[i].min, counts[i].value))
			return 0;
		return bad(at, word,
			   counts[i].min ? "give a whole number from 1 on"
					 : "give a whole number from 0 on");
	}
	if (strncmp(word, "prob=", 5))
		return bad(at, word,
			   "unknown; give after=N, every=N, count=N or prob=P");
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
	rules[nr_rules++] = r;
	return 0;
}

int inject_load(const char *path, uint64_t seed)
{
	struct place at = { .path = path };
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t size = 0;
	int ret = 0;

	nr_rules = 0;
	random_seed(seed);
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
