"""Settings of the Application Health extension: defaults, bounds, and every offence in one answer."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.errors import BadInput
from orchestrator.model.health import ProbeSettings
from orchestrator.model.health_extension import parse_health_extension

TARGET = "properties.extensions[0].properties"


def parse(settings: Any, version: str = "1.0", protected: Any = None) -> ProbeSettings:
    return parse_health_extension(settings, protected, version, TARGET)


def offending(settings: Any, version: str = "1.0", protected: Any = None) -> set[str]:
    with pytest.raises(BadInput) as caught:
        parse(settings, version, protected)
    error = caught.value
    targets = {str(detail.target) for detail in error.details} or {str(error.target)}
    assert all(target.startswith(TARGET + ".") for target in targets)
    return {target.removeprefix(TARGET + ".") for target in targets}


def test_defaults_are_those_of_the_reference() -> None:
    assert parse({"protocol": "http", "requestPath": "/health"}) == ProbeSettings(
        "http", 80, "/health", interval_s=5.0, number_of_probes=1, grace_period_s=5.0, is_rich=False, timeout_s=30.0
    )
    assert parse({"protocol": "https", "requestPath": "/"}).port == 443


def test_every_setting_is_taken_over() -> None:
    settings = {
        "protocol": "https",
        "port": 8443,
        "requestPath": "/a?b=c",
        "intervalInSeconds": 10,
        "numberOfProbes": 24,
        "gracePeriod": 14_400,
    }
    assert parse(settings, "2.0") == ProbeSettings("https", 8443, "/a?b=c", 10.0, 24, 14_400.0, is_rich=True)


def test_grace_is_by_default_as_long_as_all_probes_take() -> None:
    settings = {"protocol": "tcp", "port": 22, "intervalInSeconds": 20, "numberOfProbes": 3}
    assert parse(settings, "2.0").grace_period_s == 60.0


def test_a_path_may_be_written_without_its_slash() -> None:
    assert parse({"protocol": "http", "requestPath": "health"}).request_path == "/health"


def test_a_member_of_value_null_is_one_that_is_not_there() -> None:
    assert parse({"protocol": "tcp", "port": 1, "requestPath": None}).port == 1


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        (None, {"protocol"}),
        ({"protocol": "ftp"}, {"protocol"}),
        ({"protocol": "HTTP", "requestPath": "/"}, {"protocol"}),
        ({"protocol": "tcp"}, {"port"}),
        ({"protocol": "tcp", "port": 0}, {"port"}),
        ({"protocol": "tcp", "port": 65_536}, {"port"}),
        ({"protocol": "tcp", "port": "22"}, {"port"}),
        ({"protocol": "tcp", "port": True}, {"port"}),
        ({"protocol": "tcp", "port": 22.0}, {"port"}),
        ({"protocol": "tcp", "port": 22, "requestPath": "/"}, {"requestPath"}),
        ({"protocol": "http"}, {"requestPath"}),
        ({"protocol": "http", "requestPath": 5}, {"requestPath"}),
        ({"protocol": "http", "requestPath": "/a b"}, {"requestPath"}),
        ({"protocol": "http", "requestPath": "/a\r\nX: y"}, {"requestPath"}),
        ({"protocol": "http", "requestPath": "/ä"}, {"requestPath"}),
        ({"protocol": "http", "requestPath": "/a#b"}, {"requestPath"}),
        ({"protocol": "http", "requestPath": "/" + "a" * 2048}, {"requestPath"}),
        ({"protocol": "tcp", "port": 1, "intervalInSeconds": 4}, {"intervalInSeconds"}),
        ({"protocol": "tcp", "port": 1, "intervalInSeconds": 61}, {"intervalInSeconds"}),
        ({"protocol": "tcp", "port": 1, "numberOfProbes": 0}, {"numberOfProbes"}),
        ({"protocol": "tcp", "port": 1, "numberOfProbes": 25}, {"numberOfProbes"}),
        ({"protocol": "tcp", "port": 1, "intervalInSeconds": 11, "numberOfProbes": 24}, {"numberOfProbes"}),
        ({"protocol": "tcp", "port": 1, "gracePeriod": 60}, {"gracePeriod"}),  # version 1.0 has none
        ({"protocol": "tcp", "port": 1, "Port": 2}, {"Port"}),
    ],
)
def test_a_setting_that_breaks_a_rule_is_named(settings: Any, names: set[str]) -> None:
    assert offending(settings) == {f"settings.{name}" for name in names}


@pytest.mark.parametrize("grace_s", [4, 14_401, "60"])
def test_a_grace_period_has_bounds(grace_s: Any) -> None:
    assert offending({"protocol": "tcp", "port": 1, "gracePeriod": grace_s}, "2.0") == {"settings.gracePeriod"}


def test_all_offences_are_named_at_once() -> None:
    settings = {"protocol": "http", "port": -1, "intervalInSeconds": 1, "numberOfProbes": "x", "color": "red"}
    assert offending(settings, "3.0", {"secret": 1}) == {
        "typeHandlerVersion",
        "settings.port",
        "settings.requestPath",
        "settings.intervalInSeconds",
        "settings.numberOfProbes",
        "settings.color",
        "protectedSettings.secret",
    }


def test_settings_must_be_an_object() -> None:
    assert "settings" in offending(["protocol"])


@pytest.mark.parametrize("version", ["", "1", "1.1", "2", "2.0.1", "latest"])
def test_only_the_two_versions_that_exist_are_taken(version: str) -> None:
    assert offending({"protocol": "tcp", "port": 1}, version) == {"typeHandlerVersion"}
