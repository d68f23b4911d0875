/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A stand-in for a plugin of vSMTP: a real shared library with the entry point that the server
 * looks for, and nothing behind it. What the tests vary is set by macros:
 *
 *   ENTRY         the entry point's name (module_entrypoint)
 *   NO_ENTRY      no entry point; ENTRY_DATA: it is a variable
 *   BUILT_FOR     the server version it was built for; the stand-in server checks it
 *   TAG           any text: makes another build of the same plugin
 *   NOTE_VERSION  puts a .note.vsmtp with this text (NOTE_OWNER, NOTE_TYPE: the rest of it)
 *   MARKER        a file that the constructor makes: nobody but the server may run this code
 *   PROGRAM       a main() as well, for a build that is a program and not a library */

#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>

#ifndef ENTRY
#define ENTRY module_entrypoint
#endif
#ifndef TAG
#define TAG ""
#endif

const char standin_tag[] = "tag:" TAG;

#ifdef BUILT_FOR
const char standin_built_for[] = BUILT_FOR;
#endif

#if defined(ENTRY_DATA)
int ENTRY = 1;
#elif !defined(NO_ENTRY)
int ENTRY(void);
int ENTRY(void)
{
	return standin_tag[0];
}
#endif

#ifdef NOTE_VERSION
#ifndef NOTE_OWNER
#define NOTE_OWNER "vSMTP"
#endif
#ifndef NOTE_TYPE
#define NOTE_TYPE 1
#endif
static const struct {
	uint32_t owner_size, text_size, type;
	char owner[(sizeof(NOTE_OWNER) + 3) & ~3UL];
	char text[(sizeof(NOTE_VERSION) + 3) & ~3UL];
} note __attribute__((section(".note.vsmtp"), used, aligned(4))) = {
	.owner_size = sizeof(NOTE_OWNER),
	.text_size = sizeof(NOTE_VERSION),
	.type = NOTE_TYPE,
	.owner = NOTE_OWNER,
	.text = NOTE_VERSION,
};
#endif

#ifdef MARKER
__attribute__((constructor)) static void leave_a_mark(void)
{
	int fd = open(MARKER, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	if (fd >= 0)
		close(fd);
}
#endif

#ifdef PROGRAM
int main(void)
{
	return 0;
}
#endif
