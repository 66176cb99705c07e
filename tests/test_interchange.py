"""What other programs read: the classifier by onnxruntime and by numpy alone, data sets and annotation files read back
by other means, a model card."""

import csv
import importlib.util
import io
import json
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest
from flax import nnx
from PIL import Image

from ssvae_widgets import SSVAE, LabelingSession, LabelStore, LatentLabeler, SSVAEConfig, load_digits
from ssvae_widgets.cli.set_file import read_set_file
from ssvae_widgets.data.featured import featured
from ssvae_widgets.data.load import load_images
from ssvae_widgets.errors import ArgumentError
from ssvae_widgets.interchange.card import CardFacts, model_card
from ssvae_widgets.interchange.datasets import as_dataset
from ssvae_widgets.interchange.layers import classifier_steps
from ssvae_widgets.interchange.onnx_model import onnx_model
from ssvae_widgets.interchange.script import write_script
from ssvae_widgets.labels.exchange import import_labels
from ssvae_widgets.model.networks import Dense, leaky_relu, register
from ssvae_widgets.session.told import records_of

SMALL = dict(hidden_dims=(16,), conv_channels=(4, 8), conv_features=16, latent_dim=3, max_epochs=1, augmentation="none")


def run_script(folder, x):
    np.save(folder / "x.npy", x)
    code = "import numpy as np, sys, predict; np.save('p.npy', predict.predict(np.load('x.npy'))); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True)
    assert not {"jax", "flax", "scipy", "pandas", "PIL", "ssvae_widgets"} & set(done.stdout.split()), "numpy alone"
    return np.load(folder / "p.npy")


def run_onnx(told, x):
    pytest.importorskip("onnx", reason="the package onnx is not installed: pip install 'ssvae_widgets[exchange]'")
    data, feed = onnx_model(told).SerializeToString(), {"images" if x.dtype == np.uint8 else "vectors": x}
    if importlib.util.find_spec("onnxruntime"):
        import onnxruntime

        return onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"]).run(None, feed)
    import onnx
    from onnx.reference import ReferenceEvaluator

    return ReferenceEvaluator(onnx.load_model_from_string(data)).run(None, feed)


def a_model(kind):
    "A trained model, a thousand items to ask it about, the same as a stranger has them, and as bytes."
    rng = np.random.default_rng(0)
    images, truth = load_digits(binarize=False)
    if kind == "color":
        images = np.stack([images, images[:, ::-1], 1 - images], -1)[:, :7]
    if kind == "vectors":
        images = rng.normal(3, [1, 20, 0.1, 5], (1797, 4)) + truth[:, None]
    config = SSVAEConfig(
        **SMALL,
        encoder_type="auto" if kind in ("conv", "color") else "dense",
        **(dict(classifier_type="mlp", classifier_input="latent") if kind == "latent" else {}),
    )
    if kind == "features":
        given = np.abs(rng.normal(size=(1797, 40)) + 3 * np.eye(10, 40)[truth]) * rng.choice([-1, 1], 40)
        paired = featured(images, given)
        model = SSVAE((8, 8), config, classes=10, features=paired.space)
        model.fit(paired[:400], truth[:400], callbacks=None)
        return model, model.predict_proba(paired[:1000]), given[:1000].astype(np.float32), None
    model = SSVAE(images.shape[1:], config, classes=10)
    model.fit(images[:400], truth[:400], callbacks=None)
    some = images[:1000]
    stored = some.astype(np.float32) if kind == "vectors" else np.rint(np.clip(some, 0, 1) * 255).astype(np.uint8)
    return model, model.predict_proba(some), some, stored


@pytest.mark.parametrize("kind", ["dense", "conv", "color", "latent", "vectors", "features"])
def test_others_say_what_the_model_says_of_a_thousand(kind, tmp_path):
    model, want, given, stored = a_model(kind)
    assert np.ptp(want.argmax(1)) > 0, "they are not all of one class"
    told = classifier_steps(model.snapshot(), [f"class {k}" for k in range(10)])
    got = run_script(write_script(told, tmp_path / "predict"), given)
    assert np.abs(got - want).max() < 2e-5
    if stored is not None:
        assert np.abs(run_script(tmp_path / "predict", stored) - want).max() < 2e-5, "bytes and shares alike"
    assert len((tmp_path / "predict" / "predict.py").read_text().splitlines()) < 100
    probs, code = run_onnx(told, given if stored is None else stored)
    assert np.abs(probs - want).max() < 2e-5 and (code == probs.argmax(1)).all()


