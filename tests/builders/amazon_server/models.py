"""Hold requests and answers to Amazon's own Swagger models, which stay outside the project.

The folder of the models is `../shared/sp_api` beside the project, or the one that the environment variable
SP_API_MODELS names. Where it is absent, `load_models` returns None and nothing is checked; tests that need the models
skip with `WHY_SKIPPED`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import fastjsonschema

from tests.builders.sample import ROOT

FOLDER = Path(os.environ.get("SP_API_MODELS", ROOT.parent / "shared" / "sp_api"))
_DRAFT = "http://json-schema.org/draft-04/schema#"
FILES = ("reports_2021-06-30.json", "orders_2026-01-01.json")
WHY_SKIPPED = f"Amazon's models are not in {FOLDER}: no request or answer is held to them"


def _is_instant(value: str) -> bool:
    """Return whether a text is an instant with an offset, as RFC 3339 wants it."""
    try:
        return "T" in value and datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


@dataclass(frozen=True)
class Operation:
    """One operation of a model: its parameters, the schemas of its answers by status, and all definitions."""

    name: str
    parameters: Mapping[tuple[str, str], dict[str, Any]]
    answers: Mapping[str, dict[str, Any]]
    definitions: Mapping[str, Any]
    checkers: dict[str, Callable[[Any], Any]] = field(default_factory=dict)

    def check_request(self, path: Mapping[str, str], query: Mapping[str, str], body: bytes) -> list[str]:
        """Return what a request has against the model: unknown, missing and wrong parameters, and a wrong body."""
        found = [f"query parameter {name!r} is unknown" for name in query if ("query", name) not in self.parameters]
        for (place, name), parameter in self.parameters.items():
            if place == "body":
                found += self._check_json(body, parameter["schema"], "body") if body else ["there is no body"]
                continue
            values = path if place == "path" else query
            if name not in values:
                found += [f"{place} parameter {name!r} is missing"] if parameter.get("required") else []
            else:
                found += self._check_value(_typed(values[name], parameter), parameter, f"{place} parameter {name!r}")
        if body and not any(place == "body" for place, _ in self.parameters):
            found.append("there is a body, but the operation has none")
        return found

    def check_answer(self, status: int, headers: Mapping[str, str], body: bytes) -> list[str]:
        """Return what an answer has against the model: an unknown status, a missing header, a wrong body."""
        answer = self.answers.get(str(status))
        if answer is None:
            return [f"status {status} is unknown"]
        known = {name.lower() for name in headers}
        missing = [f"header {name} is missing" for name in answer.get("headers", {}) if name.lower() not in known]
        return missing + (self._check_json(body, answer["schema"], "answer") if "schema" in answer else [])

    def _check_json(self, body: bytes, schema: dict[str, Any], where: str) -> list[str]:
        try:
            value = json.loads(body)
        except ValueError as error:
            return [f"{where}: no JSON: {error}"]
        return self._check_value(value, schema, where)

    def _check_value(self, value: Any, schema: dict[str, Any], where: str) -> list[str]:
        key = json.dumps(schema, sort_keys=True)
        if key not in self.checkers:
            # A parameter says "required" of itself, where a schema lists the properties that are.
            inner = {name: one for name, one in schema.items() if name != "required"} if "in" in schema else schema
            whole = {"allOf": [inner], "definitions": self.definitions, "$schema": _DRAFT}
            self.checkers[key] = fastjsonschema.compile(whole, formats={"date-time": _is_instant}, use_default=False)
        try:
            self.checkers[key](value)
        except fastjsonschema.JsonSchemaValueException as error:
            return [error.message.replace("data", where, 1)[:300]]
        return []


@cache
def load_models(folder: Path = FOLDER) -> dict[str, Operation] | None:
    """Return the operations of Amazon's models by name, or None where the models are absent."""
    if not all((folder / name).is_file() for name in FILES):
        return None
    found = [one for name in FILES for one in _operations(json.loads((folder / name).read_text(encoding="utf-8")))]
    return {operation.name: operation for operation in found}


def _operations(model: dict[str, Any]) -> Iterator[Operation]:
    definitions = {name: _closed(schema) for name, schema in model["definitions"].items()}
    for methods in model["paths"].values():
        for method, told in methods.items():
            if method == "parameters":
                continue
            parameters = {(one["in"], one["name"]): one for one in told.get("parameters", [])}
            yield Operation(told["operationId"], parameters, told["responses"], definitions)


def _closed(schema: Any) -> Any:
    """Return a schema whose objects allow no property that it does not name: a misspelt one is an error."""
    if isinstance(schema, list):
        return [_closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {key: one if key in ("example", "enum") else _closed(one) for key, one in schema.items()}
    if isinstance(schema.get("properties"), dict) and "type" in schema and "additionalProperties" not in schema:
        inner["additionalProperties"] = False
    return inner


def _typed(text: str, parameter: Mapping[str, Any]) -> Any:
    """Return the value of a parameter from its text; a text that is none of its type stays a text."""
    kind = parameter["type"]
    if kind == "array":
        return text.split(",")
    if kind == "boolean":
        return {"true": True, "false": False}.get(text, text)
    if kind == "integer":
        return int(text) if text.lstrip("-").isdigit() else text
    return text
