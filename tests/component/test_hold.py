# SPDX-License-Identifier: LGPL-2.1-or-later
"""Rule 17: the daemon waits for package managers. The locks are real ones, held by a real process."""

import os
import re
import signal
import subprocess
import sys
import time

import kit
import pytest
import world

FRONTEND = "/var/lib/dpkg/lock-frontend"
LOCK = "/var/lib/dpkg/lock"
RPM = ["/var/lib/rpm/.rpm.lock", "/usr/lib/sysimage/rpm/.rpm.lock"]

HOLDER = """
import fcntl, os, struct, sys
open("/proc/self/comm", "w").write(sys.argv[1])
held = {}
print("ready", flush=True)
for line in sys.stdin:
    verb, path = line.split()
    if verb == "lock":
        held[path] = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o640)
        fcntl.lockf(held[path], fcntl.LOCK_EX | fcntl.LOCK_NB)
    elif verb == "read-lock":
        held[path] = os.open(path, os.O_RDONLY)
        fcntl.lockf(held[path], fcntl.LOCK_SH | fcntl.LOCK_NB)
    elif verb == "lock-file":  # of the open file, which has no process
        held[path] = os.open(path, os.O_RDWR | os.O_CREAT, 0o640)
        fcntl.fcntl(held[path], 37, struct.pack("hhlli", fcntl.F_WRLCK, 0, 0, 0, 0))
    else:
        os.close(held.pop(path))
    print(verb, flush=True)
"""


