"""What comes in at the door: one conversion, one kind of error, names that decide nothing."""

import argparse
import copy
import gzip
import io
import itertools
import os
import pickle
import struct
from collections import OrderedDict, deque
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from PIL import Image

from ssvae_widgets import (
    SSVAE,
    InteractiveTrainer,
    LabelingSession,
    LatentLabeler,
    LatentMap,
    SSVAEClassifier,
    SSVAEConfig,
    load_images,
)
from ssvae_widgets.data.arrays import ByteImages, ImageSet, as_array, as_pictures, as_uint8, encode_labels
from ssvae_widgets.data.folders import read_folder
from ssvae_widgets.data.load import is_built_in
from ssvae_widgets.errors import ArgumentError, DataError, RowError, SSVAEWidgetsError, check_path, check_rows
from ssvae_widgets.widgets.contact_sheet import ContactSheet
from ssvae_widgets.widgets.pixels import thumbnail, wire_image
from ssvae_widgets.widgets.point_layer import point_numbers
from ssvae_widgets.widgets.preview import Preview

pytestmark = pytest.mark.usefixtures("no_first_map")

G = np.random.default_rng(0).integers(0, 256, (30, 8, 8)).astype(np.uint8)
G[0, 0, :2] = 0, 255
C = np.random.default_rng(1).integers(0, 256, (12, 6, 5, 3)).astype(np.uint8)
TINY = SSVAEConfig(latent_dim=2, hidden_dims=(8,), batch_size=16, pretrain_steps=0)


@pytest.fixture
def idle(monkeypatch):
    "No model is made in the background."
    from ssvae_widgets.session.session import LabelingSession

    monkeypatch.setattr(LabelingSession, "prepare", lambda self: None)


def memmap(tmp_path, x, order=None):
    np.save(tmp_path / "x.npy", np.asarray(x, order=order))
    return np.load(tmp_path / "x.npy", mmap_mode="r")


def read_only(x):
    x = x.copy()
    x.flags.writeable = False
    return x


FORMS = {
    "uint8": lambda x, t: x,
    "float32 0-1": lambda x, t: (x / 255).astype(np.float32),
    "float64 0-1": lambda x, t: x / 255,
    "float16 0-255": lambda x, t: x.astype(np.float16),
    "float32 0-255": lambda x, t: x.astype(np.float32),
    "int64": lambda x, t: x.astype(np.int64),
    "uint16": lambda x, t: x.astype(np.uint16),
    "int16": lambda x, t: x.astype(np.int16),
    "uint64": lambda x, t: x.astype(np.uint64),
    "big-endian float": lambda x, t: x.astype(">f4"),
    "big-endian int": lambda x, t: x.astype(">i2"),
    "longdouble": lambda x, t: x.astype(np.longdouble),
    "Fortran": lambda x, t: np.asfortranarray(x.astype(np.float32)),
    "Fortran bytes": lambda x, t: np.asfortranarray(x),
    "read-only": lambda x, t: read_only(x.astype(np.float32)),
    "view": lambda x, t: np.repeat(x.astype(np.int32), 2, 0)[::2],
    "reversed": lambda x, t: x[::-1].astype(float)[::-1],
    "memmap bytes": lambda x, t: memmap(t, x),
    "memmap float": lambda x, t: memmap(t, x.astype(np.float32)),
    "memmap 0-1": lambda x, t: memmap(t, x / 255),
    "memmap Fortran": lambda x, t: memmap(t, x.astype(float), "F"),
    "list of arrays": lambda x, t: list(x.astype(float)),
    "nested lists": lambda x, t: x.tolist(),
    "object array": lambda x, t: x.astype(object),
    "column of arrays": lambda x, t: pd.Series(list(x)),
    "frame of arrays": lambda x, t: pd.DataFrame({"image": list(x)}),
    "pictures": lambda x, t: [Image.fromarray(v) for v in x],
    "ImageSet": lambda x, t: ImageSet(x),
    "ImageSet of floats": lambda x, t: ImageSet(x.astype(np.float32)),
    "__array__": lambda x, t: Tensor(x.astype(np.float32)),
    "list of __array__": lambda x, t: [Tensor(v) for v in x],
    "memoryview": lambda x, t: memoryview(np.ascontiguousarray(x)),
    "masked, nothing masked": lambda x, t: np.ma.array(x),
    "tuple": lambda x, t: tuple(x),
    "object array of arrays": lambda x, t: boxes(x),
    "files": lambda x, t: files(x, t),
}


class Tensor:
    "Like the tensors of other libraries: an array only when asked."

    def __init__(self, x):
        self.x = x

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.x, dtype)

    def __len__(self):
        return len(self.x)


def boxes(x):
    out = np.empty(len(x), object)
    for i, v in enumerate(x):
        out[i] = v
    return out


def files(x, folder):
    for i, v in enumerate(x):
        Image.fromarray(v).save(folder / f"{i:03}.png")
    return [folder / f"{i:03}.png" for i in range(len(x))]


def page(wire, like):
    return np.frombuffer(wire, np.uint8).reshape(like.shape)


@pytest.mark.parametrize("pixels", [G, C], ids=["gray", "color"])
@pytest.mark.parametrize("form", FORMS)
def test_what_is_shown_is_what_is_learned_from(form, pixels, tmp_path, idle):
    given = FORMS[form](pixels, tmp_path)
    assert np.array_equal(as_uint8(given), pixels)  # what a model learns from
    app = LatentLabeler(given, None)
    try:
        for i in (0, 3, len(pixels) - 1):
            assert np.array_equal(page(wire_image(app.sheet.images(i))[0], pixels[i]), pixels[i])  # contact sheet
            assert np.array_equal(
                thumbnail(app.map.images[i]).reshape(pixels[i].shape), pixels[i]
            )  # beside the pointer
            app.presenter.show_point(i, "selected")
            assert np.array_equal(page(app.preview.pixels[: pixels[i].size], pixels[i]), pixels[i])
            assert (
                np.array_equal(page(wire_image(app.session.point(i)["image"])[0], pixels[i]), pixels[i])
                or pixels[i].max() < 2
            )
    finally:
        app.close()


def test_masks_of_true_and_false_and_of_zero_and_one(idle):
    for given in (G > 127, (G > 127).astype(float), (G > 127).astype(np.int64)):
        app = LatentLabeler(given, None)
        assert np.array_equal(
            page(wire_image(app.sheet.images(3))[0], G[3]), (G[3] > 127) * np.uint8(255)
        ) and np.array_equal(as_uint8(given), (G > 127) * np.uint8(255))
        app.close()


