import { type EdgeValue, expressions, texts } from './edge-value.js';

const DOCUMENTS = [
  'null',
  'true',
  '""',
  '0',
  '-0',
  '-0.0',
  '[]',
  '{}',
  '{"":""}',
  '9007199254740993',
  '123456789012345678901234567890.123456789012345678901234567890',
  '1.10',
  '1E400',
  '{"a": 1, "a": 2}',
  '{"b": 1, "a": [1, {"c": null}]}',
  '"\\u00e9 \\ud83d\\ude00 \\n \\t \\" \\\\ \\/"',
  '"\\\\u0000 is no escape"',
  '{"$numberLong": "1", "__proto__": {"x": 1}, "constructor": 2}',
  '["a,b", "{x}", "\\\\N", null]',
];

/** json, jsonb, xml, jsonpath and full-text search. */
export const DOCUMENT_VALUES: readonly EdgeValue[] = [
  ...texts('json', [
    ...DOCUMENTS,
    ' { "kept" :\n\t"white  space" } ',
    '"\\u0000"',
    '"\\ud800"',
    '1e999999',
    '1e-400',
    '{"a":9223372036854775808}',
  ]),
  ...texts('jsonb', DOCUMENTS),
  ...expressions('json', [
    "(repeat('[', 500) || repeat(']', 500))::json",
    "('{\"k\":\"' || repeat('x', 1048576) || '\"}')::json",
  ]),
  ...expressions('jsonb', [
    "(repeat('[', 500) || repeat(']', 500))::jsonb",
    "(SELECT jsonb_object_agg('key' || i, md5(i::text)) FROM generate_series(1, 20000) i)",
    "('1' || repeat('0', 400))::jsonb",
  ]),
  ...texts('xml', [
    '',
    '<a/>',
    'just text',
    '<a b="c">&lt;&#38;<![CDATA[ ]]> ]]&gt;</a>',
    '<?xml version="1.0" standalone="yes"?><ü>😀</ü>',
    '<!-- comment --><x/>',
  ]),
  ...texts('jsonpath', ['$', '$.a[*] ? (@ > 1)', 'strict $."key with \\"quotes\\""']),
  ...texts('tsvector', ['', 'a', "'a':1A,2B 'b':3", "'with space':1 'quo''te':2 'back\\\\slash'", "'😀':16383"]),
  ...texts('tsquery', ['', 'a', "'a' & !'b' | 'c'", "'a' <-> 'b' <3> 'c'", "'pre':*AB", "'quo''te' & 'sp ace'"]),
];
