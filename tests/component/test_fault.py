# SPDX-License-Identifier: LGPL-2.1-or-later
"""Ring 3: killed after each changing system call; each system call failing once. Afterwards no link
leads to a wrong version, nothing foreign is harmed, and the next pass heals."""

import os
import subprocess

import pytest

import kit
import world
from world import file_of, link_of

pytestmark = [
    pytest.mark.skipif(not world.can_strace(), reason="strace cannot trace here"),
]
# Of so many calls of one kind (a process that is sanitized starts slowly).
SAMPLES = 8 if kit.is_sanitized() else 24
FOREIGN = {"mine.so": "/opt/mine.so", ".vsmtp-plugind-foreig": "/opt/mine.so", "README": None}


def make_world(tree):
    """A pass from here creates, replaces, removes, renames, sweeps, and writes the record."""
    for name in ("a", "b", "c", "old"):
        tree.plugin(name, "1.0.0")
    tree.ctl("sync", expect=0)
    tree.link("mine.so", "/opt/mine.so")
    tree.link(".vsmtp-plugind-foreig", "/opt/mine.so")
    (tree.links_dir / "README").write_text("by hand")
    for name in ("a", "b", "new"):
        tree.plugin(name, "1.1.0")
    tree.link("custom.so", file_of("new", "1.0.0"))
    (tree / file_of("c")).unlink()
    tree.link(".vsmtp-plugind-abcdef", file_of("a"))
    tree.links_dir.chmod(0o775)
    tree.server("1.1.0")


def snapshot_of(tree):
    """Remembers the changing parts of a tree; put_back() makes them as they were."""
    subprocess.run(
        ["tar", "-C", tree.path, "-cf", tree.path.parent / "saved.tar", "etc", "run", "var"],
        check=True,
    )


def put_back(tree):
    subprocess.run(["sh", "-ec", "rm -rf etc run var; exec tar -xpf ../saved.tar"], cwd=tree.path, check=True)


FINAL = {
    link_of("a"): file_of("a", "1.1.0"),
    link_of("b"): file_of("b", "1.1.0"),
    "custom.so": file_of("new", "1.1.0"),
    **FOREIGN,
}
BEFORE = {
    **{link_of(n): file_of(n) for n in ("a", "b", "c", "old")},
    "custom.so": file_of("new"),
    ".vsmtp-plugind-abcdef": file_of("a"),
}


def nothing_is_harmed(tree, done, read_failed=False):
    """Every entry is as it was, or as it is to be, or a temporary name that the next pass sweeps.
    What is only retargeted is never missing, unless its new file could not be read."""
    links = tree.links()
    for name, text in FOREIGN.items():
        assert name in links and links[name] == text, (name, done)
    assert (tree.links_dir / "README").read_text() == "by hand"
    for name, text in links.items():
        if name.startswith(world.TEMPORARY) and name not in FOREIGN:
            assert text.startswith(kit.STORE), (name, done)
        else:
            assert text in (BEFORE.get(name, 0), FINAL.get(name, 0)), (name, text, done)
    for name in (link_of("a"), link_of("b"), "custom.so"):
        assert name in links or read_failed, (name, done)


def heals(tree, done):
    again = tree.ctl("sync")
    assert again.code in (0, 4), (again, done)
    assert tree.links() == FINAL, done
    assert world.due(tree) == [], done
    record = (tree / "var/lib/vsmtp-plugind/names").read_text()
    assert "new\tfound\tcustom.so" in record, (record, done)


