# SPDX-License-Identifier: LGPL-2.1-or-later
"""vsmtp-plugin-reload, the only one who restarts, against a double of the service manager."""

import os
import re
import socket
import time

import pytest

import bus
import kit

UNIT = bus.UNIT


@pytest.fixture
def host(tree, where):
    """vSMTP runs with the one plugin that is there; nothing is owed."""
    tree.config(bus.CONFIG_QUICK)
    owe(tree, "first")
    with bus.Host(tree, where) as h:
        yield h


def owe(tree, name):
    """Something that the running server has not loaded."""
    target = tree.plugin(name)
    tree.link(f"vsmtp-plugin-{name}.so", target)


def reload_done(host, exits=("0",)):
    host.ask()
    host.wait_end(len(exits))
    assert [line.split()[2] for line in host.log if line.startswith("executor exit")] == list(exits)


# ---- owed or not ----


def test_rule_18_owed_is_exactly_one_restart(host):
    owe(host.tree, "second")
    reload_done(host)
    assert host.restarts == 1
    assert host.count(f"started {UNIT}") == 2
    assert host.last["unit"] == UNIT
    assert host.last["action"] == "restart"
    assert host.last["result"] == "done"
    assert "vsmtp-plugin-second.so" in host.last["why"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", host.last["time"])


def test_rule_18_nothing_owed_is_no_restart(host):
    reload_done(host)
    assert host.restarts == 0
    assert host.count("ResetFailedUnit") == 0
    assert host.count("notify READY=1") == 1
    assert not (host.tree / "run/vsmtp-plugind/last-reload").exists()


def test_rule_18_the_record_of_a_restart_is_believed(host):
    """Recorded by the executor where no start hook does; then times do not count any more."""
    owe(host.tree, "second")
    reload_done(host)
    host.tree.link("vsmtp-plugin-second.so", host.tree.store / "x")
    host.tree.link("vsmtp-plugin-second.so", "/usr/lib/vsmtp/libvsmtp-plugin-second-1.0.0.so")
    (host.tree.store / "libvsmtp-plugin-second-1.0.0.so").chmod(0o744)
    reload_done(host, ["0", "0"])
    assert host.restarts == 1
    host.tree.plugin("second", tag="another build")
    reload_done(host, ["0", "0", "0"])
    assert host.restarts == 2


def test_rule_18_a_link_that_went_is_owed_without_a_start_hook(host):
    """Times cannot tell; what the first look found right is recorded, and compared from then on."""
    reload_done(host)
    (host.tree.links_dir / "vsmtp-plugin-first.so").unlink()
    reload_done(host, ["0", "0"])
    assert host.restarts == 1
    assert "vsmtp-plugin-first.so removed" in host.last["why"]


def test_rule_18_the_start_hooks_record_is_believed(tree, where):
    tree.config(bus.CONFIG_QUICK)
    owe(tree, "first")
    record = where / "record"
    with bus.Host(tree, where) as host:
        owe(tree, "second")
        reload_done(host)  # makes a record of just this set
        loaded = tree / f"run/vsmtp-plugind/loaded-{UNIT}"
        record.write_text("".join(loaded.read_text().splitlines(True)[1:]))
        host.apply(f"{UNIT} hook (echo invocation $INVOCATION_ID; cat {record}) >{loaded}")
        host.apply(f"{UNIT} start")  # somebody else's start, with that set
        (tree.links_dir / "vsmtp-plugin-second.so").unlink()
        owe(tree, "second")  # newer than the start, and the same
        reload_done(host, ["0", "0"])
        assert host.restarts == 1
        owe(tree, "third")
        host.apply(f"{UNIT} result done")
        host.ask()
        host.wait("executor exit", 3)
        # the hook records the wrong set, so this is owed for ever: see below
        assert host.restarts == 1 + 3


def test_a_set_that_never_comes_right_is_given_up(host):
    """The hook says that the server loads something else each time: no endless restarting."""
    loaded = host.tree / f"run/vsmtp-plugind/loaded-{UNIT}"
    host.apply(f"{UNIT} hook echo invocation $INVOCATION_ID >{loaded}; echo nonsense >>{loaded}")
    owe(host.tree, "second")
    reload_done(host, ["1"])
    assert host.restarts == 3
    assert f"{UNIT}: 3 attempts" in host.output
    host.ask()  # asked again, it tries again
    host.wait_end(2)
    assert host.restarts == 6


def test_rule_18_a_burst_is_one_restart(host):
    """Changes that go on while it settles are one restart, which has them all."""
    host.tree.config("[Plugind]\nSettleSec=300ms\nSettleMaxSec=20s\n")
    owe(host.tree, "p0")
    host.ask()
    for i in range(1, 8):
        owe(host.tree, f"p{i}")
        time.sleep(0.05)
    host.wait_end()
    assert host.restarts == 1
    for i in range(5):
        assert f"vsmtp-plugin-p{i}.so" in host.last["why"]
    assert host.last["why"].endswith("and 3 more")


def test_rule_18_a_persons_request_restarts_what_is_not_owed(host):
    request = host.tree / "run/vsmtp-plugind/reload-requested"
    host.tree.mkdir("run/vsmtp-plugind")
    request.write_text(f"{time.time_ns()}\n")
    reload_done(host)
    assert host.restarts == 1
    assert "asked" in host.last["why"]
    reload_done(host, ["0", "0"])  # served
    assert host.restarts == 1


# ---- who is never started ----


@pytest.mark.parametrize(
    "line", ["active inactive", "active failed", "load masked", "load not-found"]
)
def test_rule_18_what_does_not_run_is_never_started(host, line):
    owe(host.tree, "second")
    host.apply(f"{UNIT} {line}")
    reload_done(host)
    assert host.restarts == 0
    assert host.count("ResetFailedUnit") == 0
    assert host.count(f"started {UNIT}") == 1
    assert not [l for l in host.log if re.match(r"(Start|Restart|ReloadOrTry)", l)]


def test_rule_19_action_none(host):
    host.tree.config(bus.CONFIG_QUICK + "Action=none\n")
    owe(host.tree, "second")
    reload_done(host)
    assert host.restarts == 0


def test_several_units(tree, where):
    tree.config(bus.CONFIG_QUICK + "Unit=\nUnit=vsmtp.service vsmtp-b.service vsmtp-c.service\n")
    owe(tree, "first")
    with bus.Host(tree, where, ["vsmtp-b.service start", "vsmtp-c.service load loaded"]) as host:
        owe(tree, "second")
        reload_done(host)
        assert host.count("TryRestartUnit vsmtp.service") == 1
        assert host.count("TryRestartUnit vsmtp-b.service") == 1
        assert host.count("TryRestartUnit vsmtp-c.service") == 0


def test_one_failing_unit_does_not_keep_the_other(tree, where):
    tree.config(bus.CONFIG_QUICK + "Unit=\nUnit=vsmtp.service vsmtp-b.service\n")
    owe(tree, "first")
    lines = ["vsmtp.service result failed", "vsmtp-b.service start"]
    with bus.Host(tree, where, lines) as host:
        owe(tree, "second")
        reload_done(host, ["1"])
        assert host.count("TryRestartUnit vsmtp.service") == 1
        assert host.count("started vsmtp-b.service") == 2


# ---- how ----


def test_rule_19_own_exec_reload_is_used(host):
    host.apply(f"{UNIT} reload /bin/kill /usr/bin/vsmtp-pluginctl")
    owe(host.tree, "second")
    reload_done(host)
    assert host.count(f"ReloadUnit {UNIT}") == 1
    assert host.count(f"reloaded {UNIT}") == 1
    assert host.restarts == 0
    assert host.last["action"] == "reload"
    reload_done(host, ["0", "0"])  # recorded: not owed any more
    assert host.count(f"ReloadUnit {UNIT}") == 1


def test_rule_19_a_persons_request_is_served_by_a_reload(host):
    host.apply(f"{UNIT} reload /bin/kill")
    host.tree.mkdir("run/vsmtp-plugind")
    (host.tree / "run/vsmtp-plugind/reload-requested").write_text(f"{time.time_ns()}\n")
    reload_done(host)
    reload_done(host, ["0", "0"])
    assert host.count(f"ReloadUnit {UNIT}") == 1


def test_rule_19_our_own_hook_is_not_the_units_own_reload(host):
    host.apply(f"{UNIT} reload /usr/bin/vsmtp-pluginctl")
    owe(host.tree, "second")
    reload_done(host)
    assert host.count("ReloadUnit") == 0
    assert host.restarts == 1


def test_rule_19_action_restart_ignores_exec_reload(host):
    host.tree.config(bus.CONFIG_QUICK + "Action=restart\n")
    host.apply(f"{UNIT} reload /bin/kill")
    owe(host.tree, "second")
    reload_done(host)
    assert host.count("ReloadUnit") == 0
    assert host.restarts == 1


def test_rule_19_six_restarts_in_ten_seconds_leave_it_running(host):
    host.tree.config("[Plugind]\nSettleSec=10ms\nSettleMaxSec=20ms\n")
    for i in range(6):
        owe(host.tree, f"more{i}")
        reload_done(host, ["0"] * (i + 1))
    asked = [l for l in host.log if l.startswith(("ResetFailedUnit", "TryRestartUnit"))]
    assert asked == [f"ResetFailedUnit {UNIT}", f"TryRestartUnit {UNIT}"] * 6
    assert host.count("start-limit-hit") == 0
    assert host.count(f"started {UNIT}") == 7


def test_rule_19_restarts_keep_the_settle_time_between_them(host):
    """What becomes owed while it restarts is the next restart, not at once."""
    host.tree.config("[Plugind]\nSettleSec=1s\nSettleMaxSec=1s\n")
    host.apply(f"{UNIT} linger 500")
    owe(host.tree, "second")
    host.ask()
    host.wait(f"started {UNIT}", 2)
    owe(host.tree, "third")
    host.wait(f"job {UNIT} done")
    ended = time.monotonic()
    host.wait(f"TryRestartUnit {UNIT}", 2)
    assert time.monotonic() - ended > 0.9
    host.wait_end()


# ---- what goes wrong ----


def test_a_canceled_job_is_looked_at_again(host):
    host.apply(f"{UNIT} result canceled done")
    owe(host.tree, "second")
    reload_done(host)
    assert host.restarts == 2
    assert host.last["result"] == "done"


@pytest.mark.parametrize("result", ["failed", "timeout", "dependency"])
def test_a_failed_job_is_reported_and_not_repeated(host, result):
    host.apply(f"{UNIT} result {result}")
    owe(host.tree, "second")
    reload_done(host, ["1"])
    assert host.restarts == 1
    assert host.last["result"] == result
    assert f'restart ended as "{result}"' in host.output
    # the unit is failed, seen as such, and yet a later request starts it anew
    host.apply(f"{UNIT} result done")
    host.apply(f"{UNIT} start")
    owe(host.tree, "third")
    reload_done(host, ["1", "0"])
    assert host.last["result"] == "done"


def test_a_failed_reload_leaves_the_server_running(host):
    host.apply(f"{UNIT} reload /bin/kill")
    host.apply(f"{UNIT} result failed")
    owe(host.tree, "second")
    reload_done(host, ["1"])
    assert host.count(f"ReloadUnit {UNIT}") == 1
    assert host.restarts == 0


def test_a_job_end_that_comes_before_its_reply(host):
    host.apply(f"{UNIT} delay -1")
    owe(host.tree, "second")
    reload_done(host)
    assert host.restarts == 1


def test_rule_09_what_is_not_known_restarts_nobody(host):
    owe(host.tree, "second")
    host.tree.server("1.0.0", "nonsense")
    reload_done(host, ["1"])
    assert host.restarts == 0
    assert "not known" in host.output


def test_a_program_that_is_gone_restarts_nobody(host):
    owe(host.tree, "second")
    reload_done(host)
    host.tree.server(None)
    reload_done(host, ["0", "0"])
    assert host.restarts == 1
    assert "its program is gone" in host.output


def test_a_unit_that_changes_is_waited_for(host):
    owe(host.tree, "second")
    host.apply(f"{UNIT} active activating")
    host.ask()
    host.wait(f"LoadUnit {UNIT}", 3)
    assert host.restarts == 0
    assert host.count("notify READY=1") == 0
    host.apply(f"{UNIT} active active")
    host.wait_end()
    assert host.restarts == 1


# ---- without a manager ----


def test_no_bus_is_an_answer(tree, where):
    with bus.Host(tree, where, manager=False) as host:
        for process in host.processes:
            process.kill()
            process.wait()
        done = host.run("vsmtp-plugin-reload", expect=0)
        assert done.err == "vsmtp-plugin-reload: no service manager\n"


def test_a_bus_without_a_service_manager_is_an_answer(tree, where):
    with bus.Host(tree, where, manager=False) as host:
        done = host.run("vsmtp-plugin-reload", expect=0)
        assert done.err == "vsmtp-plugin-reload: no service manager\n"


def test_options():
    program = kit.program("vsmtp-plugin-reload")
    for argv in (["--root=/"], ["--root"], ["--nonsense"], ["word"]):
        done = kit.run(program, *argv, expect=2)
        assert done.err and not done.out
    assert "Usage:" in kit.run(program, "--help", expect=0).out
    assert kit.run(program, "--version", expect=0).out.startswith("vsmtp-plugin-reload ")


# ---- requests are never lost (rule 18, DESIGN "One executor") ----


def test_rule_18_a_request_while_it_starts_is_not_lost(host):
    """Merged into the running start: delivers nothing, but the fact is on disk."""
    host.apply(f"{UNIT} linger 500")
    owe(host.tree, "second")
    host.ask()
    host.wait(f"started {UNIT}", 2)
    owe(host.tree, "third")
    host.ask()
    host.wait_end()
    assert host.count("executor merged") == 1
    assert host.restarts == 2
    assert "vsmtp-plugin-third.so" in host.last["why"]


def test_rule_18_a_request_while_it_is_ready_is_not_lost(host):
    """Held at the barrier of STOPPING=1 the unit is deactivating; before that, a request is SIGHUP."""
    host.apply("executor hold-ready")
    host.ask()
    host.wait("executor held")  # says READY=1, and has not looked again yet
    owe(host.tree, "second")
    host.ask()
    host.wait("executor hup")
    host.apply("executor release")
    host.wait_end()
    assert host.restarts == 1


def test_rule_18_a_request_between_stopping_and_the_last_look_is_not_lost(host):
    """The fact without a request that is delivered: only the last look can see it."""
    host.apply("executor hold")
    host.ask()
    host.wait("executor held")
    assert host.count("notify STOPPING=1") == 1
    owe(host.tree, "second")
    host.apply("executor release")
    host.wait_end(2)  # it asked for itself
    assert host.count("executor queued") == 1
    assert host.restarts == 1


def test_rule_18_a_request_after_the_last_look_is_not_lost(host):
    """Frozen when it has looked at the files for the last time, just before its end."""
    host.apply(f"executor freeze {UNIT}")
    host.ask()
    host.wait("executor frozen")
    owe(host.tree, "second")
    host.ask()
    host.wait("executor queued")
    host.apply("executor thaw")
    host.wait_end(2)
    assert host.restarts == 1


def test_rule_18_two_requests_at_the_end_are_one_start(host):
    host.apply("executor hold")
    host.ask()
    host.wait("executor held")
    owe(host.tree, "second")
    host.ask()
    host.ask()
    host.apply("executor release")
    host.wait_end(2)
    assert host.count("executor spawned") == 2
    assert host.restarts == 1


def test_rule_18_a_request_while_its_own_reload_still_runs_is_not_lost(host):
    """STOPPING=1 during the reload command leaves the unit reloading: no last look before that ends."""
    host.apply("executor hold")
    host.ask()
    host.wait("executor held")
    host.apply(f"{bus.EXECUTOR} active reloading")
    host.apply("executor release")
    host.wait(f"LoadUnit {bus.EXECUTOR}", 3)
    owe(host.tree, "second")
    host.apply(f"{bus.EXECUTOR} active deactivating")
    host.wait_end(2)
    assert host.restarts == 1


# ---- where messages go ----


def test_messages_go_to_the_journal_with_fields(tree, where, monkeypatch):
    tree.config(bus.CONFIG_QUICK)
    owe(tree, "first")
    monkeypatch.chdir(tree.mkdir("run/systemd/journal"))
    journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    journal.bind("socket")
    journal.settimeout(30)
    with bus.Host(tree, where) as host:
        st = os.fstat(host.errors.fileno())
        host.journal_stream(f"{st.st_dev}:{st.st_ino}")
        owe(tree, "second")
        reload_done(host)
        fields = dict(l.split("=", 1) for l in journal.recv(65536).decode().splitlines() if "=" in l)
        assert fields["MESSAGE"].startswith(f"{UNIT}: restart done")
        assert fields["MESSAGE"] not in host.output
        assert fields["PRIORITY"] == "5"
        assert fields["VSMTP_UNIT"] == UNIT
        assert fields["VSMTP_ACTION"] == "restart"
        assert len(fields["MESSAGE_ID"]) == 32

        host.journal_stream(f"{st.st_dev}:{st.st_ino + 1}")  # standard error leads elsewhere
        owe(tree, "third")
        reload_done(host, ["0", "0"])
        assert f"{UNIT}: restart done" in host.output
    journal.close()
