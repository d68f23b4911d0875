/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Facts -> text. The only place that words things (of gates: gate.h): table, JSON, journal and
 * status line all take their sentences from here. Names and other foreign bytes are escaped.
 *
 * Knows: snapshot, plan, outcome, decisions. Must not know: output formats, who reads it.
 * Owns: nothing; words are appended to the buffer that is given, which remembers a failure. */

#include "base/str.h"
#include "core/config.h"
#include "core/decide.h"
#include "core/hold.h"
#include "core/outcome.h"
#include "core/plan.h"

/* ---- pieces ---- */

/* A path as one would type it in a shell: plain, or $'...' with \xHH for what no shell takes. */
void word_path(struct buf *b, const char *path) _nonnull_(1);
/* "root", "user 1000". */
void word_owner(struct buf *b, uint32_t owner) _nonnull_all_;
/* "64-bit little-endian x86-64". */
void word_machine(struct buf *b, uint8_t class, uint8_t data, uint16_t machine) _nonnull_all_;
/* "No such file or directory". */
void word_error(struct buf *b, int error) _nonnull_all_;
/* "x belongs to user 1000 (mode 0755)", "x (mode 0775, owner root) may be written by others than
 * its owner". */
void word_trust(struct buf *b, const struct trust_facts *t) _nonnull_all_;
/* The command that cures it. `root_owned`: it must be root's (RequireRootOwned=). */
void word_trust_cure(struct buf *b, bool root_owned, const struct trust_facts *t) _nonnull_all_;
/* Why the program gave no version; nothing if it is not in doubt. */
void word_doubt(struct buf *b, const struct config *c, const struct server_facts *s) _nonnull_all_;
/* "a, b and c", escaped. */
void word_list(struct buf *b, char *const *l) _nonnull_(1);

/* ---- sentences ---- */

/* Why a candidate is not linked, on one line: word_gate() of its verdict. */
void word_verdict(struct buf *b, const struct config *c, const struct snapshot *s,
		  const struct candidate *k, const struct verdict *v) _nonnull_all_;
/* "vSMTP 1.1.0 (says /usr/sbin/vsmtp)", "vSMTP is not installed (no /usr/sbin/vsmtp)", "vSMTP's
 * version is not known: /usr/sbin/vsmtp gave no answer within 5 s; ..." */
void word_server(struct buf *b, const struct config *c, const struct server_facts *s) _nonnull_all_;
/* A configuration mistake: file:line, key, cause, what is used instead. */
void word_remark(struct buf *b, const struct config_remark *r) _nonnull_all_;
/* A change made or not made, and why. */
void word_change(struct buf *b, const struct change *ch, const char *links) _nonnull_all_;
/* What a pass will do with a link that is there, called `it` ("it", "its link"): "a pass removes
 * it". Nothing if it stays as it is. */
void word_future(struct buf *b, enum link_action a, const char *it) _nonnull_all_;
/* What became of the links directory: made, taken over, or why not. Nothing if nothing did. */
void word_directory(struct buf *b, const struct outcome *o, const char *links) _nonnull_all_;
/* What keeps the plan from being whole: rule 9 with its cause, or the directory's state. Nothing if
 * nothing does. */
void word_trouble(struct buf *b, const struct config *c, const struct snapshot *s,
		  const struct plan *p) _nonnull_all_;
void word_finding(struct buf *b, const struct config *c, const struct finding *f) _nonnull_all_;
/* What stands in the way of a restart (see decide_refusal()), on one line. */
void word_refusal(struct buf *b, const struct config *c, const struct snapshot *s,
		  const struct plan *p, enum decide_why why) _nonnull_all_;
/* "nothing is owed", "a reload is owed: vsmtp-plugin-x.so added", "not running"... */
void word_owed(struct buf *b, const struct unit_facts *u, const struct owed *o) _nonnull_all_;
/* The same, and what keeps it from being done now. */
void word_decision(struct buf *b, const struct decide_facts *f, const struct decision *d)
	_nonnull_all_;
/* Why the start hook is not in force, and what to do; nothing if it is (see hook_find()). */
void word_hook(struct buf *b, const struct unit_facts *u) _nonnull_all_;
/* "apt-get (pid 12) holds /var/lib/dpkg/lock-frontend". */
void word_lock(struct buf *b, const struct lock_facts *l) _nonnull_all_;
/* What the daemon does about it: waits, goes on, gives up. */
void word_hold(struct buf *b, const struct lock_facts *l, enum hold_news news) _nonnull_all_;
