// SPDX-License-Identifier: GPL-2.0-only
/* A device of two tiles: each has registers, a GGTT, a firmware and engines of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "messages.h"

/* H2G and G2H */
#define SCHED_CONTEXT 0x1000
#define MODE_SET 0x1001
#define MODE_DONE EVENT(0x1002)
#define REGISTER 0x4502
#define PAGE_FAULT EVENT(0x6002)
#define FAULT_RESPONSE 0x6003
#define INVALIDATE 0x7000
#define INVALIDATED EVENT(0x7001)

#define GDRST 0x941c
#define TILE_PENDING 0x190010
#define BANK_0 0x190018
#define BCS0 BIT(15)
#define RESET_FULL 1

#define COPY 3
#define ASID 7

/* GGTT address of a context's ring and image, virtual ones of data */
#define LRC 0x03000000u
#define LRC_PPHWSP (LRC + RING_SIZE)
#define LRC_IMAGE(i) (LRC_PPHWSP + 0x1000 + 4 * (i))
#define LRC_SIZE (RING_SIZE + 2 * PAGE)
#define TAIL 0x07
#define SOURCE 0x8000000ull
#define RESULT 0x8001000ull
#define HOLE 0x8002000ull

#define ADDR(a) (uint32_t)(a), (uint32_t)((a) >> 32)
#define COPY_DWORD(to, from) 0x17000003, ADDR(to), ADDR(from)
#define USER_INTERRUPT (2u << 23)
#define INCREMENT(va) 0x17800501, ADDR(va), USER_INTERRUPT

/* The same of both: a context whose page tables are in that tile's VRAM */
struct half {
	struct channel *c;
	uint64_t root, next;
};

struct device {
	struct fixture *f;
	struct half half[2];
};

/* enter(): what fixture.h hands out and maps is of this tile from here on */
static void enter(struct device *d, unsigned int tile)
{
	d->f->l->root = d->half[tile].root;
	d->f->next = d->half[tile].next;
}

static void leave(struct device *d, unsigned int tile)
{
	d->half[tile].next = d->f->next;
}

static void map(struct device *d, unsigned int tile, uint64_t va, uint64_t pa)
{
	enter(d, tile);
	fixture_map(d->f, va, pa, PTE_ALL);
	leave(d, tile);
}

static uint32_t *vram(struct device *d, uint64_t pa)
{
	return fixture_vram(d->f, pa);
}

/* at(): VRAM of a tile that nothing else uses */
static uint64_t at(unsigned int tile, unsigned int page)
{
	return tile * GIB(1) + MIB(64) + page * PAGE;
}

static int half_open(struct device *d, unsigned int tile)
{
	struct half *h = &d->half[tile];
	uint64_t lrc;

	if (tile)
		d->f->next = GIB(1) + MIB(1);
	h->root = fixture_alloc(d->f, PAGE);
	h->c = channel_open_tile(d->f, tile, H2G_DWORDS, G2H_DWORDS);
	if (!h->c)
		return -1;
	lrc = fixture_alloc(d->f, LRC_SIZE);
	tile_ggtt(h->c->t, LRC, lrc, LRC_SIZE);
	leave(d, tile);
	return 0;
}

static int setup(void **state)
{
	struct device *d = calloc(1, sizeof(*d));

	if (!d)
		return -1;
	*state = d;
	d->f = fixture_open("pvc2");
	if (!d->f)
		return -1;
	d->f->e->current = NULL;
	return half_open(d, 0) || half_open(d, 1) ? -1 : 0;
}

static int teardown(void **state)
{
	struct device *d = *state;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		sched_reset(d->half[i].c->t);
		free(d->half[i].c);
	}
	fixture_close(d->f);
	free(d);
	return 0;
}

/* --- the driver --- */

/* create(): context 1 of a tile, on its bcs0 */
static void create(struct device *d, unsigned int tile)
{
	struct half *h = &d->half[tile];

	ggtt_write32(h->c->t, LRC_IMAGE(0x09), LRC);
	ggtt_write32(h->c->t, LRC_IMAGE(0x0b), (RING_SIZE - 4096) | 1);
	ggtt_write32(h->c->t, LRC_IMAGE(0x2f), ASID);
	ggtt_write32(h->c->t, LRC_IMAGE(0x31), h->root >> 32);
	ggtt_write32(h->c->t, LRC_IMAGE(0x33), h->root);
	fast(h->c, REGISTER, 0, 1, COPY, 1, 0, 0, 0, 0, 0, LRC_PPHWSP | 0x119,
	     0);
	fast(h->c, MODE_SET, 1, 1);
	expect_event(h->c, MODE_DONE, 1, 1);
}

