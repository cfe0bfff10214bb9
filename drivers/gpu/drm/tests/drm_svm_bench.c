// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * What drm_gpusvm and drm_pagemap cost.
 *
 * Each number is logged as "bench: NAME VALUE UNIT", and is to be compared with
 * others of the same run. It is that of the shortest of some rounds, as whatever else
 * the machine does only adds to them. A module, so that it runs where somebody wants
 * to know, and not among the tests.
 */

#include <kunit/device.h>
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/file.h>
#include <linux/ioport.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/mutex.h>
#include <linux/prandom.h>
#include <linux/sched.h>
#include <linux/shmem_fs.h>
#include <linux/sizes.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include <drm/drm_drv.h>
#include <drm/drm_gpusvm.h>
#include <drm/drm_pagemap.h>

#define ROUNDS		15
#define LOOKUPS		20000
#define SIZE		SZ_2M
#define NR_PAGES	(SIZE >> PAGE_SHIFT)
#define MAX_GPUS	8
/* A slow flush, so that the time it takes is not that of anything else */
#define FLUSH_US	5000

static const unsigned long chunk_sizes[] = { SIZE, PAGE_SIZE };

/* Of one thing */
struct times {
	unsigned int nr;
	u64 best_ns;
};

static void times_add(struct times *times, u64 start)
{
	u64 ns = ktime_get_ns() - start;

	if (!times->nr++ || ns < times->best_ns)
		times->best_ns = ns;
}

#define bench_log(value, unit, fmt, ...) \
	pr_info("bench: " fmt " %llu %s\n", ##__VA_ARGS__, (u64)(value), unit)

static void bench_log_rate(struct times *times, const char *name)
{
	bench_log(div64_u64(SIZE * 1000ULL, times->best_ns), "MB/s",
		  "%s", name);
}

/*
 * A GPU that has no page table, and takes its time to flush
 */

struct gpu {
	struct kunit *test;
	struct drm_gpusvm svm;
	struct drm_device drm;
	struct mutex lock; /* the driver's lock */
	unsigned int flush_us;
	bool one_pass;
};

struct gpu_finish {
	struct drm_gpusvm_finish base;
	ktime_t done;
};

static void gpu_wait(ktime_t done)
{
	s64 us = ktime_us_delta(done, ktime_get());

	if (us > 0)
		usleep_range(us, us + 50);
}

static bool gpu_invalidate_start(struct drm_gpusvm *svm,
				 struct drm_gpusvm_notifier *notifier,
				 const struct mmu_notifier_range *mmu_range,
				 struct drm_gpusvm_finish *base)
{
	struct gpu_finish *finish = container_of(base, struct gpu_finish, base);
	struct gpu *gpu = container_of(svm, struct gpu, svm);
	ktime_t done;

	if (!gpu->flush_us)
		return false;
	done = ktime_add_us(ktime_get(), gpu->flush_us);
	if (base && !gpu->one_pass)
		finish->done = done;
	else
		gpu_wait(done);
	return base && !gpu->one_pass;
}

static void gpu_invalidate_finish(struct drm_gpusvm *svm,
				  struct drm_gpusvm_finish *base)
{
	gpu_wait(container_of(base, struct gpu_finish, base)->done);
}

static const struct drm_gpusvm_ops gpu_ops = {
	.finish_size = sizeof(struct gpu_finish),
	.invalidate_start = gpu_invalidate_start,
	.invalidate_finish = gpu_invalidate_finish,
};

static void gpu_fini(void *data)
{
	struct gpu *gpu = data;

	guard(mutex)(&gpu->lock);
	drm_gpusvm_fini(&gpu->svm);
}

static struct device *bench_device(struct kunit *test, const char *name)
{
	struct device *dev = kunit_device_register(test, name);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dev);
	KUNIT_ASSERT_EQ(test, 0,
			dma_coerce_mask_and_coherent(dev, DMA_BIT_MASK(64)));
	return dev;
}

/* It shares all that can be shared. There is an address space by then. */
static struct gpu *gpu_create(struct kunit *test, unsigned int nr)
{
	struct gpu *gpu = kunit_kzalloc(test, sizeof(*gpu), GFP_KERNEL);
	char name[16];

