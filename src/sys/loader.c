/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sys/loader.h"

#include "base/str.h"
#include "sys/child.h"
#include "sys/server.h"

void loader_memory_done(struct loader_memory *m)
{
	if (!m)
		return;
	strv_free(m->known);
	strv_free(m->fine);
	*m = (struct loader_memory){0};
}

/* What resolved once may not with another program (another loader, other libraries beside it) or
 * after ldconfig(8). A cache that is not there has the empty signature. */
static void forget_if_changed(struct loader_memory *m, const struct root *r,
			      const struct server_facts *s)
{
	struct signature cache = {0};
	struct stat st;

	if (fstatat(r->fd, &LOADER_CACHE[1], &st, 0) == 0)
		fs_signature(&st, &cache);
	if (signature_equal(&m->cache, &cache) &&
	    signature_equal(&m->program, &s->program.signature))
		return;
	loader_memory_done(m);
	m->cache = cache;
	m->program = s->program.signature;
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

static int parse_trace(const char *text, char ***missing)
{
	for (const char *line = text; *line;) {
		size_t len = strcspn(line, "\n");
		_cleanup_free_ char *name = missing_name(line, len);

		if (name && !strv_has(*missing, name)) {
			int r = strv_add(missing, name);

			if (r < 0)
				return r;
		}
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

static int ask_loader(const char *loader, const char *path, char ***ret_missing,
		      const char **ret_problem)
{
	static char trace[] = "LD_TRACE_LOADED_OBJECTS=1";
	_cleanup_(child_answer_done) struct child_answer a = {0};
	_cleanup_strv_ char **missing = NULL, **argv = NULL;
	char *envp[] = {trace, NULL};
	int r = strv_add(&argv, loader);

	if (r == 0)
		r = strv_add(&argv, path);
	if (r == 0)
		r = child_ask(argv, envp, LOADER_ANSWER_MAX, SERVER_ASK_TIMEOUT_USEC, &a);
	if (r == 0)
		r = parse_trace(a.text, &missing);
	if (r < 0)
		return r;
	*ret_problem = explain(&a, missing);
	if (!*ret_problem)
		*ret_missing = TAKE_PTR(missing);
	return 0;
}

static int remember(struct loader_memory *m, const struct elf_facts *elf, const char *key)
{
	int r = 0;

	if (elf->searches)
		return key ? strv_add(&m->fine, key) : 0;
	for (char **n = elf->needed; n && *n && r == 0; n++)
		if (!strv_has(m->known, *n))
			r = strv_add(&m->known, *n);
	return r;
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
			const char *path, const struct elf_facts *elf, char ***ret_missing,
			char **ret_question)
{
	_cleanup_(walk_done) struct walk w = WALK_INIT;
	_cleanup_strv_ char **missing = NULL;
	_cleanup_free_ char *key = NULL;
	const char *problem = NULL;
	int e;

	forget_if_changed(m, r, s);
	e = own_key(path, elf, &key);
	if (e < 0)
		return e;
	if (!elf->needed || (!elf->searches && all_known(m, s, elf)) ||
	    (key && strv_has(m->fine, key))) {
		*ret_missing = NULL;
		*ret_question = NULL;
		return 0;
	}
	if (!s->is_elf || !s->program.elf.interpreter)
		problem = "the server program names no dynamic loader";
	else
		e = find_loader(r, s->program.elf.interpreter, &w, &problem);
	if (e == 0 && !problem)
		e = ask_loader(w.resolved, path, &missing, &problem);
	if (e < 0)
		return e;
	if (problem) {
		e = question(problem, ret_question);
		if (e == 0)
			*ret_missing = NULL;
		return e;
	}
	/* The trace does not say for whom a name is missing: it may be for a library that resolved,
	 * so nothing is learnt from such an answer. */
	e = missing ? 0 : remember(m, elf, key);
	if (e < 0)
		return e;
	*ret_question = NULL;
	*ret_missing = TAKE_PTR(missing);
	return 0;
}
