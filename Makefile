# Needs Python 3.11 or newer, make and a network. Everything else is installed into .venv.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
TODAY  := $(shell date +%F)

.PHONY: run test interop lint format bench wheel lock clean

# What the lock says and nothing else: a lock that is resolved again is no lock.
LOCKED := -m pip install --quiet --no-deps --only-binary=:all: --require-hashes
# This package itself, built by what the lock says: pip would otherwise fetch the newest builder.
OWN    := --quiet --no-deps --no-build-isolation

$(VENV)/.installed: requirements-dev.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 …")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python $(LOCKED) -r requirements-dev.lock
	$(BIN)/python -m pip install $(OWN) --editable .
	$(BIN)/python -m pip check
	touch $@

# On every core; whoever is done first takes over from the others.
PARALLEL := --numprocesses=logical --dist=worksteal

run: $(VENV)/.installed         ## the service, with the synthetic hospital loaded
	PYTHON=$(BIN)/python TODAY=$(TODAY) sh examples/run.sh

test: lint                      ## everything that needs nothing but Python
	$(BIN)/python -m coverage erase
	$(BIN)/python -m pytest $(PARALLEL) -m "not interop" --cov --cov-report=
	$(BIN)/python -m coverage report --include='refnot_fhir/core/*' --fail-under=100
	$(BIN)/python -m coverage report --fail-under=95

interop: $(VENV)/.installed     ## what needs PostgreSQL and npm, which it installs where they are missing
	$(BIN)/python -m tests.interop $(PARALLEL)

lint: $(VENV)/.installed        ## style, types, room contracts, mapping files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/refnot-fhir check --mappings mappings

format: $(VENV)/.installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.installed       ## what is claimed about speed
	$(BIN)/python -m benchmarks

wheel: $(VENV)/.installed       ## what is installed elsewhere, with requirements.lock
	$(BIN)/python -m pip wheel $(OWN) --wheel-dir dist .

UV := $(VENV)/uv/bin/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11

lock:                           ## resolve the ranges of pyproject.toml again
	$(PYTHON) -m venv $(VENV)/uv
	$(VENV)/uv/bin/python -m pip install --quiet --only-binary=:all: uv
	$(UV) pyproject.toml -o requirements.lock
	$(UV) --group dev --group build pyproject.toml -o requirements-dev.lock

clean:
	rm -rf $(VENV) var build dist .coverage* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
