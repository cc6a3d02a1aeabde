"""What a guest is told by its seed: customData, users, keys; and that it is the one it should be."""

from __future__ import annotations

from pathlib import Path

import pytest
from bodies import admin, micro_set
from conftest import MakeSet
from system import TestedSet, User, is_served, wait_for

from orchestrator.errors import GuestError, HostKeyMismatch
from orchestrator.lab import Lab

CLOUD_CONFIG = """#cloud-config
write_files:
  - path: /etc/greeting
    content: "hello from write_files\\n"
    permissions: "0640"
  - path: /var/www/coded.txt
    encoding: b64
    content: ZGVjb2RlZAo=
runcmd:
  - [cp, /etc/greeting, /var/www/greeting.txt]
  - stat -c %a /etc/greeting >/var/www/mode.txt
  - echo done >/var/www/done.txt
"""
SCRIPT = """#!/bin/sh
echo "ran on $(cat /etc/hostname)" >/var/www/done.txt
"""


@pytest.fixture(scope="module")
def user() -> User:
    return User.new()


@pytest.fixture(scope="module")
def configured(make_set: MakeSet, user: User) -> dict[str, TestedSet]:
    """Two guests, one with each kind of customData."""
    data = {"cloudy": CLOUD_CONFIG, "scripted": SCRIPT}
    sets = {
        name: make_set(name, micro_set(1, os_profile=admin(user.public, custom_data=each)))
        for name, each in data.items()
    }
    for each in sets.values():
        each.wait_ready(0)
    return sets


def _wait_done(one: TestedSet, lab: Lab) -> None:
    wait_for(lambda: is_served(lab, f"http://{one.address(0)}/done.txt"), "the first boot's commands have run")


def test_files_and_commands_of_a_cloud_config_take_effect(configured: dict[str, TestedSet], lab: Lab) -> None:
    cloudy = configured["cloudy"]
    _wait_done(cloudy, lab)
    assert cloudy.fetch(0, "/greeting.txt") == "hello from write_files\n"
    assert cloudy.fetch(0, "/mode.txt") == "640\n"
    assert cloudy.fetch(0, "/coded.txt") == "decoded\n"


def test_custom_data_that_is_a_script_is_run(configured: dict[str, TestedSet], lab: Lab) -> None:
    scripted = configured["scripted"]
    _wait_done(scripted, lab)
    assert scripted.fetch(0, "/done.txt") == "ran on scripted000000\n"


def test_the_admin_user_logs_in_where_the_recorded_host_key_is_shown(
    configured: dict[str, TestedSet], user: User
) -> None:
    assert configured["cloudy"].ssh(0, "id -un", "azureuser", user.key) == "azureuser\n"


def test_a_guest_that_shows_another_host_key_is_refused(configured: dict[str, TestedSet], user: User) -> None:
    of_another = str(configured["scripted"].connection(0)["hostKey"])
    with pytest.raises(HostKeyMismatch):
        configured["cloudy"].ssh(0, "true", "azureuser", user.key, host_key=of_another)


def test_nobody_logs_in_with_another_key(configured: dict[str, TestedSet], user: User) -> None:
    for name in ("azureuser", "root"):
        with pytest.raises(GuestError):
            configured["cloudy"].ssh(0, "true", name, User.new().key)
    with pytest.raises(GuestError):
        configured["cloudy"].ssh(0, "true", "root", user.key)


def test_the_command_line_logs_in_with_the_pinned_key(
    configured: dict[str, TestedSet], user: User, tmp_path: Path
) -> None:
    identity = tmp_path / "identity"
    identity.write_text(user.private)
    identity.chmod(0o600)
    cloudy = configured["cloudy"]
    done = cloudy.daemon.vmss(
        "ssh", "cloudy", "0", "-g", "tests", "-i", str(identity), "--", "cat", "/etc/hostname"
    )
    assert (done.stdout, done.returncode) == ("cloudy000000\n", 0), done.stderr
