"""Who may read and write the files of labels: permissions, owner and access list stay, whatever is written again."""

import os
import stat
import struct

import pytest

from ssvae_widgets import LabelStore


@pytest.mark.parametrize("mode", [0o600, 0o664, 0o640])
def test_permissions_stay(tmp_path, mode):
    path = tmp_path / "labels.csv"
    with LabelStore(path, 50, classes=3) as s:
        for k in range(20):
            s.set(k, k % 3)
        s.flush()
        for file in (path, s.log_path):
            os.chmod(file, mode)
        s.compact(keep=2)
        s.set(30, 1)
        s.flush()
        path.write_text(path.read_text() + "40,1\n")
        os.utime(path, (1e9, 1e9))
        s.flush()
        assert s.codes[40] == 1
        path.unlink()
        s.set(31, 2)
        s.flush()
    LabelStore.adopt(path, 60).close()
    with LabelStore(path, 60) as s:
        s.set(55, 1)
    found = {
        p.name: stat.S_IMODE(p.stat().st_mode)
        for p in tmp_path.iterdir()
        if p.suffix in (".csv", ".jsonl") or ".backup-" in p.name
    }
    assert len(found) >= 5 and {*found.values()} == {mode}, {k: oct(v) for k, v in found.items()}
    assert stat.S_IMODE((tmp_path / "labels.csv.log.jsonl.lock").stat().st_mode) == mode  # who may label may compact


def test_copies_and_logs_written_again_stay_private(tmp_path):
    path, copy = tmp_path / "labels.csv", tmp_path / "there" / "labels.csv"
    path.write_text("Serial,label\n1,1\n")
    path.chmod(0o600)
    copy.parent.mkdir()

    def mode(p):
        return stat.S_IMODE(p.stat().st_mode)

    with LabelStore(path, 100, 3) as s:
        s.set(2, 2)
        s.flush()
        assert {mode(s.log_path), mode(path)} == {0o600}
        s.compact(keep=0)
        s.copy_to(copy)
        s.log_path.unlink()
        s.set(3, 1)
        s.flush()
        assert mode(s.log_path) == 0o600 and s.saved
        path.unlink()
        s.log_path.unlink()  # nothing to take them from
        s.set(4, 1)
        s.flush()
    for p in (*tmp_path.glob("labels.csv*"), *copy.parent.glob("labels.csv*")):
        assert p.name.endswith(".lock") or mode(p) == 0o600, p


@pytest.mark.parametrize("mode, folder", [(0o600, 0o700), (0o640, 0o750), (0o664, 0o775), (0o644, 0o755)])
def test_the_folder_of_a_session_is_for_those_who_may_use_the_labels(tmp_path, mode, folder):
    from sessions import session, trained

    path = tmp_path / "labels.csv"
    path.write_text("Serial,label\n1,1\n")
    path.chmod(mode)
    with session(path, classes=10) as s:
        s.label(range(10), 1)
        trained(s)
        assert stat.S_IMODE((tmp_path / "labels.csv.session").stat().st_mode) == folder


def test_a_folder_beside_a_file_is_of_its_group_and_may_be_entered_by_all_who_may_read(tmp_path):
    from ssvae_widgets.io.files import make_folder

    tmp_path.chmod(0o2775)
    file = tmp_path / "labels.csv"
    file.write_text("Serial,label\n")
    file.chmod(0o664)
    make_folder(tmp_path / "shared", like=file)
    assert stat.S_IMODE((tmp_path / "shared").stat().st_mode) == 0o2775

    def entries(*given):  # kind, rights, number: owner, a user, group, all but the owner at most, others
        return struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *entry) for entry in given)

    name = "system.posix_acl_access"
    try:
        os.setxattr(file, name, entries((1, 6, -1), (2, 6, 1234), (4, 4, -1), (16, 6, -1), (32, 0, -1)))
    except (AttributeError, OSError):
        pytest.skip("no access lists here")
    make_folder(tmp_path / "listed", like=file)
    right = entries((1, 7, -1), (2, 7, 1234), (4, 5, -1), (16, 7, -1), (32, 0, -1))
    assert os.getxattr(tmp_path / "listed", name) == right
    assert stat.S_IMODE((tmp_path / "listed").stat().st_mode) == 0o2770


def test_projects_and_exports_written_again_keep_their_permissions(tmp_path):
    from sessions import session

    with session(tmp_path / "labels.csv") as s:
        s.label(range(10), 1)
        for _ in range(2):
            s.save(tmp_path / "project")
            s.export(tmp_path / "out", ["labels", "folders"])
            files = [p for name in ("project", "out") for p in (tmp_path / name).rglob("*") if p.suffix != ".png"]
            for p in files:
                p.chmod(0o700 if p.is_dir() else 0o600)
        s.label(range(20), 2)
        s.save(tmp_path / "project")
        s.export(tmp_path / "out", ["labels", "folders"])
    kept = {p: oct(stat.S_IMODE(p.stat().st_mode)) for p in files if p.parent.name in ("project", "out")}
    assert {*kept.values()} == {"0o600", "0o700"}, kept


def test_the_sign_of_another_user_can_be_read_only(tmp_path, monkeypatch):
    from ssvae_widgets.io.presence import Presence

    first, real = Presence(tmp_path / "sign"), os.open

    def refused(path, flags, *mode, **kw):
        if flags & os.O_RDWR and str(path).endswith("sign"):
            raise PermissionError(13, "denied", str(path))
        return real(path, flags, *mode, **kw)

    monkeypatch.setattr(os, "open", refused)
    second = Presence(tmp_path / "sign")
    assert first.alone and not second.alone and not first.still_alone()
    second.leave()
    assert first.still_alone() and first.still_alone()
    first.leave()
    assert not (tmp_path / "sign").exists() and not first.still_alone()


@pytest.mark.skipif(not hasattr(os, "setxattr"), reason="access lists are kept in another way here")
def test_access_lists_handed_down_by_the_folder_give_nobody_more(tmp_path):
    def entry(tag, rights, who=0xFFFFFFFF):
        return struct.pack("<HHI", tag, rights, who)

    default = struct.pack("<I", 2) + entry(1, 7) + entry(2, 6, 12345) + entry(4, 5) + entry(16, 7) + entry(32, 0)
    path = tmp_path / "labels.csv"
    with LabelStore(path, 10, 3) as s:
        s.set(1, 1)
        s.flush()
        s.log_path.chmod(0o600)
        path.chmod(0o600)
        try:
            os.setxattr(tmp_path, "system.posix_acl_default", default)
        except OSError:
            pytest.skip("no access lists on this drive")
        s.set(2, 2)
        s.compact(keep=0)
        s.flush()
        for file in (path, s.log_path):
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
            with pytest.raises(OSError):
                os.getxattr(file, "system.posix_acl_access")
