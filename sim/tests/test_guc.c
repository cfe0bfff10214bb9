// SPDX-License-Identifier: GPL-2.0-only
/* The firmware as the driver sees it: upload, mailbox, rings, invalidations, power. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "clock.h"
#include "messages.h"
#include "random.h"
#include "rule.h"

#define VA 0x4000000000ull
#define ACCEPTED 0x0030 /* an action that takes any payload */
#define UNKNOWN 0x7777
#define INVALIDATE 0x7000
#define INVALIDATED EVENT(0x7001)
#define SLPC 0x3003
#define NOWHERE 0x0f000000u /* in the GGTT */
#define MISMATCH 4	    /* in the status of a descriptor */
#define BACKLOG_RETRY 200000

static int setup(void **state)
{
	*state = channel_open(H2G_DWORDS, G2H_DWORDS);
	return *state ? 0 : -1;
}

static int setup_small(void **state)
{
	*state = channel_open(64, 16);
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	channel_close(*state);
	return 0;
}

static void expect_reply(struct channel *c, uint32_t hxg)
{
	expect(c, c->fence, &hxg, 1);
}

/* event(): one that says n, of 3 or of 4 dwords */
static void event(struct channel *c, uint32_t n)
{
	uint32_t payload[] = { n, ~n };

	guc_event(c->t, n & 1 ? 0x1002 : 0x7001, 1 + (n & 1), payload);
}

static uint64_t *gsm(struct channel *c, uint32_t addr)
{
	return &c->t->gsm[addr / PAGE];
}

static uint32_t status_of(struct channel *c, uint32_t desc)
{
	return ggtt_read32(c->t, desc + DESC_STATUS);
}

/* --- upload of the firmware --- */

/* The driver takes an exception of the firmware for a failure: sheet 4.3 */
static void assert_failed(struct channel *c)
{
	assert_int_equal(channel_load(c), 0x80007000);
	assert_false(c->t->guc.running);
}

static void reset_guc(struct channel *c)
{
	regs_write(c->t, 0x941c, BIT(3));
	assert_int_equal(regs_read(c->t, GUC_STATUS) & 1, 1);
}

static void upload_needs_every_page(void **state)
{
	struct channel *c = *state;
	uint32_t at;

	for (at = 0; at < FIRMWARE_SIZE; at += PAGE) {
		uint64_t pte = *gsm(c, FIRMWARE_GGTT + at);

		reset_guc(c);
		*gsm(c, FIRMWARE_GGTT + at) = 0;
		assert_failed(c);
		*gsm(c, FIRMWARE_GGTT + at) = pte;
		assert_int_equal(channel_load(c), 0x8000f0ec);
	}
	assert_int_equal(stats.guc_loads, 4);
}

static void upload_may_begin_within_a_page(void **state)
{
	struct channel *c = *state;

	reset_guc(c);
	*gsm(c, FIRMWARE_GGTT + PAGE) = 0;
	regs_write(c->t, DMA_SOURCE, FIRMWARE_GGTT + PAGE / 2);
	regs_write(c->t, DMA_SOURCE + 4, 8u << 16);
	regs_write(c->t, DMA_SIZE, PAGE / 2 + 4);
	regs_write(c->t, DMA_CTRL, 0x00110011);
	assert_int_equal(regs_read(c->t, GUC_STATUS), 0x80007000);
	regs_write(c->t, DMA_SIZE, PAGE / 2);
	regs_write(c->t, DMA_CTRL, 0x00110011);
	assert_int_equal(regs_read(c->t, GUC_STATUS), 0x8000f0ec);
}

static uint32_t load_bytes(struct channel *c, uint32_t size)
{
	reset_guc(c);
	regs_write(c->t, DMA_SOURCE, FIRMWARE_GGTT);
	regs_write(c->t, DMA_SOURCE + 4, 8u << 16);
	regs_write(c->t, DMA_SIZE, size);
	regs_write(c->t, DMA_CTRL, 0x00110011);
	return regs_read(c->t, GUC_STATUS);
}

static void upload_has_a_size(void **state)
{
	struct channel *c = *state;
	uint32_t at;

	for (at = FIRMWARE_SIZE; at <= MIB(2); at += PAGE)
		*gsm(c, FIRMWARE_GGTT + at) = MIB(64) | 3;
	assert_int_equal(load_bytes(c, 131), 0x80007000);
	assert_int_equal(load_bytes(c, 132), 0x8000f0ec);
	assert_int_equal(load_bytes(c, MIB(2)), 0x8000f0ec);
	assert_int_equal(load_bytes(c, MIB(2) + 1), 0x80007000);
}

static void upload_of_nonsense_fails(void **state)
{
	static const uint32_t bad[][3] = {
		{ FIRMWARE_GGTT, 7u << 16, FIRMWARE_SIZE },
		{ FIRMWARE_GGTT, 0, FIRMWARE_SIZE },
		{ FIRMWARE_GGTT, 8u << 16, 128 },
		{ FIRMWARE_GGTT, 8u << 16, 0 },
		{ FIRMWARE_GGTT, 8u << 16, MIB(2) + 1 },
		{ FIRMWARE_GGTT, 8u << 16, ~0u },
		{ FIRMWARE_GGTT, 8u << 16 | 1, FIRMWARE_SIZE },
		{ NOWHERE, 8u << 16, FIRMWARE_SIZE },
	};
	struct channel *c = *state;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		reset_guc(c);
		regs_write(c->t, DMA_SOURCE, bad[i][0]);
		regs_write(c->t, DMA_SOURCE + 4, bad[i][1]);
		regs_write(c->t, DMA_SIZE, bad[i][2]);
		regs_write(c->t, DMA_CTRL, 0x00110011);
		assert_int_equal(regs_read(c->t, GUC_STATUS), 0x80007000);
		assert_false(c->t->guc.running);
	}
	assert_int_equal(stats.guc_loads, 0);
}

static void upload_starts_by_a_masked_bit(void **state)
{
	struct channel *c = *state;

	reset_guc(c);
	regs_write(c->t, DMA_CTRL, 0x00100011);
	regs_write(c->t, DMA_CTRL, 0x00110010);
	assert_false(c->t->guc.running);
	regs_write(c->t, DMA_CTRL, 0x00110011);
	assert_true(c->t->guc.running);
	assert_int_equal(regs_read(c->t, DMA_CTRL), 0x10);
}

