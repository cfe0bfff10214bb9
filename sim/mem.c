// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory as the device sees it: guest memory by bus address, VRAM, the global GTT of a
 * tile and the address spaces of contexts.
 *
 * Whatever an address comes from, a table of the guest or a command, it is checked here
 * against what is really there: nothing outside of guest memory and VRAM is touched.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "xesim.h"

#define PAGE 4096ull

/* GGTT and leaf entries: sheet 3.7 and 7.1 */
#define PTE_PRESENT BIT64(0)
#define PTE_WRITABLE BIT64(1)
#define PTE_PAGE_SIZE BIT64(7) /* in a directory: a leaf of 2 MiB or 1 GiB */
#define PTE_NULL BIT64(9)
#define PTE_ATOMIC BIT64(10)
#define PTE_VRAM BIT64(11)
#define PDE_COMPACT BIT64(6) /* the last table has 32 entries of 64 KiB */
#define GGTT_VRAM BIT64(1)
#define PTE_ADDRESS 0x000ffffffffff000ull

/* Where null pages lead: never read after a write, nor written before a read */
#define NULL_CHUNK KIB(64)
static const uint8_t null_source[NULL_CHUNK];
static uint8_t null_sink[NULL_CHUNK];

/* --- guest memory --- */

static int region_index(const struct mem *m, uint64_t iova)
{
	unsigned int lo = 0, hi = m->nr_dma;

	while (lo < hi) {
		unsigned int mid = lo + (hi - lo) / 2;
		const struct dma_region *r = &m->dma[mid];

		if (iova < r->iova)
			hi = mid;
		else if (iova - r->iova >= r->size)
			lo = mid + 1;
		else
			return mid;
	}
	return -(int)lo - 1;
}

/**
 * mem_dma_map() - guest memory appears
 * @m: memory
 * @iova: bus address
 * @size: bytes, not 0
 * @fd: file to map, or -1 where there is none (ROM, other devices, of which those of peer.c
 *	can be accessed); stays the caller's
 * @offset: in the file
 * @writable: the device may write
 *
 * Return: 0, or a negative errno: the range overlaps, or the file cannot be mapped.
 */
int mem_dma_map(struct mem *m, uint64_t iova, uint64_t size, int fd,
		uint64_t offset, bool writable)
{
	int prot = PROT_READ | (writable ? PROT_WRITE : 0),
	    at = region_index(m, iova);
	struct dma_region r = { .iova = iova,
				.size = size,
				.writable = writable };
	struct dma_region *dma;

	if (!size || iova + size - 1 < iova)
		return -EINVAL;
	if (at >= 0)
		return -EEXIST;
	at = -at - 1;
	if ((unsigned int)at < m->nr_dma && m->dma[at].iova - iova < size)
		return -EEXIST;
	dma = reallocarray(m->dma, m->nr_dma + 1, sizeof(*dma));
	if (!dma)
		return -ENOMEM;
	m->dma = dma;
	if (fd >= 0) {
		r.ptr = mmap(NULL, size, prot, MAP_SHARED, fd, offset);
		if (r.ptr == MAP_FAILED)
			return -errno;
	} else {
		peers_find(&m->peers);
	}
	memmove(&dma[at + 1], &dma[at], (m->nr_dma - at) * sizeof(*dma));
	dma[at] = r;
	m->nr_dma++;
	m->generation++;
	return 0;
}

static void drop_region(struct mem *m, unsigned int i)
{
	if (m->dma[i].ptr)
		munmap(m->dma[i].ptr, m->dma[i].size);
	m->nr_dma--;
	memmove(&m->dma[i], &m->dma[i + 1], (m->nr_dma - i) * sizeof(*m->dma));
	m->generation++;
}

/* mem_dma_unmap(): exactly a range that was mapped; 0 or -ENOENT */
int mem_dma_unmap(struct mem *m, uint64_t iova, uint64_t size)
{
	int at = region_index(m, iova);

	if (at < 0 || m->dma[at].iova != iova || m->dma[at].size != size)
		return -ENOENT;
	drop_region(m, at);
	return 0;
}

