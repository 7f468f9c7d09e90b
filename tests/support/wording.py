"""Where the words of a recorded reason are not ours: the one list of it.

Go's parsers say what they met in words that no user needs to know from elsewhere. Ours name the
same file or field and say in their words what is wrong, so only what comes before is compared.
"""

from __future__ import annotations

import re
from typing import Any

SYNTAX = "serde_json's words, with line and column, for text that is not JSON"
KIND = "serde_json's words, with line and column, for JSON of another kind; no names of Go's types"
MEMBER = "our words, with the member of the request; no names of Go's types"
TIME = "our words, with the text that is no time; Go shows the layout that it compared it with"

OWN_WORDS = {
    ("create_project", "not JSON"): SYNTAX,
    ("create_project", "wrong type"): MEMBER,
    ("delete", "broken version: refused"): SYNTAX,
    ("delete", "broken asset: refused"): SYNTAX,
    ("permissions", "owners of a wrong type"): MEMBER,
    ("probation", "reject refuses"): SYNTAX,
    ("reindex", "refused too"): KIND,
    ("request_file", "JSON array"): MEMBER,
    ("request_file", "boolean of a wrong type"): MEMBER,
    ("request_file", "empty file"): SYNTAX,
    ("request_file", "trailing text"): SYNTAX,
    ("validate", "link file is not JSON"): SYNTAX,
    ("validate", "bad start"): TIME,
    ("validate", "bad finish"): TIME,
}

PARSER = re.compile(
    r"; (invalid character|unexpected end of JSON|json: cannot unmarshal|parsing time) .*$", re.S
)


def with_recorded_words(vector: str, title: str, want: dict[str, Any], got: dict[str, Any]) -> None:
    """Put the recorded end of a reason in the place of ours, if the list says that they differ."""
    if (vector, title) not in OWN_WORDS or "response" not in want:
        return
    wanted, found = want["response"]["json"]["reason"], got["response"]["json"]["reason"]
    same = PARSER.sub("; ", wanted)
    assert same != wanted, f"{vector}: {title}: the recorded reason is none of a parser: {wanted}"
    if found.startswith(same) and len(found) > len(same) and found != wanted:
        got["response"]["json"]["reason"] = wanted
