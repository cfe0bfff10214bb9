// SPDX-License-Identifier: GPL-2.0-only
/*
 * The interrupt tree: a source in a bank of a tile, the tile, the device (sheet 3.6).
 *
 * All that is kept is what is pending at each source; what the registers above show is
 * computed from that.  The driver's writes that clear them change nothing: a source is
 * cleared when its identity is read out, and what comes after that stays pending.
 */
#include <string.h>

#include "xesim.h"

#define DG1_MSTR_TILE_INTR 0x190008
#define GFX_MSTR_IRQ 0x190010
#define GT_INTR_DW 0x190018
#define INTR_IDENTITY 0x190060
#define IIR_REG_SELECTOR 0x190070
#define MASTER_ENABLE BIT(31)
#define IDENTITY_VALID BIT(31)

static uint32_t bank_pending(const struct tile *t, unsigned int bank)
{
	uint32_t bits = 0;
	unsigned int i;

	for (i = 0; i < 32; i++)
		if (t->irq.pending[bank * 32 + i])
			bits |= BIT(i);
	return bits;
}

static uint32_t tile_pending(const struct tile *t)
{
	return (bank_pending(t, 0) ? BIT(0) : 0) |
	       (bank_pending(t, 1) ? BIT(1) : 0);
}

static uint32_t device_pending(const struct sim *sim)
{
	uint32_t bits = 0;
	unsigned int i;

	for (i = 0; i < sim->nr_tiles; i++)
		if (tile_pending(&sim->tile[i]))
			bits |= BIT(i);
	return bits;
}

static void send_msi(void *arg)
{
	struct sim *sim = arg;

	if (inject(INJECT_IRQ_DROP, NULL))
		return;
	stats.interrupts++;
	trace(&sim->tile[0], "irq msi");
	vfu_msi(sim);
}

/* update(): one MSI for each time that the master is turned on and anything is pending */
static void update(struct sim *sim)
{
	uint64_t delay = sim->opt.latency.irq_ns;

	if (!sim->irq_master || sim->irq_sent || !device_pending(sim))
		return;
	sim->irq_sent = true;
	delay += inject_time(INJECT_IRQ_DELAY, NULL);
	if (delay)
		timer_arm(&sim->irq_timer, delay, send_msi, sim);
	else
		send_msi(sim);
}

void irq_raise(struct tile *t, unsigned int source, uint16_t bits)
{
	t->irq.pending[source] |= bits;
	update(t->sim);
}

void irq_reset(struct tile *t)
{
	memset(&t->irq, 0, sizeof(t->irq));
}

uint32_t irq_read(struct tile *t, uint32_t offset)
{
	switch (offset) {
	case DG1_MSTR_TILE_INTR: /* in the first tile's window only */
		if (t->id)
			return 0;
		return device_pending(t->sim) |
		       (t->sim->irq_master ? MASTER_ENABLE : 0);
	case GFX_MSTR_IRQ:
		return tile_pending(t) | (t->regs[offset / 4] & MASTER_ENABLE);
	case GT_INTR_DW:
	case GT_INTR_DW + 4:
		return bank_pending(t, (offset - GT_INTR_DW) / 4);
	case INTR_IDENTITY:
	case INTR_IDENTITY + 4:
		return t->irq.identity[(offset - INTR_IDENTITY) / 4];
	default:
		return 0;
	}
}

/* identity_of(): class, instance and what happened: driver: gt_engine_identity() */
static uint32_t identity_of(const struct tile *t, unsigned int source)
{
	unsigned int i, class = CLASS_OTHER, instance = 0;

	for (i = 0; i < t->nr_engines; i++) {
		if (t->engine[i].desc->irq_bit == source) {
			class = t->engine[i].desc->class;
			instance = t->engine[i].desc->instance;
		}
	}
	return IDENTITY_VALID | instance << 20 | class << 16 |
	       t->irq.pending[source];
}

static void select_source(struct tile *t, unsigned int bank, uint32_t value)
{
	unsigned int source;

	if (!value)
		return;
	source = bank * 32 + __builtin_ctz(value);
	t->irq.identity[bank] = identity_of(t, source);
	t->irq.pending[source] = 0;
}

void irq_write(struct tile *t, uint32_t offset, uint32_t value)
{
	switch (offset) {
	case DG1_MSTR_TILE_INTR:
		if (t->id)
			break;
		t->sim->irq_master = value & MASTER_ENABLE;
		timer_cancel(&t->sim->irq_timer);
		t->sim->irq_sent = false;
		update(t->sim);
		break;
	case GFX_MSTR_IRQ:
		t->regs[offset / 4] = value;
		break;
	case IIR_REG_SELECTOR:
	case IIR_REG_SELECTOR + 4:
		select_source(t, (offset - IIR_REG_SELECTOR) / 4, value);
		break;
	case INTR_IDENTITY:
	case INTR_IDENTITY + 4:
		t->irq.identity[(offset - INTR_IDENTITY) / 4] = 0;
		break;
	}
}
