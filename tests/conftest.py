"""Shared by all tests: where the repository is, and the order (cheap first, then JavaScript, browser and wheel)."""

import gc
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def pytest_collection_modifyitems(items):
    late = {"test_javascript.py": 1, "browser": 2, "test_wheel.py": 3}
    items.sort(key=lambda item: max((late.get(part, 0) for part in item.path.relative_to(ROOT).parts), default=0))


@pytest.fixture(scope="session")
def root() -> Path:
    "The repository."
    return ROOT


@pytest.fixture(autouse=True, scope="module")
def few_programs():
    """Let go of compiled programs after each module.

    Each holds hundreds of memory maps; a process may have 65,530 (Linux's vm.max_map_count), and XLA ends it with a segmentation
    fault at the next one.
    """
    yield
    if "jax" in sys.modules:
        import jax
        if programs := sys.modules.get("ssvae_widgets.programs"):
            programs.PROGRAMS._made.clear()
        jax.clear_caches()
        gc.collect()
