"""The tests at one end of the dependency ranges, in parts that can be run one by one.

`python .ci/ends.py lowest --part 2/4` runs a quarter of the files with the Python that runs this, keeps what came of
each in artifacts/ends/lowest.json, and says at last how much of the suite all parts so far have covered. A few files
share a process, so that what one of them leaves in memory never adds up, and a crash takes few others with it. Files
that have passed are not run again without --again.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ASIDE = {"tests/test_in_step.py", "tests/test_wheel.py"}  # of the notebooks and of pip, not of a dependency's version
OLD = ["-W", "ignore::DeprecationWarning"]  # what the lowest versions say of the newer Python that they run on
XUNIT = ["-o", "junit_family=xunit1", "-p", "no:cacheprovider"]  # the family that knows the file of a test


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


def worked() -> float:
    "Seconds that processes which were started here have had of a processor."
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run(names: list[str], more: list[str], timeout: float) -> dict[str, dict]:
    "What came of some files: passed, names of what failed, skipped, and their shares of seconds and processor seconds."
    with tempfile.TemporaryDirectory() as there:
        report = Path(there) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={report}", *XUNIT, *more, *names]
        env = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
        start, before = time.monotonic(), worked()
        try:
            ended = subprocess.run(command, cwd=ROOT, timeout=timeout, env=env).returncode
        except subprocess.TimeoutExpired:
            ended = "timeout"
        cases = list(ElementTree.parse(report).iter("testcase")) if report.is_file() else []
    told = {}
    for name in names:
        module = name.removesuffix(".py").replace("/", ".")  # a test that a library made has a file of that library
        mine = [
            c
            for c in cases
            if name in (c.get("file"), c.get("name")) or f"{c.get('classname')}.".startswith(f"{module}.")
        ]
        bad = [c.get("name") for c in mine if c.find("failure") is not None or c.find("error") is not None]
        skipped = sum(case.find("skipped") is not None for case in mine)
        if ended not in (0, 1, 5) and not bad:  # 5: nothing was selected
            bad = [f"(the process ended with {ended})"]
        passed = max(0, len(mine) - skipped - len(bad))
        told[name] = dict(passed=passed, failed=bad, skipped=skipped)
    for name in names:
        told[name]["seconds"] = round((time.monotonic() - start) / len(names))
        told[name]["cpu"] = round((worked() - before) / len(names))
    return told


def summary(end: str, known: dict) -> str:
    "How much of the suite is covered, in a line."
    here, browser = files(), [name for name in files() if "browser" in name]
    some = {name: known[name] for name in here if name in known}
    bad = [f"{name}::{case}" for name, told in some.items() for case in told["failed"]]
    n = {k: sum(told[k] for told in some.values()) for k in ("passed", "skipped")}
    in_page = sum(name in some for name in browser)
    plain = f"{len(some) - in_page} of {len(here) - len(browser)} test files"
    lines = [f"FAILED {case}" for case in bad]
    took, cpu = (sum(told.get(k, 0) for told in some.values()) / 60 for k in ("seconds", "cpu"))
    counts = f"{n['passed']:,} passed, {len(bad)} failed, {n['skipped']} skipped"
    counts += f" in {took:.0f} minutes, {cpu:.0f} of a processor"
    return "\n".join([*lines, f"{end}: {plain} and {in_page} of {len(browser)} in a browser; {counts}"])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("end", choices=("lowest", "newest"))
    parser.add_argument("--part", default="1/1", metavar="K/N", help="every N-th file, from the K-th on")
    parser.add_argument("--browser", action="store_true", help="also the tests in a browser (Chromium)")
    parser.add_argument("--again", action="store_true", help="also files that have passed before")
    parser.add_argument("--together", type=int, default=8, metavar="N", help="files that share a process (default: 8)")
    parser.add_argument("--timeout", type=float, default=900, metavar="SECONDS", help="for a file (default: 900)")
    parser.add_argument("only", nargs="*", metavar="FILE", help="these files alone")
    args = parser.parse_intermixed_args()
    kept = ROOT / "artifacts" / "ends" / f"{args.end}.json"
    kept.parent.mkdir(parents=True, exist_ok=True)
    known = json.loads(kept.read_text()) if kept.is_file() else {}
    todo = args.only or part_of(files(args.browser), args.part)
    left = [name for name in todo if args.only or args.again or name not in known or known[name]["failed"]]
    for i in range(0, len(left), args.together):
        some = left[i : i + args.together]
        print("==", *some, flush=True)
        known |= run(some, OLD if args.end == "lowest" else [], args.timeout * len(some))
        kept.write_text(json.dumps(known, indent=1))
    print(summary(args.end, known))
    return int(any(known[name]["failed"] for name in todo))


if __name__ == "__main__":
    sys.exit(main())
