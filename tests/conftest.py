"""Shared by all tests: where the repository is, and the order (cheap first, browser and wheel last)."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def pytest_collection_modifyitems(items):
    late = {"browser": 1, "test_wheel.py": 2}
    items.sort(key=lambda item: max((late.get(part, 0) for part in item.path.relative_to(ROOT).parts), default=0))


@pytest.fixture(scope="session")
def root() -> Path:
    "The repository."
    return ROOT
