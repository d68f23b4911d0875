/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The values of the configuration.
 *
 * Knows: values. Must not know: keys and sections. Owns: nothing. */

#include "base/macro.h"

enum config_kind {
	CONFIG_PATH,        /* char *: absolute, is normalised, not `/` */
	CONFIG_PATHS,       /* char **: one path more */
	CONFIG_UNITS,       /* char **: one unit of type service more */
	CONFIG_VERSION,     /* char *: SemVer; NULL if empty */
	CONFIG_LINK_NAME,   /* char *: a template; NULL if empty */
	CONFIG_ACTION,      /* enum action */
	CONFIG_UNVERSIONED, /* enum unversioned */
	CONFIG_SPAN,        /* uint64_t: microseconds */
	CONFIG_BOOL,        /* bool */
	CONFIG_SAID,        /* int: 0, 1, and -1 if empty */
};

/* Fills the field of that kind. `plugin` is the NAME of the section (NULL outside [Plugin NAME]).
 * 0, -EINVAL (the field is as it was) or -ENOMEM. */
int config_value_parse(enum config_kind kind, const char *value, const char *plugin, void *field)
	_must_check_ _nonnull_(2, 4);
