"""The catalogue: a folder NAME/VERSION per image version, holding disk.qcow2, image.json and, for direct boot,
kernel and initrd. A version appears whole, by a rename, or not at all.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator.errors import ImageError
from orchestrator.images.disk import sha256_of
from orchestrator.images.versions import NAME, VERSION, ImageVersion, Urn
from orchestrator.model.guest import Boot, ImageFiles

DISK, KERNEL, INITRD, DESCRIPTION = "disk.qcow2", "kernel", "initrd", "image.json"
_CHECKED = ".checked.json"
_WORK_PREFIX = ".work-"


class Catalogue:
    """Images on the daemon's machine. Every method reads the folder anew: the builder is another process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def list(self) -> list[ImageVersion]:
        """Every version of every image, by name, the newest version first."""
        found = [_read(path.parent) for path in self.folder.glob(f"[!.]*/*/{DESCRIPTION}")]
        return sorted(sorted(found, key=lambda image: image.number, reverse=True), key=lambda image: image.name)

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
        parts = (publisher.lower(), offer.lower(), sku.lower())
        matching = [i for i in self.list() if (i.publisher.lower(), i.offer.lower(), i.sku.lower()) == parts]
        return _pick(matching, wanted.version, str(wanted))

    def resolve_alias(self, name: str, version: str = "latest") -> ImageVersion:
        """The version of the image with that short name."""
        matching = [image for image in self.list() if image.name == name.lower()]
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
        for name, expected in ((DISK, image.sha256), (KERNEL, image.kernel_sha256), (INITRD, image.initrd_sha256)):
            if expected is None:
                continue
            stat = (folder / name).stat()
            mark = [expected, stat.st_size, stat.st_mtime_ns]
            if checked.get(name) == mark:
                continue
            if sha256_of(folder / name) != expected:
                raise ImageError(
                    f"The file '{name}' of image '{image.name}' {image.version} is not what its checksum says.",
                    code="ImageDamaged",
                )
            checked[name] = mark
        write_durably(folder / _CHECKED, json.dumps(checked))

    def remove(self, name: str, version: str | None = None) -> None:
        """Forget one version of an image, or all. Guests keep what their host already holds."""
        doomed = [i for i in self.list() if i.name == name.lower() and version in (None, i.version)]
        if not doomed:
            raise ImageError(f"There is no image '{name}'{f' of version {version}' if version else ''}.")
        for image in doomed:
            folder = self._version_folder(image.name, image.version)
            trash = Path(tempfile.mkdtemp(prefix=_WORK_PREFIX, dir=self.folder))
            folder.rename(trash / "removed")
            shutil.rmtree(trash)
        parent = self.folder / name.lower()
        if not any(parent.iterdir()):
            parent.rmdir()

    @contextmanager
    def workspace(self) -> Iterator[Path]:
        """A folder on the catalogue's own file system to make a version in; whatever stays there is deleted."""
        self.folder.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=_WORK_PREFIX, dir=self.folder))
        try:
            yield work
        finally:
            shutil.rmtree(work, ignore_errors=True)

    def publish(self, image: ImageVersion, staged: Path) -> ImageVersion:
        """Make ``staged`` (a folder inside a workspace, holding the files) this version, at once and durably."""
        write_durably(staged / DESCRIPTION, image.to_json())
        staged.chmod(0o755)
        for path in staged.iterdir():
            path.chmod(0o644)
            _flush(path)
        _flush(staged)
        target = self._version_folder(image.name, image.version)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            staged.rename(target)
        except OSError as error:
            raise ImageError(
                f"Image '{image.name}' {image.version} exists already.", code="ImageNotAllowed"
            ) from error
        _flush(target.parent)
        return image

    def _version_folder(self, name: str, version: str) -> Path:
        if not NAME.match(name) or not VERSION.match(version):
            raise ImageError(f"There is no image '{name}' {version}.")
        return self.folder / name / version


def _read(folder: Path) -> ImageVersion:
    image = ImageVersion.from_json((folder / DESCRIPTION).read_text())
    if (image.name, image.version) != (folder.parent.name, folder.name):
        raise ImageError(f"The folder {folder} describes another image, '{image.name}'.", code="ImageDamaged")
    return image


def _pick(matching: list[ImageVersion], version: str, asked: str) -> ImageVersion:
    if version.lower() != "latest":
        matching = [image for image in matching if image.version == version]
    if not matching:
        raise ImageError(f"There is no image '{asked}' in the catalogue.")
    return max(matching, key=lambda image: image.number)


def _read_checked(folder: Path) -> dict[str, list[object]]:
    try:
        marks: dict[str, list[object]] = json.loads((folder / _CHECKED).read_text())
    except (OSError, ValueError):
        return {}
    return marks


def write_durably(path: Path, text: str) -> None:
    """Replace a file by a rename, so that no reader sees half of it."""
    beside = path.with_name(f"{path.name}.{os.getpid()}.new")
    beside.write_text(text)
    _flush(beside)
    beside.replace(path)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
