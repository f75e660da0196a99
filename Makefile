# All targets work as root on a new Debian 12 or 13: what is missing is installed first.

PYTHON  ?= /usr/bin/python3
VENV    := .venv
BIN     := $(VENV)/bin
NEED    := packaging/need

SETUP_PACKAGES   := python3-venv python3-gi python3-pydbus python3-dbus gir1.2-glib-2.0 dbus

.PHONY: setup check clean

setup: $(VENV)/.done

$(VENV)/.done: pyproject.toml
	$(NEED) $(SETUP_PACKAGES)
	$(PYTHON) -m venv --system-site-packages $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy src tests

clean:
	rm -rf $(VENV) dist build src/*.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find src tests -name __pycache__ -type d -exec rm -rf {} +
