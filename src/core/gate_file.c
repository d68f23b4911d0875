/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The gates on a file as it is: kind, trust, bytes, libraries. */
#include "core/gate.h"

#include "core/wording.h"

/* ---- not-regular ---- */

static bool regular(const struct gate_case *t)
{
	return t->k->facts.kind == FILE_REGULAR;
}

static void regular_values(struct buf *b, const struct gate_case *t)
{
	static const char *const kinds[FILE_KIND_MAX] = {
		[FILE_REGULAR] = "a regular file",
		[FILE_OTHER] = "no regular file but a directory, device, socket or pipe",
		[FILE_DANGLING] = "a symlink that leads nowhere",
		[FILE_LOOP] = "a symlink that leads round in a circle",
	};

	buf_add(b, kinds[t->k->facts.kind]);
}

static void regular_cure(struct buf *b, const struct gate_case *t)
{
	bool link = t->k->facts.kind == FILE_DANGLING || t->k->facts.kind == FILE_LOOP;

	buf_add(b, link ? "point the symlink at the library, or remove it: rm "
			: "put the library itself there, or move away: ");
	word_path(b, t->k->path);
}

/* ---- untrusted ---- */

static bool trusted(const struct gate_case *t)
{
	return t->k->facts.trust.trust == TRUST_FINE;
}

static void trusted_values(struct buf *b, const struct gate_case *t)
{
	const struct signature *s = &t->k->facts.signature;

	if (!trusted(t)) {
		word_trust(b, &t->k->facts.trust);
		return;
	}
	buf_add(b, "belongs to ");
	word_owner(b, s->owner);
	buf_printf(b, ", mode %04o; every directory above it is as safe",
		   (unsigned)s->mode & 07777U);
}

static void trusted_cure(struct buf *b, const struct gate_case *t)
{
	word_trust_cure(b, t->c->require_root_owned, &t->k->facts.trust);
}

/* ---- unreadable ---- */

static bool readable(const struct gate_case *t)
{
	return t->k->facts.readable && t->k->facts.read_error == 0;
}

static void readable_values(struct buf *b, const struct gate_case *t)
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

static void readable_cure(struct buf *b, const struct gate_case *t)
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

/* ---- being-written ---- */

static bool not_being_written(const struct gate_case *t)
{
	return !t->k->facts.being_written;
}

static void writing_values(struct buf *b, const struct gate_case *t)
{
	buf_add(b, t->k->facts.being_written ? "somebody has it open for writing"
					     : "nobody is known to have it open for writing");
}

/* ---- not-elf ---- */

static bool is_elf(const struct gate_case *t)
{
	return t->k->facts.elf.form != ELF_FORM_NOT_ELF;
}

static void elf_values(struct buf *b, const struct gate_case *t)
{
	const struct file_facts *f = &t->k->facts;

	if (is_elf(t))
		buf_add(b, "an ELF file");
	else if (f->signature.size == 0)
		buf_add(b, "it is empty (0 bytes)");
	else
		buf_printf(b,
			   "its %llu bytes do not begin as an ELF file does (0x7f \"ELF\", class, "
			   "byte order, version)",
			   (unsigned long long)f->signature.size);
}

/* ---- truncated ---- */

static bool whole(const struct gate_case *t)
{
	return t->k->facts.elf.form != ELF_FORM_TRUNCATED;
}

static void whole_values(struct buf *b, const struct gate_case *t)
{
	unsigned long long size = t->k->facts.signature.size, needs = t->k->facts.elf.needs;

	if (whole(t))
		buf_printf(b, "all its segments lie within its %llu bytes", size);
	else if (needs > size)
		buf_printf(b, "it has %llu bytes, its headers need %llu", size, needs);
	else
		buf_printf(b,
			   "something the loader needs is not within its %llu bytes or cannot "
			   "be right",
			   size);
}

/* ---- wrong-machine ---- */

static bool same_machine(const struct gate_case *t)
{
	const struct elf_facts *e = &t->k->facts.elf;
	const struct server_facts *s = t->server;

	return e->class == s->class && e->data == s->data && e->machine == s->machine;
}

static void machine_values(struct buf *b, const struct gate_case *t)
{
	const struct elf_facts *e = &t->k->facts.elf;
	const struct server_facts *s = t->server;

	buf_add(b, "made for ");
	word_machine(b, e->class, e->data, e->machine);
	buf_add(b, s->is_elf ? ", the server is " : ", this machine is ");
	word_machine(b, s->class, s->data, s->machine);
}

