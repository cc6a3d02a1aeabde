from __future__ import annotations

import pytest
from fake_demo import FakeDemo

from orchestrator.cli.demo.scene import SET
from orchestrator.cli.demo.watch import guests_of
from orchestrator.cli.faults import WaitTimedOut


def test_what_was_before_the_mark_is_not_found() -> None:
    demo = FakeDemo()
    demo.will_happen(1.0, "add", "after", instanceId="0")
    demo.happens()()
    assert demo.scene.events.mark() == 1
    demo.will_happen(2.0, "add", "after", instanceId="1")
    demo.happens()()
    assert demo.scene.wait(lambda event: event.kind == "add", "an add", 5).instance_id == "1"
    assert [event.seq for event in demo.scene.events.known()] == [2]


def test_an_event_that_came_during_an_earlier_wait_is_found_later() -> None:
    demo = FakeDemo()
    demo.scene.events.mark()
    demo.will_happen(1.0, "create", "before", instanceId="0")
    demo.will_happen(2.5, "create", "after", instanceId="0")
    demo.happens()()
    assert demo.scene.wait(lambda event: event.is_end_of("create", "0"), "its end", 5).at == 1_800_000_002.5
    assert demo.scene.wait(lambda event: event.phase == "before", "its beginning", 5).seq == 1


def test_waiting_ends_when_the_time_is_up() -> None:
    demo = FakeDemo()
    with pytest.raises(WaitTimedOut, match="a sign: not within 45 s"):
        demo.scene.wait(lambda event: event.kind == "sign", "a sign", 45)
    assert demo.clock.time_s == 45


def test_guests_are_told_by_id_with_host_address_and_health() -> None:
    demo = FakeDemo()
    demo.place(i10="h1", i9="h2")
    found = guests_of(demo.scene.client, SET)
    assert [(guest.name, guest.host, guest.address, guest.is_healthy) for guest in found] == [
        ("web_9", "h2", "10.90.1.9", True),
        ("web_10", "h1", "10.90.1.10", True),
    ]


def test_a_set_that_is_not_there_has_no_guests() -> None:
    demo = FakeDemo()
    demo.daemon.sets.clear()
    assert guests_of(demo.scene.client, SET) == []
