/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is to be done. plan_make() is a pure, total function of configuration and snapshot: the same
 * world gives the same plan, byte for byte.
 *
 * The rules, in words:
 * - A candidate fits if it passes every gate; the gates are tried in the order of enum gate, and
 * the first that fails is its verdict. Its version must equal that of the server program on disk.
 * - One plugin (one key) gets one link. Of several that fit: store order, then layout A before B
 *   before C, then the one whose version text is the server's own, then byte order of the path.
 * - A link is ours if its text leads, lexically, below a store. All else is foreign and never
 * touched.
 * - Link name: [Plugin NAME] LinkName=; else the name of a link of ours that we did not choose
 *   ourselves (it is the administrator's, present or remembered); else LinkName=; else by layout.
 * - A link of ours without a fitting candidate goes, unless something is not known (the server's
 *   version, a store's contents): then nothing is removed or retargeted.
 * - being-written and a read that failed block new links only; a right link stays.
 * - While a package manager is at work (snapshot.held) only links of ours that lead nowhere go.
 *
 * Knows: configuration and snapshot. Must not know: files, time, output.
 * Owns: a plan owns its lists, in one piece of memory, and borrows from the configuration and the
 * snapshot it was made from. */

#include "base/macro.h"
#include "core/gate.h"

enum link_action {
	LINK_KEEP, /* ours and right */
	LINK_CREATE,
	LINK_REPLACE,
	LINK_REMOVE,
	LINK_HOLD,    /* ours; would be replaced or removed, but something is not known, or held */
	LINK_FOREIGN, /* not ours: left alone */
	LINK_ACTION_MAX,
};

const char *link_action_to_string(enum link_action a);

struct plan_link {
	enum link_action action;
	const char *name;
	const char *key;                   /* the plugin, or NULL */
	const char *text;                  /* create, replace: the text it gets */
	const struct link *seen;           /* the entry as it was seen, or NULL */
	const struct candidate *candidate; /* what it leads to (keep) or will lead to, or NULL */
	const struct verdict *reason; /* remove: why the plugin's best candidate does not fit, or
					 NULL if it has none */
	bool restored;                /* create: somebody deleted the link of ours */
	bool renamed;                 /* remove: the plugin's link has another name now */
	bool named; /* create, replace: a name that nobody could derive without the record */
};

enum plan_directory {
	PLAN_DIRECTORY_FINE,
	PLAN_DIRECTORY_MAKE,
	PLAN_DIRECTORY_TAKE_OVER,
	PLAN_DIRECTORY_REFUSED,   /* a symlink, no directory, or unreadable: no link is touched */
	PLAN_DIRECTORY_NO_PARENT, /* no /etc/vsmtp: nothing to do */
	PLAN_DIRECTORY_LEFT,      /* the configuration is not known: nothing at all is touched */
	PLAN_DIRECTORY_MAX,
};

const char *plan_directory_to_string(enum plan_directory d);

enum finding_code {
	FINDING_DUPLICATE_LINK,   /* link and other lead to one plugin */
	FINDING_STORE_NOT_LISTED, /* a foreign link leads below what looks like a store's plugin */
	FINDING_UNVERSIONED_KEPT, /* the file says no version and was linked for another server */
	FINDING_UNTRUSTED_ENTRY,  /* not ours, and others than root control it: loaded as root */
	FINDING_UNTRUSTED_PARENT, /* others could put another links directory in its place */
	FINDING_CODE_MAX,
};

const char *finding_code_to_string(enum finding_code c);

struct finding {
	enum finding_code code;
	const char *link;         /* untrusted-parent: the links directory */
	const char *other;        /* duplicate-link; unversioned-kept: the file */
	struct trust_facts trust; /* untrusted-*; its path is the snapshot's */
	const char *name;         /* unversioned-kept: the plugin, and both versions */
	const char *was_for;
	const char *is_for;
};

struct plan {
	struct verdict *verdicts; /* one for each candidate, same index */
	size_t n_verdicts;
	enum plan_directory directory;
	struct plan_link *links; /* sorted by name */
	size_t n_links;
	struct finding *findings; /* sorted */
	size_t n_findings;
	bool not_known; /* rule 9: the configuration, the server's version or a store's contents */
	struct remembered_names names; /* as they are after the plan was applied */
	bool names_changed;
	bool names_first; /* before any link is changed (plan_names_first), not only afterwards */
	char **missed; /* keys: had a link, or are named in the configuration, and have none (exit
			  4) */
	struct pool memory; /* all of the above */
};

void plan_done(struct plan *p);
/* 0 or -ENOMEM. */
int plan_make(const struct config *c, const struct snapshot *s, struct plan *ret)
	_must_check_ _nonnull_all_;
/* The names to record before the plan is applied: right at each step from the directory as it is to
 * what it will be. A link that is to come was never deleted by anybody, and one that is to go is
 * still whose it was. Their texts are borrowed. 0 or -ENOMEM. */
int plan_names_first(const struct plan *p, const struct snapshot *s, struct remembered_names *ret)
	_must_check_ _nonnull_all_;
/* Number of link changes in it, the directory's included. */
size_t plan_changes(const struct plan *p) _nonnull_all_;
/* Would applying it change nothing at all, nor record anything? */
bool plan_is_idle(const struct plan *p, const struct snapshot *s) _nonnull_all_;
/* Is there a finding of that code? */
bool plan_found(const struct plan *p, enum finding_code code) _nonnull_all_;
/* A hash over all that the plan was made from: equal worlds, equal fingerprints. 0 or -ENOMEM. */
int plan_fingerprint(const struct config *c, const struct snapshot *s, uint64_t *ret)
	_must_check_ _nonnull_all_;

/* The first candidate that should be readable and could not be read, or NULL. */
const struct candidate *plan_unread(const struct plan *p, const struct snapshot *s) _nonnull_all_;

/* Does the link's text lead below a store (rule 8)? */
bool plan_link_is_ours(const struct config *c, const struct link *l) _nonnull_all_;
/* Fills a link's ours and key from its text: who has read that asks once. 0 or -ENOMEM. */
int plan_claim_link(const struct config *c, struct link *l) _must_check_ _nonnull_all_;
