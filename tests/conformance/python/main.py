# SPDX-License-Identifier: MIT
"""python main.py HOST:PORT [FILTER]   runs the cases (with FILTER in their name) against a server
python main.py --list               the cases, and the row of the specification that each covers
"""

import sys

from harness import cases, leave, run_cases
import shared  # noqa: F401
import cases_patterns  # noqa: F401
import cases_manage  # noqa: F401
import cases_queries  # noqa: F401
import cases_entities  # noqa: F401
import cases_workers  # noqa: F401
import cases_payloads  # noqa: F401
import cases_schedules  # noqa: F401
import cases_async  # noqa: F401
import cases_http  # noqa: F401

if sys.argv[1] == "--list":
    for name, row, *_ in cases:
        print(f"{name}\t{row}")
else:
    leave(run_cases(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else ""))
