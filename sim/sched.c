// SPDX-License-Identifier: GPL-2.0-only
/*
 * What GuC does with contexts: registered, enabled, put on engines in slices, taken off, ended.
 *
 * A context has one ring, or several if it is parallel, and each (a struct lrc) is scheduled on
 * its own:
 *
 *	OFF --enable--> IDLE --submit--> READY <--> RUNNING --fault--> FAULTED
 *	                  ^----- ring empty ---------'  ^---- answer -----'
 *
 * An error makes all of them DEAD, whatever they were; disabling makes them OFF.  A context is
 * taken off an engine at an arbitration point only; where it does not come to one in time, the
 * engine is reset under it.  One that waits for a page fault is on no engine.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "xesim.h"

/* Commands, or 64 bytes moved, of one slice */
#define SLICE_BUDGET 8192
/* How soon a context that only waits is looked at again, ns */
#define SPIN_NS 20000
/* A context has at least that long to yield, whatever the driver says, ns */
#define MIN_PREEMPT_NS 1000000ull
#define MIN_PREEMPT_SLICES 2
/* An access is not reported again and again for ever */
#define MAX_REPLAYS 1000
#define MAX_REPLAY_NS 2000000000ull

/* Context image, from PPHWSP + 0x1000 on, in dwords: sheet 6.1 */
#define IMAGE 0x1000
#define CTX_RING_HEAD 0x05
#define CTX_RING_TAIL 0x07
#define CTX_RING_START 0x09
#define CTX_RING_CTL 0x0b
#define CTX_TIMESTAMP 0x23
#define CTX_TIMESTAMP_UDW 0x25
#define CTX_ACC_CTR_THOLD 0x2b
#define CTX_ASID 0x2f
#define CTX_PDP0_UDW 0x31
#define CTX_PDP0_LDW 0x33

/* LRC descriptor */
#define DESC_ADDRESS 0xfffff000u
#define DESC_PPGTT BIT(8)

/* Work queue of a parallel context: sheet 6.3 */
#define WQ_HEAD 0
#define WQ_TAIL 4
#define WQ_TYPE_NOOP 4
#define WQ_TYPE_MULTI_LRC 5

/* Keys of UPDATE_CONTEXT_POLICIES: sheet 5.5 */
#define KEY_QUANTUM 0x2001
#define KEY_PREEMPTION_TIMEOUT 0x2002
#define KEY_PRIORITY 0x2003
#define KEY_PREEMPT_TO_IDLE 0x2004
#define KEY_SLPC_FREQUENCY 0x2005

/* Reference clock: 19.2 MHz, sheet 3.4 #14 */
static uint64_t to_ticks(uint64_t ns)
{
	return ns / 625 * 12 + ns % 625 * 12 / 625;
}

uint64_t clock_ticks(void)
{
	return to_ticks(now_ns());
}

/* --- the image in memory --- */

static uint32_t image_read(const struct lrc *l, unsigned int index)
{
	return ggtt_read32(l->ctx->tile, l->pphwsp + IMAGE + 4 * index);
}

static void image_write(const struct lrc *l, unsigned int index, uint32_t value)
{
	ggtt_write32(l->ctx->tile, l->pphwsp + IMAGE + 4 * index, value);
}

uint64_t lrc_timestamp(const struct lrc *l)
{
	if (l->state != LRC_RUNNING)
		return l->ticks;
	return l->ticks + to_ticks(now_ns() - l->since);
}

static void save_timestamp(struct lrc *l)
{
	uint64_t ticks = lrc_timestamp(l);

	image_write(l, CTX_TIMESTAMP, ticks);
	if (l->ctx->tile->sim->prof->wide_timestamp)
		image_write(l, CTX_TIMESTAMP_UDW, ticks >> 32);
}

static uint64_t load_timestamp(const struct lrc *l)
{
	uint64_t ticks = image_read(l, CTX_TIMESTAMP);

	if (l->ctx->tile->sim->prof->wide_timestamp)
		ticks |= (uint64_t)image_read(l, CTX_TIMESTAMP_UDW) << 32;
	return ticks;
}

static uint32_t image_asid(const struct lrc *l)
{
	return image_read(l, CTX_ASID) & 0xfffff;
}

