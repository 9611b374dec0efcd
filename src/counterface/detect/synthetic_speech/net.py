"""The two networks on speech: which there are, and their options."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from counterface.config import Record
from counterface.detect.synthetic_speech.delay_net import DelayNet
from counterface.detect.synthetic_speech.light_cnn import LightCnn

SpeechNet = DelayNet | LightCnn


class SpeechNetConfig(Record):
    """Options of the network."""

    name: Literal["delay_net", "light_cnn"] = Field(
        "delay_net",
        description="delay_net: convolutions over time, on LFCC and swings; light_cnn: "
        "max-feature-map convolutions over time and pitch, on LFCC",
    )
    width: int = Field(
        40,
        ge=2,
        le=256,
        description="features of each layer of delay_net; maps of the first layer of light_cnn",
    )
    dropout: float = Field(
        0.3, ge=0, lt=1, description="share of features that are dropped before the last lines"
    )


def build_net(config: SpeechNetConfig) -> SpeechNet:
    """A network with random weights."""
    kind = DelayNet if config.name == "delay_net" else LightCnn
    return kind(config.width, config.dropout)
