"""Merge settings over the time of a video: base settings, and spans that change some of them.

    [settings]
    color_transfer = "rct"

    [[span]]
    from_s = 2.0
    to_s = 4.5
    track = 1
    ramp_s = 0.5
    erode = 12.0

A later span wins over an earlier one. Numbers glide in and out over `ramp_s` seconds; choices and
names switch at once.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

from pydantic import (
    ConfigDict,
    Field,
    FiniteFloat,
    ValidationError,
    field_validator,
    model_validator,
)

from counterface.config import Record, read_config, to_toml, validate
from counterface.errors import ConfigError
from counterface.files import write_bytes
from counterface.project_files import describe_error
from counterface.swap.merge.settings import MergeSettings, mask_factors


class Span(Record):
    """A stretch of time in which some settings differ; its further keys are those settings."""

    model_config = ConfigDict(extra="allow")  # the settings that it changes

    from_s: FiniteFloat = Field(0.0, ge=0, description="start, seconds")
    to_s: FiniteFloat | None = Field(None, description="end, seconds; unset: the end of the video")
    track: int | None = Field(None, ge=0, description="number of the person; unset: everyone")
    ramp_s: FiniteFloat = Field(
        0.0, ge=0, description="time in which numbers glide in, and out at the end, seconds"
    )

    @property
    def changes(self) -> dict[str, Any]:
        """Settings by name, checked."""
        return dict(self.model_extra or {})

    @model_validator(mode="before")
    @classmethod
    def _check_settings(cls, values: Any) -> Any:
        """The values with settings in their own types (`erode = 5` is 5.0), or an error."""
        if not isinstance(values, dict):
            return values
        changes = {key: value for key, value in values.items() if key not in cls.model_fields}
        try:
            checked = MergeSettings.model_validate(changes)
        except ValidationError as error:
            raise ValueError(describe_error(error, MergeSettings)) from error
        return values | {key: getattr(checked, key) for key in changes}

    @model_validator(mode="after")
    def _check_times(self) -> Span:
        if self.to_s is not None and self.to_s <= self.from_s:
            raise ValueError(f"`to_s` {self.to_s:g} is not after `from_s` {self.from_s:g}")
        if self.to_s is not None and 2 * self.ramp_s > self.to_s - self.from_s:
            raise ValueError(
                f"ramp_s = {self.ramp_s} in and out is longer than the span from "
                f"{self.from_s} to {self.to_s}"
            )
        return self

    def weight(self, time_s: float, track: int | None) -> float:
        """How much of the span counts at a moment, [0, 1], for a person."""
        if not self.covers(time_s, track):
            return 0.0
        if not self.ramp_s:
            return 1.0
        left = float("inf") if self.to_s is None else self.to_s - time_s
        return min(1.0, (time_s - self.from_s) / self.ramp_s, left / self.ramp_s)

    def covers(self, time_s: float, track: int | None) -> bool:
        """Whether the span's choices and names hold at a moment, for a person."""
        begun = time_s >= self.from_s and (self.to_s is None or time_s < self.to_s)
        return begun and self.track in (None, track)


class MergePlan(Record):
    """How faces are merged, moment by moment."""

    settings: MergeSettings = Field(MergeSettings(), description="settings outside all spans")
    span: tuple[Span, ...] = Field((), description="changes over time; a later one wins")

    @field_validator("span", mode="before")
    @classmethod
    def _list_spans(cls, spans: Any) -> Any:
        if isinstance(spans, dict):
            raise ValueError("write [[span]] with two brackets on each side: a list of spans")
        return spans

    @property
    def mask_factors(self) -> frozenset[str]:
        """All that the masks of any moment are products of."""
        changed = [str(span.changes["mask"]) for span in self.span if "mask" in span.changes]
        kinds = self.settings.mask, *changed
        return frozenset(factor for kind in kinds for factor in mask_factors(kind))

    @classmethod
    def read(cls, path: Path) -> MergePlan:
        """The plan in a TOML file.

        Raises:
            ConfigError: the file cannot be read, or holds a wrong key, value or time; the message
                names the span, the key and the value.
        """
        return read_config(cls, path)

    def write(self, path: Path) -> None:
        """Write the plan as a TOML file that `read` reads back to an equal plan."""
        write_bytes(path, self.to_toml().encode(), ConfigError)

    def to_toml(self) -> str:
        """The plan as TOML text, every base setting written out."""
        parts = ["[settings]\n" + to_toml(self.settings)]
        parts += ["[[span]]\n" + to_toml(span) for span in self.span]
        return "\n".join(parts)

    def at(self, pts: Fraction | float, track: int | None = None) -> MergeSettings:
        """The settings at a moment, for a person.

        Args:
            pts: presentation time, seconds.
            track: the person's track; None counts only spans for everyone.
        """
        values: dict[str, Any] = {}
        for span in self.span:
            if not span.covers(float(pts), track):
                continue
            weight = span.weight(float(pts), track)
            for key, value in span.changes.items():
                before = values.get(key, getattr(self.settings, key))
                values[key] = _mix(before, value, weight)
        return self.settings.model_copy(update=values) if values else self.settings

    def split(self, number: int, at_s: float) -> MergePlan:
        """The plan with a span cut in two at a moment; the parts switch at once, without ramps.

        Args:
            number: of the span, from 0.
            at_s: seconds, inside the span.

        Raises:
            ConfigError: there is no such span, or the moment lies outside it.
        """
        span = self._span(number)
        if not span.from_s < at_s < (float("inf") if span.to_s is None else span.to_s):
            raise ConfigError(
                f"span {number + 1} cannot be split at {at_s:g} s: that is not inside it"
            )
        values = span.model_dump(exclude={"ramp_s"})
        first, second = {**values, "to_s": at_s}, {**values, "from_s": at_s}
        parts = tuple(validate(Span, one, f"span {number + 1}") for one in (first, second))
        return self.model_copy(
            update={"span": (*self.span[:number], *parts, *self.span[number + 1 :])}
        )

    def carry(self, at_s: float, track: int | None = None, *, back: bool = False) -> MergePlan:
        """The plan with the settings of a moment from there to the end, or back to the start.

        They come as one span after all others, which says every setting that is another somewhere,
        so that it wins over each span that it covers.

        Raises:
            ConfigError: there is no time before the moment.
        """
        here = self.at(at_s, track).model_dump()
        named = [name for name in here if any(name in one.changes for one in self.span)]
        if not named:
            return self
        time = {"to_s": at_s} if back else {"from_s": at_s}
        values = {**time, "track": track, **{name: here[name] for name in named}}
        new = validate(Span, values, f"settings of {at_s:g} s")
        return self.model_copy(update={"span": (*self.span, new)})

    def _span(self, number: int) -> Span:
        if not 0 <= number < len(self.span):
            raise ConfigError(f"no span {number + 1}; the plan has {len(self.span)}")
        return self.span[number]


def _mix(before: Any, after: Any, weight: float) -> Any:
    """A number on the way from `before` to `after`; anything else is `after`."""
    if isinstance(after, int | float) and not isinstance(after, bool):
        mixed = before + weight * (after - before)
        return round(mixed) if isinstance(after, int) else float(mixed)
    return after
