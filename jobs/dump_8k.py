"""Dumps detections on 8K images: index and predict of a config, nothing else.

    ray job submit --working-dir . -- python jobs/dump_8k.py -c configs/dump_8k.yaml --set faces.at=/data/WIDER \
        --set mobilenet.at=/data/retinaface_mobilenet0.25_Final.pth

Kill it at any time; the same command goes on where it was. Takes the options of `wider8k run`.
"""

from __future__ import annotations

import sys
from pathlib import Path

# As a job's working directory the project need not be installed on the cluster.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from stages.cli import main

if __name__ == "__main__":
    if "-c" not in sys.argv:
        sys.argv[1:1] = ["-c", "configs/dump_8k.yaml"]
    sys.argv[1:1] = ["run"]
    main()
