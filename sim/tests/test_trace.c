// SPDX-License-Identifier: GPL-2.0-only
/* The trace file: what its lines look like. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "xesim.h"

/* An event a millisecond after the start, with the clock at clock_ns then */
static void record(const char *path)
{
	struct tile tile = { .id = 1 };

	assert_int_equal(trace_open(path), 0);
	clock_ns += 1000000;
	trace(&tile, "guc flush seqno=%u", 7);
	trace(NULL, "vfu client_left");
	trace_close();
	trace(NULL, "too late");
}

static void test_lines(void **state)
{
	char path[] = "/tmp/xesim-trace-XXXXXX", text[512];
	int fd = mkstemp(path);
	ssize_t len;

	(void)state;
	assert_true(fd >= 0);
	clock_ns = 12345678901234ull;
	record(path);
	len = read(fd, text, sizeof(text) - 1);
	assert_true(len >= 0);
	text[len] = '\0';
	close(fd);
	unlink(path);
	assert_string_equal(text, "0.000000 - trace start clock=12345.678901\n"
				  "0.001000 gt1 guc flush seqno=7\n"
				  "0.001000 - vfu client_left\n");
}

static void test_cannot_open(void **state)
{
	(void)state;
	assert_int_equal(trace_open("/nowhere/trace"), -1);
	assert_false(trace_on);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_cannot_open),
	};

	return cmocka_run_group_tests_name("trace", tests, NULL, NULL);
}
