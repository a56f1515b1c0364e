import type { ErrorDefinition } from './definition.js';

export const mappingErrors = {
} as const satisfies Record<string, ErrorDefinition>;
