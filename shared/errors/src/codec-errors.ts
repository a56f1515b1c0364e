import type { ErrorDefinition } from './definition.js';

export const codecErrors = {
} as const satisfies Record<string, ErrorDefinition>;
