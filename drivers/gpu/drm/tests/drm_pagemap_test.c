// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * KUnit tests for drm_pagemap, on a real address space.
 *
 * The device's memory is RAM behind device-private pages. It is full of noise at
 * first, so that a page that nobody filled is seen. Each step of a migration can
 * be made to fail, and after each case every mapping has been undone, every block
 * released and the pagemap destroyed.
 */

#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/debug_locks.h>
#include <linux/delay.h>
#include <linux/dma-fence.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/prandom.h>
#include <linux/random.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include <drm/drm_drv.h>
#include <drm/drm_pagemap.h>
#include <drm/drm_print.h>

#include "../drm_pagemap_internal.h"
#include "drm_svm_mock.h"

/* Small enough for a case that fails each of them in turn */
#define NR_PAGES	32UL

static void *stub_no_batch(unsigned long npages, gfp_t gfp)
{
	return NULL;
}

/*
 * The process
 */

static u32 value(unsigned long i, unsigned int seed)
{
	return (seed << 16) + i + 1;
}

/* A word at the start, and one at the end of the page */
static int write_page(struct mock_fixture *fx, unsigned long i, u32 val)
{
	return put_user(val, (u32 __user *)mock_addr(fx, i)) ?:
		       put_user(~val, (u32 __user *)(mock_addr(fx, i + 1) -
						     sizeof(val)));
}

static int check_page(struct mock_fixture *fx, unsigned long i, u32 first,
		      u32 last)
{
	u32 a, b;
	int err = get_user(a, (u32 __user *)mock_addr(fx, i)) ?:
			  get_user(b, (u32 __user *)(mock_addr(fx, i + 1) -
						     sizeof(b)));

	return err ?: (a == first && b == last ? 0 : -EILSEQ);
}

static void write_all(struct mock_fixture *fx, unsigned int seed)
{
	unsigned long i;

	for (i = 0; i < fx->npages; i++)
		KUNIT_ASSERT_EQ(fx->test, 0, write_page(fx, i, value(i, seed)));
}

static void check_range(struct mock_fixture *fx, unsigned long first,
			unsigned long end, unsigned int seed)
{
	unsigned long i;

	for (i = first; i < end; i++)
		KUNIT_EXPECT_EQ_MSG(fx->test, 0,
				    check_page(fx, i, value(i, seed),
					       ~value(i, seed)),
				    "page %lu", i);
}

static void check_all(struct mock_fixture *fx, unsigned int seed)
{
	check_range(fx, 0, fx->npages, seed);
}

static long migrate(struct mock_fixture *fx, struct mock_block *block)
{
	return mock_migrate_range(fx, block, 0, fx->npages,
				  (struct drm_pagemap_migrate_details) {});
}

/* Write it all, and move it all to a new block. */
static struct mock_block *fill_and_migrate(struct mock_fixture *fx,
					   struct mock_vram *vram,
					   unsigned int seed)
{
	struct mock_block *block = mock_block_create(vram, 0, fx->npages, NULL);

	write_all(fx, seed);
	KUNIT_ASSERT_EQ(fx->test, fx->npages, migrate(fx, block));
	KUNIT_ASSERT_EQ(fx->test, fx->npages, mock_block_nr_out(block));
	return block;
}

/* -EFAULT for a SIGBUS, -ENOMEM for out of memory */
static int fault(struct mock_fixture *fx, unsigned long i)
{
	struct mm_struct *mm = current->mm;
	bool unlocked = false;
	int err;

	mmap_read_lock(mm);
	err = fixup_user_fault(mm, mock_addr(fx, i), 0, &unlocked);
	mmap_read_unlock(mm);
	return err;
}

static struct mock_fixture *fixture_sized(struct kunit *test,
					  unsigned long npages)
{
	struct mock_fixture *fx = test->priv;

	mock_fixture_map(fx, npages);
	return fx;
}

static struct mock_fixture *fixture(struct kunit *test)
{
	return fixture_sized(test, NR_PAGES);
}

static int pagemap_test_init(struct kunit *test)
{
	if (!mock_fixture_create(test))
		return -ENOMEM;
	kunit_activate_static_stub(test, drm_pagemap_dma_map, mock_dma_map);
	kunit_activate_static_stub(test, drm_pagemap_dma_unmap, mock_dma_unmap);
	kunit_activate_static_stub(test, drm_pagemap_alloc_ram, mock_alloc_ram);
	return 0;
}

/*
 * Migration and CPU faults
 */

static void moves_there_and_back(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test);
	struct mock_block *block =
		fill_and_migrate(fx, mock_vram_create(test, "a", NULL), 1);

	check_all(fx, 1);
	KUNIT_EXPECT_EQ(test, 0, mock_block_nr_out(block));
	KUNIT_EXPECT_EQ(test, 2 * NR_PAGES, atomic_read(&block->copied));
	mock_block_put(block);
	mock_block_expect_released(block);
}

static void moves_more_than_a_batch(struct kunit *test)
{
	struct mock_fixture *fx = fixture_sized(test, 700);
	struct mock_block *block =
		fill_and_migrate(fx, mock_vram_create(test, "a", NULL), 1);

	KUNIT_EXPECT_EQ(test, 2, atomic_read(&block->copies));
	mock_block_put(block);
	check_all(fx, 1);
	mock_block_expect_released(block);
}

static void write_fault_brings_back(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test);
	struct mock_block *block =
		fill_and_migrate(fx, mock_vram_create(test, "a", NULL), 1);

	write_all(fx, 2);
	check_all(fx, 2);
	/* and the block can be used again */
	KUNIT_EXPECT_EQ(test, NR_PAGES, migrate(fx, block));
	check_all(fx, 2);
	mock_block_put(block);
	mock_block_expect_released(block);
}

static void holes_become_zeros(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test);
	struct mock_vram *vram = mock_vram_create(test, "a", NULL);
	struct mock_block *block = mock_block_create(vram, 0, NR_PAGES, NULL);
	unsigned long i;

	KUNIT_EXPECT_EQ(test, 0, check_page(fx, 3, 0, 0)); /* the zero page */
	KUNIT_EXPECT_EQ(test, NR_PAGES, migrate(fx, block));
	for (i = 0; i < NR_PAGES; i++)
		KUNIT_EXPECT_EQ(test, 0, check_page(fx, i, 0, 0));
	mock_block_put(block);
	mock_block_expect_released(block);
}

static void holes_stay_if_asked(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test);
	struct mock_vram *vram = mock_vram_create(test, "a", NULL);
	struct mock_block *block = mock_block_create(vram, 0, NR_PAGES, NULL);

	KUNIT_ASSERT_EQ(test, 0, write_page(fx, 5, 7));
	KUNIT_EXPECT_EQ(test, 1,
			mock_migrate_range(fx, block, 0, NR_PAGES,
					   (struct drm_pagemap_migrate_details) {
						   .no_holes = true }));
	KUNIT_EXPECT_EQ(test, 0, check_page(fx, 5, 7, ~7));
	mock_block_put(block);
}

