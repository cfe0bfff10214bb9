/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The driver's side of the firmware: loads it, sets up both rings, and talks to it as the
 * driver does.  On the device of fixture.h, on which nothing runs at first.
 */
#ifndef XESIM_TESTS_CHANNEL_H
#define XESIM_TESTS_CHANNEL_H

#include "fixture.h"

/* Registers */
#define GUC_STATUS 0xc000
#define DMA_SOURCE 0xc300
#define DMA_SIZE 0xc310
#define DMA_CTRL 0xc314
#define DOORBELL 0x1901f0
#define MAILBOX 0x190240

/* GGTT addresses; the rings have these sizes at most */
#define FIRMWARE_GGTT 0x02000000u
#define FIRMWARE_SIZE 0x3080u
#define CTB_GGTT 0x02100000u
#define H2G_DESC CTB_GGTT
#define G2H_DESC (CTB_GGTT + 0x800)
#define H2G_BUF (CTB_GGTT + 0x1000)
#define H2G_DWORDS 1024u
#define G2H_BUF (CTB_GGTT + 0x2000)
#define G2H_DWORDS 32768u
#define CTB_SIZE (0x2000u + 4 * G2H_DWORDS)
/* Of both descriptors */
#define DESC_HEAD 0
#define DESC_TAIL 4
#define DESC_STATUS 8

/* HXG header */
#define TYPE_REQUEST 0u
#define TYPE_EVENT 1u
#define TYPE_FAST 2u
#define HXG(type, action) ((uint32_t)(type) << 28 | (action))
#define EVENT(action) (0x90000000u | (action))
#define SUCCESS(data) (0xf0000000u | (data))
#define FAILURE(error) (0xe0000000u | (error))
#define MAX_HXG 256 /* dwords */

struct channel {
	struct fixture *f;
	struct tile *t;
	uint32_t h2g_size, g2h_size; /* dwords */
	uint32_t tail, head;	     /* this side's: of H2G, of G2H */
	uint16_t fence;		     /* of the last message */
};

static inline uint32_t channel_load(struct channel *c)
{
	regs_write(c->t, DMA_SOURCE, FIRMWARE_GGTT);
	regs_write(c->t, DMA_SOURCE + 4, 8u << 16);
	regs_write(c->t, DMA_SIZE, FIRMWARE_SIZE);
	regs_write(c->t, DMA_CTRL, 0x00110011);
	return regs_read(c->t, GUC_STATUS);
}

/* channel_mailbox(): returns the header of the answer */
static inline uint32_t channel_mailbox(struct channel *c, uint32_t action,
				       uint32_t dw1, uint32_t dw2, uint32_t dw3)
{
	regs_write(c->t, MAILBOX, action);
	regs_write(c->t, MAILBOX + 4, dw1);
	regs_write(c->t, MAILBOX + 8, dw2);
	regs_write(c->t, MAILBOX + 12, dw3);
	regs_write(c->t, DOORBELL, 1);
	return regs_read(c->t, MAILBOX);
}

