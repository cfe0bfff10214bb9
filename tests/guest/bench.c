// SPDX-License-Identifier: GPL-2.0-only
/*
 * What page faults, prefetches and invalidations cost on GPUs of the xe driver.
 *
 * usage: bench faults|munmap GPUS
 *
 * faults: page faults served in a second by all GPUs together, with one and with
 * QUEUES faulting contexts on each; with one GPU also what a single fault and a
 * prefetch cost.
 * munmap: munmap() and madvise(MADV_DONTNEED) of memory that all GPUs have mapped.
 *
 * Everything is done with SVM (CPU_ADDR_MIRROR) and with userptrs whose binding is left
 * to the page fault. Prints "WHAT<tab>MEMORY<tab>VALUE<tab>UNIT" for each, VALUE being "not
 * supported" where the kernel has no SVM. All that the GPUs wrote is compared; wrong
 * data, or anything else that is not as it should be, ends it with status 1.
 */
#include <err.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "util.h"
#include "xe.h"

/* Numbers of mainline's ABI, include/uapi/drm/xe_drm.h there; 6.12's has none of these */
#define CONFIG_HAS_CPU_ADDR_MIRROR (1 << 2)
#define BIND_CPU_ADDR_MIRROR (1 << 5)
#define PREFERRED_LOC 0
#define PREFERRED_LOC_SYSTEM -1

struct xe_madvise {
	__u64 extensions, start, range;
	__u32 vm_id, type;
	__u32 devmem_fd;
	__u16 migration_policy, region_instance;
	__u64 loc_reserved;
	__u64 reserved[2];
};

#define IOCTL_XE_MADVISE DRM_IOW(DRM_COMMAND_BASE + 0x0c, struct xe_madvise)

#define KIB(n) ((size_t)(n) << 10)
#define MIB(n) ((size_t)(n) << 20)
#define PAGE KIB(4)
#define WORDS (PAGE / sizeof(__u32))

#define MAX_GPUS 9
#define QUEUES 4
#define TIMEOUT_S 120 /* of a fence: the host may be busy */

#define FAULTS 128 /* of each queue */
#define FAULT_ROUNDS 15
#define PREFETCH_SIZE MIB(16)
#define PREFETCH_ROUNDS 5
#define UNMAP_SIZE KIB(256)
#define UNMAP_ROUNDS 21

/* MI_STORE_DATA_IMM of a dword (xe_mi_commands.h) */
#define STORE 0x10000002u
#define BATCH_SIZE ((PREFETCH_SIZE / PAGE * 4 + 1) * sizeof(__u32))

/**
 * struct queue - a context of the GPU
 * @batch: where its commands are, at the same address for CPU and GPU
 * @fence: where the GPU writes @value when it is done
 */
struct queue {
	__u32 id;
	__u32 *batch;
	volatile __u64 *fence;
	__u64 value;
};

struct gpu;

/**
 * struct space - an address space of a GPU
 * @svm: the CPU's memory is there too
 */
struct space {
	const struct gpu *gpu;
	bool svm;
	__u32 vm;
	struct queue queue[QUEUES];
};

/**
 * struct gpu - a device
 * @svm: its driver has that
 * @moves: and memory of processes can be in its VRAM
 * @pat: index for write-back, coherent with the CPU (xe_pat.c)
 * @ram, @vram: instances of its memory regions
 */
struct gpu {
	int fd;
	bool svm;
	bool moves;
	__u16 pat;
	__u32 va_bits, ram, vram;
	struct drm_xe_engine_class_instance engine;
	struct space space[2]; /* userptr, SVM */
};

static struct gpu gpus[MAX_GPUS];
static unsigned int nr_gpus;

/**
 * struct area - memory of the CPU, between memory that nobody may touch
 * @all, @all_size: of the latter, too
 * @pages: there are that many
 * @stride: from one to the next
 */
struct area {
	__u8 *all, *cpu;
	size_t all_size, pages, stride;
};

static const char *kind(bool svm)
{
	return svm ? "svm" : "userptr";
}

static void tell(const char *what, bool svm, double value, const char *unit)
{
	printf("%s\t%s\t%.2f\t%s\n", what, kind(svm), value, unit);
}

