"""The model as an object: data of all kinds, prediction, classes that grow, the map, checkpoints."""

from __future__ import annotations

import pickle
import threading
from pathlib import Path

import numpy as np
import pytest

from ssvae_widgets import __version__
from ssvae_widgets.config import SSVAEConfig
from ssvae_widgets.data.fingerprints import fingerprint
from ssvae_widgets.io.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from ssvae_widgets.model.spec import make_weights
from ssvae_widgets.model.ssvae import SSVAE
from ssvae_widgets.model.step import Data, evaluate_part
from ssvae_widgets.model.trainer import InteractiveTrainer

TINY = SSVAEConfig(
    latent_dim=2,
    encoder_type="dense",
    hidden_dims=(16,),
    batch_size=16,
    labeled_batch_size=8,
    augmentation="none",
    max_epochs=4,
    use_contrastive=False,
    graph_epochs=0,
    learning_rate=1e-3,
)
FIXTURES = Path(__file__).parent / "fixtures"


def stripes(n=64, shape=(6, 6), seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, n)
    images = np.zeros((n, *shape), np.uint8)
    images[np.arange(n), truth] = 255
    return images, truth


IMAGES, TRUTH = stripes()


def trained(config=TINY, epochs=3, images=IMAGES, labels=TRUTH, classes=3, shape=(6, 6)):
    vae = SSVAE(shape, config, classes)
    InteractiveTrainer(vae).train_epochs(epochs, images, labels)
    return vae


# ------------------------------------------------------------------ data
def test_bytes_and_floats_are_the_same_images():
    runs = [
        trained(images=i)
        for i in (
            IMAGES,
            IMAGES / np.float32(255),
            IMAGES.astype(np.float32),
            IMAGES[..., None],
            np.asfortranarray(IMAGES),
        )
    ]
    for vae, images in zip(runs, (IMAGES, IMAGES / 255, IMAGES.astype(float), IMAGES[..., None], IMAGES)):
        for name, p in vae.params.items():
            np.testing.assert_array_equal(p, runs[0].params[name])
        np.testing.assert_array_equal(vae.encode(images), runs[0].encode(IMAGES))
    dark = IMAGES.astype(np.float32) * 0 + 1  # one level of 255: read on the scale the model was trained with
    np.testing.assert_allclose(runs[2].encode(dark), runs[2].encode(np.ones_like(IMAGES)), atol=1e-6)


def test_pixel_range():
    from ssvae_widgets.data.arrays import pixel_range

    assert pixel_range(IMAGES) is None and pixel_range(np.zeros((2, 3))) is None
    assert pixel_range(np.ones((1, 2, 2))) == (0.0, 1.0) and pixel_range(np.full((1, 2, 2), 200.0)) == (0.0, 255.0)


@pytest.mark.parametrize(
    "images, message",
    [
        (np.full((4, 6, 6), np.nan), "NaN"),
        (np.full((4, 6, 6), np.inf), "NaN or inf"),
        (np.zeros((0, 6, 6)), "no images"),
        (np.zeros((4, 5, 6)), "shape"),
        (np.zeros((4, 6, 6, 3)), "shape"),
        (np.full((4, 6, 6), -1.0), "range|run from"),
        (np.array(["a"] * 4), "numbers|shape"),
    ],
)
def test_unusable_images_are_refused_and_nothing_changes(images, message):
    vae = SSVAE((6, 6), TINY, 3)
    for call in (lambda: InteractiveTrainer(vae).train_epochs(1, images), lambda: vae.predict(images)):
        with pytest.raises(ValueError, match=message):
            call()
    assert vae.epoch == 0


def test_constant_single_and_read_only_images_train():
    constant = np.full((20, 6, 6), 128, np.uint8)
    constant.flags.writeable = False
    for images in (constant, constant[:1], constant[:2]):
        vae = trained(images=images, labels=None, classes=None)
        assert np.isfinite(vae.history["loss"]).all() and np.isfinite(vae.predict(images)[1]).all()


