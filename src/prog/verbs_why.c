/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* why: each gate of each file that a word can mean, with the values compared and the cure. */
#include "prog/ctl.h"

#include "prog/log.h"

#include <ctype.h>

enum {
	PATH,
	PATH_NEXT,
	LINK,
	CODE,
	MARK,
	VALUES,
	CURE,
	RESOLVED,
	BUILD_ID,
	PACKAGE,
	ENTRY,
};

static const struct face faces[] = {
	[PATH] = {NULL, PLACE_LINE, .colour = COLOUR_BOLD},
	[PATH_NEXT] = {NULL, PLACE_LINE, "\n", .colour = COLOUR_BOLD},
	[LINK] = {NULL, PLACE_LINE, "  ", .wrap = true, .indent = 2},
	[CODE] = {"code", PLACE_LINE, "  ", .pad = 20},
	[MARK] = {NULL, PLACE_SAME},
	[VALUES] = {"values", PLACE_SAME, "  ", .wrap = true, .indent = 30},
	[CURE] = {"cure", PLACE_LINE, "                              cure: ", COLOUR_BOLD,
		  .wrap = true, .indent = 36},
	[RESOLVED] = {NULL, PLACE_LINE, "  leads to            ", COLOUR_DIM, .wrap = true,
		      .indent = 22},
	[BUILD_ID] = {NULL, PLACE_LINE, "  build-id            ", COLOUR_DIM, .wrap = true,
		      .indent = 22},
	[PACKAGE] = {NULL, PLACE_LINE, "  package (not judged)", COLOUR_DIM, .wrap = true,
		     .indent = 22},
	[ENTRY] = {"text", PLACE_LINE, .wrap = true},
};

/* What the argument may mean. */
struct asked {
	const char *word;
	char *key;         /* of the NAME, or NULL if it is none */
	char *path;        /* of the FILE, absolute, or NULL */
	const char *inner; /* the same below --root, or NULL */
};

static void asked_done(struct asked *a)
{
	free(a->key);
	free(a->path);
}

static int asked_make(struct ctl *c, struct asked *ret)
{
	_cleanup_free_ char *here = NULL;
	const char *word = c->arguments[0], *below;

	ret->word = word;
	if (!strchr(word, '/')) {
		ret->key = name_key(word);
		return ret->key ? 0 : -ENOMEM;
	}
	here = getcwd(NULL, 0);
	if (path_normalize(here ? here : "/", word, &ret->path) < 0)
		return -ENOMEM;
	below = c->root.prefix ? path_below(ret->path, c->root.prefix) : NULL;
	ret->inner = below ? below - 1 : NULL;
	return 0;
}

static bool means_path(const struct asked *a, const char *path)
{
	return path && (str_eq(a->path, path) || str_eq(a->inner, path));
}

static bool means_link(const struct asked *a, const struct pass *p, const char *name)
{
	if (!a->path)
		return str_eq(a->word, name);
	return str_eq(path_below(a->path, p->config.links), name) ||
	       (a->inner && str_eq(path_below(a->inner, p->config.links), name));
}

static bool means_candidate(const struct asked *a, const struct candidate *k)
{
	if (a->path)
		return means_path(a, k->path);
	return str_eq(k->file, a->word) || str_eq(k->name.name, a->word) ||
	       (k->name.problem == NAME_FINE && str_eq(k->name.key, a->key));
}

/* A link's name means the plugin whose it is. */
static bool meant_by_link(const struct asked *a, const struct pass *p, const struct candidate *k)
{
	for (size_t i = 0; i < p->plan.n_links; i++) {
		const struct plan_link *l = &p->plan.links[i];

		if (means_link(a, p, l->name) && l->action != LINK_FOREIGN && l->key &&
		    str_eq(l->key, k->name.key))
			return true;
	}
	return false;
}

/* ---- one candidate ---- */

