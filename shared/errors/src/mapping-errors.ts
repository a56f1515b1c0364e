import type { ErrorDefinition } from './definition.js';

export const mappingErrors = {
  MAPPING_JSON_INVALID: {
    class: 'operator',
    message: 'The table mappings are not JSON: line {line}, column {column}: {reason}.',
    cause: 'The file is read as AWS DMS reads it: strict JSON, without comments or trailing commas.',
    remedy: 'Correct the text at that place.',
  },
  MAPPING_RULE_INVALID: {
    class: 'operator',
    message: 'Table mappings, rule {rule}, {path}: {problem}.',
    cause: 'The word or value is not one that this place of a rule takes; nothing has been started.',
    remedy: 'Correct it in the table mappings. Words and names are case-sensitive.',
  },
  MAPPING_RULE_DUPLICATE: {
    class: 'operator',
    message: 'Table mappings: {what} "{value}" is given twice, at {first} and at {second}.',
    cause: 'Rules are told apart by their rule-id, and by their rule-name where one is given.',
    remedy: 'Give each rule its own.',
  },
  MAPPING_RULE_UNSUPPORTED: {
    class: 'operator',
    message: 'Table mappings, rule {rule}: {what} cannot work here: {why}.',
    cause: 'AWS DMS knows this rule, but it has no meaning for this source and target.',
    remedy: '{instead}',
  },
  MAPPING_NO_SELECTION: {
    class: 'operator',
    message: 'The table mappings hold no selection rule with rule-action "include" or "explicit".',
    cause: 'Without one, no table belongs to the task.',
    remedy: "Add a selection rule, or name tables with --include 'schema.table'.",
  },
  SELECTION_PATTERN_INVALID: {
    class: 'operator',
    message: '{flag} {pattern}: {problem}.',
    cause:
      'A table is named as schema.table; % stands for any text and [ab] for one of a and b; a part in double quotes is taken as it is.',
    remedy: "Write it as in --include 'public.orders', --include 'public.%' or --include '\"My.Schema\".\"a table\"'.",
  },
  SELECTION_MATCHES_NOTHING: {
    class: 'operator',
    message: 'The table selection matches no table of the source ({rules}).',
    cause: 'Names are case-sensitive, and a wildcard passes over system schemas, views, foreign, temporary and unlogged tables.',
    remedy: 'Correct the names, and check that the source URL names the database that you mean.',
  },
  SELECTION_RULE_MATCHES_NOTHING: {
    class: 'operator',
    message: 'Rule {rule} ({pattern}) matches no table of the source.',
    cause: 'No table has such a name now; names are case-sensitive. Later tables that match will be taken.',
    remedy: 'Correct the pattern, or leave it if such tables are still to come.',
  },
  SELECTION_TABLE_MISSING: {
    class: 'operator',
    message: 'Rule {rule} names {pattern}, which the source does not have.{hint}',
    cause: 'Names are case-sensitive; rule-action "explicit" takes every character as it is.',
    remedy: 'Correct the name, or remove the rule.',
  },
  SELECTION_TABLE_REFUSED: {
    class: 'operator',
    message: 'Rule {rule} names {table}, which is {kind}: it cannot be carried.',
    cause: "Only logged, permanent tables appear in the source's log.",
    remedy:
      'Take it out of the selection. For a view, select the tables that it reads; an unlogged table: ALTER TABLE … SET LOGGED.',
  },
  SELECTION_UNLOGGED_SKIPPED: {
    class: 'operator',
    message: 'The unlogged table {table} matches rule {rule} and is passed over.',
    cause: "An unlogged table's changes never reach the source's log.",
    remedy: 'ALTER TABLE … SET LOGGED to carry it, or exclude it.',
  },
  SELECTION_PARTITION_ALONE: {
    class: 'operator',
    message: 'Rule {rule} takes the partition {table} without its root {root}.',
    cause: "A partition is carried under its root's name, with all of the root's rows.",
    remedy: 'Select {root}; to carry only some of its rows, give the rule a filter. Or exclude the partition.',
  },
  SELECTION_PARTITION_EXCLUDED: {
    class: 'operator',
    message: 'Rule {rule} excludes the partition {table}, but its root {root} is selected.',
    cause: "A partition is carried under its root's name, with all of the root's rows.",
    remedy: "Exclude {root} as well, or leave out this partition's rows with a filter on {root}.",
  },
  MAPPING_FILTERS_OVERLAP: {
    class: 'operator',
    message: 'Rules {first} and {second} both filter {table}.',
    cause: 'Which rows are meant is not clear: AWS DMS does not say whether such filters add or narrow.',
    remedy:
      'Put all conditions on {table} into one rule: conditions in one filter are alternatives, several filters must all hold.',
  },
  MAPPING_FILTER_INVALID: {
    class: 'operator',
    message: 'Rule {rule} filters {table} by column "{column}": {problem}.',
    cause: "A filter compares a column with a value of the column's own type.",
    remedy: 'Correct the column or the value; both are case-sensitive. Dates are written YYYY-MM-DD, times YYYY-MM-DD HH:MM:SS.',
  },
  MAPPING_NEEDS_FULL_IDENTITY: {
    class: 'operator',
    message: "Rule {rule} needs the old values of {columns} of {table}, which the source's log does not carry.",
    cause: "With the table's present replica identity, updates and deletes bring only the identity's columns of the old row.",
    remedy:
      'On the source: ALTER TABLE {quoted} REPLICA IDENTITY FULL; or change the rule so that it uses identity columns only.',
  },
  MAPPING_MAY_NEED_FULL_IDENTITY: {
    class: 'operator',
    message:
      'Rule {rule} computes from {columns} of {table}; an update that leaves a large value of them untouched will stop the task.',
    cause: "The source's log leaves out large values (TOAST) that an update does not touch.",
    remedy: 'On the source: ALTER TABLE {quoted} REPLICA IDENTITY FULL.',
  },
  MAPPING_IMAGE_INCOMPLETE: {
    class: 'operator',
    message: 'Rule {rule} cannot be applied to a change of {table}: the log did not carry the value of "{column}".',
    cause: 'The value was large and untouched, or belongs to the old row, and the replica identity does not bring it.',
    remedy: 'On the source: ALTER TABLE {quoted} REPLICA IDENTITY FULL; then reload the table.',
  },
  MAPPING_COLLISION: {
    class: 'operator',
    message: '{first} and {second} would both be written to {target} ({rules}).',
    cause: 'The transformation rules give two source tables one target name.',
    remedy: 'Rename one of them with a rule of its own (a lower rule-id wins), or exclude it.',
  },
  MAPPING_COLUMN_COLLISION: {
    class: 'operator',
    message: 'In {table}, {first} and {second} would both become column "{column}".',
    cause: 'The transformation rules give two columns of one table the same name.',
    remedy: 'Rename or remove one of them (a lower rule-id wins).',
  },
  MAPPING_EXPRESSION_INVALID: {
    class: 'operator',
    message: 'Rule {rule}, expression, character {at}: {problem}.',
    cause: "Expressions are written in the part of SQLite's language that AWS DMS documents.",
    remedy: 'Correct the expression; shared/mapping/README.md lists operators, functions and headers.',
  },
  MAPPING_EXPRESSION_FAILED: {
    class: 'operator',
    message: 'Rule {rule} on {table}: the expression failed: {problem}.',
    cause: "A row's values do not fit what the expression does with them.",
    remedy: 'Correct the expression (ifnull, nullif, CASE and CAST help), or the row at the source.',
  },
  MAPPING_ORIGIN_UNKNOWN: {
    class: 'operator',
    message:
      "Rule {rule} on {table} reads a header or 'now', and the journal does not say when and where this change was committed.",
    cause: "An earlier version of Millrace wrote the change, or the source's log does not say it before the changes.",
    remedy: 'Start the task anew (`millrace remove`, then `millrace run`), or leave the column out.',
  },
  MAPPING_RULE_NOT_APPLICABLE: {
    class: 'operator',
    message: 'Rule {rule} cannot be applied to {table}: {problem}.',
    cause: 'The rule does not fit the table as it is at the source.',
    remedy: 'Correct the rule, or narrow its object-locator so that it does not match this table.',
  },
  MAPPING_RULE_WITHOUT_EFFECT: {
    class: 'operator',
    message: 'Rule {rule} has no effect on {object}: rule {winner} applies instead.',
    cause: 'Of several rules that change the same thing of one object, the one with the lowest rule-id applies, as in AWS DMS.',
    remedy: 'Remove one of them, or give the one that you mean the lower rule-id.',
  },
  MAPPING_RULE_MATCHES_NOTHING: {
    class: 'operator',
    message: 'Transformation rule {rule} ({pattern}) matches nothing that is selected.',
    cause: 'Object-locators name source objects, case-sensitively.',
    remedy: 'Correct the object-locator, or remove the rule.',
  },
  MAPPING_SETTING_IGNORED: {
    class: 'operator',
    message: 'Rule {rule}: {setting} is not used: {why}.',
    cause: 'The setting tunes something that works differently here.',
    remedy: 'Nothing: the data is the same without it.',
  },
  MAPPING_VALUE_NOT_CONVERTIBLE: {
    class: 'operator',
    message: 'Rule {rule}: a value of {table}, column "{column}", cannot become {type}: {problem}.',
    cause: 'The rule gives the column a type that does not hold this value.',
    remedy: 'Choose a type that holds all values, or correct the row at the source.',
  },
} as const satisfies Record<string, ErrorDefinition>;
