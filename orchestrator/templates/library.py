"""The table of functions: names, how many arguments, what they are. Arguments are evaluated before the call, except
those of functions that choose (``if``), bind names (lambdas) or look up what only exists later."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from orchestrator.templates.problems import invalid
from orchestrator.templates.scope import Scope, run
from orchestrator.templates.syntax import Call
from orchestrator.templates.values import WrongValue, weigh

Plain = Callable[..., Any]
P = TypeVar("P", bound=Plain)
Special = Callable[[Call, Scope], Any]


@dataclass(frozen=True, slots=True)
class Function:
    """``least`` to ``most`` arguments (``None``: any number). ``work`` takes values; ``special`` takes the call.
    ``makes``: it puts a new value together, rather than looking one up."""

    name: str
    least: int
    most: int | None
    work: Plain | None = None
    special: Special | None = None
    makes: bool = True


_SIZE_OF_STEP = 500  # elements or characters that a function goes through in the time of one step
_VALUES_OF_STEP = 20
_TABLE: dict[str, Function] = {}


def plain(name: str, least: int, most: int | None = -1) -> Callable[[P], P]:
    """Enter a function of values. Without ``most`` it takes exactly ``least`` arguments."""

    def enter(work: P) -> P:
        _TABLE[name.lower()] = Function(name, least, least if most == -1 else most, work=work)
        return work

    return enter


def special(name: str, least: int, most: int | None = -1, *, makes: bool = False) -> Callable[[Special], Special]:
    """Enter a function that sees its arguments unevaluated."""

    def enter(work: Special) -> Special:
        _TABLE[name.lower()] = Function(name, least, least if most == -1 else most, special=work, makes=makes)
        return work

    return enter


def names() -> list[str]:
    """Of every function, as Azure writes them."""
    _load()
    return sorted((each.name for each in _TABLE.values()), key=str.lower)


def _load() -> None:
    """The functions enter themselves when their module is imported."""
    from orchestrator.templates import (  # noqa: F401, PLC0415
        functions_data,
        functions_logic,
        functions_network,
        functions_resources,
        functions_text,
        functions_time,
    )


def call(node: Call, scope: Scope) -> Any:
    """Evaluate a call. Raises ``BadInput`` that names the function, or ``NotYet``."""
    _load()
    if node.name in scope.own_functions:
        return scope.own_functions[node.name](*(run(each, scope) for each in node.arguments))
    function = _TABLE.get(node.name)
    if function is None:
        raise invalid(f"the function '{node.name[:80]}' is not supported here.")
    _check_count(function, len(node.arguments))
    try:
        return _result(function, node, scope)
    except WrongValue as error:
        raise invalid(f"the function '{function.name}' cannot work with what it is given: {error}.") from None
    except (TypeError, ValueError, ArithmeticError, LookupError, OSError):
        # The words of Python's own errors may hold the value, and so a secret.
        raise invalid(f"the function '{function.name}' cannot work with what it is given.") from None


def _result(function: Function, node: Call, scope: Scope) -> Any:
    scope.effort.spend(1)
    if function.special is not None:
        result = function.special(node, scope)
    else:
        assert function.work is not None
        values = [run(each, scope) for each in node.arguments]
        size = sum(len(each) for each in values if isinstance(each, str | list | dict))
        scope.effort.spend(size // _SIZE_OF_STEP)
        result = function.work(*values)
    if function.makes:
        scope.effort.spend(weigh(result) // _VALUES_OF_STEP)
    return result


def _check_count(function: Function, count: int) -> None:
    if count < function.least or (function.most is not None and count > function.most):
        most = "or more" if function.most is None else f"to {function.most}"
        wanted = str(function.least) if function.most == function.least else f"{function.least} {most}"
        raise invalid(f"the function '{function.name}' takes {wanted} arguments, and is given {count}.")
