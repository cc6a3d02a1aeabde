"""The set-up: its lock file, its packages, its targets."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from orchestrator.lab.shell import PROGRAMS
from tests.conftest import pytest_collection_modifyitems

ROOT = Path(__file__).parents[2]
PACKAGES = ROOT / ".ci" / "system-packages.sh"
LOCKED = dict(line.split("==") for line in (ROOT / ".ci" / "requirements.txt").read_text().splitlines())
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.mark.parametrize(
    "requirement",
    [Requirement(text) for text in [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["test"]]],
    ids=lambda requirement: requirement.name,
)
def test_the_lock_file_holds_a_version_that_the_project_allows(requirement: Requirement) -> None:
    locked = {canonicalize_name(name): version for name, version in LOCKED.items()}
    assert locked[canonicalize_name(requirement.name)] in requirement.specifier


def test_the_lock_file_holds_neither_ourselves_nor_places_of_this_machine() -> None:
    assert "vmss" not in LOCKED
    assert all(re.fullmatch(r"[\w.-]+==[\w.!+]+", f"{name}=={version}") for name, version in LOCKED.items())


class Machine:
    """A machine with fake package tools: each writes down how it was called. ``installed`` is what dpkg knows."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.installed: list[str] = []
        self.path = f"{folder}:/usr/bin:/bin"
        self._tool("dpkg-query", '[[ " $INSTALLED " == *" ${@: -1} "* ]] && printf installed')
        for tool in ("apt-get", "sudo", "systemctl"):
            self._tool(tool, f'echo "{tool} $*" >> "$CALLS"')
        self._tool("id", 'echo "$USER_ID"')

    def _tool(self, name: str, script: str) -> None:
        path = self.folder / name
        path.write_text(f"#!/bin/bash\n{script}\n")
        path.chmod(0o755)

    def has(self, *programs: str) -> None:
        for program in programs:
            self._tool(program, "true")

    def lacks(self, *programs: str) -> None:
        """They are nowhere: what the script calls besides is all that is in the path."""
        assert not any((self.folder / program).exists() for program in programs)
        (self.folder / "env").symlink_to("/usr/bin/env")
        self.path = str(self.folder)

    def set_up(self, *words: str, user_id: int = 0) -> list[str]:
        calls = self.folder / "calls"
        calls.write_text("")
        environment = {
            "PATH": self.path,
            "INSTALLED": " ".join(self.installed),
            "CALLS": str(calls),
            "USER_ID": str(user_id),
        }
        subprocess.run([PACKAGES, *words], env=environment, check=True, capture_output=True)
        return calls.read_text().splitlines()


def names(*words: str) -> list[str]:
    done = subprocess.run([PACKAGES, "--list", *words], capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_where_all_packages_are_there_apt_is_not_asked(machine: Machine) -> None:
    machine.installed = names()
    assert machine.set_up() == []


def test_only_what_is_missing_is_installed_without_recommendations(machine: Machine) -> None:
    machine.installed = [name for name in names() if name not in ("mmdebstrap", "curl")]
    update, install = machine.set_up()
    assert update == "apt-get update -q"
    assert install.split()[:5] == ["apt-get", "install", "-y", "-q", "--no-install-recommends"]
    assert sorted(install.split()[5:]) == ["curl", "mmdebstrap"]


def test_who_is_not_root_installs_by_sudo(machine: Machine) -> None:
    machine.installed = [name for name in names() if name != "curl"]
    assert [call.split()[:2] for call in machine.set_up(user_id=1000)] == [["sudo", "apt-get"], ["sudo", "env"]]


def test_only_the_tests_bring_the_servers_that_they_start(machine: Machine) -> None:
    machine.installed = names()
    install = machine.set_up("test")[-1].split()
    assert "openssh-server" in install
    assert "openssh-server" not in names()
    assert set(names()) < set(names("test"))


def test_the_tests_with_clients_bring_node(machine: Machine) -> None:
    assert set(names("clients")) - set(names("test")) == {"nodejs", "npm"}
    machine.installed = names("test")
    machine.lacks("node", "npm")
    assert machine.set_up("clients")[-1].split()[5:] == ["nodejs", "npm"]


def test_a_node_that_no_package_knows_is_good_enough(machine: Machine) -> None:
    machine.installed = names("test")
    machine.has("node", "npm")
    assert machine.set_up("clients") == []


def test_words_that_mean_nothing_are_refused() -> None:
    assert subprocess.run([PACKAGES, "tests"], capture_output=True, check=False).returncode == 2


def test_every_program_of_the_lab_is_in_a_package_that_is_set_up() -> None:
    essential = {"coreutils"}
    assert set(PROGRAMS.values()) - essential <= set(names())


def targets() -> list[str]:
    done = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True)
    return re.findall(r"^  ([a-z-]+) +\S", done.stdout, re.MULTILINE)