def test_a_network_of_your_own_is_refused():
    @register("encoder", "for_interchange")
    class Own(nnx.Module):
        def __init__(self, input_shape, config, *, rngs):
            self.layer, self.features = Dense(int(np.prod(input_shape)), 8, rngs=rngs), 8

        def __call__(self, x):
            return leaky_relu(self.layer(x.reshape(x.shape[0], -1)))

    model = SSVAE((8, 8), SSVAEConfig(encoder_type="for_interchange", latent_dim=2), classes=2)
    with pytest.raises(ArgumentError, match="The encoder is a Own, which is code of yours"):
        classifier_steps(model.snapshot(), ["a", "b"])


@pytest.mark.parametrize(
    "x, why",
    [
        (np.zeros((2, 5, 5)), r"items of shape \(5, 5, 1\); expected pictures of 8×8"),
        (np.full((2, 8, 8), np.nan), "no finite numbers"),
        (np.array([{}]), "allow_pickle=False"),
    ],
)
def test_the_script_refuses_in_a_sentence(x, why, tmp_path):
    told = classifier_steps(SSVAE((8, 8), SSVAEConfig(**SMALL), classes=2).snapshot(), ["a", "b"])
    folder = write_script(told, tmp_path / "predict")
    np.save(folder / "x.npy", x, allow_pickle=True)
    done = subprocess.run([sys.executable, "predict.py", "x.npy"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 1 and re.search(why, done.stderr) and len(done.stderr.splitlines()) == 1


@pytest.fixture
def files(tmp_path):
    "Eight small photographs."
    rng = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    for k in range(8):
        place = tmp_path / "photos" / f"{k}.{'jpg' if k == 1 else 'png'}"
        Image.fromarray(rng.integers(0, 255, (20, 24 + k, 3), np.uint8)).save(place)
    return sorted(map(str, (tmp_path / "photos").iterdir()))


CLASSES = ["cat", "dog & <co>", "=1+1"]


@pytest.fixture
def session(files, tmp_path):
    with LabelingSession(files, tmp_path / "labels.csv", classes=CLASSES, features=None) as s:
        for row, code in enumerate([0, 1, 2, 1]):
            s.label(row, code)
        assert s.wait(60, late=True)
        yield s


def test_annotation_files_say_what_people_said(session, tmp_path):
    written = session.export(tmp_path / "out", ["coco", "cvat", "label-studio"])
    assert [w.path.name for w in written] == ["coco.json", "cvat.xml", "label_studio.json"]
    coco = json.loads(written[0].path.read_text())
    names = {c["id"]: c["name"] for c in coco["categories"]}
    pictures = {p["id"]: p for p in coco["images"]}
    said = {pictures[a["image_id"]]["file_name"]: names[a["category_id"]] for a in coco["annotations"]}
    want = {session.names[k]: CLASSES[c] for k, c in enumerate([0, 1, 2, 1])}
    assert said == want and len(pictures) == 8
    for picture in pictures.values():
        with Image.open(picture["file_name"]) as image:
            assert image.size == (picture["width"], picture["height"])
    xml = ElementTree.parse(written[1].path)
    assert {i.get("name"): i.find("tag").get("label") for i in xml.iter("image")} == want
    tasks = json.loads(written[2].path.read_text())
    scores = [t["predictions"][0]["score"] for t in tasks]
    assert np.allclose(scores, session.certainty, atol=6e-5)
    store = LabelStore(None, 8, classes=CLASSES)
    import_labels(store, written[2].path, images=session.names)
    assert (store.codes == session.codes).all(), "and they come back"


ODD = [
    "a,b.png",
    "c;d.png",
    "e\nf.png",
    "“ü”.png",
    'q"t.png',
    "=1+1.png",
    " lead.png",
    "x/same.png",
    "y/same.png",
    "NA.png",
]
ODD += ["1.0.png", "日本.png"]


@pytest.mark.parametrize("several", [False, True])
def test_odd_names_lose_nothing_on_any_way(several, tmp_path):
    "Separators, lines, quotes, formulas, words for nothing, two folders with equal names; annotators with commas."
    pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install pyarrow")
    rng, names = np.random.default_rng(0), ["cat, dog", "owl;\\ bird", "=SUM(1)", "NA", "ünï"]
    for name in ODD:
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (9, 8, 3)).astype(np.uint8)).save(tmp_path / "in" / name)
    images = [str(tmp_path / "in" / name) for name in ODD]
    with LabelingSession(images, classes=names, multilabel=several, features=None, annotator="ann") as s:
        for row in range(10):
            s.answer_sets(row, [k for k in range(5) if (row >> k) & 1]) if several else s.label(row, row % 5)
        s.annotator = 'bob "b", x'
        s.label(3, names[0]), s.flag(5, "exclude"), s.note(4, 'a "note",\nwith lines')
        s.wait(30)
        of = s.classes_of if several else lambda row: [names[s.codes[row]]] if s.codes[row] >= 0 else []
        want = {str(s.names[row]): sorted(of(row) or []) for row in range(12) if row != 5 and of(row)}
        told = {
            w.name: w.path
            for w in s.export(tmp_path / "out", ["labels", "coco", "cvat", "huggingface", "flags", "project"])
        }
        everything = (
            [sorted(of(row) or []) for row in range(12)],
            s.targets.tolist(),
            dict(s.flags.notes),
            s.data.excluded,
        )
        coco, got = json.loads(told["coco"].read_text()), {}
        pictures, kinds = (
            {c["id"]: c[k] for c in coco[part]} for part, k in (("images", "file_name"), ("categories", "name"))
        )
        for a in coco["annotations"]:
            got.setdefault(pictures[a["image_id"]], []).append(kinds[a["category_id"]])
        assert {k: sorted(v) for k, v in got.items()} == want
        assert {a.get("annotator") for a in coco["annotations"]} == {"ann", 'bob "b", x'}
        tags = {
            i.get("name"): sorted(g.get("label") for g in i.iter("tag"))
            for i in ElementTree.parse(told["cvat"]).iter("image")
        }
        assert {k: v for k, v in tags.items() if v} == want
        if several:
            targets, classes = read_set_file(told["labels"], 12, s.names)
            assert targets.tolist() == s.targets.tolist() and classes == names
        else:
            store = LabelStore(None, 12, classes=names)
            import_labels(store, told["labels"], images=s.names)
            assert (store.codes == s.codes).all()
            back = load_images(told["huggingface"], label_column="label")
            assert {n: [back.class_names[c]] for n, c in zip(back.columns["file_name"], back.truth) if c >= 0} == want
    with LabelingSession.open(told["project"]) as p:
        of = p.classes_of if several else lambda row: [names[p.codes[row]]] if p.codes[row] >= 0 else []
        again = [sorted(of(row) or []) for row in range(12)], p.targets.tolist(), dict(p.flags.notes), p.data.excluded
        assert again == everything


