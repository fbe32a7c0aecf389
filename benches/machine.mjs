// The machine that a run was made on, and whether anybody else uses it.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import os from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

/** Share of the machine that others may use, and that the hypervisor may steal; beyond, figures are not worth keeping. */
const OTHERS_MAX = 0.02;
const WATCH_MS = 2_000;

/** What goes into the result of a run. */
export function describeMachine() {
  return {
    cpu: os.cpus()[0]?.model ?? 'unknown',
    cores: os.cpus().length,
    memoryGiB: Math.round(os.totalmem() / 2 ** 30),
    system: `${os.type()} ${os.release()} ${os.arch()}`,
    node: process.versions.node,
    commit: execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim(),
    date: new Date().toISOString(),
  };
}

/** Share of the machine that is in use while we do nothing, the hypervisor's theft included. */
export async function shareOfOthers() {
  const before = readTimes();
  await sleep(WATCH_MS);
  const after = readTimes();
  return (after.busy - before.busy) / (after.all - before.all);
}

/** Whether a run's figures can be trusted on a machine that others use this much. */
export const isQuiet = (share) => share <= OTHERS_MAX;

function readTimes() {
  const line = /^cpu +(.*)$/m.exec(readFileSync('/proc/stat', 'utf8'))[1];
  const [user, nice, system, idle, iowait, irq, softirq, steal] = line.split(' ').map(Number);
  const busy = user + nice + system + irq + softirq + steal;
  return { busy, all: busy + idle + iowait };
}
