// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * GPU shared virtual memory: the CPU's addresses, pages and their invalidation.
 */

#include <linux/dma-mapping.h>
#include <linux/export.h>
#include <linux/hmm.h>
#include <linux/log2.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include <drm/drm_device.h>
#include <drm/drm_gpusvm.h>
#include <drm/drm_print.h>
#include <kunit/static_stub.h>
#include <kunit/visibility.h>

#include "drm_gpusvm_internal.h"

#define CREATE_TRACE_POINTS
#include "drm_gpusvm_trace.h"

/**
 * DOC: Overview
 *
 * GPU shared virtual memory (SVM) lets a GPU use the addresses of a process: what
 * the CPU finds behind a pointer, the GPU finds there, too. This helper is the part
 * of it that deals with memory: an &struct mm_struct, its addresses and pages. It
 * knows nothing about a GPU's page table, that is the driver's.
 *
 * - &struct drm_gpusvm: One GPU VM that shares the memory of one process.
 * - &struct drm_gpusvm_notifier: A window of addresses, aligned to its size, with
 *   a &struct mmu_interval_notifier. Made when the first range in it is.
 * - &struct drm_gpusvm_range: An interval that the GPU has faulted in, or that the
 *   driver expects it to. Kept in the tree of its notifier.
 * - &struct drm_gpusvm_pages: The addresses of some memory, for one device. There is
 *   one in each range; a driver can embed it wherever it likes, and chain several,
 *   for as many devices.
 *
 * All that is kept in interval trees: finding a range, or that there is none, takes
 * a time that is logarithmic in the number of ranges.
 *
 * ::
 *
 *   gpusvm     |<------------------------- window ------------------------->|
 *   notifiers  |-----------|           |-----------|-----------|
 *   ranges        [==][=]                 [=======]   [=]  [==]
 *                                     [=== exact ===]
 *                                  |---------------------|  its notifier
 *
 * A range that is made by a fault is the biggest of the driver's chunks, aligned to
 * its size, that is in the CPU's mapping, and overlaps no other range::
 *
 *   mapping        |--------------------------------------|
 *   range                                  [==]
 *   fault                            *
 *   2M         [==============================================]  leaves the mapping
 *   64K                        [==============]                  overlaps the range
 *   4K                             [==]                          is made
 *
 * So it is in one window. A range made by drm_gpusvm_range_insert_exact() is as long
 * as the caller says. Where that
 * is across a border, it gets a notifier of its own, which is aligned as well. As
 * ranges do not overlap, there are never more than three notifiers at an address: one
 * window, and those that hold a range across the lower, or the upper, border of it.
 */

/**
 * DOC: Locking
 *
 * - The driver's lock, told by drm_gpusvm_driver_set_lock(), serialises all that
 *   makes, fills and removes ranges: faults, binds, and the collection of what was
 *   unmapped. It is held over allocations and faults of the CPU, so an invalidation
 *   can not take it.
 * - The notifier lock, &drm_gpusvm.notifier_lock. An invalidation holds it for
 *   writing when it takes addresses back, and when it unmaps them, but not while it
 *   waits for the device. The driver holds it for reading from the moment it finds
 *   the addresses valid until they are in its page table. No memory is allocated
 *   with reclaim, and no page or folio locked, under it; lockdep has been told.
 * - The trees of ranges are written under both, and read under one of them.
 *
 * A driver that itself removes something from its page table, because it is
 * collected, or got again for writing, holds the notifier lock for reading until the
 * device has been flushed. An invalidation that began between the two would find
 * nothing to flush, and memory would be unmapped that the device can still use.
 *
 * The order is: driver's lock, mmap_lock, notifier lock.
 *
 * What happens between the walk of the CPU's page table and the notifier lock is
 * found out by the sequence number of the &struct mmu_interval_notifier, and tried
 * again. This is bounded: where the memory does not come to rest for a second, it is
 * an error that user space sees.
 *
 * Nobody but the CPU's page table says which pages these are. The array that the walk
 * fills is zeroed before each try, nothing of it is used unless the whole walk went
 * well, and no page of it is looked at unless the sequence number, under the
 * notifier lock, has not changed. So a range may be bigger than what the process
 * has touched: the walk faults in the rest of it, or it fails.
 */

/**
 * DOC: State of pages
 *
 * Each &struct drm_gpusvm_pages is in one of three states::
 *
 *                 drm_gpusvm_get_pages()
 *        NONE --------------------------> VALID
 *        ^  ^                             |   |
 *        |  |   drm_gpusvm_unmap_pages(), |   | an invalidation begins:
 *        |  +-----------------------------+   | page table entries are gone,
 *        |      drm_gpusvm_range_remove()     | the device is to be flushed
 *        |                                    v
 *        +--------------------------------- STALE
 *                the device is flushed
 *
 * Addresses are unmapped when no device uses them any more, and before the
 * invalidation ends: the memory may be gone afterwards. Nothing gets VALID in the
 * meantime, because mmu_interval_read_begin() sleeps until the last invalidation has
 * ended.
 *
 * The state is one word, and one function writes it. Who looks at it without the
 * notifier lock, to see whether there is anything to do, finds one of the three.
 */

/**
 * DOC: Two-pass invalidation
 *
 * An invalidation that meets ranges takes its pages' addresses back, has the driver
 * submit what makes the device forget them, and returns to mm, which lets the
 * other notifiers do the same. When all devices are at it, mm calls again, to wait,
 * and to unmap. What there is to wait for is in a &struct drm_gpusvm_finish, of
 * which each gpusvm has some in reserve::
 *
 *            taken, and something to wait for        waited for
 *      FREE --------------------------> FLUSHING --------------> FLUSHED
 *       ^ \                                                       ^  |
 *       |  +------------------------------------------------------+  |
 *       |     taken, only others have something to wait for          |
 *       +------------------------------------------------------------+
 *                       nobody waits any more
 *
 * Where there is none left, the driver waits at once. That is slow, but right.
 *
 * Invalidations run concurrently, and one can find that another has removed the page
 * table entries of its memory already. That does not mean that the device has
 * forgotten them! So each one waits for all flushes that were submitted before it,
 * for ranges that it meets, its own and those of others::
 *
 *      A: munmap()      zap, submit ............................ wait, return
 *      B: MADV_DONTNEED        nothing left to zap ............. wait, return
 *      device                  [======== flush of A =========]
 *
 * It waits for the device, and not for the other task: &drm_gpusvm_ops.invalidate_finish
 * may thus be called several times for the same object.
 */

/**
 * DOC: Partial unmap
 *
 * When part of a range is unmapped from the CPU's address space the whole range loses
 * its addresses, as they are taken back by an invalidation, which can not allocate. It
 * remembers the smallest interval with all that is gone, the hole, and is put on
 * the list of ranges to collect. The driver calls drm_gpusvm_collect_next(), under its
 * lock, and drm_gpusvm_range_split(), which replaces the range by what remains::
 *
 *                     at its start                       at its end
 *      range          [================]                 [================]
 *      munmap()  |xxxxxxxx|                                           |xxxxxxxx|
 *      hole           |xxx|                                           |xxx|
 *      remain              [===========]                 [===========]
 *
 *                     in the middle                      in several places
 *      range          [================]                 [================]
 *      munmap()            |xxxx|                           |x|    |x|
 *      hole                |xxxx|                           |xxxxxxxx|
 *      remain         [===]      [=====]                 [=]          [===]
 *
 *                     at both ends                       all of it
 *      range          [================]                 [================]
 *      munmap()    |xxxx|            |xxxx|              |xxxxxxxxxxxxxxxx|
 *      hole           |xxxxxxxxxxxxxxxx|                 |xxxxxxxxxxxxxxxx|
 *      remain         none                               none
 *
 *                     more than all of it                what is beside it
 *      range          [================]                 [================]
 *      munmap()  |xxxxxxxxxxxxxxxxxxxxxxxxxx|       |xxx|                  |xxx|
 *      hole           |xxxxxxxxxxxxxxxx|                 none
 *      remain         none                               all, with its addresses
 *
 * A munmap() that meets several ranges is for each of them one of these.
 *
 * What remains can be filled as it is. What lies between two holes has no range until
 * the next fault makes one. No range has a hole in it when it is filled, so none keeps
 * anything of what is on its other side. Of the memory that was in a device, the hole's
 * pages were freed by munmap(), and the others stay where they are.
 */

/**
 * DOC: Migration
 *
 * Whether memory is in RAM or in a device is decided by the driver, and done by
 * drm_pagemap. Ranges are filled with what is there: system memory, device memory, or
 * both, page by page. A GPU fault that wants device memory puts the two together::
 *
 *      driver's lock
 *        |
 *        v
 *      drm_gpusvm_range_find_or_insert()   which addresses
 *        |
 *        v
 *      drm_pagemap_populate_mm()           moves what can be moved, and so
 *        |                                 invalidates the range everywhere
 *        v
 *      drm_gpusvm_range_get_pages()        takes device pages of the given owner as
 *        |                                 they are, has others migrated to RAM
 *        v
 *      drm_gpusvm_notifier_lock()
 *        drm_gpusvm_range_pages_valid() -- no: begin again
 *        |
 *        v
 *        addresses into the page table
 *      drm_gpusvm_notifier_unlock()
 *
 * - Migration is an invalidation, of this range too. Hence it comes before the pages,
 *   and not under the notifier lock. An invalidation that comes with the event
 *   %MMU_NOTIFY_MIGRATE must not be ignored, whoever causes it: the pages move.
 * - Nothing keeps the pages where they are between the steps. A CPU can have them
 *   brought back to RAM at any time. Before drm_gpusvm_range_get_pages() it finds them
 *   there, unless &drm_gpusvm_ctx.devmem_only makes that an error, -EAGAIN; after it the
 *   pages are not valid. A timeslice, which CPU faults have to wait for, gives the
 *   device its turn.
 * - The owner, &drm_gpusvm_ctx.device_private_page_owner, is &dev_pagemap.owner of
 *   memory that the device can reach. It is an argument of each call: a userptr, or
 *   a GPU that cannot reach the memory of another one, gives none.
 * - The address of a device page is made by &drm_pagemap_ops.device_map of the memory
 *   it is in, and undone by its &drm_pagemap_ops.device_unmap. A reference to the
 *   &struct drm_pagemap is held in between.
 * - Some pages do not move: those of files, or pinned ones. The others do, and the
 *   range is mixed.
 * - CPU faults and evictions need no more of the driver than its invalidation. They
 *   run while the driver's lock is held, so &drm_pagemap_devmem_ops.copy_to_ram must
 *   not take it.
 */

