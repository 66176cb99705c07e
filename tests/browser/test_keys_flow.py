"""Keys after the mouse: what was clicked does not keep them, a question is about one selection, the pointer's note
is up to date."""

from test_labeler_flow import OPEN, App


def test_what_was_clicked_gives_the_keys_back(open_notebook):
    nb = open_notebook([OPEN])
    app, page = App(nb), nb.page
    here = "() => document.activeElement.classList.contains('ssvae-labeler')"
    first = app.alone(1)[0]
    nb.execute("app.session.label(np.flatnonzero(truth == 5)[:3], 5)")
    app.click(first)
    nb.until(f"app.map.selected.tolist() == [{first}]")
    page.locator(".ssvae-class[data-class='3']").click()
    nb.until(f"app.session.codes[{first}] == 3 and app.session.wait(60) and (app.session.pred == 5).any()")
    page.wait_for_function(here)
    other = nb.python("int(np.flatnonzero((app.session.pred == 5) & (app.session.codes < 0))[0])")
    nb.execute(f"app.map.selected = [{other}]")
    page.wait_for_selector(f".ssvae-preview[data-serial='{other}']")
    page.keyboard.press("Enter")  # accepts the prediction; the button that was clicked is not pressed again
    nb.until(f"app.session.codes[{other}] == 5")
    nb.execute("app.map.selected = np.arange(30)")
    sort = page.locator(".ssvae-sheet select")
    sort.focus()
    sort.select_option("number")
    page.wait_for_function(here)
    page.keyboard.press("7")
    nb.until("(app.session.codes[:30] == 7).all()")
    slider, tile = page.locator(".ssvae-sheet-size"), page.locator(".ssvae-sheet .ssvae-tile").first
    slider.fill("64")
    small = tile.bounding_box()["width"]
    slider.fill("200")
    page.wait_for_function("w => document.querySelector('.ssvae-sheet .ssvae-tile').offsetWidth > 2 * w", arg=small)
    slider.fill("128")
    told = f"{nb.python('app.session.n_labeled'):,} of "  # one count, that of images: gestures are fewer here
    page.wait_for_function("t => document.querySelector('.ssvae-done').textContent.startsWith(t)", arg=told)
    page.wait_for_function(r"() => /^all saved · [\d:]+$/.test(document.querySelector('.ssvae-saved').textContent)")
    nb.execute("app.map.selected = np.arange(300)")
    page.wait_for_function("() => document.querySelector('.ssvae-m-tally').textContent.includes('300 selected')")
    page.keyboard.press("2")
    page.wait_for_selector(".ssvae-m-asking")
    app.click(first)  # the question was about another selection
    page.wait_for_function(
        "i => document.querySelector('.ssvae-m-live').textContent.startsWith(`#${i} `) && "
        "!document.querySelector('.ssvae-m-asking')",
        arg=first,
    )
    nb.until(f"app.map.selected.tolist() == [{first}]")
    nb.execute("app.map.selected = np.arange(300)")
    page.wait_for_function("() => document.querySelector('.ssvae-m-tally').textContent.includes('300 selected')")
    page.keyboard.press("2")
    page.wait_for_selector(".ssvae-m-asking")
    assert nb.python("(app.session.codes == 2).sum()") == 0
    nb.execute("app.map.selected = [0, 1, 2]")
    page.wait_for_selector(".ssvae-m-dim")
    page.wait_for_function(
        "() => { const g = [...document.querySelectorAll('.ssvae-map .svg-figure > g > g > g')]; return "
        "+getComputedStyle(g[0]).opacity < 0.3 && g[0].children.length > 2; }"
    )
    nb.execute("app.map.selected = []")
    free = nb.python(
        "(lambda xy: next(int(i) for i in np.argsort(-np.sort(np.square(xy[:, None] - xy[None]).sum(-1) + "
        "np.eye(len(xy)) * 9, axis=1)[:, 0]) if app.session.codes[i] < 0))(app.session.xy)"
    )
    app.click(free)
    page.wait_for_function(
        "i => document.querySelector('.ssvae-m-tip-text').textContent === `#${i} · unlabeled`", arg=free
    )
    page.keyboard.press("8")
    page.wait_for_function("i => document.querySelector('.ssvae-m-tip-text').textContent === `#${i} · 8`", arg=free)
    page.locator(".ssvae-add").click()
    page.keyboard.type("9")
    page.keyboard.press("Enter")  # a class of that name is there: the field stays
    page.wait_for_timeout(200)
    assert page.locator(".ssvae-new-name").is_visible() and nb.python("len(app.session.classes)") == 10
    page.keyboard.type("x")
    page.keyboard.press("Enter")
    nb.until("app.session.classes[-1] == '9x'")
