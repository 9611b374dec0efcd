"""Checkpoints on disk: safetensors with a JSON record inside, written atomically, never pickle.

A run's folder holds `checkpoints/step-00001000.safetensors` (the newest two) and weights-only
files. The tensors' SHA-256 stands in the record, so a damaged file is an error, never a silent
fresh start.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from counterface.errors import CounterfaceError, TrainingError
from counterface.files import make_folder, replacing, sync
from counterface.project_files import parse_json, reading, require_file, writing

FORMAT = 1
_NAME = re.compile(r"step-(\d{8,})\.safetensors")
_KEY = "counterface"  # of the JSON record in the safetensors header


@dataclass(frozen=True)
class Checkpoint:
    """Everything a run needs to go on: named tensors and a JSON record."""

    step: int  # finished steps
    tensors: dict[str, Tensor]  # "module/<name>/<key>", "ema/<name>/<key>", "optimizer/<name>/..."
    record: dict[str, Any]


def write_checkpoint(folder: Path, checkpoint: Checkpoint, keep: int = 2) -> Path:
    """The path of the new file; older ones beyond `keep` are deleted once it is safely on disk."""
    make_folder(folder, TrainingError)
    path = folder / f"step-{checkpoint.step:08d}.safetensors"
    _write(path, checkpoint.tensors, {"step": checkpoint.step, **checkpoint.record})
    drop_older(path, keep)
    return path


def read_checkpoint(path: Path) -> Checkpoint:
    """The checkpoint in a file.

    Raises:
        TrainingError: not a checkpoint of this project, damaged, cut short, or of another format.
    """
    tensors, record = _read(path)
    step = record.get("step")
    if not isinstance(step, int):
        raise TrainingError(f"{path}: its record names no step; delete it, the one before is used")
    return Checkpoint(step, tensors, record)


def checkpoints(folder: Path) -> list[Path]:
    """The complete checkpoints of a folder, oldest first; temporary files are not among them."""
    if not folder.is_dir():
        return []
    named = [(int(m[1]), p) for p in folder.iterdir() if (m := _NAME.fullmatch(p.name))]
    return [path for _, path in sorted(named)]


def step_of(path: Path) -> int:
    """The step in a checkpoint's file name."""
    return int(path.stem.removeprefix("step-"))


def keep_backup(path: Path, folder: Path, keep: int) -> Path:
    """The same checkpoint under the same name in another folder, where the newest `keep` stay.

    A hard link where the file system has them: no copy in time or space.
    """
    make_folder(folder, TrainingError)
    backup = folder / path.name
    with replacing(backup, TrainingError) as temporary:
        try:
            temporary.hardlink_to(path)
        except OSError:
            shutil.copyfile(path, temporary)
    with writing(backup, TrainingError):
        sync(folder)
    drop_older(backup, keep)
    return backup


def drop_older(newest: Path, keep: int = 2) -> None:
    """Delete old checkpoints: this one and the highest `keep` - 1 others stay in its folder."""
    older = [p for p in checkpoints(newest.parent) if p != newest]
    for old in older[: max(0, len(older) + 1 - keep)]:
        old.unlink(missing_ok=True)


def write_weights(path: Path, modules: Mapping[str, nn.Module], record: Mapping[str, Any]) -> None:
    """Write the weights and buffers of modules alone, for use after training."""
    make_folder(path.parent, TrainingError)
    _write(path, pack_modules("module", modules), dict(record))


def read_weights(
    path: Path, error: type[CounterfaceError] = TrainingError
) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]]:
    """State dicts by module name, and the record; of a weights file or a checkpoint.

    A checkpoint gives its averaged weights where it has them.

    Raises:
        CounterfaceError: one of the type `error`: the file cannot be read.
    """
    tensors, record = _read(path, error)
    states: dict[str, dict[str, Tensor]] = {}
    for name, tensor in (_below("ema/", tensors) or _below("module/", tensors)).items():
        module, _, key = name.partition("/")
        states.setdefault(module, {})[key] = tensor
    return states, record


def read_record(path: Path, error: type[CounterfaceError] = TrainingError) -> dict[str, Any]:
    """The record of a weights file or checkpoint without its tensors, whose checksum is not tested.

    Raises:
        CounterfaceError: one of the type `error`: the file cannot be read.
    """
    with _opened(path, "name another file", error) as (_, record):
        return record