static void wopcm_registers_are_locked(void **state)
{
	struct channel *c = *state;

	regs_write(c->t, 0xc050, 0x100000);
	assert_int_equal(regs_read(c->t, 0xc050), 0x100001);
	regs_write(c->t, 0xc340, 0x4000);
	assert_int_equal(regs_read(c->t, 0xc340), 0x4001);
}

static void nothing_is_answered_without_firmware(void **state)
{
	struct channel *c = *state;

	reset_guc(c);
	assert_int_equal(channel_mailbox(c, UNKNOWN, 0, 0, 0), UNKNOWN);
	request(c, ACCEPTED, 0);
	expect_nothing(c);
	assert_int_equal(stats.h2g, 0);
	assert_int_equal(channel_boot(c), 0);
	request(c, ACCEPTED, 0);
	expect_reply(c, SUCCESS(0));
}

static void reset_forgets_what_was_configured(void **state)
{
	struct channel *c = *state;

	fast(c, SLPC, 6 << 8 | 2, 7, 1200);
	stats.h2g = 0;
	regs_write(c->t, MAILBOX, UNKNOWN);
	reset_guc(c);
	assert_int_equal(channel_load(c), 0x8000f0ec);
	/* Neither the request in the mailbox nor the ring is there any more */
	request(c, ACCEPTED, 0);
	assert_int_equal(regs_read(c->t, MAILBOX), UNKNOWN);
	assert_int_equal(stats.h2g, 0);
	assert_int_equal(channel_mailbox(c, 0x4509, 1, 0, 0), FAILURE(0x60));
	assert_int_equal(channel_configure(c), 0);
	assert_int_equal(channel_enable(c), 0);
	fast(c, SLPC, 5 << 8 | 2, DATA_GGTT, 0);
	assert_int_equal(ggtt_read32(c->t, DATA_GGTT + 132), 144 | 24 << 8);
}

/* --- mailbox --- */

static void mailbox_is_empty_at_first(void **state)
{
	struct channel *c = *state;

	reset_power_on(&c->f->sim);
	channel_load(c);
	regs_write(c->t, DOORBELL, 1);
	assert_int_equal(regs_read(c->t, MAILBOX), 0);
	assert_int_equal(stats.h2g, 0);
}

static void mailbox_self_config(void **state)
{
	struct channel *c = *state;
	struct guc *g = &c->t->guc;

	assert_int_equal(channel_mailbox(c, 0x508, 0x09020002, 0x1000, 5),
			 SUCCESS(1));
	assert_int_equal(g->h2g.buf, 0x500001000);
	assert_int_equal(channel_mailbox(c, 0x508, 0x09030001, 0x2000, 5),
			 SUCCESS(1));
	assert_int_equal(g->h2g.desc, 0x2000);
	channel_mailbox(c, 0x508, 0x09040001, 0x3000, 5);
	assert_int_equal(g->h2g.size, 0xc00);
	channel_mailbox(c, 0x508, 0x09050002, 0x4000, 0);
	assert_int_equal(g->g2h.buf, 0x4000);
	channel_mailbox(c, 0x508, 0x09060002, 0x5000, 0);
	assert_int_equal(g->g2h.desc, 0x5000);
	channel_mailbox(c, 0x508, 0x09070001, 0x6000, 0);
	assert_int_equal(g->g2h.size, 0x1800);
	assert_int_equal(channel_mailbox(c, 0x508, 0x09080001, 1, 0),
			 FAILURE(0x60));
	assert_int_equal(stats.bad_messages, 1);
}

static void mailbox_hwconfig(void **state)
{
	static const uint32_t table[] = { 1, 1, 8, 70, 1, 64, 0 };
	struct channel *c = *state;
	uint32_t got[7];

	assert_int_equal(channel_mailbox(c, 0x4100, 0, 0, 0), SUCCESS(24));
	assert_int_equal(channel_mailbox(c, 0x4100, DATA_GGTT + 4, 0, 24),
			 SUCCESS(24));
	assert_int_equal(ggtt_read(c->t, DATA_GGTT + 4, got, sizeof(got)), 0);
	assert_memory_equal(got, table, sizeof(table));
	assert_int_equal(channel_mailbox(c, 0x4100, DATA_GGTT, 0, 23),
			 FAILURE(0x60));
	assert_int_equal(channel_mailbox(c, 0x4100, NOWHERE, 0, 24),
			 FAILURE(0x60));
	assert_int_equal(channel_mailbox(c, 0x4100, DATA_GGTT, 1, 24),
			 FAILURE(0x60));
}

static void mailbox_unknown_action(void **state)
{
	struct channel *c = *state;

	assert_int_equal(channel_mailbox(c, UNKNOWN, 1, 2, 3), FAILURE(0x30));
	assert_int_equal(stats.unknown_actions, 1);
	/* Some are known in a ring only */
	assert_int_equal(channel_mailbox(c, 0x4502, 1, 2, 3), FAILURE(0x30));
	request(c, 0x4509, 1);
	expect_reply(c, FAILURE(0x30));
}

static void mailbox_is_answered_once(void **state)
{
	struct channel *c = *state;

	channel_mailbox(c, UNKNOWN, 0, 0, 0);
	regs_write(c->t, MAILBOX + 4, 5);
	regs_write(c->t, DOORBELL, 1);
	assert_int_equal(stats.h2g, 1);
	assert_int_equal(channel_mailbox(c, BIT(31) | UNKNOWN, 0, 0, 0),
			 BIT(31) | UNKNOWN);
	assert_int_equal(stats.h2g, 1);
}

static void mailbox_turns_rings_on_and_off(void **state)
{
	struct channel *c = *state;

	assert_int_equal(channel_mailbox(c, 0x4509, 0, 0, 0), SUCCESS(0));
	request(c, ACCEPTED, 0);
	event(c, 0);
	expect_nothing(c);
	assert_int_equal(stats.h2g, 1);
	assert_int_equal(stats.g2h, 0);
	assert_int_equal(timers_next(), -1);
	assert_int_equal(channel_enable(c), 0);
	request(c, ACCEPTED, 0);
	expect_reply(c, SUCCESS(0));
}

