// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Device memory as struct pages: migration to it, CPU faults on it, eviction.
 */

#include <linux/dma-fence.h>
#include <linux/dma-mapping.h>
#include <linux/jiffies.h>
#include <linux/log2.h>
#include <linux/memremap.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>

#include <kunit/static_stub.h>

#include <drm/drm_drv.h>
#include <drm/drm_pagemap.h>
#include <drm/drm_print.h>

#include "drm_pagemap_internal.h"

#define CREATE_TRACE_POINTS
#include "drm_pagemap_trace.h"

/**
 * DOC: Overview
 *
 * Memory of a device that has struct pages of type %MEMORY_DEVICE_PRIVATE can
 * take the place of a process's RAM: the page tables of the CPU then have an
 * entry that says where the page is, and a CPU that touches it faults and has it
 * brought back. This library does the moving, in three ways:
 *
 * - drm_pagemap_migrate_to_devmem(): a range of an address space to the device,
 * - the CPU fault: what a CPU touches, back to RAM,
 * - drm_pagemap_evict_to_ram(): what is in a block of device memory, to RAM.
 *
 * It does not know what a GPU page table is. What a device has mapped is
 * invalidated by mmu notifiers, for which see drm_gpusvm.
 *
 * A driver embeds a &struct drm_pagemap for each memory that it has, and a
 * &struct drm_pagemap_devmem, a block, in what it allocates of it.
 *
 * Only pages of order 0 migrate: huge pages are split, as Linux 6.12 knows no huge
 * device-private page. Where RAM is contiguous all the same, it is mapped and
 * copied as one, see &drm_pagemap_addr.order. So there is no large folio whose
 * allocation can fail, be unlocked twice, or be mapped and unmapped by different
 * sizes.
 */

/**
 * DOC: Blocks
 *
 * A block has one reference from drm_pagemap_devmem_init(), which is the
 * driver's, and one for each of its pages that is out, in zone_device_data of the
 * page. drm_pagemap_migrate_to_devmem() consumes none: whatever it returns, and
 * whatever CPUs do meanwhile, the block is there until the driver lets go of it::
 *
 *	bo = my_bo_create(size);
 *	drm_pagemap_devmem_init(&bo->devmem, dev, dpagemap, &my_ops,
 *				size >> PAGE_SHIFT, bo->clear_fence);
 *	mmap_read_lock(mm);
 *	moved = drm_pagemap_migrate_to_devmem(&bo->devmem, mm, start, end,
 *					      &details);
 *	mmap_read_unlock(mm);
 *	drm_pagemap_devmem_put(&bo->devmem);
 *
 * Afterwards the pages keep it, and if none moved, it is gone. Freeing part of
 * the range frees those pages, and does not free the block; a driver that wants it
 * back calls drm_pagemap_evict_to_ram(), which does not mind the hole.
 *
 * Each page keeps its distance from the start of the range. Where there is no VMA,
 * or a page that cannot move, its place in the block stays free::
 *
 *	VMAs		|----------|      |------|-------------|
 *	range		    [============================]
 *	moves		    [======]      [======|=======]
 *	block		|---[======]------[==============]-----|
 *	first		|<->|
 *
 * A CPU fault brings back what is of the same block in the window around it. The
 * window is as large as the block, up to 2 MiB, and aligned to its size::
 *
 *	windows		|---------------|---------------|
 *	VMA		      |-------------------|
 *	fault		          *
 *	moves		      [=========]
 *
 * The last page may be freed under a spinlock: &drm_pagemap_devmem_ops.devmem_release
 * is called by a worker.
 */

/**
 * DOC: States of a device page
 *
 * ::
 *
 *	            migrate_vma_pages()    lock, unmap
 *	                     |            |          migrate_*_pages()
 *	       claim         v            v              |
 *	FREE -------> EMPTY ---> DATA ---------> LEAVING v
 *	 ^ ^ ^          |       |    <---------         ---> MOVED
 *	 | | |          |       |     restore                  |
 *	 | | +-- undo --+       |                              |
 *	 | +-- munmap(), exit --+                              |
 *	 +-- last reference -----------------------------------+
 *
 *	         zone_device_data    mapping    locked    in page tables
 *	FREE     NULL                -          no        no
 *	EMPTY    the block           NULL       yes       no
 *	DATA     the block           set        no        yes
 *	LEAVING  the block           set        yes       migration entries
 *	MOVED    the block           set        no        no
 *
 * There is no enum, as the state must be in the page: FREE is a zone_device_data
 * of NULL, and a page leaves it by cmpxchg() only. A page has data if it is in page
 * tables, which changes under the page lock only. Copying goes from a locked page
 * to a locked page that nobody can see.
 *
 * A page stays MOVED for as long as somebody has a reference: e.g. an eviction
 * that looked at it. It has been copied, and the copy may have been written since.
 * It is not claimed, as it has a block; nor evicted, as migrate_device_pfns() leaves
 * alone what no page table has.
 */

/**
 * DOC: Failure
 *
 * Each step deals with each page by itself. What cannot be claimed, mapped or
 * allocated is taken out of the batch, as if it had never been in it, and the
 * others go on; an error of a copy takes out all::
 *
 *	          claim      map       copy     migrate_*_pages()   finalize
 *	page 0   ------------------------------------------------->  moved
 *	page 1   -- taken                                            restored
 *	page 2   ---------- fails -> unclaim                         restored
 *	page 3   ----------------------------------> pinned          restored
 *
 * Mappings are undone right after the copy, while both arrays are as they were.
 * The numbers that the driver gives for its pages never get into the arrays of
 * migrate_vma unless the page has been claimed. Each pass of an eviction starts
 * from empty arrays.
 *
 * A page of RAM or of the device that has not been copied to is freed before
 * migrate_*_pages() is called, so that nobody ever sees its content. What a process
 * has never touched is a copy of the page of zeros.
 *
 * A CPU fault ends with SIGBUS only if the driver says that the data are lost.
 * Where memory is short, it allocates a single page with all the effort that any
 * fault makes, and neighbours and arrays only if that is cheap; without it,
 * VM_FAULT_OOM makes the core deal with it. A page that is busy, and one whose
 * timeslice has not ended, is waited for asleep and, where the core allows it,
 * without the mmap lock. The sleeper has the page locked, so that there is but one
 * of them: others wait in do_swap_page(), without a reference that would keep the
 * page from moving. A timeslice is waited for once in a fault, and no longer than
 * %DRM_PAGEMAP_MAX_TIMESLICE_MS.
 *
 * Two devices that want the same page both get an answer: one moves it, for the
 * other it is a page that did not move. How often it tries again is its decision;
 * a timeslice gives the winner time to make use of it.
 */

/**
 * DOC: Locking
 *
 * ::
 *
 *	mmap lock (read)		migration, CPU faults
 *	  page locks			held over allocation and copies
 *	    drm_pagemap.lock		lists only
 *
 * No lock of this library is held when the driver is called, but the page locks
 * are. A CPU fault takes no lock of a driver; it finds all that it needs on the
 * page. So a driver may hold the locks of a block (e.g. its reservation) over all
 * calls here, provided that &drm_pagemap_devmem_ops.copy_to_ram does not take them.
 *
 * Page locks are only ever tried, so that two that want the same pages in another
 * order cannot wait for each other. Nothing here may be called from an mmu
 * notifier, or under a lock that one takes.
 */

