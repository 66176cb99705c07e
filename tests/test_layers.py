"""A room imports only rooms below it; the core knows no widget, the widgets know no jax; importing the package is
light."""

import ast
import importlib
import json
import re
import subprocess
import sys

import pytest

WIDGET_LIBRARIES = {"ipywidgets", "bqplot", "anywidget", "traitlets"}
JAX_LIBRARIES = {"jax", "jaxlib", "flax", "optax"}


# a room imports only rooms on its left; those of one group do not know each other
ORDER = [
    "errors",
    "config former palettes parts",
    "io",
    "data",
    "labels graph model",
    "assess",
    "pool",
    "interchange",
    "plots",
    "experiments",
    "results",
    "session",
    "widgets",
    "cli",
]
RANK = {room: rank for rank, group in enumerate(ORDER) for room in group.split()}
ACROSS = {  # what one room of a group may take from another
    ("model.few_labels", "graph.propagate"),  # the graph's answer guides the network where labels are few
    ("model.few_labels", "graph.blend"),  # the same on features of a frozen extractor
    ("model.few_labels", "graph.set_blend"),  # and for label sets
    ("model.map_head", "graph.neighbors"),  # the map is fitted to neighborhoods
}


def modules(root) -> dict[str, tuple[str, set[str]]]:
    """module name -> (number of its notebook, modules of the package imported anywhere in it, and top-level names of
    other packages)."""
    found = {}
    for nb in sorted((root / "nbs").rglob("*.ipynb")):
        cells = ["".join(c["source"]) for c in json.loads(nb.read_text())["cells"] if c["cell_type"] == "code"]
        names = [m[1] for c in cells if (m := re.search(r"^#\|\s*default_exp (\S+)", c, re.M))]
        if not names or ".ipynb_checkpoints" in nb.parts:
            continue
        parent = nb.parent.relative_to(root / "nbs").as_posix()
        assert nb.stem[3:] == names[0].split(".")[-1] and parent == (names[0].rpartition(".")[0] or "."), (
            f"{nb} exports {names[0]}"
        )
        tree = ast.parse((root / "ssvae_widgets" / (names[0].replace(".", "/") + ".py")).read_text())
        imports = set()
        for n in ast.walk(tree):
            if isinstance(n, ast.Import):
                imports |= {a.name for a in n.names}
            elif isinstance(n, ast.ImportFrom):
                # nbdev writes imports of siblings relative to the module
                package = ["ssvae_widgets", *names[0].split(".")[:-1]]
                base = (
                    ".".join([*package[: len(package) - n.level + 1], *filter(None, [n.module])])
                    if n.level
                    else n.module
                )
                imports |= {base, *(f"{base}.{a.name}" for a in n.names)}
        found[names[0]] = (nb.stem[:2], imports)
    return found


def room(module: str) -> str:
    return module.split(".")[0]


def test_imports_point_down(root):
    found = modules(root)
    assert found
    for name, (number, imports) in found.items():
        for other, (other_number, _) in found.items():
            if f"ssvae_widgets.{other}" not in imports or name == other or (name, other) in ACROSS:
                continue
            if room(name) == room(other) and "." in name:
                assert other_number < number, (
                    f"{name} imports {other}: within a room a notebook imports only lower numbers"
                )
            else:
                assert RANK[room(other)] < RANK[room(name)], (
                    f"{name} imports {other}: the rooms are {' → '.join(ORDER)}"
                )


def test_no_exception_is_stale(root):
    found = modules(root)
    assert all(f"ssvae_widgets.{other}" in found[name][1] for name, other in ACROSS)


def test_core_imports_no_widget_library_and_widgets_no_jax(root):
    for name, (_, imports) in modules(root).items():
        if RANK[room(name)] < RANK["widgets"]:
            bad = {i for i in imports if i.split(".")[0] in WIDGET_LIBRARIES}
        elif room(name) == "widgets":
            bad = {i for i in imports if i.split(".")[0] in JAX_LIBRARIES}
        else:
            continue
        assert not bad, f"{name} imports {bad}"


@pytest.mark.parametrize("name", "io data labels graph model assess pool interchange session widgets cli".split())
def test_every_room_has_its_door(root, name):
    "A first notebook that names all chapters, and an `__init__` whose public names can be imported."
    folder = root / "nbs" / name
    first = "".join("".join(c["source"]) for c in json.loads((folder / "00_room.ipynb").read_text())["cells"])
    for nb in folder.glob("[0-9]*.ipynb"):
        assert nb.name == "00_room.ipynb" or f"]({nb.name})" in first, (
            f"{folder / '00_room.ipynb'} does not name {nb.name}"
        )
    package = importlib.import_module(f"ssvae_widgets.{name}")
    for public in getattr(package, "__all__", ()):
        assert getattr(package, public) is not None


def imported_after(code: str) -> set[str]:
    "The top-level modules that a fresh interpreter has loaded after `code`."
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(' '.join({{m.split('.')[0] for m in sys.modules}}))"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


def test_import_is_light():
    loaded = imported_after("import ssvae_widgets")
    assert not loaded & (WIDGET_LIBRARIES | JAX_LIBRARIES | {"numpy", "pandas", "matplotlib", "sklearn"})


def test_widgets_load_without_jax():
    loaded = imported_after("from ssvae_widgets import LatentMap, LatentLabeler")
    assert "bqplot" in loaded
    assert not loaded & JAX_LIBRARIES


def test_core_loads_without_widgets():
    loaded = imported_after(
        "from ssvae_widgets import SSVAE, SSVAEConfig, InteractiveTrainer, LabelStore, LabelingSession, load_digits"
    )
    assert "jax" in loaded
    assert not loaded & (WIDGET_LIBRARIES - {"traitlets"})  # IPython, where it is installed, brings traitlets


def test_every_public_name_resolves():
    import ssvae_widgets

    for name in ssvae_widgets.__all__:
        assert getattr(ssvae_widgets, name) is not None
    assert set(ssvae_widgets.__all__) <= set(dir(ssvae_widgets))
