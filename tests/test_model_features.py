"""Pictures are looked at, features are learned from: the model, its file, the trainer and the classifier."""

import pickle

import numpy as np
import pytest

from ssvae_widgets.config import SSVAEConfig
from ssvae_widgets.data.extractors import why_unavailable
from ssvae_widgets.data.featured import FeaturedImages, FeatureSpace, featured, wants_features
from ssvae_widgets.errors import ArgumentError
from ssvae_widgets.io.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from ssvae_widgets.model.classifier import SSVAEClassifier
from ssvae_widgets.model.data_source import DataSource
from ssvae_widgets.model.ssvae import SSVAE
from ssvae_widgets.model.trainer import InteractiveTrainer

SMALL = SSVAEConfig.preset("features", hidden_dims=(32,), latent_dim=4, batch_size=32, learning_rate=1e-2)
CALLS = []


def quarters(pictures):
    "Mean color of the quarters of a picture, and what varies in them."
    CALLS.append(len(pictures))
    b, h, w, _ = pictures.shape
    parts = pictures.reshape(b, 2, h // 2, 2, w // 2, 3).astype(np.float32)
    return np.concatenate([parts.mean((2, 4)).reshape(b, -1), parts.std((2, 4)).reshape(b, -1)], 1)


def blobs(n=240, side=12, channels=3, seed=0):
    "Pictures of three classes that differ in color and in where they are bright."
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, n)
    x = rng.normal(90, 25, (n, side, side, channels))
    for c, corner in enumerate([np.s_[: side // 2], np.s_[side // 2 :], np.s_[side // 4 : -side // 4]]):
        x[truth == c, corner] += 50
        x[truth == c, ..., c % channels] += 30
    return np.clip(x, 0, 255).astype(np.uint8), truth


@pytest.fixture(scope="module")
def data():
    x, truth = blobs()
    codes = np.where(np.arange(len(x)) < 24, truth, -1)
    return x, truth, codes, featured(x, quarters, progress=False)


@pytest.fixture(scope="module")
def model(data):
    x, truth, codes, pairs = data
    vae = SSVAE(x.shape[1:], SMALL.replace(max_epochs=8), classes=3, features=pairs.space)
    vae.fit(pairs, codes, callbacks=None)
    return vae


def test_a_model_learns_from_vectors_and_draws_pictures(data, model):
    x, truth, _, pairs = data
    z, drawn, pred, certainty = model.predict(pairs)
    assert z.shape == (240, 4) and drawn.shape == x.shape and 0 <= drawn.min() and drawn.max() <= 1
    assert (pred == truth).mean() > 0.9 and certainty.shape == (240,)
    means = np.stack([drawn[truth == c].mean(0) - drawn.mean(0) for c in range(3)])
    real = np.stack([x[truth == c].mean(0) / 255 - x.mean(0) / 255 for c in range(3)])
    assert np.corrcoef(means.ravel(), real.ravel())[0, 1] > 0.8, "each class is drawn in its own colors"
    assert model.progress.spec.input_shape == (pairs.space.dim,) and model.input_shape == (12, 12, 3)
    assert "features=" in repr(model)


def test_everything_that_reads_takes_pairs_and_pictures(data, model):
    x, _, _, pairs = data
    some, shot = pairs[:9], model.snapshot()
    np.testing.assert_allclose(model.encode(some), model.encode(x[:9]), atol=1e-4)
    np.testing.assert_allclose(model.predict_proba(some), shot.classify(some), atol=1e-4)
    np.testing.assert_allclose(shot.encode(x[:9]), shot.encode(some), atol=1e-4)
    assert model.features(some).shape == (9, 32)
    seen = model.embed(pairs)
    assert seen.z.shape == (240, 4) and seen.xy.shape == (240, 2) and seen.probs.shape == (240, 3)
    np.testing.assert_allclose(model.get_map(some), seen.xy[:9], atol=1e-3)
    np.testing.assert_allclose(model.snapshot().get_map(some), seen.xy[:9], atol=1e-3)
    assert model.decode(seen.z[:2]).shape == model.decode_map(seen.xy[:2]).shape == (2, 12, 12, 3)
    assert model.predict(list(x[:3]))[0].shape == (3, 4)


def test_the_map_lies_on_the_vectors_and_stays(data):
    x, truth, codes, pairs = data
    vae = SSVAE(x.shape[1:], SMALL, classes=3, features=pairs.space)
    assert vae.embed(pairs, map_steps=0).xy.shape == (240, 2) and vae.map_head is None
    before = vae.get_map(pairs)  # groups are seen before anything was trained
    near = np.argsort(((before[:, None] - before) ** 2).sum(-1), 1)[:, 1:6]
    assert (truth[near] == truth[:, None]).mean() > 0.9
    InteractiveTrainer(vae, callbacks=None).train_epochs(2, pairs, codes)
    np.testing.assert_array_equal(vae.get_map(pairs), before)
    assert vae.decode_map(before[:3]).shape == (3, 12, 12, 3)


def test_a_two_dimensional_latent_is_the_map(data):
    x, _, codes, pairs = data
    vae = SSVAE(x.shape[1:], SMALL.replace(latent_dim=2, max_epochs=1), features=pairs.space)
    vae.fit(pairs, codes, callbacks=None)
    np.testing.assert_array_equal(vae.get_map(pairs), vae.encode(pairs))
    np.testing.assert_allclose(vae.snapshot().get_map(pairs[:5]), vae.encode(pairs[:5]), atol=1e-4)


def test_another_space_is_refused(data, model):
    x, truth, codes, pairs = data
    other = featured(x, quarters(x))
    pixels = SSVAE(x.shape[1:], SMALL.replace(max_epochs=1))
    for use in (model.predict, model.embed, model.encode, model.features, model.data_source, model.snapshot().encode):
        with pytest.raises(ArgumentError, match="not that of the model"):
            use(other)
    for use in (pixels.predict, pixels.embed, pixels.snapshot().classify):
        with pytest.raises(ArgumentError, match="learned from pixels"):
            use(pairs)
    pixels.fit(x[:40], codes[:40], callbacks=None)
    with pytest.raises(ArgumentError, match="has learned from pixels"):
        pixels.fit(pairs, codes, callbacks=None)
    assert pixels.paired(x, "auto") is x, "a model goes on as it began"
    elsewhere = SSVAE(x.shape[1:], SMALL, features=other.space)
    with pytest.raises(ArgumentError, match="made elsewhere"):
        elsewhere.predict(x[:3])
    with pytest.raises(ArgumentError, match="expected the FeatureSpace"):
        SSVAE(x.shape[1:], SMALL, features="auto")
    with pytest.raises(ArgumentError, match="vectors; features are of pictures"):
        SSVAE(7, SMALL, features=pairs.space)


def test_fit_takes_whatever_features_may_be(data, tmp_path):
    x, truth, codes, pairs = data
    np.save(tmp_path / "vectors.npy", quarters(x))
    for features in (quarters, quarters(x), tmp_path / "vectors.npy", str(tmp_path / "vectors.npy")):
        vae = SSVAE(x.shape[1:], SMALL.replace(max_epochs=1))
        vae.fit(x, codes, callbacks=None, features=features)
        assert vae.feature_space.dim == pairs.space.dim and vae.trained
    plain = SSVAE(x.shape[1:], SMALL.replace(max_epochs=1))
    plain.fit(x, codes, callbacks=None)
    assert plain.feature_space is None, "pixels unless somebody asks"
    adopted = SSVAE(x.shape[1:])
    adopted.data_source(pairs)
    assert adopted.feature_space == pairs.space and adopted.config == SSVAEConfig.preset("features")
    assert SSVAE(x.shape[1:], SSVAEConfig()).paired(pairs) is pairs


def test_a_checkpoint_names_what_the_model_learned_from(data, model, tmp_path):
    x, _, _, pairs = data
    path = tmp_path / "model.ckpt"
    model.get_map(pairs)
    model.save(path)
    again = SSVAE.from_checkpoint(path)
    assert again.feature_space == pairs.space and again.config == model.config
    for a, b in zip(model.predict(pairs), again.predict(pairs)):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_allclose(again.get_map(pairs), model.get_map(pairs), atol=1e-4)
    with pytest.raises(ValueError, match="pass features="):
        again.predict(x[:3])  # a function is not in the file, and nobody guesses
    np.testing.assert_array_equal(again.encode(featured(x[:3], quarters, space=again.feature_space)).shape, (3, 4))
    with pytest.raises(ValueError, match="the same extractor"):
        featured(x[:3], lambda p: quarters(p), space=again.feature_space)
    with pytest.raises(CheckpointError, match="learned from FeatureSpace.* this one learns from pixels"):
        SSVAE(x.shape[1:], SMALL, classes=3).load_model_weights(path)
    fresh = SSVAE(x.shape[1:], SMALL, classes=3, features=pairs.space)
    fresh.load_model_weights(path)
    np.testing.assert_array_equal(fresh.encode(pairs), model.encode(pairs))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda a, m: a.pop("features"),
        lambda a, m: m.pop("features"),
        lambda a, m: a["features"].pop("components"),
        lambda a, m: a["features"].update(mean=a["features"]["mean"][:5]),
        lambda a, m: a["features"]["mean"].fill(np.nan),
        lambda a, m: m["features"].update(extractor={"name": "x"}),
        lambda a, m: m["features"]["extractor"].update(size="large"),
        lambda a, m: m.update(features=[1]),
        lambda a, m: a["features"].update(components=a["features"]["components"][:, :3]),
        lambda a, m: a["map_head"].update(center=a["map_head"]["center"][:4]),
    ],
)
def test_a_damaged_space_is_one_sentence(data, model, tmp_path, spoil):
    model.get_map(data[3])
    model.save(tmp_path / "m.ckpt")
    arrays, meta = load_checkpoint(tmp_path / "m.ckpt")
    spoil(arrays, meta)
    save_checkpoint(tmp_path / "m.ckpt", arrays, meta)
    with pytest.raises(CheckpointError, match="damaged"):
        SSVAE.from_checkpoint(tmp_path / "m.ckpt")


def test_a_file_without_a_word_about_features_is_of_pixels(data, tmp_path):
    x, _, codes, _ = data
    vae = SSVAE(x.shape[1:], SMALL.replace(max_epochs=1))
    vae.fit(x, codes, callbacks=None)
    vae.save(tmp_path / "m.ckpt")
    arrays, meta = load_checkpoint(tmp_path / "m.ckpt")
    assert meta.pop("features") is None and "features" not in arrays
    save_checkpoint(tmp_path / "m.ckpt", arrays, meta)  # as version 0.1 wrote it
    old = SSVAE.from_checkpoint(tmp_path / "m.ckpt")
    assert old.feature_space is None
    np.testing.assert_array_equal(old.encode(x), vae.encode(x))


def test_streamed_pictures_bring_their_vectors(data, tmp_path):
    x, truth, codes, pairs = data
    large = np.repeat(np.repeat(x, 9, 1), 9, 2)  # 108 pixels, drawn with 36
    np.save(tmp_path / "x.npy", large)
    mapped = FeaturedImages(np.load(tmp_path / "x.npy", mmap_mode="r"), pairs.vectors, pairs.space)
    source = DataSource(mapped.images, SMALL, piece_bytes=60 * 36 * 36 * 3, vectors=mapped.vectors)
    assert source.streamed and source.pieces > 1
    vae = SSVAE(large.shape[1:], SMALL, classes=3, features=pairs.space)
    assert vae.progress.spec.drawn_shape == (36, 36, 3)
    vae.data_source(mapped)
    history = vae.run_epochs(source, codes, 6)
    assert np.isfinite(history["val_loss"]).all() and history["loss"][-1] < history["loss"][0]
    assert (vae.predict_proba(mapped).argmax(1) == truth).mean() > 0.9
    assert vae.predict(mapped[:2])[1].shape == (2, 36, 36, 3)
    np.testing.assert_array_equal(
        source.pictures(np.array([3])), DataSource(large, SMALL, vectors=pairs.vectors).pictures([3])
    )


def test_float_and_gray_pictures(data):
    x, truth = blobs(120, 70, 1)
    gray = x[..., 0] / 255
    pairs = featured(gray, lambda p: p[:, ::7, ::7, 0].reshape(len(p), -1), progress=False)
    vae = SSVAE((70, 70), SMALL.replace(max_epochs=2), features=pairs.space)
    vae.fit(pairs, truth, callbacks=None)
    assert vae.predict(pairs)[1].shape == (120, 35, 35) and vae.decode(vae.encode(pairs[:3])).shape == (3, 35, 35)


@pytest.mark.parametrize("kind", ["bytes", "floats to 255", "whole numbers to 255"])
def test_a_few_dark_pictures_are_on_the_scale_of_the_data(data, kind):
    "Alone they would be taken for masks, or for digits of 0 to 16."
    x = data[0].copy()
    x[5] //= 20
    x = {"bytes": x, "floats to 255": x.astype(np.float32), "whole numbers to 255": x.astype(np.int64)}[kind]
    pairs = featured(x, quarters, progress=False)
    vae = SSVAE(x.shape[1:], SMALL.replace(max_epochs=1), classes=3, features=pairs.space)
    vae.fit(pairs, data[2], callbacks=None)
    for read in (vae.encode, vae.predict_proba, vae.snapshot().encode, lambda some: vae.predict(some)[0]):
        np.testing.assert_allclose(read(x[5:6]), read(pairs)[5:6], rtol=1e-4, atol=1e-5)


def test_two_runs_are_equal(data):
    x, _, codes, pairs = data
    runs = []
    for _ in range(2):
        vae = SSVAE(x.shape[1:], SMALL.replace(max_epochs=2), classes=3, features=pairs.space)
        vae.fit(pairs, codes, callbacks=None)
        runs.append(vae.params)
    for name, value in runs[0].items():
        np.testing.assert_array_equal(value, runs[1][name])


def test_more_classes_keep_the_features(data):
    x, _, codes, pairs = data
    vae = SSVAE(x.shape[1:], SMALL, classes=["a", "b"], features=pairs.space)
    vae.set_classes([*"abcdefghijkl"])
    assert vae.progress.spec.slots == 16 and vae.progress.spec.drawn_shape == (12, 12, 3)
    InteractiveTrainer(vae, callbacks=None).train_epochs(1, pairs, codes)
    assert vae.predict_proba(pairs).shape == (240, 12)


def test_the_trainer_looks_at_pictures_once(data):
    x, truth, codes, _ = data
    CALLS.clear()
    trainer = InteractiveTrainer(SSVAE(x.shape[1:], SMALL, classes=3), callbacks=None, features=quarters)
    trainer.warm_up(x, wait=True)
    for _ in range(2):
        trainer.train_epochs(1, x, codes)
    assert trainer.get_map(x).shape == (240, 2) and trainer.get_latent_space(x).shape == (240, 4)
    assert sum(CALLS) == len(x), "one look at each picture"
    assert trainer.vae.epoch == 2 and trainer.vae.feature_space.record["name"].endswith("quarters")


def test_a_model_of_features_can_be_pickled(data, model):
    x, _, _, pairs = data
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.encode(pairs), model.encode(pairs))
    assert again.feature_space.extractor is None and model.feature_space.extractor is not None


