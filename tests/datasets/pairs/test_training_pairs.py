"""Training pairs: a pure function of the index, alike in both halves but for what is to learn."""

from __future__ import annotations

import pickle  # what worker processes are sent; nothing is read from disk

import numpy as np
import pytest
from drawn_samples import SIDE, DrawnBank, head_sample
from pydantic import ValidationError

from counterface.datasets.pairs.self_blended import BlendedPair, FaceSample
from counterface.datasets.pairs.training_pairs import CropView, PairConfig, Sources, TrainingPairs
from counterface.errors import TrainingError
from counterface.faces.align import TEMPLATES
from counterface.faces.landmarks import MIRRORED
from counterface.types import Image

SMALL = PairConfig(size=96, cells=6, seed=4)
BANKS = (DrawnBank((1, 2, 3)), DrawnBank((4,)))


class DrawnPairs:
    """Real faces and the same with a red face, as footage of both would be."""

    def __init__(self, fake_side: int = SIDE) -> None:
        self.fake_side = fake_side

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> tuple[FaceSample, FaceSample]:
        real = head_sample(index + 1)
        made = head_sample(index + 1, self.fake_side)
        image = made.image.copy()
        image[..., 0] = 255
        return real, FaceSample(image, made.landmarks)


def pairs(sources: Sources | None = None, **changes: object) -> TrainingPairs:
    return TrainingPairs(sources or Sources(BANKS), SMALL.model_copy(update=changes))


def equal(one: dict[str, np.ndarray], two: dict[str, np.ndarray]) -> bool:
    return all(np.array_equal(one[name], two[name]) for name in ("images", "masks"))


def test_a_pair_has_the_documented_shapes_and_ranges():
    for index in range(12):
        pair = pairs()[index]
        assert pair["images"].shape == (2, 96, 96, 3)
        assert pair["images"].dtype == np.uint8
        assert pair["masks"].shape == (2, 6, 6)
        assert pair["masks"].dtype == np.float32
        assert (pair["masks"][0] == 0).all()  # the real half has nothing to find
        assert 0 < pair["masks"][1].max() <= 1
        assert pair["masks"].min() >= 0


def test_an_index_gives_the_same_pixels_whatever_was_asked_before():
    one, two = pairs(), pairs()
    first = {index: one[index] for index in range(8)}
    for index in (5, 2, 7, 2, 0):
        assert equal(first[index], two[index])
        assert equal(first[index], one[index])


def test_an_index_gives_the_same_pixels_in_another_process():
    there = pickle.loads(pickle.dumps(pairs()))
    assert equal(there[3], pairs()[3])


def test_the_global_generators_do_not_matter():
    np.random.seed(1)
    one = pairs()[5]
    np.random.seed(2)
    assert equal(one, pairs()[5])


def test_other_indices_and_other_seeds_give_other_pairs():
    seen = [pairs()[index]["images"].tobytes() for index in range(20)]
    assert len(set(seen)) == 20
    assert not equal(pairs()[0], pairs(seed=5)[0])


def test_without_degradation_the_halves_are_equal_where_nothing_was_blended():
    unblended = 0
    for index in range(24):
        pair = pairs(strength=0.0, cells=96)[index]
        away = pair["masks"][1] < 1 / 512
        away[1:] &= away[:-1].copy()  # a resized pixel mixes four
        away[:-1] &= away[1:].copy()
        away[:, 1:] &= away[:, :-1].copy()
        away[:, :-1] &= away[:, 1:].copy()
        unblended += int(away.sum())
        assert np.array_equal(pair["images"][0][away], pair["images"][1][away])
    assert unblended > 24 * 500


def test_no_first_or_second_moment_of_the_surroundings_tells_the_classes_apart():
    """A rule on brightness, contrast or sharpness outside the mask must be at chance."""
    differences = []
    for index in range(90):
        pair = pairs(cells=96)[index]
        away = pair["masks"][1] < 1 / 512
        if away.sum() < 300:
            continue
        real, fake = (image[away].astype(float) for image in pair["images"])
        differences.append([fake.mean() - real.mean(), fake.std() - real.std()])
    found = np.array(differences)
    assert len(found) > 60
    assert np.abs(found.mean(axis=0)).max() < 0.25  # levels of 255
    assert np.abs(found).max() < 4  # what a codec carries over from the blended part
    # neither class is the brighter or the more contrasted one; equal pairs say nothing
    for column in found.T:
        told = column[np.abs(column) > 1e-9]
        assert 0.25 < (told > 0).mean() < 0.75


def test_both_halves_share_their_degradation():
    """With nothing blended, the two halves of a pair are the same picture."""

    class Still(TrainingPairs):
        def _pseudo_pair(self, rng: np.random.Generator) -> BlendedPair:
            image = head_sample(1, 120).image
            return BlendedPair(image, image.copy(), np.ones((120, 120), np.float32), "none")

    still = Still(Sources(BANKS), SMALL)
    for index in range(25):
        real, fake = still[index]["images"]
        assert np.array_equal(real, fake)


