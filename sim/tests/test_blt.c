// SPDX-License-Identifier: GPL-2.0-only
/* The blitter: each command against a reference that moves one byte after the other. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "fixture.h"
#include "rule.h"

#define BATCH 0x100000ull
#define AREA 0x10000000ull /* of which half is for sources */
#define AREA_SIZE 0x80000ull
#define HALF (AREA_SIZE / 2)
#define SYSTEM 0x40000000ull /* bus address of guest memory */
#define LO(a) ((uint32_t)(a))
#define HI(a) ((uint32_t)((uint64_t)(a) >> 32))
#define ADDR(a) LO(a), HI(a)
#define BB_START ((0x31u << 23) | BIT(8) | 1)
#define BATCH_END (0x0au << 23)
#define BLT(op, n) (2u << 29 | (uint32_t)(op) << 22 | ((n)-2))
#define MATRIX BIT(17)
#define PAGES BIT(19)
#define execute(f, budget, ...) run_command(f, budget, DWORDS(__VA_ARGS__))
/* As one command of unlimited budget: must be done */
#define blit(f, ...)                                                           \
	assert_int_equal(execute(f, 1u << 20, __VA_ARGS__), CS_EMPTY)
#define refused(f, ...)                                                        \
	assert_int_equal(execute(f, 1u << 20, __VA_ARGS__), CS_HANG)

/* What is to be in AREA */
static uint8_t model[AREA_SIZE];
static uint8_t seen[AREA_SIZE];
static uint32_t random_state;

static uint32_t rnd(uint32_t below)
{
	random_state = random_state * 1664525 + 1013904223;
	return (uint64_t)(random_state >> 8) * below >> 24;
}

/* One page of AREA, in VRAM or guest memory, anywhere */
static void map_page(struct fixture *f, uint64_t va)
{
	uint64_t index = (va - AREA) / PAGE;
	uint64_t pa = rnd(3) ? fixture_alloc(f, PAGE * (1 + rnd(2)))
			     : SYSTEM + index * PAGE;

	fixture_map(f, va, pa,
		    pa >= SYSTEM ? PTE_ALL & ~(PTE_DM | PTE_AE) : PTE_ALL);
	fixture_write(f, va, model + index * PAGE, PAGE);
}

static void map_area(struct fixture *f)
{
	uint64_t va;
	unsigned int i;

	for (i = 0; i < AREA_SIZE; i++)
		model[i] = rnd(256);
	for (va = AREA; va < AREA + AREA_SIZE; va += PAGE)
		map_page(f, va);
}

static void unmap_page(struct fixture *f, uint64_t va)
{
	*fixture_slot(f, va, 0) = 0;
	tlb_flush(f->e, f->l->asid, va, PAGE, TLB_DROP);
}

