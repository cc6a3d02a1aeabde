"""A deployment rehearsed: every resource is put in a transaction of the store that is never kept.

So what a validation or a what-if says is what the deployment itself would come to, references between its resources
and refusals included.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from orchestrator.api.context import Api
from orchestrator.api.deployments.bodies import DeploymentBody, parse_deployment
from orchestrator.api.deployments.kind import drafted
from orchestrator.api.deployments.programs import Program, make_program
from orchestrator.api.deployments.views import TYPE, deployment_view
from orchestrator.api.jobs import Jobs
from orchestrator.errors import BadInput, ErrorDetail, VmssError
from orchestrator.model.arm.statuses import Json
from orchestrator.model.resource_id import ResourceId
from orchestrator.templates.resources import ResourceNode
from orchestrator.templates.scope import NotYet

_NESTED_MAX = 5


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """One resource: as it is, as it would be, or why it could not be. Neither ``after`` nor ``problem``: that is
    only known when what it refers to is really there."""

    identity: ResourceId
    before: Json | None
    after: Json | None = None
    problem: VmssError | None = None


def quiet(api: Api) -> Api:
    """The same parts, but nobody is woken: for a rehearsal."""
    return replace(api, wake=lambda _uid: None, jobs=Jobs(()))


def rehearse(
    api: Api, identity: ResourceId, body: DeploymentBody, depth: int = 0
) -> tuple[Program, list[Rehearsed]]:
    """Call inside ``store.rehearsal()``, with a quiet ``api``. Raises ``BadInput`` for a template that is wrong."""
    api.check_group(identity.resource_group)
    program = make_program(api, drafted(api, identity, body, ""))
    found: list[Rehearsed] = []
    for node in _in_order(program.nodes):
        if not node.is_existing:
            found += _rehearse_node(api, program, node, depth)
    return program, found


def _in_order(nodes: tuple[ResourceNode, ...]) -> Iterator[ResourceNode]:
    """Each after those that it waits for."""
    left, done = list(nodes), set[int]()
    while left:
        ready = [node for node in left if node.waits_for <= done]
        yield from ready
        done |= {node.index for node in ready}
        left = [node for node in left if node.index not in done]


def _rehearse_node(api: Api, program: Program, node: ResourceNode, depth: int) -> Iterator[Rehearsed]:
    kind = api.kinds.of(node.identity.type)
    before = kind.view(api, node.identity)
    try:
        body = program.body(api, node)
        after = kind.put(api, node.identity, body).view
        yield Rehearsed(node.identity, before, after)
        if node.identity.type == TYPE and depth < _NESTED_MAX:
            yield from rehearse(api, node.identity, parse_deployment(body), depth + 1)[1]
    except NotYet:
        yield Rehearsed(node.identity, before)
    except VmssError as problem:
        is_about_results = any(program.nodes[index].identity.type == TYPE for index in node.waits_for)
        yield Rehearsed(node.identity, before, problem=None if is_about_results else problem)


def validated(api: Api, identity: ResourceId, body: DeploymentBody) -> Json:
    """The deployment as it would be. Raises ``BadInput`` with every offence of every resource."""
    with api.store.rehearsal():
        program, rehearsed = rehearse(quiet(api), identity, body)
    raise_problems(rehearsed)
    draft = drafted(api, identity, body, "").but(shown_parameters=program.shown_parameters)
    view = deployment_view(draft, api.now())
    properties = view["properties"]
    properties["provisioningState"] = "Succeeded"
    properties["validatedResources"] = [{"id": str(each.identity)} for each in rehearsed]
    return view


def raise_problems(rehearsed: list[Rehearsed]) -> None:
    """Raises ``BadInput`` that names them all, if there are any."""
    details = [
        ErrorDetail(each.problem.code, each.problem.message, str(each.identity))
        for each in rehearsed
        if each.problem is not None
    ]
    if details:
        words = "The template deployment is not valid: " + " ".join(each.message for each in details[:5])
        raise BadInput(words, code="InvalidTemplateDeployment", details=details)
