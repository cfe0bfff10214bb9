// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * KUnit tests for DRM GPU SVM, on real address spaces.
 *
 * The GPUs are mocks, see drm_svm_mock.c.
 */

#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/cleanup.h>
#include <linux/completion.h>
#include <linux/dcache.h>
#include <linux/debugfs.h>
#include <linux/debug_locks.h>
#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/prandom.h>
#include <linux/random.h>

#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/wait.h>

#include <drm/drm_device.h>
#include <drm/drm_gpusvm.h>
#include <drm/drm_gpusvm_userptr.h>
#include <drm/drm_print.h>

#include "../drm_gpusvm_internal.h"
#include "drm_svm_mock.h"

#define NR_PAGES	128
#define WINDOW_PAGES	32
#define WINDOW_SIZE	(WINDOW_PAGES * PAGE_SIZE)
#define POOL		8
MODULE_IMPORT_NS(EXPORTED_FOR_KUNIT_TESTING);

static const unsigned long chunk_sizes[] = {
	16 * PAGE_SIZE, 4 * PAGE_SIZE, PAGE_SIZE,
};

/*
 * The address space
 */

static int cpu_write(struct mock_fixture *fx, unsigned int page, char c)
{
	return put_user(c, (char __user *)mock_addr(fx, page));
}

static int cpu_read(struct mock_fixture *fx, unsigned int page)
{
	char c;

	if (get_user(c, (char __user *)mock_addr(fx, page)))
		return -EFAULT;
	return c;
}

static int fill(struct mock_fixture *fx, unsigned int page, unsigned int nr)
{
	for (; nr; nr--, page++)
		if (cpu_write(fx, page, page))
			return -EFAULT;
	return 0;
}

/* A task that does something to @nr pages from @page on */
struct worker {
	int (*fn)(struct mock_fixture *fx, unsigned long page,
		  unsigned long nr);
	unsigned long page;
	unsigned long nr;
};

static int worker_main(void *arg)
{
	const struct worker *worker = arg;

	return worker->fn(mock_current(), worker->page, worker->nr);
}

static struct mock_task *worker_start(struct mock_fixture *fx,
				      int (*fn)(struct mock_fixture *fx,
						unsigned long page,
						unsigned long nr),
				      unsigned long page, unsigned long nr)
{
	struct worker *worker =
		kunit_kzalloc(fx->test, sizeof(*worker), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(fx->test, worker);
	*worker = (struct worker) { .fn = fn, .page = page, .nr = nr };
	return mock_task_start(fx, true, worker_main, worker);
}

static void join(struct mock_task *task)
{
	KUNIT_EXPECT_EQ(task->test, 0, mock_task_join(task));
}

static void expect_range(struct mock_gpu *gpu, unsigned int page,
			 unsigned int first, unsigned int nr)
{
	struct kunit *test = gpu->fx->test;
	struct drm_gpusvm_range *range = mock_gpu_range(gpu, page);

	KUNIT_ASSERT_NOT_NULL_MSG(test, range, "no range has page %u", page);
	KUNIT_EXPECT_EQ(test, mock_range_page(gpu->fx, range), first);
	KUNIT_EXPECT_EQ(test, mock_range_npages(range), nr);
}

/*
 * The fixture
 */

/* NR_PAGES of memory, present, and @nr GPUs. */
static struct mock_fixture *fixture(struct kunit *test, unsigned int nr)
{
	struct mock_fixture *fx = mock_fixture_create(test);

	KUNIT_ASSERT_NOT_NULL(test, fx);
	fx->chunk_sizes = chunk_sizes;
	fx->num_chunks = ARRAY_SIZE(chunk_sizes);
	fx->window_size = WINDOW_SIZE;
	mock_fixture_map(fx, NR_PAGES);
	KUNIT_ASSERT_EQ(test, 0, fill(fx, 0, NR_PAGES));
	while (nr--)
		mock_gpu_add(fx, NULL);
	return fx;
}

/* All pages of @gpu in [@page, @page + @nr) are those of the CPU. */
static void expect_same(struct mock_gpu *gpu, unsigned int page,
			unsigned int nr)
{
	struct kunit *test = gpu->fx->test;
	char *ptr;

	for (; nr; nr--, page++) {
		ptr = mock_gpu_ptr(gpu, page);
		KUNIT_ASSERT_NOT_NULL_MSG(test, ptr, "page %u", page);
		KUNIT_EXPECT_EQ(test, *ptr, cpu_read(gpu->fx, page));
		*ptr += 1;
		KUNIT_EXPECT_EQ(test, *ptr, cpu_read(gpu->fx, page));
	}
}

/*
 * Interval arithmetic
 */

struct split_case {
	const char *name;
	struct drm_gpusvm_interval hole;
	unsigned int nr;
	struct drm_gpusvm_interval pieces[2];
};

static const struct split_case split_cases[] = {
	{ "nothing", { 0, 0 }, 1, { { 10, 20 } } },
	{ "before", { 5, 10 }, 1, { { 10, 20 } } },
	{ "behind", { 20, 25 }, 1, { { 10, 20 } } },
	{ "all", { 10, 20 }, 0 },
	{ "more than all", { 9, 21 }, 0 },
	{ "head", { 5, 12 }, 1, { { 12, 20 } } },
	{ "tail", { 18, 25 }, 1, { { 10, 18 } } },
	{ "middle", { 12, 18 }, 2, { { 10, 12 }, { 18, 20 } } },
	{ "first", { 10, 11 }, 1, { { 11, 20 } } },
	{ "last", { 19, 20 }, 1, { { 10, 19 } } },
};

KUNIT_ARRAY_PARAM_DESC(split, split_cases, name);

static void interval_without(struct kunit *test)
{
	const struct split_case *c = test->param_value;
	struct drm_gpusvm_interval pieces[2] = {};
	unsigned int i;

	KUNIT_EXPECT_EQ(test, c->nr,
			drm_gpusvm_interval_without(drm_gpusvm_interval(10, 20),
						    c->hole, pieces));
	for (i = 0; i < c->nr; i++) {
		KUNIT_EXPECT_EQ(test, pieces[i].start, c->pieces[i].start);
		KUNIT_EXPECT_EQ(test, pieces[i].end, c->pieces[i].end);
	}
}

static void interval_order(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, 9, drm_gpusvm_interval_order(512, 1024, 512, 9));
	KUNIT_EXPECT_EQ(test, 9, drm_gpusvm_interval_order(512, 1024, 1024, 9));
	/* Bounded by the run, the two alignments, and the maximum */
	KUNIT_EXPECT_EQ(test, 8, drm_gpusvm_interval_order(512, 1024, 511, 9));
	KUNIT_EXPECT_EQ(test, 2, drm_gpusvm_interval_order(516, 1024, 512, 9));
	KUNIT_EXPECT_EQ(test, 3, drm_gpusvm_interval_order(512, 1032, 512, 9));
	KUNIT_EXPECT_EQ(test, 4, drm_gpusvm_interval_order(512, 1024, 512, 4));
	KUNIT_EXPECT_EQ(test, 0, drm_gpusvm_interval_order(513, 1024, 512, 9));
	KUNIT_EXPECT_EQ(test, 0, drm_gpusvm_interval_order(0, 0, 1, 9));
}

static void interval_top(struct kunit *test)
{
	struct drm_gpusvm_interval iv = { ULONG_MAX - 4095, ULONG_MAX };

	/* There is no end of a chunk that ends with the last address */
	iv = drm_gpusvm_interval_align(iv, 0x10000);
	KUNIT_EXPECT_TRUE(test, drm_gpusvm_interval_empty(iv));
	iv = drm_gpusvm_interval_chunk(ULONG_MAX - 1, chunk_sizes, 3,
				       drm_gpusvm_interval(0, ULONG_MAX));
	KUNIT_EXPECT_TRUE(test, drm_gpusvm_interval_empty(iv));
}

/*
 * Making ranges
 */

static const unsigned long ascending[] = { PAGE_SIZE, 4 * PAGE_SIZE };
static const unsigned long no_page[] = { 16 * PAGE_SIZE };

static const struct drm_gpusvm_ops no_range_free = {
	.range_alloc = mock_gpu_range_alloc,
	.invalidate_start = mock_gpu_invalidate_start,
	.invalidate_finish = mock_gpu_invalidate_finish,
};

static const struct drm_gpusvm_ops no_finish = {
	.invalidate_start = mock_gpu_invalidate_start,
};

static const struct bad_init {
	const char *name;
	bool no_mm;
	unsigned long start, size, window;
	const struct drm_gpusvm_ops *ops;
	const unsigned long *sizes;
	unsigned int nr;
} bad_inits[] = {
	{ "no ops", false, 0, SZ_1M, WINDOW_SIZE, NULL, chunk_sizes, 3 },
	{ "nothing shared", false, 0, 0, WINDOW_SIZE, &mock_gpu_ops,
	  chunk_sizes, 3 },
	{ "start not aligned", false, 1, SZ_1M, WINDOW_SIZE, &mock_gpu_ops,
	  chunk_sizes, 3 },
	{ "end wraps", false, PAGE_SIZE, -PAGE_SIZE, WINDOW_SIZE, &mock_gpu_ops,
	  chunk_sizes, 3 },
	{ "window no power of two", false, 0, SZ_1M, 3 * PAGE_SIZE,
	  &mock_gpu_ops, chunk_sizes, 3 },
	{ "window smaller than a chunk", false, 0, SZ_1M, PAGE_SIZE,
	  &mock_gpu_ops, chunk_sizes, 3 },
	{ "no chunks", false, 0, SZ_1M, WINDOW_SIZE, &mock_gpu_ops, chunk_sizes,
	  0 },
	{ "ascending chunks", false, 0, SZ_1M, WINDOW_SIZE, &mock_gpu_ops,
	  ascending, 2 },
	{ "no chunk of a page", false, 0, SZ_1M, WINDOW_SIZE, &mock_gpu_ops,
	  no_page, 1 },
	{ "no mm", true, 0, SZ_1M, WINDOW_SIZE, &mock_gpu_ops, chunk_sizes, 3 },
	{ "half an allocator", false, 0, SZ_1M, WINDOW_SIZE, &no_range_free,
	  chunk_sizes, 3 },
	{ "half an invalidation", false, 0, SZ_1M, WINDOW_SIZE, &no_finish,
	  chunk_sizes, 3 },
};

