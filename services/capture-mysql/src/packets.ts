import { Buffer } from 'node:buffer';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { type Deferred, deferred } from '@millrace/flow/deferred.js';
import type { Connection } from 'mysql2/promise';

/** The server is left to wait, through TCP, while this much has come and is not read yet. */
const HELD_BYTES = 4 * 1024 * 1024;

/** A packet's payload: `bytes[start, end)`. Valid as long as it is referred to: the driver allocates every read anew. */
export interface PacketSlice {
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
}

/** What Millrace uses of the driver's packet. One object stands for all packets in turn. */
interface DriverPacket {
  readonly buffer: Buffer;
  readonly offset: number;
  readonly end: number;
}

/** What Millrace uses of the driver's connection below its published types: a command gets every packet until it says that it is done. */
interface DriverConnection {
  addCommand(command: object): unknown;
  writePacket(packet: object): void;
  readonly stream: { pause(): void; resume(): void; destroy(): void };
  sequenceId: number;
}

/**
 * Packets that answer one command, raw. The driver keeps the connection, TLS and the framing (packets above 16 MB come joined);
 * what the packets hold is read where it lies, without the driver's objects.
 */
export class PacketStream {
  readonly #connection: DriverConnection;
  #packets: PacketSlice[] = [];
  #next = 0;
  #held = 0;
  #paused = false;
  #failure: Error | undefined;
  #ended = false;
  #waiting: Deferred | undefined;

  private constructor(connection: DriverConnection) {
    this.#connection = connection;
  }

  /** Sends the command (its code, then its arguments) on a session that nothing else uses until the stream has ended. */
  static send(session: Connection, command: Buffer): PacketStream {
    const connection = driverConnection(session);
    const stream = new PacketStream(connection);
    connection.addCommand({
      execute: (packet: DriverPacket | undefined): boolean => {
        if (packet === undefined) {
          connection.sequenceId = 0;
          connection.writePacket(outgoing(command));
          return false;
        }
        return stream.#take(packet);
      },
      onResult: (error: unknown) => stream.fail(error),
    });
    return stream;
  }

  /** The next packet at hand; undefined: none, wait with `more`. @throws what ended the connection, after everything before it was read. */
  next(): PacketSlice | undefined {
    const packet = this.#packets[this.#next];
    if (packet === undefined) {
      if (this.#failure !== undefined) throw this.#failure;
      return undefined;
    }
    this.#next += 1;
    this.#held -= packet.end - packet.start;
    if (this.#next === this.#packets.length) {
      this.#packets = [];
      this.#next = 0;
    }
    if (this.#paused && this.#held < HELD_BYTES / 2) {
      this.#paused = false;
      this.#connection.stream.resume();
    }
    return packet;
  }

  /** Resolves once `next` gives a packet, or throws. */
  more(): Promise<void> {
    if (this.#next < this.#packets.length || this.#failure !== undefined) return Promise.resolve();
    this.#waiting ??= deferred();
    return this.#waiting.promise;
  }

  /** No packet belongs to the command any more: the session is free again. */
  end(): void {
    this.#ended = true;
  }

  fail(error: unknown): void {
    this.#failure ??= error instanceof Error ? error : new Error(String(error));
    this.#wake();
  }

  /** Ends the connection at once. */
  destroy(): void {
    this.#connection.stream.destroy();
    this.fail(
      new MillraceError('SOURCE_CONNECTION_LOST', {
        doing: 'reading packets',
        reason: 'the connection was closed',
        state: 'none',
      }),
    );
  }

  /** `isLast` is asked of each packet as it comes: the driver must know at once whether the next packet is another command's. */
  isLast: (packet: PacketSlice) => boolean = () => false;

  #take({ buffer, offset, end }: DriverPacket): boolean {
    if (this.#ended) return true;
    const packet = { bytes: buffer, start: offset, end };
    this.#packets.push(packet);
    this.#held += end - offset;
    if (this.#held > HELD_BYTES && !this.#paused) {
      this.#paused = true;
      this.#connection.stream.pause();
    }
    this.#wake();
    return this.isLast(packet);
  }

  #wake(): void {
    this.#waiting?.resolve();
    this.#waiting = undefined;
  }
}

/** The error of an ERR packet (MySQL internals manual, "ERR_Packet"), in the form in which the driver throws a query's. */
export function serverFailure({ bytes, start, end }: PacketSlice): Error {
  const errno = bytes.readUInt16LE(start + 1);
  const hasState = bytes[start + 3] === 0x23;
  const sqlState = hasState ? bytes.toString('latin1', start + 4, start + 9) : 'HY000';
  const error = new Error(bytes.toString('utf8', start + (hasState ? 9 : 3), end));
  return Object.assign(error, { errno, sqlState });
}

function driverConnection(session: Connection): DriverConnection {
  const core: unknown = 'connection' in session ? session.connection : undefined;
  if (isDriverConnection(core)) return core;
  throw new MillraceError('INTERNAL', { what: 'the MySQL driver has no packet stream any more' });
}

function isDriverConnection(core: unknown): core is DriverConnection {
  return (
    typeof core === 'object' &&
    core !== null &&
    'addCommand' in core &&
    typeof core.addCommand === 'function' &&
    'writePacket' in core &&
    typeof core.writePacket === 'function' &&
    'sequenceId' in core &&
    'stream' in core
  );
}

/** A packet as the driver's `writePacket` takes it: four bytes of header, then the payload. */
function outgoing(payload: Buffer): object {
  const buffer = Buffer.concat([Buffer.alloc(4), payload]);
  return {
    buffer,
    length: () => buffer.length,
    writeHeader: (sequenceId: number) => {
      buffer.writeUIntLE(payload.length, 0, 3);
      buffer.writeUInt8(sequenceId, 3);
    },
  };
}
