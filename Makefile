# Two commands: `make lab` opens the course, `make test` proves it. Both set up .venv on first use.
.DEFAULT_GOAL := help
.PHONY: help setup lab test pythons lowest coverage lint types unit lessons nbval refused compare notebooks record bench certify certify-models certify-interrupts certify-load certify-judge certify-lessons certify-corpus certify-mutants certify-matrix release grade export similar progress links book binder newcomer lock clean

bin := .venv/bin
notebooks := $(wildcard notebooks/*.ipynb)
# Later lessons take longer: the last one first, or it would run alone in the end.
last_first := $(shell ls -r $(notebooks))

# What Jupyter, IPython and matplotlib keep stays in this folder, and the kernel finds .venv first.
cache := $(CURDIR)/.cache
export JUPYTER_CONFIG_DIR := $(cache)/jupyter/config
export JUPYTER_DATA_DIR := $(cache)/jupyter/data
export JUPYTER_RUNTIME_DIR := $(cache)/jupyter/runtime
export IPYTHONDIR := $(cache)/ipython
export MPLCONFIGDIR := $(cache)/matplotlib
export PATH := $(CURDIR)/$(bin):$(PATH)
unexport PYTHONHOME PYTHONPATH
# The tests start hundreds of interpreters: each would compile the course again.
unexport PYTHONDONTWRITEBYTECODE
# tools/setup has made it where the home folder cannot be written.
ifneq ($(wildcard .cache/uv),)
export UV_CACHE_DIR := $(cache)/uv
endif

# Only from make's own command line: a stray IP in the environment must not open the server to the network.
given = $(and $(findstring command,$(origin $(1))),$($(1)),--$(2) '$($(1))')

help:
	@echo 'make lab         open your copy of the course, my-course, in JupyterLab   (PORT=9000, IP=0.0.0.0 for other machines)'
	@echo 'make test        lint, types, unit and lessons: all that must pass'
	@echo 'make compare     measure the models in the terminal, draw build/compare.png   (ARGS=...)'
	@echo
	@echo 'make lint        ruff: rules and layout'
	@echo 'make types       mypy, strict'
	@echo 'make unit        the tests'
	@echo 'make lessons     nbval and refused, side by side'
	@echo 'make nbval       run every notebook, fail on an error'
	@echo 'make refused     run them on one CPU, without io_uring, and with few descriptors'
	@echo 'make pythons     the tests in a fresh clone, on each Python from 3.11 to 3.14 that is installed'
	@echo 'make lowest      the tests with the lowest versions that pyproject.toml allows'
	@echo 'make coverage    the tests, and which lines none of them runs, in build/coverage'
	@echo 'make notebooks   run every notebook and save it with its outputs'
	@echo 'make record      run the experiments of the literature, keep them in data/recorded'
	@echo 'make bench       every model beside C, into data/bench and docs/benchmarks.md   (an hour)'
	@echo 'make certify     the long proofs, in parts (docs/tests.md): repeats, soaks, bounds   (hours)'
	@echo 'make release     the exercises for a class, without solutions, into build/class/release   (ARGS=...)'
	@echo 'make grade       grade build/class/submitted/STUDENT/EXERCISE, write feedback and gradebook   (ARGS=...)'
	@echo 'make export      the scores for Canvas or Moodle   (ARGS=ROSTER.csv); similar, progress: docs/instructors.md'
	@echo 'make book        the lessons as a site to read, with models and reference, in build/book/html'
	@echo 'make binder      what a Binder does with the last commit: install it, run every lesson under its limits'
	@echo 'make newcomer    from an empty machine: clone, make lab, Run All of lesson 01 in Chromium; each step timed'
	@echo 'make lock        pin the dependencies of pyproject.toml   (ARGS=--upgrade for newer ones)'
	@echo 'make clean       remove what make made, .venv too; my-course, with your progress, stays'
	@echo
	@echo 'PYTHON=/path/to/python3 makes .venv from that Python (3.11 or newer).'

setup:
	@tools/setup

lab: setup
	@$(bin)/python tools/lab.py $(call given,IP,ip) $(call given,PORT,port) $(call given,UPDATE,update)

test: setup
	@tools/steps lint types unit lessons

pythons: setup
	@for version in 3.11 3.12 3.13 3.14; do \
	    python=$$($(bin)/uv python find --no-project --no-python-downloads $$version 2>/dev/null) || continue; \
	    echo "== Python $$version"; rm -rf build/python-$$version; \
	    git clone --quiet . build/python-$$version && $(MAKE) -C build/python-$$version PYTHON=$$python test || exit 1; \
	done

lowest: setup
	@$(bin)/uv venv --quiet --clear --python 3.11 --no-python-downloads .cache/lowest
	$(bin)/uv pip install --quiet --python .cache/lowest --resolution lowest-direct 'setuptools>=77' -e '.[models,class,test]'
	.cache/lowest/bin/python -m pytest -n 6 tests --ignore tests/tools

coverage: setup
	@rm -rf build/coverage
	$(bin)/coverage run -m pytest -n 6 tests
	@$(bin)/coverage combine --quiet
	$(bin)/coverage report | tee build/coverage/report.txt | tail -1
	@$(bin)/coverage html --quiet

lint: setup
	$(bin)/ruff check .
	$(bin)/ruff format --check .

types: setup
	$(bin)/mypy

unit: setup
	$(bin)/pytest -n 6 tests

nbval: export IOLAB_PROGRESS := $(cache)/progress.json
nbval: export IOLAB_STRACE := 0
nbval: setup
	$(if $(notebooks),$(bin)/pytest -n 4 --dist loadscope --no-loadscope-reorder --nbval-lax --nbval-current-env --nbval-cell-timeout=60 $(last_first),@echo 'no notebooks yet')

lessons: setup
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target nbval refused

refused: setup
	$(if $(notebooks),$(bin)/python tools/refused.py $(notebooks),@echo 'no notebooks yet')

compare: setup
	@mkdir -p build
	@$(bin)/iolab compare --figure build/compare.png $(ARGS)

notebooks: export IOLAB_PROGRESS := $(cache)/progress.json
notebooks: setup
	$(if $(notebooks),$(bin)/jupyter nbconvert --to notebook --execute --inplace --ExecutePreprocessor.record_timing=False $(notebooks),@echo 'no notebooks yet')

record: setup
	IOLAB_PROFILE=full $(bin)/iolab record --to data/recorded $(ARGS)

bench: setup
	$(bin)/python -m bench.agreement
	$(bin)/python -m bench.models $(ARGS)

certified := $(bin)/pytest -m certify
certify: certify-models certify-interrupts certify-load certify-judge certify-lessons certify-corpus certify-mutants certify-matrix

certify-models: setup
	$(certified) tests/servers tests/workers
certify-interrupts: setup
	$(certified) tests/test_interrupts.py
certify-load: setup
	$(certified) tests/traffic tests/trace tests/measurement tests/experiments tests/claims tests/cli tests/bench
certify-judge: setup
	$(certified) tests/exercises tests/classroom
certify-lessons: setup
	$(certified) tests/browser tests/playback tests/course
	$(bin)/python tools/refused.py --both $(notebooks)
certify-corpus: setup
	$(bin)/python tools/corpus.py --busy $(or $(ARGS),--repeats 20)
certify-mutants: setup
	$(bin)/python tools/mutants.py $(ARGS)
certify-matrix: setup
	$(bin)/python tools/matrix.py $(or $(ARGS),--repeats 20)

release grade export similar progress: setup
	@$(bin)/python -m iolab.classroom $@ $(ARGS)

links: setup
	@$(bin)/python -m tools.links $(ARGS)

# An environment of its own, so that .venv stays as it is.
book: setup
	@UV_PROJECT_ENVIRONMENT=.cache/book $(bin)/uv run --quiet --locked --python $(bin)/python --extra models --extra book \
	    python -m tools.book build/book

binder: setup
	@$(bin)/python -m tools.binder

newcomer: setup
	@$(bin)/python -m tools.newcomer

# Not after `setup`, which refuses a lock that is older than pyproject.toml.
$(bin)/uv:
	@tools/setup
lock: | $(bin)/uv
	$(bin)/uv lock $(ARGS)
	$(bin)/uv export --quiet --locked --no-hashes --no-emit-project --no-annotate --extra models -o constraints.txt
	$(bin)/uv export --quiet --locked --only-group setup --no-annotate -o tools/setup.txt
	@tools/setup

clean:
	rm -rf .venv .cache build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache
	find . -name __pycache__ -prune -exec rm -rf {} +
	find . -name .ipynb_checkpoints -prune -exec rm -rf {} +
