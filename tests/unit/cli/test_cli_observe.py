from __future__ import annotations

import json
from typing import Any

import httpx
from fake_cli_daemon import OWN, FakeClock, FakeDaemon, Seen, Vmss
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.cli.observe import fresh_part

CHECK = {"subject": "h1", "name": "pool", "ok": True, "detail": "vmss is active", "mend": "unused"}


def event(seq: int, reason: str = "because", **members: Any) -> dict[str, Any]:
    base = {"seq": seq, "time": "2026-01-02T03:04:05Z", "set": "web", "instanceId": 3, "kind": "create"}
    return {**base, "phase": "before", "reason": reason, "outcome": None, **members}


def paged(seen: Seen, known: list[dict[str, Any]], size: int = 2) -> httpx.Response:
    """A page of at most ``size`` events above ``after``, as the API gives it."""
    after = int(seen.query["after"])
    found = [each for each in known if each["seq"] > after][:size]
    return httpx.Response(200, json={"value": found, "next": found[-1]["seq"] if found else after})


def test_plan_shows_each_step_with_its_reason_and_the_notes(vmss: Vmss, daemon: FakeDaemon) -> None:
    daemon.add_set("web")
    step = {"kind": "delete", "instanceId": 3, "host": "h1", "reason": "oldest in fault domain 2"}
    batch = {"kind": "rolling_upgrade", "reason": "batch 1 of the rolling upgrade to model 2: web_0"}
    plan = {"steps": [step], "setSteps": [batch], "notes": ["h2 does not answer"]}
    daemon.answers[("GET", "/web/plan")] = lambda _: httpx.Response(200, json=plan)
    out = vmss("plan", "web").out
    assert out.splitlines()[1].split(maxsplit=1) == ["rolling_upgrade", batch["reason"]]
    assert out.splitlines()[2].split(maxsplit=3) == ["delete", "3", "h1", "oldest in fault domain 2"]
    assert "note: h2 does not answer" in out
    assert json.loads(vmss("plan", "web", "-o", "json").out) == plan


def test_an_empty_plan_says_so(vmss: Vmss, daemon: FakeDaemon) -> None:
    daemon.add_set("web")
    daemon.answers[("GET", "/web/plan")] = lambda _: httpx.Response(200, json={"steps": [], "notes": []})
    assert vmss("plan", "web").out == "nothing to do: everything is as wanted\n"


def test_the_doctors_exit_code_tells_whether_all_is_well(vmss: Vmss, daemon: FakeDaemon) -> None:
    daemon.own["doctor"] = {"value": [CHECK]}
    good = vmss("doctor")
    assert (good.code, "unused" in good.out) == (0, False)
    sick = {**CHECK, "ok": False, "detail": "vmss is inactive", "mend": "virsh pool-start vmss"}
    daemon.own["doctor"] = {"value": [CHECK, sick]}
    bad = vmss("doctor")
    assert (bad.code, "virsh pool-start vmss" in bad.out) == (1, True)


def test_without_a_daemon_the_doctor_says_how_to_start_one(vmss: Vmss, daemon: FakeDaemon) -> None:
    daemon.is_down = True
    outcome = vmss("doctor")
    assert (outcome.code, "vmssd --config" in outcome.out) == (5, True)


def test_the_census_lists_strays_with_their_size(vmss: Vmss, daemon: FakeDaemon) -> None:
    stray = {"host": "h1", "kind": "volume", "name": "x.qcow2", "state": "stray", "sizeBytes": 3 * 2**20}
    daemon.own["census"] = {"value": [stray]}
    assert vmss("census").out.splitlines()[1].split() == ["h1", "volume", "stray", "3.0", "x.qcow2"]


def test_status_counts_the_instances_in_words(vmss: Vmss, daemon: FakeDaemon) -> None:
    daemon.own["status"] = {"pid": 1, "instances": {"running": 2, "failed": 0}}
    out = vmss("status").out
    assert "2 running" in out
    assert "failed" not in out
    assert json.loads(vmss("status", "-o", "json").out)["instances"] == {"running": 2, "failed": 0}


