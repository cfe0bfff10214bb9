// SPDX-License-Identifier: GPL-2.0-only
/*
 * Contexts on engines, as the driver makes them: registered, enabled, run, preempted,
 * faulted, ended.  Time is that of clock.h, and passes in run() only.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "driver.h"
#include "rule.h"

/* submit_endless(): a context on a copy engine that gives way, but never ends */
static void submit_endless(struct channel *c, unsigned int n)
{
	create(c, n, COPY, 1);
	batch(c, n, ENDLESS(n));
	submit(c, n);
}

/* --- life of a context --- */

static void life_of_a_context(void **state)
{
	struct channel *c = *state;

	register_context(c, 1, COPY, 1);
	expect_nothing(c);
	fast(c, MODE_SET, 1, 1);
	expect_event(c, MODE_DONE, 1, 1);
	ring(c, 1, STORE_GGTT(DATA_GGTT, 5));
	submit(c, 1);
	run(c, MS);
	assert_int_equal(ggtt_read32(c->t, DATA_GGTT), 5);
	expect_nothing(c);
	fast(c, MODE_SET, 1, 0);
	expect_event(c, MODE_DONE, 1, 0);
	fast(c, DEREGISTER, 1);
	expect_event(c, DEREGISTER_DONE, 1);
	refused(c, SCHED_CONTEXT, 1);
	refused(c, DEREGISTER, 1);
	create(c, 1, COPY, 1);
	assert_int_equal(stats.bad_messages, 2);
}

static void tail_that_moves_is_run_to_when_it_is_told(void **state)
{
	struct channel *c = *state;
	unsigned int i;

	create(c, 1, COPY, 1);
	for (i = 1; i < 2000; i++) {
		ring(c, 1, STORE_GGTT(DATA_GGTT, i));
		run(c, STEP);
		assert_int_equal(ggtt_read32(c->t, DATA_GGTT), i - 1);
		submit(c, 1);
		run(c, STEP);
		assert_int_equal(ggtt_read32(c->t, DATA_GGTT), i);
		assert_int_equal(image(c, 1, HEAD), image(c, 1, TAIL));
		assert_int_equal(id_on(c, "bcs0"), 0);
	}
	assert_int_equal(stats.commands, 1999);
}

static void tail_moves_while_the_context_runs(void **state)
{
	struct channel *c = *state;

	submit_endless(c, 1);
	run(c, MS);
	ring(c, 1, STORE_GGTT(DATA_GGTT, 1));
	submit(c, 1);
	run(c, MS);
	assert_int_equal(ggtt_read32(c->t, DATA_GGTT), 0);
	fixture_write32(c->f, BATCH(1), BATCH_END);
	run(c, MS);
	assert_int_equal(ggtt_read32(c->t, DATA_GGTT), 1);
	assert_int_equal(image(c, 1, HEAD), image(c, 1, TAIL));
}

/* The driver enables a context with its first job, and tells nothing more: sheet 6.2 */
static void enabling_runs_what_is_there(void **state)
{
	struct channel *c = *state;

	register_context(c, 1, COPY, 1);
	batch(c, 1, STORE(DATA(1), 5), BATCH_END);
	run(c, MS);
	assert_int_equal(data(c, 1), 0);
	fast(c, MODE_SET, 1, 1);
	run(c, MS);
	assert_int_equal(data(c, 1), 5);
}

static void disabled_context_does_not_run(void **state)
{
	struct channel *c = *state;

	create(c, 1, COPY, 1);
	fast(c, MODE_SET, 1, 0);
	expect_event(c, MODE_DONE, 1, 0);
	batch(c, 1, STORE(DATA(1), 5), BATCH_END);
	refused(c, SCHED_CONTEXT, 1);
	run(c, 10 * MS);
	assert_int_equal(data(c, 1), 0);
	fast(c, MODE_SET, 1, 1);
	run(c, MS);
	assert_int_equal(data(c, 1), 5);
}

/* In the middle of a batch, that goes on from there */
static void disabling_stops_at_an_arbitration_point(void **state)
{
	struct channel *c = *state;
	uint32_t was;

	submit_endless(c, 1);
	run(c, MS);
	assert_int_equal(id_on(c, "bcs0"), 1);
	fast(c, MODE_SET, 1, 0);
	expect_nothing(c);
	run(c, STEP);
	expect_event(c, MODE_DONE, 1, 0);
	assert_int_equal(id_on(c, "bcs0"), 0);
	was = data(c, 1);
	run(c, 10 * MS);
	assert_int_equal(data(c, 1), was);
	fast(c, MODE_SET, 1, 1);
	expect_event(c, MODE_DONE, 1, 1);
	run(c, MS);
	assert_true(data(c, 1) > was);
	assert_int_equal(stats.batches, 1);
	assert_int_equal(stats.preemptions, 0);
	expect_nothing(c);
}

/* put_long(): a batch that yields nowhere, and needs more than a slice; it runs */
static void put_long(struct channel *c, uint64_t va)
{
	const uint32_t work[] = { WORK };
	const uint32_t end[] = { STORE(va, 1), STORE(DATA(1), 1), BATCH_END };
	unsigned int i;

	create(c, 1, COPY, 1);
	for (i = 0; i < 20; i++)
		fixture_write(c->f, BATCH(1) + i * sizeof(work), work,
			      sizeof(work));
	fixture_write(c->f, BATCH(1) + i * sizeof(work), end, sizeof(end));
	ring(c, 1, 0, BB_START(BATCH(1)));
	submit(c, 1);
	once(c);
	assert_int_equal(id_on(c, "bcs0"), 1);
}

static void context_that_comes_to_its_end_is_disabled(void **state)
{
	struct channel *c = *state;

	put_long(c, DATA(1) + 4);
	fast(c, MODE_SET, 1, 0);
	expect_nothing(c);
	refused(c, MODE_SET, 1, 1);
	run(c, 10 * MS);
	expect_event(c, MODE_DONE, 1, 0);
	expect_nothing(c);
	assert_int_equal(data(c, 1), 1);
	assert_int_equal(stats.engine_resets, 0);
}

/* What is asked for while it runs does not put it on another engine as well */
static void requests_while_it_runs(void **state)
{
	struct channel *c = *state;
	unsigned int i;

	create(c, 1, COPY, 3);
	batch(c, 1, ENDLESS(1));
	submit(c, 1);
	run(c, MS);
	fast(c, MODE_SET, 1, 1);
	expect_event(c, MODE_DONE, 1, 1);
	for (i = 0; i < NR_PRIORITIES; i++) {
		policy(c, 1, PRIORITY, i);
		submit(c, 1);
		run(c, MS);
		assert_int_equal(id_on(c, "bcs0"), 1);
		assert_int_equal(id_on(c, "bcs8"), 0);
	}
	fast(c, MODE_SET, 1, 0);
	run(c, STEP);
	expect_event(c, MODE_DONE, 1, 0);
	assert_int_equal(stats.context_switches, 1);
}

static void every_request_is_answered(void **state)
{
	struct channel *c = *state;
	unsigned int i;

	create(c, 1, COPY, 1);
	fast(c, MODE_SET, 1, 1);
	expect_event(c, MODE_DONE, 1, 1);
	batch(c, 1, ENDLESS(1));
	submit(c, 1);
	run(c, MS);
	for (i = 0; i < 3; i++)
		fast(c, MODE_SET, 1, 0);
	expect_nothing(c);
	run(c, STEP);
	for (i = 0; i < 3; i++)
		expect_event(c, MODE_DONE, 1, 0);
	expect_nothing(c);
	fast(c, MODE_SET, 1, 0);
	expect_event(c, MODE_DONE, 1, 0);
	expect_nothing(c);
}

/* Nothing is said of a context after DEREGISTER_DONE, and nothing is left out before */
static void deregistered_while_it_is_being_disabled(void **state)
{
	struct channel *c = *state;

	submit_endless(c, 1);
	run(c, MS);
	fast(c, MODE_SET, 1, 0);
	fast(c, DEREGISTER, 1);
	run(c, 10 * MS);
	expect_event(c, MODE_DONE, 1, 0);
	expect_event(c, DEREGISTER_DONE, 1);
	expect_nothing(c);
	assert_int_equal(id_on(c, "bcs0"), 0);
}

