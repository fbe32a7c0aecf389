// `npm run bench`: what one core of this machine carries, beside a server that only receives, encrypts and sends.
//
//     npm run bench                  all of it, six rounds: three quarters of an hour on a machine that nobody else uses
//     npm run bench -- --quick       one short round: three minutes, to see that everything runs
//     npm run bench -- --json FILE   the figures as JSON as well
//     npm run bench -- --svg FILE    where to put the picture; default: target/bench.svg
//     npm run bench -- --noisy       run although others use the machine; trust ratios at most
//     npm run bench -- --no-build    measure what is built already
//
// Servers take turns in every round. CPU time is that of the server's process; the load generator has a core of its own.

import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { BENCH_NEEDS, BUILD_NEEDS, nativeBuild, systemPackages, typescriptBuild } from '../scripts/setup.mjs';
import { main, root, run, SetupError, step } from '../scripts/steps.mjs';
import {
  DATA,
  DATA_RELAYS,
  EFFORT,
  FLOOD_RATE,
  fanouts,
  JOIN_CONCURRENCY,
  MIX_DELAY_TALKERS,
  MIX_HEARD_MIN,
  MIX_LISTENERS,
  MIX_TALKERS,
  PICTURES,
  PICTURES_ROOMS,
  REFERENCE_FANOUT,
  RING,
  SIMULCAST,
} from './cases.mjs';
import { Figures, median } from './figures.mjs';
import { describeMachine, isQuiet, shareOfOthers } from './machine.mjs';
import { picture } from './picture.mjs';
import { shown, table } from './table.mjs';

/** With symbols, so that profiles of a run can be read; otherwise as the addon is built. */
const PROFILE = 'bench';
/** No run takes as long; one that does hangs. */
const RUN_TIME_MAX_MS = 300_000;
const BUFFER_BYTES = 1 << 20;

const options = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    noisy: { type: 'boolean', default: false },
    'no-build': { type: 'boolean', default: false },
    json: { type: 'string' },
    svg: { type: 'string', default: join(root, 'target', 'bench.svg') },
  },
}).values;
const effort = options.quick ? EFFORT.quick : EFFORT.full;
const exec = promisify(execFile);
const figures = new Figures();
/** Packets for a second of CPU time, by fan-out and server, round by round. */
const rates = new Map(fanouts.map(({ name, rival }) => [name, { name, ours: [], rival: [], rivalName: rival }]));

await main(async () => {
  if (process.platform !== 'linux') throw new SetupError('The bench needs Linux: it reads CPU times from /proc.');
  if (!options['no-build']) await build();
  const machine = { ...describeMachine(), shareOfOthers: await requireQuiet() };
  for (let round = 1; round <= effort.rounds; round += 1) await measureRound(`round ${round} of ${effort.rounds}`);
  await step('Memory, pauses, allocations, the facade', measureOnce);
  machine.nullPacketsPerCoreSecond = median(rates.get(REFERENCE_FANOUT).rival);
  const finished = figures.finish(machine.nullPacketsPerCoreSecond);
  process.stdout.write(`\n${table(finished)}\n\n`);
  write(options.svg, picture([...rates.values()], machine));
  if (options.json) write(options.json, `${JSON.stringify({ machine, figures: finished }, null, 2)}\n`);
  const missed = finished.filter(({ ok }) => ok === false).length;
  process.stdout.write(
    `${missed === 0 ? 'every bar is reached' : `${missed} bars are missed`}; picture: ${options.svg}\n`,
  );
});

async function build() {
  await systemPackages([...BUILD_NEEDS, ...BENCH_NEEDS]);
  await step('Building the load generator', () =>
    run('cargo', ['build', '--quiet', '--profile', PROFILE, '-p', 'millrace-loadgen']),
  );
  await nativeBuild({ release: true });
  await typescriptBuild();
}

/** Refuses a machine that others use, unless it is to be so. */
async function requireQuiet() {
  const share = await shareOfOthers();
  if (isQuiet(share)) return share;
  const text = `others use ${shown(share * 100)} % of this machine`;
  if (!options.noisy && !options.quick) throw new SetupError(`${text}; --noisy runs all the same.`);
  process.stdout.write(`! ${text}: only ratios mean something\n`);
  return share;
}

async function measureRound(round) {
  for (const fanout of fanouts) await step(`${round}: ${fanout.name}`, () => measureFanout(fanout));
  await step(`${round}: delay at half load`, measureDelay);
  await step(`${round}: joins`, measureJoins);
  await step(`${round}: a flood of forged datagrams`, measureFlood);
  await step(`${round}: RTP to JavaScript and back`, measureDirect);
  await step(`${round}: packets between workers`, measureRing);
  await step(`${round}: simulcast`, measureSimulcast);
  await step(`${round}: data channels`, measureData);
  await step(`${round}: a room that is mixed`, measureMix);
  await step(`${round}: rooms whose pictures are mixed`, measurePictures);
}

