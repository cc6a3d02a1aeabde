"""Functions that compare and choose, and those that take a lambda."""

from __future__ import annotations

from collections.abc import Callable
from functools import cmp_to_key
from typing import Any

from orchestrator.templates.library import plain, special
from orchestrator.templates.problems import invalid
from orchestrator.templates.scope import Scope, run
from orchestrator.templates.syntax import Call, Literal
from orchestrator.templates.values import WrongValue, mapping, same, sequence, text, truth


@plain("true", 0)
def _true() -> bool:
    return True


@plain("false", 0)
def _false() -> bool:
    return False


@plain("null", 0)
def _null() -> None:
    return None


@plain("bool", 1)
def _bool(value: Any) -> bool:
    return truth(value)


@plain("not", 1)
def _not(value: Any) -> bool:
    return not truth(value)


@plain("equals", 2)
def _equals(one: Any, other: Any) -> bool:
    return same(one, other)


def _pair(one: Any, other: Any) -> tuple[Any, Any]:
    is_alike = isinstance(one, str) == isinstance(other, str)
    if not is_alike or not isinstance(one, str | int) or not isinstance(other, str | int):
        raise WrongValue("it compares two numbers or two strings")
    return one, other


@plain("less", 2)
def _less(one: Any, other: Any) -> bool:
    first, second = _pair(one, other)
    return bool(first < second)


@plain("lessOrEquals", 2)
def _less_or_equals(one: Any, other: Any) -> bool:
    first, second = _pair(one, other)
    return bool(first <= second)


@plain("greater", 2)
def _greater(one: Any, other: Any) -> bool:
    first, second = _pair(one, other)
    return bool(first > second)


@plain("greaterOrEquals", 2)
def _greater_or_equals(one: Any, other: Any) -> bool:
    first, second = _pair(one, other)
    return bool(first >= second)


@special("if", 3)
def _if(node: Call, scope: Scope) -> Any:
    """Only the branch that is chosen is looked at."""
    condition, yes, no = node.arguments
    return run(yes if truth(run(condition, scope)) else no, scope)


@special("and", 2, None)
def _and(node: Call, scope: Scope) -> bool:
    return all(truth(run(each, scope)) for each in node.arguments)


@special("or", 2, None)
def _or(node: Call, scope: Scope) -> bool:
    return any(truth(run(each, scope)) for each in node.arguments)


@special("coalesce", 1, None)
def _coalesce(node: Call, scope: Scope) -> Any:
    found = (run(each, scope) for each in node.arguments)
    return next((value for value in found if value is not None), None)


# Lambdas


@special("lambda", 1, None)
def _lambda(_node: Call, _scope: Scope) -> Any:
    raise invalid("a lambda can only be an argument of filter, map, reduce, sort, groupBy, mapValues or toObject.")


@special("lambdaVariables", 1)
def _lambda_variables(node: Call, scope: Scope) -> Any:
    name = text(run(node.arguments[0], scope))
    if name.lower() not in scope.locals:
        raise invalid(f"the lambda variable '{name[:80]}' is not known here.")
    return scope.locals[name.lower()]


def _function(node: Call, index: int, scope: Scope, *counts: int) -> Callable[..., Any]:
    argument = node.arguments[index]
    if not isinstance(argument, Call) or argument.name != "lambda":
        raise invalid(f"the function '{node.name}' wants a lambda as its argument {index + 1}.")
    *names, body = argument.arguments
    if len(names) not in counts or not all(isinstance(each, Literal) for each in names):
        raise invalid(f"the lambda of '{node.name}' has the wrong number of variables.")
    keys = [str(each.value).lower() for each in names if isinstance(each, Literal)]

    def work(*values: Any) -> Any:
        scope.effort.spend(1)
        return run(body, scope.with_locals(**dict(zip(keys, values, strict=False))))

    return work


def _array(node: Call, scope: Scope) -> list[Any]:
    return sequence(run(node.arguments[0], scope))


@special("map", 2, makes=True)
def _map(node: Call, scope: Scope) -> list[Any]:
    work = _function(node, 1, scope, 1, 2)
    return [work(each, index) for index, each in enumerate(_array(node, scope))]


@special("filter", 2, makes=True)
def _filter(node: Call, scope: Scope) -> list[Any]:
    work = _function(node, 1, scope, 1, 2)
    return [each for index, each in enumerate(_array(node, scope)) if truth(work(each, index))]


@special("reduce", 3, makes=True)
def _reduce(node: Call, scope: Scope) -> Any:
    work = _function(node, 2, scope, 2, 3)
    result = run(node.arguments[1], scope)
    for index, each in enumerate(_array(node, scope)):
        result = work(result, each, index)
    return result


@special("sort", 2, makes=True)
def _sort(node: Call, scope: Scope) -> list[Any]:
    """The lambda says whether its first value comes before its second."""
    work = _function(node, 1, scope, 2)
    return sorted(_array(node, scope), key=cmp_to_key(lambda a, b: -1 if truth(work(a, b)) else 1))


@special("groupBy", 2, makes=True)
def _group_by(node: Call, scope: Scope) -> dict[str, list[Any]]:
    work = _function(node, 1, scope, 1)
    made: dict[str, list[Any]] = {}
    for each in _array(node, scope):
        made.setdefault(text(work(each)), []).append(each)
    return made


def _itself(value: Any) -> Any:
    return value


@special("mapValues", 2, makes=True)
def _map_values(node: Call, scope: Scope) -> dict[str, Any]:
    work = _function(node, 1, scope, 1)
    return {key: work(value) for key, value in mapping(run(node.arguments[0], scope)).items()}


@special("toObject", 2, 3, makes=True)
def _to_object(node: Call, scope: Scope) -> dict[str, Any]:
    key = _function(node, 1, scope, 1)
    value = _function(node, 2, scope, 1) if len(node.arguments) == 3 else _itself
    return {text(key(each)): value(each) for each in _array(node, scope)}