void mem_dma_unmap_all(struct mem *m)
{
	while (m->nr_dma)
		drop_region(m, m->nr_dma - 1);
}

void *mem_phys(struct mem *m, uint64_t pa, bool vram, bool write, uint64_t *len)
{
	const struct dma_region *r;
	uint64_t left;
	int at;

	if (vram) {
		if (pa >= m->vram_size)
			return NULL;
		left = m->vram_size - pa;
		if (*len > left)
			*len = left;
		return m->vram + pa;
	}
	at = region_index(m, pa);
	if (at < 0)
		return NULL;
	r = &m->dma[at];
	if (write && !r->writable)
		return NULL;
	left = r->size - (pa - r->iova);
	if (*len > left)
		*len = left;
	return r->ptr ? r->ptr + (pa - r->iova) : peers_ptr(&m->peers, pa, len);
}

/* --- the global GTT --- */

void *ggtt_ptr(struct tile *t, uint64_t addr, bool write, uint64_t *len)
{
	uint64_t pte, left = PAGE - addr % PAGE;

	if (addr / PAGE >= GSM_SIZE / sizeof(uint64_t))
		return NULL;
	pte = __atomic_load_n(&t->gsm[addr / PAGE], __ATOMIC_RELAXED);
	if (!(pte & PTE_PRESENT))
		return NULL;
	if (*len > left)
		*len = left;
	return mem_phys(&t->sim->mem, (pte & PTE_ADDRESS) + addr % PAGE,
			pte & GGTT_VRAM, write, len);
}

int ggtt_read(struct tile *t, uint64_t addr, void *data, uint64_t len)
{
	uint8_t *to = data;

	while (len) {
		uint64_t n = len;
		const void *from = ggtt_ptr(t, addr, false, &n);

		if (!from)
			return -1;
		memcpy(to, from, n);
		to += n;
		addr += n;
		len -= n;
	}
	return 0;
}

int ggtt_write(struct tile *t, uint64_t addr, const void *data, uint64_t len)
{
	const uint8_t *from = data;

	while (len) {
		uint64_t n = len;
		void *to = ggtt_ptr(t, addr, true, &n);

		if (!to)
			return -1;
		memcpy(to, from, n);
		from += n;
		addr += n;
		len -= n;
	}
	return 0;
}

uint32_t ggtt_read32(struct tile *t, uint64_t addr)
{
	uint64_t n = sizeof(uint32_t);
	uint32_t *from = ggtt_ptr(t, addr & ~3ull, false, &n);

	return from && n == sizeof(uint32_t)
		       ? __atomic_load_n(from, __ATOMIC_ACQUIRE)
		       : 0;
}

void ggtt_write32(struct tile *t, uint64_t addr, uint32_t value)
{
	uint64_t n = sizeof(uint32_t);
	uint32_t *to = ggtt_ptr(t, addr & ~3ull, true, &n);

	if (to && n == sizeof(uint32_t))
		__atomic_store_n(to, value, __ATOMIC_RELEASE);
}

/* --- address spaces of contexts --- */

static int walk_stops(struct fault *fault, unsigned int level)
{
	fault->type = FAULT_NOT_PRESENT;
	fault->level = level;
	return -1;
}

static int walk_leaf(struct xlate *x, uint64_t va, uint64_t pte, uint64_t size)
{
	x->size = size;
	x->va = va & ~(size - 1);
	x->pa = pte & PTE_ADDRESS & ~(size - 1);
	x->vram = pte & PTE_VRAM;
	x->null = pte & PTE_NULL;
	x->writable = pte & PTE_WRITABLE;
	x->atomic = pte & PTE_ATOMIC;
	return 0;
}

/**
 * ppgtt_walk() - walks a page table
 * @sim: the device
 * @root: of the table, as the context's image has it (PDP0)
 * @va: virtual address, within the platform's width
 * @x: the translation
 * @fault: where it stops: type and level
 *
 * Five levels of 512 entries; the tables are in VRAM (sheet 7.1), so that a table outside of it
 * reads as not present.
 *
 * Return: 0, or -1 where an entry is not present.
 */
