"""Which answer is on show, and with what number: graph and networks that are known to be right or wrong, against
folds and shares counted by hand."""

import json
import sys
import threading

import numpy as np
import pytest
from waiting import until

from ssvae_widgets import LabelingSession, SSVAEConfig, load_digits
from ssvae_widgets.assess.evidence import Exam, choose, linear_head
from ssvae_widgets.assess.metrics import wilson_interval
from ssvae_widgets.graph.propagate import knn_graph, poisson

TINY = SSVAEConfig(encoder_type="dense", hidden_dims=(16,), latent_dim=2, batch_size=64, augmentation="none")
rng = np.random.default_rng(0)
TRUTH = np.repeat([0, 1, 2], 60)
CLOUDS = (rng.normal(size=(180, 6)) + 8 * np.eye(6)[TRUTH]).astype(np.float32)  # the graph is right about everything
NOISE = rng.normal(size=(180, 6)).astype(np.float32)  # the graph knows nothing


class Network:
    "A trained network that names the right class of the rows it is told to, and is sure of everything."

    trained, epoch, history, n_classes, class_names, feature_space = True, 8, {}, 3, None, None

    def __init__(self, images, truth, right):
        self.row = {x.tobytes(): i for i, x in enumerate(images)}
        self.says = np.where(right, truth, (truth + 1) % 3)
        self.probs = np.full((len(truth), 3), 5e-4) + 0.9985 * np.eye(3)[self.says]

    def predict_proba(self, x):
        return self.probs[[self.row[i.tobytes()] for i in x]]

    def set_classes(self, names):
        self.n_classes = len(names)


def check_now(s):
    s.jobs.ask("standing", job=s.accuracy_log.check)


def with_network(images, right, rows, heard, truth=TRUTH, **given):
    "A session with labels for `rows`, the first `heard` of which the network has heard."
    s = LabelingSession(images, None, classes=3, truth=truth, config=TINY, **given)
    network = Network(s.images, truth, right)
    for c in range(3):
        s.label(rows[:heard][truth[rows[:heard]] == c], c)
    assert s.wait(60)
    s.network.model = network
    s.examination.ever = s.codes >= 0
    s.predictions.by_source = {**s.predictions.by_source, "network": network.probs.astype(np.float32)}
    s.activity.update(total=8)
    for c in range(3):
        s.label(rows[heard:][truth[rows[heard:]] == c], c)
    assert s.wait(60)
    check_now(s)
    assert s.wait(60)
    return s


def mixed(seed=1):
    return np.random.default_rng(seed).permutation(180)


def test_a_bad_network_is_not_shown_and_the_number_is_the_graphs():
    rows = mixed()[:60]
    with with_network(CLOUDS, mixed(2) < 60, rows, 30) as s:
        assert s.source == "graph" and (s.pred == TRUTH).mean() > 0.98
        folds, graph = s.evidence.folds, knn_graph(s.predictions.pixels)
        right = np.concatenate(
            [
                poisson(graph, np.where(folds == f, -1, s.codes), 3)[folds == f].argmax(1) == s.codes[folds == f]
                for f in range(5)
            ]
        )
        assert (s.accuracy.n, s.accuracy.how) == (60, "left out") and s.accuracy.value == pytest.approx(right.mean())
        assert (s.accuracy.low, s.accuracy.high) == pytest.approx(wilson_interval(int(right.sum()), 60))
        late = rows[30:]
        assert s.sources["network"].n == 30 and s.sources["network"].accuracy == pytest.approx(
            (s.model.says == TRUTH)[late].mean()
        )
        assert (
            s.standing.source == "graph"
            and f"{right.mean():.0%} right" in s.standing.message
            and "60 of your own labels" in s.standing.message
        )
        assert s.standing.value == s.accuracy.value and s.standing.truth == pytest.approx((s.pred == TRUTH).mean())


def test_a_good_network_replaces_a_graph_that_knows_nothing():
    with with_network(NOISE, np.arange(180) % 10 > 0, mixed()[:60], 30) as s:
        assert s.source == "network" and (s.pred == s.model.says).all()
        assert s.accuracy == s.sources["network"] and s.accuracy.n == 30 and s.accuracy.value > 0.7
        assert s.sources["graph"].accuracy < 0.6 and "the trained network" in s.standing.message


