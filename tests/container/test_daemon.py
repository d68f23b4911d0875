# SPDX-License-Identifier: LGPL-2.1-or-later
"""The daemon as a service: its sandbox, its life, what it costs when nothing happens."""

import re
import signal
import os
from pathlib import Path

import harness
import kit
import pytest

RUN, STATE = "/run/vsmtp-plugind", "/var/lib/vsmtp-plugind"
SYNC_UNITS = ["vsmtp-plugin-sync.service", "vsmtp-plugin-sync-again.service"]


def daemon_pid(box):
    return int(box.show(harness.DAEMON, "MainPID"))


def host_pid(box, pid):
    """The host's number of a process of the container."""
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            text = status.read_text()
        except OSError:
            continue
        found = re.search(r"^NSpid:\t(.*)$", text, re.M)
        if not found or found[1].split()[-1] != str(pid) or len(found[1].split()) < 2:
            continue
        here = os.stat(status.parent / "ns/pid").st_ino
        if here == os.stat(f"/proc/{box.leader}/ns/pid").st_ino:
            return int(status.parent.name)
    raise AssertionError(f"no process {pid} in the container")


def test_units_are_installed_without_complaint(box):
    out = box.run("systemctl", "--failed", "--no-legend", "--plain").out
    assert "vsmtp" not in out, out
    units = [harness.DAEMON, harness.EXECUTOR, "vsmtp-plugin-reload.path", "vsmtp.service"]
    done = box.run("systemd-analyze", "verify", "--man=no", *units, check=False)
    assert done.code == 0 and "vsmtp" not in done.err, done
    done = box.run("systemd-tmpfiles", "--dry-run", "--create", "vsmtp-plugind.conf", check=False)
    if "unrecognized option" not in done.err:
        assert done.code == 0, done
    for unit in units:
        assert box.show(unit, "LoadState") == "loaded"
    drop_in = box.show("vsmtp", "DropInPaths")
    assert drop_in.endswith("vsmtp.service.d/10-vsmtp-plugind.conf")


# The executor's is not bounded: it has the bus, and with it all that root may.
@pytest.mark.parametrize("unit", [harness.DAEMON, *SYNC_UNITS])
def test_sandbox_scores_at_most_one_and_a_half(box, unit):
    out = box.run("systemd-analyze", "security", "--no-pager", unit).out
    score = float(re.search(r"Overall exposure level for \S+: ([0-9.]+)", out)[1])
    assert score <= 1.5, out


CONNECT = """
import os, socket, sys, time
def tries():
    for path in ("/run/dbus/system_bus_socket", "/run/systemd/private"):
        assert os.path.exists(path), path
        try:
            socket.socket(socket.AF_UNIX).connect(path)
            print("REACHED", path)
        except OSError as error:
            print("refused", path, error.errno)
tries()
sys.stdout.flush()
while not os.path.exists("/run/vsmtp-plugind/again"):
    time.sleep(0.05)
tries()
"""


def test_no_bus_can_be_reached_from_inside_the_unit_also_after_a_reexec(box):
    probe_unit(box, harness.DAEMON, CONNECT)
    box.run("systemctl", "start", "--no-block", "kit-probe")

    def said():
        return box.run("journalctl", "-u", "kit-probe", "-o", "cat", "--no-pager").out

    kit.wait_until(lambda: said().count("refused") == 2, what="the first attempts")
    box.run("systemctl", "daemon-reexec")
    box.path("/run/vsmtp-plugind/again").touch()
    kit.wait_until(lambda: said().count("refused") == 4, what="the others")
    assert "REACHED" not in said()
    assert said().count(" 1\n") == 4, "refused by the filter, with EPERM"


def test_no_bus_is_linked_into_the_daemon():
    text = kit.run("nm", "-D", "--undefined-only", kit.program("vsmtp-plugind"), expect=0).out
    assert "sd_event_loop" in text and "sd_bus_" not in text


