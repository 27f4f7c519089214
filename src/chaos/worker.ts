/** A worker of a campaign: runs the seeds that it is given, one at a time. */
import { readFileSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { faults } from '../faults/registry.ts';
import type { Vocabulary } from '../scenario/load.ts';
import { stands } from '../scenario/stands/registry.ts';
import type { SeedTask, WorkerAnswer, WorkerSettings } from './campaign.ts';
import { chaosDefinitions } from './registry.ts';
import { runSeed } from './runSeed.ts';

const settings = workerData as WorkerSettings; // given by `runCampaign` alone
const definition = chaosDefinitions.get(settings.engine);
const port = parentPort;
if (definition === undefined || port === null)
  throw new Error(`a worker for ${settings.engine} was started by nobody who can`);

const rules = new Map<string, string>();
const vocabulary: Vocabulary = {
  stands,
  faults,
  rules(stand) {
    let text = rules.get(stand.alertsFile);
    if (text === undefined) {
      text = readFileSync(new URL(stand.alertsFile, settings.packageRoot), 'utf8');
      rules.set(stand.alertsFile, text);
    }
    return text;
  },
};

async function answerTo(task: SeedTask): Promise<WorkerAnswer> {
  if (definition === undefined) throw new Error('unreachable: checked at the start');
  try {
    const result = await runSeed(definition, task.seed, vocabulary, {
      mutants: settings.mutants,
      shrinkRunsMax: settings.shrinkRunsMax,
      ...(task.path === undefined ? {} : { path: task.path }),
    });
    return { kind: 'result', result };
  } catch (error) {
    return {
      kind: 'defect',
      seed: task.seed,
      message: error instanceof Error ? (error.stack ?? error.message) : String(error),
    };
  }
}

port.on('message', (task: SeedTask) => {
  void answerTo(task).then((answer) => port.postMessage(answer));
});
