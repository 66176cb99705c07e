"""What would be uploaded: the contents of the sdist, its metadata, and that the words about installing it are true
on that day."""

import email
import re
import subprocess
import sys
import tarfile
import tomllib

import pytest

import ssvae_widgets


@pytest.fixture(scope="module")
def sdist(sources, tmp_path_factory) -> tarfile.TarFile:
    out = tmp_path_factory.mktemp("dist")
    done = subprocess.run(
        [sys.executable, "-m", "build", "--sdist", "--outdir", out, sources], cwd=out, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    [path] = out.glob("*.tar.gz")
    assert path.name == f"ssvae_widgets-{ssvae_widgets.__version__}.tar.gz" and path.stat().st_size < 12e6
    return tarfile.open(path)


def names(sdist) -> set[str]:
    return {m.name.split("/", 1)[1] for m in sdist.getmembers() if m.isfile()}


def test_sdist_contents(root, sdist):
    "The package, the notebooks it is written in, its tests and documents; no data, no results, no leftovers."
    found = names(sdist)
    tracked = subprocess.run(["git", "ls-files"], cwd=root, capture_output=True, text=True).stdout.splitlines()
    wanted = {
        n
        for n in tracked
        if re.match(r"(ssvae_widgets/|nbs/.*\.(ipynb|png)$|tests/.*\.(py|mjs)$|bench/|\.ci/.*\.py$)", n)
        and (root / n).exists()
    }
    wanted |= {
        "README.md",
        "ARCHITECTURE.md",
        "LICENSE",
        "CHANGELOG.md",
        "CITATION.cff",
        "CONTRIBUTING.md",
        "Makefile",
        "pyproject.toml",
        "settings.ini",
        "mkdocs.yml",
    }
    wanted |= {"package.json", "package-lock.json", "jsconfig.json"}  # the JavaScript tests of the archive use them
    assert not wanted - found, sorted(wanted - found)
    allowed = r"(ssvae_widgets/|ssvae_widgets\.egg-info/|nbs/|tests/|bench/|\.ci/|PKG-INFO$|setup\.cfg$|MANIFEST\.in$)"
    other = {n for n in found - wanted if not re.match(allowed, n)}
    assert not other, sorted(other)
    bad = {
        n
        for n in found
        if re.search(r"(\.log|\.tmp|\.jsonl|labels\.csv|idx[13]-ubyte.*|\.pyc)$|checkpoints?/|artifacts/|\.venv", n)
    }
    assert not bad, sorted(bad)


def test_metadata(root, sdist):
    "Version, extras, scripts and README as a package index would show them."
    [member] = [m for m in sdist.getmembers() if m.name.count("/") == 1 and m.name.endswith("/PKG-INFO")]
    info = email.message_from_string(sdist.extractfile(member).read().decode())
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    assert info["Version"] == ssvae_widgets.__version__ == "0.1.0"
    assert set(info.get_all("Provides-Extra")) == set(project["optional-dependencies"]) and {
        "gpu",
        "completion",
        "umap",
        "dev",
    } <= set(project["optional-dependencies"])
    assert info["License-Expression"] == "Apache-2.0" and info["Requires-Python"] == ">=3.11"
    assert "# ssvae_widgets" in info.get_payload()
    scripts = project["scripts"]
    assert {
        "ssvae-train",
        "ssvae-infer",
        "ssvae-view",
        "ssvae-label",
        "ssvae-label-sets",
        "ssvae-experiment",
        "ssvae-collect",
        "ssvae-pool",
    } <= set(scripts)
    for target in scripts.values():
        module, function = target.split(":")
        if module.startswith("ssvae_widgets"):
            assert callable(getattr(__import__(module, fromlist=[function]), function))


def test_changelog_names_the_version_or_what_is_to_come(root):
    text = (root / "CHANGELOG.md").read_text()
    assert re.search(rf"^## \[({re.escape(ssvae_widgets.__version__)}|Unreleased)\]", text, re.M)
