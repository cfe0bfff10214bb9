// SPDX-License-Identifier: GPL-2.0-only
/* The command streamer: each command, at its edges, and what stops it. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "fixture.h"
#include "rule.h"

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
#define SDI_GGTT(va, v) (MI(0x20, 4) | GGTT), ADDR(va), v
#define MATH(n) MI(0x1a, (n) + 1)
#define ALU(op, a, b) ((uint32_t)(op) << 20 | (a) << 10 | (b))
#define GPR(n) (0x600 + 8 * (n))

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
	ring(f, NOOP, SDI_GGTT(DATA_GGTT, 0x1234), NOOP);
	assert_stop(f, CS_EMPTY);
	assert_int_equal(f->l->head, f->l->tail);
	assert_int_equal(ggtt32(f, DATA_GGTT), 0x1234);
	assert_int_equal(stats.commands, 3);
}

static void ring_wraps_within_a_command(void **state)
{
	struct fixture *f = *state;
	uint32_t at;

	for (at = RING_SIZE - 16; at < RING_SIZE; at += 4) {
		f->l->head = f->l->tail = at;
		ring(f, SDI_GGTT(DATA_GGTT, at));
		assert_stop(f, CS_EMPTY);
		assert_int_equal(f->l->head, (at + 16) % RING_SIZE);
		assert_int_equal(ggtt32(f, DATA_GGTT), at);
	}
}

static void ring_checks_head_and_tail(void **state)
{
	static const uint32_t bad[][2] = {
		{ RING_SIZE, 0 }, { 0, RING_SIZE }, { 2, 8 },
		{ 0, 6 },	  { ~0u, 0 },	    { 0, ~0u },
	};
	struct fixture *f = *state;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		f->l->hung = false;
		f->l->head = bad[i][0];
		f->l->tail = bad[i][1];
		assert_hang(f);
	}
	f->l->hung = false;
	f->l->head = f->l->tail = 0;
	f->l->ring_size = 0;
	assert_hang(f);
}

static void ring_command_beyond_the_tail_hangs(void **state)
{
	struct fixture *f = *state;

	ring(f, SDI_GGTT(DATA_GGTT, 1));
	f->l->tail -= 4;
	assert_hang(f);
	assert_int_equal(f->l->head, 0);
	assert_int_equal(ggtt32(f, DATA_GGTT), 0);
}

static void ring_outside_of_memory_is_fatal(void **state)
{
	struct fixture *f = *state;

	f->l->ring_start = 0xfff00000;
	f->l->tail = 8;
	assert_stop(f, CS_FAULT);
	assert_true(f->l->fault.fatal);
}

/* --- stores --- */

static void store_dword_and_qword(void **state)
{
	struct fixture *f = *state;

	batch(f, SDI(DATA, 0x11111111), MI(0x20, 5) | QWORD, ADDR(DATA + 8),
	      0x22222222, 0x33333333, MI(0x20, 6), ADDR(DATA + 20), 4, 5, 6,
	      MI(0x20, 7) | QWORD, ADDR(DATA + 36), 7, 8, 9, 10, BATCH_END);
	assert_stop(f, CS_EMPTY);
	assert_int_equal(fixture_read64(f, DATA), 0x11111111);
	assert_int_equal(fixture_read64(f, DATA + 8), 0x3333333322222222);
	assert_int_equal(fixture_read64(f, DATA + 16), 4ull << 32);
	assert_int_equal(fixture_read64(f, DATA + 24), 5 | 6ull << 32);
	assert_int_equal(fixture_read64(f, DATA + 32), 7ull << 32);
	assert_int_equal(fixture_read64(f, DATA + 40), 8 | 9ull << 32);
	assert_int_equal(fixture_read64(f, DATA + 48), 10);
}

static void store_half_a_qword_hangs(void **state)
{
	struct fixture *f = *state;

	batch(f, MI(0x20, 4) | QWORD, ADDR(DATA), 1, BATCH_END);
	assert_hang(f);
	assert_int_equal(fixture_read32(f, DATA), 0);
}

/* 510 qwords: what the driver's page-table updates come to (sheet 6.6) */
static void store_of_the_largest_size(void **state)
{
	struct fixture *f = *state;
	uint32_t dw[1024] = { MI(0x20, 1023) | QWORD, ADDR(DATA + 0x800) };
	unsigned int i;

	for (i = 3; i < 1023; i++)
		dw[i] = i;
	dw[1023] = BATCH_END;
	fixture_write(f, BATCH + 0xf00, dw, sizeof(dw));
	ring(f, BB_START, ADDR(BATCH + 0xf00));
	assert_stop(f, CS_EMPTY);
	for (i = 3; i < 1023; i++)
		assert_int_equal(fixture_read32(f, DATA + 0x800 + 4 * (i - 3)),
				 i);
	assert_int_equal(fixture_read32(f, DATA + 0x800 + 4080), 0);

	dw[0]++;
	fixture_write(f, BATCH + 0xf00, dw, 4);
	ring(f, BB_START, ADDR(BATCH + 0xf00));
	assert_hang(f);
}

static void store_across_pages_is_repeated_after_a_fault(void **state)
{
	struct fixture *f = *state;
	uint64_t va = HOLE - 8;

	map_page(f, HOLE - PAGE);
	batch(f, MI(0x20, 7), ADDR(va), 1, 2, 3, 4, SDI(DATA, 5), BATCH_END);
	assert_stop(f, CS_FAULT);
	assert_int_equal(f->l->fault.va, HOLE);
	assert_int_equal(f->l->fault.access, ACC_WRITE);
	assert_int_equal(f->l->fault.type, FAULT_NOT_PRESENT);
	assert_false(f->l->fault.fatal);
	assert_int_equal(f->l->depth, 1);
	assert_int_equal(f->l->bb[0].addr, BATCH);
	assert_int_equal(fixture_read32(f, DATA), 0);
	assert_stop(f, CS_FAULT);

	map_page(f, HOLE);
	assert_stop(f, CS_EMPTY);
	assert_int_equal(fixture_read64(f, va), 1 | 2ull << 32);
	assert_int_equal(fixture_read64(f, HOLE), 3 | 4ull << 32);
	assert_int_equal(fixture_read32(f, DATA), 5);
}

static void store_to_canonical_address(void **state)
{
	struct fixture *f = *state;
	uint64_t va = 0x00007ffffffff000ull | 1ull << 47;

	map_page(f, va);
	batch(f, SDI(va | 0xffffull << 48, 1), BATCH_END);
	assert_stop(f, CS_EMPTY);
	assert_int_equal(fixture_read32(f, va), 1);
}