/**
 * DOC: Teardown
 *
 * A pagemap lives until its last block is released, and a block until its last
 * page is freed. A driver that loses its device
 *
 * 1. calls drm_dev_unplug(): no migration begins afterwards, and those that were
 *    under way have ended,
 * 2. calls drm_pagemap_evict_all() while it can still copy,
 * 3. drops its reference.
 *
 * If pages are still out, because memory was short or the device went away without
 * asking, the processes that touch them get SIGBUS from a copy_to_ram that fails,
 * and &drm_pagemap_ops.destroy, which is the place for memunmap_pages(), is called
 * when the last of them is gone; the reference on the &struct drm_device and on the
 * driver's module keep what is needed for that. Nobody waits.
 */

/**
 * DOC: Examples
 *
 * All of a driver for the memory of a device, but for its allocator and its copy
 * engine. How it is used for faults of the device is in "Migration" of drm_gpusvm::
 *
 *	struct driver_vram {
 *		struct drm_pagemap dpagemap;
 *		struct dev_pagemap pagemap;
 *		u64 base;		// where the device finds the first page
 *	};
 *
 *	struct driver_bo {
 *		struct drm_pagemap_devmem devmem;
 *		unsigned long first_pfn;
 *	};
 *
 *	static int driver_populate_pfns(struct drm_pagemap_devmem *devmem,
 *					unsigned long first, unsigned long npages,
 *					unsigned long *pfns)
 *	{
 *		struct driver_bo *bo = container_of(devmem, typeof(*bo), devmem);
 *		unsigned long i;
 *
 *		for (i = 0; i < npages; i++)
 *			pfns[i] = bo->first_pfn + first + i;
 *		return 0;
 *	}
 *
 *	static int driver_copy(struct drm_pagemap_devmem *devmem,
 *			       struct page **pages, struct drm_pagemap_addr *addr,
 *			       unsigned long npages, bool to_ram)
 *	{
 *		struct driver_job *job = driver_job_begin(devmem);
 *		unsigned long i, k, n;
 *
 *		if (!job)
 *			return -ENOMEM;
 *		for (i = 0; i < npages; i += n) {
 *			n = pages[i] ? 1UL << addr[i].order : 1;
 *			// Contiguous is the other side only
 *			for (k = 0; k < n && pages[i]; k++)
 *				driver_job_copy(job, pages[i + k],
 *						addr[i].addr + k * PAGE_SIZE,
 *						to_ram);
 *		}
 *		return driver_job_run_and_wait(job);
 *	}
 *
 *	static int driver_copy_to_devmem(struct drm_pagemap_devmem *devmem,
 *					 struct page **pages,
 *					 struct drm_pagemap_addr *addr,
 *					 unsigned long npages)
 *	{
 *		return driver_copy(devmem, pages, addr, npages, false);
 *	}
 *
 *	static int driver_copy_to_ram(struct drm_pagemap_devmem *devmem,
 *				      struct page **pages,
 *				      struct drm_pagemap_addr *addr,
 *				      unsigned long npages)
 *	{
 *		return driver_copy(devmem, pages, addr, npages, true);
 *	}
 *
 *	static void driver_release(struct drm_pagemap_devmem *devmem)
 *	{
 *		driver_bo_free(container_of(devmem, struct driver_bo, devmem));
 *	}
 *
 *	static const struct drm_pagemap_devmem_ops driver_devmem_ops = {
 *		.owner = THIS_MODULE,
 *		.devmem_release = driver_release,
 *		.populate_devmem_pfns = driver_populate_pfns,
 *		.copy_to_devmem = driver_copy_to_devmem,
 *		.copy_to_ram = driver_copy_to_ram,
 *	};
 *
 *	static struct drm_pagemap_addr
 *	driver_device_map(struct drm_pagemap *dpagemap, struct device *dev,
 *			  struct page *page, unsigned int order,
 *			  enum dma_data_direction dir)
 *	{
 *		struct driver_vram *vram = container_of(dpagemap, typeof(*vram),
 *							dpagemap);
 *		u64 offset = page_to_phys(page) - vram->pagemap.range.start;
 *
 *		return drm_pagemap_addr_encode(vram->base + offset,
 *					       DRM_INTERCONNECT_DRIVER, order, dir);
 *	}
 *
 *	static long driver_populate_mm(struct drm_pagemap *dpagemap,
 *				       unsigned long start, unsigned long end,
 *				       struct mm_struct *mm,
 *				       unsigned long timeslice_ms)
 *	{
 *		const struct drm_pagemap_migrate_details details = {
 *			.timeslice_ms = timeslice_ms,
 *		};
 *		struct driver_bo *bo = driver_bo_create(dpagemap, end - start);
 *		long ret;
 *
 *		if (!bo)
 *			return -ENOSPC;
 *		ret = drm_pagemap_devmem_init(&bo->devmem, dpagemap->drm->dev,
 *					      dpagemap, &driver_devmem_ops,
 *					      (end - start) >> PAGE_SHIFT, NULL);
 *		if (ret) {
 *			driver_bo_free(bo);
 *			return ret;
 *		}
 *		ret = drm_pagemap_migrate_to_devmem(&bo->devmem, mm, start, end,
 *						    &details);
 *		// Its pages keep it
 *		drm_pagemap_devmem_put(&bo->devmem);
 *		return ret;
 *	}
 *
 *	static void driver_destroy(struct drm_pagemap *dpagemap)
 *	{
 *		struct driver_vram *vram = container_of(dpagemap, typeof(*vram),
 *							dpagemap);
 *
 *		memunmap_pages(&vram->pagemap);
 *		release_mem_region(vram->pagemap.range.start,
 *				   range_len(&vram->pagemap.range));
 *		kfree(vram);
 *	}
 *
 *	static const struct drm_pagemap_ops driver_pagemap_ops = {
 *		.device_map = driver_device_map,
 *		.populate_mm = driver_populate_mm,
 *		.destroy = driver_destroy,
 *	};
 *
 *	struct drm_pagemap *driver_vram_create(struct drm_device *drm, u64 base,
 *					       u64 size)
 *	{
 *		struct driver_vram *vram = kzalloc(sizeof(*vram), GFP_KERNEL);
 *		struct resource *res;
 *		void *ret;
 *		int err;
 *
 *		if (!vram)
 *			return ERR_PTR(-ENOMEM);
 *		res = request_free_mem_region(&iomem_resource, size, "driver");
 *		if (IS_ERR(res)) {
 *			kfree(vram);
 *			return ERR_CAST(res);
 *		}
 *
 *		vram->base = base;
 *		vram->pagemap.type = MEMORY_DEVICE_PRIVATE;
 *		vram->pagemap.range.start = res->start;
 *		vram->pagemap.range.end = res->end;
 *		vram->pagemap.nr_range = 1;
 *		// No other device reaches this memory, so none has the same owner
 *		vram->pagemap.owner = vram;
 *		vram->pagemap.ops = drm_pagemap_pagemap_ops_get();
 *		ret = memremap_pages(&vram->pagemap, NUMA_NO_NODE);
 *		err = PTR_ERR_OR_ZERO(ret) ?:
 *		      drm_pagemap_init(&vram->dpagemap, &vram->pagemap, drm,
 *				       &driver_pagemap_ops);
 *		if (!err)
 *			return &vram->dpagemap;
 *
 *		if (!IS_ERR(ret))
 *			memunmap_pages(&vram->pagemap);
 *		release_mem_region(res->start, resource_size(res));
 *		kfree(vram);
 *		return ERR_PTR(err);
 *	}
 */

/* As many pages are migrated at a time: 2 MiB of 4K pages */
#define BATCH_PAGES	512UL

/* Eviction gives up after so many passes over the block ... */
#define EVICT_PASSES	12
/* ... between which it waits, twice as long each time, but no longer than this */
#define EVICT_WAIT_MAX	(HZ / 4)

