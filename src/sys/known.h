/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Facts of single files, learnt once: a file whose signature is unchanged since a finished look is
 * not opened again. A look is finished unless somebody was writing or a read failed.
 *
 * Knows: one file at a time. Must not know: stores, names, links. Owns: struct known owns its
 * memory of files; facts handed out are copies, the caller's. */

#include "base/macro.h"
#include "core/snapshot.h"
#include "sys/fs.h"
#include "sys/server.h"

struct known;

int known_new(const struct root *root, struct known **ret) _must_check_ _nonnull_all_;
struct known *known_free(struct known *k);
void known_forget(struct known *k) _nonnull_all_;

/* Brackets one pass: files not asked for between the two are forgotten by known_end() if `forget`.
 */
enum known_end {
	KNOWN_KEEP,
	KNOWN_FORGET_UNSEEN,
};
void known_begin(struct known *k) _nonnull_all_;
void known_end(struct known *k, enum known_end how) _nonnull_all_;

/* One directory entry, by the directory's descriptor (taken with O_PATH or for reading), and the
 * trust of that directory. A symlink is followed and what it leads to is judged. Trust is judged
 * anew each time. 1 and *ret filled, 0 if there is no such entry any more, -errno. */
int known_look(struct known *k, int dir_fd, const char *dir_path, const char *file,
	       const struct trust_facts *dir_trust, enum walk_flags flags, struct file_facts *ret)
	_must_check_ _nonnull_all_;
/* Adds what the server's loader says of its libraries, if the file is one to be asked about. */
int known_find_missing(struct known *k, struct server_memory *m, const struct server_facts *s,
		       const char *path, struct file_facts *f) _must_check_ _nonnull_all_;
