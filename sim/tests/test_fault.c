// SPDX-License-Identifier: GPL-2.0-only
/*
 * Page faults of everything that engines access, answered in any order, or too late; TLB
 * invalidations meanwhile; and access counters.  Sheet 7.3, 8 and 9.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "driver.h"
#include "rule.h"

#define MEM_COPY(from, to, n)                                                  \
	0x56800008, (n)-1, 0, 0, 0, ADDR(from), ADDR(to), 0
#define LOAD_REGISTER(va) MI(0x29, 4) | BIT(19), 0x600, ADDR(va)
#define STORE_REGISTER(va) MI(0x24, 4) | BIT(19), 0x600, ADDR(va)
#define COPY_DWORD(to, from) MI(0x2e, 5), ADDR(to), ADDR(from)
#define FLUSH_STORE(va, v) MI(0x26, 5) | 1 << 14, ADDR(va), v, 0
#define PIPE_STORE(va, v) 0x7a000004, 1 << 14, ADDR(va), v, 0
/* As the driver ends a job with a user fence: sheet 6.5 */
#define USER_FENCE(va, v) MI(0x20, 5) | BIT(21), ADDR(va), v, 0

#define ANY_ENGINE 0xffu
#define COPY_ENGINE BIT(CLASS_COPY)
#define SHADER_ENGINE (BIT(CLASS_RENDER) | BIT(CLASS_COMPUTE))

/* As a GuC class: sheet 5.5 */
static uint32_t class_of(const struct engine *e)
{
	return e->desc->class == CLASS_RENDER ? RENDER
	       : e->desc->class == CLASS_COPY ? COPY
					      : COMPUTE;
}

static void create_on(struct channel *c, unsigned int n, const struct engine *e)
{
	create(c, n, class_of(e), BIT(e->logical));
}

static void end(struct channel *c, unsigned int n)
{
	fast(c, MODE_SET, n, 0);
	expect_event(c, MODE_DONE, n, 0);
	fast(c, DEREGISTER, n);
	expect_event(c, DEREGISTER_DONE, n);
}

static bool finished(struct channel *c, unsigned int n)
{
	return image(c, n, HEAD) == image(c, n, TAIL);
}

static void fault_on(struct channel *c, uint32_t *report,
		     const struct engine *e, uint32_t level, uint32_t how,
		     uint64_t va)
{
	fault(c, report, e->desc->class, e->desc->instance, level, how, va);
}

/* --- who faults, and how it is told --- */

static const struct access_case {
	unsigned int classes;
	uint32_t how;
	bool in_ring;
	uint32_t dw[16];
} accesses[] = {
	{ ANY_ENGINE, NOT_PRESENT_WRITE, false, { STORE(HOLE, 1) } },
	{ ANY_ENGINE, NOT_PRESENT_WRITE, true, { USER_FENCE(HOLE, 1) } },
	{ ANY_ENGINE, NOT_PRESENT_ATOMIC, false, { INCREMENT(HOLE) } },
	{ ANY_ENGINE, NOT_PRESENT_READ, false, { LOAD_REGISTER(HOLE) } },
	{ ANY_ENGINE, NOT_PRESENT_WRITE, false, { STORE_REGISTER(HOLE) } },
	{ ANY_ENGINE, NOT_PRESENT_READ, false, { COPY_DWORD(DATA(1), HOLE) } },
	{ ANY_ENGINE, NOT_PRESENT_WRITE, false, { COPY_DWORD(HOLE, DATA(1)) } },
	{ ANY_ENGINE, NOT_PRESENT_READ, false, { WAIT_FOR(HOLE, 0) } },
	{ ANY_ENGINE,
	  NOT_PRESENT_READ,
	  false,
	  { END_UNLESS_BELOW(HOLE, 1), BATCH_END } },
	{ ANY_ENGINE, NOT_PRESENT_WRITE, true, { FLUSH_STORE(HOLE, 1) } },
	{ SHADER_ENGINE, NOT_PRESENT_WRITE, true, { PIPE_STORE(HOLE, 1) } },
	{ COPY_ENGINE,
	  NOT_PRESENT_READ,
	  false,
	  { MEM_COPY(HOLE, DATA(1), 8) } },
	{ COPY_ENGINE,
	  NOT_PRESENT_WRITE,
	  false,
	  { MEM_COPY(DATA(1), HOLE, 8) } },
	{ COPY_ENGINE, NOT_PRESENT_WRITE, false, { FILL(HOLE, 8, 1) } },
};