/* load(): what the driver may have changed while the context was off.  A head that is not where
 * the context stopped starts it anew, outside of any batch.
 */
static void load(struct lrc *l)
{
	uint32_t head = image_read(l, CTX_RING_HEAD);

	l->ring_start = image_read(l, CTX_RING_START) & ~4095u;
	l->ring_size = (image_read(l, CTX_RING_CTL) & 0x1ff000) + 4096;
	l->tail = image_read(l, CTX_RING_TAIL);
	l->asid = image_asid(l);
	l->acc_threshold = image_read(l, CTX_ACC_CTR_THOLD) & 0xffff;
	l->acc_granularity = FIELD(image_read(l, CTX_ASID), 21, 20);
	l->root = image_read(l, CTX_PDP0_LDW) |
		  (uint64_t)image_read(l, CTX_PDP0_UDW) << 32;
	l->ticks = load_timestamp(l);
	l->fetch_ptr = NULL;
	if (head == l->head)
		return;
	l->head = head;
	l->depth = 0;
	l->progress = 0;
	l->arbitration = true;
}

/* --- lists --- */

static struct lrc_list *list_of(const struct lrc *l)
{
	return &l->ctx->tile->sched.ready[l->ctx->class][l->ctx->priority];
}

static void set_state(struct lrc *l, enum lrc_state state)
{
	if (l->state == LRC_READY)
		TAILQ_REMOVE(list_of(l), l, link);
	l->state = state;
	if (state == LRC_READY)
		TAILQ_INSERT_TAIL(list_of(l), l, link);
}

static bool may_run_on(const struct lrc *l, const struct engine *e)
{
	return l->ctx->mask << l->index >> e->logical & 1;
}

/* next_for(): the first of the highest priority, above limit (that one not included) */
static struct lrc *next_for(const struct engine *e, unsigned int limit)
{
	struct lrc_list *list = e->tile->sched.ready[e->desc->class];
	struct lrc *l;
	unsigned int i;

	for (i = 0; i < limit && i < NR_PRIORITIES; i++)
		TAILQ_FOREACH(l, &list[i], link)
	if (may_run_on(l, e))
		return l;
	return NULL;
}

/* --- on and off an engine --- */

static void switch_in(struct engine *e, struct lrc *l)
{
	set_state(l, LRC_RUNNING);
	load(l);
	l->engine = e;
	l->since = now_ns();
	e->current = l;
	e->preempt = false;
	e->slice_start = l->since;
	stats.context_switches++;
	trace(e->tile, "sched in engine=%s ctx=%u head=0x%x tail=0x%x asid=%u",
	      e->desc->name, l->ctx->id, l->head, l->tail, l->asid);
}

static void switch_out(struct engine *e, enum lrc_state state)
{
	struct lrc *l = e->current;

	save_timestamp(l);
	l->ticks = lrc_timestamp(l);
	image_write(l, CTX_RING_HEAD, l->head);
	e->current = NULL;
	e->preempt = false;
	timer_cancel(&e->preempt_timer);
	trace(e->tile, "sched out engine=%s ctx=%u head=0x%x state=%d",
	      e->desc->name, l->ctx->id, l->head, state);
	set_state(l, state);
}

/* Has the tags of faults that were reported, and nobody waits for any more */
static struct lrc nobody;

static void forget_fault(struct lrc *l)
{
	bool reported = !l->fault_timer.armed;

	timer_cancel(&l->fault_timer);
	if (l->fault_pending)
		l->ctx->tile->sched.faulted[l->fault_tag] =
			reported ? &nobody : NULL;
	l->fault_pending = false;
}

/* stop(): at once, wherever it is */
static void stop(struct lrc *l, enum lrc_state state)
{
	forget_fault(l);
	l->hung = false;
	if (l->state == LRC_RUNNING)
		switch_out(l->engine, state);
	else
		set_state(l, state);
}

static void stop_all(struct ctx *c, enum lrc_state state)
{
	unsigned int i;

	for (i = 0; i < c->width; i++)
		stop(&c->lrc[i], state);
}

/* --- the end of a context --- */

