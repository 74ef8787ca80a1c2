"""Small clients, written as people write them for the vendor's API, against the running server.

They get only the address and the credentials. Each does create, 301, getLeads by email, updateLeads,
paging, getFields and deleteLeads as such clients do (docs/wire/clients.md), and prints ok.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from programs import program
from support import Company

HERE = Path(__file__).parent

CLIENTS = {
    "PHP, curl": ("php", "php_curl.php", {}),
    "PHP, curl with Expect: 100-continue": ("php", "php_curl.php", {"HEADERS": "expect"}),
    "PHP, curl with credentials in the headers": ("php", "php_curl.php", {"HEADERS": "bearer"}),
    "PHP, file_get_contents over HTTP/1.0": ("php", "php_stream.php", {}),
    "PHP, file_get_contents over HTTP/1.1": ("php", "php_stream.php", {"HTTP_VERSION": "1.1"}),
    "PHP, a strict validator": ("php", "php_strict.php", {}),
    "Ruby, net/http": ("ruby", "ruby_net_http.rb", {}),
    "Node, fetch": ("node", "node_fetch.mjs", {}),
    "Node, http": ("node", "node_http.cjs", {}),
    "Python, urllib": (sys.executable, "python_urllib.py", {}),
    "Python, no content type": (sys.executable, "python_urllib.py", {"RAW": "1"}),
    "curl": ("bash", "curl.sh", {}),
}


@pytest.mark.parametrize("name", CLIENTS)
def test_a_client_works_as_it_is(name: str, given_company: Callable[..., Company]) -> None:
    interpreter, script, more = CLIENTS[name]
    program("curl" if script == "curl.sh" else interpreter)
    company = given_company(time_zone="Asia/Kolkata")

    done = subprocess.run(
        [interpreter, str(HERE / script)],
        env={
            **{key: value for key, value in os.environ.items() if "proxy" not in key.lower()},
            "SPRINGHEAD_URL": company.url,
            "SPRINGHEAD_ACCOUNT_ID": company.account_id,
            "SPRINGHEAD_SECRET_KEY": company.secret,
            **more,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.stdout, done.returncode) == ("ok\n", 0), done.stdout + done.stderr
