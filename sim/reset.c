// SPDX-License-Identifier: GPL-2.0-only
/* Resets: of the machine, by FLR, by the driver's FLR, of GuC and of a GT. */
#include "xesim.h"

/* Domains of GDRST: sheet 3.9 */
#define GRDOM_FULL BIT(0)
#define GRDOM_GUC BIT(3)

static void reset_engines(struct tile *t)
{
	unsigned int i;

	for (i = 0; i < t->nr_engines; i++) {
		t->engine[i].busy_until = 0;
		acc_reset(&t->engine[i], TLB_ALL_ASIDS, 0, UINT64_MAX);
		tlb_flush(&t->engine[i], TLB_ALL_ASIDS, 0, UINT64_MAX,
			  TLB_DROP);
	}
}

/**
 * reset_gdrst() - the driver resets parts of a GT
 * @t: tile
 * @domains: as written to GDRST; GuC with its contexts is in each of the two used
 */
void reset_gdrst(struct tile *t, uint32_t domains)
{
	trace(t, "reset gdrst domains=0x%x", domains);
	if (!(domains & (GRDOM_FULL | GRDOM_GUC)))
		return;
	guc_reset(t);
	sched_reset(t);
	if (!(domains & GRDOM_FULL))
		return;
	stats.gt_resets++;
	reset_engines(t);
}

/**
 * reset_power_on() - as after power-on, but for the content of VRAM and the PCI configuration
 * @sim: the device
 */
void reset_power_on(struct sim *sim)
{
	unsigned int i;

	sim->irq_master = false;
	sim->irq_sent = false;
	timer_cancel(&sim->irq_timer);
	for (i = 0; i < sim->nr_tiles; i++) {
		struct tile *t = &sim->tile[i];

		trace(t, "reset power-on");
		guc_reset(t);
		sched_reset(t);
		reset_engines(t);
		irq_reset(t);
		regs_reset(t);
	}
}