/**
 * DOC: Examples
 *
 * All of a driver whose device can fault, and may have memory, but for the device: its
 * page table, its TLB, and the allocation and copies of "Examples" of drm_pagemap::
 *
 *	struct driver_vm {
 *		struct drm_gpusvm gpusvm;
 *		struct drm_pagemap *dpagemap;	// NULL without device memory
 *		struct mutex lock;
 *		struct work_struct collect_work;
 *	};
 *
 *	struct driver_finish {
 *		struct drm_gpusvm_finish base;
 *		u32 seqno;
 *	};
 *
 *	static bool driver_invalidate_start(struct drm_gpusvm *gpusvm,
 *					    struct drm_gpusvm_notifier *notifier,
 *					    const struct mmu_notifier_range *mmu_range,
 *					    struct drm_gpusvm_finish *finish)
 *	{
 *		struct driver_vm *vm = container_of(gpusvm, typeof(*vm), gpusvm);
 *		struct driver_finish *f = container_of(finish, typeof(*f), base);
 *		struct drm_gpusvm_range *range;
 *		bool zapped = false;
 *		u32 seqno;
 *
 *		drm_gpusvm_for_each_range(range, notifier, mmu_range->start,
 *					  mmu_range->end)
 *			zapped |= driver_zap(vm, range);
 *		if (mmu_range->event == MMU_NOTIFY_UNMAP)
 *			queue_work(system_unbound_wq, &vm->collect_work);
 *		if (!zapped)
 *			return false;
 *
 *		seqno = driver_tlb_flush_submit(vm);
 *		if (finish)
 *			f->seqno = seqno;
 *		else
 *			driver_tlb_flush_wait(vm, seqno);
 *		return true;
 *	}
 *
 *	static void driver_invalidate_finish(struct drm_gpusvm *gpusvm,
 *					     struct drm_gpusvm_finish *finish)
 *	{
 *		struct driver_vm *vm = container_of(gpusvm, typeof(*vm), gpusvm);
 *		struct driver_finish *f = container_of(finish, typeof(*f), base);
 *
 *		driver_tlb_flush_wait(vm, f->seqno);
 *	}
 *
 *	static const struct drm_gpusvm_ops driver_gpusvm_ops = {
 *		.finish_size = sizeof(struct driver_finish),
 *		.invalidate_start = driver_invalidate_start,
 *		.invalidate_finish = driver_invalidate_finish,
 *	};
 *
 *	static void driver_unbind(struct driver_vm *vm,
 *				  struct drm_gpusvm_range *range)
 *	{
 *		bool zapped;
 *
 *		drm_gpusvm_notifier_lock(&vm->gpusvm);
 *		zapped = driver_zap(vm, range);
 *		drm_gpusvm_notifier_unlock(&vm->gpusvm);
 *		if (zapped)
 *			driver_tlb_flush_wait(vm, driver_tlb_flush_submit(vm));
 *	}
 *
 *	static void driver_collect(struct driver_vm *vm)
 *	{
 *		struct drm_gpusvm_range *range;
 *
 *		while ((range = drm_gpusvm_collect_next(&vm->gpusvm))) {
 *			driver_unbind(vm, range);
 *			if (drm_gpusvm_range_split(&vm->gpusvm, range))
 *				drm_gpusvm_range_remove(&vm->gpusvm, range);
 *		}
 *	}
 *
 *	static void driver_collect_work(struct work_struct *work)
 *	{
 *		struct driver_vm *vm = container_of(work, typeof(*vm), collect_work);
 *
 *		guard(mutex)(&vm->lock);
 *		driver_collect(vm);
 *	}
 *
 *	static int driver_bind(struct driver_vm *vm, struct drm_gpusvm_range *range)
 *	{
 *		int err = -EAGAIN;
 *
 *		drm_gpusvm_notifier_lock(&vm->gpusvm);
 *		if (drm_gpusvm_range_pages_valid(&vm->gpusvm, range))
 *			err = driver_write_ptes(vm, drm_gpusvm_range_start(range),
 *						range->pages.dma_addr,
 *						range->pages.nr_addr);
 *		drm_gpusvm_notifier_unlock(&vm->gpusvm);
 *		return err;
 *	}
 *
 *	static int driver_try_fault(struct driver_vm *vm, unsigned long addr,
 *				    bool write)
 *	{
 *		struct drm_gpusvm_ctx ctx = { .read_only = !write };
 *		struct drm_gpusvm_range *range;
 *		int err;
 *
 *		driver_collect(vm);
 *		range = drm_gpusvm_range_find_or_insert(&vm->gpusvm, addr, 0,
 *							DRIVER_VA_SIZE, &ctx);
 *		if (IS_ERR(range))
 *			return PTR_ERR(range);
 *
 *		if (vm->dpagemap) {
 *			// What does not move is used where it is
 *			ctx.device_private_page_owner = vm->dpagemap->pagemap->owner;
 *			drm_pagemap_populate_mm(vm->dpagemap,
 *						drm_gpusvm_range_start(range),
 *						drm_gpusvm_range_end(range),
 *						vm->gpusvm.mm, DRIVER_TIMESLICE_MS);
 *		}
 *
 *		err = drm_gpusvm_range_get_pages(&vm->gpusvm, range, &ctx);
 *		if (err == -EACCES) {
 *			// It was mapped for reading only
 *			driver_unbind(vm, range);
 *			drm_gpusvm_range_unmap_pages(&vm->gpusvm, range);
 *			return -EAGAIN;
 *		}
 *		if (err == -EFAULT && drm_gpusvm_range_unmapped(range))
 *			return -EAGAIN;
 *		return err ?: driver_bind(vm, range);
 *	}
 *
 *	int driver_fault(struct driver_vm *vm, unsigned long addr, bool write)
 *	{
 *		int err, tries = 0;
 *
 *		guard(mutex)(&vm->lock);
 *		do {
 *			err = driver_try_fault(vm, addr, write);
 *		} while (err == -EAGAIN && ++tries < DRIVER_MAX_TRIES);
 *		return err;
 *	}
 *
 *	// @vm is zeroed.
 *	int driver_vm_init(struct driver_vm *vm, struct drm_device *drm,
 *			   struct drm_pagemap *dpagemap)
 *	{
 *		static const unsigned long chunks[] = { SZ_2M, SZ_64K, SZ_4K };
 *		int err;
 *
 *		mutex_init(&vm->lock);
 *		INIT_WORK(&vm->collect_work, driver_collect_work);
 *		vm->dpagemap = drm_pagemap_get(dpagemap);
 *		err = drm_gpusvm_init(&vm->gpusvm, "driver", drm, current->mm, 0,
 *				      DRIVER_VA_SIZE, SZ_512M, &driver_gpusvm_ops,
 *				      chunks, ARRAY_SIZE(chunks));
 *		if (err)
 *			drm_pagemap_put(vm->dpagemap);
 *		else
 *			drm_gpusvm_driver_set_lock(&vm->gpusvm, &vm->lock);
 *		return err;
 *	}
 *
 *	// The device no longer runs anything of @vm, and its TLB is flushed.
 *	void driver_vm_fini(struct driver_vm *vm)
 *	{
 *		scoped_guard(mutex, &vm->lock)
 *			drm_gpusvm_fini(&vm->gpusvm);
 *		// Without notifiers, nobody queues it again
 *		cancel_work_sync(&vm->collect_work);
 *		drm_pagemap_put(vm->dpagemap);
 *	}
 */

/*
 * How many invalidations of one gpusvm can wait for the device at a time. One
 * takes an object for each notifier with ranges that it meets.
 */
#define FINISH_POOL	8

/*
 * Addresses are merged up to 2 MiB, the huge page of most GPUs. Device memory is
 * registered in multiples of that, so no block has pages of two kinds.
 */
#define MAX_ORDER_MERGED	(21 - PAGE_SHIFT)

static void count(struct drm_gpusvm *gpusvm, enum drm_gpusvm_counter counter)
{
	atomic_long_inc(&gpusvm->counters[counter]);
}

static struct drm_gpusvm_interval
range_interval(const struct drm_gpusvm_range *range)
{
	return drm_gpusvm_interval(drm_gpusvm_range_start(range),
				   drm_gpusvm_range_end(range));
}

/*
 * Finish objects
 */

static void flush_set_state(struct drm_gpusvm *gpusvm,
			    struct drm_gpusvm_finish *finish,
			     enum drm_gpusvm_finish_state state)
{
	lockdep_assert_held(&gpusvm->finish_lock);
	WARN_ON_ONCE(finish->state == state ||
		     (finish->state == DRM_GPUSVM_FINISH_FLUSHING &&
		      state == DRM_GPUSVM_FINISH_FREE));
	finish->state = state;
}

static int finish_pool_init(struct drm_gpusvm *gpusvm)
{
	size_t size = max(sizeof(struct drm_gpusvm_finish),
			  gpusvm->ops->finish_size);
	unsigned int i;

	size = ALIGN(size, sizeof(u64));
	gpusvm->finish_pool = kcalloc(FINISH_POOL, size, GFP_KERNEL);
	if (!gpusvm->finish_pool)
		return -ENOMEM;

	for (i = 0; i < FINISH_POOL; i++) {
		struct drm_gpusvm_finish *finish =
			gpusvm->finish_pool + i * size;

		list_add_tail(&finish->link, &gpusvm->finish_free);
	}
	return 0;
}

/* Take an object from the pool, NULL if it is empty. */
static struct drm_gpusvm_finish *flush_take(struct drm_gpusvm *gpusvm)
{
	struct drm_gpusvm_finish *finish;

	spin_lock(&gpusvm->finish_lock);
	finish = list_first_entry_or_null(&gpusvm->finish_free,
					  struct drm_gpusvm_finish, link);
	if (finish)
		list_del_init(&finish->link);
	spin_unlock(&gpusvm->finish_lock);
	return finish;
}

/* Give back an object of which nobody knows. */
static void flush_untake(struct drm_gpusvm *gpusvm,
			 struct drm_gpusvm_finish *finish)
{
	spin_lock(&gpusvm->finish_lock);
	list_add(&finish->link, &gpusvm->finish_free);
	spin_unlock(&gpusvm->finish_lock);
}

/* Let others see an invalidation of @iv, from now on they wait for its flush. */
static void flush_publish(struct drm_gpusvm *gpusvm,
			  struct drm_gpusvm_finish *finish,
			   struct drm_gpusvm_interval iv, bool flushing)
{
	lockdep_assert_held_write(&gpusvm->notifier_lock);

	spin_lock(&gpusvm->finish_lock);
	finish->iv = iv;
	finish->users = 1;
	flush_set_state(gpusvm, finish,
			flushing ? DRM_GPUSVM_FINISH_FLUSHING :
				    DRM_GPUSVM_FINISH_FLUSHED);
	list_add_tail(&finish->link, &gpusvm->finish_pending);
	spin_unlock(&gpusvm->finish_lock);
}

