// SPDX-License-Identifier: GPL-2.0-only
/*
 * sync_bind: calls without a bind or a batch buffer, which are barriers, and the order of
 * what is queued around them. A gate stays closed for as long as something must not be done.
 */
#include "sync_bind.h"

#define SETTLE_MS 40 /* in which what must not happen would */
#define CHAIN 300
#define SHORT_CHAIN                                                            \
	4 /* a longer one overruns the stack of a kernel that nests them */

/* Not done, and not done a little later either */
static bool stays_open(const struct done *d)
{
	usleep(SETTLE_MS * 1000);
	return !is_done(d);
}

static struct done zero_bind(struct space *s, __u32 queue, __u32 in)
{
	struct request r = new_request(s, queue);
	struct done d;

	if (in)
		add_in(&r, in);
	d = add_out(&r);
	must_submit(&r);
	return d;
}

/* A job, or with @batch 0 an exec without one. @in: 0 or sync objects */
static struct done job(struct space *s, __u32 queue, __u64 batch, __u32 in,
		       __u32 in2)
{
	struct request r = new_request(s, 0);
	struct done d;

	if (in)
		add_in(&r, in);
	if (in2)
		add_in(&r, in2);
	d = add_out(&r);
	exec(queue, batch, r.sync, r.syncs);
	return d;
}

/* Where new_space() has put a batch that does nothing */
static const __u64 empty = 0x104000;

static void check_end(struct done *d, const char *what)
{
	expect(wait_done(d), "%s is never done", what);
	free_done(d);
}

/* --- without a bind --- */

static void zero_bind_waits_for_queue(struct space *s, __u32 queue)
{
	struct done d;

	block(s, queue, &gates[0]);
	d = zero_bind(s, queue, 0);
	expect(stays_open(&d), "done before what is in the queue");
	open_gate(&gates[0]);
	check_end(&d, "it");
}

static void zero_bind_waits_for_fence(struct space *s, __u32 queue)
{
	struct done d;

	close_gate(&gates[0]);
	d = zero_bind(s, queue, gates[0].syncobj);
	expect(stays_open(&d), "done before its in-fence");
	open_gate(&gates[0]);
	check_end(&d, "it");
}

static void zero_bind_waits_for_both(struct space *s, __u32 queue)
{
	struct done d;

	block(s, queue, &gates[0]);
	close_gate(&gates[1]);
	d = zero_bind(s, queue, gates[1].syncobj);
	open_gate(&gates[1]);
	expect(stays_open(&d), "done before what is in the queue");
	open_gate(&gates[0]);
	check_end(&d, "it");
}

static void bind_waits_for_zero_bind(struct space *s, __u32 queue)
{
	struct request r = new_request(s, queue);
	struct done zero, d;

	close_gate(&gates[0]);
	zero = zero_bind(s, queue, gates[0].syncobj);
	add_map(&r, reserve(s), &s->control);
	d = add_out(&r);
	must_submit(&r);
	expect(stays_open(&d), "a bind does not wait for it");
	open_gate(&gates[0]);
	check_end(&zero, "it");
	check_end(&d, "the bind");
}

/* --- without a batch buffer --- */

static void zero_exec_waits_for_queue(struct space *s, __u32 queue)
{
	struct done first, d;

	close_gate(&gates[0]);
	first = job(s, queue, empty, gates[0].syncobj, 0);
	d = job(s, queue, 0, 0, 0);
	expect(stays_open(&d), "done before what is in the queue");
	open_gate(&gates[0]);
	check_end(&first, "a job");
	check_end(&d, "it");
}

static void zero_exec_waits_for_fence(struct space *s, __u32 queue)
{
	struct done d;

	close_gate(&gates[0]);
	d = job(s, queue, 0, gates[0].syncobj, 0);
	expect(stays_open(&d), "done before its in-fence");
	open_gate(&gates[0]);
	check_end(&d, "it");
}

static void zero_exec_waits_for_both(struct space *s, __u32 queue)
{
	struct done first, d;

	close_gate(&gates[0]);
	close_gate(&gates[1]);
	first = job(s, queue, empty, gates[0].syncobj, 0);
	d = job(s, queue, 0, gates[1].syncobj, 0);
	open_gate(&gates[1]);
	expect(stays_open(&d), "done before what is in the queue");
	open_gate(&gates[0]);
	check_end(&first, "a job");
	check_end(&d, "it");
}

static void job_waits_for_zero_exec(struct space *s, __u32 queue)
{
	struct done zero, d;

	close_gate(&gates[0]);
	zero = job(s, queue, 0, gates[0].syncobj, 0);
	d = job(s, queue, empty, 0, 0);
	expect(stays_open(&d), "a job does not wait for it");
	open_gate(&gates[0]);
	check_end(&zero, "it");
	check_end(&d, "the job");
}

