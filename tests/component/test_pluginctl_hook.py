# SPDX-License-Identifier: LGPL-2.1-or-later
"""vsmtp-pluginctl reload --hook=UNIT, and the generation that every change of links raises."""

import fcntl
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

import bus
import kit

UNIT = bus.UNIT
HOOK = ["reload", f"--hook={UNIT}"]
OURS = "/usr/bin/vsmtp-pluginctl"


@pytest.fixture
def host(tree, where):
    """vSMTP runs with the one plugin that is there; its ExecReload= is the drop-in's alone."""
    tree.config(bus.CONFIG_QUICK)
    tree.link("vsmtp-plugin-first.so", tree.plugin("first"))
    with bus.Host(tree, where, lines=[f"{UNIT} reload {OURS}"]) as h:
        yield h


def requests(host):
    return os.listdir(host.asked)


def test_reload_hook_restarts_though_nothing_is_owed_and_does_not_wait(host):
    host.apply(f"{UNIT} job 99")  # the reload job in which it runs
    host.ctl(*HOOK, expect=0)
    assert len(requests(host)) == 1
    host.wait("executor spawned")
    assert host.restarts == 0
    host.apply(f"{UNIT} job 0")
    host.wait_end()
    assert host.restarts == 1
    assert "somebody asked for it" in host.last["why"]


def test_reload_hook_is_satisfied_by_any_other_start(host):
    host.apply(f"{UNIT} job 99")
    host.ctl(*HOOK, expect=0)
    host.apply(f"{UNIT} start")
    host.apply(f"{UNIT} job 0")
    host.wait_end()
    assert host.restarts == 0


def test_reload_hook_makes_the_links_right_first(host):
    host.tree.plugin("second")
    done = host.ctl(*HOOK, expect=0)
    assert "vsmtp-plugin-second.so" in host.tree.links()
    assert "vsmtp-plugin-second.so" in done.err
    host.wait_end()
    assert host.restarts == 1


def test_reload_hook_missed_plugins_are_no_reason_to_refuse(host):
    (host.tree.store / "libvsmtp-plugin-first-1.0.0.so").unlink()
    done = host.ctl(*HOOK, expect=0)
    assert "plugin first has no link" in done.err
    host.wait_end()
    assert host.restarts == 1


def test_reload_hook_asks_for_its_own_unit_only(host):
    host.tree.config(bus.CONFIG_QUICK + f"Unit={UNIT} vsmtp-b.service\n")
    host.apply("vsmtp-b.service start")
    host.ctl(*HOOK, expect=0)
    host.wait_end()
    assert host.restarts == 1
    assert host.count("TryRestartUnit vsmtp-b.service") == 0


def test_rule_19_reload_hook_keeps_out_if_the_unit_has_its_own(host):
    host.apply(f"{UNIT} reload /bin/own {OURS}")
    host.tree.plugin("second")
    done = host.ctl(*HOOK, expect=0)
    assert (done.out, done.err) == ("", "")
    assert host.count("executor spawned") == 0
    assert requests(host) == []
    assert "vsmtp-plugin-second.so" not in host.tree.links()


def server_gone(tree):
    tree.server(None)


def server_silent(tree):
    tree.server("1.0.0", manner="silent")


def server_untrusted(tree):
    (tree / kit.SERVER).chmod(0o777)


def links_elsewhere(tree):
    tree.links_dir.rename(tree / "etc/vsmtp/elsewhere")
    tree.links_dir.symlink_to("elsewhere")


def action_none(tree):
    tree.config(bus.CONFIG_QUICK + "Action=none\n")


def another_unit(tree):
    tree.config(bus.CONFIG_QUICK + "Unit=another.service\n")


@pytest.mark.parametrize(
    "harm, words",
    [
        (server_gone, "there is no program to start: /usr/sbin/vsmtp"),
        (server_silent, "vSMTP's version is not known"),
        (server_untrusted, "cure: chmod go-w /usr/sbin/vsmtp"),
        (links_elsewhere, "the links directory /etc/vsmtp/plugins is a symlink"),
        (action_none, "Action=none leaves restarts to the administrator"),
        (another_unit, "Unit= does not name this unit"),
    ],
)
def test_reload_hook_refuses_what_is_certain_to_fail(host, harm, words):
    harm(host.tree)
    done = host.ctl(*HOOK, expect=1)
    assert words in done.err.splitlines()[-1]
    assert f"{UNIT} runs on as it is" in done.err.splitlines()[-1]
    assert host.count("executor spawned") == 0
    assert requests(host) == []


