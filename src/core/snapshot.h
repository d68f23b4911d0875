/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What was seen. A snapshot holds facts only: what could not be learnt is a fact too, never an
 * error. observe (sys) fills it, plan_make() (core) reads it, nothing changes it in between.
 *
 * Knows: the shape of facts. Must not know: how they are learnt, nor what is right or wrong.
 * Owns: a snapshot owns everything in it, alone or together with others (snapshot_share). */

#include "base/macro.h"
#include "core/name.h"
#include <stdbool.h>
#include <stdint.h>

/* ---- one ELF file, as its bytes say it (sys/elf) ---- */

enum elf_form {
	ELF_FORM_FINE,      /* the headers and all segments are inside the file */
	ELF_FORM_NOT_ELF,   /* no ELF magic, or a class, data or version that does not exist */
	ELF_FORM_TRUNCATED, /* what the loader needs lies outside the file, or cannot be right */
	ELF_FORM_MAX,
};

enum elf_object {
	ELF_OBJECT_SHARED,
	ELF_OBJECT_NOT_DYN,     /* e_type is not ET_DYN */
	ELF_OBJECT_PIE,         /* DF_1_PIE: a program */
	ELF_OBJECT_NOOPEN,      /* DF_1_NOOPEN: dlopen refuses it */
	ELF_OBJECT_FOREIGN_ABI, /* EI_OSABI neither System V nor GNU */
	ELF_OBJECT_NO_DYNAMIC,  /* no dynamic section */
	ELF_OBJECT_MAX,
};

enum elf_entry {
	ELF_ENTRY_NONE,
	ELF_ENTRY_MODULE,    /* module_entrypoint */
	ELF_ENTRY_TRANSPORT, /* deserialize_transport only */
	ELF_ENTRY_MAX,
};

struct elf_facts {
	enum elf_form form;
	enum elf_object object;
	enum elf_entry entry;
	uint8_t class;    /* EI_CLASS */
	uint8_t data;     /* EI_DATA */
	uint16_t machine; /* e_machine */
	uint64_t needs;   /* ELF_FORM_TRUNCATED: bytes the file would have to have (0: not that) */
	bool note_malformed; /* a .note.vsmtp is there and is not understood */
	char *note_version;  /* SemVer of .note.vsmtp, or NULL */
	char *package_note;  /* .note.package, shown and never judged, or NULL */
	char *build_id;      /* lower-case hex, or NULL */
	char *interpreter;   /* PT_INTERP, or NULL */
	char **needed;       /* DT_NEEDED in order */
	bool searches;       /* has DT_RPATH or DT_RUNPATH: needed names mean something else here */
	char *search_path;   /* that text, or NULL */
};

void elf_facts_done(struct elf_facts *f);

/* ---- any file ---- */

/* Changes whenever the file might have: the key of every cache of facts. */
struct signature {
	uint64_t device;
	uint64_t inode;
	uint64_t size;
	int64_t mtime_nsec;
	int64_t ctime_nsec;
	uint32_t mode;
	uint32_t owner;
};

bool signature_equal(const struct signature *a, const struct signature *b);

enum trust {
	TRUST_FINE,
	TRUST_OWNER,    /* not root's (nor the user's of a rootless pass) */
	TRUST_WRITABLE, /* group or others may write */
	TRUST_MAX,
};

struct trust_facts {
	enum trust trust;
	char *path; /* the component that is not trusted */
	uint32_t mode;
	uint32_t owner;
	uint32_t group;
};

enum file_kind {
	FILE_REGULAR,
	FILE_OTHER,    /* a directory, device, socket, fifo */
	FILE_DANGLING, /* a symlink that leads nowhere */
	FILE_LOOP,     /* a symlink that leads round in a circle */
	FILE_KIND_MAX,
};

struct file_facts {
	enum file_kind kind;
	struct signature signature;
	struct trust_facts trust;
	bool readable;  /* the owner's read bit is set */
	int read_error; /* errno of a read that should have worked, or 0 */
	bool being_written;
	bool many_names; /* reached by a symlink, or has other hard links */
	bool followed;   /* reached by a symlink */
	bool judged;     /* elf below was learnt */
	bool young;      /* its times were younger than their grain when it was looked at */
	struct elf_facts elf;
	char **missing;         /* libraries the server's loader cannot find */
	bool missing_unsure;    /* ... or the one who looked cannot see (rule 9) */
	char *missing_question; /* why the loader could not be asked, or NULL */
	char *identity;         /* see DESIGN: build-id and size, else inode, size, mtime */
	/* Path after symlinks, as the server sees it, or NULL: the one it was looked at under, which
	 * is borrowed, or led_to. */
	const char *resolved;
	char *led_to;
};

