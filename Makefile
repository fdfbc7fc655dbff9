# Everything happens in .venv of this directory; the system's Python is used only to make it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SOURCES := pyproject.toml meson.build README.md $(shell find fortran ctsm_socnn usermods cime_config -type f -not -name '*.so' -not -path '*/__pycache__/*' 2>/dev/null)
# A CPU build of torch, where one can be had, spares gigabytes of CUDA packages.
TORCH ?= torch==2.13.0
# Two processes, which any laptop has to spare, and a file in one of them, for what its tests share;
# PYTEST_FLAGS= runs the tests one after another.
PYTEST_FLAGS ?= --numprocesses=2 --dist=loadfile

.PHONY: help demo test coverage lint bench experiments docs clean
help:
	@echo "make demo    build, then run everything on a synthetic world (a few minutes)"
	@echo "make test    build, then run the tests"
	@echo "make lint    ruff, mypy and fortitude"
	@echo "make coverage   run the tests and count the branches that they reach"
	@echo "make bench   measure speed against peers"
	@echo "make experiments DATA=DIR   reproduce the tables of docs/experiments.md (1 to 2 hours)"
	@echo "make docs    build the documentation into build/site"

demo: $(VENV)/.installed
	$(BIN)/ctsm-socnn demo

test: $(VENV)/.installed
	$(BIN)/pytest $(PYTEST_FLAGS)

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/fortitude check fortran

# What the tests import is the installed package, not the directory of the same name beside this file.
coverage: $(VENV)/.installed
	$(BIN)/pytest $(PYTEST_FLAGS) --cov="$$(cd / && $(CURDIR)/$(BIN)/python -c 'import ctsm_socnn; print(*ctsm_socnn.__path__)')" --cov-branch --cov-report=term --cov-fail-under=90

bench: $(VENV)/.installed
	$(BIN)/python benchmarks/run.py

experiments: $(VENV)/.installed
	$(BIN)/python experiments/run.py $(if $(DATA),--data "$(DATA)",twin) -o build/experiments

docs: $(VENV)/.installed
	$(BIN)/pip install --quiet "mkdocs>=1.6"
	$(BIN)/mkdocs build --strict

clean:
	rm -rf $(VENV) build dist

$(VENV)/.compiler:
	@$(PYTHON) tools/require_compiler.py
	@mkdir -p $(VENV) && touch $@

$(VENV)/.dependencies: pyproject.toml | $(VENV)/.compiler
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet "$(TORCH)" || $(BIN)/pip install --quiet "torch>=2.4"
	$(BIN)/pip install --quiet "meson-python>=0.17" "meson>=1.3" ninja "numpy>=2.0"
	@touch $@

$(VENV)/.installed: $(VENV)/.dependencies $(SOURCES)
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/pip install --quiet --no-build-isolation -Cbuild-dir=build/meson ".[test,lint]"
	@touch $@
