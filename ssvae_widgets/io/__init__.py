"""A whole file or nothing: files that a crash cannot half write, checkpoints without pickle, and signs of who is at work."""

from ssvae_widgets import lazily

__getattr__, __dir__, __all__ = lazily(
    __name__,
    {
        "files": ["atomic_write", "explain_os_error"],
        "checkpoint": ["CheckpointError", "load_checkpoint", "save_checkpoint"],
        "presence": ["Presence"],
    },
)
