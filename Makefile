# Everything a person needs, from a fresh clone with Python 3.11+ and make. `make` lists it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SCENARIO ?= redis-kill
N ?=
ARGS ?=
# Most of a test's time is waiting. Which stay in one process, tests/conftest.py says.
AT_ONCE := --numprocesses 3

.DEFAULT_GOAL := help
.PHONY: help setup stress chaos prove test check bench sample lock clean

help: ## what can be made
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  make stress N=100 SCENARIO=phase1 ARGS='--seed 7'   passes them on"

setup: $(VENV)/.runtime ## the virtual environment with locked dependencies (the others do it by themselves)

stress: $(VENV)/.runtime ## register tenants while Redis is killed, judge it, write reports/latest/report.html
	@$(BIN)/harness run $(SCENARIO) $(if $(N),--registrations $(N)) $(ARGS)

chaos: $(VENV)/.runtime ## run the scenario library in its short size
	@$(BIN)/harness chaos $(ARGS)

prove: $(VENV)/.runtime ## show that every planted defect is detected and the healthy backend is not accused
	@$(BIN)/harness prove $(ARGS)

test: $(VENV)/.dev ## run the tests
	@$(BIN)/python -m pytest $(AT_ONCE) $(ARGS)

check: $(VENV)/.dev ## ruff, mypy, import-linter, tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest $(AT_ONCE)

bench: $(VENV)/.dev ## measure; prints a table and writes reports/bench.json
	@$(BIN)/python -m benchmarks $(ARGS)

sample: $(VENV)/.runtime ## rebuild reports/sample from a real run
	@$(BIN)/harness run $(SCENARIO) --seed 1 --out reports/.sample-runs
	@$(BIN)/python -m harness.report.sample reports/.sample-runs/latest reports/sample

lock: ## renew the lock files (needs uv)
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header \
		--extra build pyproject.toml -o requirements.lock
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header \
		--extra build --extra dev pyproject.toml -c requirements.lock -o requirements-dev.lock

clean: ## end what killed runs left behind, remove the virtual environment and caches; reports stay
	@if [ -x $(BIN)/harness ]; then $(BIN)/harness clean; fi
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed, found: $$($(PYTHON) --version 2>&1); try make PYTHON=python3.12"; exit 2; }
	@$(PYTHON) -m venv $(VENV) || { echo "python3 -m venv failed; on Debian: apt-get install python3-venv"; exit 2; }
	@touch $@

$(VENV)/.runtime: requirements.lock pyproject.toml | $(VENV)/.python
	@echo "setting up $(VENV) (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.runtime
	@echo "installing the test tools (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@
