// SPDX-License-Identifier: GPL-2.0-only
/* The interrupt tree, and the driver's handler of it a step at a time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "clock.h"
#include "fixture.h"
#include "random.h"
#include "rule.h"

#define MASTER 0x190008
#define TILE 0x190010
#define BANK(n) (0x190018 + 4 * (n))
#define IDENTITY(n) (0x190060 + 4 * (n))
#define SELECTOR(n) (0x190070 + 4 * (n))
#define ENABLE BIT(31)
#define VALID BIT(31)

struct device {
	struct sim sim;
};

static int setup(void **state)
{
	struct device *d = calloc(1, sizeof(*d));

	if (!d)
		return -1;
	d->sim.opt.profile = profile_find(*state);
	d->sim.opt.vram = MIB(256);
	memset(&stats, 0, sizeof(stats));
	*state = d;
	return sim_init(&d->sim);
}

static int teardown(void **state)
{
	struct device *d = *state;

	sim_free(&d->sim);
	free(d);
	return 0;
}

static void master(struct device *d, uint32_t value)
{
	regs_write(&d->sim.tile[0], MASTER, value);
}

/* identity(): of a source of a tile, read out as the driver does it */
static uint32_t identity(struct tile *t, unsigned int source)
{
	unsigned int bank = source / 32;
	uint32_t value;

	regs_write(t, SELECTOR(bank), BIT(source % 32));
	value = regs_read(t, IDENTITY(bank));
	regs_write(t, IDENTITY(bank), value);
	assert_int_equal(regs_read(t, IDENTITY(bank)), 0);
	return value;
}

/* --- what the registers show --- */

static void nothing_is_pending_at_first(void **state)
{
	struct device *d = *state;
	struct tile *t = &d->sim.tile[0];

	assert_int_equal(regs_read(t, MASTER), 0);
	assert_int_equal(regs_read(t, TILE), 0);
	assert_int_equal(regs_read(t, BANK(0)), 0);
	assert_int_equal(regs_read(t, BANK(1)), 0);
	master(d, ENABLE);
	assert_int_equal(regs_read(t, MASTER), ENABLE);
	assert_int_equal(stats.interrupts, 0);
}

static void event_shows_at_every_level(void **state)
{
	struct device *d = *state;
	unsigned int tile, source;

	for (tile = 0; tile < 2; tile++) {
		for (source = 0; source < IRQ_SOURCES; source++) {
			struct tile *t = &d->sim.tile[tile];
			unsigned int bank = source / 32;

			irq_raise(t, source, 0x8001);
			assert_int_equal(regs_read(&d->sim.tile[0], MASTER),
					 BIT(tile));
			assert_int_equal(regs_read(t, TILE), BIT(bank));
			assert_int_equal(regs_read(t, BANK(bank)),
					 BIT(source % 32));
			assert_int_equal(regs_read(t, BANK(!bank)), 0);
			assert_int_equal(identity(t, source) & 0xffff, 0x8001);
			assert_int_equal(regs_read(t, BANK(bank)), 0);
			assert_int_equal(regs_read(&d->sim.tile[0], MASTER), 0);
		}
	}
}

struct identity {
	unsigned int source, class, instance;
};

/* identities(): tells the engine by which class and instance: sheet 3.6 */
static void identities(struct tile *t, const struct identity *known,
		       unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		irq_raise(t, known[i].source, 1);
		assert_int_equal(identity(t, known[i].source),
				 VALID | known[i].instance << 20 |
					 known[i].class << 16 | 1);
	}
}

static void identity_names_the_source(void **state)
{
	static const struct identity known[] = {
		{ 0, 0, 0 }, { 4, 5, 0 },  { 5, 5, 1 },	 { 6, 5, 2 },
		{ 7, 5, 3 }, { 15, 3, 0 }, { 23, 3, 8 }, { 25, 4, 0 },
	};
	struct device *d = *state;

	identities(&d->sim.tile[0], known, ARRAY_SIZE(known));
}