static void pinned_page_stays_alone(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test);
	struct mock_vram *vram = mock_vram_create(test, "a", NULL);
	struct mock_block *block = mock_block_create(vram, 0, NR_PAGES, NULL);
	struct page *page;

	write_all(fx, 1);
	KUNIT_ASSERT_EQ(test, 1,
			pin_user_pages_fast(mock_addr(fx, 9), 1, FOLL_WRITE,
					    &page));
	KUNIT_EXPECT_EQ(test, NR_PAGES - 1, migrate(fx, block));
	KUNIT_EXPECT_EQ(test, NR_PAGES - 1, mock_block_nr_out(block));
	unpin_user_page(page);
	/* the rest follows, those that are there stay */
	KUNIT_EXPECT_EQ(test, 1, migrate(fx, block));
	KUNIT_EXPECT_EQ(test, NR_PAGES, mock_block_nr_out(block));
	check_all(fx, 1);
	mock_block_put(block);
	mock_block_expect_released(block);
}

static void used_place_is_not_taken(struct kunit *test)
{
	const struct drm_pagemap_migrate_details d = {};
	struct mock_fixture *fx = fixture(test);
	struct mock_vram *vram = mock_vram_create(test, "a", NULL);
	struct mock_block *block = mock_block_create(vram, 0, NR_PAGES / 2, NULL);

	write_all(fx, 1);
	KUNIT_EXPECT_EQ(test, NR_PAGES / 2,
			mock_migrate_range(fx, block, 0, NR_PAGES / 2, d));
	KUNIT_EXPECT_EQ(test, 0,
			mock_migrate_range(fx, block, NR_PAGES / 2, NR_PAGES, d));
	check_all(fx, 1);
	mock_block_put(block);
	mock_block_expect_released(block);
}

static void part_of_range_and_block(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test);
	struct mock_vram *vram = mock_vram_create(test, "a", NULL);
	struct mock_block *block = mock_block_create(vram, 8, NR_PAGES, NULL);

	write_all(fx, 1);
	KUNIT_EXPECT_EQ(test, 4,
			mock_migrate_range(fx, block, 7, 11,
					   (struct drm_pagemap_migrate_details) {
						   .first = NR_PAGES - 4 }));
	KUNIT_EXPECT_EQ(test, 4, mock_block_nr_out(block));
	check_all(fx, 1);
	mock_block_put(block);
	mock_block_expect_released(block);
}

static void bad_arguments(struct kunit *test)
{
	struct drm_pagemap_migrate_details d = {};
	struct mock_fixture *fx = fixture(test);
	struct mock_vram *vram = mock_vram_create(test, "a", NULL);
	struct mock_block *block =
		mock_block_create(vram, 0, NR_PAGES / 2, NULL);

	KUNIT_EXPECT_EQ(test, -EINVAL, migrate(fx, block)); /* too large */
	KUNIT_EXPECT_EQ(test, -EINVAL, mock_migrate_range(fx, block, 4, 4, d));
	KUNIT_EXPECT_EQ(test, -EINVAL, mock_migrate_range(fx, block, 5, 4, d));
	d.first = NR_PAGES / 2;
	KUNIT_EXPECT_EQ(test, -EINVAL, mock_migrate_range(fx, block, 0, 1, d));
	d.first = NR_PAGES / 2 - 1;
	KUNIT_EXPECT_EQ(test, -EINVAL, mock_migrate_range(fx, block, 0, 2, d));
	fx->addr += 8;
	KUNIT_EXPECT_EQ(test, -EINVAL, mock_migrate_range(fx, block, 0, 1, d));
	mock_block_put(block);
	mock_block_expect_released(block);
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP,
			drm_pagemap_populate_mm(&vram->dpagemap, 0, PAGE_SIZE,
						current->mm, 0));
}

static void gap_between_vmas(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test);
	struct mock_vram *vram = mock_vram_create(test, "a", NULL);
	struct mock_block *block = mock_block_create(vram, 0, NR_PAGES, NULL);

	write_all(fx, 1);
	KUNIT_ASSERT_EQ(test, 0, vm_munmap(mock_addr(fx, 8), 4 * PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, NR_PAGES - 4, migrate(fx, block));
	check_range(fx, 0, 8, 1);
	check_range(fx, 12, NR_PAGES, 1);
	mock_block_put(block);
	mock_block_expect_released(block);
}

static void contiguous_pages_are_one_copy(struct kunit *test)
{
	struct mock_fixture *fx = fixture_sized(test, PMD_SIZE / PAGE_SIZE);
	struct mock_vram *vram = mock_vram_create(test, "a", NULL);
	struct mock_block *block = mock_block_create(vram, 0, 512, NULL);
	unsigned long huge = fx->addr;

	if (!IS_ENABLED(CONFIG_TRANSPARENT_HUGEPAGE))
		kunit_skip(test, "no huge pages");
	KUNIT_ASSERT_EQ(test, 0, do_madvise(current->mm, huge, PMD_SIZE,
					    MADV_HUGEPAGE));
	write_all(fx, 1);
	KUNIT_EXPECT_EQ(test, 512, migrate(fx, block));
	KUNIT_EXPECT_EQ(test, 512, atomic_read(&block->copied));
	KUNIT_EXPECT_EQ(test, 1, atomic_read(&block->runs));
	mock_block_put(block);
	vm_munmap(huge, PMD_SIZE);
	mock_block_expect_released(block);
}

static void munmap_frees(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test);
	struct mock_block *block =
		fill_and_migrate(fx, mock_vram_create(test, "a", NULL), 1);

	mock_block_put(block);
	vm_munmap(fx->addr, NR_PAGES / 2 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, NR_PAGES / 2, mock_block_nr_out(block));
	KUNIT_EXPECT_FALSE(test, completion_done(&block->released));
	vm_munmap(mock_addr(fx, NR_PAGES / 2), NR_PAGES / 2 * PAGE_SIZE);
	mock_block_expect_released(block);
	KUNIT_EXPECT_EQ(test, NR_PAGES, atomic_read(&block->copied));
}

/* What has pages in the window of a fault, but is another block, stays there. */
static void fault_takes_one_block(struct kunit *test)
{
	const struct drm_pagemap_migrate_details d = {};
	struct mock_fixture *fx = fixture(test);
	struct mock_vram *vram = mock_vram_create(test, "a", NULL);
	struct mock_block *a = mock_block_create(vram, 0, NR_PAGES, NULL);
	struct mock_block *b = mock_block_create(vram, NR_PAGES, NR_PAGES, NULL);

	write_all(fx, 1);
	KUNIT_ASSERT_EQ(test, NR_PAGES / 2,
			mock_migrate_range(fx, a, 0, NR_PAGES / 2, d));
	KUNIT_ASSERT_EQ(test, NR_PAGES / 2, migrate(fx, b));
	check_range(fx, 0, 1, 1);
	KUNIT_EXPECT_EQ(test, 0, mock_block_nr_out(a));
	KUNIT_EXPECT_EQ(test, NR_PAGES / 2, mock_block_nr_out(b));
	KUNIT_EXPECT_EQ(test, NR_PAGES, atomic_read(&a->copied));
	check_all(fx, 1);
	KUNIT_EXPECT_EQ(test, 0, mock_block_nr_out(b));
	mock_block_put(a);
	mock_block_put(b);
	mock_block_expect_released(a);
	mock_block_expect_released(b);
}