static void deregistered_while_it_runs(void **state)
{
	struct channel *c = *state;

	create(c, 1, COPY, 1);
	create(c, 2, COPY, 1);
	batch(c, 1, ENDLESS(1));
	batch(c, 2, STORE(HOLE, 1), BATCH_END);
	submit(c, 2);
	submit(c, 1);
	run(c, MS);
	assert_int_equal(id_on(c, "bcs0"), 1);
	c->head = ggtt_read32(c->t, G2H_DESC + DESC_TAIL);
	fast(c, DEREGISTER, 1);
	expect_event(c, DEREGISTER_DONE, 1);
	fast(c, DEREGISTER, 2);
	expect_event(c, DEREGISTER_DONE, 2);
	assert_int_equal(id_on(c, "bcs0"), 0);
	run(c, 10 * MS);
	expect_nothing(c);
}

/* A head that the driver has moved is where the context begins anew */
static void head_moved_while_disabled(void **state)
{
	struct channel *c = *state;

	submit_endless(c, 1);
	run(c, MS);
	fast(c, MODE_SET, 1, 0);
	run(c, MS);
	set_image(c, 1, HEAD, image(c, 1, TAIL));
	ring(c, 1, STORE_GGTT(DATA_GGTT, 1));
	fast(c, MODE_SET, 1, 1);
	run(c, MS);
	assert_int_equal(ggtt_read32(c->t, DATA_GGTT), 1);
	assert_int_equal(id_on(c, "bcs0"), 0);
}

/* And with arbitration on */
static void head_moved_while_idle(void **state)
{
	struct channel *c = *state;

	create(c, 1, COPY, 1);
	ring(c, 1, ARB_ON_OFF, 0);
	submit(c, 1);
	run(c, MS);
	assert_int_equal(image(c, 1, HEAD), 8);
	ring(c, 1, 0, 0);
	set_image(c, 1, HEAD, 16);
	batch(c, 1, ENDLESS(1));
	submit(c, 1);
	run(c, MS);
	fast(c, MODE_SET, 1, 0);
	run(c, STEP);
	expect_event(c, MODE_DONE, 1, 0);
}

/* As the driver changes page tables while nothing runs, and asks for no flush */
static void enabling_drops_translations(void **state)
{
	struct channel *c = *state;

	submit_endless(c, 1);
	run(c, MS);
	/* A use of what has changed, that was legal as the context then ends */
	fixture_map(c->f, DATA(1), fixture_alloc(c->f, PAGE), PTE_ALL);
	run(c, MS);
	assert_int_equal(data(c, 1), 0);
	assert_true(stats.stale_pending);
	fast(c, MODE_SET, 1, 0);
	run(c, 5000 * MS);
	expect_event(c, MODE_DONE, 1, 0);
	fast(c, MODE_SET, 1, 1);
	run(c, MS);
	assert_true(data(c, 1) > 0);
	assert_int_equal(stats.stale_unflushed, 0);
}

static void bad_numbers_are_refused(void **state)
{
	struct channel *c = *state;
	uint32_t lrc = PPHWSP(1) | 0x119;

	register_context(c, 1, COPY, 1);
	/* That one again; one that there cannot be; no such class; no engine of it */
	refused(c, REGISTER, 0, 1, COPY, 1, 0, 0, 0, 0, 0, lrc, 0);
	refused(c, REGISTER, 0, MAX_CTX, COPY, 1, 0, 0, 0, 0, 0, lrc, 0);
	refused(c, REGISTER, 0, ~0u, COPY, 1, 0, 0, 0, 0, 0, lrc, 0);
	refused(c, REGISTER, 0, 2, 6, 1, 0, 0, 0, 0, 0, lrc, 0);
	refused(c, REGISTER, 0, 2, ~0u, 1, 0, 0, 0, 0, 0, lrc, 0);
	refused(c, REGISTER, 0, 2, 1, 1, 0, 0, 0, 0, 0, lrc, 0);
	refused(c, REGISTER, 0, 2, COPY, 0, 0, 0, 0, 0, 0, lrc, 0);
	refused(c, REGISTER, 0, 2, COPY, 4, 0, 0, 0, 0, 0, lrc, 0);
	refused(c, REGISTER_MULTI, 0, 2, COMPUTE, 1, 0, 0, 0, 0, 0, 0, 1, 1);
	refused(c, REGISTER_MULTI, 0, 2, COMPUTE, 1, 0, 0, 0, 0, 0, 9, 1, 1);
	refused(c, REGISTER_MULTI, 0, 2, COMPUTE, 1, 0, 0, 0, 0, 0, 2, 1, 1);
	assert_null(c->t->sched.ctx[2]);
	refused(c, SCHED_CONTEXT, 2);
	refused(c, SCHED_CONTEXT, ~0u);
	refused(c, MODE_SET, 2, 1);
	refused(c, MODE_SET, MAX_CTX, 0);
	refused(c, DEREGISTER, 2);
	refused(c, POLICIES, 2, QUANTUM << 16 | 1, 5);
	assert_int_equal(stats.bad_messages, 17);
}

static void bad_policies_are_refused(void **state)
{
	struct channel *c = *state;

	create(c, 1, COPY, 1);
	refused(c, POLICIES, 1, PRIORITY << 16 | 1, NR_PRIORITIES);
	refused(c, POLICIES, 1, 0x2006 << 16 | 1, 0);
	refused(c, POLICIES, 1, QUANTUM << 16 | 2, 0, 0);
	refused(c, POLICIES, 1, QUANTUM << 16 | 0, 0);
	refused(c, POLICIES, 1, QUANTUM << 16 | 1);
	fast(c, POLICIES, 1, QUANTUM << 16 | 1, 77, PRIORITY << 16 | 1, 2,
	     PREEMPT_TIMEOUT << 16 | 1, 88, 0x2004 << 16 | 1, 1,
	     0x2005 << 16 | 1, 1);
	assert_int_equal(stats.bad_messages, 5);
	assert_int_equal(c->t->sched.ctx[1]->quantum_ns, 77000);
	assert_int_equal(c->t->sched.ctx[1]->preempt_ns, 88000);
	assert_int_equal(c->t->sched.ctx[1]->priority, 2);
}

/* --- turns --- */

static void two_endless(struct channel *c)
{
	unsigned int i;

	for (i = 1; i <= 2; i++) {
		create(c, i, COPY, 1);
		batch(c, i, ENDLESS(i));
		submit(c, i);
	}
}

static void endless_contexts_share_an_engine(void **state)
{
	struct channel *c = *state;

	two_endless(c);
	/* They yield in time, however short that is */
	policy(c, 1, PREEMPT_TIMEOUT, 1);
	policy(c, 2, PREEMPT_TIMEOUT, 1);
	run(c, 100 * MS);
	assert_true(data(c, 1) > 500);
	assert_true(data(c, 1) < data(c, 2) + data(c, 2) / 4);
	assert_true(data(c, 2) < data(c, 1) + data(c, 1) / 4);
	/* In slices of 1 ms */
	assert_in_range(stats.preemptions, 70, 110);
	assert_int_equal(stats.context_switches, stats.preemptions + 1);
	assert_int_equal(stats.engine_resets, 0);
	expect_nothing(c);
}

static void longer_slices_are_a_larger_share(void **state)
{
	struct channel *c = *state;

	two_endless(c);
	policy(c, 1, QUANTUM, 4000);
	run(c, 200 * MS);
	assert_in_range(data(c, 1) / (data(c, 2) / 100), 300, 500);
}

static void context_alone_is_not_preempted(void **state)
{
	struct channel *c = *state;

	submit_endless(c, 1);
	run(c, 50 * MS);
	assert_int_equal(stats.context_switches, 1);
	assert_int_equal(stats.preemptions, 0);
}

/* What is on and off an engine all the time executes the same as if it were not */
static void preempted_batch_goes_on_where_it_was(void **state)
{
	struct channel *c = *state;
	uint32_t n = 500;

	create(c, 1, COPY, 1);
	create(c, 2, COPY, 1);
	policy(c, 1, QUANTUM, 1);
	policy(c, 2, QUANTUM, 1);
	batch(c, 2, ENDLESS(2));
	batch(c, 1, INCREMENT(DATA(1)), ARB_CHECK, WORK, INCREMENT(DATA(1) + 4),
	      ARB_CHECK, INCREMENT(DATA(1) + 8), END_UNLESS_BELOW(DATA(1), n),
	      BB_START(BATCH(1)));
	ring(c, 1, STORE_GGTT(DATA_GGTT, 1));
	submit(c, 2);
	submit(c, 1);
	run(c, 200 * MS);
	assert_int_equal(ggtt_read32(c->t, DATA_GGTT), 1);
	assert_int_equal(data(c, 1), n);
	assert_int_equal(fixture_read32(c->f, DATA(1) + 4), n);
	assert_int_equal(fixture_read32(c->f, DATA(1) + 8), n);
	assert_true(stats.preemptions > 20);
}

