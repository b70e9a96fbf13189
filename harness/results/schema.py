"""The JSON schema of ``results.json``.

After a change of the model: ``python -m harness.results.schema > docs/results.schema.json``.
"""

from __future__ import annotations

import json

from harness.results.model import FlightResult


def schema_text() -> str:
    """The schema as it stands in docs/results.schema.json."""
    schema = FlightResult.model_json_schema(mode="serialization")
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return json.dumps({**dialect, **schema}, indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    print(schema_text(), end="")
