// SPDX-License-Identifier: GPL-2.0-only
/*
 * The TLB of an engine.  It keeps each translation until the driver has it flushed, for a
 * while only (--tlb=normal) or for ever (--tlb=strict), and so makes a missing or late
 * invalidation visible: as wrong data, and in the counters.
 *
 * A translation whose page-table entries have changed since is stale.  Its use is legal
 * until the flush that covers it is reported done; the counter stale_pending has these.
 * Where no such flush comes in time, they were errors (stale_unflushed).  A use after the
 * flush was reported done is one at once; it takes an injected fault to see any.
 *
 * Entries are kept by regions of 2 MiB of an address space.
 */
#include <stdlib.h>

#include "xesim.h"

#define REGION_SHIFT 21
#define GIANT_SHIFT 30
#define REGION_SLOTS 512
#define FIRST_BUCKETS 64
#define NORMAL_LIMIT 1024

struct tlb_region {
	TAILQ_ENTRY(tlb_region) in_bucket;
	TAILQ_ENTRY(tlb_region) in_space;
	uint32_t asid;
	uint64_t number; /* address by 2 MiB */
	unsigned int used;
	struct tlb_entry *whole,
		*giant; /* of 2 MiB; of 1 GiB that begins here */
	struct tlb_entry
		*slot[REGION_SLOTS]; /* of 4 and 64 KiB, by their first byte */
};

struct tlb_entry {
	TAILQ_ENTRY(tlb_entry) link;
	struct tlb_region *region;
	struct xlate x;
	uint64_t stale_since; /* first use after a change, 0: none */
	bool flushed; /* a flush that was only reported has covered it */
};

static unsigned int bucket_of(const struct tlb *tlb, uint32_t asid,
			      uint64_t number)
{
	uint64_t h = (number ^ (uint64_t)asid << 40) * 0x9e3779b97f4a7c15ull;

	return (h >> 32) & (tlb->nr_buckets - 1);
}

static struct tlb_regions *new_buckets(unsigned int n)
{
	struct tlb_regions *b = calloc(n, sizeof(*b));
	unsigned int i;

	if (!b)
		abort();
	for (i = 0; i < n; i++)
		TAILQ_INIT(&b[i]);
	return b;
}

void tlb_init(struct tlb *tlb, bool strict)
{
	unsigned int i;

	*tlb = (struct tlb){ .nr_buckets = FIRST_BUCKETS,
			     .limit = strict ? 0 : NORMAL_LIMIT };
	tlb->bucket = new_buckets(FIRST_BUCKETS);
	for (i = 0; i < TLB_SPACES; i++)
		TAILQ_INIT(&tlb->space[i]);
	TAILQ_INIT(&tlb->entries);
}

/* grow(): twice the buckets */
static void grow(struct tlb *tlb)
{
	struct tlb_regions *old = tlb->bucket;
	unsigned int i, n = tlb->nr_buckets;
	struct tlb_region *r;

	tlb->nr_buckets = 2 * n;
	tlb->bucket = new_buckets(2 * n);
	for (i = 0; i < n; i++) {
		while ((r = TAILQ_FIRST(&old[i]))) {
			TAILQ_REMOVE(&old[i], r, in_bucket);
			TAILQ_INSERT_TAIL(&tlb->bucket[bucket_of(tlb, r->asid,
								 r->number)],
					  r, in_bucket);
		}
	}
	free(old);
}

static struct tlb_region *region_find(const struct tlb *tlb, uint32_t asid,
				      uint64_t number)
{
	struct tlb_region *r;

	TAILQ_FOREACH(r, &tlb->bucket[bucket_of(tlb, asid, number)], in_bucket)
	if (r->number == number && r->asid == asid)
		break;
	return r;
}

static struct tlb_region *region_get(struct tlb *tlb, uint32_t asid,
				     uint64_t number)
{
	struct tlb_region *r = region_find(tlb, asid, number);

	if (r)
		return r;
	if (tlb->nr_regions >= tlb->nr_buckets)
		grow(tlb);
	r = calloc(1, sizeof(*r));
	if (!r)
		abort();
	r->asid = asid;
	r->number = number;
	TAILQ_INSERT_TAIL(&tlb->bucket[bucket_of(tlb, asid, number)], r,
			  in_bucket);
	TAILQ_INSERT_TAIL(&tlb->space[asid % TLB_SPACES], r, in_space);
	tlb->nr_regions++;
	return r;
}

