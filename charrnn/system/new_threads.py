"""Threads where there may be no more: `ulimit -u`, or a container's limit of processes."""

from __future__ import annotations

from threading import Thread


def start(thread: Thread) -> bool:
    """Whether the system gave one."""
    try:
        thread.start()
    except RuntimeError:
        return False
    return True


def can_start() -> bool:
    """Whether there is room for one more."""
    probe = Thread(target=int)
    started = start(probe)
    if started:
        probe.join()
    return started
