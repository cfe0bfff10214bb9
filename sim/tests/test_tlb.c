// SPDX-License-Identifier: GPL-2.0-only
/* The TLB: what it keeps, what a flush drops, and what it counts as stale. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "clock.h"
#include "fixture.h"
#include "random.h"
#include "rule.h"

#define VA 0x4000000000ull
#define ASID 7
#define STALE_NS 1000000000ull

static const uint64_t sizes[] = { PAGE, KIB(64), MIB(2), GIB(1) };

static int setup(void **state)
{
	struct fixture *f = fixture_open("bmg");

	if (!f)
		return -1;
	f->sim.opt.stale_ns = STALE_NS;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	fixture_close(*state);
	return 0;
}

static void make_strict(struct fixture *f)
{
	tlb_free(&f->e->tlb);
	tlb_init(&f->e->tlb, true);
}

/* entry_at(): a page-table entry, the only one of the translation that is called pa */
static uint64_t *entry_at(struct fixture *f, uint64_t pa)
{
	return fixture_vram(f, MIB(64) + pa % MIB(1) * 8);
}

/* insert(): a translation; pa tells it from others */
static void insert(struct fixture *f, uint32_t asid, uint64_t va, uint64_t size,
		   uint64_t pa)
{
	struct xlate x = { .va = va, .pa = pa, .size = size, .levels = 1 };

	x.slot[0] = (uint8_t *)entry_at(f, pa) - f->sim.mem.vram;
	x.entry[0] = *entry_at(f, pa);
	tlb_insert(f->e, asid, &x);
}

#define NONE UINT64_MAX

/* find(): the pa of what is kept, or NONE */
static uint64_t find(struct fixture *f, uint32_t asid, uint64_t va)
{
	const struct xlate *x = tlb_find(f->e, asid, va);

	return x ? x->pa : NONE;
}

static void flush(struct fixture *f, uint64_t va, uint64_t size)
{
	tlb_flush(f->e, ASID, va, size, TLB_DROP);
}

/* --- what is kept --- */

static void kept_until_it_is_flushed(void **state)
{
	struct fixture *f = *state;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		assert_int_equal(find(f, ASID, VA), NONE);
		insert(f, ASID, VA, sizes[i], i);
		assert_int_equal(find(f, ASID, VA), i);
		++*entry_at(f, i);
		assert_int_equal(find(f, ASID, VA + sizes[i] - 1), i);
		assert_int_equal(find(f, ASID, VA + sizes[i]), NONE);
		assert_int_equal(find(f, ASID, VA - 1), NONE);
		flush(f, VA, PAGE);
		assert_int_equal(find(f, ASID, VA), NONE);
		assert_int_equal(f->e->tlb.used, 0);
		assert_int_equal(f->e->tlb.nr_regions, 0);
	}
	assert_int_equal(stats.tlb_hits, 2 * ARRAY_SIZE(sizes));
}

/* The same through page tables: the engine goes on with the old page */
static void access_goes_by_what_is_kept(void **state)
{
	struct fixture *f = *state;
	uint64_t len = 4;

	fixture_map(f, VA, MIB(70), PTE_ALL);
	assert_ptr_equal(as_ptr(f->e, f->l, true, VA, ACC_READ, &len),
			 fixture_vram(f, MIB(70)));
	fixture_map(f, VA, MIB(71), PTE_ALL);
	assert_ptr_equal(as_ptr(f->e, f->l, true, VA, ACC_READ, &len),
			 fixture_vram(f, MIB(70)));
	assert_int_equal(stats.stale_pending, 1);
	assert_int_equal(stats.tlb_misses, 1);
	tlb_flush(f->e, f->l->asid, VA, PAGE, TLB_DROP);
	assert_ptr_equal(as_ptr(f->e, f->l, true, VA, ACC_READ, &len),
			 fixture_vram(f, MIB(71)));
	assert_int_equal(stats.stale_pending, 1);
	assert_int_equal(stats.tlb_misses, 2);
}

