import type { Candidate, Voice } from './lens.ts';

/**
 * The voices on each object: who asserts it supports it, who votes on an assertion of it supports or disputes it. One
 * voice an agent: of all that an agent says of an object, the latest counts (timestamp, then id). Claims that name no
 * agent share one voice, of the agent without a name.
 */
export function voicesByObject(candidates: readonly Candidate[]): Map<string, Map<string, Voice>> {
  const objects = new Map<string, Map<string, Voice>>();
  for (const candidate of candidates) {
    let voices = objects.get(candidate.object);
    if (voices === undefined) {
      voices = new Map();
      objects.set(candidate.object, voices);
    }
    const { agent, timestamp, id } = candidate;
    hear(voices, { agent, timestamp, id, supports: true });
    for (const vote of candidate.votes) hear(voices, vote);
  }
  return objects;
}

function hear(voices: Map<string, Voice>, voice: Voice): void {
  const present = voices.get(voice.agent);
  if (present === undefined || isLater(voice, present)) voices.set(voice.agent, voice);
}

/** Whether one saying of an agent counts before another: later timestamp, then higher id. */
export function isLater(a: Pick<Voice, 'timestamp' | 'id'>, b: Pick<Voice, 'timestamp' | 'id'>): boolean {
  return a.timestamp === b.timestamp ? a.id > b.id : a.timestamp > b.timestamp;
}
