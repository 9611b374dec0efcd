"""The light install scans without torch: every module outside the training parts imports alone."""

from __future__ import annotations

import subprocess
import sys

MIXED = (  # hold training code
    "counterface.learn.",
    "counterface.datasets.",
    "counterface.builds.",
    "counterface.detect.",
    "counterface.swap.",
    "counterface.testing.architecture",
    "counterface.testing.swap",
    "counterface.testing.detect",
)
LIGHT = (  # the modules of those folders that a scan or an evaluation needs
    "counterface.learn.metrics",
    "counterface.datasets.augment",
    "counterface.datasets.pairs.degrade",
    "counterface.datasets.face_store",
    "counterface.datasets.pairs.faceset_bank",
    "counterface.datasets.labelled_faces",
    "counterface.datasets.manifest",
    "counterface.datasets.balance",
    "counterface.datasets.index",
    "counterface.datasets.inspect",
    "counterface.datasets.leave_out",
    "counterface.datasets.partition",
    "counterface.datasets.split",
    "counterface.datasets.readers",
    "counterface.datasets.readers.celeb_df",
    "counterface.datasets.readers.csv_list",
    "counterface.datasets.readers.deeper_forensics",
    "counterface.datasets.readers.deepfakebench",
    "counterface.datasets.readers.dfdc",
    "counterface.datasets.readers.faceforensics",
    "counterface.datasets.readers.ffiw",
    "counterface.datasets.readers.asvspoof",
    "counterface.datasets.readers.layout",
    "counterface.datasets.readers.timit",
    "counterface.datasets.readers.two_folders",
    "counterface.datasets.readers.uadfv",
    "counterface.datasets.decoders",
    "counterface.datasets.decoders.architectures",
    "counterface.datasets.decoders.bank",
    "counterface.datasets.pairs.paste_masks",
    "counterface.datasets.pairs.remake",
    "counterface.datasets.pairs.self_blended",
    "counterface.datasets.pairs.training_pairs",
    "counterface.datasets.twins",
    "counterface.datasets.twins.layers",
    "counterface.datasets.twins.mesh",
    "counterface.datasets.twins.mint",
    "counterface.datasets.twins.sharpness",
    "counterface.detect.calibrate",
    "counterface.detect.training.collect",
    "counterface.detect.detector",
    "counterface.detect.evaluate",
    "counterface.detect.evaluation.cautions",
    "counterface.detect.evaluation.compare",
    "counterface.detect.evaluation.cross",
    "counterface.detect.evaluation.degradation",
    "counterface.detect.evaluation.file_score",
    "counterface.detect.evaluation.measure",
    "counterface.detect.evaluation.openings",
    "counterface.detect.evaluation.robustness",
    "counterface.detect.evaluation.score_files",
    "counterface.detect.evaluation.score_store",
    "counterface.detect.generalisation.controls",
    "counterface.detect.generalisation.face_crops",
    "counterface.detect.generalisation.meter",
    "counterface.detect.generalisation.twin_table",
    "counterface.detect.generalisation.views",
    "counterface.detect.explain",
    "counterface.detect.cues.lip_sync",
    "counterface.detect.lip_sync.lips",
    "counterface.detect.lip_sync.match",
    "counterface.detect.findings",
    "counterface.detect.scanning.marks",
    "counterface.detect.pool",
    "counterface.detect.scanning.notices",
    "counterface.detect.scanning.scan",
    "counterface.detect.scanning.scan_files",
    "counterface.detect.scanning.track_book",
    "counterface.detect.sound.lfcc",
    "counterface.detect.sound.log_mel",
    "counterface.detect.sound.speech",
    "counterface.detect.sound.swings",
    "counterface.detect.cues.synthetic_speech",
    "counterface.detect.synthetic_speech.pieces",
    "counterface.detect.synthetic_speech.wear",
    "counterface.swap.merge.degrade",
    "counterface.swap.merge.grid",
    "counterface.swap.merge.mask",
    "counterface.swap.merge.merge_face",
    "counterface.swap.merge.plan",
    "counterface.swap.merge.settings",
    "counterface.swap.merge.sharpen",
    "counterface.swap.conversion.steady",
)

PROGRAM = """
import importlib, pkgutil, sys
mixed, light = tuple(sys.argv[1].split()), set(sys.argv[2].split())

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"torch", "torchvision", "timm", "accelerate", "safetensors"}:
            raise ModuleNotFoundError(f"{name} is not in the light install", name=name)

sys.meta_path.insert(0, Refuse())
import counterface
failed, count = [], 0
light_seen = set()
for module in pkgutil.walk_packages(counterface.__path__, "counterface.", onerror=lambda n: None):
    if module.name.startswith(mixed) and module.name not in light:
        continue
    count += 1
    light_seen.add(module.name)
    try:
        importlib.import_module(module.name)
    except ImportError as error:
        failed.append(f"{module.name}: {error}")
failed += [f"{name}: no such module" for name in sorted(light - light_seen)]
print("\\n".join(failed) or f"ok {count}")
sys.exit(bool(failed))
"""


def test_light_modules_import_without_the_training_packages() -> None:
    command = [sys.executable, "-c", PROGRAM, " ".join(MIXED), " ".join(LIGHT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(done.stdout.split()[-1]) > 20  # the walk has found the package


def test_importing_the_package_imports_next_to_nothing() -> None:
    code = (
        "import sys, counterface; "
        "heavy = {'numpy', 'cv2', 'av', 'onnxruntime', 'torch', 'pydantic'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
