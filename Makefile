# `make demo` and `make test` are all a new machine needs; both build the environment in .venv first.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt

.PHONY: demo test lint clean

demo: .venv/.installed
	$(BIN)/python -m scripts.cli demo

test: .venv/.installed
	$(BIN)/python -m pytest -n 2

lint: .venv/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/test_house_imports.py

clean:
	rm -rf .venv

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "$(PYTHON) is older than 3.11; name a newer one: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null \
		|| { echo "Python's venv module is incomplete; run as root: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv .venv

# torch goes first and by its exact version, so that nothing else pulls another build of it.
.venv/.installed: pyproject.toml constraints.txt scripts/system_libraries.sh | $(BIN)/python
	bash scripts/system_libraries.sh
	$(PIP) "$$(grep '^torch==' constraints.txt)"
	$(PIP) -e '.[all]'
	$(PIP) --no-deps "$$(grep '^ascmhl==' constraints.txt)"
	@touch $@