/* Nor does a ring that has no end take for ever */
static void rings_of_no_sensible_size_are_refused(void **state)
{
	struct channel *c = *state;

	channel_mailbox(c, 0x508, 0x09040001, 0, 0);
	assert_int_equal(channel_mailbox(c, 0x4509, 1, 0, 0), FAILURE(0x60));
	channel_mailbox(c, 0x508, 0x09040001, 4096, 0);
	channel_mailbox(c, 0x508, 0x09070001, 0, 0);
	assert_int_equal(channel_mailbox(c, 0x4509, 1, 0, 0), FAILURE(0x60));
	channel_mailbox(c, 0x508, 0x09070001, 4096, 0);
	channel_mailbox(c, 0x508, 0x09040002, ~0u, 3);
	channel_mailbox(c, 0x508, 0x09020002, NOWHERE, 0);
	assert_int_equal(channel_mailbox(c, 0x4509, 1, 0, 0), FAILURE(0x60));
	ggtt_write32(c->t, H2G_DESC + DESC_TAIL, ~0u - 1);
	regs_write(c->t, DOORBELL, 1);
	assert_false(c->t->guc.ctb_enabled);
}

static void soft_reset_ends_all(void **state)
{
	struct channel *c = *state;

	c->f->sim.opt.latency.flush_ns = 1000;
	fast(c, INVALIDATE, 5, 0);
	fast(c, 0x4502, 0, 9, 3, 1, 0, 0, 0, 0, 0, PPHWSP_GGTT, 0);
	assert_non_null(c->t->sched.ctx[9]);
	assert_int_equal(channel_mailbox(c, 0x5507, 0, 0, 0), SUCCESS(0));
	assert_null(c->t->sched.ctx[9]);
	assert_false(c->t->guc.ctb_enabled);
	/* What was asked for before is not answered to who comes after */
	assert_int_equal(channel_enable(c), 0);
	clock_ns += 2000;
	timers_run();
	expect_nothing(c);
}

/* --- rings --- */

static void request_is_answered_with_its_fence(void **state)
{
	struct channel *c = *state;
	uint32_t i;

	c->fence = 0xfff0;
	for (i = 0; i < 32; i++) {
		request(c, ACCEPTED, i);
		expect_reply(c, SUCCESS(0));
	}
	expect_nothing(c);
}

static void only_requests_are_answered(void **state)
{
	static const uint32_t actions[] = { ACCEPTED, UNKNOWN, SLPC };
	struct channel *c = *state;
	unsigned int type, i;

	for (type = 1; type < 8; type++) {
		for (i = 0; i < ARRAY_SIZE(actions); i++)
			channel_send(c, HXG(type, actions[i]), NULL, 0);
		assert_int_equal(stats.h2g, type * 3);
		expect_nothing(c);
	}
}

static void failures_are_told(void **state)
{
	struct channel *c = *state;

	request(c, UNKNOWN, 1, 2, 3);
	expect_reply(c, FAILURE(0x30));
	assert_int_equal(stats.unknown_actions, 1);
	channel_send(c, HXG(TYPE_REQUEST, 0x4502), NULL, 0);
	expect_reply(c, FAILURE(0x60));
	assert_int_equal(stats.bad_messages, 1);
	/* The ring is as good as before */
	request(c, ACCEPTED, 1);
	expect_reply(c, SUCCESS(0));
	assert_int_equal(status_of(c, H2G_DESC), 0);
}

static void payloads_shorter_than_they_must_be(void **state)
{
	static const struct {
		uint16_t action, min;
	} actions[] = {
		{ 0x1000, 1 }, { 0x1001, 2 },  { 0x100b, 1 }, { 0x3003, 2 },
		{ 0x3004, 1 }, { 0x4502, 11 }, { 0x4503, 1 }, { 0x4601, 12 },
		{ 0x6003, 2 }, { 0x7000, 2 },  { 0x7002, 2 },
	};
	static const uint32_t zeros[16];
	struct channel *c = *state;
	unsigned int i, n, told = 0;

	for (i = 0; i < ARRAY_SIZE(actions); i++) {
		for (n = 0; n < actions[i].min; n++) {
			channel_send(c, HXG(TYPE_REQUEST, actions[i].action),
				     zeros, n);
			expect_reply(c, FAILURE(0x60));
			assert_int_equal(stats.bad_messages, ++told);
		}
	}
}

static void message_raises_an_interrupt(void **state)
{
	struct channel *c = *state;

	memset(&c->t->irq, 0, sizeof(c->t->irq));
	fast(c, ACCEPTED, 0);
	assert_int_equal(c->t->irq.pending[IRQ_GUC], 0);
	request(c, ACCEPTED, 0);
	assert_int_equal(c->t->irq.pending[IRQ_GUC], IRQ_GUC2HOST);
}

/* So that the driver knows how much room there is */
static void head_follows_each_message(void **state)
{
	struct channel *c = *state;
	unsigned int i;

	for (i = 0; i < 400; i++) {
		fast(c, ACCEPTED, 1, 2, 3);
		assert_int_equal(ggtt_read32(c->t, H2G_DESC + DESC_HEAD),
				 c->tail);
	}
}

static void many_messages_at_once(void **state)
{
	struct channel *c = *state;
	unsigned int i;
	uint32_t ok = SUCCESS(0);

	for (i = 0; i < 100; i++)
		channel_post(c, HXG(TYPE_REQUEST, ACCEPTED), &i, 1);
	channel_notify(c);
	for (i = 0; i < 100; i++)
		expect(c, i + c->fence - 99, &ok, 1);
}

/* Lengths of all kinds, wrapped as the driver does it or in the middle; the end of the
 * ring comes to be everywhere in a message
 */
static void messages_wrap(void **state)
{
	struct channel *c = *state;
	uint32_t dw[MAX_HXG];
	unsigned int i, n;

	random_start();
	for (i = 0; i < 3000; i++) {
		n = random_below(one_in(4) ? 29 : 8);
		dw[0] = (uint32_t)++c->fence << 16 | (n + 1);
		dw[1] = HXG(TYPE_REQUEST, ACCEPTED);
		memset(&dw[2], 0xff, 4 * n);
		if (one_in(2)) {
			channel_put(c, dw, n + 2);
		} else {
			c->fence--;
			channel_post(c, dw[1], &dw[2], n);
		}
		channel_notify(c);
		expect_reply(c, SUCCESS(0));
		expect_nothing(c);
	}
	assert_int_equal(stats.h2g, 3000);
	assert_int_equal(stats.bad_messages, 0);
}

