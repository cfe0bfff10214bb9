/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
#ifndef _DRM_GPUSVM_INTERNAL_H_
#define _DRM_GPUSVM_INTERNAL_H_

#include <linux/dma-direction.h>
#include <linux/types.h>

struct device;
struct drm_gpusvm;
struct drm_gpusvm_pages;
struct page;

/* Between the files of the module */
bool drm_gpusvm_pages_stale(struct drm_gpusvm *gpusvm,
			    struct drm_gpusvm_pages *pages);
bool drm_gpusvm_pages_any(struct drm_gpusvm_pages *pages);
void drm_gpusvm_pages_unmap_stale(struct drm_gpusvm *gpusvm,
				  struct drm_gpusvm_pages *pages);

#if IS_ENABLED(CONFIG_KUNIT)
/* What a test replaces */
dma_addr_t drm_gpusvm_dma_map(struct device *dev, struct page *page,
			      unsigned int order, enum dma_data_direction dir);
void drm_gpusvm_dma_unmap(struct device *dev, dma_addr_t addr,
			  unsigned int order, enum dma_data_direction dir);

#endif

#endif
