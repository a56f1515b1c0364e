/**
 * A pattern for one name, as AWS DMS writes it (Wildcards in table mapping): `%` any text, `_` one character, `[ab]` and
 * `[a-d]` one of a set, `[_]` or `\_` the character itself. Case-sensitive; characters are Unicode code points.
 */
export interface NamePattern {
  /** As written. */
  readonly text: string;
  /** Holds `%` or a set of several characters. `_` alone does not count: `order_items` names a table. */
  readonly wild: boolean;
  matches(name: string): boolean;
  /** The pattern names exactly this, without a wildcard. */
  names(name: string): boolean;
}

type Element =
  | { readonly kind: 'any-text' }
  | { readonly kind: 'any-character' }
  | { readonly kind: 'character'; readonly character: string }
  | { readonly kind: 'set'; readonly ranges: readonly (readonly [number, number])[] };

/** The name itself, no character special: rule-action `explicit`, and quoted parts of the command line. */
export function literalName(text: string): NamePattern {
  return { text, wild: false, matches: (name) => name === text, names: (name) => name === text };
}

export const ANY_NAME: NamePattern = { text: '%', wild: true, matches: () => true, names: () => false };

/** @returns the pattern, or what is wrong with the text. */
export function parseNamePattern(text: string): NamePattern | { readonly problem: string } {
  if (text === '%') return ANY_NAME;
  const elements: Element[] = [];
  let wild = false;
  let literal = '';
  const characters = [...text];
  for (let at = 0; at < characters.length; at++) {
    const character = characters[at] ?? '';
    if (character === '%') {
      wild = true;
      // Two in a row mean the same as one, and cost a backtrack.
      if (elements.at(-1)?.kind !== 'any-text') elements.push({ kind: 'any-text' });
      continue;
    }
    if (character === '[') {
      const set = parseSet(characters, at + 1);
      if ('problem' in set) return set;
      at = set.end;
      const [first] = set.ranges;
      if (set.ranges.length === 1 && first !== undefined && first[0] === first[1]) {
        literal += String.fromCodePoint(first[0]);
        elements.push({ kind: 'character', character: String.fromCodePoint(first[0]) });
      } else {
        wild = true;
        elements.push({ kind: 'set', ranges: set.ranges });
      }
      continue;
    }
    if (character === '\\') {
      at++;
      const escaped = characters[at];
      if (escaped === undefined)
        return { problem: 'ends in a backslash, which escapes the character after it (write \\\\ for a backslash)' };
      literal += escaped;
      elements.push({ kind: 'character', character: escaped });
      continue;
    }
    literal += character;
    elements.push(character === '_' ? { kind: 'any-character' } : { kind: 'character', character });
  }
  return {
    text,
    wild,
    matches: (name) => matchElements(elements, [...name]),
    names: (name) => !wild && name === literal,
  };
}

function parseSet(
  characters: readonly string[],
  start: number,
): { readonly ranges: readonly (readonly [number, number])[]; readonly end: number } | { readonly problem: string } {
  const ranges: (readonly [number, number])[] = [];
  let at = start;
  const take = (): number | undefined => {
    if (characters[at] === '\\') at++;
    return characters[at++]?.codePointAt(0);
  };
  while (characters[at] !== ']') {
    const low = take();
    if (low === undefined) return { problem: 'has a [ without its ] (write \\[ for the character itself)' };
    if (characters[at] !== '-' || characters[at + 1] === ']') {
      ranges.push([low, low]);
      continue;
    }
    at++;
    const high = take();
    if (high === undefined) return { problem: 'has a [ without its ] (write \\[ for the character itself)' };
    if (high < low)
      return { problem: `has the range ${String.fromCodePoint(low)}-${String.fromCodePoint(high)}, which runs backwards` };
    ranges.push([low, high]);
  }
  if (ranges.length === 0) return { problem: 'has an empty set []' };
  return { ranges, end: at };
}

/** Goes on from the last `%` where a character does not fit: at most length × length steps, never exponential. */
function matchElements(elements: readonly Element[], name: readonly string[]): boolean {
  let element = 0;
  let at = 0;
  let retryElement = -1;
  let retryAt = 0;
  while (at < name.length) {
    const current = elements[element];
    if (current?.kind === 'any-text') {
      retryElement = ++element;
      retryAt = at;
    } else if (current !== undefined && fits(current, name[at] ?? '')) {
      element++;
      at++;
    } else if (retryElement >= 0) {
      element = retryElement;
      at = ++retryAt;
    } else {
      return false;
    }
  }
  while (elements[element]?.kind === 'any-text') element++;
  return element === elements.length;
}

function fits(element: Element, character: string): boolean {
  if (element.kind === 'any-character') return true;
  if (element.kind === 'character') return element.character === character;
  if (element.kind === 'any-text') return false;
  const code = character.codePointAt(0) ?? -1;
  return element.ranges.some(([low, high]) => low <= code && code <= high);
}
