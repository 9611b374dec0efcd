"""Who may come in to the studio, and what goes out with every answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from counterface.apps.cli.studio import studio as command
from counterface.apps.studio.api import places
from counterface.apps.studio.doors import GUESSES, MOST_BODY, Doors
from counterface.apps.studio.server import create_app, guarded, serve
from counterface.apps.studio.settings import StudioConfig, given_token
from counterface.apps.studio.studio import Studio
from counterface.errors import ConfigError

TOKEN = "a secret that is long enough"
ORIGIN = "http://127.0.0.1:8377"


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    folder = tmp_path_factory.mktemp("doors")
    (folder / "lab").mkdir()
    studio = Studio(StudioConfig(root=(folder / "lab",), state=folder / "state"))
    yield guarded(create_app(studio), studio, TOKEN, 8377)
    studio.close()


@pytest.fixture
def client(doors: Doors) -> Iterator[TestClient]:
    """A browser that has not been let in."""
    doors._wrong.clear()
    with TestClient(doors, base_url=ORIGIN, follow_redirects=False) as client:
        yield client


@pytest.fixture
def inside(client: TestClient) -> TestClient:
    """A browser that has opened the address that was printed."""
    assert client.get("/", params={"token": TOKEN}).status_code == 303
    return client


def csrf(client: TestClient) -> dict[str, str]:
    return {"X-CSRF-Token": client.get("/api/v1/session").json()["csrf"], "Origin": ORIGIN}


def test_nobody_comes_in_without_the_token(client: TestClient) -> None:
    assert client.get("/").status_code == 401
    assert "?token=" in client.get("/").text
    for path in ("/api/v1/session", "/api/v1/files", "/static/js/app.js", "/api/v1/openapi.json"):
        assert client.get(path).status_code == 401
    assert client.get("/", params={"token": "a secret that is wrong"}).status_code == 403
    assert client.get("/api/v1/session").status_code == 401


def test_the_token_gives_a_session_that_scripts_and_other_pages_cannot_use(
    client: TestClient,
) -> None:
    answer = client.get("/", params={"token": TOKEN})
    assert answer.headers["location"] == "/"
    cookie = answer.headers["set-cookie"].lower()
    assert "samesite=strict" in cookie
    assert "httponly" in cookie
    assert client.get("/api/v1/session").status_code == 200
    value = client.cookies["counterface_session"]
    client.cookies.clear()
    for forged in (value[:-1] + ("0" if value[-1] != "0" else "1"), value.partition(".")[0], "."):
        cookie = {"Cookie": f"counterface_session={forged}"}
        assert client.get("/api/v1/session", headers=cookie).status_code == 401


def test_a_program_comes_in_with_the_token(client: TestClient) -> None:
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    assert client.get("/api/v1/session", headers=bearer).status_code == 200
    refused = client.post("/api/v1/jobs", json={"command": "nothing"}, headers=bearer)
    assert refused.status_code == 422
    assert client.get("/api/v1/session", headers={"Authorization": "Bearer x"}).status_code == 403


def test_guessing_is_slow(client: TestClient, doors: Doors) -> None:
    for _ in range(GUESSES):
        assert client.get("/", params={"token": "wrong wrong wrong"}).status_code == 403
    assert client.get("/", params={"token": TOKEN}).status_code == 403  # a minute's silence
    doors._wrong.clear()
    assert client.get("/", params={"token": TOKEN}).status_code == 303


@pytest.mark.parametrize(
    "host",
    ["evil.example:8377", "127.0.0.1.evil.example:8377", "localhost", "127.0.0.1:80", "", "::1"],
)
def test_a_name_that_was_made_to_point_here_is_refused(inside: TestClient, host: str) -> None:
    for path in ("/", "/api/v1/session", f"/?token={TOKEN}"):
        assert inside.get(path, headers={"Host": host}).status_code == 421


@pytest.mark.parametrize("host", ["127.0.0.1:8377", "localhost:8377", "[::1]:8377"])
def test_its_own_names_are_taken(inside: TestClient, host: str) -> None:
    cookie = f"counterface_session={inside.cookies['counterface_session']}"
    headers = {"Host": host, "Cookie": cookie}
    assert inside.get("/api/v1/session", headers=headers).status_code == 200


def test_a_change_needs_origin_and_csrf_token(inside: TestClient) -> None:
    body, right = {"command": "nothing"}, csrf(inside)
    wrong = (
        {},
        {"Origin": ORIGIN},
        {"X-CSRF-Token": right["X-CSRF-Token"]},
        {**right, "Origin": "http://evil.example"},
        {**right, "Origin": "null"},
        {**right, "Origin": "http://localhost:8377"},
        {**right, "X-CSRF-Token": "0" * 64},
    )
    for headers in wrong:
        assert inside.post("/api/v1/jobs", json=body, headers=headers).status_code == 403
    assert inside.post("/api/v1/jobs", json=body, headers=right).status_code == 422


def test_the_csrf_token_of_another_session_is_refused(inside: TestClient, doors: Doors) -> None:
    foreign = {"X-CSRF-Token": doors.csrf_token("0" * 32), "Origin": ORIGIN}
    refused = inside.post("/api/v1/jobs", json={"command": "x"}, headers=foreign)
    assert refused.status_code == 403


def test_every_answer_carries_the_policy(inside: TestClient) -> None:
    for path in ("/", "/api/v1/session", "/static/js/app.js", "/api/v1/nothing", "/static/../x"):
        headers = inside.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert not [name for name in headers if name.startswith("access-control")]


def test_no_other_origin_is_told_that_it_may_ask(inside: TestClient) -> None:
    headers = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    answer = inside.options("/api/v1/jobs", headers=headers)
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_a_large_request_is_refused(inside: TestClient) -> None:
    body = b'{"command": "' + b"x" * MOST_BODY + b'"}'
    refused = inside.post("/api/v1/jobs", content=body, headers=csrf(inside))
    assert refused.status_code == 413
    refused = inside.post("/api/v1/jobs", content=iter([body]), headers=csrf(inside))
    assert refused.status_code == 411  # of unknown length


def test_no_error_names_a_path_of_the_machine(
    inside: TestClient, doors: Doors, tmp_path: Path
) -> None:
    state = str(doors._app.state.studio.folder)  # type: ignore[attr-defined]
    right = csrf(inside)
    for place in ("lab/none.mp4", "nowhere/x", "lab/../../x", "/etc/passwd", "uploads", "jobs/x"):
        answers = (
            inside.get("/api/v1/files", params={"place": place}),
            inside.post("/api/v1/scans", json={"places": [place]}, headers=right),
        )
        for answer in answers:
            assert state not in answer.text
            assert str(Path(state).parent) not in answer.text
    for path in ("/api/v1/jobs/none", "/api/v1/scans/99", "/static/none.js", "/none"):
        assert inside.get(path).status_code == 404
        assert state not in inside.get(path).text


def test_an_address_that_others_reach_needs_a_token(tmp_path: Path) -> None:
    config = StudioConfig(host="192.0.2.1", state=tmp_path / "state", root=(tmp_path,))
    with pytest.raises(ConfigError, match="--token"):
        serve(config, print)
    with pytest.raises(ConfigError, match="choose another port"):
        serve(config.model_copy(update={"token": TOKEN}), print)  # no address of this machine


def test_the_token_may_stand_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\nwhat it is for\n")
    assert given_token(StudioConfig(token_file=file)) == TOKEN
    assert given_token(StudioConfig(token=TOKEN)) == TOKEN
    assert given_token(StudioConfig()) is None
    with pytest.raises(ConfigError, match="give one of them"):
        given_token(StudioConfig(token=TOKEN, token_file=file))
    for content in (b"", b"\n" + TOKEN.encode(), b"short", b"\xff" * 20):
        file.write_bytes(content)
        with pytest.raises(ConfigError, match=f"{file}: (its first line|cannot be read)"):
            given_token(StudioConfig(token_file=file))
    with pytest.raises(ConfigError, match="No such file"):
        given_token(StudioConfig(token_file=tmp_path / "none"))


def test_a_token_of_a_file_is_not_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    address = f"{ORIGIN}/?token=x"
    monkeypatch.setattr("counterface.apps.studio.server.serve", lambda _, ready: ready(address))
    command(config=StudioConfig(token_file=tmp_path / "token"), open_page=False)
    told = capsys.readouterr().out
    assert f"{ORIGIN}/\n" in told
    assert "token=x" not in told
    assert str(tmp_path / "token") in told
    command(config=StudioConfig(), open_page=False)
    assert address in capsys.readouterr().out


def test_nothing_is_measured_for_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTAPI_OTEL_AUTO_CONFIGURE", "true")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://192.0.2.1:4318")
    studio = Studio(StudioConfig(root=(tmp_path,), state=tmp_path / "state"))
    app = create_app(studio)
    switches = ("auto_configure", "tracing", "metrics", "logs", "operation_spans")
    assert {name: app._telemetry[name] for name in switches} == dict.fromkeys(switches, False)
    studio.close()


def test_uploads_that_come_too_quickly_are_refused(
    inside: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "BURST", 3)
    monkeypatch.setattr(places, "RATE", 0.01)
    right = csrf(inside) | {"Content-Type": "application/octet-stream"}
    answers = [
        inside.post("/api/v1/uploads", params={"name": "a.png"}, content=b"x", headers=right)
        for _ in range(4)
    ]
    assert [answer.status_code for answer in answers] == [201, 201, 201, 422]
    assert "too many; wait a little" in answers[-1].json()["error"]
