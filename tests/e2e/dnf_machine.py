# SPDX-License-Identifier: LGPL-2.1-or-later
"""A container in which dnf is used, and what it boots from: Debian's rpm and dnf, with a package that
stands for the base system and has systemd's triggers."""

import contextlib
import shutil
import subprocess
import time

import kit
import rpms
from layer import Layer
from machine import OWN, Common
from standins import MARK

MORE = ("dnf", "rpm")
MACROS = "%_dbpath /var/lib/rpm\n"
REPOSITORY = "[kit]\nname=kit\nbaseurl=file:///srv/rpms\ngpgcheck=0\nmetadata_expire=0\n"
DNF = "[main]\nassumeyes=True\ninstall_weak_deps=False\nbest=True\nclean_requirements_on_remove=False\n"


class Root(Layer):
    """The image as mmdebstrap made it, and a layer with rpm's database and the repositories."""

    def __init__(self, image, more=()):
        """more: further packages of the kit that the repositories have."""
        self.image = image
        self.fast = image.fast
        self.work = image.work
        self.layer = image.work / "dnf"
        releases = self.layer / "srv/releases"
        for version in ("1.0.0", "1.1.0", "2.0.1-rc.1"):
            rpms.release(releases / version, version, more)
        more = releases / "rebuilt"
        more.mkdir()
        rpms.plugin(more, "a", "1.0.0", release=2, tag="another build")
        rpms.plugin(more, "b", "1.0.0", release=2)
        rpms.index(more)
        for name, options in (("careless", rpms.CARELESS), ("impatient", rpms.IMPATIENT), ("merged", rpms.MERGED)):
            more = releases / name
            more.mkdir()
            for version in ("1.0.0", "1.1.0"):
                rpms.vsmtp(more, version, **options)
                rpms.plugin(more, "a", version)
            rpms.kit_packages(more)
            rpms.index(more)
        more = releases / "later-kit"
        more.mkdir()
        rpms.next_kit(more)
        rpms.index(more)
        self.write("usr/sbin/kit-mark", MARK, 0o755)
        self.write("etc/rpm/macros.kit", MACROS)
        self.write("etc/yum.repos.d/kit.repo", REPOSITORY)
        self.write("etc/dnf/dnf.conf", DNF)
        base = rpms.base(self.work, list(releases.glob("*/*.rpm")), image.base)
        kit.run("rpm", "--root", self.layer, "--dbpath", "/var/lib/rpm", "--nodeps", "--notriggers",
                "-i", base, expect=0)
        self.open_directories()
        self.layers = [self.layer, image.base]

    def release_with_fillers(self, version):
        """Made for those that ask for it."""
        releases = self.layer / "srv/releases"
        directory = releases / f"many-{version}"
        shutil.copytree(releases / version, directory)
        rpms.fillers(directory, version)
        rpms.index(directory)
        self.open_directories()
        return directory.name

    @contextlib.contextmanager
    def layers_with(self, *packages):
        """Layers of a machine on which these are installed, and a library that the administrator put
        among the links."""
        with composed(self, self.layers, "with") as (inside, layer):
            inside("ln", "-sfn", "/srv/releases/1.0.0", "/srv/rpms")
            inside("dnf", "install", *packages)
            own = layer / OWN.lstrip("/")
            own.write_bytes(kit.plugin_bytes(tag="own"))
            own.chmod(0o640)
        yield [layer, *self.layers]
        shutil.rmtree(layer)


class DnfMachine(Common):
    """What an administrator does with dnf."""

    def __init__(self, root, layers=None):
        super().__init__(root, layers=layers or root.layers)

    def dnf(self, *args, check=True):
        return self.run("dnf", *args, check=check, timeout=300)

    def install(self, *packages, **options):
        return self.dnf("install", *packages, **options)

    def remove(self, *packages, **options):
        return self.dnf("remove", *packages, **options)

    def reinstall(self, *packages, **options):
        return self.dnf("reinstall", *packages, **options)

    def downgrade(self, *packages, **options):
        return self.dnf("downgrade", *packages, **options)

    def upgrade(self, *packages, **options):
        return self.dnf("upgrade", *packages, **options)

    update = upgrade

    def release(self, version):
        """From now on the repository offers that version."""
        self.sh(f"ln -sfn /srv/releases/{version} /srv/rpms")
        self.dnf("clean", "expire-cache")

    def states(self):
        """{package: version-release} of what is installed."""
        out = self.run("rpm", "-qa", "--qf", "%{NAME} %{VERSION}-%{RELEASE}\n").out
        return dict(line.split() for line in out.splitlines() if line.startswith("vsmtp"))

    def active_since(self, unit):
        """As time.time() would have told it."""
        since = int(self.show(unit, "ActiveEnterTimestampMonotonic")) / 1e6
        return since + time.time() - time.monotonic()

    def lock_is_free(self):
        take = "import fcntl; fcntl.lockf(open('/var/lib/rpm/.rpm.lock', 'r+'), fcntl.LOCK_EX | fcntl.LOCK_NB)"
        return self.run("python3", "-c", take, check=False).code == 0

    def in_order(self):
        """What every scenario ends with."""
        self.common_order()
        assert self.lock_is_free()
        names = self.run("rpm", "-qa", "--qf", "%{NAME}\n").out.split()
        assert len(names) == len(set(names)), f"twice: {sorted(names)}"
        assert self.run("rpm", "-Va", "--nofiles", "--noscripts").out == ""
        left = self.sh("systemctl show '*' -p Id,Markers | grep -B1 '^Markers=.' || :").out
        assert left == "", "nobody waits for systemd's trigger"


@contextlib.contextmanager
def composed(root, layers, name):
    """An image under construction: a function that runs programs in it, where no service manager is,
    and the layer that is being made."""
    where = root.fast / name
    layer, work, tree = (where / part for part in ("up", "wrk", "root"))
    for path in (layer, work, tree):
        path.mkdir(parents=True)
        path.chmod(0o755)
    options = f"lowerdir={':'.join(map(str, layers))},upperdir={layer},workdir={work}"
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, str(tree)], check=True)

    def inside(*argv):
        return kit.run(
            "systemd-nspawn", "--register=no", "--keep-unit", "--quiet", "--pipe", "--private-network",
            f"--directory={tree}", *argv, timeout=300, expect=0,
        )

    try:
        yield inside, layer
    finally:
        subprocess.run(["umount", str(tree)], check=False)
