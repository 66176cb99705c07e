"""The configuration agrees with itself: settings.ini mirrors pyproject.toml, the dev containers are valid, nothing
foreign is committed."""

import configparser
import json
import re
import subprocess
import tomllib
from importlib.metadata import entry_points, version

import jsonschema
import pytest
from nbdev.config import get_config

import ssvae_widgets


@pytest.fixture(scope="module")
def pyproject(root):
    return tomllib.loads((root / "pyproject.toml").read_text())


def test_settings_ini_mirrors_pyproject(root, pyproject):
    ini = configparser.ConfigParser(delimiters=["="])
    ini.read(root / "settings.ini")
    settings = dict(ini["DEFAULT"])
    project, nbdev = pyproject["project"], pyproject["tool"]["nbdev"]
    user, repo = re.search(r"github\.com/([^/]+)/([^/]+)$", project["urls"]["Repository"]).groups()
    assert settings == {
        "repo": repo,
        "user": user,
        "author": project["authors"][0]["name"],
        "lib_name": project["name"],
        "lib_path": nbdev["lib_path"],
        "nbs_path": nbdev["nbs_path"],
        "version": ssvae_widgets.__version__,
        "min_python": project["requires-python"].removeprefix(">="),
        "tst_flags": nbdev["tst_flags"],
        "update_pyproject": str(nbdev["update_pyproject"]),
    }


def test_nbdev_reads_pyproject(root):
    config = get_config(root)
    assert config.config_file == root / "pyproject.toml"
    assert str(config.version) == ssvae_widgets.__version__ == version("ssvae_widgets")


def test_nbdev_test_is_an_alias():
    [script] = entry_points(group="console_scripts", name="nbdev_test")
    [original] = entry_points(group="console_scripts", name="nbdev-test")
    assert script.load() is original.load()


def test_no_dependency_is_unbounded(pyproject):
    extras = pyproject["project"]["optional-dependencies"]
    for spec in [*pyproject["project"]["dependencies"], *(s for specs in extras.values() for s in specs)]:
        assert re.search(r">=\S+,<\S+|==\S+", spec), f"{spec} needs a range"


CONTAINERS = [".devcontainer/devcontainer.json", ".devcontainer/gpu/devcontainer.json"]


@pytest.mark.parametrize("path", CONTAINERS)
def test_dev_container_is_valid(root, path):
    container = json.loads((root / path).read_text())
    jsonschema.validate(
        container,
        json.loads((root / "tests" / "devcontainer.schema.json").read_text()),
        cls=jsonschema.Draft202012Validator,
    )
    # the container is set up by the same target that a person types
    target = container["postCreateCommand"].split()
    assert target[:2] == ["make", "install"]
    assert re.search(r"^install:", (root / "Makefile").read_text(), re.M)


def test_gpu_container_asks_for_gpus_and_leaves_the_platform_open(root):
    gpu = json.loads((root / CONTAINERS[1]).read_text())
    assert "--gpus=all" in gpu["runArgs"]
    assert "EXTRAS=dev,gpu" in gpu["postCreateCommand"]
    # JAX's wheels carry CUDA; the base image's own demand for a newer driver must not keep older ones out
    assert gpu["containerEnv"]["NVIDIA_DISABLE_REQUIRE"] == "1"
    for path in CONTAINERS:
        container = json.loads((root / path).read_text())
        assert container["remoteUser"] != "root", "files made in the mounted clone would belong to root"
        assert "JAX_PLATFORMS" not in {**container.get("containerEnv", {}), **container.get("remoteEnv", {})}


def test_the_schema_refuses_what_a_typo_would_write(root):
    schema = json.loads((root / "tests" / "devcontainer.schema.json").read_text())
    container = json.loads((root / CONTAINERS[0]).read_text())
    for broken in (
        {**container, "postCreateComand": "make"},
        {**container, "runArgs": "--gpus=all"},
        {"name": "no image"},
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(broken, schema, cls=jsonschema.Draft202012Validator)


def test_no_dangerous_call_in_the_package(root):
    "No pickle, eval or exec, no innerHTML: labels, class names and files come from outside."
    import ast

    for path in (root / "ssvae_widgets").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in ("eval", "exec"), f"{path.name}:{node.lineno}"
            if isinstance(node, ast.Import):
                assert not {a.name for a in node.names} & {"pickle", "joblib", "dill", "cloudpickle"}, (
                    f"{path.name}:{node.lineno}"
                )
            if isinstance(node, ast.Constant) and node.value == "allow_pickle":
                raise AssertionError(f"{path.name}:{node.lineno}")
            if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
                assert isinstance(node.value, ast.Constant) and node.value.value is False, f"{path.name}:{node.lineno}"
    for path in (root / "ssvae_widgets" / "static").iterdir():
        assert not re.search(
            r"\.(innerHTML|outerHTML|insertAdjacentHTML)\b|document\.write|\beval\(|new Function", path.read_text()
        ), path.name


def test_no_data_set_and_no_large_file_is_tracked(root):
    tracked = subprocess.run(["git", "ls-files"], cwd=root, capture_output=True, text=True)
    if tracked.returncode:
        pytest.skip("not a git checkout")
    for name in tracked.stdout.splitlines():
        path = root / name
        if path.exists():
            most = 1_100_000 if path.name == "_modidx.py" else 600_000  # nbdev's index grows with the library
            assert path.stat().st_size < most, f"{name} is {path.stat().st_size / 1e3:.0f} kB"
        assert not re.search(r"idx[13]-ubyte", name)


def test_the_readme_quotes_what_was_measured(root):
    measured = json.loads((root / "artifacts" / "bench" / "labels.json").read_text())["recipe"]
    readme = (root / "README.md").read_text()
    rows = [
        ("balanced 50 short", "50, five per digit"),
        ("balanced 50 long", "50, five per digit, trained longer"),
        ("uniform 50 long", "50, drawn at random"),
        ("balanced 10 short", "10, one per digit"),
    ]
    for key, name in rows:
        accuracy, seconds = measured[key]["accuracy"], measured[key]["cpu_seconds"]["mean"]
        row = f"| {name} | {accuracy['mean']:.1f} ± {accuracy['sd']:.1f} % ({accuracy['n']} draws) | {seconds:.0f} s |"
        assert row in readme, f"README.md should say: {row}"


def test_lowest_versions_are_the_ends_of_the_ranges(root, pyproject):
    "What `make test-lowest` installs: one line for each dependency of the package and of its tests."
    told = (root / ".ci" / "lowest.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in told if not line.startswith("#"))
    project = pyproject["project"]
    specs = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    assert len(pins) == len(specs)
    for spec in specs:
        name, low = re.match(r"([\w.-]+)>=([\d.]+),<", spec).groups()
        assert pins[name] == low, f"{spec}: run python .ci/lowest.py > .ci/lowest.txt"
    for extra, specs in project["optional-dependencies"].items():  # one dependency, one lowest version
        for name, low in (re.match(r"([\w.-]+)(?:\[[\w,]+\])?[>=]=([\d.]+)", spec).groups() for spec in specs):
            assert pins.get(name, low) == low, f"extra {extra}: {name}>={low}, elsewhere {pins[name]}"
