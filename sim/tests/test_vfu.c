// SPDX-License-Identifier: GPL-2.0-only
/* vfio-user messages, without a socket. */
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "xesim.h"

#define HEADER 16
#define NO_REPLY BIT(4)

enum {
	VERSION = 1,
	DMA_MAP = 2,
	DMA_UNMAP = 3,
	REGION_INFO = 5,
	SET_IRQS = 8,
	REGION_READ = 9,
	REGION_WRITE = 10,
	WRITE_MULTI = 15
};

static struct sim sim;

/* Sends a message; returns the error of the reply, which is then in reply() */
static int call_flags(uint16_t command, const void *payload, size_t len,
		      int *fd, uint32_t flags)
{
	uint32_t head[4] = { 0x1234u | (uint32_t)command << 16, HEADER + len,
			     flags, 0 };
	uint8_t msg[HEADER + 256];

	assert_true(len <= 256);
	memcpy(msg, head, HEADER);
	if (len)
		memcpy(msg + HEADER, payload, len);
	assert_int_equal(
		vfu_message(&sim, sim.vfu, msg, HEADER + len, fd, !!fd), 0);
	if (flags & NO_REPLY) {
		assert_int_equal(sim.vfu->out_len, 0);
		return 0;
	}
	memcpy(head, sim.vfu->out, HEADER);
	assert_int_equal(head[0], 0x1234u | (uint32_t)command << 16);
	assert_int_equal(head[1], sim.vfu->out_len);
	assert_int_equal(head[2], head[3] ? 0x21 : 0x01);
	if (head[3])
		assert_int_equal(head[1], HEADER);
	return head[3];
}

static int call(uint16_t command, const void *payload, size_t len, int *fd)
{
	return call_flags(command, payload, len, fd, 0);
}

static const void *reply(void)
{
	return sim.vfu->out + HEADER;
}

static void test_version(void **state)
{
	static const char caps[] =
		"\0\0\1\0{\"capabilities\":{\"max_msg_fds\":8,"
		"\"write_multiple\":true,\"twin_socket\":{\"supported\":true}}"
		"}";
	static const char small[] = "\0\0\0\0{}";

	(void)state;
	assert_int_equal(call(VERSION, caps, sizeof(caps), NULL), 0);
	assert_true(sim.vfu->out_len <= HEADER + sizeof(caps));
	assert_memory_equal(reply(), "\0\0\0", 4);
	assert_string_equal((const char *)reply() + 4,
			    "{\"capabilities\":{\"max_msg_fds\":16,"
			    "\"write_multiple\":true}}");
	assert_int_equal(call(VERSION, small, sizeof(small), NULL), 0);
	assert_int_equal(sim.vfu->out_len, HEADER + 4);
	assert_int_equal(call(VERSION, small, sizeof(small) - 1, NULL), EINVAL);
	assert_int_equal(call(VERSION, "\1\0\0", 4, NULL), ENOTSUP);
}

static void test_region_info(void **state)
{
	struct vfio_region_info info = { .argsz = sizeof(info) };
	struct {
		struct vfio_region_info_cap_sparse_mmap cap;
		struct vfio_region_sparse_mmap_area area[2];
	} gsm;

	(void)state;
	assert_int_equal(call(REGION_INFO, &info, sizeof(info), NULL), 0);
	assert_int_equal(sim.vfu->out_len, HEADER + sizeof(info));
	assert_int_equal(sim.vfu->out_fd, sim.tile[0].gsm_fd);
	memcpy(&info, reply(), sizeof(info));
	assert_int_equal(info.argsz, sizeof(info) + sizeof(gsm));
	assert_int_equal(info.size, 2 * TILE_WINDOW);

	assert_int_equal(call(REGION_INFO, &info, sizeof(info), NULL), 0);
	assert_int_equal(sim.vfu->out_len, HEADER + info.argsz);
	memcpy(&gsm, (const uint8_t *)reply() + info.cap_offset, sizeof(gsm));
	assert_int_equal(gsm.cap.nr_areas, 2);
	assert_int_equal(gsm.area[0].offset, GSM_OFFSET);
	assert_int_equal(gsm.area[1].offset, TILE_WINDOW + GSM_OFFSET);
	assert_int_equal(gsm.area[0].size, GSM_SIZE);
	assert_int_equal(gsm.area[1].size, GSM_SIZE);

	info.index = VFIO_PCI_NUM_REGIONS;
	assert_int_equal(call(REGION_INFO, &info, sizeof(info), NULL), EINVAL);
}

