// A room in which everybody talks and hears everybody else as one sound, over plain RTP. Prints JSON.
//
//     node benches/mix.mjs millrace|isolated|janus [talkers] [seconds]
//
// All voices are mixed, none is left out as not loud enough: Janus knows no such choice. The server is a process of its own, whose
// CPU time counts; `isolated` is ours with `isolation: 'process'`, where that of the mixer's own process counts as well.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { startJanus } from './janus.mjs';
import { openTalker, PACKETS_A_SECOND, talk, voicePackets } from './talkers.mjs';

const SERVERS = {
  millrace: () => startMillrace('thread'),
  isolated: () => startMillrace('process'),
  janus: startJanus,
};
const [server = 'millrace', talkers = '20', seconds = '5'] = process.argv.slice(2);
const WARM_UP_MS = 2_000;
const VOICE_SECONDS = 10;
/** Clock ticks of proc(5) in a second. */
const TICKS_A_SECOND = 100;

const { pid, join, stop } = await SERVERS[server]();
try {
  const room = [];
  for (let index = 0; index < Number(talkers); index += 1) {
    const talker = await openTalker(1_000 + index);
    room.push(Object.assign(talker, await join(talker)));
  }
  const voices = talk(room, voicePackets(VOICE_SECONDS));
  await later(WARM_UP_MS);
  const [began, used, heardBefore] = [performance.now(), cpuSeconds(pid), room.map(({ heard }) => heard)];
  await later(Number(seconds) * 1_000);
  const elapsed = (performance.now() - began) / 1_000;
  const heard = room.map((talker, index) => (talker.heard - heardBefore[index]) / elapsed / PACKETS_A_SECOND);
  process.stdout.write(
    JSON.stringify({
      coreShareATalker: (cpuSeconds(pid) - used) / elapsed / room.length,
      // Of the packets that each should hear, where the fewest came.
      heardShareMin: Math.min(...heard),
      bitrateHeard:
        room.reduce((sum, talker) => sum + (talker.heardBytes / talker.heard) * 8 * PACKETS_A_SECOND, 0) / room.length,
    }),
  );
  voices.stop();
  for (const { socket } of room) socket.close();
} finally {
  await stop();
}

async function startMillrace(isolation) {
  const child = fork(fileURLToPath(new URL('mixer-server.mjs', import.meta.url)), [isolation]);
  await once(child, 'message');
  return {
    pid: child.pid,
    async join({ ssrc, port }) {
      child.send({ ssrc, port });
      const [joined] = await once(child, 'message');
      return joined;
    },
    async stop() {
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    },
  };
}

/** CPU time of a process and of those that it started. */
function cpuSeconds(id) {
  const fields = readFileSync(`/proc/${id}/stat`, 'utf8').split(') ')[1].split(' ');
  const own = (Number(fields[11]) + Number(fields[12])) / TICKS_A_SECOND;
  const started = readdirSync(`/proc/${id}/task`).flatMap((task) =>
    readFileSync(`/proc/${id}/task/${task}/children`, 'utf8').split(' ').filter(Boolean),
  );
  return started.reduce((sum, child) => sum + cpuSeconds(child), own);
}

function later(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
