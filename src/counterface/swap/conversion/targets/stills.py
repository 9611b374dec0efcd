"""Pictures, each converted, signed and recorded by itself."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from counterface.errors import ConfigError
from counterface.files import file_sha256, make_folder
from counterface.media import sandbox
from counterface.swap.conversion.footage import look_at
from counterface.swap.conversion.job import ConvertJob
from counterface.swap.conversion.notes import note_picture
from counterface.swap.conversion.people import choose_people, find_people
from counterface.swap.conversion.placement import place_faces
from counterface.swap.conversion.render import Renderer
from counterface.swap.conversion.settings import Converted
from counterface.swap.conversion.truth import TruthWriter

KINDS = {".png", ".jpg", ".jpeg"}  # those that carry their credentials inside


class StillConverter:
    """Converts picture after picture with one model."""

    def __init__(self, job: ConvertJob) -> None:
        """Load the model."""
        self.job = job
        self.generator = job.generator()
        self.segmenter = job.segmenter()

    def convert(self, target: Path, out: Path, top: Path | None = None) -> Converted:
        """Convert one picture, and give the outcome.

        A `rights.toml` in the folder `top` above it counts too.

        Raises:
            CounterfaceError: it cannot be read, shows nobody or several people, carries no rights
                record, or the output cannot be written.
        """
        job = self.job
        if out.suffix.lower() not in KINDS:
            raise ConfigError(f"{out}: a picture is written as .png or .jpg")
        sha256 = file_sha256(target)
        if job.is_made(sha256, out):
            return Converted(target=str(target), out=str(out), status="already", frames=1)
        rights = job.target_rights(target, sha256, top)
        masks = job.masks(target, sha256)
        footage, frames_at = look_at(target, job.config)
        cast = find_people(footage)
        chosen = choose_people(cast, job.config, frames_at, str(target))
        placement = place_faces(footage, cast, chosen, job.config.smooth)
        keep = job.config.keep
        renderer = Renderer(
            self.generator,
            job.identity,
            job.plan,
            placement.faces,
            job.marker.mark_frame,
            even=False,
            keep_masks="masks" in keep,
            masks=masks,
            segmenter=self.segmenter,
        )
        (rendered,) = renderer.render(frames_at([Fraction(0)]))
        info = sandbox.probe(target, job.config.limits)
        notes = [*(note.text for note in info.notes), *note_picture(info)]
        if renderer.maskless:
            notes.append("the face had no faceset mask: the hull was used")
        places = [(0, Fraction(0), placement.faces[0])]
        make_folder(out.parent)
        if keep:
            truth = TruthWriter(out, keep, self.generator.template, self.generator.out_size)
            truth.write_frame(0, rendered)
            truth.write_matrices(places)
        record = job.record(target, sha256, rights, out, places, notes)
        job.marker.finish_image(
            rendered.frame.image, out, record, target, quality=job.config.quality
        )
        return Converted(
            target=str(target),
            out=str(out),
            status="done",
            frames=1,
            frames_swapped=1,
            faces=len(rendered.parts),
            people=tuple(sorted(chosen)),
            backend=self.generator.backend,
            notes=tuple(notes),
        )