static void higher_priority_preempts_at_once(void **state)
{
	struct channel *c = *state;

	create(c, 1, COPY, 1);
	policy(c, 1, QUANTUM, 1000000);
	batch(c, 1, ENDLESS(1));
	submit(c, 1);
	create(c, 2, COPY, 1);
	create(c, 3, COPY, 1);
	policy(c, 2, PRIORITY, 1);
	run(c, MS);
	batch(c, 2, STORE(DATA(2), 1), BATCH_END);
	batch(c, 3, STORE(DATA(3), 1), BATCH_END);
	/* One of the same priority waits for its turn */
	submit(c, 3);
	run(c, 50 * MS);
	assert_int_equal(data(c, 3), 0);
	submit(c, 2);
	run(c, 4 * STEP);
	assert_int_equal(data(c, 2), 1);
}

static void lower_priority_waits(void **state)
{
	struct channel *c = *state;
	uint32_t was;

	two_endless(c);
	policy(c, 1, PRIORITY, 0);
	run(c, 10 * MS);
	was = data(c, 2);
	run(c, 50 * MS);
	assert_int_equal(data(c, 2), was);
	/* Until it changes, also while it waits */
	policy(c, 2, PRIORITY, 0);
	run(c, 10 * MS);
	assert_true(data(c, 2) > was);
}

/* One that waits keeps nobody else waiting, and is charged for it as long as it is there */
static void waiting_context_shares_its_engine(void **state)
{
	struct channel *c = *state;

	create(c, 1, COPY, 1);
	batch(c, 1, WAIT_FOR(DATA(1), 5), STORE(DATA(1), 6), BATCH_END);
	submit(c, 1);
	run(c, 10 * MS);
	assert_int_equal(id_on(c, "bcs0"), 1);
	assert_in_range(image(c, 1, TIMESTAMP), ticks(9 * MS), ticks(10 * MS));
	create(c, 2, COPY, 1);
	batch(c, 2, STORE(DATA(2), 1), BATCH_END);
	submit(c, 2);
	run(c, 3 * MS);
	assert_int_equal(data(c, 2), 1);
	assert_int_equal(data(c, 1), 0);
	fixture_write32(c->f, DATA(1), 5);
	run(c, MS);
	assert_int_equal(data(c, 1), 6);
	assert_int_equal(stats.engine_resets, 0);
}

/* --- contexts that do not yield --- */

static void put_stubborn(struct channel *c)
{
	create(c, 1, COPY, 1);
	policy(c, 1, PREEMPT_TIMEOUT, 5000);
	batch(c, 1, STUBBORN(1));
	submit(c, 1);
	run(c, MS);
	assert_int_equal(id_on(c, "bcs0"), 1);
}

static void stubborn_context_is_taken_off_by_a_reset(void **state)
{
	struct channel *c = *state;
	uint32_t was;

	put_stubborn(c);
	create(c, 2, COPY, 1);
	batch(c, 2, STORE(DATA(2), 1), BATCH_END);
	submit(c, 2);
	run(c, 4 * MS);
	assert_int_equal(data(c, 2), 0);
	expect_nothing(c);
	run(c, 3 * MS);
	expect_event(c, RESET_NOTIFICATION, 1);
	assert_int_equal(data(c, 2), 1);
	assert_int_equal(stats.engine_resets, 1);
	/* It does not come back */
	was = data(c, 1);
	submit(c, 1);
	run(c, 10 * MS);
	assert_int_equal(data(c, 1), was);
	expect_nothing(c);
	fast(c, MODE_SET, 1, 0);
	expect_event(c, MODE_DONE, 1, 0);
	fast(c, DEREGISTER, 1);
	expect_event(c, DEREGISTER_DONE, 1);
}

static void stubborn_context_is_disabled_by_a_reset(void **state)
{
	struct channel *c = *state;

	put_stubborn(c);
	/* As the driver does before it: sheet 6.2 */
	policy(c, 1, PREEMPT_TIMEOUT, 1);
	fast(c, MODE_SET, 1, 0);
	run(c, 5 * MS);
	expect_event(c, RESET_NOTIFICATION, 1);
	expect_event(c, MODE_DONE, 1, 0);
	expect_nothing(c);
	run(c, 10 * MS);
	expect_nothing(c);
	assert_int_equal(id_on(c, "bcs0"), 0);
}

/* Arbitration that is off is off also where there is a point for it */
static void context_without_arbitration(void **state)
{
	struct channel *c = *state;

	create(c, 1, COPY, 1);
	policy(c, 1, PREEMPT_TIMEOUT, 5000);
	ring(c, 1, ARB_ON_OFF);
	batch(c, 1, ENDLESS(1));
	submit(c, 1);
	run(c, MS);
	fast(c, MODE_SET, 1, 0);
	run(c, 4 * MS);
	expect_nothing(c);
	run(c, 2 * MS);
	expect_event(c, RESET_NOTIFICATION, 1);
	expect_event(c, MODE_DONE, 1, 0);
}

static void without_a_timeout_there_is_no_reset(void **state)
{
	struct channel *c = *state;

	create(c, 1, COPY, 1);
	batch(c, 1, STUBBORN(1));
	submit(c, 1);
	create(c, 2, COPY, 1);
	batch(c, 2, STORE(DATA(2), 1), BATCH_END);
	submit(c, 2);
	run(c, 100 * MS);
	assert_int_equal(data(c, 2), 0);
	assert_int_equal(stats.engine_resets, 0);
	fixture_write32(c->f, BATCH(1), ARB_CHECK);
	run(c, 2 * MS);
	assert_int_equal(data(c, 2), 1);
}

/* What one context was given is not over for the next one */
static void timeout_is_of_one_context(void **state)
{
	struct channel *c = *state;

	create(c, 1, COPY, 1);
	policy(c, 1, PREEMPT_TIMEOUT, 5000);
	policy(c, 1, QUANTUM, 1);
	batch(c, 1, ENDLESS(1));
	create(c, 2, COPY, 1);
	policy(c, 2, QUANTUM, 1);
	batch(c, 2, STUBBORN(2));
	submit(c, 1);
	run(c, STEP);
	submit(c, 2);
	run(c, 100 * MS);
	assert_int_equal(id_on(c, "bcs0"), 2);
	assert_true(engine(c, "bcs0")->preempt);
	assert_int_equal(stats.engine_resets, 0);
	expect_nothing(c);
}

/* Where the program itself does not come to run, it is not the context's fault */
static void context_that_had_no_chance_to_yield(void **state)
{
	struct channel *c = *state;

	create(c, 1, COPY, 1);
	policy(c, 1, PREEMPT_TIMEOUT, 5000);
	batch(c, 1, ENDLESS(1));
	submit(c, 1);
	run(c, MS);
	fast(c, MODE_SET, 1, 0);
	clock_ns += 10000 * MS;
	run(c, MS);
	expect_event(c, MODE_DONE, 1, 0);
	assert_int_equal(stats.engine_resets, 0);
}

/* A reset is of one engine: those of others keep their translations and go on */
static void reset_is_of_one_engine(void **state)
{
	struct channel *c = *state;
	uint32_t was, used;

	put_stubborn(c);
	create(c, 2, COPY, 2);
	batch(c, 2, ENDLESS(2));
	submit(c, 2);
	run(c, MS);
	used = engine(c, "bcs8")->tlb.used;
	assert_true(used);
	fast(c, MODE_SET, 1, 0);
	was = data(c, 2);
	run(c, 10 * MS);
	assert_int_equal(stats.engine_resets, 1);
	assert_int_equal(engine(c, "bcs0")->tlb.used, 0);
	assert_int_equal(engine(c, "bcs8")->tlb.used, used);
	assert_true(data(c, 2) > was);
	assert_int_equal(id_on(c, "bcs8"), 2);
}

static void unknown_command_hangs_its_engine_only(void **state)
{
	struct channel *c = *state;
	unsigned int n;

	create(c, 1, COPY, 1);
	policy(c, 1, PREEMPT_TIMEOUT, 5000);
	batch(c, 1, STORE(DATA(1), 1), BAD_COMMAND, STORE(DATA(1), 2));
	create(c, 2, COPY, 2);
	create(c, 3, RENDER, 1);
	batch(c, 2, STORE(DATA(2), 1), BATCH_END);
	batch(c, 3, STORE(DATA(3), 1), BATCH_END);
	for (n = 1; n <= 3; n++)
		submit(c, n);
	run(c, 100 * MS);
	assert_int_equal(data(c, 1), 1);
	assert_int_equal(data(c, 2), 1);
	assert_int_equal(data(c, 3), 1);
	assert_int_equal(id_on(c, "bcs0"), 1);
	assert_int_equal(stats.hangs, 1);
	expect_nothing(c);
	fast(c, MODE_SET, 1, 0);
	run(c, 6 * MS);
	expect_event(c, RESET_NOTIFICATION, 1);
	expect_event(c, MODE_DONE, 1, 0);
	assert_int_equal(data(c, 1), 1);
}

