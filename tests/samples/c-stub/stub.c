/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A plugin of vSMTP with nothing behind it: the entry point that the server looks up. */

#include <stdio.h>

int module_entrypoint(void);

int module_entrypoint(void)
{
	return puts("stub: the entry point was called");
}
