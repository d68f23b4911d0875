# SPDX-License-Identifier: LGPL-2.1-or-later
"""A daemon with all its memory, and commands without any, on two trees to which the same happens: after
each step both hold the same links and remember the same names, whoever came first.

KIT_SEED repeats a history; KIT_SECONDS says how long it lasts."""

import os
import random
import signal
import time

import pytest

import kit
from test_look import STORES, Chance


def record(tree):
    try:
        text = (tree / "var/lib/vsmtp-plugind/names").read_text()
    except FileNotFoundError:
        return []
    return sorted(line for line in text.splitlines() if not line.startswith("#"))


def start_hook(tree):
    tree.ctl("sync", "--no-reload", "--start-of=vsmtp.service", env=kit.environment(INVOCATION_ID="0" * 32))


def another_daemon(tree):
    """Which has just been started."""
    with tree.daemon():
        pass


def command(tree):
    tree.ctl("sync")


@pytest.mark.slow
def test_rule_15_who_remembers_does_what_one_without_memory_does(tree, tmp_path):
    seed = int(os.environ.get("KIT_SEED", random.randrange(1 << 32)))
    print(f"KIT_SEED={seed}")
    chance, other = random.Random(seed), kit.Tree(tmp_path / "other")
    pair = []
    for one in (tree, other):
        one.mkdir(STORES[1])
        pair.append(Chance(one, seed))
        pair[-1].configure()
    end, done = time.monotonic() + float(os.environ.get("KIT_SECONDS", 15)), []
    with tree.daemon() as daemon:
        while time.monotonic() < end:
            done.append(pair[0].step())
            pair[1].step()
            chance.choice([command, command, start_hook, another_daemon])(other)
            if chance.random() < 0.1:
                daemon.signal(signal.SIGHUP)
            same = lambda: tree.links() == other.links() and record(tree) == record(other)  # noqa: E731
            try:
                kit.wait_until(same, 10, "the same")
            except AssertionError:
                print("\n".join(map(str, done[-8:])))
                assert (tree.links(), record(tree)) == (other.links(), record(other))
                raise
    assert len(done) > 10
