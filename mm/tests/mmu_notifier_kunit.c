// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests for mmu interval notifiers, on a real address space.
 *
 * The subscribers are mock GPUs with a page table, a TLB and a flush that can be
 * held up. Each callback is logged, so that the order of the passes can be
 * checked, and after an operation on the address space no GPU may have a
 * translation of its range left in the TLB: nobody returns early.
 */

#include <kunit/test.h>
#include <linux/cleanup.h>
#include <linux/completion.h>
#include <linux/debug_locks.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/mmu_notifier.h>
#include <linux/prandom.h>
#include <linux/random.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/syscalls.h>
#include <linux/uaccess.h>
#include <linux/wait.h>

#define NR_PAGES	32
#define MAX_GPUS	8
#define MAX_EVENTS	1024
#define MAX_WORKERS	4
#define ALL_PAGES	GENMASK(NR_PAGES - 1, 0)
/* Nothing here takes this long unless it hangs */
#define HANG		(60 * HZ)
/* Long enough for somebody who does not block to get on, also under load */
#define SETTLE		(HZ / 10)

struct fixture;

/**
 * struct gpu - A mock GPU that mirrors part of the test's address space
 * @mni: Its subscription.
 * @finish: The one embedded object.
 * @fx: The fixture it belongs to.
 * @inserted: @mni is to be removed at the end of the case.
 * @id: Index in the fixture.
 * @passes: How many passes it takes to invalidate: 1, 2 or more.
 * @refuse: Refuse non-blockable ranges.
 * @hold_pass: Stop in this pass, complete @held, and wait for @go.
 * @held: Signals that @hold_pass has been reached.
 * @go: Lets a stopped pass go on.
 * @flush_open: TLB flushes can complete.
 * @flush_wait: Those who wait for @flush_open.
 * @flush_usec: How long a TLB flush takes.
 * @lock: The user lock of the subscription; protects what follows.
 * @pass: The pass @finish was last queued for, 0 when it is idle.
 * @owed: The pages that @finish will flush.
 * @ptes: Pages of the mapping that the page table has.
 * @tlb: Pages of the mapping that the TLB has, a superset of @ptes.
 * @fallbacks: First passes that found @finish in use.
 */
struct gpu {
	struct mmu_interval_notifier mni;
	struct mmu_interval_notifier_finish finish;
	struct fixture *fx;
	bool inserted;
	unsigned int id;
	unsigned int passes;
	bool refuse;
	unsigned int hold_pass;
	struct completion held;
	struct completion go;
	bool flush_open;
	wait_queue_head_t flush_wait;
	unsigned int flush_usec;

	spinlock_t lock; /* the user lock */
	unsigned int pass;
	unsigned long owed;
	unsigned long ptes;
	unsigned long tlb;
	unsigned int fallbacks;
};

/* One callback. Pass 1 is ->invalidate() or ->invalidate_start() */
struct event {
	struct task_struct *task;
	struct gpu *gpu;
	unsigned int pass;
	bool last;
	bool fallback;
	enum mmu_notifier_event type;
	unsigned long start;
	unsigned long end;
};

/* Something that runs at the same time, in the same address space */
struct worker {
	struct fixture *fx;
	struct mm_struct *mm;
	int (*fn)(struct fixture *fx, void *arg);
	void *arg;
	struct task_struct *task;
	struct completion done;
	int ret;
};

/* Pages of the mapping */
struct span {
	unsigned int page;
	unsigned int nr;
};

struct storm {
	struct span span;
	u32 seed;
	unsigned int rounds;
	unsigned int early;	/* translations left behind by an operation */
};

struct fixture {
	struct kunit *test;
	struct mm_struct *mm;
	unsigned long addr;
	struct gpu gpus[MAX_GPUS];
	struct worker workers[MAX_WORKERS];
	unsigned int nr_workers;
	struct completion leave;
	struct storm storms[MAX_WORKERS];

	spinlock_t lock; /* protects the log */
	struct event log[MAX_EVENTS];
	unsigned int nr_events;
};

/*
 * The mock GPU
 */

static unsigned long gpu_pages(struct gpu *gpu, unsigned long start,
			       unsigned long end)
{
	unsigned long base = gpu->fx->addr;
	unsigned long first, last;

	start = max(start, base);
	end = min(end, base + NR_PAGES * PAGE_SIZE);
	if (start >= end)
		return 0;
	first = (start - base) >> PAGE_SHIFT;
	last = (end - 1 - base) >> PAGE_SHIFT;
	return GENMASK(last, first);
}

static void gpu_log(struct gpu *gpu, unsigned int pass, bool last, bool fallback,
		    const struct mmu_notifier_range *range)
{
	struct fixture *fx = gpu->fx;
	struct event event = {
		.task = current,
		.gpu = gpu,
		.pass = pass,
		.last = last,
		.fallback = fallback,
	};

	if (range) {
		event.type = range->event;
		event.start = range->start;
		event.end = range->end;
	}

	spin_lock(&fx->lock);
	/* A full log fails the case in check_log() */
	if (fx->nr_events < MAX_EVENTS)
		fx->log[fx->nr_events++] = event;
	spin_unlock(&fx->lock);
}

static void gpu_hold(struct gpu *gpu, unsigned int pass)
{
	if (READ_ONCE(gpu->hold_pass) != pass)
		return;
	complete(&gpu->held);
	wait_for_completion(&gpu->go);
}

/* Wait until the device has flushed @pages. Does not sleep unless it has to */
static void gpu_flush(struct gpu *gpu, unsigned long pages)
{
	if (!READ_ONCE(gpu->flush_open))
		wait_event(gpu->flush_wait, READ_ONCE(gpu->flush_open));
	if (gpu->flush_usec)
		fsleep(gpu->flush_usec);

	spin_lock(&gpu->lock);
	gpu->tlb &= ~pages;
	spin_unlock(&gpu->lock);
}

static bool gpu_start(struct mmu_interval_notifier *mni,
		      const struct mmu_notifier_range *range,
		      unsigned long cur_seq,
		      struct mmu_interval_notifier_finish **finish)
{
	struct gpu *gpu = container_of(mni, struct gpu, mni);
	unsigned long pages = gpu_pages(gpu, range->start, range->end);
	bool owe;

	if (gpu->refuse && !mmu_notifier_range_blockable(range))
		return false;

	scoped_guard(spinlock, &gpu->lock) {
		mmu_interval_set_seq(mni, cur_seq);
		gpu->ptes &= ~pages;
		owe = finish && !gpu->pass;
		if (owe) {
			gpu->pass = 1;
			gpu->owed = pages;
		} else if (finish) {
			gpu->fallbacks++;
		}
	}

	gpu_log(gpu, 1, !owe, finish && !owe, range);
	gpu_hold(gpu, 1);
	if (owe)
		*finish = &gpu->finish;
	else
		gpu_flush(gpu, pages);
	return true;
}

static bool gpu_invalidate(struct mmu_interval_notifier *mni,
			   const struct mmu_notifier_range *range,
			   unsigned long cur_seq)
{
	return gpu_start(mni, range, cur_seq, NULL);
}

