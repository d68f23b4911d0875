# SPDX-License-Identifier: LGPL-2.1-or-later
# The sequence add-on. It is read in debhelper's own name space and so names none of its own.
use warnings;
use strict;
use Debian::Debhelper::Dh_Lib;

# Before dh_strip, dh_shlibdeps and dh_gencontrol, which do their work on what it installs.
insert_after('dh_install', 'dh_vsmtp_plugin');

1
