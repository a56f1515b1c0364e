const ANY_TEXT = Symbol('any text');
const ANY_CHARACTER = Symbol('any character');

/** SQL's LIKE: `%` and `_`, ASCII letters without regard to case. At most length × length steps, never exponential. */
export function like(value: string, pattern: string, escapedBy: string | null): boolean {
  const elements = elementsOf(pattern, escapedBy);
  const text = [...foldAscii(value)];
  let element = 0;
  let at = 0;
  let retryElement = -1;
  let retryAt = 0;
  while (at < text.length) {
    const current = elements[element];
    if (current === ANY_TEXT) {
      retryElement = ++element;
      retryAt = at;
    } else if (current === ANY_CHARACTER || (current !== undefined && current === text[at])) {
      element++;
      at++;
    } else if (retryElement >= 0) {
      element = retryElement;
      at = ++retryAt;
    } else {
      return false;
    }
  }
  while (elements[element] === ANY_TEXT) element++;
  return element === elements.length;
}

function elementsOf(pattern: string, escapedBy: string | null): readonly (string | symbol)[] {
  const elements: (string | symbol)[] = [];
  const characters = [...pattern];
  for (let at = 0; at < characters.length; at++) {
    const character = characters[at] ?? '';
    if (character === escapedBy) elements.push(foldAscii(characters[++at] ?? ''));
    else if (character === '%') elements.push(ANY_TEXT);
    else elements.push(character === '_' ? ANY_CHARACTER : foldAscii(character));
  }
  return elements;
}

/** SQLite's lower() without an extension knows ASCII only. */
export function foldAscii(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}
