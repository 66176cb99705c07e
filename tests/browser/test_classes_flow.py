"""Classes in place, with mouse and keys: a folder without classes, a first one typed, named, merged, moved, colored and
deleted; undone all the way, and as it was after a reload."""

from test_labeler_flow import App

OPEN = """
import numpy as np
from pathlib import Path
from PIL import Image
from ssvae_widgets import LatentLabeler, make_cells
pictures, kinds = make_cells(80, seed=1)
Path("photos").mkdir(exist_ok=True)
for k, picture in enumerate(pictures):
    Image.fromarray(np.asarray(picture)).save(f"photos/{k:03}.png")
app = LatentLabeler("photos", labels="labels.csv", features=None)
session = app.session
shown = lambda: [session.classes[k] for k in session.class_order]
app
"""


def test_classes_are_made_and_changed_where_they_stand(open_notebook):
    nb = open_notebook([OPEN])
    app, page = App(nb), nb.page
    assert nb.python("session.classes") == [], "nothing is invented"
    a, b, c, d = app.alone(4)

    def button(name):
        return page.locator(".ssvae-class").filter(has=page.locator(".ssvae-class-name", has_text=name)).first

    def label(serial, key, code):
        app.click(serial)
        nb.until(f"app.map.selected.tolist() == [{serial}]")
        page.keyboard.press(key)
        nb.until(f"session.codes[{serial}] == {code}")

    def until_shown(*names):
        nb.until(f"shown() == {list(names)}")
        page.wait_for_function(
            "names => [...document.querySelectorAll('.ssvae-class-name')].map(e => e.textContent).join() === names",
            arg=",".join(names),
        )

    # a key without a class says so; the field is open, and the first class is typed
    app.click(a)
    nb.until(f"app.map.selected.tolist() == [{a}]")
    page.keyboard.press("0")
    page.get_by_text("No class has the key 0").first.wait_for()
    field = page.locator(".ssvae-new-name")
    assert field.get_attribute("placeholder") == "Type a name: first class"
    nb.screenshot("classes-empty")
    field.click()
    page.keyboard.type("round")
    page.keyboard.press("Enter")
    until_shown("round")
    for name in ("lobed", "small"):
        page.locator(".ssvae-add").click()
        page.keyboard.type(name)
        page.keyboard.press("Enter")
        page.wait_for_timeout(100)
    until_shown("round", "lobed", "small")
    colors = nb.python("session.class_colors")
    label(a, "0", 0), label(b, "1", 1), label(c, "2", 2), label(d, "1", 1)
    page.wait_for_function("() => [...document.querySelectorAll('.ssvae-member')].filter(c => !c.hidden).length === 3")

    # a double click renames, with nothing selected
    page.keyboard.press("Escape")
    nb.until("len(app.map.selected) == 0")
    button("round").dblclick()
    page.keyboard.press("Control+a")
    page.keyboard.type("smooth")
    page.keyboard.press("Enter")
    until_shown("smooth", "lobed", "small")

    # by keys: F2 onto a name that is there asks first, Escape is no, Enter is yes
    button("small").focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("F2")
    page.keyboard.press("Control+a")
    page.keyboard.type("lobed")
    page.keyboard.press("Enter")
    question = page.locator(".ssvae-class-question")
    assert question.inner_text() == "Merge 1 label of small into lobed?"
    nb.screenshot("classes-merge")
    page.keyboard.press("Escape")
    assert nb.python("shown()") == ["smooth", "lobed", "small"]
    page.keyboard.press("F2")
    page.keyboard.press("Control+a")
    page.keyboard.type("lobed")
    page.keyboard.press("Enter")
    question.wait_for()
    page.keyboard.press("Enter")
    until_shown("smooth", "lobed")
    assert nb.python("session.counts.tolist()") == [1, 3, 0]

    # moved with a key: the digits follow, codes and colors stay
    button("lobed").focus()
    page.keyboard.press("Home")
    page.keyboard.press("End")
    page.keyboard.press("Alt+ArrowLeft")
    until_shown("lobed", "smooth")
    assert nb.python("session.class_colors") == colors
    label(a, "0", 1)
    app.nb.page.locator(".ssvae-labeler").first.press("Control+z")
    nb.until(f"session.codes[{a}] == 0")

    # and back by dragging
    source, target = button("lobed").bounding_box(), button("smooth").bounding_box()
    page.mouse.move(source["x"] + 60, source["y"] + 12)
    page.mouse.down()
    page.mouse.move(target["x"] + 50, target["y"] + 14, steps=6)
    page.mouse.up()
    until_shown("smooth", "lobed")
    assert nb.python("session.n_labeled") == 4, "a drag is no label"

    # colored by the menu: a color that is like another one is said
    button("smooth").click(button="right")
    page.get_by_role("menuitem", name="Color").click()
    page.locator(".ssvae-color-field").fill(colors[1])
    assert "Hard to tell from lobed" in page.locator(".ssvae-color-note").inner_text()
    nb.screenshot("classes-color")
    page.locator(".ssvae-color-field").fill("#b16")
    page.locator(".ssvae-color-field").press("Enter")
    nb.until("session.class_colors[0] == '#bb1166'")
    page.wait_for_function(
        "() => document.querySelector(\".ssvae-class[data-class='0']\").style.getPropertyValue('--c') === '#bb1166'"
    )

    # deleted with a key, after a question that says what is lost
    button("lobed").focus()
    page.keyboard.press("Home")
    page.keyboard.press("End")
    page.keyboard.press("Delete")
    assert question.inner_text() == "Delete lobed? 3 images become unlabeled; the history keeps the labels."
    page.keyboard.press("Enter")
    until_shown("smooth")
    assert nb.python("session.n_labeled") == 1
    assert nb.python(f"[e['label'] for e in session.store.history({b})]") == ["lobed", None]

    # everything is undone by the one undo, and stands after a reload
    app.nb.page.locator(".ssvae-labeler").first.press("Control+z")
    until_shown("smooth", "lobed")
    page.locator(".ssvae-labeler").first.press("Control+z")
    nb.until(f"session.class_colors == {colors}")
    seen = nb.python("[shown(), session.codes.tolist(), session.class_colors]")
    for _ in range(3):  # two moves, the merge
        page.locator(".ssvae-labeler").first.press("Control+z")
        page.wait_for_timeout(150)
    until_shown("smooth", "lobed", "small")
    page.locator(".ssvae-labeler").first.press("Control+z")
    until_shown("round", "lobed", "small")
    assert nb.python("session.counts.tolist()") == [1, 2, 1]
    for _ in range(4):
        page.locator(".ssvae-labeler").first.press("Control+Shift+z")
        page.wait_for_timeout(150)
    nb.until(f"[shown(), session.codes.tolist(), session.class_colors] == {seen}")
    page.emulate_media(forced_colors="active")
    nb.screenshot("classes-forced-colors")
    page.emulate_media(forced_colors="none")
    nb.theme("dark")
    nb.screenshot("classes-dark")
    nb.save()
    nb.reload()
    nb.run_all()  # the same cell again: another app on the same labels
    App(nb)
    page.wait_for_function("() => document.querySelectorAll('.ssvae-class').length === 2")
    assert page.locator(".ssvae-class-name").all_inner_texts() == ["smooth", "lobed"]
    assert nb.python("app.error") in ("", None)
    assert nb.python("[shown(), session.codes.tolist(), session.class_colors]") == seen
    restarted = nb.python(
        "(lambda s: [[s.classes[k] for k in s.shown], s.codes.tolist(), s.colors])"
        "(__import__('ssvae_widgets').LabelStore('labels.csv', 80))"
    )
    assert restarted == seen
