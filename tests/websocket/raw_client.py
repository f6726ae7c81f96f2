"""A client that sends whatever bytes it is told to, for what no WebSocket library would send."""

import asyncio
import base64
import os
import struct
from dataclasses import dataclass
from typing import Self

# For a broken build; a sound one takes as long as it takes.
_WITHIN_S = 60

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA


def frame(opcode: int, payload: bytes = b"", *, final: bool = True, masked: bool = True, rsv: int = 0) -> bytes:
    """One frame, as a client sends it."""
    first = (0x80 if final else 0) | rsv << 4 | opcode
    bit = 0x80 if masked else 0
    if len(payload) < 126:
        head = struct.pack("!BB", first, bit | len(payload))
    elif len(payload) < 1 << 16:
        head = struct.pack("!BBH", first, bit | 126, len(payload))
    else:
        head = struct.pack("!BBQ", first, bit | 127, len(payload))
    if not masked:
        return head + payload
    mask = os.urandom(4)
    repeated = (mask * (len(payload) // 4 + 1))[: len(payload)]
    mixed = (int.from_bytes(payload) ^ int.from_bytes(repeated)).to_bytes(len(payload))
    return head + mask + mixed


@dataclass
class RawClient:
    """A TCP connection to a WebSocket API."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @classmethod
    async def tcp(cls, address: str) -> Self:
        host, _, port = address.partition(":")
        return cls(*await asyncio.open_connection(host, int(port)))

    @classmethod
    async def connected(cls, address: str, path: str = "/v1") -> Self:
        """One whose handshake is accepted."""
        client = await cls.tcp(address)
        status = await client.handshake(path)
        assert status == 101, status
        return client

    async def handshake(self, path: str = "/v1", **headers: str) -> int:
        """Ask for a connection; the status of the answer. `Sec_WebSocket_Key=""` leaves a header out."""
        key = base64.b64encode(os.urandom(16)).decode()
        asked = {
            "Host": "x",
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": key,
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in asked.items() if value)
        self.writer.write(f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode())
        answer = await self.reader.readuntil(b"\r\n\r\n")
        return int(answer.split(b" ")[1])

    def send(self, *frames: bytes) -> None:
        self.writer.write(b"".join(frames))

    async def receive(self) -> tuple[int, bool, bytes]:
        """The next frame: its opcode, whether it is final, its payload."""
        async with asyncio.timeout(_WITHIN_S):
            return await self._receive()

    async def _receive(self) -> tuple[int, bool, bytes]:
        first, second = await self.reader.readexactly(2)
        assert not second & 0x80, "a server masks nothing"
        length = second & 0x7F
        if length == 126:
            length = int.from_bytes(await self.reader.readexactly(2))
        elif length == 127:
            length = int.from_bytes(await self.reader.readexactly(8))
        return first & 0xF, bool(first & 0x80), await self.reader.readexactly(length)

    async def close_code(self) -> int:
        """The code of the Close frame that comes next."""
        opcode, _, payload = await self.receive()
        assert opcode == CLOSE, (opcode, payload)
        return int.from_bytes(payload[:2])

    async def ended(self) -> None:
        """Wait until the server has closed the connection; what it still sends is thrown away."""
        async with asyncio.timeout(_WITHIN_S):
            try:
                while await self.reader.read(1 << 16):
                    pass
            except ConnectionResetError:
                pass

    def leave(self) -> None:
        """Vanish without a word."""
        self.writer.transport.abort()
