"""Bytes of the native protocol, for tests that send what no driver would."""

import socket
import struct
import threading
import zlib

STARTUP, OPTIONS, QUERY, PREPARE, EXECUTE = 0x01, 0x05, 0x07, 0x09, 0x0A
ERROR, READY, RESULT = 0x00, 0x02, 0x08
PROTOCOL_ERROR = 0x000A
_CRC24_INIT, _CRC24_POLY = 0x875060, 0x1974F0B
_CRC32_INIT = b"\xfa\x2d\x55\xca"


def envelope(opcode: int, body: bytes = b"", version: int = 4, stream: int = 1, flags: int = 0,
             size: int | None = None) -> bytes:
    return struct.pack(">BBhBi", version, flags, stream, opcode,
                       len(body) if size is None else size) + body


def startup(version: int = 4) -> bytes:
    pairs = b"".join(struct.pack(">H", len(word)) + word for word in (b"CQL_VERSION", b"3.0.0"))
    return envelope(STARTUP, struct.pack(">H", 1) + pairs, version, stream=0)


def query(text: str, version: int = 4, stream: int = 1) -> bytes:
    encoded = text.encode()
    flags = struct.pack(">I", 0) if version >= 5 else b"\0"
    body = struct.pack(">i", len(encoded)) + encoded + struct.pack(">H", 1) + flags
    return envelope(QUERY, body, version, stream)


def segment(payload: bytes, self_contained: bool = True, wrong_header: bool = False,
            wrong_payload: bool = False) -> bytes:
    """An uncompressed v5 segment; on request one whose checksum is wrong."""
    header = (len(payload) | (1 << 17 if self_contained else 0)).to_bytes(3, "little")
    crc = (_crc24(header) ^ wrong_header).to_bytes(3, "little")
    trailer = struct.pack("<I", zlib.crc32(_CRC32_INIT + payload) ^ wrong_payload)
    return header + crc + payload + trailer


def _crc24(data: bytes) -> int:
    crc = _CRC24_INIT
    for byte in data:
        crc ^= byte << 16
        for _ in range(8):
            crc = (crc << 1) ^ (_CRC24_POLY if crc & 0x800000 else 0)
    return crc & 0xFFFFFF


class Raw:
    """A plain socket to a server."""

    def __init__(self, address: str, port: int, version: int = 4, started: bool = True):
        self.version = version
        self._socket = socket.create_connection((address, port), 10)
        self._left = b""
        if started:
            self.send(startup(version))
            self.read_envelope()

    def __enter__(self) -> "Raw":
        return self

    def __exit__(self, *_) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def finish(self) -> None:
        """No more bytes from us."""
        self._socket.shutdown(socket.SHUT_WR)

    def read(self, size: int, timeout_s: float = 10) -> bytes:
        """So many bytes; ConnectionResetError when the server closes before."""
        self._socket.settimeout(timeout_s)
        while len(self._left) < size:
            part = self._socket.recv(65536)
            if not part:
                raise ConnectionResetError("closed by the server")
            self._left += part
        found, self._left = self._left[:size], self._left[size:]
        return found

    def read_envelope(self, timeout_s: float = 10) -> tuple[int, int, bytes]:
        """(opcode, stream, body) of an answer outside of segments."""
        _, _, stream, opcode, size = struct.unpack(">BBhBi", self.read(9, timeout_s))
        return opcode, stream, self.read(size, timeout_s)

    def read_segment(self, timeout_s: float = 10) -> tuple[int, int, bytes]:
        """(opcode, stream, body) of the one envelope in a v5 segment."""
        header = int.from_bytes(self.read(6, timeout_s)[:3], "little")
        payload = self.read((header & 0x1FFFF) + 4, timeout_s)[:-4]
        _, _, stream, opcode, size = struct.unpack(">BBhBi", payload[:9])
        return opcode, stream, payload[9:9 + size]

    def read_everything(self, silence_s: float = 0.5) -> bytes:
        """All bytes until none came for a while, or the server closed."""
        found, self._left = self._left, b""
        self._socket.settimeout(silence_s)
        try:
            while part := self._socket.recv(1 << 20):
                found += part
        except TimeoutError:
            pass  # silence: the answer is complete
        return found

    def outcome(self, in_segments: bool = False, timeout_s: float = 10) -> tuple:
        """What the server makes of what it got: ("error", code, closed), or ("closed",), or
        ("silent",), or ("answer", opcode)."""
        try:
            read = self.read_segment if in_segments else self.read_envelope
            opcode, _, body = read(timeout_s)
        except TimeoutError:
            return ("silent",)
        except OSError:
            return ("closed",)
        if opcode != ERROR:
            return ("answer", opcode)
        return ("error", struct.unpack_from(">i", body)[0], self._closes())

    def _closes(self) -> bool:
        try:
            self.read(1, 1)
        except TimeoutError:
            return False
        except OSError:
            return True
        return False


class Relay:
    """Stands between the proxy and the source, and remembers what the proxy sent."""

    def __init__(self, address: str, port: int, listen_port: int = 0):
        self._to = (address, port)
        self._server = socket.create_server(("127.0.0.1", listen_port))
        self.port = self._server.getsockname()[1]
        self.address = "127.0.0.1"
        self._seen = bytearray()
        self._lock = threading.Lock()
        self._sockets = [self._server]
        threading.Thread(target=self._accept, daemon=True).start()

    def seen(self) -> bytes:
        with self._lock:
            return bytes(self._seen)

    def close(self) -> None:
        with self._lock:
            for one in self._sockets:
                try:
                    one.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass  # not connected any more
                one.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
                server = socket.create_connection(self._to, 10)
            except OSError:
                return
            with self._lock:
                self._sockets += [client, server]
            for one, other, keep in ((client, server, True), (server, client, False)):
                threading.Thread(target=self._pump, args=(one, other, keep), daemon=True).start()

    def _pump(self, one: socket.socket, other: socket.socket, keep: bool) -> None:
        try:
            while data := one.recv(65536):
                if keep:
                    with self._lock:
                        self._seen += data
                other.sendall(data)
            other.shutdown(socket.SHUT_WR)
        except OSError:
            one.close()
            other.close()


class Version4Only(Relay):
    """A server that speaks no version after 4, and says so as Cassandra does."""

    _REFUSAL = "Invalid or unsupported protocol version (5); supported versions are (3/v3, 4/v4)"

    def _pump(self, one: socket.socket, other: socket.socket, keep: bool) -> None:
        if keep and self._refused(one):
            one.close()
            other.close()
            return
        super()._pump(one, other, keep)

    def _refused(self, client: socket.socket) -> bool:
        first = client.recv(1, socket.MSG_PEEK)
        if not first or first[0] <= 4:
            return False
        client.recv(65536)  # so that closing does not reset the answer away
        text = self._REFUSAL.encode()
        body = struct.pack(">iH", PROTOCOL_ERROR, len(text)) + text
        client.sendall(envelope(ERROR, body, version=0x84, stream=0))
        return True