def test_a_dark_image_of_a_bright_set_is_dark(idle):
    given = G.astype(np.float32)
    given[5] = 1  # alone, it would pass for white
    app = LatentLabeler(given, None)
    assert page(wire_image(app.sheet.images(5))[0], G[5]).max() == 1 and thumbnail(app.map.images[5]).max() == 1
    vae = SSVAE((8, 8), TINY)
    InteractiveTrainer(vae).train_epochs(1, given)
    assert np.allclose(vae.encode(given[5:6]), vae.encode(as_uint8(given)[5:6]), atol=1e-6)
    app.close()


def test_a_model_learns_alike_from_every_scale():
    seen = []
    for given in (G, G.astype(np.float32), G / 255, G.astype(np.int64), G.astype(">u2"), ImageSet(G)):
        vae = SSVAE((8, 8), TINY)
        InteractiveTrainer(vae).train_epochs(2, given)
        seen.append(vae.encode(given))
    for z in seen[1:]:
        assert np.allclose(z, seen[0], atol=1e-5)


def test_a_model_of_one_scale_shows_images_of_another(idle):
    vae = SSVAE((8, 8), TINY, 2)
    InteractiveTrainer(vae).train_epochs(1, (G / 255).astype(np.float32))
    want = vae.encode(G)
    for given in (G.astype(np.float32), G.astype(np.int64), G):
        session = LabelingSession(given, None, model=copy.deepcopy(vae), classes=2)
        session.network.make()
        assert np.allclose(session.model.encode(session.images), want, atol=1e-5)
        assert np.allclose(session.reconstruct(3), vae.snapshot().decode(want[3:4])[0], atol=1e-5)
        session.close()
    assert np.allclose(vae.encode(G.astype(np.int32)), want, atol=1e-5)  # whole numbers up to 255 are on no other scale
    with pytest.raises(
        DataError,
        match=r"run from 0 to 255; expected 0–1, as in the data before: scale them first, for instance x / 255",
    ):
        vae.encode(G.astype(np.float32))


@pytest.mark.parametrize(
    "wrong, says",
    [
        (G / 127.5 - 1, r"run from -1 to 1; .*\(x \+ 1\) / 2"),
        (G - 300.0, "run from -300"),
        (G.astype(np.int16) - 5, "run from -5"),
        (G.astype(np.uint16) * 257, "run from 0 to 65535"),
        (G * 2.0, "run from 0 to 510"),
        (np.where(G == 0, np.nan, G), "image 0 contains NaN"),
        (G.astype(complex), "type complex128"),
    ],
    ids=["-1..1", "negative", "negative int", "16 bit", "510", "nan", "complex"],
)
def test_values_on_no_scale_are_refused_everywhere_alike(wrong, says, idle):
    for door in (
        lambda x: LabelingSession(x, None),
        lambda x: LatentLabeler(x, None),
        lambda x: SSVAE((8, 8), TINY).fit(x),
        lambda x: LatentMap(np.zeros((len(x), 2)), images=x),
    ):
        with pytest.raises(SSVAEWidgetsError, match=says):
            door(wrong)


def test_a_large_file_is_not_copied(tmp_path, idle):
    import tracemalloc

    m = np.lib.format.open_memmap(tmp_path / "big.npy", "w+", np.uint8, (20_000, 64, 64))  # 82 MB
    m.flush()
    for given in (np.load(tmp_path / "big.npy", mmap_mode="r"), ImageSet(np.load(tmp_path / "big.npy", mmap_mode="r"))):
        tracemalloc.start()
        assert as_pictures(given) is as_array(given) and as_uint8(given) is as_array(given)
        LatentMap(np.zeros((20_000, 2)), images=given).close()
        assert tracemalloc.get_traced_memory()[1] < 10 << 20
        tracemalloc.stop()
    f = np.lib.format.open_memmap(tmp_path / "float.npy", "w+", np.float32, (5000, 64, 64))
    f[1::2] = 200
    tracemalloc.start()
    shown = as_pictures(np.load(tmp_path / "float.npy", mmap_mode="r"))
    assert isinstance(shown, ByteImages) and shown[1].max() == 200 and shown[4998].max() == 0
    assert tracemalloc.get_traced_memory()[1] < 60 << 20
    tracemalloc.stop()


class Cuda(Tensor):
    def __array__(self, dtype=None, copy=None):
        raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu()")


@pytest.mark.parametrize(
    "given, says",
    [
        ((v for v in G), r"a generator; .*np.stack\(list\(images\)\)"),
        (map(np.asarray, G), "a map; .*list"),
        (iter(list(G)), "a list_iterator; .*list"),
        (itertools.count(), "list"),
        (zip(G, G), "a zip"),
        ({"images": G}, "a dict with the keys 'images'; .*one of its values"),
        ({}, "an empty dict"),
        (OrderedDict(images=G), "OrderedDict|dict.*one of its values"),
        (frozenset([1]), "no order"),
        (io.BytesIO(b"x"), "load_images"),
        (deque(G), "list"),
        (dict(enumerate(G)).values(), "list"),
        (set("ab"), "a set has no order"),
        (scipy.sparse.random(30, 64, 0.2, format="csr"), r"sparse matrix of shape \(30, 64\).*toarray"),
        (scipy.sparse.coo_array((30, 64)), "toarray"),
        (None, "None"),
        (3, "images is 3"),
        (3.5, "3.5"),
        (True, "True"),
        ("photos", r"load_images\('photos'\)"),
        (Path("photos"), "load_images"),
        (b"abc", "b'abc'"),
        (Image.new("L", (8, 8)), r"list of pictures, for instance \[image\]"),
        ([], "empty list"),
        (np.empty(0, object), "expected"),
        ([G[0], None], "None at place 1"),
        ([G[0], G[1][:4]], r"different sizes \(image 0 \(8, 8\), image 1 \(4, 8\)\)"),
        ([Image.new("L", (8, 8)), G[0]], "at place 1, among pictures"),
        (["a.png", "b.png"], "'a.png' at place 0, which is no file"),
        (pd.DataFrame({"a": [1.0, 2], "name": ["x", "y"]}), r"column 'name'|no column of pictures \(it has a, name\)"),
        (np.ma.masked_equal(G, 0), "masked"),
        (Cuda(G), r"cuda:0.*detach\(\).cpu\(\)"),
        (object(), "expected an array"),
        (np.zeros(3, [("a", "f4")]), "type"),
        (np.array("x"), "type|expected"),
        ([{"a": 1}], "a dict with the keys 'a' at place 0"),
        (G[0], None),
        (np.array(["2020-01-01"], "M8[D]"), "type datetime64"),
    ],
    ids=lambda v: type(v).__name__,
)
def test_what_is_no_array_is_refused_with_a_way_forward(given, says, idle):
    if says is None:
        return  # one image is a set of vectors as far as anyone can tell
    doors = (as_array,) if isinstance(given, str | Path) else (as_array, lambda x: LabelingSession(x, None))
    for door in doors:
        with pytest.raises(SSVAEWidgetsError, match=says) as error:
            door(given)
        assert "of type object" not in str(error.value) and "\n" not in str(error.value) and len(str(error.value)) < 400


