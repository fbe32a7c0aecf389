import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { parse as parseYaml } from 'yaml';
import { checkOptions, completeConfig, nearest } from './check.js';
import type { ServerConfig } from './config.js';
import { OptionError } from './error.js';
import { OPTIONS, type OptionName, type OptionSchema } from './schema.js';

/** What the command line asks for. */
export type CommandLine =
  | { readonly action: 'help' }
  | { readonly action: 'version' }
  | { readonly action: 'print-config'; readonly config: ServerConfig }
  | { readonly action: 'serve'; readonly config: ServerConfig };

/**
 * Reads the command line, the environment and the config file; flags win over variables, variables over the file.
 *
 * @throws {@link OptionError} at the first thing that is wrong in any of them.
 */
export function readCommandLine(args: readonly string[], environment: NodeJS.ProcessEnv): CommandLine {
  const { help, version, config: file, printConfig, ...flags } = readFlags(args);
  if (help) {
    return { action: 'help' };
  }
  if (version) {
    return { action: 'version' };
  }
  const { config: fileOfEnvironment, ...variables } = readEnvironment(environment);
  const path = (file ?? fileOfEnvironment) as string | undefined;
  const config = completeConfig({
    ...(path === undefined ? {} : readConfigFile(path)),
    ...checkOptions(variables, variableName),
    ...checkOptions(flags, flagName),
  });
  return { action: printConfig ? 'print-config' : 'serve', config };
}

/** `mediaPort` as a flag: `--media-port`. */
export function flagName(option: string): string {
  return `--${option.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** `mediaPort` as an environment variable: `MILLRACE_MEDIA_PORT`. */
export function variableName(option: string): string {
  return `${PREFIX}${option.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
}

function readFlags(args: readonly string[]): Record<string, unknown> {
  const known = new Map<string, { option: string; boolean: boolean }>();
  for (const [option, schema] of OPTIONS) {
    known.set(flagName(option).slice(2), { option, boolean: schema.type === 'boolean' });
  }
  known.set('config', { option: 'config', boolean: false });
  for (const option of ['help', 'version', 'printConfig']) {
    known.set(flagName(option).slice(2), { option, boolean: true });
  }
  const options = Object.fromEntries(
    [...known].map(([flag, { boolean }]) => [flag, { type: boolean ? 'boolean' : 'string', ...SHORT[flag] } as const]),
  );
  const { tokens } = parseArgs({ args: [...args], options, strict: false, allowNegative: true, tokens: true });
  const values: Record<string, unknown> = {};
  for (const token of tokens) {
    if (token.kind === 'positional') {
      throw new OptionError(`${token.value}: expected an option; --help lists all`);
    }
    if (token.kind === 'option') {
      const [option, value] = readFlag(token, known);
      values[option] = value;
    }
  }
  return values;
}

type Flag = { readonly name: string; readonly rawName: string; readonly value?: string | undefined };

function readFlag(flag: Flag, known: ReadonlyMap<string, { option: string; boolean: boolean }>): [string, unknown] {
  const negated = flag.rawName.startsWith('--no-') && !known.has(flag.rawName.slice(2));
  const entry = known.get(negated ? flag.rawName.slice('--no-'.length) : flag.name);
  if (!entry || (negated && !entry.boolean)) {
    throw new OptionError(`${flag.rawName}: no such option${suggestion(flag.rawName)}`);
  }
  if (entry.boolean && flag.value === undefined) {
    return [entry.option, !negated];
  }
  if (flag.value === undefined || flag.value === '') {
    throw new OptionError(`${flag.rawName}: expected a value, as in ${flag.rawName} ${exampleOf(entry.option)}`);
  }
  return [entry.option, fromText(entry.option, flag.value)];
}

function suggestion(rawName: string): string {
  const meant = nearest(rawName.replace(/^-+/, '').replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase()));
  return meant ? `; did you mean ${flagName(meant)}?` : '; --help lists all';
}

function exampleOf(option: string): string {
  return OPTIONS.get(option as OptionName)?.title ?? 'FILE';
}

function readEnvironment(environment: NodeJS.ProcessEnv): Record<string, unknown> {
  const known = new Map([...OPTIONS.keys(), 'config'].map((option) => [variableName(option), option]));
  const values: Record<string, unknown> = {};
  for (const [variable, text] of Object.entries(environment)) {
    if (!variable.startsWith(PREFIX) || OTHER_VARIABLES.has(variable) || text === undefined || text === '') {
      continue;
    }
    const option = known.get(variable);
    if (option === undefined) {
      throw new OptionError(`${variable}: no such option; --help lists all`);
    }
    values[option] = fromText(option, text);
  }
  return values;
}

function readConfigFile(path: string): Partial<ServerConfig> {
  try {
    // YAML 1.2 contains JSON, so one reader serves both.
    return checkOptions(parseYaml(readFileSync(path, 'utf8'), { maxAliasCount: 0 }) ?? {});
  } catch (error) {
    const [firstLine = ''] = (error as Error).message.split('\n');
    throw new OptionError(`${path}: ${firstLine.replace(/:$/, '')}`);
  }
}

/** Reads a value that can only be written as text; what it cannot read it leaves for the check to refuse. */
function fromText(option: string, text: string): unknown {
  const schema: Partial<OptionSchema> = OPTIONS.get(option as OptionName) ?? {};
  switch (schema.type) {
    case 'integer':
      return /^\d{1,15}$/.test(text) ? Number(text) : text;
    case 'boolean':
      return { true: true, 1: true, false: false, 0: false }[text] ?? text;
    case 'array':
      return text.split(',').map((item) => item.trim());
    default:
      return text;
  }
}

const PREFIX = 'MILLRACE_';

/** Variables with our prefix that are not options of the server. */
const OTHER_VARIABLES = new Set(['MILLRACE_PORTABLE_IO']);

const SHORT: Readonly<Record<string, { short: string }>> = {
  help: { short: 'h' },
  version: { short: 'v' },
  config: { short: 'c' },
};
