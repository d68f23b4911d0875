# SPDX-License-Identifier: LGPL-2.1-or-later
"""Rule 16, continued: bursts, signals, races and limits."""

import contextlib
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

import kit
import world
from world import file_of, link_of, right_links

QUEUED = Path("/proc/sys/fs/inotify/max_queued_events")
MYSQL = right_links(["mysql"])
BOTH = right_links(["mysql", "redis"])


@pytest.fixture
def served(tree):
    """A tree with one plugin, linked by a running daemon. The look after a burst, which would mend
    what an event did not tell, comes too late to be seen here."""
    tree.config(world.NO_SECOND_LOOK, "plugind.conf.d/00-settle.conf", "/usr/lib/vsmtp-plugind")
    tree.plugin("mysql")
    with tree.daemon() as daemon:
        daemon.wait_links(MYSQL)
        yield daemon


def test_rule_16_what_happens_while_it_is_stopped_is_seen(served):
    tree = served.tree
    served.signal(signal.SIGSTOP)
    try:
        for i in range(50):
            tree.plugin(f"p{i}")
        (tree / file_of("mysql")).unlink()
        tree.links_dir.rename(tree / "aside")
    finally:
        served.signal(signal.SIGCONT)
    served.wait_links(right_links([f"p{i}" for i in range(50)]))


def test_rule_16_sighup_looks_at_everything(served):
    """Also at what no event tells: a file changed behind a symlink."""
    tree = served.tree
    tree.put("/srv/x.so", kit.plugin_bytes(built_for="1.0.0"))
    (tree / file_of("redis")).symlink_to("/srv/x.so")
    served.wait_links(BOTH)
    tree.put("/srv/x.so", b"no ELF")
    served.signal(signal.SIGHUP)
    served.wait_message("READY=1", count=2)
    assert tree.links() == MYSQL
    assert any(m == "RELOADING=1" for m in served.messages)
    assert any(m.startswith("MONOTONIC_USEC=") for m in served.messages)


@pytest.mark.slow
def test_rule_16_a_steady_trickle_starves_nothing(served):
    """A file every 5 ms for 5 s: each gets its link soon, and the settled look has its turn."""
    tree = served.tree
    tree.config("[Plugind]\nSettleSec=100ms\nSettleMaxSec=2s\n")
    data = kit.plugin_bytes(built_for="1.0.0")
    made, seen = {}, {}
    spy = world.LinkSpy(tree.links_dir)

    def trickle(stop):
        end = time.monotonic() + 5
        i = 0
        while time.monotonic() < end:
            path = tree / "tmp" / f"t{i}"
            path.write_bytes(data)
            path.chmod(0o755)
            path.rename(tree / file_of(f"t{i}"))
            made[link_of(f"t{i}")] = time.monotonic()
            i += 1
            time.sleep(0.005)

    thread = threading.Thread(target=trickle, args=(None,))
    thread.start()
    statuses = 0
    while thread.is_alive():
        for name in spy.names():
            seen.setdefault(name, time.monotonic())
        statuses = len([m for m in list(served.messages) if m.startswith("STATUS=")])
        time.sleep(0.002)
    served.wait_links({**MYSQL, **{n: file_of(n[13:-3]) for n in made}})
    assert statuses >= 2  # the settled look tells the state, and came before the trickle ended
    late = [n for n in made if n in seen and seen[n] - made[n] > 2]
    assert late == [] and len(seen) > len(made) * 0.8
    spy.close()


@pytest.mark.alone
@pytest.mark.slow
def test_rule_16_an_overflown_queue_loses_nothing(tree):
    """The limit is the whole machine's: set for a moment, and put back."""
    data = kit.plugin_bytes(built_for="1.0.0")
    (tree / "srv").mkdir()
    for i in range(5000):
        path = tree / "srv" / Path(file_of(f"p{i}")).name
        path.write_bytes(data)
        path.chmod(0o755)
    tree.config(world.NO_SECOND_LOOK)
    before = QUEUED.read_text()
    try:
        QUEUED.write_text("16")
        with tree.daemon() as daemon:
            QUEUED.write_text(before)
            for path in (tree / "srv").iterdir():
                path.rename(tree.store / path.name)
            daemon.wait_links(right_links([f"p{i}" for i in range(5000)]), 60)
            for i in range(0, 5000, 2):
                (tree / file_of(f"p{i}")).unlink()
            daemon.wait_links(right_links([f"p{i}" for i in range(1, 5000, 2)]), 60)
    finally:
        QUEUED.write_text(before)


needs_users = pytest.mark.skipif(
    subprocess.run(["unshare", "--user", "true"], capture_output=True).returncode != 0,
    reason="no user namespace can be had here (a chroot)",
)


