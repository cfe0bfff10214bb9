// SPDX-License-Identifier: GPL-2.0-only
/*
 * Binds of the xe driver, synchronous and asynchronous.
 *
 * usage: sync_bind PART...
 *
 * The parts are operations, order, signals, trouble, arguments and rates. The first five
 * print TAP without a plan; they need a GPU whose TLB flushes take some time. A kernel
 * without synchronous binds skips what needs them. The last one prints
 * "WHAT<tab>SYNC<tab>ASYNC<tab>UNIT".
 */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/ioctl.h>

#include "sync_bind.h"

/* Commands (xe_mi_commands.h, and for the semaphore i915's intel_gpu_commands.h) */
#define STORE 0x10000002u	     /* MI_STORE_DATA_IMM of a dword */
#define COPY (0x2eu << 23 | (5 - 2)) /* MI_COPY_MEM_MEM */
#define SEMAPHORE_WAIT                                                         \
	(0x1cu << 23 | 1 << 15 | 4 << 12 | (5 - 2)) /* polls, == */

/* Where things are in a space's control buffer, and that is in the space */
#define CONTROL_ADDR 0x100000ull
#define BATCH 0u
#define RESULT 0x2000u
#define EMPTY 0x4000u	/* a batch that does nothing */
#define ENDLESS 0x5000u /* one that never ends */
#define FIRST_FREE 0x10000000ull

#define UNTOUCHED 0xdeadbeefu

struct gpu gpu;
struct gate gates[2];
const char *const kind_name[KINDS] = { "ordinary VM", "long-running VM",
				       "fault-mode VM" };
const char *const queue_name[2] = { "default queue", "own queue" };

/* --- results --- */

static char case_name[128];
static unsigned int cases;
static bool case_good;

/* A case fails if the kernel warns meanwhile. Read from where the last case was */
static bool kernel_warned(void)
{
	static int fd = -1;
	char record[8192];
	bool warned = false;
	ssize_t n;

	if (fd < 0) {
		fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		if (fd < 0)
			fail("/dev/kmsg: %s", strerror(errno));
	}
	/* EPIPE: records were lost, the next read goes on behind them */
	while ((n = read(fd, record, sizeof(record) - 1)) > 0 ||
	       errno == EPIPE) {
		record[n > 0 ? n : 0] = '\0';
		warned |=
			strstr(record, "WARNING: ") || strstr(record, "BUG: ");
	}
	return warned;
}

void begin(const char *fmt, ...)
{
	va_list args;

	kernel_warned();

	va_start(args, fmt);
	vsnprintf(case_name, sizeof(case_name), fmt, args);
	va_end(args);
	case_good = true;
}

bool expect(bool good, const char *fmt, ...)
{
	va_list args;

	if (good)
		return true;
	case_good = false;
	printf("# ");
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n");
	return false;
}

void remark(const char *fmt, ...)
{
	va_list args;

	printf("# ");
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n");
}

void end(void)
{
	expect(!kernel_warned(), "the kernel warns, see its log");
	printf("%sok %u - %s\n", case_good ? "" : "not ", ++cases, case_name);
}

void skip_without_sync(void)
{
	printf("ok %u - %s # SKIP the kernel has no synchronous binds\n",
	       ++cases, case_name);
}

/* --- the device --- */

static void find_engines(void)
{
	struct drm_xe_query_engines *list;
	unsigned int i;

	list = query(gpu.fd, DRM_XE_DEVICE_QUERY_ENGINES);
	gpu.copy.engine_class = gpu.other.engine_class =
		DRM_XE_ENGINE_CLASS_VM_BIND; /* none */
	for (i = list->num_engines; i-- > 0;) {
		struct drm_xe_engine_class_instance *e =
			&list->engines[i].instance;

		if (e->engine_class == DRM_XE_ENGINE_CLASS_COPY &&
		    gpu.copy.engine_class == DRM_XE_ENGINE_CLASS_VM_BIND)
			gpu.last_copy = *e;
		if (e->engine_class == DRM_XE_ENGINE_CLASS_COPY)
			gpu.copy = *e;
		else if (e->engine_class == DRM_XE_ENGINE_CLASS_COMPUTE)
			gpu.other = *e;
	}
	free(list);
	if (gpu.copy.engine_class == DRM_XE_ENGINE_CLASS_VM_BIND ||
	    gpu.other.engine_class == DRM_XE_ENGINE_CLASS_VM_BIND)
		fail("the GPU has no engines that copy and compute");
}

