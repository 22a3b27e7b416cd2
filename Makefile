# make demo   installs what serving needs (once) and serves the page on http://127.0.0.1:7860
# make test   installs the developers' tools too (once) and runs every test
# make lint   ruff and mypy
# make soak   honest and hostile visitors together for two minutes, on a server of its own
# make fuzz   2,000 damaged photos through the server and the command line, benchmarks/fuzz.md
# make bench  measures this machine, benchmarks/cpu.json, and compares the engines
# make space  builds the tree of a Hugging Face Space, starts it in a fresh environment on port 7860, fuses, and reports
#
# Wanted beforehand: Python 3.11 or newer and, on Linux, the system libraries in packages.txt. The tests in a browser want
# chromium, those of accessibility also npm; without them they are skipped.
# `make demo PYTHON=/path/to/python` chooses the Python. After installation nothing here uses the network,
# but for `make space`, which installs once more.

VENV := .venv
RUN := $(VENV)/bin/python
# Modules are compiled when they are first imported: compiling all takes as long as the rest of the installation.
INSTALL := $(RUN) -m pip install --disable-pip-version-check --quiet --no-compile
# Two processes, a file of tests at a time, in the order of the names: the long ones of tests/app and
# tests/security come first. A third process does not make two cores faster.
AT_ONCE := -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: demo test lint soak fuzz bench space clean

demo: $(VENV)/.serving
	$(RUN) app.py

test: $(VENV)/.development
	$(RUN) -m pytest $(AT_ONCE)

lint: $(VENV)/.development
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check --quiet .
	$(RUN) -m mypy

soak: $(VENV)/.development
	$(RUN) -m benchmarks.soak --minutes 2

fuzz: $(VENV)/.development
	$(RUN) -m benchmarks.fuzz --out benchmarks/fuzz.md

bench: $(VENV)/.serving
	$(RUN) -m facefusion bench --json benchmarks/cpu.json
	$(RUN) -m facefusion bench --engines

space: $(VENV)/.serving
	$(RUN) -m benchmarks.space

clean:
	rm -rf $(VENV)

# The empty files .serving and .development remember that their requirements are installed: make installs again only when
# a requirements file is newer.
$(VENV)/.serving: requirements.txt | $(RUN)
	$(INSTALL) -r requirements.txt
	touch $@

$(VENV)/.development: requirements-dev.txt requirements.txt package-lock.json | $(RUN)
	$(INSTALL) -r requirements-dev.txt
	-@npm ci --silent --no-audit --no-fund 2>/dev/null || echo 'npm is missing or failed: the accessibility tests will be skipped.'
	touch $(VENV)/.serving $@

$(RUN):
	@for python in $(PYTHON) python3.11 python3 python3.12 python3.13 python3.14 python; do \
		if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			echo "$$python -m venv $(VENV)"; exec $$python -m venv $(VENV); \
		fi; \
	done; \
	echo 'Python 3.11 or newer is needed and was not found; name one with make PYTHON=/path/to/python.' >&2; exit 1
