#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# rpm asks what plugins' files provide, require, or are ordered behind: names of files come in, relations go out.
set -eu

while IFS= read -r file; do
    "${VSMTP_PLUGIN_INSTALL:-/usr/libexec/vsmtp-plugin-install}" --declare "$file"
done | while read -r kind name relation version; do
    case "$1 $kind $relation" in
    "provides provides "*) printf '%s = %s\n' "$name" "$relation" ;;
    # On the way out the kit comes last, and takes away the links of those that went before it.
    "order provides "*) echo vsmtp-plugind ;;
    "requires requires >=") from="$name >= $version" ;;
    "requires requires <") printf '(%s with %s < %s)\n' "$from" "$name" "$version" ;;
    esac
done
