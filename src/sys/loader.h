/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which libraries the server's own dynamic loader finds: it is asked to list what it would load
 * (ld.so(8), LD_TRACE_LOADED_OBJECTS), which runs nothing of the file. Private to sys/server.
 *
 * Knows: the loader's trace output. Must not know: which program it is the loader of, versions.
 * Owns: struct loader_memory owns the names it learnt. */

#include "base/macro.h"
#include "core/snapshot.h"
#include "sys/fs.h"

#define LOADER_ANSWER_MAX (64U * 1024U)
#define LOADER_CACHE "/etc/ld.so.cache"

struct loader_memory {
	struct signature program; /* what the names below were learnt with... */
	struct signature cache;   /* ... and ld.so.cache(8) at that time */
	char **known;             /* names that resolve */
	char **fine; /* files with a search path of their own whose names all resolve */
};

void loader_memory_done(struct loader_memory *m);

/* As server_find_missing(). */
int loader_find_missing(struct loader_memory *m, const struct root *r, const struct server_facts *s,
			const char *path, const struct elf_facts *elf, char ***ret_missing,
			char **ret_question) _must_check_ _nonnull_all_;
