/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Strings: comparison, lists of strings, a growing buffer, and the one way in which this project
 * shows bytes that it did not choose.
 * Knows: bytes. Must not know: files, plugins, where output goes.
 * Owns: a buffer and a list own what they hold; everything else is borrowed. */

#include "base/macro.h"
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static inline bool str_eq(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* Returns what follows the prefix, or NULL. */
const char *str_after(const char *s, const char *prefix) _nonnull_all_;
bool str_ends(const char *s, const char *suffix) _nonnull_all_;

/* Position of a word in a table of n, or n. */
size_t str_index(const char *const *words, size_t n, const char *word);
/* Cuts a line at its tabs, in place. false: there are fewer than n fields. */
bool str_fields(char *line, char **ret, size_t n) _nonnull_all_;

/* NULL sorts first. */
int str_cmp(const char *a, const char *b);

/* Replaces an owned string by a copy of another (NULL allowed). 0 or -ENOMEM: it is unchanged. */
int str_replace(char **s, const char *with) _must_check_ _nonnull_(1);

/* Owned list of owned strings, NULL-terminated; NULL is the empty list. */
void strv_free(char **l);
size_t strv_len(char *const *l);
bool strv_has(char *const *l, const char *s) _nonnull_(2);
/* Appends a copy. 0 or -ENOMEM. */
int strv_add(char ***l, const char *s) _must_check_ _nonnull_all_;
/* Splits at blanks and appends the words. 0 or -ENOMEM. */
int strv_add_words(char ***l, const char *words) _must_check_ _nonnull_all_;
void strv_sort(char **l);

/* A growing, always terminated text. Zero-initialise; an allocation that fails is remembered, all
 * later calls do nothing, and buf_take() reports it. */
struct buf {
	char *data;
	size_t len;
	size_t room;
	bool failed;
};

#define BUF_INIT ((struct buf){0})

void buf_done(struct buf *b) _nonnull_all_;
void buf_add(struct buf *b, const char *s) _nonnull_(1);
void buf_add_len(struct buf *b, const char *s, size_t len) _nonnull_(1);
/* Appends foreign bytes so that no terminal, log or line-based reader can be fooled: control bytes,
 * bytes that are not valid UTF-8, `\` and C1 controls become \xHH. */
void buf_escape(struct buf *b, const char *s) _nonnull_(1);
/* Appends what stands in another, and its failure. */
void buf_join(struct buf *b, const struct buf *other) _nonnull_all_;
/* Appends a sentence. Only %s, %d, %u, %o, %x (of int, l, ll, z; with leading zeros) and %%;
 * what %s stands for is escaped as above, so texts in which that was done go through buf_add(). */
void buf_printf(struct buf *b, const char *format, ...) _printf_(2, 3) _nonnull_(1, 2);
/* What stands in it by now, "" if nothing; the buffer's. */
const char *buf_text(const struct buf *b) _nonnull_all_;
/* Hands the text over; 0 or -ENOMEM. */
int buf_take(struct buf *b, char **ret) _must_check_ _nonnull_all_;

/* Owned escaped copy (see buf_escape), NULL if out of memory. */
char *str_escape(const char *s);
/* Undoes str_escape. -EINVAL if the text is none, -ENOMEM. */
int str_unescape(const char *s, size_t len, char **ret) _must_check_ _nonnull_all_;
/* The same in its place. */
int str_unescape_here(char *s) _must_check_ _nonnull_all_;

/* In n items of that size, sorted by the text that the pointer at `offset` in each leads to: the
 * position of the first whose text is not below `key`. */
size_t str_lower_bound(const void *items, size_t n, size_t size, size_t offset, const char *key);

/* 64-bit FNV-1a, continued from `state` (start with STR_HASH_INIT). Not for hostile collisions. */
#define STR_HASH_INIT 0xcbf29ce484222325ULL
uint64_t str_hash(uint64_t state, const void *data, size_t len);
/* Orders hashes, for qsort(3) and bsearch(3). */
int str_hash_cmp(const void *a, const void *b) _nonnull_all_;

static inline void strv_freep(char ***l)
{
	strv_free(*l);
}

#define _cleanup_strv_ _cleanup_(strv_freep)
#define _cleanup_buf_ _cleanup_(buf_done)
