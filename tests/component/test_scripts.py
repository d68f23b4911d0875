# SPDX-License-Identifier: LGPL-2.1-or-later
"""scripts/deps before an apt that only seems to be there: what it says, and what it does not."""

import pytest

import kit

DEPS = kit.SOURCE / "scripts/deps"
TOOLS = {
    "dpkg-query": "exit 1",
    "apt-cache": "echo '  Candidate: 1'",
    "apt-get": """
        echo "$*" >>"$CALLS"
        echo Reading package lists
        case " $* " in
        *" -s "*) printf 'Inst one (1)\\nInst two (1)\\nConf one (1)\\n' ;;
        *" install "*) echo Unpacking; echo to-stderr >&2; exit "$CODE" ;;
        esac""",
    "dpkg-checkbuilddeps": "echo 'dpkg-checkbuilddeps: error: unmet build dependencies: libthis libthat' >&2; exit 1",
    "id": 'echo "$ID"',
}


def deps(where, group, code=0, user=0):
    for name, text in TOOLS.items():
        (where / name).write_text(f"#!/bin/sh\n{text}\n")
        (where / name).chmod(0o755)
    env = kit.environment(CODE=code, ID=user, CALLS=where / "calls", KIT_DEPS_LOG=where / "log")
    env["PATH"] = f"{where}:{env['PATH']}"
    return kit.run(DEPS, group, env=env)


@pytest.mark.parametrize("group", ["build", "quick", "test", "deb", "rpm"])
def test_what_is_installed_takes_one_line(tmp_path, group):
    done = deps(tmp_path, group)
    assert done.code == 0 and done.out == "", done
    assert done.err == f"scripts/deps: installing 2 packages, log in {tmp_path / 'log'}\n"
    assert "Unpacking\nto-stderr\n" in (tmp_path / "log").read_text()


def test_a_failure_is_shown(tmp_path):
    done = deps(tmp_path, "build", code=100)
    assert done.code == 1 and done.err.endswith("Unpacking\nto-stderr\n"), done


@pytest.mark.parametrize("group, named", [("build", "meson"), ("deb", "libthis libthat"), ("rpm", "rpm")])
def test_an_ordinary_user_is_told_what_to_install(tmp_path, group, named):
    done = deps(tmp_path, group, user=1000)
    assert done.code == 1 and not (tmp_path / "calls").exists()
    assert done.err.startswith("scripts/deps: not root; please install: ") and f" {named}" in done.err, done


def test_quick_tests_need_few_packages(tmp_path):
    asked = {}
    for group in ("quick", "test"):
        (tmp_path / group).mkdir()
        deps(tmp_path / group, group)
        (line,) = [x for x in (tmp_path / group / "calls").read_text().splitlines() if " install " in x and " -s " not in x]
        asked[group] = set(line.split(" install ")[1].split())
    assert asked["quick"] < asked["test"]
    assert not {"debhelper", "lintian", "mmdebstrap", "systemd", "rpm", "clang-14"} & asked["quick"]
    assert "needed=quick" in (kit.SOURCE / "scripts/test").read_text()