/* Nobody would signal it: the user fence of an exec is written by its job */
static void zero_exec_refuses_user_fence(struct space *s, __u32 queue)
{
	struct drm_xe_sync sync = {
		.type = DRM_XE_SYNC_TYPE_USER_FENCE,
		.flags = DRM_XE_SYNC_FLAG_SIGNAL,
		.addr = empty + 8,
		.timeline_value = 1,
	};
	int err = try_exec(queue, 0, &sync, 1);

	(void)s;
	expect(err == EOPNOTSUPP, "it is not refused: %s", strerror(err));
}

/* --- several of them --- */

/* A job that waits for @a, which is behind the first gate, and for @b */
static void check_job_waits(struct space *s, struct done *a, struct done *b)
{
	struct done d = job(s, s->reader, empty, a->syncobj, b->syncobj);

	open_gate(&gates[1]);
	expect(wait_done(b), "the second is never done");
	expect(stays_open(&d), "the job only waits for the second");
	open_gate(&gates[0]);
	check_end(a, "the first");
	check_end(&d, "the job");
	free_done(b);
}

static void job_waits_for_two_binds(struct space *s, __u32 queue)
{
	struct done a, b;

	close_gate(&gates[0]);
	close_gate(&gates[1]);
	a = zero_bind(s, s->queue[0], gates[0].syncobj);
	b = zero_bind(s, queue, gates[1].syncobj);
	check_job_waits(s, &a, &b);
}

/* Nor does the bind get there early on any tile: the last one has a queue of its own */
static void all_tiles_wait_for_zero_bind(struct space *s, __u32 queue)
{
	struct buffer old = new_buffer(1u << gpu.ram, CHUNK, 1);
	struct buffer new = new_buffer(1u << gpu.ram, CHUNK, 2);
	struct request r = new_request(s, queue);
	__u32 first_reader = s->reader;
	__u64 addr = reserve(s);
	struct done zero, d;

	s->reader = new_queue(gpu.fd, s->vm, &gpu.last_copy);
	map_now(s, 0, addr, &old);
	expect(probe_one(s, addr) == 1, "the last tile reads something else");
	close_gate(&gates[0]);
	zero = zero_bind(s, queue, gates[0].syncobj);
	add_map(&r, addr, &new);
	d = add_out(&r);
	must_submit(&r);
	/* The flush, if there was one, has had its time */
	usleep(3 * SETTLE_MS * 1000);
	expect(probe_one(s, addr) == 1, "the last tile does not wait for it");
	open_gate(&gates[0]);
	check_end(&zero, "it");
	check_end(&d, "the bind");
	expect(probe_one(s, addr) == 2, "the bind has no effect");
	destroy_queue(s->reader);
	s->reader = first_reader;
	free_buffer(&old);
	free_buffer(&new);
}

/* Composite fences, which are given one after the other to a queue */
static void check_composites(struct space *s, __u32 queue, bool binds)
{
	unsigned int i, chain = gpu.has_sync ? CHAIN : SHORT_CHAIN;
	__u32 both[2];

	close_gate(&gates[0]);
	close_gate(&gates[1]);
	both[0] = new_syncobj();
	both[1] = new_syncobj();
	for (i = 0; i < chain; i++) {
		struct request r = new_request(s, queue);

		if (i)
			add_in(&r, both[!(i & 1)]);
		add_in(&r, gates[i & 1].syncobj);
		r.sync[r.syncs++] = (struct drm_xe_sync){
			.type = DRM_XE_SYNC_TYPE_SYNCOBJ,
			.flags = DRM_XE_SYNC_FLAG_SIGNAL,
			.handle = both[i & 1],
		};
		if (binds)
			must_submit(&r);
		else
			exec(s->reader, 0, r.sync, r.syncs);
	}
	open_gate(&gates[0]);
	usleep(SETTLE_MS * 1000);
	expect(!is_signaled(both[!(i & 1)]), "the last is done too early");
	open_gate(&gates[1]);
	expect(wait_done(&(struct done){ .syncobj = both[!(i & 1)] }),
	       "the last is never done");
	free_syncobj(both[0]);
	free_syncobj(both[1]);
}

static void many_zero_binds(struct space *s, __u32 queue)
{
	check_composites(s, queue, true);
}

static void many_zero_execs(struct space *s, __u32 queue)
{
	check_composites(s, queue, false);
}

