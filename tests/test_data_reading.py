"""Reading data: shapes, ranges, files, folders, downloads, fingerprints, labels (D1, D2)."""

import functools
import gzip
import hashlib
import http.server
import json
import os
import struct
import threading
import warnings
import zipfile
import zlib

import numpy as np
import pandas as pd
import pytest
import tifffile
from PIL import Image

from ssvae_widgets.data.arrays import as_uint8, encode_labels, image_shape
from ssvae_widgets.data.fingerprints import Fingerprint, fingerprint
from ssvae_widgets.data.folders import read_folder
from ssvae_widgets.data.load import load_images, read_npz
from ssvae_widgets.data.pictures import read_picture
from ssvae_widgets.data.standard import MNIST_FILES, load_digits, load_mnist, read_idx, scale_and_binarize
from ssvae_widgets.errors import ArgumentError, DataError

rng = np.random.default_rng(0)
X = rng.integers(0, 256, (20, 6, 5, 3), np.uint8)


def test_preprocessing_is_min_max_then_a_threshold():
    from sklearn.datasets import load_digits as reference

    raw = reference()
    x, y = load_digits()
    assert np.array_equal(x, (raw.images / 16 > 0.5).astype(np.float32)) and np.array_equal(y, raw.target)
    assert np.allclose(load_digits(binarize=False)[0], raw.images / 16) and np.array_equal(
        load_digits(scale=False)[0], raw.images
    )
    assert scale_and_binarize(np.full((2, 2), 7)).tolist() == [[0, 0], [0, 0]] and scale_and_binarize(
        np.zeros((0, 4))
    ).shape == (0, 4)


@pytest.mark.parametrize(
    "given",
    [
        X / 255,
        (X / 255).astype(np.float32),
        (X / 255).astype(np.float16),
        X.astype(np.float64),
        X.astype(np.int64),
        X.astype(np.uint16),
        (X / 255).astype(np.float32)[::1],
        np.asfortranarray(X / 255),
        (X / 255).tolist(),
    ],
    ids=["f64", "f32", "f16", "f255", "i64", "u16", "view", "fortran", "list"],
)
def test_every_usual_form_becomes_the_same_bytes(given):
    out = as_uint8(given)
    assert (
        out.dtype == np.uint8
        and out.shape == X.shape
        and np.abs(out.astype(int) - X).max() <= (1 if getattr(given, "dtype", None) == np.float16 else 0)
    )


def test_bytes_pass_through_untouched(tmp_path):
    assert as_uint8(X) is X
    np.save(tmp_path / "x.npy", X)
    m = load_images(tmp_path / "x.npy").images
    assert isinstance(m, np.memmap) and as_uint8(m) is m and not m.flags.writeable
    view = X[::2, ::-1, 1:, :1]
    assert np.array_equal(as_uint8(view), view)


def test_ranges_constants_and_singles():
    assert (
        as_uint8(np.zeros((1, 2, 2))).tolist() == [[[0, 0], [0, 0]]]
        and as_uint8(np.ones((1, 2, 2))).max() == 255
        and as_uint8(np.ones((1, 2, 2), bool)).max() == 255
    )
    assert (
        as_uint8(np.full((1, 2, 2), 1.0), value_range=(0, 255)).max() == 1
        and as_uint8(np.full((1, 2, 2), 1 + 1e-6)).max() == 255
    )
    v = rng.normal(size=(4, 7))
    assert as_uint8(v).dtype == np.float32 and np.allclose(as_uint8(v), v)


@pytest.mark.parametrize(
    "bad, reason",
    [
        (np.full((3, 2, 2), np.nan), "image 0 contains NaN"),
        (np.r_[np.zeros((2, 2, 2)), np.full((1, 2, 2), np.inf)], "image 2 contains NaN or infinite"),
        (np.zeros((0, 2, 2)), "no images"),
        (np.zeros((3, 0, 2)), "axis is empty"),
        (np.zeros(5), "expected"),
        (np.zeros((1, 2, 3, 4, 5)), "expected"),
        (np.full((1, 2, 2), -0.5), "run from -0.5"),
        (np.full((1, 2, 2), 300.0), "run from 300"),
        (np.array([[["a"]]]), "expected numbers"),
        ([np.zeros((2, 2)), np.zeros((3, 3))], "different sizes"),
        (np.zeros((2, 3, 32, 32)), "channels first"),
        (np.array([[[{}]]], object), "expected numbers"),
        (np.zeros((2, 2, 2), complex), "expected numbers"),
        (np.full((3, 4), np.nan), "NaN"),
        (np.full((3, 4), 1e300), "too large"),
    ],
)
def test_unusable_images_are_refused_in_one_sentence(bad, reason):
    with pytest.raises(ValueError, match=reason) as e:
        as_uint8(bad)
    assert "\n" not in str(e.value) and len(str(e.value)) < 300


