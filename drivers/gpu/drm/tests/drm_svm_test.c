// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * KUnit tests of drm_gpusvm and drm_pagemap together: a GPU has memory of a
 * process mapped while that moves between RAM and device memory.
 *
 * Each byte is checked, as the CPU and as the GPU see it. When the fixture goes, all
 * mappings must have been undone, none of them while the GPU could use it; when the
 * device memory goes, all its blocks must have been released.
 */

#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/cleanup.h>
#include <linux/debug_locks.h>
#include <linux/delay.h>
#include <linux/mman.h>
#include <linux/moduleparam.h>
#include <linux/percpu_counter.h>
#include <linux/prandom.h>
#include <linux/random.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include <drm/drm_drv.h>
#include <drm/drm_gpusvm.h>
#include <drm/drm_gpusvm_userptr.h>
#include <drm/drm_pagemap.h>

#include "../drm_pagemap_internal.h"
#include "drm_svm_mock.h"

#define NR_PAGES	32UL
#define HUGE_PAGES	(PMD_SIZE / PAGE_SIZE)
#define PAGE_WORDS	(PAGE_SIZE / sizeof(u64))

static const unsigned long chunk_sizes[] = {
	PMD_SIZE, 16 * PAGE_SIZE, PAGE_SIZE,
};

/*
 * What is in memory
 */

static u64 word(unsigned int seed, unsigned long page, unsigned long i)
{
	return seed ? (u64)seed << 48 | page << 16 | i : 0;
}

static int cpu_write_page(struct mock_fixture *fx, unsigned long page,
			  unsigned int seed)
{
	u64 __user *p = (u64 __user *)mock_addr(fx, page);
	unsigned long i;

	for (i = 0; i < PAGE_WORDS; i++)
		if (put_user(word(seed, page, i), p + i))
			return -EFAULT;
	return 0;
}

static int cpu_check_page(struct mock_fixture *fx, unsigned long page,
			  unsigned int seed)
{
	u64 __user *p = (u64 __user *)mock_addr(fx, page);
	unsigned long i;
	u64 val;

	for (i = 0; i < PAGE_WORDS; i++) {
		if (get_user(val, p + i))
			return -EFAULT;
		if (val != word(seed, page, i))
			return -EILSEQ;
	}
	return 0;
}

static void cpu_write(struct mock_fixture *fx, unsigned int seed)
{
	unsigned long i;

	for (i = 0; i < fx->npages; i++)
		KUNIT_ASSERT_EQ(fx->test, 0, cpu_write_page(fx, i, seed));
}

static void cpu_check_range(struct mock_fixture *fx, unsigned long first,
			    unsigned long end, unsigned int seed)
{
	unsigned long i;

	for (i = first; i < end; i++)
		KUNIT_EXPECT_EQ_MSG(fx->test, 0, cpu_check_page(fx, i, seed),
				    "page %lu", i);
}

static void cpu_check(struct mock_fixture *fx, unsigned int seed)
{
	cpu_check_range(fx, 0, fx->npages, seed);
}

struct gpu_job {
	unsigned long page;
	unsigned int seed;
	bool right;
};

static void gpu_store(u64 *mem, void *arg)
{
	struct gpu_job *job = arg;
	unsigned long i;

	for (i = 0; i < PAGE_WORDS; i++)
		WRITE_ONCE(mem[i], word(job->seed, job->page, i));
}

static void gpu_load(u64 *mem, void *arg)
{
	struct gpu_job *job = arg;
	unsigned long i;

	job->right = true;
	for (i = 0; i < PAGE_WORDS; i++)
		if (READ_ONCE(mem[i]) != word(job->seed, job->page, i))
			job->right = false;
}

/* By what the GPU has translated, without a fault */
static void gpu_write_mapped(struct mock_gpu *gpu, unsigned long first,
			     unsigned long end, unsigned int seed)
{
	struct gpu_job job = { .page = first, .seed = seed };

	for (; job.page < end; job.page++)
		KUNIT_EXPECT_TRUE_MSG(gpu->fx->test,
				      mock_gpu_access(gpu, job.page, true,
						      gpu_store, &job),
				      "page %lu", job.page);
}

static void gpu_check_mapped(struct mock_gpu *gpu, unsigned long first,
			     unsigned long end, unsigned int seed)
{
	struct gpu_job job = { .page = first, .seed = seed };

	for (; job.page < end; job.page++) {
		job.right = false;
		KUNIT_EXPECT_TRUE_MSG(gpu->fx->test,
				      mock_gpu_access(gpu, job.page, false,
						      gpu_load, &job),
				      "page %lu", job.page);
		KUNIT_EXPECT_TRUE_MSG(gpu->fx->test, job.right, "page %lu",
				      job.page);
	}
}

/* With faults where the GPU needs them */
static void gpu_touch(struct mock_gpu *gpu, unsigned long first,
		      unsigned long end, bool write)
{
	for (; first < end; first++)
		KUNIT_ASSERT_EQ_MSG(gpu->fx->test, 0,
				    mock_gpu_fault(gpu, first, write),
				    "page %lu", first);
}

static void gpu_check(struct mock_gpu *gpu, unsigned int seed)
{
	gpu_touch(gpu, 0, gpu->fx->npages, true);
	gpu_check_mapped(gpu, 0, gpu->fx->npages, seed);
}

static unsigned long gpu_nr_vram(struct mock_gpu *gpu)
{
	unsigned long i, nr = 0;

	spin_lock(&gpu->ptes_lock);
	for (i = 0; i < gpu->fx->npages; i++)
		nr += !!(gpu->tlb[i] & MOCK_PTE_VRAM);
	spin_unlock(&gpu->ptes_lock);
	return nr;
}

/*
 * The fixture
 */

static struct mock_fixture *fixture_sized(struct kunit *test,
					  unsigned long npages)
{
	struct mock_fixture *fx = mock_fixture_create(test);

	KUNIT_ASSERT_NOT_NULL(test, fx);
	kunit_activate_static_stub(test, drm_pagemap_dma_map, mock_dma_map);
	kunit_activate_static_stub(test, drm_pagemap_dma_unmap, mock_dma_unmap);
	kunit_activate_static_stub(test, drm_pagemap_alloc_ram, mock_alloc_ram);
	fx->chunk_sizes = chunk_sizes;
	fx->num_chunks = ARRAY_SIZE(chunk_sizes);
	fx->window_size = chunk_sizes[0];
	mock_fixture_map(fx, npages);
	return fx;
}

static struct mock_fixture *fixture(struct kunit *test)
{
	struct mock_fixture *fx = fixture_sized(test, NR_PAGES);

	cpu_write(fx, 1);
	return fx;
}

/* The GPU that is on the same device as @vram. */
static struct mock_gpu *gpu_of(struct mock_fixture *fx, struct mock_vram *vram)
{
	struct mock_gpu *gpu = mock_gpu_add(fx, &vram->drm);

	gpu->ctx.device_private_page_owner = vram->pgmap.owner;
	return gpu;
}

static long migrate(struct mock_fixture *fx, struct mock_block *block)
{
	return mock_migrate_range(fx, block, 0, fx->npages,
				  (struct drm_pagemap_migrate_details) {});
}

/* A block with all the memory. */
static struct mock_block *move_to(struct mock_fixture *fx,
				  struct mock_vram *vram)
{
	struct mock_block *block = mock_block_create(vram, 0, fx->npages, NULL);

	KUNIT_ASSERT_EQ(fx->test, fx->npages, migrate(fx, block));
	return block;
}

/* One with every other page of it. */
static struct mock_block *move_half_to(struct mock_fixture *fx,
				       struct mock_vram *vram)
{
	struct mock_block *block = mock_block_create(vram, 0, fx->npages, NULL);
	unsigned long i;

	for (i = 0; i < fx->npages; i += 2)
		KUNIT_ASSERT_EQ(fx->test, 1,
				mock_migrate_range(fx, block, i, i + 1,
						   (struct drm_pagemap_migrate_details) {
							   .first = i }));
	return block;
}

/* The process frees its memory, and nothing is left. */
static void finish(struct mock_fixture *fx, struct mock_block *block)
{
	unsigned int i;

	KUNIT_EXPECT_EQ(fx->test, 0, mock_munmap(fx, 0, fx->npages));
	mock_expect_mapped(fx, 0);
	for (i = 0; i < fx->nr_gpus; i++)
		KUNIT_EXPECT_EQ(fx->test, 0,
				mock_gpu_translations(fx->gpus[i], 0,
						      fx->npages));
	KUNIT_EXPECT_EQ(fx->test, 0, atomic_read(&block->vram->own_maps));
	KUNIT_EXPECT_EQ(fx->test, 0, atomic_read(&block->vram->peer_maps));
	mock_block_put(block);
	mock_block_expect_released(block);
}

