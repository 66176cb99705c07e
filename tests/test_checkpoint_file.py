"""The checkpoint file: round trips, damage, foreign and hostile files (C3, C4, C5)."""

import hashlib
import io
import pickle
import struct
import zipfile
from pathlib import Path

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ssvae_widgets.io.checkpoint import MAGIC, CheckpointError, load_checkpoint, read_meta, save_checkpoint

FIXTURES = Path(__file__).parent / "fixtures"
TYPES = [
    "bool",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float16",
    "float32",
    "float64",
    "complex64",
    "complex128",
]
leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(),
    st.text(),
    st.binary(max_size=20),
    st.sampled_from(TYPES).flatmap(
        lambda t: hnp.arrays(t, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
    ),
)
trees = st.recursive(
    st.dictionaries(st.one_of(st.text(max_size=5), st.integers(-9, 99)), leaves, max_size=4),
    lambda t: st.dictionaries(st.text(max_size=5), t | leaves, max_size=3),
    max_leaves=12,
)


def same(a, b):
    if isinstance(a, dict):
        return isinstance(b, dict) and list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    return type(a) is type(b) and (a == b or a != a and b != b)


@settings(max_examples=150, deadline=None)
@given(tree=trees, meta=st.dictionaries(st.text(), st.one_of(st.text(), st.integers(), st.lists(st.booleans()))))
def test_round_trip_bit_for_bit(tmp_path_factory, tree, meta):
    path = tmp_path_factory.mktemp("ckpt") / "x.ckpt"
    save_checkpoint(path, tree, meta)
    arrays, back = load_checkpoint(path)
    assert same(tree, arrays) and back == meta == read_meta(path)


def test_layouts_and_types(tmp_path):
    import ml_dtypes

    big = np.arange(6, dtype=">f4").reshape(2, 3)
    tree = {
        "big": big,
        "fortran": np.asfortranarray(np.arange(6).reshape(2, 3)),
        "strided": np.arange(20)[::3],
        "reversed": np.arange(4.0)[::-1],
        "scalar": np.float32(1.5),
        "zero": np.array(7),
        "bf16": np.arange(4).astype(ml_dtypes.bfloat16),
        "nan": np.array([np.nan, -0.0, np.inf]),
    }
    save_checkpoint(tmp_path / "x.ckpt", tree)
    back, _ = load_checkpoint(tmp_path / "x.ckpt")
    for k, v in tree.items():
        assert np.array_equal(np.asarray(v, np.float64), np.asarray(back[k], np.float64), equal_nan=True) and back[
            k
        ].shape == np.shape(v), k
    assert (
        back["bf16"].dtype == ml_dtypes.bfloat16
        and back["zero"].shape == ()
        and all(v.flags.writeable for v in back.values())
    )


def test_jax_arrays_are_arrays(tmp_path):
    import jax.numpy as jnp

    save_checkpoint(tmp_path / "x.ckpt", {"w": jnp.arange(3.0), "h": jnp.ones(2, jnp.bfloat16)})
    back, _ = load_checkpoint(tmp_path / "x.ckpt")
    assert back["w"].tolist() == [0, 1, 2] and back["h"].dtype == jnp.bfloat16


@pytest.fixture
def good(tmp_path):
    save_checkpoint(
        tmp_path / "good.ckpt", {"params": {"w": np.arange(100, dtype=np.float32)}, "step": 3}, {"classes": ["a"]}
    )
    return (tmp_path / "good.ckpt").read_bytes()


def refused(tmp_path, data, **kw):
    (tmp_path / "x.ckpt").write_bytes(data)
    with pytest.raises(CheckpointError) as e:
        load_checkpoint(tmp_path / "x.ckpt", **kw)
    text = str(e.value)
    assert "x.ckpt" in text and text.endswith(".") and "\n" not in text and len(text) < 400
    return text


def test_cut_off_anywhere(tmp_path, good):
    for n in [*range(200), *range(200, len(good), 23), len(good) - 1]:
        refused(tmp_path, good[:n])
    refused(tmp_path, good + b"\0")


