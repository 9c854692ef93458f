"""Endpoints of Schema Registry."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import jsonpatch
from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from airflow_provider_flowservice.emulator.gateway import AuthorizedCall, Call
from airflow_provider_flowservice.emulator.schemas.descriptors import BASE_PATH, DescriptorStore
from airflow_provider_flowservice.emulator.schemas.errors import SchemaError, invalid
from airflow_provider_flowservice.emulator.schemas.store import TENANT, SchemaStore, is_enabled

router = APIRouter(prefix=BASE_PATH)

_PAGE_LIMIT = 300
_ACCEPT = re.compile(
    r"application/vnd\.adobe\.(?P<form>xed(-id|-full|-notext|-full-notext|-full-desc|-deprecatefield)?|xdm)\+json"
    r"(;\s*version=(?P<version>[\d.]+))?"
)
_SUMMARY = ("title", "$id", "meta:altId", "version")
_ORDER_KEYS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "title": lambda resource: resource["title"],
    "created": lambda resource: resource.get("meta:registryMetadata", {}).get("repo:createdDate", 0),
    "updated": lambda resource: resource.get("meta:registryMetadata", {}).get("repo:lastModifiedDate", 0),
}


@router.get("/stats")
async def stats(call: AuthorizedCall) -> Response:
    """Tenant id and counts."""
    store = SchemaStore.of(call.sandbox)
    kinds = ("schemas", "mixins", "datatypes", "classes")
    return JSONResponse(
        {
            "imsOrg": call.world.settings.credential.org_id,
            "tenantId": TENANT,
            "counts": {**{kind: len(store.all("tenant", kind)) for kind in kinds}, "unions": 0},
            "recentlyCreatedResources": [],
            "recentlyUpdatedResources": [],
            "classUsage": [],
        }
    )


@router.get("/{container}/{collection}")
async def list_resources(container: str, collection: str, call: AuthorizedCall) -> Response:
    """List a collection; ``start`` is the last value of the field in ``orderby``, not an offset."""
    form, version = _accepted(call)
    if form not in ("xed-id", "xed", "xdm") or version:
        raise _accept_error(call, "1006", "Version should not be specified")
    params = call.request.query_params
    orderby = params.get("orderby", "")
    if not orderby and ("start" in params or "limit" in params):
        raise invalid("orderby is required with start and limit")
    found = [
        resource
        for resource in SchemaStore.of(call.sandbox).all(_container(container), collection)
        if call.world.is_listed(resource["$id"])
        and all(_matches(resource, expression) for expression in params.getlist("property"))
    ]
    page, following = _page(found, orderby or "updated", params.get("start"), _limit(params.get("limit")))
    shown = [_summary(resource) if form == "xed-id" else resource for resource in page]
    return JSONResponse(
        {
            "results": shown,
            "_page": {"orderby": orderby or "updated", "next": following, "count": len(shown)},
            "_links": {"next": _next_link(call, orderby or "updated", following)},
        }
    )


@router.get("/{container}/{collection}/{resource_id:path}")
async def get_resource(container: str, collection: str, resource_id: str, call: AuthorizedCall) -> Response:  # noqa: ARG001
    """Look a resource up by ``$id`` or ``meta:altId``; the ``full`` forms have references resolved."""
    form, version = _accepted(call)
    if form in ("", "xed-id") or not version:
        raise _accept_error(call, "1007", "Version should be specified")
    resource = _find(resource_id, call)
    if int(float(version)) != 1:
        raise _not_found(f"{resource_id} with version {version}")
    return JSONResponse(SchemaStore.of(call.sandbox).resolved(resource) if "full" in form else resource)


@router.post("/tenant/{collection}")
async def create_resource(collection: str, call: AuthorizedCall) -> Response:
    """Create a resource of the tenant; the response has all of it."""
    body = await call.json()
    org_id = call.world.settings.credential.org_id
    _check_union(body, has_identity=False, call=call)
    return JSONResponse(SchemaStore.of(call.sandbox).create(collection, body, org_id), 201)


@router.patch("/tenant/{collection}/{resource_id:path}")
async def patch_resource(collection: str, resource_id: str, call: AuthorizedCall) -> Response:  # noqa: ARG001
    """Apply a JSON Patch, such as one that adds the tag ``union`` to enable a schema for Profile."""
    resource = _find_own(resource_id, call)
    operations = await call.json()
    try:
        changed = jsonpatch.JsonPatch(operations).apply(resource)
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException, TypeError) as error:
        raise invalid(f"The patch cannot be applied: {error}") from error
    if not is_enabled(resource):
        identity = DescriptorStore.of(call.sandbox).primary_identity(resource["$id"])
        _check_union(changed, has_identity=identity is not None, call=call)
    elif not is_enabled(changed):
        raise invalid("The tag union cannot be removed from meta:immutableTags")
    return JSONResponse(SchemaStore.of(call.sandbox).replace(resource, changed))


@router.delete("/tenant/{collection}/{resource_id:path}")
async def delete_resource(collection: str, resource_id: str, call: AuthorizedCall) -> Response:  # noqa: ARG001
    """Delete a resource of the tenant."""
    resource = _find_own(resource_id, call)
    SchemaStore.of(call.sandbox).delete(resource)
    DescriptorStore.of(call.sandbox).forget(resource["$id"])
    return Response(status_code=204)


def _check_union(body: Any, *, has_identity: bool, call: Call) -> None:
    refuses = call.world.switches.union_without_identity == "refuse"
    if refuses and is_enabled(body) and not has_identity:
        raise invalid("A schema without a primary identity cannot be enabled for Profile")


def _accepted(call: Call) -> tuple[str, str]:
    """Return the form and the version in the Accept header; the form is empty if it is unknown."""
    found = _ACCEPT.fullmatch(call.request.headers.get("accept", "").strip())
    return (found["form"], found["version"] or "") if found else ("", "")


def _accept_error(call: Call, number: str, advice: str) -> SchemaError:
    supplied = call.request.headers.get("accept", "")
    message = f"The supplied Accept header is not valid: {supplied} ({advice})"
    return SchemaError(400, number, "Accept header invalid", message)


def _container(name: str) -> str:
    if name not in ("tenant", "global"):
        raise SchemaError(404, "1012", "Resource Not Found", f"There is no container {name}")
    return name


def _matches(resource: dict[str, Any], expression: str) -> bool:
    """Return whether a resource matches a filter: ``==`` compares the whole value, ``~`` a part of it."""
    found = re.fullmatch(r"([\w:$.-]+)(==|~)(.*)", expression)
    if found is None:
        raise invalid(f"The property filter {expression} is not valid")
    value = str(resource.get(found[1], ""))
    return value == found[3] if found[2] == "==" else found[3] in value


def _limit(text: str | None) -> int:
    if text is None:
        return _PAGE_LIMIT
    if not text.isdecimal() or int(text) < 1:
        raise invalid(f"limit must be a number of 1 or more, not {text!r}")
    return min(int(text), _PAGE_LIMIT)


def _page(
    found: list[dict[str, Any]], orderby: str, start: str | None, limit: int
) -> tuple[list[dict[str, Any]], str | None]:
    descending, field = orderby.startswith("-"), orderby.lstrip("+-")
    key = _ORDER_KEYS.get(field)
    if key is None:
        raise invalid(f"orderby must be one of {', '.join(_ORDER_KEYS)}")
    ordered = sorted(found, key=key, reverse=descending)
    if start is not None:
        last: Any = start if field == "title" else int(start) if start.isdecimal() else 0
        ordered = [each for each in ordered if (key(each) < last if descending else key(each) > last)]
    page = ordered[:limit]
    return page, str(key(page[-1])) if len(ordered) > limit else None


def _next_link(call: Call, orderby: str, following: str | None) -> dict[str, str] | None:
    if following is None:
        return None
    query = f"orderby={quote(orderby)}&start={quote(following)}"
    return {"href": f"{call.base_url}{call.request.url.path}?{query}"}


def _summary(resource: dict[str, Any]) -> dict[str, Any]:
    return {name: resource[name] for name in _SUMMARY}


def _find(resource_id: str, call: Call) -> dict[str, Any]:
    resource = SchemaStore.of(call.sandbox).find(resource_id)
    if resource is None:
        raise _not_found(f"{resource_id} with version 1")
    return resource


def _find_own(resource_id: str, call: Call) -> dict[str, Any]:
    resource = _find(resource_id, call)
    if resource["meta:containerId"] != "tenant":
        raise _not_found(resource_id)
    return resource


def _not_found(what: str) -> SchemaError:
    return SchemaError(404, "1012", "Resource Not Found", f"Requested resource {what} is not found")
