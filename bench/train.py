"""Speed of training against PyTorch on the same model, data, batch and optimizer; writes artifacts/bench/train.json.

    python bench/train.py                 # everything, some minutes
    python bench/train.py epoch startup   # some parts
    JAX_PLATFORMS=cuda python bench/train.py epoch predict growth

Times of two programs are taken alternately in one run, and medians are reported; on a shared machine the ratios count.
On a machine that is
busy with other things, --cpu-seconds runs both on one thread and counts processor time instead of the clock on the
wall.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from functools import lru_cache
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "artifacts" / "bench" / "train.json"
PARTS = ("gemm", "epoch", "predict", "growth", "startup", "compile", "memmap")


if os.environ.get("SSVAE_BENCH_CPU_SECONDS"):  # set by --cpu-seconds, before anything is imported that starts threads
    os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_cpu_multi_thread_eigen=false"
    for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[_name] = "1"
    clock = time.process_time
else:
    clock = time.perf_counter


# ------------------------------------------------------------------ data and configurations
def data_name() -> str:
    "Real digits where $SSVAE_WIDGETS_DATA offers them, else images of the same shape."
    return "MNIST" if os.path.isdir(os.path.join(os.environ.get("SSVAE_WIDGETS_DATA") or "?", "mnist")) else "blobs"


@lru_cache(maxsize=1)
def _blobs(n: int):
    rng = np.random.default_rng(0)
    grid = np.arange(28)
    center, width = rng.uniform(6, 22, (n, 2, 1)), rng.uniform(2, 6, (n, 2, 1))
    rows, cols = (np.exp(-(((grid - center[:, k]) / width[:, k]) ** 2)) for k in (0, 1))
    images = np.empty((n, 28, 28), np.uint8)
    for i in range(0, n, 4096):
        images[i : i + 4096] = ((rows[i : i + 4096, :, None] * cols[i : i + 4096, None]) > 0.3) * 255
    return images, np.arange(n) % 10


@lru_cache(maxsize=1)
def _mnist(n: int):
    from ssvae_widgets.data.arrays import as_uint8
    from ssvae_widgets.data.standard import load_mnist

    images, truth = load_mnist(n=n)
    return as_uint8(images), truth


def data(n: int):
    "Binary images of 28×28 bytes and 50 labels."
    ready = os.environ.get("SSVAE_BENCH_IMAGES")  # a file, so that start-up times hold no preparation
    if ready:
        images, truth = (np.load(ready)[k][:n] for k in ("images", "truth"))
    else:
        images, truth = _mnist(n) if data_name() == "MNIST" else _blobs(n)
    labels = np.full(n, -1)
    few = np.random.default_rng(0).choice(n, 50, replace=False)
    labels[few] = truth[few]
    return images, labels


def config(kind: str):
    "The configurations that are timed: all terms that PyTorch's twin also computes, nothing else."
    from ssvae_widgets.config import SSVAEConfig

    plain = dict(
        batch_size=256,
        learning_rate=1e-3,
        labeled_batch_size=0,
        ema_decay=0.0,
        use_contrastive=False,
        graph_epochs=0,
        soft_label_weight=0.0,
        augmentation="none",
        val_split=0.0,
    )
    return {
        "dense": SSVAEConfig.preset("ancestor", hidden_dims=(256, 128, 64), **plain),
        "conv": SSVAEConfig(encoder_type="conv", **plain),
        "conv-conv": SSVAEConfig(encoder_type="conv", decoder_type="conv", **plain),
    }[kind]


# ------------------------------------------------------------------ the same in PyTorch
def torch_model(c, n_classes=10):
    import torch
    from torch import nn

    class Same(nn.Module):  # TensorFlow-style SAME padding for a 3×3 convolution with stride 2 on even sizes
        def __init__(self, i, o):
            super().__init__()
            self.conv = nn.Conv2d(i, o, 3, stride=2)

        def forward(self, x):
            h, w = x.shape[-2:]
            return self.conv(nn.functional.pad(x, (0 if w % 2 == 0 else 1, 1, 0 if h % 2 == 0 else 1, 1)))

    act = lambda: nn.LeakyReLU(0.1)  # noqa: E731

    def mlp(*widths, last=True):
        layers = []
        for k, (i, o) in enumerate(zip(widths, widths[1:])):
            layers += [nn.Linear(i, o)] + ([act()] if k < len(widths) - 2 or not last else [])
        return nn.Sequential(*layers)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            if c.encoder_type == "conv":
                c1, c2 = c.conv_channels
                self.enc = nn.Sequential(
                    Same(1, c1), act(), Same(c1, c2), act(), nn.Flatten(), nn.Linear(49 * c2, c.conv_features), act()
                )
                features = c.conv_features
            else:
                self.enc = nn.Sequential(nn.Flatten(), mlp(784, *c.hidden_dims, last=False))
                features = c.hidden_dims[-1]
            self.mean, self.logvar = nn.Linear(features, c.latent_dim), nn.Linear(features, c.latent_dim)
            if c.decoder_type == "conv":
                c1, c2 = c.conv_channels
                self.dec = nn.Sequential(
                    nn.Linear(c.latent_dim, c.conv_features),
                    act(),
                    nn.Linear(c.conv_features, 49 * c2),
                    act(),
                    nn.Unflatten(1, (c2, 7, 7)),
                    nn.ConvTranspose2d(c2, c1, 2, stride=2),
                    act(),
                    nn.Conv2d(c1, 4, 3, padding=1),
                    nn.PixelShuffle(2),
                    nn.Flatten(),
                )
            else:
                self.dec = mlp(c.latent_dim, *reversed(c.hidden_dims), 784)
            self.on_features = c.classifier_input == "features"
            n_in = features if self.on_features else c.latent_dim
            w = c.hidden_dims[-1]
            self.clf = (
                nn.Linear(n_in, n_classes)
                if c.classifier_type == "linear"
                else nn.Sequential(
                    nn.Linear(n_in, w),
                    act(),
                    nn.Dropout(c.dropout_rate),
                    nn.Linear(w, w),
                    act(),
                    nn.Dropout(c.dropout_rate),
                    nn.Linear(w, n_classes),
                )
            )

        def forward(self, x, noise=True):
            h = self.enc(x[:, None])
            mean, logvar = self.mean(h), self.logvar(h).clamp(-8, 8)
            z = mean + torch.exp(0.5 * logvar) * torch.randn_like(mean) if noise else mean
            return mean, logvar, self.dec(z), self.clf(h if self.on_features else z)

    return Net()


class TorchTrainer:
    """An eager training loop as a careful person writes it: data loaded once, fused AdamW, no synchronisation inside
    the epoch."""

    def __init__(self, c, images, labels, channels_last=False):
        import torch

        self.torch, self.c = torch, c
        torch.manual_seed(0)
        self.device = (
            "cuda" if torch.cuda.is_available() and os.environ.get("JAX_PLATFORMS", "") not in ("cpu",) else "cpu"
        )
        self.net = torch_model(c).to(self.device)
        if channels_last:
            self.net = self.net.to(memory_format=torch.channels_last)
        self.opt = torch.optim.AdamW(self.net.parameters(), lr=c.learning_rate, weight_decay=c.weight_decay, fused=True)
        self.x, self.y = torch.from_numpy(images).to(self.device), torch.from_numpy(labels).to(self.device)

    def epoch(self):
        torch, c, n = self.torch, self.c, len(self.x)
        order, total = torch.randperm(n, device=self.device), torch.zeros(4, device=self.device)
        order = torch.cat([order, order[: -n % c.batch_size]])
        F = torch.nn.functional
        for rows in order.split(c.batch_size):
            x, y = self.x[rows].float() / 255, self.y[rows]
            mean, logvar, out, logits = self.net(x)
            flat = x.flatten(1)
            if c.likelihood == "mse":
                recon = (out - flat).square().mean()
            else:
                recon = F.binary_cross_entropy_with_logits(out, flat, reduction="none").sum(1).mean()
            kl = (0.5 * (logvar.exp() + mean.square() - 1 - logvar)).sum(1).mean()
            has = y >= 0
            ce = (F.cross_entropy(logits, y.clamp(min=0), reduction="none") * has).sum() / has.sum().clamp(min=1)
            loss = c.recon_weight * recon + c.kl_weight * kl + c.label_weight * ce
            self.opt.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.net.parameters(), c.grad_clip_norm)
            self.opt.step()
            total += torch.stack([loss, recon, kl, ce]).detach()
        return total.cpu()

    def predict(self, images, size=2000):
        torch, parts = self.torch, []
        self.net.eval()
        with torch.inference_mode():
            for i in range(0, len(images), size):
                mean, _, out, logits = self.net(
                    torch.from_numpy(images[i : i + size]).to(self.device).float() / 255, noise=False
                )
                best = logits.softmax(1).max(1)
                parts.append(
                    (mean, out.sigmoid() if self.c.likelihood != "mse" else out.clamp(0, 1), best.indices, best.values)
                )
            result = [torch.cat(p).cpu().numpy() for p in zip(*parts)]
        self.net.train()
        return result


# ------------------------------------------------------------------ measuring
def alternately(rounds: int, **programs):
    "Median seconds of each program, run in turns."
    times = {name: [] for name in programs}
    for _ in range(rounds):
        for name, program in programs.items():
            start = clock()
            program()
            times[name].append(clock() - start)
    return {name: statistics.median(t) for name, t in times.items()}


def ours(kind, images, labels):
    from ssvae_widgets.model.ssvae import SSVAE
    from ssvae_widgets.model.trainer import InteractiveTrainer

    return InteractiveTrainer(SSVAE((28, 28), config(kind), classes=10), callbacks=None)


def dense_layers(c):
    "(batch, in, out) of every matrix product of the dense model, forward."
    hidden = c.hidden_dims
    widths = [(784, hidden[0]), *zip(hidden, hidden[1:]), (hidden[-1], c.latent_dim), (hidden[-1], c.latent_dim)]
    back = (c.latent_dim, *reversed(hidden), 784)
    return [
        (c.batch_size, i, o)
        for i, o in [
            *widths,
            *zip(back, back[1:]),
            (c.latent_dim, hidden[-1]),
            (hidden[-1], hidden[-1]),
            (hidden[-1], 16),
        ]
    ]


def part_gemm(args):
    """GFLOP/s of single-precision products of exactly these shapes, forward and both gradients: the best of numpy,
    PyTorch and XLA."""
    import jax
    import torch

    layers = dense_layers(config("dense"))
    rng = np.random.default_rng(0)
    triples = [
        (rng.random((b, i), np.float32), rng.random((i, o), np.float32), rng.random((b, o), np.float32))
        for b, i, o in layers
    ]
    flops = sum(2 * b * i * o * 3 for b, i, o in layers) - 2 * 256 * 784 * 256
    first = triples[0][0]

    def numpy_all(ts=triples):
        for x, w, g in ts:
            x @ w
            x.T @ g
            x is first or g @ w.T

    tt = [tuple(map(torch.from_numpy, t)) for t in triples]

    def torch_all():
        for k, (x, w, g) in enumerate(tt):
            x @ w
            x.T @ g
            k == 0 or g @ w.T

    jt = [tuple(map(jax.numpy.asarray, t)) for t in triples]
    f = jax.jit(lambda ts: [(x @ w, x.T @ g, None if k == 0 else g @ w.T) for k, (x, w, g) in enumerate(ts)])

    def xla_all():
        jax.block_until_ready(f(jt))

    images, labels = data(12_000)
    trainer = ours("dense", images, labels)
    trainer.train_epochs(1, images, labels)
    steps = -(-len(images) // 256)
    programs = {
        f.__name__[:-4]: lambda f=f: [f() for _ in range(steps)] for f in (numpy_all, torch_all, xla_all)
    }  # an epoch's worth, warm
    for program in programs.values():
        program()
    t = alternately(5 if args.quick else 11, **programs, epoch=lambda: trainer.train_epochs(1, images, labels))
    epoch = t.pop("epoch")
    share = {k: v / epoch for k, v in t.items()}
    print(f"  products alone {', '.join(f'{k} {v:.3f} s' for k, v in t.items())}; the epoch {epoch:.3f} s", flush=True)
    return dict(
        gflop_per_step=flops / 1e9,
        gflops={k: flops * steps / v / 1e9 for k, v in t.items()},
        seconds=t,
        epoch=epoch,
        share=share,
    )


def part_epoch(args):
    "Seconds an epoch of 12,000 images, batch 256."
    images, labels = data(12_000)
    result = {}
    for kind in ("dense", "conv", "conv-conv"):
        trainer, peer = ours(kind, images, labels), TorchTrainer(config(kind), images, labels)
        trainer.train_epochs(1, images, labels)
        programs = dict(ours=lambda tr=trainer: tr.train_epochs(1, images, labels), torch_plain=peer.epoch)
        if kind != "dense":
            programs["torch_channels_last"] = TorchTrainer(config(kind), images, labels, channels_last=True).epoch
        for program in programs.values():
            program()
        t = alternately(5 if args.quick else 11, **programs)
        torch = min(v for k, v in t.items() if k != "ours")  # the layout that is faster here
        many = alternately(3, ours=lambda tr=trainer: tr.train_epochs(5, images, labels))["ours"] / 5
        result[kind] = dict(
            **t, torch=torch, ours_of_five=many, speedup=torch / t["ours"], speedup_of_five=torch / many
        )
        print(
            f"  {kind:10s} ours {t['ours']:.3f} s ({many:.3f} in a run of five), PyTorch {torch:.3f} s, "
            f"{torch / t['ours']:.2f}×",
            flush=True,
        )
    return result


def part_predict(args):
    "60,000 images; one image encoded and decoded."
    images, labels = data(60_000)
    result = {}
    for kind in ("dense", "conv"):
        trainer, peer = ours(kind, images[:256], labels[:256]), TorchTrainer(config(kind), images[:256], labels[:256])
        vae = trainer.vae
        vae.predict(images[:4096])
        peer.predict(images[:4096])
        t = alternately(
            3 if args.quick else 7, ours=lambda v=vae: v.predict(images), torch=lambda p=peer: p.predict(images)
        )
        shot = vae.snapshot()
        one = alternately(
            200, ours=lambda s=shot: s.decode(s.encode(images[:1])), torch=lambda p=peer: p.predict(images[:1])
        )
        result[kind] = dict(many=dict(**t, speedup=t["torch"] / t["ours"]), one_ms={k: v * 1e3 for k, v in one.items()})
        print(
            f"  {kind:10s} 60,000: ours {t['ours']:.3f} s, PyTorch {t['torch']:.3f} s; one image "
            f"{one['ours'] * 1e3:.2f} ms, PyTorch {one['torch'] * 1e3:.2f} ms",
            flush=True,
        )
    return result


def part_growth(args):
    "Seconds and microseconds an image for 3k, 12k and 60k images; extra memory at 60k (in a fresh process)."
    result, trainers = {}, {}
    for n in (3_000, 12_000, 60_000):
        images, labels = data(n)
        trainers[n] = (ours("dense", images, labels), images, labels)
        trainers[n][0].train_epochs(2, images, labels)
    programs = {str(n): (lambda t=t, i=i, y=y: t.train_epochs(2, i, y)) for n, (t, i, y) in trainers.items()}
    t = alternately(3 if args.quick else 5, **programs)
    for n, seconds in t.items():
        result[n] = dict(seconds=seconds / 2, us_per_image=seconds / 2 / int(n) * 1e6)
        print(f"  {int(n):6d} images: {seconds / 2:.3f} s, {seconds / 2 / int(n) * 1e6:.1f} µs an image", flush=True)
    code = "import bench_train as b; print(b.extra_memory())"
    result["extra_mb_60k"] = float(_python(code).split()[-1])
    result["allowed_mb_60k"] = 2 * 60_000 * 784 / 2**20 + 300
    print(
        f"  extra memory at 60,000: {result['extra_mb_60k']:.0f} MB, allowed {result['allowed_mb_60k']:.0f} MB",
        flush=True,
    )
    return result


def resident() -> float:
    "Resident memory of this process that is no page of a file, in MB."
    return int(next(line for line in open("/proc/self/status") if line.startswith("RssAnon")).split()[1]) / 1024


def extra_memory(n: int = 60_000) -> float:
    "Highest resident memory during training above import + data + a small run, in MB."
    images, labels = data(n)
    small = ours("dense", images, labels)
    small.train_epochs(1, images[:1000], labels[:1000])
    before, peak, stop = resident(), [0.0], threading.Event()

    def watch():
        while not stop.wait(0.01):
            peak[0] = max(peak[0], resident())

    watcher = threading.Thread(target=watch)
    watcher.start()
    ours("dense", images, labels).train_epochs(3, images, labels)
    stop.set()
    watcher.join()
    return max(0.0, peak[0] - before)


def _python(code: str, **env) -> str:
    "Run code in a fresh interpreter that can import this file as bench_train."
    loader = (
        f"import sys, importlib.util as u; s = u.spec_from_file_location('bench_train', "
        f"{str(Path(__file__).resolve())!r}); "
        "m = u.module_from_spec(s); sys.modules['bench_train'] = m; s.loader.exec_module(m)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", loader + code],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, **env},
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout


OURS = """
import numpy as np
images, labels = b.data(12_000)
from ssvae_widgets.model.ssvae import SSVAE
from ssvae_widgets.model.trainer import InteractiveTrainer
trainer = InteractiveTrainer(SSVAE((28, 28), b.config({kind!r}), classes=10), callbacks=None)
trainer.train_epochs(1, images, labels)
"""
TORCH = """
images, labels = b.data(12_000)
trainer = b.TorchTrainer(b.config({kind!r}), images, labels)
trainer.epoch()
"""
_TIMED = "import bench_train as b\nstart = b.clock()\n{body}\nprint(b.clock() - start)"


def part_startup(args):
    """Import + build + first finished epoch in a fresh process: our second process (warm cache), PyTorch's, and ours
    without any cache."""
    result = {}
    for kind in ("dense", "conv"):
        times = {"warm": [], "torch": [], "cold": []}
        with tempfile.TemporaryDirectory() as cache:
            images, labels = data(12_000)
            np.savez(os.path.join(cache, "images.npz"), images=images, truth=np.maximum(labels, 0))
            first = dict(
                SSVAE_WIDGETS_COMPILE_CACHE=os.path.join(cache, "kept"),
                SSVAE_BENCH_IMAGES=os.path.join(cache, "images.npz"),
            )
            _python(_TIMED.format(body=OURS.format(kind=kind)), **first)
            for i in range(2 if args.quick else 5):
                for name in times:
                    env = first | (
                        dict(SSVAE_WIDGETS_COMPILE_CACHE=os.path.join(cache, f"fresh{i}")) if name == "cold" else {}
                    )
                    body = (TORCH if name == "torch" else OURS).format(kind=kind)
                    times[name].append(float(_python(_TIMED.format(body=body), **env).split()[-1]))
        t = {name: statistics.median(v) for name, v in times.items()}
        result[kind] = dict(**t, warm_over_torch=t["warm"] / t["torch"], cold_minus_warm=t["cold"] - t["warm"])
        print(f"  {kind:10s} warm {t['warm']:.2f} s, PyTorch {t['torch']:.2f} s, cold {t['cold']:.2f} s", flush=True)
    return result


def part_compile(args):
    "Programs compiled by one more label, fifty more labels, one more epoch."
    from ssvae_widgets.model.step import count_compilations

    images, labels = data(3_000)
    trainer = ours("dense", images, labels)
    trainer.train_epochs(1, images, labels)
    result = {}
    for name, more in (("one more label", 1), ("fifty more labels", 50), ("one more epoch", 0)):
        labels = labels.copy()
        labels[np.flatnonzero(labels < 0)[:more]] = 3
        with count_compilations() as compiled:
            trainer.train_epochs(1, images, labels)
        result[name] = compiled.count
        print(f"  {name}: {compiled.count} compilations", flush=True)
    return result


MEMMAP = """
import numpy as np, time
import ssvae_widgets.model.loop as run
images = np.load({path!r}, mmap_mode="r")
run.PIECE_BYTES = 64 << 20
from ssvae_widgets.model.ssvae import SSVAE
from ssvae_widgets.model.trainer import InteractiveTrainer
small = InteractiveTrainer(SSVAE((28, 28), b.config("dense"), classes=10), callbacks=None)
small.train_epochs(1, np.asarray(images[:3000]))
def anonymous(): return int(next(l for l in open("/proc/self/status") if l.startswith("RssAnon")).split()[1]) / 1024
import threading
peak, stop = [anonymous()], threading.Event()
base = peak[0]
def watch():
    while not stop.wait(0.02): peak[0] = max(peak[0], anonymous())
