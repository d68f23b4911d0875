/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of verbs, and what several of them share. */
#include "prog/ctl.h"

#include "prog/log.h"
#include "sys/asked.h"
#include "sys/booted.h"
#include "sys/state.h"

#include <time.h>

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
	const struct pass_how how = ctl_how(c, PASS_LOOK);

	return pass_run(&how, ret);
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
void ctl_word_last_reload(struct buf *b, struct ctl *c)
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
	size_t start = b->len;

	if (state_read_text(&c->root, STATE_FILE_LAST_RELOAD, &text) < 0)
		return;
	for (size_t i = 0; text && i < ELEMENTSOF(parts); i++) {
		_cleanup_free_ char *value = ctl_text_value(text, parts[i].key);

		if (!value || !*value)
			continue;
		buf_add(b, b->len > start ? parts[i].before : "");
		buf_add(b, value);
	}
}

/* ---- facts that several verbs tell ---- */

enum {
	SERVER,
	TROUBLE,
	MISSED,
	FINDING,
	FINDING_UNSAFE,
	FINDING_ENTRY, /* the first line of `status` says it */
	REMARK,
	UNIT,
	UNIT_WHOLE,
	UNIT_HOOK,
};

static const struct face faces[] = {
	[SERVER] = {"text", PLACE_FIELD, "Server"},
	[TROUBLE] = {"trouble", .level = LOG_ERR},
	[MISSED] = {.level = LOG_ERR},
	[FINDING] = {"text", PLACE_FIELD, "Link", .colour = COLOUR_WARN, .level = LOG_WARNING},
	[FINDING_UNSAFE] = {"text", PLACE_FIELD, "Not safe", .colour = COLOUR_WARN,
			    .level = LOG_WARNING},
	[FINDING_ENTRY] = {"text", .level = LOG_ERR},
	[REMARK] = {"text", PLACE_FIELD, "Config", .level = LOG_WARNING},
	[UNIT] = {"text"},
	[UNIT_WHOLE] = {NULL, PLACE_FIELD, "Unit"},
	[UNIT_HOOK] = {"hook-not-in-force", PLACE_FIELD, "Hook", .colour = COLOUR_WARN},
};

void ctl_doc_init(struct doc *d, const struct ctl *c)
{
	doc_init(d, c->verb->name);
}

void ctl_doc_server(struct doc *d, const struct pass *p)
{
	const struct server_facts *s = &p->seen.server;

	doc_object(d, "server");
	doc_name(d, "program", p->config.program);
	doc_name(d, "state", server_state_to_string(s->state));
	doc_name(d, "version", s->version);
	doc_name(d, "source", version_source_to_string(s->source));
	word_server(doc_add(d, &faces[SERVER]), &p->config, s);
	doc_end(d);
}

static void doc_remark(struct doc *d, const struct config_remark *m)
{
	doc_object(d, "");
	doc_name(d, "file", m->file);
	doc_number(d, "line", m->line);
	doc_name(d, "section", m->section);
	doc_name(d, "key", m->key);
	doc_name(d, "value", m->value);
	doc_name(d, "used", m->used);
	word_remark(doc_add(d, &faces[REMARK]), m);
	doc_end(d);
}

static void doc_finding(struct doc *d, const struct pass *p, const struct finding *f)
{
	bool entry = f->code == FINDING_UNTRUSTED_ENTRY, unsafe = f->trust.trust != TRUST_FINE;

	doc_object(d, "");
	doc_name(d, "code", finding_code_to_string(f->code));
	doc_name(d, "link", f->link);
	doc_name(d, "other", f->other);
	word_finding(doc_add(d, &faces[entry    ? FINDING_ENTRY
				       : unsafe ? FINDING_UNSAFE
						: FINDING]),
		     &p->config, f);
	doc_end(d);
}

static void doc_missed(struct doc *d, const struct pass *p, const char *key)
{
	doc_object(d, "");
	doc_name(d, "name", key);
	ctl_word_missed(doc_words(d, "text"), p, key);
	buf_printf(doc_add(d, &faces[MISSED]), "plugin %s has no link: ", key);
	ctl_word_missed(&d->text, p, key);
	doc_end(d);
}

static void doc_trouble(struct doc *d, const struct pass *p)
{
	word_trouble(doc_add(d, &faces[TROUBLE]), &p->config, &p->seen, &p->plan);
	doc_array(d, "missed");
	for (char **m = p->plan.missed; m && *m; m++)
		doc_missed(d, p, *m);
	doc_end(d);
}

void ctl_doc_trouble(struct doc *d, const struct pass *p)
{
	doc_truth(d, "not-known", p->plan.not_known);
	doc_trouble(d, p);
	doc_array(d, "findings");
	for (size_t i = 0; i < p->plan.n_findings; i++)
		doc_finding(d, p, &p->plan.findings[i]);
	doc_end(d);
	doc_array(d, "remarks");
	for (size_t i = 0; i < p->remarks.n; i++)
		doc_remark(d, &p->remarks.items[i]);
	doc_end(d);
}

int ctl_say(const struct pass *p, unsigned what)
{
	_cleanup_doc_ struct doc d = {0};

	for (size_t i = 0; (what & CTL_SAY_REMARKS) && i < p->remarks.n; i++)
		doc_remark(&d, &p->remarks.items[i]);
	if (what & CTL_SAY_TROUBLE)
		doc_trouble(&d, p);
	for (size_t i = 0; i < p->plan.n_findings; i++)
		if (what & (p->plan.findings[i].code == FINDING_UNTRUSTED_PARENT ? CTL_SAY_PARENT
										 : CTL_SAY_TROUBLE))
			doc_finding(&d, p, &p->plan.findings[i]);
	return doc_say(&d);
}

void ctl_word_since(struct buf *b, uint64_t usec)
{
	time_t seconds = (time_t)(usec / USEC_PER_SEC);
	char text[64];
	struct tm tm;

	if (usec > 0 && localtime_r(&seconds, &tm) &&
	    strftime(text, sizeof(text), "%a %Y-%m-%d %H:%M:%S %Z", &tm) > 0)
		buf_printf(b, " since %s", text);
}

static void word_unit(struct buf *b, const struct unit_facts *u)
{
	buf_escape(b, u->name);
	if (u->sub_state) {
		buf_printf(b, " %s", u->sub_state);
		ctl_word_since(b, u->start_usec);
	}
	buf_add(b, ": ");
}

void ctl_doc_units(struct doc *d, const struct pass *p, const struct units *u)
{
	doc_array(d, "units");
	for (size_t i = 0; i < u->n; i++) {
		const struct unit_facts *unit = &u->items[i].unit;
		const struct decision *next = &u->items[i].next;
		const struct decide_facts f = units_facts(u, p, i);

		doc_object(d, "");
		doc_name(d, "name", unit->name);
		doc_name(d, "state", unit_state_to_string(unit->state));
		doc_name(d, "sub-state", unit->sub_state);
		doc_truth(d, "owed", owed_is(&next->owed));
		doc_name(d, "why", owed_why_to_string(next->owed.why));
		doc_name(d, "next", decide_what_to_string(next->what));
		doc_name(d, "reason", decide_why_to_string(next->why));
		word_decision(doc_add(d, &faces[UNIT]), &f, next);
		word_unit(doc_add(d, &faces[UNIT_WHOLE]), unit);
		word_decision(&d->text, &f, next);
		word_hook(doc_add(d, &faces[UNIT_HOOK]), unit);
		doc_end(d);
	}
	doc_end(d);
}
