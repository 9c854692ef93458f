from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk import Connection

from airflow_provider_flowservice.client.errors import InvalidInputError
from airflow_provider_flowservice.client.model import AuthSpec, ConnectionSpec
from airflow_provider_flowservice.hooks.credentials import auth_params, dummy_connection

SECRET = "top/s3cret+key"


def auth_spec(name: str, required: str, secret: str = "", optional: str = "") -> AuthSpec:
    properties: dict[str, Any] = {key: {"type": "string"} for key in f"{required} {optional}".split()}
    for key in secret.split():
        properties[key] = {"type": "string", "format": "password"}
    return AuthSpec(
        name=name, spec={"properties": properties, "required": [*required.split(), *secret.split()]}
    )


KINESIS = ConnectionSpec(
    id="k",
    name="Amazon Kinesis",
    auth_spec=(
        auth_spec(
            "Aws Kinesis authentication credentials", "accessKeyId", "secretKey", "region connectionUrl"
        ),
    ),
)
EVENT_HUBS = ConnectionSpec(
    id="e",
    name="Azure Event Hubs",
    auth_spec=(auth_spec("Azure EventHub authentication credentials", "sasKeyName namespace", "sasKey"),),
)
SFTP = ConnectionSpec(
    id="s",
    name="SFTP",
    auth_spec=(
        auth_spec("SFTP with Password", "domain username", "password", "port"),
        auth_spec("SFTP with SSH Key", "domain username", "sshKey", "port"),
    ),
)
BLOB = ConnectionSpec(
    id="b", name="Azure Blob", auth_spec=(auth_spec("ConnectionString", "", "connectionString"),)
)
PROFILES = ConnectionSpec(id="u", name="Unified Profile Service")


def connection(conn_type: str, extra: str | None = None, **fields: Any) -> Connection:
    return Connection(conn_id="destination", conn_type=conn_type, extra=extra, **fields)


def aws(extra: str | None = '{"region_name": "us-east-1"}', **changes: Any) -> Connection:
    return connection("aws", extra, **{"login": "AKIA", "password": SECRET, **changes})


def hubs(**changes: Any) -> Connection:
    return connection("generic", **{"login": "send-policy", "password": SECRET, "host": "acme", **changes})


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ('{"region_name": "us-east-1"}', {"region": "us-east-1"}),
        ('{"region": "us-east-1"}', {"region": "us-east-1"}),
        ('{"connectionUrl": "https://kinesis"}', {"connectionUrl": "https://kinesis"}),
        (
            '{"region_name": "us-east-1", "connectionUrl": "https://kinesis"}',
            {"region": "us-east-1", "connectionUrl": "https://kinesis"},
        ),
    ],
)
def test_kinesis_takes_an_aws_connection(extra: str, expected: dict[str, str]) -> None:
    found = auth_params(KINESIS, aws(extra), None)
    assert found.spec is KINESIS.auth_spec[0]
    assert found.params == {"accessKeyId": "AKIA", "secretKey": SECRET, **expected}


def test_event_hubs_take_a_generic_connection() -> None:
    assert auth_params(EVENT_HUBS, hubs(), None).params == {
        "sasKeyName": "send-policy",
        "sasKey": SECRET,
        "namespace": "acme",
    }


@pytest.mark.parametrize(
    "host",
    [
        "acme",
        "acme.servicebus.windows.net",
        "ACME.servicebus.windows.net",
        "sb://acme.servicebus.windows.net/",
        "acme.servicebus.windows.net:5671",
    ],
)
def test_a_host_name_is_shortened_to_the_namespace(host: str) -> None:
    found = auth_params(EVENT_HUBS, hubs(host=host), None).params["namespace"]
    assert found.lower() == "acme"
    assert auth_params(EVENT_HUBS, hubs(host=None), {"namespace": host}).params["namespace"] == found


def test_the_host_of_another_cloud_is_left_as_it_is() -> None:
    host = "acme.servicebus.chinacloudapi.cn"
    assert auth_params(EVENT_HUBS, hubs(host=host), None).params["namespace"] == host


CONNECTION_STRING = (
    "Endpoint=sb://acme.servicebus.windows.net/;SharedAccessKeyName=send-policy;SharedAccessKey="
    + SECRET
    + "="
)


