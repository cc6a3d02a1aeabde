"""Building an image from its recipe: ``python -m orchestrator.images.build micro`` or ``build()``.

Only mmdebstrap and packages of Debian (or Ubuntu) are used; nothing else is fetched.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.errors import ImageError, VmssError
from orchestrator.images.bootstrap import Say, bootstrap
from orchestrator.images.catalogue import DISK, INITRD, KERNEL, Catalogue
from orchestrator.images.disk import make_disk, make_initramfs, sha256_of
from orchestrator.images.kernel import module_order, unpack_kernel
from orchestrator.images.micro_root import find_program, make_micro_root
from orchestrator.images.recipes import Recipe, initramfs_folder, load_recipe
from orchestrator.images.suites import Suite, machine_suite
from orchestrator.images.system_root import finish_system_root
from orchestrator.images.versions import ImageVersion
from orchestrator.model.guest import Boot

DEFAULT_FOLDER = Path("/var/lib/vmss/images")
_MIB = 1024 * 1024


def build(name: str, catalogue: Catalogue, say: Say = print, force: bool = False) -> ImageVersion:
    """Build an image and put it into the catalogue as a new version, or return the one already built.

    Built again only when the recipe, the builder or the suite has changed, or with ``force``. Needs root.
    Raises ``ImageError`` with the failing tool's own words.
    """
    recipe = load_recipe(name)
    suite = machine_suite(recipe.suite)
    fingerprint = recipe.fingerprint(f"{suite.distribution}/{suite.name}")
    versions = [image for image in catalogue.list() if image.name == name]
    if versions and versions[0].recipe_fingerprint == fingerprint and not force:
        say(f"{name} {versions[0].version} is built already")
        return versions[0]
    if os.geteuid() != 0:
        raise ImageError("Images are built as root: their files belong to root.", code="ImageNotAllowed")
    started = time.monotonic()
    with catalogue.workspace() as work:
        staged = _make_files(recipe, suite, work, say)
        version = catalogue.next_version(name, *recipe.version)
        image = _describe(recipe, fingerprint, staged, version)
        catalogue.publish(image, staged)
    say(f"{name} {image.version} is built: {image.size_bytes // _MIB} MiB, {time.monotonic() - started:.0f} s")
    return image


def _make_files(recipe: Recipe, suite: Suite, work: Path, say: Say) -> Path:
    """Make disk, kernel and initrd in a new folder below ``work`` and return it."""
    staged = work / "staged"
    staged.mkdir()
    boot_packages = work / "boot"
    say(f"kernel of {suite.distribution} {suite.name}")
    bootstrap(suite, boot_packages, [recipe.kernel[suite.distribution], "busybox-static"], "extract", say)
    _make_boot_files(recipe, boot_packages, work, staged, say)
    root = _make_root(recipe, suite, boot_packages, work, say)
    say("disk")
    make_disk(root, staged / DISK, recipe.disk_mib)
    return staged


def _make_boot_files(recipe: Recipe, packages: Path, work: Path, staged: Path, say: Say) -> None:
    images = sorted(packages.glob("boot/vmlinuz-*"))
    if not images:
        raise ImageError(f"The package of the kernel of '{recipe.name}' holds no kernel.")
    (staged / KERNEL).write_bytes(unpack_kernel(images[-1].read_bytes()))
    modules = module_order(packages, recipe.modules)
    say(f"{images[-1].name}, drivers: {', '.join(name for name, _ in modules)}")
    busybox = find_program(packages, "/bin/busybox")
    make_initramfs(initramfs_folder() / "init", busybox, modules, work, staged / INITRD)


def _make_root(recipe: Recipe, suite: Suite, boot_packages: Path, work: Path, say: Say) -> Path:
    say("root file system")
    root, wanted = work / "root", recipe.packages_for(suite.distribution)
    if recipe.kind == "system":
        bootstrap(suite, root, wanted, "minbase", say)
        finish_system_root(root, boot_packages, recipe.folder / "root", recipe.enabled, recipe.masked)
    else:
        packages = work / "packages"
        bootstrap(suite, packages, wanted, "extract", say)
        make_micro_root(packages, recipe.folder / "root", recipe.programs, root)
    return root


def _describe(recipe: Recipe, fingerprint: str, staged: Path, version: str) -> ImageVersion:
    return ImageVersion(
        name=recipe.name,
        publisher=recipe.publisher,
        offer=recipe.offer,
        sku=recipe.sku,
        version=version,
        os_name=recipe.os_name,
        architecture=platform.machine(),
        login_user=recipe.login_user,
        size_bytes=(staged / DISK).stat().st_size,
        virtual_size_bytes=recipe.disk_mib * _MIB,
        sha256=sha256_of(staged / DISK),
        boot=Boot.DIRECT_KERNEL,
        created_at=datetime.now(UTC).replace(microsecond=0),
        kernel_sha256=sha256_of(staged / KERNEL),
        initrd_sha256=sha256_of(staged / INITRD),
        kernel_cmdline=recipe.cmdline,
        recipe_fingerprint=fingerprint,
    )


def main() -> int:
    """The builder by itself, for scripts that set up a machine before the daemon runs."""
    parser = argparse.ArgumentParser(prog="python -m orchestrator.images.build", description="Build a base image.")
    parser.add_argument("name", nargs="+")
    parser.add_argument("--folder", type=Path, default=DEFAULT_FOLDER, help="the catalogue")
    parser.add_argument("--force", action="store_true", help="build again even when nothing has changed")
    arguments = parser.parse_args()
    try:
        for name in arguments.name:
            build(name, Catalogue(arguments.folder), force=arguments.force)
    except VmssError as error:
        print(error.message, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
