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


def wait_answered(box, starts, limit=90):
    """All is answered and the executor has ended: then vSMTP was started so often, and runs."""

    def done():
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
    [("kill", 15), ("stop", 5), ("isolate", 3), ("reexec", 6), ("dbus", 3), ("reload", 3)],
)
def test_rule_18_what_is_asked_happens_once_whatever_comes_between(alone, how, times):
    chance = random.Random(how)
    for i in range(times):
        alone.plugin("mysql", tag=f"build {i}")
        alone.ctl("reload", "--wait=no")
        time.sleep(chance.uniform(0, 0.6))  # some moment of its work
        interrupt(alone, how)
        wait_answered(alone, i + 2)
        assert alone.starts()[-1]["loaded"]["vsmtp-plugin-mysql.so"][1] == "ok"
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
    alone.sh("rm /run/vsmtp-plugind/full")
    alone.ctl("sync")
    kit.wait_until(lambda: len(alone.starts()) == 2, what="the restart")


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


def test_nobody_answers_if_the_executor_fails_at_once(box):
    program = "/usr/libexec/vsmtp-plugin-reload"
    box.sh(f"mv {program} {program}.away; ln -s /bin/false {program}")
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