/*
 * One step of a migration. Entry i of each array is about the same page.
 *
 * @src, @dst: What migrate_vma and migrate_device work on.
 * @pfns: Plain numbers of the block's pages, as the driver gives them. They never
 *	get into @dst before the page has been claimed.
 * @dpages: The device page if there is something to copy, else NULL. When
 *	migrate_* begins to own a page, it is in @dst or @src too.
 * @addr: Where the other side of the copy is, see
 *	drm_pagemap_devmem_ops.copy_to_devmem.
 */
struct batch {
	unsigned long npages;
	unsigned long *src;
	unsigned long *dst;
	unsigned long *pfns;
	struct page **dpages;
	struct drm_pagemap_addr *addr;
};

/* What a batch of one page needs, where there is no memory for more */
struct batch_single {
	struct drm_pagemap_addr addr;
	unsigned long src;
	unsigned long dst;
	unsigned long pfn;
	struct page *dpage;
};

static struct workqueue_struct *drm_pagemap_wq;

/*
 * Batches
 */

VISIBLE_IF_KUNIT void *drm_pagemap_alloc_batch(unsigned long npages, gfp_t gfp)
{
	KUNIT_STATIC_STUB_REDIRECT(drm_pagemap_alloc_batch, npages, gfp);

	return kvmalloc_array(npages, sizeof(struct batch_single), gfp);
}
EXPORT_SYMBOL_IF_KUNIT(drm_pagemap_alloc_batch);

static bool batch_init(struct batch *b, unsigned long npages, gfp_t gfp)
{
	b->addr = drm_pagemap_alloc_batch(npages, gfp);
	if (!b->addr)
		return false;

	b->src = (unsigned long *)(b->addr + npages);
	b->dst = b->src + npages;
	b->pfns = b->dst + npages;
	b->dpages = (struct page **)(b->pfns + npages);
	b->npages = npages;
	return true;
}

static void batch_init_single(struct batch *b, struct batch_single *single)
{
	b->addr = &single->addr;
	b->src = &single->src;
	b->dst = &single->dst;
	b->pfns = &single->pfn;
	b->dpages = &single->dpage;
	b->npages = 1;
}

static void batch_fini(struct batch *b)
{
	kvfree(b->addr);
}

/* Nothing is migrated, no page is claimed, nothing is mapped. */
static void batch_reset(struct batch *b, unsigned long npages)
{
	b->npages = npages;
	memset(b->src, 0, npages * sizeof(*b->src));
	memset(b->dst, 0, npages * sizeof(*b->dst));
	memset(b->dpages, 0, npages * sizeof(*b->dpages));
	memset(b->addr, 0, npages * sizeof(*b->addr));
}

static bool batch_empty(const struct batch *b)
{
	unsigned long i;

	for (i = 0; i < b->npages; i++)
		if (b->dpages[i])
			return false;

	return true;
}

/* Entry @i takes part in the migration: it is locked and unmapped, or a hole. */
static bool batch_migrates(const struct batch *b, unsigned long i)
{
	return b->src[i] & MIGRATE_PFN_MIGRATE;
}

/* Entry @i stays where it is: give back the page that it was to go to. */
static void batch_drop(struct batch *b, unsigned long i)
{
	struct page *page = migrate_pfn_to_page(b->dst[i]);

	b->dst[i] = 0;
	b->dpages[i] = NULL;
	unlock_page(page);
	put_page(page);
}

static void batch_drop_all(struct batch *b)
{
	unsigned long i;

	for (i = 0; i < b->npages; i++)
		if (b->dpages[i])
			batch_drop(b, i);
}

/*
 * Blocks and their pages
 */

/* The block that a page is part of; NULL if the page is free. */
static struct drm_pagemap_devmem *page_devmem(const struct page *page)
{
	return READ_ONCE(page->zone_device_data);
}

static void devmem_release_work(struct work_struct *work)
{
	struct drm_pagemap_devmem *devmem =
		container_of(work, typeof(*devmem), release_work);
	struct drm_pagemap *dpagemap = devmem->dpagemap;
	struct module *owner = devmem->ops->owner;

	spin_lock(&dpagemap->lock);
	list_del(&devmem->link);
	spin_unlock(&dpagemap->lock);

	dma_fence_put(devmem->fence);
	devmem->ops->devmem_release(devmem);
	drm_pagemap_put(dpagemap);
	module_put(owner);
}

static void devmem_release(struct kref *ref)
{
	struct drm_pagemap_devmem *devmem =
		container_of(ref, struct drm_pagemap_devmem, ref);

	queue_work(drm_pagemap_wq, &devmem->release_work);
}

/**
 * drm_pagemap_devmem_init() - Prepare a block of device memory
 * @devmem: The block; its memory is the caller's.
 * @dev: The device that copies to and from it.
 * @dpagemap: The memory that it is part of.
 * @ops: What the driver does for it.
 * @npages: Its size in pages.
 * @fence: To be waited for before it is written for the first time, e.g. until
 *	what was there has been moved elsewhere. A reference is taken. Or NULL.
 *
 * The caller owns a reference afterwards, to be dropped by
 * drm_pagemap_devmem_put() when it has migrated what it wants: from then on the
 * block lives as long as one of its pages is in use. The driver's module and
 * @dpagemap stay as long as the block does.
 *
 * Context: Process context.
 *
 * Return: 0; -EINVAL for a block without pages or functions; -ENODEV if the
 * driver is being unloaded.
 */
int drm_pagemap_devmem_init(struct drm_pagemap_devmem *devmem,
			    struct device *dev, struct drm_pagemap *dpagemap,
			    const struct drm_pagemap_devmem_ops *ops,
			    unsigned long npages, struct dma_fence *fence)
{
	if (WARN_ON(!npages || !ops->devmem_release ||
		    !ops->populate_devmem_pfns || !ops->copy_to_devmem ||
		    !ops->copy_to_ram))
		return -EINVAL;
	if (!try_module_get(ops->owner))
		return -ENODEV;

	*devmem = (struct drm_pagemap_devmem) {
		.ops = ops,
		.dpagemap = drm_pagemap_get(dpagemap),
		.dev = dev,
		.npages = npages,
		.fence = fence ? dma_fence_get(fence) : NULL,
	};
	kref_init(&devmem->ref);
	atomic_long_set(&devmem->nr_out, 0);
	init_waitqueue_head(&devmem->idle);
	INIT_WORK(&devmem->release_work, devmem_release_work);

	spin_lock(&dpagemap->lock);
	list_add_tail(&devmem->link, &dpagemap->blocks);
	spin_unlock(&dpagemap->lock);

	return 0;
}
EXPORT_SYMBOL_GPL(drm_pagemap_devmem_init);

/**
 * drm_pagemap_devmem_get() - Take a reference
 * @devmem: The block. The caller has a reference already.
 */
void drm_pagemap_devmem_get(struct drm_pagemap_devmem *devmem)
{
	kref_get(&devmem->ref);
}
EXPORT_SYMBOL_GPL(drm_pagemap_devmem_get);

/**
 * drm_pagemap_devmem_put() - Drop a reference
 * @devmem: The block, or NULL.
 *
 * The last one makes a worker call &drm_pagemap_devmem_ops.devmem_release.
 *
 * Context: Any but hard interrupts.
 */
void drm_pagemap_devmem_put(struct drm_pagemap_devmem *devmem)
{
	if (devmem)
		kref_put(&devmem->ref, devmem_release);
}
EXPORT_SYMBOL_GPL(drm_pagemap_devmem_put);

