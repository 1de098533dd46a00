# Everything runs in .venv, made from requirements.lock and made again when that file changes.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.made-from-lock

.PHONY: help venv demo test test-slow faults fuzz lint format bench clean-demo

help:
	@echo "make demo       make the sample competition, train, predict, submit, report (then again: resumes)"
	@echo "make test       all tests but the slow ones"
	@echo "make test-slow  the slow ones: seven large backbones at full size, ..."
	@echo "make faults     every fault of tests/faults/README.md injected, slow ones included"
	@echo "make fuzz       ten minutes of damaged files for everything that reads one"
	@echo "make lint       ruff (lint and format) and mypy"
	@echo "make bench      speeds, ours against timm, fastai and AutoGluon, as a table (an hour, on an idle machine)"

venv: $(STAMP)

$(STAMP): requirements.lock
	@echo "Making .venv from requirements.lock (about 2 minutes the first time) ..."
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; say which with: make PYTHON=python3.11 ..."; exit 2; }
	@rm -rf .venv
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.lock
	@touch $(STAMP)

DEMO_DATA := data/sample_competition
DEMO_RUN := training_results/demo

$(DEMO_DATA)/train.csv: | $(STAMP)
	@echo "Making the sample competition ..."
	@PYTHONPATH=03_modeling $(BIN)/python -m grandmaster.competition.sample --out $(DEMO_DATA) --images 800 --test_images 400

demo: $(STAMP) $(DEMO_DATA)/train.csv
	@$(BIN)/python 04_training/grandmaster_train.py --mode quick_test --data_path $(DEMO_DATA) --experiment_name demo --set run.minutes=3.5
	@$(BIN)/python 04_training/score_submission.py --submission $(DEMO_RUN)/submission_demo.csv --solution $(DEMO_DATA)/solution.csv --title "Private score"

clean-demo:
	rm -rf $(DEMO_DATA) $(DEMO_RUN)

# A process a core, each computing on one thread: faster than one process on all of them, since most tests are small.
# A file stays in one process, so that the runs which its tests share are made once.
CORES := $(shell $(PYTHON) -c 'import os; print(min(4, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1))')

test: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(CORES) --dist loadfile

test-slow: $(STAMP)
	$(BIN)/python -m pytest -q -m slow --timeout 3600 -s

faults: $(STAMP)
	$(BIN)/python -m pytest -q -m fault --timeout 7200 --fault_table=benchmarks/results/faults.csv

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy 03_modeling/grandmaster 04_training/*.py

fuzz: $(STAMP)
	$(BIN)/python tests/fuzz.py --seconds 600 --csv benchmarks/results/fuzz.csv

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# About an hour, on a machine that does nothing else. Peers are installed in environments of their own. backbones.py (the
# seven large ones), ablation.py, coverage.py and what else needs data, weights or a GPU are started by hand.
BENCHES := sample_speed duplicates_growth picture_speed feed_speed start eda_speed peers growth overhead speed_table

bench: $(STAMP)
	@for name in $(BENCHES); do echo "== benchmarks/$$name.py"; $(BIN)/python benchmarks/$$name.py || exit 1; done
