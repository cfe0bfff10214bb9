/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The driver's side of contexts: makes them, fills their rings and batches, and answers their
 * page faults.  On the channel of channel.h, with the clock of clock.h, which goes on in run()
 * only; setup() and teardown() are those of a test.
 */
#ifndef XESIM_TESTS_DRIVER_H
#define XESIM_TESTS_DRIVER_H

#include "clock.h"
#include "messages.h"

#define MS 1000000ull
#define STEP 100000ull /* that the loop takes at least */

/* H2G */
#define SCHED_CONTEXT 0x1000
#define MODE_SET 0x1001
#define POLICIES 0x100b
#define REGISTER 0x4502
#define DEREGISTER 0x4503
#define REGISTER_MULTI 0x4601
#define FAULT_RESPONSE 0x6003
/* G2H */
#define MODE_DONE EVENT(0x1002)
#define RESET_NOTIFICATION EVENT(0x1008)
#define ENGINE_FAILURE EVENT(0x1009)
#define DEREGISTER_DONE EVENT(0x4600)
#define CAT_ERROR EVENT(0x6000)
#define PAGE_FAULT EVENT(0x6002)

/* Keys of policies */
#define QUANTUM 0x2001
#define PREEMPT_TIMEOUT 0x2002
#define PRIORITY 0x2003

/* Engine classes as GuC has them */
#define RENDER 0
#define COPY 3
#define COMPUTE 4

/* GGTT addresses of an LRC */
#define LRC(n) (0x03000000u + 0x10000u * (n))
#define PPHWSP(n) (LRC(n) + RING_SIZE)
#define IMAGE(n, i) (PPHWSP(n) + 0x1000 + 4 * (i))
#define LRC_SIZE (RING_SIZE + 2 * PAGE)
#define HEAD 0x05
#define TAIL 0x07
#define TIMESTAMP 0x23
#define TIMESTAMP_UDW 0x25

/* Virtual addresses: a batch and a page of data of each LRC; a null page of 2 MiB; and a
 * page that is not there
 */
#define BATCH(n) (0x10000ull * (n))
#define DATA(n) (0x8000000ull + PAGE * (n))
#define NULLS 0x10000000ull
#define HOLE 0x4000300000ull

#define MI(op, n) ((uint32_t)(op) << 23 | ((n)-2))
#define ARB_CHECK (5u << 23)
#define ARB_ON_OFF (8u << 23)
#define BATCH_END (0x0au << 23)
#define ADDR(a) (uint32_t)(a), (uint32_t)((a) >> 32)
#define BB_START(va) MI(0x31, 3) | BIT(8), ADDR(va)
#define STORE(va, v) MI(0x20, 4), ADDR(va), v
#define STORE_GGTT(va, v) MI(0x20, 4) | BIT(22), va, 0, v
#define INCREMENT(va) MI(0x2f, 3) | 5 << 8, ADDR(va)
#define END_UNLESS_BELOW(va, v) MI(0x36, 4) | BIT(21) | 2 << 12, v, ADDR(va)
#define WAIT_FOR(va, v) MI(0x1c, 4) | BIT(15) | 4 << 12, v, ADDR(va)
#define FILL(va, n, v) 0x56c00005, (n)-1, 0, 0, ADDR(va), (v) << 24
/* So that a slice is over after a few turns; on copy engines only */
#define WORK FILL(NULLS, KIB(64), 0)
#define ENDLESS(n) INCREMENT(DATA(n)), WORK, ARB_CHECK, BB_START(BATCH(n))
#define STUBBORN(n) INCREMENT(DATA(n)), WORK, BB_START(BATCH(n))
/* And on others */
#define ENDLESS_COMPUTE(n) INCREMENT(DATA(n)), ARB_CHECK, BB_START(BATCH(n))
#define STUBBORN_COMPUTE(n) INCREMENT(DATA(n)), BB_START(BATCH(n))
#define BAD_COMMAND 0xdeadbeef