static void pin_brings_back(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test);
	struct mock_block *block =
		fill_and_migrate(fx, mock_vram_create(test, "a", NULL), 1);
	struct page *page;

	KUNIT_ASSERT_EQ(test, 1,
			pin_user_pages_fast(mock_addr(fx, 4), 1, FOLL_WRITE,
					    &page));
	KUNIT_EXPECT_FALSE(test, is_device_private_page(page));
	unpin_user_page(page);
	check_all(fx, 1);
	mock_block_put(block);
	mock_block_expect_released(block);
}

static void pages_out_at_exit(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test);
	struct mock_block *block =
		fill_and_migrate(fx, mock_vram_create(test, "a", NULL), 1);

	/* the rest is mock_vram_fini()'s, while the mm exits */
	mock_block_put(block);
	KUNIT_EXPECT_EQ(test, NR_PAGES, mock_block_nr_out(block));
}

/* The child reads what its parent had on the device. */
struct child {
	struct mock_fixture *fx;
	struct completion done;
	int ret;
};

static int child_main(void *data)
{
	struct child *child = data;
	unsigned long i;

	for (i = 0; i < child->fx->npages && !child->ret; i++)
		child->ret = check_page(child->fx, i, value(i, 1),
					~value(i, 1));
	complete(&child->done);
	do_exit(0);
}

static void forked_child_reads(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test);
	struct mock_block *block =
		fill_and_migrate(fx, mock_vram_create(test, "a", NULL), 1);
	struct child child = { .fx = fx };
	pid_t pid;

	init_completion(&child.done);
	pid = mock_fork(child_main, &child);
	KUNIT_ASSERT_GT(test, pid, 0);
	write_all(fx, 2);
	wait_for_completion(&child.done);
	KUNIT_EXPECT_EQ(test, 0, child.ret);
	check_all(fx, 2);
	kernel_wait(pid, NULL);
	mock_block_put(block);
	mock_block_expect_released(block);
}

/*
 * Two devices
 */

static void moves_between_devices(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test);
	struct mock_vram *a = mock_vram_create(test, "a", test);
	struct mock_vram *b = mock_vram_create(test, "b", test);
	struct mock_block *from = fill_and_migrate(fx, a, 1);
	struct mock_block *to = mock_block_create(b, 0, NR_PAGES, NULL);

	mock_block_put(from);
	KUNIT_EXPECT_EQ(test, NR_PAGES, migrate(fx, to));
	mock_block_expect_released(from);
	KUNIT_EXPECT_EQ(test, NR_PAGES, mock_block_nr_out(to));
	/* not by way of RAM: one run, by the fabric */
	KUNIT_EXPECT_EQ(test, NR_PAGES, atomic_read(&from->copied));
	KUNIT_EXPECT_EQ(test, 1, atomic_read(&to->runs));
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&a->peer_maps));
	check_all(fx, 1);
	mock_block_put(to);
	mock_block_expect_released(to);
}

static void unreachable_device_keeps(struct kunit *test)
{
	const struct drm_pagemap_migrate_details d = {};
	struct mock_fixture *fx = fixture(test);
	struct mock_vram *a = mock_vram_create(test, "a", test);
	struct mock_vram *b = mock_vram_create(test, "b", test);
	struct mock_block *from = fill_and_migrate(fx, a, 1);
	struct mock_block *to = mock_block_create(b, 0, NR_PAGES, NULL);

	a->unreachable = true;
	KUNIT_ASSERT_EQ(test, 0, write_page(fx, 0, value(0, 1)));
	KUNIT_EXPECT_EQ(test, 0,
			mock_block_nr_out(from)); /* the fault took them all */
	KUNIT_EXPECT_EQ(test, NR_PAGES / 2,
			mock_migrate_range(fx, from, 0, NR_PAGES / 2, d));
	KUNIT_EXPECT_EQ(test, NR_PAGES / 2, migrate(fx, to));
	KUNIT_EXPECT_EQ(test, NR_PAGES / 2, mock_block_nr_out(from));
	check_all(fx, 1);
	mock_block_put(from);
	mock_block_put(to);
	mock_block_expect_released(from);
	mock_block_expect_released(to);
}

static void strange_device_keeps(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test);
	struct mock_block *from =
		fill_and_migrate(fx, mock_vram_create(test, "a", NULL), 1);
	struct mock_vram *b = mock_vram_create(test, "b", NULL);
	struct mock_block *to = mock_block_create(b, 0, NR_PAGES, NULL);

	KUNIT_EXPECT_EQ(test, 0, migrate(fx, to));
	KUNIT_EXPECT_EQ(test, NR_PAGES, mock_block_nr_out(from));
	check_all(fx, 1);
	mock_block_put(from);
	mock_block_put(to);
	mock_block_expect_released(from);
	mock_block_expect_released(to);
}

static void page_knows_its_pagemap(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test);
	struct mock_vram *vram = mock_vram_create(test, "a", NULL);
	struct mock_block *block = fill_and_migrate(fx, vram, 1);
	struct page *page = pfn_to_page(PHYS_PFN(vram->pgmap.range.start));

	KUNIT_EXPECT_PTR_EQ(test, &vram->dpagemap,
			    drm_pagemap_page_to_dpagemap(page));
	KUNIT_EXPECT_NULL(test, drm_pagemap_page_to_dpagemap(ZERO_PAGE(0)));
	check_all(fx, 1);
	KUNIT_EXPECT_NULL(test, drm_pagemap_page_to_dpagemap(page));
	mock_block_put(block);
	mock_block_expect_released(block);
}

static void debugfs_shows_blocks(struct kunit *test)
{
	/* All, 3 and 2 moved; all came back by the first fault, 3 by eviction */
	static const char *const lines[] = {
		"to the device: 37 pages, 151552 bytes, 1 failures\n",
		"by CPU faults: 32 pages, 131072 bytes, 0 failures\n",
		"by eviction: 3 pages, 12288 bytes, 0 failures\n",
		"block of 32 pages: 2 in use\n",
	};
	const struct drm_pagemap_migrate_details d = {};
	struct mock_fixture *fx = fixture(test);
	struct mock_vram *vram = mock_vram_create(test, "a", NULL);
	struct mock_block *block = fill_and_migrate(fx, vram, 1);
	char *buf = kunit_kzalloc(test, SZ_4K, GFP_KERNEL), want[64];
	struct drm_print_iterator iter = { .data = buf, .remain = SZ_4K - 1 };
	struct drm_printer p = drm_coredump_printer(&iter);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, buf);
	check_all(fx, 1);
	block->fail_to_devmem = -EIO;
	KUNIT_EXPECT_EQ(test, -EIO, migrate(fx, block));
	block->fail_to_devmem = 0;
	KUNIT_EXPECT_EQ(test, 3, mock_migrate_range(fx, block, 0, 3, d));
	KUNIT_EXPECT_EQ(test, 0, drm_pagemap_evict_to_ram(&block->devmem));
	KUNIT_EXPECT_EQ(test, 2, mock_migrate_range(fx, block, 0, 2, d));
	drm_pagemap_debugfs_print(&vram->dpagemap, &p);
	snprintf(want, sizeof(want), "[%#llx,", vram->pgmap.range.start);
	KUNIT_EXPECT_NOT_NULL(test, strstr(buf, want));
	for (i = 0; i < ARRAY_SIZE(lines); i++)
		KUNIT_EXPECT_NOT_NULL(test, strstr(buf, lines[i]));
	mock_block_put(block);
	check_all(fx, 1);
	mock_block_expect_released(block);
}

