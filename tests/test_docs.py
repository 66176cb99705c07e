"""The documentation says what is true: every block of every page is run or checked, the site is built, every link
leads somewhere.

Notebooks are executed by nbdev-test. What is left are fenced blocks in prose: Python blocks are executed, shell lines
that name our commands
are run on real data, other shell lines must name targets, extras and files that exist. A line that nothing here knows
fails.
"""

import html
import importlib.util
import inspect
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from urllib.parse import unquote

import pytest

from ssvae_widgets import write_cells
from ssvae_widgets.data.image_set import ImageSet

BIN = Path(sys.executable).parent
ROOT = Path(__file__).resolve().parents[1]


def pages() -> dict[str, str]:
    "Prose of every page that people read."
    found = {
        str(p.relative_to(ROOT)): p.read_text()
        for p in [
            ROOT / "README.md",
            ROOT / "CHANGELOG.md",
            ROOT / "CONTRIBUTING.md",
            *sorted((ROOT / ".devcontainer").rglob("*.md")),
            *sorted((ROOT / "artifacts").glob("*.md")),
        ]
    }
    for nb in sorted((ROOT / "nbs").rglob("*.ipynb")):
        if ".ipynb_checkpoints" in nb.parts:
            continue
        found[str(nb.relative_to(ROOT))] = "\n\n".join(
            "".join(c["source"]) for c in json.loads(nb.read_text())["cells"] if c["cell_type"] == "markdown"
        )
    return found


def blocks(*languages: str) -> list:
    "(page, code) of every fenced block of a language; the README's Python is the index, which nbdev-test executes."
    out = []
    for page, text in pages().items():
        for i, (kind, code) in enumerate(re.findall(r"```([^\n]*)\n(.*?)```", text, re.S)):
            if kind.strip() in languages and not (page == "README.md" and kind == "python"):
                out.append(pytest.param(page, code, id=f"{page}-{i}"))
    return out


def distinct(params: list) -> list:
    "The same commands on several pages are run once; README is the index, and the story of the shell is told twice."
    return list({tuple(re.sub(r"\s+#.*", "", line) for line in p.values[1].splitlines()): p for p in params}.values())


def test_every_block_says_what_it_is():
    "Only languages that are checked below, or marked as not to be run."
    for page, text in pages().items():
        for kind in re.findall(r"^```([^\n]*)\n.*?^```", text, re.S | re.M):
            assert kind.strip() in (
                "python",
                "sh",
                "python no-run",
                "bibtex",
                "toml",
                "text",
                "json",
                "js",
                "css",
                "html",
            ), f"{page}: ```{kind}"


@pytest.mark.parametrize("page, code", blocks("python", "python no-run"))
def test_python_blocks_compile(page, code):
    compile(code, page, "exec")


def names(code: str) -> str:
    return "".join(line + "\n" for line in code.splitlines() if not line.startswith("%"))


@pytest.mark.parametrize("page, code", blocks("python"))
def test_python_blocks_run(page, code, tmp_path, monkeypatch):
    "In an empty folder, with the things that the page has introduced before the block."
    import numpy as np

    from ssvae_widgets import SSVAE, InteractiveTrainer, LabelingSession, SSVAEConfig, load_digits

    monkeypatch.chdir(tmp_path)
    images, truth = load_digits(binarize=False)
    images, truth = images[:120], truth[:120]
    model = SSVAE(
        images.shape[1:], SSVAEConfig(encoder_type="dense", hidden_dims=(16,), latent_dim=2, max_epochs=1), classes=10
    )
    model.fit(images, truth)

    found = ImageSet(images, names=[f"{i}.png" for i in range(120)])
    write_cells(tmp_path / "cells", 60)
    write_cells(tmp_path / "photos", 12)
    space = dict(
        np=np,
        photos=tmp_path / "cells",
        images=images,
        truth=truth,
        folder=tmp_path,
        found=found,
        model=model,
        vectors=images,
        classes=[str(k) for k in range(10)],
        x=images,
        y=truth,
        xy=np.c_[truth, truth],
        species=truth,
        trainer=InteractiveTrainer(model),
        labels=truth,
        session=LabelingSession(images, None, classes=10),
        __name__="__main__",
    )
    try:
        exec(compile(names(code), page, "exec"), space)
    except ModuleNotFoundError as e:  # a page that shows another program's side, such as a tracker's
        assert not e.name.startswith("ssvae_widgets") and importlib.util.find_spec(e.name.split(".")[0]) is None
        pytest.skip(f"{e.name} is not installed; the block was compiled")
    for value in space.values():
        if hasattr(value, "close") and type(value).__name__ in (
            "LatentLabeler",
            "LabelingSession",
            "LabelStore",
            "LatentMap",
        ):
            value.close()


SCRIPTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
OURS = {name for name in SCRIPTS if name.startswith("ssvae-")}
ELSEWHERE = (
    "git",
    "cd",
    "docker",
    "devcontainer",
    "source",
    "jupyter",
    "npm",
    "apt-get",
    "sudo",
    "export",
    "ssh",
    "python",
    "python3",
    "nvidia-smi",
    ".venv/bin/python",
    "node",
)


def targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))


@pytest.mark.parametrize("page, code", distinct(blocks("sh")))
def test_shell_blocks(page, code, tmp_path):
    "Our commands run, on a tenth of the epochs; `make`, `pip` and files that are named exist."
    env = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    for line in code.splitlines():
        line = re.sub(r"\s+#.*$", "", line).strip()
        for part in filter(None, (p.strip() for p in line.split("&&"))):
            words = [w for w in shlex.split(part) if not re.fullmatch(r"[A-Z_]+=\S*", w)]
            if not words or words[0].startswith("#"):
                continue
            if words[0] in OURS:
                run_ours(part, tmp_path, env)
            elif words[0] == "make":
                assert {w for w in words[1:] if "=" not in w} <= targets(), f"{page}: {part}"
            elif words[0].startswith(".venv/bin/"):
                check_tool(page, words)
            elif words[0] == "pip" or words[:3] == ["python", "-m", "pip"]:
                check_pip(page, part)
            else:
                assert words[0] in ELSEWHERE, f"{page}: nothing checks {part!r}"


def run_ours(line: str, cwd: Path, env: dict) -> None:
    if "--data mnist" in line and not os.environ.get("SSVAE_WIDGETS_DATA"):
        return
    if line.startswith("ssvae-experiment") and "--n 12000" in line:
        line = (
            re.sub(r"--n \d+", "--n 300", line)
            .replace("--networks 3 --draws 3", "--networks 1 --draws 1")
            .replace("--epochs 12 9", "--epochs 0 1")
            + " --budgets 10 --architectures dense"
        )
    line = re.sub(r"(--max-epochs) \d+", r"\1 1", line) + (
        " --no-open" if line.startswith(("ssvae-view", "ssvae-label ")) else ""
    )
    if line.startswith(("ssvae-train", "ssvae-infer")) and "--print-completion" not in line:
        line += " --n 150"
    if "--labels data/labels.csv" in line and not (cwd / "data" / "labels.csv").exists():
        (cwd / "data").mkdir(exist_ok=True)
        (cwd / "data" / "labels.csv").write_text("Serial,label\n3,3\n4,4\n")
    if line.startswith(("ssvae-label photos/", "ssvae-mcp photos/")):
        write_cells(cwd / "photos", 6)
    if line.startswith("ssvae-label cells.csv"):
        names = write_cells(cwd / "cells", 6)
        (cwd / "cells.csv").write_text("file,plate\n" + "".join(f"cells/{name},A\n" for name in names))
    streams = dict(stdin=subprocess.DEVNULL, capture_output=True, text=True)  # a server ends with its input
    done = subprocess.run(line, shell=True, cwd=cwd, env=env, timeout=600, **streams)
    assert done.returncode == 0, f"{line}\n{done.stderr}"


def check_tool(page: str, words: list[str]) -> None:
    "A program of the environment, and files that are there."
    assert (BIN / Path(words[0]).name).exists(), f"{page}: {words[0]}"
    for word in words[1:]:
        assert "/" not in word or word.startswith("-") or (ROOT / word).exists(), f"{page}: {' '.join(words)}"


def check_pip(page: str, line: str) -> None:
    extras = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"])
    for group in re.findall(r"(?:ssvae[-_]widgets|\.)\[([a-z,]+)\]", line):
        assert set(group.split(",")) <= extras, f"{page}: {line}"


