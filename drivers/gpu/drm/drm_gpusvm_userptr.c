// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Memory of a process that is bound to a device, at whatever address there.
 */

#include <linux/build_bug.h>
#include <linux/export.h>

#include <drm/drm_gpusvm_userptr.h>

#include "drm_gpusvm_internal.h"

#define CREATE_TRACE_POINTS
#include "drm_gpusvm_userptr_trace.h"

/**
 * DOC: Userptr
 *
 * A &struct drm_gpusvm_userptr is embedded in what a driver has for each bind of
 * a process's memory. A device that faults gets the addresses when it does; one
 * that does not gets them before its work begins, which the driver then keeps
 * from running on void ones.
 *
 * An invalidation has up to three steps, each a pass of the notifier, so that no
 * device waits for that of another::
 *
 *                  pages valid                            pages not valid
 *                       |                                  (nothing to do)
 *                       v
 *     IDLE --- busy? --yes--> DRAINING        pass 1: ask the device to stop
 *      ^  \                      |
 *      |   no                 wait: stopped   pass 2
 *      |     \                   |
 *      |      +<-----------------+
 *      |      |
 *      |  start_flush --yes--> FLUSHING       passes 1 or 2: submit
 *      |      |                  |
 *      |      no              wait: flushed   pass 2 or 3
 *      |      |                  |
 *      +<-----+------------------+
 *        addresses unmapped
 *
 * There is one object for this in each userptr. An invalidation that comes when
 * another is under way does not return before the device is done either. It
 * goes the rest of the way itself, by the same steps: whoever is first changes the
 * state, the others find it changed. It cannot leave that to the first one,
 * whose task may have to wait for this one.
 *
 * The state is IDLE again before the first of the invalidations ends, and no pages
 * become valid before the last one does. So whoever finds pages that are valid finds
 * the object free.
 *
 * What an invalidation can meet of a userptr is one interval::
 *
 *      userptr         [==================]
 *      invalidated  |xxxxx|  |xx|      |xxxxx|       all of it is void
 *      beside    |xx|                        |xxx|   nothing happens
 *
 * There is nothing to split: the bind has the addresses that it has, and where they
 * are unmapped, drm_gpusvm_userptr_get_pages() says -EFAULT until something is mapped
 * there again.
 *
 * A driver whose device does not fault, but for the device::
 *
 *	struct driver_bind {
 *		struct drm_gpusvm_userptr userptr;
 *		struct driver_vm *vm;
 *		struct list_head repin;		// lock: the notifier lock
 *		struct dma_fence *stopped;	// of the work that uses it
 *		u32 seqno;
 *	};
 *
 *	static bool driver_busy(struct drm_gpusvm_userptr *userptr)
 *	{
 *		struct driver_bind *bind = to_driver_bind(userptr);
 *
 *		list_move_tail(&bind->repin, &bind->vm->repin);
 *		dma_fence_enable_sw_signaling(bind->stopped);
 *		return !dma_fence_is_signaled(bind->stopped);
 *	}
 *
 *	static bool driver_start_flush(struct drm_gpusvm_userptr *userptr)
 *	{
 *		struct driver_bind *bind = to_driver_bind(userptr);
 *
 *		if (!driver_zap_bind(bind))
 *			return false;
 *		bind->seqno = driver_tlb_flush_submit(bind->vm);
 *		return true;
 *	}
 *
 *	static void driver_wait(struct drm_gpusvm_userptr *userptr,
 *				enum drm_gpusvm_userptr_state state)
 *	{
 *		struct driver_bind *bind = to_driver_bind(userptr);
 *
 *		if (state == DRM_GPUSVM_USERPTR_DRAINING)
 *			dma_fence_wait(bind->stopped, false);
 *		else
 *			driver_tlb_flush_wait(bind->vm, bind->seqno);
 *	}
 *
 *	static const struct drm_gpusvm_userptr_ops driver_userptr_ops = {
 *		.busy = driver_busy,
 *		.start_flush = driver_start_flush,
 *		.wait = driver_wait,
 *	};
 *
 *	// At the bind, and for all that is to be repinned before work begins.
 *	int driver_pin(struct driver_bind *bind, bool read_only)
 *	{
 *		struct drm_gpusvm_userptr *userptr = &bind->userptr;
 *		struct drm_gpusvm *gpusvm = &bind->vm->gpusvm;
 *		int err, tries = 0;
 *
 *		do {
 *			err = drm_gpusvm_userptr_get_pages(userptr, read_only);
 *			if (err)
 *				return err;
 *			drm_gpusvm_notifier_lock(gpusvm);
 *			if (drm_gpusvm_userptr_pages_valid(userptr))
 *				driver_write_bind(bind, userptr->pages.dma_addr,
 *						  userptr->pages.nr_addr);
 *			else
 *				err = -EAGAIN;
 *			drm_gpusvm_notifier_unlock(gpusvm);
 *		} while (err == -EAGAIN && ++tries < DRIVER_MAX_TRIES);
 *		return err;
 *	}
 */

