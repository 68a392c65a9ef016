"""What instructor does for the judge: it asks in the schema of the reply, checks the reply, and asks again."""

from collections.abc import Callable
from json import JSONDecodeError
from threading import Lock
from typing import Any, Self, cast

import instructor
from instructor.core import InstructorRetryException, ResponseParsingError, retry_sync
from instructor.processing import handle_response_model
from openai.types import CompletionUsage
from pydantic import ModelWrapValidatorHandler, ValidationError, model_validator

from goalline.domain.evaluation import Reason
from goalline.domain.verdict import Reply, incompleteness, ungrounded
from goalline.judge.completion import Completion
from goalline.judge.failure import Failure
from goalline.judge.hearing import current
from goalline.judge.prompt import Message
from goalline.settings import OutputMode
from goalline.telemetry import metrics

_REASKS = 2
_MOST_FAULTS = 10
_LONGEST_FAULT = 200
_SLOT = "\0"
_MODES = {
    OutputMode.JSON_SCHEMA: instructor.Mode.JSON_SCHEMA,
    OutputMode.TOOLS: instructor.Mode.TOOLS,
    OutputMode.MD_JSON: instructor.Mode.MD_JSON,
}

Request = dict[str, Any]


class Asker:
    """Asks the model for a reply, at most three times: once, and twice more with what was wrong with the last one.

    `complete` sends a request; `options` are further fields of each request.
    """

    def __init__(
        self, complete: Callable[[Request], Completion], mode: OutputMode, model: str, options: Request
    ) -> None:
        self._complete = complete
        # Threads that parse answers side by side win nothing, as one at a time runs anyway; but all of them together
        # leave little of the interpreter to a webhook in the same process. So one at a time asks for it.
        self._thinking = Lock()
        self._mode = _MODES[mode]
        # instructor's `patch` would prepare and inspect all of this anew for each call, which doubles its share of
        # the time. Only the messages differ between calls; what a mode puts around those is kept as frames.
        slots = [{"role": role, "content": _SLOT} for role in ("system", "user")]
        _, request = handle_response_model(CheckedReply, mode=self._mode, messages=slots, model=model, **options)
        self._frames = [message["content"].split(_SLOT) for message in request.pop("messages")]
        self._request = _strict(request)

    def ask(self, messages: list[Message]) -> Reply | Failure:
        """Return a reply that passes all checks of the hearing in session, or why there is none.

        Raises:
            Exception: an unexpected one, which may hold prompt and answers and must not leave the judge.
        """
        framed = [
            {"role": message["role"], "content": message["content"].join(frame)}
            for message, frame in zip(messages, self._frames, strict=True)
        ]
        try:
            with self._thinking:
                reply = retry_sync(
                    self._create,
                    CheckedReply,
                    (),
                    {**self._request, "messages": framed},
                    max_retries=_REASKS,
                    strict=False,  # a number in quotes is still that number
                    mode=self._mode,
                )
        except InstructorRetryException as error:
            if isinstance(error.__cause__, Failure):
                return error.__cause__.with_traceback(None)
            if isinstance(error.__cause__, ValidationError | ResponseParsingError | JSONDecodeError):
                return Failure(current().fault)
            raise
        return cast(Reply, reply)

    def _create(self, **request: Any) -> Completion:
        hearing = current()
        if hearing.asked:
            metrics.reasked()
        hearing.asked = True
        self._thinking.release()
        try:
            completion = self._complete(request)
        finally:
            self._thinking.acquire()
        hearing.fault = Reason.INVALID_ANSWER
        if not (completion.choices and completion.choices[0].message):
            raise ResponseParsingError("the response holds no answer")
        # Usage has been counted. instructor counts it too, and looks on disk for another provider's package, twice,
        # wherever it does not find OpenAI's own form of it.
        nothing = CompletionUsage.model_construct(prompt_tokens=0, completion_tokens=0, total_tokens=0)
        return completion.model_copy(update={"usage": nothing})


class CheckedReply(Reply, instructor.ResponseSchema):
    """A reply that answers each goal of the hearing in session once and quotes only what was said."""

    @classmethod
    def model_json_schema(cls, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Return the schema as strict mode demands it, in one piece and without prose.

        References are resolved, because not every server that takes a schema follows them. Titles and descriptions
        go, because what the model is told belongs in the prompt, where the digest pins it.
        """
        schema = super().model_json_schema(*args, **kwargs)
        definitions = schema.pop("$defs")

        def resolved(node: Any) -> Any:
            if isinstance(node, list):
                return [resolved(item) for item in node]
            if not isinstance(node, dict):
                return node
            if "$ref" in node:
                return resolved(definitions[node["$ref"].rpartition("/")[2]])
            return {key: resolved(value) for key, value in node.items() if key not in ("title", "description")}

        return {"title": "verdicts", "description": "One verdict for each goal.", **resolved(schema)}

    @model_validator(mode="wrap")
    @classmethod
    def _checked(cls, answer: Any, validate: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            reply = validate(answer)
        except ValidationError as error:
            faults = [
                f"{'.'.join(map(str, item['loc']))}: {item['msg']}"
                for item in error.errors(include_url=False, include_context=False, include_input=False)
            ]
        else:
            hearing = current()
            missing = incompleteness(reply, hearing.keys)
            faults = [*missing, *ungrounded(reply, hearing.turns)]
            if not faults:
                return reply
            hearing.fault = Reason.INVALID_ANSWER if missing else Reason.UNGROUNDED
            if not missing:
                metrics.answer_groundless()
        # The model reads this with its next request: enough of it to mend the reply, and no more.
        raise ValueError("; ".join(fault[:_LONGEST_FAULT] for fault in faults[:_MOST_FAULTS]))


def _strict(request: Request) -> Request:
    """Return `request` with the strict mark, which holds the model to the schema and which instructor never sets."""
    if "response_format" in request:
        schema = request["response_format"]["json_schema"] | {"strict": True}
        return request | {"response_format": {"type": "json_schema", "json_schema": schema}}
    if "tools" in request:
        functions = [tool["function"] | {"strict": True} for tool in request["tools"]]
        return request | {"tools": [{"type": "function", "function": function} for function in functions]}
    return request
