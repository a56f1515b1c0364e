import type { ErrorDefinition } from './definition.js';
import { ERROR_TABLE } from './table.js';

const CLASSES = {
  operator: 'Somebody has to do something; nothing is tried again by itself.',
  retry: 'Tried again by itself until the outage time is over.',
  fatal: 'An invariant did not hold: stopped at once, nothing written after it was noticed.',
} as const;

/** The error table as a page for people, in Markdown. */
export function errorPage(): string {
  const errors: readonly (readonly [string, ErrorDefinition])[] = Object.entries(ERROR_TABLE);
  const sections = Object.entries(CLASSES).map(([name, meaning]) => {
    const rows = errors.filter(([, { class: of }]) => of === name).sort(([one], [other]) => (one < other ? -1 : 1));
    return `## ${name}\n\n${meaning}\n\n${rows.map(entry).join('\n')}`;
  });
  return `# Errors\n\nEvery error that Millrace reports, made from the table in \`shared/errors\`. Words in {braces} are filled in.\n\n${sections.join('\n')}`;
}

function entry([code, { message, cause, remedy }]: readonly [string, ErrorDefinition]): string {
  return `### ${code}\n\n${message}\n\n- *Why:* ${cause}\n- *What to do:* ${remedy}\n`;
}
