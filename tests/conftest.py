"""Shared by all tests: where the repository is, the order (cheap first, then JavaScript, browser and wheel), and what
runs together.

With `-n 2 --dist loadfile --no-loadscope-reorder` two processes share the work: each file goes to one of them whole,
so that what a file sets up is set up once.
"""

import gc
import os
import shutil
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def pytest_collection_modifyitems(config, items):
    if "cluster" not in config.getoption("-m"):  # only when asked for: make test-cluster
        config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker("cluster")])
        items[:] = [item for item in items if not item.get_closest_marker("cluster")]
    late = {"test_javascript.py": 1, "browser": 2, "test_wheel.py": 3}
    items.sort(key=lambda item: max((late.get(part, 0) for part in item.path.relative_to(ROOT).parts), default=0))


@pytest.fixture(scope="session")
def root() -> Path:
    "The repository."
    return ROOT


@pytest.fixture(scope="module")
def sources(tmp_path_factory) -> Path:
    """A copy of the repository to build in, with whatever lies about in it: other tests make and remove files
    meanwhile, setuptools makes its own."""
    there = tmp_path_factory.mktemp("sources")
    for folder, below, names in os.walk(ROOT):
        below[:] = [d for d in below if d not in (".git", ".venv", "node_modules")]
        to = there / Path(folder).relative_to(ROOT)
        to.mkdir(exist_ok=True)
        for name in names:
            try:
                shutil.copy2(Path(folder) / name, to / name)
            except FileNotFoundError:
                pass
    return there


@pytest.fixture
def no_first_map(monkeypatch):
    "Sessions that stay on the plane of two components: nothing moves on the map while a test looks at something else."
    from ssvae_widgets.session.first_map import FirstMap

    monkeypatch.setattr(FirstMap, "begin", lambda self: None)


@pytest.fixture(autouse=True, scope="module")
def few_programs():
    """Let go of compiled programs after each module.

    Each holds hundreds of memory maps; a process may have 65,530 (Linux's vm.max_map_count), and XLA ends it with a
    segmentation
    fault at the next one.
    """
    yield
    if "jax" in sys.modules:
        import jax

        if programs := sys.modules.get("ssvae_widgets.model.compile_cache"):
            getattr(programs, "PROGRAMS", {}).clear()  # a thread may be importing it just now
        jax.clear_caches()
        gc.collect()
