import test from 'ava';
import { reconnectDelayMs, whyBlocked } from '../ts/app/call/call';
import { type CallState, NO_CALL, withMedia, withPeer } from '../ts/app/call/call-state';
import { layerFor, layersOf } from '../ts/app/call/layers';
import { sampleTraffic, trafficBetween } from '../ts/app/call/traffic';
import { whyNot } from '../ts/app/devices/capture';
import { loudness } from '../ts/app/devices/level';
import { placeOf, randomPeerId } from '../ts/app/place';

test('the address of a page says which room and how', (t) => {
  t.deepEqual(placeOf(new URL('http://localhost:3000/meet/our-room?forceTcp=true'), 'ada'), {
    room: 'our-room',
    signallingUrl: 'ws://localhost:3000/protoo?roomId=our-room&peerId=ada',
    forceTcp: true,
  });
  const { signallingUrl, forceTcp } = placeOf(new URL('https://[2001:db8::1]/meet/a'), 'b');
  t.is(signallingUrl, 'wss://[2001:db8::1]/protoo?roomId=a&peerId=b');
  t.false(forceTcp);
});

test('ids of participants fit what the server accepts, and differ', (t) => {
  t.regex(randomPeerId(), /^[0-9a-f]{16}$/);
  t.not(randomPeerId(), randomPeerId());
});

test('attempts to reconnect come further and further apart, and never later than 8 s', (t) => {
  t.deepEqual(
    [0, 1, 2, 10].map((attempt) => [reconnectDelayMs(attempt, 0), reconnectDelayMs(attempt, 1)]),
    [
      [250, 500],
      [500, 1000],
      [1000, 2000],
      [4000, 8000],
    ],
  );
});

test('what happens to one participant leaves the others as they are', (t) => {
  const media = { consumerId: 'c', source: 'camera', track: {}, receiver: undefined, paused: false } as never;
  const state: CallState = {
    ...NO_CALL,
    peers: [
      { id: 'a', name: 'Ada', media: [media] },
      { id: 'b', name: 'Bob', media: [] },
    ],
  };
  t.deepEqual(
    withPeer(state, 'b', (peer) => ({ ...peer, name: 'Grace' })).peers.map(({ name }) => name),
    ['Ada', 'Grace'],
  );
  t.true(withMedia(state, 'c', (one) => ({ ...one, paused: true })).peers[0]?.media[0]?.paused);
  t.deepEqual(withMedia(state, 'c', () => undefined).peers[0]?.media, []);
});

test('the layer that is asked for fills the place where it is shown, and no more', (t) => {
  const layers = (count: number) => [80, 400, 401, 800, 801, 2560].map((pixels) => layerFor(pixels, count));
  t.deepEqual(layers(3), [0, 0, 1, 1, 2, 2]);
  t.deepEqual(layers(2), [0, 0, 1, 1, 1, 1]);
  t.deepEqual(layers(1), [0, 0, 0, 0, 0, 0]);
  const scales = (width: number) => layersOf(width).map(({ scaleResolutionDownBy }) => scaleResolutionDownBy);
  t.deepEqual([0, 320, 640, 1280, 1920].map(scales), [[1], [1], [2, 1], [4, 2, 1], [4, 2, 1]]);
  t.deepEqual(
    layersOf(640).map(({ maxBitrate }) => maxBitrate),
    [150_000, 500_000],
  );
});

test('traffic is what grew between two samples, of streams that are still there', (t) => {
  const sent = (bytesSent: number) =>
    report({ id: 'o', type: 'outbound-rtp', bytesSent }, { id: 'r', type: 'remote-inbound-rtp', fractionLost: 0.08 });
  const received = (...streams: [string, number, number, number][]) =>
    report(
      ...streams.map(([id, bytesReceived, packetsReceived, packetsLost]) => ({
        id,
        type: 'inbound-rtp',
        bytesReceived,
        packetsReceived,
        packetsLost,
      })),
      { id: 'p', type: 'candidate-pair', nominated: true, currentRoundTripTime: 0.025 },
    );
  const before = sampleTraffic(0, sent(1000), received(['i', 5000, 100, 1], ['gone', 90_000, 9000, 0]));
  const after = sampleTraffic(1000, sent(126_000), received(['i', 30_000, 190, 11], ['new', 25_000, 100, 0]));
  t.deepEqual(trafficBetween(before, after), {
    upKbps: 1000,
    downKbps: 400,
    lossUpPercent: 8,
    lossDownPercent: 5,
    roundTripMs: 25,
  });
});

test('who has no way for media is told that, and in Firefox beside the server also what to do', (t) => {
  const lan = /started with --lan/;
  t.regex(whyBlocked(new URL('ws://localhost:3000/protoo'), 'Firefox120'), lan);
  t.regex(whyBlocked(new URL('ws://[::1]:3000/protoo'), 'Firefox120'), lan);
  t.notRegex(whyBlocked(new URL('ws://localhost:3000/protoo'), 'Chrome111'), lan);
  t.notRegex(whyBlocked(new URL('wss://example.org/protoo'), 'Firefox120'), lan);
});

test('loudness is 0 in silence, 1 at full scale and even in between', (t) => {
  t.is(loudness(new Float32Array(512)), 0);
  t.is(loudness(new Float32Array(512).fill(1)), 1);
  t.true(Math.abs(loudness(new Float32Array(512).fill(0.0316)) - 0.5) < 0.01);
});

test('why a device cannot be used is said in plain words with what to do', (t) => {
  const words = (name: string) => whyNot(Object.assign(new Error('x'), { name }), 'camera');
  t.is(
    words('NotAllowedError'),
    'The browser does not let this page use your camera. Allow it with the icon in the address bar.',
  );
  t.is(words('NotFoundError'), 'No camera was found. Plug one in and try again.');
  t.is(words('NotReadableError'), 'Your camera is used by another program. Close that and try again.');
});

function report(...stats: ({ id: string } & Record<string, unknown>)[]): RTCStatsReport {
  return new Map(stats.map((one) => [one.id, one])) as unknown as RTCStatsReport;
}
