"""Files as people have them: deep numbers, stacks, channels, photographs of a camera, folders that were split, endings
of phones; read within bounds, with a word about everything that is left out."""

import itertools
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, features

from ssvae_widgets import load_images
from ssvae_widgets.data.arrays import ByteImages, as_pictures, as_uint8, dark_range, image_shape
from ssvae_widgets.data.folders import read_folder
from ssvae_widgets.data.frames import look_at, read_numbers
from ssvae_widgets.data.load import as_image_set
from ssvae_widgets.data.pictures import fit_picture, plain_picture, plain_small_picture
from ssvae_widgets.errors import ArgumentError, DataError, SSVAEWidgetsError

rng = np.random.default_rng(0)


def said(make):
    "What a call returns, and its warnings as text."
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        return make(), [str(w.message) for w in found]


# ---------------------------------------------------------------------------------------------------- deep numbers


@pytest.mark.parametrize(
    "dtype, top",
    [("uint16", 4095), ("uint16", 65535), ("int16", 2000), ("int32", 10**6), ("float32", 3000.0), ("float64", 7.5)],
)
@pytest.mark.parametrize("ending", ["tif", "ome.tif"])
def test_numbers_of_a_camera_are_on_one_scale(dtype, top, ending, tmp_path):
    "The same number is the same gray in every file, and an empty field stays dark."
    ramp = np.linspace(0, top, 64 * 64).reshape(64, 64).astype(dtype)
    for i, part in enumerate((1, 0.5, 0.01)):
        tifffile.imwrite(tmp_path / f"{i}.{ending}", (ramp * part).astype(dtype))
    found = read_folder(tmp_path)
    scale = found.source.scales[1]
    assert found.images.shape == (3, 64, 64) and "3 pictures" in str(scale)
    want = np.clip((ramp.astype(float) - scale.low[0]) / (scale.high[0] - scale.low[0]), 0, 1) * 255
    assert np.abs(found.images[0] - want).max() <= 1
    assert 100 < found.images[1].max() < 150 and found.images[2].max() <= 5
    assert str(scale).split(" (")[0] in repr(found)


def test_black_and_white_can_be_given(tmp_path):
    for i in range(2):
        Image.fromarray(np.linspace(0, 4095, 1024).reshape(32, 32).astype(np.uint16)).save(tmp_path / f"{i}.png")
    by_hand = read_folder(tmp_path, value_range=(0, 4080))
    assert by_hand.images[0, 0, 16] == round(4095 * 16 / 1023 / 16) and by_hand.source.scales[1].high == (4080.0,)
    half = read_folder(tmp_path, percentiles=(0, 50))
    assert (half.images[0] == 255).mean() == pytest.approx(0.5, abs=0.02)
    for wrong in (dict(percentiles=(50, 1)), dict(percentiles="all"), dict(value_range=(4, 1)), dict(value_range=7)):
        with pytest.raises(ArgumentError, match="expected"):
            read_folder(tmp_path, **wrong)
    with pytest.raises(ArgumentError, match="2 pairs for 1 channels"):
        read_folder(tmp_path, value_range=[(0, 1), (0, 1)])


def test_a_hot_pixel_makes_nothing_black(tmp_path):
    for i in range(3):
        x = rng.normal(500, 50, (64, 64)).astype(np.uint16)
        x[0, 0] = 65535
        tifffile.imwrite(tmp_path / f"{i}.tif", x)
    assert 100 < np.median(read_folder(tmp_path).images) < 160


def test_bytes_and_usual_floats_keep_their_scale(tmp_path):
    dark, half = np.full((8, 8), 30, np.uint8), np.linspace(0, 0.9, 64, dtype=np.float32).reshape(8, 8)
    for name, x in (("bytes.tif", dark), ("float.tif", half), ("lzw.tif", dark)):
        if name == "lzw.tif":
            Image.fromarray(x).save(tmp_path / name, compression="tiff_lzw")
        else:
            tifffile.imwrite(tmp_path / name, x)
    got = dict(zip(*(lambda s: (s.names, s.images))(read_folder(tmp_path))))
    assert (got["bytes.tif"] == 30).all() and (got["lzw.tif"] == 30).all()
    assert np.array_equal(got["float.tif"], np.rint(half * 255))


