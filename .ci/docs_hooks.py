"""What mkdocs does not do by itself: an API reference from docments, the navigation, links between notebooks, cells
that are not for readers."""

import importlib
import inspect
import json
import re
import sys
from pathlib import Path

from fastcore.docments import docments
from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
REPOSITORY = "https://github.com/ssvae-widgets/ssvae_widgets/blob/main/"
SECTIONS = {"tutorials": "Tutorials", "how_to": "How to", "explanations": "Explanations"}
HIDDEN = re.compile(r"^#\|\s*(hide|default_exp)\b", re.M)


def text(node) -> str:
    "A type or default as it is written, short enough for a table."
    name = getattr(node, "__name__", None) if isinstance(node, type) else None
    out = (
        str(name or node)
        .replace("jaxtyping.", "")
        .replace("collections.abc.", "")
        .replace("typing.", "")
        .replace("numpy.", "np.")
    )
    return out if len(out) < 90 else out[:87] + "…"


def cell(s: str) -> str:
    return s.replace("&", "&amp;").replace("|", "&#124;").replace("\n", " ").replace("<", "&lt;")


def code(s: str) -> str:
    return f"<code>{cell(s).replace('*', '&#42;').replace('_', '&#95;')}</code>"


def describe(name: str, thing, level: str) -> str:
    "One function or class: signature, sentence, table of parameters."
    try:
        signature = inspect.signature(thing)
    except (TypeError, ValueError):
        signature = None
    kind = "class " if inspect.isclass(thing) else ""
    call = (
        "("
        + ", ".join(
            str(p).split(":")[0].split("=")[0] for p in signature.parameters.values() if p.name not in ("self", "cls")
        )
        + ")"
        if signature
        else ""
    )
    out = [f"{level} `{kind}{name}{call}`", inspect.getdoc(thing) or ""]
    if signature is None:
        return "\n\n".join(out)
    try:
        notes = docments(thing, full=True)
    except Exception:
        notes = {}
    rows = []
    for p in signature.parameters.values():
        if p.name in ("self", "cls"):
            continue
        note = notes.get(p.name)
        default = "" if p.default is inspect.Parameter.empty else code(text(repr(p.default)))
        kind = "" if p.annotation is inspect.Parameter.empty else code(text(p.annotation))
        rows.append(f"| `{p.name}` | {kind} | {default} | {cell((note and note.docment) or '')} |")
    back = notes.get("return")
    if (
        signature.return_annotation is not inspect.Signature.empty
        and not inspect.isclass(thing)
        and signature.return_annotation not in (None, "None")
    ):
        rows.append(
            f"| *returns* | {code(text(signature.return_annotation))} | | {cell((back and back.docment) or '')} |"
        )
    if rows:
        out.append("\n".join(["| | type | default | |", "|---|---|---|---|", *rows]))
    return "\n\n".join(out)


def on_env(env, config, files):
    "The notebook plugin calls pages by their headings; in the navigation the first one is the way home."
    files.get_file_from_path("index.ipynb").page.title = "Home"
    return env


def members(cls) -> list[str]:
    "Public names of a class, its own or of a base class in the same room, in order."
    room = cls.__module__.rpartition(".")[0]
    family = [base for base in reversed(cls.__mro__) if base.__module__.rpartition(".")[0] == room]
    found = {n: v for base in family for n, v in vars(base).items()}
    return [
        n for n, v in found.items() if not n.startswith("_") and (isinstance(v, property) or callable(getattr(cls, n)))
    ]


def api_page(module: str) -> str:
    "The reference of one module."
    m = importlib.import_module(f"ssvae_widgets.{module}")
    out = [f"# {module}", (m.__doc__ or "").split("\n\nDocs:")[0]]
    for name in sorted(m.__all__, key=lambda n: not callable(getattr(m, n))):  # constants last
        thing = getattr(m, name)
        if inspect.isclass(thing):
            out.append(describe(name, thing, "##"))
            for n in members(thing):
                v = inspect.getattr_static(thing, n)
                if isinstance(v, property):
                    out.append(f"### `{n}` (property)\n\n{inspect.getdoc(v) or ''}")
                else:
                    out.append(describe(n, getattr(thing, n), "###"))
        elif callable(thing):
            out.append(describe(name, thing, "##"))
        else:
            out.append(f"## `{name}`\n\n{code(text(repr(thing)))}")
    return "\n\n".join(out) + "\n"


ROOMS = ["io", "data", "labels", "graph", "model", "assess", "pool", "interchange", "session", "widgets", "cli"]


def chapters() -> list[Path]:
    "The notebooks of the library, room by room."
    return [nb for room in ["", *ROOMS] for nb in sorted((ROOT / "nbs" / room).glob("[0-9]*.ipynb"))]


def modules() -> list[tuple[str, str]]:
    "(notebook, module) in the order of the notebooks."
    found = []
    for nb in chapters():
        if m := re.search(r'#\| *default_exp (\S+?)(\\n|")', nb.read_text()):
            found.append((nb.relative_to(ROOT / "nbs").as_posix(), m[1]))
    return [(nb, m) for nb, m in found if (ROOT / "ssvae_widgets" / (m.replace(".", "/") + ".py")).exists()]


