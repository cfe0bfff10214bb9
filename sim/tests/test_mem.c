// SPDX-License-Identifier: GPL-2.0-only
/* Memory as the device sees it: guest memory, global GTT, page tables, and accesses. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "fixture.h"
#include "random.h"

#define VA 0x40000000ull
#define GGTT_PAGES 8
#define GGTT_TEST 0x05000000u
#define PDE_COMPACT BIT64(6)
#define PTE_PAT (BIT64(3) | BIT64(4) | BIT64(61) | BIT64(62))
#define MASK48 (BIT64(48) - 1)
#define BUS 0x100000000ull /* where guest memory begins */

struct memory {
	struct fixture *f;
	struct mem *m;
	int fd; /* of a file to be mapped as guest memory */
	uint8_t *file;
};

#define FILE_SIZE KIB(256)

static int setup(void **state)
{
	struct memory *t = calloc(1, sizeof(*t));

	if (!t)
		return -1;
	t->f = fixture_open("bmg");
	t->fd = memfd_create("test", MFD_CLOEXEC);
	if (!t->f || t->fd < 0 || ftruncate(t->fd, FILE_SIZE))
		return -1;
	t->m = &t->f->sim.mem;
	t->file = mmap(NULL, FILE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
		       t->fd, 0);
	*state = t;
	return t->file == MAP_FAILED ? -1 : 0;
}

static int teardown(void **state)
{
	struct memory *t = *state;

	munmap(t->file, FILE_SIZE);
	close(t->fd);
	fixture_close(t->f);
	free(t);
	return 0;
}

static void fill_random(void *data, size_t n)
{
	uint8_t *p = data;

	while (n--)
		*p++ = random_u64();
}

/* --- guest memory --- */

/* dma(): of the file from its start */
static int dma(struct memory *t, uint64_t iova, uint64_t size)
{
	return mem_dma_map(t->m, iova, size, t->fd, 0, true);
}

/* at(): host address of guest memory, and how much follows; NULL if there is none */
static uint8_t *at(struct memory *t, uint64_t iova, bool write, uint64_t *len)
{
	*len = UINT64_MAX;
	return mem_phys(t->m, iova, false, write, len);
}

static void dma_region_is_the_file(void **state)
{
	struct memory *t = *state;
	uint64_t len;
	uint8_t *p;

	assert_int_equal(mem_dma_map(t->m, BUS, 3 * PAGE, t->fd, PAGE, true),
			 0);
	t->file[PAGE + 5] = 0x5a;
	p = at(t, BUS + 5, true, &len);
	assert_non_null(p);
	assert_int_equal(*p, 0x5a);
	assert_int_equal(len, 3 * PAGE - 5);
	p[PAGE] = 0xa5;
	assert_int_equal(t->file[2 * PAGE + 5], 0xa5);
	len = 7;
	assert_non_null(mem_phys(t->m, BUS, false, false, &len));
	assert_int_equal(len, 7);
	assert_null(at(t, BUS - 1, false, &len));
	assert_null(at(t, BUS + 3 * PAGE, false, &len));
}

static void dma_regions_do_not_overlap(void **state)
{
	static const struct {
		uint64_t iova, size;
	} bad[] = {
		{ BUS, 4 * PAGE },
		{ BUS + PAGE, PAGE },
		{ BUS - PAGE, 8 * PAGE },
		{ BUS - PAGE, PAGE + 1 },
		{ BUS, PAGE },
		{ BUS + 4 * PAGE - 1, 1 },
		{ BUS + PAGE, 9 * PAGE },
		{ 0, UINT64_MAX },
	};
	struct memory *t = *state;
	uint64_t generation;
	unsigned int i;

	assert_int_equal(dma(t, BUS, 4 * PAGE), 0);
	generation = t->m->generation;
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(dma(t, bad[i].iova, bad[i].size), -EEXIST);
	assert_int_equal(t->m->nr_dma, 1);
	assert_int_equal(t->m->generation, generation);
}

static void dma_regions_are_adjacent(void **state)
{
	struct memory *t = *state;
	uint64_t len;

	assert_int_equal(dma(t, BUS, PAGE), 0);
	assert_int_equal(dma(t, BUS + 2 * PAGE, PAGE), 0);
	assert_int_equal(dma(t, BUS + PAGE, PAGE), 0);
	assert_int_equal(dma(t, BUS - PAGE, PAGE), 0);
	assert_int_equal(dma(t, BUS, 1), -EEXIST);
	/* What follows in another region does not follow in the host */
	assert_non_null(at(t, BUS + PAGE - 1, true, &len));
	assert_int_equal(len, 1);
	assert_non_null(at(t, BUS + PAGE, true, &len));
	assert_int_equal(len, PAGE);
	assert_null(at(t, BUS + 3 * PAGE, true, &len));
}

static void dma_range_is_checked(void **state)
{
	struct memory *t = *state;
	uint64_t len;

	assert_int_equal(dma(t, BUS, 0), -EINVAL);
	assert_int_equal(dma(t, -PAGE, 2 * PAGE), -EINVAL);
	assert_int_equal(dma(t, PAGE, UINT64_MAX), -EINVAL);
	assert_int_equal(dma(t, -PAGE, PAGE), 0);
	assert_non_null(at(t, UINT64_MAX, true, &len));
	assert_int_equal(len, 1);
	assert_null(at(t, 0, true, &len));
}

static void dma_unmaps_what_was_mapped(void **state)
{
	struct memory *t = *state;
	uint64_t len, generation;
	uint8_t *p;

	generation = t->m->generation;
	assert_int_equal(dma(t, BUS, 2 * PAGE), 0);
	assert_true(t->m->generation > generation);
	assert_int_equal(dma(t, BUS + 2 * PAGE, PAGE), 0);
	p = at(t, BUS, false, &len);
	assert_int_equal(msync(p, PAGE, MS_ASYNC), 0);
	generation = t->m->generation;
	assert_int_equal(mem_dma_unmap(t->m, BUS, PAGE), -ENOENT);
	assert_int_equal(mem_dma_unmap(t->m, BUS, 3 * PAGE), -ENOENT);
	assert_int_equal(mem_dma_unmap(t->m, BUS + PAGE, PAGE), -ENOENT);
	assert_int_equal(mem_dma_unmap(t->m, BUS + 9 * PAGE, PAGE), -ENOENT);
	assert_int_equal(t->m->generation, generation);
	assert_int_equal(mem_dma_unmap(t->m, BUS, 2 * PAGE), 0);
	assert_int_equal(msync(p, PAGE, MS_ASYNC), -1);
	assert_int_equal(errno, ENOMEM);
	assert_true(t->m->generation > generation);
	assert_int_equal(mem_dma_unmap(t->m, BUS, 2 * PAGE), -ENOENT);
	assert_null(at(t, BUS, false, &len));
	assert_non_null(at(t, BUS + 2 * PAGE, false, &len));
	mem_dma_unmap_all(t->m);
	assert_null(at(t, BUS + 2 * PAGE, false, &len));
	assert_int_equal(dma(t, BUS, 4 * PAGE), 0);
}

