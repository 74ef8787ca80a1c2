"""Adding a noun takes the four steps of CONTRIBUTING, and no line elsewhere.

`tests/new_noun/` takes them for a noun that exists only there. A run of pytest of its own, with that noun registered,
then tests it like every other noun: values, isolation by either check, examples, declared errors, statements,
export and erasure. It is a run of its own, since a registered method is part of all documents.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]
RUN = (
    "methods/nouns", "contract/test_isolation.py", "contract/test_methods.py", "contract/test_sql.py",
    "contract/test_personal_data.py",
)  # fmt: skip
CHOSEN = "(gift or Gift) and not called_in_the_tests"


def test_a_noun_made_by_the_four_steps_is_tried_like_every_other() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "new_noun.plugin", "-p", "no:cacheprovider"]
    files = [*(str(TESTS / file) for file in RUN), str(TESTS / "new_noun" / "gift_rules.py")]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment["PYTHONPATH"] = str(TESTS)

    run = subprocess.run(
        [*command, "-k", CHOSEN, *files], capture_output=True, text=True, check=False, cwd=TESTS.parent, env=environment
    )

    assert run.returncode == 0, run.stdout[-5000:] + run.stderr[-2000:]
    passed = re.search(r"(\d+) passed", run.stdout)
    assert passed, run.stdout
    assert int(passed[1]) > 60, "fewer tests than every noun has"
