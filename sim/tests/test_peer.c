// SPDX-License-Identifier: GPL-2.0-only
/* The VRAM of other GPUs: two devices in one process, and one in another. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <linux/pci_regs.h>

#include "fixture.h"

#define VA 0x40000000ull
#define BAR 0xc040000000ull /* of the peer */
#define SIZE GIB(1)
#define PM_CTRL 0xd4

static char dir[] = "/tmp/test_peer.XXXXXX";

struct pair {
	struct fixture *a, *b;
};

static struct fixture *open_one(void)
{
	struct fixture *f = fixture_open("bmg");

	assert_non_null(f);
	assert_int_equal(peers_join(&f->sim.mem, dir), 0);
	return f;
}

static int setup(void **state)
{
	struct pair *p = calloc(1, sizeof(*p));

	p->a = open_one();
	p->b = open_one();
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct pair *p = *state;

	fixture_close(p->a);
	if (p->b)
		fixture_close(p->b);
	free(p);
	return 0;
}

static void config(struct fixture *f, uint32_t offset, uint32_t value)
{
	pci_write(&f->sim, offset, &value, 4);
}

static void place(struct fixture *f, uint64_t base)
{
	config(f, PCI_COMMAND, 0);
	config(f, PCI_BASE_ADDRESS_2, base);
	config(f, PCI_BASE_ADDRESS_3, base >> 32);
	config(f, PCI_COMMAND, PCI_COMMAND_MEMORY);
}

static int announce(struct fixture *f, uint64_t base, uint64_t size)
{
	return mem_dma_map(&f->sim.mem, base, size, -1, 0, true);
}

/* at(): what the GPU finds at a bus address, and how much of it */
static uint8_t *at(struct fixture *f, uint64_t addr, uint64_t *len)
{
	*len = UINT64_MAX;
	return mem_phys(&f->sim.mem, addr, false, true, len);
}

static void vram_of_a_peer(void **state)
{
	struct pair *p = *state;
	uint8_t data[64], back[64];
	uint64_t len;

	place(p->b, BAR);
	assert_int_equal(announce(p->a, BAR, SIZE), 0);
	fixture_map(p->a, VA, BAR + MIB(3), PTE_PRESENT | PTE_RW);
	memset(data, 0x5a, sizeof(data));
	assert_int_equal(
		as_write(p->a->e, p->a->l, true, VA + 8, data, sizeof(data)),
		0);
	assert_memory_equal((uint8_t *)fixture_vram(p->b, MIB(3)) + 8, data,
			    sizeof(data));
	assert_int_equal(stats.bytes_peer, sizeof(data));
	assert_int_equal(
		as_read(p->a->e, p->a->l, true, VA + 8, back, sizeof(back)), 0);
	assert_memory_equal(back, data, sizeof(data));
	assert_int_equal(stats.bytes_peer, 2 * sizeof(data));
	assert_non_null(at(p->a, BAR + SIZE - 1, &len));
	assert_int_equal(len, 1);
}

/* What QEMU does not say is not there, nor what it does not let the GPU write */
static void only_in_a_region(void **state)
{
	struct pair *p = *state;
	uint64_t len;

	place(p->b, BAR);
	assert_null(at(p->a, BAR, &len));
	assert_int_equal(announce(p->a, BAR + PAGE, 2 * PAGE), 0);
	assert_null(at(p->a, BAR, &len));
	assert_ptr_equal(at(p->a, BAR + 2 * PAGE + 1, &len),
			 at(p->a, BAR + PAGE, &len) + PAGE + 1);
	at(p->a, BAR + 2 * PAGE + 1, &len);
	assert_int_equal(len, PAGE - 1);
	assert_null(at(p->a, BAR + 3 * PAGE, &len));
	assert_int_equal(mem_dma_unmap(&p->a->sim.mem, BAR + PAGE, 2 * PAGE),
			 0);
	assert_null(at(p->a, BAR + PAGE, &len));
	assert_int_equal(mem_dma_map(&p->a->sim.mem, BAR, SIZE, -1, 0, false),
			 0);
	assert_null(at(p->a, BAR, &len));
	len = 1;
	assert_non_null(mem_phys(&p->a->sim.mem, BAR, false, false, &len));
}