static void flush_put(struct drm_gpusvm *gpusvm,
		      struct drm_gpusvm_finish *finish)
{
	spin_lock(&gpusvm->finish_lock);
	if (!--finish->users) {
		flush_set_state(gpusvm, finish, DRM_GPUSVM_FINISH_FREE);
		list_move(&finish->link, &gpusvm->finish_free);
	}
	spin_unlock(&gpusvm->finish_lock);
}

/* Wait for the flush of @finish, to which the caller has a reference. */
static void flush_wait(struct drm_gpusvm *gpusvm,
		       struct drm_gpusvm_finish *finish)
{
	/* Whoever set it has waited as long as we would have to */
	if (data_race(finish->state) == DRM_GPUSVM_FINISH_FLUSHED)
		return;

	gpusvm->ops->invalidate_finish(gpusvm, finish);

	spin_lock(&gpusvm->finish_lock);
	if (finish->state == DRM_GPUSVM_FINISH_FLUSHING)
		flush_set_state(gpusvm, finish, DRM_GPUSVM_FINISH_FLUSHED);
	spin_unlock(&gpusvm->finish_lock);
}

/*
 * The first invalidation that overlaps @iv, is still flushing, and began before
 * @self (NULL: before now).
 */
static struct drm_gpusvm_finish *
flush_find_locked(struct drm_gpusvm *gpusvm, struct drm_gpusvm_interval iv,
		  struct drm_gpusvm_finish *self)
{
	struct drm_gpusvm_finish *finish;

	lockdep_assert_held(&gpusvm->finish_lock);
	list_for_each_entry(finish, &gpusvm->finish_pending, link) {
		if (finish == self)
			break;
		if (finish->state == DRM_GPUSVM_FINISH_FLUSHING &&
		    drm_gpusvm_interval_overlap(finish->iv, iv))
			return finish;
	}
	return NULL;
}

static bool flush_others(struct drm_gpusvm *gpusvm,
			 struct drm_gpusvm_interval iv)
{
	bool found;

	spin_lock(&gpusvm->finish_lock);
	found = flush_find_locked(gpusvm, iv, NULL);
	spin_unlock(&gpusvm->finish_lock);
	return found;
}

/*
 * Wait for each flush that covers some of @iv and was submitted before @self
 * began. It waits for the device, and not for the task that has to see to it:
 * that one may be stuck behind the caller.
 */
static void flush_wait_others(struct drm_gpusvm *gpusvm,
			      struct drm_gpusvm_interval iv,
			       struct drm_gpusvm_finish *self)
{
	struct drm_gpusvm_finish *finish;

	for (;;) {
		spin_lock(&gpusvm->finish_lock);
		finish = flush_find_locked(gpusvm, iv, self);
		if (finish)
			finish->users++;
		spin_unlock(&gpusvm->finish_lock);
		if (!finish)
			return;

		count(gpusvm, DRM_GPUSVM_COUNT_OTHERS);
		flush_wait(gpusvm, finish);
		flush_put(gpusvm, finish);
	}
}

/*
 * Device addresses
 */

VISIBLE_IF_KUNIT dma_addr_t
drm_gpusvm_dma_map(struct device *dev, struct page *page, unsigned int order,
		   enum dma_data_direction dir)
{
	dma_addr_t addr;

	KUNIT_STATIC_STUB_REDIRECT(drm_gpusvm_dma_map, dev, page, order, dir);

	addr = dma_map_page(dev, page, 0, PAGE_SIZE << order, dir);
	/* Asked here, since without DMA, as in UML, no address is a good one */
	return dma_mapping_error(dev, addr) ? DMA_MAPPING_ERROR : addr;
}
EXPORT_SYMBOL_IF_KUNIT(drm_gpusvm_dma_map);

VISIBLE_IF_KUNIT void
drm_gpusvm_dma_unmap(struct device *dev, dma_addr_t addr, unsigned int order,
		     enum dma_data_direction dir)
{
	KUNIT_STATIC_STUB_REDIRECT(drm_gpusvm_dma_unmap, dev, addr, order, dir);

	dma_unmap_page(dev, addr, PAGE_SIZE << order, dir);
}
EXPORT_SYMBOL_IF_KUNIT(drm_gpusvm_dma_unmap);

/* The only place where the state of pages changes. */
static void pages_set_state(struct drm_gpusvm *gpusvm,
			    struct drm_gpusvm_pages *pages,
			    enum drm_gpusvm_pages_state state)
{
	lockdep_assert_held(&gpusvm->notifier_lock);
	WARN_ON_ONCE(pages->state == state ||
		     (pages->state == DRM_GPUSVM_PAGES_STALE &&
		      state == DRM_GPUSVM_PAGES_VALID) ||
		     (pages->state == DRM_GPUSVM_PAGES_NONE &&
		      state == DRM_GPUSVM_PAGES_STALE));
	/*
	 * Pairs with pages_reserve(), which frees the addresses of pages that
	 * have none: not before who unmapped them has read the last one. And
	 * with the READ_ONCE() of those who only want a hint.
	 */
	smp_store_release(&pages->state, state);
}

/**
 * drm_gpusvm_pages_init() - Make pages without an address
 * @pages: The pages.
 * @drm: The device that will use them.
 */
void drm_gpusvm_pages_init(struct drm_gpusvm_pages *pages,
			   struct drm_device *drm)
{
	*pages = (struct drm_gpusvm_pages) {
		.drm = drm,
		.dir = DMA_NONE,
	};
}
EXPORT_SYMBOL_GPL(drm_gpusvm_pages_init);

/* Undo the first @nr addresses. */
static void pages_unmap_entries(struct drm_gpusvm *gpusvm,
				struct drm_gpusvm_pages *pages, unsigned long nr)
{
	struct device *dev = pages->drm->dev;
	unsigned long i;

	for (i = 0; i < nr; i++) {
		struct drm_pagemap_addr addr = pages->dma_addr[i];
		struct drm_pagemap *dpagemap =
			pages->dpagemaps ? pages->dpagemaps[i] : NULL;

		/* The protocol tells nothing: peers can use that of the system */
		if (!dpagemap)
			drm_gpusvm_dma_unmap(dev, addr.addr, addr.order,
					     addr.dir);
		else if (dpagemap->ops->device_unmap)
			dpagemap->ops->device_unmap(dpagemap, dev, addr);
	}
	atomic_long_add(nr, &gpusvm->counters[DRM_GPUSVM_COUNT_UNMAP]);
}

/*
 * Unmap one device's addresses. The memory they are in is freed later, as that is
 * not allowed under the notifier lock.
 */
static void pages_unmap(struct drm_gpusvm *gpusvm,
			struct drm_gpusvm_pages *pages)
{
	lockdep_assert_held_write(&gpusvm->notifier_lock);
	if (pages->state == DRM_GPUSVM_PAGES_NONE)
		return;
	pages_unmap_entries(gpusvm, pages, pages->nr_addr);
	pages_set_state(gpusvm, pages, DRM_GPUSVM_PAGES_NONE);
}

/**
 * drm_gpusvm_pages_stale() - Take back the addresses of valid pages
 * @gpusvm: The gpusvm.
 * @pages: The pages, with all that follow them.
 *
 * Context: Notifier lock for writing.
 * Return: Whether there were any.
 */
bool drm_gpusvm_pages_stale(struct drm_gpusvm *gpusvm,
			    struct drm_gpusvm_pages *pages)
{
	bool any = false;

	lockdep_assert_held_write(&gpusvm->notifier_lock);
	for (; pages; pages = pages->next) {
		if (pages->state != DRM_GPUSVM_PAGES_VALID)
			continue;
		pages_set_state(gpusvm, pages, DRM_GPUSVM_PAGES_STALE);
		any = true;
	}
	return any;
}

/**
 * drm_gpusvm_pages_unmap_stale() - Unmap what an invalidation has taken back
 * @gpusvm: The gpusvm.
 * @pages: The pages, with all that follow them.
 *
 * Context: Notifier lock for writing. No device uses the addresses any more.
 */
void drm_gpusvm_pages_unmap_stale(struct drm_gpusvm *gpusvm,
				  struct drm_gpusvm_pages *pages)
{
	for (; pages; pages = pages->next)
		if (pages->state == DRM_GPUSVM_PAGES_STALE)
			pages_unmap(gpusvm, pages);
}

/**
 * drm_gpusvm_pages_any() - Is there something that could be invalidated?
 * @pages: The pages, with all that follow them.
 *
 * Context: Notifier lock for writing.
 * Return: Whether there are addresses.
 */
bool drm_gpusvm_pages_any(struct drm_gpusvm_pages *pages)
{
	for (; pages; pages = pages->next)
		if (pages->state != DRM_GPUSVM_PAGES_NONE)
			return true;
	return false;
}

/* Free the memory of addresses that have been unmapped. */
static void pages_release(struct drm_gpusvm_pages *pages)
{
	unsigned long i;

	for (i = 0; pages->dpagemaps && i < pages->nr_addr; i++)
		drm_pagemap_put(pages->dpagemaps[i]);
	kvfree(pages->dpagemaps);
	pages->dpagemaps = NULL;
	pages->nr_device = 0;
	kvfree(pages->dma_addr);
	pages->dma_addr = NULL;
	pages->nr_addr = 0;
}

/**
 * drm_gpusvm_unmap_pages() - Unmap addresses that the device no longer uses
 * @gpusvm: The gpusvm.
 * @pages: The pages, with all that follow them.
 *
 * The driver has removed them from its page tables before, and flushed the
 * device, without an invalidation in between: see the section "Locking". Where an
 * invalidation is doing that, this leaves the rest to it.
 *
 * Context: May sleep. The lock that serialises drm_gpusvm_get_pages().
 */
void drm_gpusvm_unmap_pages(struct drm_gpusvm *gpusvm,
			    struct drm_gpusvm_pages *pages)
{
	down_write(&gpusvm->notifier_lock);
	for (; pages; pages = pages->next)
		if (pages->state == DRM_GPUSVM_PAGES_VALID)
			pages_unmap(gpusvm, pages);
	up_write(&gpusvm->notifier_lock);
}
EXPORT_SYMBOL_GPL(drm_gpusvm_unmap_pages);

/**
 * drm_gpusvm_free_pages() - The end of pages
 * @gpusvm: The gpusvm.
 * @pages: The pages, with all that follow them.
 *
 * Unmaps what is still mapped. As for drm_gpusvm_unmap_pages() no device uses it;
 * and no invalidation can reach it, because the notifier, or the range, that
 * covers it has been removed.
 *
 * Context: May sleep.
 */
void drm_gpusvm_free_pages(struct drm_gpusvm *gpusvm,
			   struct drm_gpusvm_pages *pages)
{
	struct drm_gpusvm_pages *each;

	down_write(&gpusvm->notifier_lock);
	for (each = pages; each; each = each->next)
		pages_unmap(gpusvm, each);
	up_write(&gpusvm->notifier_lock);

