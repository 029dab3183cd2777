#!/bin/sh
# Whether a file is valid OpenAPI 3.0, by the schema that its makers publish and an implementation of
# JSON Schema that is not ours.  77: one of them is not installed.
set -eu
schema=/usr/share/openapi-specification/schemas/v3.0/schema.json
if [ ! -e "$schema" ]; then
    echo "skipped: openapi-specification is not installed (packaging/setup deps test)"
    exit 77
fi
if ! /usr/bin/python3 -c 'import jsonschema' 2>/dev/null; then
    echo "skipped: python3-jsonschema is not installed (packaging/setup deps test)"
    exit 77
fi
exec /usr/bin/python3 - "$schema" "$1" <<'END'
import json
import sys

import jsonschema

with open(sys.argv[1]) as file:
    schema = json.load(file)
with open(sys.argv[2]) as file:
    document = json.load(file)
errors = list(jsonschema.Draft4Validator(schema).iter_errors(document))
for error in errors:
    print("/".join(map(str, error.absolute_path)) + ": " + error.message[:500])


# What is no OpenAPI must be found, or the silence above means nothing.
def is_refused(change):
    spoilt = json.loads(json.dumps(document))
    change(spoilt)
    return not jsonschema.Draft4Validator(schema).is_valid(spoilt)


for name, change in (
    ("a missing title", lambda it: it["info"].pop("title")),
    ("a call without responses", lambda it: it["paths"]["/livez"]["get"].pop("responses")),
    ("an unknown key", lambda it: it["paths"]["/livez"]["get"].update({"answers": {}})),
    ("an unknown type", lambda it: it["components"]["schemas"]["Pids"].update({"type": "map"})),
):
    if not is_refused(change):
        print("the check does not find " + name)
        errors.append(name)
sys.exit(1 if errors else 0)
END