static void gpu_finish(struct mmu_interval_notifier_finish *finish)
{
	struct gpu *gpu = container_of(finish, struct gpu, finish);
	unsigned int pass = ++gpu->pass;
	bool last = pass == gpu->passes;

	gpu_log(gpu, pass, last, false, NULL);
	gpu_hold(gpu, pass);
	if (!last) {
		mmu_interval_notifier_finish_again(finish);
		return;
	}
	gpu_flush(gpu, gpu->owed);

	spin_lock(&gpu->lock);
	gpu->owed = 0;
	gpu->pass = 0;
	spin_unlock(&gpu->lock);
}

static const struct mmu_interval_notifier_ops one_pass_ops = {
	.invalidate = gpu_invalidate,
};

static const struct mmu_interval_notifier_ops n_pass_ops = {
	.invalidate_start = gpu_start,
	.invalidate_finish = gpu_finish,
};

static const struct mmu_interval_notifier_ops *gpu_ops(const struct gpu *gpu)
{
	return gpu->passes == 1 ? &one_pass_ops : &n_pass_ops;
}

/* A GPU page fault: make translations of @pages, as a driver would. */
static int gpu_fault(struct gpu *gpu, unsigned long pages)
{
	unsigned int tries, page;
	unsigned long seq;
	bool retry;
	char c;

	for (tries = 0; tries < 1000; tries++) {
		seq = mmu_interval_read_begin(&gpu->mni);
		for_each_set_bit(page, &pages, NR_PAGES)
			if (copy_from_user(&c, (char __user *)gpu->fx->addr +
					       page * PAGE_SIZE, 1))
				return -EFAULT;

		spin_lock(&gpu->lock);
		retry = mmu_interval_read_retry(&gpu->mni, seq);
		if (!retry) {
			gpu->ptes |= pages;
			gpu->tlb |= pages;
		}
		spin_unlock(&gpu->lock);
		if (!retry)
			return 0;
	}
	return -EBUSY;
}

static void gpu_release(struct gpu *gpu)
{
	WRITE_ONCE(gpu->hold_pass, 0);
	complete_all(&gpu->go);
	WRITE_ONCE(gpu->flush_open, true);
	wake_up_all(&gpu->flush_wait);
}

static void gpu_remove(struct gpu *gpu)
{
	if (gpu->inserted)
		mmu_interval_notifier_remove(&gpu->mni);
	gpu->inserted = false;
}

/* Mirror pages [@first, @first + @nr) of the mapping in @passes passes. */
static struct gpu *gpu_add(struct fixture *fx, unsigned int passes,
			   unsigned int first, unsigned int nr)
{
	struct kunit *test = fx->test;
	struct gpu *gpu = fx->gpus;

	while (gpu->passes)
		gpu++;
	KUNIT_ASSERT_LT(test, gpu->id, MAX_GPUS);
	gpu->passes = passes;
	KUNIT_ASSERT_EQ(test, 0,
			mmu_interval_notifier_insert(&gpu->mni, fx->mm,
						     fx->addr + first * PAGE_SIZE,
						     nr * PAGE_SIZE, gpu_ops(gpu)));
	gpu->inserted = true;
	return gpu;
}

static struct gpu *gpu_add_full(struct fixture *fx, unsigned int passes)
{
	struct gpu *gpu = gpu_add(fx, passes, 0, NR_PAGES);

	KUNIT_ASSERT_EQ(fx->test, 0, gpu_fault(gpu, ALL_PAGES));
	return gpu;
}

/*
 * The address space
 */

static unsigned long page_addr(struct fixture *fx, unsigned int page)
{
	return fx->addr + page * PAGE_SIZE;
}

static int do_dontneed(struct fixture *fx, unsigned int page, unsigned int nr)
{
	return do_madvise(fx->mm, page_addr(fx, page), nr * PAGE_SIZE,
			  MADV_DONTNEED);
}

static int do_unmap(struct fixture *fx, unsigned int page, unsigned int nr)
{
	return vm_munmap(page_addr(fx, page), nr * PAGE_SIZE);
}

static unsigned long do_map(struct fixture *fx, unsigned int page,
			    unsigned int nr, unsigned long flags)
{
	return vm_mmap(NULL, page_addr(fx, page), nr * PAGE_SIZE,
		       PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | flags, 0);
}

#ifdef CONFIG_ARCH_HAS_SYSCALL_WRAPPER
asmlinkage long __x64_sys_mprotect(const struct pt_regs *regs);
asmlinkage long __x64_sys_mremap(const struct pt_regs *regs);

static long do_mprotect(unsigned long start, size_t len, unsigned long prot)
{
	struct pt_regs regs = { .di = start, .si = len, .dx = prot };

	return __x64_sys_mprotect(&regs);
}

static long do_mremap(unsigned long addr, unsigned long old_len,
		      unsigned long new_len, unsigned long flags,
		      unsigned long new_addr)
{
	struct pt_regs regs = {
		.di = addr, .si = old_len, .dx = new_len,
		.r10 = flags, .r8 = new_addr,
	};

	return __x64_sys_mremap(&regs);
}
#else
static long do_mprotect(unsigned long start, size_t len, unsigned long prot)
{
	return sys_mprotect(start, len, prot);
}

static long do_mremap(unsigned long addr, unsigned long old_len,
		      unsigned long new_len, unsigned long flags,
		      unsigned long new_addr)
{
	return sys_mremap(addr, old_len, new_len, flags, new_addr);
}
#endif

static int fill(struct fixture *fx, unsigned int page, unsigned int nr)
{
	for (; nr; nr--, page++)
		if (put_user((char)page, (char __user *)page_addr(fx, page)))
			return -EFAULT;
	return 0;
}

/* Leave the address space. It dies here, unless a worker has it as well. */
static void drop_mm(struct fixture *fx)
{
	struct mm_struct *mm = fx->mm;

	fx->mm = NULL;
	kthread_unuse_mm(mm);
	mmput(mm);
}

static int worker_main(void *data)
{
	struct worker *worker = data;

	kthread_use_mm(worker->mm);
	worker->ret = worker->fn(worker->fx, worker->arg);
	kthread_unuse_mm(worker->mm);
	mmput(worker->mm);
	complete_all(&worker->done);
	return 0;
}

static struct worker *
worker_start(struct fixture *fx, int (*fn)(struct fixture *fx, void *arg),
	     void *arg)
{
	struct worker *worker = &fx->workers[fx->nr_workers];

	KUNIT_ASSERT_LT(fx->test, fx->nr_workers, MAX_WORKERS);
	worker->fx = fx;
	worker->fn = fn;
	worker->arg = arg;
	init_completion(&worker->done);
	worker->task = kthread_create(worker_main, worker, "mn-worker/%u",
				      fx->nr_workers);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(fx->test, worker->task);
	/* Its events are told apart by it, also when it has exited */
	get_task_struct(worker->task);
	mmget(fx->mm);
	worker->mm = fx->mm;
	fx->nr_workers++;
	wake_up_process(worker->task);
	return worker;
}

#define ASSERT_REACHED(test, completion) \
	KUNIT_ASSERT_NE(test, 0, wait_for_completion_timeout(completion, HANG))