static void settle(struct ctx *c)
{
	uint32_t asid = image_asid(&c->lrc[0]);
	unsigned int i;

	for (i = 0; i < c->tile->nr_engines; i++)
		tlb_flush(&c->tile->engine[i], asid, 0, UINT64_MAX, TLB_SETTLE);
}

static void disabled(struct ctx *c)
{
	uint32_t payload[] = { c->id, 0 };

	c->enabled = false;
	settle(c);
	for (; c->disabling; c->disabling--)
		guc_event(c->tile, 0x1002, 2, payload);
}

/* check_disabled(): a context that is being disabled is so when no LRC is left on an engine */
static void check_disabled(struct ctx *c)
{
	unsigned int i;

	if (!c->disabling)
		return;
	for (i = 0; i < c->width; i++)
		if (c->lrc[i].state == LRC_RUNNING)
			return;
	stop_all(c, LRC_OFF);
	disabled(c);
}

static void die(struct ctx *c, uint16_t event)
{
	stop_all(c, LRC_DEAD);
	if (!c->dead)
		guc_event(c->tile, event, 1, &c->id);
	c->dead = true;
	check_disabled(c);
}

static void cat_error(struct lrc *l, const char *why)
{
	stats.cat_errors++;
	note(l->ctx->tile,
	     "sched: context %u ends with a CAT error: %s at 0x%llx",
	     l->ctx->id, why, (unsigned long long)l->fault.va);
	die(l->ctx, 0x6000);
}

/* --- preemption --- */

static void preempt_timeout(void *arg)
{
	struct engine *e = arg;
	struct lrc *l = e->current;

	if (!l || !e->preempt)
		return;
	if (!l->hung && e->preempt_slices < MIN_PREEMPT_SLICES) {
		timer_arm(&e->preempt_timer, MIN_PREEMPT_NS, preempt_timeout,
			  e);
		return;
	}
	stats.engine_resets++;
	note(e->tile, "sched: %s is reset, context %u did not yield in %llu us",
	     e->desc->name, l->ctx->id,
	     (unsigned long long)l->ctx->preempt_ns / 1000);
	tlb_flush(e, TLB_ALL_ASIDS, 0, UINT64_MAX, TLB_DROP);
	die(l->ctx, 0x1008);
}

static void preempt(struct engine *e)
{
	uint64_t limit = e->current->ctx->preempt_ns;

	if (!e->preempt) {
		e->preempt = true;
		e->preempt_slices = 0;
	}
	if (limit)
		timer_arm(&e->preempt_timer,
			  limit > MIN_PREEMPT_NS ? limit : MIN_PREEMPT_NS,
			  preempt_timeout, e);
}

/* contend(): is it somebody else's turn? */
static void contend(struct engine *e)
{
	const struct ctx *c = e->current->ctx;
	bool over = c->quantum_ns && now_ns() - e->slice_start >= c->quantum_ns;

	if (!e->preempt && next_for(e, c->priority + (over ? 1 : 0)))
		preempt(e);
}

/* --- page faults: sheet 8 --- */

static void send_fault(const struct lrc *l, const struct fault *f, uint16_t tag)
{
	struct tile *t = l->ctx->tile;
	const struct engine_desc *d = l->engine->desc;
	uint32_t dw[4];

	dw[0] = f->level | d->instance << 19 | d->class << 25 |
		(uint32_t)(tag & 15) << 28;
	dw[1] = tag >> 4 | l->asid << 12;
	dw[2] = f->access | f->type << 2 | ((uint32_t)f->va & ~4095u);
	dw[3] = f->va >> 32;
	stats.faults++;
	trace(t,
	      "fault report engine=%s ctx=%u asid=%u va=0x%llx access=%d "
	      "type=%d level=%u tag=%u",
	      d->name, l->ctx->id, l->asid, (unsigned long long)f->va,
	      f->access, f->type, f->level, tag);
	guc_event(t, 0x6002, 4, dw);
}

/* take_tag(): the next one that has this owner, from now on l; or -1 */
static int take_tag(struct sched *s, const struct lrc *owner, struct lrc *l)
{
	unsigned int i;

	for (i = 0; i < MAX_TAGS; i++, s->next_tag++) {
		if (s->faulted[s->next_tag] == owner) {
			s->faulted[s->next_tag] = l;
			return s->next_tag++;
		}
	}
	return -1;
}