@pytest.mark.parametrize("shape", [(5, 7), (8, 8, 3), (1, 1), (12,)])
def test_shapes_of_all_kinds(shape):
    images = np.random.default_rng(0).random((40, *shape)).astype(np.float32)
    vae = SSVAE(
        shape if len(shape) > 1 else shape[0], TINY.replace(encoder_type="auto", conv_channels=(3,), conv_features=8), 2
    )
    InteractiveTrainer(vae).train_epochs(1, images, np.arange(40) % 2)
    latent, recon, pred, certainty = vae.predict(images)
    assert latent.shape == (40, 2) and recon.shape == images.shape and pred.shape == certainty.shape == (40,)
    assert vae.decode(latent).shape == images.shape and ((certainty >= 0.5) & (certainty <= 1)).all()


def test_vectors_are_standardised_and_come_back_in_their_own_units():
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(300, 1)) @ rng.normal(size=(1, 5)) * [1, 10, 100, 0.1, 0] + [0, 5, -1000, 3, 7]).astype(
        np.float32
    )
    vae = trained(
        TINY.replace(learning_rate=1e-2, recon_weight=1.0, kl_weight=0.1, val_split=0.0), 150, x, None, None, (5,)
    )
    error = np.abs(vae.predict(x)[1] - x).mean(0)
    assert (error < 0.35 * x.std(0) + 1e-3).all()
    np.testing.assert_allclose(vae.snapshot().decode(vae.encode(x)), vae.predict(x)[1], rtol=1e-3, atol=1e-2)


# ------------------------------------------------------------------ prediction
def test_any_number_of_images_gives_the_same_answers():
    vae = trained()
    many = np.concatenate([IMAGES] * 40)[:2100]
    latent, recon, pred, certainty = vae.predict(many)
    for n in (1, 2, 64):
        for a, b in zip(vae.predict(many[:n]), (latent, recon, pred, certainty)):
            np.testing.assert_allclose(a, b[:n], atol=1e-5)
    np.testing.assert_allclose(latent[2048:], vae.encode(many[2048:]), atol=1e-5)
    np.testing.assert_allclose(vae.predict_proba(many[:9]).max(1), certainty[:9], atol=1e-6)


def test_draws():
    vae = trained()
    draws, again, other = (
        vae.predict(IMAGES, True, 5),
        vae.predict(IMAGES, True, 5),
        vae.predict(IMAGES, True, 5, seed=1),
    )
    assert draws[0].shape == (5, 64, 2) and draws[1].shape == (5, 64, 6, 6) and draws[2].shape == (5, 64)
    assert (draws[0] == again[0]).all() and (draws[0] != other[0]).any() and (draws[0][0] != draws[0][1]).any()
    assert vae.predict(IMAGES, True)[0].shape == (64, 2) and np.allclose(
        vae.predict(IMAGES, num_samples=4)[0], vae.encode(IMAGES), rtol=0, atol=1e-6
    )
    with pytest.raises(ValueError, match="num_samples"):
        vae.predict(IMAGES, True, 0)


def test_snapshots_do_not_move_while_the_model_trains():
    vae = trained()
    shot, z = vae.snapshot(), vae.encode(IMAGES)
    before = shot.encode(IMAGES).copy()
    InteractiveTrainer(vae).train_epochs(2, IMAGES, TRUTH)
    assert (shot.encode(IMAGES) == before).all() and shot.revision < vae.snapshot().revision == vae.step
    np.testing.assert_allclose(before, z, atol=1e-4)
    assert not np.allclose(vae.encode(IMAGES), z, atol=1e-4)
    with pytest.raises(ValueError, match="2 numbers"):
        shot.decode(np.zeros((1, 3)))


