/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
#ifndef _DRM_GPUSVM_H_
#define _DRM_GPUSVM_H_

#include <linux/atomic.h>
#include <linux/dma-direction.h>
#include <linux/interval_tree.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/lockdep.h>
#include <linux/mmu_notifier.h>
#include <linux/rbtree.h>
#include <linux/rwsem.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include <drm/drm_gpusvm_interval.h>
#include <drm/drm_pagemap.h>

struct drm_device;
struct drm_gpusvm;
struct drm_gpusvm_notifier;
struct drm_gpusvm_range;
struct drm_printer;
struct mm_struct;

/**
 * enum drm_gpusvm_pages_state - What a &struct drm_gpusvm_pages has
 * @DRM_GPUSVM_PAGES_NONE: No device addresses.
 * @DRM_GPUSVM_PAGES_VALID: Device addresses that the device may use.
 * @DRM_GPUSVM_PAGES_STALE: Device addresses that an invalidation has taken
 *                          back. The device may use them until it is flushed.
 *
 * The section "State of pages" has the diagram.
 */
enum drm_gpusvm_pages_state {
	DRM_GPUSVM_PAGES_NONE,
	DRM_GPUSVM_PAGES_VALID,
	DRM_GPUSVM_PAGES_STALE,
};

/**
 * struct drm_gpusvm_pages - The addresses at which a device finds some memory
 *
 * Can be embedded anywhere. It is made by drm_gpusvm_pages_init(), filled by
 * drm_gpusvm_get_pages() and freed by drm_gpusvm_free_pages().
 */
struct drm_gpusvm_pages {
	/** @drm: The device that the addresses are for. Never changes. */
	struct drm_device *drm;

	/**
	 * @next: The same memory for another device, filled from the same walk
	 * of the page table. Set before the first drm_gpusvm_get_pages().
	 */
	struct drm_gpusvm_pages *next;

	/**
	 * @dma_addr: The addresses, in ascending order of the memory, without
	 * gaps. Read: notifier lock and @state is DRM_GPUSVM_PAGES_VALID.
	 */
	struct drm_pagemap_addr *dma_addr;

	/** @nr_addr: How many entries @dma_addr has. Lock: as @dma_addr. */
	unsigned long nr_addr;

	/**
	 * @dpagemaps: The device memory that each entry of @dma_addr is of, NULL
	 * for system memory. A reference is held for each. NULL where there can
	 * be no device memory. Lock: as @dma_addr.
	 */
	struct drm_pagemap **dpagemaps;

	/** @nr_device: How many entries are device memory. Lock: as @dma_addr. */
	unsigned long nr_device;

	/** @dir: The DMA direction of all pages. Lock: as @dma_addr. */
	enum dma_data_direction dir;

	/**
	 * @state: Write: notifier lock for writing, or for reading and the lock
	 * that serialises drm_gpusvm_get_pages(). Read: notifier lock, or none
	 * for a hint.
	 */
	enum drm_gpusvm_pages_state state;
};

/**
 * struct drm_gpusvm_range - An interval of memory that a GPU VM has faulted in
 *
 * Lies within one notifier and overlaps no other range of its gpusvm.
 */
struct drm_gpusvm_range {
	/** @gpusvm: The GPU VM. */
	struct drm_gpusvm *gpusvm;

	/** @notifier: The notifier whose tree the range is in, or was in. */
	struct drm_gpusvm_notifier *notifier;

	/** @ref: References, see drm_gpusvm_range_get(). */
	struct kref ref;

	/**
	 * @itree: First and last byte. Never change once the range is in the
	 * tree, which is &drm_gpusvm_notifier.ranges.
	 */
	struct interval_tree_node itree;

	/** @pages: Where the gpusvm's own device finds the memory. */
	struct drm_gpusvm_pages pages;

	/**
	 * @hole: Covers all that has been unmapped from the CPU's address space
	 * since the range was made, empty for nothing. Write: notifier lock for
	 * writing. Read: notifier lock or, for a hint, the driver's lock.
	 */
	struct drm_gpusvm_interval hole;

	/** @unmapped: Entry in &drm_gpusvm.unmapped while @hole is not empty. */
	struct list_head unmapped;
};

/**
 * struct drm_gpusvm_notifier - A window of addresses that is watched
 */
struct drm_gpusvm_notifier {
	/** @gpusvm: The GPU VM. */
	struct drm_gpusvm *gpusvm;

	/** @notifier: The subscription. */
	struct mmu_interval_notifier notifier;

