/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/pool.h"
#include "base/sort.h"
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void check_escape(const char *raw, const char *shown)
{
	_cleanup_free_ char *escaped = str_escape(raw), *back = NULL;

	assert_non_null(escaped);
	assert_string_equal(escaped, shown);
	assert_int_equal(str_unescape(escaped, strlen(escaped), &back), 0);
	assert_string_equal(back, raw);
}

static void test_escape_hides_what_fools_a_terminal(void **state)
{
	UNUSED(state);
	check_escape("plain-name_1.so", "plain-name_1.so");
	check_escape("a\nb\tc", "a\\x0ab\\x09c");
	check_escape("\x1b[31mred", "\\x1b[31mred");
	check_escape("back\\slash", "back\\x5cslash");
	check_escape("caf\xc3\xa9", "caf\xc3\xa9");
	check_escape("\xff\xfe", "\\xff\\xfe");
	check_escape("cut\xc3", "cut\\xc3");
	check_escape("\xc2\x9b", "\\xc2\\x9b");                /* C1 control */
	check_escape("\xe2\x80\xaerev", "\\xe2\\x80\\xaerev"); /* right-to-left override */
	check_escape("\xc0\xaf", "\\xc0\\xaf");                /* overlong */
	check_escape("\xed\xa0\x80", "\\xed\\xa0\\x80");       /* surrogate */
	check_escape("\xf0\x9f\x93\xac", "\xf0\x9f\x93\xac");
}

static void test_a_sentence_escapes_what_it_quotes(void **state)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	char *nothing = NULL;

	UNUSED(state);
	buf_printf(&b, "%s \x1b %d %u %zu %04o %llu %016lx %%", "a\x1b\\", -3, 4000000000U,
		   SIZE_MAX / SIZE_MAX, 0755U, 1ULL << 40, 0xabcUL);
	buf_printf(&b, "%s", nothing);
	assert_string_equal(
		b.data, "a\\x1b\\x5c \x1b -3 4000000000 1 0755 1099511627776 0000000000000abc %");
}

static void test_unescape_refuses_what_is_none(void **state)
{
	_cleanup_free_ char *out = NULL;

	UNUSED(state);
	assert_int_equal(str_unescape("\\x0", 3, &out), -EINVAL);
	assert_int_equal(str_unescape("\\n00", 4, &out), -EINVAL);
	assert_int_equal(str_unescape("\\xZZ", 4, &out), -EINVAL);
	assert_int_equal(str_unescape("\\x00", 4, &out), -EINVAL);
	assert_null(out);
}

static void test_lists(void **state)
{
	_cleanup_strv_ char **l = NULL;

	UNUSED(state);
	assert_int_equal(strv_len(l), 0);
	assert_int_equal(strv_add_words(&l, "  b\ta  c "), 0);
	assert_int_equal(strv_len(l), 3);
	strv_sort(l);
	assert_string_equal(l[0], "a");
	assert_true(strv_has(l, "c"));
	assert_false(strv_has(l, "d"));
}

static void test_buffer_grows(void **state)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	_cleanup_free_ char *text = NULL;

	UNUSED(state);
	for (int i = 0; i < 1000; i++)
		buf_printf(&b, "%d,", i);
	assert_int_equal(buf_take(&b, &text), 0);
	assert_int_equal(strlen(text), 10 * 2 + 90 * 3 + 900 * 4);
	assert_null(b.data);
	free(TAKE_PTR(text));
	assert_int_equal(buf_take(&b, &text), 0);
	assert_string_equal(text, "");
}

static void test_a_pool_gives_what_is_apart(void **state)
{
	_cleanup_(pool_done) struct pool p = {0};
	char *texts[2000];

	UNUSED(state);
	for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
		_cleanup_free_ char *name = NULL;
		size_t kept = i % 5, *room = pool_room(&p, 100 + i, sizeof(size_t));
		uint64_t *made;

		assert_non_null(room);
		for (size_t j = 0; j < kept; j++)
			room[j] = i;
		pool_keep(&p, room, kept, sizeof(size_t));
		made = pool_new(&p, sizeof(*made) + i);
		assert_int_equal(*made, 0);
		assert_int_equal((uintptr_t)made % _Alignof(max_align_t), 0);
		memset(made, 0xff, sizeof(*made) + i);
		assert_true(asprintf(&name, "text %zu", i) > 0);
		texts[i] = pool_join(&p, name, ".so");
		for (size_t j = 0; j < kept; j++)
			assert_int_equal(room[j], i);
	}
	for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
		assert_int_equal(strtoul(texts[i] + strlen("text "), NULL, 10), i);
		assert_true(str_ends(texts[i], ".so"));
	}
	assert_null(pool_room(&p, SIZE_MAX / 2, 4));
	assert_null(pool_new(&p, SIZE_MAX - 1));
}

static int compare_numbers(const void *a, const void *b, void *userdata)
{
	const unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;

	++*(size_t *)userdata;
	return x < y ? -1 : x > y;
}

static void test_what_is_nearly_sorted_costs_little(void **state)
{
	unsigned numbers[1000], chance = 1;

	UNUSED(state);
	for (size_t out = 0; out <= ELEMENTSOF(numbers); out = out * 2 + 1) {
		size_t compared = 0;

		for (unsigned i = 0; i < ELEMENTSOF(numbers); i++)
			numbers[i] = 2 * i;
		for (size_t i = 0; i < out; i++) {
			chance = chance * 1103515245 + 12345;
			numbers[chance / 65536 % ELEMENTSOF(numbers)] = chance / 7 % 2000;
		}
		sort_nearly(numbers, ELEMENTSOF(numbers), sizeof(*numbers), compare_numbers,
			    &compared);
		for (size_t i = 1; i < ELEMENTSOF(numbers); i++)
			assert_true(numbers[i - 1] <= numbers[i]);
		assert_true(out > 3 || compared < 2 * ELEMENTSOF(numbers) + 100);
	}
	sort_nearly(numbers, 0, sizeof(*numbers), compare_numbers, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_escape_hides_what_fools_a_terminal),
		cmocka_unit_test(test_a_sentence_escapes_what_it_quotes),
		cmocka_unit_test(test_unescape_refuses_what_is_none),
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_buffer_grows),
		cmocka_unit_test(test_a_pool_gives_what_is_apart),
		cmocka_unit_test(test_what_is_nearly_sorted_costs_little),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
