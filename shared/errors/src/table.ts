import { codecErrors } from './codec-errors.js';
import { endpointErrors } from './endpoint-errors.js';
import { journalErrors } from './journal-errors.js';
import { localErrors } from './local-errors.js';
import { mappingErrors } from './mapping-errors.js';
import { mysqlSourceErrors } from './mysql-source-errors.js';
import { mysqlTargetErrors } from './mysql-target-errors.js';
import { sourceErrors } from './source-errors.js';
import { targetErrors } from './target-errors.js';
import { taskErrors } from './task-errors.js';

/** Every error that Millrace can report, by code. The docs' error page is made from it. */
export const ERROR_TABLE = {
  ...taskErrors,
  ...mappingErrors,
  ...endpointErrors,
  ...sourceErrors,
  ...mysqlSourceErrors,
  ...codecErrors,
  ...journalErrors,
  ...targetErrors,
  ...mysqlTargetErrors,
  ...localErrors,
} as const;

export type ErrorCode = keyof typeof ERROR_TABLE;
