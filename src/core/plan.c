/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/plan.h"

#include "base/str.h"
#include "core/planner.h"
#include "core/version.h"

static const char *const link_action_codes[LINK_ACTION_MAX] = {
	[LINK_KEEP] = "keep",     [LINK_CREATE] = "create", [LINK_REPLACE] = "replace",
	[LINK_REMOVE] = "remove", [LINK_HOLD] = "hold",     [LINK_FOREIGN] = "foreign"};
DEFINE_TO_STRING(link_action, link_action_codes);

static const char *const plan_directory_codes[PLAN_DIRECTORY_MAX] = {
	[PLAN_DIRECTORY_FINE] = "fine",           [PLAN_DIRECTORY_MAKE] = "make",
	[PLAN_DIRECTORY_TAKE_OVER] = "take-over", [PLAN_DIRECTORY_REFUSED] = "refused",
	[PLAN_DIRECTORY_NO_PARENT] = "no-parent", [PLAN_DIRECTORY_LEFT] = "left"};
DEFINE_TO_STRING(plan_directory, plan_directory_codes);

static const char *const finding_code_codes[FINDING_CODE_MAX] = {
	[FINDING_DUPLICATE_LINK] = "duplicate-link",
	[FINDING_STORE_NOT_LISTED] = "store-not-listed",
	[FINDING_UNVERSIONED_KEPT] = "unversioned-kept",
	[FINDING_UNTRUSTED_ENTRY] = "untrusted-entry",
	[FINDING_UNTRUSTED_PARENT] = "untrusted-parent"};
DEFINE_TO_STRING(finding_code, finding_code_codes);

void plan_done(struct plan *p)
{
	pool_done(&p->memory);
	*p = (struct plan){0};
}

/* ---- links ---- */

/* Why a plugin has no link: the verdict that came closest to one, of its preferred candidate. */
static const struct verdict *best_reason(const struct planner *pl, const struct group *g)
{
	const struct verdict *best = NULL;

	for (size_t i = 0; i < g->n; i++) {
		const struct verdict *v = planner_verdict(pl, g->files[i]);

		if (!best || v->gate > best->gate)
			best = v;
	}
	return best;
}

static struct plan_link act_on_entry(const struct planner *pl, const struct link *l)
{
	const struct group *own = planner_entry(pl, l)->own, *to = planner_entry(pl, l)->to;
	struct plan_link a = {.name = l->name, .key = l->key, .seen = l};

	if (!l->ours) {
		a.action = LINK_FOREIGN;
		return a;
	}
	if (pl->s->held && planner_goes_while_held(pl, l)) {
		a.action = LINK_REMOVE;
		a.reason = own && !own->winner ? best_reason(pl, own) : NULL;
		return a;
	}
	if (to) {
		a.candidate = to->waiting ? planner_leads_to(to, l) : to->winner;
		a.text = a.candidate->path;
		a.action = strcmp(l->target, a.text) == 0 ? LINK_KEEP : LINK_REPLACE;
		a.named = a.action == LINK_REPLACE && own != to;
	} else {
		a.action = LINK_REMOVE;
		a.reason = own ? best_reason(pl, own) : NULL;
		a.renamed = own && planner_has_wish(own);
	}
	if ((pl->p->not_known || pl->s->held) && a.action != LINK_KEEP &&
	    !(a.action == LINK_REMOVE && own && !pl->s->held && planner_is_untrusted(pl, own, l)))
		a.action = LINK_HOLD; /* it does not go to another plugin yet */
	else if (to)
		a.key = to->key;
	return a;
}

/* A link to be made. While something is not known a plugin that has a link waits with it. */
static bool is_to_be_made(const struct planner *pl, const struct claim *c)
{
	return planner_has_after(pl, c->group, c->wish) && !c->wish->there && !pl->s->held &&
	       pl->p->directory != PLAN_DIRECTORY_REFUSED &&
	       pl->p->directory != PLAN_DIRECTORY_LEFT &&
	       pl->p->directory != PLAN_DIRECTORY_NO_PARENT;
}

static struct plan_link make_link(const struct claim *c)
{
	const struct candidate *k = c->group->winner;
	const struct remembered *m = planner_remembered(c->group, c->wish->name);

	return (struct plan_link){
		.action = LINK_CREATE,
		.name = c->wish->name,
		.key = c->group->key,
		.text = k->path,
		.candidate = k,
		.restored = m && !(m->flags & REMEMBERED_PARKED),
		.named = c->wish->chosen && !name_is_default_link(&k->name, k->file, c->wish->name),
	};
}

