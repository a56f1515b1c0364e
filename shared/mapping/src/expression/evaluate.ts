import { randomBytes } from 'node:crypto';
import { assertNever, invariant } from '@millrace/errors/millrace-error.js';
import { parseDecimal } from '../exact-decimal.js';
import { formatMoment, julianDay, LOCAL_MODIFIERS, momentOf } from './date-functions.js';
import { like } from './like.js';
import { applyOperator, complement, negate, not } from './operators.js';
import { EvaluationError, STRICT_FUNCTIONS } from './scalar-functions.js';
import {
  blobOf,
  compareSql,
  integerOf,
  isDecimal,
  numberOf,
  realOrNull,
  textOf,
  toReal,
  truthOf,
  truthValue,
  withNumericAffinity,
} from './sql-value.js';
import { type Expression, ExpressionError, type SqlValue } from './syntax.js';

/** What an expression sees of the row at hand. */
export interface Scope {
  readonly operation: 'insert' | 'update' | 'delete';
  /** What 'now' means, in microseconds since 1970; null where there is no such time, and asking for it fails. */
  readonly nowMicros: bigint | null;
}

export type Evaluator<S extends Scope> = (scope: S) => SqlValue;

/** Resolves a `$` reference once, before any row. @throws ExpressionError */
export type Resolver<S extends Scope> = (name: string, at: number) => Evaluator<S>;

/**
 * Makes a function of an expression, with SQLite's semantics: three-valued logic, integers apart from reals, text by its bytes.
 * @throws ExpressionError for a reference that the resolver refuses; the evaluator throws EvaluationError.
 */
export function compileExpression<S extends Scope>(expression: Expression, resolve: Resolver<S>): Evaluator<S> {
  const compile = (one: Expression): Evaluator<S> => compileExpression(one, resolve);
  switch (expression.kind) {
    case 'literal': {
      const { value } = expression;
      return () => value;
    }
    case 'reference':
      return resolve(expression.name, expression.at);
    case 'unary':
      return compileUnary(expression.operator, compile(expression.operand));
    case 'binary':
      return compileBinary(expression, compile);
    case 'between': {
      const { operand, low, high } = expression;
      const atLeast = compileBinary({ kind: 'binary', operator: '>=', left: operand, right: low }, compile);
      const atMost = compileBinary({ kind: 'binary', operator: '<=', left: operand, right: high }, compile);
      return (scope) => conjunction(atLeast(scope), () => atMost(scope));
    }
    case 'in':
      return compileMembership(compile(expression.operand), expression.list.map(compile));
    case 'like':
      return compileLike(
        compile(expression.operand),
        compile(expression.pattern),
        expression.escape === null ? null : compile(expression.escape),
      );
    case 'case':
      return compileCase(expression, compile);
    case 'cast': {
      const operand = compile(expression.operand);
      return (scope) => castTo(expression.type, operand(scope));
    }
    case 'call':
      return compileCall(expression, compile);
    default:
      return assertNever(expression);
  }
}

type Compile<S extends Scope> = (expression: Expression) => Evaluator<S>;

function compileUnary<S extends Scope>(operator: '-' | '+' | '~' | 'not', operand: Evaluator<S>): Evaluator<S> {
  switch (operator) {
    case '-':
      return (scope) => negate(operand(scope));
    case '+':
      return operand;
    case '~':
      return (scope) => complement(operand(scope));
    case 'not':
      return (scope) => not(operand(scope));
  }
}

type Binary = Extract<Expression, { kind: 'binary' }>;

function compileBinary<S extends Scope>(expression: Binary, compile: Compile<S>): Evaluator<S> {
  const { operator } = expression;
  const [left, right] = [compile(expression.left), compile(expression.right)];
  if (operator === 'and') return (scope) => conjunction(left(scope), () => right(scope));
  if (operator === 'or') return (scope) => disjunction(left(scope), () => right(scope));
  if (!['<', '<=', '>', '>=', '=', '<>', 'is', 'is not'].includes(operator))
    return (scope) => applyOperator(operator, left(scope), right(scope));
  // A CAST gives its side an affinity, which the other side takes on before they are compared ("Type Conversions Prior To Comparison").
  const [onLeft, onRight] = [affinityFrom(expression.right, expression.left), affinityFrom(expression.left, expression.right)];
  return (scope) => applyOperator(operator, onLeft(left(scope)), onRight(right(scope)));
}

function affinityFrom(giver: Expression, taker: Expression): (value: SqlValue) => SqlValue {
  const gives = giver.kind === 'cast' ? giver.type : null;
  const has = taker.kind === 'cast' ? taker.type : null;
  const numeric = (type: string | null): boolean => type === 'integer' || type === 'real' || type === 'numeric';
  if (numeric(gives) && !numeric(has)) return withNumericAffinity;
  if (gives === 'text' && has === null) return (value) => (value === null || value instanceof Uint8Array ? value : textOf(value));
  return (value) => value;
}

function conjunction(left: SqlValue, right: () => SqlValue): SqlValue {
  const first = truthOf(left);
  if (first === false) return 0n;
  const second = truthOf(right());
  return truthValue(second === false ? false : first === null ? null : second);
}

function disjunction(left: SqlValue, right: () => SqlValue): SqlValue {
  const first = truthOf(left);
  if (first === true) return 1n;
  const second = truthOf(right());
  return truthValue(second === true ? true : first === null ? null : second);
}

function compileMembership<S extends Scope>(operand: Evaluator<S>, list: readonly Evaluator<S>[]): Evaluator<S> {
  return (scope) => {
    const value = operand(scope);
    let unknown = false;
    for (const item of list) {
      const order = compareSql(value, item(scope));
      if (order === 0) return 1n;
      if (order === undefined) unknown = true;
    }
    return unknown ? null : 0n;
  };
}

