/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The installed server: is it there, which version is it (rule 5), what machine is it for, and
 * which libraries its dynamic loader finds (rule 11).
 *
 * Version: the configuration's; else the program asked with --version, if it is trusted; else the
 * package databases' word. Answers are kept in a struct server_memory by the program's inode, ctime
 * and size, so an unchanged program is asked once in a process's life. One that is no ELF file may
 * run another one, and is asked each time.
 *
 * Knows: programs, package databases, the loader's trace output. Must not know: plugins' names,
 * links. Owns: struct server_memory. */

#include "base/macro.h"
#include "core/config.h"
#include "core/snapshot.h"
#include "sys/fs.h"
#include "sys/loader.h"

#define SERVER_ASK_MAX 4096
#define SERVER_ASK_TIMEOUT_USEC (5 * USEC_PER_SEC)

struct server_memory;

int server_memory_new(struct server_memory **ret) _must_check_ _nonnull_all_;
struct server_memory *server_memory_free(struct server_memory *m);
/* Forgets all answers (SIGHUP). */
void server_memory_clear(struct server_memory *m) _nonnull_all_;

enum server_flags {
	SERVER_ASK_PROGRAM = 1 << 0, /* with --root: run the image's program all the same */
	/* Who asks may see less than the server will (a sandbox): a library that is not found may
	 * be there (rule 9). */
	SERVER_CONFINED = 1 << 1,
};

/* visit arms watches on the program's directories; may be NULL. 0 or -errno (ENOMEM, EMFILE...). */
int server_read(struct server_memory *m, const struct root *r, const struct config *c,
		enum server_flags flags, fs_visit_fn visit, void *userdata,
		struct server_facts *ret) _must_check_ _nonnull_(1, 2, 3, 7);

/* Before libraries are asked for by a look: forgets what it found if it may be found no more. 0 or
 * -errno. */
int server_check_libraries(struct server_memory *m, const struct root *r,
			   const struct server_facts *s) _must_check_ _nonnull_all_;
/* Which of the file's needed libraries does the server's loader not find? Names known to resolve
 * are not asked again while the program, ld.so.cache(8) and all that they resolve to stay as they
 * are (server_check_libraries); a file with a search path of its own is always asked itself, once.
 * What is not found is never remembered. *ret_missing is NULL if all resolve. If the loader could
 * not be asked, *ret_question says why (a short text) and nothing is missing. With --root nothing
 * is judged. 0 or -errno. */
int server_find_missing(struct server_memory *m, const struct root *r, const struct server_facts *s,
			const struct loader_question *q, char ***ret_missing, char **ret_question)
	_must_check_ _nonnull_all_;
