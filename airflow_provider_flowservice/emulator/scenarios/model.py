"""What a scenario may contain. The names of the members are the keys of its file."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

Count = Annotated[int, Meta(ge=1)]
#: Seconds after the start, by the emulator's clock.
At = Annotated[float, Meta(ge=0)]
Body = dict[str, Any]


class StreamingFlows(Struct, forbid_unknown_fields=True, frozen=True):
    """Flows that send profiles to Amazon Kinesis, which have run.

    :param count: number of flows.
    :param runs: number of their runs, all together; each flow has the same number.
    """

    count: Count
    runs: Annotated[int, Meta(ge=0)] = 0


class NewSegment(Struct, forbid_unknown_fields=True, frozen=True):
    """A segment besides the built-in ones."""

    name: Annotated[str, Meta(min_length=1)]
    expression: str = ""
    description: str = ""


class RunOutcome(Struct, forbid_unknown_fields=True, frozen=True):
    """How runs end that start from a time on.

    :param seconds: how long they take; as before if None.
    """

    outcome: Literal["success", "failed", "partialSuccess", "success-with-errors"]
    at: At = 0
    seconds: Annotated[int, Meta(ge=0)] | None = None


class TimedFault(Struct, forbid_unknown_fields=True, frozen=True):
    """A rule of ``POST /_emulator/faults``, which counts from a time on."""

    fault: Body
    at: At = 0
    match: Body = field(default_factory=dict)
    after: int = 0
    times: int = 1

    @property
    def rule(self) -> Body:
        """The rule alone."""
        return {"match": self.match, "after": self.after, "times": self.times, "fault": self.fault}


class Scenario(Struct, forbid_unknown_fields=True, frozen=True):
    """A whole scenario.

    :param sandbox: where its resources are; the built-in sandbox if None.
    :param switches: new values by name.
    :param connections: bodies of ``POST /connections``, and so on for the other collections. Specs, and what they
        refer to, may be given by name.
    """

    sandbox: Annotated[str, Meta(min_length=1)] | None = None
    switches: Body = field(default_factory=dict)
    streaming_flows: StreamingFlows | None = None
    segments: list[NewSegment] = field(default_factory=list)
    connections: list[Body] = field(default_factory=list)
    sourceConnections: list[Body] = field(default_factory=list)  # noqa: N815 (as AEP has it)
    targetConnections: list[Body] = field(default_factory=list)  # noqa: N815
    flows: list[Body] = field(default_factory=list)
    run_outcomes: list[RunOutcome] = field(default_factory=list)
    faults: list[TimedFault] = field(default_factory=list)
