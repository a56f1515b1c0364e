const STRING = /"(?:[^"\\]|\\.)*"/g;
const NUMBER = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
const MIN_INTEGER = -(2n ** 63n);
const MAX_INTEGER = 2n ** 64n - 1n;

/**
 * The first number of a JSON text that MySQL would keep as another one; null: it keeps them all. It reads whole numbers of 64 bits exactly and
 * everything else as a double, so a decimal, which a document of MySQL's own can hold, comes back with other digits (MySQL manual, "The
 * JSON Data Type").
 */
export function bentNumber(json: string): string | null {
  for (const [token] of json.replace(STRING, '""').matchAll(NUMBER)) if (!isKept(token)) return token;
  return null;
}

function isKept(token: string): boolean {
  if (/^-?\d+$/.test(token)) {
    const value = BigInt(token);
    return value >= MIN_INTEGER && value <= MAX_INTEGER;
  }
  return shortest(token) === shortest(String(Number(token)));
}

/** A double's text in one form: MySQL prints 1e100 and 1.0 where JavaScript prints 1e+100 and 1. */
function shortest(text: string): string {
  return text.toLowerCase().replace('e+', 'e').replace(/\.0$/, '').replace('.0e', 'e');
}
