"""The semi-supervised variational autoencoder: networks, losses, one training step, whole epochs on the device, the map as a head on a wide latent."""

from ssvae_widgets import lazily

__getattr__, __dir__, __all__ = lazily(
    __name__,
    {
        "callbacks": ["CSVExporter", "ConsoleLogger", "EarlyStopping", "LossCurvePlotter", "TrainingCallback", "default_callbacks"],
        "snapshot": ["Embedding", "Snapshot"],
        "ssvae": ["SSVAE"],
        "trainer": ["InteractiveTrainer"],
        "classifier": ["SSVAEClassifier"],
    },
)
