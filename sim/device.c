// SPDX-License-Identifier: GPL-2.0-only
/* The device: tiles, engines and the memory that they share. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>

#include "xesim.h"

static void init_engines(struct tile *t)
{
	const struct profile *p = t->sim->prof;
	unsigned int i, logical[NR_CLASSES] = { 0 };

	for (i = 0; i < p->nr_engines; i++) {
		struct engine *e = &t->engine[i];

		e->desc = &p->engines[i];
		e->tile = t;
		e->logical = logical[e->desc->class]++;
		tlb_init(&e->tlb, t->sim->opt.tlb_strict);
	}
	t->nr_engines = p->nr_engines;
}

int sim_init(struct sim *sim)
{
	unsigned int i;

	sim->prof = sim->opt.profile;
	sim->nr_tiles = sim->prof->tiles;
	if (!sim->opt.vram)
		sim->opt.vram = sim->prof->vram_default;
	if (mem_init(sim)) {
		fprintf(stderr,
			"xesim: no memory for %llu MiB of VRAM: %s; give a "
			"smaller --vram\n",
			(unsigned long long)(sim->opt.vram >> 20),
			strerror(errno));
		return -1;
	}
	for (i = 0; i < sim->nr_tiles; i++) {
		struct tile *t = &sim->tile[i];

		t->sim = sim;
		t->id = i;
		t->regs = calloc(1, REGS_SIZE);
		if (!t->regs)
			return -1;
		init_engines(t);
		guc_init(t);
		sched_init(t);
	}
	pci_init(sim);
	reset_power_on(sim);
	return 0;
}

void sim_free(struct sim *sim)
{
	unsigned int i, j;

	timer_cancel(&sim->irq_timer);
	for (i = 0; i < sim->nr_tiles; i++) {
		struct tile *t = &sim->tile[i];

		guc_reset(t);
		sched_free(t);
		for (j = 0; j < t->nr_engines; j++)
			tlb_free(&t->engine[j].tlb);
		free(t->regs);
	}
	mem_free(sim);
}
