/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* verify: for packagers. Names, versions and ELF of files anywhere, as the store's would be judged;
 * neither trust nor libraries, which are a matter of where a file ends up. */
#include "prog/ctl.h"

#include "base/str.h"
#include "core/wording.h"
#include "prog/log.h"
#include "sys/elf.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>

struct judge {
	struct config config; /* the defaults: a package is made for any host */
	struct snapshot seen; /* the server it is judged for */
	const char *wanted;   /* --for, or NULL */
	struct doc doc;
	struct json_object *files;
	size_t failed;
};

static void judge_done(struct judge *j)
{
	config_done(&j->config);
	snapshot_done(&j->seen);
	doc_done(&j->doc);
}

/* As --machine= names them: the first part of a GNU system type. */
static const struct machine {
	const char *name;
	uint8_t class;
	uint8_t data;
	uint16_t machine;
} machines[] = {
	{"aarch64", ELFCLASS64, ELFDATA2LSB, EM_AARCH64},
	{"arm", ELFCLASS32, ELFDATA2LSB, EM_ARM},
	{"i686", ELFCLASS32, ELFDATA2LSB, EM_386},
	{"loongarch64", ELFCLASS64, ELFDATA2LSB, EM_LOONGARCH},
	{"mips64el", ELFCLASS64, ELFDATA2LSB, EM_MIPS},
	{"powerpc64", ELFCLASS64, ELFDATA2MSB, EM_PPC64},
	{"powerpc64le", ELFCLASS64, ELFDATA2LSB, EM_PPC64},
	{"riscv64", ELFCLASS64, ELFDATA2LSB, EM_RISCV},
	{"s390x", ELFCLASS64, ELFDATA2MSB, EM_S390},
	{"x86_64", ELFCLASS64, ELFDATA2LSB, EM_X86_64},
};

static int find_machine(const char *name, struct server_facts *s)
{
	_cleanup_buf_ struct buf known = BUF_INIT;
	_cleanup_free_ char *text = NULL;

	for (size_t i = 0; i < ELEMENTSOF(machines); i++) {
		buf_printf(&known, "%s%s", i > 0 ? ", " : "", machines[i].name);
		if (!str_eq(machines[i].name, name))
			continue;
		s->class = machines[i].class;
		s->data = machines[i].data;
		s->machine = machines[i].machine;
		return CTL_DONE;
	}
	if (buf_take(&known, &text) < 0)
		return -ENOMEM;
	log_msg(LOG_ERR, "--machine=%s is none of %s", name, text);
	return CTL_USAGE;
}

/* CTL_DONE, CTL_USAGE or -errno. */
static int judge_make(struct ctl *c, struct judge *j)
{
	struct server_facts *s = &j->seen.server;
	int r = config_init(&j->config);

	if (r >= 0)
		r = config_finish(&j->config);
	if (r < 0)
		return r;
	*s = (struct server_facts){.state = SERVER_KNOWN, .source = VERSION_SOURCE_CONFIG};
	j->wanted = c->version;
	server_own_machine(s);
	return c->machine ? find_machine(c->machine, s) : CTL_DONE;
}

/* The last two components of a path, the directory only if it is a version's. */
static int split(const char *argument, char **ret_dir, char **ret_file)
{
	_cleanup_free_ char *here = getcwd(NULL, 0), *path = NULL, *parent = NULL;
	char *slash;
	int r;

	if (path_normalize(here ? here : "/", argument, &path) < 0)
		return -ENOMEM;
	slash = strrchr(path, '/');
	*slash = '\0';
	parent = strrchr(path, '/') ? strdup(strrchr(path, '/') + 1) : strdup("");
	*ret_file = strdup(slash + 1);
	if (!parent || !*ret_file)
		return -ENOMEM;
	r = name_is_version_dir(parent);
	if (r > 0)
		*ret_dir = TAKE_PTR(parent);
	return MIN(r, 0);
}

