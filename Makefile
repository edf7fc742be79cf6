# make demo    set up everything and unmask four sample faces
# make test    set up what the tests need and run them
# make lint    static checks
# make clean   remove the virtual environment and caches (not outputs/, not the weights)
#
# PYTHON=...       the Python to build the environment with (3.10 or newer)
# TORCH_INDEX=...  where to take torch and torchvision from, both of them: PyTorch's index of CPU builds, for one,
#                  saves gigabytes on a machine without a GPU. Default: the same index as everything else.
# PYTEST_ARGS=...  passed to pytest

PYTHON ?= python3
VENV ?= .venv
TORCH_INDEX ?=
PYTEST_ARGS ?=

BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
DEV_INSTALLED := $(VENV)/.installed-dev

.DELETE_ON_ERROR:
.PHONY: demo test lint weights clean

demo: weights
	$(BIN)/python -m unmask.run method=stylegan_proj data=sample data.limit=4 hydra.run.dir=outputs/demo
	@echo
	@echo 'Look at outputs/demo/grid.png: input, raw, composite and clean picture. Next:'
	@echo
	@echo '  # once per shell, so that the rest is found'
	@echo '  source $(BIN)/activate'
	@echo '  # the same four people, by the encoder alone'
	@echo '  unmask experiment=feed_forward data.limit=4'
	@echo '  # a sweep of λ'
	@echo '  unmask -m method.lambda_perceptual=0.2,0.4,0.8,1.6 data.limit=4'
	@echo '  # a table and a picture of these runs; their curves and pictures'
	@echo '  python -m unmask.compare'
	@echo '  tensorboard --logdir outputs'
	@echo
	@echo 'unmask --help has more examples, README.md explains them.'

# One thread per worker: two workers with a thread per core each would fight over the cores. Bytecode is kept, whatever the
# environment says: many tests start processes, and compiling what they import takes seconds in each.
test: $(DEV_INSTALLED) weights
	PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal $(PYTEST_ARGS)

lint: $(DEV_INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

weights: $(INSTALLED)
	$(BIN)/python -m unmask.weights

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "Python 3.10 or newer is needed; name one: make $(MAKECMDGOALS) PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
		{ rm -rf $(VENV); echo "$(PYTHON) cannot make virtual environments; on Debian: apt install python3-venv"; exit 1; }

# --no-compile: bytecode of what is really imported is made at first use; compiling all of it takes minutes.
$(INSTALLED): pyproject.toml scripts/check_install.py | $(BIN)/python
	$(if $(TORCH_INDEX),$(BIN)/python -m pip install --disable-pip-version-check --no-compile --index-url $(TORCH_INDEX) torch torchvision)
	$(BIN)/python -m pip install --disable-pip-version-check --no-compile -e .
	$(BIN)/python scripts/check_install.py
	@touch $@

$(DEV_INSTALLED): $(INSTALLED)
	$(BIN)/python -m pip install --disable-pip-version-check --no-compile -e ".[dev]"
	@touch $@

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache .import_linter_cache
	find src tests scripts -name __pycache__ -type d -prune -exec rm -rf {} +
