// SPDX-License-Identifier: GPL-2.0-only
/*
 * sync_bind: several threads, and what may happen to those who wait: resets, the VM goes,
 * the process is killed.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "sync_bind.h"

#define ROUNDS 10

/* A thread that binds synchronously; where it is, and how it ended */
struct binder {
	pthread_t thread;
	struct space *s;
	__u32 queue;
	__u64 addr;
	struct buffer buffer[2];
	unsigned int rounds, done, wrong;
	atomic_bool ended;
	int err;
};

static struct binder new_binder(struct space *s, __u32 queue)
{
	struct binder b = { .s = s, .queue = queue, .addr = reserve(s) };

	b.buffer[0] = new_buffer(1u << gpu.ram, CHUNK, 0x10);
	b.buffer[1] = new_buffer(1u << gpu.ram, CHUNK, 0x11);
	map_now(s, 0, b.addr, &b.buffer[0]);
	return b;
}

static void free_binder(struct binder *b)
{
	free_buffer(&b->buffer[0]);
	free_buffer(&b->buffer[1]);
}

static int bind_next(struct binder *b)
{
	struct request r = new_request(b->s, b->queue);

	add_map(&r, b->addr, &b->buffer[++b->done & 1]);
	r.flags = WAIT;
	return submit(&r);
}

/* @rounds binds, or until one fails; with 0 only the latter */
static void *binder_main(void *arg)
{
	struct binder *b = arg;

	do
		b->err = bind_next(b);
	while (!b->err && b->done != b->rounds);
	atomic_store(&b->ended, true);
	return NULL;
}

static void start(struct binder *b, void *(*run)(void *), unsigned int rounds)
{
	b->rounds = rounds;
	if (pthread_create(&b->thread, NULL, run, b))
		fail("pthread_create: %s", strerror(errno));
}

/* There is no way on with a thread that hangs in the kernel */
static void join(struct binder *b)
{
	__u64 until = now_ns() + TIMEOUT_S * 1000000000ull;

	while (!atomic_load(&b->ended)) {
		if (now_ns() > until)
			fail("a bind did not end within %u s", TIMEOUT_S);
		usleep(1000);
	}
	pthread_join(b->thread, NULL);
}

static void check_space_works(void)
{
	struct space s = new_space(ORDINARY);
	struct binder b = new_binder(&s, 0);

	expect(!bind_next(&b), "a bind of a new VM fails");
	expect(probe_one(&s, b.addr) == 0x11, "a new VM does not work");
	free_space(&s);
	free_binder(&b);
}

/* --- threads --- */

static pthread_mutex_t reader = PTHREAD_MUTEX_INITIALIZER;

static void *prober_main(void *arg)
{
	struct binder *b = arg;

	while (!b->err && b->done < b->rounds) {
		b->err = bind_next(b);
		pthread_mutex_lock(&reader);
		b->wrong += probe_one(b->s, b->addr) != 0x10 + (b->done & 1);
		pthread_mutex_unlock(&reader);
	}
	atomic_store(&b->ended, true);
	return NULL;
}

static void run_two(struct space *s0, __u32 q0, struct space *s1, __u32 q1)
{
	struct binder b[2] = { new_binder(s0, q0), new_binder(s1, q1) };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(b); i++)
		start(&b[i], prober_main, 2 * ROUNDS);
	for (i = 0; i < ARRAY_SIZE(b); i++) {
		join(&b[i]);
		expect(!b[i].err, "a bind fails: %s", strerror(b[i].err));
		expect(!b[i].wrong, "the GPU reads wrong data %u of %u times",
		       b[i].wrong, b[i].done);
		free_binder(&b[i]);
	}
}

static void threads_two_queues(enum kind kind)
{
	struct space s = new_space(kind);

	run_two(&s, s.queue[0], &s, s.queue[1]);
	free_space(&s);
}

static void threads_one_queue(enum kind kind)
{
	struct space s = new_space(kind);

	run_two(&s, s.queue[1], &s, s.queue[1]);
	free_space(&s);
}

static void threads_two_vms(enum kind kind)
{
	struct space s[2] = { new_space(kind), new_space(kind) };

	run_two(&s[0], s[0].queue[1], &s[1], s[0].queue[1]);
	free_space(&s[1]);
	free_space(&s[0]);
}

/* --- resets --- */

static void reset_gt(void)
{
	char buf[64];
	int fd = open("/sys/kernel/debug/dri/0/gt0/force_reset",
		      O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, buf, sizeof(buf)) < 0)
		fail("force_reset: %s", strerror(errno));
	close(fd);
}

static void reset_in_flush(enum kind kind)
{
	struct space s = new_space(kind);
	struct binder b = new_binder(&s, s.queue[1]);
	unsigned int i;

	start(&b, binder_main, 4 * ROUNDS);
	for (i = 0; i < 3; i++) {
		usleep(100000 + i * 7000);
		reset_gt();
	}
	join(&b);
	remark("%u binds, then %s", b.done, strerror(b.err));
	free_space(&s);
	free_binder(&b);
	check_space_works();
}