/* new_tag(): a free one, or else one whose answer is late; or -1 */
static int new_tag(struct sched *s, struct lrc *l)
{
	int tag = take_tag(s, NULL, l);

	return tag < 0 ? take_tag(s, &nobody, l) : tag;
}

/* spurious_fault(): at the end of the address space; nobody waits for the answer */
static void spurious_fault(const struct lrc *l)
{
	struct tile *t = l->ctx->tile;
	struct fault f = { .va = BIT64(t->sim->prof->va_bits) - 4096,
			   .level = MAX_LEVELS - 1 };
	int tag = new_tag(&t->sched, &nobody);

	if (tag >= 0)
		send_fault(l, &f, tag);
}

static void report_fault(void *arg)
{
	struct lrc *l = arg;
	const char *engine = l->engine->desc->name;

	if (inject(INJECT_FAULT_SPURIOUS, engine))
		spurious_fault(l);
	if (inject(INJECT_FAULT_DROP, NULL))
		return;
	send_fault(l, &l->fault, l->fault_tag);
	if (inject(INJECT_FAULT_TWICE, engine))
		send_fault(l, &l->fault, l->fault_tag);
}

static bool replayed_too_often(struct lrc *l)
{
	if (!l->replays || l->replay.va != l->fault.va ||
	    l->replay.access != l->fault.access) {
		l->replay = l->fault;
		l->replays = 0;
		l->replay_since = now_ns();
	}
	return ++l->replays > MAX_REPLAYS &&
	       now_ns() - l->replay_since > MAX_REPLAY_NS;
}

static void faulted(struct engine *e, struct lrc *l)
{
	int tag;

	switch_out(e, LRC_FAULTED);
	if (l->fault.fatal) {
		cat_error(l, "no memory");
		return;
	}
	if (replayed_too_often(l)) {
		stats.fault_replay_limit++;
		cat_error(l, "answered faults that were not served");
		return;
	}
	tag = new_tag(&e->tile->sched, l);
	if (tag < 0) {
		cat_error(l, "more faults than there are tags");
		return;
	}
	l->fault_tag = tag;
	l->fault_pending = true;
	if (e->tile->sim->opt.latency.fault_ns)
		timer_arm(&l->fault_timer, e->tile->sim->opt.latency.fault_ns,
			  report_fault, l);
	else
		report_fault(l);
	check_disabled(l->ctx);
}

/* answers(): does it repeat the names of this context's fault? */
static bool answers(const struct lrc *l, const uint32_t *desc)
{
	const struct engine_desc *d = l->engine->desc;

	return desc[0] >> 12 == l->asid &&
	       FIELD(desc[1], 12, 7) == d->instance &&
	       FIELD(desc[1], 15, 13) == d->class;
}

static void answered(struct lrc *l, bool failed)
{
	l->fault_pending = false;
	if (failed) {
		cat_error(l, "page fault not served");
		return;
	}
	l->served = true;
	/* It is walked anew, also where the entry was there, and allowed too little */
	tlb_flush(l->engine, l->asid, l->fault.va, 4096, TLB_DROP);
	set_state(l, LRC_READY);
}

/**
 * sched_fault_response() - the driver has served a fault, or cannot
 * @t: tile
 * @desc: two dwords of PAGE_FAULT_RES_DESC
 *
 * Return: 0, or -1: it is no answer, or one to another fault than the one with its tag.
 */
int sched_fault_response(struct tile *t, const uint32_t *desc)
{
	struct lrc **waits = &t->sched.faulted[desc[1] >> 16], *l = *waits;
	bool failed = desc[0] & BIT(1);

	if (!(desc[0] & BIT(0)))
		return -1;
	if (l && l->fault_timer.armed)
		l = NULL; /* it is not reported yet */
	else if (l && l != &nobody && !answers(l, desc))
		return -1;
	else
		*waits = NULL;
	stats.fault_responses++;
	if (failed)
		stats.fault_failures++;
	trace(t, "fault response tag=%u failed=%u", desc[1] >> 16, failed);
	if (l && l != &nobody)
		answered(l, failed);
	else
		stats.fault_late++;
	return 0;
}

/* --- requests of the driver --- */

