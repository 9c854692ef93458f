"""Endpoints of the segmentation service, with the paging shapes of definitions and of audiences."""

from __future__ import annotations

import math
import re
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from airflow_provider_flowservice.emulator.gateway import AuthorizedCall, Call
from airflow_provider_flowservice.emulator.segmentation.errors import SegmentationError, invalid
from airflow_provider_flowservice.emulator.segmentation.store import Segment, SegmentStore
from airflow_provider_flowservice.emulator.settings import stable_uuid

BASE_PATH = "/data/core/ups"
router = APIRouter(prefix=BASE_PATH)

_DEFINITION = {
    "name": str,
    "description": (str, None),
    "expression": {"type": str, "format": str, "value": str},
}
_DEFAULT_AUDIENCE_LIMIT = 20


@router.get("/segment/definitions")
async def list_definitions(call: AuthorizedCall) -> Response:
    """List segment definitions; all of them if neither start, page nor limit is given."""
    params = call.request.query_params
    segments = _listed(call)
    limit = number(params.get("limit"), default=max(len(segments), 1), minimum=1)
    start = number(params.get("start"), default=number(params.get("page"), default=0) * limit)
    shown = segments[start : start + limit]
    page = {
        "totalCount": len(segments),
        "totalPages": math.ceil(len(segments) / limit),
        "sortField": "updateTime",
        "sort": "desc",
        "pageSize": len(shown),
        "limit": limit,
    }
    return JSONResponse({"segments": [_definition(each, call) for each in shown], "page": page, "link": {}})


@router.post("/segment/definitions")
async def create_definition(call: AuthorizedCall) -> Response:
    """Create a segment definition; a name that exists already is refused with 422."""
    body = await call.json(_DEFINITION, invalid)
    if not body or not body.get("name") or "expression" not in body:
        raise invalid("name and expression are required")
    if any(each.name == body["name"] for each in SegmentStore.of(call.sandbox).all()):
        raise SegmentationError(422, "113422", f"A segment named {body['name']} exists")
    segment = SegmentStore.of(call.sandbox).create(
        body["name"], body.get("description") or "", body["expression"].get("value", "")
    )
    location = f"{call.base_url}{BASE_PATH}/segment/definitions/{segment.id}"
    return JSONResponse(_definition(segment, call), headers={"X-Location": location})


@router.get("/segment/definitions/{segment_id}")
async def get_definition(segment_id: str, call: AuthorizedCall) -> Response:
    """Read one segment definition."""
    return JSONResponse(_definition(_find(segment_id, call), call))


@router.delete("/segment/definitions/{segment_id}")
async def delete_definition(segment_id: str, call: AuthorizedCall) -> Response:
    """Delete a segment definition."""
    SegmentStore.of(call.sandbox).delete(_find(segment_id, call).id)
    return Response(status_code=200)


@router.get("/audiences")
async def list_audiences(call: AuthorizedCall) -> Response:
    """List audiences page by page; the link to the next page starts with ``@``."""
    params = call.request.query_params
    segments = _matching(call)
    limit = number(params.get("limit"), default=_DEFAULT_AUDIENCE_LIMIT, minimum=1)
    start = number(params.get("start"), default=0)
    shown = segments[start * limit : (start + 1) * limit]
    page: dict[str, Any] = {
        "totalCount": len(segments),
        "totalPages": math.ceil(len(segments) / limit),
        "pageSize": len(shown),
        "limit": limit,
        "start": start,
    }
    links: dict[str, Any] = {}
    if (start + 1) * limit < len(segments):
        page["next"] = start + 1
        links["next"] = {"href": f"@/audiences?start={start + 1}&limit={limit}&totalCount={len(segments)}"}
    return JSONResponse(
        {"children": [_audience(each, call) for each in shown], "_page": page, "_links": links}
    )


@router.get("/audiences/{audience_id}")
async def get_audience(audience_id: str, call: AuthorizedCall) -> Response:
    """Read one audience."""
    return JSONResponse(_audience(_find(audience_id, call), call))


@router.get("/export/jobs")
async def list_export_jobs(_call: AuthorizedCall) -> Response:
    """List export jobs: one of profiles, whose id version 1 of ad-hoc activation requires."""
    job = {"id": stable_uuid("export job"), "schema": {"name": "_xdm.context.profile"}, "status": "SUCCEEDED"}
    return JSONResponse({"records": [job], "page": {"totalCount": 1, "pageSize": 1}, "link": {}})


def _matching(call: Call) -> list[Segment]:
    params = call.request.query_params
    segments = _listed(call)
    name = params.get("name", "").lower()
    field, _, wanted = params.get("property", "").partition("==")
    if field and (field not in ("audienceId", "id", "name") or not wanted):
        raise SegmentationError(400, "113401", f"The property {params['property']} cannot be filtered by")
    return [
        each
        for each in segments
        if name in each.name.lower() and (not field or wanted == (each.name if field == "name" else each.id))
    ]


def _listed(call: Call) -> list[Segment]:
    """Return every segment that lists show, in the requested order."""
    segments = [each for each in SegmentStore.of(call.sandbox).all() if call.world.is_listed(each.id)]
    return _sorted(segments, call.request.query_params.get("sort", "updateTime:desc"))


def _sorted(segments: list[Segment], sort: str) -> list[Segment]:
    field, _, direction = sort.partition(":")
    by_name = field == "name"
    return sorted(
        segments,
        key=lambda each: each.name if by_name else each.created_at,
        reverse=direction.lower() == "desc",
    )


def number(text: str | None, *, default: int, minimum: int = 0) -> int:
    """Return the number in a query parameter.

    :raises SegmentationError: 400 if it is not a number, or is too small.
    """
    if text is None:
        return default
    if not re.fullmatch(r"\d{1,9}", text) or int(text) < minimum:
        raise SegmentationError(400, "113402", f"{text!r} is not a number of {minimum} or more")
    return int(text)


def _find(segment_id: str, call: Call) -> Segment:
    segment = SegmentStore.of(call.sandbox).find(segment_id)
    if segment is None:
        raise SegmentationError(404, "113430", f"Segment {segment_id} is not found")
    return segment


def sandbox_of(call: Call) -> dict[str, Any]:
    """Return the sandbox of a call as resources name it."""
    return {
        "sandboxId": call.sandbox.id,
        "sandboxName": call.sandbox.name,
        "type": call.sandbox.type,
        "default": call.sandbox.is_default,
    }


def _definition(segment: Segment, call: Call) -> dict[str, Any]:
    return {
        "id": segment.id,
        "name": segment.name,
        "description": segment.description,
        "imsOrgId": call.world.settings.credential.org_id,
        "profileInstanceId": "ups",
        "schema": {"name": "_xdm.context.profile"},
        "expression": {"type": "PQL", "format": "pql/text", "value": segment.expression},
        "evaluationInfo": {
            "batch": {"enabled": False},
            "continuous": {"enabled": True},
            "synchronous": {"enabled": False},
        },
        "creationTime": segment.created_at,
        "updateTime": segment.created_at,
        "updateEpoch": segment.created_at // 1000,
    }


def _audience(segment: Segment, call: Call) -> dict[str, Any]:
    return {
        **_definition(segment, call),
        "audienceId": segment.id,
        "sandbox": sandbox_of(call),
        "namespace": "AEPSegments",
        "type": "SegmentDefinition",
        "originName": "REAL_TIME_CUSTOMER_PROFILE",
        "lifecycleState": "published",
        "createEpoch": segment.created_at // 1000,
        "isSystem": False,
        "labels": [],
        "dependents": [],
        "dependencies": [],
    }
