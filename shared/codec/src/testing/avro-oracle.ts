import avro from 'avsc';

/** avsc with 64-bit integers as bigints and unions always wrapped: an independent reader and writer to compare with. */
export interface Oracle {
  decode(bytes: Uint8Array): unknown;
  encode(value: unknown): Uint8Array;
}

const bigintLong = avro.types.LongType.__with({
  fromBuffer: (buffer: Buffer) => buffer.readBigInt64LE(),
  toBuffer: (value: bigint) => {
    const buffer = Buffer.alloc(8);
    buffer.writeBigInt64LE(value);
    return buffer;
  },
  fromJSON: BigInt,
  toJSON: String,
  isValid: (value: unknown) => typeof value === 'bigint',
  compare: (left: bigint, right: bigint) => (left < right ? -1 : Number(left > right)),
});

/** With `writer`, it reads what was written by that schema. */
export function oracleOf(schemaJson: string, writer = schemaJson): Oracle {
  const typeOf = (json: string): avro.Type => {
    const schema: avro.Schema = JSON.parse(json);
    return avro.Type.forSchema(schema, { registry: { long: bigintLong }, wrapUnions: true });
  };
  const type = typeOf(schemaJson);
  const resolver = writer === schemaJson ? undefined : type.createResolver(typeOf(writer));
  return {
    decode: (bytes) => type.fromBuffer(Buffer.from(bytes), resolver),
    encode: (value) => type.toBuffer(value),
  };
}
