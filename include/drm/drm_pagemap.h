/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
#ifndef _DRM_PAGEMAP_H_
#define _DRM_PAGEMAP_H_

#include <linux/atomic.h>
#include <linux/dma-direction.h>
#include <linux/errno.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

struct dev_pagemap;
struct dev_pagemap_ops;
struct device;
struct dma_fence;
struct drm_device;
struct drm_pagemap;
struct drm_pagemap_devmem;
struct drm_printer;
struct folio;
struct mm_struct;
struct module;
struct page;
struct vm_area_struct;

/**
 * enum drm_interconnect_protocol - How a device reaches a page
 * @DRM_INTERCONNECT_SYSTEM: The address is a DMA address: system memory, or the
 *	memory of a peer that is reached as if it were.
 * @DRM_INTERCONNECT_DRIVER: The address means something to the driver only: its
 *	own memory, or a fabric of its own between devices. A driver that has
 *	more than one such protocol numbers them from here.
 */
enum drm_interconnect_protocol {
	DRM_INTERCONNECT_SYSTEM,
	DRM_INTERCONNECT_DRIVER,
};

/**
 * struct drm_pagemap_addr - Where a device finds 1 << @order pages
 * @addr: The address, in the address space that @proto names.
 * @proto: An &enum drm_interconnect_protocol, or a driver's number above it.
 * @order: log2 of how many pages are contiguous from @addr on.
 * @dir: An &enum dma_data_direction: what the mapping allows.
 */
struct drm_pagemap_addr {
	dma_addr_t addr;
	u64 proto : 54;
	u64 order : 8;
	u64 dir : 2;
};

/**
 * drm_pagemap_addr_encode() - Make a &struct drm_pagemap_addr
 * @addr: The address.
 * @proto: How it is reached.
 * @order: log2 of the number of contiguous pages.
 * @dir: What the mapping allows.
 *
 * Return: The address with all of this.
 */
static inline struct drm_pagemap_addr
drm_pagemap_addr_encode(dma_addr_t addr, enum drm_interconnect_protocol proto,
			unsigned int order, enum dma_data_direction dir)
{
	return (struct drm_pagemap_addr) {
		.addr = addr,
		.proto = proto,
		.order = order,
		.dir = dir,
	};
}

/**
 * struct drm_pagemap_ops - What a driver does for its &struct drm_pagemap
 */
struct drm_pagemap_ops {
	/**
	 * @device_map: Make @page and the 1 << @order - 1 pages after it
	 * accessible to @dev, which may be the device that owns the memory or
	 * another one that wants to reach it. Required.
	 *
	 * Called with a reference on the pages, under the page lock or after
	 * an mmu notifier has been checked; may not sleep for memory.
	 *
	 * Return: The address; its @addr is %DMA_MAPPING_ERROR if @dev cannot
	 * reach the pages, and nothing is to be undone then.
	 */
	struct drm_pagemap_addr (*device_map)(struct drm_pagemap *dpagemap,
					      struct device *dev,
					      struct page *page,
					      unsigned int order,
					      enum dma_data_direction dir);

	/**
	 * @device_unmap: Undo @device_map. Optional. Called once for each
	 * address that @device_map has returned.
	 */
	void (*device_unmap)(struct drm_pagemap *dpagemap, struct device *dev,
			     struct drm_pagemap_addr addr);

	/**
	 * @populate_mm: Allocate device memory and migrate [@start, @end) of
	 * @mm to it, see drm_pagemap_populate_mm(). Optional. Called with the
	 * mmap lock of @mm held for reading and a reference on @mm's users.
	 *
	 * Return: As drm_pagemap_migrate_to_devmem().
	 */
	long (*populate_mm)(struct drm_pagemap *dpagemap, unsigned long start,
			    unsigned long end, struct mm_struct *mm,
			    unsigned long timeslice_ms);

	/**
	 * @destroy: Free the pagemap: memunmap_pages() and what embeds
	 * @dpagemap. Optional; called in process context after the last
	 * reference is gone, when no page is out any more, which may be long
	 * after the device was unplugged.
	 */
	void (*destroy)(struct drm_pagemap *dpagemap);
};

/**
 * enum drm_pagemap_reason - Why pages migrate
 * @DRM_PAGEMAP_TO_DEVMEM: The driver wants them on the device.
 * @DRM_PAGEMAP_CPU_FAULT: A CPU has touched one of them.
 * @DRM_PAGEMAP_EVICTION: The driver wants their block to be empty.
 * @DRM_PAGEMAP_REASONS: How many reasons there are.
 */
