"""The demo's chapters notice it when a promise is broken."""

from __future__ import annotations

import pytest
from fake_demo import FakeDemo

from orchestrator.cli.demo import story
from orchestrator.cli.demo.commands import DemoFailed
from orchestrator.cli.faults import WaitTimedOut


@pytest.fixture
def demo() -> FakeDemo:
    made = FakeDemo()
    made.place(i0="h1", i1="h2", i2="h3")
    return made


def a_repair(demo: FakeDemo, noticed_s: float) -> None:
    demo.will_happen(noticed_s, "guest_died", "note", instanceId="2")
    demo.will_happen(noticed_s, "add", "after", "replaces 2", instanceId="3", host="h3")
    demo.will_happen(1.0, "create", "after", instanceId="3", host="h3")
    demo.will_happen(6.5, "health", "note", "is Healthy: HTTP 200", instanceId="3")
    kill = demo.commands.answers["kill-guest"]

    def killed() -> str:
        demo.place(i0="h1", i1="h2", i3="h3")
        return kill()

    demo.commands.answers["kill-guest"] = killed


def test_a_repair_is_told_with_its_seconds_since_the_kill(demo: FakeDemo) -> None:
    a_repair(demo, 0.25)
    story.kill_a_guest(demo.scene)
    told = demo.out.getvalue()
    assert ["lab", "fault", "kill-guest", "web_2"] in demo.commands.ran
    assert "0.25 s after the kill" in told
    assert "web_3 is healthy" in told
    assert "6.50 s after the kill" in told
    assert (demo.stage.kept, demo.stage.broken) == (2, [])


@pytest.mark.parametrize(("noticed_s", "is_kept"), [(0.0, True), (0.75, True), (0.751, False), (0.9, False)])
def test_a_death_must_be_noticed_soon(demo: FakeDemo, noticed_s: float, is_kept: bool) -> None:
    a_repair(demo, noticed_s)
    story.kill_a_guest(demo.scene)
    assert (demo.stage.broken == []) is is_kept


def test_a_death_that_nobody_notices_ends_the_story(demo: FakeDemo) -> None:
    with pytest.raises(WaitTimedOut, match="web_2's death: not within 30 s"):
        story.kill_a_guest(demo.scene)


def test_a_page_that_another_guest_serves_breaks_the_promise(demo: FakeDemo) -> None:
    demo.commands.answers["curl"] = lambda: "web000001 greets you\n"
    demo.scene.fetch_pages(demo.scene.guests())
    assert demo.stage.broken == ["each serves its own page to the network"]


def a_lost_host(demo: FakeDemo, given_up_s: float = 16.0, new_host: str = "h3") -> None:
    demo.place(i0="h1", i1="h2")
    silent = "host h1 does not answer: the connection was lost"
    demo.will_happen(1.0, "host", "note", silent, host="h1", set=None)
    demo.will_happen(given_up_s, "declare_lost", "after", "its lease is over", instanceId="0")
    demo.will_happen(given_up_s, "add", "after", "replaces an instance lost", instanceId="6", host=new_host)
    demo.will_happen(given_up_s + 4, "health", "note", "is Healthy: HTTP 200", instanceId="6")
    demo.commands.answers["stop-host"] = demo.happens()
    demo.commands.answers["heal"] = lambda: a_return(demo)


def a_return(demo: FakeDemo) -> str:
    demo.will_happen(40.0, "host", "note", "host h1 answers", host="h1", set=None)
    demo.will_happen(40.0, "remove", "before", "fence it", instanceId="0", host="h1")
    demo.will_happen(40.3, "remove", "after", "nothing of it is left on h1", instanceId="0", host="h1")
    demo.place(i1="h2", i6="h3")
    return demo.happens()()


def test_a_lost_host_is_waited_for_then_replaced_and_fenced(demo: FakeDemo) -> None:
    a_lost_host(demo)
    story.lose_a_host(demo.scene)
    assert (demo.stage.kept, demo.stage.broken) == (3, [])
    assert "0.30 s after the host answered again" in demo.out.getvalue()


def test_giving_a_host_up_before_its_lease_is_over_breaks_the_promise(demo: FakeDemo) -> None:
    a_lost_host(demo, given_up_s=10.0)
    story.lose_a_host(demo.scene)
    assert demo.stage.broken == ["replaced on another host, and not before the lease was over"]


def test_a_replacement_on_the_lost_host_breaks_the_promise(demo: FakeDemo) -> None:
    a_lost_host(demo, new_host="h1")
    story.lose_a_host(demo.scene)
    assert demo.stage.broken == ["replaced on another host, and not before the lease was over"]


def test_a_stale_guest_that_still_runs_breaks_the_promise(demo: FakeDemo) -> None:
    a_lost_host(demo)

    def heal() -> str:
        a_return(demo)
        demo.lab.domains["h1"] = ["web_0.5c70c9"]
        return ""

    demo.commands.answers["heal"] = heal
    story.lose_a_host(demo.scene)
    assert demo.stage.broken == ["the stale web_0 is fenced: it runs nowhere any more"]


def take_stock(demo: FakeDemo) -> None:
    pages = iter(["web000001 greets you\n", "web000006 greets you\n"])
    demo.commands.answers["curl"] = lambda: next(pages)
    story.take_stock(demo.scene)


def test_at_the_end_nothing_may_be_left_over(demo: FakeDemo) -> None:
    demo.place(i1="h2", i6="h3")
    take_stock(demo)
    assert (demo.stage.kept, demo.stage.broken) == (3, [])


def test_a_stray_at_the_end_breaks_the_promise(demo: FakeDemo) -> None:
    demo.place(i1="h2", i6="h3")
    demo.daemon.own["census"] = {"value": [{"state": "owned"}, {"state": "stray"}]}
    take_stock(demo)
    assert demo.stage.broken == ["nothing is left over on any host (1 strays)"]


@pytest.mark.parametrize("extra", [["web_1.5c70c9"], ["web_0.5c70c9"]])
def test_a_guest_that_runs_twice_or_though_it_is_gone_breaks_the_promise(demo: FakeDemo, extra: list[str]) -> None:
    demo.place(i1="h2", i6="h3")
    demo.lab.domains["h1"] = extra
    take_stock(demo)
    assert demo.stage.broken == ["exactly the two instances run, each once, where they should"]


def test_an_earlier_demos_set_is_deleted_first(demo: FakeDemo) -> None:
    demo.scene.clear()
    assert demo.commands.ran == [["delete", "web"]]


def test_without_an_earlier_set_there_is_nothing_to_clear(demo: FakeDemo) -> None:
    demo.daemon.sets.clear()
    demo.scene.clear()
    assert demo.commands.ran == []


def test_a_set_that_no_demo_made_is_not_touched(demo: FakeDemo) -> None:
    demo.daemon.add_set("web", tags={"owner": "someone"})
    with pytest.raises(DemoFailed, match="no demo made"):
        demo.scene.clear()
    assert demo.commands.ran == []