def test_a_place_stands_for_the_pictures_in_it(tmp_path, monkeypatch, idle):
    monkeypatch.chdir(tmp_path)
    for i, kind in enumerate(("dog", "cat", "cat")):
        (tmp_path / "photos" / kind).mkdir(parents=True, exist_ok=True)
        Image.fromarray(G[i]).save(tmp_path / "photos" / kind / f"{i}.png")
    np.savez("both.npz", images=G[:5], labels=["b", "a", "b", "a", "b"])
    np.save("plain.npy", G)
    order = [G[1], G[2], G[0]]  # cat/1, cat/2, dog/0
    files = [f"photos/{name}" for name in ("cat/1.png", "cat/2.png", "dog/0.png")]
    for given, images, names, classes in (
        ("photos", order, ["cat/1.png", "cat/2.png", "dog/0.png"], ["cat", "dog"]),
        ("photos/", order, ["cat/1.png", "cat/2.png", "dog/0.png"], ["cat", "dog"]),
        (tmp_path / "photos", order, ["cat/1.png", "cat/2.png", "dog/0.png"], ["cat", "dog"]),
        (load_images("photos"), order, ["cat/1.png", "cat/2.png", "dog/0.png"], ["cat", "dog"]),
        (files, order, files, []),
        (tuple(map(Path, files)), order, files, []),
        ("both.npz", G[:5], None, ["a", "b"]),
        (Path("plain.npy"), G, None, [str(k) for k in range(10)]),
        (G, G, None, [str(k) for k in range(10)]),
    ):
        with LabelingSession(given, None) as session:
            assert np.array_equal(session.images, images) and session.names == names and session.classes == classes
        app = LatentLabeler(given, labels=None)
        assert np.array_equal(app.session.images, images) and app.names == names and app.session.classes == classes
        app.close()
    with LabelingSession("digits", None) as session:
        assert session.n_items == 1797
    for missing in ("nowhere", Path("nowhere"), "nowhere/at.npy"):
        for door in (lambda x: LabelingSession(x, None), lambda x: LatentLabeler(x, labels=None)):
            with pytest.raises(FileNotFoundError, match="does not exist; expected digits, mnist, cells, a folder"):
                door(missing)


def test_frames_of_numbers_are_vectors(idle):
    values = np.random.default_rng(0).normal(size=(20, 5)).astype(np.float32)
    frame = pd.DataFrame(values, columns=list("abcde"))
    with pytest.raises(DataError, match="image 1 contains NaN"):
        as_uint8(pd.DataFrame({"a": pd.array([1, None], "Int64"), "b": [1, 2]}))
    assert np.array_equal(as_array(frame.set_axis(list("aabbc"), axis=1)), values)  # a name twice
    nullable = frame.convert_dtypes()
    nullable["f"] = pd.array([1, 2] * 10, "Int64")
    nullable["g"] = pd.array([True, False] * 10, "boolean")
    assert np.array_equal(as_array(frame), values) and np.allclose(
        as_array(nullable), np.c_[values, np.tile([[1, 1], [2, 0]], (10, 1))]
    )
    for given in (frame, nullable, values.tolist(), frame.set_index("a", drop=False)):
        session = LabelingSession(given, None)
        assert session.n_items == 20 and np.allclose(np.asarray(session.images)[:, 1], values[:, 1])
        session.close()


def test_masked_labels_are_missing():
    assert encode_labels(np.ma.masked_equal([1, 2, 0], 2), 3)[0].tolist() == [1, -1, 0] and encode_labels(
        np.ma.array(["a", "b"], mask=[True, False]), 2
    )[0].tolist() == [-1, 0]
    for wrong in ({"a": 1}, "abc", {1, 2, 3}, 3, b"abc"):
        with pytest.raises(ArgumentError, match="one label an image"):
            encode_labels(wrong, 3)


def test_pictures_in_lists_are_read_as_in_folders(tmp_path):
    for i, mode in enumerate(("RGB", "P", "L", "RGBA", "1", "CMYK")):
        Image.fromarray(C[i][:, :, :3]).convert(mode).save(tmp_path / f"{i}.{'tif' if mode == 'CMYK' else 'png'}")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(C[7]).save(tmp_path / "7.png", exif=exif)
    want, paths = read_folder(tmp_path).images, sorted(tmp_path.iterdir())
    for given in (
        paths,
        [str(p) for p in paths],
        np.array([str(p) for p in paths]),
        pd.Series([str(p) for p in paths]),
        [Image.open(p) for p in paths],
        tuple(paths),
    ):
        assert np.array_equal(as_array(given), want)


# ------------------------------------------------------------------ ImageSets
@pytest.fixture
def photos(tmp_path):
    for i in range(12):
        (tmp_path / "cat dog".split()[i % 2]).mkdir(exist_ok=True)
        Image.fromarray(G[i]).save(tmp_path / "cat dog".split()[i % 2] / f"{i}.png")
    return load_images(tmp_path)


