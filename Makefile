# `make bench METHOD=simplebaseline` and `make test` are the two commands a new user needs.
PYTHON  ?= python3
VENV    := .venv
PY      := $(VENV)/bin/python
READY   := $(VENV)/.ready
METHOD  ?= simplebaseline
PRESET  ?= small
DATASET ?= synthetic
SEED    ?= 0
SWEEP   ?= bench/sweeps/smoke.yaml
ARGS    ?=

.PHONY: bench test test-slow check setup sweep report speed data list clean
.DEFAULT_GOAL := help

help: ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

# The stamp is written last: an interrupted installation is taken up again.
$(READY): pyproject.toml constraints.txt
	@echo "Setting up $(VENV) (about 2.5 minutes and 6 GB the first time) ..." >&2
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python %d.%d found, 3.11 or newer expected; set PYTHON=..." % sys.version_info[:2])'
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	@$(PY) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

setup: $(READY) ## make .venv with every dependency

bench: $(READY) ## train, test and record one cell: METHOD= PRESET= DATASET= SEED= ARGS=
	@$(PY) -m bench run --method $(METHOD) --preset $(PRESET) --dataset $(DATASET) --seed $(SEED) $(ARGS)

test: $(READY) ## the test suite
	@$(PY) -m pytest

test-slow: $(READY) ## long trainings, compared with the floor
	@$(PY) -m pytest -m slow

check: $(READY) ## format, lint and types
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .
	@$(PY) -m mypy

sweep: $(READY) ## every cell of a grid that has no record yet: SWEEP=
	@$(PY) -m bench sweep $(SWEEP) $(ARGS)

report: $(READY) ## tables and report.html from the records
	@$(PY) -m bench report $(ARGS)

speed: $(READY) ## images/s of loading, training and testing, beside a bare PyTorch loop
	@$(PY) -m bench speed $(ARGS)

data: $(READY) ## check a data set: DATASET=
	@$(PY) -m bench data $(DATASET) $(ARGS)

list: $(READY) ## methods, data sets and protocols
	@$(PY) -m bench list

clean: ## remove .venv and caches, never results
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