static void faults_by(struct channel *c, const struct engine *e,
		      const struct access_case *a)
{
	uint32_t report[4], zero = 0;

	create_on(c, 1, e);
	if (a->in_ring) {
		put_ring(c, 1, a->dw, ARRAY_SIZE(a->dw));
	} else {
		put_batch(c, 1, a->dw, ARRAY_SIZE(a->dw));
		zero = BATCH_END;
		fixture_write(c->f, BATCH(1) + sizeof(a->dw), &zero, 4);
	}
	submit(c, 1);
	fault_on(c, report, e, 0, a->how, HOLE);
	assert_false(finished(c, 1));
	assert_null(e->current);
	map_hole(c, PTE_ALL);
	respond(c, report, false);
	run(c, MS);
	assert_true(finished(c, 1));
	expect_nothing(c);
	end(c, 1);
	unmap_hole(c);
}

static void every_access_of_every_engine(void **state)
{
	struct channel *c = *state;
	unsigned int i, j, n = 0;

	for (i = 0; i < c->t->nr_engines; i++) {
		const struct engine *e = &c->t->engine[i];

		for (j = 0; j < ARRAY_SIZE(accesses); j++) {
			if (!(accesses[j].classes & BIT(e->desc->class)))
				continue;
			faults_by(c, e, &accesses[j]);
			n++;
		}
	}
	assert_int_equal(stats.faults, n);
	assert_int_equal(stats.fault_responses, n);
	assert_int_equal(stats.fault_failures + stats.fault_late, 0);
}

static void batches_are_fetched_from_pages_that_come_later(void **state)
{
	struct channel *c = *state;
	uint32_t report[4];
	unsigned int i;

	for (i = 0; i < c->t->nr_engines; i++) {
		const struct engine *e = &c->t->engine[i];

		create_on(c, 1, e);
		ring(c, 1, BB_START(HOLE), 0);
		submit(c, 1);
		fault_on(c, report, e, 0, NOT_PRESENT_READ, HOLE);
		map_hole(c, PTE_ALL);
		fixture_write32(c->f, HOLE, BATCH_END);
		respond(c, report, false);
		run(c, MS);
		assert_true(finished(c, 1));
		end(c, 1);
		unmap_hole(c);
	}
}

static void rights_of_every_engine(void **state)
{
	struct channel *c = *state;
	uint32_t report[4];
	unsigned int i;

	for (i = 0; i < c->t->nr_engines; i++) {
		const struct engine *e = &c->t->engine[i];

		map_hole(c, PTE_PRESENT | PTE_AE | PTE_DM);
		create_on(c, 1, e);
		batch(c, 1, LOAD_REGISTER(HOLE), STORE(HOLE, 1), BATCH_END);
		submit(c, 1);
		fault_on(c, report, e, 0, READ_ONLY_WRITE, HOLE);
		end(c, 1);
		unmap_hole(c);
		map_hole(c, PTE_PRESENT | PTE_RW | PTE_DM);
		create_on(c, 1, e);
		batch(c, 1, STORE(HOLE, 1), INCREMENT(HOLE), BATCH_END);
		submit(c, 1);
		fault_on(c, report, e, 0, NO_ATOMIC, HOLE);
		end(c, 1);
		unmap_hole(c);
	}
}

/* An entry that allows too little is read anew after the answer, without any flush */
static void right_is_granted_by_the_answer(void **state)
{
	struct channel *c = *state;
	uint32_t report[4];

	map_hole(c, PTE_PRESENT | PTE_DM);
	create(c, 1, COPY, 1);
	batch(c, 1, STORE(HOLE, 1), INCREMENT(HOLE), STORE(DATA(1), 1),
	      BATCH_END);
	submit(c, 1);
	fault(c, report, CLASS_COPY, 0, 0, READ_ONLY_WRITE, HOLE);
	*fixture_slot(c->f, HOLE, 0) |= PTE_RW;
	respond(c, report, false);
	fault(c, report, CLASS_COPY, 0, 0, NO_ATOMIC, HOLE);
	*fixture_slot(c->f, HOLE, 0) |= PTE_AE;
	respond(c, report, false);
	run(c, MS);
	assert_int_equal(data(c, 1), 1);
	assert_int_equal(fixture_read32(c->f, HOLE), 2);
	expect_nothing(c);
	assert_int_equal(stats.faults, 2);
}

