/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "golden.h"

#include "base/str.h"
#include "core/wording.h"

void world_done(struct world *w)
{
	config_done(&w->config);
	snapshot_done(&w->snapshot);
	for (size_t i = 0; i < w->n_others; i++)
		candidate_done(&w->others[i]);
	free(w->others);
	free(w->expect);
	free(w->error);
	pool_done(&w->texts);
	*w = (struct world){0};
}

/* ---- the three parts of a text ---- */

enum part {
	PART_FACT,
	PART_CONFIG,
	PART_EXPECT,
	PART_NOTHING, /* a comment, an empty line, a heading */
};

/* Which part a line belongs to, given the part of the lines before it. */
static enum part part_of(const char *line, enum part *now)
{
	bool indented = *line == ' ' || *line == '\t';

	line += strspn(line, " \t");
	if (str_eq(line, "config:"))
		*now = PART_CONFIG;
	else if (str_eq(line, "expect:"))
		*now = PART_EXPECT;
	else if (*line && *line != '#' && *now == PART_CONFIG && !indented)
		return *now = PART_FACT;
	else if (*line && (*line != '#' || *now == PART_CONFIG))
		return *now;
	return PART_NOTHING;
}

static int split_lines(const char *text, char ***ret)
{
	_cleanup_strv_ char **lines = NULL;

	while (*text) {
		size_t n = strcspn(text, "\n");
		_cleanup_free_ char *line = strndup(text, n);
		int r = line ? strv_add(&lines, line) : -ENOMEM;

		if (r < 0)
			return r;
		text += n + (text[n] == '\n');
	}
	*ret = TAKE_PTR(lines);
	return 0;
}

static int join_part(char **lines, enum part wanted, char **ret)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	enum part now = PART_FACT;

	for (char **l = lines; l && *l; l++)
		if (part_of(*l, &now) == wanted) {
			buf_add(&b, *l + strspn(*l, " \t"));
			buf_add(&b, "\n");
		}
	return buf_take(&b, ret);
}

static int find_facts(char **lines, size_t **ret, size_t *ret_n)
{
	enum part now = PART_FACT;

	*ret = calloc(strv_len(lines) + 1, sizeof(**ret));
	*ret_n = 0;
	for (size_t i = 0; *ret && lines && lines[i]; i++)
		if (part_of(lines[i], &now) == PART_FACT)
			(*ret)[(*ret_n)++] = i;
	return *ret ? 0 : -ENOMEM;
}

static int join(char **lines, size_t leave_out, char **ret)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	for (size_t i = 0; lines && lines[i]; i++)
		if (i != leave_out) {
			buf_add(&b, lines[i]);
			buf_add(&b, "\n");
		}
	return buf_take(&b, ret);
}

int world_shuffle(const char *text, unsigned seed, char **ret)
{
	_cleanup_strv_ char **lines = NULL;
	_cleanup_free_ size_t *facts = NULL;
	size_t n = 0;
	int r = split_lines(text, &lines);

	if (r >= 0)
		r = find_facts(lines, &facts, &n);
	for (size_t i = n; r >= 0 && i > 1; i--) {
		size_t j = (size_t)rand_r(&seed) % i;
		char *moved = lines[facts[i - 1]];

		lines[facts[i - 1]] = lines[facts[j]];
		lines[facts[j]] = moved;
	}
	return r < 0 ? r : join(lines, SIZE_MAX, ret);
}

int world_without(const char *text, size_t n, char **ret, char **ret_line)
{
	_cleanup_strv_ char **lines = NULL;
	_cleanup_free_ size_t *facts = NULL;
	size_t n_facts = 0;
	int r = split_lines(text, &lines);

	if (r >= 0)
		r = find_facts(lines, &facts, &n_facts);
	if (r >= 0 && n >= n_facts)
		r = -ENOENT;
	if (r >= 0)
		r = join(lines, facts[n], ret);
	if (r < 0)
		return r;
	*ret_line = strdup(lines[facts[n]]);
	return *ret_line ? 0 : -ENOMEM;
}

static int read_config(struct world *w, const char *text)
{
	struct config_remarks remarks = {0};
	int r = config_init(&w->config);

	if (r >= 0)
		r = config_parse(&w->config, "case", text, strlen(text), &remarks);
	if (r >= 0 && remarks.n > 0) {
		r = str_replace(&w->error, "the configuration has a mistake");
		r = r < 0 ? r : -EINVAL;
	}
	config_remarks_done(&remarks);
	return r < 0 ? r : config_finish(&w->config);
}

int world_parse(const char *text, struct world *w)
{
	_cleanup_strv_ char **lines = NULL;
	_cleanup_free_ char *config = NULL, *facts = NULL;
	int r = split_lines(text, &lines);

	if (r >= 0)
		r = join_part(lines, PART_CONFIG, &config);
	if (r >= 0)
		r = join_part(lines, PART_FACT, &facts);
	if (r >= 0)
		r = join_part(lines, PART_EXPECT, &w->expect);
	if (r >= 0)
		r = read_config(w, config);
	return r < 0 ? r : world_read_facts(w, facts);
}

/* ---- a plan as text ---- */

static const char *const directories[PLAN_DIRECTORY_MAX] = {
	[PLAN_DIRECTORY_MAKE] = "make",
	[PLAN_DIRECTORY_TAKE_OVER] = "take-over",
	[PLAN_DIRECTORY_REFUSED] = "refused",
	[PLAN_DIRECTORY_NO_PARENT] = "no-parent",
};