/* channel_configure(): tells where the rings are; 0 or -1 */
static inline int channel_configure(struct channel *c)
{
	const uint32_t config[][3] = {
		{ 0x09020002, H2G_BUF, 0 },
		{ 0x09030002, H2G_DESC, 0 },
		{ 0x09040001, 4 * c->h2g_size, 0 },
		{ 0x09050002, G2H_BUF, 0 },
		{ 0x09060002, G2H_DESC, 0 },
		{ 0x09070001, 4 * c->g2h_size, 0 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(config); i++)
		if (channel_mailbox(c, 0x0508, config[i][0], config[i][1],
				    config[i][2]) != SUCCESS(1))
			return -1;
	return 0;
}

/* channel_enable(): both rings, empty; 0 or -1 */
static inline int channel_enable(struct channel *c)
{
	unsigned int i;

	for (i = 0; i < 16; i++) {
		ggtt_write32(c->t, H2G_DESC + 4 * i, 0);
		ggtt_write32(c->t, G2H_DESC + 4 * i, 0);
	}
	c->tail = 0;
	c->head = 0;
	return channel_mailbox(c, 0x4509, 1, 0, 0) == SUCCESS(0) ? 0 : -1;
}

/* channel_boot(): as after a reset; 0 or -1 */
static inline int channel_boot(struct channel *c)
{
	if (channel_load(c) != 0x8000f0ec || channel_configure(c))
		return -1;
	return channel_enable(c);
}

/* channel_map(): new memory at an address of the tile's GGTT */
static inline void channel_map(struct channel *c, uint64_t addr, uint64_t size)
{
	tile_ggtt(c->t, addr, fixture_alloc(c->f, size), size);
}

/* channel_memory(): of what follows at FIRMWARE_GGTT and CTB_GGTT */
static inline void channel_memory(struct channel *c)
{
	channel_map(c, FIRMWARE_GGTT, FIRMWARE_SIZE);
	channel_map(c, CTB_GGTT, CTB_SIZE);
}

static inline void channel_close(struct channel *c)
{
	sched_reset(
		c->t); /* for fixture_close() takes what is on an engine for its own */
	fixture_close(c->f);
	free(c);
}

/* channel_open_tile(): to one tile of a device; NULL where that fails */
static inline struct channel *channel_open_tile(struct fixture *f,
						unsigned int tile,
						uint32_t h2g_size,
						uint32_t g2h_size)
{
	struct channel *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->f = f;
	c->t = &f->sim.tile[tile];
	c->h2g_size = h2g_size;
	c->g2h_size = g2h_size;
	channel_memory(c);
	if (channel_boot(c)) {
		free(c);
		return NULL;
	}
	return c;
}

/* channel_open(): rings of these sizes in dwords; NULL where that fails */
static inline struct channel *channel_open(uint32_t h2g_size, uint32_t g2h_size)
{
	struct fixture *f = fixture_open("bmg");
	struct channel *c;

	if (!f)
		return NULL;
	f->e->current = NULL;
	c = channel_open_tile(f, 0, h2g_size, g2h_size);
	if (!c)
		fixture_close(f);
	memset(&stats, 0, sizeof(stats));
	return c;
}

/* channel_put(): into the H2G ring, which may wrap anywhere; GuC does not see it yet */
static inline void channel_put(struct channel *c, const uint32_t *dw,
			       unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		ggtt_write32(c->t, H2G_BUF + 4 * c->tail, dw[i]);
		c->tail = (c->tail + 1) % c->h2g_size;
	}
}

/* channel_notify(): GuC sees what is in the ring */
static inline void channel_notify(struct channel *c)
{
	ggtt_write32(c->t, H2G_DESC + DESC_TAIL, c->tail);
	regs_write(c->t, DOORBELL, 1);
}

/* channel_post(): a message as the driver puts it: never across the end of the ring */
static inline void channel_post(struct channel *c, uint32_t hxg,
				const uint32_t *payload, unsigned int n)
{
	uint32_t header = (uint32_t)++c->fence << 16 | (n + 1), zero = 0;

	while (c->tail + n + 2 > c->h2g_size)
		channel_put(c, &zero, 1);
	channel_put(c, &header, 1);
	channel_put(c, &hxg, 1);
	channel_put(c, payload, n);
}

static inline void channel_send(struct channel *c, uint32_t hxg,
				const uint32_t *payload, unsigned int n)
{
	channel_post(c, hxg, payload, n);
	channel_notify(c);
}

static inline uint32_t channel_next(struct channel *c)
{
	uint32_t dw = ggtt_read32(c->t, G2H_BUF + 4 * c->head);

	c->head = (c->head + 1) % c->g2h_size;
	return dw;
}

/* channel_receive(): GuC's next message: how many dwords from the HXG header on, 0: there
 * is none; dw holds MAX_HXG
 */
static inline unsigned int channel_receive(struct channel *c, uint32_t *dw,
					   uint16_t *fence)
{
	uint32_t header, i;

	if (c->head == ggtt_read32(c->t, G2H_DESC + DESC_TAIL))
		return 0;
	header = channel_next(c);
	*fence = header >> 16;
	for (i = 0; i < (header & 0xff); i++)
		dw[i] = channel_next(c);
	ggtt_write32(c->t, G2H_DESC + DESC_HEAD, c->head);
	return header & 0xff;
}

#endif
