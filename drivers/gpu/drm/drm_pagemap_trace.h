/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM drm_pagemap

#if !defined(_DRM_PAGEMAP_TRACE_H_) || defined(TRACE_HEADER_MULTI_READ)
#define _DRM_PAGEMAP_TRACE_H_

#include <linux/tracepoint.h>

#include <drm/drm_pagemap.h>

#define show_reason(reason) __print_symbolic(reason,		\
	{ DRM_PAGEMAP_TO_DEVMEM, "to-devmem" },			\
	{ DRM_PAGEMAP_CPU_FAULT, "cpu-fault" },			\
	{ DRM_PAGEMAP_EVICTION, "eviction" })

/* @start is a user address, or for eviction the offset in the block. */
TRACE_EVENT(drm_pagemap_migrate_begin,
	TP_PROTO(const struct drm_pagemap_devmem *devmem,
		 enum drm_pagemap_reason reason, unsigned long start,
		 unsigned long bytes),
	TP_ARGS(devmem, reason, start, bytes),
	TP_STRUCT__entry(
		__field(const void *, devmem)
		__field(int, reason)
		__field(unsigned long, start)
		__field(unsigned long, bytes)
	),
	TP_fast_assign(
		__entry->devmem = devmem;
		__entry->reason = reason;
		__entry->start = start;
		__entry->bytes = bytes;
	),
	TP_printk("devmem=%p reason=%s start=0x%lx bytes=%lu",
		  __entry->devmem, show_reason(__entry->reason),
		  __entry->start, __entry->bytes)
);

/* @bytes is what did move. */
TRACE_EVENT(drm_pagemap_migrate_end,
	TP_PROTO(const struct drm_pagemap_devmem *devmem,
		 enum drm_pagemap_reason reason, unsigned long start,
		 unsigned long bytes, int err),
	TP_ARGS(devmem, reason, start, bytes, err),
	TP_STRUCT__entry(
		__field(const void *, devmem)
		__field(int, reason)
		__field(unsigned long, start)
		__field(unsigned long, bytes)
		__field(int, err)
	),
	TP_fast_assign(
		__entry->devmem = devmem;
		__entry->reason = reason;
		__entry->start = start;
		__entry->bytes = bytes;
		__entry->err = err;
	),
	TP_printk("devmem=%p reason=%s start=0x%lx bytes=%lu err=%d",
		  __entry->devmem, show_reason(__entry->reason),
		  __entry->start, __entry->bytes, __entry->err)
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH ../../drivers/gpu/drm
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE drm_pagemap_trace
#include <trace/define_trace.h>
