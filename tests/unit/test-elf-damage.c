/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "elfcheck.h"

static void check_form(struct bytes *b, const Elf64_Ehdr *e, enum elf_form form)
{
	_cleanup_facts_ struct elf_facts f = {0};

	memcpy(b->data, e, sizeof(*e));
	look_bytes(b->data, b->len, &f);
	assert_int_equal(f.form, form);
}

static void test_rule_11_odd_program_headers_are_truncated(void **state)
{
	_cleanup_bytes_ struct bytes b = make("odd.so", REALELF_MODULE, SHARED);
	Elf64_Ehdr right, e;

	UNUSED(state);
	memcpy(&right, b.data, sizeof(right));
	check_form(&b, &right, ELF_FORM_FINE);
	e = right;
	e.e_phentsize++;
	check_form(&b, &e, ELF_FORM_TRUNCATED);
	e = right;
	e.e_phnum = PN_XNUM;
	check_form(&b, &e, ELF_FORM_TRUNCATED);
	e = right;
	e.e_phoff = UINT64_MAX - 64;
	check_form(&b, &e, ELF_FORM_TRUNCATED);
	e = right;
	e.e_phnum = 5000;
	check_form(&b, &e, ELF_FORM_TRUNCATED);
}

/* Every program header field set to something that overflows. */
static void test_rule_11_segments_that_overflow_are_truncated(void **state)
{
	_cleanup_bytes_ struct bytes b = make("overflow.so", REALELF_MODULE, SHARED);
	Elf64_Ehdr e;

	UNUSED(state);
	memcpy(&e, b.data, sizeof(e));
	for (size_t i = 0; i < e.e_phnum; i++) {
		uint8_t *at = b.data + e.e_phoff + i * sizeof(Elf64_Phdr);
		_cleanup_facts_ struct elf_facts far = {0}, longer = {0};
		Elf64_Phdr was, p;

		memcpy(&was, at, sizeof(was));
		if (was.p_type != PT_LOAD)
			continue;
		p = was;
		p.p_offset = UINT64_MAX - 0xfff;
		memcpy(at, &p, sizeof(p));
		look_bytes(b.data, b.len, &far);
		assert_int_equal(far.form, ELF_FORM_TRUNCATED);
		p = was;
		p.p_filesz = p.p_memsz = b.len + 1;
		memcpy(at, &p, sizeof(p));
		look_bytes(b.data, b.len, &longer);
		assert_int_equal(longer.form, ELF_FORM_TRUNCATED);
		assert_int_equal(longer.needs, was.p_offset + b.len + 1);
		memcpy(at, &was, sizeof(was));
	}
}

static void test_rule_11_truncated_everywhere(void **state)
{
	static const char source[] = REALELF_MODULE REALELF_NOTE(
		".note.vsmtp", "\\\"a\\\"", "4",
		"1.2.3") "extern int abs(int);int data[300]={1,2,3};int f(int i){return abs(data[i]);}";
	_cleanup_bytes_ struct bytes b = make("cut.so", source, "-shared -fPIC");
	size_t end = realelf_end(&b);

	UNUSED(state);
	for (size_t len = 0; len <= b.len; len += 64) {
		_cleanup_facts_ struct elf_facts f = {0};
		enum elf_form form = len == 0    ? ELF_FORM_NOT_ELF
				     : len < end ? ELF_FORM_TRUNCATED
						 : ELF_FORM_FINE;

		look_bytes(b.data, len, &f);
		if (f.form != form)
			fail_msg("cut at %zu of %zu (%zu needed): form %d", len, b.len, end,
				 f.form);
		if (form == ELF_FORM_TRUNCATED)
			assert_in_range(f.needs, len + 1, b.len);
		if (form == ELF_FORM_FINE)
			assert_string_equal(f.note_version, "1.2.3");
	}
}

static void test_rule_11_flipped_bytes_never_crash(void **state)
{
	_cleanup_bytes_ struct bytes b = make(
		"flip.so", REALELF_MODULE REALELF_NOTE(".note.vsmtp", "\\\"a\\\"", "4", "1.2.3"),
		"-shared -fPIC -Wl,--hash-style=both");
	_cleanup_free_ uint8_t *copy = malloc(b.len);
	unsigned int seed = 20240229;
	size_t kinds[ELF_FORM_MAX] = {0};

	UNUSED(state);
	assert_non_null(copy);
	for (int round = 0; round < 4000; round++) {
		_cleanup_facts_ struct elf_facts f = {0};
		size_t reach = round % 2 ? b.len : MIN(b.len, 1024U);

		memcpy(copy, b.data, b.len);
		for (int i = 0; i <= round % 4; i++)
			copy[(size_t)rand_r(&seed) % reach] = (uint8_t)rand_r(&seed);
		look_bytes(copy, b.len, &f);
		assert_in_range(f.form, 0, ELF_FORM_MAX - 1);
		kinds[f.form]++;
	}
	/* The flips do reach what is judged. */
	for (size_t i = 0; i < ELF_FORM_MAX; i++)
		assert_true(kinds[i] > 0);
}

/* A chain of DT_HASH that leads back to itself. */
static void test_rule_11_circles_end(void **state)
{
	_cleanup_bytes_ struct bytes b =
		make("circle.so", "int other(void){return 1;}", SHARED " -Wl,--hash-style=sysv");
	_cleanup_facts_ struct elf_facts f = {0};
	Elf64_Ehdr e;

	UNUSED(state);
	memcpy(&e, b.data, sizeof(e));
	for (size_t i = 0; i < e.e_shnum; i++) {
		Elf64_Shdr s;
		uint32_t table[2], one = 1;

		memcpy(&s, b.data + e.e_shoff + i * sizeof(s), sizeof(s));
		if (s.sh_type != SHT_HASH)
			continue;
		memcpy(table, b.data + s.sh_offset, sizeof(table));
		for (size_t n = 2; n < 2 + table[0] + table[1]; n++)
			memcpy(b.data + s.sh_offset + n * 4, &one, 4);
	}
	look_bytes(b.data, b.len, &f);
	assert_int_equal(f.form, ELF_FORM_TRUNCATED);
}

static void test_the_offset_does_not_matter(void **state)
{
	_cleanup_bytes_ struct bytes b = make("offset.so", REALELF_MODULE, SHARED);
	_cleanup_close_ int fd = realelf_fd(b.data, b.len);
	_cleanup_facts_ struct elf_facts f = {0};

	UNUSED(state);
	assert_int_equal(lseek(fd, 77, SEEK_SET), 77);
	assert_int_equal(elf_read(fd, &f), 0);
	assert_int_equal(f.entry, ELF_ENTRY_MODULE);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 77);
}

static void test_an_error_leaves_the_result_alone(void **state)
{
	struct elf_facts f = {.needs = 42};
	_cleanup_close_ int dir = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	UNUSED(state);
	assert_int_equal(elf_read(-1, &f), -EBADF);
	assert_int_equal(elf_read(dir, &f), -EISDIR);
	assert_int_equal(f.needs, 42);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rule_11_odd_program_headers_are_truncated),
		cmocka_unit_test(test_rule_11_segments_that_overflow_are_truncated),
		cmocka_unit_test(test_rule_11_truncated_everywhere),
		cmocka_unit_test(test_rule_11_flipped_bytes_never_crash),
		cmocka_unit_test(test_rule_11_circles_end),
		cmocka_unit_test(test_the_offset_does_not_matter),
		cmocka_unit_test(test_an_error_leaves_the_result_alone),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
