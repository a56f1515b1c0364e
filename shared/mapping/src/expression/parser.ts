import { suggest } from '../nearest-word.js';
import { FUNCTION_NAMES, functionArity } from './function-table.js';
import type { BinaryOperator, CaseBranch, CastType, Expression } from './syntax.js';
import { ExpressionError } from './syntax.js';
import { type Token, tokenize } from './tokens.js';

/** Nesting of parentheses, calls and operators: far beyond what people write, and far from the end of the stack. */
const MAX_DEPTH = 200;
const INTEGER_LIMIT = 2n ** 63n;

/**
 * Parses the part of SQLite's expression language that AWS DMS documents (operators, CASE, CAST, its functions, `$` references).
 * Precedence as in SQLite's manual, "Operators, and Parse-Affecting Attributes".
 * @throws ExpressionError
 */
export function parseExpression(text: string): Expression {
  const parser = new Parser(tokenize(text));
  const expression = parser.expression();
  parser.expectEnd();
  return expression;
}

type Operators = readonly (readonly [string, BinaryOperator])[];

const CONCATENATION: Operators = [['||', '||']];
const PRODUCT: Operators = [
  ['*', '*'],
  ['/', '/'],
  ['%', '%'],
];
const SUM: Operators = [
  ['+', '+'],
  ['-', '-'],
];
const BITS: Operators = [
  ['<<', '<<'],
  ['>>', '>>'],
  ['&', '&'],
  ['|', '|'],
];
const ORDER: Operators = [
  ['<=', '<='],
  ['>=', '>='],
  ['<', '<'],
  ['>', '>'],
];
const EQUALITY: Operators = [
  ['==', '='],
  ['=', '='],
  ['<>', '<>'],
  ['!=', '<>'],
];

class Parser {
  private index = 0;
  private depth = 0;

  constructor(private readonly tokens: readonly Token[]) {}

  expression(): Expression {
    return this.nested(() => {
      let left = this.conjunction();
      while (this.takeWord('or')) left = { kind: 'binary', operator: 'or', left, right: this.conjunction() };
      return left;
    });
  }

  private nested(parse: () => Expression): Expression {
    if (++this.depth > MAX_DEPTH) throw new ExpressionError(this.peek().at, `nested more than ${MAX_DEPTH} deep`);
    const expression = parse();
    this.depth--;
    return expression;
  }

  expectEnd(): void {
    const token = this.peek();
    if (token.kind !== 'end') throw new ExpressionError(token.at, `expected an operator or the end, found ${show(token)}`);
  }

  private conjunction(): Expression {
    let left = this.negation();
    while (this.takeWord('and')) left = { kind: 'binary', operator: 'and', left, right: this.negation() };
    return left;
  }

  private negation(): Expression {
    let negations = 0;
    while (this.takeWord('not')) {
      if (++negations > MAX_DEPTH) throw new ExpressionError(this.peek().at, `more than ${MAX_DEPTH} times NOT`);
    }
    let operand = this.equality();
    for (; negations > 0; negations--) operand = { kind: 'unary', operator: 'not', operand };
    return operand;
  }

  private equality(): Expression {
    let left = this.order();
    for (;;) {
      const operator = this.takeSymbol(EQUALITY);
      if (operator !== undefined) {
        left = { kind: 'binary', operator, left, right: this.order() };
      } else if (this.takeWord('is')) {
        const negated = this.takeWord('not');
        left = { kind: 'binary', operator: negated ? 'is not' : 'is', left, right: this.order() };
      } else if (this.takeWord('isnull')) {
        left = { kind: 'binary', operator: 'is', left, right: NULL };
      } else if (this.takeWord('notnull')) {
        left = { kind: 'binary', operator: 'is not', left, right: NULL };
      } else {
        const test = this.membership(left);
        if (test === undefined) return left;
        left = test;
      }
    }
  }

  /** `[NOT] BETWEEN`, `IN`, `LIKE`, and `NOT NULL`, which all stand after their operand. */
  private membership(operand: Expression): Expression | undefined {
    const negated = this.isWord('not', 0) && ['between', 'in', 'like', 'null'].some((word) => this.isWord(word, 1));
    if (negated) this.index++;
    const test = this.positiveMembership(operand, negated);
    if (test === undefined || !negated || test.kind === 'binary') return test;
    return { kind: 'unary', operator: 'not', operand: test };
  }