static void expect_blocked(struct worker *worker)
{
	struct kunit *test = worker->fx->test;

	KUNIT_EXPECT_EQ_MSG(test, 0,
			    wait_for_completion_timeout(&worker->done, SETTLE),
			    "%ps did not wait", worker->fn);
}

static void join(struct worker *worker)
{
	struct kunit *test = worker->fx->test;

	KUNIT_ASSERT_NE_MSG(test, 0,
			    wait_for_completion_timeout(&worker->done, HANG),
			    "%ps hangs", worker->fn);
	KUNIT_EXPECT_EQ_MSG(test, 0, worker->ret, "%ps failed", worker->fn);
}

static void fixture_cleanup(void *data)
{
	struct fixture *fx = data;
	unsigned int i;

	complete_all(&fx->leave);
	for (i = 0; i < MAX_GPUS; i++)
		gpu_release(&fx->gpus[i]);
	for (i = 0; i < fx->nr_workers; i++) {
		wait_for_completion(&fx->workers[i].done);
		put_task_struct(fx->workers[i].task);
	}
	for (i = 0; i < MAX_GPUS; i++)
		gpu_remove(&fx->gpus[i]);
}

/* A kthread with an address space of NR_PAGES present pages and MAX_GPUS GPUs. */
static struct fixture *fixture(struct kunit *test)
{
	struct fixture *fx;
	unsigned int i;

	fx = kunit_kzalloc(test, sizeof(*fx), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, fx);
	fx->test = test;
	spin_lock_init(&fx->lock);
	init_completion(&fx->leave);
	for (i = 0; i < MAX_GPUS; i++) {
		struct gpu *gpu = &fx->gpus[i];

		gpu->fx = fx;
		gpu->id = i;
		gpu->flush_open = true;
		spin_lock_init(&gpu->lock);
		init_completion(&gpu->held);
		init_completion(&gpu->go);
		init_waitqueue_head(&gpu->flush_wait);
	}

	/* Three times the room, so that there is some to move to */
	fx->addr = kunit_vm_mmap(test, NULL, 0, 3 * NR_PAGES * PAGE_SIZE,
				 PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, 0);
	KUNIT_ASSERT_FALSE(test, !fx->addr || IS_ERR_VALUE(fx->addr));
	fx->mm = current->mm;
	KUNIT_ASSERT_EQ(test, 0, do_unmap(fx, NR_PAGES, 2 * NR_PAGES));
	KUNIT_ASSERT_EQ(test, 0, fill(fx, 0, NR_PAGES));
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, fixture_cleanup, fx));
	return fx;
}

/*
 * What must hold of the log
 */

/*
 * The callbacks that @task made, checked against the rules: within an
 * invalidation no pass precedes the last callback of the one before it, passes
 * keep the order of the first one, and each GPU has all of its passes. Returns
 * the number of invalidations.
 */
static unsigned int check_log(struct fixture *fx, struct task_struct *task)
{
	unsigned int done[MAX_GPUS] = {}, place[MAX_GPUS] = {};
	unsigned int pass = 0, last_place = 0, nr = 0, places = 0, i, nr_events;
	unsigned long owed = 0, seen = 0;
	struct kunit *test = fx->test;

	/* What has been logged does not change any more */
	scoped_guard(spinlock, &fx->lock)
		nr_events = fx->nr_events;
	KUNIT_EXPECT_LT(test, nr_events, MAX_EVENTS);
	for (i = 0; i < nr_events; i++) {
		struct event *e = &fx->log[i];
		unsigned int id = e->gpu->id;

		if (e->task != task)
			continue;
		if (e->pass == 1 && (!nr || pass > 1 || seen & BIT(id))) {
			KUNIT_EXPECT_EQ_MSG(test, owed, 0,
					    "invalidation %u ended with passes owed", nr);
			nr++;
			pass = 0;
			places = 0;
			owed = 0;
			seen = 0;
		}
		KUNIT_EXPECT_GE_MSG(test, e->pass, pass,
				    "event %u: GPU %u in pass %u after somebody's pass %u",
				    i, id, e->pass, pass);
		if (e->pass == 1) {
			place[id] = places++;
			done[id] = 1;
		} else {
			KUNIT_EXPECT_TRUE(test, owed & BIT(id));
			KUNIT_EXPECT_EQ(test, e->pass, ++done[id]);
			if (e->pass == pass)
				KUNIT_EXPECT_GT(test, place[id], last_place);
		}
		last_place = place[id];
		pass = e->pass;
		seen |= BIT(id);
		__assign_bit(id, &owed, !e->last);
		if (e->last && !e->fallback)
			KUNIT_EXPECT_EQ(test, e->pass, e->gpu->passes);
	}
	KUNIT_EXPECT_EQ_MSG(test, owed, 0, "passes owed at the end");
	return nr;
}

/* No GPU has a translation of @pages left, and all objects are idle. */
static void check_clean(struct fixture *fx, unsigned long pages)
{
	struct kunit *test = fx->test;
	unsigned int i;

	for (i = 0; i < MAX_GPUS; i++) {
		struct gpu *gpu = &fx->gpus[i];

		KUNIT_EXPECT_EQ_MSG(test, READ_ONCE(gpu->ptes) & pages, 0, "GPU %u", i);
		KUNIT_EXPECT_EQ_MSG(test, READ_ONCE(gpu->tlb) & pages, 0, "GPU %u", i);
		KUNIT_EXPECT_EQ_MSG(test, READ_ONCE(gpu->pass), 0, "GPU %u", i);
	}
}

static unsigned int count_events(struct fixture *fx, struct gpu *gpu,
				 unsigned int pass)
{
	unsigned int i, nr = 0;

	spin_lock(&fx->lock);
	for (i = 0; i < fx->nr_events; i++)
		nr += fx->log[i].gpu == gpu && fx->log[i].pass == pass;
	spin_unlock(&fx->lock);
	return nr;
}

/*
 * The sequence number of the address space, which nothing shows: that of a new
 * subscription is the same during an invalidation, else one less.
 */
static unsigned long mm_seq(struct fixture *fx, bool *invalidating)
{
	struct mmu_interval_notifier probe;
	unsigned long seq;

	KUNIT_ASSERT_EQ(fx->test, 0,
			mmu_interval_notifier_insert(&probe, fx->mm, 0, PAGE_SIZE,
						     &one_pass_ops));
	seq = probe.invalidate_seq;
	*invalidating = RB_EMPTY_NODE(&probe.interval_tree.rb);
	mmu_interval_notifier_remove(&probe);
	KUNIT_EXPECT_EQ(fx->test, seq & 1, 1);
	return *invalidating ? seq : seq + 1;
}

static void check_idle(struct fixture *fx)
{
	bool invalidating;

	mm_seq(fx, &invalidating);
	KUNIT_EXPECT_FALSE(fx->test, invalidating);
}

/* Workers */

static struct span whole = { 0, NR_PAGES };
static struct span low = { 0, 4 };
static struct span high = { 8, 4 };

static int work_dontneed(struct fixture *fx, void *arg)
{
	struct span *span = arg;

	return do_dontneed(fx, span->page, span->nr);
}

