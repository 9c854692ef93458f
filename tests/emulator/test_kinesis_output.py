"""What flows to Kinesis export arrives on a stream: of moto's server, read by boto3, or of a receiver that refuses."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from airflow_provider_flowservice.emulator.outputs import exporter, kinesis
from airflow_provider_flowservice.emulator.segmentation.store import SEEDED_SEGMENT_IDS
from airflow_provider_flowservice.emulator.server import EmulatorServer
from tests.emulator.conftest import SECRET, Api, add_attribute, add_segment, serving
from tests.support.receiver import Received, Receiver, receiver

ONE, TWO = SEEDED_SEGMENT_IDS[:2]
STREAM = "events"
WAIT = 20
MISSING = "boto3 or moto is not installed; make test-emulator runs this with both"


@pytest.fixture
def needs_boto3() -> None:
    pytest.importorskip("boto3", reason=MISSING)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again without a pause."""
    monkeypatch.setattr(exporter, "_PAUSES", (0, 0, 0))


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    """The URL of moto's server."""
    pytest.importorskip("boto3", reason=MISSING)
    moto = pytest.importorskip("moto.server", reason=MISSING)
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture
def consumer(aws: str) -> Iterator[Any]:
    """A client of Kinesis that has nothing to do with the emulator, and the stream."""
    import boto3

    requests.post(f"{aws}/moto-api/reset", timeout=10)
    keys = {"aws_access_key_id": "consumer", "aws_secret_access_key": "consumer"}
    client = boto3.client("kinesis", endpoint_url=aws, region_name="us-east-1", **keys)
    client.create_stream(StreamName=STREAM, ShardCount=3)
    client.get_waiter("stream_exists").wait(StreamName=STREAM)
    yield client
    client.close()


@pytest.fixture
def api(aws: str) -> Iterator[Api]:
    with serving(kinesis_endpoint=aws) as api:
        yield api


@pytest.fixture
def refusing(needs_boto3: None) -> Iterator[tuple[Api, Receiver]]:
    """An emulator that sends to a receiver."""
    with receiver() as running:
        running.answer = taken
        with serving(kinesis_endpoint=running.url) as api:
            yield api, running


def activate(api: Api, made: dict[str, str], *operations: dict[str, Any]) -> None:
    etag = api.item(f"/flows/{made['id']}")["etag"]
    assert api.patch(f"/flows/{made['id']}", etag, *operations).status_code == 200


def read(consumer: Any, count: int) -> list[dict[str, Any]]:
    """The records of all shards of the stream, of which there must be so many."""
    shards = consumer.list_shards(StreamName=STREAM)["Shards"]
    records: list[dict[str, Any]] = []
    for shard in shards:
        place = consumer.get_shard_iterator(
            StreamName=STREAM, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )
        page = consumer.get_records(ShardIterator=place["ShardIterator"], Limit=1000)
        assert page["MillisBehindLatest"] == 0
        records += page["Records"]
    assert len(records) == count
    return records


