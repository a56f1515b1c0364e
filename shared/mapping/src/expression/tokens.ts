import { ExpressionError } from './syntax.js';

export type Token =
  | {
      readonly kind: 'integer' | 'real' | 'text' | 'blob' | 'reference' | 'word' | 'symbol';
      readonly text: string;
      readonly at: number;
    }
  | { readonly kind: 'end'; readonly text: ''; readonly at: number };

const PATTERNS: readonly (readonly ['space' | Token['kind'], RegExp])[] = [
  ['space', /(?:[ \t\r\n\f]+|--[^\n]*|\/\*[\s\S]*?\*\/)/y],
  ['blob', /[xX]'((?:[0-9a-fA-F]{2})*)'/y],
  ['text', /'((?:[^']|'')*)'/y],
  // SQLite takes a double-quoted word that is no column for a string, and DMS's own examples write strings so.
  ['text', /"((?:[^"]|"")*)"/y],
  ['reference', /\$([\p{L}_][\p{L}\p{N}_]*)/uy],
  ['reference', /\$"((?:[^"]|"")+)"/y],
  ['real', /(?:\d+\.\d*|\.\d+)(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+/y],
  ['integer', /0[xX][0-9a-fA-F]+|\d+/y],
  ['word', /[\p{L}_][\p{L}\p{N}_]*/uy],
  ['symbol', /\|\||<<|>>|<=|>=|<>|!=|==|[-+*/%&|<>=~(),]/y],
];

/**
 * Cuts an expression into tokens (SQLite's lexical rules).
 * @throws ExpressionError
 */
export function tokenize(text: string): readonly Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (at < text.length) {
    const token = nextToken(text, at);
    at = token.end;
    if (token.kind !== 'space') tokens.push({ kind: token.kind, text: token.text, at: token.at });
  }
  tokens.push({ kind: 'end', text: '', at: text.length + 1 });
  return tokens;
}

interface Piece {
  readonly kind: 'space' | Exclude<Token['kind'], 'end'>;
  readonly text: string;
  readonly at: number;
  readonly end: number;
}

function nextToken(text: string, at: number): Piece {
  for (const [kind, pattern] of PATTERNS) {
    if (kind === 'end') continue;
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (match === null) continue;
    const quote = text[at] === '$' ? text[at + 1] : text[at];
    const content = match[1] === undefined ? match[0] : unquote(match[1], quote);
    return { kind, text: content, at: at + 1, end: pattern.lastIndex };
  }
  throw new ExpressionError(at + 1, unknownCharacter(text, at));
}

function unquote(content: string, quote: string | undefined): string {
  return quote === "'" || quote === '"' ? content.replaceAll(quote + quote, quote) : content;
}

function unknownCharacter(text: string, at: number): string {
  const character = String.fromCodePoint(text.codePointAt(at) ?? 0);
  if ('‘’‚‛“”„'.includes(character)) return `${character} is a typographic quote; write strings in plain quotes: 'text'`;
  if (character === "'" || character === '"') return `a string begins with ${character} and does not end`;
  if (character === '$') return 'a $ must be followed by a column\'s name, or by the name in double quotes: $"a name"';
  return `${JSON.stringify(character)} means nothing here`;
}