static int setup(void **state)
{
	struct fixture *f = fixture_open("bmg");
	int fd = memfd_create("guest", MFD_CLOEXEC);

	if (!f || fd < 0 || ftruncate(fd, AREA_SIZE))
		return -1;
	if (mem_dma_map(&f->sim.mem, SYSTEM, AREA_SIZE, fd, 0, true))
		return -1;
	close(fd);
	random_state = 1;
	fixture_map_new(f, BATCH, PAGE);
	map_area(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	fixture_close(*state);
	return 0;
}

static enum cs_stop run_command(struct fixture *f, unsigned int budget,
				const uint32_t *dw, unsigned int n)
{
	const uint32_t end = BATCH_END, start[] = { BB_START, ADDR(BATCH) };

	f->l->hung = false;
	f->l->depth = 0;
	f->l->head = f->l->tail;
	f->l->progress = 0;
	fixture_write(f, BATCH, dw, 4 * n);
	fixture_write(f, BATCH + 4 * n, &end, 4);
	fixture_ring(f, start, 3);
	return cs_run(f->e, f->l, budget);
}

static void assert_area(struct fixture *f)
{
	uint64_t i;

	for (i = 0; i < AREA_SIZE; i += PAGE)
		memcpy(seen + i, fixture_at(f, AREA + i), PAGE);
	assert_memory_equal(seen, model, AREA_SIZE);
}

/* --- the reference --- */

static void ref_copy(uint64_t dst, uint64_t dst_pitch, uint64_t src,
		     uint64_t src_pitch, uint64_t width, uint64_t rows)
{
	uint64_t x, y;

	for (y = 0; y < rows; y++)
		for (x = 0; x < width; x++)
			model[dst - AREA + y * dst_pitch + x] =
				model[src - AREA + y * src_pitch + x];
}

static void ref_fill(uint64_t dst, uint64_t pitch, uint64_t width,
		     uint64_t rows, const void *pattern, unsigned int size)
{
	uint64_t x, y;

	for (y = 0; y < rows; y++)
		for (x = 0; x < width; x++)
			model[dst - AREA + y * pitch + x] =
				((const uint8_t *)pattern)[x % size];
}

/* A rectangle that fits into half of AREA */
struct rect {
	uint64_t at;
	uint32_t width, rows, pitch;
};

static struct rect random_rect(uint64_t base)
{
	struct rect r;

	r.width = 1 + rnd(rnd(2) ? 300 : 9000);
	r.rows = 1 + rnd(20);
	r.pitch = r.width + rnd(2) * rnd(500);
	r.at = base + rnd(HALF - r.rows * r.pitch);
	return r;
}

static struct rect same_size(uint64_t base, struct rect as)
{
	struct rect r = as;

	r.pitch = r.width + rnd(2) * rnd(500);
	r.at = base + rnd(HALF - r.rows * r.pitch);
	return r;
}

/* --- commands --- */

static void mem_copy_linear(void **state)
{
	struct fixture *f = *state;
	unsigned int i;

	for (i = 0; i < 200; i++) {
		uint32_t n = 1 + rnd(rnd(2) ? 100 : 60000);
		uint64_t src = AREA + rnd(HALF - n);
		uint64_t dst = AREA + HALF + rnd(HALF - n);

		blit(f, BLT(0x5a, 10), n - 1, ~0u, ~0u, ~0u, ADDR(src),
		     ADDR(dst), 0);
		ref_copy(dst, 0, src, 0, n, 1);
	}
	assert_area(f);
}

static void mem_copy_pages(void **state)
{
	struct fixture *f = *state;
	unsigned int i;

	for (i = 0; i < 50; i++) {
		uint32_t units = 1 + rnd(200);
		uint64_t src = AREA + rnd(HALF - 256 * units);
		uint64_t dst = AREA + HALF + rnd(HALF - 256 * units);

		blit(f, BLT(0x5a, 10) | PAGES, units - 1, 0, 0, 0, ADDR(src),
		     ADDR(dst), 0);
		ref_copy(dst, 0, src, 0, 256 * units, 1);
	}
	assert_area(f);
}

static void mem_copy_matrix(void **state)
{
	struct fixture *f = *state;
	unsigned int i;

	for (i = 0; i < 200; i++) {
		struct rect src = random_rect(AREA);
		struct rect dst = same_size(AREA + HALF, src);

		blit(f, BLT(0x5a, 10) | MATRIX, src.width - 1, src.rows - 1,
		     src.pitch - 1, dst.pitch - 1, ADDR(src.at), ADDR(dst.at),
		     0);
		ref_copy(dst.at, dst.pitch, src.at, src.pitch, src.width,
			 src.rows);
	}
	assert_area(f);
}

static void mem_set(void **state)
{
	struct fixture *f = *state;
	unsigned int i;

	for (i = 0; i < 200; i++) {
		struct rect r = random_rect(AREA + rnd(2) * HALF);
		uint8_t value = rnd(256);
		bool matrix = rnd(2);

		blit(f, BLT(0x5b, 7) | (matrix ? MATRIX : 0), r.width - 1,
		     r.rows - 1, r.pitch - 1, ADDR(r.at),
		     (uint32_t)value << 24 | 0xffff);
		ref_fill(r.at, r.pitch, r.width, matrix ? r.rows : 1, &value,
			 1);
	}
	assert_area(f);
}

/* Sizes of a pixel by bits 26:24 of dword 1, and by bits 21:19 of dword 0 */
static const unsigned int fast_size[] = { 1, 2, 0, 4, 8, 16 };
static const unsigned int pixel_size[] = { 1, 2, 4, 8, 0, 16 };

/* A rectangle in pixels, with its corner away from the surface's */
static struct rect in_pixels(struct rect r, unsigned int bytes)
{
	r.width = r.width / bytes ? r.width / bytes : 1;
	r.pitch = (r.width + 7) * bytes + rnd(100);
	return r;
}

static void fast_copy(void **state)
{
	struct fixture *f = *state;
	unsigned int i;

	for (i = 0; i < 200; i++) {
		unsigned int depth = rnd(6), bytes = fast_size[depth];
		struct rect src = random_rect(AREA), dst;
		uint32_t x = rnd(7), y = rnd(4), sx = rnd(7), sy = rnd(4);
		uint64_t from, to;

		if (!bytes)
			continue;
		src = in_pixels(src, bytes);
		dst = in_pixels(src, bytes);
		dst.width = src.width;
		dst.pitch = (src.width + 7) * bytes + rnd(100);
		src.at = AREA + rnd(4096);
		dst.at = AREA + HALF + rnd(4096);
		blit(f, BLT(0x42, 10),
		     depth << 24 | 3u << 30 | 5 << 20 | dst.pitch, y << 16 | x,
		     (y + src.rows) << 16 | (x + src.width), ADDR(dst.at),
		     sy << 16 | sx, src.pitch | 5 << 20, ADDR(src.at));
		from = src.at + sy * src.pitch + sx * bytes;
		to = dst.at + y * dst.pitch + x * bytes;
		ref_copy(to, dst.pitch, from, src.pitch, src.width * bytes,
			 src.rows);
	}
	assert_area(f);
}

static void fast_color(void **state)
{
	struct fixture *f = *state;
	unsigned int i;

	for (i = 0; i < 200; i++) {
		unsigned int depth = rnd(6), bytes = pixel_size[depth];
		uint32_t color[4] = { rnd(1 << 24), rnd(1 << 24), rnd(1 << 24),
				      rnd(1 << 24) };
		uint32_t x = rnd(7), y = rnd(4);
		struct rect r;

		if (!bytes)
			continue;
		r = in_pixels(random_rect(AREA), bytes);
		r.at = AREA + HALF * rnd(2) + rnd(4096);
		blit(f, BLT(0x44, 16) | depth << 19, (r.pitch - 1) | 3 << 24,
		     y << 16 | x, (y + r.rows) << 16 | (x + r.width),
		     ADDR(r.at), BIT(31), color[0], color[1], color[2],
		     color[3], 0, 0, 0, 0, 0);
		ref_fill(r.at + y * r.pitch + x * bytes, r.pitch,
			 r.width * bytes, r.rows, color, bytes);
	}
	assert_area(f);
}

static void block_copy(void **state)
{
	struct fixture *f = *state;
	unsigned int i;

	for (i = 0; i < 100; i++) {
		unsigned int depth = rnd(6), bytes = pixel_size[depth];
		uint32_t x = rnd(7), y = rnd(4), sx = rnd(7), sy = rnd(4);
		struct rect r;
		uint64_t src = AREA + rnd(4096);
		uint64_t dst = AREA + HALF + rnd(4096);

		if (!bytes)
			continue;
		r = in_pixels(random_rect(AREA), bytes);
		blit(f, BLT(0x41, 22) | depth << 19, r.pitch - 1, y << 16 | x,
		     (y + r.rows) << 16 | (x + r.width), ADDR(dst), BIT(31),
		     sy << 16 | sx, r.pitch + 15, ADDR(src), 0, 0, 0, 0, 0, 0,
		     0, 0, 0, 0, 0);
		ref_copy(dst + y * r.pitch + x * bytes, r.pitch,
			 src + sy * (r.pitch + 16) + sx * bytes, r.pitch + 16,
			 r.width * bytes, r.rows);
	}
	assert_area(f);
}

/* --- interruptions --- */

/* Faults on the way, slices of any size */
static void copy_is_continued(void **state)
{
	struct fixture *f = *state;
	unsigned int i, faults = 0, slices = 0;

	for (i = 0; i < 100; i++) {
		struct rect src = random_rect(AREA);
		struct rect dst = same_size(AREA + HALF, src);
		uint64_t lost[2] = { AREA + rnd(AREA_SIZE / PAGE) * PAGE,
				     (dst.at + rnd(PAGE)) & ~(PAGE - 1) };
		enum cs_stop how;

		unmap_page(f, lost[0]);
		unmap_page(f, lost[1]);
		how = execute(f, 1 + rnd(100), BLT(0x5a, 10) | MATRIX,
			      src.width - 1, src.rows - 1, src.pitch - 1,
			      dst.pitch - 1, ADDR(src.at), ADDR(dst.at), 0);
		while (how != CS_EMPTY) {
			slices++;
			if (how == CS_FAULT) {
				faults++;
				map_page(f, f->l->fault.va);
			} else {
				assert_int_equal(how, CS_BUDGET);
			}
			how = cs_run(f->e, f->l, 1 + rnd(100));
		}
		assert_int_equal(f->l->progress, 0);
		ref_copy(dst.at, dst.pitch, src.at, src.pitch, src.width,
			 src.rows);
		while (!fixture_at(f, lost[0]))
			map_page(f, lost[0]);
		while (!fixture_at(f, lost[1]))
			map_page(f, lost[1]);
	}
	assert_area(f);
	assert_true(faults > 20);
	assert_true(slices > 500);
}

static void fill_is_continued(void **state)
{
	static const uint32_t color[4] = { 0x03020100, 0x07060504, 0x0b0a0908,
					   0x0f0e0d0c };
	struct fixture *f = *state;
	enum cs_stop how;

	/* The page that is missing begins within a pixel */
	unmap_page(f, AREA + PAGE);
	how = execute(f, 3, BLT(0x44, 16) | 5 << 19, 3200 - 1, 0,
		      50 << 16 | 200, ADDR(AREA + 8), 0, color[0], color[1],
		      color[2], color[3], 0, 0, 0, 0, 0);
	while (how != CS_EMPTY) {
		if (how == CS_FAULT) {
			assert_int_equal(f->l->fault.va, AREA + PAGE);
			assert_int_equal(f->l->progress, PAGE - 8);
			map_page(f, AREA + PAGE);
		}
		how = cs_run(f->e, f->l, 3);
	}
	ref_fill(AREA + 8, 3200, 3200, 50, color, 16);
	assert_area(f);
}

static void one_unit_of_budget_moves_64_bytes(void **state)
{
	struct fixture *f = *state;
	unsigned int slices = 1;
	enum cs_stop how;

	how = execute(f, 1 + 1, BLT(0x5a, 10), 639, 0, 0, 0, ADDR(AREA),
		      ADDR(AREA + HALF), 0);
	for (; how == CS_BUDGET; slices++)
		how = cs_run(f->e, f->l, 1);
	assert_int_equal(how, CS_EMPTY);
	assert_in_range(slices, 10, 12);
	assert_int_equal(stats.bytes_copied, 640);
	ref_copy(AREA + HALF, 0, AREA, 0, 640, 1);
	assert_area(f);
}

/* What the guest makes of a command that is half done must not take it astray */
static void command_changes_while_it_is_stopped(void **state)
{
	const uint32_t shorter[] = { BLT(0x5b, 7), 63, 0, 0, ADDR(AREA), 0 };
	struct fixture *f = *state;
	enum cs_stop how;

	how = execute(f, 10, BLT(0x5b, 7), 4095, 0, 0, ADDR(AREA), 1u << 24);
	assert_int_equal(how, CS_BUDGET);
	assert_true(f->l->progress > 64);
	fixture_write(f, BATCH, shorter, sizeof(shorter));
	assert_int_equal(cs_run(f->e, f->l, 100), CS_EMPTY);
	assert_int_equal(f->l->progress, 0);
}

static void copy_downwards_overlaps(void **state)
{
	struct fixture *f = *state;

	blit(f, BLT(0x5a, 10), 49999, 0, 0, 0, ADDR(AREA + 777), ADDR(AREA), 0);
	ref_copy(AREA, 0, AREA + 777, 0, 50000, 1);
	assert_area(f);
}

static void null_pages(void **state)
{
	struct fixture *f = *state;
	uint64_t null = 1ull << 40;

	*fixture_slot(f, null, 2) = PTE_PRESENT | PTE_RW | PTE_PS | PTE_NULL;
	blit(f, BLT(0x5a, 10), 199999, 0, 0, 0, ADDR(null), ADDR(AREA), 0);
	memset(model, 0, 200000);
	blit(f, BLT(0x5a, 10), 199999, 0, 0, 0, ADDR(AREA + HALF), ADDR(null),
	     0);
	blit(f, BLT(0x5a, 10), 99999, 0, 0, 0, ADDR(null), ADDR(AREA + HALF),
	     0);
	memset(model + HALF, 0, 100000);
	assert_area(f);
}

static void read_only_destination_faults(void **state)
{
	struct fixture *f = *state;

	*fixture_slot(f, AREA + HALF, 0) &= ~PTE_RW;
	assert_int_equal(execute(f, 100, BLT(0x5a, 10), 63, 0, 0, 0, ADDR(AREA),
				 ADDR(AREA + HALF), 0),
			 CS_FAULT);
	assert_int_equal(f->l->fault.type, FAULT_WRITE);
	assert_area(f);
}

/* --- what is refused, or does nothing --- */

static void nonsense_is_refused(void **state)
{
	struct fixture *f = *state;

	/* Tiled, unknown depth, negative coordinates, pitch below the width */
	refused(f, BLT(0x42, 10) | 1 << 20, 3 << 24 | 64, 0, 1 << 16 | 1,
		ADDR(AREA), 0, 64, ADDR(AREA));
	refused(f, BLT(0x42, 10) | 1 << 13, 3 << 24 | 64, 0, 1 << 16 | 1,
		ADDR(AREA), 0, 64, ADDR(AREA));
	refused(f, BLT(0x42, 10), 2 << 24 | 64, 0, 1 << 16 | 1, ADDR(AREA), 0,
		64, ADDR(AREA));
	refused(f, BLT(0x42, 10), 64, 0x8000, 1 << 16 | 1, ADDR(AREA), 0, 64,
		ADDR(AREA));
	refused(f, BLT(0x42, 10), 64, 0, 2 << 16 | 1, ADDR(AREA), 1u << 31, 64,
		ADDR(AREA));
	refused(f, BLT(0x42, 10), 64, 0, 2 << 16 | 65, ADDR(AREA), 0, 128,
		ADDR(AREA));
	refused(f, BLT(0x42, 10), 64, 0, 2 << 16 | 64, ADDR(AREA), 0, 0,
		ADDR(AREA));
	refused(f, BLT(0x44, 16) | 4 << 19, 63, 0, 1 << 16 | 1, ADDR(AREA), 0,
		0, 0, 0, 0, 0, 0, 0, 0, 0);
	refused(f, BLT(0x44, 16), 63 | 1 << 30, 0, 1 << 16 | 1, ADDR(AREA), 0,
		0, 0, 0, 0, 0, 0, 0, 0, 0);
	refused(f, BLT(0x44, 16), 63, 0, 1 << 16 | 1, ADDR(AREA), 5, 0, 0, 0, 0,
		0, 0, 0, 0, 0);
	refused(f, BLT(0x5a, 10) | MATRIX | PAGES, 0, 0, 0, 0, ADDR(AREA),
		ADDR(AREA), 0);
	refused(f, BLT(0x5a, 10), ~0u, 0, 0, 0, ADDR(AREA), ADDR(AREA), 0);
	refused(f, BLT(0x5a, 10) | MATRIX, 7, ~0u, 7, 7, ADDR(AREA), ADDR(AREA),
		0);
	refused(f, BLT(0x5a, 10) | MATRIX, 7, 1, 6, 7, ADDR(AREA), ADDR(AREA),
		0);
	refused(f, BLT(0x5b, 7) | MATRIX, 7, 1, 6, ADDR(AREA), 0);
	refused(f, BLT(0x5b, 7), ~0u, 0, 0, ADDR(AREA), 0);
	refused(f, BLT(0x41, 22), 63 | BIT(30), 0, 1 << 16 | 1, ADDR(AREA), 0,
		0, 63, ADDR(AREA), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
	refused(f, BLT(0x48, 5), 0, 0, 0, 0);
	assert_area(f);
	assert_int_equal(stats.bytes_copied + stats.bytes_set, 0);
}

static void empty_rectangles_do_nothing(void **state)
{
	struct fixture *f = *state;

	blit(f, BLT(0x42, 10), 64, 1, 1 << 16 | 1, ADDR(AREA + HALF), 0, 64,
	     ADDR(AREA));
	blit(f, BLT(0x42, 10), 0, 2 << 16, 1 << 16 | 1, ADDR(AREA + HALF), 0, 0,
	     ADDR(AREA));
	blit(f, BLT(0x44, 16), 63, 5, 5 << 16 | 1, ADDR(AREA), 0, 0, 0, 0, 0, 0,
	     0, 0, 0, 0);
	assert_area(f);
}

/* The largest that can be said must neither overflow nor keep the engine */
static void huge_commands_are_bounded(void **state)
{
	struct fixture *f = *state;
	uint64_t va = 1ull << 41;
	enum cs_stop how;

	*fixture_slot(f, va, 2) = PTE_PRESENT | PTE_RW | PTE_PS | PTE_NULL;
	how = execute(f, 1000, BLT(0x5b, 7) | MATRIX, 0xffffff, 0xffffff,
		      0xffffff, ADDR(va), 0);
	assert_int_equal(how, CS_BUDGET);
	assert_in_range(f->l->progress, 1, 64000);
	f->l->progress = (1ull << 48) - 4096;
	how = cs_run(f->e, f->l, 1000);
	assert_int_equal(how, CS_FAULT);
	assert_int_equal(f->l->fault.va, va - PAGE);
}

static void copies_take_time(void **state)
{
	struct fixture *f = *state;
	uint64_t start = now_ns();
	enum cs_stop how;

	f->sim.opt.latency.copy_bps = 10000000; /* 4096 bytes: 409600 ns */
	how = execute(f, 1000, BLT(0x5a, 10), 4095, 0, 0, 0, ADDR(AREA),
		      ADDR(AREA + HALF), 0);
	while (how == CS_STALL)
		how = cs_run(f->e, f->l, 1000);
	assert_int_equal(how, CS_EMPTY);
	assert_true(now_ns() - start >= 409600);
}

static void injected_corruption(void **state)
{
	struct fixture *f = *state;

	inject_rule("copy-corrupt count=1\n");
	blit(f, BLT(0x5a, 10), 4095, 0, 0, 0, ADDR(AREA), ADDR(AREA + HALF), 0);
	ref_copy(AREA + HALF, 0, AREA, 0, 4096, 1);
	model[HALF] ^= 1;
	assert_area(f);
	assert_int_equal(stats.injected, 1);
	inject_rule("");
}

/* in_vram(): the first page of AREA from va on that is there, or is not */
static uint64_t in_vram(struct fixture *f, uint64_t va, bool wanted)
{
	for (;; va += PAGE) {
		uint8_t *at = fixture_at(f, va);

		if ((at >= f->sim.mem.vram &&
		     at < f->sim.mem.vram + f->sim.mem.vram_size) == wanted)
			return va;
	}
}

static void injected_poison(void **state)
{
	static const uint32_t poison = 0xdeadbeef;
	struct fixture *f = *state;
	uint64_t to = in_vram(f, AREA + HALF, true);
	uint64_t elsewhere = in_vram(f, AREA + HALF, false);

	inject_rule("vram-poison=bcs0\n");
	blit(f, BLT(0x5b, 7), 99, 0, 0, ADDR(elsewhere), 1u << 24);
	assert_int_equal(stats.injected, 0);
	blit(f, BLT(0x5a, 10), 99, 0, 0, 0, ADDR(AREA), ADDR(to + PAGE - 100),
	     0);
	assert_int_equal(stats.injected, 1);
	memset(model + elsewhere - AREA, 1, 100);
	ref_fill(to, 0, PAGE, 1, &poison, 4);
	assert_area(f);
	inject_rule("");
}

/* Neither rows nor patterns nor pages are where it is cut */
static void injected_cuts(void **state)
{
	static const uint32_t color[4] = { 0x03020100, 0x07060504, 0x0b0a0908,
					   0x0f0e0d0c };
	struct fixture *f = *state;
	unsigned int slices = 1;
	enum cs_stop how;

	inject_rule("copy-cut=bcs0\n");
	how = execute(f, 1u << 20, BLT(0x44, 16) | 5 << 19, 3200 - 1, 0,
		      50 << 16 | 200, ADDR(AREA + 8), 0, color[0], color[1],
		      color[2], color[3], 0, 0, 0, 0, 0);
	for (; how == CS_BUDGET; slices++)
		how = cs_run(f->e, f->l, 1u << 20);
	assert_int_equal(how, CS_EMPTY);
	assert_int_equal(slices, 157); /* 160000 bytes by 1021 */
	ref_fill(AREA + 8, 3200, 3200, 50, color, 16);
	how = execute(f, 1u << 20, BLT(0x5a, 10) | MATRIX, 1499, 9, 1599, 1699,
		      ADDR(AREA), ADDR(AREA + HALF), 0);
	while (how == CS_BUDGET)
		how = cs_run(f->e, f->l, 1u << 20);
	assert_int_equal(how, CS_EMPTY);
	ref_copy(AREA + HALF, 1700, AREA, 1600, 1500, 10);
	assert_area(f);
	inject_rule("");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(mem_copy_linear),
		TEST(mem_copy_pages),
		TEST(mem_copy_matrix),
		TEST(mem_set),
		TEST(fast_copy),
		TEST(fast_color),
		TEST(block_copy),
		TEST(copy_is_continued),
		TEST(fill_is_continued),
		TEST(one_unit_of_budget_moves_64_bytes),
		TEST(command_changes_while_it_is_stopped),
		TEST(copy_downwards_overlaps),
		TEST(null_pages),
		TEST(read_only_destination_faults),
		TEST(nonsense_is_refused),
		TEST(empty_rectangles_do_nothing),
		TEST(huge_commands_are_bounded),
		TEST(copies_take_time),
		TEST(injected_corruption),
		TEST(injected_poison),
		TEST(injected_cuts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