static void tell_not(const char *what, bool svm, const char *unit)
{
	printf("%s\t%s\tnot supported\t%s\n", what, kind(svm), unit);
}

/* --- the kernel --- */

static void fail(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	verrx(1, fmt, args);
}

static void wait_fence(struct space *s, volatile __u64 *fence, __u64 value,
		       __u32 queue)
{
	struct drm_xe_wait_user_fence wait = {
		.addr = (uintptr_t)fence,
		.op = DRM_XE_UFENCE_WAIT_OP_EQ,
		.value = value,
		.mask = ~0ull,
		.timeout = TIMEOUT_S * 1000000000ll,
		.exec_queue_id = queue,
	};

	call(s->gpu->fd, DRM_IOCTL_XE_WAIT_USER_FENCE, &wait);
}

static void bind(struct space *s, struct drm_xe_vm_bind_op op)
{
	volatile __u64 fence __attribute__((aligned(8))) = 0;
	struct drm_xe_sync sync = { .type = DRM_XE_SYNC_TYPE_USER_FENCE,
				    .flags = DRM_XE_SYNC_FLAG_SIGNAL,
				    .addr = (uintptr_t)&fence,
				    .timeline_value = 1 };

	op.pat_index = s->gpu->pat;
	begin_bind(s->gpu->fd, s->vm, op, &sync);
	wait_fence(s, &fence, 1, 0);
}

/* --- the devices --- */

static void find_engine(struct gpu *gpu)
{
	struct drm_xe_query_engines *list;
	unsigned int i;

	list = query(gpu->fd, DRM_XE_DEVICE_QUERY_ENGINES);
	for (i = list->num_engines; i-- > 0;) {
		gpu->engine = list->engines[i].instance;
		if (gpu->engine.engine_class == DRM_XE_ENGINE_CLASS_COPY)
			break;
	}
	free(list);
	if (gpu->engine.engine_class != DRM_XE_ENGINE_CLASS_COPY)
		errx(1, "the GPU has no copy engine");
}

static void find_memory(struct gpu *gpu)
{
	struct drm_xe_query_mem_regions *list;
	unsigned int i;

	list = query(gpu->fd, DRM_XE_DEVICE_QUERY_MEM_REGIONS);
	for (i = list->num_mem_regions; i-- > 0;) {
		struct drm_xe_mem_region *region = &list->mem_regions[i];

		if (region->mem_class == DRM_XE_MEM_REGION_CLASS_SYSMEM)
			gpu->ram = region->instance;
		else
			gpu->vram = region->instance;
	}
	free(list);
}

static void inspect(struct gpu *gpu)
{
	struct drm_xe_query_config *config;

	config = query(gpu->fd, DRM_XE_DEVICE_QUERY_CONFIG);
	gpu->va_bits = config->info[DRM_XE_QUERY_CONFIG_VA_BITS];
	gpu->svm = config->info[DRM_XE_QUERY_CONFIG_FLAGS] &
		   CONFIG_HAS_CPU_ADDR_MIRROR;
	free(config);
	gpu->pat = is_xe2(gpu->fd) ? 2 : 3;
	find_engine(gpu);
	find_memory(gpu);
}

static void open_gpus(void)
{
	drmDevicePtr devices[MAX_DEVICES];
	int i, n = drmGetDevices2(0, devices, MAX_DEVICES);
	unsigned int found = 0;

	for (i = 0; i < n; i++) {
		if (!(devices[i]->available_nodes & 1 << DRM_NODE_RENDER) ||
		    found == nr_gpus)
			continue;
		gpus[found].fd = open(devices[i]->nodes[DRM_NODE_RENDER],
				      O_RDWR | O_CLOEXEC);
		if (gpus[found].fd < 0)
			err(1, "%s", devices[i]->nodes[DRM_NODE_RENDER]);
		inspect(&gpus[found++]);
	}
	if (found < nr_gpus)
		errx(1, "there are %u of %u GPUs; see the kernel's log", found,
		     nr_gpus);
}

/* --- their address spaces --- */

