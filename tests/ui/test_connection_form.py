"""A connection is made, saved and tested as a user does it."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from airflow_provider_flowservice.emulator.control import EmulatorControl
from tests.crash.stack import Stack
from tests.ui.connection_form import STANDARD, UNSORTED, ConnectionForm, press_test
from tests.ui.windows import NARROW, WIDE, WIDTHS, Screenshots, Windows

pytestmark = pytest.mark.ui

#: Every section with the labels of its fields; those that must be filled in have an asterisk.
SECTIONS = {
    STANDARD: ["Description", "API gateway", "Client ID", "Client secret", "Port"],
    UNSORTED: ["Organization ID *", "Sandbox"],
    "Network": ["IMS host", "Collection host", "Connect timeout", "Read timeout", "Proxy", "CA file"],
    "Token": ["Access token", "Scopes", "Token cache"],
    "Retries": ["Retries", "Retry budget"],
}


def filled(control: EmulatorControl, **changes: str) -> dict[str, dict[str, str]]:
    """What a connection to the emulator needs, by section and label; ``changes`` go to the labels' fields."""
    credential = control.credential
    fields = {
        STANDARD: {
            "API gateway": control.url,
            "Client ID": credential.client_id,
            "Client secret": credential.client_secret,
            # Airflow 3.3.2 does not test a connection whose port is empty; 0 means none.
            "Port": "0",
        },
        UNSORTED: {"Organization ID": credential.org_id, "Sandbox": credential.sandbox},
        "Network": {"IMS host": control.url, "Collection host": control.url},
    }
    return {
        section: {label: changes.get(label, value) for label, value in labels.items()}
        for section, labels in fields.items()
    }


@pytest.mark.parametrize("width", WIDTHS)
def test_the_form_has_sections_and_marks_what_is_required(
    width: int, airflow: Stack, windows: Windows, screenshots: Screenshots, tally: Counter[str]
) -> None:
    page = windows.open(width)
    form = ConnectionForm(page, airflow.url)
    assert form.sections() == list(SECTIONS)
    for section, labels in SECTIONS.items():
        form.open(section)
        assert form.labels() == labels
        screenshots.take(page, f"connection-form-{section.lower().replace(' ', '-')}")
        tally["fields of the connection form"] += len(labels)
    assert form.dialog.evaluate("e => e.scrollWidth <= e.clientWidth"), "the form is wider than its window"


@pytest.mark.parametrize("width", WIDTHS)
def test_a_connection_is_saved_and_tested_as_it_was_typed(
    width: int,
    control: EmulatorControl,
    airflow: Stack,
    windows: Windows,
    screenshots: Screenshots,
    tally: Counter[str],
) -> None:
    page = windows.open(width)
    form = ConnectionForm(page, airflow.url)
    # In the field too, or only in the URL.
    fields = filled(control, Port={WIDE: "0", NARROW: control.url.rpartition(":")[2]}[width])
    org_id = fields[UNSORTED].pop("Organization ID")
    connection_id = f"typed_{width}"
    form.fill(connection_id, fields)
    form.open(UNSORTED)
    assert form.save_button.is_disabled(), "the form can be saved without an organization"
    screenshots.take(page, "connection-held-without-organization")
    form.fill(connection_id, {UNSORTED: {"Organization ID": org_id}})
    form.save()
    stored = airflow.get(f"/connections/{connection_id}")
    assert (stored["host"], stored["login"]) == (control.url, control.credential.client_id)
    extra = {name: value for name, value in json.loads(stored["extra"]).items() if value is not None}
    assert extra == {
        "org_id": org_id,
        "sandbox": control.credential.sandbox,
        "ims_host": control.url,
        "collection_host": control.url,
    }
    said = press_test(page, connection_id)
    screenshots.take(page, "connection-tested")
    assert "Test Connection Successful" in said
    assert f"Connected to {org_id}, sandbox {control.credential.sandbox}." in said
    tally["connections filled in, saved and tested"] += 1


@pytest.mark.parametrize(
    ("label", "value"),
    [
        ("Client secret", "not-the-secret"),
        ("Organization ID", "0123456789ABCDEF01234567"),
        ("Sandbox", "no-such-sandbox"),
        ("API gateway", "http://platform.example.com"),
    ],
)
def test_a_failed_test_names_the_field_by_its_label(
    label: str,
    value: str,
    control: EmulatorControl,
    airflow: Stack,
    windows: Windows,
    screenshots: Screenshots,
    tally: Counter[str],
) -> None:
    for width in WIDTHS:
        page = windows.open(width)
        form = ConnectionForm(page, airflow.url)
        connection_id = f"wrong_{label.lower().replace(' ', '_')}_{width}"
        form.fill(connection_id, filled(control, **{label: value}))
        form.save()
        said = press_test(page, connection_id)
        screenshots.take(page, f"connection-test-failed-{label.lower().replace(' ', '-')}")
        assert "Test Connection Failed" in said
        assert label.lower() in said.lower()
        tally["failed tests whose message names the field"] += 1
