"""What Gradio keeps of sessions in memory: pictures above all."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from gradio.state_holder import StateHolder

from facefusion.page.files import kept_seconds
from facefusion.page.sessions import WAIT, Sessions

PICTURE = "<img src='data:image/jpeg;base64,AAAA'>"


class Page:
    """A page of one listener, which answers a picture and remembers one, with nobody there yet."""

    def __init__(self) -> None:
        with gr.Blocks() as self.demo:
            self.state, button = gr.State(None, time_to_live=kept_seconds()), gr.Button()
            button.click(lambda: (PICTURE, PICTURE), None, [gr.HTML(), self.state])
        self.holder, self.sessions = StateHolder(), Sessions(self.demo)
        self.holder.set_blocks(self.demo)

    def call(self, name: str) -> None:
        """Calls the listener in a session, as Gradio's route does."""
        call = self.demo.process_api(0, [], state=self.holder[name])
        with ThreadPoolExecutor(1) as pool:
            pool.submit(asyncio.run, call).result()

    def kept(self, name: str) -> tuple[bool, bool]:
        """Returns whether a session holds the picture as the value of its output and of its state."""
        session: Any = self.holder.session_data[name]
        return PICTURE in str(session.config_values), PICTURE in str(session.state_data)


@pytest.fixture
def page() -> Page:
    page = Page()
    page.call("a")
    assert page.kept("a") == (True, True)
    return page


def test_pictures_of_outputs_do_not_stay(page: Page) -> None:
    page.sessions.drop_old(0)
    assert page.kept("a") == (False, True)
    page.call("a")  # the page goes on
    assert page.kept("a") == (True, True)
    page.sessions.drop_old(1)
    assert page.kept("a") == (False, True)


def test_a_session_is_dropped_after_its_last_use(page: Page) -> None:
    page.call("b")
    assert page.sessions.drop_old(0) == 0
    page.call("b")
    assert page.sessions.drop_old(kept_seconds() - 1) == 0
    assert page.sessions.drop_old(kept_seconds()) == 1
    assert set(page.holder.session_data) == set(page.holder.time_last_used) == {"b"}
    assert page.sessions.drop_old(2 * kept_seconds()) == 1
    page.call("a")  # it begins anew
    assert page.kept("a") == (True, True)


def test_a_session_is_in_use_while_a_call_runs(page: Page) -> None:
    calls = page.demo._queue.event_ids_to_events
    calls["1"] = SimpleNamespace(session_hash="a")
    assert page.sessions.drop_old(0) == page.sessions.drop_old(2 * kept_seconds()) == 0
    del calls["1"]
    assert page.sessions.drop_old(3 * kept_seconds()) == 1


def test_states_of_a_closed_session_live_no_longer(page: Page) -> None:
    """Gradio keeps them for an hour."""
    session = page.holder.session_data["a"]
    session.is_closed = True
    page.sessions.drop_old(0)
    lifetime, since = session._state_ttl[page.state._id]
    page.holder.delete_all_expired_state()
    assert page.kept("a") == (False, True)
    session._state_ttl[page.state._id] = lifetime, since - timedelta(seconds=kept_seconds())
    page.holder.delete_all_expired_state()
    assert page.kept("a") == (False, False)


def test_the_end_of_a_session_waits_for_its_calls(page: Page) -> None:
    """What they measure would stay."""
    calls = page.demo._queue.event_ids_to_events
    calls["1"] = SimpleNamespace(session_hash="a")

    async def end() -> bool:
        ended = asyncio.create_task(page.sessions.end("a"))
        await asyncio.sleep(3 * WAIT)
        assert not ended.done() and "a" in page.holder.session_data
        del calls["1"]
        return await ended

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(asyncio.run, end()).result() is True
        assert "a" not in page.holder.session_data
        assert pool.submit(asyncio.run, page.sessions.end("a")).result() is False