static void store_to_read_only_page_faults(void **state)
{
	struct fixture *f = *state;

	remap(f, DATA, fixture_alloc(f, PAGE), PTE_ALL & ~PTE_RW);
	batch(f, SDI(DATA, 1), BATCH_END);
	assert_stop(f, CS_FAULT);
	assert_int_equal(f->l->fault.type, FAULT_WRITE);
	assert_int_equal(fixture_read32(f, DATA), 0);
}

static void store_to_null_page_is_lost(void **state)
{
	struct fixture *f = *state;

	remap(f, DATA, 0, PTE_PRESENT | PTE_RW | PTE_NULL);
	batch(f, SDI(DATA, 1), MI(0x29, 4), 0x22000 + GPR(0), ADDR(DATA),
	      BATCH_END);
	f->l->gpr[0] = ~0ull;
	assert_stop(f, CS_EMPTY);
	assert_int_equal(f->l->gpr[0], ~0ull << 32);
}

static void user_batch_has_no_ggtt(void **state)
{
	struct fixture *f = *state;

	map_page(f, DATA_GGTT);
	batch(f, SDI_GGTT(DATA_GGTT, 1), BATCH_END);
	assert_stop(f, CS_EMPTY);
	assert_int_equal(ggtt32(f, DATA_GGTT), 0);
	assert_int_equal(fixture_read32(f, DATA_GGTT), 1);
}

static void context_without_address_space_uses_ggtt(void **state)
{
	struct fixture *f = *state;

	f->l->ppgtt = false;
	ring(f, SDI(DATA_GGTT, 1), MI(0x31, 3), DATA_GGTT + 0x1000, 0);
	ggtt_write32(f->e->tile, DATA_GGTT + 0x1000, BATCH_END);
	assert_stop(f, CS_EMPTY);
	assert_int_equal(ggtt32(f, DATA_GGTT), 1);
}

static void store_data_index(void **state)
{
	struct fixture *f = *state;

	ring(f, MI(0x21, 4) | QWORD, 0x340, 1, 2, MI(0x21, 3), 0x20, 3, NOOP);
	cs_reg_write(f->e, f->l, f->e->desc->base + 0x80, DATA_GGTT);
	assert_stop(f, CS_EMPTY);
	assert_int_equal(ggtt64(f, PPHWSP_GGTT + 0x340), 1 | 2ull << 32);
	assert_int_equal(ggtt32(f, DATA_GGTT + 0x20), 3);
}

static void copy_mem_mem(void **state)
{
	struct fixture *f = *state;

	fixture_write32(f, DATA, 0x5555);
	ring(f, MI(0x2e, 5) | BIT(21), DATA_GGTT, 0, ADDR(DATA),
	     MI(0x2e, 5) | BIT(22), ADDR(DATA + PAGE), DATA_GGTT, 0, NOOP);
	assert_stop(f, CS_EMPTY);
	assert_int_equal(ggtt32(f, DATA_GGTT), 0x5555);
	assert_int_equal(fixture_read32(f, DATA + PAGE), 0x5555);
	ring(f, MI(0x2e, 5), ADDR(DATA), ADDR(HOLE), NOOP);
	assert_stop(f, CS_FAULT);
	assert_int_equal(f->l->fault.access, ACC_READ);
}

/* --- flushes --- */

static void flush_dw(void **state)
{
	struct fixture *f = *state;
	uint64_t before, after;

	ring(f, MI(0x26, 4) | BIT(14), DATA_GGTT | 4, 0, 0x11, NOOP);
	ring(f, MI(0x26, 5) | BIT(14), LO(DATA), HI(DATA), 0x22, 0x33);
	ring(f, MI(0x26, 4) | BIT(14) | BIT(21), 0x340 | 4, 0, 0x44);
	ring(f, MI(0x26, 3), 0, 0, MI(0x26, 4), 0, 0, 0, NOOP);
	ring(f, MI(0x26, 4) | 3 << 14, DATA_GGTT | 8 | 4, 0, 0);
	before = clock_ticks();
	assert_stop(f, CS_EMPTY);
	after = clock_ticks();
	assert_int_equal(ggtt64(f, DATA_GGTT), 0x11);
	assert_int_equal(fixture_read64(f, DATA), 0x22 | 0x33ull << 32);
	assert_int_equal(ggtt64(f, PPHWSP_GGTT + 0x340), 0x44);
	assert_in_range(ggtt64(f, DATA_GGTT + 8), before, after);
	assert_int_equal(stats.tlb_ring_flushes, 0);
	ring(f, MI(0x26, 3) | BIT(14), DATA_GGTT | 4, 0, NOOP);
	assert_hang(f);
	restart(f);
	ring(f, MI(0x26, 4) | 2 << 14, DATA_GGTT | 4, 0, 0);
	assert_hang(f);
}

static void pipe_control(void **state)
{
	struct fixture *f = *state;
	const uint32_t cmd = 0x7a000004;
	uint64_t before, after;

	fixture_engine(f, "ccs0");
	ring(f, cmd, BIT(14) | BIT(24), DATA_GGTT, 0, 1, 2);
	ring(f, cmd, BIT(14), ADDR(DATA), 3, 4);
	ring(f, cmd, BIT(14) | BIT(21), 0x340, 0, 5, 6);
	ring(f, cmd, BIT(20) | BIT(5), 0, 0, 0, 0);
	ring(f, cmd, 3 << 14 | BIT(24), DATA_GGTT + 8, 0, 0, 0);
	ring(f, cmd, BIT(23), f->e->desc->base + GPR(3), 0, 7, 0);
	before = clock_ticks();
	assert_stop(f, CS_EMPTY);
	after = clock_ticks();
	assert_int_equal(ggtt64(f, DATA_GGTT), 1 | 2ull << 32);
	assert_int_equal(fixture_read64(f, DATA), 3 | 4ull << 32);
	assert_int_equal(ggtt64(f, PPHWSP_GGTT + 0x340), 5 | 6ull << 32);
	assert_in_range(ggtt64(f, DATA_GGTT + 8), before, after);
	assert_int_equal(f->l->gpr[3], 7);
	ring(f, cmd, 2 << 14, 0, 0, 0, 0);
	assert_hang(f);
}

