# Everything that is done with this repository, by name. Needs make and Python 3.11 or later.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet install
ARGS ?=
KILLS ?= 300

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup run test check format lint types layers generated fix generate bench chaos audit lock clean

help: ## List what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: .venv/.installed-dev ## Install all that development needs into .venv
	@.ci/test-tools

run: .venv/.installed ## Install what the server needs and start it (ARGS="--port 8080")
	@exec $(BIN)/springhead serve $(ARGS)

test: setup check ## Check everything: format, lint, types, generated files, then all tests (ARGS="-k getLeads")
	$(BIN)/pytest -n 2 $(ARGS)

check: format lint types generated ## Check everything that needs no running server

format: .venv/.installed-dev ## Check the format
	$(BIN)/ruff format --check

lint: .venv/.installed-dev ## Check the code's habits
	$(BIN)/ruff check

types: .venv/.installed-dev ## Check the types: strict in src, standard in tests
	$(BIN)/pyright

layers: .venv/.installed-dev ## Check the direction of imports and the sizes of files
	$(BIN)/pytest tests/contract/test_layers.py

generated: .venv/.installed-dev ## Check that the generated files are fresh
	$(BIN)/springhead generate --check

fix: .venv/.installed-dev ## Format, and mend what ruff can mend
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format

generate: .venv/.installed-dev ## Write the generated files anew: docs/reference, openrpc.json, docs/compatibility.md
	$(BIN)/springhead generate

bench: .venv/.installed-dev ## Measure against the bare driver (ARGS="--leads 100000")
	$(BIN)/python -m bench $(ARGS)

chaos: setup ## Kill the servers under load, hundreds of times (KILLS=1000)
	SPRINGHEAD_TEST_KILLS=$(KILLS) $(BIN)/pytest -m chaos --timeout=0 $(ARGS)

audit: .venv/.installed-dev ## Ask whether a locked dependency has a known hole (needs the network)
	$(BIN)/pip-audit --require-hashes --disable-pip -r requirements.lock -r requirements-build.lock

COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-annotate --no-header $(ARGS)

lock: .venv/.installed-dev ## Resolve the dependencies anew (ARGS="--upgrade" for newer ones)
	$(COMPILE) pyproject.toml --output-file requirements.lock
	$(COMPILE) pyproject.toml --group dev --constraint requirements.lock --output-file requirements-dev.lock
	$(COMPILE) --group build --constraint requirements-dev.lock --output-file requirements-build.lock

clean: ## Remove what was installed and built here (no data)
	rm -rf .venv build dist .pytest_cache .ruff_cache .hypothesis

# The stamps: an installation is done again only when a lock or pyproject.toml has changed.

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Springhead needs Python 3.11 or later: make PYTHON=/path/to/python3")'
	@$(PYTHON) -m venv .venv || { rm -rf .venv; echo "This Python cannot make an environment; on Debian: apt-get install python3-venv"; exit 1; }

.venv/.installed: pyproject.toml requirements.lock requirements-build.lock | .venv/bin/python
	@echo "Installing what the server needs into .venv (once, about half a minute)"
	@$(PIP) --require-hashes -r requirements.lock -r requirements-build.lock
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

.venv/.installed-dev: pyproject.toml requirements-dev.lock | .venv/bin/python
	@echo "Installing what development needs into .venv (once, about a minute)"
	@$(PIP) --require-hashes -r requirements-dev.lock
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch .venv/.installed $@
