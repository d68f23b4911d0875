/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* verify: for packagers. Names, versions and ELF of files anywhere, as the store's would be judged;
 * neither trust nor libraries, which are a matter of where a file ends up. */
#include "prog/ctl.h"

#include "prog/log.h"
#include "sys/elf.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>

enum {
	FILE_NAME,
	RESULT,
	TEXT,
};

static const struct face faces[] = {
	[FILE_NAME] = {"file", PLACE_LINE},
	[RESULT] = {NULL, PLACE_SAME, ": "},
	[TEXT] = {"text", PLACE_SAME, ": "},
};

struct judge {
	struct config config; /* the defaults: a package is made for any host */
	struct snapshot seen; /* the server it is judged for */
	const char *wanted;   /* --for, or NULL */
	struct doc doc;
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

	for (size_t i = 0; i < ELEMENTSOF(machines); i++) {
		buf_printf(&known, "%s%s", i > 0 ? ", " : "", machines[i].name);
		if (!str_eq(machines[i].name, name))
			continue;
		s->class = machines[i].class;
		s->data = machines[i].data;
		s->machine = machines[i].machine;
		return CTL_DONE;
	}
	log_msg(LOG_ERR, "--machine=%s is none of %s", name, buf_text(&known));
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

static void word_result(struct buf *b, const struct judge *j, const struct candidate *k,
			enum gate g)
{
	const struct gate_case t = {.c = &j->config, .server = &j->seen.server, .k = k};
	const char *version = gate_version(&j->config, k);

	if (g != GATE_LINKED) {
		word_gate(b, &t, g);
		buf_add(b, "; cure: ");
		word_cure(b, &t, g);
		return;
	}
	buf_printf(b,
		   version ? "plugin %s for vSMTP %s, layout %s"
			   : "plugin %s, of unknown version (linked unless "
			     "Unversioned=skip)%s, layout %s",
		   k->name.name, version, layout_to_string(k->name.layout));
}

/* `k` is NULL if the name is not that of a candidate. */
static void doc_file(struct judge *j, const char *argument, const struct candidate *k, enum gate g)
{
	struct doc *d = &j->doc;
	bool good = g == GATE_LINKED;

	j->failed += !good;
	doc_object(d, "");
	doc_put(d, &faces[FILE_NAME], argument);
	doc_truth(d, "ok", good);
	doc_name(d, "gate", good ? NULL : gate_to_string(g));
	buf_printf(doc_add(d, &faces[RESULT]), good ? "ok" : "FAILED %s", gate_to_string(g));
	doc_colour(d, good ? COLOUR_GOOD : COLOUR_BAD);
	doc_name(d, "name", k ? k->name.name : NULL);
	doc_name(d, "version", k && k->name.name ? gate_version(&j->config, k) : NULL);
	if (k)
		word_result(doc_add(d, &faces[TEXT]), j, k, g);
	else
		buf_add(doc_add(d, &faces[TEXT]), "not the name of a plugin's file; cure: call it "
						  "libvsmtp-plugin-NAME-VERSION.so");
	doc_end(d);
}

static int judge_file(struct judge *j, const char *argument)
{
	_cleanup_(candidate_done) struct candidate k = {0};
	const char *version;
	int r = read_candidate(argument, &k);

	if (r < 0)
		return r;
	if (r == 0) {
		doc_file(j, argument, NULL, GATE_NAME_NOT_UNDERSTOOD);
		return 0;
	}
	/* Without any version to compare with, whatever it is fits. */
	version = j->wanted ? j->wanted : gate_version(&j->config, &k);
	r = str_replace(&j->seen.server.version, version ? version : "0.0.0");
	if (r >= 0)
		doc_file(j, argument, &k, gate_judge(&j->config, &j->seen.server, &k));
	return r;
}

int verb_verify(struct ctl *c)
{
	_cleanup_(judge_done) struct judge j = {0};
	int r = judge_make(c, &j);

	if (r == CTL_USAGE)
		return r;
	ctl_doc_init(&j.doc, c);
	doc_array(&j.doc, "files");
	for (size_t i = 0; r >= 0 && i < c->n_arguments; i++)
		r = judge_file(&j, c->arguments[i]);
	doc_end(&j.doc);
	if (r >= 0)
		r = doc_show(&j.doc, &c->output);
	if (r < 0)
		return r;
	return j.failed > 0 ? CTL_FAILED : CTL_DONE;
}