static void run(struct device *d)
{
	unsigned int i;

	for (i = 0; i < 100 && sched_run(&d->f->sim) >= 0; i++)
		;
}

/* put(): into the ring, an even number of dwords, and has them run */
static void put(struct device *d, unsigned int tile, const uint32_t *dw,
		unsigned int n)
{
	struct channel *c = d->half[tile].c;
	uint32_t i, tail = ggtt_read32(c->t, LRC_IMAGE(TAIL));

	for (i = 0; i < n; i++)
		ggtt_write32(c->t, LRC + tail + 4 * i, dw[i]);
	ggtt_write32(c->t, LRC_IMAGE(TAIL), tail + 4 * n);
	fast(c, SCHED_CONTEXT, 1);
	run(d);
}

/* copy(): has the engine copy a dword, and interrupt */
static void copy(struct device *d, unsigned int tile, uint64_t to,
		 uint64_t from)
{
	put(d, tile, DWORDS(COPY_DWORD(to, from), USER_INTERRUPT));
}

/* copied(): what a copy from SOURCE gives */
static uint32_t copied(struct device *d, unsigned int tile)
{
	uint32_t *result = vram(d, at(tile, 8));

	*result = 0;
	copy(d, tile, RESULT, SOURCE);
	return *result;
}

/* prepare(): a context on each tile that copies from a page of its VRAM, 10 or 11 */
static void prepare(struct device *d)
{
	unsigned int i;

	for (i = 0; i < 2; i++) {
		*vram(d, at(i, 0)) = 10 + i;
		map(d, i, SOURCE, at(i, 0));
		map(d, i, RESULT, at(i, 8));
		create(d, i);
	}
}

static uint32_t bar_read(struct device *d, unsigned int tile, uint32_t offset)
{
	uint32_t value;

	regs_bar_read(&d->f->sim, tile * TILE_WINDOW + offset, &value, 4);
	return value;
}

static void bar_write(struct device *d, unsigned int tile, uint32_t offset,
		      uint32_t value)
{
	regs_bar_write(&d->f->sim, tile * TILE_WINDOW + offset, &value, 4);
}

static uint64_t bar_read64(struct device *d, unsigned int tile, uint32_t offset)
{
	return bar_read(d, tile, offset) |
	       (uint64_t)bar_read(d, tile, offset + 4) << 32;
}

/* --- what is where --- */

static void registers_of_each_window(void **state)
{
	struct device *d = *state;
	unsigned int i;

	bar_write(d, 0, 0xa008, 1);
	bar_write(d, 1, 0xa008, 2);
	assert_int_equal(bar_read(d, 0, 0xa008), 1);
	assert_int_equal(bar_read(d, 1, 0xa008), 2);
	/* Forcewake: each is acknowledged to who asked */
	bar_write(d, 1, 0xa188, 0x00010001);
	assert_int_equal(bar_read(d, 0, 0x130044), 0);
	assert_int_equal(bar_read(d, 1, 0x130044), 1);
	for (i = 0; i < 2; i++) {
		assert_int_equal(bar_read(d, i, 0x101800), 0x100);
		assert_int_equal(bar_read(d, i, 0x9118) & 0xf, 0xf);
	}
	assert_int_equal(stats.unknown_accesses + stats.unknown_registers, 0);
	bar_read(d, 2, 0xa008);
	bar_write(d, 2, 0xa008, 1);
	assert_int_equal(stats.unknown_accesses, 2);
}

/* Sheet 3.5; of each tile the same table, but the addresses of its own VRAM */
static void vram_of_each_tile(void **state)
{
	struct device *d = *state;
	uint64_t usable = d->f->sim.opt.vram - MIB(32);
	unsigned int i;

	for (i = 0; i < 2; i++) {
		assert_int_equal(bar_read(d, i, 0x4900), 0x100);
		assert_int_equal(bar_read(d, i, 0x4904), 0x102);
		assert_int_equal(bar_read(d, i, 0x1083a0), 0x100);
		assert_int_equal(bar_read(d, i, 0x1083a4), 0x102);
		assert_int_equal(bar_read64(d, i, 0x108100),
				 i * GIB(1) + usable);
		assert_int_equal(bar_read64(d, i, 0x1080c0),
				 (i + 1) * GIB(1) - MIB(16));
	}
}

