"""What the other labels say of one that was just given: of slips on the spot, and of nothing that is right."""

import numpy as np

from ssvae_widgets import LabelingSession, load_digits


def test_slips_are_named_and_right_labels_are_not():
    images, truth = load_digits()
    truth, rng = np.asarray(truth).astype(int)[:500], np.random.default_rng(1)
    rows = rng.permutation(500)[:125].tolist()
    slips = {row: int((truth[row] + 3) % 10) for row in rows[50::9]}
    with LabelingSession(np.asarray(images)[:500], None, classes=10) as s:
        heard = []
        s.subscribe(lambda event: event["type"] == "doubt" and heard.append(event["doubt"]))
        for k, row in enumerate(rows):
            s.label(row, slips.get(row, int(truth[row])))
            if k % 25 == 24:
                assert s.wait(60)
                s.jobs.ask("standing", job=s.accuracy_log.check)
                assert s.wait(60)
        named = [doubt.row for doubt in heard]
        assert len(named) == len({*named}) and {*named} <= {*slips} and named, (named, slips)
        assert all(doubt.other == truth[doubt.row] for doubt in heard)
        last = s.second_look.now
        assert last is not None and s.second_look.reason(last.row) == last.message(s.classes)
        s.label(last.row, int(truth[last.row]))
        assert s.second_look.now is None and not s.events.errors
        s.label(rows[:5], 9)  # a lasso is no slip of the hand
        s.label(rows[6], 9, source="agent")
        assert rows[0] not in s.second_look.waiting
