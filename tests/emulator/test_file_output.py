"""What flows to file destinations export is written into files."""

from __future__ import annotations

import csv
import gzip
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_flowservice.emulator.activation.exports import members_of
from airflow_provider_flowservice.emulator.clock import iso
from airflow_provider_flowservice.emulator.outputs.file_formats import FileFormat
from airflow_provider_flowservice.emulator.outputs.file_names import expanded, safe_name
from airflow_provider_flowservice.emulator.segmentation.store import SEEDED_SEGMENT_IDS
from tests.emulator.conftest import UNIFIED_PROFILE, Api, add_attribute, add_audience, add_segment, serving
from tests.emulator.test_runs import ADHOC, VERSION_2

ROOT = Path(__file__).parents[2]
ONE, TWO, THREE = SEEDED_SEGMENT_IDS[:3]
COLUMNS = {"first_name": "person.name.firstName", "Email": "identityMap.Email", "nickname": "person.nickname"}
WAIT = 20
DAY = 24 * 3600


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "made" / "exports"


@pytest.fixture
def api(folder: Path) -> Iterator[Api]:
    with serving(export_dir=folder) as api:
        yield api


def flow(api: Api, *audiences: dict[str, Any], columns: dict[str, str] | None = None, **place: Any) -> str:
    """The id of a flow to Amazon S3 that exports audiences.

    :param place: params of its target connection.
    """
    mapping = {"mappingId": api.columns(**(columns or COLUMNS)), "mappingVersion": 0}
    body = api.file_flow_body(profileMapping=mapping)
    (target_id,) = body["targetConnectionIds"]
    if place:
        etag = api.item(f"/targetConnections/{target_id}")["etag"]
        changes = [{"op": "add", "path": f"/params/{name}", "value": value} for name, value in place.items()]
        assert api.patch(f"/targetConnections/{target_id}", etag, *changes).status_code == 200
    made = api.create("/flows", body)
    assert api.patch(f"/flows/{made['id']}", made["etag"], *audiences).status_code == 200
    return made["id"]


def export(api: Api, flow_id: str, *segments: str) -> dict[str, Any]:
    """Export audiences now; the delivery of the last one."""
    body = {"activationInfo": {flow_id: list(segments)}}
    response = api.call("POST", ADHOC, json=body, headers=VERSION_2)
    assert response.status_code == 200, response.text
    return api.control.deliveries(flow_id, wait=WAIT)[-1]


def run_of(api: Api, delivery: dict[str, Any]) -> dict[str, Any]:
    return api.item(f"/runs/{delivery['runId']}")


def written(folder: Path) -> set[str]:
    """Every file below a folder, manifests aside."""
    files = {str(each.relative_to(folder)) for each in folder.rglob("*") if each.is_file()}
    return {each for each in files if not Path(each).name.startswith("manifest-")}


def rows(content: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content)))


