"""What is drawn at a place of the map: by the page as by Python, by the kernel where the page cannot, and in a page on
its own."""

import json
import re
import shutil
import subprocess
from types import SimpleNamespace

import numpy as np
import pytest

from ssvae_widgets import SSVAE, LabelingSession, SSVAEConfig, load_digits
from ssvae_widgets.model.decode_map import map_decoder
from ssvae_widgets.model.networks import DenseDecoder, register
from ssvae_widgets.model.plain_decoder import plain_decoder
from ssvae_widgets.session import decoding
from ssvae_widgets.session.decoding import FAR, NO_PICTURES, NOTHING_TRAINED, Decoding, Drawing
from ssvae_widgets.session.predictions import View
from ssvae_widgets.widgets.decoder_wire import TOO_LARGE, DecoderFeed, pack_drawing

SCRIPT = """
import { readFileSync } from "node:fs";
const { Decoder } = await import(process.argv[2]);
const { layout, places } = JSON.parse(readFileSync(process.argv[3], "utf8"));
const blob = readFileSync(process.argv[4]);
const d = new Decoder(layout, new Uint8Array(blob.buffer, blob.byteOffset, blob.byteLength));
const out = places.map(([x, y]) => {
  const z = d.latent(Math.fround(x), Math.fround(y));
  return { z: [...z], pixels: [...d.draw(z)], odd: d.oddness(Math.fround(x), Math.fround(y), z) };
});
const start = performance.now();
for (let k = 0; k < 100; k++) { const z = d.latent(k / 50, 0); d.draw(z); d.oddness(k / 50, 0, z); }
console.log(JSON.stringify({ out, ms: (performance.now() - start) / 100 }));
"""


