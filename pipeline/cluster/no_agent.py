"""Takes the place of the agent that Ray starts beside each machine's raylet, where nothing reads its figures.

Ray's own imports a web server, and every start waits for it. This one says that there is no port of any, as an
installation of Ray without its dashboard does, and lives as long as the raylet. It is run as a script, and needs
nothing but the standard library.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence

PORTS = ("metrics_agent_port", "metrics_export_port", "dashboard_agent_listen_port")
NO_PORT = "-1"
SECONDS_BETWEEN_CHECKS = 0.5


def main(given: Sequence[str]) -> None:
    """Takes the options of Ray's agent."""
    raylet = os.getppid()
    options = dict(each.removeprefix("--").split("=", 1) for each in given if each.startswith("--") and "=" in each)
    for name in PORTS:
        file = os.path.join(options["session-dir"], f"{name}_{options['node-id']}")
        with open(f"{file}.part", "w") as part:
            part.write(NO_PORT)
        os.replace(f"{file}.part", file)
    while os.getppid() == raylet:
        time.sleep(SECONDS_BETWEEN_CHECKS)


if __name__ == "__main__":
    main(sys.argv[1:])
