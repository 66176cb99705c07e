"""Execute notebooks and save their outputs, small and without live widgets: python .ci/save_outputs.py NOTEBOOK…
[--only-shrink]

Pictures are saved with at most 1000 pixels of width and 128 colors, so that a notebook stays a few hundred kilobytes.
"""

import base64
import io
import subprocess
import sys
from pathlib import Path

import nbformat
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
LIVE = "application/vnd.jupyter.widget-view+json"


def shrink(png: str) -> str:
    "A base64 PNG, not larger than it has to be."
    data = base64.b64decode(png)
    image = Image.open(io.BytesIO(data)).convert("RGBA")
    flat = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    if flat.width > 1000:
        flat = flat.resize((1000, round(flat.height * 1000 / flat.width)), Image.LANCZOS)
    out = io.BytesIO()
    flat.quantize(128, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
    return base64.b64encode(out.getvalue()).decode() if out.tell() < len(data) else png


def clean(path: Path) -> None:
    "Drop live-widget views (random ids, no picture) and shrink pictures."
    nb = nbformat.read(path, as_version=4)
    for cell in nb.cells:
        kept = []
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if LIVE in data:
                data = {k: v for k, v in data.items() if k == "image/png"}
                if not data:
                    continue
                output["data"] = data
            if "image/png" in data:
                output["data"]["image/png"] = shrink(data["image/png"])
            kept.append(output)
        if "outputs" in cell:
            cell["outputs"] = kept
    nbformat.write(nb, path)
    subprocess.run([BIN / "nbdev-clean", "--fname", path], cwd=ROOT, check=True)


def main() -> int:
    paths = [Path(a).resolve() for a in sys.argv[1:] if not a.startswith("-")]
    failed = 0
    for path in paths:
        if "--only-shrink" not in sys.argv:
            done = subprocess.run([BIN / "nbdev-test", path, "--save", "--n-workers", "0"], cwd=ROOT)
            failed |= done.returncode
        clean(path)
    return failed


if __name__ == "__main__":
    sys.exit(main())
