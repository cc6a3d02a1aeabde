"""Hosts named by hand, as on a site of one's own: in the configuration file, and added while the daemon runs."""

from __future__ import annotations

import json

import pytest
from conftest import MakeDaemon, MakeSet
from system import Daemon, Json, TestedSet, wait_for

from orchestrator.lab import Lab


@pytest.fixture(scope="module")
def site(make_daemon: MakeDaemon, lab: Lab) -> Daemon:
    """One host in the file, with a name and a zone of its own choice; the network is one that hosts name."""
    first = {"name": "cellar", "uri": lab.uri("h1"), "zone": "home", "pool": "vmss", "network": "fabric"}
    site = make_daemon("site", hosts=[{**first, "address_space": "fabric"}])
    site.start()
    return site


def _vmss(site: Daemon, *arguments: str, code: int = 0) -> str:
    done = site.vmss(*arguments)
    assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def _hosts(site: Daemon) -> dict[str, Json]:
    return {each["name"]: each for each in json.loads(_vmss(site, "host", "list", "-o", "json"))}


def _add(site: Daemon, name: str, uri: str, zone: str, domain: int) -> str:
    flags = {"--uri": uri, "--zone": zone, "--fault-domain": str(domain), "--pool": "vmss", "--network": "fabric"}
    return _vmss(
        site, "host", "add", name, *[word for pair in flags.items() for word in pair], "--address-space", "fabric"
    )


def test_a_host_of_the_file_stays_in_the_file(site: Daemon) -> None:
    wait_for(lambda: _hosts(site)["cellar"]["state"] == "up", "the host answers")
    assert "stands in the configuration file" in _vmss(site, "host", "remove", "cellar", code=1)
    assert set(_hosts(site)) == {"cellar"}


def test_hosts_are_added_used_drained_and_removed_while_the_daemon_runs(
    site: Daemon, make_set: MakeSet, lab: Lab
) -> None:
    _add(site, "attic", lab.uri("h2"), "home", 1)
    _add(site, "garage", lab.uri("h3"), "away", 0)
    wait_for(lambda: {each["state"] for each in _hosts(site).values()} == {"up"}, "all hosts answer")
    shown = _vmss(site, "host", "show", "attic")
    assert "attic" in shown
    assert lab.uri("h2") in shown

    house = TestedSet(site, "house")
    flags = ["--image", "micro", "--instance-count", "2", "--zones", "home"]
    _vmss(site, "create", "house", "-g", "tests", *flags)
    make_set.adopt(house)
    assert _instances_on(site) == {"cellar": 1, "attic": 1, "garage": 0}, "spread over fault domains, in its zone"

    assert "still has 1 instances" in _vmss(site, "host", "remove", "attic", code=1)
    boots = {number: house.boot_id(number) for number in house.ids()}
    _vmss(site, "host", "drain", "attic")
    wait_for(lambda: _instances_on(site) == {"cellar": 2, "attic": 0, "garage": 0}, "the host is empty")
    wait_for(lambda: house.are_ready(*house.ids()) and len(house.ids()) == 2, "two are ready")
    stayed = set(boots) & set(house.ids())
    assert len(stayed) == 1, "one moved, by a replacement"
    assert {number: house.boot_id(number) for number in stayed} == {number: boots[number] for number in stayed}

    _vmss(site, "host", "undrain", "attic")
    assert _hosts(site)["attic"]["state"] == "up"
    for name in ("attic", "garage"):
        _vmss(site, "host", "remove", name)
    assert set(_hosts(site)) == {"cellar"}
    assert house.are_ready(*house.ids())


def _instances_on(site: Daemon) -> dict[str, int]:
    return {name: each["instances"] for name, each in _hosts(site).items()}


def test_hosts_that_were_added_are_there_after_a_restart(site: Daemon, lab: Lab) -> None:
    _add(site, "attic", lab.uri("h2"), "home", 1)
    site.stop()
    site.start()
    wait_for(lambda: _hosts(site)["attic"]["state"] == "up", "the host answers")
    _vmss(site, "host", "remove", "attic")


def test_the_doctor_finds_nothing_wrong_with_hosts_that_are_well(site: Daemon) -> None:
    checks = json.loads(_vmss(site, "doctor", "-o", "json"))
    assert {each["name"] for each in checks} >= {
        "connection",
        "acceleration",
        "pool",
        "permissions",
        "clock",
        "network",
    }
    assert [each for each in checks if not each["ok"]] == []


def test_the_doctor_says_how_to_mend_a_host_that_is_not(site: Daemon, lab: Lab) -> None:
    for name, words in (
        ("nowhere", ["--pool", "vmss"]),
        ("poolless", ["--pool", "none"]),
        ("netless", ["--network", "none"]),
    ):
        uri = "qemu+unix:///system?socket=/nowhere" if name == "nowhere" else lab.uri("h3")
        _vmss(site, "host", "add", name, "--uri", uri, "--address-space", "fabric", *words)
    checks = json.loads(_vmss(site, "doctor", "-o", "json", code=1))
    wrong = {(each["subject"], each["name"]): each["mend"] for each in checks if not each["ok"]}
    assert "virsh -c" in wrong["host nowhere", "connection"]
    assert "none" in wrong["host poolless", "pool"]
    assert "none" in wrong["host netless", "network"]
    assert all("cellar" not in subject for subject, _ in wrong)
    for name in ("nowhere", "poolless", "netless"):
        _vmss(site, "host", "remove", name)