def test_any_flipped_bit(tmp_path, good):
    rng = np.random.default_rng(0)
    for i in [*range(160), *rng.integers(0, len(good), 200)]:
        bad = bytearray(good)
        bad[i] ^= 1 << int(rng.integers(8))
        refused(tmp_path, bytes(bad))


class Evil:
    def __reduce__(self):
        return (open, ("/tmp/ssvae-evil", "w"))


@pytest.mark.parametrize(
    "data, reason",
    [
        (pickle.dumps(Evil()), "pickle"),
        (pickle.dumps({"w": 1}, protocol=2), "pickle"),
        (b"PK\3\4" + b"x" * 99, "zip"),
        (b"\x89HDF\r\n\x1a\n" + b"x" * 99, "HDF5"),
        (b"", "empty"),
        (b"{}", "of another kind"),
        (b"\x89SSVAE\n" + b"x" * 99, "line ends"),
        (bytes(1 << 16), "of another kind"),
    ],
)
def test_foreign_files(tmp_path, data, reason):
    assert reason in refused(tmp_path, data)
    assert not Path("/tmp/ssvae-evil").exists()


def test_an_npz_is_named(tmp_path):
    out = io.BytesIO()
    np.savez(out, x=np.zeros(3))
    assert "zip" in refused(tmp_path, out.getvalue()) and zipfile.is_zipfile(io.BytesIO(out.getvalue()))


def forged(header, payload=b"", version=1, n_header=None, n_payload=None):
    "A file whose lengths and checksum are right, whatever it declares."
    raw = header if isinstance(header, bytes) else msgpack.packb(header)
    sizes = struct.pack(
        "<IQQ", version, len(raw) if n_header is None else n_header, len(payload) if n_payload is None else n_payload
    )
    return MAGIC + sizes + hashlib.sha256(sizes + raw + payload).digest() + raw + payload


def tree(**kw):
    return {"meta": "{}", "tree": {"d": [[k, v] for k, v in kw.items()]}}


@pytest.mark.parametrize(
    "header",
    [
        tree(w={"a": ["float32", [1 << 40], 4 << 40]}),
        tree(w={"a": ["float32", [1 << 61, 1 << 61], 8]}),
        tree(w={"a": ["float32", [-2], 8]}),
        tree(w={"a": ["float32", [3], 8]}),
        tree(w={"a": ["object", [1], 8]}),
        tree(w={"a": ["float32", [2], 8]}, v={"a": ["float32", [2], 8]}),
        tree(w={"a": ["V8", [1], 8]}),
        tree(w={"a": ["float32", "2", 8]}),
        tree(w={"a": ["float32", [1] * 64 + [2], 8]}),
        tree(w={"x": 1}),
        tree(w={"a": 1, "d": []}),
        tree(w={"v": [1, 2]}),
        tree(w={"v": {"a": 1}}),
        tree(w=3),
        {"meta": "[]", "tree": {"d": []}},
        {"meta": "{", "tree": {"d": []}},
        {"meta": 3, "tree": {"d": []}},
        {"tree": {"d": []}},
        [1, 2],
        b"\xc1",
        b"\xdf\xff\xff\xff\xff",
        b"\xdd\xff\xff\xff\xff",
        b"\x91" * 100_000,
        {"meta": "{}", "tree": {"d": [[1.5, {"v": 1}]]}},
        {"meta": "{}", "tree": {"d": [[["k"], {"v": 1}]]}},
        b"\xc7\x08\x01" + b"x" * 8,
    ],
    ids=range(26),
)
def test_forged_headers(tmp_path, header):
    import tracemalloc

    tracemalloc.start()
    refused(tmp_path, forged(header, b"\0" * 8))
    assert tracemalloc.get_traced_memory()[1] < 50 << 20
    tracemalloc.stop()


