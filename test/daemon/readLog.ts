import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A record of the log, read by this file's own parser of the format: the engine's code has no part in it. */
export interface LogRecord {
  readonly lsn: number;
  readonly type: number;
  /** SHA-256 of the content, in hexadecimal digits. */
  readonly hash: string;
  readonly content: string;
}

const PAGE = 4096;
const BATCH_HEADER = 80;
const RECORD_HEADER = 16;

/** All records of the segments in `directory`, up to the first page of each that begins no batch. */
export function readLog(directory: string): LogRecord[] {
  const names = readdirSync(directory)
    .filter((name) => /^segment-\d+\.wal$/.test(name))
    .sort();
  return names.flatMap((name) => readSegment(readFileSync(join(directory, name))));
}

function readSegment(bytes: Buffer): LogRecord[] {
  const records: LogRecord[] = [];
  let at = PAGE;
  while (at + BATCH_HEADER <= bytes.length && bytes.toString('latin1', at, at + 4) === 'HFJB') {
    const count = bytes.readUInt32LE(at + 20);
    const firstLsn = Number(bytes.readBigUInt64LE(at + 32));
    const bodyBytes = bytes.readUInt32LE(at + 48);
    let record = at + BATCH_HEADER;
    for (let index = 0; index < count; index++) {
      const length = bytes.readUInt32LE(record);
      const type = bytes.readUInt8(record + 12);
      const payload = record + RECORD_HEADER;
      const content = bytes.subarray(payload + 4, payload + 4 + bytes.readUInt32LE(payload));
      const hash = createHash('sha256').update(content).digest('hex');
      records.push({ lsn: firstLsn + index, type, hash, content: content.toString('utf8') });
      record = payload + Math.ceil(length / 8) * 8;
    }
    at += Math.ceil((BATCH_HEADER + bodyBytes) / PAGE) * PAGE;
  }
  return records;
}
