"""Files into the app: memory and processor time of reading large photographs.

    python bench/reading.py                       # 2,000 JPEGs of 12 megapixels, as the app reads them
    python bench/reading.py --n 200 --size 96 96

Twenty pictures of textures are drawn, encoded once and linked under as many names as are asked for: encoding thousands
would take longer than what is measured, and a decoder does not notice. The reading runs in a process of its own, whose
largest resident memory is compared with that at its start. Prints one line of JSON.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

DRAWN = 20  # different pictures


def draw(folder: Path, n: int, height: int, width: int) -> int:
    "Files of photographs; how many bytes one of them has."
    from PIL import Image

    rng = np.random.default_rng(0)
    for i in range(min(n, DRAWN)):
        coarse = rng.integers(0, 256, (height // 16, width // 16, 3)).astype(np.uint8)
        smooth = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC), np.int16)
        grain = rng.integers(-6, 7, (height, width, 1), np.int16)
        picture = Image.fromarray(np.clip(smooth + grain, 0, 255).astype(np.uint8))
        picture.save(folder / f"{i:05d}.jpg", quality=85, subsampling=2)
    for i in range(DRAWN, n):
        os.link(folder / f"{i % DRAWN:05d}.jpg", folder / f"{i:05d}.jpg")
    return (folder / "00000.jpg").stat().st_size


def peak() -> float:
    "Largest resident memory of this process so far, in GB; `getrusage` would count that of its parent as well."
    status = Path("/proc/self/status")
    if status.exists():
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM")) / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def read(folder: str, size: tuple[int, int] | None, cache: str | None) -> dict:
    "What reading a folder costs."
    import warnings

    from ssvae_widgets import load_images

    warnings.simplefilter("ignore")
    before, start = peak(), os.times()
    found = load_images(folder, size=size, cache=cache, progress=False)
    end = os.times()
    return {
        "pictures": len(found),
        "shape": list(found.images.shape[1:]),
        "result_gb": round(found.images.nbytes / 1e9, 3),
        "peak_above_start_gb": round(peak() - before, 3),
        "cpu_s": round(end.user + end.system - start.user - start.system, 1),
        "wall_s": round(end.elapsed - start.elapsed, 1),
    }


def main():
    "Draw, then measure in a fresh process."
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--n", type=int, default=2000)
    p.add_argument("--height", type=int, default=3000)
    p.add_argument("--width", type=int, default=4000)
    p.add_argument("--size", type=int, nargs=2)
    p.add_argument("--mapped", action="store_true", help="keep the array in a file")
    p.add_argument("--folder", help=argparse.SUPPRESS)
    p.add_argument("--cache", help=argparse.SUPPRESS)
    a = p.parse_args()
    if a.folder:
        print(json.dumps(read(a.folder, a.size and tuple(a.size), a.cache)))
        return
    with tempfile.TemporaryDirectory() as home:
        (photos := Path(home) / "photos").mkdir()
        nbytes = draw(photos, a.n, a.height, a.width)
        more = ["--size", *map(str, a.size)] if a.size else []
        more += ["--cache", str(Path(home) / "array.npy")] if a.mapped else []
        done = subprocess.run(
            [sys.executable, __file__, "--folder", str(photos), *more], capture_output=True, text=True, check=True
        )
        megapixels = round(a.height * a.width / 1e6, 1)
        print(json.dumps({"megapixels": megapixels, "file_mb": round(nbytes / 1e6, 2), **json.loads(done.stdout)}))


if __name__ == "__main__":
    main()
