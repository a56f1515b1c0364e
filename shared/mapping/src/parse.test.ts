import { describe, expect, test } from 'vitest';
import { parseTableMappings } from './parse.js';

const SELECT = {
  'rule-type': 'selection',
  'rule-id': '1',
  'rule-name': '1',
  'object-locator': { 'schema-name': 'public', 'table-name': '%' },
  'rule-action': 'include',
};
const TRANSFORM = {
  'rule-type': 'transformation',
  'rule-id': '3',
  'rule-name': '3',
  'rule-target': 'table',
  'object-locator': { 'schema-name': 'public', 'table-name': 'actor' },
  'rule-action': 'rename',
  value: 'actor1',
};
const COLUMN = {
  ...TRANSFORM,
  'rule-target': 'column',
  'object-locator': { ...TRANSFORM['object-locator'], 'column-name': 'c' },
  value: undefined,
};
const filtered = (condition: object) => ({
  ...SELECT,
  'rule-id': 3,
  'rule-name': 'f',
  filters: [{ 'filter-type': 'source', 'column-name': 'id', 'filter-conditions': [condition] }],
});

const parse = (...rules: readonly object[]) => parseTableMappings(JSON.stringify({ rules: [SELECT, ...rules] }));

describe('table mappings', () => {
  test('what the console writes is taken: nulls, empty texts, numbers as text, its own fields', () => {
    const mapping = parseTableMappings(
      JSON.stringify({
        rules: [
          { ...SELECT, filters: [], 'parallel-load': null, isAutoSegmentationChecked: false, 'load-order': null },
          { ...TRANSFORM, 'rule-action': 'convert-lowercase', value: null, 'old-value': null },
          {
            ...COLUMN,
            'rule-id': '4',
            'rule-name': '4',
            'rule-action': 'change-data-type',
            'data-type': { type: 'string', length: '4092', scale: '' },
          },
        ],
      }),
    );
    expect(mapping.selections).toHaveLength(1);
    expect(mapping.transformations.map((rule) => rule.action)).toEqual([
      { kind: 'name', target: 'table', change: { kind: 'convert-lowercase' } },
      { kind: 'change-data-type', type: { name: 'string', length: 4092, precision: null, scale: null } },
    ]);
  });

  test('transformations are in the order of their rule-ids as numbers', () => {
    const mapping = parse(
      { ...TRANSFORM, 'rule-id': '10', 'rule-name': 'a' },
      { ...TRANSFORM, 'rule-id': '9', 'rule-name': 'b' },
    );
    expect(mapping.transformations.map((rule) => rule.rule.id)).toEqual(['9', '10']);
  });

  test('conditions in one filter are alternatives, several filters must all hold', () => {
    const rule = {
      ...SELECT,
      'rule-id': 2,
      'rule-name': 'f',
      filters: [
        {
          'filter-type': 'source',
          'column-name': 'id',
          'filter-conditions': [
            { 'filter-operator': 'lte', value: '10' },
            { 'filter-operator': 'between', 'start-value': '50', 'end-value': '75' },
            { 'filter-operator': 'gte', value: 100 },
          ],
        },
        { 'filter-type': 'source', 'column-name': 'dept', 'filter-conditions': [{ 'filter-operator': 'notnull' }] },
      ],
    };
    expect(parse(rule).selections[1]?.filter).toEqual({
      kind: 'all',
      of: [
        {
          kind: 'any',
          of: [
            { kind: 'compare', column: 'id', operator: 'ste', value: '10' },
            { kind: 'between', column: 'id', start: '50', end: '75' },
            { kind: 'compare', column: 'id', operator: 'gte', value: '100' },
          ],
        },
        { kind: 'notnull', column: 'dept' },
      ],
    });
  });

  test('table settings are taken and listed as not used, with why', () => {
    const settings = {
      'rule-type': 'table-settings',
      'rule-id': '5',
      'rule-name': '5',
      'object-locator': { 'schema-name': 'public', 'table-name': 'big' },
      'parallel-load': { type: 'ranges', columns: ['id'], boundaries: [['1000'], ['2000']] },
      'lob-settings': { mode: 'limited', 'bulk-max-size': '32' },
    };
    expect(parse(settings).findings.map((finding) => `${finding.severity} ${finding.message}`)).toEqual([
      'info Rule 5: parallel-load is not used: every table is cut into chunks by its key and loaded in parallel.',
      'info Rule 5: lob-settings is not used: large values travel whole, none is cut short.',
    ]);
  });
});

