"""What architectures that swap faces and those that judge them have in common.

An architecture is a class with options, named in a registry. `testing/architecture.py` holds the
promises of this file.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from torch import Tensor, nn

from counterface.config import Record, validate
from counterface.errors import CounterfaceError
from counterface.registry import Registry

Template = Literal["face", "whole_face", "head"]
_SHOWN = 3  # differences that an error names


class Architecture(nn.Module):
    """The parent of every architecture: a net that is built from its options alone."""

    KIND: ClassVar[str]  # what errors call it
    Config: ClassVar[type[Record]]  # frozen; unknown keys are errors
    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {}  # options by name
    TINY: ClassVar[Mapping[str, Any]] = {}  # options of the smallest useful net, for tests

    config: Record

    def __init__(self, config: Record) -> None:
        """Keep the options; the subclass adds its parts."""
        super().__init__()
        self.config = config


def settle_options(registry: Registry, name: str, options: Mapping[str, Any] | None = None) -> Any:
    """All options of an architecture, its `Config`.

    Args:
        name: in the registry; where it is also a preset's, that preset's options are the defaults.
        options: fields of the `Config`; what is left out has its default.

    Raises:
        RegistryError: an unknown name.
        ConfigError: an unknown option, or a wrong value.
    """
    kind: type[Architecture] = registry.load(name)
    values = {**kind.PRESETS.get(name, {}), **(options or {})}
    return validate(kind.Config, values, f"{kind.KIND} {name!r}")


def load_tensors(
    net: nn.Module,
    states: Mapping[str, Mapping[str, Tensor]],
    module: str,
    path: Path,
    error: type[CounterfaceError],
    what: str,
) -> None:
    """Fill a net, which may be on the meta device, with what `checkpoint.read_weights` gives.

    Args:
        net: built from the file's options.
        states: tensors by module and name.
        module: the net's name in the file.

    Raises:
        CounterfaceError: of the type `error`: the tensors are not those of the net.
    """
    if module not in states:
        raise error(f"{path}: holds no module {module!r}, only {sorted(states)}")
    wanted, found = net.state_dict(), states[module]
    lines = [f"{name} is missing" for name in wanted if name not in found]
    lines += [f"{name} is left over" for name in found if name not in wanted]
    lines += [
        f"{name} is {tuple(found[name].shape)}, expected {tuple(tensor.shape)}"
        for name, tensor in wanted.items()
        if name in found and found[name].shape != tensor.shape
    ]
    if lines:
        more = f" and {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else ""
        raise error(f"{path}: not weights of {what}: {'; '.join(lines[:_SHOWN])}{more}")
    net.load_state_dict(found, assign=any(tensor.is_meta for tensor in wanted.values()))