def test_conversion_needs_no_second_copy(tmp_path):
    import tracemalloc

    path = tmp_path / "big.npy"
    m = np.lib.format.open_memmap(path, "w+", np.float32, (2000, 64, 64, 3))
    m[:] = 0.5
    del m
    big = load_images(path).images  # 98 MB on disk
    tracemalloc.start()
    out = as_uint8(big)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < out.nbytes + (120 << 20) and (out == 128).all()


def test_shapes():
    assert (
        image_shape(np.zeros((1, 2, 3))) == (2, 3, 1)
        and image_shape(X) == (6, 5, 3)
        and image_shape(np.zeros((4, 9))) == (9,)
    )


def idx(a, kind):
    return struct.pack(">HBB", 0, kind, a.ndim) + struct.pack(f">{a.ndim}I", *a.shape) + a.tobytes()


@pytest.mark.parametrize("kind, dtype", [(8, "u1"), (9, "i1"), (11, ">i2"), (12, ">i4"), (13, ">f4"), (14, ">f8")])
def test_idx(tmp_path, kind, dtype):
    a = rng.integers(0, 100, (3, 4, 5)).astype(dtype)
    (tmp_path / "a.idx").write_bytes(idx(a, kind))
    (tmp_path / "a.idx.gz").write_bytes(gzip.compress(idx(a, kind)))
    assert (
        np.array_equal(read_idx(tmp_path / "a.idx"), a)
        and np.array_equal(read_idx(tmp_path / "a.idx.gz"), a)
        and read_idx(tmp_path / "a.idx").dtype.isnative
    )
    for bad in (
        idx(a, kind)[:-1],
        idx(a, kind) + b"x",
        idx(a, 7),
        b"",
        idx(a, kind)[:6],
        gzip.compress(idx(a, kind))[:-9],
        struct.pack(">HBB4I", 0, 8, 4, *[2**31] * 4),
    ):
        with pytest.raises(ValueError):
            read_idx(bad, "a.idx")


def fake_mnist(folder, n=12):
    x, y = rng.integers(0, 256, (n, 28, 28)).astype(np.uint8), rng.integers(0, 10, n).astype(np.uint8)
    folder.mkdir(parents=True, exist_ok=True)
    for p in ("train", "t10k"):
        (folder / f"{p}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(x, 8)))
        (folder / f"{p}-labels-idx1-ubyte").write_bytes(idx(y, 8))
    return x, y


@pytest.fixture
def places(tmp_path, monkeypatch):
    monkeypatch.setenv("SSVAE_WIDGETS_DATA", str(tmp_path / "own"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def test_mnist_is_found_in_the_named_folder(places):
    x, y = fake_mnist(places / "own" / "mnist")
    a, b = load_mnist(n=5)
    assert (
        np.array_equal(a, (x[:5] / 255 > 0.5).astype(np.float32))
        and np.array_equal(b, y[:5])
        and len(load_mnist("test", scale=False)[0]) == 12
    )
    assert load_images("mnist-test", n=3).class_names == [str(k) for k in range(10)]
    with pytest.warns(UserWarning, match="t10k-images-idx3-ubyte.gz, t10k-labels-idx1-ubyte are left out"):
        found = load_images(places / "own" / "mnist")
    assert len(found) == 12 and np.array_equal(found.truth, y)
    for kw in (dict(split="val"), dict(n=0), dict(n=2.5)):
        with pytest.raises(ValueError, match="expected"):
            load_mnist(**kw)


def test_without_files_and_network_the_error_says_what_to_put_where(places):
    with pytest.raises(FileNotFoundError) as e:
        load_mnist(mirrors=["http://127.0.0.1:9/"])
    assert all(
        n in str(e.value)
        for n in (
            "train-images-idx3-ubyte.gz",
            str(places / "own" / "mnist"),
            "SSVAE_WIDGETS_DATA",
            "could not be downloaded",
        )
    ) and "\n" not in str(e.value)


def test_download_is_verified_and_kept(places, monkeypatch):
    fake_mnist(places / "served")
    files = {
        p.name.removesuffix(".gz"): gzip.decompress(p.read_bytes()) if p.suffix == ".gz" else p.read_bytes()
        for p in (places / "served").iterdir()
    }
    for n, content in files.items():
        (places / "served" / f"{n}.gz").write_bytes(gzip.compress(content))
    monkeypatch.setattr(
        "ssvae_widgets.data.standard.MNIST_FILES",
        {n: (len(c), hashlib.sha256(c).hexdigest()) for n, c in files.items()},
    )

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *a):
            pass

    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=str(places / "served"))
    ) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/"
        good = (places / "served" / "train-images-idx3-ubyte.gz").read_bytes()
        for bad in (
            b"<html>",
            gzip.compress(b"x" * 100),
            good[:200],
            gzip.compress(bytes(len(files["train-images-idx3-ubyte"]))),
        ):
            (places / "served" / "train-images-idx3-ubyte.gz").write_bytes(bad)
            with pytest.raises(FileNotFoundError, match="wrong checksum|did not send a gzip"):
                load_mnist(mirrors=[url])
            assert not list((places / "cache").rglob("*images*"))
        (places / "served" / "train-images-idx3-ubyte.gz").write_bytes(good)
        x, _ = load_mnist(mirrors=["http://127.0.0.1:9/", url])
        server.shutdown()
    assert len(x) == 12 and len(load_mnist(download=False)[0]) == 12  # from the cache now


