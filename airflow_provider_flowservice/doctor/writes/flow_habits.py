"""Habits of Flow Service and Catalog that only writes can show."""

from __future__ import annotations

from airflow_provider_flowservice.client.converge import LOOKS
from airflow_provider_flowservice.client.model import member, objects
from airflow_provider_flowservice.doctor.habits.model import Consequence, Habit, Seen
from airflow_provider_flowservice.doctor.writes.experiments import Experiments
from airflow_provider_flowservice.doctor.writes.workshop import Attempt

_DRAFT_STATES = ("draft", "initializing")
#: How long the operators wait until a change shows, in seconds.
_MAX_DELAY = int(sum(LOOKS))
_TOO_LATE = Consequence(
    (
        "FlowServiceActivateSegmentsOperator",
        "FlowServicePublishFlowOperator",
        "FlowServiceSetFlowStateOperator",
        "FlowServiceUpdateFlowOperator",
    ),
    f"They fail if a change does not show within {_MAX_DELAY} seconds: give their tasks retries, with a retry_delay of"
    " a minute.",
)


def _patch_response(experiments: Experiments) -> Seen:
    answer = experiments.accepted_change().answer
    has_etag = isinstance(member(answer.document, "etag"), str)
    if answer.status == 200 and has_etag:
        return Seen("200", "PATCH returns 200 with the new etag.")
    if answer.document is None:
        return Seen("202", f"PATCH returns {answer.status} without a body.")
    return Seen(None, f"PATCH returns {answer.status} with a body of another form.")


def _delete_response(experiments: Experiments) -> Seen:
    answers = [experiments.deletion(role).answer for role in ("destination", "source")]
    if refused := next((answer for answer in answers if not answer.is_success), None):
        return Seen(None, f"AEP refused a DELETE ({refused.label}).")
    of_destination, of_source = (str(answer.status) for answer in answers)
    text = f"DELETE returns {of_destination} for an object of a destination, and {of_source} for one of a source."
    if (of_destination, of_source) == ("202", "204"):
        return Seen("by-role", text)
    return Seen(of_source if of_source == of_destination and of_source in ("202", "204") else None, text)


def _duplicate_names(experiments: Experiments) -> Seen:
    second = experiments.duplicate()
    if second.made:
        return Seen("accept", "A second base connection with the same name was created.")
    if second.is_refused:
        return Seen("refuse", f"A second base connection with the same name was refused ({second.outcome}).")
    return _unknown(second)


def _draft_state(experiments: Experiments) -> Seen:
    draft = experiments.bench.draft().needed()
    state = experiments.workshop.read(draft).document.get("state")
    if state in _DRAFT_STATES:
        return Seen(str(state), f"A draft has the state {state}.")
    return Seen(None, "A draft has a state that is neither draft nor initializing.")


def _silent_patch(experiments: Experiments) -> Seen:
    change = experiments.accepted_change()
    _ = experiments.bench.flow().needed()
    if change.is_silent:
        return Seen(True, "A PATCH of a flow succeeded, and its content stayed as it was.")
    return Seen(False, "A PATCH of a flow changed it.")


def _finalization_seconds(experiments: Experiments) -> Seen:
    change = experiments.accepted_change()
    if change.finalized_after is None:
        return Seen(None, "AEP had not ended the change after a minute.")
    if not change.finalized_after:
        return Seen(0, "The etag did not change again after the PATCH.")
    return Seen(change.finalized_after, f"The etag changed again {change.finalized_after} s after the PATCH.")


def _change_delay_seconds(experiments: Experiments) -> Seen:
    change, listed = experiments.accepted_change(), experiments.listed_after()
    if change.visible_after is None or listed is None:
        return Seen(None, "AEP did not show a change, or a new object in lists, within a minute.")
    text = f"Reads showed a change after {change.visible_after} s, and lists a new object after {listed} s."
    seconds = max(change.visible_after, listed)
    return Seen(seconds, text, _TOO_LATE if seconds > _MAX_DELAY else None)


def _fields_in_create(experiments: Experiments) -> Seen:
    made = experiments.bench.flow_with_fields().needed()
    shown = experiments.workshop.read(made).document
    params = next(iter(objects(shown, "transformations")), {}).get("params")
    fields = [member(params, name) for name in ("mandatoryFields", "primaryFields")]
    if all(fields):
        return Seen("kept", "A new flow has the mandatory and primary fields that its create gave.")
    if not any(fields):
        return Seen(
            "ignored", "A new flow does not have the mandatory and primary fields that its create gave."
        )
    return Seen(None, "A new flow has only some of the fields that its create gave.")


def _legacy_base_connection(experiments: Experiments) -> Seen:
    attempt = experiments.bench.profiles_with_legacy_field()
    if attempt.is_refused:
        return Seen("refuse", f"The field baseConnection is refused ({attempt.outcome}).")
    if attempt.made is None:
        return _unknown(attempt)
    if experiments.workshop.read(attempt.made).document.get("baseConnectionId"):
        return Seen(None, "The field baseConnection is taken for baseConnectionId.")
    return Seen("ignore", "The field baseConnection is ignored.")


