/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sys/server.h"

#include "base/str.h"
#include "core/name.h"
#include "core/version.h"
#include "sys/child.h"
#include "sys/elf.h"
#include "sys/loader.h"
#include "sys/pkgdb.h"
#include "sys/state.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>

#if defined(__x86_64__)
#define KIT_MACHINE EM_X86_64
#elif defined(__i386__)
#define KIT_MACHINE EM_386
#elif defined(__aarch64__)
#define KIT_MACHINE EM_AARCH64
#elif defined(__arm__)
#define KIT_MACHINE EM_ARM
#elif defined(__riscv)
#define KIT_MACHINE EM_RISCV
#elif defined(__powerpc64__)
#define KIT_MACHINE EM_PPC64
#elif defined(__powerpc__)
#define KIT_MACHINE EM_PPC
#elif defined(__s390__)
#define KIT_MACHINE EM_S390
#elif defined(__loongarch__)
#define KIT_MACHINE EM_LOONGARCH
#elif defined(__mips__)
#define KIT_MACHINE EM_MIPS
#elif defined(__sparc__) && defined(__arch64__)
#define KIT_MACHINE EM_SPARCV9
#elif defined(__hppa__)
#define KIT_MACHINE EM_PARISC
#elif defined(__alpha__)
#define KIT_MACHINE EM_ALPHA
#elif defined(__ia64__)
#define KIT_MACHINE EM_IA_64
#elif defined(__m68k__)
#define KIT_MACHINE EM_68K
#elif defined(__sh__)
#define KIT_MACHINE EM_SH
#else
#error "name the e_machine of this architecture here"
#endif

#define KIT_CLASS (__ELF_NATIVE_CLASS == 64 ? ELFCLASS64 : ELFCLASS32)
#define KIT_DATA (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? ELFDATA2MSB : ELFDATA2LSB)

#define DOUBT_TEXT_MAX 200

/* What the program, or a database, said: all of server_facts that Version= has no part in. */
struct answer {
	char *version;
	enum version_source source;
	enum server_doubt doubt;
	int number;
	char *text;
};

/* One program's facts. An answer that a database gave, or none, may be another one once libraries
 * or packages have changed though the program has not: `stamp` tells. The program's own stays. */
struct server_memory {
	bool has_elf;
	struct signature elf_of;
	int read_error;
	struct elf_facts elf;

	bool has_answer;
	struct signature answer_of;
	enum server_doubt not_asked_for; /* why it was not run, when it was not */
	char *path;
	uint64_t stamp;
	struct answer answer;

	struct loader_memory loader;
};

static void answer_done(struct answer *a)
{
	free(a->version);
	free(a->text);
	*a = (struct answer){0};
}

int server_memory_new(struct server_memory **ret)
{
	struct server_memory *m = calloc(1, sizeof(*m));

	if (!m)
		return -ENOMEM;
	*ret = m;
	return 0;
}

void server_memory_clear(struct server_memory *m)
{
	elf_facts_done(&m->elf);
	answer_done(&m->answer);
	free(m->path);
	loader_memory_done(&m->loader);
	*m = (struct server_memory){0};
}

struct server_memory *server_memory_free(struct server_memory *m)
{
	if (m)
		server_memory_clear(m);
	free(m);
	return NULL;
}

/* ---- the program file ---- */

static bool same_file(const struct signature *a, const struct signature *b)
{
	return a->inode == b->inode && a->ctime_nsec == b->ctime_nsec && a->size == b->size;
}

static int copy_elf(const struct elf_facts *from, struct elf_facts *to)
{
	int r;

	*to = *from;
	to->note_version = to->package_note = to->build_id = to->interpreter = NULL;
	to->needed = NULL;
	to->search_path = NULL;
	r = str_replace(&to->note_version, from->note_version);
	if (r == 0)
		r = str_replace(&to->package_note, from->package_note);
	if (r == 0)
		r = str_replace(&to->build_id, from->build_id);
	if (r == 0)
		r = str_replace(&to->interpreter, from->interpreter);
	if (r == 0)
		r = strv_copy(&to->needed, from->needed);
	return r;
}

/* Reads what is there now; a file that took its place since the walk has another signature, and is
 * read again by the next look. */