def test_events_of_one_set_ask_for_that_resource(vmss: Vmss, daemon: FakeDaemon) -> None:
    daemon.answers[("GET", f"{OWN}/events")] = lambda seen: paged(seen, [event(9)])
    out = vmss("events", "--set", "web", "--after", "7").out
    assert out.splitlines()[1].split()[2:] == ["web", "3", "create", "before", "because"]
    query = next(each.query for each in daemon.requests if each.path.endswith("/events"))
    assert query["after"] == "7"
    assert query["resourceId"].endswith(
        "/resourceGroups/default/providers/Microsoft.Compute/virtualMachineScaleSets/web"
    )


def test_of_many_pages_of_events_the_last_ones_are_shown(vmss: Vmss, daemon: FakeDaemon) -> None:
    many = [event(seq) for seq in range(1, 8)]
    daemon.answers[("GET", f"{OWN}/events")] = lambda seen: paged(seen, many)
    query = "[].seq"
    assert vmss("events", "--last", "3", "--query", query, "-o", "tsv").out == "5\n6\n7\n"
    assert vmss("events", "--after", "6", "--query", query, "-o", "tsv").out == "7\n"


def test_following_events_polls_from_the_last_number_on_and_outlives_a_restart(
    vmss: Vmss, daemon: FakeDaemon, clock: FakeClock
) -> None:
    def pages(seen: Seen) -> httpx.Response:
        after = int(seen.query["after"])
        if "waitSeconds" not in seen.query:
            return paged(seen, [event(5, "first")])
        if after == 5 and not clock.sleeps:
            raise httpx.ConnectError("the daemon restarts")
        if after == 5:
            return httpx.Response(200, json={"value": [event(6, "second", outcome="done")], "next": 6})
        raise KeyboardInterrupt

    daemon.answers[("GET", f"{OWN}/events")] = pages
    outcome = vmss("events", "--follow")
    assert outcome.code == 0
    assert [line.split("  ")[-1].strip() for line in outcome.out.splitlines()] == ["first", "second -> done"]
    assert [each.query.get("waitSeconds") for each in daemon.requests] == [None, None, "20", "20", "20"]
    assert daemon.requests[-1].query["after"] == "6"


def test_followed_events_as_json_are_one_object_per_line(vmss: Vmss, daemon: FakeDaemon) -> None:
    def pages(seen: Seen) -> httpx.Response:
        if "waitSeconds" not in seen.query:
            return paged(seen, [event(1), event(2)])
        raise KeyboardInterrupt

    daemon.answers[("GET", f"{OWN}/events")] = pages
    lines = vmss("events", "--follow", "-o", "json").out.splitlines()
    assert [json.loads(line)["seq"] for line in lines] == [1, 2]


def test_the_console_is_printed_and_followed_without_repeating(
    vmss: Vmss, daemon: FakeDaemon, clock: FakeClock
) -> None:
    log = ["boot\n", "boot\nlogin:\n", "boot\nlogin:\n"]

    def world() -> None:
        if len(clock.sleeps) == 3:
            raise KeyboardInterrupt

    daemon.add_set("web")
    clock.on_sleep = world
    daemon.answers[("GET", "/web/virtualMachines/3/console")] = lambda _: httpx.Response(200, text=log.pop(0))
    outcome = vmss("console", "web", "3", "--follow", "--bytes", "100")
    assert (outcome.code, outcome.out) == (0, "boot\nlogin:\n")
    assert daemon.requests[-1].query["bytes"] == "100"


@given(st.text("ab\n", min_size=1, max_size=60), st.text("ab\n", max_size=30), st.integers(1, 60))
def test_what_is_fresh_in_a_sliding_tail_leads_on_from_what_was_shown(old: str, added: str, window: int) -> None:
    shown, newest = old[-window:], (old + added)[-window:]
    fresh = fresh_part(shown, newest)
    assert (shown + fresh).endswith(newest)
    if len(added) < window:
        assert len(fresh) <= len(added)


def test_a_log_with_nothing_in_common_is_all_fresh() -> None:
    assert fresh_part("old boot\n", "NEW") == "NEW"


def test_a_long_log_that_slides_shows_only_what_is_new() -> None:
    lines = [f"line {number}\n" for number in range(2000)]
    assert fresh_part("".join(lines[:1500]), "".join(lines[300:])) == "".join(lines[1500:])
