"""``vmss lab demo``: brings the lab and its daemon up, tells the story, and says what to try next."""

from __future__ import annotations

import os
import shlex
import sys

import typer

from orchestrator.cli.client import OWN, Client
from orchestrator.cli.demo import story
from orchestrator.cli.demo.commands import Commands, DemoFailed, own_program
from orchestrator.cli.demo.scene import SET, Scene
from orchestrator.cli.demo.stage import Stage
from orchestrator.cli.demo.watch import EventLog, wait_until
from orchestrator.cli.endpoint import find_endpoint
from orchestrator.cli.faults import EXIT_ERROR, EXIT_INTERRUPTED, EXIT_OK
from orchestrator.cli.lab_daemon import LabDaemon
from orchestrator.cli.lab_options import Name, errors_as_words
from orchestrator.config import load_config
from orchestrator.errors import BadInput, LabError, VmssError
from orchestrator.images.build import DEFAULT_FOLDER
from orchestrator.images.catalogue import Catalogue
from orchestrator.lab import Lab
from orchestrator.lab.shell import check_programs, check_root

HOSTS = 3
_HOSTS_UP_S = 60.0


def demo(name: Name = "lab") -> None:
    """The whole story on real guests: create, kill, scale, lose a host. Exit code 0 when every promise held."""
    with errors_as_words():
        check_root()
        check_programs({"curl": "curl"})
        if not any(image.name == "micro" for image in Catalogue(DEFAULT_FOLDER).list()):
            raise DemoFailed("the image 'micro' is not built yet: vmss image build micro")
        lab = Lab(name)
    raise typer.Exit(perform(lab, Stage(sys.stdout)))


def perform(lab: Lab, stage: Stage) -> int:
    """The demo from its first line to its exit code."""
    commands = Commands(stage, environment={"VMSS_SOCKET": str(LabDaemon(lab).socket)})
    try:
        story.tell(_bring_up(lab, stage, commands))
    except VmssError as error:
        stage.promise(f"the story goes on to its end; here it stopped: {error.message}", False)
    except KeyboardInterrupt:
        stage.say("\nInterrupted; everything is left as it is. To remove it: make down")
        return EXIT_INTERRUPTED
    return _close(lab, stage)


def _bring_up(lab: Lab, stage: Stage, commands: Commands) -> Scene:
    """The first chapter: hosts and daemon."""
    stage.chapter("Three hypervisor hosts on this machine, and the daemon")
    size = [] if _is_there(lab) else ["--hosts", str(HOSTS)]
    name = [] if lab.name == "lab" else ["--name", lab.name]
    commands.run("lab", "up", *size, "--daemon", *name)
    client = LabDaemon(lab).client()
    wait_until(lambda: _are_up(client, lab), "an answer of every host", _HOSTS_UP_S)
    stage.blank()
    commands.run("host", "list", "--query", "[].{Name: name, State: state, Zone: zone, URI: uri}")
    hosts = len(lab.hosts())
    stage.promise("every host is up, each with a libvirtd of its own", hosts >= HOSTS, f"{hosts} hosts")
    lease_s = load_config(lab.config_path).host_lease_s
    return Scene(lab, client, stage, commands, EventLog(client), lease_s)


def _is_there(lab: Lab) -> bool:
    try:
        lab.load()
    except LabError:
        return False
    return True


def _are_up(client: Client, lab: Lab) -> bool:
    hosts = client.get(f"{OWN}/status").get("hosts") or {}
    return bool(hosts.get("up") == len(lab.hosts()))


def _close(lab: Lab, stage: Stage) -> int:
    """What came of it, and what to try next."""
    stage.chapter("The end" if not stage.broken else "The end, and not a good one")
    if stage.broken:
        stage.say(f"{stage.kept} promises were kept, and these were broken:")
        stage.recall_broken()
        stage.say(f"The daemon's log: {LabDaemon(lab).log}")
        return EXIT_ERROR
    stage.say(f"All {stage.kept} promises were kept, in {stage.seconds:.0f} s. It is left running; try next:")
    stage.blank()
    for line in next_steps(lab):
        stage.say(f"  {line}")
    return EXIT_OK


def next_steps(lab: Lab) -> list[str]:
    """Commands for a shell, each with a word on what it is for."""
    flag = "" if lab.name == "lab" else f" --name {lab.name}"
    steps = [
        ("vmss events --follow", "every step, with its reason, as it happens"),
        (f"vmss ssh {SET.name} ID", "log in to an instance"),
        (f"vmss console {SET.name} ID", "what it wrote to its serial console"),
        (f"vmss lab fault freeze-guest {SET.name}_ID{flag}", "it hangs, and its health check finds out"),
        (f"vmss lab fault power-off-host h2{flag}", f"pull a plug; 'vmss lab heal h2{flag}' puts it back"),
        (f"vmss scale {SET.name} --new-capacity 8", "as many as fit"),
        ("vmss doctor", "what is not well here, and how to mend it"),
        ("make down" if not flag else f"vmss lab down{flag}", "remove all of it"),
    ]
    width = max(len(command) for command, _ in steps)
    alias = f"alias vmss={shlex.quote(shlex.join(_program(lab)))}"
    return [alias, *(f"{command:<{width}}  # {what}" for command, what in steps)]


def _program(lab: Lab) -> list[str]:
    """How a reader's shell calls this program: by sudo where we came by sudo, and for this lab."""
    ours = LabDaemon(lab).socket
    try:
        is_found = find_endpoint(None, None, {}).socket_path == ours
    except BadInput:
        is_found = False
    sudo = ["sudo"] if "SUDO_USER" in os.environ else []
    return [*sudo, *([] if is_found else ["env", f"VMSS_SOCKET={ours}"]), *own_program()]
