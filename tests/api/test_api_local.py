"""/providers/Vmss.Local: hosts, images, events, status, census, doctor."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx
import pytest
from fake_world import OWN, SET, V, World, make_world

from orchestrator.api.identity.gate import from_unix_socket
from orchestrator.model.scale_set import Event, EventPhase

Json = dict[str, Any]
HOST = f"{OWN}/hosts/h1"


def put_host(world: World, **members: Any) -> httpx.Response:
    return world.send("PUT", HOST, {"uri": "qemu:///system", **members})


def test_a_host_is_added_changed_drained_and_removed(world: World) -> None:
    assert put_host(world).status_code == 201
    assert put_host(world, zone="2", faultDomain="1", limits={"memoryMib": 1024}).status_code == 200
    shown = world.get(HOST)
    assert (shown["zone"], shown["faultDomain"], shown["limits"]["memoryMib"]) == ("2", 1, 1024)
    assert shown["capacity"]["poolGibFree"] == 9.0
    assert world.send("POST", f"{HOST}/drain").json()["state"] == "draining"
    assert world.send("POST", f"{HOST}/undrain").json()["state"] == "up"
    assert [each["name"] for each in world.get(f"{OWN}/hosts")["value"]] == ["h1"]
    assert world.send("DELETE", HOST).status_code == 409
    assert world.send("DELETE", f"{HOST}{V}&force=true").status_code == 200
    assert world.send("DELETE", HOST).status_code == 204
    assert world.send("GET", HOST).status_code == 404


def test_a_hosts_name_is_one_whatever_its_case(world: World) -> None:
    put_host(world)
    assert world.send("PUT", f"{OWN}/hosts/H1", {"uri": "qemu+ssh://root@h1/system"}).status_code == 200
    assert list(world.control.reports) == ["h1"]


@pytest.mark.parametrize(
    "members",
    [
        {"uri": None},
        {"uri": "not a uri"},
        {"uri": "test:///default"},
        {"uri": "qemu:///sys tem"},
        {"uri": "qemu+ssh://nowhere/system"},
        {"zone": ""},
        {"faultDomain": -1},
        {"faultDomain": True},
        {"acceleration": "magic"},
        {"limits": {"memoryMib": 0}},
        {"limits": []},
        {"pools": "x"},
    ],
)
def test_a_host_that_does_not_fit_is_refused_and_not_kept(world: World, members: Json) -> None:
    assert put_host(world, **members).status_code == 400
    assert world.control.reports == {}


@pytest.mark.parametrize("name", ["-h", "h h", "%C3%A9", "h" * 64, "h_1"])
def test_a_hosts_name_must_fit(world: World, name: str) -> None:
    assert world.send("PUT", f"{OWN}/hosts/{name}", {"uri": "qemu:///system"}).status_code == 400


def test_a_host_of_the_file_is_changed_in_the_file(world: World) -> None:
    assert world.send("PUT", f"{OWN}/hosts/fromfile", {"uri": "qemu:///system"}).status_code == 409


def test_a_host_that_is_not_there_cannot_be_drained(world: World) -> None:
    assert world.send("POST", f"{HOST}/drain").status_code == 404


def test_events_are_told_in_order_with_the_number_to_go_on_from(populated: World) -> None:
    populated.send("POST", f"{SET}/restart", {"instanceIds": ["1"]})
    first = populated.get(f"{OWN}/events")
    assert [each["instanceId"] for each in first["value"]] == [None, "1"]
    assert first["value"][1]["reason"] == "restart was asked for"
    rest = populated.get(f"{OWN}/events{V}&after={first['next']}")
    assert rest == {"value": [], "next": first["next"]}
    assert len(populated.get(f"{OWN}/events{V}&$top=1")["value"]) == 1


def test_events_of_one_set_are_told_alone(populated: World) -> None:
    populated.put(SET.replace("/web", "/other"))
    mine = populated.get(f"{OWN}/events{V}&resourceId={SET}")["value"]
    assert {each["set"] for each in mine} == {"web"}
    assert populated.send("GET", f"{OWN}/events{V}&resourceId=nonsense").status_code == 400
    assert populated.send("GET", f"{OWN}/events{V}&resourceId={SET}x").status_code == 404


@pytest.mark.parametrize("query", ["after=-1", "after=x", "waitSeconds=61", "waitSeconds=1.5", "$top=0"])
def test_a_question_for_events_that_makes_no_sense_is_refused(world: World, query: str) -> None:
    assert world.send("GET", f"{OWN}/events{V}&{query}").status_code == 400


def test_a_wait_for_events_ends_with_the_first() -> None:
    world = make_world()

    async def go() -> tuple[httpx.Response, float]:
        transport = httpx.ASGITransport(from_unix_socket(world.app))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            began = time.monotonic()
            waiting = asyncio.create_task(client.get(f"{OWN}/events{V}&waitSeconds=30"))
            while not waiting.done():
                await asyncio.sleep(0.05)
                if time.monotonic() - began > 0.2 and not world.store.events():
                    with world.store.write() as tx:
                        tx.add_events([Event(1.0, "host", EventPhase.NOTE, "host h1 is back")])
            return waiting.result(), time.monotonic() - began

    answer, took_s = asyncio.run(go())
    assert [each["reason"] for each in answer.json()["value"]] == ["host h1 is back"]
    assert took_s < 10
    world.store.close()


def test_a_wait_for_events_that_do_not_come_ends_in_time(world: World) -> None:
    began = time.monotonic()
    assert world.get(f"{OWN}/events{V}&waitSeconds=1")["value"] == []
    assert 0.9 < time.monotonic() - began < 10


def test_the_daemon_tells_what_a_client_needs_first(populated: World) -> None:
    put_host(populated)
    status = populated.get(f"{OWN}/status")
    assert status["location"] == "local"
    assert status["instances"] == {"succeeded": 3}
    assert status["hosts"] == {"up": 1}
    assert status["networkNamespace"] == "vmss-lab"


def test_the_census_and_the_doctor_are_passed_on(world: World) -> None:
    census = world.get(f"{OWN}/census")["value"]
    assert [(each["name"], each["state"]) for each in census] == [("web_0", "wanted"), ("x", "foreign")]
    assert world.get(f"{OWN}/doctor")["value"][0] == {
        "subject": "host h1",
        "name": "pool",
        "ok": False,
        "detail": "full",
        "mend": "make room",
    }


def test_without_a_catalogue_there_are_no_images(world: World) -> None:
    assert world.get(f"{OWN}/images")["value"] == []
    assert world.send("GET", f"{OWN}/images/micro").status_code == 404


def test_simulated_and_real_hosts_do_not_mix(world: World) -> None:
    put_host(world)
    answer = world.send("PUT", f"{OWN}/hosts/h2", {"uri": "simulated:///"})
    assert (answer.status_code, answer.json()["error"]["target"]) == (400, "uri")