/*
 * What get_pages finds
 */

static void all_in_vram(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test);
	struct mock_vram *vram = mock_vram_create(test, "a", NULL);
	struct mock_gpu *gpu = gpu_of(fx, vram);
	struct mock_block *block = move_to(fx, vram);

	gpu_check(gpu, 1);
	KUNIT_EXPECT_EQ(test, NR_PAGES, gpu_nr_vram(gpu));
	KUNIT_EXPECT_EQ(test, NR_PAGES, mock_block_nr_out(block));
	mock_expect_mapped(fx, 0);
	gpu_write_mapped(gpu, 0, NR_PAGES, 2);
	cpu_check(fx, 2);
	KUNIT_EXPECT_EQ(test, 0, mock_gpu_translations(gpu, 0, NR_PAGES));
	gpu_check(gpu, 2);
	KUNIT_EXPECT_EQ(test, 0, gpu_nr_vram(gpu));
	finish(fx, block);
}

static void mixed_page_by_page(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test);
	struct mock_vram *vram = mock_vram_create(test, "a", NULL);
	struct mock_gpu *gpu = gpu_of(fx, vram);
	struct mock_block *block = move_half_to(fx, vram);
	unsigned long i;

	gpu_check(gpu, 1);
	for (i = 0; i < NR_PAGES; i++)
		KUNIT_EXPECT_EQ(test, !(i & 1),
				!!(gpu->tlb[i] & MOCK_PTE_VRAM));
	mock_expect_mapped(fx, NR_PAGES / 2);
	KUNIT_EXPECT_EQ(test, NR_PAGES / 2, atomic_read(&vram->own_maps));
	gpu_write_mapped(gpu, 0, NR_PAGES, 2);
	KUNIT_EXPECT_EQ(test, NR_PAGES / 2, mock_block_nr_out(block));
	cpu_check(fx, 2);
	gpu_check(gpu, 2);
	finish(fx, block);
}

static void memory_of_another_owner(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test);
	struct mock_vram *a = mock_vram_create(test, "a", NULL);
	struct mock_vram *b = mock_vram_create(test, "b", NULL);
	struct mock_gpu *gpu = gpu_of(fx, b);
	struct mock_block *block = move_to(fx, a);

	gpu_check(gpu, 1);
	KUNIT_EXPECT_EQ(test, 0, gpu_nr_vram(gpu));
	KUNIT_EXPECT_EQ(test, 0, mock_block_nr_out(block));
	mock_expect_mapped(fx, NR_PAGES);
	gpu_write_mapped(gpu, 0, NR_PAGES, 2);
	cpu_check(fx, 2);
	finish(fx, block);
}

static void devmem_only(struct kunit *test)
{
	struct drm_gpusvm_ctx ctx = { .devmem_only = true };
	struct mock_fixture *fx = fixture(test);
	struct mock_vram *vram = mock_vram_create(test, "a", NULL);
	struct mock_gpu *gpu = gpu_of(fx, vram);
	struct mock_block *block = move_half_to(fx, vram);
	struct drm_gpusvm_range *range;

	ctx.device_private_page_owner = vram->pgmap.owner;
	mutex_lock(&gpu->lock);
	range = drm_gpusvm_range_insert_exact(&gpu->svm, mock_addr(fx, 0),
					      mock_addr(fx, NR_PAGES), &ctx);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, range);
	KUNIT_EXPECT_EQ(test, -EAGAIN,
			drm_gpusvm_range_get_pages(&gpu->svm, range, &ctx));
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&vram->own_maps));
	mock_expect_mapped(fx, 0);
	KUNIT_EXPECT_EQ(test, NR_PAGES / 2, mock_block_nr_out(block));

	KUNIT_EXPECT_EQ(test, NR_PAGES / 2, migrate(fx, block));
	KUNIT_EXPECT_EQ(test, 0,
			drm_gpusvm_range_get_pages(&gpu->svm, range, &ctx));
	mutex_unlock(&gpu->lock);
	gpu_check(gpu, 1);
	KUNIT_EXPECT_EQ(test, NR_PAGES, gpu_nr_vram(gpu));
	cpu_check(fx, 1);
	finish(fx, block);
}

static void peer_maps_and_unmaps(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test);
	struct mock_vram *vram = mock_vram_create(test, "a", NULL);
	struct mock_gpu *gpu = gpu_of(fx, vram);
	struct mock_block *block = move_half_to(fx, vram);

	/* The memory of the one device, seen by two */
	fx->two = true;
	gpu_check(gpu, 1);
	KUNIT_EXPECT_EQ(test, NR_PAGES / 2, atomic_read(&vram->own_maps));
	KUNIT_EXPECT_EQ(test, NR_PAGES / 2, atomic_read(&vram->peer_maps));
	mock_expect_mapped(fx, NR_PAGES);
	/* Half of it is gone, each part by the function that mapped it */
	KUNIT_EXPECT_EQ(test, 0, mock_dontneed(fx, 3, 1));
	KUNIT_EXPECT_EQ(test, NR_PAGES / 4, atomic_read(&vram->own_maps));
	KUNIT_EXPECT_EQ(test, NR_PAGES / 4, atomic_read(&vram->peer_maps));
	mock_expect_mapped(fx, NR_PAGES / 2);
	finish(fx, block);
}

static void two_gpus_share_vram(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test);
	struct mock_vram *a = mock_vram_create(test, "a", test);
	struct mock_vram *b = mock_vram_create(test, "b", test);
	struct mock_gpu *gpu_a = gpu_of(fx, a), *gpu_b = gpu_of(fx, b);
	struct mock_block *block = move_to(fx, a);

	gpu_check(gpu_a, 1);
	gpu_check(gpu_b, 1);
	KUNIT_EXPECT_EQ(test, NR_PAGES, gpu_nr_vram(gpu_b));
	gpu_write_mapped(gpu_b, 0, NR_PAGES, 2);
	gpu_check_mapped(gpu_a, 0, NR_PAGES, 2);
	KUNIT_EXPECT_EQ(test, NR_PAGES, mock_block_nr_out(block));
	cpu_check(fx, 2);
	finish(fx, block);
}

/* Mapping k fails, that of a page in VRAM or in RAM: G2, G9. */
static void failed_map_is_undone(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test);
	struct mock_vram *vram = mock_vram_create(test, "a", NULL);
	struct mock_gpu *gpu = gpu_of(fx, vram);
	struct mock_block *block = move_half_to(fx, vram);
	int k, err = -EIO;

	fx->two = true;
	for (k = 1; err && k < 64; k++) {
		atomic_set(&vram->fail_map, k);
		err = mock_gpu_fault(gpu, 0, true);
		if (!err)
			break;
		KUNIT_EXPECT_EQ(test, -EIO, err);
		KUNIT_EXPECT_EQ(test, 0, atomic_read(&vram->own_maps));
		KUNIT_EXPECT_EQ(test, 0, atomic_read(&vram->peer_maps));
		mock_expect_mapped(fx, 0);
	}
	/* 8 pages of a range, for two devices */
	KUNIT_EXPECT_EQ(test, 17, k);
	atomic_set(&vram->fail_map, 0);
	KUNIT_EXPECT_EQ(test, 0, mock_dontneed(fx, 1, 1));
	KUNIT_EXPECT_EQ(test, 0, cpu_write_page(fx, 1, 1));

	for (k = 0, err = -ENOMEM; err && k < 64; k++) {
		fx->nr_maps = 0;
		fx->fail_map = k;
		err = mock_gpu_fault(gpu, 0, true);
		fx->fail_map = -1;
		if (!err)
			break;
		KUNIT_EXPECT_EQ(test, -ENOMEM, err);
		KUNIT_EXPECT_EQ(test, 0, atomic_read(&vram->own_maps));
		KUNIT_EXPECT_EQ(test, 0, atomic_read(&vram->peer_maps));
		mock_expect_mapped(fx, 0);
	}
	KUNIT_EXPECT_EQ(test, 16, k);
	gpu_check(gpu, 1);
	finish(fx, block);
}

