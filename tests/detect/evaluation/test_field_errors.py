"""The errors that published evaluations of detectors were found to make, and that ours does not.

Each test stands for one of them: methods that collapse because videos are grouped by their folder's
name, "spread" frames that are the first 32, a scheduler that is never stepped, a best epoch chosen
on the test set, a last batch that is dropped, files without a face scored 0.5, missing landmarks
turned into zeros, raw files reported as c23, and a list whose classes are the other way round.
"""

from __future__ import annotations

import itertools
import shutil
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import actors
import av
import numpy as np
import pytest
import torch
from drawn_faces import write_store
from drawn_scores import scored, some_scores, unscored
from scan_media import drawn_picture, empty_picture, tiny_config

from counterface.datasets.manifest import Entry, write_manifest
from counterface.datasets.readers.layout import load_reader
from counterface.detect.detector import BATCH, Detector
from counterface.detect.evaluate import evaluate_files, score_files
from counterface.detect.evaluation.cautions import find_cautions, split_cautions
from counterface.detect.evaluation.file_score import FileScore
from counterface.detect.evaluation.measure import measure_files
from counterface.detect.training.recipe import DataConfig, ModelChoice, TrainConfig
from counterface.detect.training.train import train_detector
from counterface.errors import DatasetError
from counterface.faces import look as look_module
from counterface.faces.face_search import FaceSearch
from counterface.learn.checkpoint import read_weights
from counterface.learn.loop import LoopConfig, train


def codes(scores: list[FileScore]) -> set[str]:
    return {notice.code for notice in find_cautions(scores, measure_files(scores, 0.5, rounds=200))}


# 1. Videos grouped by the name of their folder: four methods' videos fall into one.


@pytest.mark.slow
def test_videos_of_one_name_under_four_methods_stay_four_videos(tmp_path: Path):
    methods = ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures")
    items = [Entry(drawn_picture(tmp_path / "real.png", 1), 0, "talking", "youtube:033")]
    for number, method in enumerate(methods):
        folder = tmp_path / method / "033_097"
        folder.mkdir(parents=True)
        items.append(Entry(drawn_picture(folder / "033_097.png", number), 1, method, "youtube:033"))
    found = score_files(items, tiny_config(tmp_path))
    assert len({score.path for score in found}) == 5
    assert len({score.logit for score in found[1:]}) == 4  # each its own number, none their mean
    evaluation = evaluate_files(found, 0.5, rounds=100)
    assert (evaluation.real, evaluation.fake) == (1, 4)
    parts = {s.by: s.parts for s in evaluation.slices}["method"]
    assert [(part.name, part.real, part.fake) for part in parts] == [(m, 1, 1) for m in methods]
    assert {s.group for s in found} == {"source:youtube:033"}  # for intervals they are one


# 2. "32 evenly spread frames" that are frames 0 to 31.


def test_frames_are_spread_over_the_whole_clip(tmp_path: Path):
    drawn = actors.draw_clip((2,), 16, 320, 240)
    clip = actors.write_clip(tmp_path / "clip.mp4", drawn, Fraction(4))  # 4 seconds
    (score,) = score_files([Entry(clip, 1)], tiny_config(tmp_path, frames=8))
    times = np.array(score.frame_times_s)
    assert len(times) == len(score.frame_logits) == 8
    assert times.min() < 0.5
    assert times.max() > 3.4
    assert np.diff(times).max() < 2 * np.diff(times).min()


# 3. A scheduler that is built and never stepped.


def test_the_learning_rate_moves_with_every_step(tmp_path: Path):
    rates: list[float] = []

    class Line:
        """Fits a line; writes down the rate that each step is taken with."""

        def __init__(self) -> None:
            self.net = torch.nn.Linear(1, 1)
            self.optimizer = torch.optim.SGD(self.net.parameters(), lr=0.1)

        def modules(self) -> dict[str, torch.nn.Module]:
            return {"net": self.net}

        def optimizers(self) -> dict[str, torch.optim.Optimizer]:
            return {"net": self.optimizer}

        def losses(self, batch: Any, step: int, log: dict[str, Any]) -> Any:
            loss = ((self.net(batch["x"]) - 1) ** 2).mean()
            yield "net", loss
            rates.append(self.optimizer.param_groups[0]["lr"])

    class Points:
        def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
            return {"x": torch.full((1,), float(index % 3))}

    config = LoopConfig(steps=12, batch_size=2, warmup=3, tensorboard=False, device="cpu", seed=1)
    train(Line(), Points(), config, tmp_path / "run")
    assert len(rates) == 12
    assert rates[0] < rates[1] < rates[2]  # warm-up
    assert all(a > b for a, b in itertools.pairwise(rates[3:]))  # then down
    assert rates[-1] < 0.05 * max(rates)


# 4. The best epoch chosen on the test set.


