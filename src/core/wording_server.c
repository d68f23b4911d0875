/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Words for the server, machines, trust and findings; pieces of all other sentences. */
#include "core/wording.h"

#include <elf.h>

void word_path(struct buf *b, const char *path)
{
	static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "0123456789/._+-:,@%=";
	_cleanup_free_ char *escaped = NULL;

	if (!path)
		return;
	if (path[strspn(path, safe)] == '\0') {
		buf_add(b, path);
		return;
	}
	escaped = str_escape(path);
	if (!escaped) {
		b->failed = true;
		return;
	}
	buf_add(b, "$'");
	for (const char *p = escaped; *p; p++)
		if (*p == '\'')
			buf_add(b, "\\x27");
		else
			buf_add_len(b, p, 1);
	buf_add(b, "'");
}

void word_owner(struct buf *b, uint32_t owner)
{
	if (owner == 0)
		buf_add(b, "root");
	else
		buf_printf(b, "user %u", (unsigned)owner);
}

void word_machine(struct buf *b, uint8_t class, uint8_t data, uint16_t machine)
{
	static const struct {
		uint16_t machine;
		const char *name;
	} known[] = {
		{EM_X86_64, "x86-64"},
		{EM_386, "i386"},
		{EM_AARCH64, "AArch64"},
		{EM_ARM, "ARM"},
		{EM_RISCV, "RISC-V"},
		{EM_PPC64, "PowerPC 64"},
		{EM_PPC, "PowerPC"},
		{EM_S390, "S/390"},
		{EM_MIPS, "MIPS"},
		{EM_SPARCV9, "SPARC"},
		{258 /* newer */, "LoongArch"},
	};

	buf_printf(b, "%s-bit %s-endian ",
		   class == ELFCLASS64   ? "64"
		   : class == ELFCLASS32 ? "32"
					 : "?",
		   data == ELFDATA2LSB   ? "little"
		   : data == ELFDATA2MSB ? "big"
					 : "?");
	for (size_t i = 0; i < ELEMENTSOF(known); i++)
		if (known[i].machine == machine) {
			buf_add(b, known[i].name);
			return;
		}
	buf_printf(b, "machine %u", machine);
}

void word_error(struct buf *b, int error)
{
	const char *text = strerrordesc_np(error < 0 ? -error : error);

	if (text)
		buf_add(b, text);
	else
		buf_printf(b, "error %d", error);
}

void word_trust(struct buf *b, const struct trust_facts *t)
{
	unsigned mode = (unsigned)t->mode & 07777U;

	buf_printf(b,
		   t->trust == TRUST_OWNER ? "%s belongs to "
					   : "%s may be written by others than its owner (owner ",
		   t->path);
	word_owner(b, t->owner);
	if (t->trust == TRUST_OWNER)
		buf_printf(b, " (mode %04o), not to root", mode);
	else
		buf_printf(b, ", group %u, mode %04o)", (unsigned)t->group, mode);
}

void word_trust_cure(struct buf *b, bool root_owned, const struct trust_facts *t)
{
	bool writable = (t->mode & 022U) != 0;
	bool owner = t->trust == TRUST_OWNER || (t->owner != 0 && root_owned);

	if (owner) {
		buf_add(b, "chown root ");
		word_path(b, t->path);
	}
	if (writable) {
		buf_add(b, owner ? " && chmod go-w " : "chmod go-w ");
		word_path(b, t->path);
	}
}

void word_list(struct buf *b, char *const *l)
{
	size_t n = strv_len(l);

	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			buf_add(b, i + 1 == n ? " and " : ", ");
		buf_escape(b, l[i]);
	}
}

