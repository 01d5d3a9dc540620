# make demo    a whole private, proven, audited training run on real digits (no node, no download)
# make test    every test that needs nothing else installed
# make check   lint, types, import layers, doctests, tutorials
# make bench   comparisons with peers, one table of ratios
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test check bench clean
.DEFAULT_GOAL := help

help:
	@sed -n 's/^# make/  make/p' Makefile

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("EPPML needs Python 3.11 or newer, this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	$(BIN)/python -m pip install --quiet --no-deps crypten==0.4.1
	@touch $@

demo: $(STAMP)
	$(BIN)/eppml run digits --cheat oversize=1 --cheat swap=1 --drop 0.05 --out runs/demo --replace
	$(BIN)/eppml audit runs/demo
	@echo "The report is runs/demo/report.html"

test: $(STAMP)
	$(BIN)/python -m pytest -m "not anvil and not solc and not node and not browser and not slow"

check: $(STAMP)
	PATH="$(CURDIR)/$(BIN):$$PATH" scripts/check

bench: $(STAMP)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[bench]'
	$(BIN)/python -m pip install --quiet --no-deps -r benchmarks/flower.txt
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) build dist *.egg-info