/* A table above the page counts as well */
static void change_of_a_directory_is_seen(void **state)
{
	struct fixture *f = *state;
	uint64_t len = 4;
	int level;

	for (level = 0; level <= 4; level++) {
		fixture_map(f, VA, MIB(70), PTE_ALL);
		assert_non_null(as_ptr(f->e, f->l, true, VA, ACC_READ, &len));
		assert_non_null(as_ptr(f->e, f->l, true, VA, ACC_READ, &len));
		assert_int_equal(stats.stale_pending, level);
		*fixture_slot(f, VA, level) ^= BIT64(3);
		assert_non_null(as_ptr(f->e, f->l, true, VA, ACC_READ, &len));
		assert_int_equal(stats.stale_pending, level + 1);
		tlb_flush(f->e, f->l->asid, VA, PAGE, TLB_DROP);
		assert_non_null(as_ptr(f->e, f->l, true, VA, ACC_READ, &len));
		assert_int_equal(stats.stale_pending, level + 1);
		tlb_flush(f->e, f->l->asid, VA, PAGE, TLB_DROP);
	}
}

static void nothing_is_kept_of_a_miss(void **state)
{
	struct fixture *f = *state;
	uint64_t len = 4;
	int level;

	for (level = 4; level >= 0; level--) {
		uint64_t entry;

		fixture_map(f, VA, MIB(70), PTE_ALL);
		entry = *fixture_slot(f, VA, level);
		*fixture_slot(f, VA, level) = 0;
		assert_null(as_ptr(f->e, f->l, true, VA, ACC_READ, &len));
		assert_int_equal(f->e->tlb.used, 0);
		*fixture_slot(f, VA, level) = entry;
		assert_non_null(as_ptr(f->e, f->l, true, VA, ACC_READ, &len));
		tlb_flush(f->e, f->l->asid, VA, PAGE, TLB_DROP);
	}
}

/* A page that must not be written to is kept as such */
static void permission_is_kept(void **state)
{
	struct fixture *f = *state;
	uint64_t len = 4;

	fixture_map(f, VA, MIB(70), PTE_ALL & ~PTE_RW);
	assert_null(as_ptr(f->e, f->l, true, VA, ACC_WRITE, &len));
	fixture_map(f, VA, MIB(70), PTE_ALL);
	assert_null(as_ptr(f->e, f->l, true, VA, ACC_WRITE, &len));
	assert_int_equal(stats.tlb_misses, 1);
	tlb_flush(f->e, f->l->asid, VA, PAGE, TLB_DROP);
	assert_non_null(as_ptr(f->e, f->l, true, VA, ACC_WRITE, &len));
}

static void one_translation_at_a_place(void **state)
{
	struct fixture *f = *state;
	unsigned int i, used = f->e->tlb.used;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		uint64_t va = GIB(2 * i);

		insert(f, ASID, va, sizes[i], 1);
		insert(f, ASID, va, sizes[i], 2);
		assert_int_equal(find(f, ASID, va), 2);
		assert_int_equal(f->e->tlb.used, ++used);
	}
	insert(f, ASID, VA, PAGE, 3);
	insert(f, ASID, VA, KIB(64), 4);
	assert_int_equal(find(f, ASID, VA), 4);
	assert_int_equal(find(f, ASID, VA + KIB(64) - 1), 4);
}

/* A page of 4 KiB in the middle of where one of 64 KiB could be */
static void small_pages_are_told_from_compact_ones(void **state)
{
	struct fixture *f = *state;

	insert(f, ASID, VA, PAGE, 1);
	assert_int_equal(find(f, ASID, VA + PAGE), NONE);
	insert(f, ASID, VA + 5 * PAGE, PAGE, 2);
	assert_int_equal(find(f, ASID, VA + 4 * PAGE), NONE);
	assert_int_equal(find(f, ASID, VA + 5 * PAGE), 2);
	assert_int_equal(find(f, ASID, VA + 6 * PAGE), NONE);
}