def test_the_classifier_learns_from_features(data):
    x, truth, codes, _ = data
    one = SSVAEClassifier(max_epochs=8, hidden_dims=(32,), features=quarters).fit(x, codes)
    assert one.vae_.feature_space is not None and one.score(x[24:], truth[24:]) > 0.9
    assert one.transform(x[:5]).shape == (5, 8) and one.get_params()["features"] is quarters
    rows = SSVAEClassifier(max_epochs=1, features=None).fit(x, codes)
    assert rows.vae_.feature_space is None
    vectors = SSVAEClassifier(max_epochs=1).fit(quarters(x), codes)
    assert vectors.vae_.feature_space is None, "rows are learned as they are"


def test_spaces_are_compared_by_what_they_do(data):
    pairs = data[3]
    arrays = {k: v.copy() for k, v in pairs.space.arrays().items()}
    same = FeatureSpace.from_arrays(arrays, dict(pairs.space.record))
    assert same == pairs.space and hash(same) == hash(pairs.space) and same != "space"
    assert FeatureSpace.from_arrays(arrays) != pairs.space
    arrays["mean"] = arrays["mean"] + 1e-3
    assert FeatureSpace.from_arrays(arrays, pairs.space.record) != pairs.space


@pytest.mark.skipif(bool(why_unavailable()), reason="the weights of the extractor are not installed")
def test_the_extractor_in_the_box(tmp_path):
    x, truth = blobs(40, 16)
    assert wants_features(x)
    vae = SSVAE(x.shape[1:], SMALL.replace(max_epochs=1, batch_size=16), classes=3)
    vae.fit(x, truth, callbacks=None, features="auto")
    vae.save(tmp_path / "m.ckpt")
    again = SSVAE.from_checkpoint(tmp_path / "m.ckpt")
    assert again.feature_space.record["name"] == "efficientnet-lite0"
    np.testing.assert_allclose(again.predict_proba(x[:4]), vae.predict_proba(x[:4]), atol=1e-5)


