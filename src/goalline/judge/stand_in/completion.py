"""The chat-completions objects that the stand-in answers with."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from goalline.judge.stand_in.faults import Fault
from goalline.judge.stand_in.matching import MODEL, answer
from goalline.judge.stand_in.reading import prompt_of

_NOBODY_SAID_THIS = "words the stand-in was told to make up, xyzzy plugh"


def completion(request: Mapping[str, Any], fault: Fault, number: int, now: int) -> dict[str, Any]:
    """Return the completion for a request; `number` makes its id, `now` is in seconds since 1970.

    Raises:
        TypeError, KeyError, AttributeError: the request's `messages` or `tools` are not in the protocol's form.
    """
    content = _content(request, fault)
    message: dict[str, Any] = {"role": "assistant", "content": content, "refusal": None}
    finish_reason = fault.finish_reason
    if fault.refusal is not None:
        message |= {"content": None, "refusal": fault.refusal}
    elif function := _function(request):
        call = {"id": f"call_{number}", "type": "function", "function": {"name": function, "arguments": content}}
        message |= {"content": None, "tool_calls": [call]}
        finish_reason = "tool_calls" if finish_reason == "stop" else finish_reason
    # Four characters a token is the usual estimate for English; nobody pays for these.
    asked = sum(len(json.dumps(part.get("content"))) for part in request["messages"]) // 4
    return {
        "id": f"chatcmpl-stand-in-{number}",
        "object": "chat.completion",
        "created": now,
        "model": MODEL,
        "choices": [{"index": 0, "message": message, "finish_reason": finish_reason, "logprobs": None}],
        "usage": {
            "prompt_tokens": asked,
            "completion_tokens": len(content) // 4,
            "total_tokens": asked + len(content) // 4,
        },
    }


def error(status: int, text: str, code: str | None = None) -> dict[str, Any]:
    """Return an error object as OpenAI-compatible servers send it."""
    kind = "invalid_request_error" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "server_error"
    return {"error": {"message": text, "type": kind, "param": None, "code": code}}


def _content(request: Mapping[str, Any], fault: Fault) -> str:
    if fault.content is not None:
        content = fault.content
    else:
        reply = answer(prompt_of(request))
        if fault.ungrounded:
            for verdict in reply["verdicts"]:
                verdict |= {"evidence": [{"turn": 1, "quote": _NOBODY_SAID_THIS}], "outcome": "achieved"}
        content = json.dumps(reply, ensure_ascii=False)
    cut = {"length": len(content) // 2, "content_filter": 0}
    return content[: cut.get(fault.finish_reason, len(content))]


def _function(request: Mapping[str, Any]) -> str | None:
    """Return the name of the function that the request wants called, None where it offers no tools."""
    tools = request.get("tools")
    choice = request.get("tool_choice")
    if not tools or choice == "none":
        return None
    if isinstance(choice, Mapping):
        return str(choice["function"]["name"])
    return str(tools[0]["function"]["name"])
