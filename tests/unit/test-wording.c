/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <elf.h>

#include "words.h"

#define HOSTILE "ev\x1b[31m\nil\xff"
#define SHOWN "ev\\x1b[31m\\x0ail\\xff"

/* One world in which every gate has something to compare; each test breaks one thing in it. Texts
 * are borrowed from the test, so nothing of it is freed. */
struct world {
	struct config c;
	struct snapshot s;
	struct candidate k;
	struct config_plugin plugin;
	struct trust_facts trust;
	char *missing[3];
	char *needed[2];
};

static char mysql[] = "mysql", path[] = "/usr/lib/vsmtp/libvsmtp-plugin-mysql-1.0.0.so";
static char file[] = "libvsmtp-plugin-mysql-1.0.0.so", v100[] = "1.0.0", v110[] = "1.1.0";
static char links[] = "/etc/vsmtp/plugins", program[] = "/usr/sbin/vsmtp", libx[] = "libx.so.1";
static char liby[] = "liby.so.2", hostile[] = HOSTILE;

static struct world *world_make(struct world *w)
{
	*w = (struct world){
		.c = {.links = links,
		      .program = program,
		      .unversioned = UNVERSIONED_SKIP,
		      .require_root_owned = true,
		      .plugins = &w->plugin,
		      .n_plugins = 1},
		.plugin = {.name = mysql, .key = mysql, .enabled = -1},
		.s = {.server = {.state = SERVER_KNOWN,
				 .source = VERSION_SOURCE_PROGRAM,
				 .version = v110,
				 .is_elf = true,
				 .class = ELFCLASS64,
				 .data = ELFDATA2LSB,
				 .machine = EM_X86_64}},
		.k = {.path = path,
		      .file = file,
		      .name = {.name = mysql, .key = mysql, .file_version = v100},
		      .facts = {.readable = true,
				.judged = true,
				.signature = {.size = 4096, .mode = 0100755},
				.elf = {.entry = ELF_ENTRY_MODULE,
					.class = ELFCLASS64,
					.data = ELFDATA2LSB,
					.machine = EM_X86_64}}},
		.missing = {libx, liby, NULL},
		.needed = {libx, NULL},
	};
	return w;
}

#define CASE(w, verdict) \
	(&(struct gate_case){ \
		.c = &(w)->c, .server = &(w)->s.server, .k = &(w)->k, .s = &(w)->s, .v = verdict})

static void breaks(struct world *w, enum gate g)
{
	struct file_facts *f = &w->k.facts;

	switch (g) {
	case GATE_NAME_NOT_UNDERSTOOD:
		w->k.name.problem = NAME_BAD_VERSION;
		break;
	case GATE_DISABLED:
		w->plugin.enabled = 0;
		break;
	case GATE_NOT_REGULAR:
		f->kind = FILE_LOOP;
		break;
	case GATE_UNTRUSTED:
		f->trust = (struct trust_facts){
			.trust = TRUST_OWNER, .path = path, .mode = 0100775, .owner = 1000};
		break;
	case GATE_UNREADABLE:
		f->readable = false;
		f->signature.mode = 0100200;
		break;
	case GATE_BEING_WRITTEN:
		f->being_written = true;
		break;
	case GATE_NOT_ELF:
		f->elf.form = ELF_FORM_NOT_ELF;
		break;
	case GATE_TRUNCATED:
		f->elf.form = ELF_FORM_TRUNCATED;
		f->elf.needs = 8192;
		break;
	case GATE_WRONG_MACHINE:
		f->elf.machine = EM_AARCH64;
		break;
	case GATE_NOT_SHARED_OBJECT:
		f->elf.object = ELF_OBJECT_PIE;
		break;
	case GATE_NO_ENTRY_POINT:
		f->elf.entry = ELF_ENTRY_NONE;
		break;
	case GATE_VERSION_CONFLICT:
		f->elf.note_version = v110;
		break;
	case GATE_VERSION_UNKNOWN:
		w->k.name.file_version = NULL;
		break;
	case GATE_VERSION_MISMATCH:
		break;
	case GATE_MISSING_LIBRARY:
		w->k.name.file_version = v110;
		f->missing = w->missing;
		break;
	case GATE_LINKED:
	case GATE_QUARANTINED:
	case GATE_SHADOWED:
	case GATE_NAME_TAKEN:
	case GATE_FOREIGN_IN_THE_WAY:
	case GATE_MAX:
	default:
		w->k.name.file_version = v110;
	}
}

static void expect(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("\"%s\" does not tell \"%s\"", text, part);
}

static void check_gate(enum gate g, const char *const *in_values, const char *const *in_cure)
{
	struct world w;
	_cleanup_free_ char *values = NULL, *cure = NULL;

	breaks(world_make(&w), g);
	if (g < GATE_QUARANTINED)
		assert_int_equal(gate_judge(&w.c, &w.s.server, &w.k), g);
	values = WORDS(word_gate, CASE(&w, NULL), g);
	cure = WORDS(word_cure, CASE(&w, NULL), g);
	for (; *in_values; in_values++)
		expect(values, *in_values);
	for (; *in_cure; in_cure++)
		expect(cure, *in_cure);
}

