# Everything runs in .venv, which the targets make themselves. Needs Python 3.11 or newer with pip.

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test coverage lint check docs docs-check new-operator accept tour bench bench-quick dist test-pythons \
	test-lowest test-package campaign fuzz mutate site clean

demo: .venv/.demo
	$(BIN)/flopcalc model resnet50 --replace spconv

test: .venv/.test
	$(BIN)/python -m pytest -n auto

# The tests with the lines that they do not reach, in half as much time again.
coverage: .venv/.test
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
	$(BIN)/python -m pytest -q tests/cli/test_cli.py tests/operators/test_notes.py -k golden --golden-update
	$(BIN)/flopcalc lock --update
	git --no-pager diff --stat

# Executes examples/tour.ipynb and stores its outputs.
tour: .venv/.test
	$(BIN)/python tools/tour.py

# Measures speed and memory next to other counters; writes benchmarks/results.json and docs/benchmarks.md. About ten
# minutes on a machine that does nothing else.
bench: .venv/.test
	$(BIN)/python benchmarks/bench.py --write

# The same measurements with few repetitions and small networks; writes nothing.
bench-quick: .venv/.test
	$(BIN)/python benchmarks/bench.py --quick

# The wheel and the source distribution, in dist/.
dist: .venv/.test
	rm -rf dist
	$(BIN)/python -m hatchling build -d dist -t sdist -t wheel

# These take long, and are not part of .ci/run: other Pythons, the oldest versions of dependencies, the packages where
# they are installed. ARGS='-- -k name' reaches pytest.
test-pythons: .venv/.tools
	$(BIN)/python tools/environments.py pythons $(ARGS)

test-lowest: .venv/.tools
	$(BIN)/python tools/environments.py lowest $(ARGS)

test-package: .venv/.tools dist
	$(BIN)/python tools/try_package.py $(ARGS)

# The tests with any options, texts and files, with TIMES as many of them, at random; other counters on all operators.
TIMES ?= 40
campaign: .venv/.test
	FLOPCALC_FUZZ=$(TIMES) $(BIN)/python -m pytest -q -n auto tests/cli/test_any_options.py tests/text/test_any_text.py \
		tests/presets/test_operators.py tests/pytorch/test_crosscheck.py

# Coverage-guided: READERS (default: all) of tests/readers.py, for SECONDS each.
SECONDS ?= 30
fuzz: .venv/.test
	$(PIP) atheris
	$(BIN)/python tools/fuzz.py $(READERS) --seconds $(SECONDS)

# make mutate FILES=flopcalc/operators EVERY=20: whether the tests notice changes of the code.
FILES ?= flopcalc/operators flopcalc/cost flopcalc/symbolic flopcalc/pytorch/tracing flopcalc/pytorch/counting
EVERY ?= 100
mutate: .venv/.test
	$(BIN)/python tools/mutate.py $(FILES) --every $(EVERY)

clean:
	rm -rf .venv build dist site .mypy_cache .ruff_cache .pytest_cache .coverage .hypothesis .mutation

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

.venv/.tools: .venv/.test
	$(PIP) uv pipx
	touch $@

.venv/.site: .venv/.test
	$(PIP) --editable '.[site]'
	touch $@

# The hooks of the site are checked, too.
.venv/.lint: .venv/.site
	$(PIP) --editable '.[lint]'
	touch $@