static void ggtt_of_each_tile(void **state)
{
	struct device *d = *state;
	unsigned int i;

	for (i = 0; i < 2; i++)
		bar_write(d, i, GSM_OFFSET + 0x5000 * 8, (0x7000 + i) << 12);
	for (i = 0; i < 2; i++) {
		assert_int_equal(d->f->sim.tile[i].gsm[0x5000], (0x7000 + i)
									<< 12);
		assert_int_equal(bar_read(d, i, GSM_OFFSET + 0x5000 * 8),
				 (0x7000 + i) << 12);
		*vram(d, at(i, 0)) = 10 + i;
		tile_ggtt(&d->f->sim.tile[i], DATA_GGTT, at(i, 0), PAGE);
	}
	assert_int_equal(ggtt_read32(&d->f->sim.tile[0], DATA_GGTT), 10);
	assert_int_equal(ggtt_read32(&d->f->sim.tile[1], DATA_GGTT), 11);
}

/* --- what runs where --- */

static void jobs_of_each_tile(void **state)
{
	struct device *d = *state;
	unsigned int i;

	prepare(d);
	for (i = 0; i < 2; i++) {
		assert_int_equal(copied(d, i), 10 + i);
		/* The interrupt is that tile's alone */
		assert_int_equal(bar_read(d, 0, BANK_0) & BCS0, BCS0);
		assert_int_equal(bar_read(d, 1, BANK_0) & BCS0, i ? BCS0 : 0);
		assert_int_equal(stats.jobs, i + 1);
	}
	/* Each knows the other's contexts as little as its own that are not there */
	fast(d->half[1].c, SCHED_CONTEXT, 2);
	assert_int_equal(stats.bad_messages, 1);
}

/* An address in a page table is one of the device, not of the tile: sheet 9 */
static void tile_reads_vram_of_the_other(void **state)
{
	struct device *d = *state;

	prepare(d);
	map(d, 1, SOURCE, at(0, 3));
	map(d, 0, RESULT, at(1, 4));
	*vram(d, at(0, 3)) = 0x12345678;
	assert_int_equal(copied(d, 1), 0x12345678);
	copy(d, 0, RESULT, SOURCE);
	assert_int_equal(*vram(d, at(1, 4)), 10);
}

/* Translations, their flush and its answer are those of one tile */
static void flush_on_each_tile(void **state)
{
	struct device *d = *state;
	unsigned int i;

	prepare(d);
	for (i = 0; i < 2; i++) {
		assert_int_equal(copied(d, i), 10 + i);
		*vram(d, at(i, 1)) = 20 + i;
		map(d, i, SOURCE, at(i, 1));
	}
	for (i = 0; i < 2; i++)
		assert_int_equal(copied(d, i), 10 + i);
	fast(d->half[1].c, INVALIDATE, 5, 0x80000001, ASID, ADDR(SOURCE), 0);
	expect_event(d->half[1].c, INVALIDATED, 5);
	expect_nothing(d->half[0].c);
	assert_int_equal(copied(d, 0), 10);
	assert_int_equal(copied(d, 1), 21);
	fast(d->half[0].c, INVALIDATE, 9, 0x80000000, 0, 0, 0, 0);
	expect_event(d->half[0].c, INVALIDATED, 9);
	expect_nothing(d->half[1].c);
	assert_int_equal(copied(d, 0), 20);
	assert_int_equal(stats.stale_after_flush, 0);
}

/* serve(): a fault of HOLE, after which a page is there */
static void serve(struct device *d, unsigned int tile)
{
	struct channel *c = d->half[tile].c;
	uint32_t dw[MAX_HXG];
	uint16_t fence;

	assert_int_equal(channel_receive(c, dw, &fence), 5);
	assert_int_equal(dw[0], PAGE_FAULT);
	assert_int_equal(dw[2] >> 12, ASID);
	map(d, tile, HOLE, at(tile, 0));
	/* What names the fault comes back */
	fast(c, FAULT_RESPONSE, 1 | 1 << 10 | ASID << 12,
	     (dw[2] & 0xfff) << 20 | dw[1] >> 28 << 16 |
		     FIELD(dw[1], 27, 25) << 13 | FIELD(dw[1], 24, 19) << 7);
	run(d);
}