	/** @itree: The window. In &drm_gpusvm.notifiers. */
	struct interval_tree_node itree;

	/**
	 * @ranges: Its ranges. Write: driver's lock, and notifier lock for
	 * writing. Read: one of the two.
	 */
	struct rb_root_cached ranges;
};

/**
 * enum drm_gpusvm_finish_state - Where a &struct drm_gpusvm_finish is
 * @DRM_GPUSVM_FINISH_FREE: In the pool.
 * @DRM_GPUSVM_FINISH_FLUSHING: Its flush has been submitted.
 * @DRM_GPUSVM_FINISH_FLUSHED: Its flush, if there was one, is done.
 *
 * The section "Two-pass invalidation" has the diagram.
 */
enum drm_gpusvm_finish_state {
	DRM_GPUSVM_FINISH_FREE,
	DRM_GPUSVM_FINISH_FLUSHING,
	DRM_GPUSVM_FINISH_FLUSHED,
};

/**
 * struct drm_gpusvm_finish - An invalidation that is waiting for the device
 *
 * A driver embeds it as the first member of what it needs to wait, for example
 * a sequence number for each TLB, see &drm_gpusvm_ops.finish_size. There is a
 * pool of these in each gpusvm, so that none is allocated in an invalidation.
 */
struct drm_gpusvm_finish {
	/** @base: What the core of mm queues. */
	struct mmu_interval_notifier_finish base;

	/**
	 * @link: Entry in &drm_gpusvm.finish_free or &drm_gpusvm.finish_pending.
	 * Protected by &drm_gpusvm.finish_lock, as all that follows.
	 */
	struct list_head link;

	/** @iv: All ranges that the invalidation met. Constant while pending. */
	struct drm_gpusvm_interval iv;

	/** @users: The invalidation itself, and others who wait for the flush. */
	unsigned int users;

	/** @state: See &enum drm_gpusvm_finish_state. */
	enum drm_gpusvm_finish_state state;
};

/**
 * struct drm_gpusvm_ops - What a driver does for shared virtual memory
 */
struct drm_gpusvm_ops {
	/**
	 * @finish_size: Size of the driver's structure that begins with a
	 * &struct drm_gpusvm_finish. 0 for no more than that.
	 */
	size_t finish_size;

	/**
	 * @range_alloc: Allocate a zeroed structure that embeds a range. NULL or
	 * an ERR_PTR() on failure. Optional, together with @range_free.
	 *
	 * Context: Process, may sleep and reclaim. The driver's lock is held.
	 */
	struct drm_gpusvm_range *(*range_alloc)(struct drm_gpusvm *gpusvm);

	/**
	 * @range_free: Free what @range_alloc has allocated. Optional.
	 *
	 * Context: That of drm_gpusvm_range_put().
	 */
	void (*range_free)(struct drm_gpusvm_range *range);

	/**
	 * @invalidate_start: Remove the device's page table entries of each range
	 * of @notifier that overlaps @mmu_range, the whole range, so that nothing
	 * new is translated by them, and submit the flushes that make the device
	 * forget what it has translated. Do not wait for them.
	 *
	 * What is needed to wait goes into the driver's structure around @finish,
	 * where it stays, unchanged, until all waiting is done. Where @finish is
	 * NULL (the pool is empty), wait for the flushes here.
	 *
	 * Return whether a flush was submitted that has to be waited for. False
	 * where no device has any of it mapped. It is not the driver's business
	 * whether *others* have flushes under way for the same memory.
	 *
	 * Where &mmu_notifier_range.event is MMU_NOTIFY_UNMAP, the ranges are on
	 * the list of those to collect: arrange for drm_gpusvm_collect_next() to
	 * be called soon, as a rule by a work item.
	 *
	 * Context: The notifier lock is held for writing, in a path of reclaim.
	 * Must not take the driver's lock, or allocate with reclaim, or lock
	 * pages.
	 */
	bool (*invalidate_start)(struct drm_gpusvm *gpusvm,
				 struct drm_gpusvm_notifier *notifier,
				 const struct mmu_notifier_range *mmu_range,
				 struct drm_gpusvm_finish *finish);

	/**
	 * @invalidate_finish: Wait until the flushes that @finish tells of are
	 * done. Called more than once, and by several tasks at a time, where
	 * invalidations overlap. Must get there by itself also when the device
	 * is reset or gone.
	 *
	 * Context: In a path of reclaim, without the notifier lock, except where
	 * the invalidation could not get an object.
	 */
	void (*invalidate_finish)(struct drm_gpusvm *gpusvm,
				  struct drm_gpusvm_finish *finish);
};

