# SPDX-License-Identifier: MIT
"""Every answer of a transcript is one that docs/openapi.json promises: web_openapi.py DOC FILE."""
import json
import re
import sys
from urllib.parse import urlsplit

import jsonschema

sys.set_int_max_str_digits(0)  # one test sends a payload of a million of them
document = json.load(open(sys.argv[1], encoding="utf-8"))
asked = [json.loads(line) for line in open(sys.argv[2], encoding="utf-8")]
routes = []
for pattern, verbs in document["paths"].items():
    parts = [part if part.startswith("{") else re.escape(part) for part in pattern.split("/")]
    expression = "/".join("[^/]+" if part.startswith("{") else part for part in parts)
    routes.append((re.compile(expression + "/?", re.IGNORECASE), verbs, pattern))
# What is written out comes before what is captured.
routes.sort(key=lambda route: route[2].count("{"))
seen = set()
wrong = []


def look(answer):
    if answer["path"].startswith("!") and "text/plain" in answer["headers"]:
        return None  # it was no path of the API
    path = urlsplit("http://h" + answer["path"].lstrip("!")).path
    path = re.sub("^.*/(durabletask|durabletaskextension)/", "/", path)
    code = str(answer["code"])
    found = [r for r in routes if r[0].fullmatch(path) and answer["method"].lower() in r[1]]
    if not found:
        return None if code in ("400", "401", "403", "404") else f"{code}, and no route"
    operation = found[0][1][answer["method"].lower()]
    seen.add((found[0][2], answer["method"].lower(), code))
    promised = operation["responses"].get(code)
    if promised is None:
        return f"{code} is not among the answers of {operation['operationId']}"
    headers = dict(
        (name.lower(), value)
        for name, _, value in (line.partition(": ") for line in answer["headers"].splitlines())
    )
    for name, header in promised.get("headers", {}).items():
        if header.get("required") and name.lower() not in headers:
            return f"{code} without {name}"
    content = promised.get("content", {}).get("application/json")
    if answer["body"] == "":
        return None if content is None or code == "404" else f"{code} without a body"
    if content is None:
        return f"{code} with a body that nobody promised"
    if headers.get("content-type") != "application/json; charset=utf-8":
        return "the body is not said to be JSON"
    schema = {**content["schema"], "components": document["components"]}
    validator = jsonschema.Draft202012Validator(schema)
    error = next(validator.iter_errors(json.loads(answer["body"])), None)
    return error and f"{error.json_path}: {error.message}"


for one in asked:
    why = look(one)
    if why:
        wrong.append(f"{one['method']} {one['path']} -> {one['code']}: {why}")
for line in wrong:
    print("FAIL", line)
unasked = sorted(
    f"{verb} {pattern}"
    for pattern, verbs in document["paths"].items()
    for verb in verbs
    if not any(s[0] == pattern and s[1] == verb for s in seen)
)
for line in unasked:
    print("FAIL nobody asked", line)
print(len(asked), "answers,", len(wrong), "wrong,", len(seen), "kinds")
sys.exit(1 if wrong or unasked or not asked else 0)