/*
 * Take a free page of the block: it is locked then, has one reference, belongs
 * to nobody yet and has no content. Who else wants it loses the cmpxchg, and so
 * does who comes while the page is in use: it holds somebody's data.
 */
static bool devmem_claim(struct drm_pagemap_devmem *devmem, struct page *page)
{
	if (cmpxchg(&page->zone_device_data, NULL, (void *)devmem))
		return false;

	drm_pagemap_devmem_get(devmem);
	atomic_long_inc(&devmem->nr_out);
	zone_device_page_init(page);
	return true;
}

/*
 * The last reference on a page is gone. May be called in atomic context. That
 * nothing here touches the page after zone_device_data is NULL is what makes
 * devmem_claim() safe.
 */
static void drm_pagemap_page_free(struct page *page)
{
	struct drm_pagemap_devmem *devmem = page_devmem(page);

	if (WARN_ON_ONCE(!devmem))
		return;

	/* Pairs with the cmpxchg() in devmem_claim() */
	smp_store_release(&page->zone_device_data, NULL);
	if (atomic_long_dec_and_test(&devmem->nr_out))
		wake_up_all(&devmem->idle);
	drm_pagemap_devmem_put(devmem);
}

/* The block's pages from @first on, into @pfns. */
static int devmem_pfns(struct drm_pagemap_devmem *devmem, unsigned long first,
		       unsigned long npages, unsigned long *pfns)
{
	unsigned long i;
	int err;

	err = devmem->ops->populate_devmem_pfns(devmem, first, npages, pfns);
	if (err)
		return err;

	for (i = 0; i < npages; i++)
		if (WARN_ON_ONCE(!pgmap_pfn_valid(devmem->dpagemap->pagemap,
						  pfns[i])))
			return -EINVAL;

	return 0;
}

/*
 * DMA mappings of the other side of a copy
 */

VISIBLE_IF_KUNIT dma_addr_t
drm_pagemap_dma_map(struct device *dev, struct page *page, unsigned int order,
		    enum dma_data_direction dir)
{
	KUNIT_STATIC_STUB_REDIRECT(drm_pagemap_dma_map, dev, page, order, dir);

	return dma_map_page(dev, page, 0, PAGE_SIZE << order, dir);
}
EXPORT_SYMBOL_IF_KUNIT(drm_pagemap_dma_map);

VISIBLE_IF_KUNIT void
drm_pagemap_dma_unmap(struct device *dev, dma_addr_t addr, unsigned int order,
		      enum dma_data_direction dir)
{
	KUNIT_STATIC_STUB_REDIRECT(drm_pagemap_dma_unmap, dev, addr, order, dir);

	dma_unmap_page(dev, addr, PAGE_SIZE << order, dir);
}
EXPORT_SYMBOL_IF_KUNIT(drm_pagemap_dma_unmap);

/*
 * Make one address of 1 << @order pages from @page on, RAM or another device's
 * memory. Returns false if the device cannot reach them.
 */
static bool map_pages(struct drm_pagemap_devmem *devmem, struct page *page,
		      unsigned int order, enum dma_data_direction dir,
		      struct drm_pagemap_addr *addr)
{
	struct drm_pagemap *peer;
	dma_addr_t dma;

	if (is_device_private_page(page)) {
		peer = drm_pagemap_page_to_dpagemap(page);
		if (!peer)
			return false;
		*addr = peer->ops->device_map(peer, devmem->dev, page, order,
					      dir);
		return addr->addr != DMA_MAPPING_ERROR;
	}

	dma = drm_pagemap_dma_map(devmem->dev, page, order, dir);
	if (dma_mapping_error(devmem->dev, dma))
		return false;

	*addr = drm_pagemap_addr_encode(dma, DRM_INTERCONNECT_SYSTEM, order,
					dir);
	return true;
}

static void unmap_pages(struct drm_pagemap_devmem *devmem, struct page *page,
			struct drm_pagemap_addr addr)
{
	struct drm_pagemap *peer;

	if (!is_device_private_page(page)) {
		drm_pagemap_dma_unmap(devmem->dev, addr.addr, addr.order,
				      addr.dir);
		return;
	}

	peer = drm_pagemap_page_to_dpagemap(page);
	if (peer->ops->device_unmap)
		peer->ops->device_unmap(peer, devmem->dev, addr);
}

/*
 * log2 of how many entries from @i on can be mapped as one. @side is the array
 * of the pages to map, dst or src.
 */
static unsigned int run_order(struct drm_pagemap_devmem *devmem,
			      const struct batch *b, const unsigned long *side,
			      unsigned long i)
{
	unsigned long max = dma_max_mapping_size(devmem->dev) >> PAGE_SHIFT;
	struct page *head = migrate_pfn_to_page(side[i]);
	unsigned long n;

	max = clamp(max, 1UL, b->npages - i);
	for (n = 1; n < max; n++) {
		struct page *page = migrate_pfn_to_page(side[i + n]);

		if (!page || !b->dpages[i + n] ||
		    page_to_pfn(page) != page_to_pfn(head) + n)
			break;
		if (is_device_private_page(page) !=
		    is_device_private_page(head))
			break;
		/* Neighbours, but not one block of one device */
		if (is_device_private_page(page) &&
		    page_devmem(page) != page_devmem(head))
			break;
	}

	return ilog2(n);
}

/*
 * Map entry @i of @side, and as many after it as are contiguous. Returns for how
 * many entries this is good, 0 if not even for the first.
 */
static unsigned long map_run(struct drm_pagemap_devmem *devmem,
			     struct batch *b, const unsigned long *side,
			     unsigned long i, enum dma_data_direction dir)
{
	struct page *page = migrate_pfn_to_page(side[i]);
	unsigned int order = run_order(devmem, b, side, i);

	if (map_pages(devmem, page, order, dir, &b->addr[i]))
		return 1UL << order;
	/* What cannot be had at once may be had piece by piece */
	if (order && map_pages(devmem, page, 0, dir, &b->addr[i]))
		return 1;

	b->addr[i] = (struct drm_pagemap_addr) {};
	return 0;
}

/* Undo all map_run() on @side. Every entry with a device page is mapped. */
static void unmap_runs(struct drm_pagemap_devmem *devmem, struct batch *b,
		       const unsigned long *side)
{
	unsigned long i;

	for (i = 0; i < b->npages; i++) {
		struct page *page = migrate_pfn_to_page(side[i]);

		/* A hole: the address is that of the page of zeros */
		if (!b->dpages[i] || !page)
			continue;

		unmap_pages(devmem, page, b->addr[i]);
		i += (1UL << b->addr[i].order) - 1;
	}
}

/*
 * Migration to device memory
 */

/* A call of drm_pagemap_migrate_to_devmem() */
struct to_devmem {
	struct drm_pagemap_devmem *devmem;
	const struct drm_pagemap_migrate_details *details;
	struct batch b;
	struct drm_pagemap_addr zeros;
	bool zeros_mapped;
};

/* Is there anything about entry @i for which it needs a page of the block? */
static bool wants_devmem(struct to_devmem *m, unsigned long i)
{
	struct page *page = migrate_pfn_to_page(m->b.src[i]);

	if (!batch_migrates(&m->b, i))
		return false;
	if (!page)
		return !m->details->no_holes;

	/* What is in this memory already is well off where it is */
	return drm_pagemap_page_to_dpagemap(page) != m->devmem->dpagemap;
}