/* place_of(): where in its region a translation belongs */
static struct tlb_entry **place_of(struct tlb_region *r, const struct xlate *x)
{
	if (x->size == GIB(1))
		return &r->giant;
	if (x->size == MIB(2))
		return &r->whole;
	return &r->slot[x->va >> 12 & (REGION_SLOTS - 1)];
}

/* drop(): an entry, and its region with the last one */
static void drop(struct tlb *tlb, struct tlb_entry *entry)
{
	struct tlb_region *r = entry->region;

	*place_of(r, &entry->x) = NULL;
	TAILQ_REMOVE(&tlb->entries, entry, link);
	free(entry);
	tlb->used--;
	tlb->generation++;
	if (--r->used)
		return;
	TAILQ_REMOVE(&tlb->bucket[bucket_of(tlb, r->asid, r->number)], r,
		     in_bucket);
	TAILQ_REMOVE(&tlb->space[r->asid % TLB_SPACES], r, in_space);
	tlb->nr_regions--;
	free(r);
}

void tlb_free(struct tlb *tlb)
{
	while (!TAILQ_EMPTY(&tlb->entries))
		drop(tlb, TAILQ_FIRST(&tlb->entries));
	free(tlb->bucket);
	tlb->bucket = NULL;
}

void tlb_insert(struct engine *e, uint32_t asid, const struct xlate *x)
{
	struct tlb *tlb = &e->tlb;
	struct tlb_entry *entry = calloc(1, sizeof(*entry)), **place;

	if (!entry)
		abort();
	if (tlb->limit && tlb->used >= tlb->limit) {
		drop(tlb, TAILQ_FIRST(&tlb->entries));
		stats.tlb_evictions++;
	}
	entry->x = *x;
	entry->region = region_get(tlb, asid, x->va >> REGION_SHIFT);
	entry->region->used++;
	place = place_of(entry->region, x);
	if (*place)
		drop(tlb, *place);
	*place = entry;
	TAILQ_INSERT_TAIL(&tlb->entries, entry, link);
	tlb->used++;
}

static struct tlb_entry *lookup(const struct tlb *tlb, uint32_t asid,
				uint64_t va)
{
	struct tlb_region *r = region_find(tlb, asid, va >> REGION_SHIFT);
	unsigned int i = va >> 12 & (REGION_SLOTS - 1);
	struct tlb_entry *entry;

	if (r) {
		if (r->whole)
			return r->whole;
		if (r->slot[i])
			return r->slot[i];
		entry = r->slot[i & ~15u];
		if (entry && entry->x.size == KIB(64))
			return entry;
	}
	r = region_find(tlb, asid,
			va >> GIANT_SHIFT << (GIANT_SHIFT - REGION_SHIFT));
	return r ? r->giant : NULL;
}

/* changed(): since the walk; this decides nothing but what the counters say */
static bool changed(const struct sim *sim, const struct xlate *x)
{
	unsigned int i;

	for (i = 0; i < x->levels; i++) {
		const void *slot = sim->mem.vram + x->slot[i];

		if (__atomic_load_n((const uint64_t *)slot, __ATOMIC_RELAXED) !=
		    x->entry[i])
			return true;
	}
	return false;
}

static void check_use(struct engine *e, struct tlb_entry *entry, uint64_t va)
{
	if (!changed(e->tile->sim, &entry->x)) {
		entry->flushed = false; /* a walk would have found the same */
		return;
	}
	if (entry->flushed) {
		stats.stale_after_flush++;
		note(e->tile,
		     "%s: stale use of 0x%llx in address space %u, its flush "
		     "was reported done",
		     e->desc->name, (unsigned long long)va,
		     entry->region->asid);
		return;
	}
	stats.stale_pending++;
	if (!entry->stale_since)
		entry->stale_since = now_ns();
}

