"""A target as Azure Cosmos DB is one, made of a real node: a gateway that speaks version 4 only,
says what each request costs, refuses with OVERLOADED and RetryAfterMs beyond its budget, knows no
DISTINCT and no logged batches, and keeps one time for a whole row in tables that lack its flags."""

import re
import socket
import struct
import threading
import time

HEADER = struct.Struct(">BBhBi")
ERROR, OPTIONS, SUPPORTED, QUERY, PREPARE, EXECUTE, BATCH = 0, 5, 6, 7, 9, 10, 13
PROTOCOL, OVERLOADED, SYNTAX, INVALID = 0x000A, 0x1001, 0x2000, 0x2200
WRITE_UNITS, READ_UNITS = 5.0, 1.0
FLAG = re.compile(r"(?: WITH|\n?\s*AND) cosmosdb_cell_level_\w+ = true")
WRITTEN = re.compile(r"UPDATE (\S+) USING \w+ \d+ SET (\w+) = \d+ WHERE (.*)")
READ = re.compile(r"SELECT (WRITETIME|TTL)\((\w+)\) FROM (\S+) WHERE (.*)")


def string(text: str) -> bytes:
    return struct.pack(">H", len(text)) + text.encode()


def long_string(body: bytes) -> tuple[str, bytes]:
    size, = struct.unpack_from(">i", body)
    return body[4:4 + size].decode(), body[4 + size:]


def receive(sock: socket.socket) -> tuple[tuple, bytes] | None:
    def exactly(size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = sock.recv(size - len(data))
            if not part:
                raise ConnectionError
            data += part
        return data

    try:
        header = HEADER.unpack(exactly(HEADER.size))
        return header, exactly(header[4])
    except OSError:
        return None


class Refused(Exception):
    def __init__(self, code: int, text: str):
        super().__init__(text)
        self.code = code


class CosmosLike:
    """Listens on 127.0.0.1; `units_per_s` is what it lets through."""

    def __init__(self, address: str, port: int, units_per_s: float = 1e9):
        self.node = (address, port)
        self.units_per_s = units_per_s
        self.address, self.lock = "127.0.0.1", threading.Lock()
        self.spent: list[tuple[float, float]] = []  # (when, units)
        self.overloads = self.too_early = 0
        self.flagged: set[str] = set()
        self.last_column: dict[tuple[str, str], str] = {}
        self.refused_until: dict[bytes, float] = {}
        self.budget, self.refilled = units_per_s / 10, time.monotonic()
        self.sockets: list[socket.socket] = []
        self.listener = socket.create_server((self.address, 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def close(self) -> None:
        for sock in (self.listener, *self.sockets):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            sock.close()

    def units(self) -> float:
        with self.lock:
            return sum(units for _, units in self.spent)

    def most_in_a_second(self) -> float:
        """The most units that were charged within any second."""
        with self.lock:
            spent = sorted(self.spent)
        most = total = 0.0
        first = 0
        for when, units in spent:
            total += units
            while spent[first][0] < when - 1:
                total -= spent[first][1]
                first += 1
            most = max(most, total)
        return most

    def accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
                node = socket.create_connection(self.node)
            except OSError:
                return
            for sock in (client, node):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.sockets += [client, node]
            costs: dict[int, float] = {}
            sending = threading.Lock()
            threading.Thread(target=self.requests, args=(client, node, costs, sending),
                             daemon=True).start()
            threading.Thread(target=self.answers, args=(client, node, costs, sending),
                             daemon=True).start()

    def requests(self, client, node, costs, sending) -> None:
        while (message := receive(client)) is not None:
            (version, flags, stream, opcode, _), body = message
            try:
                if version != 4:
                    raise Refused(PROTOCOL, f"Invalid or unsupported protocol version ({version}); "
                                            "supported versions are (3/v3, 4/v4)")
                if opcode in (QUERY, PREPARE):
                    body = self.look_at_text(body)
                if opcode == BATCH and body[0] == 0:
                    raise Refused(INVALID, "logged batches are not supported")
                cost = self.cost_of(opcode, body)
                self.spend(cost, body)
            except Refused as refused:
                text = struct.pack(">i", refused.code) + string(str(refused))
                with sending:
                    client.sendall(HEADER.pack(0x84, 0, stream, ERROR, len(text)) + text)
                continue
            costs[stream] = cost
            node.sendall(HEADER.pack(4, flags, stream, opcode, len(body)) + body)
        node.close()

    def answers(self, client, node, costs, sending) -> None:
        while (message := receive(node)) is not None:
            (version, flags, stream, opcode, _), body = message
            cost = costs.pop(stream, 0.0)
            if opcode == SUPPORTED:
                body = (struct.pack(">H", 2) + string("CQL_VERSION") + struct.pack(">H", 1)
                        + string("3.4.4") + string("PROTOCOL_VERSIONS") + struct.pack(">H", 2)
                        + string("3/v3") + string("4/v4"))
            elif opcode != ERROR and not flags & 0x0A and cost:
                body = (struct.pack(">H", 1) + string("RequestCharge")
                        + struct.pack(">id", 8, cost) + body)
                flags |= 0x04
            try:
                with sending:
                    client.sendall(HEADER.pack(version, flags, stream, opcode, len(body)) + body)
            except OSError:
                break
        client.close()

    def look_at_text(self, body: bytes) -> bytes:
        text, rest = long_string(body)
        if text.startswith("SELECT DISTINCT"):
            raise Refused(SYNTAX, "DISTINCT is not supported")
        if text.startswith("BEGIN BATCH"):
            raise Refused(INVALID, "logged batches are not supported")
        if text.startswith("CREATE TABLE"):
            plain = FLAG.sub("", text)
            if plain != text:
                self.flagged.add(re.search(r"TABLE (?:IF NOT EXISTS )?(\S+)", text)[1])
            text = plain
        if found := WRITTEN.fullmatch(text):
            self.last_column[found[1], found[3]] = found[2]
        if (found := READ.fullmatch(text)) and found[3] not in self.flagged:
            column = self.last_column.get((found[3], found[4]), found[2])
            text = f"SELECT {found[1]}({column}) FROM {found[3]} WHERE {found[4]}"
        raw = text.encode()
        return struct.pack(">i", len(raw)) + raw + rest

    @staticmethod
    def cost_of(opcode: int, body: bytes) -> float:
        if opcode == BATCH:
            return WRITE_UNITS * struct.unpack_from(">H", body, 1)[0]
        if opcode == EXECUTE:
            return WRITE_UNITS
        if opcode == QUERY:
            text, _ = long_string(body)
            return READ_UNITS if text.startswith("SELECT") else WRITE_UNITS
        return 0.0

    def spend(self, cost: float, body: bytes) -> None:
        if not cost:
            return
        now = time.monotonic()
        with self.lock:
            self.budget = min(self.units_per_s / 10,
                              self.budget + (now - self.refilled) * self.units_per_s)
            self.refilled = now
            due = self.refused_until.pop(body, 0)
            if due and now < due - 0.002:
                self.too_early += 1
            if self.budget >= 0:
                self.budget -= cost
                self.spent.append((now, cost))
                return
            wait_ms = int(-self.budget / self.units_per_s * 1000) + 20
            self.overloads += 1
            self.refused_until[body] = now + wait_ms / 1000
        raise Refused(OVERLOADED, f"Request rate is large: ActivityID=7-7, RetryAfterMs={wait_ms}, "
                                  "Additional details='Response status code: 429'")
