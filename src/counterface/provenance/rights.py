"""The rights record that every making job needs."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field, field_validator

from counterface.config import STRICT


class Rights(BaseModel):
    """Who is shown, why the footage may be used, and where that is written down."""

    model_config = STRICT

    shown: str = Field(description="who is shown: a name, or how the data set describes its people")
    basis: Literal["consent", "licence", "research", "synthetic"] = Field(
        description="consent of the person, a licence of the footage, a public research data set, "
        "or synthetic (no real person)"
    )
    reference: str = Field(
        description="where the basis is written down: a release form, licence text or address"
    )

    @field_validator("shown", "reference")
    @classmethod
    def _says_something(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("must not be empty")
        return value.strip()
