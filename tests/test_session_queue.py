"""Proposals when a look for more is slow, as it is while a network is trained on the same cores."""

import threading

import pytest
from sessions import session

from ssvae_widgets.session.queue import Proposals


@pytest.fixture
def slow(monkeypatch):
    "Looks that begin and end when the test says so; their sizes are kept."
    begun, go, sizes, true = threading.Event(), threading.Event(), [], Proposals.suggest

    def suggest(self, n=10, *args, **kw):
        if kw.get("skip") is not None and args[:1] != ("audit",):
            sizes.append(n)
            begun.set()
            assert go.wait(60)
        return true(self, n, *args, **kw)

    monkeypatch.setattr(Proposals, "suggest", suggest)
    return begun, go, sizes


def test_somebody_who_waits_takes_what_a_running_look_finds(slow):
    begun, go, sizes = slow
    with session(classes=10) as s:
        look = threading.Thread(target=s.look_ahead, args=(20,))
        look.start()
        assert begun.wait(60)
        found = []
        asker = threading.Thread(target=lambda: found.append(s.next()))
        asker.start()
        asker.join(0.2)
        assert not found
        go.set()
        look.join(60), asker.join(60)
        assert sizes == [20] and found[0].serial == s.current.serial
        assert len(s.upcoming(60)) >= 15 and s.queue.seconds > 0


def test_old_proposals_stay_until_newer_ones_are_there(slow):
    begun, go, sizes = slow
    go.set()
    with session(classes=10) as s:
        first = s.next()
        go.clear(), begun.clear()
        look = threading.Thread(target=s.look_ahead)
        look.start()
        assert begun.wait(60)
        for row in [i for i in range(200) if i not in {item.serial for item in s.upcoming(60)}][:60]:
            s.label([row], 0)
        assert s.upcoming(5), "nobody has to wait for the look"
        go.set()
        look.join(60)
        assert s.next().serial != first.serial


def test_somebody_fast_never_waits_for_old_proposals_to_be_replaced(slow):
    begun, go, _ = slow
    go.set()
    with session(classes=10) as s:
        s.next()
        s.look_ahead(30)
        held = s.upcoming(60)
        for row in [i for i in range(200) if i not in {item.serial for item in held}][: 2 * len(held) + 11]:
            s.label([row], 0)
        assert s.proposals.outdated and s.upcoming(60) == held, "they stay until newer ones are there"
        go.clear(), begun.clear()
        look = threading.Thread(target=s.look_ahead, args=(20,))
        look.start()
        assert begun.wait(60) and s.upcoming(60) == held
        go.set()
        look.join(60)
        assert not s.proposals.outdated and len(s.upcoming(60)) <= 20, "the old ones are gone"
        assert all(s.codes[item.serial] < 0 for item in s.upcoming(60))


def test_a_look_that_was_overtaken_by_another_strategy_or_by_flags_is_not_used(slow):
    begun, go, _ = slow
    with session(classes=10) as s:
        found = []
        asker = threading.Thread(target=lambda: found.append(s.next()))
        asker.start()
        assert begun.wait(60)
        s.strategy = "audit"
        s.flag(range(100), "exclude")
        go.set()
        asker.join(60)
        assert found[0].strategy == "audit" and found[0].serial >= 100
        assert all(item.strategy == "audit" and item.serial >= 100 for item in s.upcoming(60))
