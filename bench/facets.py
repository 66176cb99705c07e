"""How long one brush or search takes until every column is counted anew: `python bench/facets.py [rows …]` prints JSON.

Processor seconds of this process, the median of some repetitions, on columns that are made up: a plate, a day, a size,
a whole number, a remark that is another one in each row. `prepare` is what is done once, when the panel is opened.
"""

import json
import statistics
import sys
import time

import numpy as np
import pandas as pd

from ssvae_widgets.data.facets import Facet, count_places
from ssvae_widgets.session.activity import Activity
from ssvae_widgets.session.facets import Facets


class Rows:
    "As much of a session's data as facets ask for."

    def __init__(self, table: pd.DataFrame):
        self.n_items, self.found = len(table), self
        self.columns = {name: values.to_numpy() for name, values in table.items()}


class Nothing:
    "Proposals of a session that makes none."

    def propose_anew(self):
        pass


def made_up(n: int) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    words = np.array("nucleus blurred edge dark bright debris round split clump pale".split())
    picked = words[rng.integers(0, len(words), (n, 3))]
    return pd.DataFrame(
        {
            "plate": rng.choice([f"plate {k}" for k in range(24)], n),
            "day": np.datetime64("2026-01-01", "us") + rng.integers(0, 200 * 86_400_000_000, n),
            "area": rng.gamma(4, 30, n),
            "spots": rng.integers(0, 400, n),
            "remark": [f"{a} {b} {c} {k}" for k, (a, b, c) in enumerate(picked.tolist())],
        }
    )


def processor(work, repeats: int = 7) -> float:
    times = []
    for k in range(repeats):
        start = time.process_time()
        work(k)
        times.append(time.process_time() - start)
    return statistics.median(times)


def count_all(facets: Facets) -> int:
    "What a panel shows after every change."
    shown = [name for name in facets.columns if facets[name].kind != "text"]
    return sum(int(facets.counts(name).sum()) for name in shown) + len(facets.rows)


def measure(n: int) -> dict:
    facets = Facets(Rows(made_up(n)), Activity(), Nothing())
    start = time.process_time()
    ready: list[Facet] = [facets[name] for name in facets.columns]
    prepared = time.process_time() - start
    facets.pick("plate", ["plate 3", "plate 4", "plate 9"])

    def brush(k):
        facets.between("area", 20 + k, 140 + k)
        return count_all(facets)

    def search(k):
        facets.search("remark", ("blurred dark", "round", f"{k}7")[k % 3])
        return count_all(facets)

    seconds = {"brush": processor(brush), "search": processor(search)}
    seconds["selection"] = processor(lambda k: [count_places(f, facets.mask) for f in ready if f.kind != "text"])
    return {"rows": n, "prepare_s": round(prepared, 3), **{f"{k}_ms": round(1000 * s, 1) for k, s in seconds.items()}}


if __name__ == "__main__":
    print(json.dumps([measure(int(n)) for n in sys.argv[1:] or (60_000, 1_000_000)], indent=1))