/* What wraps comes as it was put: a context's number and mode tell it */
static void payload_wraps(void **state)
{
	struct channel *c = *state;
	uint32_t dw[] = { 0, HXG(TYPE_FAST, INVALIDATE), 0, 0 }, i;

	for (i = 1; i < 500; i++) {
		dw[0] = 3 | i << 16;
		dw[2] = i * 0x01010101;
		channel_put(c, dw, 4);
		if (i % 3 == 0)
			channel_put(c, DWORDS(0));
		channel_notify(c);
		expect_event(c, INVALIDATED, i * 0x01010101);
	}
}

static void zeros_are_skipped(void **state)
{
	struct channel *c = *state;
	unsigned int i, j;

	for (i = 0; i < 100; i++) {
		for (j = 0; j < i % 50; j++)
			channel_put(c, DWORDS(0));
		request(c, ACCEPTED, 0);
		expect_reply(c, SUCCESS(0));
	}
	assert_int_equal(stats.h2g, 100);
}

/* broken(): what is in the ring makes no sense, after so many messages that do: that
 * is told, and the ring is ignored from then on
 */
static void broken(struct channel *c, uint32_t desc, unsigned int messages)
{
	uint64_t bad = stats.bad_messages, h2g = stats.h2g + messages;

	regs_write(c->t, DOORBELL, 1);
	assert_int_equal(stats.bad_messages, bad + 1);
	assert_int_equal(status_of(c, desc), MISMATCH);
	assert_int_equal(stats.h2g, h2g);
	c->tail = 0;
	request(c, ACCEPTED, 0);
	assert_int_equal(stats.bad_messages, bad + 1);
	assert_int_equal(stats.h2g, h2g);
	assert_int_equal(channel_enable(c), 0);
	request(c, ACCEPTED, 0);
	expect_reply(c, SUCCESS(0));
	expect_nothing(c);
	assert_int_equal(status_of(c, desc), 0);
}

static void tail_outside_of_the_ring(void **state)
{
	static const uint32_t tails[] = { ~0u, H2G_DWORDS, H2G_DWORDS + 1,
					  1u << 31 };
	struct channel *c = *state;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(tails); i++) {
		channel_post(c, HXG(TYPE_REQUEST, ACCEPTED), NULL, 0);
		ggtt_write32(c->t, H2G_DESC + DESC_TAIL, tails[i]);
		broken(c, H2G_DESC, 0);
	}
}

static void head_outside_of_the_ring(void **state)
{
	static const uint32_t heads[] = { G2H_DWORDS, ~0u };
	struct channel *c = *state;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(heads); i++) {
		ggtt_write32(c->t, G2H_DESC + DESC_HEAD, heads[i]);
		channel_post(c, HXG(TYPE_REQUEST, ACCEPTED), NULL, 0);
		ggtt_write32(c->t, H2G_DESC + DESC_TAIL, c->tail);
		broken(c, G2H_DESC, 1);
	}
}

static void put_and_break(struct channel *c, const uint32_t *dw, unsigned int n)
{
	uint32_t head = ggtt_read32(c->t, H2G_DESC + DESC_HEAD);

	channel_put(c, dw, n);
	ggtt_write32(c->t, H2G_DESC + DESC_TAIL, c->tail);
	regs_write(c->t, DOORBELL, 1);
	assert_int_equal(ggtt_read32(c->t, H2G_DESC + DESC_HEAD), head);
	stats.bad_messages--;
	c->t->guc.ctb_broken = false;
	broken(c, H2G_DESC, 0);
}

static void truncated_messages(void **state)
{
	struct channel *c = *state;
	uint32_t hxg = HXG(TYPE_REQUEST, ACCEPTED);

	put_and_break(c, DWORDS(0x10001));
	put_and_break(c, DWORDS(0x10003, hxg, 1));
	put_and_break(c, DWORDS(0x100ff, hxg, 1, 2, 3));
	assert_int_equal(stats.h2g, 3 * 2); /* those of broken() */
}

static void unknown_formats(void **state)
{
	struct channel *c = *state;
	uint32_t hxg = HXG(TYPE_REQUEST, ACCEPTED);

	put_and_break(c, DWORDS(0x11002, hxg, 1));
	put_and_break(c, DWORDS(0x1f002, hxg, 1));
	put_and_break(c, DWORDS(0x10000, hxg, 1));
}

static void rings_that_are_not_there(void **state)
{
	struct channel *c = *state;
	uint32_t at;

	request(c, ACCEPTED, 0);
	for (at = 0; at < CTB_SIZE; at += PAGE)
		*gsm(c, CTB_GGTT + at) = 0;
	regs_write(c->t, DOORBELL, 1);
	guc_event(c->t, 0x7001, 1, &at);
	assert_int_equal(stats.h2g, 1);
}

/* With one descriptor for both rings each answer is the next request */
static void ring_that_fills_itself(void **state)
{
	struct channel *c = *state;
	uint32_t i, n = c->h2g_size, seqno = 1;
	uint64_t before;

	channel_mailbox(c, 0x508, 0x09060002, H2G_DESC, 0);
	channel_mailbox(c, 0x508, 0x09070001, 4 * n, 0);
	assert_int_equal(channel_enable(c), 0);
	for (i = 0; i < n / 2; i++)
		channel_put(c, DWORDS(1, HXG(TYPE_REQUEST, ACCEPTED)));
	guc_event(c->t, 0x7001, 1, &seqno);
	before = stats.h2g;
	regs_write(c->t, DOORBELL, 1);
	assert_int_equal(stats.h2g, before + n / 2);
}

/* GuC goes by its own position */
static void overwritten_head_does_not_matter(void **state)
{
	struct channel *c = *state;

	request(c, ACCEPTED, 0);
	expect_reply(c, SUCCESS(0));
	ggtt_write32(c->t, H2G_DESC + DESC_HEAD, 0xdead);
	ggtt_write32(c->t, G2H_DESC + DESC_TAIL, c->head);
	request(c, ACCEPTED, 0);
	expect_reply(c, SUCCESS(0));
	expect_nothing(c);
}

