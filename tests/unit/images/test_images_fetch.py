"""Fetching an image from a path or a URL. The web server is a real one on loopback."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from orchestrator.errors import ImageError
from orchestrator.images.fetch import fetch

CONTENT = bytes(range(256)) * 5000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class _Pages(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        place = {"/moved": "/disk", "/to-file": "file:///etc/passwd", "/round": "/round"}.get(self.path)
        if place:
            self.send_response(302)
            self.send_header("Location", place)
            self.end_headers()
        elif self.path == "/cut":
            self.send_response(200)
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            self.wfile.write(CONTENT[:1000])
        else:
            self.send_response(200 if self.path == "/disk" else 404)
            self.end_headers()
            # The client hangs up in the middle when it has had enough.
            with suppress(ConnectionError):
                self.wfile.write(CONTENT)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Pages) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("page", ["/disk", "/moved"])
def test_a_url_is_fetched_also_behind_a_redirect(site: str, tmp_path: Path, page: str) -> None:
    fetch(site + page, tmp_path / "disk", SHA256.upper())
    assert (tmp_path / "disk").read_bytes() == CONTENT


@pytest.mark.parametrize("form", ["{}", "file://{}"])
def test_a_path_and_a_file_url_are_copied(tmp_path: Path, form: str) -> None:
    (tmp_path / "a disk").write_bytes(CONTENT)
    fetch(form.format(tmp_path / "a disk"), tmp_path / "copy", SHA256)
    assert (tmp_path / "copy").read_bytes() == CONTENT


def test_a_checksum_that_differs_leaves_nothing_behind(site: str, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="sha256") as refused:
        fetch(f"{site}/disk", tmp_path / "disk", "0" * 64)
    assert refused.value.code == "ImageDamaged"
    assert not (tmp_path / "disk").exists()


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        ("/nothing", "HTTP 404"),
        ("/to-file", "redirect leads from http to file"),
        ("/round", "More than 5 redirects"),
        ("/cut", "could not be fetched"),
    ],
)
def test_a_bad_answer_is_told_and_leaves_nothing_behind(site: str, tmp_path: Path, page: str, reason: str) -> None:
    with pytest.raises(ImageError, match=reason):
        fetch(site + page, tmp_path / "disk", SHA256)
    assert not (tmp_path / "disk").exists()


def test_more_bytes_than_allowed_are_not_taken(site: str, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="larger than 1000 bytes"):
        fetch(f"{site}/disk", tmp_path / "disk", SHA256, max_bytes=1000)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("ftp://host/disk", "'ftp' URLs are not fetched"),
        ("file://elsewhere/disk", "another machine"),
        ("/no/such/file", "no file"),
        ("http://127.0.0.1:1/disk", "could not be fetched"),
        ("http://[", "not a URL"),
    ],
)
def test_a_source_that_cannot_be_read_is_told(tmp_path: Path, source: str, reason: str) -> None:
    with pytest.raises(ImageError, match=reason):
        fetch(source, tmp_path / "disk", SHA256)
