/** retry: tried again by itself, bounded. operator: somebody has to do something. fatal: a bug or a broken invariant; stop at once. */
export type ErrorClass = 'retry' | 'operator' | 'fatal';

/** One row of the error table. Texts hold {placeholders} that the error's details fill. */
export interface ErrorDefinition {
  readonly class: ErrorClass;
  /** What is wrong, and where, in one sentence. */
  readonly message: string;
  /** Why it happens. */
  readonly cause: string;
  /** What to do about it, with the command to type where there is one. */
  readonly remedy: string;
}