#define ring(c, n, ...) put_ring(c, n, DWORDS(__VA_ARGS__))
/* Into the batch of an LRC, that its ring starts */
#define batch(c, n, ...) put_batch(c, n, DWORDS(__VA_ARGS__))
#define refused(c, action, ...) refuse(c, action, DWORDS(__VA_ARGS__))

/* --- the driver --- */

/* refuse(): a request that GuC finds to make no sense */
static inline void refuse(struct channel *c, uint16_t action,
			  const uint32_t *dw, unsigned int n)
{
	uint32_t answer = FAILURE(0x60);

	channel_send(c, HXG(TYPE_REQUEST, action), dw, n);
	expect(c, c->fence, &answer, 1);
	expect_nothing(c);
}

static inline uint32_t image(struct channel *c, unsigned int n, unsigned int i)
{
	return ggtt_read32(c->t, IMAGE(n, i));
}

static inline void set_image(struct channel *c, unsigned int n, unsigned int i,
			     uint32_t value)
{
	ggtt_write32(c->t, IMAGE(n, i), value);
}

/* new_lrc(): memory, image, batch and data of an LRC */
static inline void new_lrc(struct channel *c, unsigned int n)
{
	struct fixture *f = c->f;

	channel_map(c, LRC(n), LRC_SIZE);
	set_image(c, n, 0x09, LRC(n));
	set_image(c, n, 0x0b, (RING_SIZE - 4096) | 1);
	set_image(c, n, 0x2f, f->l->asid);
	set_image(c, n, 0x31, f->l->root >> 32);
	set_image(c, n, 0x33, f->l->root);
	fixture_map_new(f, BATCH(n), PAGE);
	fixture_map_new(f, DATA(n), PAGE);
}

static inline void register_context(struct channel *c, unsigned int n,
				    uint32_t class, uint32_t mask)
{
	new_lrc(c, n);
	fast(c, REGISTER, 0, n, class, mask, 0, 0, 0, 0, 0, PPHWSP(n) | 0x119,
	     0);
}

/* create(): a context that has an LRC of its number, enabled */
static inline void create(struct channel *c, unsigned int n, uint32_t class,
			  uint32_t mask)
{
	register_context(c, n, class, mask);
	fast(c, MODE_SET, n, 1);
	expect_event(c, MODE_DONE, n, 1);
}

static inline void policy(struct channel *c, unsigned int n, uint32_t key,
			  uint32_t value)
{
	fast(c, POLICIES, n, key << 16 | 1, value);
}

static inline void submit(struct channel *c, unsigned int n)
{
	fast(c, SCHED_CONTEXT, n);
}

static inline void put_ring(struct channel *c, unsigned int n,
			    const uint32_t *dw, unsigned int len)
{
	uint32_t tail = image(c, n, TAIL);
	unsigned int i;

	for (i = 0; i < len; i++) {
		ggtt_write32(c->t, LRC(n) + tail, dw[i]);
		tail = (tail + 4) % RING_SIZE;
	}
	set_image(c, n, TAIL, tail);
}

static inline void put_batch(struct channel *c, unsigned int n,
			     const uint32_t *dw, unsigned int len)
{
	fixture_write(c->f, BATCH(n), dw, 4 * len);
	ring(c, n, BB_START(BATCH(n)), 0); /* tails are of qwords */
}

static inline uint32_t data(struct channel *c, unsigned int n)
{
	return fixture_read32(c->f, DATA(n));
}

static inline struct engine *engine(struct channel *c, const char *name)
{
	unsigned int i;

	for (i = 0; i < c->t->nr_engines; i++)
		if (!strcmp(c->t->engine[i].desc->name, name))
			return &c->t->engine[i];
	return NULL;
}

/* id_on(): the context on an engine, 0 if none */
static inline uint32_t id_on(struct channel *c, const char *name)
{
	struct lrc *l = engine(c, name)->current;

	return l ? l->ctx->id : 0;
}

/* 19.2 MHz */
static inline uint64_t ticks(uint64_t ns)
{
	return ns * 12 / 625;
}