static void find_memory(void)
{
	struct drm_xe_query_mem_regions *list;
	unsigned int i;

	list = query(gpu.fd, DRM_XE_DEVICE_QUERY_MEM_REGIONS);
	for (i = list->num_mem_regions; i-- > 0;) {
		struct drm_xe_mem_region *region = &list->mem_regions[i];

		if (region->mem_class == DRM_XE_MEM_REGION_CLASS_SYSMEM)
			gpu.ram = region->instance;
		else
			gpu.vram = region->instance;
	}
	free(list);
}

void open_gpu(void)
{
	struct drm_xe_query_config *config;

	gpu.fd = open("/dev/dri/renderD128", O_RDWR | O_CLOEXEC);
	if (gpu.fd < 0)
		fail("/dev/dri/renderD128: %s", strerror(errno));
	config = query(gpu.fd, DRM_XE_DEVICE_QUERY_CONFIG);
	gpu.has_sync = config->info[DRM_XE_QUERY_CONFIG_FLAGS] &
		       DRM_XE_QUERY_CONFIG_FLAG_HAS_SYNC_BIND;
	free(config);
	gpu.pat = is_xe2(gpu.fd) ? 2 : 3;
	find_engines();
	find_memory();
}

/* @placement: instances of memory regions */
struct buffer new_buffer(__u32 placement, size_t size, __u32 value)
{
	struct drm_xe_gem_create object = {
		.size = size,
		.placement = placement,
		.cpu_caching = DRM_XE_GEM_CPU_CACHING_WB,
	};
	struct buffer b = { .size = size };

	if (placement != 1u << gpu.ram) {
		object.cpu_caching = DRM_XE_GEM_CPU_CACHING_WC;
		object.flags = DRM_XE_GEM_CREATE_FLAG_NEEDS_VISIBLE_VRAM;
	}
	call(gpu.fd, DRM_IOCTL_XE_GEM_CREATE, &object);
	b.handle = object.handle;
	b.cpu = map_handle(gpu.fd, b.handle, size);
	fill(&b, value);
	return b;
}

void free_buffer(struct buffer *b)
{
	munmap((void *)b->cpu, b->size);
	drmCloseBufferHandle(gpu.fd, b->handle);
}

/* The first word of each chunk, counted up */
void fill(const struct buffer *b, __u32 value)
{
	size_t i;

	for (i = 0; i < b->size / CHUNK; i++)
		b->cpu[i * CHUNK / sizeof(__u32)] = value + i;
}

__u32 new_bind_queue(void)
{
	struct drm_xe_engine_class_instance bind = {
		.engine_class = DRM_XE_ENGINE_CLASS_VM_BIND,
	};

	return new_queue(gpu.fd, 0, &bind);
}

void destroy_queue(__u32 queue)
{
	struct drm_xe_exec_queue_destroy destroy = { .exec_queue_id = queue };

	call(gpu.fd, DRM_IOCTL_XE_EXEC_QUEUE_DESTROY, &destroy);
}

struct space new_space(enum kind kind)
{
	static const __u32 flags[KINDS] = {
		[LR] = DRM_XE_VM_CREATE_FLAG_LR_MODE,
		[FAULT] = DRM_XE_VM_CREATE_FLAG_LR_MODE |
			  DRM_XE_VM_CREATE_FLAG_FAULT_MODE,
	};
	struct drm_xe_vm_create vm = { .flags = flags[kind] };
	struct space s = { .kind = kind, .next = FIRST_FREE };

	call(gpu.fd, DRM_IOCTL_XE_VM_CREATE, &vm);
	s.vm = vm.vm_id;
	s.control = new_buffer(1u << gpu.ram, CHUNK, 0);
	s.control.cpu[EMPTY / sizeof(__u32)] = BATCH_BUFFER_END;
	map_now(&s, 0, CONTROL_ADDR, &s.control);
	s.queue[1] = new_bind_queue();
	s.reader = new_queue(gpu.fd, s.vm, &gpu.copy);
	return s;
}

void free_space(struct space *s)
{
	struct drm_xe_vm_destroy vm = { .vm_id = s->vm };

	destroy_queue(s->reader);
	destroy_queue(s->queue[1]);
	call(gpu.fd, DRM_IOCTL_XE_VM_DESTROY, &vm);
	free_buffer(&s->control);
}

/* Room for a case, with a page table of its own */
__u64 reserve(struct space *s)
{
	s->next += 4ull << 20;
	return s->next - (4ull << 20);
}