/*
 * Eviction
 */

static int evict_main(void *arg)
{
	return drm_pagemap_evict_to_ram(&((struct mock_block *)arg)->devmem);
}

static void evicts_without_mm(struct kunit *test)
{
	struct mock_fixture *fx = fixture_sized(test, 700);
	struct mock_block *block =
		fill_and_migrate(fx, mock_vram_create(test, "a", NULL), 1);

	KUNIT_EXPECT_EQ(test, 0,
			mock_task_join(mock_task_start(fx, false, evict_main,
						       block)));
	KUNIT_EXPECT_EQ(test, 0, mock_block_nr_out(block));
	mock_block_put(block);
	mock_block_expect_released(block);
	check_all(fx, 1);
}

static void evicts_scattered(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test);
	struct mock_vram *vram = mock_vram_create(test, "a", NULL);
	struct mock_block *block = mock_block_create(vram, 3, NR_PAGES, NULL);

	block->scattered = true;
	write_all(fx, 1);
	KUNIT_EXPECT_EQ(test, NR_PAGES, migrate(fx, block));
	KUNIT_EXPECT_EQ(test, 0, drm_pagemap_evict_to_ram(&block->devmem));
	check_all(fx, 1);
	mock_block_put(block);
	mock_block_expect_released(block);
}

static void evicts_what_munmap_left(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test);
	struct mock_block *block =
		fill_and_migrate(fx, mock_vram_create(test, "a", NULL), 1);

	KUNIT_ASSERT_EQ(test, 0, vm_munmap(mock_addr(fx, 8), 4 * PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, 0, drm_pagemap_evict_to_ram(&block->devmem));
	KUNIT_EXPECT_EQ(test, 2 * NR_PAGES - 4, atomic_read(&block->copied));
	check_range(fx, 0, 8, 1);
	check_range(fx, 12, NR_PAGES, 1);
	mock_block_put(block);
	mock_block_expect_released(block);
}

/* What is unmapped meanwhile takes its anon_vma with it. */
static void munmap_while_evicting(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test);
	struct mock_block *block =
		fill_and_migrate(fx, mock_vram_create(test, "a", NULL), 1);
	struct mock_task *w;

	block->hold = true;
	w = mock_task_start(fx, false, evict_main, block);
	KUNIT_EXPECT_NE(test, 0,
			wait_for_completion_timeout(&block->held, MOCK_HANG));
	KUNIT_EXPECT_EQ(test, 0, vm_munmap(fx->addr, NR_PAGES * PAGE_SIZE));
	rcu_barrier();
	complete(&block->go);
	KUNIT_EXPECT_EQ(test, 0, mock_task_join(w));
	mock_block_put(block);
	mock_block_expect_released(block);
}

static void evicts_all_blocks(struct kunit *test)
{
	struct drm_pagemap_migrate_details d = {};
	struct mock_fixture *fx = fixture(test);
	struct mock_vram *vram = mock_vram_create(test, "a", NULL);
	struct mock_block *block[4];
	unsigned long i;

	write_all(fx, 1);
	for (i = 0; i < 4; i++) {
		block[i] = mock_block_create(vram, i * 8, 8, NULL);
		KUNIT_ASSERT_EQ(test, 8,
				mock_migrate_range(fx, block[i], i * 8,
						   i * 8 + 8, d));
		mock_block_put(block[i]);
	}
	KUNIT_EXPECT_EQ(test, 0, drm_pagemap_evict_all(&vram->dpagemap));
	for (i = 0; i < 4; i++)
		mock_block_expect_released(block[i]);
	check_all(fx, 1);
}

/* A page whose data have moved must not be taken for one that has any: P10. */
static void moved_page_is_not_evicted(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test);
	struct mock_block *block =
		fill_and_migrate(fx, mock_vram_create(test, "a", NULL), 1);

	kunit_activate_static_stub(test, drm_pagemap_page_moved,
				   mock_keep_moved);
	check_all(fx, 1);
	KUNIT_ASSERT_NOT_NULL(test, fx->kept);
	KUNIT_EXPECT_EQ(test, 1, mock_block_nr_out(block));
	write_all(fx, 2);
	atomic_set(&block->copied, 0);
	KUNIT_EXPECT_EQ(test, -EBUSY, drm_pagemap_evict_to_ram(&block->devmem));
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&block->copied));
	check_all(fx, 2);
	/* nor is its place taken */
	KUNIT_EXPECT_EQ(test, NR_PAGES - 1, migrate(fx, block));
	check_all(fx, 2);
	put_page(fx->kept);
	KUNIT_EXPECT_EQ(test, 0, drm_pagemap_evict_to_ram(&block->devmem));
	mock_block_put(block);
	mock_block_expect_released(block);
}

/*
 * Failure of each step
 */

static void fail_pfns(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test);
	struct mock_vram *vram = mock_vram_create(test, "a", NULL);
	struct mock_block *block = mock_block_create(vram, 0, NR_PAGES, NULL);

	write_all(fx, 1);
	block->fail_pfns = -ENXIO;
	KUNIT_EXPECT_EQ(test, -ENXIO, migrate(fx, block));
	KUNIT_EXPECT_EQ(test, 0, mock_block_nr_out(block));
	check_all(fx, 1);
	block->fail_pfns = 0;
	KUNIT_EXPECT_EQ(test, NR_PAGES, migrate(fx, block));
	block->fail_pfns = -ENXIO;
	KUNIT_EXPECT_EQ(test, -ENXIO, drm_pagemap_evict_to_ram(&block->devmem));
	block->fail_pfns = 0;
	check_all(fx, 1);
	mock_block_put(block);
	mock_block_expect_released(block);
}

static void fail_copy_to_devmem(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test);
	struct mock_vram *vram = mock_vram_create(test, "a", NULL);
	struct mock_block *block = mock_block_create(vram, 0, NR_PAGES, NULL);

	write_all(fx, 1);
	block->fail_to_devmem = -EIO;
	KUNIT_EXPECT_EQ(test, -EIO, migrate(fx, block));
	KUNIT_EXPECT_EQ(test, 0, mock_block_nr_out(block));
	KUNIT_EXPECT_EQ(test, 0, fx->mapped);
	check_all(fx, 1);
	block->fail_to_devmem = 0;
	KUNIT_EXPECT_EQ(test, NR_PAGES, migrate(fx, block));
	check_all(fx, 1);
	mock_block_put(block);
	mock_block_expect_released(block);
}

/* Mapping k fails, or k and all after it: G2, P3. */
static void fail_each_map_to_devmem(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test);
	struct mock_vram *vram = mock_vram_create(test, "a", NULL);
	struct mock_block *block = mock_block_create(vram, 0, NR_PAGES, NULL);
	int k;

	/* RAM may be contiguous: then a run is tried again page by page */
	write_all(fx, 1);
	for (k = 0; k < 2 * NR_PAGES; k++) {
		long moved;

		fx->fail_rest = k & 1;
		fx->nr_maps = 0;
		fx->fail_map = k / 2;
		moved = migrate(fx, block);
		fx->fail_map = -1;
		KUNIT_EXPECT_EQ(test, 0, fx->mapped);
		KUNIT_EXPECT_GE(test, moved, 0);
		if (!fx->fail_rest)
			KUNIT_EXPECT_GE(test, moved, NR_PAGES - 1);
		KUNIT_EXPECT_EQ(test, moved, mock_block_nr_out(block));
		check_all(fx, 1);
		KUNIT_EXPECT_EQ(test, 0, mock_block_nr_out(block));
	}
	mock_block_put(block);
	mock_block_expect_released(block);
}

