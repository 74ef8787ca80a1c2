"""One POST to a receiver, good or bad: the addresses it reaches, what it keeps, and how long it takes."""

import asyncio
import json
import resource
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Generator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pytest
import uvloop

from delivery.names import Names
from delivery.receiver import Receiver
from springhead.delivery import client
from springhead.delivery.client import is_own
from springhead.delivery.receiver_answers import KEPT_BYTES, ReceiverAnswer, wait_of
from springhead.delivery.sender import Sender
from springhead.model.feed.receiver_addresses import Networks, kind_of

T = TypeVar("T")

HERE = Networks.of(["127.0.0.0/8", "::1"], http=True)
NOWHERE = Networks(http=True)


@pytest.fixture
def receiver() -> Generator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A timeout of one second instead of fifteen."""
    monkeypatch.setattr(client, "TOTAL_SECONDS", 1.0)
    monkeypatch.setattr(client, "CONNECT_SECONDS", 0.5)
    monkeypatch.setattr(client, "BODY_SECONDS", 0.3)


def using(work: Callable[[Sender], Coroutine[Any, Any, T]], networks: Networks = HERE, names: Names | None = None) -> T:
    """Runs work with a sender on an event loop like the server's. Returns its result."""

    async def run() -> T:
        async with Sender(networks, name_server=("127.0.0.1", names.port) if names else None) as sender:
            return await work(sender)

    return uvloop.run(run())


def post(url: str, body: bytes = b"{}", *, networks: Networks = HERE, names: Names | None = None) -> ReceiverAnswer:
    return using(lambda sender: sender.post(url, body, {"webhook-id": "msg_1"}), networks, names)


def test_a_push_arrives_unchanged_and_its_answer_is_returned(receiver: Receiver) -> None:
    body = json.dumps({"city": "Łódź" * 100_000}).encode()

    answer = post(receiver.url("/201?a=b%20c"), body)

    (received,) = receiver.posts
    assert (received.path, received.body) == ("/201?a=b%20c", body)
    assert received.headers["content-type"] == "application/json"
    assert received.headers["content-length"] == str(len(body))
    assert received.headers["webhook-id"] == "msg_1"
    assert received.headers["user-agent"].startswith("Springhead/")
    assert received.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert received.headers.keys().isdisjoint({"cookie", "authorization", "transfer-encoding", "expect"})
    assert (answer.status, answer.error, answer.body, answer.accepted) == (201, None, "ok", True)
    assert 0 < answer.duration < 5


@pytest.mark.parametrize("status", [204, 400, 404, 410, 429, 500, 503, 599])
def test_any_status_is_an_answer_and_only_2xx_accepts(status: int, receiver: Receiver) -> None:
    answer = post(receiver.url(f"/{status}"))

    assert (answer.status, answer.error, answer.accepted) == (status, None, status == 204)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_an_answer_and_is_not_followed(status: int, receiver: Receiver) -> None:
    with Receiver() as other:
        receiver.answers["/there"] = f"{status} Location: {other.url('/200')}"
        answer = post(receiver.url("/there"))

        assert (answer.status, answer.accepted) == (status, False)
        assert other.connections == 0


def test_a_connection_is_used_for_many_pushes(receiver: Receiver) -> None:
    async def work(sender: Sender) -> float:
        await sender.post(receiver.url(), b"{}", {})
        started = time.perf_counter()
        for _ in range(200):
            await sender.post(receiver.url(), b"{}", {})
        return (time.perf_counter() - started) / 200

    seconds = using(work)

    assert {received.connection for received in receiver.posts} == {1}
    assert seconds < 0.005  # 0.0004 when nothing else runs


def test_a_connection_that_the_receiver_has_closed_causes_no_failure(receiver: Receiver) -> None:
    async def work(sender: Sender) -> list[int | None]:
        first = [(await sender.post(receiver.url("/once"), b"{}", {})).status for _ in range(20)]
        await sender.post(receiver.url("/200"), b"{}", {})
        receiver.answers["/200"] = "close"
        refused = await sender.post(receiver.url("/200"), b"{}", {})
        assert refused.error == "the connection was closed without an answer"
        return first

    assert using(work) == [200] * 20
    assert receiver.asked["/200"] == 3  # the kept connection's end is no answer; a fresh one's is


def test_cookies_of_an_answer_are_not_stored(receiver: Receiver) -> None:
    async def work(sender: Sender) -> None:
        for _ in range(2):
            await sender.post(receiver.url("/cookie").replace("127.0.0.1", "localhost"), b"{}", {})

    using(work)

    assert ["cookie" in received.headers for received in receiver.posts] == [False, False]


