"""Count the CPUs that this process may use, from its affinity and the quota of its container."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

ROOT = Path("/")
V2 = ("sys/fs/cgroup", "sys/fs/cgroup/unified")  # where version 2 is mounted, alone or next to version 1


def available_cpus(root: Path = ROOT) -> int:
    """Return the number of CPUs, at least 1; a quota of 1.5 counts as 2, so that all of it can be used."""
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    return max(1, min(len(cores), math.ceil(cpu_quota(root))))


def cpu_quota(root: Path = ROOT) -> float:
    """Return how many CPUs the cgroups of this process allow, the minimum of all levels; 1e9 without a limit.

    root: of the file system.  Source: Documentation/admin-guide/cgroup-v2.rst and sched-bwc.rst of Linux.
    """
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # not Linux
        lines = []
    quotas = [quota for line in lines if line.count(":") >= 2 for quota in _quotas(root, *line.split(":", 2))]
    return min(quotas, default=1e9)


def _quotas(root: Path, number: str, controllers: str, path: str) -> Iterator[float]:
    """Yield the quotas for a line of /proc/self/cgroup: of the group and all its ancestors.

    In a container, the path may be that of the host, of which only the root of the mount is visible.
    """
    version_2 = (number, controllers) == ("0", "")
    if not version_2 and "cpu" not in controllers.split(","):
        return
    mounts = V2 if version_2 else (f"sys/fs/cgroup/{controllers}", "sys/fs/cgroup/cpu")
    group = PurePosixPath(path.lstrip("/"))
    for mount in dict.fromkeys(mounts):
        for level in (group, *group.parents):
            folder = root / mount / level
            if version_2:
                words = _words(folder / "cpu.max")
            else:
                words = _words(folder / "cpu.cfs_quota_us") + _words(folder / "cpu.cfs_period_us")
            if len(words) == 2 and all(map(str.isdecimal, words)) and int(words[1]):  # no "max", no "-1"
                yield int(words[0]) / int(words[1])


def _words(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii", errors="replace").split()
    except OSError:
        return []
