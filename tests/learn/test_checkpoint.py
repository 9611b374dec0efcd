from __future__ import annotations

import ast
import errno
import os
import pickle
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors import SafetensorError
from torch import nn

import counterface
from counterface import files
from counterface.errors import TrainingError, is_disk_full
from counterface.learn import checkpoint as disk
from counterface.learn.checkpoint import Checkpoint
from counterface.learn.run_log import RunLog

PACKAGE = Path(counterface.__file__).parent


def some_tensors() -> dict[str, torch.Tensor]:
    shared = torch.arange(6.0).reshape(2, 3)
    return {
        "module/net/a": shared,
        "module/net/tied": shared,  # one memory, two names
        "module/net/turned": shared.T,  # not contiguous
        "module/net/half": torch.randn(4, dtype=torch.bfloat16),
        "module/net/count": torch.tensor(7),  # no dimension
        "module/net/empty": torch.empty(0, 3),
        "module/net/flags": torch.tensor([True, False]),
    }


def write(folder: Path, step: int = 3) -> Path:
    return disk.write_checkpoint(folder, Checkpoint(step, some_tensors(), {"note": "ünïcode"}))


def test_round_trip(tmp_path: Path) -> None:
    tensors = some_tensors()
    path = disk.write_checkpoint(tmp_path, Checkpoint(3, tensors, {"x": [0.1, None, "é"]}))
    back = disk.read_checkpoint(path)
    assert back.step == 3
    assert back.record["x"] == [0.1, None, "é"]
    assert back.tensors.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert back.tensors[name].dtype == tensor.dtype
        assert torch.equal(back.tensors[name], tensor), name


def test_only_the_newest_two_stay(tmp_path: Path) -> None:
    for step in (5, 100, 1000, 20):
        write(tmp_path, step)
        assert (tmp_path / f"step-{step:08d}.safetensors").exists()
    assert [p.name for p in disk.checkpoints(tmp_path)][-1] == "step-00001000.safetensors"
    assert len(disk.checkpoints(tmp_path)) == 2


def test_a_failed_write_leaves_the_older_checkpoint_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = write(tmp_path, 1)
    before = old.read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(disk, "save_file", full)
    with pytest.raises(TrainingError, match="No space left"):
        write(tmp_path, 2)
    assert old.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == [old.name]


def test_the_new_file_is_on_disk_before_the_old_one_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, 1)
    write(tmp_path, 2)
    events: list[str] = []
    real_sync, real_replace, real_unlink = files.sync, Path.replace, Path.unlink

    def unlink(path: Path, missing_ok: bool = False) -> None:
        real_unlink(path, missing_ok)
        events.append(f"delete {path.suffix}")

    for module in (files, disk):
        monkeypatch.setattr(
            module, "sync", lambda p: (events.append(f"sync {p.suffix}"), real_sync(p))
        )
    monkeypatch.setattr(
        Path, "replace", lambda s, d: (events.append(f"to {d.suffix}"), real_replace(s, d))[1]
    )
    monkeypatch.setattr(Path, "unlink", unlink)
    write(tmp_path, 3)
    moved = ["to .whole", "sync .whole", "to .safetensors"]
    assert events == [*moved, "sync ", "delete .safetensors"]


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "header", "flipped", "other", "folder"])
def test_an_unreadable_checkpoint_is_an_error(tmp_path: Path, damage: str) -> None:
    path = write(tmp_path)
    data = bytearray(path.read_bytes())
    path.unlink()
    if damage == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "text":
        path.write_text("step 3, all is well\n")
    elif damage == "header":
        path.write_bytes(b"\xff" * 8 + bytes(data[8:]))
    elif damage == "flipped":
        data[-1] ^= 1  # one bit of one tensor
        path.write_bytes(data)
    elif damage == "other":
        from safetensors.torch import save_file

        save_file({"a": torch.zeros(2)}, path)  # a fine file of somebody else
    else:
        path.mkdir()
    with pytest.raises(TrainingError, match=path.name):
        disk.read_checkpoint(path)


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("writer", ["pickle", "torch"])
def test_a_pickle_in_its_place_is_refused_and_not_run(tmp_path: Path, writer: str) -> None:
    sprung = tmp_path / "sprung"
    path = tmp_path / "step-00000003.safetensors"
    if writer == "pickle":
        path.write_bytes(pickle.dumps(Trap(sprung)))
    else:
        torch.save({"model": Trap(sprung)}, path)
    with pytest.raises(TrainingError, match="not a readable checkpoint"):
        disk.read_checkpoint(path)
    with pytest.raises(TrainingError, match="not a readable checkpoint"):
        disk.read_weights(path)
    assert not sprung.exists()


