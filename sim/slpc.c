// SPDX-License-Identifier: GPL-2.0-only
/*
 * Power control by GuC (SLPC): sheet 4.6, driver: xe_guc_pc.c.  Frequencies are in MHz
 * in parameters, and in units of 50/3 MHz in registers and in the shared data.
 */
#include "xesim.h"

#define EVENT_RESET 0
#define EVENT_SHUTDOWN 1
#define EVENT_QUERY 5
#define EVENT_PARAM_SET 6
#define EVENT_PARAM_UNSET 7

#define PARAM_MIN 6
#define PARAM_MAX 7

#define SHARED_STATE 4
#define SHARED_FREQUENCY 132
#define STATE_RUNNING 3

#define RP_STATE_CAP 0x138000
#define RPNSWREQ 0xa008

static uint32_t to_mhz(uint32_t units)
{
	return units * 50 / 3;
}

static uint32_t to_units(uint32_t mhz)
{
	return (mhz * 3 + 49) / 50;
}

static uint32_t lowest(struct tile *t)
{
	return to_mhz(FIELD(t->regs[RP_STATE_CAP / 4], 24, 16));
}

static uint32_t highest(struct tile *t)
{
	return to_mhz(FIELD(t->regs[RP_STATE_CAP / 4], 8, 0));
}

void slpc_reset(struct tile *t)
{
	t->guc.slpc = 0;
	t->guc.min_mhz = 0;
	t->guc.max_mhz = 0;
}

/* slpc_frequency(): what the GPU runs at, in units: the upper limit, but not below the lower one */
uint32_t slpc_frequency(struct tile *t)
{
	uint32_t mhz = t->guc.max_mhz ? t->guc.max_mhz : highest(t);

	return to_units(mhz > t->guc.min_mhz ? mhz : t->guc.min_mhz);
}

static void limit(struct tile *t, uint32_t id, uint32_t mhz)
{
	if (id == PARAM_MIN)
		t->guc.min_mhz = mhz;
	else if (id == PARAM_MAX)
		t->guc.max_mhz = mhz;
	t->regs[RPNSWREQ / 4] = slpc_frequency(t) << 23;
}

static int query(struct tile *t, uint64_t shared)
{
	uint32_t min = t->guc.min_mhz ? t->guc.min_mhz : lowest(t);

	ggtt_write32(t, shared + SHARED_FREQUENCY,
		     slpc_frequency(t) | to_units(min) << 8);
	return 0;
}

/**
 * slpc_request() - a request of the driver
 * @t: tile
 * @dw: event << 8 | number of arguments, and the arguments
 * @n: dwords
 *
 * Return: 0, or -1 where it makes no sense.
 */
int slpc_request(struct tile *t, const uint32_t *dw, unsigned int n)
{
	uint32_t event = n ? FIELD(dw[0], 15, 8) : 0;

	if (n < 1 + FIELD(n ? dw[0] : 0, 7, 0) || n < 2)
		return -1;
	switch (event) {
	case EVENT_RESET:
		slpc_reset(t);
		t->guc.slpc = dw[1];
		ggtt_write32(t, dw[1] + SHARED_STATE, STATE_RUNNING);
		return query(t, dw[1]);
	case EVENT_SHUTDOWN:
		ggtt_write32(t, dw[1] + SHARED_STATE, 0);
		return 0;
	case EVENT_QUERY:
		return query(t, dw[1]);
	case EVENT_PARAM_SET:
		if (n < 3)
			return -1;
		limit(t, dw[1], dw[2]);
		return 0;
	case EVENT_PARAM_UNSET:
		limit(t, dw[1], 0);
		return 0;
	default:
		return -1;
	}
}
