# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs inside a sandbox: prints every place that can be written to, one a line. Tries each directory
of each mount (pseudo file systems: the mount point and one level), and each mounted file."""

import os
import sys

PSEUDO = {"proc", "sysfs", "cgroup", "cgroup2", "devpts", "securityfs", "debugfs", "tracefs", "bpf"}


def try_directory(path):
    name = os.path.join(path, ".kit-probe")
    try:
        fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError:
        return False
    os.close(fd)
    os.unlink(name)
    return True


def mounts():
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            left, _, right = line.partition(" - ")
            path = left.split()[4].replace("\\040", " ")
            yield path, right.split()[0]


def directories(top, kind):
    device = os.lstat(top).st_dev
    for where, dirs, _ in os.walk(top):
        yield where
        dirs[:] = [] if kind in PSEUDO else [
            d for d in dirs if os.lstat(os.path.join(where, d)).st_dev == device
        ]


def main():
    found, tried = set(), 0
    for path, kind in mounts():
        try:
            is_dir = os.path.isdir(path)
            if not is_dir and os.path.isfile(path):
                tried += 1
                try:
                    os.close(os.open(path, os.O_WRONLY | os.O_CLOEXEC))
                    found.add(path)
                except OSError:
                    pass
            if is_dir:
                for where in directories(path, kind):
                    tried += 1
                    if try_directory(where):
                        found.add(where)
        except OSError:
            continue
    print("\n".join(sorted(found)))
    print(f"tried {tried}", file=sys.stderr)


main()