static void hung_context_makes_room_for_who_comes(void **state)
{
	struct channel *c = *state;

	create(c, 1, COPY, 1);
	policy(c, 1, PREEMPT_TIMEOUT, 5000);
	batch(c, 1, BAD_COMMAND);
	submit(c, 1);
	run(c, 10 * MS);
	create(c, 2, COPY, 1);
	batch(c, 2, STORE(DATA(2), 1), BATCH_END);
	submit(c, 2);
	run(c, 10 * MS);
	expect_event(c, RESET_NOTIFICATION, 1);
	assert_int_equal(data(c, 2), 1);
}

/* Nothing else happens meanwhile: the loop must not sleep for ever */
static void hung_context_makes_room_for_who_waits(void **state)
{
	struct channel *c = *state;
	unsigned int n;

	for (n = 1; n <= 2; n++) {
		create(c, n, COPY, 1);
		policy(c, n, PREEMPT_TIMEOUT, 5000);
	}
	batch(c, 1, BAD_COMMAND);
	batch(c, 2, STORE(DATA(2), 1), BATCH_END);
	submit(c, 1);
	submit(c, 2);
	run(c, 20 * MS);
	expect_event(c, RESET_NOTIFICATION, 1);
	assert_int_equal(data(c, 2), 1);
}

/* --- several engines --- */

static void virtual_context_uses_a_free_engine(void **state)
{
	struct channel *c = *state;

	create(c, 1, COPY, 1);
	batch(c, 1, STUBBORN(1));
	submit(c, 1);
	run(c, MS);
	create(c, 2, COPY, 3);
	batch(c, 2, ENDLESS(2));
	submit(c, 2);
	run(c, MS);
	assert_int_equal(id_on(c, "bcs8"), 2);
	create(c, 3, COPY, 3);
	create(c, 4, COPY, 3);
	batch(c, 3, STORE(DATA(3), 1), BATCH_END);
	batch(c, 4, STORE(DATA(4), 1), BATCH_END);
	submit(c, 3);
	submit(c, 4);
	run(c, 5 * MS);
	assert_int_equal(data(c, 3), 1);
	assert_int_equal(data(c, 4), 1);
	assert_int_equal(id_on(c, "bcs0"), 1);
}

static void virtual_contexts_use_all_engines(void **state)
{
	struct channel *c = *state;
	unsigned int n;

	for (n = 1; n <= 4; n++) {
		create(c, n, COMPUTE, 0xf);
		batch(c, n, STUBBORN_COMPUTE(n));
		submit(c, n);
	}
	run(c, MS);
	for (n = 1; n <= 4; n++)
		assert_true(data(c, n) > 0);
	assert_int_equal(stats.context_switches, 4);
	assert_int_equal(id_on(c, "rcs0"), 0);
}

static void context_stays_within_its_mask(void **state)
{
	struct channel *c = *state;
	unsigned int i;

	create(c, 1, COMPUTE, 4);
	batch(c, 1, ENDLESS_COMPUTE(1));
	submit(c, 1);
	create(c, 2, COMPUTE, 4);
	batch(c, 2, ENDLESS_COMPUTE(2));
	submit(c, 2);
	for (i = 0; i < 100; i++) {
		run(c, STEP);
		assert_true(id_on(c, "ccs2"));
		assert_false(id_on(c, "ccs0") || id_on(c, "ccs1") ||
			     id_on(c, "ccs3"));
	}
	assert_true(data(c, 1) && data(c, 2));
}

/* --- parallel contexts --- */

#define WQ_DESC(n) (PPHWSP(n) + 2048)
#define WQ(n) (WQ_DESC(n) + 1024)
#define WQ_SIZE 1024u
#define WQ_ITEM(type, dwords) ((type) | ((dwords)-1) << 16)
#define NOOP 4
#define MULTI_LRC 5

/* create_parallel(): context 1, with the LRCs from 1 on */
static void create_parallel(struct channel *c, uint32_t mask,
			    unsigned int width)
{
	uint32_t dw[32] = { 0, 1,     COMPUTE, mask,	WQ_DESC(1),
			    0, WQ(1), 0,       WQ_SIZE, width };
	unsigned int i;

	for (i = 0; i < width; i++) {
		new_lrc(c, 1 + i);
		dw[10 + 2 * i] = PPHWSP(1 + i) | 0x119;
	}
	channel_send(c, HXG(TYPE_FAST, REGISTER_MULTI), dw, 10 + 2 * width);
	fast(c, MODE_SET, 1, 1);
	expect_event(c, MODE_DONE, 1, 1);
}

static uint32_t wq_head(struct channel *c)
{
	return ggtt_read32(c->t, WQ_DESC(1));
}

static uint32_t wq_tail(struct channel *c)
{
	return ggtt_read32(c->t, WQ_DESC(1) + 4);
}

static void wq_put(struct channel *c, uint32_t dw)
{
	uint32_t tail = wq_tail(c);

	ggtt_write32(c->t, WQ(1) + tail, dw);
	ggtt_write32(c->t, WQ_DESC(1) + 4, (tail + 4) % WQ_SIZE);
}

/* wq_item(): as the driver does it: not across the end, but filled up to there */
static void wq_item(struct channel *c, unsigned int width)
{
	uint32_t left = (WQ_SIZE - wq_tail(c)) / 4, i;

	if (left < 3 + width) {
		wq_put(c, WQ_ITEM(NOOP, left));
		for (i = 1; i < left; i++)
			wq_put(c, 0xbad);
	}
	wq_put(c, WQ_ITEM(MULTI_LRC, 3 + width));
	wq_put(c, PPHWSP(1));
	wq_put(c, 1 | image(c, 1, TAIL) / 8 << 18);
	wq_put(c, 0);
	for (i = 1; i < width; i++)
		wq_put(c, image(c, 1 + i, TAIL) / 8);
}

/* parallel_job(): the ring of each LRC stores a value; the tails go into the work queue */
static void parallel_job(struct channel *c, unsigned int width, uint32_t value)
{
	unsigned int i;

	for (i = 0; i < width; i++)
		ring(c, 1 + i, STORE_GGTT(DATA_GGTT + 4 * i, value));
	wq_item(c, width);
	for (i = 0; i < width; i++) /* GuC sets them */
		set_image(c, 1 + i, TAIL, image(c, 1 + i, HEAD));
}

static void parallel_jobs(void **state)
{
	struct channel *c = *state;
	unsigned int i, j, width;

	for (width = 2; width <= 4; width++) {
		create_parallel(c, 1, width);
		for (i = 1; i < 300; i++) {
			parallel_job(c, width, i);
			submit(c, 1);
			assert_int_equal(wq_head(c), wq_tail(c));
			run(c, STEP);
			for (j = 0; j < width; j++)
				assert_int_equal(
					ggtt_read32(c->t, DATA_GGTT + 4 * j),
					i);
		}
		fast(c, MODE_SET, 1, 0);
		expect_event(c, MODE_DONE, 1, 0);
		fast(c, DEREGISTER, 1);
		expect_event(c, DEREGISTER_DONE, 1);
	}
	assert_int_equal(stats.bad_messages, 0);
	assert_int_equal(stats.commands, 299 * (2 + 3 + 4));
}

static void parallel_context_has_an_engine_for_each(void **state)
{
	struct channel *c = *state;
	unsigned int n;

	create_parallel(c, 2, 2);
	for (n = 1; n <= 2; n++)
		batch(c, n, STUBBORN_COMPUTE(n));
	wq_item(c, 2);
	submit(c, 1);
	run(c, MS);
	assert_int_equal(engine(c, "ccs1")->current->index, 0);
	assert_int_equal(engine(c, "ccs2")->current->index, 1);
	assert_int_equal(id_on(c, "ccs0"), 0);
	assert_true(data(c, 1) && data(c, 2));
}

/* One LRC of it is enough to keep it, and all must be off for it to be */
static void parallel_context_is_disabled_as_one(void **state)
{
	struct channel *c = *state;

	create_parallel(c, 1, 2);
	policy(c, 1, PREEMPT_TIMEOUT, 5000);
	batch(c, 1, ENDLESS_COMPUTE(1));
	batch(c, 2, STUBBORN_COMPUTE(2));
	wq_item(c, 2);
	submit(c, 1);
	run(c, MS);
	fast(c, MODE_SET, 1, 0);
	run(c, 3 * MS);
	assert_int_equal(id_on(c, "ccs0"), 0);
	assert_int_equal(id_on(c, "ccs1"), 1);
	expect_nothing(c);
	run(c, 5 * MS);
	expect_event(c, RESET_NOTIFICATION, 1);
	expect_event(c, MODE_DONE, 1, 0);
	expect_nothing(c);
}

