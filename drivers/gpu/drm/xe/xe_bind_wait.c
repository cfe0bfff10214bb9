// SPDX-License-Identifier: MIT
/*
 * Binds that their ioctl waits for.
 */

#include "xe_bind_wait.h"

#include <linux/atomic.h>
#include <linux/dma-fence.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/xarray.h>

#include <drm/drm_print.h>
#include <uapi/drm/xe_drm.h>

#include "xe_device_types.h"
#include "xe_exec_queue.h"
#include "xe_macros.h"
#include "xe_vm.h"

/**
 * DOC: Synchronous binds
 *
 * &DRM_IOCTL_XE_VM_BIND returns when a bind is queued. With
 * %DRM_XE_SYNCS_FLAG_WAIT_FOR_OP it returns when the bind is done: page tables are
 * written and TLBs flushed, and whatever the process does next finds it so. That is
 * a choice of each call. It needs no sync object, and the calls on a queue can be
 * mixed as one likes, for they take effect in their order.
 *
 * ::
 *
 *	      cookie is set           wait for what is queued, without a lock
 *	ioctl -------------+          |             +-- signal: nothing was done,
 *	  |                |          v             |   -ERESTARTSYS
 *	  +-- cookie is 0, or there is none --------+
 *	                   |          |
 *	                   |          v
 *	                   |      lock, look again, commit, unlock
 *	                   |          |
 *	                   v          v
 *	                  wait for the bind --------+-- signal: the cookie is set,
 *	                              |             |   -ERESTARTSYS
 *	                              v
 *	                      0, or the bind's error; the cookie is 0
 *
 * A bind that waits for the GPU first would make others wait for the VM's lock. So
 * what is queued before it is waited for without that lock, and interruptibly: a
 * call that is interrupted there is repeated as if it had never been made. What
 * others queue meanwhile is waited for as well, but not more often than
 * XE_BIND_WAIT_TRIES times.
 *
 * After the commit the bind cannot be taken back, and a call that is repeated must
 * not do it twice. Without a cookie the wait is not interruptible; the fence of a
 * bind signals in finite time, and with an error if the device is lost. With a
 * cookie, which is a &__u64 in the process's memory, it is interruptible: the number
 * of the bind is stored there, and a call that finds one only waits for it. A number
 * is used once, and is good for the VM and the queue that it was given for. With the
 * end of the bind the cookie is zero again, as it has to be for the next one.
 *
 * What was interrupted and never repeated is forgotten with the VM. Who
 * leaves more than XE_BIND_WAIT_MAX_PENDING of these behind is not interrupted any
 * more.
 *
 * If the VM is closed or banned before the commit, the call fails with -ENOENT. A
 * wait for what is committed goes on to the end of the bind.
 *
 * Calls without a bind do nothing, in their order: with syncs they are a barrier on
 * the GPU's side, with %DRM_XE_SYNCS_FLAG_WAIT_FOR_OP one for the process.
 * Their out-syncs are sync objects: a user fence is rejected with -EOPNOTSUPP, and so
 * it is where &DRM_IOCTL_XE_EXEC has no batch buffer.
 */

#define XE_BIND_WAIT_TRIES		8
#define XE_BIND_WAIT_MAX_PENDING	256

/**
 * struct xe_bind_pending - A bind that was committed, and its wait interrupted
 * @cookie: Its number, the index in &xe_vm.bind_pending.
 * @q: Its queue, NULL for the VM's own. A reference is held.
 * @fence: Signals when it is done. A reference is held.
 */
struct xe_bind_pending {
	unsigned long cookie;
	struct xe_exec_queue *q;
	struct dma_fence *fence;
};

/* Numbers are unique among all VMs, so that one of another VM is never found */
static atomic_long_t last_cookie = ATOMIC_LONG_INIT(0);

static void pending_free(struct xe_vm *vm, struct xe_bind_pending *pending)
{
	if (pending->q)
		xe_exec_queue_put(pending->q);
	dma_fence_put(pending->fence);
	kfree(pending);
	atomic_dec(&vm->nr_bind_pending);
}

/* To be called with the VM locked. */
static int get_last_fence(struct xe_vm *vm, struct xe_exec_queue *q,
			  struct dma_fence **fence)
{
	int err;

	err = xe_exec_queue_bind_lock(q);
	if (err)
		return err;
	*fence = xe_exec_queue_last_fence_get(q ?: vm->q[0], vm);
	xe_exec_queue_bind_unlock(q);
	return 0;
}

/* What the bind has come to, once its fence has signaled. */
static int fence_error(struct dma_fence *fence)
{
	return min(dma_fence_get_status(fence), 0);
}

/**
 * xe_bind_wait_check_args() - Check how a bind is to be synchronized
 * @xe: The device.
 * @args: What user space wants.
 *
 * Return: 0 or -EINVAL.
 */
