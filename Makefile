# Two commands: `make book` and `make test`. Each does its own set-up. `make book STUDENT=1` builds the book without solutions, too.

PYTHON ?= python3
BIN := .venv/bin
# The book's own surroundings: nothing of the reader's Python, Jupyter or matplotlib gets in.
SEALED := $(BIN)/python -I tools/sealed.py
# A Python that was chosen is insisted on; else whichever .venv has will do.
ENVIRONMENT := $(PYTHON) -I tools/environment.py $(if $(filter file,$(origin PYTHON)),--any)

.PHONY: book test pdf lab lint refresh everywhere mutants bench lock dist clean always epub course

book: .venv/.installed
	@$(SEALED) tools/book.py
	@$(if $(STUDENT),$(SEALED) tools/student.py,echo "The book stands. Open _build/html/index.html in a browser.")

# What a course needs, from the chapters and the sources in course/: slides, sheets, notebooks, graded exercises, figures, the site without solutions.
course: book .venv-course/.installed
	@$(SEALED) tools/course.py
	@echo "The course stands in _build/course. The page Teach from it says what is there."

test: book
	@echo "Testing the package, the chapters and the built site, a few minutes. One part alone: $(BIN)/pytest tests/test_rules.py,"
	@echo "or lrnnbook (the docstrings), or --nbval chapters/03_modes.ipynb, or tests/test_site.py"
	@$(SEALED) -m pytest -q -n 2 --dist loadfile --nbval chapters teaching tests lrnnbook

# The chapters in JupyterLab, which shows their theorems, exercises and references as such.
lab: .venv/.installed
	@cmp -s requirements-lab.txt .venv/.lab || { $(BIN)/pip -qq install -r requirements-lab.txt && cp requirements-lab.txt .venv/.lab; }
	@$(SEALED) -m jupyterlab chapters

# The whole book as one PDF in _build/html/downloads, printed by Chromium.
pdf: book
	@$(SEALED) tools/pdf.py

# The whole book as an EPUB in _build/html/downloads: formulas through MathJax in Chromium.
epub: book
	@$(SEALED) tools/epub.py

# Ruff and mypy, as pyproject.toml sets them.
lint: .venv/.installed
	@cmp -s requirements-lint.txt .venv-lint/.installed || { $(PYTHON) -I -m venv --clear .venv-lint \
	  && .venv-lint/bin/pip -qq install -r requirements-lint.txt && cp requirements-lint.txt .venv-lint/.installed; }
	@.venv-lint/bin/ruff check
	@.venv-lint/bin/ruff format --check lrnnbook tools
	@.venv-lint/bin/mypy --python-executable $(BIN)/python

# Re-execute every chapter and bring it into the form in which chapters are committed.
refresh: .venv/.installed
	@$(SEALED) tools/notebooks.py

# Execute chapters as other machines would and say what differs: CHAPTER="3 14" VARIATIONS="oldest jitter-1" for a part.
everywhere: .venv/.installed
	@$(SEALED) tools/everywhere.py $(CHAPTER) $(if $(VARIATIONS),--variations "$(VARIATIONS)")

# Put small faults into the package, one at a time, and say which of them no test notices (see CONTRIBUTING.md).
mutants: .venv/.installed
	@$(SEALED) tools/mutants.py $(if $(SAMPLE),--sample $(SAMPLE)) $(if $(SEED),--seed $(SEED)) $(if $(SLOWEST),--slowest $(SLOWEST)) $(TESTS)

# Time the package against PyTorch, JAX, diffrax and SciPy: a table, also in benchmarks/results.md (a quarter of an hour).
bench: .venv-bench/.installed
	@.venv-bench/bin/python -I tools/sealed.py benchmarks/run.py

# Choose exact versions anew within the ranges of requirements.txt.
lock: .venv/.installed
	@$(BIN)/pip -qq install uv
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --upgrade \
	  --custom-compile-command "make lock" requirements.txt -o requirements.lock

# What would be published; `twine upload _build/dist/*` does it.
dist: .venv/.installed
	@$(BIN)/pip -qq install build
	@rm -rf _build/dist
	@$(BIN)/python -m build --no-isolation --outdir _build/dist

clean:
	rm -rf _build .venv .venv-bench .venv-course .venv-lint

# Whether anything is to be done is decided by what files say, not by their times.
.venv/.installed: always
	@$(ENVIRONMENT)

.venv-bench/.installed: always
	@$(ENVIRONMENT) .venv-bench benchmarks/requirements.txt

.venv-course/.installed: always
	@$(ENVIRONMENT) .venv-course course/requirements.txt