/* What two passes may cost, in memory of every userptr there is. */
struct one_pass_userptr {
	struct mmu_interval_notifier notifier;
	struct drm_gpusvm_pages pages;
	struct drm_gpusvm *gpusvm;
	const struct drm_gpusvm_userptr_ops *ops;
};

static_assert(sizeof(struct drm_gpusvm_userptr) <=
	      sizeof(struct one_pass_userptr) + 64);

/* Take the next step. The only place where the state changes. */
static void userptr_advance(struct drm_gpusvm_userptr *userptr)
{
	enum drm_gpusvm_userptr_state from = userptr->state;

	lockdep_assert_held_write(&userptr->gpusvm->notifier_lock);
	switch (from) {
	case DRM_GPUSVM_USERPTR_IDLE:
		if (userptr->ops->busy && userptr->ops->busy(userptr)) {
			userptr->state = DRM_GPUSVM_USERPTR_DRAINING;
			break;
		}
		fallthrough;
	case DRM_GPUSVM_USERPTR_DRAINING:
		if (userptr->ops->start_flush(userptr)) {
			userptr->state = DRM_GPUSVM_USERPTR_FLUSHING;
			break;
		}
		fallthrough;
	case DRM_GPUSVM_USERPTR_FLUSHING:
		drm_gpusvm_pages_unmap_stale(userptr->gpusvm, &userptr->pages);
		userptr->state = DRM_GPUSVM_USERPTR_IDLE;
		break;
	}
	trace_drm_gpusvm_userptr(userptr, from);
}

/* Wait for what @from waits for, and take the step after it unless it was taken. */
static enum drm_gpusvm_userptr_state
userptr_wait(struct drm_gpusvm_userptr *userptr,
	     enum drm_gpusvm_userptr_state from)
{
	struct drm_gpusvm *gpusvm = userptr->gpusvm;
	enum drm_gpusvm_userptr_state state;

	userptr->ops->wait(userptr, from);

	down_write(&gpusvm->notifier_lock);
	if (userptr->state == from)
		userptr_advance(userptr);
	state = userptr->state;
	up_write(&gpusvm->notifier_lock);
	return state;
}

static void userptr_settle(struct drm_gpusvm_userptr *userptr,
			   enum drm_gpusvm_userptr_state state)
{
	while (state != DRM_GPUSVM_USERPTR_IDLE)
		state = userptr_wait(userptr, state);
}

static bool userptr_start(struct mmu_interval_notifier *mni,
			  const struct mmu_notifier_range *mmu_range,
			  unsigned long cur_seq,
			  struct mmu_interval_notifier_finish **finish)
{
	struct drm_gpusvm_userptr *userptr =
		container_of(mni, struct drm_gpusvm_userptr, notifier);
	struct drm_gpusvm *gpusvm = userptr->gpusvm;
	enum drm_gpusvm_userptr_state before, after;
	bool blockable = mmu_notifier_range_blockable(mmu_range);

	if (blockable)
		down_write(&gpusvm->notifier_lock);
	else if (!down_write_trylock(&gpusvm->notifier_lock))
		return false;

	before = userptr->state;
	if (!blockable && (before != DRM_GPUSVM_USERPTR_IDLE ||
			   drm_gpusvm_pages_any(&userptr->pages))) {
		up_write(&gpusvm->notifier_lock);
		return false;
	}

	mmu_interval_set_seq(mni, cur_seq);
	if (drm_gpusvm_pages_stale(gpusvm, &userptr->pages))
		userptr_advance(userptr);
	after = userptr->state;
	up_write(&gpusvm->notifier_lock);

	if (before != DRM_GPUSVM_USERPTR_IDLE)
		userptr_settle(userptr, after);
	else if (after != DRM_GPUSVM_USERPTR_IDLE)
		*finish = &userptr->finish;
	return true;
}

static void userptr_finish(struct mmu_interval_notifier_finish *finish)
{
	struct drm_gpusvm_userptr *userptr =
		container_of(finish, struct drm_gpusvm_userptr, finish);
	enum drm_gpusvm_userptr_state state;

	down_read(&userptr->gpusvm->notifier_lock);
	state = userptr->state;
	up_read(&userptr->gpusvm->notifier_lock);

	/* One step, then it is the others' turn */
	if (state != DRM_GPUSVM_USERPTR_IDLE &&
	    userptr_wait(userptr, state) != DRM_GPUSVM_USERPTR_IDLE)
		mmu_interval_notifier_finish_again(finish);
}

static const struct mmu_interval_notifier_ops userptr_ops = {
	.invalidate_start = userptr_start,
	.invalidate_finish = userptr_finish,
};

