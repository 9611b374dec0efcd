"""Training on speech: what is drawn, that it learns, and that the file says the same."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from counterface.datasets.manifest import Entry, write_manifest  # noqa: E402
from counterface.detect.sound import lfcc  # noqa: E402
from counterface.detect.synthetic_speech import training  # noqa: E402
from counterface.detect.synthetic_speech.net import SpeechNetConfig, build_net  # noqa: E402
from counterface.detect.synthetic_speech.pieces import COLUMNS, PIECE, SpeechFile  # noqa: E402
from counterface.detect.synthetic_speech.training import (  # noqa: E402
    SpeechConfig,
    SpeechData,
    Voice,
    VoiceExamples,
    export_speech,
    load_net,
    score_voices,
    train_speech,
    train_voices,
)
from counterface.errors import TrainingError  # noqa: E402
from counterface.learn.run import LoopConfig  # noqa: E402

NETWORKS = ("delay_net", "light_cnn")


def voice(number: int, label: int, method: str = "", speaker: str = "ann") -> Voice:
    """Rows of chance; those of synthetic speech swing in one column."""
    rng = np.random.default_rng(number)
    rows = rng.normal(0, 1, (300, COLUMNS))
    if label:
        rows[:, 7] += 3 * np.sin(np.arange(300))
    return Voice(f"{number}", label, method, speaker, (rows.astype(np.float16),))


def voices(count: int = 6) -> list[Voice]:
    return [voice(n, n % 2, "buzz" if n % 2 else "") for n in range(count)]


def config(steps: int = 40, name: Any = "delay_net") -> SpeechConfig:
    loop = LoopConfig(steps=steps, batch_size=8, tensorboard=False, device="cpu", log_every=10)
    return SpeechConfig(model=SpeechNetConfig(name=name, width=8, dropout=0), lr=5e-3, loop=loop)


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_it_learns_a_trace_and_the_file_says_the_same(name: Any, tmp_path: Path) -> None:
    run = train_voices(config(80, name), voices(40), tmp_path / "run")
    fresh = [voice(n, n % 2) for n in range(100, 110)]
    net = load_net(run.weights)[0]
    said = score_voices(net, fresh)
    assert min(said[1::2]) > max(said[0::2])

    info = export_speech(run.weights, tmp_path / "own.onnx", name="own")
    file = SpeechFile(tmp_path / "own.onnx")
    assert file.info == info
    assert info.card["synthetic"] == {"buzz": 20}
    rows = np.stack([item.copies[0][:PIECE] for item in fresh]).astype(np.float32)
    with torch.no_grad():
        wanted = net(torch.from_numpy(rows)).numpy()
    assert file.logits(rows) == pytest.approx(wanted, abs=1e-3)


@pytest.mark.parametrize("name", NETWORKS)
def test_level_and_microphone_change_nothing(name: Any) -> None:
    net = build_net(SpeechNetConfig(name=name)).eval()
    rows = torch.randn(2, PIECE, COLUMNS)
    with torch.no_grad():
        moved = rows.clone()
        moved[..., : lfcc.COLUMNS] += torch.randn(lfcc.COLUMNS)
        assert torch.allclose(net(rows), net(moved), atol=1e-4)


@pytest.mark.slow
def test_classes_come_in_turn_and_programs_and_speakers_evenly() -> None:
    many = [voice(n, 1, "loud") for n in range(20)] + [voice(50, 1, "rare")]
    many += [voice(n, 0, speaker="ann") for n in range(60, 80)] + [voice(90, 0, speaker="bob")]
    examples = VoiceExamples(many, seed=0)
    labels = [float(examples[n][1]) for n in range(10)]
    assert labels == [0, 1] * 5
    names = {item.copies[0].tobytes(): item for item in many}
    assert len(names) == len(many)
    drawn = Counter()
    for n in range(400):
        rows, label = examples[n]
        key = next(
            item.method if label else item.speaker
            for item in many
            if item.label == label and (item.copies[0].astype(np.float32) == rows[0]).all(1).any()
        )
        drawn[key] += 1
    for key in ("loud", "rare", "ann", "bob"):
        assert drawn[key] == pytest.approx(100, abs=40)
    assert np.array_equal(examples[3][0], examples[3][0])


def test_one_class_alone_and_no_manifest_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no real file"):
        VoiceExamples([voice(1, 1, "buzz")], 0)
    with pytest.raises(TrainingError, match="no fake file"):
        VoiceExamples([voice(0, 0)], 0)
    with pytest.raises(TrainingError, match="--manifest"):
        train_speech(config())


def test_the_splits_val_and_test_are_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def read_voice(entry: Entry, ways: int) -> str:
        read.append(entry.path.name)
        return "0.2 s of speech are under 1 s"

    monkeypatch.setattr(training, "read_voice", read_voice)
    entries = [
        Entry(tmp_path / f"{s or 'none'}.wav", 0, split=s) for s in ("train", "val", "test", "")
    ]
    write_manifest(entries, tmp_path / "speech.csv")
    whole = config().model_copy(update={"data": SpeechData(manifest=tmp_path / "speech.csv")})
    with pytest.raises(TrainingError, match="no real file"):
        train_speech(whole)
    assert sorted(read) == ["none.wav", "train.wav"]
