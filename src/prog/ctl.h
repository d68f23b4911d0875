/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* vsmtp-pluginctl from the inside: what was asked for, and the table of verbs that gives dispatch,
 * help and completion.
 *
 * Knows: one pass, units, output. Must not know: how any of them works.
 * Owns: struct ctl owns its root, observer and connection. */

#include "base/str.h"
#include "core/wording.h"
#include "prog/show.h"
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
	CTL_ROOT = 1 << 17,
	CTL_HELP = 1 << 18,
	CTL_VERSION = 1 << 19,
};
#define CTL_EVERY_VERB (CTL_JSON | CTL_NO_LEGEND | CTL_ASK_PROGRAM | CTL_ROOT)

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

/* How this command makes a pass. */
static inline struct pass_how ctl_how(const struct ctl *c, enum pass_flags flags)
{
	return (struct pass_how){.root = &c->root,
				 .observer = c->observer,
				 .flags = flags,
				 .fingerprint = c->fingerprint};
}
/* A pass that only looks. 0 or -errno, said. */
int ctl_look(struct ctl *c, struct pass *ret) _must_check_;
/* Connects to the service manager; none is no error (c->manager is NULL). */
void ctl_connect(struct ctl *c);
/* What the units are owed, and what decide() says; "none" if there is no manager. 0 or -errno. */
int ctl_units(struct ctl *c, const struct pass *p, struct units *ret) _must_check_;
/* What units_look() failed for, said; passes its result on. */
int ctl_say_units(int r);
/* On standard error: configuration mistakes; the plan's trouble, findings and missed plugins; and
 * untrusted-parent, which upstream's packages bring about, so that not each pass says it. */
enum ctl_say {
	CTL_SAY_REMARKS = 1 << 0,
	CTL_SAY_TROUBLE = 1 << 1,
	CTL_SAY_PARENT = 1 << 2,
};
int ctl_say(const struct pass *p, unsigned what) _must_check_;
/* The best known reason why a plugin (a key) has no link, in words. */
void ctl_word_missed(struct buf *b, const struct pass *p, const char *key);
/* The link that leads to a candidate, or will; `ret_now` tells which. NULL: none. */
const struct plan_link *ctl_link_of(const struct pass *p, const struct candidate *k, bool *ret_now);

/* The last reload in words, nothing if there is no record of one. */
void ctl_word_last_reload(struct buf *b, struct ctl *c);
/* " since Thu 2026-11-26 22:10:00 UTC", nothing for 0. */
void ctl_word_since(struct buf *b, uint64_t usec);
/* The value of a KEY=VALUE line (see sys/state), or NULL. */
char *ctl_text_value(const char *text, const char *key);

/* What was asked for lies there, and nobody is at work: which unit is to blame, and the cure.
 * Nothing if that is not so. 0 or -errno. */
int ctl_word_nobody(struct buf *b, struct ctl *c) _must_check_;

/* Facts that several verbs tell. */
void ctl_doc_trouble(struct doc *d, const struct pass *p);
void ctl_doc_server(struct doc *d, const struct pass *p);
void ctl_doc_units(struct doc *d, const struct pass *p, const struct units *u);
/* Opens the document of this verb. */
void ctl_doc_init(struct doc *d, const struct ctl *c);

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
	struct buf words;      /* on the reload */
	int code;              /* CTL_DONE, CTL_NOT_CONFIRMED */
};
void ctl_asked_done(struct ctl_asked *a);
/* Asks for what the units are owed as the pass has seen them, and waits as long as --wait= says. 0
 * or -errno. */
int ctl_ask(struct ctl *c, const struct pass *p, const struct units *u, enum ctl_reload how,
	    struct ctl_asked *ret) _must_check_;
