# Two commands on a fresh machine: `make showcase` and `make test`. `make help` explains the rest.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
LOWEST := .venv-lowest
NEWEST := .venv-newest
# of the tests at an end of the ranges: PART=2/4 is every fourth file, BROWSER=yes also those in a browser
PART ?= 1/1
BROWSER ?=
AT_AN_END = --part $(PART) $(if $(BROWSER),--browser)
NOT_QUICK := --ignore tests/browser --ignore tests/test_wheel.py
PYTHON ?= $(firstword $(foreach p,python3 python3.14 python3.13 python3.12 python3.11,$(shell $(p) -c 'import sys; sys.version_info >= (3, 11) and print("$(p)")' 2>/dev/null)))
# the extras of the last installation, until others are asked for: `make install EXTRAS=dev,gpu` once is enough
INSTALLED := $(shell cat $(VENV)/.extras 2>/dev/null)
EXTRAS ?= $(or $(INSTALLED),dev)
# the lowest versions have wheels for the lowest Python
LOWEST_PYTHON ?= $(or $(shell command -v python3.11),$(PYTHON))

.PHONY: FORCE help install showcase lab test test-quick test-lowest test-newest test-slow test-faults test-cluster bench docs readme clean

help: ## Explain the targets
	@echo "ssvae_widgets: make TARGET"
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | sort | awk -F'\t' '{printf "  %-12s %s\n", $$1, $$2}'
	@echo "Settings: DATA=digits|mnist (showcase), EXTRAS=dev|dev,gpu|dev,bench (install), PYTHON=/path/to/python3.11+"

# The environment is made once and again only when pyproject.toml or the wish for extras changes.
$(STAMP): pyproject.toml $(if $(filter $(EXTRAS),$(INSTALLED)),,FORCE)
	@test -n "$(PYTHON)" || { echo "ssvae_widgets needs Python 3.11 or newer and found none: install it, or run make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@test -w . || { echo "No write permission in $$(pwd): clone into a folder that you may write to." >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { echo "ssvae_widgets needs Python 3.11 or newer, and $(PYTHON) is not: run make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(BIN)/python -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || rm -rf $(VENV)
	@test -x $(BIN)/python || "$(PYTHON)" -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "Python could not make a virtual environment: install its venv module (Debian: apt-get install python3-venv)." >&2; exit 1; }
	@echo "Installing ssvae_widgets[$(EXTRAS)] into $(VENV) (a minute or two, once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[$(EXTRAS)]"
	@echo "$(EXTRAS)" > $(VENV)/.extras
	@touch $@

install: $(STAMP) ## Make .venv and install the package with its developer tools

showcase: $(STAMP) ## Run the showcase on real data and print a summary
	@$(BIN)/python .ci/showcase.py

lab: $(STAMP) ## Open JupyterLab on the showcase
	mkdir -p artifacts/showcase && cp -n nbs/tutorials/showcase.ipynb artifacts/showcase/my_showcase.ipynb || true
	$(BIN)/jupyter lab $$([ "$$(id -u)" = 0 ] && echo --allow-root) artifacts/showcase/my_showcase.ipynb

test: $(STAMP) ## Everything that CI checks
	@node -e 'process.exit(+process.versions.node.split(".")[0] < 18 ? 1 : 0)' 2>/dev/null || { echo "make test needs Node.js 18 or newer for the JavaScript tests (Debian: apt-get install nodejs)." >&2; exit 1; }
	$(BIN)/python -m pytest -q tests/test_in_step.py
	$(BIN)/nbdev-test --n-workers 2
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder tests --ignore tests/test_in_step.py

test-quick: $(STAMP) ## Notebooks in step, lint, and the tests that need no browser and no wheel
	$(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder tests $(NOT_QUICK)

test-lowest: ## The tests with the lowest version of every dependency, in an environment of their own (PART=1/4, BROWSER=yes)
	@test -x $(LOWEST)/bin/python || "$(LOWEST_PYTHON)" -m venv $(LOWEST)
	@$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check --constraint .ci/lowest.txt --editable ".[dev]"
	$(LOWEST)/bin/python .ci/ends.py lowest $(AT_AN_END)

test-newest: ## The same with the newest versions that the ranges allow
	@test -x $(NEWEST)/bin/python || "$(PYTHON)" -m venv $(NEWEST)
	@$(NEWEST)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade --upgrade-strategy eager --editable ".[dev]"
	$(NEWEST)/bin/python .ci/ends.py newest $(AT_AN_END)

test-slow: $(STAMP) ## The cells and tests that take minutes
	$(BIN)/nbdev-test --n-workers 2 --flags slow
	$(BIN)/python -m pytest tests -m slow

test-faults: $(STAMP) ## Kills, full disks, corruption and races at full counts
	SSVAE_WIDGETS_FAULTS=full $(BIN)/python -m pytest tests/faults tests/test_labels_any_order.py tests/test_session_any_order.py -rP

test-cluster: $(STAMP) ## Pools and trainings that lose workers and machines, in full (brings the extra cluster, 430 MB)
	@$(BIN)/python -c 'import ray, distributed' 2>/dev/null || $(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[$(EXTRAS),cluster]"
	$(BIN)/python -m pytest tests/test_pool_cluster.py tests/test_two_processes.py tests/test_cluster_training.py -m "cluster or not cluster"

bench: $(STAMP) ## Measure; JSON under artifacts/bench
	@$(BIN)/python -c 'import torch, jscatter' 2>/dev/null || $(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev,bench]"
	@for script in bench/*.py; do echo "== $$script"; $(BIN)/python $$script; done

docs: $(STAMP) ## Build the documentation as a static site under _site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet --clean
	@echo "Open _site/index.html, or: $(BIN)/python -m http.server --directory _site"

readme: $(STAMP) ## Write README.md from nbs/index.ipynb
	$(BIN)/python .ci/readme.py

clean: ## Remove what the targets made (never labels or checkpoints outside artifacts/)
	rm -rf $(VENV) $(LOWEST) $(NEWEST) build dist *.egg-info ssvae_widgets.egg-info .pytest_cache .ruff_cache .hypothesis artifacts/showcase artifacts/screenshots
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
