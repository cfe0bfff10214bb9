// SPDX-License-Identifier: GPL-2.0-only
/* Numbers that an operator writes: whole ones, with a unit behind them. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "xesim.h"

#define MAX_TIME_NS 3600000000000ull

struct suffix {
	const char *text;
	uint64_t factor;
};

static int parse(const char *text, const struct suffix *suffix, uint64_t *value)
{
	unsigned long long n;
	char *end;

	if (!isdigit((unsigned char)*text))
		return -1;
	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno)
		return -1;
	for (; suffix->text; suffix++)
		if (!strcmp(end, suffix->text))
			return __builtin_mul_overflow(n, suffix->factor, value)
				       ? -1
				       : 0;
	return -1;
}

int parse_number(const char *text, uint64_t *value)
{
	static const struct suffix none[] = { { "", 1 }, {} };

	return parse(text, none, value);
}

int parse_size(const char *text, uint64_t *bytes)
{
	static const struct suffix units[] = {
		{ "", 1 }, { "K", KIB(1) }, { "M", MIB(1) }, { "G", GIB(1) }, {}
	};

	return parse(text, units, bytes);
}

int parse_time(const char *text, uint64_t *ns)
{
	static const struct suffix units[] = { { "ns", 1 },
					       { "us", 1000 },
					       { "ms", 1000000 },
					       { "s", 1000000000 },
					       {} };

	if (!strcmp(text, "0")) {
		*ns = 0;
		return 0;
	}
	return parse(text, units, ns) || *ns > MAX_TIME_NS ? -1 : 0;
}
