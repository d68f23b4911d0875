/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Words for the server, machines, trust and findings; pieces that all other sentences are made
 * from. */
#include "core/worder.h"

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

void word_entry(struct buf *b, const char *dir, const char *name)
{
	_cleanup_free_ char *path = NULL;

	if (asprintf(&path, "%s/%s", dir, name) < 0) {
		path = NULL;
		b->failed = true;
	}
	word_path(b, path);
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
	buf_escape(b, t->path);
	if (t->trust == TRUST_OWNER) {
		buf_add(b, " belongs to ");
		word_owner(b, t->owner);
		buf_printf(b, " (mode %04o), not to root", (unsigned)t->mode & 07777U);
	} else {
		buf_add(b, " may be written by others than its owner (owner ");
		word_owner(b, t->owner);
		buf_printf(b, ", group %u, mode %04o)", (unsigned)t->group,
			   (unsigned)t->mode & 07777U);
	}
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
	if (s->doubt == SERVER_DOUBT_NONE)
		return;
	if (s->doubt != SERVER_DOUBT_UNTRUSTED || !s->program.trust.path) {
		buf_escape(b, c->program);
		buf_add(b, " ");
	}
	switch (s->doubt) {
	case SERVER_DOUBT_UNTRUSTED:
		if (!s->program.trust.path) {
			buf_add(b, "lies where the daemon may write, so it is not run; cure: "
				   "name one elsewhere with Program=");
			return;
		}
		word_trust(b, &s->program.trust);
		buf_add(b, ", so it is not run; cure: ");
		word_trust_cure(b, c->require_root_owned, &s->program.trust);
		return;
	case SERVER_DOUBT_NOT_ASKED:
		buf_add(b, "is not run below another root without --ask-program");
		return;
	case SERVER_DOUBT_NOT_RUN:
		buf_add(b, "could not be run: ");
		word_error(b, s->doubt_number);
		return;
	case SERVER_DOUBT_HANGS:
		buf_add(b, "gave no answer to --version in time");
		return;
	case SERVER_DOUBT_FLOODS:
		buf_add(b, "answers --version with far too many bytes");
		return;
	case SERVER_DOUBT_SIGNAL:
		buf_printf(b, "was killed by signal %d when asked for --version", s->doubt_number);
		return;
	case SERVER_DOUBT_STATUS:
		buf_printf(b, "ended with status %d when asked for --version", s->doubt_number);
		return;
	case SERVER_DOUBT_NONSENSE:
		buf_add(b, "answers --version with \"");
		buf_escape(b, s->doubt_text);
		buf_add(b, "\"");
		return;
	case SERVER_DOUBT_UNREADABLE:
		buf_add(b, "cannot be looked at: ");
		word_error(b, s->doubt_number);
		return;
	case SERVER_DOUBT_NONE:
	case SERVER_DOUBT_MAX:
	default:
		buf_add(b, "gave no version");
	}
}

static void add_source(struct buf *b, const struct config *c, const struct server_facts *s)
{
	switch (s->source) {
	case VERSION_SOURCE_CONFIG:
		buf_add(b, " (Version= in the configuration)");
		return;
	case VERSION_SOURCE_PROGRAM:
		buf_add(b, " (says ");
		buf_escape(b, c->program);
		buf_add(b, ")");
		return;
	case VERSION_SOURCE_DPKG:
	case VERSION_SOURCE_RPM:
		buf_printf(b, " (says %s", s->source == VERSION_SOURCE_DPKG ? "dpkg" : "rpm");
		if (s->doubt != SERVER_DOUBT_NONE) {
			buf_add(b, "; ");
			word_doubt(b, c, s);
		}
		buf_add(b, ")");
		return;
	case VERSION_SOURCE_NONE:
	case VERSION_SOURCE_MAX:
	default:
		return;
	}
}

int wording_server(const struct config *c, const struct server_facts *s, char **ret)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	if (s->state == SERVER_KNOWN) {
		buf_add(&b, "vSMTP ");
		buf_escape(&b, s->version);
		add_source(&b, c, s);
	} else if (s->state == SERVER_UNKNOWN) {
		buf_add(&b, "vSMTP's version is not known: ");
		word_doubt(&b, c, s);
	} else {
		buf_add(&b, "vSMTP is not installed (no ");
		buf_escape(&b, c->program);
		buf_add(&b, ")");
	}
	return buf_take(&b, ret);
}

/* ---- findings on links ---- */

static void add_untrusted(struct buf *b, const struct config *c, const struct finding *f)
{
	if (f->code == FINDING_UNTRUSTED_ENTRY) {
		buf_escape(b, f->link);
		buf_add(b, " would be loaded as root, and others than root control it "
			   "(untrusted-entry): ");
	} else {
		buf_add(b, "others than root could put another directory in the place of ");
		buf_escape(b, f->link);
		buf_add(b, " (untrusted-parent): ");
	}
	word_trust(b, &f->trust);
	if (f->code == FINDING_UNTRUSTED_PARENT) {
		buf_add(b, "; cure: ");
		word_trust_cure(b, c->require_root_owned, &f->trust);
		return;
	}
	buf_add(b, "; cure, if you know it: ");
	word_trust_cure(b, c->require_root_owned, &f->trust);
	buf_add(b, "; if not: rm ");
	word_entry(b, c->links, f->link);
}

int wording_finding(const struct config *c, const struct finding *f, char **ret)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	if (f->trust.trust != TRUST_FINE) {
		add_untrusted(&b, c, f);
		return buf_take(&b, ret);
	}
	buf_escape(&b, f->link);
	if (f->code == FINDING_DUPLICATE_LINK) {
		buf_add(&b, " and ");
		buf_escape(&b, f->other);
		buf_add(&b, " lead to one plugin (duplicate-link): vSMTP ends at start if scripts "
			    "import both; remove the one that none imports");
	} else if (f->code == FINDING_UNVERSIONED_KEPT) {
		buf_add(&b, " leads to ");
		buf_escape(&b, f->other);
		buf_printf(&b,
			   ", which says no version; it was linked for vSMTP %s and is kept for "
			   "%s (unversioned-kept): the first suspect if vSMTP fails; cure: get a "
			   "build for %s, say Version=%s in [Plugin %s] if it is one, or "
			   "vsmtp-pluginctl disable %s",
			   f->was_for, f->is_for, f->is_for, f->is_for, f->name, f->name);
	} else {
		buf_add(&b, " leads to what looks like a plugin outside every store "
			    "(store-not-listed): it is left alone; name its directory in Store= to "
			    "have it kept");
	}
	return buf_take(&b, ret);
}
