/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What to do about a gate that failed. Commands are written so that they can be copied. */
#include "core/version.h"
#include "core/worder.h"

static const char *name_of(const struct talk *t)
{
	return t->k->name.problem == NAME_FINE ? t->k->name.name : "NAME";
}

/* "the build of mysql for vSMTP 1.1.0". */
static void add_build(struct buf *b, const struct talk *t)
{
	buf_add(b, "the build of ");
	buf_escape(b, name_of(t));
	if (t->s->server.version) {
		buf_add(b, " for vSMTP ");
		buf_escape(b, t->s->server.version);
	}
}

static void cure_name(struct buf *b, const struct talk *t)
{
	UNUSED(t);
	buf_add(b, "call it libvsmtp-plugin-NAME-VERSION.so (NAME of letters, digits, \"-\" and "
		   "\"_\"; VERSION as in 1.1.0), or NAME.so");
}

static void cure_disabled(struct buf *b, const struct talk *t)
{
	buf_add(b, "vsmtp-pluginctl enable ");
	buf_escape(b, name_of(t));
}

static void cure_regular(struct buf *b, const struct talk *t)
{
	bool link = t->k->facts.kind == FILE_DANGLING || t->k->facts.kind == FILE_LOOP;

	buf_add(b, link ? "point the symlink at the library, or remove it: rm "
			: "put the library itself there, or move away: ");
	word_path(b, t->k->path);
}

static void cure_trust(struct buf *b, const struct talk *t)
{
	word_trust_cure(b, t->c->require_root_owned, &t->k->facts.trust);
}

static void cure_readable(struct buf *b, const struct talk *t)
{
	int error = t->k->facts.read_error;

	if (!t->k->facts.readable) {
		buf_add(b, "chmod u+r ");
		word_path(b, t->k->path);
	} else if (error == EACCES || error == EPERM) {
		buf_add(b, "this user may not look into it: ask again as root");
	} else {
		buf_add(b, "see what the disk or file system has (journalctl -k); it is read again "
			   "at the next pass: vsmtp-pluginctl sync");
	}
}

static void cure_writing(struct buf *b, const struct talk *t)
{
	UNUSED(t);
	buf_add(b, "it is looked at again when they close it");
}

static void cure_elf(struct buf *b, const struct talk *t)
{
	UNUSED(t);
	buf_add(b, "put the compiled library there, or move this file out of the store");
}

static void cure_whole(struct buf *b, const struct talk *t)
{
	UNUSED(t);
	buf_add(b, "copy or install it again, whole (a rename into the store is never half-done)");
}

static void cure_machine(struct buf *b, const struct talk *t)
{
	const struct server_facts *s = &t->s->server;

	buf_add(b, "install the build of ");
	buf_escape(b, name_of(t));
	buf_add(b, " for ");
	word_machine(b, s->class, s->data, s->machine);
}

static void cure_object(struct buf *b, const struct talk *t)
{
	UNUSED(t);
	buf_add(b, "link it as a shared library (cc -shared; in Rust crate-type = [\"cdylib\"]), "
		   "or move it out of the store");
}

static void cure_entry(struct buf *b, const struct talk *t)
{
	UNUSED(t);
	buf_add(b,
		"this is no plugin of vSMTP: export the entry point, or move the file out of the "
		"store");
}

static void cure_conflict(struct buf *b, const struct talk *t)
{
	const struct candidate *k = t->k;
	const struct config_plugin *p = k->name.key ? config_find_plugin(t->c, k->name.key) : NULL;

	buf_add(b, "install a file whose name and contents agree");
	if (p && p->version) {
		buf_add(b, ", or take Version= out of [Plugin ");
		buf_escape(b, name_of(t));
		buf_add(b, "]");
	}
}

static void cure_unknown(struct buf *b, const struct talk *t)
{
	buf_add(b, "name it libvsmtp-plugin-");
	buf_escape(b, name_of(t));
	buf_add(b, "-VERSION.so, or set Version= in [Plugin ");
	buf_escape(b, name_of(t));
	buf_add(b, "], or Unversioned=link in [Plugind]");
}

static void cure_mismatch(struct buf *b, const struct talk *t)
{
	const char *version = gate_version(t->c, t->k);
	const struct server_facts *s = &t->s->server;

	if (s->state == SERVER_UNKNOWN) {
		buf_add(b, "let the server answer --version (");
		word_doubt(b, t->c, s);
		buf_add(b, "), or set Version= in [Plugind]");
	} else if (s->state != SERVER_KNOWN) {
		buf_add(b, "install vSMTP");
		if (version) {
			buf_add(b, " ");
			buf_escape(b, version);
		}
	} else if (version && version_compare(version, s->version) > 0) {
		buf_add(b, "upgrade vSMTP to ");
		buf_escape(b, version);
		buf_add(b, ", or install ");
		add_build(b, t);
	} else {
		buf_add(b, "install ");
		add_build(b, t);
		buf_add(b, " (its package's next version), or hold vsmtp back");
	}
}

static void cure_libraries(struct buf *b, const struct talk *t)
{
	buf_add(b, "install the packages that hold ");
	word_list(b, t->k->facts.missing);
	buf_add(b, " (and run ldconfig)");
}

static void cure_quarantine(struct buf *b, const struct talk *t)
{
	buf_add(b, "install another build of ");
	buf_escape(b, name_of(t));
}

static void cure_shadowed(struct buf *b, const struct talk *t)
{
	UNUSED(t);
	buf_add(b, "nothing needs to be done: one plugin gets one link; to have this file linked, "
		   "remove the other");
}

