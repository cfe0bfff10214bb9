// SPDX-License-Identifier: GPL-2.0-only
/*
 * Access counters: an engine tells the driver what of system memory it uses much, for it to
 * be moved to VRAM: sheet 8.5.
 *
 * Facts are the message (driver: struct xe_guc_acc_desc, get_acc()) and that the context image
 * has a threshold, CS_ACC_CTR_THOLD (driver: xe_lrc.c); Linux 6.12 leaves it 0, which is off.
 *
 * Assumed is the rest, as no driver at hand turns them on: the count to tell at in bits 15:0 of
 * the threshold, and the size of what is counted together in bits 21:20 of the dword that has the
 * ASID; what counts, each translation of an address; and that each engine has a few counters, of
 * which the oldest makes room.  One that was told is silent until the driver flushes what it
 * counts, as it does when it moves that.
 */
#include "xesim.h"

/* Of a granule, by the number that the message has for it; it has 32 parts */
static const unsigned int shifts[] = { 17, 21, 24, 26 };
#define PARTS 32

static void tell(struct engine *e, uint32_t asid, unsigned int granularity,
		 uint64_t granule, uint32_t parts)
{
	const struct engine_desc *d = e->desc;
	uint64_t va = granule << shifts[granularity];
	uint32_t dw[4];

	dw[0] = parts << 1; /* bit 0: 0 is a trigger */
	dw[1] = parts >> 31 | d->instance << 3 | d->class << 9 | asid << 12;
	dw[2] = granularity << 8 | (uint32_t)va;
	dw[3] = va >> 32;
	stats.access_counters++;
	trace(e->tile, "acc trigger engine=%s asid=%u va=0x%llx parts=0x%x",
	      d->name, asid, (unsigned long long)va, parts);
	guc_event(e->tile, 0x6004, 4, dw);
}

static uint32_t part_of(unsigned int granularity, uint64_t va)
{
	return BIT(va >> (shifts[granularity] - 5) & (PARTS - 1));
}

static struct acc_counter *counter(struct engine *e, const struct lrc *l,
				   uint64_t granule)
{
	struct acc_counter *c;
	unsigned int i;

	for (i = 0; i < NR_ACC_COUNTERS; i++) {
		c = &e->acc[i];
		if (c->count && c->asid == l->asid && c->granule == granule &&
		    c->granularity == l->acc_granularity)
			return c;
	}
	c = &e->acc[e->next_acc++ % NR_ACC_COUNTERS];
	*c = (struct acc_counter){ .asid = l->asid,
				   .granularity = l->acc_granularity,
				   .granule = granule };
	return c;
}

void acc_access(struct engine *e, const struct lrc *l, uint64_t va, bool missed)
{
	struct acc_counter *c;

	/* Contexts of the kernel have address space 0: driver: xe_vm_create() */
	if (missed && l->asid && inject(INJECT_ACCESS_COUNTER, e->desc->name))
		tell(e, l->asid, 0, va >> shifts[0], part_of(0, va));
	if (!l->acc_threshold)
		return;
	c = counter(e, l, va >> shifts[l->acc_granularity]);
	c->parts |= part_of(l->acc_granularity, va);
	if (c->count < l->acc_threshold && ++c->count == l->acc_threshold)
		tell(e, c->asid, c->granularity, c->granule, c->parts);
}

void acc_reset(struct engine *e, uint32_t asid, uint64_t va, uint64_t size)
{
	uint64_t last = size == UINT64_MAX ? size : va + size - 1;
	unsigned int i;

	for (i = 0; i < NR_ACC_COUNTERS; i++) {
		struct acc_counter *c = &e->acc[i];
		unsigned int shift = shifts[c->granularity];

		if ((asid == TLB_ALL_ASIDS || asid == c->asid) &&
		    c->granule >= va >> shift && c->granule <= last >> shift)
			c->count = 0;
	}
}