/* It goes ahead of others with both */
static void parallel_context_has_a_priority(void **state)
{
	struct channel *c = *state;
	unsigned int n;

	create_parallel(c, 1, 2);
	for (n = 3; n <= 4; n++) {
		create(c, n, COMPUTE, 1u << (n - 3));
		policy(c, n, QUANTUM, 1000000);
		batch(c, n, ENDLESS_COMPUTE(n));
		submit(c, n);
	}
	run(c, MS);
	parallel_job(c, 2, 5);
	submit(c, 1);
	run(c, MS);
	assert_int_equal(ggtt_read32(c->t, DATA_GGTT), 0);
	policy(c, 1, PRIORITY, 1);
	run(c, 5 * STEP);
	assert_int_equal(ggtt_read32(c->t, DATA_GGTT), 5);
	assert_int_equal(ggtt_read32(c->t, DATA_GGTT + 4), 5);
}

/* refuse_wq(): what is in the work queue; nothing runs, and it is left as it was */
static void refuse_wq(struct channel *c, uint32_t head, uint32_t tail)
{
	uint32_t was = ggtt_read32(c->t, DATA_GGTT);

	ggtt_write32(c->t, WQ_DESC(1), head);
	ggtt_write32(c->t, WQ_DESC(1) + 4, tail);
	refused(c, SCHED_CONTEXT, 1);
	run(c, MS);
	assert_int_equal(wq_head(c), head);
	assert_int_equal(ggtt_read32(c->t, DATA_GGTT), was);
}

static void broken_work_queues_are_refused(void **state)
{
	static const uint32_t headers[] = {
		0,
		WQ_ITEM(3, 5),
		WQ_ITEM(6, 5),
		WQ_ITEM(MULTI_LRC, 4),
		WQ_ITEM(MULTI_LRC, 1),
		WQ_ITEM(MULTI_LRC, 257),
		WQ_ITEM(MULTI_LRC, 2048),
		~0u,
	};
	struct channel *c = *state;
	unsigned int i;

	create_parallel(c, 1, 2);
	parallel_job(c, 2, 1);
	/* What is behind it may look like a part of it */
	ggtt_write32(c->t, WQ(1) + WQ_SIZE, WQ_ITEM(NOOP, 5));
	refuse_wq(c, WQ_SIZE, 20);
	refuse_wq(c, 0, WQ_SIZE);
	refuse_wq(c, ~0u, ~0u);
	refuse_wq(c, 2, 20);
	refuse_wq(c, 0, 18);
	/* Its end is within an item: that goes round and round */
	ggtt_write32(c->t, WQ(1), WQ_ITEM(NOOP, 2));
	for (i = 8; i < WQ_SIZE; i += 4)
		ggtt_write32(c->t, WQ(1) + i, WQ_ITEM(NOOP, 2));
	refuse_wq(c, 0, 4);
	for (i = 0; i < ARRAY_SIZE(headers); i++) {
		ggtt_write32(c->t, WQ(1), headers[i]);
		refuse_wq(c, 0, 20);
		ggtt_write32(c->t, WQ(1) + WQ_SIZE - 4, headers[i]);
		refuse_wq(c, WQ_SIZE - 4, 20);
	}
	ggtt_write32(c->t, WQ(1) + WQ_SIZE - 16, WQ_ITEM(MULTI_LRC, 5));
	refuse_wq(c, WQ_SIZE - 16, 4);
	/* It can be mended */
	ggtt_write32(c->t, WQ_DESC(1), 0);
	ggtt_write32(c->t, WQ_DESC(1) + 4, 0);
	parallel_job(c, 2, 7);
	submit(c, 1);
	run(c, MS);
	assert_int_equal(ggtt_read32(c->t, DATA_GGTT), 7);
}

/* An LRC for which there is no engine would wait for ever */
static void parallel_context_wider_than_its_engines(void **state)
{
	struct channel *c = *state;

	refused(c, REGISTER_MULTI, 0, 2, COMPUTE, 8, WQ_DESC(1), 0, WQ(1), 0,
		WQ_SIZE, 2, PPHWSP(1) | 0x119, 0, PPHWSP(2) | 0x119, 0);
	refused(c, REGISTER_MULTI, 0, 2, COPY, 1, WQ_DESC(1), 0, WQ(1), 0,
		WQ_SIZE, 3, PPHWSP(1) | 0x119, 0, PPHWSP(2) | 0x119, 0,
		PPHWSP(3) | 0x119, 0);
}

/* --- page faults --- */

static void fault_is_served(void **state)
{
	struct channel *c = *state;
	uint32_t report[4];

	put_fault(c, 1, report);
	run(c, 100 * MS);
	assert_int_equal(data(c, 1), 1);
	expect_nothing(c);
	map_hole(c, PTE_ALL);
	respond(c, report, false);
	run(c, MS);
	assert_int_equal(data(c, 1), 2);
	assert_int_equal(fixture_read32(c->f, HOLE), 1);
	assert_int_equal(stats.faults, 1);
	assert_int_equal(stats.fault_responses, 1);
	assert_int_equal(stats.fault_failures, 0);
	expect_nothing(c);
}

static void answer_counts_once(void **state)
{
	struct channel *c = *state;
	uint32_t report[4];

	create(c, 1, COPY, 3);
	batch(c, 1, INCREMENT(HOLE), ENDLESS(1));
	submit(c, 1);
	fault(c, report, CLASS_COPY, 0, 0, 2, HOLE);
	map_hole(c, PTE_ALL);
	respond(c, report, false);
	run(c, MS);
	respond(c, report, false);
	run(c, MS);
	assert_int_equal(id_on(c, "bcs0"), 1);
	assert_int_equal(id_on(c, "bcs8"), 0);
	respond(c, report, true);
	run(c, MS);
	assert_int_equal(id_on(c, "bcs0"), 1);
	expect_nothing(c);
}

static void fault_reports_what_happened(void **state)
{
	struct channel *c = *state;
	uint32_t report[4];

	create(c, 1, COPY, 2);
	batch(c, 1, END_UNLESS_BELOW(HOLE + GIB(1024), 1));
	submit(c, 1);
	fault(c, report, CLASS_COPY, 8, 3, NOT_PRESENT_READ, HOLE + GIB(1024));
	create(c, 2, COMPUTE, 8);
	batch(c, 2, INCREMENT(HOLE + 8), BATCH_END);
	map_hole(c, PTE_PRESENT | PTE_RW | PTE_DM);
	submit(c, 2);
	fault(c, report, CLASS_COMPUTE, 3, 0, NO_ATOMIC, HOLE);
	unmap_hole(c);
	map_hole(c, PTE_PRESENT | PTE_AE | PTE_DM);
	respond(c, report, false);
	fault(c, report, CLASS_COMPUTE, 3, 0, READ_ONLY_ATOMIC, HOLE);
	create(c, 3, COMPUTE, 1);
	batch(c, 3, STORE(HOLE + 16, 1), BATCH_END);
	submit(c, 3);
	fault(c, report, CLASS_COMPUTE, 0, 0, READ_ONLY_WRITE, HOLE);
	expect_nothing(c);
}

static void fault_that_is_still_there_is_reported_again(void **state)
{
	struct channel *c = *state;
	uint32_t report[4];
	unsigned int i;

	put_fault(c, 1, report);
	for (i = 0; i < 20; i++) {
		respond(c, report, false);
		fault(c, report, CLASS_COPY, 0, 0, NOT_PRESENT_WRITE, HOLE);
	}
	map_hole(c, PTE_ALL);
	respond(c, report, false);
	run(c, MS);
	assert_int_equal(data(c, 1), 2);
	assert_int_equal(stats.faults, 21);
}

static void fault_keeps_nobody_off_the_engine(void **state)
{
	struct channel *c = *state;
	uint32_t report[3][4];

	put_fault(c, 1, report[1]);
	put_fault(c, 2, report[2]);
	assert_int_equal(id_on(c, "bcs0"), 0);
	create(c, 3, COPY, 1);
	batch(c, 3, STORE(DATA(3), 3), BATCH_END);
	submit(c, 3);
	run(c, MS);
	assert_int_equal(data(c, 3), 3);
	fast(c, MODE_SET, 3, 0);
	expect_event(c, MODE_DONE, 3, 0);
	/* Answered in another order */
	map_hole(c, PTE_ALL);
	respond(c, report[2], false);
	run(c, MS);
	assert_int_equal(data(c, 1), 1);
	assert_int_equal(data(c, 2), 2);
	respond(c, report[1], false);
	run(c, MS);
	assert_int_equal(data(c, 1), 2);
	assert_int_equal(fixture_read32(c->f, HOLE), 1);
}