static int read_elf(struct server_memory *m, const struct root *r, const struct file_facts *program)
{
	_cleanup_close_ int fd =
		root_open_path(r, program->resolved, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	struct elf_facts elf = {0};
	struct stat st;
	int e = 0;

	m->has_elf = false;
	elf_facts_done(&m->elf);
	if (fd < 0)
		e = fd;
	else if (fstat(fd, &st) < 0)
		e = -errno;
	else if (!S_ISREG(st.st_mode))
		e = -EMEDIUMTYPE;
	else
		e = elf_read(fd, &elf);
	if (e == -ENOMEM || e == -EMFILE || e == -ENFILE)
		return e;
	m->read_error = -e;
	m->elf = elf;
	m->elf_of = program->signature;
	m->has_elf = e == 0;
	return 0;
}

/* A script may run a program that is replaced without a trace on the script. */
static bool is_elf(const struct file_facts *program)
{
	return program->judged && program->elf.form == ELF_FORM_FINE;
}

static int fill_program(struct server_memory *m, const struct root *r, struct walk *w,
			struct server_facts *s)
{
	struct file_facts *p = &s->program;
	int e = 0;

	p->kind = FILE_REGULAR;
	p->readable = w->st.st_mode & S_IRUSR;
	p->trust = w->trust;
	w->trust = (struct trust_facts){0};
	p->resolved = p->led_to = TAKE_PTR(w->resolved);
	if (!m->has_elf || !same_file(&m->elf_of, &p->signature))
		e = read_elf(m, r, p);
	if (e < 0)
		return e;
	p->read_error = m->read_error;
	p->judged = m->has_elf;
	e = copy_elf(&m->elf, &p->elf);
	if (e == 0)
		e = file_facts_identify(p);
	s->is_elf = is_elf(p);
	s->class = s->is_elf ? p->elf.class : KIT_CLASS;
	s->data = s->is_elf ? p->elf.data : KIT_DATA;
	s->machine = s->is_elf ? p->elf.machine : KIT_MACHINE;
	return e;
}

/* ---- its version ---- */

static int first_line(const char *text, char **ret)
{
	size_t n = strcspn(text, "\r\n");
	char *line = strndup(text, MIN(n, DOUBT_TEXT_MAX));

	if (!line)
		return -ENOMEM;
	*ret = line;
	return 0;
}

static int judge_answer(const struct child_answer *said, struct answer *a)
{
	static const enum server_doubt doubts[CHILD_END_MAX] = {
		[CHILD_EXITED] = SERVER_DOUBT_STATUS,   [CHILD_SIGNALLED] = SERVER_DOUBT_SIGNAL,
		[CHILD_TIMED_OUT] = SERVER_DOUBT_HANGS, [CHILD_FLOODED] = SERVER_DOUBT_FLOODS,
		[CHILD_NOT_RUN] = SERVER_DOUBT_NOT_RUN,
	};
	int r;

	if (said->end != CHILD_EXITED || said->number != 0) {
		a->doubt = doubts[said->end];
		a->number = said->number;
		return 0;
	}
	r = version_from_answer(said->text, &a->version);
	if (r == 0)
		a->source = VERSION_SOURCE_PROGRAM;
	if (r != -EINVAL)
		return r;
	a->doubt = SERVER_DOUBT_NONSENSE;
	return first_line(said->text, &a->text);
}

static int ask_program(const struct root *r, const struct file_facts *program, struct answer *a)
{
	static char option[] = "--version";
	_cleanup_(child_answer_done) struct child_answer said = {0};
	_cleanup_free_ char *path = root_host_path(r, program->resolved);
	char *argv[] = {path, option, NULL}, *envp[] = {NULL};
	int e;

	if (!path)
		return -ENOMEM;
	e = child_ask(argv, envp, SERVER_ASK_MAX, SERVER_ASK_TIMEOUT_USEC, &said);
	return e == 0 ? judge_answer(&said, a) : e;
}

/* The sandboxed daemon may write there, and whoever asks a program may be the start hook, which has
 * every privilege. */
static bool is_writable_to_daemon(const struct config *c, const char *path)
{
	return path_below(path, STATE_RUN_DIR) || path_below(path, STATE_VAR_DIR) ||
	       (c->links && path_below(path, c->links));
}

/* Rule 5: who must not be run, and why. */
static enum server_doubt why_not_ask(const struct root *r, const struct config *c,
				     const struct file_facts *program, enum server_flags flags)
{
	if (program->trust.trust != TRUST_FINE || is_writable_to_daemon(c, program->resolved))
		return SERVER_DOUBT_UNTRUSTED;
	if (!root_is_host(r) && !(flags & SERVER_ASK_PROGRAM))
		return SERVER_DOUBT_NOT_ASKED;
	return SERVER_DOUBT_NONE;
}

static uint64_t world_stamp(const struct root *r)
{
	uint64_t hash = pkgdb_stamp(r);
	struct stat st;
	_cleanup_close_ int fd = root_open_path(r, LOADER_CACHE, O_PATH);

	if (fd < 0 || fstat(fd, &st) < 0)
		return hash;
	return str_hash(hash, &st.st_ctim, sizeof(st.st_ctim));
}

static bool remembers(const struct server_memory *m, const struct root *r, const char *path,
		      const struct file_facts *program, enum server_doubt not_asked_for)
{
	if (!m->has_answer || m->not_asked_for != not_asked_for || !str_eq(m->path, path) ||
	    !same_file(&m->answer_of, &program->signature) || !is_elf(program))
		return false;
	return m->answer.source == VERSION_SOURCE_PROGRAM || m->stamp == world_stamp(r);
}

/* Fills m->answer. An attempt that did not even start is not remembered: what stopped it (ETXTBSY,
 * EAGAIN) may be over without a trace. */
static int learn_answer(struct server_memory *m, const struct root *r, const struct config *c,
			const struct file_facts *program, enum server_doubt not_asked_for)
{
	enum walk_flags flags = c->require_root_owned ? 0 : WALK_ANY_OWNER;
	_cleanup_(answer_done) struct answer a = {.doubt = not_asked_for};
	uint64_t stamp = world_stamp(r); /* before asking: a change in between is seen next time */
	int e = 0;

	if (not_asked_for == SERVER_DOUBT_NONE)
		e = ask_program(r, program, &a);
	if (e == 0 && !a.version)
		e = pkgdb_version(r, c->program, program->resolved, flags, &a.version, &a.source);
	if (e == 0)
		e = str_replace(&m->path, c->program);
	if (e < 0)
		return e;
	answer_done(&m->answer);
	m->answer = a;
	a = (struct answer){0};
	m->answer_of = program->signature;
	m->not_asked_for = not_asked_for;
	m->stamp = stamp;
	m->has_answer = m->answer.doubt != SERVER_DOUBT_NOT_RUN;
	return 0;
}

static int fill_version(struct server_memory *m, const struct root *r, const struct config *c,
			enum server_flags flags, struct server_facts *s)
{
	enum server_doubt not_asked_for = why_not_ask(r, c, &s->program, flags);
	int e = 0;

	if (!remembers(m, r, c->program, &s->program, not_asked_for))
		e = learn_answer(m, r, c, &s->program, not_asked_for);
	if (e == 0)
		e = str_replace(&s->version, m->answer.version);
	if (e == 0)
		e = str_replace(&s->doubt_text, m->answer.text);
	s->state = s->version ? SERVER_KNOWN : SERVER_UNKNOWN;
	s->source = s->version ? m->answer.source : VERSION_SOURCE_NONE;
	s->doubt = m->answer.doubt;
	s->doubt_number = m->answer.number;
	return e;
}

/* `Version=` comes first, and makes the server installed even without a program. */
static int fill_configured(const struct config *c, struct server_facts *s)
{
	s->state = SERVER_KNOWN;
	s->source = VERSION_SOURCE_CONFIG;
	return str_replace(&s->version, c->version);
}

static void fill_unreadable(const struct walk *w, struct server_facts *s)
{
	s->state = SERVER_UNKNOWN;
	s->doubt = SERVER_DOUBT_UNREADABLE;
	s->program.kind = w->error == ELOOP ? FILE_LOOP : FILE_OTHER;
	s->doubt_number = w->error ? w->error : S_ISDIR(w->st.st_mode) ? EISDIR : EMEDIUMTYPE;
}

int server_read(struct server_memory *m, const struct root *r, const struct config *c,
		enum server_flags flags, fs_visit_fn visit, void *userdata,
		struct server_facts *ret)
{
	enum walk_flags walk_flags = c->require_root_owned ? 0 : WALK_ANY_OWNER;
	_cleanup_(walk_done) struct walk w = WALK_INIT;
	_cleanup_(server_facts_done) struct server_facts s = {
		.state = SERVER_ABSENT,
		.class = KIT_CLASS,
		.data = KIT_DATA,
		.machine = KIT_MACHINE,
	};
	int e = fs_walk(r, c->program, walk_flags, visit, userdata, &w);
	bool there;

	if (e == 0 && visit && w.error == 0 && S_ISDIR(w.st.st_mode))
		e = visit(userdata, w.fd, w.resolved, "", false);
	if (e < 0)
		return e;
	there = w.error == 0 && S_ISREG(w.st.st_mode);
	if (there) {
		fs_signature(&w.st, &s.program.signature);
		e = fill_program(m, r, &w, &s);
	} else if (w.error != ENOENT && w.error != ENOTDIR) {
		fill_unreadable(&w, &s);
	}
	if (e == 0 && c->version)
		e = fill_configured(c, &s);
	else if (e == 0 && there)
		e = fill_version(m, r, c, flags, &s);
	if (e < 0)
		return e;
	*ret = s;
	s = (struct server_facts){0};
	return 0;
}

int server_check_libraries(struct server_memory *m, const struct root *r,
			   const struct server_facts *s)
{
	return loader_check_memory(&m->loader, r, s);
}

int server_find_missing(struct server_memory *m, const struct root *r, const struct server_facts *s,
			const struct loader_question *q, char ***ret_missing, char **ret_question)
{
	if (root_is_host(r))
		return loader_find_missing(&m->loader, r, s, q, ret_missing, ret_question);
	*ret_missing = NULL;
	*ret_question = NULL;
	return 0;
}
