import test from 'ava';
import { JsonError, parseJson } from '../ts/server/protoo/json.js';
import { parseMessage } from '../ts/server/protoo/message.js';
import { Rate } from '../ts/server/protoo/rate.js';

const DEPTH = 16;

const REFUSED: readonly [string, string][] = [
  ['nothing', ''],
  ['half an object', '{"a":'],
  ['a name given twice', '{"a":1,"a":2}'],
  ['a name given twice, once with an escape', '{"a":1,"\\u0061":2}'],
  ['a name given twice deep inside', '{"x":[{"b":{"a":1,"c":[],"a":2}}]}'],
  ['the name __proto__', '{"__proto__":{"admin":true}}'],
  ['the name __proto__ with an escape', '{"x":{"\\u005f_proto__":1}}'],
  ['a number beyond all doubles', '{"a":1e400}'],
  ['a number below all doubles', '[-1e400]'],
  ['half of a surrogate pair', '{"a":"\\ud800"}'],
  ['half of a surrogate pair in a name', '{"\\udc00":1}'],
  ['17 levels', `${'['.repeat(17)}${']'.repeat(17)}`],
  ['100,000 levels', '['.repeat(100_000)],
];

for (const [what, text] of REFUSED) {
  test(`P02: ${what} is no message`, (t) => {
    t.throws(() => parseJson(text, DEPTH), { instanceOf: JsonError });
  });
}

const ACCEPTED: readonly [string, string][] = [
  ['the same name in two objects', '[{"a":1},{"a":{"a":2}}]'],
  ['a name that is also a value', '{"a":"a","b":"a"}'],
  ['structure inside a text', '{"a":"{\\"a\\":[1,","b":"\\\\"}'],
  ['a whole surrogate pair', '{"a":"\\ud83d\\ude00 😀"}'],
  ['the largest double', '[1.7976931348623157e308,-0,0.1e-400]'],
  ['16 levels', `${'['.repeat(16)}${']'.repeat(16)}`],
  ['literals', '[true,false,null]'],
];

for (const [what, text] of ACCEPTED) {
  test(`${what} is read as it is`, (t) => {
    t.deepEqual(parseJson(text, DEPTH), JSON.parse(text));
  });
}

test('a long text of quotes and backslashes is read in a moment', (t) => {
  const text = JSON.stringify({ a: '"\\'.repeat(16_000) });
  const started = performance.now();
  t.notThrows(() => parseJson(text, DEPTH));
  t.throws(() => parseJson(text.slice(0, -2), DEPTH));
  t.true(performance.now() - started < 2000);
});

test('a message is a request, a response or a notification', (t) => {
  for (const text of [
    '[]',
    'null',
    '1',
    '{}',
    '{"request":true,"id":1}',
    '{"request":true,"id":-1,"method":"a"}',
    '{"request":true,"id":1.5,"method":"a"}',
    '{"request":true,"id":"1","method":"a"}',
    '{"request":1,"id":1,"method":"a"}',
    '{"response":true}',
    '{"notification":true,"method":""}',
    `{"notification":true,"method":"${'a'.repeat(65)}"}`,
  ]) {
    t.throws(() => parseMessage(text, DEPTH), { instanceOf: JsonError }, text);
  }
  t.like(parseMessage('{"request":true,"id":1,"method":"a"}', DEPTH), { request: true, id: 1, method: 'a' });
});

test('a rate lets a burst through, and then so many a second', (t) => {
  const rate = new Rate(10, 3, 0);
  const taken = (nowMs: number, count: number) => Array.from({ length: count }, () => rate.take(nowMs));
  t.deepEqual(taken(0, 4), [true, true, true, false]);
  t.deepEqual(taken(99, 1), [false]);
  t.deepEqual(taken(200, 3), [true, true, false]);
  t.deepEqual(taken(100_000, 4), [true, true, true, false]);
  t.deepEqual(taken(0, 1), [false]);
});