	for (each = pages; each; each = each->next)
		pages_release(each);
}
EXPORT_SYMBOL_GPL(drm_gpusvm_free_pages);

/**
 * drm_gpusvm_pages_valid() - Can the addresses be given to the device?
 * @gpusvm: The gpusvm.
 * @pages: The pages, with all that follow them.
 *
 * Context: Notifier lock. The answer is true for as long as it is held.
 * Return: Whether every device has its addresses.
 */
bool drm_gpusvm_pages_valid(struct drm_gpusvm *gpusvm,
			    struct drm_gpusvm_pages *pages)
{
	lockdep_assert_held(&gpusvm->notifier_lock);
	return drm_gpusvm_pages_valid_unlocked(pages);
}
EXPORT_SYMBOL_GPL(drm_gpusvm_pages_valid);

/**
 * drm_gpusvm_pages_valid_unlocked() - Is there reason to call get_pages?
 * @pages: The pages, with all that follow them.
 *
 * Context: Any. The answer may be out of date when it is given.
 * Return: Whether every device has its addresses.
 */
bool drm_gpusvm_pages_valid_unlocked(struct drm_gpusvm_pages *pages)
{
	for (; pages; pages = pages->next)
		if (READ_ONCE(pages->state) != DRM_GPUSVM_PAGES_VALID)
			return false;
	return true;
}
EXPORT_SYMBOL_GPL(drm_gpusvm_pages_valid_unlocked);

/*
 * Filling pages
 */

/**
 * struct fill - One call of drm_gpusvm_get_pages()
 * @gpusvm: The gpusvm.
 * @pages: What to fill.
 * @mm: Whose memory it is, its users are counted.
 * @notifier: The subscription, covers @iv.
 * @iv: The memory.
 * @ctx: The caller's wishes.
 * @dir: The DMA direction that follows from it.
 * @pfns: What the CPU's page table says, a &enum hmm_pfn_flags each.
 * @seq: When it was asked.
 * @retries: How often it had to start again.
 */
struct fill {
	struct drm_gpusvm *gpusvm;
	struct drm_gpusvm_pages *pages;
	struct mm_struct *mm;
	struct mmu_interval_notifier *notifier;
	struct drm_gpusvm_interval iv;
	const struct drm_gpusvm_ctx *ctx;
	enum dma_data_direction dir;
	unsigned long *pfns;
	unsigned long seq;
	unsigned int retries;
};

static unsigned long fill_npages(const struct fill *fill)
{
	return (fill->iv.end - fill->iv.start) >> PAGE_SHIFT;
}

/*
 * Can a device use all of @iv? Called again for each try, since the answer can
 * change. Without it a device file would fault for ever.
 */
static int check_vmas(struct mm_struct *mm, struct drm_gpusvm_interval iv,
		      bool read_only)
{
	VMA_ITERATOR(vmi, mm, iv.start);
	struct vm_area_struct *vma;

	mmap_assert_locked(mm);
	for_each_vma_range(vmi, vma, iv.end) {
		if (vma->vm_start > iv.start)
			return -EFAULT;
		if (vma->vm_flags & (VM_IO | VM_PFNMAP))
			return -EIO;
		if (!(vma->vm_flags & VM_READ) ||
		    !(read_only || vma->vm_flags & VM_WRITE))
			return -EPERM;
		iv.start = vma->vm_end;
	}
	return iv.start < iv.end ? -EFAULT : 0;
}

/* Fault all pages in. -EBUSY: there was an invalidation, try again. */
static int fill_fault(struct fill *fill)
{
	struct hmm_range hmm = {
		.notifier = fill->notifier,
		.start = fill->iv.start,
		.end = fill->iv.end,
		.hmm_pfns = fill->pfns,
		.default_flags = HMM_PFN_REQ_FAULT,
		.dev_private_owner = fill->ctx->device_private_page_owner,
	};
	int err;

	if (!fill->ctx->read_only)
		hmm.default_flags |= HMM_PFN_REQ_WRITE;

	/* Sleeps while an invalidation is under way, so not below mmap_lock */
	fill->seq = mmu_interval_read_begin(fill->notifier);
	hmm.notifier_seq = fill->seq;
	/* They are input as well, and a failed try has left something there */
	memset(fill->pfns, 0, fill_npages(fill) * sizeof(*fill->pfns));

	mmap_read_lock(fill->mm);
	err = check_vmas(fill->mm, fill->iv, fill->ctx->read_only);
	if (!err)
		err = hmm_range_fault(&hmm);
	mmap_read_unlock(fill->mm);
	return err;
}

/* Contiguous page frames from page @i on, no more than @max of them. */
static unsigned long fill_run(const struct fill *fill, unsigned long i,
			      unsigned long max)
{
	unsigned long pfn = fill->pfns[i] & ~HMM_PFN_FLAGS, n;

	max = min(max, fill_npages(fill) - i);
	for (n = 1; n < max; n++)
		if ((fill->pfns[i + n] & ~HMM_PFN_FLAGS) != pfn + n)
			break;
	return n;
}

/*
 * The order of the block that begins with page @i. It is made of what the frames
 * are, and not of how the CPU has mapped them: so it ends with the range, and
 * small pages that happen to be neighbours become one.
 */
static unsigned int fill_order(const struct fill *fill, unsigned long i,
			       unsigned int max)
{
	unsigned long vpn = (fill->iv.start >> PAGE_SHIFT) + i;
	unsigned long pfn = fill->pfns[i] & ~HMM_PFN_FLAGS;
	unsigned long run;

	max = drm_gpusvm_interval_order(vpn, pfn, ULONG_MAX, max);
	run = fill_run(fill, i, 1UL << max);
	return drm_gpusvm_interval_order(vpn, pfn, run, max);
}

static unsigned int pages_max_order(const struct drm_gpusvm_pages *pages)
{
	size_t size = dma_max_mapping_size(pages->drm->dev);

	return min_t(unsigned int, MAX_ORDER_MERGED, ilog2(size >> PAGE_SHIFT));
}

/* Get the memory for the addresses of one device. */
static int pages_reserve(struct fill *fill, struct drm_gpusvm_pages *pages)
{
	unsigned int max_order = pages_max_order(pages);
	unsigned long i, nr = 0;

	/*
	 * Still used, or only just invalidated: that is seen under the lock.
	 * Pairs with pages_set_state().
	 */
	if (smp_load_acquire(&pages->state) != DRM_GPUSVM_PAGES_NONE)
		return 0;

	pages_release(pages);
	for (i = 0; i < fill_npages(fill);
	     i += 1UL << fill_order(fill, i, max_order))
		nr++;
	pages->dma_addr = kvmalloc_array(nr, sizeof(*pages->dma_addr),
					 GFP_KERNEL);
	if (!pages->dma_addr)
		return -ENOMEM;
	/* Without an owner there is none to be had */
	if (!fill->ctx->device_private_page_owner)
		return 0;

	pages->dpagemaps = kvcalloc(nr, sizeof(*pages->dpagemaps), GFP_KERNEL);
	return pages->dpagemaps ? 0 : -ENOMEM;
}

static int pages_map_device(struct fill *fill, struct drm_gpusvm_pages *pages,
			    unsigned long nr, struct page *page,
			    unsigned int order)
{
	struct drm_pagemap *dpagemap = drm_pagemap_page_to_dpagemap(page);
	struct device *dev = pages->drm->dev;
	struct drm_pagemap_addr addr;

	if (!dpagemap || !pages->dpagemaps)
		return -EOPNOTSUPP;
	pages->dpagemaps[nr] = drm_pagemap_get(dpagemap);
	pages->nr_addr = nr + 1;

	addr = dpagemap->ops->device_map(dpagemap, dev, page, order, fill->dir);
	if (addr.addr == DMA_MAPPING_ERROR)
		return -EIO;
	pages->dma_addr[nr] = addr;
	pages->nr_device++;
	return 0;
}

static int pages_map_system(struct fill *fill, struct drm_gpusvm_pages *pages,
			    unsigned long nr, struct page *page,
			    unsigned int order)
{
	struct device *dev = pages->drm->dev;
	dma_addr_t addr;

	if (fill->ctx->devmem_only)
		return -EAGAIN;
	addr = drm_gpusvm_dma_map(dev, page, order, fill->dir);
	if (addr == DMA_MAPPING_ERROR)
		return -ENOMEM;
	pages->dma_addr[nr] =
		drm_pagemap_addr_encode(addr, DRM_INTERCONNECT_SYSTEM, order,
					fill->dir);
	return 0;
}

/* Map all memory for one device, or nothing. */
static int pages_map(struct fill *fill, struct drm_gpusvm_pages *pages)
{
	unsigned int order, max_order = pages_max_order(pages);
	unsigned long i, nr = 0;
	struct page *page;
	int err;

	for (i = 0; i < fill_npages(fill); i += 1UL << order, nr++) {
		order = fill_order(fill, i, max_order);
		page = hmm_pfn_to_page(fill->pfns[i]);
		if (is_device_private_page(page))
			err = pages_map_device(fill, pages, nr, page, order);
		else
			err = pages_map_system(fill, pages, nr, page, order);
		if (err) {
			pages_unmap_entries(fill->gpusvm, pages, nr);
			goto out;
		}
	}
	pages->nr_addr = nr;
	pages->dir = fill->dir;
out:
	atomic_long_add(nr, &fill->gpusvm->counters[DRM_GPUSVM_COUNT_MAP]);
	return err;
}

/* Map all memory for all devices, or nothing. -EBUSY: there was an invalidation. */
static int fill_map(struct fill *fill)
{
	struct drm_gpusvm *gpusvm = fill->gpusvm;
	struct drm_gpusvm_pages *pages, *undo;
	int err = 0;

	lockdep_assert_held(&gpusvm->notifier_lock);
	/* Only now are the pages known to be those of the process */
	if (mmu_interval_read_retry(fill->notifier, fill->seq))
		return -EBUSY;

	for (pages = fill->pages; pages; pages = pages->next) {
		if (pages->state == DRM_GPUSVM_PAGES_STALE)
			err = -EBUSY;
		else if (pages->state == DRM_GPUSVM_PAGES_NONE)
			err = pages_map(fill, pages);
		else if (fill->dir == DMA_BIDIRECTIONAL &&
			 pages->dir != DMA_BIDIRECTIONAL)
			err = -EACCES;
		if (err)
			goto err_undo;
	}

	for (pages = fill->pages; pages; pages = pages->next)
		if (pages->state == DRM_GPUSVM_PAGES_NONE)
			pages_set_state(gpusvm, pages, DRM_GPUSVM_PAGES_VALID);
	return 0;

err_undo:
	for (undo = fill->pages; undo != pages; undo = undo->next)
		if (undo->state == DRM_GPUSVM_PAGES_NONE)
			pages_unmap_entries(gpusvm, undo, undo->nr_addr);
	return err;
}