static void address_spaces_are_apart(void **state)
{
	/* Some differ in high bits only, as does the region that they share a bucket with */
	static const uint32_t asids[] = { 0,	   1,	    64,	    65,
					  0x10001, 0x80000, 0xfffff };
	struct fixture *f = *state;
	unsigned int i, j, k, n = ARRAY_SIZE(asids);

	for (k = 0; k < ARRAY_SIZE(sizes); k++) {
		for (i = 0; i < n; i++)
			insert(f, asids[i], VA, sizes[k], i);
		for (i = 0; i < n; i++) {
			for (j = 0; j < n; j++)
				assert_int_equal(find(f, asids[j], VA),
						 j < i ? NONE : j);
			tlb_flush(f->e, asids[i], i & 1 ? 0 : VA,
				  i & 1 ? UINT64_MAX : PAGE, TLB_DROP);
		}
	}
}

static void engines_are_apart(void **state)
{
	struct fixture *f = *state;
	struct engine *other = &f->sim.tile[0].engine[0];

	assert_ptr_not_equal(f->e, other);
	insert(f, ASID, VA, PAGE, 1);
	assert_null(tlb_find(other, ASID, VA));
	tlb_flush(other, TLB_ALL_ASIDS, 0, UINT64_MAX, TLB_DROP);
	assert_int_equal(find(f, ASID, VA), 1);
}

static void strict_never_evicts(void **state)
{
	struct fixture *f = *state;
	uint64_t i, n = 20000;

	make_strict(f);
	for (i = 0; i < n; i++)
		insert(f, i % 7, VA + i * MIB(1) / 4, PAGE, i);
	for (i = 0; i < n; i++)
		assert_int_equal(find(f, i % 7, VA + i * MIB(1) / 4), i);
	assert_int_equal(f->e->tlb.used, n);
	assert_int_equal(stats.tlb_evictions, 0);
}

static void normal_evicts_the_oldest_at_its_limit(void **state)
{
	struct fixture *f = *state;
	uint64_t i, limit = f->e->tlb.limit;

	assert_true(limit > 0);
	for (i = 0; i < limit; i++)
		insert(f, ASID, VA + i * PAGE, PAGE, i);
	assert_int_equal(stats.tlb_evictions, 0);
	for (i = 0; i < limit; i++)
		assert_int_equal(find(f, ASID, VA + i * PAGE), i);
	for (i = 0; i < 10; i++)
		insert(f, ASID, VA + (limit + i) * PAGE, PAGE, limit + i);
	assert_int_equal(stats.tlb_evictions, 10);
	for (i = 0; i < 10; i++)
		assert_int_equal(find(f, ASID, VA + i * PAGE), NONE);
	for (; i < limit + 10; i++)
		assert_int_equal(find(f, ASID, VA + i * PAGE), i);
	assert_int_equal(f->e->tlb.used, limit);
}

/* --- flushes of ranges --- */

/* survives(): a translation at VA, a flush of a range */
static bool survives(struct fixture *f, uint64_t size, uint64_t first,
		     uint64_t n)
{
	bool there;

	insert(f, ASID, VA, size, 1);
	flush(f, first, n);
	there = find(f, ASID, VA) == 1;
	flush(f, 0, UINT64_MAX);
	return there;
}

static void check_ranges(struct fixture *f)
{
	static const uint64_t ranges[] = { PAGE,    KIB(64), MIB(2),
					   MIB(16), GIB(1),  GIB(32) };
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		uint64_t end = VA + sizes[i];

		for (j = 0; j < ARRAY_SIZE(ranges); j++) {
			uint64_t n = ranges[j];

			assert_true(survives(f, sizes[i], VA - n, n));
			assert_false(survives(f, sizes[i], VA - n + PAGE, n));
			assert_false(survives(f, sizes[i], VA, n));
			assert_false(survives(f, sizes[i], end - PAGE, n));
			assert_true(survives(f, sizes[i], end, n));
		}
		assert_false(survives(f, sizes[i], 0, UINT64_MAX));
	}
}

static void range_drops_what_it_overlaps(void **state)
{
	check_ranges(*state);
}

