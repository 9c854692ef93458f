"""How much may be removed at once: a rule for everything that removes what nobody has named."""

from __future__ import annotations

from airflow_provider_flowservice.client.errors import DriftError


def check_removals(
    removed: int, held: int, max_removals: int | None, *, what: str, done: str, listed: str
) -> None:
    """Check that not too much is removed.

    :param removed: number of objects to remove.
    :param held: number of objects that there are.
    :param max_removals: maximum number to remove; None allows half of what there is.
    :param what: the objects, in the plural, for the error.
    :param done: what happens to them, for the error: ``removed``, ``disabled`` ...
    :param listed: the objects to remove, for the error.
    :raises DriftError: if more would be removed.
    """
    limit = held // 2 if max_removals is None else max_removals
    if removed > limit:
        raise DriftError(
            f"{removed} of the {held} {what} would be {done}, but at most {limit} may be ({listed}). If that is"
            f" intended, set max_removals={removed}."
        )