def by_identity(payloads: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {each["identityMap"]["ecid"][0]["id"]: each for each in payloads}


def test_an_activated_flow_really_puts_its_profiles_on_its_stream(api: Api, consumer: Any) -> None:
    made = api.flow()
    activate(api, made, add_segment(ONE), add_segment(TWO), add_attribute("personalEmail.address"))
    (delivery,) = api.control.deliveries(made["id"], wait=WAIT)
    assert (delivery["output"], delivery["state"], delivery["attempts"]) == ("kinesis", "delivered", 1)
    payloads = by_identity(api.control.exports(made["id"]))
    records = read(consumer, delivery["written"])
    assert len(payloads) == delivery["records"] == delivery["written"] > 0
    assert {each["PartitionKey"]: json.loads(each["Data"]) for each in records} == payloads
    assert delivery["bytes"] == sum(len(each["Data"]) for each in records)


def test_each_hourly_run_puts_them_there_again(api: Api, consumer: Any) -> None:
    made = api.flow()
    activate(api, made, add_segment(ONE))
    (first,) = api.control.deliveries(made["id"], wait=WAIT)
    api.control.advance(3 * 3600 + 100)
    assert len(api.control.deliveries(made["id"], wait=WAIT)) == 4
    read(consumer, 4 * first["records"])
    runs = api.get("/runs", property=f"flowId=={made['id']}").json()["items"]
    states = [each["metrics"]["statusSummary"]["status"] for each in runs]
    counts = [each["metrics"]["recordSummary"]["outputRecordCount"] for each in runs]
    assert (states, sum(counts)) == (["success"] * 3, 4 * first["records"])


def test_a_flow_of_any_sandbox_is_exported_and_found(api: Api, consumer: Any) -> None:
    api.session.headers["x-sandbox-name"] = "prod"
    made = api.flow()
    activate(api, made, add_segment(ONE))
    (delivery,) = api.control.deliveries(made["id"], wait=WAIT)
    read(consumer, delivery["records"])
    found = requests.get(f"{api.url}/_emulator/exports/{made['id']}", timeout=10).json()
    assert (found["flowId"], found["sandbox"]) == (made["id"], "prod")
    assert found["payloads"] == api.control.exports(made["id"]) == api.control.exports(made["id"], "prod")
    with pytest.raises(requests.HTTPError, match="unknown flow"):
        api.control.exports(made["id"], "dev")


def test_a_stream_that_does_not_exist_is_an_error_until_it_does(
    api: Api, consumer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    consumer.delete_stream(StreamName=STREAM)
    made = api.flow()
    activate(api, made, add_segment(ONE))
    (failed,) = api.control.deliveries(made["id"], wait=WAIT)
    assert (failed["state"], failed["attempts"], failed["written"]) == ("failed", 1, 0)
    assert "ResourceNotFound" in failed["error"]
    assert STREAM in failed["error"]
    assert SECRET not in caplog.text + json.dumps(failed)
    consumer.create_stream(StreamName=STREAM, ShardCount=1)
    consumer.get_waiter("stream_exists").wait(StreamName=STREAM)
    api.control.advance(3600 + 100)
    assert [each["state"] for each in api.control.deliveries(made["id"], wait=WAIT)] == [
        "failed",
        "delivered",
    ]
    read(consumer, failed["records"])
    (run,) = api.get("/runs", property=f"flowId=={made['id']}").json()["items"]
    summary = run["metrics"]["statusSummary"]
    assert (summary["status"], [each["message"] for each in summary["errors"]]) == (
        "partialSuccess",
        [failed["error"]],
    )


def taken(request: Received) -> tuple[int, bytes]:
    """The answer that all records were put."""
    records = json.loads(request.body)["Records"]
    results = [{"SequenceNumber": "1", "ShardId": "shardId-000000000000"} for _ in records]
    return 200, json.dumps({"FailedRecordCount": 0, "Records": results}).encode()


def refused(code: str, status: int = 400) -> Callable[[Received], tuple[int, bytes]]:
    """The answer to a whole request, which repeats the secret."""
    return lambda _: (status, json.dumps({"__type": code, "message": f"no, {SECRET}"}).encode())


def check_signature(request: Received, key: str, secret: str) -> None:
    """Check an AWS signature as AWS describes it (version 4), for a POST to the root."""
    fields = dict(
        part.split("=", 1) for part in request.headers["authorization"].partition(" ")[2].split(", ")
    )
    owner, day, region, service, end = fields["Credential"].split("/")
    assert (owner, region, service, end) == (key, "us-east-1", "kinesis", "aws4_request")
    names = fields["SignedHeaders"].split(";")
    headers = "".join(f"{name}:{request.headers[name].strip()}\n" for name in names)
    digest = hashlib.sha256(request.body).hexdigest()
    canonical = "\n".join(("POST", "/", "", headers, fields["SignedHeaders"], digest))
    scope = f"{day}/{region}/{service}/{end}"
    stamp = request.headers["x-amz-date"]
    text = "\n".join(("AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()))
    signing = f"AWS4{secret}".encode()
    for part in (day, region, service, end):
        signing = hmac.digest(signing, part.encode(), "sha256")
    assert fields["Signature"] == hmac.digest(signing, text.encode(), "sha256").hex()


def test_it_is_signed_with_the_keys_of_the_base_connection(
    refusing: tuple[Api, Receiver], monkeypatch: pytest.MonkeyPatch
) -> None:
    api, stream = refusing
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "of-the-environment")
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    made = api.flow()
    activate(api, made, add_segment(ONE))
    assert [each["state"] for each in api.control.deliveries(made["id"], wait=WAIT)] == ["delivered"]
    (request,) = stream.requests
    check_signature(request, "AKIA", SECRET)
    assert json.loads(request.body)["StreamName"] == STREAM
    assert "of-the-environment" not in json.dumps(request.headers)


@pytest.mark.usefixtures("at_once")
def test_only_what_was_refused_is_put_again(refusing: tuple[Api, Receiver]) -> None:
    api, stream = refusing

    def every_other(request: Received) -> tuple[int, bytes]:
        results = json.loads(taken(request)[1])["Records"]
        for each in results[::2]:
            each |= {"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": SECRET}
        stream.answer = taken
        return 200, json.dumps({"FailedRecordCount": len(results[::2]), "Records": results}).encode()

    stream.answer = every_other
    made = api.flow()
    activate(api, made, add_segment(ONE))
    (delivery,) = api.control.deliveries(made["id"], wait=WAIT)
    first, second = (json.loads(each.body)["Records"] for each in stream.requests)
    assert second == first[::2]
    assert (delivery["state"], delivery["attempts"]) == ("delivered", 2)
    assert delivery["written"] == delivery["records"] == len(first)
    assert [json.loads(base64.b64decode(each["Data"])) for each in first] == api.control.exports(made["id"])


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(
    ("code", "status", "attempts"),
    [
        ("ProvisionedThroughputExceededException", 400, 4),
        ("InternalFailure", 500, 4),
        ("AccessDeniedException", 400, 1),
    ],
)
def test_what_stays_refused_is_shown_without_the_secret(
    refusing: tuple[Api, Receiver], caplog: pytest.LogCaptureFixture, code: str, status: int, attempts: int
) -> None:
    api, stream = refusing
    stream.answer = refused(code, status)
    made = api.flow()
    activate(api, made, add_segment(ONE))
    (delivery,) = api.control.deliveries(made["id"], wait=WAIT)
    assert (delivery["state"], delivery["attempts"], delivery["written"]) == ("failed", attempts, 0)
    assert len(stream.requests) == attempts
    assert code in delivery["error"]
    assert "no, ********" in delivery["error"]
    assert delivery["error"] in caplog.text
    shown = requests.get(f"{api.url}/_emulator/exports/{made['id']}", timeout=10).text
    assert SECRET not in caplog.text + shown


@pytest.mark.usefixtures("needs_boto3", "at_once")
def test_an_endpoint_that_is_not_there_is_tried_some_times() -> None:
    with receiver() as gone:
        url = gone.url
    with serving(kinesis_endpoint=url) as api:
        made = api.flow()
        activate(api, made, add_segment(ONE))
        (delivery,) = api.control.deliveries(made["id"], wait=WAIT)
        assert (delivery["state"], delivery["attempts"]) == ("failed", 4)
        assert url in delivery["error"]


def test_empty_keys_are_not_replaced_by_those_of_the_environment(
    refusing: tuple[Api, Receiver], monkeypatch: pytest.MonkeyPatch
) -> None:
    api, stream = refusing
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "of-the-environment")
    made = api.flow()
    base = next(each for each in api.control.state()["connections"] if each["name"] == "kinesis base")
    emptied = [
        {"op": "replace", "path": f"/auth/params/{name}", "value": ""}
        for name in ("accessKeyId", "secretKey")
    ]
    assert api.patch(f"/connections/{base['id']}", base["etag"], *emptied).status_code == 200
    activate(api, made, add_segment(ONE))
    (delivery,) = api.control.deliveries(made["id"], wait=WAIT)
    assert (delivery["state"], delivery["error"]) == ("failed", "the base connection has no accessKeyId")
    assert (delivery["attempts"], delivery["written"]) == (1, 0)
    assert delivery["records"] > 0
    assert stream.requests == []


def test_without_boto3_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kinesis, "find_spec", lambda _: None)
    with pytest.raises(ValueError, match=r"kinesis_endpoint needs boto3: pip install .*\[emulator-streams\]"):
        EmulatorServer(kinesis_endpoint="http://127.0.0.1:4566")


def test_without_an_endpoint_nothing_is_sent_and_the_payloads_are_shown() -> None:
    with EmulatorServer() as server:
        plain = Api(server.url, server.control)
        plain.log_in()
        made = plain.flow()
        activate(plain, made, add_segment(ONE))
        found = requests.get(f"{plain.url}/_emulator/exports/{made['id']}?wait=1", timeout=10).json()
        shown = requests.get(f"{plain.url}/_emulator/page/flows/{made['id']}", timeout=10).json()
        plain.session.close()
    assert found["deliveries"] == shown["deliveries"] == []
    assert found["payloads"] == shown["exports"] != []
