import type { RandomStream } from '../host/random.ts';

/**
 * The nodes that the liveness phase demands convergence of: a random quorum of them, in the given order. The stand heals
 * these, stops every fault, leaves the rest as they are, and demands that the core converges within its bound.
 *
 * @param nodes names of the voting nodes
 * @param random the stream to draw from; two or fewer nodes draw nothing
 */
export function chooseCore(nodes: readonly string[], random: RandomStream): string[] {
  const quorum = Math.floor(nodes.length / 2) + 1;
  if (quorum === nodes.length) return [...nodes];
  const chosen = new Set(random.shuffle(nodes).slice(0, quorum));
  return nodes.filter((node) => chosen.has(node));
}
