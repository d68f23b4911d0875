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

#define DOUBT_TEXT_MAX 200

/* The linker puts this name at the start of the program itself: its ELF header. */
extern const ElfW(Ehdr) __ehdr_start __attribute__((__visibility__("hidden")));

void server_own_machine(struct server_facts *s)
{
	s->class = __ehdr_start.e_ident[EI_CLASS];
	s->data = __ehdr_start.e_ident[EI_DATA];
	s->machine = __ehdr_start.e_machine;
}

void server_memory_done(struct server_memory *m)
{
	server_facts_done(&m->answer);
	free(m->path);
	*m = (struct server_memory){0};
}

/* ---- the program file ---- */

/* Reads what is there now; a file that took its place since the walk has another signature, and is
 * read again by the next look. */
static int fill_program(const struct root *r, struct walk *w, struct server_facts *s)
{
	_cleanup_close_ int fd = root_open_path(r, w->resolved, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	struct file_facts *p = &s->program;
	struct stat st;
	int e = fd;

	if (fd >= 0 && fstat(fd, &st) < 0)
		e = -errno;
	else if (fd >= 0)
		e = S_ISREG(st.st_mode) ? elf_read(fd, &p->elf) : -EMEDIUMTYPE;
	if (fs_is_fatal(e))
		return e;
	p->kind = FILE_REGULAR;
	p->readable = w->st.st_mode & S_IRUSR;
	p->read_error = -e;
	p->judged = e == 0;
	p->trust = w->trust;
	w->trust = (struct trust_facts){0};
	p->resolved = p->led_to = TAKE_PTR(w->resolved);
	fs_signature(&w->st, &p->signature);
	s->is_elf = p->judged && p->elf.form == ELF_FORM_FINE;
	if (s->is_elf) {
		s->class = p->elf.class;
		s->data = p->elf.data;
		s->machine = p->elf.machine;
	}
	return file_facts_identify(p);
}

/* ---- its version ---- */

static int judge_answer(const struct child_answer *said, struct server_facts *a)
{
	static const enum server_doubt doubts[CHILD_END_MAX] = {
		[CHILD_EXITED] = SERVER_DOUBT_STATUS,   [CHILD_SIGNALLED] = SERVER_DOUBT_SIGNAL,
		[CHILD_TIMED_OUT] = SERVER_DOUBT_HANGS, [CHILD_FLOODED] = SERVER_DOUBT_FLOODS,
		[CHILD_NOT_RUN] = SERVER_DOUBT_NOT_RUN,
	};
	int r;

	if (said->end != CHILD_EXITED || said->number != 0) {
		a->doubt = doubts[said->end];
		a->doubt_number = said->number;
		return 0;
	}
	r = version_from_answer(said->text, &a->version);
	if (r == 0)
		a->source = VERSION_SOURCE_PROGRAM;
	if (r != -EINVAL)
		return r;
	a->doubt = SERVER_DOUBT_NONSENSE;
	a->doubt_text = strndup(said->text, MIN(strcspn(said->text, "\r\n"), DOUBT_TEXT_MAX));
	return a->doubt_text ? 0 : -ENOMEM;
}

static int ask_program(const struct root *r, const struct file_facts *program,
		       struct server_facts *a)
{
	_cleanup_(child_answer_done) struct child_answer said = {0};
	_cleanup_free_ char *path = root_host_path(r, program->resolved);
	const char *const argv[] = {path, "--version", NULL}, *const envp[] = {NULL};
	int e;

	if (!path)
		return -ENOMEM;
	e = child_ask(argv, envp, SERVER_ASK_MAX, SERVER_ASK_TIMEOUT_USEC, &said);
	return e == 0 ? judge_answer(&said, a) : e;
}

/* Rule 5: who must not be run, and why. Nothing is run from where the sandboxed daemon may write:
 * whoever asks may be the start hook, which has every privilege. */
static enum server_doubt why_not_ask(const struct root *r, const struct config *c,
				     const struct file_facts *program, enum server_flags flags)
{
	const char *path = program->resolved;

	if (program->trust.trust != TRUST_FINE || path_below(path, STATE_RUN_DIR) ||
	    path_below(path, STATE_VAR_DIR) || (c->links && path_below(path, c->links)))
		return SERVER_DOUBT_UNTRUSTED;
	if (!root_is_host(r) && !(flags & SERVER_ASK_PROGRAM))
		return SERVER_DOUBT_NOT_ASKED;
	return SERVER_DOUBT_NONE;
}

/* Changes when packages or libraries do. */
static int world_stamp(const struct root *r, uint64_t *ret)
{
	struct signature cache;
	int e = fs_sign(r, LOADER_CACHE, &cache);

	if (e == 0)
		e = pkgdb_stamp(r, ret);
	if (e == 0)
		*ret = str_hash(*ret, &cache, sizeof(cache));
	return e;
}

static bool remembers(const struct server_memory *m, const struct config *c,
		      const struct server_facts *s, enum server_doubt not_asked_for)
{
	return m->has_answer && m->not_asked_for == not_asked_for && str_eq(m->path, c->program) &&
	       signature_equal(&m->answer.program.signature, &s->program.signature) && s->is_elf;
}

/* Fills m->answer. An attempt that did not even start is not remembered: what stopped it (ETXTBSY,
 * EAGAIN) may be over without a trace. */
static int learn_answer(struct server_memory *m, const struct root *r, const struct config *c,
			const struct file_facts *program, enum server_doubt not_asked_for)
{
	enum walk_flags flags = c->require_root_owned ? 0 : WALK_ANY_OWNER;
	_cleanup_(server_facts_done) struct server_facts a = {.doubt = not_asked_for};
	int e = 0;

	if (not_asked_for == SERVER_DOUBT_NONE)
		e = ask_program(r, program, &a);
	if (e == 0 && !a.version)
		e = pkgdb_version(r, c->program, program->resolved, flags, &a.version, &a.source);
	if (e == 0)
		e = str_replace(&m->path, c->program);
	if (e < 0)
		return e;
	server_facts_done(&m->answer);
	m->answer = a;
	m->answer.program.signature = program->signature;
	m->not_asked_for = not_asked_for;
	m->has_answer = a.doubt != SERVER_DOUBT_NOT_RUN;
	a = (struct server_facts){0};
	return 0;
}

static int fill_version(struct server_memory *m, const struct root *r, const struct config *c,
			enum server_flags flags, struct server_facts *s)
{
	enum server_doubt not_asked_for = why_not_ask(r, c, &s->program, flags);
	bool known = remembers(m, c, s, not_asked_for);
	uint64_t stamp; /* before asking: a change in between is seen next time */
	int e = 0;

	if (!known || m->answer.source != VERSION_SOURCE_PROGRAM) {
		e = world_stamp(r, &stamp);
		if (e == 0 && !(known && m->stamp == stamp)) {
			e = learn_answer(m, r, c, &s->program, not_asked_for);
			m->stamp = stamp;
			m->has_answer = m->has_answer && e == 0;
		}
	}
	if (e == 0)
		e = str_replace(&s->version, m->answer.version);
	if (e == 0)
		e = str_replace(&s->doubt_text, m->answer.doubt_text);
	s->state = s->version ? SERVER_KNOWN : SERVER_UNKNOWN;
	s->source = m->answer.source;
	s->doubt = m->answer.doubt;
	s->doubt_number = m->answer.doubt_number;
	return e;
}

int server_read(struct server_memory *m, const struct root *r, const struct config *c,
		enum server_flags flags, fs_visit_fn visit, void *userdata,
		struct server_facts *ret)
{
	enum walk_flags walk_flags = c->require_root_owned ? 0 : WALK_ANY_OWNER;
	_cleanup_(walk_done) struct walk w = WALK_INIT;
	_cleanup_(server_facts_done) struct server_facts s = {.state = SERVER_ABSENT};
	int e = fs_walk(r, c->program, walk_flags, visit, userdata, &w);
	bool there;

	if (e == 0 && visit && w.error == 0 && S_ISDIR(w.st.st_mode))
		e = visit(userdata, w.fd, w.resolved, "", false);
	if (e < 0)
		return e;
	server_own_machine(&s);
	there = w.error == 0 && S_ISREG(w.st.st_mode);
	if (there) {
		e = fill_program(r, &w, &s);
	} else if (w.error != ENOENT && w.error != ENOTDIR) {
		s.state = SERVER_UNKNOWN;
		s.doubt = SERVER_DOUBT_UNREADABLE;
		s.program.kind = w.error == ELOOP ? FILE_LOOP : FILE_OTHER;
		s.doubt_number = w.error ? w.error : S_ISDIR(w.st.st_mode) ? EISDIR : EMEDIUMTYPE;
	}
	if (e == 0 && c->version) {
		/* It comes first, and makes the server installed even without a program. */
		s.state = SERVER_KNOWN;
		s.source = VERSION_SOURCE_CONFIG;
		e = str_replace(&s.version, c->version);
	} else if (e == 0 && there) {
		e = fill_version(m, r, c, flags, &s);
	}
	if (e < 0)
		return e;
	*ret = s;
	s = (struct server_facts){0};
	return 0;
}
