import { EventEmitter, once } from 'node:events';
import anyTest, { type ExecutionContext, type TestFn } from 'ava';
import { WebSocket } from 'ws';
import { LIMITS, type Limits } from '../ts/server/limits.js';
import type { ServerOptions } from '../ts/server/options/config.js';
import { Connection } from '../ts/server/protoo/connection.js';
import { type Server, startServer } from '../ts/server/server.js';
import { HANG_MS, SignallingClient, signallingUrl } from './signalling-client.js';

const test = anyTest as TestFn<{ server: Server }>;

test.before(async (t) => {
  t.context.server = await startServer({ host: '127.0.0.1', port: 0, mediaPort: 0 });
});

test.after.always(async (t) => {
  await t.context.server.close();
});

test('participants see each other come, change their name and go', async (t) => {
  const ada = await SignallingClient.join(t.context.server, 'meeting', 'ada');
  const grace = await SignallingClient.connect(t.context.server, 'meeting', 'grace');
  t.deepEqual(await grace.ask('join', { displayName: 'Grace', device: { name: 'test' } }), {
    peers: [{ id: 'ada', displayName: 'ada', device: {} }],
  } as never);
  t.deepEqual(await ada.next('newPeer'), { id: 'grace', displayName: 'Grace', device: { name: 'test' } } as never);
  await grace.ask('changeDisplayName', { displayName: 'Rear Admiral' });
  t.deepEqual(await ada.next('peerDisplayNameChanged'), {
    peerId: 'grace',
    displayName: 'Rear Admiral',
    oldDisplayName: 'Grace',
  } as never);
  grace.drop();
  t.deepEqual(await ada.next('peerClosed'), { peerId: 'grace' } as never);
});

test('what one publishes is offered to the other, and every change of it is told', async (t) => {
  const ada = await SignallingClient.join(t.context.server, 'stage', 'ada');
  const producerId = await ada.publish(await ada.openTransport('producing'), 1111);
  const grace = await SignallingClient.connect(t.context.server, 'stage', 'grace');
  await grace.openTransport('consuming');
  const rtpCapabilities = await grace.ask('getRouterRtpCapabilities');
  await grace.ask('join', { displayName: 'Grace', rtpCapabilities });
  const consumer = await grace.accept<{ id: string } & Record<string, unknown>>('newConsumer');
  t.like(consumer, {
    peerId: 'ada',
    producerId,
    kind: 'video',
    type: 'simple',
    producerPaused: false,
    appData: { source: 'camera', peerId: 'ada' },
  } as never);
  const consumerId = consumer.id;
  t.like(await grace.next('consumerScore'), { consumerId } as never);
  await ada.ask('pauseProducer', { producerId });
  t.deepEqual(await grace.next('consumerPaused'), { consumerId } as never);
  await ada.ask('resumeProducer', { producerId });
  t.deepEqual(await grace.next('consumerResumed'), { consumerId } as never);
  await grace.ask('pauseConsumer', { consumerId });
  await grace.ask('resumeConsumer', { consumerId });
  await grace.ask('requestConsumerKeyFrame', { consumerId });
  await grace.ask('setConsumerPriority', { consumerId, priority: 2 });
  await grace.ask('setConsumerPreferredLayers', { consumerId, spatialLayer: 0 });
  t.true(Array.isArray(await grace.ask('getConsumerStats', { consumerId })));
  t.true(Array.isArray(await ada.ask('getProducerStats', { producerId })));
  await ada.ask('closeProducer', { producerId });
  t.deepEqual(await grace.next('consumerClosed'), { consumerId } as never);
  t.like(await grace.refused('pauseConsumer', { consumerId }), { status: 404 });
});

test('a transport has candidates, and can restart ICE', async (t) => {
  const ada = await SignallingClient.join(t.context.server, 'ice', 'ada');
  const transport = await ada.ask<Record<string, unknown>>('createWebRtcTransport', { producing: true });
  const candidates = transport.iceCandidates as { protocol: string; address: string }[];
  t.deepEqual([...new Set(candidates.map(({ protocol }) => protocol))], ['udp', 'tcp']);
  t.deepEqual([...new Set(candidates.map(({ address }) => address))], ['127.0.0.1']);
  const restarted = await ada.ask<{ usernameFragment: string }>('restartIce', { transportId: transport.id });
  t.not(restarted.usernameFragment, (transport.iceParameters as typeof restarted).usernameFragment);
  t.true(Array.isArray(await ada.ask('getTransportStats', { transportId: transport.id })));
});

