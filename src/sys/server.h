/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The installed server: is it there, which version is it (rule 5), and what machine is it for.
 *
 * Version: the configuration's; else the program asked with --version, if it is trusted; else the
 * package databases' word. Answers are kept in a struct server_memory by the program's signature,
 * so an unchanged program is asked once in a process's life. One that is no ELF file may run
 * another one, and is asked each time.
 *
 * Knows: programs, package databases. Must not know: plugins' names, links, libraries.
 * Owns: struct server_memory owns its answer. */

#include "base/macro.h"
#include "core/config.h"
#include "core/snapshot.h"
#include "sys/fs.h"

#define SERVER_ASK_MAX 4096
#define SERVER_ASK_TIMEOUT_USEC (5 * USEC_PER_SEC)

/* What one program, or a database, said. An answer of a database, or none, may be another one once
 * libraries or packages have changed though the program has not: `stamp` tells. */
struct server_memory {
	bool has_answer;
	enum server_doubt not_asked_for; /* why it was not run, when it was not */
	uint64_t stamp;
	char *path;
	struct server_facts answer; /* and the program's signature, but nothing else of it */
};

/* Forgets it all. */
void server_memory_done(struct server_memory *m) _nonnull_all_;

/* The machine that the kit itself was built for: class, data, machine of *s. */
void server_own_machine(struct server_facts *s) _nonnull_all_;

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
