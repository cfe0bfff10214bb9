// SPDX-License-Identifier: GPL-2.0-only
/* Configuration space as the host sees it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <linux/pci_regs.h>
#include <string.h>

#include "xesim.h"

#define CAP_EXP 0x70
#define CAP_MSI 0xac
#define CAP_PM 0xd0

static struct sim sim;

static uint32_t rd(uint32_t offset, uint32_t len)
{
	uint32_t value = 0;

	pci_read(&sim, offset, &value, len);
	return value;
}

static void wr(uint32_t offset, uint32_t len, uint32_t value)
{
	pci_write(&sim, offset, &value, len);
}

static void test_identity(void **state)
{
	(void)state;
	assert_int_equal(rd(PCI_VENDOR_ID, 2), 0x8086);
	assert_int_equal(rd(PCI_DEVICE_ID, 2), sim.prof->device);
	assert_int_equal(rd(PCI_CLASS_REVISION, 4),
			 sim.prof->class << 8 | sim.prof->revision);
	assert_int_equal(rd(PCI_HEADER_TYPE, 1), PCI_HEADER_TYPE_NORMAL);
	assert_int_equal(rd(0x50, 2), 0x00c0);
}

static void test_capabilities(void **state)
{
	static const struct {
		uint8_t at, id;
	} expected[] = {
		{ CAP_EXP, PCI_CAP_ID_EXP },
		{ CAP_MSI, PCI_CAP_ID_MSI },
		{ CAP_PM, PCI_CAP_ID_PM },
	};
	uint32_t at = rd(PCI_CAPABILITY_LIST, 1);
	unsigned int i;

	(void)state;
	assert_true(rd(PCI_STATUS, 2) & PCI_STATUS_CAP_LIST);
	for (i = 0; i < ARRAY_SIZE(expected); i++) {
		assert_int_equal(at, expected[i].at);
		assert_int_equal(rd(at, 1), expected[i].id);
		at = rd(at + 1, 1);
	}
	assert_int_equal(at, 0);
	assert_int_equal(rd(PCI_CFG_SPACE_SIZE, 4), 0);
}

/* A host writes ones to a BAR and reads its size */
static uint64_t probe_size(unsigned int bar)
{
	uint32_t at = PCI_BASE_ADDRESS_0 + 4 * bar;
	uint64_t mask;

	wr(at, 4, ~0u);
	wr(at + 4, 4, ~0u);
	mask = rd(at, 4) & PCI_BASE_ADDRESS_MEM_MASK;
	mask |= (uint64_t)rd(at + 4, 4) << 32;
	return ~mask + 1;
}

static void test_bars(void **state)
{
	(void)state;
	assert_int_equal(rd(PCI_BASE_ADDRESS_0, 4),
			 PCI_BASE_ADDRESS_MEM_TYPE_64);
	assert_int_equal(rd(PCI_BASE_ADDRESS_2, 4),
			 PCI_BASE_ADDRESS_MEM_TYPE_64 |
				 PCI_BASE_ADDRESS_MEM_PREFETCH);
	assert_int_equal(probe_size(0), sim.nr_tiles * TILE_WINDOW);
	assert_int_equal(probe_size(2), sim.mem.vram_size);
	wr(PCI_BASE_ADDRESS_0, 4, 0xfe123456);
	assert_int_equal(rd(PCI_BASE_ADDRESS_0, 4), 0xfe000004);
	wr(PCI_BASE_ADDRESS_4, 4, ~0u);
	assert_int_equal(rd(PCI_BASE_ADDRESS_4, 4), 0);
	wr(PCI_ROM_ADDRESS, 4, ~0u);
	assert_int_equal(rd(PCI_ROM_ADDRESS, 4), 0);
}

