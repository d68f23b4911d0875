/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "elfcheck.h"

#define ALLOCATED "\\\"a\\\""
#define LONG_64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define NOTE(desc) REALELF_NOTE(".note.vsmtp", ALLOCATED, "4", desc)
#define PACKAGE_NOTE(desc) \
	REALELF_MODULE \
	"__asm__(\".pushsection .note.package,\\\"a\\\",@note\\n.balign 4\\n" \
	".long 4,4f-3f,0xcafe1a7e\\n.asciz \\\"FDO\\\"\\n" \
	"3: " desc "\\n4: .balign 4\\n.popsection\");\n"

static void check_note(const char *source, const char *version, bool malformed)
{
	_cleanup_facts_ struct elf_facts f = {0};
	_cleanup_free_ char *whole = NULL;

	assert_true(asprintf(&whole, "%s%s", REALELF_MODULE, source) > 0);
	look("note.so", whole, SHARED, &f);
	if (version) {
		assert_non_null(f.note_version);
		assert_string_equal(f.note_version, version);
	} else {
		assert_null(f.note_version);
	}
	assert_int_equal(f.note_malformed, malformed);
}

static void test_rule_02_version_note(void **state)
{
	UNUSED(state);
	check_note(NOTE("2.2.1"), "2.2.1", false);
	check_note(REALELF_NOTE(".note.vsmtp", ALLOCATED, "8", "2.2.1-rc.10"), "2.2.1-rc.10",
		   false);
	check_note(NOTE("2.2.1\\\\0"), "2.2.1", false);
	/* Owner and type decide, not the section's name. */
	check_note(REALELF_NOTE(".note.other", ALLOCATED, "4", "2.2.1"), "2.2.1", false);
	/* In no segment: by section headers. */
	check_note(REALELF_NOTE(".note.vsmtp", "\\\"\\\"", "4", "2.2.1"), "2.2.1", false);
	/* The same said twice is said. */
	check_note(NOTE("2.2.1") NOTE("2.2.1"), "2.2.1", false);
}

static void test_rule_02_malformed_note_is_no_note(void **state)
{
	UNUSED(state);
	check_note(NOTE("v2.2.1"), NULL, true);
	check_note(NOTE("2.2"), NULL, true);
	check_note(NOTE(""), NULL, true);
	check_note(NOTE("2.2.1\\\\0\\\\0"), NULL, true);
	check_note(NOTE("2.2.1~rc.1"), NULL, true);
	/* Two that disagree leave nothing to believe. */
	check_note(NOTE("2.2.1") NOTE("2.2.2"), NULL, true);
}

/* 256 bytes are enough, 257 are too many; a trailing NUL is not one of them. */
static void test_rule_02_a_note_is_bounded(void **state)
{
	static const char most[] = "1.0.0-" LONG_64 LONG_64 LONG_64
				   "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

	UNUSED(state);
	assert_int_equal(strlen(most), ELF_NOTE_MAX);
	check_note(NOTE("1.0.0-" LONG_64 LONG_64 LONG_64
			"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
		   most, false);
	check_note(NOTE("1.0.0-" LONG_64 LONG_64 LONG_64
			"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\\\\0"),
		   most, false);
	check_note(NOTE("1.0.0-" LONG_64 LONG_64 LONG_64
			"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
		   NULL, true);
	check_note(NOTE("1.0.0-" LONG_64 LONG_64 LONG_64 LONG_64 LONG_64), NULL, true);
}

static void test_rule_02_a_foreign_owner_or_type_is_not_ours(void **state)
{
	_cleanup_bytes_ struct bytes b = make("owner.so", REALELF_MODULE NOTE("2.2.1"), SHARED);
	_cleanup_facts_ struct elf_facts type = {0}, owner = {0};
	uint8_t *at = memmem(b.data, b.len, "\1\0\0\0vSMTP", 9);

	UNUSED(state);
	assert_non_null(at);
	at[0] = 2;
	look_bytes(b.data, b.len, &type);
	assert_null(type.note_version);
	assert_false(type.note_malformed);
	at[0] = 1;
	at[4] = 'V';
	look_bytes(b.data, b.len, &owner);
	assert_null(owner.note_version);
	assert_false(owner.note_malformed);
}

/* A note of ours whose description runs out of its segment is malformed; the file is not. */
static void test_rule_02_a_note_cut_short_is_malformed(void **state)
{
	_cleanup_bytes_ struct bytes b = make("short.so", REALELF_MODULE NOTE("2.2.1"), SHARED);
	_cleanup_facts_ struct elf_facts f = {0};
	uint8_t *at = memmem(b.data, b.len, "\1\0\0\0vSMTP", 9);

	UNUSED(state);
	assert_non_null(at);
	memset(at - 4, 0xff, 4); /* the description's length */
	look_bytes(b.data, b.len, &f);
	assert_int_equal(f.form, ELF_FORM_FINE);
	assert_null(f.note_version);
	assert_true(f.note_malformed);
}

static void test_rule_02_package_note_is_shown_and_bounded(void **state)
{
	_cleanup_facts_ struct elf_facts small = {0}, large = {0};

	UNUSED(state);
	look("package.so", PACKAGE_NOTE(".asciz \\\"{x}\\\""), SHARED, &small);
	assert_string_equal(small.package_note, "{x}");
	assert_null(small.note_version);
	look("package-large.so", PACKAGE_NOTE(".fill 9000,1,120"), SHARED, &large);
	assert_int_equal(strlen(large.package_note), 4096);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rule_02_version_note),
		cmocka_unit_test(test_rule_02_malformed_note_is_no_note),
		cmocka_unit_test(test_rule_02_a_note_is_bounded),
		cmocka_unit_test(test_rule_02_a_foreign_owner_or_type_is_not_ours),
		cmocka_unit_test(test_rule_02_a_note_cut_short_is_malformed),
		cmocka_unit_test(test_rule_02_package_note_is_shown_and_bounded),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
