// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * What the tests of drm_gpusvm and drm_pagemap have in common: a process whose
 * memory is worked on from kthreads, and a GPU.
 *
 * The GPU is a mock with a page table, a TLB that keeps what it has until it is
 * flushed, and a flush that takes its time or can be held up. It reaches memory by
 * the addresses that it was given and no other way. Each mapping is counted; one
 * that is taken away from under a GPU is noticed when that happens.
 */

#include <kunit/device.h>
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/cleanup.h>
#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/io.h>
#include <linux/kthread.h>
#include <linux/log2.h>
#include <linux/mman.h>
#include <linux/sched/mm.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/syscalls.h>
#include <linux/uaccess.h>

#include "../drm_gpusvm_internal.h"
#include "drm_svm_mock.h"

MODULE_IMPORT_NS(EXPORTED_FOR_KUNIT_TESTING);

struct mock_range {
	struct drm_gpusvm_range base;
	struct drm_gpusvm_pages other;
};

struct mock_finish {
	struct drm_gpusvm_finish base;
	DECLARE_BITMAP(pages, MOCK_MAX_PAGES);
};

/* There is one test at a time. Also mm's own threads may work for it. */
static struct mock_fixture *current_fixture;

struct mock_fixture *mock_current(void)
{
	return current_fixture;
}

/*
 * The address space
 */

int mock_mmap(struct mock_fixture *fx, unsigned long i, unsigned long nr,
	      unsigned long prot)
{
	unsigned long addr;

	addr = vm_mmap(NULL, mock_addr(fx, i), nr * PAGE_SIZE, prot,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, 0);
	return IS_ERR_VALUE(addr) ? addr : 0;
}

int mock_munmap(struct mock_fixture *fx, unsigned long i, unsigned long nr)
{
	return vm_munmap(mock_addr(fx, i), nr * PAGE_SIZE);
}

int mock_dontneed(struct mock_fixture *fx, unsigned long i, unsigned long nr)
{
	return do_madvise(current->mm, mock_addr(fx, i), nr * PAGE_SIZE,
			  MADV_DONTNEED);
}

#ifdef CONFIG_ARCH_HAS_SYSCALL_WRAPPER
asmlinkage long __x64_sys_mprotect(const struct pt_regs *regs);
asmlinkage long __x64_sys_mremap(const struct pt_regs *regs);

int mock_mprotect(struct mock_fixture *fx, unsigned long i, unsigned long nr,
		  unsigned long prot)
{
	struct pt_regs regs = {
		.di = mock_addr(fx, i), .si = nr * PAGE_SIZE, .dx = prot,
	};

	return __x64_sys_mprotect(&regs);
}

int mock_mremap(unsigned long from, unsigned long size, unsigned long to)
{
	struct pt_regs regs = {
		.di = from, .si = size, .dx = size,
		.r10 = MREMAP_MAYMOVE | MREMAP_FIXED, .r8 = to,
	};
	unsigned long ret = __x64_sys_mremap(&regs);

	return IS_ERR_VALUE(ret) ? ret : 0;
}
#else
int mock_mprotect(struct mock_fixture *fx, unsigned long i, unsigned long nr,
		  unsigned long prot)
{
	return sys_mprotect(mock_addr(fx, i), nr * PAGE_SIZE, prot);
}

int mock_mremap(unsigned long from, unsigned long size, unsigned long to)
{
	unsigned long ret = sys_mremap(from, size, size,
				       MREMAP_MAYMOVE | MREMAP_FIXED, to);

	return IS_ERR_VALUE(ret) ? ret : 0;
}
#endif

/* Leave the address space. It dies here, unless a task has it as well. */
void mock_drop_mm(struct mock_fixture *fx)
{
	struct mm_struct *mm = fx->mm;

	fx->mm = NULL;
	kthread_unuse_mm(mm);
	mmput(mm);
}

/* Copy the address space, and run @fn in it, which must end with do_exit(). */
pid_t mock_fork(int (*fn)(void *arg), void *arg)
{
	struct kernel_clone_args args = {
		.exit_signal = SIGCHLD,
		.fn = fn,
		.fn_arg = arg,
	};

	return kernel_clone(&args);
}

/*
 * Tasks
 */

