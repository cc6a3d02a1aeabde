from __future__ import annotations

import configparser
import shlex
from pathlib import Path

import pytest
from fake_cli_daemon import Vmss

from orchestrator.cli import service
from orchestrator.cli.service import unit_text
from orchestrator.errors import BadInput


def unit(program: str, config: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(unit_text(Path(program), Path(config)))
    return parser


def test_the_unit_starts_this_installation_with_its_configuration() -> None:
    found = unit("/opt/vmss/bin/vmssd", "/etc/vmss/vmssd.yaml")
    assert found["Service"]["ExecStart"] == "/opt/vmss/bin/vmssd --config /etc/vmss/vmssd.yaml"
    assert found["Service"]["ExecStartPre"] == "/opt/vmss/bin/vmssd --check --config /etc/vmss/vmssd.yaml"
    assert found["Service"]["Restart"] == "on-failure"
    assert found["Install"]["WantedBy"] == "multi-user.target"


def test_the_balancer_runs_on_when_the_service_is_restarted() -> None:
    assert unit("/bin/vmssd", "/c")["Service"]["KillMode"] == "process", "systemd ends all of a service else"


def test_the_socket_of_the_service_is_where_the_command_line_looks() -> None:
    found = unit("/bin/vmssd", "/c")
    assert Path("/run") / found["Service"]["RuntimeDirectory"] == Path("/run/vmss")


def test_paths_with_what_systemd_takes_for_its_own_are_kept_whole() -> None:
    started = unit("/home/a b/vmssd", "/etc/100%/$HOME.yaml")["Service"]["ExecStart"]
    assert shlex.split(started) == ["/home/a b/vmssd", "--config", "/etc/100%%/$$HOME.yaml"]


@pytest.mark.parametrize("path", ["vmssd.yaml", "/etc/a\nExecStart=/bin/evil", '/etc/"a"', "/etc/a\\b"])
def test_paths_that_would_change_the_units_meaning_are_refused(path: str) -> None:
    with pytest.raises(BadInput, match="absolute path without quotes"):
        unit_text(Path("/bin/vmssd"), Path(path))


def test_the_unit_can_be_looked_at_first(vmss: Vmss) -> None:
    outcome = vmss("service", "show", "--config", "/srv/vmssd.yaml")
    assert (outcome.code, "/vmssd --config /srv/vmssd.yaml\n" in outcome.out) == (0, True)


def test_without_systemd_nothing_is_installed(vmss: Vmss, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(service, "_SYSTEMD_RUNS", tmp_path / "missing")
    monkeypatch.setattr(service, "UNIT", tmp_path / "vmssd.service")
    outcome = vmss("service", "install")
    assert (outcome.code, "systemd does not run here" in outcome.err) == (1, True)
    assert list(tmp_path.iterdir()) == []


def test_with_systemd_the_unit_is_written_and_read_but_not_started(
    vmss: Vmss, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    calls: list[list[str]] = []
    monkeypatch.setattr(service, "_SYSTEMD_RUNS", tmp_path)
    monkeypatch.setattr(service, "UNIT", tmp_path / "vmssd.service")
    monkeypatch.setattr(service.os, "geteuid", lambda: 0)
    monkeypatch.setattr(service.shutil, "which", lambda _: "systemctl")
    monkeypatch.setattr(service.subprocess, "run", lambda argv, **_: calls.append(argv))
    outcome = vmss("service", "install", "--config", str(tmp_path / "none.yaml"))
    assert outcome.code == 0, outcome.err
    assert "ExecStart=" in (tmp_path / "vmssd.service").read_text()
    assert calls == [["systemctl", "daemon-reload"]]
    assert "name your hosts there first" in outcome.err
