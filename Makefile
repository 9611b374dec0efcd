# Needs python3 (3.11 or newer) with pip, and a package index. Neither root, nor venv, nor uv.
PYTHON ?= python3
UV := .tools/bin/uv
BIN := .venv/bin
export UV_PYTHON_DOWNLOADS := never
export UV_NO_PROGRESS := 1
export NO_MKDOCS_2_WARNING := 1
export PYTHONDONTWRITEBYTECODE :=  # set, every test that starts a process would compile torch anew

# uv does not read pip's settings. Where only pip knows an index, uv is told the same one.
ifeq ($(UV_DEFAULT_INDEX)$(UV_INDEX_URL)$(wildcard $(HOME)/.config/uv/uv.toml /etc/uv/uv.toml),)
  PIP_INDEX := $(or $(PIP_INDEX_URL),$(shell $(PYTHON) -m pip config get global.index-url 2>/dev/null))
  ifneq ($(PIP_INDEX),)
    export UV_DEFAULT_INDEX := $(PIP_INDEX)
  endif
endif

INSTALL := $(UV) pip install --quiet --python $(BIN)/python
COMPILE := $(UV) pip compile --universal --python-version 3.11 --generate-hashes --no-header --quiet -c requirements/constraints.in

.PHONY: help demo scan studio full test test-all lint format bench hardening docs wheel sbom audit \
  requirements clean
.DEFAULT_GOAL := help

help:  ## Show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

demo: .venv/light  ## Scan a genuine portrait and two face swaps in it; the first thing to run
	@$(BIN)/counterface demo

scan: .venv/light  ## Judge one file: make scan FILE=clip.mp4
	@test -n "$(FILE)" || { echo 'usage: make scan FILE=clip.mp4' >&2; exit 1; }
	@$(BIN)/counterface scan -- "$(FILE)"

studio: .venv/web  ## Open the whole lab in a browser, on this machine only
	@$(BIN)/counterface studio

full: .venv/full  ## Add what training and swapping need (counterface[train]; about 6 GB)

PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --durations=20 -rs -n logical --maxprocesses 8 --dist worksteal

test: .venv/full  ## Run the tests that take under a second or two
	$(PYTEST)

test-all: .venv/full  ## Run the slow tests too, as .ci/run does
	$(PYTEST) -m 'not gpu and not exhaustive'

lint: .venv/full  ## Check format, style, types, import directions, and what the files mention
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python .ci/check_tree.py
	$(BIN)/python .ci/dependencies.py --check docs/dependencies.md

format: .venv/full  ## Bring the code into the project's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

TRAINING := benchmarks/train_default.py benchmarks/default_data.py  # hours, not a measurement
ON_FILES := $(addprefix benchmarks/,decoder_bank.py generalisation.py hdr_against_sdr.py)

bench: .venv/full  ## Run every benchmark that needs no files named
	@for file in $(filter-out $(TRAINING) $(ON_FILES),$(wildcard benchmarks/*.py)); do echo "== $$file"; $(BIN)/python "$$file" || exit 1; done

hardening: .venv/full  ## Give hostile files to every reader, bounded in time
	@for file in $(sort $(wildcard benchmarks/hardening/*.py)); do echo "== $$file"; $(BIN)/python "$$file" || exit 1; done

docs: .venv/full  ## Build the documentation into site/
	$(BIN)/mkdocs build --strict --quiet

OUT ?= dist
wheel: $(UV)  ## Build the wheel into OUT=dist, the same bytes each time
	$(UV) build --quiet --wheel --out-dir $(OUT) --require-hashes --build-constraints requirements/build.txt

BOMS := base web dev
sbom: $(UV)  ## Write the bills of materials (CycloneDX) of the pinned packages into OUT=dist
	@mkdir -p $(OUT)
	@for one in $(BOMS); do PYTHONWARNINGS=ignore $(UV) tool run --quiet --from cyclonedx-bom==7.5.0 cyclonedx-py requirements \
	  --output-reproducible --spec-version 1.6 --pyproject pyproject.toml -o $(OUT)/counterface-$$one.cdx.json requirements/$$one.txt || exit 1; done

audit: $(UV)  ## Ask the databases of known vulnerabilities about the pinned packages; needs the internet
	$(UV) tool run --quiet --from pip-audit==2.10.1 pip-audit --disable-pip --require-hashes -r requirements/dev.txt

requirements: $(UV)  ## Pin the dependencies anew
	$(COMPILE) pyproject.toml -o requirements/base.txt
	$(COMPILE) pyproject.toml --extra web --extra pdf -o requirements/web.txt
	$(COMPILE) pyproject.toml --extra cluster --extra train --extra web --extra pdf --group dev -o requirements/dev.txt
	echo hatchling | $(COMPILE) - -o requirements/build.txt

clean:  ## Remove what was built, the environment included
	rm -rf .venv .tools site dist

$(UV):
	$(PYTHON) -m pip install --quiet --upgrade --root-user-action=ignore --target .tools uv

.venv/bin/python: | $(UV)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; say which: make PYTHON=python3.12" >&2; exit 1; }
	$(UV) venv --quiet --allow-existing --python "$$(command -v $(PYTHON))" .venv

.venv/light: requirements/base.txt pyproject.toml | .venv/bin/python
	$(INSTALL) --require-hashes -r requirements/base.txt
	$(INSTALL) --no-deps -e .
	@touch $@

.venv/web: requirements/web.txt .venv/light
	$(INSTALL) --require-hashes -r requirements/web.txt
	@touch $@

.venv/full: requirements/dev.txt .venv/light
	$(INSTALL) --require-hashes -r requirements/dev.txt
	@touch $@
