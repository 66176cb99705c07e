"""Training over several processes in full: every loss, every launcher that can be tried on one machine. Minutes, run by
`make test-cluster`."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from test_two_processes import LAUNCHERS, ONLY_LINUX, alone, assert_same, end, job
from waiting import until

from ssvae_widgets import SSVAE
from ssvae_widgets.cli.gang import free_port
from ssvae_widgets.cli.train import train

pytestmark = [pytest.mark.cluster, ONLY_LINUX]


@pytest.fixture(scope="module", params=["dense", "conv"])
def undisturbed(tmp_path_factory, request):
    folder = tmp_path_factory.mktemp("jobs") / request.param
    assert job(folder, kind=request.param) == 1
    return folder, request.param


def test_it_equals_one_process(undisturbed):
    assert_same(end(undisturbed[0]), alone(undisturbed[1]), 1e-5)


@pytest.mark.parametrize("what, process", [("killed", 1), ("killed", 0), ("stopped", 1)])
def test_a_lost_process_is_an_error_soon_and_the_end_is_the_same_to_the_last_bit(undisturbed, tmp_path, what, process):
    "Process 0 is the coordinator; one that is stopped holds its connections open and says nothing."
    start = time.monotonic()
    assert job(tmp_path / "job", what, process, grace=5, kind=undisturbed[1]) == 2
    took = time.monotonic() - start
    assert took < 200, f"{took:.0f} s for both starts together"
    assert_same(end(tmp_path / "job"), end(undisturbed[0]), 0)


def in_place(k: int, port: int, n: int = 2) -> dict[str, str]:
    own = dict(SSVAE_COORDINATOR=f"127.0.0.1:{port}", SSVAE_PROCESSES=str(n), SSVAE_PROCESS=str(k))
    return {**os.environ, **own, "JAX_PLATFORMS": "cpu", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


@pytest.mark.parametrize("k", [0, 1])
def test_who_finds_nobody_ends_with_an_error(k, tmp_path):
    words = [sys.executable, "-c", "import sys; from ssvae_widgets.cli.train import train; sys.exit(train())"]
    words += ["--wait", "5", "--n", "100", "--weights", str(tmp_path / "w.ckpt")]
    start = time.monotonic()
    done = subprocess.run(words, env=in_place(k, free_port()), capture_output=True, text=True, timeout=120)
    assert done.returncode not in (0, 2) and time.monotonic() - start < 60
    assert "start all 2 processes" in done.stderr or "DEADLINE" in done.stderr, done.stderr[-2000:]
    assert not list(tmp_path.iterdir())


def test_who_is_left_alone_ends_by_itself(tmp_path):
    "No launcher watches: the process whose coordinator was killed, and the one whose neighbor was."
    for killed in (0, 1):
        folder, port = tmp_path / str(killed), free_port()
        folder.mkdir()
        words = [sys.executable, str(Path(__file__).with_name("job_of_two.py")), str(folder), "killed", str(killed)]
        both = [subprocess.Popen(words, env=in_place(k, port), stderr=subprocess.PIPE, text=True) for k in (0, 1)]
        try:
            assert both[killed].wait(120) == -signal.SIGKILL
            start = time.monotonic()
            said = both[1 - killed].communicate(timeout=120)[1]
            assert both[1 - killed].returncode and time.monotonic() - start < 60, said
        finally:
            for p in both:
                p.kill()
                p.wait()
                p.stderr.close()


@pytest.fixture
def digits(tmp_path):
    from ssvae_widgets import load_digits

    images, truth = load_digits()
    np.save(tmp_path / "images.npy", images[:500])
    rows = "".join(f"{i},{truth[i]}\n" for i in range(50))
    (tmp_path / "labels.csv").write_text("Serial,label\n" + rows)
    return tmp_path


def words_for(folder: Path, name: str, epochs: int = 30) -> list[str]:
    flags = dict(data=folder / "images.npy", labels=folder / "labels.csv", weights=folder / f"{name}.ckpt")
    flags |= {"max-epochs": epochs, "encoder-type": "dense", "hidden-dims": 32, "latent-dim": 2, "features": "none"}
    return [w for k, v in flags.items() for w in (f"--{k}", str(v))]


def assert_equal_files(folder: Path, name: str, other: str, atol: float) -> None:
    one, two = (SSVAE.from_checkpoint(folder / f"{n}.ckpt") for n in (name, other))
    assert one.epoch == two.epoch and one.history["epoch"] == two.history["epoch"]
    for k in one.params:
        np.testing.assert_allclose(one.params[k], two.params[k], rtol=0, atol=atol, err_msg=k)
    histories = [np.genfromtxt(folder / f"{n}_history.csv", delimiter=",", names=True) for n in (name, other)]
    for column in histories[0].dtype.names:
        np.testing.assert_allclose(*(h[column] for h in histories), rtol=10 * atol, err_msg=column)
    assert not (folder / f"{name}.run").exists()


def test_the_command_as_a_gang_with_a_loss_equals_the_command(digits, monkeypatch):
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    words = words_for(digits, "gang")
    code = "import sys; from ssvae_widgets.cli.train import train; sys.exit(train())"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    gang = subprocess.Popen(
        [sys.executable, "-c", code, "--gang", "2", "--json", *words], env=env, stdout=subprocess.PIPE
    )
    try:
        until((digits / "gang_history.csv").exists, 300)
        victim = psutil.Process(gang.pid).children()[1]
        victim.kill()
        assert (digits / "gang.run").exists()  # it had not ended
        said = gang.communicate(timeout=300)[0].decode()
    finally:
        for p in [*psutil.Process(gang.pid).children(), gang] if gang.poll() is None else []:
            p.kill()
    assert gang.returncode == 0 and json.loads(said)["total_epochs"] == 30
    assert train(words_for(digits, "alone")) == 0
    assert_equal_files(digits, "gang", "alone", 1e-5)


FAKE_SRUN = """#!/bin/bash
# What a step of two tasks sets, on this machine; the first task that fails ends the step.
while [[ $1 == --* ]]; do shift; done
for k in 0 1; do
    SLURM_JOB_ID=$JOB SLURM_STEP_NODELIST=localhost SLURM_NTASKS=2 SLURM_STEP_NUM_TASKS=2 SLURM_STEP_NUM_NODES=1 \\
        SLURM_PROCID=$k SLURM_LOCALID=$k "$@" &
    tasks+=($!)
