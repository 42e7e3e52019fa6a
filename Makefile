# Shortcuts; each is one command that can be typed by hand.
.PHONY: setup lint types test test-ray faults soak slow-tests mutants audit smoke
setup:     ; python3 -m pip install uv && uv sync --compile-bytecode && uv run pre-commit install
lint:      ; uv run ruff format . && uv run ruff check .
types:     ; uv run mypy
test:      ; uv run pytest -m "not ray and not slow"
test-ray:  ; uv run pytest -m "ray or slow"
faults:    ; uv run pytest -m faults
soak:      ; uv run python jobs/soak.py --out /tmp/wider8k-soak
slow-tests:; uv run pytest --junitxml=/tmp/suite.xml; uv run pytest -m "not ray and not slow" --junitxml=/tmp/quick.xml; \
             uv run python -m tests.slow_tests /tmp/suite.xml /tmp/quick.xml
mutants:   ; uv run python -m tests.mutants
audit:     ; .ci/audit
smoke:     ; uv run wider8k run -c configs/smoke.yaml
