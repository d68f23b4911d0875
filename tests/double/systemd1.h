/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#define NAME "org.freedesktop.systemd1"
#define PATH "/org/freedesktop/systemd1"
#define EXECUTOR "vsmtp-plugin-reload.service"
#define ASKED "vsmtp-plugin-reload.path"
#define MAX_UNITS 16
#define START_LIMIT 5

struct double1;

struct unit {
	struct double1 *d;
	char name[128], id[128], load[16], active[16], hook[512], root[64];
	char reload[4][256], result[8][16];
	int n_reload, n_result, next_result, delay_ms, linger_ms;
	uint8_t invocation[16];
	bool started, reloading, lingering, no_drop_in;
	uint64_t hook_usec; /* when the last start's ended, and how */
	int hook_status;
	uint64_t start_usec, starts[64];
	int n_starts, main_pid;
	uint32_t job;
	sd_event_source *timer;
};

struct double1 {
	sd_bus *bus;
	sd_event *event;
	sd_bus_track *subscribers;
	int log;
	char command[512], asked[512];
	struct unit units[MAX_UNITS];
	int n_units;
	uint32_t last_job;
	pid_t pid; /* the executor's */
};

/* unit.c: what units do */
void note(struct double1 *d, const char *format, ...) __attribute__((__format__(__printf__, 2, 3)));
uint64_t usec(clockid_t clock);
void set_text(char *field, size_t size, const char *value);
#define SET(field, value) set_text(field, sizeof(field), value)
struct unit *unit_of(struct double1 *d, const char *name);
struct unit *unit_by_id(struct double1 *d, const char *id);
bool is(const struct unit *u, const char *active);
/* And tells all who listen. */
void set_active(struct unit *u, const char *active);
void job_removed(struct unit *u, const char *result);
bool start(struct unit *u);
void finish(struct unit *u);
int run_later(struct unit *u, int ms);
int reply_job(sd_bus_message *m, uint32_t job);

/* executor.c: the process that it runs, and the lines that tell it what to do */
int start_ours(sd_bus_message *m, struct double1 *d, const char *name);
void apply(struct double1 *d, const char *text);
