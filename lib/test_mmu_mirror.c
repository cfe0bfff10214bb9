// SPDX-License-Identifier: GPL-2.0-only
/*
 * Software GPUs that mirror a process's memory.
 *
 * Each open file of /dev/mmu_mirror is a GPU with a page table, a TLB, jobs that
 * take a while to stop (a fence) and a TLB flush that takes a while too. It is a
 * complete example of an interval notifier in one pass, in two passes and in
 * three stages, and the ruler that shows what they cost.
 *
 *                  one pass          two passes         three stages
 *   first pass     stop jobs, wait,  stop jobs          stop jobs
 *                  flush, wait
 *   second pass                      wait,              wait,
 *                                    flush, wait        flush
 *   third pass                                          wait
 *
 * Where there are no jobs, all of them flush in the first pass, and the later
 * passes only wait.
 */

#include <linux/bitmap.h>
#include <linux/cleanup.h>
#include <linux/completion.h>
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/hmm.h>
#include <linux/hrtimer.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "test_mmu_mirror_uapi.h"

/* How long populating the page table may be held up by invalidations */
#define MIRROR_TIMEOUT	HZ

struct mirror;

/**
 * struct mirror_inval - An invalidation under way
 * @mirror: The GPU.
 * @first: First page of the range that is invalidated.
 * @nr: Number of its pages.
 * @flushing: The flush has been submitted, before that it is the jobs.
 * @timer: Goes off when the device has done what it was told last.
 * @done: Completed by @timer.
 */
struct mirror_inval {
	struct mirror *mirror;
	unsigned long first;
	unsigned long nr;
	bool flushing;
	struct hrtimer timer;
	struct completion done;
};

/**
 * struct mirror - A software GPU
 * @mni: Its subscription, inserted by MMU_MIRROR_MAP.
 * @finish: The object for its later passes.
 * @inval: The invalidation that @finish stands for.
 * @map_lock: Serializes MMU_MIRROR_MAP and MMU_MIRROR_STATS.
 * @mapped: @mni has been inserted. Protected by @map_lock.
 * @mode: How it is invalidated. Constant once @mapped.
 * @addr: Where the range starts. Constant once @mapped.
 * @nr_pages: How long the range is. Constant once @mapped.
 * @flush_time: How long a flush takes. Constant once @mapped.
 * @fence_time: How long jobs take to stop. Constant once @mapped.
 * @lock: The user lock of @mni, taken by the timers as well. Protects what
 *	follows.
 * @pending: @finish is owed.
 * @ptes: The page table, a bit for each page.
 * @tlb: The TLB, a bit for each page.
 * @invalidations: Number of invalidations.
 * @fallbacks: Number of those that found @pending.
 */
struct mirror {
	struct mmu_interval_notifier mni;
	struct mmu_interval_notifier_finish finish;
	struct mirror_inval inval;
	struct mutex map_lock; /* serializes the ioctls */
	bool mapped;
	enum mmu_mirror_mode mode;
	unsigned long addr;
	unsigned long nr_pages;
	ktime_t flush_time;
	ktime_t fence_time;

	spinlock_t lock; /* the user lock */
	bool pending;
	unsigned long *ptes;
	unsigned long *tlb;
	u64 invalidations;
	u64 fallbacks;
};

/* The device is done: the jobs have stopped, or the TLB is clean. */
static enum hrtimer_restart mirror_timer(struct hrtimer *timer)
{
	struct mirror_inval *inval =
		container_of(timer, struct mirror_inval, timer);
	struct mirror *mirror = inval->mirror;

	if (inval->flushing) {
		scoped_guard(spinlock_irqsave, &mirror->lock)
			bitmap_clear(mirror->tlb, inval->first, inval->nr);
	}
	complete(&inval->done);
	return HRTIMER_NORESTART;
}

static void inval_submit(struct mirror_inval *inval, bool flush)
{
	struct mirror *mirror = inval->mirror;

	inval->flushing = flush;
	reinit_completion(&inval->done);
	hrtimer_start(&inval->timer,
		      flush ? mirror->flush_time : mirror->fence_time,
		      HRTIMER_MODE_REL);
}

/* Tell the device to do the first thing that has to be done. */
static void inval_begin(struct mirror_inval *inval)
{
	inval_submit(inval, !inval->mirror->fence_time);
}

/* Wait for what it was told. True if that was all. */
static bool inval_wait(struct mirror_inval *inval)
{
	wait_for_completion(&inval->done);
	return inval->flushing;
}

static void inval_wait_all(struct mirror_inval *inval)
{
	while (!inval_wait(inval))
		inval_submit(inval, true);
}

/* Zap the page table and set up @inval for what @range covers of it. */
static void mirror_zap(struct mirror *mirror, struct mirror_inval *inval,
		       const struct mmu_notifier_range *range)
{
	unsigned long end = mirror->addr + mirror->nr_pages * PAGE_SIZE;
	unsigned long from = max(range->start, mirror->addr);
	unsigned long to = min(range->end, end);

	lockdep_assert_held(&mirror->lock);
	inval->first = (from - mirror->addr) >> PAGE_SHIFT;
	inval->nr = DIV_ROUND_UP(to - from, PAGE_SIZE);
	bitmap_clear(mirror->ptes, inval->first, inval->nr);
	mirror->invalidations++;
}