static void fault_of_each_tile(void **state)
{
	struct device *d = *state;
	unsigned int i;

	prepare(d);
	for (i = 0; i < 2; i++) {
		copy(d, i, RESULT, HOLE);
		expect_nothing(d->half[!i].c);
		serve(d, i);
		assert_int_equal(*vram(d, at(i, 8)), 10 + i);
	}
	assert_int_equal(stats.faults, 2);
	assert_int_equal(stats.jobs, 2);
}

/* Ponte Vecchio: only where faults are served does an entry without AE make one */
static void atomics_without_ae(void **state)
{
	struct device *d = *state;
	uint32_t dw[MAX_HXG];
	uint16_t fence;

	prepare(d);
	enter(d, 1);
	fixture_map(d->f, RESULT, at(1, 8), PTE_ALL & ~PTE_AE);
	put(d, 1, DWORDS(INCREMENT(RESULT)));
	assert_int_equal(*vram(d, at(1, 8)), 1);
	assert_int_equal(stats.faults, 0);
	copy(d, 1, RESULT + 4, HOLE);
	serve(d, 1);
	put(d, 1, DWORDS(INCREMENT(RESULT)));
	assert_int_equal(*vram(d, at(1, 8)), 1);
	assert_int_equal(channel_receive(d->half[1].c, dw, &fence), 5);
	assert_int_equal(dw[3] & 0xf, FAULT_ATOMIC << 2 | ACC_ATOMIC);
}

/* --- resets --- */

static void reset_of_one_gt(void **state)
{
	struct device *d = *state;

	prepare(d);
	copied(d, 0);
	copied(d, 1);
	*vram(d, at(0, 1)) = 20;
	map(d, 0, SOURCE, at(0, 1));
	bar_write(d, 1, GDRST, RESET_FULL);
	assert_int_equal(bar_read(d, 1, GDRST), 0);
	assert_int_equal(stats.gt_resets, 1);
	assert_int_equal(bar_read(d, 1, GUC_STATUS), 1);
	assert_int_equal(d->f->sim.tile[1].engine[4].tlb.used, 0);
	assert_null(d->f->sim.tile[1].sched.ctx[1]);
	/* The other tile's firmware, context and translations are what they were */
	assert_int_equal(bar_read(d, 0, GUC_STATUS), 0x8000f0ec);
	assert_int_equal(copied(d, 0), 10);
	/* And this one can be used again */
	assert_int_equal(channel_boot(d->half[1].c), 0);
	ggtt_write32(d->half[1].c->t, LRC_IMAGE(0x05), 0);
	ggtt_write32(d->half[1].c->t, LRC_IMAGE(TAIL), 0);
	create(d, 1);
	assert_int_equal(copied(d, 1), 11);
}

static void flr_is_of_both(void **state)
{
	struct device *d = *state;
	uint16_t flr = 0x8000;
	unsigned int i;

	prepare(d);
	copied(d, 1);
	for (i = 0; i < 2; i++)
		bar_write(d, i, 0xa008, 5);
	pci_write(&d->f->sim, 0x78, &flr, sizeof(flr));
	for (i = 0; i < 2; i++) {
		struct tile *t = &d->f->sim.tile[i];

		assert_int_equal(bar_read(d, i, 0xa008), 0);
		assert_int_equal(bar_read(d, i, GUC_STATUS), 1);
		assert_int_equal(bar_read(d, i, TILE_PENDING), 0);
		assert_int_equal(bar_read(d, i, 0x101800), 0x100);
		assert_null(t->sched.ctx[1]);
		assert_int_equal(t->engine[4].tlb.used, 0);
		assert_int_equal(channel_boot(d->half[i].c), 0);
	}
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(registers_of_each_window),
		TEST(vram_of_each_tile),
		TEST(ggtt_of_each_tile),
		TEST(jobs_of_each_tile),
		TEST(tile_reads_vram_of_the_other),
		TEST(flush_on_each_tile),
		TEST(fault_of_each_tile),
		TEST(atomics_without_ae),
		TEST(reset_of_one_gt),
		TEST(flr_is_of_both),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
