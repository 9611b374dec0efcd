"""The light install scans without torch: every module outside the training parts imports alone."""

from __future__ import annotations

import subprocess
import sys

TRAINING = (  # need counterface[train]
    "counterface.learn.average",
    "counterface.learn.checkpoint",
    "counterface.learn.loop",
    "counterface.learn.run",
    "counterface.learn.task",
    "counterface.datasets.face_autoencoder",
    "counterface.datasets.autoencoder",
    "counterface.datasets.train_set",
    "counterface.detect.calibrate",
    "counterface.detect.evaluate",
    "counterface.detect.export",
    "counterface.detect.models",
    "counterface.detect.task",
    "counterface.detect.train",
)

PROGRAM = """
import importlib, pkgutil, sys
training = tuple(sys.argv[1:])

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"torch", "torchvision", "timm", "accelerate", "safetensors"}:
            raise ModuleNotFoundError(f"{name} is not in the light install", name=name)

sys.meta_path.insert(0, Refuse())
import counterface
failed, count = [], 0
for module in pkgutil.walk_packages(counterface.__path__, "counterface.", onerror=lambda n: None):
    if module.name.startswith(training):
        continue
    count += 1
    try:
        importlib.import_module(module.name)
    except ImportError as error:
        failed.append(f"{module.name}: {error}")
print("\\n".join(failed) or f"ok {count}")
sys.exit(bool(failed))
"""


def test_light_modules_import_without_the_training_packages() -> None:
    command = [sys.executable, "-c", PROGRAM, *TRAINING]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(done.stdout.split()[-1]) > 20  # the walk has found the package


def test_importing_the_package_imports_next_to_nothing() -> None:
    code = (
        "import sys, counterface; "
        "print(sorted({'numpy', 'cv2', 'av', 'torch', 'pydantic'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
