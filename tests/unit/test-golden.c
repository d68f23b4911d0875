/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Runs every tests/golden/NAME.case: one TAP line each. `test-golden --print FILE...` shows the
 * plan that a case gets, to be judged, and put behind its `expect:`. */

#include "golden.h"

#include "base/str.h"

#include <dirent.h>
#include <stdarg.h>

/* What is wrong with the case that runs; printed as TAP comments. */
static bool failed(struct buf *why, const char *format, ...) _printf_(2, 3);

static bool failed(struct buf *why, const char *format, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;

	va_start(ap, format);
	if (vasprintf(&text, format, ap) < 0)
		text = NULL;
	va_end(ap);
	buf_add(why, text ? text : "out of memory");
	buf_add(why, "\n");
	return false;
}

static int plan_text(const char *text, struct world *w, struct plan *p, char **ret)
{
	int r = world_parse(text, w);

	if (r >= 0)
		r = plan_make(&w->config, &w->snapshot, p);
	return r < 0 ? r : world_print_plan(w, p, ret);
}

static bool same_when_shuffled(const char *text, const char *plan, uint64_t fingerprint,
			       struct buf *why)
{
	bool ok = true;

	for (unsigned seed = 1; ok && seed <= 4; seed++) {
		_cleanup_world_ struct world w = {0};
		_cleanup_(plan_done) struct plan p = {0};
		_cleanup_free_ char *shuffled = NULL, *other = NULL;
		uint64_t f = 0;

		if (world_shuffle(text, seed, &shuffled) < 0 ||
		    plan_text(shuffled, &w, &p, &other) < 0 ||
		    plan_fingerprint(&w.config, &w.snapshot, &f) < 0)
			return failed(why, "out of memory");
		if (strcmp(plan, other) != 0)
			ok = failed(why, "another order of the facts gives another plan:\n%s",
				    other);
		if (f != fingerprint)
			ok = failed(why, "equal worlds, different fingerprints");
	}
	return ok;
}

/* A fact that a plan is made from, so not one that says what holds anyway, nor a file that is no
 * candidate. */
static bool is_fact(const char *line, const struct world *less, size_t n_candidates)
{
	line += strspn(line, " \t");
	if (str_after(line, "file "))
		return less->snapshot.n_candidates < n_candidates;
	if (str_after(line, "store "))
		return strstr(line, " error ") || strstr(line, " absent");
	return !str_after(line, "leftover ");
}

/* Rule: the fingerprint covers all that the plan was made from. */
static bool every_fact_counts(const char *text, size_t n_candidates, uint64_t fingerprint,
			      struct buf *why)
{
	for (size_t i = 0;; i++) {
		_cleanup_world_ struct world w = {0};
		_cleanup_free_ char *less = NULL, *line = NULL;
		uint64_t f = 0;
		int r = world_without(text, i, &less, &line);

		if (r == -ENOENT)
			return true;
		if (r < 0 || world_parse(less, &w) < 0 ||
		    plan_fingerprint(&w.config, &w.snapshot, &f) < 0)
			return failed(why, "cannot be read without one of its facts");
		if (is_fact(line, &w, n_candidates) && f == fingerprint)
			return failed(why, "the fingerprint does not cover: %s", line);
	}
}

static int print_foreign(const struct snapshot *s, const struct config *c, char **ret)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	for (size_t i = 0; i < s->links.n; i++) {
		const struct link *l = &s->links.items[i];

		if (!plan_link_is_ours(c, l))
			buf_printf(&b, "%s %d %s\n", l->name, l->kind, l->text ? l->text : "");
	}
	return buf_take(&b, ret);
}

static bool is_change(const struct plan_link *l)
{
	return l->action == LINK_CREATE || l->action == LINK_REPLACE || l->action == LINK_REMOVE;
}

/* Rule 8, on the plan itself. */
static bool foreign_left_alone(const struct world *w, const struct plan *p, struct buf *why)
{
	for (size_t i = 0; i < p->n_links; i++) {
		const struct link *l = snapshot_find_link(&w->snapshot, p->links[i].name);

		if (is_change(&p->links[i]) && l && !plan_link_is_ours(&w->config, l))
			return failed(why, "a foreign entry would be changed: %s", l->name);
	}
	return true;
}

