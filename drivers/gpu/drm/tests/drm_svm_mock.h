/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
#ifndef _DRM_SVM_MOCK_H_
#define _DRM_SVM_MOCK_H_

#include <linux/atomic.h>
#include <linux/bitmap.h>
#include <linux/completion.h>
#include <linux/dma-direction.h>
#include <linux/ioport.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/wait.h>

#include <drm/drm_device.h>
#include <drm/drm_gpusvm.h>
#include <drm/drm_pagemap.h>

struct kunit;
struct task_struct;

#define MOCK_MAX_PAGES	1024UL
#define MOCK_MAX_GPUS	4
#define MOCK_MAX_TASKS	12
#define MOCK_VRAM_PAGES	1024UL
#define MOCK_NOISE	0x5a5aa5a5
/* Nothing here takes this long unless it hangs */
#define MOCK_HANG	(60 * HZ)
/* Long enough for somebody who does not block to get on, also under load */
#define MOCK_SETTLE	(HZ / 10)
/* What a device sees as its address of system memory */
#define MOCK_DMA_OFFSET	BIT_ULL(44)

/* What a PTE has beside the address */
#define MOCK_PTE_VRAM	BIT_ULL(0)
#define MOCK_PTE_WRITE	BIT_ULL(1)

/**
 * struct mock_task - Something that runs beside the test
 * @test: The test.
 * @fn: What it does.
 * @arg: Is passed to @fn.
 * @mm: In which address space, NULL for none.
 * @task: The thread.
 * @done: @fn has returned.
 * @ret: What @fn returned.
 */
struct mock_task {
	struct kunit *test;
	int (*fn)(void *arg);
	void *arg;
	struct mm_struct *mm;
	struct task_struct *task;
	struct completion done;
	int ret;
};

/**
 * struct mock_fixture - What a case works with; the private data of the test
 * @test: The test.
 * @mm: The address space of the test.
 * @addr: @npages of memory, aligned to their size.
 * @npages: Its size.
 * @chunk_sizes: For GPUs.
 * @num_chunks: How many @chunk_sizes there are.
 * @window_size: For GPUs, in bytes.
 * @gpus: The GPUs.
 * @nr_gpus: How many of them there are.
 * @two: Ranges have pages for two devices.
 * @tasks: What runs beside the test.
 * @nr_tasks: How many of them there are.
 * @end: When a storm ends, in jiffies.
 * @priv: The case's own.
 * @kept: A device page of which mock_keep_moved() keeps a reference.
 * @lock: Protects what follows.
 * @mapped: Pages of RAM mapped for devices.
 * @sum: Of all addresses, so that not only their number is right.
 * @writable: Those of @mapped that a GPU may write.
 * @early: Addresses that were unmapped while a GPU could use them.
 * @nr_maps: How many mappings were asked for.
 * @nr_allocs: How many pages of RAM were asked for.
 * @fail_map: The number of the mapping that fails, -1 for none.
 * @fail_alloc: The number of the page of RAM that cannot be had, -1 for none.
 * @fail_rest: All after it fail too.
 */
struct mock_fixture {
	struct kunit *test;
	struct mm_struct *mm;
	unsigned long addr;
	unsigned long npages;
	const unsigned long *chunk_sizes;
	unsigned int num_chunks;
	unsigned long window_size;
	struct mock_gpu *gpus[MOCK_MAX_GPUS];
	unsigned int nr_gpus;
	bool two;
	struct mock_task tasks[MOCK_MAX_TASKS];
	unsigned int nr_tasks;
	unsigned long end;
	void *priv;
	struct page *kept;

	spinlock_t lock; /* the counters */
	long mapped;
	u64 sum;
	long writable;
	unsigned int early;
	int nr_maps;
	int nr_allocs;
	int fail_map;
	int fail_alloc;
	bool fail_rest;
};

/**
 * struct mock_gpu - A mock GPU with one VM
 * @fx: The fixture.
 * @svm: The VM.
 * @drm: Its device; no more than a name for &struct device is needed.
 * @other: A second device with the same memory.
 * @no_drm: What @drm is where the device is nothing but this GPU.
 * @lock: The driver's lock.
 * @ctx: What device memory it can use.
 * @flush_us: How long a flush takes.
 * @flush_open: Flushes can complete.
 * @flush_wait: Those who wait for @flush_open.
 * @started: Flushes that have been submitted.
 * @waited: Flushes that were waited for.
 * @fail_alloc: range_alloc fails: 1 with NULL, 2 with an ERR_PTR().
 * @ptes_lock: Protects what follows. The GPU accesses memory under it, so that
 *	it is either before a flush or after it.
 * @ptes: The page table: addresses with flags, 0 for none.
 * @tlb: What the GPU has translated, until it is flushed.
 */
