"""How much of what Adobe's OpenAPI files describe the emulator serves."""

from __future__ import annotations

import pytest

from tests.emulator.conftest import Api
from tests.support.conformance import conformance, deviations, needs_descriptions, recorded, table

pytestmark = [pytest.mark.acceptance, needs_descriptions]


def test_all_that_adobe_describes_is_served_or_named(api: Api, report: list[str]) -> None:
    with recorded() as exchanges:
        rows = conformance(deviations(exchanges), api.call)
    report += table(rows)
    assert not (wrong := [each for row in rows for each in row.wrong]), "\n".join(wrong)
