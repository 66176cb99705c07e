"""Whatever a page sends, the views stay what Python made them; whoever asks, everything gets painted."""

import sys
import threading
import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from waiting import until

from ssvae_widgets.session.jobs import JobQueue
from ssvae_widgets.widgets.contact_sheet import ContactSheet, sheet_order
from ssvae_widgets.widgets.curves import thin
from ssvae_widgets.widgets.intents import serials_from
from ssvae_widgets.widgets.label_bar import ActionBar, ClassButtons, StatusLine
from ssvae_widgets.widgets.latent_map import LatentMap
from ssvae_widgets.widgets.pixels import wire_image
from ssvae_widgets.widgets.preview import Preview, top_classes
from ssvae_widgets.widgets.training_panel import TrainingControls

IMAGES = np.arange(20 * 9, dtype=np.uint8).reshape(20, 3, 3)
MAKERS = {
    "preview": lambda: Preview(n_items=20, classes=["a", "b"]),
    "actions": lambda: ActionBar(strategies=["auto", "margin"]),
    "classes": lambda: ClassButtons(classes=["a", "b"]),
    "status": StatusLine,
    "training": TrainingControls,
    "sheet": lambda: ContactSheet(lambda i: IMAGES[i], n_items=20),
}
TYPES = st.sampled_from(
    [
        "label",
        "clear",
        "accept",
        "undo",
        "redo",
        "next",
        "strategy",
        "select",
        "train",
        "stop",
        "thumbnails",
        "sort",
        "exclude",
        "look",
        "close",
        "confirm",
        "cancel",
    ]
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        k: ANYTHING | st.integers(-2, 25)
        for k in ("label", "serial", "epochs", "strategy", "by", "out", "version", "serials", "gesture")
    },
)


@pytest.mark.parametrize("name", MAKERS)
def test_messages_from_a_page_are_checked(name):
    view = MAKERS[name]()
    if name == "sheet":
        view.fill(np.arange(5))
        view.send = lambda content, buffers=None: None
    heard = []
    view.on_intent(heard.append)
    before = {k: v for k, v in view.get_state().items()}

    @settings(max_examples=150, deadline=None)
    @given(
        content=ANYTHING | st.builds(lambda t, f: {"type": t, **f}, TYPES | ANYTHING, FIELDS),
        buffers=st.lists(st.binary(max_size=12), max_size=2),
    )
    def send(content, buffers):
        heard.clear()
        view.receive(view, content, buffers)
        for intent in heard:
            assert intent["type"] in view.accepts
            assert (
                0 <= intent.get("label", 0) < 2
                and 0 <= intent.get("serial", 0) < 20
                and 1 <= intent.get("epochs", 1) <= 10_000
            )
            assert set(intent) <= {"type", "serials", *view.accepts[intent["type"]]}

    send()
    assert {k: v for k, v in view.get_state().items()} == before
    view.close()


@pytest.mark.parametrize("name", MAKERS)
def test_a_page_sets_no_trait(name):
    view = MAKERS[name]()
    before = view.get_state()
    for key in before:
        for value in (None, -1, 1e12, "x", [], {}, True, b"123"):
            view.set_state({key: value})
    assert view.get_state() == before
    view.close()


def test_serials_of_a_hundred_megabytes_are_refused_without_a_copy():
    big = memoryview(bytearray(100_000_000))
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="100000000 bytes"):
            serials_from([big], 1000)
        assert tracemalloc.get_traced_memory()[1] < 1e6
    finally:
        tracemalloc.stop()


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 4), st.integers(1, 50))
def test_a_smaller_image_has_the_means_of_its_blocks(height, width, channels, most):
    image = np.random.default_rng(0).integers(0, 256, (height, width, channels)).astype(np.uint8)
    data, shape = wire_image(image, most)
    got = np.frombuffer(data, np.uint8).reshape(shape)
    step = -(-max(height, width) // most)
    assert max(shape[:2]) <= most
    for i in range(shape[0]):
        for j in range(shape[1]):
            block = image[i * step : (i + 1) * step, j * step : (j + 1) * step].reshape(-1, channels)
            assert np.abs(block.mean(0) - got[i, j]).max() <= 0.501


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.integers(1, 10))
def test_top_classes_are_the_largest(probs, k):
    got = top_classes(probs, k)
    assert [p for _, p in got] == sorted(probs, reverse=True)[:k]
    assert all(probs[c] == p for c, p in got)


