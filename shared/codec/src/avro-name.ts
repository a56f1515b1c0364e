/** Names that the Avro specification keeps for its primitive types, in every namespace ("Names"). */
const PRIMITIVES: ReadonlySet<string> = new Set(['null', 'boolean', 'int', 'long', 'float', 'double', 'bytes', 'string']);

/**
 * An identifier as an Avro name ([A-Za-z_][A-Za-z0-9_]*), without loss: two identifiers never share a name. Letters, digits
 * and underscores stay; any other UTF-16 unit becomes `_uXXXX_`. So does a leading digit, the first letter of a primitive type's
 * name, and an underscore where it could be taken for such a group. The empty identifier is `_u_`.
 */
export function avroNameOf(identifier: string): string {
  if (identifier === '') return '_u_';
  if (PRIMITIVES.has(identifier)) return escapeUnit(identifier) + identifier.slice(1);
  return identifier.replace(/^[0-9]|[^A-Za-z0-9_]|_(?=u[0-9a-f]{4}|u_$)/g, escapeUnit);
}

/** Of a text's first UTF-16 unit. */
function escapeUnit(text: string): string {
  return `_u${text.charCodeAt(0).toString(16).padStart(4, '0')}_`;
}

/** The identifier that `avroNameOf` was given. */
export function identifierOf(avroName: string): string {
  if (avroName === '_u_') return '';
  return avroName.replace(/_u([0-9a-f]{4})_/g, (_group, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}
