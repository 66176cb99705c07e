"""A job of several processes trains on the devices of all of them, never on its own without saying so."""

import os
import socket
import subprocess
import sys

import pytest

JOB = """
import sys
import jax
jax.distributed.initialize(sys.argv[2], 2, int(sys.argv[1]), initialization_timeout=60)
import numpy as np
from ssvae_widgets.model.step import data_mesh, everywhere
mesh = data_mesh()
x = everywhere({"w": np.arange(6.0)})["w"]
total = jax.jit(lambda v: jax.lax.with_sharding_constraint(
    v, jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("data"))).sum())(x)
print(mesh.size, len({d.process_index for d in mesh.devices.flat}), float(np.asarray(total)))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="processes of JAX on processors talk by gloo, on Linux")
def test_the_data_axis_spans_all_processes():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{s.getsockname()[1]}"
    env = {k: v for k, v in os.environ.items() if k != "XLA_FLAGS"} | {"JAX_PLATFORMS": "cpu"}
    env["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    words = [[sys.executable, "-c", JOB, str(rank), address] for rank in (0, 1)]
    jobs = [subprocess.Popen(w, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env) for w in words]
    try:
        out = [j.communicate(timeout=120) for j in jobs]
    finally:
        for j in jobs:
            j.kill()
    assert [text.splitlines()[-1] for text, _ in out] == ["2 2 15.0"] * 2, out
