# Two commands for a fresh machine: `make demo` and `make test`. Both install what they need first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo demo-down test check format generate lock bench packages clean

demo: $(READY) packages  ## the example suite on a real control plane (KEEP=1 leaves it running)
	$(BIN)/python -m tests.demo

demo-down: $(READY)  ## end a demonstration that was left running
	$(BIN)/python -m tests.demo down

test: $(READY) packages check  ## everything: check, then every layer of tests
	$(BIN)/python -m tests.run

check: $(READY)  ## lint, types, rooms, drift of generated files
	$(BIN)/ruff check operator tests
	$(BIN)/ruff format --check operator tests
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/breakwater crds --check crds
	$(BIN)/python -m breakwater.tenancy --check deploy/tenancy

format: $(READY)  ## let the formatter have its way
	$(BIN)/ruff check --fix operator tests
	$(BIN)/ruff format operator tests

generate: $(READY)  ## write every generated file
	$(BIN)/breakwater crds --write crds
	$(BIN)/python -m breakwater.tenancy --write deploy/tenancy

lock: $(READY)  ## resolve pyproject.toml anew
	$(BIN)/pip install -q uv
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header \
	  --python-version 3.11 --group dev -o requirements/dev.txt pyproject.toml

bench: $(READY)  ## measure; prints figures, judges nothing
	$(BIN)/python -m tests.bench

packages:  ## programs that tests use as peers
	sh tests/packages.sh

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

$(READY): requirements/dev.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@
