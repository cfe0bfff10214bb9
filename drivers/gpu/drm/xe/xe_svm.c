// SPDX-License-Identifier: MIT
/*
 * Shared virtual memory: the CPU's addresses on the GPU.
 */

#include "xe_svm.h"

#include <linux/mm.h>
#include <linux/sizes.h>

#include <drm/drm_exec.h>

#include "xe_device.h"
#include "xe_gt_tlb_invalidation.h"
#include "xe_module.h"
#include "xe_pt.h"
#include "xe_vm.h"

/**
 * DOC: Shared virtual memory
 *
 * A bind with DRM_XE_VM_BIND_FLAG_CPU_ADDR_MIRROR gives the GPU the memory that
 * the process has at the same addresses. The VMA that it makes, the mirror, has no
 * page tables of its own. They are made by faults of the GPU, range by range, each
 * of which is a &struct xe_svm_range, and taken back when the process's memory
 * changes, see drm_gpusvm::
 *
 *   process   |  heap  |     | file |        |  stack  |
 *   mirror  [==================================================]
 *   ranges      [=][=====]    [=]               [=]
 *   binds                                                    [==BO==]
 *
 * A range embeds a &struct xe_vma, in which it is as the page tables know it. So it
 * is bound, zapped and unbound by what does that for all VMAs, only that it is not
 * in the VM's tree, and that its addresses are those of &drm_gpusvm_range.pages.
 *
 * - A fault finds or makes the range, has drm_gpusvm fill it, and binds it on the
 *   tile that faulted. The notifier lock is held from the check that the pages are
 *   valid until the bind is committed; where they are not, all begins again, but
 *   not for ever.
 * - What the process may only read is bound for reading, and a write fails as it
 *   does on the CPU.
 * - An invalidation zaps the page tables of all ranges that it meets and submits
 *   a flush to each GT that may have used them. The second pass waits.
 * - What was unmapped is collected by a worker, and by the next fault: the range is
 *   unbound, and drm_gpusvm keeps what remains of it.
 * - A mirror, or a part of it, is only unbound where it has no ranges: -EBUSY.
 *
 * &xe_vm.lock is drm_gpusvm's "driver's lock".
 */

/* How often a fault begins again, where the memory changes all the time */
#define FAULT_TRIES	16

static const unsigned long chunk_sizes[] = { SZ_2M, SZ_64K, SZ_4K };

/* An invalidation that is under way */
struct xe_svm_finish {
	struct drm_gpusvm_finish base;
	struct xe_gt_tlb_invalidation_fence fence[XE_MAX_TILES_PER_DEVICE *
						  XE_MAX_GT_PER_TILE];
	unsigned int nr_fences;
};

static struct xe_vm *gpusvm_to_vm(struct drm_gpusvm *gpusvm)
{
	return container_of(gpusvm, struct xe_vm, svm.gpusvm);
}

static struct xe_svm_range *to_svm_range(struct drm_gpusvm_range *range)
{
	return container_of(range, struct xe_svm_range, base);
}

static struct drm_gpusvm_range *svm_range_alloc(struct drm_gpusvm *gpusvm)
{
	struct xe_svm_range *range = kzalloc(sizeof(*range), GFP_KERNEL);

	if (!range)
		return NULL;

	INIT_LIST_HEAD(&range->vma.combined_links.rebind);
	INIT_LIST_HEAD(&range->vma.gpuva.gem.entry);
	return &range->base;
}

static void svm_range_free(struct drm_gpusvm_range *range)
{
	kfree(to_svm_range(range));
}

/*
 * Invalidation
 */

/* Zap each range that is met, and return on which tiles something was mapped. */
static u8 svm_zap(struct xe_vm *vm, struct drm_gpusvm_notifier *notifier,
		  const struct mmu_notifier_range *mmu_range,
		  struct drm_gpusvm_interval *iv)
{
	struct drm_gpusvm_interval met;
	struct drm_gpusvm_range *r;
	struct xe_tile *tile;
	u8 id, tile_mask = 0;

	drm_gpusvm_for_each_range(r, notifier, mmu_range->start,
				  mmu_range->end) {
		struct xe_vma *vma = &to_svm_range(r)->vma;

		if (!vma->tile_present)
			continue;

		met = drm_gpusvm_interval(drm_gpusvm_range_start(r),
					  drm_gpusvm_range_end(r));
		*iv = drm_gpusvm_interval_hull(*iv, met);
		for_each_tile(tile, vm->xe, id)
			if (xe_pt_zap_ptes(tile, vma))
				tile_mask |= BIT(id);
		vma->tile_invalidated |= vma->tile_present;
	}

	return tile_mask;
}

