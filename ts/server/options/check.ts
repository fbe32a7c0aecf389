import { Compile } from 'typebox/compile';
import type { ServerConfig } from './config.js';
import { OptionError } from './error.js';
import { OPTIONS, type OptionName, type OptionSchema, ServerConfigSchema } from './schema.js';

/** Says where an option came from, as its writer knows it: `--media-port`, `MILLRACE_MEDIA_PORT`, `mediaPort`. */
export type Spelling = (name: string) => string;

/**
 * Checks options that came from one source.
 *
 * @throws {@link OptionError} at the first key that does not exist and the first value that is wrong.
 */
export function checkOptions(options: unknown, spelling: Spelling = (name) => name): Partial<ServerConfig> {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new OptionError(`expected a map of options, got ${inspect(options)}`);
  }
  for (const [name, value] of Object.entries(options)) {
    if (value !== undefined) {
      checkOption(name, value, spelling);
    }
  }
  return options;
}

/** Fills in defaults and checks what concerns several options at once. */
export function completeConfig(options: Partial<ServerConfig>): ServerConfig {
  const defaults = [...OPTIONS].filter(([, schema]) => schema.default !== undefined);
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  const config = Object.fromEntries([
    ...defaults.map(([name, schema]) => [name, schema.default]),
    ...given,
  ]) as ServerConfig;
  if ((config.tlsCert === undefined) !== (config.tlsKey === undefined)) {
    throw new OptionError('tlsCert and tlsKey belong together: give both or neither');
  }
  if (config.tlsCert !== undefined && config.tls === 'off') {
    throw new OptionError('tls: "off" contradicts tlsCert; leave one of them out');
  }
  if (config.mediaPort > 0 && config.mediaPort + config.workers - 1 > 65_535) {
    throw new OptionError(`mediaPort: ${config.mediaPort} leaves no room for the ports of ${config.workers} workers`);
  }
  return config;
}

/** What an option accepts, in words. */
export function accepts(schema: OptionSchema): string {
  if (schema.enum) {
    return `one of ${schema.enum.join(', ')}`;
  }
  switch (schema.type) {
    case 'integer':
      return `an integer from ${schema.minimum} to ${schema.maximum}`;
    case 'boolean':
      return 'true or false';
    case 'array':
      return `a list of at most ${schema.maxItems} non-empty texts`;
    default:
      return 'a non-empty text';
  }
}

/** The option whose name is nearest to what was written, if any is near. */
export function nearest(written: string): OptionName | undefined {
  const ranked = [...OPTIONS.keys()]
    .map((name) => ({ name, distance: distance(written.toLowerCase(), name.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance);
  return ranked[0] && ranked[0].distance <= NEAR ? ranked[0].name : undefined;
}

function checkOption(name: string, value: unknown, spelling: Spelling): void {
  const validator = validators.get(name);
  if (!validator) {
    const meant = nearest(name);
    throw new OptionError(
      `${spelling(name)}: no such option${meant ? `; did you mean ${spelling(meant)}?` : '; --help lists all'}`,
    );
  }
  if (!validator.Check(value)) {
    const expected = accepts(OPTIONS.get(name as OptionName) as OptionSchema);
    throw new OptionError(`${spelling(name)}: expected ${expected}, got ${inspect(value)}`);
  }
}

/** A value on one short line. */
function inspect(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

/** Edit distance (Levenshtein), one row at a time. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const changed = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(changed, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}

/** Most edits at which two names are taken for the same. */
const NEAR = 2;

const validators = new Map(
  Object.entries(ServerConfigSchema.properties).map(([name, schema]) => [name, Compile(schema)]),
);
