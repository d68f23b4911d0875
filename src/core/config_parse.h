/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The line parser: bytes in, sections and assignments out, in the syntax of systemd.syntax(7); and
 * the parser of values. Private to core/config.
 *
 * Knows: lines and values. Must not know: which sections and keys there are. Owns: nothing; what it
 * hands out of lines lies in the text, which is changed for it. */

#include "core/config.h"

struct config_text {
	char *next, *end; /* a byte behind the end can be written to */
	unsigned number;  /* of the last line; start with 0 */
};

struct config_line {
	unsigned number; /* of the first one, if lines were continued */
	/* CONFIG_NOT_A_LINE (value is the whole line) or CONFIG_NUL_BYTE (value is what stands
	 * before it); CONFIG_PROBLEM_MAX: none. */
	enum config_problem problem;
	bool opens; /* a section; if it is broken, what follows belongs to none that anybody knows */
	char *section;
	char *key; /* of an assignment */
	char *value;
};

/* Takes the next line that says something off the text. False at the end. */
bool config_take_line(struct config_text *t, struct config_line *ret) _must_check_ _nonnull_all_;

enum config_kind {
	CONFIG_PATH,        /* char *: absolute, is normalised, not `/` */
	CONFIG_PATHS,       /* char **: one path more */
	CONFIG_UNITS,       /* char **: one unit of type service more */
	CONFIG_VERSION,     /* char *: SemVer; NULL if empty */
	CONFIG_LINK_NAME,   /* char *: a template; NULL if empty */
	CONFIG_ACTION,      /* enum action */
	CONFIG_UNVERSIONED, /* enum unversioned */
	CONFIG_SPAN,        /* uint64_t: microseconds */
	CONFIG_BOOL,        /* bool */
	CONFIG_SAID,        /* int: 0, 1, and -1 if empty */
};

/* Fills the field of that kind. `plugin` is the NAME of the section (NULL outside [Plugin NAME]).
 * 0, -EINVAL (the field is as it was) or -ENOMEM. */
int config_value_parse(enum config_kind kind, const char *value, const char *plugin, void *field)
	_must_check_ _nonnull_(2, 4);
