// Licence notices of what is not ours and yet in the packages: npm packages in the bundles, crates in the binary.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { probe, root, SetupError } from './steps.mjs';

/** The notices of the npm packages in these folders. */
export function npmNotices(folders) {
  return notices(
    'The server and the meet page of millrace contain these npm packages.',
    folders.map((folder) => {
      const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
      return { name, version, license: typeof license === 'string' ? license : license?.type, texts: textsIn(folder) };
    }),
  );
}

/** The notices of the crates that are linked into the addon, on whatever platform. */
export function crateNotices() {
  const args = ['metadata', '--locked', '--format-version', '1'];
  const { ok, output } = probe('cargo', args);
  if (!ok) throw new SetupError(`cargo ${args.join(' ')} failed`);
  const crates = linkedCrates(JSON.parse(output)).map(({ name, version, license, manifest_path, authors }) => ({
    name,
    version,
    license,
    authors,
    texts: [...textsIn(dirname(manifest_path), license), ...textsOfSources(dirname(manifest_path))],
  }));
  crates.push({ name: 'libvpx', version: '(of the system)', license: 'BSD-3-Clause', texts: [libvpxText()] });
  return notices(
    'The binary of millrace contains these crates, and the standard library of Rust (MIT OR Apache-2.0,\nCopyright (c) The Rust Project Contributors).',
    crates,
  );
}

/** Follows the normal dependencies of the addon; what runs in the compiler and in tests is not in the binary. */
function linkedCrates({ packages, resolve }) {
  const byId = new Map(packages.map((entry) => [entry.id, entry]));
  const nodes = new Map(resolve.nodes.map((node) => [node.id, node]));
  const start = packages.find(({ name }) => name === 'millrace-node').id;
  const found = new Set([start]);
  for (const id of found) {
    for (const { pkg, dep_kinds } of nodes.get(id).deps) {
      const isMacro = byId.get(pkg).targets.some(({ kind }) => kind.includes('proc-macro'));
      if (!isMacro && dep_kinds.some(({ kind }) => kind === null)) found.add(pkg);
    }
  }
  return [...found].map((id) => byId.get(id)).filter(({ source }) => source !== null);
}

/** The licence texts of a package. Where MIT may be chosen, we choose it: it names the authors and is short. */
function textsIn(folder, license = '') {
  const files = readdirSync(folder, { withFileTypes: true }).filter(
    (entry) => entry.isFile() && LICENCE_FILE.test(entry.name),
  );
  const names = files.map(({ name }) => name).sort();
  const mit = /\bMIT\b.*\bOR\b|\bOR\b.*\bMIT\b|\/MIT|MIT\//.test(license)
    ? names.filter((name) => /MIT/i.test(name))
    : [];
  const chosen = mit.length > 0 ? [...mit, ...names.filter((name) => /NOTICE|IJG/i.test(name))] : names;
  return chosen.map((name) => readFileSync(join(folder, name), 'utf8').replaceAll('\r', '').trim());
}

/** The licence texts of a C library or a font that lies in a crate. */
function textsOfSources(folder) {
  return ['vendor', 'upstream', 'opus', join('assets', 'dejavu-fonts-ttf-2.37')]
    .map((name) => join(folder, name))
    .filter((sources) => existsSync(sources))
    .flatMap((sources) => textsIn(sources));
}

/** The licence of libvpx, which is linked from the system's package: no crate has it. */
function libvpxText() {
  return readFileSync(join(root, 'crates', 'codecs', 'c', 'libvpx-licence.txt'), 'utf8').trim();
}

const LICENCE_FILE = /^(licen[cs]e|copying|copyright|notice|patents|unlicense)([-._].*)?$/i;

/** One text: every package with its licence first, then each licence text once, under the packages that it is of. */
function notices(title, packages) {
  const named = packages.map((entry) => ({ ...entry, label: `${entry.name} ${entry.version}` }));
  named.sort((a, b) => (a.label < b.label ? -1 : 1));
  const groups = new Map();
  for (const { label, license, authors, texts } of named) {
    if (!license) throw new SetupError(`${label} does not say its licence`);
    for (const text of texts.length > 0 ? texts : [withoutText(license, authors)]) {
      groups.set(text, [...(groups.get(text) ?? []), label]);
    }
  }
  const list = named.map(({ label, license }) => `  ${label}: ${license}`);
  const sections = [...groups].map(([text, labels]) => `${RULE}\n${labels.join(', ')}\n${RULE}\n\n${text}\n`);
  return `${title}\nTheir licences follow. Written by \`npm run notices\`.\n\n${list.join('\n')}\n\n${sections.join('\n')}`;
}

/** What stands for a package that brings no licence text: the text of MIT, which all of those few offer, and who made it. */
function withoutText(license, authors = []) {
  const by = authors.length > 0 ? authors.join(', ') : 'its authors';
  if (!/\bMIT\b/.test(license)) throw new SetupError(`there is no text for ${license}`);
  return `The MIT License\n\nCopyright (c) ${by}\n\n${MIT}`;
}

const MIT = `Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.`;

const RULE = '-'.repeat(80);

/** Where the committed notices lie. */
export const NOTICES = {
  npm: join(root, 'THIRD-PARTY-NOTICES.txt'),
  crates: join(root, 'npm', 'THIRD-PARTY-NOTICES.txt'),
};

/** Throws unless the committed notices are these. */
export function checkNotices(kind, text) {
  if (existsSync(NOTICES[kind]) && readFileSync(NOTICES[kind], 'utf8') === text) return;
  throw new SetupError(`${NOTICES[kind].slice(root.length)} is not current; write it with \`npm run notices\`.`);
}
