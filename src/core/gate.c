/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/gate.h"

#include "core/version.h"
#include "core/wording.h"

static const struct config_plugin *section_of(const struct config *c, const struct candidate *k)
{
	return k->name.key ? config_find_plugin(c, k->name.key) : NULL;
}

/* What the four sources say, in the order of their weight; NULL: nothing. */
enum {
	SOURCE_NAME,
	SOURCE_DIRECTORY,
	SOURCE_NOTE,
	SOURCE_CONFIG,
	SOURCE_MAX,
};

static void ask_sources(const struct config *c, const struct candidate *k,
			const char *ret[SOURCE_MAX])
{
	const struct config_plugin *p = section_of(c, k);

	ret[SOURCE_NAME] = k->name.file_version;
	ret[SOURCE_DIRECTORY] = k->name.dir_version;
	ret[SOURCE_NOTE] = k->facts.elf.note_version;
	ret[SOURCE_CONFIG] = p ? p->version : NULL;
}

const char *gate_version(const struct config *c, const struct candidate *k)
{
	const char *said[SOURCE_MAX];

	ask_sources(c, k, said);
	for (size_t i = 0; i < SOURCE_MAX; i++)
		if (said[i])
			return said[i];
	return NULL;
}

const char *gate_plugin(const struct gate_case *t)
{
	return t->k->name.problem == NAME_FINE ? t->k->name.name : "NAME";
}

/* ---- name-not-understood ---- */

static bool name_understood(const struct gate_case *t)
{
	return t->k->name.problem == NAME_FINE;
}

static void name_values(struct buf *b, const struct gate_case *t)
{
	static const char *const problems[NAME_PROBLEM_MAX] = {
		[NAME_EMPTY] = "has no NAME behind its vsmtp-plugin prefix",
		[NAME_BAD_CHARACTER] =
			"holds no NAME: that is letters, digits, \"-\" and \"_\", and begins with "
			"a letter or digit",
		[NAME_BAD_VERSION] =
			"ends in something that begins like a version and is no full one "
			"(MAJOR.MINOR.PATCH)",
	};
	const struct name *n = &t->k->name;

	if (n->problem == NAME_FINE)
		buf_printf(b, "the plugin is %s (layout %s)", n->name, layout_to_string(n->layout));
	else
		buf_printf(b, "%s %s", t->k->file, problems[n->problem]);
}

/* ---- disabled ---- */

static bool enabled(const struct gate_case *t)
{
	const struct config_plugin *p = section_of(t->c, t->k);

	return !p || p->enabled != 0;
}

static void enabled_values(struct buf *b, const struct gate_case *t)
{
	if (t->k->name.problem != NAME_FINE)
		buf_add(b, "no NAME, so no section of the configuration speaks of it");
	else
		buf_printf(b, "%sEnabled=no in [Plugin %s]", enabled(t) ? "no " : "",
			   t->k->name.name);
}

static void enabled_cure(struct buf *b, const struct gate_case *t)
{
	buf_printf(b, "vsmtp-pluginctl enable %s", gate_plugin(t));
}

/* ---- version-conflict ---- */

static bool no_conflict(const struct gate_case *t)
{
	const char *said[SOURCE_MAX];

	ask_sources(t->c, t->k, said);
	for (size_t i = 0; i < SOURCE_MAX; i++)
		for (size_t j = i + 1; j < SOURCE_MAX; j++)
			if (said[i] && said[j] && !version_equal(said[i], said[j]))
				return false;
	return true;
}

static void conflict_values(struct buf *b, const struct gate_case *t)
{
	static const char *const who[SOURCE_MAX] = {
		[SOURCE_NAME] = "its name",
		[SOURCE_DIRECTORY] = "its directory",
		[SOURCE_NOTE] = "its note (.note.vsmtp)",
		[SOURCE_CONFIG] = "the configuration (Version=)",
	};
	const char *said[SOURCE_MAX], *comma = "";

	ask_sources(t->c, t->k, said);
	for (size_t i = 0; i < SOURCE_MAX; i++) {
		if (!said[i])
			continue;
		buf_printf(b, "%s%s says %s", comma, who[i], said[i]);
		comma = ", ";
	}
	if (!*comma)
		buf_add(b, "neither name, directory, note nor configuration says a version");
	if (t->k->facts.elf.note_malformed)
		buf_add(b, "; it has a .note.vsmtp that is not understood and does not count");
}

