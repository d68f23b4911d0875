# SPDX-License-Identifier: LGPL-2.1-or-later
"""A container in which dnf is used, and what it boots from: Debian's rpm and dnf, with a package that
stands for the base system and has systemd's triggers."""

import contextlib
import subprocess

import harness
import kit
import rpms

MORE = ("dnf", "rpm")
MACROS = "%_dbpath /var/lib/rpm\n"
REPOSITORY = "[kit]\nname=kit\nbaseurl=file:///srv/rpms\ngpgcheck=0\nmetadata_expire=0\n"
DNF = "[main]\nassumeyes=True\ninstall_weak_deps=False\nbest=True\nclean_requirements_on_remove=False\n"


class Root:
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
        rpms.plugin(more, "a", "1.0.0", "A", release=2, tag="another build")
        rpms.plugin(more, "b", "1.0.0", "B", release=2)
        rpms.index(more)
        for name, options in (("careless", rpms.CARELESS), ("impatient", rpms.IMPATIENT), ("merged", rpms.MERGED)):
            more = releases / name
            more.mkdir()
            for version in ("1.0.0", "1.1.0"):
                rpms.vsmtp(more, version, **options)
                rpms.plugin(more, "a", version, "A")
            rpms.kit_packages(more)
            rpms.index(more)
        for path, text in (
            ("etc/rpm/macros.kit", MACROS),
            ("etc/yum.repos.d/kit.repo", REPOSITORY),
            ("etc/dnf/dnf.conf", DNF),
        ):
            (self.layer / path).parent.mkdir(parents=True, exist_ok=True)
            (self.layer / path).write_text(text)
        base = rpms.base(self.work, list(releases.glob("*/*.rpm")), image.base)
        kit.run("rpm", "--root", self.layer, "--dbpath", "/var/lib/rpm", "--nodeps", "--notriggers",
                "-i", base, expect=0)
        for path in self.layer.rglob("*"):
            if path.is_dir():
                path.chmod(0o755)
        self.layers = [self.layer, image.base]


class DnfMachine(harness.Container):
    """What an administrator does, and what is left to see."""

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

    def release(self, version):
        """From now on the repository offers that version."""
        self.sh(f"ln -sfn /srv/releases/{version} /srv/rpms")
        self.dnf("clean", "expire-cache")

    def states(self):
        """{package: version-release} of what is installed."""
        out = self.run("rpm", "-qa", "--qf", "%{NAME} %{VERSION}-%{RELEASE}\n").out
        return dict(line.split() for line in out.splitlines() if line.startswith("vsmtp"))

    def failed_units(self):
        return self.run("systemctl", "--failed", "--plain", "--no-legend").out.strip()

    def mapped(self):
        """Plugins that the running server has mapped."""
        pid = self.show("vsmtp.service", "MainPID")
        text = self.path(f"/proc/{pid}/maps").read_text()
        return {line.split()[-1].split("/")[-1] for line in text.splitlines() if "/usr/lib/vsmtp/" in line}

    def links_dir_is_clean(self):
        """Nothing dangles and nothing temporary is left."""
        out = self.sh(
            "cd /etc/vsmtp/plugins 2>/dev/null || exit 0; "
            "for l in * .[!.]*; do [ -e $l ] || [ ! -L $l ] || echo $l dangles; done; ls -A | grep '^[.]' || :"
        ).out
        return out == ""

    def lock_is_free(self):
        take = "import fcntl; fcntl.lockf(open('/var/lib/rpm/.rpm.lock', 'r+'), fcntl.LOCK_EX | fcntl.LOCK_NB)"
        return self.run("python3", "-c", take, check=False).code == 0

    def in_order(self):
        assert self.failed_units() == ""
        assert self.links_dir_is_clean(), self.links()
        assert self.lock_is_free()
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