/* With many regions kept, a range is looked for in another way */
static void range_drops_what_it_overlaps_of_much(void **state)
{
	struct fixture *f = *state;
	unsigned int i;

	make_strict(f);
	for (i = 0; i < 20000; i++)
		insert(f, ASID + 1, VA + i * MIB(2), PAGE, i);
	check_ranges(f);
	assert_int_equal(f->e->tlb.used, 20000);
}

static void range_drops_all_sizes_at_once(void **state)
{
	struct fixture *f = *state;
	unsigned int many, i;

	make_strict(f);
	for (many = 0; many < 2; many++) {
		for (i = 0; i < many * 3000; i++)
			insert(f, ASID, VA * 3 + i * MIB(2), PAGE, i);
		insert(f, ASID, VA - KIB(64), KIB(64), 1);
		insert(f, ASID, VA, MIB(2), 2);
		insert(f, ASID, VA + MIB(2), PAGE, 3);
		insert(f, ASID, VA + MIB(2) + PAGE, PAGE, 4);
		insert(f, ASID, VA + GIB(1), GIB(1), 5);
		flush(f, VA - PAGE, PAGE + MIB(2) + PAGE);
		assert_int_equal(find(f, ASID, VA - 1), NONE);
		assert_int_equal(find(f, ASID, VA), NONE);
		assert_int_equal(find(f, ASID, VA + MIB(2)), NONE);
		assert_int_equal(find(f, ASID, VA + MIB(2) + PAGE), 4);
		assert_int_equal(find(f, ASID, VA + GIB(1)), 5);
		flush(f, VA, 2 * GIB(1));
		assert_int_equal(f->e->tlb.used, many * 3000);
	}
}

static void flush_of_all_address_spaces(void **state)
{
	struct fixture *f = *state;
	unsigned int i;

	for (i = 0; i < 100; i++)
		insert(f, i, VA, sizes[i % ARRAY_SIZE(sizes)], i);
	tlb_flush(f->e, TLB_ALL_ASIDS, 0, UINT64_MAX, TLB_DROP);
	assert_int_equal(f->e->tlb.used, 0);
	assert_int_equal(f->e->tlb.nr_regions, 0);
}

/* Who remembers a pointer must be able to tell that it may be gone */
static void generation_tells_of_flushes(void **state)
{
	struct fixture *f = *state;
	uint64_t was = f->e->tlb.generation;

	insert(f, ASID, VA, PAGE, 1);
	flush(f, VA, PAGE);
	assert_true(f->e->tlb.generation > was);
	was = f->e->tlb.generation;
	f->e->tlb.limit = 1;
	insert(f, ASID, VA, PAGE, 1);
	assert_int_equal(f->e->tlb.generation, was);
	insert(f, ASID, VA + PAGE, PAGE, 1);
	assert_true(f->e->tlb.generation > was);
}

/* --- stale translations --- */

/* A translation that is still right can be dropped at any time; a stale one tells too much */
static void evicted_by_injection(void **state)
{
	struct fixture *f = *state;

	insert(f, ASID, VA, PAGE, 1);
	insert(f, ASID, VA + PAGE, PAGE, 2);
	++*entry_at(f, 2);
	inject_rule("tlb-evict=bcs0\n");
	assert_true(find(f, ASID, VA) == NONE);
	assert_int_equal(find(f, ASID, VA + PAGE), 2);
	inject_rule("");
	assert_true(find(f, ASID, VA) == NONE);
	assert_int_equal(stats.tlb_evictions, 1);
	assert_int_equal(stats.tlb_hits, 1);
}

static void pretended_flush_tells_changed_uses(void **state)
{
	struct fixture *f = *state;

	insert(f, ASID, VA, PAGE, 1);
	insert(f, ASID, VA + PAGE, PAGE, 2);
	insert(f, ASID, VA + 2 * PAGE, PAGE, 3);
	++*entry_at(f, 1);
	++*entry_at(f, 3);
	tlb_flush(f->e, ASID, VA, 2 * PAGE, TLB_PRETEND);
	assert_int_equal(find(f, ASID, VA), 1);
	assert_int_equal(stats.stale_after_flush, 1);
	assert_int_equal(find(f, ASID, VA), 1);
	assert_int_equal(stats.stale_after_flush, 2);
	assert_int_equal(find(f, ASID, VA + PAGE), 2);
	assert_int_equal(find(f, ASID, VA + 2 * PAGE), 3);
	assert_int_equal(stats.stale_after_flush, 2);
	assert_int_equal(stats.stale_pending, 1);
}

