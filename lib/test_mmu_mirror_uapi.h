/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * Interface of /dev/mmu_mirror, a test device: see test_mmu_mirror.c.
 */
#ifndef _LIB_TEST_MMU_MIRROR_UAPI_H
#define _LIB_TEST_MMU_MIRROR_UAPI_H

#include <linux/ioctl.h>
#include <linux/types.h>

/**
 * enum mmu_mirror_mode - How the software GPU is invalidated
 * @MMU_MIRROR_ONE_PASS: All in one callback: wait for the fence, flush, wait.
 * @MMU_MIRROR_TWO_PASS: The first pass begins with what comes first, the second
 *	one does the rest.
 * @MMU_MIRROR_THREE_STAGE: Each wait has a pass of its own.
 */
enum mmu_mirror_mode {
	MMU_MIRROR_ONE_PASS = 1,
	MMU_MIRROR_TWO_PASS = 2,
	MMU_MIRROR_THREE_STAGE = 3,
};

/* The longest time that the device can be told to take, in nanoseconds */
#define MMU_MIRROR_MAX_NS	1000000000ULL
/* The largest range that it mirrors, in bytes */
#define MMU_MIRROR_MAX_SIZE	(64ULL << 20)

/**
 * struct mmu_mirror_map - Mirror a range of the caller's memory
 * @addr: Where it starts, page aligned.
 * @size: How long it is in bytes, page aligned, at most MMU_MIRROR_MAX_SIZE.
 * @flush_ns: How long a TLB flush takes, at most MMU_MIRROR_MAX_NS.
 * @fence_ns: How long jobs that are running keep using the range after they were
 *	told to stop, at most MMU_MIRROR_MAX_NS. 0: there are none.
 * @mode: One of enum mmu_mirror_mode.
 * @pad: Must be zero.
 * @sum: Returns the sum of the first 64-bit words of all pages, as the GPU reads
 *	them through its page table.
 */
struct mmu_mirror_map {
	__u64 addr;
	__u64 size;
	__u64 flush_ns;
	__u64 fence_ns;
	__u32 mode;
	__u32 pad;
	__u64 sum;
};

/**
 * struct mmu_mirror_stats - What has become of it
 * @ptes: Pages that the GPU's page table has.
 * @tlb: Pages that its TLB has.
 * @invalidations: Invalidations of the range so far.
 * @fallbacks: Those that found another one under way and waited in their first
 *	pass.
 */
struct mmu_mirror_stats {
	__u64 ptes;
	__u64 tlb;
	__u64 invalidations;
	__u64 fallbacks;
};

#define MMU_MIRROR_MAP		_IOWR('M', 0x60, struct mmu_mirror_map)
#define MMU_MIRROR_STATS	_IOR('M', 0x61, struct mmu_mirror_stats)

#endif /* _LIB_TEST_MMU_MIRROR_UAPI_H */