/* A plan that was applied leaves nothing to do, and all that is foreign as it was. */
static bool settles(struct world *w, struct plan *p, struct buf *why)
{
	_cleanup_free_ char *before = NULL, *after = NULL, *again = NULL;
	_cleanup_(plan_done) struct plan next = {0};
	bool refused = p->directory == PLAN_DIRECTORY_REFUSED;

	if (print_foreign(&w->snapshot, &w->config, &before) < 0 || world_project(w, p) < 0 ||
	    print_foreign(&w->snapshot, &w->config, &after) < 0 ||
	    plan_make(&w->config, &w->snapshot, &next) < 0 ||
	    world_print_plan(w, &next, &again) < 0)
		return failed(why, "out of memory");
	if (strcmp(before, after) != 0)
		return failed(why, "what is foreign would be touched: it was\n%sand is\n%s", before,
			      after);
	if ((plan_changes(&next) > 0 || next.names_changed) && !refused)
		return failed(why, "a second pass finds something to do:\n%s", again);
	return true;
}

static bool check(const char *text, struct buf *why)
{
	_cleanup_world_ struct world w = {0};
	_cleanup_(plan_done) struct plan p = {0};
	_cleanup_free_ char *plan = NULL;
	uint64_t fingerprint = 0;
	bool ok = true;

	if (plan_text(text, &w, &p, &plan) < 0 ||
	    plan_fingerprint(&w.config, &w.snapshot, &fingerprint) < 0)
		return failed(why, "cannot be understood: %s", w.error ? w.error : "(no memory)");
	if (strcmp(plan, w.expect) != 0)
		ok = failed(why, "expected:\n%sand got:\n%s", w.expect, plan);
	ok = foreign_left_alone(&w, &p, why) && ok;
	ok = same_when_shuffled(text, plan, fingerprint, why) && ok;
	ok = every_fact_counts(text, w.snapshot.n_candidates, fingerprint, why) && ok;
	return settles(&w, &p, why) && ok;
}

static char *read_text(const char *path)
{
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	char *text = NULL;
	size_t room = 0;

	if (!f || getdelim(&text, &room, 0, f) < 0) {
		free(text);
		return NULL;
	}
	return text;
}

static bool run_case(const char *dir, const char *name, size_t n)
{
	_cleanup_buf_ struct buf why = BUF_INIT;
	_cleanup_free_ char *path = NULL, *text = NULL;
	bool ok;

	if (asprintf(&path, "%s/%s", dir, name) < 0)
		abort();
	text = read_text(path);
	ok = text ? check(text, &why) : failed(&why, "cannot be read");
	printf("%sok %zu - %s\n", ok ? "" : "not ", n, name);
	for (char *line = ok ? NULL : why.data, *next; line && *line; line = next) {
		next = line + strcspn(line, "\n");
		if (*next)
			*next++ = 0;
		printf("# %s\n", line);
	}
	return ok;
}

static int is_case(const struct dirent *d)
{
	return str_ends(d->d_name, ".case");
}

static int run_directory(const char *dir)
{
	struct dirent **cases = NULL;
	int n = scandir(dir, &cases, is_case, alphasort);
	bool ok = n > 0;

	printf("1..%d\n", MAX(n, 0));
	for (int i = 0; i < n; i++) {
		ok = run_case(dir, cases[i]->d_name, (size_t)i + 1) && ok;
		free(cases[i]);
	}
	free(cases);
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int print_case(const char *path)
{
	_cleanup_free_ char *text = read_text(path), *plan = NULL;
	_cleanup_world_ struct world w = {0};
	_cleanup_(plan_done) struct plan p = {0};

	if (!text || plan_text(text, &w, &p, &plan) < 0) {
		fprintf(stderr, "%s: %s\n", path, w.error ? w.error : "cannot be read");
		return EXIT_FAILURE;
	}
	fputs(plan, stdout);
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "--print") == 0)
		return print_case(argv[2]);
	if (argc == 2)
		return run_directory(argv[1]);
	fprintf(stderr, "Usage: test-golden DIRECTORY | --print FILE\n");
	return EXIT_FAILURE;
}
