"""A kill between any two steps on disk leaves nothing that the next call does not clear."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
import test_nothing_leaves
from killed import disk_steps, left_behind
from test_nothing_leaves import COMMANDS, words_of

from counterface.apps.cli.main import main
from counterface.files import replacing, sweep
from counterface.provenance.mark import Marker
from counterface.provenance.record import MadeInput, MadeOutput, MadeRecord
from counterface.provenance.verify import verify_file

desk = test_nothing_leaves.desk  # a folder with all that the commands need

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks, to kill what it forked")


def test_what_replaces_a_file_is_there_whole_and_alone_or_not_at_all(tmp_path: Path):
    target = tmp_path / "out" / "a.bin"
    target.parent.mkdir()

    def write() -> None:
        with replacing(target) as path:
            path.write_bytes(b"whole")
            path.with_name("beside").write_bytes(b"a library's own")

    steps = disk_steps(write, tmp_path)
    assert len(steps) > 5
    for number in range(len(steps)):
        target.unlink(missing_ok=True)
        disk_steps(write, tmp_path, number)
        if target.exists():
            assert target.read_bytes() == b"whole"
            assert left_behind(tmp_path) == []
        sweep(target.parent)  # as the next process does that writes there
        assert left_behind(tmp_path) == []


@pytest.mark.slow
def test_a_signed_picture_is_there_with_all_its_marks_or_not_at_all(tmp_path: Path):
    image = np.random.default_rng(5).integers(0, 256, (128, 128, 3), np.uint8)
    out, marker = tmp_path / "out" / "a.png", Marker()
    out.parent.mkdir()
    made = MadeInput(role="target", name="b.png", sha256="0" * 64)
    record = MadeRecord(output=MadeOutput(name=out.name), inputs=(made,))

    def mark() -> None:
        marker.finish_image(image, out, record)

    steps = disk_steps(mark, tmp_path)
    assert left_behind(tmp_path) == []
    moved = next(n for n, step in enumerate(steps) if "rename" in step and step.endswith("a.png')"))
    for number in (moved, moved + 1):
        for path in out.parent.iterdir():
            path.unlink()
        disk_steps(mark, tmp_path, number)
        assert out.exists() == (number > moved)
        if out.exists():
            assert left_behind(tmp_path) == []
            assert verify_file(out).record.state == "agrees"


def test_a_second_name_of_the_private_key_is_cleared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("COUNTERFACE_HOME", str(tmp_path / "home"))
    steps = disk_steps(Marker, tmp_path)
    linked = next(n for n, step in enumerate(steps) if step.startswith("os.link"))
    for path in (tmp_path / "home").iterdir():
        path.unlink()
    disk_steps(Marker, tmp_path, linked + 1)
    assert len(left_behind(tmp_path)) == 1
    disk_steps(Marker, tmp_path)
    assert left_behind(tmp_path) == []


WRITERS = (
    "scan",
    "faceset",
    "provenance",
    "swap train",
    "swap convert",
    "swap preview",
    "dataset",
    "detect train",
    "detect export",
    "detect fit",
)


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_commands_killed_again_and_again_leave_what_unkilled_ones_do(
    desk: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Each is killed at random steps, every time that it is run again, until it gets through."""
    import matplotlib.backends.backend_agg  # noqa: F401  (all once here, not after each fork)

    import counterface.builds.build
    import counterface.detect.training.fit
    import counterface.swap.training.picture  # noqa: F401

    whole, killed = desk[0], tmp_path / "killed"
    shutil.copytree(whole, killed)
    rng = random.Random(7)
    for command in (command for command in COMMANDS if command.startswith(WRITERS)):
        for folder, most_kills in ((whole, 0), (killed, 8)):
            monkeypatch.chdir(folder)
            monkeypatch.setenv("COUNTERFACE_HOME", str(folder / "own"))

            def run(command: str = command) -> None:
                code = main(words_of(command))
                assert code == 0, f"{command}: exit code {code}"

            for _ in range(most_kills):
                number = rng.randrange(3, 40)
                if len(disk_steps(run, folder, number)) <= number:
                    break
            else:
                disk_steps(run, folder)
        assert left_behind(killed) == [], command
        assert _names(killed) == _names(whole), command


def _names(folder: Path) -> set[str]:
    """Files and folders below a folder, but those named by the time or by where the folder is."""
    found = (str(path.relative_to(folder)) for path in folder.rglob("*"))
    return {name for name in found if "tfevents" not in name and "statistics/" not in name}
