// SPDX-License-Identifier: GPL-2.0-only
/* The rings between driver and GuC: sheet 5.3. */
#include <stdlib.h>
#include <string.h>

#include "xesim.h"

/* Descriptor, bytes */
#define DESC_HEAD 0
#define DESC_TAIL 4
#define DESC_STATUS 8
#define STATUS_MISMATCH 4

#define MAX_MESSAGE 256	 /* dwords, by the header's field */
#define MAX_RING 0x40000 /* dwords: one of nothing but zeros is skipped soon */
#define MAX_BACKLOG 4096 /* messages */
#define BACKLOG_RETRY 200000 /* ns */

struct ctb_message {
	STAILQ_ENTRY(ctb_message) link;
	unsigned int len;
	uint32_t dw[];
};

struct late_message {
	TAILQ_ENTRY(late_message) link;
	struct timer timer;
	struct tile *tile;
	unsigned int len;
	uint32_t dw[];
};

static void broken(struct tile *t, const struct ctb *ring, const char *why)
{
	stats.bad_messages++;
	note(t, "guc: %s ring: %s; it is ignored from now on",
	     ring == &t->guc.h2g ? "H2G" : "G2H", why);
	t->guc.ctb_broken = true;
	ggtt_write32(t, ring->desc + DESC_STATUS, STATUS_MISMATCH);
}

static void drop_backlog(struct tile *t)
{
	struct ctb_message *m;

	while ((m = STAILQ_FIRST(&t->guc.backlog))) {
		STAILQ_REMOVE_HEAD(&t->guc.backlog, link);
		free(m);
	}
	t->guc.backlog_len = 0;
	timer_cancel(&t->guc.backlog_timer);
}

static void drop_late(struct late_message *m)
{
	TAILQ_REMOVE(&m->tile->guc.late, m, link);
	timer_cancel(&m->timer);
	free(m);
}

static bool usable(const struct ctb *ring)
{
	return ring->size && ring->size <= MAX_RING;
}

void ctb_enable(struct tile *t, bool enable)
{
	struct guc *guc = &t->guc;

	drop_backlog(t);
	while (!TAILQ_EMPTY(&guc->late))
		drop_late(TAILQ_FIRST(&guc->late));
	guc->ctb_enabled = enable && usable(&guc->h2g) && usable(&guc->g2h);
	guc->ctb_broken = false;
	guc->h2g_head = 0;
	guc->g2h_tail = 0;
	trace(t, "guc ctb enabled=%d h2g=0x%llx g2h=0x%llx", guc->ctb_enabled,
	      (unsigned long long)guc->h2g.buf,
	      (unsigned long long)guc->g2h.buf);
}

/* --- from the driver --- */

static uint32_t h2g_dword(struct tile *t, uint32_t at)
{
	return ggtt_read32(t, t->guc.h2g.buf + 4ull * (at % t->guc.h2g.size));
}

/* receive_one(): returns how many dwords it took, 0 if the ring makes no sense */
static uint32_t receive_one(struct tile *t, uint32_t available)
{
	struct guc *guc = &t->guc;
	uint32_t header = h2g_dword(t, guc->h2g_head), dw[MAX_MESSAGE], n, i;

	if (!header)
		return 1; /* filled up to the end of the ring */
	n = FIELD(header, 7, 0);
	if (FIELD(header, 15, 12) || !n) {
		broken(t, &guc->h2g, "a message of an unknown format");
		return 0;
	}
	if (n >= available) {
		broken(t, &guc->h2g, "a message longer than what is there");
		return 0;
	}
	for (i = 0; i < n; i++)
		dw[i] = h2g_dword(t, guc->h2g_head + 1 + i);
	guc_receive(t, header >> 16, dw, n);
	return n + 1;
}