/* Claim a device page for each entry. */
static void claim_all(struct to_devmem *m)
{
	struct batch *b = &m->b;
	unsigned long i;

	for (i = 0; i < b->npages; i++) {
		struct page *page = pfn_to_page(b->pfns[i]);

		if (!wants_devmem(m, i) || !devmem_claim(m->devmem, page))
			continue;

		b->dpages[i] = page;
		b->dst[i] = migrate_pfn(b->pfns[i]);
	}
}

/* The source of a hole's data. */
static bool map_zeros(struct to_devmem *m)
{
	if (!m->zeros_mapped)
		m->zeros_mapped = map_pages(m->devmem, ZERO_PAGE(0), 0,
					    DMA_TO_DEVICE, &m->zeros);

	return m->zeros_mapped;
}

/* Map all sources; an entry whose source cannot be mapped stays where it is. */
static void map_sources(struct to_devmem *m)
{
	struct batch *b = &m->b;
	unsigned long i, n;

	for (i = 0; i < b->npages; i += max(n, 1UL)) {
		n = 1;
		if (!b->dpages[i])
			continue;

		if (migrate_pfn_to_page(b->src[i])) {
			n = map_run(m->devmem, b, b->src, i, DMA_TO_DEVICE);
		} else {
			n = map_zeros(m);
			b->addr[i] = m->zeros;
		}
		if (!n)
			batch_drop(b, i);
	}
}

/*
 * The data of @page are somewhere else now. It keeps its mapping: those who fork,
 * unmap or protect memory look at it, through entries that are still about it.
 */
VISIBLE_IF_KUNIT void drm_pagemap_page_moved(struct page *page)
{
	KUNIT_STATIC_STUB_REDIRECT(drm_pagemap_page_moved, page);

	VM_WARN_ON_ONCE_PAGE(!PageLocked(page), page);
}
EXPORT_SYMBOL_IF_KUNIT(drm_pagemap_page_moved);

/* After migrate_*_pages(): how many moved. */
static unsigned long account_moved(struct batch *b)
{
	unsigned long i, moved = 0;

	for (i = 0; i < b->npages; i++) {
		struct page *page = migrate_pfn_to_page(b->src[i]);

		if (!b->dst[i] || !batch_migrates(b, i))
			continue;

		moved++;
		if (page && is_device_private_page(page))
			drm_pagemap_page_moved(page);
	}

	return moved;
}

/* The end of what trace_drm_pagemap_migrate_begin() told of. */
static void migrate_end(struct drm_pagemap_devmem *devmem,
			enum drm_pagemap_reason reason, unsigned long start,
			unsigned long moved, int err)
{
	struct drm_pagemap *dpagemap = devmem->dpagemap;

	atomic_long_add(moved, &dpagemap->moved[reason]);
	if (err)
		atomic_long_inc(&dpagemap->failed[reason]);
	trace_drm_pagemap_migrate_end(devmem, reason, start,
				      moved << PAGE_SHIFT, err);
}

static void set_timeslice(struct to_devmem *m)
{
	unsigned int ms = min(m->details->timeslice_ms,
			      DRM_PAGEMAP_MAX_TIMESLICE_MS);

	WRITE_ONCE(m->devmem->keep_until,
		   get_jiffies_64() + msecs_to_jiffies(ms));
}

/* Copy what has been claimed. After an error nothing is claimed any more. */
static int copy_to_devmem(struct to_devmem *m)
{
	struct drm_pagemap_devmem *devmem = m->devmem;
	struct batch *b = &m->b;
	int err;

	map_sources(m);
	if (batch_empty(b))
		return 0;

	err = devmem->ops->copy_to_devmem(devmem, b->dpages, b->addr,
					  b->npages);
	unmap_runs(devmem, b, b->src);
	if (err)
		batch_drop_all(b);

	return err;
}

/* Migrate [start, end) of one VMA, no more than a batch. Returns how many moved. */
static long migrate_batch(struct to_devmem *m, struct vm_area_struct *vma,
			  unsigned long start, unsigned long end,
			  unsigned long first)
{
	struct batch *b = &m->b;
	struct migrate_vma args = {
		.vma = vma,
		.src = b->src,
		.dst = b->dst,
		.start = start,
		.end = end,
		.pgmap_owner = m->devmem->dpagemap->pagemap->owner,
		.flags = MIGRATE_VMA_SELECT_SYSTEM |
			 MIGRATE_VMA_SELECT_DEVICE_PRIVATE,
	};
	long moved = 0;
	int err;

	batch_reset(b, (end - start) >> PAGE_SHIFT);
	err = devmem_pfns(m->devmem, first, b->npages, b->pfns);
	if (err)
		return err;
	err = migrate_vma_setup(&args);
	if (err || !args.cpages)
		return err;

	/* Pages are locked now, and CPU faults wait for them. */
	claim_all(m);
	err = copy_to_devmem(m);
	if (!err && !batch_empty(b)) {
		migrate_vma_pages(&args);
		moved = account_moved(b);
	}
	if (moved)
		set_timeslice(m);
	migrate_vma_finalize(&args);

	return moved ?: err;
}

/* Migrate [start, end), VMA by VMA and batch by batch. */
static long migrate_range(struct to_devmem *m, struct mm_struct *mm,
			  unsigned long start, unsigned long end)
{
	unsigned long addr = start, next;
	struct vm_area_struct *vma;
	long ret, moved = 0, err = 0;

	for (; addr < end; addr = next) {
		vma = find_vma_intersection(mm, addr, end);
		if (!vma)
			break;

		addr = max(addr, vma->vm_start);
		next = min3(end, vma->vm_end, addr + BATCH_PAGES * PAGE_SIZE);
		trace_drm_pagemap_migrate_begin(m->devmem, DRM_PAGEMAP_TO_DEVMEM,
						addr, next - addr);
		ret = migrate_batch(m, vma, addr, next, m->details->first +
				    ((addr - start) >> PAGE_SHIFT));
		migrate_end(m->devmem, DRM_PAGEMAP_TO_DEVMEM, addr,
			    max(ret, 0L), min(ret, 0L));
		if (ret > 0)
			moved += ret;
		else if (ret)
			err = ret;
		/* A VMA that cannot migrate does not stop the next one */
		if (ret < 0 && ret != -EINVAL)
			break;
	}

	return moved ?: err;
}

/* What was in the block before may have to leave it first, or be cleared. */
static int wait_first_use(struct drm_pagemap_devmem *devmem)
{
	int err;

	if (!devmem->fence)
		return 0;

	err = dma_fence_wait(devmem->fence, true);
	return err ?: devmem->fence->error;
}

/**
 * drm_pagemap_migrate_to_devmem() - Migrate memory of a process to a block
 * @devmem: The block. The caller has a reference, which stays its own whatever
 *	this returns.
 * @mm: The address space.
 * @start: Start of the range, page aligned.
 * @end: End of the range, page aligned, exclusive.
 * @details: How.
 *
 * Page n of the range goes to page @details->first + n of the block. Partial
 * success is success: pages that cannot move (pinned, shared with a file, in a
 * VMA that cannot migrate, on a device that this one cannot reach, or whose
 * place in the block is taken) stay where they are and do not keep the others
 * from moving. Pages that are in this device's memory already stay too.
 *
 * What the device has mapped of the range is invalidated by mmu notifiers, with
 * %MMU_NOTIFY_MIGRATE and the owner of the pagemap. As pages of that owner can be
 * among those that move, a driver must not ignore the event for this reason.
 *
 * Waits, interruptibly, for the block's fence.
 *
 * Context: Process context, the mmap lock of @mm held for reading, a reference
 * on its users. May not be called where memory reclaim waits for the caller, or
 * from an mmu notifier.
 *
 * Return: How many pages moved. Where none did: 0 if none could; -EINVAL for a
 * bad range or one in which no VMA can migrate; -ENOMEM; -ENODEV if the device
 * is unplugged; -ERESTARTSYS; or what a function of the driver returned.
 */