static void identity_on_ponte_vecchio(void **state)
{
	static const struct identity known[] = {
		{ 4, 5, 0 },  { 5, 5, 1 },  { 6, 5, 2 },  { 7, 5, 3 },
		{ 15, 3, 0 }, { 14, 3, 1 }, { 13, 3, 2 }, { 12, 3, 3 },
		{ 11, 3, 4 }, { 10, 3, 5 }, { 9, 3, 6 },  { 8, 3, 7 },
		{ 23, 3, 8 }, { 25, 4, 0 },
	};
	struct device *d = *state;

	identities(&d->sim.tile[1], known, ARRAY_SIZE(known));
}

static void events_of_a_source_are_merged(void **state)
{
	struct device *d = *state;
	struct tile *t = &d->sim.tile[0];

	irq_raise(t, 15, 0x0001);
	irq_raise(t, 15, 0x0100);
	irq_raise(t, 15, 0x0001);
	irq_raise(t, 23, 0x0010);
	assert_int_equal(identity(t, 15) & 0xffff, 0x0101);
	assert_int_equal(identity(t, 15) & 0xffff, 0);
	assert_int_equal(identity(t, 23) & 0xffff, 0x0010);
}

static void selector_zero_selects_nothing(void **state)
{
	struct device *d = *state;
	struct tile *t = &d->sim.tile[0];

	irq_raise(t, 0, 1);
	regs_write(t, SELECTOR(0), 0);
	assert_int_equal(regs_read(t, IDENTITY(0)), 0);
	assert_int_equal(regs_read(t, BANK(0)), 1);
}

/* The identity stays until it is written back, whatever comes meanwhile */
static void identity_is_latched(void **state)
{
	struct device *d = *state;
	struct tile *t = &d->sim.tile[0];

	irq_raise(t, 15, 1);
	regs_write(t, SELECTOR(0), BIT(15));
	irq_raise(t, 15, 2);
	assert_int_equal(regs_read(t, IDENTITY(0)), VALID | 3 << 16 | 1);
	regs_write(t, IDENTITY(0), regs_read(t, IDENTITY(0)));
	assert_int_equal(identity(t, 15) & 0xffff, 2);
}

static void clearing_a_bank_loses_nothing(void **state)
{
	struct device *d = *state;
	struct tile *t = &d->sim.tile[0];

	irq_raise(t, 15, 1);
	regs_write(t, BANK(0), ~0u);
	regs_write(t, TILE, ~0u);
	regs_write(t, MASTER, 3);
	assert_int_equal(regs_read(t, BANK(0)), BIT(15));
	assert_int_equal(identity(t, 15) & 0xffff, 1);
}

/* --- MSIs --- */

static void msi_only_while_enabled(void **state)
{
	struct device *d = *state;
	struct tile *t = &d->sim.tile[0];

	irq_raise(t, 15, 1);
	assert_int_equal(stats.interrupts, 0);
	master(d, ENABLE);
	assert_int_equal(stats.interrupts, 1);
	master(d, 0);
	irq_raise(t, 25, 1);
	assert_int_equal(stats.interrupts, 1);
	master(d, ENABLE);
	assert_int_equal(stats.interrupts, 2);
	identity(t, 15);
	identity(t, 25);
	master(d, ENABLE);
	assert_int_equal(stats.interrupts, 2);
}

static void one_msi_for_each_enable(void **state)
{
	struct device *d = *state;
	unsigned int i;

	master(d, ENABLE);
	for (i = 0; i < 10; i++)
		irq_raise(&d->sim.tile[i & 1], 15 + i, 1);
	assert_int_equal(stats.interrupts, 1);
}

static void msi_may_take_its_time(void **state)
{
	struct device *d = *state;
	struct tile *t = &d->sim.tile[0];

	d->sim.opt.latency.irq_ns = 1000;
	master(d, ENABLE);
	irq_raise(t, 15, 1);
	irq_raise(t, 16, 1);
	clock_ns += 999;
	timers_run();
	assert_int_equal(stats.interrupts, 0);
	clock_ns++;
	timers_run();
	assert_int_equal(stats.interrupts, 1);
	clock_ns += 10000;
	timers_run();
	assert_int_equal(stats.interrupts, 1);
}