static void dma_without_a_file_is_no_memory(void **state)
{
	struct memory *t = *state;
	uint64_t len;

	assert_int_equal(mem_dma_map(t->m, BUS, PAGE, -1, 0, true), 0);
	assert_null(at(t, BUS, false, &len));
	assert_null(at(t, BUS, true, &len));
	assert_int_equal(dma(t, BUS, PAGE), -EEXIST);
	assert_int_equal(mem_dma_unmap(t->m, BUS, PAGE), 0);
}

static void dma_read_only(void **state)
{
	struct memory *t = *state;
	uint64_t len;

	t->file[9] = 9;
	assert_int_equal(mem_dma_map(t->m, BUS, PAGE, t->fd, 0, false), 0);
	assert_null(at(t, BUS, true, &len));
	assert_non_null(at(t, BUS, false, &len));
	assert_int_equal(at(t, BUS, false, &len)[9], 9);
}

static void dma_that_cannot_be_mapped(void **state)
{
	struct memory *t = *state;
	uint64_t len, generation = t->m->generation;

	assert_int_equal(mem_dma_map(t->m, BUS, PAGE, t->fd, 1, true), -EINVAL);
	assert_int_equal(mem_dma_map(t->m, BUS, PAGE, 9999, 0, true), -EBADF);
	assert_int_equal(t->m->nr_dma, 0);
	assert_int_equal(t->m->generation, generation);
	assert_null(at(t, BUS, false, &len));
}

/* Nothing says that a region begins where a page does */
static void dma_unaligned(void **state)
{
	struct memory *t = *state;
	uint32_t v = 0;
	uint64_t len;

	fill_random(t->file, PAGE);
	assert_int_equal(dma(t, BUS + 0x123, 0x777), 0);
	assert_int_equal(dma(t, BUS + 0x123 + 0x777, 3), 0);
	assert_null(at(t, BUS + 0x122, false, &len));
	assert_ptr_equal(at(t, BUS + 0x123, false, &len),
			 at(t, BUS + 0x125, false, &len) - 2);
	assert_int_equal(*at(t, BUS + 0x125, false, &len), t->file[2]);
	assert_int_equal(len, 0x775);
	t->f->sim.tile[0].gsm[GGTT_TEST / PAGE] = BUS | 1;
	assert_int_equal(
		ggtt_read(&t->f->sim.tile[0], GGTT_TEST + 0x124, &v, 4), 0);
	assert_memory_equal(&v, t->file + 1, 4);
	ggtt_write32(&t->f->sim.tile[0], GGTT_TEST + 0x124, ~v);
	assert_int_equal(ggtt_read32(&t->f->sim.tile[0], GGTT_TEST + 0x124),
			 ~v);
}

/* Against an array of bytes of address space, each with the region that it belongs to */
#define UNITS 48

struct unit {
	bool mapped, memory, writable;
	uint64_t file;	   /* where in the file, in pages */
	unsigned int left; /* of the region, from here on */
};

static bool room_for(const struct unit *u, unsigned int n)
{
	while (n--)
		if (u++->mapped)
			return false;
	return true;
}

static void map_random(struct memory *t, struct unit *u)
{
	unsigned int first = random_below(UNITS), i;
	unsigned int n =
		1 + random_below(UNITS - first < 8 ? UNITS - first : 8);
	struct unit want = { true, !one_in(4), !one_in(4),
			     random_below(FILE_SIZE / PAGE - 8), 0 };
	bool fits = room_for(u + first, n);

	assert_int_equal(mem_dma_map(t->m, BUS + first * PAGE, n * PAGE,
				     want.memory ? t->fd : -1, want.file * PAGE,
				     want.writable),
			 fits ? 0 : -EEXIST);
	for (i = 0; fits && i < n; i++) {
		u[first + i] = want;
		u[first + i].file += i;
		u[first + i].left = n - i;
	}
}

static void unmap_random(struct memory *t, struct unit *u)
{
	unsigned int i = random_below(UNITS), n = 1 + random_below(8);
	bool is = u[i].mapped && u[i].left == n &&
		  (!i || !u[i - 1].mapped || u[i - 1].left == 1);

	assert_int_equal(mem_dma_unmap(t->m, BUS + i * PAGE, n * PAGE),
			 is ? 0 : -ENOENT);
	for (; is && n--; i++)
		u[i].mapped = false;
}

static void check_unit(struct memory *t, const struct unit *u, uint64_t iova,
		       bool write)
{
	bool there = u->mapped && u->memory && (u->writable || !write);
	uint64_t len;
	uint8_t *p = at(t, iova, write, &len);

	assert_int_equal(p != NULL, there);
	if (!there)
		return;
	assert_int_equal(len, u->left * PAGE - iova % PAGE);
	assert_int_equal(*(uint64_t *)(p - iova % PAGE), u->file);
}

static void dma_random(void **state)
{
	struct unit units[UNITS] = { 0 };
	struct memory *t = *state;
	unsigned int i, n;
	uint64_t page;

	random_start();
	for (page = 0; page < FILE_SIZE / PAGE; page++)
		memcpy(t->file + page * PAGE, &page, sizeof(page));
	for (i = 0; i < 20000; i++) {
		if (one_in(2))
			map_random(t, units);
		else
			unmap_random(t, units);
		n = random_below(UNITS);
		check_unit(t, &units[n], BUS + n * PAGE + random_below(PAGE),
			   one_in(2));
	}
}

static void vram_has_an_end(void **state)
{
	struct memory *t = *state;
	uint64_t len = 100;

	assert_non_null(mem_phys(t->m, t->m->vram_size - 1, true, true, &len));
	assert_int_equal(len, 1);
	assert_null(mem_phys(t->m, t->m->vram_size, true, true, &len));
	assert_null(mem_phys(t->m, UINT64_MAX, true, false, &len));
}