static int work_unmap(struct fixture *fx, void *arg)
{
	struct span *span = arg;

	return do_unmap(fx, span->page, span->nr);
}

static int work_remove(struct fixture *fx, void *arg)
{
	gpu_remove(arg);
	return 0;
}

static int work_fault(struct fixture *fx, void *arg)
{
	return gpu_fault(arg, BIT(0));
}

static int work_wait(struct fixture *fx, void *arg)
{
	wait_for_completion(arg);
	return 0;
}

/*
 * Cases
 */

static void insert_rejects_incomplete_ops(struct kunit *test)
{
	static const struct mmu_interval_notifier_ops bad[] = {
		{ },
		{ .invalidate_start = gpu_start },
		{ .invalidate_finish = gpu_finish },
		{ .invalidate = gpu_invalidate, .invalidate_start = gpu_start },
		{ .invalidate = gpu_invalidate, .invalidate_finish = gpu_finish },
		{ .invalidate = gpu_invalidate, .invalidate_start = gpu_start,
		  .invalidate_finish = gpu_finish },
	};
	struct fixture *fx = fixture(test);
	struct mmu_interval_notifier mni;
	int i, ret;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		ret = mmu_interval_notifier_insert(&mni, fx->mm, fx->addr,
						   PAGE_SIZE, &bad[i]);
		KUNIT_EXPECT_EQ_MSG(test, ret, -EINVAL, "insert, ops %d", i);

		mmap_write_lock(fx->mm);
		ret = mmu_interval_notifier_insert_locked(&mni, fx->mm, fx->addr,
							  PAGE_SIZE, &bad[i]);
		mmap_write_unlock(fx->mm);
		KUNIT_EXPECT_EQ_MSG(test, ret, -EINVAL, "locked, ops %d", i);
	}

	/* Nothing was left behind that an invalidation could call */
	KUNIT_EXPECT_EQ(test, 0, do_unmap(fx, 0, NR_PAGES));
	KUNIT_EXPECT_EQ(test, check_log(fx, current), 0);
}

struct mix {
	const char *name;
	unsigned int passes[MAX_GPUS];
};

static const struct mix mixes[] = {
	{ "one GPU, one pass", { 1 } },
	{ "one GPU, two passes", { 2 } },
	{ "one GPU, 64 passes", { 64 } },
	{ "one pass each", { 1, 1, 1, 1 } },
	{ "two passes each", { 2, 2, 2, 2, 2, 2, 2, 2 } },
	{ "three-stage pipeline", { 3, 3, 3, 3, 3, 3, 3, 3 } },
	{ "mixed, rising", { 1, 2, 3, 4, 5, 6, 7, 8 } },
	{ "mixed, falling", { 8, 7, 6, 5, 4, 3, 2, 1 } },
	{ "mixed, alternating", { 1, 5, 2, 1, 3, 1, 2, 5 } },
};

static void mix_desc(const struct mix *mix, char *desc)
{
	strscpy(desc, mix->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(mixes, mixes, mix_desc);

/* All first passes precede any second pass, and so on, across subscribers */
static void passes_in_order(struct kunit *test)
{
	const struct mix *mix = test->param_value;
	struct fixture *fx = fixture(test);
	unsigned int i, expected = 0;

	for (i = 0; i < MAX_GPUS && mix->passes[i]; i++) {
		gpu_add_full(fx, mix->passes[i]);
		expected += mix->passes[i];
	}
	KUNIT_EXPECT_EQ(test, 0, do_unmap(fx, 0, NR_PAGES));
	KUNIT_EXPECT_EQ(test, check_log(fx, current), 1);
	KUNIT_EXPECT_EQ(test, fx->nr_events, expected);
	check_clean(fx, ALL_PAGES);
}

/* Intervals that nest, overlap, touch, and miss */
static void overlapping_intervals(struct kunit *test)
{
	static const struct {
		unsigned int page, nr;
		bool hit;
	} spans[] = {
		{ 0, NR_PAGES, true },	/* around the range */
		{ 8, 8, true },		/* the range */
		{ 10, 2, true },	/* inside */
		{ 4, 6, true },		/* over its start */
		{ 14, 6, true },	/* over its end */
		{ 15, 1, true },	/* its last page */
		{ 0, 8, false },	/* ends where it starts */
		{ 16, 4, false },	/* starts where it ends */
	};
	struct fixture *fx = fixture(test);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(spans); i++)
		gpu_add(fx, 2 + i % 2, spans[i].page, spans[i].nr);
	KUNIT_EXPECT_EQ(test, 0, do_unmap(fx, 8, 8));
	KUNIT_EXPECT_EQ(test, check_log(fx, current), 1);
	for (i = 0; i < ARRAY_SIZE(spans); i++) {
		struct gpu *gpu = &fx->gpus[i];
		unsigned int pass;

		for (pass = 1; pass <= gpu->passes; pass++)
			KUNIT_EXPECT_EQ_MSG(test, count_events(fx, gpu, pass),
					    spans[i].hit, "span %u", i);
	}
}

struct loose {
	struct mmu_interval_notifier mni;
	struct mmu_interval_notifier_finish *finish;
	unsigned int finished;
	bool owe;
};

struct loose_finish {
	struct mmu_interval_notifier_finish base;
	unsigned long sentinel;
};

static bool loose_start(struct mmu_interval_notifier *mni,
			const struct mmu_notifier_range *range,
			unsigned long cur_seq,
			struct mmu_interval_notifier_finish **finish)
{
	struct loose *loose = container_of(mni, struct loose, mni);
	struct loose_finish *obj;

	mmu_interval_set_seq(mni, cur_seq);
	if (!loose->owe)
		return true;
	obj = kzalloc(sizeof(*obj), GFP_NOWAIT);
	if (obj) {
		obj->sentinel = (unsigned long)loose;
		*finish = &obj->base;
	}
	return true;
}

static void loose_finish(struct mmu_interval_notifier_finish *finish)
{
	struct loose *loose = container_of(finish->notifier, struct loose, mni);
	struct loose_finish *obj =
		container_of(finish, struct loose_finish, base);

	if (obj->sentinel == (unsigned long)loose)
		loose->finished++;
	kfree(obj);
}

static void loose_remove(void *data)
{
	struct loose *loose = data;

	mmu_interval_notifier_remove(&loose->mni);
}

/* An object that lives for one invalidation; KASAN sees who touches it after */
static void finish_frees_its_object(struct kunit *test)
{
	static const struct mmu_interval_notifier_ops ops = {
		.invalidate_start = loose_start,
		.invalidate_finish = loose_finish,
	};
	struct fixture *fx = fixture(test);
	struct loose *loose;
	int i;

	loose = kunit_kzalloc(test, sizeof(*loose), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, loose);
	loose->owe = true;
	KUNIT_ASSERT_EQ(test, 0,
			mmu_interval_notifier_insert(&loose->mni, fx->mm, fx->addr,
						     NR_PAGES * PAGE_SIZE, &ops));
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, loose_remove, loose));
	gpu_add_full(fx, 3);
	for (i = 0; i < 10; i++)
		KUNIT_EXPECT_EQ(test, 0, do_dontneed(fx, i, 1));
	KUNIT_EXPECT_EQ(test, loose->finished, 10);

	/* A start that owes nothing gets no second pass */
	loose->owe = false;
	KUNIT_EXPECT_EQ(test, 0, do_dontneed(fx, 10, 1));
	KUNIT_EXPECT_EQ(test, loose->finished, 10);
	KUNIT_EXPECT_EQ(test, check_log(fx, current), 11);
}

