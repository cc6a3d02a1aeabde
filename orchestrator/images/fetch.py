"""Bringing a file here, from a path or a URL, and holding it against its checksum while it comes in."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import httpx

from orchestrator.errors import ImageError

MAX_DOWNLOAD_BYTES = 64 * 1024**3
MAX_REDIRECTS = 5

_CHUNK_BYTES = 1024 * 1024
_TIMEOUT = httpx.Timeout(30.0)


def fetch(source: str | Path, target: Path, sha256: str, max_bytes: int = MAX_DOWNLOAD_BYTES) -> None:
    """Copy ``source`` (a path, or a file, http or https URL) to ``target``.

    Raises ``ImageError`` when it cannot be had, is larger than ``max_bytes``, or its checksum differs
    (ImageDamaged); then ``target`` is not left behind.
    """
    digest, size = hashlib.sha256(), 0
    try:
        with target.open("wb") as file:
            for chunk in _chunks(str(source)):
                size += len(chunk)
                if size > max_bytes:
                    raise ImageError(f"'{source}' is larger than {max_bytes} bytes.", code="ImageNotAllowed")
                digest.update(chunk)
                file.write(chunk)
        if digest.hexdigest() != sha256.lower():
            raise ImageError(
                f"The sha256 of '{source}' is {digest.hexdigest()} and not {sha256.lower()}.", code="ImageDamaged"
            )
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def _chunks(source: str) -> Iterator[bytes]:
    try:
        parts = urlsplit(source)
    except ValueError as error:
        raise ImageError(f"'{source}' is not a URL: {error}.", code="ImageNotAllowed") from error
    if parts.scheme in ("http", "https"):
        return _from_web(httpx.URL(source))
    if parts.scheme == "file":
        if parts.netloc not in ("", "localhost"):
            raise ImageError(f"'{source}' names a file of another machine.", code="ImageNotAllowed")
        return _from_file(Path(unquote(parts.path)))
    if "://" in source:
        raise ImageError(
            f"'{parts.scheme}' URLs are not fetched; only https, http and file.", code="ImageNotAllowed"
        )
    return _from_file(Path(source))


def _from_file(path: Path) -> Iterator[bytes]:
    if not path.is_file():
        raise ImageError(f"There is no file '{path}'.")
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                yield chunk
    except OSError as error:
        raise ImageError(f"'{path}' cannot be read: {error.strerror}.") from error


def _from_web(url: httpx.URL) -> Iterator[bytes]:
    """Follow redirects ourselves: never to another scheme, so https stays https and a file is never named."""
    scheme = url.scheme
    try:
        with httpx.Client(timeout=_TIMEOUT, headers={"accept-encoding": "identity"}) as client:
            for _ in range(MAX_REDIRECTS + 1):
                with client.stream("GET", url) as response:
                    if not response.has_redirect_location:
                        if response.status_code != 200:
                            raise ImageError(f"'{url}' answered with HTTP {response.status_code}.")
                        yield from response.iter_raw(_CHUNK_BYTES)
                        return
                    url = url.join(response.headers["location"])
                if url.scheme != scheme:
                    raise ImageError(f"A redirect leads from {scheme} to {url.scheme}.", code="ImageNotAllowed")
            raise ImageError(f"More than {MAX_REDIRECTS} redirects, the last to '{url}'.")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ImageError(f"'{url}' could not be fetched: {error or type(error).__name__}.") from error
