# One recipe for people, hooks and CI. Whatever is called first sets up $(VENV); later calls find it ready.

PYTHON      ?= python3
PYTEST_ARGS ?= -n 2 --dist worksteal
VENUE_ARGS  ?=
CRASH_ARGS  ?=
STORES      ?= redis postgres mongo s3
OUTAGE_ARGS ?=

VENV  := .venv
BIN   := $(VENV)/bin
PIP   := $(BIN)/python -m pip --disable-pip-version-check
READY := $(VENV)/.ready
LAWS  := tests/analytics tests/data tests/engine tests/reports tests/runs/trading
TEXTS := backtestkit_cli configs strategies tests Makefile README.md pyproject.toml

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.NOTPARALLEL:

# Tests start hundreds of programs, and each would compile all it imports where nothing compiled may be kept.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help setup demo test lint types layers check bench latency stores golden laws storm crash outage soak venue format clean

help:            ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' Makefile

setup: $(READY)  ## Create the virtual environment and install everything into it

demo: $(READY)   ## Backtest an example strategy on the built-in market, offline
	$(BIN)/btk backtest --config configs/demo.yaml

test: $(READY)   ## Run the tests
	$(BIN)/python -m pytest $(PYTEST_ARGS)

lint: $(READY)   ## Check style and spelling
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell $(TEXTS)

types: $(READY)  ## Check types
	$(BIN)/mypy

layers: $(READY) ## Check that imports point down the layer picture
	$(BIN)/lint-imports

check: lint types layers test  ## Check everything, as CI does

bench: $(READY)  ## Measure the workloads on data made for it, and print a table
	$(BIN)/python tests/bench/bench.py

latency: $(READY) ## Measure what reads, writes and leases take in each kind of store
	$(BIN)/python -m tests.bench.stores

stores: $(READY) ## Check the stores of servers that are running; see configs/stores
	for kind in $(STORES); do $(BIN)/python -m pytest -q -n 0 -p backtestkit_cli.testing.plugin \
	  --btk-store tests.servers.listening:$$kind --pyargs backtestkit_cli.testing.check || exit 1; done

golden: $(READY) ## Run the cases with known results
	$(BIN)/python tests/golden/run_cases.py tests/golden/cases

laws: $(READY)   ## Hold the state machine to its naive model on 10,000 random feeds, and runs to their laws on many examples
	BTK_ALL_LAWS=1 $(BIN)/python -m pytest $(PYTEST_ARGS) $(LAWS) --deselect tests/engine/dealing/test_storms.py

storm: $(READY)  ## Trade ten symbols for 2,000 minutes at a venue where a fifth of all calls fail
	BTK_ALL_LAWS=1 $(BIN)/python -m pytest $(PYTEST_ARGS) tests/engine/dealing/test_storms.py

soak: $(READY)   ## Trade on paper for a day at leaping time, and print what memory, tasks and files did
	$(BIN)/python -m tests.soak.soak

crash: $(READY)  ## Kill bots at every point of their orders and at random moments; CRASH_ARGS=--help lists how
	@$(BIN)/python -m tests.crash $(CRASH_ARGS)

outage: $(READY) ## Kill, cut off and fill the stores of bots, and let bots race; OUTAGE_ARGS=--help lists how
	@$(BIN)/python -m tests.outage $(OUTAGE_ARGS)

venue: $(READY)  ## Start an exchange to try btk with, offline; VENUE_ARGS=--help lists what it can do
	@$(BIN)/python -m tests.venue $(VENUE_ARGS)

format: $(READY) ## Rewrite files in the house style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:           ## Remove what the tools left behind; the environment and the results stay
	rm -rf .bench .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache build dist *.egg-info
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +

# uv installs the same pins as pip in a tenth of the time. It does not read pip's settings, so pip does the
# work where those name another index, and also wherever uv fails.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "$(PYTHON) ($$($(PYTHON) --version 2>&1 | head -n 1)) is not Python 3.11 or newer with its venv module;" \
	       "name one that is: make PYTHON=/path/to/python3 $(MAKECMDGOALS)" >&2; exit 1; }
	@echo "Setting up $(VENV), once" >&2
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@{ ! $(PIP) config list | grep -Eq '\.(index-url|no-index)=' \
	   && $(PIP) install --quiet -c constraints.txt uv \
	   && $(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt -e '.[dev]'; } 2>/dev/null \
	 || $(PIP) install --quiet -c constraints.txt -e '.[dev]'
	@touch $@