/** Ours and the null server, one after the other. */
async function measureFanout({ name, media, viewers, rival }) {
  const { warmupSeconds, seconds } = effort;
  const scenario = { scenario: 'fanout', media, viewers, warmupSeconds, seconds };
  const theirs = await loadgen({ ...scenario, target: rival });
  const ours = await loadgen({ ...scenario, target: 'millrace' });
  for (const run of [ours, theirs]) requireIntact(name, run);
  rates.get(name).ours.push(ours.packetsPerCoreSecond);
  rates.get(name).rival.push(theirs.packetsPerCoreSecond);
  figures.note(`share of the null server, ${name}`, '', ours.packetsPerCoreSecond / theirs.packetsPerCoreSecond);
  figures.note(`packets for a second of CPU time, ${name}`, 'packets', ours.packetsPerCoreSecond);
  figures.note(`user time a packet, ${name}`, 'µs', ours.userNs / ours.delivered / 1e3);
  figures.note(`datagrams in a message, ${name}`, '', ours.datagramsPerMessage);
}

/** A figure made of packets that were not as sent means nothing. */
function requireIntact(name, { corrupt, sampled, duplicates }) {
  if (corrupt > 0 || sampled === 0 || duplicates > 0) {
    throw new Error(
      `${name}: of ${sampled} packets looked into, ${corrupt} were not as sent; ${duplicates} came twice`,
    );
  }
}

async function measureDelay() {
  const viewers = 100;
  const capacity = rates.get(REFERENCE_FANOUT).ours.at(-1);
  const { warmupSeconds, seconds } = effort;
  const scenario = { scenario: 'fanout', target: 'millrace', media: 'single', viewers, warmupSeconds, seconds };
  const run = await loadgen({ ...scenario, rate: capacity / viewers / 2 });
  const { delayP50Us, delayP99Us, lost, peerPacketRateMax, peerBitrateMax } = run;
  figures.note('added delay p50 at half load', 'ms', delayP50Us / 1e3);
  figures.note('added delay p99 at half load', 'ms', delayP99Us / 1e3);
  figures.note('packets lost at half load', 'packets', lost);
  figures.note('limit of one peer (R09), packets', 'a second', peerPacketRateMax);
  figures.note('limit of one peer (R09), bits', 'Gbit/s', peerBitrateMax / 1e9);
}

async function measureJoins() {
  const joins = await loadgen({ scenario: 'joins', joins: effort.joins, concurrency: JOIN_CONCURRENCY });
  figures.note('joins', 'for a second of CPU time', joins.joinsPerCoreSecond);
}

async function measureFlood() {
  const call = { target: 'millrace', viewers: 1, media: 'frames', repairs: true };
  const { idle, flooded } = await loadgen({
    ...{ scenario: 'flood', ...call, seconds: effort.floodSeconds, forgedPerSecond: FLOOD_RATE },
  });
  figures.note('flood: forged datagrams', 'a second', flooded.forged / effort.floodSeconds);
  figures.note('flood: packets of the call lost', 'packets', flooded.lost);
  figures.note('flood: packets repaired by RTX', 'packets', flooded.repaired);
  figures.note('flood: datagrams dropped by the kernel', 'datagrams', flooded.kernelDrops);
  figures.note('flood: delay p99 against the idle run', '', flooded.delayP99Us / idle.delayP99Us);
  figures.note('flood: memory growth', 'MB', flooded.residentGrowthBytes / 1e6);
  figures.note('flood: bytes out for a byte in', '', flooded.bytesOut / flooded.bytesIn);
}

async function measureRing() {
  const run = await loadgen({ scenario: 'ring', ...RING, seconds: effort.ringSeconds });
  figures.note('ring: packets', 'a second', run.packetsPerSecond);
  figures.note('ring: time a packet and target worker', 'µs', run.nsPerPacketAndTarget / 1e3);
  for (const [burst, ns] of Object.entries(run.nsPerPacketAndTargetInBursts)) {
    figures.note(`ring: time a packet and target worker, wake-ups included, in bursts of ${burst}`, 'µs', ns / 1e3);
  }
  figures.note(
    'ring: time a packet of a ring that nobody reads, as any viewer takes',
    'µs',
    run.nsPerPacketUnread / 1e3,
  );
  figures.note('ring: time that a wake-up takes of who sends', 'µs', run.nsPerWakeUp / 1e3);
  figures.note('ring: time a packet in the target worker', 'µs', run.nsPerPacketInTarget / 1e3);
  figures.note('ring: packets lost', 'packets', run.lost);
  figures.note('ring: wake-up p50', 'ms', run.wakeUpP50Us / 1e3);
  figures.note('ring: wake-up p99', 'ms', run.wakeUpP99Us / 1e3);
}

