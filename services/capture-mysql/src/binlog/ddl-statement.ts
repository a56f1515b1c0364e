import type { TableId } from '@millrace/contract/table.js';

/** What a statement in the log is, as far as its effect has to be known; the catalogue tells the rest. */
export type LoggedStatement =
  | { readonly kind: 'begin' | 'commit' | 'rollback' | 'rollbackTo' | 'savepoint' | 'nothing' }
  | { readonly kind: 'xa'; readonly what: 'start' | 'end' | 'prepare' | 'commit' | 'rollback'; readonly xid: string }
  /** A write in statement format, or what may be one: its rows are not in the log. `table`: the only one it writes, where that is plain. */
  | { readonly kind: 'write'; readonly verb: string; readonly table: TableId | null }
  | { readonly kind: 'truncate'; readonly tables: readonly TableId[] }
  | { readonly kind: 'drop'; readonly tables: readonly TableId[] }
  | { readonly kind: 'dropDatabase'; readonly database: string }
  | { readonly kind: 'rename'; readonly pairs: readonly { readonly from: TableId; readonly to: TableId }[] }
  | { readonly kind: 'create'; readonly table: TableId; readonly replaces: boolean; readonly rowsFollow: boolean }
  | ({ readonly kind: 'alter'; readonly table: TableId } & Alteration)
  /** Nothing that tables' rows depend on: users, views, routines … */
  | { readonly kind: 'other' };

/** What an ALTER TABLE does, as far as the table's columns before and after it do not show it. */
export interface Alteration {
  readonly adds: boolean;
  readonly drops: boolean;
  readonly changes: boolean;
  /** Rows may have gone or come with a partition. */
  readonly partition: boolean;
}

interface Token {
  /** Upper case for bare words; as it stands for quoted names. */
  readonly word: string;
  readonly name: string;
  readonly quoted: boolean;
}