/* Memory that the GPU reaches without a fault, zeroed */
static void *map_object(struct space *s, size_t size)
{
	struct drm_xe_gem_create object = {
		.size = size,
		.placement = 1u << s->gpu->ram,
		.vm_id = s->vm,
		.cpu_caching = DRM_XE_GEM_CPU_CACHING_WB,
	};
	void *cpu;

	call(s->gpu->fd, DRM_IOCTL_XE_GEM_CREATE, &object);
	cpu = map_handle(s->gpu->fd, object.handle, size);
	bind(s,
	     (struct drm_xe_vm_bind_op){ .op = DRM_XE_VM_BIND_OP_MAP,
					 .flags = DRM_XE_VM_BIND_FLAG_IMMEDIATE,
					 .obj = object.handle,
					 .range = size,
					 .addr = (uintptr_t)cpu });
	return cpu;
}

static void create_queue(struct space *s, struct queue *q)
{
	size_t size = (BATCH_SIZE + 2 * PAGE - 1) & ~(PAGE - 1);

	q->id = new_queue(s->gpu->fd, s->vm, &s->gpu->engine);
	q->batch = map_object(s, size);
	q->fence = (void *)((__u8 *)q->batch + size - PAGE);
}

static void create_space(struct gpu *gpu, bool svm)
{
	struct drm_xe_vm_create vm = {
		.flags = DRM_XE_VM_CREATE_FLAG_LR_MODE |
			 DRM_XE_VM_CREATE_FLAG_FAULT_MODE
	};
	struct space *s = &gpu->space[svm];
	unsigned int i;

	s->gpu = gpu;
	s->svm = svm;
	call(s->gpu->fd, DRM_IOCTL_XE_VM_CREATE, &vm);
	s->vm = vm.vm_id;
	if (svm)
		bind(s, (struct drm_xe_vm_bind_op){
				.op = DRM_XE_VM_BIND_OP_MAP,
				.flags = BIND_CPU_ADDR_MIRROR,
				.range = 1ull << gpu->va_bits });
	for (i = 0; i < QUEUES; i++)
		create_queue(s, &s->queue[i]);
}

/* --- memory of the CPU --- */

static struct area reserve(size_t size, size_t align)
{
	struct area a = { .all_size = size + 2 * align, .stride = PAGE };

	a.all = mmap(NULL, a.all_size, PROT_NONE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (a.all == MAP_FAILED)
		err(1, "mmap");
	a.cpu = (__u8 *)(((uintptr_t)a.all + align) & ~(align - 1));
	return a;
}

static void use(void *mem, size_t size)
{
	if (mprotect(mem, size, PROT_READ | PROT_WRITE))
		err(1, "mprotect");
}

/* In one piece, aligned to its size, with huge pages where the kernel has them */
static struct area map_area(size_t size)
{
	struct area a = reserve(size, size);

	a.pages = size / PAGE;
	use(a.cpu, size);
	madvise(a.cpu, size, MADV_HUGEPAGE);
	return a;
}

/* Every other page, so that nobody serves two of them at once */
static struct area map_pages(size_t pages)
{
	struct area a = reserve(pages * 2 * PAGE, PAGE);
	size_t i;

