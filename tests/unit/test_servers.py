"""The daemon's listening sockets."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.config import Config
from orchestrator.errors import VmssError
from orchestrator.servers import Listeners, open_listeners


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


@pytest.fixture
def listeners(tmp_path: Path) -> Iterator[Listeners]:
    config = Config(
        socket=tmp_path / "run" / "vmssd.sock",
        listen=f"127.0.0.1:{free_port()}",
        https_listen=f"127.0.0.1:{free_port()}",
    )
    made = open_listeners(config)
    yield made
    for each in (made.local, made.plain, made.https):
        assert each is not None
        each.close()


def test_a_ports_answers_do_not_wait_for_a_delayed_acknowledgement(listeners: Listeners) -> None:
    for port in (listeners.plain, listeners.https):
        assert port is not None
        with socket.create_connection(port.getsockname()):
            port.setblocking(True)
            accepted, _ = port.accept()
            with accepted:
                assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1


def test_the_local_socket_is_for_its_owner_alone(listeners: Listeners) -> None:
    path = Path(listeners.local.getsockname())
    assert path.stat().st_mode & 0o777 == 0o600


def test_doors_that_are_not_configured_are_not_there(tmp_path: Path) -> None:
    made = open_listeners(Config(socket=tmp_path / "vmssd.sock", https_listen=None))
    assert (made.plain, made.https) == (None, None)
    made.local.close()


def test_a_port_that_is_taken_leaves_the_socket_of_another_daemon_alone(tmp_path: Path) -> None:
    path = tmp_path / "vmssd.sock"
    path.write_text("another's")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config = Config(socket=path, https_listen=f"127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(VmssError, match="'https_listen' cannot be had"):
            open_listeners(config)
    assert path.read_text() == "another's"


@pytest.mark.parametrize(
    "changes",
    [
        {"https_listen": "8443"},
        {"https_listen": "localhost:8443"},
        {"https_listen": "127.0.0.1:0"},
        {"listen": "0.0.0.0:8080"},
        {"https_names": ["a b"]},
        {"https_names": ["*.example"]},
        {"https_names": [""]},
        {"tenant_id": "contoso"},
        {"token_lifetime_s": 1},
        {"reads_per_minute": 0},
    ],
    ids=str,
)
def test_a_configuration_of_doors_that_cannot_be_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(changes))):
        Config.model_validate(changes)


@pytest.mark.parametrize(
    ("listen", "url", "names"),
    [
        (None, None, set()),
        ("127.0.0.1:8443", "https://localhost:8443", set()),
        ("[::1]:1", "https://localhost:1", set()),
        ("0.0.0.0:8443", "https://localhost:8443", set()),
        ("10.1.2.3:8443", "https://10.1.2.3:8443", {"10.1.2.3"}),
        ("[fd00::1]:8443", "https://[fd00::1]:8443", {"fd00::1"}),
    ],
)
def test_an_address_beyond_loopback_is_a_name_that_the_certificate_has(
    listen: str | None, url: str | None, names: set[str]
) -> None:
    config = Config(https_listen=listen, https_names=("VMSS.example",))
    assert config.https_url == url
    assert config.names_served == names | {"vmss.example"}
