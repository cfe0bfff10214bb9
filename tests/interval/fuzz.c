// SPDX-License-Identifier: GPL-2.0-only
/*
 * The arithmetic of include/drm/drm_gpusvm_interval.h, against models that look at
 * one address after the other: each function by itself, then the ranges that
 * drm_gpusvm makes of them, through faults, unmappings and splits.
 *
 *	fuzz COUNT SEED
 *
 * COUNT random cases for each function, and as many steps with ranges. Prints TAP.
 * Every outcome that a function has must have come up.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drm/drm_gpusvm_interval.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MAX_OUTCOMES 7
#define LAST (~0UL) /* No interval has it, as its end is behind it */

typedef unsigned __int128 wide; /* Does not wrap */

static uint64_t random_state;
static char why[256]; /* The last check failed */

static uint64_t random_word(void)
{
	uint64_t z = random_state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

/* A number below @n. */
static unsigned long below(unsigned long n)
{
	return random_word() % n;
}

static bool one_in(unsigned int n)
{
	return !below(n);
}

__attribute__((format(printf, 1, 2))) static int fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, sizeof(why), format, args);
	va_end(args);
	return -1;
}

/* Descending powers of two, mostly small ones: how many. */
static unsigned int pick_sizes(unsigned long sizes[4])
{
	unsigned int nr = 0, order = one_in(16) ? 64 : 9;

	while (nr < 4 && order) {
		order = below(order);
		sizes[nr++] = 1UL << order;
	}
	return nr;
}

/*
 * Single functions. Their addresses are 64 points: the first and last two that
 * there are, and between them 60 in a row. An interval begins and ends with one of
 * them, so the set of points in it tells all.
 */
#define POINTS 64

struct sample {
	unsigned long point[POINTS];
	struct drm_gpusvm_interval a, b, some; /* This one is not empty */
	uint64_t in_a, in_b, in_some;
	unsigned int at;
	unsigned long addr; /* point[at] */
	unsigned long size;
	unsigned long sizes[4];
	unsigned int nr;
	unsigned long vpn, pfn, run;
	unsigned int max;
};

static uint64_t points(unsigned int first, unsigned int end)
{
	uint64_t set = 0;

	for (; first < end; first++)
		set |= 1ULL << first;
	return set;
}

static unsigned int first_of(uint64_t set)
{
	return __builtin_ctzll(set);
}

static unsigned int behind(uint64_t set)
{
	return POINTS - __builtin_clzll(set);
}

/* Some are empty, with an end that is the start or before it. */
static struct drm_gpusvm_interval pick_interval(const unsigned long *point,
						uint64_t *set)
{
	unsigned int start = below(POINTS), end = below(POINTS), swap = end;

	if (start > end && !one_in(4)) {
		end = start;
		start = swap;
	}
	*set = points(start, end);
	return drm_gpusvm_interval(point[start], point[end]);
}

static unsigned long pick_frame(void)
{
	return one_in(8) ? 0 : random_word() >> below(64) << below(16);
}

static void pick_sample(struct sample *s)
{
	unsigned long base = below(3) ? LAST - (POINTS - 1) : 0;
	unsigned int i;

	if (base && one_in(2))
		base = random_word() % base;
	for (i = 0; i < POINTS; i++)
		s->point[i] = base + i;
	s->point[0] = 0;
	s->point[1] = 1;
	s->point[POINTS - 2] = LAST - 1;
	s->point[POINTS - 1] = LAST;

	s->a = pick_interval(s->point, &s->in_a);
	s->b = pick_interval(s->point, &s->in_b);
	do {
		s->some = pick_interval(s->point, &s->in_some);
	} while (!s->in_some);
	s->at = below(POINTS);
	s->addr = s->point[s->at];
	s->size = 1UL << below(one_in(4) ? 64 : 8);
	s->nr = one_in(16) ? 0 : pick_sizes(s->sizes);
	s->vpn = pick_frame();
	s->pfn = pick_frame();
	s->run = one_in(8) ? LAST : 1 + (random_word() >> (1 + below(63)));
	s->max = below(one_in(4) ? 64 : 12);
}