KUNIT_ARRAY_PARAM_DESC(bad_init, bad_inits, name);

static void init_rejects(struct kunit *test)
{
	const struct bad_init *c = test->param_value;
	struct mock_fixture *fx = fixture(test, 0);
	struct mock_gpu *gpu = kunit_kzalloc(test, sizeof(*gpu), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, gpu);
	/* Before it has begun, and after it has not */
	drm_gpusvm_fini(&gpu->svm);
	KUNIT_EXPECT_EQ(test, -EINVAL,
			drm_gpusvm_init(&gpu->svm, "bad", &gpu->no_drm,
					c->no_mm ? NULL : fx->mm, c->start,
					c->size, c->window, c->ops, c->sizes,
					c->nr));
	drm_gpusvm_fini(&gpu->svm);
}

static void fault_takes_the_biggest_chunk(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test, 1);
	struct mock_gpu *gpu = fx->gpus[0];

	KUNIT_EXPECT_EQ(test, 0, mock_gpu_fault(gpu, 21, true));
	expect_range(gpu, 21, 16, 16);
	mock_expect_mapped(fx, 16);
	expect_same(gpu, 16, 16);
	/* Again: nothing to do */
	KUNIT_EXPECT_EQ(test, 0, mock_gpu_fault(gpu, 31, true));
	KUNIT_EXPECT_EQ(test, 1, mock_gpu_nr_ranges(gpu));
	mock_expect_mapped(fx, 16);
}

static void fault_stays_inside_the_vma(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test, 1);
	struct mock_gpu *gpu = fx->gpus[0];

	/* Pages 5 to 27 remain */
	KUNIT_ASSERT_EQ(test, 0, mock_munmap(fx, 0, 5));
	KUNIT_ASSERT_EQ(test, 0, mock_munmap(fx, 28, NR_PAGES - 28));
	KUNIT_EXPECT_EQ(test, -EFAULT, mock_gpu_fault(gpu, 4, true));
	KUNIT_EXPECT_EQ(test, -EFAULT, mock_gpu_fault(gpu, 28, true));
	KUNIT_EXPECT_EQ(test, 0, mock_gpu_nr_ranges(gpu));

	KUNIT_EXPECT_EQ(test, 0, mock_gpu_fault(gpu, 5, true));
	expect_range(gpu, 5, 5, 1);
	KUNIT_EXPECT_EQ(test, 0, mock_gpu_fault(gpu, 10, true));
	expect_range(gpu, 10, 8, 4);
	KUNIT_EXPECT_EQ(test, 0, mock_gpu_fault(gpu, 27, true));
	expect_range(gpu, 27, 24, 4);
}

static void fault_stays_beside_other_ranges(struct kunit *test)
{
	const struct drm_gpusvm_ctx ctx = {};
	struct mock_fixture *fx = fixture(test, 1);
	struct mock_gpu *gpu = fx->gpus[0];
	struct drm_gpusvm_range *range;

	scoped_guard(mutex, &gpu->lock)
		range = drm_gpusvm_range_insert_exact(&gpu->svm,
						      mock_addr(fx, 6),
						      mock_addr(fx, 7), &ctx);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, range);
	KUNIT_EXPECT_EQ(test, 0, mock_gpu_fault(gpu, 0, true));
	expect_range(gpu, 0, 0, 4);
	KUNIT_EXPECT_EQ(test, 0, mock_gpu_fault(gpu, 5, true));
	expect_range(gpu, 5, 5, 1);
	KUNIT_EXPECT_EQ(test, 0, mock_gpu_fault(gpu, 7, true));
	expect_range(gpu, 7, 7, 1);
	KUNIT_EXPECT_EQ(test, 0, mock_gpu_fault(gpu, 9, true));
	expect_range(gpu, 9, 8, 4);
	KUNIT_EXPECT_EQ(test, 0, mock_gpu_fault(gpu, 6, true));
	expect_range(gpu, 6, 6, 1);
	mock_expect_mapped(fx, 11);
}

static void fault_outside(struct kunit *test)
{
	const struct drm_gpusvm_ctx ctx = {};
	struct mock_fixture *fx = fixture(test, 1);
	struct mock_gpu *gpu = fx->gpus[0];
	unsigned long end = mock_addr(fx, NR_PAGES);

#define INSERT(addr, from, to)						\
	PTR_ERR_OR_ZERO(drm_gpusvm_range_find_or_insert(&gpu->svm, addr,	\
							from, to, &ctx))
	guard(mutex)(&gpu->lock);
	KUNIT_EXPECT_EQ(test, -EINVAL, INSERT(end, 0, ULONG_MAX));
	KUNIT_EXPECT_EQ(test, -EINVAL, INSERT(fx->addr - 1, 0, ULONG_MAX));
	KUNIT_EXPECT_EQ(test, -EINVAL,
			INSERT(fx->addr, fx->addr + PAGE_SIZE, end));
	KUNIT_EXPECT_EQ(test, 0, INSERT(end - 1, end - PAGE_SIZE, end));
	KUNIT_EXPECT_EQ(test, 0, INSERT(fx->addr, 0, end));
#undef INSERT
}

static void fault_without_permission(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test, 1);
	struct mock_gpu *gpu = fx->gpus[0];

	KUNIT_ASSERT_EQ(test, 0, mock_mprotect(fx, 0, 16, PROT_READ));
	KUNIT_ASSERT_EQ(test, 0, mock_mprotect(fx, 16, 16, PROT_NONE));
	KUNIT_EXPECT_EQ(test, -EPERM, mock_gpu_fault(gpu, 0, true));
	KUNIT_EXPECT_EQ(test, -EPERM, mock_gpu_fault(gpu, 16, true));
	KUNIT_EXPECT_EQ(test, -EPERM, mock_gpu_fault(gpu, 16, false));
	KUNIT_EXPECT_EQ(test, 0, mock_gpu_nr_ranges(gpu));
	KUNIT_EXPECT_EQ(test, 0, mock_gpu_fault(gpu, 0, false));
	mock_expect_mapped(fx, 16);
	KUNIT_EXPECT_EQ(test, 0, fx->writable);
}

static void write_after_read(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test, 1);
	struct mock_gpu *gpu = fx->gpus[0];

	KUNIT_EXPECT_EQ(test, 0, mock_gpu_fault(gpu, 0, false));
	KUNIT_EXPECT_EQ(test, 0, fx->writable);
	KUNIT_EXPECT_EQ(test, 0, mock_gpu_fault(gpu, 0, true));
	KUNIT_EXPECT_EQ(test, 16, fx->writable);
	mock_expect_mapped(fx, 16);
	/* The other way round there is nothing to do */
	KUNIT_EXPECT_EQ(test, 0, mock_gpu_fault(gpu, 0, false));
	KUNIT_EXPECT_EQ(test, 16, fx->writable);
}

static void set_vm_flags(struct mock_fixture *fx, vm_flags_t flags)
{
	struct vm_area_struct *vma;

	mmap_write_lock(fx->mm);
	vma = vma_lookup(fx->mm, fx->addr);
	vm_flags_set(vma, flags);
	mmap_write_unlock(fx->mm);
}

static void clear_vm_flags(struct mock_fixture *fx, vm_flags_t flags)
{
	struct vm_area_struct *vma;

	mmap_write_lock(fx->mm);
	vma = vma_lookup(fx->mm, fx->addr);
	vm_flags_clear(vma, flags);
	mmap_write_unlock(fx->mm);
}

static void device_files_fail_at_once(struct kunit *test)
{
	const struct drm_gpusvm_ctx ctx = {};
	struct mock_fixture *fx = fixture(test, 1);
	struct mock_gpu *gpu = fx->gpus[0];
	struct drm_gpusvm_range *range;

	/* With a range from before */
	scoped_guard(mutex, &gpu->lock)
		range = drm_gpusvm_range_insert_exact(&gpu->svm, fx->addr,
						      mock_addr(fx, 4), &ctx);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, range);
	set_vm_flags(fx, VM_IO);
	KUNIT_EXPECT_EQ(test, -EIO, mock_gpu_fault(gpu, 0, true));
	KUNIT_EXPECT_EQ(test, -EIO, mock_gpu_fault(gpu, 8, true));
	clear_vm_flags(fx, VM_IO);
	set_vm_flags(fx, VM_PFNMAP);
	KUNIT_EXPECT_EQ(test, -EIO, mock_gpu_fault(gpu, 8, false));
	clear_vm_flags(fx, VM_PFNMAP);
	KUNIT_EXPECT_EQ(test, 0, mock_gpu_count(gpu, DRM_GPUSVM_COUNT_RETRY));
	KUNIT_EXPECT_EQ(test, 0, mock_gpu_fault(gpu, 8, true));
}

static void exact_across_windows(struct kunit *test)
{
	const struct drm_gpusvm_ctx ctx = {};
	struct mock_fixture *fx = fixture(test, 1);
	struct mock_gpu *gpu = fx->gpus[0];
	struct drm_gpusvm_range *range;

	/* A normal one beside it, in a window of its own */
	KUNIT_EXPECT_EQ(test, 0, mock_gpu_fault(gpu, 0, true));
	scoped_guard(mutex, &gpu->lock) {
		range = drm_gpusvm_range_insert_exact(&gpu->svm,
						      mock_addr(fx, 17),
						      mock_addr(fx, 99), &ctx);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, range);
		KUNIT_EXPECT_PTR_EQ(test, ERR_PTR(-EEXIST),
				    drm_gpusvm_range_insert_exact(&gpu->svm,
								  mock_addr(fx, 98),
								  mock_addr(fx, 100),
								  &ctx));
		KUNIT_EXPECT_PTR_EQ(test, ERR_PTR(-EINVAL),
				    drm_gpusvm_range_insert_exact(&gpu->svm,
								  mock_addr(fx, 3) + 1,
								  mock_addr(fx, 4),
								  &ctx));
		KUNIT_EXPECT_PTR_EQ(test, ERR_PTR(-EINVAL),
				    drm_gpusvm_range_insert_exact(&gpu->svm,
								  mock_addr(fx, 120),
								  mock_addr(fx, 129),
								  &ctx));
	}
	/* Faults in all of its windows find it, those beside it do not */
	KUNIT_EXPECT_EQ(test, 0, mock_gpu_fault(gpu, 40, true));
	expect_range(gpu, 17, 17, 82);
	expect_range(gpu, 70, 17, 82);
	KUNIT_EXPECT_EQ(test, 0, mock_gpu_fault(gpu, 16, true));
	expect_range(gpu, 16, 16, 1);
	KUNIT_EXPECT_EQ(test, 0, mock_gpu_fault(gpu, 127, true));
	expect_range(gpu, 127, 112, 16);
	expect_same(gpu, 16, 83);
	/* And so does an invalidation, wherever it is */
	KUNIT_EXPECT_EQ(test, 0, mock_dontneed(fx, 98, 1));
	KUNIT_EXPECT_EQ(test, 0, mock_gpu_translations(gpu, 17, 82));
	KUNIT_EXPECT_EQ(test, 33, mock_gpu_translations(gpu, 0, NR_PAGES));
	mock_expect_mapped(fx, 33);
}

