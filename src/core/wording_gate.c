/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What each gate compared. One function per gate: it words the values whether they passed or not,
 * so that `why` can show all of a candidate's way. */
#include "core/version.h"
#include "core/worder.h"

static const char *plugin_name(const struct talk *t)
{
	return t->k->name.problem == NAME_FINE ? t->k->name.name : NULL;
}

static void values_name(struct buf *b, const struct talk *t)
{
	const struct name *n = &t->k->name;

	switch (n->problem) {
	case NAME_FINE:
		buf_add(b, "the plugin is ");
		buf_escape(b, n->name);
		buf_printf(b, " (layout %s)", layout_to_string(n->layout));
		return;
	case NAME_EMPTY:
		buf_escape(b, t->k->file);
		buf_add(b, " has no NAME behind its vsmtp-plugin prefix");
		return;
	case NAME_BAD_CHARACTER:
		buf_escape(b, t->k->file);
		buf_add(b, " holds no NAME: that is letters, digits, \"-\" and \"_\", and begins "
			   "with a letter or digit");
		return;
	case NAME_BAD_VERSION:
		buf_escape(b, t->k->file);
		buf_add(b, " ends in something that begins like a version and is no full one "
			   "(MAJOR.MINOR.PATCH)");
		return;
	case NAME_PROBLEM_MAX:
	default:
		buf_add(b, "the name is not understood");
	}
}

static void values_disabled(struct buf *b, const struct talk *t)
{
	bool enabled = gate_passes(GATE_DISABLED, t->c, &t->s->server, t->k);

	if (!plugin_name(t)) {
		buf_add(b, "no NAME, so no section of the configuration speaks of it");
		return;
	}
	buf_printf(b, "%s [Plugin ", enabled ? "no Enabled=no in" : "Enabled=no in");
	buf_escape(b, plugin_name(t));
	buf_add(b, "]");
}

static void values_regular(struct buf *b, const struct talk *t)
{
	switch (t->k->facts.kind) {
	case FILE_REGULAR:
		buf_add(b, "a regular file");
		return;
	case FILE_OTHER:
		buf_add(b, "no regular file but a directory, device, socket or pipe");
		return;
	case FILE_DANGLING:
		buf_add(b, "a symlink that leads nowhere");
		return;
	case FILE_LOOP:
		buf_add(b, "a symlink that leads round in a circle");
		return;
	case FILE_KIND_MAX:
	default:
		buf_add(b, "no regular file");
	}
}

static void values_trust(struct buf *b, const struct talk *t)
{
	const struct file_facts *f = &t->k->facts;

	if (f->trust.trust != TRUST_FINE) {
		word_trust(b, &f->trust);
		return;
	}
	buf_add(b, "belongs to ");
	word_owner(b, f->signature.owner);
	buf_printf(b, ", mode %04o; every directory above it is as safe",
		   (unsigned)f->signature.mode & 07777U);
}

static void values_readable(struct buf *b, const struct talk *t)
{
	const struct file_facts *f = &t->k->facts;

	if (!f->readable) {
		buf_printf(b, "its owner may not read it (mode %04o)",
			   (unsigned)f->signature.mode & 07777U);
	} else if (f->read_error != 0) {
		buf_add(b, "reading it failed: ");
		word_error(b, f->read_error);
	} else {
		buf_add(b, "can be read");
	}
}

static void values_writing(struct buf *b, const struct talk *t)
{
	buf_add(b, t->k->facts.being_written ? "somebody has it open for writing"
					     : "nobody is known to have it open for writing");
}

static void values_elf(struct buf *b, const struct talk *t)
{
	const struct file_facts *f = &t->k->facts;

	if (f->elf.form != ELF_FORM_NOT_ELF)
		buf_add(b, "an ELF file");
	else if (f->signature.size == 0)
		buf_add(b, "it is empty (0 bytes)");
	else
		buf_printf(b,
			   "its %llu bytes do not begin as an ELF file does (0x7f \"ELF\", class, "
			   "byte order, version)",
			   (unsigned long long)f->signature.size);
}

static void values_whole(struct buf *b, const struct talk *t)
{
	const struct file_facts *f = &t->k->facts;
	unsigned long long size = f->signature.size, needs = f->elf.needs;

	if (f->elf.form != ELF_FORM_TRUNCATED)
		buf_printf(b, "all its segments lie within its %llu bytes", size);
	else if (needs > size)
		buf_printf(b, "it has %llu bytes, its headers need %llu", size, needs);
	else
		buf_printf(b,
			   "something the loader needs is not within its %llu bytes or cannot "
			   "be right",
			   size);
}

static void values_machine(struct buf *b, const struct talk *t)
{
	const struct elf_facts *e = &t->k->facts.elf;
	const struct server_facts *s = &t->s->server;

	buf_add(b, "made for ");
	word_machine(b, e->class, e->data, e->machine);
	buf_printf(b, ", %s ", s->is_elf ? "the server is" : "this machine is");
	word_machine(b, s->class, s->data, s->machine);
}

static void values_object(struct buf *b, const struct talk *t)
{
	switch (t->k->facts.elf.object) {
	case ELF_OBJECT_SHARED:
		buf_add(b, "a shared library");
		return;
	case ELF_OBJECT_NOT_DYN:
		buf_add(b, "not a shared library but an object file, a core or a program (its type "
			   "is not ET_DYN)");
		return;
	case ELF_OBJECT_PIE:
		buf_add(b, "not a shared library but a program (DF_1_PIE)");
		return;
	case ELF_OBJECT_NOOPEN:
		buf_add(b, "marked as not to be loaded (DF_1_NOOPEN)");
		return;
	case ELF_OBJECT_FOREIGN_ABI:
		buf_add(b, "made for another operating system (OS ABI neither System V nor GNU)");
		return;
	case ELF_OBJECT_NO_DYNAMIC:
		buf_add(b, "it has no dynamic section, so there is nothing to load");
		return;
	case ELF_OBJECT_MAX:
	default:
		buf_add(b, "not a shared library");
	}
}

