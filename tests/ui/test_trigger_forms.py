"""Every example is started through its form, as it stands and edited."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from tests.crash.stack import Stack
from tests.ui.examples import Examples, Prepared, dag_ids, typed
from tests.ui.trigger_form import TriggerForm
from tests.ui.windows import NARROW, WIDE, Screenshots, Windows

pytestmark = pytest.mark.ui

#: Params that have no default which could work: the DAG cannot be triggered before they are set.
MISSING = {
    "backfill_segment_activations": ["flow_id"],
    "stream_daily_records": ["connection_id", "flow_id"],
    "stream_partitioned_records": ["connection_id", "flow_id"],
}


def holds_objects(value: Any) -> bool:
    return isinstance(value, dict) or (
        isinstance(value, list) and any(isinstance(each, dict) for each in value)
    )


@pytest.mark.parametrize("dag_id", dag_ids())
def test_a_form_sends_what_was_typed(
    dag_id: str,
    airflow: Stack,
    windows: Windows,
    world: Prepared,
    examples: Examples,
    screenshots: Screenshots,
    tally: Counter[str],
) -> None:
    values = typed(dag_id, world)
    for width in (NARROW, WIDE):
        page = windows.open(width)
        form = TriggerForm(page, airflow, dag_id)
        params = form.params()
        defaults = {name: param["value"] for name, param in params.items()}
        assert set(values) <= set(defaults)
        for name, param in params.items():
            assert param["description"], f"{name} has no description"
            form.dialog.get_by_text(param["description"]).wait_for()
            if holds_objects(defaults[name]):
                assert "object Object" not in form.shown(name), name
                assert json.dumps(defaults[name], indent=2)[:1] == form.shown(name)[:1], name
        assert form.dialog.evaluate("e => e.scrollWidth <= e.clientWidth"), (
            "the form is wider than its window"
        )
        assert form.button.is_enabled() == (dag_id not in MISSING)
        form.fill(values)
        screenshots.take_whole(page, form.dialog, f"form-{dag_id}")
        if width == NARROW:
            form.keep_paused()
        run = form.trigger()
        assert run.conf == {**defaults, **values}
        if width == NARROW:
            airflow.delete(run.path)
        else:
            examples.note(run)
        tally["trigger forms filled in, edited and triggered"] += 1
        tally["params of trigger forms, as typed or as they were"] += len(defaults)


@pytest.mark.parametrize("dag_id", list(MISSING))
def test_a_form_names_what_is_missing(
    dag_id: str, airflow: Stack, windows: Windows, tally: Counter[str]
) -> None:
    form = TriggerForm(windows.open(WIDE), airflow, dag_id)
    *first, last = MISSING[dag_id]
    form.fill(dict.fromkeys(first, "an id"))
    assert form.button.is_disabled()
    form.fill({last: "an id"})
    form.button.and_(form.dialog.locator("button:enabled")).wait_for()
    tally["trigger forms held until what is missing is set"] += 1
