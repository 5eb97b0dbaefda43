# Needs Python 3.11 or newer, make and a network. Everything else is installed into .venv.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
TODAY  := $(shell date +%F)

.PHONY: run test lint format types bench lock clean

$(VENV)/.installed: requirements-dev.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 …")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	touch $@

run: $(VENV)/.installed         ## the service, with the synthetic hospital loaded
	PYTHON=$(BIN)/python TODAY=$(TODAY) sh examples/run.sh

test: lint                      ## everything that CI checks
	$(BIN)/python -m coverage erase
	$(BIN)/python -m pytest --cov --cov-report=
	$(BIN)/python -m coverage report --include='refnot_fhir/core/*' --fail-under=100
	$(BIN)/python -m coverage report --fail-under=95

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

lock: $(VENV)/.installed        ## resolve the ranges of pyproject.toml again
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 --group dev pyproject.toml -o requirements-dev.lock

clean:
	rm -rf $(VENV) var build dist .coverage* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