/* After a use that found nothing changed, the next change has its own flush */
static void pretended_flush_is_over_with_a_good_use(void **state)
{
	struct fixture *f = *state;

	insert(f, ASID, VA, PAGE, 1);
	tlb_flush(f->e, ASID, VA, PAGE, TLB_PRETEND);
	find(f, ASID, VA);
	++*entry_at(f, 1);
	find(f, ASID, VA);
	assert_int_equal(stats.stale_after_flush, 0);
	assert_int_equal(stats.stale_pending, 1);
	tlb_flush(f->e, TLB_ALL_ASIDS, 0, UINT64_MAX, TLB_PRETEND);
	find(f, ASID, VA);
	assert_int_equal(stats.stale_after_flush, 1);
	flush(f, VA, PAGE);
	insert(f, ASID, VA, PAGE, 1);
	find(f, ASID, VA);
	assert_int_equal(stats.stale_after_flush, 1);
	assert_int_equal(stats.stale_pending, 1);
}

static void stale_use_is_legal_for_a_while(void **state)
{
	struct fixture *f = *state;

	insert(f, ASID, VA, PAGE, 1);
	++*entry_at(f, 1);
	clock_ns += 10 * STALE_NS; /* nobody uses it */
	find(f, ASID, VA);
	clock_ns += STALE_NS;
	find(f, ASID, VA);
	flush(f, VA, PAGE);
	assert_int_equal(stats.stale_pending, 2);
	assert_int_equal(stats.stale_unflushed, 0);
}

static void stale_use_without_a_flush_is_told_once(void **state)
{
	struct fixture *f = *state;

	insert(f, ASID, VA, PAGE, 1);
	++*entry_at(f, 1);
	find(f, ASID, VA);
	clock_ns += STALE_NS + 1;
	find(f, ASID, VA);
	assert_int_equal(stats.stale_unflushed, 1);
	find(f, ASID, VA);
	clock_ns += STALE_NS;
	find(f, ASID, VA);
	assert_int_equal(stats.stale_unflushed, 1);
	clock_ns++;
	find(f, ASID, VA);
	assert_int_equal(stats.stale_unflushed, 2);
}

static void late_flush_tells_a_stale_use(void **state)
{
	static const enum tlb_flush_how how[] = { TLB_DROP, TLB_PRETEND,
						  TLB_SETTLE };
	struct fixture *f = *state;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(how); i++) {
		insert(f, ASID, VA, PAGE, i);
		++*entry_at(f, i);
		find(f, ASID, VA);
		clock_ns += STALE_NS + 1;
		tlb_flush(f->e, ASID, VA, PAGE, how[i]);
		assert_int_equal(stats.stale_unflushed, i + 1);
	}
}

static void settled_uses_were_legal(void **state)
{
	struct fixture *f = *state;

	insert(f, ASID, VA, PAGE, 1);
	insert(f, ASID + 1, VA, PAGE, 2);
	++*entry_at(f, 1);
	++*entry_at(f, 2);
	find(f, ASID, VA);
	find(f, ASID + 1, VA);
	tlb_flush(f->e, ASID, 0, UINT64_MAX, TLB_SETTLE);
	clock_ns += 2 * STALE_NS;
	/* It is kept, and a use from now on is one like the first */
	assert_int_equal(find(f, ASID, VA), 1);
	assert_int_equal(stats.stale_unflushed, 0);
	clock_ns += STALE_NS + 1;
	find(f, ASID, VA);
	assert_int_equal(stats.stale_unflushed, 1);
	find(f, ASID + 1, VA);
	assert_int_equal(stats.stale_unflushed, 2);
}