/* One try. */
static int fill_try(struct fill *fill)
{
	struct drm_gpusvm_pages *pages;
	int err;

	err = fill_fault(fill);
	if (err)
		return err;

	for (pages = fill->pages; pages; pages = pages->next) {
		err = pages_reserve(fill, pages);
		if (err)
			return err;
	}

	down_read(&fill->gpusvm->notifier_lock);
	err = fill_map(fill);
	up_read(&fill->gpusvm->notifier_lock);
	return err;
}

/* Try until there is no invalidation, but not for ever. */
static int fill_retry(struct fill *fill)
{
	unsigned long timeout =
		jiffies + msecs_to_jiffies(HMM_RANGE_DEFAULT_TIMEOUT);
	int err;

	for (;;) {
		err = fill_try(fill);
		if (err != -EBUSY || time_after(jiffies, timeout))
			return err;
		if (fatal_signal_pending(current))
			return -EINTR;
		count(fill->gpusvm, DRM_GPUSVM_COUNT_RETRY);
		fill->retries++;
		cond_resched();
	}
}

/**
 * drm_gpusvm_get_pages() - Fault memory in and map it for devices
 * @gpusvm: The gpusvm.
 * @pages: What to fill, with all that follow it. Those that are valid are left
 *         alone.
 * @mm: Whose memory it is.
 * @notifier: A subscription of @mm that covers the memory, and that takes the
 *            notifier lock for writing when it sets the sequence number.
 * @start: First byte, a multiple of the page size.
 * @end: First byte behind it, a multiple of the page size.
 * @ctx: Whether the device writes, and what device memory it can use.
 *
 * Walks the CPU's page table once, for all devices. Pages that are neighbours in
 * physical memory become one address, as far as both it and the virtual address
 * are aligned to the size; no address reaches beyond the memory asked for.
 * System and device memory may be mixed, page by page.
 *
 * Nothing is mapped unless all is. The addresses can be taken back at any time:
 * check drm_gpusvm_pages_valid() under the notifier lock before use.
 *
 * Context: May sleep and reclaim, takes mmap_lock and the notifier lock. The
 * caller serialises calls for the same @pages, for ranges with the driver's lock.
 * Return: 0, or
 *
 * - -EBUSY: the memory is invalidated all the time, for a second or more
 * - -EFAULT: some of it is not mapped, cannot be faulted in, or the process is
 *   gone
 * - -EIO: some of it belongs to a device, or cannot be mapped for @pages' device
 * - -EPERM: the process itself is not allowed what is asked for
 * - -EACCES: it is mapped already, for reading only; drm_gpusvm_unmap_pages() first
 * - -EAGAIN: some of it is system memory, which was excluded
 * - -EOPNOTSUPP: some of it is device memory of which drm_pagemap knows nothing
 * - -ENOMEM: no memory, or no DMA addresses
 * - -EINTR: the caller is being killed
 */
int drm_gpusvm_get_pages(struct drm_gpusvm *gpusvm,
			 struct drm_gpusvm_pages *pages, struct mm_struct *mm,
			 struct mmu_interval_notifier *notifier,
			 unsigned long start, unsigned long end,
			 const struct drm_gpusvm_ctx *ctx)
{
	struct fill fill = {
		.gpusvm = gpusvm,
		.pages = pages,
		.mm = mm,
		.notifier = notifier,
		.iv = drm_gpusvm_interval(start, end),
		.ctx = ctx,
		.dir = ctx->read_only ? DMA_TO_DEVICE : DMA_BIDIRECTIONAL,
	};
	unsigned long nr = 0;
	int err;

	count(gpusvm, DRM_GPUSVM_COUNT_GET_PAGES);
	fill.pfns = kvmalloc_array(fill_npages(&fill), sizeof(*fill.pfns),
				   GFP_KERNEL);
	if (!fill.pfns)
		return -ENOMEM;

	err = -EFAULT;
	if (mmget_not_zero(mm)) {
		err = fill_retry(&fill);
		mmput(mm);
	}

	kvfree(fill.pfns);
	if (!err)
		/* Does not change when the addresses are taken back */
		nr = data_race(pages->nr_addr);
	trace_drm_gpusvm_get_pages(gpusvm, fill.iv, fill.retries, nr, err);
	return err;
}
EXPORT_SYMBOL_GPL(drm_gpusvm_get_pages);

/*
 * Finding notifiers and ranges
 */

static struct drm_gpusvm_notifier *
to_notifier(struct interval_tree_node *node)
{
	return node ? container_of(node, struct drm_gpusvm_notifier, itree) :
		      NULL;
}

static struct drm_gpusvm_range *to_range(struct interval_tree_node *node)
{
	return node ? container_of(node, struct drm_gpusvm_range, itree) : NULL;
}

/**
 * drm_gpusvm_notifier_find() - First notifier that overlaps an interval
 * @gpusvm: The gpusvm.
 * @start: First byte of the interval.
 * @end: First byte behind it.
 *
 * Context: The driver's lock.
 * Return: The notifier, NULL if there is none.
 */
struct drm_gpusvm_notifier *
drm_gpusvm_notifier_find(struct drm_gpusvm *gpusvm, unsigned long start,
			 unsigned long end)
{
	drm_gpusvm_assert_driver_lock(gpusvm);
	return to_notifier(interval_tree_iter_first(&gpusvm->notifiers, start,
						    end - 1));
}
EXPORT_SYMBOL_GPL(drm_gpusvm_notifier_find);

/**
 * drm_gpusvm_notifier_next() - Next notifier that overlaps an interval
 * @notifier: The one before it.
 * @start: First byte of the interval.
 * @end: First byte behind it.
 *
 * Context: The driver's lock.
 * Return: The notifier, NULL if there is none.
 */
struct drm_gpusvm_notifier *
drm_gpusvm_notifier_next(struct drm_gpusvm_notifier *notifier,
			 unsigned long start, unsigned long end)
{
	drm_gpusvm_assert_driver_lock(notifier->gpusvm);
	return to_notifier(interval_tree_iter_next(&notifier->itree, start,
						   end - 1));
}
EXPORT_SYMBOL_GPL(drm_gpusvm_notifier_next);

/**
 * drm_gpusvm_range_find() - First range of a notifier that overlaps an interval
 * @notifier: The notifier.
 * @start: First byte of the interval.
 * @end: First byte behind it.
 *
 * Context: The driver's lock or the notifier lock.
 * Return: The range, without a reference, NULL if there is none.
 */
struct drm_gpusvm_range *
drm_gpusvm_range_find(struct drm_gpusvm_notifier *notifier,
		      unsigned long start, unsigned long end)
{
	drm_gpusvm_assert_ranges_lock(notifier->gpusvm);
	return to_range(interval_tree_iter_first(&notifier->ranges, start,
						 end - 1));
}
EXPORT_SYMBOL_GPL(drm_gpusvm_range_find);

/**
 * drm_gpusvm_range_next() - Next range of a notifier that overlaps an interval
 * @range: The one before it.
 * @start: First byte of the interval.
 * @end: First byte behind it.
 *
 * Context: The driver's lock or the notifier lock.
 * Return: The range, without a reference, NULL if there is none.
 */
struct drm_gpusvm_range *
drm_gpusvm_range_next(struct drm_gpusvm_range *range, unsigned long start,
		      unsigned long end)
{
	drm_gpusvm_assert_ranges_lock(range->gpusvm);
	return to_range(interval_tree_iter_next(&range->itree, start, end - 1));
}
EXPORT_SYMBOL_GPL(drm_gpusvm_range_next);

/**
 * drm_gpusvm_find_range() - A range that overlaps an interval
 * @gpusvm: The gpusvm.
 * @start: First byte of the interval.
 * @end: First byte behind it.
 *
 * Context: The driver's lock.
 * Return: The range, without a reference, NULL if there is none.
 */
struct drm_gpusvm_range *
drm_gpusvm_find_range(struct drm_gpusvm *gpusvm, unsigned long start,
		      unsigned long end)
{
	struct drm_gpusvm_notifier *notifier;
	struct drm_gpusvm_range *range;

	drm_gpusvm_for_each_notifier(notifier, gpusvm, start, end) {
		range = drm_gpusvm_range_find(notifier, start, end);
		if (range)
			return range;
	}
	return NULL;
}
EXPORT_SYMBOL_GPL(drm_gpusvm_find_range);

/**
 * drm_gpusvm_has_mapping() - Can the device have anything of an interval mapped?
 * @gpusvm: The gpusvm.
 * @start: First byte of the interval.
 * @end: First byte behind it.
 *
 * Context: The driver's lock.
 * Return: Whether there is a range.
 */
bool drm_gpusvm_has_mapping(struct drm_gpusvm *gpusvm, unsigned long start,
			    unsigned long end)
{
	return drm_gpusvm_find_range(gpusvm, start, end);
}
EXPORT_SYMBOL_GPL(drm_gpusvm_has_mapping);

/*
 * Invalidation
 */

/* The hull of all ranges of @notifier that overlap what @mmu_range invalidates. */
static struct drm_gpusvm_interval
notifier_hit(struct drm_gpusvm_notifier *notifier,
	     const struct mmu_notifier_range *mmu_range)
{
	struct drm_gpusvm_interval hit = {};
	struct drm_gpusvm_range *range;

	drm_gpusvm_for_each_range(range, notifier, mmu_range->start,
				  mmu_range->end)
		hit = drm_gpusvm_interval_hull(hit, range_interval(range));
	return hit;
}

/* Some of @range, that in @iv, is no longer there. */
static void range_set_unmapped(struct drm_gpusvm_range *range,
			       struct drm_gpusvm_interval iv)
{
	struct drm_gpusvm *gpusvm = range->gpusvm;

	lockdep_assert_held_write(&gpusvm->notifier_lock);
	iv = drm_gpusvm_interval_clamp(iv, range_interval(range));
	iv = drm_gpusvm_interval_hull(range->hole, iv);
	WRITE_ONCE(range->hole.start, iv.start);
	WRITE_ONCE(range->hole.end, iv.end);

	spin_lock(&gpusvm->unmapped_lock);
	if (list_empty(&range->unmapped))
		list_add_tail(&range->unmapped, &gpusvm->unmapped);
	spin_unlock(&gpusvm->unmapped_lock);
}

static void notifier_stale(struct drm_gpusvm_notifier *notifier,
			   const struct mmu_notifier_range *mmu_range)
{
	struct drm_gpusvm_interval iv =
		drm_gpusvm_interval(mmu_range->start, mmu_range->end);
	struct drm_gpusvm_range *range;

	drm_gpusvm_for_each_range(range, notifier, iv.start, iv.end) {
		drm_gpusvm_pages_stale(notifier->gpusvm, &range->pages);
		if (mmu_range->event == MMU_NOTIFY_UNMAP)
			range_set_unmapped(range, iv);
	}
}

