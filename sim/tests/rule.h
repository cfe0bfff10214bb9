/* SPDX-License-Identifier: GPL-2.0-only */
/* Faults on purpose, for tests of what they do. */
#ifndef XESIM_TESTS_RULE_H
#define XESIM_TESTS_RULE_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "xesim.h"

/* rule_load(): a file with that text, after those loaded before; as inject_load() */
static inline int rule_load(const char *text)
{
	char path[] = "/tmp/test_rule.XXXXXX";
	int fd = mkstemp(path), ret;
	FILE *f = fdopen(fd, "w");

	if (!f || fputs(text, f) < 0 || fclose(f))
		abort();
	ret = inject_load(path);
	unlink(path);
	return ret;
}

/* inject_rule(): from now on nothing else is injected; "" for nothing at all */
static inline void inject_rule(const char *text)
{
	inject_init(1);
	if (rule_load(text))
		abort();
}

#endif