/*
 * Operations on the address space
 */

static int op_munmap(struct fixture *fx)
{
	return do_unmap(fx, 4, 4);
}

static int op_map_fixed(struct fixture *fx)
{
	return IS_ERR_VALUE(do_map(fx, 4, 4, MAP_FIXED)) ? -EINVAL : 0;
}

static int op_mprotect(struct fixture *fx)
{
	return do_mprotect(page_addr(fx, 4), 4 * PAGE_SIZE, PROT_READ);
}

static int op_dontneed(struct fixture *fx)
{
	return do_dontneed(fx, 4, 4);
}

static int op_mremap_shrink(struct fixture *fx)
{
	unsigned long ret = do_mremap(fx->addr, NR_PAGES * PAGE_SIZE,
				      4 * PAGE_SIZE, 0, 0);

	return ret == fx->addr ? 0 : -EINVAL;
}

static int mremap_away(struct fixture *fx, unsigned long flags)
{
	unsigned long to = page_addr(fx, 2 * NR_PAGES);

	return do_mremap(page_addr(fx, 4), 4 * PAGE_SIZE, 4 * PAGE_SIZE,
			 MREMAP_MAYMOVE | MREMAP_FIXED | flags, to) == to ?
	       0 : -EINVAL;
}

static int op_mremap_move(struct fixture *fx)
{
	return mremap_away(fx, 0);
}

static int op_mremap_dontunmap(struct fixture *fx)
{
	return mremap_away(fx, MREMAP_DONTUNMAP);
}

struct child {
	struct completion started;
	struct completion exit;
};

static int child_main(void *data)
{
	struct child *child = data;

	complete(&child->started);
	wait_for_completion(&child->exit);
	do_exit(0);
}

/* Runs @fn while a child process shares the pages copy-on-write. */
static int with_child(struct fixture *fx, int (*fn)(struct fixture *fx))
{
	struct child child;
	struct kernel_clone_args args = {
		.exit_signal = SIGCHLD,
		.fn = child_main,
		.fn_arg = &child,
	};
	pid_t pid;
	int ret = 0;

	init_completion(&child.started);
	init_completion(&child.exit);
	pid = kernel_clone(&args);
	if (pid < 0)
		return pid;
	wait_for_completion(&child.started);
	if (fn)
		ret = fn(fx);
	complete(&child.exit);
	/* The child has been reaped when this fails, kthreads ignore SIGCHLD */
	kernel_wait(pid, NULL);
	return ret;
}

static int op_fork(struct fixture *fx)
{
	return with_child(fx, NULL);
}

static int write_one(struct fixture *fx)
{
	return fill(fx, 4, 1);
}

static int op_fork_write(struct fixture *fx)
{
	return with_child(fx, write_one);
}

struct op {
	const char *name;
	int (*fn)(struct fixture *fx);
	unsigned int nr;	/* invalidations that the GPUs see */
	unsigned int which;	/* the one described here */
	enum mmu_notifier_event type;
	unsigned int page, pages;
};

static const struct op ops[] = {
	{ "munmap", op_munmap, 1, 0, MMU_NOTIFY_UNMAP, 4, 4 },
	{ "mmap over it", op_map_fixed, 1, 0, MMU_NOTIFY_UNMAP, 4, 4 },
	{ "mprotect", op_mprotect, 1, 0, MMU_NOTIFY_PROTECTION_VMA, 4, 4 },
	{ "MADV_DONTNEED", op_dontneed, 1, 0, MMU_NOTIFY_CLEAR, 4, 4 },
	{ "mremap, shrink", op_mremap_shrink, 1, 0, MMU_NOTIFY_UNMAP,
	  4, NR_PAGES - 4 },
	{ "mremap, move", op_mremap_move, 2, 0, MMU_NOTIFY_UNMAP, 4, 4 },
	{ "mremap, keep", op_mremap_dontunmap, 1, 0, MMU_NOTIFY_UNMAP, 4, 4 },
	{ "fork", op_fork, 1, 0, MMU_NOTIFY_PROTECTION_PAGE, 0, NR_PAGES },
	{ "write after fork", op_fork_write, 2, 1, MMU_NOTIFY_CLEAR, 4, 1 },
};