static int task_main(void *data)
{
	struct mock_task *task = data;

	/* So that it finds the stubs */
	current->kunit_test = task->test;
	if (task->mm)
		kthread_use_mm(task->mm);
	task->ret = task->fn(task->arg);
	if (task->mm) {
		kthread_unuse_mm(task->mm);
		mmput(task->mm);
	}
	current->kunit_test = NULL;
	complete_all(&task->done);
	return 0;
}

/* Run @fn beside the test, in its address space or in none. */
struct mock_task *mock_task_start(struct mock_fixture *fx, bool in_mm,
				  int (*fn)(void *arg), void *arg)
{
	struct mock_task *task = &fx->tasks[fx->nr_tasks];
	struct kunit *test = fx->test;

	KUNIT_ASSERT_LT(test, fx->nr_tasks, MOCK_MAX_TASKS);
	*task = (struct mock_task) { .test = test, .fn = fn, .arg = arg };
	init_completion(&task->done);
	task->task = kthread_create(task_main, task, "svm-test/%u",
				    fx->nr_tasks);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, task->task);
	get_task_struct(task->task);
	if (in_mm) {
		mmget(fx->mm);
		task->mm = fx->mm;
	}
	fx->nr_tasks++;
	wake_up_process(task->task);
	return task;
}

int mock_task_join(struct mock_task *task)
{
	KUNIT_ASSERT_NE_MSG(task->test, 0,
			    wait_for_completion_timeout(&task->done, MOCK_HANG),
			    "%ps hangs", task->fn);
	return task->ret;
}

void mock_task_expect_blocked(struct mock_task *task)
{
	KUNIT_EXPECT_EQ_MSG(task->test, 0,
			    wait_for_completion_timeout(&task->done, MOCK_SETTLE),
			    "%ps did not wait", task->fn);
}

/*
 * What is made to fail, and counted
 */

static bool shall_fail(struct mock_fixture *fx, int nr, int which)
{
	return which >= 0 && (nr == which || (fx->fail_rest && nr > which));
}

dma_addr_t mock_dma_map(struct device *dev, struct page *page,
			unsigned int order, enum dma_data_direction dir)
{
	struct mock_fixture *fx = mock_current();
	dma_addr_t addr = page_to_phys(page) + MOCK_DMA_OFFSET;

	spin_lock(&fx->lock);
	if (shall_fail(fx, fx->nr_maps++, fx->fail_map)) {
		addr = DMA_MAPPING_ERROR;
	} else {
		fx->mapped += 1L << order;
		fx->sum += addr * (order + 1);
		if (dir == DMA_BIDIRECTIONAL)
			fx->writable += 1L << order;
	}
	spin_unlock(&fx->lock);
	return addr;
}

void mock_dma_unmap(struct device *dev, dma_addr_t addr, unsigned int order,
		    enum dma_data_direction dir)
{
	struct mock_fixture *fx = mock_current();
	unsigned int uses = mock_gpu_uses(fx, dev, addr, order);

	spin_lock(&fx->lock);
	fx->early += uses;
	fx->mapped -= 1L << order;
	fx->sum -= addr * (order + 1);
	if (dir == DMA_BIDIRECTIONAL)
		fx->writable -= 1L << order;
	spin_unlock(&fx->lock);
}

void mock_expect_mapped(struct mock_fixture *fx, long nr)
{
	KUNIT_EXPECT_EQ(fx->test, fx->mapped, nr);
	if (!nr)
		KUNIT_EXPECT_EQ(fx->test, fx->sum, 0);
	KUNIT_EXPECT_EQ_MSG(fx->test, fx->early, 0,
			    "unmapped what a GPU can still use");
}

/* What nobody fills is seen. */
struct page *mock_alloc_ram(gfp_t gfp, struct vm_area_struct *vma,
			    unsigned long addr)
{
	struct mock_fixture *fx = mock_current();
	struct page *page;

	scoped_guard(spinlock, &fx->lock)
		if (shall_fail(fx, fx->nr_allocs++, fx->fail_alloc))
			return NULL;
	page = alloc_page(gfp);
	if (page)
		memset32(page_address(page), MOCK_NOISE,
			 PAGE_SIZE / sizeof(u32));
	return page;
}

/* In place of drm_pagemap_page_moved(): somebody has the page for longer. */
void mock_keep_moved(struct page *page)
{
	struct mock_fixture *fx = mock_current();

	if (!fx->kept) {
		get_page(page);
		fx->kept = page;
	}
}