/* Is @iv what @set, points in a row, says? */
static bool is_set(const struct sample *s, struct drm_gpusvm_interval iv,
		   uint64_t set)
{
	if (!set)
		return iv.start >= iv.end;
	return iv.start == s->point[first_of(set)] &&
	       iv.end == s->point[behind(set)];
}

/* Is it from @start up to, not including, @end, or empty if it cannot be? */
static bool is_wide(struct drm_gpusvm_interval iv, wide start, wide end)
{
	if (end > LAST)
		return iv.start >= iv.end;
	return iv.start == start && iv.end == end;
}

static int got_interval(struct drm_gpusvm_interval iv)
{
	return fail("got %#lx-%#lx", iv.start, iv.end);
}

static int same(bool got, bool want)
{
	return got == want ? want : fail("got %d", got);
}

static int check(const struct sample *s)
{
	struct drm_gpusvm_interval iv = drm_gpusvm_interval(s->addr, s->size);

	if (iv.start != s->addr || iv.end != s->size)
		return got_interval(iv);
	return 0;
}

static int check_empty(const struct sample *s)
{
	return same(drm_gpusvm_interval_empty(s->a), !s->in_a);
}

static int check_has(const struct sample *s)
{
	return same(drm_gpusvm_interval_has(s->a, s->addr),
		    s->in_a >> s->at & 1);
}

static int check_covers(const struct sample *s)
{
	return same(drm_gpusvm_interval_covers(s->a, s->some),
		    !(s->in_some & ~s->in_a));
}

static int check_clamp(const struct sample *s)
{
	struct drm_gpusvm_interval iv = drm_gpusvm_interval_clamp(s->a, s->b);

	if (!is_set(s, iv, s->in_a & s->in_b))
		return got_interval(iv);
	return !!(s->in_a & s->in_b);
}

static int check_overlap(const struct sample *s)
{
	return same(drm_gpusvm_interval_overlap(s->a, s->b), s->in_a & s->in_b);
}

static int check_hull(const struct sample *s)
{
	struct drm_gpusvm_interval iv = drm_gpusvm_interval_hull(s->a, s->b);
	uint64_t set = s->in_a | s->in_b;

	if (set)
		set = points(first_of(set), behind(set));
	if (!is_set(s, iv, set))
		return got_interval(iv);
	return set ? 1 + (set != (s->in_a | s->in_b)) : 0;
}

static int check_align(const struct sample *s)
{
	struct drm_gpusvm_interval iv =
		drm_gpusvm_interval_align(s->some, s->size);
	wide start = s->some.start - s->some.start % s->size;
	wide end = ((wide)s->some.end + s->size - 1) / s->size * s->size;

	if (!is_wide(iv, start, end))
		return got_interval(iv);
	return end > LAST;
}

static int check_chunk(const struct sample *s)
{
	struct drm_gpusvm_interval iv =
		drm_gpusvm_interval_chunk(s->addr, s->sizes, s->nr, s->a);
	unsigned int i;
	wide start;

	for (i = 0; i < s->nr; i++) {
		start = s->addr - s->addr % s->sizes[i];
		if (s->a.start > start || start + s->sizes[i] > s->a.end)
			continue;
		if (!is_wide(iv, start, start + s->sizes[i]))
			return got_interval(iv);
		return 1 + !!i;
	}
	return iv.start >= iv.end ? 0 : got_interval(iv);
}

static int check_beside(const struct sample *s)
{
	struct drm_gpusvm_interval iv =
		drm_gpusvm_interval_beside(s->a, s->addr, s->some);
	uint64_t side = 0;

	if (s->at < first_of(s->in_some))
		side = points(0, first_of(s->in_some));
	else if (s->at >= behind(s->in_some))
		side = points(behind(s->in_some), POINTS);
	if (!is_set(s, iv, s->in_a & side))
		return got_interval(iv);
	return s->in_a & side ? 1 + (side & 1) : 0;
}

