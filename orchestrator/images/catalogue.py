"""The catalogue: a folder NAME/VERSION per image version, holding disk.qcow2, image.json and, for direct boot,
kernel and initrd. A version appears whole, by a rename, or not at all.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.errors import ImageError
from orchestrator.images.disk import sha256_of
from orchestrator.images.fetch import fetch
from orchestrator.images.qcow2 import inspect
from orchestrator.images.versions import NAME, VERSION, ImageVersion, Urn
from orchestrator.images.workspace import move_durably, workspace, write_durably
from orchestrator.model.guest import Boot, ImageFiles

DISK, KERNEL, INITRD, DESCRIPTION = "disk.qcow2", "kernel", "initrd", "image.json"
_CHECKED = ".checked.json"


class Catalogue:
    """Images on the daemon's machine. Every method reads the folder anew: the builder is another process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def list(self) -> list[ImageVersion]:
        """Every readable version of every image, by name, the newest version first."""
        found = [image for image in map(_try_read, self._descriptions()) if isinstance(image, ImageVersion)]
        return sorted(sorted(found, key=lambda image: image.number, reverse=True), key=lambda image: image.name)

    def damaged(self) -> tuple[str, ...]:
        """One sentence for each version whose description cannot be read; such a version is not listed."""
        read = map(_try_read, self._descriptions())
        return tuple(found.message for found in read if isinstance(found, ImageError))

    def show(self, name_or_urn: str) -> ImageVersion:
        """The version meant by an alias (``micro``), an alias with a version (``micro:1.0.0``) or a URN."""
        if name_or_urn.count(":") >= 2:
            urn = Urn.parse(name_or_urn)
            return self.resolve(urn.publisher, urn.offer, urn.sku, urn.version)
        name, _, version = name_or_urn.partition(":")
        return self.resolve_alias(name, version or "latest")

    def resolve(self, publisher: str, offer: str, sku: str, version: str = "latest") -> ImageVersion:
        """The version an Azure ``imageReference`` means; ``latest`` is the highest number now."""
        wanted = Urn(publisher, offer, sku, version)
        return _pick([i for i in self.list() if i.key == wanted.key], wanted.version, str(wanted))

    def resolve_alias(self, name: str, version: str = "latest") -> ImageVersion:
        """The version of the image with that short name. A damaged newest one is an error, not skipped."""
        name = name.lower()
        folders = [path for path in self._descriptions() if path.parent.parent.name == name]
        if version.lower() != "latest":
            folders = [path for path in folders if path.parent.name == version]
        matching = [_read(path) for path in folders]
        return _pick(matching, version, name if version == "latest" else f"{name}:{version}")

    def files(self, image: ImageVersion) -> ImageFiles:
        """Where the files are and what they must be, for the hosts. Raises ``ImageError`` if one is missing."""
        folder = self._version_folder(image.name, image.version)
        is_direct = image.boot is Boot.DIRECT_KERNEL
        for name in (DISK, KERNEL, INITRD) if is_direct else (DISK,):
            if not (folder / name).is_file():
                raise ImageError(
                    f"Image '{image.name}' {image.version} lacks its file '{name}'.", code="ImageDamaged"
                )
        return ImageFiles(
            disk_path=str(folder / DISK),
            disk_sha256=image.sha256,
            virtual_size_bytes=image.virtual_size_bytes,
            boot=image.boot,
            kernel_path=str(folder / KERNEL) if is_direct else None,
            kernel_sha256=image.kernel_sha256,
            initrd_path=str(folder / INITRD) if is_direct else None,
            initrd_sha256=image.initrd_sha256,
            kernel_cmdline=image.kernel_cmdline,
        )

    def verify(self, image: ImageVersion) -> None:
        """Compare every file with its sha256; raises ``ImageError`` (ImageDamaged) for one that differs.

        A file found right is remembered with its size and time of change, and not read again while they stay.
        """
        self.files(image)
        folder = self._version_folder(image.name, image.version)
        checked = _read_checked(folder)
        marks = dict(checked)
        for name, expected in ((DISK, image.sha256), (KERNEL, image.kernel_sha256), (INITRD, image.initrd_sha256)):
            if expected is None:
                continue
            stat = (folder / name).stat()
            marks[name] = [expected, stat.st_size, stat.st_mtime_ns]
            if checked.get(name) != marks[name] and sha256_of(folder / name) != expected:
                raise ImageError(
                    f"The file '{name}' of image '{image.name}' {image.version} is not what its checksum says.",
                    code="ImageDamaged",
                )
        if marks != checked:
            write_durably(folder / _CHECKED, json.dumps(marks))

    def add(
        self,
        name: str,
        source: str | Path,
        sha256: str,
        *,
        boot: Boot = Boot.BIOS,
        urn: Urn | None = None,
        login_user: str = "root",
        os_name: str = "linux",
        say: Callable[[str], None] = lambda line: None,
    ) -> ImageVersion:
        """Take in a qcow2 image from a path or a file, http or https URL.

        Its checksum is required. Refused with ``ImageError``: a checksum that differs, another format, a
        backing file or data file inside, a virtual size over 2 TiB, a version that is there already. Without
        ``urn`` it is ``local:NAME:NAME``; without a version it is the next of this name.
        """
        if boot is Boot.DIRECT_KERNEL:
            raise ImageError(
                "Only images built here boot a kernel directly; give bios or uefi.", code="ImageNotAllowed"
            )
        urn = urn or Urn("local", name, name)
        version = self.next_version(name, 1, 0) if urn.version.lower() == "latest" else urn.version
        image = ImageVersion(
            name=name, publisher=urn.publisher, offer=urn.offer, sku=urn.sku, version=version, os_name=os_name,
            architecture=platform.machine(), login_user=login_user, size_bytes=0, virtual_size_bytes=0,
            sha256=sha256.lower(), boot=boot, created_at=datetime.now(UTC).replace(microsecond=0),
        )  # fmt: skip
        if self._version_folder(name, version).exists():
            raise ImageError(f"Image '{name}' {version} exists already.", code="ImageNotAllowed")
        with self.workspace() as work:
            staged = work / "staged"
            staged.mkdir()
            say(f"fetching {source}")
            fetch(source, staged / DISK, image.sha256)
            size = (staged / DISK).stat().st_size
            image = replace(image, size_bytes=size, virtual_size_bytes=inspect(staged / DISK))
            return self.publish(image, staged)

    def remove(self, name: str, version: str | None = None) -> None:
        """Forget one version of an image, or all. Guests keep what their host already holds."""
        wanted = [path.parent for path in self._descriptions() if path.parent.parent.name == name.lower()]
        doomed = [folder for folder in wanted if version in (None, folder.name)]
        if not doomed:
            raise ImageError(f"There is no image '{name}'{f' of version {version}' if version else ''}.")
        for folder in doomed:
            with self.workspace() as work:
                folder.rename(work / "removed")
        if len(doomed) == len(wanted):
            wanted[0].parent.rmdir()

    def next_version(self, name: str, major: int, minor: int) -> str:
        """``major.minor`` and the number after the highest there is."""
        taken = [
            image.number[2] for image in self.list() if image.name == name and image.number[:2] == (major, minor)
        ]
        return f"{major}.{minor}.{max(taken, default=-1) + 1}"

    def workspace(self) -> AbstractContextManager[Path]:
        """A folder to make a version in, for ``publish``."""
        return workspace(self.folder)

    def publish(self, image: ImageVersion, staged: Path) -> ImageVersion:
        """Make ``staged`` (a folder inside a workspace, holding the files) this version, at once and durably."""
        write_durably(staged / DESCRIPTION, image.to_json())
        try:
            move_durably(staged, self._version_folder(image.name, image.version))
        except OSError as error:
            raise ImageError(
                f"Image '{image.name}' {image.version} exists already.", code="ImageNotAllowed"
            ) from error
        return image

    def _descriptions(self) -> tuple[Path, ...]:
        return tuple(sorted(self.folder.glob(f"[!.]*/*/{DESCRIPTION}")))

    def _version_folder(self, name: str, version: str) -> Path:
        if not NAME.fullmatch(name) or not VERSION.fullmatch(version):
            raise ImageError(f"There is no image '{name}' {version}.")
        return self.folder / name / version


def _read(path: Path) -> ImageVersion:
    try:
        image = ImageVersion.from_json(path.read_text())
    except ImageError as error:
        raise ImageError(f"{path.parent}: {error.message}", code="ImageDamaged") from error
    if (image.name, image.version) != (path.parent.parent.name, path.parent.name):
        raise ImageError(
            f"{path.parent} describes another image, {image.name} {image.version}.", code="ImageDamaged"
        )
    return image


def _try_read(path: Path) -> ImageVersion | ImageError:
    try:
        return _read(path)
    except ImageError as error:
        return error


def _pick(matching: list[ImageVersion], version: str, asked: str) -> ImageVersion:
    if version.lower() != "latest":
        matching = [image for image in matching if image.version == version]
    if not matching:
        raise ImageError(f"There is no image '{asked}' in the catalogue.")
    return max(matching, key=lambda image: image.number)


def _read_checked(folder: Path) -> dict[str, list[object]]:
    try:
        marks = json.loads((folder / _CHECKED).read_text())
    except (OSError, ValueError):
        return {}
    return marks if isinstance(marks, dict) else {}
