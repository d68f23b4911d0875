/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of verbs, and what several of them share. */
#include "prog/ctl.h"

#include "base/str.h"
#include "core/wording.h"
#include "prog/log.h"
#include "sys/asked.h"
#include "sys/booted.h"
#include "sys/state.h"

#define MANAGER_TIMEOUT_USEC (10 * USEC_PER_SEC)

static const struct verb verbs[] = {
	{"status", "", 0, 0, 0, "server, links, what is owed and why", verb_status},
	{"list", "", 0, 0, 0, "every candidate and every link", verb_list},
	{"plan", "", 0, 0, 0, "what a pass would do", verb_plan},
	{"sync", "", 0, 0,
	 CTL_DRY_RUN | CTL_NO_RELOAD | CTL_FORBID_RELOAD | CTL_HOLD | CTL_PLAN | CTL_START_OF |
		 CTL_TIME_LIMIT | CTL_WAIT | CTL_WAIT_LIMIT,
	 "make the links right, and ask for the reload that is owed", verb_sync},
	{"reload", "", 0, 0, CTL_FORCE | CTL_HOOK | CTL_TIME_LIMIT | CTL_WAIT | CTL_WAIT_LIMIT,
	 "sync, bring an owed reload about and wait for it", verb_reload},
	{"why", "NAME|FILE", 1, 1, 0, "each gate, passed or failed, and what to do", verb_why},
	{"verify", "FILE...", 1, SIZE_MAX, CTL_FOR | CTL_MACHINE, "would these files be accepted",
	 verb_verify},
	{"enable", "NAME", 1, 1, CTL_NO_RELOAD, "let a plugin be linked, and sync", verb_enable},
	{"disable", "NAME", 1, 1, CTL_NO_RELOAD, "keep a plugin from being linked, and sync",
	 verb_disable},
	{"clean", "", 0, 0, CTL_KEEP_FITTING, "remove all links of ours", verb_clean},
};

const struct verb *verb_at(size_t i)
{
	return i < ELEMENTSOF(verbs) ? &verbs[i] : NULL;
}

int ctl_look(struct ctl *c, struct pass *ret)
{
	int r = pass_look(&c->root, c->observer, ret);

	return r < 0 && r != -ENOMEM ? log_errno(LOG_ERR, r, "Cannot look") : r;
}

void ctl_connect(struct ctl *c)
{
	int r;

	if (c->manager || c->manager_error || !booted(&c->root))
		return;
	r = unit_manager_open(MANAGER_TIMEOUT_USEC, &c->manager);
	c->manager_error = MIN(r, 0);
}

int ctl_units(struct ctl *c, const struct pass *p, struct units *ret)
{
	struct units_source from;

	ctl_connect(c);
	from = (struct units_source){.manager = c->manager, .error = c->manager_error};
	return ctl_say_units(units_look(&c->root, p, &from, ret));
}

int ctl_say_units(int r)
{
	return r < 0 && r != -ENOMEM
		       ? log_errno(LOG_ERR, r,
				   "Cannot find out what vSMTP is owed, in " STATE_RUN_DIR)
		       : r;
}

int ctl_say_remarks(const struct pass *p)
{
	for (size_t i = 0; i < p->remarks.n; i++) {
		_cleanup_buf_ struct buf b = BUF_INIT;

		word_remark(&b, &p->remarks.items[i]);
		log_msg(LOG_WARNING, "%s", buf_text(&b));
	}
	return 0;
}

static const struct candidate *find_best(const struct pass *p, const char *key, size_t *ret_at)
{
	const struct candidate *best = NULL;

	for (size_t i = 0; i < p->seen.n_candidates; i++) {
		const struct candidate *k = &p->seen.candidates[i];

		if (!str_eq(k->name.key, key) || k->name.problem != NAME_FINE)
			continue;
		if (best && p->plan.verdicts[i].gate <= p->plan.verdicts[*ret_at].gate)
			continue;
		best = k;
		*ret_at = i;
	}
	return best;
}

void ctl_word_missed(struct buf *b, const struct pass *p, const char *key)
{
	size_t at = 0;
	const struct candidate *best = find_best(p, key, &at);
	const struct verdict *v = best ? &p->plan.verdicts[at] : NULL;

	if (!v) {
		buf_add(b, "no file of it is in any store");
	} else if (v->gate == GATE_LINKED) {
		buf_add(b, "its link cannot be made");
	} else {
		word_verdict(b, &p->config, &p->seen, best, v);
		buf_printf(b, " (%s)", gate_to_string(v->gate));
	}
}