def title(nb: Path) -> str:
    "First heading of a notebook."
    for c in json.loads(nb.read_text())["cells"]:
        if m := re.search(r"^# (.+)$", "".join(c["source"]), re.M):
            return m[1]
    return nb.stem


def on_config(config):
    nbs = ROOT / "nbs"
    nav = [{"Home": "index.ipynb"}]
    for folder, name in SECTIONS.items():
        nav.append({name: [{title(p): f"{folder}/{p.name}"} for p in sorted((nbs / folder).glob("*.ipynb"))]})
    for page in ("troubleshooting", "hosts"):
        if (nbs / f"{page}.ipynb").exists():
            nav.append({title(nbs / f"{page}.ipynb"): f"{page}.ipynb"})
    by_room = {
        room: [{title(nb): nb.relative_to(nbs).as_posix()} for nb in chapters() if nb.parent == nbs / room]
        for room in ["", *ROOMS]
    }
    nav.append(
        {
            "The library, room by room": [
                *by_room.pop(""),
                *({pages[0] and next(iter(pages[0])).removesuffix(": the room"): pages} for pages in by_room.values()),
            ]
        }
    )
    nav.append({"API": [{m: f"api/{m}.md"} for m in dict.fromkeys(m for _, m in modules())]})
    nav.append({"Changes": "changes.md"})
    config.nav = [entry for entry in nav if next(iter(entry.values()))]
    return config


def on_files(files, config):
    for _, module in modules():
        if not files.get_file_from_path(f"api/{module}.md"):
            files.append(File.generated(config, f"api/{module}.md", content=api_page(module)))
    files.append(File.generated(config, "changes.md", content=(ROOT / "CHANGELOG.md").read_text()))
    return files


def on_pre_page(page, config, files):
    "Readers see what the notebook shows: cells that say `hide` stay out."
    if not page.file.src_path.endswith(".ipynb"):
        return page
    nb = json.loads(Path(page.file.abs_src_path).read_text())
    kept = [c for c in nb["cells"] if not (c["cell_type"] == "code" and HIDDEN.search("".join(c["source"])))]
    for c in kept:
        if c["cell_type"] == "code":
            c["source"] = re.sub(r"^#\|.*\n", "", "".join(c["source"]), flags=re.M)
    if len(kept) < len(nb["cells"]) or kept:
        made = Path(config.site_dir).parent / "_proc" / page.file.src_path
        made.parent.mkdir(parents=True, exist_ok=True)
        made.write_text(json.dumps({**nb, "cells": kept}))
        page.file.abs_src_path = str(made)
    return page


def plain(s: str) -> str:
    return re.sub(r"[^a-z0-9]", "", re.sub(r"<[^>]+>|&[a-z]+;|¶", "", s).lower())


def only_names(items) -> None:
    "The contents of a page of the reference without parameters."
    for item in items:
        item.title = re.sub(r"\(.*", "", item.title.removeprefix("class "))
        only_names(item.children)


def repair_toc(items, html) -> None:
    "The notebook plugin guesses anchors; take those that are on the page."
    there = {plain(m[2]): m[1] for m in re.finditer(r'<h[1-6][^>]*\bid="([^"]+)"[^>]*>(.*?)</h[1-6]>', html, re.S)}
    there |= {
        plain(re.sub(r"<code>.*?</code>", "", m[2])): m[1]
        for m in re.finditer(r'<h[1-6][^>]*\bid="([^"]+)"[^>]*>(.*?)</h[1-6]>', html, re.S)
    } | there
    for item in items:
        if item.id not in there.values() and plain(item.title) in there:
            item.id = there[plain(item.title)]
        repair_toc(item.children, html)


def on_page_content(html, page, config, files):
    "Links between notebooks lead to pages; links out of the documentation lead to the repository."
    here = Path(page.file.src_path).parent
    toc = page.toc.items if hasattr(page.toc, "items") else page.toc
    repair_toc(toc, html)
    if here.name == "api":
        only_names(toc)

    def rewrite(match):
        attribute, target, anchor = match[1], match[2], match[3] or ""
        if re.match(r"[a-z]+:|#|/", target):
            return match[0]
        path = (ROOT / "nbs" / here / target).resolve()
        try:
            inside = path.relative_to(ROOT / "nbs").as_posix()
        except ValueError:
            inside = None
        if path == ROOT / "CHANGELOG.md":
            inside = "changes.md"
        file = files.get_file_from_path(inside) if inside else None
        if file is not None:
            return f'{attribute}="{file.url_relative_to(page.file)}{anchor}"'
        if path.exists() and path.is_relative_to(ROOT) and inside is None:
            return f'{attribute}="{REPOSITORY}{path.relative_to(ROOT).as_posix()}"'
        return match[0]

    return re.sub(r'\b(href|src)="([^"#]+)(#[^"]*)?"', rewrite, html)
