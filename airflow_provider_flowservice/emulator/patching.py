"""JSON Patch (RFC 6902), as several services take it."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import jsonpatch

from airflow_provider_flowservice.emulator.json_body import JsonError, check_limits, count_values

#: What the body of a patch must be.
OPERATIONS = [{"op": str, "path": str, "from": str}]
# Copies of copies multiply. AEP's limits are not documented; no patch that people send comes near these.
_MAX_COPIES = 100
_MAX_VALUES = 100_000


class PatchError(ValueError):
    """A patch cannot be applied.

    :param path: of the operation that cannot; None if the result is what is wrong.
    """

    def __init__(self, message: str, path: str | None = None) -> None:
        super().__init__(message)
        self.path = path


def apply_patch(document: Any, operations: list[dict[str, Any]]) -> Any:
    """Return a document to which all operations were applied in their order; the document itself is not changed.

    :param operations: of the types of :data:`OPERATIONS`.
    :raises PatchError: if one of them cannot be applied, or makes the document too large or too deep.
    """
    changed, copies = deepcopy(document), 0
    for operation in operations:
        try:
            changed = jsonpatch.JsonPatch([operation]).apply(changed, in_place=True)
        # Some releases of jsonpatch do not expect every pointer.
        except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException, TypeError, ValueError) as error:
            raise PatchError(str(error), operation.get("path")) from error
        if operation.get("op") == "copy":
            copies += 1
            if copies > _MAX_COPIES or count_values(changed) > _MAX_VALUES:
                raise PatchError(
                    f"it has more than {_MAX_COPIES} copies, or makes more than {_MAX_VALUES:,} values"
                )
    try:
        check_limits(changed)
    except JsonError as error:
        raise PatchError(f"the result cannot be stored: {error}") from error
    return changed