TINY = ["--hidden-dims", "16", "--latent-dim", "3", "--max-epochs", "1", "--quiet"]


def test_commands_use_what_the_checkpoint_names(data, tmp_path, capfd):
    from ssvae_widgets.cli.infer import infer
    from ssvae_widgets.cli.train import train

    x, truth, _, _ = data
    large = np.repeat(np.repeat(x, 5, 1), 5, 2)[:60]  # 60 pixels, drawn with 30
    np.savez(tmp_path / "x.npz", images=large, truth=truth[:60])
    np.save(tmp_path / "v.npy", quarters(x[:60]))
    words = ["--data", str(tmp_path / "x.npz"), "--weights", str(tmp_path / "m.ckpt")]
    vectors, out = (
        ["--features", str(tmp_path / "v.npy")],
        ["--output", str(tmp_path / "out.npz"), "--embedding", "map"],
    )
    assert train([*words, "--labels", "truth", *vectors, *TINY]) == 0
    assert SSVAE.from_checkpoint(tmp_path / "m.ckpt").feature_space.record is None
    assert train([*words, "--labels", "truth", *vectors, "--resume", "--max-epochs", "1", "--quiet"]) == 0
    assert infer([*words, *vectors, *out, "--quiet"]) == 0
    with np.load(tmp_path / "out.npz") as found:
        assert found["input"].shape == found["reconstructed"].shape == large.shape and found["tsne"].shape == (60, 2)
    capfd.readouterr()
    assert infer([*words, *out, "--quiet"]) == 2
    assert "--features auto: the weights were trained on vectors from a file" in capfd.readouterr().err
    assert train([*words, "--features", "none", *TINY]) == 0
    assert SSVAE.from_checkpoint(tmp_path / "m.ckpt").feature_space is None
    assert infer([*words, *vectors, *out, "--quiet"]) == 2
    assert "was trained on pixels" in capfd.readouterr().err
    assert infer([*words, *out, "--quiet"]) == 0
    assert train([*words, "--features", "no-such-network", *TINY]) == 2
    assert "'efficientnet-lite0'" in capfd.readouterr().err


@pytest.mark.skipif(bool(why_unavailable()), reason="the weights of the extractor are not installed")
def test_commands_choose_features_for_color(data, tmp_path):
    from ssvae_widgets.cli.infer import infer
    from ssvae_widgets.cli.train import train

    np.savez(tmp_path / "x.npz", images=data[0][:40])
    words = ["--data", str(tmp_path / "x.npz"), "--weights", str(tmp_path / "m.ckpt")]
    assert train([*words, *TINY]) == 0 and (tmp_path / "m.features").exists()
    vae = SSVAE.from_checkpoint(tmp_path / "m.ckpt")
    assert vae.feature_space.record["name"] == "efficientnet-lite0" and vae.config.reduction == "mean"
    assert infer([*words, "--output", str(tmp_path / "out.npz"), "--quiet"]) == 0
