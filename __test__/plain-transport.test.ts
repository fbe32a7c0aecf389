// What PlainTransport and PipeTransport tell of themselves, on the real addon.

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import test, { type ExecutionContext } from 'ava';
import { createWorker, errors, type types } from '../ts/index.js';
import { RtpPacket } from '../ts/rtp/index.js';

const listenInfo = { protocol: 'udp', ip: '127.0.0.1' } as const;

test('a plain transport tells its path before and after it is connected', async (t) => {
  const router = await openRouter(t);
  const told: types.Transport[] = [];
  router.observer.on('newtransport', (transport) => told.push(transport));
  const transport = await router.createPlainTransport({ listenInfo, rtcpMux: false, appData: { of: 'FFmpeg' } });
  t.deepEqual(told, [transport as types.Transport]);
  t.is(transport.type, 'plain');
  t.is(transport.appData.of, 'FFmpeg');
  t.is(transport.srtpParameters, undefined);
  const { localPort } = transport.tuple;
  const local = { localIp: '127.0.0.1', localAddress: '127.0.0.1', protocol: 'udp' } as const;
  t.deepEqual(transport.tuple, { ...local, localPort });
  t.not(transport.rtcpTuple?.localPort, localPort);
  await transport.connect({ ip: '127.0.0.1', port: 4000, rtcpPort: 4001 });
  const tuple = { ...local, localPort, remoteIp: '127.0.0.1', remotePort: 4000 };
  t.deepEqual(transport.tuple, tuple);
  t.is(transport.rtcpTuple?.remotePort, 4001);
  const { rtcpTuple } = transport;
  const [stat] = await transport.getStats();
  t.like(stat, { type: 'plain-rtp-transport', rtcpMux: false, comedia: false, tuple, rtcpTuple, bytesSent: 0 });
  const dump = await transport.dump();
  t.like(dump, { id: transport.id, rtcpMux: false, comedia: false, tuple, rtcpTuple, producerIds: [] });
  await t.throwsAsync(transport.connect({ ip: '127.0.0.1', port: 4000, rtcpPort: 4001 }), {
    instanceOf: errors.InvalidStateError,
  });
});

test('with comedia the first sender is the endpoint, and both emitters tell of it once', async (t) => {
  const router = await openRouter(t);
  const transport = await router.createPlainTransport({ listenInfo, comedia: true });
  const seen: types.TransportTuple[] = [];
  transport.on('tuple', (tuple) => seen.push(tuple));
  transport.observer.on('tuple', (tuple) => seen.push(tuple));
  const socket = createSocket('udp4');
  t.teardown(() => socket.close());
  for (let sequenceNumber = 0; sequenceNumber < 3; sequenceNumber += 1) {
    const packet = new RtpPacket({ payloadType: 100, sequenceNumber, timestamp: 0, ssrc: 1, payload: Buffer.alloc(9) });
    socket.send(packet.toBuffer(), transport.tuple.localPort, '127.0.0.1');
  }
  await new Promise((resolve) => transport.observer.once('tuple', resolve));
  const { bytesReceived } = (await transport.getStats())[0] as types.PlainTransportStat;
  t.true(bytesReceived > 0);
  t.is(seen.length, 2);
  t.deepEqual(seen[0], transport.tuple);
  t.is(transport.tuple.remotePort, socket.address().port);
});