static void inval_init_on_stack(struct mirror_inval *inval,
				struct mirror *mirror)
{
	inval->mirror = mirror;
	init_completion(&inval->done);
	hrtimer_init_on_stack(&inval->timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
	inval->timer.function = mirror_timer;
}

static void inval_destroy_on_stack(struct mirror_inval *inval)
{
	/* The timer has completed @inval, and may not have returned yet */
	hrtimer_cancel(&inval->timer);
	destroy_hrtimer_on_stack(&inval->timer);
}

static bool mirror_invalidate(struct mmu_interval_notifier *mni,
			      const struct mmu_notifier_range *range,
			      unsigned long cur_seq)
{
	struct mirror *mirror = container_of(mni, struct mirror, mni);
	struct mirror_inval inval;

	if (!mmu_notifier_range_blockable(range))
		return false;

	inval_init_on_stack(&inval, mirror);
	scoped_guard(spinlock_irq, &mirror->lock) {
		mmu_interval_set_seq(mni, cur_seq);
		mirror_zap(mirror, &inval, range);
	}
	inval_begin(&inval);
	inval_wait_all(&inval);
	inval_destroy_on_stack(&inval);
	return true;
}

static bool mirror_start(struct mmu_interval_notifier *mni,
			 const struct mmu_notifier_range *range,
			 unsigned long cur_seq,
			 struct mmu_interval_notifier_finish **finish)
{
	struct mirror *mirror = container_of(mni, struct mirror, mni);
	bool owe;

	if (!mmu_notifier_range_blockable(range))
		return false;

	scoped_guard(spinlock_irq, &mirror->lock) {
		owe = !mirror->pending;
		if (owe) {
			mirror->pending = true;
			mmu_interval_set_seq(mni, cur_seq);
			mirror_zap(mirror, &mirror->inval, range);
		} else {
			mirror->fallbacks++;
		}
	}
	/* Another invalidation owes @finish: do without */
	if (!owe)
		return mirror_invalidate(mni, range, cur_seq);

