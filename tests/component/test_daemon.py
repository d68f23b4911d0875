# SPDX-License-Identifier: LGPL-2.1-or-later
"""The daemon: rules 13 and 15, and what it costs when idle."""

import contextlib
import fcntl
import os
import random
import re
import signal
import struct
import subprocess
import threading
import time

import pytest

import kit
import world
from world import file_of, link_of, right_links

needs_strace = pytest.mark.skipif(not world.can_strace(), reason="strace cannot trace here")


# ---- rule 13: being written ----


def test_rule_13_a_file_open_for_writing_is_not_linked_until_it_is_closed(tree):
    data = kit.plugin_bytes(built_for="1.0.0")
    with tree.daemon() as daemon:
        spy = world.LinkSpy(tree.links_dir)
        with open(tree / file_of("mysql"), "wb") as f:
            f.write(data)  # whole, as far as anybody can see
            f.flush()
            os.fchmod(f.fileno(), 0o755)
            tree.plugin("other")  # shows that the daemon has looked meanwhile
            daemon.wait_links(right_links(["other"]))
            assert tree.ctl("sync", expect=0).code == 0
            assert "being-written" in tree.ctl("list").out
            assert tree.links() == right_links(["other"])
        daemon.wait_links(right_links(["mysql", "other"]))
        assert link_of("mysql") in spy.names()
        spy.close()


def test_rule_13_a_right_link_stays_while_its_file_is_written(tree):
    tree.plugin("mysql")
    tree.plugin("other")
    tree.ctl("sync", expect=0)
    want = right_links(["mysql", "other"])
    with tree.daemon() as daemon:
        path = tree / file_of("mysql")
        data = path.read_bytes()
        with open(path, "r+b") as f:
            f.truncate(100)
            tree.plugin("third")
            daemon.wait_links(right_links(["mysql", "other", "third"]))
            assert tree.ctl("sync").code in (0, 4)
            assert link_of("mysql") in tree.links()
            f.write(data)
        world.wait_rest(tree)
        assert tree.links() == {**want, **right_links(["third"])}


def loadable_from(data):
    """The size from which on all segments lie inside the file."""
    phoff, number = struct.unpack_from("<Q", data, 32)[0], struct.unpack_from("<H", data, 56)[0]
    ends = []
    for i in range(number):
        offset, _, _, filesz = struct.unpack_from("<QQQQ", data, phoff + i * 56 + 8)
        ends.append(offset + filesz)
    return max(ends)