static void doc_gate(struct doc *d, const struct gate_case *t, enum gate g)
{
	static const struct {
		const char *code;
		const char *shown;
		enum colour colour;
	} marks[] = {
		{"passed", "passed", COLOUR_GOOD},
		{"failed", "FAILED", COLOUR_BAD},
		{"not-reached", "not reached", COLOUR_DIM},
	};
	size_t mark = t->v->gate == GATE_LINKED || g < t->v->gate ? 0 : g == t->v->gate ? 1 : 2;

	doc_object(d, "");
	doc_put(d, &faces[CODE], gate_to_string(g));
	doc_name(d, "mark", marks[mark].code);
	doc_put(d, &faces[MARK], marks[mark].shown);
	doc_colour(d, marks[mark].colour);
	(void)doc_add(d, &faces[VALUES]);
	if (mark < 2)
		word_gate(&d->text, t, g);
	(void)doc_add(d, &faces[CURE]);
	if (mark == 1)
		word_cure(&d->text, t, g);
	doc_end(d);
}

static void word_link(struct buf *b, const struct pass *p, const struct plan_link *l, bool now)
{
	if (!l) {
		_cleanup_buf_ struct buf trouble = BUF_INIT;

		word_trouble(&trouble, &p->config, &p->seen, &p->plan);
		buf_add(b, trouble.len > 0 ? "no link leads to it: " : "no link leads to it");
		buf_join(b, &trouble);
		return;
	}
	buf_printf(b, now ? "linked as %s/%s" : "a pass makes its link %s/%s", p->config.links,
		   l->name);
	if (now && l->action != LINK_KEEP) {
		buf_add(b, "; ");
		word_future(b, l->action, "it");
	}
}

static void doc_candidate(struct doc *d, const struct pass *p, size_t at, bool first)
{
	const struct candidate *k = &p->seen.candidates[at];
	const struct file_facts *f = &k->facts;
	const struct gate_case t = {.c = &p->config,
				    .server = &p->seen.server,
				    .k = k,
				    .s = &p->seen,
				    .v = &p->plan.verdicts[at]};
	bool now = false;
	const struct plan_link *l = ctl_link_of(p, k, &now);

	doc_object(d, "");
	doc_name(d, "path", k->path);
	doc_name(d, "name", k->name.name);
	doc_name(d, "version", t.v->version);
	doc_name(d, "gate", gate_to_string(t.v->gate));
	doc_name(d, "link", l && now ? l->name : NULL);
	doc_name(d, "action", l ? link_action_to_string(l->action) : NULL);
	doc_name(d, "resolved", f->resolved);
	doc_name(d, "build-id", f->elf.build_id);
	doc_name(d, "package-note", f->elf.package_note);
	doc_put(d, &faces[first ? PATH : PATH_NEXT], k->path);
	word_link(doc_add(d, &faces[LINK]), p, l, now);
	doc_array(d, "gates");
	for (enum gate g = GATE_LINKED + 1; g < GATE_MAX; g++)
		doc_gate(d, &t, g);
	doc_end(d);
	doc_put(d, &faces[RESOLVED], str_eq(f->resolved, k->path) ? NULL : f->resolved);
	doc_put(d, &faces[BUILD_ID], f->elf.build_id);
	doc_put(d, &faces[PACKAGE], f->elf.package_note);
	doc_end(d);
}

/* ---- an entry of the links directory that no candidate explains ---- */

static void word_entry(struct buf *b, const struct pass *p, const struct plan_link *l)
{
	buf_printf(b, l->seen->text ? "%s/%s leads to %s" : "%s/%s is no symlink", p->config.links,
		   l->name, l->seen->text);
	buf_add(b, l->seen->dangling ? ", which is not there" : "");
	if (l->action == LINK_FOREIGN) {
		buf_add(b, ": not ours (it does not lead below a store), so it is never touched");
	} else if (l->action != LINK_KEEP) {
		buf_add(b, l->action == LINK_REMOVE && !l->seen->dangling ? ": no file that fits; "
									  : ": ");
		word_future(b, l->action, "it");
	}
}

