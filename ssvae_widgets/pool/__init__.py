"""Pictures that one machine cannot hold: features, answers and labels of a pool in files, made by any engine, and a sample of it for a session."""

from ssvae_widgets import lazily

__getattr__, __dir__, __all__ = lazily(
    __name__,
    {
        "pool": ["Pool"],
        "sample": ["Sample"],
        "rounds": ["Round"],
        "labels": ["PoolLabels"],
        "functions": ["embed", "score", "place", "fit_small"],
        "learner": ["fit_learner"],
        "engines": ["Progress", "StalledError", "WorkerError"],
    },
)