def test_after_a_restart_the_same_labels_are_left_out_together(tmp_path):
    told = []

    def heard(s):
        check_now(s)
        return s.wait(60) and s.evidence.folds is not None and (s.evidence.folds >= 0).sum() == s.n_labeled

    for again in (False, True):
        with LabelingSession(NOISE, tmp_path / "labels.csv", classes=3) as s:
            for row in [] if again else mixed()[:40].tolist():  # folds go by the order in which labels come
                s.label(row, int(TRUTH[row]))
                s.jobs.forget("state")  # as if all this took less than the second after which it is written
                if s.n_labeled % 10 == 0:
                    until(lambda s=s: heard(s))
                    s.jobs.forget("state")
            until(lambda s=s: heard(s))
            assert s.wait(60)
            told.append((s.evidence.folds.tolist(), s.accuracy.n, s.accuracy.how))
    assert told[0] == told[1]


def test_labels_of_one_class_alone_judge_nothing():
    "Whoever gives everything one name would be right about all of them."
    with LabelingSession(NOISE, None, classes=3) as s:
        for row in (*range(30), 60):
            s.label(row, int(TRUTH[row]))
        check_now(s)
        until(lambda: s.wait(60) and s.evidence.folds is not None and s.accuracy.n == 0)
        s.label([61, 62, 63], 1)
        until(lambda: (check_now(s), s.wait(60), s.accuracy.n)[-1] >= 30)


def test_equal_answers_leave_the_simpler_one_on_show():
    with with_network(CLOUDS, np.ones(180, bool), mixed()[:60], 30) as s:
        assert s.source == "graph" and s.sources["network"].accuracy == 1 == s.sources["graph"].accuracy


def test_without_a_label_that_it_had_not_heard_no_network_is_shown():
    with with_network(NOISE, np.ones(180, bool), mixed()[:60], 60) as s:
        assert s.source == "graph" and s.sources["network"].n == 0 and "not checked yet" in s.why
        s.show_source("network")
        assert s.wait(60) and s.source == "network" and "asked for it" in s.why
        assert s.certainty.mean() == pytest.approx(0.5, abs=0.02), "nothing is known: as likely right as wrong"
        s.show_source(None)
        assert s.wait(60) and s.source == "graph"
        with pytest.raises(ValueError, match="no source 'oracle'"):
            s.show_source("oracle")


def test_what_is_on_show_stays_while_it_is_ahead():
    "Six labels tell them apart; the way there needs a lead, the way back a lost one."

    def right(wins, losses):
        return {
            ("graph", "network"): (
                np.r_[np.zeros(wins), np.ones(losses + 20)],
                np.r_[np.ones(wins), np.zeros(losses), np.ones(20)],
            )
        }

    both = ("graph", "network")
    assert [choose(both, right(w, 6 - w)) for w in (3, 4, 5)] == ["graph", "graph", "network"]
    assert [choose(both, right(w, 6 - w), "network") for w in (3, 4, 5)] == ["graph", "network", "network"]


def test_a_sure_network_that_is_half_right_does_not_show_certainty():
    half = np.random.default_rng(4).random(180) < 0.55
    with with_network(NOISE, half, mixed()[:120], 30) as s:
        s.show_source("network")
        assert s.wait(60) and s.source == "network"
        share = (s.model.says == TRUTH).mean()
        assert s.predictions.by_source["network"].max(1).mean() > 0.99 and abs(s.certainty.mean() - share) < 0.15
        assert (s.pred == s.model.says).all(), "toned down, not changed"


def test_labels_that_were_accepted_do_not_judge():
    with with_network(CLOUDS, np.ones(180, bool), mixed()[:60], 30) as s:
        others = mixed()[60:90]
        s.accept(others)
        assert s.wait(60)
        check_now(s)
        assert (
            s.wait(60)
            and s.accuracy.n == 60
            and s.sources["network"].n == 30
            and not set(others.tolist()) & set(s.exams)
        )


def test_unbalanced_labels_are_counted_as_they_are():
    rows = np.r_[np.arange(45), 60:66, 120:129]
    with with_network(CLOUDS, TRUTH == 0, rows[np.random.default_rng(0).permutation(60)], 20) as s:
        late = np.array(sorted(s.exams))
        assert s.sources["network"].accuracy == pytest.approx((TRUTH[late] == 0).mean()) and s.source == "graph"


