"""Faults: kill, fill, corrupt, race. Short counts by default; SSVAE_WIDGETS_FAULTS=full runs the full ones."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

FULL = os.environ.get("SSVAE_WIDGETS_FAULTS") == "full"
HERE = Path(__file__).parent


def pytest_collection_modifyitems(items):
    for item in items:
        if HERE in Path(item.fspath).parents:
            item.add_marker(pytest.mark.faults)


@pytest.fixture
def count():
    "`count(short, full)`: how many trials this run makes."
    return lambda short, full: full if FULL else short


@pytest.fixture
def trials(tmp_path, record_property):
    "Run `trials.py NAME` in a process of its own, which forks the victims; its last line is the result as JSON."

    def run(name, timeout=900, **kw):
        out = subprocess.run(
            [sys.executable, str(HERE / "trials.py"), name, str(tmp_path), json.dumps(kw)],
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        assert out.returncode == 0, out.stdout[-4000:] + out.stderr[-8000:]
        result = json.loads(out.stdout.strip().splitlines()[-1])
        record_property(name, result)
        print(name, result)
        return result

    return run
