# The whole interface of a developer: demo, test, check, bench, docs (and lock, conformance, schemathesis, oracle, clean).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST_ARGS ?=
ORACLE_ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo test check format bench conformance schemathesis oracle docs lock clean

help:            ## say what there is
	@grep -E '^[a-z]+: .*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /make \1\t/' | expand -t 20

demo: $(VENV)/demo ## the main job: a somatic variant analysis through the platform's API, from upload to results
	$(BIN)/python examples/somatic/demo.py

test: $(VENV)/dev ## the whole test suite
	$(BIN)/python -m pytest -n 2 --dist loadgroup $(PYTEST_ARGS)

check: $(VENV)/dev ## ruff, mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/dev ## rewrite the source in the one style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/dev ## measure, beside a floor or a peer in the same run; figures go to docs/performance.md
	$(BIN)/python -m bench

conformance: $(VENV)/dev ## the CWL conformance suites, directly and through the API (they lie in CWL_SUITES=DIR)
	$(BIN)/python -m bench.conformance

schemathesis: $(VENV)/dev ## 20,000 requests that are made from the OpenAPI document, against a live server
	$(BIN)/python -m tests.fuzz

oracle: $(VENV)/dev ## tools, workflows and jobs made at random, held against cwltool (ORACLE_ARGS="--cases N --seed N --jobs N")
	$(BIN)/python -m tests.oracle $(ORACLE_ARGS)

docs: $(VENV)/dev ## write the generated pages under docs/
	$(BIN)/python -m araneus.api.documents docs
	$(BIN)/python -m tests.clients.page docs

lock:            ## pin the requirements again (needs uv)
	uv pip compile -q --universal --generate-hashes --no-emit-index-url --custom-compile-command 'make lock' --python-version 3.11 pyproject.toml -o requirements.txt
	uv pip compile -q --universal --generate-hashes --no-emit-index-url --custom-compile-command 'make lock' --python-version 3.11 pyproject.toml --group demo -c requirements.txt -o requirements-demo.txt
	uv pip compile -q --universal --generate-hashes --no-emit-index-url --custom-compile-command 'make lock' --python-version 3.11 pyproject.toml --group dev -c requirements-demo.txt -o requirements-dev.txt

clean:           ## remove what the other targets made
	rm -rf $(VENV) demo-data build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Araneus needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Say which: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/demo: requirements-demo.txt pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements-demo.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/dev: requirements-dev.txt pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements-dev.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/demo