static int access_region(uint16_t command, uint32_t region, uint64_t offset,
			 uint32_t count, uint32_t data)
{
	const struct {
		uint64_t offset;
		uint32_t region, count, data;
	} a = { offset, region, count, data };

	return call(command, &a, command == REGION_WRITE ? 20 : 16, NULL);
}

static void test_access(void **state)
{
	uint64_t end = sim.mem.vram_size;

	(void)state;
	assert_int_equal(access_region(REGION_WRITE, 2, end - 4, 4, 0xabcd), 0);
	assert_int_equal(*(uint32_t *)(sim.mem.vram + end - 4), 0xabcd);
	assert_int_equal(access_region(REGION_READ, 2, end - 4, 4, 0), 0);
	assert_memory_equal((const uint8_t *)reply() + 16, "\xcd\xab\0", 4);
	assert_int_equal(access_region(REGION_READ, 2, end - 2, 4, 0), EINVAL);
	assert_int_equal(access_region(REGION_READ, 2, -2ull, 4, 0), EINVAL);
	assert_int_equal(access_region(REGION_WRITE, 2, 0, 5, 0), EINVAL);
	assert_int_equal(access_region(REGION_READ, 2, 0, MIB(1) + 1, 0),
			 EINVAL);
	assert_int_equal(access_region(REGION_READ, 1, 0, 4, 0), EINVAL);
	assert_int_equal(access_region(REGION_READ, 7, 0, 4, 0), 0);
	assert_memory_equal((const uint8_t *)reply() + 16, "\x86\x80", 2);
}

static void test_write_multi(void **state)
{
	struct {
		uint64_t n;
		struct {
			uint64_t offset;
			uint32_t region, count;
			uint8_t data[8];
		} w[2];
	} m = { 2, { { 0, 2, 4, "abcdxxx" }, { 4, 2, 2, "ef" } } };

	(void)state;
	assert_int_equal(call(WRITE_MULTI, &m, sizeof(m), NULL), 0);
	assert_memory_equal(sim.mem.vram, "abcdef\0", 8);
	m.n = 3;
	assert_int_equal(call(WRITE_MULTI, &m, sizeof(m), NULL), EINVAL);
	m.n = 1;
	m.w[0].count = 9;
	assert_int_equal(call(WRITE_MULTI, &m, sizeof(m), NULL), EINVAL);
}

static int map(uint64_t address, uint64_t size, int *fd, uint32_t flags)
{
	const struct {
		uint32_t argsz, flags;
		uint64_t offset, address, size;
	} m = { sizeof(m), flags, 0, address, size };

	return call(DMA_MAP, &m, sizeof(m), fd);
}

static int unmap(uint64_t address, uint64_t size, uint32_t flags)
{
	const struct {
		uint32_t argsz, flags;
		uint64_t address, size;
	} m = { sizeof(m), flags, address, size };

	return call(DMA_UNMAP, &m, sizeof(m), NULL);
}

static void test_dma(void **state)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	(void)state;
	assert_int_equal(ftruncate(fd, 8192), 0);
	assert_int_equal(map(0, 8192, &fd, 3), 0);
	assert_int_equal(map(4096, 4096, &fd, 3), EEXIST);
	assert_int_equal(map(MIB(1), 12288, &fd, 3), EINVAL);
	assert_int_equal(map(MIB(1), 0, &fd, 3), EINVAL);
	assert_int_equal(map(-4096ull, 8192, &fd, 3), EINVAL);
	assert_int_equal(map(MIB(1), 4096, NULL, 7), EINVAL);
	assert_int_equal(map(MIB(1), 4096, NULL, 1), 0);
	assert_int_equal(sim.mem.nr_dma, 2);
	assert_int_equal(unmap(0, 4096, 0), ENOENT);
	assert_int_equal(unmap(0, 8192, 0), 0);
	assert_int_equal(sim.vfu->out_len, HEADER + 24);
	assert_int_equal(unmap(0, 0, 2), 0);
	assert_int_equal(sim.mem.nr_dma, 0);
	close(fd);
}