/* Entries and claims are sorted by name, and so are the actions. */
static int act(struct planner *pl)
{
	const struct links_facts *links = &pl->s->links;
	struct plan *p = pl->p;
	size_t i = 0;

	p->links = pool_room(&p->memory, links->n + pl->n_claims, sizeof(*p->links));
	if (!p->links)
		return -ENOMEM;
	for (size_t j = 0; j < pl->n_claims; j++) {
		const struct claim *c = &pl->claims[j];

		if (!is_to_be_made(pl, c))
			continue;
		while (i < links->n && strcmp(links->items[i].name, c->wish->name) < 0)
			p->links[p->n_links++] = act_on_entry(pl, &links->items[i++]);
		p->links[p->n_links++] = make_link(c);
	}
	while (i < links->n)
		p->links[p->n_links++] = act_on_entry(pl, &links->items[i++]);
	pool_keep(&p->memory, p->links, p->n_links, sizeof(*p->links));
	return 0;
}

/* ---- findings ---- */

static void add_finding(struct plan *p, struct finding f)
{
	p->findings[p->n_findings++] = f;
}

/* What somebody else than root controls, gravest first. */
static void find_untrusted(struct planner *pl)
{
	const struct links_facts *links = &pl->s->links;

	for (size_t i = 0; i < links->n; i++)
		if (!links->items[i].ours && links->items[i].trust.trust != TRUST_FINE)
			add_finding(pl->p, (struct finding){
						   .code = FINDING_UNTRUSTED_ENTRY,
						   .link = links->items[i].name,
						   .trust = links->items[i].trust,
					   });
	if (links->parents.trust != TRUST_FINE)
		add_finding(pl->p, (struct finding){
					   .code = FINDING_UNTRUSTED_PARENT,
					   .link = pl->c->links,
					   .trust = links->parents,
				   });
}

/* A foreign link whose last two components read like a plugin's in a store that is not listed. */
static int looks_like_store(const struct config *c, const struct link *l)
{
	const char *slash =
		l->target && !path_below(l->target, c->links) ? strrchr(l->target, '/') : NULL;
	struct name n = {0};
	int r = slash ? name_parse(NULL, slash + 1, &n) : 0;
	bool like = r > 0 && n.problem == NAME_FINE &&
		    (n.layout == LAYOUT_A || strstr(l->target, "/vsmtp/"));

	name_done(&n);
	return r < 0 ? r : like;
}

static int find_stores(struct planner *pl)
{
	for (size_t i = 0; i < pl->s->links.n; i++) {
		const struct link *l = &pl->s->links.items[i];
		int r = l->ours ? 0 : looks_like_store(pl->c, l);

		if (r < 0)
			return r;
		if (r > 0)
			add_finding(pl->p, (struct finding){.code = FINDING_STORE_NOT_LISTED,
							    .link = l->name});
	}
	return 0;
}

static void find_duplicates(struct planner *pl, const struct group *g)
{
	const char *first = NULL;

	for (size_t i = 0; i < g->n_links; i++) {
		const char *name = g->links[i]->name;

		if (planner_entry(pl, g->links[i])->to != g)
			continue;
		if (first)
			add_finding(pl->p, (struct finding){.code = FINDING_DUPLICATE_LINK,
							    .link = name,
							    .other = first});
		else
			first = name;
	}
}

/* It is linked still, and nobody knows whether this server can live with it. */
static void find_unversioned(struct planner *pl, const struct group *g)
{
	struct plan *p = pl->p;

	if (!g->winner || !g->file || !str_eq(g->file, g->winner->facts.identity) ||
	    gate_version(pl->c, g->winner) || version_equal(g->file_for, pl->s->server.version))
		return;
	for (size_t i = 0; i < p->n_links; i++)
		if (p->links[i].candidate == g->winner) {
			add_finding(p, (struct finding){
					       .code = FINDING_UNVERSIONED_KEPT,
					       .link = p->links[i].name,
					       .other = g->winner->path,
					       .name = g->winner->name.name,
					       .was_for = g->file_for,
					       .is_for = pl->s->server.version,
				       });
			return;
		}
}

static int find_findings(struct planner *pl)
{
	struct plan *p = pl->p;
	size_t most = 2 * pl->s->links.n + pl->n_groups + 1;
	int r;

	/* An entry is untrusted, or not: and a link that leads to no store, or one of several. A
	 * plugin is kept, or not. */
	p->findings = pool_room(&p->memory, most, sizeof(*p->findings));
	if (!p->findings)
		return -ENOMEM;
	find_untrusted(pl);
	r = find_stores(pl);
	for (size_t i = 0; r >= 0 && i < pl->n_groups; i++) {
		if (pl->groups[i].n_links > 1)
			find_duplicates(pl, &pl->groups[i]);
		find_unversioned(pl, &pl->groups[i]);
	}
	pool_keep(&p->memory, p->findings, p->n_findings, sizeof(*p->findings));
	return r;
}

/* ---- missed ---- */

/* Exit code 4: had a link, or is named in the configuration, or passes everything but its name's
 * way is barred; and has none. Not what is switched off, nor anything without a server. */
