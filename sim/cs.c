// SPDX-License-Identifier: GPL-2.0-only
/*
 * The command streamer: what a context executes, from its ring and from batch buffers.
 * Commands are those of sheet 6.6 and of Intel's public PRMs ("Command Reference:
 * Instructions"); whatever else there is makes the context hang, and says so.
 *
 * A command is fetched as a whole into a buffer of ours before anything of it is looked
 * at, as the guest may change it meanwhile.  It has no effect, or one that can be
 * repeated, until everything that it accesses was found to be there.
 */
#include <stdio.h>
#include <string.h>

#include "xesim.h"

/* STORE_DATA_IMM with a length field of 0x3fd is the longest command (sheet 6.6) */
#define MAX_DWORDS 1023
#define GGTT_KEY BIT64(63)
#define USE_GGTT BIT(22)
#define HWS_PAGE 0xff8
/* Of an engine's registers, in bytes */
#define BLOCK_SIZE 0x800

/**
 * struct cs - a slice
 * @budget: what is left of it
 * @dw, @n: the command
 * @why: what is wrong with it
 * @target, @loops: where batches jumped back to last, and how often they did
 * @worked: something else than waiting was done
 */
struct cs {
	struct engine *e;
	struct lrc *l;
	unsigned int budget;
	uint32_t dw[MAX_DWORDS];
	unsigned int n;
	const char *why;
	uint64_t target;
	unsigned int loops;
	bool worked;
};

/* How a command ends, beside enum cs_stop, which leaves it to be executed again */
enum {
	DONE = 0x100,
	JUMPED,
	DONE_YIELD,
	JUMPED_HANG
};

static int bad(struct cs *c, const char *why)
{
	c->why = why;
	return CS_HANG;
}

static bool in_ppgtt_batch(const struct lrc *l)
{
	return l->depth && l->bb[l->depth - 1].ppgtt;
}

/* where(): address of the command, in its own address space */
static uint64_t where(const struct lrc *l)
{
	if (l->depth)
		return l->bb[l->depth - 1].addr;
	return (uint64_t)l->ring_start + l->head;
}

static uint64_t va_mask(const struct engine *e)
{
	return BIT64(e->tile->sim->prof->va_bits) - 1;
}

static unsigned int ctx_id(const struct lrc *l)
{
	return l->ctx ? l->ctx->id : 0;
}

/* --- registers --- */

static uint32_t gpr_read(struct engine *e, struct lrc *l, uint32_t reg)
{
	(void)e;
	return l ? l->gpr[(reg - 0x600) / 8] >> (reg & 4) * 8 : 0;
}

static void gpr_write(struct lrc *l, uint32_t reg, uint32_t value)
{
	uint64_t *gpr = &l->gpr[(reg - 0x600) / 8];
	unsigned int shift = (reg & 4) * 8;

	*gpr = (*gpr & ~(0xffffffffull << shift)) | (uint64_t)value << shift;
}

static uint32_t ring_read(struct engine *e, struct lrc *l, uint32_t reg)
{
	(void)e;
	if (!l)
		return 0;
	if (reg == 0x3c)
		return l->ring_size ? (l->ring_size - 4096) | 1 : 0;
	return reg == 0x30 ? l->tail : reg == 0x34 ? l->head : l->ring_start;
}

static uint32_t acthd_read(struct engine *e, struct lrc *l, uint32_t reg)
{
	(void)e;
	return l ? where(l) >> (reg == 0x5c ? 32 : 0) : 0;
}

static uint32_t ctx_timestamp_read(struct engine *e, struct lrc *l,
				   uint32_t reg)
{
	(void)e;
	return l ? lrc_timestamp(l) >> (reg & 4) * 8 : 0;
}

static uint32_t timestamp_read(struct engine *e, struct lrc *l, uint32_t reg)
{
	(void)e;
	(void)l;
	return clock_ticks() >> (reg == 0x35c ? 32 : 0);
}

/* PRM: instance in bits 9:4, class in bits 2:0 */
static uint32_t engine_id_read(struct engine *e, struct lrc *l, uint32_t reg)
{
	(void)l;
	(void)reg;
	return e->desc->instance << 4 | e->desc->class;
}

/* 0 has drivers complain: sheet 3.4 */
static uint32_t idle_read(struct engine *e, struct lrc *l, uint32_t reg)
{
	uint32_t value = regs_read(e->tile, e->desc->base + reg);

	(void)l;
	return value ? value : 0x100;
}

/* Sheet 3.8; driver: regs/xe_engine_regs.h.  The others are storage. */
static const struct {
	uint32_t first, last;
	uint32_t (*read)(struct engine *e, struct lrc *l, uint32_t reg);
	bool writable;
} ring_regs[] = {
	{ 0x600, 0x67c, gpr_read, true },
	{ 0x3a8, 0x3ac, ctx_timestamp_read, false },
	{ 0x358, 0x35c, timestamp_read, false },
	{ 0x08c, 0x08c, engine_id_read, false },
	{ 0x030, 0x03c, ring_read, false },
	{ 0x074, 0x074, acthd_read, false },
	{ 0x05c, 0x05c, acthd_read, false },
	{ 0x23c, 0x23c, idle_read, true },
	{ 0x054, 0x054, idle_read, true },
};