/* No GPU is its own peer: its BAR is announced to it, too */
static void own_vram_is_no_peers(void **state)
{
	struct pair *p = *state;
	uint64_t len;

	place(p->a, BAR);
	assert_int_equal(announce(p->a, BAR, SIZE), 0);
	assert_null(at(p->a, BAR, &len));
}

static void assert_fatal(struct fixture *f, uint64_t va)
{
	uint64_t len = 4;

	assert_null(as_ptr(f->e, f->l, true, va, ACC_READ, &len));
	assert_true(f->l->fault.fatal);
}

static void peer_that_does_not_decode(void **state)
{
	struct pair *p = *state;
	uint64_t len;

	assert_int_equal(announce(p->a, BAR, SIZE), 0);
	fixture_map(p->a, VA, BAR, PTE_PRESENT | PTE_RW);
	assert_fatal(p->a, VA);
	place(p->b, BAR);
	assert_non_null(at(p->a, BAR, &len));
	config(p->b, PCI_COMMAND, PCI_COMMAND_MASTER);
	assert_null(at(p->a, BAR, &len));
	config(p->b, PCI_COMMAND, PCI_COMMAND_MEMORY);
	assert_non_null(at(p->a, BAR, &len));
	config(p->b, PM_CTRL, 3);
	assert_fatal(p->a, VA);
	config(p->b, PM_CTRL, 0);
	assert_non_null(at(p->a, BAR, &len));
	pci_reset(&p->b->sim);
	assert_null(at(p->a, BAR, &len));
	assert_int_equal(stats.bytes_peer, 0);
}

static void peer_that_moves(void **state)
{
	struct pair *p = *state;
	uint64_t to = BAR + 4 * SIZE, len;

	place(p->b, BAR);
	assert_int_equal(announce(p->a, BAR, SIZE), 0);
	assert_int_equal(announce(p->a, to, SIZE), 0);
	*(uint8_t *)fixture_vram(p->b, 5) = 0x77;
	assert_int_equal(*at(p->a, BAR + 5, &len), 0x77);
	assert_null(at(p->a, to + 5, &len));
	place(p->b, to);
	assert_null(at(p->a, BAR + 5, &len));
	assert_int_equal(*at(p->a, to + 5, &len), 0x77);
}

/* open_sized(): a device of that much VRAM, as a peer */
static struct sim *open_sized(uint64_t vram)
{
	struct sim *sim = calloc(1, sizeof(*sim));

	sim->opt.profile = profile_find("bmg");
	sim->opt.vram = vram;
	assert_int_equal(sim_init(sim), 0);
	assert_int_equal(peers_join(&sim->mem, dir), 0);
	return sim;
}

static void peers_of_other_sizes(void **state)
{
	struct pair *p = *state;
	struct sim *large = open_sized(GIB(4));
	uint64_t base = 0x10000000000ull, len;

	place(p->b, BAR);
	peers_publish(&large->mem, base);
	/* Larger than they are: what follows is not theirs */
	assert_int_equal(announce(p->a, BAR, 2 * SIZE), 0);
	assert_int_equal(announce(p->a, base, GIB(8)), 0);
	large->mem.vram[GIB(4) - 1] = 0x42;
	assert_int_equal(*at(p->a, base + GIB(4) - 1, &len), 0x42);
	assert_int_equal(len, 1);
	assert_null(at(p->a, base + GIB(4), &len));
	assert_non_null(at(p->a, BAR + SIZE - 1, &len));
	assert_int_equal(len, 1);
	assert_null(at(p->a, BAR + SIZE, &len));
	assert_null(at(p->a, BAR + SIZE + MEM_TAIL - 1, &len));
	sim_free(large);
	free(large);
}

static void peer_that_has_left(void **state)
{
	struct pair *p = *state;
	uint64_t len;

	place(p->b, BAR);
	assert_int_equal(announce(p->a, BAR, SIZE), 0);
	assert_non_null(at(p->a, BAR, &len));
	fixture_close(p->b);
	p->b = NULL;
	assert_null(at(p->a, BAR, &len));
}

