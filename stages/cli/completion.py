"""What a shell completes beside file names: names of configs, weights, forms and benchmarks."""

from __future__ import annotations

from collections.abc import Callable, Iterable

Completer = Callable[[str], list[str]]


def _completes(names: Callable[[], Iterable[str]]) -> Completer:
    def complete(incomplete: str) -> list[str]:
        return [name for name in names() if name.startswith(incomplete)]

    return complete


def _configs() -> list[str]:
    from stages.packaged_configs import packaged_configs

    return [file.stem for file in packaged_configs()]


def _weights() -> Iterable[str]:
    from pipeline.models.published import PUBLISHED

    return PUBLISHED


def _label_forms() -> Iterable[str]:
    from pipeline.data.datasets.labels.forms import LABELLED

    return LABELLED


def _prediction_forms() -> Iterable[str]:
    from pipeline.data.predictions.forms import FORMS

    return FORMS


def _benchmarks() -> Iterable[str]:
    from pipeline.evaluation.benchmarks import BENCHMARKS

    return ("wider", *BENCHMARKS)


config_names = _completes(_configs)
weight_names = _completes(_weights)
label_forms = _completes(_label_forms)
prediction_forms = _completes(_prediction_forms)
benchmarks = _completes(_benchmarks)