def test_proxy_settings_of_the_environment_are_ignored(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with Receiver() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "https_proxy"):
            monkeypatch.setenv(name, proxy.url(""))
        (tmp_path / "netrc").write_text("machine 127.0.0.1 login ada password secret")
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))

        assert post(receiver.url()).accepted
        assert proxy.connections == 0
        assert "authorization" not in receiver.posts[0].headers


# Faults of receivers

BAD = {
    "hang": (None, "no answer within 1 seconds"),
    "drip": (None, "no answer within 1 seconds"),
    "continue": (None, "no answer within 1 seconds"),
    "reset": (None, "the connection broke: connection reset by peer"),
    "close": (None, "the connection was closed without an answer"),
    "nonsense": (None, "the answer is not valid HTTP: "),
    "headers": (None, "the answer is not valid HTTP: "),
    "long-header": (None, "the answer is not valid HTTP: "),
    "drip-body": (200, "a"),
    "half": (200, "half"),
    "huge": (200, ""),
    "endless": (200, "a" * KEPT_BYTES),
    "bomb": (200, "\x1f"),
    "dirty": (500, "ab\ufffd\ufffd\ufffd\ufffd\ufffdc\x1b[31m\r\n\ufffd"),
}


@pytest.mark.parametrize("behaviour", BAD)
@pytest.mark.usefixtures("impatient")
def test_a_bad_receiver_costs_a_second_and_no_memory(behaviour: str, receiver: Receiver) -> None:
    status, words = BAD[behaviour]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    answer = post(receiver.url(f"/{behaviour}"))

    assert answer.status == status
    assert (answer.body if status else answer.error or "").startswith(words)
    assert answer.duration < {"huge": 0.3, "endless": 0.3, "drip-body": 0.9}.get(behaviour, 3)
    assert len(answer.body.encode()) <= KEPT_BYTES
    assert "\0" not in answer.body
    assert len(answer.error or "") < 500
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60_000  # KiB


def connections(receiver: Receiver) -> int:
    """The number of our connections to a receiver."""
    own = psutil.Process().net_connections("tcp")
    return sum(bool(connection.raddr) and connection.raddr.port == receiver.port for connection in own)


def post_unread(receiver: Receiver, path: str) -> ReceiverAnswer:
    """The outcome of a large push that its receiver does not read, after its connection has ended."""

    async def work(sender: Sender) -> ReceiverAnswer:
        answer = await sender.post(receiver.url(path), b"x" * 20_000_000, {})
        end = time.monotonic() + 20
        while connections(receiver) and time.monotonic() < end:  # noqa: ASYNC110 - the kernel tells nobody
            await asyncio.sleep(0.1)
        return answer

    answer = using(work)
    assert connections(receiver) == 0
    return answer


@pytest.mark.usefixtures("impatient")
def test_a_push_that_the_receiver_does_not_read_frees_its_memory(receiver: Receiver) -> None:
    assert post_unread(receiver, "/deaf").error == "no answer within 1 seconds"


@pytest.mark.usefixtures("impatient")
def test_an_answer_before_the_end_of_the_push_counts(receiver: Receiver) -> None:
    answer = post_unread(receiver, "/early")

    assert (answer.status, answer.body) == (413, "no")


@pytest.mark.usefixtures("impatient")
def test_an_answer_before_the_end_of_the_push_counts_if_it_is_read_before_the_connection_is_reset(
    receiver: Receiver,
) -> None:
    """A receiver that closes with unread bytes resets the connection, which can come first on a busy machine."""
    answers = (post_unread(receiver, "/early-and-gone") for _ in range(10))

    assert any((answer.status, answer.body) == (413, "no") for answer in answers)


def test_extra_bytes_after_an_answer_are_not_the_answer_to_the_next_push(receiver: Receiver) -> None:
    async def work(sender: Sender) -> list[int | None]:
        return [(await sender.post(receiver.url(path), b"{}", {})).status for path in ("/two", "/200", "/200")]

    assert using(work) == [200, 200, 200]


def test_a_header_of_some_kilobytes_is_accepted(receiver: Receiver) -> None:
    receiver.answers["/long"] = "200 Content-Security-Policy: " + "a" * 6_000
    assert post(receiver.url("/long")).accepted


def test_receivers_that_hang_do_not_keep_others_waiting(receiver: Receiver) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 8_192), most))

    async def work(sender: Sender) -> list[float]:
        hanging = [asyncio.create_task(sender.post(receiver.url("/hang"), b"{}", {})) for _ in range(500)]
        while receiver.asked["/hang"] < 500:  # noqa: ASYNC110 - the receiver lives in another thread
            await asyncio.sleep(0.01)
        took = [(await sender.post(receiver.url("/200"), b"{}", {})).duration for _ in range(100)]
        for task in hanging:
            task.cancel()
        await asyncio.gather(*hanging, return_exceptions=True)
        return took

    took = sorted(using(work))

    assert took[50] < 0.02
    assert took[99] < 0.5