/*
 * Userptr over memory that is in VRAM: G13
 */

struct uptr {
	struct drm_gpusvm_userptr base;
	struct mock_gpu *gpu;
	DECLARE_BITMAP(pages, MOCK_MAX_PAGES);
};

static bool uptr_start_flush(struct drm_gpusvm_userptr *base)
{
	struct uptr *uptr = container_of(base, struct uptr, base);

	bitmap_zero(uptr->pages, MOCK_MAX_PAGES);
	return mock_gpu_zap(uptr->gpu, 0, uptr->gpu->fx->npages, uptr->pages);
}

static void uptr_wait(struct drm_gpusvm_userptr *base,
		      enum drm_gpusvm_userptr_state state)
{
	struct uptr *uptr = container_of(base, struct uptr, base);

	mock_gpu_flush(uptr->gpu, uptr->pages);
}

static const struct drm_gpusvm_userptr_ops uptr_ops = {
	.start_flush = uptr_start_flush,
	.wait = uptr_wait,
};

static void userptr_brings_back(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test);
	struct mock_vram *vram = mock_vram_create(test, "a", NULL);
	struct mock_gpu *gpu = gpu_of(fx, vram);
	struct mock_block *block = move_to(fx, vram);
	struct uptr *uptr = kunit_kzalloc(test, sizeof(*uptr), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, uptr);
	uptr->gpu = gpu;
	drm_gpusvm_userptr_init(&uptr->base, &gpu->svm, gpu->drm, &uptr_ops);
	KUNIT_ASSERT_EQ(test, 0,
			drm_gpusvm_userptr_insert(&uptr->base, fx->mm, fx->addr,
						  fx->npages * PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, 0,
			drm_gpusvm_userptr_get_pages(&uptr->base, false));
	KUNIT_EXPECT_EQ(test, 0, mock_block_nr_out(block));
	mock_expect_mapped(fx, NR_PAGES);
	down_read(&gpu->svm.notifier_lock);
	if (drm_gpusvm_userptr_pages_valid(&uptr->base))
		mock_gpu_bind(gpu, 0, &uptr->base.pages);
	up_read(&gpu->svm.notifier_lock);
	gpu_check_mapped(gpu, 0, NR_PAGES, 1);
	gpu_write_mapped(gpu, 0, NR_PAGES, 2);
	cpu_check(fx, 2);
	mock_expect_mapped(fx, NR_PAGES);

	/* And when it moves again, the userptr is told. */
	KUNIT_EXPECT_EQ(test, NR_PAGES, migrate(fx, block));
	mock_expect_mapped(fx, 0);
	KUNIT_EXPECT_EQ(test, 0, mock_gpu_translations(gpu, 0, NR_PAGES));
	cpu_check(fx, 2);
	drm_gpusvm_userptr_fini(&uptr->base);
	finish(fx, block);
}

/*
 * Huge pages
 */

static struct mock_fixture *huge_fixture(struct kunit *test)
{
	struct mock_fixture *fx;

	if (!IS_ENABLED(CONFIG_TRANSPARENT_HUGEPAGE))
		kunit_skip(test, "no huge pages");
	fx = fixture_sized(test, 2 * HUGE_PAGES);
	KUNIT_ASSERT_EQ(test, 0,
			do_madvise(fx->mm, fx->addr, fx->npages * PAGE_SIZE,
				   MADV_HUGEPAGE));
	cpu_write(fx, 1);
	return fx;
}

static void huge_page_is_one_address(struct kunit *test)
{
	struct mock_fixture *fx = huge_fixture(test);
	struct mock_vram *vram = mock_vram_create(test, "a", NULL);
	struct mock_gpu *gpu = gpu_of(fx, vram);
	struct mock_block *block;
	struct drm_gpusvm_range *range;

	gpu_touch(gpu, 0, 1, true);
	range = mock_gpu_range(gpu, 0);
	KUNIT_EXPECT_EQ(test, HUGE_PAGES, mock_range_npages(range));
	KUNIT_EXPECT_EQ(test, 1, range->pages.nr_addr);
	KUNIT_EXPECT_EQ(test, 9, (int)range->pages.dma_addr[0].order);
	gpu_check_mapped(gpu, 0, HUGE_PAGES, 1);
	gpu_write_mapped(gpu, 0, HUGE_PAGES, 2);

	block = move_to(fx, vram);
	KUNIT_EXPECT_EQ(test, 0, mock_gpu_translations(gpu, 0, fx->npages));
	gpu_touch(gpu, 0, 1, true);
	KUNIT_EXPECT_EQ(test, 1, range->pages.nr_addr);
	KUNIT_EXPECT_EQ(test, HUGE_PAGES, atomic_read(&vram->own_maps));
	gpu_check_mapped(gpu, 0, HUGE_PAGES, 2);
	gpu_write_mapped(gpu, 0, HUGE_PAGES, 1);
	cpu_check(fx, 1);
	finish(fx, block);
}

static const struct cut {
	const char *name;
	unsigned long first, end;
	unsigned long nr_addr;
} cuts[] = {
	{ "64K in the middle", 256, 272, 1 },
	{ "end cuts it", 496, 530, 3 },
	{ "begin cuts it", 500, 512, 2 },
	{ "one page", 511, 512, 1 },
};

KUNIT_ARRAY_PARAM_DESC(cut, cuts, name);

/* No address reaches out of the range: G3. */
static void part_of_a_huge_page(struct kunit *test)
{
	const struct drm_gpusvm_ctx ctx = {};
	const struct cut *cut = test->param_value;
	struct mock_fixture *fx = huge_fixture(test);
	struct mock_vram *vram = mock_vram_create(test, "a", NULL);
	struct mock_gpu *gpu = gpu_of(fx, vram);
	struct drm_gpusvm_range *range;
	struct mock_block *block;

	scoped_guard(mutex, &gpu->lock)
		range = drm_gpusvm_range_insert_exact(&gpu->svm,
						      mock_addr(fx, cut->first),
						      mock_addr(fx, cut->end),
						      &ctx);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, range);
	gpu_touch(gpu, cut->first, cut->first + 1, true);
	/* Two huge pages may happen to be neighbours, 2M borders stay all the same */
	KUNIT_EXPECT_EQ(test, cut->nr_addr, range->pages.nr_addr);
	mock_expect_mapped(fx, cut->end - cut->first);
	KUNIT_EXPECT_EQ(test, cut->end - cut->first,
			mock_gpu_translations(gpu, 0, fx->npages));
	gpu_check_mapped(gpu, cut->first, cut->end, 1);

	block = move_to(fx, vram);
	gpu_touch(gpu, cut->first, cut->first + 1, true);
	KUNIT_EXPECT_EQ(test, cut->nr_addr, range->pages.nr_addr);
	KUNIT_EXPECT_EQ(test, cut->end - cut->first, gpu_nr_vram(gpu));
	gpu_check_mapped(gpu, cut->first, cut->end, 1);
	gpu_write_mapped(gpu, cut->first, cut->end, 2);
	cpu_check_range(fx, 0, cut->first, 1);
	cpu_check_range(fx, cut->first, cut->end, 2);
	cpu_check_range(fx, cut->end, fx->npages, 1);
	finish(fx, block);
}

/*
 * What takes memory away from a GPU
 */

struct taking {
	const char *name;
	int (*fn)(void *block);
	bool destroys;
	bool in_mm;
};

static int take_by_cpu_fault(void *block)
{
	struct mock_fixture *fx = mock_current();
	char c;

	return copy_from_user(&c, (char __user *)mock_addr(fx, 5), 1) ? -EFAULT : 0;
}

static int take_by_eviction(void *block)
{
	return drm_pagemap_evict_to_ram(&((struct mock_block *)block)->devmem);
}

static int take_by_munmap(void *block)
{
	struct mock_fixture *fx = mock_current();

	return mock_munmap(fx, 0, fx->npages);
}

static int take_by_dontneed(void *block)
{
	struct mock_fixture *fx = mock_current();

	return mock_dontneed(fx, 0, fx->npages);
}

static const struct taking takings[] = {
	{ "CPU fault", take_by_cpu_fault, false, true },
	{ "eviction", take_by_eviction, false, false },
	{ "munmap", take_by_munmap, true, true },
	{ "MADV_DONTNEED", take_by_dontneed, true, true },
};

KUNIT_ARRAY_PARAM_DESC(taking, takings, name);

