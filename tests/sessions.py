"""A small session in tests: 200 digits, a network of one layer, and a worker that can be held."""

import threading

import numpy as np

from ssvae_widgets import LabelingSession, SSVAEConfig, load_digits
from ssvae_widgets.session.rounds import Frame

CONFIG = SSVAEConfig(
    encoder_type="dense", hidden_dims=(16,), latent_dim=2, batch_size=64, consistency_weight=0.0, augmentation="none"
)
IMAGES, TRUTH = (np.asarray(a)[:200] for a in load_digits())
NAMES = [("dog", "cat")[k % 2] for k in TRUTH]


def session(labels=None, **kw):
    return LabelingSession(IMAGES, labels, config=CONFIG, **kw)


class Hold:
    "The worker begins nothing while this lasts: what is asked for meanwhile comes in together."

    def __init__(self, s):
        self.s, self.go = s, threading.Event()

    def __enter__(self):
        self.s.jobs.ask("hold", job=self.go.wait)

    def __exit__(self, *exc):
        self.go.set()


def trained(s, epochs=1):
    s.train(epochs)
    assert s.wait(300) and s.training.phase == "idle", s.message
    return s


def frame_of(s, k: int) -> Frame:
    "A frame whose positions say which one it is."
    n = s.n_items
    xy = np.full((n, 2), [k, -k], np.float32) + s.images[:, 0, :2]
    return Frame(
        number=s.rounds.next_number,
        epochs=k,
        seq=s.seq,
        labels=s.n_labeled,
        answer="none",
        time=1000.0 + k,
        metrics={},
        xy=xy.astype(np.float32),
        pred=np.zeros(n, int),
        certainty=np.zeros(n),
        entropy=np.zeros(n),
    )
