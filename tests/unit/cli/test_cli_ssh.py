from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest
from fake_cli_daemon import FakeDaemon, Vmss

from orchestrator.cli import ssh as ssh_module

HOST_KEY = "ssh-ed25519 AAAAhostkey"
CONNECTION = {
    "address": "10.90.2.7",
    "port": 22,
    "users": ["azureuser"],
    "hostKey": HOST_KEY,
    "networkNamespace": None,
}


class FakeSsh:
    """Stands where OpenSSH is started: remembers the words and what known_hosts held at that moment."""

    def __init__(self) -> None:
        self.argv: list[str] = []
        self.known_hosts = ""
        self.exit_code = 0

    def call(self, argv: list[str]) -> int:
        self.argv = argv
        self.known_hosts = Path(self.option("UserKnownHostsFile")).read_text()
        return self.exit_code

    def option(self, name: str) -> str:
        return next(word.partition("=")[2] for word in self.argv if word.startswith(f"{name}="))


@pytest.fixture
def fake_ssh(monkeypatch: pytest.MonkeyPatch) -> FakeSsh:
    fake = FakeSsh()
    monkeypatch.setattr(subprocess, "call", fake.call)
    monkeypatch.setattr(ssh_module.shutil, "which", lambda name: f"/usr/bin/{name}")
    return fake


def reachable(daemon: FakeDaemon, **members: Any) -> None:
    daemon.add_set("web")
    answer = {**CONNECTION, **members}
    daemon.answers[("GET", "/web/virtualMachines/3/connection")] = lambda _: httpx.Response(200, json=answer)


def test_the_instances_key_is_pinned_and_no_other_is_accepted(
    vmss: Vmss, daemon: FakeDaemon, fake_ssh: FakeSsh
) -> None:
    reachable(daemon, port=2222)
    assert vmss("ssh", "web", "3").code == 0
    alias = fake_ssh.option("HostKeyAlias")
    assert fake_ssh.known_hosts == f"{alias} {HOST_KEY}\n"
    assert fake_ssh.option("StrictHostKeyChecking") == "yes"
    assert fake_ssh.option("GlobalKnownHostsFile") == "/dev/null"
    assert (fake_ssh.option("User"), fake_ssh.option("Port")) == ("azureuser", "2222")
    assert fake_ssh.argv[0] == "ssh"
    assert fake_ssh.argv[-1] == "10.90.2.7"
    assert not Path(fake_ssh.option("UserKnownHostsFile")).exists()


def test_a_command_its_flags_and_its_exit_code_pass_through(
    vmss: Vmss, daemon: FakeDaemon, fake_ssh: FakeSsh
) -> None:
    reachable(daemon)
    fake_ssh.exit_code = 17
    outcome = vmss("ssh", "web", "3", "-l", "joe", "-i", "/k/id", "--", "ls", "-l", "--instance-ids", "/")
    assert outcome.code == 17
    assert fake_ssh.argv[-5:] == ["10.90.2.7", "ls", "-l", "--instance-ids", "/"]
    assert fake_ssh.option("User") == "joe"
    assert fake_ssh.argv[fake_ssh.argv.index("-i") + 1] == "/k/id"


def test_a_guest_of_a_lab_is_reached_from_inside_its_namespace(
    vmss: Vmss, daemon: FakeDaemon, fake_ssh: FakeSsh, monkeypatch: pytest.MonkeyPatch
) -> None:
    reachable(daemon, networkNamespace="vmss-lab")
    monkeypatch.setattr(ssh_module.os, "geteuid", lambda: 0)
    vmss("ssh", "web", "3")
    assert fake_ssh.argv[:5] == ["ip", "netns", "exec", "vmss-lab", "ssh"]


def test_only_root_may_enter_a_labs_namespace_and_is_told_so_before_anything_runs(
    vmss: Vmss, daemon: FakeDaemon, fake_ssh: FakeSsh, monkeypatch: pytest.MonkeyPatch
) -> None:
    reachable(daemon, networkNamespace="vmss-lab")
    monkeypatch.setattr(ssh_module.os, "geteuid", lambda: 1000)
    outcome = vmss("ssh", "web", "3")
    assert (outcome.code, fake_ssh.argv) == (1, [])
    assert "sudo" in outcome.err


def test_a_missing_ssh_is_named_with_its_package(
    vmss: Vmss, daemon: FakeDaemon, fake_ssh: FakeSsh, monkeypatch: pytest.MonkeyPatch
) -> None:
    reachable(daemon)
    monkeypatch.setattr(ssh_module.shutil, "which", lambda _: None)
    outcome = vmss("ssh", "web", "3")
    assert (outcome.code, "openssh-client" in outcome.err) == (1, True)


def test_an_instance_without_users_asks_for_one(vmss: Vmss, daemon: FakeDaemon, fake_ssh: FakeSsh) -> None:
    reachable(daemon, users=[])
    assert (vmss("ssh", "web", "3").code, fake_ssh.argv) == (2, [])


def test_an_instance_that_is_not_there_has_exit_code_3(vmss: Vmss, daemon: FakeDaemon) -> None:
    daemon.add_set("web")
    assert vmss("ssh", "web", "9").code == 3