def _unknown_specs(experiments: Experiments) -> Seen:
    attempt = experiments.bench.connection_of_unknown_spec()
    return _accepted_or_refused(attempt, "A base connection with the id of a spec that does not exist")


def _dataset_24_hours(experiments: Experiments) -> Seen:
    bench = experiments.bench
    daily = bench.dataset_flow(24)
    if daily.is_refused:
        # Adobe documents 12 hours: if AEP refuses these too, it is because of something else.
        _ = bench.dataset_flow(12).needed()
    return _accepted_or_refused(daily, "An export of a dataset every 24 hours")


def _chained_frequency(experiments: Experiments) -> Seen:
    _ = experiments.bench.flow_with_audience().needed()
    attempt = experiments.bench.flow_with_audience("chained", frequency="CHAINED")
    return _accepted_or_refused(attempt, "The frequency CHAINED")


def _file_name_macros(experiments: Experiments) -> Seen:
    _ = experiments.bench.flow_with_audience().needed()
    attempt = experiments.bench.flow_with_audience("macros", filenameTemplate="%DATETIME(YYYYMMdd)%")
    what = "A file name without destination and segment id"
    return _accepted_or_refused(attempt, what, accepted="optional", refused="required")


def _profile_without_union(experiments: Experiments) -> Seen:
    attempt = experiments.bench.dataset_for_profile()
    if attempt.is_refused:
        # A dataset that is not enabled shows that this is the reason.
        _ = experiments.bench.dataset().needed()
    return _accepted_or_refused(attempt, "A dataset that is enabled for Profile although its schema is not")


def _accepted_or_refused(
    attempt: Attempt, what: str, *, accepted: str = "accept", refused: str = "refuse"
) -> Seen:
    if attempt.made:
        return Seen(accepted, f"{what} was accepted.")
    if attempt.is_refused:
        return Seen(refused, f"{what} was refused ({attempt.outcome}).")
    return _unknown(attempt)


def _unknown(attempt: Attempt) -> Seen:
    return Seen(None, f"AEP did not make {attempt.label} ({attempt.outcome}).")


HABITS: tuple[Habit[Experiments], ...] = (
    Habit(
        switch="change_delay_seconds",
        documented="Nothing. AEP is reported to need about 8 seconds.",
        look=_change_delay_seconds,
    ),
    Habit(
        switch="finalization_seconds",
        documented="Nothing; in a sample, AEP ends an update of a flow 7 to 8 seconds later, in its own name.",
        look=_finalization_seconds,
    ),
    Habit(
        switch="patch_response",
        documented="200 with id and etag in the API references, 202 without a body in the tutorials.",
        look=_patch_response,
    ),
    Habit(
        switch="silent_patch",
        documented="A PATCH of attribute selectors succeeds and changes nothing at destinations that use mapping sets.",
        look=_silent_patch,
        consequences={
            True: Consequence(
                ("FlowServiceActivateSegmentsOperator", "FlowServiceUpdateFlowOperator"),
                "Ask Adobe's support why a PATCH of a flow succeeds without changing it.",
            )
        },
    ),
    Habit(
        switch="delete_response",
        documented="204 in the pages about sources, 202 in those about destinations.",
        look=_delete_response,
    ),
    Habit(
        switch="duplicate_names",
        documented="Nothing says that names are unique, and 409 is documented nowhere.",
        look=_duplicate_names,
    ),
    Habit(
        switch="draft_state",
        documented="The state of a draft is not shown; the list of errors has the name initializing.",
        look=_draft_state,
        consequences={
            "initializing": Consequence(
                ("FlowServicePublishFlowOperator",),
                "Publish drafts in AEP's user interface, or create flows without draft=True.",
                partly=("FlowServiceFindFlowOperator",),
            )
        },
    ),
    Habit(
        switch="fields_in_create",
        documented="The API reference says to leave mandatory and primary fields and the mapping set empty in the"
        " create, and to patch them afterwards.",
        look=_fields_in_create,
    ),
    Habit(
        switch="legacy_base_connection",
        documented="Some translations of the tutorial have the field baseConnection, the others baseConnectionId.",
        look=_legacy_base_connection,
    ),
    Habit(
        switch="unknown_specs",
        documented="The id of a spec must be valid; otherwise 400.",
        look=_unknown_specs,
    ),
    Habit(
        switch="dataset_24_hours",
        documented="Every 3, 6, 9 or 12 hours or every day; whether a day can be given as 24 hours is open.",
        look=_dataset_24_hours,
    ),
    Habit(
        switch="chained_frequency",
        documented="One sample has the frequency CHAINED, no list of frequencies does.",
        look=_chained_frequency,
    ),
    Habit(
        switch="file_name_macros",
        documented="A file name must contain the destination and %SEGMENT_ID%.",
        look=_file_name_macros,
    ),
    Habit(
        switch="profile_without_union",
        documented="The schema must be enabled for Profile first; what AEP does otherwise is not said.",
        look=_profile_without_union,
    ),
)
