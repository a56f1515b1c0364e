import { MillraceError } from '@millrace/errors/millrace-error.js';

/**
 * Strict JSON whose error says line and column, which V8's own message does not always do.
 * @throws MillraceError MAPPING_JSON_INVALID
 */
export function parseJson(text: string): unknown {
  // A byte order mark is what Windows editors put before UTF-8.
  const body = text.startsWith('\uFEFF') ? text.slice(1) : text;
  try {
    return JSON.parse(body);
  } catch (cause) {
    const error = findError(body);
    const before = body.slice(0, error.at);
    const line = before.split('\n').length;
    const column = error.at - before.lastIndexOf('\n');
    throw new MillraceError('MAPPING_JSON_INVALID', { line, column, reason: error.reason }, { cause });
  }
}

const LITERALS = ['true', 'false', 'null'];
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const SPACE = /[ \t\r\n]*/y;

interface TextError {
  readonly at: number;
  readonly reason: string;
}

/** Walks a text that JSON.parse refused and says where and why. */
function findError(text: string): TextError {
  let at = 0;
  const open: ('{' | '[')[] = [];
  const skip = (): void => {
    SPACE.lastIndex = at;
    SPACE.exec(text);
    at = SPACE.lastIndex;
  };
  const match = (pattern: RegExp): boolean => {
    pattern.lastIndex = at;
    if (pattern.exec(text) === null) return false;
    at = pattern.lastIndex;
    return true;
  };
  const found = (): string => (at >= text.length ? 'the text ends' : `found ${JSON.stringify(text[at])}`);

  let expecting: 'value' | 'value-or-end' | 'key' | 'key-or-end' | 'separator' = 'value';
  for (;;) {
    skip();
    const character = text[at];
    const top = open.at(-1);
    if (expecting === 'separator') {
      if (top === undefined) return { at, reason: `nothing may follow the last brace, ${found()}` };
      if (character === ',') {
        at++;
        expecting = top === '{' ? 'key' : 'value';
      } else if (character === (top === '{' ? '}' : ']')) {
        at++;
        open.pop();
      } else {
        return { at, reason: `expected a comma or ${top === '{' ? '}' : ']'}, ${found()}` };
      }
    } else if (expecting === 'key' || expecting === 'key-or-end') {
      if (expecting === 'key-or-end' && character === '}') {
        at++;
        open.pop();
        expecting = 'separator';
        continue;
      }
      if (!match(STRING)) return stringError(text, at) ?? { at, reason: `expected a name in double quotes, ${found()}` };
      skip();
      if (text[at] !== ':') return { at, reason: `expected a colon, ${found()}` };
      at++;
      expecting = 'value';
    } else if (expecting === 'value-or-end' && character === ']') {
      at++;
      open.pop();
      expecting = 'separator';
    } else if (character === '{' || character === '[') {
      at++;
      open.push(character);
      expecting = character === '{' ? 'key-or-end' : 'value-or-end';
    } else if (match(STRING) || match(NUMBER)) {
      expecting = 'separator';
    } else {
      const literal = LITERALS.find((word) => text.startsWith(word, at));
      if (literal === undefined) return stringError(text, at) ?? { at, reason: `expected a value, ${found()}` };
      at += literal.length;
      expecting = 'separator';
    }
  }
}

function stringError(text: string, at: number): TextError | undefined {
  if (text[at] === "'") return { at, reason: 'JSON strings are in double quotes' };
  if (text[at] !== '"') return undefined;
  return { at, reason: 'the string is not ended, or holds a line break or a bad \\ escape' };
}