static void svm_flush_gt(struct xe_vm *vm, struct xe_gt *gt,
			 struct xe_svm_finish *finish,
			 struct drm_gpusvm_interval iv)
{
	struct xe_gt_tlb_invalidation_fence *fence;

	if (!gt)
		return;

	fence = &finish->fence[finish->nr_fences];
	xe_gt_tlb_invalidation_fence_init(gt, fence, true);
	/* What cannot be submitted has nothing to flush: it signals the fence */
	xe_gt_tlb_invalidation_range(gt, fence, iv.start, iv.end, vm->usm.asid);
	finish->nr_fences++;
}

static void svm_flush_wait(struct xe_svm_finish *finish)
{
	unsigned int i;

	for (i = 0; i < finish->nr_fences; i++)
		xe_gt_tlb_invalidation_fence_wait(&finish->fence[i]);
}

static bool svm_invalidate_start(struct drm_gpusvm *gpusvm,
				 struct drm_gpusvm_notifier *notifier,
				 const struct mmu_notifier_range *mmu_range,
				 struct drm_gpusvm_finish *base)
{
	struct xe_vm *vm = gpusvm_to_vm(gpusvm);
	struct xe_svm_finish local, *finish = &local;
	struct drm_gpusvm_interval iv = {};
	struct xe_tile *tile;
	u8 id, tile_mask;

	if (mmu_range->event == MMU_NOTIFY_UNMAP)
		queue_work(system_unbound_wq, &vm->svm.collect_work);

	/* A bind that the GPU does has been committed, and may not be done yet */
	dma_resv_wait_timeout(xe_vm_resv(vm), DMA_RESV_USAGE_BOOKKEEP, false,
			      MAX_SCHEDULE_TIMEOUT);

	tile_mask = svm_zap(vm, notifier, mmu_range, &iv);
	if (!tile_mask)
		return false;

	xe_device_wmb(vm->xe);
	if (base)
		finish = container_of(base, struct xe_svm_finish, base);
	finish->nr_fences = 0;
	for_each_tile(tile, vm->xe, id) {
		if (!(tile_mask & BIT(id)))
			continue;
		svm_flush_gt(vm, tile->primary_gt, finish, iv);
		svm_flush_gt(vm, tile->media_gt, finish, iv);
	}
	if (!base)
		svm_flush_wait(finish);

	return true;
}

static void svm_invalidate_finish(struct drm_gpusvm *gpusvm,
				  struct drm_gpusvm_finish *base)
{
	svm_flush_wait(container_of(base, struct xe_svm_finish, base));
}

static const struct drm_gpusvm_ops svm_ops = {
	.finish_size = sizeof(struct xe_svm_finish),
	.range_alloc = svm_range_alloc,
	.range_free = svm_range_free,
	.invalidate_start = svm_invalidate_start,
	.invalidate_finish = svm_invalidate_finish,
};

/*
 * Page tables
 */

/* What the page tables have to know of @range. */
static void svm_range_describe(struct xe_svm_range *range, struct xe_vm *vm,
			       struct xe_vma *mirror, bool read_only)
{
	struct xe_vma *vma = &range->vma;

	vma->gpuva.vm = &vm->gpuvm;
	vma->gpuva.va.addr = drm_gpusvm_range_start(&range->base);
	vma->gpuva.va.range = drm_gpusvm_range_size(&range->base);
	vma->gpuva.flags = XE_VMA_SVM_RANGE |
			   (mirror->gpuva.flags & XE_VMA_ATOMIC_PTE_BIT);
	if (read_only)
		vma->gpuva.flags |= XE_VMA_READ_ONLY;
	vma->pat_index = mirror->pat_index;
	vma->tile_mask = mirror->tile_mask;
}

/* Bind @range on @tile, or unbind it on all where @tile is NULL, and wait. */
static int svm_range_update(struct xe_vm *vm, struct xe_svm_range *range,
			    struct xe_tile *tile)
{
	struct dma_fence *fence;
	struct drm_exec exec;
	ktime_t end = 0;
	int err;

	do {
		drm_exec_init(&exec, 0, 0);
		drm_exec_until_all_locked(&exec) {
			err = drm_exec_lock_obj(&exec,
						drm_gpuvm_resv_obj(&vm->gpuvm));
			drm_exec_retry_on_contention(&exec);
			if (err)
				break;

			fence = tile ? xe_vma_rebind(vm, &range->vma,
						     BIT(tile->id)) :
				       xe_vma_unbind(vm, &range->vma);
			err = PTR_ERR_OR_ZERO(fence);
		}
		drm_exec_fini(&exec);
	} while (err && xe_vm_validate_should_retry(&exec, err, &end));
	if (err)
		return err;

	dma_fence_wait(fence, false);
	dma_fence_put(fence);
	return 0;
}

