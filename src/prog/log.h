/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Messages: to the journal, with fields, if standard error leads there; else as plain lines to
 * standard error. Foreign bytes in them are escaped by whoever words them (str_escape).
 *
 * Knows: the journal. Must not know: what is said. Owns: nothing, and keeps no state. */

#include "base/macro.h"
#include <stdbool.h>
#include <syslog.h>

/* Message ids (see catalog entries): one for each event that an operator may see. */
#define LOG_ID_LINK_CHANGED "7f3de1c2b0a94d68a1b65c3f90e2d847"
#define LOG_ID_RELOADED "0e7b2a94c8f1468db5d3a1f06c27e953"
#define LOG_ID_RELOAD_FAILED "5c1d9f3be6a84077a2b84e90d7163fca"
#define LOG_ID_HOLD "b2a6f0c1d3574e7e9c1806fd52e4ab39"

/* level is one of syslog(3): LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO, LOG_DEBUG. */
void log_msg(int level, const char *format, ...) _printf_(2, 3);

/* Appends ": " and the text of an error (-errno or errno); returns that error as -errno. */
int log_errno(int level, int error, const char *format, ...) _printf_(3, 4);

/* Does standard error lead there? */
bool log_is_journal(void);

/* As log_msg, with a message id (may be NULL) and fields "KEY=value" (NULL-terminated list, may be
 * NULL), which only the journal keeps. At most LOG_FIELDS_MAX of them. */
#define LOG_FIELDS_MAX 16
/* Or'ed to the level: to the journal and nowhere else, by who tells people in another way. */
#define LOG_JOURNAL_ONLY (1 << 8)
void log_fields(int level, const char *message_id, const char *const *fields, const char *format,
		...) _printf_(4, 5);