#define T(...) ((const char *const[]){__VA_ARGS__, NULL})

static void test_each_gate_names_values_and_cure(void **state)
{
	UNUSED(state);
	check_gate(GATE_NAME_NOT_UNDERSTOOD, T(file, "MAJOR.MINOR.PATCH"),
		   T("libvsmtp-plugin-NAME-VERSION.so"));
	check_gate(GATE_DISABLED, T("Enabled=no", "[Plugin mysql]"),
		   T("vsmtp-pluginctl enable mysql"));
	check_gate(GATE_NOT_REGULAR, T("circle"), T(path));
	check_gate(GATE_UNTRUSTED, T(path, "user 1000", "0775"),
		   T("chown root /usr/lib/vsmtp/", "chmod go-w /usr/lib/vsmtp/"));
	check_gate(GATE_UNREADABLE, T("0200"), T("chmod u+r", path));
	check_gate(GATE_BEING_WRITTEN, T("open for writing"), T("when they close it"));
	check_gate(GATE_NOT_ELF, T("4096"), T("library"));
	check_gate(GATE_TRUNCATED, T("4096", "8192"), T("again"));
	check_gate(GATE_WRONG_MACHINE, T("AArch64", "x86-64"), T("mysql", "x86-64"));
	check_gate(GATE_NOT_SHARED_OBJECT, T("DF_1_PIE"), T("-shared"));
	check_gate(GATE_NO_ENTRY_POINT, T("module_entrypoint", "deserialize_transport"),
		   T("entry point"));
	check_gate(GATE_VERSION_CONFLICT, T("1.0.0", "1.1.0", ".note.vsmtp"), T("agree"));
	check_gate(GATE_VERSION_UNKNOWN, T("Unversioned=skip"), T("mysql", "Version="));
	check_gate(GATE_VERSION_MISMATCH, T("made for vSMTP 1.0.0, the server is 1.1.0"),
		   T("install the build of mysql for vSMTP 1.1.0", "hold vsmtp back"));
	check_gate(GATE_MISSING_LIBRARY, T("libx.so.1", "liby.so.2"), T("libx.so.1", "ldconfig"));
	check_gate(GATE_QUARANTINED, T("quarantine"), T("another build of mysql"));
}

static void test_each_code_is_there_once_and_stable(void **state)
{
	static const char *const codes[GATE_MAX] = {
		"linked",
		"name-not-understood",
		"disabled",
		"not-regular",
		"untrusted",
		"unreadable",
		"being-written",
		"not-elf",
		"truncated",
		"wrong-machine",
		"not-shared-object",
		"no-entry-point",
		"version-conflict",
		"version-unknown",
		"version-mismatch",
		"missing-library",
		"quarantined",
		"shadowed",
		"name-taken",
		"foreign-in-the-way",
	};

	UNUSED(state);
	for (enum gate g = 0; g < GATE_MAX; g++)
		assert_string_equal(gate_to_string(g), codes[g]);
	assert_null(gate_to_string(GATE_MAX));
	for (enum link_action a = 0; a < LINK_ACTION_MAX; a++)
		for (enum link_action b = 0; b < a; b++)
			assert_string_not_equal(link_action_to_string(a), link_action_to_string(b));
	assert_string_equal(layout_to_string(LAYOUT_A), "A");
	assert_string_equal(layout_to_string(LAYOUT_C), "C");
}

static void test_each_gate_has_words_when_passed(void **state)
{
	struct world w;

	UNUSED(state);
	world_make(&w);
	w.k.name.file_version = v110;
	for (enum gate g = GATE_LINKED + 1; g < GATE_MAX; g++) {
		_cleanup_free_ char *values = NULL;

		assert_true(gate_passes(g, &w.c, &w.s.server, &w.k));
		values = WORDS(word_gate, CASE(&w, NULL), g);
		if (!*values)
			fail_msg("%s has no words", gate_to_string(g));
	}
}

static void test_version_mismatch_without_a_server_version(void **state)
{
	struct world w;
	_cleanup_free_ char *values = NULL, *cure = NULL, *unknown = NULL, *doubt = NULL;

	UNUSED(state);
	world_make(&w);
	w.s.server = (struct server_facts){.state = SERVER_ABSENT};
	values = WORDS(word_gate, CASE(&w, NULL), GATE_VERSION_MISMATCH);
	assert_string_equal(values, "made for vSMTP 1.0.0, vSMTP is not installed");
	cure = WORDS(word_cure, CASE(&w, NULL), GATE_VERSION_MISMATCH);
	assert_string_equal(cure, "install vSMTP 1.0.0");
	w.s.server = (struct server_facts){.state = SERVER_UNKNOWN, .doubt = SERVER_DOUBT_HANGS};
	unknown = WORDS(word_gate, CASE(&w, NULL), GATE_VERSION_MISMATCH);
	expect(unknown, "the server's version is not known");
	doubt = WORDS(word_cure, CASE(&w, NULL), GATE_VERSION_MISMATCH);
	expect(doubt, "/usr/sbin/vsmtp gave no answer to --version in time");
	expect(doubt, "Version= in [Plugind]");
}