def calls_of(tree, where, call, phase=0):
    """Their numbers, evenly spread; another phase takes others."""
    put_back(tree)
    done, numbers = world.count_calls(world.ctl_argv(tree, "sync"), where, call, tree)
    assert done.code == 4 and tree.links() == FINAL, done
    step = -(-len(numbers) // SAMPLES) or 1
    return numbers[phase % step :: step]


KILLS = ["symlinkat", "renameat", "renameat2", "unlinkat", "fsync", "write", "fchmod", "openat"]
READING = ("read", "pread64", "readlink", "getdents64", "openat", "fstat", "newfstatat", "fcntl", "brk", "poll")
FAILURES = [
    ("symlinkat", "ENOSPC"),
    ("symlinkat", "EROFS"),
    ("symlinkat", "EDQUOT"),
    ("renameat2", "EIO"),
    ("renameat", "EIO"),
    ("renameat2", "ENOSPC"),
    ("renameat", "ENOSPC"),
    ("renameat2", "EROFS"),
    ("unlinkat", "EIO"),
    ("unlinkat", "EACCES"),
    ("fsync", "EIO"),
    ("fchmod", "EPERM"),
    ("write", "ENOSPC"),
    ("write", "EINTR"),
    ("flock", "EINTR"),
    ("flock", "ENOLCK"),
    ("getrandom", "EINTR"),
    ("readlinkat", "EIO"),
    ("readlinkat", "ENOMEM"),
    ("getdents64", "EIO"),
    ("getdents64", "ENOMEM"),
    ("pread64", "EIO"),
    ("pread64", "EINTR"),
    ("read", "EIO"),
    ("read", "EINTR"),
    ("openat", "EMFILE"),
    ("openat", "ENFILE"),
    ("openat", "EACCES"),
    ("openat", "ENOMEM"),
    ("openat2", "EMFILE"),
    ("openat2", "EIO"),
    ("openat2", "ENOMEM"),
    ("newfstatat", "EIO"),
    ("newfstatat", "EACCES"),
    ("fstat", "EIO"),
    ("fcntl", "EAGAIN"),
    ("fcntl", "EINVAL"),
    ("pipe2", "EMFILE"),
    ("vfork", "EAGAIN"),
    ("clone3", "EAGAIN"),
    ("clone", "EAGAIN"),
    ("poll", "EINTR"),
    ("ppoll", "EINTR"),
]
QUICK_KILLS = ["renameat2"]
QUICK_FAILURES = [("symlinkat", "ENOSPC"), ("fsync", "EIO")]


def slow_unless(quick, cases):
    return [c if c in quick else pytest.param(*([c] if isinstance(c, str) else c), marks=pytest.mark.slow)
            for c in cases]  # fmt: skip


@pytest.mark.parametrize("call", slow_unless(QUICK_KILLS, KILLS))
def test_rule_14_killed_at_any_changing_call(tree, tmp_path, call):
    make_world(tree)
    snapshot_of(tree)
    numbers = calls_of(tree, tmp_path, call)
    assert numbers
    for n in numbers:
        put_back(tree)
        done, hit = world.inject(world.ctl_argv(tree, "sync"), tmp_path, call, "signal=KILL", n)
        assert hit, (n, done)
        nothing_is_harmed(tree, done)
        heals(tree, done)


@pytest.mark.parametrize("call, error", slow_unless(QUICK_FAILURES, FAILURES))
def test_rule_14_any_call_fails_once(tree, tmp_path, call, error):
    make_world(tree)
    snapshot_of(tree)
    numbers = calls_of(tree, tmp_path, call, FAILURES.index((call, error)))
    if not numbers:
        pytest.skip(f"{call} is not called here")
    for n in numbers:
        put_back(tree)
        done, hit = world.inject(world.ctl_argv(tree, "sync"), tmp_path, call, f"error={error}", n)
        if not hit:  # how often it waits depends on its child
            assert n > numbers[0], done
            break
        assert done.code >= 0, (n, done)  # no crash
        nothing_is_harmed(tree, done, call.startswith(READING))
        if tree.links() != FINAL:  # something was not done: it is said, and the exit code tells
            assert done.code in (1, 4, 127) and done.out + done.err, (n, done)
            assert done.code != 4 or "being-written" in tree.ctl("list").out or explains(done), (n, done)
        heals(tree, done)


def explains(done):
    """Exit 4 is right where a plugin has no link for a reason that is told."""
    return "has no link" in done.err


@pytest.mark.slow
@pytest.mark.parametrize("calls", ["symlinkat", "renameat2", "unlinkat"])
def test_rule_14_a_daemon_killed_at_any_changing_call(tree, tmp_path, calls):
    make_world(tree)
    snapshot_of(tree)
    for n in range(1, 30):
        put_back(tree)
        wrapper = ("strace", "-f", "-o", str(tmp_path / "log"), "-e", f"trace={calls}",
                   "-e", f"inject={calls}:signal=KILL:when={n}")  # fmt: skip
        daemon = tree.daemon(wrapper=wrapper, ready=False)
        try:
            kit.wait_until(
                lambda: daemon.process.poll() is not None or "READY=1" in daemon.messages,
                what="the end, or readiness",
            )
            if daemon.process.poll() is None:
                break  # it makes no more such calls
        finally:
            inner = children(daemon.pid)
            for pid in inner:
                os.kill(pid, 9)
            daemon.kill()
        nothing_is_harmed(tree, daemon.log)
        with tree.daemon() as healed:
            healed.wait_links(FINAL)
    assert n > 1


@pytest.mark.parametrize("call", ["symlinkat", "fsync"])
def test_rule_14_a_change_that_failed_is_tried_again_without_an_event(tree, tmp_path, call):
    """As on a disk that was full for a while."""
    wrapper = ("strace", "-f", "-o", str(tmp_path / "log"), "-e", f"trace={call}",
               "-e", f"inject={call}:error=ENOSPC:when=1..4")  # fmt: skip
    tree.plugin("mysql")
    with tree.daemon(wrapper=wrapper) as daemon:
        daemon.wait_links({world.link_of("mysql"): world.file_of("mysql")})
        kit.wait_until(lambda: (tmp_path / "log").read_text().count("INJECTED") == 4, what="four failures")
        kit.wait_until(lambda: (tree / "var/lib/vsmtp-plugind/names").exists(), what="the record")
        for pid in children(daemon.pid):
            os.kill(pid, 15)
        assert daemon.process.wait(20) == 0
    tree.ctl("sync", expect=0)


def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as f:
            return [int(word) for word in f.read().split()]
    except OSError:
        return []


@pytest.mark.slow
@pytest.mark.parametrize(
    "calls, error",
    [("symlinkat", "ENOSPC"), ("renameat2", "EIO"), ("openat", "EMFILE"), ("openat2", "ENOMEM"),
     ("getdents64", "EIO"), ("pread64", "EIO"), ("inotify_add_watch", "ENOSPC"), ("fsync", "EIO"),
     ("readlinkat", "ENOMEM"), ("epoll_wait", "EINTR")],
)  # fmt: skip
def test_a_daemon_survives_any_call_that_fails(tree, tmp_path, calls, error):
    """Every fifth such call fails for ever. It stays up; when all is well again, so are the links."""
    tree.plugin("a")
    with tree.daemon() as daemon:
        daemon.wait_links({link_of("a"): file_of("a")})
        with world.Strace(
            daemon.pid, tmp_path, "-e", f"trace={calls}", "-e", f"inject={calls}:error={error}:when=1+5"
        ):
            for i in range(12):
                tree.plugin(f"p{i}")
                tree.server(("1.0.0", "1.1.0")[i % 2])
                daemon.signal(1)
                kit.wait_until(lambda: len([m for m in daemon.messages if m == "READY=1"]) > 1)
            tree.server("1.0.0")
        assert daemon.process.poll() is None, daemon.log
        daemon.signal(1)
        daemon.wait_links({link_of(n): file_of(n) for n in ["a", *(f"p{i}" for i in range(12))]})


NO_MEMORY = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
static long left = -1;

static int fails(void)
{
	if (left <= 0 || --left > 0)
		return 0;
	(void)!write(3, "hit", 3);
	errno = ENOMEM;
	return 1;
}

void *malloc(size_t n) { return fails() ? NULL : __libc_malloc(n); }
void *calloc(size_t n, size_t m) { return fails() ? NULL : __libc_calloc(n, m); }
void *realloc(void *p, size_t n) { return fails() ? NULL : __libc_realloc(p, n); }
void *reallocarray(void *p, size_t n, size_t m) { return realloc(p, n * m); }

/* From here on they count: before the options only libraries are at work. */
int getopt_long(int argc, char *const argv[], const char *s, const struct option *o, int *i)
{
	int (*real)(int, char *const[], const char *, const struct option *, int *) =
		dlsym(RTLD_NEXT, "getopt_long");
	const char *number = getenv("FAIL_AT");

	if (left < 0)
		left = number ? atol(number) : 0;
	return real(argc, argv, s, o, i);
}
"""


@pytest.mark.slow
def test_rule_14_any_allocation_fails_once(tree, tmp_path):
    if kit.is_sanitized():
        pytest.skip("the sanitizer has an allocator of its own")
    source = tmp_path / "no-memory.c"
    source.write_text(NO_MEMORY)
    preload = tmp_path / "no-memory.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-w", "-o", preload, source], check=True)
    make_world(tree)
    snapshot_of(tree)

    def fail_at(number):
        hits = tmp_path / "hits"
        hits.write_bytes(b"")
        argv = ["sh", "-c", f'exec 3>>{hits}; exec "$@"', "sh", *map(str, world.ctl_argv(tree, "sync"))]
        env = kit.environment(LD_PRELOAD=preload, FAIL_AT=number)
        return kit.run(*argv, env=env), hits.read_bytes() != b""

    number, runs, harmless = 1, 0, 0
    while True:
        put_back(tree)
        done, hit = fail_at(number)
        if not hit:
            break
        runs += 1
        assert done.code >= 0, (number, done)
        nothing_is_harmed(tree, done)
        if tree.links() != FINAL:
            assert done.code == 1 and "emory" in done.err, (number, done)
        else:
            harmless += 1
        heals(tree, done)
        number += 1 + number // 60
    assert runs > 100 and harmless < runs