/* One that lacks the entry of that level for an address, all the others being there */
static void missing_at(struct channel *c, unsigned int n, int level)
{
	uint64_t va = 0x7ffedcbab000ull;
	uint32_t report[4];

	create(c, n, COPY, 1);
	ring(c, n, STORE(va, 1));
	if (level == 4) { /* the batch's address has that entry, too */
		uint64_t root = fixture_alloc(c->f, PAGE);

		set_image(c, n, 0x31, root >> 32);
		set_image(c, n, 0x33, root);
	} else {
		*fixture_slot(c->f, va, level) = 0;
	}
	submit(c, n);
	fault(c, report, CLASS_COPY, 0, level, NOT_PRESENT_WRITE, va);
	respond(c, report, true);
	expect_event(c, CAT_ERROR, n);
}

static void level_is_where_the_walk_ended(void **state)
{
	struct channel *c = *state;
	uint32_t report[4];
	int level;

	for (level = 0; level < 5; level++)
		missing_at(c, 1 + level, level);
	/* Also where there is an entry, that does not allow it */
	for (level = 0; level < 3; level++) {
		uint64_t va = HOLE + GIB(512) * (1 + level);
		unsigned int n = 6 + level;

		*fixture_slot(c->f, va, level) =
			PTE_PRESENT | PTE_DM | (level ? PTE_PS : 0);
		create(c, n, COPY, 1);
		ring(c, n, LOAD_REGISTER(va), STORE(va + 64, 1));
		submit(c, n);
		fault(c, report, CLASS_COPY, 0, level, READ_ONLY_WRITE, va);
	}
}

static void names_have_their_full_width(void **state)
{
	struct channel *c = *state;
	uint64_t va = 0xfffffffff000ull;
	uint32_t report[4];

	c->f->l->asid = 0xfffff;
	c->t->sched.next_tag = 0xabcd;
	create(c, 1, COPY, 2);
	ring(c, 1, STORE(va + 4092, 1));
	submit(c, 1);
	fault(c, report, CLASS_COPY, 8, 3, NOT_PRESENT_WRITE, va);
	assert_int_equal(report[0] >> 28, 0xd);
	assert_int_equal(report[1], 0xfffffabc);
	fixture_map(c->f, va, fixture_alloc(c->f, PAGE), PTE_ALL);
	respond(c, report, false);
	run(c, MS);
	assert_true(finished(c, 1));
}

static void null_pages_do_not_fault(void **state)
{
	struct channel *c = *state;

	create(c, 1, COPY, 1);
	batch(c, 1, STORE(NULLS, 1), INCREMENT(NULLS + 8), LOAD_REGISTER(NULLS),
	      STORE_REGISTER(DATA(1)), BATCH_END);
	fixture_write32(c->f, DATA(1), 5);
	submit(c, 1);
	run(c, MS);
	assert_true(finished(c, 1));
	assert_int_equal(data(c, 1), 0);
	assert_int_equal(stats.faults, 0);
}

/* --- many at once --- */

#define MANY 400u

static uint64_t hole_of(unsigned int n)
{
	return HOLE + PAGE * n;
}

/* next_fault(): the next message is one, and whose; its report goes there */
static unsigned int next_fault(struct channel *c, uint32_t report[][4])
{
	uint32_t dw[MAX_HXG];
	unsigned int n;
	uint16_t fence;

	assert_int_equal(channel_receive(c, dw, &fence), 5);
	assert_int_equal(dw[0], PAGE_FAULT);
	n = ((dw[3] & ~4095u) - (uint32_t)HOLE) / PAGE;
	assert_in_range(n, 1, MANY);
	memcpy(report[n], &dw[1], 16);
	return n;
}