void file_facts_done(struct file_facts *f);
/* Writes f->identity from signature and build-id. 0 or -ENOMEM. */
int file_facts_identify(struct file_facts *f) _must_check_ _nonnull_all_;

/* ---- the server ---- */

enum server_state {
	SERVER_ABSENT,
	SERVER_KNOWN,   /* version is set */
	SERVER_UNKNOWN, /* it is there, its version could not be learnt; doubt says why */
	SERVER_STATE_MAX,
};

enum version_source {
	VERSION_SOURCE_NONE,
	VERSION_SOURCE_CONFIG,
	VERSION_SOURCE_PROGRAM,
	VERSION_SOURCE_DPKG,
	VERSION_SOURCE_RPM,
	VERSION_SOURCE_MAX,
};

const char *server_state_to_string(enum server_state s);
const char *version_source_to_string(enum version_source s);

enum server_doubt {
	SERVER_DOUBT_NONE,
	SERVER_DOUBT_UNTRUSTED,  /* not asked: the program fails rule 12 */
	SERVER_DOUBT_NOT_ASKED,  /* not asked: --root without --ask-program */
	SERVER_DOUBT_NOT_RUN,    /* could not be started; doubt_number is the errno */
	SERVER_DOUBT_HANGS,      /* no answer within the time limit */
	SERVER_DOUBT_FLOODS,     /* more bytes than the bound */
	SERVER_DOUBT_SIGNAL,     /* doubt_number is the signal */
	SERVER_DOUBT_STATUS,     /* doubt_number is the exit status */
	SERVER_DOUBT_NONSENSE,   /* an answer that is none; doubt_text holds its first line */
	SERVER_DOUBT_UNREADABLE, /* it cannot be looked at; doubt_number is the errno */
	SERVER_DOUBT_MAX,
};

struct server_facts {
	enum server_state state;
	enum version_source source;
	char *version; /* SemVer, or NULL */
	enum server_doubt
		doubt; /* why the program itself gave no version, even if a database did */
	int doubt_number;
	char *doubt_text;
	bool is_elf; /* class, data, machine are the program's; else the kit's own */
	uint8_t class;
	uint8_t data;
	uint16_t machine;
	struct file_facts program; /* meaningful unless absent */
};

/* ---- stores and candidates ---- */

struct store_facts {
	char *path;
	bool absent;      /* ENOENT or ENOTDIR: empty */
	int error;        /* errno: its contents are not known (rule 9) */
	char *error_path; /* which directory gave it */
};

struct candidate {
	size_t store;     /* index in snapshot.stores */
	char *path;       /* STORE/[VERSION/]file: the link text to use */
	const char *file; /* its base name, in path */
	struct name name;
	struct file_facts facts;
	bool stale;           /* sys/look: not seen again yet */
	bool libraries_known; /* sys/look: facts.missing is the last word */
};

/* ---- the links directory ---- */

enum links_state {
	LINKS_FINE,
	LINKS_MISSING,   /* its parent is there: it can be made */
	LINKS_NO_PARENT, /* /etc/vsmtp itself is missing: nothing to do */
	LINKS_SYMLINK,   /* refused, as is (error EPERM) a way there over symlinks of others */
	LINKS_NOT_DIR,   /* refused */
	LINKS_ERROR,     /* error is set */
	LINKS_STATE_MAX,
};

enum link_kind {
	LINK_SYMLINK,
	LINK_OTHER, /* a file, directory... put there by hand */
	LINK_KIND_MAX,
};

struct link {
	char *name;
	enum link_kind kind;
	char *text;           /* symlink text as it is, else NULL */
	char *target;         /* the text made absolute and normalised, else NULL; may be text */
	bool ours;            /* plan_claim_link(): it leads below a store */
	char *key;            /* ... and names this plugin, or none (NULL) */
	uint64_t target_hash; /* sys/look: of target */
	bool followed;        /* sys/look: what it leads to is no candidate, and was looked at */
	bool stale;           /* sys/look: in doubt */
	uint64_t inode;       /* of the entry itself */
	int64_t ctime_nsec;   /* of the entry itself */
	bool dangling;
	char *resolved; /* what it leads to after symlinks, NULL if dangling; may be target */
	char *identity; /* of what it leads to, NULL if dangling */
	uint64_t target_device; /* of what it leads to, 0 if dangling */
	uint64_t target_inode;
	int64_t target_ctime_nsec;
	struct trust_facts trust; /* not below a store: the entry, or what it leads to */
};

struct links_facts {
	enum links_state state;
	int error;
	uint64_t device; /* of the directory: the one that was judged is the one to work in */
	uint64_t inode;
	bool services_missing;      /* beside a links directory in /etc/vsmtp */
	struct trust_facts trust;   /* the directory itself */
	struct trust_facts parents; /* the first parent that is not root's: a finding only */
	struct link *items;         /* sorted by name; no temporary names */
	size_t n;
	char **leftovers; /* our temporary names left by a killed pass */
};

