"""What a build is told, and what follows from it: whose clips, which pairs, by what, to where."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from counterface.config import Record, Settings
from counterface.datasets.split import SplitConfig
from counterface.errors import ConfigError, MediaError, RightsError
from counterface.faceset.extract import ExtractConfig
from counterface.files import make_folder, name_differences, write_bytes
from counterface.media.find_media import VIDEO_SUFFIXES, find_media
from counterface.project_files import read_json, reading
from counterface.provenance.rights import Rights, find_rights
from counterface.swap.conversion.settings import ConvertConfig

PAIRS_FILE, MANIFEST_FILE = "pairs.json", "manifest.parquet"
_NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]*"  # of people and methods: they become folders
# what the build itself decides for every conversion
_DECIDED = {"person", "like", "identity", "crf", "keep", "rights", "rights_file", "masks"} | {
    *("codec", "bits", "pictures", "fps", "matte")
}


class PersonClips(Record):
    """One person's footage."""

    clips: tuple[Path, ...] = Field(description="a file or folder, or a list of them")
    rights: Rights | None = Field(
        None,
        description="rights record: shown, basis, reference; unset: the rights.toml beside the "
        "clips, or at the top of the folder that is named",
    )

    @field_validator("clips", mode="before")
    @classmethod
    def _one_is_enough(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str | Path) else value


