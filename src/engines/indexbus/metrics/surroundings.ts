import { bottleneckOf, sides } from '../http/bottleneck.ts';
import type { Register } from './register.ts';

/** What triage names, the control plane, and what was asked of the machine. */
export function surroundingMetrics({ node, gauge, serving }: Register): void {
  gauge(
    'bottleneck',
    '1 on the side that triage names.',
    serving(() => {
      const { side } = bottleneckOf(node);
      return sides.map((name) => [{ side: name }, name === side ? 1 : 0]);
    }),
  );
  gauge('control_plane_up', '1 while the control plane answers.', () => {
    const state = node.controlPlane();
    return state === undefined ? [] : [[{}, state.reachable ? 1 : 0]];
  });
  gauge('control_plane_last_contact_seconds', 'Time since the control plane answered last.', () => {
    const contact = node.controlPlane()?.last_contact_ms ?? null;
    return contact === null ? [] : [[{}, contact / 1_000]];
  });
  gauge(
    'tuning_applied',
    '0: asked of the machine and not given.',
    serving((it) => it.tuning.map(({ name, reason }) => [{ item: name }, reason === '' ? 1 : 0])),
  );
}
