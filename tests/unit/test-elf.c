/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/str.h"
#include "elfcheck.h"

static void test_rule_11_a_plain_plugin_is_fine(void **state)
{
	_cleanup_facts_ struct elf_facts f = {0};

	UNUSED(state);
	look("plain.so", REALELF_MODULE "int getpid(void);int f(void){return getpid();}",
	     "-shared -fPIC -Wl,--build-id=0xDEADbeef", &f);
	assert_int_equal(f.object, ELF_OBJECT_SHARED);
	assert_int_equal(f.entry, ELF_ENTRY_MODULE);
	assert_int_equal(f.class, sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32);
	assert_int_not_equal(f.machine, EM_NONE);
	assert_int_equal(f.needs, 0);
	assert_string_equal(f.build_id, "deadbeef");
	assert_null(f.interpreter);
	assert_true(strv_has(f.needed, "libc.so.6"));
	assert_false(f.searches);
	assert_null(f.note_version);
	assert_false(f.note_malformed);
}

/* As NAME@@V1 a symbol is found by who asks for NAME; as NAME@V1, kept for who was linked with that
 * version, it is not. */
#define VERSIONED(sign) "int f(void){return 1;}__asm__(\".symver f,module_entrypoint" sign "V1\");"
#define WITH_VERSION \
	SHARED " -Wl,--version-script=$(echo 'V1 {global: module_entrypoint; local: *;};' >v; echo v)"

static void test_rule_11_each_entry_point_counts(void **state)
{
	static const struct {
		const char *name, *source, *options;
		enum elf_entry entry;
	} cases[] = {
		{"transport.so", REALELF_TRANSPORT, SHARED, ELF_ENTRY_TRANSPORT},
		{"both.so", REALELF_MODULE REALELF_TRANSPORT, SHARED, ELF_ENTRY_MODULE},
		{"sysv.so", REALELF_MODULE, SHARED " -Wl,--hash-style=sysv", ELF_ENTRY_MODULE},
		{"gnu.so", REALELF_MODULE, SHARED " -Wl,--hash-style=gnu", ELF_ENTRY_MODULE},
		{"weak.so", "__attribute__((weak)) " REALELF_MODULE, SHARED, ELF_ENTRY_MODULE},
		{"stripped.so", REALELF_MODULE, SHARED " -s", ELF_ENTRY_MODULE},
		{"none.so", "int other(void){return 1;}", SHARED, ELF_ENTRY_NONE},
		{"none-sysv.so", "int other(void){return 1;}", SHARED " -Wl,--hash-style=sysv",
		 ELF_ENTRY_NONE},
		{"default-version.so", VERSIONED("@@"), WITH_VERSION, ELF_ENTRY_MODULE},
		{"other-version.so", VERSIONED("@"), WITH_VERSION, ELF_ENTRY_NONE},
		{"default-version-sysv.so", VERSIONED("@@"), WITH_VERSION " -Wl,--hash-style=sysv",
		 ELF_ENTRY_MODULE},
		{"other-version-sysv.so", VERSIONED("@"), WITH_VERSION " -Wl,--hash-style=sysv",
		 ELF_ENTRY_NONE},
		{"prefix.so", "int module_entrypoint2(void){return 1;}", SHARED, ELF_ENTRY_NONE},
		{"hidden.so", "__attribute__((visibility(\"hidden\"))) " REALELF_MODULE, SHARED,
		 ELF_ENTRY_NONE},
		{"static.so", "static __attribute__((used)) " REALELF_MODULE, SHARED,
		 ELF_ENTRY_NONE},
		{"data.so", "int module_entrypoint = 7;", SHARED, ELF_ENTRY_NONE},
		{"undefined.so",
		 "int module_entrypoint(void);int f(void){return module_entrypoint();}", SHARED,
		 ELF_ENTRY_NONE},
		{"undefined-sysv.so",
		 "int module_entrypoint(void);int f(void){return module_entrypoint();}",
		 SHARED " -Wl,--hash-style=sysv", ELF_ENTRY_NONE},
	};

	UNUSED(state);
	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		_cleanup_facts_ struct elf_facts f = {0};

		look(cases[i].name, cases[i].source, cases[i].options, &f);
		if (f.entry != cases[i].entry)
			fail_msg("%s: entry %d, not %d", cases[i].name, f.entry, cases[i].entry);
		assert_int_equal(f.object, ELF_OBJECT_SHARED);
	}
}

