# SPDX-License-Identifier: LGPL-2.1-or-later
"""The drop-in's two hooks, the path unit and the generation, each by the results of real jobs."""

import re
import time

import harness
import kit
import pytest

PATH_UNIT = "vsmtp-plugin-sync.path"
ONCE = "vsmtp-plugin-sync.service"
AGAIN = "vsmtp-plugin-sync-again.service"


def drop_in(box, unit, text, name="50-test.conf"):
    box.put(f"/etc/systemd/system/{unit}.d/{name}", text, 0o644)
    box.run("systemctl", "daemon-reload")


def no_failed_unit(box):
    return box.run("systemctl", "--failed", "--plain", "--no-legend").out == ""


def in_order(text, *words):
    """Each of the words, after the one before it."""
    at = 0
    for word in words:
        at = text.find(word, at)
        assert at >= 0, f"{word!r} is not where it should be in:\n{text}"
        at += len(word)


# ---- systemctl reload vsmtp ----


def test_reload_hook_restarts_once_when_the_job_is_over(box):
    """Nothing is owed: a person asked."""
    assert box.show("vsmtp", "CanReload") == "yes"
    box.run("systemctl", "reload", "vsmtp")
    box.wait_starts(2)
    in_order(
        box.journal("-b", "-u", "vsmtp.service", "-u", harness.EXECUTOR),
        "Reloading vsmtp.service",
        "to be restarted when this reload is over",
        "Reloaded vsmtp.service",
        "Stopping vsmtp.service",
        "restart done (a reload is owed: somebody asked for it)",
    )
    assert box.is_active("vsmtp") and no_failed_unit(box)


def test_reload_hook_makes_the_links_right(box):
    box.run("systemctl", "stop", harness.DAEMON)
    target = box.plugin("mysql")
    box.run("systemctl", "reload", "vsmtp")
    assert box.links() == {"vsmtp-plugin-mysql.so": target}
    starts = box.wait_starts(2)
    assert starts[1]["loaded"] == {"vsmtp-plugin-mysql.so": (target, "ok")}


def test_reload_hook_five_at_once_end_in_one_restart(box):
    for round_ in (2, 3):
        box.sh("for i in 1 2 3 4 5; do systemctl reload vsmtp & p=\"$p $!\"; done; for j in $p; do wait $j; done")
        box.wait_starts(round_)
    assert no_failed_unit(box)


def test_reload_hook_other_verbs_end_in_one_restart(box):
    box.run("systemctl", "try-reload-or-restart", "vsmtp")
    box.wait_starts(2)
    box.run("systemctl", "reload-or-restart", "vsmtp")
    box.wait_starts(3)


def test_reload_hook_stopped_server_is_not_started(box):
    box.run("systemctl", "stop", "vsmtp")
    box.run("systemctl", "try-reload-or-restart", "vsmtp")
    assert box.run("systemctl", "reload", "vsmtp", check=False).code != 0
    box.wait_starts(1)
    assert not box.is_active("vsmtp")


# What makes a restart certain to fail (or not ours), how it is undone, and what is said of it.
REFUSED = [
    ("mv /usr/sbin/vsmtp /usr/sbin/away", "mv /usr/sbin/away /usr/sbin/vsmtp", "there is no program to start"),
    ("chmod 0777 /usr/sbin/vsmtp", "chmod 0755 /usr/sbin/vsmtp", "cure: chmod go-w /usr/sbin/vsmtp"),
    (
        "mv /usr/sbin/vsmtp /usr/sbin/away; mv /usr/lib/kit-staging/silent /usr/sbin/vsmtp",
        "mv /usr/sbin/away /usr/sbin/vsmtp",
        "vSMTP's version is not known",
    ),
    (
        "mv /etc/vsmtp/plugins /etc/vsmtp/elsewhere; ln -s elsewhere /etc/vsmtp/plugins",
        "rm /etc/vsmtp/plugins; mv /etc/vsmtp/elsewhere /etc/vsmtp/plugins",
        "the links directory /etc/vsmtp/plugins is a symlink",
    ),
    (
        "echo '[Plugind]\nAction=none' >/etc/vsmtp-plugind/plugind.conf.d/50-none.conf",
        "rm /etc/vsmtp-plugind/plugind.conf.d/50-none.conf",
        "Action=none leaves restarts to the administrator",
    ),
]


