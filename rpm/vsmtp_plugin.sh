#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# rpm asks what plugins' files provide or require: names of files come in, relations go out.
set -eu

while IFS= read -r file; do
    "${VSMTP_PLUGIN_INSTALL:-/usr/libexec/vsmtp-plugin-install}" --declare "$file"
done | while read -r kind name relation version; do
    case "$1 $kind $relation" in
    "provides provides "*) printf '%s = %s\n' "$name" "$relation" ;;
    "requires requires >=") from="$name >= $version" ;;
    "requires requires <") printf '(%s with %s < %s)\n' "$from" "$name" "$version" ;;
    esac
done
