from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from orchestrator.cli.endpoint import Endpoint, find_endpoint
from orchestrator.errors import BadInput


@contextmanager
def listening(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen(1)
        yield


def found(tmp_path: Path, environment: dict[str, str] | None = None) -> Endpoint:
    return find_endpoint(
        None, None, environment or {}, default_socket=tmp_path / "default.sock", labs_dir=tmp_path / "labs"
    )


def test_a_flag_wins_over_the_environment() -> None:
    environment = {"VMSS_SOCKET": "/e.sock", "VMSS_ENDPOINT": "http://127.0.0.1:1"}
    assert find_endpoint("/flag.sock", None, environment).socket_path == Path("/flag.sock")
    by_url = find_endpoint(None, "http://127.0.0.1:9/", environment)
    assert (by_url.base_url, by_url.socket_path) == ("http://127.0.0.1:9", None)


def test_both_flags_at_once_are_refused() -> None:
    with pytest.raises(BadInput, match="exclude each other"):
        find_endpoint("/x", "http://y", {})


def test_an_endpoint_must_be_a_url() -> None:
    with pytest.raises(BadInput, match="VMSS_ENDPOINT"):
        find_endpoint(None, None, {"VMSS_ENDPOINT": "127.0.0.1:80"})


def test_the_environment_wins_over_what_is_found(tmp_path: Path) -> None:
    with listening(tmp_path / "default.sock"):
        assert found(tmp_path, {"VMSS_SOCKET": "/e.sock"}).socket_path == Path("/e.sock")


def test_a_default_socket_that_answers_wins_over_a_lab(tmp_path: Path) -> None:
    with listening(tmp_path / "default.sock"), listening(tmp_path / "labs/lab/vmssd.sock"):
        assert found(tmp_path).socket_path == tmp_path / "default.sock"


def test_without_a_daemon_at_the_default_the_only_lab_is_used(tmp_path: Path) -> None:
    with listening(tmp_path / "labs/one/vmssd.sock"):
        endpoint = found(tmp_path)
    assert endpoint.socket_path == tmp_path / "labs/one/vmssd.sock"
    assert "one" in endpoint.why


def test_a_socket_file_that_nobody_listens_on_is_not_a_daemon(tmp_path: Path) -> None:
    with listening(tmp_path / "default.sock"), listening(tmp_path / "labs/dead/vmssd.sock"):
        pass
    with listening(tmp_path / "labs/live/vmssd.sock"):
        assert found(tmp_path).socket_path == tmp_path / "labs/live/vmssd.sock"


def test_several_labs_are_named_and_none_is_guessed(tmp_path: Path) -> None:
    with ExitStack() as stack:
        for name in ("a", "b"):
            stack.enter_context(listening(tmp_path / f"labs/{name}/vmssd.sock"))
        with pytest.raises(BadInput, match="a, b"):
            found(tmp_path)


def test_with_nothing_up_the_error_will_name_the_default(tmp_path: Path) -> None:
    assert found(tmp_path).socket_path == tmp_path / "default.sock"
