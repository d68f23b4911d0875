# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the Python tests share: real ELF plugins, a stand-in server, scratch trees, running programs.

The programs under test come from the build directory that $KIT_BUILD names (default: build/).

    tree = Tree(tmp_path / "root")             a --root tree with vSMTP 1.0.0 and an empty store
    tree.plugin("mysql", "1.0.0")              a real plugin, renamed into the store
    tree.ctl("sync")                           vsmtp-pluginctl --root=... --ask-program sync
    tree.links()                               {'vsmtp-plugin-mysql.so': '/usr/lib/vsmtp/...'}
    with tree.daemon() as d: wait_until(lambda: "x.so" in tree.links(), what="the link")
"""

import atexit
import contextlib
import hashlib
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import threading
import time
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("KIT_BUILD", SOURCE / "build")).resolve()
STANDIN = SOURCE / "tests" / "standin"
STORE = "/usr/lib/vsmtp"
LINKS = "/etc/vsmtp/plugins"
SERVER = "/usr/sbin/vsmtp"
BUILD_ID = hashlib.sha1(b"vsmtp plugin kit").digest()

_scratch = None
_made = {}


def scratch():
    """A directory of this session for what compilers make; removed at the end."""
    global _scratch
    if _scratch is None:
        _scratch = Path(tempfile.mkdtemp(prefix="kit-"))
        atexit.register(shutil.rmtree, _scratch, ignore_errors=True)
    return _scratch


def program(name):
    """Path of one of our programs in the build directory."""
    path = BUILD / "src" / name
    if not path.exists():
        raise FileNotFoundError(f"{path}: not built (KIT_BUILD={BUILD})")
    return path


def is_sanitized():
    return b"__asan_init" in program("vsmtp-plugind").read_bytes()


# ---- compiling ----


def _cc(source, flags):
    """Compiles once per session and combination; returns the path of what was made."""
    key = (str(source), *flags)
    if key not in _made:
        out = scratch() / f"made-{len(_made)}"
        done = subprocess.run(
            ["cc", "-std=gnu17", "-O1", "-w", "-o", out, source, *flags],
            capture_output=True,
            text=True,
        )
        if done.returncode != 0:
            raise RuntimeError(f"cc {source} {flags}: {done.stderr}")
        _made[key] = out
    return _made[key]


def _text(value):
    return '"%s"' % value.replace("\\", "\\\\").replace('"', '\\"')


def library(soname):
    """An empty shared library of that soname, only there to be linked with."""
    source = scratch() / "empty.c"
    if not source.exists():
        source.write_text("int kit_empty;\n")
    return _cc(source, ("-shared", "-fPIC", f"-Wl,-soname,{soname}"))


def plugin_bytes(
    tag="",
    entry="module_entrypoint",
    built_for=None,
    note=None,
    needs=(),
    runpath=None,
    shared=True,
    marker=None,
    strip_sections=False,
    build_id=True,
    flags=(),
):
    """The bytes of a plugin, really compiled and linked.

    tag        any text: another tag is another build (only the build-id differs)
    entry      the exported entry point; None: none
    built_for  the stand-in server of another version dies of it
    note       text of a .note.vsmtp, or None
    needs      sonames it is linked with (they exist nowhere unless you install them)
    shared     False: a position independent program instead of a library
    marker     path of a file that its constructor makes
    flags      more for the compiler
    """
    args = ["-DNO_ENTRY"] if entry is None else [f"-DENTRY={entry}"]
    if built_for is not None:
        args.append(f"-DBUILT_FOR={_text(built_for)}")
    if note is not None:
        args.append(f"-DNOTE_VERSION={_text(note)}")
    if marker is not None:
        args.append(f"-DMARKER={_text(str(marker))}")
    args += ["-shared", "-fPIC"] if shared else ["-DPROGRAM", "-pie", "-fPIE", "-rdynamic"]
    args.append(f"-Wl,--build-id=0x{BUILD_ID.hex()}" if build_id else "-Wl,--build-id=none")
    args.append("-Wl,--no-as-needed")
    args += [str(library(soname)) for soname in needs]
    if runpath:
        args += ["-Wl,--enable-new-dtags", f"-Wl,-rpath,{runpath}"]
    path = _cc(STANDIN / "plugin.c", (*args, *flags))
    if strip_sections:
        copy = scratch() / "stripped"
        shutil.copyfile(path, copy)
        subprocess.run(["strip", "--strip-all", copy], check=True)
        path = copy
    data = path.read_bytes()
    if not build_id:
        return data
    assert data.count(BUILD_ID) == 1
    return data.replace(BUILD_ID, hashlib.sha1(f"{built_for} {tag}".encode()).digest())


def server_program(version="1.0.0", manner="fine"):
    """Path of a stand-in vSMTP of that version. manner: see tests/standin/vsmtp.c."""
    return _cc(STANDIN / "vsmtp.c", (f"-DVERSION={_text(version)}", f"-DMANNER={_text(manner)}"))


# ---- running and waiting ----


class Done:
    """What a program did: .code, .out, .err; negative code: killed by that signal."""

    def __init__(self, argv, code, out, err):
        self.argv, self.code, self.out, self.err = argv, code, out, err

    @property
    def json(self):
        return json.loads(self.out)

    def __repr__(self):
        return f"{self.argv} ended with {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


def environment(**more):
    """A plain environment: no bus, no colour, sanitizers that abort loudly."""
    env = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LC_ALL": "C.UTF-8",
        "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "abort_on_error=1"),
        "UBSAN_OPTIONS": os.environ.get("UBSAN_OPTIONS", "print_stacktrace=1"),
        "LLVM_PROFILE_FILE": os.environ.get("LLVM_PROFILE_FILE", "/dev/null"),
    }
    env.update({key: str(value) for key, value in more.items()})
    return env


def under_strace(argv, env):
    """The leak sanitizer cannot work in a traced process."""
    if any(os.path.basename(str(a)) == "strace" for a in argv):
        env["ASAN_OPTIONS"] = env.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
    return env


def run(*argv, timeout=60, expect=None, cwd=None, env=None, user=None, stdin=subprocess.DEVNULL):
    """Runs a program to its end. expect: the exit code, or several, that it must have."""
    assert user is None or BUILD not in Path(argv[0]).parents, f"{user} may not go there: see Tree.ctl()"
    done = subprocess.run(
        [str(a) if isinstance(a, Path) else a for a in argv],
        stdin=stdin,
        capture_output=True,
        timeout=timeout,
        cwd=cwd,
        env=under_strace(argv, environment() if env is None else dict(env)),
        user=user,
        group=user,
        extra_groups=[] if user is not None else None,
        encoding="utf-8",
        errors="surrogateescape",
    )
    result = Done(argv, done.returncode, done.stdout, done.stderr)
    assert "AddressSanitizer" not in result.err and "runtime error:" not in result.err, result
    if expect is not None:
        allowed = (expect,) if isinstance(expect, int) else tuple(expect)
        assert result.code in allowed, result
    return result


def wait_until(predicate, limit=20.0, what="the condition", step=None):
    """Waits for a true value and returns it. The limit is for broken runs only: be generous. Asks the
    less often the longer it takes, since others need the processor; or at each step."""
    since = time.monotonic()
    while True:
        value = predicate()
        if value:
            return value
        gone = time.monotonic() - since
        if gone > limit:
            raise AssertionError(f"{what}: not within {limit} s")
        time.sleep(step or min(max(0.01, gone / 8), 0.2))


# ---- trees ----


class Tree:
    """A scratch root: root's, 0755 all the way down, with a store, a links directory and a server."""

    def __init__(self, path, version="1.0.0", manner="fine"):
        self.path = Path(path)
        self.path.mkdir(parents=True, exist_ok=True)
        self.path.chmod(0o755)
        for name in (
            "usr/lib/vsmtp",
            "usr/sbin",
            "etc/vsmtp/plugins",
            "etc/vsmtp-plugind/plugind.conf.d",
            "run",
            "var/lib",
            "tmp",
        ):
            self.mkdir(name)
        if version is not None:
            self.server(version, manner)

    def __truediv__(self, name):
        return self.path / str(name).lstrip("/")

    def mkdir(self, name):
        path = self.path
        for part in Path(str(name).lstrip("/")).parts:
            path = path / part
            if not path.is_dir():
                path.mkdir()
                path.chmod(0o755)
        return path

    @property
    def store(self):
        return self / STORE

    @property
    def links_dir(self):
        return self / LINKS

    def put(self, name, data, mode=0o755):
        """Installs a file as package managers do: written elsewhere, then renamed."""
        target = self / name
        self.mkdir(Path(str(name).lstrip("/")).parent)
        temporary = self / "tmp" / f".put-{os.getpid()}-{threading.get_ident()}"
        temporary.write_bytes(data.encode() if isinstance(data, str) else data)
        temporary.chmod(mode)
        temporary.rename(target)
        return target

    def server(self, version="1.0.0", manner="fine"):
        """Installs (upgrades, downgrades) the stand-in server. None: removes it."""
        if version is None:
            (self / SERVER).unlink(missing_ok=True)
            return None
        return self.put(SERVER, server_program(version, manner).read_bytes())

    def plugin(self, name, version="1.0.0", layout="A", file=None, store=STORE, **options):
        """Puts a plugin into the store and returns the path as the server sees it.

        layout A: libvsmtp-plugin-NAME-VERSION.so; B: VERSION/libvsmtp_plugin_NAME.so; C: NAME.so.
        file: that path below the store instead. More: see plugin_bytes()."""
        if file is None:
            file = {
                "A": f"libvsmtp-plugin-{name}-{version}.so",
                "B": f"{version}/libvsmtp_plugin_{name}.so",
                "C": f"{name}.so",
            }[layout]
        options.setdefault("built_for", version)
        options.setdefault("tag", name)
        path = f"{store}/{file}"
        self.put(path, plugin_bytes(**options))
        return path

    def config(self, text, name="plugind.conf.d/50-test.conf", where="/etc/vsmtp-plugind"):
        return self.put(f"{where}/{name}", text, 0o644)

    def link(self, name, target):
        """A link made by hand (replaces one that is there, at once: a daemon may be faster)."""
        path = self.links_dir / name
        temporary = self / "tmp" / f".link-{os.getpid()}-{threading.get_ident()}"
        temporary.symlink_to(target)
        temporary.rename(path)
        return path

    def links(self):
        """{name: text} of all symlinks in the links directory; other things are name: None."""
        found = {}
        try:
            names = os.listdir(self.links_dir)
        except FileNotFoundError:
            return found
        for name in sorted(names):
            try:
                found[name] = os.readlink(self.links_dir / name)
            except OSError:
                found[name] = None
        return found

    def listing(self, name="/"):
        """{path: (kind, mode, owner, size or text, mtime)} of everything below: to show that
        nothing was touched."""
        found = {}
        for where, dirs, files in os.walk(self / name):
            for entry in [*dirs, *files]:
                path = os.path.join(where, entry)
                st = os.lstat(path)
                what = os.readlink(path) if stat.S_ISLNK(st.st_mode) else st.st_size
                if stat.S_ISDIR(st.st_mode):
                    found[path] = (st.st_mode, st.st_uid)
                else:
                    found[path] = (st.st_mode, st.st_uid, what, st.st_mtime_ns)
        return found

    def ctl(self, *args, **options):
        """vsmtp-pluginctl on this tree; the stand-in server may be asked for its version. Another user
        gets a copy beside the tree: who knows who may go where the sources lie?"""
        path = program("vsmtp-pluginctl")
        if options.get("user") is not None:
            path = Path(shutil.copy(path, self.path.parent))
        return run(path, f"--root={self.path}", "--ask-program", *args, **options)

    def daemon(self, *args, **options):
        return Daemon(self, *args, **options)


