import { isLoopback } from './http/addresses.js';
import type { ServerConfig } from './options/config.js';
import type { Server } from './server.js';

/** What the command line prints once the server listens. */
export function banner({ urls, mediaPorts }: Pick<Server, 'urls' | 'mediaPorts'>, config: ServerConfig): string {
  const [first, ...others] = urls.start;
  const lines = [
    '',
    `  ${bold('Millrace is running.')} Open this in a browser, and again in another tab:`,
    '',
    `    ${bold(cyan(first ?? ''))}`,
    '',
    ...others.map((url) => row('also at', url)),
    row(
      'media',
      `UDP and TCP port ${mediaPorts.map((port) => (port === 0 ? 'of the system’s choice' : port)).join(', ')}`,
    ),
    row('health', urls.health[0] ?? ''),
    ...hints(config, urls.start),
    row('stop', 'Ctrl-C'),
    '',
  ];
  return `${lines.join('\n')}\n`;
}

function hints(config: ServerConfig, urls: readonly string[]): string[] {
  if (config.tlsCert === undefined && urls.some((url) => url.startsWith('https:'))) {
    return [row('note', 'browsers warn of the self-signed certificate; choose “Advanced”, then “Proceed”')];
  }
  return isLoopback(config.host) && !config.lan
    ? [row('network', 'start with --lan for other machines, and for Firefox on this one')]
    : [];
}

function row(label: string, text: string): string {
  return `  ${dim(label.padEnd(8))} ${text}`;
}

const colours = process.stdout.isTTY && !process.env.NO_COLOR;

const bold = style(1);
const dim = style(2);
const cyan = style(36);

function style(code: number): (text: string) => string {
  return colours ? (text) => `\u001b[${code}m${text}\u001b[0m` : (text) => text;
}
