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
  // A double is printed without zeros behind its last digit, 1.0 apart.
  const fraction = /\.(\d+)/.exec(token)?.[1] ?? '0';
  const value = Number(token);
  const kept = Object.is(value, -0) ? '-0' : String(value);
  return (fraction === '0' || !fraction.endsWith('0')) && digitsOf(token) === digitsOf(kept);
}

/** A number's digits and their place: the same for every way to write it. */
function digitsOf(text: string): string {
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text) ?? [];
  const digits = (whole + fraction).replace(/^0+/, '');
  const kept = digits.replace(/0+$/, '');
  return `${sign}${kept}e${kept === '' ? 0 : Number(exponent) - fraction.length + digits.length - kept.length}`;
}
