"""Shared by all tests: where the repository is, and the order (cheap first, then JavaScript, browser and wheel)."""

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
