// SPDX-License-Identifier: GPL-2.0-only
/* The GuC firmware: its mailbox, the messages it takes and what it does about them: sheet 5. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "xesim.h"

/* HXG header: sheet 5.1 */
#define HXG_ORIGIN_GUC BIT(31)
#define HXG_REQUEST 0
#define HXG_EVENT 1
#define HXG_FAILURE 6
#define HXG_SUCCESS 7
#define HXG_TYPE(type) ((uint32_t)(type) << 28)
#define ERROR_UNKNOWN_ACTION 0x30
#define ERROR_INVALID_PARAMS 0x60

#define VF_SW_FLAG 0x190240
#define MAILBOX_DWORDS 4

#define BAD (-1)

/* An action: what is done about the payload, of at least min dwords.  Returns the data of the
 * answer, or BAD.
 */
struct action {
	uint16_t id;
	uint16_t min;
	const char *name;
	int (*fn)(struct tile *t, const uint32_t *dw, unsigned int n);
};

/* --- TLB invalidation: sheet 8.4 --- */

enum {
	FLUSH_FULL = 0,
	FLUSH_RANGE = 1,
	FLUSH_CONTEXT = 2,
	FLUSH_GGTT = 3
};

struct flush {
	TAILQ_ENTRY(flush) link;
	struct timer timer;
	struct tile *tile;
	uint32_t seqno, asid;
	uint64_t va, size; /* 0: nothing that engines keep */
	bool pretend;
	uint64_t late_ns; /* how long after the report it is done */
};

static void flush_engines(const struct flush *f, enum tlb_flush_how how)
{
	unsigned int i;

	for (i = 0; f->size && i < f->tile->nr_engines; i++) {
		tlb_flush(&f->tile->engine[i], f->asid, f->va, f->size, how);
		acc_reset(&f->tile->engine[i], f->asid, f->va, f->size);
	}
}

static void late_flush_done(void *arg)
{
	struct flush *f = arg;

	TAILQ_REMOVE(&f->tile->guc.late_flushes, f, link);
	flush_engines(f, TLB_DROP);
	free(f);
}

static void flush_done(void *arg)
{
	struct flush *f = arg;
	struct guc *guc = &f->tile->guc;

	TAILQ_REMOVE(&guc->flushes, f, link);
	flush_engines(f, f->pretend || f->late_ns ? TLB_PRETEND : TLB_DROP);
	trace(f->tile, "guc flush_done seqno=%u", f->seqno);
	guc_event(f->tile, 0x7001, 1, &f->seqno);
	if (!f->late_ns) {
		free(f);
		return;
	}
	TAILQ_INSERT_TAIL(&guc->late_flushes, f, link);
	timer_arm(&f->timer, f->late_ns, late_flush_done, f);
}

static void drop_list(struct flush_list *list)
{
	struct flush *f;

	while ((f = TAILQ_FIRST(list))) {
		TAILQ_REMOVE(list, f, link);
		timer_cancel(&f->timer);
		free(f);
	}
}

static void drop_flushes(struct tile *t)
{
	drop_list(&t->guc.flushes);
	drop_list(&t->guc.late_flushes);
}

/* flush_latency(): each GuC has its own, so that those of two tiles end in any order */
static uint64_t flush_latency(const struct tile *t)
{
	const struct latency *l = &t->sim->opt.latency;

	return t->id && l->flush1_ns ? l->flush1_ns : l->flush_ns;
}

/* flush_start(): they are reported in order, so that a slow one keeps back those after it */
static void flush_start(struct flush *f)
{
	struct tile *t = f->tile;
	struct flush *last = TAILQ_LAST(&t->guc.flushes, flush_list);
	uint64_t now = now_ns(), delay = flush_latency(t);

	delay += inject_time(INJECT_FLUSH_SLOW, NULL);
	if (last && last->timer.when > now + delay)
		delay = last->timer.when - now;
	TAILQ_INSERT_TAIL(&t->guc.flushes, f, link);
	if (last || delay)
		timer_arm(&f->timer, delay, flush_done, f);
	else
		flush_done(f);
}

/* flush_submit(): nothing has to be waited for: between two messages no engine is in the
 * middle of an access (heavy), and one that faulted is done again from its walk on
 */
