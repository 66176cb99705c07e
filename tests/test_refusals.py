"""Whatever is refused is refused in one family, with a sentence; what is missing is missing, in the words of every
library; rows without an order get no labels in an order."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ssvae_widgets import SSVAE, LabelingSession, LabelStore, LatentLabeler, LatentMap, SSVAEConfig
from ssvae_widgets.data.arrays import as_array
from ssvae_widgets.data.extractors import find_extractor, given_vectors
from ssvae_widgets.data.image_set import ImageSet
from ssvae_widgets.data.names import clean_name, group_numbers
from ssvae_widgets.errors import ArgumentError, DataError, MissingError, SSVAEWidgetsError
from ssvae_widgets.labels.exchange import export_labels, import_labels, label_table
from ssvae_widgets.labels.line import decode_line, encode_line
from ssvae_widgets.pool.pool import Pool
from ssvae_widgets.widgets.columns import as_column

pytestmark = pytest.mark.usefixtures("no_first_map")

XY = np.zeros((3, 2))
TINY = dict(encoder_type="dense", decoder_type="dense", hidden_dims=np.array([4]), latent_dim=np.int64(2))

# what these raise is caught and told anew within the room, or is part of a program that is written out
INSIDE = """
    labels.classes labels.csv_table labels.past labels.picture_names labels.exchange pool.labels pool.remarks
    session.stored_images session.facets session.project session.state session.column_file session.accuracy_log
    session.queue session.resume
    cli.common cli.gang cli.lab cli.viewer pool.functions experiments io.files io.checkpoint interchange.script