/*
 * Take @range out of the page tables, and what has been unmapped of it out of the
 * gpusvm. Where there is no memory for that all of it goes, and its page tables
 * stay behind, empty, until the VM goes or something else is bound there.
 */
static void svm_range_collect(struct xe_vm *vm, struct xe_svm_range *range)
{
	int err;

	err = svm_range_update(vm, range, NULL) ?:
	      drm_gpusvm_range_split(&vm->svm.gpusvm, &range->base);
	if (err)
		drm_gpusvm_range_remove(&vm->svm.gpusvm, &range->base);
}

/* Collect what has been unmapped. */
static void svm_collect(struct xe_vm *vm)
{
	struct drm_gpusvm_range *range;

	lockdep_assert_held_write(&vm->lock);
	while ((range = drm_gpusvm_collect_next(&vm->svm.gpusvm)))
		svm_range_collect(vm, to_svm_range(range));
}

static void svm_collect_work(struct work_struct *work)
{
	struct xe_vm *vm = container_of(work, struct xe_vm, svm.collect_work);

	down_write(&vm->lock);
	if (!xe_vm_is_closed_or_banned(vm))
		svm_collect(vm);
	up_write(&vm->lock);
}

/**
 * xe_svm_has_ranges() - Has the GPU faulted in some of this memory?
 * @vm: The VM.
 * @start: First byte.
 * @end: First byte behind it.
 *
 * Context: &xe_vm.lock for writing. Waits for the GPU where something has been
 * unmapped that is not collected yet.
 *
 * Return: Whether it has, and the process has not unmapped it since.
 */
bool xe_svm_has_ranges(struct xe_vm *vm, u64 start, u64 end)
{
	svm_collect(vm);
	return drm_gpusvm_has_mapping(&vm->svm.gpusvm, start, end);
}

/*
 * Faults
 */

/**
 * struct svm_fault - An access of the GPU
 * @vm: The VM.
 * @mirror: The VMA at @addr.
 * @tile: The tile that needs it.
 * @addr: The address.
 * @write: It is a write.
 * @ctx: Says how the range is filled.
 * @next: First address behind the range, if one was found or made.
 */
struct svm_fault {
	struct xe_vm *vm;
	struct xe_vma *mirror;
	struct xe_tile *tile;
	u64 addr;
	bool write;
	struct drm_gpusvm_ctx ctx;
	u64 next;
};

/* Has the tile what it asks for? */
static bool svm_range_is_bound(const struct svm_fault *f,
			       struct xe_svm_range *range)
{
	struct xe_vma *vma = &range->vma;
	bool bound;

	xe_svm_notifier_lock(f->vm);
	bound = vma->tile_present & ~vma->tile_invalidated & BIT(f->tile->id) &&
		xe_svm_range_pages_valid(f->vm, vma) &&
		!(f->write && xe_vma_read_only(vma));
	xe_svm_notifier_unlock(f->vm);

	return bound;
}

static int svm_range_fill(const struct svm_fault *f, struct xe_svm_range *range)
{
	struct drm_gpusvm *gpusvm = &f->vm->svm.gpusvm;
	int err;

	err = drm_gpusvm_range_get_pages(gpusvm, &range->base, &f->ctx);
	/* For reading only as yet: what the GPU has of it goes first */
	if (err == -EACCES) {
		err = svm_range_update(f->vm, range, NULL);
		if (err)
			return err;
		drm_gpusvm_range_unmap_pages(gpusvm, &range->base);
		return -EAGAIN;
	}
	if (err == -EFAULT && drm_gpusvm_range_unmapped(&range->base))
		return -EAGAIN;

	return err;
}

/* The range at the address, filled and bound. -EAGAIN: try again. */
static int svm_fault_once(struct svm_fault *f)
{
	struct drm_gpusvm_range *r;
	struct xe_svm_range *range;
	int err;

	svm_collect(f->vm);
	r = drm_gpusvm_range_find_or_insert(&f->vm->svm.gpusvm, f->addr,
					    xe_vma_start(f->mirror),
					    xe_vma_end(f->mirror), &f->ctx);
	if (IS_ERR(r))
		return PTR_ERR(r);

	range = to_svm_range(r);
	f->next = drm_gpusvm_range_end(r);
	if (svm_range_is_bound(f, range))
		return 0;

	err = svm_range_fill(f, range);
	if (err)
		return err;

	svm_range_describe(range, f->vm, f->mirror, f->ctx.read_only);
	return svm_range_update(f->vm, range, f->tile);
}

static int svm_fault(struct svm_fault *f)
{
	int err, tries = FAULT_TRIES;

	f->ctx = (struct drm_gpusvm_ctx) {
		.read_only = xe_vma_read_only(f->mirror),
	};
	if (f->write && f->ctx.read_only)
		return -EPERM;

	do {
		err = svm_fault_once(f);
		/* What the process itself may only read */
		if (err == -EPERM && !f->write && !f->ctx.read_only) {
			f->ctx.read_only = true;
			err = -EAGAIN;
		}
	} while (err == -EAGAIN && --tries);

	return err;
}

