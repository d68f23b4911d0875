/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Codes and facts -> text. The only place that words things: table, JSON, journal and status line
 * all take their sentences from here. Names and other foreign bytes are escaped.
 *
 * Knows: snapshot, plan, outcome. Must not know: output formats, who reads it.
 * Owns: nothing; results are the caller's to free. All return 0 or -ENOMEM. */

#include "base/macro.h"
#include "core/config.h"
#include "core/decide.h"
#include "core/hold.h"
#include "core/outcome.h"
#include "core/plan.h"

/* Stable codes: "linked", "name-not-understood", ... "foreign-in-the-way". */
const char *gate_to_string(enum gate g);
const char *layout_to_string(enum layout l);           /* "A", "B", "C" */
const char *link_action_to_string(enum link_action a); /* "keep", "create", ... */

/* One gate for one candidate: the values it compared, whether passed or failed ("made for 1.0.0,
 * the server is 1.1.0"), and, for a failed one, what to do about it. */
int wording_gate_values(const struct config *c, const struct snapshot *s, const struct candidate *k,
			enum gate g, char **ret) _must_check_ _nonnull_all_;
int wording_gate_cure(const struct config *c, const struct snapshot *s, const struct candidate *k,
		      enum gate g, char **ret) _must_check_ _nonnull_all_;
/* A verdict in one line: as wording_gate_values() of the gate that failed, and for the gates
 * between candidates (shadowed, name-taken, foreign-in-the-way) with the rival. "" for linked. */
int wording_verdict(const struct config *c, const struct snapshot *s, const struct candidate *k,
		    const struct verdict *v, char **ret) _must_check_ _nonnull_all_;
int wording_verdict_cure(const struct config *c, const struct snapshot *s,
			 const struct candidate *k, const struct verdict *v, char **ret)
	_must_check_ _nonnull_all_;
/* "vSMTP 1.1.0 (says /usr/sbin/vsmtp)", "vSMTP is not installed (no /usr/sbin/vsmtp)", "vSMTP's
 * version is not known: /usr/sbin/vsmtp gave no answer within 5 s; ..." */
int wording_server(const struct config *c, const struct server_facts *s, char **ret)
	_must_check_ _nonnull_all_;
/* A configuration mistake: file:line, key, cause, what is used instead. */
int wording_remark(const struct config_remark *r, char **ret) _must_check_ _nonnull_all_;
/* A change made or not made, and why. */
int wording_change(const struct change *ch, const char *links, char **ret)
	_must_check_ _nonnull_all_;
/* What became of the links directory: made, taken over, or why not. "" if nothing did. */
int wording_directory(const struct outcome *o, const char *links, char **ret)
	_must_check_ _nonnull_all_;
/* What keeps the plan from being whole: rule 9 with its cause, or the directory's state. "" if
 * nothing does. */
int wording_plan_trouble(const struct config *c, const struct snapshot *s, const struct plan *p,
			 char **ret) _must_check_ _nonnull_all_;
int wording_finding(const struct config *c, const struct finding *f, char **ret)
	_must_check_ _nonnull_all_;
/* What stands in the way of a restart (see decide_refusal()), on one line. */
int wording_refusal(const struct config *c, const struct snapshot *s, const struct plan *p,
		    enum decide_why why, char **ret) _must_check_ _nonnull_all_;
/* "nothing is owed", "a reload is owed: vsmtp-plugin-x.so added", "not running"... */
int wording_owed(const struct unit_facts *u, const struct owed *o, char **ret)
	_must_check_ _nonnull_all_;
/* The same, and what keeps it from being done now. */
int wording_decision(const struct decide_facts *f, const struct decision *d, char **ret)
	_must_check_ _nonnull_all_;
/* Why the start hook is not in force, and what to do; "" if it is (see hook_find()). */
int wording_hook(const struct unit_facts *u, char **ret) _must_check_ _nonnull_all_;
/* "apt-get (pid 12) holds /var/lib/dpkg/lock-frontend". */
int wording_lock(const struct lock_facts *l, char **ret) _must_check_ _nonnull_all_;
/* What the daemon does about it: waits, goes on, gives up. */
int wording_hold(const struct lock_facts *l, enum hold_news news, char **ret)
	_must_check_ _nonnull_all_;
