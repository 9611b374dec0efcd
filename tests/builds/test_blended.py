"""Pseudo-fakes as files: nothing but the blend tells them from the real picture beside them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from actors import draw_actor
from drawn_people import DRAWN

from counterface.builds import write_pair as module
from counterface.builds.blended import BlendConfig, build_blended
from counterface.config import read_config
from counterface.datasets.manifest import Entry, read_manifest
from counterface.errors import ConfigError, RightsError
from counterface.media.image import read_image, write_image
from counterface.provenance.credentials import carries_credentials
from counterface.provenance.record import read_record, record_path
from counterface.types import Pose

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two people, two pictures each."""
    folder = tmp_path_factory.mktemp("pictures")
    for identity, name in enumerate(("ann", "bob"), start=1):
        (folder / name).mkdir()
        for yaw in (-10, 10):
            actor = draw_actor(identity, Pose(yaw, 0, 0), size=320)
            write_image(folder / name / f"{yaw + 10:02d}.png", actor.image)
    return {name: folder / name for name in ("ann", "bob")}


def blend_config(out: Path, pictures: dict[str, Path], **given: object) -> BlendConfig:
    people = {name: {"clips": path, "rights": DRAWN} for name, path in pictures.items()}
    return BlendConfig.model_validate({"out": out, "people": people, "pairs": 2, **given})


@pytest.fixture(scope="module", params=["jpg", "png"])
def entries(
    pictures: dict[str, Path],
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> list[Entry]:
    out = tmp_path_factory.mktemp("blended")
    kinds = {"self_blended": 1, "remade": 1}
    summary = build_blended(blend_config(out, pictures, format=request.param, kinds=kinds))
    assert (summary.real, summary.fake, summary.made, summary.failed) == (4, 4, 4, ())
    return read_manifest(out / "manifest.parquet")


def test_only_the_mask_differs(entries: list[Entry]) -> None:
    for real, fake in zip(entries[::2], entries[1::2], strict=True):
        assert (real.label, fake.label) == (0, 1)
        assert (real.source, real.compression, real.split) == (
            fake.source, fake.compression, fake.split
        )  # fmt: skip
        assert fake.mask is not None
        mask = read_image(fake.mask)[..., 0]
        before, after = (read_image(e.path).astype(int) for e in (real, fake))
        changed = np.abs(before - after).mean(axis=2)
        assert changed[mask == 0].mean() < 0.3  # a JPEG block carries a little over the edge
        assert changed[mask > 60].mean() > 1


def test_files_tell_nothing_by_their_extra_bytes(entries: list[Entry]) -> None:
    """A signed picture and the padded one beside it: pixels alone make the difference in size."""
    for real, fake in zip(entries[::2], entries[1::2], strict=True):
        assert carries_credentials(fake.path)
        assert not carries_credentials(real.path)
        sizes = [path.stat().st_size for path in (real.path, fake.path)]
        assert sizes[0] > 10_000  # of which the picture itself is a part
        assert abs(sizes[0] - sizes[1]) < 0.25 * sizes[1]
        record = read_record(record_path(fake.path))
        assert record.marks is not None
        assert record.marks.watermark is None
        assert fake.method == record.settings["kind"]


@pytest.mark.slow
def test_killed_and_continued_gives_the_same_pictures(
    pictures: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, broken = (blend_config(tmp_path / name, pictures) for name in ("whole", "broken"))
    build_blended(whole)
    with monkeypatch.context() as patch:
        calls = iter(range(100))

        def killed(mask: np.ndarray) -> bytes:
            if next(calls) == 2:
                raise MemoryError
            return original(mask)

        original = module.encode_mask
        patch.setattr(module, "encode_mask", killed)
        with pytest.raises(MemoryError):
            build_blended(broken)
    summary = build_blended(broken)
    assert (summary.fake, summary.made) == (4, 2)
    for one in read_manifest(tmp_path / "whole" / "manifest.parquet"):
        other = tmp_path / "broken" / one.path.relative_to(tmp_path / "whole")
        assert np.array_equal(read_image(one.path), read_image(other))
    assert not list((tmp_path / "broken" / "fake").rglob(".*"))


def test_no_rights_and_no_face_are_told(pictures: dict[str, Path], tmp_path: Path) -> None:
    people = {"ann": {"clips": pictures["ann"]}}
    with pytest.raises(RightsError, match="no rights record for ann"):
        build_blended(BlendConfig.model_validate({"out": tmp_path / "out", "people": people}))
    assert not (tmp_path / "out").exists()
    write_image(tmp_path / "wall.png", np.full((200, 200, 3), 120, np.uint8))
    with pytest.raises(ConfigError, match=r"people\.wall: no face was found"):
        build_blended(blend_config(tmp_path / "out", {"wall": tmp_path / "wall.png"}))


def test_the_shipped_recipe_is_valid() -> None:
    assert read_config(BlendConfig, ROOT / "recipes" / "blended.toml").pairs == 200
