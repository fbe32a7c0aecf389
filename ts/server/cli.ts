#!/usr/bin/env node
import { AddonError } from '../errors.js';
import { setLogEventListeners } from '../logger.js';
import { banner } from './banner.js';
import type { ServerConfig } from './options/config.js';
import { OptionError } from './options/error.js';
import { configText, helpText } from './options/help.js';
import { readCommandLine } from './options/sources.js';

/** Exit code for wrong options, as of sysexits(3): EX_USAGE. */
const EXIT_USAGE = 64;

/** Time in ms after which a shutdown that hangs is ended by force, so that it takes less than 2 s in any case. */
const SHUTDOWN_MS = 1800;

/** Signals that end the server. */
const SIGNALS = { SIGINT: 2, SIGTERM: 15, SIGHUP: 1 } as const;

async function main(): Promise<void> {
  // Whoever reads what is printed may go; the calls go on.
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', () => {});
  }
  const command = readCommandLine(process.argv.slice(2), process.env);
  switch (command.action) {
    case 'help':
      process.stdout.write(helpText());
      break;
    case 'version':
      process.stdout.write(`${(await import('../capabilities.js')).version}\n`);
      break;
    case 'print-config':
      process.stdout.write(configText(command.config));
      break;
    case 'serve':
      await serve(command.config);
  }
}

async function serve(config: ServerConfig): Promise<void> {
  logTo(config.logLevel);
  process.stdout.write('Starting millrace…\n');
  // Loaded only here, so that --help answers at once and without the native addon.
  const { startServer } = await import('./server.js');
  const starting = startServer(config);
  endOnSignal(async () => (await starting).close('the server is shutting down'));
  const server = await starting;
  process.stdout.write(banner(server, config));
}

/**
 * Ends the process on a signal: the first one ends all calls and exits with 0, because stopping is what was asked for;
 * a second one, or a shutdown that hangs, exits at once as the signal would have.
 */
function endOnSignal(close: () => Promise<void>): void {
  let ending = false;
  for (const [signal, number] of Object.entries(SIGNALS)) {
    process.on(signal, () => {
      if (ending) {
        process.exit(128 + number);
      }
      ending = true;
      process.stdout.write(`\n${signal}: ending all calls…\n`);
      setTimeout(() => process.exit(128 + number), SHUTDOWN_MS).unref();
      close().then(
        () => process.exit(0),
        () => process.exit(1),
      );
    });
  }
}

function logTo(level: ServerConfig['logLevel']): void {
  const write = (namespace: string, log: string, error?: Error): void => {
    process.stderr.write(`${new Date().toISOString()} ${namespace} ${log}${error ? ` ${error.stack}` : ''}\n`);
  };
  setLogEventListeners({
    ...(level === 'none' ? {} : { onerror: write }),
    ...(level === 'warn' || level === 'debug' ? { onwarn: write } : {}),
    ...(level === 'debug' ? { ondebug: write } : {}),
  });
}

main().catch((error: unknown) => {
  // What an AddonError says begins with the package's name.
  const prefix = error instanceof AddonError ? '' : 'millrace: ';
  const forPeople = error instanceof OptionError || error instanceof AddonError;
  process.stderr.write(`${prefix}${forPeople ? error.message : ((error as Error).stack ?? error)}\n`);
  process.exit(error instanceof OptionError ? EXIT_USAGE : 1);
});
