# Seven words: setup, report, lab, test, test-slow, lint, sample. The first call sets everything up; later ones do not repeat it.
PYTHON ?= python3
VENV ?= .venv
RUN = $(VENV)/bin/python
MONTH ?= 2026-10
SECONDS ?= 20
STORE = data/sample_store
READY = $(VENV)/.ready
LOCK = requirements.txt requirements-dev.txt pyproject.toml

.PHONY: help setup report lab test test-slow test-long lint sample backtest bench-futures bench-ui bench-window bench-press bench-count bench-import bench-commands bench-smoke bench-all wheel test-lowest test-newest fuzz audit docs coverage
.DEFAULT_GOAL := help

help:
	@echo "make setup    make $(VENV) with all that is needed, pinned"
	@echo "make report   import data/sample and print a monthly report for every account"
	@echo "make lab      open the notebooks in JupyterLab"
	@echo "make test     check the code and run the quick tests (minutes)"
	@echo "make test-slow  run the slow tests: kills, clusters, object storage, long fuzzing (SLOW=paths: only these)"
	@echo "make test-long  run the tests that other tests show on a smaller scale: before a release"
	@echo "make lint     ruff and mypy alone"
	@echo "make coverage run the quick tests and show which lines they reach"
	@echo "make docs     build the documentation and the API reference into build/docs (warnings are errors)"
	@echo "make backtest compare past forecasts with what came, into docs/forecasts.md (RAW=folder, LEAST=orders, TITLE=heading)"
	@echo "make bench-futures  how long simulated futures take"
	@echo "make bench-ui how long a key press takes to a redrawn chart, beside the usual pattern"
	@echo "make bench-window  how long a new window takes for the largest account of ten million orders"
	@echo "make bench-press   what a report costs beside stock papermill and nbconvert (REPORTS=n of them at last)"
	@echo "make bench-count   what counting costs beside a bare scan, how it grows, and the usual pandas ways"
	@echo "make bench-import  what an import costs beside a bare parse of the same file"
	@echo "make bench-smoke   every benchmark at a size of seconds"
	@echo "make bench-commands  commands with their start, and many small files"
	@echo "make bench-all     every benchmark whole, into docs/benchmarks.md (hours; OLIST=folder of its raw files; SMALL=1 OUT=FILE: small; AGAIN=\"commands ui\": these again, the others kept)"
	@echo "make wheel    build the wheel, install it into an empty environment and use it there"
	@echo "make test-lowest  the quick tests with the lowest versions that pyproject.toml allows"
	@echo "make test-newest  the same with the newest (PYTHON=python3.13 for another Python)"
	@echo "make fuzz     feed every reader damaged files (SECONDS=20 of CPU time each)"
	@echo "make audit    ask whether a pinned library has a known weakness (needs a network)"
	@echo "make sample   write data/sample again (seeded: the same bytes)"

setup: $(READY)

$(READY): $(LOCK)
	@echo "== Setting up $(VENV) (once; a few minutes)"
	@$(PYTHON) -c "import sys; sys.exit('healthkit needs Python 3.11 or newer; this is %d.%d. Say which: make PYTHON=python3.12 setup' % sys.version_info[:2] if sys.version_info < (3, 11) else 0)"
	@echo "   1 of 4: an empty environment"
	@$(PYTHON) -m venv $(VENV)
	@echo "   2 of 4: $$(grep -c == requirements.txt) packages that healthkit runs on (the longest step)"
	@$(RUN) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@echo "   3 of 4: $$(grep -c == requirements-dev.txt) packages that its tests run with"
	@$(RUN) -m pip install --quiet --disable-pip-version-check -r requirements.txt -r requirements-dev.txt
	@echo "   4 of 4: healthkit itself"
	@$(RUN) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(READY)
	@echo "== Ready"

report: $(READY)
	@echo "== Importing data/sample into $(STORE)"
	@$(RUN) -m healthkit import data/sample --data $(STORE) | tail -n 1
	@echo "== Printing the reports of $(MONTH)"
	@$(RUN) -m healthkit report --month $(MONTH) --data $(STORE)

lab: $(READY)
	@$(RUN) -m healthkit lab

sample: $(READY)
	@$(RUN) data/make_sample.py

backtest: $(READY)
	@$(RUN) -m bench.backtest $(RAW) $(if $(LEAST),--least $(LEAST)) $(if $(TITLE),--title "$(TITLE)") --document docs/forecasts.md

bench-ui: $(READY)
	@$(RUN) -m bench.ui

bench-window: $(READY)
	@$(RUN) -m bench.window

bench-press: $(READY)
	@$(RUN) -m bench.press

bench-count: $(READY)
	@$(RUN) -m bench.count

bench-import: $(READY)
	@$(RUN) -m bench.intake

bench-smoke: $(READY)
	@$(RUN) -m bench.smoke

bench-commands: $(READY)
	@$(RUN) -m bench.commands

bench-all: $(READY)
	@$(RUN) -m bench.run_all $(if $(SMALL),--small) $(if $(OUT),--out $(OUT)) $(if $(AGAIN),--again $(AGAIN))

wheel: $(READY)
	@$(RUN) -m pytest tests/test_wheel.py

test-lowest test-newest: $(READY)
	@$(RUN) -m tests.versions $(@:test-%=%) --python $(PYTHON)

fuzz: $(READY)
	@$(RUN) -m tests.fuzz --seconds $(SECONDS) --jobs 2

audit: $(READY)
	@$(RUN) -m pip install --quiet --disable-pip-version-check pip-audit
	@$(RUN) -m pip_audit --requirement requirements.txt --no-deps --disable-pip

bench-futures: $(READY)
	@$(RUN) -m bench.futures

lint: $(READY)
	@echo "== ruff, mypy"
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .
	@$(RUN) -m mypy

test: $(READY) lint
	@$(RUN) tests/browser/find_chromium.py
	@echo "== Quick tests"
	@$(RUN) -m pytest -n 3 --dist loadfile -m "not slow and not long"

coverage: $(READY)
	@$(RUN) tests/browser/find_chromium.py
	@$(RUN) -m pytest -n 3 --dist loadfile -m "not slow and not long" --cov=healthkit --cov-report=term:skip-covered

docs: $(READY)
	@echo "== Documentation"
	@rm -rf build/docs docs/api
	@$(RUN) -m sphinx -b html -W --keep-going -q docs build/docs
	@echo "build/docs/index.html"

test-slow: $(READY)
	@$(RUN) tests/browser/find_chromium.py
	@echo "== Slow tests"
	@$(RUN) -m pytest -n 3 --dist loadfile -m "slow and not long" $(SLOW)

test-long: $(READY)
	@$(RUN) tests/browser/find_chromium.py
	@echo "== Long tests"
	@$(RUN) -m pytest -n 2 --dist loadfile -m long
