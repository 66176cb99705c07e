"""Label stores in tests: opened so that nothing happens by itself, and what they hold in a form to compare."""

import itertools

import numpy as np

from ssvae_widgets import LabelStore

moments = itertools.count()  # for names that no class ever had


def open_store(path, n=30, classes=3, **kw):
    "A store that looks for others and exports only when it is asked to."
    return LabelStore(path, n, classes, poll=3600, export_after=3600, **kw)


def named(store):
    "Row -> name of its class, of all labeled rows."
    return {int(r): store.classes[store.codes[r]] for r in np.flatnonzero(store.codes >= 0)}


def imports(store):
    "What was taken in from a file, gesture by gesture and row by row."
    return [e for e in store.to_pandas().to_dict("records") if e["source"] == "import"] if store.seq else []


def swap(store, a, b):
    "Two classes exchange their names."
    code_a, code_b = store.classes.index(a), store.classes.index(b)
    store.rename_class(code_a, f"for a moment {next(moments)}")
    store.rename_class(code_b, a)
    store.rename_class(code_a, b)