static int find_reg(const struct engine *e, uint32_t offset)
{
	uint32_t reg = offset - e->desc->base;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ring_regs); i++)
		if (reg >= ring_regs[i].first && reg <= ring_regs[i].last)
			return i;
	return -1;
}

uint32_t cs_reg_read(struct engine *e, struct lrc *l, uint32_t offset)
{
	int i;

	offset &= ~3u;
	i = find_reg(e, offset);
	if (i < 0)
		return regs_read(e->tile, offset);
	return ring_regs[i].read(e, l, offset - e->desc->base);
}

void cs_reg_write(struct engine *e, struct lrc *l, uint32_t offset,
		  uint32_t value)
{
	int i;

	offset &= ~3u;
	i = find_reg(e, offset);
	if (i < 0 || (ring_regs[i].writable && ring_regs[i].read != gpr_read))
		regs_write(e->tile, offset, value);
	else if (ring_regs[i].writable && l)
		gpr_write(l, offset - e->desc->base, value);
}

/* What would have the command streamer reset, or re-enter, what executes it */
static const struct {
	uint32_t first, last;
} forbidden[] = {
	{ 0x00941c, 0x00941f }, /* GDRST */
	{ 0x00c000, 0x00cfff }, /* GuC */
	{ 0x100000, 0x1fffff }, /* resets, power, interrupts, doorbells */
};

/* may_write(): user batches reach what computes and predicates only: in those, which are not
 * privileged, a write of another register is no operation (PRM)
 */
static bool may_write(const struct cs *c, uint32_t offset)
{
	uint32_t reg = offset - c->e->desc->base;
	unsigned int i;

	if (in_ppgtt_batch(c->l))
		return (reg >= 0x400 && reg < 0x420) ||
		       (reg >= 0x600 && reg < 0x680);
	if (reg < BLOCK_SIZE)
		return true;
	for (i = 0; i < ARRAY_SIZE(forbidden); i++)
		if (offset >= forbidden[i].first && offset <= forbidden[i].last)
			return false;
	return true;
}

static void set_reg(struct cs *c, uint32_t offset, uint32_t value)
{
	if (may_write(c, offset))
		cs_reg_write(c->e, c->l, offset, value);
	else
		note(c->e->tile, "%s: context %u may not write register 0x%x",
		     c->e->desc->name, ctx_id(c->l), offset);
}

static uint32_t get_reg(struct cs *c, uint32_t offset)
{
	return cs_reg_read(c->e, c->l, offset);
}

/* reg_offset(): of the register that a command names: the engine's own by a bit that adds
 * its base, or by one that has those of RCS mean those of the engine (driver:
 * MI_LRI_LRM_CS_MMIO, MI_LRI_MMIO_REMAP_EN)
 */
static uint32_t reg_offset(const struct cs *c, uint32_t raw, uint32_t relative,
			   uint32_t remap)
{
	uint32_t offset = raw & 0x7ffffc, base = c->e->desc->base;

	if (c->dw[0] & relative)
		return base + offset;
	if ((c->dw[0] & remap) && offset >= 0x2000 &&
	    offset < 0x2000 + BLOCK_SIZE)
		return base + offset - 0x2000;
	return offset;
}

/* --- memory --- */

static uint64_t address(const struct cs *c, unsigned int i)
{
	return (c->dw[i] | (uint64_t)c->dw[i + 1] << 32) & va_mask(c->e) &
	       ~3ull;
}

/* space(): whether an address is one of the context's own; user batches have no other (PRM:
 * "ignored and treated as if clear when executing from a non-privileged batch buffer")
 */
static bool space(const struct cs *c, bool ggtt)
{
	return c->l->ppgtt && (!ggtt || in_ppgtt_batch(c->l));
}

static bool aligned(const void *p, unsigned int to)
{
	return !((uintptr_t)p & (to - 1));
}

static int load32(struct cs *c, bool ppgtt, uint64_t va, uint32_t *value)
{
	uint64_t len = sizeof(*value);
	const uint32_t *from = as_ptr(c->e, c->l, ppgtt, va, ACC_READ, &len);

	if (!from)
		return -1;
	if (len < sizeof(*value) || !aligned(from, 4))
		return as_read(c->e, c->l, ppgtt, va, value, sizeof(*value));
	*value = __atomic_load_n(from, __ATOMIC_ACQUIRE);
	return 0;
}

/* put(): n dwords; others poll them, so that each appears at once, as does an aligned qword */
static void put(uint8_t *to, const uint32_t *from, unsigned int n)
{
	uint64_t qword;

	while (n) {
		unsigned int words = n >= 2 && aligned(to, 8) ? 2 : 1;

		memcpy(&qword, from, words * 4);
		if (words == 2)
			__atomic_store_n((uint64_t *)to, qword,
					 __ATOMIC_RELEASE);
		else if (aligned(to, 4))
			__atomic_store_n((uint32_t *)to, *from,
					 __ATOMIC_RELEASE);
		else
			memcpy(to, from, 4);
		to += 4 * words;
		from += words;
		n -= words;
	}
}

