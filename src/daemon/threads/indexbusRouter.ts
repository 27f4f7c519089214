import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { plainFailure } from '../../engines/indexbus/routerRunner.ts';
import { serveRouter } from '../../engines/indexbus/routerServe.ts';
import type { FromThread, ThreadData, ToThread, TuningNote } from '../../engines/indexbus/routerThread.ts';
import { openSegment } from '../../engines/indexbus/segment.ts';
import type { Logger, Telemetry } from '../../host/telemetry.ts';
import { createRealHost } from '../../real/host.ts';
import { bindThread, setTimerSlack } from '../../real/shm/threads.ts';
import { createRealTelemetry } from '../../real/telemetry.ts';

/**
 * The body of the router's thread: maps the segment for itself and polls until it is told to stop. It blocks its thread, so messages are
 * fetched, not delivered.
 */
const port = parentPort;
if (port === null) throw new Error('this module is the body of a thread');
const data = workerData as ThreadData; // `startRouterThread` gives it
const post = (message: FromThread): void => port.postMessage(message);

/** Lines of this thread, written by the main thread: two writers would mix them. */
function logger(extra: object = {}): Logger {
  const line =
    (log: 'debug' | 'info' | 'warn' | 'error') =>
    (message: string, fields: object = {}): void =>
      post({ log, message, fields: { ...extra, ...fields } });
  return {
    debug: line('debug'),
    info: line('info'),
    warn: line('warn'),
    error: line('error'),
    child: (fields) => logger({ ...extra, ...fields }),
  };
}

function tune(): TuningNote[] {
  // The kernel is as late as this with every sleep of the router.
  const notes: TuningNote[] = [setTimerSlack(1)];
  if (data.cpu !== undefined) notes.push(bindThread([data.cpu]));
  return notes;
}

try {
  const telemetry: Telemetry = { ...createRealTelemetry({ level: 'error' }), logger: logger() };
  const host = createRealHost({ name: 'router', telemetry });
  const tuning = tune();
  const segment = await openSegment({ ...data.place, shm: host.shm });
  serveRouter(segment, host, data, {
    ready: () => post({ ready: true, tuning }),
    news: (note) => post({ note }),
    next: () => receiveMessageOnPort(port)?.message as ToThread | undefined, // `startRouterThread` alone posts here
    answer: (id, failure) => post(failure === undefined ? { id } : { id, failure }),
  });
  segment.region.close();
} catch (error) {
  post({ failed: plainFailure(error) });
  throw error;
}
port.close();
