"""Guests of both kinds, guests with each way to fetch files, and a web server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.guests.access.access import Access, accessing
from tests.guests.access.stand_in_guest import Kind
from tests.guests.web_server import WebServer, serving


@pytest.fixture(scope="module", params=["dropbear", "openssh"])
def access(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Access]:
    yield from accessing(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module", params=["netcat", "curl", "wget"])
def fetching(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Access]:
    """A guest for each way to fetch files."""
    kind: Kind = "dropbear" if request.param == "netcat" else "openssh"
    hidden = ("curl",) if request.param == "wget" else ()
    yield from accessing(kind, tmp_path_factory.mktemp(request.param), hidden)


@pytest.fixture
def web() -> Iterator[WebServer]:
    with serving() as server:
        yield server