/* A batch changes an entry of the page table that holds itself: sheet 6.5, migration job */
static void ring_flush_shows_new_translations(void **state)
{
	struct fixture *f = *state;
	uint64_t old = *fixture_slot(f, DATA, 0) & PTE_ADDR;
	uint64_t new = fixture_alloc(f, PAGE), table = HOLE;
	uint64_t slot = (uint8_t *)fixture_slot(f, DATA, 0) - f->sim.mem.vram;

	fixture_map(f, table, slot & ~(PAGE - 1), PTE_ALL);
	batch(f, SDI(DATA, 1), MI(0x20, 5) | QWORD, ADDR(table + slot % PAGE),
	      LO(new | PTE_ALL), HI(new), SDI(DATA, 2), BATCH_END);
	ring(f, MI(0x26, 3) | BIT(18), 0, 0);
	ring(f, SDI(DATA, 3));
	assert_stop(f, CS_EMPTY);
	assert_int_equal(*(uint32_t *)fixture_vram(f, old), 2);
	assert_int_equal(*(uint32_t *)fixture_vram(f, new), 3);
	assert_int_equal(stats.tlb_ring_flushes, 1);
	assert_int_equal(stats.stale_pending, 1);
	assert_int_equal(stats.stale_after_flush + stats.stale_unflushed, 0);
}

/* --- registers --- */

static void registers_by_command(void **state)
{
	struct fixture *f = *state;
	uint32_t base = f->e->desc->base;

	ring(f, MI(0x22, 5), base + GPR(0), 1, base + GPR(0) + 4, 2, NOOP);
	ring(f, MI(0x22, 3) | BIT(19), GPR(1), 3, NOOP);
	ring(f, MI(0x22, 3) | BIT(17), 0x2000 + GPR(2), 4, NOOP);
	ring(f, MI(0x22, 3) | BIT(17), base + GPR(3), 5, NOOP);
	ring(f, MI(0x2a, 3) | BIT(18) | BIT(19), GPR(1), GPR(4), NOOP);
	ring(f, MI(0x2a, 3), base + GPR(1), base + GPR(4) + 4, NOOP);
	ring(f, MI(0x2a, 3) | BIT(17) | BIT(16), 0x2000 + GPR(2),
	     0x2000 + GPR(5), NOOP);
	ring(f, MI(0x24, 4) | BIT(19) | GGTT, GPR(3), DATA_GGTT, 0);
	ring(f, MI(0x29, 4) | BIT(19) | GGTT, GPR(6), DATA_GGTT, 0);
	assert_stop(f, CS_EMPTY);
	assert_int_equal(f->l->gpr[0], 1 | 2ull << 32);
	assert_int_equal(f->l->gpr[1], 3);
	assert_int_equal(f->l->gpr[2], 4);
	assert_int_equal(f->l->gpr[3], 5);
	assert_int_equal(f->l->gpr[4], 3 | 3ull << 32);
	assert_int_equal(f->l->gpr[5], 4);
	assert_int_equal(ggtt32(f, DATA_GGTT), 5);
	assert_int_equal(f->l->gpr[6], 5);
}

static void register_loads_and_stores_fault(void **state)
{
	struct fixture *f = *state;

	batch(f, MI(0x29, 4) | BIT(19), GPR(0), ADDR(HOLE),
	      MI(0x24, 4) | BIT(19), GPR(0), ADDR(HOLE + PAGE), BATCH_END);
	assert_stop(f, CS_FAULT);
	assert_int_equal(f->l->fault.access, ACC_READ);
	map_page(f, HOLE);
	fixture_write32(f, HOLE, 9);
	assert_stop(f, CS_FAULT);
	assert_int_equal(f->l->fault.access, ACC_WRITE);
	map_page(f, HOLE + PAGE);
	assert_stop(f, CS_EMPTY);
	assert_int_equal(fixture_read32(f, HOLE + PAGE), 9);
}

static void half_a_pair_of_registers_hangs(void **state)
{
	struct fixture *f = *state;

	ring(f, MI(0x22, 4), 0, 0, 0);
	assert_hang(f);
}

/* What would have the engine reset or re-enter itself; and, in user batches, all others */
static void registers_out_of_reach(void **state)
{
	struct fixture *f = *state;
	uint32_t *regs = f->e->tile->regs;

	ring(f, MI(0x22, 9), 0x941c, 9, 0xc050, 9, 0x1901f0, 1, 0x7018, 9);
	assert_stop(f, CS_EMPTY);
	assert_int_equal(regs[0xc050 / 4], 0);
	assert_int_equal(regs[0x1901f0 / 4], 0);
	assert_int_equal(regs[0x7018 / 4], 9);
	assert_int_equal(stats.gt_resets, 0);
	batch(f, MI(0x22, 5), 0x7018, 1, f->e->desc->base + GPR(0), 1,
	      MI(0x2a, 3) | BIT(19), 0x7018, GPR(1), BATCH_END);
	assert_stop(f, CS_EMPTY);
	assert_int_equal(regs[0x7018 / 4], 9);
	assert_int_equal(f->l->gpr[0], 1);
	assert_int_equal(f->l->gpr[1], 9);
	batch(f, MI(0x22, 5) | BIT(19), 0x80, DATA_GGTT, 0x410, 5, BATCH_END);
	assert_stop(f, CS_EMPTY);
	assert_int_equal(regs[(f->e->desc->base + 0x80) / 4], 0);
	assert_int_equal(regs[(f->e->desc->base + 0x410) / 4], 5);
}

static void registers_by_mmio(void **state)
{
	struct fixture *f = *state;
	struct engine *e = f->e;
	uint32_t base = e->desc->base;
	uint64_t ticks, before = clock_ticks();

	f->l->gpr[15] = 0x1122334455667788;
	f->l->head = 0x40;
	f->l->tail = 0x80;
	assert_int_equal(cs_reg_read(e, f->l, base + GPR(15)), 0x55667788);
	assert_int_equal(cs_reg_read(e, f->l, base + GPR(15) + 4), 0x11223344);
	assert_int_equal(cs_reg_read(e, NULL, base + GPR(15)), 0);
	cs_reg_write(e, NULL, base + GPR(15), 1);
	cs_reg_write(e, f->l, base + GPR(15) + 4, 1);
	assert_int_equal(f->l->gpr[15], 0x155667788);
	assert_int_equal(cs_reg_read(e, f->l, base + 0x34), 0x40);
	assert_int_equal(cs_reg_read(e, f->l, base + 0x30), 0x80);
	assert_int_equal(cs_reg_read(e, f->l, base + 0x38), RING_GGTT);
	assert_int_equal(cs_reg_read(e, f->l, base + 0x3c), 0x3001);
	assert_int_equal(cs_reg_read(e, NULL, base + 0x3c), 0);
	cs_reg_write(e, f->l, base + 0x30, 0);
	assert_int_equal(f->l->tail, 0x80);
	assert_int_equal(cs_reg_read(e, f->l, base + 0x74), RING_GGTT + 0x40);
	assert_int_equal(cs_reg_read(e, f->l, base + 0x5c), 0);
	assert_int_equal(cs_reg_read(e, NULL, base + 0x3a8), 0);
	assert_int_equal(cs_reg_read(e, f->l, base + 0x8c), CLASS_COPY);
	assert_int_equal(cs_reg_read(e, NULL, base + 0x54), 0x100);
	assert_int_equal(cs_reg_read(e, NULL, base + 0x23c), 0x100);
	cs_reg_write(e, NULL, base + 0x54, 0x200);
	assert_int_equal(cs_reg_read(e, NULL, base + 0x54), 0x200);
	ticks = cs_reg_read(e, NULL, base + 0x358);
	ticks |= (uint64_t)cs_reg_read(e, NULL, base + 0x35c) << 32;
	assert_true(ticks - before < 1ull << 32);
}

