/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which configuration files there are, and the one that `enable` and `disable` write.
 *
 * Read as systemd.unit(5) has it: the first plugind.conf of the configuration directories, then all
 * drop-ins of all of them in order of file name; the same name in an earlier directory masks.
 *
 * Knows: paths and their order. Must not know: what the files say (core/config). Owns: nothing. */

#include "base/macro.h"
#include "core/config.h"
#include "sys/fs.h"

/* Reads all of it. What is passed over is a remark; what must not be passed over makes
 * ret->not_known (rule 9). 0 or -errno. */
int conf_load(const struct root *r, struct config *ret, struct config_remarks *remarks)
	_must_check_ _nonnull_all_;

/* Has the directories visited whose entries decide what is read, for what happens to those that
 * matter. 0 or -errno. */
int conf_visit(const struct root *r, fs_visit_fn visit, void *userdata)
	_must_check_ _nonnull_(1, 2);

enum conf_enable {
	CONF_DISABLE, /* write `Enabled=no` into our drop-in */
	CONF_ENABLE,  /* remove our drop-in; if others still disable it, write `Enabled=yes` */
};

/* The directories are made if they are missing. 0 or -errno; -EINVAL: that is no NAME. */
int conf_write_plugin(const struct root *r, const char *name, enum conf_enable what)
	_must_check_ _nonnull_all_;
/* The drop-in that conf_write_plugin() writes for a NAME. 0, -EINVAL, -ENOMEM. */
int conf_plugin_path(const char *name, char **ret) _must_check_ _nonnull_all_;
