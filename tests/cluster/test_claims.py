"""Claims of nodes that run side by side: who has what, and when all have it."""

from __future__ import annotations

import pytest

from pipeline.cluster.claims import SECONDS_SETTLED, Claims
from pipeline.engine.capacity import Machine
from pipeline.engine.shares import Claim

ONE = Machine(1, 0, 0)
MACHINES = {"m0": Machine(2), "m1": Machine(2)}


def test_a_share_follows_the_claims_beside_it() -> None:
    claims = Claims()
    claims.update("a", Claim(ONE, 9))
    assert (claims.share("a", MACHINES), claims.beside("a")) == ({"m0": 2, "m1": 2}, 0)
    with claims.hold("b", Claim(ONE, 9)):
        assert sum(claims.share("a", MACHINES).values()) == sum(claims.share("b", MACHINES).values()) == 2
        assert claims.beside("a") == claims.beside("c") - 1 == 1
        claims.update("a", Claim(ONE, 1))
        assert sum(claims.share("b", MACHINES).values()) == 3
    assert claims.beside("a") == 0
    claims.drop("a")
    claims.drop("a")
    assert claims.beside("") == 0


def test_a_claim_ends_with_what_holds_it() -> None:
    claims = Claims()
    with pytest.raises(RuntimeError), claims.hold("a", Claim(ONE, 1)):
        raise RuntimeError
    assert claims.beside("") == 0


def test_claims_are_settled_once_each_has_had_its_share_for_a_while() -> None:
    now = [100.0]
    claims = Claims(clock=lambda: now[0])
    claims.update("a", Claim(ONE, 9))
    assert claims.settled()
    claims.update("b", Claim(ONE, 9))
    assert not claims.settled()
    now[0] += SECONDS_SETTLED
    assert claims.settled()
    claims.report("a", 2, 2)
    assert claims.settled()
    claims.report("a", 3, 2)
    assert not claims.settled()
    now[0] += SECONDS_SETTLED
    claims.update("a", Claim(ONE, 5))  # fewer shards are left
    assert claims.settled()