def test_an_image_set_is_taken_as_it_is(photos, tmp_path, idle):
    app = LatentLabeler(photos, None)
    assert (
        app.session.classes == ["cat", "dog"]
        and app.session.truth.tolist() == [0] * 6 + [1] * 6
        and list(app.names) == photos.names
        and np.array_equal(app.session.images, photos.images)
    )
    app.presenter.show_point(3, "selected")
    assert app.preview.info["name"] == photos.names[3]
    app.close()
    session = LabelingSession(photos, tmp_path / "l.csv", classes=["dog", "cat", "cow"])
    assert (
        session.classes == ["dog", "cat", "cow"]
        and session.truth.tolist() == [1] * 6 + [0] * 6
        and session.names == photos.names
    )
    session.label([0, 1], "cow")
    session.close()
    again = LabelingSession(photos, tmp_path / "l.csv")
    assert again.codes[:3].tolist() == [again.classes.index("cow")] * 2 + [-1] and again.truth[
        0
    ] == again.classes.index("cat")
    again.close()
    with pytest.warns(UserWarning, match="cat, dog, which are not those of classes="):
        session = LabelingSession(photos, None, classes=["scratch", "dent"])
    assert session.truth is None and session.classes == ["scratch", "dent"]
    session.close()
    session = LabelingSession(photos, None, truth=[1] * 12)
    assert session.truth.tolist() == [1] * 12
    session.close()
    app = LatentLabeler(photos, None, names=list("abcdefghijkl"))
    assert list(app.names) == list("abcdefghijkl")
    app.close()
    unknown = LabelingSession(ImageSet(photos.images, np.full(12, -1)), None)
    assert unknown.truth is None and unknown.n_classes == 10
    unknown.close()
    with pytest.raises(SSVAEWidgetsError, match="names"):
        LabelingSession(ImageSet(G, names=["one"]), None)
    with pytest.raises(SSVAEWidgetsError, match="truth"):
        LabelingSession(ImageSet(G, np.zeros(3, int)), None)
    m = LatentMap(np.zeros((12, 2)), images=photos)
    assert np.array_equal(m.images[2], photos.images[2])
    with pytest.raises(SSVAEWidgetsError, match="12 images for 5 points"):
        LatentMap(np.zeros((5, 2)), images=photos)


def test_an_image_set_is_trained_on_and_predicted(photos):
    vae = SSVAE((8, 8), TINY.replace(max_epochs=1))
    vae.fit(photos, photos.truth)
    assert np.array_equal(vae.predict_proba(photos), vae.predict_proba(photos.images)) and vae.predict(photos)[
        0
    ].shape == (12, 2)
    one = SSVAEClassifier(latent_dim=2, hidden_dims=(8,), max_epochs=2).fit(photos)
    assert (
        one.classes_.tolist() == ["cat", "dog"]
        and set(one.predict(photos)) <= {"cat", "dog"}
        and one.predict_proba(photos.images).shape == (12, 2)
    )
    assert one.vae_.input_shape == (8, 8, 1) and np.allclose(
        one.predict_proba(photos.images.reshape(12, -1)), one.predict_proba(photos), atol=1e-6
    )
    rows = SSVAEClassifier(latent_dim=2, hidden_dims=(8,), max_epochs=1).fit(
        photos.images.reshape(12, -1), photos.truth
    )
    assert rows.vae_.input_shape == (64,)
    with pytest.raises(ValueError, match="y"):
        SSVAEClassifier().fit(ImageSet(G))


# ------------------------------------------------------------------ names
@pytest.mark.parametrize("ending", [".tif", ".TIFF", ".gif", ".fits", ".png", ".csv", ""])
@pytest.mark.parametrize("kind", ["npy", "npz", "idx", "idx.gz"])
def test_an_array_is_read_whatever_its_file_is_called(tmp_path, kind, ending):
    x = np.random.default_rng(0).integers(0, 256, (5, 6, 6)).astype(np.uint8)
    idx = struct.pack(">HBBIII", 0, 8, 3, *x.shape) + x.tobytes()
    place = tmp_path / f"data{ending}"
    with open(place, "wb") as f:
        if kind == "npy":
            np.save(f, x)
        elif kind == "npz":
            np.savez(f, images=x)
        else:
            f.write(gzip.compress(idx) if kind == "idx.gz" else idx)
    assert np.array_equal(load_images(place).images, x)


@pytest.mark.parametrize(
    "name",
    [
        "idx30.png",
        "sample_idx3.png",
        "train-images-idx3-ubyte.png",
        "idx1-ubyte.jpg",
        "digits.png",
        "mnist.bmp",
        "x.idx3.png",
        "idx4.gif",
        "npz.png",
        "train.npy.png",
    ],
)
def test_a_picture_may_be_called_anything(name, tmp_path):
    Image.fromarray(G[0]).save(tmp_path / name)
    Image.fromarray(G[1]).save(tmp_path / "other.png")
    assert sorted(load_images(tmp_path).names) == sorted([name, "other.png"])


@pytest.mark.parametrize("name", ["digits", "mnist", "mnist-test", "cells"])
def test_a_folder_of_ones_own_is_that_folder(name, tmp_path, monkeypatch):
    from ssvae_widgets.cli import arguments

    monkeypatch.chdir(tmp_path)
    assert is_built_in("digits") and not is_built_in(Path("digits"))
    with pytest.raises(FileNotFoundError, match="does not exist"):
        load_images(Path(name))
    (tmp_path / name).mkdir()
    for i in range(3):
        Image.fromarray(G[i]).save(tmp_path / name / f"{i}.png")
    for given in (name, Path(name), tmp_path / name, f"./{name}", f"{name}/", str(tmp_path / name)):
        assert np.array_equal(load_images(given).images, G[:3])
    parser = argparse.ArgumentParser()
    arguments.add_data_flags(parser)
    assert np.array_equal(arguments.read_images(parser.parse_args(["--data", name])).images, G[:3])
    if name != "digits":
        assert len(load_images("digits", n=5)) == 5  # the built-in one is still there


def test_content_decides_what_a_file_is(tmp_path):
    import gzip
    import struct

    data = struct.pack(">HBB3I", 0, 8, 3, *G.shape) + G.tobytes()
    for name, content in (
        ("a.bin", data),
        ("a.gz", gzip.compress(data)),
        ("images", data),
        ("a.npy", data),
        ("photo.png", data),
    ):
        (tmp_path / name).write_bytes(content)
        assert np.array_equal(load_images(tmp_path / name).images, G)
    np.save(tmp_path / "x.npy", G)
    np.savez(tmp_path / "y.npz", images=G, truth=np.arange(30) % 3)
    for name, of in (("x.dat", "x.npy"), ("idx3", "x.npy"), ("y.zip", "y.npz"), ("idx", "y.npz"), ("x.npz", "x.npy")):
        (tmp_path / name).write_bytes((tmp_path / of).read_bytes())
        assert np.array_equal(load_images(tmp_path / name).images, G)
    folder = tmp_path / "sets"
    folder.mkdir()
    (folder / "faces").write_bytes(data)
    (folder / "kinds.gz").write_bytes(gzip.compress(struct.pack(">HBBI", 0, 8, 1, 30) + bytes(range(30))))
    (folder / "read me").write_text("two files")
    found = load_images(folder)
    assert np.array_equal(found.images, G) and found.truth.tolist() == list(range(30))
    Image.fromarray(G[0]).save(tmp_path / "one.jpg")
    with pytest.raises(SSVAEWidgetsError, match="is one picture; .*give its folder"):
        load_images(tmp_path / "one.jpg")


