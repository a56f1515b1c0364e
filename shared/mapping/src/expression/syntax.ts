import type { Decimal } from '../exact-decimal.js';

/**
 * A value inside an expression: SQLite's storage classes (NULL, INTEGER as bigint, REAL as number, TEXT, BLOB) and, beyond them,
 * exact decimals, so that a numeric column does not pass through a float.
 */
export type SqlValue = null | bigint | number | string | Uint8Array | Decimal;

export type BinaryOperator =
  | '||'
  | '*'
  | '/'
  | '%'
  | '+'
  | '-'
  | '&'
  | '|'
  | '<<'
  | '>>'
  | '<'
  | '<='
  | '>'
  | '>='
  | '='
  | '<>'
  | 'is'
  | 'is not'
  | 'and'
  | 'or';

export type CastType = 'integer' | 'real' | 'text' | 'numeric' | 'blob';

export interface CaseBranch {
  readonly when: Expression;
  readonly result: Expression;
}

/** A parsed expression. `at` is the 1-based character in the rule's text where the part begins. */
export type Expression =
  | { readonly kind: 'literal'; readonly value: SqlValue }
  /** `$name`: a column of the source table, its old value (`$BI_name`), a header (`$AR_H_…`) or the table's own name (`$AR_M_…`). */
  | { readonly kind: 'reference'; readonly name: string; readonly at: number }
  | { readonly kind: 'unary'; readonly operator: '-' | '+' | '~' | 'not'; readonly operand: Expression }
  | { readonly kind: 'binary'; readonly operator: BinaryOperator; readonly left: Expression; readonly right: Expression }
  | { readonly kind: 'between'; readonly operand: Expression; readonly low: Expression; readonly high: Expression }
  | { readonly kind: 'in'; readonly operand: Expression; readonly list: readonly Expression[] }
  | { readonly kind: 'like'; readonly operand: Expression; readonly pattern: Expression; readonly escape: Expression | null }
  | {
      readonly kind: 'case';
      readonly subject: Expression | null;
      readonly branches: readonly CaseBranch[];
      readonly otherwise: Expression | null;
    }
  | { readonly kind: 'cast'; readonly operand: Expression; readonly type: CastType }
  | { readonly kind: 'call'; readonly name: string; readonly arguments: readonly Expression[]; readonly at: number };

/** Why a text is no expression, and where; the rule that holds it is added by the caller. */
export class ExpressionError extends Error {
  override readonly name = 'ExpressionError';

  constructor(
    readonly at: number,
    readonly problem: string,
  ) {
    super(`character ${at}: ${problem}`);
  }
}