/*
 * No page is copied, or used for something else, before the GPU has been flushed.
 * What the GPU has written until then is not lost.
 */
static void gpu_is_flushed_first(struct kunit *test)
{
	const struct taking *t = test->param_value;
	struct mock_fixture *fx = fixture(test);
	struct mock_vram *vram = mock_vram_create(test, "a", NULL);
	struct mock_gpu *gpu = gpu_of(fx, vram);
	struct mock_block *block = move_to(fx, vram);
	struct mock_task *task;

	gpu_check(gpu, 1);
	mock_gpu_hold(gpu);
	atomic_set(&block->copies, 0);
	task = mock_task_start(fx, t->in_mm, t->fn, block);
	mock_gpu_reach_started(gpu, 1);
	mock_task_expect_blocked(task);
	KUNIT_EXPECT_EQ(test, NR_PAGES, mock_block_nr_out(block));
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&block->copies));
	KUNIT_EXPECT_EQ(test, NR_PAGES, atomic_read(&vram->own_maps));
	gpu_check_mapped(gpu, 0, NR_PAGES, 1);
	gpu_write_mapped(gpu, 0, NR_PAGES, 2);
	mock_gpu_let_go(gpu);
	KUNIT_EXPECT_EQ(test, 0, mock_task_join(task));

	KUNIT_EXPECT_EQ(test, 0, mock_gpu_translations(gpu, 0, NR_PAGES));
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&vram->own_maps));
	KUNIT_EXPECT_EQ(test, 0, mock_block_nr_out(block));
	if (!t->destroys)
		cpu_check(fx, 2);
	finish(fx, block);
}

static int take_by_migration(void *block)
{
	return migrate(mock_current(), block) == NR_PAGES ? 0 : -EIO;
}

/* The driver that migrates is told of its own GPU, too: the event is no secret. */
static void migration_to_own_vram(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test);
	struct mock_vram *vram = mock_vram_create(test, "a", NULL);
	struct mock_gpu *gpu = gpu_of(fx, vram);
	struct mock_block *block = mock_block_create(vram, 0, NR_PAGES, NULL);
	struct mock_task *task;

	gpu_check(gpu, 1);
	mock_expect_mapped(fx, NR_PAGES);
	mock_gpu_hold(gpu);
	task = mock_task_start(fx, true, take_by_migration, block);
	mock_gpu_reach_started(gpu, 1);
	mock_task_expect_blocked(task);
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&block->copies));
	gpu_write_mapped(gpu, 0, NR_PAGES, 2);
	mock_gpu_let_go(gpu);
	KUNIT_EXPECT_EQ(test, 0, mock_task_join(task));
	KUNIT_EXPECT_EQ(test, 0, mock_gpu_translations(gpu, 0, NR_PAGES));
	mock_expect_mapped(fx, 0);
	gpu_check(gpu, 2);
	KUNIT_EXPECT_EQ(test, NR_PAGES, gpu_nr_vram(gpu));
	cpu_check(fx, 2);
	finish(fx, block);
}

static void migration_between_devices(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test);
	struct mock_vram *a = mock_vram_create(test, "a", test);
	struct mock_vram *b = mock_vram_create(test, "b", test);
	struct mock_gpu *gpu = gpu_of(fx, a);
	struct mock_block *from = move_to(fx, a);
	struct mock_block *to = mock_block_create(b, 0, NR_PAGES, NULL);
	struct mock_task *task;

	gpu_check(gpu, 1);
	mock_gpu_hold(gpu);
	task = mock_task_start(fx, true, take_by_migration, to);
	mock_gpu_reach_started(gpu, 1);
	mock_task_expect_blocked(task);
	KUNIT_EXPECT_EQ(test, NR_PAGES, mock_block_nr_out(from));
	gpu_write_mapped(gpu, 0, NR_PAGES, 2);
	mock_gpu_let_go(gpu);
	KUNIT_EXPECT_EQ(test, 0, mock_task_join(task));
	KUNIT_EXPECT_EQ(test, 0, mock_block_nr_out(from));
	mock_block_put(from);
	mock_block_expect_released(from);
	gpu_check(gpu, 2);
	KUNIT_EXPECT_EQ(test, NR_PAGES, atomic_read(&b->peer_maps));
	cpu_check(fx, 2);
	finish(fx, to);
}

static void partial_unmap_in_vram(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test);
	struct mock_vram *vram = mock_vram_create(test, "a", NULL);
	struct mock_gpu *gpu = gpu_of(fx, vram);
	struct mock_block *block = move_to(fx, vram);
	struct mock_block *rest;

	gpu_check(gpu, 1);
	/* Of the range of 16 pages 4 and 8 remain, where they are */
	KUNIT_EXPECT_EQ(test, 0, mock_munmap(fx, 4, 4));
	KUNIT_EXPECT_EQ(test, NR_PAGES - 4, mock_block_nr_out(block));
	gpu_touch(gpu, 0, 4, true);
	KUNIT_EXPECT_EQ(test, -EFAULT, mock_gpu_fault(gpu, 5, true));
	gpu_touch(gpu, 8, 16, true);
	KUNIT_EXPECT_EQ(test, 3, mock_gpu_nr_ranges(gpu));
	KUNIT_EXPECT_EQ(test, NR_PAGES - 4, gpu_nr_vram(gpu));
	gpu_check_mapped(gpu, 0, 4, 1);
	gpu_check_mapped(gpu, 8, NR_PAGES, 1);
	gpu_write_mapped(gpu, 0, 4, 2);
	gpu_write_mapped(gpu, 8, NR_PAGES, 2);

	/* The hole does not keep what is beside it from being evicted */
	mock_block_put(block);
	KUNIT_EXPECT_EQ(test, 0, drm_pagemap_evict_to_ram(&block->devmem));
	mock_block_expect_released(block);
	KUNIT_EXPECT_EQ(test, 0, mock_gpu_translations(gpu, 0, NR_PAGES));
	cpu_check_range(fx, 0, 4, 2);
	cpu_check_range(fx, 8, NR_PAGES, 2);
	gpu_touch(gpu, 0, 4, true);
	gpu_check_mapped(gpu, 0, 4, 2);

	/* And a block goes with the last of its pages */
	rest = mock_block_create(vram, 0, NR_PAGES, NULL);
	KUNIT_EXPECT_EQ(test, NR_PAGES - 4, migrate(fx, rest));
	mock_block_put(rest);
	gpu_touch(gpu, 8, NR_PAGES, true);
	KUNIT_EXPECT_EQ(test, 0, mock_munmap(fx, 0, NR_PAGES - 1));
	KUNIT_EXPECT_EQ(test, 1, mock_block_nr_out(rest));
	KUNIT_EXPECT_FALSE(test, completion_done(&rest->released));
	gpu_touch(gpu, NR_PAGES - 1, NR_PAGES, true);
	gpu_check_mapped(gpu, NR_PAGES - 1, NR_PAGES, 2);
	KUNIT_EXPECT_EQ(test, 0, mock_munmap(fx, NR_PAGES - 1, 1));
	mock_block_expect_released(rest);
	KUNIT_EXPECT_EQ(test, 0, mock_gpu_translations(gpu, 0, NR_PAGES));
}

/* A page that has left, but somebody still has it, is old: P10. */
static void moved_page_is_old(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test);
	struct mock_vram *vram = mock_vram_create(test, "a", NULL);
	struct mock_gpu *gpu = gpu_of(fx, vram);
	struct mock_block *block = move_to(fx, vram);

	gpu_check(gpu, 1);
	kunit_activate_static_stub(test, drm_pagemap_page_moved,
				   mock_keep_moved);
	cpu_check(fx, 1);
	KUNIT_ASSERT_NOT_NULL(test, fx->kept);
	KUNIT_EXPECT_EQ(test, 1, mock_block_nr_out(block));
	gpu_check(gpu, 1);
	KUNIT_EXPECT_EQ(test, 0, gpu_nr_vram(gpu));
	gpu_write_mapped(gpu, 0, NR_PAGES, 2);
	KUNIT_EXPECT_EQ(test, -EBUSY, drm_pagemap_evict_to_ram(&block->devmem));
	gpu_check_mapped(gpu, 0, NR_PAGES, 2);
	cpu_check(fx, 2);

	/* Its place is not free: it is the one that stays behind */
	KUNIT_EXPECT_EQ(test, NR_PAGES - 1, migrate(fx, block));
	gpu_check(gpu, 2);
	KUNIT_EXPECT_EQ(test, NR_PAGES - 1, gpu_nr_vram(gpu));
	gpu_write_mapped(gpu, 0, NR_PAGES, 3);
	put_page(fx->kept);
	KUNIT_EXPECT_EQ(test, 0, drm_pagemap_evict_to_ram(&block->devmem));
	cpu_check(fx, 3);
	finish(fx, block);
}

