"""The results of the doctor's checks."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from airflow_provider_flowservice.client.model import Frozen

#: Called with the title of each check before it begins, to show what the doctor is doing.
Progress = Callable[[str], None]
#: Value of a switch of the emulator.
SwitchValue = str | int | bool


class Outcome(StrEnum):
    """The result of a check."""

    FINE = "fine"
    BROKEN = "broken"
    #: It could not be determined.
    UNKNOWN = "unknown"
    #: It was not looked at: no read shows it, or it takes an option that was not given.
    SKIPPED = "skipped"


class Area(StrEnum):
    """What a check is about, in the order in which a user's first day can fail."""

    SETTINGS = "Settings"
    NETWORK = "Network"
    TOKEN = "Token"  # noqa: S105
    GATEWAY = "Gateway"
    SANDBOX = "Sandbox"
    PERMISSIONS = "Permissions"
    WRITES = "Writes"


class Finding(Frozen, frozen=True, kw_only=True):
    """The result of a check of what works.

    No text has a secret, an id, or the name of an object, so that the report can be shown to anyone.

    :param subject: what was checked, for example ``Schema Registry``.
    :param seen: what was seen, in one sentence.
    :param remedy: what to do about it, in the words of Adobe's consoles; empty if nothing has to be done.
    :param operators: the operators and sensors that do not work because of it; if it is unknown, that may not work.
    :param partly: those of which this is true of some uses, such as a lookup of a name.
    """

    area: Area
    subject: str
    outcome: Outcome
    seen: str
    remedy: str = ""
    operators: tuple[str, ...] = ()
    partly: tuple[str, ...] = ()


class HabitFinding(Frozen, frozen=True, kw_only=True):
    """How this AEP behaves where Adobe's documents leave it open.

    :param switch: name of the emulator's switch for it.
    :param value: value of the switch with which the emulator behaves like this AEP; None if it was not determined.
    :param default: the emulator's default.
    :param meaning: what the values of the switch mean.
    :param documented: what Adobe's documents say.
    :param seen: what was seen, or why nothing was.
    :param operators: the operators and sensors that do not work with an AEP that behaves like this.
    :param partly: those of which this is true of some uses.
    :param remedy: what to do about it.
    """

    switch: str
    outcome: Outcome
    value: SwitchValue | None
    default: SwitchValue
    meaning: str
    documented: str
    seen: str
    operators: tuple[str, ...] = ()
    partly: tuple[str, ...] = ()
    remedy: str = ""


class Report(Frozen, frozen=True, kw_only=True):
    """The results of a run of the doctor.

    :param calls: number of HTTP requests that were sent, without retries.
    """

    findings: tuple[Finding, ...]
    habits: tuple[HabitFinding, ...]
    calls: int

    @property
    def checks(self) -> list[Finding | HabitFinding]:
        """The results of all checks."""
        return [*self.findings, *self.habits]

    @property
    def exit_code(self) -> int:
        """0 if everything is fine, 1 if something is broken, 2 if something could not be determined."""
        outcomes = {each.outcome for each in self.checks}
        if Outcome.BROKEN in outcomes:
            return 1
        return 2 if Outcome.UNKNOWN in outcomes else 0

    @property
    def switches(self) -> dict[str, SwitchValue]:
        """The emulator's switches with which it behaves like this AEP, as far as that was determined."""
        return {each.switch: each.value for each in self.habits if each.value is not None}