static int check_without(const struct sample *s)
{
	struct drm_gpusvm_interval piece[2];
	unsigned int nr = drm_gpusvm_interval_without(s->some, s->b, piece), i;
	uint64_t rest = s->in_some & ~s->in_b, run;

	for (i = 0; i < nr && i < 2; i++) {
		/* Adding the lowest bit moves it behind those that follow it */
		run = rest & ~(rest + (rest & -rest));
		if (!run || !is_set(s, piece[i], run))
			return got_interval(piece[i]);
		rest &= ~run;
	}
	return nr > 2 || rest ? fail("got %u pieces", nr) : (int)nr;
}

static int check_order(const struct sample *s)
{
	unsigned int order = s->max, got;

	while (s->vpn % (1UL << order) || s->pfn % (1UL << order) ||
	       1UL << order > s->run)
		order--;
	got = drm_gpusvm_interval_order(s->vpn, s->pfn, s->run, s->max);
	if (got != order)
		return fail("got %u", got);
	return order == s->max ? 2 : !!order;
}

static void explain_sample(const struct sample *s)
{
	unsigned int i;

	printf("# a %#lx-%#lx, b %#lx-%#lx, some %#lx-%#lx, address %#lx, size "
	       "%#lx, sizes",
	       s->a.start, s->a.end, s->b.start, s->b.end, s->some.start,
	       s->some.end, s->addr, s->size);
	for (i = 0; i < s->nr; i++)
		printf(" %#lx", s->sizes[i]);
	printf(", vpn %#lx, pfn %#lx, run %#lx, max %u\n", s->vpn, s->pfn,
	       s->run, s->max);
}

/*
 * Ranges. The left half does what drm_gpusvm does, with the functions above; the
 * right half knows of every page whose it is.
 */
#define PAGES 128
#define STEPS 255 /* With one world: a byte can count the VMAs */

struct range {
	bool used;
	struct drm_gpusvm_interval iv, hole;
};

struct world {
	unsigned long base; /* Address of the first page */
	unsigned int pages; /* Without the last address, if it is here */
	unsigned long sizes[4], notifier_size;
	unsigned int nr_sizes;
	struct drm_gpusvm_interval window;
	struct range range[PAGES + 1];

	unsigned char owner[PAGES]; /* Which range, 0: none */
	unsigned char vma[PAGES];
	bool gone[PAGES]; /* Unmapped, and the range is still there */
	unsigned char last_vma;
	unsigned int steps;
};

static struct world world;

static void new_world(struct world *w)
{
	unsigned long top = LAST - (PAGES - 1);

	memset(w, 0, sizeof(*w));
	w->base = below(3) ? top : 0;
	if (w->base && one_in(2))
		w->base = random_word() % top;
	w->pages = w->base == top ? PAGES - 1 : PAGES;
	w->window = drm_gpusvm_interval(w->base, w->base + w->pages);
	w->nr_sizes = pick_sizes(w->sizes);
	w->notifier_size = 1UL << below(10);
}

/* At most @most pages, or now and then any number. */
static struct drm_gpusvm_interval pick_pages(const struct world *w,
					     unsigned int most,
					     unsigned int *first,
					     unsigned int *end)
{
	if (one_in(32))
		most = w->pages;
	*first = below(w->pages);
	*end = *first + 1 + below(most);
	if (*end > w->pages)
		*end = w->pages;
	return drm_gpusvm_interval(w->base + *first, w->base + *end);
}

static unsigned int svm_find(const struct world *w,
			     struct drm_gpusvm_interval iv)
{
	unsigned int id;

	for (id = PAGES; id; id--)
		if (w->range[id].used &&
		    drm_gpusvm_interval_overlap(w->range[id].iv, iv))
			break;
	return id;
}

static unsigned int svm_add(struct world *w, struct drm_gpusvm_interval iv)
{
	unsigned int id = 1;

	while (w->range[id].used)
		id++;
	w->range[id].used = true;
	w->range[id].iv = iv;
	w->range[id].hole = drm_gpusvm_interval(0, 0);
	return id;
}

