// `npm run bench:instructions`: user-space instructions a forwarded packet, counted by valgrind for fixed inputs.
//
//     npm run bench:instructions                 compare with benches/instructions.json; fail when a case grew
//     npm run bench:instructions -- --update     write the figures there
//     npm run bench:instructions -- --functions  say too which functions they fall to
//
// Each case of crates/engine/benches/instructions.rs runs for N and for 2N steps, and the difference is counted: what
// a start costs, and what tables cost that fill once, falls out. Neither clock nor chance takes part, and neither load
// nor the speed of the machine matters. "Ours" leaves out AWS-LC, which chooses its code by CPUID: valgrind shows it
// no AVX-512, and on a processor without AVX2 still less, so the share of crypto depends on the machine.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { BUILD_NEEDS, INSTRUCTION_NEEDS, systemPackages } from '../scripts/setup.mjs';
import { main, probe, root, run, SetupError, step } from '../scripts/steps.mjs';
import { shown, tableOf } from './table.mjs';

const BASELINE = join(root, 'benches', 'instructions.json');
const OUTPUT = join(root, 'target', 'callgrind');
/** A case may grow by this share of the baseline. */
const GROWTH_MAX = 0.03;
/** Functions that are named with `--functions`. */
const FUNCTIONS_SHOWN = 25;
/** The symbols of AWS-LC; what aws-lc-rs does around them counts as ours. */
const CRYPTO = /^(aws_lc_\d|_?aesni_|aead_aes_|aes_|gcm_)/;

const options = parseArgs({
  options: { update: { type: 'boolean', default: false }, functions: { type: 'boolean', default: false } },
}).values;

await main(async () => {
  await systemPackages([...BUILD_NEEDS, ...INSTRUCTION_NEEDS]);
  const binary = await step('Building the cases (bench profile)', build);
  mkdirSync(OUTPUT, { recursive: true });
  const cases = probe(binary, []).output.trim().split('\n');
  const figures = await step('Counting instructions', async () =>
    cases.map((line) => count(binary, line.split(' ')[0])),
  );
  const before = JSON.parse(readFileSync(BASELINE, 'utf8')).cases;
  process.stdout.write(`\n${table(figures, before)}\n\n`);
  if (options.functions) figures.forEach(showFunctions);
  if (options.update) return update(figures);
  compare(figures, before);
});

/** Builds the bench target and returns its path. */
async function build() {
  const command = ['bench', '--no-run', '--package', 'millrace-engine', '--bench', 'instructions'];
  await run('cargo', command);
  // A second call, which builds nothing, says where the file is.
  const messages = probe('cargo', [...command, '--message-format=json']).output.split('\n');
  const built = messages.filter((line) => line.includes('"executable":"')).map((line) => JSON.parse(line));
  const binary = built.find(({ target }) => target.name === 'instructions')?.executable;
  if (!binary) throw new SetupError('cargo did not say where the bench is.');
  return binary;
}

/** Instructions a packet of one case: ours, crypto, and by function. */
function count(binary, name) {
  const [short, long] = [callgrind(binary, name, 1), callgrind(binary, name, 2)];
  const packets = long.packets - short.packets;
  const functions = [...long.functions].map(([label, cost]) => {
    return { label, perPacket: (cost - (short.functions.get(label) ?? 0)) / packets };
  });
  const sum = (part) => part.reduce((total, { perPacket }) => total + perPacket, 0);
  const crypto = sum(functions.filter(({ label }) => CRYPTO.test(label)));
  return { name, ours: sum(functions) - crypto, crypto, functions };
}

function callgrind(binary, name, times) {
  const file = join(OUTPUT, `${name}.${times}.out`);
  const settings = ['--tool=callgrind', '--toggle-collect=*measured*', `--callgrind-out-file=${file}`];
  const { ok, output } = probe('valgrind', [...settings, '--quiet', binary, name, String(times)]);
  if (!ok) throw new SetupError(`The case ${name} failed under valgrind.`);
  return { packets: Number(output), functions: selfCosts(readFileSync(file, 'utf8')) };
}

/** Instructions of each function without those that it called, from a file in callgrind's format. */
function selfCosts(text) {
  const names = new Map();
  const costs = new Map();
  let current = '';
  let isCall = false;
  for (const line of text.split('\n')) {
    const named = /^c?fn=\((\d+)\)(?: (.*))?$/.exec(line);
    if (named?.[2]) names.set(named[1], named[2]);
    if (line.startsWith('fn=')) current = names.get(named[1]);
    // The line behind `calls=` is what the called function cost.
    else if (line.startsWith('calls=')) isCall = true;
    else if (/^[+\-*\d]/.test(line)) {
      if (!isCall) costs.set(current, (costs.get(current) ?? 0) + Number(line.split(' ')[1]));
      isCall = false;
    }
  }
  return costs;
}

function table(figures, before) {
  const rows = figures.map(({ name, ours, crypto }) => [
    name,
    shown(ours),
    before[name] ? shown(before[name].ours) : '',
    before[name] ? `${(100 * growth(ours, before[name].ours)).toFixed(2)} %` : 'new',
    shown(crypto),
  ]);
  return tableOf([['instructions a packet', 'ours', 'baseline', 'change', 'crypto'], ...rows]);
}

function showFunctions({ name, functions }) {
  const top = functions.sort((a, b) => b.perPacket - a.perPacket).slice(0, FUNCTIONS_SHOWN);
  const rows = top.map(({ label, perPacket }) => [shown(perPacket), label]);
  process.stdout.write(`${name}\n${tableOf(rows)}\n\n`);
}

function growth(value, baseline) {
  return value / baseline - 1;
}

function compare(figures, before) {
  const wrong = figures.flatMap(({ name, ours }) => {
    if (!before[name]) return [`${name} has no baseline`];
    return growth(ours, before[name].ours) > GROWTH_MAX ? [`${name} grew by more than ${100 * GROWTH_MAX} %`] : [];
  });
  if (wrong.length > 0)
    throw new SetupError(`${wrong.join('; ')}. If that is meant: npm run bench:instructions -- --update`);
}

function update(figures) {
  const rounded = (value) => Math.round(value * 10) / 10;
  const cases = figures.map(({ name, ours, crypto }) => [name, { ours: rounded(ours), crypto: rounded(crypto) }]);
  const about = 'Instructions a packet, written by `npm run bench:instructions -- --update`.';
  writeFileSync(BASELINE, `${JSON.stringify({ about, cases: Object.fromEntries(cases) }, null, 2)}\n`);
}