static void context_timestamp_is_stored(void **state)
{
	struct fixture *f = *state;
	uint64_t ticks;

	f->l->ticks = 1000;
	f->l->since = now_ns();
	ring(f, MI(0x24, 4) | BIT(19) | GGTT, 0x3a8, DATA_GGTT, 0);
	assert_stop(f, CS_EMPTY);
	ticks = ggtt32(f, DATA_GGTT);
	assert_in_range(ticks, 1000, lrc_timestamp(f->l));
}

/* --- MI_MATH --- */

#define SRCA 0x20
#define SRCB 0x21
#define ACCU 0x31
#define ZF 0x32
#define CF 0x33
#define ONES UINT64_MAX

/* R2 = R0 op R1, R3 = ZF, R4 = CF, R5 = ~R2 */
static void math_operations(void **state)
{
	static const struct {
		unsigned int op;
		uint64_t a, b, result;
		bool zero, carry;
	} cases[] = {
		{ 0x100, 1, 2, 3, false, false },
		{ 0x100, ONES, 1, 0, true, true },
		{ 0x100, ONES, ONES, ONES - 1, false, true },
		{ 0x100, 0, 0, 0, true, false },
		{ 0x101, 5, 3, 2, false, false },
		{ 0x101, 3, 5, -2ull, false, true },
		{ 0x101, 5, 5, 0, true, false },
		{ 0x102, 0xf0f0, 0xff00, 0xf000, false, false },
		{ 0x102, 0xf0, 0x0f, 0, true, false },
		{ 0x103, 0xf0, 0x0f, 0xff, false, false },
		{ 0x104, 0xff, 0x0f, 0xf0, false, false },
		{ 0x104, 7, 7, 0, true, false },
		{ 0x105, 1, 63, 1ull << 63, false, false },
		{ 0x106, 1ull << 63, 63, 1, false, false },
		{ 0x107, 1ull << 63, 63, ONES, false, false },
		{ 0x107, 4, 1, 2, false, false },
		{ 0x105, 3, 0, 3, false, false },
	};
	struct fixture *f = *state;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		f->l->gpr[0] = cases[i].a;
		f->l->gpr[1] = cases[i].b;
		batch(f, MATH(7), ALU(0x080, SRCA, 0), ALU(0x080, SRCB, 1),
		      ALU(cases[i].op, 0, 0), ALU(0x180, 2, ACCU),
		      ALU(0x180, 3, ZF), ALU(0x180, 4, CF), ALU(0x580, 5, ACCU),
		      BATCH_END);
		assert_stop(f, CS_EMPTY);
		assert_int_equal(f->l->gpr[2], cases[i].result);
		assert_int_equal(f->l->gpr[3], cases[i].zero ? ONES : 0);
		assert_int_equal(f->l->gpr[4], cases[i].carry ? ONES : 0);
		assert_int_equal(f->l->gpr[5], ~cases[i].result);
	}
}

static void math_loads(void **state)
{
	struct fixture *f = *state;

	f->l->gpr[0] = 0xff;
	batch(f, MATH(5), ALU(0x480, SRCA, 0), ALU(0x081, SRCB, 0),
	      ALU(0x103, 0, 0), ALU(0x180, 1, ACCU), 0, MATH(4),
	      ALU(0x481, SRCA, 0), ALU(0x080, SRCB, 0), ALU(0x104, 0, 0),
	      ALU(0x180, 2, ACCU), MATH(4), ALU(0x080, SRCA, ACCU),
	      ALU(0x080, SRCB, CF), ALU(0x103, 0, 0), ALU(0x180, 0, ZF),
	      BATCH_END);
	assert_stop(f, CS_EMPTY);
	assert_int_equal(f->l->gpr[1], ~0xffull);
	assert_int_equal(f->l->gpr[2], ~0xffull);
	assert_int_equal(f->l->gpr[0], ONES);
}

static void math_nonsense_hangs(void **state)
{
	static const uint32_t bad[] = {
		ALU(0x001, 0, 0),
		ALU(0x108, 0, 0),
		ALU(0x080, 0, 0),
		ALU(0x080, SRCA, 16),
		ALU(0x080, SRCA, SRCA),
		ALU(0x180, SRCA, ACCU),
		ALU(0x180, 16, ACCU),
		ALU(0x180, 0, 0x34),
		ALU(0x881, SRCA, 0),
		ALU(0x500, 0, 0),
		~0u,
	};
	struct fixture *f = *state;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		restart(f);
		batch(f, MATH(1), bad[i], BATCH_END);
		assert_hang(f);
	}
}

/* --- waiting --- */

/* Memory, compared with 10, by each operation */
static const struct {
	uint32_t value;
	bool met[6];
} compared[] = {
	{ 9, { false, false, true, true, false, true } },
	{ 10, { false, true, false, true, true, false } },
	{ 11, { true, true, false, false, false, true } },
	{ 0x80000000, { true, true, false, false, false, true } },
};

static void semaphore_in_memory(void **state)
{
	struct fixture *f = *state;
	unsigned int i, op;

	for (i = 0; i < ARRAY_SIZE(compared); i++) {
		for (op = 0; op < 6; op++) {
			restart(f);
			fixture_write32(f, DATA, compared[i].value);
			batch(f, MI(0x1c, 4) | BIT(15) | op << 12, 10,
			      ADDR(DATA), BATCH_END);
			assert_stop(f,
				    compared[i].met[op] ? CS_EMPTY : CS_WAIT);
		}
	}
	restart(f);
	ring(f, MI(0x1c, 4) | 6 << 12, 0, ADDR(DATA));
	assert_hang(f);
}