static void many_wait_and_are_answered_in_any_order(void **state)
{
	static uint32_t report[MANY + 1][4];
	static bool tag_used[MAX_TAGS];
	struct channel *c = *state;
	unsigned int n, i;

	memset(tag_used, 0, sizeof(tag_used));
	for (n = 1; n <= MANY; n++) {
		create_on(c, n, &c->t->engine[n % c->t->nr_engines]);
		batch(c, n, STORE(hole_of(n), n), STORE(DATA(n), n), BATCH_END);
		submit(c, n);
	}
	run(c, 100 * MS);
	for (i = 0; i < MANY; i++) {
		n = next_fault(c, report);
		assert_false(tag_used[tag_of(report[n])]);
		tag_used[tag_of(report[n])] = true;
	}
	expect_nothing(c);
	/* 7 has no factor in common with the number: each has its turn */
	for (i = 0, n = 1; i < MANY; i++, n = (n + 6) % MANY + 1) {
		if (n % 5 == 0) {
			respond(c, report[n], true);
			expect_event(c, CAT_ERROR, n);
			continue;
		}
		fixture_map_new(c->f, hole_of(n), PAGE);
		respond(c, report[n], false);
		run(c, STEP);
		assert_int_equal(data(c, n), n);
	}
	expect_nothing(c);
	for (n = 1; n <= MANY; n++)
		assert_int_equal(data(c, n), n % 5 ? n : 0);
	assert_int_equal(stats.faults, MANY);
	assert_int_equal(stats.fault_responses, MANY);
	assert_int_equal(stats.fault_failures, MANY / 5);
	assert_int_equal(stats.cat_errors, MANY / 5);
	assert_int_equal(stats.fault_late, 0);
}

/* Of every engine a context waits: all goes on, and each can still be disabled */
static void waiting_contexts_block_nothing(void **state)
{
	static uint32_t report[MANY + 1][4];
	struct channel *c = *state;
	unsigned int i, n = c->t->nr_engines;

	for (i = 1; i <= n; i++) {
		create_on(c, i, &c->t->engine[i - 1]);
		batch(c, i, STORE(hole_of(i), 1), BATCH_END);
		submit(c, i);
	}
	run(c, MS);
	for (i = 1; i <= n; i++)
		next_fault(c, report);
	for (i = 1; i <= n; i++) {
		create_on(c, n + i, &c->t->engine[i - 1]);
		batch(c, n + i, STORE(DATA(n + i), i), BATCH_END);
		submit(c, n + i);
	}
	/* The copy of the driver that is to serve them, and its flush */
	create_on(c, 100, engine(c, "bcs8"));
	fixture_write32(c->f, DATA(1), 77);
	batch(c, 100, MEM_COPY(DATA(1), DATA(100), 64), BATCH_END);
	submit(c, 100);
	fast(c, 0x7000, 5, 1, c->f->l->asid, (uint32_t)HOLE, HOLE >> 32, 0);
	expect_event(c, EVENT(0x7001), 5);
	run(c, MS);
	for (i = 1; i <= n; i++)
		assert_int_equal(data(c, n + i), i);
	assert_int_equal(data(c, 100), 77);
	for (i = 1; i <= n; i++)
		end(c, i);
	expect_nothing(c);
}

/* --- answers that come too late --- */

/* abandon(): a context that waits is stopped in some way; its tag */
static void abandon(struct channel *c, unsigned int how)
{
	switch (how) {
	case 0:
		fast(c, MODE_SET, 1, 0);
		expect_event(c, MODE_DONE, 1, 0);
		break;
	case 1:
		end(c, 1);
		break;
	default:
		fast(c, DEREGISTER, 1);
		expect_event(c, DEREGISTER_DONE, 1);
	}
}

static void late_answer_is_to_nobody(void **state)
{
	struct channel *c = *state;
	unsigned int i;

	for (i = 0; i < 3; i++) {
		uint32_t first[4], second[4];
		unsigned int n = 2 + i;

		put_fault(c, 1, first);
		abandon(c, i);
		/* The numbers of tags have come round */
		c->t->sched.next_tag = tag_of(first);
		put_fault(c, n, second);
		assert_int_not_equal(tag_of(second), tag_of(first));
		respond(c, first, true);
		run(c, MS);
		expect_nothing(c);
		assert_int_equal(stats.fault_late, i + 1);
		map_hole(c, PTE_ALL);
		respond(c, second, false);
		run(c, MS);
		assert_int_equal(data(c, n), 2);
		unmap_hole(c);
		/* From then on it is a tag as any other */
		c->t->sched.next_tag = tag_of(first);
		if (!i)
			end(c, 1);
	}
	assert_int_equal(stats.faults, 6);
	assert_int_equal(stats.fault_responses, 6);
	assert_int_equal(stats.fault_failures, 3);
	assert_int_equal(stats.cat_errors, 0);
}

