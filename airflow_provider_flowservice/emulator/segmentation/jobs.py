"""Segment jobs, which evaluate segments (``/segment/jobs``).

Paths, bodies and names of states are documented. That a job takes the time of a flow run, and that pages are counted
like those of audiences, is a guess; how many jobs AEP allows at once is not published, so there is no limit here.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from airflow_provider_flowservice.emulator.gateway import AuthorizedCall, Call
from airflow_provider_flowservice.emulator.segmentation.errors import SegmentationError, invalid
from airflow_provider_flowservice.emulator.segmentation.routes import BASE_PATH, number, sandbox_of
from airflow_provider_flowservice.emulator.segmentation.store import Segment, SegmentStore
from airflow_provider_flowservice.emulator.settings import stable_uuid
from airflow_provider_flowservice.emulator.world import Store, World

_PATH = "/segment/jobs"
router = APIRouter(prefix=BASE_PATH)

_DEFAULT_LIMIT = 100
_MERGE_POLICY = stable_uuid("merge policy")
_SORTED_BY = ("creationTime", "updateTime")


@dataclass
class SegmentJob:
    """One evaluation of segments.

    :param created_at: milliseconds since the epoch, like ``ends_at``.
    :param is_cancelled: whether it was ended before its time.
    """

    segments: tuple[Segment, ...]
    created_at: int
    ends_at: int
    number: int
    is_cancelled: bool = False
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def status(self, now: int) -> str:
        """Return its state.

        :param now: milliseconds since the epoch.
        """
        if self.is_cancelled:
            return "CANCELLED"
        if now >= self.ends_at:
            return "SUCCEEDED"
        return "PROCESSING" if now > self.created_at else "NEW"


class JobStore(Store):
    """The segment jobs of one sandbox."""

    kept = (("_jobs", dict[str, SegmentJob]),)

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._jobs: dict[str, SegmentJob] = {}

    def create(self, segments: tuple[Segment, ...]) -> SegmentJob:
        """Start a job."""
        now = self.world.clock.now_ms()
        ends_at = now + self.world.switches.run_seconds * 1000
        job = SegmentJob(segments, now, ends_at, len(self._jobs) + 1)
        self._jobs[job.id] = job
        return job

    def find(self, job_id: object) -> SegmentJob | None:
        """Return a job, or None."""
        return self._jobs.get(job_id) if isinstance(job_id, str) else None

    def all(self) -> list[SegmentJob]:
        """Return every job, oldest first."""
        return list(self._jobs.values())


@router.get(_PATH)
async def list_jobs(call: AuthorizedCall) -> Response:
    """List segment jobs, the latest one first, by state or segment (``segments~segmentId==ID``)."""
    params = call.request.query_params
    jobs = [job for job in JobStore.of(call.sandbox).all() if _matches(job, call)]
    field_name, _, direction = params.get("sort", "creationTime:desc").partition(":")
    if field_name not in _SORTED_BY:
        raise SegmentationError(400, "113401", f"Jobs cannot be sorted by {field_name}")
    if direction.lower() != "asc":
        jobs.reverse()
    limit = number(params.get("limit"), default=_DEFAULT_LIMIT, minimum=1)
    start = number(params.get("start"), default=0)
    shown = jobs[start * limit : (start + 1) * limit]
    page: dict[str, Any] = {"totalCount": len(jobs), "pageSize": len(shown)}
    links: dict[str, Any] = {}
    if (start + 1) * limit < len(jobs):
        page["next"] = start + 1
        links["next"] = {"href": f"@{_PATH}?start={start + 1}&limit={limit}"}
    return JSONResponse({"_page": page, "children": [_shown(job, call) for job in shown], "_links": links})


@router.post(_PATH)
async def create_job(call: AuthorizedCall) -> Response:
    """Evaluate some segments."""
    body = await call.json([{"segmentId": str}], invalid)
    if not body:
        raise invalid("A list of segments is required")
    segments = []
    for entry in body:
        segment_id = entry.get("segmentId", "")
        segment = SegmentStore.of(call.sandbox).find(segment_id)
        if segment is None:
            raise invalid(f"Segment {segment_id} is not found")
        segments.append(segment)
    return JSONResponse(_shown(JobStore.of(call.sandbox).create(tuple(segments)), call))


@router.post(f"{_PATH}/bulk-get")
async def get_jobs(call: AuthorizedCall) -> Response:
    """Read several jobs, by id; those that do not exist are left out, which is a guess."""
    body = await call.json({"ids": [{"id": str}]}, invalid)
    if not body or "ids" not in body:
        raise invalid("ids is required and must be a list")
    store = JobStore.of(call.sandbox)
    found = (store.find(each.get("id")) for each in body["ids"])
    return JSONResponse({"results": {job.id: _shown(job, call) for job in found if job}}, 207)


@router.get(f"{_PATH}/{{job_id}}")
async def get_job(job_id: str, call: AuthorizedCall) -> Response:
    """Read one job."""
    return JSONResponse(_shown(_find(job_id, call), call))


@router.delete(f"{_PATH}/{{job_id}}")
async def cancel_job(job_id: str, call: AuthorizedCall) -> Response:
    """Cancel a job; one that has ended stays as it is, which is a guess."""
    job = _find(job_id, call)
    job.is_cancelled = job.is_cancelled or call.world.clock.now_ms() < job.ends_at
    return Response(status_code=204)


def _find(job_id: str, call: Call) -> SegmentJob:
    job = JobStore.of(call.sandbox).find(job_id)
    if job is None:
        raise SegmentationError(404, "113430", f"Segment job {job_id} is not found")
    return job


def _matches(job: SegmentJob, call: Call) -> bool:
    params = call.request.query_params
    if "status" in params and params["status"].upper() != job.status(call.world.clock.now_ms()):
        return False
    for expression in params.getlist("property"):
        path, _, wanted = expression.partition("==")
        if path != "segments~segmentId":
            raise SegmentationError(400, "113401", f"The property {expression} cannot be filtered by")
        if wanted not in (segment.id for segment in job.segments):
            return False
    # The emulator takes no snapshots, so that no job has the name of one.
    return "snapshot.name" not in params


def _shown(job: SegmentJob, call: Call) -> dict[str, Any]:
    now = call.world.clock.now_ms()
    updated = min(now, job.ends_at)
    path = f"{_PATH}/{job.id}"
    took = {
        "startTimeInMs": job.created_at,
        "endTimeInMs": updated,
        "totalTimeInMs": updated - job.created_at,
    }
    return {
        "id": job.id,
        "imsOrgId": call.world.settings.credential.org_id,
        "sandbox": sandbox_of(call),
        "profileInstanceId": "ups",
        "source": "api",
        "status": job.status(now),
        "computeJobId": job.number,
        "segments": [_evaluated(segment) for segment in job.segments],
        "schema": {"name": "_xdm.context.profile"},
        "metrics": {"totalTime": took, "profileSegmentationTime": took},
        "properties": {},
        "creationTime": job.created_at,
        "updateTime": updated,
        "updateEpoch": updated // 1000,
        "_links": {
            "cancel": {"href": path, "method": "DELETE"},
            "checkStatus": {"href": path, "method": "GET"},
        },
    }


def _evaluated(segment: Segment) -> dict[str, Any]:
    return {
        "segmentId": segment.id,
        "segment": {
            "id": segment.id,
            "expression": {"type": "PQL", "format": "pql/text", "value": segment.expression},
            "mergePolicyId": _MERGE_POLICY,
            "mergePolicy": {"id": _MERGE_POLICY, "version": 1},
        },
    }
