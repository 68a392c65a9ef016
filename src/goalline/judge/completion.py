"""The body of a chat completion, read leniently where providers differ and strictly where an answer stands."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, ValidatorFunctionWrapHandler
from pydantic import NonNegativeInt, WrapValidator

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