def picture(path, shape, value=100, **kw):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full(shape, value, np.uint8)).save(path, **kw)


def test_folders_of_pictures(tmp_path):
    picture(tmp_path / "b" / "2.png", (8, 8))
    picture(tmp_path / "a" / "1.jpg", (8, 8))
    picture(tmp_path / "a" / "deep" / "3.bmp", (16, 8))
    picture(tmp_path / "0.gif", (8, 8))
    picture(tmp_path / ".hidden" / "x.png", (8, 8))
    (tmp_path / "notes.txt").write_text("x")
    s = load_images(tmp_path)
    assert (
        s.names == ["0.gif", "a/1.jpg", "a/deep/3.bmp", "b/2.png"]
        and s.class_names == ["a", "b"]
        and s.truth.tolist() == [-1, 0, 0, 1]
        and s.images.shape == (4, 8, 8)
        and s.images.dtype == np.uint8
    )
    assert np.abs(s.images.astype(int) - 100).max() <= 2  # padded with their own border color
    assert load_images(tmp_path, n=2).names == ["0.gif", "a/1.jpg"] and load_images(
        tmp_path, size=(4, 6), color=True
    ).images.shape == (4, 4, 6, 3)
    with pytest.raises(FileNotFoundError, match="no pictures"):
        load_images(tmp_path / "a" / "deep" / "..", n=0) if False else read_folder(_empty(tmp_path))


def _empty(tmp_path):
    (tmp_path / "empty").mkdir()
    return tmp_path / "empty"


def test_pictures_of_every_mode(tmp_path):
    color = np.zeros((4, 4, 3), np.uint8)
    color[..., 0] = 255
    Image.fromarray(color).save(tmp_path / "rgb.png")
    Image.fromarray(np.dstack([color, np.zeros((4, 4), np.uint8)])).save(
        tmp_path / "rgba.png"
    )  # transparent: white below
    Image.fromarray(np.full((4, 4), 32768, np.uint16)).save(tmp_path / "sixteen.png")
    Image.fromarray(np.ones((4, 4), bool)).save(tmp_path / "one.png")
    Image.fromarray(color).convert("P").save(tmp_path / "palette.png")
    Image.fromarray(color).convert("CMYK").save(tmp_path / "cmyk.jpg")
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = np.zeros((2, 4, 3), np.uint8)
    turned[0] = 200
    Image.fromarray(turned).save(tmp_path / "turned.png", exif=exif)
    s = read_folder(tmp_path, size=(4, 4))
    got = dict(zip(s.names, s.images))
    assert (
        s.images.shape[-1] == 3
        and (got["rgb.png"] == color).all()
        and (got["rgba.png"] == 255).all()
        and (got["sixteen.png"] == 128).all()
        and (got["one.png"] == 255).all()
        and (got["palette.png"] == color).all()
    )
    assert image_shape(read_folder(tmp_path, size=(4, 4), color=False).images) == (4, 4, 1)
    one = tmp_path / "only"
    one.mkdir()
    (tmp_path / "turned.png").rename(one / "turned.png")
    up = read_folder(one).images[0]
    assert up.shape == (
        4,
        2,
    ) or up.shape == (4, 2, 3)
    assert up[:, 1].min() > 150 and up[:, 0].max() < 50


def test_sizes_and_fits(tmp_path):
    picture(tmp_path / "1.png", (10, 20))
    picture(tmp_path / "2.png", (30, 20))
    picture(tmp_path / "3.png", (30, 40))
    assert load_images(tmp_path).images.shape == (3, 30, 20)
    for fit in ("pad", "crop", "stretch"):
        assert (load_images(tmp_path, fit=fit).images == 100).all()
    with pytest.raises(ValueError, match="fit is 'zoom'"):
        load_images(tmp_path, fit="zoom")


