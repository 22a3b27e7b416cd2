"""Validates calls of the page's listeners and of the API before Gradio sees them.

Gradio trusts a call: it copies the file of a path, fetches a URL, and answers a value of a wrong
type with a traceback in the log. Calls are therefore rebuilt from the inputs of their listener.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, TypeGuard

import gradio as gr

from facefusion.page.uploads import Uploads

#: Longest text of a listener's input, in characters.
MAX_TEXT: Final = 200
#: Most choices of a listener's input.
MAX_CHOICES: Final = 64
#: Deepest nesting of a JSON value.
MAX_DEPTH: Final = 8
#: Beginning of a URL (RFC 3986); a Windows path has one letter before its colon.
_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
SESSION: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


#: Keys of the sentences for wrong values, by the `elem_id` of an endpoint's input.
_REASONS: Final = {
    "api-source": "error.api_photo",
    "api-target": "error.api_photo",
    "api-photo": "error.api_photo",
    "api-tier": "error.no_such_tier",
    "api-faces": "error.no_such_face",
    "api-likeness": "error.no_such_share",
    "api-blend": "error.no_such_share",
    "api-consent": "error.api_consent",
}


class MalformedError(Exception):
    """A call that matches no listener.

    Attributes:
        key: of the sentence in `words`.
    """

    def __init__(self, key: str = "error.malformed") -> None:
        super().__init__(key)
        self.key = key


def parse(body: bytes) -> dict[str, Any]:
    """Reads a JSON object.

    Raises:
        MalformedError: the body is no JSON object, is nested too deeply, or has numbers that JSON
            does not allow.
    """
    try:
        parsed = json.loads(body, parse_constant=_no_number)
        too_deep = _depth(parsed) > MAX_DEPTH
    except (ValueError, RecursionError):
        raise MalformedError from None
    if not isinstance(parsed, dict) or too_deep:
        raise MalformedError
    return parsed


class Call(NamedTuple):
    """A checked call: index of its listener, JSON body, and paths of its photos."""

    listener: int
    body: bytes
    photos: list[str]


class FetchError(Exception):
    """A call that names a photo by its URL."""


class Calls:
    """Validator that rebuilds calls from the inputs of a page's listeners.

    Args:
        demo: the page.
        uploads: files that a photo's path may name.

    Raises:
        TypeError: a listener has an input component without a rule in `_TYPES`.
    """

    def __init__(self, demo: gr.Blocks, uploads: Uploads) -> None:
        self._uploads = uploads
        self._listeners = {index: fn for index, fn in demo.fns.items() if fn.fn is not None}
        self._by_name = {str(fn.api_name): index for index, fn in self._listeners.items()}
        for fn in self._listeners.values():
            for component in fn.inputs:
                _rule(component)
        endpoints = demo.get_api_info()["named_endpoints"]
        self._parameters = {
            name.removeprefix("/"): endpoint["parameters"] for name, endpoint in endpoints.items()
        }

    def is_queued(self, index: int) -> bool:
        """Returns whether a listener waits in a queue."""
        return bool(self._listeners[index].queue)

    def of_page(self, body: Mapping[str, Any], name: str | None = None) -> Call:
        """Rebuilds a call by the page, `/queue/join` or `/run/NAME`.

        Args:
            body: `fn_index`, `data`, `session_hash`.
            name: of the listener, if it is part of the address.

        Returns:
            The checked call.

        Raises:
            MalformedError, FetchError: there is no such listener, or the values do not fit it.
        """
        index = body.get("fn_index")
        if index is None and name is not None:
            index = self._by_name.get(name)
        session = body.get("session_hash")
        if type(index) is not int or index not in self._listeners or not _is_session(session):
            raise MalformedError
        return self._call(index, body.get("data"), session, body.get("trigger_id"))

    def of_program(self, body: Mapping[str, Any], name: str, *, named: bool = False) -> Call:
        """Rebuilds a call by a program, `/call/NAME` or, with named values, `/call/v2/NAME`.

        Raises:
            MalformedError, FetchError: there is no such endpoint, or the values do not fit it.
        """
        if name not in self._parameters:
            raise MalformedError("error.api_endpoint")
        data = self._ordered(body, name) if named else body.get("data")
        if not isinstance(data, list) or len(data) != len(self._parameters[name]):
            raise MalformedError("error.api_values")
        session = None if named else body.get("session_hash")
        if session is not None and not _is_session(session):
            raise MalformedError
        return self._call(self._by_name[name], data, session, None)

    def _ordered(self, body: Mapping[str, Any], name: str) -> list[Any]:
        parameters = self._parameters[name]
        if set(body) - {each["parameter_name"] for each in parameters}:
            raise MalformedError("error.api_values")
        values = []
        for each in parameters:
            if each["parameter_name"] not in body and not each["parameter_has_default"]:
                raise MalformedError("error.api_values")
            values.append(body.get(each["parameter_name"], each["parameter_default"]))
        return values

    def _call(self, index: int, data: Any, session: Any, trigger: Any) -> Call:
        inputs = self._listeners[index].inputs
        if not isinstance(data, list) or len(data) != len(inputs):
            raise MalformedError
        checked = [
            self._value(value, component) for value, component in zip(data, inputs, strict=True)
        ]
        call: dict[str, Any] = {"data": checked, "fn_index": index}
        if session is not None:
            call["session_hash"] = session
        if type(trigger) is int:
            call["trigger_id"] = trigger
        photos = [
            value["path"]
            for value, component in zip(checked, inputs, strict=True)
            if isinstance(component, gr.Image) and value is not None
        ]
        return Call(index, json.dumps(call).encode(), photos)

    def _value(self, value: Any, component: Any) -> Any:
        if isinstance(component, gr.State):  # its value stays on the server
            return None
        reason = _REASONS.get(component.elem_id, "error.malformed")
        if isinstance(component, gr.Image):
            return self._photo(value, reason)
        if not _rule(component)(value) or _names_file(value):
            raise MalformedError(reason)
        return value

    def _photo(self, value: Any, reason: str) -> dict[str, Any] | None:
        """Returns an upload, named by its path as a text or in an object.

        A path that may not be named becomes that of a missing file.
        """
        if value is None or value == "":
            return None
        given = value if reason in _REASONS.values() else None  # the page itself names objects
        if isinstance(value, dict):
            given = value.get("path") or value.get("url")
        if not isinstance(given, str):
            raise MalformedError(reason)
        if _URL.match(given):
            raise FetchError
        found = self._uploads.find(given)
        path = found if found is not None else self._uploads.directory / "gone"
        return {"path": str(path), "meta": {"_type": "gradio.FileData"}}


def _is_session(value: Any) -> bool:
    return isinstance(value, str) and SESSION.fullmatch(value) is not None


def _is_text(value: Any) -> bool:
    return value is None or (isinstance(value, str) and len(value) <= MAX_TEXT)


def is_texts(value: Any) -> TypeGuard[list[str]]:
    """Returns whether a JSON value is a list of texts."""
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _is_number(value: Any) -> bool:
    if value is None:
        return True
    return type(value) in (int, float) and abs(value) < 1e9 and math.isfinite(value)


def _is_choices(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) <= MAX_CHOICES
        and all((_is_text(each) or _is_number(each)) and each is not None for each in value)
    )


#: Checks of the values, by component; photos and states are handled apart.
_TYPES: Final[dict[type, Callable[[Any], bool]]] = {
    gr.State: lambda value: True,
    gr.Image: lambda value: True,
    gr.CheckboxGroup: _is_choices,
    gr.Radio: _is_text,
    gr.Textbox: _is_text,
    gr.Slider: _is_number,
    gr.Number: _is_number,
    gr.Checkbox: lambda value: isinstance(value, bool),
    gr.JSON: lambda value: True,
}


def _rule(component: Any) -> Callable[[Any], bool]:
    for kind, rule in _TYPES.items():
        if isinstance(component, kind):
            return rule
    raise TypeError(f"no rule for values of {type(component).__name__}")


def _no_number(name: str) -> float:
    raise ValueError(name)


def _depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(_depth, value), default=0)
    return 0


def _names_file(value: Any) -> bool:
    """Returns whether a value holds what Gradio takes for a file and would copy or fetch."""
    if isinstance(value, dict):
        return "path" in value or "meta" in value or any(map(_names_file, value.values()))
    return isinstance(value, list) and any(map(_names_file, value))
