# SPDX-License-Identifier: LGPL-2.1-or-later
"""vsmtp-plugin-reload, the only one who restarts, against a double of the service manager."""

import os
import re
import signal
import socket
import subprocess
import time

import pytest

import bus
import kit
import test_hold

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


def reload_done(host, word="healthy", **request):
    """Asks, and waits for the last word. An executor that has answered ends well."""
    name = host.ask(**request)
    text = host.wait_answer(name, word)[2]
    host.wait_end()
    assert {line.split()[2] for line in host.log if line.startswith("executor exit")} == {"0"}
    return text


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
    reload_done(host, "nothing-owed")
    assert host.restarts == 0
    assert host.count("ResetFailedUnit") == 0
    assert not (host.tree / "run/vsmtp-plugind/last-reload").exists()


def test_rule_18_the_record_of_a_restart_is_believed(host):
    """Recorded by the executor where no start hook does; then times do not count any more."""
    owe(host.tree, "second")
    reload_done(host)
    host.tree.link("vsmtp-plugin-second.so", host.tree.store / "x")
    host.tree.link("vsmtp-plugin-second.so", "/usr/lib/vsmtp/libvsmtp-plugin-second-1.0.0.so")
    (host.tree.store / "libvsmtp-plugin-second-1.0.0.so").chmod(0o744)
    reload_done(host, "nothing-owed")
    assert host.restarts == 1
    host.tree.plugin("second", tag="another build")
    reload_done(host)
    assert host.restarts == 2


def test_rule_18_a_link_that_went_is_owed_without_a_start_hook(host):
    """Times cannot tell; what the first look found right is recorded, and compared from then on."""
    reload_done(host, "nothing-owed")
    (host.tree.links_dir / "vsmtp-plugin-first.so").unlink()
    reload_done(host)
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
        record.write_text("".join(loaded.read_text().splitlines(True)[2:]))
        host.apply(
            f"{UNIT} hook (echo format 1; echo invocation $INVOCATION_ID; cat {record}) >{loaded}"
        )
        host.apply(f"{UNIT} start")  # somebody else's start, with that set
        (tree.links_dir / "vsmtp-plugin-second.so").unlink()
        owe(tree, "second")  # newer than the start, and the same
        reload_done(host, "nothing-owed")
        assert host.restarts == 1


# ---- the start hook is not in force ----

HOOK = "the start hook did not run at the last start of vsmtp.service (hook-not-in-force)"


def hook_words(host):
    """What status tells of it; the headline speaks of it if the next start would be no better."""
    unit = host.ctl("status", "--json", expect=0).json
    words = unit["units"][0]["hook-not-in-force"]
    lines = " ".join(host.ctl("status", expect=0).out.split())
    assert (words or "Hook:") in lines or words is None
    assert ("hook-not-in-force" in lines) == (words is not None)
    assert words is None or words.startswith(HOOK)
    return words, unit["summary"], unit["in-sync"]


def hook_that_records(tree, where):
    """In place of `sync --start-of`: records what lies in that file."""
    loaded = tree / f"run/vsmtp-plugind/loaded-{UNIT}"
    return f"{UNIT} hook (echo format 1; echo invocation $INVOCATION_ID; cat {where}/set) >{loaded}"


@pytest.mark.parametrize(
    "lines, cause",
    [
        ([f"{UNIT} drop-in no"], "the unit has none; cure: copy vsmtp.service.d/10-vsmtp-plugind.conf"),
        ([f"{UNIT} root /srv/jail"], "its RootDirectory= hides vsmtp-pluginctl; cure: "),
        ([f"{UNIT} hook true"], "it left no record, as when vsmtp-pluginctl was not there; cure: journalctl -u "),
        ([f"{UNIT} hook exit 203"], "it ended with status 203; cure: journalctl -u vsmtp.service"),
    ],
)
def test_rule_18_a_start_without_its_hook_is_told(tree, where, lines, cause):
    """Also when the executor has restarted it, and recorded what it saw: that is no hook's word."""
    tree.config(bus.CONFIG_QUICK)
    owe(tree, "first")
    with bus.Host(tree, where, [*lines, f"{UNIT} start"], start=False) as host:
        for restarts in (0, 1):
            words, summary, in_sync = hook_words(host)
            assert cause in words
            assert summary == "links are right; the start hook is not in force"
            assert not in_sync
            if restarts == 0:
                owe(tree, "second")
                reload_done(host)
                assert host.restarts == 1
                assert (tree / f"run/vsmtp-plugind/loaded-{UNIT}").exists()
        # A server that does not run has nothing to tell of.
        host.apply(f"{UNIT} active inactive")
        assert hook_words(host)[0] is None