static void values_entry(struct buf *b, const struct talk *t)
{
	switch (t->k->facts.elf.entry) {
	case ELF_ENTRY_MODULE:
		buf_add(b, "exports module_entrypoint");
		return;
	case ELF_ENTRY_TRANSPORT:
		buf_add(b, "exports deserialize_transport");
		return;
	case ELF_ENTRY_NONE:
	case ELF_ENTRY_MAX:
	default:
		buf_add(b, "exports no function module_entrypoint, nor deserialize_transport");
	}
}

static void say_version(struct buf *b, size_t *n, const char *who, const char *version)
{
	if (!version)
		return;
	buf_printf(b, "%s%s says ", *n > 0 ? ", " : "", who);
	buf_escape(b, version);
	(*n)++;
}

static void values_sources(struct buf *b, const struct talk *t)
{
	const struct candidate *k = t->k;
	const struct config_plugin *p = k->name.key ? config_find_plugin(t->c, k->name.key) : NULL;
	size_t n = 0;

	say_version(b, &n, "its name", k->name.file_version);
	say_version(b, &n, "its directory", k->name.dir_version);
	say_version(b, &n, "its note (.note.vsmtp)", k->facts.elf.note_version);
	say_version(b, &n, "the configuration (Version=)", p ? p->version : NULL);
	if (n == 0)
		buf_add(b, "neither name, directory, note nor configuration says a version");
	if (k->facts.elf.note_malformed)
		buf_add(b, "; it has a .note.vsmtp that is not understood and does not count");
}

static void values_known(struct buf *b, const struct talk *t)
{
	const char *version = gate_version(t->c, t->k);

	if (version) {
		buf_add(b, "made for vSMTP ");
		buf_escape(b, version);
		return;
	}
	buf_printf(b, "no version is known, and the configuration says Unversioned=%s",
		   unversioned_to_string(t->c->unversioned));
}

static void values_fit(struct buf *b, const struct talk *t)
{
	const char *version = gate_version(t->c, t->k);
	const struct server_facts *s = &t->s->server;

	if (version) {
		buf_add(b, "made for vSMTP ");
		buf_escape(b, version);
	} else {
		buf_add(b, "of unknown version");
	}
	switch (s->state) {
	case SERVER_KNOWN:
		buf_add(b, ", the server is ");
		buf_escape(b, s->version);
		return;
	case SERVER_UNKNOWN:
		buf_add(b, ", the server's version is not known");
		return;
	case SERVER_ABSENT:
	case SERVER_STATE_MAX:
	default:
		buf_add(b, ", vSMTP is not installed");
	}
}

static void values_libraries(struct buf *b, const struct talk *t)
{
	const struct file_facts *f = &t->k->facts;

	if (strv_len(f->missing) > 0) {
		buf_add(b, "the server's loader does not find ");
		word_list(b, f->missing);
		if (f->missing_unsure)
			buf_add(b, " as far as this process can see, so its link stays as it is; "
				   "`vsmtp-pluginctl sync` sees what vSMTP will");
	} else if (f->missing_question) {
		buf_add(b, "not judged: ");
		buf_escape(b, f->missing_question);
	} else if (strv_len(f->elf.needed) == 0) {
		buf_add(b, "needs no library");
	} else {
		buf_add(b, "needs ");
		word_list(b, f->elf.needed);
		buf_add(b, "; none is known to be missing");
	}
}

static void values_quarantine(struct buf *b, const struct talk *t)
{
	UNUSED(t);
	buf_add(b, "not in quarantine");
}

static void values_alone(struct buf *b, const struct talk *t)
{
	UNUSED(t);
	buf_add(b, "no other file of this plugin is preferred");
}

static void values_taken(struct buf *b, const struct talk *t)
{
	UNUSED(t);
	buf_add(b, "no other plugin has its link name");
}

static void values_foreign(struct buf *b, const struct talk *t)
{
	buf_add(b, "nothing made by others is in the way in ");
	buf_escape(b, t->c->links);
}

typedef void (*values_fn)(struct buf *b, const struct talk *t);

static const values_fn values[GATE_MAX] = {
	[GATE_NAME_NOT_UNDERSTOOD] = values_name,
	[GATE_DISABLED] = values_disabled,
	[GATE_NOT_REGULAR] = values_regular,
	[GATE_UNTRUSTED] = values_trust,
	[GATE_UNREADABLE] = values_readable,
	[GATE_BEING_WRITTEN] = values_writing,
	[GATE_NOT_ELF] = values_elf,
	[GATE_TRUNCATED] = values_whole,
	[GATE_WRONG_MACHINE] = values_machine,
	[GATE_NOT_SHARED_OBJECT] = values_object,
	[GATE_NO_ENTRY_POINT] = values_entry,
	[GATE_VERSION_CONFLICT] = values_sources,
	[GATE_VERSION_UNKNOWN] = values_known,
	[GATE_VERSION_MISMATCH] = values_fit,
	[GATE_MISSING_LIBRARY] = values_libraries,
	[GATE_QUARANTINED] = values_quarantine,
	[GATE_SHADOWED] = values_alone,
	[GATE_NAME_TAKEN] = values_taken,
	[GATE_FOREIGN_IN_THE_WAY] = values_foreign,
};

int wording_gate_values(const struct config *c, const struct snapshot *s, const struct candidate *k,
			enum gate g, char **ret)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	struct talk t = {.c = c, .s = s, .k = k};

	if (values[g])
		values[g](&b, &t);
	return buf_take(&b, ret);
}