/*
 * The GPU
 */

static bool pte_covered(u64 pte, u64 addr, u64 size)
{
	pte &= PAGE_MASK;
	return pte >= addr && pte < addr + size;
}

/* How many translations to 1 << @order pages from @addr on the GPUs of @dev have. */
unsigned int mock_gpu_uses(struct mock_fixture *fx, struct device *dev,
			   u64 addr, unsigned int order)
{
	unsigned int i, page, nr = 0;

	/* It is mapped once for each page that the CPU has not written to yet */
	if (addr >= MOCK_DMA_OFFSET &&
	    is_zero_pfn(PHYS_PFN(addr - MOCK_DMA_OFFSET)))
		return 0;
	for (i = 0; i < fx->nr_gpus; i++) {
		struct mock_gpu *gpu = fx->gpus[i];

		if (gpu->drm->dev != dev)
			continue;
		spin_lock(&gpu->ptes_lock);
		for (page = 0; page < fx->npages; page++)
			nr += pte_covered(gpu->tlb[page], addr,
					  PAGE_SIZE << order);
		spin_unlock(&gpu->ptes_lock);
	}
	return nr;
}

struct drm_gpusvm_range *mock_gpu_range_alloc(struct drm_gpusvm *svm)
{
	struct mock_gpu *gpu = container_of(svm, struct mock_gpu, svm);
	struct mock_range *range;

	if (gpu->fail_alloc)
		return gpu->fail_alloc == 1 ? NULL : ERR_PTR(-ENOSPC);
	range = kzalloc(sizeof(*range), GFP_KERNEL);
	if (!range)
		return NULL;
	if (gpu->fx->two) {
		drm_gpusvm_pages_init(&range->other, &gpu->other);
		range->base.pages.next = &range->other;
	}
	return &range->base;
}

static void gpu_range_free(struct drm_gpusvm_range *range)
{
	kfree(container_of(range, struct mock_range, base));
}

/* Remove @nr PTEs, and add those there were to @pages. True if there were any. */
bool mock_gpu_zap(struct mock_gpu *gpu, unsigned int page, unsigned int nr,
		  unsigned long *pages)
{
	bool any = false;

	spin_lock(&gpu->ptes_lock);
	for (; nr; nr--, page++) {
		if (!gpu->ptes[page])
			continue;
		gpu->ptes[page] = 0;
		__set_bit(page, pages);
		any = true;
	}
	spin_unlock(&gpu->ptes_lock);
	return any;
}

void mock_gpu_flush(struct mock_gpu *gpu, const unsigned long *pages)
{
	unsigned int page;

	wait_event(gpu->flush_wait, READ_ONCE(gpu->flush_open));
	if (gpu->flush_us)
		usleep_range(gpu->flush_us, 2 * gpu->flush_us);
	spin_lock(&gpu->ptes_lock);
	for_each_set_bit(page, pages, MOCK_MAX_PAGES)
		gpu->tlb[page] = 0;
	spin_unlock(&gpu->ptes_lock);
}

bool mock_gpu_invalidate_start(struct drm_gpusvm *svm,
			       struct drm_gpusvm_notifier *notifier,
			       const struct mmu_notifier_range *mmu_range,
			       struct drm_gpusvm_finish *base)
{
	struct mock_finish *finish = container_of(base, struct mock_finish, base);
	struct mock_gpu *gpu = container_of(svm, struct mock_gpu, svm);
	struct drm_gpusvm_range *range;
	bool any = false;
	DECLARE_BITMAP(pages, MOCK_MAX_PAGES);

	bitmap_zero(pages, MOCK_MAX_PAGES);
	drm_gpusvm_for_each_range(range, notifier, mmu_range->start,
				  mmu_range->end)
		any |= mock_gpu_zap(gpu, mock_range_page(gpu->fx, range),
				    mock_range_npages(range), pages);
	if (!any)
		return false;

	atomic_inc(&gpu->started);
	if (base)
		bitmap_copy(finish->pages, pages, MOCK_MAX_PAGES);
	else
		mock_gpu_flush(gpu, pages);
	return true;
}

void mock_gpu_invalidate_finish(struct drm_gpusvm *svm,
				struct drm_gpusvm_finish *base)
{
	struct mock_finish *finish = container_of(base, struct mock_finish, base);
	struct mock_gpu *gpu = container_of(svm, struct mock_gpu, svm);