@needs_users
@pytest.mark.slow
def test_rule_16_without_watches_it_looks_by_the_clock(tree):
    """A user namespace has limits of its own, so that only this daemon meets them."""
    limits = "/proc/sys/user/max_inotify_watches"
    limited = ("unshare", "--user", "--map-root-user", "sh", "-c", f'echo 3 >{limits}; exec "$@"', "sh")
    tree.plugin("mysql")
    with tree.daemon(wrapper=limited) as daemon:
        daemon.wait_links(MYSQL)
        world.log_wait(daemon, "fs.inotify.max_user_watches")
        assert daemon.log.count("fs.inotify.max_user_watches") == 1
        assert "clock" in kit.wait_until(lambda: daemon.status)
        assert "watching=clock" in (tree / "run/vsmtp-plugind/status").read_text()
        kit.wait_until(lambda: world.is_quiet(daemon.pid), what="rest")
        tree.plugin("redis")
        daemon.wait_links(BOTH, 90)


@needs_users
def test_rule_16_without_an_inotify_instance_it_says_which_limit(tree):
    limits = "/proc/sys/user/max_inotify_instances"
    limited = ("unshare", "--user", "--map-root-user", "sh", "-c", f'echo 0 >{limits}; exec "$@"', "sh")
    done = kit.run(
        *limited, kit.program("vsmtp-plugind"), f"--root={tree.path}", "--ask-program", expect=1
    )
    assert "fs.inotify.max_user_instances" in done.err


def test_rule_16_no_watch_is_left_on_what_is_gone(served):
    """Stores that were renamed away are not watched any longer."""
    tree = served.tree

    def watches():
        count = 0
        for fd in Path(f"/proc/{served.pid}/fdinfo").iterdir():
            with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                count += fd.read_text().count("inotify wd:")
        return count

    before = watches()
    for turn in range(20):
        tree.store.rename(tree / f"usr/lib/old-{turn}")
        tree.mkdir(kit.STORE)
        tree.plugin(f"p{turn}")
        served.wait_links(right_links([f"p{turn}"]))
    assert watches() <= before + 2


@pytest.mark.slow
@pytest.mark.skipif(not world.can_strace(), reason="strace cannot trace here")
def test_rule_16_it_arms_before_it_looks(served, tmp_path):
    """A file comes into a new version directory while the daemon is about to watch that: sooner or
    later, slowed down so that each moment is hit."""
    tree = served.tree
    file = tree.store / "1.0.0/libvsmtp_plugin_redis.so"
    ready = tree.put("/srv/x.so", kit.plugin_bytes(built_for="1.0.0"))
    kit.wait_until(lambda: world.is_quiet(served.pid), what="rest")
    slow = "inject=getdents64:delay_exit=20000"  # longest between listing and what comes next
    with world.Strace(served.pid, tmp_path, "-e", "trace=getdents64", "-e", slow):
        for turn in range(18):
            kit.wait_until(lambda: world.is_quiet(served.pid), what="rest")
            file.parent.mkdir(mode=0o755)
            time.sleep(turn * 0.014)
            ready.rename(file)
            served.wait_links({link_of("mysql"), file.name})
            file.rename(ready)
            file.parent.rmdir()
            served.wait_links(MYSQL)


@pytest.mark.skipif(not world.can_strace(), reason="strace cannot trace here")
def test_rule_16_a_mount_in_the_rest_from_another_is_not_lost(served, tmp_path):
    """poll(2) tells of it once, and is asked while nothing may be looked at."""
    elsewhere, store = served.tree.mkdir("/srv/m"), served.tree / kit.STORE
    slow = ("-e", "trace=lseek", "-e", "inject=lseek:delay_exit=50000")
    with world.Strace(served.pid, tmp_path, *slow) as trace:
        world.mount("-t", "tmpfs", "kit", elsewhere)
        kit.wait_until(lambda: trace.calls() and world.is_quiet(served.pid), what="rest")
        world.mount("-t", "tmpfs", "-o", "mode=0755", "kit", store)
    try:
        served.wait_links({})
    finally:
        world.umount(store)
        world.umount(elsewhere)


@pytest.mark.skipif(not world.can_strace(), reason="strace cannot trace here")
def test_rule_16_the_mount_table_is_read_at_a_bounded_rate(served, tmp_path):
    """Mounts come and go elsewhere, all the time: most of that is not looked at."""
    place = os.fsencode(served.tree.mkdir("/srv/m"))
    changes = 0
    with world.Strace(served.pid, tmp_path, "-e", "trace=lseek") as trace:
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            assert world.LIBC.mount(b"kit", place, b"tmpfs", 0, None) == 0
            assert world.LIBC.umount2(place, 2) == 0  # MNT_DETACH
            changes += 2
            time.sleep(0.004)
        kit.wait_until(lambda: trace.calls(), what="the table to be read")
        kit.wait_until(lambda: world.is_quiet(served.pid), what="rest")
        reads = len(trace.calls())
    assert reads < changes / 4, (reads, changes)
