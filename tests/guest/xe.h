/* SPDX-License-Identifier: GPL-2.0-only */
/* What programs that use the xe driver share */
#ifndef XE_H
#define XE_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <xf86drm.h>
#include <xe_drm.h>

#define MAX_DEVICES 64

#define BATCH_BUFFER_END (0x0au << 23) /* xe_mi_commands.h */

/* The program's own: says what is wrong and ends it */
static void fail(const char *fmt, ...)
	__attribute__((noreturn, format(printf, 1, 2)));

#define call(fd, request, arg) call_ioctl(fd, request, arg, #request)

static inline void call_ioctl(int fd, unsigned long request, void *arg,
			      const char *name)
{
	if (drmIoctl(fd, request, arg))
		fail("%s: %s", name, strerror(errno));
}

/* To be freed */
static inline void *query(int fd, __u32 what)
{
	struct drm_xe_device_query q = { .query = what };
	void *data;

	call(fd, DRM_IOCTL_XE_DEVICE_QUERY, &q);
	data = calloc(1, q.size);
	if (!data)
		fail("no memory for %u bytes", q.size);
	q.data = (uintptr_t)data;
	call(fd, DRM_IOCTL_XE_DEVICE_QUERY, &q);
	return data;
}

/* Or a later one; the version of earlier ones is 0 */
static inline bool is_xe2(int fd)
{
	struct drm_xe_query_gt_list *gts;
	bool is;

	gts = query(fd, DRM_XE_DEVICE_QUERY_GT_LIST);
	is = gts->gt_list[0].ip_ver_major >= 20;
	free(gts);
	return is;
}

/* A buffer object, for the CPU */
static inline void *map_handle(int fd, __u32 handle, size_t size)
{
	struct drm_xe_gem_mmap_offset map = { .handle = handle };
	void *cpu;

	call(fd, DRM_IOCTL_XE_GEM_MMAP_OFFSET, &map);
	cpu = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		   map.offset);
	if (cpu == MAP_FAILED)
		fail("mmap of %zu bytes: %s", size, strerror(errno));
	return cpu;
}

/* These two only begin it; the kernel signals the end by the sync */
static inline void begin_bind(int fd, __u32 vm, struct drm_xe_vm_bind_op op,
			      struct drm_xe_sync *sync)
{
	struct drm_xe_vm_bind bind = { .vm_id = vm,
				       .num_binds = 1,
				       .bind = op,
				       .num_syncs = 1,
				       .syncs = (uintptr_t)sync };

	call(fd, DRM_IOCTL_XE_VM_BIND, &bind);
}

static inline void begin_job(int fd, __u32 queue, __u64 batch,
			     struct drm_xe_sync *sync)
{
	struct drm_xe_exec exec = { .exec_queue_id = queue,
				    .num_syncs = 1,
				    .syncs = (uintptr_t)sync,
				    .address = batch,
				    .num_batch_buffer = 1 };

	call(fd, DRM_IOCTL_XE_EXEC, &exec);
}

/* Returns its number */
static inline __u32 new_queue(int fd, __u32 vm,
			      const struct drm_xe_engine_class_instance *on)
{
	struct drm_xe_exec_queue_create queue = { .width = 1,
						  .num_placements = 1,
						  .vm_id = vm };

	queue.instances = (uintptr_t)on;
	call(fd, DRM_IOCTL_XE_EXEC_QUEUE_CREATE, &queue);
	return queue.exec_queue_id;
}

#endif