static void exact_over_several_vmas(struct kunit *test)
{
	const struct drm_gpusvm_ctx ctx = {}, read = { .read_only = true };
	struct mock_fixture *fx = fixture(test, 1);
	struct mock_gpu *gpu = fx->gpus[0];

	guard(mutex)(&gpu->lock);
#define INSERT(from, to, ctx)						\
	PTR_ERR_OR_ZERO(drm_gpusvm_range_insert_exact(&gpu->svm,		\
						      mock_addr(fx, from),	\
						      mock_addr(fx, to), ctx))
	KUNIT_ASSERT_EQ(test, 0, mock_mprotect(fx, 8, 8, PROT_READ));
	KUNIT_ASSERT_EQ(test, 0, mock_munmap(fx, 60, 1));
	KUNIT_EXPECT_EQ(test, -EPERM, INSERT(0, 24, &ctx));
	KUNIT_EXPECT_EQ(test, 0, INSERT(0, 24, &read));
	KUNIT_EXPECT_EQ(test, -EFAULT, INSERT(50, 70, &ctx));
	KUNIT_EXPECT_EQ(test, -EFAULT, INSERT(50, 61, &ctx));
	KUNIT_EXPECT_EQ(test, -EFAULT, INSERT(60, 70, &ctx));
	KUNIT_EXPECT_EQ(test, 0, INSERT(61, 70, &ctx));
	KUNIT_EXPECT_EQ(test, 0, mock_gpu_fault_locked(gpu, 9, false));
#undef INSERT
	mock_expect_mapped(fx, 24);
}

/*
 * Filling ranges
 */

static void two_devices_from_one_walk(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test, 1);
	struct mock_gpu *gpu = fx->gpus[0];

	fx->two = true;
	KUNIT_EXPECT_EQ(test, 0, mock_gpu_fault(gpu, 0, true));
	mock_expect_mapped(fx, 32);
	KUNIT_EXPECT_EQ(test, 1,
			mock_gpu_count(gpu, DRM_GPUSVM_COUNT_GET_PAGES));
	KUNIT_EXPECT_EQ(test, 0, mock_dontneed(fx, 3, 1));
	mock_expect_mapped(fx, 0);
}

/* Any page that cannot be mapped leaves none mapped, for no device. */
static void failed_mapping_is_undone(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test, 1);
	struct mock_gpu *gpu = fx->gpus[0];
	unsigned int k;
	int err = -ENOMEM;

	fx->two = true;
	for (k = 1; err == -ENOMEM && k <= 33; k++) {
		fx->nr_maps = 0;
		fx->fail_map = k - 1;
		err = mock_gpu_fault(gpu, 0, true);
		if (err)
			mock_expect_mapped(fx, 0);
	}
	/* As many as there are entries, and then it works */
	KUNIT_EXPECT_EQ(test, 0, err);
	KUNIT_EXPECT_GT(test, k, 3);
	KUNIT_EXPECT_EQ(test, k - 2, 2 * mock_gpu_range(gpu, 0)->pages.nr_addr);
	fx->fail_map = -1;
	mock_expect_mapped(fx, 32);
	expect_same(gpu, 0, 16);
}

#ifdef CONFIG_FAULT_INJECTION_DEBUG_FS
/* The variable behind a file of failslab's */
static void *failslab_knob(struct kunit *test, const char *name)
{
	struct dentry *dir = debugfs_lookup("failslab", NULL), *file;
	void *knob;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dir);
	file = debugfs_lookup(name, dir);
	dput(dir);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, file);
	knob = d_inode(file)->i_private;
	dput(file);
	return knob;
}
#endif

/* Whatever allocation fails, an error says so and nothing is left. */
static void failed_allocation_is_undone(struct kunit *test)
{
#ifdef CONFIG_FAULT_INJECTION_DEBUG_FS
	bool *ignore = failslab_knob(test, "ignore-gfp-wait");
	unsigned long *verbose = failslab_knob(test, "verbose");
	struct mock_fixture *fx = fixture(test, 1);
	struct mock_gpu *gpu = fx->gpus[0];
	unsigned int k, failed = 0;
	int err;

	*ignore = false;
	*verbose = 0;
	for (k = 1; k < 100; k++) {
		current->fail_nth = k;
		err = mock_gpu_fault(gpu, 0, true);
		if (current->fail_nth) {
			current->fail_nth = 0;
			break;
		}
		if (err) {
			KUNIT_EXPECT_EQ(test, -ENOMEM, err);
			mock_expect_mapped(fx, 0);
			failed++;
		}
		scoped_guard(mutex, &gpu->lock) {
			struct drm_gpusvm_range *range;

			range = drm_gpusvm_find_range(&gpu->svm, 0, ULONG_MAX);
			if (range)
				mock_gpu_remove(gpu, range);
		}
	}
	*ignore = true;
	KUNIT_EXPECT_LT(test, k, 100);
	KUNIT_EXPECT_GE(test, failed, 3);
	KUNIT_EXPECT_EQ(test, 0, err);
	mock_expect_mapped(fx, 16);
#else
	kunit_skip(test, "needs CONFIG_FAILSLAB and its debugfs");
#endif
}

static void failed_range_alloc(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test, 1);
	struct mock_gpu *gpu = fx->gpus[0];

	gpu->fail_alloc = 1;
	KUNIT_EXPECT_EQ(test, -ENOMEM, mock_gpu_fault(gpu, 0, true));
	gpu->fail_alloc = 2;
	KUNIT_EXPECT_EQ(test, -ENOSPC, mock_gpu_fault(gpu, 0, true));
	KUNIT_EXPECT_TRUE(test, RB_EMPTY_ROOT(&gpu->svm.notifiers.rb_root));
	gpu->fail_alloc = 0;
	KUNIT_EXPECT_EQ(test, 0, mock_gpu_fault(gpu, 0, true));

	/* A split that fails leaves the range to be removed */
	KUNIT_EXPECT_EQ(test, 0, mock_munmap(fx, 4, 1));
	gpu->fail_alloc = 2;
	KUNIT_EXPECT_EQ(test, -ENOSPC, mock_gpu_fault(gpu, 0, true));
	KUNIT_EXPECT_EQ(test, 0, mock_gpu_nr_ranges(gpu));
	gpu->fail_alloc = 0;
	KUNIT_EXPECT_EQ(test, 0, mock_gpu_fault(gpu, 0, true));
	expect_range(gpu, 0, 0, 4);
}

static void devmem_only(struct kunit *test)
{
	const struct drm_gpusvm_ctx ctx = { .devmem_only = true };
	struct mock_fixture *fx = fixture(test, 1);
	struct mock_gpu *gpu = fx->gpus[0];
	struct drm_gpusvm_range *range;

	guard(mutex)(&gpu->lock);
	range = drm_gpusvm_range_insert_exact(&gpu->svm, fx->addr,
					      mock_addr(fx, 4), &ctx);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, range);
	KUNIT_EXPECT_EQ(test, -EAGAIN,
			drm_gpusvm_range_get_pages(&gpu->svm, range, &ctx));
	mock_expect_mapped(fx, 0);
}

/* A page that is never there for long: each fault ends with an invalidation. */
static vm_fault_t restless_fault(struct vm_fault *vmf)
{
	struct mmu_notifier_range range;

	mmu_notifier_range_init(&range, MMU_NOTIFY_CLEAR, 0, vmf->vma->vm_mm,
				vmf->address, vmf->address + PAGE_SIZE);
	mmu_notifier_invalidate_range_start(&range);
	mmu_notifier_invalidate_range_end(&range);
	return VM_FAULT_NOPAGE;
}

static const struct vm_operations_struct restless_ops = {
	.fault = restless_fault,
};

static void set_vm_ops(struct mock_fixture *fx,
		       const struct vm_operations_struct *ops)
{
	mmap_write_lock(fx->mm);
	vma_lookup(fx->mm, fx->addr)->vm_ops = ops;
	mmap_write_unlock(fx->mm);
}

static void retries_are_bounded(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test, 1);
	struct mock_gpu *gpu = fx->gpus[0];
	unsigned long start = jiffies;

	KUNIT_ASSERT_EQ(test, 0, mock_dontneed(fx, 0, 1));
	set_vm_ops(fx, &restless_ops);
	KUNIT_EXPECT_EQ(test, -EBUSY, mock_gpu_fault(gpu, 0, true));
	set_vm_ops(fx, NULL);
	KUNIT_EXPECT_GT(test, mock_gpu_count(gpu, DRM_GPUSVM_COUNT_RETRY), 0);
	KUNIT_EXPECT_TRUE(test, time_before(jiffies, start + MOCK_HANG));
	mock_expect_mapped(fx, 0);
	/* And that was no reason to give up for good */
	KUNIT_EXPECT_EQ(test, 0, mock_gpu_fault(gpu, 0, true));
	mock_expect_mapped(fx, 16);
}