def test_deep_nesting_and_long_claims(tmp_path):
    node = {"v": 1}
    for _ in range(150):  # three levels each; msgpack 1.0 writes at most 511
        node = {"d": [["x", node]]}
    refused(tmp_path, forged({"meta": "{}", "tree": node}))
    refused(tmp_path, forged(tree(), n_header=1 << 40))
    refused(tmp_path, forged(tree(), n_payload=1 << 62))
    refused(tmp_path, forged(tree(), n_header=2**64 - 1, n_payload=2**64 - 1))
    assert "version 2" in refused(tmp_path, forged(tree(), version=2)) and "upgrade" in refused(
        tmp_path, forged(tree(), version=2)
    )
    refused(tmp_path, forged(tree(), version=0))
    assert "limit" in refused(tmp_path, forged(tree()), max_bytes=10)


def test_nan_weights(tmp_path):
    save_checkpoint(
        tmp_path / "x.ckpt",
        {"params": {"a": {"w": np.array([1, np.inf], np.float16)}}, "best": {"loss": np.array(np.inf)}},
    )
    with pytest.raises(CheckpointError, match="NaN or infinite values in params/a/w"):
        load_checkpoint(tmp_path / "x.ckpt", finite=("params",))
    assert load_checkpoint(tmp_path / "x.ckpt", finite=("other",))[0]["best"]["loss"] == np.inf


@pytest.mark.parametrize(
    "bad",
    [
        {"x": object()},
        {"x": [1]},
        {"x": np.array(["a"])},
        {"x": np.array([{}], object)},
        {1.5: 1},
        {True: 1},
        {"x": {("a",): 1}},
        {"x": 2**64},
        {"x": {1, 2}},
        {"x": np.array(["2020"], "M8[D]")},
    ],
)
def test_what_cannot_be_kept_is_refused_and_the_old_file_stays(tmp_path, bad):
    path = tmp_path / "x.ckpt"
    save_checkpoint(path, {"ok": 1})
    before = path.read_bytes()
    with pytest.raises(CheckpointError):
        save_checkpoint(path, bad)
    with pytest.raises(CheckpointError):
        save_checkpoint(path, {}, {"x": object()})
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 1


def test_places_that_cannot_be_written_or_read(tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "file" / "x.ckpt", tmp_path / "folder"):
        with pytest.raises(CheckpointError, match="could not be written"):
            save_checkpoint(path, {})
        with pytest.raises(CheckpointError, match="could not be read"):
            load_checkpoint(path)
    with pytest.raises(CheckpointError, match="could not be read"):
        read_meta(tmp_path / "none")
    save_checkpoint(tmp_path / "new" / "folder" / "x.ckpt", {})


def test_links_permissions_and_many_threads(tmp_path):
    import os
    import threading

    real, link = tmp_path / "real.ckpt", tmp_path / "link.ckpt"
    save_checkpoint(real, {"n": 0})
    os.chmod(real, 0o640)
    link.symlink_to(real)
    threads = [
        threading.Thread(
            target=lambda k=k: [save_checkpoint(link, {"w": np.full(5000, k)}, {"k": k}) for _ in range(10)]
        )
        for k in range(4)
    ]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    arrays, meta = load_checkpoint(real)
    assert (
        (arrays["w"] == meta["k"]).all()
        and link.is_symlink()
        and real.stat().st_mode & 0o777 == 0o640
        and len(list(tmp_path.iterdir())) == 2
    )


def test_released_formats_still_load():
    "A fixture for each format version that was ever released; never regenerate an old one."
    arrays, meta = load_checkpoint(FIXTURES / "checkpoint_v1.ckpt", finite=("params",))
    assert meta == {"classes": ["cat", "dög"], "format": "fixture of version 1", "config": {"latent_dim": 2}}
    assert (
        arrays["params"]["encoder"][0]["kernel"].tolist() == [[0, 1, 2], [3, 4, 5]]
        and arrays["params"]["encoder"][0]["kernel"].dtype == np.float32
    )
    assert (
        arrays["step"] == 12
        and arrays["key"].tolist() == [0, 42]
        and arrays["key"].dtype == np.uint32
        and arrays["opt"]["count"].shape == ()
        and arrays["raw"] == b"\0\1"
        and arrays["none"] is None
    )
