import type { ErrorDefinition } from './definition.js';

/** Kafka, its topics, the journal's protocol and the schema registry. */
export const journalErrors = {
  KAFKA_UNREACHABLE: {
    class: 'retry',
    message: 'Kafka at {brokers} cannot be reached: {reason}.',
    cause: 'No broker of the list answered: the address is wrong, Kafka is down, or a firewall is between.',
    remedy:
      "Check --kafka (HOST:PORT, several separated by commas) and that the brokers' advertised listeners resolve from this machine.",
  },
  KAFKA_AUTHENTICATION_FAILED: {
    class: 'operator',
    message: 'Kafka at {brokers} refused the login of user "{user}" by {mechanism}.',
    cause: 'The user, the password or the SASL mechanism is not the one that the brokers expect.',
    remedy: "Correct the Kafka user, password and mechanism in the task's settings.",
  },
  KAFKA_TLS_FAILED: {
    class: 'operator',
    message: 'The TLS connection to Kafka at {brokers} failed: {reason}.',
    cause:
      'The listener speaks no TLS, or its certificate is expired, for another host, or signed by an authority that is not trusted here.',
    remedy: "Use the brokers' TLS port, and name the authority's certificate file in the Kafka settings.",
  },
  KAFKA_DENIED: {
    class: 'operator',
    message: 'Kafka does not allow {what} on topic "{topic}".',
    cause: 'The user lacks an ACL.',
    remedy:
      "Grant the user Read, Write, Create, Delete, Describe, DescribeConfigs and AlterConfigs on the task's topics, and IdempotentWrite on the cluster.",
  },
  KAFKA_REQUEST_FAILED: {
    class: 'operator',
    message: 'Kafka refused {what} on topic "{topic}": {reason}.',
    cause: 'The brokers answered with an error that trying again does not mend.',
    remedy: "Read the brokers' logs at this time; the word in capitals is Kafka's own error code.",
  },
  KAFKA_UNAVAILABLE: {
    class: 'retry',
    message: 'Kafka could not complete {what} on topic "{topic}" within {seconds} s: {reason}.',
    cause: 'The brokers are down or restarting, too few replicas are in sync, or a disk is full.',
    remedy:
      'Nothing is lost: the capture goes on where the journal ends, the sink where its checkpoint stands. Check the brokers; the task goes on by itself.',
  },
  TOPIC_MISSING: {
    class: 'operator',
    message: 'Topic "{topic}" does not exist.',
    cause: 'The task was never started, was removed, or somebody deleted the topic.',
    remedy: 'Check --name. If the topic was deleted, the task must load anew: `millrace remove --name …`, then `millrace run …`.',
  },
  TOPIC_SETTING_WRONG: {
    class: 'operator',
    message: 'Topic "{topic}" has {setting} = {found}; it must be {needed}.',
    cause: 'With this setting Kafka could delete, reorder, lose or refuse changes that are not applied yet.',
    remedy:
      'Change it (`kafka-configs.sh --alter --topic {topic} --add-config {setting}={needed}`; partitions and replicas cannot be changed so: use another --name), or delete the topic if nothing needs it.',
  },
  RECORD_OVER_TOPIC_LIMIT: {
    class: 'operator',
    message: 'A record of {bytes} bytes is larger than topic "{topic}" allows.',
    cause:
      "One row (or one transaction's slice with it) does not fit into the topic's max.message.bytes, even compressed. Nothing was skipped.",
    remedy:
      'Raise max.message.bytes of the topic, or limit large values in the task settings (LobMaxSize with LimitedSizeLobMode), or leave the column out by a remove-column rule.',
  },
  JOURNAL_FENCED: {
    class: 'operator',
    message:
      'Another capture of this task has taken over journal "{topic}" (epoch {newer} at offset {offset}; this one was {epoch}).',
    cause:
      'The same task was started a second time, here or on another machine. The newer one goes on; this one has stopped and lost nothing.',
    remedy: 'Nothing is to be done where that was intended. Else stop one of the two.',
  },
  JOURNAL_CLAIM_CONTENDED: {
    class: 'retry',
    message: 'Journal "{topic}" could not be claimed: {claims} claims in a row came second.',
    cause: 'Several captures of this task start again and again at the same time.',
    remedy: 'Run one capture per task; stop the others.',
  },
  JOURNAL_TRIMMED: {
    class: 'operator',
    message: 'Offset {offset} of topic "{topic}", partition {partition}, is gone: the log begins at {start}.',
    cause: 'Records that were still needed were deleted: a retention setting was changed, or somebody trimmed the topic.',
    remedy:
      'The changes in between cannot be had from the journal. Load anew: `millrace remove --name …`, then `millrace run …`; and keep retention.ms and retention.bytes at -1.',
  },
  TRIM_FAILED: {
    class: 'retry',
    message: 'What the target has could not be freed in Kafka (journal "{topic}"): {reason}',
    cause:
      'Kafka or the target was away at that moment, or the user may not delete records. Nothing is lost; Kafka only holds more.',
    remedy: "It is tried again by itself. Grant the user Delete and Describe on the task's topics where it lacks them.",
  },
  JOURNAL_TRUNCATED: {
    class: 'operator',
    message: 'Topic "{topic}", partition {partition}, ends at offset {end}, below {offset}, which was there before.',
    cause:
      'Kafka lost records that it had acknowledged (an unclean leader election, a disk restored from a backup), or the topic was made anew.',
    remedy:
      "What was lost may be applied already, so the journal cannot be trusted any more: `millrace remove --name …`, then `millrace run …` with a full load. Check the brokers' disks and unclean.leader.election.enable.",
  },
  JOURNAL_NO_ANCHOR: {
    class: 'operator',
    message: 'Journal "{topic}" holds no record from offset {start} on that tells where it stands.',
    cause: 'Its older records were deleted, beyond the point that a restart needs.',
    remedy: 'Load anew: `millrace remove --name …`, then `millrace run …`; and keep retention.ms and retention.bytes at -1.',
  },
  JOURNAL_JUMP: {
    class: 'operator',
    message: 'Topic "{topic}", partition {partition}, jumps from offset {expected} to {offset}.',
    cause:
      "Records were compacted away or deleted, or somebody writes into the topic with Kafka transactions. Millrace's offsets are dense.",
    remedy:
      'Set cleanup.policy=delete and stop other writers; then load anew: `millrace remove --name …`, then `millrace run …`.',
  },
  JOURNAL_FOREIGN: {
    class: 'operator',
    message:
      'Journal "{topic}" is another one than before: the record at offset {offset} belongs to journal {found}, expected was {expected}.',
    cause: 'The topic was deleted and made anew, or two tasks share one topic.',
    remedy: 'Load anew: `millrace remove --name …`, then `millrace run …`. Give each task a name of its own.',
  },
  JOURNAL_REWRITTEN: {
    class: 'operator',
    message: 'Journal "{topic}" was rewritten below offset {offset}: {what}.',
    cause:
      'Kafka lost records that it had acknowledged (an unclean leader election, a disk restored from a backup), and a capture wrote on.',
    remedy:
      "Load anew: `millrace remove --name …`, then `millrace run …`. Check the brokers' disks and unclean.leader.election.enable.",
  },
  JOURNAL_INCONSISTENT: {
    class: 'fatal',
    message: 'The record at offset {offset} of journal "{topic}" does not follow the one before it: {what}.',
    cause: "Kafka lost or reordered records, or a rule of Millrace's protocol was broken. Nothing of the record was applied.",
    remedy:
      "Check the brokers' logs. Then load anew: `millrace remove --name …`, then `millrace run …`; and report it with the log at --log-level debug.",
  },
  SOURCE_LOG_GAP: {
    class: 'operator',
    message: 'The source has freed its log up to {acknowledged}; the journal ends at {position}.',
    cause:
      "Something else advanced or recreated the source's replication slot (a failover, another consumer), so the changes in between are gone from it.",
    remedy: 'Load anew: `millrace remove --name …`, then `millrace run …`. Let nothing else use the slot.',
  },
  REGISTRY_UNREACHABLE: {
    class: 'retry',
    message: 'The schema registry at {url} did not answer {what} within {seconds} s: {reason}.',
    cause: 'The registry is down, the address is wrong, or a firewall is between.',
    remedy:
      'Check --registry and that the registry is up. Nothing was written as if it had answered; the task goes on by itself.',
  },
  REGISTRY_READ_ONLY: {
    class: 'operator',
    message: 'The schema registry at {url} refuses to register {subject}: it is read-only.',
    cause:
      'Its mode is READONLY, or the user may only read. Rows of this table cannot be written, so nothing was acknowledged to the source.',
    remedy: "Set the registry's mode to READWRITE (`PUT /mode`), or grant the user the right to write subjects.",
  },
  REGISTRY_DENIED: {
    class: 'operator',
    message: 'The schema registry at {url} refused the login (HTTP {status}).',
    cause: 'The user or password is wrong, or the registry needs one.',
    remedy: "Correct the registry's user and password in the task's settings.",
  },
  REGISTRY_EMPTY: {
    class: 'operator',
    message: 'The schema registry at {url} knows no schema {id}, which topic "{topic}" was written with.',
    cause: 'The registry lost its data, or it is another registry than the one that the task began with.',
    remedy:
      'Point --registry at the original registry, or restore it from its backup. Without it the journal cannot be read: load anew.',
  },
  REGISTRY_REFUSED: {
    class: 'operator',
    message: 'The schema registry at {url} refused {what} (HTTP {status}): {reason}.',
    cause: 'It is not a Confluent-compatible registry at this path, or a rule set in it forbids the schema.',
    remedy: "Check --registry (Apicurio: http://HOST:PORT/apis/ccompat/v7) and the registry's rules for the task's subjects.",
  },
} as const satisfies Record<string, ErrorDefinition>;