static void unplug_while_mapped(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test);
	struct mock_vram *vram = mock_vram_create(test, "a", NULL);
	struct mock_gpu *gpu = gpu_of(fx, vram);
	struct mock_block *block = move_to(fx, vram);

	gpu_check(gpu, 1);
	gpu_write_mapped(gpu, 0, NR_PAGES, 2);
	drm_dev_unplug(&vram->drm);
	KUNIT_EXPECT_EQ(test, 0, drm_pagemap_evict_all(&vram->dpagemap));
	KUNIT_EXPECT_EQ(test, 0, mock_block_nr_out(block));
	KUNIT_EXPECT_EQ(test, 0, mock_gpu_translations(gpu, 0, NR_PAGES));
	KUNIT_EXPECT_EQ(test, -ENODEV, migrate(fx, block));
	cpu_check(fx, 2);
	finish(fx, block);
}

static void exit_while_mapped(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test);
	struct mock_vram *vram = mock_vram_create(test, "a", NULL);
	struct mock_gpu *gpu = gpu_of(fx, vram);
	struct mock_block *block = move_half_to(fx, vram);

	gpu_check(gpu, 1);
	mock_block_put(block);
	mock_drop_mm(fx);
	mock_block_expect_released(block);
	mock_expect_mapped(fx, 0);
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&vram->own_maps));
	KUNIT_EXPECT_EQ(test, 0, mock_gpu_translations(gpu, 0, NR_PAGES));
	KUNIT_EXPECT_EQ(test, -EFAULT, mock_gpu_fault(gpu, 0, true));
}

struct child {
	struct mock_fixture *fx;
	unsigned int seed;
	struct completion go;
	struct completion done;
	pid_t pid;
	int ret;
};

static int child_main(void *data)
{
	struct child *child = data;
	unsigned long i;

	wait_for_completion_timeout(&child->go, MOCK_HANG);
	for (i = 0; i < child->fx->npages && !child->ret; i++)
		child->ret = cpu_check_page(child->fx, i, child->seed);
	for (i = 0; i < child->fx->npages && !child->ret; i++)
		child->ret = cpu_write_page(child->fx, i, 7);
	complete(&child->done);
	do_exit(0);
}

/* A child that has @seed in its memory, and looks at it at child_check(). */
static void child_fork(struct child *child, struct mock_fixture *fx,
		       unsigned int seed)
{
	*child = (struct child){ .fx = fx, .seed = seed };
	init_completion(&child->go);
	init_completion(&child->done);
	child->pid = mock_fork(child_main, child);
	KUNIT_ASSERT_GT(fx->test, child->pid, 0);
}

static void child_check(struct child *child)
{
	complete(&child->go);
	wait_for_completion(&child->done);
	kernel_wait(child->pid, NULL);
	KUNIT_EXPECT_EQ(child->fx->test, 0, child->ret);
}

/* After a fork both have a copy of their own, also if it is the GPU that writes. */
static void fork_and_gpu_write(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test);
	struct mock_vram *vram = mock_vram_create(test, "a", NULL);
	struct mock_gpu *gpu = gpu_of(fx, vram);
	struct mock_block *block = move_to(fx, vram);
	struct child child;

	gpu_check(gpu, 1);
	child_fork(&child, fx, 1);

	/* Reading is no reason to move anything */
	gpu_touch(gpu, 0, NR_PAGES, false);
	KUNIT_EXPECT_EQ(test, NR_PAGES, gpu_nr_vram(gpu));
	gpu_check_mapped(gpu, 0, NR_PAGES, 1);
	gpu_touch(gpu, 0, NR_PAGES, true);
	gpu_write_mapped(gpu, 0, NR_PAGES, 2);
	child_check(&child);
	gpu_check(gpu, 2);
	cpu_check(fx, 2);
	finish(fx, block);
}

static void fork_and_cpu_write(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test);
	struct mock_vram *vram = mock_vram_create(test, "a", NULL);
	struct mock_gpu *gpu = gpu_of(fx, vram);
	struct mock_block *block = move_to(fx, vram);
	struct child child;

	gpu_check(gpu, 1);
	child_fork(&child, fx, 1);
	cpu_write(fx, 2);
	gpu_check(gpu, 2);
	child_check(&child);
	gpu_check(gpu, 2);
	cpu_check(fx, 2);
	finish(fx, block);
}

/*
 * All at once
 *
 * CPUs and GPUs each have a slot in each page, which nobody else writes, and check
 * it against what they wrote last, while the memory is unmapped, moved, copied,
 * protected, migrated and evicted. What destroys memory is counted before and
 * after; so who reads knows whether its data must be there, must be gone, or can be
 * either. A value tells its slot and page, thus every byte is known to be right, or
 * wrong: what is in a page that another process, or another time, has left there.
 */

#define STORM_PAGES	64UL
#define STORM_SLOTS	4UL
#define SLOT_WORDS	(PAGE_WORDS / STORM_SLOTS)
#define CHILD_SLOT	0xff

static unsigned int seconds = 5;
module_param(seconds, uint, 0444);
MODULE_PARM_DESC(seconds, "How long the storm lasts (default 5, at most 240)");

static unsigned int storm_seed;
module_param_named(seed, storm_seed, uint, 0444);
MODULE_PARM_DESC(seed, "What the storm begins with (default: random)");

enum storm_op {
	OP_CPU_WRITE, OP_CPU_CHECK, OP_CPU_REFUSED,
	OP_GPU_WRITE, OP_GPU_CHECK, OP_GPU_FAULT, OP_GPU_REFUSED,
	OP_MUST_BE, OP_MUST_BE_GONE, OP_EITHER,
	OP_MUNMAP, OP_DONTNEED, OP_MREMAP, OP_MPROTECT, OP_FORK,
	OP_MIGRATE, OP_MIGRATE_TEMPORARY, OP_EVICT_BLOCK, OP_EVICT_ALL,
	OP_MAX,
};

static const char * const op_names[] = {
	[OP_CPU_WRITE] = "CPU writes",
	[OP_CPU_CHECK] = "CPU reads",
	[OP_CPU_REFUSED] = "CPU accesses refused",
	[OP_GPU_WRITE] = "GPU writes",
	[OP_GPU_CHECK] = "GPU reads",
	[OP_GPU_FAULT] = "GPU faults",
	[OP_GPU_REFUSED] = "GPU faults refused",
	[OP_MUST_BE] = "found what must be there",
	[OP_MUST_BE_GONE] = "found nothing where nothing must be",
	[OP_EITHER] = "found one of the two",
	[OP_MUNMAP] = "munmap",
	[OP_DONTNEED] = "MADV_DONTNEED",
	[OP_MREMAP] = "mremap",
	[OP_MPROTECT] = "mprotect",
	[OP_FORK] = "fork",
	[OP_MIGRATE] = "pages migrated",
	[OP_MIGRATE_TEMPORARY] = "pages migrated to temporary blocks",
	[OP_EVICT_BLOCK] = "evictions of a block",
	[OP_EVICT_ALL] = "evictions of all blocks",
};

static_assert(ARRAY_SIZE(op_names) == OP_MAX);

/**
 * struct slot - What its writer knows of its slot in a page
 * @cur: What was written last, in all words.
 * @prev: What was written before, to all words.
 * @partial: Not all words have @cur: they may have what came after @prev.
 * @ended: How often the page had been destroyed when the write of @cur began.
 * @begun: How often that had begun when it had been written.
 */
struct slot {
	u64 cur;
	u64 prev;
	bool partial;
	unsigned int ended;
	unsigned int begun;
};

/**
 * struct storm - All that happens at the same time
 * @fx: The fixture.
 * @vram: Two devices, that can reach each other's memory.
 * @block: A block of each, for all pages.
 * @seed: What all begins with.
 * @scratch: Addresses to move memory to.
 * @begun: How often each page has begun to be destroyed. Written by one task.
 * @ended: How often it has been destroyed. Written by the same.
 * @latest: The latest value that has begun to be written to each slot.
 * @slots: What their writers know.
 * @buf: A page for each writer.
 * @ops: How often all has happened.
 */
