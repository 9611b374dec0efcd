"""The nets of the bank: sizes and ranges, what is learnt, and that the file computes the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from drawn_samples import DrawnBank, head_sample
from safetensors.torch import save_file

from counterface.datasets.decoders.architectures import ARCHITECTURES, DecoderNet
from counterface.datasets.decoders.autoencoder import CodeBook, FaceAutoencoder, export_autoencoder
from counterface.datasets.decoders.autoencoder_task import FaceAutoencoderTask, GenuineFaces
from counterface.datasets.decoders.bank import DecoderFile, open_bank
from counterface.datasets.decoders.taef2 import Taef2, export_taef2, read_taef2
from counterface.errors import ConfigError, RegistryError, WeightsError
from counterface.media.image import read_image

TINY = DecoderNet(up="shuffle", halvings=2, code=4, fewest=1, side=32)


def faces(side: int = 32) -> torch.Tensor:
    images = [head_sample(identity, side).image for identity in (1, 2)]
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255


@pytest.mark.parametrize("name", sorted(ARCHITECTURES))
def test_every_decoder_keeps_size_and_range_at_any_multiple_of_its_step(name: str):
    plan = ARCHITECTURES[name]
    net = FaceAutoencoder(plan).eval()
    picture = torch.rand(1, 3, 2 * plan.step, 3 * plan.step)
    with torch.no_grad():
        made = net(picture, torch.ones(1, plan.code))
    assert made.shape == picture.shape
    assert 0 <= made.min() <= made.max() <= 1


def test_the_bank_holds_four_ways_of_up_sampling_a_code_book_and_critics():
    plans = ARCHITECTURES.values()
    assert len({plan.up for plan in plans}) == 4
    assert [plan.codes for plan in plans if plan.codes] == [1024]
    assert sum(plan.adversarial > 0 for plan in plans) == 2
    assert {plan.side for plan in plans} >= {96, 128, 160, 256}


def test_channels_that_are_not_kept_carry_nothing():
    net = FaceAutoencoder(TINY).eval()
    with torch.no_grad():
        one, two = net(faces(), torch.zeros(2, 4))
    assert torch.allclose(one, two)


def test_a_code_book_gives_back_its_entries_and_learns_where_codes_lie():
    torch.manual_seed(0)
    book = CodeBook(8, 3)
    codes = torch.nn.functional.normalize(torch.randn(2, 3, 4, 4), dim=1)
    before = float(book(codes)[1])
    for _ in range(40):
        made, _ = book(codes)
    flat = made.permute(0, 2, 3, 1).reshape(-1, 3)
    book.eval()
    assert torch.cdist(book(codes)[0].permute(0, 2, 3, 1).reshape(-1, 3), book.entries).min(
        dim=1
    ).values.max() < 1e-3  # fmt: skip
    assert flat.shape == (32, 3)
    assert float(book(codes)[1]) < 0.5 * before


@pytest.mark.parametrize(
    "plan",
    [TINY, DecoderNet(up="transposed", halvings=2, code=4, side=32, adversarial=0.05)],
    ids=["plain", "critic"],
)
def test_a_few_steps_lower_the_pixel_error(plan: DecoderNet):
    torch.manual_seed(0)
    task = FaceAutoencoderTask(plan, steps=30)
    optimizers, batch, errors = task.optimizers(), faces(), []
    for step in range(14):
        log: dict[str, float | torch.Tensor] = {}
        for name, loss in task.losses(batch, step, log):
            optimizers[name].zero_grad()
            loss.backward()
            optimizers[name].step()
        errors.append(float(log["pixel_error"]))
    assert errors[-1] < 0.9 * errors[0]


def test_the_critic_joins_in_after_a_share_of_the_steps():
    plan = DecoderNet(up="nearest", halvings=2, code=4, side=32, adversarial=0.05)
    task = FaceAutoencoderTask(plan, steps=10)
    assert [name for name, _ in task.losses(faces(), 0, {})] == ["adam"]
    assert [name for name, _ in task.losses(faces(), 9, {})] == ["adam", "critic"]


def test_crops_follow_from_the_index_alone():
    crops = GenuineFaces([DrawnBank((1, 2), 96)], 32, seed=3)
    first = crops[5]
    crops[6]
    assert first.shape == (3, 32, 32)
    assert torch.equal(crops[5], first)
    assert not torch.equal(crops[6], first)


def test_the_file_computes_what_the_net_computes_at_another_size(tmp_path: Path):
    torch.manual_seed(0)
    net = FaceAutoencoder(TINY.model_copy(update={"fewest": None})).eval()
    export_autoencoder(net, tmp_path / "tiny.onnx")
    image = head_sample(1, 50).image[:, :45]
    made = DecoderFile(tmp_path / "tiny.onnx").redraw(image, np.random.default_rng(0))
    padded = np.pad(image, ((0, 14), (0, 3), (0, 0)), mode="edge")
    with torch.no_grad():
        tensor = torch.from_numpy(padded).permute(2, 0, 1)[None].float() / 255
        same = net(tensor, torch.ones(1, 4))[0, :, :50, :45].permute(1, 2, 0).numpy() * 255
    assert made.shape == image.shape
    assert np.abs(made - same).max() < 0.51


def test_a_nested_code_is_kept_in_part_and_follows_the_generator(tmp_path: Path):
    export_autoencoder(FaceAutoencoder(TINY), tmp_path / "tiny.onnx")
    decoder, image = DecoderFile(tmp_path / "tiny.onnx"), head_sample(1, 32).image
    made = [decoder.redraw(image, np.random.default_rng(seed)) for seed in (0, 0, 1, 2, 3)]
    assert np.array_equal(made[0], made[1])
    assert any(not np.array_equal(made[0], other) for other in made[2:])


@pytest.mark.slow
def test_taef2_reads_its_tensors_by_name_and_no_others(tmp_path: Path):
    torch.manual_seed(0)
    net = Taef2()
    assert sum(p.numel() for p in net.encoder.parameters()) == 1_338_528
    tensors = {name: tensor.half() for name, tensor in net.state_dict().items()}
    save_file(tensors, tmp_path / "good.safetensors")
    assert "decoder.3.pool.1.weight" in tensors
    assert "encoder.14.bias" in tensors
    read = read_taef2(tmp_path / "good.safetensors")
    export_taef2(read, tmp_path / "taef2.onnx")
    image = head_sample(1, 32).image
    made = DecoderFile(tmp_path / "taef2.onnx").redraw(image, np.random.default_rng(0))
    with torch.no_grad():
        same = read(torch.from_numpy(image.copy()).permute(2, 0, 1)[None].float() / 255)
    assert np.abs(made - same[0].permute(1, 2, 0).numpy() * 255).max() < 0.6
    del tensors["encoder.14.bias"]
    save_file(tensors, tmp_path / "bad.safetensors")
    with pytest.raises(WeightsError, match=r"bad\.safetensors.*encoder\.14\.bias"):
        read_taef2(tmp_path / "bad.safetensors")


@pytest.mark.slow
@pytest.mark.footage
def test_taef2_redraws_faces_at_30_to_34_decibels(footage: Path):
    """The published figure for faces; wrong layers or a wrong order lie far below."""
    net = read_taef2(footage / "weights" / "taef2" / "taef2.safetensors")
    errors = []
    for path in sorted((footage / "faces_ffhq256").glob("*.jpg"))[:3]:
        image = torch.from_numpy(read_image(path)[64:192, 64:192].copy())
        tensor = image.permute(2, 0, 1)[None].float() / 255
        with torch.no_grad():
            errors.append(float(((net(tensor) - tensor) ** 2).mean()))
    assert 29 < 10 * np.log10(1 / np.mean(errors)) < 35


def test_a_bank_without_decoders_says_how_to_make_them(tmp_path: Path):
    with pytest.raises(ConfigError, match="counterface dataset decoders RECIPE"):
        open_bank(tmp_path)
    (tmp_path / "one.onnx").touch()
    with pytest.raises(ConfigError, match=r"no decoder 'two'; it has \['one'\]"):
        open_bank(tmp_path, ["two"])
    assert [decoder.name for decoder in open_bank(tmp_path)] == ["one"]


def test_an_unknown_decoder_is_told_with_the_known_ones():
    from counterface.datasets.decoders.architectures import architecture

    with pytest.raises(RegistryError, match=r"no decoder is named .quick.; .*nearest128"):
        architecture("quick")