/* One that has not been sent yet is not sent later than it may be, nor lost */
static void msi_that_is_late_is_not_sent_while_disabled(void **state)
{
	struct device *d = *state;

	d->sim.opt.latency.irq_ns = 1000;
	master(d, ENABLE);
	irq_raise(&d->sim.tile[0], 15, 1);
	master(d, 0);
	clock_ns += 2000;
	timers_run();
	assert_int_equal(stats.interrupts, 0);
	master(d, ENABLE);
	clock_ns += 2000;
	timers_run();
	assert_int_equal(stats.interrupts, 1);
}

/* What QEMU gets to see of each */
static void msi_signals_the_eventfd(void **state)
{
	struct device *d = *state;
	unsigned int i;
	uint64_t n;

	vfu_new(&d->sim);
	d->sim.vfu->msi_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_true(d->sim.vfu->msi_fd >= 0);
	for (i = 0; i < 3; i++) {
		master(d, ENABLE);
		irq_raise(&d->sim.tile[0], 15, 1);
		master(d, 0);
	}
	assert_int_equal(read(d->sim.vfu->msi_fd, &n, sizeof(n)), sizeof(n));
	assert_int_equal(n, 3);
	assert_int_equal(stats.interrupts, 3);
	vfu_free(&d->sim);
}

static void msi_delayed_by_injection(void **state)
{
	struct device *d = *state;

	inject_rule("irq-delay time=5us count=1\n");
	d->sim.opt.latency.irq_ns = 1000;
	master(d, ENABLE);
	irq_raise(&d->sim.tile[0], 15, 1);
	clock_ns += 5999;
	timers_run();
	assert_int_equal(stats.interrupts, 0);
	clock_ns++;
	timers_run();
	assert_int_equal(stats.interrupts, 1);
	assert_int_equal(stats.injected, 1);
	inject_rule("");
}

static void msi_lost_by_injection(void **state)
{
	struct device *d = *state;

	inject_rule("irq-drop count=1\n");
	master(d, ENABLE);
	irq_raise(&d->sim.tile[0], 15, 1);
	irq_raise(&d->sim.tile[0], 16, 1);
	assert_int_equal(stats.interrupts, 0);
	assert_int_equal(stats.injected, 1);
	inject_rule("");
	/* The event is still there */
	master(d, ENABLE);
	assert_int_equal(stats.interrupts, 1);
}

static void master_of_a_tile_is_stored(void **state)
{
	struct device *d = *state;
	struct tile *t = &d->sim.tile[1];

	regs_write(t, TILE, ENABLE);
	assert_int_equal(regs_read(t, TILE), ENABLE);
	irq_raise(t, 40, 1);
	assert_int_equal(regs_read(t, TILE), ENABLE | 2);
	regs_write(t, TILE, 0);
	assert_int_equal(regs_read(t, TILE), 2);
	master(d, ENABLE);
	assert_int_equal(regs_read(&d->sim.tile[0], TILE), 0);
}

static void master_of_the_device_is_in_the_first_tile(void **state)
{
	struct device *d = *state;
	struct tile *second = &d->sim.tile[1];

	irq_raise(second, 15, 1);
	regs_write(second, MASTER, ENABLE);
	assert_int_equal(regs_read(second, MASTER), 0);
	assert_int_equal(stats.interrupts, 0);
	master(d, ENABLE);
	regs_write(second, MASTER, 0);
	assert_int_equal(regs_read(&d->sim.tile[0], MASTER), ENABLE | 2);
	assert_int_equal(stats.interrupts, 1);
}

