"""Write README.md from nbs/index.ipynb: prose as it is, code as blocks, text outputs below them. `--check` only
compares."""

import re
import sys
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[1]
NOTE = "<!-- Generated from nbs/index.ipynb by `make readme`: edit the notebook, not this file. -->"


def text_output(cell) -> str:
    "The plain-text outputs of a code cell."
    out = []
    for o in cell.outputs:
        if o.output_type == "stream":
            out.append(o.text)
        elif (
            o.output_type in ("execute_result", "display_data") and "text/plain" in o.data and "image/png" not in o.data
        ):
            out.append(o.data["text/plain"])
    return "".join(out).strip()


def render() -> str:
    parts = [NOTE]
    for cell in nbformat.read(ROOT / "nbs" / "index.ipynb", as_version=4).cells:
        if re.match(r"#\|\s*hide\b", cell.source):
            continue
        if cell.cell_type == "markdown":
            # pictures and links are relative to nbs/ in the notebook, to the root in the README
            local = re.sub(r"(\]\(|src=\")(?=\w[\w/-]*\.(ipynb|png))", r"\1nbs/", cell.source)
            parts.append(local.replace("](../", "](").strip())
        elif cell.cell_type == "code":
            source = "\n".join(line for line in cell.source.splitlines() if not line.startswith("#|"))
            parts.append(f"```python\n{source.strip()}\n```")
            if out := text_output(cell):
                parts.append("\n".join("    " + line for line in out.splitlines()))
    return "\n\n".join(p for p in parts if p) + "\n"


def main() -> int:
    readme = ROOT / "README.md"
    if "--check" in sys.argv:
        if not readme.exists() or readme.read_text() != render():
            print("README.md differs from nbs/index.ipynb: run `make readme`", file=sys.stderr)
            return 1
        return 0
    readme.write_text(render())
    return 0


if __name__ == "__main__":
    sys.exit(main())
