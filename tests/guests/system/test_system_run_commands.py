"""Run commands in real guests: what they see, what stays secret, what ends them, and what a crash leaves."""

from __future__ import annotations

import json

import pytest
from bodies import admin, micro_set
from conftest import MakeSet
from system import Daemon, Json, TestedSet, holds, wait_for

from orchestrator.cli.faults import ApiError
from orchestrator.guest.seed import make_host_key

CANARY = "canary77be4aa1"


@pytest.fixture(scope="module")
def pair(make_set: MakeSet) -> TestedSet:
    """Two guests with a user besides root."""
    one = make_set("told", micro_set(2, os_profile=admin(make_host_key()[1])))
    one.wait(one.creation)
    return one


def put(one: TestedSet, number: int, name: str, text: str, **properties: object) -> str | None:
    body = {"location": "local", "properties": {"source": {"script": text}, **properties}}
    path = one.path("virtualMachines", str(number), "runCommands", name)
    return one.client.send("PUT", path, body=body).operation_url


def view(one: TestedSet, number: int, name: str) -> Json:
    path = one.path("virtualMachines", str(number), "runCommands", name)
    return dict(one.client.get(path, **{"$expand": "instanceView"})["properties"]["instanceView"])


def until(one: TestedSet, number: int, name: str, state: str) -> Json:
    wait_for(lambda: view(one, number, name)["executionState"] == state, f"{name} is {state}", every_s=0.3)
    return view(one, number, name)


def test_a_script_sees_its_instance_and_its_parameters(pair: TestedSet) -> None:
    invoke = ("run-command", "invoke", "-n", "told", "-g", "tests", "--all", "-o", "json", "--scripts")
    nasty = 'it\'s "$HOME" `id`; exit 3'
    done = pair.daemon.vmss(
        *invoke, "hostname", 'echo "<$text>" "<$1>" "<$2>"', "--parameters", f"text={nasty}", nasty, "two"
    )
    assert done.returncode == 0, done.stderr
    said = {each["instanceId"]: each["value"][0]["message"] for each in json.loads(done.stdout)}
    for number in (0, 1):
        host_name = pair.view(number)["computerName"]
        assert f"[stdout]\n{host_name}\n<{nasty}> <{nasty}> <two>\n" in said[str(number)]


def test_a_script_that_fails_is_an_answer_and_no_failed_request(pair: TestedSet) -> None:
    path = pair.path("virtualMachines", "0", "runCommand")
    reply = pair.client.send(
        "POST", path, body={"commandId": "RunShellScript", "script": ["echo no >&2", "exit 9"]}
    )
    pair.wait(reply)
    output = pair.client.get(reply.operation_url or "")["properties"]["output"]
    assert output == pair.client.get(reply.headers["location"])
    [status] = output["value"]
    assert status["code"] == "ProvisioningState/failed/9" and "[stderr]\nno\n" in status["message"]
    one = ("run-command", "invoke", "-n", "told", "-g", "tests", "--instance-id", "0", "--scripts", "exit 9")
    assert pair.daemon.vmss(*one).returncode == 1


def test_protected_parameters_are_used_and_are_left_nowhere(pair: TestedSet) -> None:
    text = f'echo "4712 ${{#secret}}"; case $secret in canary*{CANARY[-8:]}) echo it fits;; esac; sleep 6\n'
    url = put(pair, 0, "secretive", text, protectedParameters=[{"name": "secret", "value": CANARY}])
    wait_for(lambda: "sleep 6" in pair.run(0, "ps -o args"), "the script runs", every_s=0.3)
    seen = pair.run(
        0, "for each in /proc/[0-9]*; do tr '\\0' ' ' <$each/cmdline; tr '\\0' ' ' <$each/environ; echo; done"
    )
    assert "sleep 6" in seen and CANARY not in seen
    assert "it fits" in until(pair, 0, "secretive", "Succeeded")["output"]
    base = pair.path("virtualMachines", "0")
    answers = [pair.client.send("GET", path).text for path in (base, f"{base}/runCommands", f"{base}/console")]
    answers += [pair.client.send("GET", url or "").text, json.dumps(pair.daemon.events())]
    assert [answer for answer in answers if CANARY in answer] == []
    files = pair.daemon.files()
    assert any(holds(path, b"4712") for path in files), "the public part is found"
    assert [str(path) for path in files if holds(path, CANARY.encode())] == []
    regular = (
        f"find / /run /dev/shm -xdev -type f -exec grep -l '[{CANARY[0]}]{CANARY[1:]}' {{}} + && echo BAD; true"
    )
    assert "BAD" not in pair.run(0, regular)


def test_a_command_runs_as_the_user_it_names(pair: TestedSet) -> None:
    put(
        pair,
        1,
        "as-user",
        "id -un; pwd; echo $word\n",
        runAsUser="azureuser",
        parameters=[{"name": "word", "value": "x y"}],
    )
    assert until(pair, 1, "as-user", "Succeeded")["output"] == "azureuser\n/home/azureuser\nx y\n"
    put(pair, 1, "as-nobody-here", "id\n", runAsUser="who-is-this")
    assert "no user who-is-this" in until(pair, 1, "as-nobody-here", "Failed")["executionMessage"]


def test_a_command_past_its_time_limit_is_stopped(pair: TestedSet) -> None:
    put(pair, 1, "slow", "echo begun; sleep 6666\n", timeoutInSeconds=2)
    ended = until(pair, 1, "slow", "TimedOut")
    assert ended["output"] == "begun\n" and "exitCode" not in ended
    assert "sleep 6666" not in pair.run(1, "ps -o args")


def test_deleting_a_command_ends_what_runs_of_it(pair: TestedSet) -> None:
    url = put(pair, 1, "doomed", "sleep 5555 & sleep 5556\n")
    wait_for(lambda: "sleep 5556" in pair.run(1, "ps -o args"), "the script runs", every_s=0.3)
    done = pair.daemon.vmss("run-command", "delete", "told", "-g", "tests", "--instance-id", "1", "-n", "doomed")
    assert done.returncode == 0, done.stderr
    assert "sleep 555" not in pair.run(1, "ps -o args")
    assert pair.client.get(url or "")["status"] == "Canceled"


def test_a_command_outlives_the_daemon_that_began_it(pair: TestedSet, daemon: Daemon) -> None:
    put(pair, 0, "long", "echo ran >>/root/runs; sleep 12; echo done\n")
    wait_for(lambda: "sleep 12" in pair.run(0, "ps -o args"), "the script runs", every_s=0.3)
    daemon.kill()
    daemon.start()
    assert until(pair, 0, "long", "Succeeded")["output"] == "done\n"
    assert pair.run(0, "cat /root/runs") == "ran\n"


def test_a_command_ends_with_its_guest_and_one_that_waits_runs_when_it_is_back(pair: TestedSet) -> None:
    lost = put(pair, 1, "lost", "sleep 4444\n")
    wait_for(lambda: "sleep 4444" in pair.run(1, "ps -o args"), "the script runs", every_s=0.3)
    pair.do("poweroff", 1, skipShutdown="true")
    until(pair, 1, "lost", "Failed")
    assert pair.client.get(lost or "")["status"] == "Failed"
    put(pair, 1, "later", "echo back\n")
    path = pair.path("virtualMachines", "1", "runCommand")
    with pytest.raises(ApiError, match="does not run now"):
        pair.client.send("POST", path, body={"commandId": "RunShellScript", "script": ["true"]})
    assert view(pair, 1, "later")["executionState"] == "Pending"
    pair.do("start", 1)
    assert until(pair, 1, "later", "Succeeded")["output"] == "back\n"
