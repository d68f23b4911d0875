# SPDX-License-Identifier: LGPL-2.1-or-later
"""The record of names is written before the links that it speaks of: whatever kills or fails a pass, the
next one knows whose a name is."""

import subprocess

import pytest

import kit
import world
from world import file_of, link_of

pytestmark = pytest.mark.skipif(not world.can_strace(), reason="strace cannot trace here")
CHANGING = ("symlinkat", "renameat", "renameat2", "unlinkat", "fsync")
SAID = "[Plugind]\nLinkName=%n\n[Plugin b]\nLinkName=db\n[Plugin c]\nLinkName=see\n"
BY_LAYOUT = {link_of("a"): "a", link_of("b"): "b", "mine.so": "c", link_of("d"): "d"}
BY_NAME = {"a.so": "a", "db.so": "b", "see.so": "c", "d.so": "d"}


def want(names):
    return {name: file_of(plugin) for name, plugin in names.items()}


def begin(tree):
    """Two names are ours, one is the administrator's."""
    for name in ("a", "b", "c"):
        tree.plugin(name)
    tree.link("mine.so", file_of("c"))
    tree.ctl("sync", expect=0)


def say(tree):
    """From here on they have other names, and there is one more plugin."""
    tree.config(SAID)
    tree.plugin("d")


def unsay(tree):
    tree.config("")


def tar(tree, *options):
    subprocess.run(["tar", "-C", tree.path, f"-{options[0]}f", tree.path.parent / "saved.tar", *options[1:]], check=True)


def put_back(tree):
    for name in ("etc", "run", "var"):
        subprocess.run(["rm", "-rf", tree / name], check=True)
    tar(tree, "xp")


def each_kill(tree, where):
    """Killed at each changing call in turn; leaves the world as the kill left it."""
    tar(tree, "c", "etc", "run", "var")
    kills = 0
    for call in CHANGING:
        for n in range(1, 60):
            put_back(tree)
            _, hit = world.inject(world.ctl_argv(tree, "sync"), where, call, "signal=KILL", n)
            if not hit:
                break
            kills += 1
            yield call, n
    assert kills > 10


def comes_right(tree, names, at):
    """Nobody deleted a link, so nobody is said to have."""
    done = tree.ctl("sync")
    assert done.code == 0 and "deleted" not in done.out, (at, done)
    assert tree.links() == want(names), (at, done)
    assert tree.ctl("sync", expect=0).out == "nothing to change\n", at


def test_rule_14_killed_anywhere_link_name_is_obeyed_and_no_name_is_lost(tree, tmp_path):
    begin(tree)
    say(tree)
    for at in each_kill(tree, tmp_path):
        comes_right(tree, BY_NAME, at)
        unsay(tree)
        comes_right(tree, BY_LAYOUT, at)


def test_rule_14_killed_anywhere_the_names_come_back(tree, tmp_path):
    begin(tree)
    say(tree)
    tree.ctl("sync", expect=0)
    unsay(tree)
    for at in each_kill(tree, tmp_path):
        comes_right(tree, BY_LAYOUT, at)
        tree.config(SAID)
        comes_right(tree, BY_NAME, at)


def test_rule_14_killed_anywhere_in_an_upgrade_the_names_stay(tree, tmp_path):
    """A name of the administrator's outlives the file that it led to."""
    begin(tree)
    tree.server("1.1.0")
    for name in ("a", "b"):
        tree.plugin(name, "1.1.0")
    for at in each_kill(tree, tmp_path):
        assert tree.ctl("sync").code in (0, 4), at
        assert tree.links() == {link_of(n): file_of(n, "1.1.0") for n in ("a", "b")}, at
        tree.plugin("c", "1.1.0")
        done = tree.ctl("sync", expect=0)
        assert "deleted" not in done.out, (at, done)
        assert tree.links()["mine.so"] == file_of("c", "1.1.0"), (at, done)
        (tree / file_of("c", "1.1.0")).unlink()


@pytest.fixture
def full(tree):
    """The state directory is on a disk that is full until full() is called."""
    begin(tree)
    path = tree / "var/lib/vsmtp-plugind"
    saved = (path / "names").read_bytes()
    world.mount("-t", "tmpfs", "-o", "size=16k,mode=0755", "tmpfs", path)
    try:
        (path / "names").write_bytes(saved)
        with open(path / "fill", "wb", buffering=0) as f:
            try:
                while f.write(b"x" * 512):
                    pass
            except OSError:
                pass
        yield (path / "fill").unlink
    finally:
        world.umount(path)


def test_rule_14_a_name_that_cannot_be_written_down_is_not_given(tree, full):
    """What can be derived is linked all the same; the rest is owed, and said."""
    tree.plugin("e")
    done = tree.ctl("sync", expect=0)
    assert "Cannot write the record of link names" in done.err and "No space left" in done.err
    assert tree.links()[link_of("e")] == file_of("e"), done
    say(tree)
    before = tree.links()
    done = tree.ctl("sync", expect=1)
    assert tree.links() == before, done
    assert f"not made: {kit.LINKS}/d.so" in done.out and "No space left" in done.out
    assert f"not removed: {kit.LINKS}/mine.so" in done.out
    full()
    tree.ctl("sync", expect=0)
    assert tree.links() == want({**BY_NAME, "e.so": "e"})
    unsay(tree)
    tree.ctl("sync", expect=0)
    assert tree.links() == want({**BY_LAYOUT, link_of("e"): "e"})


def test_rule_14_a_daemon_writes_it_down_as_soon_as_it_can(tree, full):
    with tree.daemon() as daemon:
        say(tree)
        world.log_wait(daemon, f"not made: {kit.LINKS}/db.so")
        full()
        daemon.wait_links(want(BY_NAME))


def test_rule_09_a_link_to_what_does_not_fit_goes_though_its_name_is_lost(tree, full):
    tree.server("1.1.0")
    done = tree.ctl("sync", expect=4)
    assert tree.links() == {} and "Cannot write the record of link names" in done.err
