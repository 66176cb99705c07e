"""The decoder all over the map: what is drawn where points are is what they are, and nobody takes a dream for data."""

import numpy as np
import pytest
from sessions import CONFIG, IMAGES

from ssvae_widgets import SSVAE
from ssvae_widgets.model.decode_map import Atlas, draw_atlas, map_decoder
from ssvae_widgets.plots import plot_atlas


@pytest.fixture(scope="module")
def model():
    vae = SSVAE((8, 8), CONFIG.replace(latent_dim=5, max_epochs=4))
    vae.fit(IMAGES, callbacks=None)
    return vae


def test_a_place_is_drawn_as_brute_force_says(model):
    made = model.embed(IMAGES)
    draw, places = map_decoder(model, made.xy, made.z), made.xy[:20] + 0.3
    z = made.z.astype(np.float16).astype(np.float32)
    for place, latent in zip(places, draw.latents_at(places)):
        distance = np.linalg.norm(made.xy - place, axis=1)
        near = np.argsort(distance)[:17]
        weight = (1 - (distance[near] / distance[near[-1]]) ** 2) ** 2
        np.testing.assert_allclose(latent, (weight[:, None] * z[near]).sum(0) / weight.sum(), atol=1e-4)
    assert (draw(places) == model.snapshot().decode(draw.latents_at(places))).all()
    assert (draw.gap(made.xy) < 0.01).all() and (draw.gap([[9e3, 0]]) > 10).all()


def test_an_atlas_is_of_the_same_pictures_and_says_where_nothing_is(model):
    made = model.embed(IMAGES)
    atlas = model.atlas(IMAGES, (5, 7), made)
    assert atlas.images.shape == (5, 7, 8, 8) and atlas.near.shape == (5, 7) and atlas.near.any()
    x0, x1, y0, y1 = atlas.extent
    middle = [[x0 + 3.5 / 7 * (x1 - x0), y1 - 2.5 / 5 * (y1 - y0)]]
    np.testing.assert_allclose(atlas.images[2, 3], map_decoder(model, made.xy, made.z)(middle)[0], atol=1e-6)
    far = np.abs(made.xy - made.xy.mean(0)).max() * 30
    empty = draw_atlas(map_decoder(model, made.xy, made.z), 4, (far, 2 * far, far, 2 * far))
    assert not empty.near.any()
    picture = plot_atlas(empty).axes[0].images[0].get_array()
    assert np.all(picture == 1)  # white paper


def test_a_latent_of_two_numbers_is_the_map_itself():
    vae = SSVAE((8, 8), CONFIG)
    made = vae.embed(IMAGES)
    assert map_decoder(vae, made.xy, made.z).direct
    atlas = vae.atlas(IMAGES, (3, 3))
    x0, x1, y0, y1 = atlas.extent
    np.testing.assert_allclose(atlas.images[1, 1], vae.decode([[(x0 + x1) / 2, (y0 + y1) / 2]])[0], atol=1e-6)


def test_colors_are_drawn_and_vectors_are_an_array():
    vae = SSVAE((6, 6, 3), CONFIG)
    color = np.random.default_rng(0).integers(0, 255, (40, 6, 6, 3), dtype=np.uint8)
    assert vae.atlas(color, 4).images.shape[2:] == (6, 6, 3) and plot_atlas(vae.atlas(color, 4)).axes
    vectors = np.random.default_rng(0).normal(size=(40, 12)).astype(np.float32)
    atlas = SSVAE(12, CONFIG).atlas(vectors, 4)
    assert isinstance(atlas, Atlas) and atlas.images.shape[1:] == (4, 12)
    with pytest.raises(ValueError, match="vectors of length 12"):
        plot_atlas(atlas)
