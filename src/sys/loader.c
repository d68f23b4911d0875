/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sys/loader.h"

#include "base/str.h"
#include "sys/child.h"
#include "sys/server.h"

#include <fcntl.h>

void loader_memory_done(struct loader_memory *m)
{
	if (!m)
		return;
	strv_free(m->known);
	strv_free(m->fine);
	for (size_t i = 0; i < m->n_libraries; i++)
		free(m->libraries[i].path);
	free(m->libraries);
	*m = (struct loader_memory){0};
}

static int sign(const struct root *r, const char *path, struct signature *ret)
{
	_cleanup_close_ int fd = root_open_path(r, path, O_PATH);
	struct stat st;

	*ret = (struct signature){0};
	if (fd == -ENOMEM || fd == -EMFILE || fd == -ENFILE)
		return fd;
	if (fd >= 0 && fstat(fd, &st) == 0)
		fs_signature(&st, ret);
	return 0;
}

/* What resolved once may not with another program (another loader, other libraries beside it),
 * after ldconfig(8), or when a library that was found is another one, or gone. A file that is not
 * there has the empty signature. */
int loader_check_memory(struct loader_memory *m, const struct root *r, const struct server_facts *s)
{
	struct signature cache, now;
	int e = sign(r, LOADER_CACHE, &cache);
	bool same = signature_equal(&m->cache, &cache) &&
		    signature_equal(&m->program, &s->program.signature);

	for (size_t i = 0; e == 0 && same && i < m->n_libraries; i++) {
		e = sign(r, m->libraries[i].path, &now);
		same = signature_equal(&m->libraries[i].signature, &now);
	}
	if (e < 0 || same)
		return e;
	loader_memory_done(m);
	m->cache = cache;
	m->program = s->program.signature;
	return 0;
}

/* What the running program needs itself is loaded before any plugin: if it did not resolve, there
 * would be no server. */
static bool all_known(const struct loader_memory *m, const struct server_facts *s,
		      const struct elf_facts *elf)
{
	for (char **n = elf->needed; n && *n; n++)
		if (!strv_has(m->known, *n) && !strv_has(s->program.elf.needed, *n))
			return false;
	return true;
}

/* One line of the trace: `\tNAME => not found`. NULL if it says something else. */
static char *missing_name(const char *line, size_t len)
{
	static const char mark[] = " => not found";
	const size_t mark_len = sizeof(mark) - 1;

	while (len > 0 && (*line == ' ' || *line == '\t')) {
		line++;
		len--;
	}
	if (len <= mark_len || memcmp(line + len - mark_len, mark, mark_len) != 0)
		return NULL;
	return strndup(line, len - mark_len);
}

/* `\tNAME => /PATH (0xADDRESS)`. */
static char *found_path(const char *line, size_t len)
{
	const char *from = memmem(line, len, " => /", 5), *to;

	if (!from)
		return NULL;
	from += 4;
	to = memmem(from, len - (size_t)(from - line), " (0x", 4);
	return strndup(from, to ? (size_t)(to - from) : len - (size_t)(from - line));
}

struct trace {
	char **missing;
	char **found;
};

static void trace_done(struct trace *t)
{
	strv_free(t->missing);
	strv_free(t->found);
}

static int parse_trace(const char *text, struct trace *t)
{
	for (const char *line = text; *line;) {
		size_t len = strcspn(line, "\n");
		_cleanup_free_ char *name = missing_name(line, len);
		_cleanup_free_ char *path = found_path(line, len);
		int r = 0;

		if (name && !strv_has(t->missing, name))
			r = strv_add(&t->missing, name);
		if (r == 0 && path)
			r = strv_add(&t->found, path);
		if (r < 0)
			return r;
		line += len + (line[len] == '\n');
	}
	return 0;
}

/* Why an answer is none, or NULL. A loader that names a missing library and then fails has
 * answered. */
static const char *explain(const struct child_answer *a, char *const *missing)
{
	switch (a->end) {
	case CHILD_EXITED:
		return a->number == 0 || missing ? NULL
						 : "the server's dynamic loader refused the file";
	case CHILD_SIGNALLED:
		return "the server's dynamic loader was killed by a signal";
	case CHILD_TIMED_OUT:
		return "the server's dynamic loader did not answer in time";
	case CHILD_FLOODED:
		return "the server's dynamic loader said too much";
	case CHILD_NOT_RUN:
	case CHILD_END_MAX:
	default:
		return "the server's dynamic loader could not be started";
	}
}

static int question(const char *text, char **ret_question)
{
	char *copy = strdup(text);

	if (!copy)
		return -ENOMEM;
	*ret_question = copy;
	return 0;
}

/* The loader itself is a program that we run: rule 12 holds for it as for the server. */
static int find_loader(const struct root *r, const char *path, struct walk *w,
		       const char **ret_problem)
{
	int e = fs_walk(r, path, 0, NULL, NULL, w);

	if (e < 0)
		return e;
	if (w->error)
		*ret_problem = "the server's dynamic loader cannot be reached";
	else if (w->trust.trust != TRUST_FINE)
		*ret_problem = "the server's dynamic loader is not trusted";
	else if (!S_ISREG(w->st.st_mode))
		*ret_problem = "the server's dynamic loader is not a regular file";
	return 0;
}