/* The memory is lost, as far as the process can tell; but nobody sees noise. */
static void fail_copy_to_ram(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test);
	struct mock_block *block =
		fill_and_migrate(fx, mock_vram_create(test, "a", NULL), 1);

	block->fail_to_ram = -EIO;
	KUNIT_EXPECT_EQ(test, -EFAULT, fault(fx, 0));
	KUNIT_EXPECT_EQ(test, -EFAULT, check_page(fx, 1, 0, 0));
	KUNIT_EXPECT_EQ(test, NR_PAGES, mock_block_nr_out(block));
	KUNIT_EXPECT_EQ(test, 0, fx->mapped);
	KUNIT_EXPECT_EQ(test, -EIO, drm_pagemap_evict_to_ram(&block->devmem));
	KUNIT_EXPECT_EQ(test, NR_PAGES, mock_block_nr_out(block));
	block->fail_to_ram = 0;
	check_all(fx, 1);
	mock_block_put(block);
	mock_block_expect_released(block);
}

static void busy_copy_is_tried_again(struct kunit *test)
{
	static const int errs[] = { -EAGAIN, -EINTR, -EBUSY, -ERESTARTSYS };
	struct mock_fixture *fx = fixture(test);
	struct mock_vram *vram = mock_vram_create(test, "a", NULL);
	struct mock_block *block = mock_block_create(vram, 0, NR_PAGES, NULL);
	int i;

	write_all(fx, 1);
	for (i = 0; i < ARRAY_SIZE(errs); i++) {
		KUNIT_ASSERT_EQ(test, NR_PAGES, migrate(fx, block));
		block->fails = 3;
		block->fail_to_ram = errs[i];
		check_all(fx, 1);
		KUNIT_EXPECT_EQ(test, 0, block->fails);
	}
	KUNIT_ASSERT_EQ(test, NR_PAGES, migrate(fx, block));
	block->fails = 3;
	block->fail_to_ram = -EAGAIN;
	KUNIT_EXPECT_EQ(test, 0, drm_pagemap_evict_to_ram(&block->devmem));
	check_all(fx, 1);
	mock_block_put(block);
	mock_block_expect_released(block);
}

/* Out of memory is no SIGBUS. */
static void fault_without_memory(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test);
	struct mock_block *block =
		fill_and_migrate(fx, mock_vram_create(test, "a", NULL), 1);

	fx->fail_alloc = 0;
	fx->fail_rest = true;
	KUNIT_EXPECT_EQ(test, -ENOMEM, fault(fx, 7));
	KUNIT_EXPECT_EQ(test, NR_PAGES, mock_block_nr_out(block));
	block->fail_to_ram = -ENOMEM;
	fx->fail_alloc = -1;
	KUNIT_EXPECT_EQ(test, -ENOMEM, fault(fx, 7));
	KUNIT_EXPECT_EQ(test, NR_PAGES, mock_block_nr_out(block));
	block->fail_to_ram = 0;
	fx->nr_maps = 0;
	fx->fail_map = 0;
	KUNIT_EXPECT_EQ(test, -ENOMEM, fault(fx, 7));
	KUNIT_EXPECT_EQ(test, NR_PAGES, mock_block_nr_out(block));
	fx->fail_map = -1;
	check_all(fx, 1);
	mock_block_put(block);
	mock_block_expect_released(block);
}

/* Allocation k fails: the page of the fault comes first, the others may stay. */
static void fail_each_alloc_of_fault(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test);
	struct mock_vram *vram = mock_vram_create(test, "a", NULL);
	struct mock_block *block = mock_block_create(vram, 0, NR_PAGES, NULL);
	int k;

	write_all(fx, 1);
	for (k = 1; k < NR_PAGES; k++) {
		KUNIT_ASSERT_EQ(test, NR_PAGES, migrate(fx, block));
		fx->nr_allocs = 0;
		fx->fail_alloc = k;
		fx->fail_rest = true;
		KUNIT_EXPECT_EQ(test, 0, fault(fx, NR_PAGES / 2));
		KUNIT_EXPECT_EQ(test, NR_PAGES - k, mock_block_nr_out(block));
		fx->fail_alloc = -1;
		check_all(fx, 1);
	}
	mock_block_put(block);
	mock_block_expect_released(block);
}

static void no_memory_for_a_batch(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test);
	struct mock_block *block =
		fill_and_migrate(fx, mock_vram_create(test, "a", NULL), 1);

	kunit_activate_static_stub(test, drm_pagemap_alloc_batch, stub_no_batch);
	KUNIT_EXPECT_EQ(test, 0, fault(fx, 7));
	KUNIT_EXPECT_EQ(test, NR_PAGES - 1, mock_block_nr_out(block));
	KUNIT_EXPECT_EQ(test, 0, drm_pagemap_evict_to_ram(&block->devmem));
	KUNIT_EXPECT_EQ(test, -ENOMEM, migrate(fx, block));
	check_all(fx, 1);
	mock_block_put(block);
	mock_block_expect_released(block);
}

static void fail_each_step_of_eviction(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test);
	struct mock_vram *vram = mock_vram_create(test, "a", NULL);
	struct mock_block *block = mock_block_create(vram, 0, NR_PAGES, NULL);
	int k;

	write_all(fx, 1);
	for (k = 0; k < 2 * NR_PAGES; k += 3) {
		int *which = k & 1 ? &fx->fail_map : &fx->fail_alloc;

		KUNIT_ASSERT_EQ(test, NR_PAGES, migrate(fx, block));
		fx->nr_maps = 0;
		fx->nr_allocs = 0;
		*which = k / 2;
		/* once: the next pass gets the rest */
		KUNIT_EXPECT_EQ(test, 0, drm_pagemap_evict_to_ram(&block->devmem));
		*which = -1;
		KUNIT_EXPECT_EQ(test, 0, fx->mapped);
		check_all(fx, 1);
	}
	/* for ever */
	KUNIT_ASSERT_EQ(test, NR_PAGES, migrate(fx, block));
	fx->nr_allocs = 0;
	fx->fail_alloc = 5;
	fx->fail_rest = true;
	KUNIT_EXPECT_EQ(test, -ENOMEM, drm_pagemap_evict_to_ram(&block->devmem));
	KUNIT_EXPECT_EQ(test, NR_PAGES - 5, mock_block_nr_out(block));
	fx->fail_alloc = -1;
	check_all(fx, 1);
	mock_block_put(block);
	mock_block_expect_released(block);
}

/*
 * Time: fences and slices
 */

static const char *fence_name(struct dma_fence *fence)
{
	return "pagemap-test";
}

static const struct dma_fence_ops fence_ops = {
	.get_driver_name = fence_name,
	.get_timeline_name = fence_name,
};

static DEFINE_SPINLOCK(fence_lock);

static struct dma_fence *fence_create(struct kunit *test)
{
	struct dma_fence *fence = kzalloc(sizeof(*fence), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, fence);
	dma_fence_init(fence, &fence_ops, &fence_lock, 1, 1);
	return fence;
}

