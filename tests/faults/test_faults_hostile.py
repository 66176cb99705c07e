"""C of the failure list: checkpoints, files of the viewer and records that were damaged or made to do harm end in one
clear error.

Damage is done below the checksum: lengths and checksum are right again afterwards, so that what reads them meets it.
"""

import copy
import io
import json
import math
import zipfile

import numpy as np
import pytest

from ssvae_widgets.config import SSVAEConfig
from ssvae_widgets.errors import SSVAEWidgetsError
from ssvae_widgets.experiments import is_record, make_run, read_record, run_key
from ssvae_widgets.io.checkpoint import CheckpointError, load_checkpoint, read_meta, save_checkpoint
from ssvae_widgets.model.ssvae import SSVAE

ODD = [
    None,
    True,
    False,
    0,
    -1,
    1,
    3,
    2**31,
    10**15,
    10**400,
    0.5,
    -0.0,
    math.nan,
    math.inf,
    "",
    "x",
    "\ud800",
    "１",
    [],
    [1],
    [[]],
    {},
    {"a": 1},
    "dense",
    "conv",
    [8],
    [10**9],
    ["a"] * 3,
    [1, 2, 3],
]
ARRAYS = [
    np.zeros(0, np.float32),
    np.zeros((), np.float32),
    np.float32(np.nan),
    np.zeros((3, 3), np.float32),
    np.zeros((2**20, 0)),
    np.arange(3),
    np.full(4, np.inf),
    np.ones((2, 2, 2), bool),
    np.int64(-5),
    np.uint64(2**63),
]


def places(tree, at=()):
    "Paths of everything in nested dictionaries and lists."
    yield at
    for k, v in tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ():
        yield from places(v, (*at, k))


def damaged(tree: dict, rng, odd: list) -> dict:
    "A copy with one to three things replaced, removed, added or exchanged."
    tree = copy.deepcopy(tree)
    for _ in range(rng.integers(1, 4)):
        all_places = [p for p in places(tree) if p]
        if not all_places:
            break
        *inside, key = all_places[rng.integers(len(all_places))]
        box = tree
        for k in inside:
            box = box[k]
        what = rng.integers(5)
        if what == 0 and isinstance(box, dict):
            del box[key]
        elif what == 1 and isinstance(box, dict):
            box[f"{key}x"] = box.pop(key)
        elif what == 2 and isinstance(box[key], int | float) and not isinstance(box[key], bool):
            box[key] = box[key] * int(rng.integers(-3, 10**6)) + 1
        else:
            box[key] = copy.deepcopy(odd[rng.integers(len(odd))])
    return tree


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    "A small trained model with a map and an opinion, and its parts."
    from ssvae_widgets.model.trainer import InteractiveTrainer

    config = SSVAEConfig(
        latent_dim=3, encoder_type="dense", hidden_dims=(8,), batch_size=32, augmentation="none", use_contrastive=False
    )
    images, codes = np.random.default_rng(0).random((60, 5, 5)), np.arange(60) % 3
    vae = SSVAE((5, 5), config, ["a", "b", "c"])
    InteractiveTrainer(vae, callbacks=None).train_epochs(2, images, np.where(np.arange(60) < 12, codes, -1))
    vae.get_map(images)
    path = tmp_path_factory.mktemp("good") / "m.ckpt"
    vae.save(path)
    return path, *load_checkpoint(path), images


def test_a_checkpoint_opens_or_says_why(good, tmp_path, count):
    path, (_, arrays, meta, images) = tmp_path / "x.ckpt", good
    rng, opened = np.random.default_rng(1), 0
    for i in range(count(150, 40_000)):
        facts, parts = meta, arrays
        if i % 2:
            facts = damaged(meta, rng, ODD)
        else:
            parts = damaged(
                arrays,
                rng,
                [
                    *ARRAYS,
                    *[
                        v
                        for v in ODD
                        if isinstance(v, str | dict | int | float | type(None)) and v != 10**400 and v != "\ud800"
                    ],
                ],
            )
        try:
            save_checkpoint(path, parts, facts)
        except CheckpointError:
            continue
        try:
            vae = SSVAE.from_checkpoint(path)
        except CheckpointError as e:
            assert "x.ckpt" in str(e) and "\n" not in str(e) and len(str(e)) < 600
            continue
        opened += 1
        assert len(vae.history["epoch"]) >= 0 and repr(vae)
        try:
            assert np.isfinite(vae.predict_proba(images)).all()
        except SSVAEWidgetsError as e:
            assert "expected" in str(e)  # a range of pixel values that these images do not have
    assert opened > 0