done
trap 'kill "${tasks[@]}" 2>/dev/null' EXIT
for k in 0 1; do
    wait -n || { code=$?; echo "srun: a task ended with code $code" >&2; exit "$code"; }
done
"""


def test_the_script_for_slurm_with_a_step_that_loses_a_task(digits, monkeypatch):
    bin = digits / "bin"
    bin.mkdir()
    (bin / "srun").write_text(FAKE_SRUN)
    extra = words_for(digits, "slurm")[6:]  # the script names data, labels and weights itself
    (bin / "ssvae-train").write_text(
        f"#!{sys.executable}\nimport sys\nfrom ssvae_widgets.cli.train import train\n"
        f"sys.exit(train(sys.argv[1:] + {extra!r}))\n"
    )
    for tool in bin.iterdir():
        tool.chmod(0o755)
    env = {**os.environ, "JAX_PLATFORMS": "cpu", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    env |= dict(PATH=f"{bin}:{env['PATH']}", JOB=str(os.getpid()), WEIGHTS=str(digits / "slurm.ckpt"), EPOCHS="30")
    words = ["bash", str(LAUNCHERS / "train.sbatch"), str(digits / "images.npy"), str(digits / "labels.csv")]
    script = subprocess.Popen(words, env=env, stderr=subprocess.PIPE, text=True)
    until((digits / "slurm_history.csv").exists, 300)
    tasks = [
        p for p in psutil.Process(script.pid).children(recursive=True) if "ssvae-train" in " ".join(p.cmdline()[1:3])
    ]
    tasks[-1].kill()
    said = script.communicate(timeout=300)[1]
    assert script.returncode == 0 and "start 1 ended with code" in said
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    assert train(words_for(digits, "alone")) == 0
    assert_equal_files(digits, "slurm", "alone", 1e-5)


@pytest.mark.filterwarnings("ignore")  # of Ray and its threads
def test_ray_train_starts_the_workers_again(digits):
    pytest.importorskip("ray.train", reason="ssvae_widgets[cluster] with ray[train] is not installed")
    import ray

    sys.path.insert(0, str(LAUNCHERS))
    try:
        import ray_train
    finally:
        sys.path.pop(0)
    path = os.pathsep.join(filter(None, [str(LAUNCHERS), *sys.path]))
    env = {"env_vars": {"PYTHONPATH": path, "JAX_PLATFORMS": "cpu"}}
    store = 100 << 20
    ray.init(num_cpus=4, include_dashboard=False, object_store_memory=store, log_to_driver=False, runtime_env=env)
    try:
        import threading

        def kill():
            until((digits / "ray_history.csv").exists, 400)
            below = psutil.Process().children(recursive=True)  # the cluster of this process, and no other
            [*_, worker] = [p for p in below if "RayTrainWorker" in " ".join(p.cmdline())]
            worker.kill()
            assert (digits / "ray.run").exists()  # it had not ended
            killed.append(worker.pid)

        killed, killer = [], threading.Thread(target=kill, daemon=True)
        killer.start()
        ray_train.fit(words_for(digits, "ray"), workers=2, storage=str(digits / "storage"))
        killer.join(1)
        assert killed
    finally:
        ray.shutdown()
    assert train(words_for(digits, "alone")) == 0
    assert_equal_files(digits, "ray", "alone", 1e-5)
