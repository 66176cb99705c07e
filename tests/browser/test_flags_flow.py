"""Flags and a note by key: in the log, in the preview, as a coloring, and away again."""

from test_labeler_flow import OPEN, App


def test_flags_and_a_note_by_key(open_notebook):
    nb = open_notebook([OPEN], width=1280, height=800)
    app, page = App(nb), nb.page
    one = app.alone(1)[0]
    app.click(one)
    nb.until(f"app.map.selected.tolist() == [{one}]")
    page.keyboard.press("y")
    page.keyboard.press("*")
    nb.until(f"app.session.flags.of({one}) == ['unsure', 'star']")
    page.keyboard.press("j")
    note = page.locator(".ssvae-m-written")
    note.fill("k7 <b>is it</b> upside down?")
    nb.screenshot("flags-note")
    note.press("Enter")
    nb.until(f"app.session.flags.notes == {{{one}: 'k7 <b>is it</b> upside down?'}}")
    page.locator(".ssvae-written").wait_for()
    assert page.locator(".ssvae-written").text_content() == "k7 <b>is it</b> upside down?"
    assert page.locator(".ssvae-flag").all_text_contents() == ["unsure", "star"]
    nb.screenshot("flags-preview")
    page.keyboard.press("j")
    assert note.input_value() == "k7 <b>is it</b> upside down?"
    note.press("Enter")  # nothing was typed: nothing is taken away
    nb.until("app.flush(5)")
    assert nb.python("len(app.session.flags.notes)") == 1
    nb.execute(f"app.session.label([{one}, 3], 4); app.map.selected = [{one}, 3, 5]")
    page.wait_for_function("() => document.querySelector('.ssvae-m-tally').textContent.includes('3 selected')")
    page.locator(".ssvae-labeler").first.press("k")
    nb.until(f"app.session.data.excluded == {{{one}, 3, 5}} and app.session.data.n_labeled == 0")
    nb.until("'flags' in app.map.columns")
    nb.execute("app.map.color_by = 'flags'")
    page.locator(".ssvae-labeler").first.press("k")  # all three have it: back in
    nb.until("not app.session.data.excluded and app.session.data.n_labeled == 2")
    page.locator(".ssvae-labeler").first.press("Control+z")
    nb.until(f"app.session.data.excluded == {{{one}, 3, 5}}")
    assert nb.python("app.session.n_labeled") == 2
    nb.screenshot("flags-coloring")
