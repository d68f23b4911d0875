/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* why: each gate of each file that a word can mean, with the values compared and the cure. */
#include "prog/ctl.h"

#include "base/str.h"
#include "core/wording.h"
#include "prog/log.h"

#include <ctype.h>

#define GATE_WIDTH 20

/* What the argument may mean. */
struct asked {
	const char *word;
	char *key;   /* of the NAME, or NULL if it is none */
	char *path;  /* of the FILE, absolute, or NULL */
	char *inner; /* the same below --root, or NULL */
};

static void asked_done(struct asked *a)
{
	free(a->key);
	free(a->path);
	free(a->inner);
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
	if (below && asprintf(&ret->inner, "/%s", below) < 0) {
		ret->inner = NULL;
		return -ENOMEM;
	}
	return 0;
}

static bool means_path(const struct asked *a, const char *path)
{
	return path && (str_eq(a->path, path) || str_eq(a->inner, path));
}

static bool means_link(const struct asked *a, const struct pass *p, const char *name)
{
	_cleanup_free_ char *path = NULL;

	if (!a->path)
		return str_eq(a->word, name);
	if (asprintf(&path, "%s/%s", p->config.links, name) < 0) {
		path = NULL;
		return false;
	}
	return means_path(a, path);
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

/* ---- one gate ---- */

enum mark {
	MARK_PASSED,
	MARK_FAILED,
	MARK_NOT_REACHED,
};

static enum mark mark_of(const struct verdict *v, enum gate g)
{
	if (v->gate == GATE_LINKED || g < v->gate)
		return MARK_PASSED;
	return g == v->gate ? MARK_FAILED : MARK_NOT_REACHED;
}

static int gate_words(const struct pass *p, size_t at, enum gate g, char **ret_values,
		      char **ret_cure)
{
	const struct candidate *k = &p->seen.candidates[at];
	const struct verdict *v = &p->plan.verdicts[at];
	int r;

	switch (mark_of(v, g)) {
	case MARK_PASSED:
		return wording_gate_values(&p->config, &p->seen, k, g, ret_values);
	case MARK_FAILED:
		r = wording_verdict(&p->config, &p->seen, k, v, ret_values);
		return r < 0 ? r : wording_verdict_cure(&p->config, &p->seen, k, v, ret_cure);
	case MARK_NOT_REACHED:
	default:
		return 0;
	}
}

static int print_gate(struct ctl *c, const struct pass *p, size_t at, enum gate g)
{
	static const struct {
		const char *word;
		enum colour colour;
	} marks[] = {
		[MARK_PASSED] = {"passed", COLOUR_GOOD},
		[MARK_FAILED] = {"FAILED", COLOUR_BAD},
		[MARK_NOT_REACHED] = {"not reached", COLOUR_DIM},
	};
	_cleanup_free_ char *values = NULL, *cure = NULL;
	enum mark mark = mark_of(&p->plan.verdicts[at], g);
	const struct output *o = &c->output;
	int r = gate_words(p, at, g, &values, &cure);

	if (r < 0)
		return r;
	printf("  %-*s%s%s%s", GATE_WIDTH, gate_to_string(g), output_colour(o, marks[mark].colour),
	       marks[mark].word, output_plain(o));
	if (!values) {
		putchar('\n');
		return 0;
	}
	fputs("  ", stdout);
	output_wrap(o, GATE_WIDTH + 10, COLOUR_NONE, values);
	if (cure) {
		printf("%*s%scure:%s ", GATE_WIDTH + 10, "", output_colour(o, COLOUR_BOLD),
		       output_plain(o));
		output_wrap(o, GATE_WIDTH + 16, COLOUR_NONE, cure);
	}
	return 0;
}

/* ---- one candidate ---- */

static int link_words(const struct pass *p, const struct candidate *k, char **ret)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	bool now = false;
	const struct plan_link *l = ctl_link_of(p, k, &now);

	if (!l) {
		_cleanup_free_ char *trouble = NULL;
		int r = wording_plan_trouble(&p->config, &p->seen, &p->plan, &trouble);

		buf_add(&b, "no link leads to it");
		buf_add(&b, trouble && *trouble ? ": " : "");
		buf_add(&b, trouble);
		return r < 0 ? r : buf_take(&b, ret);
	}
	buf_add(&b, now ? "linked as " : "a pass makes its link ");
	buf_escape(&b, p->config.links);
	buf_add(&b, "/");
	buf_escape(&b, l->name);
	if (now && l->action == LINK_REMOVE)
		buf_add(&b, ", which a pass removes");
	else if (now && l->action == LINK_REPLACE)
		buf_add(&b, ", which a pass points elsewhere");
	else if (now && l->action == LINK_HOLD)
		buf_add(&b, ", which stays while not all is known");
	return buf_take(&b, ret);
}

