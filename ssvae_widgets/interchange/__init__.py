"""What other programs read: data sets with pictures, annotation files, a model card, the classifier without this library."""

from ssvae_widgets import lazily

__getattr__, __dir__, __all__ = lazily(
    __name__,
    {
        "records": ["Records"],
        "annotations": ["coco_json", "cvat_xml", "label_studio_json"],
        "datasets": ["as_dataset", "write_parquet"],
        "layers": ["classifier_steps"],
        "onnx_model": ["onnx_model"],
        "script": ["write_script"],
        "card": ["model_card"],
    },
)
