interface Arity {
  readonly least: number;
  readonly most: number;
}

const MANY = Number.POSITIVE_INFINITY;

/** The functions that AWS DMS documents for expressions, and `length`, `upper`, `instr` and `iif` of SQLite's own. */
const ARITIES: ReadonlyMap<string, Arity> = new Map(
  Object.entries({
    lower: { least: 1, most: 1 },
    upper: { least: 1, most: 1 },
    length: { least: 1, most: 1 },
    ltrim: { least: 1, most: 2 },
    rtrim: { least: 1, most: 2 },
    trim: { least: 1, most: 2 },
    replace: { least: 3, most: 3 },
    replacechars: { least: 3, most: 3 },
    substr: { least: 2, most: 3 },
    substring: { least: 2, most: 3 },
    instr: { least: 2, most: 2 },
    hex: { least: 1, most: 1 },
    randomblob: { least: 1, most: 1 },
    zeroblob: { least: 1, most: 1 },
    abs: { least: 1, most: 1 },
    random: { least: 0, most: 0 },
    round: { least: 1, most: 2 },
    max: { least: 2, most: MANY },
    min: { least: 2, most: MANY },
    coalesce: { least: 2, most: MANY },
    ifnull: { least: 2, most: 2 },
    nullif: { least: 2, most: 2 },
    iif: { least: 3, most: 3 },
    date: { least: 0, most: MANY },
    time: { least: 0, most: MANY },
    datetime: { least: 0, most: MANY },
    julianday: { least: 0, most: MANY },
    strftime: { least: 1, most: MANY },
    hash_sha256: { least: 1, most: 1 },
    operation_indicator: { least: 3, most: 3 },
  } satisfies Record<string, Arity>),
);

export const FUNCTION_NAMES: readonly string[] = [...ARITIES.keys()];

/** Undefined: no such function. */
export function functionArity(name: string): Arity | undefined {
  return ARITIES.get(name);
}