/** What changing layers costs: the same camera with one stream, then with several. */
async function measureSimulcast() {
  const { layers, changesPerSecond, framesPerSecond, ...call } = SIMULCAST;
  const { warmupSeconds, seconds } = effort;
  const one = { scenario: 'fanout', target: 'millrace', rate: framesPerSecond, ...call, warmupSeconds, seconds };
  const single = await loadgen(one);
  const several = await loadgen({ ...one, layers, changesPerSecond });
  for (const run of [single, several]) requireIntact('simulcast', run);
  const cpuUs = ({ cpuNs, delivered }) => cpuNs / delivered / 1e3;
  figures.note('simulcast: CPU time a delivered packet against one stream', '', cpuUs(several) / cpuUs(single));
  figures.note('simulcast: CPU time a delivered packet', 'µs', cpuUs(several));
  figures.note('simulcast: changes of layer', 'a second', several.layerChanges / several.seconds);
  figures.note('simulcast: packets lost', 'packets', several.lost);
}

/** Data channels of ours and of others, one after the other. */
async function measureData() {
  const { warmupSeconds, seconds } = effort;
  for (const [relay, target] of Object.entries(DATA_RELAYS)) {
    const small = await loadgen({ scenario: 'data', ...target, ...DATA.small, warmupSeconds, seconds });
    const bulk = await loadgen({ scenario: 'data', ...target, ...DATA.bulk, warmupSeconds, seconds });
    for (const { corrupt, delivered } of [small, bulk]) {
      if (corrupt > 0 || delivered === 0) throw new Error(`data, ${relay}: ${corrupt} of ${delivered} not as sent`);
    }
    const name = `data, ${relay}`;
    figures.note(`${name}: CPU time a message to 100`, 'µs', small.cpuUsPerMessage);
    figures.note(`${name}: messages to 100 lost`, 'messages', small.lost);
    figures.note(`${name}: delay p50 to 100`, 'ms', small.delayP50Us / 1e3);
    figures.note(`${name}: delay p99 to 100`, 'ms', small.delayP99Us / 1e3);
    figures.note(`${name}: bulk`, 'MB/s', bulk.megabytesPerSecond);
    figures.note(`${name}: bulk for a second of CPU time`, 'MB', bulk.megabytesPerCoreSecond);
    figures.note(`${name}: bulk messages lost`, 'messages', bulk.lost);
  }
}

async function measureDirect() {
  const run = JSON.parse(
    (await exec(process.execPath, [join(root, 'benches', 'direct.mjs'), String(effort.directSeconds)])).stdout,
  );
  const name = 'RTP to JavaScript and back';
  figures.note(name, 'packets a second', run.roundTripsPerSecond);
  figures.note(`${name}: share of a core that JavaScript used`, '%', run.javascriptCoreShare * 100);
  figures.note(`${name}: packets dropped`, 'packets', run.dropped);
  figures.note(`${name}: packets of a call beside it lost`, 'packets', run.callLost);
  figures.note(`${name}: delay p99 of the call against the idle run`, '', run.callDelayP99Ms / run.callDelayP99IdleMs);
  // What of it the system does that shares processors out: as late as beside any other busy thread.
  const share = run.callDelayP99BusyMs / run.callDelayP99IdleMs;
  figures.note(`${name}: delay p99 of the call beside a busy loop without packets against the idle run`, '', share);
}

/** Everybody hears everybody else as one sound: ours on a thread, in a process of its own, then Janus's AudioBridge. */
async function measureMix() {
  const shares = {};
  for (const server of ['millrace', 'isolated', 'janus']) {
    const arguments_ = [join(root, 'benches', 'mix.mjs'), server, String(MIX_TALKERS), String(effort.seconds)];
    const run = JSON.parse((await exec(process.execPath, arguments_)).stdout);
    if (run.heardShareMin < MIX_HEARD_MIN) throw new Error(`mix, ${server}: someone heard ${run.heardShareMin} of it`);
    shares[server] = run.coreShareATalker;
    figures.note(`mix, ${server}: CPU time of a talker`, '% of a core', run.coreShareATalker * 100);
  }
  figures.note('mix: CPU time against Janus', '', shares.millrace / shares.janus);
  figures.note('mix: CPU time in a process of its own against a thread', '', shares.isolated / shares.millrace);
  await measureMixer();
}

