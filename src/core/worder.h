/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Pieces of sentences; private to wording*.c.
 * Knows: what wording.h knows. Must not know: output formats. Owns: nothing. */

#include "base/str.h"
#include "core/wording.h"

/* What a sentence on one gate and one candidate is made from. */
struct talk {
	const struct config *c;
	const struct snapshot *s;
	const struct candidate *k;
};

/* A path as one would type it in a shell: plain, or $'...' with \xHH for what no shell takes. */
void word_path(struct buf *b, const char *path);
/* The same of an entry of a directory. */
void word_entry(struct buf *b, const char *dir, const char *name);
/* "root", "user 1000". */
void word_owner(struct buf *b, uint32_t owner);
/* "64-bit little-endian x86-64". */
void word_machine(struct buf *b, uint8_t class, uint8_t data, uint16_t machine);
/* "No such file or directory". */
void word_error(struct buf *b, int error);
/* "x belongs to user 1000 (mode 0755)", "x (mode 0775, owner root) may be written by others than
 * its owner". */
void word_trust(struct buf *b, const struct trust_facts *t);
/* The command that cures it. `root_owned`: it must be root's (RequireRootOwned=). */
void word_trust_cure(struct buf *b, bool root_owned, const struct trust_facts *t);
/* Why the program gave no version; nothing if it is not in doubt. */
void word_doubt(struct buf *b, const struct config *c, const struct server_facts *s);
/* "a, b and c", escaped. */
void word_list(struct buf *b, char *const *l);
/* What that gate's cure says; what failed is known. */
void word_cure(struct buf *b, const struct talk *t, enum gate g);
