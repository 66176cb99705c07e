"""Several devices run the program of one: the same numbers, the batch divided. Two are made of one CPU, in a process
of their own."""

import os
import subprocess
import sys

import numpy as np
import pytest

RUN = """
import sys
import jax, numpy as np
from ssvae_widgets import SSVAE, InteractiveTrainer, SSVAEConfig
from ssvae_widgets.model.step import data_mesh

rng = np.random.default_rng(0)
truth = rng.integers(0, 3, 200)
images = (rng.random((200, 8, 8)) < np.array([0.2, 0.5, 0.8])[truth][:, None, None]).astype(np.float32)
labels = np.where(np.arange(200) < 6, truth, -1)
config = SSVAEConfig(
    latent_dim=4, hidden_dims=(16, 8), conv_channels=(4, 6), conv_features=8, batch_size=32, labeled_batch_size=8,
    consistency_weight=1.0, ema_decay=0.9, encoder_type=sys.argv[2], decoder_type=sys.argv[2],
    contrastive_until_labels=False,
)
trainer = InteractiveTrainer(SSVAE((8, 8), config, classes=3))
trainer.train_epochs(2, images, labels)
trainer.train_epochs(1, images, labels)
history, probs = trainer.history, trainer.vae.predict_proba(images)
out = dict(trainer.vae.params, loss=history["loss"], val=history["val_loss"], probs=probs)
trainer.save_checkpoint(sys.argv[1] + ".ckpt")
assert SSVAE.from_checkpoint(sys.argv[1] + ".ckpt").epoch == 3
mesh = data_mesh()
on = trainer.vae.params.vector.sharding.device_set
out["devices"] = np.array([1 if mesh is None else mesh.size, len(on)])
np.savez(sys.argv[1], **{k: np.asarray(v) for k, v in out.items()})
"""


def train(path, devices, kind):
    env = dict(os.environ, XLA_FLAGS=f"--xla_force_host_platform_device_count={devices}", JAX_PLATFORMS="cpu")
    subprocess.run([sys.executable, "-c", RUN, str(path), kind], check=True, env=env, timeout=600)
    with np.load(path) as file:
        return dict(file)


@pytest.mark.parametrize("kind", ["dense", "conv"])
def test_two_devices_train_as_one(tmp_path, kind):
    one, two = train(tmp_path / "one.npz", 1, kind), train(tmp_path / "two.npz", 2, kind)
    assert one.pop("devices").tolist() == [1, 1] and two.pop("devices").tolist() == [2, 2]
    assert one.keys() == two.keys()
    np.testing.assert_allclose(two["loss"], one["loss"], rtol=1e-3)
    for name in one:
        np.testing.assert_allclose(two[name], one[name], atol=2e-3, err_msg=name)


def test_the_batch_is_divided():
    code = """
import jax, numpy as np
from ssvae_widgets.model.step import _spread, everywhere
x = everywhere(np.zeros((6, 3), np.float32))
assert len(x.sharding.device_set) == 2 and x.is_fully_replicated
y = jax.jit(_spread)(x)
assert {s.data.shape for s in y.addressable_shards} == {(3, 3)}
odd = everywhere(np.zeros((5, 3), np.float32))
assert {s.data.shape for s in jax.jit(_spread)(odd).addressable_shards} == {(5, 3)}

# images that are held by part: a batch is a sum of what each device has of it, and they themselves stay where they are
import re
import jax.numpy as jnp
from ssvae_widgets.model.step import data_mesh
by_rows = jax.sharding.NamedSharding(data_mesh(), jax.sharding.PartitionSpec("data"))
held = jax.device_put(np.arange(1000 * 49, dtype=np.uint8).reshape(1000, 7, 7), by_rows)
batch = jax.jit(lambda x, rows: _spread(jnp.take(x, rows, axis=0)))
rows = np.random.default_rng(0).integers(0, 1000, 64)
assert (np.asarray(batch(held, rows)) == np.asarray(held)[rows]).all()
told = re.findall(r"= (\\w+)\\[(\\d+)[^ ]* all-", batch.lower(held, rows).compile().as_text())
assert told and all(int(n) <= 64 for _, n in told), told
"""
    env = dict(os.environ, XLA_FLAGS="--xla_force_host_platform_device_count=2", JAX_PLATFORMS="cpu")
    subprocess.run([sys.executable, "-c", code], check=True, env=env, timeout=300)
