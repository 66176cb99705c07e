"""The pure JavaScript of the views under Node's own test runner."""

import re
import shutil
import subprocess

import pytest


def test_node(root):
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs Node.js 18 or newer (Debian: apt-get install nodejs)")
    files = sorted((root / "tests" / "js").glob("*.test.mjs"))
    done = subprocess.run([node, "--test", *files], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    counts = dict(re.findall(r"^. (tests|pass|fail) (\d+)$", done.stdout, re.M))
    assert files and int(counts["tests"]) >= len(files) and counts["pass"] == counts["tests"], counts
