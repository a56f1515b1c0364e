import type { ErrorClass, ErrorDefinition } from './definition.js';
import { ERROR_TABLE, type ErrorCode } from './table.js';

/** Values for a text's placeholders. Never a secret: they are shown to people and logged. */
export type ErrorDetails = Readonly<Record<string, string | number | bigint>>;

/** An error of the table: code, filled texts, and the original as `cause`. */
export class MillraceError extends Error {
  override readonly name = 'MillraceError';
  readonly class: ErrorClass;
  readonly why: string;
  readonly remedy: string;

  constructor(
    readonly code: ErrorCode,
    readonly details: ErrorDetails = {},
    options: { readonly cause?: unknown } = {},
  ) {
    const definition: ErrorDefinition = ERROR_TABLE[code];
    super(fill(definition.message, details), options);
    this.class = definition.class;
    this.why = fill(definition.cause, details);
    this.remedy = fill(definition.remedy, details);
  }
}

function fill(text: string, details: ErrorDetails): string {
  return text.replace(/\{(\w+)\}/g, (placeholder, name: string) => String(details[name] ?? placeholder));
}

/** For the default branch of an exhaustive switch. */
export function assertNever(value: never): never {
  throw new MillraceError('INTERNAL', { what: `unexpected ${JSON.stringify(value)}` });
}

/** An invariant that is cheap to check at run time; `what` names the rule that did not hold. */
export function invariant(condition: boolean, what: string): asserts condition {
  if (!condition) throw new MillraceError('INTERNAL', { what });
}