def dotted(node: ast.expr) -> str:
    """`a.b.c` of such an expression; the end of any other."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def test_nothing_in_the_package_can_read_a_pickle() -> None:
    modules = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
    calls = {"torch.load", "torch.save", "torch.hub.load", "pandas.read_pickle"}
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                reads = any(a.name.split(".")[0] in modules for a in node.names)
            elif isinstance(node, ast.ImportFrom):
                reads = (node.module or "").split(".")[0] in modules
            elif isinstance(node, ast.Call):
                asked = any(keyword.arg == "allow_pickle" for keyword in node.keywords)
                reads = asked or dotted(node.func) in calls
            else:
                continue
            if reads:
                found.append(f"{path}:{node.lineno}")
    assert not found


def test_weights_prefer_the_average(tmp_path: Path) -> None:
    live, average = nn.Linear(2, 2), nn.Linear(2, 2)
    tensors = disk.pack_modules("module", {"net": live})
    tensors |= disk.pack_modules("ema", {"net": average})
    states, _ = disk.read_weights(disk.write_checkpoint(tmp_path, Checkpoint(1, tensors, {})))
    assert torch.equal(states["net"]["weight"], average.weight)


def test_weights_file_round_trip(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    disk.write_weights(tmp_path / "w.safetensors", {"net": net}, {"step": 9})
    states, record = disk.read_weights(tmp_path / "w.safetensors")
    other = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    other.load_state_dict(states["net"])
    assert record["step"] == 9
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), other.parameters(), strict=True))


@pytest.mark.parametrize(
    "make",
    [
        lambda p: torch.optim.AdamW(p, lr=0.1, betas=(0.8, 0.95), amsgrad=True),
        lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
        lambda p: torch.optim.SGD(p, lr=0.1),  # no state at all
        lambda p: torch.optim.RMSprop(p, lr=0.1, centered=True),
    ],
)
def test_an_optimizer_goes_on_as_if_nothing_had_happened(tmp_path: Path, make) -> None:  # type: ignore[no-untyped-def]
    def steps(net: nn.Module, optimizer: torch.optim.Optimizer, n: int) -> None:
        for _ in range(n):
            optimizer.zero_grad()
            net(torch.ones(1, 3)).square().sum().backward()
            optimizer.step()

    torch.manual_seed(0)
    net = nn.Linear(3, 2)
    optimizer = make(net.parameters())
    steps(net, optimizer, 3)
    tensors, record = disk.pack_optimizer("net", optimizer)
    tensors |= disk.pack_modules("module", {"net": net})
    saved = disk.read_checkpoint(
        disk.write_checkpoint(tmp_path, Checkpoint(3, tensors, {"optimizer": record}))
    )
    other = nn.Linear(3, 2)
    resumed = make(other.parameters())
    disk.unpack_modules("module", {"net": other}, saved.tensors)
    disk.unpack_optimizer("net", resumed, saved.tensors, saved.record["optimizer"])
    steps(net, optimizer, 3)
    steps(other, resumed, 3)
    assert torch.equal(net.weight, other.weight)


def test_optimizer_state_keeps_the_memory_order_of_its_weight() -> None:
    net = nn.Conv2d(4, 4, 3).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(net.parameters())
    net(torch.ones(1, 4, 5, 5)).sum().backward()
    optimizer.step()
    tensors, record = disk.pack_optimizer("net", optimizer)
    flat = {name: tensor.contiguous() for name, tensor in tensors.items()}  # as a file gives them
    disk.unpack_optimizer("net", optimizer, flat, record)
    assert optimizer.state[net.weight]["exp_avg"].stride() == net.weight.stride()


def test_another_architecture_is_refused(tmp_path: Path) -> None:
    tensors = disk.pack_modules("module", {"net": nn.Linear(3, 2)})
    with pytest.raises(TrainingError, match="does not fit"):
        disk.unpack_modules("module", {"net": nn.Linear(4, 2)}, tensors)


def test_a_full_disk_is_one_error_with_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise SafetensorError("Error while serializing: I/O error: No space (os error 28)")

    path = disk.write_checkpoint(tmp_path, Checkpoint(3, some_tensors(), {}))
    monkeypatch.setattr(disk, "save_file", full)
    with pytest.raises(TrainingError, match=r"w\.safetensors cannot be written") as error:
        disk.write_weights(tmp_path / "w.safetensors", {"net": nn.Linear(2, 2)}, {})
    assert is_disk_full(error.value)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_log_on_a_full_disk_is_one_error_with_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: str) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    log = RunLog(tmp_path, 0, tensorboard=False)
    monkeypatch.setattr(log, "_file", SimpleNamespace(write=full))
    with pytest.raises(TrainingError, match=r"log\.jsonl cannot be written: No space") as error:
        log.write("train", 1, {"loss": 1.0})
    assert is_disk_full(error.value)
