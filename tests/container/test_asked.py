# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is asked stays asked: whatever happens to executor, manager or bus, each reload that is owed
happens, once."""

import os
import random
import time

import harness
import kit
import pytest

ASKED = "/run/vsmtp-plugind/asked"
PATH_UNIT = "vsmtp-plugin-reload.path"


def left(box):
    return [n for n in os.listdir(box.path(ASKED)) if not n.startswith(".")]


def tells_the_truth(box, name):
    """What `status` says of the running server, against what that process loaded: a reload is owed if
    this plugin is not among it. Nothing is said of a server that is just being stopped or started."""
    before = box.run("systemctl", "show", "vsmtp", "-p", "InvocationID", check=False).out
    said = box.ctl("--json", "status", check=False)
    after = box.run("systemctl", "show", "vsmtp", "-p", "InvocationID", check=False).out
    unit = said.json["units"][0] if said.code == 0 else {"state": "unknown"}
    if unit["state"] != "active" or not before or before != after:
        return
    # It says a moment after its start what it has loaded.
    start = kit.wait_until(lambda: [s for s in box.starts() if s["invocation"] in before], what="its start")[-1]
    has = f"vsmtp-plugin-{name}.so" in start["loaded"]
    assert unit["owed"] != has and said.json["in-sync"] == has, (has, said.out)


def wait_answered(box, starts, limit=90, truth=None):
    """All is answered and the executor has ended: then vSMTP was started so often, and runs."""

    def done():
        if truth:
            tells_the_truth(box, truth)
        state = box.show(harness.EXECUTOR, "ActiveState")
        return not left(box) and state == "inactive"

    kit.wait_until(done, limit, "the answer")
    # A job is over before the server says what it has loaded.
    kit.wait_until(lambda: len(box.starts()) >= starts, 10, f"start {starts}")
    assert len(box.starts()) == starts
    kit.wait_until(lambda: box.is_active("vsmtp"), what="vSMTP")


def answer(box):
    return box.path("/run/vsmtp-plugind/answer").read_text()


@pytest.fixture
def alone(box):
    """Nobody but a person asks, and vSMTP takes its time to stop, so that there is something to
    interrupt."""
    box.run("systemctl", "stop", harness.DAEMON)
    box.put("/etc/systemd/system/vsmtp.service.d/50-slow.conf", "[Service]\nExecStop=/bin/sleep 0.4\n", 0o644)
    box.run("systemctl", "daemon-reload")
    return box


def interrupt(box, how):
    box.sh(
        {
            "kill": f"systemctl kill -s KILL {harness.EXECUTOR} || :",
            "stop": f"systemctl stop {harness.EXECUTOR}",
            "isolate": "systemctl isolate multi-user.target",
            "reexec": "systemctl daemon-reexec",
            "dbus": "systemctl restart dbus.service",
            "reload": "for i in 1 2 3 4 5; do systemctl daemon-reload; done",
        }[how],
        timeout=60,
    )


@pytest.mark.parametrize(
    "how, times",
    [("kill", 20), ("stop", 5), ("isolate", 3), ("reexec", 6), ("dbus", 3), ("reload", 3)],
)
def test_rule_18_what_is_asked_happens_once_whatever_comes_between(alone, how, times):
    chance = random.Random(how)
    for i in range(times):
        alone.plugin(f"n{i}")
        alone.ctl("reload", "--wait=no")
        time.sleep(chance.uniform(0, 0.6))  # some moment of its work
        interrupt(alone, how)
        wait_answered(alone, i + 2, truth=f"n{i}")
        assert alone.starts()[-1]["loaded"][f"vsmtp-plugin-n{i}.so"][1] == "ok"
    assert "healthy" in answer(alone) or "nothing-owed" in answer(alone)
    assert alone.run("systemctl", "--failed", "--plain", "--no-legend").out == ""


@pytest.mark.parametrize("how", ["reexec", "dbus"])
def test_rule_18_the_daemons_request_survives_an_event_beside_it(box, how):
    """The manager or the bus is started anew just when something becomes owed."""
    for i in range(2):
        box.plugin("mysql", tag=f"build {i}")
        time.sleep(0.03)
        interrupt(box, how)
        kit.wait_until(lambda n=i: len(box.starts()) == n + 2, 60, "the restart")
        box.wait_peace()
        assert len(box.starts()) == i + 2


def test_rule_18_a_request_of_a_persons_is_answered_by_any_start(alone):
    alone.ctl("reload", "--force", "--wait=no")
    alone.run("systemctl", "restart", "vsmtp")
    wait_answered(alone, 2)


def test_rule_18_five_persons_at_once_are_one_start(alone):
    alone.sh("for i in 1 2 3 4 5; do vsmtp-pluginctl reload --force & done; wait")
    wait_answered(alone, 2)


def test_rule_18_a_full_run_directory_is_only_a_delay(alone):
    """What cannot be written is asked for later, by whoever could not."""
    alone.sh("mount -t tmpfs -o size=64k none /run/vsmtp-plugind && vsmtp-pluginctl sync --no-reload")
    alone.sh("cat /dev/zero >/run/vsmtp-plugind/full || :", check=False)
    alone.plugin("mysql")
    done = alone.ctl("sync", check=False)
    assert done.code in (1, 3) and len(alone.starts()) == 1
    tells_the_truth(alone, "mysql")
    alone.sh("rm /run/vsmtp-plugind/full")
    alone.ctl("sync")
    kit.wait_until(lambda: len(alone.starts()) == 2, what="the restart")


def test_rule_14_a_full_disk_is_only_a_delay(box):
    """Links cannot be made; nobody does anything when there is room again."""
    box.sh(
        f"systemctl stop {harness.DAEMON}; cp -a /etc/vsmtp /etc/kept; mount -t tmpfs -o nr_inodes=30 none /etc/vsmtp;"
        f"cp -a /etc/kept/. /etc/vsmtp; mkdir /etc/vsmtp/full; systemctl start {harness.DAEMON};"
        "cd /etc/vsmtp/full; i=0; while touch $i 2>/dev/null; do i=$((i+1)); done"
    )
    box.plugin("mysql")
    kit.wait_until(lambda: "No space left" in box.journal("-b", "-u", harness.DAEMON), what="the failure")
    said = box.ctl_json("status")
    assert said["links"]["pending"] == 1 and not said["in-sync"] and len(box.starts()) == 1
    box.sh("rm -r /etc/vsmtp/full")
    box.wait_links(["mysql"], limit=90)
    starts = box.wait_starts(2)
    assert starts[1]["loaded"]["vsmtp-plugin-mysql.so"][1] == "ok"
    assert box.ctl_json("status")["in-sync"]


# ---- what the daemon cannot see ----


def rests(box, starts):
    """After so many starts nobody asks, nobody looks, nobody says a word any more."""

    def seen():
        cursor = box.run("journalctl", "-b", "-n", "0", "--show-cursor", "-u", "vsmtp*").out
        return answer(box), left(box), cursor, len(box.starts())

    found = box.wait_starts(starts)
    before = seen()
    box.wait_peace(2)
    assert seen() == before and left(box) == []
    return found[-1]["loaded"]


def test_rule_18_a_foreign_link_into_a_closed_directory_asks_once(box):
    """The daemon has no right to enter it, the executor has: they never agree on what is there."""
    box.plugin("mysql")
    box.wait_starts(2)
    box.put("/opt/closed/own.so", kit.plugin_bytes(tag="own", built_for="1.0.0"))
    box.sh(f"chown 900:900 /opt/closed; chmod 0750 /opt/closed; ln -s /opt/closed/own.so {kit.LINKS}/own.so")
    rests(box, 3)
    box.run("systemctl", "restart", harness.DAEMON)
    rests(box, 3)
    box.run("systemctl", "restart", "vsmtp")
    assert rests(box, 4)["own.so"] == ("/opt/closed/own.so", "ok")


def test_rule_09_a_library_in_a_closed_directory_is_no_fight(box):
    """Who can see it links the plugin, and the daemon leaves that as it is."""
    box.put("/opt/closed/libkitown.so.1", kit.library("libkitown.so.1").read_bytes())
    box.sh("chown 900:900 /opt/closed; chmod 0750 /opt/closed")
    path = box.plugin("mysql", needs=("libkitown.so.1",), runpath="/opt/closed")
    rests(box, 1)
    for count in (2, 3, 4):
        box.run("systemctl", "restart", "vsmtp")
        assert rests(box, count) == {"vsmtp-plugin-mysql.so": (path, "ok")}
    box.run("systemctl", "restart", harness.DAEMON)
    rests(box, 4)
    box.wait_links(["mysql"])


# ---- nobody answers ----


def nobody(box):
    return box.ctl_json("status")["nobody-answers"]


@pytest.mark.parametrize("unit", [harness.EXECUTOR, PATH_UNIT])
def test_nobody_answers_if_the_unit_is_masked(box, unit):
    if unit == PATH_UNIT:
        box.run("systemctl", "stop", PATH_UNIT)
    box.run("systemctl", "mask", "--runtime", unit)
    box.plugin("mysql")
    box.wait_links(["mysql"])
    kit.wait_until(lambda: nobody(box), 30, "the finding")
    assert f"{unit} is masked" in nobody(box)
    assert "NOBODY ANSWERS" in box.ctl("status").out.splitlines()[0]
    before = len(box.journal("-b"))
    time.sleep(2)
    assert len(box.journal("-b")) < before + 2000, "a busy loop"
    assert len(box.starts()) == 1
    cure = nobody(box).partition("cure: ")[2]
    assert cure.startswith(f"systemctl unmask {unit}")
    box.sh(cure.replace("unmask", "unmask --runtime"))
    box.wait_starts(2)
    assert nobody(box) is None


@pytest.mark.parametrize("instead", ["exit 1", "kill -SEGV $$"])
def test_nobody_answers_if_the_executor_fails_at_once(box, instead):
    program = "/usr/libexec/vsmtp-plugin-reload"
    box.sh(f"mv {program} {program}.away")
    box.put(program, f"#!/bin/sh\n{instead}\n")
    box.plugin("mysql")
    box.wait_links(["mysql"])
    kit.wait_until(lambda: nobody(box), 30, "the finding")
    first = int(box.show(harness.EXECUTOR, "NRestarts"))
    time.sleep(5)
    assert int(box.show(harness.EXECUTOR, "NRestarts")) <= first + 4, "a busy loop"
    box.sh(f"mv {program}.away {program}")
    box.wait_starts(2)
    assert nobody(box) is None
    assert box.run("systemctl", "--failed", "--plain", "--no-legend").out == ""


def test_nobody_answers_if_the_path_unit_has_failed(box):
    """An executor that says it is done and leaves the request there: systemd gives the path unit up."""
    program = "/usr/libexec/vsmtp-plugin-reload"
    box.put(f"/etc/systemd/system/{PATH_UNIT}.d/50-soon.conf", "[Path]\nTriggerLimitBurst=5\n", 0o644)
    box.sh(f"systemctl daemon-reload; mv {program} {program}.away; ln -s /bin/true {program}")
    box.plugin("mysql")
    box.wait_links(["mysql"])
    kit.wait_until(lambda: box.show(PATH_UNIT, "ActiveState") == "failed", 60, "the path unit's end")
    kit.wait_until(lambda: nobody(box), 30, "the finding")
    assert f"{PATH_UNIT} is failed" in nobody(box)
    assert len(box.starts()) == 1
    box.sh(f"mv {program}.away {program}")
    cure = nobody(box).partition("cure: ")[2]
    kit.wait_until(lambda: box.sh(cure, check=False).code == 0, what="the limit's end, 2 s later")
    box.wait_starts(2)
    assert nobody(box) is None
    assert box.run("systemctl", "--failed", "--plain", "--no-legend").out == ""


# ---- a chroot ----


def test_in_a_chroot_the_hosts_manager_is_not_asked(box):
    box.plugin("mysql")
    box.wait_starts(2)
    before = sorted(os.listdir(box.path("/run/vsmtp-plugind")))
    done = box.sh(
        "mkdir /srv/root; for d in usr etc var; do mkdir /srv/root/$d; mount --rbind /$d /srv/root/$d; done;"
        "for d in bin sbin lib lib64; do ln -s usr/$d /srv/root/$d; done;"
        "for d in run proc dev; do mkdir /srv/root/$d; mount --rbind /$d /srv/root/$d; done;"
        "chroot /srv/root vsmtp-pluginctl reload --force"
    )
    assert "no service manager, links only" in done.out
    box.wait_starts(2)
    assert sorted(os.listdir(box.path("/run/vsmtp-plugind"))) == before
