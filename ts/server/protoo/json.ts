/** Why a text was refused. */
export class JsonError extends Error {
  override name = 'JsonError';
}

/**
 * Parses JSON (RFC 8259) from the network, and refuses what two readers could understand differently: names given twice
 * in one object, `__proto__`, numbers beyond the range of a double, lone surrogates, deep nesting.
 *
 * Takes time and memory in proportion to the text, whose length is bounded before.
 *
 * @throws {@link JsonError}
 */
export function parseJson(text: string, depthMax: number): unknown {
  const value = parse(text);
  checkStructure(text, depthMax);
  return value;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new JsonError('not JSON');
  }
}

/**
 * Walks the tokens of a text that is JSON. It has to be: a string without an end would be searched for its end from
 * each quote in it.
 */
function checkStructure(text: string, depthMax: number): void {
  /** Per open object the names seen so far, per open array null. */
  const open: (Set<string> | null)[] = [];
  let previous: string | undefined;
  for (const [token] of text.matchAll(TOKEN)) {
    switch (token[0]) {
      case '{':
      case '[':
        open.push(token === '{' ? new Set() : null);
        if (open.length > depthMax) {
          throw new JsonError(`nested deeper than ${depthMax}`);
        }
        break;
      case '}':
      case ']':
        open.pop();
        break;
      case ':':
        checkName(previous, open.at(-1));
        break;
      case '"':
        checkText(token);
        break;
      default:
        checkNumber(token);
    }
    previous = token;
  }
}

function checkName(token: string | undefined, names: Set<string> | null | undefined): void {
  if (token === undefined || !names) {
    return;
  }
  const name = JSON.parse(token) as string;
  if (name === '__proto__') {
    throw new JsonError('an object has the name "__proto__"');
  }
  if (names.has(name)) {
    throw new JsonError('an object has the same name twice');
  }
  names.add(name);
}

function checkText(token: string): void {
  // Without escapes a text is as well-formed as the UTF-8 that it came in.
  if (token.includes('\\u') && LONE_SURROGATE.test(JSON.parse(token))) {
    throw new JsonError('a text contains half of a surrogate pair');
  }
}

function checkNumber(token: string): void {
  if (/^-?\d/.test(token) && !Number.isFinite(Number(token))) {
    throw new JsonError('a number is out of range');
  }
}

/** A string, a structural character, or a number or literal. */
const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\]:]|[^\s{}[\]:",]+/gs;

const LONE_SURROGATE = /\p{Surrogate}/u;
