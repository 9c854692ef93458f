from __future__ import annotations

import pytest

from airflow_provider_flowservice.doctor.findings import Area, Finding, HabitFinding, Outcome, Report
from airflow_provider_flowservice.doctor.privacy import Veil

SECRET = "s3cr3t/with+signs=and%more"


@pytest.fixture
def veil() -> Veil:
    veil = Veil()
    veil.hide([SECRET, "dev", "5C0FFEE@AdobeOrg", "https://acme.example.com:8443", None, 7, "", " padded "])
    return veil


@pytest.mark.parametrize(
    ("text", "veiled"),
    [
        (f"token={SECRET}.", "token=***."),
        (f"x{SECRET}x", "x***x"),
        ("token=s3cr3t%2Fwith%2Bsigns%3Dand%25more", "token=***"),
        ("the sandbox dev, a development sandbox of devs", "the sandbox ***, a development sandbox of devs"),
        ("organization 5C0FFEE@AdobeOrg or 5C0FFEE", "organization *** or ***"),
        ("another organization 0ACE@AdobeOrg", "another organization ***"),
        ("of 7EC4@techacct.adobe.com", "of ***"),
        ("at acme.example.com or https://acme.example.com:8443/x", "at *** or ***/x"),
        ("flow 0b7dd9ad-84c1-4ea9-9b2c-7f6d0ae4b1aa is", "flow *** is"),
        ("flow 0B7DD9AD84C14EA99B2C7F6D0AE4B1AA is", "flow *** is"),
        ("Bearer eyJhbGciOi.eyJpZCI6.c2ln", "Bearer ***"),
        ("it is padded", "it is ***"),
        ("status 403 FLOW-2120-403, 86399 seconds", "status 403 FLOW-2120-403, 86399 seconds"),
    ],
)
def test_values_are_removed_from_a_text(veil: Veil, text: str, veiled: str) -> None:
    assert veil.over_text(text) == veiled


def test_what_adobe_has_chosen_is_shown() -> None:
    veil = Veil()
    veil.hide(["https://platform.adobe.io", "file"])
    text = "Not set; the default is https://platform.adobe.io; file."
    assert veil.over_text(text) == text


def test_a_report_is_veiled_but_for_what_this_package_has_written(veil: Veil) -> None:
    veil.hide(["prod", "Flows"])
    finding = Finding(
        area=Area.SANDBOX, subject="Flows", outcome=Outcome.BROKEN, seen="In dev.", remedy="Leave dev."
    )
    habit = HabitFinding(
        switch="missing_sandbox",
        outcome=Outcome.FINE,
        value="prod",
        default="prod",
        meaning="prod is used",
        documented="prod is used",
        seen="In dev.",
    )
    report = veil.over(Report(findings=(finding,), habits=(habit,), calls=1))
    assert (report.findings[0].seen, report.findings[0].remedy) == ("In ***.", "Leave ***.")
    assert report.findings[0].subject == "Flows"
    assert report.habits[0].seen == "In ***."
    assert report.switches == {"missing_sandbox": "prod"}
