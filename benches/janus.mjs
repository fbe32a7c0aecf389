// Janus and its AudioBridge (Debian's `janus`), for benches/mix.mjs: a room of talkers over plain RTP.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OPUS_PAYLOAD_TYPE } from './talkers.mjs';

const ROOM = 1;
/** Time in which Janus comes up. */
const START_MS_MAX = 15_000;

/** Starts Janus with nothing but the AudioBridge and its HTTP door. */
export async function startJanus() {
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), 'millrace-janus-'));
  const write = (file, text) => writeFileSync(join(folder, file), text);
  const others =
    'libjanus_duktape.so,libjanus_echotest.so,libjanus_lua.so,libjanus_nosip.so,libjanus_recordplay.so,libjanus_sip.so,libjanus_streaming.so,libjanus_textroom.so,libjanus_videocall.so,libjanus_videoroom.so,libjanus_voicemail.so';
  const doors = 'libjanus_mqtt.so,libjanus_nanomsg.so,libjanus_pfunix.so,libjanus_rabbitmq.so,libjanus_websockets.so';
  write(
    'janus.jcfg',
    `general: { debug_level = 2 }\nplugins: { disable = "${others}" }\ntransports: { disable = "${doors}" }\n`,
  );
  write(
    'janus.transport.http.jcfg',
    `general: { http = true port = ${port} ip = "127.0.0.1" }\nadmin: { admin_http = false }\n`,
  );
  write('janus.plugin.audiobridge.jcfg', 'general: { local_ip = "127.0.0.1" }\n');
  const child = spawn('janus', ['-F', folder, '-o'], { stdio: ['ignore', 'ignore', 'ignore'] });
  const url = `http://127.0.0.1:${port}/janus`;
  await answering(url);
  const session = (await post(url, { janus: 'create' })).data.id;
  const handle = await attach(url, session);
  await message(url, session, handle, {
    request: 'create',
    room: ROOM,
    sampling_rate: 48_000,
    audiolevel_event: false,
    allow_rtp_participants: true,
  });
  const poll = pollEvents(url, session);
  return {
    pid: child.pid,
    /** Joins a talker; says where it sends to. */
    async join(talker) {
      const own = await attach(url, session);
      const joined = poll.next(own, 'joined');
      await message(url, session, own, {
        request: 'join',
        room: ROOM,
        codec: 'opus',
        bitrate: 32_000,
        quality: 5,
        rtp: { ip: '127.0.0.1', port: talker.port, payload_type: OPUS_PAYLOAD_TYPE },
      });
      const { rtp } = await joined;
      return { sendTo: rtp.port, payloadType: OPUS_PAYLOAD_TYPE };
    },
    async stop() {
      poll.stop();
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
      rmSync(folder, { recursive: true });
    },
  };
}

async function attach(url, session) {
  return (await post(`${url}/${session}`, { janus: 'attach', plugin: 'janus.plugin.audiobridge' })).data.id;
}

async function message(url, session, handle, body) {
  const answer = await post(`${url}/${session}/${handle}`, { janus: 'message', body });
  const failed = answer.plugindata?.data?.error ?? answer.error?.reason;
  if (failed !== undefined) throw new Error(`Janus refused ${body.request}: ${failed}`);
  return answer;
}

async function post(url, body) {
  const response = await fetch(url, { method: 'POST', body: JSON.stringify({ transaction: 'bench', ...body }) });
  return await response.json();
}

/** Takes events of the session as they come; `next` waits for one of a handle. */
function pollEvents(url, session) {
  const waiting = new Map();
  let stopped = false;
  (async () => {
    while (!stopped) {
      const event = await fetch(`${url}/${session}?maxev=1`)
        .then((answer) => answer.json())
        .catch(() => ({}));
      const data = event.plugindata?.data;
      if (data === undefined) continue;
      const waits = waiting.get(event.sender);
      if (data.error !== undefined) waits?.reject(new Error(`Janus: ${data.error}`));
      else if (data.audiobridge === waits?.kind) waits.resolve(data);
    }
  })();
  return {
    next: (handle, kind) =>
      new Promise((resolve, reject) => {
        waiting.set(handle, { kind, resolve, reject });
      }),
    stop() {
      stopped = true;
    },
  };
}

async function answering(url) {
  for (const began = Date.now(); Date.now() - began < START_MS_MAX; ) {
    const answer = await fetch(`${url}/info`).catch(() => undefined);
    if (answer?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`Janus did not answer within ${START_MS_MAX} ms`);
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  return port;
}
