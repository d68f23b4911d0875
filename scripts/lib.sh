# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2154
# What the scripts beside this share. $top: the top of the sources.

# What belongs to the sources (what git knows, or would take; else all but what was built), NUL behind each.
list_sources() {
    local f
    if [ "$(git -C "$top" rev-parse --show-toplevel 2>/dev/null)" = "$top" ]; then
        git -C "$top" ls-files -z --cached --others --exclude-standard
    else
        find "$top" \( -path "$top/build*" ! -name build-dev.ini -o -path "$top/.git" -o -name __pycache__ \) -prune \
            -o -type f -printf '%P\0'
    fi | while IFS= read -r -d '' f; do
        [ ! -e "$top/$f" ] || printf '%s\0' "$f"
    done
}

# A bare chroot without /proc gets one until the end: unmount_proc goes into the caller's trap.
proc_is_ours=
mount_proc() {
    [ ! -e /proc/self/mountinfo ] || return 0
    echo "(a bare chroot without /proc: it is mounted until the end)" >&2
    mount -t proc proc /proc || return
    proc_is_ours=yes
}
unmount_proc() { [ -z "$proc_is_ours" ] || umount -l /proc; }