long drm_pagemap_migrate_to_devmem(struct drm_pagemap_devmem *devmem,
				   struct mm_struct *mm,
				   unsigned long start, unsigned long end,
				   const struct drm_pagemap_migrate_details *details)
{
	struct to_devmem m = { .devmem = devmem, .details = details };
	unsigned long npages = (end - start) >> PAGE_SHIFT;
	long ret;
	int idx;

	mmap_assert_locked(mm);

	if (!PAGE_ALIGNED(start | end) || start >= end ||
	    details->first >= devmem->npages ||
	    npages > devmem->npages - details->first)
		return -EINVAL;
	if (!drm_dev_enter(devmem->dpagemap->drm, &idx))
		return -ENODEV;

	ret = wait_first_use(devmem);
	if (ret)
		goto out;

	if (!batch_init(&m.b, min(npages, BATCH_PAGES), GFP_KERNEL)) {
		ret = -ENOMEM;
		goto out;
	}
	ret = migrate_range(&m, mm, start, end);
	if (m.zeros_mapped)
		unmap_pages(devmem, ZERO_PAGE(0), m.zeros);
	batch_fini(&m.b);
out:
	drm_dev_exit(idx);
	return ret;
}
EXPORT_SYMBOL_GPL(drm_pagemap_migrate_to_devmem);

/*
 * Migration to RAM
 */

/* Where a page comes from decides where its new one is to be. */
VISIBLE_IF_KUNIT struct page *
drm_pagemap_alloc_ram(gfp_t gfp, struct vm_area_struct *vma, unsigned long addr)
{
	KUNIT_STATIC_STUB_REDIRECT(drm_pagemap_alloc_ram, gfp, vma, addr);

	return vma ? alloc_page_vma(gfp, vma, addr) : alloc_page(gfp);
}
EXPORT_SYMBOL_IF_KUNIT(drm_pagemap_alloc_ram);

/*
 * Give entry @i, a page of @devmem, a page of RAM to go to. @vma and the batch's
 * @start are those of a CPU fault; in eviction @vma is NULL.
 */
static int add_ram(struct drm_pagemap_devmem *devmem, struct batch *b,
		   unsigned long i, gfp_t gfp, struct vm_area_struct *vma,
		   unsigned long start)
{
	struct page *dpage = migrate_pfn_to_page(b->src[i]);
	struct page *page;

	if (!dpage || !batch_migrates(b, i) || b->dst[i] ||
	    page_devmem(dpage) != devmem)
		return 0;

	page = drm_pagemap_alloc_ram(gfp, vma, start + i * PAGE_SIZE);
	if (!page)
		return -ENOMEM;

	lock_page(page);
	b->dpages[i] = dpage;
	b->dst[i] = migrate_pfn(page_to_pfn(page));
	return 0;
}

/*
 * Fill the pages of RAM that were added. After an error there are none left:
 * nobody ever sees what is in a page that was not copied.
 */
static int copy_to_ram(struct drm_pagemap_devmem *devmem, struct batch *b)
{
	unsigned long i, n, failed = 0;
	int err;

	for (i = 0; i < b->npages; i += max(n, 1UL)) {
		n = 1;
		if (!b->dpages[i])
			continue;

		n = map_run(devmem, b, b->dst, i, DMA_FROM_DEVICE);
		if (!n) {
			batch_drop(b, i);
			failed++;
		}
	}
	if (batch_empty(b))
		return failed ? -ENOMEM : 0;

	err = devmem->ops->copy_to_ram(devmem, b->dpages, b->addr, b->npages);
	unmap_runs(devmem, b, b->dst);
	if (err)
		batch_drop_all(b);

	return err;
}

/*
 * CPU faults
 */

/*
 * Wait for @timeout with as few locks as possible. Returns VM_FAULT_RETRY if the
 * fault has to be tried again from the start, as the mmap lock was dropped or
 * must not be waited with.
 */
static vm_fault_t fault_wait(struct vm_fault *vmf, long timeout)
{
	struct mm_struct *mm = vmf->vma->vm_mm;

	if (vmf->flags & FAULT_FLAG_RETRY_NOWAIT)
		return VM_FAULT_RETRY;
	if (!(vmf->flags & FAULT_FLAG_ALLOW_RETRY)) {
		schedule_timeout_killable(timeout);
		return 0;
	}

	mmap_read_unlock(mm);
	schedule_timeout_killable(timeout);
	return VM_FAULT_RETRY;
}

/* Wait, once for each fault, until the device has had the page long enough. */
static vm_fault_t fault_wait_timeslice(struct vm_fault *vmf,
				       struct drm_pagemap_devmem *devmem)
{
	u64 until = READ_ONCE(devmem->keep_until), now = get_jiffies_64();

	if (until <= now || vmf->flags & FAULT_FLAG_TRIED)
		return 0;

	return fault_wait(vmf, until - now);
}

/*
 * What a fault returns whose page did not move because of @err. Memory that is
 * short, or a page that is busy, is no reason to kill anybody.
 */
static vm_fault_t fault_error(struct vm_fault *vmf, int err)
{
	switch (err) {
	case -ENOMEM:
		return VM_FAULT_OOM;
	case -EAGAIN:
	case -EBUSY:
	case -EINTR:
	case -ERESTARTSYS:
		/* do_swap_page() has locked the page: nobody waits with a reference */
		return fault_wait(vmf, 1);
	default:
		return VM_FAULT_SIGBUS;
	}
}

/*
 * Which addresses come back with the page at @addr: the aligned window, as large
 * as the block, around it, as far as it is in the VMA.
 */
static unsigned long fault_window(struct vm_fault *vmf,
				  struct drm_pagemap_devmem *devmem,
				  unsigned long *end)
{
	unsigned long size, start;

	size = rounddown_pow_of_two(min(devmem->npages, BATCH_PAGES));
	start = ALIGN_DOWN(vmf->address, size * PAGE_SIZE);
	*end = min(start + size * PAGE_SIZE, vmf->vma->vm_end);
	return max(start, vmf->vma->vm_start);
}

/* The page of the fault first: the others are welcome, but may not cost it. */
static int fault_add_ram(struct vm_fault *vmf, struct batch *b,
			 struct drm_pagemap_devmem *devmem, unsigned long start)
{
	unsigned long i;

	if (add_ram(devmem, b, (vmf->address - start) >> PAGE_SHIFT,
		    GFP_HIGHUSER_MOVABLE, vmf->vma, start))
		return -ENOMEM;

	for (i = 0; i < b->npages; i++)
		if (add_ram(devmem, b, i, GFP_HIGHUSER_MOVABLE |
			    __GFP_NORETRY | __GFP_NOWARN, vmf->vma, start))
			break;

	return 0;
}

