/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
#ifndef _DRM_PAGEMAP_INTERNAL_H_
#define _DRM_PAGEMAP_INTERNAL_H_

#include <linux/dma-direction.h>
#include <linux/types.h>

#include <kunit/visibility.h>

struct device;
struct page;
struct vm_area_struct;

/* The steps that KUnit makes fail, or hooks into */
#if IS_ENABLED(CONFIG_KUNIT)
struct page *drm_pagemap_alloc_ram(gfp_t gfp, struct vm_area_struct *vma,
				   unsigned long addr);
dma_addr_t drm_pagemap_dma_map(struct device *dev, struct page *page,
			       unsigned int order, enum dma_data_direction dir);
void drm_pagemap_dma_unmap(struct device *dev, dma_addr_t addr,
			   unsigned int order, enum dma_data_direction dir);
void *drm_pagemap_alloc_batch(unsigned long npages, gfp_t gfp);
void drm_pagemap_page_moved(struct page *page);
#endif

#endif