static struct ctx *find(struct tile *t, uint32_t id)
{
	return id < MAX_CTX ? t->sched.ctx[id] : NULL;
}

/* Engine classes as GuC numbers them: driver: xe_engine_class_to_guc_class() */
static int hw_class(uint32_t guc_class)
{
	static const enum hw_class map[] = { CLASS_RENDER,	  CLASS_VIDEO,
					     CLASS_VIDEO_ENHANCE, CLASS_COPY,
					     CLASS_COMPUTE,	  CLASS_OTHER };

	return guc_class < ARRAY_SIZE(map) ? (int)map[guc_class] : -1;
}

/* Only a reset of the GT helps then: driver: xe_guc_exec_queue_reset_failure_handler() */
void sched_broken(struct engine *e)
{
	uint32_t payload[] = { 0, e->logical, 0 };

	while (hw_class(payload[0]) != (int)e->desc->class)
		payload[0]++;
	guc_event(e->tile, 0x1009, 3, payload);
}

static uint32_t present(const struct tile *t, int class)
{
	uint32_t mask = 0;
	unsigned int i;

	for (i = 0; i < t->nr_engines; i++)
		if ((int)t->engine[i].desc->class == class)
			mask |= BIT(t->engine[i].logical);
	return mask;
}

int sched_register(struct tile *t, uint32_t id, uint32_t guc_class,
		   uint32_t mask, unsigned int width, const uint64_t *lrcs,
		   uint64_t wq_desc, uint64_t wq_base, uint32_t wq_size)
{
	int class = hw_class(guc_class);
	struct ctx *c;
	unsigned int i;

	if (id >= MAX_CTX || t->sched.ctx[id] || class < 0)
		return -1;
	/* Each LRC has to have an engine, or would wait for ever */
	for (i = 0; i < width; i++)
		if (!(mask << i & present(t, class)))
			return -1;
	c = calloc(1, sizeof(*c) + width * sizeof(c->lrc[0]));
	if (!c)
		abort();
	c->tile = t;
	c->id = id;
	c->class = class;
	c->mask = mask;
	c->width = width;
	c->priority = NR_PRIORITIES - 1;
	c->quantum_ns = MIN_PREEMPT_NS;
	c->wq_desc = wq_desc;
	c->wq_base = wq_base;
	c->wq_size = wq_size;
	for (i = 0; i < width; i++) {
		c->lrc[i].ctx = c;
		c->lrc[i].index = i;
		c->lrc[i].pphwsp = (uint32_t)lrcs[i] & DESC_ADDRESS;
		c->lrc[i].ppgtt = lrcs[i] & DESC_PPGTT;
		c->lrc[i].arbitration = true;
		c->lrc[i].head = UINT32_MAX; /* whatever the image has is new */
	}
	t->sched.ctx[id] = c;
	return 0;
}

static void set_priority(struct ctx *c, uint32_t priority)
{
	enum lrc_state state[MAX_WIDTH];
	unsigned int i;

	for (i = 0; i < c->width; i++) {
		state[i] = c->lrc[i].state;
		if (state[i] == LRC_READY)
			set_state(&c->lrc[i], LRC_IDLE);
	}
	c->priority = priority;
	for (i = 0; i < c->width; i++)
		if (state[i] == LRC_READY)
			set_state(&c->lrc[i], LRC_READY);
}

int sched_policy(struct tile *t, uint32_t id, uint32_t key, uint32_t value)
{
	struct ctx *c = find(t, id);

	if (!c)
		return -1;
	switch (key) {
	case KEY_QUANTUM:
		c->quantum_ns = value * 1000ull;
		return 0;
	case KEY_PREEMPTION_TIMEOUT:
		c->preempt_ns = value * 1000ull;
		return 0;
	case KEY_PRIORITY:
		if (value >= NR_PRIORITIES)
			return -1;
		set_priority(c, value);
		return 0;
	case KEY_PREEMPT_TO_IDLE:
	case KEY_SLPC_FREQUENCY:
		return 0;
	default:
		return -1;
	}
}

