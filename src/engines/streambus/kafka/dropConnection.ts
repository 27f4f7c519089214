import type { DoorRefusal } from './hooks.ts';

/** Thrown by a handler: its request gets no answer and the connection is closed, with all that was sent on it later. */
export class DropConnection extends Error {
  override readonly name = 'DropConnection';
  readonly reason: DoorRefusal;

  constructor(reason: DoorRefusal, message: string) {
    super(message);
    this.reason = reason;
  }
}
