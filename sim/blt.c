// SPDX-License-Identifier: GPL-2.0-only
/*
 * The blitter: copies and fills of linear memory.
 *
 * Each command comes down to rows of bytes.  They are done in the order of their addresses,
 * in pieces as large as what is contiguous in host memory, and lrc.progress has how many
 * bytes are done: a fault or the end of a slice stops a command between two pieces.  Where
 * source and destination overlap, a piece is moved as by memmove().
 *
 * Encodings: sheet 6.6, driver: emit_copy(), emit_clear_main_copy(), emit_clear_link_copy(),
 * and Intel's public PRMs.
 */
#include <string.h>

#include "xesim.h"

#define LIMIT                                                                  \
	BIT(24) /* of what counts bytes or rows, so that no product overflows */
#define BUDGET_BYTES 64
#define CUT_BYTES 1021 /* where INJECT_COPY_CUT stops */
#define POISON 0xdeadbeef
#define PAGE 4096ull

/* A piece of memory that is contiguous in the host */
struct piece {
	uint8_t *ptr;
	uint64_t left;
};

/**
 * struct blt - a command
 * @dst, @src: of the first row
 * @dst_pitch, @src_pitch: from row to row
 * @width: of a row in bytes
 * @rows: how many
 * @pattern: that fills, @pattern_size bytes that divide @width; 0: a copy
 * @from, @to: where it is, and how much can be done there without another translation
 */
struct blt {
	uint64_t dst, src;
	uint64_t dst_pitch, src_pitch;
	uint64_t width, rows;
	uint32_t pattern[4];
	unsigned int pattern_size;
	struct piece from, to;
};

static uint64_t address(const uint32_t *dw)
{
	return dw[0] | (uint64_t)dw[1] << 32;
}

/* --- what commands say: each returns 0, or -1: it makes no sense --- */

/* MEM_COPY: bytes, units of 256 bytes (bit 19), or a matrix (bit 17) */
static int decode_mem_copy(const uint32_t *dw, struct blt *b)
{
	if (dw[1] >= LIMIT)
		return -1;
	b->width = (dw[1] + 1ull) << (dw[0] & BIT(19) ? 8 : 0);
	b->rows = 1;
	b->src = address(&dw[5]);
	b->dst = address(&dw[7]);
	if (!(dw[0] & BIT(17)))
		return 0;
	if ((dw[0] & BIT(19)) || dw[2] >= LIMIT || dw[3] >= LIMIT ||
	    dw[4] >= LIMIT)
		return -1;
	b->rows = dw[2] + 1ull;
	b->src_pitch = dw[3] + 1ull;
	b->dst_pitch = dw[4] + 1ull;
	return 0;
}

/* MEM_SET: a byte; linear or a matrix (bit 17) */
static int decode_mem_set(const uint32_t *dw, struct blt *b)
{
	if (dw[1] >= LIMIT)
		return -1;
	b->width = dw[1] + 1ull;
	b->rows = 1;
	b->dst = address(&dw[4]);
	b->pattern[0] = dw[6] >> 24;
	b->pattern_size = 1;
	if (!(dw[0] & BIT(17)))
		return 0;
	if (dw[2] >= LIMIT || dw[3] >= LIMIT)
		return -1;
	b->rows = dw[2] + 1ull;
	b->dst_pitch = dw[3] + 1ull;
	return 0;
}

/* rectangle(): corners in pixels; its size, empty where they are not in order, and where it
 * begins.  Coordinates are signed, and there is nothing at negative ones.
 */
static int rectangle(const uint32_t *corner, unsigned int bytes, uint64_t pitch,
		     struct blt *b)
{
	uint32_t x1 = corner[0] & 0xffff, y1 = corner[0] >> 16;
	uint32_t x2 = corner[1] & 0xffff, y2 = corner[1] >> 16;

	if ((x1 | y1 | x2 | y2) & 0x8000)
		return -1;
	b->width = x2 > x1 ? (x2 - x1) * bytes : 0;
	b->rows = y2 > y1 ? y2 - y1 : 0;
	b->dst_pitch = pitch;
	b->dst += y1 * pitch + x1 * bytes;
	return 0;
}

/* from(): where in the source the rectangle begins */
static int from(uint32_t corner, unsigned int bytes, uint64_t pitch,
		struct blt *b)
{
	uint32_t x = corner & 0xffff, y = corner >> 16;

