"""Labels that nothing can hurt: an append-only log shared by processes is the truth, `labels.csv` its export that people may edit."""

from ssvae_widgets import lazily

__getattr__, __dir__, __all__ = lazily(
    __name__,
    {
        "csv_table": ["LabelFileError"],
        "observers": ["LabelEvent"],
        "rejoin": ["OtherDataError"],
        "status": ["Gesture"],
        "store": ["LabelStore"],
        "exchange": ["export_labels", "import_labels", "label_table"],
    },
)
