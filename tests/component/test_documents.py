# SPDX-License-Identifier: LGPL-2.1-or-later
"""The documents say what the code says: keys, gates, exit codes, verbs, options, modules, paths."""

import re
import shutil
import subprocess

import pytest

import kit

TOP = kit.SOURCE
PAGES = {name: TOP / "man" / name for name in ("plugind.conf.5", "vsmtp-pluginctl.1", "vsmtp-plugind.8")}
BOOKS = ["README.md", "ARCHITECTURE.md", "HACKING.md", "SECURITY.md"]
RULES = [*range(1, 20)]


def source(path):
    return (TOP / path).read_text()


def page(name):
    """The source of a manual page; `\\-` and such are not used in them."""
    return PAGES[name].read_text()


def section(name, title, level="Sh"):
    """The part of a page below one .Sh or .Ss, without the title's line."""
    found = re.search(rf"^\.{level} {re.escape(title)}\n(.*?)(?=^\.S[hs] |\Z)", page(name), re.M | re.S)
    assert found, f"{name}: no .{level} {title}"
    return found[1]


def has_word(text, word):
    return re.search(rf"(?<![A-Za-z0-9-]){re.escape(word)}(?![A-Za-z0-9-])", text)


def tracked_files():
    """What belongs to the sources, also where they are no git tree."""
    try:
        listed = subprocess.run(
            ["git", "-C", TOP, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            capture_output=True,
        )
    except FileNotFoundError:  # no git either
        listed = subprocess.CompletedProcess([], 1)
    if listed.returncode == 0:
        names = [n.decode(errors="surrogateescape") for n in listed.stdout.split(b"\0") if n]
    else:
        names = [
            str(p.relative_to(TOP))
            for p in TOP.rglob("*")
            if not re.match(r"build|\.git/", str(p.relative_to(TOP)))
            and not {"__pycache__", ".pytest_cache"} & set(p.parts)
        ]
    return [TOP / n for n in names if (TOP / n).is_file()]


# ---- plugind.conf(5) ----


def keys_of_the_code():
    """{(section, key): default} of the table in core/config.c."""
    text = source("src/core/config.c")
    words = dict(re.findall(r'#define (SECTION_\w+) "(\w+)"', text))
    items = re.findall(r'\{(SECTION_\w+), "(\w+)", "([^"]*)"', text)
    assert len(items) > 10, "the table of keys has another form: adapt this test"
    return {(words[s], key): default for s, key, default in items}


def keys_of_the_manual():
    found = {}
    for title, name in (("THE [Plugind] SECTION", "Plugind"), ("THE [Plugin NAME] SECTIONS", "Plugin")):
        for entry in re.split(r"^\.It ", section("plugind.conf.5", title), flags=re.M)[1:]:
            key = re.match(r"Cm (\w+)=", entry)
            default = re.search(r"^Default:(?: (empty)\.|\n\.Cm (\S+) \.)$", entry, re.M)
            assert key and default, f"plugind.conf.5: not understood: {entry}"
            found[name, key[1]] = default[2] or ""
    return found


def test_every_key_of_the_configuration_has_its_entry_and_default():
    assert keys_of_the_manual() == keys_of_the_code()


def test_the_configuration_directories_are_named():
    directories = re.findall(r'"(/[a-z/]+/vsmtp-plugind)"', source("src/sys/conf.c"))
    assert len(directories) == 2
    synopsis = section("plugind.conf.5", "SYNOPSIS")
    assert re.findall(r"\.Pa (/\S+)/plugind\.conf$", synopsis, re.M) == directories
    assert re.findall(r"\.Pa (/\S+)/plugind\.conf\.d/", synopsis, re.M) == directories


# ---- vsmtp-pluginctl(1) ----


def gates_of_the_code():
    """Codes in the order in which they are tried."""
    enum = re.search(r"enum gate \{(.*?)\}", source("src/core/gate.h"), re.S)[1]
    order = re.findall(r"\b(GATE_\w+)", enum)
    rows = source("src/core/gate.c") + source("src/core/gate_file.c")
    codes = dict(re.findall(r'\[(GATE_\w+)\] = \{"([a-z-]+)"', rows))
    return [codes[g] for g in order if g not in ("GATE_LINKED", "GATE_MAX")]


def test_every_gate_is_in_the_manual_in_order():
    found = re.findall(r"^\.It Cm (\S+)$", section("vsmtp-pluginctl.1", "Gates", "Ss"), re.M)
    assert found == gates_of_the_code()


def test_every_exit_code_is_in_the_manual():
    enum = re.search(r"enum ctl_exit \{(.*?)\}", source("src/prog/ctl.h"), re.S)[1]
    codes = re.findall(r"= (\d+)", enum)
    assert len(codes) == 6
    assert re.findall(r"^\.It (\d+)$", section("vsmtp-pluginctl.1", "EXIT STATUS"), re.M) == codes
    restart = re.search(r"MANAGER_EXIT_NEW_DIRECTORY (\d+)", source("src/prog/manager.h"))[1]
    daemon = re.findall(r"^\.It (\d+)$", section("vsmtp-plugind.8", "EXIT STATUS"), re.M)
    assert daemon == ["0", "1", "2", restart]


def help_of(program):
    return kit.run(kit.program(program), "--help", expect=0).out


def test_every_verb_is_in_the_manual_in_order():
    verbs = re.search(r"^Verbs:\n(.*?)\n\n", help_of("vsmtp-pluginctl"), re.M | re.S)[1]
    told = re.findall(r"^  ([a-z]+)", verbs, re.M)
    assert len(told) >= 10
    assert re.findall(r"^\.It Cm (\w+)", section("vsmtp-pluginctl.1", "Verbs", "Ss"), re.M) == told


def test_the_manual_says_of_every_verb_what_it_writes():
    for entry in re.split(r"^\.It ", section("vsmtp-pluginctl.1", "Verbs", "Ss"), flags=re.M)[1:]:
        assert re.search(r"^Writes:\s+\S", entry, re.M), entry.splitlines()[0]


@pytest.mark.parametrize(
    "program, name, title, level",
    [
        ("vsmtp-pluginctl", "vsmtp-pluginctl.1", "Options", "Ss"),
        ("vsmtp-plugind", "vsmtp-plugind.8", "DESCRIPTION", "Sh"),
    ],
)
def test_every_option_is_in_the_manual(program, name, title, level):
    told = set(re.findall(r"^ .*?--([a-z-]+)(?:=[A-Z]+)? ", help_of(program), re.M))
    assert "root" in told and "version" in told
    found = re.findall(r"^\.It Fl -([a-z-]+)", section(name, title, level), re.M)
    assert len(found) == len(set(found))
    assert set(found) == told


def test_every_state_of_list_is_in_the_manual():
    table = re.search(r"states\[STATE_MAX\] = \{(.*?)\};", source("src/prog/verbs_list.c"), re.S)[1]
    states = re.findall(r'"([a-z-]+)"', table)
    assert len(states) == 6
    text = section("vsmtp-pluginctl.1", "States of list", "Ss")
    assert [s for s in states if not has_word(text, s)] == []


def keys_in(value):
    if isinstance(value, dict):
        return set(value) | set().union(*(keys_in(v) for v in value.values()))
    if isinstance(value, list):
        return set().union(*(keys_in(v) for v in value))
    return set()


def test_every_json_key_is_in_the_manual(tree):
    tree.plugin("mysql", "1.0.0")
    ldap = tree.plugin("ldap", "9.9.9")
    tree.link("own.so", "/opt/vsmtp/libvsmtp-plugin-own-1.0.0.so")
    tree.link("one.so", f"{kit.STORE}/libvsmtp-plugin-mysql-1.0.0.so")
    tree.link("two.so", f"{kit.STORE}/libvsmtp-plugin-mysql-1.0.0.so")
    tree.config("[Plugind]\nNonsense=1\n[Plugin gone]\nEnabled=yes\n")
    text = section("vsmtp-pluginctl.1", "JSON", "Ss")
    calls = (["status"], ["list"], ["plan"], ["sync"], ["why", "mysql"], ["why", "own.so"], ["why", "nobody"])
    calls += (["reload"], ["disable", "mysql"], ["enable", "mysql"], ["clean"])
    calls += (["verify", str(tree / ldap)],)
    for call in calls:
        done = kit.run(
            kit.program("vsmtp-pluginctl"), f"--root={tree.path}", "--ask-program", "--json", *call
        )
        assert done.json["schema"] == 1 and done.json["verb"] == call[0]
        assert [k for k in sorted(keys_in(done.json)) if not has_word(text, k)] == [], call


# ---- vsmtp-plugind(8) ----


def test_state_files_and_message_ids_are_in_the_manual():
    files = re.findall(r'#define STATE_FILE_\w+ "([\w.-]+)"', source("src/sys/state.h"))
    state = source("src/sys/state.c")
    files += re.findall(r'openat\(dir, "([\w-]+)"', state)
    files += re.findall(r'#define \w+ STATE_\w+_DIR "/([\w-]+)"', state)
    for name in ("record", "asked", "answer"):
        text = source(f"src/sys/{name}.c")
        files += re.findall(r'#define \w+ STATE_\w+_DIR "/([\w-]+)"', text)
        files += re.findall(r'#define FILE_\w+ "([\w-]+)"', text)
        files += [f"{what}-UNIT" for what in re.findall(r'#define FILE_\w+ "(\w+)-%s"', text)]
    assert len(set(files)) >= 13
    text = section("vsmtp-plugind.8", "FILES")
    found = set(re.findall(r"^\.It Pa /(?:run|var/lib)/vsmtp-plugind/(\S+)$", text, re.M))
    assert found == set(files)
    ids = re.findall(r'#define LOG_ID_\w+ "(\w{32})"', source("src/prog/log.h"))
    assert ids and [i for i in ids if i not in section("vsmtp-plugind.8", "DIAGNOSTICS")] == []


def test_units_are_in_the_manual():
    units = [p.name.removesuffix(".in") for p in (TOP / "systemd").rglob("*.in")]
    assert units and [u for u in units if u not in page("vsmtp-plugind.8")] == []
    directories = set(re.findall(r"^d (\S+) ", source("tmpfiles.d/vsmtp-plugind.conf"), re.M))
    assert directories == {f"/run/vsmtp-plugind{d}" for d in ("", "/asked")} | {"/var/lib/vsmtp-plugind"}


@pytest.mark.parametrize("name", PAGES)
def test_manuals_are_clean(name):
    if not shutil.which("mandoc"):
        pytest.skip("mandoc is not installed")
    done = kit.run("mandoc", "-T", "lint", "-W", "warning", PAGES[name])
    assert done.code == 0 and done.out == "", done
    assert kit.run("mandoc", "-T", "utf8", PAGES[name]).out


def test_all_manuals_are_installed():
    told = set(re.findall(r"'([\w.-]+\.[158])'", source("man/meson.build")))
    assert told == set(PAGES) == {p.name for p in (TOP / "man").iterdir()} - {"meson.build"}


# ---- the books ----


def test_architecture_names_every_module():
    text = source("ARCHITECTURE.md")
    for layer in ("base", "core", "sys", "prog"):
        part = re.search(rf"^### `src/{layer}`.*?\n(.*?)(?=^##)", text, re.M | re.S)[1]
        cells = [line.split("|")[1] for line in part.splitlines() if line.startswith("| `")]
        named = [re.sub(r"\.[ch]$", "", n) for cell in cells for n in re.findall(r"`([\w.]+)`", cell)]
        assert len(named) == len(set(named))
        there = {p.stem for p in (TOP / "src" / layer).iterdir() if p.suffix in (".c", ".h")}
        assert set(named) == there, f"src/{layer}"


def test_architecture_has_a_row_for_every_rule():
    rows = source("ARCHITECTURE.md").split("## To change a rule")[1]
    assert [int(n) for n in re.findall(r"^\| (\d+) \|", rows, re.M)] == RULES


@pytest.mark.parametrize("book", ["ARCHITECTURE.md", "SECURITY.md"])
def test_the_tests_that_a_book_names_exist(book):
    text = source(book)
    code = "".join(p.read_text() for p in (TOP / "tests").rglob("*") if p.suffix in (".c", ".py"))
    there = set(re.findall(r"(?:def|void) (test_\w+)\(", code))
    there |= {p.stem for p in (TOP / "tests").rglob("test_*.py")}
    named = set(re.findall(r"`(test_\w+)(?:\.py)?`", text)) - {"test_rule_07_"}
    assert len(named) > 10
    assert sorted(named - there) == []
    cases = re.findall(r"`(rule-[\w-]+\.case)`", text)
    assert (cases or book == "SECURITY.md") and [c for c in cases if not (TOP / "tests/golden" / c).exists()] == []


@pytest.mark.parametrize("book", BOOKS)
def test_no_path_in_a_book_is_dead(book):
    text = source(book)
    paths = set(re.findall(r"\]\(([^)#:]+)\)", text))
    folders = r"(?:scripts|man|src|tests|systemd|tmpfiles\.d|completions)"
    paths |= set(re.findall(rf"(?<![\w/.-]){folders}/[\w./-]*\w", text))
    paths |= set(re.findall(r"`([A-Z]+\.md|NEWS|LICENSE|build-dev\.ini|\.clang-\w+|meson\.build)`", text))
    known = [p for p in paths if not re.search(r"NN|-X\b", p)]  # not the names of what is to be made
    assert known or book == "SECURITY.md"
    assert sorted(p for p in known if not (TOP / p).exists()) == []


def test_readme_shows_options_that_exist():
    for script in ("run", "test"):
        for option in re.findall(rf"scripts/{script} .*?(--[a-z-]+)", source("README.md")):
            assert option in source(f"scripts/{script}")
    for verb in re.findall(r"vsmtp-pluginctl ([a-z]+)\b", source("README.md")):
        assert f'{{"{verb}", ' in source("src/prog/verbs.c"), verb


def test_readme_s_steps_work_in_any_order():
    """A directory that was set up with other options keeps them: by hand there is one of its own."""
    hand = source("README.md").split("## Building and installing by hand")[1].split("\n## ")[0]
    (place,) = re.findall(r"meson setup (\S+)", hand)
    assert set(re.findall(r"-C (\S+)", hand)) == {place}
    for path in [TOP / "HACKING.md", *(p for p in (TOP / "scripts").iterdir() if p.is_file())]:
        assert not has_word(path.read_text(), place), path
    assert re.search(r"^build=\$top/build-run\b", source("scripts/run"), re.M)
    assert "build-run" not in source("README.md") + source("HACKING.md") + source("scripts/test")


def test_the_version_is_the_same_everywhere():
    version = re.search(r"version: '([\d.]+)'", source("meson.build"))[1]
    assert source("NEWS").startswith(f"vsmtp-plugind {version}\n")
    assert has_word(source("README.md").split("## Status")[1], f"{version}")
    for program in ("vsmtp-plugind", "vsmtp-pluginctl", "vsmtp-plugin-reload"):
        assert kit.run(kit.program(program), "--version", expect=0).out == f"{program} {version}\n"


def test_no_file_names_hosts_or_places_of_a_workshop():
    # Put together here, so that this file does not hold them.
    hosts = ["deb.deb" + "ian.org", "security.deb" + "ian.org", "pypi." + "org", "crates." + "io"]
    hosts += ["pythonhosted." + "org", "registry.npmjs." + "org", "proxy.golang." + "org"]
    place = r"(?<![\w.$}/*-])/wo" + r"rk(?=[/\s\"'`),;:]|$)"
    bad = re.compile("|".join([*map(re.escape, hosts), place]), re.M)
    found = []
    for path in tracked_files():
        text = path.read_bytes().decode("utf-8", "replace")
        for hit in bad.finditer(text):
            line = text.count("\n", 0, hit.start()) + 1
            found.append(f"{path.relative_to(TOP)}:{line}: {hit[0]}")
    assert found == []
