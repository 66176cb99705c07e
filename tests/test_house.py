"""How large things may be, and who may know what: classes, modules, exported cells, patches, private names."""

from __future__ import annotations

import ast
import json
import re
import statistics
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "ssvae_widgets"

MODULE_LINES, CLASS_LINES, CLASS_METHODS, CELL_LINES, CELL_MEDIAN = 500, 400, 40, 60, 15
CELLS_WITHOUT_PROSE, OPENING_WORDS, WORDS_A_CELL = 2, 30, 15

# (file, name) that may be read although it is private to another module, and why; five each at most
LIBRARY_EXCEPTIONS: dict[tuple[str, str], str] = {
    ("cli/common.py", "_actions"): "argparse has no public list of the flags of a parser",
    (
        "widgets/point_layer.py",
        "_validate",
    ): "traitlets compares values before it sets them, which arrays cannot bear: a trait for arrays sets them itself",
    ("widgets/point_layer.py", "_trait_values"): "a trait for arrays sets them itself, as said above",
    ("widgets/point_layer.py", "_notify_trait"): "a trait for arrays sets them itself, as said above",
}
TEST_EXCEPTIONS: dict[tuple[str, str], str] = {}

TUPLE_METHODS = {"_replace", "_asdict", "_fields", "_make", "_field_defaults"}  # public in spite of their name


def private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("_") and name not in TUPLE_METHODS and name != "_"


@cache
def source(path: Path) -> str:
    return path.read_text()


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(source(path))


def modules() -> list[Path]:
    return [p for p in sorted(PACKAGE.rglob("*.py")) if p.name != "_modidx.py"]


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def room_of(path: Path) -> str:
    return name_of(path).split("/")[0]


def notebooks() -> list[Path]:
    return [p for p in sorted((ROOT / "nbs").rglob("*.ipynb")) if ".ipynb_checkpoints" not in p.parts]


def code_cells(notebook: Path) -> Iterator[tuple[bool, str]]:
    "(is it exported, source without directives and magic) of every code cell."
    for cell in json.loads(source(notebook))["cells"]:
        if cell["cell_type"] != "code":
            continue
        lines = "".join(cell["source"]).splitlines()
        exported = any(re.match(r"#\|\s*export", line) for line in lines)
        yield exported, "\n".join(line for line in lines if not line.startswith(("#|", "%", "!"))).strip()


def told_cells(notebook: Path) -> Iterator[tuple[str, str]]:
    '("prose", "exported" or "shown", source) of every cell; cells of directives alone are left out.'
    for cell in json.loads(source(notebook))["cells"]:
        text = "".join(cell["source"])
        if cell["cell_type"] != "code":
            yield "prose", text
        elif re.search(r"^#\|\s*export", text, re.M):
            yield "exported", text
        elif re.sub(r"^#\|.*$", "", text, flags=re.M).strip():
            yield "shown", text


def chapters() -> dict[str, list[tuple[str, str]]]:
    "The cells of every notebook that a module is made of."
    told = {nb.relative_to(ROOT).as_posix(): [*told_cells(nb)] for nb in notebooks()}
    return {name: cells for name, cells in told.items() if any(kind == "exported" for kind, _ in cells)}


def patched_class(node: ast.AST) -> str | None:
    "The class that a function is patched onto; None: it is not patched."
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return None
    if not any(
        (d.func if isinstance(d, ast.Call) else d).id.startswith("patch")
        for d in node.decorator_list
        if isinstance(d.func if isinstance(d, ast.Call) else d, ast.Name)
    ):
        return None
    first = node.args.args[0].annotation if node.args.args else None
    return ast.unparse(first).strip("'\"") if first is not None else None


def length(node: ast.AST) -> int:
    start = min([node.lineno, *(d.lineno for d in node.decorator_list)])
    return node.end_lineno - start + 1


@cache
def classes() -> dict[tuple[str, str], tuple[Path, list[str], int]]:
    "(room, class) -> its module, the names of its methods, its lines; what is patched onto it counts."
    found = {
        (room_of(path), n.name): (
            path,
            [f.name for f in n.body if isinstance(f, ast.FunctionDef | ast.AsyncFunctionDef)],
            length(n),
        )
        for path in modules()
        for n in ast.walk(tree(path))
        if isinstance(n, ast.ClassDef)
    }
    for path in modules():
        for n in tree(path).body:
            if (owner := (room_of(path), patched_class(n))) in found:
                where, methods, lines = found[owner]
                found[owner] = where, [*methods, n.name], lines + length(n)
    return found


