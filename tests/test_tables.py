"""Tables of pictures: every origin gives the same, what is wrong is said, labels follow the pictures."""

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sessions import CONFIG

from ssvae_widgets import LabelingSession, LatentLabeler, load_images
from ssvae_widgets.cli.label import label
from ssvae_widgets.errors import ArgumentError, DataError

N = 12


def png(k: int) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.full((6, 8, 3), (20 * k, 255 - 20 * k, 7), np.uint8)).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "in").mkdir()
    for k in range(N):
        (tmp_path / "in" / f"{k:02}.png").write_bytes(png(k))
    return tmp_path


def table(**more) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "file": [f"in/{k:02}.png" for k in range(N)],
            "kind": ["cat", "dog", None] * (N // 3),
            "plate": [1, 2, 3] * (N // 3),
            "area": [None, *np.linspace(0, 9, N - 1)],
            "day": [f"2026-03-{k + 1:02}" for k in range(N)],
            "ok": [True, False, None] * (N // 3),
            "remark": [f"seen {k}" for k in range(N)],
            **more,
        }
    )


def test_every_origin_gives_the_same_pictures_and_columns(folder):
    known = table()
    known.to_csv(folder / "comma.csv", index=False)
    known.to_csv(folder / "semicolon.csv", index=False, sep=";", encoding="utf-8-sig")
    known.to_csv(folder / "tabs.tsv", index=False, sep="\t")
    known.to_parquet(folder / "t.parquet", index=False)
    held = known.assign(file=[{"bytes": png(k), "path": name} for k, name in enumerate(known["file"])])
    held.to_parquet(folder / "held.parquet", index=False)
    pil = known.assign(file=[Image.open(io.BytesIO(png(k))) for k in range(N)])
    raw = known.assign(file=[png(k) for k in range(N)])
    sources = [folder / name for name in ("comma.csv", "semicolon.csv", "tabs.tsv", "t.parquet", "held.parquet")]
    found = [load_images(source) for source in sources]
    found += [load_images(known, folder=folder), load_images(held), load_images(pil), load_images(raw)]
    pixels = np.stack([np.asarray(Image.open(io.BytesIO(png(k)))) for k in range(N)])
    first = found[0].columns
    for k, one in enumerate(found):
        assert np.array_equal(one.images, pixels), k
        assert one.names == (known["file"].tolist() if k < 7 else [f"row {r + 1}" for r in range(N)])
        assert [*one.columns] == ["kind", "plate", "area", "day", "ok", "remark"] and one.truth is None
        for name, values in one.columns.items():
            assert values.dtype == first[name].dtype, (k, name)
            np.testing.assert_array_equal(values, first[name])
    assert first["day"].tolist() == [day.to_pydatetime() for day in pd.to_datetime(known["day"])]
    assert first["ok"].tolist()[:3] == ["True", "False", None]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-16-le", "utf-32"])
@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.txt"])
def test_a_table_that_excel_saved_as_unicode_text_is_read(folder, encoding, name):
    "Its Unicode text is UTF-16 with tabs, and ends in .txt."
    known = table(kind=["größe", "猫", None] * (N // 3))
    text = known.to_csv(index=False, sep="\t", lineterminator="\r\n")
    (folder / name).write_bytes(("\ufeff" * (encoding == "utf-16-be") + text).encode(encoding))
    (folder / "utf8.csv").write_text(text, encoding="utf-8")
    found, same = load_images(folder / name), load_images(folder / "utf8.csv")
    assert np.array_equal(found.images, same.images) and found.names == same.names == known["file"].tolist()
    assert found.columns["kind"].tolist() == same.columns["kind"].tolist()
    with LabelingSession(folder / name, config=CONFIG, features=None) as session:
        assert session.n_items == N


def test_a_table_in_another_encoding_says_what_to_do(folder):
    for data in (table().to_csv(index=False).encode("utf-16")[:-1], "file,kind\nin/00.png,größe\n".encode("cp1252")):
        (folder / "t.csv").write_bytes(data)
        with pytest.raises(DataError, match="save it as “CSV UTF-8”"):
            load_images(folder / "t.csv")


def test_arrays_of_one_shape_stay_what_they_are_and_others_are_pictures():
    rng = np.random.default_rng(0)
    x = rng.random((5, 4, 6)).astype(np.float32)
    assert np.array_equal(load_images(pd.DataFrame({"x": [*x], "n": ["a"] * 5})).images, x)
    lists = pd.DataFrame({"x": [a.tolist() for a in x], "n": ["a"] * 5})
    assert np.array_equal(load_images(lists, image_column="x").images, x)
    with pytest.raises(DataError, match="no column of pictures"):
        load_images(lists)  # so small, they may be boxes
    sizes = [np.full((4, 4 + k), 50 * k, np.uint8) for k in range(3)]
    found = load_images(pd.DataFrame({"x": sizes, "n": ["a", "b", "c"]}), size=(4, 4), fit="crop")
    assert found.images[:, 0, 0].tolist() == [0, 50, 100]
    with pytest.raises(DataError, match="this one is of float64"):
        load_images(pd.DataFrame({"x": [a / 255 for a in sizes], "n": ["a", "b", "c"]}))


def test_pictures_of_the_table_are_looked_at_in_full_size():
    big = Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 600, 3)).astype(np.uint8))
    data = io.BytesIO()
    big.save(data, "PNG")
    held = pd.DataFrame(
        {"x": [{"bytes": data.getvalue(), "path": None}, {"bytes": b"none", "path": None}, big], "n": [*"abc"]}
    )
    with pytest.warns(UserWarning) as told:
        found = load_images(held, errors="skip")
    assert [str(w.message).split(":")[0] for w in told][0] == "1 pictures were skipped"
    assert (
        found.images.shape == (2, 128, 256, 3)
        and found.names == ["row 1", "row 3"]
        and found.columns["n"].tolist() == ["a", "c"]
    )
    with LabelingSession(found, config=CONFIG, features=None) as session:
        for row in (0, 1):
            assert np.array_equal(session.original(row), np.asarray(big))


