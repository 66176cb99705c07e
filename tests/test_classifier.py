"""The scikit-learn face."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.exceptions import DataConversionWarning, NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.utils import estimator_checks

from ssvae_widgets.config import SSVAEConfig
from ssvae_widgets.model.classifier import SSVAEClassifier, labeled_rows

EXPECTED = {
    "check_classifiers_classes": "it trains with the labels -1 and 1, and -1 means 'no label' here, as in "
    "sklearn.semi_supervised",
    "check_methods_sample_order_invariance": "it compares to nine digits, float32 has seven; the next test to five",
}


def small(**changes):
    return SSVAEClassifier(**{**dict(latent_dim=2, hidden_dims=(16,), max_epochs=60, batch_size=64), **changes})


@pytest.mark.slow
def test_all_of_scikit_learns_checks():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = estimator_checks.check_estimator(small(), on_fail=None, on_skip=None, expected_failed_checks=EXPECTED)
    wrong = {r["check_name"]: r["exception"] for r in results if r["status"] == "failed"}
    assert not wrong and len(results) > 50


def test_the_order_of_the_rows_does_not_matter():
    x, y = make_blobs(60, centers=3, random_state=0)
    model, order = small(max_epochs=5).fit(x, y), np.random.default_rng(0).permutation(60)
    for answer in (model.predict_proba, model.transform):
        np.testing.assert_allclose(answer(x[order]), answer(x)[order], rtol=1e-5, atol=1e-6)
    assert np.array_equal(model.predict(x[order]), model.predict(x)[order])


@pytest.mark.parametrize(
    "check",
    [
        "check_no_attributes_set_in_init",
        "check_parameters_default_constructible",
        "check_estimators_unfitted",
        "check_get_params_invariance",
        "check_set_params",
        "check_n_features_in",
        "check_classifiers_one_label",
    ],
)
def test_some_of_scikit_learns_checks(check):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        getattr(estimator_checks, check)("SSVAEClassifier", small(max_epochs=2))


def test_unlabeled_rows_help_nobody_cheat():
    X, y = make_blobs(300, centers=3, random_state=0)
    few = np.where(np.arange(300) % 10 == 0, y, -1)
    model = small(max_epochs=150).fit(X, few)
    assert model.score(X, y) > 0.8 and model.classes_.tolist() == [0, 1, 2]
    for form in (np.where(few < 0, np.nan, few), np.array([None, "a", "b", "c"], object)[few + 1]):
        other = small(max_epochs=3).fit(X, form)
        reference = small(max_epochs=3).fit(X, few)
        np.testing.assert_allclose(other.predict_proba(X), reference.predict_proba(X), atol=1e-6)


def test_transform_and_back():
    X, y = make_blobs(200, centers=3, n_features=5, random_state=0)
    model = small(
        latent_dim=4,
        max_epochs=200,
        config=SSVAEConfig(encoder_type="dense", recon_weight=1.0, kl_weight=0.01, val_split=0.0),
    ).fit(X, y)
    back = model.inverse_transform(model.transform(X))
    assert back.shape == X.shape and np.abs(back - X).mean() < 0.5 * X.std()
    assert (
        list(model.get_feature_names_out()) == [f"ssvaeclassifier{i}" for i in range(4)]
        if hasattr(model, "get_feature_names_out")
        else True
    )


def test_images_partial_fit_and_clone():
    rng = np.random.default_rng(0)
    X, y = rng.random((90, 36)), np.arange(90) % 3
    model = small(
        image_shape=(6, 6),
        partial_epochs=2,
        config=SSVAEConfig(conv_channels=(4,), conv_features=8, augmentation="none"),
    )
    model.partial_fit(X, classes=[0, 1, 2])
    model.partial_fit(X[:45], y[:45])
    assert (
        model.vae_.epoch == 4
        and model.transform(X).shape == (90, 2)
        and model.inverse_transform(np.zeros((1, 2))).shape == (1, 36)
    )
    with pytest.raises(ValueError, match="not among"):
        model.partial_fit(X, np.full(90, 9))
    with pytest.raises(NotFittedError):
        clone(model).predict(X)
    with pytest.raises(ValueError, match="first partial_fit"):
        clone(model).partial_fit(X)


def test_it_can_be_searched_over():
    X, y = make_blobs(120, centers=2, random_state=0)
    search = GridSearchCV(small(max_epochs=30), dict(learning_rate=[1e-6, 1e-2]), cv=2).fit(X, y)
    assert search.best_params_ == dict(learning_rate=1e-2)


def test_seeds():
    X, y = make_blobs(60, centers=2, random_state=0)
    a, b, c = (small(max_epochs=2, random_state=s).fit(X, y).transform(X) for s in (0, 0, 1))
    assert (a == b).all() and (a != c).any()
    assert (
        small(max_epochs=2, random_state=None).fit(X, y).transform(X)
        != small(max_epochs=2, random_state=None).fit(X, y).transform(X)
    ).any()


def test_useless_targets():
    X = np.zeros((6, 2))
    with pytest.raises(ValueError, match="no label"):
        small().fit(X, np.full(6, -1))
    with pytest.raises(ValueError, match="-1"):
        small().fit(X, None)
    with pytest.raises(ValueError, match="one label a row"):
        small().fit(X, np.zeros((6, 2)))
    with pytest.warns(DataConversionWarning):
        small(max_epochs=1).fit(X, np.arange(6)[:, None] % 2)
    assert labeled_rows(np.array(["a", "b"])).all() and labeled_rows(np.array([True, False])).all()
