import { mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { exitOf } from '../../src/cli/exit.ts';
import { createProgram } from '../../src/cli/program.ts';
import { prepareAssertion } from '../../src/engines/stemedb/content.ts';
import { encodePayload } from '../../src/engines/stemedb/records.ts';
import { createRealHost } from '../../src/real/host.ts';
import { openJournal } from '../../src/storage/journal/index.ts';

let directory = '';
let wal = '';
let printed = '';
let complained = '';
let said = '';

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'hotfire-wal-'));
  wal = join(directory, 'wal');
  const { journal } = await openJournal(createRealHost({ name: 'm' }), {
    directory: wal,
    name: 'stemedb',
    metricsPrefix: 'stemedb_',
    witnessDirectory: join(directory, 'db/witness'),
    segmentBytes: 2 ** 20,
    reserveBytes: 0,
  });
  for (const text of ['one', 'two', 'three']) {
    const payload = encodePayload(
      prepareAssertion({
        subject: 's',
        predicate: 'p',
        object: { text },
        stage: 'approved',
        confidence: 1,
        timestamp: 1,
      }),
    );
    await journal.append([{ type: 1, payload }]).durable();
  }
  await journal.append([{ type: 9, payload: new Uint8Array([1, 2, 3]) }]).durable();
  await journal.close();
  printed = '';
  complained = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    printed += text;
    return true;
  });
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    said += text;
    return true;
  });
});
afterEach(() => {
  vi.restoreAllMocks();
  process.exitCode = undefined;
  rmSync(directory, { recursive: true });
});

/** Runs a command line; resolves to the exit code of the process. */
async function run(...words: string[]): Promise<number> {
  process.exitCode = undefined;
  printed = '';
  said = '';
  try {
    const program = await createProgram('stemedb');
    await program.parseAsync(['stemedb', 'wal', ...words], { from: 'user' });
    return Number(process.exitCode ?? 0);
  } catch (error) {
    const { code, text } = exitOf(error);
    complained = text ?? '';
    return code;
  }
}

const segment = () => join(wal, 'segment-00000001.wal');

describe('stemedb wal', () => {
  it('should list segments, witness and strangers', async () => {
    writeFileSync(join(wal, 'test.dat'), 'of a benchmark');
    expect(await run('ls', wal, '--json')).toBe(0);
    expect(JSON.parse(printed)).toMatchObject({
      segments: [{ file: 'segment-00000001.wal', first: 1, last: 4, state: 'sealed' }],
      strangers: ['test.dat'],
      witness: { exists: true, lastLsn: 4, clean: true },
    });
    expect(await run('ls', wal)).toBe(0);
    expect(printed).toContain('segment-00000001.wal  sealed  1..4');
    expect(printed).toContain('witness: knows LSN 4, closed cleanly');
    expect(printed).toContain('not of this log: test.dat');
  });

  it('should dump records as what they say, within the LSNs asked for', async () => {
    expect(await run('dump', wal, '--json', '--from', '2')).toBe(0);
    const lines = printed
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines).toMatchObject([
      { lsn: 2, type: 1, content: { subject: 's', object: { text: 'two' } }, signatures: [] },
      { lsn: 3, type: 1, content: { object: { text: 'three' } } },
      { lsn: 4, type: 9, payload: 'AQID' },
    ]);
    expect(await run('dump', wal, '--to', '1')).toBe(0);
    expect(printed).toMatch(/^1 {2}\S+Z {2}assertion {2}\{.*"one".*\n$/);
    expect(await run('dump', wal, '--from', '10', '--to', '5')).toBe(64);
    expect(complained).toBe('error: expected --from at most --to, got 10 and 5');
    expect(await run('dump', wal, '--from', '999')).toBe(0);
    expect(said).toBe('no records there: the log has 1..4\n');
  });

  it('should find a sound log clean', async () => {
    expect(await run('verify', wal)).toBe(0);
    expect(printed).toContain('verdict: clean');
    expect(printed).toContain('4 records, LSN 1..4');
  });

  it('should end with 65 and name the LSNs when an acknowledged record is damaged, and change nothing', async () => {
    const bytes = readFileSync(segment());
    const at = bytes.indexOf('"two"');
    bytes[at + 1] = 0x54;
    writeFileSync(segment(), bytes);
    expect(await run('verify', wal, '--json')).toBe(65);
    expect(JSON.parse(printed)).toMatchObject({ verdict: 'corrupt', missing: [{ from: 2, to: 2 }] });
    expect(await run('verify', wal)).toBe(65);
    expect(printed).toContain('damage: segment-00000001.wal at');
    expect(await run('dump', wal)).toBe(65);
    expect(printed.split('\n').filter((line) => line !== '')).toHaveLength(3);
    expect(said).toBe('missing: LSN 2..2: acknowledged, and damaged or gone\n');
    expect(await run('dump', wal, '--from', '3')).toBe(0);
    expect(readFileSync(segment()).equals(bytes)).toBe(true);
  });

  it('should remark that one of the two copies of a header is not intact, which loses nothing', async () => {
    const bytes = readFileSync(segment());
    bytes[0] = (bytes[0] ?? 0) ^ 1;
    writeFileSync(segment(), bytes);
    expect(await run('verify', wal)).toBe(0);
    expect(printed).toContain('verdict: clean');
    expect(printed).toContain('remark: segment-00000001.wal: one of the two copies of the header is not intact');
    printed = '';
    expect(await run('verify', wal, '--json')).toBe(0);
    expect(JSON.parse(printed)).toMatchObject({ verdict: 'clean', damagedHeaders: ['segment-00000001.wal'] });
  });

  it('should end with 65 when the witness knows more than the log', async () => {
    truncateSync(segment(), 2 * 4096);
    expect(await run('verify', wal)).toBe(65);
    // Without its witness a shorter log cannot be told from a whole one.
    expect(await run('verify', wal, '--witness', '/nowhere/stemedb.ring')).toBe(0);
    expect(printed).toContain('what it would prove was not checked');
  });

  it('should not take nothing for a sound log', async () => {
    expect(await run('verify', join(directory, 'x/wal'))).toBe(74);
    expect(complained).toContain('ENOENT');
    mkdirSync(join(directory, 'x/wal'), { recursive: true });
    expect(await run('verify', join(directory, 'x/wal'))).toBe(65);
    expect(complained).toContain('expected a directory with segment-*.wal files');
    // Beside the witness an empty directory is a log that was lost.
    expect(await run('verify', join(directory, 'forgotten-mount'))).toBe(65);
    expect(printed).toContain('verdict: corrupt');
    expect(await run('ls', join(directory, 'forgotten-mount'))).toBe(65);
  });
});