def test_a_parquet_file_holds_the_pictures(session, files, tmp_path):
    pq = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed: pip install pyarrow")
    path = session.export(tmp_path / "out", "huggingface")[0].path
    table = pq.read_table(path)
    got = table.to_pydict()
    assert [p["bytes"] for p in got["image"]] == [Path(f).read_bytes() for f in files]
    assert got["label"] == [0, 1, 2, 1, None, None, None, None] and got["file_name"] == session.names
    assert got["prediction"] == session.pred.tolist() and np.allclose(got["certainty"], session.certainty)
    assert got["time"][0] == session.store.history(0)[-1]["time"] and got["time"][5] is None
    told = json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]
    assert told["label"]["names"] == CLASSES and told["image"] == {"_type": "Image"}


def test_datasets_opens_it(session, tmp_path, monkeypatch):
    pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install pyarrow")
    datasets = pytest.importorskip(
        "datasets", reason="the package datasets is not installed: pip install 'ssvae_widgets[exchange]'"
    )
    path = session.export(tmp_path / "out", "huggingface")[0].path
    read = datasets.Dataset.from_parquet(str(path), cache_dir=str(tmp_path / "cache"))
    for found in (read, as_dataset(records_of(session))):
        assert found.features["label"].names == CLASSES and found["label"][:4] == [0, 1, 2, 1]
        for row in (0, 3):
            assert (np.asarray(found[row]["image"]) == session.original(row)).all()


