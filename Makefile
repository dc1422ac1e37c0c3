# Everything a maintainer does, one word each. Each target prepares what it needs on a fresh machine that has Python 3.11
# or newer; on Windows use the commands below with a Python of your own.

PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
VENV := .venv
TOOLS := $(VENV)/bin/python
READY := $(VENV)/ready.stamp

EXECUTOR ?= rehearse
TEST_JOBS ?= auto
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo test lint bench chaos install clean python

help:
	@echo 'make demo [EXECUTOR=claude]  run a bundled plan from beginning to end; a rehearsal without EXECUTOR'
	@echo 'make test [ARGS=...]         the tests; ARGS go to pytest'
	@echo 'make lint                    ruff, mypy, shellcheck'
	@echo 'make bench                   the benchmarks, printed as ratios'
	@echo 'make chaos                   the fault suite'
	@echo 'make install                 copy the skill to $${SKILLS_DIR:-~/.claude/skills}'
	@echo 'make clean                   remove what these have made here'

# The demo needs the product alone, which finds or fetches its libraries by itself.
demo: python
	@$(if $(wildcard $(READY)),$(TOOLS),$(PYTHON)) scripts/orchestrate.py demo --executor $(EXECUTOR) $(ARGS)

test: $(READY)
	@$(TOOLS) -m pytest --numprocesses $(TEST_JOBS) $(ARGS)

lint: $(READY)
	@$(TOOLS) -m ruff check .
	@$(TOOLS) -m ruff format --check .
	@$(TOOLS) -m mypy
	@if command -v shellcheck >/dev/null; then shellcheck .ci/run; else echo 'lint: no shellcheck here, .ci/run not checked'; fi

bench: $(READY)
	@$(TOOLS) -m bench $(ARGS)

chaos: $(READY)
	@$(TOOLS) -m tests.chaos $(ARGS)

install: python
	@$(PYTHON) scripts/install_skill.py
	@# A session may run without a network, so its libraries are fetched now.
	@$(PYTHON) -B scripts/orchestrate.py --help >/dev/null || echo 'its libraries will be installed at its first start'

clean:
	rm -rf $(VENV) build dist scripts/*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find scripts tests -name __pycache__ -type d -prune -exec rm -rf {} +

python:
	@test -n "$(PYTHON)" || { echo 'Python 3.11 or newer is needed: install it, or name it with PYTHON=...' >&2; exit 3; }

$(READY): pyproject.toml | python
	@echo 'preparing $(VENV) (the libraries and the tools of the tests)'
	@if command -v uv >/dev/null; then \
		uv venv --quiet --allow-existing --python $(PYTHON) $(VENV) && \
		uv pip install --quiet --python $(TOOLS) --editable '.[test]'; \
	elif $(PYTHON) -c 'import ensurepip' 2>/dev/null; then \
		$(PYTHON) -m venv $(VENV) && $(TOOLS) -m pip install --quiet --disable-pip-version-check --editable '.[test]'; \
	elif $(PYTHON) -m pip --version >/dev/null 2>&1; then \
		$(PYTHON) -m venv --without-pip $(VENV) && \
		$(PYTHON) -m pip --python $(TOOLS) install --quiet --disable-pip-version-check --editable '.[test]'; \
	else \
		echo '$(PYTHON) has neither ensurepip nor pip, and there is no uv: apt install python3-venv, or install uv' >&2; exit 3; \
	fi
	@touch $@
