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

/* A file whose libraries are asked for. */
struct loader_question {
	const char *path; /* as the server sees it */
	const char *
		origin; /* what $ORIGIN is for it: the directory of its link (glibc follows none) */
	const struct elf_facts *elf;
};

/* A library that was found, and which it was. */
struct loader_library {
	char *path;
	struct signature signature;
};

struct loader_memory {
	struct signature program; /* what the rest was learnt with... */
	struct signature cache;   /* ... and ld.so.cache(8) at that time */
	char **known;             /* names that resolve */
	char **fine; /* files with a search path of their own whose names all resolve */
	struct loader_library *libraries; /* all that they resolve to */
	size_t n_libraries;
};

void loader_memory_done(struct loader_memory *m);

/* As in sys/server.h. */
int loader_check_memory(struct loader_memory *m, const struct root *r, const struct server_facts *s)
	_must_check_ _nonnull_all_;
int loader_find_missing(struct loader_memory *m, const struct root *r, const struct server_facts *s,
			const struct loader_question *q, char ***ret_missing, char **ret_question)
	_must_check_ _nonnull_all_;