struct storm {
	struct mock_fixture *fx;
	struct mock_vram *vram[2];
	struct mock_block *block[2];
	u32 seed;
	unsigned long scratch;
	unsigned int begun[STORM_PAGES];
	unsigned int ended[STORM_PAGES];
	u64 latest[STORM_SLOTS][STORM_PAGES];
	struct slot slots[STORM_SLOTS][STORM_PAGES];
	u64 buf[STORM_SLOTS][PAGE_WORDS];
	atomic_t ops[OP_MAX];
};

static struct storm *current_storm(void)
{
	return mock_current()->priv;
}

static bool storm_goes_on(struct storm *st)
{
	return time_before(jiffies, READ_ONCE(st->fx->end));
}

static void count(struct storm *st, enum storm_op op)
{
	atomic_inc(&st->ops[op]);
}

static u64 slot_tag(unsigned long slot, unsigned long page)
{
	return (u64)slot << 56 | page << 40;
}

/* Something that a slot of another writer can contain */
static bool word_possible(struct storm *st, unsigned long page, unsigned long i,
			  u64 val)
{
	unsigned long slot = i / SLOT_WORDS;

	if (!val)
		return true;
	return val >> 40 == slot_tag(slot, page) >> 40 &&
	       val <= READ_ONCE(st->latest[slot][page]);
}

static bool word_right(const struct slot *s, u64 val, unsigned int ended,
		       unsigned int begun)
{
	/* It was destroyed after it had been written, and before it was read */
	if (ended > s->begun)
		return !val;
	if (val == s->cur)
		return true;
	if (s->partial && (!val || (val >> 40 == s->cur >> 40 &&
				    val >= s->prev && val < s->cur)))
		return true;
	/* It may have been destroyed meanwhile */
	return !val && begun != s->ended;
}

/* What was read from @page between @ended and @begun. */
static int check_buf(struct storm *st, unsigned long slot, unsigned long page,
		     const char *who, unsigned int ended, unsigned int begun)
{
	const struct slot *s = &st->slots[slot][page];
	const u64 *buf = st->buf[slot];
	unsigned long i;

	for (i = 0; i < PAGE_WORDS; i++) {
		bool right = i / SLOT_WORDS == slot ?
			word_right(s, buf[i], ended, begun) :
			word_possible(st, page, i, buf[i]);

		if (right)
			continue;
		pr_err("%s %lu: page %lu word %lu is %#llx, latest %#llx; own %#llx (before %#llx%s), destroyed %u to %u, at the write %u to %u\n",
		       who, slot, page, i, buf[i],
		       st->latest[i / SLOT_WORDS][page], s->cur, s->prev,
		       s->partial ? ", partial" : "", ended, begun, s->ended,
		       s->begun);
		return -EILSEQ;
	}

	if (ended > s->begun)
		count(st, OP_MUST_BE_GONE);
	else if (begun == s->ended)
		count(st, OP_MUST_BE);
	else
		count(st, OP_EITHER);
	return 0;
}

/* The next value for a slot; what is known of it until it is written. */
static struct slot slot_next(struct storm *st, unsigned long slot,
			     unsigned long page)
{
	const struct slot *s = &st->slots[slot][page];
	struct slot next = {
		.prev = s->partial ? s->prev : s->cur,
		.ended = READ_ONCE(st->ended[page]),
	};

	next.cur = max(st->latest[slot][page], slot_tag(slot, page)) + 1;
	WRITE_ONCE(st->latest[slot][page], next.cur);
	smp_mb(); /* Whatever is destroyed from here on counts */
	return next;
}

static void slot_written(struct storm *st, unsigned long slot,
			 unsigned long page, struct slot next)
{
	smp_mb(); /* What has been destroyed until here does not */
	next.begun = READ_ONCE(st->begun[page]);
	st->slots[slot][page] = next;
}

static int storm_cpu_check(struct storm *st, unsigned long slot,
			   unsigned long page)
{
	u64 __user *p = (u64 __user *)mock_addr(st->fx, page);
	unsigned int ended = READ_ONCE(st->ended[page]);
	unsigned long i;

	smp_mb(); /* As slot_next() */
	for (i = 0; i < PAGE_WORDS; i++) {
		if (get_user(st->buf[slot][i], p + i)) {
			count(st, OP_CPU_REFUSED);
			return 0;
		}
	}
	smp_mb(); /* As slot_written() */
	count(st, OP_CPU_CHECK);
	return check_buf(st, slot, page, "CPU", ended,
			 READ_ONCE(st->begun[page]));
}

static void storm_cpu_write(struct storm *st, unsigned long slot,
			    unsigned long page)
{
	u64 __user *p = (u64 __user *)mock_addr(st->fx, page) +
			slot * SLOT_WORDS;
	struct slot next = slot_next(st, slot, page);
	unsigned long i;

	for (i = 0; i < SLOT_WORDS; i++)
		if (put_user(next.cur, p + i))
			break;
	if (!i) {
		count(st, OP_CPU_REFUSED);
		return;
	}
	next.partial = i < SLOT_WORDS;
	slot_written(st, slot, page, next);
	count(st, OP_CPU_WRITE);
}

static void storm_gpu_load(u64 *mem, void *arg)
{
	u64 *buf = arg;
	unsigned long i;

	for (i = 0; i < PAGE_WORDS; i++)
		buf[i] = READ_ONCE(mem[i]);
}

struct storm_gpu_job {
	unsigned long slot;
	u64 val;
};

static void storm_gpu_store(u64 *mem, void *arg)
{
	struct storm_gpu_job *job = arg;
	unsigned long i;

	for (i = 0; i < SLOT_WORDS; i++)
		WRITE_ONCE(mem[job->slot * SLOT_WORDS + i], job->val);
}

/* Is there something that the GPU cannot do, for reasons that it has to accept? */
static int storm_gpu_fault(struct storm *st, struct mock_gpu *gpu,
			   unsigned long page, bool write)
{
	int err = mock_gpu_fault(gpu, page, write);

	count(st, err ? OP_GPU_REFUSED : OP_GPU_FAULT);
	switch (err) {
	case 0:
	case -EFAULT:
	case -EPERM:
	case -EBUSY:
	case -EAGAIN:
		return 0;
	default:
		pr_err("GPU fault: %d\n", err);
		return err;
	}
}

static int storm_gpu_check(struct storm *st, struct mock_gpu *gpu,
			   unsigned long slot, unsigned long page)
{
	unsigned int ended;
	int err;

	ended = READ_ONCE(st->ended[page]);
	smp_mb(); /* As slot_next() */
	if (!mock_gpu_access(gpu, page, false, storm_gpu_load, st->buf[slot])) {
		err = storm_gpu_fault(st, gpu, page, false);
		if (err)
			return err;
		ended = READ_ONCE(st->ended[page]);
		smp_mb(); /* As slot_next() */
		if (!mock_gpu_access(gpu, page, false, storm_gpu_load,
				     st->buf[slot]))
			return 0;
	}
	smp_mb(); /* As slot_written() */
	count(st, OP_GPU_CHECK);
	return check_buf(st, slot, page, "GPU", ended,
			 READ_ONCE(st->begun[page]));
}

static int storm_gpu_write(struct storm *st, struct mock_gpu *gpu,
			   unsigned long slot, unsigned long page)
{
	struct slot next = slot_next(st, slot, page);
	struct storm_gpu_job job = { .slot = slot, .val = next.cur };
	int err;

	if (!mock_gpu_access(gpu, page, true, storm_gpu_store, &job)) {
		err = storm_gpu_fault(st, gpu, page, true);
		if (err)
			return err;
		if (!mock_gpu_access(gpu, page, true, storm_gpu_store, &job))
			return 0;
	}
	slot_written(st, slot, page, next);
	count(st, OP_GPU_WRITE);
	return 0;
}

/* Slots 0 and 1 are those of CPUs, 2 and 3 those of GPUs. */
static int storm_access(void *arg)
{
	struct storm *st = current_storm();
	struct mock_fixture *fx = st->fx;
	unsigned long slot = (unsigned long)arg, page;
	struct mock_gpu *gpu = slot < 2 ? NULL : fx->gpus[slot - 2];
	struct rnd_state rnd;
	int err = 0;

	prandom_seed_state(&rnd, st->seed + slot);
	while (!err && storm_goes_on(st)) {
		page = prandom_u32_state(&rnd) % fx->npages;
		if (gpu) {
			err = storm_gpu_check(st, gpu, slot, page);
			if (!err && prandom_u32_state(&rnd) & 1)
				err = storm_gpu_write(st, gpu, slot, page);
		} else {
			err = storm_cpu_check(st, slot, page);
			if (prandom_u32_state(&rnd) & 1)
				storm_cpu_write(st, slot, page);
		}
		cond_resched();
	}
	return err;
}

