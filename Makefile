# make run    install into .venv (0.8 GB, most of it downloaded) and run the main job, ini/single_filament.ini
# make test   install into .venv with the test extra and run the suite
# make test-slow  the tests that take minutes: runs that are killed, files that are damaged
# make lint   style, types and imports alone, as make test checks them first
# make docs   build the site of docs/ into build/site; a warning is an error
# make bench  time the program on this machine
# make bench-gpu  time every kernel on a card beside its floor
# make test-gpu  the tests that need a card, with the packages of $(PYTHON): CuPy and pytest, neither astropy nor camb
# make memory peak memory of every ini in ini/ beside what a dry run says of it
# make validate  compute published numbers again and write docs/validation.md
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ROOT := $(CURDIR)
PYTEST := "$(BIN)/python" -m pytest --numprocesses logical --maxprocesses 8 --dist loadfile --no-loadscope-reorder \
	-o faulthandler_exit_on_timeout=true --max-worker-restart 2
# gpu_fdm and kernels in one folder, as they are installed: mypy and import-linter look at files
COPY := build/lint
CARD := build/card

# numba compiles a loop anew when its own file changes, not when one does from which it takes functions
LOOPS := kernels/__pycache__/.common

.PHONY: run test test-slow test-gpu lint docs bench bench-gpu memory validate clean
.DELETE_ON_ERROR:

$(VENV)/.installed: setup.cfg pyproject.toml
	@echo "installing gpu_fdm and its libraries into $(VENV): about 0.8 GB, once"
	"$(PYTHON)" -m venv "$(VENV)"
	"$(BIN)/python" -m pip install --quiet --editable .
	touch "$@"

$(VENV)/.test-installed: $(VENV)/.installed
	"$(BIN)/python" -m pip install --quiet --editable ".[test,mpi]"
	touch "$@"

$(LOOPS): kernels/common.py
	mkdir -p "$(@D)" && rm -f "$(@D)"/*.nb[ic] && touch "$@"

run: $(VENV)/.installed $(LOOPS)
	"$(BIN)/gpu-fdm" run ini/single_filament.ini

test: $(VENV)/.test-installed lint $(LOOPS)
	$(PYTEST)

# four at a time on any machine: they wait for runs that end, more than they compute
test-slow: $(VENV)/.test-installed $(LOOPS)
	$(PYTEST) --numprocesses 4 --dist load -o faulthandler_timeout=1800 -m slow

lint: $(VENV)/.test-installed
	"$(BIN)/python" -m ruff check .
	rm -rf $(COPY) && mkdir -p $(COPY) && cp -rp gpu_fdm $(COPY) && cp -rp kernels $(COPY)/gpu_fdm
	cd $(COPY) && "$(ROOT)/$(BIN)/python" -m mypy --num-workers 2 --config-file "$(ROOT)/pyproject.toml" --cache-dir ../mypy gpu_fdm
	cd $(COPY) && "$(ROOT)/$(BIN)/lint-imports" --no-logo --no-cache "$(ROOT)/pyproject.toml"

docs: $(VENV)/.test-installed
	"$(BIN)/python" docs/generate.py
	"$(BIN)/mkdocs" build --strict

bench: $(VENV)/.test-installed
	"$(BIN)/python" benchmarks/run.py

# gpu_fdm and kernels in one folder, as they are installed: a node with a card may have no way to install anything
bench-gpu:
	rm -rf $(CARD) && mkdir -p $(CARD) && cp -rp gpu_fdm $(CARD) && cp -rp kernels $(CARD)/gpu_fdm
	PYTHONPATH="$(CURDIR)/$(CARD)" "$(PYTHON)" benchmarks/card.py

test-gpu:
	rm -rf $(CARD) && mkdir -p $(CARD) && cp -rp gpu_fdm $(CARD) && cp -rp kernels $(CARD)/gpu_fdm
	PYTHONSAFEPATH=1 PYTHONPATH="$(CURDIR)/$(CARD):$(CURDIR)" "$(PYTHON)" -m pytest -o pythonpath=tests \
		-p no:cacheprovider -m gpu

memory: $(VENV)/.test-installed
	"$(BIN)/python" benchmarks/memory.py

validate: $(VENV)/.installed
	"$(BIN)/python" -m validation.run

clean:
	rm -rf "$(VENV)" build *.egg-info
