import { addDecimals, multiplyDecimals, negateDecimal } from '../exact-decimal.js';
import {
  compareSql,
  integerOf,
  integerOrReal,
  isDecimal,
  numberOf,
  realOrNull,
  type SqlNumber,
  textOf,
  toDecimal,
  toReal,
  truthOf,
  truthValue,
} from './sql-value.js';
import type { BinaryOperator, SqlValue } from './syntax.js';

type Operator = Exclude<BinaryOperator, 'and' | 'or'>;

/** Binary operators over values that are already computed; AND and OR, which may skip a side, are not among them. */
export function applyOperator(operator: Operator, left: SqlValue, right: SqlValue): SqlValue {
  if (operator === 'is' || operator === 'is not') return truthValue(isSame(left, right) === (operator === 'is'));
  if (left === null || right === null) return null;
  switch (operator) {
    case '||':
      return textOf(left) + textOf(right);
    case '+':
    case '-':
    case '*':
      return arithmetic(operator, numberOf(left), numberOf(right));
    case '/':
      return divide(numberOf(left), numberOf(right));
    case '%':
      return remainder(left, right);
    case '&':
      return integerOf(left) & integerOf(right);
    case '|':
      return integerOf(left) | integerOf(right);
    case '<<':
      return shift(integerOf(left), integerOf(right));
    case '>>':
      return shift(integerOf(left), -integerOf(right));
    default:
      return truthValue(orderHolds(operator, compareSql(left, right)));
  }
}

function orderHolds(operator: '<' | '<=' | '>' | '>=' | '=' | '<>', order: number | undefined): boolean | null {
  if (order === undefined) return null;
  switch (operator) {
    case '<':
      return order < 0;
    case '<=':
      return order <= 0;
    case '>':
      return order > 0;
    case '>=':
      return order >= 0;
    case '=':
      return order === 0;
    case '<>':
      return order !== 0;
  }
}

/** IS: as `=`, but two NULLs are the same and NULL differs from everything else. */
function isSame(left: SqlValue, right: SqlValue): boolean {
  return left === null || right === null ? left === right : compareSql(left, right) === 0;
}

function arithmetic(operator: '+' | '-' | '*', left: SqlNumber, right: SqlNumber): SqlNumber | null {
  if (typeof left === 'bigint' && typeof right === 'bigint') {
    return integerOrReal(operator === '+' ? left + right : operator === '-' ? left - right : left * right);
  }
  if (typeof left === 'number' || typeof right === 'number') {
    const [a, b] = [toReal(left), toReal(right)];
    return realOrNull(operator === '+' ? a + b : operator === '-' ? a - b : a * b);
  }
  const [a, b] = [toDecimal(left), toDecimal(right)];
  return operator === '*' ? multiplyDecimals(a, b) : addDecimals(a, operator === '+' ? b : negateDecimal(b));
}

/** Integers divide to an integer towards zero; division by zero is NULL. */
function divide(left: SqlNumber, right: SqlNumber): SqlValue {
  if (typeof left === 'bigint' && typeof right === 'bigint') return right === 0n ? null : integerOrReal(left / right);
  const divisor = toReal(right);
  return divisor === 0 ? null : realOrNull(toReal(left) / divisor);
}

/** Both sides as integers; the result is REAL where a side was. */
function remainder(left: Exclude<SqlValue, null>, right: Exclude<SqlValue, null>): SqlValue {
  const divisor = integerOf(numberOf(right));
  if (divisor === 0n) return null;
  const result = integerOf(numberOf(left)) % divisor;
  return typeof numberOf(left) === 'bigint' && typeof numberOf(right) === 'bigint' ? result : Number(result);
}

function shift(value: bigint, by: bigint): bigint {
  if (by <= -64n) return value < 0n ? -1n : 0n;
  if (by < 0n) return value >> -by;
  return by >= 64n ? 0n : BigInt.asIntN(64, value << by);
}

export function negate(value: SqlValue): SqlValue {
  if (value === null) return null;
  const number = numberOf(value);
  if (isDecimal(number)) return negateDecimal(number);
  return typeof number === 'bigint' ? integerOrReal(-number) : -number;
}

export function complement(value: SqlValue): SqlValue {
  return value === null ? null : ~integerOf(value);
}

export function not(value: SqlValue): SqlValue {
  const truth = truthOf(value);
  return truthValue(truth === null ? null : !truth);
}