def test_broken_pictures(tmp_path, monkeypatch):
    picture(tmp_path / "good.png", (8, 8))
    (tmp_path / "bad.png").write_bytes((tmp_path / "good.png").read_bytes()[:40])
    (tmp_path / "text.jpg").write_text("hello")
    (tmp_path / "zero.png").write_bytes(b"")
    with pytest.raises(ValueError, match=r"bad.png cannot be read as a picture .* errors='skip'"):
        load_images(tmp_path)
    with pytest.warns(UserWarning, match="3 pictures were skipped"):
        s = load_images(tmp_path, errors="skip")
    assert s.names == ["good.png"]
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20)  # a bomb
    with pytest.raises(ValueError, match="DecompressionBomb"):
        read_picture(tmp_path / "good.png")


def test_npz(tmp_path):
    np.savez(tmp_path / "a.npz", x_train=X, y_train=np.arange(20) % 3, other=np.zeros(2))
    np.savez_compressed(tmp_path / "b.npz", X)
    np.savez(tmp_path / "c.npz", images=X, labels=np.array(["b", "a"] * 10), class_names=np.array(["a", "b"]))
    assert (
        load_images(tmp_path / "a.npz").truth.tolist() == (np.arange(20) % 3).tolist()
        and len(load_images(tmp_path / "b.npz")) == 20
        and load_images(tmp_path / "c.npz").truth[0] == 1
    )
    np.savez(tmp_path / "d.npz", foo=X, bar=X)
    np.savez(tmp_path / "e.npz", x=np.array([{}], object))
    np.savez(tmp_path / "f.npz", x=X, y=np.arange(3))
    for name, reason in (("d", "expected the images under"), ("e", "pickle"), ("f", "labels have shape")):
        with pytest.raises(ValueError, match=reason):
            load_images(tmp_path / f"{name}.npz")


def test_damaged_hostile_and_missing_files(tmp_path):
    np.save(tmp_path / "x.npy", X)
    good = (tmp_path / "x.npy").read_bytes()
    for cut in (good[:-1], good[:50], b"", b"\x80\x04pickle", good.replace(b"(20, 6", b"(2000000000, 6"[:6])[:99]):
        (tmp_path / "x.npy").write_bytes(cut)
        with pytest.raises(ValueError, match="x.npy"):
            load_images(tmp_path / "x.npy")
    np.save(tmp_path / "o.npy", np.array([{}], object))
    with pytest.raises(ValueError, match="pickle"):
        load_images(tmp_path / "o.npy")
    header = (
        b"\x93NUMPY\1\0"
        + struct.pack("<H", 70)
        + b"{'descr': '<f8', 'fortran_order': False, 'shape': (1099511627776,), }".ljust(69)
        + b"\n"
    )
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w") as z:
        z.writestr("x.npy", header + bytes(64))
    with zipfile.ZipFile(tmp_path / "tight.npz", "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr(
            "x.npy",
            (
                b"\x93NUMPY\1\0"
                + struct.pack("<H", 70)
                + b"{'descr': '|u1', 'fortran_order': False, 'shape': (50000000,), }".ljust(69)
                + b"\n"
            )
            + bytes(50_000_000),
        )
    (tmp_path / "no.npz").write_bytes(b"PK\3\4no")
    for name, reason in (("bomb", "does not fit"), ("no", "not a readable")):
        with pytest.raises(ValueError, match=reason):
            read_npz(tmp_path / f"{name}.npz")
    for name in ("nothing", "x.txt"):
        with pytest.raises(FileNotFoundError, match="does not exist; expected digits, mnist"):
            load_images(tmp_path / name)
    (tmp_path / "x.txt").write_text("x")
    with pytest.raises(ValueError, match="of no known kind"):
        load_images(tmp_path / "x.txt")


def test_fingerprints_tell_data_apart(tmp_path):
    f = fingerprint(X)
    assert (
        f.matches(fingerprint(X.copy()))
        and f.matches(fingerprint(np.asfortranarray(X)))
        and Fingerprint.from_dict(f.to_dict()) == f
    )
    np.save(tmp_path / "x.npy", X)
    assert f.matches(fingerprint(np.load(tmp_path / "x.npy", mmap_mode="r")))
    swapped = X.copy()
    swapped[[3, 4]] = swapped[[4, 3]]
    for other in (X[:-1], X[::-1], swapped, X.astype(np.float32), X.reshape(20, 5, 6, 3), 255 - X):
        assert not f.matches(fingerprint(other)) and f.difference(fingerprint(other))
    big = np.zeros((5000, 3, 3), np.uint8)
    late = big.copy()
    late[1, 0, 0] = 1
    assert fingerprint(big, full=True).difference(fingerprint(late, full=True)) and fingerprint(
        big.astype(">i4")
    ).matches(fingerprint(big.astype("<i4")))
    assert fingerprint(np.zeros((0, 3))).n_items == 0


