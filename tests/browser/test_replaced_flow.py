"""The cell run again below: what the page of the app that was replaced shows, and what its keys do."""

from test_labeler_flow import OPEN, App, wait_rows

AGAIN = """
former, app = app, LatentLabeler(images, labels="labels.csv", truth=truth)
app
"""
SAID = "This app was replaced by a newer one on the same labels: go on there."


def test_the_page_of_a_replaced_app_says_so_and_labels_nothing(open_notebook):
    nb = open_notebook([OPEN, "app"])
    app = App(nb)
    page = app.page
    page.wait_for_function("() => document.querySelectorAll('.ssvae-points[data-domain]').length === 2")
    one, two = app.alone(2)
    app.click(one)
    nb.until(f"app.map.selected.tolist() == [{one}]")
    page.keyboard.press("4")
    app.wait_saved(1)
    page.keyboard.press("Escape")
    nb.until("len(app.map.selected) == 0 and app.session.wait(0.1) and app.flush(0.1)")
    page.wait_for_timeout(1000)  # pictures have found their places
    app.click(two)
    nb.until(f"app.map.selected.tolist() == [{two}]")
    nb.execute(AGAIN)  # the page keeps the focus on the map that goes away
    page.wait_for_function("() => !document.querySelector('.ssvae-points')")
    page.wait_for_function(
        "said => { const all = [...document.querySelectorAll('.ssvae-status')]; return all.length === 2 && all.every(e "
        "=> e.textContent.includes(said)) }",
        arg=SAID,
    )
    for key in "5", "n", "Control+z", "t":
        page.keyboard.press(key)
    former = page.locator(".ssvae-labeler").first
    assert (
        former.locator(".ssvae-keys:visible, .ssvae-saved:visible, .ssvae-done:visible").count() == 0
    )  # they would speak of what is no longer here
    assert former.locator("button:visible").count() == 0 and former.locator("canvas").count() == 0
    assert page.locator(".jp-OutputArea-output:has-text('Error displaying widget')").count() == 0
    page.wait_for_timeout(500)
    assert nb.python(
        "[former.session is app.session, app.session.n_labeled, app.session.seq, app.session.training.running, "
        "former.error, app.error]"
    ) == [True, 1, 1, False, "", ""]
    nb.screenshot("replaced")
    nb.run_all()  # the same cell again: a third app, in two outputs, goes on
    app = App(nb)
    page.wait_for_function("() => document.querySelectorAll('.ssvae-points[data-domain]').length === 2")
    assert nb.python(f"[int(app.session.codes[{one}]), app.session.n_labeled]") == [4, 1]
    page.wait_for_timeout(1000)  # pictures have found their places
    three = next(i for i in app.alone(3) if i not in (one, two))
    app.click(three)
    nb.until(f"app.map.selected.tolist() == [{three}]")
    page.keyboard.press("5")
    wait_rows(nb.folder, {one: "4", three: "5"})
    page.wait_for_function(
        "() => [...document.querySelectorAll(\".ssvae-class[data-class='5']\")].map(e => e.dataset.count).join() "
        "=== '1,1'"
    )
    nb.screenshot("replaced-run-again")