""".split()


def test_no_refusal_is_outside_of_the_family(root):
    found = set()
    for path in sorted((root / "ssvae_widgets").rglob("*.py")):
        name = ".".join(path.relative_to(root / "ssvae_widgets").with_suffix("").parts)
        if re.search(r"raise (ValueError|TypeError|IndexError|KeyError|RuntimeError|ImportError)\(", path.read_text()):
            found.add(name)
    assert found <= {*INSIDE}, f"raise an error of ssvae_widgets.errors in {sorted(found - {*INSIDE})}"


@pytest.fixture(scope="module")
def vae():
    return SSVAE(input_dim=(4, 4), config=SSVAEConfig(**TINY))


DOORS = {
    "a configuration": lambda vae, tmp: SSVAEConfig(latent_dim="x"),
    "a preset": lambda vae, tmp: SSVAEConfig.preset("none"),
    "no shape": lambda vae, tmp: SSVAE(input_dim=None),
    "other images": lambda vae, tmp: vae.predict(np.zeros((2, 3, 3))),
    "draws": lambda vae, tmp: vae.predict(np.zeros((2, 4, 4)), sample=True, num_samples="x"),
    "a seed": lambda vae, tmp: vae.predict(np.zeros((2, 4, 4)), sample=True, seed=10**30),
    "a place of three": lambda vae, tmp: vae.decode_map(np.zeros((2, 3))),
    "a place in words": lambda vae, tmp: vae.decode("a"),
    "an extractor": lambda vae, tmp: find_extractor("none"),
    "a network": lambda vae, tmp: find_extractor("none.onnx"),
    "a format": lambda vae, tmp: import_labels(LabelStore(None, 3), tmp / "x.zzz"),
    "no path": lambda vae, tmp: export_labels(LabelStore(None, 3), 5),
    "no names": lambda vae, tmp: export_labels(LabelStore(None, 3), tmp / "x.csv", images=5),
    "a project": lambda vae, tmp: LabelingSession.open(5),
    "a coloring": lambda vae, tmp: LatentMap(XY, [0, 1, 2], color_by="none"),
    "too few colors": lambda vae, tmp: LatentMap(XY, [0, 1]),
    "a switch": lambda vae, tmp: LatentMap(XY, regions="yes"),
    "provenance": lambda vae, tmp: LabelStore(None, 3, 2).set(0, 1, why=object()),
    "a name that is too long": lambda vae, tmp: LabelingSession(np.zeros((3, 4, 4)), tmp / ("x" * 300)),
}


@pytest.mark.parametrize("what", DOORS)
def test_refusals_are_of_one_family(vae, tmp_path, what):
    with pytest.raises(SSVAEWidgetsError) as caught:
        DOORS[what](vae, tmp_path)
    assert 20 < len(str(caught.value)) < 600


def test_the_names_of_what_was_wrong(tmp_path):
    with pytest.raises(ArgumentError, match="^features is 5"):
        given_vectors(5, 3)
    with pytest.raises(ArgumentError, match="the address 's3://a/b.npy'"):
        given_vectors("s3://a/b.npy", 3)
    for folder in (tmp_path / "nowhere", Path(__file__)):
        with pytest.raises(MissingError, match="is no pool"):
            Pool(folder)


def test_numbers_of_numpy_are_numbers_in_a_configuration():
    config = SSVAEConfig(**TINY, learning_rate=np.float32(0.5))
    assert (config.hidden_dims, type(config.latent_dim), config.learning_rate) == ((4,), int, 0.5)
    assert SSVAEConfig.from_dict(config.to_dict()) == config


@pytest.mark.parametrize(
    "given",
    [
        pd.array(["a", None, "a"], dtype="string"),
        pd.Series(["a", None, "a"], dtype="category"),
        np.ma.array(["a", "b", "a"], mask=[0, 1, 0]),
        ["a", pd.NA, "a"],
    ],
    ids=["string", "category", "masked", "objects"],
)
def test_missing_is_missing_as_group_and_as_color(given):
    assert group_numbers(given, 3).tolist() == [0, 1, 0]
    assert as_column(given).values.tolist() == [0, -1, 0]
    assert LatentMap(XY, given).columns["label"].names == ("a",)


def test_masked_numbers_are_nowhere():
    assert group_numbers(np.ma.array([7, 7, 7], mask=[0, 1, 0]), 3).tolist() == [0, 1, 0]
    assert LatentMap(XY, np.ma.array([1, 2, 2], mask=[0, 0, 1])).columns["label"].values.tolist()[:2] == [1.0, 2.0]
    assert np.isnan(LatentMap(np.ma.array(XY, mask=[[0, 0], [1, 1], [0, 0]])).xy[1]).all()
    with pytest.raises(DataError, match="masked"):
        as_array(np.ma.array(np.zeros((2, 3, 3)), mask=True))


def test_rows_without_an_order_get_no_labels_in_an_order():
    store = LabelStore(None, 20, ["a", "b"])
    for call in (
        lambda: store.set({17, 3}, ["a", "b"]),
        lambda: store.set(frozenset({17, 3}), np.array([0, 1])),
        lambda: store.answering.answer({17, 3}, [["a"], ["b"]]),
    ):
        with pytest.raises(ArgumentError, match="no order"):
            call()
    store.set({17, 3}, "b")
    store.answering.answer({17, 3}, ["a"])
    assert np.flatnonzero(store.codes == 1).tolist() == [3, 17]
    assert np.flatnonzero(store.answering.targets[:, 0] == 1).tolist() == [3, 17]


def test_a_name_with_an_end_that_nobody_sees():
    assert [clean_name(n) for n in ("\ufeffcat", "cat\u200b", "\u200e cat \u200f")] == ["cat"] * 3
    assert clean_name("👩\u200d👧") == "👩\u200d👧"
    store = LabelStore(None, 3, ["cat"])
    store.set(0, "cat\u200b")
    with pytest.raises(ArgumentError, match="already a class"):
        store.add_class("\ufeffcat")


def test_columns_of_an_app_with_masks_and_half_characters():
    columns = {"masked": np.ma.array(["a", "b", "c"], mask=[0, 1, 0]), "half": ["\ud800", "x", None]}
    with_columns = LatentLabeler(np.zeros((3, 4, 4), np.uint8), None, classes=2, features=None, columns=columns)
    colors, facets = with_columns.map.columns, with_columns.session.facets
    assert (colors["masked"].names, colors["masked"].values.tolist()) == (("a", "c"), [0, -1, 1])
    assert facets["masked"].names == ("a", "c") and facets["masked"].totals.tolist() == [1, 1, 1]
    assert colors["half"].names == facets["half"].names == ("\\ud800", "x")
    with_columns.close()


def test_names_of_older_versions_that_look_alike_stay_two(tmp_path):
    path = tmp_path / "labels.csv"
    with LabelStore(path, 4, ["cat", "xx"], poll=3600) as store:
        store.set(range(4), [0, 1, 0, 1])
    for file in tmp_path.iterdir():  # as a version before would have kept the second one
        lines = [decode_line(line) for line in file.read_bytes().splitlines()] if file.suffix == ".jsonl" else []
        if lines:
            file.write_bytes(
                b"".join(encode_line(json.loads(json.dumps(r).replace("xx", "cat\\u200b"))) for r in lines)
            )
    path.unlink()
    with LabelStore(path, 4, poll=3600) as store:
        assert store.classes == ["cat", "cat\u200b"] and store.codes.tolist() == [0, 1, 0, 1]
        store.set(0, "cat\u200b")
        export_labels(store, tmp_path / "out.csv")
        there = LabelStore(None, 4, ["cat", "xx"])
        store.flush()
        import_labels(store, tmp_path / "out.csv")
        assert store.codes.tolist() == [1, 1, 0, 1]
        import_labels(there, tmp_path / "out.csv")
        assert there.codes.tolist() == [0, 0, 0, 0], "elsewhere they are one"


def test_tables_and_dictionaries_are_no_answers():
    "A data frame of 0 and 1 would give the names of its columns to every image, a dictionary its keys."
    store = LabelStore(None, 2, ["a", "b"])
    table = pd.DataFrame(np.eye(2, dtype=int), columns=["a", "b"])
    for labels in (table, table.to_numpy(), {0: ["a"], 1: ["b"]}):
        with pytest.raises(ArgumentError, match="expected classes"):
            store.answering.answer([0, 1], labels)
    store.answering.answer([0, 1], [np.flatnonzero(row) for row in np.asarray(table)])
    assert store.answering.targets.tolist() == [[1, 0], [0, 1]]


def test_names_of_a_sorted_frame_belong_to_the_pictures_by_their_places(tmp_path):
    "The index of a column says where a row once was; pictures are counted from the first."
    names, pictures = pd.Series(["first", "second", "third"], index=[2, 1, 0]), np.zeros((3, 4, 4), np.uint8)
    store = LabelStore(None, 3, ["a"])
    store.set(0, "a")
    assert label_table(store, names)["image"].tolist() == ["first"]
    for given, more in ((pictures, {"names": names}), (ImageSet(pictures, names=names), {})):
        app = LatentLabeler(given, None, classes=["a"], features=None, **more)
        app.session.label(0, "a")
        (written,) = app.export(tmp_path / "out", ["labels"])
        assert written.path.read_text() == "id,image,label\n0,first,a\n" and app.names == [*names]
        app.close()
    with pytest.raises(ArgumentError, match="classes is a pandas.DataFrame"):
        LabelStore(None, 3, pd.DataFrame({"name": ["a", "b"]}))
