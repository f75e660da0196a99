"""The whole TOML document as a JSON Schema (2020-12), for editors."""

from __future__ import annotations

from typing import Any

from dockcfgd.desired.schema import Root
from dockcfgd.engine_keys.json_schema import engine_schema

__all__ = ["document_schema"]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_UNSET = {
    "description": "Dotted keys of earlier files to forget.",
    "type": "array",
    "items": {"type": "string"},
    "maxItems": 1000,
    "examples": [["engine.log-opts.max-file"]],
}


def document_schema() -> dict[str, Any]:
    """Give the schema. What it refuses dockcfgd refuses too; dockcfgd refuses more.

    It knows neither the installed engine nor the host, and what stands in one file only.
    """
    made = Root.model_json_schema(by_alias=True)
    definitions = made.pop("$defs")
    properties: dict[str, Any] = made["properties"]
    del properties["package"]
    properties["unset"] = _UNSET
    properties["engine"] = {
        "description": "Keys of daemon.json under their own names.",
        **engine_schema(),
    }
    for name, schema in properties.items():
        if "$ref" in schema:
            properties[name] = definitions[schema["$ref"].rpartition("/")[2]]
    bare = _inlined(_without_titles(properties), definitions)
    return {
        "$schema": _DIALECT,
        "title": "dockcfgd",
        "description": "The desired state of a Docker host.",
        "type": "object",
        "properties": bare,
        "additionalProperties": False,
    }


def _without_titles(properties: dict[str, Any]) -> dict[str, Any]:
    """Drop the titles that pydantic makes of names; a property may itself be called title."""
    return {name: _without_title(schema) for name, schema in properties.items()}


def _without_title(schema: Any) -> Any:  # noqa: ANN401 -- any part of a schema
    if isinstance(schema, list):
        return [_without_title(inner) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: _without_titles(inner) if key == "properties" else _without_title(inner)
        for key, inner in schema.items()
        if key != "title"
    }


def _inlined(schema: Any, definitions: dict[str, Any]) -> Any:  # noqa: ANN401 -- any part of a schema
    """Put definitions where they are referred to: those left are enumerations, used once."""
    if isinstance(schema, list):
        return [_inlined(inner, definitions) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        rest = {key: inner for key, inner in schema.items() if key != "$ref"}
        definition = _without_title(definitions[schema["$ref"].rpartition("/")[2]])
        return {**_inlined(definition, definitions), **rest}
    return {key: _inlined(inner, definitions) for key, inner in schema.items()}
