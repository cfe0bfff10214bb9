/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A clock that stands still unless the test moves it: what now_ns() reads.  For one file
 * of a program only.
 */
#ifndef XESIM_TESTS_CLOCK_H
#define XESIM_TESTS_CLOCK_H

#include <stdint.h>
#include <time.h>

static uint64_t clock_ns = 1000000000;
static uint64_t clock_step; /* that each look at it takes */

/* In place of the one of the C library */
int clock_gettime(clockid_t id, struct timespec *ts)
{
	(void)id;
	clock_ns += clock_step;
	ts->tv_sec = clock_ns / 1000000000;
	ts->tv_nsec = clock_ns % 1000000000;
	return 0;
}

#endif
