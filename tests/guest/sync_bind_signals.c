// SPDX-License-Identifier: GPL-2.0-only
/*
 * sync_bind: a timer interrupts those who wait for a bind. Flushes are counted, as a bind
 * that is done twice flushes twice.
 */
#include <signal.h>
#include <time.h>

#include "sync_bind.h"

#define INTERRUPTIONS 1000
#define PERIOD_US 1000
#define WARM_UP 4

static volatile sig_atomic_t alarms;

static timer_t timer;

/* Those that came while the first was pending are overruns */
static void count_alarm(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)context;
	alarms += 1 + info->si_overrun;
}

static void start_alarms(int flags)
{
	struct sigaction action = { .sa_sigaction = count_alarm,
				    .sa_flags = flags | SA_SIGINFO };
	struct itimerspec period = { .it_interval.tv_nsec = PERIOD_US * 1000,
				     .it_value.tv_nsec = PERIOD_US * 1000 };

	alarms = 0;
	sigaction(SIGALRM, &action, NULL);
	if (timer_create(CLOCK_MONOTONIC, NULL, &timer) ||
	    timer_settime(timer, 0, &period, NULL))
		fail("timer_create: %s", strerror(errno));
}

static void stop_alarms(void)
{
	timer_delete(timer);
}

/**
 * struct swap - an address that is bound to one buffer and the other by turns
 * @turn: how often it was
 * @eintr: how often that was interrupted with nothing done, and
 * @eintr_committed: with the cookie set
 */
struct swap {
	struct space s;
	__u64 addr;
	struct buffer buffer[2];
	unsigned int turn, eintr, eintr_committed;
};

static struct swap new_swap(enum kind kind)
{
	struct swap w = { .s = new_space(kind) };

	w.addr = reserve(&w.s);
	w.buffer[0] = new_buffer(1u << gpu.ram, CHUNK, 0x10);
	w.buffer[1] = new_buffer(1u << gpu.ram, CHUNK, 0x11);
	map_now(&w.s, 0, w.addr, &w.buffer[0]);
	return w;
}

static void free_swap(struct swap *w)
{
	free_space(&w->s);
	free_buffer(&w->buffer[0]);
	free_buffer(&w->buffer[1]);
}

/* Until it is done; returns how many alarms there were meanwhile */
static unsigned int swap(struct swap *w, __u64 *cookie)
{
	struct request r = new_request(&w->s, 0);
	unsigned int before = alarms;
	int err;

	w->turn++;
	add_map(&r, w->addr, &w->buffer[w->turn & 1]);
	r.flags = WAIT;
	r.cookie = cookie;
	while ((err = submit(&r)) == EINTR) {
		if (cookie && *cookie)
			w->eintr_committed++;
		else
			w->eintr++;
	}
	expect(!err, "a bind fails: %s", strerror(err));
	expect(!cookie || !*cookie, "the cookie is 0x%llx afterwards",
	       cookie ? *cookie : 0);
	return alarms - before;
}

static void check_swap(struct swap *w)
{
	__u32 value = probe_one(&w->s, w->addr);

	expect(value == 0x10 + (w->turn & 1), "the GPU reads 0x%x, not 0x%x",
	       value, 0x10 + (w->turn & 1));
}

/* How often one of them flushes: nothing else does meanwhile */
static unsigned int flushes_of_swap(struct swap *w)
{
	unsigned int i, before;

	swap(w, NULL);
	before = flushes();
	for (i = 0; i < WARM_UP; i++)
		swap(w, NULL);
	return (flushes() - before) / WARM_UP;
}

/* Each of the last @turns has flushed as often as it must, whatever @seen signals did */
static void check_interrupted(const struct swap *w, unsigned int seen,
			      unsigned int turns, unsigned int done,
			      unsigned int each)
{
	remark("%u signals in %u binds; EINTR %u times before the commit, %u "
	       "after it",
	       seen, turns, w->eintr, w->eintr_committed);
	expect(done == turns * each, "%u binds have flushed %u times, not %u",
	       turns, done, turns * each);
}

static void interrupt_flush(enum kind kind, bool cookie, int flags)
{
	struct swap w = new_swap(kind);
	unsigned int each = flushes_of_swap(&w);
	unsigned int before = flushes(), turns = w.turn, seen = 0;
	__u64 value = 0;

	while (seen < INTERRUPTIONS) {
		start_alarms(flags);
		seen += swap(&w, cookie ? &value : NULL);
		stop_alarms();
		check_swap(&w);
	}
	turns = w.turn - turns;
	check_interrupted(&w, seen, turns, flushes() - before, each);
	expect(each, "binds do not flush");
	if (cookie && !flags)
		expect(w.eintr_committed >= turns,
		       "the wait was interrupted only %u times",
		       w.eintr_committed);
	if (flags)
		expect(!w.eintr && !w.eintr_committed,
		       "EINTR although the kernel is to restart it");
	free_swap(&w);
}

/* Behind another bind it is interrupted with nothing done, cookie or not */
static void interrupt_before_commit(enum kind kind, bool cookie)
{
	struct swap w = new_swap(kind);
	unsigned int each = flushes_of_swap(&w);
	unsigned int before, seen = 0, turns = w.turn;
	__u64 value = 0;

	before = flushes();
	while (w.eintr < INTERRUPTIONS / 4 && w.turn < turns + 50) {
		block(&w.s, 0, &gates[0]);
		open_gate_later(&gates[0], 100);
		start_alarms(0);
		seen += swap(&w, cookie ? &value : NULL);
		expect(gate_was_opened(), "it overtakes what is in the queue");
		stop_alarms();
		join_opener();
		open_gate(&gates[0]);
		check_swap(&w);
	}
	turns = w.turn - turns;
	check_interrupted(&w, seen, turns, flushes() - before, each);
	expect(w.eintr >= INTERRUPTIONS / 4, "signals do not interrupt it");
	free_swap(&w);
}

void test_signals(void)
{
	static const struct {
		const char *name;
		bool cookie;
		int flags;
	} how[] = {
		{ "without a cookie", false, 0 },
		{ "with a cookie", true, 0 },
		{ "without a cookie, SA_RESTART", false, SA_RESTART },
		{ "with a cookie, SA_RESTART", true, SA_RESTART },
	};
	unsigned int i, kind;

	for (kind = 0; kind < KINDS; kind += FAULT) {
		for (i = 0; i < ARRAY_SIZE(how); i++) {
			begin("%s: %u signals interrupt the wait, each bind is "
			      "done once, %s",
			      kind_name[kind], INTERRUPTIONS, how[i].name);
			if (!gpu.has_sync) {
				skip_without_sync();
				continue;
			}
			interrupt_flush(kind, how[i].cookie, how[i].flags);
			end();
		}
		for (i = 0; i < 2; i++) {
			begin("%s: signals interrupt the wait for the queue, "
			      "each bind is done once, %s",
			      kind_name[kind], how[i].name);
			if (!gpu.has_sync) {
				skip_without_sync();
				continue;
			}
			interrupt_before_commit(kind, how[i].cookie);
			end();
		}
	}
}