	KUNIT_ASSERT_NOT_NULL(test, gpu);
	snprintf(name, sizeof(name), "bench-gpu%u", nr);
	gpu->test = test;
	gpu->drm.dev = bench_device(test, name);
	mutex_init(&gpu->lock);
	KUNIT_ASSERT_EQ(test, 0,
			drm_gpusvm_init(&gpu->svm, "bench", &gpu->drm,
					current->mm, 0, TASK_SIZE, SZ_512M,
					&gpu_ops, chunk_sizes,
					ARRAY_SIZE(chunk_sizes)));
	drm_gpusvm_driver_set_lock(&gpu->svm, &gpu->lock);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, gpu_fini, gpu));
	return gpu;
}

/* Make @nr ranges of @size, which follow each other. */
static void gpu_insert(struct gpu *gpu, unsigned long addr, unsigned long size,
		       unsigned long nr)
{
	const struct drm_gpusvm_ctx ctx = {};
	struct drm_gpusvm_range *range;
	unsigned long i;

	guard(mutex)(&gpu->lock);
	for (i = 0; i < nr; i++, addr += size) {
		range = drm_gpusvm_range_insert_exact(&gpu->svm, addr,
						      addr + size, &ctx);
		KUNIT_ASSERT_EQ(gpu->test, 0, PTR_ERR_OR_ZERO(range));
		cond_resched();
	}
}

static void gpu_get_pages(struct gpu *gpu, unsigned long addr, unsigned long end)
{
	const struct drm_gpusvm_ctx ctx = {};
	struct drm_gpusvm_range *range;

	guard(mutex)(&gpu->lock);
	for (; addr < end; addr = drm_gpusvm_range_end(range)) {
		range = drm_gpusvm_find_range(&gpu->svm, addr, addr + 1);
		KUNIT_ASSERT_NOT_NULL(gpu->test, range);
		KUNIT_ASSERT_EQ(gpu->test, 0,
				drm_gpusvm_range_get_pages(&gpu->svm, range,
							   &ctx));
	}
}

static void gpu_remove_all(struct gpu *gpu)
{
	struct drm_gpusvm_range *range;

	guard(mutex)(&gpu->lock);
	while ((range = drm_gpusvm_find_range(&gpu->svm, 0, ULONG_MAX)))
		drm_gpusvm_range_remove(&gpu->svm, range);
}

/*
 * Memory
 */

/* Anonymous memory at a multiple of SIZE. */
static unsigned long bench_mmap(struct kunit *test, unsigned long size)
{
	unsigned long addr;

	addr = kunit_vm_mmap(test, NULL, 0, size + SIZE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, 0);
	KUNIT_ASSERT_NE(test, 0, addr);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(addr));
	return ALIGN(addr, SIZE);
}

/* In an order that does not put neighbours into neighbouring frames. */
static void touch(struct kunit *test, unsigned long addr)
{
	unsigned long i, page;

	for (i = 0; i < NR_PAGES; i++) {
		page = i * 37 % NR_PAGES;
		KUNIT_ASSERT_EQ(test, 0,
				put_user(i, (int __user *)(addr + page * PAGE_SIZE)));
	}
}

/*
 * Ranges
 */

static const unsigned long lookup_params[] = { 10, 1000, 1000000 };

static void lookup_desc(const unsigned long *nr, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%lu ranges", *nr);
}

KUNIT_ARRAY_PARAM(lookup, lookup_params, lookup_desc);

static void bench_lookup(struct kunit *test)
{
	unsigned long nr = *(const unsigned long *)test->param_value;
	unsigned long addr = bench_mmap(test, nr * PAGE_SIZE), i, found = 0, at;
	struct gpu *gpu = gpu_create(test, 0);
	struct times times = {};
	struct rnd_state rnd;
	u64 start;

	gpu_insert(gpu, addr, PAGE_SIZE, nr);
	prandom_seed_state(&rnd, nr);
	guard(mutex)(&gpu->lock);
	while (times.nr < ROUNDS) {
		start = ktime_get_ns();
		for (i = 0; i < LOOKUPS; i++) {
			at = addr + prandom_u32_state(&rnd) % nr * PAGE_SIZE;
			found += !!drm_gpusvm_find_range(&gpu->svm, at, at + 1);
		}
		times_add(&times, start);
		cond_resched();
	}
	KUNIT_EXPECT_EQ(test, found, ROUNDS * LOOKUPS);
	bench_log(div64_u64(times.best_ns, LOOKUPS), "ns", "lookup-%lu",
		  nr);
}

