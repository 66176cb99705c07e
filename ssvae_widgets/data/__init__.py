"""Images in, checked once at the door: files, folders and arrays become pictures with names, sizes and a fingerprint; frozen features of pretrained encoders."""

from ssvae_widgets import lazily

__getattr__, __dir__, __all__ = lazily(
    __name__,
    {
        "names": ["class_names", "clean_name"],
        "arrays": ["ImageSet", "as_uint8", "image_shape"],
        "folders": ["read_folder"],
        "cells": ["make_cells", "write_cells"],
        "standard": ["load_digits", "load_mnist"],
        "table_images": ["read_table"],
        "load": ["load_images"],
        "fingerprints": ["Fingerprint", "fingerprint"],
        "extractors": ["find_extractor", "register_extractor"],
        "features": ["extract_features", "prepare_features"],
        "featured": ["FeaturedImages", "FeatureSpace", "featured", "wants_features"],
    },
)