# ------------------------------------------------------------------ rows
BAD_ROWS = {
    "too large": 30,
    "negative": -1,
    "from the end": [0, -30],
    "fraction": 1.5,
    "nan": [1, np.nan],
    "infinite": np.inf,
    "text": "3",
    "list of text": ["3"],
    "two axes": [[1, 2]],
    "short mask": [True, False],
    "long mask": np.ones(31, bool),
    "two-axis mask": np.ones((30, 1), bool),
    "mixed": [True, 3],
    "one True": True,
    "huge": 10**400,
    "list of huge": [1, -(10**400)],
    "uint64": np.array([2**63], np.uint64),
    "None inside": [1, None],
    "NA": pd.array([1, None], "Int64"),
    "a dict": {1: 2},
    "complex": [1 + 0j],
    "dates": np.array(["2020-01-01"], "M8[D]"),
    "ragged": [[1], [2, 3]],
    "bytes": b"\1",
    "object": object(),
    "endless": itertools.count(),
    "sparse": scipy.sparse.eye(3),
    "slice": slice(3),
}


@pytest.mark.parametrize("rows", BAD_ROWS.values(), ids=BAD_ROWS)
def test_a_wrong_row_is_one_kind_of_error_everywhere(rows, tmp_path, idle):
    session, m = LabelingSession(G, None), LatentMap(np.zeros((30, 2)))
    doors = [
        lambda r: check_rows(r, 30),
        lambda r: session.label(r, 1),
        lambda r: session.clear(r),
        lambda r: session.suggest(2, within=r),
        lambda r: point_numbers(r, 30),
        lambda r: setattr(m, "selected", r),
        m.set_labeled,
        m.set_suggested,
        m.set_suspects,
        session.point,
        session.neighbors,
        session.reconstruct,
    ]
    for door in doors:
        fresh = itertools.count() if isinstance(rows, itertools.count) else rows
        with pytest.raises(RowError) as error:
            door(fresh)
        assert (
            isinstance(error.value, ValueError | IndexError)
            and "\n" not in str(error.value)
            and 20 < len(str(error.value)) < 300
        )
    if isinstance(rows, int | float | str) and rows != -1:
        with pytest.raises(RowError):
            m.hovered = rows
    assert session.n_labeled == 0 and not m.selected.size
    session.close()


@pytest.mark.parametrize(
    "rows",
    [
        [2, 5],
        (5, 2),
        {2, 5},
        np.array([2, 5], ">i2"),
        np.array([2.0, 5.0]),
        np.isin(np.arange(30), [2, 5]),
        np.isin(np.arange(30), [2, 5]).tolist(),
        pd.Series(np.isin(np.arange(30), [2, 5])),
        pd.Series([2, 5], index=[9, 8]),
        pd.Index([2, 5]),
        range(2, 6, 3),
        iter([2, 5]),
        [np.int8(2), 5.0],
        pd.array([2, 5], "Int64"),
        np.array([2, 5], object),
    ],
    ids=lambda v: type(v).__name__,
)
def test_rows_may_be_named_in_any_usual_way(rows, idle):
    kept = list(rows) if not hasattr(rows, "__len__") else rows
    session, m = LabelingSession(G, None), LatentMap(np.zeros((30, 2)))
    session.label(kept, 3)
    m.selected = kept
    assert (
        np.flatnonzero(session.codes == 3).tolist() == [2, 5]
        and m.selected.tolist() == [2, 5]
        and sorted(check_rows(kept, 30)) == [2, 5]
    )
    session.clear(kept)
    assert session.n_labeled == 0
    session.close()


def test_messages_of_a_page_hold_any_number():
    m = LatentMap(np.zeros((5, 2)), classes=2)
    sheet, preview = ContactSheet(lambda i: G[i], n_items=5), Preview(n_items=5)
    for wrong in (10**400, -(10**400), 10**5000, 1e308, float("nan"), "1" * 10**6, [1] * 1000, None, True):
        m.layer.set_state({"hovered": wrong, "selected": wrong})
        m.layer.receive(
            None,
            {"type": "intent", "intent": {"type": "label", "gesture": wrong, "label": 1}},
            [np.array([1], "<u4").tobytes()],
        )
        m.layer.receive(
            None, {"type": "intent", "intent": {"type": "select", "op": "below", "value": wrong}}, []
        ) if wrong != 1e308 else None
        preview.receive(None, {"type": "select", "serial": wrong})
        sheet.receive(None, {"type": "exclude", "serial": wrong, "out": True})
    assert (
        m.hovered == -1
        and not m.selected.size
        and len(preview.refused) == 9
        and all(len(text) < 200 for text in preview.refused)
    )


# ------------------------------------------------------------------ addresses, reprs, copies
@pytest.mark.parametrize(
    "address",
    [
        "s3://bucket/labels.csv",
        "gs://bucket/l.csv",
        "https://example.org/labels.csv",
        "http://x/l.csv",
        "file:///tmp/labels.csv",
        "hdfs://n/l.csv",
        "abfss://c@a/l.csv",
        "ftp://x/l.csv",
        "memory://l.csv",
        "simplecache::s3://b/l.csv",
        "S3://B/L.csv",
        "hf://datasets/x/l.csv",
    ],
)
def test_labels_are_not_kept_at_an_address(address, tmp_path, monkeypatch, idle):
    monkeypatch.chdir(tmp_path)
    for given in (address, Path(address)):
        for door in (lambda a: LabelingSession(G, a), lambda a: LatentLabeler(G, a), load_images):
            with pytest.raises(ArgumentError, match="expected a path on this machine"):
                door(given)
    assert not os.listdir(tmp_path)
    for fine in ("labels.csv", "C:/x/labels.csv", r"C:\x\labels.csv", "a:b/labels.csv", "x/s3:/l.csv", "12:30/l.csv"):
        assert check_path(fine) == fine


