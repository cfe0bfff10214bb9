/* SPDX-License-Identifier: GPL-2.0-only */
/* Messages on the channel of channel.h, and what a test expects to come back. */
#ifndef XESIM_TESTS_MESSAGES_H
#define XESIM_TESTS_MESSAGES_H

#include "channel.h"

#define request(c, action, ...)                                                \
	channel_send(c, HXG(TYPE_REQUEST, action), DWORDS(__VA_ARGS__))
#define fast(c, action, ...)                                                   \
	channel_send(c, HXG(TYPE_FAST, action), DWORDS(__VA_ARGS__))
#define expect_event(c, ...) expect(c, 0, DWORDS(__VA_ARGS__))

static inline void expect(struct channel *c, uint16_t fence,
			  const uint32_t *want, unsigned int n)
{
	uint32_t dw[MAX_HXG];
	uint16_t got;

	assert_int_equal(channel_receive(c, dw, &got), n);
	assert_int_equal(got, fence);
	assert_memory_equal(dw, want, 4 * n);
}

static inline void expect_nothing(struct channel *c)
{
	uint32_t dw[MAX_HXG];
	uint16_t fence;

	assert_int_equal(channel_receive(c, dw, &fence), 0);
}

#endif
