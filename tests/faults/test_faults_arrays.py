"""Damaged and hostile files of images: one clear error, no pickle, no hang, no memory beyond the file."""

import gzip
import io
import json
import os
import resource
import socket
import struct
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from PIL import Image

from ssvae_widgets.data.load import load_images, read_npy, read_npz
from ssvae_widgets.data.pictures import read_picture
from ssvae_widgets.data.standard import read_idx
from ssvae_widgets.data.tables import open_table
from ssvae_widgets.errors import SSVAEWidgetsError

linux = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux limits and /dev")
X = np.random.default_rng(0).integers(0, 256, (3, 4, 5)).astype(np.uint8)
HEADERS = [
    b"(",
    b")",
    b"'",
    b"}",
    b"{",
    b"9" * 19,
    b"-1",
    b"None",
    b"True",
    b"|O",
    b"<U999999999",
    b"'descr'",
    b"\\x",
    b"0x",
    b"1j",
    b"[",
    b"[" * 400,
    b"(" * 400,
    b"-" * 900,
    b"lambda: 0",
    b"\0",
    b"\xff",
    b"#",
    b"\n",
    b"1e9",
    b"('a', '<f4')",
]


def idx(a):
    return struct.pack(">HBB", 0, 8, a.ndim) + struct.pack(f">{a.ndim}I", *a.shape) + a.tobytes()


def npy(a):
    out = io.BytesIO()
    np.save(out, a)
    return out.getvalue()


def npz(save, **arrays):
    out = io.BytesIO()
    save(out, **arrays)
    return out.getvalue()


def picture(kind):
    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (9, 7, 3)).astype(np.uint8)).save(out, kind)
    return out.getvalue()


def mutate(data: bytes, rng) -> bytes:
    "One to four wounds: bits, bytes, cuts, repetitions, numbers, and words that a header must not hold."
    data = bytearray(data)
    for _ in range(rng.integers(1, 5)):
        at = int(rng.integers(0, max(1, min(len(data), 200) if rng.random() < 0.6 else len(data))))
        how = rng.integers(0, 7)
        if how == 0 and data:
            data[at % len(data)] ^= 1 << int(rng.integers(8))
        elif how == 1:
            data[at : at + 1] = rng.bytes(int(rng.integers(1, 5)))
        elif how == 2:
            del data[at : at + int(rng.integers(1, 40))]
        elif how == 3:
            data[at:at] = data[at : at + int(rng.integers(1, 60))]
        elif how == 4:
            data[at : at + 4] = struct.pack("<I", int(rng.choice([0, 1, 0x7FFFFFFF, 0xFFFFFFFF, 0x80000000, 65536])))
        elif how == 5:
            data[at : at + int(rng.integers(0, 12))] = HEADERS[int(rng.integers(len(HEADERS)))]
        else:
            del data[at:]
    return bytes(data)


def tables():
    pd = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    for column in ([1, 2, None], ["a", None, "b"]):
        out = io.BytesIO()
        pd.DataFrame({"path": ["a.png", "b.png", "c.png"], "label": pd.Series(column)}).to_parquet(out)
        yield out.getvalue()