def probe_unit(box, unit, program=None):
    """A unit of ours with the probe as its program: the very same sandbox."""
    path = box.show(unit, "FragmentPath")
    text = box.path(path).read_text()
    lines = [
        line
        for line in text.splitlines()
        if not line.startswith(("ExecStart", "ExecReload=", "Restart", "NotifyAccess=", "Type=", "On"))
    ]
    where = lines.index("[Service]") + 1
    lines[where:where] = ["Type=oneshot", "ExecStart=/usr/bin/python3 /usr/lib/kit-probe.py"]
    box.put("/usr/lib/kit-probe.py", program or Path(__file__).with_name("probe.py").read_bytes())
    box.put("/etc/systemd/system/kit-probe.service", "\n".join(lines) + "\n", 0o644)
    box.run("systemctl", "daemon-reload")


@pytest.mark.parametrize("unit", [harness.DAEMON, *SYNC_UNITS])
def test_only_the_three_directories_can_be_written_from_inside_the_unit(box, unit):
    probe_unit(box, unit)
    box.run("systemctl", "start", "kit-probe")
    out = box.run("journalctl", "-u", "kit-probe", "-o", "cat", "--no-pager").out
    found = [line for line in out.splitlines() if line.startswith("/")]
    tried = int(re.search(r"^tried (\d+)$", out, re.M)[1])
    assert tried > 500, out
    assert found == [kit.LINKS, RUN, f"{RUN}/asked", STATE]


def test_only_the_three_mounts_can_be_written_in_the_running_daemons_namespace(box):
    """With all of root's capabilities, so that nothing but the mounts protects."""
    box.put("/usr/lib/kit-probe.py", Path(__file__).with_name("probe.py").read_bytes())
    pid = daemon_pid(box)
    out = box.sh(f"nsenter -m -t {pid} /usr/bin/python3 /usr/lib/kit-probe.py").out
    found = [line for line in out.splitlines() if not line.startswith(("/dev/pts", "/proc"))]
    assert found == [kit.LINKS, RUN, f"{RUN}/asked", STATE]


def test_the_daemon_has_no_capability_and_a_system_call_filter(box):
    text = box.path(f"/proc/{daemon_pid(box)}/status").read_text()
    for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(re.search(rf"^{kind}:\t(\w+)$", text, re.M)[1], 16) == 0, kind
    assert re.search(r"^NoNewPrivs:\t1$", text, re.M)
    assert re.search(r"^Seccomp:\t2$", text, re.M)


def test_status_line_tells_the_state(box):
    kit.wait_until(lambda: "1.0.0" in box.show(harness.DAEMON, "StatusText"), what="the version")
    before = box.show(harness.DAEMON, "StatusText")
    box.plugin("mysql")
    box.wait_links(["mysql"])
    kit.wait_until(lambda: box.show(harness.DAEMON, "StatusText") != before, what="another line")
    assert re.search(r"\b1\b", box.show(harness.DAEMON, "StatusText"))
    box.run("systemctl", "daemon-reexec")
    box.plugin("csv")
    kit.wait_until(lambda: re.search(r"\b2\b", box.show(harness.DAEMON, "StatusText")), what="the new manager's")
    assert "vsmtp-plugin-csv.so" in box.journal("-b", "-u", harness.DAEMON)


def test_killed_it_comes_back_and_serves(box):
    old = daemon_pid(box)
    os.kill(host_pid(box, old), signal.SIGKILL)
    kit.wait_until(lambda: daemon_pid(box) not in (0, old), what="another daemon")
    box.wait_daemon()
    box.plugin("mysql")
    box.wait_links(["mysql"])
    box.wait_starts(2)


def test_killed_in_a_burst_nothing_is_left_over(box):
    names = [f"n{i:03}" for i in range(100)]
    killed = set()
    for name in names:
        box.plugin(name)
        pid = daemon_pid(box)
        if name.endswith("5") and pid not in killed | {0}:  # the manager may not know of a death yet
            os.kill(host_pid(box, pid), signal.SIGKILL)
            killed.add(pid)
    box.wait_links(names)
    assert killed
    box.wait_peace()
    assert len(box.starts()[-1]["loaded"]) == 100
    assert not [n for n in box.links() if n.startswith(".")]