class BuildConfig(Settings):
    """A data set of genuine clips and swaps of them."""

    out: Path = Field(Path("data/pairs"), description="folder of the data set")
    people: dict[str, PersonClips] = Field(description="people by name, each with clips and rights")
    pairs: Literal["auto"] | tuple[tuple[str, str], ...] = Field(
        "auto",
        description="who is swapped with whom; auto: by likeness, everyone once; or a list such "
        'as [["ann", "bob"]]',
    )
    methods: tuple[Path, ...] = Field(
        (Path("recipes/swap_df.toml"),),
        min_length=1,
        description="recipes of swap models, spread over the pairs",
    )
    crf: tuple[float, ...] = Field(
        (23.0,), min_length=1, description="x264 qualities, 0 to 40, spread over the pairs"
    )
    steps: int | None = Field(
        None, ge=1, description="training steps of every model; unset: as the recipe says"
    )
    clips: int = Field(
        0, ge=0, description="number of clips of each person that are converted; 0 = all"
    )
    masks: bool = Field(
        True, description="write a mask video of every swap: white where the face is new"
    )
    split: SplitConfig = Field(
        SplitConfig(train=0.7, val=0.15, test=0.15),
        description="shares of the splits, which keep people and footage together",
    )
    extract: ExtractConfig = ExtractConfig(size=256)
    convert: ConvertConfig = ConvertConfig(who="largest")
    train: dict[str, Any] = Field(
        {}, description="training settings that override those of every recipe"
    )

    @field_validator("people")
    @classmethod
    def _names_are_folders(
        cls, value: dict[str, PersonClips], _: ValidationInfo
    ) -> dict[str, PersonClips]:
        wrong = [name for name in value if not re.fullmatch(_NAME, name) or "--" in name]
        if wrong:
            raise ValueError(f"names become folders: letters, digits, _ . -; not {wrong}")
        if len(value) < 2:
            raise ValueError("a swap takes two people")
        return value

    @field_validator("crf")
    @classmethod
    def _crf_in_range(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if any(not 0 <= crf <= 40 for crf in value):
            raise ValueError("x264's quality is 0 to 40 here")
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> BuildConfig:
        if self.pairs != "auto":
            unknown = sorted({n for pair in self.pairs for n in pair} - self.people.keys())
            if unknown:
                raise ValueError(f"pairs name {unknown}, people has {sorted(self.people)}")
            if alone := [a for a, b in self.pairs if a == b]:
                raise ValueError(f"{alone} cannot be swapped with themselves")
            if len({frozenset(pair) for pair in self.pairs}) < len(self.pairs):
                raise ValueError("a pair is named twice; one model serves both directions")
        usual = ConvertConfig()
        given = [n for n in sorted(_DECIDED) if getattr(self.convert, n) != getattr(usual, n)]
        if given:
            raise ValueError(f"convert: the build itself decides {', '.join(given)}")
        stems = [method.stem for method in self.methods]
        if len(set(stems)) < len(stems) or any(not re.fullmatch(_NAME, s) for s in stems):
            raise ValueError(f"methods are named after their files, which must differ: {stems}")
        return self


@dataclass(frozen=True, slots=True)
class PeoplePair:
    """Two people, one model for both directions, one compression."""

    source: str
    target: str
    method: Path  # recipe
    crf: float

    @property
    def name(self) -> str:
        """The name that folders of the pair have."""
        return f"{self.source}--{self.target}"

    @property
    def compression(self) -> str:
        """The compression as manifests name it."""
        return f"crf{self.crf:g}"


@dataclass(frozen=True, slots=True)
class BuildPlan:
    """Everything that is known before anything is made."""

    config: BuildConfig
    clips: dict[str, tuple[Path, ...]]  # by person, all
    rights: dict[str, Rights]

    @property
    def out(self) -> Path:
        """The data set's folder."""
        return self.config.out

    def faces(self, person: str) -> Path:
        """The faceset of a person."""
        return self.out / "work" / "faces" / person

    def model(self, pair: PeoplePair) -> Path:
        """The run of a pair's model."""
        return self.out / "work" / "models" / f"{pair.name}.{pair.method.stem}"

    def converted(self, person: str) -> tuple[Path, ...]:
        """The clips of a person that are swapped."""
        return self.clips[person][: self.config.clips or None]

    def real(self, person: str, clip: Path, pair: PeoplePair) -> Path:
        """Where the genuine clip lies, encoded as the swap."""
        return self.out / "real" / pair.compression / person / f"{self._stem(person, clip)}.mp4"

    def fake(self, face: str, clip: Path, pair: PeoplePair) -> Path:
        """Where the swap lies that shows `face` in a clip of the pair's other person."""
        body = pair.target if face == pair.source else pair.source
        name = f"{self._stem(body, clip)}.mp4"
        return self.out / "fake" / pair.method.stem / pair.compression / f"{face}--{body}" / name

    def mask(self, face: str, clip: Path, pair: PeoplePair) -> Path:
        """Where the mask video of a swap lies."""
        return self.out / "masks" / self.fake(face, clip, pair).relative_to(self.out / "fake")

    def require_names(self, person: str) -> None:
        """Check that each clip of a person has a name of its own in the data set.

        Raises:
            ConfigError: two have the same.
        """
        names: dict[str, Path] = {}
        for clip in self.clips[person]:
            other = names.setdefault(self._stem(person, clip), clip)
            if other != clip:
                raise ConfigError(f"people.{person}: {other} and {clip} have one name; rename one")

    def _stem(self, person: str, clip: Path) -> str:
        """The clip's name; with its folder's where two clips of a person share it."""
        twins = [c for c in self.clips[person] if c.stem == clip.stem]
        return clip.stem if len(twins) == 1 else f"{clip.parent.name}_{clip.stem}"

    def read_pairs(self) -> list[PeoplePair] | None:
        """The pairs that an earlier call decided on; None for a new build.

        Raises:
            ConfigError: the file is damaged, or was written for other settings.
        """
        path = self.out / PAIRS_FILE
        if not path.exists():
            return None
        advice = "restore or delete it"
        kept = read_json(path, ConfigError, advice)
        with reading(path, ConfigError, advice):
            pairs = [
                PeoplePair(p["source"], p["target"], Path(p["method"]), float(p["crf"]))
                for p in kept["pairs"]
            ]
            before = dict(kept["facts"])
        facts = self._facts()
        if differ := name_differences({key: before.get(key) for key in facts}, facts):
            raise ConfigError(
                f"{path}: the build was begun with other settings ({differ}); restore them, or "
                "name another folder by 'out'"
            )
        return pairs

    def write_pairs(self, pairs: Sequence[PeoplePair]) -> None:
        """Keep the pairs, so that later calls continue with them."""
        shown = [
            {"source": p.source, "target": p.target, "method": str(p.method), "crf": p.crf}
            for p in pairs
        ]
        text = json.dumps({"facts": self._facts(), "pairs": shown}, indent=1)
        make_folder(self.out)
        write_bytes(self.out / PAIRS_FILE, text.encode())

    def _facts(self) -> dict[str, Any]:
        """What decides which pairs there are, and by what they are made."""
        config = self.config
        return {
            "people": sorted(config.people),
            "pairs": config.pairs if config.pairs == "auto" else [list(p) for p in config.pairs],
            "methods": [str(method) for method in config.methods],
            "crf": list(config.crf),
        }


def read_plan(config: BuildConfig) -> BuildPlan:
    """The clips and rights of everybody.

    Raises:
        MediaError: somebody has no clips.
        RightsError: somebody has no rights record; all of them are named, with how to add one.
        ConfigError: a recipe is missing, a clip is claimed by two people.
    """
    if missing := [str(path) for path in config.methods if not path.is_file()]:
        raise ConfigError(f"methods: no such recipe: {', '.join(missing)}")
    clips, rights = find_footage(config.people, VIDEO_SUFFIXES)
    plan = BuildPlan(config, clips, rights)
    for name in clips:
        plan.require_names(name)
    return plan


def spread(names: Sequence[tuple[str, str]], config: BuildConfig) -> list[PeoplePair]:
    """The pairs with methods and compressions.

    From the first pairs on each method and each compression has its turn; with as many pairs as
    there are combinations, each combination has, so that neither goes by the other.
    """
    methods, crfs = config.methods, config.crf
    turn = math.lcm(len(methods), len(crfs))
    return [
        PeoplePair(a, b, methods[k % len(methods)], crfs[(k + k // turn) % len(crfs)])
        for k, (a, b) in enumerate(names)
    ]


def describe_spread(pairs: int, config: BuildConfig) -> str | None:
    """What so few pairs cannot show, in a sentence; None where they show every combination."""
    methods, crfs = len(config.methods), len(config.crf)
    if pairs >= methods * crfs or methods * crfs == 1:
        return None
    text = (
        f"{pairs} {'pair' if pairs == 1 else 'pairs'} for {methods} methods and {crfs} crf values"
    )
    if pairs < max(methods, crfs):
        unused = [f"crf {crf:g}" for crf in config.crf[pairs:]]
        unused += [method.stem for method in config.methods[pairs:]]
        return f"{text}: {', '.join(unused)} will not be used"
    return f"{text}: not each method has each crf, so a detector could tell one by the other"


def check_shares(shares: Mapping[Any, float]) -> None:
    """Refuse shares by which nothing would be made.

    Raises:
        ValueError: a share is negative, or none is above 0.
    """
    if not shares or min(shares.values()) < 0 or sum(shares.values()) <= 0:
        raise ValueError("shares are not negative, and one at least is above 0")


def find_footage(
    people: Mapping[str, PersonClips], suffixes: frozenset[str]
) -> tuple[dict[str, tuple[Path, ...]], dict[str, Rights]]:
    """Everybody's files of the given kinds, and everybody's rights record.

    Raises:
        MediaError: somebody has no files.
        ConfigError: a file is claimed by two people.
        RightsError: somebody has no record; all of them are named, with how to add one.
    """
    clips = {name: _clips(name, person, suffixes) for name, person in people.items()}
    owner: dict[Path, str] = {}
    for name, paths in clips.items():
        for path in paths:
            other = owner.setdefault(path.resolve(), name)
            if other != name:
                raise ConfigError(f"{path} is a clip of both {other} and {name}; it shows one")
    return clips, _find_rights(people, clips)


def _clips(name: str, person: PersonClips, suffixes: frozenset[str]) -> tuple[Path, ...]:
    found = [p for p in find_media(person.clips) if p.suffix.lower() in suffixes]
    absent = [str(path) for path in (*person.clips, *found) if not path.exists()]
    if absent or not found:
        named = ", ".join(map(str, person.clips))
        what = f"{absent[0]} does not exist" if absent else f"no footage in {named}"
        raise MediaError(f"people.{name}: {what}; name files or a folder that holds them")
    return tuple(found)


def _find_rights(
    people: Mapping[str, PersonClips], clips: Mapping[str, Sequence[Path]]
) -> dict[str, Rights]:
    """Everybody's rights record."""
    found: dict[str, Rights] = {}
    without: list[str] = []
    for name, person in people.items():
        records = (
            [person.rights] if person.rights else [_beside(clip, person) for clip in clips[name]]
        )
        known = [record for record in records if record is not None]
        if len(known) < len(records):
            without.append(name)
        elif len({record.model_dump_json() for record in known}) > 1:
            raise RightsError(f"people.{name}: clips under different records; make them two people")
        else:
            found[name] = known[0]
    if without:
        where = clips[without[0]][0].parent / "rights.toml"
        raise RightsError(
            f"no rights record for {', '.join(without)}, so nothing may be made; write shown, "
            f"basis (consent, licence, research, synthetic) and reference into {where}, or into "
            f"[people.{without[0]}.rights]"
        )
    return found


def _beside(clip: Path, person: PersonClips) -> Rights | None:
    """The record next to the clip, or on top of the folder that was named."""
    tops = [folder for folder in person.clips if folder.is_dir() and folder in clip.parents]
    return find_rights(clip) or next(filter(None, map(find_rights, tops)), None)