@pytest.mark.slow
def test_labels_of_the_test_split_choose_nothing(tmp_path: Path):
    """With every test label turned round, the same step is best, with the same weights."""
    model = ModelChoice(
        name="frame_cnn",
        options={
            "backbone": "test_efficientnet", "width": 8, "stage": 1, "size": 32,
            "template": "face", "dropout": 0.0,
        },
    )  # fmt: skip
    loop = LoopConfig(
        steps=6, validate_every=2, batch_size=4, tensorboard=False, device="cpu", winograd=False
    )
    splits = ("train", "val", "test")
    honest, entries = write_store(tmp_path / "honest", real=6, fake=6, splits=splits)
    turned = Path(shutil.copytree(honest, tmp_path / "turned"))
    other = [
        Entry(
            e.path, 1 - e.label if e.split == "test" else e.label, e.method,
            identities=e.identities, split=e.split, licence=e.licence, sha256=e.sha256,
        )
        for e in entries
    ]  # fmt: skip
    assert other != entries
    write_manifest(other, turned / "manifest.parquet")
    results = [
        train_detector(
            TrainConfig(
                out=tmp_path / f"run_{store.name}", model=model, loop=loop,
                data=DataConfig(faces=store),
            )
        )
        for store in (honest, turned)
    ]  # fmt: skip
    one, two = (read_weights(result.weights)[0]["net"] for result in results)
    assert results[0].best_step == results[1].best_step
    assert results[0].best_step is not None
    assert all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.slow
def test_the_threshold_is_the_detectors_own_whatever_the_test_labels_are():
    scores = some_scores()
    turned = [s.model_copy(update={"label": 1 - s.label}) for s in scores]
    one, two = (evaluate_files(s, 0.5, rounds=100) for s in (scores, turned))
    assert one.threshold == two.threshold
    assert [s.verdict for s in one.files] == [s.verdict for s in two.files]
    assert two.metrics["accuracy"] == pytest.approx(1 - one.metrics["accuracy"])


def test_files_that_share_people_with_the_train_split_are_named():
    entries = [Entry(Path(f"{i}.mp4"), i % 2, identities=(f"p{i // 2}",)) for i in range(8)]
    entries = [
        Entry(e.path, e.label, identities=e.identities, split="train" if i < 3 else "test")
        for i, e in enumerate(entries)
    ]
    test = [e for e in entries if e.split == "test"]
    (notice,) = split_cautions(entries, test)
    assert notice.code == "leak"
    assert notice.text.startswith("1 of 5 measured files")
    assert {n.code for n in split_cautions(entries, entries)} == {"not_test"}


# 5. The last batch, smaller than the others, dropped.


@pytest.mark.parametrize("count", [1, BATCH - 1, BATCH, BATCH + 1, 3 * BATCH + 2])
def test_every_crop_of_every_batch_is_scored(tmp_path: Path, count: int):
    detector = Detector.load(tiny_config(tmp_path).detector)
    size = detector.info.size
    rng = np.random.default_rng(0)
    crops = rng.integers(0, 256, (count, size, size, 3), dtype=np.uint8)
    logits, maps = detector.score(crops)
    assert len(logits) == len(maps) == count
    alone = [float(detector.score(crop[None])[0][0]) for crop in crops]
    assert logits == pytest.approx(alone, abs=1e-5)


@pytest.mark.slow
def test_every_file_and_frame_is_in_the_numbers():
    for count in (2, 6, 18, 40):
        scores = some_scores(count)
        found = evaluate_files(scores, 0.5, rounds=100)
        assert found.real + found.fake == count
        assert found.frame is not None
        assert found.frame.real + found.frame.fake == 2 * count


# 6. Files without a face scored 0.5.


def test_a_file_without_a_face_has_no_score_and_is_counted(tmp_path: Path):
    items = [
        Entry(drawn_picture(tmp_path / "face.png"), 0),
        Entry(empty_picture(tmp_path / "empty.png"), 1),
    ]
    face, empty = score_files(items, tiny_config(tmp_path))
    assert face.probability is not None
    assert (empty.probability, empty.logit, empty.frame_logits) == (None, None, ())
    with_it = evaluate_files([*some_scores(), empty], 0.5, rounds=100)
    without = evaluate_files(some_scores(), 0.5, rounds=100)
    assert with_it.metrics == without.metrics
    assert with_it.not_scored == with_it.abstentions.no_face == 1
    assert {o.verdict: o.fake for o in with_it.outcomes}["no_face"] == 1
    assert "not_scored" in {c.code for c in with_it.cautions}
    low, high = with_it.auc_bounds or (1.0, 0.0)
    assert low < without.metrics["auc"] < high


def test_leaving_out_more_of_one_class_than_of_the_other_is_said():
    fair = [*some_scores(), *(unscored(i % 2, path=f"{i}.mp4") for i in range(10))]
    unfair = [*some_scores(), *(unscored(1, path=f"{i}.mp4") for i in range(10))]
    assert "uneven" in codes(unfair)
    assert "uneven" not in codes(fair)