def test_reading_while_training_is_safe():
    vae, errors = trained(), []
    runner = threading.Thread(target=InteractiveTrainer(vae).train_epochs, args=(30, IMAGES, TRUTH))
    runner.start()
    while runner.is_alive():
        shot = vae.snapshot()
        if not np.isfinite(shot.decode(shot.encode(IMAGES[:3]))).all() or not np.isfinite(vae.predict(IMAGES)[0]).all():
            errors.append(shot.revision)
    runner.join()
    assert not errors and vae.epoch == 33


# ------------------------------------------------------------------ classes
def test_more_classes_than_slots_keep_what_was_learned():
    vae = trained(TINY.replace(classifier_type="mlp"), 30, classes=None)
    before, z = vae.predict_proba(IMAGES), vae.encode(IMAGES)
    vae.set_classes(20)
    assert vae.progress.spec.slots == 32
    np.testing.assert_allclose(vae.encode(IMAGES), z, atol=1e-6)
    after = vae.predict_proba(IMAGES)
    np.testing.assert_allclose(after[:, :3] / after[:, :3].sum(1, keepdims=True), before, atol=1e-4)
    InteractiveTrainer(vae).train_epochs(1, IMAGES, np.where(TRUTH == 2, 19, TRUTH))
    assert vae.epoch == 31 and np.isfinite(vae.history["loss"]).all()
    with pytest.raises(ValueError, match="forget"):
        vae.set_classes(3)


def test_classes_as_number_names_or_nothing():
    with pytest.raises(ValueError, match="at least one class"):
        SSVAE((6, 6), TINY, 0)
    assert SSVAE((6, 6), TINY, []).n_classes == 0 and SSVAE((6, 6), TINY, ["a", "b"]).class_names == ["a", "b"]
    fixed = SSVAE((6, 6), TINY, 2)
    names = np.array(["x", "y", "z"], object)[TRUTH]
    with pytest.raises(ValueError, match="3 classes"):
        fixed.encode_labels(names, 64)
    named = SSVAE((6, 6), TINY, ["x", "y", "z"])
    assert (named.encode_labels(names, 64) == TRUTH).all()
    with pytest.raises(ValueError, match="'w'"):
        named.encode_labels(["w"] * 64, 64)
    assert "x" in repr(named) and repr(fixed).startswith("SSVAE")
    with pytest.raises(ValueError, match="input_dim"):
        SSVAE((2, 2, 2, 2), TINY)


# ------------------------------------------------------------------ the map
def test_the_map_follows_training_and_only_the_training_images():
    vae = SSVAE((6, 6), TINY.replace(latent_dim=5), 3)
    with pytest.raises(ValueError, match="get_map"):
        vae.decode_map(np.zeros((1, 2)))
    InteractiveTrainer(vae).train_epochs(2, IMAGES, TRUTH)
    xy, head = vae.get_map(IMAGES), vae.map_head
    assert xy.shape == (64, 2) and vae.decode_map(xy[:2]).shape == (2, 6, 6)
    InteractiveTrainer(vae).train_epochs(1, IMAGES, TRUTH)
    vae.get_map(IMAGES[:10])
    assert vae.map_head is head  # other images are placed, not learned from
    moved = vae.get_map(IMAGES)
    assert vae.map_head is not head and np.abs(moved - xy).mean() < np.abs(xy - xy.mean(0)).mean()
    np.testing.assert_allclose(vae.snapshot().get_map(IMAGES), moved, atol=1e-3)
    seen = vae.embed(IMAGES)
    assert seen.z.shape == (64, 5) and (seen.xy == moved).all() and seen.probs.shape == (64, 3)


def test_a_latent_of_two_is_its_own_map_and_one_gets_a_second_column():
    vae = trained()
    assert (vae.get_map(IMAGES) == vae.encode(IMAGES)).all() and vae.map_head is None
    np.testing.assert_allclose(vae.decode_map(np.zeros((1, 2))), vae.decode(np.zeros((1, 2))))
    line = trained(TINY.replace(latent_dim=1))
    assert (
        line.get_map(IMAGES).shape == (64, 2)
        and (line.get_map(IMAGES)[:, 1] == 0).all()
        and line.decode_map(np.zeros((3, 2))).shape == (3, 6, 6)
    )


