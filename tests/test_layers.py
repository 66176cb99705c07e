"""A notebook imports only what stands below it; the core knows no widget, the widgets know no jax; importing the package is light."""

import ast
import json
import re
import subprocess
import sys

WIDGET_LIBRARIES = {"ipywidgets", "bqplot", "anywidget", "traitlets"}
JAX_LIBRARIES = {"jax", "jaxlib", "flax", "optax"}


def modules(root) -> dict[str, tuple[str, set[str]]]:
    "module name -> (rank of its notebook, names imported anywhere in it)."
    found = {}
    for nb in sorted((root / "nbs").glob("*.ipynb")):
        cells = ["".join(c["source"]) for c in json.loads(nb.read_text())["cells"] if c["cell_type"] == "code"]
        names = [m[1] for c in cells if (m := re.search(r"^#\|\s*default_exp (\S+)", c, re.M))]
        if not names:
            continue
        tree = ast.parse((root / "ssvae_widgets" / (names[0].replace(".", "/") + ".py")).read_text())
        imports = set()
        for n in ast.walk(tree):
            if isinstance(n, ast.Import):
                imports |= {a.name for a in n.names}
            elif isinstance(n, ast.ImportFrom):
                # nbdev writes imports of siblings relative to the module
                package = ["ssvae_widgets", *names[0].split(".")[:-1]]
                base = ".".join([*package[: len(package) - n.level + 1], *filter(None, [n.module])]) if n.level else n.module
                imports |= {base, *(f"{base}.{a.name}" for a in n.names)}
        found[names[0]] = (nb.name.split("_")[0], imports)
    return found


def test_imports_point_down(root):
    found = modules(root)
    assert found
    for name, (rank, imports) in found.items():
        for other, (other_rank, _) in found.items():
            if f"ssvae_widgets.{other}" in imports:
                assert other_rank < rank or name == other, f"{rank} {name} imports {other_rank} {other}: a notebook imports only lower numbers"


def test_core_imports_no_widget_library_and_widgets_no_jax(root):
    for name, (rank, imports) in modules(root).items():
        number = int(rank[:2])
        if number < 20:
            bad = {i for i in imports if i.split(".")[0] in WIDGET_LIBRARIES}
        elif 30 <= number < 40:
            bad = {i for i in imports if i.split(".")[0] in JAX_LIBRARIES}
        else:
            continue
        assert not bad, f"{name} imports {bad}"


def imported_after(code: str) -> set[str]:
    "The top-level modules that a fresh interpreter has loaded after `code`."
    done = subprocess.run([sys.executable, "-c", f"{code}\nimport sys; print(' '.join({{m.split('.')[0] for m in sys.modules}}))"],
                          capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_import_is_light():
    loaded = imported_after("import ssvae_widgets")
    assert not loaded & (WIDGET_LIBRARIES | JAX_LIBRARIES | {"numpy", "pandas", "matplotlib", "sklearn"})


def test_widgets_load_without_jax():
    loaded = imported_after("from ssvae_widgets import LatentMap, LatentLabeler")
    assert "bqplot" in loaded
    assert not loaded & JAX_LIBRARIES


def test_core_loads_without_widgets():
    loaded = imported_after("from ssvae_widgets import SSVAE, SSVAEConfig, InteractiveTrainer, LabelStore, LabelingSession, load_digits")
    assert "jax" in loaded
    assert not loaded & (WIDGET_LIBRARIES - {"traitlets"})  # IPython, where it is installed, brings traitlets


def test_every_public_name_resolves():
    import ssvae_widgets
    for name in ssvae_widgets.__all__:
        assert getattr(ssvae_widgets, name) is not None
    assert set(ssvae_widgets.__all__) <= set(dir(ssvae_widgets))