def test_an_audience_is_written_as_csv_named_by_its_template_with_a_manifest(api: Api, folder: Path) -> None:
    flow_id = flow(api, add_audience(ONE))
    delivery = export(api, flow_id, ONE)
    run = run_of(api, delivery)
    stamp = iso(run["createdAt"] // 1000).translate(str.maketrans("T", "_", "-:Z"))
    name = f"Amazon-S3_{ONE}_{stamp}.csv"
    assert written(folder) == {f"bucket/out/{name}"}
    content = (folder / "bucket/out" / name).read_text()
    assert rows(content) == [
        {
            "first_name": each["person"]["name"]["firstName"],
            "Email": each["person"]["email"],
            "nickname": "null",
        }
        for each in members_of(ONE)
    ]
    manifest = folder / "bucket/out" / f"manifest-{flow_id}-{run['id']}.json"
    assert json.loads(manifest.read_text()) == {
        "flowRunId": run["id"],
        "scheduledTime": iso(run["createdAt"] // 1000),
        "exportResults": [{"sinkPath": "/bucket/out", "name": name, "size": len(content)}],
    }
    assert (delivery["output"], delivery["state"]) == ("files", "delivered")
    assert delivery["files"] == [f"bucket/out/{name}"]
    assert delivery["records"] == delivery["written"] == len(members_of(ONE)) > 0
    api.control.advance(60)
    metrics = run_of(api, delivery)["metrics"]
    assert metrics["statusSummary"]["status"] == "success"
    assert metrics["recordSummary"]["outputRecordCount"] == delivery["written"]
    assert metrics["sizeSummary"]["outputBytes"] == len(content)
    assert metrics["fileSummary"]["outputFileCount"] == 1


def test_each_run_writes_what_is_due_for_it(api: Api, folder: Path) -> None:
    today, tomorrow = (iso(api.control.now() + days * DAY)[:10] for days in (0, 1))
    early, late = {"startTime": "02:00"}, {"startTime": "22:00"}
    flow_id = flow(
        api,
        add_audience(ONE, schedule={**early, "startDate": tomorrow}),
        add_audience(TWO, schedule={**late, "startDate": tomorrow}),
        add_audience(THREE, schedule={**late, "startDate": tomorrow, "frequency": "ONCE"}),
    )
    assert api.control.deliveries(flow_id, wait=WAIT) == []
    assert written(folder) == set()
    api.control.advance(3 * DAY)
    api.log_in()
    deliveries = api.control.deliveries(flow_id, wait=WAIT)
    due = [(each["time"], each["segments"]) for each in deliveries if each["time"][:10] == tomorrow]
    assert due == [(f"{tomorrow}T02:00:00Z", [ONE]), (f"{tomorrow}T22:00:00Z", [TWO, THREE])]
    stamp = tomorrow.replace("-", "")
    names = {Path(each).name for each in written(folder) if stamp in each}
    assert names == {
        f"Amazon-S3_{segment}_{stamp}_{hour}0000.csv"
        for segment, hour in ((ONE, "02"), (TWO, "22"), (THREE, "22"))
    }
    assert all(each["state"] == "delivered" and today < each["time"] for each in deliveries)


def test_a_streaming_activation_of_a_file_flow_writes_nothing(api: Api, folder: Path) -> None:
    flow_id = flow(api, add_audience(ONE))
    api.call("POST", f"/flows/{flow_id}/action?op=disable")
    api.call("POST", f"/flows/{flow_id}/action?op=enable")
    assert api.control.deliveries(flow_id, wait=WAIT) == []
    assert written(folder) == set()


def test_the_outcome_of_a_run_reaches_its_files(api: Api, folder: Path) -> None:
    flow_id = flow(api, add_audience(ONE))
    api.control.set_switches(run_outcome="partialSuccess", run_seconds=0)
    delivery = export(api, flow_id, ONE)
    (name,) = written(folder)
    assert len(rows((folder / name).read_text())) == delivery["written"] == len(members_of(ONE)) - 1
    assert run_of(api, delivery)["metrics"]["recordSummary"]["failedRecordCount"] == 1
    api.control.set_switches(run_outcome="failed")
    api.call("POST", ADHOC, json={"activationInfo": {flow_id: [ONE]}}, headers=VERSION_2)
    assert len(api.control.deliveries(flow_id, wait=WAIT)) == len(written(folder)) == 1


NAMES = {
    "%DESTINATION%_%SEGMENT_ID%_%SEGMENT_NAME%": f"Amazon-S3_{ONE}_Men-over-50",
    "%DESTINATION_NAME%_%SEGMENT_ID%_%SANDBOX_NAME%_%UNKNOWN%": f"Amazon-S3_{ONE}_dev_-UNKNOWN-",
    "%DESTINATION_INSTANCE_NAME%_%DESTINATION%%SEGMENT_ID%": f"files_Amazon-S3{ONE}",
    "../../%DESTINATION%/%SEGMENT_ID%": f"---..-Amazon-S3-{ONE}",
    "%DESTINATION%_%SEGMENT_ID%_%CUSTOM_TEXT(spring sale)%": f"Amazon-S3_{ONE}_spring-sale",
}


@pytest.mark.parametrize("template", NAMES)
def test_names_follow_the_template(api: Api, folder: Path, template: str) -> None:
    export(api, flow(api, add_audience(ONE, filenameTemplate=template)), ONE)
    assert written(folder) == {f"bucket/out/{NAMES[template]}.csv"}


def test_the_time_in_a_name_has_the_pattern_of_its_macro() -> None:
    time = 1_700_000_000.25
    assert expanded("%DATETIME(YYYYMMdd_HHmmss)%", {}, time) == "20231114_221320"
    assert expanded("%DATETIME(yyyy-MM-dd)%.%DATETIME%", {}, time) == "2023-11-14.20231114_221320"
    assert expanded("%TIMESTAMP%", {}, time) == "1700000000250"
    assert expanded("%A%%B%", {"A": "%B%", "B": "b"}, time) == "%B%b"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("../../etc/passwd", "---..-etc-passwd"),
        ("..", "--"),
        (".hidden", "-hidden"),
        ("a\x00b\n c", "a-b-c"),
        ("", "-"),
        ("ä" * 300, "ä" * 100),
    ],
)
def test_a_safe_name_is_one_of_a_file_here(text: str, name: str) -> None:
    assert safe_name(text) == name


