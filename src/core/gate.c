/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/plan.h"

#include "base/str.h"
#include "core/version.h"

const char *gate_version(const struct config *c, const struct candidate *k)
{
	const struct config_plugin *p;

	if (k->name.file_version)
		return k->name.file_version;
	if (k->name.dir_version)
		return k->name.dir_version;
	if (k->facts.elf.note_version)
		return k->facts.elf.note_version;
	p = k->name.key ? config_find_plugin(c, k->name.key) : NULL;
	return p ? p->version : NULL;
}

static bool disagree(const char *a, const char *b)
{
	return a && b && !version_equal(a, b);
}

static bool versions_agree(const struct config *c, const struct candidate *k)
{
	const struct config_plugin *p = k->name.key ? config_find_plugin(c, k->name.key) : NULL;
	const char *said[] = {
		k->name.file_version,
		k->name.dir_version,
		k->facts.elf.note_version,
		p ? p->version : NULL,
	};

	for (size_t i = 0; i < ELEMENTSOF(said); i++)
		for (size_t j = i + 1; j < ELEMENTSOF(said); j++)
			if (disagree(said[i], said[j]))
				return false;
	return true;
}

static bool name_understood(const struct config *c _unused_, const struct server_facts *s _unused_,
			    const struct candidate *k)
{
	return k->name.problem == NAME_FINE;
}

static bool enabled(const struct config *c, const struct server_facts *s _unused_,
		    const struct candidate *k)
{
	const struct config_plugin *p = k->name.key ? config_find_plugin(c, k->name.key) : NULL;

	return !p || p->enabled != 0;
}

static bool regular(const struct config *c _unused_, const struct server_facts *s _unused_,
		    const struct candidate *k)
{
	return k->facts.kind == FILE_REGULAR;
}

static bool trusted(const struct config *c _unused_, const struct server_facts *s _unused_,
		    const struct candidate *k)
{
	return k->facts.trust.trust == TRUST_FINE;
}

static bool readable(const struct config *c _unused_, const struct server_facts *s _unused_,
		     const struct candidate *k)
{
	return k->facts.readable && k->facts.read_error == 0;
}

static bool not_being_written(const struct config *c _unused_,
			      const struct server_facts *s _unused_, const struct candidate *k)
{
	return !k->facts.being_written;
}

static bool is_elf(const struct config *c _unused_, const struct server_facts *s _unused_,
		   const struct candidate *k)
{
	return k->facts.elf.form != ELF_FORM_NOT_ELF;
}

static bool whole(const struct config *c _unused_, const struct server_facts *s _unused_,
		  const struct candidate *k)
{
	return k->facts.elf.form != ELF_FORM_TRUNCATED;
}

static bool same_machine(const struct config *c _unused_, const struct server_facts *s,
			 const struct candidate *k)
{
	const struct elf_facts *e = &k->facts.elf;

	return e->class == s->class && e->data == s->data && e->machine == s->machine;
}

static bool shared_object(const struct config *c _unused_, const struct server_facts *s _unused_,
			  const struct candidate *k)
{
	return k->facts.elf.object == ELF_OBJECT_SHARED;
}

static bool entry_point(const struct config *c _unused_, const struct server_facts *s _unused_,
			const struct candidate *k)
{
	return k->facts.elf.entry != ELF_ENTRY_NONE;
}

static bool no_conflict(const struct config *c, const struct server_facts *s _unused_,
			const struct candidate *k)
{
	return versions_agree(c, k);
}

static bool version_known(const struct config *c, const struct server_facts *s _unused_,
			  const struct candidate *k)
{
	return gate_version(c, k) || c->unversioned == UNVERSIONED_LINK;
}

/* Without a server nothing fits; without its version only what claims none might, and rule 9 keeps
 * that from becoming a change. */
static bool version_fits(const struct config *c, const struct server_facts *s,
			 const struct candidate *k)
{
	const char *version = gate_version(c, k);

	if (s->state != SERVER_KNOWN)
		return false;
	return !version || version_equal(version, s->version);
}

static bool libraries_found(const struct config *c _unused_, const struct server_facts *s _unused_,
			    const struct candidate *k)
{
	return strv_len(k->facts.missing) == 0;
}

typedef bool (*gate_fn)(const struct config *, const struct server_facts *,
			const struct candidate *);

static const gate_fn gates[GATE_MAX] = {
	[GATE_NAME_NOT_UNDERSTOOD] = name_understood,
	[GATE_DISABLED] = enabled,
	[GATE_NOT_REGULAR] = regular,
	[GATE_UNTRUSTED] = trusted,
	[GATE_UNREADABLE] = readable,
	[GATE_BEING_WRITTEN] = not_being_written,
	[GATE_NOT_ELF] = is_elf,
	[GATE_TRUNCATED] = whole,
	[GATE_WRONG_MACHINE] = same_machine,
	[GATE_NOT_SHARED_OBJECT] = shared_object,
	[GATE_NO_ENTRY_POINT] = entry_point,
	[GATE_VERSION_CONFLICT] = no_conflict,
	[GATE_VERSION_UNKNOWN] = version_known,
	[GATE_VERSION_MISMATCH] = version_fits,
	[GATE_MISSING_LIBRARY] = libraries_found,
};

bool gate_passes(enum gate g, const struct config *c, const struct server_facts *s,
		 const struct candidate *k)
{
	return !gates[g] || gates[g](c, s, k);
}

enum gate gate_judge(const struct config *c, const struct server_facts *s,
		     const struct candidate *k)
{
	for (enum gate g = GATE_LINKED + 1; g < GATE_SHADOWED; g++)
		if (!gate_passes(g, c, s, k))
			return g;
	return GATE_LINKED;
}