  private positiveMembership(operand: Expression, negated: boolean): Expression | undefined {
    if (this.takeWord('between')) {
      const low = this.order();
      if (!this.takeWord('and')) throw new ExpressionError(this.peek().at, 'expected AND between the two limits of BETWEEN');
      return { kind: 'between', operand, low, high: this.order() };
    }
    if (this.takeWord('in')) {
      this.expectSymbol('(');
      return { kind: 'in', operand, list: this.list() };
    }
    if (this.takeWord('like')) {
      const pattern = this.order();
      return { kind: 'like', operand, pattern, escape: this.takeWord('escape') ? this.order() : null };
    }
    if (negated && this.takeWord('null')) return { kind: 'binary', operator: 'is not', left: operand, right: NULL };
    return undefined;
  }

  private order(): Expression {
    return this.leftToRight(ORDER, () => this.leftToRight(BITS, () => this.leftToRight(SUM, () => this.product())));
  }

  private product(): Expression {
    return this.leftToRight(PRODUCT, () => this.leftToRight(CONCATENATION, () => this.prefix()));
  }

  private leftToRight(operators: Operators, operand: () => Expression): Expression {
    let left = operand();
    for (;;) {
      const operator = this.takeSymbol(operators);
      if (operator === undefined) return left;
      left = { kind: 'binary', operator, left, right: operand() };
    }
  }

  private prefix(): Expression {
    // SQLite's grammar takes a NOT in an operand's place; it reaches as far as any other NOT.
    if (this.isWord('not', 0)) return this.nested(() => this.negation());
    const token = this.peek();
    if (token.kind !== 'symbol' || !['-', '+', '~'].includes(token.text)) return this.primary();
    this.index++;
    const next = this.peek();
    // -9223372036854775808 is one literal: its digits alone are no 64-bit integer.
    if (token.text === '-' && next.kind === 'integer' && !/^0x/i.test(next.text) && BigInt(next.text) === INTEGER_LIMIT) {
      this.index++;
      return { kind: 'literal', value: -INTEGER_LIMIT };
    }
    const operand = this.nested(() => this.prefix());
    const operator = token.text === '-' ? '-' : token.text === '+' ? '+' : '~';
    return { kind: 'unary', operator, operand };
  }