static void semaphore_waits_until_it_is_met(void **state)
{
	struct fixture *f = *state;

	/* With a token, in the GGTT; and a fault before it can be read */
	ring(f, MI(0x1c, 5) | GGTT | 4 << 12, 5, DATA_GGTT, 0, 0, NOOP);
	batch(f, MI(0x1c, 4) | 4 << 12, 6, ADDR(HOLE), BATCH_END);
	assert_stop(f, CS_WAIT);
	assert_int_equal(f->l->head, 0);
	assert_stop(f, CS_WAIT);
	assert_int_equal(stats.commands, 0);
	ggtt_write32(f->e->tile, DATA_GGTT, 5);
	assert_stop(f, CS_FAULT);
	map_page(f, HOLE);
	assert_stop(f, CS_WAIT);
	f->e->preempt = true;
	f->l->arbitration = false;
	assert_stop(f, CS_WAIT);
	f->l->arbitration = true;
	assert_stop(f, CS_YIELD);
	assert_int_equal(f->l->bb[0].addr, BATCH);
	fixture_write32(f, HOLE, 6);
	f->e->preempt = false;
	assert_stop(f, CS_EMPTY);
}

static void semaphore_in_a_register(void **state)
{
	struct fixture *f = *state;

	ring(f, MI(0x1c, 5) | BIT(16) | 1 << 12, 7, f->e->desc->base + GPR(9),
	     0, 0, NOOP);
	f->l->gpr[9] = 6;
	assert_stop(f, CS_WAIT);
	f->l->gpr[9] = 7;
	assert_stop(f, CS_EMPTY);
}

static void arbitration(void **state)
{
	struct fixture *f = *state;

	f->e->preempt = true;
	ring(f, NOOP);
	assert_stop(f, CS_YIELD);
	assert_int_equal(f->l->head, 0);

	f->e->preempt = false;
	batch(f, NOOP, ARB_CHECK, NOOP, ARB_ON_OFF, ARB_CHECK, SDI(DATA, 1),
	      ARB_ON_OFF | 1, SDI(DATA, 2), ARB_CHECK, SDI(DATA, 3), BATCH_END);
	assert_int_equal(cs_run(f->e, f->l, 2), CS_BUDGET);
	f->e->preempt = true;
	assert_stop(f, CS_YIELD);
	assert_int_equal(f->l->bb[0].addr, BATCH + 8);
	assert_stop(f, CS_YIELD);
	assert_int_equal(fixture_read32(f, DATA), 2);
	f->e->preempt = false;
	assert_stop(f, CS_EMPTY);
	assert_int_equal(fixture_read32(f, DATA), 3);

	f->e->preempt = true;
	f->l->arbitration = false;
	ring(f, NOOP, NOOP);
	assert_stop(f, CS_EMPTY);
}

static void engine_that_is_busy_stalls(void **state)
{
	struct fixture *f = *state;

	ring(f, NOOP);
	f->e->busy_until = now_ns() + 1000000000;
	assert_stop(f, CS_STALL);
	assert_int_equal(stats.commands, 0);
	f->e->busy_until = now_ns();
	assert_stop(f, CS_EMPTY);
}

static void user_interrupts(void **state)
{
	struct fixture *f = *state;
	uint16_t *pending = &f->e->tile->irq.pending[f->e->desc->irq_bit];

	batch(f, USER_INTERRUPT, BATCH_END);
	assert_stop(f, CS_EMPTY);
	assert_int_equal(*pending, IRQ_USER_INTERRUPT);
	assert_int_equal(stats.jobs, 0);
	*pending = 0;
	ring(f, USER_INTERRUPT);
	assert_stop(f, CS_EMPTY);
	assert_int_equal(*pending, IRQ_USER_INTERRUPT);
	assert_int_equal(stats.jobs, 1);
}

/* --- batches --- */

static void batches_nest(void **state)
{
	const uint32_t second[] = { SDI(DATA + 4, 2), BB_START | SECOND_LEVEL,
				    ADDR(BATCH + 0x800), SDI(DATA + 8, 3),
				    BATCH_END };
	const uint32_t third[] = { SDI(DATA + 12, 4), BATCH_END };
	struct fixture *f = *state;

	fixture_write(f, BATCH + 0x400, second, sizeof(second));
	fixture_write(f, BATCH + 0x800, third, sizeof(third));
	batch(f, SDI(DATA, 1), BB_START | SECOND_LEVEL, ADDR(BATCH + 0x400),
	      SDI(DATA + 16, 5), BATCH_END);
	ring(f, SDI(DATA + 20, 6));
	assert_stop(f, CS_EMPTY);
	assert_int_equal(fixture_read64(f, DATA), 1 | 2ull << 32);
	assert_int_equal(fixture_read64(f, DATA + 8), 3 | 4ull << 32);
	assert_int_equal(fixture_read64(f, DATA + 16), 5 | 6ull << 32);
	assert_int_equal(f->l->depth, 0);
	assert_int_equal(stats.batches, 3);
}

static void batches_too_deep_hang(void **state)
{
	struct fixture *f = *state;

	batch(f, BB_START | SECOND_LEVEL, ADDR(BATCH));
	assert_hang(f);
	assert_int_equal(f->l->depth, CS_DEPTH);
}

static void batches_chain(void **state)
{
	const uint32_t next[] = { SDI(DATA, 1), BATCH_END };
	struct fixture *f = *state;

	fixture_write(f, BATCH + 0x400, next, sizeof(next));
	/* Bit 8 clear does not lead out of the address space: sheet 6.6 */
	batch(f, MI(0x31, 3), ADDR(BATCH + 0x400), SDI(DATA, 2), BATCH_END);
	assert_stop(f, CS_EMPTY);
	assert_int_equal(fixture_read32(f, DATA), 1);
	assert_int_equal(stats.batches, 1);
}

static void batch_in_ggtt(void **state)
{
	const uint32_t dw[] = { SDI_GGTT(DATA_GGTT, 1),
				SDI(DATA, 2),
				MI(0x22, 3),
				0x7018,
				3,
				BATCH_END };
	struct fixture *f = *state;

	ggtt_write(f->e->tile, DATA_GGTT + 0x100, dw, sizeof(dw));
	ring(f, MI(0x31, 3), DATA_GGTT + 0x100, 0);
	assert_stop(f, CS_EMPTY);
	assert_int_equal(ggtt32(f, DATA_GGTT), 1);
	assert_int_equal(fixture_read32(f, DATA), 2);
	assert_int_equal(f->e->tile->regs[0x7018 / 4], 3);
}

static void batch_ends_where_there_is_none(void **state)
{
	struct fixture *f = *state;

	ring(f, BATCH_END);
	assert_hang(f);
	restart(f);
	ring(f, MI(0x36, 4) | BIT(21), 0, ADDR(DATA));
	assert_hang(f);
	restart(f);
	batch(f, BB_START | BIT(15), ADDR(BATCH));
	assert_hang(f);
}