static void fault_that_is_not_served_ends_the_context(void **state)
{
	struct channel *c = *state;
	uint32_t report[4];

	put_fault(c, 1, report);
	respond(c, report, true);
	expect_event(c, CAT_ERROR, 1);
	map_hole(c, PTE_ALL);
	respond(c, report, false);
	submit(c, 1);
	run(c, 100 * MS);
	assert_int_equal(data(c, 1), 1);
	expect_nothing(c);
	assert_int_equal(stats.cat_errors, 1);
	assert_int_equal(stats.fault_failures, 1);
	fast(c, MODE_SET, 1, 0);
	expect_event(c, MODE_DONE, 1, 0);
	/* It is not brought back to life */
	fast(c, MODE_SET, 1, 1);
	expect_event(c, MODE_DONE, 1, 1);
	submit(c, 1);
	run(c, 10 * MS);
	assert_int_equal(data(c, 1), 1);
	fast(c, DEREGISTER, 1);
	expect_event(c, DEREGISTER_DONE, 1);
	/* Who comes after is another one */
	create(c, 1, COPY, 1);
	batch(c, 1, STORE(DATA(1), 3), BATCH_END);
	submit(c, 1);
	run(c, MS);
	assert_int_equal(data(c, 1), 3);
}

static void disabled_context_needs_no_answer(void **state)
{
	struct channel *c = *state;
	uint32_t report[4], again[4];

	put_fault(c, 1, report);
	fast(c, MODE_SET, 1, 0);
	expect_event(c, MODE_DONE, 1, 0);
	respond(c, report, true); /* too late */
	run(c, MS);
	expect_nothing(c);
	fast(c, MODE_SET, 1, 1);
	expect_event(c, MODE_DONE, 1, 1);
	fault(c, again, CLASS_COPY, 0, 0, NOT_PRESENT_WRITE, HOLE);
	/* The late answer to the first one is none to this one */
	map_hole(c, PTE_ALL);
	respond(c, report, false);
	respond(c, report, true);
	run(c, MS);
	assert_int_equal(data(c, 1), 1);
	respond(c, again, false);
	run(c, MS);
	assert_int_equal(data(c, 1), 2);
	expect_nothing(c);
}

static void unknown_tags_are_ignored(void **state)
{
	struct channel *c = *state;
	uint32_t report[4], other[4];
	unsigned int i;

	put_fault(c, 1, report);
	for (i = 0; i < 65536; i += 13) {
		memcpy(other, report, sizeof(other));
		other[0] = (other[0] & 0x0fffffff) | i << 28;
		other[1] = (other[1] & ~0xfffu) | i >> 4;
		if (other[0] != report[0] || other[1] != report[1])
			respond(c, other, i & 1);
	}
	run(c, MS);
	expect_nothing(c);
	assert_int_equal(stats.bad_messages, 0);
	map_hole(c, PTE_ALL);
	respond(c, report, false);
	run(c, MS);
	assert_int_equal(data(c, 1), 2);
}

static void fault_while_it_is_being_disabled(void **state)
{
	struct channel *c = *state;
	uint32_t report[4];

	put_long(c, HOLE);
	fast(c, MODE_SET, 1, 0);
	expect_nothing(c);
	fault(c, report, CLASS_COPY, 0, 0, NOT_PRESENT_WRITE, HOLE);
	expect_event(c, MODE_DONE, 1, 0);
	map_hole(c, PTE_ALL);
	respond(c, report, false);
	run(c, 10 * MS);
	assert_int_equal(data(c, 1), 0);
	expect_nothing(c);
}

static void faults_that_wait_have_tags_of_their_own(void **state)
{
	struct channel *c = *state;
	uint32_t report[3][4];

	put_fault(c, 1, report[0]);
	c->t->sched.next_tag = 65535;
	put_fault(c, 2, report[1]);
	put_fault(c, 3, report[2]);
	assert_int_equal(tag_of(report[0]), 0);
	assert_int_equal(tag_of(report[1]), 65535);
	assert_int_equal(tag_of(report[2]), 1);
}

static void fault_lost_by_injection(void **state)
{
	struct channel *c = *state;

	inject_rule("fault-drop count=1\n");
	create(c, 1, COPY, 1);
	batch(c, 1, STORE(HOLE, 1), STORE(DATA(1), 1), BATCH_END);
	submit(c, 1);
	run(c, 10 * MS);
	inject_rule("");
	expect_nothing(c);
	assert_int_equal(stats.injected, 1);
	assert_int_equal(stats.faults, 0);
	fast(c, MODE_SET, 1, 0);
	expect_event(c, MODE_DONE, 1, 0);
}

/* The second answer, to which nobody listens, must not be one to the next fault */
static void fault_reported_twice_by_injection(void **state)
{
	struct channel *c = *state;
	uint32_t report[4], again[4], next[4];

	inject_rule("fault-twice=bcs0 count=1\n");
	create(c, 1, COPY, 1);
	batch(c, 1, STORE(HOLE, 1), STORE(HOLE + PAGE, 1), BATCH_END);
	submit(c, 1);
	fault(c, report, CLASS_COPY, 0, 0, NOT_PRESENT_WRITE, HOLE);
	fault(c, again, CLASS_COPY, 0, 0, NOT_PRESENT_WRITE, HOLE);
	inject_rule("");
	assert_memory_equal(report, again, sizeof(report));
	map_hole(c, PTE_ALL);
	respond(c, report, false);
	fault(c, next, CLASS_COPY, 0, 0, NOT_PRESENT_WRITE, HOLE + PAGE);
	assert_int_not_equal(tag_of(next), tag_of(report));
	respond(c, again, true);
	run(c, MS);
	assert_int_equal(fixture_read32(c->f, HOLE), 1);
	fixture_map(c->f, HOLE + PAGE, fixture_alloc(c->f, PAGE), PTE_ALL);
	respond(c, next, false);
	run(c, MS);
	assert_int_equal(fixture_read32(c->f, HOLE + PAGE), 1);
	assert_int_equal(stats.faults, 3);
	assert_int_equal(stats.injected, 1);
	expect_nothing(c);
}

/* Before a real one, on which the answer to the other has no effect */
static void spurious_fault_by_injection(void **state)
{
	struct channel *c = *state;
	uint32_t bogus[4], report[4];

	inject_rule("fault-spurious=bcs0 count=1\n");
	create(c, 1, COPY, 1);
	batch(c, 1, STORE(HOLE, 1), BATCH_END);
	submit(c, 1);
	fault(c, bogus, CLASS_COPY, 0, 4, NOT_PRESENT_READ,
	      BIT64(c->f->sim.prof->va_bits) - PAGE);
	fault(c, report, CLASS_COPY, 0, 0, NOT_PRESENT_WRITE, HOLE);
	inject_rule("");
	assert_int_not_equal(tag_of(bogus), tag_of(report));
	respond(c, bogus, true);
	run(c, MS);
	expect_nothing(c);
	map_hole(c, PTE_ALL);
	respond(c, report, false);
	run(c, MS);
	assert_int_equal(fixture_read32(c->f, HOLE), 1);
	assert_int_equal(stats.cat_errors, 0);
}

/* The engine does nothing any more, until the GT is reset */
static void broken_engine_by_injection(void **state)
{
	struct channel *c = *state;

	inject_rule("gt-reset=ccs3 count=1\n");
	create(c, 1, COMPUTE, 8);
	batch(c, 1, STORE(DATA(1), 1), BATCH_END);
	submit(c, 1);
	run(c, 10 * MS);
	inject_rule("");
	expect_event(c, ENGINE_FAILURE, COMPUTE, 3, 0);
	expect_nothing(c);
	assert_int_equal(id_on(c, "ccs3"), 1);
	assert_int_equal(data(c, 1), 0);
	regs_write(c->t, 0x941c, 1);
	assert_int_equal(channel_boot(c), 0);
	create(c, 2, COMPUTE, 8);
	batch(c, 2, STORE(DATA(2), 1), BATCH_END);
	submit(c, 2);
	run(c, MS);
	assert_int_equal(data(c, 2), 1);
}

