import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { parse } from 'yaml';
import { listenAddresses, mediaAddresses } from '../ts/server/http/addresses.js';
import { checkOptions, completeConfig } from '../ts/server/options/check.js';
import { OptionError } from '../ts/server/options/error.js';
import { configText, helpText } from '../ts/server/options/help.js';
import { OPTIONS } from '../ts/server/options/schema.js';
import { flagName, readCommandLine, variableName } from '../ts/server/options/sources.js';

test('without any option the defaults count', (t) => {
  t.like(readCommandLine([], {}), {
    action: 'serve',
    config: { host: 'localhost', port: 3000, lan: false, mediaPort: 44_444, workers: 1 },
  });
});

test('a flag wins over a variable, and a variable over the file', (t) => {
  const file = configFile('port: 1\nmediaPort: 1\nworkers: 1\n');
  const { config } = served(['--port', '3', '--config', file], { MILLRACE_PORT: '2', MILLRACE_MEDIA_PORT: '2' });
  t.like(config, { port: 3, mediaPort: 2, workers: 1 });
});

test('the config file may be YAML or JSON, and be named by a variable', (t) => {
  t.is(served([], { MILLRACE_CONFIG: configFile('port: 81\n') }).config.port, 81);
  t.is(served([], { MILLRACE_CONFIG: configFile('{"port": 82}') }).config.port, 82);
});

test('booleans are written as flags alone, negated, or as text', (t) => {
  t.true(served(['--lan']).config.lan);
  t.false(served(['--no-lan'], { MILLRACE_LAN: 'true' }).config.lan);
  t.true(served([], { MILLRACE_LAN: '1' }).config.lan);
  t.true(served(['--lan=true']).config.lan);
});

test('lists are written with commas', (t) => {
  const { config } = served(['--allowed-origins', 'https://a.example, https://b.example']);
  t.deepEqual(config.allowedOrigins, ['https://a.example', 'https://b.example']);
});

const REFUSED: readonly [string, readonly string[], NodeJS.ProcessEnv, string][] = [
  ['an unknown flag', ['--prot', '3'], {}, '--prot: no such option; did you mean --port?'],
  ['a flag unlike any other', ['--frobnicate'], {}, '--frobnicate: no such option; --help lists all'],
  ['a flag without its value', ['--port'], {}, '--port: expected a value, as in --port PORT'],
  ['a wrong number', ['--port', 'abc'], {}, '--port: expected an integer from 0 to 65535, got "abc"'],
  ['a number out of range', ['--port=65536'], {}, '--port: expected an integer from 0 to 65535, got 65536'],
  ['a wrong choice', ['--tls', 'maybe'], {}, '--tls: expected one of auto, on, off, got "maybe"'],
  ['a negated value', ['--no-port'], {}, '--no-port: no such option; did you mean --port?'],
  ['an argument', ['now'], {}, 'now: expected an option; --help lists all'],
  ['an unknown variable', [], { MILLRACE_PROT: '1' }, 'MILLRACE_PROT: no such option; --help lists all'],
  ['a wrong variable', [], { MILLRACE_LAN: 'yes' }, 'MILLRACE_LAN: expected true or false, got "yes"'],
  ['half a certificate', ['--tls-cert', 'a'], {}, 'tlsCert and tlsKey belong together: give both or neither'],
];

for (const [what, args, environment, message] of REFUSED) {
  test(`${what} is refused in one line that says what and how`, (t) => {
    t.throws(() => readCommandLine(args, environment), { instanceOf: OptionError, message });
  });
}

test('errors in the config file name the file and the key', (t) => {
  const file = configFile('portt: 1\n');
  t.throws(() => readCommandLine(['-c', file], {}), {
    instanceOf: OptionError,
    message: `${file}: portt: no such option; did you mean port?`,
  });
  const list = configFile('- 1\n');
  t.throws(() => readCommandLine(['-c', list], {}), { message: `${list}: expected a map of options, got [1]` });
  t.throws(() => readCommandLine(['-c', '/nowhere'], {}), { message: /^\/nowhere: ENOENT/ });
});

test('options given in JavaScript are checked alike', (t) => {
  t.throws(() => checkOptions({ port: '3000' }), { instanceOf: TypeError, code: 'ERR_INVALID_OPTION' });
  t.throws(() => checkOptions({ ports: 1 }), { message: 'ports: no such option; did you mean port?' });
  t.deepEqual(checkOptions({ port: undefined }), { port: undefined });
  t.is(completeConfig({ port: undefined }).port, 3000);
});

test('the help names every option with its flag, its variable and its default', (t) => {
  const help = helpText();
  for (const [name, schema] of OPTIONS) {
    t.true(
      help.includes(flagName(name)) && help.includes(variableName(name)) && help.includes(schema.description),
      name,
    );
  }
});

test('what --print-config prints is a config file with the same effect', (t) => {
  const { config } = served(['--port', '8080', '--lan', '--allowed-origins', 'https://a.example']);
  t.deepEqual(completeConfig(checkOptions(parse(configText(config)))), config);
  t.is(readCommandLine(['--print-config'], {}).action, 'print-config');
});

test('localhost listens on loopback of both families, and nothing else', (t) => {
  t.deepEqual(listenAddresses({ host: 'localhost', lan: false }, INTERFACES), [
    { address: '127.0.0.1', loopback: true },
    { address: '::1', loopback: true },
  ]);
  t.deepEqual(mediaAddresses({ host: 'localhost', lan: false }, INTERFACES), ['127.0.0.1', '::1']);
  t.deepEqual(mediaAddresses({ host: '::1', lan: false }, INTERFACES), ['::1']);
});

test('on the LAN every address counts but link-local ones', (t) => {
  const all = ['127.0.0.1', '::1', '192.0.2.7', '2001:db8::7'];
  t.deepEqual(mediaAddresses({ host: 'localhost', lan: true }, INTERFACES), all);
  t.deepEqual(mediaAddresses({ host: '::', lan: false }, INTERFACES), all);
  t.deepEqual(mediaAddresses({ host: '0.0.0.0', lan: false }, INTERFACES), ['127.0.0.1', '192.0.2.7']);
});

function served(args: readonly string[], environment: NodeJS.ProcessEnv = {}) {
  const line = readCommandLine(args, environment);
  if (line.action !== 'serve') {
    throw new Error(`expected to serve, not to ${line.action}`);
  }
  return line;
}

let files = 0;

function configFile(text: string): string {
  files += 1;
  const path = join(tmpdir(), `millrace-options-${process.pid}-${files}.yaml`);
  writeFileSync(path, text);
  return path;
}

const INTERFACES = {
  lo: [address('127.0.0.1', true), address('::1', true)],
  eth0: [address('192.0.2.7', false), address('fe80::1', false), address('2001:db8::7', false)],
};

function address(ip: string, internal: boolean) {
  const family = ip.includes(':') ? ('IPv6' as const) : ('IPv4' as const);
  const common = { address: ip, internal, netmask: '', mac: '', cidr: null };
  return family === 'IPv6' ? { ...common, family, scopeid: 0 } : { ...common, family };
}