/* --- a full ring --- */

static uint32_t used(struct channel *c)
{
	uint32_t tail = ggtt_read32(c->t, G2H_DESC + DESC_TAIL);

	assert_true(tail < c->g2h_size);
	return (tail + c->g2h_size - c->head) % c->g2h_size;
}

/* retry(): the time after which GuC looks for room */
static void retry(void)
{
	clock_ns += BACKLOG_RETRY;
	timers_run();
}

static void expect_number(struct channel *c, uint32_t n)
{
	if (n & 1)
		expect_event(c, EVENT(0x1002), n, ~n);
	else
		expect_event(c, INVALIDATED, n);
}

/* In a small ring, read at random: all come, in order, and in whole */
static void full_ring_loses_nothing(void **state)
{
	struct channel *c = *state;
	uint32_t sent = 0, got = 0;

	random_start();
	while (got < 20000) {
		if (sent < 20000 && sent - got < 3000 &&
		    !one_in(sent / 500 % 2 ? 2 : 6))
			event(c, sent++);
		else if (used(c))
			expect_number(c, got++);
		else
			retry();
		assert_true(used(c) < c->g2h_size);
	}
	assert_int_equal(stats.lost_messages, 0);
	assert_int_equal(stats.g2h, 20000);
	assert_int_equal(c->t->guc.backlog_len, 0);
	assert_int_equal(timers_next(), -1);
	expect_nothing(c);
}

static void full_ring_is_left_alone(void **state)
{
	struct channel *c = *state;
	uint32_t i, was;

	for (i = 0; i < 10; i++)
		event(c, 2 * i);
	/* One dword always stays free */
	assert_int_equal(used(c), 15);
	was = ggtt_read32(c->t, G2H_DESC + DESC_TAIL);
	retry();
	assert_int_equal(ggtt_read32(c->t, G2H_DESC + DESC_TAIL), was);
	for (i = 0; i < 5; i++)
		expect_number(c, 2 * i);
	expect_nothing(c);
	/* What has come last waits for what waits */
	event(c, 20);
	expect_nothing(c);
	retry();
	for (; i < 10; i++)
		expect_number(c, 2 * i);
	retry();
	expect_number(c, 20);
}

static void nobody_reads_for_ever(void **state)
{
	struct channel *c = *state;
	uint32_t i;

	for (i = 0; i < 5000; i++)
		event(c, 2 * i);
	assert_int_equal(stats.lost_messages, 5000 - 5 - 4096);
	for (i = 0; i < 5 + 4096; i++) {
		expect_number(c, 2 * i);
		if (!used(c))
			retry();
	}
	expect_nothing(c);
	event(c, 0);
	expect_number(c, 0);
}

static void backlog_is_gone_with_its_ring(void **state)
{
	struct channel *c = *state;
	unsigned int i;

	for (i = 0; i < 100; i++)
		event(c, i);
	assert_int_equal(channel_enable(c), 0);
	assert_int_equal(timers_next(), -1);
	expect_nothing(c);
	event(c, 7);
	expect_number(c, 7);
	for (i = 0; i < 100; i++)
		event(c, i);
	ggtt_write32(c->t, G2H_DESC + DESC_HEAD, 99);
	retry();
	assert_int_equal(status_of(c, G2H_DESC), MISMATCH);
	assert_int_equal(c->t->guc.backlog_len, 0);
	reset_guc(c);
	assert_int_equal(timers_next(), -1);
}

static void lost_message_by_injection(void **state)
{
	struct channel *c = *state;

	inject_rule("g2h-drop=TLB_INVALIDATION_DONE after=1 count=1\n");
	fast(c, INVALIDATE, 1, 0);
	fast(c, INVALIDATE, 2, 0);
	fast(c, INVALIDATE, 3, 0);
	inject_rule("");
	expect_event(c, INVALIDATED, 1);
	expect_event(c, INVALIDATED, 3);
	expect_nothing(c);
	assert_int_equal(stats.injected, 1);
}

static void reset_drops_late_messages(void **state)
{
	struct channel *c = *state;

	inject_rule("g2h-delay count=3\n");
	event(c, 1);
	event(c, 2);
	reset_guc(c);
	assert_int_equal(timers_next(), -1);
	assert_int_equal(channel_boot(c), 0);
	event(c, 3);
	inject_rule("");
	expect_nothing(c);
	clock_ns += 10000000; /* the default */
	timers_run();
	expect_event(c, EVENT(0x1002), 3, ~3u);
	expect_nothing(c);
}

/* --- TLB invalidation --- */

/* keep(): every engine has a page of an address space in its TLB */
static void keep(struct channel *c, uint32_t asid, uint64_t va, uint64_t size)
{
	struct xlate x = { .va = va, .size = size };
	unsigned int i;

	for (i = 0; i < c->t->nr_engines; i++)
		tlb_insert(&c->t->engine[i], asid, &x);
}

/* kept(): all engines agree about that */
static bool kept(struct channel *c, uint32_t asid, uint64_t va)
{
	unsigned int i, n = 0;

	for (i = 0; i < c->t->nr_engines; i++)
		n += tlb_find(&c->t->engine[i], asid, va) != NULL;
	assert_true(!n || n == c->t->nr_engines);
	return n;
}

static void flush_of_a_range(void **state)
{
	struct channel *c = *state;
	uint32_t hi = VA >> 32;

	keep(c, 5, VA - PAGE, PAGE);
	keep(c, 5, VA, PAGE);
	keep(c, 5, VA + MIB(16) - PAGE, PAGE);
	keep(c, 5, VA + MIB(16), MIB(2));
	keep(c, 6, VA, PAGE);
	/* Heavy, with caches; bits of the ASID that are none */
	fast(c, INVALIDATE, 77, BIT(31) | 1, 0xfff00005, (uint32_t)VA, hi, 12);
	expect_event(c, INVALIDATED, 77);
	assert_false(kept(c, 5, VA));
	assert_false(kept(c, 5, VA + MIB(16) - 1));
	assert_true(kept(c, 5, VA - 1));
	assert_true(kept(c, 5, VA + MIB(16)));
	assert_true(kept(c, 6, VA));
	assert_int_equal(stats.tlb_flushes, 1);
	expect_nothing(c);
}