static void more_than_the_process_has_touched(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test, 1);
	struct mock_gpu *gpu = fx->gpus[0];
	unsigned int page;

	/* 4 pages of 16 were touched, the others are the process's as well */
	KUNIT_ASSERT_EQ(test, 0, mock_dontneed(fx, 0, 16));
	KUNIT_ASSERT_EQ(test, 0, fill(fx, 0, 4));
	KUNIT_EXPECT_EQ(test, 0, mock_gpu_fault(gpu, 0, true));
	mock_expect_mapped(fx, 16);
	for (page = 4; page < 16; page++)
		KUNIT_EXPECT_EQ(test, 0, *mock_gpu_ptr(gpu, page));
	expect_same(gpu, 0, 16);
}

/*
 * Invalidation
 */

static void each_operation_invalidates(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test, 2);
	unsigned int i;

	for (i = 0; i < 2; i++)
		KUNIT_EXPECT_EQ(test, 0, mock_gpu_fault(fx->gpus[i], 0, true));
	mock_expect_mapped(fx, 32);
	KUNIT_EXPECT_EQ(test, 0, mock_dontneed(fx, 15, 1));
	mock_expect_mapped(fx, 0);
	for (i = 0; i < 2; i++)
		KUNIT_EXPECT_EQ(test, 0,
				mock_gpu_translations(fx->gpus[i], 0,
						      NR_PAGES));

	KUNIT_EXPECT_EQ(test, 0, mock_gpu_fault(fx->gpus[0], 0, true));
	expect_same(fx->gpus[0], 0, 16);
	KUNIT_EXPECT_EQ(test, 0, mock_mprotect(fx, 0, 1, PROT_READ));
	mock_expect_mapped(fx, 0);
	/* Where nothing is mapped, nothing is flushed */
	atomic_set(&fx->gpus[0]->started, 0);
	KUNIT_EXPECT_EQ(test, 0, mock_dontneed(fx, 0, 1));
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&fx->gpus[0]->started));
}

static void flushes_overlap(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test, MOCK_MAX_GPUS);
	struct mock_task *worker;
	unsigned int i;

	for (i = 0; i < MOCK_MAX_GPUS; i++) {
		KUNIT_EXPECT_EQ(test, 0, mock_gpu_fault(fx->gpus[i], 0, true));
		mock_gpu_hold(fx->gpus[i]);
	}
	worker = worker_start(fx, mock_munmap, 0, 4);
	/* All of them have begun, and none is done */
	for (i = 0; i < MOCK_MAX_GPUS; i++)
		mock_gpu_reach_started(fx->gpus[i], 1);
	for (i = 0; i < MOCK_MAX_GPUS; i++) {
		mock_task_expect_blocked(worker);
		mock_expect_mapped(fx, 16 * (long)(MOCK_MAX_GPUS - i));
		mock_gpu_let_go(fx->gpus[i]);
		msleep(50);
	}
	join(worker);
	mock_expect_mapped(fx, 0);
}

/*
 * Two invalidations of the same range: the second finds nothing to flush, and has
 * to wait for the flush of the first one all the same. That of another range
 * does not.
 */
static void nobody_returns_early(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test, 1);
	struct mock_gpu *gpu = fx->gpus[0];
	struct mock_task *first, *second, *third;

	KUNIT_EXPECT_EQ(test, 0, mock_gpu_fault(gpu, 0, true));
	mock_gpu_hold(gpu);
	first = worker_start(fx, mock_dontneed, 0, 4);
	mock_gpu_reach_started(gpu, 1);
	second = worker_start(fx, mock_dontneed, 8, 4);
	mock_task_expect_blocked(second);
	third = worker_start(fx, mock_dontneed, 16, 4);
	join(third);
	mock_task_expect_blocked(first);
	KUNIT_EXPECT_EQ(test, 1, atomic_read(&gpu->started));
	KUNIT_EXPECT_EQ(test, 1, mock_gpu_count(gpu, DRM_GPUSVM_COUNT_OTHERS));
	mock_expect_mapped(fx, 16);
	mock_gpu_let_go(gpu);
	join(first);
	join(second);
	mock_expect_mapped(fx, 0);
	KUNIT_EXPECT_EQ(test, 0, mock_gpu_translations(gpu, 0, NR_PAGES));
}

static void empty_pool(struct kunit *test)
{
	const struct drm_gpusvm_ctx ctx = {};
	struct mock_fixture *fx = fixture(test, 1);
	struct mock_gpu *gpu = fx->gpus[0];
	struct mock_task *workers[POOL + 2];
	unsigned int i;

	for (i = 0; i < POOL + 1; i++) {
		scoped_guard(mutex, &gpu->lock)
			drm_gpusvm_range_insert_exact(&gpu->svm,
						      mock_addr(fx, i),
						      mock_addr(fx, i + 1),
						      &ctx);
		KUNIT_ASSERT_EQ(test, 0, mock_gpu_fault(gpu, i, true));
	}
	mock_gpu_hold(gpu);
	for (i = 0; i < POOL + 1; i++) {
		workers[i] = worker_start(fx, mock_dontneed, i, 1);
		mock_gpu_reach_started(gpu, i + 1);
	}
	KUNIT_EXPECT_EQ(test, 1, mock_gpu_count(gpu, DRM_GPUSVM_COUNT_SYNC));
	/* And one that has nothing of its own to flush */
	workers[i] = worker_start(fx, mock_dontneed, 0, 1);
	for (i = 0; i < POOL + 2; i++)
		mock_task_expect_blocked(workers[i]);
	mock_expect_mapped(fx, POOL + 1);
	mock_gpu_let_go(gpu);
	for (i = 0; i < POOL + 2; i++)
		join(workers[i]);
	mock_expect_mapped(fx, 0);

	/* All objects have come back */
	KUNIT_EXPECT_TRUE(test, list_empty(&gpu->svm.finish_pending));
	KUNIT_EXPECT_EQ(test, POOL, list_count_nodes(&gpu->svm.finish_free));
}

static int do_remove(struct mock_fixture *fx, unsigned long page,
		     unsigned long nr)
{
	struct mock_gpu *gpu = fx->gpus[0];

	guard(mutex)(&gpu->lock);
	drm_gpusvm_range_remove(&gpu->svm,
				drm_gpusvm_find_range(&gpu->svm,
						      mock_addr(fx, page),
						      mock_addr(fx, page + nr)));
	return 0;
}

static void remove_waits_for_the_flush(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test, 1);
	struct mock_gpu *gpu = fx->gpus[0];
	struct mock_task *unmap, *remove;

	/* Another one in the window, so that the notifier is not removed */
	KUNIT_EXPECT_EQ(test, 0, mock_gpu_fault(gpu, 0, true));
	KUNIT_EXPECT_EQ(test, 0, mock_gpu_fault(gpu, 16, true));
	mock_gpu_hold(gpu);
	unmap = worker_start(fx, mock_dontneed, 0, 4);
	mock_gpu_reach_started(gpu, 1);
	remove = worker_start(fx, do_remove, 0, 1);
	mock_task_expect_blocked(remove);
	mock_expect_mapped(fx, 32);
	mock_gpu_let_go(gpu);
	join(remove);
	join(unmap);
	mock_expect_mapped(fx, 16);
}

static void exit_of_the_process(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test, 2);
	unsigned int i;

	for (i = 0; i < 2; i++) {
		KUNIT_EXPECT_EQ(test, 0, mock_gpu_fault(fx->gpus[i], 0, true));
		KUNIT_EXPECT_EQ(test, 0,
				mock_gpu_fault(fx->gpus[i], 100, true));
	}
	mock_drop_mm(fx);
	mock_expect_mapped(fx, 0);
	for (i = 0; i < 2; i++) {
		KUNIT_EXPECT_EQ(test, 0,
				mock_gpu_translations(fx->gpus[i], 0,
						      NR_PAGES));
		KUNIT_EXPECT_EQ(test, -EFAULT,
				mock_gpu_fault(fx->gpus[i], 0, true));
		KUNIT_EXPECT_EQ(test, 0, mock_gpu_nr_ranges(fx->gpus[i]));
	}
}

static int nonblock_invalidate(struct mock_fixture *fx, unsigned int page)
{
	struct mmu_notifier_range range;
	int err;

	mmu_notifier_range_init(&range, MMU_NOTIFY_CLEAR, 0, fx->mm,
				mock_addr(fx, page), mock_addr(fx, page + 1));
	err = mmu_notifier_invalidate_range_start_nonblock(&range);
	if (!err)
		mmu_notifier_invalidate_range_end(&range);
	return err;
}

static void nonblockable_where_there_is_nothing(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test, 1);
	struct mock_gpu *gpu = fx->gpus[0];

	KUNIT_EXPECT_EQ(test, 0, mock_gpu_fault(gpu, 0, true));
	KUNIT_EXPECT_EQ(test, -EAGAIN, nonblock_invalidate(fx, 3));
	KUNIT_EXPECT_EQ(test, 0, nonblock_invalidate(fx, 20));
	KUNIT_EXPECT_EQ(test, 16, mock_gpu_translations(gpu, 0, NR_PAGES));
	mock_expect_mapped(fx, 16);
}

/*
 * Partial unmap
 */

struct hole_case {
	const char *name;
	struct { unsigned int page, nr; } holes[2];
	unsigned int nr_ranges;
	struct { unsigned int page, nr; } ranges[2];
};

/* The range has pages 16 to 31 */
static const struct hole_case hole_cases[] = {
	{ "head", { { 12, 6 } }, 1, { { 18, 14 } } },
	{ "tail", { { 30, 6 } }, 1, { { 16, 14 } } },
	{ "middle", { { 20, 4 } }, 2, { { 16, 4 }, { 24, 8 } } },
	{ "one page", { { 31, 1 } }, 1, { { 16, 15 } } },
	{ "all", { { 16, 16 } }, 0 },
	{ "more than all", { { 10, 30 } }, 0 },
	{ "two holes", { { 18, 2 }, { 26, 2 } }, 2, { { 16, 2 }, { 28, 4 } } },
	{ "both ends", { { 16, 1 }, { 31, 1 } }, 0 },
	{ "beside", { { 14, 2 }, { 32, 2 } }, 1, { { 16, 16 } } },
};

KUNIT_ARRAY_PARAM_DESC(hole, hole_cases, name);

