"""Endpoints of Schema Registry for its resources: schemas, classes, field groups, data types, behaviors, unions."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from airflow_provider_flowservice.emulator.gateway import AuthorizedCall, Call
from airflow_provider_flowservice.emulator.patching import OPERATIONS, PatchError, apply_patch
from airflow_provider_flowservice.emulator.schemas import query
from airflow_provider_flowservice.emulator.schemas.descriptors import BASE_PATH, DescriptorStore
from airflow_provider_flowservice.emulator.schemas.errors import SchemaError, invalid, not_found
from airflow_provider_flowservice.emulator.schemas.forms import Form
from airflow_provider_flowservice.emulator.schemas.references import Schema
from airflow_provider_flowservice.emulator.schemas.store import (
    EDITABLE,
    TENANT,
    SchemaStore,
    container_named,
    owner_of,
    stored_kind,
)
from airflow_provider_flowservice.emulator.schemas.unions import is_enabled

router = APIRouter(prefix=BASE_PATH)


@router.get("/stats")
async def stats(call: AuthorizedCall) -> Response:
    """Tenant id and counts."""
    store = SchemaStore.of(call.sandbox)
    kinds = ("schemas", "mixins", "datatypes", "classes", "unions")
    return JSONResponse(
        {
            "imsOrg": call.world.settings.credential.org_id,
            "tenantId": TENANT,
            "counts": {kind: len(store.all("tenant", kind)) for kind in kinds},
            "recentlyCreatedResources": [],
            "recentlyUpdatedResources": [],
            "classUsage": [],
        }
    )


@router.get("/{container}/{collection}")
async def list_resources(container: str, collection: str, call: AuthorizedCall) -> Response:
    """List a collection, as summaries or whole, filtered, ordered and paged."""
    form = Form.of(call.request.headers.get("accept", ""))
    if form is None or not form.is_of_a_list:
        raise _accept_error(call, "1006", "Version should not be specified")
    kind, parameters = stored_kind(collection), call.request.query_params
    store = SchemaStore.of(call.sandbox)
    found = [
        each for each in store.all(container_named(container), kind) if call.world.is_listed(each["$id"])
    ]
    page = query.page(found, parameters, call.world.switches)
    url = f"{call.base_url}{BASE_PATH}"
    links = {"global_schemas": {"href": f"{url}/global/{collection}"}} if container == "tenant" else {}
    shown = [form.shown(dict(each), (), call.world.switches) for each in page.items]
    return JSONResponse(page.as_json(f"{url}/{container}/{collection}", parameters, shown, **links))


@router.get("/{container}/{collection}/{resource_id:path}")
async def get_resource(container: str, collection: str, resource_id: str, call: AuthorizedCall) -> Response:
    """Look a resource up by ``$id`` or ``meta:altId``, in the form that the Accept header asks for.

    Global resources are found through the container ``tenant`` too: Adobe's own client looks for them there.
    """
    form = Form.of(call.request.headers.get("accept", ""))
    if form is None or form.summary or form.version is None:
        raise _accept_error(call, "1007", "Version should be specified")
    kind, store = stored_kind(collection), SchemaStore.of(call.sandbox)
    resource = _of_kind(kind, resource_id, store)
    if form.version != 1 or (container_named(container) == "global" != resource["meta:containerId"]):
        raise not_found(f"{resource_id} with version {form.version}")
    descriptors = DescriptorStore.of(call.sandbox).of_schema(resource["$id"])
    held = store.resolved(resource) if form.resolved else resource
    return JSONResponse(form.shown(held, descriptors, call.world.switches))


@router.post("/tenant/{collection}")
async def create_resource(collection: str, call: AuthorizedCall) -> Response:
    """Create a resource of the tenant; the response has all of it."""
    kind, body = stored_kind(collection, EDITABLE), await call.json(refuse=invalid)
    _check_union(body, has_identity=False, call=call)
    return JSONResponse(SchemaStore.of(call.sandbox).create(kind, body, owner_of(call)), 201)


@router.put("/tenant/{collection}/{resource_id:path}")
async def replace_resource(collection: str, resource_id: str, call: AuthorizedCall) -> Response:
    """Replace a resource, except for the members that AEP sets."""
    return _change(_own(collection, resource_id, call), await call.json(refuse=invalid), call)


@router.patch("/tenant/{collection}/{resource_id:path}")
async def patch_resource(collection: str, resource_id: str, call: AuthorizedCall) -> Response:
    """Apply a JSON Patch, such as one that adds the tag ``union`` to enable a schema for Profile."""
    resource = _own(collection, resource_id, call)
    operations = await call.json(OPERATIONS, invalid)
    try:
        changed = apply_patch(resource, operations or [])
    except PatchError as error:
        raise invalid(f"The patch cannot be applied: {error}") from error
    return _change(resource, changed, call)


@router.delete("/tenant/{collection}/{resource_id:path}")
async def delete_resource(collection: str, resource_id: str, call: AuthorizedCall) -> Response:
    """Delete a resource of the tenant."""
    resource = _own(collection, resource_id, call)
    SchemaStore.of(call.sandbox).delete(resource)
    DescriptorStore.of(call.sandbox).forget(resource["$id"])
    return Response(status_code=204)


def _change(resource: Schema, changed: Any, call: Call) -> Response:
    if not is_enabled(resource):
        identity = DescriptorStore.of(call.sandbox).primary_identity(resource["$id"])
        _check_union(changed, has_identity=identity is not None, call=call)
    elif not is_enabled(changed):
        raise invalid("The tag union cannot be removed from meta:immutableTags")
    return JSONResponse(SchemaStore.of(call.sandbox).replace(resource, changed))


def _check_union(body: Any, *, has_identity: bool, call: Call) -> None:
    refuses = call.world.switches.union_without_identity == "refuse"
    if refuses and is_enabled(body) and not has_identity:
        raise invalid("A schema without a primary identity cannot be enabled for Profile")


def _accept_error(call: Call, number: str, advice: str) -> SchemaError:
    supplied = call.request.headers.get("accept", "")
    message = f"The supplied Accept header is not valid: {supplied} ({advice})"
    return SchemaError(400, number, "Accept header invalid", message)


def _of_kind(kind: str, resource_id: str, store: SchemaStore) -> Schema:
    resource = store.find(resource_id)
    # A dataset that Profile is exported to looks for the union among the schemas.
    kinds = ("schemas", "unions") if kind == "schemas" else (kind,)
    if resource is None or resource["meta:resourceType"] not in kinds:
        raise not_found(f"{resource_id} with version 1")
    return resource


def _own(collection: str, resource_id: str, call: Call) -> Schema:
    resource = _of_kind(stored_kind(collection, EDITABLE), resource_id, SchemaStore.of(call.sandbox))
    if resource["meta:containerId"] != "tenant" or resource["meta:resourceType"] == "unions":
        raise not_found(resource_id)
    return resource
