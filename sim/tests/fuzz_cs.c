// SPDX-License-Identifier: GPL-2.0-only
/*
 * The command streamer on any ring and batch.  The input is:
 *
 *	byte 0		engine; its high bit: no address space
 *	byte 1		bit 0 preempt, bit 1 arbitration off, bit 2 more pages at a fault
 *	byte 2		dwords of the ring
 *	the rest	the ring, then the batch at BATCH, that an empty ring starts
 *
 * Some GPRs have addresses of data.  The page table that maps it all is mapped as well, so
 * that batches can change it.  What is handed out is cleared for each input; the rest of VRAM,
 * that only a changed page table leads to, now and then.
 */
#define _GNU_SOURCE
#include <sys/mman.h>

#include "fixture.h"

#define BATCH 0x10000ull
#define BATCH_SIZE 0x4000u
#define DATA 0x20000ull
#define TABLE 0x30000ull
#define NULL_VA 0x40000000ull
#define BUDGET 20000
#define SLICES 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void forget(struct fixture *f)
{
	static unsigned int inputs;
	struct mem *m = &f->sim.mem;
	unsigned int i;

	if (++inputs % 256 == 0 && madvise(m->vram, m->vram_size, MADV_REMOVE))
		abort();
	for (i = 0; i < f->sim.tile[0].nr_engines; i++)
		tlb_flush(&f->sim.tile[0].engine[i], TLB_ALL_ASIDS, 0,
			  UINT64_MAX, TLB_DROP);
	f->e->preempt = false;
	f->e->busy_until = 0;
	f->next = MIB(1);
	fixture_context(f);
	fixture_map_new(f, BATCH, BATCH_SIZE);
	fixture_map_new(f, DATA, 4 * PAGE);
	fixture_map(f, TABLE,
		    ((uint8_t *)fixture_slot(f, TABLE, 0) - m->vram) &
			    ~(PAGE - 1),
		    PTE_ALL);
	*fixture_slot(f, NULL_VA, 2) = PTE_PRESENT | PTE_RW | PTE_PS | PTE_NULL;
	f->l->gpr[0] = DATA;
	f->l->gpr[2] = ~0ull;
}

static void load_ring(struct fixture *f, const uint8_t *data, unsigned int n)
{
	static const uint32_t start[] = { 0x18800101, BATCH, 0, 0x01000000 };
	uint32_t dw;

	if (!n)
		fixture_ring(f, start, ARRAY_SIZE(start));
	for (; n; n--, data += 4) {
		memcpy(&dw, data, 4);
		fixture_ring(f, &dw, 1);
	}
}

/* serve(): as a driver does with a page fault, where nothing lacks but the page; false: it
 * does not
 */
static bool serve(struct fixture *f)
{
	const struct fault *fault = &f->l->fault;

	if (fault->fatal || fault->type != FAULT_NOT_PRESENT || fault->level ||
	    f->next > MIB(16))
		return false;
	fixture_map(f, fault->va, fixture_alloc(f, PAGE), PTE_ALL);
	return true;
}

static void run(struct fixture *f, bool pages)
{
	unsigned int i;

	for (i = 0; i < SLICES; i++) {
		enum cs_stop how = cs_run(f->e, f->l, BUDGET / SLICES);

		if (how == CS_FAULT && pages && serve(f))
			continue;
		if (how == CS_YIELD)
			f->e->preempt = false;
		else if (how != CS_BUDGET)
			return;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fixture *f;
	struct tile *t;
	size_t ring, batch;

	if (!f)
		f = fixture_open("bmg");
	if (!f)
		abort();
	if (size < 3 || size > BATCH_SIZE)
		return 0;
	t = &f->sim.tile[0];
	forget(f);
	fixture_engine(f,
		       t->engine[(data[0] & 0x7f) % t->nr_engines].desc->name);
	f->l->ppgtt = !(data[0] & 0x80);
	ring = 4 * data[2];
	if (ring > size - 3)
		ring = (size - 3) & ~3ull;
	load_ring(f, data + 3, ring / 4);
	batch = size - 3 - ring;
	fixture_write(f, BATCH, data + 3 + ring, batch);
	f->e->preempt = data[1] & 1;
	f->l->arbitration = !(data[1] & 2);
	run(f, data[1] & 4);
	return 0;
}