test('a transport without UDP has TCP candidates only', async (t) => {
  const ada = await SignallingClient.join(t.context.server, 'tcp', 'ada');
  const { iceCandidates } = await ada.ask<{ iceCandidates: { protocol: string }[] }>('createWebRtcTransport', {
    forceTcp: true,
  });
  t.true(iceCandidates.length > 0 && iceCandidates.every(({ protocol }) => protocol === 'tcp'));
});

test('whoever comes with the id of another replaces it', async (t) => {
  const witness = await SignallingClient.join(t.context.server, 'twins', 'witness');
  const first = await SignallingClient.join(t.context.server, 'twins', 'ada');
  await witness.next('newPeer');
  const second = await SignallingClient.join(t.context.server, 'twins', 'ada');
  t.like(await first.closed, { code: 4000 });
  t.deepEqual(await witness.next('peerClosed'), { peerId: 'ada' } as never);
  t.like(await witness.next('newPeer'), { id: 'ada' } as never);
  t.truthy(await second.openTransport('producing'));
});

test('a room whose only guest is replaced goes on', async (t) => {
  await SignallingClient.join(t.context.server, 'hermit', 'ada');
  const second = await SignallingClient.join(t.context.server, 'hermit', 'ada');
  t.truthy(await second.openTransport('producing'));
});

const REFUSED: readonly [string, string, unknown, number][] = [
  ['an unknown request', 'format', {}, 404],
  ['the name of a method of every object', 'toString', {}, 404],
  ['data that is no object', 'createWebRtcTransport', 1, 400],
  ['a member of the wrong type', 'createWebRtcTransport', { forceTcp: 'yes' }, 400],
  ['joining twice', 'join', { displayName: 'Ada' }, 409],
  ['an empty name', 'changeDisplayName', { displayName: '' }, 400],
  ['a long name', 'changeDisplayName', { displayName: 'a'.repeat(65) }, 400],
  ['a missing id', 'restartIce', {}, 400],
  ['an unknown transport', 'restartIce', { transportId: 'nope' }, 404],
  ['an unknown producer', 'pauseProducer', { producerId: 'nope' }, 404],
  ['an unknown consumer', 'resumeConsumer', { consumerId: 'nope' }, 404],
  ['a priority of 0', 'setConsumerPriority', { consumerId: 'nope', priority: 0 }, 400],
];

for (const [index, [what, method, data, status]] of REFUSED.entries()) {
  test(`${what} is refused with ${status}, and the call goes on`, async (t) => {
    const ada = await SignallingClient.join(t.context.server, `refused-${index}`, 'ada');
    t.like(await ada.refused(method, data), { status });
    t.truthy(await ada.openTransport('producing'));
  });
}

test('P03: RTP parameters that make no sense are refused with 400 or 501 by their own words', async (t) => {
  const ada = await SignallingClient.join(t.context.server, 'p03', 'ada');
  const transportId = await ada.openTransport('producing');
  const empty = await ada.refused('produce', { transportId, kind: 'video', rtpParameters: {} });
  t.is(empty.status, 400);
  const layered = await ada.refused('produce', {
    transportId,
    kind: 'video',
    rtpParameters: {
      codecs: [{ mimeType: 'video/VP8', payloadType: 96, clockRate: 90_000 }],
      encodings: [{ ssrc: 1, scalabilityMode: 'L3T3' }],
    },
  });
  t.is(layered.status, 501);
  t.truthy(await ada.publish(transportId, 7));
});

test('nobody publishes before joining', async (t) => {
  const ada = await SignallingClient.connect(t.context.server, 'early', 'ada');
  const transportId = await ada.openTransport('producing');
  t.like(await ada.refused('produce', { transportId, kind: 'audio', rtpParameters: {} }), { status: 409 });
});