def test_random_picks_answered_blind_are_a_test_of_what_was_on_show():
    with LabelingSession(CLOUDS, None, classes=3, truth=TRUTH, config=TINY) as s:
        for c in range(3):
            s.label(np.flatnonzero(TRUTH == c)[:5], c)
        assert s.wait(60)
        s.strategy = "audit"
        for _ in range(12):
            row = s.next().serial
            s.label(row, int(TRUTH[row]), source="queue")
        assert s.wait(60)
        assert (s.accuracy.how, s.accuracy.n) == ("blind test", 12)
        assert s.accuracy.value == pytest.approx(np.mean([s.audits[r] == TRUTH[r] for r in s.audits]))


def test_half_of_the_first_labels_wait_and_the_training_can_be_repeated(tmp_path):
    images, truth = (a[:400] for a in load_digits())
    rows = np.random.default_rng(1).permutation(400)[:60]
    with LabelingSession(images, tmp_path / "l.csv", truth=truth, config=TINY.replace(learning_rate=1e-7)) as s:
        for c in range(10):
            s.label(rows[truth[rows] == c], c)
        s.train(4)
        assert s.wait(300)
        waited = {e["epoch"]: set(e.get("held", ())) for e in s.record.life() if e["event"] == "epoch"}
        assert set(s.exams) == waited[1] == waited[2] and not waited[3] and not waited[4]
        assert [int((truth[sorted(s.exams)] == c).sum()) for c in range(10)] == [
            int((truth[rows] == c).sum()) // 2 for c in range(10)
        ]
        assert s.source == "graph" and s.unheard == 0, (
            "a network that has learned nothing is not shown, and in the end it has heard all labels"
        )
        assert all(np.array_equal(np.asarray(v), np.asarray(s.model.params[k])) for k, v in s.replay().params.items())
        exams, number = dict(s.exams), s.sources["network"]
        s.goto(0) if s.rounds.restorable[0] else None
        s.wait(300)
    state = json.loads((tmp_path / "l.csv.session" / "state.json").read_text())
    assert set(state["evidence"]["exams"]) == {str(k) for k in exams}
    with LabelingSession(images, tmp_path / "l.csv", truth=truth, config=TINY.replace(learning_rate=1e-7)) as s:
        assert (
            s.wait(300)
            and s.source == "graph"
            and s.sources["network"] == number
            and not len(s.examination.fresh_rows(s.codes))
        )


def test_going_back_forgets_what_later_weights_said():
    with with_network(CLOUDS, np.ones(180, bool), mixed()[:60], 30) as s:
        seq = s.seq
        s.examination.exams = {
            k: Exam(8 if i < 10 else 12, e.said, e.probs) for i, (k, e) in enumerate(s.exams.items())
        }
        s.label(mixed()[100], 1)
        s.examination.continue_from(seq, 8)
        assert len(s.exams) == 10 and s.examination.ever.sum() == 60 and not s.examination.ever[mixed()[100]]
        s.examination.continue_from(0, 0)
        assert not s.examination.ever.any() and not s.exams


def test_the_linear_head_is_scikit_learns():
    from sklearn.linear_model import LogisticRegression

    codes = np.where(np.arange(180) % 9 == 0, TRUTH, -1)
    rows = codes >= 0
    center = NOISE[rows].mean(0)
    x = (NOISE - center) * (4 / np.sqrt(((NOISE[rows] - center) ** 2).sum(1).mean()))
    expected = LogisticRegression(C=1.0, max_iter=300, tol=1e-3).fit(x[rows], codes[rows]).predict_proba(x)
    np.testing.assert_allclose(linear_head(NOISE, codes, 3), expected, atol=1e-4)


def test_labels_of_one_class_show_no_network():
    "The neighbors say that class of everything as well: nothing tells the answers apart."
    with LabelingSession(CLOUDS, None, classes=3, config=TINY) as s:
        s.label(np.arange(40), 0)
        s.train(2)
        assert s.wait(300)
        check_now(s)
        assert (
            s.wait(60)
            and len(s.exams) >= 20
            and all(e.said["graph"] == e.said["linear"] == 0 for e in s.exams.values())
        )
        assert s.source == "graph" and "network 100%" in s.why


