/* SPDX-License-Identifier: MIT */
#ifndef _XE_SVM_H_
#define _XE_SVM_H_

#include <linux/errno.h>
#include <linux/types.h>

#include "xe_vm_types.h"

struct xe_tile;

#if IS_ENABLED(CONFIG_DRM_XE_GPUSVM)

/**
 * struct xe_svm_range - Memory of a process that the GPU has faulted in
 */
struct xe_svm_range {
	/** @base: The memory, and its pages. */
	struct drm_gpusvm_range base;

	/**
	 * @vma: The same as the page tables see it: what has &xe_vma.tile_present
	 * and is bound, zapped and unbound as any other, but is not in the VM's
	 * tree. Filled in before each bind; protected by &xe_vm.lock, and what an
	 * invalidation looks at by the notifier lock as well.
	 */
	struct xe_vma vma;
};

int xe_svm_init(struct xe_vm *vm);
void xe_svm_close(struct xe_vm *vm);
void xe_svm_fini(struct xe_vm *vm);
int xe_svm_handle_fault(struct xe_vm *vm, struct xe_vma *mirror,
			struct xe_tile *tile, u64 addr, bool write);
int xe_svm_prefetch(struct xe_vm *vm, struct xe_vma *mirror, u64 start,
		    u64 end);
bool xe_svm_has_ranges(struct xe_vm *vm, u64 start, u64 end);

static inline bool xe_svm_supported(void)
{
	return true;
}

/* The range of a VMA that is one, see xe_vma_is_svm_range(). */
static inline struct xe_svm_range *xe_vma_to_svm_range(struct xe_vma *vma)
{
	return container_of(vma, struct xe_svm_range, vma);
}

/* Where the page tables find the memory of such a VMA. */
static inline const struct drm_pagemap_addr *
xe_svm_range_dma_addr(struct xe_vma *vma)
{
	return xe_vma_to_svm_range(vma)->base.pages.dma_addr;
}

/* Can it be bound? The notifier lock is held. */
static inline bool xe_svm_range_pages_valid(struct xe_vm *vm,
					    struct xe_vma *vma)
{
	return drm_gpusvm_range_pages_valid(&vm->svm.gpusvm,
					    &xe_vma_to_svm_range(vma)->base);
}

static inline void xe_svm_notifier_lock(struct xe_vm *vm)
{
	drm_gpusvm_notifier_lock(&vm->svm.gpusvm);
}

static inline void xe_svm_notifier_unlock(struct xe_vm *vm)
{
	drm_gpusvm_notifier_unlock(&vm->svm.gpusvm);
}

static inline void xe_svm_assert_notifier_lock(struct xe_vm *vm)
{
	lockdep_assert_held(&vm->svm.gpusvm.notifier_lock);
}
#else
static inline int xe_svm_init(struct xe_vm *vm)
{
	return 0;
}

static inline void xe_svm_close(struct xe_vm *vm)
{
}

static inline void xe_svm_fini(struct xe_vm *vm)
{
}

static inline int xe_svm_handle_fault(struct xe_vm *vm, struct xe_vma *mirror,
				      struct xe_tile *tile, u64 addr, bool write)
{
	return -EOPNOTSUPP;
}

static inline int xe_svm_prefetch(struct xe_vm *vm, struct xe_vma *mirror,
				  u64 start, u64 end)
{
	return -EOPNOTSUPP;
}

static inline bool xe_svm_has_ranges(struct xe_vm *vm, u64 start, u64 end)
{
	return false;
}

static inline bool xe_svm_supported(void)
{
	return false;
}

static inline const struct drm_pagemap_addr *
xe_svm_range_dma_addr(struct xe_vma *vma)
{
	return NULL;
}

static inline bool xe_svm_range_pages_valid(struct xe_vm *vm,
					    struct xe_vma *vma)
{
	return false;
}

static inline void xe_svm_notifier_lock(struct xe_vm *vm)
{
}

static inline void xe_svm_notifier_unlock(struct xe_vm *vm)
{
}

static inline void xe_svm_assert_notifier_lock(struct xe_vm *vm)
{
}
#endif

#endif