@settings(deadline=None)
@given(st.lists(st.none() | st.floats(allow_nan=True, allow_infinity=True), max_size=50), st.integers(2, 20))
def test_thin_keeps_ends_order_and_finite_values(values, most):
    x, y = thin(values, most)
    good = [(i + 1, v) for i, v in enumerate(values) if v is not None and np.isfinite(v)]
    assert len(x) == min(len(good), most)
    assert set(zip(x, y)) <= set(good) and list(x) == sorted(x)
    if good:
        assert (x[0], y[0]) == good[0] and (x[-1], y[-1]) == good[-1]


def test_sheet_order_puts_the_far_ones_first():
    rng = np.random.default_rng(0)
    xy = rng.normal(size=(500, 2))
    chosen = rng.permutation(500)[:100]
    order = sheet_order(chosen, "distance", xy)
    middle = np.median(xy[chosen], axis=0)
    far = [float(np.hypot(*(xy[i] - middle))) for i in order]
    assert sorted(order) == sorted(chosen) and far == sorted(far, reverse=True)


def test_painter_paints_the_last_state_whoever_asks():
    state, shown, calls = {"v": 0}, [], []
    painter = JobQueue(
        lambda kind, error: None,
        lambda kind: (shown.append(state["v"]), calls.append(threading.current_thread().name)),
        name="ssvae-painter",
    )

    def push(n):
        for _ in range(n):
            state["v"] += 1
            painter.ask("v")

    threads = [threading.Thread(target=push, args=(500,)) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert painter.wait(30, late=True)
    assert shown[-1] == state["v"] and len(shown) <= 2000
    assert set(calls) == {"ssvae-painter"}


def test_threads_may_change_a_view_at_the_same_time():
    status, failed, interval = StatusLine(), [], sys.getswitchinterval()

    def work(change):
        try:
            for i in range(1000):
                change(i)
        except Exception as error:
            failed.append(error)

    def other(i):
        status.n_labeled = status.n_selected = i
        status.say(str(i))

    threads = [threading.Thread(target=work, args=(f,)) for f in (lambda i: status.note_saved("saved", i), other)]
    try:
        sys.setswitchinterval(1e-5)
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
    finally:
        sys.setswitchinterval(interval)
    assert not failed and (status.seq, status.n_labeled, status.message) == (999, 999, "999")


def test_painter_thread_ends_when_idle_and_comes_back():
    painted = []
    painter = JobQueue(lambda kind, error: None, painted.append)
    painter.ask("a")
    assert painter.wait(30, late=True)
    until(lambda: not painter.alive, 60)
    painter.ask("a")
    assert painter.wait(30, late=True) and painted == ["a", "a"]


def test_pictures_for_the_map_never_hold_up_a_label():
    "Wishes for pictures come through the same door as labels; a slow disk answers them later, the newest first."
    go, read, sent, heard = threading.Event(), [], [], []

    class SlowDisk:
        def __getitem__(self, rows):
            assert go.wait(30)
            read.append(rows.tolist())
            return np.zeros((len(rows), 100, 60, 3), np.uint8)

    m = LatentMap(np.random.default_rng(0).random((500, 2)), images=np.zeros((500, 4, 4), np.uint8), classes=["a", "b"])
    m.tiles.images, m.tiles.send = SlowDisk(), lambda *message: sent.append(message)
    m.on_intent(heard.append)
    wish = lambda rows: m.layer.receive(m.layer, {"type": "thumbs"}, [np.array(rows, "<u4").tobytes()])  # noqa: E731
    wish([400, 3, 7])
    while not m.tiles.jobs.busy or m.tiles.wishes:
        time.sleep(0.001)  # the first wish is being read
    wish(range(200))
    wish([9, 8])
    label = {"type": "intent", "intent": {"type": "label", "label": 1, "gesture": 1}}
    m.layer.receive(m.layer, label, [np.array([5], "<u4").tobytes()])
    assert [intent["type"] for intent in heard] == ["label"] and not sent
    go.set()
    assert m.tiles.jobs.wait(30)
    assert [np.frombuffer(b[0], "<u4").tolist()[:2] for _, b in sent] == [
        [400, 3],
        [9, 8],
        [0, 1],
        [96, 97],
        [192, 193],
    ]
    assert sent[0][0] == {"type": "thumbs", "h": 50, "w": 30, "c": 3} and len(sent[0][1][1]) == 3 * 50 * 30 * 3
    assert read[0] == [3, 7, 400], "a file is read in the order of its rows"
    m.close()
