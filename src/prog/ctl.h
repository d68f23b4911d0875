/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* vsmtp-pluginctl from the inside: what was asked for, and the table of verbs that gives dispatch,
 * help and completion.
 *
 * Knows: one pass, units, output. Must not know: how any of them works.
 * Owns: struct ctl owns its root, observer and connection. */

#include "base/str.h"
#include "core/wording.h"
#include "prog/output.h"
#include "prog/units.h"
#include "sys/answer.h"

/* Exit codes are stable API; 4 and 5: pass_exit_code(). */
enum ctl_exit {
	CTL_DONE = 0,
	CTL_FAILED = 1,
	CTL_USAGE = 2,
	CTL_NOT_CONFIRMED = 3,
	CTL_MISSED = 4,
	CTL_UNTRUSTED = 5,
};

enum ctl_option {
	CTL_JSON = 1 << 0,
	CTL_DRY_RUN = 1 << 1,
	CTL_NO_RELOAD = 1 << 2,
	CTL_FORCE = 1 << 3,
	CTL_PLAN = 1 << 4,
	CTL_FOR = 1 << 5,
	CTL_START_OF = 1 << 6,
	CTL_TIME_LIMIT = 1 << 7,
	CTL_NO_LEGEND = 1 << 8,
	CTL_ASK_PROGRAM = 1 << 9,
	CTL_KEEP_FITTING = 1 << 10,
	CTL_FORBID_RELOAD = 1 << 11,
	CTL_HOOK = 1 << 12,
	CTL_HOLD = 1 << 13,
	CTL_WAIT = 1 << 14,
	CTL_WAIT_LIMIT = 1 << 15,
	CTL_MACHINE = 1 << 16,
};

struct ctl {
	const struct verb *verb;
	enum ctl_option options;
	const char *root_directory; /* --root, or NULL */
	uint64_t fingerprint;       /* --plan */
	const char *version;        /* --for */
	const char *machine;        /* --machine, or NULL */
	const char *unit;           /* --start-of, --hook */
	uint64_t time_limit_usec;   /* --time-limit, 0 none */
	enum answer_word wait;      /* --wait: until then; ANSWER_NONE: not at all */
	uint64_t wait_limit_usec;   /* --wait-limit */
	char **arguments;
	size_t n_arguments;

	struct output output;
	struct root root;
	struct observer *observer;
	struct unit_manager *manager; /* NULL: none */
	int manager_error;            /* why there is none, if that is an error; -errno */
};

/* Returns an exit code, or -errno for what has no other word (no memory, a full disk). */
typedef int (*verb_fn)(struct ctl *c);

struct verb {
	const char *name;
	const char *arguments; /* as the help shows them, "" for none */
	size_t least;
	size_t most;
	enum ctl_option options; /* besides those that every verb takes */
	const char *help;
	verb_fn run;
};

/* NULL past the end. */
const struct verb *verb_at(size_t i);

int verb_status(struct ctl *c);
int verb_list(struct ctl *c);
int verb_plan(struct ctl *c);
int verb_sync(struct ctl *c);
int verb_reload(struct ctl *c);
int verb_why(struct ctl *c);
int verb_verify(struct ctl *c);
int verb_enable(struct ctl *c);
int verb_disable(struct ctl *c);
int verb_clean(struct ctl *c);

static inline bool ctl_has(const struct ctl *c, enum ctl_option o)
{
	return (c->options & o) != 0;
}

/* ---- what several verbs do (verbs.c) ---- */

/* pass_look() with a message if it fails. 0 or -errno. */
int ctl_look(struct ctl *c, struct pass *ret) _must_check_;
/* Connects to the service manager; none is no error (c->manager is NULL). */
void ctl_connect(struct ctl *c);
/* What the units are owed, and what decide() says; "none" if there is no manager. 0 or -errno. */
int ctl_units(struct ctl *c, const struct pass *p, struct units *ret) _must_check_;
/* What units_look() failed for, said; passes its result on. */
int ctl_say_units(int r);
/* Configuration mistakes, on standard error. */
int ctl_say_remarks(const struct pass *p) _must_check_;
/* The same for the plan's trouble, findings and missed plugins; and for untrusted-parent, which
 * upstream's packages bring about, so that not each pass says it. */
int ctl_say_trouble(const struct pass *p) _must_check_;
int ctl_say_parent(const struct pass *p) _must_check_;
/* The best known reason why a plugin (a key) has no link, in words. */
void ctl_word_missed(struct buf *b, const struct pass *p, const char *key);
/* Number of links that a pass would change. */
size_t ctl_pending(const struct pass *p);
/* The link that leads to a candidate, or will; `ret_now` tells which. NULL: none. */
const struct plan_link *ctl_link_of(const struct pass *p, const struct candidate *k, bool *ret_now);

/* The last reload in words, NULL if there is no record of one. 0 or -ENOMEM. */
int ctl_last_reload(struct ctl *c, char **ret) _must_check_;
/* The value of a KEY=VALUE line (see sys/state), or NULL. */
char *ctl_text_value(const char *text, const char *key);

