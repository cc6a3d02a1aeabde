"""Health asked inside a guest and from outside: one guest after the other way of asking."""

from __future__ import annotations

import json

import pytest
from bodies import health, micro_set, script
from conftest import MakeSet
from system import Json, TestedSet, is_served, wait_for

from orchestrator.lab import Lab

# On the guest's own localhost only: nobody outside can ask it.
LOCAL_SERVICE = """#!/bin/sh
mkdir -p /srv/www
echo '{"ApplicationHealthState": "Healthy"}' >/srv/www/state
echo '::respawn:/usr/sbin/httpd -f -p 127.0.0.1:8081 -h /srv/www' >>/etc/inittab
kill -HUP 1
"""
STOP_LOCAL_SERVICE = (
    "sed -i /8081/d /etc/inittab; kill -HUP 1; "
    "for pid in $(pidof httpd); do if grep -q 8081 /proc/$pid/cmdline; then kill $pid; fi; done"
)
PORT = 8081


@pytest.fixture(scope="module")
def asked(make_set: MakeSet) -> TestedSet:
    inside = health(protocol="http", port=PORT, requestPath="/state")
    asked = make_set("asked", micro_set(1, script(LOCAL_SERVICE), inside))
    asked.wait_ready(0, is_healthy=True)
    return asked


def _health(asked: TestedSet) -> str:
    return str(asked.view(0).get("vmHealth", {}).get("status", {}).get("code", "none")).removeprefix("HealthState/")


def _wait(asked: TestedSet, state: str) -> None:
    wait_for(lambda: _health(asked) == state, f"the instance is {state}, not {_health(asked)}", 30, 0.25)


def _ask_by(asked: TestedSet, extension: Json) -> None:
    """Another way of asking, brought to the guest in place."""
    boot = asked.boot_id(0)
    asked.client.send("PUT", asked.path("extensions", "health"), body={"properties": extension["properties"]})
    asked.do("manualUpgrade", 0)
    assert asked.boot_id(0) == boot


def test_a_service_that_only_the_guest_itself_can_reach_is_asked_from_inside(asked: TestedSet, lab: Lab) -> None:
    assert not is_served(lab, f"http://{asked.address(0)}:{PORT}/state")
    _wait(asked, "healthy")
    asked.run(0, "mv /srv/www/state /srv/www/away")
    _wait(asked, "unhealthy")
    asked.run(0, "mv /srv/www/away /srv/www/state")
    _wait(asked, "healthy")


@pytest.mark.parametrize(
    ("body", "state"),
    [
        (json.dumps({"ApplicationHealthState": "Unhealthy"}), "unhealthy"),
        ("hello", "unknown"),
        (json.dumps({"ApplicationHealthState": "Healthy"}), "healthy"),
    ],
)
def test_rich_states_are_what_the_body_says(asked: TestedSet, body: str, state: str) -> None:
    rich = health("2.0", protocol="http", port=PORT, requestPath="/state", gracePeriod=5)
    if asked.client.get(asked.path("extensions", "health"))["properties"]["typeHandlerVersion"] != "2.0":
        _ask_by(asked, rich)
    asked.run(0, f"echo '{body}' >/srv/www/state")
    _wait(asked, state)


def test_custom_metrics_come_out_of_the_guest_as_they_are(asked: TestedSet) -> None:
    """The set asks in rich states since the test before."""
    metrics = json.dumps({"rollingUpgrade": {"PhaseOrderingNumber": 2, "SkipUpgrade": False}})
    body = json.dumps({"ApplicationHealthState": "Healthy", "customMetrics": metrics})
    asked.run(0, f"cat >/srv/www/state <<'END'\n{body}\nEND")
    code = "ComponentStatus/CustomMetrics/succeeded"
    [told] = wait_for(lambda: [each for each in _substatuses(asked) if each["code"] == code], "they are shown", 30)
    assert told["message"] == metrics
    assert _health(asked) == "healthy"


def _substatuses(asked: TestedSet) -> list[Json]:
    [extension] = [each for each in asked.view(0)["extensions"] if each["name"] == "health"]
    return list(extension["substatuses"])


def test_a_tcp_port_that_opens_is_healthy(asked: TestedSet) -> None:
    _ask_by(asked, health(protocol="tcp", port=PORT))
    _wait(asked, "healthy")
    asked.run(0, STOP_LOCAL_SERVICE)
    _wait(asked, "unhealthy")


def test_a_guest_is_asked_from_outside_over_the_network(make_set: MakeSet) -> None:
    probe = {"protocol": "http", "port": 80, "requestPath": "/index.html", "intervalInSeconds": 5}
    outside = make_set("outside", micro_set(1, externalHealthProbe=probe))
    outside.wait_ready(0, is_healthy=True)
    outside.run(0, "mv /var/www/index.html /var/www/away")
    _wait(outside, "unhealthy")
    outside.run(0, "mv /var/www/away /var/www/index.html")
    _wait(outside, "healthy")

    # Another page that is not there: the guests that run are asked for it from now on.
    outside.wait(outside.patch({"properties": {"externalHealthProbe": {**probe, "requestPath": "/other"}}}))
    _wait(outside, "unhealthy")