def test_reload_hook_refuses_with_the_reason_as_the_last_line(box):
    box.run("systemctl", "stop", harness.DAEMON)  # it would say its own about all this
    box.stage("silent", kit.server_program("1.0.0", "silent").read_bytes())
    box.run("mkdir", "-p", "/etc/vsmtp-plugind/plugind.conf.d")
    pid = box.show("vsmtp", "MainPID")

    def last():
        return box.run("systemctl", "status", "vsmtp", "--full").out.rstrip().splitlines()[-1]

    for harm, undo, words in REFUSED:
        box.sh(harm)
        done = box.run("systemctl", "reload", "vsmtp", check=False)
        assert done.code != 0 and "failed" in done.err, words
        kit.wait_until(lambda w=words: w in last(), what=f"{words!r} as the last line")
        assert box.show("vsmtp", "MainPID", "ActiveState", "SubState") == [pid, "active", "running"]
        box.sh(undo)
    box.wait_starts(1)
    assert REFUSED[-1][2] in last()
    box.run("systemctl", "reload", "vsmtp")
    box.wait_starts(2)


def test_rule_19_reload_hook_keeps_out_if_the_unit_has_its_own(box):
    drop_in(box, "vsmtp.service", "[Service]\nExecReload=/bin/sh -c 'echo reloaded >>/run/own-reloads'\n")
    box.run("systemctl", "stop", harness.DAEMON)
    box.plugin("mysql")
    box.run("systemctl", "reload", "vsmtp")
    box.wait_starts(1)
    assert box.path("/run/own-reloads").read_text() == "reloaded\n"
    assert box.links() == {}
    assert list(box.path("/run/vsmtp-plugind/asked").iterdir()) == []


def test_reload_hook_while_the_executor_works_is_no_deadlock(box):
    """The executor finds vSMTP reloading, by a hook that asks that very executor."""
    for i in range(3):
        box.plugin(f"p{i}")
        kit.wait_until(
            lambda: box.show(harness.EXECUTOR, "ActiveState") != "inactive", 30, "the executor", 0.002
        )
        box.run("systemctl", "reload", "vsmtp", timeout=30)
        box.wait_peace()
        assert f"vsmtp-plugin-p{i}.so" in box.starts()[-1]["loaded"]
    assert box.is_active("vsmtp") and no_failed_unit(box)
    assert "code=killed" not in box.journal("-b", "-u", "vsmtp.service"), "a hook was killed"


# ---- the start hook ----


def test_start_hook_does_not_need_an_answer(box):
    """The program hangs when asked: what is linked stays (rule 9), and the start is one."""
    target = box.plugin("mysql")
    box.wait_links(["mysql"])
    box.wait_starts(2)
    box.run("systemctl", "stop", harness.DAEMON, "vsmtp")
    box.put(kit.SERVER, kit.server_program("1.0.0", "hangs").read_bytes())
    box.run("systemctl", "start", "vsmtp", timeout=60)
    starts = box.wait_starts(3)
    assert starts[2]["loaded"] == {"vsmtp-plugin-mysql.so": (target, "ok")}
    # One that was left behind would be taken for a second main process.
    assert box.show("vsmtp", "MainPID") == starts[2]["pid"]


def test_start_hook_does_not_wait_for_ever_for_the_lock(box):
    """Held by a stopped process: no signal and no time limit of its own ends that."""
    box.run("systemctl", "stop", harness.DAEMON, "vsmtp")
    box.sh(
        "flock /run/vsmtp-plugind/lock sh -c 'echo $$ >/run/holder; kill -STOP $$' >/dev/null 2>&1 &"
        "while ! grep -qs '(sh) T' /proc/$(cat /run/holder 2>/dev/null)/stat; do sleep 0.05; done"
    )
    box.run("systemctl", "start", "vsmtp", timeout=60)
    box.wait_starts(2)
    assert box.is_active("vsmtp")
    assert "the time limit is over" in box.journal("-b", "-u", "vsmtp.service")
    box.sh("kill -KILL $(cat /run/holder)")
    box.run("systemctl", "restart", "vsmtp")
    box.wait_starts(3)


def test_start_hook_that_fails_fails_no_start(box):
    box.run("systemctl", "stop", harness.DAEMON)
    box.run("rm", "/usr/bin/vsmtp-pluginctl")
    for i, program in enumerate((None, "#!/bin/sh\nkill -SEGV $$\n", "#!/bin/sh\nexit 1\n")):
        if program:
            box.put("/usr/bin/vsmtp-pluginctl", program)
        box.run("systemctl", "restart", "vsmtp")
        # Its job is over before it says what it has loaded.
        kit.wait_until(lambda n=i: len(box.starts()) == n + 2, what="the start")
        assert box.is_active("vsmtp")
    box.wait_starts(4)


def hook_words(box):
    """Why the start hook is not in force, and the first line of status."""
    said = box.ctl_json("status")
    return said["units"][0]["hook-not-in-force"], said["summary"]


