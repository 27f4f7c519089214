import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { parse as parseToml } from 'smol-toml';
import { expect } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { historyFromNdjson } from '../../../src/checkers/recorder.ts';
import { readVocabulary } from '../../../src/cli/vocabulary.ts';
import { errorBody } from '../../../src/daemon/http/openapi.ts';
import { engines } from '../../../src/engines/registry.ts';
import { loadScenario } from '../../../src/scenario/load.ts';
import { scenarioSchema } from '../../../src/scenario/schema.ts';
import { hotfireCallsOf, parseCommandLine } from '../../support/commandLine.ts';
import { containersOf, manifestSchema } from '../../support/kubernetes.ts';
import { type Block, root } from './blocks.ts';
import type { Session } from './session.ts';

/** Data that is not run but read by what it is meant for. Throws for a shape that nothing reads. */
export async function checkYaml(block: Block, first: Block | undefined, session: Session): Promise<void> {
  const engine = block.marks.get('config');
  if (engine !== undefined) {
    const definition = engines.get(engine);
    expect(definition, `an engine ${engine}`).toBeDefined();
    expect(definition?.configSchema.safeParse(parse(block.text)).error?.issues).toBeUndefined();
    return;
  }
  const documents = parseAllDocuments(block.text).map((document) => {
    expect(document.errors).toEqual([]);
    return document.toJS() as Record<string, unknown>;
  });
  for (const document of documents) {
    if ('apiVersion' in document) await checkManifest(document);
    else if ('jobs' in document && 'on' in document) await checkWorkflow(document);
    else if (Object.values(document).some((job) => typeof job === 'object' && job !== null && 'script' in job))
      await checkPipeline(document);
    else if ('title' in document) {
      // In an overlay the page's own faults are known to the page's own program.
      if (session.isOverlay) session.save(block.file ?? 'incident.yaml', block.text);
      else loadScenario(block.text, readVocabulary());
    } else checkPart(document, first);
  }
}

/** Some keys of a scenario, in place of those of the page's first one. */
function checkPart(part: Record<string, unknown>, first: Block | undefined): void {
  if (first === undefined) throw new Error('expected a scenario, a manifest, a workflow or a pipeline');
  expect(Object.keys(part).filter((key) => !(key in scenarioSchema.shape))).toEqual([]);
  const whole = parse(first.text) as Record<string, unknown>;
  loadScenario(JSON.stringify({ ...whole, expect: {}, ...part }), readVocabulary());
}

async function checkManifest(document: Record<string, unknown>): Promise<void> {
  const manifest = manifestSchema.parse(document);
  for (const { command, args, image } of containersOf(manifest)) {
    if (!image.startsWith('hotfire:')) continue;
    const lines = command?.[0] === 'sh' ? hotfireCallsOf(args[0] ?? '', { JOB_COMPLETION_INDEX: '0' }) : [args];
    expect(lines.length).toBeGreaterThan(0);
    for (const words of lines) await parseCommandLine(words);
  }
}

/** GitHub Actions: the scripts of the steps, with expressions filled in, call commands that there are. */
async function checkWorkflow(document: Record<string, unknown>): Promise<void> {
  const jobs = document.jobs as Record<string, { 'runs-on': string; steps: { run?: string; uses?: string }[] }>;
  let calls = 0;
  for (const { steps } of Object.values(jobs)) {
    for (const step of steps) {
      expect((step.run === undefined) !== (step.uses === undefined)).toBe(true);
      if (step.uses !== undefined) expect(step.uses).toMatch(/^[\w-]+\/[\w-]+(\/[\w-]+)?@v\d+$/);
      else calls += await checkScript((step.run ?? '').replaceAll(/\$\{\{.*?\}\}/g, '1'));
    }
  }
  expect(calls).toBeGreaterThan(0);
}

/** GitLab CI: the same of its scripts. */
async function checkPipeline(document: Record<string, unknown>): Promise<void> {
  let calls = 0;
  for (const job of Object.values(document)) {
    const { script } = job as { script?: string[] };
    if (script !== undefined) calls += await checkScript(script.join('\n'));
  }
  expect(calls).toBeGreaterThan(0);
}

async function checkScript(script: string): Promise<number> {
  const environment = { CI_NODE_INDEX: '1', CI_NODE_TOTAL: '8', GITHUB_STEP_SUMMARY: '/dev/null' };
  const calls = hotfireCallsOf(script, environment);
  for (const words of calls) await parseCommandLine(words);
  return calls.length;
}

/** What a block marked `<!-- schema: NAME -->` is held against. */
const jsonSchemas: Readonly<Record<string, (value: unknown) => void>> = {
  error: (value) => {
    errorBody.parse(value);
  },
  scenario: byFile('scenarios/schema.json'),
  report: byFile('scenarios/report.schema.json'),
};

function byFile(file: string): (value: unknown) => void {
  return (value) => {
    const schema = JSON.parse(readFileSync(join(root, file), 'utf8'));
    const ajv = new Ajv2020({ strict: false, allErrors: true });
    ajv.validate(schema, value);
    expect(ajv.errors ?? []).toEqual([]);
  };
}

/** JSON against the schema that its mark names; a file of lines is a history, which `hotfire check` reads. */
export function checkJson(block: Block): void {
  if (block.file?.endsWith('.ndjson') === true) {
    expect(historyFromNdjson(block.text).length).toBeGreaterThan(0);
    return;
  }
  const name = block.marks.get('schema');
  const value = JSON.parse(block.text);
  if (name === undefined) throw new Error('expected <!-- schema: NAME --> before a block of JSON: what reads it?');
  const check = jsonSchemas[name];
  if (check === undefined) throw new Error(`expected one of ${Object.keys(jsonSchemas).join(', ')}, got ${name}`);
  check(value);
}

/** A configuration of the daemon: its own `--validate-config` reads it. */
export async function checkToml(block: Block, session: Session): Promise<void> {
  parseToml(block.text);
  session.save('shown.toml', block.text);
  const { exitCode, output } = await session.run('hotfire serve stemedb --config shown.toml --validate-config');
  expect(exitCode, output).toBe(0);
}

/** A tokens file of the daemon: its own `--validate-config` reads it. */
export async function checkTokens(block: Block, session: Session): Promise<void> {
  session.save('shown.tokens', block.text);
  const check = 'hotfire serve stemedb --validate-config';
  const { exitCode, output } = await session.run(`STEMEDB_SERVER_TOKENS_FILE="$PWD/shown.tokens" ${check}`);
  expect(exitCode, output).toBe(0);
}

/** A systemd unit: sections and keys, and command lines of ours that parse. */
export async function checkUnit(block: Block): Promise<void> {
  let calls = 0;
  for (const line of block.text.trimEnd().split('\n')) {
    expect(line).toMatch(/^(|#.*|\[\w+\]|[A-Z]\w+=.*)$/);
    const [, words] = /^Exec\w+=.*\bhotfire (.*)$/.exec(line) ?? [];
    if (words === undefined) continue;
    await parseCommandLine(words.split(' '));
    calls++;
  }
  expect(calls).toBeGreaterThan(0);
}
