// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Device memory for the tests of drm_pagemap.
 *
 * It is RAM behind device-private pages, full of noise at first, so that a page
 * that nobody filled is seen. Each step of a migration can be made to fail.
 */

#include <kunit/device.h>
#include <kunit/test.h>
#include <linux/cleanup.h>
#include <linux/dma-mapping.h>
#include <linux/highmem.h>
#include <linux/slab.h>

#include <drm/drm_drv.h>

#include "drm_svm_mock.h"

static struct mock_vram *page_vram(struct page *dpage)
{
	return container_of(dpage->pgmap, struct mock_vram, pgmap);
}

struct page *mock_vram_backing(struct page *dpage)
{
	struct mock_vram *vram = page_vram(dpage);

	return vram->backing[page_to_pfn(dpage) -
			     PHYS_PFN(vram->pgmap.range.start)];
}

/* What @addr + @i is, as the device sees it */
static struct page *other_side(struct drm_pagemap_addr addr, unsigned long i)
{
	if (addr.proto == DRM_INTERCONNECT_DRIVER)
		return mock_vram_backing(pfn_to_page(PHYS_PFN(addr.addr) + i));

	/* Without the offset where a case goes without the stubs */
	return pfn_to_page(PHYS_PFN(addr.addr & ~MOCK_DMA_OFFSET) + i);
}

static int block_copy(struct mock_block *block, struct page **pages,
		      struct drm_pagemap_addr *addr, unsigned long npages,
		      bool to_ram)
{
	unsigned long i, k;

	atomic_inc(&block->copies);
	for (i = 0; i < npages; i++) {
		if (!pages[i])
			continue;
		atomic_inc(&block->runs);
		for (k = 0; k < 1UL << addr[i].order; k++) {
			struct page *ours = mock_vram_backing(pages[i + k]);
			struct page *other = other_side(addr[i], k);

			if (to_ram)
				copy_highpage(other, ours);
			else
				copy_highpage(ours, other);
			atomic_inc(&block->copied);
		}
		i += (1UL << addr[i].order) - 1;
	}

	return 0;
}

static int block_fail(struct mock_block *block, int err)
{
	if (!err || !block->fails)
		return 0;
	if (block->fails > 0)
		block->fails--;

	return err;
}

static struct mock_block *to_block(struct drm_pagemap_devmem *devmem)
{
	return container_of(devmem, struct mock_block, devmem);
}

static int block_to_devmem(struct drm_pagemap_devmem *devmem,
			   struct page **pages, struct drm_pagemap_addr *addr,
			   unsigned long npages)
{
	struct mock_block *block = to_block(devmem);
	int err = block_fail(block, block->fail_to_devmem);

	return err ?: block_copy(block, pages, addr, npages, false);
}

static int block_to_ram(struct drm_pagemap_devmem *devmem, struct page **pages,
			struct drm_pagemap_addr *addr, unsigned long npages)
{
	struct mock_block *block = to_block(devmem);
	int err = block_fail(block, block->fail_to_ram);

	if (block->hold) {
		complete(&block->held);
		wait_for_completion_timeout(&block->go, MOCK_HANG);
	}
	return err ?: block_copy(block, pages, addr, npages, true);
}

static int block_pfns(struct drm_pagemap_devmem *devmem, unsigned long first,
		      unsigned long npages, unsigned long *pfns)
{
	struct mock_block *block = to_block(devmem);
	unsigned long i, base = PHYS_PFN(block->vram->pgmap.range.start) +
				block->first;
	int err = block_fail(block, block->fail_pfns);

	for (i = 0; i < npages && !err; i++)
		pfns[i] = base + (block->scattered ?
				  devmem->npages - 1 - first - i : first + i);

	return err;
}

static void block_release(struct drm_pagemap_devmem *devmem)
{
	struct mock_block *block = to_block(devmem);

	if (!block->temporary) {
		complete(&block->released);
		return;
	}
	scoped_guard(spinlock, &block->vram->lock)
		list_del(&block->link);
	kfree(block);
}

static const struct drm_pagemap_devmem_ops block_ops = {
	.owner = THIS_MODULE,
	.devmem_release = block_release,
	.populate_devmem_pfns = block_pfns,
	.copy_to_devmem = block_to_devmem,
	.copy_to_ram = block_to_ram,
};

static bool vram_reachable(struct mock_vram *vram)
{
	if (vram->unreachable)
		return false;
	return !atomic_read(&vram->fail_map) ||
	       !atomic_dec_and_test(&vram->fail_map);
}

static atomic_t *vram_maps(struct mock_vram *vram, struct device *dev)
{
	return dev == vram->drm.dev ? &vram->own_maps : &vram->peer_maps;
}

static struct drm_pagemap_addr
vram_device_map(struct drm_pagemap *dpagemap, struct device *dev,
		struct page *page, unsigned int order,
		enum dma_data_direction dir)
{
	struct mock_vram *vram = container_of(dpagemap, struct mock_vram, dpagemap);
	dma_addr_t addr = PFN_PHYS(page_to_pfn(page));

	if (vram_reachable(vram))
		atomic_add(1 << order, vram_maps(vram, dev));
	else
		addr = DMA_MAPPING_ERROR;

	return drm_pagemap_addr_encode(addr, DRM_INTERCONNECT_DRIVER, order,
				       dir);
}

static void vram_device_unmap(struct drm_pagemap *dpagemap, struct device *dev,
			      struct drm_pagemap_addr addr)
{
	struct mock_vram *vram = container_of(dpagemap, struct mock_vram, dpagemap);
	struct mock_fixture *fx = mock_current();
	unsigned int uses = mock_gpu_uses(fx, dev, addr.addr, addr.order);