def widgets(app):
    from ipywidgets import Widget

    from ssvae_widgets.widgets.assets import family

    return [w for w in family(app) if isinstance(w, Widget) and type(w).__module__.startswith("ssvae_widgets")]


def test_every_widget_is_one_line(idle):
    app = LatentLabeler(G, None, classes=["<b>\n" * 50, "x"])
    found = widgets(app)
    assert {type(w).__name__ for w in found} >= {
        "LatentLabeler",
        "LatentMap",
        "PointLayer",
        "Preview",
        "ContactSheet",
        "TrainingPanel",
        "StatusLine",
    }
    for w in found:
        assert type(w).__name__ in repr(w) and len(repr(w)) < 130 and "\n" not in repr(w) and len(str(w)) < 130
    app.map.selected = [1, 2]
    assert "30 points" in repr(app.map) and "2 selected" in repr(app.map)
    app.close()
    for x in (
        LatentMap(np.zeros((0, 2))),
        LatentMap(np.zeros((4, 2)), color_by="<x>\n" * 99, colors={"<x>\n" * 99: [1, 2, 3, 4]}),
        ImageSet(list(G)),
        as_pictures(G / 255),
    ):
        assert len(repr(x)) < 200 and "\n" not in repr(x)


@pytest.mark.parametrize("copied", [lambda v: pickle.loads(pickle.dumps(v)), copy.deepcopy], ids=["pickle", "deepcopy"])
def test_a_copied_model_predicts_the_same(copied):
    vae = SSVAE((8, 8), TINY.replace(max_epochs=1))
    vae.fit(G, np.arange(30) % 2)
    again = copied(vae)
    assert np.array_equal(again.predict_proba(G), vae.predict_proba(G)) and again.epoch == vae.epoch
    again.fit(G, np.arange(30) % 2)
    assert again.epoch == vae.epoch + 1


@pytest.mark.parametrize(
    "wrong",
    [
        dict(height="tall"),
        dict(height=0),
        dict(classes="cat"),
        dict(classes=2.5),
        dict(point_size="x"),
        dict(point_size=-1),
        dict(confirm_above=-1),
        dict(keymap=[1]),
        dict(color_by="nothing"),
        dict(images=G[:3]),
        dict(images=(v for v in G)),
        dict(images="photos"),
    ],
    ids=lambda wrong: "{}-{}".format(*wrong, type(next(iter(wrong.values()))).__name__),
)
def test_a_map_says_what_it_was_given(wrong):
    with pytest.raises(ValueError) as error:
        LatentMap(np.zeros((30, 2)), **wrong)
    assert "\n" not in str(error.value) and 20 < len(str(error.value)) < 400


@pytest.mark.parametrize(
    "xy",
    [
        None,
        "xy",
        [[1, 2], [3]],
        np.zeros((3, 3)),
        np.zeros(4),
        {"x": 1},
        scipy.sparse.eye(3),
        (v for v in np.zeros((3, 2))),
        np.array([["a", "b"]]),
        np.zeros((2, 2), complex),
        [[{}, 1]],
        pd.DataFrame({"a": ["x"], "b": [1]}),
    ],
    ids=lambda v: type(v).__name__,
)
def test_positions_of_a_map_are_two_columns_of_numbers(xy):
    with pytest.raises(ValueError, match="expected") as error:
        LatentMap(xy)
    assert "\n" not in str(error.value)


def test_positions_may_come_from_a_frame():
    frame = pd.DataFrame({"x": pd.array([1, None, 3], "Int64"), "y": [0.5, 1, 2]})
    assert (
        np.array_equal(LatentMap(frame).xy, [[1, 0.5], [np.nan, 1], [3, 2]], equal_nan=True)
        and LatentMap([[1, 2], [3, 4]]).n == 2
    )


def test_an_error_is_caught_in_the_way_it_always_was():
    for kind in (ArgumentError, RowError, DataError):
        assert issubclass(kind, SSVAEWidgetsError) and issubclass(kind, ValueError)
    with pytest.raises(IndexError):
        check_rows(5, 3)
    with pytest.raises(TypeError):
        as_array(None)


# ------------------------------------------------------------------ odd sources, names and options
@pytest.mark.parametrize(
    "given, says",
    [
        ([np.ma.masked_equal(g, G[0, 1, 1]) for g in G], "place 0 has masked values"),
        (pd.Series([np.ma.masked_equal(g, G[0, 1, 1]) for g in G]), "masked values"),
        (np.array([[[None] * 3] * 3], object), "image 0 contains NaN"),
        (np.array([[[1] * 3] * 3, [[1, pd.NA, 1]] * 3], object), "image 1 contains NaN"),
        ([scipy.sparse.eye(8)] * 3, "a list of 3 that holds a sparse matrix"),
        (np.array([[1.0] * 3] * 2000 + [["x"] * 3], object), "holds 'x'"),
        (np.array([[[10**400] * 3] * 3], object), "more than 300 digits|run from"),
        ([Image.fromarray(np.full((4, 4), np.nan, np.float32))], "NaN or infinite"),
    ],
    ids=["masked list", "masked series", "None inside", "NA inside", "sparse list", "late text", "huge", "NaN picture"],
)
def test_nothing_hides_in_a_list(given, says):
    with pytest.raises(SSVAEWidgetsError, match=says) as error:
        as_uint8(given)
    assert "type object;" not in str(error.value) and "\n" not in str(error.value)


def test_numbers_of_the_standard_library():
    from decimal import Decimal
    from fractions import Fraction

    assert as_uint8([[[Decimal("0.2"), Fraction(3, 5)]]]).tolist() == [[[51, 153]]]


def test_a_small_file_is_looked_at_whole(tmp_path, idle):
    x = np.zeros((3000, 4, 4), np.float32)
    x[1] = 200  # between two images that a sample would see
    assert as_pictures(memmap(tmp_path, x))[1].max() == 200
    x[1] = np.nan
    with pytest.raises(DataError, match="image 1 contains NaN"):
        LabelingSession(memmap(tmp_path, x), None)


CLASSES = {
    "missing": ["cat", None, float("nan"), pd.NA, pd.NaT, "dog"],
    "unique": pd.Series(["cat", None, "dog"]).unique(),
    "blanks": ["cat ", " dog", "cat"],
    "bytes": np.array([b"cat", b"dog"]),
    "numpy": np.array(["cat", "dog"]),
    "generator": (v for v in ("cat", "dog")),
    "categorical": pd.Categorical(["cat", None, "dog"]),
}


