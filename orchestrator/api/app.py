"""The application: one router per resource provider behind one front door."""

from __future__ import annotations

import functools
import importlib.metadata
import time
from collections.abc import Callable

from fastapi import Depends, FastAPI
from fastapi.routing import APIRoute

from orchestrator.api import (
    compute_extensions,
    compute_images,
    compute_instances,
    compute_refusals,
    compute_run_commands,
    compute_scale_sets,
    compute_set_verbs,
    compute_upgrades,
    compute_usages,
    compute_virtual_machines,
    compute_vm_extensions,
    differences,
    local_census,
    local_events,
    local_fronts,
    local_hosts,
    local_images,
    operations,
)
from orchestrator.api.context import About, Api
from orchestrator.api.deployments import routes as deployments
from orchestrator.api.deployments.kind import DeploymentKind
from orchestrator.api.deployments.runner import Runner
from orchestrator.api.faults import install_handlers
from orchestrator.api.front import FrontDoor
from orchestrator.api.identity import login, managed, metadata, principals
from orchestrator.api.identity.gate import Gate
from orchestrator.api.identity.identity import Identity
from orchestrator.api.insights import kinds as insights
from orchestrator.api.insights import not_yet
from orchestrator.api.jobs import Jobs, Worker
from orchestrator.api.kinds import Kind, Kinds
from orchestrator.api.manager import export, generic, groups, listing, providers, subscriptions, tags
from orchestrator.api.manager.group_deletion import delete_groups
from orchestrator.api.network import interfaces
from orchestrator.api.network import kinds as network
from orchestrator.api.openapi.document import make_document
from orchestrator.api.openapi.entries import entries_of
from orchestrator.api.openapi.methods import Methods, check_method
from orchestrator.api.ports import ControlPort
from orchestrator.api.queries import check_query
from orchestrator.api.scale_set_kind import ScaleSetKind
from orchestrator.images.catalogue import Catalogue
from orchestrator.model.arm.site import Site
from orchestrator.store import Store

_MODULES = (
    compute_scale_sets,
    compute_set_verbs,
    compute_instances,
    compute_extensions,
    compute_images,
    compute_usages,
    compute_vm_extensions,
    compute_run_commands,
    compute_upgrades,
    compute_refusals,
    compute_virtual_machines,
    interfaces,
    not_yet,
    differences,
    operations,
    subscriptions,
    groups,
    listing,
    tags,
    export,
    providers,
    deployments,
    local_hosts,
    local_images,
    local_events,
    local_fronts,
    local_census,
    principals,
    metadata,
    managed,
    login,
)
_KINDS: tuple[Kind, ...] = (ScaleSetKind(), DeploymentKind(), *network.KINDS, *insights.KINDS)
_WORKERS: tuple[Worker, ...] = (delete_groups,)


def create_app(  # noqa: PLR0913  one for each part behind the API
    store: Store,
    wake: Callable[[str], None],
    control: ControlPort,
    site: Callable[[], Site],
    *,
    identity: Identity,
    make_host_key: Callable[[], tuple[str, str]],
    catalogue: Catalogue | None = None,
    network_namespace: str | None = None,
    now: Callable[[], float] = time.time,
) -> FastAPI:
    """The API on these parts. ``catalogue`` is ``None`` where hosts are simulated and need no images. Requests need
    a token, except those that come through ``from_unix_socket``.

    Everything runs on the event loop's thread, as the store wants it: no route may be a plain ``def``."""
    version = importlib.metadata.version("vmss")
    app = FastAPI(
        title="vmss",
        version=version,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        dependencies=[Depends(check_method), Depends(check_query)],
    )
    about = About(version, now(), network_namespace)
    kinds, jobs = Kinds(_KINDS), Jobs((*_WORKERS, Runner()))
    app.state.api = Api(store, wake, control, site, make_host_key, catalogue, about, now, kinds, jobs, identity)
    routers = [module.router for module in _MODULES]
    routers.append(compute_virtual_machines.mirrored(routers))
    routers.append(generic.router)  # last: what another one routes is not for it
    for router in routers:
        app.include_router(router)
    routes = [route for router in routers for route in router.routes if isinstance(route, APIRoute)]
    app.state.methods = functools.lru_cache(4)(lambda kinds: Methods(entries_of(routes, kinds)))
    install_handlers(app)
    app.openapi = functools.cache(lambda: make_document(routes, kinds, version=version))  # type: ignore[method-assign]
    app.add_middleware(FrontDoor, gate=Gate(store, identity, now))
    return app