static unsigned int open_files(void)
{
	unsigned int fd, n = 0;

	for (fd = 0; fd < 100; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* Devices with VRAM of any size, and more than one tile */
static void memory_of_a_device(void **state)
{
	static const uint64_t sizes_of[][2] = {
		{ MIB(256), GIB(1) },
		{ GIB(1), GIB(1) },
		{ MIB(1025), GIB(2) },
		{ GIB(3), GIB(4) },
	};
	unsigned int i, files = open_files();
	uint8_t *vram, *gsm;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(sizes_of); i++) {
		struct sim sim = { .opt.profile = profile_find("pvc2"),
				   .opt.vram = sizes_of[i][0] };

		assert_int_equal(sim_init(&sim), 0);
		vram = sim.mem.vram;
		gsm = (uint8_t *)sim.tile[0].gsm;
		assert_int_equal(sim.mem.tile_size, sizes_of[i][1]);
		assert_int_equal(sim.mem.vram_size, 2 * sizes_of[i][1]);
		vram[sim.mem.vram_size - 1] = 1;
		assert_ptr_equal(sim.tile[1].gsm, gsm + TILE_WINDOW);
		gsm[TILE_WINDOW + GSM_SIZE - 1] = 1;
		assert_true(open_files() > files);
		sim_free(&sim);
		assert_int_equal(msync(vram, PAGE, MS_ASYNC), -1);
		assert_int_equal(msync(gsm, PAGE, MS_ASYNC), -1);
		assert_int_equal(open_files(), files);
	}
}

/* --- the global GTT --- */

/* ggtt_setup(): pages of VRAM and of guest memory in turns, in no order; where[] is
 * their host address
 */
static void ggtt_setup(struct memory *t, uint8_t **where)
{
	uint64_t i, pa, *gsm = &t->f->sim.tile[0].gsm[GGTT_TEST / PAGE];

	assert_int_equal(dma(t, BUS, GGTT_PAGES * PAGE), 0);
	for (i = 0; i < GGTT_PAGES; i++) {
		pa = (i * 5 + 3) % GGTT_PAGES * PAGE;
		where[i] = i & 1 ? t->m->vram + MIB(64) + pa : t->file + pa;
		gsm[i] = (i & 1 ? (MIB(64) + pa) | 2 : BUS + pa) | 1;
	}
}

static void ggtt_crosses_pages(void **state)
{
	uint8_t data[3 * PAGE], back[3 * PAGE], *where[GGTT_PAGES];
	struct memory *t = *state;
	struct tile *tile = &t->f->sim.tile[0];
	uint64_t addr, n;
	unsigned int i, j;

	random_start();
	ggtt_setup(t, where);
	for (i = 0; i < 200; i++) {
		n = random_below(sizeof(data));
		addr = random_below(GGTT_PAGES * PAGE - n);
		fill_random(data, n);
		assert_int_equal(ggtt_write(tile, GGTT_TEST + addr, data, n),
				 0);
		for (j = 0; j < n; j += 1 + random_below(100))
			assert_int_equal(
				where[(addr + j) / PAGE][(addr + j) % PAGE],
				data[j]);
		assert_int_equal(ggtt_read(tile, GGTT_TEST + addr, back, n), 0);
		assert_memory_equal(data, back, n);
	}
}

static void ggtt_pointer_ends_with_the_page(void **state)
{
	struct memory *t = *state;
	uint64_t len = 2 * PAGE;

	assert_non_null(ggtt_ptr(t->f->e->tile, DATA_GGTT + 1, true, &len));
	assert_int_equal(len, PAGE - 1);
	len = 5;
	assert_non_null(ggtt_ptr(t->f->e->tile, DATA_GGTT + 1, true, &len));
	assert_int_equal(len, 5);
}

/* nothing_at(): no access of any kind reaches memory */
static void nothing_at(struct tile *t, uint64_t addr)
{
	uint8_t data[4] = { 0 };
	uint64_t len = 4;

	assert_int_equal(ggtt_read(t, addr, data, 4), -1);
	assert_int_equal(ggtt_write(t, addr, data, 4), -1);
	assert_null(ggtt_ptr(t, addr, false, &len));
	ggtt_write32(t, addr, 1);
	assert_int_equal(ggtt_read32(t, addr), 0);
}

static void ggtt_entries_that_lead_nowhere(void **state)
{
	struct memory *t = *state;
	struct tile *tile = &t->f->sim.tile[0];
	uint64_t *pte = &tile->gsm[GGTT_TEST / PAGE];

	nothing_at(tile, GGTT_TEST);
	*pte = MIB(64) | 2;
	nothing_at(tile, GGTT_TEST);
	*pte = t->m->vram_size | 3;
	nothing_at(tile, GGTT_TEST);
	*pte = MIB(64) | 1;
	nothing_at(tile, GGTT_TEST);
	*pte = PTE_ADDR | 1;
	nothing_at(tile, GGTT_TEST);
	/* VRAM may be what follows in the host */
	*(uint64_t *)fixture_vram(t->f, 0) = MIB(64) | 3;
	nothing_at(tile, GIB(4));
	nothing_at(tile, UINT64_MAX & ~3ull);
	*pte = MIB(64) | 3 | PTE_PAT | 1ull << 52;
	ggtt_write32(tile, GGTT_TEST, 77);
	assert_int_equal(*(uint32_t *)fixture_vram(t->f, MIB(64)), 77);
}

static void ggtt_last_page(void **state)
{
	struct memory *t = *state;
	struct tile *tile = &t->f->sim.tile[0];
	uint8_t data[8] = { 0 };

	tile->gsm[GSM_SIZE / 8 - 1] = MIB(64) | 3;
	ggtt_write32(tile, GIB(4) - 4, 77);
	assert_int_equal(ggtt_read32(tile, GIB(4) - 4), 77);
	assert_int_equal(ggtt_read(tile, GIB(4) - 4, data, 8), -1);
	assert_int_equal(ggtt_read(tile, GIB(4) - 8, data, 8), 0);
}

static void ggtt_stops_at_a_missing_entry(void **state)
{
	uint8_t *where[GGTT_PAGES], data[2 * PAGE] = { 0 };
	struct memory *t = *state;
	struct tile *tile = &t->f->sim.tile[0];

	ggtt_setup(t, where);
	tile->gsm[GGTT_TEST / PAGE + 2] = 0;
	assert_int_equal(ggtt_read(tile, GGTT_TEST + PAGE, data, PAGE), 0);
	assert_int_equal(ggtt_read(tile, GGTT_TEST + PAGE, data, PAGE + 1), -1);
	assert_int_equal(ggtt_write(tile, GGTT_TEST + PAGE, data, 2 * PAGE),
			 -1);
	assert_int_equal(ggtt_read(tile, GGTT_TEST + 3 * PAGE, data, 1), 0);
}

static void ggtt_in_read_only_memory(void **state)
{
	struct memory *t = *state;
	struct tile *tile = &t->f->sim.tile[0];
	uint32_t data = 1;

	t->file[0] = 5;
	assert_int_equal(mem_dma_map(t->m, BUS, PAGE, t->fd, 0, false), 0);
	tile->gsm[GGTT_TEST / PAGE] = BUS | 1;
	assert_int_equal(ggtt_write(tile, GGTT_TEST, &data, 4), -1);
	ggtt_write32(tile, GGTT_TEST, 1);
	assert_int_equal(ggtt_read32(tile, GGTT_TEST), 5);
}

/* A dword of which a part is not there is not there */
static void ggtt_dword_at_the_end_of_a_region(void **state)
{
	struct memory *t = *state;
	struct tile *tile = &t->f->sim.tile[0];

	memset(t->file, 0xff, PAGE);
	assert_int_equal(dma(t, BUS, 10), 0);
	tile->gsm[GGTT_TEST / PAGE] = BUS | 1;
	ggtt_write32(tile, GGTT_TEST + 4, 7);
	ggtt_write32(tile, GGTT_TEST + 8, 7);
	assert_int_equal(ggtt_read32(tile, GGTT_TEST + 4), 7);
	assert_int_equal(ggtt_read32(tile, GGTT_TEST + 8), 0);
	assert_int_equal(t->file[8], 0xff);
}

/* --- page walks --- */

struct walk {
	int ret;
	struct xlate x;
	struct fault fault;
};

static struct walk walk(struct memory *t, uint64_t va)
{
	struct walk w = { 0 };

	w.ret = ppgtt_walk(&t->f->sim, t->f->l->root, va, &w.x, &w.fault);
	return w;
}

static uint64_t *slot(struct memory *t, uint64_t va, int level)
{
	return fixture_slot(t->f, va, level);
}

/* set_leaf(): a page of that size at VA, and the compact table that it may need */
static void set_leaf(struct memory *t, uint64_t va, uint64_t size, uint64_t pte)
{
	uint64_t *pde;

	if (size == GIB(1)) {
		*slot(t, va, 2) = pte | PTE_PS;
	} else if (size == MIB(2)) {
		*slot(t, va, 1) = pte | PTE_PS;
	} else if (size == PAGE) {
		*slot(t, va, 0) = pte;
	} else {
		pde = slot(t, va, 1);
		if (!(*pde & PTE_PRESENT))
			*pde = fixture_alloc(t->f, PAGE) | PTE_PRESENT |
			       PTE_RW | PDE_COMPACT;
		((uint64_t *)fixture_vram(
			t->f, *pde & PTE_ADDR))[va >> 16 & 31] = pte;
	}
}

static const uint64_t sizes[] = { PAGE, KIB(64), MIB(2), GIB(1) };

static void walk_of_each_page_size(void **state)
{
	static const unsigned int levels[] = { 5, 5, 4, 3 };
	struct memory *t = *state;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		uint64_t size = sizes[i], va = GIB(16 * (i + 1)) + 5 * size;
		struct walk w;

		set_leaf(t, va, size, 3 * size | PTE_PRESENT | PTE_DM);
		w = walk(t, va + size - 1);
		assert_int_equal(w.ret, 0);
		assert_int_equal(w.x.va, va);
		assert_int_equal(w.x.pa, 3 * size);
		assert_int_equal(w.x.size, size);
		assert_true(w.x.vram);
		assert_false(w.x.null || w.x.writable || w.x.atomic);
		assert_int_equal(w.x.levels, levels[i]);
		assert_int_equal(walk(t, va + size).ret, -1);
		assert_int_equal(walk(t, va - 1).ret, -1);
	}
}

