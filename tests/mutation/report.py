"""What came out of making mistakes, for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from tests.mutation.session import Explanation, Finding

WANTED = 0.95


def share(findings: Iterable[Finding]) -> float:
    """Returns how many of the mistakes that change something were noticed, 0..1; 1 where there are none."""
    counted = [finding for finding in findings if finding.reason is None]
    return sum(not each.answer.passed for each in counted) / len(counted) if counted else 1.0


def table(findings: Sequence[Finding]) -> Iterator[str]:
    """Yields a line for each module and one for all: mistakes, noticed, by hanging, without effect, unseen, share."""
    yield f"{'module':<34}{'mistakes':>9}{'noticed':>9}{'by hanging':>12}{'no effect':>11}{'unseen':>8}{'share':>8}"
    for name in (*dict.fromkeys(finding.module for finding in findings), "all"):
        own = [finding for finding in findings if name in ("all", finding.module)]
        noticed = [finding for finding in own if not finding.answer.passed]
        hung = sum(finding.answer.hung for finding in noticed)
        explained = sum(finding.reason is not None for finding in own)
        rest = len(own) - len(noticed) - explained
        yield f"{name:<34}{len(own):>9}{len(noticed):>9}{hung:>12}{explained:>11}{rest:>8}{share(own):>8.1%}"


def unseen(findings: Iterable[Finding]) -> Iterator[str]:
    """Yields every mistake that no test noticed though it changes something."""
    for finding in findings:
        if finding.answer.passed and finding.reason is None:
            yield f"UNSEEN  pipeline/{finding.module}.py: {finding.mistake}"


def without_effect(findings: Iterable[Finding]) -> Iterator[str]:
    """Yields every mistake that changes nothing, with the reason."""
    for finding in findings:
        if finding.reason is not None:
            yield f"no effect  pipeline/{finding.module}.py: {finding.mistake}\n           because {finding.reason}"


def outdated(findings: Sequence[Finding], known: Iterable[Explanation], everything: bool) -> Iterator[str]:
    """Yields explanations that are wrong, since a test notices, or, where all mistakes were made, fit none of them."""
    modules = {finding.module for finding in findings}
    for each in known:
        about = [finding for finding in findings if each.fits(finding)]
        if about and all(not finding.answer.passed for finding in about):
            yield f"explained, yet noticed: {each.module}: {each.old}  ->  {each.new}"
        elif not about and everything and each.module in modules:
            yield f"explained, yet no such mistake: {each.module}: {each.old}  ->  {each.new}"
