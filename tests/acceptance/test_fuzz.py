"""Requests that make no sense: the emulator refuses them, and shows everything afterwards."""

from __future__ import annotations

import psutil
import pytest

from tests.emulator.conftest import Api
from tests.support.emulator_fuzz import Counts, Fuzzer, bytewise, structural
from tests.support.memory import MB
from tests.support.processes import emulator_and_process
from tests.support.valid_requests import GROUPS

pytestmark = pytest.mark.acceptance

#: Variants of each request with other bytes in the body, the query and the headers.
TIMES = 150
#: What an emulator may take more than when it started; its journal alone keeps 64 MB of bodies.
MAX_MEGABYTES = 400


def test_no_input_breaks_the_emulator(report: list[str]) -> None:
    with emulator_and_process("--log-level", "error") as (control, process):
        api = Api(control.url, control)
        before = _megabytes(process)
        by_structure, by_bytes, most = Counts(), Counts(), before
        for counts, variants in (
            (by_structure, structural),
            (by_bytes, lambda valid: bytewise(valid, TIMES)),
        ):
            for group in GROUPS:
                control.reset()
                api.log_in()
                fuzzer = Fuzzer(api, counts)
                for number, valid in enumerate(group(api)):
                    fuzzer.send(valid, variants(valid), f"{group.__name__} {number}")
                most = max(most, _megabytes(process))
                fuzzer.look()
                fuzzer.close()
                most = max(most, _megabytes(process))
        api.session.close()
    report.append(f"Fuzzed by structure: {by_structure}")
    report.append(f"Fuzzed by bytes: {by_bytes}")
    report.append(f"Memory of the emulator: {before:.0f} MB before, {most:.0f} MB at most")
    for counts in (by_structure, by_bytes):
        assert not counts.failed, "\n".join(counts.failed[:20])
        assert not counts.hanging, "\n".join(counts.hanging[:20])
        assert counts.accepted
        assert counts.refused
    assert most - before < MAX_MEGABYTES


def _megabytes(process: psutil.Process) -> float:
    return float(process.memory_info().rss / MB)