@pytest.mark.parametrize("classes", CLASSES.values(), ids=CLASSES)
def test_a_model_knows_classes_as_the_labels_do(classes):
    assert SSVAE((8, 8), TINY, classes).class_names == ["cat", "dog"]


@pytest.mark.parametrize(
    "classes",
    [
        "cat",
        b"cat",
        {"cat": 0},
        2.5,
        True,
        0,
        -1,
        10**9,
        ["a", "a"],
        [""],
        [1.5],
        [["a"]],
        [b"\xff"],
        ["x" * 600],
        [None],
    ],
    ids=lambda v: repr(v)[:12],
)
def test_wrong_classes_are_one_kind_of_error_everywhere(classes, idle):
    for door in (
        lambda c: SSVAE((8, 8), TINY, c),
        lambda c: LabelingSession(G, None, classes=c),
        lambda c: LatentMap(np.zeros((30, 2)), classes=c),
        lambda c: encode_labels(None, 30, c),
        SSVAE((8, 8), TINY).set_classes,
    ):
        with pytest.raises(ArgumentError) as error:
            door(classes)
        assert "\n" not in str(error.value) and 20 < len(str(error.value)) < 300


def test_labels_of_odd_kinds():
    assert encode_labels(pd.Categorical(["cat ", None, "dog"]), 3)[0].tolist() == [0, -1, 1] and encode_labels(
        pd.Categorical(["cat ", "dog"]), 2
    )[1] == ["cat", "dog"]
    assert encode_labels(pd.Categorical([None, None], categories=[]), 2)[0].tolist() == [-1, -1] and encode_labels(
        [b"", "a"], 2
    )[0].tolist() == [-1, 0]
    for wrong in ([b"\xff", b"a"], ["​", "a"], ["\ud800", "a"], [10**400, 1], scipy.sparse.eye(2)):
        with pytest.raises(SSVAEWidgetsError):
            encode_labels(wrong, 2)


def test_classes_of_numbers_are_not_given_twice():
    "A model with numbered classes that goes on with named ones: 3 stays 3, and no name is there twice."
    from ssvae_widgets.cli.train import translate

    vae = SSVAE((8, 8), TINY, 10)
    assert translate(np.array([0, 1, -1]), ["3", "rust"], vae).tolist() == [3, 10, -1] and vae.class_names == [
        *"0123456789",
        "rust",
    ]


@pytest.mark.parametrize("n", [0, -1, True, 2.5, "3", np.nan])
def test_a_number_of_images_is_one(n, tmp_path):
    np.save(tmp_path / "x.npy", G)
    for source in ("digits", tmp_path / "x.npy"):
        with pytest.raises(ArgumentError, match="n is .*; expected a whole number from 1"):
            load_images(source, n=n)


@pytest.mark.parametrize(
    "options",
    [
        dict(size=28),
        dict(size=(28,)),
        dict(size=(0, 4)),
        dict(size=(-1, 4)),
        dict(size="ab"),
        dict(size=(2.5, 3)),
        dict(size=(10**9, 10**9)),
        dict(fit="foo"),
        dict(errors="ignore"),
        dict(errors=None),
        dict(color="yes"),
        dict(sizes=(3, 3)),
        dict(limit=1),
    ],
    ids=str,
)
def test_options_of_folders_are_checked(options, tmp_path):
    Image.fromarray(G[0]).save(tmp_path / "1.png")
    with pytest.raises(ArgumentError, match="expected"):
        load_images(tmp_path, **options)


def test_folders_behind_links_count_and_loops_end(tmp_path):
    for i, name in enumerate(("real/a/1.png", "photos/dog/2.png")):
        (tmp_path / name).parent.mkdir(parents=True)
        Image.fromarray(G[i]).save(tmp_path / name)
    for link, to in (("photos/cat", "real/a"), ("photos/dog/up", "photos"), ("real/a/back", "photos")):
        (tmp_path / link).symlink_to(tmp_path / to)
    (tmp_path / "photos/self.png").symlink_to("self.png")
    (tmp_path / "photos/gone.png").symlink_to("/nowhere.png")
    found = load_images(tmp_path / "photos")
    assert (
        found.names == ["cat/1.png", "dog/2.png"]
        and found.class_names == ["cat", "dog"]
        and np.array_equal(found.images, G[:2])
    )


def test_classes_of_folders_are_spelled_as_class_names(tmp_path, idle):
    names = ["K\u00e4fer", "Ka\u0308fer", "cat ", "cat"]
    for i, name in enumerate(names):
        (tmp_path / name).mkdir(exist_ok=True)
        Image.fromarray(G[i]).save(tmp_path / name / f"{i}.png")
    found = load_images(tmp_path)
    truth = {int(Path(n).stem): found.class_names[c] for n, c in zip(found.names, found.truth)}
    assert truth == {0: "Käfer", 1: "Käfer", 2: "cat", 3: "cat"} and sorted(found.class_names) == ["Käfer", "cat"]
    session = LabelingSession(found, None)
    assert [session.classes[c] for c in session.truth] == [found.class_names[c] for c in found.truth]
    session.close()


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
def test_a_folder_whose_name_is_no_text(tmp_path, idle):
    folder = tmp_path / os.fsdecode(b"\xff\xfe")
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("this disk takes no such name")
    Image.fromarray(G[0]).save(folder / "1.png")
    found = load_images(tmp_path)
    assert found.class_names == [r"\xff\xfe"]
    LabelingSession(found, None).close()


def test_a_folder_that_may_not_be_entered_is_told(tmp_path, monkeypatch):
    for name in ("a/1.png", "b/2.png"):
        (tmp_path / name).parent.mkdir()
        Image.fromarray(G[0]).save(tmp_path / name)

    def locked(path, real=os.scandir):
        if Path(path).name == "b":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", locked)
    with pytest.raises(DataError, match=r"/b cannot be read: permission is missing.*errors='skip'"):
        load_images(tmp_path)
    with pytest.warns(UserWarning, match="1 pictures were skipped: .*/b cannot be read"):
        assert load_images(tmp_path, errors="skip").names == ["a/1.png"]


