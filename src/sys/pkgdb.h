/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The package databases' word on the version of the program at a path: dpkg-query(1), rpm(8), asked
 * as programs. Private to sys/server.
 *
 * Knows: where these programs and their databases are, and their output. Must not know: what else
 * is known about the server. Owns: nothing. */

#include "base/macro.h"
#include "core/snapshot.h"
#include "sys/fs.h"

/* `path` as configured and `resolved` after symlinks: a database may know either, or the spelling
 * of before the merge of /sbin into /usr/sbin. *ret_version is NULL if no database says one (or
 * none may be believed: a database that fails rule 12 is not read). 0 or -errno. */
int pkgdb_version(const struct root *r, const char *path, const char *resolved,
		  enum walk_flags flags, char **ret_version, enum version_source *ret_source)
	_must_check_ _nonnull_all_;
/* Changes whenever a database does. 0 or -errno (ENOMEM, EMFILE...). */
int pkgdb_stamp(const struct root *r, uint64_t *ret) _must_check_ _nonnull_all_;
