from __future__ import annotations

import io
from pathlib import Path

import pytest
from fake_cli_daemon import FakeClock, FakeDaemon, Vmss, instance

from orchestrator.cli.client import Client
from orchestrator.cli.endpoint import Endpoint
from orchestrator.cli.faults import ApiError, DaemonUnreachable, WaitTimedOut
from orchestrator.cli.progress import Progress, summary
from orchestrator.cli.waiting import Clock, wait_for_operation


@pytest.fixture
def client(daemon: FakeDaemon) -> Client:
    return Client(Endpoint("http://vmssd", Path("/nowhere"), "a test"), transport=daemon.transport)


def wait(client: Client, daemon: FakeDaemon, clock: FakeClock, timeout_s: float = 1000.0) -> None:
    url = daemon.begun()["Azure-AsyncOperation"]
    wait_for_operation(client, url, timeout_s=timeout_s, clock=Clock(clock.now, clock.sleep))


def test_polls_come_quickly_at_first_and_then_once_a_second(
    client: Client, daemon: FakeDaemon, clock: FakeClock
) -> None:
    daemon.polls_until_done = 12
    wait(client, daemon, clock)
    assert clock.sleeps[0] == 0.2
    assert clock.sleeps == sorted(clock.sleeps)
    assert clock.sleeps[-1] == 1.0
    assert sum(clock.sleeps[:5]) < 2.0
    assert len(daemon.sent("GET")) == 13


def test_the_operation_is_asked_at_the_connection_and_not_at_the_host_in_its_url(
    client: Client, daemon: FakeDaemon, clock: FakeClock
) -> None:
    wait(client, daemon, clock)
    assert all(each.headers["host"] == "vmssd" for each in daemon.requests)
    assert daemon.requests[0].path.endswith("/operations/op")


def test_a_failed_operation_raises_its_own_error(client: Client, daemon: FakeDaemon, clock: FakeClock) -> None:
    daemon.operation_error = {"code": "AllocationFailed", "message": "memory ran out on h1", "target": "h1"}
    with pytest.raises(ApiError, match="memory ran out") as raised:
        wait(client, daemon, clock)
    assert (raised.value.code, raised.value.target) == ("AllocationFailed", "h1")


def test_a_wait_gives_up_at_its_time_limit(client: Client, daemon: FakeDaemon, clock: FakeClock) -> None:
    daemon.polls_until_done = 10_000
    with pytest.raises(WaitTimedOut):
        wait(client, daemon, clock, timeout_s=30)
    assert 30 <= clock.time_s < 31


def test_a_daemon_that_restarts_during_the_wait_is_waited_for(
    client: Client, daemon: FakeDaemon, clock: FakeClock
) -> None:
    def world() -> None:
        daemon.is_down = 25 < clock.time_s < 45

    daemon.polls_until_done, clock.on_sleep = 40, world
    wait(client, daemon, clock)
    assert clock.time_s > 45


def test_a_daemon_that_stays_away_ends_the_wait(client: Client, daemon: FakeDaemon, clock: FakeClock) -> None:
    def world() -> None:
        daemon.is_down = clock.time_s > 1

    daemon.polls_until_done, clock.on_sleep = 10_000, world
    with pytest.raises(DaemonUnreachable):
        wait(client, daemon, clock)
    assert 30 < clock.time_s < 40


def test_the_summary_counts_power_and_health() -> None:
    vms = [
        instance(0, health="healthy"),
        instance(1, health="initializing"),
        instance(2, state="Creating"),
        instance(3, "stopped"),
    ]
    assert summary(vms) == "2 running (1 healthy, 1 initializing), 1 creating, 1 stopped"
    assert summary([]) == "no instances"


