"""The operations of Adobe's API descriptions that the emulator does not serve.

Each is answered, after the gateway's checks, with 501 and the operation's name, never with what looks like an empty
AEP. A path that no description has is answered with 404.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from airflow_provider_flowservice.emulator.errors import PlatformError
from airflow_provider_flowservice.emulator.gateway import admit

#: Method, path and name of operations, by the path of their API; ``*`` stands for any part of a path.
_BY_API = {
    "/data/foundation/flowservice": """
        POST /connectionSpecs createConnectionSpec
        PUT /connectionSpecs/* updateConnectionSpec
        POST /flowSpecs createFlowSpec
        PUT /flowSpecs/* updateFlowSpec
    """,
    "/data/foundation/catalog": """
        GET / listBatchedRequest
        POST / createBatchedRequest
        POST /batches createBatch
        GET /batches/uniques/* retrieveUniqueBatchValues
        GET /batches/* retrieveBatch
        PUT /batches/* updateBatch
        POST /batches/* createBatchWithId
        DELETE /batches/* deleteBatch
        PATCH /batches/* patchBatch
        GET /lastBatches listLastBatches
        GET /dataSets/*/credentials retrieveDatasetCredentials
        GET /tags/* listTags
    """,
    "/data/foundation/conversion": """
        POST /languages/el/validate validateExpression
        GET /languages/el/functions listMappingSetFunctions
        GET /languages/el/operators listMappingSetOperators
        GET /mappingSets/*/mappings/* retrieveMapping
    """,
    "/data/core/ups": """
        POST /audiences createAudience
        POST /audiences/bulk-get bulkGetAudiences
        DELETE /audiences/* deleteAudience
        PATCH /audiences/* patchAudience
        PUT /audiences/* updateAudience
        POST /export/jobs createExportJob
        GET /export/jobs/* retrieveExportJob
        DELETE /export/jobs/* cancelExportJob
        PATCH /segment/definitions/* patchSegmentDefinition
        POST /segment/definitions/bulk-get bulkGetSegmentDefinitions
        POST /segment/conversion convertSegmentDefinition
        POST /preview createPreview
        GET /preview/* retrievePreview
        DELETE /preview/* deletePreview
        GET /estimate/* retrieveEstimate
        GET /config/schedules listSchedules
        POST /config/schedules createSchedule
        GET /config/schedules/* retrieveSchedule
        DELETE /config/schedules/* deleteSchedule
        PATCH /config/schedules/* updateSchedule
        GET /search/namespaces listSearchCounts
        GET /search/entities listFullTextIndexedObjects
        GET /search/taxonomy retrieveSearchObjectStructure
    """,
}

#: Method, full path and name of every operation that is not served.
OPERATIONS = tuple(
    (method, f"{base}{path}", name)
    for base, lines in _BY_API.items()
    for method, path, name in (line.split() for line in lines.strip().splitlines())
)


def _parts(path: str) -> tuple[str, ...]:
    return tuple(path.strip("/").split("/"))


def _grouped() -> dict[tuple[str, int], list[tuple[tuple[str, ...], str]]]:
    """Return paths and names by method and number of parts, so that a request is compared with few of them."""
    found: dict[tuple[str, int], list[tuple[tuple[str, ...], str]]] = {}
    for method, path, name in OPERATIONS:
        found.setdefault((method, len(_parts(path))), []).append((_parts(path), name))
    return found


_GROUPED = _grouped()


def unserved_operation(method: str, path: str) -> str | None:
    """Return the name of the operation that a request is about if the emulator does not serve it; otherwise None."""
    parts = _parts(path)
    for described, name in _GROUPED.get((method, len(parts)), ()):
        if all(wanted in ("*", part) for wanted, part in zip(described, parts, strict=True)):
            return name
    return None


class UnservedRoute(BaseRoute):
    """Matches the requests for operations that are not served. It must be the first route, as others match more."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Return whether a request is about such an operation."""
        name = unserved_operation(scope["method"], scope["path"]) if scope["type"] == "http" else None
        return (Match.FULL, {"operation": name}) if name else (Match.NONE, {})

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request that the gateway admits.

        :raises ApiError: always.
        """
        request = Request(scope, receive)
        admit(request, request.app.state.world)
        what = f"{scope['operation']} ({scope['method']} {scope['path']})"
        raise PlatformError(501, "NotImplementedError", f"The emulator does not serve {what}")
