"""A real ``vmssd``: TLS, logins, restarts, roles, and a port that is taken. Hosts are simulated."""

from __future__ import annotations

import json
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from test_cli_daemon import Daemon

from orchestrator.cli.client import OWN, Client
from orchestrator.cli.endpoint import find_endpoint
from orchestrator.cli.faults import ApiError, DaemonUnreachable
from orchestrator.errors import BadInput

V = "?api-version=2024-11-01"


def ask_locally(daemon: Daemon) -> httpx.Response:
    transport = httpx.HTTPTransport(uds=str(daemon.socket))
    with httpx.Client(transport=transport, base_url="http://vmssd") as client:
        return client.get(f"/subscriptions{V}")


class Door:
    """The HTTPS port of a daemon, as a client sees it that trusts ``ca.pem`` by OpenSSL's strict rules."""

    def __init__(self, daemon: Daemon) -> None:
        ask_locally(daemon)  # it is answered when the daemon has made all that it needs
        folder = daemon.socket.parent
        self.owner = json.loads((folder / "state" / "owner.json").read_text())
        context = ssl.create_default_context(cafile=self.owner["caFile"])
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        self._http = httpx.Client(base_url=self.owner["endpoint"], verify=context, trust_env=False)

    def log_in(self, client_id: str, secret: str) -> httpx.Response:
        form = {"client_id": client_id, "client_secret": secret, "grant_type": "client_credentials"}
        form["scope"] = f"{self.owner['endpoint']}/.default"
        return self._http.post("/adfs/oauth2/token", data=form)

    def token(self, principal: dict[str, str] | None = None) -> str:
        who = principal or self.owner
        return str(self.log_in(who["clientId"], who["clientSecret"]).json()["access_token"])

    def ask(self, method: str, path: str, token: str | None, body: Any = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return self._http.request(method, path + V, headers=headers, json=body)

    def close(self) -> None:
        self._http.close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("identity")


@pytest.fixture(scope="module")
def daemon(folder: Path) -> Iterator[Daemon]:
    made = Daemon(folder, https_listen=f"127.0.0.1:{free_port()}", listen=f"127.0.0.1:{free_port()}")
    made.start()
    yield made
    made.close()


@pytest.fixture
def door(daemon: Daemon) -> Iterator[Door]:
    made = Door(daemon)
    yield made
    made.close()


def test_the_owner_logs_in_over_tls_and_others_learn_nothing(door: Door) -> None:
    assert door.ask("GET", "/subscriptions", door.token()).status_code == 200
    refused = door.ask("GET", "/subscriptions", None)
    assert (refused.status_code, "invalid_token" in refused.headers["www-authenticate"]) == (401, True)
    assert door.log_in(door.owner["clientId"], "wrong").status_code == 401
    assert "server" not in refused.headers


def test_the_unix_socket_needs_no_token_and_is_for_its_owner_alone(daemon: Daemon) -> None:
    assert ask_locally(daemon).status_code == 200
    assert daemon.socket.stat().st_mode & 0o777 == 0o600


def test_the_plain_port_needs_a_token_too(daemon: Daemon, door: Door) -> None:
    with httpx.Client(base_url=f"http://{daemon.config['listen']}", trust_env=False) as client:
        assert client.get(f"/subscriptions{V}").status_code == 401
        claimed = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "127.0.0.1"}
        assert client.get(f"/subscriptions{V}", headers=claimed).status_code == 401
        token = {"Authorization": f"Bearer {door.token()}"}
        assert client.get(f"/subscriptions{V}", headers=token).status_code == 200
        assert client.get("/metadata/endpoints").json()["resourceManager"] == f"{door.owner['endpoint']}/"


def test_who_does_not_know_the_authority_does_not_get_that_far(door: Door) -> None:
    with (
        httpx.Client(base_url=door.owner["endpoint"], trust_env=False) as stranger,
        pytest.raises(httpx.ConnectError),
    ):
        stranger.get("/metadata/endpoints")