def test_what_is_taken_without_asking_stays_as_it_was(session, tmp_path):
    assert [w.name for w in session.export(tmp_path / "out")] == ["labels", "predictions", "folders", "project"]
    for what, why in (("onnx", "nothing is trained yet"), ("script", "nothing is trained yet")):
        with pytest.raises(ArgumentError, match=f"{what} cannot be exported: {why}"):
            session.export(tmp_path / "out", what)


def test_a_session_gives_away_its_classifier_in_the_classes_of_now(tmp_path):
    images, truth = load_digits(binarize=False)
    config = SSVAEConfig(**{**SMALL, "encoder_type": "dense"})
    with LabelingSession(images[:300], config=config, epochs=2, classes=[f"d{k}" for k in range(10)]) as s:
        s.label(np.arange(60), 0)
        for k in range(10):
            s.label(np.flatnonzero(truth[:60] == k), k)
        s.train()
        assert s.wait(120, late=True)
        s.merge_classes("d1", "d7")
        s.delete_class("d9")
        s.reorder_classes([7, 0, 2, 3, 4, 5, 6, 8])
        assert s.wait(60, late=True)
        place = s.export(tmp_path / "out", "script")[0].path
        got, raw = run_script(place, images[:300]), s.model.predict_proba(images[:300])
        want = raw[:, [7, 0, 2, 3, 4, 5, 6, 8]] + np.eye(8)[0] * raw[:, [1]]
        assert np.abs(got - want / want.sum(1, keepdims=True)).max() < 2e-5
        (place / "x.npy").unlink()
        (place / "p.npy").unlink()
        s.export(tmp_path / "out", "script")
        (place / "mine.txt").write_text("keep")
        with pytest.raises(FileExistsError, match="changed by hand"):
            s.export(tmp_path / "out", "script")
        assert (place / "mine.txt").read_text() == "keep"


def test_vectors_are_no_pictures_and_have_a_card(tmp_path):
    app = LatentLabeler(np.random.default_rng(0).random((9, 5)), labels=None, classes=["a", "b"])
    app.session.label(3, 1)
    with pytest.raises(ArgumentError, match="coco cannot be exported: these are vectors, no pictures"):
        app.export(tmp_path / "out", "coco")
    card = app.export(tmp_path / "out", "card")[0].path.read_text()
    assert "| a | 0 |" in card and "| b | 1 |" in card and "8 images have no label" in card
    assert "too few labels to say" in card and "%" not in card.split("## Accuracy")[1].replace("95 % interval", "")
    offers = [offer.name for offer in app.commands.take_away.offers()]
    assert offers[:8] == ["labels", "predictions", "folders", "model", "project", "flags", "page", "card"]
    app.close()


def test_names_are_text_in_a_card():
    evil = "[x](http://e) ![](y) `a` <img src=x onerror=1> | b\n# c &amp; *d*"
    source = SimpleNamespace(accuracy=0.9, low=0.7, high=0.97, n=20, how="blind test")
    card = model_card(CardFacts(evil, "today", 9, [(evil, 3)], "pixels", sources={"graph": source}, shown="graph"))
    assert not re.search(r"<|(?<!\\)[\[`!]|\]\(", card.split("## Labels")[1].split("## Accuracy")[0])
    assert len([line for line in card.splitlines() if line.startswith("# ")]) == 1
    row = next(line for line in card.splitlines() if "on show" in line)
    cells = next(csv.reader(io.StringIO(row), delimiter="|"))
    assert [c.strip() for c in cells[2:5]] == ["90.0%", "70.0% to 97.0%", "20"] and "picked at random" in row