static void test_read_only(void **state)
{
	unsigned int i;

	(void)state;
	for (i = 0; i < 0x1000; i += 4) {
		/* Not the one that resets */
		if (i == CAP_EXP + PCI_EXP_DEVCTL)
			continue;
		wr(i, 4, ~0u);
	}
	assert_int_equal(rd(PCI_VENDOR_ID, 2), 0x8086);
	assert_int_equal(rd(PCI_STATUS, 2), PCI_STATUS_CAP_LIST);
	assert_int_equal(rd(0x50, 2), 0x00c0);
	assert_int_equal(rd(CAP_PM + PCI_PM_CTRL, 2),
			 PCI_PM_CTRL_NO_SOFT_RESET | PCI_PM_CTRL_STATE_MASK);
	assert_int_equal(rd(CAP_MSI + PCI_MSI_FLAGS, 2) & PCI_MSI_FLAGS_MASKBIT,
			 0);
	assert_int_equal(rd(PCI_CFG_SPACE_SIZE, 4), 0);
}

static void test_flr(void **state)
{
	uint32_t at = CAP_EXP + PCI_EXP_DEVCTL, before = rd(at, 2);

	(void)state;
	assert_true(rd(CAP_EXP + PCI_EXP_DEVCAP, 4) & PCI_EXP_DEVCAP_FLR);
	wr(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	wr(at, 2, before | PCI_EXP_DEVCTL_CERE);
	assert_int_equal(rd(PCI_COMMAND, 2),
			 PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	assert_int_equal(rd(at, 2), before | PCI_EXP_DEVCTL_CERE);
	sim.irq_master = true;
	wr(at, 2, before | PCI_EXP_DEVCTL_BCR_FLR);
	assert_int_equal(rd(at, 2), before);
	assert_int_equal(rd(PCI_COMMAND, 2), 0);
	assert_false(sim.irq_master);
}

static void test_bounds(void **state)
{
	uint64_t before = stats.unknown_accesses;

	(void)state;
	assert_int_equal(rd(0xffe, 4), 0xffff0000);
	assert_int_equal(rd(0x1000, 4), ~0u);
	assert_int_equal(rd(0xfffffffe, 4), ~0u);
	wr(0xffe, 4, ~0u);
	wr(0x1000, 4, ~0u);
	wr(0xfffffffe, 4, ~0u);
	assert_int_equal(stats.unknown_accesses - before, 6);
}

/* What a driver finds the platforms by: sheet 1.1 and 2.1 */
static void test_platforms(void **state)
{
	static const struct {
		const char *profile;
		uint32_t id, class_revision;
		uint64_t bar0, bar2;
	} known[] = {
		{ "bmg", 0xe20b8086, 0x03800000, MIB(16), GIB(1) },
		{ "pvc", 0x0bd58086, 0x0380002f, MIB(16), GIB(1) },
		{ "pvc2", 0x0bd58086, 0x0380002f, MIB(32), GIB(2) },
	};
	unsigned int i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(known); i++) {
		sim_free(&sim);
		memset(&sim, 0, sizeof(sim));
		sim.opt.profile = profile_find(known[i].profile);
		assert_int_equal(sim_init(&sim), 0);
		assert_int_equal(rd(PCI_VENDOR_ID, 4), known[i].id);
		assert_int_equal(rd(PCI_CLASS_REVISION, 4),
				 known[i].class_revision);
		assert_int_equal(probe_size(0), known[i].bar0);
		assert_int_equal(probe_size(2), known[i].bar2);
	}
}

static int setup(void **state)
{
	memset(&sim, 0, sizeof(sim));
	sim.opt.profile = profile_find(*state);
	return sim_init(&sim);
}

static int teardown(void **state)
{
	(void)state;
	sim_free(&sim);
	return 0;
}

#define ON(fn, profile)                                                        \
	cmocka_unit_test_prestate_setup_teardown(fn, setup, teardown, profile)
#define PCI_TEST(fn) ON(fn, "bmg"), ON(fn, "pvc2")

int main(void)
{
	static const struct CMUnitTest tests[] = {
		PCI_TEST(test_identity),   PCI_TEST(test_capabilities),
		PCI_TEST(test_bars),	   PCI_TEST(test_read_only),
		PCI_TEST(test_flr),	   PCI_TEST(test_bounds),
		ON(test_platforms, "bmg"),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