int ppgtt_walk(struct sim *sim, uint64_t root, uint64_t va, struct xlate *x,
	       struct fault *fault)
{
	static const unsigned int shift[MAX_LEVELS] = { 12, 21, 30, 39, 48 };
	uint64_t table = root & PTE_ADDRESS, entry = 0;
	bool compact = false;
	int level;

	x->levels = 0;
	for (level = MAX_LEVELS - 1; level >= 0; level--) {
		uint64_t index = (va >> shift[level]) & 511,
			 len = sizeof(entry);
		uint64_t *slot;

		if (compact)
			index = (va >> 16) & 31;
		slot = mem_phys(&sim->mem, table + index * sizeof(entry), true,
				false, &len);
		if (!slot || len < sizeof(entry))
			return walk_stops(fault, level);
		entry = __atomic_load_n(slot, __ATOMIC_RELAXED);
		x->slot[x->levels] = table + index * sizeof(entry);
		x->entry[x->levels++] = entry;
		if (!(entry & PTE_PRESENT))
			return walk_stops(fault, level);
		if (level == 0)
			break;
		if (level <= 2 && (entry & PTE_PAGE_SIZE))
			return walk_leaf(x, va, entry, 1ull << shift[level]);
		compact = level == 1 && (entry & PDE_COMPACT);
		table = entry & PTE_ADDRESS;
	}
	return walk_leaf(x, va, entry, compact ? KIB(64) : PAGE);
}

/* translate(): by the TLB, or a walk that fills it; NULL and l->fault where it fails */
static const struct xlate *translate(struct engine *e, struct lrc *l,
				     uint64_t va, enum access acc)
{
	static struct xlate x; /* one thread */
	const struct xlate *found = tlb_find(e, l->asid, va);
	bool missed = !found;

	l->fault = (struct fault){ .va = va & ~(PAGE - 1), .access = acc };
	if (!found) {
		stats.tlb_misses++;
		if (ppgtt_walk(e->tile->sim, l->root, va, &x, &l->fault))
			return NULL;
		tlb_insert(e, l->asid, &x);
		found = &x;
	}
	l->fault.level = MAX_LEVELS - found->levels;
	if (found->null)
		return found;
	if (acc != ACC_READ && !found->writable) {
		l->fault.type = FAULT_WRITE;
		return NULL;
	}
	/* Nothing tells whether an address space is in fault mode (sheet 7.2; driver:
	 * xe_lrc_init(), __register_exec_queue()) but that a fault of it was served
	 */
	if (acc == ACC_ATOMIC && !found->atomic &&
	    (l->served || e->tile->sim->prof->strict_atomics)) {
		l->fault.type = FAULT_ATOMIC;
		return NULL;
	}
	if (!found->vram)
		acc_access(e, l, va, missed);
	return found;
}

static void *null_ptr(bool write, uint64_t *len)
{
	if (*len > NULL_CHUNK)
		*len = NULL_CHUNK;
	return write ? null_sink : (void *)null_source;
}

static void *page_ptr(struct engine *e, struct lrc *l, uint64_t va,
		      enum access acc, uint64_t *len)
{
	const struct xlate *x = translate(e, l, va, acc);
	bool write = acc != ACC_READ;
	uint64_t left;
	void *ptr;

	if (!x)
		return NULL;
	left = x->va + x->size - va;
	if (*len > left)
		*len = left;
	if (x->null)
		return null_ptr(write, len);
	ptr = mem_phys(&e->tile->sim->mem, x->pa + (va - x->va), x->vram, write,
		       len);
	if (!ptr) {
		note(e->tile,
		     "%s: address 0x%llx leads to no memory (%s 0x%llx)",
		     e->desc->name, (unsigned long long)va,
		     x->vram ? "VRAM" : "bus address",
		     (unsigned long long)(x->pa + (va - x->va)));
		l->fault.fatal = true;
	}
	return ptr;
}

static void *ggtt_fault(struct engine *e, struct lrc *l, uint64_t va,
			enum access acc)
{
	note(e->tile, "%s: GGTT address 0x%llx leads to no memory",
	     e->desc->name, (unsigned long long)va);
	l->fault = (struct fault){ .va = va & ~(PAGE - 1),
				   .access = acc,
				   .fatal = true };
	return NULL;
}

