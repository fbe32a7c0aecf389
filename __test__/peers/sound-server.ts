import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';

/** A PulseAudio that plays into the void: where a machine has nothing to play sound on, Firefox's audio stands still. */
export class SoundServer {
  readonly #process: ChildProcess;
  readonly #folder: string;

  private constructor(process: ChildProcess, folder: string) {
    this.#process = process;
    this.#folder = folder;
  }

  /** What programs that are to use it need in their environment. */
  get environment(): { PULSE_SERVER: string } {
    return { PULSE_SERVER: `unix:${socketIn(this.#folder)}` };
  }

  /** Starts one of its own, beside whatever runs on the machine. */
  static async open(): Promise<SoundServer> {
    const folder = await mkdtemp(join(tmpdir(), 'millrace-sound-'));
    const modules = ['module-null-sink', `module-native-protocol-unix socket=${socketIn(folder)} auth-anonymous=1`];
    const child = spawn('pulseaudio', [...OPTIONS, ...modules.flatMap((module) => ['-L', module])], {
      env: { PATH: process.env.PATH, HOME: folder, XDG_RUNTIME_DIR: folder },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    // A test process that crashes closes nothing.
    process.once('exit', () => child.kill('SIGKILL'));
    const server = new SoundServer(child, folder);
    if (!(await isReady(child.stderr))) {
      throw new Error('pulseaudio did not start');
    }
    // What it says from here on must not fill the pipe.
    child.stderr.resume();
    return server;
  }

  /** Stops it. */
  async close(): Promise<void> {
    const gone = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await gone;
    await rm(this.#folder, { recursive: true });
  }
}

const OPTIONS = ['-n', '--daemonize=no', '--use-pid-file=no', '--exit-idle-time=-1', '--log-level=info'];

function socketIn(folder: string): string {
  return join(folder, 'socket');
}

async function isReady(log: Readable): Promise<boolean> {
  for await (const line of createInterface({ input: log })) {
    if (line.includes('startup complete')) {
      return true;
    }
  }
  return false;
}
