# SPDX-License-Identifier: LGPL-2.1-or-later
"""vsmtp-pluginctl sync and reload, with a double of the service manager."""

import os
import re
import socket
import subprocess

import pytest

import bus
import kit
import world

UNIT = bus.UNIT


@pytest.fixture
def host(tree, where):
    """vSMTP runs with the one plugin that is there; nothing is owed."""
    tree.config(bus.CONFIG_QUICK)
    tree.link("vsmtp-plugin-first.so", tree.plugin("first"))
    with bus.Host(tree, where) as h:
        yield h


@pytest.mark.parametrize("verb", ["sync", "reload"])
def test_rule_18_it_waits_for_the_start(host, verb):
    host.tree.plugin("second")
    done = host.ctl(verb, expect=0)
    assert "the server runs with all of it now" in done.out
    assert host.restarts == 1
    host.wait_end()
    assert host.restarts == 1


@pytest.mark.parametrize("verb", ["sync", "reload"])
def test_rule_18_it_waits_no_longer_than_it_is_told(host, verb):
    host.apply(f"{UNIT} delay 3000")
    host.tree.plugin("second")
    done = host.ctl(verb, "--wait-limit=300ms", expect=3)
    assert re.search(r"the reload is not confirmed yet \((acting|waiting)\)", done.err)  # as quick as the machine is
    facts = host.ctl("status", "--json", expect=0).json
    assert facts["units"][0]["next"] == "wait-for-job"
    host.wait_end()
    assert host.restarts == 1


def test_sync_need_not_wait(host):
    host.apply(f"{UNIT} delay 2000")
    host.tree.plugin("second")
    done = host.ctl("sync", "--wait=no", expect=0)
    assert "a reload is owed and was asked for" in done.out
    assert host.count(f"job {UNIT} done") == 0
    host.wait_end()
    assert host.restarts == 1


def test_reload_can_wait_for_the_last_word(host):
    host.tree.plugin("second")
    done = host.ctl("reload", "--wait=healthy", "--json", expect=0)
    assert done.json["answer"] == "healthy"
    assert done.json["units"][0]["owed"] is False


def test_waiting_needs_no_bus(host):
    """Neither asking nor waiting: the double is stopped, and somebody else answers."""
    host.tree.plugin("second")
    host.apply(f"{UNIT} delay 700")
    asking = subprocess.Popen(
        [host.wrapper("vsmtp-pluginctl", "sync")], env=host.environment(), stdout=subprocess.PIPE
    )
    host.wait(f"TryRestartUnit {UNIT}")
    calls = [l for l in host.log if l.startswith(("LoadUnit", "StartUnit"))]
    out = asking.communicate(timeout=60)[0]
    assert b"runs with all of it now" in out and asking.returncode == 0
    during = host.log[len(host.log) - 1 - host.log[::-1].index(f"job {UNIT} done") :]
    assert calls and "StartUnit" not in " ".join(during)


def test_sync_asks_for_nothing_if_nothing_is_owed(host):
    host.ctl("sync", expect=0)
    assert "reload" not in host.ctl("sync", expect=0).out
    assert host.count("executor spawned") == 0


@pytest.mark.parametrize("args", [["--no-reload"], ["--start-of=vsmtp.service"]])
def test_sync_without_a_reload(host, args):
    host.tree.plugin("second")
    host.ctl("sync", *args, expect=0)
    assert "vsmtp-plugin-second.so" in host.tree.links()
    assert host.count("executor spawned") == 0


def test_rule_19_action_none_is_left_to_the_administrator(host):
    host.tree.config(bus.CONFIG_QUICK + "Action=none\n")
    host.tree.plugin("second")
    done = host.ctl("sync", expect=0)
    assert "a reload is owed: Action=none leaves restarts to the administrator" in done.out
    host.ctl("reload", expect=3)
    assert host.count("executor spawned") == 0


def test_rule_09_no_reload_while_not_all_is_known(host):
    host.tree.plugin("second")
    host.tree.server("1.0.0", manner="silent")
    host.ctl("sync", expect=1)
    host.ctl("reload", expect=1)
    assert "not known" in host.ctl("reload", "--force", expect=1).err
    assert host.count("executor spawned") == 0