function compileLike<S extends Scope>(
  operand: Evaluator<S>,
  pattern: Evaluator<S>,
  escapedBy: Evaluator<S> | null,
): Evaluator<S> {
  return (scope) => {
    const [value, form, by] = [operand(scope), pattern(scope), escapedBy === null ? '' : escapedBy(scope)];
    if (value === null || form === null || by === null) return null;
    const character = textOf(by);
    if (escapedBy !== null && [...character].length !== 1) throw new EvaluationError('ESCAPE takes a single character');
    return truthValue(like(textOf(value), textOf(form), escapedBy === null ? null : character));
  };
}

function compileCase<S extends Scope>(expression: Extract<Expression, { kind: 'case' }>, compile: Compile<S>): Evaluator<S> {
  const subject = expression.subject === null ? null : compile(expression.subject);
  const branches = expression.branches.map(({ when, result }) => ({ when: compile(when), result: compile(result) }));
  const otherwise = expression.otherwise === null ? null : compile(expression.otherwise);
  return (scope) => {
    const value = subject === null ? null : subject(scope);
    const taken = branches.find(({ when }) =>
      subject === null ? truthOf(when(scope)) === true : compareSql(value, when(scope)) === 0,
    );
    return (taken?.result ?? otherwise)?.(scope) ?? null;
  };
}

function castTo(type: 'integer' | 'real' | 'text' | 'numeric' | 'blob', value: SqlValue): SqlValue {
  if (value === null) return null;
  switch (type) {
    case 'integer':
      return integerOf(value);
    case 'real':
      return realOrNull(toReal(numberOf(value)));
    case 'text':
      return textOf(value);
    case 'blob':
      return new Uint8Array(blobOf(value));
    case 'numeric':
      return castToNumeric(value);
  }
}

/** Of a text an exact decimal, where SQLite would take a float. */
function castToNumeric(value: Exclude<SqlValue, null>): SqlValue {
  if (typeof value === 'string') {
    const decimal = parseDecimal(value);
    if (decimal !== undefined && decimal.scale > 0) return decimal;
  }
  return isDecimal(value) ? value : numberOf(value);
}

type Call = Extract<Expression, { kind: 'call' }>;

function compileCall<S extends Scope>(call: Call, compile: Compile<S>): Evaluator<S> {
  const list = call.arguments.map(compile);
  const strict = STRICT_FUNCTIONS.get(call.name);
  if (strict !== undefined) {
    return (scope) => {
      const values = list.map((argument) => argument(scope));
      const [first, ...rest] = values.filter((value) => value !== null);
      return first === undefined || rest.length + 1 < values.length ? null : strict(first, ...rest);
    };
  }
  const [first, second, third] = list;
  switch (call.name) {
    case 'hex':
      // Of NULL it is the empty text, not NULL.
      return (scope) =>
        Buffer.from(blobOf(first?.(scope) ?? ''))
          .toString('hex')
          .toUpperCase();
    case 'random':
      return () => BigInt.asIntN(64, randomBytes(8).readBigUInt64BE());
    case 'coalesce':
    case 'ifnull':
      return (scope) => firstOf(list, scope);
    case 'nullif':
      invariant(first !== undefined && second !== undefined, 'nullif() has two arguments');
      return (scope) => {
        const value = first(scope);
        return compareSql(value, second(scope)) === 0 ? null : value;
      };
    case 'iif':
      invariant(first !== undefined && second !== undefined && third !== undefined, 'iif() has three arguments');
      return (scope) => (truthOf(first(scope)) === true ? second(scope) : third(scope));
    case 'operation_indicator':
      invariant(first !== undefined && second !== undefined && third !== undefined, 'operation_indicator() has three arguments');
      return (scope) => (scope.operation === 'delete' ? first : scope.operation === 'update' ? second : third)(scope);
    default:
      return compileDateCall(call, list);
  }
}

function firstOf<S extends Scope>(list: readonly Evaluator<S>[], scope: S): SqlValue {
  for (const item of list) {
    const value = item(scope);
    if (value !== null) return value;
  }
  return null;
}

const DATE_FORMATS: Readonly<Record<string, string>> = { date: '%Y-%m-%d', time: '%H:%M:%S', datetime: '%Y-%m-%d %H:%M:%S' };

function compileDateCall<S extends Scope>(call: Call, list: readonly Evaluator<S>[]): Evaluator<S> {
  for (const argument of call.arguments) {
    if (
      argument.kind === 'literal' &&
      typeof argument.value === 'string' &&
      LOCAL_MODIFIERS.includes(argument.value.trim().toLowerCase())
    ) {
      throw new ExpressionError(
        call.at,
        `'${argument.value}' depends on the machine's time zone; times are in UTC, shift them with '+N hours'`,
      );
    }
  }
  const values = (scope: S, from: number): readonly SqlValue[] => list.slice(from).map((argument) => argument(scope));
  if (call.name === 'julianday') {
    return (scope) => {
      const moment = momentOf(values(scope, 0), scope.nowMicros);
      return moment === null ? null : julianDay(moment);
    };
  }
  if (call.name === 'strftime') {
    return (scope) => {
      const format = list[0]?.(scope) ?? null;
      const moment = momentOf(values(scope, 1), scope.nowMicros);
      return format === null || moment === null ? null : formatMoment(textOf(format), moment);
    };
  }
  const format = DATE_FORMATS[call.name];
  invariant(format !== undefined, `a function ${call.name}()`);
  return (scope) => {
    const moment = momentOf(values(scope, 0), scope.nowMicros);
    return moment === null ? null : formatMoment(format, moment);
  };
}