/* --- the loop of the program --- */

/* once(): returns how long it would sleep, -1: until something comes */
static inline int64_t once(struct channel *c)
{
	int64_t wait, next;

	timers_run();
	wait = sched_run(&c->f->sim);
	next = timers_next();
	return wait < 0 || (next >= 0 && next < wait) ? next : wait;
}

static inline void run(struct channel *c, uint64_t ns)
{
	uint64_t end = clock_ns + ns;

	while (clock_ns < end) {
		int64_t wait = once(c);

		if (wait < 0 || wait > (int64_t)(end - clock_ns))
			clock_ns = end;
		else
			clock_ns +=
				wait > (int64_t)STEP ? (uint64_t)wait : STEP;
	}
	once(c);
}

static inline int setup(void **state)
{
	struct channel *c = channel_open(H2G_DWORDS, G2H_DWORDS);

	if (!c)
		return -1;
	*fixture_slot(c->f, NULLS, 1) =
		PTE_PRESENT | PTE_RW | PTE_NULL | PTE_PS;
	/* So that HOLE lacks nothing but its last entry */
	fixture_slot(c->f, HOLE, 0);
	*state = c;
	return 0;
}

static inline int teardown(void **state)
{
	channel_close(*state);
	return 0;
}

/* --- page faults --- */

/* fault(): the report of one; the rest of it is compared */
static inline void fault(struct channel *c, uint32_t *report, uint32_t class,
			 uint32_t instance, uint32_t level, uint32_t how,
			 uint64_t va)
{
	uint32_t dw[MAX_HXG];
	uint16_t fence;

	run(c, MS);
	assert_int_equal(channel_receive(c, dw, &fence), 5);
	assert_int_equal(fence, 0);
	assert_int_equal(dw[0], PAGE_FAULT);
	assert_int_equal(dw[1] & 0x0fffffff,
			 level | instance << 19 | class << 25);
	assert_int_equal(dw[2] >> 12, c->f->l->asid);
	assert_int_equal(dw[3], how | (uint32_t)va);
	assert_int_equal(dw[4], va >> 32);
	memcpy(report, &dw[1], 16);
}

#define NOT_PRESENT_READ 0
#define NOT_PRESENT_WRITE 1
#define NOT_PRESENT_ATOMIC 2
#define READ_ONLY_WRITE (1 | 1 << 2)
#define READ_ONLY_ATOMIC (2 | 1 << 2)
#define NO_ATOMIC (2 | 2 << 2)

static inline uint32_t tag_of(const uint32_t *report)
{
	return report[0] >> 28 | (report[1] & 0xfff) << 4;
}

/* respond(): as the driver makes it out of the report: sheet 8.2 */
static inline void respond(struct channel *c, const uint32_t *report,
			   bool failed)
{
	uint32_t instance = report[0] >> 19 & 0x3f;
	uint32_t class = report[0] >> 25 & 7;

	fast(c, FAULT_RESPONSE,
	     1 | (uint32_t)failed << 1 | 1 << 10 | (report[1] & ~0xfffu),
	     instance << 7 | class << 13 | tag_of(report) << 16);
}

static inline void map_hole(struct channel *c, uint64_t flags)
{
	fixture_map(c->f, HOLE, fixture_alloc(c->f, PAGE), flags);
}

static inline void unmap_hole(struct channel *c)
{
	fixture_map(c->f, HOLE, 0, 0);
	fast(c, 0x7000, 1, 0);
	expect_event(c, EVENT(0x7001), 1);
}

/* put_fault(): a context that has stored to the page that is not there */
static inline void put_fault(struct channel *c, unsigned int n,
			     uint32_t *report)
{
	create(c, n, COPY, 1);
	batch(c, n, STORE(DATA(n), 1), STORE(HOLE, n), STORE(DATA(n), 2),
	      BATCH_END);
	submit(c, n);
	fault(c, report, CLASS_COPY, 0, 0, NOT_PRESENT_WRITE, HOLE);
	assert_int_equal(data(c, n), 1);
}

#endif