/* submit(): what the driver has added to the ring */
static void submit(struct lrc *l)
{
	uint32_t tail = image_read(l, CTX_RING_TAIL);

	if (l->state == LRC_RUNNING)
		l->tail = tail;
	else if (l->state == LRC_IDLE &&
		 (l->depth || tail != image_read(l, CTX_RING_HEAD)))
		set_state(l, LRC_READY);
}

static int work_item(struct ctx *c, uint32_t at, uint32_t *len)
{
	struct tile *t = c->tile;
	uint32_t header = ggtt_read32(t, c->wq_base + at), tail0, i;

	*len = 4 * (FIELD(header, 26, 16) + 1);
	if (FIELD(header, 7, 0) == WQ_TYPE_NOOP)
		return 0;
	if (FIELD(header, 7, 0) != WQ_TYPE_MULTI_LRC ||
	    *len < 4 * (3 + c->width) || at + *len > c->wq_size)
		return -1;
	tail0 = FIELD(ggtt_read32(t, c->wq_base + at + 8), 28, 18);
	image_write(&c->lrc[0], CTX_RING_TAIL, tail0 * 8);
	for (i = 1; i < c->width; i++)
		image_write(&c->lrc[i], CTX_RING_TAIL,
			    ggtt_read32(t, c->wq_base + at + 4 * (3 + i)) * 8);
	return 0;
}

static int work_queue(struct ctx *c)
{
	uint32_t head = ggtt_read32(c->tile, c->wq_desc + WQ_HEAD), len,
		 items = 0;
	uint32_t tail = ggtt_read32(c->tile, c->wq_desc + WQ_TAIL);

	if (!c->wq_size || head >= c->wq_size || tail >= c->wq_size ||
	    (head | tail) & 3)
		return -1;
	while (head != tail) {
		if (++items > c->wq_size / 4 || work_item(c, head, &len))
			return -1;
		head = (head + len) % c->wq_size;
	}
	ggtt_write32(c->tile, c->wq_desc + WQ_HEAD, head);
	return 0;
}

static int submit_all(struct ctx *c)
{
	unsigned int i;

	if (c->dead)
		return 0;
	if (c->width > 1 && work_queue(c))
		return -1;
	for (i = 0; i < c->width; i++)
		submit(&c->lrc[i]);
	return 0;
}

/* enable(), disable(): every request is answered, also one that changes nothing */
static int enable(struct ctx *c)
{
	uint32_t payload[] = { c->id, 1 }, asid = image_asid(&c->lrc[0]);
	unsigned int i;

	if (c->enabled && !c->disabling) {
		guc_event(c->tile, 0x1002, 2, payload);
		return submit_all(c);
	}
	if (c->disabling)
		return -1;
	c->enabled = true;
	/* The driver relies on that in address spaces of long-running jobs: driver: xe_pt.c */
	for (i = 0; i < c->tile->nr_engines; i++)
		tlb_flush(&c->tile->engine[i], asid, 0, UINT64_MAX, TLB_DROP);
	for (i = 0; i < c->width; i++)
		set_state(&c->lrc[i], c->dead ? LRC_DEAD : LRC_IDLE);
	guc_event(c->tile, 0x1002, 2, payload);
	return submit_all(c);
}

static int disable(struct ctx *c)
{
	unsigned int i;

	if (c->disabling++)
		return 0;
	for (i = 0; i < c->width; i++)
		if (c->lrc[i].state == LRC_RUNNING)
			preempt(c->lrc[i].engine);
		else
			stop(&c->lrc[i], LRC_OFF);
	check_disabled(c);
	return 0;
}

int sched_mode_set(struct tile *t, uint32_t id, bool on)
{
	struct ctx *c = find(t, id);

	if (!c)
		return -1;
	return on ? enable(c) : disable(c);
}

int sched_submit(struct tile *t, uint32_t id)
{
	struct ctx *c = find(t, id);

	return c && c->enabled && !c->disabling ? submit_all(c) : -1;
}

static void release(struct ctx *c)
{
	stop_all(c, LRC_OFF);
	c->tile->sched.ctx[c->id] = NULL;
	free(c);
}

int sched_deregister(struct tile *t, uint32_t id)
{
	struct ctx *c = find(t, id);

	if (!c)
		return -1;
	if (c->disabling) {
		stop_all(c, LRC_OFF);
		disabled(c);
	}
	settle(c);
	release(c);
	guc_event(t, 0x4600, 1, &id);
	return 0;
}

