import type { Millis } from '../../host/clock.ts';
import type { Telemetry } from '../../host/telemetry.ts';
import type { Groups } from './broker/groups.ts';
import type { GroupsRuntime } from './broker/runtime.ts';
import type { Metadata } from './meta/metadata.ts';

/** How long a broker that turns read-only tries to give its leads away. */
const yieldMs: Millis = 5_000;

/** Who closed this broker to writes, and why. */
export interface OwnReadOnly {
  readonly by: 'broker' | 'disk';
  readonly reason: string;
}

/** What tells whether writes are taken. */
export interface ReadOnlyOptions {
  readonly telemetry: Telemetry;
  readonly metadata: Metadata;
  readonly runtime: GroupsRuntime;
  /** Undefined before they are open. */
  readonly groups: () => Groups | undefined;
  /** Why the disk is too full; undefined: it is not. */
  readonly diskTooFull: () => string | undefined;
}

/** Whether this broker takes writes: an operator, the disk or the cluster may have closed it to them. */
export class ReadOnly {
  readonly #options: ReadOnlyOptions;
  #operator: string | undefined;
  #isReadOnly = false;

  constructor(options: ReadOnlyOptions) {
    this.#options = options;
  }

  /** Why writes are refused; undefined: they are taken. */
  get reason(): string | undefined {
    return this.#operator ?? this.#options.diskTooFull() ?? this.#options.metadata.readOnly;
  }

  /** What closes this broker alone. */
  get own(): readonly OwnReadOnly[] {
    const disk = this.#options.diskTooFull();
    return [
      ...(this.#operator === undefined ? [] : [{ by: 'broker' as const, reason: this.#operator }]),
      ...(disk === undefined ? [] : [{ by: 'disk' as const, reason: disk }]),
    ];
  }

  /** An operator closes this broker to writes for a reason, or (undefined) opens it. */
  async setOperator(reason: string | undefined): Promise<void> {
    this.#operator = reason;
    await this.note();
  }

  /** Leaders move first where this broker alone takes no writes; they come back by the preference of each group. */
  async note(): Promise<void> {
    const { telemetry, groups, diskTooFull } = this.#options;
    const reason = this.#operator ?? diskTooFull();
    const isReadOnly = reason !== undefined;
    if (isReadOnly === this.#isReadOnly) return;
    this.#isReadOnly = isReadOnly;
    const { logger } = telemetry;
    if (isReadOnly) {
      logger.warn('read-only', { reason });
      const ledBefore = this.#countLed();
      const left = (await groups()?.handOver(yieldMs)) ?? [];
      telemetry.sometimes('read-only handed over', ledBefore > 0 && left.length === 0);
    } else {
      logger.info('writes are taken again');
      groups()?.resume();
    }
  }

  /** The groups are open: what closed this broker before goes for them too. */
  async groupsOpen(): Promise<void> {
    if (this.#isReadOnly) await this.#options.groups()?.handOver(yieldMs);
  }

  #countLed(): number {
    let led = 0;
    for (const { handle } of this.#options.runtime.all) if (handle.serving) led += 1;
    return led;
  }
}
