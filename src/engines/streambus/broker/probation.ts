import type { Message } from '../../../consensus/types.ts';
import type { Millis } from '../../../host/clock.ts';
import { againMs, type ReplicaBody } from './replicaBody.ts';

/**
 * The time in which a member that has lost what it had acknowledged, or was removed and has come back, has no vote: until everything that
 * it may have helped to commit is applied again.
 */
export class Probation {
  readonly #body: ReplicaBody;
  #isOn: boolean;
  /** Where it ends; undefined until a leader has said. */
  #barrier: number | undefined;
  #isAsking = false;
  #saidAtMs: Millis = 0;
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
    this.#body.context.host.telemetry.logger.warn('a replica is on probation: it has lost what it had applied', {
      group: this.#body.group,
      of: this.#body.spec.label ?? this.#body.spec.kind,
    });
    this.#body.context.probationChanged();
    await this.#ask();
  }

  async #ask(): Promise<void> {
    const { host } = this.#body.context;
    const { signal } = this.#body;
    this.#isAsking = true;
    while (!signal.aborted) {
      try {
        const barrier = await this.#body.context.askBarrier(this.#body.group, this.#body.spec.generation, signal);
        this.#isAsking = false;
        this.#saidAtMs = host.clock.now();
        // Asked again, what was said first holds: everything that counted on this member lies before it.
        this.#barrier ??= barrier;
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

  /**
   * What of a message is taken: nothing that asks for the vote, and no word of a commit that lies beyond what is held now (the leader may
   * still believe what was acknowledged before). Undefined: nothing of it.
   */
  admit(message: Message): Message | undefined {
    const { lastIndex } = this.#body.node;
    switch (message.type) {
      case 'MsgVote':
      case 'MsgPreVote':
      case 'MsgTimeoutNow':
        return undefined;
      case 'MsgHeartbeat':
        if (message.commit <= lastIndex) return message;
        this.#countedOn();
        return { ...message, commit: lastIndex };
      default:
        return message;
    }
  }

  /**
   * A leader counts on more than is here, some time after it was asked: an acknowledgement from before has come late, and it would never
   * send again what it takes for stored. It is told once more.
   */
  #countedOn(): void {
    const isNews = this.#barrier !== undefined && this.#body.context.host.clock.now() >= this.#saidAtMs + againMs;
    if (isNews && !this.#isAsking && this.#isOn) void this.#ask();
  }
}
