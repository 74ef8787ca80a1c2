"""urllib as scripts use it, with its default Content-Type of a form. With RAW=1: http.client without a Content-Type."""

import http.client
import json
import os
import urllib.parse
import urllib.request
import uuid
from typing import Any

QUERY = urllib.parse.urlencode(
    {"accountID": os.environ["SPRINGHEAD_ACCOUNT_ID"], "secretKey": os.environ["SPRINGHEAD_SECRET_KEY"]}
)
URL = f"{os.environ['SPRINGHEAD_URL']}/pubapi/v1?{QUERY}"


def post(body: bytes) -> bytes:
    if os.environ.get("RAW"):
        address = urllib.parse.urlsplit(URL)
        connection = http.client.HTTPConnection(address.netloc, timeout=30)
        connection.request("POST", f"{address.path}?{address.query}", body)  # a raw string, no type
        answer = connection.getresponse()
        assert answer.status == 200
        content = answer.read()
        connection.close()
        return content
    with urllib.request.urlopen(urllib.request.Request(URL, data=body), timeout=30) as answer:
        return answer.read()


def call(method: str, params: Any) -> Any:
    ident = str(uuid.uuid4())
    data = {"method": method, "params": params, "id": ident, "header": {"accountID": "ignored", "secretKey": "ignored"}}
    response = json.loads(post(json.dumps(data).encode()))
    assert response["id"] == ident
    if response["error"] and response["result"] is None:
        raise RuntimeError(response["error"]["code"], response["error"]["message"])
    return response


def main() -> None:
    email = f"python.{os.getpid()}@example.com"
    created = call("createLeads", {"objects": [{"emailAddress": email, "lastName": "Čapek", "leadScore": 5}]})
    assert not created["error"]
    lead_id = created["result"]["creates"][0]["id"]
    taken = call("createLeads", {"objects": [{"emailAddress": email}]})
    if taken["error"]:
        assert taken["error"][0]["code"] == 301

    (lead,) = call("getLeads", {"where": {"emailAddress": email}, "limit": 500, "offset": 0})["result"]["lead"]
    assert int(lead["id"]) == lead_id
    assert lead["lastName"] == "Čapek"
    assert int(lead["leadScore"]) == 5
    assert call("updateLeads", {"objects": [{"id": lead["id"], "active": False}]})["result"]["updates"][0]["success"]
    assert call("getLeads", {"where": {}})["result"]["lead"] == []
    assert call("updateLeads", {"objects": [{"emailAddress": email, "active": "1"}]})["result"]["updates"][0]["success"]

    call("createLeads", {"objects": [{"emailAddress": f"{number}.{email}"} for number in range(10)]})
    leads: list[Any] = []
    while page := call("getLeads", {"where": {}, "limit": 5, "offset": len(leads)})["result"]["lead"]:
        leads += page
    assert len({row["id"] for row in leads}) == len(leads) == 11
    assert "lastName" in [field["systemName"] for field in call("getFields", {"where": {}})["result"]["field"]]

    gone = call("deleteLeads", {"objects": [{"id": row["id"]} for row in leads]})
    assert all(outcome["success"] for outcome in gone["result"]["deletes"])
    try:
        code = len(call("getLead", {}))
    except RuntimeError as refused:
        code, _ = refused.args
    assert code == 206
    print("ok")


main()