def test_status_tells_what_is_owed_and_why(host):
    host.tree.plugin("second")
    host.ctl("sync", "--no-reload", expect=0)
    done = host.ctl("status", expect=0)
    assert "links are right; a reload is owed" in done.out.splitlines()[0]
    assert UNIT in done.out and "vsmtp-plugin-second.so" in done.out
    facts = host.ctl("status", "--json", expect=0).json
    assert facts["owed"] is True and facts["units"][0]["state"] == "active"
    assert [facts["units"][0][k] for k in ("next", "reason")] == ["restart", "newer"]
    assert "a reload is owed" in host.ctl("plan", expect=0).out


def test_reload_of_what_is_not_owed_asks_nobody(host):
    assert "nothing is owed" in host.ctl("reload", expect=0).out
    assert host.count("executor spawned") == 0


def test_reload_force_restarts_though_nothing_is_owed(host):
    host.ctl("reload", "--force", expect=0)
    assert host.restarts == 1
    host.wait_end()
    host.ctl("sync", expect=0)
    assert host.count("executor spawned") == 1


def test_reload_that_fails_is_exit_3_with_the_reason(host):
    host.apply(f"{UNIT} result failed")
    host.tree.plugin("second")
    done = host.ctl("reload", expect=3)
    assert "the reload is not confirmed (failed)" in done.err
    assert "last reload: failed" in done.err
    assert "vsmtp-plugin-second.so" in host.tree.links()


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_rule_18_a_stopped_server_is_owed_nothing(tree, where, force):
    tree.config(bus.CONFIG_QUICK)
    tree.plugin("first")
    with bus.Host(tree, where, start=False) as host:
        host.apply(f"{UNIT} load loaded")
        done = host.ctl("reload", *force, expect=0)
        assert "does not run" in done.out
        host.ctl("sync", expect=0)
        assert host.count("executor spawned") == 0
        assert host.count(f"started {UNIT}") == 0
        assert os.listdir(host.asked) == []


def test_no_service_manager_is_an_answer(tree, where):
    """Nobody asks, nobody waits, and that is in order."""
    tree.plugin("first")
    with bus.Host(tree, where, start=False, manager=False) as host:
        assert "no service manager, links only" in host.ctl("reload", expect=0).out
        assert "no service manager, links only" in host.ctl("sync", expect=0).out
        host.ctl("sync", "--forbid-reload", expect=0)
        assert "no service manager" in host.ctl("status", expect=0).out
        assert os.listdir(host.asked) == []
        assert not (tree / "run/vsmtp-plugind/reload-forbidden").exists()


def test_in_a_chroot_there_is_no_service_manager(tree, where):
    """Whatever is mounted there: nobody asks the host's, and its run directory stays as it was."""
    tree.plugin("first")
    with bus.Host(tree, where) as host:
        calls = len(host.log)
        before = sorted(p.name for p in (tree / "run/vsmtp-plugind").rglob("*"))
        for arguments in (["sync"], ["reload", "--force"], ["sync", "--forbid-reload"]):
            command = host.wrapper("vsmtp-pluginctl", *arguments)
            environment = host.environment(SYSTEMD_IGNORE_CHROOT="0")
            done = kit.run(command, env=environment, expect=0)
            assert "forbid" in arguments[-1] or "no service manager, links only" in done.out
        assert "vsmtp-plugin-first.so" in tree.links()
        assert sorted(p.name for p in (tree / "run/vsmtp-plugind").rglob("*")) == before
        assert len(host.log) == calls


# ---- nobody answers ----


@pytest.mark.parametrize("blamed", [bus.EXECUTOR, bus.ASKED])
def test_nobody_answers_names_who_is_masked(host, blamed):
    host.apply(f"{bus.EXECUTOR} load masked")
    if blamed == bus.ASKED:
        host.apply(f"{bus.ASKED} load masked")
        host.apply(f"{bus.ASKED} active inactive")
        host.apply("executor command /bin/true")
        host.apply(f"{bus.EXECUTOR} load loaded")
    host.tree.plugin("second")
    done = host.ctl("sync", expect=3)
    assert "nobody answers" in done.err and f"{blamed} is masked" in done.err
    status = host.ctl("status", expect=0).out
    assert "NOBODY ANSWERS" in status.splitlines()[0]
    assert f"systemctl unmask {blamed}" in "".join(status.split("\n"))
    assert blamed in host.ctl("status", "--json", expect=0).json["nobody-answers"]
    assert len(os.listdir(host.asked)) == 1
    assert host.restarts == 0
    host.wrapper("vsmtp-plugin-reload")
    host.apply(f"executor command {host.where / 'vsmtp-plugin-reload'}")
    for unit in (bus.EXECUTOR, bus.ASKED):
        host.apply(f"{unit} load loaded")
    host.ctl("sync", expect=0)
    host.wait_end()
    assert host.restarts == 1
    assert host.ctl("status", "--json", expect=0).json["nobody-answers"] is None


