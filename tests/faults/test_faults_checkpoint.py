"""C1 and C2 of the failure list: a checkpoint is the previous or the new one, whatever happens."""

import sys

import numpy as np
import pytest

from ssvae_widgets.io.checkpoint import CheckpointError, load_checkpoint, save_checkpoint

linux = pytest.mark.skipif(sys.platform != "linux", reason="needs fork and Linux limits")


@linux
def test_kill_while_writing(trials, count):
    r = trials("kill_checkpoint", trials=count(12, 200))
    assert r["kills"] == r["trials"] and r["corrupt"] == 0 and r["went_back"] == 0 and r["leftovers"] == 0


@linux
@pytest.mark.parametrize("how", ["error", "short"])
def test_every_system_call_may_fail(trials, how):
    r = trials("fail_checkpoint_at_every_call", how=how)
    assert r["damaged"] == 0 and r["failures"] >= (1 if how == "short" else 6)


@linux
def test_disk_full(tmp_path, count):
    import os
    import resource
    import signal

    path = tmp_path / "x.ckpt"
    save_checkpoint(path, {"w": np.zeros(2000)}, {"step": 0})
    old, hook = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        for limit in range(0, 15_000, count(1700, 97)):
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, old[1]))
            with pytest.raises(CheckpointError, match=r"could not be written: .*previous file is unchanged"):
                save_checkpoint(path, {"w": np.ones(2000)}, {"step": 1})
            assert load_checkpoint(path)[1] == {"step": 0} and os.listdir(tmp_path) == ["x.ckpt"]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, hook)
    save_checkpoint(path, {"w": np.ones(2000)}, {"step": 1})
    assert load_checkpoint(path)[1] == {"step": 1}
