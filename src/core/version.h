/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Versions as text: SemVer 2.0.0 (semver.org), and the forms package managers give them.
 *
 * A version is always handled as its SemVer text. Equality decides whether a plugin fits, order
 * only sorts lists; both follow SemVer's precedence exactly (section 11): numeric identifiers
 * compare as numbers of any length, so rc.9 < rc.10, and build metadata is ignored.
 *
 * Knows: the grammar. Must not know: where a version came from. Owns: nothing; results are the
 * caller's to free. */

#include "base/macro.h"
#include <stdbool.h>

/* Is the text a full SemVer 2.0.0 version (MAJOR.MINOR.PATCH[-pre][+build], nothing else)? */
bool version_is_valid(const char *text) _nonnull_all_;
bool version_is_valid_len(const char *text, size_t len) _nonnull_all_;

/* Precedence: <0, 0, >0. Both must be valid. NULL (unknown) sorts before every version. */
int version_compare(const char *a, const char *b);
/* Same precedence? False if either is NULL. */
bool version_equal(const char *a, const char *b);

/* Is the text what a file or directory name has for a version: SemVer, or the same with `~` where
 * SemVer has the first `-` (2.0.1~rc.1)? Neither epoch nor revision. */
bool version_is_in_name(const char *text, size_t len) _nonnull_all_;
/* What a package database says (deb-version(7), rpm-version(7)): epoch, revision and what stands
 * before "+really" (Debian's way back to an older version) are dropped, the first `~` stands for
 * `-`. 0, -EINVAL, -ENOMEM. */
int version_from_package(const char *text, char **ret) _must_check_ _nonnull_all_;
/* `Version=` of the configuration: SemVer if it is one; a package form if it has `:` or `~`. */
int version_from_config(const char *text, char **ret) _must_check_ _nonnull_all_;
/* First line of the server's answer to --version: `vsmtp 1.2.1` or `vsmtp v2.2.1`; a second line is
 * the commit. CRLF is fine. 0, -EINVAL, -ENOMEM. */
int version_from_answer(const char *answer, char **ret) _must_check_ _nonnull_all_;