/*
 * Pages
 */

static void use_huge_pages(unsigned long addr)
{
	struct mm_struct *mm = current->mm;

	mmap_write_lock(mm);
	vm_flags_set(find_vma(mm, addr), VM_HUGEPAGE);
	mmap_write_unlock(mm);
}

/* Time to get the pages of one range; how many addresses it has. */
static unsigned long get_pages(struct kunit *test, unsigned long addr,
			       struct times *times)
{
	struct gpu *gpu = gpu_create(test, 0);
	struct drm_gpusvm_range *range;
	u64 start;

	touch(test, addr);
	gpu_insert(gpu, addr, SIZE, 1);
	scoped_guard(mutex, &gpu->lock)
		range = drm_gpusvm_find_range(&gpu->svm, addr, addr + 1);
	while (times->nr < ROUNDS) {
		scoped_guard(mutex, &gpu->lock)
			drm_gpusvm_range_unmap_pages(&gpu->svm, range);
		start = ktime_get_ns();
		gpu_get_pages(gpu, addr, addr + SIZE);
		times_add(times, start);
	}
	return range->pages.nr_addr;
}

static void bench_get_pages_4k(struct kunit *test)
{
	struct times times = {};

	KUNIT_EXPECT_GT(test, get_pages(test, bench_mmap(test, SIZE), &times),
			NR_PAGES / 2);
	bench_log(times.best_ns, "ns", "get-pages-4k");
}

static void bench_get_pages_thp(struct kunit *test)
{
	unsigned long addr = bench_mmap(test, SIZE);
	struct times times = {};

	use_huge_pages(addr);
	KUNIT_EXPECT_EQ(test, get_pages(test, addr, &times), 1);
	bench_log(times.best_ns, "ns", "get-pages-thp");
}

/*
 * Device memory
 */

/**
 * struct vram - A device with one block of memory
 * @drm: The device.
 * @dpagemap: Its memory.
 * @pgmap: The struct pages of that.
 * @res: Where they are.
 * @backing: The RAM that plays the memory.
 * @devmem: The block.
 * @released: The block is free.
 * @destroyed: The memory is gone.
 */
struct vram {
	struct drm_device drm;
	struct drm_pagemap dpagemap;
	struct dev_pagemap pgmap;
	struct resource *res;
	void *backing;
	struct drm_pagemap_devmem devmem;
	struct completion released;
	struct completion destroyed;
};

/* Page by page, as the frames of RAM are where they are. */
static int vram_copy(struct page **pages, struct drm_pagemap_addr *addr,
		     unsigned long npages, bool to_ram)
{
	unsigned long i, k, n, first;
	struct vram *vram;
	void *ours, *ram;

	for (i = 0; i < npages; i += n) {
		n = 1UL << addr[i].order;
		if (!pages[i])
			continue;
		vram = container_of(pages[i]->pgmap, struct vram, pgmap);
		first = page_to_pfn(pages[i]) - PHYS_PFN(vram->res->start);
		for (k = 0; k < n; k++) {
			ours = vram->backing + (first + k) * PAGE_SIZE;
			ram = phys_to_virt(addr[i].addr) + k * PAGE_SIZE;
			copy_page(to_ram ? ram : ours, to_ram ? ours : ram);
		}
	}
	return 0;
}

static int vram_to_devmem(struct drm_pagemap_devmem *devmem, struct page **pages,
			  struct drm_pagemap_addr *addr, unsigned long npages)
{
	return vram_copy(pages, addr, npages, false);
}

static int vram_to_ram(struct drm_pagemap_devmem *devmem, struct page **pages,
		       struct drm_pagemap_addr *addr, unsigned long npages)
{
	return vram_copy(pages, addr, npages, true);
}

static int vram_pfns(struct drm_pagemap_devmem *devmem, unsigned long first,
		     unsigned long npages, unsigned long *pfns)
{
	struct vram *vram = container_of(devmem, struct vram, devmem);
	unsigned long i;

	for (i = 0; i < npages; i++)
		pfns[i] = PHYS_PFN(vram->res->start) + first + i;
	return 0;
}

static void vram_release(struct drm_pagemap_devmem *devmem)
{
	complete(&container_of(devmem, struct vram, devmem)->released);
}