/* A reset ends the job that the gate is */
static void reset_in_queue(enum kind kind)
{
	struct space s = new_space(kind);
	struct binder b = new_binder(&s, 0);

	block(&s, 0, &gates[0]);
	start(&b, binder_main, 1);
	usleep(50000);
	reset_gt();
	join(&b);
	remark("the bind: %s", strerror(b.err));
	renew_gate(&gates[0]);
	free_space(&s);
	free_binder(&b);
	check_space_works();
}

/* --- the VM is banned --- */

/*
 * Its job cannot go on: memory of the process that it may write is taken away. Returns what
 * a bind says then.
 */
static int ban_vm(struct space *s)
{
	__u64 until = now_ns() + TIMEOUT_S * 1000000000ull;
	struct request r = new_request(s, 0), barrier = r;
	void *p;
	int err;

	p = mmap(NULL, CHUNK, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (p == MAP_FAILED)
		fail("mmap: %s", strerror(errno));
	keep_busy(s);
	add_op(&r, DRM_XE_VM_BIND_OP_MAP_USERPTR, reserve(s), CHUNK)->userptr =
		(uintptr_t)p;
	bind_and_wait(&r);
	mprotect(p, CHUNK, PROT_READ);
	barrier.flags = WAIT;
	while (!(err = submit(&barrier)) && now_ns() < until)
		usleep(1000);
	munmap(p, CHUNK);
	return err;
}

static void banned(enum kind kind)
{
	struct space s = new_space(kind);
	struct binder b = new_binder(&s, s.queue[1]);
	struct request r = new_request(&s, s.queue[1]), zero = r;
	__u64 cookie = 0;
	unsigned int i;
	int err;

	interrupt_bind(&s, s.queue[1], &cookie);
	/* Not a bind: what takes the memory away would wait for that */
	close_gate(&gates[0]);
	add_in(&zero, gates[0].syncobj);
	must_submit(&zero);
	start(&b, binder_main, 1);
	err = ban_vm(&s);
	expect(err == ENOENT, "a barrier: %s", strerror(err));
	add_map(&r, reserve(&s), &s.control);
	for (i = 0; i < 4; i++) {
		r.queue = s.queue[i & 1];
		r.flags = i & 2 ? WAIT : 0;
		err = submit(&r);
		expect(err == ENOENT, "a later bind: %s", strerror(err));
	}
	open_gate(&gates[0]);
	join(&b);
	expect(b.err == ENOENT, "the bind that waits: %s", strerror(b.err));
	/* It was committed before */
	r.cookie = &cookie;
	err = submit(&r);
	expect(!err, "what was interrupted: %s", strerror(err));
	free_space(&s);
	free_binder(&b);
	check_space_works();
}

/* --- the VM goes --- */

static void destroy_vm(struct space *s)
{
	struct drm_xe_vm_destroy vm = { .vm_id = s->vm };

	destroy_queue(s->reader);
	call(gpu.fd, DRM_IOCTL_XE_VM_DESTROY, &vm);
}

static void free_rest(struct space *s)
{
	destroy_queue(s->queue[1]);
	free_buffer(&s->control);
}

static void destroy_in_queue_of(enum kind kind, unsigned int queue)
{
	struct space s = new_space(kind);
	struct binder b = new_binder(&s, s.queue[queue]);

	block(&s, s.queue[queue], &gates[0]);
	start(&b, binder_main, 1);
	usleep(50000);
	/* It, too, waits for what is queued */
	open_gate_later(&gates[0], 50);
	destroy_vm(&s);
	join(&b);
	join_opener();
	open_gate(&gates[0]);
	remark("the bind: %s", strerror(b.err));
	expect(b.err == ENOENT || b.err == EINVAL,
	       "it does not say that the VM is gone");
	free_rest(&s);
	free_binder(&b);
	check_space_works();
}

static void destroy_in_queue(enum kind kind)
{
	destroy_in_queue_of(kind, 0);
	destroy_in_queue_of(kind, 1);
}

static void destroy_in_flush(enum kind kind)
{
	unsigned int i;

	for (i = 0; i < 4; i++) {
		struct space s = new_space(kind);
		struct binder b = new_binder(&s, s.queue[i & 1]);

		start(&b, binder_main, 0);
		usleep(50000 + i * 9000);
		destroy_vm(&s);
		join(&b);
		remark("%u binds, then %s", b.done, strerror(b.err));
		free_rest(&s);
		free_binder(&b);
	}
	check_space_works();
}

/* --- the process goes --- */

/* The child says when it is about to wait */
static pid_t fork_child(void (*run)(enum kind kind, int ready), enum kind kind)
{
	int ends[2];
	pid_t pid;
	char c;

	if (pipe(ends))
		fail("pipe: %s", strerror(errno));
	pid = fork();
	if (!pid) {
		close(ends[0]);
		open_gpu();
		new_gates();
		run(kind, ends[1]);
		exit(0);
	}
	close(ends[1]);
	if (read(ends[0], &c, 1) != 1)
		fail("the child does not come so far");
	close(ends[0]);
	return pid;
}

static void reap(pid_t pid, int how)
{
	__u64 until = now_ns() + TIMEOUT_S * 1000000000ull;
	int status;

	while (waitpid(pid, &status, WNOHANG) != pid) {
		if (now_ns() > until)
			fail("the child did not end within %u s", TIMEOUT_S);
		usleep(1000);
	}
	expect(how ? WIFSIGNALED(status) && WTERMSIG(status) == how
		   : WIFEXITED(status) && !WEXITSTATUS(status),
	       "the child ended with status 0x%x", status);
}

static void tell_ready(int ready)
{
	if (write(ready, "", 1) != 1)
		exit(1);
}

static void wait_in_queue(enum kind kind, int ready)
{
	struct space s = new_space(kind);
	struct binder b = new_binder(&s, s.queue[1]);

	block(&s, s.queue[1], &gates[0]);
	tell_ready(ready);
	bind_next(&b);
}

static void wait_in_flushes(enum kind kind, int ready)
{
	struct space s = new_space(kind);
	struct binder b = new_binder(&s, s.queue[1]);

	tell_ready(ready);
	while (!bind_next(&b))
		;
}

static void kill_in_queue(enum kind kind)
{
	pid_t pid = fork_child(wait_in_queue, kind);

	usleep(50000);
	kill(pid, SIGKILL);
	reap(pid, SIGKILL);
	check_space_works();
}

static void kill_in_flush(enum kind kind)
{
	unsigned int i;
	pid_t pid;

	for (i = 0; i < 4; i++) {
		pid = fork_child(wait_in_flushes, kind);
		usleep(50000 + i * 9000);
		kill(pid, SIGKILL);
		reap(pid, SIGKILL);
	}
	check_space_works();
}

/* --- what was interrupted is never repeated --- */

static void on_alarm(int signal)
{
	(void)signal;
}

/* Leaves the cookie set */
void interrupt_bind(struct space *s, __u32 queue, __u64 *cookie)
{
	struct sigaction action = { .sa_handler = on_alarm };
	struct itimerval timer = { .it_interval.tv_usec = 3000,
				   .it_value.tv_usec = 3000 };
	struct binder b = new_binder(s, queue);
	int err;

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
	do {
		struct request r = new_request(s, queue);

		add_map(&r, b.addr, &b.buffer[++b.done & 1]);
		r.flags = WAIT;
		r.cookie = cookie;
		err = submit(&r);
	} while (!*cookie && (!err || err == EINTR));
	setitimer(ITIMER_REAL, &(struct itimerval){}, NULL);
	if (err != EINTR)
		fail("a bind fails: %s", strerror(err));
	free_binder(&b);
}

static void leave_pending(enum kind kind)
{
	unsigned int i;

	for (i = 0; i < 4; i++) {
		struct space s = new_space(kind);
		__u64 cookie = 0;

		interrupt_bind(&s, s.queue[i & 1], &cookie);
		free_space(&s);
	}
	check_space_works();
}

static void leave_process(enum kind kind, int ready)
{
	struct space s = new_space(kind);
	__u64 cookie = 0;

	interrupt_bind(&s, s.queue[1], &cookie);
	tell_ready(ready);
}

static void exit_pending(enum kind kind)
{
	reap(fork_child(leave_process, kind), 0);
	check_space_works();
}

void test_trouble(void)
{
	static const struct {
		const char *name;
		void (*run)(enum kind kind);
	} cases[] = {
		{ "two threads, two queues", threads_two_queues },
		{ "two threads, one queue", threads_one_queue },
		{ "two threads, two VMs, one queue", threads_two_vms },
		{ "GT resets while a bind flushes", reset_in_flush },
		{ "GT reset while a bind waits for the queue", reset_in_queue },
		{ "the VM is banned while a bind waits for the queue", banned },
		{ "the VM is destroyed while a bind waits for the queue",
		  destroy_in_queue },
		{ "the VM is destroyed while a bind flushes",
		  destroy_in_flush },
		{ "the process is killed while it waits for the queue",
		  kill_in_queue },
		{ "the process is killed while a bind flushes", kill_in_flush },
		{ "an interrupted bind is not repeated, the VM goes",
		  leave_pending },
		{ "an interrupted bind is not repeated, the process ends",
		  exit_pending },
	};
	unsigned int kind, i;

	for (kind = 0; kind < KINDS; kind++) {
		for (i = 0; i < ARRAY_SIZE(cases); i++) {
			/* Only such a VM can be, and its other waits are no different */
			if ((cases[i].run == banned) != (kind == LR))
				continue;
			begin("%s: %s", kind_name[kind], cases[i].name);
			if (!gpu.has_sync) {
				skip_without_sync();
				continue;
			}
			cases[i].run(kind);
			end();
		}
	}
}