  private primary(): Expression {
    const token = this.peek();
    this.index++;
    switch (token.kind) {
      case 'integer':
        return { kind: 'literal', value: integerLiteral(token.text) };
      case 'real':
        return { kind: 'literal', value: Number(token.text) };
      case 'text':
        return { kind: 'literal', value: token.text };
      case 'blob':
        return { kind: 'literal', value: Uint8Array.from(token.text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16)) };
      case 'reference':
        return { kind: 'reference', name: token.text, at: token.at };
      case 'word':
        return this.word(token);
      case 'symbol':
        if (token.text !== '(') break;
        return this.parenthesis();
      case 'end':
        break;
    }
    throw new ExpressionError(token.at, `expected a value, a $column or a function, found ${show(token)}`);
  }

  private parenthesis(): Expression {
    const inner = this.expression();
    this.expectSymbol(')');
    return inner;
  }

  private word(token: Token): Expression {
    const word = token.text.toLowerCase();
    if (word === 'null') return NULL;
    // SQLite has no booleans: TRUE and FALSE are the integers 1 and 0.
    if (word === 'true' || word === 'false') return { kind: 'literal', value: word === 'true' ? 1n : 0n };
    if (word === 'case') return this.caseExpression(token.at);
    if (word === 'cast') return this.cast();
    if (word === 'current_date' || word === 'current_time' || word === 'current_timestamp') {
      const name = word === 'current_date' ? 'date' : word === 'current_time' ? 'time' : 'datetime';
      return { kind: 'call', name, arguments: [], at: token.at };
    }
    if (!this.isSymbol('(')) {
      throw new ExpressionError(
        token.at,
        `"${token.text}" is no value; a column is written $${token.text}, a text '${token.text}'`,
      );
    }
    this.index++;
    return this.call(token, word);
  }

  private call(token: Token, name: string): Expression {
    const arity = functionArity(name);
    if (arity === undefined) {
      throw new ExpressionError(token.at, `there is no function ${token.text}(); ${suggest(name, FUNCTION_NAMES)}`);
    }
    const list = this.isSymbol(')') ? this.emptyList() : this.list();
    if (list.length < arity.least || list.length > arity.most) {
      const takes =
        arity.most === Number.POSITIVE_INFINITY
          ? `at least ${arity.least}`
          : arity.least === arity.most
            ? `${arity.least}`
            : `${arity.least} to ${arity.most}`;
      throw new ExpressionError(token.at, `${token.text}() takes ${takes} arguments, not ${list.length}`);
    }
    return { kind: 'call', name, arguments: list, at: token.at };
  }

  private emptyList(): readonly Expression[] {
    this.index++;
    return [];
  }

  private list(): readonly Expression[] {
    const items: Expression[] = [];
    do items.push(this.expression());
    while (this.takeComma());
    this.expectSymbol(')');
    return items;
  }

  private caseExpression(at: number): Expression {
    const subject = this.isWord('when', 0) ? null : this.expression();
    const branches: CaseBranch[] = [];
    while (this.takeWord('when')) {
      const when = this.expression();
      if (!this.takeWord('then')) throw new ExpressionError(this.peek().at, `expected THEN, found ${show(this.peek())}`);
      branches.push({ when, result: this.expression() });
    }
    if (branches.length === 0) throw new ExpressionError(at, 'CASE has no WHEN');
    const otherwise = this.takeWord('else') ? this.expression() : null;
    if (!this.takeWord('end')) throw new ExpressionError(this.peek().at, `expected END of CASE, found ${show(this.peek())}`);
    return { kind: 'case', subject, branches, otherwise };
  }

  private cast(): Expression {
    this.expectSymbol('(');
    const operand = this.expression();
    if (!this.takeWord('as')) throw new ExpressionError(this.peek().at, `expected AS, found ${show(this.peek())}`);
    const token = this.peek();
    const type = token.kind === 'word' ? castType(token.text) : undefined;
    if (type === undefined) throw new ExpressionError(token.at, 'CAST goes to INTEGER, REAL, TEXT, NUMERIC or BLOB');
    this.index++;
    if (this.isSymbol('(')) this.skipTypeLength();
    this.expectSymbol(')');
    return { kind: 'cast', operand, type };
  }

  /** SQLite reads `varchar(10)` and does not use the length. */
  private skipTypeLength(): void {
    this.index++;
    this.list();
  }

  private peek(): Token {
    return this.tokens[this.index] ?? { kind: 'end', text: '', at: 0 };
  }

  private isWord(word: string, ahead: number): boolean {
    const token = this.tokens[this.index + ahead];
    return token?.kind === 'word' && token.text.toLowerCase() === word;
  }

  private takeWord(word: string): boolean {
    if (!this.isWord(word, 0)) return false;
    this.index++;
    return true;
  }

  private isSymbol(symbol: string): boolean {
    const token = this.peek();
    return token.kind === 'symbol' && token.text === symbol;
  }

  private takeComma(): boolean {
    if (!this.isSymbol(',')) return false;
    this.index++;
    return true;
  }

  private takeSymbol(operators: Operators): BinaryOperator | undefined {
    const found = operators.find(([symbol]) => this.isSymbol(symbol));
    if (found !== undefined) this.index++;
    return found?.[1];
  }

  private expectSymbol(symbol: string): void {
    if (!this.isSymbol(symbol)) throw new ExpressionError(this.peek().at, `expected ${symbol}, found ${show(this.peek())}`);
    this.index++;
  }
}

const NULL: Expression = { kind: 'literal', value: null };

/** An integer literal beyond 64 bits is a REAL (SQLite's manual, "Literal Values"); a hexadecimal one wraps. */
function integerLiteral(text: string): bigint | number {
  const value = BigInt(text);
  if (/^0x/i.test(text)) return BigInt.asIntN(64, value);
  return value < INTEGER_LIMIT ? value : Number(text);
}

function castType(word: string): CastType | undefined {
  // SQLite's manual, "Determination Of Column Affinity".
  const name = word.toUpperCase();
  if (name.includes('INT')) return 'integer';
  if (/CHAR|CLOB|TEXT/.test(name)) return 'text';
  if (name.includes('BLOB')) return 'blob';
  if (/REAL|FLOA|DOUB/.test(name)) return 'real';
  return name === 'NUMERIC' || name === 'DECIMAL' ? 'numeric' : undefined;
}

function show(token: Token): string {
  return token.kind === 'end' ? 'the end' : `"${token.text}"`;
}