/* --- the engines' turns --- */

/* put_off(): the engine is to yield: its context waits again, or is off */
static void put_off(struct engine *e)
{
	struct ctx *c = e->current->ctx;

	if (!c->disabling)
		stats.preemptions++;
	switch_out(e, c->disabling ? LRC_OFF : LRC_READY);
	check_disabled(c);
}

/* waiting(): nothing to do for its context but to look again */
static int64_t waiting(struct engine *e)
{
	contend(e);
	return e->preempt ? 0 : SPIN_NS;
}

static int64_t stalled(const struct engine *e)
{
	uint64_t now = now_ns();

	return e->busy_until > now ? e->busy_until - now : 0;
}

/* hung(): nothing to do but to see, when its turn is over, whether somebody waits for it */
static int64_t hung(struct engine *e)
{
	uint64_t turn = e->current->ctx->quantum_ns;
	uint64_t used = now_ns() - e->slice_start;

	contend(e);
	return turn > used ? (int64_t)(turn - used) : -1;
}

/* after_slice(): returns how long the engine has nothing to do, as sched_run() does */
static int64_t after_slice(struct engine *e, struct lrc *l, enum cs_stop why)
{
	struct ctx *c = l->ctx;

	e->preempt_slices++;
	switch (why) {
	case CS_BUDGET:
		save_timestamp(l);
		contend(e);
		return l->spins && !e->preempt ? SPIN_NS : 0;
	case CS_WAIT:
		save_timestamp(l);
		return waiting(e);
	case CS_EMPTY:
		switch_out(e, LRC_IDLE);
		check_disabled(c);
		return 0;
	case CS_YIELD:
		put_off(e);
		return 0;
	case CS_FAULT:
		faulted(e, l);
		return 0;
	case CS_HANG:
		return hung(e);
	case CS_STALL:
		return stalled(e);
	}
	return 0;
}

static int64_t run_engine(struct engine *e)
{
	uint64_t now = now_ns(), commands;
	struct lrc *l = e->current;
	enum cs_stop why;

	if (!l) {
		l = next_for(e, NR_PRIORITIES);
		if (!l)
			return -1;
		switch_in(e, l);
		if (inject(INJECT_CAT_ERROR, NULL)) {
			cat_error(l, "injected");
			return 0;
		}
		if (e->tile->sim->opt.latency.job_ns)
			e->busy_until = now + e->tile->sim->opt.latency.job_ns;
	}
	if (e->busy_until > now)
		return stalled(e);
	if (l->hung)
		return hung(e);
	commands = stats.commands;
	why = cs_run(e, l, SLICE_BUDGET);
	if (stats.commands != commands)
		l->replays = 0; /* what faulted last is done */
	return after_slice(e, l, why);
}

int64_t sched_run(struct sim *sim)
{
	int64_t wait = -1, n;
	unsigned int i, j;

	for (i = 0; i < sim->nr_tiles; i++) {
		for (j = 0; j < sim->tile[i].nr_engines; j++) {
			n = run_engine(&sim->tile[i].engine[j]);
			if (n >= 0 && (wait < 0 || n < wait))
				wait = n;
		}
	}
	return wait;
}

/* --- life --- */

void sched_init(struct tile *t)
{
	unsigned int i, j;

	t->sched.ctx = calloc(MAX_CTX, sizeof(*t->sched.ctx));
	t->sched.faulted = calloc(MAX_TAGS, sizeof(*t->sched.faulted));
	if (!t->sched.ctx || !t->sched.faulted)
		abort();
	for (i = 0; i < NR_CLASSES; i++)
		for (j = 0; j < NR_PRIORITIES; j++)
			TAILQ_INIT(&t->sched.ready[i][j]);
}

void sched_reset(struct tile *t)
{
	unsigned int i;

	for (i = 0; i < MAX_CTX; i++)
		if (t->sched.ctx[i])
			release(t->sched.ctx[i]);
	memset(t->sched.faulted, 0, MAX_TAGS * sizeof(*t->sched.faulted));
}

void sched_free(struct tile *t)
{
	sched_reset(t);
	free(t->sched.ctx);
	free(t->sched.faulted);
}