/* The GNU hash table leaves undefined symbols out by itself, so a reader that accepts them would be
 * caught by luck only. Here the defined symbol is made undefined in place. */
static void test_rule_11_undefined_entry_is_none(void **state)
{
	_cleanup_bytes_ struct bytes b = make("patched.so", REALELF_MODULE, SHARED);
	_cleanup_facts_ struct elf_facts f = {0};
	Elf64_Ehdr e;
	bool patched = false;

	UNUSED(state);
	memcpy(&e, b.data, sizeof(e));
	for (size_t i = 0; i < e.e_shnum; i++) {
		Elf64_Shdr s;
		Elf64_Sym sym;

		memcpy(&s, b.data + e.e_shoff + i * sizeof(s), sizeof(s));
		if (s.sh_type != SHT_DYNSYM)
			continue;
		memcpy(&sym, b.data + s.sh_offset + sizeof(sym), sizeof(sym));
		sym.st_shndx = SHN_UNDEF;
		memcpy(b.data + s.sh_offset + sizeof(sym), &sym, sizeof(sym));
		patched = true;
	}
	assert_true(patched);
	look_bytes(b.data, b.len, &f);
	assert_int_equal(f.form, ELF_FORM_FINE);
	assert_int_equal(f.entry, ELF_ENTRY_NONE);
}

static void test_rule_11_a_big_symbol_table_is_found_through(void **state)
{
	_cleanup_buf_ struct buf source = BUF_INIT;
	_cleanup_facts_ struct elf_facts gnu = {0}, sysv = {0};

	UNUSED(state);
	for (int i = 0; i < 3000; i++)
		buf_printf(&source, "int a_rather_long_name_of_a_function_%d(void){return 1;}\n",
			   i);
	buf_add(&source, REALELF_TRANSPORT);
	look("big-gnu.so", source.data, SHARED, &gnu);
	assert_int_equal(gnu.entry, ELF_ENTRY_TRANSPORT);
	look("big-sysv.so", source.data, SHARED " -Wl,--hash-style=sysv", &sysv);
	assert_int_equal(sysv.entry, ELF_ENTRY_TRANSPORT);
}

static void test_rule_11_what_is_not_a_shared_object(void **state)
{
	static const char program[] = REALELF_MODULE "void _start(void){}";
	static const struct {
		const char *name, *options;
		enum elf_object object;
	} cases[] = {
		{"exec", "-no-pie -static -nostdlib", ELF_OBJECT_NOT_DYN},
		{"pie", "-pie -fPIE -nostdlib -rdynamic", ELF_OBJECT_PIE},
		{"static-pie", "-static-pie -fPIE -nostdlib", ELF_OBJECT_PIE},
		{"object.o", "-c", ELF_OBJECT_NOT_DYN},
		{"noopen.so", SHARED " -Wl,-z,nodlopen", ELF_OBJECT_NOOPEN},
	};

	UNUSED(state);
	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		_cleanup_facts_ struct elf_facts f = {0};

		look(cases[i].name, program, cases[i].options, &f);
		if (f.object != cases[i].object)
			fail_msg("%s: object %d, not %d", cases[i].name, f.object, cases[i].object);
	}
}

static void test_rule_11_the_interpreter_of_a_program(void **state)
{
	_cleanup_facts_ struct elf_facts f = {0};

	UNUSED(state);
	look("program", "int main(void){return 0;}", "-Wl,-rpath,/opt/x", &f);
	assert_non_null(f.interpreter);
	assert_int_equal(f.interpreter[0], '/');
	assert_true(f.searches);
}

static void test_rule_11_osabi(void **state)
{
	static const struct {
		unsigned char abi;
		enum elf_object object;
	} cases[] = {
		{ELFOSABI_SYSV, ELF_OBJECT_SHARED},
		{ELFOSABI_GNU, ELF_OBJECT_SHARED},
		{ELFOSABI_FREEBSD, ELF_OBJECT_FOREIGN_ABI},
		{ELFOSABI_STANDALONE, ELF_OBJECT_FOREIGN_ABI},
	};
	_cleanup_bytes_ struct bytes b = make("abi.so", REALELF_MODULE, SHARED);

	UNUSED(state);
	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		_cleanup_facts_ struct elf_facts f = {0};

		b.data[EI_OSABI] = cases[i].abi;
		look_bytes(b.data, b.len, &f);
		assert_int_equal(f.object, cases[i].object);
	}
}

