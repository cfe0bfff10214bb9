// SPDX-License-Identifier: GPL-2.0-only
/*
 * How long munmap() takes where several software GPUs mirror the memory.
 *
 * usage: latency FLUSH_NS FENCE_NS ROUNDS
 *
 * For 1, 2, 4 and 8 GPUs and each mode of the device: map memory, let every
 * GPU mirror it, check that each of them reads what the CPU wrote, time munmap(),
 * check that no GPU has a translation left. Prints a line "GPUS MODE USEC", the
 * median of ROUNDS, for each. Anything that is not as it should be ends it with
 * status 1.
 */
#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "test_mmu_mirror_uapi.h"
#include "util.h"

#define MAX_GPUS 8
#define MAX_ROUNDS 1000
#define SIZE (256UL << 10)

static const struct {
	const char *name;
	enum mmu_mirror_mode mode;
} modes[] = {
	{ "one-pass", MMU_MIRROR_ONE_PASS },
	{ "two-pass", MMU_MIRROR_TWO_PASS },
	{ "three-stage", MMU_MIRROR_THREE_STAGE },
};

static const unsigned int gpus[] = { 1, 2, 4, MAX_GPUS };

static double times[ARRAY_SIZE(gpus)][ARRAY_SIZE(modes)][MAX_ROUNDS];

/* Write something to every page. Returns the sum that a GPU has to read. */
static __u64 fill(void *mem)
{
	long page_size = sysconf(_SC_PAGESIZE);
	__u64 sum = 0;
	size_t i;

	for (i = 0; i < SIZE; i += page_size) {
		__u64 word = ((__u64)rand() << 32) | rand();

		*(__u64 *)((char *)mem + i) = word;
		sum += word;
	}
	return sum;
}

static int open_gpu(void *mem, __u64 sum, struct mmu_mirror_map map)
{
	int fd = open("/dev/mmu_mirror", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		err(1, "/dev/mmu_mirror (is the module loaded?)");
	map.addr = (uintptr_t)mem;
	map.size = SIZE;
	if (ioctl(fd, MMU_MIRROR_MAP, &map))
		err(1, "MMU_MIRROR_MAP");
	if (map.sum != sum)
		errx(1, "the GPU reads %#llx, the CPU wrote %#llx", map.sum,
		     sum);
	return fd;
}

/* The GPU has been told, and its page table and TLB are empty. */
static void check_and_close(int fd)
{
	struct mmu_mirror_stats stats;

	if (ioctl(fd, MMU_MIRROR_STATS, &stats))
		err(1, "MMU_MIRROR_STATS");
	if (!stats.invalidations)
		errx(1, "the GPU has not been told of munmap()");
	if (stats.ptes || stats.tlb)
		errx(1, "munmap() was early: %llu PTEs, %llu TLB entries left",
		     stats.ptes, stats.tlb);
	close(fd);
}

static double time_munmap(unsigned int nr, const struct mmu_mirror_map *map)
{
	int fds[MAX_GPUS];
	unsigned int i;
	double usec;
	__u64 sum;
	void *mem;

	mem = mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED)
		err(1, "mmap");
	sum = fill(mem);
	for (i = 0; i < nr; i++)
		fds[i] = open_gpu(mem, sum, *map);
	usec = usec_now();
	if (munmap(mem, SIZE))
		err(1, "munmap");
	usec = usec_now() - usec;
	for (i = 0; i < nr; i++)
		check_and_close(fds[i]);
	return usec;
}

static __u64 number(const char *what, const char *s, __u64 min, __u64 max)
{
	char *end;
	__u64 n = strtoull(s, &end, 10);

	if (*s < '0' || *s > '9' || *end || n < min || n > max)
		errx(2, "%s is %s, but must be a number from %llu to %llu",
		     what, s, min, max);
	return n;
}

/*
 * One time for each number of GPUs and each mode. A guest that has just booted
 * is slow for a while: going round and round spreads that over all of them.
 */
static void measure(struct mmu_mirror_map *map, unsigned int round)
{
	unsigned int g, m;

	for (g = 0; g < ARRAY_SIZE(gpus); g++) {
		for (m = 0; m < ARRAY_SIZE(modes); m++) {
			map->mode = modes[m].mode;
			times[g][m][round] = time_munmap(gpus[g], map);
		}
	}
}

int main(int argc, char **argv)
{
	struct mmu_mirror_map map = {};
	unsigned int g, m, r, rounds;

	if (argc != 4)
		errx(2, "usage: latency FLUSH_NS FENCE_NS ROUNDS");
	map.flush_ns = number("FLUSH_NS", argv[1], 0, MMU_MIRROR_MAX_NS);
	map.fence_ns = number("FENCE_NS", argv[2], 0, MMU_MIRROR_MAX_NS);
	rounds = number("ROUNDS", argv[3], 1, MAX_ROUNDS);

	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("warming up\n");
	measure(&map, 0);
	for (r = 0; r < rounds; r++) {
		printf("round %u of %u\n", r + 1, rounds);
		measure(&map, r);
	}
	for (g = 0; g < ARRAY_SIZE(gpus); g++)
		for (m = 0; m < ARRAY_SIZE(modes); m++)
			printf("%u %s %.0f\n", gpus[g], modes[m].name,
			       median(times[g][m], rounds));
	return 0;
}
