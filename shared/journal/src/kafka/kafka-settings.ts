/** How to reach Kafka. Passwords and keys are values, already resolved from their references; they appear in no message. */
export interface KafkaSettings {
  /** `host:port` of the bootstrap brokers. */
  readonly brokers: readonly string[];
  /** Null: plain text. */
  readonly tls: KafkaTls | null;
  readonly sasl: KafkaSasl | null;
}

export interface KafkaTls {
  /** PEM of the authority that signed the brokers' certificates; null: the system's. */
  readonly ca: string | null;
  /** PEM of the client's certificate and key, where the brokers ask for one. */
  readonly client: { readonly certificate: string; readonly key: string } | null;
}

export interface KafkaSasl {
  readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
  readonly username: string;
  readonly password: string;
}
