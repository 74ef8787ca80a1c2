"""A DNS server on a real socket. The test sets its answers, and can change them from one question to the next."""

import socket
import struct
import threading
from collections import Counter
from ipaddress import ip_address
from typing import Self

A, CNAME, AAAA = 1, 5, 28


class Names:
    """Answers UDP questions until the `with` block ends.

    `answers` has for each name the answers to its first question, to its second, and so on; the last ones
    stay. An address can be another name (CNAME). A name without an entry does not exist. A name with no
    answers at all is never answered.
    """

    def __init__(self, **answers: list[list[str]]) -> None:
        self.answers = {name.replace("_", "."): rounds for name, rounds in answers.items()}
        self.asked: Counter[tuple[str, int]] = Counter()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.sendto(b"", self._socket.getsockname())
        self._thread.join(10)
        self._socket.close()

    def _serve(self) -> None:
        while True:
            question, asker = self._socket.recvfrom(4_096)
            if not question:
                return
            answer = self._answer(question)
            if answer:
                self._socket.sendto(answer, asker)

    def _answer(self, question: bytes) -> bytes | None:
        labels: list[str] = []
        position = 12
        while length := question[position]:
            labels.append(question[position + 1 : position + 1 + length].decode())
            position += 1 + length
        name, (kind,) = ".".join(labels).lower(), struct.unpack("!H", question[position + 1 : position + 3])
        rounds = self.answers.get(name)
        number = self.asked[name, kind]
        self.asked[name, kind] += 1
        if rounds == []:
            return None
        records = self._records(name, rounds[min(number, len(rounds) - 1)], kind) if rounds else []
        flags = 0x8180 if rounds else 0x8183  # an answer; that there is no such name
        return (
            question[:2]
            + struct.pack("!HHHHH", flags, 1, len(records), 0, 0)
            + question[12 : position + 5]
            + b"".join(records)
        )

    def _records(self, name: str, addresses: list[str], kind: int) -> list[bytes]:
        records: list[bytes] = []
        for address in addresses:
            if address in self.answers:
                records += [
                    _record(name, CNAME, _wire(address)),
                    *self._records(address, self.answers[address][-1], kind),
                ]
            elif (ip_address(address).version == 4) == (kind == A) and kind in {A, AAAA}:
                records.append(_record(name, kind, ip_address(address).packed))
        return records


def _record(name: str, kind: int, data: bytes) -> bytes:
    return _wire(name) + struct.pack("!HHIH", kind, 1, 0, len(data)) + data


def _wire(name: str) -> bytes:
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"