static void walk_attributes(void **state)
{
	struct memory *t = *state;
	unsigned int i, bits;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (bits = 0; bits < 16; bits++) {
			struct walk w;

			set_leaf(t, VA * (i + 1), sizes[i],
				 PTE_PRESENT | (bits & 1 ? PTE_RW : 0) |
					 (bits & 2 ? PTE_NULL : 0) |
					 (bits & 4 ? PTE_AE : 0) |
					 (bits & 8 ? PTE_DM : 0));
			w = walk(t, VA * (i + 1));
			assert_int_equal(w.ret, 0);
			assert_int_equal(w.x.writable, !!(bits & 1));
			assert_int_equal(w.x.null, !!(bits & 2));
			assert_int_equal(w.x.atomic, !!(bits & 4));
			assert_int_equal(w.x.vram, !!(bits & 8));
		}
	}
}

/* PAT and PS64 say nothing about where a page is; nor does bit 12 of a large one */
static void walk_ignores_pat(void **state)
{
	struct memory *t = *state;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		uint64_t va = VA * (i + 1), size = sizes[i];
		uint64_t pat = size > KIB(64) ? BIT64(12) : PTE_PS | BIT64(8);
		struct walk w;

		set_leaf(t, va, size,
			 2 * size | PTE_ALL | PTE_PAT | pat | 0xfffull << 52);
		w = walk(t, va + size / 2);
		assert_int_equal(w.ret, 0);
		assert_int_equal(w.x.pa, 2 * size);
		assert_int_equal(w.x.size, size);
	}
	*slot(t, VA, 1) |= PTE_PAT;
	*slot(t, VA, 4) |= PTE_PAT | 0xfffull << 52;
	assert_int_equal(walk(t, VA).x.pa, 2 * PAGE);
}

static void walk_ignores_flags_of_the_root(void **state)
{
	struct memory *t = *state;

	fixture_map(t->f, VA, MIB(3), PTE_ALL);
	t->f->l->root |= PTE_PAT | 0xfff | 0xfffull << 52;
	assert_int_equal(walk(t, VA).ret, 0);
	assert_int_equal(walk(t, VA).x.pa, MIB(3));
}