static void op_desc(const struct op *op, char *desc)
{
	strscpy(desc, op->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(ops, ops, op_desc);

/* Each operation is seen once by everybody, in as many passes as they like */
static void address_space_operations(struct kunit *test)
{
	const struct op *op = test->param_value;
	struct fixture *fx = fixture(test);
	unsigned int i, nr = 0;
	struct gpu *first;

	first = gpu_add_full(fx, 2);
	gpu_add_full(fx, 1);
	gpu_add_full(fx, 3);
	gpu_add_full(fx, 2);
	KUNIT_ASSERT_EQ(test, 0, op->fn(fx));
	KUNIT_EXPECT_EQ(test, check_log(fx, current), op->nr);
	check_clean(fx, GENMASK(op->page + op->pages - 1, op->page));
	check_idle(fx);

	for (i = 0; i < fx->nr_events; i++) {
		struct event *e = &fx->log[i];

		if (e->gpu != first || e->pass != 1 || nr++ != op->which)
			continue;
		KUNIT_EXPECT_EQ(test, e->type, op->type);
		/* fork covers the VMA, of which the GPUs see a part */
		KUNIT_EXPECT_LE(test, e->start, page_addr(fx, op->page));
		KUNIT_EXPECT_GE(test, e->end,
				page_addr(fx, op->page + op->pages));
		if (op->fn != op_fork)
			KUNIT_EXPECT_EQ(test, e->end - e->start,
					op->pages * PAGE_SIZE);
	}
	KUNIT_EXPECT_EQ(test, nr, op->nr);
}

/* A new mapping, and pages that are populated, call nobody */
static void silent_operations(struct kunit *test)
{
	struct fixture *fx = fixture(test);

	gpu_add(fx, 2, 0, 2 * NR_PAGES);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(do_map(fx, NR_PAGES, NR_PAGES,
						     MAP_FIXED)));
	KUNIT_EXPECT_EQ(test, 0, fill(fx, NR_PAGES, NR_PAGES));
	KUNIT_EXPECT_EQ(test, fx->nr_events, 0);
}

/*
 * Two invalidations at once, one embedded object: the second one does without,
 * and does not return before the device is done with its own range.
 */
static void concurrent_invalidations_share_an_object(struct kunit *test)
{
	struct fixture *fx = fixture(test);
	struct gpu *gpu = gpu_add_full(fx, 2);
	struct worker *a, *b;

	gpu_add_full(fx, 3);
	WRITE_ONCE(gpu->flush_open, false);
	gpu->hold_pass = 2;
	a = worker_start(fx, work_dontneed, &low);
	ASSERT_REACHED(test, &gpu->held);

	b = worker_start(fx, work_dontneed, &high);
	expect_blocked(b);
	KUNIT_EXPECT_EQ(test, gpu->fallbacks, 1);
	KUNIT_EXPECT_EQ(test, gpu->tlb, ALL_PAGES);

	/* The device is done. The second one can return while the first can't */
	WRITE_ONCE(gpu->flush_open, true);
	wake_up_all(&gpu->flush_wait);
	join(b);
	KUNIT_EXPECT_EQ(test, gpu->tlb & GENMASK(11, 8), 0);
	KUNIT_EXPECT_EQ(test, gpu->tlb & GENMASK(3, 0), GENMASK(3, 0));
	expect_blocked(a);

	gpu_release(gpu);
	join(a);
	check_clean(fx, GENMASK(11, 8) | GENMASK(3, 0));
	KUNIT_EXPECT_EQ(test, check_log(fx, a->task), 1);
	KUNIT_EXPECT_EQ(test, check_log(fx, b->task), 1);
	/* The object is idle again and is used again */
	KUNIT_EXPECT_EQ(test, 0, do_dontneed(fx, 16, 4));
	KUNIT_EXPECT_EQ(test, check_log(fx, current), 1);
	KUNIT_EXPECT_EQ(test, gpu->fallbacks, 1);
}

/* Removal sleeps while a pass is owed; then the subscription can be freed */
static void remove_between_passes(struct kunit *test)
{
	struct fixture *fx = fixture(test);
	struct gpu *gpu = gpu_add_full(fx, 3);
	struct gpu *other = gpu_add_full(fx, 2);
	struct worker *unmap, *remove, *remove_other;

	gpu->hold_pass = 2;
	unmap = worker_start(fx, work_unmap, &whole);
	ASSERT_REACHED(test, &gpu->held);
	/* This one has begun a pass, that one has one before it */
	remove = worker_start(fx, work_remove, gpu);
	remove_other = worker_start(fx, work_remove, other);
	expect_blocked(remove);
	expect_blocked(remove_other);

	gpu_release(gpu);
	join(remove);
	join(remove_other);
	join(unmap);
	KUNIT_EXPECT_EQ(test, check_log(fx, unmap->task), 1);
	check_clean(fx, ALL_PAGES);

	/* Poison: whoever still uses them will fall over it */
	memset(&gpu->mni, 0x5a, sizeof(gpu->mni));
	memset(&gpu->finish, 0x5a, sizeof(gpu->finish));
	memset(&other->finish, 0x5a, sizeof(other->finish));
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(do_map(fx, 0, NR_PAGES, MAP_FIXED)));
	KUNIT_EXPECT_EQ(test, 0, fill(fx, 0, NR_PAGES));
	KUNIT_EXPECT_EQ(test, 0, do_unmap(fx, 0, NR_PAGES));
	KUNIT_EXPECT_EQ(test, check_log(fx, current), 0);
}

/* A subscription that comes between the passes takes effect after them */
static void insert_between_passes(struct kunit *test)
{
	struct fixture *fx = fixture(test);
	struct gpu *gpu = gpu_add_full(fx, 2);
	struct worker *unmap, *fault;
	struct gpu *late;

	gpu->hold_pass = 2;
	unmap = worker_start(fx, work_dontneed, &low);
	ASSERT_REACHED(test, &gpu->held);
	late = gpu_add(fx, 2, 0, NR_PAGES);
	fault = worker_start(fx, work_fault, late);
	expect_blocked(fault);

	gpu_release(gpu);
	join(unmap);
	join(fault);
	KUNIT_EXPECT_EQ(test, count_events(fx, late, 1), 0);
	KUNIT_EXPECT_EQ(test, late->tlb, BIT(0));
	KUNIT_EXPECT_EQ(test, 0, do_unmap(fx, 0, NR_PAGES));
	KUNIT_EXPECT_EQ(test, count_events(fx, late, 2), 1);
	check_clean(fx, ALL_PAGES);
}

/* The release of the mm is an invalidation of all of it, pass by pass */
static void exit_mm_in_passes(struct kunit *test)
{
	struct fixture *fx = fixture(test);
	unsigned int i, release = 0;

	gpu_add_full(fx, 2);
	gpu_add_full(fx, 1);
	gpu_add_full(fx, 3);
	drop_mm(fx);
	/* RELEASE, then UNMAP by exit_mmap() */
	KUNIT_EXPECT_EQ(test, check_log(fx, current), 2);
	for (i = 0; i < fx->nr_events; i++)
		release += fx->log[i].pass == 1 &&
			   fx->log[i].type == MMU_NOTIFY_RELEASE;
	KUNIT_EXPECT_EQ(test, release, 3);
	KUNIT_EXPECT_EQ(test, fx->log[0].type, MMU_NOTIFY_RELEASE);
	check_clean(fx, ALL_PAGES);
}

/* The mm dies while removal waits for a pass that its release still owes */
static void exit_mm_with_passes_owed(struct kunit *test)
{
	struct fixture *fx = fixture(test);
	struct gpu *gpu = gpu_add_full(fx, 2);
	struct gpu *other = gpu_add_full(fx, 3);
	struct worker *last;

	/* Let a worker be the last one to leave */
	last = worker_start(fx, work_wait, &fx->leave);
	gpu->hold_pass = 2;
	drop_mm(fx);
	complete(&fx->leave);
	ASSERT_REACHED(test, &gpu->held);
	KUNIT_EXPECT_EQ(test, gpu->tlb, ALL_PAGES);
	KUNIT_EXPECT_EQ(test, fx->log[0].type, MMU_NOTIFY_RELEASE);
	expect_blocked(last);

	WRITE_ONCE(gpu->hold_pass, 0);
	complete(&gpu->go);
	/* Sleeps until the passes are over, whatever is left of them */
	gpu_remove(gpu);
	KUNIT_EXPECT_EQ(test, gpu->pass, 0);
	gpu_remove(other);
	join(last);
	check_log(fx, last->task);
	check_clean(fx, ALL_PAGES);
}

static int nonblock_start(struct fixture *fx, struct mmu_notifier_range *range)
{
	mmu_notifier_range_init(range, MMU_NOTIFY_CLEAR, 0, fx->mm, fx->addr,
				page_addr(fx, NR_PAGES));
	return mmu_notifier_invalidate_range_start_nonblock(range);
}

