from __future__ import annotations

import httpx
from fake_cli_daemon import OWN, FakeDaemon, Vmss

HOST = {
    "name": "h1",
    "uri": "qemu:///system",
    "zone": "1",
    "faultDomain": 2,
    "state": "up",
    "instances": 3,
    "capacity": {
        "memoryMib": 4096,
        "memoryMibUsed": 512,
        "vcpus": 8,
        "vcpusUsed": 3,
        "poolGib": 8,
        "poolGibFree": 6,
    },
    "lastSeen": None,
}


def test_hosts_are_listed_with_the_room_they_have(vmss: Vmss, daemon: FakeDaemon) -> None:
    daemon.own["hosts"] = {"value": [HOST]}
    row = vmss("host", "list").out.splitlines()[1].split()
    assert row == ["h1", "up", "1", "2", "3", "512/4096", "3/8", "6/8", "qemu:///system"]


def test_a_host_that_was_never_reached_is_listed_without_capacity(vmss: Vmss, daemon: FakeDaemon) -> None:
    daemon.own["hosts"] = {"value": [{**HOST, "state": "unreachable", "capacity": None}]}
    assert "unreachable" in vmss("host", "list").out


def test_adding_a_host_sends_only_what_was_said(vmss: Vmss, daemon: FakeDaemon) -> None:
    daemon.answers[("PUT", "/hosts/h1")] = lambda _: httpx.Response(201, json=HOST)
    daemon.own["hosts/h1"] = HOST
    line = "host add h1 --uri qemu:///system --fault-domain 0 --limit-memory-mib 2048 --limit-guests 0"
    assert vmss(*line.split()).code == 0
    [put] = daemon.sent("PUT")
    assert put.path == f"{OWN}/hosts/h1"
    assert put.body == {
        "uri": "qemu:///system",
        "faultDomain": 0,
        "limits": {"memoryMib": 2048, "guests": 0},
    }


def test_draining_undraining_and_removing_reach_the_host(vmss: Vmss, daemon: FakeDaemon) -> None:
    for method, ending in (("POST", "/drain"), ("POST", "/undrain"), ("DELETE", "/hosts/h1")):
        daemon.answers[(method, ending)] = lambda _: httpx.Response(204)
    for words in ("drain h1", "undrain h1", "remove h1", "remove h1 --force"):
        assert vmss("host", *words.split()).code == 0
    sent = [(each.method, each.path.removeprefix(OWN), each.query.get("force")) for each in daemon.requests]
    assert sent == [
        ("POST", "/hosts/h1/drain", None),
        ("POST", "/hosts/h1/undrain", None),
        ("DELETE", "/hosts/h1", None),
        ("DELETE", "/hosts/h1", "true"),
    ]


def test_a_host_that_is_not_there_has_exit_code_3(vmss: Vmss) -> None:
    assert vmss("host", "show", "h9").code == 3