/* Its points are fences that contain others, too */
static void zero_bind_waits_for_timeline(struct space *s, __u32 queue)
{
	struct request r = new_request(s, queue);
	__u32 timeline = new_syncobj();
	struct done d;

	close_gate(&gates[0]);
	if (drmSyncobjTransfer(gpu.fd, timeline, 7, gates[0].syncobj, 0, 0))
		fail("drmSyncobjTransfer: %s", strerror(errno));
	add_in(&r, timeline);
	r.sync[0].type = DRM_XE_SYNC_TYPE_TIMELINE_SYNCOBJ;
	r.sync[0].timeline_value = 7;
	d = add_out(&r);
	must_submit(&r);
	expect(stays_open(&d), "done before its in-fence");
	open_gate(&gates[0]);
	check_end(&d, "it");
	free_syncobj(timeline);
}

/* The flushes of the last bind in the queue, one for each GT, are such a fence */
static void zero_bind_waits_for_flush(struct space *s, __u32 queue)
{
	struct request r = new_request(s, queue);
	__u64 addr = reserve(s);
	struct done d;

	map_now(s, 0, addr, &s->control);
	block(s, queue, &gates[0]);
	add_unmap(&r, addr, s->control.size);
	must_submit(&r);
	close_gate(&gates[1]);
	d = zero_bind(s, queue, gates[1].syncobj);
	open_gate(&gates[1]);
	expect(stays_open(&d), "done before what is in the queue");
	open_gate(&gates[0]);
	check_end(&d, "it");
}

/* --- in fault mode --- */

/* A mapping that no fault has populated yet, so that there is nothing to undo */
static void map_lazily(struct space *s, __u32 queue, __u64 addr, __u32 in)
{
	struct request r = new_request(s, queue);

	add_map(&r, addr, &s->control);
	r.op[0].flags = 0;
	if (in)
		add_in(&r, in);
	must_submit(&r);
}

static struct done unmap(struct space *s, __u32 queue, __u64 addr, __u32 in)
{
	struct request r = new_request(s, queue);
	struct done d;

	add_unmap(&r, addr, s->control.size);
	if (in)
		add_in(&r, in);
	d = add_out(&r);
	must_submit(&r);
	return d;
}

static void lazy_map_waits_for_queue(struct space *s, __u32 queue)
{
	struct request r = new_request(s, queue);
	struct done d;

	block(s, queue, &gates[0]);
	add_map(&r, reserve(s), &s->control);
	r.op[0].flags = 0;
	d = add_out(&r);
	must_submit(&r);
	expect(stays_open(&d), "done before what is in the queue");
	open_gate(&gates[0]);
	check_end(&d, "it");
}

static void lazy_unmap_waits_for_queue(struct space *s, __u32 queue)
{
	__u64 addr = reserve(s);
	struct done d;

	map_lazily(s, queue, addr, 0);
	block(s, queue, &gates[0]);
	d = unmap(s, queue, addr, 0);
	expect(stays_open(&d), "done before what is in the queue");
	open_gate(&gates[0]);
	check_end(&d, "it");
}

static void lazy_unmap_waits_for_fence(struct space *s, __u32 queue)
{
	__u64 addr = reserve(s);
	struct done d;

	map_lazily(s, queue, addr, 0);
	close_gate(&gates[0]);
	d = unmap(s, queue, addr, gates[0].syncobj);
	expect(stays_open(&d), "done before its in-fence");
	open_gate(&gates[0]);
	check_end(&d, "it");
}

/* What comes after it still waits for what was queued before */
static void bind_behind_lazy_unmap(struct space *s, __u32 queue)
{
	struct request r = new_request(s, queue);
	__u64 addr = reserve(s);
	struct done lazy, d;

	map_lazily(s, queue, addr, 0);
	block(s, queue, &gates[0]);
	lazy = unmap(s, queue, addr, 0);
	add_map(&r, reserve(s), &s->control);
	r.op[0].flags = 0;
	d = add_out(&r);
	must_submit(&r);
	expect(stays_open(&d), "done before what is in the queue");
	open_gate(&gates[0]);
	check_end(&lazy, "the unmap");
	check_end(&d, "it");
}

/* --- for the process --- */

static void barrier(struct space *s, __u32 queue)
{
	struct request r = new_request(s, queue);
	int err;

	r.flags = WAIT;
	expect(!submit(&r), "there is nothing to wait for, and it fails");
	block(s, queue, &gates[0]);
	open_gate_later(&gates[0], SETTLE_MS);
	err = submit(&r);
	expect(gate_was_opened(), "it returns before what is in the queue");
	expect(!err, "it fails: %s", strerror(err));
	join_opener();
	open_gate(&gates[0]);
}

static void barrier_behind_zero_bind(struct space *s, __u32 queue)
{
	struct request r = new_request(s, queue), zero = r;
	int err;

	r.flags = WAIT;
	close_gate(&gates[0]);
	add_in(&zero, gates[0].syncobj);
	must_submit(&zero);
	open_gate_later(&gates[0], SETTLE_MS);
	err = submit(&r);
	expect(gate_was_opened(), "it returns before a zero bind");
	expect(!err, "it fails: %s", strerror(err));
	join_opener();
	open_gate(&gates[0]);
}

