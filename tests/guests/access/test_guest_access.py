"""Reaching real SSH servers, dropbear with busybox and OpenSSH with Debian's programs; probes from inside."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import GuestUnreachable, HostKeyMismatch
from orchestrator.guest.seed import make_host_key
from orchestrator.model.health import Health, ProbeSettings
from tests.guests.access.access import Access, guests_at
from tests.guests.web_server import Answer, WebServer, serving

pytestmark = pytest.mark.real


def test_a_guest_that_shows_another_host_key_is_never_logged_in_to(access: Access) -> None:
    _, other_key = make_host_key()
    address = replace(access.guest.address, key="impostor", host_key_public=other_key)
    with pytest.raises(HostKeyMismatch):
        access.wait(access.guests.run_script(address, access.request("true")))
    with pytest.raises(HostKeyMismatch):
        access.wait(access.guests.probe(address, ProbeSettings("tcp", access.guest.port), "inside"))


def test_a_guest_that_does_not_know_the_key_yet_is_worth_another_try(access: Access) -> None:
    private, _ = make_host_key()
    guests = guests_at(access.guest.port, private)
    with pytest.raises(GuestUnreachable, match="does not accept the daemon's key"):
        access.wait(guests.run_script(access.guest.address, access.request("true")))
    access.wait(guests.close())


def test_a_guest_answers_when_its_ssh_server_shows_a_banner(access: Access) -> None:
    assert access.wait(access.guests.is_answering(access.guest.address))
    access.guest.stop()
    assert not access.wait(access.guests.is_answering(access.guest.address))
    with pytest.raises(GuestUnreachable):
        access.run(access.request("true"))
    access.guest.start()


def test_one_connection_serves_scripts_and_probes_until_the_guest_is_forgotten(access: Access) -> None:
    settings = ProbeSettings("tcp", access.guest.port)

    def connections() -> int:
        word = "-2 " if access.guest.kind == "dropbear" else "sshd: root@"
        return sum(1 for line in access.guest.process_files("cmdline") if word in line)

    access.renew()
    access.until(lambda: connections() == 0)
    for _ in range(3):
        assert access.wait(access.guests.probe(access.guest.address, settings, "inside")).health is Health.HEALTHY
        access.run(access.request("true"))
    assert connections() == 1
    access.wait(access.guests.forget(access.guest.address.key))
    access.until(lambda: connections() == 0)


# --- probes from inside


def test_a_probe_from_inside_asks_the_guests_own_localhost(access: Access, web: WebServer) -> None:
    web.answers["/health"] = lambda earlier: Answer(500 if earlier else 200)
    settings = ProbeSettings("http", web.port, "/health")
    results = [access.wait(access.guests.probe(access.guest.address, settings, "inside")) for _ in range(2)]
    assert [(each.health, each.detail) for each in results] == [
        (Health.HEALTHY, "HTTP 200"),
        (Health.UNHEALTHY, "HTTP 500"),
    ]
    assert web.asked[0][1]["Host"] == f"localhost:{web.port}"


def test_a_probe_from_inside_speaks_tls_without_asking_for_a_name(access: Access, tmp_path: Path) -> None:
    with serving(tmp_path) as web:
        web.answers["/health"] = Answer(200, b'{"ApplicationHealthState": "Unhealthy"}')
        settings = ProbeSettings("https", web.port, "/health", is_rich=True)
        result = access.wait(access.guests.probe(access.guest.address, settings, "inside"))
        assert (result.health, result.detail) == (Health.UNHEALTHY, "HTTP 200, Unhealthy")


@pytest.mark.parametrize("protocol", ["tcp", "http"])
def test_a_port_where_nothing_listens_is_unhealthy_from_inside(access: Access, protocol: Any) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        settings = ProbeSettings(protocol, unused.getsockname()[1])
        result = access.wait(access.guests.probe(access.guest.address, settings, "inside"))
    assert result.health is Health.UNHEALTHY
    assert "refused the channel" in result.detail


def test_a_slow_application_is_not_waited_for_and_costs_no_connection(access: Access, web: WebServer) -> None:
    web.answers["/slow"] = web.answers["/fast"] = Answer(200)
    slow = ProbeSettings("http", web.port, "/slow", timeout_s=0.5)
    result = access.wait(access.guests.probe(access.guest.address, slow, "inside"))
    assert (result.health, result.detail) == (Health.UNHEALTHY, "no answer within 0.5 s")
    fast = ProbeSettings("http", web.port, "/fast", timeout_s=2)
    assert access.wait(access.guests.probe(access.guest.address, fast, "inside")).health is Health.HEALTHY


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):  # it ended by itself
        os.kill(pid, number)


def test_a_guest_that_hangs_gives_no_answer_and_is_reached_again_when_it_goes_on(access: Access) -> None:
    settings = ProbeSettings("tcp", access.guest.port, timeout_s=1)
    address = access.guest.address
    assert access.wait(access.guests.probe(address, settings, "inside")).health is Health.HEALTHY
    pids = list(access.guest.processes())
    try:
        for pid in pids:
            _signal(pid, signal.SIGSTOP)
        results = [access.wait(access.guests.probe(address, settings, "inside")) for _ in range(2)]
        rich = replace(settings, protocol="http", is_rich=True)
        assert [each.health for each in results] == [Health.UNHEALTHY, Health.UNHEALTHY]
        assert access.wait(access.guests.probe(address, rich, "inside")).health is Health.UNKNOWN
    finally:
        for pid in pids:
            _signal(pid, signal.SIGCONT)
    assert access.wait(access.guests.probe(address, settings, "inside")).health is Health.HEALTHY