static int flush_submit(struct tile *t, const struct flush *want)
{
	struct flush *f;

	stats.tlb_flushes++;
	trace(t, "guc flush seqno=%u asid=%d va=0x%llx size=0x%llx",
	      want->seqno, (int)want->asid, (unsigned long long)want->va,
	      (unsigned long long)want->size);
	if (inject(INJECT_FLUSH_LOST, NULL))
		return 0;
	f = malloc(sizeof(*f));
	if (!f)
		abort();
	*f = *want;
	f->tile = t;
	f->pretend = f->size && inject(INJECT_FLUSH_SKIP, NULL);
	f->late_ns = f->size ? inject_time(INJECT_FLUSH_LATE, NULL) : 0;
	flush_start(f);
	return 0;
}

static int tlb_invalidation(struct tile *t, const uint32_t *dw, unsigned int n)
{
	struct flush f = { .seqno = dw[0],
			   .asid = TLB_ALL_ASIDS,
			   .size = UINT64_MAX };

	switch (FIELD(dw[1], 7, 0)) {
	case FLUSH_FULL:
		break;
	case FLUSH_RANGE:
		if (n < 6)
			return BAD;
		f.asid = dw[2] & 0xfffff;
		f.va = (dw[3] | (uint64_t)dw[4] << 32) &
		       (BIT64(t->sim->prof->va_bits) - 1);
		if (dw[5] < t->sim->prof->va_bits - 12)
			f.size = BIT64(dw[5] + 12);
		f.va &= ~(f.size - 1);
		break;
	case FLUSH_GGTT:
		f.size = 0; /* its entries are read anew for each access */
		break;
	case FLUSH_CONTEXT: /* of later platforms: sheet 8.4 */
		note(t, "guc: no GPU here flushes the TLB by context id");
		return BAD;
	default:
		return BAD;
	}
	return flush_submit(t, &f);
}

static int tlb_invalidation_all(struct tile *t, const uint32_t *dw,
				unsigned int n)
{
	struct flush f = { .seqno = dw[0],
			   .asid = TLB_ALL_ASIDS,
			   .size = UINT64_MAX };

	(void)n;
	return flush_submit(t, &f);
}

/* --- contexts --- */

static uint64_t pair(const uint32_t *dw)
{
	return dw[0] | (uint64_t)dw[1] << 32;
}

static int register_context(struct tile *t, const uint32_t *dw, unsigned int n)
{
	uint64_t lrc = pair(&dw[9]);

	(void)n;
	return sched_register(t, dw[1], dw[2], dw[3], 1, &lrc, 0, 0, 0);
}

static int register_multi_lrc(struct tile *t, const uint32_t *dw,
			      unsigned int n)
{
	uint64_t lrc[MAX_WIDTH];
	uint32_t i, width = dw[9];

	if (!width || width > MAX_WIDTH || n < 10 + 2 * width)
		return BAD;
	for (i = 0; i < width; i++)
		lrc[i] = pair(&dw[10 + 2 * i]);
	return sched_register(t, dw[1], dw[2], dw[3], width, lrc, pair(&dw[4]),
			      pair(&dw[6]), dw[8]);
}

static int update_policies(struct tile *t, const uint32_t *dw, unsigned int n)
{
	unsigned int i = 1, len;

	for (; i < n; i += 1 + len) {
		len = FIELD(dw[i], 15, 0);
		if (len != 1 || i + len >= n ||
		    sched_policy(t, dw[0], dw[i] >> 16, dw[i + 1]))
			return BAD;
	}
	return 0;
}

static int mode_set(struct tile *t, const uint32_t *dw, unsigned int n)
{
	(void)n;
	return sched_mode_set(t, dw[0], dw[1] & 1);
}

static int sched_context(struct tile *t, const uint32_t *dw, unsigned int n)
{
	(void)n;
	return sched_submit(t, dw[0]);
}

static int deregister_context(struct tile *t, const uint32_t *dw,
			      unsigned int n)
{
	(void)n;
	return sched_deregister(t, dw[0]);
}

static int fault_response(struct tile *t, const uint32_t *dw, unsigned int n)
{
	(void)n;
	return sched_fault_response(t, dw);
}

/* accept(): what has no meaning here, and is answered as if it had worked */
static int accept(struct tile *t, const uint32_t *dw, unsigned int n)
{
	(void)t;
	(void)dw;
	(void)n;
	return 0;
}

/* --- mailbox: sheet 5.2 --- */

static const uint32_t hwconfig[] = {
	1,  1, 8,  /* slices, at most */
	70, 1, 64, /* subslices, at most: driver: xe_gt_mcr.c */
};