struct mock_gpu {
	struct mock_fixture *fx;
	struct drm_gpusvm svm;
	struct drm_device *drm;
	struct drm_device other;
	struct drm_device no_drm;
	struct mutex lock; /* the driver's lock */
	struct drm_gpusvm_ctx ctx;
	unsigned int flush_us;
	bool flush_open;
	wait_queue_head_t flush_wait;
	atomic_t started;
	atomic_t waited;
	int fail_alloc;

	spinlock_t ptes_lock; /* the page table */
	u64 ptes[MOCK_MAX_PAGES];
	u64 tlb[MOCK_MAX_PAGES];
};

struct mock_fixture *mock_current(void);
struct mock_fixture *mock_fixture_create(struct kunit *test);
void mock_fixture_map(struct mock_fixture *fx, unsigned long npages);
void mock_expect_mapped(struct mock_fixture *fx, long nr);

static inline unsigned long mock_addr(struct mock_fixture *fx, unsigned long i)
{
	return fx->addr + i * PAGE_SIZE;
}

/* The address space */
int mock_mmap(struct mock_fixture *fx, unsigned long i, unsigned long nr,
	      unsigned long prot);
int mock_munmap(struct mock_fixture *fx, unsigned long i, unsigned long nr);
int mock_dontneed(struct mock_fixture *fx, unsigned long i, unsigned long nr);
int mock_mprotect(struct mock_fixture *fx, unsigned long i, unsigned long nr,
		  unsigned long prot);
int mock_mremap(unsigned long from, unsigned long size, unsigned long to);
void mock_drop_mm(struct mock_fixture *fx);
struct mock_task *mock_task_start(struct mock_fixture *fx, bool in_mm,
				  int (*fn)(void *arg), void *arg);
int mock_task_join(struct mock_task *task);
void mock_task_expect_blocked(struct mock_task *task);
pid_t mock_fork(int (*fn)(void *arg), void *arg);

/* Memory for devices: what is stubbed in drm_gpusvm and drm_pagemap */
dma_addr_t mock_dma_map(struct device *dev, struct page *page,
			unsigned int order, enum dma_data_direction dir);
void mock_dma_unmap(struct device *dev, dma_addr_t addr, unsigned int order,
		    enum dma_data_direction dir);
struct page *mock_alloc_ram(gfp_t gfp, struct vm_area_struct *vma,
			    unsigned long addr);
void mock_keep_moved(struct page *page);

/* The GPU */
extern const struct drm_gpusvm_ops mock_gpu_ops;
struct mock_gpu *mock_gpu_add(struct mock_fixture *fx, struct drm_device *drm);
struct drm_gpusvm_range *mock_gpu_range_alloc(struct drm_gpusvm *svm);
bool mock_gpu_invalidate_start(struct drm_gpusvm *svm,
			       struct drm_gpusvm_notifier *notifier,
			       const struct mmu_notifier_range *mmu_range,
			       struct drm_gpusvm_finish *base);
void mock_gpu_invalidate_finish(struct drm_gpusvm *svm,
				struct drm_gpusvm_finish *base);
bool mock_gpu_zap(struct mock_gpu *gpu, unsigned int page, unsigned int nr,
		  unsigned long *pages);
void mock_gpu_flush(struct mock_gpu *gpu, const unsigned long *pages);
void mock_gpu_hold(struct mock_gpu *gpu);
void mock_gpu_let_go(struct mock_gpu *gpu);
void mock_gpu_reach_started(struct mock_gpu *gpu, int nr);
void mock_gpu_bind(struct mock_gpu *gpu, unsigned int page,
		   const struct drm_gpusvm_pages *pages);
void mock_gpu_unbind(struct mock_gpu *gpu, struct drm_gpusvm_range *range);
void mock_gpu_remove(struct mock_gpu *gpu, struct drm_gpusvm_range *range);
int mock_gpu_collect(struct mock_gpu *gpu);
int mock_gpu_fault_locked(struct mock_gpu *gpu, unsigned int page, bool write);
int mock_gpu_fault(struct mock_gpu *gpu, unsigned int page, bool write);
char *mock_gpu_ptr(struct mock_gpu *gpu, unsigned int page);
bool mock_gpu_access(struct mock_gpu *gpu, unsigned int page, bool write,
		     void (*fn)(u64 *mem, void *arg), void *arg);
