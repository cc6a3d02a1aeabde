"""How a command is declared: common options, the scale set it works on, and az's argument manners.

    @command(app, "show", on=OnSet.OPTIONAL)
    def show_set(session: Session, scale_set: SetRef) -> None: ...

typer learns the parameters from a signature that is put together here, so no command repeats them. A
parameter whose type is a dataclass is a bundle of options: each field becomes one, and the command gets the
bundle.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum, StrEnum
from typing import Annotated, Any, cast, get_type_hints

import typer
from typer.core import TyperCommand

from orchestrator.cli.argv import GROUP_SEPARATOR, FlagKinds, spread
from orchestrator.cli.client import SetRef
from orchestrator.cli.complete import complete_set_names
from orchestrator.cli.session import CommonOptions, Session
from orchestrator.errors import BadInput

TRUTH = "[true|false]"
"""The metavar that marks a truth flag, for people and for ``AzCommand``."""
GROUPED_FLAGS = ("--add", "--remove")


class Truth(StrEnum):
    """A truth flag as az has it: ``--flag``, ``--flag true`` or ``--flag false``."""

    TRUE = "true"
    FALSE = "false"


def as_bool(value: Truth | None) -> bool | None:
    """``None`` stays ``None``: the flag was not given, so what it means is left alone."""
    return None if value is None else value is Truth.TRUE


class OnSet(Enum):
    """How a command is told which scale set it works on."""

    NOT = "it works on none"
    OPTIONAL = "by NAME or --name/-n"
    REQUIRED = "by NAME, followed by other arguments"
    VMSS_NAME = "by NAME or --vmss-name, since --name/-n means something else here"


class AzCommand(TyperCommand):
    """A command that reads lists and truth flags in az's manner."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        repeatable, truths = set[str](), set[str]()
        for parameter in self.params:
            if getattr(parameter, "multiple", False):
                repeatable.update(parameter.opts)
            elif getattr(parameter, "metavar", None) == TRUTH:
                truths.update(parameter.opts)
        grouped = repeatable.intersection(GROUPED_FLAGS)
        kinds = FlagKinds(repeatable - grouped, grouped, truths)
        return super().parse_args(ctx, spread(args, kinds))


def grouped(values: list[str] | None) -> list[list[str]]:
    """The values of each occurrence of a grouped flag."""
    return [value.split(GROUP_SEPARATOR) for value in values or ()]


GroupOption = Annotated[
    str, typer.Option("--resource-group", "-g", envvar="VMSS_RESOURCE_GROUP", help="Resource group.")
]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Return as soon as the daemon has accepted.")]
InstanceIds = Annotated[
    list[str] | None,
    typer.Option("--instance-ids", metavar="ID ...", help="These instances only; without it, or '*': all."),
]

_NAME = Annotated[
    str | None,
    typer.Argument(metavar="NAME", help="The scale set.", autocompletion=complete_set_names, show_default=False),
]
_REQUIRED_NAME = Annotated[
    str,
    typer.Argument(metavar="SET", help="The scale set.", autocompletion=complete_set_names, show_default=False),
]


def _name_option(*flags: str) -> Any:
    return Annotated[
        str | None, typer.Option(*flags, metavar="NAME", help="The scale set.", autocompletion=complete_set_names)
    ]


_SET_PARAMETERS: dict[OnSet, dict[str, tuple[Any, Any]]] = {
    OnSet.NOT: {},
    OnSet.OPTIONAL: {
        "set_argument": (_NAME, None),
        "set_option": (_name_option("--name", "-n"), None),
        "set_group": (GroupOption, "default"),
    },
    OnSet.REQUIRED: {
        "set_argument": (_REQUIRED_NAME, inspect.Parameter.empty),
        "set_group": (GroupOption, "default"),
    },
    OnSet.VMSS_NAME: {
        "set_argument": (_NAME, None),
        "set_option": (_name_option("--vmss-name"), None),
        "set_group": (GroupOption, "default"),
    },
}

Body = Callable[..., None]


def command(app: typer.Typer, name: str, *, on: OnSet = OnSet.NOT, **settings: Any) -> Callable[[Body], Body]:
    """Register a function as a command. It is called with a ``Session``, then (unless ``on`` is ``NOT``) a
    ``SetRef``, then its own parameters by name."""

    def register(body: Body) -> Body:
        app.command(name, cls=AzCommand, **settings)(_with_common_parameters(body, on))
        return body

    return register


def _with_common_parameters(body: Body, on: OnSet) -> Body:
    signature = list(inspect.signature(body, eval_str=True).parameters.values())
    own = signature[1:] if on is OnSet.NOT else signature[2:]
    bundles = {each.name: each.annotation for each in own if is_dataclass(each.annotation)}

    @functools.wraps(body)
    def run(**values: Any) -> None:
        wiring = values.pop("ctx").find_root().obj
        session = Session(_bundled(CommonOptions, values), wiring)
        values.update({name: _bundled(kind, values) for name, kind in bundles.items()})
        arguments = [session] if on is OnSet.NOT else [session, _which_set(values)]
        try:
            body(*arguments, **values)
        finally:
            session.close()

    parameters = [
        _parameter("ctx", typer.Context, inspect.Parameter.empty),
        *(_parameter(each, kind, default) for each, (kind, default) in _SET_PARAMETERS[on].items()),
        *(part for each in own for part in _unbundled(each)),
        *_fields_of(CommonOptions),
    ]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    del run.__wrapped__  # typer would follow it to the body's own signature
    return run


def _unbundled(parameter: inspect.Parameter) -> list[inspect.Parameter]:
    if is_dataclass(parameter.annotation):
        return _fields_of(cast(type, parameter.annotation))
    return [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)]


def _fields_of(bundle: Any) -> list[inspect.Parameter]:
    hints = get_type_hints(bundle, include_extras=True)
    empty = inspect.Parameter.empty
    return [
        _parameter(each.name, hints[each.name], empty if each.default is MISSING else each.default)
        for each in fields(bundle)
    ]


def _bundled(bundle: Any, values: dict[str, Any]) -> Any:
    """Take a bundle's values out of ``values`` and put it together again."""
    return bundle(**{each.name: values.pop(each.name) for each in fields(bundle)})


def _parameter(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _which_set(values: dict[str, Any]) -> SetRef:
    argument, option = values.pop("set_argument", None), values.pop("set_option", None)
    group = values.pop("set_group")
    if argument and option and argument != option:
        raise BadInput(f"two names for one scale set: {argument} and {option}")
    if not (argument or option):
        raise BadInput("which scale set? Give its NAME")
    return SetRef(group, argument or option)
