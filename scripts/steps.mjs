// Runs the steps of a script one after the other and shows what is going on. No dependencies: it works before
// anything is installed.

import { spawn, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** The repository's root. */
export const root = fileURLToPath(new URL('..', import.meta.url));

/** An error whose message is all that the person at the terminal needs: what is wrong and what to do. */
export class SetupError extends Error {}

const colour = process.stdout.isTTY ? (code, text) => `\u001b[${code}m${text}\u001b[0m` : (_code, text) => text;

/** Runs `work` under `title`; prints the title first and the time it took afterwards. */
export async function step(title, work) {
  const started = performance.now();
  process.stdout.write(`${colour(36, '▸')} ${title}\n`);
  const result = await work();
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  process.stdout.write(`${colour(32, '✓')} ${title} (${seconds} s)\n`);
  return result;
}

/** Runs a command in the repository's root, showing its output. Rejects when it fails; resolves to its output. */
export function run(command, args, { env = {}, capture = false } = {}) {
  return new Promise((resolve, reject) => {
    const stdio = ['ignore', capture ? 'pipe' : 'inherit', 'inherit'];
    // On Windows npm and npx are scripts, which only a shell runs.
    const shell = process.platform === 'win32' && /^np[mx]$/.test(command);
    const child = spawn(command, args, { cwd: root, env: { ...process.env, ...env }, stdio, shell });
    let output = '';
    child.stdout?.on('data', (chunk) => {
      output += chunk;
      process.stdout.write(chunk);
    });
    child.on('error', (error) => reject(new SetupError(`cannot run ${command}: ${error.message}`)));
    child.on('close', (code, signal) => {
      if (code === 0) return resolve(output);
      const failure = new SetupError(`${command} ${args.join(' ')} failed (${signal ?? `exit code ${code}`})`);
      failure.output = output;
      reject(failure);
    });
  });
}

/** Most output in bytes of a quiet command: `cargo metadata` writes some 2 MB. A command that writes more counts as failed. */
const OUTPUT_BYTES_MAX = 1 << 26;

/** Runs a command quietly; resolves to `{ ok, output }`. */
export function probe(command, args) {
  const { status, stdout } = spawnSync(command, args, { cwd: root, encoding: 'utf8', maxBuffer: OUTPUT_BYTES_MAX });
  return { ok: status === 0, output: stdout ?? '' };
}

/** Runs a whole script: errors meant for people are printed in one line, everything else with its stack. */
export async function main(script) {
  try {
    await script();
  } catch (error) {
    process.stderr.write(`${colour(31, '✗')} ${error instanceof SetupError ? error.message : error.stack}\n`);
    process.exit(1);
  }
}
