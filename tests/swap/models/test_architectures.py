"""What the architectures promise beyond the common contract."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError

from counterface.swap.models.df import DF, DFConfig
from counterface.swap.models.gan import GAN, GANConfig
from counterface.swap.models.liae import LIAE
from counterface.swap.models.many import Many, ManyConfig
from counterface.swap.models.small_autoencoders import IAE, DFaker
from counterface.swap.swap_model import SOURCE, TARGET, build_model


def pictures(count: int, size: int) -> torch.Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(2))


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


@torch.no_grad()
@pytest.mark.parametrize("flag", ["double_output", "extra_depth", "both"])
@pytest.mark.parametrize("kind", [DF, LIAE])
def test_every_form_of_df_gives_back_its_resolution(kind: type[DF | LIAE], flag: str):
    options = {key: flag in (key, "both") for key in ("double_output", "extra_depth")}
    for resolution in (64, 96):
        config = DFConfig(**{**DF.TINY, "resolution": resolution, **options})
        made = kind(config).eval()(pictures(1, resolution), TARGET)
        assert made.image.shape == (1, 3, resolution, resolution)
        assert made.mask is not None
        assert made.mask.shape == (1, 1, resolution, resolution)


def test_a_resolution_that_the_levels_do_not_divide_is_refused():
    assert DFConfig(resolution=80).resolution == 80
    for flag in ("double_output", "extra_depth"):
        with pytest.raises(ValidationError, match="80 must be a multiple of 32"):
            DFConfig(resolution=80, **{flag: True})


@torch.no_grad()
def test_the_normalised_code_forgets_the_strength_of_the_features():
    model = DF(DFConfig(**DF.TINY, normalize_code=True)).eval()
    features = model.encoder(pictures(3, 64))
    assert torch.allclose(features.square().mean(1), torch.ones(3), atol=1e-3)
    plain = DF(DFConfig(**DF.TINY)).eval().encoder(pictures(3, 64))
    assert not torch.allclose(plain.square().mean(1), torch.ones(3), atol=1e-3)


@torch.no_grad()
def test_the_cosine_is_in_every_activation():
    model = DF(DFConfig(**DF.TINY, cosine_activation=True))
    kinds = {type(part).__name__ for part in model.modules()}
    assert "Cosine" in kinds
    assert "LeakyReLU" not in kinds


@torch.no_grad()
def test_the_code_of_df_is_shared_and_that_of_liae_is_not():
    images = pictures(2, 64)
    df, liae = DF(DFConfig(**DF.TINY)).eval(), LIAE(DFConfig(**DF.TINY)).eval()
    assert torch.equal(df.encode(images, SOURCE), df.encode(images, TARGET))
    source, target = (liae.encode(images, i).unflatten(1, liae.code_shape) for i in (0, 1))
    half = liae.code_shape[0] // 2
    assert torch.equal(source[:, :half], source[:, half:])  # the common inter twice
    assert torch.equal(target[:, half:], source[:, half:])  # its own, then the common one
    assert not torch.allclose(target[:, :half], source[:, :half], atol=1e-3)


@torch.no_grad()
def test_iae_has_an_inter_of_its_own_for_each():
    model = IAE(IAE.Config(**IAE.TINY)).eval()
    images = pictures(2, 64)
    source, target = (model.encode(images, i).unflatten(1, model.code_shape) for i in (0, 1))
    half = model.code_shape[0] // 2
    assert torch.equal(target[:, half:], source[:, half:])
    assert not torch.allclose(target[:, :half], source[:, :half], atol=1e-3)


@torch.no_grad()
def test_dfaker_gives_twice_the_side():
    made = DFaker(DFaker.Config(**DFaker.TINY)).eval()(pictures(1, 64), SOURCE)
    assert made.image.shape == (1, 3, 128, 128)


@pytest.mark.parametrize("name", ["original", "lightweight", "iae"])
def test_the_mask_is_there_where_it_was_asked_for(name: str):
    for mask in (False, True):
        model = build_model(name, {"width": 8, "code": 16, "mask": mask}).eval()
        with torch.no_grad():
            assert (model(pictures(1, 64), SOURCE).mask is not None) == mask


@torch.no_grad()
@pytest.mark.parametrize(("resolution", "sides"), [(64, []), (128, [64]), (256, [64, 128])])
def test_gan_has_a_side_picture_at_each_size_below_its_own(resolution: int, sides: list[int]):
    made = GAN(GANConfig(**GAN.TINY, resolution=resolution)).eval()(pictures(1, resolution), SOURCE)
    assert [side.shape[-1] for side in made.sides] == sides


@torch.no_grad()
def test_gan_lays_its_colour_over_the_input_by_its_mask():
    model = GAN(GANConfig(**GAN.TINY)).eval()
    images = pictures(2, 64)
    made = model(images, TARGET)
    assert made.mask is not None
    assert made.raw is not None
    expected = made.mask * made.raw + (1 - made.mask) * images
    assert torch.allclose(made.image, expected, atol=1e-6)
    head = model.decoder_target.alpha.conv
    head.weight.zero_()
    head.bias.fill_(-50)  # an alpha of 0 leaves the input as it is
    assert torch.allclose(model(images, TARGET).image, images, atol=1e-6)


@torch.no_grad()
@pytest.mark.parametrize("norm", ["group", "none"])
def test_gan_runs_with_its_other_norms(norm: str):
    model = GAN(GANConfig(**{**GAN.TINY, "norm": norm})).eval()
    images = pictures(2, 64)
    alone = model(images[:1], SOURCE).image
    assert torch.allclose(model(images, SOURCE).image[:1], alone, atol=1e-4)


@torch.no_grad()
def test_many_encodes_a_picture_without_regard_to_whom_it_becomes():
    model = Many(ManyConfig(**Many.TINY), identities=4).eval()
    images = pictures(4, 64)
    assert torch.equal(model.encode(images, 0), model.encode(images, 3))
    each = model(images, torch.tensor([3, 1, 0, 3])).image
    assert torch.allclose(each[1], model(images, 1).image[1], atol=1e-4)


def test_an_identity_of_many_teaches_its_own_code_alone():
    model = Many(ManyConfig(**Many.TINY), identities=4)
    model(pictures(2, 64), torch.tensor([2, 0])).image.mean().backward()
    gradient = model.people.codes.weight.grad
    assert gradient is not None
    assert [bool(row.abs().max() > 0) for row in gradient] == [True, False, True, False]


@torch.no_grad()
def test_adaptive_normalisation_takes_each_channel_to_the_identitys_own_mean():
    from counterface.swap.models.many import ModulatedResidual

    config = ManyConfig(**Many.TINY)
    block = ModulatedResidual(8, config)
    style = torch.randn(1, config.identity_dims)
    styled = block.styled(0, torch.randn(2, 8, 16, 16) * 3 + 1, style)
    shift = block.styles[0](style)[:, 8:]
    assert torch.allclose(styled.mean((2, 3)), shift.expand(2, -1), atol=1e-4)