/* Somebody else's work in the block, which ends after a while */
static int late_clear(void *arg)
{
	struct mock_fixture *fx = mock_current();
	struct mock_block *block = arg;
	unsigned long i;

	msleep(100);
	for (i = 0; i < fx->npages; i++)
		mock_noise(block->vram->backing[block->first + i]);
	dma_fence_signal(block->devmem.fence);
	return 0;
}

static void waits_for_first_use(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test);
	struct dma_fence *fence = fence_create(test);
	struct mock_vram *vram = mock_vram_create(test, "a", NULL);
	struct mock_block *block = mock_block_create(vram, 0, NR_PAGES, fence);
	struct mock_task *clear;

	write_all(fx, 1);
	clear = mock_task_start(fx, false, late_clear, block);
	KUNIT_EXPECT_EQ(test, NR_PAGES, migrate(fx, block));
	KUNIT_EXPECT_TRUE(test, dma_fence_is_signaled(fence));
	mock_task_join(clear);
	dma_fence_put(fence);
	check_all(fx, 1);
	mock_block_put(block);
	mock_block_expect_released(block);
}

static void failed_fence_is_an_error(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test);
	struct dma_fence *fence = fence_create(test);
	struct mock_vram *vram = mock_vram_create(test, "a", NULL);
	struct mock_block *block = mock_block_create(vram, 0, NR_PAGES, fence);

	write_all(fx, 1);
	dma_fence_set_error(fence, -EIO);
	dma_fence_signal(fence);
	dma_fence_put(fence);
	KUNIT_EXPECT_EQ(test, -EIO, migrate(fx, block));
	check_all(fx, 1);
	mock_block_put(block);
	mock_block_expect_released(block);
}

static void fault_waits_for_timeslice(struct kunit *test)
{
	struct drm_pagemap_migrate_details d = { .timeslice_ms = 200 };
	struct mock_fixture *fx = fixture(test);
	struct mock_vram *vram = mock_vram_create(test, "a", NULL);
	struct mock_block *block = mock_block_create(vram, 0, NR_PAGES, NULL);
	u64 before = get_jiffies_64();

	write_all(fx, 1);
	KUNIT_EXPECT_EQ(test, NR_PAGES,
			mock_migrate_range(fx, block, 0, NR_PAGES, d));
	check_all(fx, 1);
	KUNIT_EXPECT_GE(test, get_jiffies_64() - before, msecs_to_jiffies(200));
	/* one copy there, one back: it did not spin */
	KUNIT_EXPECT_EQ(test, 2, atomic_read(&block->copies));

	/* a slice that is too long is not waited for, and eviction waits for none */
	d.timeslice_ms = 1000 * 1000;
	KUNIT_EXPECT_EQ(test, NR_PAGES,
			mock_migrate_range(fx, block, 0, NR_PAGES, d));
	before = get_jiffies_64();
	KUNIT_EXPECT_EQ(test, 0, drm_pagemap_evict_to_ram(&block->devmem));
	KUNIT_EXPECT_LT(test, get_jiffies_64() - before, HZ / 2);
	KUNIT_EXPECT_EQ(test, NR_PAGES,
			mock_migrate_range(fx, block, 0, NR_PAGES, d));
	before = get_jiffies_64();
	check_all(fx, 1);
	KUNIT_EXPECT_LT(test, get_jiffies_64() - before, 20 * HZ);
	mock_block_put(block);
	mock_block_expect_released(block);
}

/*
 * Teardown
 */

static void unplug_keeps_new_pages_out(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test);
	struct mock_vram *vram = mock_vram_create(test, "a", NULL);
	struct mock_block *block = fill_and_migrate(fx, vram, 1);

	drm_dev_unplug(&vram->drm);
	KUNIT_EXPECT_EQ(test, -ENODEV, migrate(fx, block));
	KUNIT_EXPECT_EQ(test, 0, drm_pagemap_evict_all(&vram->dpagemap));
	KUNIT_EXPECT_EQ(test, 0, mock_block_nr_out(block));
	check_all(fx, 1);
	mock_block_put(block);
	mock_block_expect_released(block);
}

static void pages_keep_the_pagemap(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test);
	struct mock_vram *vram = mock_vram_create(test, "a", NULL);
	struct mock_block *block = fill_and_migrate(fx, vram, 1);

	mock_block_put(block);
	kunit_remove_action(test, mock_vram_fini, vram);
	drm_pagemap_put(&vram->dpagemap); /* the driver has gone */
	KUNIT_EXPECT_FALSE(test, completion_done(&vram->destroyed));
	check_all(fx, 1);
	mock_block_expect_released(block);
	KUNIT_EXPECT_NE(test, 0,
			wait_for_completion_timeout(&vram->destroyed,
						    MOCK_HANG));
}

/*
 * All at once
 */

/* A busy reference: faults, migration and eviction must leave the page alone. */
static int drop_late(void *arg)
{
	msleep(100);
	put_page(arg);
	return 0;
}

static void foreign_reference_delays_fault(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test);
	struct mock_vram *vram = mock_vram_create(test, "a", NULL);
	struct mock_block *block = fill_and_migrate(fx, vram, 1);
	struct page *page = pfn_to_page(PHYS_PFN(vram->pgmap.range.start) + 4);
	struct mock_task *w;

	get_page(page);
	w = mock_task_start(fx, false, drop_late, page);
	check_all(fx, 1);
	mock_task_join(w);
	KUNIT_EXPECT_EQ(test, 0, mock_block_nr_out(block));
	/* it slept: far fewer tries than a CPU can do in that time */
	KUNIT_EXPECT_LT(test, atomic_read(&block->copies), 2 * HZ);
	mock_block_put(block);
	mock_block_expect_released(block);
}

/* Each writer has a word of its own in each page. */
static int storm_writer(void *arg)
{
	struct mock_fixture *fx = mock_current();
	unsigned long slot = (unsigned long)arg, i;
	struct rnd_state rnd;
	u32 mine[NR_PAGES] = {}, val;

	prandom_seed_state(&rnd, slot + 1);
	while (time_before(jiffies, fx->end)) {
		u32 __user *p;

		i = prandom_u32_state(&rnd) % fx->npages;
		p = (u32 __user *)mock_addr(fx, i) + slot;
		if (get_user(val, p))
			return -EFAULT;
		if (val != mine[i])
			return -EILSEQ;
		if (put_user(++mine[i], p))
			return -EFAULT;
		cond_resched();
	}
	for (i = 0; i < fx->npages; i++) {
		if (get_user(val, (u32 __user *)mock_addr(fx, i) + slot))
			return -EFAULT;
		if (val != mine[i])
			return -EILSEQ;
	}

	return 0;
}

static int storm_migrate(void *arg)
{
	struct mock_fixture *fx = mock_current();
	struct mock_block *block = fx->priv;
	struct rnd_state rnd;
	long ret;

	prandom_seed_state(&rnd, 17);
	while (time_before(jiffies, fx->end)) {
		unsigned long first = prandom_u32_state(&rnd) % fx->npages;
		unsigned long n = 1 + prandom_u32_state(&rnd) %
				      (fx->npages - first);

		ret = mock_migrate_range(fx, block, first, first + n,
					 (struct drm_pagemap_migrate_details) {
						 .first = first });
		if (ret < 0)
			return ret;
		cond_resched();
	}

	return 0;
}

