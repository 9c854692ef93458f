"""Operator for the flows that nothing asks for any more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_flowservice.client import PruneAction
from airflow_provider_flowservice.client.flows import Shown, check_prefix
from airflow_provider_flowservice.operators.arguments import optional, required
from airflow_provider_flowservice.operators.base import FlowServiceChangeOperator, reject_backfill
from airflow_provider_flowservice.operators.kinds import choice, flag, list_of, string, whole_number

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_flowservice.client.flows import Console


def _name_prefix(field: str, value: Any) -> str:
    """Convert the beginning of names; a short one is rejected."""
    prefix = string(field, value)
    check_prefix(prefix)
    return prefix


class FlowServicePruneFlowsOperator(FlowServiceChangeOperator):
    """Report, disable or delete the flows that nothing asks for any more, such as those of entries removed from a file.

    Only flows are looked at that the credential of the connection created and whose names begin with ``name_prefix``.
    Of these, the ones that ``keep`` does not name are *unexpected*. Each is read again immediately before it is
    disabled or deleted, and left if it has changed.

    An entry of ``keep`` that is neither the id nor the name of any flow in the sandbox is logged as a warning. If flows
    would be disabled or deleted, it is an error: the entry may be misspelled, so that the flow that it means is
    unexpected; or it is the new name of an unexpected flow, which must not go before its replacement exists. The flow
    of an entry that could not be onboarded yet therefore delays the pruning, and nothing else. In a dry run it is a
    warning, because an earlier task of the same dry run may be the one that would create the flow.

    This takes one list request for each 100 flows in the sandbox (``GET /flows``). For each flow to disable, two reads
    and an action are added (``POST /flows/{id}/action``); for each flow to delete, one read and one deletion
    (``DELETE /flows/{id}``); for each connection to delete, three reads at most and one deletion.

    :param keep: ids and exact names of the flows to keep; both can be mixed. At least one is required. The output of a
        mapped task lacks what a failed or skipped one of its instances would have returned: if this task runs then,
        too, give names that are known without it.
    :param name_prefix: beginning of the names of the flows to look at, in exactly this spelling; three characters or
        more.
    :param action: what happens to unexpected flows. ``report`` only logs and returns them; ``disable`` disables those
        that are enabled; ``delete`` deletes those that are disabled already, and leaves the others.
    :param max_removals: maximum number of flows to disable or delete. Default: half of the flows looked at. If there
        are more, the task fails before it changes anything.
    :param with_connections: whether to delete with a flow those of its connections that the same credential created and
        that nothing else uses.
    :param allow_in_backfill: whether ``disable`` and ``delete`` are allowed in a backfill, where runs can finish in any
        order.
    :param plan_only: whether to only log and return what would be done. ``keep`` may then contain placeholders of flows
        that do not exist yet.
    :param flowservice_conn_id: Airflow connection of type ``flowservice``.
    :param sandbox: overrides the sandbox of the connection.
    """

    custom_operator_name = "Prune flows"
    keep = required(list_of(string, minimum=1))
    name_prefix = required(_name_prefix)
    action = required(choice(PruneAction))
    max_removals = optional(whole_number())
    with_connections = required(flag)
    allow_in_backfill = required(flag)

    def __init__(
        self,
        *,
        keep: Sequence[str],
        name_prefix: str,
        action: str = "report",
        max_removals: int | str | None = None,
        with_connections: bool | str = False,
        allow_in_backfill: bool | str = False,
        plan_only: bool | str = False,
        flowservice_conn_id: str = "flowservice_default",
        sandbox: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.set_arguments(locals())

    def page_in(self, console: Console) -> str:
        """Return the URL of the list of flows."""
        return console.page(Shown.FLOW)

    def change(self, context: Context) -> dict[str, list[str]]:
        """Find the unexpected flows and, unless they are only reported, disable or delete them.

        :returns: ids of flows: ``kept``; ``unexpected``, and of these ``disabled``, ``deleted`` and ``left`` as they
            are; of connections: ``deleted_connections``, and ``left_connections`` because another resource uses them;
            and ``unmatched``, the entries of ``keep`` that match no flow. A retry includes what earlier attempts did.
        """
        # Not what to keep: a deletion that was interrupted is finished whatever it is by now.
        task_state = self.task_state(context, f"prune {self.name_prefix!r} {self.action.value}")
        report = self._prune(context, saved=task_state)
        task_state.clear()
        return report

    def plan(self, context: Context) -> dict[str, list[str]]:
        """Log and return what would be done.

        :returns: as for :meth:`change`. Whether connections are in use is only checked when they are deleted.
        """
        return self._prune(context, plan_only=True)

    def _prune(self, context: Context, **how: Any) -> dict[str, list[str]]:
        if self.action is not PruneAction.REPORT and not self.allow_in_backfill:
            problem = f"action {self.action.value!r} in a backfill would keep what whichever run finishes last names."
            reject_backfill(context, problem, "Use action='report'")
        report = self.hook.prune_flows(
            self.keep,
            self.name_prefix,
            self.action,
            max_removals=self.max_removals,
            with_connections=self.with_connections,
            **how,
        )
        return report.to_json()