def test_reload_hook_says_the_reason_again_when_the_job_is_over(host):
    action_none(host.tree)
    host.apply(f"{UNIT} active reloading")
    log = host.where / "hook.log"
    wrapper = host.wrapper("vsmtp-pluginctl", *HOOK)
    # Who stays behind keeps what it was given, so no pipe.
    kit.run("sh", "-c", f"exec {wrapper} >{log} 2>&1", env=host.environment(), expect=1)
    assert log.read_text().count("Action=none") == 1
    looks = len(host.log)
    time.sleep(1)
    assert len(host.log) <= looks + 3, "it polls"
    host.apply(f"{UNIT} active active")
    kit.wait_until(lambda: log.read_text().count("Action=none") == 2, what="the last word")


def test_reload_hook_of_a_stopped_server_fails(host):
    host.apply(f"{UNIT} active inactive")
    assert "it does not run" in host.ctl(*HOOK, expect=1).err
    assert requests(host) == [] and host.count("executor spawned") == 0


def test_reload_hook_takes_back_a_request_that_nobody_heard(host):
    host.apply(f"{bus.EXECUTOR} load masked")
    done = host.ctl(*HOOK, expect=1)
    assert "the reload is refused" in done.err.splitlines()[-1]
    assert requests(host) == []
    host.apply(f"{bus.EXECUTOR} load loaded")
    host.ask()
    host.wait_end()
    assert host.restarts == 0


def test_reload_hook_knows_its_unit_by_all_names(host):
    """Unit= has an alias, %n is the manager's own name."""
    host.apply(f"mail.service name {UNIT}")
    host.tree.config(bus.CONFIG_QUICK + "Unit=\nUnit=mail.service\n")
    host.ctl(*HOOK, expect=0)
    host.wait_end()
    assert host.restarts == 1


def test_reload_hook_without_a_service_manager_fails(tree, where):
    tree.plugin("first")
    with bus.Host(tree, where, start=False, manager=False) as host:
        assert "no service manager" in host.ctl(*HOOK, expect=1).err


def test_reload_hook_its_time_limit_holds_while_the_lock_is_held(host):
    host.ctl("sync", expect=0)
    fd = os.open(host.tree / "run/vsmtp-plugind/lock", os.O_RDWR)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        done = host.ctl(*HOOK, "--time-limit=300ms", expect=1)
    finally:
        os.close(fd)
    assert "the time limit is over" in done.err
    assert requests(host) == [] and host.count("executor spawned") == 0


def test_time_limit_leaves_no_hanging_server_behind(tree):
    """It would lie in the cgroup of the unit whose start hook this is."""
    tree.server("1.0.0", manner="hangs")
    tool = kit.program("vsmtp-pluginctl")
    kit.run(tool, f"--root={tree.path}", "--ask-program", "sync", "--time-limit=1s", expect=1)
    program = str((tree / kit.SERVER).resolve())

    def left():
        found = []
        for p in Path("/proc").glob("[0-9]*/exe"):
            try:
                found += [p] if os.readlink(p) == program else []
            except OSError:
                pass
        return found

    try:
        kit.wait_until(lambda: not left(), 5, "the end of it")
    finally:
        for p in left():
            os.kill(int(p.parent.name), signal.SIGKILL)


# ---- the generation ----


def generation(tree):
    path = tree / "run/vsmtp-plugind/generation"
    return int(path.read_text()) if path.exists() else 0


def test_generation_grows_with_each_change_of_links_and_only_then(tree):
    def run(*args, expect=0):
        kit.run(
            kit.program("vsmtp-pluginctl"), f"--root={tree.path}", "--ask-program", *args, expect=expect
        )

    tree.plugin("first")
    seen = [generation(tree)]
    for change in (["sync"], ["disable", "first"], ["enable", "first"], ["clean"], ["sync"]):
        run(*change)
        seen.append(generation(tree))
        run("plan")
        run("sync", "--dry-run")
        if change != ["clean"]:
            run("sync")
        assert generation(tree) == seen[-1], change
    assert seen == [0, 1, 2, 3, 4, 5]


def test_generation_grows_by_the_daemon_too(tree):
    tree.config(bus.CONFIG_QUICK)
    daemon = subprocess.Popen(
        [kit.program("vsmtp-plugind"), f"--root={tree.path}", "--ask-program"],
        stderr=subprocess.DEVNULL,
        env=kit.environment(),
    )
    try:
        kit.wait_until((tree / "run/vsmtp-plugind/status").exists, what="the daemon")
        for count in (1, 2, 3):
            tree.plugin(f"p{count}")
            kit.wait_until(lambda: f"vsmtp-plugin-p{count}.so" in tree.links(), what="the link")
            kit.wait_until(lambda: generation(tree) >= count, what="the generation")
    finally:
        daemon.terminate()
        daemon.wait()