test('every option of a listenInfo counts', async (t) => {
  const router = await openRouter(t);
  const portRange = { min: 21_000, max: 21_500 };
  const info = { ...listenInfo, announcedAddress: 'sfu.example.com', portRange, recvBufferSize: 100_000 };
  const announced = await router.createPlainTransport({ listenInfo: info, rtcpMux: false });
  for (const tuple of [announced.tuple, announced.rtcpTuple]) {
    t.is(tuple?.localAddress, 'sfu.example.com');
    t.true((tuple?.localPort ?? 0) >= portRange.min && (tuple?.localPort ?? 0) <= portRange.max);
  }
  const port = announced.tuple.localPort;
  const taken = { listenInfo: { ...listenInfo, port } };
  await t.throwsAsync(router.createPlainTransport(taken), { instanceOf: errors.MillraceError });
  await announced[Symbol.asyncDispose]();
  const again = await router.createPlainTransport({ listenIp: { ip: '127.0.0.1', announcedIp: '192.0.2.1' }, port });
  t.like(again.tuple, { localAddress: '192.0.2.1', localPort: port });
  const shared = { listenInfo: { ...listenInfo, flags: { udpReusePort: true }, port: port + 1 } };
  await t.notThrowsAsync(Promise.all([router.createPlainTransport(shared), router.createPlainTransport(shared)]));
  const ipv6 = await router.createPlainTransport({
    listenInfo: { protocol: 'udp', ip: '::', flags: { ipv6Only: true } },
  });
  t.is(ipv6.tuple.localIp, '::');
});

test('srtpParameters are of the suite that was asked for, until the endpoint has another one', async (t) => {
  const router = await openRouter(t);
  for (const [srtpCryptoSuite, length] of Object.entries(KEY_BYTES) as [types.SrtpCryptoSuite, number][]) {
    const transport = await router.createPlainTransport({ listenInfo, enableSrtp: true, srtpCryptoSuite });
    const before = transport.srtpParameters as types.SrtpParameters;
    t.is(before.cryptoSuite, srtpCryptoSuite);
    t.is(Buffer.from(before.keyBase64, 'base64').length, length);
    t.deepEqual((await transport.dump()).srtpParameters, before);
    const endpoint = { cryptoSuite: 'AEAD_AES_128_GCM', keyBase64: Buffer.alloc(28, 1).toString('base64') } as const;
    for (const keyBase64 of [
      '',
      'AAAA',
      Buffer.alloc(27).toString('base64'),
      Buffer.alloc(29).toString('base64'),
      '?',
    ]) {
      const srtpParameters = { ...endpoint, keyBase64 };
      await t.throwsAsync(transport.connect({ ip: '127.0.0.1', port: 9, srtpParameters }), {
        instanceOf: TypeError,
        message: /^srtpParameters\.keyBase64: /,
      });
    }
    await transport.connect({ ip: '127.0.0.1', port: 9, srtpParameters: endpoint });
    const after = transport.srtpParameters as types.SrtpParameters;
    t.is(after.cryptoSuite, 'AEAD_AES_128_GCM');
    t.is(after.keyBase64 === before.keyBase64, srtpCryptoSuite === 'AEAD_AES_128_GCM', 'a key fits one suite');
    t.not(after.keyBase64, endpoint.keyBase64);
  }
});

test('a pipe transport tells of itself', async (t) => {
  const router = await openRouter(t);
  const transport = await router.createPipeTransport({ listenInfo, enableRtx: true, enableSrtp: true });
  t.is(transport.type, 'pipe');
  t.is(transport.srtpParameters?.cryptoSuite, 'AEAD_AES_256_GCM');
  const srtpParameters = transport.srtpParameters as types.SrtpParameters;
  await transport.connect({ ip: '127.0.0.1', port: 4000, srtpParameters });
  t.is(transport.tuple.remotePort, 4000);
  t.like(await transport.dump(), { rtx: true, tuple: transport.tuple, srtpParameters });
  t.like((await transport.getStats())[0], { type: 'pipe-transport', tuple: transport.tuple });
  const closed = once(transport.observer as never, 'close');
  const events: string[] = [];
  transport.on('routerclose', () => events.push('routerclose'));
  router.close();
  await closed;
  t.deepEqual(events, ['routerclose']);
  t.true(transport.closed);
});

const KEY_BYTES = {
  AEAD_AES_256_GCM: 44,
  AEAD_AES_128_GCM: 28,
  AES_CM_128_HMAC_SHA1_80: 30,
  AES_CM_128_HMAC_SHA1_32: 30,
};

async function openRouter(t: ExecutionContext): Promise<types.Router> {
  const worker = await createWorker();
  t.teardown(() => worker.close());
  return worker.createRouter({
    mediaCodecs: [{ kind: 'audio', mimeType: 'audio/opus', clockRate: 48_000, channels: 2 }],
  });
}
