"""The JSON schema of flight files, for editors: ``python -m harness.flight.jsonschema``."""

from __future__ import annotations

import json
import sys

from harness.flight.schema import FlightModel


def flight_schema() -> str:
    """The text of ``flights/schema.json``."""
    schema = FlightModel.model_json_schema()
    schema["properties"]["mirror"] |= {
        "default": "auto",
        "description": "auto (the machine's own apt sources) or the URL of a Debian mirror.",
    }
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return json.dumps({**head, **schema, "title": "A xenflight flight"}, indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(flight_schema())
