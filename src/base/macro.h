/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Compiler attributes, automatic cleanup and the few idioms that every layer uses.
 * Knows: the compiler and libc. Must not know: anything else of this project. Owns nothing. */

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _must_check_ __attribute__((__warn_unused_result__))
#define _nonnull_all_ __attribute__((__nonnull__))
#define _nonnull_(...) __attribute__((__nonnull__(__VA_ARGS__)))
#define _printf_(a, b) __attribute__((__format__(__printf__, a, b)))
#define _unused_ __attribute__((__unused__))
#define _cleanup_(f) __attribute__((__cleanup__(f)))

#define ELEMENTSOF(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define UNUSED(x) ((void)(x))

#define USEC_PER_SEC 1000000ULL
#define USEC_PER_MSEC 1000ULL
#define NSEC_PER_USEC 1000ULL
#define USEC_INFINITY UINT64_MAX

/* Hand over what a cleanup variable owns. */
#define TAKE_PTR(p) \
	__extension__({ \
		__typeof__(p) *_take = &(p); \
		__typeof__(p) _taken = *_take; \
		*_take = NULL; \
		_taken; \
	})
/* The same with a struct; what is left is empty. */
#define TAKE(x) \
	__extension__({ \
		__typeof__(x) *_take = &(x); \
		__typeof__(x) _taken = *_take; \
		*_take = (__typeof__(x)){0}; \
		_taken; \
	})
#define TAKE_FD(fd) \
	__extension__({ \
		int *_take = &(fd); \
		int _taken = *_take; \
		*_take = -EBADF; \
		_taken; \
	})

/* Room for one more item behind the n of a list, twice as much at powers of two: 0 or -ENOMEM. */
#define GROW(list, n) \
	__extension__({ \
		__typeof__(list) _grown = (list); \
		if (((n) & ((n)-1)) == 0) \
			_grown = reallocarray((list), (n) > 0 ? (n)*2 : 1, sizeof(*(list))); \
		if (_grown) \
			(list) = _grown; \
		_grown ? 0 : -ENOMEM; \
	})

/* Defines `static inline void namep(type **p)` for use with _cleanup_. */
#define DEFINE_CLEANUP(type, destroy) \
	static inline void destroy##p(type *p) \
	{ \
		if (*p) \
			destroy(*p); \
	} \
	struct _semicolon_

/* Defines x_to_string(): the stable codes of `enum x`, NULL for what is none. */
#define DEFINE_TO_STRING(x, codes) \
	const char *x##_to_string(enum x value) \
	{ \
		return (size_t)value < ELEMENTSOF(codes) ? codes[value] : NULL; \
	} \
	struct _semicolon_

static inline void freep(void *p)
{
	free(*(void **)p);
}

static inline int fd_close(int fd)
{
	if (fd >= 0) {
		int saved = errno;
		(void)close(fd);
		errno = saved;
	}
	return -EBADF;
}

static inline void closep(int *fd)
{
	*fd = fd_close(*fd);
}

static inline void fclosep(FILE **f)
{
	if (*f)
		(void)fclose(*f);
}

#define _cleanup_free_ _cleanup_(freep)
#define _cleanup_close_ _cleanup_(closep)
#define _cleanup_fclose_ _cleanup_(fclosep)
