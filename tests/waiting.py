"""Waiting in tests for what another thread, process or page does."""

import time


def until(condition, timeout: float = 120, every: float = 0.01):
    "Wait until `condition()` is true, and return what it gives; an `AssertionError` after so many seconds."
    end = time.monotonic() + timeout
    while not (value := condition()):
        assert time.monotonic() < end, f"waited {timeout:g} s in vain"
        time.sleep(every)
    return value