def test_make_alone_says_what_there_is() -> None:
    assert {"demo", "test", "up", "down", "bench", "check", "clean", "help"} <= set(targets())


@pytest.mark.parametrize("target", targets())
def test_every_target_that_make_names_can_be_made(target: str) -> None:
    done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("script", [".ci/run", ".ci/system-packages.sh", ".ci/js-clients.sh"])
def test_scripts_are_executable_and_parse(script: str) -> None:
    assert os.access(ROOT / script, os.X_OK)
    subprocess.run(["bash", "-n", ROOT / script], check=True)


def test_continuous_integration_runs_what_people_run() -> None:
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    assert [line.split()[:2] for line in lines if line.startswith("make")] == [
        ["make", "test"],
        ["make", "test-clients"],
    ]
    assert "set -euo pipefail" in lines


def test_real_guests_come_last_and_the_order_is_kept_otherwise() -> None:
    def item(name: str, *, is_real: bool) -> SimpleNamespace:
        marks = {"real": pytest.mark.real} if is_real else {}
        return SimpleNamespace(name=name, get_closest_marker=marks.get)

    items = [item("a", is_real=True), item("b", is_real=False), item("c", is_real=True), item("d", is_real=False)]
    pytest_collection_modifyitems(items)  # type: ignore[arg-type]
    assert [each.name for each in items] == ["b", "d", "a", "c"]


def runs_of_pytest(target: str) -> list[list[str]]:
    """Their arguments."""
    done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=True)
    lines = [line for line in done.stdout.splitlines() if "-m pytest" in line]
    return [shlex.split(line.partition("-m pytest")[2]) for line in lines]


def marked(run: list[str]) -> str:
    return run[run.index("-m") + 1]


def test_tests_with_real_guests_never_run_beside_others() -> None:
    runs = runs_of_pytest("test")
    assert [marked(run) for run in runs] == ["not real and not clients", "real and not clients"]
    assert ["-n" in run for run in runs] == [True, False]


def test_azures_clients_have_a_run_of_their_own() -> None:
    [run] = runs_of_pytest("test-clients")
    assert (marked(run), "-n" in run) == ("clients", False)
    assert not any("tests/clients" in word for each in runs_of_pytest("test") for word in each)


def test_every_test_with_azures_clients_says_so() -> None:
    argv = [sys.executable, "-m", "pytest", "--collect-only", "-m", "not clients", "tests/clients"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == pytest.ExitCode.NO_TESTS_COLLECTED, done.stdout


CLIENTS_LOCKED = (ROOT / ".ci" / "client-requirements.txt").read_text().splitlines()


def test_clients_are_locked_to_exact_versions() -> None:
    assert all(re.fullmatch(r"[\w.-]+==[\w.!+]+", line) for line in CLIENTS_LOCKED)
    assert {"azure-cli", "azure-mgmt-compute", "azure-identity", "schemathesis"} <= {
        line.partition("==")[0] for line in CLIENTS_LOCKED
    }


def test_the_lock_file_of_npm_knows_every_package_by_its_hash_and_names_no_place() -> None:
    folder = ROOT / "tests" / "clients" / "js"
    wanted = json.loads((folder / "package.json").read_text())["dependencies"]
    packages = json.loads((folder / "package-lock.json").read_text())["packages"]
    assert {name: packages[f"node_modules/{name}"]["version"] for name in wanted} == wanted
    installed = [each for name, each in packages.items() if name]
    assert all("integrity" in each for each in installed)
    places = {urlsplit(each["resolved"]).hostname for each in installed if "resolved" in each}
    assert places <= {"registry.npmjs.org"}