	a.pages = pages;
	a.stride = 2 * PAGE;
	for (i = 0; i < pages; i++)
		use(a.cpu + i * a.stride, PAGE);
	return a;
}

static void unmap_area(const struct area *a)
{
	if (munmap(a->all, a->all_size))
		err(1, "munmap");
}

static __u32 *page_of(const struct area *a, size_t page)
{
	return (__u32 *)(a->cpu + page * a->stride);
}

/* Each word differs from its neighbours, and from what it was in the last round */
static __u32 pattern(__u32 round, size_t page, size_t word)
{
	return (round * 7919 + page * WORDS + word) * 2654435761u;
}

static void fill(const struct area *a, __u32 round)
{
	size_t page, word;

	for (page = 0; page < a->pages; page++)
		for (word = 0; word < WORDS; word++)
			page_of(a, page)[word] = pattern(round, page, word);
}

/* What the GPU that owns this word of each page writes there */
static __u32 stored(__u32 round, size_t page, size_t word)
{
	return ~pattern(round, page, word);
}

/* The first words are those of the GPUs, the rest is what fill() has written */
static void check(const struct area *a, __u32 round, unsigned int writers)
{
	size_t page, word;
	__u32 want, got;

	for (page = 0; page < a->pages; page++) {
		for (word = 0; word < WORDS; word++) {
			want = word < writers ? stored(round, page, word)
					      : pattern(round, page, word);
			got = page_of(a, page)[word];
			if (got != want)
				errx(1,
				     "wrong data: page %zu of %zu, word %zu is "
				     "0x%08x, not 0x%08x",
				     page, a->pages, word, got, want);
		}
	}
}

/* Binds what the GPU does not find by itself; the page fault has to do the work */
static void attach(struct space *s, const struct area *a)
{
	size_t whole = a->stride == PAGE, i;

	for (i = 0; !s->svm && i < (whole ? 1 : a->pages); i++)
		bind(s, (struct drm_xe_vm_bind_op){
				.op = DRM_XE_VM_BIND_OP_MAP_USERPTR,
				.userptr = (uintptr_t)page_of(a, i),
				.addr = (uintptr_t)page_of(a, i),
				.range = whole ? a->pages * PAGE : PAGE });
}

static void detach(struct space *s, const struct area *a)
{
	if (!s->svm)
		bind(s, (struct drm_xe_vm_bind_op){
				.op = DRM_XE_VM_BIND_OP_UNMAP,
				.addr = (uintptr_t)a->cpu,
				.range = a->pages * a->stride });
}

/* --- the GPU's work --- */

/* Has the GPU write its word of each of the first pages */
static void store(struct space *s, struct queue *q, const struct area *a,
		  size_t pages, __u32 round, size_t word)
{
	struct drm_xe_sync sync = { .type = DRM_XE_SYNC_TYPE_USER_FENCE,
				    .flags = DRM_XE_SYNC_FLAG_SIGNAL,
				    .addr = (uintptr_t)q->fence,
				    .timeline_value = ++q->value };
	__u32 *cs = q->batch;
	size_t i;

	for (i = 0; i < pages; i++) {
		__u64 address = (uintptr_t)(page_of(a, i) + word);

		*cs++ = STORE;
		*cs++ = address;
		*cs++ = address >> 32;
		*cs++ = stored(round, i, word);
	}
	*cs = BATCH_BUFFER_END;
	begin_job(s->gpu->fd, q->id, (uintptr_t)q->batch, &sync);
}

static void await(struct space *s, struct queue *q)
{
	wait_fence(s, q->fence, q->value, q->id);
}

/* As store(), and waits for the end; returns how long it took */
static double timed_store(struct space *s, const struct area *a, size_t pages,
			  __u32 round, size_t word)
{
	double start = usec_now();

	store(s, &s->queue[0], a, pages, round, word);
	await(s, &s->queue[0]);
	return usec_now() - start;
}

/* --- what is measured --- */

/* All GPUs at once, each queue its own pages */
static double time_faults(bool svm, unsigned int queues, __u32 round)
{
	struct area area[MAX_GPUS][QUEUES];
	unsigned int g, q;
	double usec;

	for (g = 0; g < nr_gpus; g++) {
		for (q = 0; q < queues; q++) {
			area[g][q] = map_pages(FAULTS);
			fill(&area[g][q], round);
			attach(&gpus[g].space[svm], &area[g][q]);
		}
	}
	usec = usec_now();
	for (g = 0; g < nr_gpus; g++)
		for (q = 0; q < queues; q++)
			store(&gpus[g].space[svm], &gpus[g].space[svm].queue[q],
			      &area[g][q], FAULTS, round, 0);
	for (g = 0; g < nr_gpus; g++)
		for (q = 0; q < queues; q++)
			await(&gpus[g].space[svm],
			      &gpus[g].space[svm].queue[q]);
	usec = usec_now() - usec;
	for (g = 0; g < nr_gpus; g++) {
		for (q = 0; q < queues; q++) {
			check(&area[g][q], round, 1);
			detach(&gpus[g].space[svm], &area[g][q]);
			unmap_area(&area[g][q]);
		}
	}
	return usec;
}

static void measure_faults(bool svm, unsigned int queues)
{
	char what[32];
	double usec[3];
	__u32 i;

	snprintf(what, sizeof(what), "faults, %u queue%s", queues,
		 queues > 1 ? "s" : "");
	if (svm && !gpus[0].svm) {
		tell_not(what, svm, "1/s");
		return;
	}
	for (i = 0; i < ARRAY_SIZE(usec); i++)
		usec[i] = time_faults(svm, queues, i);
	tell(what, svm,
	     nr_gpus * queues * FAULTS * 1e6 / median(usec, ARRAY_SIZE(usec)),
	     "1/s");
}

/* Of a store that faults, less the same one when it does not */
static double time_fault(struct space *s, size_t size, __u32 round)
{
	struct area area = map_area(size);
	double usec;

	fill(&area, round);
	attach(s, &area);
	usec = timed_store(s, &area, 1, round, 0);
	usec -= timed_store(s, &area, 1, round, 0);
	/* What has been mapped is all of it */
	timed_store(s, &area, area.pages, round, 0);
	check(&area, round, 1);
	detach(s, &area);
	unmap_area(&area);
	return usec;
}

static void measure_fault(bool svm, const char *name, size_t size)
{
	double usec[FAULT_ROUNDS];
	char what[32];
	__u32 i;

	snprintf(what, sizeof(what), "fault of %s", name);
	if (svm && !gpus[0].svm) {
		tell_not(what, svm, "us");
		return;
	}
	for (i = 0; i < FAULT_ROUNDS; i++)
		usec[i] = time_fault(&gpus[0].space[svm], size, i);
	tell(what, svm, median(usec, FAULT_ROUNDS), "us");
}

/* How many pages are in a GPU's memory: to the CPU they look swapped out */
static size_t pages_away(const struct area *a)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	size_t i, away = 0;
	__u64 entry;