static int irqs(uint32_t index, uint32_t flags, uint32_t count, int *fd)
{
	const uint32_t s[] = { 20, flags, index, 0, count };

	return call(SET_IRQS, s, sizeof(s), fd);
}

static void test_msi(void **state)
{
	const uint32_t trigger = VFIO_IRQ_SET_ACTION_TRIGGER;
	const uint32_t event = trigger | VFIO_IRQ_SET_DATA_EVENTFD;
	const uint32_t none = trigger | VFIO_IRQ_SET_DATA_NONE;
	int fd = eventfd(0, EFD_NONBLOCK), mine = dup(fd);
	eventfd_t value;

	(void)state;
	vfu_msi(&sim);
	assert_int_equal(irqs(VFIO_PCI_MSIX_IRQ_INDEX, event, 1, &fd), EINVAL);
	assert_int_equal(irqs(VFIO_PCI_MSI_IRQ_INDEX, event, 2, &fd), EINVAL);
	assert_true(fd >= 0);
	assert_int_equal(irqs(VFIO_PCI_MSI_IRQ_INDEX, event, 1, &fd), 0);
	assert_int_equal(fd, -1); /* it was kept */
	assert_int_equal(eventfd_read(mine, &value), -1);
	vfu_msi(&sim);
	assert_int_equal(eventfd_read(mine, &value), 0);
	assert_int_equal(irqs(VFIO_PCI_MSI_IRQ_INDEX, none, 1, NULL), 0);
	assert_int_equal(eventfd_read(mine, &value), 0);
	assert_int_equal(irqs(VFIO_PCI_MSI_IRQ_INDEX, none, 0, NULL), 0);
	vfu_msi(&sim);
	assert_int_equal(eventfd_read(mine, &value), -1);
	close(mine);
}

static void test_bad_messages(void **state)
{
	static const uint16_t unknown[] = { 0, 6, 11, 12, 14, 16, 18, 0xffff };
	uint8_t msg[HEADER] = { 0, 0, 13, 0, HEADER };
	unsigned int i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(unknown); i++)
		assert_int_equal(call(unknown[i], NULL, 0, NULL), ENOTSUP);
	for (i = DMA_MAP; i <= REGION_WRITE; i++)
		if (i != 6)
			assert_int_equal(call(i, "1234567", 7, NULL), EINVAL);
	call_flags(REGION_READ, "1234567", 7, NULL, NO_REPLY);
	assert_int_equal(vfu_message(&sim, sim.vfu, msg, HEADER, NULL, 0), 0);
	assert_int_equal(vfu_message(&sim, sim.vfu, msg, HEADER - 1, NULL, 0),
			 -1);
	msg[4]++;
	assert_int_equal(vfu_message(&sim, sim.vfu, msg, HEADER, NULL, 0), -1);
	msg[4]--;
	msg[8] = 1; /* a reply */
	assert_int_equal(vfu_message(&sim, sim.vfu, msg, HEADER, NULL, 0), -1);
}

static int setup(void **state)
{
	(void)state;
	memset(&sim, 0, sizeof(sim));
	sim.opt.profile = profile_find("pvc2");
	vfu_new(&sim);
	return sim_init(&sim);
}

static int teardown(void **state)
{
	(void)state;
	vfu_free(&sim);
	sim_free(&sim);
	return 0;
}

#define VFU_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		VFU_TEST(test_version),	     VFU_TEST(test_region_info),
		VFU_TEST(test_access),	     VFU_TEST(test_write_multi),
		VFU_TEST(test_dma),	     VFU_TEST(test_msi),
		VFU_TEST(test_bad_messages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