def test_rule_18_a_start_without_its_hook_is_told(box):
    """By what the real manager says of the unit; the executor's own record changes nothing."""
    box.run("systemctl", "restart", "vsmtp")
    box.wait_starts(2)
    assert hook_words(box) == (None, "in sync")

    drop_in(box, "vsmtp.service", "", "10-vsmtp-plugind.conf")
    box.run("systemctl", "restart", "vsmtp")
    box.wait_starts(3)
    assert "the unit has none; cure: " in hook_words(box)[0]
    assert hook_words(box)[1] == "links are right; the start hook is not in force"
    box.plugin("mysql")
    box.wait_starts(4)
    box.wait_peace()
    assert "the unit has none; cure: " in hook_words(box)[0]
    box.run("rm", "/etc/systemd/system/vsmtp.service.d/10-vsmtp-plugind.conf")
    box.run("systemctl", "daemon-reload")
    words, summary = hook_words(box)
    assert "from its next start on" in words and summary == "in sync"

    box.sh(
        "mkdir -p /srv/jail; mount --rbind / /srv/jail; mount --make-rprivate /srv/jail;"
        "mount -t tmpfs tmpfs /srv/jail/usr/bin"
    )
    drop_in(box, "vsmtp.service", "[Service]\nRootDirectory=/srv/jail\n")
    box.run("systemctl", "restart", "vsmtp")
    box.wait_starts(5)
    assert "its RootDirectory= hides vsmtp-pluginctl; cure: " in hook_words(box)[0]
    box.run("rm", "/etc/systemd/system/vsmtp.service.d/50-test.conf")
    box.run("systemctl", "daemon-reload")

    # That it is not there the manager passes over with a line in the journal; no status tells it.
    drop_in(box, "vsmtp.service", "[Service]\nExecStartPre=\nExecStartPre=-/opt/vsmtp-pluginctl\n")
    for n, program, words in (
        (6, None, "it left no record, as when vsmtp-pluginctl was not there"),
        (7, "#!/bin/sh\nexit 1\n", "it ended with status 1"),
    ):
        if program:
            box.put("/opt/vsmtp-pluginctl", program)
        box.run("systemctl", "restart", "vsmtp")
        box.wait_starts(n)
        said, summary = hook_words(box)
        assert f"{words}; cure: journalctl -u vsmtp.service says why" in said
        assert summary == "links are right; the start hook is not in force"
    assert no_failed_unit(box)


# ---- without a resident process ----


@pytest.fixture
def path_box(box):
    box.run("systemctl", "start", PATH_UNIT)
    assert not box.is_active(harness.DAEMON), "the two exclude each other"
    return box


def test_path_unit_and_daemon_exclude_each_other(box):
    assert box.run("systemctl", "is-enabled", PATH_UNIT, check=False).out.strip() == "disabled"
    box.run("systemctl", "start", PATH_UNIT)
    assert box.is_active(PATH_UNIT) and not box.is_active(harness.DAEMON)
    box.run("systemctl", "start", harness.DAEMON)
    assert box.is_active(harness.DAEMON) and not box.is_active(PATH_UNIT)


def test_path_unit_survives_a_burst_of_200(path_box):
    names = [f"n{i:03}" for i in range(200)]
    staged = {n: path_box.stage(n, kit.plugin_bytes(tag=n, built_for="1.0.0")) for n in names}
    store = path_box.path("/usr/lib/vsmtp")
    for i, (name, path) in enumerate(staged.items()):
        path.rename(store / f"libvsmtp-plugin-{name}-1.0.0.so")
        if i % 20 == 19:
            time.sleep(0.2)  # over several of its runs: more than a start limit would bear
    path_box.wait_links(names)
    path_box.wait_peace()
    assert set(path_box.starts()[-1]["loaded"]) == {f"vsmtp-plugin-{n}.so" for n in names}
    assert path_box.is_active(PATH_UNIT) and no_failed_unit(path_box)
    # It still works.
    (store / "libvsmtp-plugin-n000-1.0.0.so").unlink()
    path_box.wait_links(names[1:])
    path_box.wait_peace()
    assert path_box.is_active(PATH_UNIT) and no_failed_unit(path_box)


def test_path_unit_sees_what_came_while_it_was_deaf(path_box):
    """Something comes when the pass has looked, and the unit that made it has not ended."""
    # No restart, for its start hook would make the links right.
    path_box.put("/etc/vsmtp-plugind/plugind.conf.d/50-none.conf", "[Plugind]\nAction=none\n", 0o644)
    path_box.stage("late.so", kit.plugin_bytes(tag="late", built_for="1.0.0"))
    late = "/usr/lib/vsmtp/libvsmtp-plugin-late-1.0.0.so"
    drop_in(path_box, ONCE, f"[Service]\nExecStartPost=-+/bin/mv /usr/lib/kit-staging/late.so {late}\n")
    path_box.plugin("mysql")
    path_box.wait_links(["late", "mysql"])
    path_box.wait_starts(1)