@pytest.mark.parametrize(
    "labels, classes, codes, names",
    [
        ([1.0, np.nan, 0.0], None, [1, -1, 0], None),
        ([1, -1, 0], 3, [1, -1, 0], None),
        (["b", None, "a"], None, [1, -1, 0], ["a", "b"]),
        (["b", "", "a"], ["b", "a"], [0, -1, 1], ["b", "a"]),
        (None, ["x"], [-1] * 3, ["x"]),
        ([None] * 3, None, [-1] * 3, None),
        (pd.Series([2, None, 1]), 3, [2, -1, 1], None),
        (pd.Series(["u", pd.NA, "v"], dtype="string"), None, [0, -1, 1], ["u", "v"]),
        (pd.Categorical(["v", None, "u"], categories=["v", "u", "w"]), None, [0, -1, 1], ["v", "u", "w"]),
        (np.array(["x", "y", "x"]), None, [0, 1, 0], ["x", "y"]),
        (np.array([b"x", b"y", b"x"]), None, [0, 1, 0], ["x", "y"]),
        (np.array([True, False, True]), None, [1, 0, 1], None),
        ([299, 0, -1], 300, [299, 0, -1], None),
        (np.array([1, 2, 3], np.uint8), None, [1, 2, 3], None),
        (pd.array([1, None, 2], dtype="Int64"), None, [1, -1, 2], None),
        ([0, 0, 0], 1, [0, 0, 0], None),
    ],
)
def test_labels_of_every_form(labels, classes, codes, names):
    got, found = encode_labels(labels, 3, classes)
    assert got.dtype == np.int32 and got.tolist() == codes and found == names


@pytest.mark.parametrize(
    "labels, classes",
    [
        ([0, 1], None),
        ([0.5, 0, 0], None),
        ([-2, 0, 0], None),
        ([3, 0, 0], 3),
        (["a", "z", None], ["a"]),
        (["a", 1, None], None),
        ([np.inf, 0, 0], None),
        ([[0], [1], [2]], None),
        ([{}, 1, 2], None),
        ([10**9, 0, 0], None),
    ],
)
def test_impossible_labels_are_refused(labels, classes):
    with pytest.raises(ValueError, match="expected"):
        encode_labels(labels, 3, classes)


@pytest.mark.skipif(not os.environ.get("SSVAE_WIDGETS_DATA"), reason="SSVAE_WIDGETS_DATA is not set")
def test_the_real_mnist():
    for split, n in (("train", 60000), ("test", 10000)):
        x, y = load_mnist(split, scale=False)
        assert x.shape == (n, 28, 28) and y.shape == (n,)
        name = "train" if split == "train" else "t10k"
        assert (
            hashlib.sha256(idx(x.astype(np.uint8), 8)).hexdigest() == MNIST_FILES[f"{name}-images-idx3-ubyte"][1]
            and hashlib.sha256(idx(y.astype(np.uint8), 8)).hexdigest() == MNIST_FILES[f"{name}-labels-idx1-ubyte"][1]
        )


def test_only_files_named_as_idx_files_are_taken_for_damaged_ones(tmp_path, recwarn):
    Image.fromarray(X[0]).save(tmp_path / "a.png")
    for other in ("class_to_idx.json", "idx.txt", "index.csv", "x.idx.json"):
        (tmp_path / other).write_text("{}")
    assert load_images(tmp_path).names == ["a.png"] and not recwarn.list
    with pytest.raises(ValueError, match="of no known kind"):
        load_images(tmp_path / "class_to_idx.json")
    for name in ("train-images-idx3-ubyte", "train-images.idx3-ubyte.gz", "x.idx", "x.idx.gz"):
        (tmp_path / name).write_bytes(b"damaged")
        with pytest.warns(UserWarning) as said:
            assert load_images(tmp_path).names == ["a.png"]
        assert [(str(w.message), w.filename) for w in said] == [
            (f"{name} in {tmp_path} is named as an IDX file and is none that can be read: it is left out.", __file__)
        ]
        with pytest.raises(ValueError, match="IDX"):
            load_images(tmp_path / name)
        (tmp_path / name).unlink()