def in_javascript(root, folder, drawing, places) -> dict:
    "What `decoder.mjs` makes of a decoder as it is sent."
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs Node.js 18 or newer (Debian: apt-get install nodejs)")
    layout, block = pack_drawing(drawing)
    (folder / "run.mjs").write_text(SCRIPT)
    (folder / "in.json").write_text(json.dumps({"layout": layout, "places": places.tolist()}))
    (folder / "blob").write_bytes(block)
    module = (root / "ssvae_widgets" / "static" / "decoder.mjs").as_uri()
    done = subprocess.run(
        [node, folder / "run.mjs", module, folder / "in.json", folder / "blob"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def drawing_of(config: dict, shape=(12, 10), n=300, positions=None) -> Drawing:
    "A decoder that has learned nothing, over a map of random places."
    rng = np.random.default_rng(3)
    vae = SSVAE(shape, SSVAEConfig(**config))
    z = rng.normal(size=(n, vae.config.latent_dim)).astype(np.float32)
    xy = z[:, :2] if positions is None else positions(z)
    decoder = map_decoder(vae.snapshot(), xy, z)
    kind = "kernel" if plain_decoder(vae.snapshot()) is None else "page"
    return Drawing(1, kind, "", View(xy, z), decoder, plain_decoder(vae.snapshot()))


CASES = {
    "a wide latent": (dict(latent_dim=7, hidden_dims=(40, 20)), {}),
    "the latent is the map": (dict(latent_dim=2, hidden_dims=(30,)), {}),
    "colors, means of a Gaussian": (dict(hidden_dims=(30, 20), likelihood="gaussian"), dict(shape=(9, 11, 3))),
    "convolutions": (dict(decoder_type="conv", conv_channels=(6, 8), conv_features=20), dict(shape=(13, 10, 3))),
    "one convolution": (dict(latent_dim=3, decoder_type="conv", conv_channels=(5,)), {}),
    "a single point": (dict(latent_dim=5, hidden_dims=(8,)), dict(n=1)),
}


@pytest.mark.parametrize("name", CASES)
def test_the_page_draws_what_python_draws(root, tmp_path, name):
    config, more = CASES[name]
    drawing = drawing_of(config, **more)
    own = drawing.view.xy[:3]
    places = np.concatenate([own, [[0, 0], [0.3, -1.2], [40, 7]]]).astype(np.float32)
    got = in_javascript(root, tmp_path, drawing, places)
    want = drawing.decoder(places).reshape(len(places), -1)
    np.testing.assert_allclose([o["pixels"] for o in got["out"]], want, atol=1e-5)
    np.testing.assert_allclose([o["z"] for o in got["out"]], drawing.decoder.latents_at(places), atol=1e-5)
    odd = drawing.draw(places)[1]
    np.testing.assert_allclose([o["odd"] for o in got["out"]], odd, atol=0.02 if len(own) < 3 else 0.01)
    if name == "a wide latent":
        assert odd[-1] > FAR and want.std() > 0.01, "a test that can fail"


def test_many_weights_travel_in_half_precision_unless_a_pixel_moves(root, tmp_path, monkeypatch):
    drawing = drawing_of(dict(latent_dim=4, hidden_dims=(1200, 30)), shape=(28, 28))
    assert drawing.plain.weights > decoding.HALF_ABOVE
    monkeypatch.setattr(decoding, "HALF_ERROR", 0.0)
    assert all(a.dtype == np.float32 for name, a in drawing.arrays()[1].items() if name.startswith("kernel"))
    monkeypatch.setattr(decoding, "HALF_ERROR", 5e-3)
    assert all(a.dtype == np.float16 for name, a in drawing.arrays()[1].items() if name.startswith("kernel"))
    places = drawing.view.xy[:4]
    got = in_javascript(root, tmp_path, drawing, places)
    np.testing.assert_allclose([o["pixels"] for o in got["out"]], drawing.decoder(places).reshape(4, -1), atol=5e-3)


def fake(drawing: Drawing, shape=(12, 10)) -> Decoding:
    "The decoding of a session whose map is this one."
    view = View(drawing.view.xy, drawing.view.features, weights=drawing.decoder.snapshot, latents=drawing.view.features)
    return Decoding(SimpleNamespace(image_shape=shape), SimpleNamespace(view=view))


class Layer:
    "What a feed knows of a point layer."

    def __init__(self):
        self.sent, self.decoder, self.drawer = [], {}, None

    def observe(self, *_):
        pass

    def send(self, content, buffers=()):
        self.sent.append((content, list(buffers)))


@register("decoder", "of one's own")
class OwnDecoder(DenseDecoder):
    "What no page knows."


def test_the_kernel_draws_where_the_page_cannot():
    drawing, layer = drawing_of(dict(decoder_type="of one's own", latent_dim=4)), Layer()
    feed = DecoderFeed(fake(drawing), layer)
    place = drawing.view.xy[5]
    layer.drawer({"type": "decode", "x": float(place[0]), "y": float(place[1]), "move": 11})
    assert feed.jobs.wait(60)
    told, (pixels,) = layer.sent[-1]
    assert layer.decoder["kind"] == "kernel" and told["move"] == 11 and told["shape"] == [12, 10, 1]
    want = drawing.decoder(place[None])[0]
    np.testing.assert_allclose(np.frombuffer(pixels, np.uint8).reshape(12, 10) / 255, want, atol=1 / 255)
    layer.drawer({"type": "decoder"})
    assert feed.jobs.wait(60)
    told, (block,) = layer.sent[-1]
    assert {part["name"] for part in told["parts"]} == {"positions", "gaps", "usual"} and told["kind"] == "kernel"
    feed.close()


def test_an_earlier_round_and_a_page_that_is_full_have_no_decoder():
    feed = DecoderFeed(fake(drawing_of(dict(hidden_dims=(20,)))), Layer(), lambda: False)
    assert feed.jobs.wait(60) and feed.layer.decoder["kind"] == "none" and "earlier round" in feed.layer.decoder["why"]
    feed.shown = lambda: True
    told, block = feed.for_page(most=100)
    assert told["kind"] == "none" and told["why"] == TOO_LARGE and len(block) < 10_000
    assert feed.for_page()[0]["kind"] == "page"
    feed.close()


def test_vectors_and_a_model_that_has_learned_nothing_draw_nothing():
    with LabelingSession(np.random.default_rng(0).normal(size=(40, 6)), truth=[0, 1] * 20) as session:
        drawing = session.decoding.now()
        assert drawing.kind == "none" and drawing.why == NO_PICTURES and drawing.draw([[0, 0]])[0] is None
    images, digits = load_digits()
    with LabelingSession(images[:60], truth=digits[:60]) as session:
        drawing = session.decoding.now()
        assert drawing.why == NOTHING_TRAINED and session.decoding.now() is drawing
        told, arrays = drawing.arrays()
        assert sorted(arrays) == ["gaps", "positions", "usual"] and told["shape"] == []


def test_the_decoder_belongs_to_the_map_on_show():
    "A new revision with every map; positions, latents and weights are of one moment."
    images, digits = load_digits()
    small = SSVAEConfig(encoder_type="dense", hidden_dims=(32, 16), latent_dim=4)
    with LabelingSession(images[:200], truth=digits[:200], config=small) as session:
        session.train(1)
        session.wait(120)
        first = session.decoding.now()
        session.train(1)
        session.wait(120)
        second, view = session.decoding.now(), session.predictions.view
        assert second.revision > first.revision and second.kind == "page"
        rows = [3, 50, 120]
        np.testing.assert_allclose(view.latents[rows], view.weights.encode(images[rows]), atol=1e-3)
        assert second.decoder.positions.shape == (200, 2) and second.view is view
        assert (second.draw(view.xy)[1] >= FAR).mean() < 0.05, "data are no dreams"


HOSTILE = "</script><img src=x onerror=alert(1)>"


def test_the_page_holds_what_draws_and_no_text_of_users_as_markup(tmp_path):
    from ssvae_widgets import LatentLabeler

    images, digits = load_digits()
    small = SSVAEConfig(encoder_type="dense", hidden_dims=(32, 16), latent_dim=4)
    app = LatentLabeler(images[:150], None, digits[:150], classes=[HOSTILE, *"123456789"], config=small)
    before = app.to_html(tmp_path / "before.html").read_text()
    app.session.label([1, 2, 3], 0)
    app.session.train(1)
    assert app.session.wait(120) and app.flush()
    page = app.to_html(tmp_path / "map.html").read_text()
    app.close()
    info = json.loads(re.search(r'id="info">(.*?)</script>', page)[1])
    assert info["decoder"]["kind"] == "page" and info["decoder"]["shape"] == [8, 8, 1]
    assert json.loads(re.search(r'id="info">(.*?)</script>', before)[1])["decoder"]["why"] == NOTHING_TRAINED
    assert (
        HOSTILE in info["columns"][0]["names"]
        and "<img" not in page
        and page.count("</script>") == page.count("<script")
    )
    assert len(page) < 400_000
