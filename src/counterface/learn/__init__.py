"""What every trainer shares, knowing none of them: loop, checkpoint, schedule, metrics."""

import os

from counterface.weights import cache_dir

# Else importing torch's compiler makes a folder of a fixed name in the shared temporary folder.
os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(cache_dir().parent / "torch"))
os.environ.setdefault("MPLCONFIGDIR", str(cache_dir().parent / "matplotlib"))
