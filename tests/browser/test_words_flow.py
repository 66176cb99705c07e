"""Several words for one picture, with real keys: three words typed, toggled on one picture and on a selection,
confirmed, undone, predicted, read in the preview, taken away, and opened again."""

import json

from test_labeler_flow import App
from waiting import until

OPEN = """
import numpy as np
from ssvae_widgets import LatentLabeler, load_digits
from ssvae_widgets.data.image_set import ImageSet
digits, kind = load_digits()
left, right = np.random.default_rng(0).integers(0, len(digits), (2, 200))
pictures = np.concatenate([digits[left], digits[right]], 2)  # two digits side by side
truth = np.array([[k in pair for k in (3, 7, 5)] for pair in zip(kind[left], kind[right])])
files = [f"{k:03}.png" for k in range(200)]
app = LatentLabeler(ImageSet(pictures, names=files), labels="labels.csv", multilabel=True, features=None)
session = app.session
app
"""

ANSWER = """
for row in range(100, 190):
    if session.classes_of(row) is None:
        session.answer_sets(row, np.flatnonzero(truth[row]))
session.wait(60)
"""


def test_several_words_for_one_picture_with_real_keys(open_notebook):
    nb = open_notebook([OPEN], width=1280, height=800)
    app, page = App(nb), nb.page
    for name in ("three", "seven", "five"):
        if name != "three":  # an app without a class has the field open
            page.locator(".ssvae-add").click()
        page.locator(".ssvae-new-name").fill(name)
        page.locator(".ssvae-new-name").press("Enter")
        nb.until(f"session.classes[-1:] == [{name!r}]")
        page.locator(".ssvae-new-name").wait_for(state="hidden")
    button = {k: page.locator(f".ssvae-class[data-class='{k}']") for k in range(3)}
    state = lambda: [button[k].get_attribute("aria-pressed") for k in range(3)]  # noqa: E731

    # one picture: two words, and none is a reason to leave it; Enter is
    one = app.alone(1)[0]
    app.click(one)
    nb.until(f"app.map.selected.tolist() == [{one}]")
    page.get_by_text("Answer a few pictures and the prediction appears here").wait_for()  # the whole card has come
    page.keyboard.press("Enter")
    page.get_by_text("Nothing is predicted yet").first.wait_for()
    page.keyboard.press("0")
    page.keyboard.press("2")
    assert state() == ["true", "false", "true"], "painted before Python has answered"
    nb.until(f"session.classes_of({one}) == ['three', 'five']")
    assert nb.python("app.map.selected.tolist()") == [one]
    page.keyboard.press("0")
    page.keyboard.press("0")
    nb.until(f"len(session.point({one})['history']) == 4")
    assert page.locator(".ssvae-words .ssvae-chip").all_text_contents() == ["three", "five"]
    page.keyboard.press("Enter")
    nb.until(f"app.map.selected.size == 1 and app.map.selected[0] != {one} and session.current is not None")

    # a proposal: none of these, and the next one comes
    first = nb.until("session.current.serial")
    page.wait_for_function("i => document.querySelector('.ssvae-preview').dataset.serial === String(i)", arg=first)
    page.keyboard.press(",")
    nb.until(f"session.classes_of({first}) == [] and session.current.serial != {first}")
    nb.until("app.map.selected.tolist() == [session.current.serial]")

    # a selection: some have it, then all, then none; undo goes back one press at a time
    nb.execute(f"app.map.selected = [{one}, {first}, 7]")
    page.wait_for_function("() => document.querySelector('.ssvae-m-tally').textContent.includes('3 selected')")
    assert state() == ["mixed", "false", "mixed"]
    page.locator(".ssvae-labeler").first.press("0")
    nb.until(f"session.classes_of(7) == ['three'] and session.classes_of({first}) == ['three']")
    assert state()[0] == "true"
    page.keyboard.press("0")
    nb.until(f"session.classes_of(7) == [] and session.classes_of({one}) == ['five']")
    page.keyboard.press("Control+z")
    nb.until(f"session.classes_of({one}) == ['three', 'five']")
    page.keyboard.press("Control+z")
    nb.until(f"session.classes_of(7) is None and session.classes_of({first}) == []")
    page.wait_for_function("() => document.querySelector('.ssvae-class').getAttribute('aria-pressed') === 'mixed'")
    told = page.locator(".ssvae-tile").evaluate_all("all => all.map(e => e.title)")
    assert len(told) == 3 and any("three, five" in t for t in told) and any("none of these" in t for t in told)

    # predictions: a bar for each word, and what was said is marked
    nb.execute(ANSWER)  # tests/test_set_network.py trains on such answers
    nb.until("app.flush(60)")
    seen = nb.python("next(r for r in range(100, 190) if truth[r].any())")
    nb.execute(f"app.map.selected = [{seen}]")
    page.wait_for_function("() => document.querySelectorAll('.ssvae-word-bars .ssvae-prob').length === 3")
    bars = page.locator(".ssvae-word-bars .ssvae-prob")
    page.wait_for_function(
        "() => [...document.querySelectorAll('.ssvae-word-bars .ssvae-prob')].every(e => "
        "e.getAttribute('aria-label').includes('somebody said'))"
    )

    def as_in_python():  # also after a later check of the answers has changed them
        said = bars.evaluate_all("all => all.map(e => e.getAttribute('aria-label'))")
        shown = nb.python(
            f"[[session.classes[k], int(1000 * float(p) + 0.5) / 10] for k, p in enumerate(session.probs[{seen}])]"
        )
        asked = [f"{name} {p:g} percent, somebody said" for name, p in shown]
        return len(asked) == 3 and all(any(t.startswith(a) for t in said) for a in asked)

    until(as_in_python)
    assert "need not sum to one" in page.locator(".ssvae-word-bars").text_content()
    nb.screenshot("words-preview")

    # taken away, and opened again: still sets, still there
    nb.execute("app.export('out', ['labels', 'page']); app.save('saved')")
    table = next((nb.folder / "out").glob("labels*.csv")).read_text()
    assert "is three" in table.splitlines()[0] and "three;five" in table
    page_text = next((nb.folder / "out").glob("*.html")).read_text()
    assert '"three, five"' in page_text and '"none of these"' in page_text
    nb.execute("app.close(); app = LatentLabeler.open('saved')")
    kept = nb.python(f"[app.session.multilabel, app.session.classes_of({one}), app.session.classes_of({first})]")
    assert kept == [True, ["three", "five"], []], json.dumps(kept)
