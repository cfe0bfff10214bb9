/* SPDX-License-Identifier: MIT */
#ifndef _XE_BIND_WAIT_H_
#define _XE_BIND_WAIT_H_

#include <linux/types.h>

struct dma_fence;
struct drm_xe_syncs;
struct xe_bind_pending;
struct xe_device;
struct xe_exec_queue;
struct xe_vm;

/**
 * struct xe_bind_wait - A bind whose ioctl waits for it
 * @vm: The VM.
 * @q: The bind queue, NULL for the VM's own.
 * @cookie: Where user space finds out that the wait was interrupted, or NULL.
 * @pending: Prepared for that case. NULL: the wait cannot be interrupted.
 */
struct xe_bind_wait {
	struct xe_vm *vm;
	struct xe_exec_queue *q;
	u64 __user *cookie;
	struct xe_bind_pending *pending;
};

int xe_bind_wait_check_args(struct xe_device *xe,
			    const struct drm_xe_syncs *args);
int xe_bind_wait_begin(struct xe_bind_wait *wait, struct xe_vm *vm,
		       struct xe_exec_queue *q, u64 cookie);
int xe_bind_wait_queue(struct xe_vm *vm, struct xe_exec_queue *q);
int xe_bind_wait_lock_idle(struct xe_vm *vm, struct xe_exec_queue *q);
int xe_bind_wait_end(struct xe_bind_wait *wait, struct dma_fence *fence);
void xe_bind_wait_cancel(struct xe_bind_wait *wait);

void xe_bind_wait_vm_init(struct xe_vm *vm);
void xe_bind_wait_vm_fini(struct xe_vm *vm);

#endif