/* What was asked for lies there, and nobody is at work: which unit is to blame, and the cure. NULL
 * if that is not so. 0 or -errno. */
int ctl_nobody_answers(struct ctl *c, char **ret) _must_check_;

/* JSON of what several verbs tell. */
void ctl_doc_trouble(struct ctl *c, struct doc *d, const struct pass *p);
void ctl_doc_server(struct doc *d, const struct pass *p);
int ctl_doc_units(struct doc *d, const struct pass *p, const struct units *u) _must_check_;

/* ---- passes (verbs_pass.c) ---- */

enum ctl_reload {
	CTL_RELOAD_ASK,    /* a look is asked for, if anything is owed */
	CTL_RELOAD_LEAVE,  /* nobody is asked */
	CTL_RELOAD_PERSON, /* somebody wants it about now */
};
/* One pass, said on standard output, and the reload that follows. Exit code or -errno. */
int ctl_pass(struct ctl *c, enum ctl_reload how) _must_check_;
/* `reload --hook=UNIT` (verbs_hook.c). Exit code or -errno. */
int ctl_reload_hook(struct ctl *c) _must_check_;

/* ---- asking and waiting (verbs_ask.c) ---- */

struct ctl_asked {
	bool asked;
	enum answer_word word; /* what was answered in the time that was given */
	char *words;           /* on the reload, or NULL */
	int code;              /* CTL_DONE, CTL_NOT_CONFIRMED */
};
void ctl_asked_done(struct ctl_asked *a);
/* Files a request, and has path unit and executor started if the manager can be reached; *ret_name
 * may be NULL (see asked_ask()). 0 or -errno. */
int ctl_request(struct ctl *c, const struct request *q, char **ret_name) _must_check_;
/* Asks for what the units are owed as the pass has seen them, and waits as long as --wait= says. 0
 * or -errno. */
int ctl_ask(struct ctl *c, const struct pass *p, const struct units *u, enum ctl_reload how,
	    struct ctl_asked *ret) _must_check_;

/* Until all verbs append to one document: a text of its own. */
#define OWN_TEXT(name, word, parameters, ...) \
	static inline int name parameters \
	{ \
		_cleanup_buf_ struct buf b = BUF_INIT; \
		word(&b, __VA_ARGS__); \
		return buf_take(&b, ret); \
	} \
	struct _semicolon_
OWN_TEXT(wording_server, word_server,
	 (const struct config *c, const struct server_facts *s, char **ret), c, s);
OWN_TEXT(wording_remark, word_remark, (const struct config_remark *m, char **ret), m);
OWN_TEXT(wording_finding, word_finding,
	 (const struct config *c, const struct finding *f, char **ret), c, f);
OWN_TEXT(wording_plan_trouble, word_trouble,
	 (const struct config *c, const struct snapshot *s, const struct plan *p, char **ret), c, s,
	 p);
OWN_TEXT(ctl_missed_reason, ctl_word_missed, (const struct pass *p, const char *key, char **ret), p,
	 key);
OWN_TEXT(wording_decision, word_decision,
	 (const struct decide_facts *f, const struct decision *d, char **ret), f, d);
OWN_TEXT(wording_hook, word_hook, (const struct unit_facts *u, char **ret), u);
OWN_TEXT(wording_lock, word_lock, (const struct lock_facts *l, char **ret), l);
OWN_TEXT(wording_refusal, word_refusal,
	 (const struct config *c, const struct snapshot *s, const struct plan *p,
	  enum decide_why why, char **ret),
	 c, s, p, why);
OWN_TEXT(wording_change, word_change, (const struct change *ch, const char *links, char **ret), ch,
	 links);
OWN_TEXT(wording_directory_error, word_directory_error,
	 (const struct outcome *o, const char *links, char **ret), o, links);
OWN_TEXT(wording_verdict, word_verdict,
	 (const struct config *c, const struct snapshot *s, const struct candidate *k,
	  const struct verdict *v, char **ret),
	 c, s, k, v);
OWN_TEXT(wording_gate_values, word_gate,
	 (const struct config *c, const struct snapshot *s, const struct candidate *k, enum gate g,
	  char **ret),
	 &((struct gate_case){.c = c, .server = &s->server, .k = k, .s = s}), g);
OWN_TEXT(wording_gate_cure, word_cure,
	 (const struct config *c, const struct snapshot *s, const struct candidate *k, enum gate g,
	  char **ret),
	 &((struct gate_case){.c = c, .server = &s->server, .k = k, .s = s}), g);
OWN_TEXT(wording_verdict_cure, word_cure,
	 (const struct config *c, const struct snapshot *s, const struct candidate *k,
	  const struct verdict *v, char **ret),
	 &((struct gate_case){.c = c, .server = &s->server, .k = k, .s = s, .v = v}), v->gate);