enum drm_pagemap_reason {
	DRM_PAGEMAP_TO_DEVMEM,
	DRM_PAGEMAP_CPU_FAULT,
	DRM_PAGEMAP_EVICTION,
	DRM_PAGEMAP_REASONS,
};

/**
 * struct drm_pagemap - Device memory that has struct pages
 * @ops: What the driver does for it.
 * @drm: The device that the memory belongs to; a reference is held.
 * @pagemap: Its struct pages, of type %MEMORY_DEVICE_PRIVATE. Pagemaps with the
 *	same owner can migrate to each other directly.
 * @ref: Reference count: the driver, each block of memory, and whoever asked
 *	for it.
 * @lock: Protects @blocks.
 * @blocks: All &struct drm_pagemap_devmem of this memory.
 * @moved: How many pages have migrated for each reason.
 * @failed: How many times that has ended with an error; some may have moved.
 */
struct drm_pagemap {
	const struct drm_pagemap_ops *ops;
	struct drm_device *drm;
	struct dev_pagemap *pagemap;
	struct kref ref;
	spinlock_t lock; /* blocks */
	struct list_head blocks;
	atomic_long_t moved[DRM_PAGEMAP_REASONS];
	atomic_long_t failed[DRM_PAGEMAP_REASONS];
};

/**
 * struct drm_pagemap_devmem_ops - What a driver does for a block of its memory
 *
 * None of these may take a lock under which the driver allocates memory that
 * can be reclaimed, waits for a CPU fault, or calls this library:
 * drm_pagemap_devmem_ops.copy_to_ram runs in CPU faults.
 */
struct drm_pagemap_devmem_ops {
	/**
	 * @owner: The module that these functions are in; it stays loaded as
	 * long as a block is in use.
	 */
	struct module *owner;

	/**
	 * @devmem_release: No page of the block is in use any more and nobody
	 * holds a reference: free it. Required. Called in process context
	 * without locks.
	 */
	void (*devmem_release)(struct drm_pagemap_devmem *devmem);

	/**
	 * @populate_devmem_pfns: Write the page frame numbers of the pages
	 * [@first, @first + @npages) of the block to @pfns, plain numbers
	 * without any flag of migrate_vma. Required. They do not change while
	 * one of them is in use.
	 *
	 * Return: 0, or a negative error.
	 */
	int (*populate_devmem_pfns)(struct drm_pagemap_devmem *devmem,
				    unsigned long first, unsigned long npages,
				    unsigned long *pfns);

	/**
	 * @copy_to_devmem: Copy @npages pages to the block, and wait until
	 * that has been done. Required.
	 *
	 * @pages has a device page or NULL for each, @addr where the data come
	 * from. Where @addr has an order n > 0, the source of the next 1 << n
	 * pages is contiguous and all of them are to be copied; @addr of the
	 * others is then zero. Entries whose page is NULL are skipped.
	 *
	 * Return: 0, or a negative error. After an error no page is used.
	 */
	int (*copy_to_devmem)(struct drm_pagemap_devmem *devmem,
			      struct page **pages,
			      struct drm_pagemap_addr *addr,
			      unsigned long npages);

	/**
	 * @copy_to_ram: As @copy_to_devmem, the other way: @pages are device
	 * pages of this block and @addr is where their data go. Required.
	 * Runs in CPU faults with the mmap lock held for reading, and in
	 * eviction: may not take locks that are held over memory allocation
	 * or over a call of drm_pagemap_evict_to_ram().
	 *
	 * Return: 0, -EINTR or -EAGAIN to be called again later, -ENOMEM if
	 * there is no memory; any other error says that the data are lost.
	 */
	int (*copy_to_ram)(struct drm_pagemap_devmem *devmem,
			   struct page **pages, struct drm_pagemap_addr *addr,
			   unsigned long npages);
};

