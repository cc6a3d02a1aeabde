"""Making things in a folder that others read at the same time: whole or not at all, and durable."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PREFIX = ".work-"


@contextmanager
def workspace(folder: Path) -> Iterator[Path]:
    """A hidden folder on the same file system as ``folder``; what stays in it is deleted.

    It is locked while its maker lives. What a killed maker left behind is cleared by the next one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _lock(folder):
        _clear_abandoned(folder)
        work = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=folder))
        held = _try_lock(work)
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)
        if held is not None:
            os.close(held)


def _clear_abandoned(folder: Path) -> None:
    for path in folder.glob(f"{_PREFIX}*"):
        held = _try_lock(path)
        if held is not None:
            shutil.rmtree(path, ignore_errors=True)
            os.close(held)


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _try_lock(folder: Path) -> int | None:
    """Lock a folder for as long as the descriptor is open; ``None`` when another process has it."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def move_durably(staged: Path, target: Path) -> None:
    """Flush a folder of files and give it its final name. ``OSError`` when that name is taken."""
    staged.chmod(0o755)
    for path in staged.iterdir():
        path.chmod(0o644)
        flush(path)
    flush(staged)
    target.parent.mkdir(parents=True, exist_ok=True)
    staged.rename(target)
    flush(target.parent)
    flush(target.parent.parent)


def write_durably(path: Path, text: str) -> None:
    """Replace a file by a rename, so that no reader sees half of it."""
    descriptor, beside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    Path(beside).replace(path)
    path.chmod(0o644)


def flush(path: Path) -> None:
    """Put a file or a folder's list of names on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
