/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which libraries the server's own dynamic loader finds: it is asked to list what it would load
 * (ld.so(8), LD_TRACE_LOADED_OBJECTS), which runs nothing of the file (rule 11).
 *
 * Knows: the loader's trace output. Must not know: which program it is the loader of, versions.
 * Owns: struct loader_memory owns what it learnt. */

#include "base/macro.h"
#include "core/snapshot.h"
#include "sys/fs.h"

#define LOADER_ANSWER_MAX (64U * 1024U)
#define LOADER_CACHE "/etc/ld.so.cache"

/* A file whose libraries are asked for. */
struct loader_question {
	const char *path; /* as the server sees it */
	/* What $ORIGIN is for it: the directory of its link (glibc follows none). */
	const char *origin;
	const struct elf_facts *elf;
};

/* What names were resolved by: a file, and which it was. */
struct loader_file {
	char *path;
	struct signature signature;
};

/* Names known to resolve are not asked for again while the program and all that they were resolved
 * by stay as they are: ld.so.cache(8), which comes first, and the libraries. */
struct loader_memory {
	struct signature program;
	char **known; /* such names; and files with a search path of their own, by build-id and path */
	struct loader_file *files;
	size_t n_files;
};

void loader_memory_done(struct loader_memory *m) _nonnull_all_;

/* Before a look asks for libraries: forgets those that may be found no more. 0 or -errno. */
int loader_check_memory(struct loader_memory *m, const struct root *r, const struct server_facts *s)
	_must_check_ _nonnull_all_;
/* Which of the file's needed libraries does the server's loader not find? A file with a search path
 * of its own is always asked itself, once. What is not found is never remembered. *ret_missing is
 * NULL if all resolve. If the loader could not be asked, *ret_question says why (a short text) and
 * nothing is missing. With --root nothing is judged. 0 or -errno. */
int loader_find_missing(struct loader_memory *m, const struct root *r, const struct server_facts *s,
			const struct loader_question *q, char ***ret_missing, char **ret_question)
	_must_check_ _nonnull_all_;
