# SPDX-License-Identifier: LGPL-2.1-or-later
"""What bash, zsh and fish offer is what the program takes. The shells are real, and find the completion
where meson installs it."""

import os
import re
import select
import shutil
import subprocess

import pytest

import kit

CTL = "vsmtp-pluginctl"


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A destination directory with all that meson installs."""
    where = tmp_path_factory.mktemp("installed")
    kit.run("meson", "install", "-C", kit.BUILD, "--no-rebuild", "--quiet", "--destdir", where, expect=0)
    return where


def environment(installed):
    """The program as built is in the path, and its completion where the system's would be."""
    env = kit.environment(HOME=installed, TERM="dumb", XDG_DATA_DIRS=f"{installed}/usr/share")
    env["PATH"] = f"{kit.program(CTL).parent}:{env['PATH']}"
    return env


def bash(installed, line, cwd):
    """bash-completion's own loader finds the function; bash cuts words at "=" as well."""
    words = [w for w in re.split(r"(=)|\s+", line) if w] + [""] * line.endswith(("=", " "))
    script = f"""
        . /usr/share/bash-completion/bash_completion
        loader=$(complete -p -D); loader=${{loader##*-F }}
        ${{loader%% *}} {CTL}
        how=$(complete -p {CTL}); how=${{how##*-F }}
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
        ${{how%% *}} {CTL} "${{COMP_WORDS[-1]}}" "${{COMP_WORDS[-2]}}"
        printf '%s\\n' "${{COMPREPLY[@]-}}"
    """
    return kit.run("bash", "-c", script, "bash", *words, env=environment(installed), cwd=cwd).out.split("\n")[:-1]


def fish(installed, line, cwd):
    done = kit.run("fish", "-c", 'complete -C "$argv"', line, env=environment(installed), cwd=cwd, expect=0)
    return [row.split("\t")[0] for row in done.out.splitlines()]


# All that is offered goes through compadd; with -O, -A or -D it only filters. -u: who owns the tree is
# not asked.
ZSHRC = r"""
PROMPT= RPROMPT=; unsetopt zle_bracketed_paste beep
fpath=($DESTDIR$^fpath(N) $fpath)
autoload -Uz compinit && compinit -u -D
compadd() {
    local -a hits
    [[ -n ${argv[(r)-[OAD]]} ]] || { builtin compadd -A hits "$@"; print -rl -- $hits >>$ZDOTDIR/offered }
    builtin compadd "$@"
}
show-offered() { zle complete-word; : >$ZDOTDIR/finished }
zle -N show-offered
bindkey '^I' show-offered
"""


class Zsh:
    """An interactive one on a terminal: its completion works nowhere else."""

    def __init__(self, installed):
        self.home = kit.scratch() / "zsh"
        self.home.mkdir()
        (self.home / ".zshrc").write_text(ZSHRC)
        env = dict(environment(installed), ZDOTDIR=str(self.home), DESTDIR=str(installed))
        self.terminal, its = os.openpty()
        self.shell = subprocess.Popen(
            ["zsh", "-d", "-i"], stdin=its, stdout=its, stderr=its, env=env, start_new_session=True
        )
        os.close(its)

    def __call__(self, installed, line, cwd):
        for name in ("offered", "finished"):
            (self.home / name).unlink(missing_ok=True)
        os.write(self.terminal, f"\x15cd {cwd}\n{line}\t".encode())  # ^U: what the last one left
        kit.wait_until(self.finished, what="zsh's completion")
        offered = self.home / "offered"
        return offered.read_text().split("\n") if offered.exists() else []

    def finished(self):
        while select.select([self.terminal], [], [], 0)[0]:
            os.read(self.terminal, 4096)
        return (self.home / "finished").exists()

    def close(self):
        self.shell.kill()
        self.shell.wait()
        os.close(self.terminal)
        shutil.rmtree(self.home)


@pytest.fixture(scope="module", params=["bash", "zsh", "fish"])
def shell(request, installed):
    if not shutil.which(request.param):
        pytest.skip(f"no {request.param} here")
    if request.param == "zsh":
        zsh = Zsh(installed)
        yield zsh
        zsh.close()
    else:
        yield {"bash": bash, "fish": fish}[request.param]


@pytest.fixture
def offered(shell, installed, tmp_path):
    """offered(LINE): what the shell offers behind it, in a directory that has one file."""
    where = tmp_path / "work"
    where.mkdir()
    (where / "a-file").touch()
    return lambda line: sorted({re.sub(r"=$", "", row) for row in shell(installed, line, where)} - {""})


def table():
    """{verb: its arguments}, {option: its argument}: what --help tells."""
    text = kit.run(kit.program(CTL), "--help", expect=0).out
    verbs = re.findall(r"^  ([a-z][a-z-]*) ([A-Z|.]*)", text, re.M)
    options = re.findall(r"^  (--[a-z-]+)=?([A-Z]*)", text, re.M)
    assert len(verbs) >= 10 and len(options) >= 17
    return dict(verbs), dict(options)


VALUES = {"FINGERPRINT": "0" * 16, "VERSION": "1.0.0", "UNIT": "x.service", "CPU": "arm", "SPAN": "5s", "DIR": "/nonexistent",
          "WORD": "healthy"}


def taken_by(verb):
    """The options that the program does not refuse beside that verb."""
    verbs, options = table()
    arguments = ["x"] if verbs[verb] else []
    taken = []
    for option, value in options.items():
        given = f"{option}={VALUES[value]}" if value else option
        done = kit.run(kit.program(CTL), verb, given, "--root=/nonexistent", *arguments, expect=(0, 1, 2))
        if "does not take" not in done.err:
            taken.append(option)
    return sorted(taken)


def test_completion_offers_the_verbs_then_what_each_takes(offered):
    verbs, _ = table()
    assert offered(f"{CTL} ") == sorted(verbs)
    takers = {verb: taken_by(verb) for verb in verbs}
    of_all = set.intersection(*(set(taken) for taken in takers.values()))
    assert set(offered(f"{CTL} --")) == of_all
    for verb, taken in takers.items():
        assert offered(f"{CTL} {verb} --") == taken, verb


def test_completion_offers_plugins(offered, tree):
    tree.plugin("mysql", "1.0.0")
    for version in ("1.0.0", "1.1.0"):
        tree.plugin("csv", version)
    tree.link("own.so", "/opt/x.so")
    root = f"--root={tree.path}"
    for verb, arguments in table()[0].items():
        names = ["csv", "mysql"] if "NAME" in arguments else []
        files = ["a-file"] if "FILE" in arguments else []
        assert offered(f"{CTL} {root} {verb} ") == sorted(names + files), verb
    assert offered(f"{CTL} {root} disable m") == ["mysql"]


def test_completion_offers_directories_for_a_root(offered, tmp_path):
    (tmp_path / "trees" / "image").mkdir(parents=True)
    (tmp_path / "trees" / "file").touch()
    found = offered(f"{CTL} --root={tmp_path}/trees/")
    assert [re.sub(r".*[/=](?=.)", "", row.rstrip("/")) for row in found] == ["image"]


def test_completion_is_silent_if_the_program_fails(offered, tmp_path):
    assert offered(f"{CTL} --root=/nonexistent disable ") == []