static int read_facts(const char *argument, struct file_facts *f)
{
	_cleanup_close_ int fd = open(argument, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	int r;

	f->readable = true;
	if (fd < 0 && errno == ELOOP) {
		f->kind = FILE_LOOP;
		return 0;
	}
	if (fd < 0 || fstat(fd, &st) < 0) {
		f->read_error = errno;
		return 0;
	}
	if (!S_ISREG(st.st_mode)) {
		f->kind = FILE_OTHER;
		return 0;
	}
	fs_signature(&st, &f->signature);
	r = elf_read(fd, &f->elf);
	if (r < 0 && r != -ENOMEM)
		f->read_error = -r;
	f->judged = r >= 0;
	return r == -ENOMEM ? r : 0;
}

/* Names first: 1 if it is a candidate's name at all. */
static int read_candidate(const char *argument, struct candidate *k)
{
	_cleanup_free_ char *dir = NULL, *file = NULL;
	int r = split(argument, &dir, &file);

	if (r < 0)
		return r;
	r = name_parse(dir, file, &k->name);
	if (r <= 0)
		return r;
	k->path = strdup(argument);
	if (!k->path)
		return -ENOMEM;
	k->file = strrchr(k->path, '/');
	k->file = k->file && k->file[1] ? k->file + 1 : k->path;
	r = read_facts(argument, &k->facts);
	return r < 0 ? r : 1;
}

static int fail_words(const struct judge *j, const struct candidate *k, enum gate g, char **ret)
{
	_cleanup_free_ char *values = NULL, *cure = NULL;
	int r = wording_gate_values(&j->config, &j->seen, k, g, &values);

	if (r >= 0)
		r = wording_gate_cure(&j->config, &j->seen, k, g, &cure);
	if (r >= 0 && asprintf(ret, "%s; cure: %s", values, cure) < 0)
		r = -ENOMEM;
	return r;
}

static int good_words(const struct judge *j, const struct candidate *k, char **ret)
{
	const char *version = gate_version(&j->config, k);
	_cleanup_buf_ struct buf b = BUF_INIT;

	buf_add(&b, "plugin ");
	buf_escape(&b, k->name.name);
	if (version) {
		buf_add(&b, " for vSMTP ");
		buf_escape(&b, version);
	} else {
		buf_add(&b, ", of unknown version (linked unless Unversioned=skip)");
	}
	buf_printf(&b, ", layout %s", layout_to_string(k->name.layout));
	return buf_take(&b, ret);
}

static int say(struct ctl *c, struct judge *j, const char *argument, const struct candidate *k,
	       enum gate g, const char *words)
{
	_cleanup_free_ char *shown = str_escape(argument);
	struct json_object *o;

	if (!shown)
		return -ENOMEM;
	j->failed += g != GATE_LINKED;
	if (!ctl_has(c, CTL_JSON)) {
		printf("%s: %s%s%s%s: %s\n", shown,
		       output_colour(&c->output, g == GATE_LINKED ? COLOUR_GOOD : COLOUR_BAD),
		       g == GATE_LINKED ? "ok" : "FAILED ",
		       g == GATE_LINKED ? "" : gate_to_string(g), output_plain(&c->output), words);
		return 0;
	}
	o = doc_item(&j->doc, j->files);
	doc_words(&j->doc, o, "file", shown);
	doc_truth(&j->doc, o, "ok", g == GATE_LINKED);
	doc_words(&j->doc, o, "gate", g == GATE_LINKED ? NULL : gate_to_string(g));
	doc_name(&j->doc, o, "name", k->name.name);
	doc_name(&j->doc, o, "version", k->name.name ? gate_version(&j->config, k) : NULL);
	doc_words(&j->doc, o, "text", words);
	return 0;
}

static int judge_file(struct ctl *c, struct judge *j, const char *argument)
{
	struct candidate k = {0};
	_cleanup_free_ char *words = NULL;
	enum gate g = GATE_NAME_NOT_UNDERSTOOD;
	int r = read_candidate(argument, &k);

	if (r == 0) {
		r = say(c, j, argument, &k, g,
			"not the name of a plugin's file; cure: call it "
			"libvsmtp-plugin-NAME-VERSION.so");
		candidate_done(&k);
		return r;
	}
	if (r > 0) {
		const char *version = j->wanted ? j->wanted : gate_version(&j->config, &k);

		/* Without any version to compare with, whatever it is fits. */
		r = str_replace(&j->seen.server.version, version ? version : "0.0.0");
		if (r >= 0)
			g = gate_judge(&j->config, &j->seen.server, &k);
	}
	if (r >= 0)
		r = g == GATE_LINKED ? good_words(j, &k, &words) : fail_words(j, &k, g, &words);
	if (r >= 0)
		r = say(c, j, argument, &k, g, words);
	candidate_done(&k);
	return r;
}

int verb_verify(struct ctl *c)
{
	_cleanup_(judge_done) struct judge j = {0};
	int r = judge_make(c, &j);

	if (r == CTL_USAGE)
		return r;
	if (r >= 0 && ctl_has(c, CTL_JSON)) {
		doc_init(&j.doc, "verify");
		j.files = doc_array(&j.doc, j.doc.top, "files");
	}
	for (size_t i = 0; r >= 0 && i < c->n_arguments; i++)
		r = judge_file(c, &j, c->arguments[i]);
	if (r >= 0 && ctl_has(c, CTL_JSON))
		r = doc_print(&j.doc);
	if (r < 0)
		return r;
	return j.failed > 0 ? CTL_FAILED : CTL_DONE;
}
