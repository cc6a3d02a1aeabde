"""The demo's chapters, in order. Each runs real commands and holds what came of them against a promise."""

from __future__ import annotations

from orchestrator.cli.client import OWN
from orchestrator.cli.demo.scene import BALANCER, HEALTHY_WITHIN_S, SET, TAG, TAG_VALUE, Scene
from orchestrator.cli.demo.watch import Event, Guest, skew, wait_until

NOTICED_WITHIN_S = 0.75  # from the SIGKILL to the daemon's first word of it
_SOON_S = 30.0
_LATER_S = 60.0
_LEASE_SLACK_S = 0.5
_SCRIPT = 'echo "$(hostname) greets you, $(cut -d. -f1 /proc/uptime) s after its start" > /var/www/index.html'


def tell(scene: Scene) -> None:
    """All chapters. Raises ``VmssError`` where the story cannot go on."""
    create(scene)
    kill_a_guest(scene)
    scale(scene)
    lose_a_host(scene)
    take_stock(scene)


def create(scene: Scene) -> None:
    """Three instances, one on each host, each serving its page."""
    stage = scene.stage
    stage.chapter("Create a scale set: three guests that serve a page, behind a load balancer")
    scene.clear()
    scene.vmss.run("lb", "create", BALANCER, "--probe", "http:80/")
    stage.blank()
    began = stage.seconds
    scene.vmss.run(
        *("create", "--name", SET.name, "--image", "micro", "--vm-sku", "Lab_Micro", "--instance-count", "3"),
        *("--generate-ssh-keys", "--custom-script", _SCRIPT, "--health-http", "80/"),
        *("--load-balancer", BALANCER),
        *("--enable-automatic-repairs", "true", "--automatic-repairs-grace-period", "PT30S"),
        *("--tags", f"{TAG}={TAG_VALUE}"),
    )
    guests = scene.await_health(3)
    stage.promise(
        "three instances are healthy", len(guests) == 3, f"{stage.seconds - began:.1f} s after the request"
    )
    stage.blank()
    scene.vmss.run("list-instances", SET.name)
    stage.promise("they are spread evenly over the hosts", _is_even(scene, guests))
    stage.blank()
    _show_front(scene, guests)


def _show_front(scene: Scene, guests: list[Guest]) -> None:
    """The page, by the one address of all."""
    wait_until(lambda: _are_well(scene, len(guests)), "an answer of each guest to the balancer", _SOON_S)
    scene.vmss.run("lb", "list")
    pages = scene.fetch_through(scene.front_url(), 2 * len(guests))
    greeting = {page.split(" ", 1)[0] for page in pages}
    kept = greeting == {each.computer_name for each in guests}
    scene.stage.promise("one address on this machine, and each of them answers in its turn", kept)


def _are_well(scene: Scene, count: int) -> bool:
    fronts = scene.client.get(f"{OWN}/fronts")["value"]
    return any(sum(bool(each["isUp"]) for each in front["members"]) == count for front in fronts)


def kill_a_guest(scene: Scene) -> None:
    """SIGKILL to one guest's QEMU."""
    stage, victim = scene.stage, scene.guests()[-1]
    stage.chapter(f"Kill {victim.name}: its QEMU gets a SIGKILL, and nobody tells the daemon")
    scene.events.mark()
    killed_at = float(scene.vmss.ask("lab", "fault", "kill-guest", victim.name, *scene.lab_flag).split()[-1])
    died, added, created, healthy = _repair_of(scene, victim)
    new = f"{SET.name}_{added.instance_id}"
    stage.facts(
        (what, f"{event.at - killed_at:6.2f} s after the kill")
        for what, event in (
            ("noticed", died),
            (f"{new} is to replace it", added),
            (f"{new} runs on {created.host}", created),
            (f"{new} is healthy", healthy),
        )
    )
    noticed_s = died.at - killed_at
    stage.promise(f"noticed within {NOTICED_WITHIN_S} s", 0 <= noticed_s <= NOTICED_WITHIN_S, f"{noticed_s:.3f} s")
    stage.blank()
    guests = scene.await_health(3)
    scene.vmss.run("list-instances", SET.name)
    names = {guest.name for guest in guests}
    stage.promise(f"{victim.name} is replaced by {new}", new in names and victim.name not in names)


def _repair_of(scene: Scene, dead: Guest) -> tuple[Event, Event, Event, Event]:
    """What is told of a repair: the death noticed, the replacement decided on, created, healthy."""
    old = dead.instance_id
    died = scene.wait(lambda it: it.kind == "guest_died" and it.instance_id == old, f"{dead.name}'s death", _SOON_S)
    added = scene.wait(lambda it: it.is_end_of("add"), "a replacement", _SOON_S)
    new = added.instance_id
    created = scene.wait(lambda it: it.is_end_of("create", new), "its creation", HEALTHY_WITHIN_S)
    return died, added, created, _await_health_of(scene, new)