static void tag_is_free_after_its_late_answer(void **state)
{
	struct channel *c = *state;
	uint32_t first[4], second[4];

	put_fault(c, 1, first);
	end(c, 1);
	respond(c, first, false);
	c->t->sched.next_tag = tag_of(first);
	put_fault(c, 1, second);
	assert_int_equal(tag_of(second), tag_of(first));
}

static void reset_frees_all_tags(void **state)
{
	struct channel *c = *state;
	uint32_t report[4];

	put_fault(c, 1, report);
	end(c, 1);
	put_fault(c, 1, report);
	regs_write(c->t, 0x941c, 1);
	assert_int_equal(channel_boot(c), 0);
	c->t->sched.next_tag = 0;
	put_fault(c, 1, report);
	assert_int_equal(tag_of(report), 0);
	put_fault(c, 2, report);
	assert_int_equal(tag_of(report), 1);
}

static void tags_have_an_end(void **state)
{
	struct channel *c = *state;
	static struct lrc other;
	uint32_t report[4];
	unsigned int i;

	put_fault(c, 1, report);
	end(c, 1); /* its answer never comes */
	for (i = 0; i < MAX_TAGS; i++)
		if (i != tag_of(report))
			c->t->sched.faulted[i] = &other;
	i = tag_of(report);
	put_fault(c, 1, report);
	assert_int_equal(tag_of(report), i);
	create(c, 2, COPY, 1);
	ring(c, 2, STORE(HOLE, 1));
	submit(c, 2);
	run(c, MS);
	expect_event(c, CAT_ERROR, 2);
	expect_nothing(c);
}

static void answer_before_the_report(void **state)
{
	struct channel *c = *state;
	uint32_t report[4];

	put_fault(c, 1, report);
	respond(c, report, false);
	c->f->sim.opt.latency.fault_ns = 5 * MS;
	c->t->sched.next_tag = tag_of(report);
	run(c, MS);
	respond(c, report, true);
	run(c, MS);
	expect_nothing(c);
	assert_int_equal(stats.fault_late, 1);
	/* And one that was never reported has no answer to come */
	fast(c, MODE_SET, 1, 0);
	expect_event(c, MODE_DONE, 1, 0);
	c->f->sim.opt.latency.fault_ns = 0;
	c->t->sched.next_tag = tag_of(report);
	put_fault(c, 2, report);
	assert_int_equal(tag_of(report), c->t->sched.next_tag - 1);
}

static void answer_to_another_fault_is_refused(void **state)
{
	struct channel *c = *state;
	uint32_t report[4], other[4];
	unsigned int i;

	put_fault(c, 1, report);
	map_hole(c, PTE_ALL);
	for (i = 0; i < 3; i++) {
		memcpy(other, report, sizeof(other));
		other[i == 2] ^= i == 0 ? 1 << 19 : i == 1 ? 1 << 25 : 1 << 12;
		respond(c, other, i & 1);
		assert_int_equal(stats.bad_messages, i + 1);
	}
	fast(c, FAULT_RESPONSE, 1 << 10 | (report[1] & ~0xfffu),
	     3 << 13 | tag_of(report) << 16); /* not valid */
	assert_int_equal(stats.bad_messages, 4);
	run(c, MS);
	assert_int_equal(data(c, 1), 1);
	expect_nothing(c);
	assert_int_equal(stats.fault_responses, 0);
	respond(c, report, false);
	run(c, MS);
	assert_int_equal(data(c, 1), 2);
}

/* --- flushes --- */