static void batch_across_a_hole(void **state)
{
	const uint32_t dw[] = { SDI(DATA, 1), BATCH_END };
	struct fixture *f = *state;
	uint64_t va = HOLE - 8;

	map_page(f, HOLE - PAGE);
	fixture_write(f, va, dw, 8);
	ring(f, BB_START, ADDR(va));
	assert_stop(f, CS_FAULT);
	assert_int_equal(f->l->fault.va, HOLE);
	assert_int_equal(f->l->fault.access, ACC_READ);
	assert_int_equal(f->l->bb[0].addr, va);
	map_page(f, HOLE);
	fixture_write(f, HOLE, &dw[2], sizeof(dw) - 8);
	assert_stop(f, CS_EMPTY);
	assert_int_equal(fixture_read32(f, DATA), 1);
}

static void conditional_end(void **state)
{
	struct fixture *f = *state;
	unsigned int i, op;

	for (i = 0; i < ARRAY_SIZE(compared); i++) {
		for (op = 0; op < 6; op++) {
			fixture_write64(f, DATA, compared[i].value);
			batch(f, MI(0x36, 4) | BIT(21) | op << 12, 10,
			      ADDR(DATA), SDI(DATA + 4, 1), BATCH_END);
			assert_stop(f, CS_EMPTY);
			assert_int_equal(fixture_read32(f, DATA + 4),
					 compared[i].met[op]);
		}
	}
	batch(f, MI(0x36, 4), 10, ADDR(HOLE), SDI(DATA, 77), BATCH_END);
	assert_stop(f, CS_EMPTY);
	assert_int_equal(fixture_read32(f, DATA), 77);
	batch(f, MI(0x36, 4) | BIT(21), 10, ADDR(HOLE), BATCH_END);
	assert_stop(f, CS_FAULT);
	restart(f);
	batch(f, MI(0x36, 4) | BIT(21) | 7 << 12, 10, ADDR(DATA), BATCH_END);
	assert_hang(f);
}

/* Bit 18 ends one level only */
static void conditional_end_of_nested_batches(void **state)
{
	struct fixture *f = *state;
	unsigned int one_level;

	for (one_level = 0; one_level < 2; one_level++) {
		const uint32_t inner[] = {
			MI(0x36, 4) | BIT(21) | one_level << 18, 10, ADDR(DATA)
		};

		fixture_write32(f, DATA + 4, 0);
		fixture_write(f, BATCH + 0x400, inner, sizeof(inner));
		batch(f, BB_START | SECOND_LEVEL, ADDR(BATCH + 0x400),
		      SDI(DATA + 4, 1), BATCH_END);
		assert_stop(f, CS_EMPTY);
		assert_int_equal(fixture_read32(f, DATA + 4), one_level);
	}
}

/* --- MI_ATOMIC --- */

#define ATOMIC(op, n) (MI(0x2f, n) | (uint32_t)(op) << 8)
#define INLINE BIT(18)
#define RETURN BIT(16)
#define BITS64 BIT(19)

static void atomic_operations(void **state)
{
	static const struct {
		unsigned int op;
		uint64_t old, a, b, narrow, wide;
	} cases[] = {
		{ 1, 0xff00, 0x0ff0, 0, 0x0f00, 0x0f00 },
		{ 2, 0xff00, 0x0ff0, 0, 0xfff0, 0xfff0 },
		{ 3, 0xff00, 0x0ff0, 0, 0xf0f0, 0xf0f0 },
		{ 4, 1, 0x500000002, 0, 2, 0x500000002 },
		{ 5, 0xffffffff, 0, 0, 0, 0x100000000 },
		{ 6, 0x100000000, 0, 0, 0x1ffffffff, 0xffffffff },
		{ 7, 0xffffffff, 2, 0, 1, 0x100000001 },
		{ 8, 1, 2, 0, 0xffffffff, ONES },
		{ 9, 2, 1, 0, 0xffffffff, ONES },
		{ 10, 0x80000000, 1, 0, 1, 0x80000000 },
		{ 11, 0x80000000, 1, 0, 0x80000000, 1 },
		{ 12, 0x80000000, 1, 0, 0x80000000, 0x80000000 },
		{ 12, 1, ONES, 0, 0xffffffff, ONES },
		{ 13, ONES, 1, 0, 1 | 0xffffffffull << 32, 1 },
		{ 10, ONES, 1, 0, 1 | 0xffffffffull << 32, 1 },
		{ 14, 3, 3, 4, 4, 4 },
		{ 14, 3, 2, 4, 3, 3 },
		{ 14, 3ull << 32, 0, 4, 4 | 3ull << 32, 3ull << 32 },
	};
	struct fixture *f = *state;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t a = cases[i].a, b = cases[i].b;

		fixture_write64(f, DATA, cases[i].old);
		fixture_write64(f, DATA + 8, cases[i].old);
		fixture_write64(f, DATA + 16, cases[i].old);
		f->l->gpr[0] = a;
		f->l->gpr[2] = b;
		batch(f, ATOMIC(cases[i].op, 11) | INLINE, ADDR(DATA), LO(a),
		      LO(b), HI(a), HI(b), 0, 0, 0, 0,
		      ATOMIC(cases[i].op, 11) | INLINE | BITS64 | RETURN,
		      ADDR(DATA + 8), LO(a), LO(b), HI(a), HI(b), 0, 0, 0, 0,
		      ATOMIC(cases[i].op + 0x20, 3) | BITS64, ADDR(DATA + 16),
		      BATCH_END);
		assert_stop(f, CS_EMPTY);
		assert_int_equal(fixture_read64(f, DATA), cases[i].narrow);
		assert_int_equal(fixture_read64(f, DATA + 8), cases[i].wide);
		assert_int_equal(fixture_read64(f, DATA + 16), cases[i].wide);
		assert_int_equal(f->l->gpr[4], cases[i].old);
	}
}

static void atomic_nonsense_hangs(void **state)
{
	static const struct {
		uint32_t dw, offset;
	} bad[] = {
		{ ATOMIC(0, 3), 0 },
		{ ATOMIC(15, 3), 0 },
		{ ATOMIC(0x25, 3), 0 },
		{ ATOMIC(0x20, 3) | BITS64, 0 },
		{ ATOMIC(0x4e, 3) | 2 << 19, 0 },
		{ ATOMIC(5, 3) | 2 << 19, 0 },
		{ ATOMIC(5, 3) | BITS64, 4 },
		{ ATOMIC(5, 3) | INLINE, 0 },
		{ ATOMIC(5, 11), 0 },
		{ ATOMIC(5, 4), 0 },
	};
	struct fixture *f = *state;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		restart(f);
		batch(f, bad[i].dw, ADDR(DATA + bad[i].offset), 0, 0, 0, 0, 0,
		      0, 0, 0, BATCH_END);
		assert_hang(f);
		assert_int_equal(fixture_read64(f, DATA), 0);
	}
}

