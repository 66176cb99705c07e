"""Everything that the app does, without a screen: labels, predictions, training, suggestions and rounds of one data set, saved and reopened."""

from ssvae_widgets import lazily

__getattr__, __dir__, __all__ = lazily(
    __name__,
    {
        "jobs": ["Events"],
        "project": ["ProjectError"],
        "session": ["LabelingSession"],
    },
)