static void destroy_begins(struct storm *st, unsigned long i, unsigned long nr)
{
	for (; nr; nr--, i++)
		WRITE_ONCE(st->begun[i], st->begun[i] + 1);
	smp_mb(); /* Nothing is destroyed before it */
}

static void destroy_ended(struct storm *st, unsigned long i, unsigned long nr)
{
	smp_mb(); /* All is destroyed after it */
	for (; nr; nr--, i++)
		WRITE_ONCE(st->ended[i], st->ended[i] + 1);
}

/* Elsewhere, and back. The addresses are a hole meanwhile, no data are lost. */
static int storm_mremap(struct storm *st, unsigned long i, unsigned long nr)
{
	unsigned long to = st->scratch + i * PAGE_SIZE;
	int err;

	err = mock_mremap(mock_addr(st->fx, i), nr * PAGE_SIZE, to);
	/* There is more than one VMA */
	if (err)
		return 0;
	usleep_range(100, 1000);
	err = mock_mremap(to, nr * PAGE_SIZE, mock_addr(st->fx, i));
	if (!err)
		count(st, OP_MREMAP);
	return err;
}

static int storm_munmap(struct storm *st, unsigned long i, unsigned long nr)
{
	int err;

	destroy_begins(st, i, nr);
	err = mock_munmap(st->fx, i, nr);
	if (!err) {
		usleep_range(100, 1000);
		err = mock_mmap(st->fx, i, nr, PROT_READ | PROT_WRITE);
	}
	destroy_ended(st, i, nr);
	count(st, OP_MUNMAP);
	return err;
}

static int storm_dontneed(struct storm *st, unsigned long i, unsigned long nr)
{
	int err;

	destroy_begins(st, i, nr);
	err = mock_dontneed(st->fx, i, nr);
	destroy_ended(st, i, nr);
	count(st, OP_DONTNEED);
	return err;
}

/* The one task that changes what is where */
static int storm_layout(void *arg)
{
	static int (* const fns[])(struct storm *st, unsigned long i,
				   unsigned long nr) = {
		storm_mremap, storm_munmap, storm_dontneed,
	};
	struct storm *st = current_storm();
	struct mock_fixture *fx = st->fx;
	struct rnd_state rnd;
	int err = 0;

	prandom_seed_state(&rnd, st->seed + 10);
	while (!err && storm_goes_on(st)) {
		unsigned long i = prandom_u32_state(&rnd) % fx->npages;
		unsigned long nr = 1 + prandom_u32_state(&rnd) %
				       min(8UL, fx->npages - i);

		err = fns[prandom_u32_state(&rnd) % ARRAY_SIZE(fns)](st, i, nr);
		usleep_range(2000, 10000);
	}
	if (err)
		pr_err("layout: %d\n", err);
	return err;
}

static int storm_mprotect(void *arg)
{
	static const unsigned long prots[] = { PROT_READ, PROT_NONE };
	struct storm *st = current_storm();
	struct mock_fixture *fx = st->fx;
	struct rnd_state rnd;

	prandom_seed_state(&rnd, st->seed + 11);
	while (storm_goes_on(st)) {
		unsigned long i = prandom_u32_state(&rnd) % fx->npages;
		unsigned long nr = 1 + prandom_u32_state(&rnd) %
				       min(8UL, fx->npages - i);

		/* Where a hole is, some of it has been done */
		if (!mock_mprotect(fx, i, nr, prots[prandom_u32_state(&rnd) & 1]))
			count(st, OP_MPROTECT);
		usleep_range(100, 1000);
		for (i = 0; i < fx->npages; i++)
			mock_mprotect(fx, i, 1, PROT_READ | PROT_WRITE);
		usleep_range(5000, 20000);
	}
	return 0;
}

/**
 * struct storm_child - A process that has been forked off
 * @st: The storm.
 * @pages: What it finds at first.
 * @there: Which of them it could read.
 * @done: It has finished.
 * @ret: -EILSEQ where it saw what it must not see.
 */
struct storm_child {
	struct storm *st;
	u64 *pages;
	DECLARE_BITMAP(there, STORM_PAGES);
	struct completion done;
	int ret;
};

static bool child_read(struct storm_child *child, unsigned long page, u64 *buf)
{
	u64 __user *p = (u64 __user *)mock_addr(child->st->fx, page);
	unsigned long i;

	for (i = 0; i < PAGE_WORDS; i++)
		if (get_user(buf[i], p + i))
			return false;
	return true;
}

static int child_look(struct storm_child *child, unsigned long page)
{
	u64 *buf = child->pages + page * PAGE_WORDS;
	unsigned long i;

	if (!child_read(child, page, buf))
		return 0;
	__set_bit(page, child->there);
	for (i = 0; i < PAGE_WORDS; i++) {
		if (!word_possible(child->st, page, i, buf[i])) {
			pr_err("child: page %lu word %lu is %#llx\n", page, i,
			       buf[i]);
			return -EILSEQ;
		}
	}
	return 0;
}

/* Nothing that the parent does is seen here, nor the other way round. */
static int child_look_again(struct storm_child *child, unsigned long page)
{
	u64 __user *p = (u64 __user *)mock_addr(child->st->fx, page);
	u64 *buf = child->pages + page * PAGE_WORDS, val;
	unsigned long i;

	for (i = 0; i < PAGE_WORDS; i++) {
		if (get_user(val, p + i))
			return -EFAULT;
		if (val != buf[i]) {
			pr_err("child: page %lu word %lu was %#llx, is %#llx\n",
			       page, i, buf[i], val);
			return -EILSEQ;
		}
	}
	put_user(slot_tag(CHILD_SLOT, page), p);
	return 0;
}

/* All that was ever here is anonymous memory, wherever it is. */
static int storm_check_rss(void)
{
	s64 nr = percpu_counter_sum(&current->mm->rss_stat[MM_SHMEMPAGES]);

	if (!nr)
		return 0;
	pr_err("%lld pages were taken for shared memory\n", nr);
	return -EILSEQ;
}

static int storm_child_main(void *data)
{
	struct storm_child *child = data;
	unsigned long page;

	for (page = 0; page < STORM_PAGES && !child->ret; page++)
		child->ret = child_look(child, page);
	msleep(20);
	for (page = 0; page < STORM_PAGES && !child->ret; page++)
		if (test_bit(page, child->there))
			child->ret = child_look_again(child, page);
	child->ret = child->ret ?: storm_check_rss();
	complete(&child->done);
	do_exit(0);
}

static int storm_fork(void *arg)
{
	struct storm *st = current_storm();
	struct storm_child *child = kzalloc(sizeof(*child), GFP_KERNEL);
	int ret = -ENOMEM;
	pid_t pid;

	if (!child)
		return ret;
	child->st = st;
	child->pages = kvmalloc_array(STORM_PAGES, PAGE_SIZE, GFP_KERNEL);
	if (!child->pages)
		goto out;
	do {
		bitmap_zero(child->there, STORM_PAGES);
		init_completion(&child->done);
		pid = mock_fork(storm_child_main, child);
		ret = min(pid, 0);
		if (ret)
			break;
		wait_for_completion(&child->done);
		kernel_wait(pid, NULL);
		ret = child->ret;
		count(st, OP_FORK);
		msleep(20);
	} while (!ret && storm_goes_on(st));
	if (ret)
		pr_err("fork: %d\n", ret);
out:
	kvfree(child->pages);
	kfree(child);
	return ret;
}