	atomic_inc(&gpu->waited);
	mock_gpu_flush(gpu, finish->pages);
}

const struct drm_gpusvm_ops mock_gpu_ops = {
	.finish_size = sizeof(struct mock_finish),
	.range_alloc = mock_gpu_range_alloc,
	.range_free = gpu_range_free,
	.invalidate_start = mock_gpu_invalidate_start,
	.invalidate_finish = mock_gpu_invalidate_finish,
};

/*
 * What a driver does before it removes a range, or gets it for writing. No
 * invalidation may begin in the middle of it: it would find nothing to flush.
 */
void mock_gpu_unbind(struct mock_gpu *gpu, struct drm_gpusvm_range *range)
{
	unsigned int page = mock_range_page(gpu->fx, range);
	DECLARE_BITMAP(pages, MOCK_MAX_PAGES);

	bitmap_zero(pages, MOCK_MAX_PAGES);
	drm_gpusvm_notifier_lock(&gpu->svm);
	if (mock_gpu_zap(gpu, page, mock_range_npages(range), pages))
		mock_gpu_flush(gpu, pages);
	drm_gpusvm_notifier_unlock(&gpu->svm);
}

void mock_gpu_remove(struct mock_gpu *gpu, struct drm_gpusvm_range *range)
{
	mock_gpu_unbind(gpu, range);
	drm_gpusvm_range_remove(&gpu->svm, range);
}

int mock_gpu_collect(struct mock_gpu *gpu)
{
	struct drm_gpusvm_range *range;
	int err = 0;

	lockdep_assert_held(&gpu->lock);
	while (!err && (range = drm_gpusvm_collect_next(&gpu->svm))) {
		mock_gpu_unbind(gpu, range);
		err = drm_gpusvm_range_split(&gpu->svm, range);
		if (err)
			mock_gpu_remove(gpu, range);
	}
	return err;
}

/* Write the addresses to the page table, from @page on. */
void mock_gpu_bind(struct mock_gpu *gpu, unsigned int page,
		   const struct drm_gpusvm_pages *pages)
{
	unsigned long i, k;

	spin_lock(&gpu->ptes_lock);
	for (i = 0; i < pages->nr_addr; i++) {
		struct drm_pagemap_addr addr = pages->dma_addr[i];
		u64 flags = 0;

		if (addr.proto == DRM_INTERCONNECT_DRIVER)
			flags |= MOCK_PTE_VRAM;
		if (addr.dir == DMA_BIDIRECTIONAL)
			flags |= MOCK_PTE_WRITE;
		for (k = 0; k < 1UL << addr.order; k++, page++) {
			gpu->ptes[page] = (addr.addr + k * PAGE_SIZE) | flags;
			gpu->tlb[page] = gpu->ptes[page];
		}
	}
	spin_unlock(&gpu->ptes_lock);
}

/* The same for those of @range, unless they are void. */
static int gpu_commit(struct mock_gpu *gpu, struct drm_gpusvm_range *range)
{
	int err = -EAGAIN;

	drm_gpusvm_notifier_lock(&gpu->svm);
	if (drm_gpusvm_range_pages_valid(&gpu->svm, range)) {
		mock_gpu_bind(gpu, mock_range_page(gpu->fx, range),
			      &range->pages);
		err = 0;
	}
	drm_gpusvm_notifier_unlock(&gpu->svm);
	return err;
}

int mock_gpu_fault_locked(struct mock_gpu *gpu, unsigned int page, bool write)
{
	struct drm_gpusvm_ctx ctx = gpu->ctx;
	struct mock_fixture *fx = gpu->fx;
	struct drm_gpusvm_range *range;
	unsigned int tries;
	int err = -EAGAIN;

	ctx.read_only = !write;
	for (tries = 0; tries < 1000 && err == -EAGAIN; tries++) {
		err = mock_gpu_collect(gpu);
		if (err)
			break;
		range = drm_gpusvm_range_find_or_insert(&gpu->svm,
							mock_addr(fx, page),
							fx->addr,
							mock_addr(fx, fx->npages),
							&ctx);
		err = PTR_ERR_OR_ZERO(range);
		if (!err)
			err = drm_gpusvm_range_get_pages(&gpu->svm, range, &ctx);
		if (err == -EFAULT && !IS_ERR(range) &&
		    drm_gpusvm_range_unmapped(range))
			err = -EAGAIN;
		if (err == -EACCES) {
			mock_gpu_unbind(gpu, range);
			drm_gpusvm_range_unmap_pages(&gpu->svm, range);
			err = -EAGAIN;
		}
		if (!err)
			err = gpu_commit(gpu, range);
	}
	return err;
}

