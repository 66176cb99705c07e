"""Shared by all tests: where the repository is, the order (cheap first, then JavaScript, browser and wheel), and what runs together.

With `-n 2 --dist loadgroup` two processes share the work: each file goes to one of them whole, and all browser tests to the same one.
"""

import gc
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def pytest_collection_modifyitems(items):
    late = {"test_javascript.py": 1, "browser": 2, "test_wheel.py": 3}
    items.sort(key=lambda item: max((late.get(part, 0) for part in item.path.relative_to(ROOT).parts), default=0))
    together = {"test_wheel.py": "build", "test_release.py": "build"}  # setuptools builds in the repository itself
    for item in items: item.add_marker(pytest.mark.xdist_group("browser" if "browser" in item.path.parts else together.get(item.path.name, item.path.name)))


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
