// SPDX-License-Identifier: GPL-2.0-only
/* sync_bind: what is rejected, and how; and what the two kinds of binds cost. */
#include <sys/ioctl.h>

#include "sync_bind.h"

#define ROUNDS 400

/* --- rejected arguments --- */

enum cookie {
	NONE,
	ZERO,
	MISALIGNED,
	UNMAPPED,
	READ_ONLY,
	OF_KERNEL,
	UNKNOWN
};

static const struct {
	const char *name;
	__u32 flags, syncs;
	enum cookie cookie;
	__u64 reserved;
	int err;
} rejected[] = {
	{ "an unknown flag", 1 << 1, 0, NONE, 0, EINVAL },
	{ "the last flag", 1u << 31, 0, NONE, 0, EINVAL },
	{ "an unknown flag with the known one", WAIT | 1 << 1, 0, NONE, 0,
	  EINVAL },
	{ "syncs", WAIT, 1, NONE, 0, EINVAL },
	{ "syncs with a cookie", WAIT, 1, ZERO, 0, EINVAL },
	{ "a cookie without the flag", 0, 0, ZERO, 0, EINVAL },
	{ "a misaligned cookie", WAIT, 0, MISALIGNED, 0, EINVAL },
	{ "a cookie in no memory", WAIT, 0, UNMAPPED, 0, EFAULT },
	{ "a read-only cookie", WAIT, 0, READ_ONLY, 0, EFAULT },
	{ "a cookie in the kernel's memory", WAIT, 0, OF_KERNEL, 0, EFAULT },
	{ "a cookie that no bind has set", WAIT, 0, UNKNOWN, 0, EINVAL },
	{ "reserved not zero", WAIT, 0, NONE, 1, EINVAL },
	{ "reserved not zero, asynchronous", 0, 0, NONE, 1ull << 63, EINVAL },
};