static void reset_forgets_events(void **state)
{
	struct device *d = *state;
	struct tile *t = &d->sim.tile[0];

	d->sim.opt.latency.irq_ns = 1000;
	master(d, ENABLE);
	irq_raise(t, 15, 1);
	regs_write(t, SELECTOR(0), BIT(15));
	irq_raise(t, 40, 1);
	reset_power_on(&d->sim);
	clock_ns += 2000;
	timers_run();
	assert_int_equal(stats.interrupts, 0);
	assert_int_equal(regs_read(t, MASTER), 0);
	assert_int_equal(regs_read(t, IDENTITY(0)), 0);
	master(d, ENABLE);
	clock_ns += 2000;
	timers_run();
	assert_int_equal(stats.interrupts, 0);
}

/* --- the handler, with events between any two of its steps --- */

#define STEPS 400000

/**
 * struct handler - the driver
 * @step: what it does next
 * @running: it was called, for an MSI
 * @seen: MSIs that it was called for
 * @sent: MSIs as of the last time that the master was turned on
 * @master, @control, @word: what it has read
 * @tile, @bank, @source: where it is
 * @owed: what was raised, by tile and source, and is not in an identity yet
 * @latched: what the identity must have
 * @raised, @read: counted
 */
struct handler {
	unsigned int step;
	bool running, enabled;
	uint64_t seen, sent;
	uint32_t master, control, word[2];
	unsigned int tile, bank, source;
	uint16_t owed[2][IRQ_SOURCES], latched;
	uint64_t raised, read;
};

enum {
	DISABLE,
	READ_MASTER,
	READ_TILE,
	CLEAR_TILE,
	READ_BANK,
	SELECT,
	READ_IDENTITY,
	CLEAR_BANK,
	TURN_ON,
};

static void next_tile(struct handler *h)
{
	while (h->tile < 2 && !(h->master & BIT(h->tile)))
		h->tile++;
	h->step = h->tile < 2 ? READ_TILE : TURN_ON;
}

static void next_bank(struct handler *h)
{
	while (h->bank < 2 && !(h->control & BIT(h->bank)))
		h->bank++;
	h->step = READ_BANK;
	if (h->bank < 2)
		return;
	h->tile++;
	next_tile(h);
}

static void next_source(struct handler *h)
{
	while (h->source < 32 && !(h->word[h->bank] & BIT(h->source)))
		h->source++;
	h->step = h->source < 32 ? SELECT : CLEAR_BANK;
}

/* The identity has all that was raised before it was asked for, and nothing else */
static void read_identity(struct handler *h, struct tile *t)
{
	uint32_t value = regs_read(t, IDENTITY(h->bank));

	assert_true(value & VALID);
	assert_int_equal(value & 0xffff, h->latched);
	h->read++;
	regs_write(t, IDENTITY(h->bank), value);
	h->source++;
	next_source(h);
}

static void select_source(struct handler *h, struct tile *t)
{
	uint16_t *owed = &h->owed[h->tile][h->bank * 32 + h->source];

	assert_true(*owed);
	regs_write(t, SELECTOR(h->bank), BIT(h->source));
	h->latched = *owed;
	*owed = 0;
	h->step = READ_IDENTITY;
}

static void turn_on(struct handler *h, struct device *d)
{
	h->sent = stats.interrupts;
	h->enabled = true;
	h->running = false;
	master(d, ENABLE);
}

static void disable(struct handler *h, struct device *d)
{
	h->enabled = false;
	master(d, 0);
	h->step = READ_MASTER;
}

static void read_master(struct handler *h, struct device *d)
{
	h->master = regs_read(&d->sim.tile[0], MASTER);
	assert_false(h->master & ENABLE);
	regs_write(&d->sim.tile[0], MASTER, h->master);
	h->tile = 0;
	next_tile(h);
}

static void read_tile(struct handler *h, struct tile *t)
{
	h->control = regs_read(t, TILE);
	assert_true(h->control & 3);
	h->bank = 0;
	h->step = CLEAR_TILE;
}

