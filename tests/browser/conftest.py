"""A real JupyterLab and a real Chromium for the browser tests.

`lab` starts one server per test session in a temporary folder; `open_notebook(cells)` writes a notebook there, opens
it, runs it and
returns a `Notebook`, whose `page` is the Playwright page and whose `python(expression)` evaluates in the very kernel
the page talks to,
so that a test can drive the page and assert Python state and files.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
import pytest
from jupyter_client import BlockingKernelClient
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[2]
SCREENSHOTS = ROOT / "artifacts" / "screenshots"
CHROMIUM_ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def pytest_collection_modifyitems(items):
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)


def chromium_path() -> str:
    "The browser named by SSVAE_WIDGETS_CHROMIUM, else the first Chromium or Chrome on the PATH."
    named = os.environ.get("SSVAE_WIDGETS_CHROMIUM")
    found = named or next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None
    )
    if found:
        return found
    why = "no Chromium found: install it (Debian: apt-get install chromium) or point SSVAE_WIDGETS_CHROMIUM at one"
    if os.environ.get("CI"):
        pytest.fail(why)
    pytest.skip(why)


@pytest.fixture(scope="session")
def browser():
    path = chromium_path()
    with sync_playwright() as p:
        b = p.chromium.launch(executable_path=path, headless=True, args=CHROMIUM_ARGS)
        yield b
        b.close()


class Lab:
    "A running JupyterLab server."

    def __init__(self, root: Path):
        self.root = root / "work"
        self.root.mkdir()
        runtime = root / "runtime"
        runtime.mkdir()
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        self.url, self.runtime, self.log = f"http://127.0.0.1:{port}", runtime, root / "server.log"
        quiet = root / "settings" / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
        quiet.parent.mkdir(parents=True)
        quiet.write_text('{"fetchNews": "false", "checkForUpdates": false}')
        env = {
            **os.environ,
            "JUPYTER_RUNTIME_DIR": str(runtime),
            "JUPYTER_CONFIG_DIR": str(root / "config"),
            "JUPYTERLAB_SETTINGS_DIR": str(root / "settings"),
            "JUPYTERLAB_WORKSPACES_DIR": str(root / "workspaces"),
            "IPYTHONDIR": str(root / "ipython"),
            "DATA": "digits",
        }
        with self.log.open("wb") as log:
            self.proc = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "jupyterlab",
                    "--no-browser",
                    "--allow-root",
                    f"--ServerApp.port={port}",
                    "--ServerApp.ip=127.0.0.1",
                    "--IdentityProvider.token=",
                    "--ServerApp.disable_check_xsrf=True",
                    f"--ServerApp.root_dir={self.root}",
                    "--LabApp.expose_app_in_browser=True",
                    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
                ],
                env=env,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )
        self.wait()

    def api(self, path: str):
        with urllib.request.urlopen(f"{self.url}/api/{path}", timeout=60) as r:
            return json.load(r)

    def wait(self, timeout: float = 240):
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            if self.proc.poll() is not None:
                raise RuntimeError(f"JupyterLab ended at start:\n{self.log.read_text()[-3000:]}")
            try:
                return self.api("status")
            except OSError:
                time.sleep(0.1)
        raise TimeoutError(f"JupyterLab did not answer within {timeout} s:\n{self.log.read_text()[-3000:]}")

    def stop(self):
        self.proc.terminate()
        try:
            self.proc.wait(15)
        except subprocess.TimeoutExpired:
            self.proc.kill()
            self.proc.wait(15)


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    server = Lab(tmp_path_factory.mktemp("lab"))
    yield server
    server.stop()


class Notebook:
    "One open notebook: its page, its kernel and its folder."

    def __init__(self, lab: Lab, page, path: str):
        self.lab, self.page, self.path, self.client = lab, page, path, None

    @property
    def folder(self) -> Path:
        return (self.lab.root / self.path).parent

    def kernel_id(self, timeout: float = 180) -> str:
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            for s in self.lab.api("sessions"):
                if s["path"] == self.path and s.get("kernel"):
                    return s["kernel"]["id"]
            time.sleep(0.1)
        raise TimeoutError(f"no kernel for {self.path} within {timeout} s")

    def connect(self):
        """Join the notebook's kernel as a second client (again after a restart).

        While a kernel (re)starts, its file may still be the old one and its heart may not beat yet: then try again.
        """
        for attempt in range(3):
            self.disconnect()
            file = self.lab.runtime / f"kernel-{self.kernel_id()}.json"
            self.client = BlockingKernelClient(connection_file=str(file))
            self.client.load_connection_file()
            self.client.start_channels()
            try:
                self.client.wait_for_ready(timeout=120)
                return self.client
            except RuntimeError:
                if attempt == 2:
                    raise
                time.sleep(1)

    def disconnect(self):
        if self.client is not None:
            self.client.stop_channels()
            self.client = None

    def command(self, name: str, **args):
        "Execute a JupyterLab command, such as `notebook:run-all-cells`."
        return self.page.evaluate("([name, args]) => { window.jupyterapp.commands.execute(name, args); }", [name, args])

    def save(self):
        "Save the notebook; returns when it is on disk."
        self.page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save').then(() => null)")

    def ready(self):
        """Wait until the page has the notebook and its kernel: a cell that is run before that asks which kernel to
        take, and never runs."""
        self.page.wait_for_function(
            "p => window.jupyterapp?.shell.currentWidget?.context?.path === p && "
            "window.jupyterapp.shell.currentWidget.content.widgets?.length",
            arg=self.path,
            timeout=180_000,
        )
        self.page.evaluate("() => window.jupyterapp.shell.currentWidget.context.sessionContext.ready")

    def reload(self):
        "Load the page again, and wait until it has its kernel."
        self.page.reload(wait_until="domcontentloaded")
        self.ready()

    def run_all(self, timeout: float = 240):
        """Run every cell and wait until each has run; an error in a cell fails the test. Counts of an earlier run
        are forgotten first."""
        self.page.evaluate(
            "() => { for (const c of window.jupyterapp.shell.currentWidget.content.widgets) if (c.model.type "
            "=== 'code') c.model.executionCount = null; }"
        )
        self.command("notebook:run-all-cells")
        self.kernel_id()
        self.page.wait_for_function(
            """() => { const nb = window.jupyterapp.shell.currentWidget.content;
                       const code = nb.widgets.filter(c => c.model.type === 'code');
                       return code.length && code.every(c => c.model.executionCount); }""",
            timeout=timeout * 1000,
        )
        errors = self.page.evaluate(
            """() => window.jupyterapp.shell.currentWidget.content.widgets.filter(c => c.model.type === 'code').flatMap(
                   c => { const out = []; for (let i = 0; i < c.model.outputs.length; i++) {
                       const o = c.model.outputs.get(i).toJSON();
                       if (o.output_type === 'error') out.push(o.traceback.join('\\n')); } return out; })"""
        )
        assert not errors, "\n".join(errors)

    def python(self, expression: str, timeout: float = 120):
        "The value of a JSON-able Python expression in the notebook's kernel."
        if self.client is None:
            self.connect()
        code = (
            f"__import__('json').dumps({expression}, default=lambda v: v.tolist() if hasattr(v, 'tolist') else str(v))"
        )
        reply = self.client.execute_interactive(
            "",
            user_expressions={"v": code},
            store_history=False,
            timeout=timeout,
            silent=False,
            output_hook=lambda msg: None,
        )
        value = reply["content"]["user_expressions"]["v"]
        assert value["status"] == "ok", "\n".join(value.get("traceback", [str(value)]))
        return json.loads(eval_literal(value["data"]["text/plain"]))

    def execute(self, code: str, timeout: float = 120):
        "Run statements in the notebook's kernel; an error fails the test."
        if self.client is None:
            self.connect()
        reply = self.client.execute_interactive(
            code, store_history=False, timeout=timeout, output_hook=lambda msg: None
        )
        assert reply["content"]["status"] == "ok", "\n".join(reply["content"].get("traceback", []))

    def until(self, expression: str, timeout: float = 60, every: float = 0.1):
        "Wait until a Python expression in the kernel is true, and return its value."
        end = time.monotonic() + timeout
        value = None
        while time.monotonic() < end:
            value = self.python(expression)
            if value:
                return value
            time.sleep(every)
        raise AssertionError(f"still {value!r} after {timeout} s: {expression}")

    def theme(self, name: str):
        "Switch JupyterLab to its `light` or `dark` theme and wait until it is applied."
        self.command("apputils:change-theme", theme=f"JupyterLab {name.capitalize()}")
        self.page.wait_for_function(
            "dark => (document.body.dataset.jpThemeLight === 'false') === dark", arg=name == "dark"
        )
        self.page.wait_for_timeout(500)

    def screenshot(self, name: str, target=None):
        "Save a picture under artifacts/screenshots for people to look at."
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        (target or self.page).screenshot(path=SCREENSHOTS / f"{name}.png")
        return SCREENSHOTS / f"{name}.png"


def eval_literal(text: str) -> str:
    from ast import literal_eval

    return literal_eval(text)


@pytest.fixture
def open_notebook(lab, browser):
    """A function that opens cells (source strings; those that start with `# %% [markdown]` are prose) or an existing
    .ipynb as a notebook and runs it."""
    opened, contexts = [], []

    def open_(
        cells,
        name: str = "test",
        run: bool = True,
        width: int = 1400,
        height: int = 1000,
        scale: float = 1.0,
        timeout: float = 300,
        files: dict | None = None,
    ):
        folder = lab.root / f"{name}-{time.monotonic_ns()}"
        folder.mkdir()
        path = folder / f"{name}.ipynb"
        if isinstance(cells, (str, Path)):
            shutil.copy(cells, path)
        else:
            nb = nbformat.v4.new_notebook(
                metadata={"kernelspec": {"name": "python3", "display_name": "python3", "language": "python"}}
            )
            nb.cells = [nbformat.v4.new_code_cell(c) for c in cells]
            nbformat.write(nb, path)
        for file, text in (files or {}).items():
            (folder / file).write_text(text)
        context = browser.new_context(viewport={"width": width, "height": height}, device_scale_factor=scale)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        relative = path.relative_to(lab.root).as_posix()
        page.goto(f"{lab.url}/lab/tree/{relative}?reset", wait_until="domcontentloaded")
        nb = Notebook(lab, page, relative)
        opened.append(nb)
        nb.ready()
        page.evaluate("() => { if (!window.jupyterapp.shell.leftCollapsed) window.jupyterapp.shell.collapseLeft(); }")
        page.wait_for_function("() => document.body.dataset.jpThemeLight")
        if page.evaluate("() => document.body.dataset.jpThemeLight") == "false":  # as the test before this one left it
            nb.theme("light")
        if run:
            nb.run_all(timeout)
        return nb

    yield open_
    for nb in opened:
        nb.disconnect()
    for context in contexts:
        context.close()
    for s in lab.api("sessions"):
        request = urllib.request.Request(f"{lab.url}/api/sessions/{s['id']}", method="DELETE")
        urllib.request.urlopen(request, timeout=60).close()