/* --- against an array --- */

#define PAGES 4096 /* of the addresses used, from VA on */
#define ASIDS 5
#define STEPS 200000
#define MAX_MODEL 512

struct model_entry {
	uint32_t asid;
	uint64_t va, size, pa, entry, stale_since;
	bool flushed;
};

struct model {
	struct model_entry e[MAX_MODEL]; /* oldest first */
	unsigned int n, limit;
	uint64_t next_pa;
	struct stats expected;
};

static void forget(struct model *m, unsigned int i)
{
	memmove(&m->e[i], &m->e[i + 1], (--m->n - i) * sizeof(m->e[0]));
}

/* replaces(): pages of up to 64 KiB have one place for those that begin at an address */
static bool replaces(const struct model_entry *e, uint32_t asid, uint64_t va,
		     uint64_t size)
{
	return e->asid == asid && e->va == va &&
	       (e->size == size || (e->size <= KIB(64) && size <= KIB(64)));
}

static void model_insert(struct fixture *f, struct model *m, uint32_t asid,
			 uint64_t va, uint64_t size)
{
	uint64_t pa = m->next_pa++;
	unsigned int i;

	insert(f, asid, va, size, pa);
	if (m->limit && m->n == m->limit) {
		m->expected.tlb_evictions++;
		forget(m, 0);
	}
	for (i = m->n; i--;)
		if (replaces(&m->e[i], asid, va, size))
			forget(m, i);
	m->e[m->n++] = (struct model_entry){
		.asid = asid,
		.va = va,
		.size = size,
		.pa = pa,
		.entry = *entry_at(f, pa),
	};
}

static void model_too_late(struct model *m, struct model_entry *e)
{
	if (!e->stale_since || clock_ns - e->stale_since <= STALE_NS)
		return;
	m->expected.stale_unflushed++;
	e->stale_since = 0;
}

static void model_use(struct fixture *f, struct model *m, struct model_entry *e)
{
	m->expected.tlb_hits++;
	if (*entry_at(f, e->pa) == e->entry) {
		e->flushed = false;
	} else if (e->flushed) {
		m->expected.stale_after_flush++;
	} else {
		m->expected.stale_pending++;
		if (!e->stale_since)
			e->stale_since = clock_ns;
	}
	model_too_late(m, e);
}

/* model_find(): where pages of different sizes overlap, any is right */
static bool model_find(struct fixture *f, struct model *m, uint32_t asid,
		       uint64_t va)
{
	const struct xlate *x = tlb_find(f->e, asid, va);
	bool any = false, right = false;
	unsigned int i;

	for (i = 0; i < m->n; i++) {
		struct model_entry *e = &m->e[i];

		if (e->asid != asid || va < e->va || va >= e->va + e->size)
			continue;
		any = true;
		if (!x || x->pa != e->pa)
			continue;
		right = true;
		assert_int_equal(x->va, e->va);
		assert_int_equal(x->size, e->size);
		model_use(f, m, e);
	}
	assert_int_equal(x != NULL, any);
	assert_int_equal(right, any);
	return any;
}

static void model_flush(struct fixture *f, struct model *m, uint32_t asid,
			uint64_t va, uint64_t size, enum tlb_flush_how how)
{
	unsigned int i;

	tlb_flush(f->e, asid, va, size, how);
	for (i = m->n; i--;) {
		struct model_entry *e = &m->e[i];

		if (asid != TLB_ALL_ASIDS && asid != e->asid)
			continue;
		if (asid != TLB_ALL_ASIDS && size != UINT64_MAX &&
		    (e->va + e->size <= va || va + size <= e->va))
			continue;
		model_too_late(m, e);
		e->stale_since = 0;
		if (how == TLB_PRETEND)
			e->flushed = true;
		else if (how == TLB_DROP)
			forget(m, i);
	}
}