/* A later subscriber refuses: what was started is finished, and it is over */
static void nonblock_refused_after_start(struct kunit *test)
{
	struct fixture *fx = fixture(test);
	struct mmu_notifier_range range;
	struct gpu *first, *second, *refuser, *never;

	/* Of equal intervals the tree goes through the older ones first */
	first = gpu_add_full(fx, 2);
	second = gpu_add_full(fx, 3);
	refuser = gpu_add_full(fx, 2);
	never = gpu_add_full(fx, 2);
	refuser->refuse = true;

	KUNIT_EXPECT_EQ(test, nonblock_start(fx, &range), -EAGAIN);
	KUNIT_EXPECT_EQ(test, count_events(fx, first, 2), 1);
	KUNIT_EXPECT_EQ(test, count_events(fx, second, 3), 1);
	KUNIT_EXPECT_EQ(test, count_events(fx, refuser, 1), 0);
	KUNIT_EXPECT_EQ(test, count_events(fx, never, 1), 0);
	KUNIT_EXPECT_EQ(test, check_log(fx, current), 1);
	KUNIT_EXPECT_EQ(test, first->tlb | second->tlb, 0);
	KUNIT_EXPECT_EQ(test, refuser->tlb & never->tlb, ALL_PAGES);
	KUNIT_EXPECT_EQ(test, first->pass | second->pass, 0);

	/* It has ended: readers do not sleep, and the next one succeeds */
	check_idle(fx);
	KUNIT_EXPECT_EQ(test, 0, gpu_fault(first, BIT(0)));
	KUNIT_EXPECT_EQ(test, 0, do_unmap(fx, 0, NR_PAGES));
	check_clean(fx, ALL_PAGES);
}

/* Nobody refuses: the passes run without a sleep, and the caller ends it */
static void nonblock_accepted(struct kunit *test)
{
	struct fixture *fx = fixture(test);
	struct mmu_notifier_range range;
	bool invalidating;

	gpu_add_full(fx, 2);
	gpu_add_full(fx, 1);
	gpu_add_full(fx, 3);
	KUNIT_ASSERT_EQ(test, nonblock_start(fx, &range), 0);
	KUNIT_EXPECT_EQ(test, check_log(fx, current), 1);
	check_clean(fx, ALL_PAGES);
	mm_seq(fx, &invalidating);
	KUNIT_EXPECT_TRUE(test, invalidating);
	mmu_notifier_invalidate_range_end(&range);
	check_idle(fx);
}

static int plain_refuse(struct mmu_notifier *mn,
			const struct mmu_notifier_range *range)
{
	return mmu_notifier_range_blockable(range) ? 0 : -EAGAIN;
}

static const struct mmu_notifier_ops plain_ops = {
	.invalidate_range_start = plain_refuse,
};

struct plain {
	struct mmu_notifier mn;
	struct mm_struct *mm;
};

static void plain_unregister(void *data)
{
	struct plain *plain = data;

	mmu_notifier_unregister(&plain->mn, plain->mm);
}

/* A plain notifier refuses after the interval notifiers: that ends it as well */
static void nonblock_refused_by_plain_notifier(struct kunit *test)
{
	struct fixture *fx = fixture(test);
	struct mmu_notifier_range range;
	struct plain *plain;
	bool invalidating;

	plain = kunit_kzalloc(test, sizeof(*plain), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, plain);
	plain->mn.ops = &plain_ops;
	plain->mm = fx->mm;
	KUNIT_ASSERT_EQ(test, 0, mmu_notifier_register(&plain->mn, fx->mm));
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, plain_unregister, plain));
	gpu_add_full(fx, 2);
	gpu_add_full(fx, 1);

	KUNIT_EXPECT_EQ(test, nonblock_start(fx, &range), -EAGAIN);
	KUNIT_EXPECT_EQ(test, check_log(fx, current), 1);
	check_clean(fx, ALL_PAGES);
	mm_seq(fx, &invalidating);
	KUNIT_EXPECT_FALSE(test, invalidating);
	/* Go on where that failed, everything after it would sleep for ever */
	if (invalidating)
		mmu_notifier_invalidate_range_end(&range);
}

/* What readers see before, between and after the passes */
static void sequence_numbers(struct kunit *test)
{
	struct fixture *fx = fixture(test);
	struct gpu *gpu = gpu_add_full(fx, 3);
	struct gpu *apart = gpu_add(fx, 2, NR_PAGES, 1);
	unsigned long before, begin, seq, again;
	struct worker *unmap, *fault;
	bool invalidating;

	before = mm_seq(fx, &invalidating);
	KUNIT_EXPECT_FALSE(test, invalidating);
	KUNIT_EXPECT_EQ(test, before & 1, 0);
	begin = mmu_interval_read_begin(&gpu->mni);
	KUNIT_EXPECT_EQ(test, begin & 1, 1);
	KUNIT_EXPECT_FALSE(test, mmu_interval_read_retry(&gpu->mni, begin));

	/* In the last pass: odd, the same in the subscription, a collision */
	gpu->hold_pass = 3;
	unmap = worker_start(fx, work_dontneed, &low);
	ASSERT_REACHED(test, &gpu->held);
	seq = mm_seq(fx, &invalidating);
	KUNIT_EXPECT_TRUE(test, invalidating);
	KUNIT_EXPECT_EQ(test, seq, before + 1);
	KUNIT_EXPECT_EQ(test, READ_ONCE(gpu->mni.invalidate_seq), seq);
	KUNIT_EXPECT_TRUE(test, mmu_interval_check_retry(&gpu->mni, begin));
	KUNIT_EXPECT_TRUE(test, mmu_interval_read_retry(&gpu->mni, begin));

	/* A reader that overlaps sleeps, one that does not goes through */
	fault = worker_start(fx, work_fault, gpu);
	expect_blocked(fault);
	again = mmu_interval_read_begin(&apart->mni);
	KUNIT_EXPECT_NE(test, again, seq);
	KUNIT_EXPECT_FALSE(test, mmu_interval_read_retry(&apart->mni, again));
	KUNIT_EXPECT_EQ(test, mm_seq(fx, &invalidating), seq);

	gpu_release(gpu);
	join(unmap);
	join(fault);
	KUNIT_EXPECT_EQ(test, mm_seq(fx, &invalidating), seq + 1);
	KUNIT_EXPECT_FALSE(test, invalidating);
	KUNIT_EXPECT_TRUE(test, mmu_interval_read_retry(&gpu->mni, begin));
	again = mmu_interval_read_begin(&gpu->mni);
	KUNIT_EXPECT_EQ(test, again, seq);
	KUNIT_EXPECT_FALSE(test, mmu_interval_read_retry(&gpu->mni, again));
	KUNIT_EXPECT_EQ(test, gpu->tlb & GENMASK(3, 0), BIT(0));
}

static DEFINE_MUTEX(sleepy_lock);

static bool sleepy_start(struct mmu_interval_notifier *mni,
			 const struct mmu_notifier_range *range,
			 unsigned long cur_seq,
			 struct mmu_interval_notifier_finish **finish)
{
	struct loose *loose = container_of(mni, struct loose, mni);

	mmu_interval_set_seq(mni, cur_seq);
	*finish = loose->finish;
	return true;
}

static void sleepy_finish(struct mmu_interval_notifier_finish *finish)
{
	struct loose *loose = container_of(finish->notifier, struct loose, mni);

	guard(mutex)(&sleepy_lock);
	fsleep(1000);
	loose->finished++;
}

