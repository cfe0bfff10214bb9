// SPDX-License-Identifier: GPL-2.0-only
/* The command streamer: each command, at its edges, and what stops it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "fixture.h"

#define BATCH 0x100000ull /* 4 pages */
#define DATA 0x200000ull  /* 4 pages */
#define HOLE 0x300000ull  /* nothing */

#define GGTT BIT(22)
#define QWORD BIT(21)
#define MI(op, n) ((uint32_t)(op) << 23 | ((n)-2))
#define NOOP 0u
#define USER_INTERRUPT (2u << 23)
#define ARB_CHECK (5u << 23)
#define ARB_ON_OFF (8u << 23)
#define BATCH_END (0x0au << 23)
#define BB_START (MI(0x31, 3) | BIT(8))
#define SECOND_LEVEL BIT(22)
#define LO(a) ((uint32_t)(a))
#define HI(a) ((uint32_t)((uint64_t)(a) >> 32))
#define ADDR(a) LO(a), HI(a)
#define SDI(va, v) MI(0x20, 4), ADDR(va), v
#define MATH(n) MI(0x1a, (n) + 1)
#define ALU(op, a, b) ((uint32_t)(op) << 20 | (a) << 10 | (b))
#define GPR(n) (0x600 + 8 * (n))

#define DWORDS(...)                   \
	((uint32_t[]){ __VA_ARGS__ }), \
		sizeof((uint32_t[]){ __VA_ARGS__ }) / sizeof(uint32_t)
/* Into the ring; and a batch at BATCH that the ring starts */
#define ring(f, ...) fixture_ring(f, DWORDS(__VA_ARGS__))
#define batch(f, ...) put_batch(f, DWORDS(__VA_ARGS__))
#define assert_stop(f, how) assert_int_equal(fixture_run(f), how)

static int setup(void **state)
{
	struct fixture *f = fixture_open("bmg");

	if (!f)
		return -1;
	fixture_map_new(f, BATCH, 4 * PAGE);
	fixture_map_new(f, DATA, 4 * PAGE);
	/* So that HOLE lacks nothing but its last entry */
	fixture_slot(f, HOLE, 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	fixture_close(*state);
	return 0;
}

static void put_batch(struct fixture *f, const uint32_t *dw, unsigned int n)
{
	fixture_write(f, BATCH, dw, 4 * n);
	ring(f, BB_START, ADDR(BATCH));
}

static uint32_t ggtt32(struct fixture *f, uint64_t addr)
{
	return ggtt_read32(f->e->tile, addr);
}

static uint64_t ggtt64(struct fixture *f, uint64_t addr)
{
	return ggtt32(f, addr) | (uint64_t)ggtt32(f, addr + 4) << 32;
}

/* A page appears, as after a page fault */
static void map_page(struct fixture *f, uint64_t va)
{
	fixture_map(f, va, fixture_alloc(f, PAGE), PTE_ALL);
}

/* The page's entry changes, and the driver has that flushed */
static void remap(struct fixture *f, uint64_t va, uint64_t pa, uint64_t flags)
{
	fixture_map(f, va, pa, flags);
	tlb_flush(f->e, f->l->asid, 0, UINT64_MAX, TLB_DROP);
}

/* What was put into ring and batch hangs, and goes on hanging */
static void assert_hang(struct fixture *f)
{
	uint64_t hangs = stats.hangs;

	assert_stop(f, CS_HANG);
	assert_true(f->l->hung);
	assert_int_equal(stats.hangs, hangs + 1);
	assert_stop(f, CS_HANG);
	assert_int_equal(stats.hangs, hangs + 1);
}

/* One more command in a ring that has stopped */
static void restart(struct fixture *f)
{
	f->l->hung = false;
	f->l->depth = 0;
	f->l->head = f->l->tail;
}

/* --- the ring --- */

static void ring_runs_to_its_tail(void **state)
{
	struct fixture *f = *state;

	assert_stop(f, CS_EMPTY);
	ring(f, NOOP, SDI(DATA, 1) | GGTT, NOOP);
	ring(f, MI(0x20, 4) | GGTT, DATA_GGTT, 0, 0x1234);
	f->l->head = 0;
	assert_stop(f, CS_HANG); /* the first one's value has a stray bit: see below */
}

static void ring_wraps_within_a_command(void **state)
{
	struct fixture *f = *state;
	uint32_t at;

	for (at = RING_SIZE - 16; at < RING_SIZE; at += 4) {
		f->l->head = f->l->tail = at;
		ring(f, MI(0x20, 4) | GGTT, DATA_GGTT, 0, at);
		assert_stop(f, CS_EMPTY);
		assert_int_equal(f->l->head, (at + 16) % RING_SIZE);
		assert_int_equal(ggtt32(f, DATA_GGTT), at);
	}
}
