// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzzes the firmware: messages in the H2G ring and the mailbox, and all that it reads of
 * what they name: rings, images of contexts, work queues, batches, page tables.  The input
 * is a sequence of operations, each a byte and what it takes.  What comes out of the G2H
 * ring is checked.
 */
#define _GNU_SOURCE
#include <assert.h>
#include <sys/mman.h>

#include "channel.h"

#define NR_LRCS 4
#define LRC(n) (0x03000000u + 0x10000u * (n))
#define PPHWSP(n) (LRC(n) + RING_SIZE)
#define IMAGE(n, i) (PPHWSP(n) + 0x1000 + 4 * (i))
#define LRC_SIZE (RING_SIZE + 2 * PAGE)
#define CTX_RING_TAIL 0x07
#define BATCH 0x100000ull
#define PAGES 4 /* from there on */
#define GDRST 0x941c
#define MAX_PAYLOAD 32

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *p;
	size_t left;
	struct channel *c;
	uint32_t fault[2]; /* the last one that was reported, up to its names */
	bool wild;	   /* somebody else may have written to the G2H ring */
};

/* take(): a number of so many bytes, 0 where there is no more input */
static uint32_t take(struct input *in, unsigned int bytes)
{
	uint32_t v = 0;

	for (; bytes && in->left; bytes--, in->left--)
		v = v << 8 | *in->p++;
	return v;
}

/* take_value(): most are such as make sense somewhere */
static uint32_t take_value(struct input *in)
{
	uint32_t b = take(in, 1);

	switch (b >> 5) {
	case 4:
		return PPHWSP(b % NR_LRCS) | 0x119;
	case 5:
		return PPHWSP(b % NR_LRCS) + (b & 16 ? 2048 : 3072);
	case 6:
		return (0x2001 + b % 5) << 16 | 1;
	case 7:
		in->wild = true;
		return take(in, 4);
	default:
		return b & 15 ? b & 15 : b << 6;
	}
}

static void make_lrc(struct channel *c, unsigned int n)
{
	const uint32_t image[][2] = {
		{ 0x09, LRC(n) },
		{ 0x0b, (RING_SIZE - 4096) | 1 },
		{ 0x2f, c->f->l->asid },
		{ 0x33, c->f->l->root },
	};
	unsigned int i;

	fixture_ggtt(c->f, LRC(n), fixture_alloc(c->f, LRC_SIZE), LRC_SIZE);
	for (i = 0; i < ARRAY_SIZE(image); i++)
		ggtt_write32(c->t, IMAGE(n, image[i][0]), image[i][1]);
}

/* --- what GuC says --- */

/* Of an event: dwords from the HXG header on */
static unsigned int event_length(uint32_t hxg)
{
	switch (hxg & 0xffff) {
	case 0x1002:
		return 3;
	case 0x6002:
	case 0x6004:
		return 5;
	case 0x1008:
	case 0x4600:
	case 0x6000:
	case 0x7001:
		return 2;
	}
	return 0;
}

static void check_message(struct input *in, const uint32_t *dw, unsigned int n,
			  uint16_t fence)
{
	unsigned int type = dw[0] >> 28 & 7;

	assert(dw[0] >> 31);
	if (type == TYPE_EVENT) {
		assert(!fence);
		assert(n == event_length(dw[0]));
		if ((dw[0] & 0xffff) == 0x6002)
			memcpy(in->fault, &dw[1], sizeof(in->fault));
	} else {
		assert(type == 6 || type == 7);
		assert(n == 1);
	}
}

/* --- operations --- */

static void op_message(struct input *in)
{
	static const uint16_t actions[] = {
		0x1000, 0x1001, 0x4502, 0x4503, 0x100b, 0x6003, 0x7000, 0x7002,
		0x4601, 0x3003, 0x3004, 0x0030, 0x0506, 0x0509, 0x550c, 0x550e,
	};
	uint32_t how = take(in, 1), payload[MAX_PAYLOAD], action;
	unsigned int i, n = how >> 3;

	action = how & 4 ? take(in, 2) : actions[take(in, 1) % 16];
	for (i = 0; i < n; i++)
		payload[i] = take_value(in);
	channel_send(in->c, HXG(how & 3, action), payload, n);
}

