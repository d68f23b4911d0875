/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The connection to the service manager and single calls on it; the lower half of sys/unit, for it
 * alone.
 *
 * Knows: sd-bus. Must not know: what is called. Owns: nothing. */

#include "sys/unit.h"

#include <systemd/sd-bus.h>

#define MANAGER "org.freedesktop.systemd1"
#define MANAGER_PATH "/org/freedesktop/systemd1"
#define MANAGER_INTERFACE MANAGER ".Manager"

#define _cleanup_message_ _cleanup_(sd_bus_message_unrefp)

struct unit_manager {
	sd_bus *bus;
	bool direct; /* the manager's own socket: no bus daemon, no names */
	bool subscribed;
	uint64_t timeout_usec;
	char **paths;     /* of the units that were read */
	bool news;        /* something has happened to one of them */
	char *job;        /* the one that is awaited */
	char *job_result; /* its end, once seen */
	bool out_of_memory;
};

/* A list of commands of a unit. */
struct unit_commands {
	bool ours;   /* holds one of ours (UNIT_OUR_COMMAND) ... */
	bool ended;  /* ... which the manager saw end since it read the unit, */
	int status;  /* ... so, or by that signal */
	bool others; /* holds one that is not */
};

/* Out of a property of that type. 0 or -errno. */
#define UNIT_COMMANDS "a(sasbttttuii)"
int unit_bus_read_commands(sd_bus_message *v, struct unit_commands *ret) _must_check_ _nonnull_all_;

/* Connects m with the manager within its time limit. 0, -ENOTCONN (nobody owns its name now), or
 * -errno; m is closed by its owner either way. */
int unit_bus_open(struct unit_manager *m) _must_check_ _nonnull_all_;

/* CLOCK_MONOTONIC in so many microseconds. */
uint64_t unit_bus_deadline(uint64_t usec);
/* The connection's end is always -ECONNRESET. */
int unit_bus_lost(int r);
/* One step of the connection's life: 0 when something may have happened, 1 when there is something
 * to read from `other` (-1: none), -ETIMEDOUT, -errno. */
int unit_bus_step(sd_bus *bus, int other, uint64_t deadline) _must_check_ _nonnull_all_;

/* A call of the manager, or of one of its objects for properties. */
struct unit_call {
	const char *object; /* NULL: the manager itself */
	const char *member;
	const char *arguments[2]; /* texts */
	const char *forgiven;     /* the name of an error that is none here */
};
/* ret may be NULL. 0 or -errno. */
int unit_bus_call(struct unit_manager *m, const struct unit_call *c, sd_bus_message **ret)
	_must_check_ _nonnull_(1, 2);