	if (fd < 0)
		err(1, "/proc/self/pagemap");
	for (i = 0; i < a->pages; i++) {
		if (pread(fd, &entry, sizeof(entry),
			  (uintptr_t)page_of(a, i) / PAGE * sizeof(entry)) !=
		    sizeof(entry))
			err(1, "/proc/self/pagemap");
		away += entry >> 62 & 1;
	}
	close(fd);
	return away;
}

static void prefetch(struct space *s, const struct area *a, __u32 region)
{
	bind(s, (struct drm_xe_vm_bind_op){ .op = DRM_XE_VM_BIND_OP_PREFETCH,
					    .addr = (uintptr_t)a->cpu,
					    .range = a->pages * PAGE,
					    .prefetch_mem_region_instance =
						    region });
}

/* A driver may have no memory of processes in VRAM */
static bool prefetch_moves(struct space *s)
{
	struct area area = map_area(PREFETCH_SIZE);
	bool moves;

	fill(&area, 0);
	prefetch(s, &area, s->gpu->vram);
	moves = pages_away(&area);
	unmap_area(&area);
	return moves;
}

static double time_prefetch(struct space *s, const struct area *a, __u32 region)
{
	size_t away = region == s->gpu->vram ? a->pages : 0;
	double usec = usec_now();

	prefetch(s, a, region);
	usec = usec_now() - usec;
	if (pages_away(a) != away)
		errx(1, "prefetch: %zu of %zu pages are in VRAM, not %zu",
		     pages_away(a), a->pages, away);
	return usec;
}

static void measure_prefetch(void)
{
	static const char *const what[] = { "prefetch to VRAM",
					    "prefetch to RAM" };
	double usec[ARRAY_SIZE(what)][PREFETCH_ROUNDS];
	struct space *s = &gpus[0].space[true];
	struct area area;
	__u32 i;

	for (i = 0; i < PREFETCH_ROUNDS && gpus[0].moves; i++) {
		area = map_area(PREFETCH_SIZE);
		fill(&area, i);
		usec[0][i] = time_prefetch(s, &area, gpus[0].vram);
		timed_store(s, &area, area.pages, i, 0);
		usec[1][i] = time_prefetch(s, &area, gpus[0].ram);
		check(&area, i, 1);
		unmap_area(&area);
	}
	for (i = 0; i < ARRAY_SIZE(what); i++) {
		if (gpus[0].moves)
			tell(what[i], true,
			     PREFETCH_SIZE / median(usec[i], PREFETCH_ROUNDS),
			     "MB/s");
		else
			tell_not(what[i], true, "MB/s");
	}
}

