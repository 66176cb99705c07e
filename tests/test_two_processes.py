"""Several processes train as one would: each holds its own part of the images, one is lost, and all are started
again. A job that was asked for and is not there is an error."""

import json
import os
import subprocess
import sys
from pathlib import Path

import job_of_two
import numpy as np
import pytest

from ssvae_widgets.cli.gang import run_gang
from ssvae_widgets.cli.train import train

ONLY_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="processes of JAX on processors talk by gloo, on Linux")
LAUNCHERS = Path(__file__).parents[1] / "nbs" / "how_to" / "launchers"


def job(
    folder: Path, what: str = "nothing", process: int = 1, restarts: int = 1, grace: float = 10, kind: str = "plain"
) -> int:
    "Two processes; gives the starts that they took."
    folder.mkdir()
    env = {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": "", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    words = [sys.executable, job_of_two.__file__, str(folder), what, str(process), kind]
    return run_gang(words, 2, restarts, grace=grace, env=env)


def end(folder: Path, process: int = 0) -> tuple[dict, dict]:
    "Weights and history."
    with np.load(folder / f"end{process}.npz") as file:
        weights = dict(file)
    return weights, json.loads((folder / f"history{process}.json").read_text())


def alone(kind: str = "plain") -> tuple[dict, dict]:
    "The same of one process that has all images."
    vae, images, labels = job_of_two.make(kind)
    history = vae.fit(images, labels, callbacks=None)
    return {k: np.asarray(v) for k, v in vae.params.items()}, history


def assert_same(found: tuple[dict, dict], wanted: tuple[dict, dict], atol: float) -> None:
    for name in wanted[0]:
        np.testing.assert_allclose(found[0][name], wanted[0][name], rtol=0, atol=atol, err_msg=name)
    assert found[1].keys() == wanted[1].keys()
    for name in wanted[1]:
        np.testing.assert_allclose(found[1][name], wanted[1][name], rtol=atol, err_msg=name)


@ONLY_LINUX
def test_two_processes_with_an_accident_come_to_the_end_of_one(tmp_path):
    assert job(tmp_path / "job", "killed") == 2
    assert_same(end(tmp_path / "job"), alone(), 1e-5)
    assert end(tmp_path / "job")[1] == end(tmp_path / "job", 1)[1]
    left = sorted(p.name for p in (tmp_path / "job").iterdir())
    assert left == ["accident", "best.ckpt", "end0.npz", "end1.npz", "history0.json", "history1.json"]


@pytest.fixture
def nobody(monkeypatch):
    "A process that nothing says belongs to others; files go nowhere."
    for name in list(os.environ):
        if name.startswith(("SSVAE_", "SLURM_")) and "DATA" not in name:
            monkeypatch.delenv(name)
    return monkeypatch


STEP = dict(SLURM_JOB_ID="7", SLURM_STEP_NODELIST="n[1-2]", SLURM_NTASKS="4", SLURM_PROCID="3", SLURM_LOCALID="1")


@pytest.mark.parametrize(
    "words, env, said",
    [
        (["--distributed"], {}, "nothing says where the others are: give --coordinator"),
        (["--processes", "2"], {}, "without --coordinator (SSVAE_COORDINATOR), --process (SSVAE_PROCESS)"),
        ([], dict(SSVAE_PROCESSES="2", JOB_COMPLETION_INDEX="0"), "without --coordinator"),
        (["--coordinator", "a:1", "--processes", "2", "--process", "2"], {}, "process is 2 of 2"),
        ([], STEP, "this is process 3 of 4 of a step of SLURM"),
        (["--distributed", "--atlas", "a.png"], STEP, "--atlas is drawn by one process"),
        (["--distributed", "--features", "efficientnet-lite0"], STEP, "learns from pixels"),
    ],
)
def test_a_job_that_is_not_there_is_an_error(nobody, capsys, tmp_path, words, env, said):
    for name, value in env.items():
        nobody.setenv(name, value)
    assert train([*words, "--n", "50", "--weights", str(tmp_path / "w.ckpt")]) == 2
    assert said in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_launchers_say_what_the_command_wants():
    "They cannot be run here: what can be checked of them is."
    import yaml

    from ssvae_widgets.cli.train import train_parser

    subprocess.run(["bash", "-n", LAUNCHERS / "train.sbatch"], check=True)
    compile((LAUNCHERS / "ray_train.py").read_text(), "ray_train.py", "exec")
    service, pods = yaml.safe_load_all((LAUNCHERS / "train-job.yaml").read_text())
    spec, pod = pods["spec"], pods["spec"]["template"]["spec"]
    [container] = pod["containers"]
    env = {v["name"]: v["value"] for v in container["env"]}
    name, port = pods["metadata"]["name"], container["ports"][0]["containerPort"]
    assert service["metadata"]["name"] == pod["subdomain"] and service["spec"]["selector"] == {"job-name": name}
    assert env["SSVAE_COORDINATOR"] == f"{name}-0.{pod['subdomain']}:{port}"
    assert spec["completionMode"] == "Indexed" and spec["completions"] == spec["parallelism"] == int(
        env["SSVAE_PROCESSES"]
    )
    train_parser().parse_args([*container["command"][1:], *container["args"]])
