/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What an ELF file's bytes say, read as the dynamic loader would: through program headers and
 * PT_DYNAMIC, never through section headers alone (a stripped file is fine). From a descriptor, by
 * reading: never by mapping (a file cut short under a mapping is SIGBUS), never by loading. This is
 * the only parser of foreign binary bytes.
 *
 * Knows: ELF (elf(5), the gABI, GNU hash tables). Must not know: names, stores, what is accepted.
 * Owns: nothing; *ret is the caller's. */

#include "base/macro.h"
#include "core/snapshot.h"

/* What a .note.vsmtp note is: owner, type and the longest description that is looked at. */
#define ELF_NOTE_OWNER "vSMTP"
#define ELF_NOTE_TYPE 1
#define ELF_NOTE_MAX 256

/* Fills *ret from the file's start, whatever the descriptor's offset. 0 (whatever the bytes are:
 * see ret->form), or -errno if the file could not be read (EIO, ENOMEM...), *ret untouched. */
int elf_read(int fd, struct elf_facts *ret) _must_check_ _nonnull_all_;