/* Empty if there is none. */
static struct drm_gpusvm_interval svm_place(const struct world *w,
					    unsigned long addr,
					    struct drm_gpusvm_interval bounds,
					    unsigned int *looks)
{
	struct drm_gpusvm_interval iv;
	unsigned int id;

	for (*looks = 0; *looks <= w->nr_sizes; ++*looks) {
		iv = drm_gpusvm_interval_chunk(addr, w->sizes, w->nr_sizes,
					       bounds);
		id = drm_gpusvm_interval_empty(iv) ? 0 : svm_find(w, iv);
		if (!id)
			break;
		bounds = drm_gpusvm_interval_beside(bounds, addr,
						    w->range[id].iv);
	}
	return iv;
}

/* What is invalidated; those that @unmapped parts of them tell of it. */
static struct drm_gpusvm_interval svm_unmap(struct world *w,
					    struct drm_gpusvm_interval iv)
{
	struct drm_gpusvm_interval hit = { 0, 0 };
	struct range *r;

	for (r = w->range; r <= &w->range[PAGES]; r++) {
		if (!r->used || !drm_gpusvm_interval_overlap(r->iv, iv))
			continue;
		hit = drm_gpusvm_interval_hull(hit, r->iv);
		r->hole = drm_gpusvm_interval_hull(
			r->hole, drm_gpusvm_interval_clamp(iv, r->iv));
	}
	return hit;
}

/* The pages of a notifier for @iv. */
static struct drm_gpusvm_interval svm_notifier(const struct world *w,
					       struct drm_gpusvm_interval iv)
{
	iv = drm_gpusvm_interval_align(iv, w->notifier_size);
	if (drm_gpusvm_interval_empty(iv))
		iv.end = w->window.end;
	return iv;
}

/* Its first and last page, and those between them. */
static struct drm_gpusvm_interval model_extent(const struct world *w,
					       unsigned int id, bool gone)
{
	struct drm_gpusvm_interval iv = { 0, 0 };
	unsigned int i;

	for (i = 0; i < w->pages; i++) {
		if (w->owner[i] != id || (gone && !w->gone[i]))
			continue;
		if (!iv.end)
			iv.start = w->base + i;
		iv.end = w->base + i + 1;
	}
	return iv;
}

/* May the @size pages that begin at @start be one range for page @at? */
static bool model_room(const struct world *w, unsigned long start,
		       unsigned long size, unsigned int at, unsigned int first,
		       unsigned int end)
{
	unsigned long i, page;

	for (i = 0; i < size; i++) {
		page = start + i - w->base;
		if (page >= w->pages || page < first || page >= end)
			return false;
		if (w->owner[page] || w->vma[page] != w->vma[at])
			return false;
	}
	return true;
}

static void model_own(struct world *w, struct drm_gpusvm_interval iv,
		      unsigned int id)
{
	unsigned long i;

	for (i = iv.start; i != iv.end; i++) {
		w->owner[i - w->base] = id;
		w->gone[i - w->base] = false;
	}
}

static bool same_interval(struct drm_gpusvm_interval a,
			  struct drm_gpusvm_interval b)
{
	return (a.start >= a.end && b.start >= b.end) ||
	       (a.start == b.start && a.end == b.end);
}

/* Every page is in the range that owns it, and in no other one. */
static int compare(const struct world *w)
{
	unsigned int id, owned = 0, used = 0, i;
	const struct range *r;

	for (i = 0; i < w->pages; i++)
		owned += !!w->owner[i];
	for (id = 1; id <= PAGES; id++) {
		r = &w->range[id];
		if (!r->used)
			continue;
		used += r->iv.end - r->iv.start;
		if (!same_interval(r->iv, model_extent(w, id, false)))
			return fail("range %u is %#lx-%#lx", id, r->iv.start,
				    r->iv.end);
		if (!same_interval(r->hole, model_extent(w, id, true)))
			return fail("hole of range %u is %#lx-%#lx", id,
				    r->hole.start, r->hole.end);
	}
	/* A range covers all from its first to its last page: so none has gaps */
	return used == owned ? 0 : fail("%u pages in ranges", used);
}

