"""What every value of a record is: frozen, typed, strict."""

from pydantic import BaseModel, ConfigDict

Scalar = bool | int | float | str | None


class Value(BaseModel):
    """A frozen value that refuses unknown keys, wrong types and numbers that are not finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