const TOKEN = /`((?:[^`]|``)*)`|'(?:[^'\\]|''|\\.)*'|"((?:[^"\\]|""|\\.)*)"|[\p{L}\p{N}_$]+|[^\s]/gsu;

/**
 * Reads no more of the statement than its kind and the tables it names. `database` is the session's; with `lowerCase` the server stores
 * names in lower case, however statements write them (lower_case_table_names=1).
 */
export function readStatement(sql: string, database: string, lowerCase = false): LoggedStatement {
  const tokens = tokenize(sql);
  const words = new Words(tokens, database, lowerCase);
  const [first = '', second = ''] = tokens.map(({ word }) => word);
  switch (first) {
    case '':
      return { kind: 'nothing' };
    case 'BEGIN':
      return { kind: 'begin' };
    case 'START':
      return { kind: second === 'TRANSACTION' ? 'begin' : 'other' };
    case 'COMMIT':
      return { kind: 'commit' };
    case 'ROLLBACK':
      return { kind: second === 'TO' ? 'rollbackTo' : 'rollback' };
    case 'SAVEPOINT':
    case 'RELEASE':
      return { kind: 'savepoint' };
    case 'XA':
      return xaStatement(sql, second);
    case 'INSERT':
    case 'REPLACE':
      words.next();
      while (MODIFIERS.some((word) => words.skip(word)));
      return { kind: 'write', verb: first, table: words.table() };
    case 'TRUNCATE':
      words.skip('TRUNCATE');
      words.skip('TABLE');
      return { kind: 'truncate', tables: [words.table()] };
    case 'DROP':
      return dropStatement(words);
    case 'RENAME':
      return renameStatement(words);
    case 'CREATE':
      return createStatement(words);
    case 'ALTER':
      return alterStatement(words);
    case 'SET':
      // MariaDB: SET STATEMENT … FOR any statement.
      return second === 'STATEMENT' ? { kind: 'write', verb: 'SET STATEMENT', table: null } : { kind: 'other' };
    default:
      return NO_ROWS.has(first) ? { kind: 'other' } : { kind: 'write', verb: first, table: null };
  }
}

/** Between INSERT or REPLACE and the table's name. */
const MODIFIERS = ['LOW_PRIORITY', 'DELAYED', 'HIGH_PRIORITY', 'IGNORE', 'INTO'];

/** Statements that are logged and change no table's rows; everything else is taken for a write. */
const NO_ROWS: ReadonlySet<string> = new Set([
  'GRANT',
  'REVOKE',
  'FLUSH',
  'ANALYZE',
  'OPTIMIZE',
  'REPAIR',
  'CHECK',
  'INSTALL',
  'UNINSTALL',
  'RESET',
  'PURGE',
  'CHANGE',
  'STOP',
  'LOCK',
  'UNLOCK',
  'KILL',
  'USE',
  'SHUTDOWN',
]);

function dropStatement(words: Words): LoggedStatement {
  words.skip('DROP');
  if (words.skip('DATABASE') || words.skip('SCHEMA')) {
    words.skip('IF', 'EXISTS');
    return { kind: 'dropDatabase', database: words.name() };
  }
  // Temporary tables hide ordinary ones from their own session only.
  if (!words.skip('TABLE') && !words.skip('TABLES')) return { kind: 'other' };
  words.skip('IF', 'EXISTS');
  const tables = [words.table()];
  while (words.skip(',')) tables.push(words.table());
  return { kind: 'drop', tables };
}

function renameStatement(words: Words): LoggedStatement {
  words.skip('RENAME');
  if (!words.skip('TABLE') && !words.skip('TABLES')) return { kind: 'other' };
  words.skip('IF', 'EXISTS');
  const pairs: { from: TableId; to: TableId }[] = [];
  do {
    const from = words.table();
    while (!words.at('TO') && !words.ended) words.next();
    words.skip('TO');
    pairs.push({ from, to: words.table() });
  } while (words.skip(','));
  return { kind: 'rename', pairs };
}

function createStatement(words: Words): LoggedStatement {
  words.skip('CREATE');
  const replaces = words.skip('OR', 'REPLACE');
  if (words.skip('UNIQUE') || words.skip('FULLTEXT') || words.skip('SPATIAL') || words.at('INDEX')) return indexStatement(words);
  if (!words.skip('TABLE')) return { kind: 'other' };
  words.skip('IF', 'NOT', 'EXISTS');
  return { kind: 'create', table: words.table(), replaces, rowsFollow: words.includes('START', 'TRANSACTION') };
}

/** CREATE INDEX … ON table: a primary key is none of its effects, yet the table is looked at. */
function indexStatement(words: Words): LoggedStatement {
  while (!words.at('ON') && !words.ended) words.next();
  words.skip('ON');
  return { kind: 'alter', table: words.table(), adds: false, drops: false, changes: false, partition: false };
}

function alterStatement(words: Words): LoggedStatement {
  words.skip('ALTER');
  words.skip('ONLINE');
  words.skip('IGNORE');
  if (!words.skip('TABLE')) return { kind: 'other' };
  words.skip('IF', 'EXISTS');
  const from = words.table();
  const alteration = words.alteration();
  // RENAME TO stands in one list with other changes; RENAME COLUMN and RENAME INDEX do not name a table.
  const to = words.renamedTo();
  if (to !== null) return { kind: 'rename', pairs: [{ from, to }] };
  return { kind: 'alter', table: from, ...alteration };
}

/** What follows ADD and DROP where it is no column. */
const NO_COLUMN = new Set([
  'INDEX',
  'KEY',
  'UNIQUE',
  'FULLTEXT',
  'SPATIAL',
  'CONSTRAINT',
  'PRIMARY',
  'FOREIGN',
  'CHECK',
  'PARTITION',
  'PERIOD',
  'SYSTEM',
]);

function xaStatement(sql: string, what: string): LoggedStatement {
  const xid = /X'([0-9a-f]*)'\s*,\s*X'([0-9a-f]*)'\s*,\s*(\d+)/i.exec(sql);
  const id = xid === null ? sql.replace(/^\s*XA\s+\w+\s*/i, '').trim() : `${xid[1]},${xid[2]},${xid[3]}`.toLowerCase();
  switch (what) {
    case 'START':
    case 'BEGIN':
      return { kind: 'xa', what: 'start', xid: id };
    case 'END':
      return { kind: 'xa', what: 'end', xid: id };
    case 'PREPARE':
      return { kind: 'xa', what: 'prepare', xid: id };
    case 'COMMIT':
      return { kind: 'xa', what: 'commit', xid: id };
    case 'ROLLBACK':
      return { kind: 'xa', what: 'rollback', xid: id };
    default:
      return { kind: 'other' };
  }
}

/** Comments go, but for those that hold statements for newer servers. */
function tokenize(sql: string): readonly Token[] {
  const text = sql
    .replace(/\/\*M?!\d*((?:[^*]|\*(?!\/))*)\*\//g, ' $1 ')
    .replace(/\/\*(?:[^*]|\*(?!\/))*\*\//g, ' ')
    .replace(/(^|\s)(?:#|-- )[^\n]*/g, '$1');
  return [...text.matchAll(TOKEN)].map(([whole, backquoted, doubleQuoted]) => {
    const quoted = backquoted?.replaceAll('``', '`') ?? doubleQuoted?.replaceAll('""', '"');
    return { word: quoted === undefined ? whole.toUpperCase() : whole, name: quoted ?? whole, quoted: quoted !== undefined };
  });
}

