"""The page: the map, the contact sheet, the panels and the app that binds them to a session. Views emit what a person wants and show what the session says."""

from ssvae_widgets import lazily

__getattr__, __dir__, __all__ = lazily(
    __name__,
    {
        "latent_map": ["LatentMap"],
        "labeler": ["LatentLabeler"],
    },
)