/* Once it is reported, nothing goes by what was there before, be a copy half done */
static void flush_is_over_when_it_is_reported(void **state)
{
	struct channel *c = *state;
	uint64_t from = HOLE + MIB(2), to = HOLE + MIB(16), va;
	uint32_t size = MIB(1) + 512 * 1024;

	fixture_map_new(c->f, from, size);
	fixture_map_new(c->f, to, size);
	create(c, 1, COPY, 1);
	batch(c, 1, MEM_COPY(from, to, size), BATCH_END);
	submit(c, 1);
	once(c);
	assert_int_equal(id_on(c, "bcs0"), 1);
	assert_in_range(stats.bytes_copied, PAGE, size - 2 * PAGE);
	va = (from + stats.bytes_copied + PAGE) & ~(PAGE - 1);
	for (; va < from + size; va += PAGE) {
		fixture_write32(c->f, va, 1); /* of the page that goes */
		fixture_map(c->f, va, fixture_alloc(c->f, PAGE), PTE_ALL);
		fixture_write32(c->f, va, 2);
	}
	fast(c, 0x7000, 1, BIT(31) | 1, c->f->l->asid, (uint32_t)from,
	     from >> 32, 12);
	expect_event(c, EVENT(0x7001), 1);
	run(c, 10 * MS);
	assert_true(finished(c, 1));
	assert_int_equal(fixture_read32(c->f, to + size - PAGE), 2);
	assert_int_equal(stats.stale_pending + stats.stale_after_flush, 0);
}

/* --- two tiles --- */

struct two {
	struct profile profile;
	struct channel *c[2];
};

static int setup_two(void **state)
{
	struct two *two = calloc(1, sizeof(*two));
	struct fixture *f;
	unsigned int i;

	if (!two)
		return -1;
	two->profile = *profile_find("bmg");
	two->profile.tiles = 2;
	f = fixture_open_as(&two->profile);
	if (!f)
		return -1;
	f->e->current = NULL;
	for (i = 0; i < 2; i++) {
		two->c[i] = channel_open_tile(f, i, H2G_DWORDS, G2H_DWORDS);
		if (!two->c[i])
			return -1;
	}
	fixture_slot(f, HOLE, 0);
	memset(&stats, 0, sizeof(stats));
	*state = two;
	return 0;
}

static int teardown_two(void **state)
{
	struct two *two = *state;

	sched_reset(two->c[1]->t);
	channel_close(two->c[0]);
	free(two->c[1]);
	free(two);
	return 0;
}

static void fault_is_of_the_tile_of_its_engine(void **state)
{
	struct two *two = *state;
	uint32_t report[2][4];
	int i;

	for (i = 1; i >= 0; i--) {
		put_fault(two->c[i], 1, report[i]);
		expect_nothing(two->c[!i]);
	}
	/* Each GuC has tags of its own, and knows no others */
	assert_int_equal(tag_of(report[0]), tag_of(report[1]));
	respond(two->c[1], report[1], true);
	expect_event(two->c[1], CAT_ERROR, 1);
	expect_nothing(two->c[0]);
	map_hole(two->c[0], PTE_ALL);
	respond(two->c[0], report[0], false);
	run(two->c[0], MS);
	assert_int_equal(data(two->c[0], 1), 2);
}

static void flushes_of_two_tiles_end_in_any_order(void **state)
{
	struct two *two = *state;
	struct latency *l = &two->c[0]->f->sim.opt.latency;
	struct xlate x = { .va = HOLE, .size = PAGE };
	unsigned int i;

	l->flush_ns = 10 * MS;
	l->flush1_ns = MS;
	for (i = 0; i < 2; i++)
		tlb_insert(&two->c[i]->t->engine[0], 5, &x);
	fast(two->c[0], 0x7000, 1, 0);
	fast(two->c[1], 0x7000, 1, 0);
	fast(two->c[1], 0x7000, 2, 0);
	run(two->c[0], 2 * MS);
	expect_event(two->c[1], EVENT(0x7001), 1);
	expect_event(two->c[1], EVENT(0x7001), 2);
	expect_nothing(two->c[0]);
	assert_non_null(tlb_find(&two->c[0]->t->engine[0], 5, HOLE));
	assert_null(tlb_find(&two->c[1]->t->engine[0], 5, HOLE));
	run(two->c[0], 9 * MS);
	expect_event(two->c[0], EVENT(0x7001), 1);
	assert_null(tlb_find(&two->c[0]->t->engine[0], 5, HOLE));
	/* Without a latency of its own the second has that of the first */
	l->flush1_ns = 0;
	fast(two->c[1], 0x7000, 3, 0);
	run(two->c[1], 9 * MS);
	expect_nothing(two->c[1]);
	run(two->c[1], 2 * MS);
	expect_event(two->c[1], EVENT(0x7001), 3);
}

