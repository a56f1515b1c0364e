import type { ErrorPolicy } from './sink.js';

/** How to reach a source and as which task. The URL may hold a password: it never appears in a text. */
export interface SourceSettings {
  readonly url: string;
  readonly task: string;
  /** A publication (or its like) made beforehand by somebody who owns the tables; null: capture makes its own. */
  readonly publication: string | null;
}

export interface SinkSettings {
  readonly url: string;
  readonly task: string;
  readonly policy: ErrorPolicy;
}