int xe_bind_wait_check_args(struct xe_device *xe,
			    const struct drm_xe_syncs *args)
{
	bool wait = args->flags & DRM_XE_SYNCS_FLAG_WAIT_FOR_OP;

	if (XE_IOCTL_DBG(xe, args->flags & ~DRM_XE_SYNCS_FLAG_WAIT_FOR_OP) ||
	    XE_IOCTL_DBG(xe, args->reserved) ||
	    XE_IOCTL_DBG(xe, wait && args->num_syncs) ||
	    XE_IOCTL_DBG(xe, !wait && args->cookie) ||
	    XE_IOCTL_DBG(xe, !IS_ALIGNED(args->cookie, sizeof(u64))))
		return -EINVAL;

	return 0;
}

/* The fence of the bind that @cookie is the number of, for that VM and queue. */
static struct dma_fence *pending_fence(struct xe_vm *vm,
				       struct xe_exec_queue *q, u64 cookie)
{
	struct xe_bind_pending *pending = NULL;
	struct dma_fence *fence = NULL;

	xa_lock(&vm->bind_pending);
	if (cookie <= ULONG_MAX)
		pending = xa_load(&vm->bind_pending, cookie);
	if (pending && pending->q == q)
		fence = dma_fence_get(pending->fence);
	xa_unlock(&vm->bind_pending);

	return fence;
}

/* The ioctl was interrupted after its commit: only wait. */
static int resume(struct xe_bind_wait *wait, u64 cookie)
{
	struct xe_bind_pending *pending;
	struct dma_fence *fence;
	int err;

	fence = pending_fence(wait->vm, wait->q, cookie);
	if (XE_IOCTL_DBG(wait->vm->xe, !fence))
		return -EINVAL;

	err = dma_fence_wait(fence, true);
	if (err)
		goto out;

	err = fence_error(fence);
	/* Gone already if the same call was repeated twice at a time */
	pending = xa_erase(&wait->vm->bind_pending, cookie);
	if (pending)
		pending_free(wait->vm, pending);
	/* The bind is done, whether or not anybody hears of it */
	if (put_user(0, wait->cookie))
		drm_dbg(&wait->vm->xe->drm, "cannot clear the cookie\n");
out:
	dma_fence_put(fence);
	return err;
}

/* Make room for the number of a bind: later nothing may fail. */
static int prepare(struct xe_bind_wait *wait)
{
	struct xe_vm *vm = wait->vm;
	struct xe_bind_pending *pending;
	int err;

	if (!atomic_add_unless(&vm->nr_bind_pending, 1, XE_BIND_WAIT_MAX_PENDING))
		return 0;

	err = -ENOMEM;
	pending = kzalloc(sizeof(*pending), GFP_KERNEL_ACCOUNT);
	if (!pending)
		goto err_uncount;

	pending->cookie = atomic_long_inc_return(&last_cookie);
	err = xa_reserve(&vm->bind_pending, pending->cookie,
			 GFP_KERNEL_ACCOUNT);
	if (err)
		goto err_free;

	wait->pending = pending;
	return 0;

err_free:
	kfree(pending);
err_uncount:
	atomic_dec(&vm->nr_bind_pending);
	return err;
}

/**
 * xe_bind_wait_begin() - Begin an ioctl that will wait for its bind
 * @wait: To be filled.
 * @vm: The VM.
 * @q: The bind queue, NULL for the VM's own.
 * @cookie: Address of the cookie in user space, 0 for none.
 *
 * Where this ioctl was interrupted after its bind was committed, this waits for
 * the bind, and ends the ioctl.
 *
 * Context: May sleep, for a bind interruptibly; no lock held.
 * Return: 1 if the ioctl is to go on, with xe_bind_wait_end() or
 * xe_bind_wait_cancel() at its end. Otherwise it is over: 0, or the error of the
 * bind; -ERESTARTSYS if it was interrupted once more; -EINVAL where the cookie is
 * not of a bind of @vm and @q; -EFAULT where it cannot be read and written; -ENOMEM.
 */
int xe_bind_wait_begin(struct xe_bind_wait *wait, struct xe_vm *vm,
		       struct xe_exec_queue *q, u64 cookie)
{
	u64 value;
	int err;

	*wait = (struct xe_bind_wait) {
		.vm = vm,
		.q = q,
		.cookie = u64_to_user_ptr(cookie),
	};
	if (!cookie)
		return 1;

	if (XE_IOCTL_DBG(vm->xe, get_user(value, wait->cookie)))
		return -EFAULT;
	if (value)
		return resume(wait, value);
	if (XE_IOCTL_DBG(vm->xe, put_user(0, wait->cookie)))
		return -EFAULT;

	err = prepare(wait);
	return err ?: 1;
}

