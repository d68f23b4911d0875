/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sys/loader.h"

#include "base/str.h"
#include "sys/child.h"
#include "sys/server.h"

void loader_memory_done(struct loader_memory *m)
{
	strv_free(m->known);
	for (size_t i = 0; i < m->n_files; i++)
		free(m->files[i].path);
	free(m->files);
	*m = (struct loader_memory){0};
}

static int add_file(struct loader_memory *m, const struct root *r, const char *path)
{
	struct loader_file made, *grown;
	int e;

	for (size_t i = 0; i < m->n_files; i++)
		if (strcmp(m->files[i].path, path) == 0)
			return 0;
	e = fs_sign(r, path, &made.signature);
	if (e < 0)
		return e;
	grown = reallocarray(m->files, m->n_files + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	m->files = grown;
	made.path = strdup(path);
	if (!made.path)
		return -ENOMEM;
	grown[m->n_files++] = made;
	return 0;
}

/* What resolved once may not with another program (another loader, other libraries beside it),
 * after ldconfig(8), or when a library that was found is another one, or gone. */
int loader_check_memory(struct loader_memory *m, const struct root *r, const struct server_facts *s)
{
	bool same = m->n_files > 0 && signature_equal(&m->program, &s->program.signature);

	for (size_t i = 0; same && i < m->n_files; i++) {
		struct signature now;
		int e = fs_sign(r, m->files[i].path, &now);

		if (e < 0)
			return e;
		same = signature_equal(&m->files[i].signature, &now);
	}
	if (same)
		return 0;
	loader_memory_done(m);
	m->program = s->program.signature;
	return add_file(m, r, LOADER_CACHE);
}

/* What the running program needs itself is loaded before any plugin: if it did not resolve, there
 * would be no server. */
static bool all_known(const struct loader_memory *m, const struct server_facts *s,
		      const struct elf_facts *elf, const char *key)
{
	if (elf->searches)
		return key && strv_has(m->known, key);
	for (char **n = elf->needed; n && *n; n++)
		if (!strv_has(m->known, *n) && !strv_has(s->program.elf.needed, *n))
			return false;
	return true;
}

static int remember(struct loader_memory *m, const struct root *r, const struct elf_facts *elf,
		    const char *key, char *const *found)
{
	int e = 0;

	for (; e == 0 && found && *found; found++)
		e = add_file(m, r, *found);
	if (e == 0 && elf->searches)
		return key ? strv_add(&m->known, key) : 0;
	for (char **n = elf->needed; n && *n && e == 0; n++)
		if (!strv_has(m->known, *n))
			e = strv_add(&m->known, *n);
	return e;
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

/* Lines are `\tNAME => not found` and `\tNAME => /PATH (0xADDRESS)`, besides others. */
static int parse_trace(char *text, struct trace *t)
{
	static const char missing[] = " => not found";
	char *save = NULL;
	int r = 0;

	for (char *line = strtok_r(text, "\n", &save); line && r == 0;
	     line = strtok_r(NULL, "\n", &save)) {
		char *path = strstr(line, " => /");

		line += strspn(line, " \t");
		if (str_ends(line, missing)) {
			line[strlen(line) - strlen(missing)] = 0;
			if (*line && !strv_has(t->missing, line))
				r = strv_add(&t->missing, line);
		} else if (path) {
			char *address = strstr(path, " (0x");

			if (address)
				*address = 0;
			r = strv_add(&t->found, path + strlen(" => "));
		}
	}
	return r;
}

/* The loader itself is a program that we run: rule 12 holds for it as for the server. 0 (look at
 * *ret_problem) or -errno. */
static int find_loader(const struct root *r, const struct server_facts *s, struct walk *w,
		       const char **ret_problem)
{
	const char *path = s->is_elf ? s->program.elf.interpreter : NULL;
	int e = path ? fs_walk(r, path, 0, NULL, NULL, w) : 0;

	if (!path)
		*ret_problem = "the server program names no dynamic loader";
	else if (w->error)
		*ret_problem = "the server's dynamic loader cannot be reached";
	else if (w->trust.trust != TRUST_FINE)
		*ret_problem = "the server's dynamic loader is not trusted";
	else if (!S_ISREG(w->st.st_mode))
		*ret_problem = "the server's dynamic loader is not a regular file";
	return e;
}

/* The file's search path, $ORIGIN replaced; *ret stays NULL if it has none. 0 or -ENOMEM. */
static int expand_origin(const struct loader_question *q, char **ret)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	bool has = false;

	for (const char *p = q->elf->search_path; p && *p;) {
		const char *rest = str_after(p, "$ORIGIN");

		if (!rest)
			rest = str_after(p, "${ORIGIN}");
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
static int ask_loader(const char *loader, const struct loader_question *q, struct trace *ret,
		      const char **ret_problem)
{
	static const char *const problems[CHILD_END_MAX] = {
		[CHILD_EXITED] = "the server's dynamic loader refused the file",
		[CHILD_SIGNALLED] = "the server's dynamic loader was killed by a signal",
		[CHILD_TIMED_OUT] = "the server's dynamic loader did not answer in time",
		[CHILD_FLOODED] = "the server's dynamic loader said too much",
		[CHILD_NOT_RUN] = "the server's dynamic loader could not be started",
	};
	const char *const envp[] = {"LD_TRACE_LOADED_OBJECTS=1", NULL};
	_cleanup_(child_answer_done) struct child_answer a = {0};
	_cleanup_free_ char *search = NULL;
	int r = expand_origin(q, &search);
	const char *const plain[] = {loader, q->path, NULL};
	const char *const argv[] = {loader, "--inhibit-rpath", ":", "--library-path",
				    search, q->path,           NULL};

	if (r == 0)
		r = child_ask(search ? argv : plain, envp, LOADER_ANSWER_MAX,
			      SERVER_ASK_TIMEOUT_USEC, &a);
	if (r == 0)
		r = parse_trace(a.text, ret);
	/* A loader that names a missing library and then fails has answered. */
	if (r == 0 && (a.end != CHILD_EXITED || (a.number != 0 && !ret->missing)))
		*ret_problem = problems[a.end];
	return r;
}

/* A path and what is there. Without a build-id the file cannot be told from its successor. */
static int own_key(const struct loader_question *q, char **ret)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	if (!q->elf->searches || !q->elf->build_id)
		return 0;
	buf_printf(&b, "%s %s", q->elf->build_id, q->path);
	return buf_take(&b, ret);
}

int loader_find_missing(struct loader_memory *m, const struct root *r, const struct server_facts *s,
			const struct loader_question *q, char ***ret_missing, char **ret_question)
{
	_cleanup_(walk_done) struct walk w = WALK_INIT;
	_cleanup_(trace_done) struct trace trace = {0};
	_cleanup_free_ char *key = NULL;
	const char *problem = NULL;
	int e = own_key(q, &key);

	*ret_missing = NULL;
	*ret_question = NULL;
	if (e < 0 || !root_is_host(r) || !q->elf->needed || all_known(m, s, q->elf, key))
		return e;
	e = find_loader(r, s, &w, &problem);
	if (e == 0 && !problem)
		e = ask_loader(w.resolved, q, &trace, &problem);
	if (e < 0)
		return e;
	if (problem)
		return str_replace(ret_question, problem);
	/* The trace does not say for whom a name is missing: it may be for a library that resolved,
	 * so nothing is learnt from such an answer. */
	e = trace.missing ? 0 : remember(m, r, q->elf, key, trace.found);
	if (e == 0)
		*ret_missing = TAKE_PTR(trace.missing);
	return e;
}