/**
 * enum drm_gpusvm_counter - What a gpusvm counts
 * @DRM_GPUSVM_COUNT_INSERT: Ranges inserted.
 * @DRM_GPUSVM_COUNT_REMOVE: Ranges removed.
 * @DRM_GPUSVM_COUNT_SPLIT: Ranges replaced by what remained of them.
 * @DRM_GPUSVM_COUNT_GET_PAGES: Calls of drm_gpusvm_get_pages().
 * @DRM_GPUSVM_COUNT_RETRY: Times that it had to start again.
 * @DRM_GPUSVM_COUNT_MAP: Addresses mapped for a device.
 * @DRM_GPUSVM_COUNT_UNMAP: Addresses unmapped.
 * @DRM_GPUSVM_COUNT_INVALIDATE: Invalidations that met a range.
 * @DRM_GPUSVM_COUNT_SYNC: Those of them that found the pool empty.
 * @DRM_GPUSVM_COUNT_OTHERS: Times that one waited for the flush of another.
 * @DRM_GPUSVM_COUNT_MAX: How many counters there are.
 */
enum drm_gpusvm_counter {
	DRM_GPUSVM_COUNT_INSERT,
	DRM_GPUSVM_COUNT_REMOVE,
	DRM_GPUSVM_COUNT_SPLIT,
	DRM_GPUSVM_COUNT_GET_PAGES,
	DRM_GPUSVM_COUNT_RETRY,
	DRM_GPUSVM_COUNT_MAP,
	DRM_GPUSVM_COUNT_UNMAP,
	DRM_GPUSVM_COUNT_INVALIDATE,
	DRM_GPUSVM_COUNT_SYNC,
	DRM_GPUSVM_COUNT_OTHERS,
	DRM_GPUSVM_COUNT_MAX,
};

/**
 * struct drm_gpusvm - The memory of a process, as a GPU VM sees it
 */
struct drm_gpusvm {
	/** @name: For traces and debugfs. */
	const char *name;

	/** @drm: The device that &drm_gpusvm_range.pages are for. */
	struct drm_device *drm;

	/** @mm: The process's memory. Counted by mmgrab(). NULL: userptr only. */
	struct mm_struct *mm;

	/** @window: The addresses that are shared. */
	struct drm_gpusvm_interval window;

	/** @notifier_size: Size of a notifier's window, a power of two. */
	unsigned long notifier_size;

	/** @ops: The driver's functions. */
	const struct drm_gpusvm_ops *ops;

	/** @chunk_sizes: Sizes that a range can have, powers of two, descending. */
	const unsigned long *chunk_sizes;

	/** @num_chunks: How many @chunk_sizes there are. */
	unsigned int num_chunks;

	/** @notifiers: Interval tree of all notifiers. Lock: the driver's. */
	struct rb_root_cached notifiers;

	/** @notifier_lock: See the section "Locking". */
	struct rw_semaphore notifier_lock;

	/** @unmapped_lock: Protects @unmapped. */
	spinlock_t unmapped_lock;

	/** @unmapped: Ranges to collect, as &drm_gpusvm_range.unmapped. */
	struct list_head unmapped;

	/** @finish_pool: The memory of all finish objects. */
	void *finish_pool;

	/** @finish_lock: Protects the lists and states of finish objects. */
	spinlock_t finish_lock;

	/** @finish_free: Those that can be taken. */
	struct list_head finish_free;

	/** @finish_pending: Those handed to mm, in the order of their first pass. */
	struct list_head finish_pending;

	/** @counters: See &enum drm_gpusvm_counter. */
	atomic_long_t counters[DRM_GPUSVM_COUNT_MAX];

#ifdef CONFIG_LOCKDEP
	/** @lock_dep_map: The driver's lock, see drm_gpusvm_driver_set_lock(). */
	struct lockdep_map *lock_dep_map;
#endif
};

/**
 * struct drm_gpusvm_ctx - How a range is made or filled
 */
struct drm_gpusvm_ctx {
	/**
	 * @device_private_page_owner: Device-private pages of this owner are
	 * taken as they are. All others are migrated to system memory. NULL for
	 * none.
	 */
	void *device_private_page_owner;

	/** @read_only: The device will not write. */
	bool read_only;

	/** @devmem_only: Refuse system memory. */
	bool devmem_only;
};

