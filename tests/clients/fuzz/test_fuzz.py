"""The whole API under a storm of requests made from its own OpenAPI document; and who may ask what of it.

``VMSS_FUZZ_REQUESTS`` says how many requests at least, ``VMSS_FUZZ_SEED`` where chance begins.
"""

from __future__ import annotations

import os
import re
import secrets
import signal
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.api.front import canonical_path
from orchestrator.api.identity.roles import is_reading
from tests.api.test_cli_daemon import Daemon
from tests.clients.fuzz.storm import Endpoint, a_daemon, make_world, storm

Json = dict[str, Any]
PYTHON = Path(__file__).resolve().parents[3] / ".venv-clients" / "bin" / "python"
REQUESTS = int(os.environ.get("VMSS_FUZZ_REQUESTS", "20000"))
SEED = int(os.environ.get("VMSS_FUZZ_SEED", secrets.randbelow(1_000_000)))
AT_ONCE = 2
ROUND_S = 120
ROUNDS_MAX = 4
OPEN = {
    "/metadata/endpoints",
    "/metadata/aliases",
    "/metadata/identity/oauth2/token",
    "/msi/token",
}
pytestmark = pytest.mark.clients


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    made = a_daemon(tmp_path)
    made.start()
    yield made
    made.close()


@pytest.fixture
def endpoint(daemon: Daemon) -> Iterator[Endpoint]:
    made = Endpoint(daemon)
    yield made
    made.close()


@pytest.mark.timeout(ROUND_S * ROUNDS_MAX + 300)
def test_a_storm_of_requests_gets_clear_answers_and_leaves_nothing_half_made(
    daemon: Daemon, endpoint: Endpoint
) -> None:
    sent = _let_loose(endpoint)
    assert "Traceback" not in (endpoint.folder / "log").read_text()
    _wait_until_all_is_done(endpoint)
    before = _all_that_is_shown(endpoint)
    _check_store(endpoint)
    daemon.end(signal.SIGKILL)
    daemon.start()
    assert _all_that_is_shown(endpoint) == before
    _end_everything(endpoint)
    assert sent >= REQUESTS


def _let_loose(endpoint: Endpoint) -> int:
    world, sent = make_world(endpoint), 0
    for number in range(ROUNDS_MAX):
        seeds = [SEED + number * AT_ONCE + each for each in range(AT_ONCE)]
        print(f"seeds {seeds}")
        running = [
            storm(endpoint, world, python=PYTHON, seed=seed, examples=200, within_s=ROUND_S) for seed in seeds
        ]
        try:
            sent += sum(each.requests(ROUND_S + 120) for each in running)
        finally:
            for each in running:
                each.end()
        print(f"{sent} requests so far")
        if sent >= REQUESTS:
            break
    return sent


def _wait_until_all_is_done(endpoint: Endpoint) -> None:
    deadline = time.monotonic() + 120
    while left := _rows(endpoint, "select kind, set_uid, failure from operations where status = 'InProgress'"):
        assert time.monotonic() < deadline, left
        time.sleep(0.5)


def _rows(endpoint: Endpoint, query: str) -> list[tuple[Any, ...]]:
    address = f"file:{endpoint.folder / 'state' / 'vmss.db'}?mode=ro"
    connection = sqlite3.connect(address, uri=True)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def _check_store(endpoint: Endpoint) -> None:
    """What must hold of the rows by themselves; that addresses are given once the table itself sees to."""
    groups = {name.lower() for (name,) in _rows(endpoint, "select name from resource_groups")}
    sets = {uid: group for uid, group in _rows(endpoint, "select uid, resource_group from scale_sets")}
    assert {group.lower() for group in sets.values()} <= groups
    for table in ("instances", "profiles", "rolling_upgrades", "instance_extensions", "run_commands"):
        owners = {uid for (uid,) in _rows(endpoint, f"select set_uid from {table}")}
        assert owners <= set(sets), f"{table} of a set that is gone"
    known = {*_rows(endpoint, "select set_uid, instance_id from instances")}
    for table in ("instance_extensions", "run_commands"):
        there = {*_rows(endpoint, f"select set_uid, instance_id from {table}")}
        assert there <= known, f"{table} of an instance that is gone"


def _all_that_is_shown(endpoint: Endpoint) -> Json:
    """Every resource, without what the passing of time changes."""
    base = f"/subscriptions/{endpoint.owner['subscriptionId']}"
    shown: Json = {
        "groups": endpoint.all_of(f"{base}/resourceGroups"),
        "resources": endpoint.all_of(f"{base}/resources"),
    }
    for each in endpoint.all_of(f"{base}/providers/Microsoft.Compute/virtualMachineScaleSets"):
        instances = endpoint.all_of(f"{each['id']}/virtualMachines")
        shown[each["id"]] = [each, [one["id"] for one in instances]]
    return shown