static void random_flush(struct fixture *f, struct model *m)
{
	enum tlb_flush_how how = one_in(2) ? TLB_DROP : random_below(3);
	uint32_t asid = random_below(ASIDS) * 64;
	uint64_t size = PAGE << random_below(12);
	uint64_t va = VA + random_below(PAGES) * PAGE;

	if (one_in(40))
		model_flush(f, m, TLB_ALL_ASIDS, 0, UINT64_MAX, how);
	else if (one_in(10))
		model_flush(f, m, asid, 0, UINT64_MAX, how);
	else
		model_flush(f, m, asid, one_in(2) ? va & ~(size - 1) : va, size,
			    how);
}

/* random_use(): as an engine does it: what is not there is walked for */
static void random_use(struct fixture *f, struct model *m)
{
	uint32_t asid = random_below(ASIDS) * 64;
	uint64_t va = VA + random_below(one_in(2) ? PAGES : 32) * PAGE;
	uint64_t size = sizes[one_in(30) ? 3 : random_below(3)];

	if (model_find(f, m, asid, va + random_below(PAGE)))
		return;
	if (m->n < MAX_MODEL)
		model_insert(f, m, asid, va & ~(size - 1), size);
}

static void random_step(struct fixture *f, struct model *m)
{
	switch (random_below(8)) {
	case 0:
		random_flush(f, m);
		break;
	case 1:
		if (m->n)
			++*entry_at(f, m->e[random_below(m->n)].pa);
		break;
	case 2:
		if (m->n && one_in(2)) /* back again */
			--*entry_at(f, m->e[random_below(m->n)].pa);
		clock_ns += random_below(STALE_NS / 8);
		break;
	default:
		random_use(f, m);
	}
}

static void compare_stats(const struct stats *s)
{
	assert_int_equal(stats.tlb_hits, s->tlb_hits);
	assert_int_equal(stats.tlb_evictions, s->tlb_evictions);
	assert_int_equal(stats.stale_pending, s->stale_pending);
	assert_int_equal(stats.stale_after_flush, s->stale_after_flush);
	assert_int_equal(stats.stale_unflushed, s->stale_unflushed);
}

static void run_random(struct fixture *f, unsigned int limit)
{
	struct model *m = calloc(1, sizeof(*m));
	unsigned int i;

	assert_non_null(m);
	random_start();
	m->limit = f->e->tlb.limit = limit;
	for (i = 0; i < STEPS; i++) {
		random_step(f, m);
		assert_int_equal(f->e->tlb.used, m->n);
		compare_stats(&m->expected);
	}
	/* All that could happen did */
	assert_true(stats.tlb_hits > STEPS / 20);
	assert_int_equal(stats.tlb_evictions > 0, limit > 0);
	assert_true(stats.stale_pending > 100);
	assert_true(stats.stale_after_flush > 100);
	assert_true(stats.stale_unflushed > 10);
	free(m);
}

static void random_operations_strict(void **state)
{
	run_random(*state, 0);
}

static void random_operations_normal(void **state)
{
	run_random(*state, 24);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(kept_until_it_is_flushed),
		TEST(access_goes_by_what_is_kept),
		TEST(change_of_a_directory_is_seen),
		TEST(nothing_is_kept_of_a_miss),
		TEST(permission_is_kept),
		TEST(one_translation_at_a_place),
		TEST(small_pages_are_told_from_compact_ones),
		TEST(address_spaces_are_apart),
		TEST(engines_are_apart),
		TEST(strict_never_evicts),
		TEST(normal_evicts_the_oldest_at_its_limit),
		TEST(range_drops_what_it_overlaps),
		TEST(range_drops_what_it_overlaps_of_much),
		TEST(range_drops_all_sizes_at_once),
		TEST(flush_of_all_address_spaces),
		TEST(generation_tells_of_flushes),
		TEST(evicted_by_injection),
		TEST(pretended_flush_tells_changed_uses),
		TEST(pretended_flush_is_over_with_a_good_use),
		TEST(stale_use_is_legal_for_a_while),
		TEST(stale_use_without_a_flush_is_told_once),
		TEST(late_flush_tells_a_stale_use),
		TEST(settled_uses_were_legal),
		TEST(random_operations_strict),
		TEST(random_operations_normal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