def test_off_a_terminal_progress_prints_a_line_only_when_something_changed() -> None:
    stream, states = io.StringIO(), iter(["a", "a", "b"])
    with Progress("doing", lambda: next(states), stream=stream) as progress:
        for second in (0.0, 0.4, 1.0, 2.0):
            progress.tick(second)
    assert stream.getvalue().splitlines() == ["doing: a (0 s)", "doing: b (2 s)"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_progress_is_one_line_that_shows_brackets_as_they_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    stream = Terminal()
    with Progress("wait for [?a=='[/b]']", lambda: "1 running", stream=stream) as progress:
        progress.tick(0.0)
        progress.tick(0.5)
    assert "wait for [?a=='[/b]']: 1 running (0 s)" in stream.getvalue()
    assert stream.getvalue().count("\n") <= 1


def test_the_wait_shows_what_becomes_of_the_instances(vmss: Vmss, daemon: FakeDaemon, clock: FakeClock) -> None:
    daemon.add_set("web")
    daemon.instances["web"] = [instance(0, state="Creating")]

    def world() -> None:
        if clock.time_s > 3:
            daemon.instances["web"] = [instance(0, health="healthy")]

    daemon.polls_until_done, clock.on_sleep = 12, world
    outcome = vmss("scale", "web", "--new-capacity", "1")
    assert outcome.code == 0
    assert "scaling web from 2 to 1: 1 creating" in outcome.err
    assert "1 running (1 healthy)" in outcome.err


def test_ctrl_c_leaves_the_operation_running_and_says_how_to_look(
    vmss: Vmss, daemon: FakeDaemon, clock: FakeClock
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    daemon.add_set("web")
    clock.on_sleep = interrupt
    outcome = vmss("restart", "web")
    assert outcome.code == 130
    assert "goes on by itself" in outcome.err
    assert "vmss list-instances web" in outcome.err
    assert [each.method for each in daemon.requests if each.method not in ("GET", "POST")] == []


def test_no_wait_returns_without_asking_once(vmss: Vmss, daemon: FakeDaemon) -> None:
    daemon.add_set("web")
    outcome = vmss("restart", "web", "--no-wait")
    assert (outcome.code, outcome.out) == (0, "")
    assert "vmss wait web --updated" in outcome.err
    assert not [each for each in daemon.requests if "/operations/" in each.path]


@pytest.mark.parametrize("what", ["--created", "--updated", "--exists"])
def test_wait_ends_at_once_for_what_is_true_already(vmss: Vmss, daemon: FakeDaemon, what: str) -> None:
    daemon.add_set("web")
    assert vmss("wait", "web", what).code == 0


def test_wait_deleted_ends_when_the_set_is_gone(vmss: Vmss, daemon: FakeDaemon, clock: FakeClock) -> None:
    daemon.add_set("web")

    def world() -> None:
        if clock.time_s > 2:
            daemon.sets.clear()

    clock.on_sleep = world
    assert vmss("wait", "web", "--deleted").code == 0
    assert clock.time_s > 2


def test_wait_healthy_wants_as_many_healthy_instances_as_the_capacity(
    vmss: Vmss, daemon: FakeDaemon, clock: FakeClock
) -> None:
    daemon.add_set("web")
    daemon.instances["web"] = [instance(0, health="healthy"), instance(1, health="unhealthy")]

    def world() -> None:
        if clock.time_s > 2:
            daemon.instances["web"][1] = instance(1, health="healthy")

    clock.on_sleep = world
    assert vmss("wait", "web", "--healthy").code == 0
    assert clock.time_s > 2


def test_a_wait_in_vain_has_exit_code_4(vmss: Vmss, daemon: FakeDaemon) -> None:
    daemon.add_set("web")
    outcome = vmss("wait", "web", "--custom", "sku.capacity > `5`", "--timeout", "10")
    assert outcome.code == 4
    assert "within 10 s" in outcome.err


def test_wait_custom_asks_the_model(vmss: Vmss, daemon: FakeDaemon) -> None:
    daemon.add_set("web", sku={"capacity": 6})
    assert vmss("wait", "web", "--custom", "sku.capacity > `5`").code == 0


def test_waiting_for_a_failed_set_to_succeed_ends_with_an_error(vmss: Vmss, daemon: FakeDaemon) -> None:
    daemon.add_set("web")["properties"]["provisioningState"] = "Failed"
    outcome = vmss("wait", "web", "--updated")
    assert (outcome.code, "ProvisioningFailed" in outcome.err) == (1, True)


@pytest.mark.parametrize("flags", [[], ["--created", "--deleted"], ["--custom", "["]])
def test_wait_wants_exactly_one_thing_that_can_be_asked(vmss: Vmss, flags: list[str]) -> None:
    assert vmss("wait", "web", *flags).code == 2