/* A queue is no barrier for another one */
static void barrier_of_other_queue(struct space *s, __u32 queue)
{
	struct request r = new_request(s, s->queue[queue == s->queue[0]]);

	r.flags = WAIT;
	block(s, queue, &gates[0]);
	expect(!submit(&r), "it fails");
	add_map(&r, reserve(s), &s->control);
	expect(!submit(&r), "a bind fails");
	expect(!is_signaled(gates[0].syncobj),
	       "it waits for the other queue, or the gate gave up");
	open_gate(&gates[0]);
}

/* --- */

#define NOT_LR (1 << ORDINARY)
#define ALL (1 << ORDINARY | 1 << LR | 1 << FAULT)

/* @kinds: a bit for each; @job: @queue is one for jobs; @sync: needs the flag */
static const struct {
	const char *name;
	void (*run)(struct space *s, __u32 queue);
	unsigned int kinds;
	bool job, sync;
} cases[] = {
	{ "a zero bind waits for what is in the queue",
	  zero_bind_waits_for_queue, NOT_LR, false, false },
	{ "a zero bind waits for its in-fence", zero_bind_waits_for_fence,
	  NOT_LR, false, false },
	{ "a zero bind waits for both", zero_bind_waits_for_both, NOT_LR, false,
	  false },
	{ "a bind waits for a zero bind", bind_waits_for_zero_bind, NOT_LR,
	  false, false },
	{ "a bind waits for a zero bind, on the last tile, too",
	  all_tiles_wait_for_zero_bind, 1 << ORDINARY, false, false },
	{ "a zero bind waits for a point of a timeline",
	  zero_bind_waits_for_timeline, NOT_LR, false, false },
	{ "a zero bind waits for TLB flushes", zero_bind_waits_for_flush,
	  NOT_LR, false, false },
	{ "a zero exec waits for what is in the queue",
	  zero_exec_waits_for_queue, NOT_LR, true, false },
	{ "a zero exec waits for its in-fence", zero_exec_waits_for_fence,
	  NOT_LR, true, false },
	{ "a zero exec waits for both", zero_exec_waits_for_both, NOT_LR, true,
	  false },
	{ "a job waits for a zero exec", job_waits_for_zero_exec, NOT_LR, true,
	  false },
	{ "a zero exec refuses a user fence", zero_exec_refuses_user_fence, ALL,
	  true, false },
	{ "a job waits for zero binds of two queues", job_waits_for_two_binds,
	  NOT_LR, false, false },
	{ "zero binds wait for each other", many_zero_binds, NOT_LR, false,
	  false },
	{ "zero execs wait for each other", many_zero_execs, NOT_LR, true,
	  false },
	{ "a map that a fault will do waits for what is in the queue",
	  lazy_map_waits_for_queue, 1 << FAULT, false, false },
	{ "an unmap of what no fault has mapped waits for what is in the queue",
	  lazy_unmap_waits_for_queue, 1 << FAULT, false, false },
	{ "an unmap of what no fault has mapped waits for its in-fence",
	  lazy_unmap_waits_for_fence, 1 << FAULT, false, false },
	{ "a bind behind such an unmap waits for what is in the queue",
	  bind_behind_lazy_unmap, 1 << FAULT, false, false },
	{ "a synchronous zero bind waits for what is in the queue", barrier,
	  ALL, false, true },
	{ "a synchronous zero bind waits for a zero bind",
	  barrier_behind_zero_bind, ALL, false, true },
	{ "a synchronous bind does not wait for another queue",
	  barrier_of_other_queue, ALL, false, true },
};

static void test_kind(struct space *s)
{
	unsigned int i, q;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		if (!(cases[i].kinds & 1 << s->kind))
			continue;
		/* The first of two queues is the default one there */
		q = cases[i].run == job_waits_for_two_binds;
		for (; q < (cases[i].job ? 1 : ARRAY_SIZE(s->queue)); q++) {
			begin("%s, %s: %s", kind_name[s->kind],
			      cases[i].job ? "exec queue" : queue_name[q],
			      cases[i].name);
			if (cases[i].sync && !gpu.has_sync) {
				skip_without_sync();
				continue;
			}
			cases[i].run(s, cases[i].job ? s->reader : s->queue[q]);
			end();
		}
	}
}

void test_order(void)
{
	unsigned int kind;

	for (kind = 0; kind < KINDS; kind++) {
		struct space s = new_space(kind);

		test_kind(&s);
		free_space(&s);
	}
}
