"""A WebRTC peer by aiortc with data channels: sends on a reliable and on a lossy one, and says what comes back.

Speaks JSON, one object a line. Out: {"offer": sdp}, then {"reliable": [...], "lossy": count} and {"reopened": id}.
In: {"answer": sdp}, {"go": true}, {"port": port of a relay}; the end of input ends the peer.
"""

import asyncio
import json
import sys

import aioice.ice
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

LOSSY_MESSAGES = 200
LONG_BYTES = 200_000


def say(message):
    print(json.dumps(message), flush=True)


async def standard_input():
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return reader


async def read(reader):
    line = await reader.readline()
    return json.loads(line) if line else None


def described(message):
    if isinstance(message, str):
        return "text:" + message
    intact = all(byte == index % 251 for index, byte in enumerate(message))
    return f"binary:{len(message)}{' intact' if intact else ''}"


async def opened(channel):
    while channel.readyState != "open":
        await asyncio.sleep(0.05)


async def main():
    # aioice leaves the loopback interface out, and a test machine may have no other.
    aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]
    reader = await standard_input()
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    # As RFC 8841 writes it; what browsers wrote before it is not read.
    connection._sctpLegacySdp = False
    reliable = connection.createDataChannel("reliable")
    lossy = connection.createDataChannel("lossy", ordered=False, maxRetransmits=0)
    heard, returned = [], set()
    reliable.on("message", lambda message: heard.append(described(message)))
    lossy.on("message", returned.add)
    await connection.setLocalDescription(await connection.createOffer())
    say({"offer": connection.localDescription.sdp})
    answer = (await read(reader))["answer"]
    await connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    await opened(reliable)
    await opened(lossy)
    say({"opened": [reliable.id, lossy.id]})
    await read(reader)
    for message in ("text", "", b"\x00\x01\x02", bytes(index % 251 for index in range(LONG_BYTES)), "end"):
        reliable.send(message)
    while not heard or heard[-1] != "text:end":
        await asyncio.sleep(0.05)
    # Not at the same time: aiortc forgets what waits on its reliable streams when messages of a lossy one are given up.
    for number in range(LOSSY_MESSAGES):
        lossy.send(str(number))
        await asyncio.sleep(0.01)
    await asyncio.sleep(1)
    say({"reliable": heard, "lossy": len(returned)})
    await read(reader)
    await connection.close()


asyncio.run(main())
