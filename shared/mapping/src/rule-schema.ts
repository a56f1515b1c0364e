import { z } from 'zod';
import { DMS_TYPES } from './rule.js';

/**
 * AWS DMS's rules as its documentation gives them ("Specifying table selection and transformations rules using JSON"), and the
 * fields that its console writes without documenting them. Nulls are taken out before: the console writes them for "not given".
 */

/** DMS and Terraform write numbers as numbers or as text; an empty text means "not given". */
const count = z
  .union([z.int().min(0), z.string().regex(/^\d{0,9}$/, 'is no whole number')])
  .transform((value) => (value === '' ? null : Number(value)));
const ruleId = z
  .union([z.int().min(0), z.string().regex(/^\d{1,30}$/, 'is no number: a rule-id is digits only')])
  .transform(String);
const name = z.string().min(1, 'is empty');

const common = { 'rule-id': ruleId, 'rule-name': z.union([z.string(), z.int()]).transform(String).optional() };

export const FILTER_OPERATORS = ['eq', 'noteq', 'ste', 'gte', 'between', 'notbetween', 'null', 'notnull'] as const;
/** DMS's own examples write `lte` where its table of operators says `ste`. */
const filterOperator = z.enum([...FILTER_OPERATORS, 'lte']);
const filterValue = z.union([z.string(), z.number()]).transform(String).optional();

const filter = z.strictObject({
  'filter-type': z.enum(['source']),
  'column-name': name,
  'filter-conditions': z
    .array(
      z.strictObject({
        'filter-operator': filterOperator,
        value: filterValue,
        'start-value': filterValue,
        'end-value': filterValue,
      }),
    )
    .min(1, 'holds no condition'),
});
export type FilterText = z.infer<typeof filter>;

const selection = z.strictObject({
  ...common,
  'rule-type': z.literal('selection'),
  'rule-action': z.enum(['include', 'exclude', 'explicit']),
  'object-locator': z.strictObject({
    'schema-name': name,
    'table-name': name,
    'table-type': z.enum(['table', 'view', 'all']).optional(),
  }),
  'load-order': count.optional(),
  filters: z.array(filter).optional(),
  'parallel-load': z.unknown().optional(),
  isAutoSegmentationChecked: z.boolean().optional(),
});
export type SelectionText = z.infer<typeof selection>;

export const RULE_ACTIONS = [
  'add-column',
  'include-column',
  'remove-column',
  'rename',
  'convert-lowercase',
  'convert-uppercase',
  'add-prefix',
  'remove-prefix',
  'replace-prefix',
  'add-suffix',
  'remove-suffix',
  'replace-suffix',
  'define-primary-key',
  'change-data-type',
  'add-before-image-columns',
  'data-masking-digits-mask',
  'data-masking-digits-randomize',
  'data-masking-hash-mask',
] as const;

/** The names that DMS knows, with those of them that have no meaning here. */
const dataTypeName = z.enum([...DMS_TYPES, 'set', 'list', 'map', 'tuple']);

const dataType = z.strictObject({
  type: dataTypeName,
  length: count.optional(),
  precision: count.optional(),
  scale: count.optional(),
});
export type DataTypeText = z.infer<typeof dataType>;

const transformation = z.strictObject({
  ...common,
  'rule-type': z.literal('transformation'),
  'rule-target': z.enum(['schema', 'table', 'column', 'table-tablespace', 'index-tablespace']),
  'rule-action': z.enum(RULE_ACTIONS),
  'object-locator': z.strictObject({
    'schema-name': name,
    'table-name': name.optional(),
    'column-name': name.optional(),
    'data-type': dataTypeName.optional(),
    'table-tablespace-name': name.optional(),
    'index-tablespace-name': name.optional(),
  }),
  value: z.union([z.string(), z.int()]).transform(String).optional(),
  'old-value': z.string().optional(),
  expression: z.string().optional(),
  'data-type': dataType.optional(),
  'primary-key-def': z
    .strictObject({
      name,
      origin: z.enum(['primary-key', 'unique-index']).optional(),
      columns: z.array(name).min(1, 'names no column'),
    })
    .optional(),
  'before-image-def': z
    .strictObject({
      'column-prefix': z.string().optional(),
      'column-suffix': z.string().optional(),
      'column-filter': z.enum(['pk-only', 'non-lob', 'all']).optional(),
    })
    .optional(),
});
export type TransformationText = z.infer<typeof transformation>;

const parallelLoad = z.strictObject({
  type: z.enum(['partitions-auto', 'subpartitions-auto', 'partitions-list', 'ranges', 'none']),
  'number-of-partitions': count.optional(),
  'collection-count-from-metadata': z.union([z.boolean(), z.string()]).optional(),
  'max-records-skip-per-page': count.optional(),
  'batch-size': count.optional(),
  partitions: z.array(z.string()).optional(),
  subpartitions: z.array(z.string()).optional(),
  columns: z.array(z.string()).optional(),
  boundaries: z.array(z.array(z.union([z.string(), z.number()]))).optional(),
});

const tableSettings = z.strictObject({
  ...common,
  'rule-type': z.literal('table-settings'),
  'object-locator': z.strictObject({ 'schema-name': name, 'table-name': name }),
  'parallel-load': parallelLoad.optional(),
  'lob-settings': z
    .strictObject({ mode: z.enum(['limited', 'unlimited', 'none']).optional(), 'bulk-max-size': count.optional() })
    .optional(),
  'consistent-lookup': z.unknown().optional(),
});
export type TableSettingsText = z.infer<typeof tableSettings>;

/** Kinesis, Kafka and DynamoDB targets; taken as it is and refused by name. */
const objectMapping = z.looseObject({ ...common, 'rule-type': z.literal('object-mapping') });

export const RULE_TYPES = ['selection', 'transformation', 'table-settings', 'object-mapping'] as const;
export type RuleType = (typeof RULE_TYPES)[number];
export const ruleType = z.enum(RULE_TYPES);

export const ruleShapes = {
  selection,
  transformation,
  'table-settings': tableSettings,
  'object-mapping': objectMapping,
} as const satisfies Record<RuleType, z.ZodType>;
