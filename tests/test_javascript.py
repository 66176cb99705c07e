"""The JavaScript of the page: its pure parts under Node's own test runner, and one format for all of it."""

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


def test_the_format_is_prettiers(root):
    prettier = root / "node_modules" / "prettier" / "bin" / "prettier.cjs"
    if not prettier.exists():
        pytest.skip("Prettier is not installed: run npm ci (CI does)")
    done = subprocess.run(["node", prettier, "--check", "ssvae_widgets/static", "tests/js"], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, f"run npm run format\n{done.stdout}{done.stderr}"