static void partial_unmap(struct kunit *test)
{
	const struct hole_case *c = test->param_value;
	struct mock_fixture *fx = fixture(test, 1);
	struct mock_gpu *gpu = fx->gpus[0];
	unsigned int i, page;

	KUNIT_EXPECT_EQ(test, 0, mock_gpu_fault(gpu, 16, true));
	for (i = 0; i < 2; i++)
		if (c->holes[i].nr)
			KUNIT_EXPECT_EQ(test, 0,
					mock_munmap(fx, c->holes[i].page,
						    c->holes[i].nr));
	scoped_guard(mutex, &gpu->lock)
		KUNIT_EXPECT_EQ(test, 0, mock_gpu_collect(gpu));

	KUNIT_EXPECT_EQ(test, c->nr_ranges, mock_gpu_nr_ranges(gpu));
	for (i = 0; i < c->nr_ranges; i++) {
		expect_range(gpu, c->ranges[i].page, c->ranges[i].page,
			     c->ranges[i].nr);
		/* What remains can be used, as it is */
		KUNIT_EXPECT_EQ(test, 0,
				mock_gpu_fault(gpu, c->ranges[i].page, true));
		expect_same(gpu, c->ranges[i].page, c->ranges[i].nr);
	}
	/* A hole is a hole, and what is between two can be had again */
	for (page = 16; page < 32; page++) {
		int err = cpu_read(fx, page) < 0 ? -EFAULT : 0;

		KUNIT_EXPECT_EQ(test, err, mock_gpu_fault(gpu, page, true));
	}
}

static void hole_is_mapped_again(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test, 1);
	struct mock_gpu *gpu = fx->gpus[0];

	KUNIT_EXPECT_EQ(test, 0, mock_gpu_fault(gpu, 16, true));
	KUNIT_EXPECT_EQ(test, 0, mock_mmap(fx, 20, 4, PROT_READ | PROT_WRITE));
	KUNIT_EXPECT_EQ(test, 0, cpu_write(fx, 21, 99));
	/* It is new memory, whether or not the range was collected first */
	KUNIT_EXPECT_EQ(test, 0, mock_gpu_fault(gpu, 21, true));
	expect_range(gpu, 21, 20, 4);
	KUNIT_EXPECT_EQ(test, 99, *mock_gpu_ptr(gpu, 21));
	KUNIT_EXPECT_EQ(test, 0, mock_gpu_fault(gpu, 16, true));
	KUNIT_EXPECT_EQ(test, 0, mock_gpu_fault(gpu, 31, true));
	expect_same(gpu, 16, 16);
	KUNIT_EXPECT_EQ(test, 3, mock_gpu_nr_ranges(gpu));
}

static void debugfs_shows_ranges(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test, 1);
	struct mock_gpu *gpu = fx->gpus[0];
	char *buf = kunit_kzalloc(test, SZ_4K, GFP_KERNEL), want[64];
	struct drm_print_iterator iter = { .data = buf, .remain = SZ_4K - 1 };
	struct drm_printer p = drm_coredump_printer(&iter);

	KUNIT_ASSERT_NOT_NULL(test, buf);
	KUNIT_EXPECT_EQ(test, 0, mock_gpu_fault(gpu, 16, false));
	KUNIT_EXPECT_EQ(test, 0, mock_gpu_fault(gpu, 0, true));
	KUNIT_EXPECT_EQ(test, 0, mock_munmap(fx, 0, 1));
	scoped_guard(mutex, &gpu->lock)
		drm_gpusvm_debugfs_print(&gpu->svm, &p);
	snprintf(want, sizeof(want), "[%#lx,%#lx) valid", mock_addr(fx, 16),
		 mock_addr(fx, 32));
	KUNIT_EXPECT_NOT_NULL(test, strstr(buf, want));
	snprintf(want, sizeof(want), "none unmapped [%#lx,%#lx)",
		 mock_addr(fx, 0), mock_addr(fx, 1));
	KUNIT_EXPECT_NOT_NULL(test, strstr(buf, want));
	KUNIT_EXPECT_NOT_NULL(test, strstr(buf, "ranges inserted: 2\n"));
	KUNIT_EXPECT_NOT_NULL(test, strstr(buf, "read-only"));
}

/*
 * Userptr
 */

/**
 * struct uptr - A mock userptr
 * @base: The userptr.
 * @gpu: Its GPU. The memory is at the same pages of it.
 * @page: First page.
 * @nr: How many.
 * @faulting: The GPU faults, so it is never busy.
 * @running: The GPU is at work on it.
 * @work_wait: Those who wait for @running to end.
 * @pages: What is being flushed.
 * @calls: Of the driver's functions: busy, start_flush, and wait in two states.
 */
struct uptr {
	struct drm_gpusvm_userptr base;
	struct mock_gpu *gpu;
	unsigned int page;
	unsigned int nr;
	bool faulting;
	bool running;
	wait_queue_head_t work_wait;
	DECLARE_BITMAP(pages, MOCK_MAX_PAGES);
	atomic_t calls[4];
};

static struct uptr *to_uptr(struct drm_gpusvm_userptr *base)
{
	return container_of(base, struct uptr, base);
}

static bool uptr_busy(struct drm_gpusvm_userptr *base)
{
	struct uptr *uptr = to_uptr(base);

	atomic_inc(&uptr->calls[0]);
	return READ_ONCE(uptr->running);
}

static bool uptr_start_flush(struct drm_gpusvm_userptr *base)
{
	struct uptr *uptr = to_uptr(base);

	atomic_inc(&uptr->calls[1]);
	bitmap_zero(uptr->pages, MOCK_MAX_PAGES);
	if (!mock_gpu_zap(uptr->gpu, uptr->page, uptr->nr, uptr->pages))
		return false;
	atomic_inc(&uptr->gpu->started);
	return true;
}

static void uptr_wait(struct drm_gpusvm_userptr *base,
		      enum drm_gpusvm_userptr_state state)
{
	struct uptr *uptr = to_uptr(base);

	atomic_inc(&uptr->calls[state + 1]);
	if (state == DRM_GPUSVM_USERPTR_DRAINING)
		wait_event(uptr->work_wait, !READ_ONCE(uptr->running));
	else
		mock_gpu_flush(uptr->gpu, uptr->pages);
}

static const struct drm_gpusvm_userptr_ops uptr_ops = {
	.busy = uptr_busy,
	.start_flush = uptr_start_flush,
	.wait = uptr_wait,
};

static const struct drm_gpusvm_userptr_ops faulting_uptr_ops = {
	.start_flush = uptr_start_flush,
	.wait = uptr_wait,
};

static void uptr_work_ends(struct uptr *uptr)
{
	WRITE_ONCE(uptr->running, false);
	wake_up_all(&uptr->work_wait);
}

static void uptr_cleanup(void *data)
{
	struct uptr *uptr = data;
	unsigned int i;
	struct mock_fixture *fx = uptr->gpu->fx;

	uptr_work_ends(uptr);
	mock_gpu_let_go(uptr->gpu);
	for (i = 0; i < fx->nr_tasks; i++)
		wait_for_completion(&fx->tasks[i].done);
	bitmap_fill(uptr->pages, MOCK_MAX_PAGES);
	mock_gpu_zap(uptr->gpu, 0, NR_PAGES, uptr->pages);
	mock_gpu_flush(uptr->gpu, uptr->pages);
	drm_gpusvm_userptr_fini(&uptr->base);
}

/* What a driver does at bind, and before work begins. */
static int uptr_bind(struct uptr *uptr)
{
	struct mock_gpu *gpu = uptr->gpu;
	int err;

	guard(mutex)(&gpu->lock);
	do {
		err = drm_gpusvm_userptr_get_pages(&uptr->base, false);
		if (err)
			return err;
		drm_gpusvm_notifier_lock(&gpu->svm);
		if (drm_gpusvm_userptr_pages_valid(&uptr->base))
			mock_gpu_bind(gpu, uptr->page, &uptr->base.pages);
		else
			err = -EAGAIN;
		drm_gpusvm_notifier_unlock(&gpu->svm);
	} while (err == -EAGAIN);
	return err;
}

/* A userptr of @nr pages from @page on, bound, with work running on it. */
static struct uptr *uptr_add(struct mock_gpu *gpu, unsigned int page,
			     unsigned int nr, bool faulting)
{
	struct mock_fixture *fx = gpu->fx;
	struct kunit *test = fx->test;
	struct uptr *uptr = kunit_kzalloc(test, sizeof(*uptr), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, uptr);
	uptr->gpu = gpu;
	uptr->page = page;
	uptr->nr = nr;
	init_waitqueue_head(&uptr->work_wait);
	drm_gpusvm_userptr_init(&uptr->base, &gpu->svm, gpu->drm,
				faulting ? &faulting_uptr_ops : &uptr_ops);
	KUNIT_ASSERT_EQ(test, 0,
			drm_gpusvm_userptr_insert(&uptr->base, fx->mm,
						  mock_addr(fx, page),
						  nr * PAGE_SIZE));
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, uptr_cleanup, uptr));
	KUNIT_ASSERT_EQ(test, 0, uptr_bind(uptr));
	uptr->running = !faulting;
	return uptr;
}

static void expect_calls(struct uptr *uptr, int busy, int start_flush,
			 int drain, int flush)
{
	struct kunit *test = uptr->gpu->fx->test;

	KUNIT_EXPECT_EQ(test, busy, atomic_read(&uptr->calls[0]));
	KUNIT_EXPECT_EQ(test, start_flush, atomic_read(&uptr->calls[1]));
	KUNIT_EXPECT_EQ(test, drain, atomic_read(&uptr->calls[2]));
	KUNIT_EXPECT_EQ(test, flush, atomic_read(&uptr->calls[3]));
}