def test_rule_18_between_two_states_is_not_in_sync(tree, where):
    """Nobody has seen yet that it will run."""
    tree.config(bus.CONFIG_QUICK)
    owe(tree, "first")
    with bus.Host(tree, where) as host:
        host.apply(f"{UNIT} active activating")
        _, summary, in_sync = hook_words(host)
        assert summary == f"links are right; {UNIT} is starting, stopping or reloading" and not in_sync
        host.apply(f"{UNIT} active active")
        assert hook_words(host)[1:] == ("in sync", True)


def test_rule_18_a_kit_that_came_later_waits_for_the_next_start(tree, where):
    """Nothing is wrong then: in sync, with a line that says what is so, until the next start."""
    tree.config(bus.CONFIG_QUICK)
    owe(tree, "first")
    with bus.Host(tree, where) as host:
        for _ in range(2):
            words, summary, in_sync = hook_words(host)
            assert "it left no record, as when the kit came later; from its next start on" in words
            assert (summary, in_sync) == ("in sync", True)
            reload_done(host, "nothing-owed")  # recorded by who found it running
        loaded = (tree / f"run/vsmtp-plugind/loaded-{UNIT}").read_text()
        (where / "set").write_text("".join(loaded.splitlines(True)[2:]))
        host.apply(hook_that_records(tree, where))
        host.apply(f"{UNIT} start")
        assert hook_words(host) == (None, "in sync", True)
        # What the hook has recorded stays its word over looks, and over a reload of the unit's own.
        reload_done(host, "nothing-owed")
        host.apply(f"{UNIT} reload /bin/kill")
        owe(tree, "second")
        reload_done(host)
        assert host.last["action"] == "reload"
        assert hook_words(host)[0] is None


def test_rule_18_a_record_of_another_format_is_not_known(host):
    """Then the times have to do; and it is not deleted for that."""
    reload_done(host, "nothing-owed")
    loaded = host.tree / f"run/vsmtp-plugind/loaded-{UNIT}"
    text = loaded.read_text().replace("format 1", "format 2").replace("first", "other")
    loaded.write_text(text)
    done = host.ctl("status", "--json", expect=0)
    assert done.json["owed"] is False
    assert loaded.read_text() == text


def wrong_set(host):
    """The hook says that the server loads something else each time."""
    loaded = host.tree / f"run/vsmtp-plugind/loaded-{UNIT}"
    words = "(echo format 1; echo invocation $INVOCATION_ID; echo nonsense)"
    host.apply(f"{UNIT} hook {words} >{loaded}")


def test_a_set_that_never_comes_right_is_given_up(host):
    """No endless restarting."""
    wrong_set(host)
    owe(host.tree, "second")
    reload_done(host, "gave-up")
    assert host.restarts == 3
    assert "it was done three times" in host.output
    reload_done(host, "gave-up", kind="reload-waits")  # asked again, it tries again
    assert host.restarts == 6


def test_rule_18_restarts_keep_a_distance_that_grows(host):
    """The first at once, the next after 1 s, then 2 s; who asks in person does not wait."""
    wrong_set(host)
    owe(host.tree, "second")
    name = host.ask()
    times = []
    for i in range(3):
        host.wait(f"started {UNIT}", 2 + i)
        times.append(time.monotonic())
    assert times[1] - times[0] > 0.9
    assert times[2] - times[1] > 1.9
    host.wait_answer(name, "gave-up")
    host.wait_end()
    starts = (host.tree / "run/vsmtp-plugind/starts").read_text().splitlines()
    assert starts[0] == "format 1" and len(starts) == 4