/* A leaf of 512 GiB is none, nor is one that fills the root */
static void walk_knows_no_larger_pages(void **state)
{
	struct memory *t = *state;
	int level;

	fixture_map(t->f, VA, MIB(3), PTE_ALL);
	for (level = 3; level <= 4; level++)
		*slot(t, VA, level) |= PTE_PS | PTE_NULL;
	assert_int_equal(walk(t, VA).x.size, PAGE);
	assert_int_equal(walk(t, VA).x.pa, MIB(3));
	assert_false(walk(t, VA).x.null);
}

static void walk_stops_where_an_entry_is_absent(void **state)
{
	struct memory *t = *state;
	int level;

	for (level = 0; level <= 4; level++) {
		struct walk w;

		fixture_map(t->f, VA, MIB(3), PTE_ALL);
		*slot(t, VA, level) &= ~PTE_PRESENT;
		w = walk(t, VA);
		assert_int_equal(w.ret, -1);
		assert_int_equal(w.fault.type, FAULT_NOT_PRESENT);
		assert_int_equal(w.fault.level, level);
		*slot(t, VA, level) |= PTE_PRESENT;
	}
	set_leaf(t, 2 * VA, KIB(64), 0);
	assert_int_equal(walk(t, 2 * VA).ret, -1);
	assert_int_equal(walk(t, 2 * VA).fault.level, 0);
}

static void walk_stops_where_a_table_is_outside_of_vram(void **state)
{
	struct memory *t = *state;
	int level;

	assert_int_equal(dma(t, BUS, PAGE), 0);
	for (level = 4; level >= 1; level--) {
		const uint64_t outside[] = { t->m->vram_size, BUS, PTE_ADDR };
		uint64_t was;
		unsigned int i;

		fixture_map(t->f, VA, MIB(3), PTE_ALL);
		was = *slot(t, VA, level);
		for (i = 0; i < ARRAY_SIZE(outside); i++) {
			*slot(t, VA, level) = outside[i] | PTE_PRESENT;
			assert_int_equal(walk(t, VA).ret, -1);
			assert_int_equal(walk(t, VA).fault.level, level - 1);
		}
		*slot(t, VA, level) = was;
	}
	t->f->l->root = t->m->vram_size;
	assert_int_equal(walk(t, VA).ret, -1);
	assert_int_equal(walk(t, VA).fault.level, 4);
}

static void walk_of_tables_that_lead_to_themselves(void **state)
{
	struct memory *t = *state;
	uint64_t root = t->f->l->root;
	uint64_t *entry = fixture_vram(t->f, root);

	entry[0] = root | PTE_PRESENT | PTE_RW | PTE_DM;
	assert_int_equal(walk(t, 0x123).ret, 0);
	assert_int_equal(walk(t, 0x123).x.pa, root);
	assert_int_equal(walk(t, 0x123).x.levels, 5);
	assert_int_equal(walk(t, 0x1000).ret, -1);
	assert_int_equal(walk(t, 0x1000).fault.level, 0);
	entry[0] |= PTE_PS;
	assert_int_equal(walk(t, 0x123).x.size, GIB(1));
	entry[0] = root | PTE_PRESENT | PDE_COMPACT;
	assert_int_equal(walk(t, 0xf123).x.size, KIB(64));
}

/* --- against a walker that is written another way --- */

#define NR_TABLES 24
#define TABLES MIB(32)

struct ref {
	bool ok;
	unsigned int level;
	uint64_t va, pa, size, entry;
};

/* byte_at(): of VRAM; false: there is none */
static bool byte_at(struct memory *t, uint64_t pa, uint8_t *byte)
{
	if (pa >= t->m->vram_size)
		return false;
	*byte = t->m->vram[pa];
	return true;
}

static bool bit(uint64_t v, unsigned int n)
{
	return v / (1ull << n) % 2;
}

/* bits(): hi..lo of v, in place */
static uint64_t bits(uint64_t v, unsigned int hi, unsigned int lo)
{
	uint64_t result = 0;
	unsigned int i;

	for (i = lo; i <= hi; i++)
		if (bit(v, i))
			result += 1ull << i;
	return result;
}

static bool ref_entry(struct memory *t, uint64_t table, uint64_t index,
		      uint64_t *entry)
{
	unsigned int i;
	uint8_t byte;

	*entry = 0;
	for (i = 0; i < 8; i++) {
		if (!byte_at(t, bits(table, 51, 12) + 8 * index + i, &byte))
			return false;
		*entry += (uint64_t)byte << 8 * i;
	}
	return bit(*entry, 0);
}

/* ref_table(): an address within what one table of a level covers: 2^top bytes */
static struct ref ref_table(struct memory *t, uint64_t table,
			    unsigned int level, uint64_t va)
{
	static const unsigned int top[] = { 21, 30, 39, 48, 57 };
	bool compact = level == 0 && bit(table, 6);
	uint64_t slots = compact ? 32 : 512;
	struct ref r = { .level = level };
	uint64_t size = (1ull << top[level]) / slots;

	if (!ref_entry(t, table, va % (1ull << top[level]) / size, &r.entry))
		return r;
	if (level == 0 || (level <= 2 && bit(r.entry, 7))) {
		r.ok = true;
		r.size = size;
		r.va = va - va % size;
		r.pa = bits(r.entry, 51, 12) / size * size;
		return r;
	}
	return ref_table(t, level == 1 ? r.entry : bits(r.entry, 51, 12),
			 level - 1, va);
}

static struct ref ref_walk(struct memory *t, uint64_t root, uint64_t va)
{
	return ref_table(t, bits(root, 51, 12), 4, va);
}

static uint64_t random_address(struct memory *t)
{
	switch (random_below(16)) {
	case 0:
		return random_u64() & PTE_ADDR;
	case 1:
		return t->m->vram_size - PAGE;
	case 2:
		return t->m->vram_size;
	default:
		return TABLES + random_below(NR_TABLES) * PAGE;
	}
}

static uint64_t random_entry(struct memory *t)
{
	uint64_t entry = random_address(t) | (random_u64() & ~PTE_ADDR);

	if (!one_in(16))
		entry |= PTE_PRESENT;
	if (!one_in(6))
		entry &= ~PTE_PS;
	return entry;
}