test('nobody touches what belongs to another', async (t) => {
  const ada = await SignallingClient.join(t.context.server, 'property', 'ada');
  const eve = await SignallingClient.join(t.context.server, 'property', 'eve');
  const transportId = await ada.openTransport('producing');
  const producerId = await ada.publish(transportId, 5);
  t.like(await eve.refused('closeProducer', { producerId }), { status: 404 });
  t.like(await eve.refused('restartIce', { transportId }), { status: 404 });
  t.true(Array.isArray(await ada.ask('getProducerStats', { producerId })));
});

const MALFORMED: readonly [string, string, number][] = [
  ['no JSON', '{', 1007],
  ['a duplicate name', '{"request":true,"id":1,"id":2,"method":"join"}', 1007],
  ['__proto__', '{"request":true,"id":1,"method":"join","data":{"__proto__":{}}}', 1007],
  ['1e400', '{"request":true,"id":1,"method":"join","data":{"a":1e400}}', 1007],
  ['a lone surrogate', '{"request":true,"id":1,"method":"join","data":{"a":"\\ud800"}}', 1007],
  ['a depth of 30,000', '['.repeat(30_000) + ']'.repeat(30_000), 1007],
  ['3 MiB', JSON.stringify({ a: 'x'.repeat(3 * 1024 * 1024) }), 1009],
];

for (const [index, [what, text, code]] of MALFORMED.entries()) {
  test(`P02: ${what} closes its own connection with ${code} and touches no other`, async (t) => {
    const room = `p02-${index}`;
    const ada = await SignallingClient.join(t.context.server, room, 'ada');
    const eve = await SignallingClient.join(t.context.server, room, 'eve');
    eve.say(text);
    t.is((await eve.closed).code, code);
    t.deepEqual(await ada.next('peerClosed'), { peerId: 'eve' } as never);
    t.truthy(await ada.openTransport('producing'));
  });
}

test('P02: bytes instead of text close the connection with 1003', async (t) => {
  const eve = await SignallingClient.join(t.context.server, 'bytes', 'eve');
  eve.socket.send(Buffer.from([1, 2, 3]));
  t.is((await eve.closed).code, 1003);
});

test('who says too much at once is closed with 1008', async (t) => {
  const { server } = await ownServer(t, {}, { messageBurst: 5, messagesPerSecond: 1 });
  const eve = await SignallingClient.connect(server, 'flood', 'eve');
  for (let id = 0; id < 6; id += 1) {
    eve.say({ request: true, id, method: 'getRouterRtpCapabilities' });
  }
  t.is((await eve.closed).code, 1008);
});

test('requests beyond those that are worked on are refused with 503', async (t) => {
  const { server } = await ownServer(t, {}, { requestsInFlightMax: 2 });
  const eve = await SignallingClient.connect(server, 'busy', 'eve');
  const answers = [1, 2, 3].map(() =>
    eve.ask('createWebRtcTransport', {}).then(
      () => 200,
      ({ status }) => status,
    ),
  );
  t.deepEqual(await Promise.all(answers), [200, 200, 503]);
});

test('a client is asked to accept so many consumers at a time, and the next ones when it has answered', async (t) => {
  const { server } = await ownServer(t, {}, { offersInFlightMax: 2 });
  const ada = await SignallingClient.join(server, 'offers', 'ada');
  const transportId = await ada.openTransport('producing');
  const ids = await Promise.all([1, 2, 3].map((ssrc) => ada.publish(transportId, ssrc)));
  const grace = await SignallingClient.connect(server, 'offers', 'grace');
  await grace.openTransport('consuming');
  await grace.ask('join', { displayName: 'Grace', rtpCapabilities: await grace.ask('getRouterRtpCapabilities') });
  const offers = await Promise.all([1, 2].map(() => grace.take(({ method }) => method === 'newConsumer')));
  await grace.ask('getRouterRtpCapabilities');
  t.is(grace.count('newConsumer'), 0);
  grace.say({ response: true, id: offers[0]?.id, ok: true });
  const third = await grace.accept<{ producerId: string }>('newConsumer');
  t.deepEqual(
    [...offers.map(({ data }) => (data as unknown as typeof third).producerId), third.producerId].sort(),
    ids.sort(),
  );
});

