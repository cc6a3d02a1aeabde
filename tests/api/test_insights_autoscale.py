"""Microsoft.Insights/autoscaleSettings: stored whole, every limit held, one for a scale set."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.api.fake_world import GROUP, SET, Json, World

INSIGHTS = f"{GROUP}/providers/microsoft.insights/autoscalesettings"
ONE = f"{INSIGHTS}/web-scale"


def rule(direction: str = "Increase", **trigger: Any) -> Json:
    return {
        "metricTrigger": {
            "metricName": "Percentage CPU",
            "metricResourceUri": SET,
            "timeGrain": "PT1M",
            "statistic": "average",
            "timeWindow": "PT5M",
            "timeAggregation": "Average",
            "operator": "GreaterThan",
            "threshold": "70",
            **trigger,
        },
        "scaleAction": {"direction": direction, "type": "ChangeCount", "value": "1", "cooldown": "PT5M"},
    }


def profile(name: str = "default", **more: Any) -> Json:
    return {"name": name, "capacity": {"minimum": "1", "maximum": 5, "default": "2"}, "rules": [rule()], **more}


FIXED = {"timeZone": "utc", "start": "2026-12-24T00:00:00Z", "end": "2026-12-27T00:00:00Z"}
SCHEDULE = {"timeZone": "W. Europe Standard Time", "days": ["monday"], "hours": [8], "minutes": [0]}
WEEKLY = {"frequency": "Week", "schedule": SCHEDULE}


def setting(*profiles: Json, **properties: Any) -> Json:
    given = {"profiles": list(profiles or [profile()]), "targetResourceUri": SET, "enabled": True, **properties}
    return {"location": "local", "properties": given}


@pytest.fixture
def web(world: World) -> World:
    assert world.put().status_code == 201
    return world


def test_a_setting_is_shown_in_azures_spelling_and_says_that_nothing_scales_yet(web: World) -> None:
    profiles = (profile(), profile("holiday", fixedDate=FIXED), profile("week", recurrence=WEEKLY))
    answer = web.put(ONE, setting(*profiles))
    assert answer.status_code == 201, answer.text
    shown = answer.json()
    assert (shown["type"], shown["properties"]["name"]) == ("Microsoft.Insights/autoscaleSettings", "web-scale")
    first, holiday, week = shown["properties"]["profiles"]
    assert first["capacity"] == {"minimum": "1", "maximum": "5", "default": "2"}
    trigger = first["rules"][0]["metricTrigger"]
    assert (trigger["statistic"], trigger["threshold"], trigger["dividePerInstance"]) == ("Average", 70.0, False)
    assert holiday["fixedDate"]["timeZone"] == "UTC"
    assert week["recurrence"]["schedule"]["days"] == ["Monday"]
    assert "Nothing scales by it yet" in answer.headers["warning"]
    assert shown["properties"]["warnings"][0]["code"] == "NothingIsScaled"
    assert web.put(ONE, shown).json() == shown
    assert [each["name"] for each in web.get(INSIGHTS)["value"]] == ["web-scale"]
    assert web.send("DELETE", ONE).status_code == 200
    assert web.send("DELETE", ONE).status_code == 204


def with_rule(**trigger: Any) -> Json:
    return setting(profile(rules=[rule(**trigger)]))


def with_action(**action: Any) -> Json:
    made = rule()
    made["scaleAction"] |= action
    return setting(profile(rules=[made]))


def with_schedule(**schedule: Any) -> Json:
    return setting(profile(recurrence={"frequency": "Week", "schedule": {**SCHEDULE, **schedule}}))


CAPACITY = {"minimum": "1", "maximum": "5", "default": "2"}


@pytest.mark.parametrize(
    ("body", "target"),
    [
        (setting(*(profile(f"p{n}", fixedDate=FIXED) for n in range(21))), "profiles"),
        (setting(profile("a", fixedDate=FIXED), profile("A", fixedDate=FIXED)), "profiles"),
        (setting(profile("a"), profile("b")), "profiles"),
        (setting(profile(rules=[rule()] * 11)), "profiles[0].rules"),
        (setting(profile(fixedDate=FIXED, recurrence=WEEKLY)), "profiles[0]"),
        (setting(profile(fixedDate={**FIXED, "end": FIXED["start"]})), "profiles[0].fixedDate"),
        (setting(profile(fixedDate={**FIXED, "end": "2028-01-01T00:00:00Z"})), "profiles[0].fixedDate"),
        (setting(profile(fixedDate={**FIXED, "start": "soon"})), "profiles[0].fixedDate.start"),
        (setting(profile(fixedDate={**FIXED, "timeZone": "Europe/Berlin"})), "profiles[0].fixedDate.timeZone"),
        (setting(profile(recurrence={**WEEKLY, "frequency": "Day"})), "profiles[0].recurrence.frequency"),
        (with_schedule(hours=[24]), "profiles[0].recurrence.schedule.hours[0]"),
        (with_schedule(minutes=[60]), "profiles[0].recurrence.schedule.minutes[0]"),
        (with_schedule(days=["Someday"]), "profiles[0].recurrence.schedule.days[0]"),
        (setting(profile(capacity={**CAPACITY, "minimum": "3"})), "profiles[0].capacity"),
        (setting(profile(capacity={**CAPACITY, "maximum": "1001"})), "profiles[0].capacity.maximum"),
        (setting(profile(capacity={**CAPACITY, "default": "-1"})), "profiles[0].capacity.default"),
        (with_rule(timeGrain="PT30S"), "profiles[0].rules[0].metricTrigger.timeGrain"),
        (with_rule(timeWindow="PT13H"), "profiles[0].rules[0].metricTrigger.timeWindow"),
        (with_rule(timeGrain="PT10M"), "profiles[0].rules[0].metricTrigger"),
        (with_rule(threshold="much"), "profiles[0].rules[0].metricTrigger.threshold"),
        (with_rule(operator="Above"), "profiles[0].rules[0].metricTrigger.operator"),
        (with_rule(metricResourceUri="web"), "profiles[0].rules[0].metricTrigger.metricResourceUri"),
        (with_action(value="0"), "profiles[0].rules[0].scaleAction.value"),
        (with_action(cooldown="PT30S"), "profiles[0].rules[0].scaleAction.cooldown"),
        (with_action(cooldown="P8D"), "profiles[0].rules[0].scaleAction.cooldown"),
        (with_action(type="Some"), "profiles[0].rules[0].scaleAction.type"),
        (setting(predictiveAutoscalePolicy={"scaleMode": "Guess"}), "predictiveAutoscalePolicy.scaleMode"),
        (
            setting(predictiveAutoscalePolicy={"scaleMode": "Enabled", "scaleLookAheadTime": "PT61M"}),
            "predictiveAutoscalePolicy.scaleLookAheadTime",
        ),
        (setting(notifications=[{"operation": "Other"}]), "notifications[0].operation"),
        (setting(webhook="x"), "webhook"),
        (setting(name="other"), "name"),
    ],
)
def test_every_limit_is_refused_by_its_path(web: World, body: Json, target: str) -> None:
    answer = web.put(ONE, body)
    assert (answer.status_code, answer.json()["error"]["target"]) == (400, f"properties.{target}")
    assert web.send("GET", ONE).status_code == 404


def test_fifteen_tags_are_the_most(web: World) -> None:
    body = {**setting(), "tags": {f"t{n}": "x" for n in range(16)}}
    assert web.put(ONE, body).json()["error"]["target"] == "tags"


def test_a_scale_set_has_one_setting_and_it_must_be_there(web: World) -> None:
    web.put(ONE, setting())
    second = web.put(f"{INSIGHTS}/second", setting(targetResourceUri=SET.upper()))
    assert (second.status_code, "web-scale" in second.json()["error"]["message"]) == (409, True)
    missing = web.put(f"{INSIGHTS}/third", setting(targetResourceUri=f"{SET}x"))
    assert (missing.status_code, missing.json()["error"]["code"]) == (400, "InvalidResourceReference")
    other = copy.deepcopy(setting(targetResourceUri=f"{GROUP}/providers/Microsoft.Network/loadBalancers/lb"))
    assert web.put(f"{INSIGHTS}/third", other).json()["error"]["target"] == "properties.targetResourceUri"
    assert web.put(ONE, setting()).status_code == 200


def test_mail_that_nobody_sends_is_said(web: World) -> None:
    body = setting(notifications=[{"operation": "Scale", "email": {"customEmails": ["me@here"]}}])
    codes = [each["code"] for each in web.put(ONE, body).json()["properties"]["warnings"]]
    assert "NobodyIsTold" in codes


@pytest.mark.parametrize("name", ["metrics", "metricDefinitions", "diagnosticSettings"])
def test_what_is_not_measured_yet_is_refused_by_name(web: World, name: str) -> None:
    answer = web.send("GET", f"{SET}/providers/Microsoft.Insights/{name}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "OperationNotAllowed")
    assert web.send("GET", f"{SET}x/providers/microsoft.insights/{name}").status_code == 404
