// SPDX-License-Identifier: GPL-2.0-only
/* Counters, and the JSON that they make. */
#define _GNU_SOURCE
#include <cjson/cJSON.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "xesim.h"

/* A guest can make up names: those that find no room are counted as "other" */
#define NR_BUCKETS 4096
#define MAX_NAMED 16384

struct named {
	struct named *next;
	uint64_t count;
	const char *kind, *name;
};

struct stats stats;
static struct named *bucket[NR_BUCKETS];
static unsigned int nr_named;

/* FNV-1a */
static uint32_t hash(uint32_t h, const char *s)
{
	while (*s)
		h = (h ^ (uint8_t)*s++) * 16777619u;
	return h;
}

static char *copy(const char *s)
{
	char *p = strdup(s);

	if (!p)
		abort();
	return p;
}

static struct named *named_new(struct named **head, const char *kind,
			       const char *name)
{
	struct named *n = malloc(sizeof(*n));

	if (!n)
		abort();
	n->next = *head;
	n->count = 0;
	n->kind = copy(kind);
	n->name = copy(name);
	nr_named++;
	return *head = n;
}

static struct named *named_get(const char *kind, const char *name)
{
	uint32_t h = hash(hash(2166136261u, kind), name);
	struct named **head = &bucket[(h ^ h >> 16) % NR_BUCKETS];
	struct named *n;

	for (n = *head; n; n = n->next)
		if (!strcmp(n->name, name) && !strcmp(n->kind, kind))
			return n;
	if (nr_named >= MAX_NAMED && strcmp(name, "other"))
		return named_get(kind, "other");
	return named_new(head, kind, name);
}

void stats_count(const char *kind, const char *name)
{
	named_get(kind, name)->count++;
}

void stats_set(const char *kind, const char *name, uint64_t n)
{
	named_get(kind, name)->count = n;
}

static int named_order(const void *a, const void *b)
{
	const struct named *x = *(const struct named *const *)a;
	const struct named *y = *(const struct named *const *)b;
	int order = strcmp(x->kind, y->kind);

	return order ? order : strcmp(x->name, y->name);
}

/* cJSON's numbers are doubles: these are exact */
static void add_u64(cJSON *object, const char *name, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	cJSON_AddRawToObject(object, name, text);
}

static void add_named(cJSON *root)
{
	struct named **all, *n;
	unsigned int i, nr = 0;
	cJSON *object = NULL;

	all = calloc(nr_named + 1, sizeof(*all));
	if (!all)
		abort();
	for (i = 0; i < NR_BUCKETS; i++)
		for (n = bucket[i]; n; n = n->next)
			all[nr++] = n;
	qsort(all, nr, sizeof(*all), named_order);
	for (i = 0; i < nr; i++) {
		if (!i || strcmp(all[i]->kind, all[i - 1]->kind))
			object = cJSON_AddObjectToObject(root, all[i]->kind);
		add_u64(object, all[i]->name, all[i]->count);
	}
	free(all);
}

static char *stats_json(const struct options *opt)
{
	cJSON *root = cJSON_CreateObject(), *object;
	char *text;

	cJSON_AddStringToObject(root, "profile", opt->profile->name);
	add_u64(root, "vram", opt->vram);
	cJSON_AddStringToObject(root, "tlb",
				opt->tlb_strict ? "strict" : "normal");
	add_u64(root, "seed", opt->seed);
#define X(name, text) add_u64(object, #name, stats.name);
	object = cJSON_AddObjectToObject(root, "counters");
	STATS(X)
	object = cJSON_AddObjectToObject(root, "bad");
	STATS_BAD(X)
#undef X
	add_named(root);
	text = cJSON_Print(root);
	cJSON_Delete(root);
	return text;
}

static int write_text(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	if (!f)
		return -1;
	fprintf(f, "%s\n", text);
	return fclose(f);
}

/* A reader never sees half of a file, where it is one that can be replaced */
static int replace_file(const char *path, const char *text)
{
	struct stat st;
	char *tmp;
	int ret;

	if (!lstat(path, &st) && !S_ISREG(st.st_mode))
		return write_text(path, text);
	if (asprintf(&tmp, "%s.tmp", path) < 0)
		return -1;
	ret = write_text(tmp, text);
	if (!ret)
		ret = rename(tmp, path);
	free(tmp);
	return ret;
}

void stats_write(const char *path, const struct options *opt)
{
	char *text;

	cs_report();
	text = stats_json(opt);
	if (!text)
		abort();
	if (!path)
		fprintf(stderr, "%s\n", text);
	else if (replace_file(path, text))
		fprintf(stderr, "xesim: --stats %s: %s\n", path,
			strerror(errno));
	free(text);
}