static void atomic_faults(void **state)
{
	struct fixture *f = *state;

	batch(f, ATOMIC(5, 3), ADDR(HOLE), BATCH_END);
	assert_stop(f, CS_FAULT);
	assert_int_equal(f->l->fault.access, ACC_ATOMIC);
	assert_int_equal(f->l->fault.type, FAULT_NOT_PRESENT);
	fixture_map(f, HOLE, fixture_alloc(f, PAGE), PTE_ALL & ~PTE_AE);
	assert_stop(f, CS_FAULT);
	assert_int_equal(f->l->fault.type, FAULT_ATOMIC);
	assert_int_equal(fixture_read32(f, HOLE), 0);
	remap(f, HOLE, *fixture_slot(f, HOLE, 0) & PTE_ADDR, PTE_ALL);
	assert_stop(f, CS_EMPTY);
	assert_int_equal(fixture_read32(f, HOLE), 1);
}

/* --- what makes no sense --- */

static void unknown_commands_hang(void **state)
{
	static const uint32_t bad[] = {
		0xdeadbeef,  0xffffffff,   MI(0x3f, 2), 1u << 23, 3u << 23,
		MI(0x18, 2), 2u << 29 | 8, 0x9fc00000,	4u << 29,
	};
	struct fixture *f = *state;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		restart(f);
		batch(f, NOOP, bad[i], BATCH_END);
		assert_hang(f);
		assert_int_equal(f->l->bb[0].addr, BATCH + 4);
	}
}

static void commands_of_other_engines_hang(void **state)
{
	static const struct {
		const char *engine;
		uint32_t dw;
	} bad[] = {
		{ "ccs0", 0x96c00005 }, { "rcs0", 0x96800008 },
		{ "ccs1", 0x90800008 }, { "bcs0", 0x7a000004 },
		{ "bcs8", 0x68000000 }, { "bcs0", 0x78000000 },
	};
	struct fixture *f = *state;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		restart(f);
		fixture_engine(f, bad[i].engine);
		batch(f, bad[i].dw, 0, 0, 0, 0, 0, 0, 0, 0, 0, BATCH_END);
		assert_hang(f);
	}
}

static void lengths_are_checked(void **state)
{
	static const struct {
		uint32_t dw;
		unsigned int min, max;
	} commands[] = {
		{ MI(0x20, 2), 4, 1023 }, { MI(0x22, 2), 3, 257 },
		{ MI(0x24, 2), 4, 4 },	  { MI(0x26, 2), 3, 5 },
		{ MI(0x29, 2), 4, 4 },	  { MI(0x2a, 2), 3, 3 },
		{ MI(0x2e, 2), 5, 5 },	  { MI(0x1c, 2), 4, 5 },
		{ MI(0x31, 2), 3, 3 },	  { MI(0x36, 2), 4, 4 },
		{ MI(0x21, 2), 3, 4 },	  { 0x90800000, 10, 10 },
		{ 0x96800000, 10, 10 },	  { 0x96c00000, 7, 7 },
		{ 0x91000000, 11, 16 },	  { 0x90400000, 12, 22 },
	};
	struct fixture *f = *state;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		restart(f);
		batch(f, commands[i].dw + commands[i].min - 3, BATCH_END);
		assert_hang(f);
		restart(f);
		batch(f, commands[i].dw + commands[i].max - 1, BATCH_END);
		if (commands[i].max < 257)
			assert_hang(f);
	}
}

static void state_of_3d_is_skipped(void **state)
{
	struct fixture *f = *state;

	fixture_engine(f, "rcs0");
	batch(f, 0x78490001, NOOP + 1, 0xdeadbeef, 0x69040000, 0x79170002,
	      0xdeadbeef, 0xdeadbeef, 0xdeadbeef, 0x72080001, 0xdeadbeef,
	      0xdeadbeef, SDI(DATA, 1), BATCH_END);
	assert_stop(f, CS_EMPTY);
	assert_int_equal(fixture_read32(f, DATA), 1);
}

static void harmless_commands_are_skipped(void **state)
{
	struct fixture *f = *state;

	batch(f, NOOP, 9u << 23, 0x0bu << 23, 0x0du << 23, 0x0eu << 23,
	      MI(0x1d, 2), 0xdeadbeef, SDI(DATA, 1), BATCH_END);
	assert_stop(f, CS_EMPTY);
	assert_int_equal(fixture_read32(f, DATA), 1);
}

/* --- slices --- */

static void budget_ends_a_slice(void **state)
{
	struct fixture *f = *state;

	ring(f, NOOP, NOOP, NOOP);
	assert_int_equal(cs_run(f->e, f->l, 2), CS_BUDGET);
	assert_int_equal(f->l->head, 8);
	assert_false(f->l->spins);
	assert_int_equal(cs_run(f->e, f->l, 1), CS_EMPTY);
}

static void loop_that_waits_is_known(void **state)
{
	struct fixture *f = *state;

	batch(f, ARB_CHECK, MI(0x36, 4) | BIT(21) | 4 << 12, 0, ADDR(DATA),
	      BB_START, ADDR(BATCH));
	assert_int_equal(cs_run(f->e, f->l, 20), CS_BUDGET);
	assert_true(f->l->spins);
	fixture_write32(f, DATA, 1);
	assert_stop(f, CS_EMPTY);
	assert_false(f->l->spins);

	batch(f, SDI(DATA, 1), BB_START, ADDR(BATCH));
	assert_int_equal(cs_run(f->e, f->l, 20), CS_BUDGET);
	assert_false(f->l->spins);
	assert_stop(f, CS_BUDGET);
	assert_true(f->l->spins);
	f->e->preempt = true;
	assert_stop(f, CS_BUDGET);
}

/* --- odd memory --- */

/* Guest memory in two regions that part within a dword, so that none of the second is aligned */
static void map_odd(struct fixture *f, uint64_t iova, uint64_t va)
{
	int fd = memfd_create("guest", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, PAGE), 0);
	assert_int_equal(mem_dma_map(&f->sim.mem, iova, 0x806, fd, 0, true), 0);
	assert_int_equal(
		mem_dma_map(&f->sim.mem, iova + 0x806, 0x7fa, fd, 0, true), 0);
	close(fd);
	remap(f, va, iova, PTE_ALL & ~PTE_DM);
}