/* The range is aligned to its size, and addresses are canonical */
static void flush_of_odd_ranges(void **state)
{
	static const uint32_t large[] = {
		36, 37, 63, 64, ~0u - 12, ~0u - 3, ~0u
	};
	struct channel *c = *state;
	unsigned int i;

	keep(c, 5, VA, PAGE);
	fast(c, INVALIDATE, 1, 1, 5, PAGE, (VA >> 32) | 0xffff0000, 1);
	assert_false(kept(c, 5, VA));
	for (i = 0; i < ARRAY_SIZE(large); i++) {
		keep(c, 5, VA, PAGE);
		keep(c, 5, 0, PAGE);
		keep(c, 6, VA, PAGE);
		fast(c, INVALIDATE, 1, 1, 5, 0, 0xffff8000, large[i]);
		assert_false(kept(c, 5, VA));
		assert_false(kept(c, 5, 0));
		assert_true(kept(c, 6, VA));
	}
}

static void flush_of_all(void **state)
{
	static const uint32_t actions[] = { INVALIDATE, 0x7002 };
	struct channel *c = *state;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(actions); i++) {
		keep(c, 5, VA, PAGE);
		keep(c, 6, 0, GIB(1));
		fast(c, actions[i], 9, BIT(31));
		expect_event(c, INVALIDATED, 9);
		assert_false(kept(c, 5, VA));
		assert_false(kept(c, 6, 0));
	}
}

static void flush_of_the_ggtt(void **state)
{
	struct channel *c = *state;

	keep(c, 5, VA, PAGE);
	fast(c, INVALIDATE, 9, 3);
	expect_event(c, INVALIDATED, 9);
	assert_true(kept(c, 5, VA));
}

static void flush_of_nonsense(void **state)
{
	struct channel *c = *state;

	keep(c, 5, VA, PAGE);
	fast(c, INVALIDATE, 1, 1, 5, 0, 0);
	fast(c, INVALIDATE, 1, 2, 5, 0, 0, 0);
	fast(c, INVALIDATE, 1, 4, 5, 0, 0, 0);
	assert_int_equal(stats.bad_messages, 3);
	assert_int_equal(stats.tlb_flushes, 0);
	assert_true(kept(c, 5, VA));
	expect_nothing(c);
}

/* Heavy or not is one to engines that are between two accesses */
static void light_flush(void **state)
{
	struct channel *c = *state;

	keep(c, 5, VA, PAGE);
	fast(c, INVALIDATE, 1, BIT(8) | 1, 5, (uint32_t)VA, VA >> 32, 0);
	expect_event(c, INVALIDATED, 1);
	assert_false(kept(c, 5, VA));
}

/* The driver numbers them from 1 to 2^20 - 1, and 1 again */
static void numbers_of_flushes_wrap(void **state)
{
	static const uint32_t seqno[] = { 0xffffe, 0xfffff, 1, 2 };
	struct channel *c = *state;
	unsigned int i;

	c->f->sim.opt.latency.flush_ns = 1000;
	for (i = 0; i < ARRAY_SIZE(seqno); i++)
		fast(c, INVALIDATE, seqno[i], 0);
	clock_ns += 1000;
	timers_run();
	for (i = 0; i < ARRAY_SIZE(seqno); i++)
		expect_event(c, INVALIDATED, seqno[i]);
	expect_nothing(c);
}

static void pages_are_not_reclaimed(void **state)
{
	struct channel *c = *state;

	request(c, 0x7003, 1, 0);
	expect_reply(c, FAILURE(0x30));
	fast(c, 0x7004, 1, 0);
	expect_nothing(c);
	assert_int_equal(stats.unknown_actions, 2);
}

static void flush_is_traced_from_its_request_to_its_end(void **state)
{
	char path[] = "/tmp/xesim-test.XXXXXX", text[1024];
	const char *begin, *end;
	struct channel *c = *state;
	int fd = mkstemp(path);
	ssize_t len;

	assert_true(fd >= 0);
	assert_int_equal(trace_open(path), 0);
	fast(c, INVALIDATE, 7, 1, 5, PAGE, 0, 0);
	trace_close();
	len = read(fd, text, sizeof(text) - 1);
	assert_true(len > 0);
	text[len] = '\0';
	close(fd);
	unlink(path);
	begin = strstr(text,
		       " gt0 guc flush seqno=7 asid=5 va=0x1000 size=0x1000\n");
	end = strstr(text, " gt0 guc flush_done seqno=7\n");
	assert_non_null(begin);
	assert_non_null(end);
	assert_true(begin < end);
}

/* Of VA, so much later and not before */
static void expect_flush_in(struct channel *c, uint64_t ns)
{
	clock_ns += ns - 1;
	timers_run();
	assert_true(kept(c, 5, VA));
	expect_nothing(c);
	clock_ns++;
	timers_run();
	assert_false(kept(c, 5, VA));
}

static void flush_takes_its_time(void **state)
{
	struct channel *c = *state;
	unsigned int i;

	c->f->sim.opt.latency.flush_ns = 1000;
	keep(c, 5, VA, PAGE);
	for (i = 1; i < 5; i++) {
		fast(c, INVALIDATE, i, 0);
		clock_ns += 100;
		timers_run();
	}
	expect_flush_in(c, 600);
	for (i = 1; i < 5; i++) {
		expect_event(c, INVALIDATED, i);
		expect_nothing(c);
		clock_ns += 100;
		timers_run();
	}
}

static void flushes_are_reported_in_order(void **state)
{
	struct channel *c = *state;

	c->f->sim.opt.latency.flush_ns = 1000;
	fast(c, INVALIDATE, 1, 0);
	fast(c, INVALIDATE, 2, 3);
	c->f->sim.opt.latency.flush_ns = 10;
	keep(c, 5, VA, PAGE);
	fast(c, INVALIDATE, 3, 3);
	fast(c, INVALIDATE, 4, 3);
	expect_flush_in(c, 1000);
	expect_event(c, INVALIDATED, 1);
	expect_event(c, INVALIDATED, 2);
	expect_event(c, INVALIDATED, 3);
	expect_event(c, INVALIDATED, 4);
	clock_ns += 2000;
	timers_run();
	expect_nothing(c);
	/* And one that takes no time comes after one that does */
	c->f->sim.opt.latency.flush_ns = 1000;
	fast(c, INVALIDATE, 5, 0);
	c->f->sim.opt.latency.flush_ns = 0;
	fast(c, INVALIDATE, 6, 0);
	expect_nothing(c);
	clock_ns += 1000;
	timers_run();
	expect_event(c, INVALIDATED, 5);
	expect_event(c, INVALIDATED, 6);
}