static void print_link(struct buf *b, const struct plan_link *l)
{
	buf_printf(b, "%s ", link_action_to_string(l->action));
	buf_escape(b, l->name);
	if (l->action == LINK_CREATE || l->action == LINK_REPLACE) {
		buf_add(b, " -> ");
		buf_escape(b, l->text);
	}
	if (l->restored)
		buf_add(b, " restored");
	if (l->action == LINK_REMOVE && l->renamed)
		buf_add(b, " renamed");
	else if (l->action == LINK_REMOVE)
		buf_printf(b, " %s", l->reason ? gate_to_string(l->reason->gate) : "no-file");
	buf_add(b, "\n");
}

static void print_gates(struct buf *b, const struct world *w, const struct plan *p)
{
	for (size_t i = 0; i < p->n_verdicts; i++) {
		buf_add(b, "gate ");
		buf_escape(b, w->snapshot.candidates[i].path);
		buf_printf(b, " %s", gate_to_string(p->verdicts[i].gate));
		if (p->verdicts[i].rival) {
			buf_add(b, " ");
			buf_escape(b, p->verdicts[i].rival);
		}
		buf_add(b, "\n");
	}
}

static void print_names(struct buf *b, const struct remembered_names *names)
{
	for (size_t i = 0; i < names->n; i++) {
		const struct remembered *m = &names->items[i];

		buf_printf(b, "name %s %s%s ", m->key,
			   m->flags & REMEMBERED_CHOSEN ? "chosen" : "found",
			   m->flags & REMEMBERED_PARKED ? ",parked" : "");
		buf_escape(b, m->link);
		if (m->file)
			buf_printf(b, " for=%s", m->file_for);
		if (m->file && str_after(m->file, "build-id="))
			buf_printf(b, " %s", m->file);
		buf_add(b, "\n");
	}
}

int world_print_plan(const struct world *w, const struct plan *p, char **ret)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	if (p->directory != PLAN_DIRECTORY_FINE)
		buf_printf(&b, "directory %s\n", directories[p->directory]);
	if (p->not_known)
		buf_add(&b, "not-known\n");
	for (size_t i = 0; i < p->n_links; i++)
		print_link(&b, &p->links[i]);
	print_gates(&b, w, p);
	print_names(&b, &p->names);
	for (char **m = p->missed; m && *m; m++)
		buf_printf(&b, "missed %s\n", *m);
	for (size_t i = 0; i < p->n_findings; i++) {
		const struct finding *f = &p->findings[i];

		buf_printf(&b, "finding %s ",
			   f->code == FINDING_DUPLICATE_LINK     ? "duplicate-link"
			   : f->code == FINDING_UNVERSIONED_KEPT ? "unversioned-kept"
								 : "store-not-listed");
		buf_escape(&b, f->link);
		if (f->other) {
			buf_add(&b, " ");
			buf_escape(&b, f->other);
		}
		buf_add(&b, "\n");
	}
	return buf_take(&b, ret);
}

/* ---- a plan that was applied ---- */

/* An entry as it will be once a link was made or retargeted. */
static int project_link(const struct config *c, const struct plan_link *p, struct link *ret)
{
	const struct file_facts *f = &p->candidate->facts;
	struct link l = {
		.name = strdup(p->name),
		.kind = LINK_SYMLINK,
		.text = strdup(p->text),
		.target = strdup(p->text),
		.ctime_nsec = INT64_MAX,
		.resolved = f->resolved ? strdup(f->resolved) : NULL,
		.identity = f->identity ? strdup(f->identity) : NULL,
		.target_device = f->signature.device,
		.target_inode = f->signature.inode,
		.target_ctime_nsec = f->signature.ctime_nsec,
	};

	if (!l.name || !l.text || !l.target || (f->resolved && !l.resolved) ||
	    (f->identity && !l.identity) || plan_claim_link(c, &l) < 0) {
		link_done(&l);
		return -ENOMEM;
	}
	*ret = l;
	return 0;
}

static struct link *find_entry(struct links_facts *l, const char *name)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->items[i].name, name) == 0)
			return &l->items[i];
	return NULL;
}

static int project_one(const struct config *c, const struct plan_link *p, struct links_facts *links)
{
	struct link *at = find_entry(links, p->name), made;
	int r;

	if (p->action == LINK_REMOVE && at) {
		link_done(at);
		memmove(at, at + 1, (size_t)(links->items + links->n - at - 1) * sizeof(*at));
		links->n--;
		return 0;
	}
	if (p->action != LINK_CREATE && p->action != LINK_REPLACE)
		return 0;
	r = project_link(c, p, &made);
	if (r < 0)
		return r;
	if (at) {
		link_done(at);
	} else {
		struct link *grown =
			reallocarray(links->items, links->n + 1, sizeof(*links->items));

		if (!grown) {
			link_done(&made);
			return -ENOMEM;
		}
		links->items = grown;
		at = grown + links->n++;
	}
	*at = made;
	return 0;
}

int world_project(struct world *w, const struct plan *p)
{
	struct remembered_names names = {.error = p->names.error};
	struct snapshot *s = &w->snapshot;

	for (size_t i = 0; i < p->names.n; i++) {
		struct remembered m = p->names.items[i];
		int r = world_keep_name(w, &m);

		if (r >= 0)
			r = remembered_names_add(&names, &m);
		if (r < 0) {
			remembered_names_done(&names);
			return r;
		}
	}
	remembered_names_done(&s->names);
	s->names = names;
	for (size_t i = 0; i < p->n_links; i++) {
		int r = project_one(&w->config, &p->links[i], &s->links);

		if (r < 0)
			return r;
	}
	if (p->directory == PLAN_DIRECTORY_MAKE)
		s->links.state = LINKS_FINE;
	trust_facts_done(&s->links.trust);
	snapshot_sort(s);
	return 0;
}
