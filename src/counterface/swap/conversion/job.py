"""What every target of one conversion shares: model, identity, plan, marks, rights, records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from counterface import __version__
from counterface.errors import ConfigError, FacesetError, RightsError, SwapError
from counterface.faces.align import crop_matrix
from counterface.faces.segment import FaceSegmenter, load_segmenter
from counterface.faceset.header import read_plain_header
from counterface.faceset.store import Faceset
from counterface.files import file_sha256, name_differences
from counterface.provenance.mark import Marker
from counterface.provenance.record import (
    FrameSwaps,
    MadeInput,
    MadeModel,
    MadeOutput,
    MadeRecord,
    MadeRights,
    SwapPlace,
    read_record,
    record_path,
    require_room,
)
from counterface.provenance.rights import Rights, find_rights, read_rights
from counterface.swap.conversion.faceset_masks import FacesetMasks
from counterface.swap.conversion.generate import Generator
from counterface.swap.conversion.placement import PlacedFace
from counterface.swap.conversion.segmented_masks import SEGMENTED
from counterface.swap.conversion.settings import ConvertConfig
from counterface.swap.swap_model import SOURCE, FacesetUsed, TrainedModel

Places = Sequence[tuple[int, Fraction, Sequence[PlacedFace]]]  # index, pts in the output, faces


class ConvertJob:
    """One call's model and settings, ready for target after target."""

    def __init__(
        self, trained: TrainedModel, config: ConvertConfig, marker: Marker, *, redo: bool
    ) -> None:
        """Check that the model may be used, and choose the identity.

        Raises:
            RightsError: an identity of the model carries no rights record.
            ConfigError: the identity is unknown, or has to be named; the plan cannot be read.
        """
        self.trained, self.config, self.marker, self.redo = trained, config, marker, redo
        self.identity = choose_identity(trained, config.identity)
        require_model_rights(trained)
        self.plan = config.merge_plan()
        self._settings = config.decides()
        about = trained.about
        self._model = MadeModel(
            name=about.model, sha256=trained.sha256, step=trained.step, options=about.options
        )

    def generator(self, *, masks: bool = False) -> Generator:
        """What makes faces, with masks where the plan or `masks` asks for them."""
        config = self.config
        masks = masks or "learned" in self.plan.mask_factors
        return Generator(
            self.trained, config.backend, batch=config.batch, threads=config.threads, masks=masks
        )

    def masks(
        self, target: Path, target_sha256: str, *, asked: bool = False
    ) -> FacesetMasks | None:
        """The masks of the target's facesets; None where neither plan nor `asked` wants them.

        Raises:
            SwapError: they are wanted, and there are none.
            FacesetError: a folder that was named is no faceset.
        """
        if not asked and "faceset" not in self.plan.mask_factors:
            return None
        folders = self.config.masks or tuple(
            Path(used.folder) for used in self._others() if Path(used.folder).is_dir()
        )
        return FacesetMasks(folders, target, target_sha256)

    def segmenter(self, *, asked: bool = False) -> FaceSegmenter | None:
        """The segmenter of masks; None where neither plan nor `asked` wants it.

        Raises:
            RegistryError: none of that name.
            WeightsError: its file is not there or cannot be used.
        """
        if not asked and not self.plan.mask_factors & SEGMENTED:
            return None
        return load_segmenter(self.config.segmenter)

    def facts(self, target_sha256: str) -> dict[str, Any]:
        """All that an output depends on, as plain JSON values."""
        return {
            "target": target_sha256,
            "model": self._model.sha256,
            "tool": f"counterface {__version__}",
            "settings": self._settings,
        }

    def record(
        self,
        target: Path,
        target_sha256: str,
        rights: Rights,
        out: Path,
        places: Places,
        notes: Sequence[str] = (),
    ) -> MadeRecord:
        """The record with all that is known before signing."""
        inputs = [MadeInput(role="target", name=target.name, sha256=target_sha256)]
        if self.config.plan is not None:
            plan = self.config.plan
            inputs.append(MadeInput(role="merge plan", name=plan.name, sha256=file_sha256(plan)))
        of_model = [
            MadeRights(of=f"{identity.name}: {Path(used.folder).name}", rights=used.rights)
            for identity in self.trained.about.identities
            for used in identity.facesets
        ]
        return MadeRecord(
            output=MadeOutput(name=out.name),
            inputs=tuple(inputs),
            models=(self._model,),
            settings=self._settings,
            rights=(*of_model, MadeRights(of="target", rights=rights)),
            frames=tuple(self._swaps(index, pts, faces) for index, pts, faces in places if faces),
            notes=tuple(notes),
        )

    def is_made(self, target_sha256: str, out: Path) -> bool:
        """Whether the output is there, made from the same target with the same settings.

        Raises:
            ProvenanceError: its name leaves no room for that of its record.
            SwapError: it is there and was made otherwise.
        """
        require_room(out)
        if self.redo or not out.exists():
            return False
        where = record_path(out)
        if not where.exists():
            raise SwapError(
                f"{out} exists and was not made by a conversion (no {where.name}); choose another "
                "name, or add --redo to replace it"
            )
        made = read_record(where)
        was = {
            "target": next((i.sha256 for i in made.inputs if i.role == "target"), None),
            "model": made.models[0].sha256 if made.models else None,
            "tool": made.tool,
            "settings": made.settings,
        }
        if differ := name_differences(was, self.facts(target_sha256)):
            raise SwapError(
                f"{out} exists and was made otherwise: {differ}; choose another name, or add "
                "--redo to replace it"
            )
        return True

    def target_rights(self, target: Path, target_sha256: str, top: Path | None = None) -> Rights:
        """The rights record of the target's footage.

        The record that was given, else that of a `rights.toml` beside the target or in the folder
        `top` above it, else that of a faceset which the model was trained on and which was
        extracted from this very file.

        Raises:
            RightsError: there is none; the text says how to add one.
        """
        config = self.config
        given = read_rights(config.rights_file) if config.rights_file else config.rights
        found = given or find_rights(target) or (find_rights(top) if top else None)
        found = found or self._faceset_rights(target_sha256)
        if found is None:
            raise RightsError(
                f"{target}: the target's footage carries no rights record, so nothing may be made "
                "from it; add --rights.shown WHO --rights.basis consent|licence|research|synthetic "
                f"--rights.reference WHERE_IT_IS_WRITTEN_DOWN, or write shown, basis and reference "
                f"into {target.parent / 'rights.toml'}"
            )
        return found

    def _faceset_rights(self, sha256: str) -> Rights | None:
        for used in self._others():
            try:
                sources = read_plain_header(Path(used.folder)).get("sources", [])
            except FacesetError:  # moved or deleted since the training: not a reason to stop
                continue
            if any(isinstance(s, Mapping) and s.get("sha256") == sha256 for s in sources):
                return self._rights_within(used, sha256)
        return None

    def _rights_within(self, used: FacesetUsed, sha256: str) -> Rights | None:
        """The record of one source of a faceset; None where a merged one has several for it."""
        if sum(one.folder == used.folder for one in self._others()) == 1:
            return used.rights
        faceset = Faceset.open(Path(used.folder))
        found = {faceset.rights_of(row) for row in faceset if row.source_sha256 == sha256}
        return found.pop() if len(found) == 1 else None

    def _others(self) -> list[FacesetUsed]:
        """The facesets of everyone but the one whose face is put in."""
        return [
            used
            for number, identity in enumerate(self.trained.about.identities)
            if number != self.identity
            for used in identity.facesets
        ]

    def _swaps(self, index: int, pts: Fraction, faces: Sequence[PlacedFace]) -> FrameSwaps:
        template, size = self.trained.model.template, self.trained.model.out_size
        swaps = [
            SwapPlace(
                track=face.track,
                box=face.box.tolist(),
                matrix=crop_matrix(face.landmarks, template, size).tolist(),
            )
            for face in faces
        ]
        return FrameSwaps(index=index, pts=pts, swaps=tuple(swaps))


def choose_identity(trained: TrainedModel, name: str | None) -> int:
    """The number of the identity whose face is put in.

    Raises:
        ConfigError: no such name, or none given for a model that knows more than two people.
    """
    names = [identity.name for identity in trained.about.identities]
    if name is None:
        if trained.model.identities > 2:
            raise ConfigError(
                f"{trained.path} knows {len(names)} people ({', '.join(names)}); say whose face is "
                "put in by --identity NAME"
            )
        return SOURCE
    if name not in names:
        raise ConfigError(f"{trained.path} knows no identity {name!r}, only {', '.join(names)}")
    return names.index(name)


def require_model_rights(trained: TrainedModel) -> None:
    """Check that the footage of every identity carries a rights record.

    Raises:
        RightsError: one does not.
    """
    identities = trained.about.identities
    without = [i.name for i in identities if not i.facesets]
    if len(identities) < trained.model.identities or without:
        which = ", ".join(without) or "its people"
        raise RightsError(
            f"{trained.path} names no faceset with a rights record for {which}, so nothing may be "
            "made with it; give each faceset one by 'counterface faceset rights FOLDER --shown "
            "... --basis ... --reference ...' and train from them"
        )