/* TLB flushes of the device so far */
unsigned int flushes(void)
{
	static const char *const files[] = { "gt0/stats", "gt1/stats" };
	char path[128], line[128];
	unsigned int i, n, sum = 0;
	FILE *f;

	for (i = 0; i < ARRAY_SIZE(files); i++) {
		snprintf(path, sizeof(path), "/sys/kernel/debug/dri/0/%s",
			 files[i]);
		f = fopen(path, "r");
		if (!f && i)
			continue;
		if (!f)
			fail("%s: %s", path, strerror(errno));
		while (fgets(line, sizeof(line), f))
			if (sscanf(line, "tlb_inval_count: %u", &n) == 1)
				sum += n;
		fclose(f);
	}
	return sum;
}

/* --- fences --- */

__u32 new_syncobj(void)
{
	__u32 handle;

	if (drmSyncobjCreate(gpu.fd, 0, &handle))
		fail("drmSyncobjCreate: %s", strerror(errno));
	return handle;
}

void free_syncobj(__u32 syncobj)
{
	drmSyncobjDestroy(gpu.fd, syncobj);
}

bool is_signaled(__u32 syncobj)
{
	int ret = drmSyncobjWait(gpu.fd, &syncobj, 1, 0, 0, NULL);

	if (ret && ret != -ETIME)
		fail("drmSyncobjWait: %s", strerror(-ret));
	return !ret;
}

bool is_done(const struct done *d)
{
	return d->user ? *d->user == 1 : is_signaled(d->syncobj);
}

/* Polls, which is good enough for a test */
bool wait_done(const struct done *d)
{
	__u64 until = now_ns() + TIMEOUT_S * 1000000000ull;

	while (!is_done(d)) {
		if (now_ns() > until)
			return false;
		usleep(200);
	}
	return true;
}

void free_done(struct done *d)
{
	if (d->user)
		free((void *)d->user);
	else
		free_syncobj(d->syncobj);
}

/* --- binds --- */

struct request new_request(struct space *s, __u32 queue)
{
	return (struct request){ .space = s, .queue = queue };
}

struct drm_xe_vm_bind_op *add_op(struct request *r, __u32 op, __u64 addr,
				 __u64 range)
{
	r->op[r->ops] = (struct drm_xe_vm_bind_op){
		.op = op, .addr = addr, .range = range, .pat_index = gpu.pat
	};
	return &r->op[r->ops++];
}

void add_map(struct request *r, __u64 addr, const struct buffer *b)
{
	struct drm_xe_vm_bind_op *op;

	op = add_op(r, DRM_XE_VM_BIND_OP_MAP, addr, b->size);
	op->obj = b->handle;
	op->flags = DRM_XE_VM_BIND_FLAG_IMMEDIATE;
}

void add_unmap(struct request *r, __u64 addr, __u64 range)
{
	add_op(r, DRM_XE_VM_BIND_OP_UNMAP, addr, range);
}

void add_in(struct request *r, __u32 syncobj)
{
	r->sync[r->syncs++] = (struct drm_xe_sync){
		.type = DRM_XE_SYNC_TYPE_SYNCOBJ,
		.handle = syncobj,
	};
}

struct done add_out(struct request *r)
{
	struct drm_xe_sync *sync = &r->sync[r->syncs++];
	struct done d = {};

	*sync = (struct drm_xe_sync){ .flags = DRM_XE_SYNC_FLAG_SIGNAL };
	if (r->space->kind == ORDINARY) {
		d.syncobj = new_syncobj();
		sync->type = DRM_XE_SYNC_TYPE_SYNCOBJ;
		sync->handle = d.syncobj;
		return d;
	}
	d.user = calloc(1, sizeof(*d.user));
	sync->type = DRM_XE_SYNC_TYPE_USER_FENCE;
	sync->addr = (uintptr_t)d.user;
	sync->timeline_value = 1;
	return d;
}

/* Returns an errno. Not by drmIoctl(), which hides EINTR */
int submit(const struct request *r)
{
	struct drm_xe_vm_bind bind = {
		.vm_id = r->space->vm,
		.exec_queue_id = r->queue,
		.num_binds = r->ops,
		.op_syncs.flags = r->flags,
		.op_syncs.num_syncs = r->syncs,
		.op_syncs.syncs = (uintptr_t)r->sync,
		.op_syncs.cookie = (uintptr_t)r->cookie,
	};

	if (r->ops > 1)
		bind.vector_of_binds = (uintptr_t)r->op;
	else if (r->ops)
		bind.bind = r->op[0];
	return ioctl(gpu.fd, DRM_IOCTL_XE_VM_BIND, &bind) ? errno : 0;
}