# ------------------------------------------------------------------ fit
def test_the_best_checkpoint_holds_the_weights_it_claims(tmp_path):
    vae = SSVAE((6, 6), TINY.replace(max_epochs=12, patience=0, learning_rate=0.05, val_split=0.3), 3)
    history = vae.fit(IMAGES, np.where(np.arange(64) < 20, TRUTH, -1), weights_path=tmp_path / "sub" / "best.ckpt")
    best = SSVAE.from_checkpoint(tmp_path / "sub" / "best.ckpt")
    k = int(np.argmin(history["val_loss"]))
    assert best.epoch == k + 1 and best.history["val_loss"] == history["val_loss"][: k + 1]
    from ssvae_widgets.model.data_source import split_rows

    val, none = split_rows(64, 0.3, 0)[1], np.zeros(0, np.int32)
    data = Data(
        IMAGES[..., None],
        np.full(64, -1),
        none,
        none,
        0,
        val,
        np.full(64, -1, np.int32),
        np.ones(8, np.float32),
        None,
        np.float32(0),
        np.float32(1),
    )
    recon, kl, *_ = evaluate_part(best.progress.spec, best.params, data, make_weights(best.config))
    np.testing.assert_allclose(recon + kl, history["val_loss"][k], rtol=1e-4)


def test_fit_stops_by_patience_and_goes_on_from_where_it_is():
    vae = SSVAE((6, 6), TINY.replace(max_epochs=50, patience=2, learning_rate=1.0), 3)
    seen = []

    class Watch:
        def on_train_start(self, run):
            seen.append((run.epoch, run.target))

        def on_epoch_end(self, run, epoch, metrics):
            seen.append(len(run.history["loss"]))

        def on_train_end(self, run, history):
            seen.append("end")

    history = vae.fit(IMAGES, None, callbacks=[Watch()])
    assert len(history["loss"]) < 50 and seen[0] == (0, 50) and seen[1] == 1 and seen[-1] == "end"
    z = vae.encode(IMAGES)
    vae.config = vae.config.replace(max_epochs=1, learning_rate=1e-9)
    n = vae.epoch
    vae.fit(IMAGES)
    np.testing.assert_allclose(vae.encode(IMAGES), z, atol=1e-3)
    assert vae.epoch == n + 1 and vae.trained


# ------------------------------------------------------------------ checkpoints
def test_everything_comes_back(tmp_path):
    vae = SSVAE((6, 6), TINY.replace(latent_dim=4), ["a", "b", "c"])
    InteractiveTrainer(vae).train_epochs(2, IMAGES / 255, TRUTH)
    xy = vae.get_map(IMAGES / 255)
    vae.save(tmp_path / "m.ckpt")
    again = SSVAE.from_checkpoint(tmp_path / "m.ckpt")
    for a, b in zip(vae.predict(IMAGES / 255), again.predict(IMAGES / 255)):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_allclose(again.get_map(IMAGES / 255), xy, atol=1e-4)
    assert (
        again.class_names == ["a", "b", "c"]
        and again.config == vae.config
        and again.fingerprint == fingerprint(IMAGES / 255)
    )
    assert again.value_range == (0.0, 1.0) and again.step == vae.step and again.map.step == vae.map.step
    np.testing.assert_equal(again.history, vae.history)


def test_open_and_grown_classes_come_back(tmp_path):
    for classes, grown in ((None, 20), (20, 20), (["a"], 20)):
        vae = SSVAE((6, 6), TINY, classes)
        vae.set_classes(grown)
        vae.save(tmp_path / "m.ckpt")
        again = SSVAE.from_checkpoint(tmp_path / "m.ckpt")
        assert (
            again.n_classes == 20
            and again.progress.spec == vae.progress.spec
            and again.fixed_classes == vae.fixed_classes
        )
        small = SSVAE((6, 6), TINY, None)
        small.load_model_weights(tmp_path / "m.ckpt")
        assert small.n_classes == 20