static void conflict_cure(struct buf *b, const struct gate_case *t)
{
	const struct config_plugin *p = section_of(t->c, t->k);

	buf_add(b, "install a file whose name and contents agree");
	if (p && p->version)
		buf_printf(b, ", or take Version= out of [Plugin %s]", gate_plugin(t));
}

/* ---- version-unknown ---- */

static bool version_known(const struct gate_case *t)
{
	return gate_version(t->c, t->k) || t->c->unversioned == UNVERSIONED_LINK;
}

static void known_values(struct buf *b, const struct gate_case *t)
{
	const char *version = gate_version(t->c, t->k);

	if (version)
		buf_printf(b, "made for vSMTP %s", version);
	else
		buf_printf(b, "no version is known, and the configuration says Unversioned=%s",
			   unversioned_to_string(t->c->unversioned));
}

static void known_cure(struct buf *b, const struct gate_case *t)
{
	buf_printf(b,
		   "name it libvsmtp-plugin-%s-VERSION.so, or set Version= in [Plugin %s], or "
		   "Unversioned=link in [Plugind]",
		   gate_plugin(t), gate_plugin(t));
}

/* ---- version-mismatch ---- */

/* Without a server nothing fits; without its version only what claims none might, and rule 9 keeps
 * that from becoming a change. */
static bool version_fits(const struct gate_case *t)
{
	const char *version = gate_version(t->c, t->k);

	if (t->server->state != SERVER_KNOWN)
		return false;
	return !version || version_equal(version, t->server->version);
}

static void fit_values(struct buf *b, const struct gate_case *t)
{
	const char *version = gate_version(t->c, t->k);

	buf_printf(b, version ? "made for vSMTP %s, " : "of unknown version, ", version);
	if (t->server->state == SERVER_KNOWN)
		buf_printf(b, "the server is %s", t->server->version);
	else
		buf_add(b, t->server->state == SERVER_UNKNOWN ? "the server's version is not known"
							      : "vSMTP is not installed");
}

static void fit_cure(struct buf *b, const struct gate_case *t)
{
	const char *version = gate_version(t->c, t->k);
	const struct server_facts *s = t->server;
	bool newer =
		s->state == SERVER_KNOWN && version && version_compare(version, s->version) > 0;

	if (s->state == SERVER_UNKNOWN) {
		buf_add(b, "let the server answer --version (");
		word_doubt(b, t->c, s);
		buf_add(b, "), or set Version= in [Plugind]");
		return;
	}
	if (s->state != SERVER_KNOWN) {
		buf_printf(b, "install vSMTP%s%s", version ? " " : "", version);
		return;
	}
	if (newer)
		buf_printf(b, "upgrade vSMTP to %s, or ", version);
	buf_printf(b, "install the build of %s for vSMTP %s%s", gate_plugin(t), s->version,
		   newer ? "" : " (its package's next version), or hold vsmtp back");
}

/* ---- quarantined ---- */

static void quarantine_values(struct buf *b, const struct gate_case *t _unused_)
{
	buf_add(b, "not in quarantine");
}

static void quarantine_cure(struct buf *b, const struct gate_case *t)
{
	buf_printf(b, "install another build of %s", gate_plugin(t));
}

/* ---- shadowed ---- */

static bool is_verdict(const struct gate_case *t, enum gate g)
{
	return t->v && t->v->gate == g;
}

static const struct candidate *find_rival(const struct gate_case *t)
{
	for (size_t i = 0; t->s && i < t->s->n_candidates; i++)
		if (str_eq(t->s->candidates[i].path, t->v->rival))
			return &t->s->candidates[i];
	return NULL;
}

static void shadowed_values(struct buf *b, const struct gate_case *t)
{
	const struct candidate *k = t->k, *rival;

	if (!is_verdict(t, GATE_SHADOWED)) {
		buf_add(b, "no other file of this plugin is preferred");
		return;
	}
	rival = find_rival(t);
	buf_printf(b, "%s is preferred", t->v->rival);
	if (!rival)
		return;
	buf_add(b, ": ");
	if (!str_eq(k->name.key, rival->name.key))
		buf_add(b, "it is the same file under another name");
	else if (rival->store != k->store)
		buf_add(b, "its store comes first");
	else if (rival->name.layout < k->name.layout)
		buf_printf(b, "layout %s comes before %s", layout_to_string(rival->name.layout),
			   layout_to_string(k->name.layout));
	else if (str_eq(gate_version(t->c, rival), t->server->version) &&
		 !str_eq(gate_version(t->c, k), t->server->version))
		buf_add(b, "its version is written just as the server's");
	else
		buf_add(b, "its path sorts first, or its link is there already");
}