/* --- access counters --- */

#define BUS 0x200000000ull
#define ACCESS_COUNTER EVENT(0x6004)
#define THRESHOLD 0x2b
#define ASID 0x2f

/* system_memory(): pages of it, at an address that all contexts have */
static void system_memory(struct channel *c, uint64_t va, uint64_t size)
{
	int fd = memfd_create("test", MFD_CLOEXEC);
	uint64_t i;

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, size), 0);
	assert_int_equal(mem_dma_map(&c->f->sim.mem, BUS, size, fd, 0, true),
			 0);
	close(fd);
	for (i = 0; i < size; i += PAGE)
		fixture_map(c->f, va + i, BUS + i,
			    PTE_PRESENT | PTE_RW | PTE_AE);
}

/* counting(): a context with counters */
static void counting(struct channel *c, unsigned int n, uint32_t class,
		     uint32_t threshold, uint32_t granularity)
{
	create(c, n, class, class == COPY ? 2 : 1);
	set_image(c, n, THRESHOLD, threshold);
	set_image(c, n, ASID, c->f->l->asid | granularity << 20);
}

static void store_to(struct channel *c, unsigned int n, uint64_t va)
{
	ring(c, n, STORE(va, 1));
	submit(c, n);
	run(c, STEP);
}

static void flush_page(struct channel *c, uint64_t va)
{
	fast(c, 0x7000, 1, 1, c->f->l->asid, (uint32_t)va, va >> 32, 0);
	expect_event(c, EVENT(0x7001), 1);
}

static void counter_tells_once(void **state)
{
	struct channel *c = *state;
	unsigned int i;

	system_memory(c, HOLE, KIB(256));
	counting(c, 1, COPY, 3, 0);
	for (i = 0; i < 10; i++) {
		store_to(c, 1, HOLE + PAGE * (i % 2 ? 31 : 4) + 8);
		if (i ==
		    2) /* parts 4 and 31: the highest is in a dword of its own */
			expect_event(c, ACCESS_COUNTER, 1 << (4 + 1),
				     1 | 8 << 3 | 3 << 9 | 7 << 12,
				     (uint32_t)HOLE, HOLE >> 32);
		expect_nothing(c);
	}
	/* Another granule has another counter */
	for (i = 0; i < 3; i++)
		store_to(c, 1, HOLE + KIB(128));
	expect_event(c, ACCESS_COUNTER, 1 << 1, 8 << 3 | 3 << 9 | 7 << 12,
		     (uint32_t)HOLE + KIB(128), HOLE >> 32);
	/* A flush has it count anew */
	flush_page(c, HOLE + PAGE);
	for (i = 0; i < 3; i++) {
		expect_nothing(c);
		store_to(c, 1, HOLE);
		store_to(c, 1, HOLE + KIB(128));
	}
	expect_event(c, ACCESS_COUNTER, 1 << 1, 8 << 3 | 3 << 9 | 7 << 12,
		     (uint32_t)HOLE, HOLE >> 32);
	expect_nothing(c);
	assert_int_equal(stats.access_counters, 3);
}

static void granules_are_of_four_sizes(void **state)
{
	static const unsigned int shift[] = { 17, 21, 24, 26 };
	struct channel *c = *state;
	unsigned int i;

	system_memory(c, HOLE, KIB(256));
	for (i = 0; i < 4; i++) {
		uint64_t va = HOLE + KIB(132), base;
		unsigned int part;

		base = va >> shift[i] << shift[i];
		part = (va - base) >> (shift[i] - 5);
		counting(c, 1 + i, COMPUTE, 1, i);
		store_to(c, 1 + i, va);
		expect_event(c, ACCESS_COUNTER, 2u << part,
			     (part == 31) | 5 << 9 | 7 << 12,
			     (uint32_t)base | i << 8, base >> 32);
	}
}

