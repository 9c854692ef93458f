"""Operator for mapping sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_flowservice.client import DesiredMappingSet
from airflow_provider_flowservice.client.datasets import BodyForm, read_mappings
from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.operators.arguments import required
from airflow_provider_flowservice.operators.create import FlowServiceCreateOperator
from airflow_provider_flowservice.operators.kinds import choice, items, resource_id, text

if TYPE_CHECKING:
    from airflow_provider_flowservice.client.ensure import EnsureResult


class FlowServiceCreateMappingSetOperator(FlowServiceCreateOperator):
    """Create a mapping set, or reuse an existing one, and return its id (``POST /mappingSets``).

    The mappings are validated first (``POST /mappingSets/validate``), and an error names each field that AEP rejects.
    The version of the mapping set is pushed to the XCom key ``mapping_version``.

    :param name: name of the mapping set. Without a name, it is found by its schema and mappings.
    :param schema_id: ``$id`` of the target schema.
    :param mappings: ``{"source": ..., "destination": ...}`` for each field, or ``{"sourceAttribute": ...,
        "destinationXdmPath": ...}``, as in AEP's tutorials.
    :param body_form: ``new``, the format of the API reference, or ``old``, the format of the tutorials, which does not
        support names.
    :param description: description for users; not compared with an existing one.
    :param if_exists: what to do if a resource with the same name, spec and parents exists: ``reuse`` it and fail if its
        settings differ, ``update`` its settings, ``fail``, or ``create`` another one.
    :param plan_only: whether to only log the request, and return the id of the existing resource or a placeholder.
    :param flowservice_conn_id: Airflow connection of type ``flowservice``.
    :param sandbox: overrides the sandbox of the connection.
    """

    name = required(text)
    schema_id = required(resource_id)
    mappings = required(items)
    body_form = required(choice(BodyForm))

    def __init__(
        self,
        *,
        name: str = "",
        schema_id: str,
        mappings: Sequence[Mapping[str, Any]],
        body_form: str = "new",
        description: str | None = None,
        if_exists: str = "reuse",
        plan_only: bool | str = False,
        flowservice_conn_id: str = "flowservice_default",
        sandbox: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.set_arguments(locals())

    def check_arguments(self) -> None:
        """Reject a name with the old format."""
        if self.body_form == BodyForm.OLD and self.name:
            raise InvalidInputError(
                "name", f"{self.name!r} is not supported by body_form 'old'", "Remove it."
            )

    def desired(self) -> DesiredMappingSet:
        """Return the mapping set, validated by AEP unless this is a dry run, which must not send a POST."""
        desired = DesiredMappingSet(
            name=self.name,
            schema_id=self.schema_id,
            mappings=read_mappings(self.mappings),
            form=self.body_form,
        )
        if not self.plan_only:
            self.hook.send(desired.validate())
        return desired

    def extra_xcoms(self, desired: DesiredMappingSet, result: EnsureResult[Any]) -> dict[str, Any]:
        """Return the version, which the ``Mapping`` transformation of a flow refers to."""
        return {"mapping_version": int(result.etag or 0)}

    def planned_xcoms(self, desired: DesiredMappingSet, planned_id: str) -> dict[str, Any]:
        """Return the version of a new mapping set."""
        return {"mapping_version": 0}
