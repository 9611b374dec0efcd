"""A job is shown while its command writes, and after its process died in the middle of a line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the studio is not installed: counterface[web]")

from fastapi.testclient import TestClient

from counterface.apps.studio.server import create_app
from counterface.apps.studio.settings import StudioConfig
from counterface.apps.studio.store import Job
from counterface.apps.studio.studio import Studio


def test_results_are_given_once_the_command_has_ended(
    tmp_path: Path, no_home_of_the_user: None
) -> None:
    studio = Studio(StudioConfig(state=tmp_path / "state", root=(tmp_path,)))
    client: Any = TestClient(create_app(studio), raise_server_exceptions=False)
    job = Job(id="one", name="scan", title="clip.mp4", words=["scan", "--json"], change=1)
    job.state, job.created = "waiting", 1.0
    with studio.store.session() as session:
        session.add(job)
    written = studio.store.folder_of(job.id) / "result.jsonl"
    written.parent.mkdir(parents=True)

    def shown() -> Any:
        answer = client.get(f"/api/v1/jobs/{job.id}")
        assert answer.status_code == 200
        return answer.json()["results"]

    studio.store.claim(job.id)
    written.write_text('{"a": 1}\n{"a": "in the mid')
    assert shown() == []
    studio.store.change(job.id, state="failed", ended=1.0, code=None)  # its process died
    assert shown() == []
    written.write_text('{"a": 1}\n{"a": 2}\n')
    studio.store.change(job.id, state="done", ended=1.0, code=0)
    assert shown() == [{"a": 1}, {"a": 2}]
    studio.close()
