#!/usr/bin/env python3
"""Validates reports against docs/findings.schema.json.

schema_test.py SCHEMA COMMAND [ARG...]   every line of COMMAND's output is a report
"""
import json
import subprocess
import sys

import jsonschema

schema = json.load(open(sys.argv[1], encoding='utf-8'))
validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
lines = subprocess.run(sys.argv[2:], stdout=subprocess.PIPE, check=True).stdout.splitlines()
wrong = 0
for number, line in enumerate(lines):
    report = json.loads(line)
    for error in validator.iter_errors(report):
        print(f'report {number}: {"/".join(map(str, error.absolute_path))}: {error.message[:200]}')
        wrong += 1
    # The schema lets members be added; it must still notice what is wrong.
    broken = dict(report, verdict='fine')
    if validator.is_valid(broken):
        print(f'report {number}: a wrong verdict is not noticed')
        wrong += 1
print(f'{len(lines)} reports, {wrong} wrong')
sys.exit(0 if lines and not wrong else 1)