static void memory_that_is_not_aligned(void **state)
{
	uint32_t dw[] = { SDI(DATA + 0x804, 0x11223344),
			  SDI(DATA + 0x810, 5),
			  MI(0x2e, 5),
			  ADDR(DATA + 0x900),
			  ADDR(DATA + 0x804),
			  MI(0x2e, 5),
			  ADDR(DATA + PAGE),
			  ADDR(DATA + 0x900),
			  MI(0x20, 7) | QWORD,
			  ADDR(DATA + 0xa00),
			  1,
			  2,
			  3,
			  4,
			  BATCH_END };
	struct fixture *f = *state;

	map_odd(f, 0x40000000, DATA);
	map_odd(f, 0x50000000, BATCH);
	assert_int_equal(
		as_write(f->e, f->l, true, BATCH + 0x7f0, dw, sizeof(dw)), 0);
	ring(f, BB_START, ADDR(BATCH + 0x7f0));
	assert_stop(f, CS_EMPTY);
	assert_int_equal(fixture_read32(f, DATA + PAGE), 0x11223344);
	assert_int_equal(as_read(f->e, f->l, true, DATA + 0x810, dw, 4), 0);
	assert_int_equal(dw[0], 5);
	assert_int_equal(as_read(f->e, f->l, true, DATA + 0xa00, dw, 16), 0);
	assert_int_equal(dw[3], 4);

	remap(f, DATA, 0x40000000, PTE_ALL & ~PTE_DM);
	ring(f, ATOMIC(5, 3), ADDR(DATA + 0x810), NOOP);
	assert_hang(f);
}

/* --- counters --- */

static void commands_are_counted(void **state)
{
	char path[] = "/tmp/test_cs.XXXXXX", text[16384] = "";
	struct fixture *f = *state;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	ring(f, NOOP, ARB_CHECK);
	assert_stop(f, CS_EMPTY);
	stats_write(path, &f->sim.opt);
	close(fd);
	fd = open(path, O_RDONLY);
	assert_true(read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	unlink(path);
	assert_non_null(strstr(text, "\"MI_ARB_CHECK\""));
}

/* --- injected faults --- */

static void injected_faults(void **state)
{
	struct fixture *f = *state;

	inject_rule("store-drop count=1\natomic-twice count=1\n");
	ring(f, SDI_GGTT(DATA_GGTT, 1));
	batch(f, SDI(DATA, 1), SDI(DATA + 4, 2), ATOMIC(5, 3), ADDR(DATA + 8),
	      ATOMIC(5, 3), ADDR(DATA + 12), BATCH_END);
	assert_stop(f, CS_EMPTY);
	assert_int_equal(ggtt32(f, DATA_GGTT), 1);
	assert_int_equal(fixture_read64(f, DATA), 2ull << 32);
	assert_int_equal(fixture_read64(f, DATA + 8), 2 | 1ull << 32);
	assert_int_equal(stats.injected, 2);

	inject_rule("engine-hang=bcs0 count=1\n");
	batch(f, SDI(DATA, 7), BATCH_END);
	assert_hang(f);
	assert_int_equal(f->l->bb[0].addr, BATCH);
	assert_int_equal(fixture_read32(f, DATA), 0);
	f->l->hung = false;
	assert_stop(f, CS_EMPTY);
	inject_rule("");
}

/* At an arbitration point, after something was done: it goes on from there */
static void injected_preemption(void **state)
{
	struct fixture *f = *state;

	inject_rule("preempt=bcs0 count=2\n");
	ring(f, ARB_CHECK, SDI_GGTT(DATA_GGTT, 1), ARB_ON_OFF, ARB_CHECK,
	     SDI_GGTT(DATA_GGTT, 2), ARB_CHECK, ARB_ON_OFF | 1);
	batch(f, SDI(DATA, 3), ARB_CHECK, ARB_CHECK, SDI(DATA, 4), BATCH_END);
	assert_stop(f, CS_YIELD);
	assert_int_equal(ggtt32(f, DATA_GGTT), 1);
	assert_stop(f, CS_YIELD);
	assert_int_equal(ggtt32(f, DATA_GGTT), 2);
	assert_int_equal(f->l->depth, 0);
	inject_rule("preempt count=1\n");
	assert_stop(f, CS_YIELD);
	assert_int_equal(f->l->depth, 1);
	assert_int_equal(fixture_read32(f, DATA), 3);
	assert_stop(f, CS_EMPTY);
	assert_int_equal(fixture_read32(f, DATA), 4);
	inject_rule("");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(ring_runs_to_its_tail),
		TEST(ring_wraps_within_a_command),
		TEST(ring_checks_head_and_tail),
		TEST(ring_command_beyond_the_tail_hangs),
		TEST(ring_outside_of_memory_is_fatal),
		TEST(store_dword_and_qword),
		TEST(store_half_a_qword_hangs),
		TEST(store_of_the_largest_size),
		TEST(store_across_pages_is_repeated_after_a_fault),
		TEST(store_to_canonical_address),
		TEST(store_to_read_only_page_faults),
		TEST(store_to_null_page_is_lost),
		TEST(user_batch_has_no_ggtt),
		TEST(context_without_address_space_uses_ggtt),
		TEST(store_data_index),
		TEST(copy_mem_mem),
		TEST(flush_dw),
		TEST(pipe_control),
		TEST(ring_flush_shows_new_translations),
		TEST(registers_by_command),
		TEST(register_loads_and_stores_fault),
		TEST(half_a_pair_of_registers_hangs),
		TEST(registers_out_of_reach),
		TEST(registers_by_mmio),
		TEST(context_timestamp_is_stored),
		TEST(math_operations),
		TEST(math_loads),
		TEST(math_nonsense_hangs),
		TEST(semaphore_in_memory),
		TEST(semaphore_waits_until_it_is_met),
		TEST(semaphore_in_a_register),
		TEST(arbitration),
		TEST(engine_that_is_busy_stalls),
		TEST(user_interrupts),
		TEST(batches_nest),
		TEST(batches_too_deep_hang),
		TEST(batches_chain),
		TEST(batch_in_ggtt),
		TEST(batch_ends_where_there_is_none),
		TEST(batch_across_a_hole),
		TEST(conditional_end),
		TEST(conditional_end_of_nested_batches),
		TEST(atomic_operations),
		TEST(atomic_nonsense_hangs),
		TEST(atomic_faults),
		TEST(unknown_commands_hang),
		TEST(commands_of_other_engines_hang),
		TEST(lengths_are_checked),
		TEST(state_of_3d_is_skipped),
		TEST(harmless_commands_are_skipped),
		TEST(budget_ends_a_slice),
		TEST(loop_that_waits_is_known),
		TEST(memory_that_is_not_aligned),
		TEST(commands_are_counted),
		TEST(injected_faults),
		TEST(injected_preemption),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
