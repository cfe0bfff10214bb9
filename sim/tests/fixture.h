/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A device with one context on one of its engines, for tests of what engines execute.
 *
 * The context has a ring, a status page and 16 pages of data in the GGTT, and an address
 * space that is empty.  All memory is VRAM, handed out from the bottom up.
 */
#ifndef XESIM_TESTS_FIXTURE_H
#define XESIM_TESTS_FIXTURE_H

#include <stdlib.h>
#include <string.h>

#include "xesim.h"

#define PAGE 4096ull

/* GGTT addresses */
#define RING_GGTT 0x01000000u
#define RING_SIZE 0x4000u
#define PPHWSP_GGTT 0x01010000u
#define DATA_GGTT 0x01020000u
#define DATA_SIZE 0x10000u

/* Leaves of the page table: sheet 7.1 */
#define PTE_PRESENT BIT64(0)
#define PTE_RW BIT64(1)
#define PTE_PS BIT64(7)
#define PTE_NULL BIT64(9)
#define PTE_AE BIT64(10)
#define PTE_DM BIT64(11)
#define PTE_ALL (PTE_PRESENT | PTE_RW | PTE_AE | PTE_DM)
#define PTE_ADDR 0x000ffffffffff000ull

/* Two arguments: some dwords, and how many */
#define DWORDS(...)                                                            \
	((uint32_t[]){ __VA_ARGS__ }),                                         \
		sizeof((uint32_t[]){ __VA_ARGS__ }) / sizeof(uint32_t)

struct fixture {
	struct sim sim;
	struct engine *e;
	struct ctx *ctx;
	struct lrc *l;
	uint64_t next; /* VRAM that is not handed out */
};

/* Host address of VRAM */
static inline void *fixture_vram(struct fixture *f, uint64_t pa)
{
	return f->sim.mem.vram + pa;
}

/* fixture_alloc(): VRAM, whole pages of zeros; its address */
static inline uint64_t fixture_alloc(struct fixture *f, uint64_t size)
{
	uint64_t pa = f->next;

	f->next += (size + PAGE - 1) & ~(PAGE - 1);
	memset(fixture_vram(f, pa), 0, f->next - pa);
	return pa;
}

static inline void tile_ggtt(struct tile *t, uint64_t addr, uint64_t pa,
			     uint64_t size)
{
	uint64_t i;

	for (i = 0; i < size; i += PAGE)
		t->gsm[(addr + i) / PAGE] = (pa + i) | 3;
}

static inline void fixture_ggtt(struct fixture *f, uint64_t addr, uint64_t pa,
				uint64_t size)
{
	tile_ggtt(&f->sim.tile[0], addr, pa, size);
}

/* fixture_slot(): the entry for an address in the table of a level (0: the last), with the
 * tables above
 */
static inline uint64_t *fixture_slot(struct fixture *f, uint64_t va, int level)
{
	uint64_t table = f->l->root & PTE_ADDR, *slot;
	int i;

	for (i = 4;; i--) {
		slot = (uint64_t *)fixture_vram(f, table) +
		       (va >> (12 + 9 * i) & 511);
		if (i == level)
			return slot;
		if (!(*slot & PTE_PRESENT))
			*slot = fixture_alloc(f, PAGE) | PTE_PRESENT | PTE_RW;
		table = *slot & PTE_ADDR;
	}
}

/* fixture_map(): one page of 4 KiB; flags are those of the leaf.  Flushes nothing. */
static inline void fixture_map(struct fixture *f, uint64_t va, uint64_t pa,
			       uint64_t flags)
{
	*fixture_slot(f, va, 0) = pa | flags;
}

/* fixture_map_new(): pages of VRAM of their own, with others between them */
static inline void fixture_map_new(struct fixture *f, uint64_t va,
				   uint64_t size)
{
	uint64_t i;

	for (i = 0; i < size; i += PAGE) {
		fixture_alloc(f, PAGE);
		fixture_map(f, va + i, fixture_alloc(f, PAGE), PTE_ALL);
	}
}

