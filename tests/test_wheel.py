"""The wheel holds what it should, and works in a bare environment: first without the widget libraries, then with
them."""

import os
import subprocess
import sys
import tomllib
import venv
import zipfile

import pytest

WIDGETS = ("ipywidgets", "bqplot", "anywidget", "traitlets")


def run(*command, cwd, **env):
    done = subprocess.run(
        [str(c) for c in command],
        cwd=cwd,
        capture_output=True,
        text=True,
        env={**{k: v for k, v in os.environ.items() if k != "PYTHONPATH"}, **env},
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout


@pytest.fixture(scope="module")
def dist(sources, tmp_path_factory):
    "Wheel and sdist, built from a copy of the tracked and untracked sources."
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--outdir", out, sources, cwd=out)
    return out


def test_wheel_contents(root, dist):
    [wheel] = dist.glob("*.whl")
    names = {n for n in zipfile.ZipFile(wheel).namelist() if n.startswith("ssvae_widgets/")}
    sources = {str(p.relative_to(root)) for p in (root / "ssvae_widgets").rglob("*.py")}
    assets = {str(p.relative_to(root)) for p in (root / "ssvae_widgets" / "static").iterdir()}
    assert assets and names == sources | assets
    other = {n.split("/")[0] for n in zipfile.ZipFile(wheel).namelist()} - {"ssvae_widgets"}
    assert all(n.endswith(".dist-info") for n in other), other


def test_installs_and_imports_in_a_bare_environment(root, dist, tmp_path):
    env = tmp_path / "env"
    venv.create(env, with_pip=True)
    python, [wheel] = env / ("Scripts" if os.name == "nt" else "bin") / "python", dist.glob("*.whl")
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    dependencies = tomllib.loads((root / "pyproject.toml").read_text())["project"]["dependencies"]
    core = [d for d in dependencies if not d.startswith(WIDGETS)]
    run(*pip, "--no-deps", wheel, cwd=tmp_path)
    run(*pip, *core, cwd=tmp_path)
    # matplotlib and friends may bring traitlets one day; the three widget libraries must not be there
    missing = (
        "import importlib.util as u; assert not any(u.find_spec(m) for m in ('ipywidgets', 'bqplot', 'anywidget'))"
    )
    train = (
        "from ssvae_widgets import SSVAE, SSVAEConfig, load_digits\n"
        "x, y = load_digits(); vae = SSVAE(x.shape[1:], SSVAEConfig(max_epochs=1)); h = vae.fit(x[:300], "
        "y[:300].astype(float))\n"
        "assert len(h['loss']) == 1 and vae.predict(x[:5])[0].shape[0] == 5"
    )
    run(python, "-W", "error", "-c", f"{missing}\n{train}", cwd=tmp_path)
    run(*pip, wheel, cwd=tmp_path)
    show = (
        "import ssvae_widgets as s; s.LatentLabeler; x, y = s.load_digits()\n"
        "app = s.LatentLabeler(x[:200], labels='labels.csv'); app.close()"
    )
    run(python, "-c", show, cwd=tmp_path)
