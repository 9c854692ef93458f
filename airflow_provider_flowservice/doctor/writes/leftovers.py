"""What a run of the doctor that was killed has left behind."""

from __future__ import annotations

from collections import Counter

from airflow_provider_flowservice.client import clock
from airflow_provider_flowservice.client.errors import FlowServiceError
from airflow_provider_flowservice.doctor.aep import Aep
from airflow_provider_flowservice.doctor.findings import Area, Finding, Outcome
from airflow_provider_flowservice.doctor.writes.objects import SHELVES, ListRefusedError, Shelf, Shown
from airflow_provider_flowservice.doctor.writes.workshop import Made, is_doctors_name, is_removed

#: Another run may still be at work until then.
MIN_AGE_SECONDS = 3600


def remove_leftovers(aep: Aep) -> Finding:
    """Delete the leftovers that this credential made more than an hour ago, and count the others.

    Each is read again right before, and must still be a leftover then.
    """
    listed, unlisted = _everything(aep)
    standing = {shown.id: shown for _, shown in listed}
    removed, left = 0, Counter[str]()
    for shelf, shown in listed:
        if not is_doctors_name(shown.name):
            continue
        reason = _obstacle(shown, aep)
        if reason is None and any(other.refers_to(shown.id) for other in standing.values()):
            reason = "in use"
        if reason is None and not _is_still_leftover(shelf, shown.id, aep):
            reason = "changed meanwhile"
        if reason is None and not is_removed(aep, Made(shelf, shown.id)):
            reason = "not deleted by AEP"
        if reason is None:
            removed += 1
            del standing[shown.id]
        else:
            left[reason] += 1
    return _finding(removed, left, unlisted)


def _everything(aep: Aep) -> tuple[list[tuple[Shelf, Shown]], Shelf | None]:
    """Return all objects in the order in which they can be deleted, and the first kind that AEP does not list.

    Objects of further kinds are not returned then: something that AEP does not list may use them.
    """
    listed: list[tuple[Shelf, Shown]] = []
    for shelf in SHELVES:
        try:
            listed += ((shelf, shown) for shown in shelf.everything(aep))
        except (FlowServiceError, ListRefusedError):
            return listed, shelf
    return listed, None


def _obstacle(shown: Shown, aep: Aep) -> str | None:
    """Return why an object with such a name must be left alone; None if it can be deleted."""
    if shown.created_client is None or shown.created_at is None:
        return "AEP does not show who made it, or when"
    if shown.created_client != aep.settings.client_id:
        return "made by another credential"
    if clock.current().wall() - shown.created_at / 1000 <= MIN_AGE_SECONDS:
        return "not over an hour old"
    return None


def _is_still_leftover(shelf: Shelf, object_id: str, aep: Aep) -> bool:
    try:
        shown = shelf.item(shelf.read(aep, object_id))
    except FlowServiceError:
        return False
    return shown is not None and is_doctors_name(shown.name) and _obstacle(shown, aep) is None


def _finding(removed: int, left: Counter[str], unlisted: Shelf | None) -> Finding:
    seen = [f"{removed} removed."] if removed else []
    seen += [f"{count} left alone: {reason}." for reason, count in sorted(left.items())]
    seen += [f"AEP does not list {unlisted.label}s: what they may use was left alone."] if unlisted else []
    return Finding(
        area=Area.WRITES,
        subject="Leftovers of earlier runs",
        outcome=Outcome.UNKNOWN if unlisted else Outcome.FINE,
        seen=" ".join(seen) or "None were found.",
    )