static void userptr_pipeline(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test, 2);
	struct uptr *a = uptr_add(fx->gpus[0], 0, 8, false);
	struct uptr *b = uptr_add(fx->gpus[1], 0, 8, false);
	struct mock_task *worker;

	mock_expect_mapped(fx, 16);
	mock_gpu_hold(a->gpu);
	mock_gpu_hold(b->gpu);
	worker = worker_start(fx, mock_dontneed, 0, 8);
	mock_task_expect_blocked(worker);
	/* Both have been asked to stop, and neither has been flushed */
	expect_calls(a, 1, 0, 1, 0);
	expect_calls(b, 1, 0, 0, 0);
	uptr_work_ends(a);
	uptr_work_ends(b);
	/* Both flush at the same time */
	mock_gpu_reach_started(a->gpu, 1);
	mock_gpu_reach_started(b->gpu, 1);
	mock_task_expect_blocked(worker);
	mock_expect_mapped(fx, 16);
	mock_gpu_let_go(a->gpu);
	mock_task_expect_blocked(worker);
	mock_expect_mapped(fx, 8);
	mock_gpu_let_go(b->gpu);
	join(worker);
	mock_expect_mapped(fx, 0);
	expect_calls(a, 1, 1, 1, 1);
	expect_calls(b, 1, 1, 1, 1);

	/* Not bound: nothing to do */
	KUNIT_EXPECT_EQ(test, 0, mock_dontneed(fx, 0, 8));
	expect_calls(a, 1, 1, 1, 1);
	KUNIT_EXPECT_EQ(test, 0, uptr_bind(a));
	expect_same(a->gpu, 0, 8);
}

static void userptr_of_a_faulting_gpu(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test, 1);
	struct uptr *uptr = uptr_add(fx->gpus[0], 4, 9, true);

	KUNIT_EXPECT_EQ(test, 0, mock_dontneed(fx, 12, 8));
	expect_calls(uptr, 0, 1, 0, 1);
	mock_expect_mapped(fx, 0);
	KUNIT_EXPECT_EQ(test, 0, mock_munmap(fx, 4, 1));
	expect_calls(uptr, 0, 1, 0, 1);
	KUNIT_EXPECT_EQ(test, -EFAULT, uptr_bind(uptr));
	mock_expect_mapped(fx, 0);
}

static void userptr_nothing_to_flush(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test, 1);
	struct uptr *uptr = uptr_add(fx->gpus[0], 0, 8, false);
	DECLARE_BITMAP(pages, MOCK_MAX_PAGES);

	/* The driver has unbound it already */
	bitmap_fill(pages, MOCK_MAX_PAGES);
	mock_gpu_zap(uptr->gpu, 0, 8, pages);
	mock_gpu_flush(uptr->gpu, pages);
	uptr_work_ends(uptr);
	KUNIT_EXPECT_EQ(test, 0, mock_dontneed(fx, 0, 8));
	expect_calls(uptr, 1, 1, 0, 0);
	mock_expect_mapped(fx, 0);
}

/*
 * Another invalidation comes while the GPU is to stop, a third while it flushes.
 * None returns before it has, each as soon as it has.
 */
static void userptr_concurrent_invalidations(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test, 1);
	struct uptr *uptr = uptr_add(fx->gpus[0], 0, 8, false);
	struct mock_task *workers[3];
	unsigned int i;

	mock_gpu_hold(uptr->gpu);
	for (i = 0; i < 2; i++) {
		workers[i] = worker_start(fx, mock_dontneed, 4 * i, 4);
		mock_task_expect_blocked(workers[i]);
	}
	expect_calls(uptr, 1, 0, 2, 0);
	uptr_work_ends(uptr);
	mock_gpu_reach_started(uptr->gpu, 1);
	workers[2] = worker_start(fx, mock_dontneed, 2, 1);
	for (i = 0; i < 3; i++)
		mock_task_expect_blocked(workers[i]);
	expect_calls(uptr, 1, 1, 2, 3);
	mock_expect_mapped(fx, 8);
	mock_gpu_let_go(uptr->gpu);
	for (i = 0; i < 3; i++)
		join(workers[i]);
	mock_expect_mapped(fx, 0);
	/* And it can be used again */
	KUNIT_EXPECT_EQ(test, 0, uptr_bind(uptr));
	expect_same(uptr->gpu, 0, 8);
	KUNIT_EXPECT_EQ(test, 0, mock_munmap(fx, 0, 8));
	mock_expect_mapped(fx, 0);
}

static void userptr_forced(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test, 1);
	struct uptr *uptr = uptr_add(fx->gpus[0], 0, 8, true);

	mock_expect_mapped(fx, 8);
	scoped_guard(mutex, &uptr->gpu->lock)
		drm_gpusvm_userptr_force_invalidate(&uptr->base);
	expect_calls(uptr, 0, 1, 0, 1);
	mock_expect_mapped(fx, 0);
	KUNIT_EXPECT_EQ(test, 0, mock_gpu_translations(uptr->gpu, 0, 8));
	KUNIT_EXPECT_EQ(test, 0, uptr_bind(uptr));
	expect_same(uptr->gpu, 0, 8);
}

static int uptr_do_force(struct mock_fixture *fx, unsigned long page,
			 unsigned long nr)
{
	struct uptr *uptr = fx->priv;

	guard(mutex)(&uptr->gpu->lock);
	drm_gpusvm_userptr_force_invalidate(&uptr->base);
	return 0;
}

static void userptr_forced_meets_a_real_one(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test, 1);
	struct uptr *uptr = uptr_add(fx->gpus[0], 0, 8, false);
	struct mock_task *forced, *real;

	fx->priv = uptr;
	forced = worker_start(fx, uptr_do_force, 0, 0);
	mock_task_expect_blocked(forced);
	real = worker_start(fx, mock_dontneed, 0, 8);
	mock_task_expect_blocked(real);
	uptr_work_ends(uptr);
	join(forced);
	join(real);
	mock_expect_mapped(fx, 0);
	KUNIT_EXPECT_EQ(test, 1, atomic_read(&uptr->calls[1]));
}

static void userptr_nonblockable(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test, 1);
	struct uptr *uptr = uptr_add(fx->gpus[0], 0, 8, true);

	KUNIT_EXPECT_EQ(test, -EAGAIN, nonblock_invalidate(fx, 3));
	expect_calls(uptr, 0, 0, 0, 0);
	KUNIT_EXPECT_EQ(test, 0, mock_dontneed(fx, 0, 1));
	KUNIT_EXPECT_EQ(test, 0, nonblock_invalidate(fx, 3));
	expect_calls(uptr, 0, 1, 0, 1);
}

static void userptr_exit(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test, 1);
	struct uptr *uptr = uptr_add(fx->gpus[0], 0, 8, true);

	mock_drop_mm(fx);
	mock_expect_mapped(fx, 0);
	KUNIT_EXPECT_EQ(test, 0, mock_gpu_translations(uptr->gpu, 0, 8));
	KUNIT_EXPECT_EQ(test, -EFAULT, uptr_bind(uptr));
}

/*
 * All at once
 */

static int storm_cpu(struct mock_fixture *fx, unsigned long seed,
		     unsigned long rounds)
{
	struct rnd_state rnd;
	unsigned int page, nr;

	prandom_seed_state(&rnd, seed);
	while (rounds--) {
		page = prandom_u32_state(&rnd) % NR_PAGES;
		nr = 1 + prandom_u32_state(&rnd) % min(24U, NR_PAGES - page);
		switch (prandom_u32_state(&rnd) % 5) {
		case 0:
			mock_dontneed(fx, page, nr);
			break;
		case 1:
			mock_munmap(fx, page, nr);
			break;
		case 2:
			mock_mmap(fx, page, nr, PROT_READ | PROT_WRITE);
			break;
		case 3:
			mock_mprotect(fx, page, nr, PROT_READ);
			break;
		case 4:
			mock_mprotect(fx, page, nr, PROT_READ | PROT_WRITE);
			break;
		}
		cond_resched();
	}
	return 0;
}

static int storm_gpu(struct mock_fixture *fx, unsigned long seed,
		     unsigned long rounds)
{
	struct mock_gpu *gpu = fx->gpus[seed % fx->nr_gpus];
	struct rnd_state rnd;
	int err;

	prandom_seed_state(&rnd, seed);
	while (rounds--) {
		err = mock_gpu_fault(gpu, prandom_u32_state(&rnd) % NR_PAGES,
				     prandom_u32_state(&rnd) & 1);
		if (err && err != -EFAULT && err != -EPERM && err != -EBUSY)
			return err;
		cond_resched();
	}
	return 0;
}

/* What a GPU still has after the storm is what the CPU has. */
static void storm(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test, 2);
	u32 seed = get_random_u32();
	unsigned int i, page;

	kunit_info(test, "seed %u\n", seed);
	for (i = 0; i < 2; i++) {
		worker_start(fx, storm_cpu, seed + i, 300);
		worker_start(fx, storm_gpu, (seed & ~1U) + i, 300);
	}
	for (i = 0; i < fx->nr_tasks; i++)
		join(&fx->tasks[i]);

	for (page = 0; page < NR_PAGES; page++) {
		int c = cpu_read(fx, page);

		for (i = 0; i < 2; i++) {
			char *ptr = mock_gpu_ptr(fx->gpus[i], page);

			if (!ptr)
				continue;
			KUNIT_ASSERT_GE(test, c, 0);
			KUNIT_EXPECT_EQ(test, *ptr, c);
			cpu_write(fx, page, c ^ 1);
			if (cpu_read(fx, page) != c &&
			    mock_gpu_ptr(fx->gpus[i], page))
				KUNIT_EXPECT_EQ(test, *ptr, c ^ 1);
			c = cpu_read(fx, page);
		}
	}
	KUNIT_EXPECT_EQ(test, fx->early, 0);
	KUNIT_EXPECT_EQ(test, 0, mock_munmap(fx, 0, NR_PAGES));
	mock_expect_mapped(fx, 0);
	for (i = 0; i < 2; i++) {
		KUNIT_EXPECT_EQ(test, 0,
				mock_gpu_translations(fx->gpus[i], 0,
						      NR_PAGES));
		scoped_guard(mutex, &fx->gpus[i]->lock)
			KUNIT_EXPECT_EQ(test, 0, mock_gpu_collect(fx->gpus[i]));
		KUNIT_EXPECT_EQ(test, 0, mock_gpu_nr_ranges(fx->gpus[i]));
	}
}

/*
 * What else has broken elsewhere
 */

static void expect_users(struct mock_fixture *fx, int users)
{
	KUNIT_EXPECT_EQ(fx->test, users, atomic_read(&fx->mm->mm_users));
}

