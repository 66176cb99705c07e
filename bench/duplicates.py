"""Copies of pictures: how many of made copies are found, what is found among pictures that nobody copied, and what it
costs. Writes artifacts/bench/duplicates.json and prints it.

    python bench/duplicates.py                        # 12,000 digits and clothes, blood cells
    python bench/duplicates.py --n 60000 --sheets     # as many as there are; pictures of the pairs that were found

A copy is made of 300 pictures in each of nine ways, no picture twice, and put beside the whole set; it counts as found
when it is in one stack with its original. What is found without them is no error by itself: data sets have copies.
`--sheets` writes the pairs nearest to the threshold as pictures to look at. Seconds are those of a processor.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import os
import platform
import tarfile
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from ssvae_widgets import load_images, load_mnist
from ssvae_widgets.assess.copies import CLEAR, FAR, SAME, find_copies, near_pairs, stack_numbers

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "artifacts" / "bench" / "duplicates.json"
DATA = Path(os.environ.get("SSVAE_WIDGETS_DATA", ""))


def load(name: str, n: int) -> np.ndarray:
    if name == "digits":
        return load_mnist(n=n, scale=False, binarize=False)[0].astype(np.uint8)
    if name == "clothes":
        raw = gzip.decompress((DATA / "fashion-mnist" / "train-images-idx3-ubyte.gz").read_bytes())
        return np.frombuffer(raw, np.uint8, offset=16).reshape(-1, 28, 28)[:n]
    with tempfile.TemporaryDirectory() as folder:
        tarfile.open(DATA / "blood" / "cells.tar").extractall(folder, filter="data")
        return load_images(folder).images[:n]


def jpeg(x: np.ndarray, quality: int) -> np.ndarray:
    Image.fromarray(x).save(data := io.BytesIO(), "JPEG", quality=quality)
    return np.asarray(Image.open(data))


def resized(x: np.ndarray, by: float) -> np.ndarray:
    picture = Image.fromarray(x)
    small = picture.resize([max(1, round(side * by)) for side in picture.size], Image.BILINEAR)
    return np.asarray(small.resize(picture.size, Image.BILINEAR))


def moved(x: np.ndarray) -> np.ndarray:
    margin = ((1, 1), (1, 1), (0, 0))[: x.ndim]
    return np.pad(x, margin, mode="edge")[: x.shape[0], 2:]


WAYS = {
    "same bytes": lambda x: x,
    "JPEG 80": lambda x: jpeg(x, 80),
    "JPEG 50": lambda x: jpeg(x, 50),
    "resized 0.9": lambda x: resized(x, 0.9),
    "resized 0.7": lambda x: resized(x, 0.7),
    "resized 0.5": lambda x: resized(x, 0.5),
    "10 % lighter": lambda x: np.clip(x * 1.1, 0, 255).astype(np.uint8),
    "10 % darker": lambda x: (x * 0.9).astype(np.uint8),
    "moved by a pixel": moved,
}


def recall(images: np.ndarray, of: int) -> dict:
    rows = np.random.default_rng(0).permutation(len(images))[: of * len(WAYS)].reshape(len(WAYS), of)
    copies = [way(images[row]) for way, mine in zip(WAYS.values(), rows) for row in mine]
    stack_of = stack_numbers(find_copies(np.concatenate([images, copies])), len(images) + rows.size)
    there = stack_of[len(images) :].reshape(rows.shape)
    return {name: round(float(hit), 3) for name, hit in zip(WAYS, ((there == stack_of[rows]) & (there >= 0)).mean(1))}


def sheet(images: np.ndarray, rows: list, path: Path) -> None:
    "Pairs side by side, the least alike first."
    h, w = images.shape[1:3]
    canvas = Image.new("RGB", (8 * (2 * w + 8), -(-len(rows) // 8) * (h + 4)), "white")
    for k, pair in enumerate(rows):
        for j, row in enumerate(pair[:2]):
            canvas.paste(Image.fromarray(images[row]).convert("RGB"), ((k % 8) * (2 * w + 8) + j * w, k // 8 * (h + 4)))
    canvas.save(path)


def measure(name: str, n: int, of: int, sheets: bool) -> dict:
    images = load(name, n)
    began = time.process_time()
    stacks = find_copies(images)
    seconds = time.process_time() - began
    if sheets:
        loose = sorted(find_copies(images, far=1.5 * FAR), key=lambda stack: -stack.misfit)[:64]
        OUT.parent.mkdir(parents=True, exist_ok=True)
        sheet(images, [stack.rows.tolist() for stack in loose], OUT.with_name(f"duplicates_{name}.png"))
    return {
        "images": len(images),
        "stacks": len(stacks),
        "of them to the byte": sum(stack.exact for stack in stacks),
        "largest": max((stack.size for stack in stacks), default=0),
        "cpu_s": round(seconds, 1),
        "recall": recall(images, of) if of else None,
    }


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--n", type=int, default=12_000, help="images of each set")
    ask.add_argument("--of", type=int, default=300, help="pictures that are copied; 0: none")
    ask.add_argument("--sets", nargs="+", default=["digits", "clothes", "blood"])
    ask.add_argument("--sheets", action="store_true", help="write pictures of what was found")
    given = ask.parse_args()
    near_pairs(np.random.default_rng(0).integers(0, 255, (50, 28, 28)).astype(np.uint8), np.arange(50))  # imports
    told = {"machine": platform.processor() or platform.machine(), "far": FAR, "clear": CLEAR, "same": SAME}
    told["sets"] = {name: measure(name, given.n, given.of, given.sheets) for name in given.sets}
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n")
    print(json.dumps(told, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