t = threading.Thread(target=watch); t.start()
trainer = InteractiveTrainer(SSVAE((28, 28), b.config("dense"), classes=10), callbacks=None)
trainer.train_epochs(1, images)
start = time.perf_counter(); trainer.train_epochs(1, images); seconds = time.perf_counter() - start
stop.set(); t.join()
print(seconds, peak[0] - base)
"""


def part_memmap(args):
    """A file of 1 GB (quick: 250 MB) streamed in pieces of 64 MB: seconds an epoch and extra memory besides the
    pages of the file."""
    n = 320_000 if args.quick else 1_300_000
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "images.npy")
        out = np.lib.format.open_memmap(path, "w+", np.uint8, (n, 28, 28))
        block = data(10_000)[0]
        for i in range(0, n, 10_000):
            out[i : i + 10_000] = block
        out.flush()
        del out
        seconds, extra = map(float, _python("import bench_train as b\n" + MEMMAP.format(path=path)).split()[-2:])
    print(
        f"  {n * 784 / 2**20:.0f} MB in pieces of 64 MB: {seconds:.1f} s an epoch ({seconds / n * 1e6:.1f} µs an "
        f"image), {extra:.0f} MB extra",
        flush=True,
    )
    return dict(images=n, file_mb=n * 784 / 2**20, seconds=seconds, us_per_image=seconds / n * 1e6, extra_mb=extra)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=PARTS, help=f"what to measure: {', '.join(PARTS)}")
    parser.add_argument("--quick", action="store_true", help="fewer repetitions")
    parser.add_argument(
        "--cpu-seconds", action="store_true", help="one thread each, processor time instead of wall time"
    )
    parser.add_argument("--output", default=str(OUT), help="JSON file; parts not measured keep their values")
    args = parser.parse_args()
    unknown = set(args.parts) - set(PARTS)
    if unknown:
        parser.error(f"no such part: {', '.join(sorted(unknown))}; choose from {', '.join(PARTS)}")
    if args.cpu_seconds and not os.environ.get("SSVAE_BENCH_CPU_SECONDS"):
        os.execvpe(sys.executable, [sys.executable, *sys.argv], {**os.environ, "SSVAE_BENCH_CPU_SECONDS": "1"})
    import jax

    path = Path(args.output)
    report = json.loads(path.read_text()) if path.exists() else {}
    report.pop("dense_share_of_gemm_rate", None)
    for part in args.parts:
        print(part, flush=True)
        load = os.getloadavg()[0]
        where = dict(
            backend=jax.default_backend(),
            device=jax.devices()[0].device_kind,
            cores=os.cpu_count(),
            load_before=round(load, 2),
            jax=jax.__version__,
            python=platform.python_version(),
            quick=args.quick,
            data=data_name(),
            clock="cpu seconds, one thread" if args.cpu_seconds else "wall seconds",
        )
        report[part] = {**globals()[f"part_{part}"](args), "machine": where}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=1) + "\n")
    path.with_suffix(".txt").write_text("\n".join(table(report)) + "\n")
    print("\n".join(table(report)))


def table(report):
    "Lines of: what, figure, what was asked, met or not."
    rows = []

    def row(what, value, unit, asked, met):
        rows.append(f"{what:44s} {value:8.2f} {unit:10s} asked {asked:18s} {'met' if met else 'MISSED'}")

    for kind, least in (("dense", 1.5), ("conv", 1.0), ("conv-conv", 1.0)) if "epoch" in report else ():
        value = report["epoch"][kind]["speedup"]
        row(f"{kind} epoch, 12,000 images, over PyTorch", value, "×", f"≥ {least}", value >= least)
    for name, label in (("xla", "XLA's"), ("torch", "PyTorch's")) if "gemm" in report else ():
        share = report["gemm"]["share"][name]
        row(f"dense epoch, share of {label} sgemm rate", share, "", "≥ 0.75", share >= 0.75)
    for kind in ("dense", "conv") if "predict" in report else ():
        p = report["predict"][kind]
        row(f"{kind} predict on 60,000, over PyTorch", p["many"]["speedup"], "×", "≥ 1.0", p["many"]["speedup"] >= 1)
        row(f"{kind} one image there and back", p["one_ms"]["ours"], "ms", "≤ 2", p["one_ms"]["ours"] <= 2)
    for kind in ("dense", "conv") if "startup" in report else ():
        p = report["startup"][kind]
        row(
            f"{kind} start to first epoch, warm, over PyTorch",
            p["warm_over_torch"],
            "×",
            "≤ 1.5",
            p["warm_over_torch"] <= 1.5,
        )
        row(f"{kind} start, cold minus warm", p["cold_minus_warm"], "s", "≤ 6", p["cold_minus_warm"] <= 6)
    if "growth" in report:
        each = [report["growth"][n]["us_per_image"] for n in ("3000", "12000", "60000")]
        row(
            "time per image, 3k to 60k, largest/smallest",
            max(each) / min(each),
            "×",
            "≤ 1.15 (15 %)",
            max(each) / min(each) <= 1.15,
        )
        extra, most = report["growth"]["extra_mb_60k"], report["growth"]["allowed_mb_60k"]
        row("extra memory at 60,000", extra, "MB", f"≤ {most:.0f}", extra <= most)
    if "compile" in report:
        count = sum(v for k, v in report["compile"].items() if k != "machine")
        row("compilations by labels and epochs", count, "", "0", count == 0)
    if "memmap" in report:
        row(
            "streamed file, memory besides its pages",
            report["memmap"]["extra_mb"] / 64,
            "pieces",
            "bounded",
            report["memmap"]["extra_mb"] < 5 * 64,
        )
    return rows


if __name__ == "__main__":
    main()