/* Whatever goes wrong, the address space can die afterwards. */
static void failures_let_go_of_the_mm(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test, 1);
	struct mock_gpu *gpu = fx->gpus[0];
	int users = atomic_read(&fx->mm->mm_users);

	gpu->fail_alloc = 1;
	KUNIT_EXPECT_EQ(test, -ENOMEM, mock_gpu_fault(gpu, 0, true));
	expect_users(fx, users);
	gpu->fail_alloc = 0;
	fx->fail_map = 1;
	KUNIT_EXPECT_EQ(test, -ENOMEM, mock_gpu_fault(gpu, 0, true));
	expect_users(fx, users);
	set_vm_flags(fx, VM_IO);
	KUNIT_EXPECT_EQ(test, -EIO, mock_gpu_fault(gpu, 0, true));
	clear_vm_flags(fx, VM_IO);
	expect_users(fx, users);
	KUNIT_EXPECT_EQ(test, 0, mock_munmap(fx, 0, 16));
	KUNIT_EXPECT_EQ(test, -EFAULT, mock_gpu_fault(gpu, 0, true));
	expect_users(fx, users);
}

/* The same for each allocation. */
static void failed_allocations_let_go_of_the_mm(struct kunit *test)
{
#ifdef CONFIG_FAULT_INJECTION_DEBUG_FS
	bool *ignore = failslab_knob(test, "ignore-gfp-wait");
	unsigned long *verbose = failslab_knob(test, "verbose");
	struct mock_fixture *fx = fixture(test, 1);
	int users = atomic_read(&fx->mm->mm_users);
	unsigned int k, failed = 0;

	*ignore = false;
	*verbose = 0;
	for (k = 1; k < 100; k++) {
		current->fail_nth = k;
		failed += !!mock_gpu_fault(fx->gpus[0], 0, true);
		if (current->fail_nth)
			break;
		expect_users(fx, users);
	}
	current->fail_nth = 0;
	*ignore = true;
	KUNIT_EXPECT_LT(test, k, 100);
	KUNIT_EXPECT_GE(test, failed, 3);
#else
	kunit_skip(test, "needs CONFIG_FAILSLAB and its debugfs");
#endif
}

static int do_fault(struct mock_fixture *fx, unsigned long page,
		    unsigned long nr)
{
	return mock_gpu_fault(fx->gpus[0], page, true);
}

/* Who waits for the end of an invalidation keeps nobody from the address space. */
static void waits_without_the_mmap_lock(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test, 1);
	struct mmu_notifier_range range;
	struct mock_task *worker;

	KUNIT_ASSERT_EQ(test, 0, mock_gpu_fault(fx->gpus[0], 0, true));
	mmu_notifier_range_init(&range, MMU_NOTIFY_CLEAR, 0, fx->mm, fx->addr,
				mock_addr(fx, 16));
	mmu_notifier_invalidate_range_start(&range);
	worker = worker_start(fx, do_fault, 0, 0);
	mock_task_expect_blocked(worker);
	KUNIT_EXPECT_FALSE(test, rwsem_is_locked(&fx->mm->mmap_lock));
	mmu_notifier_invalidate_range_end(&range);
	join(worker);
	expect_same(fx->gpus[0], 0, 16);
}

static void userptr_read_only(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test, 1);
	struct uptr *uptr = uptr_add(fx->gpus[0], 0, 8, true);

	KUNIT_EXPECT_EQ(test, 8, fx->writable);
	KUNIT_ASSERT_EQ(test, 0, mock_mprotect(fx, 0, 8, PROT_READ));
	KUNIT_EXPECT_EQ(test, -EPERM, uptr_bind(uptr));
	mock_expect_mapped(fx, 0);
	scoped_guard(mutex, &fx->gpus[0]->lock)
		KUNIT_EXPECT_EQ(test, 0,
				drm_gpusvm_userptr_get_pages(&uptr->base, true));
	mock_expect_mapped(fx, 8);
	KUNIT_EXPECT_EQ(test, 0, fx->writable);
}

/* A splat fails no test, and turns lockdep off for all that come after it. */
static void lockdep_is_still_on(struct kunit *test)
{
	if (!IS_ENABLED(CONFIG_PROVE_LOCKING))
		kunit_skip(test, "needs CONFIG_PROVE_LOCKING");
	KUNIT_EXPECT_TRUE(test, debug_locks);
}

/*
 * Between the steps
 */

/* Keep the notifier lock until the GPU is let go. */
static int do_hold_lock(struct mock_fixture *fx, unsigned long page,
			unsigned long nr)
{
	struct mock_gpu *gpu = fx->gpus[0];

	drm_gpusvm_notifier_lock(&gpu->svm);
	wait_event(gpu->flush_wait, READ_ONCE(gpu->flush_open));
	drm_gpusvm_notifier_unlock(&gpu->svm);
	return 0;
}

/* What the walk found is void by the time that the fault gets the lock. */
static void invalidated_after_the_walk(struct kunit *test)
{
	const struct drm_gpusvm_ctx ctx = {};
	struct mock_fixture *fx = fixture(test, 1);
	struct mock_gpu *gpu = fx->gpus[0];
	struct drm_gpusvm_range *range;
	struct mock_task *workers[3];
	unsigned int i;

	scoped_guard(mutex, &gpu->lock)
		range = drm_gpusvm_range_insert_exact(&gpu->svm,
						      mock_addr(fx, 4),
						      mock_addr(fx, 8), &ctx);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, range);
	mock_gpu_hold(gpu);
	workers[0] = worker_start(fx, do_hold_lock, 0, 0);
	mock_task_expect_blocked(workers[0]);
	/* Is the next one to get the lock, before which it has not begun */
	workers[1] = worker_start(fx, mock_dontneed, 4, 4);
	mock_task_expect_blocked(workers[1]);
	/* So this one walks, and is behind it */
	workers[2] = worker_start(fx, do_fault, 4, 0);
	mock_task_expect_blocked(workers[2]);
	mock_gpu_let_go(gpu);
	for (i = 0; i < 3; i++)
		join(workers[i]);
	mock_expect_mapped(fx, 4);
	expect_same(gpu, 4, 4);
}

/* It is the mapping after the one that the range was made of. */
static void hole_is_not_filled(struct kunit *test)
{
	const struct drm_gpusvm_ctx ctx = {};
	struct mock_fixture *fx = fixture(test, 1);
	struct mock_gpu *gpu = fx->gpus[0];
	struct drm_gpusvm_range *range;
	bool valid;

	KUNIT_EXPECT_EQ(test, 0, mock_gpu_fault(gpu, 16, true));
	KUNIT_EXPECT_EQ(test, 0, mock_munmap(fx, 20, 4));
	KUNIT_EXPECT_EQ(test, 0, mock_mmap(fx, 20, 4, PROT_READ | PROT_WRITE));
	range = mock_gpu_range(gpu, 16);
	guard(mutex)(&gpu->lock);
	KUNIT_EXPECT_EQ(test, -EFAULT,
			drm_gpusvm_range_get_pages(&gpu->svm, range, &ctx));
	drm_gpusvm_notifier_lock(&gpu->svm);
	valid = drm_gpusvm_range_pages_valid(&gpu->svm, range);
	drm_gpusvm_notifier_unlock(&gpu->svm);
	KUNIT_EXPECT_FALSE(test, valid);
	mock_expect_mapped(fx, 0);
}

static void unneeded_objects_come_back(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test, 1);
	struct mock_gpu *gpu = fx->gpus[0];
	unsigned int i;

	KUNIT_EXPECT_EQ(test, 0, mock_gpu_fault(gpu, 0, true));
	for (i = 0; i < 2 * POOL; i++)
		KUNIT_EXPECT_EQ(test, 0, mock_dontneed(fx, 0, 1));
	KUNIT_EXPECT_EQ(test, 2 * POOL,
			mock_gpu_count(gpu, DRM_GPUSVM_COUNT_INVALIDATE));
	KUNIT_EXPECT_EQ(test, 0, mock_gpu_count(gpu, DRM_GPUSVM_COUNT_SYNC));
	KUNIT_EXPECT_EQ(test, POOL, list_count_nodes(&gpu->svm.finish_free));
}

/*
 * At the borders
 */

/* The mock's operations, for a case to change. */
static struct drm_gpusvm_ops *mock_ops(struct kunit *test)
{
	struct drm_gpusvm_ops *ops = kunit_kzalloc(test, sizeof(*ops),
						   GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, ops);
	*ops = mock_gpu_ops;
	return ops;
}

static struct drm_gpusvm_ops *plain_ops(struct kunit *test)
{
	struct drm_gpusvm_ops *ops = mock_ops(test);

	ops->range_alloc = NULL;
	ops->range_free = NULL;
	return ops;
}

static void ranges_without_an_allocator(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test, 1);
	struct mock_gpu *gpu = fx->gpus[0];
	struct drm_gpusvm_range *range;

	gpu->svm.ops = plain_ops(test);
	KUNIT_EXPECT_EQ(test, 0, mock_gpu_fault(gpu, 0, true));
	range = drm_gpusvm_range_get(mock_gpu_range(gpu, 0));
	guard(mutex)(&gpu->lock);
	KUNIT_EXPECT_TRUE(test, drm_gpusvm_has_mapping(&gpu->svm, fx->addr,
						       fx->addr + 1));
	KUNIT_EXPECT_FALSE(test, drm_gpusvm_has_mapping(&gpu->svm,
							mock_addr(fx, 16),
							mock_addr(fx, 32)));
	mock_gpu_remove(gpu, range);
	KUNIT_EXPECT_FALSE(test, drm_gpusvm_has_mapping(&gpu->svm, fx->addr,
							fx->addr + 1));
	mock_expect_mapped(fx, 0);
	/* The memory of it has stayed */
	KUNIT_EXPECT_EQ(test, fx->addr, drm_gpusvm_range_start(range));
	drm_gpusvm_range_put(range);
}

