"""Building, counting and reading swap models."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from counterface.errors import ConfigError, ShapeError, SwapError
from counterface.learn.checkpoint import Checkpoint, pack_modules, write_checkpoint, write_weights
from counterface.provenance.rights import Rights
from counterface.swap.models.df import DF
from counterface.swap.swap_model import (
    SOURCE,
    TARGET,
    FacesetUsed,
    IdentityAbout,
    SwapAbout,
    build_model,
    count_parameters,
    find_weights,
    read_model,
)

RIGHTS = Rights(shown="a drawn face", basis="synthetic", reference="tests/actors.py")
PEOPLE = tuple(
    IdentityAbout(name=name, facesets=(FacesetUsed(folder=name, crops=3, rights=RIGHTS),))
    for name in ("source", "target")
)


def tiny(seed: int = 0) -> DF:
    torch.manual_seed(seed)
    model = build_model("df", DF.TINY)
    assert isinstance(model, DF)
    return model


def write(path: Path, net: DF, step: int = 7, **changes: object) -> Path:
    about = SwapAbout.of("df", net, PEOPLE).model_dump(mode="json") | changes
    write_weights(path, {"model": net}, {"step": step, "about": about})
    return path


def checkpoint(folder: Path, model: DF, step: int) -> Path:
    about = SwapAbout.of("df", model, PEOPLE).model_dump(mode="json")
    tensors = pack_modules("module", {"model": model, "judge": torch.nn.Linear(2, 1)})
    return write_checkpoint(folder / "checkpoints", Checkpoint(step, tensors, {"about": about}))


def test_a_model_from_a_file_generates_what_the_written_one_does(tmp_path: Path):
    model = tiny().eval()
    images = torch.rand(2, 3, 64, 64)
    trained = read_model(write(tmp_path / "df.safetensors", model))
    for identity in (SOURCE, TARGET):
        assert torch.equal(trained.model(images, identity).image, model(images, identity).image)
    assert trained.step == 7
    assert trained.about.identities == PEOPLE
    assert trained.about.options["e_dims"] == 16
    assert trained.model.config == model.config
    assert not trained.model.training
    assert not any(weight.requires_grad for weight in trained.model.parameters())


def test_the_hash_is_that_of_the_file(tmp_path: Path):
    import hashlib

    path = write(tmp_path / "df.safetensors", tiny())
    assert read_model(path).sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_folder_gives_the_weights_that_have_seen_most_unless_some_were_judged(tmp_path: Path):
    first = checkpoint(tmp_path, tiny(), 5)
    assert find_weights(tmp_path) == first
    last = write(tmp_path / "last.safetensors", tiny(), step=5)
    assert find_weights(tmp_path) == last
    later = checkpoint(tmp_path, tiny(1), 9)  # continued, then killed: `last` is the older one
    trained = read_model(tmp_path)
    assert (trained.path, trained.step) == (later, 9)
    best = write(tmp_path / "best.safetensors", tiny(), step=3)
    assert find_weights(tmp_path) == best


def test_what_is_no_swap_model_is_refused(tmp_path: Path):
    with pytest.raises(SwapError, match="no such file"):
        read_model(tmp_path / "nothing")
    with pytest.raises(SwapError, match="neither weights nor checkpoints"):
        read_model(tmp_path)
    (tmp_path / "text").write_text("hello")
    with pytest.raises(SwapError, match="not a readable checkpoint"):
        read_model(tmp_path / "text")
    write_weights(tmp_path / "other", {"model": torch.nn.Linear(1, 1)}, {"step": 1})
    with pytest.raises(SwapError, match="does not say what it is"):
        read_model(tmp_path / "other")
    with pytest.raises(SwapError, match="is a 'detector'"):
        read_model(write(tmp_path / "kind", tiny(), kind="detector"))
    with pytest.raises(SwapError, match=r"format: .*got 2"):
        read_model(write(tmp_path / "format", tiny(), format=2))
    with pytest.raises(SwapError, match="no swap model is named 'dg'"):
        read_model(write(tmp_path / "name", tiny(), model="dg"))


def test_another_architecture_is_refused_with_the_difference(tmp_path: Path):
    wider = {**DF.TINY, "e_dims": 24}
    with pytest.raises(SwapError, match=r"encoder\.layers\.0\.0\.weight is \(16, 3, 5, 5\), expec"):
        read_model(write(tmp_path / "wide", tiny(), options=wider))
    deeper = {**DF.TINY, "extra_depth": True}
    with pytest.raises(SwapError, match=r"is missing.* and \d+ more"):
        read_model(write(tmp_path / "deep", tiny(), options=deeper))


def test_a_changed_byte_is_noticed(tmp_path: Path):
    path = write(tmp_path / "df.safetensors", tiny())
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(SwapError, match="checksum"):
        read_model(path)


def test_the_parts_are_counted():
    counts = count_parameters(tiny())
    assert list(counts) == ["encoder", "inter", "decoder_source", "decoder_target", "total"]
    assert counts["total"] == sum(n for part, n in counts.items() if part != "total")


def test_what_cannot_be_built_is_refused():
    with pytest.raises(ConfigError, match="no swap model is named 'dff'; did you mean 'df'"):
        build_model("dff")
    with pytest.raises(ConfigError, match="unknown key 'ae_dim'; did you mean 'ae_dims'"):
        build_model("df", {"ae_dim": 64})
    with pytest.raises(ConfigError, match="takes 2 identities, got 3; 'many' takes more"):
        build_model("df", DF.TINY, identities=3)
    with pytest.raises(ConfigError, match="takes 2 identities, got 1"):
        build_model("df", DF.TINY, identities=1)


def test_inputs_that_do_not_fit_are_refused():
    model = tiny()
    with pytest.raises(ShapeError, match=r"DF takes RGB \(B, 3, 64, 64\), got \(1, 3, 96, 96\)"):
        model(torch.rand(1, 3, 96, 96), SOURCE)
    with pytest.raises(ShapeError, match="knows 0 to 1"):
        model.encode(torch.rand(1, 3, 64, 64), 2)
    with pytest.raises(ShapeError, match="one identity a batch"):
        model(torch.rand(1, 3, 64, 64), torch.tensor([0]))