# Addresses that are never contacted

REFUSED = {
    "127.0.0.1": "127.0.0.1 is a loopback address",
    "localhost": "localhost leads to a loopback address",
    "[::1]": "::1 is a loopback address",
    "[::]": ":: is not an address of a machine",
    "[::ffff:127.0.0.1]": "::ffff:127.0.0.1 leads to a loopback address",
    "[::ffff:a9fe:a9fe]": "::ffff:a9fe:a9fe leads to a link-local address",
    "10.0.0.1": "10.0.0.1 is a private address",
    "169.254.169.254": "169.254.169.254 is a link-local address",
    "[fe80::1%25lo]": "fe80::1%25lo leads to a link-local address",
    "[fd00:ec2::254]": "fd00:ec2::254 is a private address",
    "[64:ff9b::7f00:1]": "64:ff9b::7f00:1 is a reserved address",
    "192.168.0.1": "192.168.0.1 is a private address",
}


@pytest.mark.parametrize(("host", "words"), REFUSED.items())
def test_an_address_that_is_not_public_is_refused_at_the_connection(host: str, words: str, receiver: Receiver) -> None:
    """Such URLs are refused when a subscription is made. The sender refuses them as well."""
    answer = post(f"http://{host}:{receiver.port}/200", networks=NOWHERE)

    assert answer.status is None
    assert (answer.error or "").startswith("refused: ")
    assert words in (answer.error or "")
    assert receiver.connections == 0


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0", "①②⑦.⓪.⓪.①", "127。0。0。1"])
def test_odd_spellings_of_an_address_reach_nothing(host: str, receiver: Receiver) -> None:
    assert post(f"http://{host}:{receiver.port}/200", networks=NOWHERE).status is None
    assert receiver.connections == 0