static void end_of_the_address_space(struct kunit *test)
{
	const struct drm_gpusvm_ctx ctx = {};
	struct mock_fixture *fx = fixture(test, 1);
	struct mock_gpu *gpu = fx->gpus[0];
	struct drm_gpusvm *svm = kunit_kzalloc(test, sizeof(*svm), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, svm);
	KUNIT_ASSERT_EQ(test, 0,
			drm_gpusvm_init(svm, "top", gpu->drm, fx->mm, 0,
					-PAGE_SIZE, WINDOW_SIZE, plain_ops(test),
					chunk_sizes, ARRAY_SIZE(chunk_sizes)));
	drm_gpusvm_driver_set_lock(svm, &gpu->lock);
	guard(mutex)(&gpu->lock);
#define INSERT(addr, from, to)						\
	PTR_ERR_OR_ZERO(drm_gpusvm_range_find_or_insert(svm, addr, from, to,	\
							&ctx))
	/* A window that would end beyond it, and no memory there */
	KUNIT_EXPECT_EQ(test, -EFAULT, INSERT(-2 * PAGE_SIZE, 0, ULONG_MAX));
	/* No room for a page */
	KUNIT_EXPECT_EQ(test, -EINVAL, INSERT(fx->addr, fx->addr, fx->addr + 8));
#undef INSERT
	KUNIT_EXPECT_TRUE(test, RB_EMPTY_ROOT(&svm->notifiers.rb_root));
	drm_gpusvm_fini(svm);
}

static void init_without_memory(struct kunit *test)
{
#ifdef CONFIG_FAULT_INJECTION_DEBUG_FS
	bool *ignore = failslab_knob(test, "ignore-gfp-wait");
	unsigned long *verbose = failslab_knob(test, "verbose");
	struct mock_fixture *fx = fixture(test, 1);
	struct drm_gpusvm *svm = kunit_kzalloc(test, sizeof(*svm), GFP_KERNEL);
	int err;

	KUNIT_ASSERT_NOT_NULL(test, svm);
	*ignore = false;
	*verbose = 0;
	current->fail_nth = 1;
	err = drm_gpusvm_init(svm, "none", fx->gpus[0]->drm, fx->mm, 0, SZ_1M,
			      WINDOW_SIZE, &mock_gpu_ops, chunk_sizes,
			      ARRAY_SIZE(chunk_sizes));
	current->fail_nth = 0;
	*ignore = true;
	KUNIT_EXPECT_EQ(test, -ENOMEM, err);
	drm_gpusvm_fini(svm);
#else
	kunit_skip(test, "needs CONFIG_FAILSLAB and its debugfs");
#endif
}

/* The first of the two new ranges can be had, the second cannot. */
static struct drm_gpusvm_range *one_range_alloc(struct drm_gpusvm *svm)
{
	struct mock_gpu *gpu = container_of(svm, struct mock_gpu, svm);
	struct drm_gpusvm_range *range = mock_gpu_range_alloc(svm);

	gpu->fail_alloc = 1;
	return range;
}

static void half_a_split(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test, 1);
	struct mock_gpu *gpu = fx->gpus[0];
	struct drm_gpusvm_ops *ops = mock_ops(test);
	struct drm_gpusvm_range *range;

	KUNIT_EXPECT_EQ(test, 0, mock_gpu_fault(gpu, 0, true));
	KUNIT_EXPECT_EQ(test, 0, mock_munmap(fx, 4, 1));
	ops->range_alloc = one_range_alloc;
	gpu->svm.ops = ops;
	guard(mutex)(&gpu->lock);
	range = drm_gpusvm_collect_next(&gpu->svm);
	KUNIT_ASSERT_NOT_NULL(test, range);
	KUNIT_EXPECT_EQ(test, -ENOMEM, drm_gpusvm_range_split(&gpu->svm, range));
	/* It is as it was, and nobody is reminded */
	KUNIT_EXPECT_PTR_EQ(test, range,
			    drm_gpusvm_find_range(&gpu->svm, fx->addr,
						  fx->addr + 1));
	KUNIT_EXPECT_NULL(test, drm_gpusvm_collect_next(&gpu->svm));
	mock_gpu_remove(gpu, range);
}

/* Who is being killed does not wait until the memory comes to rest. */
static void killed_task_gives_up(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test, 1);
	struct mock_gpu *gpu = fx->gpus[0];

	KUNIT_ASSERT_EQ(test, 0, mock_dontneed(fx, 0, 1));
	set_vm_ops(fx, &restless_ops);
	allow_signal(SIGKILL);
	send_sig(SIGKILL, current, 1);
	KUNIT_EXPECT_EQ(test, -EINTR, mock_gpu_fault(gpu, 0, true));
	flush_signals(current);
	disallow_signal(SIGKILL);
	set_vm_ops(fx, NULL);
	mock_expect_mapped(fx, 0);
	KUNIT_EXPECT_EQ(test, 0, mock_gpu_fault(gpu, 0, true));
}

/* Without the mock of DMA */
static void addresses_are_those_of_dma(struct kunit *test)
{
	const struct drm_gpusvm_ctx ctx = {};
	struct mock_fixture *fx = fixture(test, 1);
	struct mock_gpu *gpu = fx->gpus[0];
	struct drm_gpusvm_range *range;
	struct page *page;

	if (dma_coerce_mask_and_coherent(gpu->drm->dev, DMA_BIT_MASK(64)))
		kunit_skip(test, "no DMA");
	kunit_deactivate_static_stub(test, drm_gpusvm_dma_map);
	kunit_deactivate_static_stub(test, drm_gpusvm_dma_unmap);
	KUNIT_ASSERT_EQ(test, 1, get_user_pages_fast(fx->addr, 1, FOLL_WRITE,
						     &page));
	put_page(page);
	guard(mutex)(&gpu->lock);
	range = drm_gpusvm_range_find_or_insert(&gpu->svm, fx->addr, fx->addr,
						mock_addr(fx, NR_PAGES), &ctx);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, range);
	KUNIT_ASSERT_EQ(test, 0,
			drm_gpusvm_range_get_pages(&gpu->svm, range, &ctx));
	KUNIT_EXPECT_EQ(test, page_to_phys(page), range->pages.dma_addr[0].addr);
	drm_gpusvm_range_remove(&gpu->svm, range);
	KUNIT_EXPECT_EQ(test, mock_gpu_count(gpu, DRM_GPUSVM_COUNT_MAP),
			mock_gpu_count(gpu, DRM_GPUSVM_COUNT_UNMAP));
}

static void userptr_of_no_memory(struct kunit *test)
{
	struct mock_fixture *fx = fixture(test, 1);
	struct mock_gpu *gpu = fx->gpus[0];
	struct uptr *uptr = kunit_kzalloc(test, sizeof(*uptr), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, uptr);
	drm_gpusvm_userptr_init(&uptr->base, &gpu->svm, gpu->drm, &uptr_ops);
	KUNIT_EXPECT_EQ(test, -EOVERFLOW,
			drm_gpusvm_userptr_insert(&uptr->base, fx->mm,
						  -PAGE_SIZE, 2 * PAGE_SIZE));
	drm_gpusvm_userptr_fini(&uptr->base);
}

static struct kunit_case drm_gpusvm_cases[] = {
	KUNIT_CASE_PARAM(interval_without, split_gen_params),
	KUNIT_CASE(interval_order),
	KUNIT_CASE(interval_top),
	KUNIT_CASE_PARAM(init_rejects, bad_init_gen_params),
	KUNIT_CASE(fault_takes_the_biggest_chunk),
	KUNIT_CASE(fault_stays_inside_the_vma),
	KUNIT_CASE(fault_stays_beside_other_ranges),
	KUNIT_CASE(fault_outside),
	KUNIT_CASE(fault_without_permission),
	KUNIT_CASE(write_after_read),
	KUNIT_CASE(device_files_fail_at_once),
	KUNIT_CASE(exact_across_windows),
	KUNIT_CASE(exact_over_several_vmas),
	KUNIT_CASE(two_devices_from_one_walk),
	KUNIT_CASE(failed_mapping_is_undone),
	KUNIT_CASE(failed_allocation_is_undone),
	KUNIT_CASE(failed_range_alloc),
	KUNIT_CASE(devmem_only),
	KUNIT_CASE_SLOW(retries_are_bounded),
	KUNIT_CASE(more_than_the_process_has_touched),
	KUNIT_CASE(each_operation_invalidates),
	KUNIT_CASE(flushes_overlap),
	KUNIT_CASE(nobody_returns_early),
	KUNIT_CASE(empty_pool),
	KUNIT_CASE(remove_waits_for_the_flush),
	KUNIT_CASE(exit_of_the_process),
	KUNIT_CASE(nonblockable_where_there_is_nothing),
	KUNIT_CASE_PARAM(partial_unmap, hole_gen_params),
	KUNIT_CASE(hole_is_mapped_again),
	KUNIT_CASE(debugfs_shows_ranges),
	KUNIT_CASE(userptr_pipeline),
	KUNIT_CASE(userptr_of_a_faulting_gpu),
	KUNIT_CASE(userptr_nothing_to_flush),
	KUNIT_CASE(userptr_concurrent_invalidations),
	KUNIT_CASE(userptr_forced),
	KUNIT_CASE(userptr_forced_meets_a_real_one),
	KUNIT_CASE(userptr_nonblockable),
	KUNIT_CASE(userptr_exit),
	KUNIT_CASE_SLOW(storm),
	KUNIT_CASE(failures_let_go_of_the_mm),
	KUNIT_CASE(failed_allocations_let_go_of_the_mm),
	KUNIT_CASE(waits_without_the_mmap_lock),
	KUNIT_CASE(userptr_read_only),
	KUNIT_CASE(invalidated_after_the_walk),
	KUNIT_CASE(hole_is_not_filled),
	KUNIT_CASE(unneeded_objects_come_back),
	KUNIT_CASE(ranges_without_an_allocator),
	KUNIT_CASE(end_of_the_address_space),
	KUNIT_CASE(init_without_memory),
	KUNIT_CASE(half_a_split),
	KUNIT_CASE(killed_task_gives_up),
	KUNIT_CASE(addresses_are_those_of_dma),
	KUNIT_CASE(userptr_of_no_memory),
	KUNIT_CASE(lockdep_is_still_on),
	{}
};

static struct kunit_suite drm_gpusvm_suite = {
	.name = "drm_gpusvm",
	.test_cases = drm_gpusvm_cases,
};

kunit_test_suite(drm_gpusvm_suite);
