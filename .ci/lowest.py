"""The lowest version of every dependency range, as constraints for pip: `python .ci/lowest.py > .ci/lowest.txt`."""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RANGE = re.compile(r"([A-Za-z0-9._-]+)(\[[^]]*\])?>=([0-9.]+),<[0-9.]+")


def lowest(extras=("dev",)) -> str:
    "A line for each dependency, also those of some extras."
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    ranges = [*project["dependencies"], *(r for e in extras for r in project["optional-dependencies"][e])]
    return "".join(f"{m[1]}=={m[3]}\n" for m in (RANGE.fullmatch(r) for r in ranges))


if __name__ == "__main__":
    sys.stdout.write("# made by .ci/lowest.py from pyproject.toml; `make test-lowest` installs these\n" + lowest())