static void random_tables(struct memory *t)
{
	uint64_t *entry = fixture_vram(t->f, TABLES);
	unsigned int i;

	for (i = 0; i < NR_TABLES * 512; i++)
		entry[i] = random_entry(t);
	fill_random(fixture_vram(t->f, t->m->vram_size - PAGE), PAGE);
}

static void check_walk(struct memory *t, uint64_t root, uint64_t va,
		       unsigned int *found)
{
	struct ref r = ref_walk(t, root, va);
	struct fault fault = { .type = 99, .level = 99 };
	struct xlate x;
	unsigned int i;
	int ret = ppgtt_walk(&t->f->sim, root, va, &x, &fault);

	assert_int_equal(ret, r.ok ? 0 : -1);
	for (i = 0; i < x.levels; i++)
		assert_memory_equal(t->m->vram + x.slot[i], &x.entry[i], 8);
	if (!r.ok) {
		assert_int_equal(fault.type, FAULT_NOT_PRESENT);
		assert_int_equal(fault.level, r.level);
		return;
	}
	found[r.size == PAGE	  ? 0
	      : r.size == KIB(64) ? 1
	      : r.size == MIB(2)  ? 2
				  : 3]++;
	assert_int_equal(x.va, r.va);
	assert_int_equal(x.size, r.size);
	assert_int_equal(x.pa, r.pa);
	assert_int_equal(x.writable, bit(r.entry, 1));
	assert_int_equal(x.null, bit(r.entry, 9));
	assert_int_equal(x.atomic, bit(r.entry, 10));
	assert_int_equal(x.vram, bit(r.entry, 11));
	assert_int_equal(x.levels, 5 - r.level);
	assert_int_equal(x.entry[x.levels - 1], r.entry);
}

static void walk_random(void **state)
{
	struct memory *t = *state;
	unsigned int i, j, found[4] = { 0 };

	random_start();
	for (i = 0; i < 20; i++) {
		random_tables(t);
		for (j = 0; j < 6000; j++)
			check_walk(t,
				   random_address(t) |
					   (random_u64() & ~PTE_ADDR),
				   random_u64() >> 7, found);
	}
	for (i = 0; i < 4; i++)
		assert_true(found[i] > 100);
}

/* --- accesses --- */

static void flush(struct memory *t)
{
	tlb_flush(t->f->e, TLB_ALL_ASIDS, 0, UINT64_MAX, TLB_DROP);
}

static uint8_t *ptr(struct memory *t, uint64_t va, enum access acc,
		    uint64_t *len)
{
	return as_ptr(t->f->e, t->f->l, true, va, acc, len);
}

static void map(struct memory *t, uint64_t va, uint64_t pa)
{
	fixture_map(t->f, va, pa, PTE_ALL);
}

static void access_merges_contiguous_pages(void **state)
{
	struct memory *t = *state;
	uint64_t len = 3 * PAGE, i;

	for (i = 0; i < 4; i++)
		map(t, VA + i * PAGE, MIB(64) + i * PAGE);
	assert_ptr_equal(ptr(t, VA + 5, ACC_WRITE, &len),
			 fixture_vram(t->f, MIB(64) + 5));
	assert_int_equal(len, 3 * PAGE);
	len = 5 * PAGE;
	assert_non_null(ptr(t, VA + 5, ACC_READ, &len));
	assert_int_equal(len, 4 * PAGE - 5);
}

static void access_merges_pages_of_each_size(void **state)
{
	struct memory *t = *state;
	uint64_t va = GIB(8), len = UINT64_MAX;

	set_leaf(t, va - MIB(2) - KIB(64), KIB(64),
		 (MIB(510) - KIB(64)) | PTE_ALL);
	set_leaf(t, va - MIB(2), MIB(2), MIB(510) | PTE_ALL);
	set_leaf(t, va, PAGE, MIB(512) | PTE_ALL);
	assert_ptr_equal(ptr(t, va - MIB(2) - 1, ACC_WRITE, &len),
			 fixture_vram(t->f, MIB(510) - 1));
	assert_int_equal(len, 1 + MIB(2) + PAGE);
}

static void access_stops_where_pages_are_not_contiguous(void **state)
{
	struct memory *t = *state;
	uint64_t len = 4 * PAGE;

	map(t, VA, MIB(64));
	map(t, VA + PAGE, MIB(64) + PAGE);
	map(t, VA + 2 * PAGE, MIB(64));
	assert_non_null(ptr(t, VA + 1, ACC_READ, &len));
	assert_int_equal(len, 2 * PAGE - 1);
}

static void access_stops_before_a_fault(void **state)
{
	struct memory *t = *state;
	struct fault *fault = &t->f->l->fault;
	uint8_t data[64] = { 0 };
	uint64_t len = 64;

	map(t, VA, MIB(64));
	assert_non_null(ptr(t, VA + PAGE - 16, ACC_READ, &len));
	assert_int_equal(len, 16);
	assert_int_equal(
		as_write(t->f->e, t->f->l, true, VA + PAGE - 16, data, 64), -1);
	assert_int_equal(fault->va, VA + PAGE);
	assert_int_equal(fault->access, ACC_WRITE);
	assert_int_equal(fault->type, FAULT_NOT_PRESENT);
	assert_int_equal(fault->level, 0);
	assert_false(fault->fatal);
	assert_int_equal(
		as_read(t->f->e, t->f->l, true, VA + PAGE - 16, data, 17), -1);
	assert_int_equal(fault->va, VA + PAGE);
	assert_int_equal(fault->access, ACC_READ);
	assert_null(ptr(t, VA + GIB(600) + 0x123, ACC_ATOMIC, &len));
	assert_int_equal(fault->va, VA + GIB(600));
	assert_int_equal(fault->access, ACC_ATOMIC);
	assert_int_equal(fault->level, 3);
}

static void access_checks_what_is_allowed(void **state)
{
	static const struct {
		uint64_t flags;
		enum access access;
		int fault; /* -1: none */
	} cases[] = {
		{ PTE_PRESENT, ACC_READ, -1 },
		{ PTE_PRESENT, ACC_WRITE, FAULT_WRITE },
		{ PTE_PRESENT | PTE_AE, ACC_ATOMIC, FAULT_WRITE },
		{ PTE_PRESENT | PTE_RW, ACC_WRITE, -1 },
		{ PTE_PRESENT | PTE_RW, ACC_ATOMIC, FAULT_ATOMIC },
		{ PTE_PRESENT | PTE_RW | PTE_AE, ACC_ATOMIC, -1 },
		{ PTE_PRESENT | PTE_NULL, ACC_WRITE, -1 },
		{ PTE_PRESENT | PTE_NULL, ACC_ATOMIC, -1 },
	};
	struct memory *t = *state;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t len = 8;
		uint8_t *p;

		fixture_map(t->f, VA, MIB(64), cases[i].flags | PTE_DM);
		flush(t);
		p = ptr(t, VA, cases[i].access, &len);
		assert_int_equal(p != NULL, cases[i].fault < 0);
		if (p)
			continue;
		assert_int_equal(t->f->l->fault.type, cases[i].fault);
		assert_false(t->f->l->fault.fatal);
	}
}

