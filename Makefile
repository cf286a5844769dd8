# Everything runs in .venv, which the targets make themselves. Needs Python 3.11 or newer with pip.

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test lint check docs docs-check new-operator accept tour bench site clean

demo: .venv/.demo
	$(BIN)/flopcalc model resnet50 --replace spconv

test: .venv/.test
	$(BIN)/python -m pytest -n auto --cov --cov-report=term

lint: .venv/.lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

check: .venv/.test
	$(BIN)/flopcalc check --locked --formulas

docs: .venv/.test
	$(BIN)/python docs/generate.py

docs-check: .venv/.test
	$(BIN)/python docs/generate.py --check

# The documentation site: open site/index.html, which also works without a server.
site: .venv/.site
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

# make new-operator NAME=my_conv: the two files of an operator, which work as they are.
new-operator: .venv/.test
	$(BIN)/python tools/new_operator.py '$(NAME)'

# After a wanted change: writes all files that follow from the code, and shows which ones changed. Read the changes.
accept: .venv/.test
	$(BIN)/python docs/generate.py
	$(BIN)/python -m pytest -q tests/cli/test_cli.py -k golden --golden-update
	$(BIN)/flopcalc lock --update
	git --no-pager diff --stat

# Executes examples/tour.ipynb and stores its outputs.
tour: .venv/.test
	$(BIN)/python tools/tour.py

bench: .venv/.test
	$(BIN)/python benchmarks/run.py
	$(BIN)/python benchmarks/start_up.py

clean:
	rm -rf .venv build dist site .mypy_cache .ruff_cache .pytest_cache .coverage .hypothesis

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/.demo: .venv/bin/python pyproject.toml constraints.txt
	$(PIP) --editable .
	touch $@

# thop, torchvision and timm ask for builds of torch that are not wanted here: without their requirements. The models of
# transformers need no more than is listed. Counters that may not lie on Python's path are installed in .venv/peers:
# ultralytics-thop has the package name of thop, and other libraries import a DeepSpeed that they find. DeepSpeed has no
# wheel; without its kernels it is built in seconds.
.venv/.test: .venv/bin/python pyproject.toml constraints.txt
	$(PIP) --editable '.[test,peers]' torch setuptools
	$(PIP) --no-deps thop calflops torchprofile torchvision pillow timm safetensors
	$(PIP) --no-deps transformers tokenizers regex huggingface_hub httpx2 httpcore2 anyio h11 idna truststore tqdm
	$(PIP) --no-deps --upgrade --target .venv/peers/ultralytics-thop ultralytics-thop
	DS_BUILD_OPS=0 $(PIP) --no-deps --upgrade --no-build-isolation --target .venv/peers/deepspeed deepspeed
	touch $@

.venv/.site: .venv/.test
	$(PIP) --editable '.[site]'
	touch $@

.venv/.lint: .venv/.test
	$(PIP) --editable '.[lint]'
	touch $@
