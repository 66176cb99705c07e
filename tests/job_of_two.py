"""What each of two processes does in the tests of a job: `python job_of_two.py FOLDER WHAT PROCESS`, where WHAT befalls
PROCESS in the third epoch of its first start: nothing, killed, stopped."""

import json
import os
import signal
import sys
from pathlib import Path

import numpy as np

from ssvae_widgets import SSVAE, SSVAEConfig
from ssvae_widgets.data.fingerprints import fingerprint
from ssvae_widgets.model.callbacks import TrainingCallback


def make(kind: str = "plain"):
    """A model before its first step, images and labels: a few of three kinds of noise. `plain` is `dense` that asks no
    graph, which takes half of the time to start."""
    network = "dense" if kind == "plain" else kind
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 203)
    images = (rng.random((203, 8, 8)) < np.array([0.2, 0.5, 0.8])[truth][:, None, None]).astype(np.float32) * 0.9
    config = SSVAEConfig(
        latent_dim=4,
        hidden_dims=(16,),
        conv_channels=(4, 6),
        conv_features=8,
        batch_size=32,
        labeled_batch_size=8,
        consistency_weight=1.0,
        ema_decay=0.9,
        encoder_type=network,
        decoder_type=network,
        max_epochs=4,
        learning_rate=3e-3,
        pretrain_steps=6,
        graph_epochs=int(kind != "plain"),
        patience=0,
    )
    return SSVAE((8, 8), config, classes=3), images, np.where(np.arange(203) < 9, truth, -1)


class Accident(TrainingCallback):
    "Once."

    def __init__(self, what: str, mark: Path):
        self.signal, self.mark = {"killed": signal.SIGKILL, "stopped": signal.SIGSTOP}.get(what), mark

    def on_batches(self, trainer, within):
        if self.signal and trainer.epoch == 2 and within.batches and not self.mark.exists():
            self.mark.touch()
            os.kill(os.getpid(), self.signal)


def main(folder: str, what: str, process: str, kind: str = "plain") -> None:
    from ssvae_widgets.model.processes import join_job, peers_told

    place, out = join_job(silence=20), Path(folder)

    import jax

    from ssvae_widgets.model.held_rows import hold_part, outline, own_rows
    from ssvae_widgets.model.step import data_mesh
    from ssvae_widgets.model.unfinished import fit_through

    vae, images, labels = make(kind)
    part = hold_part(images[own_rows(len(images))])  # from here on nobody has all of them
    assert len(part.own) < len(images) and (part[[200, 3, 77]] == images[[200, 3, 77]]).all()
    assert (part[5] == images[5]).all() and outline(part).max() == images.max() and len(data_mesh().devices.flat) == 2
    accident = [Accident(what, out / "accident")] if place.process == int(process) else []
    with peers_told("Start again."):
        history = fit_through(vae, part, labels, folder=out / "run", weights_path=out / "best.ckpt", callbacks=accident)
    held = vae.data_source(part).images
    assert vae.fingerprint == fingerprint(images)  # as of one process
    assert held.addressable_shards[0].data.shape[0] == 102 and not held.is_fully_addressable
    np.savez(out / f"end{place.process}.npz", **{k: np.asarray(v) for k, v in vae.params.items()})
    (out / f"history{place.process}.json").write_text(json.dumps(history))
    jax.distributed.shutdown()


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except RuntimeError as e:
        print(e, file=sys.stderr, flush=True)
        os._exit(1)