test('answers that were asked for do not count as messages, others do', async (t) => {
  const { server } = await ownServer(t, {}, { messageBurst: 5, messagesPerSecond: 0.001 });
  const ada = await SignallingClient.join(server, 'answers', 'ada');
  const transportId = await ada.openTransport('producing');
  await ada.publish(transportId, 1);
  await ada.publish(transportId, 2);
  const grace = await SignallingClient.connect(server, 'answers', 'grace');
  await grace.openTransport('consuming');
  await grace.ask('join', { displayName: 'Grace', rtpCapabilities: await grace.ask('getRouterRtpCapabilities') });
  await grace.accept('newConsumer');
  await grace.accept('newConsumer');
  await grace.ask('getRouterRtpCapabilities');
  grace.say({ response: true, id: 77, ok: true });
  grace.say({ response: true, id: 78, ok: true });
  t.is((await grace.closed).code, 1008);
});

test('a request that is not answered in time closes its consumer', async (t) => {
  const { server } = await ownServer(t, {}, { serverRequestTimeoutMs: 20 });
  const ada = await SignallingClient.join(server, 'late', 'ada');
  await ada.publish(await ada.openTransport('producing'), 1);
  const late = await SignallingClient.connect(server, 'late', 'late');
  await late.openTransport('consuming');
  await late.ask('join', { displayName: 'Late', rtpCapabilities: await late.ask('getRouterRtpCapabilities') });
  const { id: consumerId } = await late.next<{ id: string }>('newConsumer');
  await until(async () => (await statusOf(late, 'getConsumerStats', { consumerId })) === 404);
  t.pass();
});

test('a client that does not answer pings is cut off', async (t) => {
  const { server } = await ownServer(t, {}, { pingIntervalMs: 50 });
  const ada = await SignallingClient.join(server, 'frozen', 'ada');
  const frozen = await SignallingClient.join(server, 'frozen', 'frozen');
  frozen.socket.pause();
  t.deepEqual(await ada.next('peerClosed'), { peerId: 'frozen' } as never);
});

test('a client that does not read is cut off before it costs memory', (t) => {
  const socket = Object.assign(new EventEmitter(), {
    bufferedAmount: 0,
    sent: 0,
    terminated: false,
    pause: () => {},
    send: () => {
      socket.sent += 1;
    },
    terminate: () => {
      socket.terminated = true;
    },
  });
  const connection = new Connection(socket as never, { ...LIMITS, sendBufferBytesMax: 1000 });
  socket.bufferedAmount = 1000;
  connection.notify('newPeer', {});
  t.false(socket.terminated);
  socket.bufferedAmount = 1001;
  connection.notify('newPeer', {});
  connection.notify('newPeer', {});
  t.true(socket.terminated && connection.closed);
  t.is(socket.sent, 1);
});

test('transports and producers beyond the bound are refused with 429 until one is closed', async (t) => {
  const { server } = await ownServer(t, {}, { transportsPerPeerMax: 2, producersPerPeerMax: 1 });
  const ada = await SignallingClient.join(server, 'greedy', 'ada');
  const transportId = await ada.openTransport('producing');
  await ada.openTransport('consuming');
  t.like(await ada.refused('createWebRtcTransport'), { status: 429 });
  const producerId = await ada.publish(transportId, 1);
  await t.throwsAsync(ada.publish(transportId, 2), { message: /may have 1 producers/ });
  await ada.ask('closeProducer', { producerId });
  t.truthy(await ada.publish(transportId, 3));
});

test('a full room and a full server say so, and have room again when someone leaves', async (t) => {
  const { server } = await ownServer(t, { roomsMax: 1, peersPerRoomMax: 2 });
  const ada = await SignallingClient.join(server, 'small', 'ada');
  const grace = await SignallingClient.join(server, 'small', 'grace');
  const third = await SignallingClient.connect(server, 'small', 'alan');
  t.deepEqual(await third.closed, { code: 4000, reason: 'the room is full' });
  const elsewhere = await SignallingClient.connect(server, 'other', 'alan');
  t.deepEqual(await elsewhere.closed, { code: 4000, reason: 'the server is full' });
  grace.drop();
  await ada.next('peerClosed');
  t.truthy(await SignallingClient.join(server, 'small', 'alan'));
  t.deepEqual(server.counts, { rooms: 1, participants: 2 });
});

