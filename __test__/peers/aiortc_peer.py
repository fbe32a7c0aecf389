"""A WebRTC peer by aiortc: publishes a tone and a colour, and says which tones and colours it receives.

Speaks JSON, one object a line. Its argument: {"pitchHz", "colour": [r, g, b], "loss", "seed", "offers"}.
Out: {"offer": sdp} first if it offers, {"answer": sdp} for each offer, and {"impressions": [...]} twice a second: for each
track that is received, {"pitchHz"} or {"colour", "frames"}.
In: {"answer": sdp} and {"offer": sdp}; the end of input ends the peer.
"""

import asyncio
import fractions
import json
import random
import sys

import aioice.ice
import numpy
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamTrack
from av import AudioFrame, VideoFrame

SAMPLE_RATE_HZ = 48_000
SAMPLES_PER_FRAME = 960
FRAMES_PER_SECOND = 15
VIDEO_CLOCK_HZ = 90_000
WIDTH, HEIGHT = 320, 240
LISTENED_SAMPLES = SAMPLE_RATE_HZ // 2


class Paced(MediaStreamTrack):
    """A source that gives a frame every `period` seconds."""

    def __init__(self, period):
        super().__init__()
        self.period, self.count, self.start = period, 0, None

    async def next_count(self):
        now = asyncio.get_running_loop().time()
        self.start = self.start or now
        await asyncio.sleep(self.start + self.count * self.period - now)
        self.count += 1
        return self.count - 1


class Tone(Paced):
    kind = "audio"

    def __init__(self, pitch_hz):
        super().__init__(SAMPLES_PER_FRAME / SAMPLE_RATE_HZ)
        self.pitch_hz = pitch_hz

    async def recv(self):
        first = await self.next_count() * SAMPLES_PER_FRAME
        at = numpy.arange(first, first + SAMPLES_PER_FRAME) / SAMPLE_RATE_HZ
        samples = 8_000 * numpy.sin(2 * numpy.pi * self.pitch_hz * at)
        frame = AudioFrame.from_ndarray(samples.astype(numpy.int16).reshape(1, -1), format="s16", layout="mono")
        frame.pts, frame.sample_rate = first, SAMPLE_RATE_HZ
        frame.time_base = fractions.Fraction(1, SAMPLE_RATE_HZ)
        return frame