static void reset_drops_flushes(void **state)
{
	struct channel *c = *state;

	c->f->sim.opt.latency.flush_ns = 1000;
	fast(c, INVALIDATE, 1, 0);
	fast(c, INVALIDATE, 2, 0);
	reset_guc(c);
	assert_int_equal(timers_next(), -1);
	assert_int_equal(channel_boot(c), 0);
	clock_ns += 2000;
	timers_run();
	expect_nothing(c);
}

static void flush_lost_by_injection(void **state)
{
	struct channel *c = *state;

	inject_rule("flush-lost count=1\n");
	keep(c, 5, VA, PAGE);
	fast(c, INVALIDATE, 1, 0);
	inject_rule("");
	assert_true(kept(c, 5, VA));
	expect_nothing(c);
	fast(c, INVALIDATE, 2, 0);
	assert_false(kept(c, 5, VA));
	expect_event(c, INVALIDATED, 2);
	assert_int_equal(stats.injected, 1);
}

/* pretended_flush(): of a translation at VA that has changed, reported as done */
static void pretended_flush(struct channel *c, const char *rule)
{
	struct xlate x = { .va = VA, .size = PAGE, .levels = 1 };

	inject_rule(rule);
	fast(c, INVALIDATE, 1, 3); /* has nothing that could be pretended */
	tlb_insert(c->f->e, 5, &x);
	fast(c, INVALIDATE, 2, 0);
	inject_rule("");
	expect_event(c, INVALIDATED, 1);
	expect_event(c, INVALIDATED, 2);
	++*(uint64_t *)fixture_vram(c->f, 0);
}

static void flush_skipped_by_injection(void **state)
{
	struct channel *c = *state;

	pretended_flush(c, "flush-skip count=1\n");
	assert_non_null(tlb_find(c->f->e, 5, VA));
	assert_int_equal(stats.stale_after_flush, 1);
}

/* Others overtake it, and answers are not late */
static void late_message_by_injection(void **state)
{
	struct channel *c = *state;

	inject_rule("g2h-delay=TLB_INVALIDATION_DONE time=1us count=1\n");
	keep(c, 5, VA, PAGE);
	request(c, INVALIDATE, 1, 0);
	fast(c, INVALIDATE, 2, 0);
	inject_rule("");
	assert_false(kept(c, 5, VA));
	expect(c, 1, DWORDS(SUCCESS(0)));
	expect_event(c, INVALIDATED, 2);
	clock_ns += 999;
	timers_run();
	expect_nothing(c);
	clock_ns++;
	timers_run();
	expect_event(c, INVALIDATED, 1);
	expect_nothing(c);
	assert_int_equal(stats.injected, 1);
}

static void flush_late_by_injection(void **state)
{
	struct channel *c = *state;

	pretended_flush(c, "flush-late time=1us count=1\n");
	clock_ns += 999;
	timers_run();
	assert_non_null(tlb_find(c->f->e, 5, VA));
	assert_int_equal(stats.stale_after_flush, 1);
	clock_ns++;
	timers_run();
	assert_null(tlb_find(c->f->e, 5, VA));
	expect_nothing(c);
	assert_int_equal(stats.injected, 1);
}

static void reset_drops_late_flushes(void **state)
{
	struct channel *c = *state;

	inject_rule("flush-late\n");
	fast(c, INVALIDATE, 1, 0);
	inject_rule("");
	assert_true(timers_next() >= 0);
	reset_guc(c);
	assert_int_equal(timers_next(), -1);
}

static void flush_slow_by_injection(void **state)
{
	struct channel *c = *state;

	c->f->sim.opt.latency.flush_ns = 100;
	keep(c, 5, VA, PAGE);
	inject_rule("flush-slow time=1us count=1\n");
	fast(c, INVALIDATE, 1, 0);
	inject_rule("");
	fast(c, INVALIDATE, 2, 3);
	expect_flush_in(c, 1100);
	expect_event(c, INVALIDATED, 1);
	expect_event(c, INVALIDATED, 2);
	expect_nothing(c);
}

/* --- power control --- */

#define SHARED DATA_GGTT

/* In units of 50/3 MHz: what is asked for, and the limits that QUERY tells */
static void expect_frequency(struct channel *c, uint32_t max, uint32_t min)
{
	request(c, SLPC, 5 << 8 | 2, SHARED, 0);
	expect_reply(c, SUCCESS(0));
	assert_int_equal(ggtt_read32(c->t, SHARED + 132), max | min << 8);
	assert_int_equal(regs_read(c->t, 0xa008) >> 23, max);
}

static void slpc_follows_the_parameters(void **state)
{
	struct channel *c = *state;

	fast(c, SLPC, 0 << 8 | 2, SHARED, 0);
	assert_int_equal(ggtt_read32(c->t, SHARED + 4), 3);
	fast(c, SLPC, 7 << 8 | 1, 7);
	/* RP0 2400 and RPn 400 MHz */
	expect_frequency(c, 144, 24);
	fast(c, SLPC, 6 << 8 | 2, 7, 1200);
	expect_frequency(c, 72, 24);
	fast(c, SLPC, 6 << 8 | 2, 6, 800);
	expect_frequency(c, 72, 48);
	fast(c, SLPC, 6 << 8 | 2, 24, 5);
	expect_frequency(c, 72, 48);
	fast(c, SLPC, 7 << 8 | 1, 7);
	expect_frequency(c, 144, 48);
	fast(c, SLPC, 7 << 8 | 1, 6);
	expect_frequency(c, 144, 24);
	fast(c, SLPC, 6 << 8 | 2, 7, 1200);
	fast(c, SLPC, 6 << 8 | 2, 6, 1800);
	expect_frequency(c, 108, 108);
	fast(c, SLPC, 0 << 8 | 2, SHARED, 0);
	assert_int_equal(ggtt_read32(c->t, SHARED + 132), 144 | 24 << 8);
	fast(c, SLPC, 6 << 8 | 2, 6, 800);
	expect_frequency(c, 144, 48);
	expect_nothing(c);
	assert_int_equal(stats.bad_messages, 0);
}