/* Migrate [start, end) to RAM. Returns 0 if the page of the fault moved. */
static int fault_migrate(struct vm_fault *vmf, struct batch *b,
			 struct drm_pagemap_devmem *devmem, unsigned long start,
			 unsigned long end)
{
	unsigned long i = (vmf->address - start) >> PAGE_SHIFT;
	struct migrate_vma args = {
		.vma = vmf->vma,
		.src = b->src,
		.dst = b->dst,
		.start = start,
		.end = end,
		.pgmap_owner = vmf->page->pgmap->owner,
		.flags = MIGRATE_VMA_SELECT_DEVICE_PRIVATE,
		.fault_page = vmf->page,
	};
	unsigned long moved = 0;
	int err;

	batch_reset(b, (end - start) >> PAGE_SHIFT);
	err = migrate_vma_setup(&args);
	if (err)
		return err;
	if (!args.cpages)
		return -EAGAIN;

	trace_drm_pagemap_migrate_begin(devmem, DRM_PAGEMAP_CPU_FAULT, start,
					end - start);
	err = fault_add_ram(vmf, b, devmem, start);
	if (!err)
		err = copy_to_ram(devmem, b);
	if (!err) {
		migrate_vma_pages(&args);
		moved = account_moved(b);
		if (!b->dst[i] || !batch_migrates(b, i))
			err = -EAGAIN;
	}
	migrate_end(devmem, DRM_PAGEMAP_CPU_FAULT, start, moved, err);
	migrate_vma_finalize(&args);

	return err;
}

/*
 * A CPU has touched a page that is in device memory. Takes no lock of a driver:
 * everything that is needed hangs on the page. The mmap lock is held for reading;
 * the caller has locked the page, and has the only reference of a fault on it.
 */
static vm_fault_t drm_pagemap_migrate_to_ram(struct vm_fault *vmf)
{
	struct drm_pagemap_devmem *devmem = page_devmem(vmf->page);
	unsigned long start, end;
	struct batch_single single;
	struct batch b;
	vm_fault_t ret;
	int err;

	ret = fault_wait_timeslice(vmf, devmem);
	if (ret)
		return ret;

	start = fault_window(vmf, devmem, &end);
	if (batch_init(&b, (end - start) >> PAGE_SHIFT,
		       GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN)) {
		err = fault_migrate(vmf, &b, devmem, start, end);
		batch_fini(&b);
	} else {
		batch_init_single(&b, &single);
		err = fault_migrate(vmf, &b, devmem, vmf->address,
				    vmf->address + PAGE_SIZE);
	}

	return err ? fault_error(vmf, err) : 0;
}

static const struct dev_pagemap_ops drm_pagemap_pagemap_ops = {
	.page_free = drm_pagemap_page_free,
	.migrate_to_ram = drm_pagemap_migrate_to_ram,
};

/**
 * drm_pagemap_pagemap_ops_get() - The operations for a driver's dev_pagemap
 *
 * Return: What &dev_pagemap.ops of a &struct drm_pagemap has to be.
 */
const struct dev_pagemap_ops *drm_pagemap_pagemap_ops_get(void)
{
	return &drm_pagemap_pagemap_ops;
}
EXPORT_SYMBOL_GPL(drm_pagemap_pagemap_ops_get);

/*
 * Eviction
 */

/* Evict up to a batch of pages of the block, from @first on. */
static int evict_batch(struct drm_pagemap_devmem *devmem, struct batch *b,
		       unsigned long first, unsigned long npages)
{
	unsigned long i, moved = 0;
	int err, no_ram = 0;

	batch_reset(b, npages);
	err = devmem_pfns(devmem, first, npages, b->pfns);
	if (err)
		return err;

	trace_drm_pagemap_migrate_begin(devmem, DRM_PAGEMAP_EVICTION,
					first << PAGE_SHIFT,
					npages << PAGE_SHIFT);
	memcpy(b->src, b->pfns, npages * sizeof(*b->src));
	migrate_device_pfns(b->src, npages);
	for (i = 0; i < npages && !no_ram; i++)
		no_ram = add_ram(devmem, b, i, GFP_HIGHUSER_MOVABLE |
				 __GFP_NOWARN, NULL, 0);
	err = copy_to_ram(devmem, b);
	if (!err) {
		migrate_device_pages(b->src, b->dst, npages);
		moved = account_moved(b);
	}
	migrate_device_finalize(b->src, b->dst, npages);
	err = err ?: no_ram;
	migrate_end(devmem, DRM_PAGEMAP_EVICTION, first << PAGE_SHIFT, moved,
		    err);

	return err;
}

static int evict_pass(struct drm_pagemap_devmem *devmem, struct batch *b,
		      unsigned long capacity)
{
	unsigned long first, n;
	int err = 0;

	for (first = 0; first < devmem->npages && !err; first += n) {
		n = min(capacity, devmem->npages - first);
		err = evict_batch(devmem, b, first, n);
	}

	return err;
}

static bool worth_another_pass(int err)
{
	return !err || err == -ENOMEM || err == -EAGAIN || err == -EBUSY;
}

/**
 * drm_pagemap_evict_to_ram() - Move everything that is in a block to RAM
 * @devmem: The block. The caller has a reference, or otherwise made sure that it
 *	is not released.
 *
 * Works on the block's pages, whoever maps them: it needs no address space. Pages
 * that are busy are tried again, with growing pauses, for about two seconds in
 * all. The caller makes sure that nobody migrates to the block meanwhile, if it
 * wants it to be empty afterwards. A timeslice is not respected.
 *
 * Context: Process context. Allocates memory and takes page locks: not to be
 * called under a lock that CPU faults, mmu notifiers or
 * &drm_pagemap_devmem_ops.copy_to_ram take.
 *
 * Return: 0 if no page of the block is in use; -ENOMEM if there was no memory to
 * move to; -EBUSY if pages stayed busy; or the error of
 * &drm_pagemap_devmem_ops.copy_to_ram, with the data still in the block.
 */
int drm_pagemap_evict_to_ram(struct drm_pagemap_devmem *devmem)
{
	unsigned long capacity = min(devmem->npages, BATCH_PAGES);
	struct batch_single single;
	struct batch b;
	bool allocated;
	int err, pass;

	if (!atomic_long_read(&devmem->nr_out))
		return 0;

	allocated = batch_init(&b, capacity, GFP_KERNEL | __GFP_NOWARN);
	if (!allocated) {
		batch_init_single(&b, &single);
		capacity = 1;
	}

	for (pass = 0; ; pass++) {
		err = evict_pass(devmem, &b, capacity);
		if (!worth_another_pass(err) || pass == EVICT_PASSES)
			break;
		if (wait_event_timeout(devmem->idle,
				       !atomic_long_read(&devmem->nr_out),
				       min(1 << pass, EVICT_WAIT_MAX)))
			break;
	}
	if (allocated)
		batch_fini(&b);
	if (!atomic_long_read(&devmem->nr_out))
		return 0;

	return err ?: -EBUSY;
}
EXPORT_SYMBOL_GPL(drm_pagemap_evict_to_ram);

/* The block after @devmem, or the first one; drops the reference on @devmem. */
static struct drm_pagemap_devmem *next_block(struct drm_pagemap *dpagemap,
					     struct drm_pagemap_devmem *devmem)
{
	struct drm_pagemap_devmem *next = devmem;

	spin_lock(&dpagemap->lock);
	next = list_prepare_entry(next, &dpagemap->blocks, link);
	list_for_each_entry_continue(next, &dpagemap->blocks, link)
		if (kref_get_unless_zero(&next->ref))
			break;
	if (list_entry_is_head(next, &dpagemap->blocks, link))
		next = NULL;
	spin_unlock(&dpagemap->lock);

	drm_pagemap_devmem_put(devmem);
	return next;
}

/**
 * drm_pagemap_evict_all() - Move everything that is in device memory to RAM
 * @dpagemap: The device memory.
 *
 * For a driver that is about to lose its device, before it shuts it down and
 * after drm_dev_unplug(), which keeps new pages out. See the DOC section
 * "Teardown".
 *
 * Context: As drm_pagemap_evict_to_ram().
 *
 * Return: 0 if all blocks are empty, else the first error. All blocks were tried.
 */