class Words {
  #at = 0;

  constructor(
    private readonly tokens: readonly Token[],
    private readonly database: string,
    private readonly lowerCase: boolean,
  ) {}

  get ended(): boolean {
    return this.#at >= this.tokens.length;
  }

  at(...words: readonly string[]): boolean {
    return words.every((word, index) => {
      const token = this.tokens[this.#at + index];
      return token !== undefined && !token.quoted && token.word === word;
    });
  }

  skip(...words: readonly string[]): boolean {
    if (!this.at(...words)) return false;
    this.#at += words.length;
    return true;
  }

  next(): void {
    this.#at += 1;
  }

  name(): string {
    const token = this.tokens[this.#at];
    this.#at += 1;
    const name = token?.name ?? '';
    return this.lowerCase ? name.toLowerCase() : name;
  }

  table(): TableId {
    const first = this.name();
    return this.skip('.') ? { schema: first, table: this.name() } : { schema: this.database, table: first };
  }

  includes(...words: readonly string[]): boolean {
    return this.tokens.some((_, index) =>
      words.every((word, ahead) => {
        const token = this.tokens[index + ahead];
        return token !== undefined && !token.quoted && token.word === word;
      }),
    );
  }

  /** By the first words of the list's parts, from here to the end; stays where it is. */
  alteration(): Alteration {
    const found = { adds: false, drops: false, changes: false, partition: false };
    let depth = 0;
    let first = true;
    for (let index = this.#at; index < this.tokens.length; index++) {
      const { word, quoted } = this.tokens[index] ?? { word: '', quoted: true };
      const next = this.tokens[index + 1];
      const column = next !== undefined && (next.quoted || !NO_COLUMN.has(next.word));
      if (!quoted && word === '(') depth += 1;
      else if (!quoted && word === ')') depth -= 1;
      if (first && !quoted && depth === 0) {
        if (word === 'ADD' && column) found.adds = true;
        else if (word === 'DROP' && column) found.drops = true;
        else if (word === 'MODIFY' || word === 'CHANGE' || word === 'CONVERT' || word === 'RENAME') found.changes = true;
        if ((word === 'TRUNCATE' || word === 'DROP' || word === 'EXCHANGE') && next?.word === 'PARTITION') found.partition = true;
      }
      first = depth === 0 && !quoted && word === ',';
    }
    return found;
  }

  /** The name behind RENAME, RENAME TO, RENAME AS or RENAME = in an ALTER TABLE, outside of parentheses. */
  renamedTo(): TableId | null {
    let depth = 0;
    for (; !this.ended; this.next()) {
      if (this.at('(')) depth += 1;
      else if (this.at(')')) depth -= 1;
      else if (depth === 0 && this.at('RENAME')) {
        this.next();
        if (this.at('COLUMN') || this.at('INDEX') || this.at('KEY')) continue;
        if (!this.skip('TO') && !this.skip('AS')) this.skip('=');
        return this.table();
      }
    }
    return null;
  }
}