static int storm_evict(void *arg)
{
	struct mock_fixture *fx = mock_current();
	struct mock_block *block = fx->priv;
	int err;

	while (time_before(jiffies, fx->end)) {
		err = drm_pagemap_evict_to_ram(&block->devmem);
		if (err && err != -EBUSY)
			return err;
		msleep(1 + get_random_u32_below(8));
	}

	return 0;
}

static void storm(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test);
	struct mock_vram *vram = mock_vram_create(test, "a", NULL);
	struct mock_block *block = mock_block_create(vram, 0, NR_PAGES, NULL);
	unsigned int i;

	fx->priv = block;
	fx->end = jiffies + 5 * HZ;
	mock_task_start(fx, true, storm_writer, (void *)0);
	mock_task_start(fx, true, storm_writer, (void *)1);
	mock_task_start(fx, true, storm_writer, (void *)2);
	mock_task_start(fx, true, storm_migrate, NULL);
	mock_task_start(fx, false, storm_evict, NULL);
	for (i = 0; i < fx->nr_tasks; i++)
		KUNIT_EXPECT_EQ_MSG(test, 0, mock_task_join(&fx->tasks[i]),
				    "worker %u", i);
	kunit_info(test, "%d copies of %d pages", atomic_read(&block->copies),
		   atomic_read(&block->copied));
	KUNIT_EXPECT_EQ(test, 0, drm_pagemap_evict_to_ram(&block->devmem));
	mock_block_put(block);
	mock_block_expect_released(block);
}

/*
 * What else has broken elsewhere
 */

/* The driver's reference is its own, whatever becomes of the pages. */
static void block_stays_while_it_is_held(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test);
	struct mock_block *block = fill_and_migrate(fx, mock_vram_create(test, "a", NULL), 1);

	check_all(fx, 1);
	KUNIT_EXPECT_EQ(test, 0, mock_block_nr_out(block));
	block->fail_to_devmem = -EIO;
	KUNIT_EXPECT_EQ(test, -EIO, migrate(fx, block));
	KUNIT_EXPECT_EQ(test, 0,
			wait_for_completion_timeout(&block->released, HZ / 5));
	mock_block_put(block);
	mock_block_expect_released(block);
}

/* As many pages, also where a huge page could not be mapped at once. */
static void unmaps_as_much_as_it_maps(struct kunit *test)
{
	struct mock_fixture *fx = fixture_sized(test, PMD_SIZE / PAGE_SIZE);
	struct mock_block *block = mock_block_create(mock_vram_create(test, "a", NULL), 0,
					   fx->npages, NULL);

	if (!IS_ENABLED(CONFIG_TRANSPARENT_HUGEPAGE))
		kunit_skip(test, "no huge pages");
	KUNIT_ASSERT_EQ(test, 0, do_madvise(current->mm, fx->addr, PMD_SIZE,
					    MADV_HUGEPAGE));
	write_all(fx, 1);
	fx->fail_map = 0;
	KUNIT_EXPECT_EQ(test, fx->npages, migrate(fx, block));
	/* The first page, then what is left of the other half, and so on */
	KUNIT_EXPECT_EQ(test, 1 + ilog2(fx->npages), atomic_read(&block->runs));
	mock_expect_mapped(fx, 0);
	check_all(fx, 1);
	mock_block_put(block);
	mock_block_expect_released(block);
}

static int storm_pull(void *arg)
{
	struct mock_fixture *fx = mock_current();
	long ret;

	while (time_before(jiffies, fx->end)) {
		ret = migrate(fx, arg);
		if (ret < 0)
			return ret;
		cond_resched();
	}

	return 0;
}

/* Two devices want all of it, all the time, and so do the CPUs. */
static void storm_between_devices(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test);
	struct mock_block *block[2];
	unsigned int i;

	block[0] = mock_block_create(mock_vram_create(test, "a", test), 0, NR_PAGES, NULL);
	block[1] = mock_block_create(mock_vram_create(test, "b", test), 0, NR_PAGES, NULL);
	fx->end = jiffies + 3 * HZ;
	for (i = 0; i < 2; i++) {
		mock_task_start(fx, true, storm_pull, block[i]);
		mock_task_start(fx, true, storm_writer,
				(void *)(unsigned long)i);
	}
	for (i = 0; i < fx->nr_tasks; i++)
		KUNIT_EXPECT_EQ_MSG(test, 0, mock_task_join(&fx->tasks[i]),
				    "worker %u", i);
	for (i = 0; i < 2; i++) {
		KUNIT_EXPECT_GT(test, atomic_read(&block[i]->copied), 0);
		KUNIT_EXPECT_EQ(test, 0,
				drm_pagemap_evict_to_ram(&block[i]->devmem));
		mock_block_put(block[i]);
		mock_block_expect_released(block[i]);
	}
}

/* A splat fails no test, and turns lockdep off for all that come after it. */
static void lockdep_is_still_on(struct kunit *test)
{
	if (!IS_ENABLED(CONFIG_PROVE_LOCKING))
		kunit_skip(test, "needs CONFIG_PROVE_LOCKING");
	KUNIT_EXPECT_TRUE(test, debug_locks);
}

/*
 * At the borders
 */

static long vram_populate_mm(struct drm_pagemap *dpagemap, unsigned long start,
			     unsigned long end, struct mm_struct *mm,
			     unsigned long timeslice_ms)
{
	const struct drm_pagemap_migrate_details d = {
		.timeslice_ms = timeslice_ms,
	};
	struct mock_block *block = mock_current()->priv;

	return drm_pagemap_migrate_to_devmem(&block->devmem, mm,
					     start, end, &d);
}

static void populates_for_a_process(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test);
	struct mock_vram *vram = mock_vram_create(test, "a", NULL);
	struct drm_pagemap *dpagemap = &vram->dpagemap;
	const struct drm_pagemap_ops *ops = dpagemap->ops;
	struct drm_pagemap_ops populating_ops = *ops;
	struct mm_struct *dead = mm_alloc();
	struct mock_block *block;

	KUNIT_ASSERT_NOT_NULL(test, dead);
	mmgrab(dead);
	mmput(dead);
	block = mock_block_create(vram, 0, NR_PAGES, NULL);
	fx->priv = block;
	populating_ops.populate_mm = vram_populate_mm;
	dpagemap->ops = &populating_ops;
	write_all(fx, 1);
	KUNIT_EXPECT_EQ(test, -ESRCH,
			drm_pagemap_populate_mm(dpagemap, fx->addr,
						mock_addr(fx, NR_PAGES), dead, 0));
	mmdrop(dead);
	KUNIT_EXPECT_EQ(test, NR_PAGES,
			drm_pagemap_populate_mm(dpagemap, fx->addr,
						mock_addr(fx, NR_PAGES), current->mm,
						0));
	dpagemap->ops = ops;
	KUNIT_EXPECT_EQ(test, NR_PAGES, mock_block_nr_out(block));
	check_all(fx, 1);
	mock_block_put(block);
	mock_block_expect_released(block);
}