@pytest.mark.parametrize(
    "address", ["s3://bucket/m.ckpt", "https://example.org/m.ckpt", "file:///tmp/m.ckpt", "S3://B/m.ckpt"]
)
def test_weights_are_not_kept_at_an_address(address, tmp_path, monkeypatch):
    from ssvae_widgets import CSVExporter, LossCurvePlotter, default_callbacks
    from ssvae_widgets.cli.train import train
    from ssvae_widgets.cli.viewer import read_latent
    from ssvae_widgets.data.features import extract_features
    from ssvae_widgets.data.load import read_npy, read_npz
    from ssvae_widgets.data.standard import read_idx
    from ssvae_widgets.io.checkpoint import load_checkpoint, read_meta, save_checkpoint
    from ssvae_widgets.model.callbacks import BestCheckpoint, LastCheckpoint

    monkeypatch.chdir(tmp_path)
    vae = SSVAE((8, 8), TINY)
    for given in (address, Path(address)):
        doors = [
            lambda a: vae.fit(G, weights_path=a),
            lambda a: vae.fit(G, weights_path=a, callbacks=None),
            vae.save,
            vae.load_model_weights,
            SSVAE.from_checkpoint,
            lambda a: save_checkpoint(a, {}),
            load_checkpoint,
            read_meta,
            default_callbacks,
            CSVExporter,
            LossCurvePlotter,
            BestCheckpoint,
            LastCheckpoint,
            InteractiveTrainer(vae).save_checkpoint,
            read_latent,
            read_npy,
            read_npz,
            read_idx,
            read_folder,
            lambda a: as_array([a]),
            lambda a: extract_features(G, lambda b: b.reshape(len(b), -1)[:, :3], cache=a, progress=False),
        ]
        for door in doors:
            with pytest.raises(ArgumentError, match="expected a path on this machine"):
                door(given)
    assert (
        vae.epoch == 0
        and train(["--quiet", "--max-epochs", "1", "--weights", address]) == 2
        and not os.listdir(tmp_path)
    )


def test_reprs_are_one_short_line():
    from ssvae_widgets.data.fingerprints import fingerprint

    vae = SSVAE((8, 8), TINY, [f"{'a long name ' * 9}{i}" for i in range(300)])
    found = [
        vae,
        vae.snapshot(),
        vae.embed(G),
        SSVAEConfig(),
        SSVAEConfig.preset("ancestor"),
        fingerprint(G, True),
        ImageSet(None),
        ImageSet(G, [0] * 30),
        ImageSet(G, ["a"] * 30),
        ImageSet(list(G)),
    ]
    for x in found:
        assert len(repr(x)) < 200 and "\n" not in repr(x) and repr(x).startswith(type(x).__name__)
    assert repr(SSVAEConfig(latent_dim=3, max_epochs=2)) == "SSVAEConfig(latent_dim=3, max_epochs=2)" and "300" in repr(
        vae
    )
    for copied in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="A LatentMap cannot be pickled or copied"):
            copied(LatentMap(np.zeros((3, 2))))


def test_a_configuration_is_one():
    for wrong in ({"latent_dim": 2}, "ancestor", 3):
        with pytest.raises(ArgumentError, match="expected an SSVAEConfig"):
            SSVAE((8, 8), wrong)
    with pytest.raises(ArgumentError, match="expected an SSVAE"):
        InteractiveTrainer(None)


def test_idx_with_an_empty_axis(tmp_path):
    import gzip
    import struct

    for shape in ((0, 8, 8), (2**32 - 1, 0, 2**32 - 1)):
        (tmp_path / "x.gz").write_bytes(gzip.compress(struct.pack(">HBB3I", 0, 8, 3, *shape)))
        with pytest.raises(DataError, match="an axis is empty"):
            load_images(tmp_path / "x.gz")
    for names in (["a ", " a"], ["a", "a"], np.array("a")):
        np.savez(tmp_path / "x.npz", images=G, truth=np.arange(30) % 2, class_names=names)
        with pytest.raises(DataError, match="class_names|more than once"):
            load_images(tmp_path / "x.npz")
    np.savez(tmp_path / "x.npz", images=G, truth=np.arange(30) % 2, class_names=[3.0, 7.0])
    assert load_images(tmp_path / "x.npz").class_names == ["3", "7"]


def test_a_file_of_many_arrays_is_refused_in_one_line(tmp_path):
    from ssvae_widgets.cli.viewer import read_latent

    np.savez(tmp_path / "x.npz", **{f"part{i}": np.zeros(1) for i in range(300)})
    for door in (load_images, read_latent):
        with pytest.raises(DataError, match="holds a dict with the keys 'part0', .*, …;") as error:
            door(tmp_path / "x.npz")
        assert len(str(error.value)) < 400


def test_odd_folders_options_and_rows_are_said_plainly(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("a.png", "b.png"):
        Image.fromarray(np.full((5, 5), 9, np.uint8)).save(folder / name)
    (folder / "notes.bin").write_bytes(b"\0\0\x08\x03abc")  # begins like an IDX file, and is none
    assert len(load_images(folder)) == 2
    with pytest.raises(ArgumentError, match="size is an option of folders"):
        load_images("digits", size=(4, 4))
    (folder / " ").mkdir()
    Image.fromarray(np.full((5, 5), 9, np.uint8)).save(folder / " " / "c.png")
    with pytest.raises(DataError, match="the folder ' ' cannot be a class"):
        load_images(folder)
    images = np.zeros((6, 4, 4), np.uint8)
    with pytest.raises(ArgumentError, match="truth is a generator"):
        LabelingSession(images, None, truth=(k % 2 for k in range(6)))
    with LabelingSession(images, None, classes=2) as s, pytest.raises(ValueError, match="about 401 digits"):
        s.label(10**400, 1)


@pytest.mark.parametrize("dtype", ["uint8", "float32", "int64"])
def test_a_model_learns_dark_pictures_as_they_are_shown(dtype):
    "Digits of 0 to 16: white is 16, in a script as in the app, also when training goes on."
    digits = (np.random.default_rng(0).random((40, 8, 8)) * 16).round()
    digits[0, 0, 0] = 16
    with pytest.warns(UserWarning, match="taken as white"):
        model = SSVAE((8, 8), classes=2)
        seen = np.asarray(model.data_source(digits.astype(dtype)).images)
    assert model.value_range == (0.0, 16.0) and seen.max() == 255
    again = np.asarray(model.data_source(digits.astype(dtype)).images)
    assert (again == seen).all() and model.value_range == (0.0, 16.0)