/* The file's search path, $ORIGIN replaced; *ret stays NULL if it has none of that. 0 or -ENOMEM.
 */
static int expand_origin(const struct loader_question *q, char **ret)
{
	static const char *const marks[] = {"$ORIGIN", "${ORIGIN}"};
	_cleanup_buf_ struct buf b = BUF_INIT;
	bool has = false;

	for (const char *p = q->elf->search_path; p && *p;) {
		const char *rest = NULL;

		for (size_t i = 0; !rest && i < ELEMENTSOF(marks); i++)
			rest = str_after(p, marks[i]);
		if (rest)
			buf_add(&b, q->origin);
		else
			buf_add_len(&b, p, 1);
		has = has || rest;
		p = rest ? rest : p + 1;
	}
	return has ? buf_take(&b, ret) : 0;
}

/* The file is asked about by its own path, since its link need not be there yet: so what its search
 * path says about the place of the link is said to the loader in its stead. */
static int make_argv(const char *loader, const struct loader_question *q, char ***argv)
{
	_cleanup_free_ char *path = NULL;
	int r = expand_origin(q, &path);
	const char *const words[] = {"--inhibit-rpath", ":", "--library-path", path};

	if (r == 0)
		r = strv_add(argv, loader);
	for (size_t i = 0; r == 0 && path && i < ELEMENTSOF(words); i++)
		r = strv_add(argv, words[i]);
	return r < 0 ? r : strv_add(argv, q->path);
}

static int ask_loader(const char *loader, const struct loader_question *q, struct trace *ret,
		      const char **ret_problem)
{
	static char setting[] = "LD_TRACE_LOADED_OBJECTS=1";
	_cleanup_(child_answer_done) struct child_answer a = {0};
	_cleanup_strv_ char **argv = NULL;
	char *envp[] = {setting, NULL};
	int r = make_argv(loader, q, &argv);

	if (r == 0)
		r = child_ask(argv, envp, LOADER_ANSWER_MAX, SERVER_ASK_TIMEOUT_USEC, &a);
	if (r == 0)
		r = parse_trace(a.text, ret);
	if (r == 0)
		*ret_problem = explain(&a, ret->missing);
	return r;
}

static int remember_library(struct loader_memory *m, const struct root *r, const char *path)
{
	struct loader_library made = {0}, *grown;
	int e;

	for (size_t i = 0; i < m->n_libraries; i++)
		if (strcmp(m->libraries[i].path, path) == 0)
			return 0;
	e = sign(r, path, &made.signature);
	if (e < 0)
		return e;
	grown = reallocarray(m->libraries, m->n_libraries + 1, sizeof(*grown));
	made.path = grown ? strdup(path) : NULL;
	if (grown)
		m->libraries = grown;
	if (!made.path)
		return -ENOMEM;
	grown[m->n_libraries++] = made;
	return 0;
}

static int remember(struct loader_memory *m, const struct root *r, const struct elf_facts *elf,
		    const char *key, char *const *found)
{
	int e = 0;

	for (; e == 0 && found && *found; found++)
		e = remember_library(m, r, *found);
	if (e == 0 && elf->searches)
		return key ? strv_add(&m->fine, key) : 0;
	for (char **n = elf->needed; n && *n && e == 0; n++)
		if (!strv_has(m->known, *n))
			e = strv_add(&m->known, *n);
	return e;
}

/* A path and what is there. Without a build-id the file cannot be told from its successor. */
static int own_key(const char *path, const struct elf_facts *elf, char **ret)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	if (!elf->searches || !elf->build_id)
		return 0;
	buf_printf(&b, "%s %s", elf->build_id, path);
	return buf_take(&b, ret);
}

int loader_find_missing(struct loader_memory *m, const struct root *r, const struct server_facts *s,
			const struct loader_question *q, char ***ret_missing, char **ret_question)
{
	_cleanup_(walk_done) struct walk w = WALK_INIT;
	_cleanup_(trace_done) struct trace trace = {0};
	_cleanup_free_ char *key = NULL;
	const char *problem = NULL;
	int e = own_key(q->path, q->elf, &key);

	*ret_missing = NULL;
	*ret_question = NULL;
	if (e < 0 || !q->elf->needed || (!q->elf->searches && all_known(m, s, q->elf)) ||
	    (key && strv_has(m->fine, key)))
		return e;
	if (!s->is_elf || !s->program.elf.interpreter)
		problem = "the server program names no dynamic loader";
	else
		e = find_loader(r, s->program.elf.interpreter, &w, &problem);
	if (e == 0 && !problem)
		e = ask_loader(w.resolved, q, &trace, &problem);
	if (e < 0)
		return e;
	if (problem)
		return question(problem, ret_question);
	/* The trace does not say for whom a name is missing: it may be for a library that resolved,
	 * so nothing is learnt from such an answer. */
	e = trace.missing ? 0 : remember(m, r, q->elf, key, trace.found);
	if (e == 0)
		*ret_missing = TAKE_PTR(trace.missing);
	return e;
}
