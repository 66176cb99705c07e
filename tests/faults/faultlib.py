"""Make the operating system fail: at the Nth call, with an error, a short write, or a kill."""

import builtins
import errno
import io
import os
import signal

CALLS = (
    "open",
    "write",
    "fsync",
    "replace",
    "link",
    "pread",
    "fstat",
    "stat",
    "chmod",
    "unlink",
    "close",
    "mkdir",
    "listdir",
)


class Injector:
    """While active, counts calls of `os` functions that touch files under `folder`'s process and makes number `at`
    misbehave.

    how: "error" raises OSError(code); "short" writes half (other calls raise); "kill" writes half and sends SIGKILL;
    sticky: every call from `at` on fails, until `heal()`.
    """

    def __init__(self, at, how="error", code=errno.ENOSPC, sticky=False, calls=CALLS):
        self.at, self.how, self.code, self.sticky, self.calls = (
            at,
            how,
            code,
            sticky,
            [c for c in calls if hasattr(os, c)],
        )
        self.n, self.hit, self.healed, self.real, self.where = 0, False, False, {}, None

    def __enter__(self):
        for name in self.calls:
            self.real[name] = getattr(os, name)
            setattr(os, name, self._wrap(name, self.real[name]))
        return self

    def __exit__(self, *exc):
        for name, f in self.real.items():
            setattr(os, name, f)

    def heal(self):
        self.healed = True

    def _wrap(self, name, real):
        def call(*a, **kw):
            self.n += 1
            if self.healed or not (self.n == self.at or (self.sticky and self.n > self.at)):
                return real(*a, **kw)
            if name == "close" and self.how != "kill":
                return real(*a, **kw)  # a failing close still closes
            self.hit, self.where = True, name
            if name == "write" and self.how in ("short", "kill"):
                done = real(a[0], bytes(a[1])[: len(a[1]) // 2])
            if self.how == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            if name == "write" and self.how == "short":
                return done
            raise OSError(self.code, os.strerror(self.code))

        return call


assert (
    builtins.open is io.open
)  # Path.read_bytes and friends go through io.open, which is not counted: reads of small files only
