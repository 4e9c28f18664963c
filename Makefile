# Two commands: `make book` and `make test`. Each does its own set-up.

PYTHON ?= python3
# One thread a process: two chapters and two test workers run side by side.
export OPENBLAS_NUM_THREADS := 1
BIN := .venv/bin
PACKAGE := $(wildcard lrnnbook/*.py) requirements.lock pyproject.toml benchmarks/results.json
SOURCES := $(wildcard tools/*.py *.md *.yml *.bib chapters/*.ipynb chapters/figures/* _ext/*.py _static/* _templates/*)

.PHONY: book test refresh bench lock clean

book: _build/html/.built
	@echo "The book stands. Open _build/html/index.html in a browser."

test: book
	@echo "Testing the package, the chapters and the built site, a few minutes. One part alone: $(BIN)/pytest tests/test_rules.py,"
	@echo "or lrnnbook (the docstrings), or --nbval chapters/03_modes.ipynb, or tests/test_site.py"
	@$(BIN)/pytest -q -n 2 --dist loadfile --nbval chapters tests lrnnbook

# Re-execute every chapter and bring it into the form in which chapters are committed.
refresh: .venv/.installed
	@$(BIN)/python tools/notebooks.py

# Time the package against PyTorch and SciPy: a table, also in benchmarks/results.md (a few minutes).
bench: .venv-bench/.installed
	@.venv-bench/bin/python benchmarks/run.py

# Choose exact versions anew within the ranges of requirements.txt.
lock: .venv/.installed
	@$(BIN)/pip -qq install uv
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --upgrade \
	  --custom-compile-command "make lock" requirements.txt -o requirements.lock

clean:
	rm -rf _build .venv .venv-bench

.venv/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.12 book")'
	@echo "Installing the exact versions of requirements.lock into .venv (about a minute, once)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip -qq install --require-hashes -r requirements.lock
	@$(BIN)/pip -qq install --no-deps --no-build-isolation -e .
	@touch $@

.venv-bench/.installed: requirements.lock pyproject.toml benchmarks/requirements.txt
	@echo "Installing the package and PyTorch into .venv-bench (a few minutes, once)"
	@$(PYTHON) -m venv .venv-bench
	@.venv-bench/bin/pip -qq install --require-hashes -r requirements.lock
	@.venv-bench/bin/pip -qq install -r benchmarks/requirements.txt
	@.venv-bench/bin/pip -qq install --no-deps --no-build-isolation -e .
	@touch $@

# A chapter's results depend on the package and the stored benchmark: when they change, every chapter is executed again.
_build/.package: .venv/.installed $(PACKAGE)
	@rm -rf _build && mkdir _build && touch $@

_build/html/.built: _build/.package $(SOURCES)
	@echo "Building the book: chapters that changed are executed, a few seconds each"
	@rm -rf _build/html
	@$(BIN)/python tools/execute.py
	@$(BIN)/jupyter-book build . -W -n --keep-going
	@touch $@
