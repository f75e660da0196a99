# All targets work as root on a new Debian 12 or 13: what is missing is installed first.

PYTHON ?= /usr/bin/python3
DIST   ?= trixie
SUITES ?= bookworm trixie forky
# Most tests wait more than they compute.
WORKERS ?= 3

VENV := .venv
BIN  := $(VENV)/bin
NEED := packaging/need

SETUP_PACKAGES    := systemd python3-venv python3-gi python3-pydbus python3-dbus gir1.2-glib-2.0 dbus libglib2.0-bin
MACHINE_PACKAGES  := mmdebstrap systemd-container debian-archive-keyring e2fsprogs xfsprogs btrfs-progs
PACKAGE_PACKAGES  := debhelper dh-python dpkg-dev
TERMINAL_PACKAGES := tmux less bash-completion zsh fish

.PHONY: help setup roots check test proof bench demo deb clean

help:
	@echo 'make setup   the development environment, in $(VENV)'
	@echo 'make check   linter, formatter, types'
	@echo 'make test    check, and every test, also on booted machines'
	@echo 'make proof   every long test in full, into docs/proof.md; goes on where it stopped'
	@echo 'make bench   what must stay quick, in figures'
	@echo 'make roots   the Debian roots that the machines boot from ($(SUITES))'
	@echo 'make demo    the whole story on a throwaway machine'
	@echo 'make deb     dist/dockcfgd_*.deb; DIST=trixie (and newer), bookworm or noble'
	@echo 'make clean   remove what the targets made, but for the roots'

setup: $(VENV)/.done

$(VENV)/.done: pyproject.toml
	$(NEED) $(SETUP_PACKAGES)
	$(PYTHON) -m venv --system-site-packages $(VENV)
	$(BIN)/python -m pip install -qq --disable-pip-version-check --editable '.[dev]'
	touch $@

roots:
	$(NEED) $(MACHINE_PACKAGES)
	$(PYTHON) tests/machine/roots.py $(SUITES)

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy src tests

# Where no machine can be made, the tests that need one are skipped with the reason.
test: setup check
	-$(NEED) $(PACKAGE_PACKAGES) $(TERMINAL_PACKAGES)
	-$(MAKE) roots
	$(BIN)/pytest --numprocesses=$(WORKERS) --dist=loadfile --no-loadscope-reorder --durations=15

proof: setup roots
	$(NEED) $(PACKAGE_PACKAGES)
	$(BIN)/python tests/proof.py

bench: setup roots
	$(NEED) $(PACKAGE_PACKAGES)
	failed=0; for one in planning asking migration; do \
	    $(BIN)/python -m tests.bench.$$one || failed=1; done; exit $$failed

# Where no package can be built or no machine made, the demo says so and runs without.
demo: setup
	-$(NEED) $(MACHINE_PACKAGES)
	rm -f dist/dockcfgd_*_all.deb
	-packaging/build-deb trixie dist
	$(BIN)/python tests/machine/demo.py

deb:
	packaging/build-deb $(DIST) dist

clean:
	rm -rf $(VENV) dist build artifacts src/*.egg-info
	rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find src tests -name __pycache__ -type d -exec rm -rf {} +