class Daemon:
    """vsmtp-plugind on a tree, told apart from systemd only by who listens on NOTIFY_SOCKET."""

    def __init__(self, tree, *args, env=None, wrapper=(), ready=True):
        self.tree = tree
        self.messages = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.bind(f"\0kit-{os.getpid()}-{id(self)}")
        self._log = tempfile.TemporaryFile()
        name = "@" + self._socket.getsockname()[1:].decode()
        self.argv = [
            *wrapper,
            str(program("vsmtp-plugind")),
            f"--root={tree.path}",
            "--ask-program",
            *args,
        ]
        self.process = subprocess.Popen(
            self.argv,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            env=under_strace(self.argv, environment(NOTIFY_SOCKET=name, **(env or {}))),
        )
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        if ready:
            try:
                self.wait_message("READY=1")
            except BaseException:
                self.kill()
                raise

    def _listen(self):
        while True:
            try:
                data = self._socket.recv(65536)
            except OSError:
                return
            if not data:  # kill() wakes us
                return
            for line in data.decode(errors="surrogateescape").splitlines():
                self.messages.append(line)

    @property
    def pid(self):
        return self.process.pid

    @property
    def log(self):
        size = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), size, 0).decode(errors="surrogateescape")

    @property
    def status(self):
        """The last STATUS= line it sent."""
        said = [m[7:] for m in list(self.messages) if m.startswith("STATUS=")]
        return said[-1] if said else None

    def wait_message(self, text, limit=30.0, count=1):
        def there():
            if self.process.poll() is not None and self.messages.count(text) < count:
                raise AssertionError(f"daemon ended with {self.process.returncode}:\n{self.log}")
            return self.messages.count(text) >= count

        try:
            wait_until(there, limit, f"{count} times {text}")
        except AssertionError as error:
            raise AssertionError(f"{error}; {self.state()}; messages {self.messages}\n{self.log}") from None

    def state(self):
        """What the kernel knows of the process, for a test that waits in vain."""
        said = []
        for name in ("status", "wchan", "syscall", "stack"):
            try:
                said.append(Path(f"/proc/{self.pid}/{name}").read_text())
            except OSError as error:
                said.append(str(error))
        return "\n".join(said)

    def wait_links(self, links, limit=20.0):
        """Waits until the links directory holds exactly these names (or this dict)."""
        want = dict(links) if isinstance(links, dict) else set(links)

        def right():
            have = self.tree.links()
            return (have if isinstance(want, dict) else set(have)) == want

        try:
            wait_until(right, limit)
        except AssertionError:
            raise AssertionError(
                f"links are {self.tree.links()}, wanted {want}\n{self.log}"
            ) from None

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, limit=30.0):
        """Its exit code, once it has ended."""
        return self.process.wait(limit)

    def stop(self):
        """SIGTERM, and the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(30)
        finally:
            self.kill()

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._deafen()

    def _deafen(self):
        """Ends the listener before its descriptor can become another daemon's."""
        if self._listener.is_alive():
            with contextlib.suppress(OSError):
                self._socket.sendto(b"", self._socket.getsockname())
            self._listener.join(10)
        self._socket.close()

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        code = self.stop() if kind is None and self.process.poll() is None else None
        self.kill()
        log = self.log
        if kind is None:
            assert "AddressSanitizer" not in log and "runtime error:" not in log, log
            assert code in (None, 0), f"the daemon ended with {code}:\n{log}"