def test_no_module_is_long():
    long = {name_of(p): n for p in modules() if (n := len(source(p).splitlines())) > MODULE_LINES}
    assert not long, f"split these modules (at most {MODULE_LINES} lines): {long}"


def test_no_class_is_large():
    large = {
        f"{name_of(path)} {name}": f"{len(methods)} methods, {lines} lines"
        for (_, name), (path, methods, lines) in classes().items()
        if len(methods) > CLASS_METHODS or lines > CLASS_LINES
    }
    assert not large, (
        f"compose these classes of smaller ones (at most {CLASS_METHODS} methods and {CLASS_LINES} lines): {large}"
    )


def test_no_class_is_patched_from_another_room():
    foreign = [
        f"{name_of(path)}: {owner}.{n.name}"
        for path in modules()
        for n in tree(path).body
        if (owner := patched_class(n)) and (room_of(path), owner) not in classes()
    ]
    assert not foreign, foreign


def test_no_exported_cell_is_long():
    long = [
        f"{nb.relative_to(ROOT)}: {n} lines from {text.splitlines()[0]!r}"
        for nb in notebooks()
        for exported, text in code_cells(nb)
        if exported and (n := len(text.splitlines())) > CELL_LINES
    ]
    assert not long, f"an exported cell has at most {CELL_LINES} lines:\n" + "\n".join(long)


def test_exported_cells_are_short():
    "An idea, a short cell, a demonstration: the median of every room."
    lines = defaultdict(list)
    for nb in notebooks():
        room = nb.parent.name
        lines[room] += [len(text.splitlines()) for exported, text in code_cells(nb) if exported]
    long = {room: statistics.median(n) for room, n in lines.items() if n and statistics.median(n) > CELL_MEDIAN}
    assert not long, f"the median exported cell of a room has at most {CELL_MEDIAN} lines: {long}"


def test_code_is_led_by_prose():
    "A few exported cells may follow each other; then somebody says what comes next and why."
    long = []
    for name, cells in chapters().items():
        run = 0
        for kind, text in cells:
            run = 0 if kind == "prose" else run + (kind == "exported")
            if kind == "exported" and run > CELLS_WITHOUT_PROSE:
                first = next((line for line in text.splitlines() if line.strip() and not line.startswith("#|")), "")
                long.append(f"{name}: exported cell {run} without a word between: {first}")
    assert not long, "\n".join(long)


def test_chapters_are_told():
    "A chapter opens with what it is for, and has words for its code."
    thin = []
    for name, cells in chapters().items():
        (kind, opening), told = cells[0], [text for kind, text in cells if kind == "prose"]
        _, line, rest = opening.partition("\n> ")
        if kind != "prose" or not opening.startswith("# ") or not line:
            thin.append(f"{name} does not open with its name and one sentence")
        elif len(rest.partition("\n")[2].split()) < OPENING_WORDS:
            thin.append(f"{name}: its opening has less than {OPENING_WORDS} words on what it is for")
        exported = sum(kind == "exported" for kind, _ in cells)
        if len(" ".join(told).split()) < WORDS_A_CELL * exported:
            thin.append(f"{name} has less than {WORDS_A_CELL} words for each of its {exported} exported cells")
    assert not thin, "\n".join(thin)


def test_chapters_show_what_they_say():
    "Beside the code stands a demonstration with an assertion, which documents and tests it."
    claim = re.compile(r"\bassert\b|\b(test_\w+|expect_fail|raises)\(")
    silent = [
        name
        for name, cells in chapters().items()
        if not any(kind == "shown" and claim.search(text) for kind, text in cells)
    ]
    assert not silent, "\n".join(silent)


def defined(node: ast.AST) -> set[str]:
    """Private names that are made here: functions, classes, variables, attributes that are set, and names given as
    text (`object.__setattr__`)."""
    found = set()
    for n in ast.walk(node):
        if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(n.name)
        elif isinstance(n, ast.Name | ast.Attribute) and isinstance(n.ctx, ast.Store):
            found.add(n.id if isinstance(n, ast.Name) else n.attr)
        elif isinstance(n, ast.alias) and n.asname:
            found.add(n.asname)
        elif isinstance(n, ast.Call) and getattr(n.func, "attr", "") == "__setattr__":
            found |= {a.value for a in n.args if isinstance(a, ast.Constant)}
    return {name for name in found if isinstance(name, str) and private(name)}


