"""The JavaScript of the page: its pure parts under Node's own test runner, and one format for all of it."""

import json
import re
import shutil
import subprocess

import pytest


def test_node(root):
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs Node.js 18 or newer (Debian: apt-get install nodejs)")
    files = sorted((root / "tests" / "js").glob("*.test.mjs"))
    done = subprocess.run([node, "--test", *files], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    counts = dict(re.findall(r"^. (tests|pass|fail) (\d+)$", done.stdout, re.M))
    assert files and int(counts["tests"]) >= len(files) and counts["pass"] == counts["tests"], counts


def installed(root, name: str, script: str) -> list:
    "A tool of package.json as a command, or a reason to skip."
    path = root / "node_modules" / name / script
    if not path.exists():
        pytest.skip(f"{name} is not installed: run npm ci (CI does)")
    return ["node", path]


def test_the_format_is_prettiers(root):
    prettier = installed(root, "prettier", "bin/prettier.cjs")
    done = subprocess.run(
        [*prettier, "--check", "ssvae_widgets/static", "tests/js"], cwd=root, capture_output=True, text=True
    )
    assert done.returncode == 0, f"run npm run format\n{done.stdout}{done.stderr}"


def test_the_types_are_right(root):
    tsc = installed(root, "typescript", "bin/tsc")
    done = subprocess.run([*tsc, "--project", "jsconfig.json"], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_a_page_loads_is_one_module_without_imports(root):
    from ssvae_widgets.widgets.assets import inline_esm

    entries = [p.name for p in (root / "ssvae_widgets" / "static").glob("*.js") if p.name != "reopen.js"]
    assert len(entries) > 4
    for name in entries:
        source = inline_esm(name)
        names = re.findall(r"^(?:export )?(?:async )?(?:function|class|const|let) (\w+)", source, re.M)
        assert "import " not in re.sub(r"import\(", "", re.sub(r"/\*.*?\*/", "", source, flags=re.S)), name
        assert len(names) == len(set(names)), f"{name}: {sorted(n for n in names if names.count(n) > 1)}"
        assert source.count("\nexport ") == 1, name


def test_what_a_page_loads_can_be_parsed(root, tmp_path):
    "Without its comments, but with all of its code."
    from ssvae_widgets.widgets.assets import COMMENT, inline_esm

    node = shutil.which("node")
    if node is None:
        pytest.skip("needs Node.js 18 or newer (Debian: apt-get install nodejs)")
    for path in sorted((root / "ssvae_widgets" / "static").glob("*.js")):
        (tmp_path / "page.mjs").write_text(inline_esm(path.name), encoding="utf-8")
        done = subprocess.run([node, "--check", tmp_path / "page.mjs"], capture_output=True, text=True)
        assert done.returncode == 0, f"{path.name}: {done.stderr}"
    code = "/** a */\nlet x;\n  /** @type {any} */ (x).y = 1;\n/* b\n * c */\nx;\n"
    assert COMMENT.sub("", code) == "let x;\n  /** @type {any} */ (x).y = 1;\nx;\n"


# what the page does alone
ON_PAGE = {"move", "tool", "reset", "escape", "zoom", "selectall", "invert", "original", "reselect", "take"}


def test_the_keys_of_the_page_are_the_intents_of_python(root):
    """Every key is pressed on the page's own map; what it sends is a row of `BY_KEY`, and each row is sent by a key
    and done by a command."""
    from ssvae_widgets import LatentMap
    from ssvae_widgets.widgets.commands import Commands
    from ssvae_widgets.widgets.intents import BY_CLICK, BY_KEY, check_intent

    node = shutil.which("node")
    if node is None:
        pytest.skip("needs Node.js 18 or newer (Debian: apt-get install nodejs)")
    done = subprocess.run([node, root / "tests" / "js" / "keys.mjs"], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    page = json.loads(done.stdout)
    map, intents, alone = (
        LatentMap([[0, 0], [1, 0], [0, 1], [1, 1]], {"label": [-1] * 4, "truth": [0, 1, 0, 1]}, classes=["a", "b"]),
        [],
        set(),
    )
    for pressed in page["rows"]:
        assert pressed["found"] == pressed["action"], pressed
        for message in pressed["messages"]:
            assert message["content"]["type"] == "intent"
            intents.append(
                check_intent(message["content"]["intent"], [bytes(b) for b in message["buffers"]], map.layer)
            )
        if not pressed["messages"]:
            alone.add(pressed["action"].split(":")[0])
        assert len(pressed["messages"]) == (pressed["action"].split(":")[0] not in ON_PAGE), pressed
    map.close()
    assert {intent["type"] for intent in intents} == set(BY_KEY) and alone == ON_PAGE
    assert {"move", "said", "gesture", "step", "op", "column", "on"} <= set().union(*intents), (
        "with a preview and without one"
    )
    assert page["unexplained"] == []
    assert not [kind for kind in BY_KEY | BY_CLICK if not callable(getattr(Commands, kind, None))]


def test_every_click_is_accepted_by_a_view():
    "A row of the table that no view accepts could be asked for by nobody; two are asked by the map itself."
    from ssvae_widgets.widgets.contact_sheet import ContactSheet
    from ssvae_widgets.widgets.facet_panel import FacetPanel
    from ssvae_widgets.widgets.intents import INTENTS
    from ssvae_widgets.widgets.label_bar import ActionBar, ClassButtons
    from ssvae_widgets.widgets.point_layer import PointLayer
    from ssvae_widgets.widgets.preview import Preview
    from ssvae_widgets.widgets.training_panel import Rounds, Standing, TrainingControls

    views = PointLayer, Preview, ContactSheet, ActionBar, ClassButtons, Rounds, Standing, TrainingControls, FacetPanel
    assert set().union(*(view.accepts for view in views)) == set(INTENTS) - {"suspects", "review"}
    for view in views:
        for kind, fields in view.accepts.items():
            assert {name.rstrip("?") for name in fields} <= {name.rstrip("?") for name in INTENTS[kind]}, (view, kind)