int drm_gpusvm_init(struct drm_gpusvm *gpusvm, const char *name,
		    struct drm_device *drm, struct mm_struct *mm,
		    unsigned long mm_start, unsigned long mm_range,
		    unsigned long notifier_size,
		    const struct drm_gpusvm_ops *ops,
		    const unsigned long *chunk_sizes, unsigned int num_chunks);
void drm_gpusvm_fini(struct drm_gpusvm *gpusvm);

struct drm_gpusvm_range *
drm_gpusvm_range_find_or_insert(struct drm_gpusvm *gpusvm,
				unsigned long fault_addr,
				unsigned long gpuva_start,
				unsigned long gpuva_end,
				const struct drm_gpusvm_ctx *ctx);
struct drm_gpusvm_range *
drm_gpusvm_range_insert_exact(struct drm_gpusvm *gpusvm, unsigned long start,
			      unsigned long end,
			      const struct drm_gpusvm_ctx *ctx);
struct drm_gpusvm_range *
drm_gpusvm_find_range(struct drm_gpusvm *gpusvm, unsigned long start,
		      unsigned long end);
bool drm_gpusvm_has_mapping(struct drm_gpusvm *gpusvm, unsigned long start,
			    unsigned long end);
void drm_gpusvm_range_remove(struct drm_gpusvm *gpusvm,
			     struct drm_gpusvm_range *range);
struct drm_gpusvm_range *drm_gpusvm_collect_next(struct drm_gpusvm *gpusvm);
int drm_gpusvm_range_split(struct drm_gpusvm *gpusvm,
			   struct drm_gpusvm_range *range);
struct drm_gpusvm_range *drm_gpusvm_range_get(struct drm_gpusvm_range *range);
void drm_gpusvm_range_put(struct drm_gpusvm_range *range);

int drm_gpusvm_range_get_pages(struct drm_gpusvm *gpusvm,
			       struct drm_gpusvm_range *range,
			       const struct drm_gpusvm_ctx *ctx);
void drm_gpusvm_range_unmap_pages(struct drm_gpusvm *gpusvm,
				  struct drm_gpusvm_range *range);
bool drm_gpusvm_range_pages_valid(struct drm_gpusvm *gpusvm,
				  struct drm_gpusvm_range *range);

void drm_gpusvm_pages_init(struct drm_gpusvm_pages *pages,
			   struct drm_device *drm);
int drm_gpusvm_get_pages(struct drm_gpusvm *gpusvm,
			 struct drm_gpusvm_pages *pages, struct mm_struct *mm,
			 struct mmu_interval_notifier *notifier,
			 unsigned long start, unsigned long end,
			 const struct drm_gpusvm_ctx *ctx);
void drm_gpusvm_unmap_pages(struct drm_gpusvm *gpusvm,
			    struct drm_gpusvm_pages *pages);
void drm_gpusvm_free_pages(struct drm_gpusvm *gpusvm,
			   struct drm_gpusvm_pages *pages);
bool drm_gpusvm_pages_valid(struct drm_gpusvm *gpusvm,
			    struct drm_gpusvm_pages *pages);
bool drm_gpusvm_pages_valid_unlocked(struct drm_gpusvm_pages *pages);

struct drm_gpusvm_notifier *
drm_gpusvm_notifier_find(struct drm_gpusvm *gpusvm, unsigned long start,
			 unsigned long end);
struct drm_gpusvm_notifier *
drm_gpusvm_notifier_next(struct drm_gpusvm_notifier *notifier,
			 unsigned long start, unsigned long end);
struct drm_gpusvm_range *
drm_gpusvm_range_find(struct drm_gpusvm_notifier *notifier,
		      unsigned long start, unsigned long end);
struct drm_gpusvm_range *
drm_gpusvm_range_next(struct drm_gpusvm_range *range, unsigned long start,
		      unsigned long end);

void drm_gpusvm_debugfs_print(struct drm_gpusvm *gpusvm, struct drm_printer *p);

#ifdef CONFIG_LOCKDEP
/**
 * drm_gpusvm_driver_set_lock() - Say which lock is the driver's
 * @gpusvm: The gpusvm.
 * @lock: The lock that serialises the functions which make, remove and fill
 *        ranges. It must have a dep_map.
 */
#define drm_gpusvm_driver_set_lock(gpusvm, lock)			\
	do {								\
		struct drm_gpusvm *__gpusvm = (gpusvm);			\
									\
		if (!WARN(__gpusvm->lock_dep_map,			\
			  "The driver's lock is set only once"))	\
			__gpusvm->lock_dep_map = &(lock)->dep_map;	\
	} while (0)
