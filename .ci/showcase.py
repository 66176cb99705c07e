"""Execute the showcase notebook with progress on the terminal, then print its summary and where the pictures are."""

import json
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient as Client
from nbclient.exceptions import CellExecutionError

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOK = ROOT / "nbs" / "tutorials" / "showcase.ipynb"
OUT = ROOT / "artifacts" / "showcase"


def table(rows: list[dict]) -> str:
    "Rows of equal keys as an aligned text table."
    heads = list(rows[0])
    cells = [heads, *[[str(r[h]) for h in heads] for r in rows]]
    widths = [max(len(c[i]) for c in cells) for i in range(len(heads))]
    lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in cells]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


class NotebookClient(Client):
    "Shows what a cell prints while it runs, so that a long training is not silent."

    def output(self, outs, msg, display_id, cell_index):
        if msg["msg_type"] == "stream":
            for line in msg["content"]["text"].splitlines():
                print(f"           {line}", flush=True)
        return super().output(outs, msg, display_id, cell_index)


def main() -> int:
    try:
        OUT.mkdir(parents=True, exist_ok=True)
        (OUT / ".write").touch()
        (OUT / ".write").unlink()
    except OSError as e:
        print(
            f"The showcase writes its pictures to {OUT.relative_to(ROOT)}, which is not writable ({e.strerror}): "
            "clone into a folder that you may write to.",
            file=sys.stderr,
        )
        return 1
    nb = nbformat.read(NOTEBOOK, as_version=4)
    start, section = time.monotonic(), ""

    def progress(cell, cell_index):
        nonlocal section
        for before in reversed(nb.cells[: cell_index + 1]):
            if before.cell_type == "markdown" and before.source.startswith("#"):
                title = before.source.splitlines()[0].lstrip("# ")
                if title != section:
                    section = title
                    print(f"  {time.monotonic() - start:5.1f} s  {title}", flush=True)
                return

    print("Running the showcase", flush=True)
    client = NotebookClient(
        nb,
        timeout=1800,
        kernel_name="python3",
        resources={"metadata": {"path": str(NOTEBOOK.parent)}},
        on_cell_execute=progress,
        extra_arguments=["--log-level=40"],
    )
    try:
        client.execute()
    except CellExecutionError as e:
        print(f"The showcase stopped in section {section!r}: {e.ename}: {e.evalue}", file=sys.stderr)
        return 1
    nbformat.write(nb, OUT / "showcase.ipynb")
    summary = json.loads((OUT / "summary.json").read_text())
    print(f"\n{table(summary['stages'])}\n")
    for key, value in summary["facts"].items():
        print(f"{key:>10}: {value}")
    print(
        f"\nDone in {time.monotonic() - start:.0f} s. The pictures and the executed notebook are in "
        f"{OUT.relative_to(ROOT)}/:"
    )
    for f in sorted(OUT.glob("*.png")):
        print(f"  {f.name}")
    print("Next: `make lab` opens it in JupyterLab, where you can label.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