def test_stop_and_start_leave_the_lock_where_it_is(box):
    lock = box.path(f"{RUN}/lock")
    inode = lock.stat().st_ino
    box.run("systemctl", "restart", harness.DAEMON)
    box.run("systemctl", "stop", harness.DAEMON)
    assert box.show(harness.DAEMON, "Result") == "success"
    assert lock.stat().st_ino == inode
    assert oct(lock.stat().st_mode & 0o7777) == "0o600"
    box.wait_starts(1)


def test_reload_is_a_new_look_and_the_same_process(box):
    before = daemon_pid(box)
    box.run("systemctl", "reload", harness.DAEMON)
    kit.wait_until(lambda: box.is_active(harness.DAEMON), what="the end of the reload")
    assert daemon_pid(box) == before
    box.wait_starts(1)


def remove_links(box):
    # The daemon puts links back (rule 10) while rm is at it: again, until it has won.
    box.sh(f"while [ -e {kit.LINKS} ]; do rm -rf {kit.LINKS} 2>/dev/null || true; done")


def remake_links(box):
    box.sh(f"until rm -rf {kit.LINKS} 2>/dev/null && mkdir -m 0755 {kit.LINKS}; do :; done")


def test_links_directory_made_anew_is_served_again(box):
    box.plugin("mysql")
    box.wait_links(["mysql"])
    box.wait_starts(2)
    names = ["mysql"]
    for turn in range(3):
        restarts = int(box.show(harness.DAEMON, "NRestarts"))
        remake_links(box)
        box.wait_links(names)
        box.wait_daemon()
        names.append(f"n{turn}")
        box.plugin(names[-1])
        box.wait_links(names)
        # It ends with 75 and is started again, once for each new directory.
        assert int(box.show(harness.DAEMON, "NRestarts")) <= restarts + 1
    box.wait_peace()
    assert box.show(harness.DAEMON, "Result") == "success"
    assert box.is_active(harness.DAEMON) and box.is_active("vsmtp")


def test_a_links_directory_made_anew_can_be_written_before_that_is_needed(box):
    """With nothing to do in it: what dangles later must go at once, not after a fresh start."""
    before = int(box.show(harness.DAEMON, "NRestarts"))
    box.sh(f"mkdir -m 0755 {kit.LINKS}.new; mv -T {kit.LINKS}.new {kit.LINKS}")  # none is missing meanwhile
    kit.wait_until(lambda: int(box.show(harness.DAEMON, "NRestarts")) == before + 1, 30, "the fresh start")
    box.wait_daemon()
    pid = box.show(harness.DAEMON, "MainPID")
    box.sh(f"ln -s /usr/lib/vsmtp/libvsmtp-plugin-gone-1.0.0.so {kit.LINKS}/gone.so")
    kit.wait_until(lambda: box.links() == {}, what="the dangling link's removal")
    assert box.show(harness.DAEMON, "MainPID") == pid


def test_links_directory_removed_alone_comes_back(box):
    box.plugin("mysql")
    box.wait_links(["mysql"])
    remove_links(box)
    box.wait_links(["mysql"])
    assert box.is_active("vsmtp")


