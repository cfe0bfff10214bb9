// SPDX-License-Identifier: GPL-2.0-only
/*
 * Shows a GPU of the xe driver at work: it fills a buffer in its own memory, copies
 * that to memory of malloc(), and something else back. Every byte is checked after
 * each step.
 *
 * usage: gpu_copy [--size BYTES] [--jobs N] [--device /dev/dri/cardN]
 *
 * Prints a line for each step, with the time that it took. Anything that is not as it
 * should be ends it with a line that says so, and status 1.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util.h"
#include "xe.h"

#define PAGE 4096u /* also a row of what the GPU fills and copies */
#define MAX_SIZE (1ull << 30)
#define TIMEOUT_S 5
#define FILL 0xa5

/* Addresses for the GPU, far enough apart for MAX_SIZE */
#define BATCH_ADDR 0x100000ull
#define BUFFER_ADDR 0x100000000ull
#define USERPTR_ADDR 0x200000000ull

/* Commands of the copy engine, n dwords long (xe_gpu_commands.h) */
#define BLT(opcode, n) (2u << 29 | (opcode) << 22 | ((n)-2))
#define MATRIX (1u << 17)
#define MEM_COPY (BLT(0x5au, 10) | MATRIX)
#define MEM_SET (BLT(0x5bu, 7) | MATRIX)

/**
 * struct platform - how a kind of GPU wants memory described
 * @pat: index for write-back, coherent with the CPU (xe_pat.c)
 * @set_mocs, @copy_mocs: last dword of MEM_SET and MEM_COPY, for uncached (xe_mocs.c)
 */
struct platform {
	__u16 pat;
	__u32 set_mocs, copy_mocs;
};

static const struct platform xe_hpc = { 3, 1 << 1, 1u << 26 | 1 << 1 };
static const struct platform xe2 = { 2, 3 << 3, 3u << 28 | 3 << 3 };

/* Memory that both the CPU and the GPU see */
struct area {
	const char *name;
	__u8 *cpu;
	__u64 gpu;
};

/**
 * struct gpu - the device, and all that we have of it
 * @size: of buffer, userptr and expected
 * @vram: all zero where there is none
 * @expected: what both areas should have
 */
struct gpu {
	int fd;
	__u64 size, jobs;
	const struct platform *platform;
	struct drm_xe_mem_region system, vram;
	struct drm_xe_engine_class_instance engine;
	__u32 vm, queue;
	struct area batch, buffer, userptr;
	__u8 *expected;
};

/* --- what is printed --- */

static const char *step;
static __u64 began;

static void begin(const char *name)
{
	step = name;
	began = now_ns();
}

