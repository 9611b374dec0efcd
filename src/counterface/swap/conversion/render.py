"""Frames with faces to frames with other faces: align, generate in batches, steady, merge, mark.

Two stages run at the same time in threads of their own: cutting out and generating, and putting
into the frame. Decoding runs in a child process besides, encoding in the caller's thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from counterface.faces.segment import FaceSegmenter
from counterface.phase_clock import PhaseClock
from counterface.swap.conversion.ahead import run_ahead
from counterface.swap.conversion.faceset_masks import FacesetMasks
from counterface.swap.conversion.generate import Generator
from counterface.swap.conversion.placement import PlacedFace
from counterface.swap.conversion.segmented_masks import SegmentedMasks
from counterface.swap.conversion.steady import SteadyFaces
from counterface.swap.merge.merge_face import Swapped, merge_face
from counterface.swap.merge.plan import MergePlan
from counterface.swap.merge.settings import MergeSettings
from counterface.swap.same_moments import make_even
from counterface.types import Frame, Image, Mask

WARM = 4  # frames that steadying looks back at the start of a segment
Faces = Mapping[int, Sequence[PlacedFace]]  # by index of the frame


@dataclass(frozen=True, slots=True, eq=False)
class MergedFace:
    """One face that was put into a frame."""

    place: PlacedFace
    target: Image  # (S, S, 3), what the model saw
    mask: Mask | None  # (H, W) of the padded frame, where it was asked for


@dataclass(frozen=True, slots=True, eq=False)
class Rendered:
    """One finished frame."""

    frame: Frame  # marked, of even sides
    parts: tuple[MergedFace, ...]


@dataclass(slots=True)
class _Cut:
    """A frame and the crops of its faces."""

    frame: Frame
    places: Sequence[PlacedFace]
    crops: list[Image]
    made: list[Swapped] = field(default_factory=list)


@dataclass(slots=True)
class Renderer:
    """Everything that turns frames of one target into frames of the output."""

    generator: Generator
    identity: int  # whose face is put in
    plan: MergePlan
    faces: Faces
    mark: Callable[[Image], Image]  # leaves the watermark in a finished picture
    steady: float = 0.0  # share of the last output that is blended in, [0, 1); 0 is off
    even: bool = True  # make sides even, as H.264 needs them, by repeating the last row or column
    keep_masks: bool = False  # parts carry their masks
    masks: FacesetMasks | None = None  # those of facesets, where the plan asks for them
    segmenter: FaceSegmenter | None = None  # likewise
    steady_masks: float = 0.0  # as `steady`, of the segmenter's masks
    clock: PhaseClock = field(default_factory=PhaseClock)
    maskless: int = 0  # faces that had no faceset mask, and were given the hull
    flicker: list[tuple[float, float]] = field(default_factory=list)  # of segments: before, after

    def render(self, frames: Iterable[Frame], before: Sequence[Frame] = ()) -> Iterator[Rendered]:
        """The finished frames of one segment, in order; equal inputs give equal bits.

        Args:
            frames: consecutive, each with the index that `faces` uses.
            before: up to `WARM` frames that come just before them, for steadying.
        """
        cuts = run_ahead(self._generated(frames, before), depth=2)
        return run_ahead(self._merged(cuts), depth=2)

    def _cut(self, frame: Frame) -> _Cut:
        with self.clock.phase("align"):
            places = self.faces.get(frame.index, ())
            crops = [self.generator.cut(frame.image, place.landmarks) for place in places]
        return _Cut(frame, places, crops)

    def _generated(self, frames: Iterable[Frame], before: Sequence[Frame]) -> Iterator[_Cut]:
        """Frames with the faces made for them."""
        steady = SteadyFaces(self.steady) if self.steady else None
        segmented = None
        if self.segmenter is not None:
            segmented = SegmentedMasks(self.segmenter, self.steady_masks)
        if steady is not None or segmented is not None:
            warm = [self._cut(frame) for frame in before]
            if steady is not None or "made" in self.plan.mask_factors:
                self._make(warm, steady)
            self._segment(warm, segmented)
        waiting: list[_Cut] = []
        for frame in self.clock.waiting(frames, "decode"):
            waiting.append(self._cut(frame))
            full = sum(len(cut.crops) for cut in waiting) >= self.generator.batch
            if full or len(waiting) >= 2 * self.generator.batch:
                yield from self._segment(self._make(waiting, steady), segmented)
                waiting = []
        yield from self._segment(self._make(waiting, steady), segmented)
        if steady is not None and steady.flicker is not None:
            self.flicker.append(steady.flicker)

    def _make(self, cuts: list[_Cut], steady: SteadyFaces | None) -> list[_Cut]:
        """The same frames with faces made for them."""
        with self.clock.phase("generate"):
            crops = [crop for cut in cuts for crop in cut.crops]
            made = iter(self.generator.generate(crops, self.identity))
        with self.clock.phase("steady" if steady else "generate"):
            for cut in cuts:
                for place, crop in zip(cut.places, cut.crops, strict=True):
                    image, mask = next(made)
                    if steady is not None:
                        image = steady.blend(place.track, image, crop)
                    matrix = self.generator.frame_to_face(place.landmarks)
                    cut.made.append(Swapped(image, mask, matrix, place.landmarks))
        return cuts

    def _segment(self, cuts: list[_Cut], segmented: SegmentedMasks | None) -> list[_Cut]:
        """The same frames, with masks for faces whose settings ask for a segmenter's."""
        if segmented is None:
            return cuts
        with self.clock.phase("segment"):
            for cut in cuts:
                for number, place in enumerate(cut.places):
                    factors = self.plan.at(cut.frame.pts, place.person).mask_factors
                    matrix = self.generator.frame_to_face(place.landmarks)
                    seen = made = None
                    if "segmented" in factors:
                        size = self.generator.out_size
                        seen = segmented.of_target(cut.frame.image, place, matrix, size)
                    if "made" in factors:
                        made = segmented.of_made(cut.made[number].image, place, matrix)
                    if cut.made:  # frames that only warm up may have none
                        whole = replace(cut.made[number], segmented=seen, segmented_made=made)
                        cut.made[number] = whole
        return cuts

    def _merged(self, cuts: Iterable[_Cut]) -> Iterator[Rendered]:
        for cut in cuts:
            with self.clock.phase("merge"):
                image = cut.frame.image
                parts = []
                for place, crop, made in zip(cut.places, cut.crops, cut.made, strict=True):
                    settings = self.plan.at(cut.frame.pts, place.person)
                    if "faceset" in settings.mask_factors:
                        made, settings = self._masked(cut.frame, place, made, settings)
                    merged = merge_face(image, made, settings, place.motion)
                    image = merged.frame
                    mask = merged.mask if self.keep_masks else None
                    parts.append(MergedFace(place, crop, mask))
                image = make_even(image) if self.even else image
            with self.clock.phase("watermark"):
                image = self.mark(image)
            yield Rendered(replace(cut.frame, image=image), tuple(parts))

    def _masked(
        self, frame: Frame, place: PlacedFace, made: Swapped, settings: MergeSettings
    ) -> tuple[Swapped, MergeSettings]:
        """The face with its faceset's mask; where there is none the hull is used."""
        assert self.masks is not None  # `Job.masks` has seen to it
        size = len(made.image)
        mask = self.masks.find(frame.pts, place.box, made.frame_to_crop, size)
        if mask is None:
            self.maskless += 1
            factors = {"hull" if name == "faceset" else name for name in settings.mask_factors}
            return made, settings.model_copy(update={"mask": "_x_".join(sorted(factors))})
        return replace(made, faceset_mask=mask), settings
