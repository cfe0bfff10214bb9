/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The arithmetic of address intervals that drm_gpusvm is built on. Pure
 * functions of numbers, so that they compile in user space too, where a fuzzer
 * compares them with a model.
 */
#ifndef _DRM_GPUSVM_INTERVAL_H_
#define _DRM_GPUSVM_INTERVAL_H_

/**
 * struct drm_gpusvm_interval - Addresses from @start up to, not including, @end
 * @start: The first address.
 * @end: The first address behind it. Not above @start: there is none.
 */
struct drm_gpusvm_interval {
	unsigned long start;
	unsigned long end;
};

static inline struct drm_gpusvm_interval
drm_gpusvm_interval(unsigned long start, unsigned long end)
{
	struct drm_gpusvm_interval iv = { start, end };

	return iv;
}

static inline bool drm_gpusvm_interval_empty(struct drm_gpusvm_interval iv)
{
	return iv.start >= iv.end;
}

static inline bool
drm_gpusvm_interval_has(struct drm_gpusvm_interval iv, unsigned long addr)
{
	return iv.start <= addr && addr < iv.end;
}

/* Is the whole of @inner, which is not empty, in @outer? */
static inline bool
drm_gpusvm_interval_covers(struct drm_gpusvm_interval outer,
			   struct drm_gpusvm_interval inner)
{
	return outer.start <= inner.start && inner.end <= outer.end;
}

static inline struct drm_gpusvm_interval
drm_gpusvm_interval_clamp(struct drm_gpusvm_interval a,
			  struct drm_gpusvm_interval b)
{
	if (a.start < b.start)
		a.start = b.start;
	if (a.end > b.end)
		a.end = b.end;
	return a;
}

static inline bool
drm_gpusvm_interval_overlap(struct drm_gpusvm_interval a,
			    struct drm_gpusvm_interval b)
{
	return !drm_gpusvm_interval_empty(drm_gpusvm_interval_clamp(a, b));
}

/* The smallest interval with both of them in it. */
static inline struct drm_gpusvm_interval
drm_gpusvm_interval_hull(struct drm_gpusvm_interval a,
			 struct drm_gpusvm_interval b)
{
	if (drm_gpusvm_interval_empty(a))
		return b;
	if (drm_gpusvm_interval_empty(b))
		return a;
	if (a.start > b.start)
		a.start = b.start;
	if (a.end < b.end)
		a.end = b.end;
	return a;
}

/*
 * @iv, not empty, with both ends moved out to multiples of @size, a power of
 * two. Empty where the end would be above the last address.
 */
static inline struct drm_gpusvm_interval
drm_gpusvm_interval_align(struct drm_gpusvm_interval iv, unsigned long size)
{
	iv.start &= ~(size - 1);
	iv.end = ((iv.end - 1) | (size - 1)) + 1;
	return iv;
}

/*
 * The biggest of the @nr descending chunk @sizes, powers of two, of which the
 * aligned chunk around @addr fits into @bounds. Empty where none does.
 */
static inline struct drm_gpusvm_interval
drm_gpusvm_interval_chunk(unsigned long addr, const unsigned long *sizes,
			  unsigned int nr, struct drm_gpusvm_interval bounds)
{
	struct drm_gpusvm_interval iv;
	unsigned int i;

	for (i = 0; i < nr; i++) {
		iv = drm_gpusvm_interval_align(drm_gpusvm_interval(addr, addr + 1),
					       sizes[i]);
		if (!drm_gpusvm_interval_empty(iv) &&
		    drm_gpusvm_interval_covers(bounds, iv))
			return iv;
	}
	return drm_gpusvm_interval(0, 0);
}

/*
 * The part of @bounds on that side of @taken on which @addr is. Empty where @addr
 * is in @taken.
 */
static inline struct drm_gpusvm_interval
drm_gpusvm_interval_beside(struct drm_gpusvm_interval bounds, unsigned long addr,
			   struct drm_gpusvm_interval taken)
{
	if (addr < taken.start) {
		if (bounds.end > taken.start)
			bounds.end = taken.start;
	} else if (addr >= taken.end) {
		if (bounds.start < taken.end)
			bounds.start = taken.end;
	} else {
		bounds.end = bounds.start;
	}
	return bounds;
}

/*
 * What is left of @iv, not empty, without @hole: the number of pieces, 0 to 2, in
 * order.
 */
static inline unsigned int
drm_gpusvm_interval_without(struct drm_gpusvm_interval iv,
			    struct drm_gpusvm_interval hole,
			    struct drm_gpusvm_interval pieces[2])
{
	unsigned int nr = 0;

	if (!drm_gpusvm_interval_overlap(iv, hole)) {
		pieces[nr++] = iv;
		return nr;
	}
	if (iv.start < hole.start)
		pieces[nr++] = drm_gpusvm_interval(iv.start, hole.start);
	if (hole.end < iv.end)
		pieces[nr++] = drm_gpusvm_interval(hole.end, iv.end);
	return nr;
}

/*
 * The biggest order, up to @max, of a block of pages that begins with virtual
 * page @vpn at page frame @pfn, is aligned to its size in both, and is not
 * longer than the @run > 0 contiguous frames that there are.
 */
static inline unsigned int
drm_gpusvm_interval_order(unsigned long vpn, unsigned long pfn,
			  unsigned long run, unsigned int max)
{
	unsigned int order = 0;

	while (order < max && !((vpn | pfn) & (1UL << order)) &&
	       run >> (order + 1))
		order++;
	return order;
}

#endif