#else
#define drm_gpusvm_driver_set_lock(gpusvm, lock)			\
	do {								\
		(void)(gpusvm);						\
		(void)(lock);						\
	} while (0)
#endif

/**
 * drm_gpusvm_assert_driver_lock() - Have lockdep look for the driver's lock
 * @gpusvm: The gpusvm.
 */
static inline void
drm_gpusvm_assert_driver_lock(const struct drm_gpusvm *gpusvm)
{
#ifdef CONFIG_LOCKDEP
	lockdep_assert(!gpusvm->lock_dep_map ||
		       lock_is_held(gpusvm->lock_dep_map));
#endif
}

/**
 * drm_gpusvm_assert_ranges_lock() - Have lockdep look for a lock of the ranges
 * @gpusvm: The gpusvm.
 *
 * Who only looks at the ranges can have the notifier lock instead of the driver's.
 */
static inline void
drm_gpusvm_assert_ranges_lock(const struct drm_gpusvm *gpusvm)
{
#ifdef CONFIG_LOCKDEP
	lockdep_assert(lockdep_is_held(&gpusvm->notifier_lock) ||
		       !gpusvm->lock_dep_map ||
		       lock_is_held(gpusvm->lock_dep_map));
#endif
}

/**
 * drm_gpusvm_notifier_lock() - Keep invalidations from beginning
 * @gpusvm: The gpusvm.
 *
 * For the driver to check drm_gpusvm_range_pages_valid() and to write the
 * addresses to its page table.
 *
 * Context: May sleep. What is done under the lock must not reclaim memory.
 */
static inline void drm_gpusvm_notifier_lock(struct drm_gpusvm *gpusvm)
{
	down_read(&gpusvm->notifier_lock);
}

/**
 * drm_gpusvm_notifier_unlock() - Let invalidations begin
 * @gpusvm: The gpusvm.
 */
static inline void drm_gpusvm_notifier_unlock(struct drm_gpusvm *gpusvm)
{
	up_read(&gpusvm->notifier_lock);
}

/**
 * drm_gpusvm_range_start() - First byte of a range
 * @range: The range.
 *
 * Return: The address of its first byte.
 */
static inline unsigned long
drm_gpusvm_range_start(const struct drm_gpusvm_range *range)
{
	return range->itree.start;
}

/**
 * drm_gpusvm_range_end() - End of a range
 * @range: The range.
 *
 * Return: The address of the first byte behind it.
 */
static inline unsigned long
drm_gpusvm_range_end(const struct drm_gpusvm_range *range)
{
	return range->itree.last + 1;
}

/**
 * drm_gpusvm_range_size() - Size of a range
 * @range: The range.
 *
 * Return: Its size in bytes.
 */
static inline unsigned long
drm_gpusvm_range_size(const struct drm_gpusvm_range *range)
{
	return drm_gpusvm_range_end(range) - drm_gpusvm_range_start(range);
}

/**
 * drm_gpusvm_range_unmapped() - Has some of a range been unmapped?
 * @range: The range.
 *
 * Context: Final under the notifier lock, a hint under the driver's.
 * Return: Whether the range is to be collected, and not to be filled.
 */
static inline bool
drm_gpusvm_range_unmapped(const struct drm_gpusvm_range *range)
{
	return READ_ONCE(range->hole.end);
}

/**
 * drm_gpusvm_for_each_notifier() - All notifiers that overlap an interval
 * @notifier: The cursor.
 * @gpusvm: The gpusvm.
 * @start: First byte of the interval.
 * @end: First byte behind it.
 *
 * Context: The driver's lock. The loop must not remove @notifier's last range.
 */
#define drm_gpusvm_for_each_notifier(notifier, gpusvm, start, end)	\
	for ((notifier) = drm_gpusvm_notifier_find(gpusvm, start, end);	\
	     (notifier);						\
	     (notifier) = drm_gpusvm_notifier_next(notifier, start, end))

/**
 * drm_gpusvm_for_each_range() - All ranges of a notifier that overlap an interval
 * @range: The cursor.
 * @notifier: The notifier.
 * @start: First byte of the interval.
 * @end: First byte behind it.
 *
 * Context: The driver's lock or the notifier lock. The loop must not remove
 * @range.
 */
#define drm_gpusvm_for_each_range(range, notifier, start, end)		\
	for ((range) = drm_gpusvm_range_find(notifier, start, end);	\
	     (range);							\
	     (range) = drm_gpusvm_range_next(range, start, end))

#endif
