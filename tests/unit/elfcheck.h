/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the tests of sys/elf share: a file is compiled, read and looked at.
 *
 * Knows: sys/elf, realelf.h. Must not know: what is expected. */

#include "realelf.h"
#include "sys/elf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define SHARED "-shared -fPIC -nostdlib"
#define _cleanup_facts_ _cleanup_(elf_facts_done)

static char *scratch;

_unused_ static int start(void **state)
{
	UNUSED(state);
	scratch = realelf_scratch();
	return scratch ? 0 : -1;
}

_unused_ static int stop(void **state)
{
	UNUSED(state);
	realelf_sweep(scratch);
	return 0;
}

_unused_ static void look_bytes(const uint8_t *data, size_t len, struct elf_facts *f)
{
	_cleanup_close_ int fd = realelf_fd(data, len);

	assert_true(fd >= 0);
	assert_int_equal(elf_read(fd, f), 0);
}

_unused_ static struct bytes make(const char *name, const char *source, const char *options)
{
	struct bytes b;

	assert_true(realelf_compile(scratch, name, source, options));
	b = realelf_load(scratch, name);
	assert_true(b.len > 0);
	return b;
}

_unused_ static void look(const char *name, const char *source, const char *options,
			  struct elf_facts *f)
{
	_cleanup_bytes_ struct bytes b = make(name, source, options);

	look_bytes(b.data, b.len, f);
	if (f->form != ELF_FORM_FINE)
		fail_msg("%s: form %d, needs %llu", name, f->form, (unsigned long long)f->needs);
}
