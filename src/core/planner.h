/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A plan in the making; private to plan*.c, of which each needs only those before it:
 *   plan_table.c  whose a link is; candidates, links of ours and remembered names by plugin; which
 *                 candidate wins
 *   plan_names.c  which link names a plugin gets, and which are remembered
 *   plan_record.c whose the names are that are not on record, and what has to be before
 *   plan.c        what is done to each link, what is found and missed
 * Owns: nothing. All of it lies in the plan's memory, or in the configuration and the snapshot. */

#include "core/plan.h"

/* A link name that a group is to have. */
struct wish {
	const char *name;
	const struct link *has;   /* the group's link of that name, or NULL */
	const struct link *there; /* what has that name now, whosever it is, or NULL */
	bool lost;                /* another plugin, or something foreign, has that name */
	bool chosen;
};

/* All of one plugin. */
struct group {
	const char *key;
	const struct candidate *const *files; /* the preferred first */
	size_t n;
	const struct link *const *links; /* of ours, by name */
	size_t n_links;
	const struct remembered *names;
	size_t n_names;
	const struct candidate *winner;
	bool waiting; /* the winner is being written or could not be read: links stay, none is made
		       */
	struct wish *wishes;
	size_t n_wishes;
	const char *file; /* as in struct remembered, when the plan was applied */
	const char *file_for;
};

/* What is known of snapshot.links.items[i]. */
struct entry {
	const struct group *own; /* the plugin that its text names, or NULL */
	const struct group *to;  /* the one that it will lead to, or NULL */
	bool chosen;             /* its name, by us */
};

/* A wish for a name that the plugin has no link of. */
struct claim {
	struct wish *wish;
	const struct group *group;
	const struct group *owner; /* who gets the name */
};

struct planner {
	const struct config *c;
	const struct snapshot *s;
	struct plan *p;
	struct entry *entries;
	struct group *groups; /* by key */
	size_t n_groups;
	struct claim *claims; /* by name */
	size_t n_claims;
};

static inline struct verdict *planner_verdict(const struct planner *pl, const struct candidate *k)
{
	return &pl->p->verdicts[k - pl->s->candidates];
}

static inline struct entry *planner_entry(const struct planner *pl, const struct link *l)
{
	return &pl->entries[l - pl->s->links.items];
}

/* Rule 17: all that is done while a package manager is at work. Nobody can load these, and package
 * scripts that make links of the same names fail over them. */
static inline bool planner_goes_while_held(const struct planner *pl, const struct link *l)
{
	return l->ours && l->dangling && !pl->p->not_known &&
	       pl->p->directory == PLAN_DIRECTORY_FINE;
}

/* ---- plan_table.c ---- */

/* Verdicts, entries, groups and their winners. 0 or -ENOMEM. */
int planner_table(struct planner *pl) _must_check_;
/* The group of a key, or NULL. */
const struct group *planner_find_group(const struct planner *pl, const char *key);
/* Something that passes by itself: it may be linked once it can be looked at (EDGES, rule 9). */
bool planner_is_transient(const struct planner *pl, const struct candidate *k);
/* The candidate of the group that the link leads to, or NULL. */
const struct candidate *planner_leads_to(const struct group *g, const struct link *l);
/* Whatever else is not known, what is known to be untrusted goes (rule 9). */
bool planner_is_untrusted(const struct planner *pl, const struct group *g, const struct link *l);

/* ---- plan_names.c ---- */

/* Every group's wishes, who gets which name, and plan.names. 0 or -ENOMEM. */
int planner_names(struct planner *pl) _must_check_;
/* Will the wish be a link of the group when the plan was applied? */
bool planner_has_after(const struct planner *pl, const struct group *g, const struct wish *w);
/* Has the group a wish that it did not lose? */
bool planner_has_wish(const struct group *g);
/* Does a change of links need the record to be written before? A name that can be derived when it
 * is not on record does not, nor does one of a link that is there and stays. */
bool planner_needs_names_first(const struct planner *pl);
/* The remembered entry of a plugin's link name, or NULL. */
const struct remembered *planner_remembered(const struct group *g, const char *link);

/* ---- plan_record.c ---- */

/* Who chose the name of a link that is there. What is not on record is the administrator's, unless
 * it is called what we would call it: such a name can be derived, so a link need not wait until it
 * is written down. 0 or -ENOMEM. */
int planner_find_chosen(const struct planner *pl, const struct group *g) _must_check_;
