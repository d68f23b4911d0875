# SPDX-License-Identifier: LGPL-2.1-or-later
"""Booted containers: systemd as process 1, the kit as `meson install` lays it out, a stand-in vSMTP.

A container is an overlay of three layers: an image made by mmdebstrap (kept in a cache under a name
made of its recipe), what is installed on top (the kit, vSMTP's unit and program), and a tmpfs. It
boots in about a third of a second, so each test has one of its own.

    with Container(image) as box:
        box.put("/usr/lib/vsmtp/x.so", data)     appears by rename, as a package manager does it
        box.run("systemctl", "start", "vsmtp")   in the container; box.sh("...") by a shell
        box.links(), box.starts()                what is linked; what each start of vSMTP loaded
"""

import fcntl
import hashlib
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

import kit

PACKAGES = (
    "systemd systemd-sysv dbus procps strace python3-minimal util-linux"
    " libsystemd0"
).split()
UNIT = """\
[Unit]
Description=Stand-in of the mail server vSMTP
After=network.target
ConditionPathExists=/etc/vsmtp/vsmtp.vsl

[Service]
Type=forking
UMask=007
ExecStart=/usr/sbin/vsmtp -c /etc/vsmtp/vsmtp.vsl
Restart=on-failure
TimeoutStopSec=300
LimitCORE=0

[Install]
WantedBy=multi-user.target
"""
ENV = ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8"]
STANDIN_LOG = "/run/vsmtp-standin.log"
EXECUTOR = "vsmtp-plugin-reload.service"
DAEMON = "vsmtp-plugind.service"
SERVER = "vsmtp.service"


class CannotBoot(Exception):
    """This machine cannot run containers: not the kit's fault."""


def _sh(*argv, **options):
    return subprocess.run(argv, check=True, capture_output=True, text=True, **options)


def suite():
    """The host's own, so that what was built here runs there."""
    text = Path("/etc/os-release").read_text()
    found = re.search(r'^VERSION_CODENAME="?([a-z]+)"?$', text, re.M)
    return os.environ.get("KIT_SUITE") or (found[1] if found else "bookworm")


def recipe(more=(), apart=()):
    """Options of mmdebstrap for an image.

    more    names of further packages to install
    apart   names of packages to have at hand, with what they depend on, as /srv/apart/NAME/*.deb
    """
    options = ["--variant=minbase", f"--include={','.join([*PACKAGES, *more])}"]
    for name in apart:
        options.append(
            '--customize-hook=APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" apt-get -y --no-install-recommends'
            f' --download-only install {name} && mkdir -p "$1/srv/apart/{name}"'
            f' && mv "$1"/var/cache/apt/archives/*.deb "$1/srv/apart/{name}/"'
        )
    return options


