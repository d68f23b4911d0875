/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The configuration: its text, its values, their defaults and their checks. Syntax as systemd's own
 * files (systemd.syntax(7)): `#` and `;` comment lines, [Section], Key=Value, a trailing backslash
 * continues a line, quotes are not special.
 *
 * Nothing in a configuration file is ever fatal: what is wrong is said, with file, line, key and
 * what is used instead, and the rest holds. But a file that is there and cannot be read, or that
 * others than root control, makes all of it not known (rule 9).
 *
 * Knows: bytes and values. Must not know: which files there are and where (sys/conf), or any
 * output. Owns: a struct config owns all its strings. */

#include "base/pool.h"
#include "core/snapshot.h"

enum action {
	ACTION_AUTO,    /* the unit's own ExecReload= if it has one, else try-restart */
	ACTION_RESTART, /* try-restart, whatever the unit offers */
	ACTION_NONE,    /* never */
	ACTION_MAX,
};

enum unversioned {
	UNVERSIONED_LINK,
	UNVERSIONED_SKIP,
	UNVERSIONED_MAX,
};

struct config_plugin {
	char *name; /* NAME as first written */
	char *key;
	int enabled; /* -1 not said, else 0 or 1 */
	char *link_name;
	char *version; /* SemVer */
};

struct config {
	char **stores; /* absolute, normalised, without trailing slash; never empty */
	char *links;
	char *program;
	char *version; /* SemVer, or NULL: ask */
	char **units;  /* never empty */
	enum action action;
	char *link_name; /* general template, or NULL */
	enum unversioned unversioned;
	uint64_t settle_usec;
	uint64_t settle_max_usec;
	uint64_t hold_max_usec; /* 0: a package manager is never waited for */
	bool require_root_owned;
	bool not_known; /* set by sys/conf; what else stands here is not to be acted on */
	struct config_plugin *plugins; /* sorted by key */
	size_t n_plugins;
};

enum config_problem {
	CONFIG_UNKNOWN_SECTION,
	CONFIG_UNKNOWN_KEY,
	CONFIG_BAD_VALUE,
	CONFIG_NO_SECTION,    /* an assignment before any section */
	CONFIG_NOT_A_LINE,    /* neither a comment, nor a section, nor an assignment */
	CONFIG_BAD_PLUGIN,    /* [Plugin NAME] whose NAME is none */
	CONFIG_NUL_BYTE,      /* the line holds a NUL byte */
	CONFIG_NOT_READ,      /* the file could not be read (error is set); made by sys/conf */
	CONFIG_LEADS_NOWHERE, /* a symlink, or a file instead of a directory; made by sys/conf */
	CONFIG_NOT_REGULAR,   /* not a regular file; made by sys/conf */
	CONFIG_UNTRUSTED,     /* others than root control it (trust is set); made by sys/conf */
	CONFIG_PROBLEM_MAX,
};

struct config_remark {
	enum config_problem problem;
	unsigned line; /* 0: the whole file */
	const char *file;
	const char *section; /* may be NULL */
	const char *key;     /* may be NULL */
	const char *value;   /* as written, may be NULL */
	const char *used;    /* the value in force instead, as one would write it, may be NULL */
	int error;           /* errno for CONFIG_NOT_READ, else 0 */
	struct trust_facts trust;
};

struct config_remarks {
	struct config_remark *items;
	size_t n;
	struct pool pool; /* has their texts */
};

void config_remarks_done(struct config_remarks *r);
/* Appends a remark; copies all texts. 0 or -ENOMEM. */
int config_remarks_add(struct config_remarks *r, const struct config_remark *remark)
	_must_check_ _nonnull_all_;

void config_done(struct config *c);

/* The defaults: every list empty until config_finish(). 0 or -ENOMEM. */
int config_init(struct config *ret) _must_check_ _nonnull_all_;
/* Applies one file's text on top of what *c holds. `file` names it in remarks. 0 or -ENOMEM. */
int config_parse(struct config *c, const char *file, const char *text, size_t len,
		 struct config_remarks *remarks) _must_check_ _nonnull_all_;
/* Fills the lists that nothing was assigned to with their defaults and sorts. 0 or -ENOMEM. */
int config_finish(struct config *c) _must_check_ _nonnull_all_;

/* NULL if there is no [Plugin NAME] section for the key. Needs config_finish(). */
const struct config_plugin *config_find_plugin(const struct config *c, const char *key)
	_nonnull_all_;

/* A time span as systemd.time(7) writes it ("100ms", "2s", "1min 30s", "5" = seconds, "infinity").
 * 0 or -EINVAL. */
int config_parse_span(const char *text, uint64_t *ret_usec) _must_check_ _nonnull_all_;
const char *unversioned_to_string(enum unversioned u);