/**
 * struct drm_pagemap_devmem - A block of device memory, e.g. a buffer object
 * @ops: What the driver does for it.
 * @dpagemap: The memory it is part of; a reference is held.
 * @dev: The device that copies, for DMA mappings.
 * @npages: Its size in pages.
 * @fence: To be waited for before the block is written for the first time, or
 *	NULL; a reference is held.
 * @ref: One for the one who called drm_pagemap_devmem_init(), one for each page
 *	that is out.
 * @nr_out: How many pages of it hold, or are about to hold, a process's data.
 * @idle: Woken when @nr_out reaches zero.
 * @keep_until: In jiffies (64 bit): until then a CPU fault waits. Read and
 *	written without a lock.
 * @link: In drm_pagemap.blocks, under its lock.
 * @release_work: Calls drm_pagemap_devmem_ops.devmem_release; the last page may
 *	be freed in atomic context.
 *
 * To be embedded in the driver's object. See the DOC section "Blocks".
 */
struct drm_pagemap_devmem {
	const struct drm_pagemap_devmem_ops *ops;
	struct drm_pagemap *dpagemap;
	struct device *dev;
	unsigned long npages;
	struct dma_fence *fence;
	struct kref ref;
	atomic_long_t nr_out;
	wait_queue_head_t idle;
	u64 keep_until;
	struct list_head link;
	struct work_struct release_work;
};

/**
 * struct drm_pagemap_migrate_details - How to migrate to device memory
 * @first: The page of the block that the start of the range goes to.
 * @timeslice_ms: For how long, in milliseconds, pages that have moved stay: CPU
 *	faults wait until then. At most %DRM_PAGEMAP_MAX_TIMESLICE_MS.
 * @no_holes: Leave addresses that have no page yet alone, instead of giving them
 *	device memory full of zeros.
 */
struct drm_pagemap_migrate_details {
	unsigned long first;
	unsigned int timeslice_ms;
	bool no_holes;
};

/* The longest time for which a CPU fault waits for the end of a timeslice */
#define DRM_PAGEMAP_MAX_TIMESLICE_MS	1000

#if IS_ENABLED(CONFIG_DRM_PAGEMAP)

int drm_pagemap_init(struct drm_pagemap *dpagemap, struct dev_pagemap *pagemap,
		     struct drm_device *drm, const struct drm_pagemap_ops *ops);
void drm_pagemap_put(struct drm_pagemap *dpagemap);
const struct dev_pagemap_ops *drm_pagemap_pagemap_ops_get(void);
struct drm_pagemap *drm_pagemap_page_to_dpagemap(struct page *page);
long drm_pagemap_populate_mm(struct drm_pagemap *dpagemap, unsigned long start,
			     unsigned long end, struct mm_struct *mm,
			     unsigned long timeslice_ms);
void drm_pagemap_debugfs_print(struct drm_pagemap *dpagemap,
			       struct drm_printer *p);

int drm_pagemap_devmem_init(struct drm_pagemap_devmem *devmem,
			    struct device *dev, struct drm_pagemap *dpagemap,
			    const struct drm_pagemap_devmem_ops *ops,
			    unsigned long npages, struct dma_fence *fence);
void drm_pagemap_devmem_get(struct drm_pagemap_devmem *devmem);
void drm_pagemap_devmem_put(struct drm_pagemap_devmem *devmem);

long drm_pagemap_migrate_to_devmem(struct drm_pagemap_devmem *devmem,
				   struct mm_struct *mm,
				   unsigned long start, unsigned long end,
				   const struct drm_pagemap_migrate_details *details);
int drm_pagemap_evict_to_ram(struct drm_pagemap_devmem *devmem);
int drm_pagemap_evict_all(struct drm_pagemap *dpagemap);

/**
 * drm_pagemap_get() - Take a reference
 * @dpagemap: The pagemap, or NULL. The caller has a reference.
 *
 * Return: @dpagemap.
 */
static inline struct drm_pagemap *drm_pagemap_get(struct drm_pagemap *dpagemap)
{
	if (dpagemap)
		kref_get(&dpagemap->ref);

	return dpagemap;
}

#else /* CONFIG_DRM_PAGEMAP */

static inline struct drm_pagemap *drm_pagemap_get(struct drm_pagemap *dpagemap)
{
	return dpagemap;
}

static inline void drm_pagemap_put(struct drm_pagemap *dpagemap)
{
}

static inline struct drm_pagemap *drm_pagemap_page_to_dpagemap(struct page *page)
{
	return NULL;
}

static inline long drm_pagemap_populate_mm(struct drm_pagemap *dpagemap,
					   unsigned long start, unsigned long end,
					   struct mm_struct *mm,
					   unsigned long timeslice_ms)
{
	return -EOPNOTSUPP;
}

#endif /* CONFIG_DRM_PAGEMAP */

#endif
