"""The compiled step and epoch against numpy, closed forms and themselves taken apart."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
from jax import random

from ssvae_widgets.config import SSVAEConfig
from ssvae_widgets.model import losses
from ssvae_widgets.model.augment import AUGMENTATIONS, augment, find_augmentation, register_augmentation
from ssvae_widgets.model.networks import Network, register, registered
from ssvae_widgets.model.snapshot import encode_batch, pictures, softmax
from ssvae_widgets.model.spec import Params, class_slots, init_params, make_spec, make_weights, network
from ssvae_widgets.model.step import (
    Data,
    LossTerms,
    draw,
    eval_params,
    evaluate_part,
    init_state,
    optimizer,
    schedule,
    term_values,
    train_epoch,
    train_step,
    unpack,
)

SMALL = SSVAEConfig(
    latent_dim=3,
    encoder_type="dense",
    hidden_dims=(16,),
    batch_size=8,
    learning_rate=1e-3,
    augmentation="none",
    use_contrastive=False,
    graph_epochs=0,
)
KEY = random.key(7)


def make(config=SMALL, n=24, shape=(4, 4, 1), n_classes=3, labeled=6, val=4, seed=0, **more):
    "Spec, state, weights and data of a small problem; labels are the brightest third of the image's mean."
    rng = np.random.default_rng(seed)
    images = (
        rng.integers(0, 2, (n, *shape)).astype(np.uint8) * 255
        if len(shape) == 3
        else rng.normal(size=(n, *shape)).astype(np.float32)
    )
    truth = (np.argsort(np.argsort(images.reshape(n, -1).mean(1))) * n_classes // n).astype(np.int32)
    spec = make_spec(shape, n_classes, config)
    codes, index = np.full(n, -1, np.int32), np.zeros(n, np.int32)
    codes[:labeled], index[:labeled] = truth[:labeled], np.arange(labeled)
    active = (np.arange(spec.slots) < n_classes).astype(np.float32)
    zero, one = (
        np.zeros(shape[-1:] if len(shape) == 1 else (), np.float32),
        np.ones(shape[-1:] if len(shape) == 1 else (), np.float32),
    )
    data = Data(
        images,
        codes,
        np.arange(n - val, dtype=np.int32),
        index,
        np.int32(labeled),
        np.arange(n - val, n, dtype=np.int32),
        truth,
        active,
        active / active.sum(),
        zero,
        one,
        **more,
    )
    return spec, init_state(spec, seed), make_weights(config), data


def drawn(spec, terms, data, key=KEY):
    "What chance decides in an epoch; another key, other numbers."
    return draw(spec, terms, data, np.random.default_rng(np.asarray(random.key_data(key))))


def first(draws, **given):
    "The draws of the first step, some of them given."
    return jax.tree.map(lambda part: part[0], draws)._replace(**given)


def epoch(spec, terms, state, data, weights, rate=1e-3, key=KEY):
    draws = drawn(spec, terms, data, key)
    state, packed = train_epoch(spec, terms, state, data, weights, np.float32(rate), draws, 1)
    metrics = unpack(np.asarray(packed))
    return state, metrics.train._asdict() | dict(finite=metrics.finite), np.array(metrics.val)


def equal(a, b):
    return all(np.array_equal(x, y) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b)))


# ------------------------------------------------------------------ specs and parameters
def test_turning_a_knob_makes_no_new_program():
    base = make_spec((4, 4, 1), 3, SMALL)
    for change in (
        dict(label_weight=9.0),
        dict(learning_rate=0.1),
        dict(kl_warmup=3.0),
        dict(random_seed=5),
        dict(patience=1),
        dict(max_epochs=3),
    ):
        assert make_spec((4, 4, 1), 3, SMALL.replace(**change)) == base, change
    for change in (
        dict(hidden_dims=(8,)),
        dict(batch_size=4),
        dict(weight_decay=0.0),
        dict(ema_decay=0.0),
        dict(schedule="cosine"),
    ):
        assert make_spec((4, 4, 1), 3, SMALL.replace(**change)) != base, change


@pytest.mark.parametrize("n, slots", [(0, 8), (1, 8), (8, 8), (9, 16), (300, 512)])
def test_slots(n, slots):
    assert class_slots(n) == slots


def test_bernoulli_needs_images():
    with pytest.raises(ValueError, match="gaussian"):
        make_spec((7,), 3, SMALL.replace(likelihood="bernoulli"))
    assert make_spec((7,), 3, SMALL).config.likelihood == "gaussian"


def test_parameters_go_into_the_module_and_depend_on_the_seed():
    spec = make_spec((4, 4, 1), 3, SMALL)
    params = init_params(spec, 3)
    net = network(spec, params)
    assert np.shares_memory(net.encoder.layers[0].kernel[...], params["encoder/layers/0/kernel"])
    assert equal(params, init_params(spec, 3)) and not equal(params, init_params(spec, 4))


# ------------------------------------------------------------------ the optimizer
def test_without_loss_only_weight_decay_moves_matrices():
    config = SMALL.replace(recon_weight=0.0, kl_weight=0.0, label_weight=0.0, weight_decay=0.1)
    spec, state, weights, data = make(config)
    after, _, _ = epoch(spec, LossTerms(), state, data, weights, rate=0.5)
    steps = -(-20 // 8)
    for name, p in state.params.items():
        expected = p * (1 - 0.5 * 0.1) ** steps if p.ndim > 1 else p
        np.testing.assert_allclose(after.params[name], expected, rtol=1e-5, atol=1e-7)


def test_first_adam_step_is_the_sign_of_the_clipped_gradient():
    spec, state, weights, data = make(SMALL.replace(weight_decay=0.0))
    draws = first(drawn(spec, LossTerms(), data), rows=np.arange(8))
    gradient = jax.grad(
        lambda p: losses.total_loss(term_values(spec, LossTerms(), p, state, data, weights, draws)[0], weights)
    )(state.params)
    after, _ = train_step(spec, LossTerms(), state, data, weights, np.float32(0.01), 1.0, draws)
    for name, g in gradient.items():
        moved, big = np.asarray(state.params[name] - after.params[name]), np.abs(g) > 1e-5
        np.testing.assert_allclose(moved[big], 0.01 * np.sign(np.asarray(g))[big], rtol=2e-3)


def test_gradient_agrees_with_differences():
    spec, state, weights, data = make(SMALL.replace(likelihood="gaussian", recon_weight=1.0, kl_weight=1.0))
    draws = first(drawn(spec, LossTerms(labeled=4), data), rows=np.arange(8), labeled=np.arange(4))

    def loss(p):
        return losses.total_loss(term_values(spec, LossTerms(labeled=4), p, state, data, weights, draws)[0], weights)

    rng = np.random.default_rng(0)
    direction = {n: rng.normal(size=p.shape).astype(np.float32) for n, p in state.params.items()}
    slope = sum(np.vdot(g, direction[n]) for n, g in jax.grad(loss)(state.params).items())
    h = 1e-3
    up, down = (loss({n: p + s * h * direction[n] for n, p in state.params.items()}) for s in (1, -1))
    np.testing.assert_allclose((up - down) / (2 * h), slope, rtol=2e-2)


def test_clipping_bounds_the_update():
    _, _, _, _ = make()
    spec = make_spec((4, 4, 1), 3, SMALL.replace(grad_clip_norm=1.0, weight_decay=0.0))
    huge = {n: np.full(p.shape, 1e6, np.float32) for n, p in init_params(spec).items()}
    tx = optimizer(spec)
    _, opt_state = tx.update(huge, tx.init(huge), huge)
    norm = np.sqrt(sum(float((np.asarray(m) ** 2).sum()) for m in jax.tree.leaves(opt_state[1].mu)))
    np.testing.assert_allclose(norm, 0.1, rtol=1e-4)  # Adam's first moment holds (1 − 0.9) of the clipped gradient


@pytest.mark.parametrize(
    "name, points",
    [
        ("constant", {0: 1, 50: 1}),
        ("cosine", {0: 1, 5: 0.51, 10: 0.02, 30: 0.02}),
        ("warmup_cosine", {0: 0.05, 1: 1, 10: 0.02}),
    ],
)
def test_schedules(name, points):
    f = schedule(make_spec((4, 4, 1), 3, SMALL.replace(schedule=name, max_epochs=10)))
    for at, factor in points.items():
        np.testing.assert_allclose(f(np.float32(at)), factor, atol=1e-6)


def test_moving_average_is_the_recursion():
    spec, state, weights, data = make(SMALL.replace(ema_decay=0.3))
    ema = dict(state.ema)
    for step in range(3):
        draws = first(drawn(spec, LossTerms(), data, random.fold_in(KEY, step)), rows=np.arange(8))
        state, _ = train_step(spec, LossTerms(), state, data, weights, np.float32(0.01), 1 / 3, draws)
        d = min(0.3, (1 + step) / (10 + step))
        ema = {n: d * ema[n] + (1 - d) * np.asarray(state.params[n]) for n in ema}
    for name in ema:
        np.testing.assert_allclose(state.ema[name], ema[name], rtol=1e-5, atol=1e-7)
    assert eval_params(state) is state.ema
    off = init_state(make_spec((4, 4, 1), 3, SMALL.replace(ema_decay=0.0)))
    assert off.ema == {} and eval_params(off) is off.params


# ------------------------------------------------------------------ the epoch
def test_one_batch_can_be_learned_by_heart():
    config = SMALL.replace(batch_size=16, hidden_dims=(64,), recon_weight=1.0, kl_weight=0.0, latent_dim=8)
    spec, state, weights, data = make(config, n=16, val=0, labeled=16)
    for i in range(150):
        state, metrics, _ = epoch(spec, LossTerms(labeled=16), state, data, weights, 1e-2, random.fold_in(KEY, i))
    assert (
        metrics["reconstruction_loss"] < 1.0
        and metrics["classification_loss"] < 0.01
        and metrics["correct"] == metrics["labeled"] == 32
    )


def test_replay_is_bitwise_and_the_key_matters():
    spec, state, weights, data = make()
    runs = [epoch(spec, LossTerms(labeled=4), state, data, weights, key=k)[0] for k in (KEY, KEY, random.key(8))]
    assert equal(runs[0], runs[1]) and not equal(runs[0], runs[2])


def test_every_image_is_visited_and_fewer_than_a_batch_work():
    for n in (1, 3, 8, 9, 17):
        spec, state, weights, data = make(n=n, val=0, labeled=1)
        after, metrics, val = epoch(spec, LossTerms(labeled=2), state, data, weights)
        assert (
            int(after.step) == -(-n // min(8, n))
            and after.epoch == 1
            and metrics["finite"] == 1
            and np.isnan(val).all()
        )


def test_a_label_acts_only_through_its_own_terms():
    spec, state, weights, data = make(labeled=0)
    silent = data._replace(codes=np.full_like(data.codes, -1))
    with_labels = data._replace(codes=np.asarray(data.val_codes))
    base, loud = (
        epoch(spec, LossTerms(), state, d, weights._replace(label=np.float32(0)))[0] for d in (silent, with_labels)
    )
    for name in base.params:
        np.testing.assert_allclose(base.params[name], loud.params[name], atol=1e-7)
    heard = epoch(spec, LossTerms(), state, with_labels, weights)[0]
    assert (
        np.abs(np.asarray(heard.params["classifier/out/kernel"]) - state.params["classifier/out/kernel"]).max() > 1e-4
    )


def test_metrics_are_weighted_and_accuracy_counts():
    spec, state, weights, data = make(labeled=20)
    _, one, _ = epoch(spec, LossTerms(), state, data, weights, rate=0.0)
    _, two, _ = epoch(
        spec, LossTerms(), state, data, weights._replace(recon=2 * weights.recon, kl=3 * weights.kl), rate=0.0
    )
    np.testing.assert_allclose(two["reconstruction_loss"], 2 * one["reconstruction_loss"], rtol=1e-5)
    np.testing.assert_allclose(two["kl_loss"], 3 * one["kl_loss"], rtol=1e-5)
    assert one["labeled"] == 24 and 0 <= one["correct"] <= 24  # 20 images in 3 batches of 8: four are seen twice


def test_kl_warm_up_scales_what_is_trained():
    spec, state, weights, data = make()
    _, cold, _ = epoch(spec, LossTerms(), state, data, weights._replace(kl_warmup=np.float32(100)), rate=0.0)
    _, full, _ = epoch(spec, LossTerms(), state, data, weights, rate=0.0)
    _, late, _ = epoch(
        spec,
        LossTerms(),
        state._replace(epoch=np.float32(200)),
        data,
        weights._replace(kl_warmup=np.float32(100)),
        rate=0.0,
    )
    assert cold["kl_loss"] < 0.02 * full["kl_loss"]
    np.testing.assert_allclose(late["kl_loss"], full["kl_loss"], rtol=1e-5)


def test_a_loss_that_is_not_finite_is_reported():
    spec, state, weights, data = make()
    _, metrics, _ = epoch(spec, LossTerms(), state, data, weights, rate=1e30)
    assert metrics["finite"] == 0


def test_evaluation_agrees_with_numpy():
    config = SMALL.replace(likelihood="bernoulli", recon_weight=0.5, kl_weight=0.25, label_weight=2.0)
    spec, state, weights, data = make(config, n=700, val=600)  # more than one evaluation batch, the last one not full
    recon, kl, ce, correct, labeled, n = np.asarray(evaluate_part(spec, state.params, data, weights))
    net, rows = network(spec, state.params), data.val_index
    x = data.images[rows].astype(np.float32) / 255
    h, mean, logvar = net.encode(x)
    out, logits = net.decode(mean), net.logits(h, mean)[:, :3]
    p = scipy.special.expit(out)
    log_p = logits - scipy.special.logsumexp(logits, axis=1, keepdims=True)
    truth = data.val_codes[rows]
    np.testing.assert_allclose(recon, 0.5 * -(x * np.log(p) + (1 - x) * np.log1p(-p)).sum((1, 2, 3)).mean(), rtol=1e-4)
    np.testing.assert_allclose(kl, 0.25 * (0.5 * (np.exp(logvar) + mean**2 - 1 - logvar)).sum(1).mean(), rtol=1e-4)
    np.testing.assert_allclose(ce, 2.0 * -log_p[np.arange(600), truth].mean(), rtol=1e-4)
    assert (correct, labeled, n) == ((logits.argmax(1) == truth).sum(), 600, 600)


def test_validation_is_of_the_parameters_after_the_epoch():
    spec, state, weights, data = make()
    after, _, val = epoch(spec, LossTerms(), state, data, weights, rate=1e-1)
    np.testing.assert_allclose(val, evaluate_part(spec, eval_params(after), data, weights), rtol=1e-5)
    assert not np.allclose(val[0], evaluate_part(spec, eval_params(state), data, weights)[0], rtol=1e-3)


# ------------------------------------------------------------------ the optional terms
def test_soft_labels_teach():
    spec, state, weights, data = make(labeled=0, val=0)
    target = np.asarray(data.val_codes)
    soft = np.eye(spec.slots, dtype=np.float32)[target]
    data = data._replace(soft=soft)
    for i in range(80):
        state, metrics, _ = epoch(spec, LossTerms(soft=True), state, data, weights, 1e-2, random.fold_in(KEY, i))
    _, probs, _ = encode_batch(spec, state.params, data.images, data.active, data.shift, data.scale)
    assert metrics["soft_label_loss"] < 0.1 and (np.asarray(probs).argmax(1) == target).mean() > 0.9
    _, silent, _ = epoch(spec, LossTerms(soft=True), state, data._replace(soft=np.zeros_like(soft)), weights)
    assert silent["soft_label_loss"] == 0  # rows of zeros have no opinion


def test_teacher_is_followed_where_it_is_sure_and_never_trained():
    config = SMALL.replace(recon_weight=0.0, kl_weight=0.0, weight_decay=0.0, ema_decay=0.99999, consistency_weight=1.0)
    spec, state, weights, data = make(config, labeled=3, val=0)
    sure = Params.of({**state.ema, "classifier/out/bias": np.where(np.arange(spec.slots) == 2, 50, 0)})
    state = state._replace(ema=sure, step=np.int32(10**9))
    flat = data._replace(prior=np.float32(np.eye(spec.slots)[2]))
    after, metrics, _ = epoch(spec, LossTerms(teacher=True), state, flat, weights._replace(label=np.float32(0)), 1e-2)
    assert metrics["confident"] == 1 and metrics["consistency_loss"] > 0
    assert after.params["classifier/out/bias"][2] > state.params["classifier/out/bias"][2]
    assert np.argmax(after.running) == 2 and abs(float(np.sum(after.running)) - 1) < 1e-5
    _, unsure, _ = epoch(spec, LossTerms(teacher=True), state, flat, weights._replace(threshold=np.float32(1.0)), 1e-2)
    assert unsure["confident"] == 0 and unsure["consistency_loss"] == 0


def test_contrastive_term_is_trained():
    config = SMALL.replace(contrastive_weight=1.0, recon_weight=0.0, kl_weight=0.0, use_contrastive=True)
    spec, state, weights, data = make(config, labeled=12, val=0)
    values = []
    for i in range(30):
        state, metrics, _ = epoch(
            spec, LossTerms(labeled=8, contrastive=True), state, data, weights, 5e-3, random.fold_in(KEY, i)
        )
        values.append(metrics["contrastive_loss"])
    assert values[0] > 0 and values[-1] < 0.9 * values[0]


def test_augmentation_and_cutout_change_what_is_seen():
    spec, state, weights, data = make(SMALL.replace(recon_weight=1.0), val=0, shape=(8, 8, 1))
    plain, turned, cut = (
        epoch(spec, s, state, data, weights)[0]
        for s in (LossTerms(), LossTerms(augmentation="digits"), LossTerms(cutout=0.5))
    )
    assert not equal(plain.params, turned.params) and not equal(plain.params, cut.params)


@pytest.mark.parametrize(
    "shape, changes",
    [((6,), {}), ((5, 7, 3), dict(encoder_type="conv", decoder_type="conv")), ((5, 7, 3), dict(encoder_type="conv"))],
)
def test_vectors_color_and_odd_sizes_train(shape, changes):
    spec, state, weights, data = make(SMALL.replace(recon_weight=1.0, **changes), shape=shape, n=40)
    begun = last = None
    for i in range(40):
        state, metrics, _ = epoch(spec, LossTerms(labeled=4), state, data, weights, 5e-3, random.fold_in(KEY, i))
        begun, last = begun or metrics, metrics
    assert last["finite"] == 1 and last["reconstruction_loss"] < begun["reconstruction_loss"]
    z, probs, out = encode_batch(spec, state.params, data.images, data.active, data.shift, data.scale, with_images=True)
    assert z.shape == (40, 3) and out.shape == (40, *shape) and probs.shape == (40, spec.slots)


# ------------------------------------------------------------------ reading
def test_slots_out_of_use_get_no_probability():
    spec, state, _, data = make()
    state.params["classifier/out/bias"][3:] = 100.0
    _, probs, _ = encode_batch(spec, state.params, data.images, data.active, data.shift, data.scale)
    assert np.asarray(probs)[:, 3:].max() < 1e-20 and np.allclose(np.asarray(probs).sum(1), 1, atol=1e-5)


def test_draws_have_the_posterior_moments():
    spec, state, _, data = make()
    images = np.repeat(data.images[:1], 4000, 0)
    z, _, _ = encode_batch(spec, state.params, images, data.active, data.shift, data.scale, KEY)
    _, mean, logvar = network(spec, state.params).encode(data.images[:1].astype(np.float32) / 255)
    np.testing.assert_allclose(np.asarray(z).mean(0), mean[0], atol=0.08)
    np.testing.assert_allclose(np.asarray(z).std(0), np.exp(logvar[0] / 2), rtol=0.08)


def test_pictures_are_numbers_between_0_and_1_or_in_the_vectors_units():
    bernoulli, mse, vectors = (
        make_spec(s, 3, SMALL.replace(likelihood=k))
        for s, k in [((2, 2, 1), "bernoulli"), ((2, 2, 1), "mse"), ((4,), "gaussian")]
    )
    out = np.float32([[-100.0, 0.0, 0.5, 100.0]])
    np.testing.assert_allclose(
        pictures(bernoulli, out.reshape(1, 2, 2, 1), 0, 1).ravel(), scipy.special.expit(out).ravel(), atol=1e-6
    )
    assert pictures(mse, out.reshape(1, 2, 2, 1), 0, 1).ravel().tolist() == [0, 0, 0.5, 1]
    np.testing.assert_allclose(pictures(vectors, out, 3.0, 2.0), 2 * out + 3)
    np.testing.assert_allclose(softmax(np.float32([[0, np.log(3)]])), [[0.25, 0.75]], rtol=1e-6)


# ------------------------------------------------------------------ registries
def test_registries_say_what_there_is():
    with pytest.raises(ValueError, match="kinds"):
        register("optimizer", "x")
    with pytest.raises(ValueError, match="dense"):
        registered("decoder", "transposed")
    with pytest.raises(ValueError, match="digits"):
        find_augmentation("jpeg")
    with pytest.raises(ValueError, match="dense"):
        Network((9,), 2, SSVAEConfig(encoder_type="dense", decoder_type="conv"), rngs=__import__("flax").nnx.Rngs(0))
    register_augmentation("test-flip", find_augmentation("none")._replace(flip=True))
    x = np.random.default_rng(0).random((50, 3, 4, 1), np.float32)
    seen = np.asarray(augment("test-flip", KEY, x))
    flipped = [np.allclose(s, o[:, ::-1], atol=1e-5) for s, o in zip(seen, x)]
    same = [np.allclose(s, o, atol=1e-5) for s, o in zip(seen, x)]
    assert all(f or s for f, s in zip(flipped, same)) and 10 < sum(flipped) < 40
    del AUGMENTATIONS["test-flip"]


def test_a_class_registered_anew_is_used():
    spec_a = make_spec((4, 4, 1), 3, SMALL.replace(classifier_type="mlp"))
    original = registered("classifier", "mlp")
    try:

        @register("classifier", "mlp")
        class Other(original):
            pass

        assert make_spec((4, 4, 1), 3, SMALL.replace(classifier_type="mlp")) != spec_a
    finally:
        register("classifier", "mlp")(original)


def test_reductions_and_unknown_likelihood():
    x = np.ones((2, 3, 3, 1), np.float32)
    np.testing.assert_allclose(losses.reconstruction_error(x * 0, x, "mse", "sum"), 9)
    np.testing.assert_allclose(losses.reconstruction_error(x * 0, x, "gaussian", "mean"), 0.5)
    with pytest.raises(ValueError, match="poisson"):
        losses.reconstruction_error(x, x, "poisson")


def test_contrastive_loss_of_a_perfect_batch():
    f = np.repeat(np.eye(4, dtype=np.float32), 2, 0)  # two equal rows a class, classes orthogonal
    group = np.repeat(np.arange(4), 2)
    t = 0.5
    np.testing.assert_allclose(losses.contrastive_loss(f, group, t), np.log(np.exp(1 / t) + 6) - 1 / t, rtol=1e-5)


# ------------------------------------------------------------------ the forms that are fast on a CPU
@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian", "mse"])
@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_the_slopes_of_the_reconstruction_error_are_those_of_differences(likelihood, reduction):
    rng = np.random.default_rng(0)
    out, x = rng.normal(size=(2, 3, 2, 1)), rng.random((2, 3, 2, 1))

    def f(o, t):
        return float(losses.reconstruction_error(jnp.float32(o), jnp.float32(t), likelihood, reduction).sum())

    slopes = jax.grad(lambda o, t: losses.reconstruction_error(o, t, likelihood, reduction).sum(), (0, 1))(
        jnp.float32(out), jnp.float32(x)
    )
    for where, slope in enumerate(slopes):
        for i in np.ndindex(out.shape):
            step = np.zeros_like(out)
            step[i] = 1e-2
            a, b = ((out + s * step, x) if where == 0 else (out, x + s * step) for s in (1, -1))
            assert abs((f(*a) - f(*b)) / 2e-2 - slope[i]) < 2e-3


def test_an_unknown_field_is_named_with_the_one_it_looks_like():
    for make in (SSVAEConfig, SSVAEConfig().replace, lambda **kw: SSVAEConfig.from_dict(kw)):
        with pytest.raises(TypeError, match="no field laten_dim .did you mean latent_dim"):
            make(laten_dim=3)