def test_numbers_that_are_none_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.array([[1, np.nan], [2, 3]], np.float32))
    with pytest.raises(DataError, match=r"a.tif .*NaN"):
        read_folder(tmp_path)


# -------------------------------------------------------------------------------------------- channels and pages


@pytest.mark.parametrize("layout", ["planes", "last", "ome", "imagej"])
@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 7, 9])
def test_channels_are_found_chosen_and_colored(n, layout, tmp_path):
    x = rng.integers(0, 256, (n, 20, 24)).astype(np.uint8)
    path, gray = tmp_path / ("a.ome.tif" if layout == "ome" else "a.tif"), dict(photometric="minisblack")
    if layout == "planes":
        tifffile.imwrite(path, x, planarconfig="separate" if n > 1 else None, **gray)
    elif layout == "last":
        tifffile.imwrite(path, x.transpose(1, 2, 0), planarconfig="contig" if n > 1 else None, **gray)
    else:
        axes = {"axes": "CYX"}
        tifffile.imwrite(path, x, metadata=axes, imagej=layout == "imagej", **({} if layout == "imagej" else gray))
    [frame] = look_at(path)
    assert (frame.channels, frame.height, frame.width) == (n, 20, 24)
    assert np.array_equal(read_numbers(frame), x.transpose(1, 2, 0))
    whole, words = said(lambda: read_folder(tmp_path))
    assert whole.images.shape == ((1, 20, 24) if n == 1 else (1, 20, 24, 3))
    assert bool(words) == (n not in (1, 3)) and all(f"{n} channels" in w and "channels=" in w for w in words)
    for c in range(n):  # nothing is hidden: every channel can be looked at alone, as it is
        assert np.array_equal(read_folder(tmp_path, channels=c).images[0], x[c])
    if n >= 2:
        stained = read_folder(tmp_path, channels={1: "#00ff00"}).images[0]
        assert np.array_equal(stained[..., 1], x[1]) and not stained[..., [0, 2]].any()
        two = read_folder(tmp_path, channels=(1, 0)).images[0]
        assert np.array_equal(two, np.stack([x[0], x[1], x[0]], 2))
    with pytest.raises(DataError, match=rf"a.*tif .*no channel {n} "):
        read_folder(tmp_path, channels=n)


def test_every_channel_has_its_own_scale(tmp_path):
    x = np.stack([np.linspace(0, 100, 900).reshape(30, 30), np.linspace(0, 60000, 900).reshape(30, 30)])
    for i in range(2):
        tifffile.imwrite(tmp_path / f"{i}.ome.tif", x.astype(np.uint16), metadata={"axes": "CYX"})
    found = read_folder(tmp_path, channels=(0, 1))
    assert found.images[..., 1].max() == found.images[..., 0].max() == 255
    assert "channel 0 " in str(found.source.scales[2]) and "channel 1 " in str(found.source.scales[2])