void word_doubt(struct buf *b, const struct config *c, const struct server_facts *s)
{
	static const char *const doubts[SERVER_DOUBT_MAX] = {
		[SERVER_DOUBT_NOT_ASKED] = "is not run below another root without --ask-program",
		[SERVER_DOUBT_NOT_RUN] = "could not be run: ",
		[SERVER_DOUBT_HANGS] = "gave no answer to --version in time",
		[SERVER_DOUBT_FLOODS] = "answers --version with far too many bytes",
		[SERVER_DOUBT_UNREADABLE] = "cannot be looked at: ",
	};

	if (s->doubt == SERVER_DOUBT_NONE)
		return;
	if (s->doubt == SERVER_DOUBT_UNTRUSTED && s->program.trust.path) {
		word_trust(b, &s->program.trust);
		buf_add(b, ", so it is not run; cure: ");
		word_trust_cure(b, c->require_root_owned, &s->program.trust);
		return;
	}
	buf_printf(b, "%s %s", c->program, doubts[s->doubt]);
	if (s->doubt == SERVER_DOUBT_UNTRUSTED)
		buf_add(b, "lies where the daemon may write, so it is not run; cure: name one "
			   "elsewhere with Program=");
	else if (s->doubt == SERVER_DOUBT_SIGNAL)
		buf_printf(b, "was killed by signal %d when asked for --version", s->doubt_number);
	else if (s->doubt == SERVER_DOUBT_STATUS)
		buf_printf(b, "ended with status %d when asked for --version", s->doubt_number);
	else if (s->doubt == SERVER_DOUBT_NONSENSE)
		buf_printf(b, "answers --version with \"%s\"", s->doubt_text);
	else if (s->doubt == SERVER_DOUBT_NOT_RUN || s->doubt == SERVER_DOUBT_UNREADABLE)
		word_error(b, s->doubt_number);
}

void word_server(struct buf *b, const struct config *c, const struct server_facts *s)
{
	if (s->state == SERVER_ABSENT) {
		buf_printf(b, "vSMTP is not installed (no %s)", c->program);
		return;
	}
	if (s->state == SERVER_UNKNOWN) {
		buf_add(b, "vSMTP's version is not known: ");
		word_doubt(b, c, s);
		return;
	}
	buf_printf(b, "vSMTP %s", s->version);
	if (s->source == VERSION_SOURCE_CONFIG) {
		buf_add(b, " (Version= in the configuration)");
	} else if (s->source == VERSION_SOURCE_PROGRAM) {
		buf_printf(b, " (says %s)", c->program);
	} else if (s->source != VERSION_SOURCE_NONE) {
		buf_printf(b, " (says %s%s", version_source_to_string(s->source),
			   s->doubt != SERVER_DOUBT_NONE ? "; " : "");
		word_doubt(b, c, s);
		buf_add(b, ")");
	}
}

/* ---- findings on links ---- */

static void add_untrusted(struct buf *b, const struct config *c, const struct finding *f)
{
	bool entry = f->code == FINDING_UNTRUSTED_ENTRY;
	_cleanup_buf_ struct buf path = BUF_INIT;

	buf_printf(b,
		   entry ? "%s would be loaded as root, and others than root control it "
			   "(untrusted-entry): "
			 : "others than root could put another directory in the place of %s "
			   "(untrusted-parent): ",
		   f->link);
	word_trust(b, &f->trust);
	buf_add(b, entry ? "; cure, if you know it: " : "; cure: ");
	word_trust_cure(b, c->require_root_owned, &f->trust);
	if (!entry)
		return;
	buf_add(&path, c->links);
	buf_add(&path, "/");
	buf_add(&path, f->link);
	buf_add(b, "; if not: rm ");
	word_path(b, path.data);
}

void word_finding(struct buf *b, const struct config *c, const struct finding *f)
{
	if (f->trust.trust != TRUST_FINE)
		add_untrusted(b, c, f);
	else if (f->code == FINDING_DUPLICATE_LINK)
		buf_printf(b,
			   "%s and %s lead to one plugin (duplicate-link): vSMTP ends at start if "
			   "scripts import both; remove the one that none imports",
			   f->link, f->other);
	else if (f->code == FINDING_UNVERSIONED_KEPT)
		buf_printf(b,
			   "%s leads to %s, which says no version; it was linked for vSMTP %s and "
			   "is kept for %s (unversioned-kept): the first suspect if vSMTP fails; "
			   "cure: get a build for %s, say Version=%s in [Plugin %s] if it is one, "
			   "or vsmtp-pluginctl disable %s",
			   f->link, f->other, f->was_for, f->is_for, f->is_for, f->is_for, f->name,
			   f->name);
	else
		buf_printf(b,
			   "%s leads to what looks like a plugin outside every store "
			   "(store-not-listed): it is left alone; name its directory in Store= to "
			   "have it kept",
			   f->link);
}