def pack_modules(kind: str, modules: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    """Tensors named `<kind>/<module>/<key>`."""
    packed: dict[str, Tensor] = {}
    for name, module in modules.items():
        for key, value in module.state_dict().items():
            if not isinstance(value, Tensor):
                raise TrainingError(
                    f"module {name!r} keeps {key!r} as {type(value).__name__}; a checkpoint holds "
                    "tensors only: register it as a buffer"
                )
            packed[f"{kind}/{name}/{key}"] = value
    return packed


def unpack_modules(
    kind: str, modules: Mapping[str, nn.Module], tensors: Mapping[str, Tensor]
) -> None:
    """Load tensors named `<kind>/<module>/<key>` into modules; every name and shape must agree.

    Raises:
        TrainingError: a tensor is missing, left over, or of another shape.
    """
    for name, module in modules.items():
        try:
            module.load_state_dict(_below(f"{kind}/{name}/", tensors))
        except RuntimeError as error:
            raise TrainingError(
                f"the checkpoint's {kind} {name!r} does not fit the model: {error}"
            ) from error


def pack_optimizer(name: str, optimizer: Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """An optimizer's state as tensors `optimizer/<name>/<index>/<key>` and a JSON record."""
    state = optimizer.state_dict()
    tensors: dict[str, Tensor] = {}
    scalars: dict[str, dict[str, Any]] = {}
    for index, values in state["state"].items():
        for key, value in values.items():
            if isinstance(value, Tensor):
                tensors[f"optimizer/{name}/{index}/{key}"] = value
            else:
                scalars.setdefault(str(index), {})[key] = value
    return tensors, {"groups": state["param_groups"], "scalars": scalars}


def unpack_optimizer(
    name: str, optimizer: Optimizer, tensors: Mapping[str, Tensor], record: Mapping[str, Any]
) -> None:
    """Restore what `pack_optimizer` made.

    Raises:
        TrainingError: the groups of the checkpoint differ from the optimizer's.
    """
    state: dict[int, dict[str, Any]] = {
        int(index): dict(values) for index, values in record["scalars"].items()
    }
    for place, tensor in _below(f"optimizer/{name}/", tensors).items():
        index, _, key = place.partition("/")
        state.setdefault(int(index), {})[key] = tensor
    # the defaults are for options that the writing version's rule did not have yet
    groups = [{**optimizer.defaults, **group} for group in record["groups"]]
    for group in groups:
        if "betas" in group:
            group["betas"] = tuple(group["betas"])
    try:
        optimizer.load_state_dict({"state": state, "param_groups": groups})
    except (ValueError, KeyError) as error:
        raise TrainingError(
            f"the checkpoint's optimizer {name!r} does not fit this task's: {error}"
        ) from error
    for weight, values in optimizer.state.items():
        for key, value in values.items():
            if isinstance(value, Tensor) and value.shape == weight.shape:
                # in the weight's memory order (channels last, say), or the step becomes slow
                values[key] = torch.empty_like(weight, dtype=value.dtype).copy_(value)


def _below(head: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names start so, by the rest of their names."""
    return {k.removeprefix(head): t for k, t in tensors.items() if k.startswith(head)}


def _write(path: Path, tensors: Mapping[str, Tensor], record: dict[str, Any]) -> None:
    """Write a temporary file in the same folder, fsync it, move it into place, fsync the folder."""
    # a copy each: safetensors refuses tensors that share memory, as tied weights do
    own = {n: t.detach().to("cpu", copy=True).contiguous() for n, t in tensors.items()}
    record = {**record, "format": FORMAT, "sha256": _digest(own)}
    with replacing(path, TrainingError) as temporary:
        save_file(own, temporary, metadata={_KEY: json.dumps(record)})
    with writing(path, TrainingError):
        sync(path.parent)


def _read(
    path: Path, error: type[CounterfaceError] = TrainingError
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    advice = (
        "Training does not start over by itself: move the file away to go on from the one before "
        "it, or train into another folder"
    )
    with _opened(path, advice, error) as (file, record):
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    if record.get("format") != FORMAT:
        found = record.get("format", "none")
        raise error(f"{path}: checkpoint format {found}, expected {FORMAT}. {advice}")
    if record.get("sha256") != _digest(tensors):
        raise error(f"{path}: the tensors do not match their checksum. {advice}")
    return tensors, record


@contextmanager
def _opened(
    path: Path, advice: str, error: type[CounterfaceError]
) -> Iterator[tuple[Any, dict[str, Any]]]:
    """The open file and its record.

    Raises:
        CounterfaceError: one of the type `error`: it cannot be read, or is of an impossible step.
    """
    with reading(path, error, advice, what="not a readable checkpoint"):
        require_file(path)
        with safe_open(path, framework="pt") as file:
            record = dict(parse_json((file.metadata() or {}).get(_KEY, "{}"), finite=False))
            step = record.get("step", 0)
            if not isinstance(step, int) or step < 0:
                raise ValueError(f"step {step!r} is no whole number from 0")
            yield file, record


def _digest(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, types, shapes and bytes, in name order."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