static int store(struct cs *c, bool ppgtt, uint64_t va, const uint32_t *data,
		 unsigned int n)
{
	while (n) {
		uint64_t len = 4ull * n;
		uint8_t *to = as_ptr(c->e, c->l, ppgtt, va, ACC_WRITE, &len);
		unsigned int words = len / 4;

		if (!to)
			return -1;
		if (words)
			put(to, data, words);
		else if (as_write(c->e, c->l, ppgtt, va, data, 4))
			return -1;
		else
			words = 1;
		va = (va + 4ull * words) & va_mask(c->e);
		data += words;
		n -= words;
	}
	return 0;
}

/* --- commands that do not access memory --- */

static int cmd_skip(struct cs *c)
{
	(void)c;
	return DONE;
}

static int cmd_walker(struct cs *c)
{
	note(c->e->tile, "%s: context %u starts shaders, which do nothing here",
	     c->e->desc->name, ctx_id(c->l));
	return DONE;
}

static int cmd_user_interrupt(struct cs *c)
{
	trace(c->e->tile, "cs USER_INTERRUPT engine=%s ctx=%u",
	      c->e->desc->name, ctx_id(c->l));
	if (!c->l->depth)
		stats.jobs++;
	irq_raise(c->e->tile, c->e->desc->irq_bit, IRQ_USER_INTERRUPT);
	return DONE;
}

/* yields(): at an arbitration point.  Where that is injected, what is left comes to its end */
static bool yields(const struct cs *c)
{
	if (!c->l->arbitration)
		return false;
	return c->e->preempt ||
	       (c->worked && inject(INJECT_PREEMPT, c->e->desc->name));
}

static int cmd_arb_check(struct cs *c)
{
	return yields(c) ? DONE_YIELD : DONE;
}

static int cmd_arb_on_off(struct cs *c)
{
	c->l->arbitration = c->dw[0] & 1;
	return DONE;
}

static int cmd_load_register_imm(struct cs *c)
{
	unsigned int i;

	if (!(c->n & 1))
		return bad(c, "half a pair");
	for (i = 1; i < c->n; i += 2)
		set_reg(c, reg_offset(c, c->dw[i], BIT(19), BIT(17)),
			c->dw[i + 1]);
	return DONE;
}

static int cmd_load_register_reg(struct cs *c)
{
	uint32_t from = reg_offset(c, c->dw[1], BIT(18), BIT(17));
	uint32_t to = reg_offset(c, c->dw[2], BIT(19), BIT(16));

	set_reg(c, to, get_reg(c, from));
	return DONE;
}

/* --- MI_MATH: sheet 6.6 --- */

struct alu {
	uint64_t a, b, accu;
	bool zero, carry;
};

static uint64_t alu_compute(struct alu *u, unsigned int op)
{
	unsigned int shift = u->b & 63;

	switch (op) {
	case 0x100:
		u->carry = u->a + u->b < u->a;
		return u->a + u->b;
	case 0x101:
		u->carry = u->a < u->b;
		return u->a - u->b;
	case 0x102:
		return u->a & u->b;
	case 0x103:
		return u->a | u->b;
	case 0x104:
		return u->a ^ u->b;
	case 0x105:
		return u->a << shift;
	case 0x106:
		return u->a >> shift;
	default:
		return (int64_t)u->a >> shift;
	}
}

/* alu_get(): an operand; a flag is all ones or all zeros */
static int alu_get(const struct cs *c, const struct alu *u,
		   unsigned int operand, uint64_t *v)
{
	if (operand < NR_GPRS)
		*v = c->l->gpr[operand];
	else if (operand == 0x31)
		*v = u->accu;
	else if (operand == 0x32)
		*v = u->zero ? ~0ull : 0;
	else if (operand == 0x33)
		*v = u->carry ? ~0ull : 0;
	else
		return -1;
	return 0;
}

/* alu_move(): LOAD, LOAD0 and STORE; LOADINV, LOAD1 and STOREINV have bit 10 set */
static int alu_move(struct cs *c, struct alu *u, unsigned int op,
		    unsigned int to, unsigned int from)
{
	uint64_t *place, v = 0;

	if ((op & ~0x400u) == 0x180)
		place = to < NR_GPRS ? &c->l->gpr[to] : NULL;
	else
		place = to == 0x20 ? &u->a : to == 0x21 ? &u->b : NULL;
	if (!place || ((op & ~0x400u) != 0x081 && alu_get(c, u, from, &v)))
		return -1;
	*place = op & 0x400 ? ~v : v;
	return 0;
}

static int alu_step(struct cs *c, struct alu *u, uint32_t dw)
{
	unsigned int op = dw >> 20;

	if (op == 0)
		return 0;
	if (op >= 0x100 && op <= 0x107) {
		u->carry = false;
		u->accu = alu_compute(u, op);
		u->zero = !u->accu;
		return 0;
	}
	op &= ~0x400u;
	if (op != 0x080 && op != 0x081 && op != 0x180)
		return -1;
	return alu_move(c, u, dw >> 20, FIELD(dw, 19, 10), FIELD(dw, 9, 0));
}

static int cmd_math(struct cs *c)
{
	struct alu u = { 0 };
	unsigned int i;

	for (i = 1; i < c->n; i++)
		if (alu_step(c, &u, c->dw[i]))
			return bad(c, "unknown ALU instruction");
	return DONE;
}