static int step_unmap(struct world *w, unsigned int most, unsigned int *first,
		      unsigned int *end)
{
	struct drm_gpusvm_interval iv = pick_pages(w, most, first, end);
	struct drm_gpusvm_interval hit = svm_unmap(w, iv);
	struct drm_gpusvm_interval want = { 0, 0 }, each;
	unsigned int i, met = 0;

	for (i = *first; i < *end; i++) {
		w->vma[i] = 0;
		w->gone[i] = !!w->owner[i];
		if (!w->owner[i] || (met && w->owner[i] == w->owner[i - 1]))
			continue;
		each = model_extent(w, w->owner[i], false);
		if (!met++)
			want.start = each.start;
		want.end = each.end;
	}
	if (!same_interval(hit, want))
		return fail("%#lx-%#lx invalidated %#lx-%#lx", iv.start, iv.end,
			    hit.start, hit.end);
	return met > 2 ? 2 : (int)met;
}

static int do_munmap(struct world *w)
{
	unsigned int first, end;

	return step_unmap(w, 4, &first, &end);
}

/* As MAP_FIXED does. */
static int do_mmap(struct world *w)
{
	unsigned int first, end;
	int met = step_unmap(w, 24, &first, &end);

	w->last_vma++;
	while (first < end)
		w->vma[first++] = w->last_vma;
	return met;
}

/* The VMA with page @at. */
static struct drm_gpusvm_interval vma_of(const struct world *w, unsigned int at)
{
	unsigned int first = at, end = at + 1;

	while (first && w->vma[first - 1] == w->vma[at])
		first--;
	while (end < w->pages && w->vma[end] == w->vma[at])
		end++;
	return drm_gpusvm_interval(w->base + first, w->base + end);
}

static int do_fault(struct world *w)
{
	struct drm_gpusvm_interval bounds, iv, want = { 0, 0 };
	unsigned int first, end, at, id, i, looks;
	unsigned long addr, start;

	bounds = pick_pages(w, 32, &first, &end);
	if (one_in(2)) {
		bounds = w->window;
		first = 0;
		end = w->pages;
	}
	at = first + below(end - first);
	addr = w->base + at;

	id = svm_find(w, drm_gpusvm_interval(addr, addr + 1));
	if (id != w->owner[at])
		return fail("range %u at %#lx", id, addr);
	if (id || !w->vma[at])
		return id ? 0 : 1;

	bounds = drm_gpusvm_interval_clamp(bounds, vma_of(w, at));
	iv = svm_place(w, addr, bounds, &looks);
	for (i = 0; i < w->nr_sizes; i++) {
		start = addr - addr % w->sizes[i];
		if (!model_room(w, start, w->sizes[i], at, first, end))
			continue;
		want = drm_gpusvm_interval(start, start + w->sizes[i]);
		break;
	}
	if (!same_interval(iv, want))
		return fail("fault at %#lx got %#lx-%#lx", addr, iv.start,
			    iv.end);
	if (looks > w->nr_sizes)
		return fail("fault at %#lx met %u ranges", addr, looks);
	if (i == w->nr_sizes)
		return 2;
	model_own(w, want, svm_add(w, iv));
	return looks ? 5 + (looks > 1) : 3 + !!i;
}

static int do_exact(struct world *w)
{
	unsigned int first, end, i;
	struct drm_gpusvm_interval iv = pick_pages(w, 4, &first, &end);
	bool taken = false;

	if (drm_gpusvm_interval_empty(iv) ||
	    !drm_gpusvm_interval_covers(w->window, iv))
		return fail("%#lx-%#lx is not in the window", iv.start, iv.end);
	for (i = first; i < end; i++)
		taken |= !!w->owner[i];
	if (taken != !!svm_find(w, iv))
		return fail("%#lx-%#lx taken: %d", iv.start, iv.end, !taken);
	if (taken)
		return 0;
	model_own(w, iv, svm_add(w, iv));
	return 1;
}