void *as_ptr(struct engine *e, struct lrc *l, bool ppgtt, uint64_t va,
	     enum access acc, uint64_t *len)
{
	uint64_t want = *len, got = want, more;
	uint8_t *ptr, *next;

	if (!ppgtt) {
		ptr = ggtt_ptr(e->tile, va, acc != ACC_READ, len);
		return ptr ? ptr : ggtt_fault(e, l, va, acc);
	}
	va &= BIT64(e->tile->sim->prof->va_bits) - 1;
	ptr = page_ptr(e, l, va, acc, &got);
	if (!ptr)
		return NULL;
	while (got < want && ptr != null_sink && ptr != null_source) {
		more = want - got;
		next = page_ptr(
			e, l,
			(va + got) & (BIT64(e->tile->sim->prof->va_bits) - 1),
			acc, &more);
		if (next != ptr + got)
			break;
		got += more;
	}
	*len = got;
	if (peers_have(&e->tile->sim->mem.peers, ptr))
		stats.bytes_peer += got;
	return ptr;
}

int as_read(struct engine *e, struct lrc *l, bool ppgtt, uint64_t va,
	    void *data, uint64_t len)
{
	uint8_t *to = data;

	while (len) {
		uint64_t n = len;
		const void *from = as_ptr(e, l, ppgtt, va, ACC_READ, &n);

		if (!from)
			return -1;
		memcpy(to, from, n);
		to += n;
		va += n;
		len -= n;
	}
	return 0;
}

int as_write(struct engine *e, struct lrc *l, bool ppgtt, uint64_t va,
	     const void *data, uint64_t len)
{
	const uint8_t *from = data;

	while (len) {
		uint64_t n = len;
		void *to = as_ptr(e, l, ppgtt, va, ACC_WRITE, &n);

		if (!to)
			return -1;
		memcpy(to, from, n);
		from += n;
		va += n;
		len -= n;
	}
	return 0;
}

/* --- VRAM and GSM --- */

/* It keeps its size: others map it as well */
static int shared_memory(const char *name, uint64_t size, void **ptr)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -1;
	if (ftruncate(fd, size) ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW))
		goto fail;
	*ptr = mmap(NULL, size, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_NORESERVE, fd, 0);
	if (*ptr != MAP_FAILED)
		return fd;
fail:
	close(fd);
	return -1;
}

/**
 * mem_init() - VRAM of all tiles, and one file in the layout of BAR0 that has the GSM of each
 * @sim: options and profile are set
 *
 * Return: 0, or -1 with errno.
 */
int mem_init(struct sim *sim)
{
	uint64_t bar0 = sim->nr_tiles * TILE_WINDOW;
	void *window, *vram;
	unsigned int i;
	int fd;

	sim->mem.tile_size = GIB(1);
	while (sim->mem.tile_size < sim->opt.vram)
		sim->mem.tile_size *= 2;
	sim->mem.vram_size = sim->nr_tiles * sim->mem.tile_size;
	sim->mem.vram_fd = shared_memory("xesim-vram",
					 sim->mem.vram_size + MEM_TAIL, &vram);
	if (sim->mem.vram_fd < 0)
		return -1;
	sim->mem.vram = vram;
	fd = shared_memory("xesim-gsm", bar0, &window);
	if (fd < 0)
		return -1;
	for (i = 0; i < sim->nr_tiles; i++) {
		sim->tile[i].gsm_fd = fd;
		sim->tile[i].gsm = (void *)((uint8_t *)window +
					    i * TILE_WINDOW + GSM_OFFSET);
	}
	return 0;
}

void mem_free(struct sim *sim)
{
	mem_dma_unmap_all(&sim->mem);
	free(sim->mem.dma);
	peers_leave(&sim->mem.peers);
	munmap(sim->mem.vram, sim->mem.vram_size + MEM_TAIL);
	close(sim->mem.vram_fd);
	munmap((uint8_t *)sim->tile[0].gsm - GSM_OFFSET,
	       sim->nr_tiles * TILE_WINDOW);
	close(sim->tile[0].gsm_fd);
}
