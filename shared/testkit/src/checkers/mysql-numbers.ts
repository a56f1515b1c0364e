/** Ten rows, in any version of either engine: MySQL has no series of numbers. */
const DIGITS =
  '(SELECT 0 AS d UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9)';

/** A derived table `numbers` of MySQL and MariaDB: column `n` from 1 to `count`. */
export function numbers(count: number): string {
  const places = Array.from({ length: String(Math.max(0, count - 1)).length }, (_, place) => place);
  const sum = places.map((place) => `d${place}.d * ${10 ** place}`).join(' + ');
  return `(SELECT 1 + ${sum} AS n FROM ${places.map((place) => `${DIGITS} d${place}`).join(' CROSS JOIN ')} HAVING n <= ${count}) numbers`;
}