def read(node: ast.AST) -> set[str]:
    "Private names that are imported or read as attributes, also by `getattr` and `monkeypatch.setattr`."
    found = set()
    for n in ast.walk(node):
        if isinstance(n, ast.ImportFrom) and (n.level or (n.module or "").startswith("ssvae_widgets")):
            found |= {a.name for a in n.names}
        elif isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Load):
            found.add(n.attr)
        elif isinstance(n, ast.Call) and (getattr(n.func, "attr", "") or getattr(n.func, "id", "")) in (
            "getattr",
            "setattr",
            "delattr",
            "hasattr",
        ):
            found |= {a.value for a in n.args if isinstance(a, ast.Constant) and isinstance(a.value, str)}
    return {name for name in found if private(name)}


def imported_privately(node: ast.AST) -> set[str]:
    return {
        a.name
        for n in ast.walk(node)
        if isinstance(n, ast.ImportFrom) and (n.level or (n.module or "").startswith("ssvae_widgets"))
        for a in n.names
        if private(a.name)
    }


def test_no_module_reads_a_private_name_of_another():
    "An attribute that a module reads is public, or made in this module; so are names that it imports."
    foreign = {
        (name_of(p), name)
        for p in modules()
        for name in (read(tree(p)) - defined(tree(p))) | imported_privately(tree(p))
    } - set(LIBRARY_EXCEPTIONS)
    assert not foreign, "\n".join(f"{file}: {name}" for file, name in sorted(foreign))


def test_no_notebook_reads_a_private_name_of_another_module():
    foreign = []
    for nb in notebooks():
        cells = [text for _, text in code_cells(nb)]
        try:
            whole = [ast.parse(text) for text in cells]
        except SyntaxError as e:
            pytest.fail(f"{nb.relative_to(ROOT)}: {e}")
        known = set().union(*map(defined, whole))
        module = next(
            (
                m[1]
                for m in (
                    re.search(r"^#\|\s*default_exp (\S+)", source(nb).replace("\\n", "\n").replace('"', "\n"), re.M),
                )
                if m
            ),
            None,
        )
        skip = {name for file, name in LIBRARY_EXCEPTIONS if module and file == f"{module.replace('.', '/')}.py"}
        foreign += [
            f"{nb.relative_to(ROOT)}: {name}"
            for t in whole
            for name in sorted((read(t) - known - skip) | imported_privately(t))
        ]
    assert not foreign, "\n".join(foreign)


def test_tests_and_benchmarks_read_no_private_name():
    "Of the package; neither do their classes override one."
    package = set().union(*(defined(tree(p)) for p in modules()))
    foreign = set()
    for p in [*sorted((ROOT / "tests").rglob("*.py")), *sorted((ROOT / "bench").glob("*.py"))]:
        methods = [
            (bool(c.bases), f.name)
            for c in ast.walk(tree(p))
            if isinstance(c, ast.ClassDef)
            for f in c.body
            if isinstance(f, ast.FunctionDef)
        ]
        overridden, own = (
            {name for derived, name in methods if derived},
            {name for derived, name in methods if not derived},
        )
        own |= {
            n.attr
            for n in ast.walk(tree(p))
            if isinstance(n, ast.Attribute)
            and isinstance(n.ctx, ast.Store)
            and isinstance(n.value, ast.Name)
            and n.value.id == "self"
        }
        foreign |= {(p.relative_to(ROOT).as_posix(), name) for name in (read(tree(p)) - own | overridden) & package}
    foreign -= set(TEST_EXCEPTIONS)
    assert not foreign, "\n".join(f"{file}: {name}" for file, name in sorted(foreign))


@pytest.mark.parametrize("exceptions", [LIBRARY_EXCEPTIONS, TEST_EXCEPTIONS], ids=["library", "tests"])
def test_exceptions_are_few_and_explained(exceptions):
    assert len(exceptions) <= 5 and all(len(why.split()) >= 4 for why in exceptions.values())
    for file, name in exceptions:
        path = PACKAGE / file if exceptions is LIBRARY_EXCEPTIONS else ROOT / file
        assert name in read(tree(path)), f"{file} does not read {name} any more: take it off the list"


def test_what_is_missing_or_in_the_way_is_an_error_of_the_family():
    "`MissingError` and `InTheWayError` are caught as Python's own errors of that kind, and as the package's."
    ours = {"FileNotFoundError": "MissingError", "FileExistsError": "InTheWayError"}
    found = [
        f"{name_of(path)}:{node.lineno} raises {node.exc.func.id}; raise {ours[node.exc.func.id]}"
        for path in modules()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Raise)
        and isinstance(node.exc, ast.Call)
        and isinstance(node.exc.func, ast.Name)
        and node.exc.func.id in ours
    ]
    assert not found, found