/**
 * xe_svm_handle_fault() - Give the GPU what it has faulted on
 * @vm: The VM.
 * @mirror: The VMA at @addr, xe_vma_is_cpu_addr_mirror().
 * @tile: The tile that has faulted.
 * @addr: The address.
 * @write: Whether it writes.
 *
 * Context: &xe_vm.lock for writing. May reclaim, and waits for the GPU.
 *
 * Return: 0; the error of drm_gpusvm_range_find_or_insert() or
 * drm_gpusvm_get_pages(); -EAGAIN where the memory does not come to rest.
 */
int xe_svm_handle_fault(struct xe_vm *vm, struct xe_vma *mirror,
			struct xe_tile *tile, u64 addr, bool write)
{
	struct svm_fault f = {
		.vm = vm,
		.mirror = mirror,
		.tile = tile,
		.addr = addr,
		.write = write,
	};

	lockdep_assert_held_write(&vm->lock);
	return svm_fault(&f);
}

/* The first address from @addr on where the process has something. */
static u64 svm_next_mapping(struct xe_vm *vm, u64 addr)
{
	struct mm_struct *mm = vm->svm.gpusvm.mm;
	struct vm_area_struct *vma;
	u64 next = U64_MAX;

	mmap_read_lock(mm);
	vma = find_vma(mm, addr);
	if (vma)
		next = max(addr, vma->vm_start);
	mmap_read_unlock(mm);

	return next;
}

/**
 * xe_svm_prefetch() - Give the GPU what it is going to fault on
 * @vm: The VM.
 * @mirror: A VMA, xe_vma_is_cpu_addr_mirror().
 * @start: First byte.
 * @end: First byte behind it. What is not of @mirror is left out.
 *
 * Memory that is not there, or that the GPU may not have, is skipped: a fault will
 * tell.
 *
 * Context: As xe_svm_handle_fault().
 *
 * Return: 0, -ENOMEM, or -EINTR for a process that is being killed.
 */
int xe_svm_prefetch(struct xe_vm *vm, struct xe_vma *mirror, u64 start,
		    u64 end)
{
	struct svm_fault f = { .vm = vm, .mirror = mirror };
	u8 id;
	int err;

	lockdep_assert_held_write(&vm->lock);
	start = max(start, xe_vma_start(mirror));
	end = min(end, xe_vma_end(mirror));
	while ((f.addr = svm_next_mapping(vm, start)) < end) {
		f.next = f.addr + SZ_4K;
		for_each_tile(f.tile, vm->xe, id) {
			err = svm_fault(&f);
			if (err == -ENOMEM || err == -EINTR)
				return err;
		}
		start = f.next;
		cond_resched();
	}

	return 0;
}

/*
 * The VM
 */

/**
 * xe_svm_init() - Prepare a VM for shared virtual memory
 * @vm: The VM. Of those that do not fault nothing is shared.
 *
 * Context: In the process whose memory it is going to share.
 *
 * Return: 0, -ENOMEM, or -EINVAL for a bad module parameter.
 */
int xe_svm_init(struct xe_vm *vm)
{
	struct xe_device *xe = vm->xe;
	unsigned long notifier_size;

	if (!xe_vm_in_fault_mode(vm))
		return 0;

	notifier_size = (unsigned long)xe_modparam.svm_notifier_size * SZ_1M;
	INIT_WORK(&vm->svm.collect_work, svm_collect_work);
	drm_gpusvm_driver_set_lock(&vm->svm.gpusvm, &vm->lock);
	return drm_gpusvm_init(&vm->svm.gpusvm, "Xe SVM", &xe->drm, current->mm,
			       0, vm->size, notifier_size, &svm_ops,
			       chunk_sizes, ARRAY_SIZE(chunk_sizes));
}

/**
 * xe_svm_close() - No range is collected any more
 * @vm: The VM, which has been closed: its page tables are void.
 *
 * Context: Without &xe_vm.lock, waits for who has it.
 */
void xe_svm_close(struct xe_vm *vm)
{
	if (vm->svm.gpusvm.mm)
		disable_work_sync(&vm->svm.collect_work);
}

/**
 * xe_svm_fini() - The end of shared virtual memory
 * @vm: The VM. xe_svm_close() has been called, and the page tables are still there:
 *	an invalidation may look at them.
 *
 * Context: &xe_vm.lock for writing.
 */
void xe_svm_fini(struct xe_vm *vm)
{
	drm_gpusvm_fini(&vm->svm.gpusvm);
}