/* --- commands that wait or jump --- */

/* Of a value in memory with one in the command; the same in both commands that do it */
static bool compare(uint32_t mem, uint32_t imm, unsigned int op)
{
	switch (op) {
	case 0:
		return mem > imm;
	case 1:
		return mem >= imm;
	case 2:
		return mem < imm;
	case 3:
		return mem <= imm;
	case 4:
		return mem == imm;
	default:
		return mem != imm;
	}
}

static int cmd_semaphore_wait(struct cs *c)
{
	unsigned int op = FIELD(c->dw[0], 14, 12);
	uint32_t value;

	if (op > 5)
		return bad(c, "unknown comparison");
	if (c->dw[0] & BIT(16))
		value = get_reg(c, c->dw[2] & 0x7ffffc);
	else if (load32(c, space(c, c->dw[0] & USE_GGTT), address(c, 2),
			&value))
		return CS_FAULT;
	if (compare(value, c->dw[1], op))
		return DONE;
	return yields(c) ? CS_YIELD : CS_WAIT;
}

static int cmd_batch_end(struct cs *c)
{
	if (!c->l->depth)
		return bad(c, "end of a batch in the ring");
	c->l->depth--;
	return JUMPED;
}

/* PRM: bit 18: only the current level ends; bit 19: the memory has a mask as well */
static int cmd_cond_batch_end(struct cs *c)
{
	unsigned int op = FIELD(c->dw[0], 14, 12);
	uint32_t value;

	if (!c->l->depth)
		return bad(c, "end of a batch in the ring");
	if (op > 5 || (c->dw[0] & BIT(19)))
		return bad(c, "unknown comparison");
	if (!(c->dw[0] & BIT(21)))
		return DONE;
	if (load32(c, space(c, c->dw[0] & USE_GGTT), address(c, 2), &value))
		return CS_FAULT;
	if (compare(value, c->dw[1], op))
		return DONE;
	c->l->depth = c->dw[0] & BIT(18) ? c->l->depth - 1 : 0;
	return JUMPED;
}

static void count_loop(struct cs *c, uint64_t from, uint64_t to)
{
	if (to > from)
		return;
	c->loops = to == c->target ? c->loops + 1 : 1;
	c->target = to;
}

static void enter_batch(struct cs *c, uint64_t to, bool ppgtt)
{
	struct lrc *l = c->l;

	l->bb[l->depth].addr = to;
	l->bb[l->depth++].ppgtt = ppgtt;
	stats.batches++;
	trace(c->e->tile, "cs BATCH engine=%s ctx=%u level=%u %s=0x%llx",
	      c->e->desc->name, ctx_id(l), l->depth, ppgtt ? "va" : "ggtt",
	      (unsigned long long)to);
}

/* breaks(): the engine hangs, and may be past what its own reset can mend */
static bool breaks(struct cs *c)
{
	const char *name = c->e->desc->name;

	c->why = "injected";
	if (inject(INJECT_ENGINE_HANG, name))
		return true;
	if (!inject(INJECT_GT_RESET, name))
		return false;
	sched_broken(c->e);
	return true;
}

/* A batch in the address space of the context starts others there only: sheet 6.6 */
static int cmd_batch_start(struct cs *c)
{
	struct lrc *l = c->l;
	uint64_t to = address(c, 1);
	bool ppgtt = in_ppgtt_batch(l) || space(c, !(c->dw[0] & BIT(8)));

	if (c->dw[0] & BIT(15))
		return bad(c, "predicated jump");
	if (l->depth && !(c->dw[0] & BIT(22))) {
		count_loop(c, where(l), to);
		l->bb[l->depth - 1].addr = to;
		l->bb[l->depth - 1].ppgtt = ppgtt;
		return JUMPED;
	}
	if (l->depth == CS_DEPTH)
		return bad(c, "batches too deep");
	if (l->depth) {
		l->bb[l->depth - 1].addr =
			(where(l) + 4 * c->n) & va_mask(c->e);
		enter_batch(c, to, ppgtt);
		return JUMPED;
	}
	l->head = (l->head + 4 * c->n) % l->ring_size;
	enter_batch(c, to, ppgtt);
	return breaks(c) ? JUMPED_HANG : JUMPED;
}

/* --- commands that access memory --- */

static int cmd_store_data_imm(struct cs *c)
{
	unsigned int n = c->n - 3;

	if ((c->dw[0] & BIT(21)) && (n & 1))
		return bad(c, "half a qword");
	if (in_ppgtt_batch(c->l) && inject(INJECT_STORE_DROP, NULL))
		return DONE;
	if (store(c, space(c, c->dw[0] & USE_GGTT), address(c, 1), &c->dw[3],
		  n))
		return CS_FAULT;
	return DONE;
}

/* PRM: into the status page of the context (bit 21), or of the engine (HWS_PGA) */
static int cmd_store_data_index(struct cs *c)
{
	uint64_t page =
		regs_read(c->e->tile, c->e->desc->base + 0x80) & ~0xfffull;

	if (c->dw[0] & BIT(21))
		page = c->l->pphwsp;
	if (store(c, false, page + (c->dw[1] & 0xffc), &c->dw[2], c->n - 2))
		return CS_FAULT;
	return DONE;
}