/* ---- what we remember ---- */

/* A link name that a plugin has or had. */
enum remembered_flags {
	REMEMBERED_CHOSEN = 1 << 0, /* by us, so it follows LinkName=; else the administrator's */
	REMEMBERED_PARKED =
		1 << 1, /* we removed the link; else it is there, or somebody deleted it */
};

struct remembered {
	const char *key;
	const char *link;
	enum remembered_flags flags;
	const char *file;     /* identity of the linked file, if that says no version (rule 4); else
			     NULL */
	const char *file_for; /* ... and the server's version when it was first linked */
};

struct remembered_names {
	struct remembered *items; /* sorted by key, then link; their texts are borrowed */
	size_t n;
	int error;  /* errno: the record could not be read; nothing is overwritten then */
	char *text; /* the record, from which the items borrow */
};

/* ---- a unit of the server ---- */

enum unit_state {
	UNIT_NO_MANAGER, /* no bus, no service manager, or --root: nothing is known and nothing
			    asked */
	UNIT_MISSING,
	UNIT_INACTIVE, /* stopped, failed or masked: never started by us */
	UNIT_ACTIVE,
	UNIT_CHANGING, /* starting, stopping or reloading */
	UNIT_UNKNOWN,  /* the manager did not answer; error is set */
	UNIT_STATE_MAX,
};

const char *unit_state_to_string(enum unit_state s);

struct unit_facts {
	char *name;   /* as the configuration has it */
	char **names; /* as the manager has it: its Id, then all others; NULL if not known */
	enum unit_state state;
	int error;
	char *sub_state;           /* the manager's word: "active (running)", "failed"... */
	char *invocation;          /* 32 hex digits, or NULL */
	uint64_t start_usec;       /* CLOCK_REALTIME of the main process's start, 0 unknown */
	uint64_t start_limit_usec; /* TimeoutStartSec=, 0 unknown */
	bool own_reload;           /* an ExecReload= that is not ours */
	bool hook;                 /* our start hook is among its ExecStartPre= */
	bool hook_ended; /* at the last start it was begun, or passed over, and ended so: */
	int hook_status;
	bool own_root; /* it has a RootDirectory= */
	bool job;      /* somebody's job is on it */
	int main_pid;
	char *record;            /* loaded set recorded at this unit's last start, or NULL */
	char *record_invocation; /* ... and the start it belongs to */
	bool record_late;        /* ... written by who found it running, not by the start hook */
	char *forbidden;         /* fingerprint of the set whose reload a policy forbade, or NULL */
};

struct snapshot {
	/* Another number whenever a look may have found another fact than the one before. */
	uint64_t state;
	/* A package manager is at work, and who looked waits for it (rule 17): his word. */
	bool held;
	struct server_facts server;
	struct store_facts *stores;
	size_t n_stores;
	struct candidate *candidates; /* sorted: store, then path by bytes */
	size_t n_candidates;
	struct links_facts links;
	struct remembered_names names;
	unsigned *holders; /* how many share what this holds; NULL: nobody else */
};

void trust_facts_done(struct trust_facts *t);
void server_facts_done(struct server_facts *s);
void candidate_done(struct candidate *c);
void link_done(struct link *l);
void links_facts_done(struct links_facts *l);
void remembered_names_done(struct remembered_names *r);
void unit_facts_done(struct unit_facts *u);
/* The manager's own name for it, as far as it is known. */
const char *unit_facts_id(const struct unit_facts *u) _nonnull_all_;
/* Is that one of its names? */
bool unit_facts_is_called(const struct unit_facts *u, const char *name) _nonnull_all_;
void snapshot_done(struct snapshot *s);
/* Another holder of the same facts, which are freed by the last one's snapshot_done(). Nobody may
 * change them while they are shared. 0 or -ENOMEM. */
int snapshot_share(struct snapshot *s, struct snapshot *ret) _must_check_ _nonnull_all_;
bool snapshot_is_shared(const struct snapshot *s) _nonnull_all_;

/* Puts it to its place: quickly if that is the end. 0 or -ENOMEM. */
int remembered_names_add(struct remembered_names *r, const struct remembered *item)
	_must_check_ _nonnull_all_;

/* That name of the plugin, or NULL. */
const struct remembered *remembered_names_find(const struct remembered_names *r, const char *key,
					       const char *link) _nonnull_all_;

/* Puts all lists into their order. */
void snapshot_sort(struct snapshot *s) _nonnull_all_;
/* NULL if there is none. Needs the order. */
const struct link *snapshot_find_link(const struct snapshot *s, const char *name) _nonnull_all_;
