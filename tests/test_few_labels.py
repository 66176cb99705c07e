"""The few-label recipe on whatever labels there are: it must never get in the way."""

import numpy as np
import pytest

from ssvae_widgets.config import SSVAEConfig
from ssvae_widgets.data.standard import load_digits
from ssvae_widgets.model.data_source import split_labels
from ssvae_widgets.model.few_labels import choose_terms, epochs_since_change
from ssvae_widgets.model.ssvae import SSVAE
from ssvae_widgets.model.trainer import InteractiveTrainer


@pytest.fixture(scope="module")
def data():
    images, truth = load_digits()
    return images[:600], truth[:600]


@pytest.fixture(scope="module")
def pretrained(data, tmp_path_factory):
    vae = SSVAE((8, 8), SSVAEConfig(), classes=10)
    InteractiveTrainer(vae).train_epochs(15, data[0])
    path = tmp_path_factory.mktemp("few") / "model.ckpt"
    vae.save(path)
    return path


def labels(truth, kind):
    codes, rng = np.full(len(truth), -1), np.random.default_rng(0)
    if kind == "one":
        codes[5] = truth[5]
    if kind == "one class":
        codes[truth == 3] = 3
    if kind == "two":
        codes[[5, 6]] = truth[[5, 6]]
    if kind == "unbalanced":
        codes = np.where((truth == 1) | (rng.random(len(truth)) < 0.02), truth, -1)
    if kind == "all":
        codes = truth.copy()
    if kind == "fifty":
        codes[rng.choice(len(truth), 50, replace=False)] = 0
    if kind == "fifty":
        codes[codes == 0] = truth[codes == 0]
    return codes


@pytest.mark.parametrize("kind", ["none", "one", "one class", "two", "unbalanced", "all", "fifty"])
def test_any_labels_train(data, pretrained, kind):
    images, truth = data
    vae = SSVAE.from_checkpoint(pretrained)
    history = InteractiveTrainer(vae).train_epochs(15 if kind in ("all", "fifty") else 3, images, labels(truth, kind))
    probs = vae.predict_proba(images)
    assert np.isfinite(history["loss"]).all() and np.isfinite(probs).all()
    np.testing.assert_allclose(probs.sum(1), 1, atol=1e-4)
    if kind in ("all", "fifty"):
        assert (probs.argmax(1) == truth).mean() > (0.8 if kind == "all" else 0.6)


def test_the_graph_is_asked_again_after_a_change_and_after_some_steps(data, pretrained):
    images, truth = data
    vae, codes = SSVAE.from_checkpoint(pretrained), labels(truth, "fifty")
    trainer, asked = InteractiveTrainer(vae), []

    def train(codes, epochs=1):
        for _ in range(epochs):
            assert trainer.train_epochs(1, images, codes)["soft_label_loss"][0] > 0
            asked.append(vae.progress.graph_labels.step)

    train(codes, 2)
    moved = codes.copy()
    row = np.flatnonzero(codes >= 0)[0]
    moved[row] = (codes[row] + 1) % 10  # as many labels as before, one of another class
    train(moved)
    train(moved, 30)
    steps = vae.step // vae.epoch
    assert asked[0] == asked[1] < asked[2] == 17 * steps
    gaps = np.diff(sorted(set(asked[2:])))
    assert len(gaps) and (gaps >= 150).all() and (gaps < 150 + steps).all()
    assert not vae.progress.graph_labels.soft_labels(16)[codes >= 0].any(), "a label is never contradicted"
    assert epochs_since_change(vae.progress.rows, 50) == 33


def test_pairs_of_views_come_before_labels_and_at_the_start_of_a_model(data, pretrained):
    vae = SSVAE.from_checkpoint(pretrained)

    def terms(n, several=True):
        return choose_terms(vae.progress, vae.config, n, several)

    assert terms(50).contrastive and terms(50).soft, "a young model still learns from pairs"
    vae.config = vae.config.replace(pretrain_steps=vae.step)
    assert not terms(50).contrastive and terms(50).augmentation == "none"
    assert terms(0).contrastive and terms(1, several=False).contrastive and not terms(1, several=False).soft


def test_the_rate_settles_while_labels_stay(data, pretrained):
    vae, codes = SSVAE.from_checkpoint(pretrained), labels(data[1], "fifty")
    source, rates = vae.data_source(data[0]), []
    for n in (50, 50, 49):
        codes[np.flatnonzero(codes >= 0)[n:]] = -1
        rates.append(float(vae.plan_epoch(split_labels(codes, source.val_rows, False), source)[1].learning_rate))
        InteractiveTrainer(vae).train_epochs(1, data[0], codes)
    assert rates[0] == rates[2] == pytest.approx(vae.config.learning_rate) and rates[1] < rates[0]


def test_resuming_takes_the_same_decisions(data, pretrained, tmp_path):
    images, codes = data[0], labels(data[1], "fifty")
    through, stopped = SSVAE.from_checkpoint(pretrained), SSVAE.from_checkpoint(pretrained)
    InteractiveTrainer(through).train_epochs(3, images, codes)
    InteractiveTrainer(stopped).train_epochs(1, images, codes)
    stopped.save(tmp_path / "half.ckpt")
    resumed = SSVAE.from_checkpoint(tmp_path / "half.ckpt")
    InteractiveTrainer(resumed).train_epochs(2, images, codes)
    for name, value in through.params.items():
        np.testing.assert_array_equal(np.asarray(value), np.asarray(resumed.params[name]), err_msg=name)


def clouds(shape, n_classes, n=360):
    "Three or so kinds of items that differ plainly: a pattern for each class, with noise."
    rng = np.random.default_rng(4)
    patterns, truth = rng.random((n_classes, *shape)), np.arange(n) % n_classes
    return (0.7 * patterns[truth] + 0.3 * rng.random((n, *shape))).astype(np.float32), truth


@pytest.mark.parametrize(
    "shape, n_classes", [((9, 14), 3), ((11, 7, 3), 2), ((20,), 11)], ids=["gray", "color", "vectors"]
)
def test_other_sizes_channels_and_numbers_of_classes(shape, n_classes):
    items, truth = clouds(shape, n_classes)
    vae = SSVAE(
        shape, SSVAEConfig(batch_size=64, hidden_dims=(32, 16), conv_channels=(4, 8), conv_features=16, latent_dim=4)
    )
    trainer, codes = InteractiveTrainer(vae), np.full(len(truth), -1)
    codes[: 2 * n_classes] = truth[: 2 * n_classes]
    trainer.train_epochs(10, items)
    trainer.train_epochs(25, items, codes)
    assert vae.n_classes == n_classes and vae.progress.augmentation == ("vectors" if len(shape) == 1 else "gentle")
    assert (vae.predict_proba(items).argmax(1) == truth).mean() > 0.9
    assert vae.embed(items, map_steps=30).xy.shape == (len(items), 2) and vae.decode_map(np.zeros((5, 2))).shape == (
        5,
        *shape,
    )
