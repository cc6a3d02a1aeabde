"""The root file system of ``micro``: busybox under all its names, a few programs with their libraries."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from orchestrator.images.disk import run

_FOLDERS = (
    "dev", "proc", "sys", "run", "tmp", "mnt", "root", "home", "srv", "usr/bin", "usr/sbin", "usr/lib", "usr/lib64",
    "usr/local/bin", "usr/local/sbin", "etc/dropbear", "var/log", "var/www", "var/tmp", "var/lib/vmss",
)  # fmt: skip
_MERGED = ("bin", "sbin", "lib", "lib64")
_MODES = {"tmp": 0o1777, "var/tmp": 0o1777, "root": 0o700, "etc/shadow": 0o600, "etc/dropbear": 0o700}
_LIBRARY = re.compile(r"(?:=> )?(/\S+) \(0x")


def make_micro_root(packages: Path, overlay: Path, programs: tuple[str, ...], target: Path) -> None:
    """Fill ``target`` from unpacked ``packages`` and the recipe's own files (``overlay``)."""
    for folder in _FOLDERS:
        (target / folder).mkdir(parents=True)
    for name in _MERGED:
        (target / name).symlink_to(f"usr/{name}")
    _install_busybox(packages, target)
    for program in programs:
        _install_program(packages, program, target)
    shutil.copytree(overlay, target, dirs_exist_ok=True)
    (target / "etc/mtab").symlink_to("/proc/self/mounts")
    for path in target.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
    for name, mode in _MODES.items():
        (target / name).chmod(mode)
    run(["chown", "-hR", "0:0", str(target)])


def _install_busybox(packages: Path, target: Path) -> None:
    busybox = find_program(packages, "/bin/busybox")
    shutil.copy(busybox, target / "usr/bin/busybox")
    for line in run([str(busybox), "--list-full"]).decode().split():
        name = Path(line).name
        folder = "usr/sbin" if "sbin" in line else "usr/bin"
        if name not in ("busybox", "linuxrc"):
            (target / folder / name).symlink_to("/usr/bin/busybox")


def _install_program(packages: Path, program: str, target: Path) -> None:
    """Copy it and the libraries its own loader names, found by running that loader inside the packages."""
    inside = "/" + str(find_program(packages, program).relative_to(packages))
    loader = next(packages.glob("lib64/ld-linux-*"), None) or next(packages.glob("usr/lib64/ld-linux-*"))
    listing = run(["chroot", str(packages), "/" + str(loader.relative_to(packages)), "--list", inside]).decode()
    for path in (inside, *_LIBRARY.findall(listing)):
        source = Path(path)
        place = target / ("usr" / source.relative_to("/") if source.parts[1] != "usr" else source.relative_to("/"))
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        shutil.copy(_resolve(packages, source), place)


def find_program(packages: Path, program: str) -> Path:
    """A file by its absolute name in a tree whose /bin may or may not be /usr/bin."""
    for name in (program, f"/usr{program}", program.removeprefix("/usr")):
        path = packages / name.lstrip("/")
        if path.is_file():
            return path
    raise FileNotFoundError(program)


def _resolve(packages: Path, path: Path) -> Path:
    """Follow links as the tree's own root would: absolute links stay inside it."""
    place = packages / path.relative_to("/")
    for _ in range(8):
        if not place.is_symlink():
            return place
        link = place.readlink()
        place = packages / link.relative_to("/") if link.is_absolute() else place.parent / link
    raise FileNotFoundError(path)
