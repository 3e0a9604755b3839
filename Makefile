# Two commands do all the set-up:
#   make demo   the main job, end to end, on what ships with the product
#   make test   format, lint, types, import rules, tests
# Each makes .venv if there is none. VENV and PYTHON may be set from outside.

VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
STAMP := $(VENV)/.strokesynth-installed
# One thread a process: two threads on a busy core are many times slower than one.
export OMP_NUM_THREADS ?= 1
# Tests run in so many processes, each file in one of them.
TEST_PROCESSES ?= 2

.PHONY: demo test check format screenshots

demo: $(STAMP)
	$(BIN)/strokesynth demo --out demo-out

test: $(STAMP) check
	$(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadfile

check: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The pictures of docs/slicer.md and of the extension's entry, from the headless host (minutes).
screenshots: $(STAMP)
	$(BIN)/python -m Testing.Host.screenshots

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check -q -c constraints.txt -e ".[test]"
	touch $@
