import type { World } from '../sim/world.ts';
import { type FaultContext, FaultError } from './fault.ts';

/** What a stand lets faults do to the programs that share memory. Whoever runs them registers it. */
export interface ParticipantControl {
  /**
   * The program of this machine or container stays attached and does nothing; returns how to undo that.
   *
   * @param hangs its process itself does no more: it does not end when it is told to, and the next one works
   */
  stall(name: string, hangs: boolean): () => void;
  /** With this probability whoever moves what it copies goes on while the program copies; returns how to undo that. */
  interrupt(name: string, probability: number): () => void;
  /** With this probability before each access of the program, or of the router, of this name the others go on; returns how to undo that. */
  preempt(name: string, probability: number): () => void;
  /** The router's thread of this machine stands still while its process answers; returns how to undo that. */
  stallRouter(name: string): () => void;
  /** Whether the router of this machine has a core that nothing else runs on. */
  hasOwnCore(name: string): boolean;
  /** Number of a word of a region by its name. Throws `FaultError` for a name that is none. */
  wordOf(memory: SharedArrayBuffer, name: string): number;
  /** A word of this region was changed: whoever finds it damaged from now on is right. */
  damaged(memory: SharedArrayBuffer): void;
}

const controls = new WeakMap<World, ParticipantControl>();

/** Lets the faults of shared memory act on the programs of this world. */
export function registerParticipants(world: World, control: ParticipantControl): void {
  controls.set(world, control);
}

/** Tells whoever runs programs in this world that a fault has damaged a region. */
export function tellDamage({ world }: FaultContext, memory: SharedArrayBuffer): void {
  controls.get(world)?.damaged(memory);
}

/** The programs of the world of a fault. Throws `FaultError` where there are none. */
export function participantsOf({ world }: FaultContext): ParticipantControl {
  const control = controls.get(world);
  if (control === undefined) throw new FaultError('expected programs that share memory, there are none in this world');
  return control;
}