/* fixture_at(): host address of what is mapped, good to the end of the page; or NULL */
static inline void *fixture_at(struct fixture *f, uint64_t va)
{
	struct fault fault = { 0 };
	uint64_t len = 1;
	struct xlate x;

	if (ppgtt_walk(&f->sim, f->l->root, va, &x, &fault))
		return NULL;
	return mem_phys(&f->sim.mem, x.pa + (va - x.va), x.vram, false, &len);
}

static inline void fixture_write(struct fixture *f, uint64_t va,
				 const void *data, uint64_t len)
{
	const uint8_t *from = data;

	while (len--)
		*(uint8_t *)fixture_at(f, va++) = *from++;
}

static inline uint32_t fixture_read32(struct fixture *f, uint64_t va)
{
	return *(uint32_t *)fixture_at(f, va & ~3ull);
}

static inline void fixture_write32(struct fixture *f, uint64_t va, uint32_t v)
{
	*(uint32_t *)fixture_at(f, va & ~3ull) = v;
}

static inline uint64_t fixture_read64(struct fixture *f, uint64_t va)
{
	return fixture_read32(f, va) | (uint64_t)fixture_read32(f, va + 4)
					       << 32;
}

static inline void fixture_write64(struct fixture *f, uint64_t va, uint64_t v)
{
	fixture_write32(f, va, v);
	fixture_write32(f, va + 4, v >> 32);
}

/* fixture_ring(): puts dwords at the tail of the ring, which wraps */
static inline void fixture_ring(struct fixture *f, const uint32_t *dw,
				unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		ggtt_write32(f->e->tile, RING_GGTT + f->l->tail, dw[i]);
		f->l->tail = (f->l->tail + 4) % RING_SIZE;
	}
}

/* fixture_engine(): puts the context on the engine of that name */
static inline void fixture_engine(struct fixture *f, const char *name)
{
	struct tile *t = &f->sim.tile[0];
	unsigned int i;

	if (f->e)
		f->e->current = NULL;
	for (i = 0; i < t->nr_engines; i++)
		if (!strcmp(t->engine[i].desc->name, name))
			f->e = &t->engine[i];
	f->e->current = f->l;
	f->l->engine = f->e;
	f->ctx->class = f->e->desc->class;
	f->ctx->mask = BIT(f->e->logical);
}

static inline void fixture_context(struct fixture *f)
{
	struct lrc *l = f->l;

	*l = (struct lrc){
		.ctx = f->ctx,
		.state = LRC_RUNNING,
		.pphwsp = PPHWSP_GGTT,
		.ppgtt = true,
		.root = fixture_alloc(f, PAGE),
		.asid = 7,
		.ring_start = RING_GGTT,
		.ring_size = RING_SIZE,
		.arbitration = true,
	};
	fixture_ggtt(f, RING_GGTT, fixture_alloc(f, RING_SIZE), RING_SIZE);
	fixture_ggtt(f, PPHWSP_GGTT, fixture_alloc(f, 2 * PAGE), 2 * PAGE);
	fixture_ggtt(f, DATA_GGTT, fixture_alloc(f, DATA_SIZE), DATA_SIZE);
}

/* fixture_open_as(): a device, and a context on its first copy engine; NULL where there is
 * no memory for it
 */
static inline struct fixture *fixture_open_as(const struct profile *profile)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->sim.opt.profile = profile;
	f->sim.opt.vram = MIB(256);
	f->sim.opt.stale_ns = 1000000000;
	f->ctx = calloc(1, sizeof(*f->ctx) + sizeof(*f->l));
	if (!f->ctx || sim_init(&f->sim)) {
		free(f->ctx);
		free(f);
		return NULL;
	}
	f->ctx->tile = &f->sim.tile[0];
	f->ctx->id = 42;
	f->ctx->width = 1;
	f->ctx->enabled = true;
	f->l = f->ctx->lrc;
	f->next = MIB(1);
	fixture_context(f);
	fixture_engine(f, "bcs0");
	memset(&stats, 0, sizeof(stats));
	return f;
}

static inline struct fixture *fixture_open(const char *profile)
{
	return fixture_open_as(profile_find(profile));
}

static inline void fixture_close(struct fixture *f)
{
	f->e->current = NULL;
	sim_free(&f->sim);
	free(f->ctx);
	free(f);
}

static inline enum cs_stop fixture_run(struct fixture *f)
{
	return cs_run(f->e, f->l, 2000);
}

#endif
