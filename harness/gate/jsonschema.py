"""The JSON schemas of policies, for editors, and of verdicts, for programs.

After a change::

    python -m harness.gate.jsonschema policy > flights/policy/schema.json
    python -m harness.gate.jsonschema verdict > docs/verdict.schema.json
"""

from __future__ import annotations

import json
import sys

from harness.gate.schema import PolicyModel
from harness.gate.verdict import VerdictFile

_HEAD = {"$schema": "https://json-schema.org/draft/2020-12/schema"}


def policy_schema() -> str:
    """The text of ``flights/policy/schema.json``."""
    schema = PolicyModel.model_json_schema()
    return json.dumps({**_HEAD, **schema, "title": "A xenflight gate policy"}, indent=2) + "\n"


def verdict_schema() -> str:
    """The text of ``docs/verdict.schema.json``."""
    schema = VerdictFile.model_json_schema(mode="serialization")
    return json.dumps({**_HEAD, **schema}, indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    sys.stdout.write(verdict_schema() if sys.argv[1:] == ["verdict"] else policy_schema())
