// SPDX-License-Identifier: GPL-2.0-only
/* Timers: a list sorted by time, run by the loop that serves the socket. */
#include <time.h>

#include "xesim.h"

static TAILQ_HEAD(timer_list, timer) timers = TAILQ_HEAD_INITIALIZER(timers);

uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

void timer_arm(struct timer *t, uint64_t delay_ns, void (*fn)(void *),
	       void *arg)
{
	struct timer *prev;

	timer_cancel(t);
	t->when = now_ns() + delay_ns;
	t->fn = fn;
	t->arg = arg;
	t->armed = true;
	/* From the end: timers of the same delay come in order */
	TAILQ_FOREACH_REVERSE(prev, &timers, timer_list, link)
	if (prev->when <= t->when)
		break;
	if (prev)
		TAILQ_INSERT_AFTER(&timers, prev, t, link);
	else
		TAILQ_INSERT_HEAD(&timers, t, link);
}

void timer_cancel(struct timer *t)
{
	if (!t->armed)
		return;
	TAILQ_REMOVE(&timers, t, link);
	t->armed = false;
}

int64_t timers_next(void)
{
	struct timer *t = TAILQ_FIRST(&timers);
	uint64_t now;

	if (!t)
		return -1;
	now = now_ns();
	return t->when > now ? t->when - now : 0;
}

int64_t timers_run(void)
{
	uint64_t now = now_ns();
	struct timer *t;

	while ((t = TAILQ_FIRST(&timers)) && t->when <= now) {
		timer_cancel(t);
		t->fn(t->arg);
	}
	return timers_next();
}