/* A context is registered and enabled, for it takes long to find out how */
static void op_context(struct input *in)
{
	uint32_t b = take(in, 1), n = b % NR_LRCS;
	uint32_t class = b & 16 ? 4 : 3, mask = 1 + (b >> 5) % 3;
	uint32_t dw[] = {
		0, n, class, mask, 0, 0, 0, 0, 0, PPHWSP(n) | 0x119, 0
	};
	uint32_t multi[] = { 0,
			     n,
			     4,
			     mask,
			     PPHWSP(n) + 2048,
			     0,
			     PPHWSP(n) + 3072,
			     0,
			     1024,
			     2,
			     PPHWSP(0) | 0x119,
			     0,
			     PPHWSP(1) | 0x119,
			     0 };
	uint32_t enable[] = { n, 1 };

	if (b & 8)
		channel_send(in->c, HXG(TYPE_FAST, 0x4601), multi, 14);
	else
		channel_send(in->c, HXG(TYPE_FAST, 0x4502), dw, 11);
	channel_send(in->c, HXG(TYPE_FAST, 0x1001), enable, 2);
}

/* Commands into the ring of an LRC, and word of it */
static void op_job(struct input *in)
{
	uint32_t b = take(in, 1), n = b % NR_LRCS, i;
	uint32_t tail = ggtt_read32(in->c->t, IMAGE(n, CTX_RING_TAIL));

	in->wild = true;
	for (i = 0; i < b >> 2; i++) {
		tail &= RING_SIZE - 4;
		ggtt_write32(in->c->t, LRC(n) + tail, take(in, 4));
		tail = (tail + 4) % RING_SIZE;
	}
	ggtt_write32(in->c->t, IMAGE(n, CTX_RING_TAIL), tail);
	channel_send(in->c, HXG(TYPE_FAST, 0x1000), &n, 1);
}

static void op_ring(struct input *in)
{
	unsigned int n = take(in, 1) & 15;
	uint32_t dw;

	in->wild = true;
	while (n--) {
		dw = take(in, 4);
		channel_put(in->c, &dw, 1);
	}
	channel_notify(in->c);
}

static void op_descriptor(struct input *in)
{
	uint32_t b = take(in, 1);

	in->wild = true;
	ggtt_write32(in->c->t, (b & 1 ? H2G_DESC : G2H_DESC) + (b >> 1) % 3 * 4,
		     take_value(in));
	regs_write(in->c->t, DOORBELL, 1);
}

static void op_poke(struct input *in)
{
	uint32_t b = take(in, 1), offset = take(in, 2) & ~3u;

	ggtt_write32(in->c->t, LRC(b % NR_LRCS) + offset % LRC_SIZE,
		     take_value(in));
}

static void op_image(struct input *in)
{
	uint32_t b = take(in, 1), i = take(in, 1) % 0x36;

	ggtt_write32(in->c->t, IMAGE(b % NR_LRCS, i), take_value(in));
}

/* In batches; pages are there again whatever happened to them */
static void op_batch(struct input *in)
{
	uint32_t b = take(in, 1), n = b & 15, i;
	uint64_t va = BATCH + (b >> 4) % PAGES * PAGE;
	uint8_t *to = fixture_vram(in->c->f, MIB(16)) + (va - BATCH);

	in->wild = true;
	for (i = 0; i < n; i++) {
		uint32_t dw = take(in, 4);

		memcpy(to + 4 * i, &dw, 4);
	}
}

/* An entry of a page table, of that of the first page of batches at least */
static void op_entry(struct input *in)
{
	uint32_t b = take(in, 1);
	uint64_t *slot = fixture_vram(in->c->f, in->c->f->l->root);

	if (b & 1)
		slot = fixture_vram(in->c->f, MIB(17));
	slot[b >> 1] = take_value(in) | (uint64_t)take(in, 1) << 32;
}

static void op_ggtt(struct input *in)
{
	uint32_t b = take(in, 1), page = take(in, 1) % (LRC_SIZE / PAGE);

	in->c->t->gsm[LRC(b % NR_LRCS) / PAGE + page] =
		take_value(in) | (uint64_t)(b >> 2) << 12;
}

static void op_run(struct input *in)
{
	unsigned int n = 1 + (take(in, 1) & 3);

	while (n--) {
		timers_run();
		sched_run(&in->c->f->sim);
	}
}