# 7. Missing landmarks turned into zeros.


def test_a_face_without_landmarks_is_never_aligned_nor_scored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    find = FaceSearch.find

    def lose_landmarks(search: FaceSearch, *given: Any) -> Any:
        return [replace(face, landmarks=None) for face in find(search, *given)]

    monkeypatch.setattr(FaceSearch, "find", lose_landmarks)
    aligned: list[Any] = []
    monkeypatch.setattr(look_module, "align", lambda *given: aligned.append(given))
    (score,) = score_files([Entry(drawn_picture(tmp_path / "a.png"), 1)], tiny_config(tmp_path))
    assert aligned == []
    assert (score.logit, score.probability, score.verdict) == (None, None, "inconclusive")
    found = evaluate_files([*some_scores(), score], 0.5, rounds=100)
    assert found.abstentions.no_number == 1
    assert found.metrics == evaluate_files(some_scores(), 0.5, rounds=100).metrics


# 8. Raw data reported as c23.


def encoded(path: Path, crf: int) -> Path:
    """A drawn clip with grain, H.264 at a rate factor."""
    frames = [item.frame.image for item in actors.draw_clip([1], 6, 240, 180)]
    rng = np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        options = {"crf": str(crf), "threads": "1"}
        stream = container.add_stream("libx264", rate=24, options=options)
        stream.width, stream.height, stream.pix_fmt = 240, 180, "yuv420p"
        for image in frames:
            noisy = np.clip(image + rng.normal(0, 3, image.shape), 0, 255).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(noisy)))
        container.mux(stream.encode(None))
    return path


@pytest.mark.slow
def test_a_compression_that_the_file_contradicts_is_said(tmp_path: Path):
    names = {1: "raw", 23: "c23", 40: "c40"}
    items = [Entry(encoded(tmp_path / f"{crf}.mp4", crf), 1) for crf in names]
    scores = score_files(items, tiny_config(tmp_path, frames=2))

    def found(said: dict[int, str]) -> set[str]:
        pairs = zip(scores, said.values(), strict=True)
        return codes([score.model_copy(update={"compression": name}) for score, name in pairs])

    assert "compression" not in found(names)
    assert "compression" in found(names | {1: "c23"})
    assert "compression" in found(names | {23: "raw"})
    assert "compression" in found(names | {40: "c23"})


# 9. The class order inverted in a list: Celeb-DF writes 1 for real.


def test_celeb_dfs_list_is_read_the_right_way_round(tmp_path: Path):
    files = (
        "Celeb-real/id0_0005.mp4",
        "YouTube-real/00012.mp4",
        "Celeb-synthesis/id0_id1_0005.mp4",
    )
    for name in files:
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(b"a video")
    listed = tmp_path / "List_of_testing_videos.txt"
    listed.write_text("".join(f"{int('real' in name)} {name}\n" for name in files))
    labels = {e.path.parent.name: e.label for e in load_reader("celeb_df").read(tmp_path)}
    assert labels == {"Celeb-real": 0, "YouTube-real": 0, "Celeb-synthesis": 1}
    listed.write_text("".join(f"{int('real' not in name)} {name}\n" for name in files))
    with pytest.raises(DatasetError):
        load_reader("celeb_df").read(tmp_path)


@pytest.mark.slow
def test_classes_that_look_inverted_are_said_and_chance_is_not():
    good = some_scores(80, 2.5)
    inverted = [s.model_copy(update={"label": 1 - s.label}) for s in good]
    assert "inverted" in codes(inverted)
    assert "inverted" not in codes(good)
    assert "inverted" not in codes(some_scores(80, -0.1, seed=4))  # a little under 0.5 is chance


# And the shortcut that hides behind many good numbers.


def test_a_resolution_that_tells_the_classes_apart_is_said():
    def sized(fake: int, real: int) -> list[FileScore]:
        return [
            scored(i % 2, float(i % 2), f"p{i}", width=fake if i % 2 else real, height=256)
            for i in range(60)
        ]

    assert "shortcut" in codes(sized(256, 512))
    assert "shortcut" not in codes(sized(256, 512)[:7])  # of seven files that is chance
    assert "shortcut" in codes(sized(512, 256))
    assert "shortcut" not in codes(sized(256, 256))


def test_one_class_alone_is_told_with_the_reason():
    fakes = [scored(1, 1.0 + n, f"person:{n}", f"{n}.mp4") for n in range(8)]
    lost = unscored(0)
    for scores, says in (
        (fakes, "Scores of fakes alone: the AUC"),
        ([*fakes, lost], "Scores of fakes alone, though 1 of the other class are listed"),
        ([lost], "Scores of no file: the AUC"),
    ):
        notices = find_cautions(scores, measure_files(scores, 0.5, rounds=200))
        (told,) = [notice.text for notice in notices if notice.code == "one_class"]
        assert told.startswith(says)