def test_what_a_folder_of_idx_files_leaves_out_is_said(tmp_path):
    x, y = X[:, :, :, 0], np.arange(20, dtype=np.uint8) % 3
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(x, 8))
    for name in ("one-labels-idx1-ubyte", "two-labels-idx1-ubyte"):
        (tmp_path / name).write_bytes(idx(y, 8))
    with pytest.warns(UserWarning) as said:
        found = load_images(tmp_path)
    assert (found.images == x).all() and found.truth is None
    assert [(str(w.message), w.filename) for w in said] == [
        (
            f"{tmp_path} holds 2 label files (one-labels-idx1-ubyte, two-labels-idx1-ubyte), none of them named like "
            f"train-images-idx3-ubyte: the images are read without labels.",
            __file__,
        )
    ]
    (tmp_path / "two-labels-idx1-ubyte").unlink()
    (tmp_path / "cats").mkdir()
    Image.fromarray(X[0]).save(tmp_path / "cats" / "a.png")
    with pytest.warns(UserWarning) as said:
        found = load_images(tmp_path)
    assert (found.images == x).all() and found.truth.tolist() == y.tolist()
    assert [(str(w.message), w.filename) for w in said] == [
        (
            f"{tmp_path} holds the IDX file train-images-idx3-ubyte and pictures: the file is read, the pictures are "
            f"left out; give one of them a folder of its own.",
            __file__,
        )
    ]


def mnist_folder(folder, names=("train-{}-{}-ubyte.gz", "t10k-{}-{}-ubyte.gz"), sizes=(9, 6)):
    "A folder of two sets, as MNIST comes: images and labels of both."
    folder.mkdir(exist_ok=True)
    made = []
    for name, n in zip(names, sizes):
        x, y = rng.integers(0, 256, (n, 5, 5)).astype(np.uint8), rng.integers(0, 3, n).astype(np.uint8)
        for what, kind, a in (("images", "idx3", x), ("labels", "idx1", y)):
            data = idx(a, 8)
            (folder / name.format(what, kind)).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        made.append((x, y))
    return made


@pytest.mark.parametrize(
    "names",
    [
        ("train-{}-{}-ubyte.gz", "t10k-{}-{}-ubyte.gz"),
        ("train-{}.{}-ubyte", "t10k-{}.{}-ubyte"),
        ("emnist-letters-train-{}-{}-ubyte", "emnist-letters-test-{}-{}-ubyte"),
    ],
)
def test_of_two_sets_in_a_folder_it_is_said_which_one_is_read(tmp_path, names):
    (x, y), _ = mnist_folder(tmp_path, names)
    with pytest.warns(UserWarning) as said:
        found = load_images(tmp_path)
    assert (found.images == x).all() and found.truth.tolist() == y.tolist()
    train, test = ([name.format(*w) for w in (("images", "idx3"), ("labels", "idx1"))] for name in names)
    assert [(str(w.message), w.filename) for w in said] == [
        (
            f"{tmp_path} holds several IDX files: {train[0]} and {train[1]} are read, {test[0]}, {test[1]} are left "
            f"out; to read those, give a folder without {train[0]}.",
            __file__,
        )
    ]
    assert found.notes == (str(said[0].message),)


def test_idx_files_further_inside_are_never_passed_over_in_silence(tmp_path):
    "As torchvision keeps them (`MNIST/raw`), and as they are unpacked with a folder for each file."
    (tmp_path / "MNIST" / "raw").mkdir(parents=True)
    mnist_folder(tmp_path / "MNIST" / "raw")
    with pytest.raises(
        FileNotFoundError, match="no IDX files itself, but .* in its folder MNIST/raw: give that folder"
    ):
        load_images(tmp_path)
    Image.fromarray(np.full((5, 5), 9, np.uint8)).save(tmp_path / "one.png")
    with pytest.warns(UserWarning, match="holds pictures and .* in its folder MNIST/raw: the pictures are read"):
        found = load_images(tmp_path)
    assert len(found) == 1 and "MNIST/raw" in found.notes[0]
    each = tmp_path / "each"
    each.mkdir()
    (x, _), _ = mnist_folder(each, names=("t10k-{}-{}-ubyte", "train-{}-{}-ubyte"))
    for file in [*each.glob("train*")]:
        file.rename(each / "moving")
        file.mkdir()
        (each / "moving").rename(file / file.name)
    with pytest.warns(UserWarning, match="holds train-images.* in its folder train-images.*: left out"):
        assert (load_images(each).images == x).all()
    (each / "labels.idx").write_bytes(b"of another program")
    with pytest.warns(UserWarning):
        assert len(load_images(each)) == len(x)


def test_labels_of_other_images_are_never_taken(tmp_path):
    (x, _), _ = mnist_folder(tmp_path, sizes=(9, 9))
    (tmp_path / "train-labels-idx1-ubyte.gz").unlink()
    for images in ("train", "t10k"):  # then with no images of those labels either
        with pytest.warns(UserWarning) as said:
            found = load_images(tmp_path)
        assert (found.images == x).all() and found.truth is None, images
        assert "not named like train-images-idx3-ubyte.gz: the images are read without labels" in str(said[0].message)
        (tmp_path / "t10k-images-idx3-ubyte.gz").unlink(missing_ok=True)


