"""The tests at one end of the dependency ranges, file by file, in parts that can be run one by one.

`python .ci/ends.py lowest --part 2/4` runs a quarter of the files with the Python that runs this, keeps what came of
each in artifacts/ends/lowest.json, and says at last how much of the suite is covered by all parts so far. Each file has
a process of its own: what one leaves in memory, the next does not meet.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ASIDE = {"tests/test_in_step.py", "tests/test_wheel.py"}  # of the notebooks and of pip, not of a dependency's version
XUNIT = ["-o", "junit_family=xunit1", "-p", "no:cacheprovider"]  # the family that tests may add a property to
OLD = ["-W", "ignore::DeprecationWarning"]  # what the lowest versions say of the newer Python that they run on


def files(browser: bool = True) -> list[str]:
    "The test files, in their order."
    found = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "tests").rglob("test_*.py"))
    return [name for name in found if name not in ASIDE and (browser or "browser" not in name)]


def part_of(names: list[str], part: str) -> list[str]:
    "Every n-th file, from the k-th on."
    k, n = map(int, part.split("/"))
    if not 1 <= k <= n:
        raise SystemExit(f"--part {part}: expected 1/{n} to {n}/{n}")
    return names[k - 1 :: n]


def run(name: str, more: list[str], timeout: float) -> dict:
    "What came of one file: passed, failed, skipped, names of what failed, seconds."
    start = time.time()
    with tempfile.TemporaryDirectory() as there:
        report = Path(there) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={report}", *XUNIT, *more, name]
        env = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
        try:
            done = subprocess.run(command, cwd=ROOT, timeout=timeout, env=env).returncode
        except subprocess.TimeoutExpired:
            done = "timeout"
        cases = list(ElementTree.parse(report).iter("testcase")) if report.is_file() else []
    bad = [c.get("name") for c in cases if c.find("failure") is not None or c.find("error") is not None]
    skipped = sum(c.find("skipped") is not None for c in cases)
    if done not in (0, 5) and not bad:  # 5: nothing was selected
        bad = [f"(ended with {done})"]
    told = dict(
        passed=len(cases) - len([b for b in bad if not b.startswith("(")]) - skipped, failed=bad, skipped=skipped
    )
    return told | {"seconds": round(time.time() - start)}


def summary(end: str, known: dict) -> str:
    "How much of the suite is covered, in a line."
    here, browser = files(), [name for name in files() if "browser" in name]
    some = {name: known[name] for name in here if name in known}
    bad = [f"{name}::{case}" for name, told in some.items() for case in told["failed"]]
    n = {k: sum(told[k] for told in some.values()) for k in ("passed", "skipped", "seconds")}
    in_page = sum(name in some for name in browser)
    plain = f"{len(some) - in_page} of {len(here) - len(browser)} test files"
    lines = [f"FAILED {case}" for case in bad]
    counts = f"{n['passed']:,} passed, {len(bad)} failed, {n['skipped']} skipped in {n['seconds'] / 60:.0f} minutes"
    return "\n".join([*lines, f"{end}: {plain} and {in_page} of {len(browser)} in a browser; {counts}"])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("end", choices=("lowest", "newest"))
    parser.add_argument("--part", default="1/1", metavar="K/N", help="every N-th file, from the K-th on")
    parser.add_argument("--browser", action="store_true", help="also the tests in a browser (Chromium)")
    parser.add_argument("--again", action="store_true", help="also files that have passed with these sources before")
    parser.add_argument("--timeout", type=float, default=2400, metavar="SECONDS", help="for a file (default: 2400)")
    parser.add_argument("only", nargs="*", metavar="FILE", help="these files alone")
    args = parser.parse_intermixed_args()
    kept = ROOT / "artifacts" / "ends" / f"{args.end}.json"
    kept.parent.mkdir(parents=True, exist_ok=True)
    known = json.loads(kept.read_text()) if kept.is_file() else {}
    if args.again:
        known = {}
    todo = args.only or part_of(files(args.browser), args.part)
    for name in [name for name in todo if args.only or name not in known or known[name]["failed"]]:
        print(f"== {name}", flush=True)
        known[name] = run(name, OLD if args.end == "lowest" else [], args.timeout)
        kept.write_text(json.dumps(known, indent=1))
    print(summary(args.end, known))
    return int(any(known[name]["failed"] for name in todo if name in known))


if __name__ == "__main__":
    sys.exit(main())
