"""One run of one command: the daemon it talks to, how it prints, how it waits."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli.client import Client, Reply, SetRef
from orchestrator.cli.endpoint import find_endpoint
from orchestrator.cli.faults import Interrupted
from orchestrator.cli.output import Column, OutputFormat, ask, show
from orchestrator.cli.progress import Progress, summary
from orchestrator.cli.waiting import DEFAULT_TIMEOUT_S, Clock, wait_for_operation
from orchestrator.errors import VmssError

if TYPE_CHECKING:
    import httpx


_PANEL = "Common options"


@dataclass(frozen=True, slots=True)
class CommonOptions:
    """What every command understands."""

    output: Annotated[
        OutputFormat, typer.Option("--output", "-o", help="Output format.", rich_help_panel=_PANEL)
    ] = OutputFormat.TABLE
    query: Annotated[
        str | None,
        typer.Option("--query", metavar="JMESPATH", help="Show only this part.", rich_help_panel=_PANEL),
    ] = None
    socket: Annotated[
        str | None,
        typer.Option("--socket", metavar="PATH", help="The daemon's socket [VMSS_SOCKET].", rich_help_panel=_PANEL),
    ] = None
    endpoint: Annotated[
        str | None,
        typer.Option("--endpoint", metavar="URL", help="The daemon's URL [VMSS_ENDPOINT].", rich_help_panel=_PANEL),
    ] = None
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Say more on standard error.", rich_help_panel=_PANEL)
    ] = False


@dataclass(slots=True)
class Wiring:
    """What a test puts in the place of the network and of time. Travels as the root context's object."""

    transport: httpx.BaseTransport | None = None
    clock: Clock = field(default_factory=Clock)


class Session:
    """Handed to every command as its first argument."""

    def __init__(self, options: CommonOptions, wiring: Wiring | None = None) -> None:
        self.options = options
        self.wiring = wiring or Wiring()

    @cached_property
    def client(self) -> Client:
        endpoint = find_endpoint(self.options.socket, self.options.endpoint, os.environ)
        self.verbose(f"daemon at {endpoint} ({endpoint.why})")
        return Client(endpoint, transport=self.wiring.transport, sleep=self.wiring.clock.sleep)

    def close(self) -> None:
        if "client" in self.__dict__:
            self.client.close()

    def show(self, value: Any, columns: Sequence[Column] = ()) -> None:
        """Print the command's result on standard output, in the form that was asked for."""
        show(value, self.options.output, columns, query=self.options.query)

    def answer(self, text: str) -> None:
        """A one-line result for people, on standard output; programs (``-o json`` and the like) get none."""
        if self.options.output is OutputFormat.TABLE:
            print(text)

    def note(self, text: str) -> None:
        """Something a person should know, on standard error, so that it never mixes with the result."""
        print(text, file=sys.stderr)

    def verbose(self, text: str) -> None:
        if self.options.verbose:
            self.note(text)

    def asked(self, value: Any) -> Any:
        """``value`` through ``--query``, for commands that print in their own way."""
        return ask(value, self.options.query)

    def finish(
        self,
        reply: Reply,
        title: str,
        *,
        scale_set: SetRef | None = None,
        no_wait: bool = False,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        look: Callable[[], str] | None = None,
    ) -> bool:
        """Wait for what ``reply`` began, unless it is done already or ``no_wait``. Whether it is done now.
        Meanwhile ``look`` says how it goes; without it, how the instances of ``scale_set`` are.

        Raises ``Interrupted`` on Ctrl-C: the operation goes on, and the message says how to look at it."""
        if reply.operation_url is None:
            return True
        if no_wait:
            self.verbose(f"operation {reply.operation_url}")
            self.note(_where_to_look(title, scale_set))
            return False
        look = look or (self._looker(scale_set) if scale_set else None)
        try:
            with Progress(title, look) as progress:
                wait_for_operation(
                    self.client,
                    reply.operation_url,
                    timeout_s=timeout_s,
                    on_tick=progress.tick,
                    clock=self.wiring.clock,
                )
        except KeyboardInterrupt:
            raise Interrupted(_where_to_look(title, scale_set)) from None
        return True

    def _looker(self, scale_set: SetRef) -> Callable[[], str]:
        def look() -> str:
            try:
                return summary(self.instances(scale_set))
            except VmssError as error:
                return f"({error.code})"

        return look

    def instances(self, scale_set: SetRef) -> list[Any]:
        """All instances of a set with their instance view."""
        path = self.client.path_of(scale_set, "virtualMachines")
        return list(self.client.pages(path, **{"$expand": "instanceView"}))


def _where_to_look(title: str, scale_set: SetRef | None) -> str:
    if scale_set is None:
        return f"{title} goes on by itself; look with: vmss status"
    group = "" if scale_set.group == "default" else f" -g {scale_set.group}"
    name = scale_set.name
    return (
        f"{title} goes on by itself; look with: vmss list-instances {name}{group}, "
        f"vmss events --set {name}{group} --follow, or vmss wait {name}{group} --updated"
    )