/* Some range, or one with a hole; 0: there is none. */
static unsigned int pick_range(const struct world *w, bool hole)
{
	unsigned int at = below(w->pages), i, id;

	for (i = 0; i < w->pages; i++) {
		id = w->owner[(at + i) % w->pages];
		if (id &&
		    (!hole || !drm_gpusvm_interval_empty(w->range[id].hole)))
			return id;
	}
	return 0;
}

/* What is not in the hole lives on, as ranges of their own. */
static int do_split(struct world *w)
{
	struct drm_gpusvm_interval piece[2], whole, hole;
	unsigned int id = pick_range(w, true), nr, left, right;

	if (!id)
		return 0;
	whole = model_extent(w, id, false);
	hole = model_extent(w, id, true);
	w->range[id].used = false;
	nr = drm_gpusvm_interval_without(w->range[id].iv, w->range[id].hole,
					 piece);
	left = whole.start < hole.start;
	right = hole.end < whole.end;
	if (nr != left + right)
		return fail("%u pieces of %#lx-%#lx without %#lx-%#lx", nr,
			    whole.start, whole.end, hole.start, hole.end);
	model_own(w, whole, 0);
	if (left)
		model_own(w, drm_gpusvm_interval(whole.start, hole.start),
			  svm_add(w, piece[0]));
	if (right)
		model_own(w, drm_gpusvm_interval(hole.end, whole.end),
			  svm_add(w, piece[left]));
	return 1 + nr;
}

static int do_remove(struct world *w)
{
	unsigned int id = one_in(8) ? pick_range(w, false) : 0;

	if (!id)
		return 0;
	w->range[id].used = false;
	model_own(w, model_extent(w, id, false), 0);
	return 1;
}

static int do_notifier(struct world *w)
{
	unsigned int first, end;
	struct drm_gpusvm_interval iv = pick_pages(w, 4, &first, &end);
	struct drm_gpusvm_interval got = svm_notifier(w, iv);
	wide want_start = iv.start - iv.start % w->notifier_size;
	wide want_end = ((wide)iv.end + w->notifier_size - 1) /
			w->notifier_size * w->notifier_size;
	bool wraps = want_end > LAST;

	if (wraps)
		want_end = w->window.end;
	if (!is_wide(got, want_start, want_end) ||
	    !drm_gpusvm_interval_covers(got, iv))
		return fail("notifier of %#lx-%#lx is %#lx-%#lx", iv.start,
			    iv.end, got.start, got.end);
	return wraps;
}

static void explain_world(const struct world *w)
{
	unsigned int i;

	printf("# step %u, pages %#lx-%#lx, notifiers of %#lx, chunks of",
	       w->steps, w->window.start, w->window.end, w->notifier_size);
	for (i = 0; i < w->nr_sizes; i++)
		printf(" %#lx", w->sizes[i]);
	printf("\n# owners");
	for (i = 0; i < w->pages; i++)
		printf(" %u%s", w->owner[i], w->gone[i] ? "!" : "");
	printf("\n");
}

struct test {
	const char *name;
	int (*check)(const struct sample *s); /* Which outcome, or -1 */
	int (*step)(struct world *w);
	const char *outcomes[MAX_OUTCOMES];
};

#define OUTCOMES(...)                                                          \
	{                                                                      \
		__VA_ARGS__                                                    \
	}
#define FUNCTION(name, ...)                                                    \
	{                                                                      \
		"drm_gpusvm_interval" #name, check##name, NULL,                \
			OUTCOMES(__VA_ARGS__)                                  \
	}
#define STEP(name, ...)                                                        \
	{                                                                      \
		"ranges: " #name, NULL, do_##name, OUTCOMES(__VA_ARGS__)       \
	}