void ctb_drain(struct tile *t)
{
	struct guc *guc = &t->guc;
	/* What comes after the doorbell has one of its own */
	uint32_t tail, taken, left = guc->h2g.size;

	while (left && guc->ctb_enabled && !guc->ctb_broken) {
		tail = ggtt_read32(t, guc->h2g.desc + DESC_TAIL);
		if (tail == guc->h2g_head)
			return;
		if (tail >= guc->h2g.size) {
			broken(t, &guc->h2g, "its tail is outside of it");
			return;
		}
		taken = receive_one(t, (tail + guc->h2g.size - guc->h2g_head) %
					       guc->h2g.size);
		if (!taken || !guc->ctb_enabled)
			return;
		guc->h2g_head = (guc->h2g_head + taken) % guc->h2g.size;
		ggtt_write32(t, guc->h2g.desc + DESC_HEAD, guc->h2g_head);
		left -= taken < left ? taken : left;
	}
}

/* --- to the driver --- */

/* room(): dwords that can be written; one always stays free.  0 if the ring makes no sense */
static uint32_t room(struct tile *t)
{
	const struct guc *guc = &t->guc;
	uint32_t head = ggtt_read32(t, guc->g2h.desc + DESC_HEAD);

	if (head >= guc->g2h.size) {
		broken(t, &guc->g2h, "its head is outside of it");
		return 0;
	}
	return (head + guc->g2h.size - guc->g2h_tail - 1) % guc->g2h.size;
}

static void put(struct tile *t, const uint32_t *dw, unsigned int n)
{
	struct guc *guc = &t->guc;
	unsigned int i;

	for (i = 0; i < n; i++) {
		ggtt_write32(t, guc->g2h.buf + 4ull * guc->g2h_tail, dw[i]);
		guc->g2h_tail = (guc->g2h_tail + 1) % guc->g2h.size;
	}
	ggtt_write32(t, guc->g2h.desc + DESC_TAIL, guc->g2h_tail);
	irq_raise(t, IRQ_GUC, IRQ_GUC2HOST);
}

static void send_backlog(void *arg)
{
	struct tile *t = arg;
	struct guc *guc = &t->guc;
	struct ctb_message *m;

	while (!guc->ctb_broken && (m = STAILQ_FIRST(&guc->backlog)) &&
	       m->len <= room(t)) {
		STAILQ_REMOVE_HEAD(&guc->backlog, link);
		guc->backlog_len--;
		put(t, m->dw, m->len);
		free(m);
	}
	if (guc->ctb_broken)
		drop_backlog(t);
	else if (guc->backlog_len)
		timer_arm(&guc->backlog_timer, BACKLOG_RETRY, send_backlog, t);
}

/**
 * ctb_send() - a message to the driver, in the order of the calls
 * @t: tile
 * @fence: of the request that it answers, 0 for an event
 * @dw: from the HXG header on
 * @n: dwords
 *
 * Where the ring is full it waits until the driver has read from it.
 */
void ctb_send(struct tile *t, uint16_t fence, const uint32_t *dw,
	      unsigned int n)
{
	struct guc *guc = &t->guc;
	struct ctb_message *m;

	if (!guc->ctb_enabled || guc->ctb_broken)
		return;
	stats.g2h++;
	if (guc->backlog_len >= MAX_BACKLOG) {
		stats.lost_messages++;
		note(t, "guc: G2H ring is full and nobody reads it, a message "
			"is lost");
		return;
	}
	m = malloc(sizeof(*m) + (n + 1) * sizeof(uint32_t));
	if (!m)
		abort();
	m->len = n + 1;
	m->dw[0] = (uint32_t)fence << 16 | n;
	memcpy(&m->dw[1], dw, n * sizeof(uint32_t));
	STAILQ_INSERT_TAIL(&guc->backlog, m, link);
	if (!guc->backlog_len++)
		send_backlog(t);
}

static void send_late(void *arg)
{
	struct late_message *m = arg;

	ctb_send(m->tile, 0, m->dw, m->len);
	drop_late(m);
}

void ctb_send_late(struct tile *t, uint64_t delay_ns, const uint32_t *dw,
		   unsigned int n)
{
	struct late_message *m = calloc(1, sizeof(*m) + n * sizeof(uint32_t));

	if (!m)
		abort();
	m->tile = t;
	m->len = n;
	memcpy(m->dw, dw, n * sizeof(uint32_t));
	TAILQ_INSERT_TAIL(&t->guc.late, m, link);
	timer_arm(&m->timer, delay_ns, send_late, m);
}