test('a room ends with its last guest', async (t) => {
  const { server } = await ownServer(t);
  const ada = await SignallingClient.join(server, 'short', 'ada');
  ada.drop();
  await until(() => server.counts.rooms === 0);
  t.deepEqual(server.counts, { rooms: 0, participants: 0 });
});

const DOOR: readonly [string, string, string, number][] = [
  ['a missing room', '/protoo?peerId=a', 'protoo', 400],
  ['a room name with a slash', '/protoo?roomId=a%2Fb&peerId=a', 'protoo', 400],
  ['a long peer id', `/protoo?roomId=a&peerId=${'a'.repeat(65)}`, 'protoo', 400],
  ['another subprotocol', '/protoo?roomId=a&peerId=a', 'chat', 400],
  ['another path', '/socket', 'protoo', 404],
];

for (const [what, path, protocol, status] of DOOR) {
  test(`at the door, ${what} is answered with ${status}`, async (t) => {
    t.is(await upgradeStatus(t.context.server, path, protocol), status);
  });
}

test('pages of other origins stay outside, unless the options let them in', async (t) => {
  const own = new URL(t.context.server.urls.start[0] as string).origin;
  const path = '/protoo?roomId=origin&peerId=a';
  t.is(await upgradeStatus(t.context.server, path, 'protoo', own), 101);
  t.is(await upgradeStatus(t.context.server, path, 'protoo', 'https://evil.example'), 403);
  const { server } = await ownServer(t, { allowedOrigins: ['https://app.example'] });
  t.is(await upgradeStatus(server, path, 'protoo', 'https://app.example'), 101);
  t.is(await upgradeStatus(server, path, 'protoo', 'https://evil.example'), 403);
});

test('a name that was bound to a loopback address is another origin', async (t) => {
  const { port } = new URL(t.context.server.urls.start[0] as string);
  const headers = { host: `evil.example:${port}` };
  const path = '/protoo?roomId=origin&peerId=a';
  t.is(await upgradeStatus(t.context.server, path, 'protoo', `http://evil.example:${port}`, headers), 403);
});

test('when the server closes, every client is told, and those who do not answer are cut off', async (t) => {
  const { server } = await ownServer(t, {}, { closeTimeoutMs: 100 });
  const ada = await SignallingClient.join(server, 'end', 'ada');
  const frozen = await SignallingClient.join(server, 'end', 'frozen');
  frozen.socket.pause();
  await server.close('closing for lunch');
  t.deepEqual(await ada.closed, { code: 1001, reason: 'closing for lunch' });
  frozen.socket.resume();
  t.is((await frozen.closed).code, 1001);
  await t.throwsAsync(SignallingClient.connect(server, 'end', 'late'));
});

async function ownServer(
  t: ExecutionContext<{ server: Server }>,
  options: ServerOptions = {},
  limits: Partial<Limits> = {},
): Promise<{ server: Server }> {
  const server = await startServer({ host: '127.0.0.1', port: 0, mediaPort: 0, ...options }, { ...LIMITS, ...limits });
  t.teardown(() => server.close());
  return { server };
}

async function upgradeStatus(
  server: Server,
  path: string,
  protocol: string,
  origin?: string,
  headers: Record<string, string> = {},
): Promise<number> {
  const url = new URL(path, signallingUrl(server, 'a', 'a'));
  const socket = new WebSocket(url, protocol, { headers: { ...headers, ...(origin ? { origin } : {}) } });
  socket.on('error', () => {});
  const opened = once(socket, 'open').then(() => 101);
  const refused = once(socket, 'unexpected-response').then(([, response]) => response.statusCode as number);
  const status = await Promise.race([opened, refused]);
  socket.terminate();
  return status;
}

async function statusOf(client: SignallingClient, method: string, data: unknown): Promise<unknown> {
  return await client.ask(method, data).then(
    () => 200,
    ({ status }) => status,
  );
}

async function until(met: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + HANG_MS;
  while (!(await met())) {
    if (performance.now() > deadline) {
      throw new Error('it never happened');
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}
