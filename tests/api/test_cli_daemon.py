"""The command line against the whole daemon, on simulated hosts, over its real Unix socket."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.cli.main import run

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKB6OUqLIjcTMVS7XGMn3q5OZZ8Jw3BbY8W4rFZVnHqX me@here"
CREATE = ("--image", "vmss:micro:1", "--vm-sku", "Lab_Micro", "--ssh-key-values", KEY)
_READY_WITHIN_S = 30.0


class Daemon:
    """One ``vmssd`` process on a state directory of its own."""

    def __init__(self, folder: Path, **changes: Any) -> None:
        """``changes`` are members of the configuration."""
        self.socket = folder / "vmssd.sock"
        self._config = folder / "vmssd.yaml"
        self._log = (folder / "log").open("ab")
        hosts = [{"name": f"h{n}", "uri": "simulated:///", "fault_domain": n} for n in range(3)]
        network = {"name": "default", "cidr": "10.1.0.0/16", "first": "10.1.0.10", "last": "10.1.9.250"}
        config = {
            "state_dir": str(folder / "state"),
            "socket": str(self.socket),
            "https_listen": None,
            "images_dir": str(folder / "images"),
            "hosts": hosts,
            "networks": [network],
        }
        self.config = config | changes
        self._config.write_text(yaml.safe_dump(self.config))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "orchestrator.daemon", "--config", str(self._config)]
        self._process = subprocess.Popen(command, stdout=self._log, stderr=self._log)
        deadline = time.monotonic() + _READY_WITHIN_S
        while not self._answers():
            assert self._process.poll() is None, Path(self._log.name).read_text()
            assert time.monotonic() < deadline, "vmssd did not come up"
            time.sleep(0.05)

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.socket)) == 0

    def end(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)
        self._process.wait(_READY_WITHIN_S)

    def close(self) -> None:
        self.end(signal.SIGTERM)
        self._log.close()


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    made = Daemon(tmp_path_factory.mktemp("vmssd"))
    made.start()
    yield made
    made.close()


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.code == 0, self.err
        return json.loads(self.out)


Vmss = Callable[..., Outcome]


@pytest.fixture(scope="module")
def vmss(daemon: Daemon) -> Vmss:
    def call(*argv: str) -> Outcome:
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            try:
                code = run([*argv, "--socket", str(daemon.socket)])
            except SystemExit as exit_:
                code = int(exit_.code or 0)
        return Outcome(code, out.getvalue(), err.getvalue())

    return call


@pytest.fixture(scope="module")
def web(vmss: Vmss) -> Iterator[str]:
    """Two healthy instances that tests share: they leave them as they are."""
    made = vmss("create", "web", "--instance-count", "2", "--health-http", "80", *CREATE)
    assert made.code == 0, made.err
    yield "web"
    assert vmss("delete", "web").code == 0


@pytest.fixture
def own(vmss: Vmss) -> Iterator[str]:
    """Two instances for one test, to do with as it likes."""
    made = vmss("create", "own", "--instance-count", "2", *CREATE)
    assert made.code == 0, made.err
    yield "own"
    assert vmss("delete", "own").code == 0


def ids(vmss: Vmss, name: str) -> list[str]:
    found: list[str] = vmss("list-instances", name, "--query", "[].instanceId", "-o", "json").json
    return sorted(found, key=int)


def test_a_set_is_created_waited_for_and_listed(vmss: Vmss, web: str) -> None:
    assert vmss("wait", web, "--healthy", "--timeout", "60").code == 0
    rows = vmss("list-instances", web).out.splitlines()[1:]
    assert [row.split()[:5] for row in rows] == [
        ["0", "web_0", "Succeeded", "running", "healthy"],
        ["1", "web_1", "Succeeded", "running", "healthy"],
    ]
    assert vmss("list", "--query", "[].name", "-o", "tsv").out == "web\n"
    assert vmss("plan", web).out == "nothing to do: everything is as wanted\n"


def test_power_verbs_do_what_they_say_to_the_instances_named(vmss: Vmss, own: str) -> None:
    powers = "[].instanceView.statuses[?starts_with(code, 'PowerState')].code | []"

    def power() -> list[str]:
        views = "[].{instanceView: properties.instanceView} | " + powers
        found: list[str] = vmss("list-instances", own, "--query", views, "-o", "json").json
        return [code.removeprefix("PowerState/") for code in found]

    assert vmss("stop", own, "--instance-ids", "1").code == 0
    assert power() == ["running", "stopped"]
    assert vmss("deallocate", own, "--instance-ids", "0").code == 0
    assert power() == ["deallocated", "stopped"]
    assert vmss("start", own).code == 0
    assert power() == ["running", "running"]
    assert vmss("restart", own, "--instance-ids", "1", "--no-wait").code == 0
    assert vmss("reimage", own, "--instance-ids", "0").code == 0
    assert power() == ["running", "running"]


def test_a_protected_instance_survives_scaling_in_and_ids_are_never_used_again(vmss: Vmss, own: str) -> None:
    assert vmss("update", own, "--instance-id", "1", "--protect-from-scale-set-actions").code == 0
    assert vmss("update", own, "--instance-id", "1", "--protect-from-scale-in").code == 0
    policy = vmss("show", own, "--instance-id", "1", "--query", "properties.protectionPolicy", "-o", "json").json
    assert policy == {"protectFromScaleIn": True, "protectFromScaleSetActions": True}
    assert vmss("scale", own, "--new-capacity", "1").code == 0
    assert ids(vmss, own) == ["1"]
    assert vmss("scale", own, "--new-capacity", "2").code == 0
    assert ids(vmss, own) == ["1", "2"]
    assert vmss("update", own, "--instance-id", "1", "--remove", "protectionPolicy").code == 0
    again = vmss("show", own, "--instance-id", "1", "--query", "properties.protectionPolicy", "-o", "json").json
    assert again == {}


@pytest.fixture
def flexible(vmss: Vmss) -> Iterator[str]:
    """Two instances of a Flexible set for one test."""
    made = vmss("create", "flex", "--instance-count", "2", "--orchestration-mode", "Flexible", *CREATE)
    assert made.code == 0, made.err
    yield "flex"
    assert vmss("delete", "flex").code == 0


def test_instances_of_a_flexible_set_are_called_by_name(vmss: Vmss, flexible: str) -> None:
    names = vmss("list-instances", flexible, "--query", "[].instanceId", "-o", "tsv").out.split()
    assert len(names) == 2
    assert all(re.fullmatch(r"flex_[0-9a-f]{8}", name) for name in names)
    rows = vmss("list-instances", flexible).out.splitlines()[1:]
    assert [row.split()[:3] for row in rows] == [[name, "Succeeded", "running"] for name in names]
    assert vmss("restart", flexible, "--instance-ids", names[0].upper()).code == 0
    assert f"flex/{names[0]}" in vmss("events", "--set", flexible).out.replace(" ", "/").replace("//", "/")
    census = vmss("census", "--query", "[?kind=='domain'].instance", "-o", "json").json
    assert set(names) <= set(census)
    assert vmss("show", flexible, "--instance-id", names[1]).code == 0
    assert vmss("show", flexible, "--instance-id", "0").code == 3
    assert vmss("delete-instances", flexible, "--instance-ids", names[0]).code == 0
    assert vmss("list-instances", flexible, "--query", "[].instanceId", "-o", "tsv").out.split() == names[1:]
    assert vmss("show", flexible, "--query", "sku.capacity", "-o", "tsv").out == "1\n"


def test_updates_set_add_remove_and_clear(vmss: Vmss, web: str) -> None:
    assert vmss("update", web, "--enable-automatic-repairs", "--automatic-repairs-grace-period", "30s").code == 0
    assert vmss("update", web, "--set", "tags.a=1", "tags.b=2", "--scale-in-policy", "OldestVM").code == 0
    model = vmss("show", web, "-o", "json").json
    assert model["properties"]["automaticRepairsPolicy"]["gracePeriod"] == "PT30S"
    assert model["properties"]["scaleInPolicy"]["rules"] == ["OldestVM"]
    assert model["tags"] == {"a": "1", "b": "2"}
    assert vmss("set-orchestration-service-state", web, "--action", "Suspend").code == 0
    services = vmss("get-instance-view", web, "--query", "orchestrationServices[0].serviceState", "-o", "tsv")
    assert services.out == "Suspended\n"
    assert vmss("update", web, "--remove", "automaticRepairsPolicy", "--remove", "tags.a").code == 0
    model = vmss("show", web, "-o", "json").json
    assert model["tags"] == {"b": "2"}
    assert not model["properties"].get("automaticRepairsPolicy", {}).get("enabled")


def test_an_extension_is_set_run_and_removed(vmss: Vmss, web: str) -> None:
    settings = ("--settings", '{"commandToExecute": "true"}', "--protected-settings", "{}")
    assert vmss("extension", "set", web, "-n", "CustomScript", *settings).code == 0
    assert vmss("update-instances", web, "--instance-ids", "*").code == 0
    view = "extensions[?name=='CustomScript'].statuses[].code"
    assert vmss("get-instance-view", web, "--instance-id", "0", "--query", view, "-o", "tsv").out == (
        "ProvisioningState/succeeded\n"
    )
    names = ("--query", "[].name", "-o", "tsv")
    assert vmss("extension", "list", web, *names).out.split() == ["ApplicationHealthLinux", "CustomScript"]
    assert vmss("extension", "delete", web, "-n", "CustomScript").code == 0
    assert vmss("extension", "show", web, "-n", "CustomScript").code == 3


def test_apply_creates_changes_and_then_leaves_alone(vmss: Vmss, tmp_path: Path) -> None:
    profile = {"storageProfile": {"imageReference": {"publisher": "vmss", "offer": "micro", "sku": "1"}}}
    wish = {
        "name": "db",
        "sku": {"name": "Lab_Micro", "capacity": 1},
        "properties": {"virtualMachineProfile": profile},
    }
    file = tmp_path / "db.yaml"
    results = []
    for capacity in (1, 0, 0):
        wish["sku"] = {"name": "Lab_Micro", "capacity": capacity}
        file.write_text(yaml.safe_dump(wish))
        results.append(vmss("apply", "-f", str(file), "-o", "json").json[0])
    assert [each["result"] for each in results] == ["created", "changed", "unchanged"]
    assert results[1]["changes"] == [{"path": "sku.capacity", "before": 1, "after": 0}]
    assert vmss("delete", "db").code == 0


def test_the_site_is_looked_at_from_every_side(vmss: Vmss, web: str) -> None:
    assert vmss("status", "-o", "json").json["scaleSets"] >= 1
    assert vmss("host", "list", "--query", "[].state", "-o", "tsv").out.split() == ["up"] * 3
    assert vmss("host", "show", "h1").code == 0
    assert vmss("doctor").code == 0
    owned = vmss("census", "--query", "[?state=='owned' && kind=='domain'].instance", "-o", "json").json
    assert {"web_0", "web_1"} <= set(owned)
    reasons = vmss("events", "--set", web, "--query", "[?kind=='create'].reason", "-o", "json").json
    assert "it is wanted and not there" in reasons
    assert "boot 1" in vmss("console", web, "0").out
    assert (
        vmss("list-skus", web, "--query", "[?sku.name=='Lab_Micro'].capacity.maximum", "-o", "tsv").out == "1000\n"
    )
    assert vmss("get-instance-view", web).out.count("HealthState/healthy") == 1
    assert vmss("version", "-o", "json").json["vmssd"] is not None


def test_draining_a_host_moves_its_instances_away(vmss: Vmss, own: str) -> None:
    of_first = "[?instanceId=='0'].properties.instanceView.assignedHost | [0]"
    host = vmss("list-instances", own, "--query", of_first, "-o", "tsv").out.strip()
    assert vmss("host", "drain", host).code == 0
    deadline = time.monotonic() + 60
    hosts = "[?properties.provisioningState=='Succeeded'].properties.instanceView.assignedHost"
    while True:
        found = vmss("list-instances", own, "--query", hosts, "-o", "json").json
        if len(found) == 2 and host not in found:
            break
        assert time.monotonic() < deadline, found
        time.sleep(0.2)
    assert vmss("host", "undrain", host).code == 0
    assert vmss("host", "show", host, "--query", "state", "-o", "tsv").out == "up\n"


@pytest.mark.parametrize(
    ("line", "code", "says"),
    [
        ("show nope", 3, "ResourceNotFound"),
        ("host show nope", 3, "nope"),
        ("list-instances nope", 3, "ResourceNotFound"),
        ("create bad --image vmss:micro:1 --vm-sku Nope --zones 9", 1, "Nope"),
        ("create -bad- --image vmss:micro:1", 2, ""),
        ("create bad. --image vmss:micro:1", 1, "name"),
        ("create bad --image nope", 3, "ImageNotFound"),
    ],
)
def test_refusals_have_their_codes_and_leave_nothing(vmss: Vmss, line: str, code: int, says: str) -> None:
    outcome = vmss(*line.split())
    assert (outcome.code, outcome.out) == (code, "")
    assert says in outcome.err
    assert vmss("list", "--query", "[?starts_with(name, 'bad')]", "-o", "json").json == []


def test_ids_that_are_not_there_and_members_that_are_unknown_are_refused(vmss: Vmss, web: str) -> None:
    assert vmss("delete-instances", web, "--instance-ids", "77").code == 1
    assert vmss("ssh", web, "77").code == 3
    refused = vmss("update", web, "--set", "virtualMachineProfile.osProfile.nope=3")
    assert (refused.code, "osProfile.nope" in refused.err) == (1, True)
    assert ids(vmss, web) == ["0", "1"]


def test_a_wait_outlives_a_daemon_that_is_killed_and_comes_back(vmss: Vmss, daemon: Daemon, tmp_path: Path) -> None:
    environment = {**os.environ, "VMSS_SOCKET": str(daemon.socket), "HOME": str(tmp_path)}
    command = [sys.executable, "-c", "import sys; from orchestrator.cli.main import run; sys.exit(run())"]
    arguments = ["create", "lives", "--instance-count", "2", *CREATE]
    with subprocess.Popen(
        [*command, *arguments], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as waiting:
        assert waiting.stderr is not None
        assert "creating lives" in waiting.stderr.readline()
        daemon.end(signal.SIGKILL)
        daemon.start()
        out, err = waiting.communicate(timeout=90)
    assert waiting.returncode == 0, err
    assert "Succeeded" in out
    assert len(ids(vmss, "lives")) == 2
    assert vmss("delete", "lives").code == 0
