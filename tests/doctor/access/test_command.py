from __future__ import annotations

import argparse
import base64
import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_flowservice.doctor import examine as examining
from airflow_provider_flowservice.doctor.command import add_arguments, run
from airflow_provider_flowservice.doctor.writes import session
from airflow_provider_flowservice.emulator.settings import Switches
from tests.support.airflow import flowservice_connection, stored_connection
from tests.support.customer import CONN_ID, OBJECT, SANDBOX, VARIABLE, Customer
from tests.support.faults import fault
from tests.support.features import needs

KEY = base64.urlsafe_b64encode(bytes(32)).decode()
pytestmark = pytest.mark.usefixtures("airflow_database")


class Ran:
    """What a run of the command has written."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.out = out
        self.err = err


Doctor = Callable[..., Ran]


@pytest.fixture
def doctor(customer: Customer, capsys: pytest.CaptureFixture[str]) -> Doctor:
    """Runs the command in this process."""

    def ran(*arguments: str) -> Ran:
        parser = argparse.ArgumentParser()
        add_arguments(parser)
        code = run(parser.parse_args(["--conn-id", CONN_ID, *arguments]))
        return Ran(code, *capsys.readouterr())

    return ran


def test_the_table_is_all_that_is_written(doctor: Doctor) -> None:
    ran = doctor()
    assert ran.code == 2, "some habits cannot be determined in such a small sandbox"
    assert ran.err == ""
    assert "What works" in ran.out
    assert "What this AEP does" in ran.out
    assert re.search(r"works +all 22", ran.out)
    assert "\x1b" not in ran.out


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_fits(doctor: Doctor, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    lines = doctor().out.splitlines()
    assert max(map(len, lines)) == width
    assert not any("…" in line for line in lines)


def test_json_on_standard_output_is_alone_there(doctor: Doctor) -> None:
    ran = doctor("--json", "-")
    document = json.loads(ran.out)
    assert document["exit_code"] == ran.code
    assert document["operators"]["FlowServiceCreateFlowOperator"] == {"result": "works", "because": []}
    assert document["operators_that_do_not_work"] == {}
    (found,) = [each for each in document["findings"] if each["subject"] == "existence"]
    assert (found["area"], found["outcome"]) == ("Sandbox", "fine")
    assert "What works" in ran.err


def test_files_are_written(doctor: Doctor, tmp_path: Path) -> None:
    report, switches = tmp_path / "report.json", tmp_path / "switches.json"
    ran = doctor("--json", str(report), "--switches", str(switches))
    assert "What works" in ran.out
    assert json.loads(report.read_text())["calls"] > 20
    values = json.loads(switches.read_text())["switches"]
    assert values.items() <= Switches().as_json().items()
    assert "\x1b" not in report.read_text() + switches.read_text()


@pytest.mark.parametrize("option", ["--json", "--switches"])
def test_a_file_that_cannot_be_written_is_told_before_anything_is_sent(
    doctor: Doctor, customer: Customer, tmp_path: Path, option: str
) -> None:
    ran = doctor(option, str(tmp_path / "missing" / "file"))
    assert (ran.code, ran.out) == (1, "")
    assert (
        ran.err == f"{option}: the file cannot be written (No such file or directory). Choose another path.\n"
    )
    assert customer.control.requests() == []


def test_a_sandbox_of_the_command_line_comes_first(doctor: Doctor, customer: Customer) -> None:
    customer.connect(sandbox=None)
    assert doctor().code == 1
    ran = doctor("--sandbox", SANDBOX)
    assert "Set by --sandbox." in ran.out
    assert "It exists for this credential." in ran.out


def test_a_connection_in_airflows_database_is_found(
    doctor: Doctor, customer: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = os.environ[VARIABLE]
    monkeypatch.delenv(VARIABLE)
    monkeypatch.setenv("COLUMNS", "200")
    with stored_connection(CONN_ID, content):
        ran = doctor()
    assert "from Airflow's database or a secrets backend" in ran.out
    assert "It exists for this credential." in ran.out
    assert customer.leaks(ran.out + ran.err) == []


def test_a_failure_of_the_doctor_itself_is_told_without_values(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise KeyError(OBJECT)

    monkeypatch.setattr(examining, "examine_habit", fail)
    ran = doctor()
    assert (ran.code, ran.out) == (1, "")
    assert re.fullmatch(
        r"The doctor itself has failed: KeyError at airflow_provider_flowservice/doctor/examine\.py, line \d+\."
        r" Report this line to the provider's project\.\n",
        ran.err,
    )


def test_ctrl_c_tells_what_was_removed(
    doctor: Doctor, customer: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(session, "examine_changes", interrupt)
    ran = doctor("--with-writes")
    assert (ran.code, ran.out) == (130, "")
    assert re.fullmatch(r"Interrupted\. All \d+ objects that were made were removed\.\n", ran.err)


def test_what_is_logged_has_no_values_either(
    doctor: Doctor, customer: Customer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def logs(habit: Any, aep: Any) -> Any:
        try:
            raise KeyError(OBJECT)
        except KeyError:
            logging.getLogger("acme").exception("lost %s of %s", customer.control.credential.org_id, SANDBOX)
        return found(habit, aep)

    found = examining.examine_habit
    monkeypatch.setattr(examining, "examine_habit", logs)
    doctor()
    assert "lost *** of *** (KeyError)" in caplog.text
    assert customer.leaks(caplog.text) == []


FAILURES: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {
    "nothing": ({}, []),
    "wrong secret": ({"password": "acme-other-secret"}, []),
    "wrong organization": ({"org_id": "0ACE0ACE@AdobeOrg"}, []),
    "missing sandbox": ({"sandbox": "acme-missing"}, []),
    "invalid organization": ({"org_id": "acme-org"}, []),
    "invalid host": ({"host": "https://acme.example.com/path"}, []),
    "invalid extra": ({"acme_extra": "acme-extra-value"}, []),
    "unknown access token": ({"password": None, "access_token": "acme-token"}, []),
    "proxy": ({"host": "https://acme.example.com", "proxy": "http://user:acme-pw@127.0.0.1:1"}, []),
    "ca file": ({"ca_file": "/acme/ca.pem"}, []),
    "refused": ({"host": "http://127.0.0.1:1"}, []),
    "everything forbidden": (
        {},
        [fault("status", "GET", "*", times=99, status=403, body={"message": f"{OBJECT} in {SANDBOX}"})],
    ),
    "everything fails": ({}, [fault("status", "GET", "*", after=1, times=999, status=503)]),
    "everything is HTML": ({}, [fault("html", "GET", "*", after=1, times=999, status=200)]),
    "everything is lost": ({}, [fault("reset", "GET", "*", after=2, times=999)]),
    "everything echoes": (
        {},
        [
            fault(
                "status",
                "GET",
                "*",
                after=2,
                times=999,
                status=400,
                body={"errorMessage": f"{OBJECT} {SANDBOX}", "title": OBJECT},
            )
        ],
    ),
    "IMS echoes": ({}, [fault("status", "POST", "/ims/*", times=99, status=400, body={"error": OBJECT})]),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_the_output_can_be_shown_to_anyone(
    doctor: Doctor, customer: Customer, tmp_path: Path, failure: str
) -> None:
    changes, rules = FAILURES[failure]
    customer.connect(**changes)
    customer.control.inject(*rules)
    ran = doctor("--json", str(tmp_path / "report.json"), "--switches", str(tmp_path / "switches.json"))
    written = [ran.out, ran.err, *(path.read_text() for path in tmp_path.iterdir())]
    assert "What works" in ran.out
    for text in written:
        # A table may have broken a value in two.
        assert customer.leaks(text) == customer.leaks(re.sub(r"\s+", "", text)) == []
        assert "acme" not in text.lower()


def in_a_shell(customer: Customer, *command: str) -> subprocess.CompletedProcess[str]:
    connection = flowservice_connection(customer.url, customer.control.credential, sandbox="dev")
    return subprocess.run(
        [*command, "--conn-id", CONN_ID],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        # Airflow 3.1 warns if it has no key.
        env={**os.environ, VARIABLE: connection, "COLUMNS": "100", "AIRFLOW__CORE__FERNET_KEY": KEY},
    )


def assert_examined(ran: subprocess.CompletedProcess[str], customer: Customer) -> None:
    assert ran.returncode in (0, 2), ran.stderr
    assert ran.stdout.splitlines()[0].split() == ["What", "works", "Seen"], ran.stdout
    assert "It exists for this credential." in ran.stdout
    assert ran.stderr == ""
    assert "\x1b" not in ran.stdout
    assert customer.leaks(ran.stdout) == []


def test_the_module_is_a_command(customer: Customer) -> None:
    command = (sys.executable, "-m", "airflow_provider_flowservice.doctor")
    assert_examined(in_a_shell(customer, *command), customer)
    assert subprocess.run([*command, "--acme"], capture_output=True, check=False).returncode == 2


@needs("provider_commands")
def test_airflow_has_the_command(customer: Customer) -> None:
    airflow = (sys.executable, "-m", "airflow", "flowservice")
    assert_examined(in_a_shell(customer, *airflow, "doctor"), customer)
    shown = in_a_shell(customer, *airflow, "doctor", "--help").stdout
    assert "--with-writes" in shown
    assert "(default: flowservice_default)" in shown
    assert "FLOW_ID" in in_a_shell(customer, *airflow, "print-dag", "--help").stdout
