/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
#ifndef _DRM_GPUSVM_USERPTR_H_
#define _DRM_GPUSVM_USERPTR_H_

#include <linux/mmu_notifier.h>

#include <drm/drm_gpusvm.h>

struct drm_gpusvm_userptr;

/**
 * enum drm_gpusvm_userptr_state - Where the invalidation of a userptr is
 * @DRM_GPUSVM_USERPTR_IDLE: There is none that the device is not done with.
 * @DRM_GPUSVM_USERPTR_DRAINING: The device is to stop using the memory.
 * @DRM_GPUSVM_USERPTR_FLUSHING: The device is to forget its translations.
 *
 * The section "Userptr" has the diagram.
 */
enum drm_gpusvm_userptr_state {
	DRM_GPUSVM_USERPTR_IDLE,
	DRM_GPUSVM_USERPTR_DRAINING,
	DRM_GPUSVM_USERPTR_FLUSHING,
};

/**
 * struct drm_gpusvm_userptr_ops - What a driver does to invalidate a userptr
 */
struct drm_gpusvm_userptr_ops {
	/**
	 * @busy: Take note that the addresses are void, so that they are got
	 * again before the next use, and make the device begin to stop using
	 * them. Return whether it may not have stopped yet. Optional, for devices
	 * that do not fault.
	 *
	 * Context: Notifier lock for writing, in a path of reclaim.
	 */
	bool (*busy)(struct drm_gpusvm_userptr *userptr);

	/**
	 * @start_flush: Remove the page table entries, and submit the flushes
	 * that make the device forget its translations. Return whether there is
	 * one to wait for. Called when the device has stopped.
	 *
	 * Context: Notifier lock for writing, in a path of reclaim.
	 */
	bool (*start_flush)(struct drm_gpusvm_userptr *userptr);

	/**
	 * @wait: Wait until the device has stopped, where @state is
	 * DRM_GPUSVM_USERPTR_DRAINING, or has flushed, where it is
	 * DRM_GPUSVM_USERPTR_FLUSHING. Called by several tasks at a time where
	 * invalidations overlap, and also when that has long been so. Must get
	 * there by itself also when the device is reset or gone.
	 *
	 * Context: In a path of reclaim.
	 */
	void (*wait)(struct drm_gpusvm_userptr *userptr,
		     enum drm_gpusvm_userptr_state state);
};

/**
 * struct drm_gpusvm_userptr - Memory of a process that is bound to a device
 */
struct drm_gpusvm_userptr {
	/** @notifier: The subscription, with the addresses. */
	struct mmu_interval_notifier notifier;

	/** @finish: For the later passes. In use unless @state is idle. */
	struct mmu_interval_notifier_finish finish;

	/** @pages: The addresses for the device. */
	struct drm_gpusvm_pages pages;

	/** @gpusvm: The GPU VM. */
	struct drm_gpusvm *gpusvm;

	/** @ops: The driver's functions. */
	const struct drm_gpusvm_userptr_ops *ops;

	/**
	 * @state: How far the invalidation is. Write: notifier lock for writing.
	 * Read: notifier lock.
	 */
	enum drm_gpusvm_userptr_state state;
};

void drm_gpusvm_userptr_init(struct drm_gpusvm_userptr *userptr,
			     struct drm_gpusvm *gpusvm, struct drm_device *drm,
			     const struct drm_gpusvm_userptr_ops *ops);
int drm_gpusvm_userptr_insert(struct drm_gpusvm_userptr *userptr,
			      struct mm_struct *mm, unsigned long start,
			      unsigned long size);
void drm_gpusvm_userptr_fini(struct drm_gpusvm_userptr *userptr);
int drm_gpusvm_userptr_get_pages(struct drm_gpusvm_userptr *userptr,
				 bool read_only);
bool drm_gpusvm_userptr_pages_valid(struct drm_gpusvm_userptr *userptr);
void drm_gpusvm_userptr_force_invalidate(struct drm_gpusvm_userptr *userptr);

#endif
