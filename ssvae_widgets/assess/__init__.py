"""How good is it, and what should be labeled next: accuracy with an interval, which source of answers the labels left out support, strategies of acquisition."""

from ssvae_widgets import lazily

__getattr__, __dir__, __all__ = lazily(
    __name__,
    {
        "groups": ["look_alikes", "unlabeled_groups"],
        "acquire": ["STRATEGIES", "find_label_issues", "register_strategy", "suggest"],
        "metrics": ["accuracy_estimate", "knn_purity", "map_trustworthiness", "wilson_interval"],
        "evidence": ["choose"],
    },
)
