"""Operators that activate segments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.operators.base import FlowServiceOperator, push, required_text

if TYPE_CHECKING:
    from airflow.sdk import Context

_MODES = ("add",)


class FlowServiceActivateSegmentsOperator(FlowServiceOperator):
    """Activate segments and profile attributes on a flow (``PATCH /flows/{id}``).

    Reads the flow, sends one guarded patch for what is missing, however many segments that are, and reads
    back. Nothing missing, nothing sent.

    :param flow_id: the flow; templated.
    :param segments: segment ids, or mappings with ``id`` and maybe ``name`` and ``description``; templated.
    :param profile_attributes: paths such as ``person.name.firstName``; templated.
    :param mode: ``add`` adds what is missing and leaves everything else alone.
    """

    template_fields: Sequence[str] = (
        *FlowServiceOperator.template_fields,
        "flow_id",
        "segments",
        "profile_attributes",
    )

    def __init__(
        self,
        *,
        flow_id: str,
        segments: Sequence[str | Mapping[str, Any]],
        profile_attributes: Sequence[str] = (),
        mode: str = "add",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if mode not in _MODES:
            raise InvalidInputError("mode", f"{mode!r} is not known", f"Known are {', '.join(_MODES)}.")
        self.flow_id = flow_id
        self.segments = segments
        self.profile_attributes = profile_attributes
        self.mode = mode

    def perform(self, context: Context) -> dict[str, Any]:
        """Activate what is missing.

        :returns: ``flow_id``, ``added``, ``already_active``, ``profile_attributes_added``, ``etag``.
        """
        activation = self.hook.activate_segments(
            required_text("flow_id", self.flow_id), self.segments, self.profile_attributes
        )
        self.log.info(
            "Flow %s: %d segments added, %d were active already, %d profile attributes added",
            activation.flow_id,
            len(activation.added),
            len(activation.already_active),
            len(activation.profile_attributes_added),
        )
        push(context, etag=activation.etag)
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in asdict(activation).items()
        }
