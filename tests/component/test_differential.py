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
import test_hold
from test_look import STORES, Chance
from world import file_of, link_of


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


# ---- the answer ----


def an_upgrade(tree):
    tree.plugin("mysql", "1.1.0")
    tree.server("1.1.0")


def a_removal(tree):
    (tree / file_of("mysql")).unlink()


def a_new_plugin(tree):
    tree.plugin("redis")


def a_rename(tree):
    tree.config("[Plugind]\nLinkName=%n\n")


def switched_off(tree):
    tree.config("[Plugin mysql]\nEnabled=no\n")


def all_of_it(tree):
    (tree / file_of("ldap")).unlink()
    an_upgrade(tree)
    a_new_plugin(tree)


def answer(tree, *options):
    done = tree.ctl("sync", *options)
    return done.code, done.out, done.err


@pytest.mark.parametrize("what", [an_upgrade, a_removal, a_new_plugin, a_rename, switched_off, all_of_it])
def test_rule_15_whoever_was_first_the_answer_is_the_same(tree, tmp_path, what):
    other = kit.Tree(tmp_path / "other")
    for one in (tree, other):
        for name in ("mysql", "ldap"):
            one.plugin(name)
        one.ctl("sync", expect=0)
        what(one)
    want = answer(other)
    assert want[1] != "nothing to change\n"
    with tree.daemon() as daemon:
        daemon.wait_links(other.links())
        assert answer(tree) == want
        assert answer(tree) == answer(other)  # nothing has changed since


def test_rule_15_the_start_hook_answers_nobody(tree, tmp_path):
    other = kit.Tree(tmp_path / "other")
    for one in (tree, other):
        one.plugin("mysql")
        one.ctl("sync", expect=0)
        a_removal(one)
    start_hook(tree)
    assert answer(tree, "--json") == answer(other, "--json")


def test_rule_15_what_the_daemon_does_in_a_transaction_is_told_behind_it(tree, tmp_path):
    """A package that is upgraded: its old file goes, the link with it, and the new one comes."""
    other = kit.Tree(tmp_path / "other")
    for one in (tree, other):
        one.plugin("mysql", "1.0.0+a")
        one.ctl("sync", expect=0)
    tree.put(test_hold.FRONTEND, "", 0o640)
    with test_hold.Holder(tree, test_hold.FRONTEND), tree.daemon() as daemon:
        (tree / file_of("mysql", "1.0.0+a")).unlink()
        daemon.wait_links({})
        tree.plugin("mysql")
        told = answer(tree)
    (other / file_of("mysql", "1.0.0+a")).unlink()
    other.plugin("mysql")
    assert told == answer(other) and "changed" in told[1]


def test_rule_15_what_a_person_does_is_told_to_him(tree):
    tree.plugin("mysql")
    with tree.daemon() as daemon:
        daemon.wait_links({link_of("mysql"): file_of("mysql")})
        assert "removed" in tree.ctl("disable", "mysql", expect=0).out
        assert "made" in tree.ctl("enable", "mysql", expect=0).out
        assert tree.ctl("sync", expect=0).out == "nothing to change\n"