class Holder:
    """A package manager that does nothing but hold locks of a tree."""

    def __init__(self, tree, *paths, name="apt-get", verb="lock"):
        self.tree = tree
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout.readline() == "ready\n"
        for path in paths:
            self.do(verb, path)

    @property
    def pid(self):
        return self.process.pid

    def do(self, verb, path):
        self.process.stdin.write(f"{verb} {self.tree / path}\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == f"{verb}\n"

    def kill(self):
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
        self.process.stdin.close()
        self.process.stdout.close()


@pytest.fixture
def dpkg(tree):
    tree.put(FRONTEND, "", 0o640)
    tree.put(LOCK, "", 0o640)
    return tree


def pass_by(tree, daemon):
    """Waits until the daemon has seen all that was done: a link that leads nowhere goes at once,
    and events come in order."""
    tree.link("zz-nowhere.so", f"{kit.STORE}/nowhere-{time.monotonic_ns()}.txt")
    kit.wait_until(lambda: "zz-nowhere.so" not in tree.links(), what=f"a pass; {daemon.log}")


def lock_of(tree):
    return tree.ctl("status", "--json", expect=0).json["package-lock"]


def test_rule_17_nothing_is_linked_while_a_package_manager_is_at_work(dpkg):
    with dpkg.daemon() as d, Holder(dpkg, FRONTEND, LOCK) as apt:
        dpkg.plugin("mysql")
        pass_by(dpkg, d)
        assert dpkg.links() == {}
        assert f"apt-get (pid {apt.pid}) holds {FRONTEND}" in d.log
        line = f"waiting while apt-get (pid {apt.pid}) holds {FRONTEND}; "
        kit.wait_until(lambda: d.status.startswith(line), what=f"the state line; it is {d.status}")
        apt.do("close", LOCK)
        apt.do("close", FRONTEND)
        d.wait_links(world.right_links(["mysql"]))
        world.log_wait(d, "The package manager is done")
        kit.wait_until(lambda: "waiting" not in d.status, what="the state line")


def test_rule_17_nothing_is_retargeted_or_removed_that_leads_somewhere(dpkg):
    dpkg.plugin("mysql")
    dpkg.plugin("csv")
    before = world.right_links(["mysql", "csv"])
    with dpkg.daemon() as d:
        d.wait_links(before)
        with Holder(dpkg, FRONTEND, LOCK) as apt:
            dpkg.plugin("mysql", "1.1.0")
            dpkg.server("1.1.0")
            pass_by(dpkg, d)
            assert dpkg.links() == before
            apt.do("close", LOCK)
            apt.do("close", FRONTEND)
            d.wait_links(world.right_links(["mysql"], "1.1.0"))


def test_rule_17_links_that_lead_nowhere_go_at_once(dpkg):
    """The manner of upstream's packages: `ln -s` without -f, which fails where a link is."""
    old = dpkg.plugin("mysql", layout="B")
    name = "libvsmtp_plugin_mysql.so"
    with dpkg.daemon() as d:
        d.wait_links([name])
        with Holder(dpkg, FRONTEND, LOCK) as apt:
            new = dpkg.plugin("mysql", "1.1.0", layout="B")
            dpkg.server("1.1.0")
            (dpkg / old).unlink()
            d.wait_links([])
            world.log_wait(d, f"removed {kit.LINKS}/{name}")
            (dpkg.links_dir / name).symlink_to(new)
            pass_by(dpkg, d)
            apt.do("close", LOCK)
            apt.do("close", FRONTEND)
            world.log_wait(d, "The package manager is done")
            d.wait_links({name: new})


def test_rule_17_the_name_of_a_link_that_went_comes_back(dpkg):
    old = dpkg.plugin("mysql")
    dpkg.link("db.so", old)
    with dpkg.daemon() as d:
        with Holder(dpkg, FRONTEND) as apt:
            dpkg.plugin("mysql", "1.1.0")
            dpkg.server("1.1.0")
            (dpkg / old).unlink()
            d.wait_links([])
            apt.do("close", FRONTEND)
            d.wait_links({"db.so": world.file_of("mysql", "1.1.0")})


def test_rule_17_a_gap_of_the_inner_lock_is_no_end(dpkg):
    with dpkg.daemon() as d, Holder(dpkg, FRONTEND) as apt:
        dpkg.plugin("mysql")
        for _ in range(3):
            apt.do("lock", LOCK)
            pass_by(dpkg, d)
            apt.do("close", LOCK)
            pass_by(dpkg, d)
        assert dpkg.links() == {}
        apt.do("close", FRONTEND)
        d.wait_links(world.right_links(["mysql"]))
        world.log_wait(d, "The package manager is done")
        assert d.log.count("The package manager is done") == 1


@pytest.mark.parametrize("path", [LOCK, *RPM])
def test_rule_17_each_lock_counts_also_one_that_comes_later(tree, path):
    with tree.daemon() as d:
        tree.mkdir(os.path.dirname(path))
        with Holder(tree, path, name="rpm") as rpm:
            tree.plugin("mysql")
            pass_by(tree, d)
            assert tree.links() == {}
            assert f"rpm (pid {rpm.pid}) holds {path}" in d.log
            rpm.do("close", path)
            d.wait_links(world.right_links(["mysql"]))


def test_rule_17_a_database_behind_a_symlink(tree):
    (tree.mkdir("/usr/lib/sysimage/rpm"), tree.mkdir("/var/lib"))
    (tree / "/var/lib/rpm").symlink_to("../../usr/lib/sysimage/rpm")
    with tree.daemon() as d, Holder(tree, RPM[1]) as rpm:
        tree.plugin("mysql")
        pass_by(tree, d)
        assert tree.links() == {}
        rpm.do("close", RPM[1])
        d.wait_links(world.right_links(["mysql"]))


def test_rule_17_a_killed_holder_holds_nothing(dpkg):
    with dpkg.daemon() as d, Holder(dpkg, FRONTEND, LOCK) as apt:
        dpkg.plugin("mysql")
        pass_by(dpkg, d)
        apt.kill()
        d.wait_links(world.right_links(["mysql"]))


def test_rule_17_a_lock_of_an_open_file_has_no_process(dpkg):
    with dpkg.daemon() as d, Holder(dpkg, FRONTEND, verb="lock-file") as apt:
        dpkg.plugin("mysql")
        pass_by(dpkg, d)
        assert dpkg.links() == {}
        assert f"a package manager holds {FRONTEND}" in d.log
        assert lock_of(dpkg)["pid"] == 0
        apt.do("close", FRONTEND)  # its event comes before it is free
        d.wait_links(world.right_links(["mysql"]))


def test_rule_17_asking_takes_no_lock_and_drops_none(dpkg):
    with dpkg.daemon() as d, Holder(dpkg, FRONTEND) as apt, Holder(dpkg) as other:
        dpkg.plugin("mysql")
        for _ in range(5):
            pass_by(dpkg, d)
        assert lock_of(dpkg)["pid"] == apt.pid
        apt.do("close", FRONTEND)
        other.do("lock", FRONTEND)  # at once, and though the daemon looks just now


def test_rule_17_who_may_only_read_the_lock_holds_nobody(tree):
    """rpm's is open to everybody; a lock for reading is no package manager's."""
    tree.put(RPM[0], "", 0o644)
    with tree.daemon() as d, Holder(tree, RPM[0], verb="read-lock"):
        tree.plugin("mysql")
        d.wait_links(world.right_links(["mysql"]))
        assert "aiting" not in d.log


def test_rule_17_it_gives_up_after_a_time_and_says_so(dpkg):
    dpkg.config("[Plugind]\nHoldMaxSec=1s\n")
    with dpkg.daemon() as d, Holder(dpkg, FRONTEND) as apt:
        dpkg.plugin("mysql")
        pass_by(dpkg, d)
        d.wait_links(world.right_links(["mysql"]))
        assert f"Gave up waiting: apt-get (pid {apt.pid}) holds {FRONTEND}" in d.log
        assert "HoldMaxSec=" in d.log
        kit.wait_until(lambda: "waiting" not in d.status, what="the state line")
        # Not waited for again; and links go on being made.
        dpkg.plugin("csv")
        d.wait_links(world.right_links(["mysql", "csv"]))
        assert d.log.count("Gave up") == 1
        assert "the daemon does not wait for it" in dpkg.ctl("status", expect=0).out


def test_rule_17_a_limit_of_nothing_never_waits(dpkg):
    dpkg.config("[Plugind]\nHoldMaxSec=0\n")
    with dpkg.daemon() as d, Holder(dpkg, FRONTEND):
        dpkg.plugin("mysql")
        d.wait_links(world.right_links(["mysql"]))
        assert "aiting" not in d.log


def test_rule_17_a_person_and_the_start_hook_never_wait(dpkg):
    with dpkg.daemon() as d, Holder(dpkg, FRONTEND, LOCK):
        dpkg.plugin("mysql")
        pass_by(dpkg, d)
        assert dpkg.links() == {}
        dpkg.ctl("sync", "--no-reload", expect=0)
        assert dpkg.links() == world.right_links(["mysql"])
        dpkg.plugin("csv")
        pass_by(dpkg, d)
        dpkg.ctl("sync", "--no-reload", "--start-of=vsmtp.service", expect=0)
        assert dpkg.links() == world.right_links(["csv", "mysql"])


def test_rule_17_a_start_in_mid_transaction_waits_and_is_ready(dpkg):
    dpkg.plugin("mysql")
    dpkg.link("csv.so", world.file_of("csv"))
    with Holder(dpkg, FRONTEND) as apt, dpkg.daemon() as d:  # READY=1 has come
        assert dpkg.links() == {}
        assert "Waiting" in d.log
        apt.do("close", FRONTEND)
        d.wait_links(world.right_links(["mysql"]))


def test_rule_17_sighup_looks_again_but_waits(dpkg):
    with dpkg.daemon() as d, Holder(dpkg, FRONTEND):
        dpkg.plugin("mysql")
        pass_by(dpkg, d)
        d.signal(signal.SIGHUP)
        d.wait_message("READY=1", count=2)
        assert dpkg.links() == {}


def test_rule_17_status_says_who_and_since_when(dpkg):
    assert lock_of(dpkg) == {"path": None, "pid": 0, "command": None, "waiting-since": 0}
    with dpkg.daemon() as d, Holder(dpkg, FRONTEND) as apt:
        begin = time.time_ns() // 1000
        dpkg.plugin("mysql")
        pass_by(dpkg, d)
        kit.wait_until(lambda: lock_of(dpkg)["waiting-since"], what="the daemon's word")
        lock = lock_of(dpkg)
        assert begin <= lock.pop("waiting-since") <= time.time_ns() // 1000
        assert lock == {"path": FRONTEND, "pid": apt.pid, "command": "apt-get"}
        text = " ".join(dpkg.ctl("status", expect=0).out.split())
        assert re.search(
            rf"Packages:? apt-get \(pid {apt.pid}\) holds {FRONTEND}; the daemon waits for it since \w+ \d+-", text
        ), text
        apt.do("close", FRONTEND)
        d.wait_links(world.right_links(["mysql"]))
        assert lock_of(dpkg) == {"path": None, "pid": 0, "command": None, "waiting-since": 0}
        assert "Packages" not in dpkg.ctl("status", expect=0).out


@pytest.mark.skipif(not world.can_strace(), reason="strace cannot trace here")
def test_rule_17_it_waits_without_polling(dpkg, tmp_path):
    with dpkg.daemon() as d, Holder(dpkg, FRONTEND) as apt:
        dpkg.plugin("mysql")
        pass_by(dpkg, d)
        with world.Strace(d.pid, tmp_path) as trace:
            # For long enough that the rest behind a look which was traced, and slow, is over, too.
            kit.wait_until(lambda: all(world.is_quiet(d.pid) for _ in range(5)), limit=60, what="rest")
            before = len(trace.calls()) - 1  # the last one is the waiting itself
            time.sleep(3)  # nothing is to happen: there is no condition to wait for
            calls = trace.calls()[before:]
            # Mounts of others, which come as EPOLLPRI, are all that may wake it.
            assert [c for c in calls if "epoll_wait" in c and re.search(r"= \d+$", c) and "EPOLLPRI" not in c] == []
            assert [c for c in calls if "F_OFD_GETLK" in c or "timerfd" in c or "inotify" in c] == []
            assert dpkg.links() == {}
            apt.do("close", FRONTEND)
            d.wait_links(world.right_links(["mysql"]))
            assert any("F_OFD_GETLK" in c for c in trace.calls())
            assert not any("SETLK" in c and "lock-frontend" in c for c in trace.calls())
