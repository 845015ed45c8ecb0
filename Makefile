# `make demo` and `make test` need only python3 (>= 3.11) with venv, make, perl and g++: the rest
# comes from PyPI into .venv; Icarus, ABC and Chromium from the system's package manager.
SHELL := /bin/bash
.DELETE_ON_ERROR:
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin
READY := $(VENV)/.ready-all
TRAIN := $(VENV)/.ready-train
# The version that the tests run with; where a GPU is, any from 2.11 will do.
TORCH := torch==2.13.0
.DEFAULT_GOAL := help

.PHONY: help demo test test-all test-train bench lint docs clean icarus browser

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 18

demo: $(READY) icarus ## generate, simulate on both simulators, compare on a real network
	@$(RUN)/hfp8 demo

test: $(READY) icarus browser ## unit tests and simulations, about what CI runs
	@$(RUN)/python -m pytest -n auto --dist loadgroup $(ARGS)

test-all: $(READY) icarus browser ## everything, the heavy sweeps too
	@$(RUN)/python -m pytest -n auto --dist loadgroup -m "" $(ARGS)
	@$(RUN)/hfp8 verify
	@$(MAKE) test-train ARGS='-m ""'

test-train: $(TRAIN) ## the PyTorch twin; installs PyTorch, once
	@$(RUN)/python -m pytest -n auto tests/train $(ARGS)

bench: $(READY) ## LUTs and clocks against the committed ones; the golden model's speed
	@$(RUN)/hfp8 bench units
	@$(RUN)/hfp8 bench golden --json docs/results/golden.json
	@$(RUN)/python docs/tables.py

lint: $(READY) ## ruff and mypy
	@$(RUN)/ruff check . && $(RUN)/ruff format --check . && $(RUN)/mypy

docs: $(READY) ## rewrite tables and pictures, and build the site in docs/_build
	@$(RUN)/python -c 'import sphinx, myst_parser, furo, sphinx_click, sphinx_copybutton' 2>/dev/null || \
	  $(RUN)/python -m pip install -q --disable-pip-version-check -e '.[docs]'
	@$(RUN)/python docs/tables.py
	@$(RUN)/python docs/pictures.py
	@$(RUN)/python -m sphinx -q -W --keep-going -b html docs docs/_build
	@echo "docs/_build/index.html"

clean: ## remove .venv, caches in this folder and the demo's output
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache hfp8-demo build docs/_build docs/examples/*/build *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): pyproject.toml
	@for tool in perl g++; do command -v $$tool >/dev/null || \
	  { echo "$$tool is missing; install it, for example with 'apt-get install $$tool'" >&2; exit 1; }; done
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "$(PYTHON) is older than 3.11; set PYTHON=/path/to/a/newer/python3" >&2; exit 1; }
	@test -x $(RUN)/python || $(PYTHON) -m venv $(VENV) || \
	  { echo "python3 has no venv; install it, for example with 'apt-get install python3-venv'" >&2; exit 1; }
	@echo "installing into $(VENV) (once, a few minutes)"
	@$(RUN)/python -m pip install -q --disable-pip-version-check -e '.[test,lint]'
	@# One file of each is read: without what they depend on, TensorFlow among it.
	@$(RUN)/python -m pip install -q --disable-pip-version-check --no-deps --ignore-requires-python \
	  rapidocr-onnxruntime==1.4.4 basic-pitch==0.4.0
	@touch $@

$(TRAIN): $(READY)
	@$(RUN)/python -m pip install -q --disable-pip-version-check -e '.[train]' '$(TORCH)' 'onnxruntime>=1.20'
	@touch $@

icarus:
	@# Icarus, ABC for proofs, GHDL for the VHDL component, and the headers that Verilator's waveform writer includes.
	@command -v iverilog >/dev/null && command -v berkeley-abc >/dev/null && command -v ghdl >/dev/null && echo '#include <lz4.h>' | g++ -E -x c++ - >/dev/null 2>&1 || { \
	  sudo=""; [ "$$(id -u)" = 0 ] || sudo="sudo -n"; \
	  if command -v apt-get >/dev/null && { [ -z "$$sudo" ] || $$sudo true 2>/dev/null; }; then \
	    echo "installing Icarus Verilog, ABC, GHDL and liblz4-dev, zlib1g-dev"; \
	    for try in 1 2; do $$sudo apt-get install -qq -y iverilog berkeley-abc ghdl liblz4-dev zlib1g-dev && break; $$sudo apt-get update -qq; done >/dev/null 2>&1; \
	  fi; command -v iverilog >/dev/null || { \
	    echo "iverilog is missing and cannot be installed from here; install it, for example with 'sudo apt-get install iverilog'" >&2; exit 1; }; }

browser:
	@# Chromium, in which the report is tested.
	@command -v chromium >/dev/null && command -v chromedriver >/dev/null || { \
	  sudo=""; [ "$$(id -u)" = 0 ] || sudo="sudo -n"; \
	  if command -v apt-get >/dev/null && { [ -z "$$sudo" ] || $$sudo true 2>/dev/null; }; then \
	    echo "installing Chromium for the tests of the report"; \
	    for try in 1 2; do $$sudo apt-get install -qq -y chromium chromium-driver && break; $$sudo apt-get update -qq; done >/dev/null 2>&1; \
	  fi; command -v chromedriver >/dev/null || { \
	    echo "chromium and chromedriver are missing and cannot be installed from here; install them, for example with 'sudo apt-get install chromium chromium-driver'" >&2; exit 1; }; }
