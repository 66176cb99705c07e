"""A session ends once, whatever fails, compiles or is asked of it meanwhile, and Python ends with it."""

import subprocess
import sys
import threading

import numpy as np
import pytest
from sessions import session, trained

from ssvae_widgets import LabelingSession
from ssvae_widgets.errors import ClosedError, SSVAEWidgetsError


def test_close_can_fail_and_be_interrupted(tmp_path):
    s = session(tmp_path / "l.csv")
    s.label(1, 1)
    with pytest.raises(TypeError, match="JSON"):
        s.keep_view(sel=np.int64(3))

    def interrupted(timeout):
        raise KeyboardInterrupt

    close, s.jobs.close = s.jobs.close, interrupted
    with pytest.raises(KeyboardInterrupt):
        s.close()
    close()
    assert s.store.closed and not s.folder.mine
    with session(tmp_path / "l.csv") as again:
        assert again.codes[1] == 1
    (tmp_path / "l.csv.session").mkdir(exist_ok=True)
    with session(tmp_path / "l.csv") as again:
        again.next()
        again.close()
        state = tmp_path / "l.csv.session" / "state.json"
        state.write_text(state.read_text().replace('"queue": {', '"queue": [], "other": {'))
    with session(tmp_path / "l.csv") as again:
        assert again.codes[1] == 1


def test_closing_does_not_wait_for_programs_that_compile(monkeypatch):
    import ssvae_widgets.model.trainer as module

    began, gate = threading.Event(), threading.Event()
    monkeypatch.setattr(module, "compile_epoch", lambda *a: (began.set(), gate.wait(60)))
    s = LabelingSession(np.random.default_rng(0).random((30, 6, 6)).astype(np.float32), None, classes=3)
    try:
        s.prepare()
        assert began.wait(60) and s.wait(60)
        s.close(timeout=60)
        assert s.network.warming.is_alive() and not gate.is_set()
    finally:
        gate.set()
    s.network.warming.join(60)
    assert not s.network.warming.is_alive()


def test_a_closed_session_raises_one_family_of_errors(tmp_path):
    s = session(tmp_path / "labels.csv")
    s.label([1], 2)
    trained(s)
    s.close()
    for ask in (
        lambda: s.label(3, 1),
        lambda: s.accept(3),
        lambda: s.clear(1),
        s.undo,
        s.redo,
        s.train,
        s.snapshot,
        lambda: s.save(tmp_path),
    ):
        with pytest.raises(ClosedError, match="is closed") as raised:
            ask()
        assert isinstance(raised.value, SSVAEWidgetsError) and isinstance(raised.value, RuntimeError)
    with session(tmp_path / "labels.csv") as again:
        assert again.codes[1] == 2 and len(again.rounds) == 2


def test_a_subscriber_that_opens_the_labels_again_leaves_one_session_alive(tmp_path):
    made = []
    one = session(tmp_path / "l.csv")
    one.subscribe(lambda event: event["type"] == "closed" and made.append(session(tmp_path / "l.csv")))
    two = session(tmp_path / "l.csv")
    assert not made and one.closed and not two.closed and [type(e) for e in one.events.errors] == [ClosedError]
    two.label([1], 2)
    one.label([2], 3)
    assert two.codes[[1, 2]].tolist() == [2, 3] and two.folder.claim()
    two.subscribe(lambda event: event["type"] == "closed" and made.append(session(tmp_path / "l.csv")))
    two.close()
    assert [s.closed for s in made] == [False] and made[0].codes[[1, 2]].tolist() == [2, 3]
    made[0].close()


@pytest.mark.parametrize(
    "ending", ["", "s.wait()", "s.close(timeout=0)", "s.wait(); s.train(50)", "s.train(3); s.close()"]
)
def test_python_ends_cleanly_at_any_moment(ending):
    "A thread that compiles or trains when the interpreter ends must neither abort nor hang it."
    code = (
        "from ssvae_widgets import LabelingSession, SSVAEConfig, load_digits\n"
        "s = LabelingSession(load_digits()[0][:300], config=SSVAEConfig(encoder_type='dense', hidden_dims=(16,), "
        "latent_dim=2))\n"
        f"s.prepare()\n{ending}\nprint('end')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600)
    assert (done.returncode, done.stdout.strip()) == (0, "end"), done.stderr[-2000:]


def test_python_waits_for_a_program_that_is_begun_while_it_ends():
    "A run that is ended while it waits for its program leaves the thread that compiles it behind."
    code = (
        "import atexit, jax, jax.numpy as jnp\n"
        "from ssvae_widgets.model.measured import compile_apart\n"
        "def slow(x):\n"
        "    for k in range(60):\n"
        "        x = jnp.sin(jnp.sort(x) @ x.T + k)\n"
        "    return x\n"
        "def late():\n"
        "    done = compile_apart(jax.jit(slow), {}, (jnp.ones((20, 20)),))\n"
        "    print(done.done())\n"
        "    done.add_done_callback(lambda done: print('compiled', done.exception(), flush=True))\n"
        "atexit.register(late)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600)
    assert (done.returncode, done.stdout.split()) == (0, ["False", "compiled", "None"]), done.stderr[-2000:]