@pytest.mark.parametrize(
    "password", [f'"{CONNECTION_STRING}"', CONNECTION_STRING.partition(";")[2], f"{CONNECTION_STRING}\n"]
)
def test_a_connection_string_is_known_by_its_key_and_quoted_or_not(password: str) -> None:
    if "Endpoint" in password:
        found = auth_params(EVENT_HUBS, hubs(password=password, login=None, host=None), None).params
        assert (found["sasKey"], found["namespace"]) == (f"{SECRET}=", "acme")
        return
    with pytest.raises(InvalidInputError, match="is a connection string without") as caught:
        auth_params(EVENT_HUBS, hubs(password=password), None)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("end", ["", ";EntityPath=events"])
@pytest.mark.parametrize(
    "fields", [{"login": None, "host": None}, {}, {"login": None, "host": "acme.servicebus.windows.net"}]
)
def test_a_connection_string_is_split_into_its_parts(fields: dict[str, Any], end: str) -> None:
    assert auth_params(EVENT_HUBS, hubs(password=CONNECTION_STRING + end, **fields), None).params == {
        "sasKeyName": "send-policy",
        "sasKey": f"{SECRET}=",
        "namespace": "acme",
    }


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        (
            {"login": "other"},
            "another sasKeyName than the connection string in its password. Clear the login",
        ),
        ({"host": "other"}, "another namespace than the connection string in its password. Clear the host"),
        ({"login": CONNECTION_STRING}, "contains a connection string as login. Set it as the password"),
        ({"host": CONNECTION_STRING}, "contains a connection string as host. Set it as the password"),
        (
            {"password": f"Endpoint=sb://acme/;SharedAccessSignature={SECRET}"},
            "is a connection string without sasKeyName. Give one with Endpoint, SharedAccessKeyName and",
        ),
    ],
)
def test_a_connection_string_that_is_contradicted_or_incomplete_is_refused_and_not_shown(
    fields: dict[str, Any], problem: str
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        auth_params(EVENT_HUBS, hubs(**{"password": CONNECTION_STRING, **fields}), None)
    assert problem in str(caught.value)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("extra", ['{"region_name": "us-east-1"}', '{"region": "us-east-1"}'])
def test_without_the_amazon_provider_a_generic_connection_is_as_good(extra: str) -> None:
    generic = connection("generic", extra, login="AKIA", password=SECRET)
    assert auth_params(KINESIS, generic, None).params == auth_params(KINESIS, aws(extra), None).params


def test_what_is_no_secret_may_stand_in_the_dag_and_comes_first() -> None:
    found = auth_params(KINESIS, aws(), {"region": "eu-west-1"})
    assert found.params["region"] == "eu-west-1"


@pytest.mark.parametrize(
    ("fields", "extra", "chosen"),
    [
        ({"login": "me", "password": SECRET, "host": "h"}, None, "SFTP with Password"),
        ({"login": "me", "host": "h"}, f'{{"sshKey": "{SECRET}"}}', "SFTP with SSH Key"),
    ],
)
def test_of_two_ways_to_authenticate_the_one_that_is_complete_is_taken(
    fields: dict[str, str], extra: str | None, chosen: str
) -> None:
    found = auth_params(SFTP, connection("sftp", extra, **fields), None)
    assert found.spec is not None
    assert found.spec.name == chosen
    assert found.params["domain"] == "h"
    assert SECRET in found.params.values()


def test_what_the_chosen_way_does_not_know_is_left_out() -> None:
    both = connection("sftp", f'{{"sshKey": "{SECRET}"}}', login="me", password="pw", host="h")
    found = auth_params(SFTP, both, None)
    assert found.spec is not None
    assert set(found.params) <= set(found.spec.properties)


def test_a_connection_string_is_a_password() -> None:
    assert auth_params(BLOB, connection("wasb", password=SECRET), None).params == {"connectionString": SECRET}


def test_a_system_without_credentials_takes_none() -> None:
    assert auth_params(PROFILES, None, None).spec is None
    with pytest.raises(
        InvalidInputError, match=r"^auth_conn_id: Unified Profile Service does not take credentials"
    ):
        auth_params(PROFILES, aws(), None)
    with pytest.raises(InvalidInputError, match=r"^auth: Unified Profile Service does not take credentials"):
        auth_params(PROFILES, None, {"region": "x"})


@pytest.mark.parametrize(
    "key", ["role_arn", "profile_name", "profile", "aws_session_token", "assume_role_method"]
)
def test_short_lived_aws_credentials_are_refused(key: str) -> None:
    with pytest.raises(
        InvalidInputError, match=f"has the extra '{key}', which AEP cannot use. AEP needs long-lived keys"
    ):
        auth_params(KINESIS, aws(f'{{"region_name": "us-east-1", "{key}": "x"}}'), None)


@pytest.mark.parametrize(
    ("spec", "given", "allowed"),
    [
        (KINESIS, connection("http"), "Use one of type aws or generic"),
        (EVENT_HUBS, connection("aws", login="a", password=SECRET), "Use one of type generic"),
        (SFTP, connection("aws"), "Use one of type generic or sftp or ssh"),
    ],
)
def test_a_connection_of_the_wrong_type_is_refused(
    spec: ConnectionSpec, given: Connection, allowed: str
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        auth_params(spec, given, None)
    assert f"connection 'destination' is of type {given.conn_type!r}" in caught.value.message
    assert spec.name in caught.value.message
    assert allowed in caught.value.message


@pytest.mark.parametrize(
    ("spec", "given", "problem"),
    [
        (KINESIS, aws(login=None), "does not contain accessKeyId, which Amazon Kinesis needs. Set the login"),
        (
            KINESIS,
            aws(password=None),
            "does not contain secretKey, which Amazon Kinesis needs. Set the password",
        ),
        (
            KINESIS,
            aws(extra=None),
            "does not contain region or connectionUrl, which Amazon Kinesis needs. Set the extra 'region_nam",
        ),
        (
            EVENT_HUBS,
            hubs(host=None),
            "does not contain namespace, which Azure Event Hubs needs. Set the host",
        ),
        (
            EVENT_HUBS,
            hubs(password=""),
            "does not contain sasKey, which Azure Event Hubs needs. Set the password",
        ),
        (BLOB, connection("wasb"), "does not contain connectionString"),
    ],
)
def test_a_parameter_that_is_missing_is_named_with_its_place(
    spec: ConnectionSpec, given: Connection, problem: str
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        auth_params(spec, given, None)
    assert problem in caught.value.message
    assert SECRET not in caught.value.message


@pytest.mark.parametrize(
    ("auth", "problem"),
    [
        (None, "auth_conn_id: Amazon Kinesis needs accessKeyId. Set auth_conn_id to an Airflow connection"),
        ({"region": "us-east-1"}, "auth_conn_id: Amazon Kinesis needs accessKeyId"),
    ],
)
def test_without_a_connection_one_is_asked_for(auth: dict[str, str] | None, problem: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        auth_params(KINESIS, None, auth)
    assert problem in caught.value.message


def test_a_parameter_that_is_no_secret_is_asked_for_in_auth() -> None:
    spec = ConnectionSpec(id="h", name="HTTP API", auth_spec=(auth_spec("Streaming Connection", "dataType"),))
    with pytest.raises(InvalidInputError, match=r"^auth: HTTP API needs dataType. Pass it in auth="):
        auth_params(spec, None, None)
    assert auth_params(spec, None, {"dataType": "xdm"}).params == {"dataType": "xdm"}


@pytest.mark.parametrize(
    "key", ["secretKey", "sasKey", "password", "clientSecret", "access_token", "sshKey", "connectionString"]
)
def test_a_credential_in_the_dag_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        auth_params(KINESIS, aws(), {key: SECRET})
    assert f"auth[{key!r}]: is a credential, which does not belong in a DAG" in caught.value.message
    assert "auth_conn_id" in caught.value.message
    assert SECRET not in caught.value.message


def test_a_parameter_that_its_spec_marks_is_a_credential_whatever_its_name() -> None:
    spec = ConnectionSpec(id="x", name="X", auth_spec=(auth_spec("X", "user", "pin"),))
    with pytest.raises(InvalidInputError, match=r"auth\['pin'\]: is a credential"):
        auth_params(spec, None, {"pin": "1234"})


def test_nothing_shows_the_parameters() -> None:
    assert SECRET not in repr(auth_params(KINESIS, aws(), None))


@pytest.mark.parametrize(
    "spec",
    [
        {"properties": {"region": 5, "accessKeyId": [], "port": None}, "required": [["region"], {}, 5]},
        {"properties": {"region": {"enum": {"a": 1}}}, "required": {"region": True}},
        {"properties": [], "required": "region"},
        {},
    ],
)
def test_a_spec_of_another_shape_requires_nothing_that_it_does_not_name(spec: dict[str, Any]) -> None:
    odd = ConnectionSpec(id="o", name="Odd", auth_spec=(AuthSpec(name="Basic", spec=spec),))
    found = auth_params(odd, dummy_connection(odd), {"port": 5})
    assert found.params["port"] == 5
