"""Operator for mapping sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_flowservice.client import DesiredMappingSet
from airflow_provider_flowservice.client.datasets import (
    BodyForm,
    check_destinations,
    read_columns,
    read_mappings,
)
from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.flows import Shown
from airflow_provider_flowservice.operators.arguments import optional, required
from airflow_provider_flowservice.operators.create import FlowServiceCreateOperator
from airflow_provider_flowservice.operators.kinds import choice, items, resource_id, text

if TYPE_CHECKING:
    from airflow_provider_flowservice.client.ensure import EnsureResult
    from airflow_provider_flowservice.client.model import JsonObject


def _columns(field: str, value: Any) -> dict[str, JsonObject]:
    """Convert the columns of a destination, given in either form, to the JSON Schema of each."""
    return read_columns(value if isinstance(value, Mapping) else items(field, value))


class FlowServiceCreateMappingSetOperator(FlowServiceCreateOperator):
    """Create a mapping set, or reuse an existing one, and return its id (``POST /mappingSets``).

    It maps to an XDM schema, as a source of raw records needs it, or to the columns of a destination, which
    ``profile_mapping`` of a flow to a file destination refers to. Unless ``adopt_id`` is given, the mappings are
    validated first (``POST /mappingSets/validate``), and an error names each field that AEP rejects. The version of the
    mapping set is pushed to the XCom key ``mapping_version``.

    :param name: name of the mapping set. Without a name, it is found by its target and mappings.
    :param schema_id: ``$id`` of the target schema. Give either this or ``columns``.
    :param columns: names of the destination's columns, without dots, which AEP does not accept there. If not all of
        them are strings: a mapping of each name to its JSON type or its JSON Schema.
    :param mappings: ``{"source": ..., "destination": ...}`` for each field, or ``{"sourceAttribute": ...,
        "destinationXdmPath": ...}``, as in AEP's tutorials. For ``columns``, the source is a path such as
        ``person.name.firstName`` or ``identityMap.Email`` and the destination a column; each column must be mapped.
    :param body_form: ``new``, the format of the API reference, or ``old``, the format of the tutorials, which supports
        neither names nor columns.
    :param description: description for users; not compared with an existing one.
    :param if_exists: what to do if a resource with the same name, spec and parents exists: ``reuse`` it and fail if its
        settings differ, ``update`` its settings, ``fail``, or ``create`` another one.
    :param adopt_id: id of an existing resource to use, instead of searching for one by name. It must have the same spec
        and parents and, as a schema or dataset, the same name. If anything else differs, ``if_exists="update"`` changes
        it, and ``"reuse"`` fails.
    :param plan_only: whether to only log the request, and return the id of the existing resource or a placeholder.
    :param flowservice_conn_id: Airflow connection of type ``flowservice``.
    :param sandbox: overrides the sandbox of the connection.
    """

    custom_operator_name = "Create mapping set"
    _shown = Shown.MAPPING_SET
    name = required(text)
    schema_id = optional(resource_id)
    columns = optional(_columns)
    mappings = required(items)
    body_form = required(choice(BodyForm))

    def __init__(
        self,
        *,
        name: str = "",
        schema_id: str | None = None,
        columns: Sequence[str] | Mapping[str, str | Mapping[str, Any]] | None = None,
        mappings: Sequence[Mapping[str, Any]],
        body_form: str = "new",
        description: str | None = None,
        if_exists: str = "reuse",
        adopt_id: str | None = None,
        plan_only: bool | str = False,
        flowservice_conn_id: str = "flowservice_default",
        sandbox: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.set_arguments(locals())

    def check_arguments(self) -> None:
        """Also reject two targets, no target, and what the old format does not support."""
        super().check_arguments()
        self.require_one_of("schema_id", "columns")
        if self.body_form == BodyForm.OLD and self.name:
            raise InvalidInputError(
                "name", f"{self.name!r} is not supported by body_form 'old'", "Remove it."
            )
        if self.body_form == BodyForm.OLD and self.is_given("columns"):
            raise InvalidInputError("columns", "are not supported by body_form 'old'", "Leave out body_form.")

    def desired(self) -> DesiredMappingSet:
        """Return the mapping set, validated by AEP if it may be created.

        A dry run must not send a POST, and a mapping set to adopt is only compared or changed.
        """
        mappings = read_mappings(self.mappings)
        if self.columns is not None:
            check_destinations(mappings, self.columns)
        desired = DesiredMappingSet(
            name=self.name,
            schema_id=self.schema_id,
            columns=self.columns,
            mappings=mappings,
            form=self.body_form,
        )
        if not self.plan_only and self.adopt_id is None:
            self.hook.send(desired.validate())
        return desired

    def extra_xcoms(self, desired: DesiredMappingSet, result: EnsureResult[Any]) -> dict[str, Any]:
        """Return the version, which a flow refers to."""
        return {"mapping_version": int(result.etag or 0)}

    def planned_xcoms(self, desired: DesiredMappingSet, planned_id: str) -> dict[str, Any]:
        """Return the version of a new mapping set."""
        return {"mapping_version": 0}