/** The mixer beside the bare calls of its codecs, its listeners beside those of a plain microphone, and its delay. */
async function measureMixer() {
  const { seconds, warmupSeconds } = effort;
  const mixing = await loadgen({ scenario: 'mixing', talkers: MIX_TALKERS, seconds });
  figures.note('mix: cost against the bare calls', '', mixing.againstBareCalls);
  figures.note('mix: talkers a core', 'talkers', mixing.talkersACore);
  figures.note('mix: talkers a core against the bare calls', '', mixing.talkersACore / mixing.talkersACoreByBareCalls);
  const listening = {
    scenario: 'fanout',
    target: 'millrace',
    media: 'audio',
    warmupSeconds,
    seconds,
    ...MIX_LISTENERS,
  };
  const forwarded = await loadgen(listening);
  const mixed = await loadgen({ ...listening, mixed: true });
  figures.note(
    'mix: CPU time of a listener against forwarding',
    '',
    mixed.cpuNs / mixed.delivered / (forwarded.cpuNs / forwarded.delivered),
  );
  const delay = await loadgen({ scenario: 'mixdelay', talkers: MIX_DELAY_TALKERS, seconds: 5 * seconds });
  figures.note('mix: added delay p50', 'ms', delay.p50Ms);
  figures.note('mix: added delay p99', 'ms', delay.p99Ms);
}

/** Mixers of pictures beside the bare calls of their codecs and beside other programs, and their delay. */
async function measurePictures() {
  const { seconds, pictureFrames: frames } = effort;
  for (const [room, arranged] of Object.entries(PICTURES)) {
    const name = `video mix, ${room}`;
    const mixing = await loadgen({ scenario: 'pictures', arranged, seconds });
    figures.note(`${name}: cost against the bare calls`, '', mixing.againstBareCalls);
    figures.note(`${name}: CPU time a frame`, 'ms', mixing.msAFrame);
    figures.note(`${name}: rooms a core`, 'rooms', mixing.roomsACore);
    const share = mixing.roomsACore / mixing.roomsACoreByBareCalls;
    figures.note(`${name}: rooms a core against the bare calls`, '', share);
    figures.note(`${name}: allocations a frame`, '', mixing.allocationsAFrame);
    const beside = await loadgen({ scenario: 'picturesbeside', arranged, frames });
    figures.note(`${name}: CPU time against GStreamer`, '', mixing.msAFrame / beside.gstreamerMsAFrame);
    figures.note(`${name}: CPU time against FFmpeg`, '', mixing.msAFrame / beside.ffmpegMsAFrame);
    const delay = await loadgen({ scenario: 'picturesdelay', arranged, seconds: 5 * seconds });
    figures.note(`${name}: added delay p50`, 'ms', delay.p50Ms);
    figures.note(`${name}: added delay p99`, 'ms', delay.p99Ms);
  }
}

/** What does not depend on who else runs. */
async function measureOnce() {
  const memory = await loadgen({ scenario: 'memory', count: effort.objects });
  figures.note('unconnected transport', 'kB', memory.unconnectedTransportBytes / 1e3);
  figures.note('connected transport', 'kB', memory.connectedTransportBytes / 1e3);
  figures.note('consumer, native', 'kB', memory.consumerBytes / 1e3);
  for (const [room, arranged] of Object.entries(PICTURES)) {
    const run = await loadgen({ scenario: 'picturesmemory', arranged, rooms: PICTURES_ROOMS });
    figures.note(`video mix, ${room}: memory`, 'MB', run.bytesARoom / 1e6);
    figures.note(`video mix, ${room}: memory against the bare calls`, '', run.againstBareCalls);
  }
  const paused = await loadgen({ scenario: 'paused', consumers: 1_000, seconds: effort.pausedSeconds });
  figures.note('1,000 paused consumers', '% of a core', paused.coreShare * 100);
  const call = { target: 'millrace', viewers: 10, media: 'frames', warmupSeconds: 0.5, seconds: 1 };
  const allocations = await loadgen({ scenario: 'allocations', ...call });
  figures.note('allocations a forwarded packet', '', allocations.perPacket);
  const { stdout } = await exec(process.execPath, ['--expose-gc', join(root, 'benches', 'facade.mjs')]);
  const facade = JSON.parse(stdout);
  figures.note('consumer, JavaScript', 'kB', facade.consumerBytes / 1e3);
  figures.note('transport, JavaScript', 'kB', facade.transportBytes / 1e3);
  figures.note('createWebRtcTransport from JavaScript', 'ms', facade.createWebRtcTransportMs);
  figures.note('consume from JavaScript', 'ms', facade.consumeMs);
}

async function loadgen(scenario) {
  const target = process.env.CARGO_TARGET_DIR ?? join(root, 'target');
  // Cargo names the folder of its bench profile after the release profile that it extends.
  const binary = join(target, 'release', 'millrace-loadgen');
  const { stdout } = await exec(binary, [JSON.stringify(scenario)], {
    cwd: root,
    timeout: RUN_TIME_MAX_MS,
    maxBuffer: BUFFER_BYTES,
  });
  return JSON.parse(stdout);
}

function write(file, content) {
  mkdirSync(dirname(resolve(file)), { recursive: true });
  writeFileSync(file, content);
}
