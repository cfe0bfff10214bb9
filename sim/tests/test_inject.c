// SPDX-License-Identifier: GPL-2.0-only
/* The fault injection file: grammar, and which events are hit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "rule.h"

static int load_seed(const char *text, uint64_t seed)
{
	inject_init(seed);
	return rule_load(text);
}

static int load(const char *text)
{
	return load_seed(text, 1);
}

static int load_many(unsigned int rules)
{
	char text[20 * 300] = "";

	while (rules--)
		strcat(text, "irq-drop\n");
	return load(text);
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

/* The longest of those that hit; a default; and 0 where none does */
static void test_time(void **state)
{
	(void)state;
	assert_int_equal(load("irq-delay time=5us after=1 count=2\n"
			      "irq-delay time=7ns count=2\n"
			      "flush-slow\n"),
			 0);
	assert_int_equal(inject_time(INJECT_IRQ_DELAY, NULL), 7);
	assert_int_equal(inject_time(INJECT_IRQ_DELAY, NULL), 5000);
	assert_int_equal(inject_time(INJECT_IRQ_DELAY, NULL), 5000);
	assert_int_equal(inject_time(INJECT_IRQ_DELAY, NULL), 0);
	assert_int_equal(inject_time(INJECT_FLUSH_SLOW, NULL), 10000000);
	assert_int_equal(inject_time(INJECT_FLUSH_LATE, NULL), 0);
	assert_int_equal(load("irq-delay time=3600s"), 0);
	assert_int_equal(inject_time(INJECT_IRQ_DELAY, NULL), 3600000000000);
}

/* late(): how many of n messages are, none of them by more than max */
static unsigned int late(const char *name, unsigned int n, uint64_t max)
{
	unsigned int i, hit = 0;
	uint64_t ns;

	for (i = 0; i < n; i++) {
		ns = inject_time(INJECT_G2H_DELAY, name);
		assert_true(ns <= max);
		hit += ns > 0;
	}
	return hit;
}

/* Nothing that a driver might not survive, nor what is late in the wrong order */
static void test_chaos(void **state)
{
	static const enum injection harmless[] = {
		INJECT_FLUSH_SLOW,  INJECT_IRQ_DELAY, INJECT_COPY_CUT,
		INJECT_FAULT_TWICE, INJECT_PREEMPT,   INJECT_TLB_EVICT
	};
	unsigned int i, n = 0;

	(void)state;
	inject_init(1);
	assert_int_equal(inject_chaos("1"), 0);
	for (i = 0; i < ARRAY_SIZE(harmless); i++)
		assert_true(inject(harmless[i], "bcs0"));
	for (i = 0; i < NR_INJECTIONS; i++)
		n += inject(i, NULL);
	assert_int_equal(n, ARRAY_SIZE(harmless));
	assert_int_equal(late("SCHED_CONTEXT_MODE_DONE", 100, 2000000), 100);
	assert_int_equal(late("MEMORY_CAT_ERROR", 100, 0), 0);
	assert_int_equal(late("CONTEXT_RESET_NOTIFICATION", 100, 0), 0);
}

static void test_chaos_is_random(void **state)
{
	uint64_t ns[3][100];
	unsigned int i, j, small = 0;

	(void)state;
	for (i = 0; i < 3; i++) {
		inject_init(i / 2);
		assert_int_equal(inject_chaos("0.5,time=1s"), 0);
		for (j = 0; j < 100; j++)
			ns[i][j] = inject_time(INJECT_IRQ_DELAY, NULL);
	}
	assert_memory_equal(ns[0], ns[1], sizeof(ns[0]));
	assert_memory_not_equal(ns[1], ns[2], sizeof(ns[0]));
	for (j = 0; j < 100; j++) {
		assert_true(ns[0][j] <= 1000000000);
		small += ns[0][j] < 500000000;
	}
	assert_in_range(small, 60, 90);
}

/* Also beside as many rules as a file may have */
static void test_chaos_beside_rules(void **state)
{
	(void)state;
	assert_int_equal(load_many(256), 0);
	assert_int_equal(inject_chaos("1"), 0);
	assert_true(inject(INJECT_IRQ_DROP, NULL));
	assert_true(inject(INJECT_TLB_EVICT, "ccs0"));
}

static void test_bad_chaos(void **state)
{
	static const char *const bad[] = { "",
					   "x",
					   "1.1",
					   "-1",
					   "0.1,",
					   "0.1,time",
					   "0.1,time=",
					   "0.1,time=0",
					   "0.1,tim=1",
					   "0.1,time=1",
					   "0.1time=1us",
					   "0.1,time=3601s",
					   "nan",
					   "0.1,time=1us," };
	unsigned int i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		inject_init(1);
		assert_int_equal(inject_chaos(bad[i]), -1);
		assert_false(inject(INJECT_TLB_EVICT, NULL));
	}
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
		"irq-drop time=1ms",
		"irq-delay time=",
		"irq-delay time=0",
		"irq-delay time=5",
		"irq-delay time=3601s",
		"irq-drop\nirq-drop count=1 foo\n",
	};
	unsigned int i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(lines); i++)
		assert_int_equal(load(lines[i]), -1);
}

static void test_too_many(void **state)
{
	(void)state;
	assert_int_equal(load_many(256), 0);
	assert_int_equal(load_many(257), -1);
}

static void test_no_file(void **state)
{
	(void)state;
	assert_int_equal(inject_load("/nonexistent/file"), -1);
	assert_int_equal(inject_load("/"), -1);
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
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_chaos),
		cmocka_unit_test(test_chaos_is_random),
		cmocka_unit_test(test_chaos_beside_rules),
		cmocka_unit_test(test_bad_chaos),
		cmocka_unit_test(test_bad_lines),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_no_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