@pytest.mark.parametrize(
    ("images", "labels", "read"),  # names, the first image file is the one that is read
    [
        (("images-train", "images-test"), ("labels-train", "labels-test"), "labels-train"),
        (("images-train",), ("labels-test",), None),
        (("training-images", "test-images"), ("training-labels", "test-labels"), "training-labels"),
        (("train60k-images", "t10k-images"), ("t10k-labels", "train60k-labels"), "train60k-labels"),
        (("images",), ("train-labels",), "train-labels"),
        (("images",), ("labels", "other-labels"), "labels"),
    ],
)
def test_labels_go_with_the_images_that_are_named_like_them(tmp_path, images, labels, read):
    "In other orders of the same words, too, and all of one length, so that no count tells them apart."
    for name in images:
        (tmp_path / f"{name}.idx3-ubyte").write_bytes(idx(X[:, :, :, 0], 8))
    truth = {name: rng.permutation(20).astype(np.uint8) for name in labels}
    for name in labels:
        (tmp_path / f"{name}.idx1-ubyte").write_bytes(idx(truth[name], 8))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = load_images(tmp_path)
    assert found.truth is None if read is None else found.truth.tolist() == truth[read].tolist()


def test_packed_and_unpacked_is_one_file_and_a_damaged_set_is_said(tmp_path, recwarn):
    (x, y), (test, _) = mnist_folder(tmp_path)
    for what in ("images-idx3", "labels-idx1"):
        packed = tmp_path / f"train-{what}-ubyte.gz"
        packed.with_suffix("").write_bytes(gzip.decompress(packed.read_bytes()))
        (tmp_path / f"t10k-{what}-ubyte.gz").rename(tmp_path / f"aside-{what}")
    for aside in tmp_path.glob("aside*"):
        aside.rename(aside.with_name("." + aside.name))
    found = load_images(tmp_path)
    assert (found.images == x).all() and found.truth.tolist() == y.tolist() and not recwarn.list
    mnist_folder(tmp_path / "other")
    (tmp_path / "other" / "train-images-idx3-ubyte.gz").write_bytes(b"damaged")
    with pytest.warns(UserWarning) as said:
        assert len(load_images(tmp_path / "other")) == len(test)
    assert any("train-images-idx3-ubyte.gz" in str(w.message) and "left out" in str(w.message) for w in said)


def test_what_is_packed_too_tightly_to_be_trusted_is_said_as_it_is(tmp_path):
    "It may well be in order: a table of masks, nearly all of them black."
    path = tmp_path / "masks-idx3-ubyte.gz"
    with gzip.open(path, "wb") as f:
        f.write(struct.pack(">HBB3I", 0, 8, 3, 300_000, 28, 28))
        for _ in range(300):
            f.write(bytes(784_000))
    with pytest.raises(DataError, match=r"if it is in order, unpack it first \(gunzip\)"):
        load_images(path)


def _planes(place, description: str):
    "A TIFF of six planes whose description says something else."
    tifffile.imwrite(
        place,
        np.arange(6 * 64, dtype=np.uint8).reshape(6, 8, 8),
        photometric="minisblack",
        metadata=None,
        description=description.encode(),
    )


def _ome(planes: int) -> str:
    return (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0">'
        '<Pixels DimensionOrder="XYCZT" ID="Pixels:0" SizeC="1" SizeT="1" SizeX="8" SizeY="8" Type="uint8" '
        f'SizeZ="{planes}"><TiffData FirstZ="0" IFD="0" PlaneCount="{planes}"/></Pixels></Image></OME>'
    )


@pytest.mark.parametrize(
    "description",
    [_ome(10**6), _ome(10**9), "ImageJ=1.11a\nimages=1000000000\nslices=1000000000\n"],
    ids=["6", "9", "ij"],
)
def test_a_small_file_that_claims_a_billion_planes_is_refused_at_once(tmp_path, description):
    _planes(tmp_path / "a.ome.tif", description)
    with pytest.raises(DataError, match="it claims 1e.0[69] planes"):
        load_images(tmp_path, pages="all")


@pytest.mark.filterwarnings("ignore")
def test_planes_that_are_not_in_the_file_are_no_pictures(tmp_path):
    _planes(tmp_path / "a.ome.tif", _ome(5000))
    assert np.array_equal(load_images(tmp_path, pages="all").images, np.arange(6 * 64, dtype=np.uint8).reshape(6, 8, 8))


KEPT = {
    "a number that no file has": dict(kept=[0, 1, 2, 99]),
    "a negative number": dict(kept=[-1, 0, 1, 2]),
    "one file four times": dict(kept=[1, 1, 1, 1]),
    "another order": dict(kept=[3, 2, 1, 0]),
    "a huge number": dict(kept=[10**400] * 4),
    "text": dict(kept="0123"),
    "no list": dict(kept=3),
    "numbers with a point": dict(kept=[0.0, 1.0, 2.0, 3.0]),
}


