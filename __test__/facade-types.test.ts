import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';

const root = fileURLToPath(new URL('..', import.meta.url));
const published = join(root, 'node_modules', 'mediasoup', 'node', 'lib');

test('mediasoup comes as types to compare with: no version but this one, and nothing of it ran', (t) => {
  const manifest = JSON.parse(readFileSync(join(root, 'node_modules', 'mediasoup', 'package.json'), 'utf8'));
  t.is(manifest.version, '3.27.1');
  t.false(readdirSync(join(root, 'node_modules', 'mediasoup', 'worker')).includes('out'), 'its worker was not made');
});

test('code typed against mediasoup accepts what this package gives, but for the exceptions listed', async (t) => {
  t.deepEqual(await compile(join(root, '__test__', 'types', 'tsconfig.json')), []);
});

test('every type that mediasoup exports is here under its name', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-types-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const names = exportedTypes();
  t.true(names.length > 150, `${names.length} names were found`);
  writeFileSync(join(folder, 'names.ts'), `export type { ${names.join(', ')} } from '${root}/ts/types.js';\n`);
  const settings = { extends: `${root}/tsconfig.json`, include: ['names.ts'], exclude: [] };
  const types = { typeRoots: [join(root, 'node_modules', '@types')] };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ ...settings, compilerOptions: types }));
  t.deepEqual(await compile(join(folder, 'tsconfig.json')), []);
});

test('the calls that mediasoup refuses by its types are refused, and no others', async (t) => {
  // Beside the packages, so that mediasoup is found.
  const folder = mkdtempSync(join(root, 'node_modules', '.millrace-types-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const calls = readFileSync(join(root, '__test__', 'types', 'calls.txt'), 'utf8');
  const modules = { theirs: 'mediasoup', ours: `${root}/ts/index.js` };
  for (const [name, module] of Object.entries(modules)) {
    writeFileSync(
      join(folder, `${name}.ts`),
      `import * as ms from '${module}'; ${calls.slice(calls.indexOf('export'))}`,
    );
  }
  const compilerOptions = {
    ...{ strict: true, noEmit: true, skipLibCheck: true, noUncheckedIndexedAccess: true, allowUnreachableCode: true },
    ...{ module: 'nodenext', target: 'es2023', types: ['node'], typeRoots: [join(root, 'node_modules', '@types')] },
  };
  const settings = { compilerOptions, include: ['theirs.ts', 'ours.ts'], exclude: [] };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(settings));
  const errors = await compile(join(folder, 'tsconfig.json'));
  const refused = (name: string) => {
    const lines = errors.map((error) => new RegExp(`${name}\\.ts\\((\\d+),`).exec(error)?.[1]);
    return [...new Set(lines.filter((line) => line !== undefined).map(Number))].sort((a, b) => a - b);
  };
  const texts = calls.slice(calls.indexOf('export')).split('\n');
  const told = (name: string) => refused(name).map((line) => texts[line - 1]?.trim());
  t.deepEqual(told('ours'), told('theirs'));
  t.true(
    told('ours').length > 50 && told('ours').length < texts.length - 30,
    `${told('ours').length} calls are refused`,
  );
});

/** Compiles, and gives the lines of the errors. */
async function compile(project: string): Promise<string[]> {
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  return await new Promise((resolve, reject) => {
    execFile(process.execPath, [tsc, '-p', project, '--pretty', 'false'], { cwd: root }, (error, stdout, stderr) => {
      const errors = stdout.split('\n').filter((line) => /error TS\d+/.test(line));
      if (error && errors.length === 0) {
        reject(new Error(`tsc did not run: ${stderr || error.message}`));
      }
      resolve(errors);
    });
  });
}

/** The names of all types that `mediasoup/types` exports, from its declarations. */
function exportedTypes(): string[] {
  const index = readFileSync(join(published, 'types.d.ts'), 'utf8');
  const files = [...index.matchAll(/^export type \* from '\.\/(\w+)';$/gm)].map(([, name]) => `${name}.d.ts`);
  const texts = ['types.d.ts', ...files].map((file) => readFileSync(join(published, file), 'utf8'));
  const names = texts.flatMap((text) => [...text.matchAll(/^export (?:declare )?(?:type|interface|class) (\w+)/gm)]);
  return [...new Set(names.map(([, name]) => name as string))].sort();
}
