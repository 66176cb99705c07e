"""A full VAE as one job of the workers of Ray Train.

python ray_train.py --workers 2 [--gpu] -- --data images.npy --labels labels.csv --weights ssvae.ckpt --max-epochs 100

What stands behind -- are the words of ssvae-train; files lie on a disk that all machines see. When a worker is lost
Ray starts all of them again, and the run goes on after the last epoch that was kept.
"""

import argparse
import os
import socket
import sys


def loop(config: dict) -> None:
    "What each worker does: learn where worker 0 is, and be one process of a job."
    import ray
    import ray.train
    from ray.train.collective import broadcast_from_rank_zero

    from ssvae_widgets.cli.train import train

    me, address = ray.train.get_context(), None
    if me.get_world_rank() == 0:
        with socket.socket() as s:
            s.bind(("", 0))
            address = f"{ray.util.get_node_ip_address()}:{s.getsockname()[1]}"
    place = broadcast_from_rank_zero(address), me.get_world_size(), me.get_world_rank()
    os.environ |= dict(zip(("SSVAE_COORDINATOR", "SSVAE_PROCESSES", "SSVAE_PROCESS"), map(str, place)))
    if code := train(["--distributed", *config["words"]]):
        raise RuntimeError(f"ssvae-train ended with code {code}")
    ray.train.report({"done": 1})


def fit(words: list[str], workers: int = 2, gpu: bool = False, restarts: int = 3, storage: str | None = None):
    "Run the job to its end in the Ray cluster that this process is in, or that `ray.init` makes."
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.v2.jax import JaxTrainer

    return JaxTrainer(
        loop,
        train_loop_config=dict(words=words),
        scaling_config=ScalingConfig(num_workers=workers, use_gpu=gpu),
        run_config=RunConfig(storage_path=storage, failure_config=FailureConfig(max_failures=restarts)),
    ).fit()


if __name__ == "__main__":
    own, words = sys.argv[1:], []
    if "--" in own:
        at = own.index("--")
        own, words = own[:at], own[at + 1 :]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--gpu", action="store_true", help="one card for each worker")
    parser.add_argument("--restarts", type=int, default=3)
    parser.add_argument("--storage", help="where Ray keeps what it knows of the run")
    args = parser.parse_args(own)
    fit(words, args.workers, args.gpu, args.restarts, args.storage)