class Colour(Paced):
    """A colour under faint noise, so that a frame fills several packets."""

    kind = "video"

    def __init__(self, colour, seed):
        super().__init__(1 / FRAMES_PER_SECOND)
        self.colour, self.noise = colour, numpy.random.default_rng(seed)

    async def recv(self):
        count = await self.next_count()
        noise = self.noise.integers(-12, 13, (HEIGHT // 4, WIDTH // 4, 3)).repeat(4, 0).repeat(4, 1)
        picture = numpy.clip(numpy.array(self.colour) + noise, 0, 255).astype(numpy.uint8)
        frame = VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts, frame.time_base = count * VIDEO_CLOCK_HZ // FRAMES_PER_SECOND, fractions.Fraction(1, VIDEO_CLOCK_HZ)
        return frame


class Heard:
    """What was received last of one tone."""

    def __init__(self):
        self.samples = numpy.zeros(0)

    async def take(self, track):
        while True:
            frame = await track.recv()
            mono = frame.to_ndarray().reshape(-1, len(frame.layout.channels)).mean(axis=1)
            self.samples = numpy.concatenate([self.samples, mono])[-LISTENED_SAMPLES:]

    def impression(self):
        if len(self.samples) < LISTENED_SAMPLES:
            return {"pitchHz": None}
        spectrum = numpy.abs(numpy.fft.rfft(self.samples * numpy.hanning(LISTENED_SAMPLES)))
        return {"pitchHz": float(spectrum.argmax() * SAMPLE_RATE_HZ / LISTENED_SAMPLES)}


class Seen:
    """What was received last of one picture."""

    def __init__(self):
        self.colour, self.frames = None, 0

    async def take(self, track):
        while True:
            frame = await track.recv()
            self.colour = frame.to_ndarray(format="rgb24").mean(axis=(0, 1)).round().tolist()
            self.frames += 1

    def impression(self):
        return {"colour": self.colour, "frames": self.frames}


async def ask_for_key_frames(receiver, seen):
    """Asks for a key frame every second until a frame was decoded, as browsers do.

    aiortc itself never asks when the first packet of the first key frame was lost: its jitter buffer begins with the
    packet after it, and what cannot be decoded is dropped in silence.
    """
    while seen.frames == 0:
        await asyncio.sleep(1)
        for source in receiver.getSynchronizationSources():
            await receiver._send_rtcp_pli(source.source)


def lose_media(share, seed):
    """Loses a share of the RTP packets, both ways, below SRTP."""
    chance = random.Random(seed)
    send, receive = aioice.ice.Connection.send, aioice.ice.Connection.recv

    def is_lost(data):
        # RFC 7983, RFC 5761: RTP and not RTCP.
        is_rtp = 128 <= data[0] < 192 and not 192 <= data[1] < 224
        return is_rtp and chance.random() < share

    async def lossy_send(self, data):
        if not is_lost(data):
            await send(self, data)

    async def lossy_receive(self):
        while True:
            data = await receive(self)
            if not is_lost(data):
                return data

    aioice.ice.Connection.send, aioice.ice.Connection.recv = lossy_send, lossy_receive


def say(message):
    print(json.dumps(message), flush=True)


async def next_line(reader):
    line = await reader.readline()
    return json.loads(line) if line else None


async def standard_input():
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return reader


class Peer:
    def __init__(self, settings):
        self.settings, self.tracks, self.tasks = settings, {}, []
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.connection.on("track", self.on_track)

    def on_track(self, track):
        impression = Heard() if track.kind == "audio" else Seen()
        self.tracks[track] = impression
        track.on("ended", lambda: self.tracks.pop(track, None))
        self.start(impression.take(track))
        if track.kind == "video":
            receiver = next(one for one in self.connection.getReceivers() if one.track is track)
            self.start(ask_for_key_frames(receiver, impression))

    def start(self, work):
        self.tasks.append(asyncio.ensure_future(work))

    def source(self, kind):
        if kind == "audio":
            return Tone(self.settings["pitchHz"])
        return Colour(self.settings["colour"], self.settings["seed"])

    async def offer(self):
        for kind in ("audio", "video"):
            self.connection.addTransceiver(self.source(kind), direction="sendonly")
        for kind in ("audio", "video"):
            self.connection.addTransceiver(kind, direction="recvonly")
        await self.connection.setLocalDescription(await self.connection.createOffer())
        say({"offer": self.connection.localDescription.sdp})

    async def answer(self, offer):
        await self.connection.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        for transceiver in self.connection.getTransceivers():
            wanted = transceiver._offerDirection in ("sendonly", "sendrecv")
            if wanted and transceiver.sender.track is None:
                transceiver.sender.replaceTrack(self.source(transceiver.kind))
                transceiver.direction = "sendonly"
        await self.connection.setLocalDescription(await self.connection.createAnswer())
        say({"answer": self.connection.localDescription.sdp})

    async def report(self):
        while True:
            await asyncio.sleep(0.5)
            say({"impressions": [impression.impression() for impression in self.tracks.values()]})

    async def run(self):
        reader = await standard_input()
        if self.settings["offers"]:
            await self.offer()
        self.start(self.report())
        while message := await next_line(reader):
            if "offer" in message:
                await self.answer(message["offer"])
            else:
                await self.connection.setRemoteDescription(RTCSessionDescription(message["answer"], "answer"))
        for task in self.tasks:
            task.cancel()
        await self.connection.close()


async def main(settings):
    # aioice leaves the loopback interface out, and a test machine may have no other.
    aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]
    lose_media(settings["loss"], settings["seed"])
    await Peer(settings).run()


asyncio.run(main(json.loads(sys.argv[1])))
