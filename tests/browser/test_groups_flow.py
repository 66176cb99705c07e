"""Images that look alike without a label: the panel says so, one click shows them, and a label answers it."""

from test_labeler_flow import App

OPEN = """
import numpy as np
from ssvae_widgets import LatentLabeler, load_digits
images, truth = load_digits(binarize=False)
app = LatentLabeler(images, labels="labels.csv")
for k in range(9):  # no nine
    app.session.label(np.flatnonzero(truth == k)[:3], k)
app
"""


def test_a_group_without_a_label_is_pointed_out_shown_and_answered(open_notebook):
    nb = open_notebook([OPEN, "marker = 1"])
    app = App(nb)
    nb.until("len(app.session.unlabeled_groups) > 0", timeout=60)
    hint = app.page.locator(".ssvae-unlabeled:visible").first
    hint.wait_for()
    said = nb.python("app.session.unlabeled_groups[0].message")
    assert hint.inner_text() == said and "look alike and none is labeled" in said
    nb.screenshot("unlabeled-group-hint")
    hint.click()
    nb.until("np.array_equal(app.selected, app.session.unlabeled_groups[0].rows)")
    app.page.locator(".ssvae-tile:visible").first.wait_for()
    app.page.wait_for_timeout(1000)
    nb.screenshot("unlabeled-group")
    before = nb.python("app.session.unlabeled_groups[0].rows.tolist()")
    app.page.keyboard.press("9")
    nb.until("app.session.n_labeled > 27")
    nb.until(
        f"not app.session.unlabeled_groups or app.session.unlabeled_groups[0].rows.tolist() != {before}", timeout=60
    )
    assert nb.python("app.error") in ("", None)
