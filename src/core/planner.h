/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A plan in the making; private to plan*.c. Everything is grouped by plugin key.
 * Owns: its index lists and the names it made; borrows from configuration and snapshot. */

#include "core/plan.h"

/* What is known of snapshot.links.items[i]. */
struct entry {
	bool ours;
	bool chosen;  /* its name, by us */
	char *key;    /* the plugin that the text of a link of ours names, or NULL */
	size_t group; /* the group that it will lead to, or SIZE_MAX */
};

struct wish {
	char *name; /* a link name that the group is to have */
	bool has;   /* a link of that name leads to the group's plugin now */
	bool lost;  /* another plugin, or something foreign, has that name */
	bool chosen;
};

struct group {
	const char *key;
	size_t first; /* its candidates: planner.order[first .. first + n) */
	size_t n;
	size_t first_link; /* its links of ours: planner.link_order[...] */
	size_t n_links;
	const struct candidate *winner;
	bool waiting; /* the winner is being written or could not be read: links stay, none is made
		       */
	struct wish *wishes;
	size_t n_wishes;
	const char *file; /* as in struct remembered, when the plan was applied */
	const char *file_for;
};

struct planner {
	const struct config *c;
	const struct snapshot *s;
	struct plan *p;
	struct entry *entries;
	size_t *order; /* candidates with a key, by key and preference */
	size_t n_order;
	size_t *link_order; /* links of ours with a key, by key and name */
	size_t n_link_order;
	struct group *groups; /* by key */
	size_t n_groups;
};

static inline const struct candidate *planner_candidate(const struct planner *pl, size_t i)
{
	return &pl->s->candidates[pl->order[i]];
}

static inline const struct link *planner_link(const struct planner *pl, size_t i)
{
	return &pl->s->links.items[pl->link_order[i]];
}

static inline struct verdict *planner_verdict(const struct planner *pl, const struct candidate *k)
{
	return &pl->p->verdicts[k - pl->s->candidates];
}

/* Rule 17: all that is done while a package manager is at work. Nobody can load these, and package
 * scripts that make links of the same names fail over them. */
static inline bool planner_goes_while_held(const struct planner *pl, size_t link)
{
	return pl->entries[link].ours && pl->s->links.items[link].dangling && !pl->p->not_known &&
	       pl->p->directory == PLAN_DIRECTORY_FINE;
}

/* Something that passes by itself: it may be linked once it can be looked at (EDGES, rule 9). */
bool planner_is_transient(const struct planner *pl, const struct candidate *k);
/* The candidate of the group that the link leads to, or NULL. */
const struct candidate *planner_leads_to(const struct planner *pl, const struct group *g,
					 const struct link *l);
/* Whatever else is not known, what is known to be untrusted goes (rule 9). */
bool planner_is_untrusted(const struct planner *pl, const struct group *g, const struct link *l);
/* Will the wish be a link of the group when the plan was applied? */
bool planner_has_after(const struct planner *pl, const struct group *g, const struct wish *w);
/* The first remembered entry of a key; entries of one key are neighbours. */
size_t planner_first_remembered(const struct planner *pl, const char *key);
#define FOREACH_REMEMBERED(m, pl, k) \
	for (const struct remembered *m = (pl)->s->names.items + planner_first_remembered(pl, k); \
	     m < (pl)->s->names.items + (pl)->s->names.n && strcmp(m->key, k) == 0; m++)
/* The group of a key, or NULL. */
const struct group *planner_find_group(const struct planner *pl, const char *key);
/* The remembered entry of a plugin's link name, or NULL. */
const struct remembered *planner_remembered(const struct planner *pl, const char *key,
					    const char *link);
/* Who chose the name of a link that is there. What is not on record is the administrator's, unless
 * it is called what we would call it: such a name can be derived, so a link need not wait until it
 * is written down. */
int planner_find_chosen(struct planner *pl, const struct group *g) _must_check_;
/* Does a change of links need the record to be written before? A name that can be derived when it
 * is not on record does not, nor does one of a link that is there and stays. */
bool planner_needs_names_first(const struct planner *pl);
/* Fills every group's wishes and settles who gets which name. 0 or -ENOMEM. */
int planner_name_groups(struct planner *pl) _must_check_;
/* Turns wishes and entries into link actions, findings and missed plugins. 0 or -ENOMEM. */
int planner_act(struct planner *pl) _must_check_;
/* Makes plan.names from what the plan will do. 0 or -ENOMEM. */
int planner_remember(struct planner *pl) _must_check_;