/* No device uses what was taken back in @iv any more. */
static void notifier_unmap_stale(struct drm_gpusvm_notifier *notifier,
				 struct drm_gpusvm_interval iv)
{
	struct drm_gpusvm_range *range;

	lockdep_assert_held_write(&notifier->gpusvm->notifier_lock);
	drm_gpusvm_for_each_range(range, notifier, iv.start, iv.end)
		drm_gpusvm_pages_unmap_stale(notifier->gpusvm, &range->pages);
}

/*
 * The first pass of an invalidation that meets the ranges in @hit. What it
 * returns is owed a second one.
 */
static struct drm_gpusvm_finish *
notifier_submit(struct drm_gpusvm_notifier *notifier,
		const struct mmu_notifier_range *mmu_range,
		struct drm_gpusvm_interval hit)
{
	struct drm_gpusvm *gpusvm = notifier->gpusvm;
	struct drm_gpusvm_finish *finish;
	bool flushing;

	count(gpusvm, DRM_GPUSVM_COUNT_INVALIDATE);
	notifier_stale(notifier, mmu_range);

	finish = flush_take(gpusvm);
	if (!finish)
		count(gpusvm, DRM_GPUSVM_COUNT_SYNC);
	flushing = gpusvm->ops->invalidate_start(gpusvm, notifier, mmu_range,
						 finish);
	trace_drm_gpusvm_invalidate_start(gpusvm, mmu_range, hit, flushing,
					  !finish);
	if (finish) {
		if (flushing || flush_others(gpusvm, hit)) {
			flush_publish(gpusvm, finish, hit, flushing);
			return finish;
		}
		flush_untake(gpusvm, finish);
	} else {
		flush_wait_others(gpusvm, hit, NULL);
	}
	notifier_unmap_stale(notifier, hit);
	return NULL;
}

static bool notifier_start(struct mmu_interval_notifier *mni,
			   const struct mmu_notifier_range *mmu_range,
			   unsigned long cur_seq,
			   struct mmu_interval_notifier_finish **mni_finish)
{
	struct drm_gpusvm_notifier *notifier =
		container_of(mni, struct drm_gpusvm_notifier, notifier);
	struct drm_gpusvm *gpusvm = notifier->gpusvm;
	struct drm_gpusvm_finish *finish = NULL;
	struct drm_gpusvm_interval hit;

	if (mmu_notifier_range_blockable(mmu_range))
		down_write(&gpusvm->notifier_lock);
	else if (!down_write_trylock(&gpusvm->notifier_lock))
		return false;

	hit = notifier_hit(notifier, mmu_range);
	if (!drm_gpusvm_interval_empty(hit) &&
	    !mmu_notifier_range_blockable(mmu_range)) {
		up_write(&gpusvm->notifier_lock);
		return false;
	}

	mmu_interval_set_seq(mni, cur_seq);
	if (!drm_gpusvm_interval_empty(hit))
		finish = notifier_submit(notifier, mmu_range, hit);
	up_write(&gpusvm->notifier_lock);

	if (finish)
		*mni_finish = &finish->base;
	return true;
}

static void notifier_finish(struct mmu_interval_notifier_finish *mni_finish)
{
	struct drm_gpusvm_finish *finish =
		container_of(mni_finish, struct drm_gpusvm_finish, base);
	struct drm_gpusvm_notifier *notifier =
		container_of(mni_finish->notifier, struct drm_gpusvm_notifier,
			     notifier);
	struct drm_gpusvm *gpusvm = notifier->gpusvm;

	flush_wait_others(gpusvm, finish->iv, finish);
	flush_wait(gpusvm, finish);

	down_write(&gpusvm->notifier_lock);
	notifier_unmap_stale(notifier, finish->iv);
	up_write(&gpusvm->notifier_lock);

	trace_drm_gpusvm_invalidate_finish(gpusvm, finish->iv);
	flush_put(gpusvm, finish);
}

static const struct mmu_interval_notifier_ops notifier_ops = {
	.invalidate_start = notifier_start,
	.invalidate_finish = notifier_finish,
};

/*
 * Making and removing notifiers
 */

/* A notifier that covers @iv, a new one if need be. */
static struct drm_gpusvm_notifier *
notifier_get(struct drm_gpusvm *gpusvm, struct drm_gpusvm_interval iv)
{
	struct drm_gpusvm_interval window =
		drm_gpusvm_interval_align(iv, gpusvm->notifier_size);
	struct drm_gpusvm_notifier *notifier;
	int err;

	/* At the end of the address space there is no next window to reach */
	if (drm_gpusvm_interval_empty(window))
		window.end = gpusvm->window.end;

	drm_gpusvm_for_each_notifier(notifier, gpusvm, iv.start, iv.end)
		if (notifier->itree.start <= window.start &&
		    window.end - 1 <= notifier->itree.last)
			return notifier;

	notifier = kzalloc(sizeof(*notifier), GFP_KERNEL);
	if (!notifier)
		return ERR_PTR(-ENOMEM);

	notifier->gpusvm = gpusvm;
	notifier->ranges = RB_ROOT_CACHED;
	notifier->itree.start = window.start;
	notifier->itree.last = window.end - 1;
	/* Called back from here on */
	err = mmu_interval_notifier_insert(&notifier->notifier, gpusvm->mm,
					   window.start,
					   window.end - window.start,
					   &notifier_ops);
	if (err) {
		kfree(notifier);
		return ERR_PTR(err);
	}
	interval_tree_insert(&notifier->itree, &gpusvm->notifiers);
	return notifier;
}

/* Remove @notifier if it has no ranges. Waits for invalidations. */
static void notifier_put(struct drm_gpusvm_notifier *notifier)
{
	struct drm_gpusvm *gpusvm = notifier->gpusvm;

	drm_gpusvm_assert_driver_lock(gpusvm);
	if (!RB_EMPTY_ROOT(&notifier->ranges.rb_root))
		return;
	interval_tree_remove(&notifier->itree, &gpusvm->notifiers);
	mmu_interval_notifier_remove(&notifier->notifier);
	kfree(notifier);
}

/*
 * Making and removing ranges
 */

static struct drm_gpusvm_range *range_new(struct drm_gpusvm *gpusvm)
{
	struct drm_gpusvm_range *range;

	if (gpusvm->ops->range_alloc)
		range = gpusvm->ops->range_alloc(gpusvm);
	else
		range = kzalloc(sizeof(*range), GFP_KERNEL);
	if (!range)
		return ERR_PTR(-ENOMEM);
	if (IS_ERR(range))
		return range;

	range->gpusvm = gpusvm;
	kref_init(&range->ref);
	INIT_LIST_HEAD(&range->unmapped);
	/* What follows, if anything, is the driver's */
	range->pages.drm = gpusvm->drm;
	range->pages.dir = DMA_NONE;
	return range;
}

static void range_destroy(struct kref *ref)
{
	struct drm_gpusvm_range *range =
		container_of(ref, struct drm_gpusvm_range, ref);
	struct drm_gpusvm *gpusvm = range->gpusvm;

	drm_gpusvm_free_pages(gpusvm, &range->pages);
	if (gpusvm->ops->range_free)
		gpusvm->ops->range_free(range);
	else
		kfree(range);
}

/**
 * drm_gpusvm_range_get() - Take a reference to a range
 * @range: The range.
 *
 * Keeps its memory, but not its place in the gpusvm.
 *
 * Return: @range.
 */
struct drm_gpusvm_range *drm_gpusvm_range_get(struct drm_gpusvm_range *range)
{
	kref_get(&range->ref);
	return range;
}
EXPORT_SYMBOL_GPL(drm_gpusvm_range_get);

/**
 * drm_gpusvm_range_put() - Drop a reference to a range
 * @range: The range.
 *
 * The gpusvm must still be there.
 *
 * Context: May sleep, not under the notifier lock.
 */
void drm_gpusvm_range_put(struct drm_gpusvm_range *range)
{
	kref_put(&range->ref, range_destroy);
}
EXPORT_SYMBOL_GPL(drm_gpusvm_range_put);

/* Make @range the one of @iv. */
static void range_link(struct drm_gpusvm_notifier *notifier,
		       struct drm_gpusvm_range *range,
		       struct drm_gpusvm_interval iv)
{
	lockdep_assert_held_write(&notifier->gpusvm->notifier_lock);
	range->notifier = notifier;
	range->itree.start = iv.start;
	range->itree.last = iv.end - 1;
	interval_tree_insert(&range->itree, &notifier->ranges);
	trace_drm_gpusvm_range_insert(range);
}

/* The opposite. No device uses what the range has mapped. */
static void range_unlink(struct drm_gpusvm_range *range)
{
	struct drm_gpusvm *gpusvm = range->gpusvm;
	struct drm_gpusvm_pages *pages;

	lockdep_assert_held_write(&gpusvm->notifier_lock);
	trace_drm_gpusvm_range_remove(range);
	interval_tree_remove(&range->itree, &range->notifier->ranges);
	for (pages = &range->pages; pages; pages = pages->next)
		pages_unmap(gpusvm, pages);

	spin_lock(&gpusvm->unmapped_lock);
	list_del_init(&range->unmapped);
	spin_unlock(&gpusvm->unmapped_lock);
}

/**
 * struct place - Where a new range goes
 * @gpusvm: The gpusvm.
 * @addr: Must be in it.
 * @bounds: Must not be left.
 * @exact: It is to be all of @bounds.
 * @read_only: The device will not write.
 */
struct place {
	struct drm_gpusvm *gpusvm;
	unsigned long addr;
	struct drm_gpusvm_interval bounds;
	bool exact;
	bool read_only;
};

/*
 * The biggest chunk around the address that is in the VMA, and overlaps no other
 * range. Each step leaves a smaller one, so there are as many as sizes.
 */
static int place_chunk(const struct place *place,
		       struct drm_gpusvm_interval *iv)
{
	struct drm_gpusvm *gpusvm = place->gpusvm;
	struct drm_gpusvm_interval bounds = place->bounds;
	struct drm_gpusvm_range *range;
	struct vm_area_struct *vma;
	int err;

	vma = vma_lookup(gpusvm->mm, place->addr);
	if (!vma)
		return -EFAULT;
	bounds = drm_gpusvm_interval_clamp(bounds,
					   drm_gpusvm_interval(vma->vm_start,
							       vma->vm_end));
	err = check_vmas(gpusvm->mm, bounds, place->read_only);
	if (err)
		return err;

	for (;;) {
		*iv = drm_gpusvm_interval_chunk(place->addr,
						gpusvm->chunk_sizes,
						gpusvm->num_chunks, bounds);
		if (drm_gpusvm_interval_empty(*iv))
			return -EINVAL;
		range = drm_gpusvm_find_range(gpusvm, iv->start, iv->end);
		if (!range)
			return 0;
		bounds = drm_gpusvm_interval_beside(bounds, place->addr,
						    range_interval(range));
	}
}

