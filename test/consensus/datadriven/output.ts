import { describeEvent } from '../../../src/consensus/describeEvent.ts';
import type { LogSink, RaftEvent } from '../../../src/consensus/events.ts';

const levels: readonly string[] = ['DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL', 'NONE'];
const levelOf = { debug: 0, info: 1, warn: 2, error: 3 } as const;

/** What a case prints: what commands write, and the members' events from a level on. NONE silences both. */
export class Output implements LogSink {
  level = 0;
  #text = '';

  /** Throws for a name that is no level. */
  setLevel(name: string): void {
    const level = levels.indexOf(name.toUpperCase());
    if (level < 0) throw new CommandFailed(`log levels must be either of [${levels.join(' ')}]`);
    this.level = level;
  }

  get quiet(): boolean {
    return levels[this.level] === 'NONE';
  }

  event(event: RaftEvent): void {
    const { level, text } = describeEvent(event);
    if (this.level <= levelOf[level]) this.write(`${levels[levelOf[level]]} ${text}\n`);
  }

  write(text: string): void {
    if (!this.quiet) this.#text += text;
  }

  /** What was written since the last call. */
  take(): string {
    const text = this.#text;
    this.#text = '';
    return text;
  }

  /** Everything that is written meanwhile is moved in by two columns. */
  indented(work: () => void): void {
    const before = this.take();
    try {
      work();
    } finally {
      // Also what was written before an error: the error itself follows it, and is not moved in.
      const inner = this.take();
      const lines = inner.endsWith('\n') ? inner.slice(0, -1).split('\n') : inner.split('\n');
      this.#text = inner === '' ? before : before + lines.map((line) => `  ${line}\n`).join('');
    }
  }
}

/** A command refuses, in words that belong to the case's output. */
export class CommandFailed extends Error {}