static void cure_taken(struct buf *b, const struct talk *t)
{
	buf_add(b, "give it another one: LinkName= in [Plugin ");
	buf_escape(b, name_of(t));
	buf_add(b, "]");
}

static void cure_foreign(struct buf *b, const struct talk *t)
{
	buf_add(b, "remove that entry, or set another LinkName= in [Plugin ");
	buf_escape(b, name_of(t));
	buf_add(b, "]");
}

typedef void (*cure_fn)(struct buf *b, const struct talk *t);

static const cure_fn cures[GATE_MAX] = {
	[GATE_NAME_NOT_UNDERSTOOD] = cure_name,
	[GATE_DISABLED] = cure_disabled,
	[GATE_NOT_REGULAR] = cure_regular,
	[GATE_UNTRUSTED] = cure_trust,
	[GATE_UNREADABLE] = cure_readable,
	[GATE_BEING_WRITTEN] = cure_writing,
	[GATE_NOT_ELF] = cure_elf,
	[GATE_TRUNCATED] = cure_whole,
	[GATE_WRONG_MACHINE] = cure_machine,
	[GATE_NOT_SHARED_OBJECT] = cure_object,
	[GATE_NO_ENTRY_POINT] = cure_entry,
	[GATE_VERSION_CONFLICT] = cure_conflict,
	[GATE_VERSION_UNKNOWN] = cure_unknown,
	[GATE_VERSION_MISMATCH] = cure_mismatch,
	[GATE_MISSING_LIBRARY] = cure_libraries,
	[GATE_QUARANTINED] = cure_quarantine,
	[GATE_SHADOWED] = cure_shadowed,
	[GATE_NAME_TAKEN] = cure_taken,
	[GATE_FOREIGN_IN_THE_WAY] = cure_foreign,
};

void word_cure(struct buf *b, const struct talk *t, enum gate g)
{
	if (cures[g])
		cures[g](b, t);
}

int wording_gate_cure(const struct config *c, const struct snapshot *s, const struct candidate *k,
		      enum gate g, char **ret)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	struct talk t = {.c = c, .s = s, .k = k};

	word_cure(&b, &t, g);
	return buf_take(&b, ret);
}

/* ---- the gates between candidates: with the rival ---- */

static const struct candidate *find_candidate(const struct snapshot *s, const char *path)
{
	for (size_t i = 0; path && i < s->n_candidates; i++)
		if (strcmp(s->candidates[i].path, path) == 0)
			return &s->candidates[i];
	return NULL;
}

static void add_preference(struct buf *b, const struct talk *t, const struct candidate *rival)
{
	const struct candidate *k = t->k;

	if (!str_eq(k->name.key, rival->name.key))
		buf_add(b, "it is the same file under another name");
	else if (rival->store != k->store)
		buf_add(b, "its store comes first");
	else if (rival->name.layout < k->name.layout)
		buf_printf(b, "layout %s comes before %s", layout_to_string(rival->name.layout),
			   layout_to_string(k->name.layout));
	else if (str_eq(gate_version(t->c, rival), t->s->server.version) &&
		 !str_eq(gate_version(t->c, k), t->s->server.version))
		buf_add(b, "its version is written just as the server's");
	else
		buf_add(b, "its path sorts first, or its link is there already");
}

/* The administrator's own link or file is the very same library: nothing is in need of a cure. */
static bool serves_itself(const struct talk *t, const struct verdict *v)
{
	const struct link *l = v->rival ? snapshot_find_link(t->s, v->rival) : NULL;
	const struct signature *g = &t->k->facts.signature;

	return l && !l->dangling && l->target_inode == g->inode && l->target_device == g->device;
}

static void add_shadowed(struct buf *b, const struct talk *t, const struct verdict *v)
{
	const struct candidate *rival = find_candidate(t->s, v->rival);

	buf_escape(b, v->rival);
	buf_add(b, " is preferred");
	if (!rival)
		return;
	buf_add(b, ": ");
	add_preference(b, t, rival);
}

static void add_taken(struct buf *b, const struct verdict *v)
{
	buf_add(b, "the link name ");
	buf_escape(b, v->wanted);
	buf_add(b, " belongs to plugin ");
	buf_escape(b, v->rival);
}

static void add_foreign(struct buf *b, const struct talk *t, const struct verdict *v)
{
	buf_escape(b, t->c->links);
	buf_add(b, "/");
	buf_escape(b, v->rival);
	buf_add(b, serves_itself(t, v) ? ", made by hand, is this very file"
				       : " was not made by this kit and has the name");
}

int wording_verdict(const struct config *c, const struct snapshot *s, const struct candidate *k,
		    const struct verdict *v, char **ret)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	struct talk t = {.c = c, .s = s, .k = k};

	if (v->gate == GATE_SHADOWED)
		add_shadowed(&b, &t, v);
	else if (v->gate == GATE_NAME_TAKEN)
		add_taken(&b, v);
	else if (v->gate == GATE_FOREIGN_IN_THE_WAY)
		add_foreign(&b, &t, v);
	else
		return wording_gate_values(c, s, k, v->gate, ret);
	return buf_take(&b, ret);
}

int wording_verdict_cure(const struct config *c, const struct snapshot *s,
			 const struct candidate *k, const struct verdict *v, char **ret)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	struct talk t = {.c = c, .s = s, .k = k};

	if (v->gate == GATE_FOREIGN_IN_THE_WAY && serves_itself(&t, v))
		buf_add(&b, "nothing needs to be done: vSMTP loads it; remove that entry and the "
			    "kit makes its own link");
	else
		word_cure(&b, &t, v->gate);
	return buf_take(&b, ret);
}
