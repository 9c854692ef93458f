from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airflow_provider_flowservice.connection_fields import field_name
from airflow_provider_flowservice.doctor.findings import Area, Outcome
from airflow_provider_flowservice.doctor.services import EVERYTHING
from tests.support.customer import VARIABLE, Customer, in_area

pytestmark = pytest.mark.usefixtures("airflow_database")
WRONG: list[tuple[str, Any]] = [
    ("login", None),
    ("login", "acme\nclient"),
    ("password", None),
    ("org_id", None),
    ("org_id", "acme-org"),
    ("org_id", 7),
    ("sandbox", None),
    ("sandbox", "acmé\u2028box"),
    ("host", "https://acme.example.com/path"),
    ("host", "http://acme.example.com"),
    ("port", 70000),
    ("ims_host", "acme host"),
    ("collection_host", "ftp://acme.example.com"),
    ("connect_timeout", "acme"),
    ("read_timeout", -1),
    ("retries", "acme"),
    ("retry_budget", 0),
    ("proxy", "ftp://acme:secret@acme.example.com"),
    ("ca_file", "/acme/ca.pem"),
    ("access_token", "acme\ntoken"),
    ("scopes", 7),
    ("token_cache", "acme"),
]


@pytest.mark.parametrize(("name", "value"), WRONG, ids=[f"{name}={value!r}" for name, value in WRONG])
def test_a_field_that_is_missing_or_wrong_is_named(customer: Customer, name: str, value: Any) -> None:
    customer.connect(**{name: value})
    found = customer.broken()
    assert (found.area, found.subject) == (Area.SETTINGS, field_name(name))
    assert found.seen == ("It is empty." if value is None else "Its value cannot be used.")
    assert found.operators == EVERYTHING
    assert "acme" not in f"{found.seen} {found.remedy}".lower()
    assert customer.access().aep is None
    assert customer.control.requests() == []


def test_a_connection_that_is_missing(customer: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE)
    found = customer.broken()
    assert found.subject == "connection"
    assert "Admin > Connections" in found.remedy


def test_a_connection_of_another_type(customer: Customer) -> None:
    customer.connect(conn_type="acme_type")
    found = customer.broken()
    assert (found.subject, found.seen) == ("connection", "The connection is of another type.")
    assert "'flowservice'" in found.remedy


def test_an_extra_that_is_not_supported(customer: Customer) -> None:
    customer.connect(acme_extra="acme-value")
    found = customer.broken()
    assert found.subject == "extra"
    assert "acme" not in f"{found.seen} {found.remedy}"


def test_an_extra_that_is_not_json(customer: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, '{"conn_type": "flowservice", "extra": "[\\"acme\\"]"}')
    # Airflow 3.1 itself takes no such connection for one.
    assert customer.broken().subject in ("extra", "connection")


@pytest.mark.parametrize("name", ["host", "ims_host", "collection_host"])
def test_a_host_that_airflows_options_do_not_permit(
    customer: Customer, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("AIRFLOW__FLOWSERVICE__ALLOWED_HOSTS", "127.0.0.1")
    customer.connect(**{name: "https://acme.example.com"})
    found = customer.broken()
    assert found.subject == field_name(name)
    assert "allowed_hosts" in found.seen


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_a_ca_file_of_the_environment_that_is_missing(
    customer: Customer, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "/acme/ca.pem")
    found = customer.broken()
    assert found.subject == variable
    assert "acme" not in found.seen


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "ALL_PROXY"])
def test_a_proxy_of_the_environment_that_cannot_be_used(
    customer: Customer, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "http://acme:pass/word@acme.example.com")
    customer.connect(host="https://acme.example.com")
    found = customer.broken()
    assert found.subject == variable
    assert "percent-encoded" in found.remedy


def test_a_token_cache_that_cannot_be_used(
    customer: Customer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # Without a Fernet key, Airflow's default in some versions, it cannot be used either.
    (tmp_path / "flowservice-tokens").mkdir(mode=0o755)
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    customer.connect(token_cache="file")
    found = customer.broken()
    assert found.subject == "Token cache (extra token_cache)"
    assert str(tmp_path) not in found.seen + found.remedy


def test_each_setting_is_shown_with_its_origin(
    customer: Customer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import certifi

    monkeypatch.setenv("SSL_CERT_FILE", certifi.where())
    monkeypatch.setenv("https_proxy", "http://acme-proxy.example.com:3128")
    customer.connect(read_timeout=12, org_id=customer.control.credential.org_id)
    found = in_area(customer.access(sandbox="other").findings, Area.SETTINGS)
    shown = {subject: finding.seen for subject, finding in found.items()}
    assert shown["connection"] == "Of type flowservice, from an environment variable AIRFLOW_CONN_..."
    assert shown["Client ID (login)"] == shown["API gateway (host)"] == "Set in the connection."
    assert shown["Sandbox (extra sandbox)"] == "Set by --sandbox."
    assert "not used for this gateway" in shown["Proxy (extra proxy)"]
    assert "https_proxy" in shown["Proxy (extra proxy)"]
    assert shown["CA file (extra ca_file)"] == "Set in the environment variable SSL_CERT_FILE."
    assert "read timeout 12 (from the connection)" in shown["timeouts in seconds, and retries"]
    assert "connect timeout 10 (the default)" in shown["timeouts in seconds, and retries"].lower()
    assert shown["Scopes (extra scopes)"].startswith("Not set; the default is openid, ")
    assert {finding.outcome for finding in found.values()} == {Outcome.FINE}
    assert customer.leaks(" ".join(shown.values())) == []


def test_the_hosts_of_adobe_are_shown(customer: Customer) -> None:
    customer.connect(host=None, ims_host=None, collection_host=None, proxy="http://127.0.0.1:1", retries=0)
    found = in_area(customer.access().findings, Area.SETTINGS)
    assert found["API gateway (host)"].seen == "Not set; the default is https://platform.adobe.io."
    assert (
        found["IMS host (extra ims_host)"].seen == "Not set; the default is https://ims-na1.adobelogin.com."
    )
    assert found["Proxy (extra proxy)"].seen == "Set in the connection."