static void test_a_newer_plugin_is_cured_by_a_newer_server(void **state)
{
	struct world w;
	_cleanup_free_ char *cure = NULL;
	char v200[] = "2.0.0";

	UNUSED(state);
	world_make(&w)->k.name.file_version = v200;
	cure = WORDS(word_cure, CASE(&w, NULL), GATE_VERSION_MISMATCH);
	assert_string_equal(cure, "upgrade vSMTP to 2.0.0, or install the build of mysql for vSMTP "
				  "1.1.0");
}

static void test_rivals_are_named(void **state)
{
	struct world w;
	struct verdict v = {.gate = GATE_SHADOWED, .rival = path};
	struct candidate all[1];
	struct link entry = {.name = hostile, .target_inode = 7, .target_device = 3};
	_cleanup_free_ char *shadowed = NULL, *taken = NULL, *foreign = NULL, *itself = NULL;
	char other[] = "/opt/x.so", other_key[] = "oracle";

	UNUSED(state);
	world_make(&w);
	all[0] = w.k;
	w.k.path = other;
	w.k.store = 1;
	w.s.candidates = all;
	w.s.n_candidates = 1;
	w.s.links.items = &entry;
	w.s.links.n = 1;
	shadowed = WORDS(word_verdict, &w.c, &w.s, &w.k, &v);
	expect(shadowed, path);
	expect(shadowed, "its store comes first");
	v = (struct verdict){.gate = GATE_NAME_TAKEN, .rival = other_key, .wanted = hostile};
	taken = WORDS(word_verdict, &w.c, &w.s, &w.k, &v);
	assert_string_equal(taken, "the link name " SHOWN " belongs to plugin oracle");
	v = (struct verdict){.gate = GATE_FOREIGN_IN_THE_WAY, .rival = hostile};
	foreign = WORDS(word_verdict, &w.c, &w.s, &w.k, &v);
	assert_string_equal(foreign, "/etc/vsmtp/plugins/" SHOWN
				     " was not made by this kit and has the name");
	w.k.facts.signature.inode = 7;
	w.k.facts.signature.device = 3;
	itself = WORDS(word_cure, CASE(&w, &v), v.gate);
	expect(itself, "nothing needs to be done");
}

/* Every text that foreign bytes can get into. */
static void test_hostile_names_are_escaped_everywhere(void **state)
{
	struct world w;

	UNUSED(state);
	world_make(&w);
	w.k.path = w.k.name.name = w.c.links = hostile;
	w.k.file = hostile;
	w.k.facts.trust =
		(struct trust_facts){.trust = TRUST_WRITABLE, .path = hostile, .mode = 0100777};
	w.k.facts.kind = FILE_DANGLING;
	w.missing[0] = hostile;
	w.k.facts.missing = w.missing;
	for (enum gate g = GATE_LINKED + 1; g < GATE_MAX; g++)
		for (enum name_problem p = NAME_FINE; p < NAME_PROBLEM_MAX; p++) {
			struct verdict v = {.gate = g, .rival = hostile, .wanted = hostile};
			char *texts[4] = {0};

			w.k.name.problem = p;
			texts[0] = WORDS(word_gate, CASE(&w, NULL), g);
			texts[1] = WORDS(word_cure, CASE(&w, NULL), g);
			texts[2] = WORDS(word_verdict, &w.c, &w.s, &w.k, &v);
			texts[3] = WORDS(word_cure, CASE(&w, &v), v.gate);
			for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
				if (strpbrk(texts[i], "\x1b\n\xff"))
					fail_msg("%s lets bytes through: %s", gate_to_string(g),
						 texts[i]);
				free(texts[i]);
			}
		}
}

static void test_a_hostile_path_in_a_command_can_be_pasted(void **state)
{
	struct world w;
	_cleanup_free_ char *cure = NULL;
	char odd[] = "/a b/it's;\n.so";

	UNUSED(state);
	world_make(&w);
	w.k.facts.trust =
		(struct trust_facts){.trust = TRUST_WRITABLE, .path = odd, .mode = 0100777};
	cure = WORDS(word_cure, CASE(&w, NULL), GATE_UNTRUSTED);
	assert_string_equal(cure, "chmod go-w $'/a b/it\\x27s;\\x0a.so'");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_gate_names_values_and_cure),
		cmocka_unit_test(test_each_code_is_there_once_and_stable),
		cmocka_unit_test(test_each_gate_has_words_when_passed),
		cmocka_unit_test(test_version_mismatch_without_a_server_version),
		cmocka_unit_test(test_a_newer_plugin_is_cured_by_a_newer_server),
		cmocka_unit_test(test_rivals_are_named),
		cmocka_unit_test(test_hostile_names_are_escaped_everywhere),
		cmocka_unit_test(test_a_hostile_path_in_a_command_can_be_pasted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