static int place_exact(const struct place *place,
		       struct drm_gpusvm_interval *iv)
{
	*iv = place->bounds;
	if (drm_gpusvm_find_range(place->gpusvm, iv->start, iv->end))
		return -EEXIST;
	return check_vmas(place->gpusvm->mm, *iv, place->read_only);
}

/*
 * Put @range into the tree, where @place says. The mmap_lock is held from the
 * look at the VMA on, so that no range is made of memory that is being unmapped:
 * nobody would be told.
 */
static int place_link(const struct place *place,
		      struct drm_gpusvm_notifier *notifier,
		      struct drm_gpusvm_range *range)
{
	struct drm_gpusvm *gpusvm = place->gpusvm;
	struct drm_gpusvm_interval iv;
	int err;

	mmap_read_lock(gpusvm->mm);
	err = place->exact ? place_exact(place, &iv) : place_chunk(place, &iv);
	if (!err) {
		down_write(&gpusvm->notifier_lock);
		range_link(notifier, range, iv);
		up_write(&gpusvm->notifier_lock);
	}
	mmap_read_unlock(gpusvm->mm);
	return err;
}

static struct drm_gpusvm_range *place_range(const struct place *place)
{
	struct drm_gpusvm *gpusvm = place->gpusvm;
	struct drm_gpusvm_notifier *notifier;
	struct drm_gpusvm_interval iv;
	struct drm_gpusvm_range *range;
	int err;

	iv = drm_gpusvm_interval(place->addr, place->addr + 1);
	notifier = notifier_get(gpusvm, place->exact ? place->bounds : iv);
	if (IS_ERR(notifier))
		return ERR_CAST(notifier);

	range = range_new(gpusvm);
	if (IS_ERR(range)) {
		notifier_put(notifier);
		return range;
	}

	err = place_link(place, notifier, range);
	if (err) {
		drm_gpusvm_range_put(range);
		notifier_put(notifier);
		return ERR_PTR(err);
	}
	count(gpusvm, DRM_GPUSVM_COUNT_INSERT);
	return range;
}

/* The same, as long as the process lives. */
static struct drm_gpusvm_range *place_range_mm(const struct place *place)
{
	struct mm_struct *mm = place->gpusvm->mm;
	struct drm_gpusvm_range *range;

	if (!mmget_not_zero(mm))
		return ERR_PTR(-EFAULT);
	range = place_range(place);
	mmput(mm);
	return range;
}

/**
 * drm_gpusvm_range_find_or_insert() - The range of a GPU fault
 * @gpusvm: The gpusvm.
 * @fault_addr: The address that was accessed.
 * @gpuva_start: Start of what the driver shares around it, the range is in there.
 * @gpuva_end: First byte behind it.
 * @ctx: Whether the device writes.
 *
 * Finds the range with @fault_addr, or makes one: the biggest of the chunk sizes
 * that, aligned to its size, is in @gpuva_start to @gpuva_end, in the CPU's VMA,
 * and in no other range.
 *
 * Context: The driver's lock. May sleep and reclaim, takes mmap_lock and the
 * notifier lock.
 * Return: The range, which stays while the driver's lock is held, without a
 * reference, or an ERR_PTR():
 *
 * - -EINVAL: @fault_addr is not shared, or there is no room for the smallest chunk
 * - -EFAULT: there is no VMA, or the process is gone
 * - -EIO: the VMA is that of a device
 * - -EPERM: the process itself is not allowed what is asked for
 * - -EAGAIN: it is to be collected first, see drm_gpusvm_collect_next()
 * - -ENOMEM, or what &drm_gpusvm_ops.range_alloc returned
 */
struct drm_gpusvm_range *
drm_gpusvm_range_find_or_insert(struct drm_gpusvm *gpusvm,
				unsigned long fault_addr,
				unsigned long gpuva_start,
				unsigned long gpuva_end,
				const struct drm_gpusvm_ctx *ctx)
{
	struct place place = {
		.gpusvm = gpusvm,
		.addr = fault_addr,
		.bounds = drm_gpusvm_interval(gpuva_start, gpuva_end),
		.read_only = ctx->read_only,
	};
	struct drm_gpusvm_range *range;

	drm_gpusvm_assert_driver_lock(gpusvm);
	place.bounds = drm_gpusvm_interval_clamp(place.bounds, gpusvm->window);
	if (!drm_gpusvm_interval_has(place.bounds, fault_addr))
		return ERR_PTR(-EINVAL);

	range = drm_gpusvm_find_range(gpusvm, fault_addr, fault_addr + 1);
	if (!range)
		range = place_range_mm(&place);
	else if (drm_gpusvm_range_unmapped(range))
		range = ERR_PTR(-EAGAIN);
	trace_drm_gpusvm_fault(gpusvm, fault_addr, PTR_ERR_OR_ZERO(range));
	return range;
}
EXPORT_SYMBOL_GPL(drm_gpusvm_range_find_or_insert);

/**
 * drm_gpusvm_range_insert_exact() - Make a range of a given size
 * @gpusvm: The gpusvm.
 * @start: First byte, a multiple of the page size.
 * @end: First byte behind it, a multiple of the page size.
 * @ctx: Whether the device writes.
 *
 * For who knows in advance what is going to be used. The range may be bigger than
 * the chunks and than a notifier's window, and have several VMAs, if there is no
 * gap between them.
 *
 * Context: As drm_gpusvm_range_find_or_insert().
 * Return: As drm_gpusvm_range_find_or_insert(), but for -EAGAIN, and:
 *
 * - -EEXIST: there is a range in it, which may be one that is to be collected
 */
struct drm_gpusvm_range *
drm_gpusvm_range_insert_exact(struct drm_gpusvm *gpusvm, unsigned long start,
			      unsigned long end,
			      const struct drm_gpusvm_ctx *ctx)
{
	struct place place = {
		.gpusvm = gpusvm,
		.addr = start,
		.bounds = drm_gpusvm_interval(start, end),
		.exact = true,
		.read_only = ctx->read_only,
	};

	drm_gpusvm_assert_driver_lock(gpusvm);
	if (!PAGE_ALIGNED(start | end) ||
	    drm_gpusvm_interval_empty(place.bounds) ||
	    !drm_gpusvm_interval_covers(gpusvm->window, place.bounds))
		return ERR_PTR(-EINVAL);
	return place_range_mm(&place);
}
EXPORT_SYMBOL_GPL(drm_gpusvm_range_insert_exact);

/**
 * drm_gpusvm_range_remove() - Take a range out of a gpusvm
 * @gpusvm: The gpusvm.
 * @range: The range.
 *
 * The driver has removed the range from its page tables before, and flushed the
 * device, see the section "Locking". What invalidations have submitted is waited
 * for here. Drops the gpusvm's reference.
 *
 * Context: The driver's lock. May sleep: takes the notifier lock, and waits for
 * invalidations where it was the last range of its notifier. So it must not be
 * called with a lock held that is held in an invalidation, like the mmap_lock.
 */
void drm_gpusvm_range_remove(struct drm_gpusvm *gpusvm,
			     struct drm_gpusvm_range *range)
{
	struct drm_gpusvm_notifier *notifier = range->notifier;

	drm_gpusvm_assert_driver_lock(gpusvm);
	down_write(&gpusvm->notifier_lock);
	flush_wait_others(gpusvm, range_interval(range), NULL);
	range_unlink(range);
	up_write(&gpusvm->notifier_lock);

	count(gpusvm, DRM_GPUSVM_COUNT_REMOVE);
	drm_gpusvm_range_put(range);
	notifier_put(notifier);
}
EXPORT_SYMBOL_GPL(drm_gpusvm_range_remove);

/**
 * drm_gpusvm_collect_next() - Next range of which something has been unmapped
 * @gpusvm: The gpusvm.
 *
 * The driver removes the range from its page tables, and calls
 * drm_gpusvm_range_split() or drm_gpusvm_range_remove(). If it does neither, the
 * range comes here again when more of it is unmapped.
 *
 * Context: The driver's lock.
 * Return: The range, without a reference, NULL if there is none.
 */
struct drm_gpusvm_range *drm_gpusvm_collect_next(struct drm_gpusvm *gpusvm)
{
	struct drm_gpusvm_range *range;

	drm_gpusvm_assert_driver_lock(gpusvm);
	spin_lock(&gpusvm->unmapped_lock);
	range = list_first_entry_or_null(&gpusvm->unmapped,
					 struct drm_gpusvm_range, unmapped);
	if (range)
		list_del_init(&range->unmapped);
	spin_unlock(&gpusvm->unmapped_lock);
	return range;
}
EXPORT_SYMBOL_GPL(drm_gpusvm_collect_next);

/**
 * drm_gpusvm_range_split() - Replace a range by what remains of it
 * @gpusvm: The gpusvm.
 * @range: The range, drm_gpusvm_range_unmapped().
 *
 * There are two ranges afterwards, one, or none. They have no addresses. What was
 * unmapped, and what is between two holes, has no range, it can be faulted again.
 * For the caller it is as if @range were removed, see drm_gpusvm_range_remove().
 *
 * Context: As drm_gpusvm_range_remove(). May reclaim.
 * Return: 0; or -ENOMEM, or what &drm_gpusvm_ops.range_alloc returned: nothing has
 * been done, but that drm_gpusvm_collect_next() will not return the range again.
 * It can still be removed.
 */
int drm_gpusvm_range_split(struct drm_gpusvm *gpusvm,
			   struct drm_gpusvm_range *range)
{
	struct drm_gpusvm_notifier *notifier = range->notifier;
	struct drm_gpusvm_interval pieces[2];
	struct drm_gpusvm_range *remain[2];
	unsigned int i, nr;
	int err;

	drm_gpusvm_assert_driver_lock(gpusvm);
	/* How many are needed is not known until the lock is held */
	for (i = 0; i < ARRAY_SIZE(remain); i++) {
		remain[i] = range_new(gpusvm);
		if (IS_ERR(remain[i])) {
			err = PTR_ERR(remain[i]);
			goto err_put;
		}
	}

	down_write(&gpusvm->notifier_lock);
	flush_wait_others(gpusvm, range_interval(range), NULL);
	range_unlink(range);
	nr = drm_gpusvm_interval_without(range_interval(range), range->hole,
					 pieces);
	for (i = 0; i < nr; i++)
		range_link(notifier, remain[i], pieces[i]);
	up_write(&gpusvm->notifier_lock);

	count(gpusvm, DRM_GPUSVM_COUNT_SPLIT);
	drm_gpusvm_range_put(range);
	for (; i < ARRAY_SIZE(remain); i++)
		drm_gpusvm_range_put(remain[i]);
	notifier_put(notifier);
	return 0;

err_put:
	while (i--)
		drm_gpusvm_range_put(remain[i]);
	return err;
}
EXPORT_SYMBOL_GPL(drm_gpusvm_range_split);