/* Or the GPUs would take the memory away from each other */
static void keep_in_ram(struct space *s, const struct area *a)
{
	struct xe_madvise args = { .start = (uintptr_t)a->cpu,
				   .range = a->pages * PAGE,
				   .vm_id = s->vm,
				   .type = PREFERRED_LOC,
				   .devmem_fd = PREFERRED_LOC_SYSTEM };

	call(s->gpu->fd, IOCTL_XE_MADVISE, &args);
}

/* Every GPU writes to each page: what it has of an earlier round would be stale */
static void map_on_all(bool svm, const struct area *a, __u32 round)
{
	unsigned int g;

	fill(a, round);
	for (g = 0; g < nr_gpus; g++)
		timed_store(&gpus[g].space[svm], a, a->pages, round, g);
	check(a, round, nr_gpus);
}

static double time_unmap(const struct area *a, bool dontneed)
{
	size_t size = a->pages * PAGE;
	double usec = usec_now();

	if (dontneed ? madvise(a->cpu, size, MADV_DONTNEED)
		     : munmap(a->cpu, size))
		err(1, "%s", dontneed ? "MADV_DONTNEED" : "munmap");
	usec = usec_now() - usec;
	if (!dontneed &&
	    mmap(a->cpu, size, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != a->cpu)
		err(1, "mmap at an address that was in use");
	return usec;
}

static void measure_unmap(bool svm, bool dontneed)
{
	const char *what = dontneed ? "MADV_DONTNEED" : "munmap";
	double usec[UNMAP_ROUNDS];
	struct area area;
	unsigned int g;
	__u32 i;

	if (svm && !gpus[0].svm) {
		tell_not(what, svm, "ms");
		return;
	}
	area = map_area(UNMAP_SIZE);
	for (g = 0; g < nr_gpus; g++) {
		attach(&gpus[g].space[svm], &area);
		if (svm && gpus[g].moves)
			keep_in_ram(&gpus[g].space[svm], &area);
	}
	for (i = 0; i < UNMAP_ROUNDS; i++) {
		map_on_all(svm, &area, i);
		usec[i] = time_unmap(&area, dontneed);
	}
	map_on_all(svm, &area, i);
	for (g = 0; g < nr_gpus; g++)
		detach(&gpus[g].space[svm], &area);
	unmap_area(&area);
	tell(what, svm, median(usec, UNMAP_ROUNDS) / 1000, "ms");
}

static void run_faults(bool svm)
{
	measure_faults(svm, 1);
	measure_faults(svm, QUEUES);
	if (nr_gpus > 1)
		return;
	measure_fault(svm, "4K", KIB(4));
	measure_fault(svm, "64K", KIB(64));
	measure_fault(svm, "2M", MIB(2));
	if (svm)
		measure_prefetch();
}

static void run_munmap(bool svm)
{
	measure_unmap(svm, false);
	measure_unmap(svm, true);
}

int main(int argc, char **argv)
{
	void (*run)(bool svm);
	unsigned int g;

	if (argc != 3 || argv[2][0] < '1' || argv[2][0] > '0' + MAX_GPUS ||
	    argv[2][1])
		errx(2, "usage: bench faults|munmap GPUS (1 to %u)", MAX_GPUS);
	run = !strcmp(argv[1], "faults")   ? run_faults
	      : !strcmp(argv[1], "munmap") ? run_munmap
					   : NULL;
	if (!run)
		errx(2, "%s is neither faults nor munmap", argv[1]);
	nr_gpus = argv[2][0] - '0';
	setvbuf(stdout, NULL, _IOLBF, 0);
	open_gpus();
	for (g = 0; g < nr_gpus; g++) {
		create_space(&gpus[g], false);
		if (!gpus[g].svm)
			continue;
		create_space(&gpus[g], true);
		gpus[g].moves = prefetch_moves(&gpus[g].space[true]);
	}
	run(true);
	run(false);
	printf("all data is as it should be\n");
	return 0;
}
