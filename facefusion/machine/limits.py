"""Counts the processors and tasks that this process may use."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Final

#: Where Linux tells the control groups of a process (cgroups(7)), and where they are mounted.
GROUPS: Final = Path("/proc/self/cgroup")
MOUNT: Final = Path("/sys/fs/cgroup")
#: Limit of tasks beyond which they are not counted: a server has below 100, and what each network
#: adds on many processors.
MANY_TASKS: Final = 4096
#: Tasks of a server beside its networks' threads: those that answer requests, two decoders, the
#: child that compares engines.
RESERVED_TASKS: Final = 64
#: Networks that are open at once, at most.
SESSIONS: Final = 12


def usable_cpus(groups: Path = GROUPS, mount: Path = MOUNT) -> int:
    """Returns how many processors this process may use at once, at least one.

    These are the processors of its affinity, and no more than the quota of its control groups
    allows, rounded up: a container with 1.5 processors uses two threads, whose time is its own.

    Args:
        groups, mount: files of the system.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    quotas = [math.ceil(quota) for quota in _quotas(groups, mount)]
    return max(1, min([allowed or 1, *quotas]))


def _quotas(groups: Path, mount: Path) -> Iterator[float]:
    """Yields the processors that each control group allows, the parents' included."""
    for folder in _folders(groups, mount, "cpu"):
        with suppress(OSError, ValueError):  # version 2: "max 100000", or "150000 100000"
            quota, period = (folder / "cpu.max").read_text().split()
            yield int(quota) / int(period)
        with suppress(OSError, ValueError):  # version 1: -1 without a quota
            quota, period = (
                (folder / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period")
            )
            if int(quota) > 0:
                yield int(quota) / int(period)


def _folders(groups: Path, mount: Path, controller: str) -> Iterator[Path]:
    """Yields the directories of this process's control groups that may hold a controller's limits.

    In a container the named group often lies outside of what is mounted, and the mount is the
    container's own group.
    """
    try:
        lines = groups.read_text().splitlines()
    except OSError:  # not Linux
        return
    for line in lines:
        _, names, path = line.split(":", 2)
        if names and controller not in names.split(","):
            continue
        # Version 1 has a mount for each set of controllers; where both versions are in use, 2 has
        # "unified".
        roots = [mount / names, mount / controller] if names else [mount, mount / "unified"]
        inside = PurePosixPath(path.lstrip("/"))
        for root in roots:
            yield from (root / each for each in (inside, *inside.parents))


@cache
def tasks_left() -> int | None:
    """Returns how many threads and processes more this process could start when it first asked.

    None without a limit that matters: it has none, or one of more than `MANY_TASKS`.
    """
    found = [*_group_tasks(GROUPS, MOUNT), *_user_tasks()]
    return min(found) if found else None


def session_threads() -> int:
    """Returns the threads of a network by default: `usable_cpus`, or fewer where tasks are few."""
    left = tasks_left()
    if left is None:
        return usable_cpus()
    return max(1, min(usable_cpus(), 1 + (left - RESERVED_TASKS) // SESSIONS))


def spare_libraries() -> None:
    """Lets libraries that start threads when they are imported do without, where tasks are few.

    OpenBLAS interrupts a process whose threads it cannot start. Variables that are set stay.
    """
    left = tasks_left()
    if left is not None and left < RESERVED_TASKS + SESSIONS:
        for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
            os.environ.setdefault(name, "1")


def has_room_for(tasks: int) -> bool:
    """Returns whether so many threads can be started now, which are started and ended."""
    end = threading.Event()
    threads = [threading.Thread(target=end.wait, daemon=True) for _ in range(tasks)]
    started = []
    try:
        for thread in threads:
            thread.start()
            started.append(thread)
    except RuntimeError:  # can't start new thread
        return False
    finally:
        end.set()
        for thread in started:
            thread.join()
    return True


def _group_tasks(groups: Path, mount: Path) -> Iterator[int]:
    for folder in _folders(groups, mount, "pids"):
        with suppress(OSError, ValueError):  # "max" without a limit
            most = int((folder / "pids.max").read_text())
            if most <= MANY_TASKS:
                yield most - int((folder / "pids.current").read_text())


def _user_tasks() -> Iterator[int]:
    """Yields what the user's limit leaves (RLIMIT_NPROC), which counts threads on Linux."""
    try:
        import resource

        most = resource.getrlimit(resource.RLIMIT_NPROC)[0]
    except (ImportError, AttributeError, OSError, ValueError):  # Windows
        return
    if 0 <= most <= MANY_TASKS:
        yield most - sum(map(_own_threads, Path("/proc").glob("[0-9]*/status")))


def _own_threads(status: Path) -> int:
    """Returns the threads of a process of this user, 0 of others' and of ended ones."""
    try:
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
        return int(lines["Threads"]) if int(lines["Uid"].split()[0]) == os.getuid() else 0
    except (OSError, ValueError, KeyError):
        return 0