def test_rule_13_a_half_written_file_is_never_linked(tree):
    """Copied in small pieces by somebody who closes and opens it again for each: the only moment
    at which it may be linked is when it is whole."""
    data = kit.plugin_bytes(built_for="1.0.0")
    last = loadable_from(data)
    path = tree / file_of("slow")
    whole = threading.Event()
    early = []

    def watch(stop):
        spy = world.LinkSpy(tree.links_dir)
        while not stop.is_set():
            if link_of("slow") in spy.names() and not whole.is_set():
                early.append(path.stat().st_size)
            time.sleep(0.0005)
        spy.close()

    with tree.daemon() as daemon, world.Background(watch):
        fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o755)
        step = max(1, len(data) // 60)
        for at in range(0, len(data), step):
            os.write(fd, data[at : at + step])
            if at + step >= last:
                whole.set()  # all that a loader asks for; open until the end, all the same
            elif at // step % 3 == 0:
                os.close(fd)
                time.sleep(0.004)
                fd = os.open(path, os.O_WRONLY | os.O_APPEND)
            time.sleep(0.002)
        os.close(fd)
        daemon.wait_links(right_links(["slow"]))
    assert early == []


def test_rule_13_a_writer_who_came_by_another_name_is_waited_for(tree):
    """The file is open under a name elsewhere and hard-linked into the store: closing it tells the
    store's directory nothing."""
    aside = tree / "tmp/aside.so"
    aside.write_bytes(kit.plugin_bytes(built_for="1.0.0"))
    aside.chmod(0o755)
    with tree.daemon() as daemon:
        with open(aside, "r+b"):
            os.link(aside, tree / file_of("mysql"))
            tree.plugin("other")
            daemon.wait_links(right_links(["other"]))
            kit.wait_until(lambda: world.is_quiet(daemon.pid), what="rest")
        daemon.wait_links(right_links(["mysql", "other"]), limit=45)


def test_rule_13_our_own_look_does_not_hold_up_a_writer(tree):
    """The lease is dropped at once: opening for writing succeeds while passes run all the time."""
    tree.plugin("mysql")

    def look(stop):
        while not stop.is_set():
            tree.ctl("sync", expect=(0, 4))

    with world.Background(look):
        for _ in range(300):
            with open(tree / file_of("mysql"), "r+b"):
                pass
    tree.ctl("sync", expect=0)
    assert tree.links() == right_links(["mysql"])


@needs_strace
def test_rule_13_a_writer_in_the_middle_of_the_look_ends_nobody(tree, tmp_path):
    """He breaks the lease, which the kernel announces by SIGIO."""
    tree.plugin("mysql")
    trace = tmp_path / "trace"
    for _ in range(20):  # until he comes while the lease is held
        trace.unlink(missing_ok=True)
        process = subprocess.Popen(
            ["strace", "-f", "-o", trace, "-e", "trace=fcntl", "-e"]
            + ["inject=fcntl:delay_exit=100000", *map(str, world.ctl_argv(tree, "sync"))],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=kit.environment(ASAN_OPTIONS="abort_on_error=1:detect_leaks=0"),
        )
        kit.wait_until(lambda: trace.exists() and "F_SETLEASE" in trace.read_text(), what="the lease")
        with open(tree / file_of("mysql"), "r+b"):
            pass
        assert process.wait(30) in (0, 4)
        if "SIGIO" in trace.read_text():
            break
    else:
        raise AssertionError("he never came in time")
    tree.ctl("sync", expect=0)
    assert tree.links() == right_links(["mysql"])


# ---- rule 15: one lock ----


def held_lock(tree):
    run = tree.mkdir("/run/vsmtp-plugind")
    lock = open(run / "lock", "w")
    os.fchmod(lock.fileno(), 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def test_rule_15_the_lock_is_roots_alone(tree):
    tree.ctl("sync", expect=0)
    assert (tree / "run/vsmtp-plugind/lock").stat().st_mode & 0o777 == 0o600


def test_rule_15_who_looks_takes_no_lock(tree):
    tree.plugin("mysql")
    tree.ctl("sync", expect=0)
    with held_lock(tree):
        for verb in (["status"], ["list"], ["plan"], ["why", "mysql"], ["sync", "--dry-run"]):
            tree.ctl(*verb, expect=0, timeout=20)


def test_rule_15_who_changes_waits_and_is_not_lost(tree):
    with held_lock(tree) as lock:
        tree.plugin("mysql")
        both = [
            subprocess.Popen(
                [*map(str, world.ctl_argv(tree, "sync"))],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=kit.environment(),
            )
            for _ in range(2)
        ]
        for process in both:
            kit.wait_until(lambda p=process: waits(p.pid), what="a pass that waits")
        assert tree.links() == {}
        tree.plugin("redis")  # after they were asked for, before they look
        fcntl.flock(lock, fcntl.LOCK_UN)
    assert [p.wait(30) for p in both] == [0, 0]
    assert tree.links() == right_links(["mysql", "redis"])


def waits(pid):
    """It has the lock's file open, and sleeps."""
    with open(f"/proc/{pid}/stat") as f:
        asleep = f.read().rsplit(")", 1)[1].split()[0] == "S"
    with contextlib.suppress(FileNotFoundError):  # it moved on
        return asleep and any(os.readlink(f"/proc/{pid}/fd/{fd}").endswith("/run/vsmtp-plugind/lock")
                              for fd in os.listdir(f"/proc/{pid}/fd"))
    return False


@pytest.mark.slow
def test_rule_15_passes_at_once_give_the_right_result(tree):
    """Two commands and the daemon, all the time, while the world moves."""
    seed = random.randrange(1 << 32)
    print("seed", seed)
    chance = random.Random(seed)
    failures = []

    def sync(stop):
        while not stop.is_set():
            done = tree.ctl("sync")
            if done.code not in (0, 1, 4) or done.code == 1 and "changed while" not in done.out:
                failures.append(done)

    with tree.daemon() as daemon, world.Background(sync), world.Background(sync):
        for turn in range(60):
            name = f"p{chance.randrange(8)}"
            version = chance.choice(["1.0.0", "1.1.0"])
            if chance.random() < 0.3:
                (tree / file_of(name, version)).unlink(missing_ok=True)
            else:
                tree.plugin(name, version)
            if turn % 10 == 9:
                tree.server(chance.choice(["1.0.0", "1.1.0"]))
            time.sleep(chance.uniform(0, 0.03))
        world.wait_rest(tree)
        assert failures == []
        assert "annot" not in daemon.log
    version = tree.ctl("status", "--json", expect=0).json["server"]["version"]
    have = {p.name for p in tree.store.iterdir()}
    want = [f"p{i}" for i in range(8) if f"libvsmtp-plugin-p{i}-{version}.so" in have]
    assert tree.links() == right_links(want, version)


@pytest.mark.parametrize("order", ["daemon-sync", "sync-daemon", "sync-sync"])
def test_rule_15_whoever_comes_late_finds_nothing_to_do(tree, order):
    """But tells, if he is the first to answer, what was done."""
    tree.plugin("mysql")
    tree.plugin("redis", layout="B")
    tree.plugin("plain", layout="C")
    tree.link("mine.so", "/opt/mine.so")
    tree.link("gone.so", file_of("gone"))
    found = []
    for who in order.split("-"):
        if who == "sync":
            done = tree.ctl("sync", expect=0 if order == "sync-sync" and found else 4)  # "gone" has lost its link
        else:
            with tree.daemon() as daemon:
                pass
            done = daemon
        found.append((tree.listing(kit.LINKS), tree.listing("/var/lib/vsmtp-plugind")))
    assert found[0] == found[1]
    assert ("made" in (done.out if order != "sync-daemon" else done.log)) == (order == "daemon-sync")
    assert set(tree.links()) == {
        *right_links(["mysql"]), "libvsmtp_plugin_redis.so", "plain.so", "mine.so",
    }  # fmt: skip


def test_rule_15_a_second_daemon_refuses_and_says_who_runs(tree):
    tree.plugin("mysql")
    with tree.daemon() as daemon:
        second = kit.run(
            kit.program("vsmtp-plugind"), f"--root={tree.path}", "--ask-program", expect=1
        )
        assert f"pid {daemon.pid}" in second.err
        tree.plugin("redis")
        daemon.wait_links(right_links(["mysql", "redis"]))
    with tree.daemon():  # the first has gone: nothing is in the way
        pass


def test_a_killed_daemon_is_nobodys_obstacle(tree):
    with tree.daemon() as daemon:
        daemon.kill()
    tree.plugin("mysql")
    with tree.daemon() as daemon:
        daemon.wait_links(right_links(["mysql"]))


# ---- what it costs ----


@pytest.mark.slow
@needs_strace
def test_an_idle_daemon_does_nothing(tree, tmp_path):
    tree.plugin("mysql")
    # In a mount namespace of its own: what the rest of the machine mounts is not its business.
    alone = ("unshare", "--mount", "--propagation", "private")
    with tree.daemon(wrapper=alone) as daemon:
        daemon.wait_links(right_links(["mysql"]))
        kit.wait_until(lambda: world.is_quiet(daemon.pid), what="the settled look to be over")
        with world.Strace(daemon.pid, tmp_path) as trace:
            time.sleep(0.5)  # being attached to ends its epoll_wait once
            woken = []
            for _ in range(6):  # a mount that goes elsewhere goes here too, and wakes it
                before = len(trace.calls())
                time.sleep(5)
                woken.append(trace.calls()[before:])
                if not woken[-1]:
                    return
        assert not woken, "it does something in each span of 5 s"


@needs_strace
@pytest.mark.parametrize("number", [200, pytest.param(10_000, marks=pytest.mark.slow)])
def test_rule_16_an_unchanged_store_is_not_opened_again(tree, tmp_path, number):
    """A full look at the daemon's second pass opens no file of the store; a changed one is."""
    data = kit.plugin_bytes(built_for="0.9.0")
    for i in range(number):
        path = tree / file_of(f"p{i}", "0.9.0")
        path.write_bytes(data)
        path.chmod(0o755)
    tree.plugin("mysql")
    tree.put("/usr/lib/elsewhere/x", "")
    with tree.daemon() as daemon:
        daemon.wait_links(right_links(["mysql"]))
        kit.wait_until(lambda: world.is_quiet(daemon.pid), 60, "rest")
        tree.config("[Plugind]\n")  # what was younger than its grain at the first look is read again
        kit.wait_until(lambda: world.is_quiet(daemon.pid), 60, "rest")
        with world.Strace(
            daemon.pid, tmp_path, "-e", "trace=open,openat,openat2,symlinkat,fcntl"
        ) as trace:
            tree.config("[Plugind]\nLinkName=again-%n\n")
            daemon.wait_links({"again-mysql.so"}, 60)
            kit.wait_until(lambda: world.is_quiet(daemon.pid), 60, "rest")
            calls = trace.calls()
            assert [c for c in calls if "0.9.0.so" in c or "F_SETLEASE" in c] == []

            def opened():
                return [c for c in trace.calls()[len(calls) :] if re.search(r"open.*0\.9\.0\.so", c)]

            (tree / file_of("p7", "0.9.0")).write_bytes(data)
            kit.wait_until(opened, 60, "a look at the file")
            kit.wait_until(lambda: world.is_quiet(daemon.pid), 60, "rest")
            assert all("p7-0.9.0.so" in c for c in opened())


def test_stop_and_start_leave_the_links(tree):
    tree.plugin("mysql")
    for _ in range(3):
        with tree.daemon() as daemon:
            daemon.wait_links(right_links(["mysql"]))
            assert daemon.stop() == 0
            assert "STOPPING=1" in daemon.messages
        assert tree.links() == right_links(["mysql"])


def truncated(tree):
    data = kit.plugin_bytes(tag="x")
    tree.put(file_of("x"), data[: len(data) // 2])
    return f"{file_of('x')} is not linked (truncated)"


def without_entry(tree):
    tree.plugin("x", entry=None)
    return f"{file_of('x')} is not linked (no-entry-point)"


def untrusted(tree):
    (tree / tree.plugin("x")).chmod(0o775)
    return f"{file_of('x')} is not linked (untrusted)"


def shadowed(tree):
    tree.plugin("good", layout="B")
    return f"{kit.STORE}/1.0.0/libvsmtp_plugin_good.so is not linked (shadowed)"


def a_second_link(tree):
    tree.link("again.so", file_of("good"))
    return "again.so"


@pytest.mark.parametrize("refused", [truncated, without_entry, untrusted, shadowed, a_second_link])
def test_rule_16_a_new_refusal_is_said_once_when_it_appears(tree, refused):
    tree.plugin("good")
    with tree.daemon() as daemon:
        daemon.wait_links(right_links(["good"]))
        words = refused(tree)
        world.log_wait(daemon, words)
        for name in ("one", "two"):  # further looks
            tree.plugin(name)
            kit.wait_until(lambda n=name: link_of(n) in tree.links(), what="its link")
        daemon.signal(signal.SIGHUP)
        kit.wait_until(lambda: daemon.messages.count("READY=1") == 2, what="the look at everything")
        assert daemon.log.count(words) == 1, daemon.log
