# SPDX-License-Identifier: LGPL-2.1-or-later
"""vsmtp-pluginctl: verbs, options, exit codes and output, on real files below a scratch root."""

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import tempfile
import termios
from pathlib import Path

import pytest

import kit

NOBODY = 65534
LOOKING = (["status"], ["list"], ["plan"], ["why", "mysql"])
HOSTILE = b"libvsmtp-plugin-ev\x1b[31mil\n\xff\xfe-1.0.0.so"
HOSTILE_SHOWN = r"libvsmtp-plugin-ev\x1b[31mil\x0a\xff\xfe-1.0.0.so"
A, B = "vsmtp-plugin-mysql.so", "vsmtp-plugin-redis.so"


def ctl_plain(*args, **options):
    return kit.run(kit.program("vsmtp-pluginctl"), *args, **options)


def on_terminal(argv, columns, **env):
    """Its output on a terminal of that width, without the carriage returns."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    process = subprocess.Popen(
        [str(a) for a in argv],
        stdin=slave,
        stdout=slave,
        stderr=subprocess.DEVNULL,
        env=kit.environment(TERM="xterm", **env),
    )
    os.close(slave)
    out = b""
    while True:
        try:
            data = os.read(master, 65536)
        except OSError:
            break
        if not data:
            break
        out += data
    os.close(master)
    assert process.wait(30) == 0, out
    return out.decode().replace("\r\n", "\n")


def ctl_argv(tree, *args):
    return [kit.program("vsmtp-pluginctl"), f"--root={tree.path}", "--ask-program", *args]


def as_nobody(tree, *args, **options):
    """As tree.ctl(), by an ordinary user, and a way down to the tree."""
    for path in tree.path.parents:
        if path.is_relative_to(tempfile.gettempdir()) and path != Path(tempfile.gettempdir()):
            path.chmod(path.stat().st_mode | 0o055)
    return tree.ctl(*args, user=NOBODY, cwd="/", **options)


@pytest.fixture
def mixed(tree):
    """One of each: linked, retargeted, of another version, not ELF, foreign, dangling, hostile."""
    tree.plugin("mysql", "1.0.0")
    tree.plugin("mysql", "1.1.0")
    tree.plugin("redis", "1.0.0")
    tree.plugin("ldap", "0.9.0")
    tree.put(f"{kit.STORE}/libvsmtp-plugin-broken-1.0.0.so", b"no ELF")
    tree.put(os.fsdecode(kit.STORE.encode() + b"/" + HOSTILE), b"no ELF either")
    tree.link("mine.so", "/opt/mine.so")
    (tree.links_dir / "README").write_text("by hand")
    tree.link("gone.so", f"{kit.STORE}/libvsmtp-plugin-gone-1.0.0.so")
    return tree


# ---- wrong usage: one line that names the mistake, exit 2 ----


@pytest.mark.parametrize(
    "args, word",
    [
        ([], "no verb"),
        (["nonsense"], "nonsense"),
        (["--nonsense", "list"], "--nonsense"),
        (["--root=", "list"], "--root"),
        (["--root", "", "list"], "--root"),
        (["list", "--root"], "--root"),
        (["list", "extra"], "extra"),
        (["why"], "NAME|FILE"),
        (["why", ""], "empty"),
        (["verify"], "FILE"),
        (["enable"], "NAME"),
        (["list", "--dry-run"], "--dry-run"),
        (["sync", "--force"], "--force"),
        (["plan", "--plan=0123456789abcdef"], "--plan"),
        (["sync", "--plan=xyz"], "xyz"),
        (["sync", "--plan=0123456789abcdefg"], "fingerprint"),
        (["status", "--for=1.0.0"], "--for"),
        (["verify", "--for=1.0", "x.so"], "1.0"),
        (["list", "--time-limit=5s"], "--time-limit"),
        (["sync", "--time-limit=soon"], "soon"),
        (["sync", "--time-limit=0"], "--time-limit"),
        (["sync", "--start-of=../x.service"], "--start-of"),
        (["no\x1b[31m\nsuch"], r"no\x1b[31m\x0asuch"),
    ],
)
def test_wrong_usage(args, word):
    done = ctl_plain(*args, expect=2)
    assert done.out == ""
    assert done.err.count("\n") == 1
    assert word in done.err
    assert "vsmtp-pluginctl --help" in done.err


def test_help_names_every_verb_and_option():
    text = ctl_plain("--help", expect=0).out
    for verb in "status list plan sync reload why verify enable disable clean".split():
        assert re.search(rf"^  {verb}\b", text, re.M), verb
    for option in "root json dry-run no-legend no-reload force plan for ask-program".split():
        assert f"--{option}" in text
    assert max(len(line) for line in text.splitlines()) <= 100


def test_version():
    assert re.fullmatch(r"vsmtp-pluginctl \d+\.\d+\.\d+\n", ctl_plain("--version", expect=0).out)


def test_root_forms(tree):
    """--root=DIR and --root DIR, before and behind the verb, relative ones from where we are."""
    tree.plugin("mysql")
    want = tree.ctl("list", expect=0).out
    assert "mysql" in want
    for args in (
        ["--root", tree.path, "--ask-program", "list"],
        ["list", f"--root={tree.path}", "--ask-program"],
        ["list", "--ask-program", "--root", tree.path],
        ["--root=root", "--ask-program", "list"],
        ["--root", "./root/", "list", "--ask-program"],
    ):
        assert ctl_plain(*args, cwd=tree.path.parent, expect=0).out == want
    missing = ctl_plain("--root=/no/such\ndirectory", "list", expect=1)
    assert r"/no/such\x0adirectory: No such file" in missing.err


def test_root_never_shows_in_links(tree):
    tree.plugin("mysql")
    tree.ctl("sync", expect=0)
    assert tree.links() == {A: f"{kit.STORE}/libvsmtp-plugin-mysql-1.0.0.so"}


# ---- list ----


def test_list_has_a_row_for_each_candidate_and_entry(mixed):
    mixed.ctl("sync", expect=(0, 4))
    mixed.link("gone.so", f"{kit.STORE}/libvsmtp-plugin-gone-1.0.0.so")
    rows = [line.split(None, 5) for line in mixed.ctl("list", expect=0).out.splitlines()]
    assert rows[0] == ["NAME", "VERSION", "STATE", "LINK", "TARGET", "REASON"]
    seen = [(r[0], r[1], r[2], r[3]) for r in rows[1:]]
    assert seen == [
        ("-", "1.0.0", "name-not-understood", "-"),
        ("-", "-", "foreign", "README"),
        ("-", "-", "foreign", "mine.so"),
        ("broken", "1.0.0", "not-elf", "-"),
        ("gone", "-", "dangling", "gone.so"),
        ("ldap", "0.9.0", "version-mismatch", "-"),
        ("mysql", "1.1.0", "version-mismatch", "-"),
        ("mysql", "1.0.0", "linked", A),
        ("redis", "1.0.0", "linked", B),
    ]
    assert rows[6][5] == "made for vSMTP 0.9.0, the server is 1.0.0"


def test_list_sorts_versions_falling(tree):
    for version in ("1.0.0", "1.0.0-rc.9", "1.0.0-rc.10", "0.9.0", "2.0.0"):
        tree.plugin("mysql", version)
    got = [e["version"] for e in tree.ctl("list", "--json", expect=0).json["entries"]]
    assert got == ["2.0.0", "1.0.0", "1.0.0-rc.10", "1.0.0-rc.9", "0.9.0"]


def test_list_states_before_a_pass(mixed):
    entries = mixed.ctl("list", "--json", expect=0).json["entries"]
    state = {e["link"] or e["target"]: e["state"] for e in entries}
    assert state[A] == "pending"
    assert state["gone.so"] == "dangling"
    assert state["mine.so"] == state["README"] == "foreign"
    assert state[f"{kit.STORE}/libvsmtp-plugin-ldap-0.9.0.so"] == "not-linked"


def test_no_legend(mixed):
    for verb in ("list", "plan"):
        full = mixed.ctl(verb, expect=0).out.splitlines()
        bare = mixed.ctl(verb, "--no-legend", expect=0).out.splitlines()
        assert len(bare) == len(full) - 1
        assert not any(line.startswith(("NAME", "ACTION")) for line in bare)


# ---- plan and its fingerprint ----


def test_plan_changes_nothing_and_says_what_sync_does(mixed):
    before = mixed.listing()
    planned = mixed.ctl("plan", "--json", expect=0).json
    text = mixed.ctl("plan", expect=0).out
    dry = mixed.ctl("sync", "--dry-run", expect=0).out
    assert mixed.listing() == before
    assert text == dry
    assert re.fullmatch(r"fingerprint [0-9a-f]{16}", text.splitlines()[-1])
    assert text.splitlines()[-1].split()[1] == planned["fingerprint"]
    done = mixed.ctl("sync", "--json", expect=(0, 4)).json
    assert [(c["action"], c["link"]) for c in planned["changes"]] == [
        (c["action"], c["link"]) for c in done["changes"]
    ]
    assert {c["action"] for c in planned["changes"]} == {"create", "remove"}
    assert mixed.ctl("plan", "--json", expect=0).json["changes"] == []


def test_a_plan_that_was_shown_is_done(mixed):
    fingerprint = mixed.ctl("plan", "--json", expect=0).json["fingerprint"]
    mixed.ctl("sync", f"--plan={fingerprint}", expect=(0, 4))
    assert A in mixed.links()


@pytest.mark.parametrize("how", ["plugin", "server", "link", "config"])
def test_a_plan_is_refused_if_the_world_moved(mixed, how):
    fingerprint = mixed.ctl("plan", "--json", expect=0).json["fingerprint"]
    if how == "plugin":
        mixed.plugin("another")
    elif how == "server":
        mixed.server("1.1.0")
    elif how == "link":
        mixed.link("more.so", "/opt/more.so")
    else:
        mixed.config("[Plugind]\nLinkName=x-%n\n")
    links = mixed.links()
    done = mixed.ctl("sync", f"--plan={fingerprint}", expect=1)
    assert "the world has moved" in done.err
    assert "nothing was changed" in done.err
    assert mixed.links() == links


# ---- sync and its exit codes ----


def test_sync_prints_each_change_and_comes_to_rest(mixed):
    out = mixed.ctl("sync", expect=4).out
    assert f"made {kit.LINKS}/{A} -> {kit.STORE}/libvsmtp-plugin-mysql-1.0.0.so\n" in out
    assert f"removed {kit.LINKS}/gone.so" in out
    assert mixed.ctl("sync", expect=0).out == "nothing to change\n"


def test_sync_exit_4_names_the_plugin_that_lost_its_link(tree):
    tree.plugin("mysql")
    tree.ctl("sync", expect=0)
    tree.server("1.1.0")
    head = tree.ctl("status", expect=0).out.splitlines()[0]
    assert "PLUGIN mysql HAS NO LINK: made for vSMTP 1.0.0, the server is 1.1.0" in head
    done = tree.ctl("sync", expect=4)
    assert "plugin mysql has no link: made for vSMTP 1.0.0, the server is 1.1.0" in done.err
    tree.plugin("mysql", "1.1.0")
    tree.ctl("sync", expect=0)
    assert tree.ctl("status", expect=0).out.splitlines()[0].endswith("in sync")


def test_rule_09_sync_exit_1_if_the_version_is_not_known(tree):
    tree.plugin("mysql")
    tree.ctl("sync", expect=0)
    links = tree.links()
    tree.server("1.1.0", manner="nonsense")
    done = tree.ctl("sync", expect=1)
    assert "vSMTP's version is not known" in done.err
    assert "the answer is 1.1.0" in done.err
    assert tree.links() == links
    assert "NOT KNOWN" in tree.ctl("status", expect=0).out.splitlines()[0]


def test_sync_of_an_absent_server_is_0(tree):
    tree.plugin("mysql")
    tree.ctl("sync", expect=0)
    tree.server(None)
    tree.ctl("sync", expect=0)
    assert tree.links() == {}
    assert "vSMTP is not installed" in tree.ctl("status", expect=0).out


def test_sync_refuses_a_links_directory_that_is_a_symlink(tree):
    tree.plugin("mysql")
    tree.links_dir.rename(tree / "etc/vsmtp/elsewhere")
    tree.links_dir.symlink_to("elsewhere")
    done = tree.ctl("sync", expect=1)
    assert "is a symlink, which is refused" in done.err
    assert os.listdir(tree / "etc/vsmtp/elsewhere") == []


def test_start_hook_records_the_set_of_now(tree):
    tree.plugin("mysql")
    run_id = "0123456789abcdef0123456789abcdef"
    tree.ctl(
        "sync",
        "--no-reload",
        "--start-of=vsmtp.service",
        "--time-limit=20s",
        env=kit.environment(INVOCATION_ID=run_id),
        expect=0,
    )
    text = (tree / "run/vsmtp-plugind/loaded-vsmtp.service").read_text()
    assert text.startswith(f"format 1\ninvocation {run_id}\n")
    assert f"\n{A}\t{kit.STORE}/libvsmtp-plugin-mysql-1.0.0.so\t" in text


def test_start_hook_without_an_invocation_records_nothing(tree):
    tree.plugin("mysql")
    done = tree.ctl("sync", "--start-of=vsmtp.service", expect=0)
    assert "INVOCATION_ID" in done.err
    assert A in tree.links()
    assert not (tree / "run/vsmtp-plugind/loaded-vsmtp.service").exists()


def test_time_limit_ends_a_pass_that_hangs(tree):
    """Somebody else keeps the lock for ever."""
    tree.ctl("sync", expect=0)
    with open(tree / "run/vsmtp-plugind/lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = tree.ctl("sync", "--time-limit=200ms", expect=1)
    assert "time limit" in done.err
    tree.ctl("sync", "--time-limit=1min", expect=0)


# ---- reload without a manager ----


def test_reload_without_a_manager(tree):
    tree.plugin("mysql")
    for arguments in (["reload"], ["reload", "--force"]):
        assert "below another root, links only" in tree.ctl(*arguments, expect=0).out
        assert A in tree.links()
    assert not (tree / "run/vsmtp-plugind/asked").exists()


# ---- verify ----


@pytest.fixture
def packages(tmp_path):
    """Files as a packager has them, anywhere."""

    def put(name, **options):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(kit.plugin_bytes(**options))
        return path

    return put


def test_verify_default_is_the_files_own_version(packages):
    good = packages("libvsmtp-plugin-mysql-1.0.0.so")
    b = packages("2.1.0/libvsmtp_plugin_redis.so")
    c = packages("flat.so", note="3.0.0")
    done = ctl_plain("verify", good, b, c, expect=0)
    assert done.out.splitlines() == [
        f"{good}: ok: plugin mysql for vSMTP 1.0.0, layout A",
        f"{b}: ok: plugin redis for vSMTP 2.1.0, layout B",
        f"{c}: ok: plugin flat for vSMTP 3.0.0, layout C",
    ]
    assert "1.0.0" in ctl_plain("verify", good.name, cwd=good.parent, expect=0).out


def test_rule_11_verify_judges_for_the_machine_that_is_named(tmp_path):
    """As for packages that are cross built: nothing of this machine counts."""
    own = tmp_path / "libvsmtp-plugin-own-1.0.0.so"
    other = tmp_path / "libvsmtp-plugin-other-1.0.0.so"
    data = kit.plugin_bytes()
    (machine,) = struct.unpack_from("=H", data, 18)
    names = {62: "x86_64", 183: "aarch64"}
    code = next(number for number in names if number != machine)
    own.write_bytes(data)
    other.write_bytes(data[:18] + struct.pack("=H", code) + data[20:])
    ctl_plain("verify", own, expect=0)
    assert "FAILED wrong-machine" in ctl_plain("verify", other, expect=1).out
    ctl_plain("verify", f"--machine={names[code]}", other, expect=0)
    assert "FAILED wrong-machine" in ctl_plain("verify", "--machine", names[code], own, expect=1).out
    done = ctl_plain("verify", "--machine=vax", own, expect=2)
    assert "--machine=vax is none of aarch64, " in done.err


def test_verify_for_a_version(packages):
    good = packages("libvsmtp-plugin-mysql-1.0.0.so")
    ctl_plain("verify", "--for=1.0.0", good, expect=0)
    done = ctl_plain("verify", good, "--for", "1.1.0", expect=1)
    assert "FAILED version-mismatch: made for vSMTP 1.0.0, the server is 1.1.0; cure: " in done.out


@pytest.mark.parametrize(
    "name, options, gate",
    [
        ("libvsmtp-plugin-a.b-1.0.0.so", {}, "name-not-understood"),
        ("notes.txt", {}, "name-not-understood"),
        ("libvsmtp-plugin-a-1.0.0.so", {"shared": False}, "not-shared-object"),
        ("libvsmtp-plugin-a-1.0.0.so", {"entry": None}, "no-entry-point"),
        ("libvsmtp-plugin-a-1.0.0.so", {"note": "1.1.0"}, "version-conflict"),
    ],
)
def test_verify_names_the_gate(packages, name, options, gate):
    path = packages(name, **options)
    good = packages("libvsmtp-plugin-good-1.0.0.so")
    done = ctl_plain("verify", path, good, expect=1)
    assert f"{path}: FAILED {gate}: " in done.out
    assert f"{good}: ok: " in done.out
    files = ctl_plain("verify", "--json", path, good, expect=1).json["files"]
    assert [(f["ok"], f["gate"]) for f in files] == [(False, gate), (True, None)]


def test_verify_judges_neither_trust_nor_libraries(packages):
    path = packages("libvsmtp-plugin-a-1.0.0.so", needs=("libnowhere.so.9",))
    path.chmod(0o777)
    os.chown(path, NOBODY, NOBODY)
    ctl_plain("verify", path, expect=0)


def test_verify_of_what_is_not_there(tmp_path):
    done = ctl_plain("verify", tmp_path / "libvsmtp-plugin-a-1.0.0.so", expect=1)
    assert "FAILED unreadable" in done.out and "No such file" in done.out
    (tmp_path / "libvsmtp-plugin-b-1.0.0.so").mkdir()
    done = ctl_plain("verify", tmp_path / "libvsmtp-plugin-b-1.0.0.so", expect=1)
    assert "FAILED not-regular" in done.out


# ---- enable, disable, clean ----


def test_rule_10_disable_and_enable(tree):
    tree.plugin("mysql")
    tree.ctl("sync", expect=0)
    out = tree.ctl("disable", "mysql", expect=0).out
    assert f"removed {kit.LINKS}/{A}" in out and "disabled" in out
    tree.ctl("sync", expect=0)
    assert tree.links() == {}
    tree.ctl("disable", "mysql", expect=0)
    tree.ctl("enable", "mysql", expect=0)
    assert A in tree.links()


def test_disable_of_what_is_not_there_is_done_with_a_remark(tree):
    done = tree.ctl("disable", "later", expect=0)
    assert "there is no plugin later now" in done.err
    tree.plugin("later")
    tree.ctl("sync", expect=0)
    assert tree.links() == {}


def test_enable_of_no_name(tree):
    done = tree.ctl("enable", "a/b\n", expect=1)
    assert r"a/b\x0a" in done.err and "no NAME" in done.err


def test_clean_removes_ours_only(mixed):
    mixed.ctl("sync", expect=4)
    out = mixed.ctl("clean", expect=0).out
    assert f"removed {A} (led to " in out
    assert mixed.links() == {"mine.so": "/opt/mine.so", "README": None}
    assert mixed.ctl("clean", expect=0).out == "there is no link of ours\n"


def test_removal_keeps_what_fits(mixed):
    mixed.ctl("sync", expect=4)
    before = mixed.links()
    mixed.link("gone.so", f"{kit.STORE}/libvsmtp-plugin-gone-1.0.0.so")
    new = mixed.plugin("new")
    out = mixed.ctl("clean", "--keep-fitting", expect=0).out
    assert "removed gone.so (led to " in out
    assert mixed.links() == before, "what fits stays, nothing new is made"
    assert "no link has to go" in mixed.ctl("clean", "--keep-fitting", expect=0).out
    mixed.server("1.1.0")
    mixed.plugin("mysql", "1.1.0")
    done = mixed.ctl("--json", "clean", "--keep-fitting", expect=0).json
    assert A not in done["removed"] and mixed.links()[A].endswith("-1.1.0.so")
    assert new not in mixed.links().values()
    mixed.server(None)
    mixed.ctl("clean", "--keep-fitting", expect=0)
    assert mixed.links() == {"mine.so": "/opt/mine.so", "README": None}


def test_clean_warns_if_the_daemon_runs(tree):
    tree.plugin("mysql")
    with tree.daemon() as daemon:
        daemon.wait_links({A})
        done = tree.ctl("clean", expect=0)
        assert f"vsmtp-plugind runs (pid {daemon.pid}) and will put them back" in done.err


# ---- status ----


def test_status_tells_counts_and_the_server(mixed):
    mixed.ctl("sync", expect=4)
    out = mixed.ctl("status", expect=0).out
    assert "vSMTP 1.0.0 (says /usr/sbin/vsmtp)" in out
    assert f"{kit.LINKS}: 2 linked, 4 not linked (" in out
    assert "2 version-mismatch" in out and "1 not-elf" in out and "2 foreign" in out
    assert "no service manager" in out
    facts = mixed.ctl("status", "--json", expect=0).json
    assert facts["links"] == {
        "directory": kit.LINKS,
        "linked": 2,
        "not-linked": 4,
        "foreign": 2,
        "pending": 0,
    }
    assert facts["in-sync"] is True
    assert facts["server"]["version"] == "1.0.0" and facts["server"]["source"] == "program"


def test_status_tells_of_the_daemon(tree):
    assert "does not run" in tree.ctl("status", expect=0).out
    with tree.daemon() as daemon:
        kit.wait_until(
            lambda: f"runs (pid {daemon.pid})" in tree.ctl("status", expect=0).out,
            what="the daemon in status",
        )


def test_status_tells_the_last_reload(tree):
    tree.mkdir("run/vsmtp-plugind")
    tree.put(
        "run/vsmtp-plugind/last-reload",
        "time=2026-01-02T03:04:05Z\nunit=vsmtp.service\naction=restart\nresult=done\nwhy=x added\n",
        0o644,
    )
    assert (
        "Last reload: done, restart of vsmtp.service at 2026-01-02T03:04:05Z: x added"
        in tree.ctl("status", expect=0).out
    )


def test_configuration_mistakes_name_file_line_key_and_what_holds(tree):
    tree.config("[Plugind]\nAction=maybe\nNoSuch=1\nSettleSec=\x1bx\n[Nowhere]\n")
    where = "/etc/vsmtp-plugind/plugind.conf.d/50-test.conf"
    for verb in (["status"], ["list"], ["plan"], ["sync"]):
        done = tree.ctl(*verb, expect=0)
        text = done.out + done.err
        assert f"{where}:2: [Plugind] Action=maybe: bad value; in force is Action=auto; see plugind.conf(5)" in text
        assert f"{where}:3: [Plugind] NoSuch=1: no such key" in text
        assert f"{where}:4: [Plugind] SettleSec=\\x1bx: bad value; in force is" in text
        assert f"{where}:5: " in text and "no such section" in text
    remarks = tree.ctl("status", "--json", expect=0).json["remarks"]
    assert (remarks[0]["line"], remarks[0]["key"], remarks[0]["used"]) == (2, "Action", "auto")


# ---- as an ordinary user ----


def test_looking_works_as_an_ordinary_user_and_writes_nothing(mixed):
    mixed.ctl("sync", expect=4)
    secret = mixed.put(f"{kit.STORE}/libvsmtp-plugin-secret-1.0.0.so", b"x", 0o600)
    before = mixed.listing()
    for args in LOOKING:
        done = as_nobody(mixed, *args, expect=0)
        assert "mysql" in done.out or args == ["plan"] or args == ["status"]
    status = as_nobody(mixed, "status", expect=0).out
    assert "Not seen: the contents of 1 file that this user may not read" in status
    why = as_nobody(mixed, "why", secret.name, expect=0).out
    assert "ask again as root" in why
    assert mixed.listing() == before


@pytest.mark.parametrize("args", [["sync"], ["reload"], ["disable", "mysql"], ["clean"]])
def test_changing_as_an_ordinary_user_fails_clearly(mixed, args):
    mixed.ctl("sync", expect=4)
    before = mixed.listing()
    done = as_nobody(mixed, *args, expect=1)
    assert "Permission denied" in done.err or "not permitted" in done.err
    assert mixed.listing() == before


def test_looking_takes_no_lock(mixed):
    mixed.ctl("sync", expect=4)
    with open(mixed / "run/vsmtp-plugind/lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for args in LOOKING:
            mixed.ctl(*args, expect=0, timeout=30)


# ---- JSON ----


@pytest.mark.parametrize(
    "args, key",
    [
        (["status"], "links"),
        (["list"], "entries"),
        (["plan"], "fingerprint"),
        (["sync"], "changes"),
        (["sync", "--dry-run"], "fingerprint"),
        (["reload"], "changes"),
        (["why", "mysql"], "candidates"),
        (["verify", "/bin/true"], "files"),
        (["disable", "mysql"], "changes"),
        (["enable", "mysql"], "changes"),
        (["clean"], "removed"),
    ],
)
def test_json_is_one_document_with_a_schema(mixed, args, key):
    done = mixed.ctl(*args, "--json", expect=(0, 1, 3, 4))
    assert done.json["schema"] == 1
    assert done.json["verb"] == ("plan" if "--dry-run" in args else args[0])
    assert key in done.json
    assert "\x1b" not in done.out


def test_a_closed_pipe_or_full_disk_is_no_success(tree):
    tree.plugin("mysql")
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [str(a) for a in ctl_argv(tree, "list")],
            stdout=full,
            stderr=subprocess.PIPE,
            env=kit.environment(),
        )
    assert done.returncode == 1
    assert b"No space left" in done.stderr


# ---- what foreign bytes may do to a terminal: nothing ----


def test_hostile_names_are_escaped_in_every_output(mixed):
    long = b"libvsmtp-plugin-" + b"n" * (255 - 16 - 9) + b"-1.0.0.so"
    mixed.put(os.fsdecode(kit.STORE.encode() + b"/" + long), b"x")
    mixed.link("odd\x1b]0;title\x07.so", "/opt/x\n.so")
    mixed.link(
        "ours\x1b[2J.so", f"{kit.STORE}/libvsmtp-plugin-\x1bcgone-1.0.0.so"
    )
    listed = mixed.ctl("list", expect=0).out
    assert HOSTILE_SHOWN in listed and r"odd\x1b]0;title\x07.so" in listed
    assert long.decode() in listed
    assert len(listed.splitlines()) == 1 + 7 + 5  # heading, candidates, entries
    why = mixed.ctl("why", os.fsdecode(HOSTILE), expect=0).out
    assert HOSTILE_SHOWN in why
    outputs = [listed, why]
    for args in (
        ["status"],
        ["plan"],
        ["why", "odd\x1b]0;title\x07.so"],
        ["why", "no\x1b[31m\nsuch"],
        ["verify", mixed.store / os.fsdecode(HOSTILE)],
        ["sync"],
        ["status"],
        ["clean"],
    ):
        for more in ([], ["--json"]):
            done = mixed.ctl(*args, *more, expect=(0, 1, 4))
            outputs += [done.out, done.err]
            if more and done.code != 1:
                json.loads(done.out)
    for text in outputs:
        text.encode()  # no surrogates: valid UTF-8 only
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", text), text


# ---- on a terminal ----


def test_colour_only_on_a_terminal_and_without_no_color(mixed):
    mixed.ctl("sync", expect=4)
    for verb in (["status"], ["list"], ["plan"], ["why", "mysql"]):
        argv = ctl_argv(mixed, *verb)
        assert "\x1b[" in on_terminal(argv, 120)
        assert "\x1b" not in on_terminal(argv, 120, NO_COLOR="1")
        assert "\x1b[" in on_terminal(argv, 120, NO_COLOR="")
        assert "\x1b" not in mixed.ctl(*verb, expect=0).out


@pytest.mark.parametrize("columns", [80, 120])
def test_a_terminal_is_never_overrun(mixed, columns):
    """Only a single word (a path) may be longer than a line; no cell is cut."""
    mixed.ctl("sync", expect=4)
    for verb in (["status"], ["list"], ["plan"], ["why", "mysql"]):
        out = on_terminal(ctl_argv(mixed, *verb), columns, NO_COLOR="1")
        for line in out.splitlines():
            assert len(line) <= columns or " " not in line.strip(), line
        assert "made for vSMTP 1.1.0" in out or verb in (["status"], ["plan"])
    listed = on_terminal(ctl_argv(mixed, "list"), columns, NO_COLOR="1")
    assert f"{kit.STORE}/libvsmtp-plugin-mysql-1.0.0.so\n" in listed


def test_a_wide_terminal_gets_one_line_each(mixed):
    mixed.ctl("sync", expect=4)
    wide = on_terminal(ctl_argv(mixed, "list"), 400, NO_COLOR="1")
    assert wide == mixed.ctl("list", expect=0).out


def test_interrupted_output_leaves_nothing_behind(tree):
    """SIGPIPE and SIGINT at any time: the next pass sees to the rest."""
    tree.plugin("mysql")
    process = subprocess.Popen(
        [str(a) for a in ctl_argv(tree, "sync")],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=kit.environment(),
    )
    process.stdout.close()
    assert process.wait(30) in (0, -signal.SIGPIPE)
    tree.ctl("sync", expect=0)
    assert set(tree.links()) == {A}


def test_names_that_the_locale_cannot_show(tree):
    tree.link("z\u00fc\u65e5\u672c.so", "/opt/\x07x")
    done = tree.ctl("list", env=kit.environment(LC_ALL="C"), timeout=10, expect=0)
    assert "z\u00fc\u65e5\u672c.so" in done.out
    assert "/opt/\\x07x" in done.out


def words_of(value, keys):
    """Every text below one of these keys."""
    if isinstance(value, dict):
        for key, inside in value.items():
            yield from [inside] if key in keys and isinstance(inside, str) else words_of(inside, keys)
    elif isinstance(value, list):
        for inside in value:
            yield from words_of(inside, keys)


def test_people_and_programs_are_told_the_same(mixed):
    """One document, rendered twice: what is a sentence or a name in JSON stands in the text as well."""
    columns = {"name", "version", "link", "target", "reason", "text", "action"}
    for argv, part, keys in [
        (["status"], None, {"summary", "text"}),
        (["list"], "entries", columns),
        (["plan"], "changes", columns),
        (["why", "mysql"], "candidates", {"path", "code", "values", "cure", "build-id"}),
        (["why", "broken"], "candidates", {"path", "code", "values", "cure", "build-id"}),
    ]:
        answer = mixed.ctl(*argv, "--json").json
        told = mixed.ctl(*argv).out
        words = list(words_of(answer if part is None else answer[part], keys))
        assert len(words) > 2, argv
        for word in words:
            assert word in told, argv