int mock_gpu_fault(struct mock_gpu *gpu, unsigned int page, bool write)
{
	guard(mutex)(&gpu->lock);
	return mock_gpu_fault_locked(gpu, page, write);
}

static void *pte_ptr(u64 pte)
{
	if (!pte)
		return NULL;
	if (pte & MOCK_PTE_VRAM)
		return page_address(mock_vram_backing(pfn_to_page(PHYS_PFN(pte))));
	return phys_to_virt((pte & PAGE_MASK) - MOCK_DMA_OFFSET);
}

/* Where the GPU finds a page, NULL if it has no translation. */
char *mock_gpu_ptr(struct mock_gpu *gpu, unsigned int page)
{
	return pte_ptr(READ_ONCE(gpu->tlb[page]));
}

/* Let @fn access a page as the GPU does. False if that would be a GPU fault. */
bool mock_gpu_access(struct mock_gpu *gpu, unsigned int page, bool write,
		     void (*fn)(u64 *mem, void *arg), void *arg)
{
	bool there;
	u64 pte;

	spin_lock(&gpu->ptes_lock);
	pte = gpu->tlb[page];
	there = pte && (!write || pte & MOCK_PTE_WRITE);
	if (there)
		fn(pte_ptr(pte), arg);
	spin_unlock(&gpu->ptes_lock);
	return there;
}

unsigned int mock_gpu_translations(struct mock_gpu *gpu, unsigned int page,
				   unsigned int nr)
{
	unsigned int n = 0;

	spin_lock(&gpu->ptes_lock);
	for (; nr; nr--, page++)
		n += !!gpu->tlb[page];
	spin_unlock(&gpu->ptes_lock);
	return n;
}

void mock_gpu_hold(struct mock_gpu *gpu)
{
	WRITE_ONCE(gpu->flush_open, false);
}

void mock_gpu_let_go(struct mock_gpu *gpu)
{
	WRITE_ONCE(gpu->flush_open, true);
	wake_up_all(&gpu->flush_wait);
}

/* Wait until @gpu has been asked for @nr flushes. */
void mock_gpu_reach_started(struct mock_gpu *gpu, int nr)
{
	unsigned long end = jiffies + MOCK_HANG;

	while (atomic_read(&gpu->started) < nr && time_before(jiffies, end))
		msleep(20);
	KUNIT_ASSERT_EQ(gpu->fx->test, atomic_read(&gpu->started), nr);
}

unsigned int mock_gpu_nr_ranges(struct mock_gpu *gpu)
{
	struct drm_gpusvm_notifier *notifier;
	struct drm_gpusvm_range *range;
	unsigned int nr = 0;

	guard(mutex)(&gpu->lock);
	drm_gpusvm_for_each_notifier(notifier, &gpu->svm, 0, ULONG_MAX)
		drm_gpusvm_for_each_range(range, notifier, 0, ULONG_MAX)
			nr++;
	return nr;
}

/* The range with @page, which the caller knows to be stable. */
struct drm_gpusvm_range *mock_gpu_range(struct mock_gpu *gpu, unsigned int page)
{
	unsigned long addr = mock_addr(gpu->fx, page);

	guard(mutex)(&gpu->lock);
	return drm_gpusvm_find_range(&gpu->svm, addr, addr + 1);
}

static void gpu_fini(struct mock_gpu *gpu)
{
	scoped_guard(spinlock, &gpu->ptes_lock) {
		memset(gpu->ptes, 0, sizeof(gpu->ptes));
		memset(gpu->tlb, 0, sizeof(gpu->tlb));
	}
	guard(mutex)(&gpu->lock);
	drm_gpusvm_fini(&gpu->svm);
}

static void wait_for_tasks(struct mock_fixture *fx)
{
	unsigned int i;

	for (i = 0; i < fx->nr_gpus; i++)
		mock_gpu_let_go(fx->gpus[i]);
	for (i = 0; i < fx->nr_tasks; i++)
		wait_for_completion(&fx->tasks[i].done);
}

