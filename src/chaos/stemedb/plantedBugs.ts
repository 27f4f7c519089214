/** A bug that can be planted in the engine, of a kind that engines have, and how a run that meets it is explained. */
export interface PlantedBug {
  readonly kind: 'durability' | 'ordering' | 'liveness' | 'resource leak' | 'wrong error';
  /** Name of the bug among the engine's mutants. */
  readonly mutant: string;
  /** The check that tells when it came about. */
  readonly check: string;
  /** A fault that provokes it, or without which nothing would show it. */
  readonly provokedBy: string;
}

/** One bug of each kind. Each must be found, be made smaller to three faults at most, and be explained. */
export const plantedBugs: readonly PlantedBug[] = [
  {
    kind: 'durability',
    mutant: 'recovery-not-synced',
    check: 'C5 recovery-idempotent',
    provokedBy: 'process.power-loss',
  },
  { kind: 'ordering', mutant: 'retry-sync', check: 'C2 prefix', provokedBy: 'disk.sync-error' },
  { kind: 'liveness', mutant: 'read-only-forever', check: 'C15 space', provokedBy: 'disk.full' },
  { kind: 'resource leak', mutant: 'leak-handle', check: 'C23 resources', provokedBy: 'process.power-loss' },
  { kind: 'wrong error', mutant: 'submitted-as-not-applied', check: 'C3 no-phantom', provokedBy: 'disk.sync-error' },
];
