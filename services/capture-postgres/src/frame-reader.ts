import { Buffer } from 'node:buffer';
import { MillraceError } from '@millrace/errors/millrace-error.js';

/**
 * Takes one message of PostgreSQL's protocol: its type byte and its body `bytes[start, end)`, valid until it returns.
 * A promise suspends the reader after this message until the caller runs it again.
 */
export type FrameHandler = (type: number, bytes: Buffer, view: DataView, start: number, end: number) => Promise<void> | undefined;

const HEADER_BYTES = 5;
/** PostgreSQL builds a message in one StringInfo, which holds less than 1 GB (MaxAllocSize); anything longer is no message. */
const MAX_FRAME_BYTES = 0x4000_0000;
/** A buffer for cut messages that grew beyond this is given back after its message. */
const KEPT_CARRY_BYTES = 1 << 20;

const NOTHING: Buffer = Buffer.alloc(0);

/**
 * Cuts a socket's bytes into messages without an object per message. Whole messages are read where they lie; only a
 * message that a chunk's end cuts is copied, into a buffer of its own size.
 */
export class FrameReader {
  #chunk: Buffer = NOTHING;
  #view: DataView = viewOf(NOTHING);
  #position = 0;
  #carry: Buffer = NOTHING;
  #carryView: DataView = viewOf(NOTHING);
  /** Bytes of the cut message held so far; 0: no message is cut. */
  #held = 0;

  /** Bytes that were handed in and lie before the next message's end. */
  get pending(): number {
    return this.#held + this.#chunk.length - this.#position;
  }

  /** Hands in the socket's next bytes; they must stay as they are until `run` has returned undefined. */
  push(chunk: Buffer): void {
    if (this.#position < this.#chunk.length)
      throw new MillraceError('INTERNAL', { what: 'bytes pushed before the last ones were read' });
    this.#chunk = chunk;
    this.#view = viewOf(chunk);
    this.#position = 0;
  }

  /** Hands every whole message to the handler, until the bytes end (undefined) or a message has to be waited for. */
  run(handle: FrameHandler): Promise<void> | undefined {
    while (this.#position < this.#chunk.length || this.#held > 0) {
      const wait = this.#held > 0 || !this.#hasWholeFrame() ? this.#completeCut(handle) : this.#whole(handle);
      if (wait === 'need more') return undefined;
      if (wait !== undefined) return wait;
    }
    return undefined;
  }

  #hasWholeFrame(): boolean {
    const available = this.#chunk.length - this.#position;
    return available >= HEADER_BYTES && available >= 1 + lengthAt(this.#view, this.#position + 1);
  }

  #whole(handle: FrameHandler): Promise<void> | undefined {
    const start = this.#position;
    const end = start + 1 + lengthAt(this.#view, start + 1);
    this.#position = end;
    return handle(this.#view.getUint8(start), this.#chunk, this.#view, start + HEADER_BYTES, end);
  }

  #completeCut(handle: FrameHandler): Promise<void> | undefined | 'need more' {
    if (!this.#take(HEADER_BYTES)) return 'need more';
    const size = 1 + lengthAt(this.#carryView, 1);
    if (!this.#take(size)) return 'need more';
    const { length } = this.#carry;
    const bytes = this.#carry;
    const view = this.#carryView;
    this.#held = 0;
    if (length > KEPT_CARRY_BYTES) this.#setCarry(NOTHING);
    return handle(view.getUint8(0), bytes, view, HEADER_BYTES, size);
  }

  /** Fills the carry up to `size` bytes from the chunk; false where the chunk ends first. */
  #take(size: number): boolean {
    if (this.#carry.length < size) {
      const grown = Buffer.allocUnsafe(Math.max(size, 4_096));
      this.#carry.copy(grown, 0, 0, this.#held);
      this.#setCarry(grown);
    }
    const missing = size - this.#held;
    if (missing <= 0) return true;
    const copied = this.#chunk.copy(this.#carry, this.#held, this.#position, this.#position + missing);
    this.#held += copied;
    this.#position += copied;
    return copied === missing;
  }

  #setCarry(carry: Buffer): void {
    this.#carry = carry;
    this.#carryView = viewOf(carry);
  }
}

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** A message's length counts itself but not its type byte. */
function lengthAt(view: DataView, offset: number): number {
  const length = view.getInt32(offset);
  if (length < 4 || length > MAX_FRAME_BYTES)
    throw new MillraceError('SOURCE_PROTOCOL', { what: `a message of ${length} bytes` });
  return length;
}
