"""Answers requests as the Hugging Face Hub does, as far as huggingface_hub 2.4 sends them here.

Downloads: `HEAD` and `GET /{repo}/resolve/{revision}/{file}` with the Hub's headers; large files
are redirected to another host, which knows ranges. Uploads: repositories, pre-upload, LFS, commits.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.hub_state import NAMES, HubServer


def _is_large(name: str) -> bool:
    return name.endswith((".onnx", ".tflite", ".safetensors", ".png", ".jpg"))


class HubHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, state: HubServer, *args: Any) -> None:
        self.state = state
        super().__init__(*args)

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if "Content_Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _json(self, value: Any) -> None:
        self._answer(200, json.dumps(value).encode(), Content_Type="application/json")

    def _error(self, status: int, name: str = "") -> None:
        self._answer(status, X_Error_Code=NAMES.get(name, name), X_Error_Message=name or "as asked")

    def _begin(self) -> bool:
        """Notes the request; False where a fault answered it, or nobody will."""
        self.state.requests.append((self.command, self.path, self.headers.get("Range", "")))
        if self.state.fault.hang:
            self.state.released.wait(30)
            self.close_connection = True
            return False
        if self.state.fault.status is not None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self._error(self.state.fault.status, self.state.fault.name)
            return False
        return True

    def do_HEAD(self) -> None:
        if self._begin():
            self._resolve()

    def do_GET(self) -> None:
        if not self._begin():
            return
        parts = self.path.partition("?")[0].strip("/").split("/")
        if parts[0] == "cdn":
            self._large(parts[1])
        elif parts[:2] == ["api", "models"]:
            repo = "/".join(parts[2:4])
            if repo not in self.state.newest:
                self._error(404, "repo")
                return
            revision = (
                parts[5] if len(parts) > 5 and parts[5] != "main" else self.state.newest[repo]
            )
            files = self.state.repos[repo].get(revision)
            if files is None:
                self._error(404, "revision")
                return
            if parts[4:5] == ["tree"]:
                self._json([self._entry(name, content) for name, content in files.items()])
                return
            self._json({"_id": "0", "id": repo, "modelId": repo, "sha": revision, "private": False,
                        "tags": [], "downloads": 0, "siblings": [{"rfilename": name} for name in files]})  # fmt: skip
        else:
            self._resolve()

    def _entry(self, name: str, content: bytes) -> dict[str, Any]:
        blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        entry = {"type": "file", "path": name, "size": len(content), "oid": blob}
        if _is_large(name):
            entry["lfs"] = {
                "oid": hashlib.sha256(content).hexdigest(),
                "size": len(content),
                "pointerSize": 130,
            }
        return entry

    def _resolve(self) -> None:
        owner, repo, verb, revision, *rest = (
            *self.path.partition("?")[0].strip("/").split("/"),
            "",
            "",
            "",
            "",
        )
        name, revisions = "/".join(rest).rstrip("/"), self.state.repos.get(f"{owner}/{repo}")
        if verb != "resolve" or revisions is None:
            self._error(404, "repo")
            return
        revision = self.state.newest[f"{owner}/{repo}"] if revision == "main" else revision
        if revision not in revisions:
            self._error(404, "revision")
        elif name not in revisions[revision]:
            self._error(404, "file")
        else:
            content = revisions[revision][name]
            if _is_large(name):
                oid = hashlib.sha256(content).hexdigest()
                self.state.objects[oid] = content
                # Another host, as the Hub's storage is: the token must not go there.
                place = f"{self.state.url.replace('127.0.0.1', 'localhost')}/cdn/{oid}"
                self._answer(302, Location=place, X_Repo_Commit=revision, X_Linked_Etag=f'"{oid}"',
                             X_Linked_Size=str(len(content)))  # fmt: skip
            else:
                blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
                self._answer(
                    200,
                    content,
                    X_Repo_Commit=revision,
                    ETag=f'"{blob}"',
                    Content_Length=str(len(content)),
                )

    def _large(self, oid: str) -> None:
        content, fault = self.state.objects[oid], self.state.fault
        asked = self.headers.get("Range", "")
        begin = int(asked.removeprefix("bytes=").partition("-")[0]) if asked else 0
        if fault.spoil:
            content = content[:-1] + bytes([content[-1] ^ 1])
        end = len(content)
        if fault.stall:
            end = len(content) // 2
        elif fault.cut is not None and oid not in self.state.cut_already:
            self.state.cut_already.add(oid)
            end = min(end, begin + fault.cut)
        self.send_response(206 if asked else 200)
        if asked:
            self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - begin))
        self.end_headers()
        self.wfile.write(content[begin:end])
        if fault.stall:
            self.wfile.flush()
            self.state.released.wait(30)
        self.close_connection = end < len(content)

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if not self._begin():
            return
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            body = b"".join(iter(self._chunk, b""))
        else:
            body = self.rfile.read(length)
        parts = self.path.partition("?")[0].strip("/").split("/")
        routes: dict[str, Callable[[list[str], bytes], None]] = {
            "create": self._create, "validate-yaml": self._card, "preupload": self._modes, "batch": self._batch,
            "commit": self._commit, "variables": self._variable,
        }  # fmt: skip
        for word, route in routes.items():
            if word in parts:
                route(parts, body)
                return
        self._error(404)

    def _chunk(self) -> bytes:
        size = int(self.rfile.readline(), 16)
        chunk = self.rfile.read(size)
        self.rfile.readline()
        return chunk

    def do_PUT(self) -> None:
        if self._begin():
            if "chunked" in self.headers.get("Transfer-Encoding", ""):
                content = b"".join(iter(self._chunk, b""))
            else:
                content = self.rfile.read(int(self.headers["Content-Length"]))
            self.state.objects[hashlib.sha256(content).hexdigest()] = content
            self._answer(200)

    def _create(self, parts: list[str], body: bytes) -> None:
        asked = json.loads(body)
        repo = f"{asked.get('organization') or 'me'}/{asked['name']}"
        if repo in self.state.repos:
            self._answer(409, json.dumps({"url": f"{self.state.url}/{repo}"}).encode())
            return
        self.state.add(repo, {})
        self._json({"url": f"{self.state.url}/{repo}"})

    def _card(self, parts: list[str], body: bytes) -> None:
        if not json.loads(body)["content"].startswith("---\n"):
            self._answer(
                400, json.dumps({"errors": [{"message": "no metadata"}], "warnings": []}).encode()
            )
            return
        self._json({"errors": [], "warnings": []})

    def _modes(self, parts: list[str], body: bytes) -> None:
        files = [file["path"] for file in json.loads(body)["files"]]
        modes = [
            {"path": p, "uploadMode": "lfs" if _is_large(p) else "regular", "shouldIgnore": False}
            for p in files
        ]
        self._json({"files": modes})

    def _batch(self, parts: list[str], body: bytes) -> None:
        objects = json.loads(body)["objects"]
        for each in objects:
            each["actions"] = {"upload": {"href": f"{self.state.url}/upload/{each['oid']}"}}
        self._json({"transfer": "basic", "objects": objects})

    def _variable(self, parts: list[str], body: bytes) -> None:
        asked = json.loads(body)
        self.state.variables[asked["key"]] = asked["value"]
        self._json(
            {
                asked["key"]: {
                    "key": asked["key"],
                    "value": asked["value"],
                    "updatedAt": "2026-01-01T00:00:00.000Z",
                }
            }
        )

    def _commit(self, parts: list[str], body: bytes) -> None:
        repo = "/".join(parts[parts.index("commit") - 2 : parts.index("commit")])
        files = dict(self.state.repos[repo][self.state.newest[repo]])
        for line in body.splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                files[value["path"]] = self.state.objects[value["oid"]]
            elif entry["key"] == "deletedFile":
                del files[value["path"]]
        revision = self.state.add(repo, files)
        self._json(
            {
                "success": True,
                "commitOid": revision,
                "commitUrl": f"{self.state.url}/{repo}/commit/{revision}",
            }
        )