A_FEW_DENIED = [
    *("0.0.0.0", "10.0.0.1", "100.64.0.1", "127.0.0.1", "169.254.169.254", "172.16.0.1", "192.0.0.1", "192.0.2.1"),
    *("192.88.99.1", "192.168.1.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "240.0.0.1"),
    *("255.255.255.255", "::", "::1", "::7f00:1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1", "100::1"),
    *(
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fec0::1",
        "ff02::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::",
    ),
    *("3fff::1", "168.63.129.16"),
]


@pytest.mark.parametrize("address", A_FEW_DENIED)
def test_a_name_that_leads_to_an_address_that_is_not_public_is_refused(address: str, receiver: Receiver) -> None:
    with Names(crm_example=[[address]], other_example=[["crm.example"]]) as names:
        for name in ("crm.example", "other.example"):  # the latter by a CNAME
            answer = post(f"http://{name}:{receiver.port}/200", networks=NOWHERE, names=names)
            assert answer.error == f"refused: {name} leads to {kind_of(ip_address(address))}"
    assert receiver.connections == 0


def test_of_public_and_other_addresses_only_the_public_ones_are_connected_to() -> None:
    only = Networks.of(["127.0.0.2"], http=True)
    with Receiver("127.0.0.2") as good, Receiver("127.0.0.1", port=good.port) as bad:
        for addresses in (["127.0.0.1", "127.0.0.2"], ["10.0.0.1", "127.0.0.2", "::1"], ["::1", "127.0.0.2"]):
            with Names(mixed_example=[addresses]) as names:
                assert post(f"http://mixed.example:{good.port}/200", networks=only, names=names).accepted
        with Names(mixed_example=[["127.0.0.1", "::1"]]) as names:
            answer = post(f"http://mixed.example:{good.port}/200", networks=only, names=names)

        assert answer.error == "refused: mixed.example leads to a loopback address"
        assert len(good.posts) == 3
        assert bad.connections == 0


def test_a_name_is_checked_again_at_each_look_up() -> None:
    """DNS rebinding: the first look-up gives a public address, the next an internal one."""
    only = Networks.of(["127.0.0.2"], http=True)
    with Receiver("127.0.0.2") as good, Receiver("127.0.0.1", port=good.port) as bad:
        good.answers["/close"] = "500 Connection: close"
        with Names(rebound_example=[["127.0.0.2"], ["127.0.0.1"]]) as names:

            async def work(sender: Sender) -> list[ReceiverAnswer]:
                url = f"http://rebound.example:{good.port}/once"
                return [await sender.post(url, b"{}", {}) for _ in range(3)]

            first, *later = using(work, only, names)

        assert first.accepted
        assert [answer.error for answer in later] == ["refused: rebound.example leads to a loopback address"] * 2
        assert bad.connections == 0


def test_only_the_addresses_of_this_machine_are_local() -> None:
    assert is_own(ip_address("127.0.0.1"))
    assert not is_own(ip_address("192.0.2.1"))
    assert not is_own(ip_address("2001:db8::1"))


def test_names_that_do_not_resolve_or_time_out_are_named_in_the_error(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "CONNECT_SECONDS", 0.5)
    with Names(hangs_example=[]) as names:

        async def work(sender: Sender) -> tuple[ReceiverAnswer, ReceiverAnswer, list[ReceiverAnswer]]:
            nowhere = await sender.post("http://nowhere.example/", b"{}", {})
            hanging = [asyncio.create_task(sender.post(f"http://hangs.example/{n}", b"{}", {})) for n in range(200)]
            await asyncio.sleep(0.1)
            fine = await sender.post(receiver.url(), b"{}", {})  # while 200 look-ups hang
            return nowhere, fine, await asyncio.gather(*hanging)

        nowhere, fine, hanging = using(work, HERE, names)

    assert (nowhere.error or "").startswith("the name nowhere.example does not resolve: ")
    assert fine.accepted
    assert {answer.error for answer in hanging} == {"no connection within 0.5 seconds"}


def test_a_closed_port_is_named_in_the_error() -> None:
    with Receiver() as gone:
        url = gone.url()
    assert post(url).error == "no connection: connection refused"


# The last look before the body


def test_a_body_is_not_sent_if_the_last_look_refuses_it(receiver: Receiver) -> None:
    """On a new connection and on one that was used before. What was raised is what the caller gets."""

    async def refuse() -> None:
        raise LookupError

    async def work(sender: Sender) -> None:
        for _ in range(2):
            with pytest.raises(LookupError):
                await sender.post(receiver.url(), b"{}", {}, refuse)
            await sender.post(receiver.url(), b"{}", {})

    using(work)
    assert len(receiver.posts) == 2


# TLS


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for push.example and its key, as c.pem and k.pem."""
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-keyout", folder / "k.pem", "-out", folder / "c.pem", "-days", "2", "-subj", "/CN=push.example"),
            *("-addext", "subjectAltName=DNS:push.example"),
        ],
        check=True,
        capture_output=True,
    )
    return folder


@pytest.fixture
def tls(certificates: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificates / "c.pem", certificates / "k.pem")
    return context


def test_https_is_verified(tls: ssl.SSLContext, certificates: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        Receiver(tls=tls) as receiver,
        Names(push_example=[["127.0.0.1"]], other_example=[["127.0.0.1"]]) as names,
    ):
        url = receiver.url("/200", host="push.example")
        unknown = post(url, names=names)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificates / "c.pem"))  # as an operator adds an authority
        known = post(url, names=names)
        other = post(receiver.url("/200", host="other.example"), names=names)

    assert unknown.error == "its certificate is not trusted: self-signed certificate"
    assert known.accepted
    assert (other.error or "").startswith("its certificate is not trusted: Hostname mismatch")
    assert len(receiver.posts) == 1


@pytest.mark.usefixtures("impatient")
def test_a_receiver_without_tls_fails_cleanly(receiver: Receiver) -> None:
    answer = post(receiver.url().replace("http:", "https:"))

    assert answer.status is None
    assert answer.duration < 3


# Retry-After


def test_retry_after_is_read_in_both_forms_and_is_a_day_at_most(receiver: Receiver) -> None:
    receiver.answers["/busy"] = "429 Retry-After: 120"
    assert post(receiver.url("/busy")).retry_after == 120

    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    assert 80 < (wait_of(soon) or 0) <= 90
    assert wait_of("Sun, 06 Nov 1994 08:49:37 GMT") == 0
    assert wait_of("Fri, 31 Dec 9999 23:59:59 GMT") == 86_400
    assert wait_of("999999999") == 86_400
    assert wait_of("0") == 0
    for nonsense in (None, "", "-1", "soon", "1.5", "٣", "1e3", "Fri, 99 Dec 2026 23:59:59 GMT", "9" * 5_000):
        assert wait_of(nonsense) is None


def test_a_public_address_is_reached_but_not_this_machine_even_by_dns_rebinding() -> None:
    """DNS rebinding in a network of the test's own: the first look-up gives 9.9.9.9, the next 127.0.0.1."""
    if subprocess.run(["unshare", "--net", "true"], check=False, capture_output=True).returncode:
        pytest.skip("no network of its own for a test: it takes root on Linux")
    program = Path(__file__).with_name("public.py")

    done = subprocess.run(
        ["unshare", "--net", sys.executable, program], check=False, capture_output=True, text=True, timeout=60
    )

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "neighbour": 200,
        "own": "refused: 9.9.9.1 is this server's own address",
        "name": 200,
        "the same name later": "refused: moves.example leads to a loopback address",
        "here": 0,
    }