static void error_by_injection(void **state)
{
	struct channel *c = *state;

	create(c, 1, COPY, 1);
	create(c, 2, COPY, 1);
	batch(c, 1, STORE(DATA(1), 1), BATCH_END);
	batch(c, 2, STORE(DATA(2), 1), BATCH_END);
	inject_rule("cat-error count=1\n");
	submit(c, 1);
	submit(c, 2);
	run(c, MS);
	inject_rule("");
	expect_event(c, CAT_ERROR, 1);
	expect_nothing(c);
	assert_int_equal(data(c, 1), 0);
	assert_int_equal(data(c, 2), 1);
}

static void report_may_take_its_time(void **state)
{
	struct channel *c = *state;
	uint32_t report[4];

	c->f->sim.opt.latency.fault_ns = 5 * MS;
	create(c, 1, COPY, 1);
	batch(c, 1, STORE(HOLE, 1), BATCH_END);
	submit(c, 1);
	run(c, 4 * MS);
	expect_nothing(c);
	fault(c, report, CLASS_COPY, 0, 0, NOT_PRESENT_WRITE, HOLE);
	respond(c, report, false);
	run(c, MS);
	/* Not any more once nobody waits */
	fast(c, MODE_SET, 1, 0);
	expect_event(c, MODE_DONE, 1, 0);
	run(c, 10 * MS);
	expect_nothing(c);
}

static void one_error_of_a_parallel_context(void **state)
{
	struct channel *c = *state;
	uint32_t report[2][4];
	unsigned int n;

	create_parallel(c, 1, 2);
	for (n = 1; n <= 2; n++)
		batch(c, n, STORE(HOLE, 1), STORE(DATA(n), 1), BATCH_END);
	wq_item(c, 2);
	submit(c, 1);
	fault(c, report[0], CLASS_COMPUTE, 0, 0, NOT_PRESENT_WRITE, HOLE);
	fault(c, report[1], CLASS_COMPUTE, 1, 0, NOT_PRESENT_WRITE, HOLE);
	respond(c, report[1], true);
	expect_event(c, CAT_ERROR, 1);
	map_hole(c, PTE_ALL);
	respond(c, report[0], false);
	run(c, 10 * MS);
	expect_nothing(c);
	assert_int_equal(data(c, 1), 0);
	assert_int_equal(data(c, 2), 0);
}

static void address_that_leads_nowhere_ends_the_context(void **state)
{
	struct channel *c = *state;

	create(c, 1, COPY, 1);
	batch(c, 1, STORE(DATA(1), 1), STORE(HOLE, 1), STORE(DATA(1), 2));
	fixture_map(c->f, HOLE, GIB(3), PTE_PRESENT | PTE_RW);
	submit(c, 1);
	run(c, MS);
	expect_event(c, CAT_ERROR, 1);
	expect_nothing(c);
	assert_int_equal(data(c, 1), 1);
	assert_int_equal(stats.faults, 0);
	assert_int_equal(id_on(c, "bcs0"), 0);
	/* So does a ring that is not there */
	create(c, 2, COPY, 1);
	set_image(c, 2, 0x09, 0x0f000000);
	ring(c, 2, ARB_CHECK);
	submit(c, 2);
	run(c, MS);
	expect_event(c, CAT_ERROR, 2);
}

/* answer_in_vain(): until the context is ended; how often */
static unsigned int answer_in_vain(struct channel *c, uint32_t *report,
				   uint64_t pause)
{
	uint32_t dw[MAX_HXG];
	unsigned int n = 0;
	uint16_t fence;

	for (;;) {
		respond(c, report, false);
		once(c);
		clock_ns += pause;
		assert_true(channel_receive(c, dw, &fence));
		n++;
		if (dw[0] == CAT_ERROR)
			return n;
		assert_int_equal(dw[0], PAGE_FAULT);
		memcpy(report, &dw[1], 16);
		assert_true(n < 20000);
	}
}

/* Of the access, and for some time: see the note in sheet 8.2 */
static void faults_answered_in_vain_have_an_end(void **state)
{
	static const uint64_t pauses[] = { MS / 5, 5 * MS };
	struct channel *c = *state;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		uint64_t start = clock_ns;
		uint32_t report[4];
		unsigned int n;

		put_fault(c, 1 + i, report);
		n = answer_in_vain(c, report, pauses[i]);
		assert_true(n >= 1000);
		assert_in_range(clock_ns - start, 2000 * MS, 5500 * MS);
		assert_int_equal(stats.fault_replay_limit, i + 1);
	}
}

/* A page that comes and goes, as when both sides use it in turns, is no such access */
static void faults_that_were_served_may_come_again(void **state)
{
	struct channel *c = *state;
	uint32_t report[4];
	unsigned int i;

	create(c, 1, COPY, 1);
	for (i = 1; i < 1500; i++) {
		ring(c, 1, STORE(HOLE, i));
		submit(c, 1);
		fault(c, report, CLASS_COPY, 0, 0, NOT_PRESENT_WRITE, HOLE);
		map_hole(c, PTE_ALL);
		c->f->next -= PAGE;
		respond(c, report, false);
		run(c, MS);
		assert_int_equal(fixture_read32(c->f, HOLE), i);
		unmap_hole(c);
	}
	expect_nothing(c);
	assert_int_equal(stats.fault_replay_limit, 0);
}

/* --- resets --- */

static void gt_reset_forgets_all(void **state)
{
	struct channel *c = *state;
	uint32_t report[4], tail, i;

	put_fault(c, 1, report);
	create(c, 2, COPY, 1);
	policy(c, 2, PREEMPT_TIMEOUT, 5000);
	batch(c, 2, STUBBORN(2));
	create(c, 3, COPY, 1);
	batch(c, 3, ENDLESS(3));
	create(c, 4, COMPUTE, 1);
	batch(c, 4, BAD_COMMAND);
	for (i = 2; i <= 4; i++)
		submit(c, i);
	run(c, 2 * MS);
	fast(c, MODE_SET, 2, 0);
	c->f->sim.opt.latency.fault_ns = 5 * MS;
	create(c, 5, COMPUTE, 2);
	batch(c, 5, STORE(HOLE, 1));
	submit(c, 5);
	run(c, MS);
	tail = ggtt_read32(c->t, G2H_DESC + DESC_TAIL);

	regs_write(c->t, 0x941c, 1);
	assert_int_equal(timers_next(), -1);
	for (i = 0; i < c->t->nr_engines; i++) {
		assert_null(c->t->engine[i].current);
		assert_int_equal(c->t->engine[i].tlb.used, 0);
	}
	for (i = 0; i < MAX_CTX; i++)
		assert_null(c->t->sched.ctx[i]);
	run(c, 100 * MS);
	assert_int_equal(ggtt_read32(c->t, G2H_DESC + DESC_TAIL), tail);
	assert_int_equal(stats.gt_resets, 1);
	assert_int_equal(stats.engine_resets, 0);
}

static void contexts_run_after_a_reset(void **state)
{
	struct channel *c = *state;
	uint32_t report[4];

	put_fault(c, 1, report);
	regs_write(c->t, 0x941c, 1);
	assert_int_equal(channel_boot(c), 0);
	map_hole(c, PTE_ALL);
	create(c, 1, COPY, 1);
	batch(c, 1, STORE(DATA(1), 5), BATCH_END);
	respond(c, report, true); /* of another time */
	submit(c, 1);
	run(c, MS);
	assert_int_equal(data(c, 1), 5);
	expect_nothing(c);
}

static void power_on_forgets_all(void **state)
{
	struct channel *c = *state;

	two_endless(c);
	c->f->sim.opt.latency.job_ns = MS;
	run(c, 3 * MS);
	reset_power_on(&c->f->sim);
	assert_int_equal(id_on(c, "bcs0"), 0);
	assert_null(c->t->sched.ctx[1]);
	assert_int_equal(sched_run(&c->f->sim), -1);
}

/* --- time --- */

static uint64_t timestamp(struct channel *c, unsigned int n)
{
	return image(c, n, TIMESTAMP) | (uint64_t)image(c, n, TIMESTAMP_UDW)
						<< 32;
}

static void timestamp_is_run_time(void **state)
{
	struct channel *c = *state;
	uint64_t was;

	create(c, 1, COPY, 1);
	run(c, 50 * MS);
	batch(c, 1, ENDLESS(1));
	submit(c, 1);
	run(c, 50 * MS);
	assert_in_range(timestamp(c, 1), ticks(49 * MS), ticks(50 * MS));
	/* It advances while the context runs */
	was = timestamp(c, 1);
	run(c, MS);
	assert_in_range(timestamp(c, 1) - was, ticks(MS) - 1, ticks(MS) + 1);
	fast(c, MODE_SET, 1, 0);
	run(c, MS);
	was = timestamp(c, 1);
	assert_in_range(was, ticks(50 * MS), ticks(52 * MS));
	run(c, 50 * MS);
	assert_int_equal(timestamp(c, 1), was);
	fast(c, MODE_SET, 1, 1);
	run(c, 50 * MS);
	assert_in_range(timestamp(c, 1) - was, ticks(49 * MS), ticks(50 * MS));
}

