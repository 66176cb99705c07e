"""Whatever a page sends, nothing is raised and no label changes; and a page that holds the next proposals is
followed, never led."""

import random

import numpy as np
import pytest

from ssvae_widgets import LabelingSession, LatentLabeler
from ssvae_widgets.session.queue import Suggestion, SuggestionQueue, fill

NASTY = [
    10**400,
    -(10**400),
    10**5000,
    float("nan"),
    float("inf"),
    -float("inf"),
    1e308,
    -1,
    0.5,
    3.7,
    "3",
    "\ud800",
    "x" * 100_000,
    "",
    None,
    True,
    False,
    [],
    [1] * 10_000,
    {},
    {"type": "label"},
    b"\x00",
    2**53,
    2**64,
    "label",
    "selected",
    [[[[]]]],
    999,
    {"a": {"b": 10**400}},
]
FIELDS = (
    "type",
    "intent",
    "gesture",
    "label",
    "said",
    "to",
    "move",
    "step",
    "op",
    "value",
    "on",
    "column",
    "source",
    "serial",
    "out",
    "by",
    "version",
    "asked",
    "name",
    "epochs",
    "strategy",
    "frame",
    "choice",
)
BUFFERS = [
    b"",
    b"\x00",
    b"\xff\xff\xff\xff",
    np.arange(500, dtype="<u4").tobytes(),
    bytes(4_000_000),
    "text",
    None,
    7,
    memoryview(b"123"),
]
KINDS = (
    "label",
    "accept",
    "clear",
    "snapshot",
    "select",
    "color",
    "filter",
    "thumbs",
    "deck",
    "more",
    "intent",
    "thumbnails",
    "sort",
    "exclude",
    "look",
    "new_class",
    "goto",
    "epochs",
    "auto",
    "strategy",
)


@pytest.fixture
def app(monkeypatch):
    monkeypatch.setattr(LabelingSession, "prepare", lambda self: None)
    monkeypatch.setattr(LabelingSession, "train", lambda self, epochs=None: None)
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 60)
    images = (rng.random((60, 6, 6)) * 0.3 + truth[:, None, None] * 0.3).astype(np.float32)
    app = LatentLabeler(images, None, truth)
    yield app
    app.close()


def test_thousands_of_wrong_messages_raise_nothing_and_change_no_label(app):
    rng = random.Random(0)
    for k in range(3):
        app.session.label(np.flatnonzero(app.session.truth == k)[:3], k)
    assert app.session.wait(60) and app.flush()
    before = app.session.codes.copy()
    views = [
        app.map.layer,
        app.preview,
        app.sheet,
        app.actions,
        app.buttons,
        app.status,
        app.training.controls,
        app.training.rounds,
        app.map.scale_x,
        app.map.scale_y,
    ]
    for _ in range(6000):
        fields = {name: rng.choice(NASTY) for name in rng.sample(FIELDS, rng.randrange(6))}
        kind, view = rng.choice(KINDS), rng.choice(views)
        intent = {**fields, "type": kind, "label": rng.choice(NASTY), "said": rng.choice(NASTY)}
        content = rng.choice(
            [intent, {"type": "intent", "intent": intent}, {"type": kind, "intent": fields}, rng.choice(NASTY)]
        )
        view._handle_custom_msg(content, rng.sample(BUFFERS, rng.randrange(3)))
        view.set_state(
            {
                rng.choice(
                    ["selected", "filter", "hovered", "tool", "color_by", "min", "max", "codes", "info", "deck", "seq"]
                ): rng.choice(NASTY + BUFFERS)
            }
        )
    refused = app.map.layer.refused + len(app.buttons.refused)
    assert app.flush() and app.error == "" and refused > 100
    assert (
        (app.session.codes == before).all() and app.session.n_labeled == 9 and not app.labels.rows_with("accepted").size
    )
    assert all(np.isfinite(app.map.domain)) and app.map.selected.size <= 60


