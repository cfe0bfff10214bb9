/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM drm_gpusvm

#if !defined(_DRM_GPUSVM_TRACE_H_) || defined(TRACE_HEADER_MULTI_READ)
#define _DRM_GPUSVM_TRACE_H_

#include <linux/tracepoint.h>

#include <drm/drm_gpusvm.h>

DECLARE_EVENT_CLASS(drm_gpusvm_range,
	TP_PROTO(struct drm_gpusvm_range *range),
	TP_ARGS(range),
	TP_STRUCT__entry(
		__string(name, range->gpusvm->name)
		__field(unsigned long, start)
		__field(unsigned long, end)
	),
	TP_fast_assign(
		__assign_str(name);
		__entry->start = drm_gpusvm_range_start(range);
		__entry->end = drm_gpusvm_range_end(range);
	),
	TP_printk("%s range=[%#lx,%#lx)", __get_str(name), __entry->start,
		  __entry->end)
);

DEFINE_EVENT(drm_gpusvm_range, drm_gpusvm_range_insert,
	TP_PROTO(struct drm_gpusvm_range *range),
	TP_ARGS(range)
);

DEFINE_EVENT(drm_gpusvm_range, drm_gpusvm_range_remove,
	TP_PROTO(struct drm_gpusvm_range *range),
	TP_ARGS(range)
);

TRACE_EVENT(drm_gpusvm_fault,
	TP_PROTO(struct drm_gpusvm *gpusvm, unsigned long addr, long err),
	TP_ARGS(gpusvm, addr, err),
	TP_STRUCT__entry(
		__string(name, gpusvm->name)
		__field(unsigned long, addr)
		__field(long, err)
	),
	TP_fast_assign(
		__assign_str(name);
		__entry->addr = addr;
		__entry->err = err;
	),
	TP_printk("%s addr=%#lx err=%ld", __get_str(name), __entry->addr,
		  __entry->err)
);

TRACE_EVENT(drm_gpusvm_get_pages,
	TP_PROTO(struct drm_gpusvm *gpusvm, struct drm_gpusvm_interval iv,
		 unsigned int retries, unsigned long nr_addr, int err),
	TP_ARGS(gpusvm, iv, retries, nr_addr, err),
	TP_STRUCT__entry(
		__string(name, gpusvm->name)
		__field(unsigned long, start)
		__field(unsigned long, end)
		__field(unsigned int, retries)
		__field(unsigned long, nr_addr)
		__field(int, err)
	),
	TP_fast_assign(
		__assign_str(name);
		__entry->start = iv.start;
		__entry->end = iv.end;
		__entry->retries = retries;
		__entry->nr_addr = nr_addr;
		__entry->err = err;
	),
	TP_printk("%s [%#lx,%#lx) addresses=%lu retries=%u err=%d",
		  __get_str(name), __entry->start, __entry->end,
		  __entry->nr_addr, __entry->retries, __entry->err)
);

TRACE_EVENT(drm_gpusvm_invalidate_start,
	TP_PROTO(struct drm_gpusvm *gpusvm,
		 const struct mmu_notifier_range *mmu_range,
		 struct drm_gpusvm_interval hit, bool flushing, bool sync),
	TP_ARGS(gpusvm, mmu_range, hit, flushing, sync),
	TP_STRUCT__entry(
		__string(name, gpusvm->name)
		__field(unsigned long, start)
		__field(unsigned long, end)
		__field(unsigned long, hit_start)
		__field(unsigned long, hit_end)
		__field(int, event)
		__field(bool, flushing)
		__field(bool, sync)
	),
	TP_fast_assign(
		__assign_str(name);
		__entry->start = mmu_range->start;
		__entry->end = mmu_range->end;
		__entry->hit_start = hit.start;
		__entry->hit_end = hit.end;
		__entry->event = mmu_range->event;
		__entry->flushing = flushing;
		__entry->sync = sync;
	),
	TP_printk("%s [%#lx,%#lx) event=%d ranges=[%#lx,%#lx)%s%s",
		  __get_str(name), __entry->start, __entry->end, __entry->event,
		  __entry->hit_start, __entry->hit_end,
		  __entry->flushing ? " flushing" : "",
		  __entry->sync ? " sync" : "")
);

TRACE_EVENT(drm_gpusvm_invalidate_finish,
	TP_PROTO(struct drm_gpusvm *gpusvm, struct drm_gpusvm_interval hit),
	TP_ARGS(gpusvm, hit),
	TP_STRUCT__entry(
		__string(name, gpusvm->name)
		__field(unsigned long, start)
		__field(unsigned long, end)
	),
	TP_fast_assign(
		__assign_str(name);
		__entry->start = hit.start;
		__entry->end = hit.end;
	),
	TP_printk("%s ranges=[%#lx,%#lx)", __get_str(name), __entry->start,
		  __entry->end)
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH ../../drivers/gpu/drm
#define TRACE_INCLUDE_FILE drm_gpusvm_trace
#include <trace/define_trace.h>
