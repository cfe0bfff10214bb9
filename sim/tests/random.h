/* SPDX-License-Identifier: GPL-2.0-only */
/* Random numbers for tests: other ones each time, but for TEST_SEED in the environment. */
#ifndef XESIM_TESTS_RANDOM_H
#define XESIM_TESTS_RANDOM_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

static uint64_t random_state;

/* random_start(): and says the seed, for a failure to be seen again */
static inline void random_start(void)
{
	const char *seed = getenv("TEST_SEED");

	if (seed)
		random_state = strtoull(seed, NULL, 0);
	else if (getrandom(&random_state, sizeof(random_state), 0) < 0)
		abort();
	fprintf(stderr, "TEST_SEED=0x%llx\n", (unsigned long long)random_state);
}

/* splitmix64 */
static inline uint64_t random_u64(void)
{
	uint64_t z = random_state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static inline uint64_t random_below(uint64_t n)
{
	return random_u64() % n;
}

static inline bool one_in(uint64_t n)
{
	return !random_below(n);
}

#endif
