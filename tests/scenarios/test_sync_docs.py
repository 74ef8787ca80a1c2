"""The program of docs/sync.md keeps an exact copy, even if it is killed and started again."""

import json
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from doc_pages import TOP
from support import Company, eventually

PAGE = TOP / "docs" / "sync.md"


def test_the_copy_of_the_guide_stays_exact(company: Company, tmp_path: Path) -> None:
    (program, _) = re.findall(r"^```python\n(.*?)\n```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    program = program.replace("http://127.0.0.1:8025", company.url)
    program = program.replace("ACCOUNTID", company.account_id).replace("SECRETKEY", company.secret)
    script = tmp_path / "copy.py"
    script.write_text(program)
    utc = company.at("v1.2")

    def start() -> "subprocess.Popen[bytes]":
        return subprocess.Popen([sys.executable, script], cwd=tmp_path)

    def copied() -> dict[str, Any]:
        with closing(sqlite3.connect(tmp_path / "leads.db")) as copy:
            return {row[0]: json.loads(row[1]) for row in copy.execute("select id, data from lead")}

    def exact() -> bool:
        try:
            copy = copied()
        except sqlite3.OperationalError:  # the program has not begun yet
            return False
        return copy == {row["id"]: row for row in utc.call("searchLeads", limit=500, inactive=1)}

    leads = company.create(*({"city": "Rome"} for _ in range(20)), {"active": 0})
    running = start()
    try:
        eventually(exact)
        company.call("updateLeads", objects=[{"id": lead, "city": "Oslo"} for lead in leads[:7]])
        company.call("deleteLeads", objects=[{"id": leads[8]}])
        eventually(exact)

        running.kill()
        running.wait(10)
        company.call("deleteLeads", objects=[{"id": leads[9]}])
        leads += company.create({"city": "Bonn"})
        assert not exact()
        running = start()

        eventually(exact)
        assert len(copied()) == 20
    finally:
        running.kill()
        running.wait(10)