def test_footage_pairs_show_the_manipulated_face_where_the_mask_says():
    sources = Sources(BANKS, pairs=[DrawnPairs()])
    told = []
    for index in range(12):
        pair = pairs(sources, pairs=1.0, strength=0.0, cells=24)[index]
        real, fake = pair["images"].astype(float)
        change = np.abs(fake - real).mean(axis=2).reshape(24, 4, 24, 4).mean(axis=(1, 3))
        mask = pair["masks"][1]
        told.append(change[mask > 0.9].mean() - change[mask < 0.05].mean())
        assert change[mask > 0.9].mean() > 2
    assert np.mean(told) > 0


def test_a_fake_of_another_picture_size_is_brought_into_place():
    """The manipulated version comes in half the size: its face still lies on the real one."""
    same, small = (
        pairs(Sources(BANKS, pairs=[DrawnPairs(side)]), pairs=1.0, strength=0.0)
        for side in (SIDE, SIDE // 2)
    )
    for index in range(6):
        one, two = same[index]["images"].astype(float), small[index]["images"].astype(float)
        assert np.array_equal(one[0], two[0])
        assert np.corrcoef(one[1][..., 1].ravel(), two[1][..., 1].ravel())[0, 1] > 0.9


def test_a_share_of_generated_faces_has_unrelated_halves_and_a_full_mask():
    sources = Sources(BANKS, synthetic=[(DrawnBank((7,)), DrawnBank((8,)))])
    for index in range(4):
        pair = pairs(sources, synthetic=1.0)[index]
        assert (pair["masks"][1] == 1).all()
        assert np.abs(np.diff(pair["images"].astype(int), axis=0)).mean() > 5


def test_shares_are_respected():
    made, kind = DrawnBank((7,)), DrawnBank((8,))
    mixed = pairs(Sources(BANKS, [DrawnPairs()], [(made, kind)]), pairs=0.3, synthetic=0.3)
    for index in range(60):
        mixed[index]
    assert 9 <= len(made.asked) <= 28
    assert len(made.asked) == len(kind.asked)


def test_a_bank_is_drawn_by_the_square_root_of_its_size():
    large, small = DrawnBank((1,)), DrawnBank((2,))
    large.samples *= 9
    shares = {"self_blended": 1.0, "swapped_in": 0.0, "remade": 0.0}
    lone = pairs(Sources([large, small]), **shares, strength=0.0)
    for index in range(200):
        lone[index]
    assert 0.66 < len(large.asked) / 200 < 0.84  # 3 to 1, not 9 to 1


@pytest.mark.parametrize(
    ("sources", "changes", "says"),
    [
        (Sources([]), {}, "real faces"),
        (Sources([DrawnBank(())]), {}, "real faces"),
        (Sources(BANKS), {"pairs": 0.5}, "pairs"),
        (Sources(BANKS), {"synthetic": 0.5}, "synthetic faces"),
        (Sources(BANKS, synthetic=[(BANKS[0], DrawnBank(()))]), {"synthetic": 0.1}, "synthetic"),
    ],
)
def test_a_share_without_faces_is_refused(sources: Sources, changes: dict[str, float], says: str):
    with pytest.raises(TrainingError, match=f"asks for {says}.*empty or missing"):
        pairs(sources, **changes)


def test_shares_that_cannot_be_are_refused():
    with pytest.raises(ValidationError, match=r"self_blended, swapped_in and remade.*leave 0\.80"):
        PairConfig(self_blended=0, swapped_in=0, remade=0, pairs=0.2)
    with pytest.raises(ValidationError, match=r"their sum is 1\.30"):
        PairConfig(pairs=0.7, synthetic=0.6)
    PairConfig(self_blended=0, swapped_in=0, remade=0, pairs=1)


def test_a_mirrored_view_keeps_the_landmarks_in_their_order():
    face = head_sample(1)
    mirror = np.array([[-1, 0, SIDE - 1], [0, 1, 0]], np.float32)
    cut = CropView(mirror, SIDE).cut(face)
    assert np.array_equal(cut.image, face.image[:, ::-1])
    assert cut.landmarks[0, 0] < cut.landmarks[16, 0]  # the image's left jaw is first again
    back = CropView(mirror, SIDE).cut(cut)
    assert np.allclose(back.landmarks, face.landmarks, atol=1e-3)
    assert np.allclose(cut.landmarks[MIRRORED][:, 1], face.landmarks[:, 1])


def test_a_view_says_how_much_the_footage_was_enlarged():
    face = head_sample(1)
    double = np.array([[2, 0, 0], [0, 2, 0]], np.float32)
    assert CropView(double, 64).cut(face).scale == pytest.approx(2 * face.scale)


def test_crops_are_aligned_to_the_template():
    """Undegraded, the eyes lie on the template's line, give or take the jitter."""
    seen: list[Image] = []
    sources = Sources([DrawnBank((1,))])
    made = TrainingPairs(sources, SMALL)
    face = sources.real[0][0]
    for seed in range(30):
        view = made._view(face, np.random.default_rng(seed))
        cut = view.cut(face)
        eyes = cut.landmarks[36:48].mean(axis=0) / view.side
        side, eye_line = TEMPLATES[SMALL.template]
        assert abs(eyes[0] - 0.5) < 0.08
        assert abs(eyes[1] - eye_line) < 0.08
        apart = np.linalg.norm(cut.landmarks[42:48].mean(0) - cut.landmarks[36:42].mean(0))
        assert 0.8 < apart / view.side * side < 1.25
        seen.append(cut.image)
    assert len({image.shape for image in seen}) > 5  # sizes as in footage, not one size