static void machine_cure(struct buf *b, const struct gate_case *t)
{
	buf_printf(b, "install the build of %s for ", gate_plugin(t));
	word_machine(b, t->server->class, t->server->data, t->server->machine);
}

/* ---- not-shared-object ---- */

static bool shared_object(const struct gate_case *t)
{
	return t->k->facts.elf.object == ELF_OBJECT_SHARED;
}

static void object_values(struct buf *b, const struct gate_case *t)
{
	static const char *const objects[ELF_OBJECT_MAX] = {
		[ELF_OBJECT_SHARED] = "a shared library",
		[ELF_OBJECT_NOT_DYN] = ("not a shared library but an object file, a core or a "
					"program (its type is not ET_DYN)"),
		[ELF_OBJECT_PIE] = "not a shared library but a program (DF_1_PIE)",
		[ELF_OBJECT_NOOPEN] = "marked as not to be loaded (DF_1_NOOPEN)",
		[ELF_OBJECT_FOREIGN_ABI] =
			"made for another operating system (OS ABI neither System V nor GNU)",
		[ELF_OBJECT_NO_DYNAMIC] = "it has no dynamic section, so there is nothing to load",
	};

	buf_add(b, objects[t->k->facts.elf.object]);
}

/* ---- no-entry-point ---- */

static bool entry_point(const struct gate_case *t)
{
	return t->k->facts.elf.entry != ELF_ENTRY_NONE;
}

static void entry_values(struct buf *b, const struct gate_case *t)
{
	static const char *const entries[ELF_ENTRY_MAX] = {
		[ELF_ENTRY_NONE] =
			"exports no function module_entrypoint, nor deserialize_transport",
		[ELF_ENTRY_MODULE] = "exports module_entrypoint",
		[ELF_ENTRY_TRANSPORT] = "exports deserialize_transport",
	};

	buf_add(b, entries[t->k->facts.elf.entry]);
}

/* ---- missing-library ---- */

static bool libraries_found(const struct gate_case *t)
{
	return strv_len(t->k->facts.missing) == 0;
}

static void libraries_values(struct buf *b, const struct gate_case *t)
{
	const struct file_facts *f = &t->k->facts;

	if (!libraries_found(t)) {
		buf_add(b, "the server's loader does not find ");
		word_list(b, f->missing);
		if (f->missing_unsure)
			buf_add(b, " as far as this process can see, so its link stays as it is; "
				   "`vsmtp-pluginctl sync` sees what vSMTP will");
	} else if (f->missing_question) {
		buf_printf(b, "not judged: %s", f->missing_question);
	} else if (strv_len(f->elf.needed) == 0) {
		buf_add(b, "needs no library");
	} else {
		buf_add(b, "needs ");
		word_list(b, f->elf.needed);
		buf_add(b, "; none is known to be missing");
	}
}

static void libraries_cure(struct buf *b, const struct gate_case *t)
{
	buf_add(b, "install the packages that hold ");
	word_list(b, t->k->facts.missing);
	buf_add(b, " (and run ldconfig)");
}

const struct gate_row gate_file_rows[GATE_MAX] = {
	[GATE_NOT_REGULAR] = {"not-regular", regular, regular_values, regular_cure},
	[GATE_UNTRUSTED] = {"untrusted", trusted, trusted_values, trusted_cure},
	[GATE_UNREADABLE] = {"unreadable", readable, readable_values, readable_cure},
	[GATE_BEING_WRITTEN] = {"being-written", not_being_written, writing_values, NULL,
				"it is looked at again when they close it"},
	[GATE_NOT_ELF] = {"not-elf", is_elf, elf_values, NULL,
			  "put the compiled library there, or move this file out of the store"},
	[GATE_TRUNCATED] = {"truncated", whole, whole_values, NULL,
			    "copy or install it again, whole (a rename into the store is never "
			    "half-done)"},
	[GATE_WRONG_MACHINE] = {"wrong-machine", same_machine, machine_values, machine_cure},
	[GATE_NOT_SHARED_OBJECT] = {"not-shared-object", shared_object, object_values, NULL,
				    "link it as a shared library (cc -shared; in Rust crate-type = "
				    "[\"cdylib\"]), or move it out of the store"},
	[GATE_NO_ENTRY_POINT] = {"no-entry-point", entry_point, entry_values, NULL,
				 "this is no plugin of vSMTP: export the entry point, or move the "
				 "file out of the store"},
	[GATE_MISSING_LIBRARY] = {"missing-library", libraries_found, libraries_values,
				  libraries_cure},
};