static void set_io(struct mock_fixture *fx, unsigned long i, bool io)
{
	struct mm_struct *mm = current->mm;

	mmap_write_lock(mm);
	if (io)
		vm_flags_set(vma_lookup(mm, mock_addr(fx, i)), VM_IO);
	else
		vm_flags_clear(vma_lookup(mm, mock_addr(fx, i)), VM_IO);
	mmap_write_unlock(mm);
}

static void vma_that_cannot_migrate(struct kunit *test)
{
	struct drm_pagemap_migrate_details d = {};
	struct mock_fixture *fx = fixture(test);
	struct mock_block *block = mock_block_create(mock_vram_create(test, "a", NULL), 0,
					   NR_PAGES, NULL);

	write_all(fx, 1);
	KUNIT_ASSERT_EQ(test, mock_addr(fx, 8),
			vm_mmap(NULL, mock_addr(fx, 8), 4 * PAGE_SIZE, PROT_READ,
				MAP_ANONYMOUS | MAP_PRIVATE | MAP_FIXED, 0));
	set_io(fx, 8, true);
	KUNIT_EXPECT_EQ(test, -EINVAL, mock_migrate_range(fx, block, 8, 12, d));
	KUNIT_EXPECT_EQ(test, NR_PAGES - 4, migrate(fx, block));
	set_io(fx, 8, false);
	check_range(fx, 0, 8, 1);
	check_range(fx, 12, NR_PAGES, 1);
	mock_block_put(block);
	mock_block_expect_released(block);
}

/* Who may not drop the lock waits with it, who may not wait gets no page. */
static void timeslice_of_impatient_faults(struct kunit *test)
{
	struct drm_pagemap_migrate_details d = { .timeslice_ms = 200 };
	struct mock_fixture *fx = fixture(test);
	struct mock_block *block = mock_block_create(mock_vram_create(test, "a", NULL), 0,
					   NR_PAGES, NULL);
	struct mm_struct *mm = current->mm;
	u64 before = get_jiffies_64();
	struct page *page;

	write_all(fx, 1);
	KUNIT_EXPECT_EQ(test, NR_PAGES, mock_migrate_range(fx, block, 0, NR_PAGES, d));
	mmap_read_lock(mm);
	KUNIT_EXPECT_EQ(test, 0, fixup_user_fault(mm, mock_addr(fx, 3), 0, NULL));
	mmap_read_unlock(mm);
	KUNIT_EXPECT_GE(test, get_jiffies_64() - before, msecs_to_jiffies(200));
	KUNIT_EXPECT_EQ(test, 0, mock_block_nr_out(block));

	d.timeslice_ms = DRM_PAGEMAP_MAX_TIMESLICE_MS;
	KUNIT_EXPECT_EQ(test, NR_PAGES, mock_migrate_range(fx, block, 0, NR_PAGES, d));
	mmap_read_lock(mm);
	KUNIT_EXPECT_EQ(test, 0,
			get_user_pages(mock_addr(fx, 3), 1, FOLL_NOWAIT, &page));
	mmap_read_unlock(mm);
	KUNIT_EXPECT_EQ(test, NR_PAGES, mock_block_nr_out(block));
	check_all(fx, 1);
	mock_block_put(block);
	mock_block_expect_released(block);
}

/* With the kernel's own DMA mappings and pages */
static void moves_without_stubs(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test);
	struct mock_block *block;

	kunit_deactivate_static_stub(test, drm_pagemap_dma_map);
	kunit_deactivate_static_stub(test, drm_pagemap_dma_unmap);
	kunit_deactivate_static_stub(test, drm_pagemap_alloc_ram);
	block = fill_and_migrate(fx, mock_vram_create(test, "a", NULL), 1);
	check_all(fx, 1);
	KUNIT_EXPECT_EQ(test, NR_PAGES, migrate(fx, block));
	KUNIT_EXPECT_EQ(test, 0, drm_pagemap_evict_to_ram(&block->devmem));
	check_all(fx, 1);
	mock_block_put(block);
	mock_block_expect_released(block);
}

static struct kunit_case pagemap_cases[] = {
	KUNIT_CASE(moves_there_and_back),
	KUNIT_CASE(moves_more_than_a_batch),
	KUNIT_CASE(write_fault_brings_back),
	KUNIT_CASE(holes_become_zeros),
	KUNIT_CASE(holes_stay_if_asked),
	KUNIT_CASE(pinned_page_stays_alone),
	KUNIT_CASE(used_place_is_not_taken),
	KUNIT_CASE(part_of_range_and_block),
	KUNIT_CASE(bad_arguments),
	KUNIT_CASE(gap_between_vmas),
	KUNIT_CASE(contiguous_pages_are_one_copy),
	KUNIT_CASE(munmap_frees),
	KUNIT_CASE(fault_takes_one_block),
	KUNIT_CASE(pin_brings_back),
	KUNIT_CASE(pages_out_at_exit),
	KUNIT_CASE(forked_child_reads),
	KUNIT_CASE(moves_between_devices),
	KUNIT_CASE(unreachable_device_keeps),
	KUNIT_CASE(strange_device_keeps),
	KUNIT_CASE(page_knows_its_pagemap),
	KUNIT_CASE(debugfs_shows_blocks),
	KUNIT_CASE(evicts_without_mm),
	KUNIT_CASE(evicts_scattered),
	KUNIT_CASE(evicts_what_munmap_left),
	KUNIT_CASE(munmap_while_evicting),
	KUNIT_CASE(evicts_all_blocks),
	KUNIT_CASE_SLOW(moved_page_is_not_evicted),
	KUNIT_CASE(fail_pfns),
	KUNIT_CASE(fail_copy_to_devmem),
	KUNIT_CASE(fail_each_map_to_devmem),
	KUNIT_CASE(fail_copy_to_ram),
	KUNIT_CASE(busy_copy_is_tried_again),
	KUNIT_CASE(fault_without_memory),
	KUNIT_CASE(fail_each_alloc_of_fault),
	KUNIT_CASE(no_memory_for_a_batch),
	KUNIT_CASE_SLOW(fail_each_step_of_eviction),
	KUNIT_CASE(waits_for_first_use),
	KUNIT_CASE(failed_fence_is_an_error),
	KUNIT_CASE(fault_waits_for_timeslice),
	KUNIT_CASE(unplug_keeps_new_pages_out),
	KUNIT_CASE(pages_keep_the_pagemap),
	KUNIT_CASE(foreign_reference_delays_fault),
	KUNIT_CASE_SLOW(storm),
	KUNIT_CASE(block_stays_while_it_is_held),
	KUNIT_CASE(unmaps_as_much_as_it_maps),
	KUNIT_CASE_SLOW(storm_between_devices),
	KUNIT_CASE(populates_for_a_process),
	KUNIT_CASE(vma_that_cannot_migrate),
	KUNIT_CASE(timeslice_of_impatient_faults),
	KUNIT_CASE(moves_without_stubs),
	KUNIT_CASE(lockdep_is_still_on),
	{}
};

static struct kunit_suite pagemap_suite = {
	.name = "drm_pagemap",
	.init = pagemap_test_init,
	.test_cases = pagemap_cases,
};

kunit_test_suite(pagemap_suite);

MODULE_DESCRIPTION("KUnit tests for drm_pagemap");
MODULE_LICENSE("Dual MIT/GPL");
MODULE_IMPORT_NS(EXPORTED_FOR_KUNIT_TESTING);
