"""What works when the doctor writes, and the removal of what it has made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from airflow_provider_flowservice.client.errors import FlowServiceError
from airflow_provider_flowservice.doctor.findings import Area, Finding, Outcome
from airflow_provider_flowservice.doctor.writes.experiments import Experiments
from airflow_provider_flowservice.doctor.writes.workshop import NotMadeError, Workshop

_PERMISSIONS = (
    "In AEP, open Permissions > Roles, and add the credential to a role that has the sandbox and View Sources, Manage"
    " Sources, View Destinations and Manage Destinations."
)
_CREATE_OPERATORS = (
    "FlowServiceCreateConnectionOperator",
    "FlowServiceCreateFlowOperator",
    "FlowServiceCreateSourceConnectionOperator",
    "FlowServiceCreateTargetConnectionOperator",
)
_CHANGE_OPERATORS = ("FlowServiceActivateSegmentsOperator", "FlowServiceUpdateFlowOperator")


def examine_changes(experiments: Experiments) -> list[Finding]:
    """Return what works: create, a second object of the same name, PATCH, draft, and delete."""
    checks: dict[str, Callable[[Experiments], Finding]] = {
        "Create": _create,
        "Second object with the same name": _duplicate,
        "PATCH with the current etag": _patch,
        "PATCH with an outdated etag": _stale_patch,
        "Time until a change shows": _visible,
        "Time until a new object is in lists": _listed,
        "Draft": _draft,
        "Delete": _delete,
    }
    return [_examined(subject, check, experiments) for subject, check in checks.items()]


def removed(workshop: Workshop) -> Finding:
    """Remove everything that was made, and say what is left."""
    left, doubtful, number = workshop.remove_everything(), workshop.number_doubtful, workshop.number_made
    if not left and not doubtful:
        done = f"All {number} objects that were made were removed." if number else "Nothing was made."
        return _finding("Removal", Outcome.FINE, done)
    seen = [_counted(left)] if left else []
    if doubtful:
        what = "Requests without a response, which may have made objects that no list shows"
        seen.append(f"{what}: {doubtful}.")
    return _finding(
        "Removal",
        Outcome.BROKEN if left else Outcome.UNKNOWN,
        " ".join(seen),
        remedy="Run the doctor with --with-writes again in an hour; it then removes what is left.",
    )


def _counted(left: Counter[str]) -> str:
    return f"Not removed: {', '.join(f'{label}: {count}' for label, count in sorted(left.items()))}."


def _examined(subject: str, check: Callable[[Experiments], Finding], experiments: Experiments) -> Finding:
    try:
        return check(experiments)
    except NotMadeError as error:
        return _finding(subject, Outcome.UNKNOWN, str(error))
    except FlowServiceError as error:
        return _finding(subject, Outcome.UNKNOWN, f"There was no response ({type(error).__name__}).")


def _create(experiments: Experiments) -> Finding:
    try:
        for make in (experiments.bench.connection, experiments.bench.flow):
            _ = make().needed()
    except NotMadeError as error:
        if error.status != 403:
            raise
        seen = f"AEP did not permit it ({error.status})."
        return _finding("Create", Outcome.BROKEN, seen, remedy=_PERMISSIONS, operators=_CREATE_OPERATORS)
    return _finding("Create", Outcome.FINE, "Connections and a flow were made.")


def _duplicate(experiments: Experiments) -> Finding:
    second = experiments.duplicate()
    if second.made or second.is_refused:
        seen = "It was created." if second.made else f"It was refused ({second.outcome})."
        return _finding("Second object with the same name", Outcome.FINE, seen)
    return _finding("Second object with the same name", Outcome.UNKNOWN, f"AEP responded {second.outcome}.")


def _patch(experiments: Experiments) -> Finding:
    subject, answer = "PATCH with the current etag", experiments.change().answer
    if answer.is_success:
        return _finding(subject, Outcome.FINE, f"It was accepted ({answer.label}).")
    return _finding(
        subject,
        Outcome.BROKEN,
        f"It was refused ({answer.label}).",
        remedy=_PERMISSIONS
        if answer.status == 403
        else "Ask Adobe's support why AEP refuses a PATCH with the current etag.",
        operators=_CHANGE_OPERATORS,
    )


def _stale_patch(experiments: Experiments) -> Finding:
    subject, answer = "PATCH with an outdated etag", experiments.change().stale
    if answer is None:
        return _finding(subject, Outcome.UNKNOWN, "No change was accepted that would make an etag outdated.")
    if answer.status == 412:
        return _finding(subject, Outcome.FINE, f"It was refused ({answer.label}).")
    return _finding(
        subject,
        Outcome.BROKEN,
        f"AEP responded {answer.label} instead of 412.",
        remedy="Let only one task at a time change a flow: AEP does not notice when changes overwrite each other.",
    )


def _visible(experiments: Experiments) -> Finding:
    subject, change = "Time until a change shows", experiments.change()
    if not change.answer.is_success:
        return _finding(subject, Outcome.UNKNOWN, f"The PATCH was refused ({change.answer.label}).")
    if change.visible_after is None:
        return _finding(
            subject,
            Outcome.BROKEN,
            "Reads did not show it within a minute.",
            remedy="Run the doctor again later; if it stays so, ask Adobe's support why reads do not show changes.",
            operators=_CHANGE_OPERATORS,
        )
    if change.is_silent:
        seen = f"Reads showed a new version after {change.visible_after} s, but not the change."
        remedy = "Ask Adobe's support why a PATCH succeeds without changing the object."
        return _finding(subject, Outcome.BROKEN, seen, remedy=remedy, operators=_CHANGE_OPERATORS)
    return _finding(subject, Outcome.FINE, f"{change.visible_after} s.")


def _listed(experiments: Experiments) -> Finding:
    subject, listed = "Time until a new object is in lists", experiments.listed_after()
    if listed is None:
        return _finding(
            subject,
            Outcome.BROKEN,
            "Lists did not show it within a minute.",
            remedy="Run the doctor again later; if it stays so, ask Adobe's support why lists do not show new objects.",
            operators=_CREATE_OPERATORS,
        )
    return _finding(subject, Outcome.FINE, f"{listed} s.")


def _draft(experiments: Experiments) -> Finding:
    draft = experiments.bench.draft()
    if draft.made:
        return _finding("Draft", Outcome.FINE, "A draft was made.")
    return _finding("Draft", Outcome.UNKNOWN, f"AEP did not make {draft.label} ({draft.outcome}).")


def _delete(experiments: Experiments) -> Finding:
    for role in ("destination", "source"):
        deletion = experiments.deletion(role)
        if not deletion.answer.is_success:
            return _finding(
                "Delete",
                Outcome.BROKEN,
                f"It was refused ({deletion.answer.label}).",
                remedy=_PERMISSIONS,
                operators=("FlowServiceDeleteConnectionOperator", "FlowServiceDeleteFlowOperator"),
            )
        if deletion.gone_after is None:
            seen = "A read of a deleted object is not a 404 within a minute."
            return _finding(
                "Delete",
                Outcome.BROKEN,
                seen,
                remedy="Run the doctor again later; if it stays so, ask Adobe's support why deleted objects remain.",
                operators=("FlowServiceDeleteConnectionOperator",),
            )
    return _finding("Delete", Outcome.FINE, "A read of a deleted object is a 404.")


def _finding(
    subject: str, outcome: Outcome, seen: str, *, remedy: str = "", operators: tuple[str, ...] = ()
) -> Finding:
    return Finding(
        area=Area.WRITES, subject=subject, outcome=outcome, seen=seen, remedy=remedy, operators=operators
    )
