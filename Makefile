# Every target makes the virtual environment it needs, one per use and Python version, and remakes
# it when the requirements change. PYTHON chooses the interpreter: make test PYTHON=python3.12

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
PYTHON_VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
ifeq ($(PYTHON_VERSION),)
$(error PYTHON=$(PYTHON) does not run)
endif

venv = $(CURDIR)/.venv-$(1)-$(PYTHON_VERSION)
TEST := $(call venv,test)
BENCH := $(call venv,bench)
DEMO := $(call venv,demo)
OLDEST := $(call venv,oldest)

# The versions of zeroproofml that the tests exchange bundles with. One environment holds only one of
# them, so each has a folder of its own. They need torch, which test.txt has for Python 3.11.
INTEROP := $(CURDIR)/build/interop
ZEROPROOFML := $(if $(filter 3.11,$(PYTHON_VERSION)),0.5.1 0.6.1)

# The ROS packages in a virtual environment are found by naming it.
ros_env = AMENT_PREFIX_PATH=$(1) ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST
source_env = $(call ros_env,$(1)) PYTHONPATH=$(CURDIR)
# In tests a message with a field of a wrong type or range is an error; elsewhere this is slow.
test_env = $(call source_env,$(1)) ROS_PYTHON_CHECK_FIELDS=1

PIP_INSTALL := -m pip install -qq --disable-pip-version-check --no-input

TESTS ?= test

WORKSPACE := $(CURDIR)/build/colcon_ws
# This folder is the ROS package and build/ lies in it, so the workspace gets a copy without build/.
PACKAGE_FILES := $(filter-out build install log,$(wildcard *))
COLCON := COLCON_HOME=$(WORKSPACE)/.colcon \
	COLCON_EXTENSION_BLOCKLIST=colcon_core.event_handler.desktop_notification \
	$(TEST)/bin/colcon --log-base log

.PHONY: help test lint unit colcon installed test-oldest docs reference bench demo clean

help:
	@echo "make test         everything that has to pass: lint, tests, colcon build and test"
	@echo "make lint         ruff and mypy only"
	@echo "make unit         pytest only; ARGS='-k word' is passed on, TESTS=test/nodes chooses"
	@echo "make installed    colcon build and test, then the installed nodes as processes"
	@echo "make test-oldest  pytest with the oldest supported versions (Python 3.10 to 3.12)"
	@echo "make docs         write the generated parts of docs/"
	@echo "make reference    train, calibrate, export and judge a planar arm; writes build/reference"
	@echo "make bench        the scripts in benchmarks/"
	@echo "make demo         simulated arm, strict node and monitor for 15 s; writes build/demo"
	@echo "make clean        remove environments, build results and caches"

# One after the other, also under make -j: the cheap steps first, so that they fail first. The tests in
# test/unit are run by colcon, and not a second time; but docs are held against what interop writes.
test:
	@$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory installed
	@$(MAKE) --no-print-directory unit TESTS="test/interop test/launch test/nodes test/unit/test_docs.py"
	@echo "== test: all passed with Python $(PYTHON_VERSION)"

lint: $(TEST)/stamp
	@echo "== lint: ruff check, ruff format --check, mypy --strict"
	@$(TEST)/bin/ruff check .
	@$(TEST)/bin/ruff format --check .
	@$(TEST)/bin/mypy

unit: $(TEST)/stamp $(ZEROPROOFML:%=$(INTEROP)/%/stamp)
	@echo "== unit: pytest $(TESTS)"
	@$(call test_env,$(TEST)) $(if $(ZEROPROOFML),INTEROP=$(INTEROP)) $(TEST)/bin/python -m pytest $(TESTS) $(ARGS)

colcon: $(TEST)/stamp
	@echo "== colcon: build the package in $(patsubst $(CURDIR)/%,%,$(WORKSPACE)), run test/unit there"
	@rm -rf $(WORKSPACE)
	@mkdir -p $(WORKSPACE)/src/zeroproof_ros
	@cp -R $(PACKAGE_FILES) $(WORKSPACE)/src/zeroproof_ros
	@cd $(WORKSPACE) && $(COLCON) build --packages-select zeroproof_ros
	@cd $(WORKSPACE) && $(call ros_env,$(TEST)) ROS_PYTHON_CHECK_FIELDS=1 $(COLCON) test --packages-select zeroproof_ros --pytest-args test/unit
	@cd $(WORKSPACE) && $(COLCON) test-result --verbose

installed: colcon
	@echo "== installed: start the installed nodes, find the installed files"
	@export $(call ros_env,$(TEST)); set +u; source $(WORKSPACE)/install/local_setup.bash; set -u; \
		cd $(WORKSPACE) && $(TEST)/bin/python $(CURDIR)/test/installed_check.py

test-oldest: $(OLDEST)/stamp
	@echo "== test-oldest: pytest test with the versions in requirements/oldest.txt"
	@# Old libraries warn of what they do themselves, so warnings are not errors here.
	@$(call test_env,$(OLDEST)) $(OLDEST)/bin/python -m pytest test -W default $(ARGS)

docs: $(TEST)/stamp
	@$(call source_env,$(TEST)) $(TEST)/bin/python test/write_docs.py

reference: $(TEST)/stamp
	@echo "== reference: train with seed 0, which takes a minute; results in build/reference"
	@$(call source_env,$(TEST)) $(TEST)/bin/python -m zeroproof_ros reference --out build/reference $(ARGS)

bench: $(BENCH)/stamp
	@for script in $(or $(wildcard benchmarks/*.py),:); do \
		if [ "$$script" = : ]; then echo "== bench: there is no benchmarks/*.py"; break; fi; \
		echo "== bench: $$script"; \
		$(call source_env,$(BENCH)) $(BENCH)/bin/python "$$script"; \
	done

demo: $(DEMO)/stamp
	@echo "== demo: 15 s of a simulated arm; results in build/demo"
	@$(call source_env,$(DEMO)) $(DEMO)/bin/python -m zeroproof_ros demo --duration 15 --out build/demo

clean:
	rm -rf build .venv-* .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +

$(INTEROP)/%/stamp: | $(TEST)/stamp
	@echo "== interop: install zeroproofml $*"
	@rm -rf $(@D)
	@$(TEST)/bin/python $(PIP_INSTALL) --no-deps --target $(@D) zeroproofml==$*
	@touch $@

# $(1) is the variable that holds the environment, $(2) its requirements and those they include.
define environment
$($(1))/stamp: $(addprefix requirements/,$(2))
	@echo "== $$(notdir $$(@D)): install $$<"
	@rm -rf $$(@D)
	@$$(PYTHON) -m venv $$(@D)
	@$$(@D)/bin/python $(PIP_INSTALL) -r $$<
	@touch $$@
endef
$(eval $(call environment,TEST,test.txt run.txt ros.txt constraints.txt))
$(eval $(call environment,BENCH,bench.txt run.txt ros.txt constraints.txt))
$(eval $(call environment,DEMO,run.txt ros.txt constraints.txt))
$(eval $(call environment,OLDEST,oldest.txt ros.txt constraints-oldest.txt))
