"""See thousands of unlabeled images as a map, label a few dozen, train, and leave with labels, a classifier and a generative model."""

from collections.abc import Callable
from importlib import import_module

from .former import know_former_names

__version__ = "0.1.0"

# Public names are imported on first use, so that `import ssvae_widgets` stays light and the core runs without any widget library.
PUBLIC = {
    "config": ["SSVAEConfig"],
    "data.cells": ["make_cells", "write_cells"],
    "data.standard": ["load_digits", "load_mnist"],
    "data.load": ["load_images"],
    "labels.store": ["LabelStore"],
    "model.callbacks": ["TrainingCallback", "ConsoleLogger", "CSVExporter", "LossCurvePlotter", "EarlyStopping", "default_callbacks"],
    "model.ssvae": ["SSVAE"],
    "model.classifier": ["SSVAEClassifier"],
    "model.trainer": ["InteractiveTrainer"],
    "session.session": ["LabelingSession"],
    "widgets.latent_map": ["LatentMap"],
    "widgets.labeler": ["LatentLabeler"],
}


def lazily(
    package: str,  # name of a package
    public: dict[str, list[str]],  # the names that each of its modules gives to it
) -> tuple[Callable, Callable, list[str]]:  # its `__getattr__`, `__dir__` and `__all__`
    "Public names of a package that are imported when they are first asked for."
    module_of = {name: module for module, names in public.items() for name in names}

    def get(name: str):
        if name not in module_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(f"{package}.{module_of[name]}"), name)
        vars(import_module(package))[name] = value
        return value

    return get, lambda: sorted([*vars(import_module(package)), *module_of]), [*module_of]


__getattr__, __dir__, _names = lazily(__name__, PUBLIC)
__all__ = ["__version__", *_names]
know_former_names()
