"""A run that is killed and started again has the losses of one that was not: bit for bit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from learn import toy_task
from learn.toy_task import CONFIG, Points, ToyTask

from counterface.errors import TrainingError
from counterface.learn.checkpoint import checkpoints, read_checkpoint
from counterface.learn.loop import train
from counterface.learn.run_log import read_log

EXACT = ("step", "kind", "loss", "accuracy", "norm", "lr_factor")


def history(out: Path) -> list[list[object]]:
    return [[row.get(key) for key in EXACT] for row in read_log(out)]


def start(out: Path, seconds_per_step: float, workers: int = 0) -> subprocess.Popen[bytes]:
    arguments = [str(out), str(seconds_per_step), str(workers)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, toy_task.__file__, *arguments], env=environment)


def wait_for_step(out: Path, step: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if (out / "log.jsonl").exists() and any(int(r["step"]) >= step for r in read_log(out)):
            return
        assert process.poll() is None, "the run ended by itself"
        time.sleep(0.02)
    raise AssertionError(f"step {step} not reached in 120 s")


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("uninterrupted")
    torch.manual_seed(0)
    assert train(ToyTask(), Points(), CONFIG, out).stopped == "finished"
    return out


def assert_same_run(out: Path, reference: Path) -> None:
    assert history(out) == history(reference)
    ours, theirs = checkpoints(out / "checkpoints")[-1], checkpoints(reference / "checkpoints")[-1]
    a, b = read_checkpoint(ours), read_checkpoint(theirs)
    assert a.tensors.keys() == b.tensors.keys()
    assert all(torch.equal(a.tensors[name], b.tensors[name]) for name in a.tensors)
    assert a.record["state"] == b.record["state"]
    for name in ("best.safetensors", "last.safetensors"):
        assert (out / name).read_bytes() == (reference / name).read_bytes()


@pytest.mark.slow
def test_kill_9_and_restart(tmp_path: Path, uninterrupted: Path) -> None:
    process = start(tmp_path, seconds_per_step=0.03)
    wait_for_step(tmp_path, 33, process)  # checkpoints lie at 14 and 28: steps 29... are lost
    process.send_signal(signal.SIGKILL)
    process.wait()
    reached = max(int(row["step"]) for row in read_log(tmp_path))
    assert 33 <= reached < 60
    saved = read_checkpoint(checkpoints(tmp_path / "checkpoints")[-1]).step
    assert saved < reached
    again = start(tmp_path, 0.0, workers=2)  # the number of workers does not matter either
    assert again.wait(timeout=120) == 0
    assert_same_run(tmp_path, uninterrupted)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_leaves_a_checkpoint(
    tmp_path: Path, uninterrupted: Path, number: signal.Signals
) -> None:
    class Interrupted(ToyTask):
        def losses(self, batch, step, log):  # type: ignore[no-untyped-def]
            if step == 20:
                os.kill(os.getpid(), number)
            yield from super().losses(batch, step, log)

    before = signal.getsignal(number)
    torch.manual_seed(0)
    result = train(Interrupted(), Points(), CONFIG, tmp_path)
    assert (result.stopped, result.step) == ("signal", 21)
    assert read_checkpoint(result.checkpoint).step == 21
    assert signal.getsignal(number) is before
    torch.manual_seed(99)  # another start is overwritten by the checkpoint
    assert train(ToyTask(), Points(), CONFIG, tmp_path).stopped == "finished"
    assert_same_run(tmp_path, uninterrupted)


def test_a_second_signal_insists(tmp_path: Path) -> None:
    class Impatient(ToyTask):
        def losses(self, batch, step, log):  # type: ignore[no-untyped-def]
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
            yield from super().losses(batch, step, log)

    with pytest.raises(KeyboardInterrupt):
        train(Impatient(), Points(), CONFIG, tmp_path)


def test_a_run_cut_within_a_log_line_continues(tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"log_every": 10, "steps": 40})
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    torch.manual_seed(0)
    train(ToyTask(), Points(), config, whole)

    class Fails(ToyTask):
        def losses(self, batch, step, log):  # type: ignore[no-untyped-def]
            if step == 33:
                raise OSError("a picture vanished")
            yield from super().losses(batch, step, log)

    torch.manual_seed(0)
    with pytest.raises(OSError, match="vanished"):
        train(Fails(), Points(), config, cut)  # the checkpoint at 28 lies within the line 21..30
    with (cut / "log.jsonl").open("a") as file:
        file.write('{"kind": "train", "st')  # as a power cut leaves it
    train(ToyTask(), Points(), config, cut)
    assert_same_run(cut, whole)
    assert len(read_log(cut)) == len((cut / "log.jsonl").read_text().splitlines())


@pytest.mark.parametrize("name", ["checkpoints", "backups"])
def test_a_link_in_a_run_deletes_nothing_elsewhere(tmp_path: Path, name: str) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    kept = theirs / "step-00000001.safetensors"
    kept.write_bytes(b"of another run")
    run = tmp_path / "run"
    run.mkdir()
    (run / name).symlink_to(theirs)
    with pytest.raises(TrainingError, match=f"{name} is a link to .*theirs"):
        train(ToyTask(), Points(), CONFIG, run)
    assert kept.read_bytes() == b"of another run"


@pytest.mark.slow
def test_a_second_process_in_the_same_run_is_refused(tmp_path: Path) -> None:
    first = start(tmp_path, 0.2)
    try:
        wait_for_step(tmp_path, 1, first)
        before = (tmp_path / "log.jsonl").read_bytes()
        with pytest.raises(TrainingError, match="is being written by another process"):
            train(ToyTask(), Points(), CONFIG, tmp_path)
        assert (tmp_path / "log.jsonl").read_bytes().startswith(before)
    finally:
        first.kill()
        first.wait()
    assert train(ToyTask(), Points(), CONFIG, tmp_path).stopped == "finished"
