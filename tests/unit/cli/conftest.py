from __future__ import annotations

from pathlib import Path

import pytest
from fake_cli_daemon import FakeClock, FakeDaemon, Outcome, Vmss

from orchestrator.cli.main import run
from orchestrator.cli.session import Wiring
from orchestrator.cli.waiting import Clock


@pytest.fixture
def daemon() -> FakeDaemon:
    return FakeDaemon()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def vmss(
    daemon: FakeDaemon,
    clock: FakeClock,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Vmss:
    """Runs one command line in this process against the fake daemon."""
    monkeypatch.setenv("VMSS_SOCKET", "/nowhere/vmssd.sock")
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("VMSS_ENDPOINT", "VMSS_RESOURCE_GROUP"):
        monkeypatch.delenv(name, raising=False)

    def call(*argv: str) -> Outcome:
        capsys.readouterr()
        try:
            code = run(list(argv), Wiring(daemon.transport, Clock(clock.now, clock.sleep)))
        except SystemExit as exit_:
            code = int(exit_.code or 0)
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return call
