"""What the labels say about the rest without any training: nearest neighbors, and labels that flow along them."""

from ssvae_widgets import lazily

__getattr__, __dir__, __all__ = lazily(
    __name__,
    {
        "blend": ["Blend"],
        "neighbors": ["nearest_neighbors"],
        "propagate": ["Propagator", "knn_graph", "poisson"],
    },
)
