"""See thousands of unlabeled images as a map, label a few dozen, train, and leave with labels, a classifier and a generative model."""

__version__ = "0.1.0"

# Public names are imported on first use, so that `import ssvae_widgets` stays light and the core runs without any widget library.
_PUBLIC = {
    "SSVAEConfig": "config",
    "load_digits": "data",
    "load_mnist": "data",
    "load_images": "data",
    "LabelStore": "labels",
    "TrainingCallback": "callbacks",
    "ConsoleLogger": "callbacks",
    "CSVExporter": "callbacks",
    "LossCurvePlotter": "callbacks",
    "EarlyStopping": "callbacks",
    "default_callbacks": "callbacks",
    "SSVAE": "model",
    "SSVAEClassifier": "classifier",
    "InteractiveTrainer": "trainer",
    "LabelingSession": "session",
    "LatentMap": "widgets.latent_map",
    "LatentLabeler": "widgets.labeler",
}

__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str):
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{_PUBLIC[name]}"), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted([*globals(), *_PUBLIC])
