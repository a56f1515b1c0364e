import type { ErrorDefinition } from './definition.js';

export const journalErrors = {
} as const satisfies Record<string, ErrorDefinition>;