def test_a_network_from_elsewhere_is_compared_with_what_the_graph_says_of_the_same_labels():
    "It was asked before there was any label to go by: what graph and linear head say when these are left out counts."
    with with_network(CLOUDS, np.arange(180) % 4 > 0, mixed()[:60], 30) as s:
        s.examination.exams = {
            row: Exam(e.epoch, {"network": e.said["network"]}, e.probs) for row, e in s.exams.items()
        }
        s.evidence.decide(s.codes)
        assert s.sources["network"].n == 30 and 0.5 < s.sources["network"].accuracy < 1 == s.sources["graph"].accuracy
        assert s.source == "graph" and s.predictions.chosen == "graph"
        pairs = s.evidence.judge(s.codes)[1]
        assert [len(v) for v in pairs["graph", "network"]] == [30, 30] and pairs["graph", "network"][0].all()
        s.evidence.left_out = {}
        assert [len(v) for v in s.evidence.judge(s.codes)[1]["graph", "network"]] == [0, 0], (
            "nothing is compared with nothing"
        )
        s.evidence.decide(s.codes)
        assert s.source == "graph"


def test_a_network_that_was_the_only_answer_needs_evidence_when_there_is_another():
    with with_network(CLOUDS, mixed(2) < 60, mixed()[:60], 30) as s:
        s.clear(np.arange(180))
        assert s.wait(60)
        s.accuracy_log.check(), s.wait(60)
        assert s.source == "network", "there is no other"
        s.label([3], 0)
        assert s.wait(60)
        check_now(s)
        assert s.wait(60) and s.source == "graph"


def test_a_random_pick_waits_for_no_round_that_is_written():
    with LabelingSession(CLOUDS, None, classes=3, truth=TRUTH, config=TINY) as s:
        for c in range(3):
            s.label(np.flatnonzero(TRUTH == c)[:5], c)
        assert s.wait(60)
        s.strategy = "audit"
        row, said = s.next().serial, s.pred.copy()
        labeling = threading.Thread(target=lambda: s.label(row, int(TRUTH[row]), source="queue"))
        with s.activity.lock:  # as it is while a round or the state is written
            labeling.start()
            labeling.join(30)
            assert not labeling.is_alive() and s.codes[row] == TRUTH[row] and s.audits == {row: said[row]}
            assert s.blind[row] == (15, {"graph": said[row]})


def test_random_picks_of_several_threads_are_all_kept_while_others_read():
    with LabelingSession(CLOUDS, None, classes=3, truth=TRUTH, config=TINY) as s:
        s.label(np.arange(180), 1)
        assert s.wait(60)
        s.network.model = Network(s.images, TRUTH, np.ones(180, bool))
        s.examination.foreign = True
        failed, over, interval = [], threading.Event(), sys.getswitchinterval()

        def again_and_again(do):
            try:
                while not over.is_set():
                    do()
            except Exception as e:
                failed.append(e)

        readers = [
            threading.Thread(target=again_and_again, args=[do])
            for do in (s.evidence.to_dict, s.state.to_dict, lambda: s.sources, lambda: s.examination.ask(s.codes))
        ]
        writers = [
            threading.Thread(
                target=lambda k=k: [s.evidence.asked_at_random(row, row) for _ in range(20) for row in range(k, 180, 3)]
            )
            for k in range(3)
        ]
        sys.setswitchinterval(1e-6)
        try:
            for t in [*readers, *writers]:
                t.start()
            for t in writers:
                t.join(120)
        finally:
            over.set(), sys.setswitchinterval(interval)
            for t in readers:
                t.join(60)
        assert (
            not failed
            and s.audits == {row: row for row in range(180)}
            and sorted(s.blind) == list(range(180)) == sorted(s.exams)
        )


def test_a_label_that_comes_while_a_run_begins_is_answered_in_it():
    with LabelingSession(CLOUDS, None, classes=3, config=TINY) as s:
        s.label([0], 0), s.label([60], 1)
        assert s.wait(60)
        moment, answers = s.network.moment, {}

        def told(what):
            moment(what)
            if what == "begins":
                s.label([120], 2)  # while the first round is written
            if what == "epoch":
                answers[s.training.epoch] = s.predictions.answered, s.predictions.by_source["graph"][120].argmax()

        s.network.moment = told
        s.train(2)
        assert s.wait(300) and set(answers.values()) == {(s.seq, 2)}