def _end_everything(endpoint: Endpoint) -> None:
    """Whatever the storm made can be deleted, and then nothing of it is left anywhere."""
    base = f"/subscriptions/{endpoint.owner['subscriptionId']}"
    for group in endpoint.all_of(f"{base}/resourceGroups"):
        answer = endpoint.ask("DELETE", group["id"] + "?api-version=2024-11-01")
        assert answer.status_code == 202, answer.text
    deadline = time.monotonic() + 120
    while left := endpoint.all_of(f"{base}/resourceGroups"):
        assert time.monotonic() < deadline, left
        time.sleep(0.5)
    assert endpoint.all_of(f"{base}/resources") == []
    for table in ("scale_sets", "instances", "resources", "deployments", "run_commands", "instance_extensions"):
        assert _rows(endpoint, f"select * from {table}") == []
    census = endpoint.ask("GET", "/providers/Vmss.Local/census").json()["value"]
    assert [each for each in census if each.get("kind") == "domain"] == []


def _operations(endpoint: Endpoint) -> Iterator[tuple[str, str, Json]]:
    """Every operation of the document at an address: names that exist where there are such."""
    names = {
        "subscriptionId": endpoint.owner["subscriptionId"],
        "resourceGroupName": "rg",
        "vmScaleSetName": "web",
        "instanceId": "0",
        "location": "local",
        "namespace": "Microsoft.Compute",
    }
    for path, methods in endpoint.document()["paths"].items():
        for method, operation in methods.items():
            filled = re.sub(r"\{(\w+)\}", lambda found: names.get(found[1], "x"), path)
            yield method.upper(), filled, operation


def test_without_a_token_everything_but_the_way_to_one_is_401(endpoint: Endpoint) -> None:
    make_world(endpoint)
    for method, path, operation in _operations(endpoint):
        is_open = operation.get("security") == []
        assert is_open == (
            path in OPEN or path.endswith((".well-known/openid-configuration", "/keys")) or _is_login(path)
        )
        for token in (None, "x", endpoint.token[:-8] + "AAAAAAAA"):
            headers = {} if token is None else {"Authorization": f"Bearer {token}"}
            answer = endpoint.http.request(method, path + "?api-version=2024-11-01", headers=headers, json={})
            if not is_open:
                assert answer.status_code == 401, (method, path, answer.text)
                assert answer.headers["www-authenticate"].startswith("Bearer ")
                assert method == "HEAD" or answer.json()["error"]["code"]


def _is_login(path: str) -> bool:
    endings = ("/token", "/.well-known/openid-configuration", "/discovery/keys")
    return path.endswith(endings) and not path.startswith(("/providers/", "/subscriptions/"))


def _a_principal(endpoint: Endpoint, role: str) -> str:
    body = {"properties": {"role": role}}
    made = endpoint.ask("PUT", f"/providers/Vmss.Local/principals/a-{role}", body).json()["properties"]
    return endpoint.log_in(made["clientId"], made["clientSecret"])


def test_a_reader_may_read_everything_and_write_nothing(endpoint: Endpoint) -> None:
    make_world(endpoint)
    token = _a_principal(endpoint, "reader")
    before = _all_that_is_shown(endpoint)
    counts = {True: 0, False: 0}
    for method, path, operation in _operations(endpoint):
        if operation.get("security") == []:
            continue
        answer = endpoint.ask(method, path, {}, token=token)
        is_read = is_reading(method, canonical_path(path))
        assert (answer.status_code == 403) is not is_read, (method, path, answer.text)
        assert answer.status_code != 401
        if not is_read:
            assert answer.json()["error"]["code"] == "AuthorizationFailed"
        counts[is_read] += 1
    assert _all_that_is_shown(endpoint) == before
    assert min(counts.values()) > 100, counts


def test_an_operator_writes_resources_but_not_the_daemon_itself(endpoint: Endpoint) -> None:
    make_world(endpoint)
    token = _a_principal(endpoint, "operator")
    for method, path, operation in _operations(endpoint):
        is_own = path.startswith("/providers/Vmss.Local/")
        if operation.get("security") == [] or method == "DELETE" or not (is_own or method in {"PUT", "PATCH"}):
            continue
        answer = endpoint.ask(method, path, {}, token=token)
        is_for_owners = is_own and method != "GET"
        assert (answer.status_code == 403) is is_for_owners, (method, path, answer.text)