/* A second pass may sleep and take a mutex, and lockdep is happy with it */
static void second_pass_sleeps(struct kunit *test)
{
	static const struct mmu_interval_notifier_ops ops = {
		.invalidate_start = sleepy_start,
		.invalidate_finish = sleepy_finish,
	};
	struct fixture *fx = fixture(test);
	struct loose *loose;

	loose = kunit_kzalloc(test, sizeof(*loose), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, loose);
	loose->finish = kunit_kzalloc(test, sizeof(*loose->finish), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, loose->finish);
	KUNIT_ASSERT_EQ(test, 0,
			mmu_interval_notifier_insert(&loose->mni, fx->mm, fx->addr,
						     NR_PAGES * PAGE_SIZE, &ops));
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, loose_remove, loose));
	KUNIT_EXPECT_EQ(test, 0, do_dontneed(fx, 0, 4));
	KUNIT_EXPECT_EQ(test, 0, do_unmap(fx, 0, NR_PAGES));
	drop_mm(fx);
	/* madvise(), munmap(), and the release; exit_mmap() has nothing to unmap */
	KUNIT_EXPECT_EQ(test, loose->finished, 3);
	if (IS_ENABLED(CONFIG_LOCKDEP))
		KUNIT_EXPECT_TRUE(test, debug_locks);
}

/*
 * Everything at once
 */

static int storm_round(struct fixture *fx, struct storm *storm,
		       struct rnd_state *rnd)
{
	unsigned int nr = 1 + prandom_u32_state(rnd) % storm->span.nr;
	unsigned int page = storm->span.page +
			    prandom_u32_state(rnd) % (storm->span.nr - nr + 1);
	unsigned long pages = GENMASK(page + nr - 1, page);
	int i, ret;

	for (i = 0; i < MAX_GPUS && fx->gpus[i].passes; i++) {
		ret = gpu_fault(&fx->gpus[i], pages);
		if (ret)
			return ret;
	}

	switch (prandom_u32_state(rnd) % 3) {
	case 0:
		ret = do_dontneed(fx, page, nr);
		break;
	case 1:
		ret = do_mprotect(page_addr(fx, page), nr * PAGE_SIZE, PROT_READ) ?:
		      do_mprotect(page_addr(fx, page), nr * PAGE_SIZE,
				  PROT_READ | PROT_WRITE);
		break;
	default:
		ret = do_unmap(fx, page, nr);
		break;
	}
	/* Only this worker faults these pages: nothing may be left of them */
	for (i = 0; i < MAX_GPUS && fx->gpus[i].passes; i++)
		if (READ_ONCE(fx->gpus[i].tlb) & pages)
			storm->early++;
	if (ret)
		return ret;
	/* For munmap, and a new mapping where there is one */
	return IS_ERR_VALUE(do_map(fx, page, nr, MAP_FIXED)) ? -ENOMEM :
	       fill(fx, page, nr);
}

static int work_storm(struct fixture *fx, void *arg)
{
	struct storm *storm = arg;
	struct rnd_state rnd;
	int ret = 0;

	prandom_seed_state(&rnd, storm->seed);
	while (!ret && storm->rounds--)
		ret = storm_round(fx, storm, &rnd);
	return ret;
}

static int work_insert_remove(struct fixture *fx, void *arg)
{
	struct storm *storm = arg;
	struct gpu *gpu = &fx->gpus[MAX_GPUS - 1];
	int ret;

	while (storm->rounds--) {
		gpu->passes = 1 + storm->rounds % 3;
		ret = mmu_interval_notifier_insert(&gpu->mni, fx->mm, fx->addr,
						   NR_PAGES * PAGE_SIZE,
						   gpu_ops(gpu));
		if (ret)
			return ret;
		mmu_interval_notifier_remove(&gpu->mni);
		if (gpu->pass)
			return -EBUSY;
		/* Nobody but the core may have kept a pointer, it must not */
		memset(&gpu->finish, 0, sizeof(gpu->finish));
		cond_resched();
	}
	return 0;
}

/*
 * Threads that change their own parts of the mapping, all of it mirrored by GPUs
 * with slow flushes and one finish object each, while a GPU comes and goes.
 */
static void storm(struct kunit *test)
{
	struct fixture *fx = fixture(test);
	unsigned int i, fallbacks = 0;
	u32 seed = get_random_u32();

	kunit_info(test, "seed %#x\n", seed);
	for (i = 0; i < 4; i++) {
		struct gpu *gpu = gpu_add_full(fx, 1 + i);

		gpu->flush_usec = 50 * i;
	}
	for (i = 0; i < MAX_WORKERS; i++) {
		fx->storms[i] = (struct storm){
			.span = { i * 8, 8 },
			.seed = seed + i,
			/* A tick is the shortest sleep on UML */
			.rounds = IS_ENABLED(CONFIG_SMP) ? 200 : 20,
		};
		worker_start(fx, i ? work_storm : work_insert_remove,
			     &fx->storms[i]);
	}
	for (i = 0; i < MAX_WORKERS; i++) {
		join(&fx->workers[i]);
		KUNIT_EXPECT_EQ(test, fx->storms[i].early, 0);
	}
	for (i = 0; i < 4; i++)
		fallbacks += fx->gpus[i].fallbacks;
	kunit_info(test, "%u invalidations found the object in use\n", fallbacks);
	fx->gpus[MAX_GPUS - 1].passes = 0;
	KUNIT_EXPECT_EQ(test, 0, do_unmap(fx, 0, NR_PAGES));
	check_clean(fx, ALL_PAGES);
	check_idle(fx);
}

/* A lockdep report does not fail a case by itself, and turns lockdep off */
static void lockdep_is_still_on(struct kunit *test)
{
	if (!IS_ENABLED(CONFIG_LOCKDEP))
		kunit_skip(test, "needs CONFIG_LOCKDEP");
	KUNIT_EXPECT_TRUE(test, debug_locks);
}

static struct kunit_case mmu_notifier_cases[] = {
	KUNIT_CASE(insert_rejects_incomplete_ops),
	KUNIT_CASE_PARAM(passes_in_order, mixes_gen_params),
	KUNIT_CASE(overlapping_intervals),
	KUNIT_CASE(finish_frees_its_object),
	KUNIT_CASE_PARAM(address_space_operations, ops_gen_params),
	KUNIT_CASE(silent_operations),
	KUNIT_CASE(concurrent_invalidations_share_an_object),
	KUNIT_CASE(remove_between_passes),
	KUNIT_CASE(insert_between_passes),
	KUNIT_CASE(exit_mm_in_passes),
	KUNIT_CASE(exit_mm_with_passes_owed),
	KUNIT_CASE(nonblock_refused_after_start),
	KUNIT_CASE(nonblock_accepted),
	KUNIT_CASE(nonblock_refused_by_plain_notifier),
	KUNIT_CASE(sequence_numbers),
	KUNIT_CASE(second_pass_sleeps),
	KUNIT_CASE(storm),
	KUNIT_CASE(lockdep_is_still_on),
	{}
};

static struct kunit_suite mmu_notifier_suite = {
	.name = "mmu_notifier",
	.test_cases = mmu_notifier_cases,
};

kunit_test_suite(mmu_notifier_suite);

MODULE_DESCRIPTION("KUnit tests for mmu interval notifiers");
MODULE_LICENSE("GPL");