def test_vsmtp_installed_after_the_daemon_is_served(bare_box):
    """/etc/vsmtp is not there at first: nothing is made, and what comes later is seen."""
    box = bare_box
    box.sh("systemctl stop vsmtp vsmtp-plugind; rm -r /etc/vsmtp; mv /usr/sbin/vsmtp /usr/lib/kit-vsmtp")
    box.run("systemctl", "start", harness.DAEMON)
    box.plugin("mysql")
    box.wait_peace()
    assert not box.path("/etc/vsmtp").exists()
    # As upstream's package does it: the directory first, made with what is in it.
    box.sh("mkdir -p /etc/vsmtp/plugins; : >/etc/vsmtp/vsmtp.vsl; mv /usr/lib/kit-vsmtp /usr/sbin/vsmtp")
    box.wait_links(["mysql"])
    before = len(box.starts())
    box.run("systemctl", "start", "vsmtp")
    starts = box.wait_starts(before + 1)
    assert starts[-1]["loaded"]["vsmtp-plugin-mysql.so"][1] == "ok"


def test_rule_12_a_links_directory_of_another_user_is_taken_over(bare_box):
    box = bare_box
    box.sh("systemctl stop vsmtp vsmtp-plugind; chown -R 900:900 /etc/vsmtp; chmod 0775 /etc/vsmtp/plugins")
    box.run("systemctl", "start", harness.DAEMON)
    st = os.stat(box.path(kit.LINKS))
    assert (st.st_uid, st.st_gid, st.st_mode & 0o7777) == (0, 0, 0o755)
    assert os.stat(box.path("/etc/vsmtp")).st_uid == 900
    box.plugin("mysql")
    box.wait_links(["mysql"])


def test_a_second_daemon_refuses_and_says_who_runs(box):
    libexec = box.show(harness.DAEMON, "ExecStart")
    program = re.search(r"path=(\S+)", libexec)[1]
    done = box.run(program, check=False)
    assert done.code == 1
    assert str(daemon_pid(box)) in done.err


@pytest.mark.alone  # what is mounted and unmounted on the machine wakes it, and rightly so
def test_idle_it_makes_no_system_call(box):
    for i in range(20):
        box.plugin(f"n{i}")
    box.wait_links([f"n{i}" for i in range(20)])
    box.wait_starts(2)
    pid = daemon_pid(box)
    for _ in range(3):  # a mount of somebody else's may spoil a minute, not each
        # The attaching itself interrupts a wait: what counts starts two seconds later.
        box.sh(
            f"timeout -s INT 62 strace -f -ttt -o /run/trace -p {pid} 2>/dev/null || true;"
            " date +%s.%N >/run/end",
            timeout=90,
        )
        lines = box.path("/run/trace").read_text().splitlines()
        end = float(box.path("/run/end").read_text())
        calls = [
            line
            for line in lines
            if float(line.split()[1]) > end - 60 and "detached" not in line
        ]
        if not calls:
            return
    assert not calls, calls[:20]


def test_resident_memory_is_small(box, record_property, capsys):
    names = [f"n{i:03}" for i in range(100)]
    for name in names:
        box.plugin(name)
    box.wait_links(names)
    box.wait_peace()
    text = box.path(f"/proc/{daemon_pid(box)}/status").read_text()
    resident = {k: int(re.search(rf"^{k}:\s+(\d+) kB", text, re.M)[1]) for k in ("VmRSS", "RssAnon", "VmHWM")}
    record_property("resident", str(resident))
    with capsys.disabled():
        print(f"\n    resident memory of the daemon with 100 plugins, in KiB: {resident}")
    assert resident["RssAnon"] < 4096
    assert resident["VmRSS"] < 16384


def test_links_are_right_while_the_store_is_on_a_mount_that_comes_later(box):
    """A mount over the store is invisible to inotify (rule 16)."""
    box.sh("mkdir -p /run/other-store")
    data = kit.plugin_bytes(built_for="1.0.0")
    box.path("/run/other-store/libvsmtp-plugin-late-1.0.0.so").write_bytes(data)
    box.path("/run/other-store/libvsmtp-plugin-late-1.0.0.so").chmod(0o755)
    box.plugin("mysql")
    box.wait_links(["mysql"])
    box.run("mount", "--bind", "/run/other-store", "/usr/lib/vsmtp")
    box.wait_links(["late"])
    box.run("umount", "/usr/lib/vsmtp")
    box.wait_links(["mysql"])
