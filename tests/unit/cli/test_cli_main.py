from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from fake_cli_daemon import FakeDaemon, Vmss

from orchestrator.cli.faults import EXIT_CODES

AZ_COMMANDS = """
    create show list scale update start restart stop deallocate reimage delete delete-instances list-instances
    get-instance-view list-skus update-instances set-orchestration-service-state extension wait
"""
OWN_COMMANDS = "apply ssh console plan events census doctor host image lab status completion version"
HEAVY = (
    "httpx",
    "rich.table",
    "yaml",
    "jmespath",
    "pydantic",
    "libvirt",
    "sqlalchemy",
    "paramiko",
    "orchestrator.lab",
)


def test_every_command_of_az_vmss_and_our_own_is_there_with_help(vmss: Vmss) -> None:
    listed = vmss("--help").out
    for name in [*AZ_COMMANDS.split(), *OWN_COMMANDS.split()]:
        assert f" {name} " in listed, name
        outcome = vmss(name, "--help")
        assert (outcome.code, "Usage: vmss" in outcome.out) == (0, True), name


def test_the_help_lists_every_exit_code(vmss: Vmss) -> None:
    text = " ".join(vmss("--help").out.split())
    for code, meaning in EXIT_CODES.items():
        assert f"{code} {meaning}" in text


def test_no_command_and_an_unknown_one_are_usage_errors(vmss: Vmss) -> None:
    assert vmss("creat").code == 2
    assert vmss().code == 2


def test_help_loads_nothing_that_only_real_work_needs() -> None:
    program = (
        "import sys; from orchestrator.cli.main import run\n"
        "try: run(['--help'])\n"
        "except SystemExit: pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = [name for name in HEAVY if name != "rich.table" and f"'{name}'" in result.stderr]
    assert loaded == []


def test_the_completion_script_is_printed_for_each_shell() -> None:
    for shell, word in (("bash", "complete "), ("zsh", "#compdef vmss"), ("fish", "complete --command vmss")):
        program = f"from orchestrator.cli.main import run; run(['completion', '{shell}'])"
        result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
        assert word in result.stdout, result.stderr
        assert "_VMSS_COMPLETE" in result.stdout


def test_version_is_shown_with_and_without_a_daemon(vmss: Vmss, daemon: FakeDaemon) -> None:
    assert "9.9" in vmss("version").out
    daemon.is_down = True
    outcome = vmss("version", "-o", "json")
    assert outcome.code == 0
    assert '"vmssd": null' in outcome.out


def test_verbose_says_which_daemon_was_chosen_and_why(vmss: Vmss) -> None:
    assert "/nowhere/vmssd.sock (VMSS_SOCKET)" in vmss("status", "--verbose").err


def test_a_reader_that_goes_away_is_no_traceback(daemon: FakeDaemon, tmp_path: Path) -> None:
    program = "from orchestrator.cli.main import run; run(['--help'])"
    result = subprocess.run(
        ["/bin/sh", "-c", f'"{sys.executable}" -c "{program}" | head -1'],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("words", [["show", "web", "-o", "xml"], ["list", "--nonsense"], ["list", "--query", "["]])
def test_options_that_are_wrong_are_usage_errors(vmss: Vmss, words: list[str]) -> None:
    assert vmss(*words).code == 2
