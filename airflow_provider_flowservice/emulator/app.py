"""Combines the services into one ASGI application."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from airflow_provider_flowservice.emulator.activation.routes import router as activation_router
from airflow_provider_flowservice.emulator.catalog.routes import router as catalog_router
from airflow_provider_flowservice.emulator.collection.routes import router as collection_router
from airflow_provider_flowservice.emulator.control_api.page import router as page_router
from airflow_provider_flowservice.emulator.control_api.routes import router as control_router
from airflow_provider_flowservice.emulator.dataprep.routes import router as data_prep_router
from airflow_provider_flowservice.emulator.edge import Edge
from airflow_provider_flowservice.emulator.errors import ApiError
from airflow_provider_flowservice.emulator.flow.explore import router as explore_router
from airflow_provider_flowservice.emulator.flow.landing_zone import router as landing_zone_router
from airflow_provider_flowservice.emulator.flow.reads import FlowReads
from airflow_provider_flowservice.emulator.flow.routes import router as flow_router
from airflow_provider_flowservice.emulator.gateway import refusal
from airflow_provider_flowservice.emulator.ims.routes import router as ims_router
from airflow_provider_flowservice.emulator.outputs.exporter import Exporter, outputs_of
from airflow_provider_flowservice.emulator.sandboxes import router as sandbox_router
from airflow_provider_flowservice.emulator.schemas.descriptors import router as descriptor_router
from airflow_provider_flowservice.emulator.schemas.routes import router as schema_router
from airflow_provider_flowservice.emulator.schemas.rpc import router as schema_rpc_router
from airflow_provider_flowservice.emulator.segmentation.jobs import router as segment_job_router
from airflow_provider_flowservice.emulator.segmentation.routes import router as segmentation_router
from airflow_provider_flowservice.emulator.settings import Settings
from airflow_provider_flowservice.emulator.unserved import UnservedRoute
from airflow_provider_flowservice.emulator.world import World

_ROUTERS = (
    control_router,
    page_router,
    ims_router,
    flow_router,
    explore_router,
    landing_zone_router,
    activation_router,
    segmentation_router,
    segment_job_router,
    sandbox_router,
    # The paths of the last one would also match theirs.
    descriptor_router,
    schema_rpc_router,
    schema_router,
    catalog_router,
    data_prep_router,
    collection_router,
)


def build_app(settings: Settings, prepare: Callable[[World], None] | None = None) -> ASGIApp:
    """Return an emulator with a world of its own.

    :param prepare: fills the world, which is empty otherwise; what it makes is not exported.
    :raises ValueError: if an output is set in a wrong way.
    :raises OSError: if the folder for exported files cannot be made.
    """
    world = World(settings)
    if prepare:
        prepare(world)
    exporter = Exporter(world, outputs_of(world))
    app = FastAPI(
        title="Flow Service emulator", openapi_url=None, redirect_slashes=False, lifespan=exporter.running
    )
    app.state.world = world
    app.state.exporter = exporter
    app.add_exception_handler(ApiError, _error_response)
    app.add_exception_handler(HTTPException, _route_error)
    app.router.routes.append(UnservedRoute())
    for router in _ROUTERS:
        app.include_router(router)
    app.add_middleware(FlowReads, world=world)
    edge = Edge(app, world)
    app.state.edge = edge
    return edge


async def _error_response(request: Request, error: Exception) -> Response:
    if not isinstance(error, ApiError):  # pragma: no cover (Starlette calls this handler for ApiError alone)
        raise error
    return refusal(error, request, request.app.state.world)


async def _route_error(request: Request, error: Exception) -> Response:  # noqa: ARG001
    """Respond to an unknown path or method, in the format of no particular service."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    return JSONResponse({"message": str(getattr(error, "detail", error))}, status)
