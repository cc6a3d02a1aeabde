# vmss: set-up, demo, tests. 'make' alone says what there is.
#
# Every step of the set-up is skipped when it is done. Guests, lab and daemon need root: they are run by sudo
# where we are not root; the virtual environment belongs to whoever calls make.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# The system's own Python: libvirt's headers and python3-dev belong to it.
PYTHON ?= /usr/bin/python3
BIN := .venv/bin
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
VMSS := $(SUDO) $(BIN)/vmss
READY := .venv/ready

say = @printf '\033[1m==> %s\033[0m\n' "$(1)"
ifeq ($(shell test -t 1 && echo terminal),)
say = @printf '==> %s\n' "$(1)"
endif

.NOTPARALLEL:
.PHONY: help demo up down test test-clients check bench setup packages test-packages client-packages venv image \
	test-images format lock clients js-clients install-service clean

help: ## say what there is
	@echo 'usage: make TARGET'
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: setup ## set up, then the whole story on real guests; leaves it running
	$(call say,demo: real guests on three lab hosts)
	@$(VMSS) lab demo

up: setup ## set up, then bring the lab and its daemon up, with nothing in them
	$(call say,lab and daemon)
	@$(VMSS) lab up --daemon

down: ## remove the lab: guests, hosts, daemon, files (images stay)
	@if [ -x $(BIN)/vmss ]; then $(VMSS) lab down; else echo 'nothing is set up here'; fi

test: setup test-packages test-images check ## set up, then all checks and tests, real guests included
	$(call say,tests without guests: on all cores)
	@$(SUDO) $(BIN)/python -m pytest -m 'not real and not clients' -n logical --dist worksteal
	$(call say,tests on real guests: one by one)
	@$(SUDO) $(BIN)/python -m pytest -m 'real and not clients' --durations=10

test-clients: setup clients js-clients ## az, the SDKs and a storm of requests, unchanged, on real guests
	$(call say,tests with Azure clients)
	@$(SUDO) $(BIN)/python -m pytest -m clients --durations=10 tests/clients

client-packages:
	@.ci/system-packages.sh clients

clients: .venv-clients/ready

.venv-clients/ready: .ci/client-requirements.txt | packages
	$(call say,az and the SDK of Python (two minutes when they are new))
	@$(PYTHON) -m venv .venv-clients
	@.venv-clients/bin/pip install -qq --disable-pip-version-check --requirement .ci/client-requirements.txt
	@touch $@

js-clients: tests/clients/js/node_modules/ready

tests/clients/js/node_modules/ready: tests/clients/js/package-lock.json | client-packages
	$(call say,the SDK of JavaScript)
	@.ci/js-clients.sh
	@touch $@

check: venv ## style, types and layers: what needs no guest and no root
	$(call say,ruff)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	$(call say,mypy)
	@$(BIN)/mypy
	$(call say,import-linter)
	@$(BIN)/lint-imports

bench: setup ## how quick it is, beside the bare floor in the same run
	$(call say,bench)
	@$(SUDO) $(BIN)/python -m tests.bench

setup: packages venv image ## only set up: packages, virtual environment, image

packages:
	@.ci/system-packages.sh

test-packages:
	@.ci/system-packages.sh test

venv: $(READY)

$(READY): .ci/requirements.txt pyproject.toml | packages
	$(call say,virtual environment (a minute when it is new))
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "vmss needs Python 3.11 or newer")'
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install -qq --disable-pip-version-check --requirement .ci/requirements.txt
	@$(BIN)/pip install -qq --disable-pip-version-check --no-deps --editable .
	@touch $@

image: venv
	$(call say,image 'micro' (a minute when it is new))
	@$(VMSS) image build micro --output none

test-images: venv
	$(call say,image 'debian-12' (two minutes when it is new))
	@$(VMSS) image build debian-12 --output none

format: venv ## put the code into its form
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

lock: venv ## write the lock file anew, from what is installed now
	@$(BIN)/pip freeze --exclude-editable > .ci/requirements.txt.new
	@mv .ci/requirements.txt.new .ci/requirements.txt
	@touch $(READY)

install-service: setup ## offer vmssd to systemd: a unit file, neither enabled nor started
	@$(VMSS) service install

clean: ## remove the virtual environment and what tools left in this folder
	@$(SUDO) rm -rf .venv .venv-clients tests/clients/js/node_modules .mypy_cache .ruff_cache .import_linter_cache .hypothesis build dist *.egg-info
	@find . -name __pycache__ -type d -prune -exec $(SUDO) rm -rf {} +
