import type { Route, RouteResponse } from '../../route.ts';
import { createRouter } from '../../router.ts';
import { encodeJson } from '../meta/json.ts';
import { type AdminAnswer, type AdminClient, NoAnswer } from './commands/command.ts';

/**
 * The administration of brokers whose routes are at hand: of an embedded cluster, and of one on the stand. `routes` gives those of the
 * brokers that run, in the order in which they are to be asked.
 */
export function createRouteClient(routes: () => Iterable<readonly Route[]>): AdminClient {
  return {
    async request(method, path, { query = {}, body, to } = {}): Promise<AdminAnswer> {
      for (const own of routes()) {
        const response = await createRouter(own).dispatch({
          method,
          path,
          query: { ...query, ...(to === undefined ? {} : { broker: String(to) }) },
          headers: {},
          body: body === undefined ? new Uint8Array(0) : encodeJson(body),
          signal: new AbortController().signal,
        });
        return { status: response.status, body: bodyOf(response) };
      }
      throw new NoAnswer('no broker runs');
    },
  };
}

/** The body as it would arrive: what is undefined in it is gone. */
function bodyOf({ body }: RouteResponse): unknown {
  if (typeof body === 'string' || body === undefined || body instanceof Uint8Array) return body;
  return JSON.parse(JSON.stringify(body)) as unknown;
}
