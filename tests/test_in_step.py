"""Notebooks are clean, the package is what they export, README.md is what the index says, and the linter is content."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BIN = Path(sys.executable).parent


def run(*command, cwd):
    return subprocess.run([str(c) for c in command], cwd=cwd, capture_output=True, text=True)


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
        and p.suffix in (".ipynb", ".py", ".txt")
        and ".ipynb_checkpoints" not in p.parts
        and "__pycache__" not in p.parts
    }


@pytest.fixture(scope="module")
def copy(root, tmp_path_factory):
    "A copy of what nbdev reads and writes, so that checking changes nothing here."
    to = tmp_path_factory.mktemp("copy")
    for name in ("nbs", "ssvae_widgets"):
        shutil.copytree(root / name, to / name, ignore=shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints"))
    for name in ("pyproject.toml", "settings.ini"):
        shutil.copy(root / name, to / name)
    return to


def test_notebooks_are_clean(root, copy):
    done = run(BIN / "nbdev-clean", cwd=copy)
    assert done.returncode == 0, done.stderr
    dirty = [name for name, content in files(copy / "nbs").items() if content != (root / "nbs" / name).read_bytes()]
    assert not dirty, f"run nbdev-clean: {dirty}"


def test_no_live_widget_output_is_saved(root):
    live = [
        p.name for p in (root / "nbs").rglob("*.ipynb") if "application/vnd.jupyter.widget-view+json" in p.read_text()
    ]
    assert not live, f"saved live-widget outputs hold random ids and no picture: {live}"


def test_saved_outputs_name_no_folder_of_the_author(root):
    import json
    import re

    found = []
    for path in (root / "nbs").rglob("*.ipynb"):
        for cell in json.loads(path.read_text())["cells"]:
            for output in cell.get("outputs", []):
                data = {k: v for k, v in output.get("data", {}).items() if not k.startswith("image/")}
                text = json.dumps([output.get("text"), data, output.get("traceback")])
                found += [
                    f"{path.name}: {m}"
                    for m in re.findall(r"(?:/root|/home|/Users|/work|[A-Z]:\\\\Users)/?[^\s\"']{0,40}", text)
                ]
    assert not found, "\n".join(found)


def test_export_is_in_step(root, copy):
    done = run(BIN / "nbdev-export", cwd=copy)
    assert done.returncode == 0, done.stderr
    exported, here = files(copy / "ssvae_widgets"), files(root / "ssvae_widgets")
    assert exported.keys() == here.keys(), f"run nbdev-export: {exported.keys() ^ here.keys()}"
    stale = [name for name in here if here[name] != exported[name]]
    assert not stale, f"run nbdev-export: {stale}"


def test_every_generated_module_has_its_notebook(root):
    import re

    for module in (root / "ssvae_widgets").rglob("*.py"):
        if source := re.search(r"File to edit: (\S+\.ipynb)", module.read_text()):
            assert (module.parent / source[1]).resolve().exists(), f"{module} has no notebook: delete it"


def test_readme_is_current(root):
    done = run(sys.executable, root / ".ci" / "readme.py", "--check", cwd=root)
    assert done.returncode == 0, done.stderr


def test_lint(root):
    done = run(BIN / "ruff", "check", "--no-cache", ".", cwd=root)
    assert done.returncode == 0, done.stdout


def test_format(root):
    done = run(BIN / "ruff", "format", "--check", "--no-cache", ".", cwd=root)
    assert done.returncode == 0, f"run ruff format: {done.stdout}"


def test_local_links_lead_somewhere(root):
    "Every relative link and picture of the pages at the top and of the notebooks' prose."
    import json
    import re

    pages = {page: page.read_text() for page in root.glob("*.md")}
    for nb in (root / "nbs").rglob("*.ipynb"):
        if ".ipynb_checkpoints" not in nb.parts:
            pages[nb] = "\n".join(
                "".join(c["source"]) for c in json.loads(nb.read_text())["cells"] if c["cell_type"] == "markdown"
            )
    broken = []
    for page, text in pages.items():
        prose = re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.S)
        for link in re.findall(r"\]\(([^)\s]+)\)|src=\"([^\"]+)\"", prose):
            target = (link[0] or link[1]).split("#")[0]
            if target and not re.match(r"[a-z]+:", target) and not (page.parent / target).exists():
                broken.append(f"{page.relative_to(root)}: {target}")
    assert not broken, "\n".join(broken)