static int cmd_store_register_mem(struct cs *c)
{
	uint32_t value = get_reg(c, reg_offset(c, c->dw[1], BIT(19), BIT(17)));

	if (store(c, space(c, c->dw[0] & USE_GGTT), address(c, 2), &value, 1))
		return CS_FAULT;
	return DONE;
}

static int cmd_load_register_mem(struct cs *c)
{
	uint32_t value;

	if (load32(c, space(c, c->dw[0] & USE_GGTT), address(c, 2), &value))
		return CS_FAULT;
	set_reg(c, reg_offset(c, c->dw[1], BIT(19), BIT(17)), value);
	return DONE;
}

static int cmd_copy_mem_mem(struct cs *c)
{
	uint32_t value;

	if (load32(c, space(c, c->dw[0] & BIT(22)), address(c, 3), &value))
		return CS_FAULT;
	if (store(c, space(c, c->dw[0] & BIT(21)), address(c, 1), &value, 1))
		return CS_FAULT;
	return DONE;
}

/* post_sync(): of FLUSH_DW and PIPE_CONTROL: bits 15:14 say what is written; dw[at] has the
 * address, and n dwords of data follow it
 */
static int post_sync(struct cs *c, uint32_t flags, bool ggtt, unsigned int at,
		     unsigned int n)
{
	uint64_t va = address(c, at) & ~7ull, now = clock_ticks();
	uint32_t ticks[2] = { now, now >> 32 }, *data = &c->dw[at + 2];
	bool ppgtt = space(c, ggtt);

	if (flags & BIT(21)) {
		va = c->l->pphwsp + (va & HWS_PAGE);
		ppgtt = false;
	}
	switch (FIELD(flags, 15, 14)) {
	case 0:
		return DONE;
	case 1:
		break;
	case 3:
		data = ticks;
		n = 2;
		break;
	default:
		return bad(c, "unknown post-sync operation");
	}
	if (!n)
		return bad(c, "no data");
	return store(c, ppgtt, va, data, n) ? CS_FAULT : DONE;
}

static void ring_flush(struct cs *c)
{
	tlb_flush(c->e, c->l->asid, 0, UINT64_MAX, TLB_DROP);
	stats.tlb_ring_flushes++;
}

static int cmd_flush_dw(struct cs *c)
{
	if (c->dw[0] & BIT(18))
		ring_flush(c);
	return post_sync(c, c->dw[0], c->dw[1] & BIT(2), 1, c->n - 3);
}

static int cmd_pipe_control(struct cs *c)
{
	uint32_t flags = c->dw[1];

	if (flags & BIT(18))
		ring_flush(c);
	if (flags & BIT(23)) {
		set_reg(c, c->dw[2] & 0x7ffffc, c->dw[4]);
		return DONE;
	}
	return post_sync(c, flags, flags & BIT(24), 2, 2);
}

static int cmd_blt(struct cs *c)
{
	switch (blt_execute(c->e, c->l, c->dw, c->n, &c->budget)) {
	case 1:
		return DONE;
	case 0:
		return CS_BUDGET;
	case -1:
		return CS_FAULT;
	default:
		return bad(c, "unsupported form of the command");
	}
}

/* --- MI_ATOMIC --- */

enum {
	ATOMIC_AND = 1,
	ATOMIC_OR,
	ATOMIC_XOR,
	ATOMIC_MOVE,
	ATOMIC_INC,
	ATOMIC_DEC,
	ATOMIC_ADD,
	ATOMIC_SUB,
	ATOMIC_RSUB,
	ATOMIC_IMAX,
	ATOMIC_IMIN,
	ATOMIC_UMAX,
	ATOMIC_UMIN,
	ATOMIC_CMPWR,
	NR_ATOMICS
};

/* Signed values of 32 bits are extended before, so that one function does for both sizes */
static uint64_t atomic_result(unsigned int op, uint64_t old, uint64_t a,
			      uint64_t b)
{
	const uint64_t result[NR_ATOMICS] = {
		[ATOMIC_AND] = old & a,
		[ATOMIC_OR] = old | a,
		[ATOMIC_XOR] = old ^ a,
		[ATOMIC_MOVE] = a,
		[ATOMIC_INC] = old + 1,
		[ATOMIC_DEC] = old - 1,
		[ATOMIC_ADD] = old + a,
		[ATOMIC_SUB] = old - a,
		[ATOMIC_RSUB] = a - old,
		[ATOMIC_IMAX] = (int64_t)a > (int64_t)old ? a : old,
		[ATOMIC_IMIN] = (int64_t)a < (int64_t)old ? a : old,
		[ATOMIC_UMAX] = a > old ? a : old,
		[ATOMIC_UMIN] = a < old ? a : old,
		[ATOMIC_CMPWR] = old == a ? b : old,
	};

	return result[op];
}

