"""The bank of face decoders by name: how each halves, codes, up-samples, and what it learns by.

A detector that is taught by one decoder knows one decoder. These differ in what leaves a trace: the
up-sampling, the size, the code and the loss. No torch in here.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from counterface.config import Record
from counterface.errors import RegistryError
from counterface.wording import unknown_name

Up = Literal["nearest", "bilinear", "transposed", "shuffle"]


class DecoderNet(Record):
    """One face autoencoder; convolutions alone, so it takes any size that it can halve."""

    up: Up = Field(description="how the decoder doubles a side")
    side: int = Field(128, ge=32, description="side of the crops it is trained on, pixels")
    halvings: int = Field(
        3, ge=1, le=4, description="number of times the side is halved from the picture to the code"
    )
    code: int = Field(24, ge=1, description="channels of the code")
    fewest: int | None = Field(
        None,
        ge=1,
        description="fewest channels of the code that training keeps when it drops the last ones; "
        "unset: all are kept",
    )
    codes: int = Field(0, ge=0, description="entries of the code book; 0 = not quantised")
    perceptual: float = Field(0.0, ge=0, description="weight of the distance between features")
    adversarial: float = Field(0.0, ge=0, description="weight of the patch critic")

    @property
    def step(self) -> int:
        """What sides must be multiples of, pixels."""
        return int(2**self.halvings)


ARCHITECTURES: dict[str, DecoderNet] = {
    "nested128": DecoderNet(up="shuffle", fewest=3),  # what `remade` pairs are made with
    "nearest128": DecoderNet(up="nearest", code=16),
    "bilinear160": DecoderNet(up="bilinear", side=160, code=32, perceptual=0.3),
    "transposed96": DecoderNet(up="transposed", side=96, halvings=2, code=8, adversarial=0.015),
    "shuffle256": DecoderNet(up="shuffle", side=256, code=32, perceptual=0.1, adversarial=0.015),
    "quantised128": DecoderNet(up="nearest", halvings=2, code=8, codes=1024),
}


def architecture(name: str) -> DecoderNet:
    """The architecture of that name.

    Raises:
        RegistryError: there is none.
    """
    if name not in ARCHITECTURES:
        raise RegistryError(unknown_name("decoder", name, ARCHITECTURES))
    return ARCHITECTURES[name]