static const struct drm_pagemap_devmem_ops vram_devmem_ops = {
	.owner = THIS_MODULE,
	.devmem_release = vram_release,
	.populate_devmem_pfns = vram_pfns,
	.copy_to_devmem = vram_to_devmem,
	.copy_to_ram = vram_to_ram,
};

/* No GPU uses it here */
static struct drm_pagemap_addr
vram_device_map(struct drm_pagemap *dpagemap, struct device *dev,
		struct page *page, unsigned int order,
		enum dma_data_direction dir)
{
	return drm_pagemap_addr_encode(DMA_MAPPING_ERROR,
				       DRM_INTERCONNECT_DRIVER, order, dir);
}

static void vram_destroy(struct drm_pagemap *dpagemap)
{
	struct vram *vram = container_of(dpagemap, struct vram, dpagemap);

	memunmap_pages(&vram->pgmap);
	release_mem_region(vram->res->start, resource_size(vram->res));
	complete(&vram->destroyed);
}

static const struct drm_pagemap_ops vram_ops = {
	.device_map = vram_device_map,
	.destroy = vram_destroy,
};

static const struct drm_driver vram_driver = { .name = "bench" };

static void vram_free(void *data)
{
	vfree(data);
}

static void *bench_vmalloc(struct kunit *test)
{
	void *mem = vzalloc(SIZE);

	KUNIT_ASSERT_NOT_NULL(test, mem);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, vram_free, mem));
	return mem;
}

/* Pages that are still out come back, or are freed with the address space. */
static void vram_fini(void *data)
{
	struct vram *vram = data;

	drm_pagemap_devmem_put(&vram->devmem);
	wait_for_completion(&vram->released);
	drm_pagemap_put(&vram->dpagemap);
	wait_for_completion(&vram->destroyed);
}

static struct vram *vram_create(struct kunit *test)
{
	struct device *dev = bench_device(test, "bench-vram");
	struct vram *vram;

	vram = devm_drm_dev_alloc(dev, &vram_driver, struct vram, drm);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, vram);
	init_completion(&vram->released);
	init_completion(&vram->destroyed);
	vram->backing = bench_vmalloc(test);
	vram->res = request_free_mem_region(&iomem_resource, SIZE, "bench");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, vram->res);
	vram->pgmap.range.start = vram->res->start;
	vram->pgmap.range.end = vram->res->end;
	vram->pgmap.nr_range = 1;
	vram->pgmap.type = MEMORY_DEVICE_PRIVATE;
	vram->pgmap.ops = drm_pagemap_pagemap_ops_get();
	vram->pgmap.owner = vram;
	KUNIT_ASSERT_FALSE(test, IS_ERR(memremap_pages(&vram->pgmap,
						       numa_node_id())));
	KUNIT_ASSERT_EQ(test, 0, drm_pagemap_init(&vram->dpagemap, &vram->pgmap,
						  &vram->drm, &vram_ops));
	KUNIT_ASSERT_EQ(test, 0,
			drm_pagemap_devmem_init(&vram->devmem, dev,
						&vram->dpagemap,
						&vram_devmem_ops, NR_PAGES,
						NULL));
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, vram_fini, vram));
	return vram;
}

static void bench_memcpy(struct kunit *test)
{
	void *from = bench_vmalloc(test), *to = bench_vmalloc(test);
	struct times times = {};
	u64 start;

	while (times.nr < ROUNDS) {
		start = ktime_get_ns();
		memcpy(to, from, SIZE);
		times_add(&times, start);
	}
	bench_log_rate(&times, "memcpy");
}

static void bench_migrate(struct kunit *test)
{
	const struct drm_pagemap_migrate_details details = {};
	unsigned long addr = bench_mmap(test, SIZE);
	struct vram *vram = vram_create(test);
	struct times there = {}, back = {};
	struct mm_struct *mm = current->mm;
	u64 start;
	long ret;

	touch(test, addr);
	while (back.nr < ROUNDS) {
		start = ktime_get_ns();
		mmap_read_lock(mm);
		ret = drm_pagemap_migrate_to_devmem(&vram->devmem, mm, addr,
						    addr + SIZE, &details);
		mmap_read_unlock(mm);
		times_add(&there, start);
		KUNIT_ASSERT_EQ(test, ret, NR_PAGES);

		start = ktime_get_ns();
		KUNIT_ASSERT_EQ(test, 0,
				drm_pagemap_evict_to_ram(&vram->devmem));
		times_add(&back, start);
	}
	bench_log_rate(&there, "migrate-to-device");
	bench_log_rate(&back, "migrate-to-ram");
}

