import { TYPE_TABLES } from './convert-table.js';
import type { Engine, Fidelity } from './rule.js';

const NAMES: Readonly<Record<Engine, string>> = { postgresql: 'PostgreSQL', mysql: 'MySQL', mariadb: 'MariaDB' };

const WORDS: Readonly<Record<Fidelity, string>> = {
  exact: 'exact',
  widens: 'exact, wider',
  refuses: 'exact, or refused',
};

/** The tables of types as a page for people, in Markdown: made from what the code does. */
export function typePage(): string {
  const sections = TYPE_TABLES.filter(({ source, target }) => !(source === 'mariadb' && target === 'postgresql')).map(
    ({ source, target, rules }) => {
      const sources = source === 'mysql' && target === 'postgresql' ? 'MySQL or MariaDB' : NAMES[source];
      const rows = rules.map(
        ({ shown, becomes, fidelity, note }) => `| ${cell(shown)} | ${cell(becomes)} | ${WORDS[fidelity]} | ${cell(note)} |`,
      );
      return `## ${sources} to ${NAMES[target]}\n\n| type | becomes | values | |\n|---|---|---|---|\n${rows.join('\n')}\n`;
    },
  );
  return `# Types between engines\n\nMade from the tables in \`shared/conversion\`. Between servers of one engine every type stays itself. A value that the target cannot hold is an error under the task's error policy, never bent.\n\n${sections.join('\n')}`;
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}