def test_bytes_of_a_checkpoint(good, tmp_path, count):
    "Cuts, flips, zeros and insertions anywhere, the checksum as it was or right again."
    import hashlib
    import struct

    data, path, rng = good[0].read_bytes(), tmp_path / "x.ckpt", np.random.default_rng(2)
    for i in range(count(300, 30_000)):
        raw = bytearray(data)
        for _ in range(rng.integers(1, 4)):
            at, n = (
                int(rng.integers(len(raw))) if rng.random() < 0.3 else int(rng.integers(min(2000, len(raw)))),
                int(rng.integers(1, 9)),
            )
            raw[at : at + (n if rng.random() < 0.8 else 0)] = [
                b"",
                bytes(n),
                rng.bytes(n),
                b"\xdd\xff\xff\xff\xff",
                b"[" * 50,
            ][rng.integers(5)]
        if i % 2 and len(raw) > 60:
            n_header = min(struct.unpack("<Q", data[12:20])[0], len(raw) - 60)
            sizes = struct.pack("<IQQ", 1, n_header, len(raw) - 60 - n_header)
            raw[:60] = data[:8] + sizes + hashlib.sha256(sizes + raw[60:]).digest()
        path.write_bytes(raw)
        for read in (load_checkpoint, read_meta, SSVAE.from_checkpoint):
            try:
                read(path)
            except CheckpointError as e:
                assert "x.ckpt" in str(e) and "\n" not in str(e) and len(str(e)) < 600


def viewer_arrays(n=12):
    rng = np.random.default_rng(0)
    return dict(
        input=rng.random((n, 4, 4)).astype(np.float32),
        latent=rng.normal(size=(n, 2)).astype(np.float32),
        tsne=rng.normal(size=(n, 2)).astype(np.float32),
        reconstructed=rng.random((n, 4, 4)).astype(np.float32),
        labels=np.r_[np.nan, np.arange(n - 1) % 3],
        pred_classes=np.arange(n) % 3,
        pred_certainty=np.full(n, 0.5),
        pred_probs=np.full((n, 3), 1 / 3),
        class_names=np.array(["a", "b", "c"]),
        names=np.array([f"{i}.png" for i in range(n)]),
    )


def test_files_of_the_viewer(tmp_path, count):
    from ssvae_widgets.cli.viewer import StoredSession, read_latent

    path, arrays, rng, opened = tmp_path / "x.npz", viewer_arrays(), np.random.default_rng(3), 0
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    data = buffer.getvalue()
    odd = [
        np.zeros(0),
        np.zeros(()),
        np.zeros((12, 2)),
        np.full(12, np.nan),
        np.full(12, -1),
        np.full(12, 10**9),
        np.array(["x"] * 12),
        np.zeros((12, 0)),
        np.zeros((12, 4, 4), complex),
        np.full((12, 2), np.inf),
        np.array(["a", "a"]),
        np.full(12, 1.5),
    ]
    for i in range(count(200, 30_000)):
        if i % 2:
            some = dict(arrays)
            for _ in range(rng.integers(1, 3)):
                key = list(some)[rng.integers(len(some))]
                if rng.random() < 0.3:
                    some.pop(key)
                else:
                    some[key] = odd[rng.integers(len(odd))]
            np.savez(path, **some) if some else path.write_bytes(b"")
        else:
            raw = bytearray(data)
            with zipfile.ZipFile(io.BytesIO(data)) as z:
                member = z.infolist()[rng.integers(len(arrays))]
            at = (member.header_offset if rng.random() < 0.7 else max(0, len(raw) - 900)) + int(rng.integers(200))
            raw[at : at + int(rng.integers(1, 9))] = rng.bytes(int(rng.integers(0, 9)))
            path.write_bytes(raw)
        try:
            found = read_latent(path)
        except ValueError as e:
            assert "x.npz" in str(e) and len(str(e)) < 600
            continue
        opened += 1
        if i % 20:
            continue
        try:
            StoredSession(found).close()
        except ValueError as e:
            assert len(str(e)) > 10
    assert opened > 0


def test_records_of_experiments(tmp_path, count):
    run = make_run("digits", SSVAEConfig().to_dict(), "dense", "random", 10, 0)
    record = dict(
        key=run_key(run),
        run=run,
        labels=[1, 2, 3],
        accuracy=0.5,
        low=0.4,
        high=0.6,
        right=5,
        tested=10,
        images=20,
        seconds=1.0,
        cpu_seconds=1.0,
        last={},
        data={"sample_hash": "x"},
        environment={},
    )
    assert is_record(record)
    from ssvae_widgets.results import as_rows, summarize, to_csv

    path, rng, read = tmp_path / "x.json", np.random.default_rng(4), 0
    for i in range(count(400, 30_000)):
        changed = damaged(record, rng, ODD)
        if isinstance(changed.get("run"), dict) and rng.random() < 0.7:
            try:
                changed["key"] = run_key(changed["run"])
            except (ValueError, TypeError):
                pass
        text = json.dumps(changed)
        if i % 5 == 0:
            at = int(rng.integers(len(text)))
            text = (
                text[:at]
                + ["", "[" * 100_000, "}", "\x00", "9" * 5000][rng.integers(5)]
                + text[at + int(rng.integers(9)) :]
            )
        path.write_text(text)
        if (found := read_record(path)) is None:
            continue
        read += 1
        to_csv(summarize(as_rows([found, record])))
    assert read > 0