static const struct test functions[] = {
	FUNCTION(, "made"),
	FUNCTION(_empty, "no", "yes"),
	FUNCTION(_has, "no", "yes"),
	FUNCTION(_covers, "no", "yes"),
	FUNCTION(_clamp, "empty", "rest"),
	FUNCTION(_overlap, "no", "yes"),
	FUNCTION(_hull, "empty", "union", "more"),
	FUNCTION(_align, "aligned", "too high"),
	FUNCTION(_chunk, "none", "first size", "smaller"),
	FUNCTION(_beside, "empty", "above", "below"),
	FUNCTION(_without, "0 pieces", "1", "2"),
	FUNCTION(_order, "0", "between", "max"),
};

static const struct test steps[] = {
	STEP(mmap, "0 ranges hit", "1", "more"),
	STEP(munmap, "0 ranges hit", "1", "more"),
	STEP(fault, "range is there", "no memory", "no room", "first chunk",
	     "smaller", "beside a range", "ranges"),
	STEP(exact, "taken", "made"),
	STEP(split, "none to split", "0 pieces", "1", "2"),
	STEP(remove, "none", "removed"),
	STEP(notifier, "aligned", "too high"),
};

static unsigned int tests_done, tests_failed;

/* The result of @test, whose outcomes came up @n times; or it failed. */
static void report(const struct test *test, const unsigned long *n, bool failed)
{
	unsigned int i, missing = 0;
	unsigned long sum = 0;

	for (i = 0; i < MAX_OUTCOMES && test->outcomes[i]; i++) {
		missing += !n[i];
		sum += n[i];
	}
	failed |= missing;
	tests_failed += failed;
	printf("%sok %u - %s: %lu times", failed ? "not " : "", ++tests_done,
	       test->name, sum);
	for (i = 0; i < MAX_OUTCOMES && test->outcomes[i]; i++)
		printf(", %s %lu", test->outcomes[i], n[i]);
	printf("\n");
}

static void test_functions(unsigned long count)
{
	unsigned long n[ARRAY_SIZE(functions)][MAX_OUTCOMES] = { 0 };
	bool failed[ARRAY_SIZE(functions)] = { false };
	struct sample sample;
	unsigned int t;
	int outcome;

	while (count--) {
		pick_sample(&sample);
		for (t = 0; t < ARRAY_SIZE(functions); t++) {
			if (failed[t])
				continue;
			outcome = functions[t].check(&sample);
			if (outcome >= 0) {
				n[t][outcome]++;
				continue;
			}
			failed[t] = true;
			printf("# %s: %s\n", functions[t].name, why);
			explain_sample(&sample);
		}
	}
	for (t = 0; t < ARRAY_SIZE(functions); t++)
		report(&functions[t], n[t], failed[t]);
}

static void test_ranges(unsigned long count)
{
	unsigned long n[ARRAY_SIZE(steps)][MAX_OUTCOMES] = { 0 };
	unsigned int failed = ARRAY_SIZE(steps), t;
	struct world *w = &world;
	int outcome;

	for (; count; count--) {
		if (!w->steps || w->steps == STEPS)
			new_world(w);
		w->steps++;
		t = below(ARRAY_SIZE(steps));
		outcome = steps[t].step(w);
		if (outcome < 0 || compare(w) < 0) {
			printf("# %s: %s\n", steps[t].name, why);
			explain_world(w);
			failed = t;
			break;
		}
		n[t][outcome]++;
	}
	for (t = 0; t < ARRAY_SIZE(steps); t++)
		report(&steps[t], n[t], t == failed);
}

int main(int argc, char **argv)
{
	unsigned long count = argc == 3 ? strtoul(argv[1], NULL, 0) : 0;

	if (!count) {
		fprintf(stderr, "usage: fuzz COUNT SEED\n");
		return 2;
	}
	random_state = strtoul(argv[2], NULL, 0);
	test_functions(count);
	test_ranges(count);
	printf("1..%u\n", tests_done);
	return !!tests_failed;
}