static void op_receive(struct input *in)
{
	uint32_t dw[MAX_HXG];
	unsigned int i, n;
	uint16_t fence;

	if (in->c->t->guc.ctb_broken)
		return;
	/* There are not more in the ring, but its tail may be anything */
	for (i = 0; i < in->c->g2h_size; i++) {
		n = channel_receive(in->c, dw, &fence);
		if (!n)
			break;
		if (!in->wild)
			check_message(in, dw, n, fence);
	}
}

static void op_respond(struct input *in)
{
	uint32_t b = take(in, 1), *report = in->fault;
	uint32_t tag = report[0] >> 28 | (report[1] & 0xfff) << 4;
	uint32_t dw[] = { 1 | (b & 2) | (report[1] & ~0xfffu),
			  (report[0] >> 19 & 0x3f) << 7 |
				  (report[0] >> 25 & 7) << 13 | tag << 16 };

	channel_send(in->c, HXG(TYPE_FAST, 0x6003), dw, 2);
}

static void op_mailbox(struct input *in)
{
	static const uint32_t actions[] = { 0x508, 0x4100, 0x4509, 0x5507 };
	uint32_t action = actions[take(in, 1) & 3], key, value;

	in->wild = true;
	key = action == 0x508 ? (0x902 + take(in, 1) % 6) << 16 | 2
			      : take_value(in);
	value = take_value(in);
	channel_mailbox(in->c, action, key, value, take_value(in));
}

static void op_reset(struct input *in)
{
	uint32_t b = take(in, 1);

	regs_write(in->c->t, GDRST, b & 1 ? 1 : 8);
	if (b & 2 && channel_boot(in->c))
		abort();
}

static void op_latency(struct input *in)
{
	struct latency *l = &in->c->f->sim.opt.latency;
	uint32_t b = take(in, 1);

	l->flush_ns = b & 1 ? 1000 : 0;
	l->fault_ns = b & 2 ? 1000 : 0;
	l->job_ns = b & 4 ? 1000 : 0;
	l->irq_ns = b & 8 ? 1000 : 0;
	l->copy_bps = b & 16 ? 1000000000 : 0;
}

static void (*const operations[])(struct input *in) = {
	op_message, op_context, op_job,	  op_ring,    op_descriptor, op_poke,
	op_image,   op_batch,	op_entry, op_ggtt,    op_run,	     op_receive,
	op_respond, op_mailbox, op_reset, op_latency,
};

/* --- the device: one for all inputs, as new for each --- */

static struct channel *channel;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	channel = channel_open(H2G_DWORDS, 64);
	if (!channel)
		abort();
	return 0;
}

static void make_memory(struct fixture *f)
{
	unsigned int i;

	if (madvise(f->sim.mem.vram, f->sim.mem.vram_size, MADV_REMOVE))
		abort();
	f->next = MIB(1);
	fixture_context(f);
	channel_memory(channel);
	for (i = 0; i < NR_LRCS; i++)
		make_lrc(channel, i);
	for (i = 0; i < PAGES; i++)
		fixture_map(f, BATCH + i * PAGE, MIB(16) + i * PAGE, PTE_ALL);
	/* The last table is where op_entry() finds it */
	memcpy(fixture_vram(f, MIB(17)),
	       fixture_vram(f, *fixture_slot(f, BATCH, 1) & PTE_ADDR), PAGE);
	*fixture_slot(f, BATCH, 1) = MIB(17) | PTE_PRESENT | PTE_RW;
}

static void run(struct input *in)
{
	unsigned int i;

	while (in->left)
		operations[take(in, 1) % ARRAY_SIZE(operations)](in);
	for (i = 0; i < 8; i++) {
		timers_run();
		sched_run(&channel->f->sim);
	}
}

/* Nothing is left of an input */
static void reset(struct sim *sim)
{
	reset_gdrst(channel->t, 1);
	irq_reset(channel->t);
	timer_cancel(&sim->irq_timer);
	sim->opt.latency = (struct latency){ 0 };
	assert(timers_next() == -1);
	assert(sched_run(sim) == -1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { .p = data, .left = size, .c = channel };

	make_memory(channel->f);
	if (channel_boot(channel))
		abort();
	run(&in);
	reset(&channel->f->sim);
	return 0;
}