def test_a_token_outlives_a_restart_and_a_lost_key_ends_it(daemon: Daemon, folder: Path, door: Door) -> None:
    token = door.token()
    authority = Path(door.owner["caFile"]).read_bytes()
    for number in (signal.SIGTERM, signal.SIGKILL):
        daemon.end(number)
        daemon.start()
        assert door.ask("GET", "/subscriptions", token).status_code == 200
    daemon.end(signal.SIGTERM)
    (folder / "state" / "token_signing.key").unlink()
    daemon.start()
    refused = door.ask("GET", "/subscriptions", token)
    assert (refused.status_code, "insufficient_claims" in refused.headers["www-authenticate"]) == (401, True)
    assert door.ask("GET", "/subscriptions", door.token()).status_code == 200
    assert Path(door.owner["caFile"]).read_bytes() == authority


@pytest.mark.parametrize(
    ("role", "expected"),
    [("reader", [200, 403, 403]), ("operator", [200, 201, 403]), ("owner", [200, 200, 201])],
)
def test_each_role_may_what_it_may(door: Door, role: str, expected: list[int]) -> None:
    made = door.ask(
        "PUT", f"/providers/Vmss.Local/principals/{role}-1", door.token(), {"properties": {"role": role}}
    )
    token = door.token(made.json()["properties"])
    group = f"/subscriptions/{door.owner['subscriptionId']}/resourceGroups/of-roles"
    seen = [
        door.ask("GET", "/subscriptions", token),
        door.ask("PUT", group, token, {"location": "local"}),
        door.ask("PUT", "/providers/Vmss.Local/principals/another", token, {"properties": {"role": "reader"}}),
    ]
    assert [each.status_code for each in seen] == expected
    door.ask("DELETE", f"/providers/Vmss.Local/principals/{role}-1", door.token())
    assert door.ask("GET", "/subscriptions", token).status_code == 401


@pytest.mark.parametrize("setting", ["https_listen", "listen"])
def test_the_command_line_logs_in_at_a_port(daemon: Daemon, door: Door, folder: Path, setting: str) -> None:
    url = f"{'https' if setting == 'https_listen' else 'http'}://{daemon.config[setting]}"
    client = Client(find_endpoint(None, url, {}))
    with pytest.raises((ApiError, DaemonUnreachable), match="VMSS_CREDENTIALS"):
        client.get(f"{OWN}/status")
    client.close()
    client = Client(find_endpoint(None, url, {"VMSS_CREDENTIALS": str(folder / "state" / "owner.json")}))
    assert client.daemon["subscriptionId"] == door.owner["subscriptionId"]
    daemon.end(signal.SIGTERM)
    (folder / "state" / "token_signing.key").unlink()
    daemon.start()
    assert client.get("/subscriptions")["value"]  # by a fresh token, fetched in between
    client.close()


def test_the_command_line_says_what_is_wrong_with_credentials(daemon: Daemon, door: Door, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.json"
    url = f"https://{daemon.config['https_listen']}"
    for content, error, says in (
        ("{", BadInput, "wrong.json"),
        ("{}", BadInput, "clientId"),
        (json.dumps({**door.owner, "clientSecret": "x"}), ApiError, "client id or its secret is wrong"),
        (json.dumps({**door.owner, "caFile": "/no/such"}), BadInput, "/no/such"),
    ):
        wrong.write_text(content)
        client = Client(find_endpoint(None, url, {"VMSS_CREDENTIALS": str(wrong)}))
        with pytest.raises(error, match=says):
            client.get("/subscriptions")
        client.close()


def test_a_port_that_is_taken_is_named_with_its_setting(folder: Path, tmp_path: Path) -> None:
    for setting in ("https_listen", "listen"):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            path = tmp_path / "vmssd.yaml"
            paths = {"state_dir": str(tmp_path / "state"), "socket": str(tmp_path / "sock")}
            path.write_text(yaml.safe_dump({**paths, "https_listen": None, setting: address}))
            argv = [sys.executable, "-m", "orchestrator.daemon", "--config", str(path)]
            ended = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
        assert ended.returncode == 1
        assert f"'{setting}' cannot be had: 127.0.0.1 port" in ended.stderr
        assert "Address already in use" in ended.stderr


def test_a_stop_closes_every_door(tmp_path: Path) -> None:
    made = Daemon(tmp_path, https_listen=f"127.0.0.1:{free_port()}")
    made.start()
    door = Door(made)
    assert door.ask("GET", "/subscriptions", door.token()).status_code == 200
    made.close()
    with pytest.raises(httpx.ConnectError):
        door.token()
    door.close()
    assert not made.socket.exists()