def test_rule_18_while_it_waits_the_answer_says_so_and_a_person_ends_that(host):
    starts = host.tree / "run/vsmtp-plugind/starts"
    now = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000
    lines = "".join(
        f"{now - i}\t{UNIT}\trestart\tdone\t-\t{i:016x}\t0\n" for i in range(8, 0, -1)
    )
    starts.write_text("format 1\n" + lines)
    owe(host.tree, "second")
    name = host.ask()
    assert host.wait_answer(name, "waiting")[1] in ("settling", "distance")
    kit.wait_until(lambda: host.answer(name)[1] == "distance", what="the distance")
    assert host.restarts == 0
    status = host.ctl("status", "--json", expect=0).json
    assert [status["units"][0][k] for k in ("next", "reason")] == ["wait", "distance"]
    host.ask(kind="reload-waits")
    host.wait_answer(name, "healthy")
    host.wait_end()
    assert host.restarts == 1


def test_rule_18_a_burst_is_one_restart(host):
    """Changes that go on while it settles are one restart, which has them all."""
    host.tree.config("[Plugind]\nSettleSec=300ms\nSettleMaxSec=20s\n")
    owe(host.tree, "p0")
    name = host.ask()
    for i in range(1, 8):
        owe(host.tree, f"p{i}")
        host.ask()
        time.sleep(0.05)
    host.wait_answer(name, "healthy")
    host.wait_end()
    assert host.restarts == 1
    for i in range(5):
        assert f"vsmtp-plugin-p{i}.so" in host.last["why"]
    assert host.last["why"].endswith("and 3 more")


def test_rule_18_a_persons_request_restarts_what_is_not_owed(host):
    reload_done(host, kind="reload", unit=UNIT, replaces=host.invocation)
    assert host.restarts == 1
    assert "asked" in host.last["why"]


def test_rule_18_a_persons_request_is_satisfied_by_any_other_start(host):
    was = host.invocation
    host.apply(f"{UNIT} start")
    reload_done(host, "nothing-owed", kind="reload", unit=UNIT, replaces=was)
    assert host.restarts == 0


def test_rule_18_five_requests_at_once_are_one_start(host):
    names = [host.ask("reload", UNIT, host.invocation) for _ in range(5)]
    for name in names:
        host.wait_answer(name, "healthy")
    host.wait_end()
    assert host.restarts == 1


def test_rule_18_no_wall_clock_decides_over_requests(host):
    """Nothing is newer for a clock that was set back since."""
    reload_done(host, kind="reload", unit=UNIT, replaces=host.invocation)
    assert host.restarts == 1
    for path in (host.tree / "run/vsmtp-plugind").iterdir():
        os.utime(path, (2**31, 2**31))
    reload_done(host, "nothing-owed")
    owe(host.tree, "second")
    reload_done(host)
    assert host.restarts == 2


# ---- what is asked stays asked ----


def test_rule_18_a_killed_executor_is_followed_by_another(host):
    """In the middle of its job: what was asked is done, once, and answered."""
    host.apply(f"{UNIT} delay 1000")
    owe(host.tree, "second")
    name = host.ask()
    host.wait(f"TryRestartUnit {UNIT}")
    host.apply("executor kill")
    assert "runs with all of it" in host.wait_answer(name, "healthy")[2]
    host.wait_end()
    assert host.count("executor spawned") == 2
    assert host.restarts == 1
    assert host.last["result"] == "done"


def test_rule_18_what_comes_while_it_works_is_done_too(host):
    host.apply(f"{UNIT} linger 500")
    owe(host.tree, "second")
    host.ask()
    host.wait(f"started {UNIT}", 2)
    owe(host.tree, "third")
    name = host.ask()
    host.wait_answer(name, "healthy")
    host.wait_end()
    assert host.count("executor spawned") == 1
    assert host.restarts == 2
    assert "vsmtp-plugin-third.so" in host.last["why"]


def test_rule_18_what_is_being_written_is_no_request(host):
    (host.asked / ".half").write_text("form")
    time.sleep(0.2)
    assert host.count("executor spawned") == 0
    (host.asked / ".half").unlink()