@pytest.mark.parametrize(
    ("place", "below"),
    [
        ({"path": "a/../../../b"}, "bucket/a/b"),
        ({"path": "/%SEGMENT_NAME%/x y/"}, "bucket/Men-over-50/x-y"),
        ({"bucketName": "../../up", "path": "."}, "up"),
    ],
)
def test_no_place_leads_out_of_the_folder(
    api: Api, folder: Path, tmp_path: Path, place: dict[str, str], below: str
) -> None:
    export(api, flow(api, add_audience(ONE, filenameTemplate="%DESTINATION%%SEGMENT_ID%"), **place), ONE)
    assert written(folder) == {f"{below}/Amazon-S3{ONE}.csv"}
    assert written(tmp_path) == {f"made/exports/{below}/Amazon-S3{ONE}.csv"}


@pytest.mark.usefixtures("at_once")
def test_no_link_leads_out_of_the_folder(api: Api, folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (folder / "bucket").symlink_to(outside)
    delivery = export(api, flow(api, add_audience(ONE)), ONE)
    assert (delivery["state"], delivery["attempts"]) == ("failed", 1)
    assert delivery["error"] == "the folder bucket/out is a link that leads elsewhere"
    assert list(outside.iterdir()) == []


@pytest.mark.usefixtures("at_once")
def test_what_cannot_be_written_fails_the_run_and_leaves_nothing(api: Api, folder: Path) -> None:
    (folder / "bucket").write_text("in the way")
    flow_id = flow(api, add_audience(ONE))
    api.control.set_switches(run_seconds=0)
    delivery = export(api, flow_id, ONE)
    assert (delivery["state"], delivery["attempts"], delivery["written"]) == ("failed", 4, 0)
    assert delivery["error"].startswith("bucket/out/Amazon-S3_")
    metrics = run_of(api, delivery)["metrics"]
    assert metrics["statusSummary"]["status"] == "failed"
    assert [each["message"] for each in metrics["statusSummary"]["errors"]] == [delivery["error"]]
    assert metrics["recordSummary"]["failedRecordCount"] == len(members_of(ONE))
    assert written(folder) == {"bucket"}


def test_two_audiences_of_a_run_never_share_a_file(api: Api, folder: Path) -> None:
    api.control.set_switches(file_name_macros="optional")
    tomorrow = iso(api.control.now() + DAY)[:10]
    audiences = [
        add_audience(each, filenameTemplate="daily", schedule={"startDate": tomorrow}) for each in (ONE, TWO)
    ]
    flow_id = flow(api, *audiences)
    api.control.advance(2 * DAY)
    api.log_in()
    deliveries = api.control.deliveries(flow_id, wait=WAIT)
    assert deliveries
    assert written(folder) == {"bucket/out/daily.csv", "bucket/out/daily-2.csv"}


def test_a_file_has_the_wanted_format(api: Api, folder: Path) -> None:
    plain = {"filenameTemplate": "%DESTINATION%%SEGMENT_ID%"}
    people = [
        {"first_name": each["person"]["name"]["firstName"], "Email": each["person"]["email"]}
        for each in members_of(ONE)
    ]
    name = f"bucket/out/Amazon-S3{ONE}"

    export(api, flow(api, add_audience(ONE, **plain), fileType="JSON"), ONE)
    lines = (folder / f"{name}.json").read_text().splitlines()
    assert [json.loads(line) for line in lines] == people

    export(api, flow(api, add_audience(ONE, **plain), compression="GZIP"), ONE)
    content = gzip.decompress((folder / f"{name}.csv.gz").read_bytes()).decode()
    assert [each["Email"] for each in rows(content)] == [each["Email"] for each in people]

    parquet = pytest.importorskip("pyarrow.parquet")
    export(api, flow(api, add_audience(ONE, **plain), fileType="PARQUET", compression="SNAPPY"), ONE)
    table = parquet.read_table(folder / f"{name}.parquet").to_pylist()
    assert table == [{**each, "nickname": None} for each in people]


def test_csv_has_the_wanted_options(api: Api, folder: Path) -> None:
    columns = {"mail": "person.email", "all": "person.name", "none": "person.nickname"}
    options = {"delimiter": ";", "nullValue": '""', "quote": '"', "escape": "\\"}
    audience = add_audience(ONE, filenameTemplate="%DESTINATION%%SEGMENT_ID%")
    export(api, flow(api, audience, columns=columns, csvOptions=options), ONE)
    head, first, *_ = (folder / f"bucket/out/Amazon-S3{ONE}.csv").read_text().splitlines()
    person = members_of(ONE)[0]["person"]
    assert head == "mail;all;none"
    quoted = json.dumps(person["name"]).replace('"', '\\"')
    assert first == f'{person["email"]};"{quoted}";""'

    export(api, flow(api, audience, columns=columns), ONE)
    _, first, *_ = (folder / f"bucket/out/Amazon-S3{ONE}.csv").read_text().splitlines()
    assert first == f'{person["email"]},"{quoted}",null'

    export(api, flow(api, audience, columns=columns, csvOptions={"quote": "", "delimiter": "|"}), ONE)
    _, first, *_ = (folder / f"bucket/out/Amazon-S3{ONE}.csv").read_text().splitlines()
    assert first == f"{person['email']}|{json.dumps(person['name'])}|null"


def test_csv_escapes_what_has_to_be_escaped() -> None:
    rows = [["C:\\x", 'say "x\\", or'], [True, "two\nlines"], ["", 1.5]]
    lines = ["a,b", 'C:\\x,"say \\"x\\\\\\", or"', 'true,"two', 'lines"', ",1.5", ""]
    assert FileFormat.of({}).encode(["a", "b"], rows).decode().split("\n") == lines


@pytest.mark.parametrize(
    ("place", "error"),
    [
        (
            {"fileType": "XML"},
            "params.fileType of the target connection is XML; the emulator writes CSV, JSON",
        ),
        (
            {"compression": "LZ4"},
            "params.compression of the target connection is LZ4; the emulator writes NONE",
        ),
    ],
)
def test_a_format_that_cannot_be_written_fails(
    api: Api, folder: Path, place: dict[str, str], error: str
) -> None:
    delivery = export(api, flow(api, add_audience(ONE), **place), ONE)
    assert (delivery["state"], delivery["attempts"]) == ("failed", 1)
    assert delivery["error"].startswith(error)
    assert written(folder) == set()


def test_the_selected_attributes_of_an_older_flow_are_its_columns(api: Api, folder: Path) -> None:
    spec = {"id": "4890fc95-5a1f-4983-94bb-e060c08e3f81", "version": "1.0"}
    auth = {"specName": "Access Key", "params": {"s3AccessKey": "AKIA", "s3SecretKey": "s"}}
    base = api.create("/connections", {"name": "s3", "connectionSpec": spec, "auth": auth})["id"]
    place = {"bucketName": "old", "path": "out"}
    target = {"name": "files", "baseConnectionId": base, "connectionSpec": spec, "params": place}
    source = {"name": "profiles", "connectionSpec": UNIFIED_PROFILE}
    body = {
        **api.flow_body(),
        "sourceConnectionIds": [api.create("/sourceConnections", source)["id"]],
        "targetConnectionIds": [api.create("/targetConnections", target)["id"]],
    }
    made = api.create("/flows", body)
    operations = [
        add_audience(ONE),
        add_attribute("person.name.firstName"),
        add_attribute("workEmail.address"),
    ]
    assert api.patch(f"/flows/{made['id']}", made["etag"], *operations).status_code == 200
    (name,) = export(api, made["id"], ONE)["files"]
    assert rows((folder / name).read_text()) == [
        {
            "person.name.firstName": each["person"]["name"]["firstName"],
            "workEmail.address": each["workEmail"]["address"],
        }
        for each in members_of(ONE)
    ]


def test_a_flow_that_maps_nothing_has_the_identities(api: Api, folder: Path) -> None:
    made = api.file_flow()
    api.patch(f"/flows/{made['id']}", made["etag"], add_audience(ONE))
    (name,) = export(api, made["id"], ONE)["files"]
    assert [each["ECID"] for each in rows((folder / name).read_text())] == [
        each["identityMap"]["ECID"] for each in members_of(ONE)
    ]


def test_streams_are_not_written_to_files(api: Api, folder: Path) -> None:
    made = api.flow()
    api.patch(f"/flows/{made['id']}", made["etag"], add_segment(ONE))
    assert api.control.deliveries(made["id"], wait=WAIT) == []
    assert written(folder) == set()


def test_the_command_has_an_option_for_each_output(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "airflow_provider_flowservice.emulator", "--port", "0"]
    folder = tmp_path / "exports"
    options = ["--event-hubs-endpoint", "http://127.0.0.1:1", "--export-dir", str(folder)]
    with subprocess.Popen([*command, *options], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "Flow Service emulator on" in process.stdout.readline()
        process.terminate()
        assert process.wait(timeout=30) == 0
    assert folder.is_dir()
    (tmp_path / "file").write_text("")
    for wrong, said in (
        (["--kinesis-endpoint", "nowhere"], "kinesis_endpoint must be a URL"),
        (["--event-hubs-endpoint", "nowhere"], "event_hubs_endpoint must be a URL"),
        (["--export-dir", str(tmp_path / "file")], "File exists"),
    ):
        done = subprocess.run([*command, *wrong], cwd=ROOT, capture_output=True, text=True, timeout=30)
        assert (done.returncode, done.stdout) == (1, "")
        assert said in done.stderr
        assert "Traceback" not in done.stderr
