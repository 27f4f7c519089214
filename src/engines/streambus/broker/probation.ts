import type { Message } from '../../../consensus/types.ts';
import { againMs, type ReplicaBody } from './replicaBody.ts';

/** The time in which a member that has lost what it had acknowledged has no vote: until all of that is applied again. */
export class Probation {
  readonly #body: ReplicaBody;
  #isOn: boolean;
  /** Where it ends; undefined until a leader has said. */
  #barrier: number | undefined;
  #isEnding = false;

  constructor(body: ReplicaBody, isOn: boolean) {
    this.#body = body;
    this.#isOn = isOn && !body.context.host.telemetry.mutant('probation-skipped');
  }

  get isOn(): boolean {
    return this.#isOn;
  }

  /** Asks for the barrier until a leader has said it. */
  async findBarrier(): Promise<void> {
    const { host } = this.#body.context;
    const { signal } = this.#body;
    host.telemetry.logger.warn('a replica is on probation: it has lost what it had applied', {
      group: this.#body.group,
    });
    this.#body.context.probationChanged();
    while (!signal.aborted) {
      try {
        this.#barrier = await this.#body.context.askBarrier(this.#body.group, this.#body.spec.generation, signal);
        this.end();
        return;
      } catch (error) {
        if (signal.aborted) return;
        const message = error instanceof Error ? error.message : String(error);
        host.telemetry.logger.info('no leader has confirmed the probation yet', {
          group: this.#body.group,
          error: message,
        });
        await host.clock.sleep(againMs, signal).catch(() => undefined);
      }
    }
  }

  /** Once everything that it may have helped to commit is applied again: durably first, then it has its vote. */
  end(): void {
    const isThere = this.#barrier !== undefined && this.#body.applies.last.index >= this.#barrier;
    if (!this.#isOn || !isThere || this.#body.appends.awaitsSnapshot || this.#isEnding) return;
    this.#isEnding = true;
    const { telemetry } = this.#body.context.host;
    void this.#body.checkpoints
      .write({ ...this.#body.checkpoints.current, replacesLog: false, probation: false })
      .then(() => {
        this.#isOn = false;
        this.#body.context.probationChanged();
        telemetry.sometimes('probation ended', true);
        telemetry.logger.info('probation ended', {
          group: this.#body.group,
          index: this.#body.applies.last.index,
        });
        this.#body.schedule();
      });
  }
}

/**
 * What a member on probation takes: nothing that asks for its vote, and no word of a commit that lies beyond what it holds now (the
 * leader may still believe what it had acknowledged). Undefined: nothing of it.
 */
export function onProbation(message: Message, lastIndex: number): Message | undefined {
  switch (message.type) {
    case 'MsgVote':
    case 'MsgPreVote':
    case 'MsgTimeoutNow':
      return undefined;
    case 'MsgHeartbeat':
      return message.commit > lastIndex ? { ...message, commit: lastIndex } : message;
    default:
      return message;
  }
}