static void test_rule_11_sections_do_not_matter(void **state)
{
	_cleanup_bytes_ struct bytes b = make("bare.so", REALELF_MODULE, SHARED);
	_cleanup_facts_ struct elf_facts cut = {0}, bare = {0}, wild = {0};
	Elf64_Ehdr e;

	UNUSED(state);
	look_bytes(b.data, realelf_end(&b), &cut); /* section headers lie behind the end now */
	assert_int_equal(cut.form, ELF_FORM_FINE);
	assert_int_equal(cut.entry, ELF_ENTRY_MODULE);
	realelf_drop_sections(&b);
	look_bytes(b.data, b.len, &bare);
	assert_int_equal(bare.form, ELF_FORM_FINE);
	assert_int_equal(bare.entry, ELF_ENTRY_MODULE);
	memcpy(&e, b.data, sizeof(e));
	e.e_shoff = UINT64_MAX - 8;
	e.e_shnum = 60000;
	memcpy(b.data, &e, sizeof(e));
	look_bytes(b.data, b.len, &wild);
	assert_int_equal(wild.form, ELF_FORM_FINE);
	assert_int_equal(wild.entry, ELF_ENTRY_MODULE);
}

static void test_not_elf(void **state)
{
	static const char *const texts[] = {"",
					    "\177EL",
					    "#!/bin/sh\nexit 0\n",
					    "!<arch>\n",
					    "\177ELF\3\1\1 and no class that exists",
					    "\177ELF\2\1\7 and no version that exists"};

	UNUSED(state);
	for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
		_cleanup_facts_ struct elf_facts f = {.form = ELF_FORM_MAX};

		look_bytes((const uint8_t *)texts[i], strlen(texts[i]), &f);
		assert_int_equal(f.form, ELF_FORM_NOT_ELF);
	}
}

/* What a foreign file is must be told even if nothing else of it can be. */
static void test_rule_11_foreign_machines_are_named(void **state)
{
	_cleanup_bytes_ struct bytes b = make("foreign.so", REALELF_MODULE, SHARED);
	_cleanup_facts_ struct elf_facts arm = {0}, half = {0}, big = {0};

	UNUSED(state);
	b.data[18] = EM_AARCH64;
	b.data[19] = 0;
	look_bytes(b.data, b.len, &arm);
	assert_int_equal(arm.form, ELF_FORM_FINE);
	assert_int_equal(arm.machine, EM_AARCH64);
	b.data[EI_CLASS] = ELFCLASS32;
	look_bytes(b.data, b.len, &half);
	assert_int_equal(half.class, ELFCLASS32);
	assert_int_equal(half.machine, EM_AARCH64);
	b.data[EI_CLASS] = ELFCLASS64;
	b.data[EI_DATA] = ELFDATA2MSB;
	look_bytes(b.data, b.len, &big);
	assert_int_equal(big.data, ELFDATA2MSB);
	assert_int_equal(big.machine, EM_AARCH64 << 8);
}

static void test_32_bit_big_endian_header_alone(void **state)
{
	/* ET_DYN, EM_MIPS, no program headers. */
	uint8_t raw[52] = {0x7f, 'E', 'L',      'F',      1,        2,
			   1,    0,   [17] = 3, [19] = 8, [23] = 1, [41] = 52};
	_cleanup_facts_ struct elf_facts f = {0};

	UNUSED(state);
	look_bytes(raw, sizeof(raw), &f);
	assert_int_equal(f.form, ELF_FORM_FINE);
	assert_int_equal(f.machine, EM_MIPS);
	assert_int_equal(f.object, ELF_OBJECT_NO_DYNAMIC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rule_11_a_plain_plugin_is_fine),
		cmocka_unit_test(test_rule_11_each_entry_point_counts),
		cmocka_unit_test(test_rule_11_undefined_entry_is_none),
		cmocka_unit_test(test_rule_11_a_big_symbol_table_is_found_through),
		cmocka_unit_test(test_rule_11_what_is_not_a_shared_object),
		cmocka_unit_test(test_rule_11_the_interpreter_of_a_program),
		cmocka_unit_test(test_rule_11_osabi),
		cmocka_unit_test(test_rule_11_sections_do_not_matter),
		cmocka_unit_test(test_not_elf),
		cmocka_unit_test(test_rule_11_foreign_machines_are_named),
		cmocka_unit_test(test_32_bit_big_endian_header_alone),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
