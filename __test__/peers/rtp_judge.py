"""Reads packets with aiortc's classes and writes them again: a judge that shares no code with this package.

In: a JSON list of {"kind": "rtp" | "rtcp", "hex"}. Out: for each what was read, and the bytes of writing it.
"""

import dataclasses
import json
import sys

from aiortc.rtcrtpparameters import RTCRtpHeaderExtensionParameters, RTCRtpParameters
from aiortc.rtp import HeaderExtensionsMap, RtcpPacket, RtpPacket

request = json.load(sys.stdin)

extensions = HeaderExtensionsMap()
extensions.configure(
    RTCRtpParameters(
        headerExtensions=[
            RTCRtpHeaderExtensionParameters(id=extension["id"], uri=extension["uri"])
            for extension in request["headerExtensions"]
        ]
    )
)


def plain(value):
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items() if item is not None}
    return value


def read_rtp(data):
    packet = RtpPacket.parse(data, extensions)
    fields = {
        name: plain(getattr(packet, name))
        for name in (
            "marker payload_type sequence_number timestamp ssrc csrc payload padding_size".split()
        )
    }
    fields["extensions"] = plain(dataclasses.asdict(packet.extensions))
    return {"fields": fields, "hex": packet.serialize(extensions).hex()}


def read_rtcp(data):
    packets = RtcpPacket.parse(data)
    fields = [
        {"class": type(packet).__name__, **plain(dataclasses.asdict(packet))}
        for packet in packets
    ]
    return {"fields": fields, "hex": b"".join(bytes(packet) for packet in packets).hex()}


READERS = {"rtp": read_rtp, "rtcp": read_rtcp}
json.dump(
    [READERS[packet["kind"]](bytes.fromhex(packet["hex"])) for packet in request["packets"]],
    sys.stdout,
)
