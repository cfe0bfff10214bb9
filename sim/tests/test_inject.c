// SPDX-License-Identifier: GPL-2.0-only
/* The fault injection file: grammar, and which events are hit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "xesim.h"

static char path[64];

static int load_seed(const char *text, uint64_t seed)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
	return inject_load(path, seed);
}

static int load(const char *text)
{
	return load_seed(text, 1);
}

/* Which of the first events are hit, as bits */
static uint64_t hits(enum injection what, const char *name, unsigned int n)
{
	uint64_t mask = 0;
	unsigned int i;

	for (i = 0; i < n; i++)
		if (inject(what, name))
			mask |= BIT64(i);
	return mask;
}

static void test_defaults(void **state)
{
	(void)state;
	assert_int_equal(load("# nothing\n\n   \t# at all\n"), 0);
	assert_int_equal(hits(INJECT_IRQ_DROP, NULL, 8), 0);
	assert_int_equal(load("irq-drop"), 0);
	assert_int_equal(hits(INJECT_IRQ_DROP, NULL, 8), 0xff);
	assert_int_equal(hits(INJECT_FAULT_DROP, NULL, 8), 0);
}

static void test_counts(void **state)
{
	(void)state;
	assert_int_equal(load("flush-skip after=2"), 0);
	assert_int_equal(hits(INJECT_FLUSH_SKIP, NULL, 8), 0xfc);
	assert_int_equal(load("flush-skip every=3"), 0);
	assert_int_equal(hits(INJECT_FLUSH_SKIP, NULL, 8), 0x49);
	assert_int_equal(load("flush-skip count=2 # two\n"), 0);
	assert_int_equal(hits(INJECT_FLUSH_SKIP, NULL, 8), 0x03);
	assert_int_equal(load("flush-skip after=1 every=2 count=3\r\n"), 0);
	assert_int_equal(hits(INJECT_FLUSH_SKIP, NULL, 16), 0x2a);
}

static void test_event(void **state)
{
	(void)state;
	assert_int_equal(load("g2h-drop=DONE after=1 count=1"), 0);
	assert_false(inject(INJECT_G2H_DROP, "DONE"));
	assert_false(inject(INJECT_G2H_DROP, "OTHER"));
	assert_false(inject(INJECT_G2H_DROP, NULL));
	assert_true(inject(INJECT_G2H_DROP, "DONE"));
	assert_false(inject(INJECT_G2H_DROP, "DONE"));
}

static void test_several_rules(void **state)
{
	(void)state;
	assert_int_equal(load("irq-drop count=1\nirq-drop after=3 count=1\n"),
			 0);
	assert_int_equal(hits(INJECT_IRQ_DROP, NULL, 8), 0x09);
}

static void test_probability(void **state)
{
	uint64_t first, again, other;

	(void)state;
	assert_int_equal(load("store-drop prob=0"), 0);
	assert_int_equal(hits(INJECT_STORE_DROP, NULL, 64), 0);
	assert_int_equal(load_seed("store-drop prob=0.5", 7), 0);
	first = hits(INJECT_STORE_DROP, NULL, 64);
	assert_int_equal(load_seed("store-drop prob=0.5", 7), 0);
	again = hits(INJECT_STORE_DROP, NULL, 64);
	assert_int_equal(load_seed("store-drop prob=0.5", 8), 0);
	other = hits(INJECT_STORE_DROP, NULL, 64);
	assert_int_equal(first, again);
	assert_int_not_equal(first, other);
	assert_in_range(__builtin_popcountll(first), 16, 48);
}

static void test_counted(void **state)
{
	uint64_t before = stats.injected;

	(void)state;
	assert_int_equal(load("cat-error count=3"), 0);
	hits(INJECT_CAT_ERROR, NULL, 10);
	assert_int_equal(stats.injected - before, 3);
}

static void test_bad_lines(void **state)
{
	static const char *const lines[] = {
		"flush-skp",
		"FLUSH-SKIP",
		"g2h-drop=",
		"irq-drop after",
		"irq-drop after=",
		"irq-drop after=-1",
		"irq-drop after=1x",
		"irq-drop every=0",
		"irq-drop count=0",
		"irq-drop count=99999999999999999999999",
		"irq-drop prob=1.5",
		"irq-drop prob=-1",
		"irq-drop prob=nan",
		"irq-drop prob=",
		"irq-drop afterwards=1",
		"irq-drop every 3",
		"irq-drop\nirq-drop count=1 foo\n",
	};
	unsigned int i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(lines); i++)
		assert_int_equal(load(lines[i]), -1);
}

static void test_too_many(void **state)
{
	char text[20 * 300] = "";
	unsigned int i;

	(void)state;
	for (i = 0; i < 256; i++)
		strcat(text, "irq-drop\n");
	assert_int_equal(load(text), 0);
	strcat(text, "irq-drop\n");
	assert_int_equal(load(text), -1);
}

static void test_no_file(void **state)
{
	(void)state;
	assert_int_equal(inject_load("/nonexistent/file", 1), -1);
	assert_int_equal(inject_load("/", 1), -1);
}

static int setup(void **state)
{
	int fd;

	(void)state;
	strcpy(path, "/tmp/test_inject.XXXXXX");
	fd = mkstemp(path);
	if (fd < 0)
		return -1;
	return close(fd);
}

static int teardown(void **state)
{
	(void)state;
	return unlink(path);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_event),
		cmocka_unit_test(test_several_rules),
		cmocka_unit_test(test_probability),
		cmocka_unit_test(test_counted),
		cmocka_unit_test(test_bad_lines),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_no_file),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