@pytest.mark.parametrize("told", [*KEPT, "nested", "other pictures", "other numbers", "a header of brackets"])
def test_a_damaged_cache_is_made_anew(tmp_path, told):
    folder, cache = tmp_path / "photos", tmp_path / "c.npy"
    folder.mkdir()
    for i in range(4):
        Image.fromarray(np.full((6, 5), 10 * i, np.uint8)).save(folder / f"{i}.png")
    want = np.array(load_images(folder, cache=cache).images)
    beside = tmp_path / "c.npy.json"
    if told in KEPT:
        beside.write_text(json.dumps({**json.loads(beside.read_text()), **KEPT[told]}))
    elif told == "nested":
        beside.write_bytes(b"[" * 200_000)
    elif told == "a header of brackets":
        cache.write_bytes(b"\x93NUMPY\x02\x00\xff\xff\x00\x00" + b"(" * 65_535)
    else:
        np.save(cache, np.zeros((4, 3, 3), np.uint8) if told == "other pictures" else want.astype(float))
    for _ in range(2):
        found = load_images(folder, cache=cache)
        assert np.array_equal(found.images, want) and found.names == [f"{i}.png" for i in range(4)]


@pytest.mark.parametrize("lies", ["c.npy", "c.npy.json"])
@pytest.mark.parametrize("what", ["pipe", "folder", "device"])
def test_a_cache_that_is_no_plain_file_is_refused(tmp_path, lies, what):
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.new("L", (6, 6), 3).save(folder / "a.png")
    place = tmp_path / lies
    if what == "device":
        place.symlink_to("/dev/zero")
    else:
        os.mkfifo(place) if what == "pipe" else place.mkdir()
    with pytest.raises(ArgumentError, match="is no plain file"):
        load_images(folder, cache=tmp_path / "c.npy")


@pytest.mark.parametrize("kind", ["bmp", "tif", "png"])
def test_more_pixels_than_the_file_can_hold(tmp_path, kind):
    "A few bytes that claim a large picture are refused before room is made for it."
    path = tmp_path / f"x.{kind}"
    Image.new("RGB", (8, 8)).save(path)
    data = bytearray(path.read_bytes())
    if kind == "bmp":
        data[22:26] = (9_000_000).to_bytes(4, "little")
    elif kind == "png":
        data[16:24] = (9_000).to_bytes(4, "big") + (9_000).to_bytes(4, "big")
        data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    else:
        at = data.index(b"\x01\x01") if b"\x01\x01\x04" in data or b"\x01\x01\x03" in data else 0
        data[at + 2 : at + 4], data[at + 8 : at + 12] = (4).to_bytes(2, "little"), (9_000_000).to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(DataError, match="it is damaged, or cut off"):
        load_images(tmp_path)


def test_arrays_of_a_file_that_are_not_read_are_told(tmp_path, recwarn):
    x, y = np.zeros((5, 4, 4), np.uint8), np.arange(5)
    np.savez(tmp_path / "set.npz", x_train=x, y_train=y, x_test=x[:2], y_test=y[:2])
    assert load_images(tmp_path / "set.npz").truth.tolist() == [0, 1, 2, 3, 4]
    said = str(recwarn.pop(UserWarning).message)
    assert said.startswith("x_test (2, 4, 4), y_test (2,) are left out, x_train with the labels y_train were read")
    np.savez(tmp_path / "two.npz", images=x, Y=y)
    assert load_images(tmp_path / "two.npz").truth is None
    assert str(recwarn.pop(UserWarning).message).startswith("Y (5,) is left out, images was read")
    np.savez(tmp_path / "plain.npz", images=x, labels=y, latent=np.zeros((5, 2)), pred_probs=np.zeros((5, 3)))
    load_images(tmp_path / "plain.npz")
    assert not recwarn


def test_a_cache_replaces_no_file_that_is_none(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for k in range(4):
        Image.fromarray(np.full((6, 6), 60 * k, np.uint8)).save(folder / f"{k}.png")
    (tmp_path / "labels.csv").write_text("Serial,label\n0,cat\n")
    np.save(tmp_path / "mine.npy", np.zeros((4, 6, 6), np.uint8))
    for name in ("labels.csv", "mine.npy"):
        before = (tmp_path / name).read_bytes()
        with pytest.raises(ArgumentError, match="is no cache of pictures"):
            load_images(folder, cache=tmp_path / name)
        assert (tmp_path / name).read_bytes() == before
    for _ in range(2):  # made, and used again
        assert len(load_images(folder, cache=tmp_path / "cache.npy")) == 4
