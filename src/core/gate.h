/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The gates that a candidate passes or fails. All of one gate, its code, its test, the values that
 * it compares and the cure, stand together: in gate_file.c of what the file is, in gate.c of names,
 * versions and rivals. A new gate is a row there.
 *
 * Knows: configuration and snapshot. Must not know: files, who reads the words.
 * Owns: nothing; words are appended to the buffer that is given, which remembers a failure. */

#include "base/str.h"
#include "core/config.h"
#include "core/snapshot.h"

/* The codes are stable API. They are tried in this order; the first that fails is the verdict. */
enum gate {
	GATE_LINKED,
	GATE_NAME_NOT_UNDERSTOOD,
	GATE_DISABLED,
	GATE_NOT_REGULAR,
	GATE_UNTRUSTED,
	GATE_UNREADABLE,
	GATE_BEING_WRITTEN,
	GATE_NOT_ELF,
	GATE_TRUNCATED,
	GATE_WRONG_MACHINE,
	GATE_NOT_SHARED_OBJECT,
	GATE_NO_ENTRY_POINT,
	GATE_VERSION_CONFLICT,
	GATE_VERSION_UNKNOWN,
	GATE_VERSION_MISMATCH,
	GATE_MISSING_LIBRARY,
	GATE_QUARANTINED,
	GATE_SHADOWED,
	GATE_NAME_TAKEN,
	GATE_FOREIGN_IN_THE_WAY,
	GATE_MAX,
};

struct verdict {
	enum gate gate;
	const char *version; /* what the candidate is for, or NULL */
	const char *rival; /* shadowed: the path that won; name-taken: the plugin that has the name;
			      foreign-in-the-way: the entry's name */
	const char *wanted; /* name-taken: the link name */
};

/* "linked", "name-not-understood", ... "foreign-in-the-way". */
const char *gate_to_string(enum gate g);

/* The gates that one file passes or fails by itself: all before GATE_SHADOWED. */
bool gate_passes(enum gate g, const struct config *c, const struct server_facts *s,
		 const struct candidate *k) _nonnull_all_;
/* The first gate that fails, GATE_LINKED if none does. */
enum gate gate_judge(const struct config *c, const struct server_facts *s,
		     const struct candidate *k) _nonnull_all_;
/* The version a candidate is for: name, directory, note, configuration; NULL if unknown. */
const char *gate_version(const struct config *c, const struct candidate *k) _nonnull_all_;

/* What a gate is tried on, or talked about. */
struct gate_case {
	const struct config *c;
	const struct server_facts *server;
	const struct candidate *k;
	/* In words only: where rivals are found, and the verdict. */
	const struct snapshot *s;
	const struct verdict *v;
};

/* All of one gate; a cure without anything to fill in is a text. Without a test it is between
 * candidates, and passed unless it is the verdict's. */
struct gate_row {
	const char *code;
	bool (*passes)(const struct gate_case *t);
	void (*values)(struct buf *b, const struct gate_case *t);
	void (*cure)(struct buf *b, const struct gate_case *t);
	const char *cure_words;
};
extern const struct gate_row gate_file_rows[GATE_MAX];

/* The plugin's name in a sentence: "NAME" if the file's name is not understood. */
const char *gate_plugin(const struct gate_case *t) _nonnull_all_;
/* The values that the gate compared, whether passed or failed ("made for vSMTP 1.0.0, the server is
 * 1.1.0"); between candidates, if it is the verdict's, the rival. Nothing for GATE_LINKED. */
void word_gate(struct buf *b, const struct gate_case *t, enum gate g) _nonnull_all_;
/* What to do if it failed. Commands are written so that they can be copied. */
void word_cure(struct buf *b, const struct gate_case *t, enum gate g) _nonnull_all_;
