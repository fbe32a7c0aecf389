import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';

const root = fileURLToPath(new URL('..', import.meta.url));
const examples = readdirSync(`${root}/examples`).filter((name) => name.endsWith('.mjs'));

test('the embedding example prints what browsers need and hears that the publisher left', async (t) => {
  const output = await run('embed.mjs');
  for (const expected of [
    'usernameFragment',
    "protocol: 'udp'",
    'fingerprints',
    "'video/VP8'",
    'the publisher has left',
  ]) {
    t.true(output.includes(expected), `${expected} in:\n${output}`);
  }
  t.regex(output, /^2 transports, 0 packets received$/m);
});

test('the server example answers and ends', async (t) => {
  const output = await run('server.mjs');
  t.regex(output, /^open http:\/\/\S+\/meet\/morning-coffee$/m);
  t.regex(output, /^health 200 /m);
});

test('the example of packets as objects prints what it read and changed', async (t) => {
  const lines = (await run('rtp.mjs')).trim().split('\n');
  t.deepEqual(lines, [
    '65535 0 90',
    '0 1 29 bytes',
    'lost [ 65534, 65535, 0 ]',
    'a key frame is wanted of 305419896',
    'repeated 65535',
    'extension 12 RTP at byte 12: an extension block of 4 bytes runs past the end, 18',
    '3000 9',
    '0 dropped, 0 malformed',
  ]);
});

test('the bot of the example hears from the echo the tone that it sent', async (t) => {
  const output = await run('bot.mjs');
  t.regex(output, /^the bot heard 440 Hz in 8000 samples$/m);
  t.regex(output, /^the echo heard \d+ bytes$/m);
});

test('in the example of slides a program sees each of them in small pictures', async (t) => {
  const lines = (await run('slides.mjs')).trim().split('\n');
  t.deepEqual(lines, [
    'the picture is video in vp8, of Ada and the slides',
    'a thumbnail of 160x90 shows slide 1',
    'a thumbnail of 160x90 shows slide 2',
  ]);
});

test('the example of thumbnails answers with JPEG files', async (t) => {
  t.is(await run('thumbnails.mjs'), 'ada 200 ffd8ff\ngrace 200 ffd8ff\nnobody 404 \n');
});

test('in the example of a mixer the listener hears both, the person the bot, and the transcription the person', async (t) => {
  const output = await run('mixer.mjs');
  for (const line of [
    '2 outputs, audio as opus',
    'the listener hears 500 and 1200 Hz',
    'the person hears 1200 Hz',
    'the transcription hears 500 Hz',
    '2 inputs are heard',
  ]) {
    t.true(output.split('\n').includes(line), `${line} in:\n${output}`);
  }
});

test('the WHIP example answers a publisher and a viewer, refuses nonsense, and offers', async (t) => {
  const output = await run('whip.mjs');
  t.is(output.match(/m=audio \d+ UDP\/TLS\/RTP\/SAVPF/g)?.length, 3);
  t.is(output.match(/a=recvonly/g)?.length, 2);
  t.is(output.match(/a=sendonly/g)?.length, 4);
  t.regex(output, /^\/whip 400 the description does not begin/m);
});

test('the recorder example leaves a file with a picture and a voice of three seconds', async (t) => {
  const output = await run('recorder.mjs');
  t.regex(output, /^stream,opus$/m);
  t.regex(output, /^stream,vp8$/m);
  t.regex(output, /^format,[23]\.\d+$/m);
  t.regex(output, /^the recorder ended with 0$/m);
});

test('in the broadcast example viewers on three workers hear every packet', async (t) => {
  const lines = (await run('broadcast.mjs')).trim().split('\n');
  t.deepEqual(
    lines,
    Array.from({ length: 12 }, (_, number) => `viewer ${number} in hall ${number % 3} heard 50 packets`),
  );
});

test('in the example of sources a viewer goes from one speaker to another without a gap', async (t) => {
  const lines = (await run('sources.mjs')).trim().split('\n');
  t.deepEqual(lines.sort(), [
    'Ada is silent',
    'Ada is the dominant speaker',
    'Ada speaks at -20 dBov',
    'one of the three that are heard is Ada',
    'one of the three that are heard is Grace',
    'the viewer of Ada hears Ada',
    'the viewer of Grace hears Grace',
  ]);
});

test('the example of data channels prints what was agreed', async (t) => {
  const output = (await run('data.mjs')).replace(/m=application \d+/, 'm=application 9');
  const lines = output.trim().split('\n');
  t.deepEqual(lines, [
    'new 5000 100000',
    'positions { maxRetransmits: 0, ordered: false, streamId: 0 }',
    'positions { maxRetransmits: 0, ordered: false, streamId: 0 } [ 1 ]',
    '[',
    "  'm=application 9 UDP/DTLS/SCTP webrtc-datachannel',",
    "  'a=sctp-port:5000',",
    "  'a=max-message-size:100000'",
    ']',
    'direct news',
    'it rains',
  ]);
});

test('the example of layers prints what it prefers', async (t) => {
  t.is(
    await run('layers.mjs'),
    'svc { spatialLayer: 1, temporalLayer: 2 }\nsvc { spatialLayer: 2, temporalLayer: 0 }\nsimple true\n',
  );
});

test('every example is listed', (t) => {
  const page = readFileSync(`${root}/examples/README.md`, 'utf8');
  t.deepEqual(
    examples.filter((name) => !page.includes(`](${name})`)),
    [],
  );
});

test('code in the documentation stands in an example that runs', (t) => {
  const programs = examples.map((name) => readFileSync(`${root}/examples/${name}`, 'utf8'));
  const docs = readdirSync(`${root}/docs`, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.md'),
  );
  const pages = ['README.md', 'CONTRIBUTING.md', 'ARCHITECTURE.md', ...docs.map((name) => `docs/${name}`)];
  const blocks = pages.flatMap((page) => codeOf(readFileSync(`${root}/${page}`, 'utf8')));
  t.true(blocks.length > 0);
  t.deepEqual(
    blocks.filter((block) => !programs.some((program) => program.includes(block))),
    [],
  );
});

async function run(example: string): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [`examples/${example}`], { cwd: root });
  return stdout;
}

/** The blocks of a page that are in some language. Commands stand in blocks without one. */
function codeOf(page: string): string[] {
  return [...page.matchAll(/^```\w+\n(.*?)^```$/gms)].map(([, code]) => code as string);
}