	atomic_sub(1 << addr.order, vram_maps(vram, dev));
	spin_lock(&fx->lock);
	fx->early += uses;
	spin_unlock(&fx->lock);
}

static void vram_destroy(struct drm_pagemap *dpagemap)
{
	struct mock_vram *vram = container_of(dpagemap, struct mock_vram, dpagemap);

	memunmap_pages(&vram->pgmap);
	release_mem_region(vram->res->start, resource_size(vram->res));
	complete(&vram->destroyed);
}

static const struct drm_pagemap_ops vram_ops = {
	.device_map = vram_device_map,
	.device_unmap = vram_device_unmap,
	.destroy = vram_destroy,
};

static const struct drm_driver vram_driver = { .name = "vram" };

static void vram_free(void *data)
{
	struct mock_vram *vram = data;
	struct mock_block *block, *next;
	unsigned long i;

	for (i = 0; i < MOCK_VRAM_PAGES && vram->backing[i]; i++)
		__free_page(vram->backing[i]);
	list_for_each_entry_safe(block, next, &vram->blocks, link)
		kfree(block);
}

/* The mm of the test may still be exiting: then its pages keep the pagemap. */
void mock_vram_fini(void *data)
{
	struct mock_vram *vram = data;

	drm_pagemap_put(&vram->dpagemap);
	KUNIT_EXPECT_NE_MSG(vram->test, 0,
			    wait_for_completion_timeout(&vram->destroyed,
							MOCK_HANG),
			    "the pagemap was not destroyed");
	KUNIT_EXPECT_EQ(vram->test, 0, atomic_read(&vram->own_maps));
	KUNIT_EXPECT_EQ(vram->test, 0, atomic_read(&vram->peer_maps));
}

void mock_noise(struct page *page)
{
	u32 *p = kmap_local_page(page);

	memset32(p, MOCK_NOISE, PAGE_SIZE / sizeof(*p));
	kunmap_local(p);
}

struct mock_vram *mock_vram_create(struct kunit *test, const char *name,
				   void *owner)
{
	struct device *dev = kunit_device_register(test, name);
	struct mock_vram *vram;
	unsigned long i;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dev);
	KUNIT_ASSERT_EQ(test, 0,
			dma_coerce_mask_and_coherent(dev, DMA_BIT_MASK(64)));
	vram = devm_drm_dev_alloc(dev, &vram_driver, struct mock_vram, drm);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, vram);
	vram->test = test;
	init_completion(&vram->destroyed);
	spin_lock_init(&vram->lock);
	INIT_LIST_HEAD(&vram->blocks);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, vram_free, vram));
	for (i = 0; i < MOCK_VRAM_PAGES; i++) {
		vram->backing[i] = alloc_page(GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, vram->backing[i]);
		mock_noise(vram->backing[i]);
	}

	vram->res = request_free_mem_region(&iomem_resource,
					    MOCK_VRAM_PAGES * PAGE_SIZE, "vram");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, vram->res);
	vram->pgmap.range.start = vram->res->start;
	vram->pgmap.range.end = vram->res->end;
	vram->pgmap.nr_range = 1;
	vram->pgmap.type = MEMORY_DEVICE_PRIVATE;
	vram->pgmap.ops = drm_pagemap_pagemap_ops_get();
	vram->pgmap.owner = owner ?: vram;
	KUNIT_ASSERT_FALSE(test, IS_ERR(memremap_pages(&vram->pgmap,
						       numa_node_id())));
	KUNIT_ASSERT_EQ(test, 0, drm_pagemap_init(&vram->dpagemap, &vram->pgmap,
						  &vram->drm, &vram_ops));
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, mock_vram_fini, vram));
	return vram;
}

struct mock_block *mock_block_try_create(struct mock_vram *vram,
					 unsigned long first,
					 unsigned long npages,
					 struct dma_fence *fence)
{
	struct mock_block *block = kzalloc(sizeof(*block), GFP_KERNEL);

	if (!block)
		return NULL;
	block->vram = vram;
	block->first = first;
	block->fails = -1;
	init_completion(&block->held);
	init_completion(&block->go);
	init_completion(&block->released);
	if (drm_pagemap_devmem_init(&block->devmem, vram->drm.dev,
				    &vram->dpagemap, &block_ops, npages,
				    fence)) {
		kfree(block);
		return NULL;
	}
	spin_lock(&vram->lock);
	list_add(&block->link, &vram->blocks);
	spin_unlock(&vram->lock);
	return block;
}

struct mock_block *mock_block_create(struct mock_vram *vram, unsigned long first,
				     unsigned long npages,
				     struct dma_fence *fence)
{
	struct mock_block *block;

	block = mock_block_try_create(vram, first, npages, fence);
	KUNIT_ASSERT_NOT_NULL(vram->test, block);
	return block;
}

/* The caller wants no more of it. It is released once no page is in use. */
void mock_block_put(struct mock_block *block)
{
	drm_pagemap_devmem_put(&block->devmem);
}

void mock_block_expect_released(struct mock_block *block)
{
	KUNIT_EXPECT_NE(block->vram->test, 0,
			wait_for_completion_timeout(&block->released, MOCK_HANG));
}

long mock_migrate_range(struct mock_fixture *fx, struct mock_block *block,
			unsigned long first, unsigned long end,
			struct drm_pagemap_migrate_details details)
{
	struct mm_struct *mm = current->mm;
	long ret;

	mmap_read_lock(mm);
	ret = drm_pagemap_migrate_to_devmem(&block->devmem, mm,
					    mock_addr(fx, first),
					    mock_addr(fx, end), &details);
	mmap_read_unlock(mm);
	return ret;
}
