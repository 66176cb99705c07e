"""What a disk may hold after the power failed: data that was not synced is gone, zero or torn, names that were not
synced are gone or reordered.

`Recording` notes what a process does below a folder; `states` gives, for every moment, the files that could be found.
A name (of a new file or folder, or of a renamed one)
is certain once the folder that it was put into has been synced, data once its file has been.
"""

import os
from collections.abc import Iterator
from pathlib import Path

NAMES = ("create", "mkdir", "rename", "link", "unlink")


class Recording:
    "While active, notes every call that changes something below `root`."

    def __init__(self, root):
        self.root, self.ops, self.fds, self.real = str(root), [], {}, {}
        self.ids, self.born = {}, 0  # inode -> our own number, since a system gives inodes again

    def __enter__(self):
        for name in ("open", "write", "fsync", "close", "replace", "rename", "link", "unlink", "rmdir", "mkdir"):
            self.real[name] = getattr(os, name)
            setattr(os, name, getattr(self, f"_{name}"))
        return self

    def __exit__(self, *exc):
        for name, f in self.real.items():
            setattr(os, name, f)

    def _path(self, path, dir_fd=None) -> str:
        return (
            os.path.join(os.readlink(f"/proc/self/fd/{dir_fd}"), os.fspath(path))
            if dir_fd is not None
            else os.fspath(path)
        )

    def _id(self, ino, new=False):
        if new:
            self.born += 1
            self.ids[ino] = f"new {self.born}"
        return self.ids.get(ino, ino)

    def _note(self, kind, path, *more):
        if path.startswith(self.root):
            self.ops.append((kind, self._id(os.stat(os.path.dirname(path)).st_ino), path, *more))

    def _open(self, path, flags, mode=0o777, **kw):
        there = os.path.exists(path)
        fd = self.real["open"](path, flags, mode, **kw)
        if str(path).startswith(self.root):
            ino = self._id(os.fstat(fd).st_ino, new=bool(flags & os.O_CREAT and not there))
            self.fds[fd] = ino, os.path.isdir(path)
            if flags & os.O_CREAT and not there:
                self._note("create", str(path), ino)
        return fd

    def _write(self, fd, data):
        n = self.real["write"](fd, data)
        if fd in self.fds:
            self.ops.append(("write", self.fds[fd][0], bytes(data)[:n]))
        return n

    def _fsync(self, fd):
        self.real["fsync"](fd)
        if fd in self.fds:
            self.ops.append(("syncdir" if self.fds[fd][1] else "sync", self.fds[fd][0]))

    def _close(self, fd):
        self.fds.pop(fd, None)
        return self.real["close"](fd)

    def _replace(self, a, b, **kw):
        self.real["replace"](a, b, **kw)
        self._note("rename", str(b), str(a))

    def _rename(self, a, b, **kw):
        self.real["rename"](a, b, **kw)
        self._note("rename", str(b), str(a))

    def _link(self, a, b, **kw):
        self.real["link"](a, b, **kw)
        self._note("link", str(b), str(a))

    def _unlink(self, a, dir_fd=None):
        path = self._path(a, dir_fd)
        self.real["unlink"](a, dir_fd=dir_fd)
        self._note("unlink", path)

    def _rmdir(self, a, dir_fd=None):
        path = self._path(a, dir_fd)
        self.real["rmdir"](a, dir_fd=dir_fd)
        self._note("unlink", path)

    def _mkdir(self, a, mode=0o777, dir_fd=None):
        path = self._path(a, dir_fd)
        self.real["mkdir"](a, mode, dir_fd=dir_fd)
        self._id(os.stat(path).st_ino, new=True)
        self._note("mkdir", path)


def _tree(ops, dropped) -> dict:  # path -> inode; None: a folder
    tree = {}
    for i, op in enumerate(ops):
        if op[0] not in NAMES or i in dropped:
            continue
        kind, path = op[0], op[2]
        if kind == "create":
            tree.setdefault(path, op[3])
        elif kind == "mkdir":
            tree.setdefault(path, None)
        elif kind == "link" and op[3] in tree:
            tree[path] = tree[op[3]]
        elif kind == "unlink":
            tree.pop(path, None)
        elif kind == "rename" and op[3] in tree:
            old = op[3]
            for p in [p for p in tree if p == old or p.startswith(f"{old}/")]:
                tree[path + p[len(old) :]] = tree.pop(p)
    return tree


def states(ops: list, upto: int, root: str) -> Iterator[tuple[str, dict]]:
    "What could be found if the power failed after `upto` calls: what happened, and path -> bytes (None: a folder)."
    ops = ops[:upto]
    data, durable, synced = {}, {}, {}
    for i, op in enumerate(ops):
        if op[0] == "write":
            data[op[1]] = data.get(op[1], b"") + op[2]
        elif op[0] == "sync":
            durable[op[1]] = len(data.get(op[1], b""))
        elif op[0] == "syncdir":
            synced[op[1]] = i
    loose = [i for i, op in enumerate(ops) if op[0] in NAMES and i > synced.get(op[1], -1)]

    def files(tear, dropped=()):
        tree = _tree(ops, set(dropped))
        whole = lambda p: p == root or (p in tree and tree[p] is None and whole(os.path.dirname(p)))  # noqa: E731
        return {
            p: None if ino is None else tear(data.get(ino, b""), durable.get(ino, 0))
            for p, ino in tree.items()
            if whole(os.path.dirname(p))
        }

    yield "all of it", files(lambda d, n: d)
    yield "data gone", files(lambda d, n: d[:n])
    yield "data zero", files(lambda d, n: d[:n] + bytes(len(d) - n))
    yield "data and names gone", files(lambda d, n: d[:n], loose)
    yield "names gone", files(lambda d, n: d, loose)
    for k in range(1, 4):
        yield f"last {k} names gone", files(lambda d, n: d, loose[-k:])
    for i in loose[-4:]:
        yield "one name gone alone", files(lambda d, n: d, [i])
    if ops[-1][0] == "write":
        for part in (1, 2, 4):
            yield (
                "torn",
                files(lambda d, n, part=part: d[: max(n, len(d) - len(ops[-1][2]) + len(ops[-1][2]) * part // 5)]),
            )


def build(found: dict, root: str, there: Path) -> Path:
    "Make those files in another place."
    there.mkdir(parents=True)
    for path, content in sorted(found.items()):
        to = there / os.path.relpath(path, root)
        if content is None:
            to.mkdir(parents=True, exist_ok=True)
        else:
            to.write_bytes(content)
    return there
