"""Runs everything a config asks for, as a job on a Ray cluster or right here.

    ray job submit --working-dir . -- python jobs/full_pipeline.py -c configs/smoke.yaml

Takes the options of `wider8k run`: --only, --from, --until, --force, --set node.field=value, --limit, --local.
"""

from __future__ import annotations

import sys
from pathlib import Path

# As a job's working directory the project need not be installed on the cluster.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from stages.cli.main import main

if __name__ == "__main__":
    sys.argv[1:1] = ["run"]
    main()