/*
 * Invalidations
 */

static void bench_fput(void *data)
{
	fput(data);
}

/* Time to take the pages of a file away from the process, and from @gpu. */
static u64 unmap_file(struct kunit *test, struct file *file, unsigned long addr,
		      struct gpu *gpu)
{
	struct times times = {};
	u64 start;

	while (times.nr < ROUNDS) {
		touch(test, addr);
		if (gpu)
			gpu_get_pages(gpu, addr, addr + SIZE);
		start = ktime_get_ns();
		unmap_mapping_range(file->f_mapping, 0, SIZE, 1);
		times_add(&times, start);
	}
	return times.best_ns;
}

static void bench_invalidate(struct kunit *test)
{
	u64 none, one, many;
	unsigned long addr;
	struct file *file;
	struct gpu *gpu;

	file = shmem_file_setup("bench", SIZE, VM_NORESERVE);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, file);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, bench_fput, file));
	addr = kunit_vm_mmap(test, file, 0, SIZE, PROT_READ | PROT_WRITE,
			     MAP_SHARED, 0);
	KUNIT_ASSERT_NE(test, 0, addr);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(addr));
	gpu = gpu_create(test, 0);

	none = unmap_file(test, file, addr, NULL);
	gpu_insert(gpu, addr, SIZE, 1);
	one = unmap_file(test, file, addr, gpu);
	gpu_remove_all(gpu);
	gpu_insert(gpu, addr, PAGE_SIZE, NR_PAGES);
	many = unmap_file(test, file, addr, gpu);

	KUNIT_EXPECT_GT(test, one, none);
	KUNIT_EXPECT_GT(test, many, none);
	bench_log(none, "ns", "unmap-file");
	bench_log(one - none, "ns", "invalidate-1");
	bench_log(many - none, "ns", "invalidate-512");
	bench_log(div64_u64(many - none, NR_PAGES), "ns", "invalidate-each");
}

/* What munmap() takes with the first @nr of the GPUs, each with a range there. */
static void time_munmap(struct kunit *test, struct gpu **gpus, unsigned int nr,
			bool one_pass, struct times *times)
{
	unsigned long addr = bench_mmap(test, SIZE);
	unsigned int i;
	u64 start;

	for (i = 0; i < nr; i++) {
		gpus[i]->one_pass = one_pass;
		gpu_insert(gpus[i], addr, SZ_64K, 1);
		gpu_get_pages(gpus[i], addr, addr + SZ_64K);
	}
	start = ktime_get_ns();
	vm_munmap(addr, SZ_64K);
	times_add(times, start);
	for (i = 0; i < nr; i++)
		gpu_remove_all(gpus[i]);
}

static void bench_passes(struct kunit *test)
{
	struct gpu *gpus[MAX_GPUS];
	unsigned int i, nr;

	bench_mmap(test, SIZE);
	for (i = 0; i < MAX_GPUS; i++) {
		gpus[i] = gpu_create(test, i);
		gpus[i]->flush_us = FLUSH_US;
	}
	for (nr = 1; nr <= MAX_GPUS; nr *= 2) {
		struct times one = {}, two = {};

		while (two.nr < ROUNDS) {
			time_munmap(test, gpus, nr, true, &one);
			time_munmap(test, gpus, nr, false, &two);
		}
		bench_log(div64_u64(one.best_ns, 1000), "us",
			  "one-pass-%u", nr);
		bench_log(div64_u64(two.best_ns, 1000), "us",
			  "two-pass-%u", nr);
	}
}

static struct kunit_case bench_cases[] = {
	KUNIT_CASE_PARAM(bench_lookup, lookup_gen_params),
	KUNIT_CASE(bench_get_pages_4k),
	KUNIT_CASE(bench_get_pages_thp),
	KUNIT_CASE(bench_memcpy),
	KUNIT_CASE(bench_migrate),
	KUNIT_CASE(bench_invalidate),
	KUNIT_CASE(bench_passes),
	{}
};

static struct kunit_suite bench_suite = {
	.name = "drm_svm_bench",
	.test_cases = bench_cases,
};

kunit_test_suite(bench_suite);

MODULE_DESCRIPTION("Benchmark of drm_gpusvm and drm_pagemap");
MODULE_LICENSE("Dual MIT/GPL");