void must_submit(const struct request *r)
{
	int err = submit(r);

	if (err)
		fail("DRM_IOCTL_XE_VM_BIND: %s", strerror(err));
}

/* Asynchronously, so that it works on each kernel */
void bind_and_wait(struct request *r)
{
	struct done d = add_out(r);

	must_submit(r);
	if (!wait_done(&d))
		fail("a bind did not end within %u s", TIMEOUT_S);
	free_done(&d);
}

void map_now(struct space *s, __u32 queue, __u64 addr, const struct buffer *b)
{
	struct request r = new_request(s, queue);

	add_map(&r, addr, b);
	bind_and_wait(&r);
}

/* --- the GPU's work --- */

/* With @batch 0 it is one without a batch buffer. Returns an errno */
int try_exec(__u32 queue, __u64 batch, struct drm_xe_sync *syncs,
	     unsigned int n)
{
	struct drm_xe_exec exec = { .exec_queue_id = queue,
				    .num_syncs = n,
				    .syncs = (uintptr_t)syncs,
				    .address = batch,
				    .num_batch_buffer = batch != 0 };

	return drmIoctl(gpu.fd, DRM_IOCTL_XE_EXEC, &exec) ? errno : 0;
}

void exec(__u32 queue, __u64 batch, struct drm_xe_sync *syncs, unsigned int n)
{
	int err = try_exec(queue, batch, syncs, n);

	if (err)
		fail("DRM_IOCTL_XE_EXEC: %s", strerror(err));
}

static volatile __u32 *at(struct space *s, __u32 offset)
{
	return s->control.cpu + offset / sizeof(__u32);
}

static void emit_probe(struct space *s, const __u64 *addr, unsigned int n)
{
	volatile __u32 *cs = at(s, BATCH);
	__u64 to = CONTROL_ADDR + RESULT;
	unsigned int i;

	for (i = 0; i < n; i++, to += sizeof(__u32)) {
		*at(s, RESULT + i * sizeof(__u32)) = UNTOUCHED;
		*cs++ = COPY;
		*cs++ = to;
		*cs++ = to >> 32;
		*cs++ = addr[i];
		*cs++ = addr[i] >> 32;
	}
	*at(s, RESULT + n * sizeof(__u32)) = UNTOUCHED;
	*cs++ = STORE;
	*cs++ = to;
	*cs++ = to >> 32;
	*cs++ = 1;
	*cs = BATCH_BUFFER_END;
	atomic_thread_fence(memory_order_seq_cst);
}

static bool probe_has_ended(struct space *s, unsigned int n)
{
	return *at(s, RESULT + n * sizeof(__u32)) == 1;
}

/* What the GPU reads, by a job that waits for nothing */
bool probe(struct space *s, const __u64 *addr, __u32 *value, unsigned int n)
{
	__u64 until = now_ns() + TIMEOUT_S * 1000000000ull;
	unsigned int i;

	emit_probe(s, addr, n);
	exec(s->reader, CONTROL_ADDR + BATCH, NULL, 0);
	while (!probe_has_ended(s, n)) {
		if (now_ns() > until)
			return false;
		usleep(100);
	}
	atomic_thread_fence(memory_order_seq_cst);
	for (i = 0; i < n; i++)
		value[i] = *at(s, RESULT + i * sizeof(__u32));
	return true;
}

__u32 probe_one(struct space *s, __u64 addr)
{
	__u32 value;

	if (!probe(s, &addr, &value, 1))
		fail("the GPU does not read 0x%llx", addr);
	return value;
}

static bool is_banned(__u32 queue)
{
	struct drm_xe_exec_queue_get_property property = {
		.exec_queue_id = queue,
		.property = DRM_XE_EXEC_QUEUE_GET_PROPERTY_BAN,
	};

	call(gpu.fd, DRM_IOCTL_XE_EXEC_QUEUE_GET_PROPERTY, &property);
	return property.value;
}

