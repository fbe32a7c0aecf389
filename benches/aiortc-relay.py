"""A relay of data channels by aiortc, for `crates/loadgen` (scenario `data`): what the first peer says goes to all others.

Called with the core to stay on. In and out go frames of JSON, each behind its length in four bytes: in comes the card of
a peer, out goes ours, as `crates/loadgen/src/data_peer.rs` has them. The end of the input ends the relay.
"""

import asyncio
import json
import os
import struct
import sys

import aioice.ice
from aiortc import RTCCertificate, RTCIceCandidate, RTCIceGatherer, RTCIceTransport
from aiortc.rtcdatachannel import RTCDataChannel, RTCDataChannelParameters
from aiortc.rtcdtlstransport import RTCDtlsFingerprint, RTCDtlsParameters, RTCDtlsTransport
from aiortc.rtcicetransport import RTCIceParameters
from aiortc.rtcsctptransport import RTCSctpCapabilities, RTCSctpTransport

STREAM = 0
SCTP_PORT = 5000
MESSAGE_BYTES_MAX = 65536


class Peer:
    def __init__(self, certificate):
        self.gatherer = RTCIceGatherer(iceServers=[])
        self.ice = RTCIceTransport(self.gatherer)
        self.dtls = RTCDtlsTransport(self.ice, [certificate])
        # Peers are the DTLS clients; by itself aiortc would be one where it does not control ICE.
        self.dtls._set_role("server")
        self.sctp = RTCSctpTransport(self.dtls, SCTP_PORT)
        self.channel = RTCDataChannel(self.sctp, RTCDataChannelParameters(negotiated=True, id=STREAM))

    async def card(self):
        await self.gatherer.gather()
        credentials = self.gatherer.getLocalParameters()
        fingerprints = self.dtls.getLocalParameters().fingerprints
        fingerprint = next(one.value for one in fingerprints if one.algorithm == "sha-256")
        return {
            "ufrag": credentials.usernameFragment,
            "password": credentials.password,
            "fingerprint": fingerprint,
            "port": self.gatherer.getLocalCandidates()[0].port,
        }

    async def connect(self, card):
        candidate = RTCIceCandidate(
            component=1, foundation="1", ip="127.0.0.1", port=card["port"], priority=1, protocol="udp", type="host"
        )
        await self.ice.addRemoteCandidate(candidate)
        await self.ice.addRemoteCandidate(None)
        await self.ice.start(RTCIceParameters(usernameFragment=card["ufrag"], password=card["password"]))
        fingerprint = RTCDtlsFingerprint(algorithm="sha-256", value=card["fingerprint"])
        await self.dtls.start(RTCDtlsParameters(fingerprints=[fingerprint]))
        await self.sctp.start(RTCSctpCapabilities(maxMessageSize=MESSAGE_BYTES_MAX), SCTP_PORT)


async def main():
    os.sched_setaffinity(0, {int(sys.argv[1])})
    # aioice leaves the loopback interface out.
    aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    certificate = RTCCertificate.generateCertificate()
    peers, connecting = [], set()

    def relay(message):
        for peer in peers[1:]:
            peer.channel.send(message)

    while True:
        try:
            (length,) = struct.unpack("!I", await reader.readexactly(4))
        except asyncio.IncompleteReadError:
            # Nobody waits for goodbyes.
            os._exit(0)
        card = json.loads(await reader.readexactly(length))
        peer = Peer(certificate)
        if not peers:
            peer.channel.on("message", relay)
        peers.append(peer)
        answer = json.dumps(await peer.card()).encode()
        sys.stdout.buffer.write(struct.pack("!I", len(answer)) + answer)
        sys.stdout.buffer.flush()
        task = asyncio.ensure_future(peer.connect(card))
        connecting.add(task)
        task.add_done_callback(connecting.discard)


asyncio.run(main())