def test_a_checkpoint_loads_with_or_without_a_moving_average(tmp_path):
    with_ema, without = trained(), trained(TINY.replace(ema_decay=0.0))
    with_ema.save(tmp_path / "with.ckpt")
    without.save(tmp_path / "without.ckpt")
    target = SSVAE((6, 6), TINY.replace(ema_decay=0.0), 3)
    target.load_model_weights(tmp_path / "with.ckpt")
    assert target.progress.state.ema == {}
    target = SSVAE((6, 6), TINY, 3)
    target.load_model_weights(tmp_path / "without.ckpt")
    np.testing.assert_array_equal(target.encode(IMAGES), without.encode(IMAGES))


def test_other_files_are_refused_and_the_model_is_unchanged(tmp_path):
    vae = trained()
    vae.save(tmp_path / "m.ckpt")
    before = vae.progress
    wide = SSVAE((6, 6), TINY.replace(hidden_dims=(17,)), 3)
    with pytest.raises(CheckpointError, match=r"encoder/layers/0/.*from_checkpoint|architecture"):
        wide.load_model_weights(tmp_path / "m.ckpt")
    save_checkpoint(tmp_path / "foreign.ckpt", dict(a=np.ones(2)), dict(kind="labels"))
    for load in (vae.load_model_weights, SSVAE.from_checkpoint):
        with pytest.raises(CheckpointError, match="no SSVAE model"):
            load(tmp_path / "foreign.ckpt")
        with pytest.raises(CheckpointError):
            load(tmp_path / "absent.ckpt")
    arrays, meta = load_checkpoint(tmp_path / "m.ckpt")
    arrays["params"]["mean/bias"] = np.full(2, np.nan, np.float32)
    save_checkpoint(tmp_path / "nan.ckpt", arrays, meta)
    with pytest.raises(CheckpointError, match="NaN"):
        vae.load_model_weights(tmp_path / "nan.ckpt")
    assert vae.progress is before


def test_checkpoints_of_released_formats_load():
    "One file a format version; made by `python tests/test_model.py`."
    for path in sorted(FIXTURES.glob("ssvae_v*.ckpt")):
        vae = SSVAE.from_checkpoint(path)
        with np.load(path.with_suffix(".npz")) as file:
            expected = dict(file)
        np.testing.assert_allclose(vae.encode(expected["images"]), expected["latent"], atol=1e-5)
        np.testing.assert_allclose(vae.predict_proba(expected["images"]), expected["probs"], atol=1e-5)
        InteractiveTrainer(vae).train_epochs(1, expected["images"])
        assert vae.epoch == 3 and vae.class_names == ["one", "two", "three"]
    assert list(FIXTURES.glob("ssvae_v1.ckpt"))


def test_models_and_trainers_can_be_copied_by_other_peoples_tools():
    trainer = InteractiveTrainer(trained())
    copy = pickle.loads(pickle.dumps(trainer))
    np.testing.assert_array_equal(copy.get_latent_space(IMAGES), trainer.get_latent_space(IMAGES))
    copy.train_epochs(1, IMAGES)
    assert copy.epoch == 4 and trainer.epoch == 3


def make_fixture(version: int = 1):
    config = TINY.replace(hidden_dims=(8,))
    vae = trained(config, 2, classes=["one", "two", "three"])
    FIXTURES.mkdir(exist_ok=True)
    vae.save(FIXTURES / f"ssvae_v{version}.ckpt")
    np.savez_compressed(
        FIXTURES / f"ssvae_v{version}.npz", images=IMAGES, latent=vae.encode(IMAGES), probs=vae.predict_proba(IMAGES)
    )
    print(f"written with ssvae_widgets {__version__}")


if __name__ == "__main__":
    make_fixture()