@pytest.mark.parametrize(
    "value",
    [10**400, -(10**400), 10**5000, float("nan"), float("inf"), "1", True, None, [1], -1, 3, 0.5],
    ids=range(12),
)
def test_a_label_that_is_no_class_is_refused_and_said(app, value):
    sent = []
    app.map.layer.send = lambda content, buffers=None: sent.append(content)
    app.map.layer.receive(
        None,
        {"type": "intent", "intent": {"type": "label", "label": value, "gesture": 5}},
        [np.array([1], "<u4").tobytes()],
    )
    assert app.session.n_labeled == 0 and sent == [{"type": "ack", "gesture": 5, "ok": False, "message": "refused"}]


class Page:
    "What a page does: it holds the proposals that were dealt, goes on by itself, and tells the kernel afterwards."

    def __init__(self, app):
        self.app, self.order, self.cards, self.at, self.move, self.gesture, self.acks = app, [], {}, -1, 1000, 0, {}
        app.map.layer.send = self.hear

    def hear(self, content, buffers=None):
        if content["type"] == "deck":
            self.order = content["order"]
            self.cards |= {card["serial"]: card for card in content["cards"]}
            if content["answer"] == self.move:
                self.at = content["current"]
        if content["type"] == "ack":
            self.acks |= dict.fromkeys(content.get("gestures", [content.get("gesture")]), content["ok"])

    def tell(self, kind, serials=None, **fields):
        self.move += 1
        buffers = [] if serials is None else [np.array(serials, "<u4").tobytes()]
        self.app.map.layer.receive(
            None, {"type": "intent", "intent": {"type": kind, "move": self.move, **fields}}, buffers
        )

    def answer(self, label, to):
        self.gesture += 1
        self.tell("label", [self.at], label=label, gesture=self.gesture, **({} if to is None else {"to": to}))
        if to is not None:
            self.at = to


def test_a_page_holds_the_next_proposals_with_their_pictures_and_is_followed(app):
    page, s = Page(app), app.session
    page.tell("next")
    assert app.flush() and page.at == s.current.serial and 3 <= len(page.order) <= 10
    assert all({"original", "reason", "probs", "neighbors"} <= set(page.cards[i]) for i in [page.at, *page.order])
    assert all(page.cards[i]["reason"] for i in page.order)
    answered, hand = [], list(page.order)
    for label, to in enumerate(hand[:3]):  # faster than the kernel deals
        answered.append((page.at, label))
        page.answer(label, to)
    assert {i: int(s.codes[i]) for i, _ in answered} == dict(answered)
    assert app.flush() and s.current.serial == page.at == hand[2] and page.acks == {1: True, 2: True, 3: True}
    assert page.cards[page.at]["reason"] == s.current.reason and s.wait(60)
    held = [i for i, _ in answered]
    assert not set(held) & set(page.order), "answered ones are not dealt again"
    page.tell("undo")
    assert app.flush() and s.codes[hand[1]] < 0 and s.current.serial == hand[1], "back to the proposal it belonged to"
    assert app.selected.tolist() == [hand[1]]
    assert page.order[0] == hand[2], "the one that was left comes next again"
    page.at = hand[1]
    page.answer(0, None)  # a page that holds nothing asks
    assert app.flush() and page.at == s.current.serial == hand[2]
    page.tell("skip", to=page.order[0])
    assert app.flush() and hand[2] in s.queue.skipped


def test_a_page_is_not_led_to_a_proposal_and_one_that_was_never_dealt_is_ignored(app):
    page = Page(app)
    app.map.selected = [7]
    page.tell("next")
    assert app.flush() and app.selected.tolist() == [7], "the page decides whether it goes"
    current = app.session.current.serial
    stranger = next(i for i in range(60) if i not in app.proposals.dealt)
    page.tell("next", to=stranger)
    assert app.flush() and app.session.current.serial != stranger and app.session.current.serial != current


def test_what_was_on_show_is_accepted_whatever_is_predicted_by_now(app):
    for k in range(3):
        app.session.label(np.flatnonzero(app.session.truth == k)[:3], k)
    assert app.session.wait(60) and app.flush()
    row = int(np.flatnonzero(app.session.codes < 0)[0])
    other = int((app.session.pred[row] + 1) % 3)
    app.map.layer.receive(
        None,
        {"type": "intent", "intent": {"type": "accept", "said": other, "gesture": 1}},
        [np.array([row], "<u4").tobytes()],
    )
    assert app.session.codes[row] == other and row in app.labels.rows_with("accepted")