int drm_pagemap_evict_all(struct drm_pagemap *dpagemap)
{
	struct drm_pagemap_devmem *devmem = NULL;
	int err, ret = 0;

	while ((devmem = next_block(dpagemap, devmem))) {
		err = drm_pagemap_evict_to_ram(devmem);
		ret = ret ?: err;
	}

	return ret;
}
EXPORT_SYMBOL_GPL(drm_pagemap_evict_all);

/*
 * The pagemap
 */

/**
 * drm_pagemap_init() - Prepare a pagemap
 * @dpagemap: The pagemap; its memory is the caller's until
 *	&drm_pagemap_ops.destroy.
 * @pagemap: Its struct pages, for which memremap_pages() has been or will be
 *	called with drm_pagemap_pagemap_ops_get().
 * @drm: The device; a reference is taken.
 * @ops: What the driver does for it.
 *
 * The caller owns a reference afterwards.
 *
 * Return: 0, or -EINVAL if @pagemap or @ops are not fit for this.
 */
int drm_pagemap_init(struct drm_pagemap *dpagemap, struct dev_pagemap *pagemap,
		     struct drm_device *drm, const struct drm_pagemap_ops *ops)
{
	if (WARN_ON(pagemap->type != MEMORY_DEVICE_PRIVATE ||
		    pagemap->ops != &drm_pagemap_pagemap_ops ||
		    !ops->device_map))
		return -EINVAL;

	dpagemap->ops = ops;
	dpagemap->pagemap = pagemap;
	dpagemap->drm = drm;
	drm_dev_get(drm);
	kref_init(&dpagemap->ref);
	spin_lock_init(&dpagemap->lock);
	INIT_LIST_HEAD(&dpagemap->blocks);
	memset(dpagemap->moved, 0, sizeof(dpagemap->moved));
	memset(dpagemap->failed, 0, sizeof(dpagemap->failed));

	return 0;
}
EXPORT_SYMBOL_GPL(drm_pagemap_init);

static void drm_pagemap_release(struct kref *ref)
{
	struct drm_pagemap *dpagemap =
		container_of(ref, struct drm_pagemap, ref);
	struct drm_device *drm = dpagemap->drm;

	WARN_ON(!list_empty(&dpagemap->blocks));
	if (dpagemap->ops->destroy)
		dpagemap->ops->destroy(dpagemap);
	drm_dev_put(drm);
}

/**
 * drm_pagemap_put() - Drop a reference
 * @dpagemap: The pagemap, or NULL.
 *
 * Context: Process context, as the last reference calls
 * &drm_pagemap_ops.destroy.
 */
void drm_pagemap_put(struct drm_pagemap *dpagemap)
{
	might_sleep();
	if (dpagemap)
		kref_put(&dpagemap->ref, drm_pagemap_release);
}
EXPORT_SYMBOL_GPL(drm_pagemap_put);

/**
 * drm_pagemap_page_to_dpagemap() - Whose device memory a page is
 * @page: A page.
 *
 * Context: The caller has a reference on @page, or has it from a walk of page
 * tables of which it knows that it still holds: under the lock with which it
 * checks mmu_interval_read_retry(), after that said no.
 *
 * Return: The pagemap, with no reference taken; NULL if @page is not in device
 * memory, or in that of a driver that does not use this library.
 */
struct drm_pagemap *drm_pagemap_page_to_dpagemap(struct page *page)
{
	struct drm_pagemap_devmem *devmem;

	if (!is_device_private_page(page) ||
	    page->pgmap->ops != &drm_pagemap_pagemap_ops)
		return NULL;

	devmem = page_devmem(page);
	return devmem ? devmem->dpagemap : NULL;
}
EXPORT_SYMBOL_GPL(drm_pagemap_page_to_dpagemap);

/**
 * drm_pagemap_populate_mm() - Have the driver migrate memory to its device
 * @dpagemap: The device memory.
 * @start: Start of the range, page aligned.
 * @end: End of the range, page aligned, exclusive.
 * @mm: The address space; it may be about to die.
 * @timeslice_ms: See &drm_pagemap_migrate_details.
 *
 * Context: Process context, no mmap lock held.
 *
 * Return: As drm_pagemap_migrate_to_devmem(); -EOPNOTSUPP if the driver cannot;
 * -ESRCH if @mm has no users any more.
 */
long drm_pagemap_populate_mm(struct drm_pagemap *dpagemap, unsigned long start,
			     unsigned long end, struct mm_struct *mm,
			     unsigned long timeslice_ms)
{
	long ret;

	if (!dpagemap->ops->populate_mm)
		return -EOPNOTSUPP;
	if (!mmget_not_zero(mm))
		return -ESRCH;

	mmap_read_lock(mm);
	ret = dpagemap->ops->populate_mm(dpagemap, start, end, mm,
					 timeslice_ms);
	mmap_read_unlock(mm);
	mmput(mm);

	return ret;
}
EXPORT_SYMBOL_GPL(drm_pagemap_populate_mm);

static const char * const reason_names[] = {
	[DRM_PAGEMAP_TO_DEVMEM] = "to the device",
	[DRM_PAGEMAP_CPU_FAULT] = "to RAM by CPU faults",
	[DRM_PAGEMAP_EVICTION] = "to RAM by eviction",
};

static_assert(ARRAY_SIZE(reason_names) == DRM_PAGEMAP_REASONS);

/**
 * drm_pagemap_debugfs_print() - Show what there is
 * @dpagemap: The device memory.
 * @p: Where to.
 *
 * For a driver's file in debugfs: how much has moved, why, and how often that
 * failed, and every block with how much of it is in use.
 *
 * Context: Process. Takes a spinlock, so @p must not sleep: that of a seq_file
 * does not.
 */
void drm_pagemap_debugfs_print(struct drm_pagemap *dpagemap,
			       struct drm_printer *p)
{
	struct range *range = &dpagemap->pagemap->range;
	struct drm_pagemap_devmem *devmem;
	unsigned int i;

	drm_printf(p, "pagemap %s [%#llx,%#llx)\n", dev_name(dpagemap->drm->dev),
		   range->start, range->end + 1);
	for (i = 0; i < DRM_PAGEMAP_REASONS; i++) {
		long moved = atomic_long_read(&dpagemap->moved[i]);

		drm_printf(p, " %s: %ld pages, %ld bytes, %ld failures\n",
			   reason_names[i], moved, moved << PAGE_SHIFT,
			   atomic_long_read(&dpagemap->failed[i]));
	}

	spin_lock(&dpagemap->lock);
	list_for_each_entry(devmem, &dpagemap->blocks, link)
		drm_printf(p, " block of %lu pages: %ld in use\n",
			   devmem->npages, atomic_long_read(&devmem->nr_out));
	spin_unlock(&dpagemap->lock);
}
EXPORT_SYMBOL_GPL(drm_pagemap_debugfs_print);

static int __init drm_pagemap_module_init(void)
{
	/* What it frees is what reclaim may wait for */
	drm_pagemap_wq = alloc_workqueue("drm_pagemap",
					 WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	return drm_pagemap_wq ? 0 : -ENOMEM;
}

/* Before any driver, where all are built in */
subsys_initcall(drm_pagemap_module_init);

static void __exit drm_pagemap_module_exit(void)
{
	destroy_workqueue(drm_pagemap_wq);
}
module_exit(drm_pagemap_module_exit);

MODULE_DESCRIPTION("DRM device memory as struct pages");
MODULE_LICENSE("Dual MIT/GPL");