@pytest.mark.parametrize("text", ["format 2\nkind look\n", "", "format 1\nkind nonsense\n"])
def test_rule_18_a_request_that_is_not_understood_is_left_there(host, text):
    name = host.ask(text=text)
    kit.wait_until(lambda: "not understood" in host.output, what="the word on it")
    owe(host.tree, "second")
    other = host.ask()
    host.wait_answer(other, "healthy")  # it lives on, and serves what it understands
    kit.wait_until(lambda: os.listdir(host.asked) == [name], what="that one alone to be left")
    assert host.count("executor spawned") == 1
    (host.asked / name).unlink()
    host.ask()  # wakes it
    host.wait_end()


def test_rule_18_the_last_words_can_be_read_late(host):
    owe(host.tree, "second")
    first = host.ask()
    host.wait_answer(first, "healthy")
    host.wait_end()
    reload_done(host, "nothing-owed")
    assert host.answer(first)[0] == "healthy"


def test_rule_18_a_manager_that_does_not_answer_is_asked_again(host):
    """As while it is executed anew: no answer is no word on whether there is one."""
    double = host.processes[-1]
    owe(host.tree, "second")
    os.kill(double.pid, signal.SIGSTOP)
    try:
        name = host.ask()
        mine = subprocess.Popen(
            [host.wrapper("vsmtp-plugin-reload")],
            env=host.environment(),
            stderr=host.errors,
            stdin=subprocess.DEVNULL,
        )
        assert host.wait_answer(name, "waiting")[1] == "no-answer"
    finally:
        os.kill(double.pid, signal.SIGCONT)
    host.wait_answer(name, "healthy")
    assert mine.wait(30) == 0
    host.wait_end()
    assert host.restarts == 1


def test_a_unit_is_known_by_all_of_its_names(tree, where):
    """Unit= names an alias: the records go by the manager's own name."""
    tree.config(bus.CONFIG_QUICK + "Unit=\nUnit=mail.service vsmtp.service\n")
    owe(tree, "first")
    lines = [f"mail.service name {UNIT}"]
    with bus.Host(tree, where, lines) as host:
        owe(tree, "second")
        reload_done(host)
        assert host.restarts == 1 and host.count("TryRestartUnit") == 1
        assert (tree / f"run/vsmtp-plugind/loaded-{UNIT}").exists()
        reload_done(host, "nothing-owed")


# ---- who is never started ----


@pytest.mark.parametrize(
    "line", ["active inactive", "active failed", "load masked", "load not-found"]
)
def test_rule_18_what_does_not_run_is_never_started(host, line):
    owe(host.tree, "second")
    host.apply(f"{UNIT} {line}")
    reload_done(host, "not-running", kind="reload-waits")
    assert host.restarts == 0
    assert host.count("ResetFailedUnit") == 0
    assert host.count(f"started {UNIT}") == 1
    assert not [l for l in host.log if re.match(r"(Start|Restart|ReloadOrTry)", l)]


def test_rule_19_action_none(host):
    host.tree.config(bus.CONFIG_QUICK + "Action=none\n")
    owe(host.tree, "second")
    assert "Action=none" in reload_done(host, "refused")
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
        reload_done(host, "failed")
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
    reload_done(host, "nothing-owed")  # recorded
    assert host.count(f"ReloadUnit {UNIT}") == 1


def test_rule_19_a_persons_request_is_served_by_a_reload(host):
    host.apply(f"{UNIT} reload /bin/kill")
    reload_done(host, kind="reload-waits", unit=UNIT, replaces=host.invocation)
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
        reload_done(host, kind="reload-waits")  # in person: no distance is kept
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
    host.ask("reload-waits")
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
    reload_done(host, "failed")
    assert host.restarts == 1
    assert host.last["result"] == result
    assert f'restart ended as "{result}"' in host.output
    # the unit is failed, seen as such, and yet a later request starts it anew
    host.apply(f"{UNIT} result done")
    host.apply(f"{UNIT} start")
    owe(host.tree, "third")
    reload_done(host, kind="reload-waits")
    assert host.last["result"] == "done"


def test_a_failed_reload_leaves_the_server_running(host):
    host.apply(f"{UNIT} reload /bin/kill")
    host.apply(f"{UNIT} result failed")
    owe(host.tree, "second")
    reload_done(host, "failed")
    assert host.count(f"ReloadUnit {UNIT}") == 1
    assert host.restarts == 0