	inval_begin(&mirror->inval);
	*finish = &mirror->finish;
	return true;
}

static void mirror_finish(struct mmu_interval_notifier_finish *finish)
{
	struct mirror *mirror = container_of(finish, struct mirror, finish);

	if (mirror->mode == MMU_MIRROR_TWO_PASS) {
		inval_wait_all(&mirror->inval);
	} else if (!inval_wait(&mirror->inval)) {
		inval_submit(&mirror->inval, true);
		mmu_interval_notifier_finish_again(finish);
		return;
	}

	scoped_guard(spinlock_irq, &mirror->lock)
		mirror->pending = false;
}

static const struct mmu_interval_notifier_ops mirror_one_pass_ops = {
	.invalidate = mirror_invalidate,
};

static const struct mmu_interval_notifier_ops mirror_multi_pass_ops = {
	.invalidate_start = mirror_start,
	.invalidate_finish = mirror_finish,
};

/* What the GPU reads: the sum of the first words of its pages. */
static u64 mirror_read(struct mirror *mirror, const unsigned long *pfns)
{
	unsigned long i;
	u64 sum = 0;

	/* The pages are not pinned, it is this lock that keeps them */
	lockdep_assert_held(&mirror->lock);
	for (i = 0; i < mirror->nr_pages; i++) {
		u64 *word = kmap_local_page(hmm_pfn_to_page(pfns[i]));

		sum += *word;
		kunmap_local(word);
	}
	return sum;
}

/* One try to make @pfns the page table. -EBUSY where an invalidation came by. */
static int mirror_try_populate(struct mirror *mirror, unsigned long *pfns,
			       u64 *sum)
{
	struct mm_struct *mm = mirror->mni.mm;
	struct hmm_range range = {
		.notifier = &mirror->mni,
		.notifier_seq = mmu_interval_read_begin(&mirror->mni),
		.start = mirror->addr,
		.end = mirror->addr + mirror->nr_pages * PAGE_SIZE,
		.hmm_pfns = pfns,
		.default_flags = HMM_PFN_REQ_FAULT,
	};
	int ret;

	mmap_read_lock(mm);
	ret = hmm_range_fault(&range);
	mmap_read_unlock(mm);
	if (ret)
		return ret;

	spin_lock_irq(&mirror->lock);
	if (mmu_interval_read_retry(&mirror->mni, range.notifier_seq)) {
		ret = -EBUSY;
	} else {
		*sum = mirror_read(mirror, pfns);
		bitmap_set(mirror->ptes, 0, mirror->nr_pages);
		bitmap_set(mirror->tlb, 0, mirror->nr_pages);
	}
	spin_unlock_irq(&mirror->lock);
	return ret;
}

static int mirror_populate(struct mirror *mirror, u64 *sum)
{
	unsigned long timeout = jiffies + MIRROR_TIMEOUT;
	unsigned long *pfns;
	int ret;

	pfns = kvcalloc(mirror->nr_pages, sizeof(*pfns), GFP_KERNEL);
	if (!pfns)
		return -ENOMEM;
	do {
		ret = mirror_try_populate(mirror, pfns, sum);
	} while (ret == -EBUSY && time_before(jiffies, timeout) &&
		 !fatal_signal_pending(current));
	kvfree(pfns);
	return ret;
}

static bool mirror_map_valid(const struct mmu_mirror_map *map)
{
	return map->size && map->size <= MMU_MIRROR_MAX_SIZE &&
	       PAGE_ALIGNED(map->addr) && PAGE_ALIGNED(map->size) &&
	       map->flush_ns <= MMU_MIRROR_MAX_NS &&
	       map->fence_ns <= MMU_MIRROR_MAX_NS && !map->pad &&
	       map->mode >= MMU_MIRROR_ONE_PASS &&
	       map->mode <= MMU_MIRROR_THREE_STAGE;
}

static int mirror_map(struct mirror *mirror, struct mmu_mirror_map *map)
{
	const struct mmu_interval_notifier_ops *ops = &mirror_multi_pass_ops;
	int ret;

	if (!mirror_map_valid(map))
		return -EINVAL;

	guard(mutex)(&mirror->map_lock);
	if (mirror->mapped)
		return -EBUSY;

	mirror->mode = map->mode;
	mirror->addr = map->addr;
	mirror->nr_pages = map->size >> PAGE_SHIFT;
	mirror->flush_time = ns_to_ktime(map->flush_ns);
	mirror->fence_time = ns_to_ktime(map->fence_ns);
	bitmap_free(mirror->ptes);
	bitmap_free(mirror->tlb);
	mirror->ptes = bitmap_zalloc(mirror->nr_pages, GFP_KERNEL);
	mirror->tlb = bitmap_zalloc(mirror->nr_pages, GFP_KERNEL);
	if (!mirror->ptes || !mirror->tlb)
		return -ENOMEM;

	if (map->mode == MMU_MIRROR_ONE_PASS)
		ops = &mirror_one_pass_ops;
	ret = mmu_interval_notifier_insert(&mirror->mni, current->mm, map->addr,
					   map->size, ops);
	if (ret)
		return ret;
	ret = mirror_populate(mirror, &map->sum);
	if (ret) {
		mmu_interval_notifier_remove(&mirror->mni);
		return ret;
	}
	mirror->mapped = true;
	return 0;
}

static void mirror_stats(struct mirror *mirror, struct mmu_mirror_stats *stats)
{
	*stats = (struct mmu_mirror_stats){};
	guard(mutex)(&mirror->map_lock);
	if (!mirror->mapped)
		return;
	spin_lock_irq(&mirror->lock);
	stats->ptes = bitmap_weight(mirror->ptes, mirror->nr_pages);
	stats->tlb = bitmap_weight(mirror->tlb, mirror->nr_pages);
	stats->invalidations = mirror->invalidations;
	stats->fallbacks = mirror->fallbacks;
	spin_unlock_irq(&mirror->lock);
}

static long mirror_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct mirror *mirror = file->private_data;
	void __user *user = (void __user *)arg;
	struct mmu_mirror_stats stats;
	struct mmu_mirror_map map;
	int ret;

	switch (cmd) {
	case MMU_MIRROR_MAP:
		if (copy_from_user(&map, user, sizeof(map)))
			return -EFAULT;
		ret = mirror_map(mirror, &map);
		if (!ret && copy_to_user(user, &map, sizeof(map)))
			return -EFAULT;
		return ret;
	case MMU_MIRROR_STATS:
		mirror_stats(mirror, &stats);
		return copy_to_user(user, &stats, sizeof(stats)) ? -EFAULT : 0;
	default:
		return -ENOTTY;
	}
}

static int mirror_open(struct inode *inode, struct file *file)
{
	struct mirror *mirror = kzalloc(sizeof(*mirror), GFP_KERNEL);

	if (!mirror)
		return -ENOMEM;
	mutex_init(&mirror->map_lock);
	spin_lock_init(&mirror->lock);
	mirror->inval.mirror = mirror;
	init_completion(&mirror->inval.done);
	hrtimer_init(&mirror->inval.timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
	mirror->inval.timer.function = mirror_timer;
	file->private_data = mirror;
	return 0;
}

static int mirror_release(struct inode *inode, struct file *file)
{
	struct mirror *mirror = file->private_data;

	if (mirror->mapped)
		mmu_interval_notifier_remove(&mirror->mni);
	/* No pass is owed any more, but the timer may not have returned yet */
	hrtimer_cancel(&mirror->inval.timer);
	bitmap_free(mirror->ptes);
	bitmap_free(mirror->tlb);
	kfree(mirror);
	return 0;
}

static const struct file_operations mirror_fops = {
	.owner = THIS_MODULE,
	.open = mirror_open,
	.release = mirror_release,
	.unlocked_ioctl = mirror_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice mirror_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "mmu_mirror",
	.fops = &mirror_fops,
};

module_misc_device(mirror_device);

MODULE_DESCRIPTION("Software GPUs that mirror a process's memory");
MODULE_LICENSE("GPL");