static void *page(int prot)
{
	void *mem = mmap(NULL, CHUNK, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (mem == MAP_FAILED)
		fail("mmap: %s", strerror(errno));
	return mem;
}

static __u64 cookie_of(enum cookie kind, __u64 *good)
{
	*good = kind == UNKNOWN ? 0x12345678 : 0;
	switch (kind) {
	case NONE:
		return 0;
	case MISALIGNED:
		return (uintptr_t)good + 4;
	case UNMAPPED:
		return (uintptr_t)page(PROT_NONE);
	case READ_ONLY:
		return (uintptr_t)page(PROT_READ);
	case OF_KERNEL:
		return 0xffff888000000000ull;
	default:
		return (uintptr_t)good;
	}
}

/**
 * struct target - what no rejected call may change
 */
struct target {
	struct space s;
	__u64 addr;
	struct buffer old, new;
};

static struct target new_target(void)
{
	struct target t = { .s = new_space(ORDINARY) };

	t.addr = reserve(&t.s);
	t.old = new_buffer(1u << gpu.ram, CHUNK, 0x10);
	t.new = new_buffer(1u << gpu.ram, CHUNK, 0x11);
	map_now(&t.s, 0, t.addr, &t.old);
	return t;
}

static void free_target(struct target *t)
{
	free_space(&t->s);
	free_buffer(&t->old);
	free_buffer(&t->new);
}

static void test_rejected(struct target *t, unsigned int i, unsigned int binds)
{
	__u32 syncobj = new_syncobj();
	struct drm_xe_sync sync = { .type = DRM_XE_SYNC_TYPE_SYNCOBJ,
				    .flags = DRM_XE_SYNC_FLAG_SIGNAL,
				    .handle = syncobj };
	struct request r = new_request(&t->s, 0);
	struct drm_xe_vm_bind bind = { .vm_id = t->s.vm, .num_binds = binds };
	__u64 good;
	int err;

	add_map(&r, t->addr, &t->new);
	bind.bind = r.op[0];
	bind.op_syncs.flags = rejected[i].flags;
	bind.op_syncs.num_syncs = rejected[i].syncs;
	bind.op_syncs.syncs = (uintptr_t)&sync;
	bind.op_syncs.cookie = cookie_of(rejected[i].cookie, &good);
	bind.op_syncs.reserved = rejected[i].reserved;
	err = ioctl(gpu.fd, DRM_IOCTL_XE_VM_BIND, &bind) ? errno : 0;
	expect(err == rejected[i].err, "with %u binds: %s instead of %s", binds,
	       strerror(err), strerror(rejected[i].err));
	expect(good == (rejected[i].cookie == UNKNOWN ? 0x12345678 : 0),
	       "the cookie was written");
	free_syncobj(syncobj);
}

static int bind_with(struct target *t, struct space *s, __u32 queue,
		     __u64 *cookie, bool none)
{
	struct request r = new_request(s, queue);

	if (!none)
		add_map(&r, t->addr, &t->new);
	r.flags = WAIT;
	r.cookie = cookie;
	return submit(&r);
}

static void expect_errno(int err, int want, const char *what)
{
	expect(err == want, "%s: %s instead of %s", what, strerror(err),
	       strerror(want));
}

static void test_cookie(struct target *t, unsigned int queue)
{
	struct space other = new_space(ORDINARY);
	__u64 cookie = 0, stale;

	interrupt_bind(&t->s, t->s.queue[queue], &cookie);
	stale = cookie;
	expect_errno(bind_with(t, &other, t->s.queue[queue], &cookie, false),
		     EINVAL, "of another VM");
	expect_errno(bind_with(t, &t->s, t->s.queue[!queue], &cookie, false),
		     EINVAL, "of another queue");
	expect_errno(bind_with(t, &t->s, other.queue[1], &cookie, false),
		     EINVAL, "of another created queue");
	expect(cookie == stale, "a rejected call has changed it");
	/* Whatever it is that is to be bound: it only waits */
	expect_errno(bind_with(t, &t->s, t->s.queue[queue], &cookie, false), 0,
		     "of this bind");
	expect(!cookie, "it is 0x%llx afterwards", cookie);
	cookie = stale;
	expect_errno(bind_with(t, &t->s, t->s.queue[queue], &cookie, false),
		     EINVAL, "used twice");
	cookie = 0;
	expect_errno(bind_with(t, &t->s, t->s.queue[queue], &cookie, true), 0,
		     "of a zero bind");
	expect(!cookie, "a zero bind sets it to 0x%llx", cookie);
	free_space(&other);
}

static int exec_with(struct target *t, __u16 a, __u16 b, __u16 c)
{
	struct drm_xe_exec exec = { .exec_queue_id = t->s.reader,
				    .pad = { a, b, c } };

	return ioctl(gpu.fd, DRM_IOCTL_XE_EXEC, &exec) ? errno : 0;
}

static void test_exec(struct target *t)
{
	expect_errno(exec_with(t, WAIT, 0, 0),
		     gpu.has_sync ? EOPNOTSUPP : EINVAL, "the flag");
	expect_errno(exec_with(t, 2, 0, 0), EINVAL, "an unknown flag");
	expect_errno(exec_with(t, WAIT | 2, 0, 0), EINVAL,
		     "an unknown flag with the known one");
	expect_errno(exec_with(t, WAIT | 1 << 15, 0, 0), EINVAL,
		     "the last flag with the known one");
	expect_errno(exec_with(t, 0, 1, 0), EINVAL, "the first pad");
	expect_errno(exec_with(t, 0, 0, 1), EINVAL, "the second pad");
	expect_errno(exec_with(t, 0, 0, 0), 0, "none of these");
}

/* Who probes for the flag gets to know what the query says */
static void test_query(struct target *t)
{
	struct drm_xe_query_config *config;
	struct request r = new_request(&t->s, 0);
	__u64 flags;
	bool has;

	config = query(gpu.fd, DRM_XE_DEVICE_QUERY_CONFIG);
	flags = config->info[DRM_XE_QUERY_CONFIG_FLAGS];
	free(config);
	remark("the flags are 0x%llx", flags);
	has = flags >> 31 & 1;
	expect(!(flags >> 32), "there are flags above it");
	expect(!(flags & DRM_XE_QUERY_CONFIG_FLAG_HAS_VRAM) == !gpu.vram,
	       "VRAM is told wrong");
	r.flags = WAIT;
	expect_errno(submit(&r), has ? 0 : EINVAL, "a call with the flag");
}

void test_arguments(void)
{
	struct target t = new_target();
	unsigned int i;

	begin("the query tells whether binds can be synchronous");
	test_query(&t);
	end();
	begin("exec rejects each flag");
	test_exec(&t);
	end();
	for (i = 0; i < ARRAY_SIZE(rejected); i++) {
		begin("VM_BIND rejects %s", rejected[i].name);
		/* There all of it was rejected */
		if (!gpu.has_sync && rejected[i].err != EINVAL) {
			skip_without_sync();
			continue;
		}
		test_rejected(&t, i, 1);
		test_rejected(&t, i, 0);
		end();
	}
	begin("rejected binds change nothing");
	expect(probe_one(&t.s, t.addr) == 0x10, "the GPU reads something else");
	end();
	for (i = 0; i < ARRAY_SIZE(queue_name); i++) {
		begin("a cookie is good for one bind, of the %s",
		      queue_name[i]);
		if (!gpu.has_sync) {
			skip_without_sync();
			continue;
		}
		test_cookie(&t, i);
		expect(probe_one(&t.s, t.addr) == 0x10,
		       "a call that only waits has bound something");
		end();
	}
	free_target(&t);
}

/* --- what it costs --- */

struct cost {
	double usec[ROUNDS], cpu_nsec[ROUNDS];
	unsigned int calls;
};

static double cpu_nsec(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return ts.tv_sec * 1e9 + ts.tv_nsec;
}

static void bind_sync(struct request *r, __u32 syncobj, struct cost *c)
{
	(void)syncobj;
	r->flags = WAIT;
	must_submit(r);
	c->calls++;
}

/* The least that it takes: one sync object for all */
static void bind_async(struct request *r, __u32 syncobj, struct cost *c)
{
	r->sync[r->syncs++] = (struct drm_xe_sync){
		.type = DRM_XE_SYNC_TYPE_SYNCOBJ,
		.flags = DRM_XE_SYNC_FLAG_SIGNAL,
		.handle = syncobj,
	};
	must_submit(r);
	c->calls++;
	if (drmSyncobjWait(gpu.fd, &syncobj, 1, INT64_MAX, 0, NULL))
		fail("drmSyncobjWait: %s", strerror(errno));
	c->calls++;
}

static void
measure(struct request r, __u32 syncobj, struct cost *c, unsigned int round,
	void (*bind)(struct request *r, __u32 syncobj, struct cost *c))
{
	double usec = usec_now(), nsec = cpu_nsec();

	bind(&r, syncobj, c);
	c->cpu_nsec[round] = cpu_nsec() - nsec;
	c->usec[round] = usec_now() - usec;
}

static void tell(const char *what, struct cost *sync, struct cost *async)
{
	printf("%s\t%.2f\t%.2f\tsystem calls\n", what,
	       (double)sync->calls / ROUNDS, (double)async->calls / ROUNDS);
	printf("%s\t%.1f\t%.1f\tus\n", what, median(sync->usec, ROUNDS),
	       median(async->usec, ROUNDS));
	printf("%s\t%.0f\t%.0f\tns of CPU\n", what,
	       median(sync->cpu_nsec, ROUNDS), median(async->cpu_nsec, ROUNDS));
}

/* By turns, and who is first changes, so that both see the same machine */
static void measure_op(struct target *t, const char *what, bool over)
{
	static struct cost cost[2];
	__u32 syncobj = new_syncobj();
	unsigned int round, i, turn = 0;

	memset(cost, 0, sizeof(cost));
	for (round = 0; round < ROUNDS; round++) {
		for (i = 0; i < 2; i++) {
			struct request r = new_request(&t->s, 0);
			bool sync = (round ^ i) & 1;

			if (over)
				add_map(&r, t->addr,
					++turn & 1 ? &t->new : &t->old);
			else
				add_map(&r, t->addr + (1 << 20), &t->new);
			measure(r, syncobj, &cost[sync], round,
				sync ? bind_sync : bind_async);
			if (over)
				continue;
			r = new_request(&t->s, 0);
			add_unmap(&r, t->addr + (1 << 20), CHUNK);
			bind_and_wait(&r);
		}
	}
	tell(what, &cost[1], &cost[0]);
	free_syncobj(syncobj);
}

void measure_rates(void)
{
	struct target t;

	if (!gpu.has_sync)
		fail("the kernel has no synchronous binds");
	t = new_target();
	measure_op(&t, "map", false);
	measure_op(&t, "map over another", true);
	free_target(&t);
}