SEEDS = {
    "npy": (
        read_npy,
        [
            npy(X),
            npy(X.astype(">f4")),
            npy(np.asfortranarray(X)),
            npy(np.array(["a", "bc"])),
            npy(np.zeros((2, 2), [("a", "<f4"), ("b", "<i2")])),
        ],
    ),
    "npz": (
        read_npz,
        [npz(np.savez, images=X, truth=np.arange(3)), npz(np.savez_compressed, x=X, y=np.array(["a", "b", "a"]))],
    ),
    "idx": (read_idx, [idx(X), gzip.compress(idx(X)), idx(np.arange(4, dtype=np.uint8))]),
    "any": (
        load_images,
        [
            npy(X),
            npz(np.savez, images=X, labels=np.arange(3), class_names=np.array(list("abc"))),
            idx(X),
            gzip.compress(idx(X)),
        ],
    ),
    "parquet": (lambda path: open_table(path), tables),
    "picture": (read_picture, [picture(kind) for kind in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM")]),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", SEEDS)
def test_a_damaged_file_is_read_or_refused_in_one_sentence(kind, tmp_path, count):
    read, seeds = SEEDS[kind]
    seeds = list(seeds()) if callable(seeds) else seeds
    rng, refused, unclear = np.random.default_rng(7), 0, []
    path = tmp_path / {"npy": "x.npy", "parquet": "x.parquet"}.get(kind, "x")
    for trial in range(count(400, 20_000)):
        data = mutate(seeds[trial % len(seeds)], rng)
        path.write_bytes(data)
        try:
            read(path)
        except SSVAEWidgetsError as error:
            refused += 1
            if "\n" in str(error) or not 20 < len(str(error)) < 600:
                unclear.append((str(error)[:200], data[:80]))
        except BaseException as error:
            unclear.append((f"{type(error).__name__}: {error}"[:200], data[:80]))
    assert not unclear, f"{len(unclear)} unclear: {unclear[:5]}"
    assert refused > count(40, 2000)  # the wounds do hurt


def header(descr, shape):
    return f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}"


def raw_npy(text, body=b"", version=(1, 0)):
    text = text.encode("latin1") + b"\n"
    return b"\x93NUMPY" + bytes(version) + struct.pack("<H" if version[0] == 1 else "<I", len(text)) + text + body


HOSTILE = {
    "terabytes": raw_npy(header("'<f8'", (1 << 40,)), bytes(64)),
    "overflow": raw_npy(header("'<f8'", (1 << 62, 1 << 62))),
    "nothing times everything": raw_npy(header("'|u1'", (0, 10**40))),
    "objects": raw_npy(header("'|O'", (1,)), b"cos\nsystem\n(S'true'\ntR."),
    "empty type": raw_npy(header("'|S0'", (10**12,))),
    "negative": raw_npy(header("'|u1'", (-1, -64)), bytes(64)),
    "deep": raw_npy("(" * 9000),
    "long": raw_npy(header("'|u1'", (1,)) + " " * 60_000, b"x"),
    "code": raw_npy("__import__('os').system('true')"),
    "version 3": raw_npy(header("'|u1'", (1,)), b"x", (3, 0)),
    "version 9": raw_npy(header("'|u1'", (1,)), b"x", (9, 9)),
    "unicode bomb": raw_npy(header("'<U2000000000'", (1,))),
    "nested type": raw_npy(header("[('a', [('b', '|O')])]", (1,)), bytes(8)),
    "no dict": raw_npy("[1, 2]"),
    "unclosed": raw_npy("{'descr': '''"),
    "missing": raw_npy("{'descr': '|u1'}"),
    "shape of text": raw_npy(header("'|u1'", "('a',)")),
    "huge header": b"\x93NUMPY\2\0" + struct.pack("<I", 2**31) + b"{",
    "sub-arrays": raw_npy(header("('|u1', (1000000, 1000000))", (1,))),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_arrays_are_refused(name, tmp_path):
    (tmp_path / "x.npy").write_bytes(HOSTILE[name])
    with pytest.raises(SSVAEWidgetsError, match="x.npy"):
        read_npy(tmp_path / "x.npy")
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as z:
        z.writestr("images.npy", HOSTILE[name])
    with pytest.raises(SSVAEWidgetsError, match="x.npz"):
        read_npz(tmp_path / "x.npz")


READ = """
import json, resource, sys, time
from ssvae_widgets.data.load import load_images
import PIL.Image, numpy, zipfile, gzip
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
start = time.perf_counter()
try: load_images(sys.argv[1]); said = "read"
except ValueError as error: said = f"{type(error).__name__}: {error}"
memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10
print(json.dumps([said, memory, time.perf_counter() - start]))
"""


def read_alone(path, limit=None):
    "What a fresh process says, the megabytes and the seconds that it took."

    def bounded():
        if limit:
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

    done = subprocess.run(
        [sys.executable, "-c", READ, str(path)], capture_output=True, text=True, timeout=120, preexec_fn=bounded
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def zeros(f, n, piece=1 << 24):
    for _ in range(n // piece):
        f.write(bytes(piece))


@linux
@pytest.mark.parametrize("declared", [2, 400_000_000, 2**31])
def test_a_gzip_bomb_is_not_unpacked(declared, tmp_path):
    path = tmp_path / "train-images-idx3-ubyte.gz"
    with gzip.open(path, "wb", 1) as f:
        f.write(b"\0\0\x08\x03" + struct.pack(">3I", declared, 2, 2))
        zeros(f, 400 << 20)
    said, megabytes, seconds = read_alone(path)
    assert "declares shape" in said and megabytes < 200 + 3 * path.stat().st_size / 2**20, (said, megabytes)


@linux
def test_a_gzipped_file_asks_for_no_more_than_it_holds(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (2000, 28, 28)).astype(np.uint8)
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images), 1))
    said, megabytes, _ = read_alone(tmp_path, 4 << 30)  # under a limit of address space, as clusters set one
    assert said == "read" and megabytes < 60
    assert np.array_equal(load_images(tmp_path).images, images)


@linux
def test_an_archive_that_unpacks_to_gigabytes_is_not_unpacked(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as z:
        with z.open("images.npy", "w", force_zip64=True) as f:
            f.write(raw_npy(header("'|u1'", (1 << 9, 1024, 1024))))
            zeros(f, 1 << 29)
    said, megabytes, _ = read_alone(tmp_path / "x.npz")
    assert "refused" in said and megabytes < 200, (said, megabytes)
    with zipfile.ZipFile(tmp_path / "many.npz", "w") as z:
        for i in range(60_000):
            z.writestr(f"{i:060}.npy", b"")
    said, megabytes, _ = read_alone(tmp_path / "many.npz")
    assert "list of contents" in said and megabytes < 100


def test_a_tiff_that_claims_more_than_it_holds_is_refused(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    for kind, more in (("plain", {}), ("packed", dict(compression="zlib"))):
        path = tmp_path / f"{kind}.tif"
        tifffile.imwrite(path, np.zeros((8, 8), np.float64), metadata=None, **more)
        data = path.read_bytes()
        for tag in (256, 257):  # width and length
            at = data.index(struct.pack("<HH", tag, 4))
            data = data[: at + 8] + struct.pack("<I", 8000 if kind == "packed" else 100) + data[at + 12 :]
        path.write_bytes(data)
        with pytest.raises(SSVAEWidgetsError, match="claims .* bytes of pixels"):
            load_images(tmp_path)
        path.unlink()
    tifffile.imwrite(path, np.zeros((250, 250), np.uint16), compression="zlib")  # a blank one is small
    assert not load_images(tmp_path).images.any()


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n0 0 moveto\nshowpage\n%%EOF\n"


def other_formats():
    "Pictures that Pillow can read and that nobody meant."
    yield "eps", EPS
    image = Image.new("RGB", (8, 8), "red")
    for kind in (
        "ICO",
        "TGA",
        "PCX",
        "SGI",
        "DDS",
        "IM",
        "MSP",
        "SPIDER",
        "XBM",
        "JPEG2000",
        "ICNS",
        "PDF",
        "BLP",
    ):
        out = io.BytesIO()
        try:
            image.convert({"MSP": "1", "XBM": "1", "SPIDER": "F", "BLP": "P"}.get(kind, "RGB")).save(out, kind)
        except Exception:
            continue  # this Pillow cannot write it
        yield kind.lower(), out.getvalue()


@pytest.mark.parametrize("name, data", list(other_formats()), ids=lambda v: v if isinstance(v, str) else "")
def test_other_decoders_are_never_reached(name, data, tmp_path, monkeypatch):
    started = []
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **kw: started.append(a))
    monkeypatch.setattr(os, "system", lambda *a: started.append(a))
    for ending in (".png", ".jpg", ".tif"):
        (tmp_path / f"x{ending}").write_bytes(data)
        with pytest.raises(SSVAEWidgetsError, match="none of PNG, JPEG"):
            read_picture(tmp_path / f"x{ending}")
    with pytest.raises(SSVAEWidgetsError):
        load_images(tmp_path)
    assert not started


@linux
@pytest.mark.parametrize("ending", [".png", ".npy", ".npz", ".gz", "-idx3-ubyte", ".csv"])
def test_pipes_sockets_and_devices_are_no_files(ending, tmp_path):
    pipe, plug = tmp_path / f"pipe{ending}", tmp_path / f"plug{ending}"
    os.mkfifo(pipe)
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(plug))
        for path, what in ((pipe, "a named pipe"), (plug, "a socket"), ("/dev/zero", "a device")):
            with pytest.raises(SSVAEWidgetsError, match=f"{what}; expected a file"):
                load_images(path)
        link = tmp_path / f"link{ending}"
        link.symlink_to("/dev/zero")
        with pytest.raises(SSVAEWidgetsError, match="a device; expected a file"):
            load_images(link)
        Image.new("L", (4, 4), 9).save(tmp_path / "good.png")
        if ending == ".png":
            with pytest.raises(SSVAEWidgetsError, match="expected a file"):
                load_images(tmp_path)
            with pytest.warns(UserWarning, match="3 pictures were skipped"):
                assert len(load_images(tmp_path, errors="skip")) == 1
        else:
            assert len(load_images(tmp_path)) == 1
    for read in (read_npy, read_npz, read_idx, read_picture):
        with pytest.raises(SSVAEWidgetsError, match="named pipe"):
            read(pipe)
