/** Bytes that are not the message they claim to be, or a value that a message cannot carry. */
export class KafkaCodecError extends Error {
  override readonly name = 'KafkaCodecError';
  readonly code = 'KAFKA_CODEC';
  /** Field that was being read or written; empty outside of fields. */
  readonly field: string;
  /** Byte of the message at which it was noticed; -1 when writing. */
  readonly offset: number;
  /** What was expected and what came. */
  readonly why: string;
  /** `ProduceRequest v9`; empty until the message is known. */
  readonly subject: string;

  constructor(why: string, field: string, offset: number, message = '') {
    const place = offset < 0 ? '' : ` at byte ${offset}`;
    super(`${message === '' ? 'kafka message' : message}${field === '' ? '' : `, field ${field}`}${place}: ${why}`);
    this.why = why;
    this.field = field;
    this.offset = offset;
    this.subject = message;
  }

  /** The same error, with the message's name. */
  of(message: string): KafkaCodecError {
    return new KafkaCodecError(this.why, this.field, this.offset, message);
  }
}