static int say_finding(const struct pass *p, const struct finding *f)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	word_finding(&b, &p->config, f);
	log_msg(f->code == FINDING_UNTRUSTED_ENTRY ? LOG_ERR : LOG_WARNING, "%s", buf_text(&b));
	return b.failed ? -ENOMEM : 0;
}

int ctl_say_trouble(const struct pass *p)
{
	_cleanup_buf_ struct buf trouble = BUF_INIT;
	int r = 0;

	word_trouble(&trouble, &p->config, &p->seen, &p->plan);
	if (trouble.len > 0)
		log_msg(LOG_ERR, "%s", buf_text(&trouble));
	for (char **m = p->plan.missed; m && *m; m++) {
		_cleanup_buf_ struct buf b = BUF_INIT;

		ctl_word_missed(&b, p, *m);
		log_msg(LOG_ERR, "plugin %s has no link: %s", *m, buf_text(&b));
	}
	for (size_t i = 0; r >= 0 && i < p->plan.n_findings; i++)
		if (p->plan.findings[i].code != FINDING_UNTRUSTED_PARENT)
			r = say_finding(p, &p->plan.findings[i]);
	return r;
}

int ctl_say_parent(const struct pass *p)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < p->plan.n_findings; i++)
		if (p->plan.findings[i].code == FINDING_UNTRUSTED_PARENT)
			r = say_finding(p, &p->plan.findings[i]);
	return r;
}

size_t ctl_pending(const struct pass *p)
{
	return plan_changes(&p->plan);
}

const struct plan_link *ctl_link_of(const struct pass *p, const struct candidate *k, bool *ret_now)
{
	const struct plan_link *later = NULL;

	for (size_t i = 0; i < p->plan.n_links; i++) {
		const struct plan_link *l = &p->plan.links[i];

		if (l->seen && l->action != LINK_FOREIGN && str_eq(l->seen->target, k->path)) {
			*ret_now = true;
			return l;
		}
		if (l->candidate == k && !later)
			later = l;
	}
	*ret_now = false;
	return later;
}

char *ctl_text_value(const char *text, const char *key)
{
	size_t len = strlen(key);

	while (text && *text) {
		if (strncmp(text, key, len) == 0 && text[len] == '=')
			return strndup(text + len + 1, strcspn(text + len + 1, "\n"));
		text += strcspn(text, "\n");
		text += *text == '\n';
	}
	return NULL;
}

/* Values in state files are escaped already. */
int ctl_last_reload(struct ctl *c, char **ret)
{
	static const struct {
		const char *key;
		const char *before;
	} parts[] = {{"result", ""},
		     {"action", ", "},
		     {"unit", " of "},
		     {"time", " at "},
		     {"why", ": "}};
	_cleanup_free_ char *text = NULL;
	_cleanup_buf_ struct buf b = BUF_INIT;

	if (state_read_text(&c->root, STATE_FILE_LAST_RELOAD, &text) < 0 || !text)
		return 0;
	for (size_t i = 0; i < ELEMENTSOF(parts); i++) {
		_cleanup_free_ char *value = ctl_text_value(text, parts[i].key);

		if (!value || !*value)
			continue;
		buf_add(&b, b.len > 0 ? parts[i].before : "");
		buf_add(&b, value);
	}
	return buf_take(&b, ret);
}

void ctl_doc_server(struct doc *d, const struct pass *p)
{
	static const char *const states[SERVER_STATE_MAX] = {
		[SERVER_ABSENT] = "absent",
		[SERVER_KNOWN] = "known",
		[SERVER_UNKNOWN] = "unknown",
	};
	static const char *const sources[VERSION_SOURCE_MAX] = {
		[VERSION_SOURCE_CONFIG] = "config",
		[VERSION_SOURCE_PROGRAM] = "program",
		[VERSION_SOURCE_DPKG] = "dpkg",
		[VERSION_SOURCE_RPM] = "rpm",
	};
	const struct server_facts *s = &p->seen.server;
	struct json_object *o = doc_object(d, d->top, "server");
	_cleanup_free_ char *words = NULL;

	if (wording_server(&p->config, s, &words) < 0)
		d->failed = true;
	doc_name(d, o, "program", p->config.program);
	doc_words(d, o, "state", states[s->state]);
	doc_name(d, o, "version", s->version);
	doc_words(d, o, "source", sources[s->source]);
	doc_words(d, o, "text", words);
}