static int get_hwconfig(struct tile *t, const uint32_t *dw, unsigned int n)
{
	(void)n;
	if (dw[2] && (dw[2] < sizeof(hwconfig) ||
		      ggtt_write(t, pair(dw), hwconfig, sizeof(hwconfig))))
		return BAD;
	return sizeof(hwconfig);
}

static int self_config(struct tile *t, const uint32_t *dw, unsigned int n)
{
	struct guc *guc = &t->guc;
	uint64_t value = dw[1];

	if (FIELD(dw[0], 15, 0) == 2 && n > 2)
		value |= (uint64_t)dw[2] << 32;
	switch (dw[0] >> 16) {
	case 0x0902:
		guc->h2g.buf = value;
		return 1;
	case 0x0903:
		guc->h2g.desc = value;
		return 1;
	case 0x0904:
		guc->h2g.size = value / 4;
		return 1;
	case 0x0905:
		guc->g2h.buf = value;
		return 1;
	case 0x0906:
		guc->g2h.desc = value;
		return 1;
	case 0x0907:
		guc->g2h.size = value / 4;
		return 1;
	default:
		return BAD;
	}
}

static int control_ctb(struct tile *t, const uint32_t *dw, unsigned int n)
{
	(void)n;
	ctb_enable(t, dw[0] & 1);
	return (dw[0] & 1) && !t->guc.ctb_enabled ? BAD : 0;
}

static int client_soft_reset(struct tile *t, const uint32_t *dw, unsigned int n)
{
	(void)dw;
	(void)n;
	sched_reset(t);
	drop_flushes(t);
	ctb_enable(t, false);
	return 0;
}

static const struct action mailbox_actions[] = {
	{ 0x0508, 2, "SELF_CFG", self_config },
	{ 0x4100, 3, "GET_HWCONFIG", get_hwconfig },
	{ 0x4509, 1, "CONTROL_CTB", control_ctb },
	{ 0x5507, 0, "CLIENT_SOFT_RESET", client_soft_reset },
};

/* Page reclamation (0x7003, 0x7004) is none of them: drivers send it to firmware that says it
 * is newer, on other platforms: sheet 8.4
 */
static const struct action actions[] = {
	{ 0x0030, 0, "LOG_BUFFER_FILE_FLUSH_COMPLETE", accept },
	{ 0x0506, 0, "GLOBAL_SCHED_POLICY_CHANGE", accept },
	{ 0x0509, 0, "UPDATE_SCHEDULING_POLICIES_KLV", accept },
	{ 0x1000, 1, "SCHED_CONTEXT", sched_context },
	{ 0x1001, 2, "SCHED_CONTEXT_MODE_SET", mode_set },
	{ 0x100b, 1, "UPDATE_CONTEXT_POLICIES", update_policies },
	{ 0x3003, 2, "PC_SLPC_REQUEST", slpc_request },
	{ 0x3004, 1, "SETUP_PC_GUCRC", accept },
	{ 0x4502, 11, "REGISTER_CONTEXT", register_context },
	{ 0x4503, 1, "DEREGISTER_CONTEXT", deregister_context },
	{ 0x4601, 12, "REGISTER_CONTEXT_MULTI_LRC", register_multi_lrc },
	{ 0x550c, 0, "SET_ENGINE_ACTIVITY_BUFFER", accept },
	{ 0x550d, 0, "SET_FUNCTION_ENGINE_ACTIVITY_BUFFER", accept },
	{ 0x550e, 0, "OPT_IN_FEATURE_KLV", accept },
	{ 0x6003, 2, "PAGE_FAULT_RES_DESC", fault_response },
	{ 0x7000, 2, "TLB_INVALIDATION", tlb_invalidation },
	{ 0x7002, 2, "TLB_INVALIDATION_ALL", tlb_invalidation_all },
};

static const struct action events[] = {
	{ 0x1002, 0, "SCHED_CONTEXT_MODE_DONE", NULL },
	{ 0x1008, 0, "CONTEXT_RESET_NOTIFICATION", NULL },
	{ 0x1009, 0, "ENGINE_FAILURE_NOTIFICATION", NULL },
	{ 0x4600, 0, "DEREGISTER_CONTEXT_DONE", NULL },
	{ 0x6000, 0, "MEMORY_CAT_ERROR", NULL },
	{ 0x6002, 0, "REPORT_PAGE_FAULT_REQ_DESC", NULL },
	{ 0x6004, 0, "ACCESS_COUNTER_NOTIFY", NULL },
	{ 0x7001, 0, "TLB_INVALIDATION_DONE", NULL },
};