# ---- what a policy forbids ----


def test_rule_18_what_a_policy_forbade_is_left_to_a_person(host):
    host.tree.plugin("second")
    host.ctl("sync", "--forbid-reload", expect=0)
    assert "a policy forbade it" in host.ctl("sync", expect=0).out
    name = host.ask()
    host.wait_answer(name, "forbidden")
    host.wait_end()
    assert host.restarts == 0
    facts = host.ctl("status", "--json", expect=0).json
    assert facts["units"][0]["next"] == "forbidden"
    host.ctl("reload", expect=0)
    assert host.restarts == 1


def test_disable_asks_for_the_reload(host):
    host.ctl("reload", "--force", expect=0)  # makes a record of what is loaded
    host.wait_end()
    done = host.ctl("disable", "first", expect=0)
    assert "runs with all of it now" in done.out
    host.wait_end(2)
    assert host.restarts == 2
    host.ctl("enable", "first", "--no-reload", expect=0)
    assert "vsmtp-plugin-first.so" in host.tree.links()
    assert host.count("executor spawned") == 2


# ---- what was done is told ----


@pytest.mark.skipif(not world.can_strace(), reason="strace cannot trace here")
def test_what_was_done_is_told_and_asked_for_though_the_second_look_fails(host, tmp_path):
    def fail_at(n, *options):
        name = f"p{n}{len(options)}"
        host.tree.plugin(name)
        wrapper = host.wrapper("vsmtp-pluginctl", "sync", *options)
        return name, kit.run("strace", "-f", "-qq", "-o", tmp_path / "log", "-e", "trace=getdents64", "-e",
                             f"inject=getdents64:error=ENOMEM:when={n}", wrapper, env=host.environment())  # fmt: skip

    second = "Cannot look at what came of the changes"
    n = next(n for n in range(1, 40) if second in fail_at(n, "--no-reload")[1].err)
    name, done = fail_at(n)
    assert done.code == 1, done
    assert f"made {kit.LINKS}/vsmtp-plugin-{name}.so" in done.out, done
    assert "the server runs with all of it now" in done.out, done
    host.wait_end()
    assert host.restarts == 1


def test_a_change_by_command_is_journalled_like_the_daemons_own(host, monkeypatch):
    monkeypatch.chdir(host.tree.mkdir("run/systemd/journal"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind("socket")
        journal.settimeout(30)

        def heard():
            lines = journal.recv(65536).decode().splitlines()
            return dict(line.split("=", 1) for line in lines if "=" in line)

        target = host.tree.plugin("second")
        done = host.ctl("sync", "--no-reload", expect=0)
        fields = heard()
        assert fields["MESSAGE"] == f"made {kit.LINKS}/vsmtp-plugin-second.so -> {target}"
        assert fields["MESSAGE"] in " ".join(done.out.split()) and not done.err
        assert fields["PRIORITY"] == "5" and fields["MESSAGE_ID"] == "7f3de1c2b0a94d68a1b65c3f90e2d847"
        assert fields["VSMTP_LINK"] == "vsmtp-plugin-second.so" and fields["VSMTP_TARGET"] == target
        assert fields["VSMTP_PLUGIN"] == "second"
        host.ctl("disable", "second", "--no-reload", expect=0)
        fields = heard()
        assert fields["MESSAGE"].startswith(f"removed {kit.LINKS}/vsmtp-plugin-second.so (")
        assert fields["VSMTP_GATE"] == "disabled"
        host.ctl("clean", expect=0)
        assert heard()["MESSAGE"].endswith(": by vsmtp-pluginctl clean")