def test_a_yes_is_to_the_question_that_was_read(app):
    app.ask_above = 5
    app.map.selected = np.arange(10)
    assert app.flush()
    app.act({"type": "label", "label": 1})
    read = app.sheet.question
    app.act({"type": "clear"})
    app.act({"type": "confirm", "asked": read})
    assert app.session.n_labeled == 0 and "changed" in app.status.message
    app.act({"type": "label", "label": 1})
    app.act({"type": "confirm", "asked": read})
    assert app.session.n_labeled == 10


def test_a_queue_tells_what_comes_next_and_takes_more():
    made = iter(range(100))
    queue, codes = SuggestionQueue(), np.full(100, -1)

    def suggest(n, strategy, skip=()):
        return [Suggestion(i, "", "start") for _, i in zip(range(n), (i for i in made if i not in set(skip)))]

    queue.waiting = fill(queue, suggest)
    assert [s.serial for s in queue.ahead(codes, 3)] == [s.serial for s in queue.waiting[:3]]
    first = queue.take(codes)
    queue.add(fill(queue, suggest))
    assert len({s.serial for s in [first, *queue.waiting]}) == len(queue.waiting) + 1 > 10, "nothing twice"
    third = queue.ahead(codes, 3)[2]
    assert queue.go(third) == third == queue.current and third not in queue.waiting
    assert queue.back_to(first) == first == queue.current and queue.waiting[0] == third
    queue.add([third])
    assert queue.dry


def test_a_class_that_has_just_been_merged_is_said_by_its_name_of_now(app):
    app.session.label([1], 2), app.session.store.merge_classes(2, 1)
    app.map.layer.receive(
        None,
        {"type": "intent", "intent": {"type": "label", "label": 2, "gesture": 1}},
        [np.array([5], "<u4").tobytes()],
    )
    assert app.flush() and app.session.codes[5] == 1 and app.session.codes[1] == 1
    assert "#5 labeled 1" in (app.status.message, app.presenter.last_action)


def test_old_hands_and_wrong_rows_move_nothing(app):
    """Proposals that are labeled by now, numbers that are none, rows given twice, half rows: followed or refused,
    never an error."""
    page = Page(app)
    page.tell("next")
    assert app.flush()
    hand, current = list(page.order), app.session.current
    for to in (True, 1.0, -1, 60, 10**30, "3", None, [1], {}, float("nan")):
        for kind in ("undo", "skip", "next", "walk", "back"):
            app.map.layer.receive(None, {"type": "intent", "intent": {"type": kind, "to": to, "move": 2000}}, [])
    assert app.flush() and app.error == "" and app.session.n_labeled == 0 and app.session.queue.skipped == set()
    for rows in (
        b"\x01",
        np.array([60], "<u4").tobytes(),
        np.array([-1], "<i4").tobytes(),
        bytes(4 * 61),
        "text",
        None,
    ):
        app.map.layer.receive(None, {"type": "intent", "intent": {"type": "label", "label": 1, "gesture": 3}}, [rows])
    assert app.session.n_labeled == 0
    for row in (5, 5, 5, 7):
        app.map.layer.receive(
            None,
            {"type": "intent", "intent": {"type": "label", "label": 1, "gesture": row}},
            [np.array([row, row], "<u4").tobytes()],
        )
    assert app.session.n_labeled == 2
    app.session.label(np.arange(60), 0)
    page.answer(1, hand[0])
    assert (
        app.flush()
        and app.session.codes[current.serial] == 1
        and app.session.current.serial == hand[0]
        and app.error == ""
    )
    assert app.session.counts.tolist() == [59, 1, 0] and page.order == []


@pytest.mark.parametrize("name", ["a\udcffb.png", "\ud800.png", b"x", None, 5])
def test_a_file_name_that_is_no_text_reaches_the_page_as_text(app, name):
    "Half characters come from file names with bytes that are no UTF-8; a message with them would never arrive."
    app.names = [name] * 60
    app.map.selected = [3]
    assert app.flush() and app.error == "" and app.preview.info["serial"] == 3
    app.preview.info["name"].encode()
