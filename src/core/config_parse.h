/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The line parser: bytes in, sections and assignments out, in the syntax of systemd.syntax(7).
 *
 * Knows: lines. Must not know: which sections and keys there are. Owns: nothing; what it hands out
 * lives until the call returns. */

#include "base/macro.h"

enum config_line_kind {
	CONFIG_LINE_SECTION,        /* section is set */
	CONFIG_LINE_ASSIGNMENT,     /* key and value are set */
	CONFIG_LINE_BROKEN,         /* value is the whole line */
	CONFIG_LINE_BROKEN_SECTION, /* likewise; what follows belongs to no section anybody knows */
	CONFIG_LINE_NUL,            /* holds a NUL byte; value is what stands before it */
	CONFIG_LINE_NUL_SECTION,
};

struct config_line {
	enum config_line_kind kind;
	unsigned number; /* of the first one, if lines were continued */
	const char *section;
	const char *key;
	const char *value;
};

/* Anything but 0 ends the parse and is returned. */
typedef int (*config_line_fn)(const struct config_line *line, void *userdata);

/* 0, -ENOMEM, or what `fn` returned. */
int config_parse_lines(const char *text, size_t len, config_line_fn fn, void *userdata)
	_must_check_ _nonnull_(1, 3);