/* Where the platform asks for nothing, AE is needed only by those whose faults are served */
static void access_of_platforms_without_strict_atomics(void **state)
{
	struct memory *t = *state;
	uint64_t len = 8;

	fixture_map(t->f, VA, MIB(64), PTE_PRESENT | PTE_RW | PTE_DM);
	t->f->sim.prof = profile_find("pvc");
	assert_non_null(ptr(t, VA, ACC_ATOMIC, &len));
	t->f->l->served = true;
	assert_null(ptr(t, VA, ACC_ATOMIC, &len));
	assert_int_equal(t->f->l->fault.type, FAULT_ATOMIC);
	t->f->l->served = false;
	fixture_map(t->f, VA, MIB(64), PTE_PRESENT | PTE_DM);
	flush(t);
	assert_null(ptr(t, VA, ACC_ATOMIC, &len));
	assert_int_equal(t->f->l->fault.type, FAULT_WRITE);
}

static void access_wraps_at_the_end_of_the_address_space(void **state)
{
	struct memory *t = *state;
	uint64_t last = MASK48 & ~(PAGE - 1), len = 2 * PAGE;
	uint8_t data[] = { 1, 2, 3, 4 };

	map(t, last, MIB(64));
	map(t, 0, MIB(64) + PAGE);
	assert_ptr_equal(ptr(t, last, ACC_READ, &len),
			 fixture_vram(t->f, MIB(64)));
	assert_int_equal(len, 2 * PAGE);
	assert_int_equal(as_write(t->f->e, t->f->l, true, MASK48 - 1, data, 4),
			 0);
	assert_memory_equal(fixture_vram(t->f, MIB(64) + PAGE - 2), data, 4);
	len = 4;
	assert_ptr_equal(ptr(t, last | ~MASK48, ACC_READ, &len),
			 fixture_vram(t->f, MIB(64)));
	len = 4;
	assert_null(ptr(t, ~MASK48 | PAGE, ACC_READ, &len));
	assert_int_equal(t->f->l->fault.va, PAGE);
}

static void access_to_null_pages(void **state)
{
	struct memory *t = *state;
	uint8_t data[2 * PAGE], zero[2 * PAGE] = { 0 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		uint64_t va = VA * 8 * (i + 1);

		set_leaf(t, va, sizes[i], PTE_PRESENT | PTE_NULL);
		map(t, va - PAGE, MIB(64));
		memset(data, 0xff, sizeof(data));
		assert_int_equal(as_write(t->f->e, t->f->l, true, va - PAGE,
					  data, 2 * PAGE),
				 0);
		assert_int_equal(as_read(t->f->e, t->f->l, true, va - PAGE,
					 data, 2 * PAGE),
				 0);
		assert_int_equal(data[PAGE - 1], 0xff);
		assert_memory_equal(data + PAGE, zero, PAGE);
	}
}

/* However large a null page is, an access to it stays within memory that is there */
static void access_to_a_large_null_page(void **state)
{
	struct memory *t = *state;
	uint64_t len = MIB(4);
	uint8_t *p;

	set_leaf(t, VA, GIB(1), PTE_PRESENT | PTE_RW | PTE_NULL);
	p = ptr(t, VA, ACC_WRITE, &len);
	assert_true(len >= PAGE && len < MIB(4));
	memset(p, 0xff, len);
	len = MIB(4);
	p = ptr(t, VA + MIB(500), ACC_READ, &len);
	while (len--)
		assert_int_equal(p[len], 0);
	len = 100;
	assert_non_null(ptr(t, VA + GIB(1) - 1, ACC_READ, &len));
	assert_int_equal(len, 1);
}

static void assert_fatal(struct memory *t, uint64_t va, enum access acc)
{
	uint64_t len = 4;

	assert_null(ptr(t, va, acc, &len));
	assert_true(t->f->l->fault.fatal);
	assert_int_equal(t->f->l->fault.va, va & ~(PAGE - 1));
	assert_int_equal(t->f->l->fault.access, acc);
}

static void access_to_no_memory_is_fatal(void **state)
{
	struct memory *t = *state;
	uint64_t len = 4;

	fixture_map(t->f, VA, BUS, PTE_PRESENT | PTE_RW);
	assert_fatal(t, VA + 5, ACC_READ);
	assert_int_equal(mem_dma_map(t->m, BUS, PAGE, t->fd, 0, false), 0);
	assert_non_null(ptr(t, VA, ACC_READ, &len));
	assert_fatal(t, VA, ACC_WRITE);
	map(t, VA + PAGE, t->m->vram_size);
	assert_fatal(t, VA + PAGE, ACC_READ);
	t->f->l->fault.fatal = false;
	assert_null(as_ptr(t->f->e, t->f->l, false, GGTT_TEST + 5, ACC_WRITE,
			   &len));
	assert_true(t->f->l->fault.fatal);
	assert_int_equal(t->f->l->fault.va, GGTT_TEST);
}

/* --- random accesses to a random address space --- */

#define SPACE_PAGES 40

/* What is where: in VRAM, in guest memory, nowhere, a null page */
enum kind {
	IN_VRAM,
	IN_GUEST,
	NOWHERE,
	IN_NULL
};

struct page {
	enum kind kind;
	bool writable;
	uint64_t number; /* of the page there */
};

/* random_page(): often what follows the one before */
static struct page random_page(const struct page *before)
{
	struct page p = { random_below(4), !one_in(5), random_below(16) };

	if (!one_in(3)) {
		p = *before;
		p.number = (p.number + 1) % 16;
	}
	return p;
}

