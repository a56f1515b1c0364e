/** What an assessment found. An 'error' refuses the start; a 'warning' is shown and goes on; 'info' is for the report. */
export interface Finding {
  readonly severity: 'error' | 'warning' | 'info';
  /** A code of the error table, e.g. `SOURCE_WAL_LEVEL`. */
  readonly code: string;
  /** Where: `source`, `target`, `kafka`, or `schema.table[.column]`. */
  readonly where: string;
  readonly message: string;
  readonly remedy: string;
}
