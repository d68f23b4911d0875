/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Words in a text of their own, for tests. Include cmocka.h first. */

#include "core/wording.h"

/* Owned: what word_x(buffer, ...) appends. */
#define WORDS(word, ...) \
	__extension__({ \
		_cleanup_buf_ struct buf _words = BUF_INIT; \
		char *_text = NULL; \
		word(&_words, __VA_ARGS__); \
		assert_int_equal(buf_take(&_words, &_text), 0); \
		_text; \
	})