def scale(scene: Scene) -> None:
    """Out to five, in to two."""
    stage = scene.stage
    stage.chapter("Scale out to five, and in to two")
    began = stage.seconds
    scene.vmss.run("scale", SET.name, "--new-capacity", "5")
    guests = scene.await_health(5)
    took = f"{stage.seconds - began:.1f} s after the request"
    stage.promise("five are healthy, spread evenly", len(guests) == 5 and _is_even(scene, guests), took)
    stage.blank()
    mark = scene.events.mark()
    scene.vmss.run("scale", SET.name, "--new-capacity", "2")
    stage.say("Which three went, and why:")
    query = "[?kind=='delete'].{Id: instanceId, Reason: reason}"
    scene.vmss.run("events", "--set", SET.name, "--after", str(mark), "--query", query)
    given = [event for event in scene.events.known() if event.is_end_of("delete")]
    left = scene.await_health(2)
    are_told = len(given) == 3 and all(event.reason for event in given)
    stage.promise("two are left, and a reason is told for each that went", len(left) == 2 and are_told)
    stage.promise("the two are on different hosts", len({guest.host for guest in left}) == 2)


def lose_a_host(scene: Scene) -> None:
    """A host falls silent for longer than its lease, and comes back."""
    stage, lost = scene.stage, scene.guests()[0]
    stage.chapter(f"Lose host {lost.host}: {lost.name} runs on inside, but nobody can reach it")
    scene.events.mark()
    scene.vmss.run("lab", "fault", "stop-host", lost.host, *scene.lab_flag)
    silent = scene.wait(lambda it: _is_of_host(it, lost.host, "does not answer"), "the silence", _LATER_S)
    scene.vmss.run("lab", "status", *scene.lab_flag)
    is_kept = scene.runs_on(lost) == [lost.host] and len(scene.guests()) == 2
    stage.promise("silence is not death: its guest runs on, and nothing is replaced yet", is_kept)
    stage.say(f"A host may be silent for {scene.lease_s:g} s here. Waiting for the end of this lease ...")
    is_lost = scene.lease_s + _SOON_S
    given_up = scene.wait(
        lambda it: it.is_end_of("declare_lost", lost.instance_id), "the end of the lease", is_lost
    )
    added = scene.wait(lambda it: it.is_end_of("add") and it.seq > given_up.seq, "a replacement", _SOON_S)
    healthy = _await_health_of(scene, added.instance_id)
    lease_s = given_up.at - silent.at
    stage.facts(
        [
            (f"{lost.name} given up: {given_up.reason}", f"{lease_s:6.2f} s after the silence was noticed"),
            (
                f"{SET.name}_{added.instance_id} is healthy on {added.host}",
                f"{healthy.at - silent.at:6.2f} s after",
            ),
        ]
    )
    is_in_time = lease_s >= scene.lease_s - _LEASE_SLACK_S
    stage.promise(
        "replaced on another host, and not before the lease was over", is_in_time and added.host != lost.host
    )
    stage.blank()
    _heal(scene, lost)


def _heal(scene: Scene, lost: Guest) -> None:
    stage = scene.stage
    scene.vmss.run("lab", "heal", lost.host, *scene.lab_flag)
    back = scene.wait(lambda it: _is_of_host(it, lost.host, " answers"), "the host's return", _LATER_S)
    fenced = scene.wait(lambda it: it.is_end_of("remove", lost.instance_id), "the stale guest's end", _LATER_S)
    why = next(
        it
        for it in scene.events.known()
        if (it.kind, it.phase, it.instance_id) == ("remove", "before", lost.instance_id)
    )
    stage.facts([(f"{lost.name}: {why.reason}", f"{fenced.at - back.at:6.2f} s after the host answered again")])
    stage.promise(f"the stale {lost.name} is fenced: it runs nowhere any more", scene.runs_on(lost) == [])


def take_stock(scene: Scene) -> None:
    """At the end everything is as wanted, and nothing is left over."""
    stage = scene.stage
    stage.chapter("Take stock")
    guests = scene.await_health(2)
    scene.vmss.run("list-instances", SET.name)
    scene.fetch_pages(guests)
    stage.blank()
    scene.vmss.run("plan", SET.name)
    scene.vmss.ask("census", "--query", "length([?state=='stray'])")
    strays = [item for item in scene.client.pages(f"{OWN}/census") if item["state"] != "owned"]
    stage.promise("nothing is left over on any host", not strays, f"{len(strays)} strays")
    running = sum(len(host.guests) for host in scene.lab.status().hosts)
    is_once = running == 2 and all(scene.runs_on(guest) == [guest.host] for guest in guests)
    stage.promise("exactly the two instances run, each once, where they should", is_once)


def _await_health_of(scene: Scene, instance_id: str | None) -> Event:
    what = f"the health of {SET.name}_{instance_id}"
    return scene.wait(lambda it: _is_healthy(it, instance_id), what, HEALTHY_WITHIN_S)


def _is_healthy(event: Event, instance_id: str | None) -> bool:
    return event.kind == "health" and event.instance_id == instance_id and event.reason.startswith("is Healthy")


def _is_of_host(event: Event, host: str, word: str) -> bool:
    return event.kind == "host" and event.reason.startswith(f"host {host} ") and word in event.reason


def _is_even(scene: Scene, guests: list[Guest]) -> bool:
    return skew([guest.host for guest in guests], len(scene.lab.hosts())) <= 1
