import type { ErrorDefinition } from './definition.js';

export const sourceErrors = {
} as const satisfies Record<string, ErrorDefinition>;