def test_a_job_end_that_comes_before_its_reply(host):
    host.apply(f"{UNIT} delay -1")
    owe(host.tree, "second")
    reload_done(host)
    assert host.restarts == 1


@pytest.mark.parametrize("kind", ["look", "reload-waits"])
def test_rule_09_what_is_not_known_restarts_nobody(host, kind):
    owe(host.tree, "second")
    host.tree.server("1.0.0", "nonsense")
    assert "not known" in reload_done(host, "refused", kind=kind)
    assert host.restarts == 0
    assert "not known" in host.output


def test_a_program_that_is_gone_restarts_nobody(host):
    owe(host.tree, "second")
    reload_done(host)
    host.tree.server(None)
    assert "there is no program" in reload_done(host, "refused")
    assert host.restarts == 1


def test_links_that_are_a_symlink_restart_nobody(host):
    """As the reload hook and `plan` say of the same."""
    host.tree.links_dir.rename(host.tree / "etc/vsmtp/elsewhere")
    host.tree.links_dir.symlink_to("elsewhere")
    assert "is a symlink" in reload_done(
        host, "refused", kind="reload", unit=UNIT, replaces=host.invocation
    )
    assert host.restarts == 0


@pytest.mark.parametrize("change", ["active activating", "job 99"])
def test_a_unit_that_changes_is_waited_for(host, change):
    owe(host.tree, "second")
    host.apply(f"{UNIT} {change}")
    name = host.ask()
    assert host.wait_answer(name, "waiting")[1] == "job"
    looks = host.count("LoadUnit")
    time.sleep(1)
    assert host.count("LoadUnit") <= looks + 2, "it polls"
    assert host.restarts == 0
    host.apply(f"{UNIT} {'active active' if 'active' in change else 'job 0'}")
    host.wait_answer(name, "healthy")
    host.wait_end()
    assert host.restarts == 1


# ---- package managers ----


@pytest.fixture
def dpkg(host):
    host.tree.put(test_hold.FRONTEND, "", 0o640)
    return lambda: test_hold.Holder(host.tree, test_hold.FRONTEND)


def test_rule_17_a_transaction_that_begins_while_it_waits_is_not_interrupted(host, dpkg):
    owe(host.tree, "second")
    reload_done(host)
    owe(host.tree, "third")
    name = host.ask()
    host.wait_answer(name, "waiting")
    with dpkg():
        kit.wait_until(lambda: host.answer(name)[1] == "held", what="the transaction to be seen")
        assert "waiting while a package manager is at work" in host.answer(name)[2]
        assert host.ctl("status", "--json", expect=0).json["units"][0]["reason"] == "held"
        assert host.restarts == 1
    host.wait_answer(name, "healthy")
    assert host.restarts == 2


def test_rule_17_who_asks_from_inside_a_transaction_does_not_wait_for_it(host, dpkg):
    with dpkg():
        host.tree.plugin("second")
        assert "the server runs with all of it now" in host.ctl("sync", expect=0).out
        assert host.restarts == 1


def test_rule_17_a_transaction_that_lasts_too_long_is_not_waited_for(host, dpkg):
    host.tree.config(bus.CONFIG_QUICK + "HoldMaxSec=1s\n")
    owe(host.tree, "second")
    with dpkg():
        name = host.ask()
        host.wait_answer(name, "healthy")


# ---- without a manager ----


def test_no_service_manager_is_an_answer(tree, where):
    with bus.Host(tree, where, manager=False) as host:
        done = host.run("vsmtp-plugin-reload", expect=0)
        assert done.err == "vsmtp-plugin-reload: no service manager\n"
        assert not (tree / "run/vsmtp-plugind/executor.lock").exists()


def test_options():
    program = kit.program("vsmtp-plugin-reload")
    for argv in (["--root=/"], ["--root"], ["--nonsense"], ["word"]):
        done = kit.run(program, *argv, expect=2)
        assert done.err and not done.out
    assert "Usage:" in kit.run(program, "--help", expect=0).out
    assert kit.run(program, "--version", expect=0).out.startswith("vsmtp-plugin-reload ")


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
        reload_done(host, kind="reload-waits")
        assert f"{UNIT}: restart done" in host.output
    journal.close()