static void print_extra(struct ctl *c, const char *label, const char *raw)
{
	_cleanup_free_ char *text = raw ? str_escape(raw) : NULL;

	if (!text)
		return;
	printf("  %s%-*s%s", output_colour(&c->output, COLOUR_DIM), GATE_WIDTH, label,
	       output_plain(&c->output));
	output_wrap(&c->output, GATE_WIDTH + 2, COLOUR_NONE, text);
}

static int print_candidate(struct ctl *c, const struct pass *p, size_t at)
{
	const struct candidate *k = &p->seen.candidates[at];
	_cleanup_free_ char *link = NULL, *path = str_escape(k->path);
	int r = link_words(p, k, &link);

	if (r < 0 || !path)
		return -ENOMEM;
	printf("%s%s%s\n  ", output_colour(&c->output, COLOUR_BOLD), path,
	       output_plain(&c->output));
	output_wrap(&c->output, 2, COLOUR_NONE, link);
	for (enum gate g = GATE_LINKED + 1; g < GATE_MAX; g++) {
		r = print_gate(c, p, at, g);
		if (r < 0)
			return r;
	}
	if (!str_eq(k->facts.resolved, k->path))
		print_extra(c, "leads to", k->facts.resolved);
	print_extra(c, "build-id", k->facts.elf.build_id);
	print_extra(c, "package (not judged)", k->facts.elf.package_note);
	return 0;
}

static int doc_candidate(struct doc *d, struct json_object *o, const struct pass *p, size_t at)
{
	static const char *const marks[] = {
		[MARK_PASSED] = "passed",
		[MARK_FAILED] = "failed",
		[MARK_NOT_REACHED] = "not-reached",
	};
	const struct candidate *k = &p->seen.candidates[at];
	const struct verdict *v = &p->plan.verdicts[at];
	struct json_object *gates;
	bool now = false;
	const struct plan_link *l = ctl_link_of(p, k, &now);

	doc_name(d, o, "path", k->path);
	doc_name(d, o, "name", k->name.name);
	doc_name(d, o, "version", v->version);
	doc_words(d, o, "gate", gate_to_string(v->gate));
	doc_name(d, o, "link", l && now ? l->name : NULL);
	doc_words(d, o, "action", l ? link_action_to_string(l->action) : NULL);
	doc_name(d, o, "resolved", k->facts.resolved);
	doc_name(d, o, "build-id", k->facts.elf.build_id);
	doc_name(d, o, "package-note", k->facts.elf.package_note);
	gates = doc_array(d, o, "gates");
	for (enum gate g = GATE_LINKED + 1; g < GATE_MAX; g++) {
		struct json_object *item = doc_item(d, gates);
		_cleanup_free_ char *values = NULL, *cure = NULL;
		int r = gate_words(p, at, g, &values, &cure);

		if (r < 0)
			return r;
		doc_words(d, item, "code", gate_to_string(g));
		doc_words(d, item, "mark", marks[mark_of(v, g)]);
		doc_words(d, item, "values", values);
		doc_words(d, item, "cure", cure);
	}
	return 0;
}

/* ---- an entry of the links directory that no candidate explains ---- */

static int entry_words(const struct pass *p, const struct plan_link *l, char **ret)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	buf_escape(&b, p->config.links);
	buf_add(&b, "/");
	buf_escape(&b, l->name);
	if (!l->seen) {
		buf_add(&b, " is not there yet; a pass makes it");
		return buf_take(&b, ret);
	}
	if (l->seen->text) {
		buf_add(&b, " leads to ");
		buf_escape(&b, l->seen->text);
	} else {
		buf_add(&b, " is no symlink");
	}
	if (l->seen->dangling)
		buf_add(&b, ", which is not there");
	if (l->action == LINK_FOREIGN)
		buf_add(&b, ": not ours (it does not lead below a store), so it is never touched");
	else if (l->action == LINK_REMOVE)
		buf_add(&b, l->seen->dangling ? ": a pass removes it"
					      : ": no file that fits; a pass removes it");
	else if (l->action == LINK_HOLD)
		buf_add(&b, ": it stays while not all is known");
	else if (l->action == LINK_REPLACE)
		buf_add(&b, ": a pass points it to the file that fits");
	return buf_take(&b, ret);
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

static char *fold(const char *s)
{
	char *folded = strdup(s);

	for (char *p = folded; p && *p; p++)
		*p = *p == '_' ? '-' : (char)tolower((unsigned char)*p);
	return folded;
}

static size_t common_prefix(const char *a, const char *b)
{
	size_t n = 0;

	while (a[n] && a[n] == b[n])
		n++;
	return n;
}