def image_tar(options=None):
    """The cached image of that recipe (options of mmdebstrap), made if it is not there."""
    options = options or recipe()
    name = hashlib.sha256(" ".join([*options, suite()]).encode()).hexdigest()[:16]
    cache = Path(os.environ.get("KIT_CACHE", "/var/cache/vsmtp-kit-tests"))
    cache.mkdir(parents=True, exist_ok=True)
    tar = cache / f"{suite()}-{name}.tar"
    with open(cache / f".{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several workers want it, and one makes it
        if not tar.exists():
            _make_tar(options, tar)
    return tar


def image_base(options=None):
    """The same, unpacked beside it: nobody ever writes there, so that all share it."""
    tar = image_tar(options)
    base = tar.with_suffix("")
    with open(tar.with_name(f".{base.name}.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not base.exists():
            temporary = Path(tempfile.mkdtemp(prefix=".unpacked-", dir=tar.parent))
            temporary.chmod(0o755)
            _sh("tar", "-C", str(temporary), "-xf", str(tar))
            temporary.rename(base)
    return base


def _make_tar(options, tar):
    temporary = tar.with_name(f".{os.getpid()}.{tar.name}")
    for _ in range(2):  # a mirror may have a bad moment
        done = subprocess.run(["mmdebstrap", *options, suite(), temporary], capture_output=True, text=True)
        if done.returncode == 0:
            temporary.rename(tar)
            return
        temporary.unlink(missing_ok=True)
    raise CannotBoot(f"mmdebstrap {suite()} failed: {done.stderr.strip()[-300:]}")


class Image:
    """The two lower layers, and a tmpfs for all that containers write."""

    def __init__(self, install=True, options=None):
        for need in ("mmdebstrap", "systemd-nspawn", "nsenter", "mount"):
            if not shutil.which(need):
                raise CannotBoot(f"{need} is not installed")
        if os.geteuid() != 0:
            raise CannotBoot("not root")
        if not Path("/proc/self/mountinfo").exists() or not _cgroup_tops():
            raise CannotBoot("no /proc or no cgroup file system: a bare chroot?")
        self.base = image_base(options)
        self.work = Path(tempfile.mkdtemp(prefix="kit-boxes-", dir="/var/tmp"))
        self.top = self.work / "top"
        self.fast = self.work / "fast"
        self.mounted = False
        try:
            for path in (self.top, self.fast):
                path.mkdir()
            self.work.chmod(0o755)
            try:
                _sh("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", str(self.fast))
            except subprocess.CalledProcessError as error:
                raise CannotBoot(f"no tmpfs can be mounted: {error.stderr.strip()}") from None
            self.mounted = True
            with Container(self, layers=[self.base]):
                pass  # a bare image boots here: from now on a failure is a failure
            if install:
                self._install()
        except BaseException:
            self.close()
            raise

    def _install(self):
        env = kit.environment(DESTDIR=self.top)
        done = kit.run("meson", "install", "-C", kit.BUILD, "--no-rebuild", "--quiet", env=env, timeout=300)
        assert done.code == 0, done
        for name in ("lib", "bin", "sbin"):  # in the image these are links into /usr
            if (self.top / name).is_dir():
                shutil.copytree(self.top / name, self.top / "usr" / name, dirs_exist_ok=True)
                shutil.rmtree(self.top / name)
        tree = kit.Tree(self.top, "1.0.0")
        shutil.rmtree(tree / "run")
        shutil.rmtree(tree / "tmp")
        shutil.rmtree(tree / "var")
        shutil.rmtree(tree / "etc/vsmtp-plugind")
        (tree.mkdir("etc/vsmtp") / "vsmtp.vsl").write_text("// stand-in\n")
        units = tree.mkdir("etc/systemd/system")
        (units / SERVER).write_text(UNIT)
        wants = tree.mkdir("etc/systemd/system/multi-user.target.wants")
        installed = [p for p in tree.path.rglob(DAEMON) if p.is_file()]
        assert installed, f"meson install brought no {DAEMON}"
        (wants / DAEMON).symlink_to("/" + str(installed[0].relative_to(tree.path)))
        (wants / SERVER).symlink_to(f"/etc/systemd/system/{SERVER}")

    def close(self):
        if self.mounted:
            subprocess.run(["umount", "-l", str(self.fast)], check=False)
        shutil.rmtree(self.work, ignore_errors=True)


def _cgroup_tops():
    """Where a cgroup for systemd can be made: version 2, or the named hierarchy of version 1."""
    tops = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, rest = line.partition(" - ")
        kind, _, options = rest.split()[:3]
        if kind == "cgroup2" or (kind == "cgroup" and "name=systemd" in options):
            tops.append(Path(fields.split()[4]))
    return [top for top in tops if os.access(top / "cgroup.procs", os.W_OK)]


def boot_or_skip(make, *args, **options):
    """make(...); where no container can be booted the test is skipped, and with KIT_CONTAINERS=must it
    fails."""
    try:
        return make(*args, **options)
    except CannotBoot as why:
        if os.environ.get("KIT_CONTAINERS") == "must":
            pytest.fail(f"no container can be booted here: {why}")
        pytest.skip(f"NO CONTAINER CAN BE BOOTED HERE: {why}")


def tell_of_failure(report, box):
    """What the container has to say about it, while it is still there."""
    report.sections.append(("journal", box.journal("-b", "-u", "vsmtp*")[-12000:]))
    report.sections.append(("starts", "\n".join(map(str, box.starts()))[-3000:]))
    report.sections.append(("links", str(box.links())[:3000]))


class Container:
    number = 0

    def __init__(self, image, layers=None):
        Container.number += 1
        self.name = f"kit-{os.getpid()}-{Container.number}"
        self.image = image
        self.layers = layers or [image.top, image.base]
        self.dir = image.fast / self.name
        self.root = self.dir / "root"
        self.cgroups = []
        self.nspawn = None
        self.leader = None
        self._mounted = False

    # ---- life ----

    def __enter__(self):
        try:
            self._mount()
            self._boot()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def _mount(self):
        for path in (self.root, self.dir / "up", self.dir / "wrk"):
            path.mkdir(parents=True)
            path.chmod(0o755)
        options = ",".join(
            (
                "lowerdir=" + ":".join(map(str, self.layers)),
                f"upperdir={self.dir / 'up'}",
                f"workdir={self.dir / 'wrk'}",
            )
        )
        try:
            _sh("mount", "-t", "overlay", "overlay", "-o", options, str(self.root))
        except subprocess.CalledProcessError as error:
            raise CannotBoot(f"no overlay can be mounted: {error.stderr.strip()}") from None
        self._mounted = True

    def _enter_cgroup(self):
        # Two containers of one cgroup would share the cgroups of their units.
        for cgroup in self.cgroups:
            (cgroup / "cgroup.procs").write_text("0")

    def _boot(self):
        for top in _cgroup_tops():
            (top / self.name).mkdir()
            self.cgroups.append(top / self.name)
        self.boot_log = open(self.dir / "boot.log", "w+b")
        self.nspawn = subprocess.Popen(
            ["systemd-nspawn", "--register=no", "--keep-unit", "--quiet", "--directory", self.root]
            + ["--machine", self.name, "--boot", "--private-network"],
            stdin=subprocess.DEVNULL,
            stdout=self.boot_log,
            stderr=self.boot_log,
            start_new_session=True,
            preexec_fn=self._enter_cgroup,
        )
        try:
            kit.wait_until(self._find_leader, 30, "a leader of the container")
            kit.wait_until(self._is_up, 60, "the container's boot")
        except AssertionError as error:
            self.boot_log.seek(0)
            raise CannotBoot(f"{error}: {self.boot_log.read()[-500:].decode(errors='replace')}") from None

    def _find_leader(self):
        if self.nspawn.poll() is not None:
            raise AssertionError(f"systemd-nspawn ended with {self.nspawn.returncode}")
        pid = self.nspawn.pid
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            try:
                if Path(f"/proc/{child}/comm").read_text().strip() == "systemd":
                    self.leader = int(child)
                    return True
            except OSError:
                pass
        return False

    def _is_up(self):
        return self.run("systemctl", "is-system-running", check=False).out.strip() in (
            "running",
            "degraded",
        )

    def close(self):
        if self.nspawn and self.nspawn.poll() is None:
            if self.leader:
                try:
                    os.kill(self.leader, signal.SIGRTMIN + 4)  # poweroff.target
                except ProcessLookupError:
                    pass
            try:
                self.nspawn.wait(30 if self.leader else 1)
            except subprocess.TimeoutExpired:
                self.nspawn.kill()
                self.nspawn.wait()
        if self.nspawn:
            self.boot_log.close()
        if self._mounted:
            if subprocess.run(["umount", str(self.root)], capture_output=True).returncode != 0:
                subprocess.run(["umount", "-l", str(self.root)], check=False)
            self._mounted = False
        for cgroup in self.cgroups:
            for where, _, _ in os.walk(cgroup, topdown=False):
                try:
                    os.rmdir(where)
                except OSError:
                    pass
        self.cgroups = []
        shutil.rmtree(self.dir, ignore_errors=True)

    # ---- programs inside ----

    def run(self, *argv, check=True, timeout=120):
        done = kit.run(
            *("nsenter", "-t", str(self.leader), "-a", "env", "-i", *ENV, *argv), timeout=timeout
        )
        if check:
            assert done.code == 0, done
        return done

    def sh(self, script, **options):
        return self.run("/bin/sh", "-ec", script, **options)

    def show(self, unit, *properties):
        out = self.run("systemctl", "show", unit, "-p", ",".join(properties)).out
        found = dict(line.split("=", 1) for line in out.splitlines() if "=" in line)
        return found[properties[0]] if len(properties) == 1 else [found[p] for p in properties]

    def is_active(self, unit):
        return self.run("systemctl", "is-active", unit, check=False).out.strip() == "active"

    def ctl(self, *args, **options):
        return self.run("vsmtp-pluginctl", *args, **options)

    def ctl_json(self, *args):
        return json.loads(self.ctl("--json", *args).out)

    def journal(self, *args):
        return self.run("journalctl", "--no-pager", "-o", "short-precise", *args, check=False).out

    # ---- files inside ----

    def path(self, name):
        """Of a file in the container, tmpfs like /run included, as the host can reach it."""
        return Path(f"/proc/{self.leader}/root") / str(name).lstrip("/")

    def stage(self, name, data, mode=0o755):
        """Writes a file where nobody watches; .rename() it into its place."""
        staging = self.path("/usr/lib/kit-staging")
        staging.mkdir(exist_ok=True)
        path = staging / name
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        path.chmod(mode)
        return path

    def put(self, name, data, mode=0o755):
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        self.stage("put", data, mode).rename(path)

    def plugin(self, name, version="1.0.0", **options):
        """A plugin in layout A, by rename. Returns the path as the server sees it."""
        options.setdefault("built_for", version)
        path = f"/usr/lib/vsmtp/libvsmtp-plugin-{name}-{version}.so"
        self.put(path, kit.plugin_bytes(tag=options.pop("tag", name), **options))
        return path

    def links(self):
        found = {}
        directory = self.path(kit.LINKS)
        try:
            for name in sorted(os.listdir(directory)):
                path = directory / name
                found[name] = os.readlink(path) if stat.S_ISLNK(os.lstat(path).st_mode) else None
        except FileNotFoundError:
            pass
        return found

    def starts(self):
        """One dict for each start of the server: pid, invocation, loaded {name: (target, result)}."""
        try:
            text = self.path(STANDIN_LOG).read_text()
        except FileNotFoundError:
            return []
        found = []
        for line in text.splitlines():
            head, *rest = re.split(r" (?=[^ ]+=[^ ]*:(?:ok|error|crash))", line)
            start = dict(word.split("=", 1) for word in head.split()[1:])
            start["time"] = float(head.split()[0])
            start["loaded"] = {}
            for entry in rest:
                name, _, result = entry.partition("=")
                target, _, result = result.partition(":")
                start["loaded"][name] = (target, result)
            found.append(start)
        return found

    # ---- waiting ----

    def wait_links(self, names, limit=30.0):
        want = {f"vsmtp-plugin-{n}.so" for n in names}
        try:
            kit.wait_until(lambda: set(self.links()) == want, limit, "the links")
        except AssertionError:
            have = set(self.links())
            raise AssertionError(
                f"missing: {sorted(want - have)[:10]}, too many: {sorted(have - want)[:10]}"
            ) from None

    def wait_starts(self, count, limit=60.0):
        """Waits until vSMTP has been started that often since the boot, then for peace: no reload
        under way, and no further start. More starts than that are an error."""
        kit.wait_until(lambda: len(self.starts()) >= count, limit, f"start {count} of vSMTP")
        self.wait_peace()
        starts = self.starts()
        assert len(starts) == count, f"{len(starts)} starts, wanted {count}"
        return starts

    def wait_peace(self, seconds=3.0, limit=90.0):
        """Until for so long nobody has reloaded or restarted anything (longer than the longest
        settling time). This is how "and no more than that" is seen."""
        since, before = time.monotonic(), None
        end = since + limit
        while time.monotonic() - since < seconds:
            state = self.show(EXECUTOR, "ActiveState")
            now = (len(self.starts()), state)
            if now != before or state not in ("inactive", "failed"):
                since, before = time.monotonic(), now
            assert time.monotonic() < end, f"no peace within {limit} s: {now}"
            time.sleep(0.3)

    def wait_daemon(self):
        kit.wait_until(lambda: self.is_active(DAEMON), 30, "the daemon's start")
