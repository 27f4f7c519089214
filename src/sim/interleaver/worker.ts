/** The thread of one participant: prepares and plays it as often as the driver says, until the scene ends. */
import { workerData } from 'node:worker_threads';
import { await_, Baton, give } from './baton.ts';
import { Control, controlOver, Phase } from './control.ts';
import type { SceneModule } from './scene.ts';

export interface ThreadData {
  readonly module: string;
  readonly argument: string;
  readonly who: number;
  readonly control: SharedArrayBuffer;
  readonly memory: SharedArrayBuffer;
}

// What the driver hands over when it starts the thread.
const { module, argument, who, control: buffer, memory } = workerData as ThreadData;
// The driver has imported the same module and called the same function.
const { scene: make } = (await import(module)) as SceneModule;
const scene = await make(argument);
const control = controlOver(buffer);
const baton = new Baton(control, who);
let run = (): void => {};

for (;;) {
  await_(control.words, who);
  const phase = control.words[Control.phase];
  if (phase === Phase.end) break;
  if (phase === Phase.prepare) {
    run = scene.participant(who, memory, baton);
    give(control.words, 0);
  } else baton.play(run);
}