static bool means_entry(const struct asked *a, const struct pass *p, const struct plan_link *l)
{
	if (means_link(a, p, l->name))
		return true;
	if (a->path)
		return l->seen && means_path(a, l->seen->target);
	return l->key && str_eq(l->key, a->key);
}

/* ---- nothing of that name ---- */

static int fold(char c)
{
	return c == '_' ? '-' : tolower((unsigned char)c);
}

/* How many bytes are alike from the beginning, whatever their case and separators. */
static size_t likeness(const char *a, const char *b)
{
	size_t n = 0;

	while (a[n] && fold(a[n]) == fold(b[n]))
		n++;
	return a[n] || b[n] ? n : SIZE_MAX;
}

static void try_hint(const char *word, const char *name, size_t *best, const char **ret)
{
	size_t n = name ? likeness(word, name) : 0;

	if (n <= *best)
		return;
	*best = n;
	*ret = name;
}

/* The name that differs in case or separators only, else the one that begins alike. */
static void say_unknown(const struct asked *a, const struct pass *p, struct doc *d)
{
	const char *slash = strrchr(a->word, '/'), *word = slash ? slash + 1 : a->word;
	const char *hint = NULL;
	_cleanup_buf_ struct buf b = BUF_INIT;
	size_t best = 1;

	for (size_t i = 0; i < p->seen.n_candidates; i++) {
		try_hint(word, p->seen.candidates[i].name.name, &best, &hint);
		try_hint(word, p->seen.candidates[i].file, &best, &hint);
	}
	for (size_t i = 0; i < p->plan.n_links; i++)
		try_hint(word, p->plan.links[i].name, &best, &hint);
	buf_printf(&b, "no plugin, file or link is called %s", a->word);
	buf_printf(&b, hint ? " (near to it: %s)" : "; vsmtp-pluginctl list shows all", hint);
	log_msg(LOG_ERR, "%s", buf_text(&b));
	doc_name(d, "near", hint);
}

static size_t explain_candidates(struct doc *d, const struct asked *a, const struct pass *p)
{
	size_t n = 0;

	doc_array(d, "candidates");
	for (size_t i = 0; i < p->seen.n_candidates; i++) {
		const struct candidate *k = &p->seen.candidates[i];

		if (means_candidate(a, k) || meant_by_link(a, p, k))
			doc_candidate(d, p, i, n++ == 0);
	}
	doc_end(d);
	return n;
}

/* A candidate's own words have told of its link. */
static size_t explain_entries(struct doc *d, const struct asked *a, const struct pass *p,
			      bool explained)
{
	size_t n = 0;

	doc_array(d, "entries");
	for (size_t i = 0; i < p->plan.n_links; i++) {
		const struct plan_link *l = &p->plan.links[i];

		if (!l->seen || !means_entry(a, p, l) || (explained && l->candidate))
			continue;
		n++;
		doc_object(d, "");
		doc_name(d, "link", l->name);
		doc_name(d, "target", l->seen->text);
		doc_name(d, "action", link_action_to_string(l->action));
		word_entry(doc_add(d, &faces[ENTRY]), p, l);
		doc_end(d);
	}
	doc_end(d);
	return n;
}

int verb_why(struct ctl *c)
{
	_cleanup_(pass_done) struct pass p = {0};
	_cleanup_(asked_done) struct asked a = {0};
	_cleanup_doc_ struct doc d = {0};
	size_t n;
	int r = asked_make(c, &a);

	if (r >= 0)
		r = ctl_look(c, &p);
	if (r >= 0 && !ctl_has(c, CTL_JSON))
		r = ctl_say(&p, CTL_SAY_REMARKS);
	if (r < 0)
		return r;
	ctl_doc_init(&d, c);
	n = explain_candidates(&d, &a, &p);
	n += explain_entries(&d, &a, &p, n > 0);
	if (n == 0)
		say_unknown(&a, &p, &d);
	d.hidden = true;
	ctl_doc_server(&d, &p);
	ctl_doc_trouble(&d, &p);
	r = doc_show(&d, &c->output);
	return r < 0 || n > 0 ? r : CTL_FAILED;
}