static void set_page(struct memory *t, uint64_t va, const struct page *p)
{
	static const uint64_t base[] = {
		[IN_VRAM] = MIB(64) | PTE_PRESENT | PTE_DM,
		[IN_GUEST] = BUS | PTE_PRESENT,
		[NOWHERE] = 0,
		[IN_NULL] = PTE_NULL | PTE_PRESENT,
	};

	*slot(t, va, 0) =
		(base[p->kind] + p->number * PAGE) | (p->writable ? PTE_RW : 0);
}

static void random_space(struct memory *t, struct page *page)
{
	unsigned int i;

	for (i = 0; i < SPACE_PAGES; i++) {
		page[i] = random_page(&page[i ? i - 1 : 0]);
		set_page(t, VA + i * PAGE, &page[i]);
	}
	flush(t);
}

static bool works(const struct page *p, bool write)
{
	return p->kind == IN_NULL ||
	       (p->kind != NOWHERE && (p->writable || !write));
}

/* backing(): of a page; NULL if none */
static uint8_t *backing(struct memory *t, const struct page *p)
{
	if (p->kind == IN_VRAM)
		return fixture_vram(t->f, MIB(64) + p->number * PAGE);
	return p->kind == IN_GUEST ? t->file + p->number * PAGE : NULL;
}

/* expected_len(): from a byte on: to the first page that does not follow in memory */
static uint64_t expected_len(const struct page *page, uint64_t offset,
			     uint64_t want, bool write)
{
	const struct page *p = &page[offset / PAGE];
	uint64_t len = PAGE - offset % PAGE;

	if (p->kind == IN_NULL)
		return want < len ? want : len;
	while (len < want && p[1].kind == p->kind &&
	       p[1].number == p->number + 1 && works(p + 1, write)) {
		len += PAGE;
		p++;
	}
	return len < want ? len : want;
}

static void check_access(struct memory *t, const struct page *page)
{
	uint64_t offset = random_below((SPACE_PAGES - 8) * PAGE);
	uint64_t want = 1 + random_below(one_in(2) ? 7 * PAGE : 64), len = want;
	const struct page *p = &page[offset / PAGE];
	bool write = one_in(2);
	uint8_t *host = ptr(t, VA + offset, write ? ACC_WRITE : ACC_READ, &len);

	assert_int_equal(host != NULL, works(p, write));
	if (!host) {
		assert_int_equal(t->f->l->fault.va,
				 (VA + offset) & ~(PAGE - 1));
		assert_int_equal(t->f->l->fault.type,
				 p->kind == NOWHERE ? FAULT_NOT_PRESENT
						    : FAULT_WRITE);
		return;
	}
	assert_int_equal(len, expected_len(page, offset, want, write));
	if (p->kind == IN_VRAM)
		assert_ptr_equal(host, backing(t, p) + offset % PAGE);
	else if (p->kind == IN_GUEST)
		assert_int_equal(*host, backing(t, p)[offset % PAGE]);
}

/* check_copy(): what is written is read again, unless pages are at the same place */
static void check_copy(struct memory *t, const struct page *page)
{
	uint64_t offset = random_below((SPACE_PAGES - 8) * PAGE);
	uint8_t data[3 * PAGE], back[3 * PAGE];
	uint64_t n = random_below(sizeof(data)), i;
	bool ok = true;

	fill_random(data, n);
	for (i = offset / PAGE; n && i <= (offset + n - 1) / PAGE; i++)
		ok = ok && works(&page[i], true);
	assert_int_equal(as_write(t->f->e, t->f->l, true, VA + offset, data, n),
			 ok ? 0 : -1);
	if (!ok)
		return;
	assert_int_equal(as_read(t->f->e, t->f->l, true, VA + offset, back, n),
			 0);
	for (i = 0; i < n; i++) {
		const struct page *p = &page[(offset + i) / PAGE];
		uint8_t *host = backing(t, p);

		assert_int_equal(back[i], host ? host[(offset + i) % PAGE] : 0);
	}
	/* Pages may share memory, but not with the last of them */
	if (n && backing(t, &page[(offset + n - 1) / PAGE]))
		assert_int_equal(back[n - 1], data[n - 1]);
}

static void access_random(void **state)
{
	struct memory *t = *state;
	struct page page[SPACE_PAGES];
	unsigned int i, j;

	random_start();
	memset(page, 0, sizeof(page));
	assert_int_equal(dma(t, BUS, 16 * PAGE), 0);
	fill_random(t->file, 16 * PAGE);
	fill_random(fixture_vram(t->f, MIB(64)), 16 * PAGE);
	for (i = 0; i < 300; i++) {
		random_space(t, page);
		for (j = 0; j < 60; j++)
			check_access(t, page);
		check_copy(t, page);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(dma_region_is_the_file),
		TEST(dma_regions_do_not_overlap),
		TEST(dma_regions_are_adjacent),
		TEST(dma_range_is_checked),
		TEST(dma_unmaps_what_was_mapped),
		TEST(dma_without_a_file_is_no_memory),
		TEST(dma_read_only),
		TEST(dma_that_cannot_be_mapped),
		TEST(dma_unaligned),
		TEST(dma_random),
		TEST(vram_has_an_end),
		TEST(memory_of_a_device),
		TEST(ggtt_crosses_pages),
		TEST(ggtt_pointer_ends_with_the_page),
		TEST(ggtt_entries_that_lead_nowhere),
		TEST(ggtt_last_page),
		TEST(ggtt_stops_at_a_missing_entry),
		TEST(ggtt_in_read_only_memory),
		TEST(ggtt_dword_at_the_end_of_a_region),
		TEST(walk_of_each_page_size),
		TEST(walk_attributes),
		TEST(walk_ignores_pat),
		TEST(walk_ignores_flags_of_the_root),
		TEST(walk_knows_no_larger_pages),
		TEST(walk_stops_where_an_entry_is_absent),
		TEST(walk_stops_where_a_table_is_outside_of_vram),
		TEST(walk_of_tables_that_lead_to_themselves),
		TEST(walk_random),
		TEST(access_merges_contiguous_pages),
		TEST(access_merges_pages_of_each_size),
		TEST(access_stops_where_pages_are_not_contiguous),
		TEST(access_stops_before_a_fault),
		TEST(access_checks_what_is_allowed),
		TEST(access_of_platforms_without_strict_atomics),
		TEST(access_wraps_at_the_end_of_the_address_space),
		TEST(access_to_null_pages),
		TEST(access_to_a_large_null_page),
		TEST(access_to_no_memory_is_fatal),
		TEST(access_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
