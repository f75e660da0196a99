"""The `[engine]` table as a pydantic model, made from the key table.

It has every key that some release reads, with its type. What depends on the release, and the
contents of values, are judged by `check`. Nothing but this module imports pydantic here.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, create_model

from dockcfgd.engine_keys.key import FileRule, Key, NoDefault, Shape
from dockcfgd.engine_keys.table import table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["engine_model"]

_PLAIN: Mapping[Shape, Any] = {
    Shape.BOOL: bool,
    Shape.INT: int,
    Shape.STRING: str,
    Shape.SIZE: str,
    Shape.DURATION: str,
    Shape.STRINGS: list[str],
    Shape.STRING_MAP: dict[str, str],
    Shape.MAP_MAP: dict[str, dict[str, str]],
}
_FIELDS: Mapping[str, Any] = {
    "bool": bool,
    "int": int,
    "string": str,
    "size": str,
    "list[string]": list[str],
    "table": dict[str, object],
}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


@cache
def engine_model() -> type[BaseModel]:
    """Give the strict model; a field's alias is the key's own name, None stands for not set."""
    keys = [key for key in table().keys.values() if key.file is FileRule.READ]
    return _table_model("Engine", "", keys)


def _table_model(title: str, prefix: str, keys: Iterable[Key]) -> type[BaseModel]:
    inside = [key for key in keys if key.name.startswith(prefix)]
    fields: dict[str, Any] = {}
    for key in inside:
        name, dot, _ = key.name.removeprefix(prefix).partition(".")
        if not dot:
            fields[_python_name(name)] = (_type(key) | None, _field(key, name))
        elif _python_name(name) not in fields:
            model = _table_model(f"{title}_{_python_name(name)}", f"{prefix}{name}.", inside)
            summary = table().tables[f"{prefix}{name}"].summary
            default = Field(default=None, alias=name, description=summary)
            fields[_python_name(name)] = (model | None, default)
    made: type[BaseModel] = create_model(title, __base__=_Strict, **fields)
    return made


def _field(key: Key, name: str) -> Any:  # noqa: ANN401  # what pydantic calls a field has no type
    examples = None if isinstance(key.default, NoDefault) else [key.default]
    return Field(default=None, alias=name, description=key.summary, examples=examples)


def _type(key: Key) -> Any:  # noqa: ANN401  # the types of create_model are values
    plain = _PLAIN.get(key.shape)
    if plain is not None:
        return plain
    model = _object_model(key)
    return list[model] if key.shape is Shape.OBJECTS else dict[str, model]  # type: ignore[valid-type]  # made at run time


def _object_model(key: Key) -> type[BaseModel]:
    fields: dict[str, Any] = {
        name: (_FIELDS[kind], ...)
        if name in key.required_fields
        else (_FIELDS[kind] | None, Field(default=None))
        for name, kind in key.fields.items()
    }
    made: type[BaseModel] = create_model(_python_name(key.name), __base__=_Strict, **fields)
    return made


def _python_name(name: str) -> str:
    return name.replace("-", "_").replace(".", "_")
