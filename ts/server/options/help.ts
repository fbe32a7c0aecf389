import { stringify } from 'yaml';
import { accepts } from './check.js';
import type { ServerConfig } from './config.js';
import { OPTIONS, type OptionSchema } from './schema.js';
import { flagName, variableName } from './sources.js';

/** The text of `--help`. */
export function helpText(): string {
  const options = [...OPTIONS].map(([name, schema]) => entry(name, schema));
  return `Usage: millrace [options]

Starts the conference server: open the printed address in a browser and you are in a call.

Options, each also an environment variable and a key of the config file:
${options.join('\n')}

Other options:
  -c, --config FILE  YAML or JSON file with options (MILLRACE_CONFIG). Flags win over variables, variables over the file.
      --print-config Print the options in effect as a config file, and exit.
  -v, --version      Print the version, and exit.
  -h, --help         Print this, and exit.

Ctrl-C or SIGTERM tells everyone in a call and exits with code 0 within 2 s; a second one exits at once.
`;
}

/** The options in effect as a commented config file that `--config` reads. */
export function configText(config: ServerConfig): string {
  const entries = [...OPTIONS].map(([name, schema]) => {
    const about = `# ${schema.description} Accepts ${accepts(schema)}.`;
    const value = config[name];
    return value === undefined ? `${about}\n# ${name}:\n` : `${about}\n${stringify({ [name]: value })}`;
  });
  return entries.join('\n');
}

function entry(name: string, schema: OptionSchema): string {
  const flag = schema.type === 'boolean' ? flagName(name) : `${flagName(name)} ${schema.title}`;
  return `  ${flag}\n      ${schema.description}\n      ${remark(name, schema)}`;
}

function remark(name: string, schema: OptionSchema): string {
  const byDefault = schema.default === undefined || String(schema.default) === '' ? 'none' : String(schema.default);
  return `${variableName(name)}, key ${name}; ${accepts(schema)}; default: ${byDefault}`;
}