static int storm_migrate(void *arg)
{
	struct storm *st = current_storm();
	unsigned long device = (unsigned long)arg;
	struct mock_fixture *fx = st->fx;
	struct rnd_state rnd;
	long ret = 0;

	prandom_seed_state(&rnd, st->seed + 20 + device);
	while (storm_goes_on(st)) {
		unsigned long i = prandom_u32_state(&rnd) % fx->npages;
		unsigned long nr = 1 + prandom_u32_state(&rnd) % (fx->npages - i);
		struct drm_pagemap_migrate_details details = {
			.first = i,
			.no_holes = prandom_u32_state(&rnd) & 1,
			.timeslice_ms = prandom_u32_state(&rnd) % 8 ? 0 : 2,
		};
		struct mock_block *block = st->block[device];
		bool temporary = prandom_u32_state(&rnd) & 1;

		if (temporary) {
			/* Behind the other one, over what may be in use */
			block = mock_block_try_create(st->vram[device],
						      fx->npages + 7 * i, nr,
						      NULL);
			if (!block)
				return -ENOMEM;
			block->temporary = true;
			details.first = 0;
		}
		ret = mock_migrate_range(fx, block, i, i + nr, details);
		if (temporary)
			mock_block_put(block);
		if (ret > 0)
			atomic_add(ret, &st->ops[temporary ?
						 OP_MIGRATE_TEMPORARY :
						 OP_MIGRATE]);
		/* There was nothing but a hole */
		if (ret < 0 && ret != -EINVAL) {
			pr_err("migrate: %ld\n", ret);
			return ret;
		}
		usleep_range(2000, 20000);
	}
	return 0;
}

static int storm_evict(void *arg)
{
	struct storm *st = current_storm();
	struct rnd_state rnd;
	int err;

	prandom_seed_state(&rnd, st->seed + 30);
	while (storm_goes_on(st)) {
		u32 r = prandom_u32_state(&rnd);

		if (r & 6)
			err = drm_pagemap_evict_to_ram(&st->block[r & 1]->devmem);
		else
			err = drm_pagemap_evict_all(&st->vram[r & 1]->dpagemap);
		if (err && err != -EBUSY) {
			pr_err("evict: %d\n", err);
			return err;
		}
		count(st, r & 6 ? OP_EVICT_BLOCK : OP_EVICT_ALL);
		msleep(5 + r / 8 % 16);
	}
	return 0;
}

static struct storm *storm_create(struct kunit *test)
{
	struct storm *st = kunit_kzalloc(test, sizeof(*st), GFP_KERNEL);
	struct mock_fixture *fx = fixture_sized(test, STORM_PAGES);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, st);
	fx->priv = st;
	st->fx = fx;
	st->seed = storm_seed ?: get_random_u32();
	st->scratch = vm_mmap(NULL, 0, STORM_PAGES * PAGE_SIZE, PROT_NONE,
			      MAP_PRIVATE | MAP_ANONYMOUS, 0);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(st->scratch));
	for (i = 0; i < 2; i++)
		st->vram[i] = mock_vram_create(test, i ? "b" : "a", test);
	for (i = 0; i < 2; i++) {
		st->block[i] = mock_block_create(st->vram[i], 0, STORM_PAGES,
						 NULL);
		gpu_of(fx, st->vram[i])->flush_us = 50;
	}
	return st;
}

static bool storm_had_it_all(struct storm *st)
{
	unsigned int i;

	for (i = 0; i < OP_MAX; i++)
		if (!atomic_read(&st->ops[i]))
			return false;
	return true;
}

/* As long as asked for; on a machine that is busy, until all has happened. */
static void storm_wait(struct storm *st)
{
	unsigned int i;

	for (i = 0; i < seconds || (i < 240 && !storm_had_it_all(st)); i++)
		ssleep(1);
	WRITE_ONCE(st->fx->end, jiffies);
}

/* Nothing moves any more, and all must be what its writers know. */
static void storm_check_all(struct storm *st)
{
	struct mock_fixture *fx = st->fx;
	unsigned long slot, page;

	KUNIT_EXPECT_EQ(fx->test, 0, mock_mprotect(fx, 0, fx->npages,
						   PROT_READ | PROT_WRITE));
	for (slot = 0; slot < STORM_SLOTS; slot++)
		for (page = 0; page < fx->npages; page++) {
			KUNIT_EXPECT_EQ(fx->test, 0,
					storm_gpu_check(st, fx->gpus[slot & 1],
							slot, page));
			KUNIT_EXPECT_EQ(fx->test, 0,
					storm_cpu_check(st, slot, page));
		}
}

static void storm(struct kunit *test)
{
	struct storm *st = storm_create(test);
	struct mock_fixture *fx = st->fx;
	unsigned long i;

	seconds = clamp(seconds, 1U, 240U);
	kunit_info(test, "seed %u, %u seconds", st->seed, seconds);
	fx->end = jiffies + 240 * HZ;
	for (i = 0; i < STORM_SLOTS; i++)
		mock_task_start(fx, true, storm_access, (void *)i);
	mock_task_start(fx, true, storm_layout, NULL);
	mock_task_start(fx, true, storm_mprotect, NULL);
	mock_task_start(fx, true, storm_fork, NULL);
	for (i = 0; i < 2; i++)
		mock_task_start(fx, true, storm_migrate, (void *)i);
	mock_task_start(fx, false, storm_evict, NULL);
	storm_wait(st);
	for (i = 0; i < fx->nr_tasks; i++)
		KUNIT_EXPECT_EQ_MSG(test, 0, mock_task_join(&fx->tasks[i]),
				    "%ps", fx->tasks[i].fn);
	storm_check_all(st);
	for (i = 0; i < OP_MAX; i++) {
		kunit_info(test, "%9d %s", atomic_read(&st->ops[i]), op_names[i]);
		KUNIT_EXPECT_GT_MSG(test, atomic_read(&st->ops[i]), 0, "%s",
				    op_names[i]);
	}

	for (i = 0; i < 2; i++)
		KUNIT_EXPECT_EQ(test, 0,
				drm_pagemap_evict_all(&st->vram[i]->dpagemap));
	mock_block_put(st->block[1]);
	mock_block_expect_released(st->block[1]);
	finish(fx, st->block[0]);
	KUNIT_EXPECT_EQ(test, 0, storm_check_rss());
	for (i = 0; i < 2; i++)
		scoped_guard(mutex, &fx->gpus[i]->lock)
			KUNIT_EXPECT_EQ(test, 0, mock_gpu_collect(fx->gpus[i]));
	KUNIT_EXPECT_EQ(test, 0, mock_gpu_nr_ranges(fx->gpus[0]));
	KUNIT_EXPECT_EQ(test, 0, mock_gpu_nr_ranges(fx->gpus[1]));
}

/* A splat fails no test, and turns lockdep off for all that come after it. */
static void lockdep_is_still_on(struct kunit *test)
{
	if (!IS_ENABLED(CONFIG_PROVE_LOCKING))
		kunit_skip(test, "needs CONFIG_PROVE_LOCKING");
	KUNIT_EXPECT_TRUE(test, debug_locks);
}

static struct kunit_case drm_svm_cases[] = {
	KUNIT_CASE(all_in_vram),
	KUNIT_CASE(mixed_page_by_page),
	KUNIT_CASE(memory_of_another_owner),
	KUNIT_CASE(devmem_only),
	KUNIT_CASE(peer_maps_and_unmaps),
	KUNIT_CASE(two_gpus_share_vram),
	KUNIT_CASE(failed_map_is_undone),
	KUNIT_CASE(userptr_brings_back),
	KUNIT_CASE_SLOW(huge_page_is_one_address),
	KUNIT_CASE_PARAM_ATTR(part_of_a_huge_page, cut_gen_params,
			      { .speed = KUNIT_SPEED_SLOW }),
	KUNIT_CASE_PARAM(gpu_is_flushed_first, taking_gen_params),
	KUNIT_CASE(migration_to_own_vram),
	KUNIT_CASE(migration_between_devices),
	KUNIT_CASE(partial_unmap_in_vram),
	KUNIT_CASE_SLOW(moved_page_is_old),
	KUNIT_CASE(unplug_while_mapped),
	KUNIT_CASE(exit_while_mapped),
	KUNIT_CASE(fork_and_gpu_write),
	KUNIT_CASE(fork_and_cpu_write),
	KUNIT_CASE_SLOW(storm),
	KUNIT_CASE(lockdep_is_still_on),
	{}
};

static struct kunit_suite drm_svm_suite = {
	.name = "drm_svm",
	.test_cases = drm_svm_cases,
};

kunit_test_suite(drm_svm_suite);

MODULE_DESCRIPTION("KUnit tests for drm_gpusvm with drm_pagemap");
MODULE_LICENSE("Dual MIT/GPL");
MODULE_IMPORT_NS(EXPORTED_FOR_KUNIT_TESTING);