def test_the_first_few(folder):
    table().to_csv(folder / "t.csv", index=False)
    few = load_images(folder / "t.csv", n=5, label_column="kind")
    assert len(few) == 5 and few.columns["plate"].tolist() == [1, 2, 3, 1, 2]
    assert few.truth.tolist() == [0, 1, -1, 0, 1] and few.class_names == ["cat", "dog"]


@pytest.mark.parametrize(
    "change, options, why",
    [
        ({"file": ["in/00.png"] * 2 + [f"in/{k:02}.png" for k in range(1, N - 1)]}, {}, "in the rows 1 and 2"),
        ({"file": ["./in/01.png", *[f"in/{k:02}.png" for k in range(1, N)]]}, {}, "in the rows 1 and 2"),
        ({"file": ["in/none.png", None, *[f"in/{k:02}.png" for k in range(2, N)]]}, {}, "2 of the 12 rows have no pic"),
        ({"mask": [f"in/{k:02}.png" for k in range(N)]}, {}, "'file' and 'mask'; say which with image_column="),
        ({"file": range(N)}, {}, "no column of pictures (it has file, kind"),
        ({}, {"image_column": "photo"}, "image_column is 'photo'; the table has file, kind"),
        ({}, {"label_column": "class"}, "label_column is 'class'"),
        ({}, {"label_column": "file"}, "holds the pictures"),
        ({}, {"label_column": "area"}, "holds no classes"),
        ({}, {"class_level": 1}, "label_column= names the column"),
        ({}, {"hue": True}, "hue is no option"),
    ],
)
def test_what_is_wrong_is_said(folder, change, options, why):
    with pytest.raises((ArgumentError, DataError)) as caught:
        load_images(table(**change), folder=folder, **options)
    assert why in str(caught.value)


@pytest.mark.parametrize("dtype", [object, "string"])
def test_cells_that_name_no_file_are_left_out(folder, dtype):
    odd = [None, "a\\b" * 200, "c/d" * 200, "~no_such_user/x.png", "e\0.png", "https://host/f.png"]
    odd += [5, "\ud800.png"] if dtype is object else []
    files = pd.Series([*odd, *(f"in/{k:02}.png" for k in range(len(odd), N))], dtype=dtype)
    said = {
        0: "names no picture",
        5: "is the address 'https://host/f.png'; expected a path on this machine: copy it",
        6: "names no picture",
        7: "half a character",
    }
    for k in range(len(odd)):
        one = [f"in/{j:02}.png" for j in range(N)]
        one[k] = files[k]
        with pytest.raises(DataError, match=said.get(k)) as caught:
            load_images(table(file=pd.Series(one, dtype=dtype)), folder=folder)
        assert f"row {k + 1} of the table" in str(caught.value) and len(str(caught.value)) < 400
    most = [*odd, *(f"in/{k:02}.png" for k in range(N))]
    with pytest.warns(UserWarning, match=f"{len(odd)} pictures were skipped"):
        found = load_images(
            pd.DataFrame({"file": pd.Series(most, dtype=dtype), "k": range(len(most))}), folder=folder, errors="skip"
        )
    assert found.names == [f"in/{k:02}.png" for k in range(N)] and found.columns["k"].tolist()[0] == len(odd)


