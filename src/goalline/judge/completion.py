"""The body of a chat completion: read leniently where servers differ, so that a good answer is never lost to it."""

from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from goalline.domain.evaluation import Reason
from goalline.domain.text import storable
from goalline.judge import failure
from goalline.judge.failure import Failure

_FILTERED = {"content_filter", "safety", "prohibited_content", "blocklist", "recitation"}
_TRUNCATED = {"length", "max_tokens", "model_length"}


def _or_none(value: object, validate: ValidatorFunctionWrapHandler) -> Any:
    try:
        return validate(value)
    except ValidationError:
        return None


_Lenient = WrapValidator(_or_none)

TokenCount = Annotated[int, Field(ge=0, le=10**8)]
"""A number of tokens that can be true, and that a sum of many attempts of which can be stored."""


def _joined(content: object) -> object:
    # Some servers send the text in parts, with the model's reasoning as parts of another type.
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return content


def _short(name: str) -> str:
    return storable(name)[:255]


def _or_nothing(refusal: object) -> object:
    # An empty refusal is none; instructor would take it for one.
    return refusal or None


class Function(BaseModel):
    """The function that a tool call names, with its arguments as JSON."""

    name: str = ""
    arguments: Any = None


class ToolCall(BaseModel):
    """One call of a tool."""

    id: str = ""
    type: str = "function"
    function: Function


class Message(BaseModel):
    """What the model says."""

    role: str = "assistant"
    content: Annotated[str | None, BeforeValidator(_joined)] = None
    refusal: Annotated[str | None, BeforeValidator(_or_nothing)] = None
    tool_calls: list[ToolCall] | None = None


class Choice(BaseModel):
    """One of the alternative answers; Goalline asks for one."""

    message: Annotated[Message | None, _Lenient] = None
    finish_reason: Annotated[str | None, _Lenient] = None
    error: Any = None


class PromptDetails(BaseModel):
    """How the prompt's tokens divide."""

    cached_tokens: Annotated[TokenCount | None, _Lenient] = None


class Count(BaseModel):
    """The tokens of one call, as far as the server reports them."""

    prompt_tokens: Annotated[TokenCount | None, _Lenient] = None
    completion_tokens: Annotated[TokenCount | None, _Lenient] = None
    prompt_tokens_details: Annotated[PromptDetails | None, _Lenient] = None

    @property
    def cached_tokens(self) -> int:
        """The prompt's tokens that were cheaper because the provider had read them before."""
        return (self.prompt_tokens_details and self.prompt_tokens_details.cached_tokens) or 0


class Completion(BaseModel):
    """One answer of the model; without `choices` where the body held none that can be read."""

    model: Annotated[Annotated[str, AfterValidator(_short)] | None, _Lenient] = None
    choices: Annotated[list[Choice] | None, _Lenient] = None
    usage: Annotated[Count | None, _Lenient] = None
    error: Any = None

    @classmethod
    def read(cls, body: bytes) -> "Completion":
        """Read the body of an answer with status 200; one that is no completion at all gives an empty one."""
        try:
            return cls.model_validate_json(body)
        except ValidationError:
            return cls()

    def failure(self) -> Failure | None:
        """Return why there is no answer to look at, or None when there may be one."""
        choice = self.choices[0] if self.choices else None
        if error := choice.error if choice else self.error:
            named = error if isinstance(error, dict) else {"message": error}
            return failure.of_code(named.get("code") or named.get("type"), str(named.get("message")))
        finish = ((choice and choice.finish_reason) or "").lower()
        if finish in _FILTERED:
            return Failure(Reason.CONTENT_FILTER)
        if finish == "refusal" or (choice and choice.message and choice.message.refusal):
            return Failure(Reason.REFUSED)
        return Failure(Reason.TRUNCATED) if finish in _TRUNCATED else None