/* The GPU cannot read there; the reader does not survive this, and is made anew */
bool probe_is_refused(struct space *s, __u64 addr)
{
	__u64 until = now_ns() + TIMEOUT_S * 1000000000ull;
	bool refused;

	emit_probe(s, &addr, 1);
	exec(s->reader, CONTROL_ADDR + BATCH, NULL, 0);
	while (!probe_has_ended(s, 1) && !is_banned(s->reader) &&
	       now_ns() < until)
		usleep(200);
	refused = !probe_has_ended(s, 1) && *at(s, RESULT) == UNTOUCHED &&
		  is_banned(s->reader);
	destroy_queue(s->reader);
	s->reader = new_queue(gpu.fd, s->vm, &gpu.copy);
	return refused;
}

/* Waits until the word is that value */
static void emit_wait(volatile __u32 *cs, __u64 word, __u32 value)
{
	*cs++ = SEMAPHORE_WAIT;
	*cs++ = value;
	*cs++ = word;
	*cs++ = word >> 32;
	*cs++ = 0;
	*cs = BATCH_BUFFER_END;
	atomic_thread_fence(memory_order_seq_cst);
}

/* A job that runs for as long as its queue is there */
void keep_busy(struct space *s)
{
	emit_wait(at(s, ENDLESS), CONTROL_ADDR + ENDLESS, 1);
	exec(s->reader, CONTROL_ADDR + ENDLESS, NULL, 0);
}

/* --- gates --- */

void new_gates(void)
{
	unsigned int i;

	gpu.home = new_space(ORDINARY);
	for (i = 0; i < ARRAY_SIZE(gates); i++) {
		gates[i].queue = new_queue(gpu.fd, gpu.home.vm, &gpu.other);
		gates[i].syncobj = new_syncobj();
		gates[i].control = new_buffer(1u << gpu.ram, CHUNK, 0);
		map_now(&gpu.home, 0, CONTROL_ADDR + (i + 1) * CHUNK,
			&gates[i].control);
	}
}

/* What a reset did not survive */
void renew_gate(struct gate *g)
{
	destroy_queue(g->queue);
	g->queue = new_queue(gpu.fd, gpu.home.vm, &gpu.other);
}

/* The word that is waited for is behind the batch */
void close_gate(struct gate *g)
{
	__u64 addr = CONTROL_ADDR + (g - gates + 1) * CHUNK;
	__u64 word = addr + RESULT;
	struct drm_xe_sync sync = { .type = DRM_XE_SYNC_TYPE_SYNCOBJ,
				    .flags = DRM_XE_SYNC_FLAG_SIGNAL,
				    .handle = g->syncobj };

	emit_wait(g->control.cpu, word, ++g->value);
	exec(g->queue, addr, &sync, 1);
}

void open_gate(struct gate *g)
{
	struct done d = { .syncobj = g->syncobj };

	g->control.cpu[RESULT / sizeof(__u32)] = g->value;
	if (!wait_done(&d))
		fail("the GPU does not see that a gate was opened");
}

static pthread_t opener;
static atomic_bool opened;
static unsigned int opener_ms;

static void *opener_main(void *gate)
{
	struct gate *g = gate;

	usleep(opener_ms * 1000);
	atomic_store(&opened, true);
	g->control.cpu[RESULT / sizeof(__u32)] = g->value;
	return NULL;
}

void open_gate_later(struct gate *g, unsigned int ms)
{
	opener_ms = ms;
	atomic_store(&opened, false);
	if (pthread_create(&opener, NULL, opener_main, g))
		fail("pthread_create: %s", strerror(errno));
}

bool gate_was_opened(void)
{
	return atomic_load(&opened);
}

void join_opener(void)
{
	pthread_join(opener, NULL);
}

/* Puts a bind into the queue that waits for the gate, which it closes */
void block(struct space *s, __u32 queue, struct gate *g)
{
	struct request r = new_request(s, queue);

	close_gate(g);
	add_map(&r, reserve(s), &s->control);
	add_in(&r, g->syncobj);
	must_submit(&r);
}

/* --- */

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} parts[] = {
		{ "operations", test_operations }, { "order", test_order },
		{ "signals", test_signals },	   { "trouble", test_trouble },
		{ "arguments", test_arguments },   { "rates", measure_rates },
	};
	unsigned int p;
	int i;

	setvbuf(stdout, NULL, _IOLBF, 0);
	open_gpu();
	new_gates();
	for (i = 1; i < argc; i++) {
		for (p = 0; p < ARRAY_SIZE(parts); p++)
			if (!strcmp(argv[i], parts[p].name))
				break;
		if (p == ARRAY_SIZE(parts))
			fail("there is no part '%s'", argv[i]);
		parts[p].run();
	}
	return 0;
}