/**
 * drm_gpusvm_range_get_pages() - Fault a range in and map it for devices
 * @gpusvm: The gpusvm.
 * @range: The range.
 * @ctx: Whether the device writes, and what device memory it can use.
 *
 * Context: As drm_gpusvm_get_pages(), with the driver's lock.
 * Return: As drm_gpusvm_get_pages(), but -EFAULT for a range that is to be
 * collected.
 */
int drm_gpusvm_range_get_pages(struct drm_gpusvm *gpusvm,
			       struct drm_gpusvm_range *range,
			       const struct drm_gpusvm_ctx *ctx)
{
	drm_gpusvm_assert_driver_lock(gpusvm);
	/* What is there now may be another mapping than the one it was made of */
	if (drm_gpusvm_range_unmapped(range))
		return -EFAULT;
	return drm_gpusvm_get_pages(gpusvm, &range->pages, gpusvm->mm,
				    &range->notifier->notifier,
				    drm_gpusvm_range_start(range),
				    drm_gpusvm_range_end(range), ctx);
}
EXPORT_SYMBOL_GPL(drm_gpusvm_range_get_pages);

/**
 * drm_gpusvm_range_unmap_pages() - Unmap a range that no device uses any more
 * @gpusvm: The gpusvm.
 * @range: The range.
 *
 * Context: As drm_gpusvm_unmap_pages(), with the driver's lock.
 */
void drm_gpusvm_range_unmap_pages(struct drm_gpusvm *gpusvm,
				  struct drm_gpusvm_range *range)
{
	drm_gpusvm_assert_driver_lock(gpusvm);
	drm_gpusvm_unmap_pages(gpusvm, &range->pages);
}
EXPORT_SYMBOL_GPL(drm_gpusvm_range_unmap_pages);

/**
 * drm_gpusvm_range_pages_valid() - Can a range be given to the device?
 * @gpusvm: The gpusvm.
 * @range: The range.
 *
 * Context: Notifier lock. The answer is true for as long as it is held.
 * Return: Whether every device has its addresses, and all of it is still there.
 */
bool drm_gpusvm_range_pages_valid(struct drm_gpusvm *gpusvm,
				  struct drm_gpusvm_range *range)
{
	return drm_gpusvm_pages_valid(gpusvm, &range->pages) &&
	       !drm_gpusvm_range_unmapped(range);
}
EXPORT_SYMBOL_GPL(drm_gpusvm_range_pages_valid);

/*
 * The gpusvm
 */

static bool sizes_valid(unsigned long notifier_size, const unsigned long *sizes,
			unsigned int nr)
{
	unsigned long above = notifier_size;
	unsigned int i;

	if (!nr || !is_power_of_2(notifier_size))
		return false;
	for (i = 0; i < nr; i++) {
		if (!is_power_of_2(sizes[i]) || sizes[i] > above)
			return false;
		above = sizes[i] - 1;
	}
	return sizes[nr - 1] == PAGE_SIZE;
}

/* Tell lockdep that invalidations take the notifier lock, before one does. */
static void teach_lockdep(struct drm_gpusvm *gpusvm)
{
	fs_reclaim_acquire(GFP_KERNEL);
	might_lock(&gpusvm->notifier_lock);
	fs_reclaim_release(GFP_KERNEL);
}

/**
 * drm_gpusvm_init() - Share a process's memory with a GPU VM
 * @gpusvm: The gpusvm, zeroed.
 * @name: For traces and debugfs, is not copied.
 * @drm: The device.
 * @mm: The process's memory. NULL for userptr only, then all that follow are 0.
 * @mm_start: First address that is shared.
 * @mm_range: Size of what is shared in bytes.
 * @notifier_size: Size of a notifier's window in bytes: a power of two, no smaller
 *                 than the biggest chunk.
 * @ops: The driver's functions.
 * @chunk_sizes: Sizes that a range can have in bytes: powers of two, descending, the
 *               last one is the page size. Is not copied.
 * @num_chunks: How many there are.
 *
 * Context: May sleep and reclaim.
 * Return: 0, -EINVAL where something is not as said above, or -ENOMEM.
 */
int drm_gpusvm_init(struct drm_gpusvm *gpusvm, const char *name,
		    struct drm_device *drm, struct mm_struct *mm,
		    unsigned long mm_start, unsigned long mm_range,
		    unsigned long notifier_size,
		    const struct drm_gpusvm_ops *ops,
		    const unsigned long *chunk_sizes, unsigned int num_chunks)
{
	int err;

	gpusvm->name = name;
	gpusvm->drm = drm;
	gpusvm->window = drm_gpusvm_interval(mm_start, mm_start + mm_range);
	gpusvm->notifier_size = notifier_size;
	gpusvm->ops = ops;
	gpusvm->chunk_sizes = chunk_sizes;
	gpusvm->num_chunks = num_chunks;
	gpusvm->notifiers = RB_ROOT_CACHED;
	init_rwsem(&gpusvm->notifier_lock);
	spin_lock_init(&gpusvm->unmapped_lock);
	INIT_LIST_HEAD(&gpusvm->unmapped);
	spin_lock_init(&gpusvm->finish_lock);
	INIT_LIST_HEAD(&gpusvm->finish_free);
	INIT_LIST_HEAD(&gpusvm->finish_pending);
	teach_lockdep(gpusvm);

	if (!mm)
		return ops || mm_range || notifier_size || num_chunks ?
			-EINVAL : 0;
	if (!ops || !ops->invalidate_start || !ops->invalidate_finish ||
	    !ops->range_alloc != !ops->range_free ||
	    drm_gpusvm_interval_empty(gpusvm->window) ||
	    !PAGE_ALIGNED(mm_start | mm_range) ||
	    !sizes_valid(notifier_size, chunk_sizes, num_chunks))
		return -EINVAL;

	err = finish_pool_init(gpusvm);
	if (err)
		return err;
	mmgrab(mm);
	gpusvm->mm = mm;
	return 0;
}
EXPORT_SYMBOL_GPL(drm_gpusvm_init);

/**
 * drm_gpusvm_fini() - The end of a gpusvm
 * @gpusvm: The gpusvm. Nothing happens where drm_gpusvm_init() has failed, or has
 *          not been called on zeroed memory.
 *
 * Removes all ranges. The device uses none of them any more. The driver has dropped
 * its references to ranges and ended its userptrs.
 *
 * Context: As drm_gpusvm_range_remove().
 */
void drm_gpusvm_fini(struct drm_gpusvm *gpusvm)
{
	struct drm_gpusvm_range *range;

	if (!gpusvm->mm)
		return;

	while ((range = drm_gpusvm_find_range(gpusvm, 0, ULONG_MAX))) {
		drm_gpusvm_range_remove(gpusvm, range);
		cond_resched();
	}

	WARN_ON(!list_empty(&gpusvm->finish_pending));
	kfree(gpusvm->finish_pool);
	mmdrop(gpusvm->mm);
	gpusvm->mm = NULL;
}
EXPORT_SYMBOL_GPL(drm_gpusvm_fini);

/*
 * Debugfs
 */

static const char * const counter_names[] = {
	[DRM_GPUSVM_COUNT_INSERT] = "ranges inserted",
	[DRM_GPUSVM_COUNT_REMOVE] = "ranges removed",
	[DRM_GPUSVM_COUNT_SPLIT] = "ranges split",
	[DRM_GPUSVM_COUNT_GET_PAGES] = "get_pages",
	[DRM_GPUSVM_COUNT_RETRY] = "get_pages retries",
	[DRM_GPUSVM_COUNT_MAP] = "addresses mapped",
	[DRM_GPUSVM_COUNT_UNMAP] = "addresses unmapped",
	[DRM_GPUSVM_COUNT_INVALIDATE] = "invalidations",
	[DRM_GPUSVM_COUNT_SYNC] = "invalidations without an object",
	[DRM_GPUSVM_COUNT_OTHERS] = "waits for the flush of another",
};

static_assert(ARRAY_SIZE(counter_names) == DRM_GPUSVM_COUNT_MAX);

static const char * const state_names[] = {
	[DRM_GPUSVM_PAGES_NONE] = "none",
	[DRM_GPUSVM_PAGES_VALID] = "valid",
	[DRM_GPUSVM_PAGES_STALE] = "stale",
};

static void print_range(struct drm_gpusvm_range *range, struct drm_printer *p)
{
	struct drm_gpusvm_pages *pages = &range->pages;

	drm_printf(p, "  range [%#lx,%#lx) %s",
		   drm_gpusvm_range_start(range), drm_gpusvm_range_end(range),
		   state_names[pages->state]);
	if (pages->state != DRM_GPUSVM_PAGES_NONE)
		drm_printf(p, " %lu addresses%s%s", pages->nr_addr,
			   pages->dir == DMA_TO_DEVICE ? " read-only" : "",
			   pages->nr_device ? " device memory" : "");
	if (drm_gpusvm_range_unmapped(range))
		drm_printf(p, " unmapped [%#lx,%#lx)", range->hole.start,
			   range->hole.end);
	drm_puts(p, "\n");
}

/**
 * drm_gpusvm_debugfs_print() - Show what there is
 * @gpusvm: The gpusvm.
 * @p: Where to.
 *
 * For a driver's file in debugfs: the counters, and every notifier and range.
 *
 * Context: The driver's lock. Takes the notifier lock, so @p must not allocate
 * memory: that of a seq_file does not.
 */
void drm_gpusvm_debugfs_print(struct drm_gpusvm *gpusvm, struct drm_printer *p)
{
	struct drm_gpusvm_notifier *notifier;
	struct drm_gpusvm_range *range;
	unsigned int i;

	drm_printf(p, "gpusvm %s [%#lx,%#lx)\n", gpusvm->name,
		   gpusvm->window.start, gpusvm->window.end);
	for (i = 0; i < DRM_GPUSVM_COUNT_MAX; i++)
		drm_printf(p, " %s: %ld\n", counter_names[i],
			   atomic_long_read(&gpusvm->counters[i]));

	down_read(&gpusvm->notifier_lock);
	drm_gpusvm_for_each_notifier(notifier, gpusvm, 0, ULONG_MAX) {
		drm_printf(p, " notifier [%#lx,%#lx)\n", notifier->itree.start,
			   notifier->itree.last + 1);
		drm_gpusvm_for_each_range(range, notifier, 0, ULONG_MAX)
			print_range(range, p);
	}
	up_read(&gpusvm->notifier_lock);
}
EXPORT_SYMBOL_GPL(drm_gpusvm_debugfs_print);

MODULE_DESCRIPTION("DRM GPU shared virtual memory");
MODULE_LICENSE("Dual MIT/GPL");
