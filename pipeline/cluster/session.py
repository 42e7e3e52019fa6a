"""Connects to Ray: the cluster that `RAY_ADDRESS` names, or a small one on this machine."""

from __future__ import annotations

import logging
import os
import shutil
from contextlib import suppress
from typing import Any

from pipeline.cluster.address import joined
from pipeline.cluster.lean_datasets import without_helpers
from pipeline.cluster.ray_daemons import REPORT_INTERVAL, SELDOM
from pipeline.cluster.start import ends_with_this_process, join, start_local
from pipeline.engine.machine_memory import memory_limit

# Ids, boxes and the batches of trainings pass through the object store, so the usual third of the memory is not needed
# for it. Half of it is Ray Data's, which lets a loader begin only what has room there: with 500 MB six loaders of 39 MB
# batches took turns, and gave 2 batches/s where 10 were possible.
LOCAL_STORE_SHARE, LOCAL_STORE_LEAST = 1 / 16, 500_000_000
SHARED_MEMORY = "/dev/shm"
# glibc's malloc in the workers: one heap that keeps what it has. Otherwise a network's buffers go back to the system
# after every image and are taken again, page by page: an 8K image costs 5.1 s of CPU instead of 3.6, with 0.5 GB less.
WORKER_MEMORY = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**33)}
# Ray Data stops a dataset that shows no progress for this long; it must exceed the time of one shard.
NO_PROGRESS_SECONDS = 4 * 3600


def connect(verbose: bool = False, cpus: int | None = None) -> bool:
    """Joins the cluster of `RAY_ADDRESS` (`ray job submit` sets it; `auto` finds one) or starts a local one.

    A cluster that happens to run on this machine is not joined: it may belong to another user. A local cluster has
    `cpus` cores, or all. Verbose shows Ray's own log lines and the workers' output. Returns False if the process was
    connected before.

    Raises:
        ValueError: `RAY_ADDRESS` is no address, or the folder for temporary files has too long a name.
        ConnectionError: no cluster answers at `RAY_ADDRESS` within a minute.
    """
    local = not joined()
    _set_environment(local, verbose)
    import ray
    import ray.data
    from ray._private import auto_init_hook, ray_constants

    # Ray reads these two of its environment when it is imported, which a user's program may have done before.
    auto_init_hook.enable_auto_connect = False
    ray_constants.RAY_ENABLE_UV_RUN_RUNTIME_ENV = ray_constants.env_bool("RAY_ENABLE_UV_RUN_RUNTIME_ENV", False)

    connects = not ray.is_initialized()
    if connects:
        options: dict[str, Any] = {"log_to_driver": verbose, "logging_level": "INFO" if verbose else "ERROR"}
        if local:
            options |= {"address": "local", "num_cpus": cpus, "include_dashboard": False}
            start_local(options | {"object_store_memory": local_store_bytes()}, verbose)
            without_helpers(ends_with_this_process)
        else:
            join(options, verbose)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = verbose
    context.execution_options.verbose_progress = verbose
    context.execution_no_progress_timeout_s = NO_PROGRESS_SECONDS
    # What ends a dataset is raised as well, and said in words of this project.
    logging.getLogger("ray.data").setLevel(logging.INFO if verbose else logging.CRITICAL)
    return connects


def local_store_bytes() -> int:
    """Returns the size of a local cluster's object store: a share of the memory, no more than may be shared."""
    wanted = int(memory_limit() * LOCAL_STORE_SHARE)
    with suppress(OSError):  # there is none on macOS
        # Beyond that, which a container may limit to little, Ray takes a file on a disk.
        wanted = min(wanted, int(shutil.disk_usage(SHARED_MEMORY).free * 0.9))
    return max(wanted, LOCAL_STORE_LEAST)


def _set_environment(local: bool, verbose: bool) -> None:
    # Otherwise any call of Ray's while it is not connected joins whatever cluster it finds, or starts one.
    os.environ["RAY_ENABLE_AUTO_CONNECT"] = "0"
    defaults = {
        # Otherwise a driver under `uv run` has every worker started through uv again, in a copy of the project: seconds
        # each, and a hang in a test run.
        "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        # Otherwise every run has one more process, which gathers what Ray's makers want to know of it.
        "RAY_DATA_USAGE_DISABLED": "1",
    }
    if not verbose:
        # Otherwise every actor pool prints a line about Ray's own constructor arguments.
        defaults["RAY_BACKEND_LOG_LEVEL"] = "fatal"
    if local:
        defaults |= {
            # The statistics of a small cluster are of no use and take about 2 % of a core.
            REPORT_INTERVAL: SELDOM,
            "RAY_task_events_report_interval_ms": "0",
            "RAY_event_stats": "0",
            "RAY_USAGE_STATS_ENABLED": "0",
            # Below eight processes on two cores Ray warns of them in yellow; a training has its loaders beside it.
            "RAY_worker_maximum_startup_concurrency": str(max(4, os.cpu_count() or 1)),
            **WORKER_MEMORY,
        }
    else:
        defaults["RAY_gcs_server_port_wait_time_s"] = "1"  # one try, not twenty of forty seconds
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
