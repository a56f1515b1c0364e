import type { DeadLetter, SinkWriter } from '@millrace/contract/sink.js';

const BATCH = 500;

export interface DeadLetterPublisher {
  /** Resolves when Kafka holds them durably. */
  publish(letters: readonly DeadLetter[]): Promise<void>;
}

/**
 * Moves dead letters from the target's outbox, where they were written with the group that met them, to their topic. A crash
 * in between publishes some again: a letter's identity is its position and ordinal.
 */
export async function publishDeadLetters(sink: SinkWriter, publisher: DeadLetterPublisher): Promise<void> {
  for (;;) {
    const letters = await sink.deadLetters(BATCH);
    if (letters.length === 0) return;
    await publisher.publish(letters);
    await sink.deadLettersPublished(letters.map(({ id }) => id));
  }
}
