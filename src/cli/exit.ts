import { CommanderError } from 'commander';
import { ConfigError } from '../daemon/config/problems.ts';
import { EngineError, ExitCode } from '../engines/engine.ts';
import { DiskError } from '../host/disk.ts';
import { ReaderGone } from './output.ts';

/** The command line makes no sense; the process ends with 64. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** What to print on standard error, and the exit code, for what a command threw. */
export function exitOf(error: unknown): { readonly code: number; readonly text: string | undefined } {
  // Commander has printed its own message; help and version are no errors.
  if (error instanceof CommanderError) return { code: error.exitCode === 0 ? 0 : ExitCode.usage, text: undefined };
  if (error instanceof ReaderGone) return { code: 0, text: undefined };
  if (error instanceof UsageError) return { code: ExitCode.usage, text: `error: ${error.message}` };
  if (error instanceof ConfigError) return { code: ExitCode.configuration, text: error.message };
  if (error instanceof EngineError) return { code: error.exitCode, text: `error: ${error.code}: ${error.message}` };
  if (error instanceof DiskError) return { code: ExitCode.io, text: `error: ${error.message}` };
  if (error instanceof Error) return { code: ExitCode.software, text: error.stack ?? error.message };
  return { code: ExitCode.software, text: String(error) };
}