static const struct action *find(const struct action *table, unsigned int n,
				 uint16_t id)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (table[i].id == id)
			return &table[i];
	return NULL;
}

/* perform(): the answer to a message, as a header; payload has n dwords */
static uint32_t perform(struct tile *t, const struct action *a, uint16_t id,
			const uint32_t *payload, unsigned int n)
{
	char text[16];
	int data;

	if (!a) {
		stats.unknown_actions++;
		snprintf(text, sizeof(text), "0x%04x", id);
		stats_count("h2g", text);
		note(t, "guc: unknown action 0x%04x, %u dwords", id, n);
		return HXG_ORIGIN_GUC | HXG_TYPE(HXG_FAILURE) |
		       ERROR_UNKNOWN_ACTION;
	}
	stats_count("h2g", a->name);
	trace(t, "guc h2g %s n=%u 0x%x 0x%x 0x%x 0x%x", a->name, n,
	      n > 0 ? payload[0] : 0, n > 1 ? payload[1] : 0,
	      n > 2 ? payload[2] : 0, n > 3 ? payload[3] : 0);
	data = n < a->min ? BAD : a->fn(t, payload, n);
	if (data >= 0)
		return HXG_ORIGIN_GUC | HXG_TYPE(HXG_SUCCESS) | data;
	stats.bad_messages++;
	note(t, "guc: %s makes no sense: %u dwords: 0x%x 0x%x 0x%x", a->name, n,
	     n > 0 ? payload[0] : 0, n > 1 ? payload[1] : 0,
	     n > 2 ? payload[2] : 0);
	return HXG_ORIGIN_GUC | HXG_TYPE(HXG_FAILURE) | ERROR_INVALID_PARAMS;
}

static void mailbox(struct tile *t)
{
	uint32_t *dw = &t->regs[VF_SW_FLAG / 4];
	uint16_t id = FIELD(dw[0], 15, 0);

	t->guc.mailbox_full = false;
	if (dw[0] & HXG_ORIGIN_GUC)
		return;
	stats.h2g++;
	dw[0] = perform(t,
			find(mailbox_actions, ARRAY_SIZE(mailbox_actions), id),
			id, &dw[1], MAILBOX_DWORDS - 1);
}

void guc_receive(struct tile *t, uint16_t fence, const uint32_t *dw,
		 unsigned int n)
{
	uint16_t id = FIELD(dw[0], 15, 0);
	uint32_t answer;

	stats.h2g++;
	answer = perform(t, find(actions, ARRAY_SIZE(actions), id), id, &dw[1],
			 n - 1);
	if (FIELD(dw[0], 30, 28) == HXG_REQUEST)
		ctb_send(t, fence, &answer, 1);
}

void guc_doorbell(struct tile *t)
{
	if (!t->guc.running)
		return;
	if (t->guc.mailbox_full)
		mailbox(t);
	ctb_drain(t);
}

void guc_event(struct tile *t, uint16_t action, unsigned int n,
	       const uint32_t *payload)
{
	const struct action *a = find(events, ARRAY_SIZE(events), action);
	uint32_t dw[8];
	uint64_t delay;

	if (inject(INJECT_G2H_DROP, a->name))
		return;
	delay = inject_time(INJECT_G2H_DELAY, a->name);
	stats_count("g2h", a->name);
	trace(t, "guc g2h %s 0x%x 0x%x", a->name, payload[0],
	      n > 1 ? payload[1] : 0);
	dw[0] = HXG_ORIGIN_GUC | HXG_TYPE(HXG_EVENT) | action;
	memcpy(&dw[1], payload, n * sizeof(uint32_t));
	if (delay)
		ctb_send_late(t, delay, dw, n + 1);
	else
		ctb_send(t, 0, dw, n + 1);
}

void guc_init(struct tile *t)
{
	STAILQ_INIT(&t->guc.backlog);
	TAILQ_INIT(&t->guc.late);
	TAILQ_INIT(&t->guc.flushes);
	TAILQ_INIT(&t->guc.late_flushes);
}

void guc_reset(struct tile *t)
{
	t->guc.running = false;
	t->guc.mailbox_full = false;
	ctb_enable(t, false);
	t->guc.h2g = t->guc.g2h = (struct ctb){ 0 };
	drop_flushes(t);
	slpc_reset(t);
	t->regs[0xc000 / 4] = 1; /* GUC_STATUS: in reset */
}