static void done(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void fail(const char *fmt, ...)
{
	va_list args;

	fflush(stdout);
	fprintf(stderr, "gpu: error: %s: ", step);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

/* Of a step that is done, with its time */
static void done(const char *fmt, ...)
{
	double ms = (now_ns() - began) / 1e6;
	va_list args;

	printf("gpu: %s: ", step);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf(", %.2f ms\n", ms);
}

/* struct text - to be used as in amount(n).s */
struct text {
	char s[32];
};

static struct text amount(__u64 bytes)
{
	static const char *const unit[] = { "B", "KiB", "MiB", "GiB" };
	unsigned int i = 0;
	double n = bytes;
	struct text text;

	for (; n >= 1024 && i < ARRAY_SIZE(unit) - 1; i++)
		n /= 1024;
	snprintf(text.s, sizeof(text.s), "%.4g %s", n, unit[i]);
	return text;
}

/* --- the kernel --- */

static void *allocate(size_t align, size_t size)
{
	void *mem = aligned_alloc(align, size);

	if (!mem)
		fail("no memory for %zu bytes", size);
	return mem;
}

/* What the kernel signals when something is done */
static struct drm_xe_sync out_fence(struct gpu *g)
{
	struct drm_xe_sync sync = { .type = DRM_XE_SYNC_TYPE_SYNCOBJ,
				    .flags = DRM_XE_SYNC_FLAG_SIGNAL };

	if (drmSyncobjCreate(g->fd, 0, &sync.handle))
		fail("drmSyncobjCreate: %s", strerror(errno));
	return sync;
}

static void wait_for(struct gpu *g, struct drm_xe_sync sync)
{
	__u64 until = now_ns() + TIMEOUT_S * 1000000000ull;
	int ret = drmSyncobjWait(g->fd, &sync.handle, 1, until, 0, NULL);

	if (ret == -ETIME)
		fail("it was not done after %u s", TIMEOUT_S);
	if (ret)
		fail("drmSyncobjWait: %s", strerror(-ret));
	if (drmSyncobjDestroy(g->fd, sync.handle))
		fail("drmSyncobjDestroy: %s", strerror(errno));
}

/* --- the device --- */

/* Returns 0, or says in errno why it is none of ours */
static int open_xe(struct gpu *g, const char *path, drmVersionPtr *version)
{
	g->fd = open(path, O_RDWR | O_CLOEXEC);
	if (g->fd < 0)
		return -1;
	*version = drmGetVersion(g->fd);
	if (*version && !strcmp((*version)->name, "xe"))
		return 0;
	drmFreeVersion(*version);
	close(g->fd);
	errno = ENODEV;
	return -1;
}

static const char *why_not(void)
{
	return errno == ENODEV ? "not of the xe driver" : strerror(errno);
}

static const char *node_of(drmDevicePtr device)
{
	if (device->available_nodes & 1 << DRM_NODE_RENDER)
		return device->nodes[DRM_NODE_RENDER];
	return device->nodes[DRM_NODE_PRIMARY];
}

static const char *open_first(struct gpu *g, drmVersionPtr *version)
{
	/* Never freed, as one of them has the path */
	static drmDevicePtr devices[MAX_DEVICES];
	int i, n = drmGetDevices2(0, devices, MAX_DEVICES);

	if (n <= 0)
		fail("there is no GPU; is the module xe loaded?");
	for (i = 0; i < n; i++)
		if (!open_xe(g, node_of(devices[i]), version))
			return node_of(devices[i]);
	fail("no GPU is of the xe driver; the last is %s: %s",
	     node_of(devices[n - 1]), why_not());
}

static void tell_device(struct gpu *g, const char *path, drmVersionPtr version)
{
	struct drm_xe_query_config *config;
	__u64 id;

	config = query(g->fd, DRM_XE_DEVICE_QUERY_CONFIG);
	id = config->info[DRM_XE_QUERY_CONFIG_REV_AND_DEVICE_ID];
	done("%s is 8086:%04llx revision %llu, driver %s %d.%d.%d", path,
	     id & 0xffff, id >> 16 & 0xff, version->name,
	     version->version_major, version->version_minor,
	     version->version_patchlevel);
	free(config);
}

static void open_gpu(struct gpu *g, const char *path)
{
	drmVersionPtr version;

	begin("open");
	if (!path)
		path = open_first(g, &version);
	else if (open_xe(g, path, &version))
		fail("%s: %s", path, why_not());
	tell_device(g, path, version);
	drmFreeVersion(version);
}

static void find_platform(struct gpu *g)
{
	g->platform = is_xe2(g->fd) ? &xe2 : &xe_hpc;
}

static void find_memory(struct gpu *g)
{
	struct drm_xe_query_mem_regions *list;
	unsigned int i;

	begin("memory");
	list = query(g->fd, DRM_XE_DEVICE_QUERY_MEM_REGIONS);
	for (i = 0; i < list->num_mem_regions; i++) {
		struct drm_xe_mem_region *region = &list->mem_regions[i];

		if (region->mem_class == DRM_XE_MEM_REGION_CLASS_SYSMEM)
			g->system = *region;
		else if (!g->vram.total_size)
			g->vram = *region;
	}
	free(list);
	done("%s of VRAM (%s for the CPU too), %s of system memory",
	     amount(g->vram.total_size).s, amount(g->vram.cpu_visible_size).s,
	     amount(g->system.total_size).s);
	if (!g->vram.total_size)
		return;
	if (g->size > g->vram.cpu_visible_size)
		fail("--size %llu is more than VRAM has for the CPU", g->size);
	if (g->size % g->vram.min_page_size)
		fail("--size %llu is not a multiple of %u, VRAM's page size",
		     g->size, g->vram.min_page_size);
}

static struct text engine_name(const struct drm_xe_engine_class_instance *e)
{
	static const char *const names[] = { "rcs", "bcs", "vcs", "vecs",
					     "ccs" };
	const char *name = "?";
	struct text text;

	if (e->engine_class < ARRAY_SIZE(names))
		name = names[e->engine_class];
	snprintf(text.s, sizeof(text.s), "%s%u", name, e->engine_instance);
	return text;
}

/* Takes the first that copies */
static void find_engine(struct gpu *g)
{
	struct drm_xe_engine_class_instance *e;
	struct drm_xe_query_engines *list;
	char names[512] = "";
	size_t len = 0;
	unsigned int i;

	begin("engines");
	list = query(g->fd, DRM_XE_DEVICE_QUERY_ENGINES);
	g->engine.engine_class = DRM_XE_ENGINE_CLASS_VM_BIND; /* none */
	for (i = list->num_engines; i-- > 0;) {
		e = &list->engines[i].instance;
		if (e->engine_class == DRM_XE_ENGINE_CLASS_COPY)
			g->engine = *e;
	}
	for (i = 0; i < list->num_engines && len < sizeof(names); i++) {
		e = &list->engines[i].instance;
		len += snprintf(names + len, sizeof(names) - len, "%s%s",
				i ? " " : "", engine_name(e).s);
	}
	free(list);
	done("%s", names);
	if (g->engine.engine_class != DRM_XE_ENGINE_CLASS_COPY)
		fail("there must be one that copies (bcs)");
}

/* --- its memory --- */

static void create_vm(struct gpu *g)
{
	struct drm_xe_vm_create vm = {};

	begin("VM");
	call(g->fd, DRM_IOCTL_XE_VM_CREATE, &vm);
	g->vm = vm.vm_id;
	done("created, number %u", g->vm);
}

static void bind(struct gpu *g, struct drm_xe_vm_bind_op op)
{
	struct drm_xe_sync sync = out_fence(g);

	op.pat_index = g->platform->pat;
	begin_bind(g->fd, g->vm, op, &sync);
	wait_for(g, sync);
}

static __u32 create_object(struct gpu *g, const struct drm_xe_mem_region *in,
			   __u64 size)
{
	struct drm_xe_gem_create object = { .size = size,
					    .placement = 1u << in->instance,
					    .vm_id = g->vm };

	object.cpu_caching = DRM_XE_GEM_CPU_CACHING_WB;
	if (in->mem_class == DRM_XE_MEM_REGION_CLASS_VRAM) {
		object.cpu_caching = DRM_XE_GEM_CPU_CACHING_WC;
		object.flags = DRM_XE_GEM_CREATE_FLAG_NEEDS_VISIBLE_VRAM;
	}
	call(g->fd, DRM_IOCTL_XE_GEM_CREATE, &object);
	return object.handle;
}

/* A buffer object for the CPU and, at area->gpu, for the GPU */
static void map_object(struct gpu *g, struct area *area,
		       const struct drm_xe_mem_region *in, __u64 size)
{
	__u32 handle = create_object(g, in, size);

	area->cpu = map_handle(g->fd, handle, size);
	bind(g, (struct drm_xe_vm_bind_op){ .op = DRM_XE_VM_BIND_OP_MAP,
					    .obj = handle,
					    .range = size,
					    .addr = area->gpu });
}

static void map_buffer(struct gpu *g)
{
	int vram = g->vram.total_size != 0;

	begin("buffer");
	g->buffer = (struct area){ .name = "buffer", .gpu = BUFFER_ADDR };
	map_object(g, &g->buffer, vram ? &g->vram : &g->system, g->size);
	done("%s of %s, GPU address 0x%llx", amount(g->size).s,
	     vram ? "VRAM" : "system memory", g->buffer.gpu);
}

static void map_batch(struct gpu *g)
{
	begin("batch");
	g->batch = (struct area){ .name = "batch", .gpu = BATCH_ADDR };
	map_object(g, &g->batch, &g->system, PAGE);
	done("%s of system memory, GPU address 0x%llx", amount(PAGE).s,
	     g->batch.gpu);
}

static void map_userptr(struct gpu *g)
{
	struct drm_xe_vm_bind_op op = { .op = DRM_XE_VM_BIND_OP_MAP_USERPTR };

	begin("userptr");
	g->userptr = (struct area){ .name = "userptr", .gpu = USERPTR_ADDR };
	g->userptr.cpu = allocate(PAGE, g->size);
	op.userptr = (uintptr_t)g->userptr.cpu;
	op.range = g->size;
	op.addr = g->userptr.gpu;
	bind(g, op);
	done("%s of malloc() at 0x%llx, GPU address 0x%llx", amount(g->size).s,
	     op.userptr, g->userptr.gpu);
}

static void create_queue(struct gpu *g)
{
	begin("queue");
	g->queue = new_queue(g->fd, g->vm, &g->engine);
	done("created on %s, number %u", engine_name(&g->engine).s, g->queue);
}

/* --- its work --- */

/* The kernel signals fences also of jobs that it had to end */
static void check_queue(struct gpu *g)
{
	struct drm_xe_exec_queue_get_property property = {
		.exec_queue_id = g->queue,
		.property = DRM_XE_EXEC_QUEUE_GET_PROPERTY_BAN,
	};

	call(g->fd, DRM_IOCTL_XE_EXEC_QUEUE_GET_PROPERTY, &property);
	if (property.value)
		fail("the kernel ended the job, see its log");
}

/* The commands of the batch; returns how long they took in ns */
static __u64 execute(struct gpu *g)
{
	struct drm_xe_sync sync = out_fence(g);
	__u64 start = now_ns();

	begin_job(g->fd, g->queue, g->batch.gpu, &sync);
	wait_for(g, sync);
	start = now_ns() - start;
	check_queue(g);
	return start;
}

static void check(struct gpu *g, const struct area *area)
{
	__u64 i, first = 0, wrong = 0;

	if (!memcmp(area->cpu, g->expected, g->size))
		return;
	for (i = g->size; i-- > 0;) {
		if (area->cpu[i] == g->expected[i])
			continue;
		first = i;
		wrong++;
	}
	fail("%llu of %llu bytes of the %s are wrong; at offset 0x%llx: "
	     "found 0x%02x, expected 0x%02x",
	     wrong, g->size, area->name, first, area->cpu[first],
	     g->expected[first]);
}

/* Both areas, also the one that was only read */
static void check_and_tell(struct gpu *g, const char *what, __u64 ns)
{
	check(g, &g->buffer);
	check(g, &g->userptr);
	printf("gpu: %s: %s, %s in %.2f ms, %.1f MB/s; every byte is right\n",
	       step, what, amount(g->size).s, ns / 1e6, g->size * 1e3 / ns);
}

/* Each word differs from all others */
static void write_pattern(struct gpu *g, __u8 *to)
{
	__u32 i, word;

	for (i = 0; i < g->size / sizeof(word); i++) {
		word = (i + 1) * 2654435761u;
		memcpy(to + i * sizeof(word), &word, sizeof(word));
	}
}

static __u32 *emit_address(__u32 *cs, __u64 address)
{
	*cs++ = address;
	*cs++ = address >> 32;
	return cs;
}

/* As a matrix: a row is a page, and the next one follows without a gap */
static void emit_set(struct gpu *g, const struct area *to, __u32 value)
{
	__u32 *cs = (void *)g->batch.cpu;

	*cs++ = MEM_SET;
	*cs++ = PAGE - 1;
	*cs++ = g->size / PAGE - 1;
	*cs++ = PAGE - 1;
	cs = emit_address(cs, to->gpu);
	*cs++ = value << 24 | g->platform->set_mocs;
	*cs++ = BATCH_BUFFER_END;
}

static void emit_copy(struct gpu *g, const struct area *to,
		      const struct area *from)
{
	__u32 *cs = (void *)g->batch.cpu;

	*cs++ = MEM_COPY;
	*cs++ = PAGE - 1;
	*cs++ = g->size / PAGE - 1;
	*cs++ = PAGE - 1;
	*cs++ = PAGE - 1;
	cs = emit_address(cs, from->gpu);
	cs = emit_address(cs, to->gpu);
	*cs++ = g->platform->copy_mocs;
	*cs++ = BATCH_BUFFER_END;
}

static void fill_buffer(struct gpu *g)
{
	begin("fill");
	memset(g->buffer.cpu, ~FILL, g->size);
	memset(g->userptr.cpu, FILL, g->size);
	memset(g->expected, FILL, g->size);
	emit_set(g, &g->buffer, FILL);
	check_and_tell(g, "MEM_SET of the buffer", execute(g));
}

static void copy_to_userptr(struct gpu *g)
{
	begin("copy");
	memset(g->userptr.cpu, ~FILL, g->size);
	emit_copy(g, &g->userptr, &g->buffer);
	check_and_tell(g, "MEM_COPY of the buffer to the userptr", execute(g));
}

static void copy_from_userptr(struct gpu *g)
{
	begin("copy back");
	write_pattern(g, g->userptr.cpu);
	write_pattern(g, g->expected);
	emit_copy(g, &g->buffer, &g->userptr);
	check_and_tell(g, "MEM_COPY of the userptr to the buffer", execute(g));
}

/* Empty jobs, one after the other: what a submission and its completion cost */
static void run_jobs(struct gpu *g)
{
	__u64 i, ns = 0;

	begin("jobs");
	*(__u32 *)g->batch.cpu = BATCH_BUFFER_END;
	for (i = 0; i < g->jobs; i++)
		ns += execute(g);
	done("%llu one after the other, %llu a second",
	     (unsigned long long)g->jobs,
	     (unsigned long long)(g->jobs * 1000000000ull / (ns + 1)));
}

/* --- options --- */

__attribute__((noreturn)) static void usage(void)
{
	printf("usage: gpu_copy [--size BYTES] [--jobs N] [--device "
	       "/dev/dri/cardN]\n"
	       "Has a GPU of the xe driver fill and copy memory.\n\n"
	       "  --size BYTES    how much: 4K, 8K and so on up to 1G (2M)\n"
	       "  --jobs N        and run so many empty jobs (200)\n"
	       "  --device PATH   which GPU (the first of the xe driver)\n"
	       "  --help          this text\n");
	exit(0);
}

static __u64 parse_size(const char *text)
{
	unsigned int shift;
	__u64 size;
	char *end;

	size = strtoull(text, &end, 0);
	shift = *end == 'K' ? 10 : *end == 'M' ? 20 : *end == 'G' ? 30 : 0;
	if (*text < '0' || *text > '9' || end[!!shift] || !size ||
	    size > MAX_SIZE >> shift || (size << shift) % PAGE)
		fail("--size %s is not a multiple of 4K up to 1G", text);
	return size << shift;
}

static __u64 parse_jobs(const char *text)
{
	__u64 n;
	char *end;

	n = strtoull(text, &end, 0);
	if (*text < '0' || *text > '9' || *end || n > 1000000)
		fail("--jobs %s is not a number from 0 to 1000000", text);
	return n;
}

static const char *parse_options(struct gpu *g, int argc, char **argv)
{
	static const struct option options[] = {
		{ "size", required_argument, NULL, 's' },
		{ "jobs", required_argument, NULL, 'j' },
		{ "device", required_argument, NULL, 'd' },
		{ "help", no_argument, NULL, 'h' },
		{},
	};
	const char *device = NULL;
	int c;

	begin("options");
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 's')
			g->size = parse_size(optarg);
		else if (c == 'j')
			g->jobs = parse_jobs(optarg);
		else if (c == 'd')
			device = optarg;
		else if (c == 'h')
			usage();
		else
			exit(1); /* getopt_long() has said why */
	}
	if (optind < argc)
		fail("'%s' is not an option; see --help", argv[optind]);
	return device;
}

int main(int argc, char **argv)
{
	struct gpu g = { .size = 2 << 20, .jobs = 200 };
	const char *device = parse_options(&g, argc, argv);

	setvbuf(stdout, NULL, _IOLBF, 0);
	open_gpu(&g, device);
	find_platform(&g);
	find_memory(&g);
	find_engine(&g);
	create_vm(&g);
	map_buffer(&g);
	map_userptr(&g);
	map_batch(&g);
	create_queue(&g);
	g.expected = allocate(PAGE, g.size);
	fill_buffer(&g);
	copy_to_userptr(&g);
	copy_from_userptr(&g);
	run_jobs(&g);
	printf("gpu: all data is as it should be\n");
	return 0;
}
