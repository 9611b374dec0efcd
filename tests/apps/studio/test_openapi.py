"""The interface for programs, asked what nobody would ask: every operation that its schema names.

The application runs in this process, behind its doors and without the process of the jobs: what is
asked for waits, and nothing is run. An operation that a new router brings is asked like the others.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from actors import Expression, draw_actor
from hypothesis import HealthCheck, given, settings
from schemathesis import checks
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from counterface.apps.studio.history import keep_result
from counterface.apps.studio.server import create_app, guarded
from counterface.apps.studio.settings import StudioConfig
from counterface.apps.studio.store import NewJob
from counterface.apps.studio.studio import Studio
from counterface.media.image import write_image
from counterface.types import Pose

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
TOKEN = "a secret of the tests, long enough"
PORT = 8377
EXAMPLES = 40
NOT_ASKED = {  # with the reason
    "/api/v1/events": "it does not end; test_studio_jobs.py reads it",
}
NOT_MATCHED = {  # answers that are not compared with their schema, with the reason
    "/api/v1/detectors/card": "schemathesis takes the pairs of the card (prefixItems) for a fault",
}
PLACES = ("lab", "lab/face.png", "lab/notes.txt", "lab/none.png", "uploads", "lab/../..", "lab/\0")
NUMBERS = ("1", "2", "0000000000000001", "-1", str(2**63), "..", "%2e%2e")


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """A studio with a picture, a job that waits and one scan in the history."""
    folder = tmp_path_factory.mktemp("openapi")
    lab = folder / "lab"
    lab.mkdir()
    write_image(lab / "face.png", draw_actor(3, Pose(0, 0, 0), Expression(), 96).image)
    (lab / "notes.txt").write_text("no picture")
    (lab / "link").symlink_to("/etc")
    config = StudioConfig(root=(lab,), state=folder / "state", start_jobs=False, upload_mb=1)
    studio = Studio(config)
    words = ["scan", "--json", "--", str(lab / "face.png")]
    job = studio.store.add_jobs([NewJob("scan", "lab/face.png", words, "0000000000000001")])[0]
    out = studio.store.folder_of(job.id)
    out.mkdir()
    file = {"path": str(lab / "face.png"), "name": "face.png", "sha256": "0" * 64}
    (out / "result.jsonl").write_text(json.dumps({"file": file, "verdict": "no_face_found"}))
    (out / "report.html").write_text(f"<title>{lab / 'face.png'}</title>")
    keep_result(studio.store, job)
    yield studio
    studio.close()


@pytest.fixture(scope="module")
def api(studio: Studio) -> Any:
    """The schema of the interface, with what is sent to it."""
    app = guarded(create_app(studio), studio, TOKEN, PORT)
    schema = schemathesis.openapi.from_asgi("/api/v1/openapi.json", app, headers=_let_in())

    @schema.hook("map_query")
    def query(_context: Any, value: Any) -> Any:
        return _with_known(value)

    @schema.hook("map_body")
    def body(_context: Any, value: Any) -> Any:
        return _with_known(value)

    @schema.hook("map_path_parameters")
    def path_parameters(_context: Any, value: Any) -> Any:
        return _with_known(value)

    return schema


def test_every_operation_answers_whatever_it_is_asked(api: Any, studio: Studio) -> None:
    hidden = [str(path) for path in (studio.folder, *studio.places.roots.values())]
    faults = {}
    for found in api.exclude(path=list(NOT_ASKED)).get_all_operations():
        operation = found.ok()
        try:
            ask(operation, hidden)
        except (Exception, BaseExceptionGroup) as fault:  # noqa: BLE001  (the next is asked, too)
            faults[operation.label] = fault
    assert not faults, "\n\n".join(f"{label}: {fault!r}" for label, fault in faults.items())


def ask(operation: Any, hidden: list[str]) -> None:
    """Ask one operation many things, and look at what it answers."""

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def asked(case: Any) -> None:
        answer = case.call(headers=_let_in(), timeout=300)  # on a busy machine, too
        case.validate_response(
            answer,
            checks=[
                checks.not_a_server_error,
                status_code_conformance,
                content_type_conformance,
                *([] if operation.path in NOT_MATCHED else [response_schema_conformance]),
            ],
        )
        if answer.status_code >= 400:
            assert set(answer.json()) == {"error"}
            assert answer.json()["error"]
        for path in hidden:
            assert path.encode() not in answer.content, case.as_curl_command()

    asked()


def test_what_is_not_asked_is_there(api: Any) -> None:
    assert NOT_ASKED.keys() | NOT_MATCHED.keys() <= set(api.raw_schema["paths"])


def _let_in() -> dict[str, str]:
    return {"Authorization": f"Bearer {TOKEN}", "Host": f"127.0.0.1:{PORT}"}


def _with_known(value: Any) -> Any:
    """The value with names that mean something in about half of its texts."""
    if not isinstance(value, dict):
        return value
    return {key: _known(key, one) for key, one in value.items()}


def _known(key: str, value: Any) -> Any:
    rng = random.Random(f"{key} {value!r}")  # the same for the same: failures can be shown again
    if rng.random() < 0.5:
        return value
    if isinstance(value, list) and key in ("places", "arguments"):
        return [rng.choice(PLACES)]
    if key in ("number", "job", "scan"):
        return rng.choice(NUMBERS)
    if key == "command":
        return rng.choice(("scan", "faceset info", "provenance verify"))
    return rng.choice(PLACES) if isinstance(value, str) else value
