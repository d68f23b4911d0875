/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/plan.h"

#include "base/str.h"

#include <inttypes.h>

static void print_trust(struct buf *b, const struct trust_facts *t)
{
	buf_printf(b, " trust=%d:%o:%u", t->trust, t->mode, t->owner);
}

static void print_candidate(struct buf *b, const struct candidate *k)
{
	const struct file_facts *f = &k->facts;

	buf_add(b, "candidate ");
	buf_escape(b, k->path);
	buf_printf(b, " kind=%d inode=%" PRIu64 " readable=%d error=%d writing=%d", f->kind,
		   f->signature.inode, f->readable, f->read_error, f->being_written);
	print_trust(b, &f->trust);
	buf_printf(b, " elf=%d:%d:%d:%u:%u:%u note=", f->elf.form, f->elf.object, f->elf.entry,
		   f->elf.class, f->elf.data, f->elf.machine);
	buf_escape(b, f->elf.note_version);
	buf_add(b, " is ");
	buf_escape(b, f->identity);
	buf_add(b, " at ");
	buf_escape(b, f->resolved);
	for (size_t i = 0; f->missing && f->missing[i]; i++) {
		buf_add(b, f->missing_unsure ? " may lack " : " lacks ");
		buf_escape(b, f->missing[i]);
	}
	buf_add(b, "\n");
}

static void print_link(struct buf *b, const struct link *l)
{
	buf_add(b, "link ");
	buf_escape(b, l->name);
	buf_printf(b, " kind=%d to ", l->kind);
	buf_escape(b, l->text);
	buf_add(b, " is ");
	buf_escape(b, l->resolved);
	buf_printf(b, " %" PRIu64 " ", l->target_inode);
	buf_escape(b, l->identity);
	buf_add(b, "\n");
}

static void print_config(struct buf *b, const struct config *c)
{
	buf_printf(b, "config unversioned=%d owner=%d links=", c->unversioned,
		   c->require_root_owned);
	buf_escape(b, c->links);
	buf_add(b, " names=");
	buf_escape(b, c->link_name);
	for (size_t i = 0; i < c->n_plugins; i++) {
		const struct config_plugin *p = &c->plugins[i];

		buf_printf(b, " %s:%d:", p->key, p->enabled);
		buf_escape(b, p->link_name);
		buf_add(b, ":");
		buf_escape(b, p->version);
	}
	buf_add(b, "\n");
}

int plan_fingerprint(const struct config *c, const struct snapshot *s, uint64_t *ret)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	_cleanup_free_ char *text = NULL;
	int r;

	print_config(&b, c);
	buf_add(&b, s->held ? "held\n" : "");
	buf_printf(&b, "server %d ", s->server.state);
	buf_escape(&b, s->server.version);
	buf_printf(&b, " %u %u %u\n", s->server.class, s->server.data, s->server.machine);
	for (size_t i = 0; i < s->n_stores; i++) {
		buf_add(&b, "store ");
		buf_escape(&b, s->stores[i].path);
		buf_printf(&b, " absent=%d error=%d\n", s->stores[i].absent, s->stores[i].error);
	}
	for (size_t i = 0; i < s->n_candidates; i++)
		print_candidate(&b, &s->candidates[i]);
	buf_printf(&b, "links %d", s->links.state);
	print_trust(&b, &s->links.trust);
	buf_add(&b, "\n");
	for (size_t i = 0; i < s->links.n; i++)
		print_link(&b, &s->links.items[i]);
	buf_printf(&b, "names error=%d\n", s->names.error);
	for (size_t i = 0; i < s->names.n; i++) {
		const struct remembered *m = &s->names.items[i];

		buf_printf(&b, "name %s %d ", m->key, m->flags);
		buf_escape(&b, m->link);
		buf_printf(&b, " %s ", m->file_for ? m->file_for : "");
		buf_escape(&b, m->file);
		buf_add(&b, "\n");
	}
	r = buf_take(&b, &text);
	if (r < 0)
		return r;
	*ret = str_hash(STR_HASH_INIT, text, strlen(text));
	return 0;
}
