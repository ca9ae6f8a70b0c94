# LEAF-Edge: from a fresh clone to a scored clip, the tests, the checks and the benchmarks.
# `make help` lists the targets. Everything is installed into .venv; pip's own configuration says from where.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
VENV_BENCH := .venv-bench
BIN := $(VENV)/bin
STAMPS := $(VENV)/stamps
JOBS ?= $(shell nproc)
PIP := $(BIN)/python -m pip --disable-pip-version-check
PYTEST_ARGS ?=
FUZZ_SECONDS ?= 60
WEIGHTS ?= ../shared/weights

BUILD_TOOLS := cmake==4.4.5 ninja==1.13.2
NATIVE := CMakeLists.txt $(shell find runtime -type f -not -name '*.md')
CXX_SOURCES := $(shell find runtime -name '*.cpp' -o -name '*.c' -o -name '*.h' -o -name '*.cu' -o -name '*.cuh')

# The engine's library, for the C++ tests that score with a real bundle; the Python package brings it.
ONNXRUNTIME = $(firstword $(wildcard $(CURDIR)/$(VENV)/lib/python3*/site-packages/onnxruntime/capi/libonnxruntime.so*))
NINJA = -G Ninja -DCMAKE_MAKE_PROGRAM="$(CURDIR)/$(BIN)/ninja"

.PHONY: help demo test test-cpp test-python images cross sanitize fuzz gpu package lint bench format clean
help: ## this list
	@echo "LEAF-Edge. Targets:"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile
	@echo "Variables: PYTHON=/path/to/python3   APT=no (install no system package)   PYTEST_ARGS='-k gate'"

demo: $(STAMPS)/demo ## make a clip with known faults, score it, gate it, show what was found
	@echo "==> making, scoring and gating the demo clip; results in out/demo/"
	@$(BIN)/leaf-edge demo

test: test-cpp test-python ## every test: C++, Python, and NEON under qemu

test-cpp: $(STAMPS)/dev images
	@echo "==> C++ tests: building in build/cpp, log in build/cpp.log"
	@mkdir -p build
	@$(BIN)/cmake -S . -B build/cpp $(NINJA) -DLEAF_TESTS=ON -DLEAF_PYTHON=OFF >build/cpp.log 2>&1 || \
	    { cat build/cpp.log; exit 1; }
	@$(BIN)/cmake --build build/cpp -j $(JOBS) >>build/cpp.log 2>&1 || { cat build/cpp.log; exit 1; }
	@LEAF_ONNXRUNTIME="$(ONNXRUNTIME)" $(BIN)/ctest --test-dir build/cpp --output-on-failure --no-tests=error
	@$(BIN)/cmake --build build/cpp --target core_size | grep -o 'core without engines.*'

test-python: $(STAMPS)/dev cross
	@echo "==> Python tests: a process on each core, one thread in each"
	@PATH="$(CURDIR)/$(BIN):$$PATH" OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 \
	    $(BIN)/python -m pytest -n $(JOBS) --dist loadfile $(PYTEST_ARGS)

images: ## libpng and libjpeg for leaf-score, where they can be installed
	@scripts/system_packages.sh images

cross: ## the aarch64 compiler and qemu, where they can be installed
	@scripts/system_packages.sh cross

sanitize: $(STAMPS)/dev ## the C++ tests with AddressSanitizer and UndefinedBehaviorSanitizer, then with ThreadSanitizer
	@LEAF_ONNXRUNTIME="$(ONNXRUNTIME)" JOBS=$(JOBS) scripts/sanitize.sh $(BIN)

fuzz: $(STAMPS)/tools ## each fuzz target for FUZZ_SECONDS=60, with libFuzzer where clang is or can be installed
	@JOBS=$(JOBS) scripts/fuzz.sh $(BIN) $(FUZZ_SECONDS)

gpu: ## with an NVIDIA device: the CUDA kernels built, checked, sanitized and measured, in out/gpu
	@python3 scripts/gpu_report.py

package: $(STAMPS)/tools ## the C library as .tar.gz and .deb, in out/packages
	@scripts/package.sh $(BIN) out/packages

lint: $(STAMPS)/dev ## ruff, mypy --strict, clang-format; changes nothing
	@echo "==> ruff"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@echo "==> mypy --strict"
	@scripts/typecheck.sh $(BIN)/python
	@echo "==> mypy --strict of the TensorRT code, against the bindings of 10.3, 10.16 and 11.4"
	@scripts/typecheck_tensorrt.sh $(BIN)/python
	@echo "==> clang-format"
	@$(BIN)/clang-format --dry-run -Werror $(CXX_SOURCES)

format: $(STAMPS)/dev ## rewrite the sources in the house format
	@$(BIN)/ruff check --fix-only -q .
	@$(BIN)/ruff format .
	@$(BIN)/clang-format -i $(CXX_SOURCES)

bench: $(STAMPS)/demo $(STAMPS)/brisque ## the views against OpenCV; leaf-s and leaf-m against BRISQUE
	@echo "==> the two views"
	@$(BIN)/python -m leaf_edge.bench.views
	@echo "==> frame to score"
	@$(BIN)/python -m leaf_edge.bench.compare --brisque-python $(VENV_BENCH)/bin/python \
	    --brisque $(WEIGHTS)/brisque_model_live.yml $(WEIGHTS)/brisque_range_live.yml

clean: ## remove what was built and installed here
	rm -rf $(VENV) $(VENV_BENCH) build out .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(STAMPS)/venv:
	@echo "==> looking for Python >= 3.11 and a C++ compiler"
	@python=$$(scripts/system_packages.sh build) && echo "    using $$python" && $$python -m venv $(VENV)
	@mkdir -p $(STAMPS)
	@touch $@

# Build tools of pyproject.toml, installed once: building without isolation keeps rebuilds incremental.
$(STAMPS)/tools: $(STAMPS)/venv pyproject.toml
	@echo "==> installing the build tools into $(VENV)"
	@$(PIP) install -q $(BUILD_TOOLS) $$($(BIN)/python -c \
	    'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"])')
	@touch $@

# An editable install by scikit-build-core also puts the checkout and the folder above it on the module
# path, where export/ and calibration/ would become packages of their own; its import hook needs neither.
trim_path = sed -i '/^\//d' $(VENV)/lib/python3*/site-packages/_editable_skbc_leaf_edge.pth

$(STAMPS)/demo: $(STAMPS)/tools pyproject.toml $(NATIVE)
	@echo "==> building LEAF-Edge and installing it with what the demo needs (about a minute the first time)"
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(PIP) install -q --no-build-isolation -e '.[demo]'
	@$(trim_path)
	@touch $@

$(STAMPS)/dev: $(STAMPS)/tools pyproject.toml $(NATIVE)
	@echo "==> building LEAF-Edge and installing it with PyTorch and the test tools (minutes the first time)"
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(PIP) install -q --no-build-isolation -e '.[demo,train,dev]'
	@$(trim_path)
	@touch $(STAMPS)/demo $@

# OpenCV's BRISQUE is in its contrib package, which cannot share a folder with the plain one: a venv of its own.
$(STAMPS)/brisque: $(STAMPS)/venv pyproject.toml
	@echo "==> installing OpenCV contrib for BRISQUE into $(VENV_BENCH)"
	@$(BIN)/python -m venv $(VENV_BENCH)
	@$(VENV_BENCH)/bin/python -m pip --disable-pip-version-check install -q 'numpy>=2.0,<3' \
	    "$$(sed -n 's/.*"opencv-python-headless\(==[^"]*\)".*/opencv-contrib-python-headless\1/p' pyproject.toml)"
	@touch $@
