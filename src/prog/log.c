/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "prog/log.h"

#include "base/str.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>

/* The service manager names the socket it made standard error from, so that a program whose output
 * was sent elsewhere later does not fall for an old variable. */
bool log_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	uintmax_t device, inode;
	struct stat st;
	char *end;

	if (!stream || fstat(STDERR_FILENO, &st) < 0)
		return false;
	device = strtoumax(stream, &end, 10);
	if (end == stream || *end != ':')
		return false;
	stream = end + 1;
	inode = strtoumax(stream, &end, 10);
	return end != stream && *end == '\0' && device == (uintmax_t)st.st_dev &&
	       inode == (uintmax_t)st.st_ino;
}

static struct iovec line_of(const char *s, size_t len)
{
	union {
		const char *in;
		void *out; /* iovec has no const, sendv does not write */
	} u = {.in = s};

	return (struct iovec){.iov_base = u.out, .iov_len = len};
}

static int to_journal(int level, const char *id, const char *const *fields, const char *text)
{
	_cleanup_buf_ struct buf message = BUF_INIT;
	struct iovec iov[LOG_FIELDS_MAX + 4];
	char priority[16], message_id[64];
	int n = 0, len;

	buf_add(&message, "MESSAGE=");
	buf_add(&message, text);
	if (message.failed)
		return -ENOMEM;
	iov[n++] = line_of(message.data, message.len);
	len = snprintf(priority, sizeof(priority), "PRIORITY=%d", level);
	iov[n++] = line_of(priority, (size_t)len);
	iov[n++] = line_of("SYSLOG_FACILITY=3", strlen("SYSLOG_FACILITY=3")); /* daemon */
	if (id) {
		len = snprintf(message_id, sizeof(message_id), "MESSAGE_ID=%.40s", id);
		iov[n++] = line_of(message_id, (size_t)len);
	}
	for (size_t i = 0; fields && fields[i] && i < LOG_FIELDS_MAX; i++)
		iov[n++] = line_of(fields[i], strlen(fields[i]));
	return sd_journal_sendv(iov, n);
}

static void say(int level, const char *id, const char *const *fields, const char *text)
{
	bool only = (level & LOG_JOURNAL_ONLY) != 0;

	/* A journal that cannot take it is no reason to lose the message. */
	if ((only || log_is_journal()) &&
	    to_journal(level & ~LOG_JOURNAL_ONLY, id, fields, text) >= 0)
		return;
	if (!only)
		(void)fprintf(stderr, "%s: %s\n", program_invocation_short_name, text);
}

_printf_(4, 0) static void say_format(int level, const char *id, const char *const *fields,
				      const char *format, va_list ap)
{
	char text[4096]; /* no allocation: "out of memory" must get through, too */

	(void)vsnprintf(text, sizeof(text), format, ap);
	say(level, id, fields, text);
}

void log_msg(int level, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	say_format(level, NULL, NULL, format, ap);
	va_end(ap);
}

int log_errno(int level, int error, const char *format, ...)
{
	int positive = error < 0 ? -error : error;
	char text[4096], field[32];
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	(void)snprintf(field, sizeof(field), "ERRNO=%d", positive);
	log_fields(level, NULL, (const char *const[]){field, NULL}, "%s: %s", text,
		   strerror(positive));
	return -positive;
}

void log_fields(int level, const char *message_id, const char *const *fields, const char *format,
		...)
{
	va_list ap;

	va_start(ap, format);
	say_format(level, message_id, fields, format, ap);
	va_end(ap);
}