static void slpc_shuts_down(void **state)
{
	struct channel *c = *state;

	fast(c, SLPC, 0 << 8 | 2, SHARED, 0);
	assert_int_equal(ggtt_read32(c->t, SHARED + 4), 3);
	fast(c, SLPC, 1 << 8 | 2, SHARED, 0);
	assert_int_equal(ggtt_read32(c->t, SHARED + 4), 0);
}

static void slpc_nonsense(void **state)
{
	struct channel *c = *state;

	request(c, SLPC, 2 << 8 | 2, SHARED, 0);
	expect_reply(c, FAILURE(0x60));
	request(c, SLPC, 5 << 8 | 3, SHARED, 0);
	expect_reply(c, FAILURE(0x60));
	request(c, SLPC, 6 << 8 | 1, 7);
	expect_reply(c, FAILURE(0x60));
	request(c, SLPC, 0xff << 8, 0);
	expect_reply(c, FAILURE(0x60));
	request(c, SLPC, 0 << 8 | 2, NOWHERE, 0);
	expect_reply(c, SUCCESS(0));
	request(c, SLPC, 5 << 8 | 2, ~0u, 0);
	expect_reply(c, SUCCESS(0));
}

/* What GT_PERF_STATUS says of a GPU that idles, and of one that does not */
static void frequency_of_a_busy_gpu(void **state)
{
	struct channel *c = *state;

	assert_int_equal(regs_read(c->t, 0xc60), 3 << 9);
	c->f->e->current = c->f->l;
	assert_int_equal(regs_read(c->t, 0xc60), 144);
	fast(c, SLPC, 6 << 8 | 2, 7, 600);
	assert_int_equal(regs_read(c->t, 0xc60), 36);
	c->f->e->current = NULL;
}

/* --- nothing that comes ends the program --- */

static void random_messages(struct channel *c)
{
	static const uint32_t actions[] = {
		0x1000, 0x1001, 0x100b, 0x3003, 0x4502, 0x4503,
		0x4601, 0x6003, 0x7000, 0x7002, 0x0506,
	};
	uint32_t payload[24];
	unsigned int i, n = random_below(ARRAY_SIZE(payload));

	for (i = 0; i < n; i++)
		payload[i] = one_in(3) ? random_u64() : random_below(8);
	if (one_in(4))
		payload[9] = payload[10] = PPHWSP_GGTT;
	channel_send(c,
		     HXG(random_below(3),
			 actions[random_below(ARRAY_SIZE(actions))]),
		     payload, n);
}

static void random_messages_are_survived(void **state)
{
	uint32_t dw[MAX_HXG];
	struct channel *c = *state;
	uint64_t sent = 20000, i;
	uint16_t fence;

	random_start();
	for (i = 0; i < sent; i++) {
		random_messages(c);
		clock_ns += 1000;
		timers_run();
		sched_run(&c->f->sim);
		while (channel_receive(c, dw, &fence))
			;
	}
	assert_int_equal(stats.h2g, sent);
	assert_int_equal(status_of(c, H2G_DESC), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TEST_SMALL(name)                                                       \
	cmocka_unit_test_setup_teardown(name, setup_small, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(upload_needs_every_page),
		TEST(upload_may_begin_within_a_page),
		TEST(upload_has_a_size),
		TEST(upload_of_nonsense_fails),
		TEST(upload_starts_by_a_masked_bit),
		TEST(wopcm_registers_are_locked),
		TEST(nothing_is_answered_without_firmware),
		TEST(reset_forgets_what_was_configured),
		TEST(mailbox_is_empty_at_first),
		TEST(mailbox_self_config),
		TEST(mailbox_hwconfig),
		TEST(mailbox_unknown_action),
		TEST(mailbox_is_answered_once),
		TEST(mailbox_turns_rings_on_and_off),
		TEST(rings_of_no_sensible_size_are_refused),
		TEST(soft_reset_ends_all),
		TEST(request_is_answered_with_its_fence),
		TEST(only_requests_are_answered),
		TEST(failures_are_told),
		TEST(payloads_shorter_than_they_must_be),
		TEST(message_raises_an_interrupt),
		TEST(head_follows_each_message),
		TEST(many_messages_at_once),
		TEST_SMALL(messages_wrap),
		TEST_SMALL(payload_wraps),
		TEST_SMALL(zeros_are_skipped),
		TEST(tail_outside_of_the_ring),
		TEST(head_outside_of_the_ring),
		TEST(truncated_messages),
		TEST(unknown_formats),
		TEST(rings_that_are_not_there),
		TEST(ring_that_fills_itself),
		TEST(overwritten_head_does_not_matter),
		TEST_SMALL(full_ring_loses_nothing),
		TEST_SMALL(full_ring_is_left_alone),
		TEST_SMALL(nobody_reads_for_ever),
		TEST_SMALL(backlog_is_gone_with_its_ring),
		TEST(lost_message_by_injection),
		TEST(late_message_by_injection),
		TEST(reset_drops_late_messages),
		TEST(flush_of_a_range),
		TEST(flush_of_odd_ranges),
		TEST(flush_of_all),
		TEST(flush_of_the_ggtt),
		TEST(flush_of_nonsense),
		TEST(light_flush),
		TEST(numbers_of_flushes_wrap),
		TEST(pages_are_not_reclaimed),
		TEST(flush_is_traced_from_its_request_to_its_end),
		TEST(flush_takes_its_time),
		TEST(flushes_are_reported_in_order),
		TEST(reset_drops_flushes),
		TEST(flush_lost_by_injection),
		TEST(flush_skipped_by_injection),
		TEST(flush_late_by_injection),
		TEST(reset_drops_late_flushes),
		TEST(flush_slow_by_injection),
		TEST(slpc_follows_the_parameters),
		TEST(slpc_shuts_down),
		TEST(slpc_nonsense),
		TEST(frequency_of_a_busy_gpu),
		TEST(random_messages_are_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
