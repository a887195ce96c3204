# `make run` and `make test` do all the set-up themselves, in .venv; the second time it is a look at one stamp file.
#   PYTHON=...       the interpreter that .venv is made with (3.11 or 3.12)
#   PIP_ARGS=...     more arguments for every pip install, for instance another index
#   ARGS=...         more arguments for what `make run` and `make trace` start
#   PART=...         which of the tiny parts `make parts` trains
#   PYTEST_ARGS=...  more arguments for pytest

PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3,$(if $(shell $(name) --version 2>/dev/null),$(name))))
PIP_ARGS ?=
ARGS ?=
PART ?=
PYTEST_ARGS ?=

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
STAMP := .venv/.set-up
TORCH := $(shell grep '^torch==' constraints.txt)

.DEFAULT_GOAL := help
.PHONY: help setup microworld run test test-slow lint bench bench-gpu trace golden parts gallery clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /|/' | awk -F'|' '{ printf "  make %-10s %s\n", $$1, $$2 }'

setup: $(STAMP) ## make .venv and install everything into it

run: microworld ## train the tiny model in all its stages and evaluate it (ARGS="stage=enc_align ...")
	$(BIN)/python train.py $(if $(findstring stage=,$(ARGS)),,stage=all) $(ARGS)

test: lint ## lint, then every test but the slow ones
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow" $(PYTEST_ARGS)

test-slow: setup ## the slow tests: all kill points, all combinations
	$(BIN)/python -m pytest -n 2 --dist loadfile -m slow $(PYTEST_ARGS)

lint: setup ## ruff (rules and format) and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: setup ## speed as ratios against named baselines, measured in one run
	$(BIN)/python -m tests.bench

bench-gpu: setup ## what a GPU brings to each stage
	$(BIN)/python -m tests.bench gpu

trace: microworld ## print the way of one sample of each kind from a shard to a batch
	$(BIN)/python -m anyany.launch.trace $(ARGS)

golden: setup ## write the golden loss series anew: only when the numerics are meant to change
	$(BIN)/python -m tests.golden

parts: setup ## train the tiny parts anew, hours (PART=llama for one); goes on where it was stopped
	$(BIN)/python -m data_prep.parts $(addprefix --part ,$(PART)) $(ARGS)

gallery: setup ## a page of what the tiny decoders draw, with the oracle's verdicts
	$(BIN)/python -m data_prep.gallery $(ARGS)

clean: ## remove the environment, caches and the microworld; other data and outputs/ stay
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache anyany.egg-info data/microworld cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

microworld: setup
	$(BIN)/python -m data_prep.microworld $(patsubst level=%,--level %,$(filter level=%,$(ARGS))) # keeps what is there

# $(1): a command that lists packages. Wheels of torch for CUDA bring several GB of nvidia-* packages.
define refuse_cuda
if ! command -v nvidia-smi >/dev/null && $(1) | tr ' ' '\n' | grep -i '^nvidia-'; then \
	echo "These CUDA packages come with torch, but there is no GPU here. Give pip the index of the CPU wheels of torch:"; \
	echo "  make setup PIP_ARGS='<what pytorch.org says for pip and CPU>'"; \
	exit 1; \
fi
endef

$(STAMP): pyproject.toml constraints.txt
	$(if $(PYTHON),,$(error No python3.11, python3.12 or python3 was found: install one, or give PYTHON=...))
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; \
		sys.exit(None if (3, 11) <= v < (3, 13) else f"Python {v[0]}.{v[1]} found, 3.11 or 3.12 needed: give PYTHON=...")'
	$(PYTHON) -m venv .venv
	@$(call refuse_cuda,$(PIP) install $(PIP_ARGS) --dry-run $(TORCH))
	$(PIP) install $(PIP_ARGS) $(TORCH)
	$(PIP) install $(PIP_ARGS) -c constraints.txt -e '.[dev]'
	@$(call refuse_cuda,$(PIP) freeze)
	@touch $@
