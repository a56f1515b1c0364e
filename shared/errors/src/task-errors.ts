import type { ErrorDefinition } from './definition.js';

export const taskErrors = {
  INTERNAL: {
    class: 'fatal',
    message: 'Internal error: {what}.',
    cause: 'A rule that Millrace relies on did not hold. Nothing was written after it was noticed.',
    remedy: 'Start the task again; it resumes exactly. If it comes back, report it with the log at --log-level debug.',
  },
} as const satisfies Record<string, ErrorDefinition>;