static bool is_missed(const struct planner *pl, const struct group *g)
{
	const struct config_plugin *said = config_find_plugin(pl->c, g->key);

	if (planner_has_wish(g) || pl->s->server.state == SERVER_ABSENT ||
	    (said && said->enabled == 0))
		return false;
	for (size_t i = 0; i < g->n; i++) {
		enum gate gate = planner_verdict(pl, g->files[i])->gate;

		if (gate == GATE_NAME_TAKEN)
			return true;
		if (gate == GATE_FOREIGN_IN_THE_WAY)
			return g->winner; /* without one the foreign entry serves this very file */
	}
	if (g->n_links > 0)
		return !pl->p->not_known;
	return g->n > 0 && g->n_names > 0;
}

/* Named in the configuration, whether or not a file of it is there. */
static bool is_said_and_missed(const struct planner *pl, const struct config_plugin *said)
{
	const struct group *g = planner_find_group(pl, said->key);

	return said->enabled != 0 && pl->s->server.state != SERVER_ABSENT &&
	       !(g && (planner_has_wish(g) || (pl->p->not_known && g->n_links > 0))) &&
	       !strv_has(pl->p->missed, said->key);
}

static int find_missed(struct planner *pl)
{
	struct plan *p = pl->p;
	size_t n = 0;

	p->missed = pool_room(&p->memory, pl->n_groups + pl->c->n_plugins + 1, sizeof(char *));
	if (!p->missed)
		return -ENOMEM;
	for (size_t i = 0; i < pl->n_groups; i++)
		if (is_missed(pl, &pl->groups[i]))
			p->missed[n++] = (char *)(uintptr_t)pl->groups[i].key;
	p->missed[n] = NULL;
	for (size_t i = 0; i < pl->c->n_plugins; i++)
		if (is_said_and_missed(pl, &pl->c->plugins[i])) {
			p->missed[n++] = pl->c->plugins[i].key;
			p->missed[n] = NULL;
		}
	pool_keep(&p->memory, p->missed, n + 1, sizeof(char *));
	strv_sort(p->missed);
	return 0;
}

/* ---- the whole ---- */

static enum plan_directory plan_directory(const struct config *c, const struct snapshot *s)
{
	if (c->not_known)
		return PLAN_DIRECTORY_LEFT;
	switch (s->links.state) {
	case LINKS_FINE:
		return s->held || s->links.trust.trust == TRUST_FINE ? PLAN_DIRECTORY_FINE
								     : PLAN_DIRECTORY_TAKE_OVER;
	case LINKS_MISSING:
		return s->held ? PLAN_DIRECTORY_FINE : PLAN_DIRECTORY_MAKE;
	case LINKS_NO_PARENT:
		return PLAN_DIRECTORY_NO_PARENT;
	case LINKS_SYMLINK:
	case LINKS_NOT_DIR:
	case LINKS_ERROR:
	case LINKS_STATE_MAX:
	default:
		return PLAN_DIRECTORY_REFUSED;
	}
}

static bool something_not_known(const struct config *c, const struct snapshot *s)
{
	if (c->not_known || s->server.state == SERVER_UNKNOWN)
		return true;
	for (size_t i = 0; i < s->n_stores; i++)
		if (s->stores[i].error != 0)
			return true;
	return false;
}

int plan_make(const struct config *c, const struct snapshot *s, struct plan *ret)
{
	struct plan p = {
		.directory = plan_directory(c, s),
		.not_known = something_not_known(c, s),
	};
	struct planner pl = {.c = c, .s = s, .p = &p};
	int r = planner_table(&pl);

	if (r >= 0)
		r = planner_names(&pl);
	if (r >= 0)
		r = act(&pl);
	if (r >= 0)
		r = find_findings(&pl);
	if (r >= 0 && !s->held) /* what is half unpacked is not missed yet */
		r = find_missed(&pl);
	p.names_first = r >= 0 && p.names_changed && planner_needs_names_first(&pl);
	if (r < 0)
		plan_done(&p);
	else
		*ret = p;
	return r;
}

bool plan_found(const struct plan *p, enum finding_code code)
{
	for (size_t i = 0; i < p->n_findings; i++)
		if (p->findings[i].code == code)
			return true;
	return false;
}

const struct candidate *plan_unread(const struct plan *p, const struct snapshot *s)
{
	for (size_t i = 0; i < p->n_verdicts; i++)
		if (p->verdicts[i].gate == GATE_UNREADABLE && s->candidates[i].facts.readable)
			return &s->candidates[i];
	return NULL;
}

size_t plan_changes(const struct plan *p)
{
	size_t n = p->directory == PLAN_DIRECTORY_MAKE || p->directory == PLAN_DIRECTORY_TAKE_OVER;

	for (size_t i = 0; i < p->n_links; i++)
		n += p->links[i].action == LINK_CREATE || p->links[i].action == LINK_REPLACE ||
		     p->links[i].action == LINK_REMOVE;
	return n;
}

bool plan_is_idle(const struct plan *p, const struct snapshot *s)
{
	return plan_changes(p) == 0 && !p->names_changed && strv_len(s->links.leftovers) == 0 &&
	       !s->links.services_missing;
}