describe('an error in table mappings names the rule, the place, the word and the nearest right one', () => {
  test.each([
    [{ ...TRANSFORM, 'rule-action': 'renam' }, 'rule 3, rule-action: "renam" is not known: did you mean "rename"'],
    [
      { ...SELECT, 'rule-id': 3, 'rule-name': 'x', 'rule-action': 'inlude' },
      'rule 3, rule-action: "inlude" is not known: did you mean "include"',
    ],
    [{ ...TRANSFORM, 'rule-type': 'transform' }, 'rule 3, rule-type: "transform" is not known'],
    [{ ...TRANSFORM, 'rule-target': 'colum' }, 'rule 3, rule-target: "colum" is not known: did you mean "column"'],
    [{ ...TRANSFORM, vale: 'x' }, 'rule 3, "vale": is not known here: did you mean "value"'],
    [
      { ...TRANSFORM, 'object-locator': { 'schema-name': 'a', 'tabel-name': 'b' } },
      'rule 3, object-locator."tabel-name": is not known here: did you mean "table-name"',
    ],
    [
      { ...TRANSFORM, 'object-locator': { 'schema-name': 'a', 'table-name': 7 } },
      'rule 3, object-locator.table-name: "7" is not string',
    ],
    [{ ...TRANSFORM, value: undefined }, 'rule 3, value: is missing: "rename" needs it'],
    [{ ...TRANSFORM, 'rule-action': 'replace-prefix' }, 'rule 3, old-value: is missing'],
    [
      { ...TRANSFORM, 'object-locator': { 'schema-name': 'a' } },
      'rule 3, object-locator.table-name: is missing: rule-target is "table"',
    ],
    [
      { ...TRANSFORM, 'object-locator': { 'schema-name': 'a', 'table-name': 'b[c' } },
      'rule 3, object-locator.table-name: "b[c" has a [ without its ]',
    ],
    [
      { ...TRANSFORM, 'rule-action': 'remove-column' },
      'rule 3, rule-target: "table" does not fit rule-action "remove-column", which takes "column"',
    ],
    [{ ...COLUMN, 'rule-action': 'change-data-type' }, 'rule 3, data-type: is missing'],
    [
      { ...COLUMN, 'rule-action': 'change-data-type', 'data-type': { type: 'int3' } },
      'rule 3, data-type.type: "int3" is not known: did you mean',
    ],
    [
      { ...COLUMN, 'rule-action': 'change-data-type', 'data-type': { type: 'string', lenght: 5 } },
      'data-type."lenght": is not known here: did you mean "length"',
    ],
    [
      { ...COLUMN, 'rule-action': 'change-data-type', 'data-type': { type: 'string', length: 'many' } },
      'data-type.length: "many" is no whole number',
    ],
    [
      { ...COLUMN, 'rule-action': 'data-masking-digits-mask', value: '##' },
      'rule 3, value: "##" is not one printable ASCII character',
    ],
    [{ ...TRANSFORM, 'rule-action': 'define-primary-key' }, 'rule 3, primary-key-def: is missing'],
    [
      {
        ...TRANSFORM,
        'rule-action': 'define-primary-key',
        'object-locator': { 'schema-name': 'a', 'table-name': '%' },
        'primary-key-def': { name: 'k', columns: ['a'] },
      },
      'rule 3, object-locator.table-name: "%" holds a wildcard',
    ],
    [
      { ...COLUMN, 'rule-action': 'add-before-image-columns', 'before-image-def': { 'column-prefix': '' } },
      'gives neither column-prefix nor column-suffix',
    ],
    [
      filtered({ 'filter-operator': 'equals', value: '1' }),
      'rule 3, filters[0].filter-conditions[0].filter-operator: "equals" is not known',
    ],
    [filtered({ 'filter-operator': 'eq' }), 'rule 3, filters[0].filter-conditions[0].value: is missing'],
    [filtered({ 'filter-operator': 'between', 'start-value': '1' }), 'filters[0].filter-conditions[0].end-value: is missing'],
    [
      filtered({ 'filter-operator': 'null', value: '1' }),
      'filters[0].filter-conditions[0].value: has no meaning with filter-operator "null"',
    ],
    [
      { ...filtered({ 'filter-operator': 'null' }), 'rule-action': 'exclude' },
      'rule 3, filters: stand beside rule-action "exclude"',
    ],
    [{ ...TRANSFORM, 'rule-id': 'x3' }, 'rule x3, rule-id: "x3" is no number'],
    [{ ...TRANSFORM, 'rule-id': undefined }, 'rule (rules[1]), rule-id: is missing'],
  ])('%j', (rule, message) => {
    expect(() => parse(rule)).toThrow(
      expect.objectContaining({ code: 'MAPPING_RULE_INVALID', message: expect.stringContaining(message) }),
    );
  });

  test.each([
    [
      { ...TRANSFORM, 'rule-type': 'object-mapping', 'rule-action': 'map-record-to-record' },
      'rule 3: an object-mapping rule cannot work here',
    ],
    [{ ...TRANSFORM, 'rule-target': 'table-tablespace' }, 'rule 3: rule-target "table-tablespace" cannot work here'],
    [
      { ...COLUMN, 'rule-action': 'change-data-type', 'data-type': { type: 'tuple' } },
      'rule 3: data-type.type "tuple" cannot work here',
    ],
    [
      { ...SELECT, 'rule-id': 3, 'rule-name': 'v', 'object-locator': { ...SELECT['object-locator'], 'table-type': 'view' } },
      'rule 3: table-type "view" cannot work here',
    ],
  ])('%j is refused as having no meaning here', (rule, message) => {
    expect(() => parse(rule)).toThrow(
      expect.objectContaining({ code: 'MAPPING_RULE_UNSUPPORTED', message: expect.stringContaining(message) }),
    );
  });

  test.each([
    [{ ...TRANSFORM, 'rule-id': '1' }, 'rule-id "1" is given twice, at rules[0] and at rules[1]'],
    [{ ...TRANSFORM, 'rule-id': '01' }, 'rule-id "1" is given twice'],
    [{ ...TRANSFORM, 'rule-name': '1' }, 'rule-name "1" is given twice'],
  ])('%j', (rule, message) => {
    expect(() => parse(rule)).toThrow(
      expect.objectContaining({ code: 'MAPPING_RULE_DUPLICATE', message: expect.stringContaining(message) }),
    );
  });

  test('an expression error says rule and character', () => {
    const rule = {
      ...COLUMN,
      'object-locator': TRANSFORM['object-locator'],
      'rule-action': 'add-column',
      value: 'n',
      'data-type': { type: 'string' },
    };
    expect(() => parse({ ...rule, expression: 'uper($a)' })).toThrow(
      expect.objectContaining({
        code: 'MAPPING_EXPRESSION_INVALID',
        message: 'Rule 3, expression, character 1: there is no function uper(); did you mean "upper".',
      }),
    );
  });

  test.each([
    ['{"rules": [}', 1, 12],
    ['{\n  "rules": [\n    {"a": 1,}\n  ]\n}', 3, 13],
    ["{'rules': []}", 1, 2],
    ['{"rules": [] // no\n}', 1, 14],
    ['{"rules": []', 1, 13],
    ['', 1, 1],
    ['{"rules": [01]}', 1, 13],
    ['{"a": "b\nc"}', 1, 7],
    ['{"rules": []} {}', 1, 15],
  ])('JSON error in %j is at line %i, column %i', (text, line, column) => {
    expect(() => parseTableMappings(text)).toThrow(
      expect.objectContaining({
        code: 'MAPPING_JSON_INVALID',
        message: expect.stringContaining(`line ${line}, column ${column}:`),
      }),
    );
  });

  test.each([['{"rules": []}'], [JSON.stringify({ rules: [{ ...SELECT, 'rule-action': 'exclude' }] })]])(
    '%s selects nothing: MAPPING_NO_SELECTION',
    (text) => {
      expect(() => parseTableMappings(text)).toThrow(expect.objectContaining({ code: 'MAPPING_NO_SELECTION' }));
    },
  );

  test.each([['{}'], ['[]'], ['{"rules": {}}'], ['{"ruels": [], "rules": []}'], ['null']])('%s is no table mapping', (text) => {
    expect(() => parseTableMappings(text)).toThrow(expect.objectContaining({ code: 'MAPPING_RULE_INVALID' }));
  });
});