unsigned int mock_gpu_translations(struct mock_gpu *gpu, unsigned int page,
				   unsigned int nr);
unsigned int mock_gpu_uses(struct mock_fixture *fx, struct device *dev,
			   u64 addr, unsigned int order);
unsigned int mock_gpu_nr_ranges(struct mock_gpu *gpu);
struct drm_gpusvm_range *mock_gpu_range(struct mock_gpu *gpu, unsigned int page);

static inline unsigned int mock_range_page(struct mock_fixture *fx,
					   struct drm_gpusvm_range *range)
{
	return (drm_gpusvm_range_start(range) - fx->addr) >> PAGE_SHIFT;
}

static inline unsigned int mock_range_npages(struct drm_gpusvm_range *range)
{
	return drm_gpusvm_range_size(range) >> PAGE_SHIFT;
}

static inline long mock_gpu_count(struct mock_gpu *gpu,
				  enum drm_gpusvm_counter counter)
{
	return atomic_long_read(&gpu->svm.counters[counter]);
}

#if IS_ENABLED(CONFIG_DRM_PAGEMAP_KUNIT_TEST)

struct mock_block;

/**
 * struct mock_vram - A device with memory
 * @drm: The device.
 * @test: The test.
 * @dpagemap: What is tested.
 * @pgmap: Its struct pages.
 * @res: Where they are.
 * @backing: The RAM that plays each page.
 * @lock: Protects @blocks.
 * @blocks: What was made of it; outlives the pages, which may outlive the test.
 * @unreachable: No other device reaches this memory.
 * @fail_map: The mapping by a device that fails, counted down, 0 for none.
 * @own_maps: Pages that its own device has mapped.
 * @peer_maps: Pages that other devices have mapped.
 * @destroyed: @dpagemap is gone.
 */
struct mock_vram {
	struct drm_device drm;
	struct kunit *test;
	struct drm_pagemap dpagemap;
	struct dev_pagemap pgmap;
	struct resource *res;
	struct page *backing[MOCK_VRAM_PAGES];
	spinlock_t lock; /* blocks */
	struct list_head blocks;
	bool unreachable;
	atomic_t fail_map;
	atomic_t own_maps;
	atomic_t peer_maps;
	struct completion destroyed;
};

/**
 * struct mock_block - A buffer object
 * @devmem: What is tested.
 * @vram: Its device.
 * @link: In &mock_vram.blocks.
 * @first: Its first page in @vram.
 * @scattered: Its pages are in reverse order.
 * @temporary: Is freed when it is released; nobody may look at it afterwards.
 * @fail_pfns: What populate_devmem_pfns returns.
 * @fail_to_devmem: What copy_to_devmem returns.
 * @fail_to_ram: What copy_to_ram returns.
 * @fails: How often they do so, -1 for ever.
 * @copies: How many calls of a copy function.
 * @copied: How many pages they copied.
 * @runs: How many addresses they were given.
 * @hold: A copy to RAM completes @held, and waits for @go.
 * @held: A copy has begun.
 * @go: It may go on.
 * @released: It was.
 */
struct mock_block {
	struct drm_pagemap_devmem devmem;
	struct mock_vram *vram;
	struct list_head link;
	unsigned long first;
	bool scattered;
	bool temporary;
	int fail_pfns;
	int fail_to_devmem;
	int fail_to_ram;
	int fails;
	atomic_t copies;
	atomic_t copied;
	atomic_t runs;
	bool hold;
	struct completion held;
	struct completion go;
	struct completion released;
};

struct page *mock_vram_backing(struct page *dpage);
void mock_vram_fini(void *data);
struct mock_vram *mock_vram_create(struct kunit *test, const char *name,
				   void *owner);
struct mock_block *mock_block_try_create(struct mock_vram *vram,
					 unsigned long first,
					 unsigned long npages,
					 struct dma_fence *fence);
struct mock_block *mock_block_create(struct mock_vram *vram, unsigned long first,
				     unsigned long npages,
				     struct dma_fence *fence);
void mock_block_put(struct mock_block *block);
void mock_block_expect_released(struct mock_block *block);
long mock_migrate_range(struct mock_fixture *fx, struct mock_block *block,
			unsigned long first, unsigned long end,
			struct drm_pagemap_migrate_details details);
void mock_noise(struct page *page);

static inline long mock_block_nr_out(struct mock_block *block)
{
	return atomic_long_read(&block->devmem.nr_out);
}

#else

static inline struct page *mock_vram_backing(struct page *dpage)
{
	return NULL;
}

#endif

#endif
