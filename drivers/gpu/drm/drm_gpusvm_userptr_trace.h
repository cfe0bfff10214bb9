/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM drm_gpusvm

#if !defined(_DRM_GPUSVM_USERPTR_TRACE_H_) || defined(TRACE_HEADER_MULTI_READ)
#define _DRM_GPUSVM_USERPTR_TRACE_H_

#include <linux/tracepoint.h>

#include <drm/drm_gpusvm_userptr.h>

TRACE_EVENT(drm_gpusvm_userptr,
	TP_PROTO(struct drm_gpusvm_userptr *userptr,
		 enum drm_gpusvm_userptr_state from),
	TP_ARGS(userptr, from),
	TP_STRUCT__entry(
		__string(name, userptr->gpusvm->name)
		__field(unsigned long, start)
		__field(unsigned long, last)
		__field(int, from)
		__field(int, to)
	),
	TP_fast_assign(
		__assign_str(name);
		__entry->start = userptr->notifier.interval_tree.start;
		__entry->last = userptr->notifier.interval_tree.last;
		__entry->from = from;
		__entry->to = userptr->state;
	),
	TP_printk("%s [%#lx,%#lx] state=%d->%d", __get_str(name),
		  __entry->start, __entry->last, __entry->from, __entry->to)
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH ../../drivers/gpu/drm
#define TRACE_INCLUDE_FILE drm_gpusvm_userptr_trace
#include <trace/define_trace.h>
