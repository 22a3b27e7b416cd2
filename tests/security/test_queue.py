"""A place in the queue for everybody."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks.hostile import face
from benchmarks.visitors import API, Answer, Visitor

Told = Callable[..., str]

#: Side in pixels of a photo that keeps a fusion busy for half a second or more.
SIDE = 1600
#: Places in the queue that are surely given; the last of its 32 may be counted as taken while
#: others join.
PLACES = 24
MOST_OF_ONE = 4


def _order(visitor: Visitor, source: Any, target: Any) -> Answer:
    return visitor.submit("fuse", [source, target, "best", [], 0.5, 1, True])


def test_one_visitor_has_four_places(stranger: Callable[[], Visitor], told: Told) -> None:
    greedy, honest = stranger(), stranger()
    source, target = greedy.upload(face()), greedy.upload(face(SIDE))
    mine = honest.upload(face())
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: _order(greedy, source, target), range(44)))
        taken = [answer for answer in answers if not answer.refused]
        assert 1 <= len(taken) <= 2 * MOST_OF_ONE  # some may have ended while others came
        for answer in answers:
            assert not answer.refused or told(answer, 429)
        assert honest.fuse(mine, mine).has_result
        results = pool.map(lambda answer: greedy.result("fuse", answer.data["event_id"]), taken)
        assert all(result.has_result for result in results)


def test_sessions_are_no_visitors(stranger: Callable[[], Visitor], told: Told) -> None:
    """Whoever forges sessions, headers or cookies has still one address."""
    greedy = stranger()
    source, target = greedy.upload(face()), greedy.upload(face(SIDE))
    answers = [
        greedy.post(
            f"{API}/call/fuse",
            {
                "data": [source, target, "best", [], 0.5, 1, True],
                "session_hash": uuid.uuid4().hex[:12],
            },
            X_Forwarded_For=f"10.1.2.{i}",
            X_Real_IP=f"10.1.2.{i}",
            Forwarded=f"for=10.1.2.{i}",
            Cookie=f"session={i}",
            User_Agent=str(i),
        )
        for i in range(16)
    ]
    refused = [answer for answer in answers if answer.refused]
    assert len(refused) >= 16 - 2 * MOST_OF_ONE
    assert told(refused[0], 429)


def test_the_visitor_after_the_last_place(stranger: Callable[[], Visitor], told: Told) -> None:
    """Is told how many wait and for how long, and comes again to a server that has done all the
    rest.
    """
    visitors = [stranger() for _ in range(48)]
    with ThreadPoolExecutor(16) as pool:
        photos = list(
            pool.map(lambda visitor: (visitor.upload(face()), visitor.upload(face(SIDE))), visitors)
        )
        answers = list(pool.map(lambda visitor, both: _order(visitor, *both), visitors, photos))
        taken = [
            (i, answer.data["event_id"]) for i, answer in enumerate(answers) if not answer.refused
        ]
        refused = [answer for answer in answers if answer.refused]
        assert refused and len(taken) >= PLACES
        for answer in refused:
            assert re.search(r"\d+.*\d+", told(answer, 503))
        results = pool.map(lambda order: visitors[order[0]].result("fuse", order[1]), taken)
        assert all(result.has_result for result in results)
    late = stranger()
    mine = late.upload(face())
    assert late.fuse(mine, mine).has_result


def test_who_leaves_takes_no_place(stranger: Callable[[], Visitor]) -> None:
    leaving = stranger()
    source, target = leaving.upload(face()), leaving.upload(face(SIDE))
    for _ in range(6):
        session = uuid.uuid4().hex[:12]
        data = [source, target, "fast", [], 0.5, 1, True]
        answer = leaving.post(f"{API}/call/fuse", {"data": data, "session_hash": session})
        if not answer.refused:
            with leaving.connected() as connection:  # begins to listen, and goes
                connection.request("GET", f"{API}/call/fuse/{answer.data['event_id']}")
                connection.getresponse().read(1)
    honest = stranger()
    mine = honest.upload(face())
    assert honest.fuse(mine, mine).has_result