def test_path_unit_sees_another_server(path_box):
    path_box.plugin("mysql")
    new = path_box.plugin("mysql", "1.1.0")
    path_box.put(kit.SERVER, kit.server_program("1.1.0").read_bytes())
    kit.wait_until(lambda: path_box.links().get("vsmtp-plugin-mysql.so") == new, what="the link")
    path_box.wait_peace()
    assert path_box.starts()[-1]["loaded"] == {"vsmtp-plugin-mysql.so": (new, "ok")}


def test_path_unit_is_not_stopped_by_a_pass_that_fails(path_box):
    path_box.put(kit.SERVER, kit.server_program("1.0.0", "silent").read_bytes())
    path_box.plugin("mysql")
    kit.wait_until(lambda: path_box.show(AGAIN, "Result") == "exit-code", what="the second look")
    path_box.put(kit.SERVER, kit.server_program("1.0.0").read_bytes())
    path_box.wait_links(["mysql"])
    assert path_box.is_active(PATH_UNIT)
    kit.wait_until(lambda: no_failed_unit(path_box), what="all units in order again")


@pytest.mark.parametrize(
    "spoil",
    [
        f"rm -r {kit.LINKS}",
        f"rm -r {kit.LINKS}; chown 900:900 /etc/vsmtp",
        f"chown -R 900:900 /etc/vsmtp; chmod 0775 {kit.LINKS}",
        f"chown -R 900:900 /etc/vsmtp; chmod 0750 /etc/vsmtp; chmod 0700 {kit.LINKS}",
    ],
)
def test_rule_12_path_unit_makes_and_takes_over_the_links_directory(path_box, spoil):
    # No restart, for its start hook would do it.
    path_box.put("/etc/vsmtp-plugind/plugind.conf.d/50-none.conf", "[Plugind]\nAction=none\n", 0o644)
    path_box.sh(spoil)
    path_box.plugin("mysql")
    path_box.wait_links(["mysql"])
    st = path_box.path(kit.LINKS).stat()
    assert (st.st_uid, st.st_gid, st.st_mode & 0o7777) == (0, 0, 0o755)
    # Again, as it is now: in the sandbox alone.
    kit.wait_until(lambda: path_box.show(AGAIN, "ActiveState") == "inactive", what="the second look")
    path_box.plugin("csv")
    path_box.wait_links(["csv", "mysql"])
    path_box.wait_starts(1)


def test_rule_12_path_unit_gets_nothing_writable_by_a_symlink(path_box):
    path_box.sh(f"mv {kit.LINKS} /etc/elsewhere; ln -s /etc/elsewhere {kit.LINKS}")
    path_box.plugin("mysql")
    kit.wait_until(lambda: path_box.show(ONCE, "AssertResult") == "no", what="the refusal")
    assert path_box.run("systemctl", "start", ONCE, check=False).code != 0
    assert list(path_box.path("/etc/elsewhere").iterdir()) == []
    path_box.sh(f"rm {kit.LINKS}")
    path_box.plugin("csv")
    path_box.wait_links(["csv", "mysql"])


# ---- the generation ----


def manual_units():
    """The example of the manual: {path: text}."""
    page = (kit.SOURCE / "man/vsmtp-plugind.8").read_text()
    blocks = re.findall(r"^\.Bd -literal[^\n]*\n# (/etc/systemd/system/\S+)\n(.*?)^\.Ed$", page, re.M | re.S)
    assert len(blocks) == 2
    return dict(blocks)


def test_generation_starts_the_units_of_the_manual(box):
    for path, text in manual_units().items():
        box.put(path, text, 0o644)
    box.run("systemctl", "daemon-reload")
    box.run("systemctl", "start", "plugins-changed.path")
    output = box.path("/run/plugins-changed")
    assert not output.exists()
    box.plugin("mysql")  # by the daemon
    kit.wait_until(lambda: output.exists() and "mysql" in output.read_text(), what="the example")
    box.wait_peace()
    box.run("systemctl", "stop", harness.DAEMON)
    box.plugin("csv")
    before = int(box.path("/run/vsmtp-plugind/generation").read_text())
    box.ctl("sync")  # by the command
    kit.wait_until(lambda: "csv" in output.read_text(), what="the example")
    assert int(box.path("/run/vsmtp-plugind/generation").read_text()) == before + 1
    box.wait_peace()
    output.unlink()
    box.ctl("sync")  # by nobody
    box.run("systemctl", "restart", "vsmtp")
    box.wait_peace()
    assert not output.exists()
    assert box.is_active("plugins-changed.path") and no_failed_unit(box)
