"""Segmenters are learnt from crops and masks that nobody can tell apart from true ones."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from actors import Expression, draw_actor

from counterface.errors import FacesetError, TrainingError
from counterface.faces.align import crop_matrix, warp_image
from counterface.faces.own_process import OwnProcess
from counterface.faces.segment import SegmenterInfo, XSeg, load_segmenter
from counterface.faceset.commits import CommitWriter
from counterface.faceset.masks.apply import ApplyConfig, apply_masks
from counterface.faceset.masks.exchange import import_masks
from counterface.faceset.store import Faceset, merge
from counterface.files import locked
from counterface.learn.segment.examples import Augment, Labelled, SegmentExamples, moved
from counterface.learn.segment.export import export_segmenter
from counterface.learn.segment.occluders import KINDS, occlude
from counterface.learn.segment.small_net import SmallNet
from counterface.learn.segment.task import SegmentTask, overlap
from counterface.learn.segment.train_mask import MaskTrainConfig, train_mask
from counterface.learn.segment.xseg_net import XSegNet
from counterface.media.image import write_image
from counterface.types import Image, Pose

SIDE = 64


def drawn(number: int, size: int = SIDE) -> tuple[Image, Image]:
    """A crop of an actor and its exact mask, uint8."""
    rng = np.random.default_rng(number)
    pose = Pose(*(rng.uniform(-1, 1, 3) * [15, 8, 5]))
    actor = draw_actor(number, pose, Expression(mouth_open=float(rng.uniform(0, 0.6))), 160)
    matrix = crop_matrix(actor.landmarks, "whole_face", size)
    mask = np.repeat((actor.mask * 255).astype(np.uint8)[..., None], 3, axis=2)
    return warp_image(actor.image, matrix, size), warp_image(mask, matrix, size, "grey")[..., 0]


def labelled(count: int) -> Labelled:
    pairs = [drawn(number) for number in range(count)]
    return Labelled([p for p, _ in pairs], [m for _, m in pairs], "whole_face")


@pytest.mark.parametrize("kind", KINDS)
def test_a_thing_covers_exactly_what_its_mask_says(kind: str) -> None:
    picture = np.full((96, 96, 3), 120, np.uint8)
    mask = np.ones((96, 96), np.float32)
    covered = 0.0
    for seed in range(6):
        made, left = occlude(picture, mask, np.random.default_rng(seed), kind)
        assert (left >= 0).all()
        assert (left <= 1).all()
        covered += float((left < 0.5).mean())
        again = occlude(picture, mask, np.random.default_rng(seed), kind)
        assert np.array_equal(made, again[0])
        assert np.array_equal(left, again[1])
    assert covered > 0.02


def test_picture_and_mask_move_alike() -> None:
    picture = np.zeros((80, 80, 3), np.uint8)
    picture[20:60, 30:70] = 255
    mask = picture[..., 0].astype(np.float32) / 255
    for seed in range(8):
        rng = np.random.default_rng(seed)
        seen, cover = moved(picture, mask, 64, 0.9, Augment(turn=30, scale=1.3, warp=0.03), rng)
        assert np.abs(seen[..., 0] / 255 - cover).max() < 0.02


def test_an_example_follows_from_its_number_alone() -> None:
    examples = SegmentExamples(labelled(3), SIDE, Augment(occlude=1), 5)
    image, mask = examples[7]
    assert (image.shape, mask.shape) == ((3, SIDE, SIDE), (1, SIDE, SIDE))
    assert (image.dtype, mask.dtype) == (np.float32, np.float32)
    examples[3]
    assert all(np.array_equal(a, b) for a, b in zip(examples[7], (image, mask), strict=True))
    assert not np.array_equal(SegmentExamples(labelled(3), SIDE, Augment(), 6)[7][0], image)


def test_reconstruction_passes_the_lowest_level_alone() -> None:
    torch.manual_seed(0)
    net = XSegNet(SIDE, 4, 3, 16).eval()
    images = torch.rand(2, 3, SIDE, SIDE)
    assert net(images).shape == (2, 1, SIDE, SIDE)
    assert net.reconstruct(images).shape == images.shape
    with torch.no_grad():
        net.unpress.weight.zero_()
        one, other = net.reconstruct(images)  # nothing passes
        assert torch.allclose(one, other, atol=1e-6)
        assert not torch.allclose(net(images)[0], net(images)[1])  # skips pass


def test_overlap_is_that_of_sets() -> None:
    one = torch.zeros(3, 1, 4, 4, dtype=torch.bool)
    other = one.clone()
    one[0, 0, :2], other[0, 0, 1:3] = True, True
    one[1, 0, 0] = True
    assert overlap(one, other).tolist() == pytest.approx([1 / 3, 0, 1])


@pytest.mark.slow
@pytest.mark.parametrize("make", [lambda: XSegNet(64, 4, 3, 16), SmallNet])
def test_a_file_says_what_its_net_says(make, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    torch.manual_seed(1)
    net, path = make().eval(), tmp_path / "mask.onnx"
    export_segmenter(net, path, SegmenterInfo(name="t", template="whole_face", size=64))
    crop, _ = drawn(1)
    images = torch.from_numpy(crop.transpose(2, 0, 1).astype(np.float32) / 255)[None]
    with torch.no_grad():
        wanted = torch.sigmoid(net(images))[0, 0].numpy()
    found = load_segmenter(f"xseg:{path}").segment(crop[None])[0]
    assert np.abs(found - wanted).max() < 2e-3


def faceset(folder: Path, count: int, masks: bool = True, size: int = SIDE) -> Path:
    """Actors as crops, with exact masks."""
    from pinned import row

    Faceset.create(folder, "whole_face", size)
    with locked(folder, FacesetError), CommitWriter(folder, 95) as writer:
        for number in range(count):
            crop, _ = drawn(number, size)
            actor = draw_actor(number, size=160)
            points = actor.landmarks
            matrix = crop_matrix(points, "whole_face", size)
            one = row(f"a{number}", number, landmarks=points, frame_to_crop=matrix)
            writer.add(one, crop)
        writer.commit([])
        merge(folder)
    if masks:
        given = folder.parent / f"{folder.name}_masks"
        given.mkdir()
        for one in Faceset.open(folder):
            number = int(Path(one.file).stem[1:])
            mask = np.repeat(drawn(number, size)[1][..., None], 3, axis=2)
            write_image(given / f"{Path(one.file).stem}.png", mask)
        assert import_masks(folder, given).problems == ()
    return folder


TINY = {
    "net": {"size": SIDE, "base": 4, "levels": 4},
    "lr": 4e-3,
    "augment": {"occlude": 0, "turn": 5, "background": 0},
    "loop": {
        "steps": 60, "batch_size": 8, "validate_every": 30, "checkpoint_every": 20, "device": "cpu",
        "tensorboard": False, "log_every": 10,
    },
}  # fmt: skip


def tiny(**loop: int) -> MaskTrainConfig:
    return MaskTrainConfig.model_validate({**TINY, "loop": {**TINY["loop"], **loop}})  # type: ignore[dict-item]


@pytest.mark.slow
def test_a_net_learns_the_masks_of_a_faceset_and_is_applied(tmp_path: Path) -> None:
    folder = faceset(tmp_path / "fs", 24)
    done = train_mask([folder], tmp_path / "run", tiny(steps=150))
    assert (done.crops, done.held_back, done.problems) == (21, 3, ())
    assert done.file is not None
    other = faceset(tmp_path / "other", 5, masks=False)
    applied = apply_masks(other, ApplyConfig(segmenter=f"xseg:{done.file}"))
    assert (applied.masks, applied.kept, applied.problems) == (5, 0, ())
    segmenter = load_segmenter(f"xseg:{done.file}")
    assert isinstance(segmenter, OwnProcess)
    said = XSeg(done.file).info
    assert done.iou is not None
    assert 0.75 < done.iou < 1
    assert said.card["iou"] == round(done.iou, 4)
    assert said.version == f"step {done.run.best_step}"
    crop, mask = drawn(100)
    found, wanted = segmenter.segment(crop[None])[0] > 0.5, mask > 127
    assert (found & wanted).sum() / (found | wanted).sum() > 0.75


@pytest.mark.slow
def test_a_run_that_goes_on_equals_one_that_was_never_stopped(tmp_path: Path) -> None:
    folder = faceset(tmp_path / "fs", 8)
    whole = train_mask([folder], tmp_path / "whole", tiny(steps=40))

    def stop(step: int, numbers: dict[str, float]) -> None:
        if step >= 30:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_mask([folder], tmp_path / "pieces", tiny(steps=40), stop)
    pieces = train_mask([folder], tmp_path / "pieces", tiny(steps=40))
    assert pieces.run.step == 40
    assert pieces.run.weights.read_bytes() == whole.run.weights.read_bytes()
    (folder / "masks" / "a3.png").unlink()
    with pytest.raises(TrainingError, match=r"labels .* train into another folder"):
        train_mask([folder], tmp_path / "whole", tiny(steps=60))


def test_what_cannot_be_learnt_from_is_refused(tmp_path: Path) -> None:
    bare = faceset(tmp_path / "bare", 3, masks=False)
    with pytest.raises(TrainingError, match=r"0 crops have a mask.*mask import"):
        train_mask([bare], tmp_path / "run", tiny())
    one = faceset(tmp_path / "one", 1)
    with pytest.raises(TrainingError, match="1 crops have a mask"):
        train_mask([one], tmp_path / "run", tiny())
    head = tmp_path / "head"
    Faceset.create(head, "head", SIDE)
    with pytest.raises(TrainingError, match="templates head, whole_face"):
        train_mask([bare, head], tmp_path / "run", tiny())
    with pytest.raises(FacesetError):
        train_mask([tmp_path / "none"], tmp_path / "run", tiny())
    with pytest.raises(ValueError, match="cannot be halved 6 times"):
        MaskTrainConfig.model_validate({"net": {"size": 100, "levels": 6}})
    with pytest.raises(ValueError, match="none learn masks"):
        MaskTrainConfig.model_validate({**TINY, "pretrain": 60})


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    folder = faceset(tmp_path / "fs", 2)
    (tmp_path / "run").write_text("a file, as good as read-only, for root as well")
    with pytest.raises(TrainingError, match="run"):
        train_mask([folder], tmp_path / "run", tiny(steps=1))


@pytest.mark.slow
def test_facesets_of_several_sizes_are_learnt_from_together(tmp_path: Path) -> None:
    small, large = faceset(tmp_path / "small", 2), faceset(tmp_path / "large", 3, size=96)
    done = train_mask([small, large], tmp_path / "run", tiny(steps=1))
    assert (done.crops, done.held_back, done.problems) == (4, 1, ())


@pytest.mark.slow
def test_a_stopped_run_has_no_file_yet(tmp_path: Path) -> None:
    folder = faceset(tmp_path / "fs", 2)

    def stop(step: int, numbers: dict[str, float]) -> None:
        if step == 1:
            os.kill(os.getpid(), signal.SIGTERM)

    done = train_mask([folder], tmp_path / "run", tiny(steps=3, log_every=1), stop)
    assert (done.run.stopped, done.run.step, done.file, done.iou) == ("signal", 1, None, None)
    again = train_mask([folder], tmp_path / "run", tiny(steps=3, log_every=1))
    assert again.file is not None
    assert again.file.exists()


def test_a_crop_that_cannot_be_read_is_told_and_passed_over(tmp_path: Path) -> None:
    folder = faceset(tmp_path / "fs", 4)
    first = Faceset.open(folder, allow_strays=True).rows[0]
    (folder / first.file).write_bytes(b"no picture")
    (folder / "masks" / "a2.png").unlink()
    done = train_mask([folder], tmp_path / "run", tiny(steps=1))
    assert [problem.file for problem in done.problems] == [first.file, "a2.png"]
    assert done.crops + done.held_back == 2


def test_the_first_steps_reconstruct(tmp_path: Path) -> None:
    task = SegmentTask(XSegNet(SIDE, 4, 3, 16), lr=1e-3, pretrain=2)
    batch = torch.rand(2, 3, SIDE, SIDE), torch.ones(2, 1, SIDE, SIDE)
    logs: list[dict[str, object]] = [{}, {}]
    for step, log in ((1, logs[0]), (2, logs[1])):
        ((name, _),) = task.losses(batch, step, log)  # type: ignore[arg-type]
        assert name == "net"
    assert set(logs[0]) == {"reconstruction"}
    assert set(logs[1]) == {"mask", "iou"}