def test_opacity_of_deep_colors_is_no_channel(tmp_path):
    x = rng.integers(0, 65536, (20, 20, 4)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", x, photometric="rgb", extrasamples=["unassalpha"])
    found, words = said(lambda: read_folder(tmp_path, value_range=(0, 65280)))
    assert np.abs(found.images[0].astype(int) - x[..., :3] / 256).max() <= 1 and not words


@pytest.mark.parametrize("wrong", [-1, "red", [0, 0], [0.5], list(range(8)), [], {0: "no color"}, {0: 3}], ids=str)
def test_channels_that_cannot_be(wrong, tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    with pytest.raises(ArgumentError, match="channels"):
        read_folder(tmp_path, channels=wrong)


def test_one_channel_of_photographs(tmp_path):
    x = rng.integers(0, 256, (12, 9, 3)).astype(np.uint8)
    Image.fromarray(x).save(tmp_path / "a.png")
    assert np.array_equal(read_folder(tmp_path, channels=2).images[0], x[..., 2])


@pytest.mark.parametrize("axes, pages", [("YX", 1), ("ZYX", 4), ("TZCYX", 12), ("TCYX", 3), ("QYX", 5), ("ZYXS", 2)])
def test_pages_are_counted_and_can_be_read(axes, pages, tmp_path):
    sizes = dict(T=3, Z=4, C=2, Q=5, Y=16, X=20, S=3)
    if axes == "ZYXS":
        sizes["Z"] = 2
    shape = [sizes[a] for a in axes]
    x = rng.integers(0, 255, shape).astype(np.uint8)
    meta = {} if "Q" in axes else dict(metadata={"axes": axes})
    name = "a.tif" if "Q" in axes else "a.ome.tif"
    tifffile.imwrite(tmp_path / name, x, photometric="rgb" if "S" in axes else "minisblack", **meta)
    frames = look_at(tmp_path / name)
    assert len(frames) == pages
    first, words = said(lambda: read_folder(tmp_path, channels=0))
    assert first.names == [name] and bool(words) == (pages > 1)
    if pages == 1:
        return
    assert f"{pages - 1} of {pages} pages of {name} are left out" in words[0] and "pages='all'" in words[0]
    every = read_folder(tmp_path, pages="all", channels=0)
    assert every.names == [f"{name}#{i + 1}" for i in range(pages)]
    flat = x.take(0, axis=axes.index("C")) if "C" in axes else x[..., 0] if "S" in axes else x
    assert np.array_equal(every.images, flat.reshape(-1, 16, 20))
    assert np.array_equal(read_folder(tmp_path, pages=2, channels=0).images[0], every.images[1])
    with pytest.raises(DataError, match=f"it has {pages} pages, and no page 99"):
        read_folder(tmp_path, pages=99)


def test_a_file_alone_is_all_its_pages(tmp_path):
    x = rng.integers(0, 4000, (6, 20, 20)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "stack.tif", x)
    found = load_images(tmp_path / "stack.tif")
    assert found.images.shape == (6, 20, 20) and found.names[5] == "stack.tif#6"
    assert len(load_images(tmp_path / "stack.tif", n=2)) == 2
    frames = [Image.new("L", (16, 16), 40 * i) for i in range(4)]
    frames[0].save(tmp_path / "film.gif", save_all=True, append_images=frames[1:])
    assert np.abs(load_images(tmp_path / "film.gif").images[:, 3, 3] - 40.0 * np.arange(4)).max() <= 2
    Image.new("L", (8, 8)).save(tmp_path / "one.tif")
    with pytest.raises(DataError, match="one picture"):
        load_images(tmp_path / "one.tif")


def test_pages_of_different_sizes_are_pictures_too(tmp_path):
    pages = [Image.new("L", (16, 16), 10), Image.new("L", (8, 12), 200)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    found = read_folder(tmp_path, pages="all", size=(8, 8))
    assert [int(np.median(x)) for x in found.images] == [10, 200] and found.original(1).shape == (12, 8)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_deep_files_stand_upright(orientation, tmp_path):
    x = np.arange(12, dtype=np.uint16).reshape(3, 4) * 5000
    tifffile.imwrite(tmp_path / "a.tif", x, extratags=[(274, "H", 1, orientation, True)])
    p = Image.fromarray((x // 256).astype(np.uint8))
    exif = Image.Exif()
    exif[0x0112] = orientation
    p.info["exif"] = exif.tobytes()
    want = np.asarray(plain_picture(p))
    got = read_folder(tmp_path, value_range=(0, 255 * 256)).images[0]
    assert got.shape == want.shape and np.abs(got.astype(int) - want).max() <= 1


# ------------------------------------------------------------------------------------------------ photographs


def photo(height, width, seed=0):
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3)).astype(np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


@pytest.mark.parametrize("fit", ["pad", "crop", "stretch"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_shrunk_while_reading_is_what_shrinking_after_gives(kind, orientation, fit, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo(640, 960).save(tmp_path / "a.img", kind, exif=exif, quality=95)
    with Image.open(tmp_path / "a.img") as p, Image.open(tmp_path / "a.img") as q:
        for size in ((64, 64), (40, 90), (100, 30)):
            fast = fit_picture(
                plain_small_picture(p if kind != "JPEG" else Image.open(p.filename), size, fit), size, fit
            )
            slow = fit_picture(plain_picture(q), size, fit)
            assert fast.size == slow.size
            assert np.abs(np.asarray(fast, float) - np.asarray(slow, float)).mean() < 3


@pytest.mark.parametrize("mode", ["L", "RGB", "P", "PA", "LA", "RGBA", "CMYK", "1", "YCbCr", "I;16", "HSV", "LAB"])
@pytest.mark.parametrize("size", [None, (30, 40)])
def test_every_mode_is_right_at_every_size(mode, size, tmp_path):
    "Compared with the picture of plain RGB or gray that Pillow makes of it."
    base = photo(120, 160)
    if mode == "I;16":
        p = Image.fromarray(np.asarray(base.convert("L")).astype(np.uint16) * 256)
    elif mode in ("PA", "LAB"):
        p = Image.new(mode, (160, 120), (0, 0) if mode == "PA" else (200, 128, 128))
    else:
        p = base.convert(mode)
    name = tmp_path / ("a.tif" if mode in ("CMYK", "YCbCr", "LAB") else "a.png")
    try:
        p.save(name)
        with Image.open(name) as q:
            q.load()  # before 13 Pillow cannot read its own YCbCr in TIFF
    except (OSError, KeyError, ValueError):
        pytest.skip("no file can hold it")
    found = read_folder(tmp_path, size=size, value_range=(0, 65280) if mode == "I;16" else None)
    with Image.open(name) as q:
        want = plain_picture(q) if mode != "I;16" else base.convert("L")
    want = np.asarray(fit_picture(want, size or (120, 160)).convert("RGB"), float)
    got = np.asarray(Image.fromarray(found.images[0]).convert("RGB"), float)
    assert np.abs(got - want).mean() < (8 if mode == "1" else 2)  # dithered


def test_transparency_lies_on_white_in_full_size_too(tmp_path):
    Image.new("RGBA", (600, 400), (0, 0, 0, 0)).save(tmp_path / "a.png")
    found, words = said(lambda: load_images(tmp_path))
    assert (found.images == 255).all() and (found.original(0) == 255).all() and found.original(0).shape == (400, 600, 3)
    assert "400x600 pixels are kept at 171x256" in words[0] and "size=" in words[0]


def test_the_file_itself_is_shown_in_full_size(tmp_path):
    for name in ("a/1.jpg", "b/2.jpg"):
        (tmp_path / name).parent.mkdir()
        photo(300, 500, len(name)).save(tmp_path / name, quality=95)
    found = load_images(tmp_path, size=(32, 32))
    assert found.original(1).shape == (300, 500, 3) and found.files == [str(tmp_path / n) for n in found.names]
    whole = as_image_set(found)
    assert whole.original(0).shape == (300, 500, 3)  # passes through every door
    assert load_images(tmp_path, size=(32, 32), n=1).files == found.files[:1]
    for row in (2, -1, "a"):
        with pytest.raises(SSVAEWidgetsError):
            found.original(row)
    os.remove(tmp_path / "b/2.jpg")
    with pytest.raises(DataError, match=r"2.jpg cannot be read"):
        found.original(1)
    assert as_image_set(np.zeros((2, 4, 4), np.uint8)).original(1).shape == (4, 4)


def test_a_list_of_files_is_read_like_a_folder(tmp_path):
    for i in range(5):
        photo(300, 400, i).save(tmp_path / f"{i}.jpg")
    folder, _ = said(lambda: load_images(tmp_path))
    found, words = said(lambda: as_image_set([tmp_path / f"{i}.jpg" for i in range(5)]))
    assert np.array_equal(found.images, folder.images) and found.original(4).shape == (300, 400, 3) and words
    assert found.names == folder.files


# ------------------------------------------------------------------------------------------------- left out, named

WRITABLE = {".jfif": "JPEG", ".jpe": "JPEG", ".JPG": "JPEG", ".avif": "AVIF", ".webp": "WEBP", ".pgm": "PPM"}


@pytest.mark.parametrize("ending", WRITABLE)
def test_endings_of_phones_and_browsers_are_read(ending, tmp_path):
    if ending == ".avif" and not features.check("avif"):
        pytest.skip("this Pillow reads no AVIF")
    Image.new("L", (8, 8), 77).save(tmp_path / f"a{ending}", WRITABLE[ending])
    assert abs(int(load_images(tmp_path).images.mean()) - 77) <= 3


@pytest.mark.parametrize("ending", [".jp2", ".psd", ".dcm", ".nef", ".svs", ".mp4", ".CZI"])
def test_kinds_that_are_not_read_are_counted_and_named(ending, tmp_path):
    for name in ("b", "c"):
        (tmp_path / f"{name}{ending}").write_bytes(b"x")
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(DataError, match=rf"no pictures that can be read: 2 files are left out: 2 {ending.lower()}"):
        load_images(tmp_path)
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    found, words = said(lambda: load_images(tmp_path))
    assert found.names == ["a.png"] and len(words) == 1
    assert f"2 {ending.lower()} (such as b{ending})" in words[0] and list(found.notes) == words


@pytest.mark.parametrize("ending, package", [(".heic", "heic"), (".HEIF", "heic"), (".fits", "astronomy")])
def test_a_missing_package_is_named(ending, package, tmp_path, monkeypatch):
    import importlib.util

    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda n: None if n in ("pillow_heif", "astropy") else real(n))
    (tmp_path / f"f{ending}").write_bytes(b"x")
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    found, words = said(lambda: load_images(tmp_path))
    assert len(found) == 1 and f"pip install 'ssvae_widgets[{package}]'" in words[0]


def test_heic(tmp_path):
    heif = pytest.importorskip("pillow_heif")
    heif.register_heif_opener()
    photo(60, 80).save(tmp_path / "a.heic", quality=95)
    assert load_images(tmp_path).images.shape == (1, 60, 80, 3)


def test_fits(tmp_path):
    fits = pytest.importorskip("astropy.io.fits")
    x = rng.normal(1000, 50, (3, 20, 30)).astype(np.float32)
    x[0, 0, 0] = np.nan  # a dead pixel
    fits.writeto(tmp_path / "a.fits", x)
    cube = load_images(tmp_path / "a.fits", percentiles=(0, 100))
    assert cube.images.shape == (3, 20, 30) and cube.images[0, -1, 0] == 0  # counted from the lower left
    low, high = np.nanmin(x), np.nanmax(x)
    want = np.rint((x[1, ::-1] - low) / (high - low) * 255)
    assert np.abs(cube.images[1] - want).max() <= 1


def test_a_folder_that_holds_all_others_is_no_class_and_hides_no_split(tmp_path):
    for top, inner in itertools.product(("train", "val"), ("cat", "dog")):
        (tmp_path / "photos" / top / inner).mkdir(parents=True)
        Image.new("L", (8, 8)).save(tmp_path / "photos" / top / inner / "1.png")
    found, words = said(lambda: load_images(tmp_path))
    assert found.class_names == ["train", "val"] and "class_level=2 takes those inside (cat, dog)" in words[0]
    assert said(lambda: load_images(tmp_path, class_level=2))[0].class_names == ["cat", "dog"]
    found, words = said(lambda: load_images(tmp_path / "photos" / "train"))
    assert found.class_names == ["cat", "dog"] and not words


def test_a_level_that_was_asked_for_is_taken(tmp_path):
    for plate in ("plate0", "plate1"):
        (tmp_path / "2023" / "red" / plate).mkdir(parents=True)
        Image.new("L", (8, 8)).save(tmp_path / "2023" / "red" / plate / "1.png")
    assert load_images(tmp_path, class_level=1).class_names == ["red"]
    assert load_images(tmp_path).class_names == ["plate0", "plate1"]


@pytest.mark.parametrize("tops", [("train", "val"), ("Train", "Test"), ("training", "validation", "test")])
def test_folders_of_a_split_are_explained(tops, tmp_path):
    for top, inner in itertools.product(tops, ("cat", "dog")):
        (tmp_path / top / inner).mkdir(parents=True)
        Image.new("L", (8, 8)).save(tmp_path / top / inner / f"{top}.png")
    found, words = said(lambda: load_images(tmp_path))
    assert found.class_names == sorted(tops) and len(words) == 1
    assert f"The folders {', '.join(sorted(tops))} look like parts of a split" in words[0]
    assert "class_level=1 takes those inside (cat, dog)" in words[0] and "class_level=None" in words[0]
    for level in (1, -1):
        inner, words = said(lambda level=level: load_images(tmp_path, class_level=level))
        assert inner.class_names == ["cat", "dog"] and not words
        assert [inner.class_names[c] for c in inner.truth] == [Path(n).parts[1] for n in inner.names]
    assert said(lambda: load_images(tmp_path, class_level=None))[0].truth is None
    with pytest.raises(ArgumentError, match="class_level"):
        load_images(tmp_path, class_level="inner")


# --------------------------------------------------------------------------------------------------- within bounds


def test_photographs_of_twelve_megapixels_take_little_memory(tmp_path):
    "Sixty are 2.2 GB when they are unpacked."
    photo(3000, 4000).save(tmp_path / "0.jpg", quality=60)
    for i in range(1, 60):
        os.link(tmp_path / "0.jpg", tmp_path / f"{i}.jpg")
    if not Path("/proc/self/status").exists():
        pytest.skip("no way to measure here")
    code = (
        "import sys, warnings; from ssvae_widgets import load_images; warnings.simplefilter('ignore')\n"
        "def top(): return int(open('/proc/self/status').read().split('VmHWM:')[1].split()[0]) / 1e6\n"
        "before = top(); x = load_images(sys.argv[1], progress=False).images; print(top() - before, *x.shape)"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True)
    grown, *shape = done.stdout.split()
    assert shape == ["60", "192", "256", "3"] and float(grown) < 0.25, done.stdout


def test_the_order_is_kept_and_threads_change_nothing(tmp_path, monkeypatch):
    for i in range(40):
        Image.new("L", (8 + i, 8), i * 5).save(tmp_path / f"{i:02}.png")
    one = read_folder(tmp_path, size=(8, 8))
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    many = read_folder(tmp_path, size=(8, 8))
    assert np.array_equal(one.images, many.images) and one.images[:, 0, 0].tolist() == [i * 5 for i in range(40)]


def test_damaged_files_leave_no_gap(tmp_path):
    for i in range(20):
        x = rng.integers(0, 256, (16, 16, 3)).astype(np.uint8)
        x[0, 0] = i
        Image.fromarray(x).save(tmp_path / f"{i:02}.png")
    for i in (3, 11):  # the header is fine
        path = tmp_path / f"{i:02}.png"
        path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(DataError, match=r"03.png cannot be read .* errors='skip'"):
        load_images(tmp_path)
    for cache in (None, tmp_path / "array.npy"):
        for _ in range(2):  # from the cache, the second time
            found, words = said(lambda cache=cache: load_images(tmp_path, errors="skip", cache=cache))
            assert found.images[:, 0, 0, 0].tolist() == [i for i in range(20) if i not in (3, 11)]
            assert "2 pictures were skipped" in words[0] and len(found.names) == len(found.files) == 18
            assert np.array_equal(found.original(3), found.images[3]) and found.names[3] == "04.png"


def test_the_kept_array_follows_its_files(tmp_path):
    (tmp_path / "p").mkdir()
    for i in range(3):
        Image.new("L", (8, 8), i).save(tmp_path / "p" / f"{i}.png")
    told = []

    def load(**more):
        told.clear()
        return load_images(tmp_path / "p", cache=tmp_path / "a.npy", progress=lambda *n: told.append(n), **more)

    first = load()
    assert isinstance(first.images, np.memmap) and not first.images.flags.writeable and told[-1] == (3, 3)
    assert np.array_equal(load().images, first.images) and told == []
    load(size=(4, 4))
    assert told
    assert load().images.shape == (3, 8, 8) and told
    Image.new("L", (8, 8), 200).save(tmp_path / "p" / "1.png")
    assert load().images[1, 0, 0] == 200 and told
    (tmp_path / "a.npy").write_bytes(b"damaged")
    assert load().images[1, 0, 0] == 200 and told
    Image.new("L", (8, 8), 9).save(tmp_path / "p" / "3.png")
    assert len(load()) == 4
    with pytest.raises(RuntimeError, match="enough"):  # a crash in the middle
        load_images(tmp_path / "p", size=(5, 5), cache=tmp_path / "a.npy", progress=_stop)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.npy", "a.npy.json", "p"] and len(load()) == 4 and not told


def _stop(done, total):
    if done == 2:
        raise RuntimeError("enough")


# ---------------------------------------------------------------------------------------------------------- arrays


@pytest.mark.parametrize("c", range(1, 17))
@pytest.mark.parametrize("height, width", [(28, 28), (32, 32), (64, 64), (40, 100), (100, 40)])
def test_channels_first_are_refused(c, height, width):
    if 2 * c > min(height, width) and c not in (1, 3):
        pytest.skip("as high as wide: no way to tell")
    with pytest.raises(DataError, match=r"channels first.*transpose\(0, 2, 3, 1\)"):
        image_shape(np.zeros((2, c, height, width), np.uint8))
    if c <= 16:
        assert image_shape(np.zeros((2, height, width, c), np.uint8)) == (height, width, c)


@pytest.mark.parametrize("shape", [(8, 8, 64), (16, 16, 200), (12, 6, 5), (28, 28, 4), (5, 64, 3), (64, 64, 31)])
def test_channels_last_of_any_number_are_taken(shape):
    assert image_shape(np.zeros((2, *shape), np.uint8)) == shape


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int64", "float32", "float64"])
@pytest.mark.parametrize("top", [1, 3, 9, 16])
def test_data_sets_that_go_no_higher_than_sixteen_are_stretched(dtype, top):
    x = (np.arange(30 * 64).reshape(30, 8, 8) % (top + 1)).astype(dtype)
    given = x.copy()
    shown, words = said(lambda: as_pictures(x))
    told = not (top == 1 and dtype != "uint8")  # floats and wide integers of 0 and 1 are a usual scale
    assert bool(words) == told and all(f"no higher than {top}" in w for w in words)
    want = np.rint(np.float64(given) * 255 / top)
    assert isinstance(shown, ByteImages) and np.abs(shown[:] - want).max() <= 1 and np.array_equal(x, given)
    assert np.abs(said(lambda: as_uint8(x))[0] - want).max() <= 1
    assert np.array_equal(as_uint8(x[:4], shown.value_range), shown[:4])  # some of them are on the same scale


@pytest.mark.parametrize("x", [np.arange(64), np.arange(64) + 20, np.zeros(64), np.full(64, 9)], ids=str)
def test_other_bytes_are_left_alone(x):
    x = x.reshape(1, 8, 8).astype(np.uint8)
    assert dark_range(x) is None and as_uint8(x) is x and as_pictures(x) is x


def test_a_few_dark_images_of_a_data_set_are_never_stretched():
    x = np.zeros((10, 8, 8), np.uint8)
    x[0, 0, 0], x[1:, 0, 0] = 255, 3
    assert as_uint8(x[3:4], None).max() == 3


@pytest.mark.parametrize("y", [np.arange(6) % 3, np.array(list("aabbcc")), np.array([0, 1, -1] * 2)], ids=str)
def test_labels_without_a_name_are_read(y, tmp_path):
    x = rng.integers(0, 256, (6, 8, 8)).astype(np.uint8)
    np.savez(tmp_path / "a.npz", x, y)
    found, words = said(lambda: load_images(tmp_path / "a.npz"))
    assert not words
    named = found.class_names or [str(k) for k in range(3)]
    assert [named[c] if c >= 0 else "-1" for c in found.truth] == [str(v) for v in y]


@pytest.mark.parametrize("more", [np.zeros((6, 3)), np.zeros(5, int), np.linspace(0, 1, 6)], ids=str)
def test_what_is_no_label_is_said_to_be_left_out(more, tmp_path):
    x = rng.integers(0, 256, (6, 8, 8)).astype(np.uint8)
    np.savez(tmp_path / "a.npz", x, more)
    found, words = said(lambda: load_images(tmp_path / "a.npz"))
    assert found.truth is None and "arr_1" in words[0] and "left out" in words[0]