/* ---- name-taken ---- */

static void taken_values(struct buf *b, const struct gate_case *t)
{
	if (is_verdict(t, GATE_NAME_TAKEN))
		buf_printf(b, "the link name %s belongs to plugin %s", t->v->wanted, t->v->rival);
	else
		buf_add(b, "no other plugin has its link name");
}

static void taken_cure(struct buf *b, const struct gate_case *t)
{
	buf_printf(b, "give it another one: LinkName= in [Plugin %s]", gate_plugin(t));
}

/* ---- foreign-in-the-way ---- */

/* The administrator's own link or file is the very same library: nothing is in need of a cure. */
static bool serves_itself(const struct gate_case *t)
{
	const struct link *l = NULL;
	const struct signature *g = &t->k->facts.signature;

	if (is_verdict(t, GATE_FOREIGN_IN_THE_WAY) && t->v->rival)
		l = snapshot_find_link(t->s, t->v->rival);
	return l && !l->dangling && l->target_inode == g->inode && l->target_device == g->device;
}

static void foreign_values(struct buf *b, const struct gate_case *t)
{
	if (is_verdict(t, GATE_FOREIGN_IN_THE_WAY))
		buf_printf(b, "%s/%s%s", t->c->links, t->v->rival,
			   serves_itself(t) ? ", made by hand, is this very file"
					    : " was not made by this kit and has the name");
	else
		buf_printf(b, "nothing made by others is in the way in %s", t->c->links);
}

static void foreign_cure(struct buf *b, const struct gate_case *t)
{
	if (serves_itself(t))
		buf_add(b, "nothing needs to be done: vSMTP loads it; remove that entry and the "
			   "kit makes its own link");
	else
		buf_printf(b, "remove that entry, or set another LinkName= in [Plugin %s]",
			   gate_plugin(t));
}

/* ---- all of them ---- */

static const struct gate_row rows[GATE_MAX] = {
	[GATE_LINKED] = {"linked"},
	[GATE_NAME_NOT_UNDERSTOOD] = {"name-not-understood", name_understood, name_values, NULL,
				      "call it libvsmtp-plugin-NAME-VERSION.so (NAME of letters, "
				      "digits, \"-\" and \"_\"; VERSION as in 1.1.0), or NAME.so"},
	[GATE_DISABLED] = {"disabled", enabled, enabled_values, enabled_cure},
	[GATE_VERSION_CONFLICT] = {"version-conflict", no_conflict, conflict_values, conflict_cure},
	[GATE_VERSION_UNKNOWN] = {"version-unknown", version_known, known_values, known_cure},
	[GATE_VERSION_MISMATCH] = {"version-mismatch", version_fits, fit_values, fit_cure},
	[GATE_QUARANTINED] = {"quarantined", NULL, quarantine_values, quarantine_cure},
	[GATE_SHADOWED] = {"shadowed", NULL, shadowed_values, NULL,
			   "nothing needs to be done: one plugin gets one link; to have this file "
			   "linked, remove the other"},
	[GATE_NAME_TAKEN] = {"name-taken", NULL, taken_values, taken_cure},
	[GATE_FOREIGN_IN_THE_WAY] = {"foreign-in-the-way", NULL, foreign_values, foreign_cure},
};

static const struct gate_row *row_of(enum gate g)
{
	return gate_file_rows[g].code ? &gate_file_rows[g] : &rows[g];
}

const char *gate_to_string(enum gate g)
{
	return g < GATE_MAX ? row_of(g)->code : NULL;
}

bool gate_passes(enum gate g, const struct config *c, const struct server_facts *s,
		 const struct candidate *k)
{
	const struct gate_case t = {.c = c, .server = s, .k = k};

	return !row_of(g)->passes || row_of(g)->passes(&t);
}

enum gate gate_judge(const struct config *c, const struct server_facts *s,
		     const struct candidate *k)
{
	const struct gate_case t = {.c = c, .server = s, .k = k};

	for (enum gate g = GATE_LINKED + 1; g < GATE_SHADOWED; g++)
		if (row_of(g)->passes && !row_of(g)->passes(&t))
			return g;
	return GATE_LINKED;
}

void word_gate(struct buf *b, const struct gate_case *t, enum gate g)
{
	if (row_of(g)->values)
		row_of(g)->values(b, t);
}

void word_cure(struct buf *b, const struct gate_case *t, enum gate g)
{
	if (row_of(g)->cure)
		row_of(g)->cure(b, t);
	else
		buf_add(b, row_of(g)->cure_words);
}