static void doc_remarks(struct doc *d, const struct pass *p)
{
	struct json_object *remarks = doc_array(d, d->top, "remarks");

	for (size_t i = 0; i < p->remarks.n; i++) {
		const struct config_remark *m = &p->remarks.items[i];
		struct json_object *o = doc_item(d, remarks);
		_cleanup_free_ char *words = NULL;

		if (wording_remark(m, &words) < 0)
			d->failed = true;
		doc_name(d, o, "file", m->file);
		doc_number(d, o, "line", m->line);
		doc_name(d, o, "section", m->section);
		doc_name(d, o, "key", m->key);
		doc_name(d, o, "value", m->value);
		doc_name(d, o, "used", m->used);
		doc_words(d, o, "text", words);
	}
}

static void doc_findings(struct doc *d, const struct pass *p)
{
	static const char *const codes[FINDING_CODE_MAX] = {
		[FINDING_DUPLICATE_LINK] = "duplicate-link",
		[FINDING_STORE_NOT_LISTED] = "store-not-listed",
		[FINDING_UNVERSIONED_KEPT] = "unversioned-kept",
		[FINDING_UNTRUSTED_ENTRY] = "untrusted-entry",
		[FINDING_UNTRUSTED_PARENT] = "untrusted-parent",
	};
	struct json_object *findings = doc_array(d, d->top, "findings");

	for (size_t i = 0; i < p->plan.n_findings; i++) {
		const struct finding *f = &p->plan.findings[i];
		struct json_object *o = doc_item(d, findings);
		_cleanup_free_ char *words = NULL;

		if (wording_finding(&p->config, f, &words) < 0)
			d->failed = true;
		doc_words(d, o, "code", codes[f->code]);
		doc_name(d, o, "link", f->link);
		doc_name(d, o, "other", f->other);
		doc_words(d, o, "text", words);
	}
}

void ctl_doc_trouble(struct ctl *c, struct doc *d, const struct pass *p)
{
	_cleanup_free_ char *trouble = NULL;
	struct json_object *missed;

	UNUSED(c);
	if (wording_plan_trouble(&p->config, &p->seen, &p->plan, &trouble) < 0)
		d->failed = true;
	doc_truth(d, d->top, "not-known", p->plan.not_known);
	doc_words(d, d->top, "trouble", trouble && *trouble ? trouble : NULL);
	missed = doc_array(d, d->top, "missed");
	for (char **m = p->plan.missed; m && *m; m++) {
		struct json_object *o = doc_item(d, missed);
		_cleanup_free_ char *why = NULL;

		if (ctl_missed_reason(p, *m, &why) < 0)
			d->failed = true;
		doc_name(d, o, "name", *m);
		doc_words(d, o, "text", why);
	}
	doc_findings(d, p);
	doc_remarks(d, p);
}

int ctl_doc_units(struct doc *d, const struct pass *p, const struct units *u)
{
	static const char *const states[UNIT_STATE_MAX] = {
		[UNIT_NO_MANAGER] = "no-manager", [UNIT_MISSING] = "missing",
		[UNIT_INACTIVE] = "inactive",     [UNIT_ACTIVE] = "active",
		[UNIT_CHANGING] = "changing",     [UNIT_UNKNOWN] = "unknown",
	};
	static const char *const whys[OWED_WHY_MAX] = {
		[OWED_NOTHING] = "nothing",     [OWED_NOT_RUNNING] = "not-running",
		[OWED_NOT_KNOWN] = "not-known", [OWED_SET_CHANGED] = "set-changed",
		[OWED_NEWER] = "newer",         [OWED_REQUESTED] = "requested",
	};
	struct json_object *units = doc_array(d, d->top, "units");

	for (size_t i = 0; i < u->n; i++) {
		const struct unit_next *at = &u->items[i];
		const struct decide_facts f = units_facts(u, p, i);
		struct json_object *o = doc_item(d, units);
		_cleanup_free_ char *words = NULL, *hook = NULL;
		int r = wording_decision(&f, &at->next, &words);

		if (r < 0)
			return r;
		doc_name(d, o, "name", at->unit.name);
		doc_words(d, o, "state", states[at->unit.state]);
		doc_name(d, o, "sub-state", at->unit.sub_state);
		doc_truth(d, o, "owed", owed_is(&at->next.owed));
		doc_words(d, o, "why", whys[at->next.owed.why]);
		doc_words(d, o, "next", decide_what_to_string(at->next.what));
		doc_words(d, o, "reason", decide_why_to_string(at->next.why));
		doc_words(d, o, "text", words);
		r = wording_hook(&at->unit, &hook);
		if (r < 0)
			return r;
		doc_words(d, o, "hook-not-in-force", *hook ? hook : NULL);
	}
	return 0;
}
