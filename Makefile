# make run: the portal, ready to ask a question. make demo: the same with a small company to look at. make test: the whole suite. The rest is for people who change the code.
SHELL := /bin/bash
PYTHON ?= python3
PORT ?= 8000
VENV := .venv
BIN := $(VENV)/bin
NOT_INSTALLED := Not all packages could be installed; the lines above say which. Is the package index reachable from here? \
If one of them has no build for this Python, take another: make clean, then make run PYTHON=python3.12
# Some machines set this, and then every start compiles all that it imports anew: seconds.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run demo test test-corpora lint format bench lock clean

run: $(VENV)/.run-installed
	@PORT=$(PORT) FOLDER="$(FOLDER)" $(BIN)/python -m portal.embedded

demo: $(VENV)/.run-installed
	@PORT=$(PORT) FOLDER="$(FOLDER)" $(BIN)/python -m portal.embedded --demo

lock: $(VENV)/.bootstrapped
	$(BIN)/uv pip compile -q --generate-hashes --no-emit-index-url --universal pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile -q --generate-hashes --no-emit-index-url --universal --group dev pyproject.toml -o requirements-dev.lock

$(VENV)/.bootstrapped: requirements-bootstrap.lock
	@bash deploy/bootstrap.sh $(PYTHON) $(VENV)
	@touch $@

$(VENV)/.run-installed: $(VENV)/.bootstrapped requirements.lock
	@echo "Installing what Atrium needs (about a minute the first time)…"
	@$(BIN)/uv pip install -q --require-hashes -r requirements.lock || { echo "$(NOT_INSTALLED)" >&2; exit 1; }
	@touch $@

$(VENV)/.test-installed: $(VENV)/.bootstrapped requirements-dev.lock
	@echo "Installing what the tests need…"
	@$(BIN)/uv pip install -q --require-hashes -r requirements-dev.lock || { echo "$(NOT_INSTALLED)" >&2; exit 1; }
	@touch $@ $(VENV)/.run-installed

lint: $(VENV)/.test-installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/djlint --lint --quiet templates

format: $(VENV)/.test-installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test: lint
	@ATRIUM_CHROMIUM="$$(bash deploy/find-browser.sh $(VENV))" && export ATRIUM_CHROMIUM && \
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not corpora"

test-corpora: $(VENV)/.test-installed
	@test -n "$(ATRIUM_CORPORA)" || { echo "Set ATRIUM_CORPORA to the folder of real data."; exit 2; }
	$(BIN)/pytest -m corpora -s

bench: $(VENV)/.test-installed
	$(BIN)/python -m bench

clean:
	rm -rf $(VENV) artifacts .mypy_cache .ruff_cache