static void gpu_cleanup(void *data)
{
	struct mock_gpu *gpu = data;

	wait_for_tasks(gpu->fx);
	gpu_fini(gpu);
	/* The last one is the first to go */
	gpu->fx->nr_gpus--;
}

/*
 * A GPU of @drm, or of a device of its own. It is gone before the device memory
 * that it may have mapped, if that was created before it.
 */
struct mock_gpu *mock_gpu_add(struct mock_fixture *fx, struct drm_device *drm)
{
	/* No two devices of a test have the same one */
	static const char * const names[MOCK_MAX_GPUS][2] = {
		{ "gpusvm-0", "gpusvm-0-other" },
		{ "gpusvm-1", "gpusvm-1-other" },
		{ "gpusvm-2", "gpusvm-2-other" },
		{ "gpusvm-3", "gpusvm-3-other" },
	};
	struct kunit *test = fx->test;
	struct mock_gpu *gpu = kunit_kzalloc(test, sizeof(*gpu), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, gpu);
	KUNIT_ASSERT_LT(test, fx->nr_gpus, MOCK_MAX_GPUS);
	gpu->fx = fx;
	gpu->drm = drm ?: &gpu->no_drm;
	if (!drm) {
		gpu->drm->dev = kunit_device_register(test,
						      names[fx->nr_gpus][0]);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, gpu->drm->dev);
	}
	gpu->other.dev = kunit_device_register(test, names[fx->nr_gpus][1]);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, gpu->other.dev);
	mutex_init(&gpu->lock);
	spin_lock_init(&gpu->ptes_lock);
	init_waitqueue_head(&gpu->flush_wait);
	gpu->flush_open = true;
	KUNIT_ASSERT_EQ(test, 0,
			drm_gpusvm_init(&gpu->svm, "test", gpu->drm, fx->mm,
					fx->addr, fx->npages * PAGE_SIZE,
					fx->window_size, &mock_gpu_ops,
					fx->chunk_sizes, fx->num_chunks));
	drm_gpusvm_driver_set_lock(&gpu->svm, &gpu->lock);
	fx->gpus[fx->nr_gpus++] = gpu;
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, gpu_cleanup, gpu));
	return gpu;
}

/*
 * The fixture
 */

static void fixture_cleanup(void *data)
{
	struct mock_fixture *fx = data;
	unsigned int i;

	wait_for_tasks(fx);
	for (i = 0; i < fx->nr_tasks; i++)
		put_task_struct(fx->tasks[i].task);
	mock_expect_mapped(fx, 0);
}

struct mock_fixture *mock_fixture_create(struct kunit *test)
{
	struct mock_fixture *fx = kunit_kzalloc(test, sizeof(*fx), GFP_KERNEL);

	if (!fx)
		return NULL;
	fx->test = test;
	fx->fail_map = -1;
	fx->fail_alloc = -1;
	spin_lock_init(&fx->lock);
	test->priv = fx;
	current_fixture = fx;
	kunit_activate_static_stub(test, drm_gpusvm_dma_map, mock_dma_map);
	kunit_activate_static_stub(test, drm_gpusvm_dma_unmap, mock_dma_unmap);
	return fx;
}

/* Memory of its own, aligned, with nothing beside it. */
void mock_fixture_map(struct mock_fixture *fx, unsigned long npages)
{
	unsigned long size = npages * PAGE_SIZE, align, addr;
	struct kunit *test = fx->test;

	align = roundup_pow_of_two(npages) * PAGE_SIZE;
	KUNIT_ASSERT_LE(test, npages, MOCK_MAX_PAGES);
	addr = kunit_vm_mmap(test, NULL, 0, 3 * align, PROT_NONE,
			     MAP_PRIVATE | MAP_ANONYMOUS, 0);
	KUNIT_ASSERT_FALSE(test, !addr || IS_ERR_VALUE(addr));
	KUNIT_ASSERT_EQ(test, 0, vm_munmap(addr, 3 * align));
	fx->mm = current->mm;
	fx->npages = npages;
	fx->addr = ALIGN(addr + 1, align);
	KUNIT_ASSERT_EQ(test, 0, mock_mmap(fx, 0, size >> PAGE_SHIFT,
					   PROT_READ | PROT_WRITE));
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, fixture_cleanup, fx));
}
