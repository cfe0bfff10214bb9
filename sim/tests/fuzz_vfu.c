// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzzes the vfio-user messages, and what trapped accesses reach.  The input is a
 * sequence of {u8 how, u16 length, message}: "how" says how many files come with the
 * message (bits 0-4), and whether the size in its header is to be left as it is
 * (bit 7).
 */
#define _GNU_SOURCE
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "xesim.h"

#define HOW_FILES 0x1f
#define HOW_SIZE 0x80
#define HEADER 16
#define REGION_READ 9
#define REGION 24 /* where such a message says which, */
#define COUNT 28  /* and how many bytes */

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct sim sim;
static int memory; /* for the messages that bring a file */

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	sim.opt.profile = profile_find("bmg");
	memory = memfd_create("fuzz", MFD_CLOEXEC);
	if (memory < 0 || ftruncate(memory, MIB(1)) || sim_init(&sim))
		abort();
	return 0;
}

static void check_reply(const struct vfu *v, const uint8_t *msg)
{
	uint32_t size;

	if (!v->out_len)
		return;
	assert(v->out_len >= HEADER && v->out_len <= VFU_MAX_MSG);
	assert(!memcmp(v->out, msg, 4)); /* id and command */
	memcpy(&size, v->out + 4, sizeof(size));
	assert(size == v->out_len);
}

/* A long read of registers is but many short ones, and slow */
static void keep_short(uint8_t *msg, uint32_t len)
{
	if (len >= 2 * HEADER && msg[2] == REGION_READ && !msg[REGION])
		msg[COUNT + 1] = msg[COUNT + 2] = msg[COUNT + 3] = 0;
}

/* In memory of its own, so that a read behind its end is seen */
static void one_message(const uint8_t *data, uint32_t len, uint8_t how)
{
	unsigned int i, n = how & HOW_FILES;
	uint8_t *msg = malloc(len ? len : 1);
	int fds[HOW_FILES];

	if (!msg)
		abort();
	memcpy(msg, data, len);
	keep_short(msg, len);
	if (len >= HEADER && !(how & HOW_SIZE))
		memcpy(msg + 4, &len, sizeof(len));
	for (i = 0; i < n; i++)
		fds[i] = dup(memory);
	if (!vfu_message(&sim, sim.vfu, msg, len, fds, n))
		check_reply(sim.vfu, msg);
	for (i = 0; i < n; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	free(msg);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned int i;
	uint16_t len;

	vfu_new(&sim);
	while (size >= 3) {
		memcpy(&len, data + 1, sizeof(len));
		if (len > size - 3)
			len = size - 3;
		one_message(data + 3, len, data[0]);
		data += 3 + len;
		size -= 3 + len;
		timers_run();
		sched_run(&sim);
	}
	for (i = 0; i < 16; i++) {
		timers_run();
		sched_run(&sim);
	}
	vfu_free(&sim);
	pci_reset(&sim);
	return 0;
}
