/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Names: what a file in a store is called and what that means, which link names may be used, and
 * whether a link leads below a store (lexically).
 *
 * Candidate names (rule 1):
 *   A  STORE/libvsmtp-plugin-NAME-VERSION.so      the documented layout
 *   B  STORE/VERSION/libvsmtp_plugin_NAME.so      what vSMTP 2.x packages ship
 *   C  STORE/anything-else.so                     the older documents, and flat files
 * `lib` is optional and each separator in `vsmtp-plugin-` may be `-` or `_`.
 *
 * Knows: text. Must not know: the file system. Owns: nothing; results are the caller's to free. */

#include "base/macro.h"
#include "base/pool.h"
#include <stdbool.h>

enum layout {
	LAYOUT_A,
	LAYOUT_B,
	LAYOUT_C,
	LAYOUT_MAX,
};

enum name_problem {
	NAME_FINE,
	NAME_EMPTY,         /* the prefix without any NAME */
	NAME_BAD_CHARACTER, /* NAME is not [A-Za-z0-9][A-Za-z0-9_-]* */
	NAME_BAD_VERSION,   /* NAME, `-`, a digit, and no full SemVer */
	NAME_PROBLEM_MAX,
};

const char *layout_to_string(enum layout l); /* "A", "B", "C" */

struct name {
	enum layout layout;
	enum name_problem problem;
	char *name; /* NAME as the file has it; if there is a problem the base name without .so. All
		       four texts are one piece of memory, which begins here */
	char *key;  /* NAME with `-` for `_`: equal keys are one plugin */
	char *file_version; /* SemVer from the file's own name, or NULL */
	char *dir_version;  /* SemVer from the version directory, or NULL */
};

void name_done(struct name *n);

/* The entry `file`, directly in the store (dir NULL) or in its version directory `dir`. 1 and *ret
 * if the name makes it a candidate (look at ret->problem), 0 if it is no candidate, -ENOMEM. */
int name_parse(const char *dir, const char *file, struct name *ret) _must_check_ _nonnull_(2, 3);

/* Does a file of that name, directly in a store, belong to the plugin of that key? */
bool name_names(const char *file, const char *key) _nonnull_all_;

/* May a store's sub-directory of that name hold layout B? */
bool name_is_version_dir(const char *dir) _nonnull_all_;
/* Is the text a NAME at all ([A-Za-z0-9][A-Za-z0-9_-]*)? */
bool name_is_valid(const char *name) _nonnull_all_;
/* The key of a NAME (owned; NULL if out of memory). */
char *name_key(const char *name) _nonnull_all_;

/* A link name from the configuration: 0 if usable, -EINVAL if empty, with `/`, a leading dot,
 * control bytes or a bad % sequence, longer than 255 bytes once expanded; with `general`, also
 * without %n. */
enum name_template {
	NAME_TEMPLATE_PLUGIN,  /* LinkName= of one plugin: need not hold %n */
	NAME_TEMPLATE_GENERAL, /* the general LinkName=: must */
};
int name_check_template(const char *template, enum name_template kind) _must_check_ _nonnull_all_;
/* %n is NAME, %% is %; .so is added if missing. 0, -EINVAL (that is no usable name), -ENOMEM. */
int name_expand_template(const char *template, const char *name, char **ret)
	_must_check_ _nonnull_all_;
/* The link name that follows from the layout (rule 7d): A `vsmtp-plugin-NAME.so`, in the pool, B
 * and C `file`. NULL: no memory. */
const char *name_default_link(const struct name *n, const char *file, struct pool *p)
	_must_check_ _nonnull_all_;
/* Is it that name? */
bool name_is_default_link(const struct name *n, const char *file, const char *link) _nonnull_all_;

/* Normalises lexically: `target` made absolute from the directory `base`, `.`, `..` and doubled
 * slashes resolved as text. 0 or -ENOMEM. */
int path_normalize(const char *base, const char *target, char **ret) _must_check_ _nonnull_all_;
/* What follows `dir/` in a normalised path strictly below it, else NULL. */
const char *path_below(const char *path, const char *dir) _nonnull_all_;
/* Is this one of the temporary names apply makes in the links directory? */
#define NAME_TEMPORARY_PREFIX ".vsmtp-plugind-"
bool name_is_temporary(const char *file) _nonnull_all_;
