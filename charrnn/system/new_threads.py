"""Start threads where their number may be limited, by `ulimit -u` or a container."""

from __future__ import annotations

from threading import Thread


def start(thread: Thread) -> bool:
    """Start a thread; return whether the system allowed it."""
    try:
        thread.start()
    except RuntimeError:
        return False
    return True


def can_start() -> bool:
    """Return whether another thread can start."""
    probe = Thread(target=int)
    started = start(probe)
    if started:
        probe.join()
    return started