static void handler_step(struct handler *h, struct device *d)
{
	struct tile *t = &d->sim.tile[h->tile % 2];

	switch (h->step) {
	case DISABLE:
		disable(h, d);
		break;
	case READ_MASTER:
		read_master(h, d);
		break;
	case READ_TILE:
		read_tile(h, t);
		break;
	case CLEAR_TILE:
		regs_write(t, TILE, h->control);
		next_bank(h);
		break;
	case READ_BANK:
		h->word[h->bank] = regs_read(t, BANK(h->bank));
		assert_true(h->word[h->bank]);
		h->source = 0;
		next_source(h);
		break;
	case SELECT:
		select_source(h, t);
		break;
	case READ_IDENTITY:
		read_identity(h, t);
		break;
	case CLEAR_BANK:
		regs_write(t, BANK(h->bank), h->word[h->bank]);
		h->bank++;
		next_bank(h);
		break;
	case TURN_ON:
		turn_on(h, d);
		break;
	}
}

static void raise_random(struct handler *h, struct device *d)
{
	static const unsigned int busy[] = { 0, 15, 25, 31, 32, 63 };
	unsigned int tile = random_below(2);
	unsigned int source =
		one_in(4) ? random_below(IRQ_SOURCES) : busy[random_below(6)];
	uint16_t events = BIT(random_below(16));

	h->owed[tile][source] |= events;
	h->raised++;
	irq_raise(&d->sim.tile[tile], source, events);
}

static bool owes(const struct handler *h)
{
	unsigned int i, j;

	for (i = 0; i < 2; i++)
		for (j = 0; j < IRQ_SOURCES; j++)
			if (h->owed[i][j])
				return true;
	return false;
}

/* Exactly one MSI when it is enabled and there is something, else none */
static void check_msi(const struct handler *h)
{
	uint64_t n = stats.interrupts - h->sent;

	assert_true(n <= 1);
	if (!h->enabled)
		assert_int_equal(stats.interrupts, h->seen);
	else if (owes(h))
		assert_int_equal(n, 1);
}

static void handler_advance(struct handler *h, struct device *d)
{
	if (!h->running && stats.interrupts > h->seen) {
		assert_int_equal(stats.interrupts, h->seen + 1);
		h->seen++;
		h->running = true;
		h->step = DISABLE;
	} else if (h->running) {
		handler_step(h, d);
	}
}

static void run_handler(struct device *d, unsigned int rate)
{
	struct handler *h = calloc(1, sizeof(*h));
	unsigned int i;

	assert_non_null(h);
	turn_on(h, d);
	for (i = 0; i < STEPS / 4; i++) {
		if (one_in(rate))
			raise_random(h, d);
		check_msi(h);
		handler_advance(h, d);
		check_msi(h);
	}
	while (h->running || stats.interrupts > h->seen)
		handler_advance(h, d);
	assert_false(owes(h));
	assert_true(h->read > 1000 && h->raised >= h->read);
	master(d, 0);
	stats.interrupts = 0;
	free(h);
}

static void no_event_is_lost_or_told_twice(void **state)
{
	static const unsigned int rates[] = { 1, 3, 10, 60 };
	unsigned int i;

	random_start();
	for (i = 0; i < ARRAY_SIZE(rates); i++)
		run_handler(*state, rates[i]);
}

#define ON(name, profile)                                                      \
	cmocka_unit_test_prestate_setup_teardown(name, setup, teardown, profile)
#define TEST(name) ON(name, "pvc2")

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(nothing_is_pending_at_first),
		TEST(event_shows_at_every_level),
		ON(identity_names_the_source, "bmg"),
		TEST(identity_on_ponte_vecchio),
		TEST(events_of_a_source_are_merged),
		TEST(selector_zero_selects_nothing),
		TEST(identity_is_latched),
		TEST(clearing_a_bank_loses_nothing),
		TEST(msi_only_while_enabled),
		TEST(one_msi_for_each_enable),
		TEST(msi_may_take_its_time),
		TEST(msi_that_is_late_is_not_sent_while_disabled),
		TEST(msi_signals_the_eventfd),
		TEST(msi_delayed_by_injection),
		TEST(msi_lost_by_injection),
		TEST(master_of_a_tile_is_stored),
		TEST(master_of_the_device_is_in_the_first_tile),
		TEST(reset_forgets_events),
		TEST(no_event_is_lost_or_told_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
