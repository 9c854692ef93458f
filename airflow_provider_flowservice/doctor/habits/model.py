"""A habit of AEP: how it behaves where Adobe's documents leave it open, and the check for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

import msgspec

from airflow_provider_flowservice.client.errors import FlowServiceError
from airflow_provider_flowservice.client.model import Frozen
from airflow_provider_flowservice.doctor.findings import HabitFinding, Outcome, SwitchValue
from airflow_provider_flowservice.emulator.settings import Switches

#: Where a check looks: :class:`~airflow_provider_flowservice.doctor.aep.Aep`, or a workshop that may write.
P = TypeVar("P")


class Consequence(Frozen, frozen=True):
    """What does not work with an AEP that has a certain habit.

    :param operators: names of the operators and sensors.
    :param remedy: what to do.
    :param partly: names of those of which only some uses do not work.
    """

    operators: tuple[str, ...]
    remedy: str
    partly: tuple[str, ...] = ()


class Seen(Frozen, frozen=True):
    """What a check has seen.

    :param value: the value of the emulator's switch; None if it could not be determined.
    :param text: what was seen, or why it could not be determined and how it can be; in one sentence, without ids,
        names or secrets.
    :param consequence: what does not work because of it, if that is not decided by single values.
    :param is_out_of_reach: whether the value is None because the doctor never tries what would show it.
    """

    value: SwitchValue | None
    text: str
    consequence: Consequence | None = None
    is_out_of_reach: bool = False


class Habit(Frozen, Generic[P], frozen=True, kw_only=True):
    """A habit.

    :param switch: name of the emulator's switch for it.
    :param documented: what Adobe's documents say.
    :param look: determines the value of the switch.
    :param consequences: by the values with which the provider cannot deal; usually none.
    """

    switch: str
    documented: str
    look: Callable[[P], Seen]
    consequences: Mapping[SwitchValue, Consequence] = msgspec.field(default_factory=dict)


def examine_habit(habit: Habit[P], place: P) -> HabitFinding:
    """Determine a habit."""
    try:
        seen = habit.look(place)
    except FlowServiceError as error:
        # Its message can name the organization, the sandbox or an object.
        seen = Seen(None, f"There was no response ({type(error).__name__}).")
    if seen.value is None:
        return not_examined(habit, Outcome.SKIPPED if seen.is_out_of_reach else Outcome.UNKNOWN, seen.text)
    consequence = seen.consequence or habit.consequences.get(seen.value)
    return msgspec.structs.replace(
        not_examined(habit, Outcome.BROKEN if consequence else Outcome.FINE, seen.text),
        value=seen.value,
        operators=consequence.operators if consequence else (),
        partly=consequence.partly if consequence else (),
        remedy=consequence.remedy if consequence else "",
    )


def not_examined(habit: Habit[P], outcome: Outcome, why: str) -> HabitFinding:
    """Return the finding for a habit that was not determined."""
    switch = Switches.__dataclass_fields__[habit.switch]
    default: SwitchValue = getattr(Switches, habit.switch)
    return HabitFinding(
        switch=habit.switch,
        outcome=outcome,
        value=None,
        default=default,
        meaning=switch.metadata["doc"],
        documented=habit.documented,
        seen=why,
    )