/**
 * drm_gpusvm_userptr_init() - Make a userptr of nothing
 * @userptr: The userptr.
 * @gpusvm: The GPU VM, whose notifier lock it uses. It may have another mm, or
 *          none.
 * @drm: The device.
 * @ops: The driver's functions.
 */
void drm_gpusvm_userptr_init(struct drm_gpusvm_userptr *userptr,
			     struct drm_gpusvm *gpusvm, struct drm_device *drm,
			     const struct drm_gpusvm_userptr_ops *ops)
{
	*userptr = (struct drm_gpusvm_userptr) {
		.gpusvm = gpusvm,
		.ops = ops,
	};
	drm_gpusvm_pages_init(&userptr->pages, drm);
}
EXPORT_SYMBOL_GPL(drm_gpusvm_userptr_init);

/**
 * drm_gpusvm_userptr_insert() - Say which memory it is
 * @userptr: The userptr.
 * @mm: The process's memory.
 * @start: First byte, a multiple of the page size.
 * @size: How many bytes, a multiple of the page size.
 *
 * The driver's functions are called from here on.
 *
 * Context: May sleep and reclaim, takes mmap_lock.
 * Return: 0, or the error of mmu_interval_notifier_insert().
 */
int drm_gpusvm_userptr_insert(struct drm_gpusvm_userptr *userptr,
			      struct mm_struct *mm, unsigned long start,
			      unsigned long size)
{
	int err;

	err = mmu_interval_notifier_insert(&userptr->notifier, mm, start, size,
					   &userptr_ops);
	/* So that the end of it knows */
	if (err)
		userptr->notifier.mm = NULL;
	return err;
}
EXPORT_SYMBOL_GPL(drm_gpusvm_userptr_insert);

/**
 * drm_gpusvm_userptr_fini() - The end of a userptr
 * @userptr: The userptr, inserted or not.
 *
 * The device does not use it any more. Waits for invalidations.
 *
 * Context: May sleep. Must not be called with a lock held that is held in an
 * invalidation, like the mmap_lock.
 */
void drm_gpusvm_userptr_fini(struct drm_gpusvm_userptr *userptr)
{
	if (userptr->notifier.mm)
		mmu_interval_notifier_remove(&userptr->notifier);
	WARN_ON(userptr->state != DRM_GPUSVM_USERPTR_IDLE);
	drm_gpusvm_free_pages(userptr->gpusvm, &userptr->pages);
}
EXPORT_SYMBOL_GPL(drm_gpusvm_userptr_fini);

/**
 * drm_gpusvm_userptr_get_pages() - Get the addresses, if they are void
 * @userptr: The userptr.
 * @read_only: The device will not write.
 *
 * The addresses are those of system memory: what is in device memory is migrated
 * first.
 *
 * Context: As drm_gpusvm_get_pages(). The caller serialises this with itself and
 * with drm_gpusvm_userptr_force_invalidate().
 * Return: As drm_gpusvm_get_pages().
 */
int drm_gpusvm_userptr_get_pages(struct drm_gpusvm_userptr *userptr,
				 bool read_only)
{
	const struct drm_gpusvm_ctx ctx = { .read_only = read_only };
	struct interval_tree_node *node = &userptr->notifier.interval_tree;

	return drm_gpusvm_get_pages(userptr->gpusvm, &userptr->pages,
				    userptr->notifier.mm, &userptr->notifier,
				    node->start, node->last + 1, &ctx);
}
EXPORT_SYMBOL_GPL(drm_gpusvm_userptr_get_pages);

/**
 * drm_gpusvm_userptr_pages_valid() - Can the device use the addresses?
 * @userptr: The userptr.
 *
 * Context: Notifier lock. The answer is true for as long as it is held.
 * Return: Whether every device has its addresses.
 */
bool drm_gpusvm_userptr_pages_valid(struct drm_gpusvm_userptr *userptr)
{
	return drm_gpusvm_pages_valid(userptr->gpusvm, &userptr->pages);
}
EXPORT_SYMBOL_GPL(drm_gpusvm_userptr_pages_valid);

/**
 * drm_gpusvm_userptr_force_invalidate() - Invalidate for no reason
 * @userptr: The userptr.
 *
 * For tests: all that happens when the process unmaps its memory happens to the
 * userptr, but that the memory stays.
 *
 * Context: May sleep. The caller serialises this with
 * drm_gpusvm_userptr_get_pages(). Without the notifier lock.
 */
void drm_gpusvm_userptr_force_invalidate(struct drm_gpusvm_userptr *userptr)
{
	enum drm_gpusvm_userptr_state state;

	down_write(&userptr->gpusvm->notifier_lock);
	if (drm_gpusvm_pages_stale(userptr->gpusvm, &userptr->pages))
		userptr_advance(userptr);
	state = userptr->state;
	up_write(&userptr->gpusvm->notifier_lock);

	userptr_settle(userptr, state);
}
EXPORT_SYMBOL_GPL(drm_gpusvm_userptr_force_invalidate);