static void counters_are_of_system_memory(void **state)
{
	struct channel *c = *state;
	unsigned int i;

	system_memory(c, HOLE, KIB(256));
	counting(c, 1, COPY, 1, 0);
	store_to(c, 1, DATA(1)); /* VRAM */
	store_to(c, 1, NULLS);
	ring(c, 1, STORE_GGTT(DATA_GGTT, 5));
	submit(c, 1);
	run(c, MS);
	expect_nothing(c);
	/* Off, as 6.12 leaves them; the high half is of the other kind */
	counting(c, 2, COPY, 0xffff0000, 0);
	for (i = 0; i < 100; i++)
		store_to(c, 2, HOLE);
	expect_nothing(c);
	assert_int_equal(stats.access_counters, 0);
}

static void counters_are_few(void **state)
{
	struct channel *c = *state;
	uint32_t dw[MAX_HXG];
	unsigned int i, n;
	uint16_t fence;

	system_memory(c, HOLE, KIB(128) * (NR_ACC_COUNTERS + 1));
	counting(c, 1, COPY, 2, 0);
	for (i = 0; i < NR_ACC_COUNTERS + 1; i++)
		store_to(c, 1, HOLE + KIB(128) * i);
	/* The first one made room for the last */
	store_to(c, 1, HOLE);
	expect_nothing(c);
	for (i = 2; i < NR_ACC_COUNTERS + 1; i++)
		store_to(c, 1, HOLE + KIB(128) * i);
	for (n = 0; channel_receive(c, dw, &fence); n++)
		assert_int_equal(dw[3], (uint32_t)HOLE + KIB(128) * (n + 2));
	assert_int_equal(n, NR_ACC_COUNTERS - 1);
	/* A reset of the GT clears them all */
	regs_write(c->t, 0x941c, 1);
	for (i = 0; i < c->t->nr_engines; i++)
		for (n = 0; n < NR_ACC_COUNTERS; n++)
			assert_int_equal(c->t->engine[i].acc[n].count, 0);
}

static void counters_by_injection(void **state)
{
	struct channel *c = *state;
	unsigned int i;

	system_memory(c, HOLE, KIB(256));
	create(c, 1, COPY, 2);
	create(c, 2, COMPUTE, 1);
	create(c, 3, COPY, 2);
	set_image(c, 3, ASID, 0); /* one of the kernel */
	inject_rule("access-counter=bcs8\n");
	for (i = 1; i <= 3; i++) {
		store_to(c, i, DATA(i));
		store_to(c, i, HOLE + PAGE * 33);
		store_to(c, i, HOLE + PAGE * 33);
	}
	inject_rule("");
	expect_event(c, ACCESS_COUNTER, 1 << 2, 8 << 3 | 3 << 9 | 7 << 12,
		     (uint32_t)HOLE + KIB(128), HOLE >> 32);
	expect_nothing(c);
	assert_int_equal(stats.injected, 1);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
#define TEST_TWO(fn)                                                           \
	cmocka_unit_test_setup_teardown(fn, setup_two, teardown_two)
	const struct CMUnitTest tests[] = {
		TEST(every_access_of_every_engine),
		TEST(batches_are_fetched_from_pages_that_come_later),
		TEST(rights_of_every_engine),
		TEST(right_is_granted_by_the_answer),
		TEST(level_is_where_the_walk_ended),
		TEST(names_have_their_full_width),
		TEST(null_pages_do_not_fault),
		TEST(many_wait_and_are_answered_in_any_order),
		TEST(waiting_contexts_block_nothing),
		TEST(late_answer_is_to_nobody),
		TEST(tag_is_free_after_its_late_answer),
		TEST(reset_frees_all_tags),
		TEST(tags_have_an_end),
		TEST(answer_before_the_report),
		TEST(answer_to_another_fault_is_refused),
		TEST(flush_is_over_when_it_is_reported),
		TEST_TWO(fault_is_of_the_tile_of_its_engine),
		TEST_TWO(flushes_of_two_tiles_end_in_any_order),
		TEST(counter_tells_once),
		TEST(granules_are_of_four_sizes),
		TEST(counters_are_of_system_memory),
		TEST(counters_are_few),
		TEST(counters_by_injection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
