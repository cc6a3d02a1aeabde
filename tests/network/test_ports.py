"""Whether a port is taken, on loopback and in another network namespace."""

from __future__ import annotations

import os
import socket

import pytest
from test_one_to_one import Namespace, namespace  # noqa: F401

from orchestrator.network.ports import is_taken


def test_a_port_is_taken_while_somebody_listens_there_and_only_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert is_taken("127.0.0.1", port)
        assert not is_taken("127.0.0.2", port)
    assert not is_taken("127.0.0.1", port)


def test_an_address_that_is_not_here_has_no_port_that_is_taken() -> None:
    assert not is_taken("203.0.113.9", 80)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_another_network_namespace_is_looked_at_from_this_one(namespace: Namespace) -> None:  # noqa: F811
    server = namespace.run(lambda: socket.create_server(("10.99.0.1", 0)))
    port = server.getsockname()[1]
    assert is_taken("10.99.0.1", port, namespace.fd)
    assert not is_taken("10.99.0.1", port)
    server.close()
    assert not is_taken("10.99.0.1", port, namespace.fd)