static int try_hint(const char *folded, const char *name, size_t *best, const char **ret)
{
	_cleanup_free_ char *other = name ? fold(name) : NULL;
	size_t n;

	if (!name)
		return 0;
	if (!other)
		return -ENOMEM;
	n = strcmp(folded, other) == 0 ? SIZE_MAX : common_prefix(folded, other);
	if (n > *best) {
		*best = n;
		*ret = name;
	}
	return 0;
}

/* The name that differs in case or separators only, else the one that begins alike. */
static int say_unknown(const struct asked *a, const struct pass *p, struct doc *d)
{
	const char *slash = strrchr(a->word, '/'), *hint = NULL;
	_cleanup_free_ char *folded = fold(slash ? slash + 1 : a->word), *shown = NULL;
	_cleanup_free_ char *near = NULL;
	size_t best = 1;
	int r = 0;

	shown = str_escape(a->word);
	if (!folded || !shown)
		return -ENOMEM;
	for (size_t i = 0; r >= 0 && i < p->seen.n_candidates; i++) {
		r = try_hint(folded, p->seen.candidates[i].name.name, &best, &hint);
		if (r >= 0)
			r = try_hint(folded, p->seen.candidates[i].file, &best, &hint);
	}
	for (size_t i = 0; r >= 0 && i < p->plan.n_links; i++)
		r = try_hint(folded, p->plan.links[i].name, &best, &hint);
	near = hint ? str_escape(hint) : NULL;
	if (r < 0 || (hint && !near))
		return -ENOMEM;
	log_msg(LOG_ERR, "no plugin, file or link is called %s%s%s%s", shown,
		near ? " (near to it: " : "; vsmtp-pluginctl list shows all", near ? near : "",
		near ? ")" : "");
	doc_words(d, d->top, "near", near);
	return CTL_FAILED;
}

static int explain_candidates(struct ctl *c, struct doc *d, const struct asked *a,
			      const struct pass *p, size_t *n)
{
	struct json_object *list = doc_array(d, d->top, "candidates");
	int r = 0;

	for (size_t i = 0; r >= 0 && i < p->seen.n_candidates; i++) {
		const struct candidate *k = &p->seen.candidates[i];

		if (!means_candidate(a, k) && !meant_by_link(a, p, k))
			continue;
		if (!ctl_has(c, CTL_JSON) && *n > 0)
			putchar('\n');
		r = ctl_has(c, CTL_JSON) ? doc_candidate(d, doc_item(d, list), p, i)
					 : print_candidate(c, p, i);
		(*n)++;
	}
	return r;
}

static int explain_entries(struct ctl *c, struct doc *d, const struct asked *a,
			   const struct pass *p, size_t *n)
{
	struct json_object *list = doc_array(d, d->top, "entries");
	size_t explained = *n;

	for (size_t i = 0; i < p->plan.n_links; i++) {
		const struct plan_link *l = &p->plan.links[i];
		_cleanup_free_ char *words = NULL;
		struct json_object *o;

		/* A candidate's own words have told of its link. */
		if (!means_entry(a, p, l) || (explained > 0 && l->candidate) || !l->seen)
			continue;
		if (entry_words(p, l, &words) < 0)
			return -ENOMEM;
		(*n)++;
		if (!ctl_has(c, CTL_JSON)) {
			output_wrap(&c->output, 0, COLOUR_NONE, words);
			continue;
		}
		o = doc_item(d, list);
		doc_name(d, o, "link", l->name);
		doc_name(d, o, "target", l->seen->text);
		doc_words(d, o, "action", link_action_to_string(l->action));
		doc_words(d, o, "text", words);
	}
	return 0;
}

int verb_why(struct ctl *c)
{
	_cleanup_(pass_done) struct pass p = {0};
	_cleanup_(asked_done) struct asked a = {0};
	_cleanup_doc_ struct doc d = {0};
	size_t n = 0;
	int r = asked_make(c, &a), code;

	if (r >= 0)
		r = ctl_look(c, &p);
	if (r >= 0 && !ctl_has(c, CTL_JSON))
		r = ctl_say_remarks(&p);
	doc_init(&d, "why");
	if (r >= 0)
		r = explain_candidates(c, &d, &a, &p, &n);
	if (r >= 0)
		r = explain_entries(c, &d, &a, &p, &n);
	if (r < 0)
		return r;
	code = n == 0 ? say_unknown(&a, &p, &d) : CTL_DONE;
	if (code < 0 || !ctl_has(c, CTL_JSON))
		return code;
	ctl_doc_server(&d, &p);
	ctl_doc_trouble(c, &d, &p);
	r = doc_print(&d);
	return r < 0 ? r : code;
}