	if ((x | y) & 0x8000)
		return -1;
	b->src_pitch = pitch;
	b->src += y * pitch + x * bytes;
	return 0;
}

/* XY_FAST_COPY_BLT: bytes of a pixel, by bits 26:24 of dw1 (PRM) */
static int decode_fast_copy(const uint32_t *dw, struct blt *b)
{
	static const uint8_t size[8] = { 1, 2, 0, 4, 8, 16 };
	unsigned int bytes = size[FIELD(dw[1], 26, 24)];

	if (!bytes || FIELD(dw[0], 21, 20) || FIELD(dw[0], 14, 13))
		return -1;
	b->dst = address(&dw[4]);
	b->src = address(&dw[8]);
	if (rectangle(&dw[2], bytes, dw[1] & 0xffff, b))
		return -1;
	return from(dw[6], bytes, dw[7] & 0xffff, b);
}

/* Of XY_FAST_COLOR_BLT and XY_BLOCK_COPY_BLT, by bits 21:19 of dw0 (PRM) */
static unsigned int pixel_size(uint32_t dw)
{
	static const uint8_t size[8] = { 1, 2, 4, 8, 0, 16 };

	return size[FIELD(dw, 21, 19)];
}

/* surface(): linear, not compressed; its pitch, or 0 */
static uint64_t surface(uint32_t dw)
{
	return dw & (BIT(31) | BIT(30) | BIT(29)) ? 0 : FIELD(dw, 17, 0) + 1;
}

static int decode_fast_color(const uint32_t *dw, struct blt *b)
{
	unsigned int bytes = pixel_size(dw[0]);
	uint64_t pitch = surface(dw[1]);

	if (!bytes || !pitch || (dw[6] & ~BIT(31)))
		return -1;
	b->dst = address(&dw[4]);
	memcpy(b->pattern, &dw[7], bytes);
	b->pattern_size = bytes;
	return rectangle(&dw[2], bytes, pitch, b);
}

static int decode_block_copy(const uint32_t *dw, struct blt *b)
{
	unsigned int bytes = pixel_size(dw[0]);
	uint64_t dst_pitch = surface(dw[1]), src_pitch = surface(dw[8]);

	if (!bytes || !dst_pitch || !src_pitch || FIELD(dw[0], 13, 9) ||
	    ((dw[6] | dw[11]) & ~BIT(31)))
		return -1;
	b->dst = address(&dw[4]);
	b->src = address(&dw[9]);
	if (rectangle(&dw[2], bytes, dst_pitch, b))
		return -1;
	return from(dw[7], bytes, src_pitch, b);
}

static const struct {
	unsigned int opcode, length;
	int (*decode)(const uint32_t *dw, struct blt *b);
} decoders[] = {
	{ 0x42, 10, decode_fast_copy },	 { 0x5a, 10, decode_mem_copy },
	{ 0x5b, 7, decode_mem_set },	 { 0x44, 11, decode_fast_color },
	{ 0x41, 12, decode_block_copy },
};

static bool pitches_fit(const struct blt *b)
{
	return b->dst_pitch >= b->width &&
	       (b->pattern_size || b->src_pitch >= b->width);
}

/* decode(): by opcode; rows that follow each other without a gap become one */
static int decode(const uint32_t *dw, unsigned int n, struct blt *b)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(decoders); i++)
		if (decoders[i].opcode == FIELD(dw[0], 28, 22))
			break;
	if (i == ARRAY_SIZE(decoders) || n < decoders[i].length ||
	    decoders[i].decode(dw, b))
		return -1;
	if (b->rows <= 1)
		return 0;
	if (!pitches_fit(b))
		return -1;
	if (b->dst_pitch == b->width &&
	    (b->pattern_size || b->src_pitch == b->width)) {
		b->width *= b->rows;
		b->rows = 1;
	}
	return 0;
}

/* --- doing it --- */

static uint64_t min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void copy(struct blt *b, uint64_t n)
{
	memmove(b->to.ptr, b->from.ptr, n);
	b->from.ptr += n;
	b->from.left -= n;
}