def test_a_label_that_comes_while_labels_are_read_is_asked_for_again(monkeypatch):
    with LabelingSession(CLOUDS, None, classes=3, config=TINY) as s:
        s.instant = False
        s.label([0], 0), s.label([60], 1)
        read, late = type(s.data).codes.fget, [120]

        def codes(data):
            found = read(data)
            if late:
                s.label(late.pop(), 2)
            return found

        with monkeypatch.context() as m:
            m.setattr(type(s.data), "codes", property(codes))
            s.predictions.ask("graph")
        assert s.codes[120] == 2 and s.predictions.answered < s.seq
        s.predictions.ask("graph")
        assert s.predictions.answered == s.seq and s.predictions.by_source["graph"][120].argmax() == 2


def test_blind_tests_of_merged_classes_count_as_what_they_became():
    with LabelingSession(CLOUDS, None, classes=3, truth=TRUTH, config=TINY) as s:
        s.label(np.flatnonzero(TRUTH == 0)[:12], 0), s.label([60], 1), s.label([120], 2)
        assert s.wait(60)
        s.evidence.blind = {int(row): (14, {"graph": 2}) for row in np.flatnonzero(TRUTH == 0)[:12]}
        assert s.sources["graph"].accuracy == 0
        s.store.merge_classes(2, 0)
        assert s.wait(60) and s.sources["graph"].how == "blind test" and s.sources["graph"].accuracy == 1


def test_a_clearly_worse_network_is_not_shown_for_a_few_lucky_labels():
    from ssvae_widgets.assess.evidence import choose, judged

    both, rng = ("graph", "network"), np.random.default_rng(0)
    known = {"graph": judged(np.arange(60) < 51), "network": judged(np.arange(20) < 1)}
    lucky = sum(
        choose(both, {both: (graph, graph & (rng.random(20) < 0.9) | (rng.random(20) < 0.1))}, sources=known)
        == "network"
        for graph in rng.random((500, 20)) < 0.1  # labels given blindly: both are right now and then
    )
    assert lucky <= 2, lucky
    better = np.arange(40) < 34, np.arange(40) < 36
    assert choose(both, {both: (np.zeros(40, bool), np.ones(40, bool))}, sources=known) == "network"
    assert choose(both, {both: better}, sources={k: judged(v) for k, v in zip(both, better)}) == "network"


def test_a_label_that_is_the_only_one_of_its_class_does_not_judge():
    """Twelve labels of twelve classes made "0 % right (0 to 24)" of answers that are all right: a class whose only
    label is left out cannot be found."""
    truth = np.repeat(np.arange(12), 15)
    clouds = (np.random.default_rng(0).normal(size=(180, 12)) + 9 * np.eye(12)[truth]).astype(np.float32)
    with LabelingSession(clouds, None, classes=12, config=TINY) as s:

        def label(k, n):
            s.label(np.flatnonzero(truth == k)[:n], k)

        def checked():
            assert s.wait(60)
            check_now(s)
            assert s.wait(60)
            return s.accuracy

        for k in range(12):
            label(k, 1)
        assert checked().n == 0 and (s.pred == truth).all() and "checked on" not in s.standing.message
        for k in range(10):
            label(k, 2)
        assert (checked().n, s.accuracy.value) == (20, 1.0), "two classes have one label each"
        label(10, 2)
        assert checked().n == 22
        s.undo()
        assert checked().n == 20


def test_labels_of_one_lasso_count_as_one(no_first_map):
    "Twenty neighbors that one key labeled are found by each other: they widen no certainty, one by one they would."
    found = {}
    for source in ("lasso", "key"):
        with LabelingSession(CLOUDS, None, classes=3, config=TINY) as s:
            s.label(np.arange(20), 0, source="lasso")
            for row in (60, 61, 62, 63, 120, 121, 122, 123):
                s.label(row, int(TRUTH[row]))
            if source == "key":
                for row in range(20):
                    s.label(row, 0, source="key")
            assert s.wait(60, late=True)
            check_now(s)
            assert s.wait(60)
            found[source] = s.sources["graph"]
    assert found["lasso"].accuracy == found["key"].accuracy == 1 and found["lasso"].n == found["key"].n == 28
    assert found["lasso"].low == pytest.approx(wilson_interval(9, 9)[0])
    assert found["key"].low == pytest.approx(wilson_interval(28, 28)[0])
