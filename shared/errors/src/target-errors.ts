import type { ErrorDefinition } from './definition.js';

export const targetErrors = {
} as const satisfies Record<string, ErrorDefinition>;