/* fill(): n bytes of the pattern, from its byte phase on */
static void fill(const struct blt *b, uint64_t n, unsigned int phase)
{
	const uint8_t *pattern = (const uint8_t *)b->pattern;
	uint8_t *to = b->to.ptr;
	uint64_t done, more;

	if (b->pattern_size == 1) {
		memset(to, pattern[0], n);
		return;
	}
	for (done = 0; done < n && done < b->pattern_size; done++)
		to[done] = pattern[(phase + done) % b->pattern_size];
	for (; done < n; done += more) {
		more = min(done, n - done);
		memcpy(to + done, to, more);
	}
}

static int find(struct engine *e, struct lrc *l, uint64_t va, enum access acc,
		uint64_t len, struct piece *piece)
{
	if (piece->left)
		return 0;
	piece->left = len;
	piece->ptr = as_ptr(e, l, l->ppgtt,
			    va & (BIT64(e->tile->sim->prof->va_bits) - 1), acc,
			    &piece->left);
	if (piece->ptr)
		return 0;
	piece->left = 0;
	return -1;
}

/* move(): the next bytes of a row, max at most; returns how many, or 0: a fault */
static uint64_t move(struct engine *e, struct lrc *l, struct blt *b,
		     uint64_t max)
{
	uint64_t row = l->progress / b->width, at = l->progress % b->width;
	uint64_t want = min(b->width - at, max), n = want;

	if (!at)
		b->from.left = b->to.left = 0;
	if (!b->pattern_size) {
		if (find(e, l, b->src + row * b->src_pitch + at, ACC_READ, want,
			 &b->from))
			return 0;
		n = min(n, b->from.left);
	}
	if (find(e, l, b->dst + row * b->dst_pitch + at, ACC_WRITE, want,
		 &b->to))
		return 0;
	n = min(n, b->to.left);
	if (b->pattern_size)
		fill(b, n, l->progress % b->pattern_size);
	else
		copy(b, n);
	if (!l->progress && inject(INJECT_COPY_CORRUPT, NULL))
		b->to.ptr[0] ^= 1;
	b->to.ptr += n;
	b->to.left -= n;
	return n;
}

static void count(struct engine *e, const struct blt *b, uint64_t bytes)
{
	uint64_t now, bps = e->tile->sim->opt.latency.copy_bps;

	if (b->pattern_size)
		stats.bytes_set += bytes;
	else
		stats.bytes_copied += bytes;
	if (!bps || !bytes)
		return;
	now = now_ns();
	if (e->busy_until < now)
		e->busy_until = now;
	e->busy_until += bytes * 1e9 / bps;
}

/* poison(): the page that the command wrote last, where it is in VRAM */
static void poison(struct engine *e, const struct blt *b)
{
	const struct mem *m = &e->tile->sim->mem;
	uint64_t at = (uintptr_t)b->to.ptr - (uintptr_t)m->vram - 1, i;
	uint32_t *page;

	if (at >= m->vram_size || !inject(INJECT_VRAM_POISON, e->desc->name))
		return;
	page = (uint32_t *)(m->vram + (at & ~(PAGE - 1)));
	for (i = 0; i < PAGE / sizeof(*page); i++)
		page[i] = POISON;
}

/* run(): until it is done (1), the budget is used up (0), or there is a fault (-1) */
static int run(struct engine *e, struct lrc *l, struct blt *b,
	       unsigned int *budget)
{
	uint64_t n, first = l->progress, total = b->width * b->rows;
	uint64_t end = total;
	int how = 1;

	if (inject(INJECT_COPY_CUT, e->desc->name))
		end = min(first + CUT_BYTES, total);
	while (l->progress < end && how == 1) {
		n = *budget ? move(e, l, b,
				   min((uint64_t)*budget * BUDGET_BYTES,
				       end - l->progress))
			    : 0;
		if (!n)
			how = *budget ? -1 : 0;
		l->progress += n;
		*budget -= (n + BUDGET_BYTES - 1) / BUDGET_BYTES;
	}
	count(e, b, l->progress - first);
	if (l->progress == total)
		poison(e, b);
	return how == 1 && end < total ? 0 : how;
}

int blt_execute(struct engine *e, struct lrc *l, const uint32_t *dw,
		unsigned int n, unsigned int *budget)
{
	struct blt b = { 0 };

	if (decode(dw, n, &b))
		return -2;
	return run(e, l, &b, budget);
}