static uint64_t atomic32(uint32_t *p, unsigned int op, uint32_t a, uint32_t b)
{
	uint32_t new, old = __atomic_load_n(p, __ATOMIC_RELAXED);

	do {
		new = atomic_result(op, (int32_t)old, (int32_t)a, (int32_t)b);
	} while (!__atomic_compare_exchange_n(
		p, &old, new, true, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
	return old;
}

static uint64_t atomic64(uint64_t *p, unsigned int op, uint64_t a, uint64_t b)
{
	uint64_t new, old = __atomic_load_n(p, __ATOMIC_RELAXED);

	do {
		new = atomic_result(op, old, a, b);
	} while (!__atomic_compare_exchange_n(
		p, &old, new, true, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
	return old;
}

/* PRM: operands in the command, by dwords of both in turn; else in GPR 0 and 2 */
static void atomic_operands(const struct cs *c, uint64_t *a, uint64_t *b)
{
	*a = c->l->gpr[0];
	*b = c->l->gpr[2];
	if (!(c->dw[0] & BIT(18)))
		return;
	*a = c->dw[3] | (uint64_t)c->dw[5] << 32;
	*b = c->dw[4] | (uint64_t)c->dw[6] << 32;
}

/* atomic_op(): bits 15:8; PRM: those for 64 bits are 0x20 up as well */
static unsigned int atomic_op(const struct cs *c)
{
	unsigned int op = FIELD(c->dw[0], 15, 8);
	unsigned int size = FIELD(c->dw[0], 20, 19);

	if (size == 1 && op >= 0x20)
		op -= 0x20;
	return size < 2 && op < NR_ATOMICS ? op : 0;
}

static int cmd_atomic(struct cs *c)
{
	unsigned int op = atomic_op(c), times = 1;
	unsigned int size = FIELD(c->dw[0], 20, 19) ? 8 : 4;
	uint64_t va = address(c, 1), len = size, a, b, old = 0;
	void *p;

	if (!op)
		return bad(c, "unknown atomic operation");
	if ((c->dw[0] & BIT(18) ? 11 : 3) != c->n)
		return bad(c, "length does not fit");
	if (va & (size - 1))
		return bad(c, "atomic operation across its size");
	p = as_ptr(c->e, c->l, space(c, c->dw[0] & USE_GGTT), va, ACC_ATOMIC,
		   &len);
	if (!p)
		return CS_FAULT;
	if (len < size || !aligned(p, size))
		return bad(c, "atomic operation across its size");
	atomic_operands(c, &a, &b);
	if (inject(INJECT_ATOMIC_TWICE, NULL))
		times = 2;
	while (times--)
		old = size == 8 ? atomic64(p, op, a, b) : atomic32(p, op, a, b);
	if (c->dw[0] & BIT(16))
		c->l->gpr[4] = old;
	return DONE;
}

/* --- the table --- */

#define CLASS_BIT(class) BIT(CLASS_##class)
#define ANY 0xff
#define COPY CLASS_BIT(COPY)
#define SHADERS (CLASS_BIT(RENDER) | CLASS_BIT(COMPUTE))
#define MI(op) 0xff800000, (uint32_t)(op) << 23
#define BLT(op) 0xffc00000, 2u << 29 | (uint32_t)(op) << 22

/**
 * struct command
 * @mask, @value: how to know it
 * @name: for messages
 * @field: where its length in dwords, less two, is; 0: it has one dword
 * @min, @max: of it
 * @classes: of engines that know it
 * @passive: it changes nothing that others can see
 * @run: executes it
 */
static const struct command {
	uint32_t mask, value;
	const char *name;
	uint16_t field, min, max;
	uint8_t classes;
	bool passive;
	int (*run)(struct cs *c);
} commands[] = {
	{ MI(0x20), "MI_STORE_DATA_IMM", 0x3ff, 4, 1023, ANY, false,
	  cmd_store_data_imm },
	{ MI(0x00), "MI_NOOP", 0, 1, 1, ANY, true, cmd_skip },
	{ MI(0x05), "MI_ARB_CHECK", 0, 1, 1, ANY, true, cmd_arb_check },
	{ MI(0x31), "MI_BATCH_BUFFER_START", 0xff, 3, 3, ANY, true,
	  cmd_batch_start },
	{ MI(0x36), "MI_CONDITIONAL_BATCH_BUFFER_END", 0xff, 4, 4, ANY, true,
	  cmd_cond_batch_end },
	{ MI(0x0a), "MI_BATCH_BUFFER_END", 0, 1, 1, ANY, true, cmd_batch_end },
	{ MI(0x02), "MI_USER_INTERRUPT", 0, 1, 1, ANY, false,
	  cmd_user_interrupt },
	{ MI(0x08), "MI_ARB_ON_OFF", 0, 1, 1, ANY, true, cmd_arb_on_off },
	{ MI(0x09), "MI_MEM_FENCE", 0, 1, 1, ANY, true, cmd_skip },
	{ MI(0x0b), "MI_SUSPEND_FLUSH", 0, 1, 1, ANY, true, cmd_skip },
	{ MI(0x0d), "MI_TOPOLOGY_FILTER", 0, 1, 1, ANY, true, cmd_skip },
	{ MI(0x0e), "MI_SET_APPID", 0, 1, 1, ANY, true, cmd_skip },
	{ MI(0x1a), "MI_MATH", 0xff, 2, 257, ANY, true, cmd_math },
	{ MI(0x1c), "MI_SEMAPHORE_WAIT", 0xff, 4, 5, ANY, true,
	  cmd_semaphore_wait },
	{ MI(0x1d), "MI_FORCE_WAKEUP", 0xff, 2, 2, ANY, true, cmd_skip },
	{ MI(0x21), "MI_STORE_DATA_INDEX", 0xff, 3, 4, ANY, false,
	  cmd_store_data_index },
	{ MI(0x22), "MI_LOAD_REGISTER_IMM", 0xff, 3, 257, ANY, true,
	  cmd_load_register_imm },
	{ MI(0x24), "MI_STORE_REGISTER_MEM", 0xff, 4, 4, ANY, false,
	  cmd_store_register_mem },
	{ MI(0x26), "MI_FLUSH_DW", 0x3f, 3, 5, ANY, false, cmd_flush_dw },
	{ MI(0x29), "MI_LOAD_REGISTER_MEM", 0xff, 4, 4, ANY, true,
	  cmd_load_register_mem },
	{ MI(0x2a), "MI_LOAD_REGISTER_REG", 0xff, 3, 3, ANY, true,
	  cmd_load_register_reg },
	{ MI(0x2e), "MI_COPY_MEM_MEM", 0xff, 5, 5, ANY, false,
	  cmd_copy_mem_mem },
	{ MI(0x2f), "MI_ATOMIC", 0xff, 3, 11, ANY, false, cmd_atomic },
	{ BLT(0x5a), "MEM_COPY", 0xff, 10, 10, COPY, false, cmd_blt },
	{ BLT(0x5b), "MEM_SET", 0xff, 7, 7, COPY, false, cmd_blt },
	{ BLT(0x42), "XY_FAST_COPY_BLT", 0xff, 10, 10, COPY, false, cmd_blt },
	{ BLT(0x44), "XY_FAST_COLOR_BLT", 0xff, 11, 16, COPY, false, cmd_blt },
	{ BLT(0x41), "XY_BLOCK_COPY_BLT", 0xff, 12, 22, COPY, false, cmd_blt },
	{ BLT(0x48), "XY_CTRL_SURF_COPY_BLT", 0xff, 5, 5, COPY, false,
	  cmd_blt },
	{ 0xffff0000, 0x7a000000, "PIPE_CONTROL", 0xff, 6, 6, SHADERS, false,
	  cmd_pipe_control },
	{ 0xffff0000, 0x72080000, "COMPUTE_WALKER", 0xff, 2, 257, SHADERS,
	  false, cmd_walker },
	{ 0xff000000, 0x7b000000, "3DPRIMITIVE", 0xff, 2, 257, SHADERS, false,
	  cmd_walker },
	{ 0xffff0000, 0x79170000, "3DSTATE_SO_DECL_LIST", 0x1ff, 2, 513,
	  SHADERS, true, cmd_skip },
	{ 0xf8000000, 0x68000000, "3DSTATE (one dword)", 0, 1, 1, SHADERS, true,
	  cmd_skip },
	{ 0xe0000000, 0x60000000, "3DSTATE", 0xff, 2, 257, SHADERS, true,
	  cmd_skip },
};

/* How often each was executed */
static uint64_t counts[ARRAY_SIZE(commands)];

void cs_report(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(commands); i++)
		if (counts[i])
			stats_set("command", commands[i].name, counts[i]);
}

/* --- fetching --- */

/* window(): where a page of commands is; remembered, as most go on in the same one */
static const uint8_t *window(struct cs *c, bool ppgtt, uint64_t va,
			     uint64_t *len)
{
	struct lrc *l = c->l;
	uint64_t key = va | (ppgtt ? 0 : GGTT_KEY), left = 4096 - (va & 4095);
	uint8_t *ptr;

	if (key < l->fetch_va || key >= l->fetch_end ||
	    l->fetch_gen != c->e->tlb.generation ||
	    l->fetch_dma_gen != c->e->tile->sim->mem.generation) {
		ptr = as_ptr(c->e, l, ppgtt, va, ACC_READ, &left);
		if (!ptr)
			return NULL;
		l->fetch_va = key;
		l->fetch_end = key + left;
		l->fetch_ptr = ptr;
		l->fetch_gen = c->e->tlb.generation;
		l->fetch_dma_gen = c->e->tile->sim->mem.generation;
	}
	*len = l->fetch_end - key;
	return l->fetch_ptr + (key - l->fetch_va);
}

/* fetch(): the dwords of the command that are missing for it to have end of them */
static int fetch(struct cs *c, unsigned int end)
{
	struct lrc *l = c->l;
	bool ppgtt = in_ppgtt_batch(l);

	while (c->n < end) {
		uint64_t va = (where(l) + 4 * c->n) & va_mask(c->e), len;
		unsigned int words = end - c->n;
		const uint8_t *from;

		if (!l->depth) {
			uint32_t at = (l->head + 4 * c->n) % l->ring_size;

			va = (uint64_t)l->ring_start + at;
			if (words > (l->ring_size - at) / 4)
				words = (l->ring_size - at) / 4;
		}
		from = window(c, ppgtt, va, &len);
		if (!from)
			return -1;
		if (words > len / 4)
			words = len / 4;
		if (words)
			memcpy(&c->dw[c->n], from, 4 * words);
		else if (as_read(c->e, l, ppgtt, va, &c->dw[c->n], 4))
			return -1;
		c->n += words ? words : 1;
	}
	return 0;
}

/* --- execution --- */

static const struct command *find(uint32_t dw)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(commands); i++)
		if ((dw & commands[i].mask) == commands[i].value)
			return &commands[i];
	return NULL;
}

/* decode(): the command and its length, or NULL: it makes no sense here */
static const struct command *decode(struct cs *c, unsigned int *n)
{
	const struct lrc *l = c->l;
	const struct command *cmd = find(c->dw[0]);

	c->why = "unknown command";
	if (!cmd)
		return NULL;
	*n = cmd->field ? (c->dw[0] & cmd->field) + 2 : 1;
	c->why = "no command of this engine";
	if (!(cmd->classes & BIT(c->e->desc->class)))
		return NULL;
	c->why = "length does not fit";
	if (*n < cmd->min || *n > cmd->max)
		return NULL;
	c->why = "command beyond the tail";
	if (!l->depth &&
	    4 * *n > (l->tail + l->ring_size - l->head) % l->ring_size)
		return NULL;
	return cmd;
}

/* hang(): says why, with the dwords that were fetched, eight at most */
static int hang(struct cs *c)
{
	char text[9 * 8] = "not fetched";
	struct lrc *l = c->l;
	unsigned int i;

	for (i = 0; i < c->n && i < 8; i++)
		snprintf(text + 9 * i - !!i, 10, "%s%08x", i ? " " : "",
			 c->dw[i]);
	l->hung = true;
	l->progress = 0;
	stats.hangs++;
	note(c->e->tile, "%s: context %u hangs at %s 0x%llx: %s (%s)",
	     c->e->desc->name, ctx_id(l), in_ppgtt_batch(l) ? "va" : "ggtt",
	     (unsigned long long)where(l), c->why, text);
	return CS_HANG;
}

static void advance(struct cs *c)
{
	struct lrc *l = c->l;

	if (l->depth)
		l->bb[l->depth - 1].addr =
			(where(l) + 4 * c->n) & va_mask(c->e);
	else
		l->head = (l->head + 4 * c->n) % l->ring_size;
}

static void retire(struct cs *c, const struct command *cmd)
{
	unsigned int cost = 1 + c->n / 16;

	stats.commands++;
	counts[cmd - commands]++;
	c->l->progress = 0;
	c->worked |= !cmd->passive;
	c->budget -= c->budget < cost ? c->budget : cost;
}

/* step(): executes a command; DONE, or why it is not */
static int step(struct cs *c)
{
	const struct command *cmd;
	unsigned int n;
	int how;

	c->n = 0;
	if (fetch(c, 1))
		return CS_FAULT;
	cmd = decode(c, &n);
	if (!cmd)
		return CS_HANG;
	if (fetch(c, n))
		return CS_FAULT;
	how = cmd->run(c);
	if (how < DONE)
		return how;
	trace(c->e->tile, "cs COMMAND name=%s engine=%s ctx=%u", cmd->name,
	      c->e->desc->name, ctx_id(c->l));
	if (how == DONE || how == DONE_YIELD)
		advance(c);
	retire(c, cmd);
	if (how == JUMPED_HANG)
		return CS_HANG;
	return how == DONE_YIELD ? CS_YIELD : DONE;
}

/* at_ring(): what there is to do between two commands of the ring */
static int at_ring(struct cs *c)
{
	const struct lrc *l = c->l;

	if (l->head >= l->ring_size || l->tail >= l->ring_size ||
	    ((l->head | l->tail) & 3))
		return bad(c, "head or tail outside of the ring");
	if (l->head == l->tail)
		return CS_EMPTY;
	return yields(c) ? CS_YIELD : DONE;
}

static bool stalled(struct engine *e)
{
	if (!e->busy_until)
		return false;
	if (now_ns() < e->busy_until)
		return true;
	e->busy_until = 0;
	return false;
}

static int run(struct cs *c)
{
	int how;

	do {
		c->n = 0;
		if (stalled(c->e))
			return CS_STALL;
		how = c->l->depth ? DONE : at_ring(c);
		if (how == DONE)
			how = c->budget ? step(c) : CS_BUDGET;
	} while (how == DONE);
	return how;
}

static void trace_fault(const struct cs *c)
{
	const struct fault *f = &c->l->fault;

	trace(c->e->tile,
	      "cs FAULT engine=%s ctx=%u va=0x%llx access=%u type=%u level=%u "
	      "fatal=%u",
	      c->e->desc->name, ctx_id(c->l), (unsigned long long)f->va,
	      f->access, f->type, f->level, f->fatal);
}

/* loops_idly(): it looks as if it waits for something that others do */
static bool loops_idly(const struct cs *c)
{
	return c->loops > 100 || (c->loops && !c->worked);
}

enum cs_stop cs_run(struct engine *e, struct lrc *l, unsigned int budget)
{
	struct cs c = { .e = e, .l = l, .budget = budget };
	int how;

	if (l->hung)
		return CS_HANG;
	/* Page tables and GGTT may have changed since */
	l->fetch_va = 0;
	l->fetch_end = 0;
	how = run(&c);
	if (how == CS_HANG)
		hang(&c);
	if (how == CS_FAULT)
		trace_fault(&c);
	l->spins = how == CS_BUDGET && loops_idly(&c);
	return how;
}