/* start_peer(): in a process of its own, that does not leave by itself */
static pid_t start_peer(void)
{
	int ready[2];
	pid_t pid;
	char c;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (!pid) {
		struct fixture *f = open_one();

		place(f, BAR);
		memset(fixture_vram(f, 0), 0x99, 16);
		if (write(ready[1], "", 1) == 1)
			pause();
		_exit(1);
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static void peer_that_is_killed(void **state)
{
	struct pair *p = *state;
	pid_t pid = start_peer();
	uint64_t len;
	uint8_t *ptr;

	assert_int_equal(announce(p->a, BAR, SIZE), 0);
	ptr = at(p->a, BAR, &len);
	assert_non_null(ptr);
	assert_int_equal(*ptr, 0x99);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_null(at(p->a, BAR, &len));
	/* A command may be on its way */
	assert_int_equal(*ptr, 0x99);
	/* Its link is still there, and leads nowhere: to this one, which comes later, as well */
	place(p->b, BAR + SIZE);
	assert_int_equal(announce(p->b, BAR, SIZE), 0);
	assert_null(at(p->b, BAR, &len));
}

static void link_to(int fd, const char *name)
{
	char path[64], file[64];

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", getpid(), fd);
	snprintf(file, sizeof(file), "%s/%s", dir, name);
	assert_int_equal(symlink(path, file), 0);
}

static int memory(uint64_t size, int seals)
{
	int fd = memfd_create("test", MFD_ALLOW_SEALING);

	assert_int_equal(ftruncate(fd, size), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

static void what_is_no_peer(void **state)
{
	static const char *const names[] = { "fifo",   "gone",	"file",
					     "folder", "small", "unsealed",
					     "zeros" };
	int small = memory(MEM_TAIL, F_SEAL_SHRINK),
	    unsealed = memory(MIB(1), F_SEAL_GROW),
	    zeros = memory(MIB(1), F_SEAL_SHRINK),
	    at_dir = open(dir, O_RDONLY | O_DIRECTORY);
	struct pair *p = *state;
	unsigned int i;
	uint64_t len;

	assert_int_equal(mkfifoat(at_dir, "fifo", 0600), 0);
	assert_int_equal(symlinkat("/proc/0/fd/9", at_dir, "gone"), 0);
	close(openat(at_dir, "file", O_CREAT | O_WRONLY, 0600));
	assert_int_equal(mkdirat(at_dir, "folder", 0700), 0);
	link_to(small, "small");
	link_to(unsealed, "unsealed");
	link_to(zeros, "zeros");
	place(p->b, BAR);
	assert_int_equal(announce(p->a, BAR, SIZE), 0);
	assert_int_equal(p->a->sim.mem.peers.nr, 1);
	assert_non_null(at(p->a, BAR, &len));
	for (i = 0; i < ARRAY_SIZE(names); i++)
		unlinkat(at_dir, names[i],
			 strcmp(names[i], "folder") ? 0 : AT_REMOVEDIR);
	close(small);
	close(unsealed);
	close(zeros);
	close(at_dir);
}

static void folder_that_is_not_there(void **state)
{
	struct mem m = { .vram_fd = -1 };

	(void)state;
	assert_int_equal(peers_join(&m, "/tmp/no/such/folder"), -1);
	assert_int_equal(peers_join(&m, "/dev/null"), -1);
	assert_false(m.peers.joined);
	peers_leave(&m.peers);
}

/* A link that a process of the same number has left is in the way */
static void stale_link_of_our_name(void **state)
{
	struct pair *p = *state;
	char name[64], target[64] = "";

	snprintf(name, sizeof(name), "%s/%s", dir, p->b->sim.mem.peers.name);
	fixture_close(p->b);
	assert_int_equal(readlink(name, target, sizeof(target)), -1);
	assert_int_equal(symlink("/proc/0/fd/9", name), 0);
	p->b = open_one();
	assert_true(readlink(name, target, sizeof(target)) > 0);
	assert_string_not_equal(target, "/proc/0/fd/9");
}

#define PAGES 5

/* copy(): MEM_COPY, as an engine of A does it */
static void copy(struct fixture *f, uint64_t dst, uint64_t src, uint32_t n)
{
	const uint32_t dw[10] = { 2u << 29 | 0x5a << 22 | 8,
				  n - 1,
				  0,
				  0,
				  0,
				  src,
				  src >> 32,
				  dst,
				  dst >> 32 };
	unsigned int budget = 1000000;

	f->l->progress = 0;
	assert_int_equal(blt_execute(f->e, f->l, dw, 10, &budget), 1);
}

/* Own VRAM, the last page of a peer's, guest memory behind it, the peer's first page and
 * again own VRAM, one after the other
 */
static void copy_across_borders(void **state)
{
	struct pair *p = *state;
	uint64_t from = VA + MIB(2), n = (PAGES - 1) * PAGE, half = PAGE / 2, i;
	uint8_t *data = malloc(PAGES * PAGE), *back = malloc(PAGES * PAGE);
	int fd = memory(PAGE, 0);

	place(p->b, BAR);
	assert_int_equal(announce(p->a, BAR, SIZE), 0);
	assert_int_equal(
		mem_dma_map(&p->a->sim.mem, BAR + SIZE, PAGE, fd, 0, true), 0);
	fixture_map_new(p->a, VA, PAGES * PAGE);
	for (i = 0; i < 3; i++)
		fixture_map(p->a, VA + (1 + i) * PAGE,
			    BAR + (i < 2 ? SIZE + i * PAGE - PAGE : 0),
			    PTE_PRESENT | PTE_RW);
	fixture_map_new(p->a, from, PAGES * PAGE);
	for (i = 0; i < n; i++)
		data[i] = i * 31 + i / 256;
	fixture_write(p->a, from, data, n);
	copy(p->a, VA + half, from, n);
	assert_int_equal(stats.bytes_peer, 2 * PAGE);
	assert_memory_equal((uint8_t *)fixture_vram(p->b, SIZE - PAGE),
			    data + half, PAGE);
	assert_memory_equal(fixture_vram(p->b, 0), data + half + 2 * PAGE,
			    PAGE);
	assert_int_equal(pread(fd, back, PAGE, 0), PAGE);
	assert_memory_equal(back, data + half + PAGE, PAGE);
	/* And back */
	copy(p->a, from + half, VA + half, n);
	assert_int_equal(stats.bytes_peer, 4 * PAGE);
	assert_int_equal(as_read(p->a->e, p->a->l, true, from + half, back, n),
			 0);
	assert_memory_equal(back, data, n);
	close(fd);
	free(data);
	free(back);
}

/* A copy whose peer stops to answer ends, and has done what came before it */
static void copy_to_a_peer_that_goes(void **state)
{
	const uint32_t dw[10] = { 2u << 29 | 0x5a << 22 | 8,
				  2 * PAGE - 1,
				  0,
				  0,
				  0,
				  VA + MIB(2),
				  0,
				  VA,
				  0 };
	struct pair *p = *state;
	unsigned int budget = PAGE / 64;

	place(p->b, BAR);
	assert_int_equal(announce(p->a, BAR, SIZE), 0);
	fixture_map(p->a, VA, BAR, PTE_PRESENT | PTE_RW);
	fixture_map(p->a, VA + PAGE, BAR + PAGE, PTE_PRESENT | PTE_RW);
	fixture_map_new(p->a, VA + MIB(2), 2 * PAGE);
	fixture_write(p->a, VA + MIB(2), "begin", 5);
	p->a->l->progress = 0;
	assert_int_equal(blt_execute(p->a->e, p->a->l, dw, 10, &budget), 0);
	config(p->b, PCI_COMMAND, 0);
	budget = 1000;
	assert_int_equal(blt_execute(p->a->e, p->a->l, dw, 10, &budget), -1);
	assert_true(p->a->l->fault.fatal);
	assert_int_equal(p->a->l->progress, PAGE);
	assert_memory_equal(fixture_vram(p->b, 0), "begin", 5);
	assert_int_equal(stats.bytes_peer, PAGE);
}

static int make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

/* What a killed peer has left is the only thing in it */
static int remove_dir(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", dir);
	return system(command);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(vram_of_a_peer),
		TEST(only_in_a_region),
		TEST(own_vram_is_no_peers),
		TEST(peer_that_does_not_decode),
		TEST(peer_that_moves),
		TEST(peers_of_other_sizes),
		TEST(peer_that_has_left),
		TEST(peer_that_is_killed),
		TEST(what_is_no_peer),
		cmocka_unit_test(folder_that_is_not_there),
		TEST(stale_link_of_our_name),
		TEST(copy_across_borders),
		TEST(copy_to_a_peer_that_goes),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
