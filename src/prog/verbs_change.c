/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* enable, disable, clean. */
#include "prog/ctl.h"

#include "prog/log.h"
#include "sys/conf.h"
#include "sys/state.h"

/* Does anything speak of the plugin: a file, a link, a remembered name? 1, 0, -errno. */
static int is_there(struct ctl *c, const char *name)
{
	_cleanup_(pass_done) struct pass p = {0};
	_cleanup_free_ char *key = name_key(name);
	int r;

	if (!key)
		return -ENOMEM;
	r = ctl_look(c, &p);
	if (r < 0)
		return r;
	for (size_t i = 0; i < p.seen.n_candidates; i++)
		if (str_eq(p.seen.candidates[i].name.key, key))
			return 1;
	for (size_t i = 0; i < p.plan.n_links; i++)
		if (str_eq(p.plan.links[i].key, key))
			return 1;
	return 0;
}

static int write_and_sync(struct ctl *c, enum conf_enable what)
{
	const char *name = c->arguments[0];
	_cleanup_free_ char *shown = str_escape(name);
	int r;

	if (!shown)
		return -ENOMEM;
	if (!name_is_valid(name)) {
		log_msg(LOG_ERR, "\"%s\" is no NAME: letters, digits, \"-\" and \"_\"", shown);
		return CTL_FAILED;
	}
	r = is_there(c, name);
	if (r == 0)
		log_msg(LOG_NOTICE, "there is no plugin %s now: this holds when it comes", shown);
	if (r < 0)
		return r;
	r = conf_write_plugin(&c->root, name, what);
	if (r == -EACCES || r == -EPERM || r == -EROFS)
		return log_errno(LOG_ERR, r, "Cannot write the configuration (this needs root)");
	if (r < 0)
		return log_errno(LOG_ERR, r, "Cannot write the configuration");
	return ctl_pass(c, ctl_has(c, CTL_NO_RELOAD) ? CTL_RELOAD_LEAVE : CTL_RELOAD_ASK);
}

int verb_enable(struct ctl *c)
{
	return write_and_sync(c, CONF_ENABLE);
}

int verb_disable(struct ctl *c)
{
	return write_and_sync(c, CONF_DISABLE);
}

/* Not word_change(): the reason for all of them is that somebody said so. */
static int show_clean(struct ctl *c, const struct pass *p)
{
	static const struct face line = {NULL, PLACE_LINE};
	_cleanup_doc_ struct doc d = {0};

	ctl_doc_init(&d, c);
	doc_array(&d, "removed");
	for (size_t i = 0; i < p->outcome.n_changes; i++) {
		const struct change *ch = &p->outcome.changes[i];
		_cleanup_buf_ struct buf name = BUF_INIT;

		buf_escape(&name, ch->name);
		if (ch->result == CHANGE_FAILED) {
			log_errno(LOG_ERR, ch->error, "Cannot remove %s", buf_text(&name));
		} else if (ch->result == CHANGE_MOVED) {
			log_msg(LOG_WARNING, "%s changed while we looked: left alone",
				buf_text(&name));
		} else if (ch->action == LINK_REPLACE) {
			buf_printf(doc_add(&d, &line), "led %s to a file that fits (it led to %s)",
				   ch->name, ch->was);
		} else {
			doc_name(&d, "", ch->name);
			buf_printf(doc_add(&d, &line), "removed %s (led to %s)", ch->name, ch->was);
		}
	}
	doc_end(&d);
	if (p->outcome.n_changes == 0)
		buf_add(doc_add(&d, &line), ctl_has(c, CTL_KEEP_FITTING)
						    ? "no link has to go"
						    : "there is no link of ours");
	return doc_show(&d, &c->output);
}

int verb_clean(struct ctl *c)
{
	_cleanup_(pass_done) struct pass p = {0};
	const struct pass_how how = ctl_how(
		c, PASS_CHANGE | (ctl_has(c, CTL_KEEP_FITTING) ? PASS_NOTHING_NEW : PASS_CLEAN));
	int r = pass_run(&how, &p), daemon;

	if (r >= 0)
		r = show_clean(c, &p);
	if (r < 0)
		return r;
	daemon = state_role_pid(&c->root, STATE_ROLE_DAEMON);
	if (daemon > 0)
		log_msg(LOG_WARNING,
			"vsmtp-plugind runs (pid %d) and will put them back: stop it first",
			daemon);
	/* No links directory is as clean as it gets; one that is refused is not. */
	if (p.seen.links.state != LINKS_FINE && p.seen.links.state != LINKS_MISSING &&
	    p.seen.links.state != LINKS_NO_PARENT) {
		log_msg(LOG_ERR, "the links directory is not one that can be cleaned");
		return CTL_FAILED;
	}
	return outcome_count(&p.outcome, CHANGE_DONE) == p.outcome.n_changes ? CTL_DONE
									     : CTL_FAILED;
}