def test_inline_commands_exist():
    "Commands, flags and make targets that prose mentions."
    helps = {}
    for page, text in pages().items():
        for command in re.findall(r"\b(ssvae-(?:[a-z]+-)?[a-z]+)\b", text):
            assert (
                command in SCRIPTS
                or command
                in (
                    "ssvae-map",
                    "ssvae-labeler",
                    "ssvae-points",
                    "ssvae-status",
                    "ssvae-class",
                    "ssvae-stop",
                    "ssvae-sheet",
                )
                or not command.startswith(tuple(SCRIPTS))
            ), f"{page}: {command}"
        for line in re.findall(r"`(ssvae-[a-z-]+ [^`\n]*)`", text):
            name = line.split()[0]
            if name not in SCRIPTS:
                continue
            if name not in helps:
                helps[name] = subprocess.run([BIN / name, "--help"], capture_output=True, text=True).stdout
            for flag in re.findall(r"--[a-z-]+", line):
                assert flag in helps[name], f"{page}: {line}"
        for target in re.findall(r"`make ([a-z-]+)`", text):
            assert target in targets(), f"{page}: make {target}"


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    "The documentation as `make docs` builds it."
    out = tmp_path_factory.mktemp("site") / "_site"
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", out],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return out


def test_site_has_every_page_and_every_module(site):
    notebooks = [
        p.relative_to(ROOT / "nbs") for p in (ROOT / "nbs").rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts
    ]
    missing = [str(p) for p in notebooks if not (site / p.with_suffix(".html")).exists()]
    assert not missing, missing
    modules = {
        p.relative_to(ROOT / "ssvae_widgets").with_suffix("").as_posix().replace("/", ".")
        for p in (ROOT / "ssvae_widgets").rglob("*.py")
        if "AUTOGENERATED" in p.read_text()
    }
    modules = {m for m in modules if not m.startswith("_")}
    assert {p.stem for p in (site / "api").glob("*.html")} == modules


def test_reference_comes_from_docments(site):
    page = html.unescape((site / "api" / "data.standard.html").read_text())
    assert (
        "only the first `n` images" in page.replace("<code>n</code>", "`n`")
        and "load_mnist" in page
        and "<table>" in page
    )
    assert "#| export" not in "".join(p.read_text() for p in site.rglob("0*.html"))


def test_pages_ask_nobody_else(site):
    "No script of the theme fetches from elsewhere: its link to the repository would ask api.github.com for stars."
    for page in ("index.html", "api/data.standard.html", "how_to/from_the_shell.html"):
        text = (site / page).read_text()
        assert 'class="md-source"' in text and 'data-md-component="source"' not in text, page
    assert (site / "site.css").is_file() and 'href="site.css"' in (site / "index.html").read_text()


def test_navigation_and_contents_are_short(site):
    "The first page is the way home; the contents of the reference are names; constants come last."
    page = (site / "api" / "data.standard.html").read_text()
    assert re.search(r'<a href="\.\./index\.html" class="md-nav__link">\s*<span class="md-ellipsis">\s*Home\s', page)
    contents = [
        name.strip()
        for name in re.findall(
            r'<a href="#[^"]+" class="md-nav__link">\s*<span class="md-ellipsis">(.*?)</span>', page, re.S
        )
    ]
    assert (
        "load_mnist" in contents
        and contents.index("MNIST_FILES") > contents.index("read_idx")
        and not [name for name in contents if "(" in name]
    )


def test_every_link_of_the_site_leads_somewhere(site):
    """Files and anchors inside the site; links to the repository name files that are in it; nothing is loaded from
    elsewhere."""
    broken, ids = [], {}

    def anchors(path):
        if path not in ids:
            ids[path] = set(re.findall(r'\b(?:id|name)="([^"]+)"', path.read_text()))
        return ids[path]

    for page in site.rglob("*.html"):
        text = page.read_text()
        for tag in re.findall(r'<(?:script|link|img)\b[^>]*\b(?:src|href)="(https?://[^"]+)"', text):
            if "github.io" not in tag and "github.com/ssvae-widgets" not in tag:
                broken.append(f"{page.relative_to(site)} loads {tag}")
        for link in re.findall(r'<(?:a|img)\b[^>]*\b(?:href|src)="([^"]*)"', text):
            link = html.unescape(link)
            if re.match(r"https://github.com/ssvae-widgets/ssvae_widgets/blob/main/", link):
                if not (ROOT / link.split("/blob/main/")[1].split("#")[0]).exists():
                    broken.append(f"{page.relative_to(site)}: {link}")
                continue
            if re.match(r"[a-z]+:", link) or page.name == "404.html":
                continue
            target, _, anchor = link.partition("#")
            path = (page.parent / unquote(target)).resolve() if target else page
            if path.is_dir():
                path = path / "index.html"
            if not path.exists() or (anchor and path.suffix == ".html" and unquote(anchor) not in anchors(path)):
                broken.append(f"{page.relative_to(site)}: {link}")
    assert not broken, "\n".join(sorted(set(broken))[:40])


