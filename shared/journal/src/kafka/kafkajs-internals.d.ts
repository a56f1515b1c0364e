/**
 * The part of kafkajs's own modules that a reader with explicit offsets and a writer of ready batches need; its public consumer always
 * joins a group and resets offsets by itself, and its public producer copies each record many times. kafkajs is pinned to 2.2.4, where
 * these are as declared here.
 */
declare module 'kafkajs/src/cluster/index.js' {
  import type { KafkaConfig, Logger } from 'kafkajs';

  interface FetchedMessage {
    readonly offset: string;
    readonly key: Buffer | null;
    readonly value: Buffer | null;
    readonly headers: Readonly<Record<string, Buffer | string | (Buffer | string)[] | undefined>>;
    readonly isControlRecord: boolean;
  }

  interface FetchRequest {
    readonly isolationLevel: number;
    readonly maxWaitTime: number;
    readonly minBytes: number;
    readonly maxBytes: number;
    readonly topics: readonly {
      readonly topic: string;
      readonly partitions: readonly { readonly partition: number; readonly fetchOffset: string; readonly maxBytes: number }[];
    }[];
  }

  interface FetchResponse {
    readonly responses: readonly {
      readonly topicName: string;
      readonly partitions: readonly {
        readonly partition: number;
        readonly highWatermark: string;
        readonly messages: readonly FetchedMessage[];
      }[];
    }[];
  }

  /** What kafkajs takes for an encoder when it appends one to another. */
  interface Encoded {
    readonly buf: Buffer;
    readonly buffer: Buffer;
    size(): number;
  }

  interface ProtocolRequest<T> {
    readonly request: {
      readonly apiKey: number;
      readonly apiVersion: number;
      readonly apiName: string;
      readonly expectResponse: () => boolean;
      readonly encode: () => Promise<Encoded>;
    };
    readonly response: ProtocolResponse<T>;
  }

  interface ProtocolResponse<T> {
    decode(bytes: Buffer): Promise<T>;
    /** @throws KafkaJSProtocolError for the first error code in it */
    parse(answer: T): Promise<T>;
  }

  interface ProduceAnswer {
    readonly topics: readonly {
      readonly topicName: string;
      readonly partitions: readonly { readonly partition: number; readonly errorCode: number; readonly baseOffset: string }[];
    }[];
  }

  interface Broker {
    readonly connectionPool: { send<T>(request: ProtocolRequest<T>): Promise<T> };
    fetch(request: FetchRequest): Promise<FetchResponse>;
    initProducerId(request: { readonly transactionTimeout: number }): Promise<{
      readonly producerId: string;
      readonly producerEpoch: number;
    }>;
  }

  interface ClusterOptions extends KafkaConfig {
    readonly logger: Logger;
    readonly socketFactory: NonNullable<KafkaConfig['socketFactory']>;
    readonly metadataMaxAge: number;
    readonly allowAutoTopicCreation: boolean;
    readonly isolationLevel: number;
  }

  export default class Cluster {
    constructor(options: ClusterOptions);
    connect(): Promise<void>;
    disconnect(): Promise<void>;
    addTargetTopic(topic: string): Promise<void>;
    refreshMetadata(): Promise<void>;
    refreshMetadataIfNecessary(): Promise<void>;
    findLeaderForPartitions(topic: string, partitions: readonly number[]): Readonly<Record<string, readonly number[]>>;
    findBroker(options: { readonly nodeId: string }): Promise<Broker>;
    fetchTopicsOffset(
      topics: readonly {
        readonly topic: string;
        readonly partitions: readonly { readonly partition: number }[];
        readonly fromBeginning: boolean;
      }[],
    ): Promise<
      readonly {
        readonly topic: string;
        readonly partitions: readonly { readonly partition: number; readonly offset: string }[];
      }[]
    >;
  }
}

declare module 'kafkajs/src/protocol/requests/produce/v7/response.js' {
  import type { ProduceAnswer, ProtocolResponse } from 'kafkajs/src/cluster/index.js';

  const response: ProtocolResponse<ProduceAnswer>;
  export default response;
}

declare module 'kafkajs/src/network/requestQueue/index.js' {
  import type { Logger } from 'kafkajs';

  export interface SentRequest {
    readonly requestTimeout: number;
    timeoutRequest(): void;
  }

  interface PushedRequest {
    readonly entry: {
      readonly correlationId: number;
      readonly resolve: (response: unknown) => void;
      readonly reject: (error: unknown) => void;
    };
    readonly expectResponse: boolean;
    readonly sendRequest: () => void;
  }

  export default class RequestQueue {
    constructor(options: {
      readonly maxInFlightRequests: number | null;
      readonly requestTimeout: number;
      readonly enforceRequestTimeout: boolean;
      readonly clientId: string;
      readonly broker: string;
      readonly logger: Logger;
    });
    /** Held back by a throttle or by too many in flight. */
    readonly pending: readonly unknown[];
    readonly inflight: ReadonlyMap<number, SentRequest>;
    requestTimeoutIntervalId: NodeJS.Timeout;
    isConnected(): boolean;
    push(request: PushedRequest): void;
    fulfillRequest(response: { readonly correlationId: number; readonly payload: unknown; readonly size: number }): void;
    maybeThrottle(ms: number): void;
    /** Clears both timers. */
    destroy(): void;
    scheduleCheckPendingRequests(): void;
    scheduleRequestTimeoutCheck(): void;
  }
}