/* too_late(): a use of a changed translation, and nothing was flushed since */
static void too_late(struct engine *e, struct tlb_entry *entry)
{
	uint64_t limit = e->tile->sim->opt.stale_ns;

	if (!entry->stale_since || now_ns() - entry->stale_since <= limit)
		return;
	entry->stale_since = 0;
	stats.stale_unflushed++;
	note(e->tile,
	     "%s: stale use of 0x%llx in address space %u, and no flush in "
	     "%llu ms",
	     e->desc->name, (unsigned long long)entry->x.va,
	     entry->region->asid, (unsigned long long)limit / 1000000);
}

const struct xlate *tlb_find(struct engine *e, uint32_t asid, uint64_t va)
{
	struct tlb_entry *entry = lookup(&e->tlb, asid, va);

	if (!entry)
		return NULL;
	if (inject(INJECT_TLB_EVICT, e->desc->name) &&
	    !changed(e->tile->sim, &entry->x)) {
		drop(&e->tlb, entry);
		stats.tlb_evictions++;
		return NULL;
	}
	stats.tlb_hits++;
	check_use(e, entry, va);
	if (entry->stale_since)
		too_late(e, entry);
	return &entry->x;
}

static void flush_entry(struct engine *e, struct tlb_entry *entry,
			enum tlb_flush_how how)
{
	too_late(e, entry);
	entry->stale_since = 0;
	if (how == TLB_DROP)
		drop(&e->tlb, entry);
	else if (how == TLB_PRETEND)
		entry->flushed = true;
}

/* flush_region(): what of it overlaps [first, last] */
static void flush_region(struct engine *e, struct tlb_region *r, uint64_t first,
			 uint64_t last, enum tlb_flush_how how)
{
	struct tlb_entry *entry[REGION_SLOTS + 2];
	unsigned int i, n = 0;

	entry[n++] = r->whole;
	entry[n++] = r->giant;
	for (i = 0; i < REGION_SLOTS; i++)
		if (r->slot[i])
			entry[n++] = r->slot[i];
	for (i = 0; i < n; i++)
		if (entry[i] && entry[i]->x.va <= last &&
		    entry[i]->x.va + entry[i]->x.size > first)
			flush_entry(e, entry[i], how);
}

static void flush_space(struct engine *e, uint32_t asid, uint64_t first,
			uint64_t last, enum tlb_flush_how how)
{
	struct tlb_region *r, *next;

	for (r = TAILQ_FIRST(&e->tlb.space[asid % TLB_SPACES]); r; r = next) {
		next = TAILQ_NEXT(r, in_space);
		if (r->asid == asid)
			flush_region(e, r, first, last, how);
	}
}

static void flush_range(struct engine *e, uint32_t asid, uint64_t first,
			uint64_t last, enum tlb_flush_how how)
{
	unsigned int giant = GIANT_SHIFT - REGION_SHIFT;
	uint64_t n, end = last >> REGION_SHIFT;
	struct tlb_region *r;

	for (n = first >> GIANT_SHIFT << giant; n <= end; n += 1ull << giant)
		if ((r = region_find(&e->tlb, asid, n)))
			flush_region(e, r, first, last, how);
	for (n = first >> REGION_SHIFT; n <= end; n++)
		if ((r = region_find(&e->tlb, asid, n)))
			flush_region(e, r, first, last, how);
}

void tlb_flush(struct engine *e, uint32_t asid, uint64_t va, uint64_t size,
	       enum tlb_flush_how how)
{
	struct tlb_entry *entry, *next;
	uint64_t last = size == UINT64_MAX || va + size < va ? UINT64_MAX
							     : va + size - 1;

	if (how == TLB_DROP)
		e->tlb.generation++;
	if (asid == TLB_ALL_ASIDS) {
		for (entry = TAILQ_FIRST(&e->tlb.entries); entry;
		     entry = next) {
			next = TAILQ_NEXT(entry, link);
			flush_entry(e, entry, how);
		}
	} else if ((last - va) >> REGION_SHIFT > e->tlb.nr_regions) {
		flush_space(e, asid, va, last, how);
	} else {
		flush_range(e, asid, va, last, how);
	}
}