def test_figures_of_the_experiment_are_those_of_its_table():
    """What from_the_shell says about MNIST is in the committed summary, which follows from the committed runs, and
    the picture is theirs."""
    import csv
    import hashlib

    from PIL import Image

    from ssvae_widgets.results import as_rows, summarize, to_csv

    base = ROOT / "artifacts" / "bench" / "label_efficiency_mnist"
    rows = as_rows([json.loads(line) for line in base.with_name(f"{base.name}_records.jsonl").read_text().splitlines()])
    assert base.with_suffix(".csv").read_bytes() == to_csv(rows) and len(rows) == 108
    summary = base.with_name(f"{base.name}_summary.csv").read_text()
    assert summary.encode() == to_csv(summarize(rows))
    mean = {
        (r["architecture"], r["selection"], int(r["budget"])): 100 * float(r["mean"])
        for r in csv.DictReader(summary.splitlines())
    }
    text = pages()["nbs/how_to/from_the_shell.ipynb"]
    for kind in ("random", "balanced", "acquired"):
        assert f"| {kind} | {mean['conv', kind, 10]:.1f} % | {mean['dense', kind, 10]:.1f} % |" in text
    fifty, more = ([mean[a, "acquired", k] for a in ("conv", "dense")] for k in (50, 500))
    words = " ".join(text.split())
    assert f"the conv encoder has {fifty[0]:.1f} % and the dense one {fifty[1]:.1f} %" in words
    assert f"add {more[0] - fifty[0]:.1f} and {more[1] - fifty[1]:.1f} points" in words
    with Image.open(ROOT / "nbs" / "images" / "label_efficiency.png") as picture:
        assert picture.info["Description"].endswith(hashlib.sha256(summary.encode()).hexdigest())


def test_citation_agrees_with_the_package():
    import ssvae_widgets

    text = (ROOT / "CITATION.cff").read_text()
    assert (
        f"version: {ssvae_widgets.__version__}\n" in text
        and "cff-version: 1.2.0" in text
        and "license: Apache-2.0" in text
    )
    assert "authors:" in text and "title:" in text and "message:" in text


def test_the_reference_of_a_session_shows_what_its_parts_do(site):
    "What is passed on to a part has its signature, its sentence and its table."
    from ssvae_widgets import LabelingSession

    spec = importlib.util.spec_from_file_location("docs_hooks", ROOT / ".ci" / "docs_hooks.py")
    hooks = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hooks)
    names = hooks.members(LabelingSession)
    methods = (
        "label accept clear undo redo subscribe wait neighbors suggest next skip back upcoming look_ahead go_to "
        "keep_view stop snapshot walk goto train prepare save open close"
    ).split()
    values = (
        "codes classes probs pred certainty accuracy why sources rounds queue current strategy training message".split()
    )
    assert {*methods, *values} <= {*names} and len(names) == len({*names})
    assert all(inspect.getdoc(getattr(LabelingSession, name)) for name in names)
    assert (
        str(inspect.signature(LabelingSession.label))
        == "(self: 'Labeling', serials, label: 'int | str', source: 'str' = 'api')"
    )
    assert list(inspect.signature(LabelingSession.suggest).parameters)[:3] == ["self", "n", "strategy"]
    page = html.unescape((site / "api" / "session.session.html").read_text())
    for shown in (
        "label(serials, label, source)",
        "one row number, many, or a mask",
        "codes (property)",
        "The label of every item as a class code",
    ):
        assert shown in re.sub(r"<[^>]+>", "", page), shown