def test_remarks_may_look_like_paths(folder):
    remarks = ["~5 mm", "~0.png", "x\\y" * 200, "x/y" * 200, *["plain"] * (N - 4)]
    found = load_images(table(remark=remarks), folder=folder)
    assert found.columns["remark"].tolist() == remarks
    (folder / "~0.png").write_bytes(png(0))
    assert load_images(pd.DataFrame({"file": ["~0.png"]}), folder=folder).names == ["~0.png"]
    with pytest.raises(DataError, match="no such home folder"):
        load_images(table(), folder="~no_such_user/x")
    with pytest.raises(FileNotFoundError):
        load_images("~no_such_user/x.csv")


def test_both_forms_of_a_path_are_one_picture(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    files = ["00.png", str(folder / "in" / "01.png"), "../in/02.png"]
    found = load_images(pd.DataFrame({"file": files}), folder=f"{folder.name}/in")
    assert found.names == ["00.png", "01.png", "02.png"]
    with pytest.raises(DataError, match="in the rows 1 and 2"):
        load_images(pd.DataFrame({"file": ["00.png", str(folder / "in" / "00.png")]}), folder=f"{folder.name}/in")


def test_damaged_files_and_tables(folder):
    (folder / "no.csv").write_text("")
    (folder / "latin.csv").write_bytes("file,größe\n".encode("latin-1"))
    (folder / "cut.parquet").write_bytes(b"PAR1")
    for name, why in (
        ("no.csv", "has no rows"),
        ("latin.csv", "no text in UTF-8"),
        ("cut.parquet", "no readable Parq"),
    ):
        with pytest.raises(DataError, match=why):
            load_images(folder / name)
    (folder / "in" / "03.png").write_bytes(png(3)[:40])
    with pytest.raises(DataError, match="03.png cannot be read"):
        load_images(table(), folder=folder)
    with pytest.warns(UserWarning, match="1 pictures were skipped"):
        found = load_images(table(), folder=folder, errors="skip")
    assert found.names == [f"in/{k:02}.png" for k in range(N) if k != 3]
    assert found.columns["remark"].tolist() == [f"seen {k}" for k in range(N) if k != 3]
    held = table(file=[png(k)[:40] if k == 5 else png(k) for k in range(N)])
    with pytest.raises(DataError, match="row 6 cannot be read as a picture"):
        load_images(held)
    with pytest.warns(UserWarning, match="1 pictures were skipped: row 6"):
        assert load_images(held, errors="skip").columns["area"].tolist()[1:5] == table()["area"].tolist()[1:5]
    with pytest.raises(ArgumentError, match="cache is an option of files"):
        load_images(held, cache="x.npy")


def test_a_frame_of_numbers_is_still_vectors():
    x = pd.DataFrame(np.random.default_rng(0).random((30, 3)), columns=[*"abc"])
    with LabelingSession(x, config=CONFIG) as session:
        assert session.images.shape == (30, 3) and session.columns == {}


def test_labels_follow_from_the_folder_to_the_table_and_through_its_changes(folder):
    place = folder / "labels.csv"
    with LabelingSession(folder, place, config=CONFIG, features=None) as session:
        session.delete_class("in") if "in" in session.classes else None
        session.add_class("bright")
        session.label([2, 7], "bright")
        assert [session.names[row] for row in (2, 7)] == ["in/02.png", "in/07.png"]
    known = table()
    known.iloc[::-1].to_csv(folder / "t.csv", index=False)
    with LabelingSession(load_images(folder / "t.csv"), place, config=CONFIG, features=None) as session:
        code = session.classes.index("bright")
        assert {session.names[row] for row in np.flatnonzero(session.codes == code)} == {"in/02.png", "in/07.png"}
        assert session.columns["remark"][session.codes == code].tolist() == ["seen 7", "seen 2"]
    held = known.assign(file=[png(k) for k in range(N)])  # no names: what is seen decides
    with LabelingSession(held, folder / "held.csv", classes=["x"], config=CONFIG, features=None) as session:
        session.label(4, "x")
    with LabelingSession(held.iloc[3:], folder / "held.csv", classes=["x"], config=CONFIG, features=None) as session:
        assert np.flatnonzero(session.codes == 0).tolist() == [1]


def test_labels_are_never_written_over_the_table(folder):
    table().to_csv(folder / "labels.csv", index=False)
    before = (folder / "labels.csv").read_bytes()
    for make in (LabelingSession, LatentLabeler):
        with pytest.raises(ArgumentError, match="the table of the images itself"):
            make(folder / "labels.csv", folder / "in" / ".." / "labels.csv")
    assert (folder / "labels.csv").read_bytes() == before and not (folder / "labels.csv.log.jsonl").exists()


def test_a_saved_session_knows_its_columns(folder):
    with LabelingSession(load_images(table(), folder=folder), config=CONFIG, features=None) as session:
        session.save(folder / "project")
        before = dict(session.columns)
    with LabelingSession.open(folder / "project") as again:
        assert [*again.columns] == [*before]
        for name, values in again.columns.items():
            np.testing.assert_array_equal(values, before[name])
        again.facets.between("day", "2026-03-03", "2026-03-04")
        assert again.facets.rows.tolist() == [2, 3]


def test_what_is_saved_again_has_the_columns_of_now(folder):
    for plate, more in ((1, {"old": range(N)}), (2, {"new": ["x"] * N})):
        with LabelingSession(load_images(table(plate=plate, **more), folder=folder), config=CONFIG, features=None) as s:
            s.save(folder / "project")
    with LabelingSession.open(folder / "project") as s:
        assert s.columns["plate"].tolist() == [2] * N and s.columns["new"].tolist() == ["x"] * N
        assert s.columns["old"].tolist() == [*range(N)] and s.names == table()["file"].tolist()


def test_one_long_remark_is_saved_as_it_is_and_old_projects_open(folder):
    long = table(remark=["ü" * 200_000, *[None] * (N - 1)])
    with LabelingSession(load_images(long, folder=folder), config=CONFIG, features=None) as session:
        session.save(folder / "project")
    file = folder / "project" / "columns.npz"
    assert file.stat().st_size < 500_000
    app = LatentLabeler.open(folder / "project")
    assert app.session.columns["remark"].tolist() == long["remark"].tolist()[:1] + [None] * (N - 1)
    app.save(folder / "project")
    app.close()
    assert file.stat().st_size < 500_000
    np.savez(  # as it was written before
        file, names=np.array([*map(str, range(N))]), **{"column kind": np.array(["a", "", "b"] * (N // 3))}
    )
    for opened in (LabelingSession.open, LatentLabeler.open):
        again = opened(folder / "project")
        session = getattr(again, "session", again)
        assert session.columns["kind"].tolist() == ["a", None, "b"] * (N // 3) and session.names[3] == "3"
        again.close()


def test_the_command_writes_a_notebook_for_a_table(folder, monkeypatch, capsys):
    table().to_csv(folder / "cells.csv", index=False)
    monkeypatch.chdir(folder)
    assert label(["cells.csv", "--no-open", "--label-column", "kind", "--image-column", "file"]) == 0
    code = (folder / "cells_labels.ipynb").read_text()
    assert "load_images('cells.csv', image_column='file', label_column='kind')" in code
    table(mask=table()["file"]).to_csv(folder / "two.csv", index=False)
    assert label(["two.csv", "--no-open"]) == 2 and "'file' and 'mask'" in capsys.readouterr().err
    table(file=[f"{k}.png" for k in range(N)]).to_csv(folder / "gone.csv", index=False)
    assert label(["gone.csv", "--no-open"]) == 2
    said = capsys.readouterr().err
    assert "or give --skip-unreadable" in said and "(--folder changes that)" in said
    table(mask=table()["file"]).to_csv(folder / "two.csv", index=False)
    assert label(["two.csv", "--no-open"]) == 2 and "say which with --image-column." in capsys.readouterr().err
    (folder / "tables").mkdir()
    table().to_csv(folder / "tables" / "cells.csv", index=False)
    assert label(["tables/cells.csv", "--no-open", "--folder", "."]) == 0
    assert "load_images('cells.csv', folder='..')" in (folder / "tables" / "cells_labels.ipynb").read_text()


def test_nothing_new_is_imported_before_it_is_used(folder):
    table().to_csv(folder / "t.csv", index=False)

    def printed(code: str) -> str:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=folder)
        return done.stdout.strip()

    heavy = "print({'pandas', 'pyarrow', 'datasets'} & {*sys.modules})"
    assert printed(f"import sys, ssvae_widgets.data.load; {heavy}") == "set()"
    read = "from ssvae_widgets import load_images; print(len(load_images('t.csv')), 'datasets' in sys.modules)"
    assert printed(f"import sys; {read}") == "12 False"


def test_a_table_without_names_of_columns_is_refused(tmp_path):
    "Its first line would be taken for names, and its first picture would be missing."
    for k in range(4):
        Image.fromarray(np.full((6, 6), 60 * k, np.uint8)).save(tmp_path / f"{k}.png")
    for line in ("{k}.png\n", "{k}.png,a\n"):
        (tmp_path / "t.csv").write_text("".join(line.format(k=k) for k in range(4)))
        with pytest.raises(DataError, match="begins with the picture '0.png'.*path,label"):
            load_images(tmp_path / "t.csv")
    (tmp_path / "t.csv").write_text("0.png.old,label\n" + "".join(f"{k}.png,a\n" for k in range(4)))
    assert len(load_images(tmp_path / "t.csv")) == 4
