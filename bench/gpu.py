"""Training and frozen features on a GPU against PyTorch on the same device; writes artifacts/bench/gpu.json.

    python bench/gpu.py                  # 60,000 images: some minutes, most of them compilation
    python bench/gpu.py epoch features   # some parts
    python bench/gpu.py --quick          # fewer repetitions

    python bench/gpu.py --cpu            # try it where there is no GPU

Data: $SSVAE_WIDGETS_DATA/mnist where it exists, else drawn images of the same shape. Both programs run in turns in one
process, medians are
reported, and every part stands beside its device, its size and the precision of its products: JAX computes float32
products in TF32 on a GPU, so
PyTorch is allowed to do so too, except in `features`, where both compute in full float32. PyTorch's side needs torch,
and timm for the features; it
is left out, with a sentence, where it is missing or would run on another device. Programs are compiled anew: no cache
of earlier runs is used.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # the memory is shared with PyTorch
os.environ["SSVAE_WIDGETS_COMPILE_CACHE"] = "off"  # a first call compiles

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))
import train

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "artifacts" / "bench" / "gpu.json"
PARTS = ("epoch", "predict", "features", "session")
KINDS = ("dense", "conv", "conv-conv")
TORCH_NAME = "efficientnet_lite0"


def peer(name: str = "torch") -> bool:
    "Whether PyTorch, or a package of it, is here and computes on the same device as JAX."
    import jax

    if any(importlib.util.find_spec(n) is None for n in {"torch", name}):
        return False
    import torch

    return torch.cuda.is_available() == (jax.default_backend() != "cpu")


def tensor_floats(allowed: bool) -> str:
    "Let PyTorch compute products of float32 in TF32, or not; what to call it."
    import torch

    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = allowed
    return "TF32 on a GPU" if allowed else "float32"


def where(args) -> dict:
    "The machine that the figures belong to, and how much was measured."
    import jax

    out = dict(
        backend=jax.default_backend(),
        device=jax.devices()[0].device_kind,
        devices=len(jax.devices()),
        cores=os.cpu_count(),
        jax=jax.__version__,
        quick=args.quick,
    )
    if peer():
        import torch

        out |= dict(
            torch=torch.__version__, torch_device=torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
        )
    return out


def finished(epoch):
    "PyTorch's epoch, with all its kernels done."
    import torch

    def run():
        epoch()
        if torch.cuda.is_available():
            torch.cuda.synchronize()

    return run


def part_epoch(args) -> dict:
    "Seconds an epoch; a first call compiles and is told apart."
    images, labels = train.data(args.images)
    result = dict(images=args.images, data=train.data_name())
    if peer():
        result["products"] = tensor_floats(True)
    for kind in KINDS:
        trainer = train.ours(kind, images, labels)
        start = time.perf_counter()
        trainer.train_epochs(1, images, labels)
        programs = dict(ours=lambda tr=trainer: tr.train_epochs(1, images, labels))
        result[kind] = dict(first_call=time.perf_counter() - start)
        if peer():
            for name, last in (("torch", False), ("torch_channels_last", True)):
                if kind == "dense" and last:
                    continue
                programs[name] = finished(
                    train.TorchTrainer(train.config(kind), images, labels, channels_last=last).epoch
                )
        for program in programs.values():
            program()
        result[kind] |= train.alternately(3 if args.quick else 7, **programs)
        five = train.alternately(2, ours=lambda tr=trainer: tr.train_epochs(5, images, labels))["ours"] / 5
        result[kind] |= dict(ours_of_five=five, images_per_second=args.images / five)
        peers = [v for k, v in result[kind].items() if k.startswith("torch")]
        if peers:
            result[kind] |= dict(speedup=min(peers) / result[kind]["ours"], speedup_of_five=min(peers) / five)
        told = (
            f", PyTorch {min(peers):.3f} s, {result[kind]['speedup']:.1f}× ({result[kind]['speedup_of_five']:.1f}× of "
            f"five)"
            if peers
            else ""
        )
        print(
            f"  {kind:10s} {result[kind]['ours']:.3f} s ({five:.3f} in a run of five), first call "
            f"{result[kind]['first_call']:.1f} s{told}",
            flush=True,
        )
    return result


def part_predict(args) -> dict:
    "Positions, reconstructions and classes of all images."
    images, labels = train.data(args.images)
    result = dict(images=args.images, data=train.data_name())
    if peer():
        result["products"] = tensor_floats(True)
    for kind in KINDS[:2]:
        vae = train.ours(kind, images[:256], labels[:256]).vae
        programs = dict(ours=lambda v=vae: v.predict(images))
        if peer():
            twin = train.TorchTrainer(train.config(kind), images[:256], labels[:256])
            programs["torch"] = lambda p=twin: p.predict(images)
        for program in programs.values():
            program()
        result[kind] = train.alternately(3 if args.quick else 5, **programs)
        print(f"  {kind:10s} {', '.join(f'{k} {v:.3f} s' for k, v in result[kind].items())}", flush=True)
    return result


def part_features(args) -> dict:
    "Pictures a second through the frozen network: with preparation from 64 × 64 color bytes, and the network alone."
    from ssvae_widgets.data.extractors import find_extractor
    from ssvae_widgets.data.features import extract_features

    n = 2048 if args.quick else 8192
    pictures = np.random.default_rng(0).integers(0, 256, (n, 64, 64, 3), dtype=np.uint8)
    result = dict(images=n, data="random bytes")
    if peer("timm"):
        result["products"] = tensor_floats(False)
    for size in (96, 128, 224):
        extractor = find_extractor("efficientnet-lite0", size)
        batch = np.random.default_rng(1).integers(0, 256, (256, size, size, 3), dtype=np.uint8)
        programs = dict(
            whole=lambda s=size: extract_features(pictures, size=s, progress=False),
            network=lambda e=extractor, b=batch: [e(b) for _ in range(n // 256)],
        )
        if peer("timm"):
            programs["timm"] = torch_features(batch, n // 256)
        for program in programs.values():
            program()
        seconds = train.alternately(3, **programs)
        result[size] = {name: n / s for name, s in seconds.items()}
        print(
            f"  {size} px: {', '.join(f'{k} {v:,.0f}' for k, v in result[size].items())} pictures a second", flush=True
        )
    if not peer("timm"):
        print("  PyTorch's side is left out: timm is not installed, or torch would run on another device", flush=True)
    return result


def torch_features(batch, times: int):
    "The same network in PyTorch (random weights: only its time counts), bytes in, vectors out, float32."
    import timm
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    net = (
        timm.create_model(TORCH_NAME, pretrained=False, num_classes=0)
        .eval()
        .to(device)
        .to(memory_format=torch.channels_last)
    )

    def run():
        with torch.inference_mode():
            for _ in range(times):
                x = torch.from_numpy(batch).to(device).permute(0, 3, 1, 2).float() / 127.5 - 1
                net(x.contiguous(memory_format=torch.channels_last)).cpu()

    return run


def part_session(args) -> dict:
    "What a person waits for: a session on all images, ten epochs, and the answer after them, default settings."
    import tempfile

    from ssvae_widgets import LabelingSession

    images, labels = train.data(args.images)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        with LabelingSession(
            images, labels=os.path.join(folder, "labels.csv"), classes=[str(k) for k in range(10)]
        ) as session:
            session.store.set(np.flatnonzero(labels >= 0), labels[labels >= 0])
            opened = time.perf_counter() - start
            times = []
            for _ in range(2):
                start = time.perf_counter()
                session.train(10)
                session.wait()
                times.append(time.perf_counter() - start)
    print(f"  opened {opened:.1f} s, ten epochs {times[0]:.1f} s at first, {times[1]:.1f} s again", flush=True)
    return dict(
        images=args.images, data=train.data_name(), opened=opened, ten_epochs_first=times[0], ten_epochs_again=times[1]
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=PARTS, help=f"what to measure: {', '.join(PARTS)}")
    parser.add_argument("--quick", action="store_true", help="fewer repetitions")
    parser.add_argument("--cpu", action="store_true", help="go on where there is no GPU")
    parser.add_argument("--images", type=int, default=60_000)
    parser.add_argument("--output", default=str(OUT), help="JSON file; parts not measured keep their values")
    args = parser.parse_args()
    if unknown := set(args.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}; choose from {', '.join(PARTS)}")
    path, machine = Path(args.output), where(args)
    print(", ".join(f"{k} {v}" for k, v in machine.items()), flush=True)
    if machine["backend"] == "cpu":
        print(
            "There is no GPU here"
            + (": these are figures of the processor." if args.cpu else "; --cpu measures the processor."),
            flush=True,
        )
        if not args.cpu:
            return
    report = json.loads(path.read_text()) if path.exists() else {}
    for part in args.parts:
        print(part, flush=True)
        report[part] = {**globals()[f"part_{part}"](args), "machine": machine}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