static void timestamps_add_up(void **state)
{
	struct channel *c = *state;

	two_endless(c);
	run(c, 100 * MS);
	assert_in_range(timestamp(c, 1) + timestamp(c, 2), ticks(88 * MS),
			ticks(100 * MS));
	assert_in_range(timestamp(c, 1), ticks(40 * MS), ticks(60 * MS));
}

static void timestamp_has_two_halves(void **state)
{
	struct channel *c = *state;

	create(c, 1, COPY, 1);
	set_image(c, 1, TIMESTAMP, 0xffffff00);
	set_image(c, 1, TIMESTAMP_UDW, 6);
	batch(c, 1, ENDLESS(1));
	submit(c, 1);
	run(c, MS);
	assert_in_range(timestamp(c, 1) - 0x6ffffff00, ticks(MS) - 1,
			ticks(MS));
	assert_int_equal(image(c, 1, TIMESTAMP_UDW), 7);
}

static void timestamp_of_older_platforms(void **state)
{
	struct channel *c = *state;
	static struct profile p; /* is needed until the device is gone */

	p = *c->f->sim.prof;
	p.wide_timestamp = false;
	c->f->sim.prof = &p;
	create(c, 1, COPY, 1);
	set_image(c, 1, TIMESTAMP, 0xffffff00);
	set_image(c, 1, TIMESTAMP_UDW, 6);
	batch(c, 1, ENDLESS(1));
	submit(c, 1);
	run(c, MS);
	assert_in_range(image(c, 1, TIMESTAMP) + 0x100, ticks(MS) - 1,
			ticks(MS));
	assert_int_equal(image(c, 1, TIMESTAMP_UDW), 6);
}

static void head_is_written_back(void **state)
{
	struct channel *c = *state;

	two_endless(c);
	run(c, MS / 2);
	assert_int_equal(image(c, 1, HEAD), 0);
	run(c, MS);
	assert_int_equal(id_on(c, "bcs0"), 2);
	assert_int_equal(image(c, 1, HEAD), 12);
	fixture_write32(c->f, BATCH(1), BATCH_END);
	fixture_write32(c->f, BATCH(2), BATCH_END);
	ring(c, 1, 0, 0);
	submit(c, 1);
	run(c, 10 * MS);
	assert_int_equal(image(c, 1, HEAD), 24);
	assert_int_equal(image(c, 2, HEAD), 16);
}

static void jobs_may_begin_late(void **state)
{
	struct channel *c = *state;

	c->f->sim.opt.latency.job_ns = 5 * MS;
	create(c, 1, COPY, 1);
	batch(c, 1, STORE(DATA(1), 1), BATCH_END);
	submit(c, 1);
	run(c, 4 * MS);
	assert_int_equal(data(c, 1), 0);
	assert_int_equal(id_on(c, "bcs0"), 1);
	run(c, 2 * MS);
	assert_int_equal(data(c, 1), 1);
}

/* loops(): an engine that does so, and what the program's loop is told */
static int64_t loops(struct channel *c, unsigned int n, uint32_t mask,
		     bool idly)
{
	create(c, n, COPY, mask);
	if (idly)
		batch(c, n, ARB_CHECK, BB_START(BATCH(n)));
	else
		batch(c, n, STUBBORN(n));
	submit(c, n);
	once(c);
	return once(c);
}

/* But may for a moment, where all that is done is to wait */
static void loop_does_not_sleep_while_there_is_work(void **state)
{
	struct channel *c = *state;

	assert_int_equal(once(c), -1);
	assert_true(loops(c, 1, 1, true) > 0);
	assert_int_equal(loops(c, 2, 2, false), 0);
	regs_write(c->t, 0x941c, 1);
	assert_int_equal(channel_boot(c), 0);
	assert_int_equal(loops(c, 3, 1, false), 0);
	assert_int_equal(loops(c, 4, 2, true), 0);
	/* Nor where another one waits for its turn */
	regs_write(c->t, 0x941c, 1);
	assert_int_equal(channel_boot(c), 0);
	assert_true(loops(c, 5, 1, true) > 0);
	clock_ns += 2 * MS;
	assert_int_equal(loops(c, 6, 1, true), 0);
}

/* However long a command takes: it is not forgotten */
static void engine_that_is_busy_is_looked_at_again(void **state)
{
	struct channel *c = *state;
	unsigned int i;

	c->f->sim.opt.latency.copy_bps = 1000000000;
	create(c, 1, COPY, 1);
	for (i = 1; i < 200; i++) {
		batch(c, 1, FILL(DATA(1), 64, i), STORE(DATA(1) + 64, i),
		      BATCH_END);
		submit(c, 1);
		clock_step = i;
		while (once(c) >= 0)
			;
		clock_step = 0;
		assert_int_equal(id_on(c, "bcs0"), 0);
		assert_int_equal(fixture_read32(c->f, DATA(1) + 64), i);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(life_of_a_context),
		TEST(tail_that_moves_is_run_to_when_it_is_told),
		TEST(tail_moves_while_the_context_runs),
		TEST(enabling_runs_what_is_there),
		TEST(disabled_context_does_not_run),
		TEST(disabling_stops_at_an_arbitration_point),
		TEST(context_that_comes_to_its_end_is_disabled),
		TEST(requests_while_it_runs),
		TEST(every_request_is_answered),
		TEST(deregistered_while_it_is_being_disabled),
		TEST(deregistered_while_it_runs),
		TEST(head_moved_while_disabled),
		TEST(head_moved_while_idle),
		TEST(enabling_drops_translations),
		TEST(bad_numbers_are_refused),
		TEST(bad_policies_are_refused),
		TEST(endless_contexts_share_an_engine),
		TEST(longer_slices_are_a_larger_share),
		TEST(context_alone_is_not_preempted),
		TEST(preempted_batch_goes_on_where_it_was),
		TEST(higher_priority_preempts_at_once),
		TEST(lower_priority_waits),
		TEST(waiting_context_shares_its_engine),
		TEST(stubborn_context_is_taken_off_by_a_reset),
		TEST(stubborn_context_is_disabled_by_a_reset),
		TEST(context_without_arbitration),
		TEST(without_a_timeout_there_is_no_reset),
		TEST(timeout_is_of_one_context),
		TEST(context_that_had_no_chance_to_yield),
		TEST(reset_is_of_one_engine),
		TEST(unknown_command_hangs_its_engine_only),
		TEST(hung_context_makes_room_for_who_comes),
		TEST(hung_context_makes_room_for_who_waits),
		TEST(virtual_context_uses_a_free_engine),
		TEST(virtual_contexts_use_all_engines),
		TEST(context_stays_within_its_mask),
		TEST(parallel_jobs),
		TEST(parallel_context_has_an_engine_for_each),
		TEST(parallel_context_is_disabled_as_one),
		TEST(parallel_context_has_a_priority),
		TEST(broken_work_queues_are_refused),
		TEST(parallel_context_wider_than_its_engines),
		TEST(fault_is_served),
		TEST(answer_counts_once),
		TEST(fault_reports_what_happened),
		TEST(fault_that_is_still_there_is_reported_again),
		TEST(fault_keeps_nobody_off_the_engine),
		TEST(fault_that_is_not_served_ends_the_context),
		TEST(disabled_context_needs_no_answer),
		TEST(unknown_tags_are_ignored),
		TEST(fault_while_it_is_being_disabled),
		TEST(faults_that_wait_have_tags_of_their_own),
		TEST(fault_lost_by_injection),
		TEST(fault_reported_twice_by_injection),
		TEST(spurious_fault_by_injection),
		TEST(broken_engine_by_injection),
		TEST(error_by_injection),
		TEST(report_may_take_its_time),
		TEST(one_error_of_a_parallel_context),
		TEST(address_that_leads_nowhere_ends_the_context),
		TEST(faults_answered_in_vain_have_an_end),
		TEST(faults_that_were_served_may_come_again),
		TEST(gt_reset_forgets_all),
		TEST(contexts_run_after_a_reset),
		TEST(power_on_forgets_all),
		TEST(timestamp_is_run_time),
		TEST(timestamps_add_up),
		TEST(timestamp_has_two_halves),
		TEST(timestamp_of_older_platforms),
		TEST(head_is_written_back),
		TEST(jobs_may_begin_late),
		TEST(loop_does_not_sleep_while_there_is_work),
		TEST(engine_that_is_busy_is_looked_at_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
