"""A model made of what is right in a file's block, so that one mistake does not hide the next."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from orchestrator.domain.problem import Complaint
from orchestrator.domain.wording import complaints_of

Model = TypeVar("Model", bound=BaseModel)


class Part(BaseModel):
    """A block of an estate's file: unknown keys are errors, and nothing changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


def salvage(
    model: type[Model], data: Mapping[str, Any], complaints: list[Complaint], *path: str | int, **fallback: Any
) -> Model:
    """The model with what is right in `data`; the rest is complained of and left at its default or fallback.

    `path` is where `data` stands in the file. Every field of the model without a
    default needs a fallback.
    """
    try:
        return model.model_validate(data, by_alias=True, by_name=False)
    except ValidationError as error:
        found = complaints_of(error, model, data)
    complaints += [one.under(*path) for one in found]
    wrong = {one.path[0] for one in found if one.path}
    right = {key: value for key, value in data.items() if key not in wrong}
    return model.model_validate({**fallback, **right}, by_alias=True, by_name=False)