/**
 * xe_bind_wait_cancel() - End an ioctl that has committed nothing
 * @wait: From xe_bind_wait_begin().
 */
void xe_bind_wait_cancel(struct xe_bind_wait *wait)
{
	if (!wait->pending)
		return;

	xa_release(&wait->vm->bind_pending, wait->pending->cookie);
	kfree(wait->pending);
	wait->pending = NULL;
	atomic_dec(&wait->vm->nr_bind_pending);
}

/* Tell user space what to come back with. False: it cannot be told. */
static bool publish(struct xe_bind_wait *wait, struct dma_fence *fence)
{
	struct xe_bind_pending *pending = wait->pending;
	struct xarray *xa = &wait->vm->bind_pending;

	pending->fence = dma_fence_get(fence);
	pending->q = wait->q ? xe_exec_queue_get(wait->q) : NULL;
	wait->pending = NULL;
	xa_store(xa, pending->cookie, pending, GFP_KERNEL_ACCOUNT);
	if (!put_user((u64)pending->cookie, wait->cookie))
		return true;

	xa_erase(xa, pending->cookie);
	pending_free(wait->vm, pending);
	return false;
}

/**
 * xe_bind_wait_end() - Wait for the bind that an ioctl has committed
 * @wait: From xe_bind_wait_begin().
 * @fence: The bind's fence.
 *
 * Context: May sleep, no lock held. Interruptible if there is a cookie.
 * Return: 0; the error of the bind; or -ERESTARTSYS, and the cookie is set.
 */
int xe_bind_wait_end(struct xe_bind_wait *wait, struct dma_fence *fence)
{
	int err;

	err = dma_fence_wait(fence, wait->pending);
	if (err && publish(wait, fence))
		return err;
	if (err)
		dma_fence_wait(fence, false);

	xe_bind_wait_cancel(wait);
	return fence_error(fence);
}

/**
 * xe_bind_wait_queue() - Wait for all that is in a bind queue
 * @vm: The VM.
 * @q: The bind queue, NULL for the VM's own.
 *
 * What comes into the queue meanwhile is not waited for, nor does an error of
 * what is in it matter.
 *
 * Context: May sleep, takes &xe_vm.lock.
 * Return: 0; -ERESTARTSYS or -EINTR if it was interrupted; -ENOENT if the VM is
 * closed or banned.
 */
int xe_bind_wait_queue(struct xe_vm *vm, struct xe_exec_queue *q)
{
	struct dma_fence *fence;
	int err;

	err = down_write_killable(&vm->lock);
	if (err)
		return err;
	if (XE_IOCTL_DBG(vm->xe, xe_vm_is_closed_or_banned(vm))) {
		up_write(&vm->lock);
		return -ENOENT;
	}
	err = get_last_fence(vm, q, &fence);
	up_write(&vm->lock);
	if (err)
		return err;

	err = dma_fence_wait(fence, true);
	dma_fence_put(fence);
	return err;
}

/**
 * xe_bind_wait_lock_idle() - Lock a VM when a bind queue has nothing to do
 * @vm: The VM.
 * @q: The bind queue, NULL for the VM's own.
 *
 * Gives up after some tries if there is always something: the queue need not be
 * idle when this returns.
 *
 * Context: May sleep, takes &xe_vm.lock for writing.
 * Return: 0, with the lock held; or as xe_bind_wait_queue(), without it.
 */
int xe_bind_wait_lock_idle(struct xe_vm *vm, struct xe_exec_queue *q)
{
	struct dma_fence *fence;
	bool idle;
	int err, tries;

	for (tries = 0; ; tries++) {
		err = down_write_killable(&vm->lock);
		if (err || tries == XE_BIND_WAIT_TRIES ||
		    xe_vm_is_closed_or_banned(vm))
			return err;

		err = get_last_fence(vm, q, &fence);
		if (err) {
			up_write(&vm->lock);
			return err;
		}
		idle = dma_fence_is_signaled(fence);
		if (!idle)
			up_write(&vm->lock);
		err = idle ? 0 : dma_fence_wait(fence, true);
		dma_fence_put(fence);
		if (idle || err)
			return err;
	}
}

/**
 * xe_bind_wait_vm_init() - Prepare a new VM
 * @vm: The VM.
 */
void xe_bind_wait_vm_init(struct xe_vm *vm)
{
	xa_init(&vm->bind_pending);
	atomic_set(&vm->nr_bind_pending, 0);
}

/**
 * xe_bind_wait_vm_fini() - Forget what was interrupted and not repeated
 * @vm: The VM, which nobody uses any more.
 */
void xe_bind_wait_vm_fini(struct xe_vm *vm)
{
	struct xe_bind_pending *pending;
	unsigned long cookie;

	xa_for_each(&vm->bind_pending, cookie, pending)
		pending_free(vm, pending);
	xa_destroy(&vm->bind_pending);
}
